"""Filters: their canonical form, and the conditions that say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.errors import did_you_mean, shown
from qql.rest.shapes import (
    Shape,
    anything,
    below,
    boolean,
    each,
    fields,
    given,
    listed,
    number,
    point_id,
    refusal,
    text,
    whole,
)
from qql.rest.types import Body, Json, JsonObject

__all__ = ["CONDITION_KEYS", "as_condition", "condition", "filter_of", "name_of", "normal_filter", "scalar"]

# ------------------------------------------------------------------------------------ canonical form


def _match_value(value: Json, at: str) -> Json:
    if isinstance(value, (bool, int, str)):
        return value
    hint = "decimals are compared by a range" if isinstance(value, float) else None
    raise refusal(at, f"a text, a whole number or a boolean is required, found {shown(value)}", hint)


def _match_list(value: Json, at: str) -> list[Json]:
    found = [_match_value(item, place) for item, place in listed(value, at)]
    if any(isinstance(item, bool) for item in found) or len({isinstance(item, str) for item in found}) > 1:
        raise refusal(at, "a list of texts or a list of whole numbers is required")
    return list(dict.fromkeys(found))


def _bound(value: Json, at: str) -> Json:
    return value if isinstance(value, str) else number(value, at)


def _bounds(shape: Shape) -> Shape:
    inside = fields(dict.fromkeys(("gt", "gte", "lt", "lte"), shape))

    def bounds(value: Json, at: str) -> Json:
        found = inside(value, at)
        if not found:
            raise refusal(at, "a bound is missing", "the bounds are gt, gte, lt and lte")
        return {key: found[key] for key in ("gt", "gte", "lt", "lte") if key in found}

    return bounds


def _match(value: Json, at: str) -> JsonObject:
    found = fields(_MATCHES)(value, at)
    if len(found) != 1:
        raise refusal(at, f"one of {', '.join(_MATCHES)} is required, found {', '.join(found) or 'none'}")
    return dict(found)


_MATCHES: Mapping[str, Shape] = {
    "value": _match_value,
    **{known.kind: _match_list if known.values else text for known in nodes.MATCH_OPERATORS.values()},
}
_GEO_POINT = fields({"lat": number, "lon": number}, "lat", "lon")
_GEO_LINE = fields({"points": each(_GEO_POINT)}, "points")
_POLYGON = fields({"exterior": _GEO_LINE, "interiors": each(_GEO_LINE)}, "exterior")


def _polygon(value: Json, at: str) -> JsonObject:
    return {key: item for key, item in _POLYGON(value, at).items() if item}


_FIELD_CONDITIONS: Mapping[str, Shape] = {
    "match": _match,
    "range": _bounds(_bound),
    "geo_bounding_box": fields(
        {"top_left": _GEO_POINT, "bottom_right": _GEO_POINT}, "top_left", "bottom_right"
    ),
    "geo_radius": fields({"center": _GEO_POINT, "radius": number}, "center", "radius"),
    "geo_polygon": _polygon,
    "values_count": _bounds(whole),
    "is_empty": boolean,
    "is_null": boolean,
}


def _key(value: Json, at: str) -> str:
    """A path in the payload. The path `"id"`, in Qdrant's quotes, is the field `id`."""
    found = text(value, at)
    return "id" if found == _QUOTED_ID else found


_QUOTED_ID = '"id"'


def _field_condition(value: Json, at: str) -> JsonObject:
    found = fields({"key": _key, **_FIELD_CONDITIONS}, "key")(value, at)
    key = found.pop("key")
    if len(found) != 1:
        what = "several conditions on one key" if found else "a condition is missing"
        hint = "give each condition an object of its own" if found else None
        raise refusal(at, what, hint or f"the conditions are {', '.join(_FIELD_CONDITIONS)}")
    ((kind, inside),) = found.items()
    if kind in ("is_empty", "is_null"):
        found = {kind: {"key": key}}
        return found if inside else {"must_not": [found]}
    return {"key": key, kind: inside}


_KEYED = fields({"key": _key}, "key")


def _nested_filter(value: Json, at: str) -> Json:
    found = normal_filter(value, at)
    if found is None:
        raise refusal(at, "a filter that holds for every point has no meaning here", "leave it out")
    return found


_CONDITIONS: Mapping[str, Shape] = {
    "has_id": fields({"has_id": each(point_id)}, "has_id"),
    "has_vector": fields({"has_vector": text}, "has_vector"),
    "is_empty": fields({"is_empty": _KEYED}, "is_empty"),
    "is_null": fields({"is_null": _KEYED}, "is_null"),
    "slice": fields({"slice": fields({"total": whole, "index": whole}, "total", "index")}, "slice"),
    "nested": fields({"nested": fields({"key": _key, "filter": _nested_filter}, "key", "filter")}, "nested"),
}
_FILTER: Mapping[str, Shape] = dict.fromkeys(("must", "should", "min_should", "must_not"), anything)
CONDITION_KEYS = frozenset({"key", *_CONDITIONS, *_FILTER})
"""The keys by which an object is known to be a condition or a filter."""


def condition(value: Json, at: str) -> JsonObject | None:
    """The canonical form of a condition or filter; None where it holds for every point.

    What one clause holds alone stands bare, ``must`` in ``must`` and ``should`` in ``should`` are one
    list, what stands beside another clause is a member of ``must``, and a list stands for a single object.
    """
    found = given(value, at)
    if "key" in found:
        return _field_condition(found, at)
    kind = next((key for key in _CONDITIONS if key in found), None)
    if kind:
        return dict(_CONDITIONS[kind](found, at))
    unknown = next((key for key in found if key not in _FILTER), None)
    if unknown is not None:
        hint = did_you_mean(unknown, CONDITION_KEYS)
        raise refusal(f"{at}.{unknown}" if at else unknown, "this is no condition", hint)
    return _clauses(found, at)


def _clauses(found: JsonObject, at: str) -> JsonObject | None:
    must: list[Json] = []
    must_not: list[Json] = []

    def join(one: JsonObject | None) -> None:
        if one is not None and one.keys() <= {"must", "must_not"}:
            must.extend(one.get("must", ()))
            must_not.extend(one.get("must_not", ()))
        elif one is not None:
            must.append(one)

    for child, place in _members(found, "must", at):
        join(condition(child, place))
    alternatives: list[Json] = []
    for child, place in _members(found, "should", at):
        one = _telling(condition(child, place), place)
        alternatives += one["should"] if one.keys() == {"should"} else [one]
    if alternatives:
        join(alternatives[0] if len(alternatives) == 1 else {"should": alternatives})
    if found.get("min_should") is not None:
        least = _least(found["min_should"], below(at, "min_should"))
        members = _members(least, "conditions", below(at, "min_should"))
        least["conditions"] = [_telling(condition(child, place), place) for child, place in members]
        must += [{"min_should": least}] if least["min_count"] != 0 else []
    for child, place in _members(found, "must_not", at):
        one = _telling(condition(child, place), place)
        if one.keys() == {"must_not"} and len(one["must_not"]) == 1:
            join(one["must_not"][0])
        else:
            must_not.append(one)
    if len(must) == 1 and not must_not:
        return dict(must[0])
    return {key: given for key, given in (("must", must), ("must_not", must_not)) if given} or None


def _members(found: Body, key: str, at: str) -> list[tuple[Json, str]]:
    """What a clause holds, each with its place. (Not yet in canonical form: filters nest deep.)"""
    value, place = found.get(key), below(at, key)
    if value is None:
        return []
    return listed(value, place) if isinstance(value, list) else [(value, place)]


def _telling(one: JsonObject | None, at: str) -> JsonObject:
    """A member of a clause in which an empty filter would mean something, and so is refused."""
    if one is None:
        raise refusal(at, "a filter that holds for every point has no meaning here", "leave it out")
    return one


def _least(value: Json, at: str) -> JsonObject:
    shapes = {"conditions": anything, "min_count": whole}
    found: JsonObject = fields(shapes, "conditions", "min_count")(value, at)
    if found["conditions"] == []:
        raise refusal(f"{at}.conditions", "an empty list has no meaning in QQL", "leave min_should out")
    return found


def normal_filter(value: Json, at: str) -> JsonObject | None:
    """The canonical form of a filter; None where it holds for every point."""
    found = condition(value, at)
    return found if found is None or found.keys() <= _FILTER.keys() else {"must": [found]}


# ------------------------------------------------------------------------------------ nodes


def name_of(written: str) -> nodes.Name:
    """A name as it is."""
    return nodes.Name(written)


def scalar(value: Json) -> nodes.Scalar:
    """A value in its place."""
    return nodes.Scalar(value)


def _field(written: str) -> nodes.Name:
    """The name of a payload field. `id` alone is the id of the point, so the field stands in quotes."""
    return nodes.Name(_QUOTED_ID if written == "id" else written)


_POINT = nodes.Name("id")


def filter_of(found: Body | None) -> nodes.Condition | None:
    """The condition that says a canonical filter."""
    return None if found is None else as_condition(found)


def as_condition(found: Body) -> nodes.Condition:
    """The node that says a canonical condition."""
    if "key" in found:
        kind = next(key for key in found if key != "key")
        return _FIELD_NODES[kind](_field(found["key"]), found[kind])
    kind = next(iter(found))
    if kind in _NODES:
        return _NODES[kind](found[kind])
    parts = [as_condition(one) for one in found.get("must", ())]
    parts += [_negated(as_condition(one)) for one in found.get("must_not", ())]
    return parts[0] if len(parts) == 1 else nodes.And(tuple(parts))


def _negated(one: nodes.Condition) -> nodes.Condition:
    if isinstance(one, nodes.Compare) and one.op == "=":
        return nodes.Compare(one.name, "!=", one.value)
    return nodes.Not(one)


def _has_id(ids: list[Json]) -> nodes.Condition:
    if len(ids) == 1:
        return nodes.Compare(_POINT, "=", scalar(ids[0]))
    return nodes.In(_POINT, _scalars(ids))


def _scalars(values: list[Json]) -> tuple[nodes.Scalar, ...]:
    return tuple(scalar(value) for value in values)


def _match_node(name: nodes.Name, found: Body) -> nodes.Condition:
    ((kind, value),) = found.items()
    match kind:
        case "value":
            return nodes.Compare(name, "=", scalar(value))
        case "any":
            return nodes.In(name, _scalars(value))
        case _ if nodes.MATCH_OPERATORS[kind].values:
            return nodes.Match(name, kind, _scalars(value))
    return nodes.Match(name, kind, scalar(value))


_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def _range_node(name: nodes.Name, found: Body) -> nodes.Condition:
    if len(found) == 1:
        ((bound, value),) = found.items()
        return nodes.Compare(name, _SIGNS[bound], scalar(value))
    if found.keys() == {"gte", "lte"}:
        low, high = found["gte"], found["lte"]
        if isinstance(low, float) and low == high:
            return nodes.Compare(name, "=", scalar(low))
        if isinstance(low, str) or isinstance(high, str) or low <= high:
            return nodes.Between(name, scalar(low), scalar(high))
    return nodes.Range(name, _bound_options(found))


def _bound_options(found: Body) -> tuple[nodes.Option, ...]:
    return tuple(nodes.Option(key, value) for key, value in found.items())


def _geo(shape: str) -> Callable[[nodes.Name, Json], nodes.Condition]:
    return lambda name, value: nodes.Geo(name, shape, value)


_FIELD_NODES: Mapping[str, Callable[[nodes.Name, Json], nodes.Condition]] = {
    "match": _match_node,
    "range": _range_node,
    "values_count": lambda name, found: nodes.ValuesCount(name, _bound_options(found)),
    "geo_bounding_box": _geo("bbox"),
    "geo_radius": _geo("radius"),
    "geo_polygon": _geo("polygon"),
}
_NODES: Mapping[str, Callable[[Json], nodes.Condition]] = {
    "has_id": _has_id,
    "has_vector": lambda name: nodes.HasVector(name_of(name)),
    "is_empty": lambda found: nodes.IsEmpty(_field(found["key"])),
    "is_null": lambda found: nodes.IsNull(_field(found["key"])),
    "slice": lambda found: nodes.Slice(scalar(found["total"]), scalar(found["index"])),
    "nested": lambda found: nodes.Nested(name_of(found["key"]), as_condition(found["filter"])),
    "should": lambda found: nodes.Or(tuple(as_condition(one) for one in found)),
    "min_should": lambda found: nodes.MinShould(
        scalar(found["min_count"]), tuple(as_condition(one) for one in found["conditions"])
    ),
}
