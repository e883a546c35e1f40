"""Conditions → Qdrant's filter objects, as flat as a person would write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qql import nodes
from qql.compiler.bind import resolved
from qql.compiler.empty_lists import note_empty_list
from qql.compiler.guards import is_any_text, is_equal_list, is_id_list, is_plain, is_range, is_whole
from qql.compiler.scalars import point_id, range_bound, scalar_value
from qql.errors import Span, fail, shown
from qql.nodes.holes import Hole, Slot, listed
from qql.rest.min_should import told_apart
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "all_of",
    "emit_condition",
    "emit_filter",
    "geo_point",
    "selected_ids",
]

_RANGE = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_ID = "id"  # the name under which a filter reaches the id of a point


def all_of(conditions: Iterable[nodes.Condition | None]) -> nodes.Condition | None:
    """The conditions joined by AND; None where there is none."""
    given = [condition for condition in conditions if condition is not None]
    if len(given) < 2:
        return given[0] if given else None
    return nodes.And(tuple(given), span=given[0].span)


def emit_filter(condition: nodes.Condition | None) -> JsonObject | None:
    """A filter for the condition.

    AND chains are one ``must``, OR chains one ``should``, and what AND negates is one ``must_not``.
    """
    if condition is None:
        return None
    found = _EMITTERS[type(condition)](condition)
    return found if found.keys() <= _CLAUSES else {"must": [found]}


_CLAUSES = {"must", "should", "must_not", "min_should"}


def _flat(
    condition: nodes.Condition, kind: type[nodes.And] | type[nodes.Or]
) -> list[tuple[nodes.Condition, bool]]:
    """What a chain of one kind joins, in the order of the text, and whether it is negated.

    NOT NOT a is a. What NOT (…) holds stays together, as it was written.
    """
    out: list[tuple[nodes.Condition, bool]] = []
    todo = [(condition, False)]
    while todo:
        one, negated = todo.pop()
        match one:
            case nodes.Not():
                todo.append((one.child, not negated))
            case nodes.Compare(op="!="):
                out.append((nodes.Compare(one.name, "=", one.value, span=one.span), not negated))
            case nodes.And() | nodes.Or() if isinstance(one, kind) and not negated:
                todo += [(child, False) for child in reversed(one.children)]
            case _:
                out.append((one, negated))
    return out


def emit_condition(condition: nodes.Condition) -> JsonObject:
    """One of Qdrant's conditions: a test of a field, or a filter. Raises `QQLPlanError`."""
    return _EMITTERS[type(condition)](condition)


def _or(condition: nodes.Or) -> JsonObject:
    alternatives = []
    for child, negated in _flat(condition, nodes.Or):
        alternative = nodes.Not(child) if negated else child
        alternatives.append(_EMITTERS[type(alternative)](alternative))
    return {"should": alternatives}


def _conjunction(condition: nodes.And | nodes.Not | nodes.Compare) -> JsonObject:
    """What AND joins, and what NOT and != negate."""
    parts = _flat(condition, nodes.And)
    if len(parts) == 1 and not parts[0][1]:
        return _EMITTERS[type(parts[0][0])](parts[0][0])
    found: JsonObject = {}
    for child, negated in parts:
        made = _EMITTERS[type(child)](child)
        found.setdefault("must_not" if negated else "must", []).append(made)
    return {key: found[key] for key in ("must", "must_not") if key in found}


def _compare(condition: nodes.Compare) -> JsonObject:
    if condition.op == "!=":
        return _conjunction(condition)
    if condition.name.text == _ID:
        return _compare_id(condition)
    return {"key": _key(condition.name)} | _comparison(condition)


def _between(condition: nodes.Between) -> JsonObject:
    return {"key": _field(condition), "range": _between_bounds(condition)}


def _in(condition: nodes.In) -> JsonObject:
    if isinstance(condition.values, Hole):
        return _in_later(condition.name, condition.values)
    scalars = _scalars(condition, condition.values)
    if scalars and all(isinstance(one.value, Hole) for one in scalars):
        return _in_later(condition.name, listed(one.value for one in scalars))
    if condition.name.text == _ID:
        return {"has_id": [point_id(scalar) for scalar in scalars]}
    if any(isinstance(scalar_value(one), (bool, float)) for one in scalars):
        return _any_equal(condition.name, scalars)
    return {"key": _key(condition.name), "match": {"any": _values(condition.name, scalars, "IN")}}


def _in_later(name: nodes.Name, values: Hole) -> JsonObject:
    """IN of a list that is not known yet."""
    if name.text == _ID:
        return {"has_id": Slot(values, is_id_list, list)}
    return {"key": _key(name), "match": {"any": Slot(values, is_equal_list, list)}}


def _match(condition: nodes.Match) -> JsonObject:
    return {"key": _field(condition), "match": {condition.kind: _match_value(condition)}}


def _nested(condition: nodes.Nested) -> JsonObject:
    return {"nested": {"key": _field(condition), "filter": emit_filter(condition.condition)}}


def _min_should(condition: nodes.MinShould) -> JsonObject:
    conditions = []
    for one in condition.conditions:
        conditions.append(_EMITTERS[type(one)](one))
    count = _count(condition.count)
    if count < 1:
        message = "MIN SHOULD takes a count of at least 1"
        fail("bad-count", message, condition.count.span, "0 of some conditions always hold")
    return {"min_should": {"conditions": told_apart(conditions), "min_count": count}}


# Called straight from the table, with no function in between: conditions nest 200 deep, as may the callers.
_EMITTERS: Mapping[type[nodes.Node], Callable[..., JsonObject]] = {
    nodes.Or: _or,
    nodes.And: _conjunction,
    nodes.Not: _conjunction,
    nodes.Compare: _compare,
    nodes.Between: _between,
    nodes.In: _in,
    nodes.Match: _match,
    nodes.IsNull: lambda one: {"is_null": {"key": _field(one)}},
    nodes.IsEmpty: lambda one: {"is_empty": {"key": _field(one)}},
    nodes.Range: lambda one: {"key": _field(one), "range": _bounds(one, range_bound)},
    nodes.ValuesCount: lambda one: {"key": _field(one), "values_count": _bounds(one, _count)},
    nodes.Geo: lambda one: {"key": _field(one)} | _geo(one),
    nodes.Nested: _nested,
    nodes.MinShould: _min_should,
    nodes.Slice: lambda one: {"slice": _slice(one)},
    nodes.HasVector: lambda one: {"has_vector": str(one.name.text)},
}


_BOUNDS = ("gt", "gte", "lt", "lte")


def _bounds(condition: nodes.Range | nodes.ValuesCount, read: Callable[[nodes.Scalar], Any]) -> JsonObject:
    word = "RANGE" if isinstance(condition, nodes.Range) else "VALUES_COUNT"
    found: JsonObject = {}
    for option in condition.bounds:
        if option.name not in _BOUNDS or option.name in found:
            hint = "the bounds are gt, gte, lt and lte, each at most once"
            fail("bad-range", f"{word} does not take `{option.name}` here", option.span, hint)
        found[option.name] = read(nodes.Scalar(option.value, span=option.span))
    if not found:
        fail("bad-range", f"{word} needs a bound: gt, gte, lt or lte", condition.span)
    if len({isinstance(value, str) for value in found.values()}) > 1:
        fail("bad-range", f"the bounds of {word} are two numbers or two dates", condition.span)
    low, high = found.get("gte", found.get("gt")), found.get("lte", found.get("lt"))
    if low is not None and high is not None and _reversed(low, high):
        fail("reversed-between", f"this {word} holds nothing: its ends are reversed", condition.span)
    return found


def _count(scalar: nodes.Scalar) -> Json:
    if isinstance(scalar.value, Hole):
        return Slot(scalar.value, is_whole(0, 2**63 - 1))
    value = scalar_value(scalar)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    fail("bad-count", f"a count is a whole number, not {shown(value)}", scalar.span)


def _slice(condition: nodes.Slice) -> dict[str, int]:
    total, index = _count(condition.total), _count(condition.index)
    if total < 1 or index >= total:
        hint = "SLICE(4, 0) to SLICE(4, 3) are the four quarters"
        fail("bad-slice", f"SLICE({total}, {index}) is no part: the index goes from 0", condition.span, hint)
    return {"total": total, "index": index}


_GEO_HINTS = {
    "bbox": "GEO_BBOX {top_left: {lat: 52.6, lon: 13.2}, bottom_right: {lat: 52.4, lon: 13.6}}",
    "radius": "GEO_RADIUS {center: {lat: 52.5, lon: 13.4}, radius: 1000}",
    "polygon": "GEO_POLYGON {exterior: [{lat: …, lon: …}, …], interiors: [[…]]}",
}
_GEO_KEYS = {
    "bbox": ("bounding_box", ("top_left", "bottom_right"), ()),
    "radius": ("radius", ("center", "radius"), ()),
    "polygon": ("polygon", ("exterior",), ("interiors",)),
}
"""By shape: the end of Qdrant's key, the keys that an object needs, and those that it may have."""


def _geo(condition: nodes.Geo) -> JsonObject:
    word, needed, optional = _GEO_KEYS[condition.shape]
    span, hint = condition.span, _GEO_HINTS[condition.shape]
    name = f"GEO_{condition.shape.upper()}"
    value = resolved(condition.value, span)
    if not isinstance(value, dict):
        fail("bad-geo", f"{name} takes an object, not {shown(value)}", span, hint)
    given = {key.lower(): item for key, item in value.items()}
    wrong = [key for key in given if key not in (*needed, *optional)]
    missing = [key for key in needed if key not in given]
    if wrong or missing:
        what = f"has no `{wrong[0]}`" if wrong else f"needs `{missing[0]}`"
        fail("bad-geo", f"{name} {what}", span, hint)
    if condition.shape == "radius":
        radius = given["radius"]
        if not isinstance(radius, (int, float)) or isinstance(radius, bool) or radius < 0:
            fail("bad-geo", f"the radius is a number of metres, not {shown(radius)}", span, hint)
        return {f"geo_{word}": {"center": geo_point(given["center"], "center", span), "radius": radius}}
    if condition.shape == "bbox":
        return {f"geo_{word}": {key: geo_point(given[key], key, span) for key in needed}}
    interiors = given.get("interiors", [])
    if not isinstance(interiors, list):
        fail("bad-geo", "the interiors are a list of rings", span, hint)
    polygon = {
        "exterior": _ring(given["exterior"], "exterior", span, hint),
        "interiors": [_ring(ring, "interiors", span, hint) for ring in interiors],
    }
    return {f"geo_{word}": polygon}


def _ring(value: Json, what: str, span: Span, hint: str) -> JsonObject:
    points = value.get("points") if isinstance(value, dict) and len(value) == 1 else value
    if not isinstance(points, list) or len(points) < 3:
        fail("bad-geo", f"a ring of {what} has at least three points", span, hint)
    ring = [geo_point(point, f"a point of {what}", span) for point in points]
    if ring[0] != ring[-1]:  # Qdrant wants the first point once more, at the end
        ring.append(ring[0])
    if len(ring) < 4:
        fail("bad-geo", f"a ring of {what} has at least three different points", span, hint)
    return {"points": ring}


def geo_point(value: Json, what: str, span: Span) -> JsonObject:
    """``{"lat", "lon"}`` in degrees, checked. Raises `QQLPlanError`."""
    given = {key.lower(): item for key, item in value.items()} if isinstance(value, dict) else {}
    numbers = all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in given.values())
    if set(given) != {"lat", "lon"} or not numbers:
        fail("bad-geo", f"{what} is written {{lat: 52.5, lon: 13.4}}, not {shown(value)}", span)
    if not (-90 <= given["lat"] <= 90 and -180 <= given["lon"] <= 180):
        message = f"{what}: lat goes from -90 to 90, lon from -180 to 180"
        fail("bad-geo", message, span)
    return {"lat": given["lat"], "lon": given["lon"]}


_FieldTest = (
    nodes.Between
    | nodes.Match
    | nodes.IsNull
    | nodes.IsEmpty
    | nodes.Range
    | nodes.ValuesCount
    | nodes.Geo
    | nodes.Nested
)
"""Conditions on a payload field that the id of a point cannot stand in for."""


def _field(condition: _FieldTest) -> str:
    if condition.name.text == _ID:
        fail("bad-id-condition", "the id of a point is compared by =, != and IN only", condition.span)
    return _key(condition.name)


def _key(name: nodes.Name) -> str:
    return str(name.text)


def _compare_id(condition: nodes.Compare) -> JsonObject:
    if condition.op != "=":
        hint = "SCROLL … AFTER id walks the points in the order of their ids"
        fail("bad-id-condition", "the id of a point is compared by =, != and IN only", condition.span, hint)
    return {"has_id": [point_id(condition.value)]}


def _comparison(condition: nodes.Compare) -> JsonObject:
    op = condition.op
    if op == "=" and isinstance(condition.value.value, Hole):
        return {"match": {"value": Slot(condition.value.value, is_plain)}}
    if op in _RANGE and isinstance(condition.value.value, Hole):
        return {"range": {_RANGE[op]: range_bound(condition.value)}}
    value = scalar_value(condition.value)
    if value is None:
        word = "IS NULL" if op == "=" else "IS NOT NULL"
        hint = f"`{condition.name.text} {word}` asks for null"
        fail("null-comparison", "null is never equal to anything", condition.value.span, hint)
    if op == "=":
        if isinstance(value, float):  # Qdrant matches no floats, so the range that holds only this one
            return {"range": {"gte": value, "lte": value}}
        _check_integer(condition.value, value)
        return {"match": {"value": value}}
    return {"range": {_RANGE[op]: range_bound(condition.value)}}


def _between_bounds(condition: nodes.Between) -> JsonObject | Slot:
    if isinstance(condition.low.value, Hole) and isinstance(condition.high.value, Hole):
        ends = listed((condition.low.value, condition.high.value))
        return Slot(ends, is_range, lambda ends: {"gte": ends[0], "lte": ends[1]})
    low = range_bound(condition.low)
    high = range_bound(condition.high)
    if isinstance(low, str) != isinstance(high, str):
        fail("bad-range", "the ends of BETWEEN are two numbers or two dates", condition.span)
    if _reversed(low, high):
        span = Span(condition.low.span.start, condition.high.span.end)
        hint = f"BETWEEN {shown(high)} AND {shown(low)}"
        fail("reversed-between", "this BETWEEN holds nothing: its ends are reversed", span, hint)
    return {"gte": low, "lte": high}


def _reversed(low: Json, high: Json) -> bool:
    if not isinstance(low, str):
        return bool(low > high)
    from datetime import datetime

    try:
        return datetime.fromisoformat(low) > datetime.fromisoformat(high)
    except (ValueError, TypeError):  # one with a zone and one without have no order
        return False


def _scalars(condition: nodes.In | nodes.Match, values: object) -> tuple[nodes.Scalar, ...]:
    """The values of a list. An empty one goes to the engines as it is: all of them find what it says."""
    assert isinstance(values, tuple), "parameters are bound before a filter is made"
    if not values:
        note_empty_list(condition)
    return values


def _any_equal(name: nodes.Name, scalars: tuple[nodes.Scalar, ...]) -> JsonObject:
    """IN with decimals or booleans, which Qdrant matches one by one only."""
    values = [scalar_value(scalar) for scalar in scalars]
    truths = isinstance(values[0], bool)
    for scalar, value in zip(scalars, values, strict=True):
        if not isinstance(value, (int, float)) or isinstance(value, bool) != truths:
            hint = "two IN lists joined by OR, one for each kind"
            message = "IN takes values of one kind: strings, numbers, or true and false"
            fail("mixed-list", message, scalar.span, hint)
    equal = [nodes.Compare(name, "=", scalar, span=scalar.span) for scalar in scalars]
    found = [emit_condition(one) for one in equal]
    return found[0] if len(found) == 1 else {"should": found}


def _values(name: nodes.Name, scalars: tuple[nodes.Scalar, ...], word: str) -> list[str | int]:
    values = [scalar_value(scalar) for scalar in scalars]
    for scalar, value in zip(scalars, values, strict=True):
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            hint = {
                float: "for decimals, use BETWEEN or comparisons joined by OR",
                bool: f"`{name.text} = {shown(value)}`",
                type(None): f"`{name.text} IS NULL` joined by OR",
            }.get(type(value))
            fail("bad-list", f"{word} takes strings or whole numbers, not {shown(value)}", scalar.span, hint)
        if isinstance(value, str) != isinstance(values[0], str):
            hint = "two IN lists joined by OR, one of strings and one of numbers"
            fail("mixed-list", f"{word} takes all strings or all whole numbers", scalar.span, hint)
        _check_integer(scalar, value)
    return list(dict.fromkeys(values))


def _check_integer(scalar: nodes.Scalar, value: Json) -> None:
    """Payloads hold signed integers, and so does what Qdrant matches them with."""
    if isinstance(value, int) and value >= 1 << 63:
        hint = "`>=` and `<=` compare as decimals, which go further"
        fail("number-out-of-range", f"{value} does not fit a signed 64-bit integer", scalar.span, hint)


def _match_value(condition: nodes.Match) -> Json:
    operator = nodes.MATCH_OPERATORS[condition.kind]
    if isinstance(condition.value, Hole):
        return Slot(condition.value, is_equal_list, list)
    if operator.values:
        return _values(condition.name, _scalars(condition, condition.value), operator.words)
    assert isinstance(condition.value, nodes.Scalar)
    if isinstance(condition.value.value, Hole):
        return Slot(condition.value.value, is_any_text)
    value = scalar_value(condition.value)
    if not isinstance(value, str):
        hint = f"`{condition.name.text} = {shown(value)}` compares values"
        fail("bad-match", f"MATCH takes a text, not {shown(value)}", condition.value.span, hint)
    return value


def selected_ids(condition: nodes.Condition | None) -> list[int | str] | Slot | None:
    """The ids where a condition is only ``id = x`` or ``id IN (…)``; None where it is anything else."""
    match condition:
        case nodes.Compare(name=nodes.Name(text="id"), op="="):
            return [point_id(condition.value)]
        case nodes.In(name=nodes.Name(text="id")) if isinstance(condition.values, Hole):
            return Slot(condition.values, is_id_list, list)
        case nodes.In(name=nodes.Name(text="id")):
            return [point_id(scalar) for scalar in _scalars(condition, condition.values)]
    return None
