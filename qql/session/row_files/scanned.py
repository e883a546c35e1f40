"""Lists of numbers, looked through once where a row is read, so that no later check need do it again."""

from __future__ import annotations

import marshal
import math

from qql.rest.types import Json, JsonObject
from qql.session.row_files.row import I64

__all__ = ["Scanned"]

_SHORT = 2**45


class Scanned:
    """``ids`` are the `id`s of those lists of the row at hand that hold finite floats of 32 bits alone."""

    def __init__(self) -> None:
        self.ids: set[int] = set()

    def look(self, row: JsonObject) -> None:
        """Looks at the lists of a row that no reader of JSON has seen."""
        self.ids = set()
        for value in row.values():
            if type(value) is list:
                self.are_small(value)

    def are_small(self, values: list[Json]) -> bool:
        """Whether a list holds numbers alone, and none that might be an integer beyond 64 bits: most do.

        The values are those of JSON. If they are floats as well, the list is noted.
        """
        if values and type(values[0]) is str:
            return False
        try:
            length = math.hypot(*values)
        except (TypeError, OverflowError):
            return False
        # In marshal's second format a float takes nine bytes, a bool one, and an integer that is no longer
        # than this five or nine. That finds a bool among the numbers in half the time of a set of types.
        if length < _SHORT and len(marshal.dumps(values, 2)) == 5 + 9 * len(values):
            self.ids.add(id(values))
        return length < I64
