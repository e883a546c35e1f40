"""A result as a frame of pandas."""

from __future__ import annotations

from qql.frames.columns import columns_of
from qql.frames.shapes import Values, typed
from qql.late import cast
from qql.missing import library
from qql.rest.types import Json
from qql.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import pandas

__all__ = ["frame_of"]

_TYPES = {"bool": "bool", "int": "int64", "uint": "uint64", "float": "float64"}
_NULLABLE = {"bool": "boolean", "int": "Int64", "uint": "UInt64", "float": "float64"}


def frame_of(result: Result) -> pandas.DataFrame:
    """See `Result.to_pandas`."""
    pd = library("pandas", "to_pandas()")
    columns = {name: _series(pd, values) for name, values in columns_of(result).items()}
    return cast("pandas.DataFrame", pd.DataFrame(columns))


def _series(pd: Any, values: list[Json]) -> Any:
    shape, converted = typed(values)
    if not isinstance(shape, Values) or shape.leaf == "null":
        return pd.Series(values, dtype=object)
    if shape.leaf == "text":
        if shape.convert in (None, str):
            return pd.Series(converted)
        return pd.Series(values, dtype=object)  # values of several kinds, which JSON need not hide here
    types = _NULLABLE if None in values else _TYPES
    return pd.Series(converted, dtype=types[shape.leaf])
