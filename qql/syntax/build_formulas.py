"""Rules → nodes: formulas."""

from __future__ import annotations

import math
import re

from qql import nodes
from qql.errors import Span, did_you_mean
from qql.late import cast, late_pattern
from qql.nodes import FUNCTION_OF, FUNCTIONS, SPELLINGS, Expression, Name, Scalar
from qql.records import replace
from qql.syntax.clauses import Clause, check_depth, span_now, stands_twice, value_list
from qql.syntax.lexer import Token, syntax_error

__all__ = ["Formulas"]

_ARITHMETIC = {"PLUS": "sum", "MINUS": "sum", "STAR": "mult"}
_EXACT = 2**53  # doubles are whole numbers beyond
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DATE = late_pattern(r"\d{4}-\d{2}-\d{2}([T ].*)?", re.ASCII)
_DECAY_PARTS = {"X": "x", "TARGET": "target", "SCALE": "scale", "MIDPOINT": "midpoint", "DECAY": "midpoint"}
_NO_CALLS = (
    *("DATETIME", "DATETIME_KEY", "GEO_DISTANCE", "GAUSS_DECAY", "EXP_DECAY", "LIN_DECAY"),
    *("MATCH", "MATCH_ANY", "CONDITION"),
)
"""What looks like a function and has a rule of its own."""

_DecayOption = tuple[Token | None, Expression, Span]


class Formulas:
    """Methods named as the rules of formulas are."""

    def formula(self, expression: Expression) -> nodes.Formula:
        check_depth(expression, "formulas", "SUM(a, b, …) and PRODUCT(a, b, …) take many values at once")
        return nodes.Formula(expression, span=span_now())

    def boost(self, given: nodes.Formula | Expression) -> Clause:
        formula = given if isinstance(given, nodes.Formula) else self.formula(given)
        return Clause("formula", formula, span_now())

    def arithmetic(self, left: Expression, sign: Token, right: Expression) -> nodes.Call:
        if sign.type == "MINUS":
            right = nodes.Call("neg", (right,), span=right.span)
        return nodes.Call(_ARITHMETIC[sign.type], (left, right), span=span_now())

    def negate(self, _: Token, value: Expression) -> nodes.Call:
        return nodes.Call("neg", (value,), span=span_now())

    def call(self, token: Token, *children: Expression | Scalar | None) -> nodes.Call:
        *given, default = children
        args = tuple(arg for arg in given if arg is not None)
        word = SPELLINGS.get(token.text.upper(), token.text.upper())
        known = FUNCTIONS.get(word)
        if known is None:
            names = (*FUNCTIONS, *_NO_CALLS)
            hint = did_you_mean(token.text, names) or f"the functions are {', '.join(names)}"
            message = f"there is no function `{token.text}`"
            syntax_error("unknown-function", message, token.span, hint)
        if not known.least <= len(args) or (known.most is not None and len(args) > known.most):
            takes = f"{known.least}" if known.most else "at least one"
            values = "value" if known.most == 1 or not known.most else "values"
            message = f"{word} takes {takes} {values}, not {len(args)}"
            syntax_error("wrong-arguments", message, span_now())
        return nodes.Call(known.name, args, cast(Scalar | None, default), span=span_now())

    def divide(self, left: Expression, _: Token, right: Expression, default: Scalar | None) -> nodes.Divide:
        if isinstance(right, nodes.Call) and right.default and FUNCTION_OF[right.function].guard is None:
            # The brackets stood behind a function that has no use for them: they are the division's.
            if default is not None:
                stands_twice("DEFAULT", default.span, right.default.span)
            right, default = replace(right, default=None), right.default
        return nodes.Divide(left, right, default, span=span_now())

    def case(self, *children: nodes.When | Expression | None) -> nodes.Case:
        *whens, otherwise = children
        return nodes.Case(
            tuple(cast(nodes.When, when) for when in whens),
            cast(Expression | None, otherwise),
            span=span_now(),
        )

    def match_value(self, name: Name, value: Scalar) -> nodes.Truth:
        return nodes.Truth(nodes.Compare(name, "=", value, span=span_now()), span=span_now())

    def match_any(self, name: Name, values: object) -> nodes.Truth:
        return nodes.Truth(nodes.In(name, value_list(values), span=span_now()), span=span_now())

    def geo_distance(self, *children: Scalar | dict[str, object] | Name) -> nodes.GeoDistance:
        *origin, name = children
        match origin:
            case [Scalar() as lat, Scalar() as lon]:
                given: object = {"lat": lat.value, "lon": lon.value}
            case [Scalar() as bound]:
                given = bound.value
            case _:
                given = origin[0]
        return nodes.GeoDistance(given, cast(Name, name), span=span_now())

    def decay(self, kind: Token, *options: _DecayOption) -> nodes.Decay:
        found: dict[str, Expression] = {}
        order = iter(("x", "target", "scale", "midpoint"))
        for token, value, span in options:
            word = _DECAY_PARTS[token.type] if token else next(order, None)
            if word is None:
                syntax_error("wrong-arguments", "a decay takes TARGET, SCALE and MIDPOINT", span)
            if word in found:
                stands_twice(word.upper(), span, found[word].span)
            found[word] = _point_in_time(value) if word == "target" else value
        if "x" not in found:
            syntax_error("wrong-arguments", "a decay needs the value that decays", span_now())
        return nodes.Decay(kind.type.removesuffix("_DECAY").lower(), **found, span=span_now())

    def decay_option(self, word: Token | None, value: Expression) -> _DecayOption:
        return word, value, span_now()

    def duration(self, token: Token) -> Scalar:
        number, unit = cast(re.Match[str], re.fullmatch(r"([0-9.]+)([a-z]+)", token.text.lower())).groups()
        seconds = float(number) * _SECONDS[unit]
        if not math.isfinite(seconds):
            syntax_error("number-out-of-range", f"`{token.text}` is longer than any double", token.span)
        whole = seconds.is_integer() and seconds <= _EXACT
        return Scalar(int(seconds) if whole else seconds, span=span_now())


def _point_in_time(value: Expression) -> Expression:
    """A quoted date as a point in time; everything else as it is (a quoted name is a variable)."""
    if isinstance(value, Name) and isinstance(value.text, str) and _DATE.fullmatch(value.text):
        return nodes.Datetime(Scalar(value.text, span=value.span), span=value.span)
    return value
