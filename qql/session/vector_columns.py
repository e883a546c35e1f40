"""A column of vectors: an array, a column of a table, or a list of vectors of any kind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from qql.compiler.bind import json_of
from qql.compiler.frames import column_values, is_frame, library_of
from qql.compiler.python_values import NoJson, jsonified
from qql.errors import Diagnostic, QQLPlanError, Span, shown
from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["VectorColumn"]

_SHORT = 2.0**90
"""Of the square of a length: all numbers below it are far from the end of 32 bits."""
_AT_ONCE = 256
"""Rows of an array that are Python's numbers at one time."""


class VectorColumn:
    """The vectors of one name for all points; ``title`` is what messages call it."""

    def __init__(self, title: str, given: Any) -> None:
        self.title = title
        self._rows = self._readable(given)

    def __len__(self) -> int:
        return len(self._rows)

    def values(self) -> Iterator[tuple[Json, bool]]:
        """Each vector, and whether it is a list of nothing but finite floats of 32 bits.

        Raises `QQLPlanError` with the number of the first row that holds something else than a vector.
        """
        if library_of(self._rows) == "numpy":
            return self._of_array(self._rows)
        return ((self._json(number, one), False) for number, one in enumerate(self._rows, 1))

    def _readable(self, given: Any) -> Any:
        """The column as an array of numbers, or as a list whose items may be anything."""
        library = library_of(given)
        if isinstance(given, (str, bytes)) or is_frame(given):
            self._refuse(f"which is a {type(given).__name__}, is no array or list of vectors")
        try:
            if library == "numpy" and given.dtype.kind in "fiu":
                if given.ndim not in (2, 3):
                    shape = " x ".join(map(str, given.shape)) or "no dimension"
                    hint = "an array has the shape (points, dimensions)"
                    self._refuse(f"an array of {shape}, is none of vectors", hint)
                return given
            if library in ("polars", "pyarrow") and (array := _array_of(given)) is not None:
                return array
            if library in ("pandas", "polars", "pyarrow"):
                return column_values(given)
            found = jsonified(given)
        except NoJson as exc:
            self._refuse(str(exc), exc.hint)
        if not isinstance(found, (list, tuple)):
            self._refuse(f"which is {shown(found)}, is no array or list of vectors")
        return found

    def _json(self, number: int, value: Any) -> Json:
        try:
            return json_of(value, Span(0, 0), "")
        except QQLPlanError as exc:
            place = "" if exc.message.startswith("[") else ": "
            self._refuse(f"row {number}{place}{exc.message}", exc.hint, exc.code)

    def _of_array(self, array: Any) -> Iterator[tuple[Json, bool]]:
        numpy = sys.modules["numpy"]
        for start in range(0, len(array), _AT_ONCE):
            with numpy.errstate(over="ignore", invalid="ignore"):
                part = array[start : start + _AT_ONCE].astype(numpy.float32, copy=False)
                squares = (part.reshape(len(part), -1) ** 2).sum(axis=1)
            if not (squares < _SHORT).all():
                self._check_finite(array[start : start + _AT_ONCE], start)
            flat = array.ndim == 2
            for row, square in zip(part.tolist(), squares.tolist(), strict=True):
                yield row, flat and square < _SHORT

    def _check_finite(self, part: Any, start: int) -> None:
        numpy = sys.modules["numpy"]
        finite = numpy.isfinite(part).reshape(len(part), -1).all(axis=1)
        if not finite.all():
            row = start + int(finite.argmin()) + 1
            self._refuse(
                f"row {row}: NaN and infinity are no numbers of a vector", code="number-out-of-range"
            )

    def _refuse(self, why: str, hint: str | None = None, code: str = "malformed-vector") -> NoReturn:
        raise QQLPlanError(Diagnostic(code, f"{self.title}, {why}", hint=hint))


def _array_of(column: Any) -> Any:
    """The array of a column whose vectors are all of one length, by its type; None of any other.

    Its numbers are not copied where the library can hand out its own.
    """
    if library_of(column) == "polars":
        is_array = str(column.dtype).startswith("Array(") and not column.null_count()
        found = column.to_numpy() if is_array else None
        return found if found is not None and found.ndim in (2, 3) and found.dtype.kind in "fiu" else None
    if not str(column.type).startswith("fixed_size_list") or column.null_count:
        return None
    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    flat = column.flatten()
    if flat.null_count or str(flat.type) not in ("float", "double", "halffloat"):
        return None
    return flat.to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
