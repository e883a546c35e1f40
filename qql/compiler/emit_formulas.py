"""Expressions of formulas → Qdrant's JSON."""

from __future__ import annotations

from qql import nodes
from qql.compiler.bind import resolved
from qql.compiler.dates import DATE_HINT, is_date
from qql.compiler.emit_filters import emit_condition, geo_point
from qql.compiler.guards import is_number
from qql.compiler.scalars import scalar_value
from qql.errors import fail, shown
from qql.nodes.holes import Hole, Slot
from qql.rest.types import Json, JsonObject

__all__ = ["emit_formula"]


def emit_formula(formula: nodes.Formula) -> JsonObject:
    """``{"formula": …, "defaults": {…}}``. Raises `QQLPlanError`."""
    found: JsonObject = {"formula": _emit(formula.expression)}
    defaults: JsonObject = {}
    for option in formula.defaults:
        if option.name in defaults:
            fail("duplicate-option", f"the default of `{option.name}` stands twice", option.span)
        defaults[option.name] = resolved(option.value, option.span)
    return found | ({"defaults": defaults} if defaults else {})


def _emit(node: nodes.Expression) -> Json:
    match node:
        case nodes.Scalar():
            return _constant(node)
        case nodes.Name():
            return _variable(node)
        case nodes.Call():
            return _call(node)
        case nodes.Divide():
            parts = {"left": _emit(node.left), "right": _emit(node.right)}
            if node.default is not None:
                parts["by_zero_default"] = _number(node.default, "DEFAULT")
            return {"div": parts}
        case nodes.Case():
            return _case(node.whens, node.otherwise)
        case nodes.Truth():
            return emit_condition(node.condition)
        case nodes.GeoDistance():
            origin = geo_point(resolved(node.origin, node.span), "the origin of GEO_DISTANCE", node.span)
            return {"geo_distance": {"origin": origin, "to": str(node.name.text)}}
        case nodes.Datetime():
            return _datetime(node.value)
        case nodes.DatetimeKey():
            return {"datetime_key": str(node.name.text)}
        case nodes.Decay():
            return _decay(node)


def _constant(scalar: nodes.Scalar) -> Json:
    if isinstance(scalar.value, Hole):
        return Slot(scalar.value, is_number())
    value = scalar_value(scalar)
    if isinstance(value, str):  # of a parameter, or of UUID(…)
        return _datetime(scalar) if is_date(value, scalar.span) else value
    return _number(scalar, "a formula")


def _number(scalar: nodes.Scalar, what: str) -> float | int:
    value = scalar_value(scalar)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    fail("bad-formula", f"{what} takes a number, not {shown(value)}", scalar.span)


def _variable(name: nodes.Name) -> Json:
    text = str(name.text)
    if text == "score":
        return "$score"
    return {"datetime": text} if is_date(text, name.span) else text


def _datetime(scalar: nodes.Scalar) -> JsonObject:
    value = scalar_value(scalar)
    if isinstance(value, str) and is_date(value, scalar.span):
        return {"datetime": value}
    fail("not-a-date", f"DATETIME takes a date, not {shown(value)}", scalar.span, DATE_HINT)


def _call(node: nodes.Call) -> JsonObject:
    known = nodes.FUNCTION_OF[node.function]
    args = [_emit(arg) for arg in node.args]
    if node.default is not None:
        if known.guard is None:
            hint = "a division takes it: a / b [DEFAULT = 1]"
            fail("idle-option", f"{known.word} has no use for DEFAULT", node.default.span, hint)
        _number(node.default, "DEFAULT")
        args = [{"max": [known.guard, args[0]]}]
    if known.keys:
        return {known.name: dict(zip(known.keys, args, strict=True))}
    return {known.name: args if known.many else args[0]}


def _case(whens: tuple[nodes.When, ...], otherwise: nodes.Expression | None) -> Json:
    """A condition counts 1 or 0, so CASE is `condition * then + (1 - condition) * else`."""
    found = None if otherwise is None else _emit(otherwise)
    for when in reversed(whens):
        condition = emit_condition(when.condition)
        chosen = {"mult": [condition, _emit(when.value)]}
        if found is None:
            found = chosen
        else:
            found = {"sum": [chosen, {"mult": [{"sum": [1.0, {"neg": condition}]}, found]}]}
    return found


def _decay(node: nodes.Decay) -> JsonObject:
    parts: JsonObject = {"x": _emit(node.x)}
    if node.target is not None:
        parts["target"] = _emit(node.target)
        dated = isinstance(parts["target"], dict) and "datetime" in parts["target"]
        if dated and isinstance(node.x, nodes.Name) and isinstance(parts["x"], str):
            # By its own name: the `score` that has a date is a field, and not the query's score.
            parts["x"] = {"datetime_key": str(node.x.text)}
    for word in ("scale", "midpoint"):
        value = getattr(node, word)
        if value is None:
            continue
        if not isinstance(value, nodes.Scalar):
            fail("bad-formula", f"{word.upper()} of a decay is a plain number", value.span)
        parts[word] = _number(value, word.upper())
    if not parts.get("scale", 1) > 0:
        fail(
            "bad-formula", "SCALE of a decay is greater than 0", node.scale.span if node.scale else node.span
        )
    if not 0 < parts.get("midpoint", 0.5) < 1:
        span = node.midpoint.span if node.midpoint else node.span
        fail("bad-formula", "MIDPOINT of a decay lies between 0 and 1", span)
    return {f"{node.kind}_decay": parts}
