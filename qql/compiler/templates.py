"""Requests that were planned ahead: values are put in, and nothing is parsed, planned or emitted again.

A template is made of a request with slots (`qql.nodes.holes`), as closures: one for each object and list of
the body, so that what comes out shares nothing with what came out before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from qql.nodes.holes import Key, NeedsValue, Slot
from qql.rest.request import Request, made
from qql.rest.types import Json, JsonObject

__all__ = ["Template", "Values", "keys_of"]

Values = Mapping[Any, Any] | Sequence[Any]
"""The values of the holes by their keys: names, or numbers."""
_Fill = Callable[[Any], Any]


class Template:
    """A request with slots."""

    __slots__ = ("_body", "_guards", "_lists", "_method", "_path", "_query")

    def __init__(self, request: Request) -> None:
        slots = [*_slots(request.body), *_slots(dict(request.query))]
        # One value may stand in many places: what is asked of it twice is answered once.
        self._guards = tuple({(one.key, one.fits): None for one in slots if not isinstance(one.key, list)})
        self._lists = tuple((one.key, one.fits) for one in slots if isinstance(one.key, list))
        self._method, self._path = request.method, request.path
        self._query = _object(dict(request.query)) if request.query else None
        self._body = None if request.body is None else _object(request.body)

    def filled(self, values: Any) -> Request | None:
        """The request with these values; None where one of them has to go the long way."""
        for key, fits in self._guards:
            if not fits(values[key]):
                return None
        for keys, fits in self._lists:
            if not fits([values[key] for key in keys]):
                return None
        query = {} if self._query is None else self._query(values)
        return made(self._method, self._path, query, self._body and self._body(values))


def keys_of(request: Request) -> set[str | int]:
    """The holes that arrive in a request."""
    found: set[str | int] = set()
    for one in (*_slots(request.body), *_slots(dict(request.query))):
        found |= {*one.key} if isinstance(one.key, list) else {one.key}
    return found


def _slots(value: Json) -> Iterator[Slot]:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, list):
            todo += item
        elif isinstance(item, Slot):
            yield item


# ------------------------------------------------------------------------------------ closures


def _is_open(value: Json) -> bool:
    """Whether a value has to be made each time: it holds others, or comes later."""
    return isinstance(value, (dict, list, Slot))


def _maker(value: Json) -> _Fill:
    """What makes a value that `_is_open`."""
    if isinstance(value, Slot):
        return _value(value.key, value.copied)
    return _object(value) if isinstance(value, dict) else _list(value)


def _value(key: Key, copied: Callable[[Any], Any] | None) -> _Fill:
    if isinstance(key, list):
        if copied is None:
            raise NeedsValue(key)
        return lambda values: copied([values[one] for one in key])
    if copied is not None:
        return lambda values: copied(values[key])
    return lambda values: values[key]


def _object(given: JsonObject) -> _Fill:
    parts = [(key, value) for key, value in given.items() if _is_open(value)]
    copy = {key: None if _is_open(value) else value for key, value in given.items()}.copy
    if not parts:
        return lambda _: copy()
    if len(parts) == 1:
        return _object_of_one(*parts[0], len(given), copy)
    made_parts = tuple((key, _maker(value)) for key, value in parts)

    def make(values: Any) -> JsonObject:
        found = copy()
        for key, part in made_parts:
            found[key] = part(values)
        return found

    return make


def _object_of_one(key: str, value: Json, size: int, copy: Callable[[], JsonObject]) -> _Fill:
    """An object in which one value is to be made: most are, and most of those have no other."""
    if isinstance(value, Slot) and value.copied is None and not isinstance(value.key, list):
        name = value.key
        if size == 1:
            return lambda values: {key: values[name]}

        def put(values: Any) -> JsonObject:
            found = copy()
            found[key] = values[name]
            return found

        return put
    part = _maker(value)
    if size == 1:
        return lambda values: {key: part(values)}

    def make(values: Any) -> JsonObject:
        found = copy()
        found[key] = part(values)
        return found

    return make


def _list(given: list[Json]) -> _Fill:
    if not any(map(_is_open, given)):
        return lambda _: given.copy()
    if not all(map(_is_open, given)):
        parts = tuple(_maker(one) if _is_open(one) else _constant(one) for one in given)
        return lambda values: [part(values) for part in parts]
    if len(given) == 1:
        only = _maker(given[0])
        return lambda values: [only(values)]
    if len(given) == 2:
        first, second = map(_maker, given)
        return lambda values: [first(values), second(values)]
    makers = tuple(map(_maker, given))
    return lambda values: [make(values) for make in makers]


def _constant(value: Json) -> _Fill:
    return lambda _: value
