"""A fault of what is typed, as the prompt shows it."""

from __future__ import annotations

from qql.records import NamedTuple

__all__ = ["Problem"]


class Problem(NamedTuple):
    """A fault from ``start`` to ``end`` of the text, what it is, and what can be written instead."""

    start: int
    end: int
    message: str
    hint: str | None = None
