"""REST formulas → the engine's expressions. Each function stands once, in `_FUNCTIONS`."""

from __future__ import annotations

import math
from collections.abc import Callable

from qql.rest.types import Body, Json

from .engine import edge, first_line
from .filters import CONDITION_KEYS, condition, geo_point
from .points import check_json
from .readers import (
    Fields,
    anything,
    items,
    mapping,
    number,
    read,
    refuse,
    suggestion,
    text,
)

__all__ = ["to_formula"]

_MAX_DEPTH = 256


def to_formula(body: Body) -> edge.Formula:
    """``{"formula": expression, "defaults": {…}}`` as the engine's formula."""
    fields: Fields = {"formula": anything, "defaults": lambda value, where: check_json(value, lambda: where)}
    given = read(body, "formula", fields, ("formula",))
    made = expression(given["formula"], 1)
    try:
        return edge.Formula(made, given.get("defaults", {}))
    except (ValueError, TypeError, OverflowError) as exc:
        raise refuse("invalid-formula", f"formula: {first_line(exc)}") from exc


def expression(value: Json, depth: int) -> edge.Expression:
    """One expression: a number, a variable (``$score``, a payload path), a condition or a function."""
    if depth > _MAX_DEPTH:
        raise refuse("formula-too-deep", f"a formula nests deeper than {_MAX_DEPTH}")
    if isinstance(value, str):
        return edge.Expression.Variable(value)
    if not isinstance(value, dict):
        return edge.Expression.Constant(number(value, "formula"))
    given = mapping(value, "formula")
    if len(given) == 1:
        ((name, operand),) = given.items()
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](name, operand, depth + 1)
    if given.keys().isdisjoint(CONDITION_KEYS):
        name = next(iter(given), "")
        hint = suggestion(name, _FUNCTIONS, ", or a condition")
        raise refuse("unknown-expression", f"formula has no operation `{name}`", hint)
    return edge.Expression.Condition(condition(given, "formula"))


_Function = Callable[[str, Json, int], edge.Expression]
"""Called with the function's name, its operand and the depth of the operand."""


def _unary(make: Callable[[edge.Expression], edge.Expression]) -> _Function:
    return lambda name, operand, depth: make(expression(operand, depth))


def _variadic(make: Callable[[list[edge.Expression]], edge.Expression]) -> _Function:
    def function(name: str, operand: Json, depth: int) -> edge.Expression:
        operands = []
        for item in items(operand, f"formula {name}"):
            operands.append(expression(item, depth))
        if not operands:
            raise refuse("invalid-formula", f"formula: `{name}` requires at least one operand")
        return make(operands)

    return function


def _division(name: str, operand: Json, depth: int) -> edge.Expression:
    fields: Fields = {"left": anything, "right": anything, "by_zero_default": number}
    given = read(operand, name, fields, ("left", "right"))
    left, right = expression(given["left"], depth), expression(given["right"], depth)
    return edge.Expression.Div(left, right, given.get("by_zero_default"))


def _power(name: str, operand: Json, depth: int) -> edge.Expression:
    given = read(operand, name, {"base": anything, "exponent": anything}, ("base", "exponent"))
    return edge.Expression.Pow(expression(given["base"], depth), expression(given["exponent"], depth))


def _geo_distance(name: str, operand: Json, depth: int) -> edge.Expression:
    given = read(operand, name, {"origin": anything, "to": text}, ("origin", "to"))
    try:
        return edge.Expression.GeoDistance(geo_point(given["origin"], f"{name}.origin"), given["to"])
    except ValueError as exc:
        raise refuse("invalid-formula", f"{name}: {exc}") from exc


# --- decay: written out in plain operations, since the binding hides the type that names its kinds ---


def _linear(away: edge.Expression, midpoint: float, scale: float) -> edge.Expression:
    """max(0, 1 − d·(1 − midpoint)/scale)."""
    make = edge.Expression
    fall = make.Mult([make.Constant(-(1 - midpoint) / scale), away])
    return make.Max([make.Constant(0.0), make.Sum([make.Constant(1.0), fall])])


def _exponential(away: edge.Expression, midpoint: float, scale: float) -> edge.Expression:
    """e^(d·ln(midpoint)/scale)."""
    make = edge.Expression
    return make.Exp(make.Mult([make.Constant(math.log(midpoint) / scale), away]))


def _gaussian(away: edge.Expression, midpoint: float, scale: float) -> edge.Expression:
    """e^(d²·ln(midpoint)/scale²)."""
    make = edge.Expression
    squared = make.Pow(away, make.Constant(2.0))
    return make.Exp(make.Mult([make.Constant(math.log(midpoint) / scale**2), squared]))


def _decay(
    fall: Callable[[edge.Expression, float, float], edge.Expression], closed: bool = False
) -> _Function:
    """Decay with the distance d = |x − target|, as Qdrant's documentation has it.

    The target is 0, the midpoint 0.5 and the scale 1 unless the formula says otherwise. ``closed`` says that
    the midpoint may be 0 and 1 themselves.
    """

    def function(name: str, operand: Json, depth: int) -> edge.Expression:
        make = edge.Expression
        fields: Fields = {"x": anything, "target": anything, "midpoint": number, "scale": number}
        given = read(operand, name, fields, ("x",))
        midpoint, scale = given.get("midpoint", 0.5), given.get("scale", 1.0)
        if not (0 <= midpoint <= 1 if closed else 0 < midpoint < 1):
            raise refuse("invalid-formula", f"{name}: midpoint must be between 0 and 1, and is {midpoint:g}")
        if scale <= 0:
            raise refuse("invalid-formula", f"{name}: scale must be above 0, and is {scale:g}")
        away = expression(given["x"], depth)
        if "target" in given:
            away = make.Sum([away, make.Neg(expression(given["target"], depth))])
        return fall(make.Abs(away), midpoint, scale)

    return function


_FUNCTIONS: dict[str, _Function] = {
    "neg": _unary(edge.Expression.Neg),
    "abs": _unary(edge.Expression.Abs),
    "sqrt": _unary(edge.Expression.Sqrt),
    "exp": _unary(edge.Expression.Exp),
    "log10": _unary(edge.Expression.Log10),
    "ln": _unary(edge.Expression.Ln),
    "acosh": _unary(edge.Expression.Acosh),
    "sum": _variadic(edge.Expression.Sum),
    "mult": _variadic(edge.Expression.Mult),
    "max": _variadic(edge.Expression.Max),
    "min": _variadic(edge.Expression.Min),
    "div": _division,
    "pow": _power,
    "geo_distance": _geo_distance,
    "datetime": lambda name, operand, depth: edge.Expression.Datetime(text(operand, name)),
    "datetime_key": lambda name, operand, depth: edge.Expression.DatetimeKey(text(operand, name)),
    "lin_decay": _decay(_linear, closed=True),
    "exp_decay": _decay(_exponential),
    "gauss_decay": _decay(_gaussian),
}
