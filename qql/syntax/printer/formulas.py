"""Formulas as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from qql import nodes
from qql.late import late_pattern
from qql.nodes import FUNCTION_OF, Expression, Scalar
from qql.syntax.doc import LINE, SOFT, Anchor, Doc, Later, cat, group, join, nest
from qql.syntax.printer.conditions import condition_doc
from qql.syntax.printer.values import (
    anchored,
    bracketed,
    name_text,
    options_doc,
    parenthesized,
    prints,
    value_doc,
)

__all__ = ["expression_doc", "formula_doc"]

_SCORE = late_pattern(r"\$[A-Za-z0-9_]+\[[0-9]+\]", re.ASCII)
_ADDING, _MULTIPLYING, _FACTOR = 1, 2, 3
"""How tightly an expression holds together: a sum, a product, all else."""


@prints(nodes.Formula)
def formula_doc(formula: nodes.Formula) -> Doc:
    """``FORMULA … DEFAULTS (…)``."""
    parts = [cat("FORMULA ", group(nest(expression_doc(formula.expression))))]
    if formula.defaults:
        parts.append(cat("DEFAULTS ", options_doc(formula.defaults)))
    return join(parts, LINE)


@prints(*(kind for kind in Expression.__args__ if kind not in (nodes.Name, nodes.Scalar)))
def expression_doc(node: Expression) -> Doc:
    """An expression of a formula."""
    return Later(_printed, node)


def _printed(node: Expression) -> Doc:
    return _PRINTERS[type(node)](node)


def _binding(node: Expression) -> int:
    match node:
        case nodes.Call(function="sum", args=(_, _), default=None):
            return _ADDING
        case nodes.Call(function="mult", args=(_, _), default=None) | nodes.Divide():
            return _MULTIPLYING
    return _FACTOR


def _operand(node: Expression, least: int) -> Doc:
    inside = expression_doc(node)
    return inside if _binding(node) >= least else parenthesized(inside)


def _term(node: Expression, least: int, sign: str = "") -> Doc:
    """An operand of a sum with its sign; comments hold on to it."""
    doc = _operand(node, least)
    return Anchor(node.span, cat(sign, doc) if sign else doc, bracketed=_binding(node) < least)


def _variable(node: nodes.Name) -> Doc:
    if isinstance(node.text, str) and _SCORE.fullmatch(node.text):
        return node.text
    return name_text(node)


def _call(node: nodes.Call) -> Doc:
    """Arithmetic by its signs, every other function by its name."""
    match node:
        case nodes.Call(
            function="sum", args=(left, nodes.Call(function="neg", default=None) as right), default=None
        ):
            return cat(_term(left, _ADDING), LINE, _term(right.args[0], _MULTIPLYING, "- "))
        case nodes.Call(function="sum", args=(left, right), default=None):
            return cat(_term(left, _ADDING), LINE, _term(right, _MULTIPLYING, "+ "))
        case nodes.Call(function="mult", args=(left, right), default=None):
            return cat(_operand(left, _MULTIPLYING), " * ", _operand(right, _FACTOR))
        case nodes.Call(function="neg", args=(inner,), default=None):
            doc = expression_doc(inner)
            return cat("-", doc if _negatable(inner) else parenthesized(doc))
    args = [expression_doc(arg) for arg in node.args]
    return cat(FUNCTION_OF[node.function].word, bracketed("(", args, ")"), _default(node.default))


def _divide(node: nodes.Divide) -> Doc:
    below = _operand(node.right, _FACTOR)
    if node.default is not None and _takes_default(node.right):
        below = parenthesized(below)
    return cat(_operand(node.left, _MULTIPLYING), " / ", below, _default(node.default))


def _case(node: nodes.Case) -> Doc:
    whens = [
        anchored(when, "WHEN ", condition_doc(when.condition), " THEN ", expression_doc(when.value))
        for when in node.whens
    ]
    last = [] if node.otherwise is None else [cat("ELSE ", expression_doc(node.otherwise))]
    return group("CASE", nest(LINE, join([*whens, *last], LINE)), LINE, "END")


def _decay(node: nodes.Decay) -> Doc:
    parts = [expression_doc(node.x)]
    for word in ("target", "scale", "midpoint"):
        value = getattr(node, word)
        if value is not None:
            parts.append(cat(f"{word.upper()} = ", expression_doc(value)))
    return cat(f"{node.kind.upper()}_DECAY", bracketed("(", parts, ")"))


_PRINTERS: Mapping[type[nodes.Node], Callable[..., Doc]] = {
    nodes.Name: _variable,
    nodes.Scalar: value_doc,
    nodes.Call: _call,
    nodes.Divide: _divide,
    nodes.Case: _case,
    nodes.Truth: lambda one: group("CONDITION(", nest(SOFT, condition_doc(one.condition)), SOFT, ")"),
    nodes.GeoDistance: lambda one: cat("GEO_DISTANCE(", value_doc(one.origin), f", {name_text(one.name)})"),
    nodes.Datetime: lambda one: cat("DATETIME(", value_doc(one.value), ")"),
    nodes.DatetimeKey: lambda one: f"DATETIME_KEY({name_text(one.name)})",
    nodes.Decay: _decay,
}


def _negatable(node: Expression) -> bool:
    """Whether a minus can stand right before it; before a number or another minus, it reads otherwise."""
    signed = isinstance(node, Scalar) or (isinstance(node, nodes.Call) and node.function == "neg")
    return _binding(node) == _FACTOR and not signed


def _takes_default(node: Expression) -> bool:
    """Whether ``[DEFAULT = …]`` right behind the divisor would not be the division's."""
    match node:
        case nodes.Call(function="neg", args=(inner,), default=None) if _negatable(inner):
            return isinstance(inner, nodes.Call)
        case nodes.Call():
            guarded = FUNCTION_OF[node.function].guard is not None
            return _binding(node) == _FACTOR and (guarded or node.default is not None)
    return False


def _default(default: Scalar | None) -> Doc:
    return "" if default is None else cat(" [DEFAULT = ", value_doc(default), "]")
