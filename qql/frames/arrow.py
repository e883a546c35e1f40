"""A result as a table of pyarrow."""

from __future__ import annotations

from qql.frames.columns import columns_of
from qql.frames.shapes import ListOf, Shape, StructOf, Values, typed
from qql.late import cast
from qql.missing import library
from qql.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import pyarrow

__all__ = ["parquet_bytes", "table_of"]

_TYPES = {
    "null": "null",
    "bool": "bool_",
    "int": "int64",
    "uint": "uint64",
    "float": "float64",
    "text": "string",
}


def table_of(result: Result) -> pyarrow.Table:
    """See `Result.to_arrow`."""
    pa = library("pyarrow", "to_arrow()")
    columns = {}
    for name, values in columns_of(result).items():
        shape, converted = typed(values)
        columns[name] = pa.array(converted, _type(pa, shape))
    return cast("pyarrow.Table", pa.table(columns))


def _type(pa: Any, shape: Shape) -> Any:
    match shape:
        case Values():
            return getattr(pa, _TYPES[shape.leaf])()
        case ListOf():
            return pa.list_(_type(pa, shape.item))
        case StructOf():
            return pa.struct({key: _type(pa, one) for key, one in shape.fields.items()}.items())


def parquet_bytes(result: Result) -> bytes:
    """A Parquet file of the same table. Raises as `table_of` does."""
    import io

    table = table_of(result)
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()
