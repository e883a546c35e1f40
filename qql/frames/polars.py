"""A result as a frame of polars."""

from __future__ import annotations

from qql.frames.columns import columns_of
from qql.frames.shapes import ListOf, Shape, StructOf, Values, typed
from qql.late import cast
from qql.missing import library
from qql.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import polars

__all__ = ["frame_of"]

_TYPES = {
    "null": "Null",
    "bool": "Boolean",
    "int": "Int64",
    "uint": "UInt64",
    "float": "Float64",
    "text": "String",
}


def frame_of(result: Result) -> polars.DataFrame:
    """See `Result.to_polars`."""
    pl = library("polars", "to_polars()")
    columns = {}
    for name, values in columns_of(result).items():
        shape, converted = typed(values)
        columns[name] = pl.Series(name, converted, dtype=_type(pl, shape))
    return cast("polars.DataFrame", pl.DataFrame(columns))


def _type(pl: Any, shape: Shape) -> Any:
    match shape:
        case Values():
            return getattr(pl, _TYPES[shape.leaf])
        case ListOf():
            return pl.List(_type(pl, shape.item))
        case StructOf():
            return pl.Struct({key: _type(pl, one) for key, one in shape.fields.items()})
