"""Many points at once: what a backend may offer beside `Backend.call` to those who load files.

A point is encoded once, when it was checked; what is written then are bytes, whose number is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from qql.errors import QQLError
from qql.late import Protocol
from qql.records import replace
from qql.rest.types import Json, JsonObject

__all__ = ["MAX_BODY", "PointWriter", "cut_by_size", "with_words", "writer_of"]

MAX_BODY = 30_000_000
"""Bytes of the points of one request: servers refuse bodies above 32 MB unless they are told otherwise."""


class PointWriter(Protocol):
    """Writes points that `qql.compiler.rows.make_point` has made and checked."""

    def encode(self, point: JsonObject, scanned: Set[int] = frozenset()) -> bytes:
        """The point as it will be sent. Raises `QQLExecutionError` for what cannot be sent.

        ``scanned`` are lists (their `id`s) that hold nothing but numbers of 32 bits.
        """

    def write(
        self, collection: str, points: Sequence[bytes], shard_key: Json = None, *, wait: bool = True
    ) -> None:
        """One request with these points, waited for where ``wait`` says so. Raises as `Backend.call` does."""


def writer_of(backend: object, collection: str) -> PointWriter | None:
    """What a backend's method ``point_writer`` gives for a collection; None where there is none."""
    make = getattr(backend, "point_writer", None)
    found: PointWriter | None = make(collection) if make is not None else None
    return found


def with_words(exc: QQLError, more: str, hint: str | None = None) -> QQLError:
    """The same error with ``more`` in parentheses behind its message, and ``hint`` behind its hint."""
    first, *others = exc.diagnostics
    hints = "; ".join(one for one in (first.hint, hint) if one)
    told = type(exc)(replace(first, message=f"{first.message} ({more})", hint=hints or None), *others)
    told.__cause__ = exc.__cause__
    return told


def cut_by_size(sizes: Sequence[int], limit: int) -> Iterator[slice]:
    """Neighbours that are together no larger than ``limit``; what is larger by itself stands alone."""
    start = total = 0
    for at, size in enumerate(sizes):
        if at > start and total + size > limit:
            yield slice(start, at)
            start, total = at, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))
