"""Python values that are no JSON: what each is as JSON data, or why it is nothing."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import date, time, timedelta
from decimal import Decimal

from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["NoJson", "jsonified"]


class NoJson(Exception):
    """Why a value is no JSON: the message, and what may be given instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def jsonified(value: Any) -> Json:
    """One step from a value to JSON data; what is inside of a list that it gives may need steps of its own.

    Dates are ISO 8601 texts, also those of numpy; NaT and pandas' NA are null; UUIDs are texts; arrays and
    numbers of numpy, pandas' columns and other things with a ``tolist`` are what it gives; sets are sorted
    lists. Raises `NoJson`.
    """
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        return _SPECIAL.get(value.dtype.kind, _listed)(value)
    match value:
        case date():  # a datetime is one too, and so is pandas' NaT, which differs from itself
            return value.isoformat() if value == value else None
        case uuid.UUID():
            return str(value)
        case set() | frozenset():
            return _sorted(value)
        case timedelta() | time():
            raise NoJson(f"a {type(value).__name__} is no JSON", "a number of seconds is one, and a text")
        case Decimal():
            message = "a Decimal is no JSON"
            raise NoJson(message, "float(…) makes a number of it, str(…) a text with all its digits")
        case bytes() | bytearray():
            raise NoJson(f"{type(value).__name__} is no JSON", "decode() makes a text of them")
    if type(value).__name__ == "NAType" and type(value).__module__.partition(".")[0] == "pandas":
        return None
    if hasattr(value, "tolist"):
        return _listed(value)
    hint = None
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        hint = "rows of a table are given as a list of objects: table.to_dict('records')"
    raise NoJson(f"a value of the type {type(value).__name__} is no JSON", hint)


def _listed(value: Any) -> Json:
    found = value.tolist()
    if type(found) is type(value):  # numpy's long doubles give themselves
        raise NoJson(f"a value of the type {type(value).__name__} is no JSON")
    return found


def _sorted(items: Collection[Any]) -> list[Json]:
    """The items in an order that is the same every time."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=lambda item: (type(item).__name__, repr(item)))


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
        raise NoJson(f"a value of the type {type(value).__name__} is no JSON")
    if value.ndim:
        return list(value)
    return {name: value[()][name] for name in names}


_SPECIAL = {"M": _dates, "m": _durations, "V": _records}
"""Kinds of numpy's data whose ``tolist`` would say something else than they mean."""
