"""Requests that were planned ahead: values are put in, and nothing is parsed, planned or emitted again.

A template is made of a request with slots (`qql.nodes.holes`), as closures: one for each object and list of
the body, so that what comes out shares nothing with what came out before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from qql.nodes.holes import NeedsValue, Slot, never
from qql.records import dataclass
from qql.rest.request import Draft, Request
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Fill", "Guards", "Template", "template"]
Fill = Callable[["Any"], "list[Request] | None"]
"""Makes requests of the values of slots by key: names, or numbers."""
Guards = tuple[tuple["Any", Callable[["Any"], bool]], ...]
"""What a value has to pass, by its key; or a list of values, by theirs."""
_Fill = Callable[["Any"], "Any"]


@dataclass(frozen=True, slots=True)
class Template:
    """What makes requests, given the values of their slots by key.

    ``fill`` gives None where a value does not fit, and where the caller's stack has no room for requests
    that nest so deep. ``make`` is the part of it for values that are known to pass ``guards`` and ``lists``.
    """

    guards: Guards
    lists: Guards
    make: Fill
    fill: Fill


def template(requests: Sequence[Request], slots: Iterable[Slot]) -> Template:
    """What makes the requests. Raises `NeedsValue` for a slot in a request that nobody has looked at."""
    # One value may stand in many places: what is asked of it twice is answered once.
    checks = {(tuple(one.key) if isinstance(one.key, list) else one.key, one.fits): one for one in slots}
    guards = tuple((one.key, one.fits) for one in checks.values() if not isinstance(one.key, list))
    lists = tuple((one.key, one.fits) for one in checks.values() if isinstance(one.key, list))
    make = _only(requests[0]) if len(requests) == 1 else _all(requests)

    def fill(values: Any) -> list[Request] | None:
        for key, fits in guards:
            if not fits(values[key]):
                return None
        for keys, fits in lists:
            if not fits([values[key] for key in keys]):
                return None
        return make(values)

    return Template(guards, lists, make, fill if guards or lists else make)


def _all(requests: Sequence[Request]) -> Fill:
    makers = tuple(map(_only, requests))

    def make(values: Any) -> list[Request] | None:
        found: list[Request] = []
        for one in makers:
            made = one(values)
            if made is None:
                return None
            found += made
        return found

    return make


def _only(request: Request) -> Fill:
    """What makes one request. What freezes a `Request` takes longer than all else, and is passed by."""
    method, path = request.method, request.path
    make_query = _object(dict(request.query)) if request.query else None
    make_body = _nothing if request.body is None else _object(request.body)

    def make(values: Any) -> Any:
        draft: Any = Draft()
        draft.method = method
        draft.path = path
        try:
            draft.query = make_query(values) if make_query else {}
            draft.body = make_body(values)
        except RecursionError:
            return None
        draft.__class__ = Request
        return [draft]

    return make


def _nothing(_: Any) -> None:
    return None


# ------------------------------------------------------------------------------------ closures


def _is_open(value: Json) -> bool:
    """Whether a value has to be made each time: it holds others, or comes later."""
    return isinstance(value, (dict, list, Slot))


def _is_flat(value: Json) -> bool:
    """Whether a value is an object or list of constants: one call of C copies it."""
    if isinstance(value, dict):
        return not any(map(_is_open, value.values()))
    return isinstance(value, list) and not any(map(_is_open, value))


def _maker(value: Json) -> _Fill:
    """What makes a value that `_is_open`."""
    if isinstance(value, Slot):
        return _value(value)
    return _object(value) if isinstance(value, dict) else _list(value)


def _value(slot: Slot) -> _Fill:
    if slot.fits is never:
        raise NeedsValue(slot.key)
    key, copied = slot.key, slot.copied
    if isinstance(key, list):
        if copied is None:
            raise NeedsValue(key)
        return lambda values: copied([values[one] for one in key])
    if copied is not None:
        return lambda values: copied(values[key])
    return lambda values: values[key]


_Copy = Callable[[], JsonObject]
_Places = tuple[tuple[str, "Any"], ...]
"""Slots of an object whose values go in as they are: by key, where the value is found."""


def _place(value: Json) -> Any:
    """The key of a slot whose value goes in as it is; None for all else."""
    plain = isinstance(value, Slot) and value.copied is None and value.fits is not never
    return value.key if plain and not isinstance(value.key, list) else None


def _object(given: JsonObject) -> _Fill:
    """What makes an object. A call costs as much as a small object: the usual forms have few inside."""
    if len(given) == 1:
        return _object_of_one(*next(iter(given.items())))
    open_ones = {key: value for key, value in given.items() if _is_open(value)}
    copy = _copy_of(given)
    places = tuple((key, _place(value)) for key, value in open_ones.items() if _place(value) is not None)
    parts = tuple((key, _maker(value)) for key, value in open_ones.items() if _place(value) is None)
    if not parts and not places:
        return lambda _: copy()
    if len(open_ones) == 1 and parts:
        return _with_one(copy, *next(iter(open_ones.items())))
    if len(parts) == 2:
        return _with_two_and_places(copy, *parts, places) if places else _with_two(copy, *parts)

    def make(values: Any) -> JsonObject:
        found = copy()
        for key, part in parts:
            found[key] = part(values)
        for key, place in places:
            found[key] = values[place]
        return found

    return make


def _copy_of(given: JsonObject) -> _Copy:
    """What makes an object that has all keys, in their order, and the values that need not be made."""
    return {key: None if _is_open(value) else value for key, value in given.items()}.copy


def _object_of_one(key: str, value: Json) -> _Fill:
    if not _is_open(value):
        return lambda _: {key: value}
    place = _place(value)
    if place is not None:
        return lambda values: {key: values[place]}
    if isinstance(value, dict):
        return _object_in_one(key, value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return _object_in_list_in_one(key, value[0])
    part = _maker(value)
    return lambda values: {key: part(values)}


def _object_in_one(key: str, value: JsonObject) -> _Fill:
    """As ``{"nearest": {"text": …}}``."""
    if _is_flat(value):
        copy = value.copy
        return lambda _: {key: copy()}
    if len(value) == 1:
        ((inner, held),) = value.items()
        place = _place(held)
        if place is not None:
            return lambda values: {key: {inner: values[place]}}
    part = _object(value)
    return lambda values: {key: part(values)}


def _object_in_list_in_one(key: str, value: JsonObject) -> _Fill:
    """As a filter of one condition: ``{"must": [{"key": "year", "match": {"value": …}}]}``."""
    open_ones = [(name, held) for name, held in value.items() if _is_open(held)]
    if len(value) > 1 and len(open_ones) == 1:
        copy, ((name, held),) = _copy_of(value), open_ones
        if isinstance(held, dict) and _is_flat(held):
            return _flat_condition(key, copy, name, held.copy)
        if isinstance(held, dict) and len(held) == 1:
            ((inner, slot),) = held.items()
            place = _place(slot)
            if place is not None:
                return _condition(key, copy, name, inner, place)
    part = _object(value)
    return lambda values: {key: [part(values)]}


def _flat_condition(key: str, copy: _Copy, name: str, inside: _Copy) -> _Fill:
    def make(_: Any) -> JsonObject:
        found = copy()
        found[name] = inside()
        return {key: [found]}

    return make


def _condition(key: str, copy: _Copy, name: str, inner: str, place: Any) -> _Fill:
    def make(values: Any) -> JsonObject:
        found = copy()
        found[name] = {inner: values[place]}
        return {key: [found]}

    return make


def _with_one(copy: _Copy, key: str, value: Json) -> _Fill:
    if isinstance(value, (dict, list)) and _is_flat(value):
        inside = value.copy

        def make_flat(_: Any) -> JsonObject:
            found = copy()
            found[key] = inside()
            return found

        return make_flat
    part = _maker(value)

    def make(values: Any) -> JsonObject:
        found = copy()
        found[key] = part(values)
        return found

    return make


_Part = tuple[str, _Fill]


def _with_two(copy: _Copy, one: _Part, other: _Part) -> _Fill:
    (key, part), (second, its_part) = one, other

    def make(values: Any) -> JsonObject:
        found = copy()
        found[key] = part(values)
        found[second] = its_part(values)
        return found

    return make


def _with_two_and_places(copy: _Copy, one: _Part, other: _Part, places: _Places) -> _Fill:
    (key, part), (second, its_part) = one, other

    def make(values: Any) -> JsonObject:
        found = copy()
        found[key] = part(values)
        found[second] = its_part(values)
        for name, place in places:
            found[name] = values[place]
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
