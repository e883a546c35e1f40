"""Reading JSON bodies: each key known, each value of its type, every refusal naming the key."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from qql.errors import Diagnostic, QQLExecutionError, QQLUnsupportedError, did_you_mean
from qql.late import TypeVar, late_pattern
from qql.rest.limits import U64
from qql.rest.types import Json, JsonObject

from .engine import member, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, SupportsFloat

__all__ = [
    "Fields",
    "Reader",
    "Values",
    "anything",
    "boolean",
    "has_surrogate",
    "inside",
    "integer",
    "items",
    "list_of",
    "mapping",
    "number",
    "object_of",
    "one_of",
    "only",
    "point_id",
    "quoted",
    "read",
    "refuse",
    "strings",
    "suggestion",
    "text",
    "to_float",
    "unsupported",
]

T = TypeVar("T")
Reader = Callable[[Json, str], T]
"""Takes a value and the words that name it; gives what the engine takes, or raises."""
Fields = Mapping[str, "Reader[object]"]
"""The keys that an object may have, each with the reader of its value."""
Values = dict[str, "Any"]
"""What the readers gave, by key."""


# --- refusals -------------------------------------------------------------------------------------


def refuse(code: str, message: str, hint: str | None = None) -> QQLExecutionError:
    """The error for a request that cannot be carried out as it is."""
    return QQLExecutionError(Diagnostic(code, message, hint=hint))


def unsupported(what: str, hint: str | None = None) -> QQLUnsupportedError:
    """The error for what a server can do and the embedded engine cannot."""
    message = f"{what} is not offered by the embedded engine"
    return QQLUnsupportedError(Diagnostic("unsupported", message, hint=hint))


def suggestion(word: object, known: Iterable[str], more: str = "") -> str:
    """A hint: the closest of the known words, or all of them and ``more`` where none is close."""
    known = tuple(known)
    return did_you_mean(str(word), known) or f"one of {', '.join(known)}{more}"


def quoted(names: Iterable[object]) -> str:
    """Names as messages list them: each in backticks, with commas between."""
    return ", ".join(f"`{name}`" for name in names)


def _excerpt(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"


_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


def _json_kind(value: object) -> str:
    return _KINDS.get(type(value)) or _excerpt(value)


# --- objects and lists ----------------------------------------------------------------------------


def mapping(value: Json, where: str) -> JsonObject:
    """A JSON object without the keys whose value is null (REST reads null as absent)."""
    if not isinstance(value, (dict, Mapping)):  # a dict is told by its type, which is quicker
        raise refuse("invalid-request", f"{where} must be an object, not {_json_kind(value)}")
    return {key: item for key, item in value.items() if item is not None}


def read(value: Json, where: str, fields: Fields, required: Iterable[str] = ()) -> Values:
    """The fields of an object, each read by its reader; unknown and missing keys are refused by name."""
    out: Values = {}
    for key, item in (value if type(value) is dict else mapping(value, where)).items():
        if item is None:
            continue
        reader = fields.get(key)
        if reader is None:
            raise refuse("unknown-option", f"{where} has no option `{key}`", did_you_mean(str(key), fields))
        out[key] = reader(item, inside(where, key))
    for key in required:
        if key not in out:
            raise refuse("missing-option", f"{where} requires `{key}`")
    return out


def items(value: Json, where: str) -> list[Json]:
    """A list."""
    if not isinstance(value, list | tuple):
        raise refuse("invalid-request", f"{where} must be a list, not {_json_kind(value)}")
    return list(value)


def list_of(reader: Reader[T]) -> Reader[list[T]]:
    """A reader of lists whose items are read by ``reader``."""
    return lambda value, where: [reader(item, where) for item in items(value, where)]


def object_of(make: Callable[..., T], fields: Fields, required: Iterable[str] = ()) -> Reader[T]:
    """A reader of objects whose fields are the keyword arguments of ``make``."""
    return lambda value, where: make(**read(value, where, fields, required))


_KEY_OF = late_pattern(r"`([^`]+)` of ")


def inside(where: str, key: object) -> str:
    """The words that name a key of what ``where`` names: ``rrf.k``, or `` `params.exact` of the query``."""
    # The words are made for every value that is read, and are mostly the same; long ones are not kept.
    return _inside(where, key) if len(where) < 100 else _inside.__wrapped__(where, key)


@lru_cache(1024)
def _inside(where: str, key: object) -> str:
    if found := _KEY_OF.match(where):
        return f"`{found[1]}.{key}` of {where[found.end() :]}"
    return f"`{key}` of {where}" if " " in where else f"{where}.{key}"


def anything(value: Json, where: str) -> Json:
    """Any value, as it is: what depends on other keys is read later."""
    return value


# --- single values --------------------------------------------------------------------------------


def integer(low: int = 0, high: int = 2**63 - 1) -> Reader[int]:
    """A reader of integers from ``low`` to ``high``."""

    def reader(value: Json, where: str) -> int:
        if type(value) is not int:
            raise refuse("invalid-request", f"{where} must be an integer, not {_json_kind(value)}")
        if not low <= value <= high:
            raise refuse("invalid-request", f"{where} must be from {low} to {high}, not {value}")
        return value

    return reader


def number(value: Json, where: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse("invalid-request", f"{where} must be a number, not {_json_kind(value)}")
    out = to_float(value)
    if not math.isfinite(out):
        raise refuse("invalid-request", f"{where} must be a finite number, not {value}")
    return out


def to_float(value: SupportsFloat) -> float:
    """A number as a float; one that is too large is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def boolean(value: Json, where: str) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise refuse("invalid-request", f"{where} must be true or false, not {_json_kind(value)}")
    return value


def text(value: Json, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise refuse("invalid-request", f"{where} must be a string, not {_json_kind(value)}")
    return value


strings: Reader[list[str]] = list_of(text)
"""A list of strings."""


def has_surrogate(word: str) -> bool:
    """Whether a string holds half a surrogate pair, which UTF-8 cannot encode."""
    return any(0xD800 <= ord(char) < 0xE000 for char in word)


def one_of(enum: type[T]) -> Reader[T]:
    """A reader of the words of one of the engine's enums, e.g. ``one_of(edge.Distance)``."""

    def reader(value: Json, where: str) -> T:
        found = member(enum, value)
        if found is None:
            hint = suggestion(value, sorted(members(enum)))
            raise refuse("invalid-request", f"{where} does not know {_excerpt(value)}", hint)
        return found

    return reader


def _set_to(where: str, value: Json) -> str:
    """``rrf.k = 3``, or `` `params.exact = true` of the query``."""
    if found := _KEY_OF.match(where):
        return f"`{found[1]} = {_excerpt(value)}` of {where[found.end() :]}"
    return f"{where} = {_excerpt(value)}"


def only(*allowed: object, hint: str) -> Reader[Json]:
    """A reader for what the embedded engine has just one setting of; everything else is refused by name."""

    def reader(value: Json, where: str) -> Json:
        if value not in allowed:
            raise unsupported(_set_to(where, value), hint)
        return value

    return reader


_UUID = late_pattern(r"(?:urn:uuid:)?(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.I)


def point_id(value: Json, where: str) -> int | str:
    """A point's id: an unsigned 64-bit integer, or a UUID, which comes back hyphenated."""
    if type(value) is int and 0 <= value <= U64:
        return value
    import uuid

    if isinstance(value, str) and _UUID.fullmatch(value):
        return str(uuid.UUID(value.removeprefix("urn:uuid:")))
    if isinstance(value, uuid.UUID):
        return str(value)
    raise refuse(
        "invalid-point-id",
        f"{where}: a point id requires an unsigned 64-bit integer or a UUID, not {_excerpt(value)}",
        f"UUID({value!r}) is a stable id made of any string" if isinstance(value, str) else None,
    )
