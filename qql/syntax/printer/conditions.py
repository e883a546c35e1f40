"""Filters as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.nodes import MATCH_OPERATORS, Condition, Option, Scalar
from qql.syntax.doc import LINE, SOFT, Anchor, Doc, Later, cat, group, join, nest
from qql.syntax.printer.values import (
    bracketed,
    list_doc,
    name_text,
    options_doc,
    parenthesized,
    prints,
    value_doc,
)

__all__ = ["condition_doc"]


@prints(*Condition.__args__)
def condition_doc(condition: Condition, negated: str = "") -> Doc:
    """``negated`` stands where NOT is read most easily: ``a NOT IN (…)``, ``a IS NOT NULL``."""
    return Later(_printed, condition, negated)


def _printed(condition: Condition, negated: str) -> Doc:
    return _PRINTERS[type(condition)](condition, negated)


def _compare(one: nodes.Compare, _: str) -> Doc:
    return cat(f"{name_text(one.name)} {one.op} ", value_doc(one.value))


def _between(one: nodes.Between, negated: str) -> Doc:
    ends = cat(value_doc(one.low), " AND ", value_doc(one.high))
    return cat(f"{name_text(one.name)} {negated}BETWEEN ", ends)


def _match(one: nodes.Match, negated: str) -> Doc:
    operator = MATCH_OPERATORS[one.kind]
    value = value_doc(one.value) if isinstance(one.value, Scalar) else list_doc(one.value)
    return cat(f"{name_text(one.name)} {negated}{operator.words} ", value)


def _geo(one: nodes.Geo, negated: str) -> Doc:
    return cat(f"{name_text(one.name)} {negated}GEO_{one.shape.upper()} ", value_doc(one.value))


def _nested(one: nodes.Nested, _: str) -> Doc:
    inside = cat(f"{name_text(one.name)},", LINE, condition_doc(one.condition))
    return group("NESTED(", nest(SOFT, inside), SOFT, ")")


def _min_should(one: nodes.MinShould, _: str) -> Doc:
    parts = [Anchor(part.span, condition_doc(part)) for part in one.conditions]
    return cat("MIN SHOULD ", value_doc(one.count), " ", bracketed("(", parts, ")"))


def _not(one: nodes.Not, _: str) -> Doc:
    child = one.child
    if isinstance(child, (nodes.And, nodes.Or)):
        return cat("NOT ", parenthesized(condition_doc(child)))
    if isinstance(child, _WITH_NOT_INSIDE):
        return condition_doc(child, "NOT ")
    return cat("NOT ", condition_doc(child))


_WITH_NOT_INSIDE = (
    *(nodes.In, nodes.Between, nodes.Match, nodes.Range, nodes.Geo),
    *(nodes.IsNull, nodes.IsEmpty),
)
"""Conditions with a place for NOT in them."""


def _chain(children: tuple[Condition, ...], word: str, kinds: tuple[type, ...]) -> Doc:
    docs: list[Doc] = []
    for child in children:
        doc = condition_doc(child)
        inside = isinstance(child, kinds)
        if inside:
            doc = parenthesized(doc)
        elif isinstance(child, nodes.And):
            doc = group(nest(doc))
        docs.append(Anchor(child.span, cat(word, doc) if docs else doc, bracketed=inside))
    return join(docs, LINE)


_COUNT_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def _count_bounds(bounds: tuple[Option, ...]) -> Doc:
    """The bounds of VALUES_COUNT: a comparison where one says it."""
    if any(isinstance(one.value, (list, dict, tuple, Condition)) or _optional(one.value) for one in bounds):
        return options_doc(bounds)
    match bounds:
        case (Option(name="gte", value=low), Option(name="lte", value=high)):
            # 1, 1.0 and true are equal, but not the same.
            return cat("= ", value_doc(low)) if repr(low) == repr(high) else options_doc(bounds)
        case (Option(name=name, value=value),) if name in _COUNT_SIGNS:
            return cat(f"{_COUNT_SIGNS[name]} ", value_doc(value))
    return options_doc(bounds)


def _optional(value: object) -> bool:
    return isinstance(value, nodes.Param) and value.optional


_PRINTERS: Mapping[type[nodes.Node], Callable[..., Doc]] = {
    nodes.Compare: _compare,
    nodes.Between: _between,
    nodes.In: lambda one, negated: cat(f"{name_text(one.name)} {negated}IN ", list_doc(one.values)),
    nodes.IsNull: lambda one, negated: f"{name_text(one.name)} IS {negated}NULL",
    nodes.IsEmpty: lambda one, negated: f"{name_text(one.name)} IS {negated}EMPTY",
    nodes.Match: _match,
    nodes.Range: lambda one, negated: cat(f"{name_text(one.name)} {negated}RANGE ", options_doc(one.bounds)),
    nodes.ValuesCount: lambda one, _: cat(f"{name_text(one.name)} VALUES_COUNT ", _count_bounds(one.bounds)),
    nodes.Geo: _geo,
    nodes.Nested: _nested,
    nodes.MinShould: _min_should,
    nodes.Slice: lambda one, _: cat("SLICE(", value_doc(one.total), ", ", value_doc(one.index), ")"),
    nodes.HasVector: lambda one, _: f"HAS_VECTOR {name_text(one.name)}",
    nodes.Optional: lambda one, _: cat("OPTIONAL ", parenthesized(condition_doc(one.condition))),
    nodes.BoundCondition: lambda one, _: value_doc(one.value),
    nodes.And: lambda one, _: _chain(one.children, "AND ", (nodes.And, nodes.Or)),
    nodes.Or: lambda one, _: _chain(one.children, "OR ", (nodes.Or,)),
    nodes.Not: _not,
}
