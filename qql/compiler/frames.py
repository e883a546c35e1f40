"""Tables of pandas, polars and pyarrow: told by their names, so that none of these is imported here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from qql.compiler.no_json import NoJson
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["column_values", "columns_of", "is_frame", "library_of", "rows_of", "single_value"]

_FRAMES = {
    "pandas": ("DataFrame",),
    "polars": ("DataFrame", "LazyFrame"),
    "pyarrow": ("Table", "RecordBatch"),
}


def library_of(value: Any) -> str:
    """The name of the library that the class of a value is from, or a class above it; empty for others."""
    for kind in type(value).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in _LIBRARIES:
            return root
    return ""


_LIBRARIES = {"numpy", "pandas", "polars", "pyarrow"}


def is_frame(value: Any) -> bool:
    """Whether a value is a table: rows and named columns."""
    names = _FRAMES.get(library_of(value), ())
    return any(kind.__name__ in names for kind in type(value).__mro__)


def columns_of(frame: Any) -> dict[str, list[Json]]:
    """The columns of a table by their names, what is missing in them as None; an index is no column.

    Raises `NoJson` for a table that is not read yet, a name that is no text, and a name that stands twice.
    """
    library = library_of(frame)
    if type(frame).__name__ == "LazyFrame":
        raise NoJson("a LazyFrame has no rows yet", "frame.collect() reads them")
    names = list(frame.column_names if library == "pyarrow" else frame.columns)
    for name, times in Counter(names).items():
        if not isinstance(name, str):
            raise NoJson(f"the name of a column is no text: {name!r}"[:200], "frame.rename(columns=str)")
        if times > 1:
            raise NoJson(f"the table has two columns `{name}`"[:200])
    return {str(name): column_values(frame[name]) for name in names}


def rows_of(frame: Any) -> list[JsonObject]:
    """The rows of a table. Raises as `columns_of` does."""
    columns = columns_of(frame)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def column_values(column: Any) -> list[Json]:
    """The values of a column, None where one is missing: for pandas that is NaN, too.

    In columns of polars and pyarrow NaN is a number, which is refused where it is bound.
    """
    return _COLUMNS[library_of(column)](column)


def _of_pandas(column: Any) -> list[Json]:
    values: list[Json] = column.tolist()
    missing = column.isna()
    if missing.any():
        return [None if gone else value for value, gone in zip(values, missing, strict=True)]
    return values


def _of_polars(column: Any) -> list[Json]:
    """Dates with nanoseconds are texts: Python's own would lose them without a word."""
    if str(column.dtype).startswith("Datetime(time_unit='ns'"):
        nanoseconds = column.dt.timestamp("ns") % 1000
        if nanoseconds.sum():
            column = column.dt.to_string("iso:strict")
    values: list[Json] = column.to_list()
    return values


def _of_arrow(column: Any) -> list[Json]:
    values: list[Json] = _from_arrow(column.to_pylist)
    return values


def single_value(value: Any) -> Json:
    """The value of a scalar of pyarrow."""
    return _from_arrow(value.as_py)


def _from_arrow(convert: Callable[[], Json]) -> Json:
    try:
        return convert()
    except ValueError as exc:
        # Python's dates have no nanoseconds; pyarrow makes pandas' of them, where that is installed.
        raise NoJson(f"pyarrow: {exc}"[:300], "pip install pandas, or cast the column to 'us'") from None


_COLUMNS: dict[str, Callable[[Any], list[Json]]] = {
    "pandas": _of_pandas,
    "polars": _of_polars,
    "pyarrow": _of_arrow,
}
