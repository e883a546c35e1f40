"""Formulas: what `+ - * /` do not say."""

from __future__ import annotations

from collections.abc import Mapping

from qql import nodes
from qql.build import values
from qql.build.conditions import condition
from qql.build.fields import Expression
from qql.errors import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from qql.build.conditions import Condition
    from qql.build.fields import Field, Operand, Value

__all__ = [
    "call",
    "case",
    "datetime",
    "datetime_key",
    "decay",
    "divide",
    "formula",
    "geo_distance",
    "score",
    "truth",
]


def score(stage: int | None = None) -> Expression:
    """``$score``, the score of the stage before; of several, ``$score[1]`` is that of the second."""
    if stage is not None and (type(stage) is not int or stage < 0):
        values.wrong("score(stage)", f"takes the number of a stage from 0 on, not {values.kind_of(stage)}")
    return Expression(nodes.Name("$score" if stage is None else f"$score[{stage}]"))


def formula(expression: Operand, defaults: Mapping[str, Any] | None = None) -> nodes.Formula:
    """``FORMULA expression [DEFAULTS (…)]``: a target of `query`, and what its ``formula=`` takes.

    ``defaults`` are the values of fields that a point lacks.
    """
    made = values.expression(expression, "formula(expression)")
    return nodes.Formula(made, values.options(defaults or {}, "formula(defaults)"))


def call(function: str, *arguments: Operand, default: Value = None) -> Expression:
    """A function of formulas by its name: ``call("sqrt", field("price"))``.

    ``default`` is the value where the function has none. Raises `QQLPlanError` for a function that does not
    exist, and for too many or too few arguments.
    """
    word = str(function).upper()
    known = nodes.FUNCTIONS.get(nodes.SPELLINGS.get(word, word))
    at = f"call({function!r})"
    if known is None:
        hint = did_you_mean(word, nodes.FUNCTIONS) or f"the functions are {', '.join(nodes.FUNCTIONS)}"
        values.wrong(at, "there is no such function", hint)
    parts = tuple(values.expression(one, f"{at}[{place}]") for place, one in enumerate(arguments))
    if len(parts) < known.least or (known.most is not None and len(parts) > known.most):
        values.wrong(at, f"takes {known.least if known.most else 'at least one'}, not {len(parts)} arguments")
    return Expression(nodes.Call(known.name, parts, _default(default, at)))


def divide(left: Operand, right: Operand, default: Value = None) -> Expression:
    """``left / right [DEFAULT = default]``: the default is for right = 0."""
    parts = (values.expression(left, "divide(left)"), values.expression(right, "divide(right)"))
    return Expression(nodes.Divide(*parts, _default(default, "divide(default)")))


def _default(given: object, at: str) -> nodes.Scalar | None:
    return None if given is None else values.scalar(given, at)


def case(*whens: tuple[Condition, Operand], otherwise: Operand | None = None) -> Expression:
    """``CASE WHEN condition THEN value … [ELSE otherwise] END``; ``whens`` are pairs of those."""
    found = []
    for place, when in enumerate(whens):
        at = f"case(…)[{place}]"
        if not isinstance(when, tuple) or len(when) != 2:
            values.wrong(at, f"takes (condition, value), not {values.kind_of(when)}")
        found.append(nodes.When(condition(when[0], at), values.expression(when[1], at)))
    if not found:
        values.wrong("case(…)", "takes at least one (condition, value)")
    rest = None if otherwise is None else values.expression(otherwise, "case(otherwise)")
    return Expression(nodes.Case(tuple(found), rest))


def truth(given: Condition) -> Expression:
    """``CONDITION(tag = 'a')``: 1 where it holds, and 0 elsewhere."""
    return Expression(nodes.Truth(condition(given, "truth(…)")))


def geo_distance(lat: Value, lon: Value, field: str | Field | nodes.Param) -> Expression:
    """``GEO_DISTANCE(52.5, 13.4, location)``: metres between a place, in degrees, and that in a field."""
    origin = values.data({"lat": lat, "lon": lon}, "geo_distance(…)")
    return Expression(nodes.GeoDistance(origin, values.name(field, "geo_distance(field)")))


def datetime(value: Value) -> Expression:
    """``DATETIME('2024-05-01T12:00:00Z')``: the seconds of a date since 1970."""
    return Expression(nodes.Datetime(values.scalar(value, "datetime(value)")))


def datetime_key(field: str | Field | nodes.Param) -> Expression:
    """``DATETIME_KEY(created_at)``: the seconds since 1970 of a field that holds a date."""
    return Expression(nodes.DatetimeKey(values.name(field, "datetime_key(field)")))


def decay(
    kind: Literal["gauss", "exp", "lin"],
    x: Operand,
    *,
    target: Operand | None = None,
    scale: Operand | None = None,
    midpoint: Operand | None = None,
) -> Expression:
    """``GAUSS_DECAY(x, TARGET = 3, SCALE = 2, MIDPOINT = 0.5)``: 1 at the target, and less far from it."""
    if kind not in nodes.DECAYS:
        values.wrong("decay(kind)", f"the kinds are {', '.join(nodes.DECAYS)}, not {values.kind_of(kind)}")
    given = {"target": target, "scale": scale, "midpoint": midpoint}
    parts: dict[str, Any] = {
        key: values.expression(one, f"decay({key})") for key, one in given.items() if one is not None
    }
    return Expression(nodes.Decay(kind, values.expression(x, "decay(x)"), **parts))
