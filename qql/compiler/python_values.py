"""Python values that are no JSON: what each is as JSON data, or why it is nothing.

Every door leads here: parameters, rows, conditions, requests of others, and what models answer. Libraries are
told by their names, and none is imported.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice

from qql.compiler.frames import column_values, is_frame, library_of, rows_of, single_value
from qql.compiler.no_json import NoJson
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["AS_SENT", "MOST_READ", "NoJson", "Unread", "bare", "jsonified", "plain_value", "read"]

MOST_READ = 1_000_000
"""Values that are read of what says only at its end how many there are: it may have none."""
AS_SENT: JsonObject = {"mode": "json", "by_alias": True, "exclude_none": True, "exclude_unset": True}
"""How qdrant-client's models become JSON. What they set by themselves is what Qdrant does by itself."""
_MOST_LEVELS = 200


def jsonified(value: Any) -> Json:
    """One step from a value to JSON data; what is inside of what it gives may need steps of its own.

    Dates are ISO 8601 texts, also those of numpy; NaT and pandas' NA are null; UUIDs and paths are texts,
    Decimals numbers, enums what they stand for. Arrays, columns, and whatever else can be read item by item
    are lists, sets sorted ones; tables are lists of rows. Dataclasses, pydantic's models, and sparse vectors
    of other libraries are objects. Raises `NoJson`.
    """
    if library := library_of(value):
        found = _OF_LIBRARIES[library](value)
        if found is not value:
            return found
    match value:
        case date():  # a datetime is one too, and so is pandas' NaT, which differs from itself
            return _date(value) if value == value else None
        case time():
            return value.isoformat()
        case uuid.UUID():
            return str(value)
        case set() | frozenset():
            return _sorted(value)
        case timedelta():
            raise NoJson(f"a {type(value).__name__} is no JSON", "a number of seconds is one, and a text")
        case Decimal():
            return _number(value)
        case Enum():
            return value.value
        case Unread():
            raise value.fault
        case bytes() | bytearray() | memoryview():
            return _of_bytes(value)
    return _of_object(value)


def plain_value(value: Any, level: int = 0) -> Json:
    """A value as JSON data, the whole way; numbers are not looked at. Raises `NoJson`."""
    if value is None or type(value) in _PLAIN:
        return value
    if level > _MOST_LEVELS:
        raise NoJson(f"values nest deeper than {_MOST_LEVELS} levels")
    if isinstance(value, (list, tuple)):
        if {*map(type, value)} <= _PLAIN:
            return list(value)
        return [plain_value(item, level + 1) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain_value(item, level + 1) for key, item in value.items()}
    if isinstance(value, (int, float, str)):
        return bare(value)
    return plain_value(jsonified(value), level + 1)


_PLAIN = {bool, int, float, str}


def bare(value: int | float | str) -> Json:
    """A text or number of a class of its own (numpy's floats, enums of texts) as what it is without it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    return int(value) if isinstance(value, int) else float(value)


class Unread:
    """Stands for an iterator that gave more than could be read."""

    def __init__(self, message: str, hint: str | None) -> None:
        self.fault: NoJson = NoJson(message, hint)


def read(values: Iterable[Any]) -> list[Any]:
    """The values of what can be read item by item. Raises `NoJson` for more than `MOST_READ`."""
    found = list(islice(values, MOST_READ + 1))
    if len(found) > MOST_READ:
        message = f"a {type(values).__name__} gives more than {MOST_READ:,} values"
        raise NoJson(message, "give a list, which is as long as it is; COPY reads files of any length")
    return found


# ------------------------------------------------------------------------------------ Python's own


def _date(value: date) -> str:
    """ISO 8601. Qdrant knows no seconds in the difference to UTC, as places had them before 1900 or so."""
    if isinstance(value, datetime) and (offset := value.utcoffset()) is not None and offset.seconds % 60:
        value = value.astimezone(UTC)
    return value.isoformat()


def _number(value: Decimal) -> int | float:
    """The number of a Decimal, all of whose digits it has."""
    if not value.is_finite():
        return float("nan") if value.is_nan() else float(value)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= 0 and value.adjusted() < 20:
        return int(value)
    number = float(value)
    if abs(number) != float("inf") and Decimal(repr(number)) != value:
        message = "a Decimal has more digits than a number can hold"
        raise NoJson(message, "float(…) makes a number of it, str(…) a text with all its digits")
    return number


def _of_bytes(value: bytes | bytearray | memoryview) -> Json:
    if isinstance(value, memoryview) and value.format not in ("B", "b", "c"):
        found: Json = value.tolist()
        return found
    message = f"{type(value).__name__} is no JSON: what text it stands for is not said"
    raise NoJson(message, "decode() makes a text of it, base64.b64encode(…).decode() one of any bytes")


def _sorted(items: Collection[Any]) -> list[Json]:
    """The items in an order that is the same every time."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=lambda item: (type(item).__name__, repr(item)))


# ------------------------------------------------------------------------------------ objects


def _of_object(value: Any) -> Json:
    """What an object holds, by what it offers; JSON data stays as it is."""
    if value is None or isinstance(value, (str, int, float, list, tuple)):
        return value
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    if isinstance(value, type) or root == "qql":  # a condition, a hit: they have places of their own
        raise _no_value(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(**(AS_SENT if root == "qdrant_client" else {}))
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__ if hasattr(value, name)}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return _listed(value)
    indices, values = getattr(value, "indices", None), getattr(value, "values", None)
    if indices is not None and values is not None and not callable(indices) and not callable(values):
        return {"indices": indices, "values": values}
    if isinstance(value, Iterable) and not isinstance(value, io.IOBase):
        return read(value)
    raise _no_value(value)


def _no_value(value: Any) -> NoJson:
    hint = "read() gives the text of a file" if isinstance(value, io.IOBase) else None
    hint = "await it first" if hasattr(value, "__await__") else hint
    return NoJson(f"a value of the type {type(value).__name__} is no JSON", hint)


def _listed(value: Any) -> Json:
    found = value.tolist()
    if type(found) is type(value):  # numpy's long doubles give themselves
        raise _no_value(value)
    return found


# ------------------------------------------------------------------------------------ libraries


def _of_numpy(value: Any) -> Json:
    return _SPECIAL.get(value.dtype.kind, _listed)(value) if hasattr(value, "dtype") else value


def _of_pandas(value: Any) -> Json:
    if type(value).__name__ == "NAType":
        return None
    if is_frame(value):
        return rows_of(value)
    if isinstance(value, (date, timedelta)):  # its own dates are Python's
        return value
    if hasattr(value, "tolist"):
        return _listed(value)
    hint = "str(…) makes a text of it" if type(value).__name__ in ("Period", "Interval") else None
    raise NoJson(f"a value of the type {type(value).__name__} is no JSON", hint)


def _of_columns(value: Any) -> Json:
    """A table, a column or a single value of polars or pyarrow."""
    if hasattr(value, "as_py"):
        return single_value(value)
    if is_frame(value):
        return rows_of(value)
    if hasattr(value, "to_list") or hasattr(value, "to_pylist"):
        return column_values(value)
    raise _no_value(value)


def _dates(value: Any) -> Json:
    """A datetime64, or an array of them, whatever its unit is."""
    if value.ndim:
        return list(value)
    value = value[()]
    if value != value:
        return None
    found = value.tolist()
    if isinstance(found, date):
        return found.isoformat()
    # Beyond microseconds numpy gives an integer.
    micros = value.astype("datetime64[us]")
    found = micros.tolist()
    if not isinstance(found, date):
        raise NoJson(f"the date {value} is outside of the years 1 to 9999")
    return found.isoformat() if micros == value else str(value)


def _durations(value: Any) -> Json:
    message = "a timedelta64 is no JSON: it has no durations"
    raise NoJson(message, "give a number: value / numpy.timedelta64(1, 's')")


def _records(value: Any) -> Json:
    names = value.dtype.names
    if names is None:
        raise _no_value(value)
    if value.ndim:
        return list(value)
    return {name: value[()][name] for name in names}


_SPECIAL = {"M": _dates, "m": _durations, "V": _records}
"""Kinds of numpy's data whose ``tolist`` would say something else than they mean."""
_OF_LIBRARIES: dict[str, Callable[[Any], Json]] = {
    "numpy": _of_numpy,
    "pandas": _of_pandas,
    "polars": _of_columns,
    "pyarrow": _of_columns,
}
