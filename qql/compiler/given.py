"""What callers give as parameters, made so that it can be looked at more than once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from functools import lru_cache

from qql.syntax.lexer import MAX_NESTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["settled"]

_PLAIN = {str, int, float, bool, type(None)}


def settled(params: Any) -> Any:
    """The same values, those of other libraries as the language's, and a list in the place of each iterator,
    which could be read only once. What is no value stays: the compiler says so, with its place.

    Gives the parameters themselves where there is nothing to do, and looks at no number of a vector.
    """
    if params is None or isinstance(params, (str, bytes, bytearray)):
        return params
    if isinstance(params, (Mapping, list, tuple)):
        return _inside(params, 0)
    if isinstance(params, Set):
        raise TypeError("params is a mapping or a sequence of values, not a set, which has no order")
    found = _step(params)  # an object whose fields are the values, an array or an iterator of values
    return settled(found) if isinstance(found, (dict, list)) else params


def _inside(given: Any, level: int) -> Any:
    """A list, tuple or object whose parts are settled."""
    changed = None
    is_object = type(given) is dict or isinstance(given, Mapping)
    for at, value in given.items() if is_object else enumerate(given):
        kind = type(value)
        if kind in _PLAIN or (kind is dict and _is_plain(value)) or (kind is list and _is_simple(value)):
            continue
        found = _readable(value, level)
        if found is not value:
            if changed is None:
                changed = dict(given) if is_object else list(given)
            changed[at] = found
    return given if changed is None else changed


def _is_plain(row: dict[str, Any]) -> bool:
    """Whether nothing in an object is to be settled: most rows are such, and there are many."""
    for value in row.values():
        kind = type(value)
        if kind in _PLAIN or (kind is list and value and type(value[0]) in _PLAIN):
            continue
        if _holds_others(kind):
            return False
    return True


def _may_hold_others(kind: type) -> bool:
    """Whether values of a class may be iterators, or have some in them."""
    return issubclass(kind, (list, tuple, Mapping, Iterator))


_holds_others: Callable[[Any], bool] = lru_cache(256)(_may_hold_others)


def _is_simple(value: list[Any]) -> bool:
    """Whether a list begins with a number or a text: it is a vector, or a list of such."""
    return not value or type(value[0]) in _PLAIN


def _readable(value: Any, level: int) -> Any:
    """A value without iterators in it. All else inside of others is converted where it is bound."""
    if isinstance(value, (list, tuple, Mapping)):
        return value if level > MAX_NESTING else _inside(value, level + 1)
    if isinstance(value, (str, int, float)) or (level and not isinstance(value, Iterator)):
        return value
    found = _step(value)
    return found if found is value else _readable(found, level + 1)


def _step(value: Any) -> Any:
    """One step to the language's values; the value itself where it is none."""
    from qql.compiler.python_values import NoJson, Unread, jsonified

    try:
        return jsonified(value)
    except NoJson as exc:
        # What was read of an iterator cannot be read again: a second look would find less, and no fault.
        return Unread(str(exc), exc.hint) if isinstance(value, Iterator) else value
