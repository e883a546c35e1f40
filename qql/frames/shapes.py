"""Which type the values of a column have in common.

JSON has no columns, and libraries of frames guess their types by the first rows, or drop what does not fit.
Here all values are looked at, and what has no common type is kept as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from qql.nodes import is_uuid
from qql.records import dataclass
from qql.rest.limits import U64
from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Leaf = Literal["null", "bool", "int", "uint", "float", "text"]
else:
    Leaf = str

__all__ = ["Leaf", "ListOf", "Shape", "StructOf", "Values", "typed"]

_I64 = 2**63
_EXACT = 2**53
"""Integers up to this are the same number as a float."""


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one simple type. ``convert`` makes them of what JSON has, where that is something else."""

    leaf: Leaf
    convert: Callable[[Json], Json] | None = None


@dataclass(frozen=True, slots=True)
class ListOf:
    """Lists; ``item`` is what all their items have in common."""

    item: Shape


@dataclass(frozen=True, slots=True)
class StructOf:
    """Objects with any of these keys."""

    fields: Mapping[str, Shape]


Shape = Values | ListOf | StructOf


def typed(column: Sequence[Json]) -> tuple[Shape, list[Json]]:
    """What the values of a column have in common, and the values as they are in that type."""
    shape = _shape_of(column)
    convert = _converter(shape)
    if convert is None:
        return shape, list(column)
    return shape, [None if value is None else convert(value) for value in column]


def _shape_of(values: Iterable[Json]) -> Shape:
    present = [value for value in values if value is not None]
    kinds = set(map(type, present))
    if kinds <= {list, tuple}:
        return ListOf(_shape_of_items(present)) if present else Values("null")
    if kinds == {dict}:
        keys = dict.fromkeys(chain.from_iterable(present))
        if keys:
            return StructOf({key: _shape_of(one.get(key) for one in present) for key in keys})
    return _simple(present, kinds)


def _shape_of_items(lists: Iterable[Sequence[Json]]) -> Shape:
    kinds = set[type]()
    for items in lists:
        kinds.update(map(type, items))
    # Of vectors there are millions of numbers, which need not be in one list to be known for floats.
    return Values("float") if kinds == {float} else _shape_of(chain.from_iterable(lists))


def _simple(present: list[Json], kinds: set[type]) -> Values:
    whole = [value for value in present if type(value) is int] if int in kinds else []
    if kinds == {int}:
        return _integers(present)
    if kinds == {float}:
        return Values("float")
    if kinds == {int, float} and all(abs(value) <= _EXACT for value in whole):
        return Values("float", float)
    if kinds == {str}:
        return Values("text")
    if kinds == {int, str} and all(
        value in range(U64 + 1) if type(value) is int else is_uuid(value) for value in present
    ):
        return Values("text", str)  # ids of both kinds
    return Values("bool") if kinds == {bool} else Values("text", _json)


def _integers(present: list[int]) -> Values:
    low, high = min(present), max(present)
    if low >= -_I64 and high < _I64:
        return Values("int")
    return Values("uint") if low >= 0 and high <= U64 else Values("text", _json)


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _converter(shape: Shape) -> Callable[[Json], Json] | None:
    """What makes values of a shape of those of JSON; None where they are the same."""
    match shape:
        case Values():
            return shape.convert
        case ListOf():
            return _list_converter(_converter(shape.item))
        case StructOf():
            inner = {key: _converter(one) for key, one in shape.fields.items()}
            changed = {key: one for key, one in inner.items() if one is not None}
            return _struct_converter(changed)


def _list_converter(convert: Callable[[Json], Json] | None) -> Callable[[Json], Json] | None:
    if convert is None:
        return None
    return lambda values: [None if value is None else convert(value) for value in values]


def _struct_converter(changed: Mapping[str, Callable[[Json], Json]]) -> Callable[[Json], Json] | None:
    if not changed:
        return None

    def convert(value: Json) -> Json:
        return {
            key: changed[key](one) if key in changed and one is not None else one
            for key, one in value.items()
        }

    return convert
