"""Requests that were planned ahead: values are put in, and nothing is parsed, planned or emitted again.

A template is made of a request with slots (`qql.nodes.holes`), as closures: one for each object and list of
the body, so that what comes out shares nothing with what came out before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from qql.nodes.holes import NeedsValue, Slot, never
from qql.rest.request import Draft, Request
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Fill", "filler"]
Fill = Callable[["Any"], "list[Request] | None"]
"""Makes requests of the values of slots by key: names, or numbers."""
_Fill = Callable[["Any"], "Any"]


def filler(requests: Sequence[Request], slots: Iterable[Slot]) -> Fill:
    """What makes the requests, given the values of their slots by key; it gives None where one does not fit,
    and where the caller's stack has no room for requests that nest so deep.

    Raises `NeedsValue` for a slot in a request that nobody has looked at.
    """
    makers = tuple(map(_request, requests))
    # One value may stand in many places: what is asked of it twice is answered once.
    checks = {(tuple(one.key) if isinstance(one.key, list) else one.key, one.fits): one for one in slots}
    guards = tuple((one.key, one.fits) for one in checks.values() if not isinstance(one.key, list))
    lists = tuple((one.key, one.fits) for one in checks.values() if isinstance(one.key, list))

    def fill(values: Any) -> list[Request] | None:
        for key, fits in guards:
            if not fits(values[key]):
                return None
        for keys, fits in lists:
            if not fits([values[key] for key in keys]):
                return None
        try:
            return [make(values) for make in makers]
        except RecursionError:
            return None

    if lists or len(makers) != 1:
        return fill
    only = makers[0]

    def fill_one(values: Any) -> list[Request] | None:
        for key, fits in guards:
            if not fits(values[key]):
                return None
        try:
            return [only(values)]
        except RecursionError:
            return None

    return fill_one


def _request(request: Request) -> Callable[[Any], Request]:
    """What makes a request. What freezes a `Request` takes longer than all else, and is passed by."""
    method, path = request.method, request.path
    make_query = _object(dict(request.query)) if request.query else None
    make_body = _nothing if request.body is None else _object(request.body)

    def make(values: Any) -> Any:
        draft: Any = Draft()
        draft.method = method
        draft.path = path
        draft.query = make_query(values) if make_query else {}
        draft.body = make_body(values)
        draft.__class__ = Request
        return draft

    return make


def _nothing(_: Any) -> None:
    return None


# ------------------------------------------------------------------------------------ closures


def _is_open(value: Json) -> bool:
    """Whether a value has to be made each time: it holds others, or comes later."""
    return isinstance(value, (dict, list, Slot))


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


def _object(given: JsonObject) -> _Fill:
    """What makes an object. A call costs as much as a small object: the usual forms have few inside."""
    if len(given) == 1:
        return _object_of_one(*next(iter(given.items())))
    open_ones = {key: value for key, value in given.items() if _is_open(value)}
    copy = {key: None if key in open_ones else value for key, value in given.items()}.copy
    places = tuple((key, _place(value)) for key, value in open_ones.items() if _place(value) is not None)
    parts = tuple((key, _maker(value)) for key, value in open_ones.items() if _place(value) is None)
    if not parts and not places:
        return lambda _: copy()
    if len(parts) == 1:
        return _with_one(copy, *parts[0], places)
    if len(parts) == 2:
        return _with_two(copy, *parts[0], *parts[1], places)

    def make(values: Any) -> JsonObject:
        found = copy()
        for key, part in parts:
            found[key] = part(values)
        for key, place in places:
            found[key] = values[place]
        return found

    return make


_Places = tuple[tuple[str, "Any"], ...]
"""Slots of an object whose values go in as they are: by key, where the value is found."""


def _place(value: Json) -> Any:
    """The key of a slot whose value goes in as it is; None for all else."""
    plain = isinstance(value, Slot) and value.copied is None and value.fits is not never
    return value.key if plain and not isinstance(value.key, list) else None


def _object_of_one(key: str, value: Json) -> _Fill:
    if not _is_open(value):
        return lambda _: {key: value}
    place = _place(value)
    if place is not None:
        return lambda values: {key: values[place]}
    if isinstance(value, dict) and len(value) == 1:
        ((inner, held),) = value.items()
        place = _place(held)
        if place is not None:
            return lambda values: {key: {inner: values[place]}}
    part = _maker(value)
    return lambda values: {key: part(values)}


def _with_one(copy: Callable[[], JsonObject], key: str, part: _Fill, places: _Places) -> _Fill:
    if not places:

        def make(values: Any) -> JsonObject:
            found = copy()
            found[key] = part(values)
            return found

        return make

    def make_and_put(values: Any) -> JsonObject:
        found = copy()
        found[key] = part(values)
        for name, place in places:
            found[name] = values[place]
        return found

    return make_and_put


def _with_two(
    copy: Callable[[], JsonObject], key: str, part: _Fill, other: str, second: _Fill, places: _Places
) -> _Fill:
    def make(values: Any) -> JsonObject:
        found = copy()
        found[key] = part(values)
        found[other] = second(values)
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
