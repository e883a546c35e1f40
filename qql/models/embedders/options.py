"""The options that an inference object gives to a model: names and values are checked, never ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql.errors import QQLModelError, did_you_mean, fail
from qql.rest.limits import U32
from qql.rest.types import Body, Json, JsonObject

__all__ = ["Table", "count", "flag", "number", "positive", "read_options", "text"]

Table = Mapping[str, tuple[str, Callable[[Json], object]]]
"""Option → what it takes in words, and the function that reads its JSON form (or raises ``ValueError`` …)."""


def read_options(model: str, options: Body | None, table: Table) -> JsonObject:
    """The options in the form that the model takes; those that are null are left out.

    Raises `QQLModelError` (``model-option``) for a name that is not in the table or a value it does not take.
    """
    read: JsonObject = {}
    for name, value in (options or {}).items():
        if name not in table:
            known = f"its options are {', '.join(table)}" if table else "it takes no options"
            fail(
                "model-option",
                f"model `{model}` has no option `{name}`",
                hint=did_you_mean(name, table) or known,
                error=QQLModelError,
            )
        if value is None:
            continue
        accepts, reader = table[name]
        try:
            read[name] = reader(value)
        except (TypeError, ValueError, KeyError, OverflowError) as exc:
            raise QQLModelError.make(
                "model-option", f"option `{name}` of model `{model}` requires {accepts}, not {value!r}"
            ) from exc
    return read


def number(value: object) -> float:
    """A JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


def count(value: object) -> int:
    """An unsigned integer of 32 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= U32:
        raise TypeError(value)
    return value


def positive(value: object) -> int:
    """A positive integer of 32 bits."""
    found = count(value)
    if not found:
        raise ValueError(value)
    return found


def flag(value: object) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value
