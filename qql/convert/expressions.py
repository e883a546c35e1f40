"""Formulas: their canonical form, and the expressions that say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.compiler.dates import looks_like_date
from qql.compiler.rest_filters import CONDITION_KEYS, as_condition, condition, name_of, scalar
from qql.errors import did_you_mean, shown
from qql.rest.shapes import Shape, each, fields, given, number, refusal, text
from qql.rest.types import Body, Json, JsonObject

__all__ = ["as_formula", "normal_formula"]

# ------------------------------------------------------------------------------------ canonical form


def normal_formula(value: Json, at: str) -> JsonObject:
    """``{"formula": …, "defaults": {…}}``; without defaults where there are none."""
    found = fields({"formula": _expression, "defaults": given}, "formula")(value, at)
    return {key: item for key, item in found.items() if item != {}}


def _expression(value: Json, at: str) -> Json:
    if isinstance(value, str):
        return _variable(value)
    if not isinstance(value, dict):
        return number(value, at)
    if value.keys() & CONDITION_KEYS:
        found = condition(value, at)
        if found is None:
            raise refusal(at, "a filter that holds for every point has no meaning here", "write 1")
        return found
    kind = next((key for key in value if key in _EXPRESSIONS), None)
    if kind is None:
        written = next(iter(value), "")
        hint = did_you_mean(written, _EXPRESSIONS)
        raise refusal(at, f"`{written}` is no expression", hint or f"they are {', '.join(_EXPRESSIONS)}")
    return fields({kind: _EXPRESSIONS[kind]}, kind)(value, at)


def _variable(written: str) -> str:
    """A path in the payload; the path `"score"`, in Qdrant's quotes, is the field `score`."""
    bare = written[1:-1]
    return bare if written == f'"{bare}"' and _means_another(bare) else written


def _means_another(written: str) -> bool:
    """Whether a name in a formula of QQL is no field: the score, or a date."""
    return written == "score" or looks_like_date(written)


def _many(value: Json, at: str) -> list[Json]:
    found: list[Json] = each(_expression)(value, at)
    if not found:
        raise refusal(
            at, "an empty list has no meaning in QQL", "a sum of nothing is 0, a product of nothing 1"
        )
    return found


def _geo_distance(value: Json, at: str) -> Json:
    point = fields({"lat": number, "lon": number}, "lat", "lon")
    return fields({"origin": point, "to": text}, "origin", "to")(value, at)


def _decay(value: Json, at: str) -> JsonObject:
    parts = {"x": _expression, "target": _expression, "scale": number, "midpoint": number}
    found: JsonObject = fields(parts, "x")(value, at)
    target = found.get("target")
    if isinstance(found["x"], str) and isinstance(target, dict) and "datetime" in target:
        hint = f'write {{"datetime_key": {shown(found["x"])}}}'
        raise refusal(f"{at}.x", "a decay towards a date takes the field as a date in QQL", hint)
    return found


def _arguments(known: nodes.Function) -> Shape:
    """What the arguments of a function are: one, a list, or an object of them."""
    if known.keys:
        return fields(dict.fromkeys(known.keys, _expression), *known.keys)
    return _many if known.many else _expression


_EXPRESSIONS: Mapping[str, Shape] = {
    **{known.name: _arguments(known) for known in nodes.FUNCTIONS.values()},
    "div": fields({"left": _expression, "right": _expression, "by_zero_default": number}, "left", "right"),
    "geo_distance": _geo_distance,
    "datetime": text,
    "datetime_key": text,
    **dict.fromkeys((f"{kind}_decay" for kind in nodes.DECAYS), _decay),
}

# ------------------------------------------------------------------------------------ nodes


def as_formula(found: Body) -> nodes.Formula:
    """The node that says a canonical formula."""
    defaults = tuple(nodes.Option(key, value) for key, value in found.get("defaults", {}).items())
    return nodes.Formula(_node(found["formula"]), defaults)


def _node(found: Json) -> nodes.Expression:
    if isinstance(found, str):
        return name_of(f'"{found}"' if _means_another(found) else found)
    if not isinstance(found, dict):
        return scalar(found)
    kind = next(iter(found))
    if kind not in _EXPRESSIONS:
        return nodes.Truth(as_condition(found))
    inside = found[kind]
    if kind == "sum" and (case := _case(inside)):
        return case
    if kind in _NODES:
        return _NODES[kind](inside)
    known = nodes.FUNCTION_OF[kind]
    args = [inside[key] for key in known.keys] if known.keys else inside if known.many else [inside]
    return nodes.Call(kind, tuple(_node(one) for one in args))


def _case(terms: list[Json]) -> nodes.Case | None:
    """``condition * then + (1 - condition) * else`` is CASE; an `else` that is one too goes on with WHEN."""
    match terms:
        case [{"mult": [dict() as test, then]}, {"mult": [{"sum": [1, {"neg": dict() as other}]}, rest]}]:
            if test != other or not _is_condition(test):
                return None
        case _:
            return None
    when = nodes.When(as_condition(test), _node(then))
    last = _node(rest)
    if isinstance(last, nodes.Case):
        return nodes.Case((when, *last.whens), last.otherwise)
    return nodes.Case((when,), last)


def _is_condition(found: Body) -> bool:
    return next(iter(found)) not in _EXPRESSIONS


def _decay_node(kind: str) -> Callable[[Json], nodes.Expression]:
    def make(found: Body) -> nodes.Expression:
        target, scale, midpoint = (found.get(key) for key in ("target", "scale", "midpoint"))
        return nodes.Decay(
            kind,
            _node(found["x"]),
            None if target is None else _node(target),
            None if scale is None else scalar(scale),
            None if midpoint is None else scalar(midpoint),
        )

    return make


def _divide(found: Body) -> nodes.Expression:
    default = found.get("by_zero_default")
    return nodes.Divide(
        _node(found["left"]), _node(found["right"]), None if default is None else scalar(default)
    )


_NODES: Mapping[str, Callable[[Json], nodes.Expression]] = {
    "div": _divide,
    "geo_distance": lambda found: nodes.GeoDistance(found["origin"], name_of(found["to"])),
    "datetime": lambda found: nodes.Datetime(scalar(found)),
    "datetime_key": lambda found: nodes.DatetimeKey(name_of(found)),
    **{f"{kind}_decay": _decay_node(kind) for kind in nodes.DECAYS},
}
