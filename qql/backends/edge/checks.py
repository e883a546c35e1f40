"""Reading JSON bodies: each key known, each value of its type, every refusal naming the key."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qql.errors import QQLExecutionError, QQLUnsupportedError, did_you_mean

from .engine import edge, member, members

__all__ = [
    "Reader",
    "boolean",
    "integer",
    "items",
    "mapping",
    "number",
    "one_of",
    "only",
    "point_id",
    "read",
    "refuse",
    "strings",
    "text",
    "unsupported",
]

Reader = Callable[[Any, str], Any]
"""Takes a value and the words that name it; gives what the engine takes, or raises."""


def refuse(code: str, message: str, hint: str | None = None) -> QQLExecutionError:
    """The error for a request that cannot be carried out as it is."""
    error = QQLExecutionError.make(code, message, hint=hint)
    assert isinstance(error, QQLExecutionError)
    return error


def unsupported(what: str, hint: str | None = None) -> QQLUnsupportedError:
    """The error for what a server can do and the embedded engine cannot."""
    error = QQLUnsupportedError.make(
        "unsupported", f"{what} is not offered by the embedded engine", hint=hint
    )
    assert isinstance(error, QQLUnsupportedError)
    return error


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A JSON object without the keys whose value is null (REST reads null as absent)."""
    if not isinstance(value, Mapping):
        raise refuse("invalid-request", f"{where} must be an object, not {_kind(value)}")
    return {key: item for key, item in value.items() if item is not None}


def read(value: Any, where: str, table: Mapping[str, Reader], required: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of an object, each read by its reader; unknown and missing keys are refused by name."""
    out: dict[str, Any] = {}
    for key, item in mapping(value, where).items():
        reader = table.get(key)
        if reader is None:
            raise refuse("unknown-option", f"{where} has no option `{key}`", did_you_mean(str(key), table))
        out[key] = reader(item, f"{where}.{key}")
    for key in required:
        if key not in out:
            raise refuse("missing-option", f"{where} requires `{key}`")
    return out


def integer(low: int = 0, high: int = 2**63 - 1) -> Reader:
    """A reader of integers from ``low`` to ``high``."""

    def reader(value: Any, where: str) -> int:
        if type(value) is not int:
            raise refuse("invalid-request", f"{where} must be an integer, not {_kind(value)}")
        if not low <= value <= high:
            raise refuse("invalid-request", f"{where} must be from {low} to {high}, not {value}")
        return value

    return reader


def number(value: Any, where: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse("invalid-request", f"{where} must be a number, not {_kind(value)}")
    try:
        out = float(value)
    except OverflowError:
        out = math.inf
    if not math.isfinite(out):
        raise refuse("invalid-request", f"{where} must be a finite number, not {value}")
    return out


def boolean(value: Any, where: str) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise refuse("invalid-request", f"{where} must be true or false, not {_kind(value)}")
    return value


def text(value: Any, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise refuse("invalid-request", f"{where} must be a string, not {_kind(value)}")
    return value


def items(value: Any, where: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list | tuple):
        raise refuse("invalid-request", f"{where} must be a list, not {_kind(value)}")
    return list(value)


def strings(value: Any, where: str) -> list[str]:
    """A list of strings."""
    return [text(item, where) for item in items(value, where)]


def one_of(enum: str) -> Reader:
    """A reader of the words of one of the engine's enums, e.g. ``one_of("Distance")``."""
    enum_class = getattr(edge, enum)

    def reader(value: Any, where: str) -> Any:
        found = member(enum_class, value)
        if found is None:
            known = sorted(members(enum_class))
            hint = did_you_mean(str(value), known) or f"one of {', '.join(known)}"
            raise refuse("invalid-request", f"{where} does not know {_shown(value)}", hint)
        return found

    return reader


def only(*allowed: Any, hint: str) -> Reader:
    """A reader for what the embedded engine has just one setting of; everything else is refused by name."""

    def reader(value: Any, where: str) -> Any:
        if value not in allowed:
            raise unsupported(f"{where} = {_shown(value)}", hint)
        return value

    return reader


_UUID = re.compile(r"(?:urn:uuid:)?(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.I)


def point_id(value: Any, where: str) -> int | str:
    """A point's id: an unsigned 64-bit integer, or a UUID, which comes back hyphenated."""
    if type(value) is int and 0 <= value < 2**64:
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return str(uuid.UUID(value.removeprefix("urn:uuid:")))
    if isinstance(value, uuid.UUID):
        return str(value)
    raise refuse(
        "invalid-point-id",
        f"{where}: a point id requires an unsigned 64-bit integer or a UUID, not {_shown(value)}",
        f"UUID({value!r}) is a stable id made of any string" if isinstance(value, str) else None,
    )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"


_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value)) or _shown(value)
