"""Rows that are the value of a parameter: JSON data already, and what is known of their vectors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["BoundRows", "are_short_floats"]

_SHORT = 2.0**90
"""Of the square of a length: all numbers below it are far from the end of 32 bits."""


class BoundRows(tuple[Json, ...]):
    """The rows of a statement. ``scanned`` are the `id`s of lists in them that hold finite floats alone.

    These come of arrays of 32-bit floats, which are looked at whole, and not number by number.
    """

    scanned: frozenset[int] = frozenset()

    @classmethod
    def of(cls, given: Json, rows: Iterable[Json]) -> BoundRows:
        """The ``rows`` that were made of what is ``given``."""
        made = cls(rows)
        if isinstance(given, (list, tuple)):
            made.scanned = frozenset(
                id(found) for before, row in zip(given, made, strict=True) for found in _lists(before, row)
            )
        return made


def _lists(before: Any, row: Any) -> Iterator[Json]:
    """The values of a row, and of the object under ``vector`` in it, that were arrays of short floats."""
    if not isinstance(before, Mapping):
        return
    for key, value in before.items():
        if key == "vector" and isinstance(value, Mapping):
            yield from _lists(value, row[key])
        elif not isinstance(value, (str, int, float, list, Mapping)) and are_short_floats(value):
            yield row[key]


def are_short_floats(value: Any) -> bool:
    """Whether this is an array of 32-bit floats, all of them finite, in one dimension."""
    numpy = sys.modules.get("numpy")  # who has its arrays has imported it; for others that would take long
    if numpy is None:
        return False
    if type(value).__module__ == "array":
        if value.typecode != "f":
            return False
        value = numpy.frombuffer(value, dtype=numpy.float32)
    if not isinstance(value, numpy.ndarray) or value.ndim != 1 or value.dtype != numpy.float32:
        return False
    with numpy.errstate(over="ignore", invalid="ignore"):
        return float(value.dot(value)) < _SHORT  # which no sum with NaN or infinity in it is
