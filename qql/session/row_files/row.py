"""One row of a file: a point, or the reason why it is none."""

from __future__ import annotations

import json
from collections.abc import Mapping

from qql.records import dataclass, field
from qql.rest.limits import U64
from qql.rest.types import Json, JsonObject

__all__ = ["I64", "BadRow", "Record", "Row", "RowError", "abbreviated", "fits_64_bits"]

I64 = 2**63
"""Signed integers of 64 bits are from ``-I64`` to below ``I64``."""


@dataclass(slots=True)  # to make a frozen one takes three times as long
class Row:
    """One point; ``line`` is counted from 1, ``vector`` None where the file has none.

    ``made`` says that the id is the UUID of the content, since the row has none. ``beside`` are columns that
    are no payload, and may be vectors. ``shard_key`` is the row's own, where one is mapped.
    """

    line: int
    id: int | str
    payload: JsonObject
    vector: JsonObject | list[Json] | str | None = None
    made: bool = field(default=False, compare=False)
    beside: JsonObject = field(default_factory=dict)
    shard_key: int | str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be a point, and why."""

    line: int
    reason: str


class RowError(Exception):
    """Why a row cannot be a point."""


Record = tuple[int, JsonObject | RowError, Mapping[str, str] | None]
"""A row as its file has it: its line, its columns or why it has none, and the cells of a table as written."""


def abbreviated(value: Json) -> str:
    """A value for a message: a text as Python writes it, all else as JSON; at most 60 characters."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def fits_64_bits(number: int) -> bool:
    """Whether 64 bits hold the integer, signed or unsigned."""
    return -I64 <= number <= U64
