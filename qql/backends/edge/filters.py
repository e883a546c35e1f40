"""REST filters → the engine's.

Each kind of condition stands once: those on a whole point in `_POINT_CONDITIONS`, the tests of a field in
`_TESTS`, the operators of ``match`` in `_MATCHES`.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import lru_cache

from qql.errors import QQLExecutionError
from qql.late import cast
from qql.nodes import MATCH_OPERATORS, MatchOperator
from qql.rest.limits import U32
from qql.rest.min_should import told_apart
from qql.rest.types import Body, Json

from .engine import SliceCondition, edge, first_line
from .readers import (
    Fields,
    Reader,
    Values,
    boolean,
    inside,
    integer,
    items,
    list_of,
    mapping,
    number,
    object_of,
    point_id,
    quoted,
    read,
    refuse,
    suggestion,
    text,
    unsupported,
)

__all__ = [
    "CONDITION_KEYS",
    "MAX_FILTER_DEPTH",
    "condition",
    "filter_depth",
    "geo_point",
    "has_id",
    "read_filter",
    "to_filter",
]

MAX_FILTER_DEPTH = 450
"""How deeply conditions may nest. One level of nesting is one Python call."""

_LONGEST_KEPT = 4096
"""Bytes of a filter that is kept."""

_LISTS = ("must", "should", "must_not")
_CLAUSES = (*_LISTS, "min_should")
_any_integer = integer(-(2**63))
_point_ids = list_of(point_id)


class _NumpyBool:
    """What the engine's binding takes for a truth value.

    A Python bool is an int to it and would match 1. An object whose type goes by the name of
    ``numpy.bool_`` is asked for its ``__bool__``; numpy itself is not needed.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bool) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return self._value


_NumpyBool.__module__, _NumpyBool.__name__ = "numpy", "bool_"


def read_filter(value: Json, where: str) -> edge.Filter:
    """A reader of filters. What is wrong in one is named as a part of ``filter``, wherever it stands.

    The same filter comes again and again with other vectors, so some are kept.
    """
    try:
        # Takes JSON's own types alone, and tells 1 from true; of the second version, as later ones write
        # equal values in several ways.
        written = marshal.dumps(value, 2)
    except ValueError:
        return to_filter(value)
    return _kept_filter(written) if len(written) <= _LONGEST_KEPT else to_filter(value)


@lru_cache(256)
def _kept_filter(written: bytes) -> edge.Filter:
    return to_filter(marshal.loads(written))


def to_filter(
    body: Json, where: str = "filter", depth: int = 1, exclude: list[int | str] | None = None
) -> edge.Filter:
    """The engine's filter for a REST filter; ``exclude`` are ids that must not match.

    Raises `QQLExecutionError` for a condition or key that is not known, naming it.
    """
    if depth > MAX_FILTER_DEPTH:
        raise refuse("filter-too-deep", f"a filter nests deeper than {MAX_FILTER_DEPTH}")
    given = mapping(body, where)
    for key in given:
        if key not in _CLAUSES:
            raise refuse("unknown-condition", f"{where} has no clause `{key}`", suggestion(key, _CLAUSES))
    clauses: Values = {}
    for name in _LISTS:
        if name in given:
            value = given[name]
            made: list[edge.ConditionType] = []
            for item in value if isinstance(value, list | tuple) else [value]:
                if isinstance(item, (dict, Mapping)) and not item.keys().isdisjoint(_CLAUSES):
                    made.append(to_filter(item, where, depth + 1))
                else:
                    made.append(condition(item, where, depth))
            clauses[name] = made
    if exclude:
        clauses.setdefault("must_not", []).append(has_id(exclude))
    if "min_should" in given:
        clauses["min_should"] = _min_should(given["min_should"], where, depth)
    return edge.Filter(**clauses)


def _min_should(value: Json, where: str, depth: int) -> edge.MinShould:
    fields: Fields = {"conditions": items, "min_count": integer()}
    given = read(value, inside(where, "min_should"), fields, ("conditions", "min_count"))
    made = [condition(item, where, depth) for item in told_apart(given["conditions"])]
    return edge.MinShould(made, given["min_count"])


def has_id(ids: list[int | str]) -> edge.HasIdCondition:
    """The condition that a point is one of these."""
    return edge.HasIdCondition(set(ids))


def condition(body: Json, where: str = "filter", depth: int = 1) -> edge.ConditionType:
    """The engine's form of one condition, which may be a filter."""
    given = mapping(body, f"a condition of {where}")
    if not given.keys().isdisjoint(_CLAUSES):
        return to_filter(given, where, depth + 1)
    try:
        if "key" in given:
            return _field_condition(given)
        if len(given) == 1:
            ((kind, value),) = given.items()
            if kind == "nested":  # here and not in the table, for the sake of one call per level
                key, inner = _nested_parts(value)
                return edge.NestedCondition(key, to_filter(inner, "nested.filter", depth + 1))
            if kind in _POINT_CONDITIONS:
                return _POINT_CONDITIONS[kind](value, kind)
    except (ValueError, TypeError, OverflowError) as exc:
        raise _invalid_condition(given, exc) from exc
    if not given:
        return edge.Filter()
    unknown = next((key for key in given if key not in CONDITION_KEYS), None)
    if unknown is None:
        raise refuse("ambiguous-condition", f"one condition cannot hold {quoted(given)} together")
    raise refuse(
        "unknown-condition", f"{where} has no condition `{unknown}`", suggestion(unknown, CONDITION_KEYS)
    )


def _nested_parts(value: Json) -> tuple[str, Json]:
    nested = mapping(value, "nested")
    if nested.keys() != {"key", "filter"}:
        given = quoted(nested) or "nothing"
        raise refuse("unknown-condition", f"nested requires `key` and `filter`, not {given}")
    return text(nested["key"], "nested.key"), nested["filter"]


def _invalid_condition(given: Body, exc: Exception) -> QQLExecutionError:
    about = f"the condition on `{given['key']}`" if "key" in given else "a condition"
    why = first_line(exc, type(exc).__name__)
    code = "invalid-field" if "JSON path" in why else "invalid-condition"
    return refuse(code, f"{about}: {why}")


# --- conditions on the whole point ----------------------------------------------------------------


def _field_name(value: Json) -> str:
    return str(read(value, "the condition", {"key": text}, ("key",))["key"])


_POINT_CONDITIONS: dict[str, Reader[edge.ConditionType]] = {
    "is_empty": lambda value, where: edge.IsEmptyCondition(_field_name(value)),
    "is_null": lambda value, where: edge.IsNullCondition(_field_name(value)),
    "has_id": lambda value, where: has_id(_point_ids(value, where)),
    "has_vector": lambda value, where: edge.HasVectorCondition(text(value, where)),
    "slice": object_of(
        SliceCondition, {"total": integer(1, U32), "index": integer(0, U32)}, ("total", "index")
    ),
}
CONDITION_KEYS = (*_POINT_CONDITIONS, "nested", "key", *_CLAUSES)
"""The keys of an object that is a condition or a filter."""


# --- conditions on a field ------------------------------------------------------------------------


def _field_condition(given: Body) -> edge.FieldCondition:
    """``{"key": …, test: …}``. The server would take two tests in one object as OR, or drop one of them."""
    tests = {key: value for key, value in given.items() if key != "key"}
    key = text(given["key"], "the key of a condition")
    if len(tests) != 1:
        what = quoted(tests) or "no test"
        raise refuse("ambiguous-condition", f"a condition on `{key}` requires exactly one test, not {what}")
    ((name, value),) = tests.items()
    if name not in _TESTS:
        message = f"a condition on `{key}` has no test `{name}`"
        raise refuse("unknown-condition", message, suggestion(name, _TESTS))
    test: Values = {name: _TESTS[name](value, f"`{key}` {name}")}
    return edge.FieldCondition(key, **test)


def _match(value: Json, where: str) -> edge.MatchType:
    given = mapping(value, where)
    if len(given) != 1 or next(iter(given)) not in _MATCHES:
        listed = quoted(given) or "nothing"
        raise refuse(
            "unknown-condition", f"{where} requires exactly one of {', '.join(_MATCHES)}, not {listed}"
        )
    ((operator, operand),) = given.items()
    return _MATCHES[operator](operand, inside(where, operator))


def _match_value(value: Json, where: str) -> edge.MatchValue:
    if isinstance(value, bool):
        return edge.MatchValue(cast(bool, _NumpyBool(value)))
    if isinstance(value, str):
        return edge.MatchValue(value)
    if isinstance(value, float):
        raise refuse(
            "invalid-condition",
            f"{where}: {value} cannot be matched for equality",
            "write >= and <= for decimals",
        )
    return edge.MatchValue(_any_integer(value, where))


def _all_integers_or_strings(value: Json, where: str) -> list[int] | list[str]:
    wanted = items(value, where)
    if all(isinstance(item, str) for item in wanted):
        return wanted
    if any(isinstance(item, bool | float | str) for item in wanted):
        raise refuse(
            "invalid-condition",
            f"{where} requires integers only or strings only, not {wanted!r:.60}",
            "write one condition for each of the others, joined by OR",
        )
    return [_any_integer(item, where) for item in wanted]


def _operator(known: MatchOperator) -> Reader[edge.MatchType]:
    """The reader of a declared operator, whose engine class is named as its key: text_any → MatchTextAny."""
    if known.support.refused_by_edge:

        def refused(value: Json, where: str) -> edge.MatchType:
            raise unsupported(known.words, known.support.edge)

        return refused
    make = getattr(edge, "Match" + "".join(word.capitalize() for word in known.kind.split("_")))
    read_operand = _all_integers_or_strings if known.values else text
    return lambda value, where: cast("edge.MatchType", make(read_operand(value, where)))


_MATCHES: dict[str, Reader[edge.MatchType]] = {
    "value": _match_value,
    **{kind: _operator(known) for kind, known in MATCH_OPERATORS.items()},
}


def _range_fields(reader: Reader[object]) -> Fields:
    return dict.fromkeys(("lt", "gt", "lte", "gte"), reader)


def _range(value: Json, where: str) -> edge.RangeType:
    given = mapping(value, where)
    dates = [bound for bound in given.values() if isinstance(bound, str)]
    if dates and len(dates) == len(given):
        return edge.RangeDateTime(**read(given, where, _range_fields(text)))
    return edge.RangeFloat(**read(given, where, _range_fields(number)))


geo_point: Reader[edge.GeoPoint] = object_of(edge.GeoPoint, {"lon": number, "lat": number}, ("lon", "lat"))


def _radius(value: Json, where: str) -> edge.GeoRadius:
    given = read(value, where, {"center": geo_point, "radius": number}, ("center", "radius"))
    if given["radius"] < 0:
        raise refuse(
            "invalid-condition", f"{inside(where, 'radius')} must not be negative, and is {given['radius']:g}"
        )
    return edge.GeoRadius(given["center"], given["radius"])


def _geo_line(value: Json, where: str) -> list[edge.GeoPoint]:
    given = read(value, where, {"points": items}, ("points",))
    return [geo_point(point, where) for point in given["points"]]


_TESTS: dict[str, Reader[object]] = {
    "match": _match,
    "range": _range,
    "geo_bounding_box": object_of(
        edge.GeoBoundingBox,
        {"top_left": geo_point, "bottom_right": geo_point},
        ("top_left", "bottom_right"),
    ),
    "geo_radius": _radius,
    "geo_polygon": object_of(
        edge.GeoPolygon, {"exterior": _geo_line, "interiors": list_of(_geo_line)}, ("exterior",)
    ),
    "values_count": object_of(edge.ValuesCount, _range_fields(integer())),
    "is_empty": boolean,
    "is_null": boolean,
}


def filter_depth(body: Json) -> int:
    """How deeply a REST filter nests, counted without recursion; a flat one has depth 1."""
    deepest, stack = 0, [(body, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, Mapping):
            inner = depth + 1 if not value.keys().isdisjoint(_CLAUSES) else depth
            deepest = max(deepest, inner - 1)
            stack += [(item, inner) for item in value.values()]
        elif isinstance(value, list | tuple):
            stack += [(item, depth) for item in value]
    return deepest
