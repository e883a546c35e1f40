"""REST formulas → the engine's expressions."""

from __future__ import annotations

import math
from typing import Any

from qql.errors import did_you_mean

from .checks import items, mapping, number, read, refuse, text
from .engine import edge
from .filters import condition
from .points import check_json

__all__ = ["to_formula"]

_MAX_DEPTH = 256


def to_formula(body: dict[str, Any]) -> Any:
    """``{"formula": expression, "defaults": {…}}`` as the engine's formula."""
    given = read(
        body,
        "formula",
        {"formula": lambda v, w: v, "defaults": lambda v, w: check_json(v, lambda: w)},
        ("formula",),
    )
    made = expression(given["formula"], 1)
    defaults = given.get("defaults", {})
    try:
        return edge.Formula(made, defaults)
    except (ValueError, TypeError, OverflowError) as exc:
        raise refuse("invalid-formula", f"formula: {str(exc).splitlines()[0]}") from exc


def expression(value: Any, depth: int) -> Any:
    """One expression: a number, a variable (``$score``, a payload path), a condition or an operation."""
    if depth > _MAX_DEPTH:
        raise refuse("formula-too-deep", f"a formula nests deeper than {_MAX_DEPTH}")
    if isinstance(value, str):
        return edge.Expression.Variable(value)
    if not isinstance(value, dict):
        return edge.Expression.Constant(number(value, "formula"))
    given = mapping(value, "formula")
    if len(given) == 1:
        ((name, operand),) = given.items()
        if name in _UNARY:
            return _UNARY[name](expression(operand, depth + 1))
        if name in _MANY:
            operands = []
            for item in items(operand, f"formula {name}"):
                operands.append(expression(item, depth + 1))
            if not operands:
                raise refuse("invalid-formula", f"formula: `{name}` requires at least one operand")
            return _MANY[name](operands)
        if name in _OTHERS:
            return _OTHERS[name](operand, depth + 1)
    if given.keys().isdisjoint(_CONDITION_KEYS):
        known = [*_UNARY, *_MANY, *_OTHERS]
        name = next(iter(given), "")
        hint = did_you_mean(str(name), known) or f"one of {', '.join(known)}, or a condition"
        raise refuse("unknown-expression", f"formula has no operation `{name}`", hint)
    return edge.Expression.Condition(condition(given, "formula"))


_CONDITION_KEYS = {
    "key", "nested", "is_empty", "is_null", "has_id", "has_vector", "slice",
    "must", "should", "must_not", "min_should",
}  # fmt: skip

_UNARY: dict[str, Any] = {
    "neg": edge.Expression.Neg,
    "abs": edge.Expression.Abs,
    "sqrt": edge.Expression.Sqrt,
    "exp": edge.Expression.Exp,
    "log10": edge.Expression.Log10,
    "ln": edge.Expression.Ln,
    "acosh": edge.Expression.Acosh,
}
_MANY: dict[str, Any] = {
    "sum": edge.Expression.Sum,
    "mult": edge.Expression.Mult,
    "max": edge.Expression.Max,
    "min": edge.Expression.Min,
}


def _same(value: Any, where: str) -> Any:
    return value


def _div(value: Any, depth: int) -> Any:
    table = {"left": _same, "right": _same, "by_zero_default": number}
    given = read(value, "div", table, ("left", "right"))
    left, right = expression(given["left"], depth), expression(given["right"], depth)
    return edge.Expression.Div(left, right, given.get("by_zero_default"))


def _pow(value: Any, depth: int) -> Any:
    given = read(value, "pow", {"base": _same, "exponent": _same}, ("base", "exponent"))
    return edge.Expression.Pow(expression(given["base"], depth), expression(given["exponent"], depth))


def _geo_distance(value: Any, depth: int) -> Any:
    given = read(value, "geo_distance", {"origin": _same, "to": text}, ("origin", "to"))
    origin = read(given["origin"], "geo_distance.origin", {"lon": number, "lat": number}, ("lon", "lat"))
    try:
        return edge.Expression.GeoDistance(edge.GeoPoint(origin["lon"], origin["lat"]), given["to"])
    except ValueError as exc:
        raise refuse("invalid-formula", f"geo_distance: {exc}") from exc


_DECAY = {"x": _same, "target": _same, "midpoint": number, "scale": number}


def _decay(name: str) -> Any:
    """Decay, written out in plain operations, since the binding hides the type that names its kinds.

    With d = |x − target|, as Qdrant's documentation has it: lin is max(0, 1 − d·(1 − midpoint)/scale),
    exp is e^(d·ln(midpoint)/scale), gauss is e^(d²·ln(midpoint)/scale²); target 0, midpoint 0.5, scale 1.
    """

    def build(value: Any, depth: int) -> Any:
        make = edge.Expression
        given = read(value, name, _DECAY, ("x",))
        midpoint, scale = given.get("midpoint", 0.5), given.get("scale", 1.0)
        low_enough = 0 <= midpoint <= 1 if name == "lin_decay" else 0 < midpoint < 1
        if not low_enough:
            raise refuse("invalid-formula", f"{name}: midpoint must be between 0 and 1, and is {midpoint:g}")
        if scale <= 0:
            raise refuse("invalid-formula", f"{name}: scale must be above 0, and is {scale:g}")
        away = expression(given["x"], depth)
        if "target" in given:
            away = make.Sum([away, make.Neg(expression(given["target"], depth))])
        away = make.Abs(away)
        if name == "lin_decay":
            fall = make.Mult([make.Constant(-(1 - midpoint) / scale), away])
            return make.Max([make.Constant(0.0), make.Sum([make.Constant(1.0), fall])])
        if name == "exp_decay":
            return make.Exp(make.Mult([make.Constant(math.log(midpoint) / scale), away]))
        return make.Exp(
            make.Mult([make.Constant(math.log(midpoint) / scale**2), make.Pow(away, make.Constant(2.0))])
        )

    return build


_OTHERS: dict[str, Any] = {
    "div": _div,
    "pow": _pow,
    "geo_distance": _geo_distance,
    "datetime": lambda value, depth: edge.Expression.Datetime(text(value, "datetime")),
    "datetime_key": lambda value, depth: edge.Expression.DatetimeKey(text(value, "datetime_key")),
    "lin_decay": _decay("lin_decay"),
    "exp_decay": _decay("exp_decay"),
    "gauss_decay": _decay("gauss_decay"),
}
