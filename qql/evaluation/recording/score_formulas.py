"""Formulas over the scores of stages, computed here: what reads no payload and holds no condition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from qql.late import late_pattern
from qql.records import dataclass
from qql.rest.fusion import f32
from qql.rest.types import Body, Json

__all__ = ["ScoreFormula", "formula_obstacle"]

_SCORE = late_pattern(r"\$score(?:\[([0-9]+)\])?")

Scores = Sequence[float | None]
"""The scores of a point in each input, None where that lacks it."""


def _product(values: Sequence[float]) -> float:
    return math.prod(values)


_MANY: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "mult": _product,
    "max": max,
    "min": min,
}
_ONE: Mapping[str, Callable[[float], float]] = {
    "neg": lambda value: -value,
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log10": math.log10,
    "ln": math.log,
    "acosh": math.acosh,
}


def formula_obstacle(query: Body) -> str | None:
    """Why a ``formula`` query cannot be computed from scores alone; None where it can."""
    todo: list[Json] = [query["formula"]]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            if _SCORE.fullmatch(one) is None:
                return f"its FORMULA reads `{one}` of the payload"
        elif isinstance(one, Mapping):
            ((name, operand), *more) = one.items()
            if more or name not in {*_MANY, *_ONE, "pow", "div"}:
                return f"its FORMULA has a part that reads points: {name}"
            todo += _operands(name, operand)
    return None


def _operands(name: str, operand: Json) -> list[Json]:
    if name == "pow":
        return [operand["base"], operand["exponent"]]
    if name == "div":
        return [operand["left"], operand["right"]]
    return list(operand) if name in _MANY else [operand]


@dataclass(frozen=True, slots=True)
class ScoreFormula:
    """A ``formula`` query without obstacle, and its defaults for scores that are not there."""

    query: Body

    def score(self, scores: Scores) -> float:
        """The score of a point. Raises ValueError, OverflowError or ZeroDivisionError where there is none."""
        value = f32(self._value(self.query["formula"], scores))
        if not math.isfinite(value):
            raise ValueError("it is not finite")
        return value

    def _value(self, one: Json, scores: Scores) -> float:
        if isinstance(one, str):
            return self._variable(one, scores)
        if not isinstance(one, Mapping):
            return f32(float(one))  # as engines keep it, though they compute in 64 bits
        ((name, operand),) = one.items()
        values = [self._value(inner, scores) for inner in _operands(name, operand)]
        if name in _MANY:
            return float(_MANY[name](values))
        if name == "pow":
            return math.pow(*values)
        if name == "div":
            default = operand.get("by_zero_default")
            return float(default) if not values[1] and default is not None else values[0] / values[1]
        return float(_ONE[name](*values))

    def _variable(self, name: str, scores: Scores) -> float:
        found = _SCORE.fullmatch(name)
        at = int(found[1] or 0) if found else 0
        score = scores[at] if at < len(scores) else None
        if score is not None:
            return score
        given = self.query.get("defaults") or {}
        other = "$score" if name == "$score[0]" else "$score[0]" if name == "$score" else name
        return float(given.get(name, given.get(other, 0.0)))
