"""Rules → nodes: what each rule of the grammar makes of its children."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from qql import nodes
from qql.errors import Diagnostic, QQLSyntaxError, Span
from qql.nodes import Node
from qql.syntax.build_queries import Queries, listed
from qql.syntax.build_statements import Statements
from qql.syntax.clauses import NOW, as_clause, span_now
from qql.syntax.lexer import SIGNS, Token, number_value, string_value, syntax_error

__all__ = ["NODE_RULES", "Builder"]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


NODE_RULES: dict[str, type[Node]] = {
    _snake(c.__name__): c for c in vars(nodes).values() if isinstance(c, type) and issubclass(c, Node)
}
"""Rule names that make the node of their name out of their children."""

_OPERATORS = {"<>": "!=", "≠": "!=", "≤": "<=", "≥": ">="}
_BOUNDS = {
    **dict.fromkeys(("=", "!=", "<>", "≠"), ("gte", "lte")),
    "<": ("lt",),
    "<=": ("lte",),
    "≤": ("lte",),
    ">": ("gt",),
    ">=": ("gte",),
    "≥": ("gte",),
}
_NO_NUMBERS = ("nan", "infinity", "inf")
_UNEQUAL = ("!=", "<>", "≠")
_WORDS_TO_TEXT = {
    "PHRASE": "phrase",
    "PREFIX": "prefix",
    "SUBSTRING": "substring",
    "TOKENS": "text_any",
    "ANY": "text_any",
}


def _optional_not(negated: Token | None, node: Any) -> Any:
    return nodes.Not(node, span=span_now()) if negated else node


class Builder(Queries, Statements):
    """What each rule makes of its children. Rules not written out here make the node of their name."""

    def __init__(self) -> None:
        for rule, make in NODE_RULES.items():
            if not hasattr(self, rule):
                setattr(self, rule, _generic(make))
        for name in ("and", "or", "not", "in"):  # words that Python keeps for itself
            setattr(self, name, getattr(self, f"{name}_"))
        for name in ("source", "where", "threshold", "lookup", "limit", "offset", "after", "wait"):
            if not hasattr(self, name):
                setattr(self, name, as_clause(name))

    # -- values

    def number(self, c: list[Any]) -> Any:
        return nodes.Scalar(number_value(c[0]), span=span_now())

    def string(self, c: list[Any]) -> Any:
        return nodes.Scalar(string_value(c[0]), span=span_now())

    def true(self, _: list[Any]) -> Any:
        return nodes.Scalar(True, span=span_now())

    def false(self, _: list[Any]) -> Any:
        return nodes.Scalar(False, span=span_now())

    def null(self, _: list[Any]) -> Any:
        return nodes.Scalar(None, span=span_now())

    def word(self, c: list[Any]) -> Any:
        return nodes.Scalar(c[0].text, span=span_now())

    def plain_word(self, c: list[Any]) -> Any:
        if c[0].text.lower().lstrip("-") in _NO_NUMBERS:
            syntax_error("number-out-of-range", f"`{c[0].text}` is no number", c[0].span)
        return nodes.Scalar(c[0].text, span=span_now())

    def bare_word(self, c: list[Any]) -> Any:
        text = c[0].text
        if text.startswith("$"):
            syntax_error("syntax", f"expected a value, found `{text}`", c[0].span, SIGNS["@"])
        hint = f"write '{text}'; a field is never compared with another"
        NOW.warn("bare-word", f"`{text}` is taken for the text '{text}'", c[0].span, hint)
        return self.plain_word(c)

    def uuid(self, c: list[Any]) -> Any:
        return nodes.Scalar(nodes.Uuid(c[0], span=span_now()), span=span_now())

    def param(self, c: list[Any]) -> Any:
        text = c[0].text
        parameters = NOW.parameters
        key = text[1:] if text != "?" else len(parameters)
        if parameters and isinstance(parameters[0].key, str) != isinstance(key, str):
            raise QQLSyntaxError(
                Diagnostic(
                    "mixed-parameters",
                    "one statement cannot have both `?` and `:name` parameters",
                    span_now(),
                    related=((parameters[0].span, "the other kind"),),
                )
            )
        param = nodes.Param(key, span=span_now())
        parameters.append(param)
        return nodes.Scalar(param, span=span_now())

    def value(self, c: list[Any]) -> Any:
        value = c[0]
        if isinstance(value, nodes.Scalar):
            return value.value
        return value

    def array(self, c: list[Any]) -> list[Any]:
        return c[0] or []

    def items(self, c: list[Any]) -> list[Any]:
        return c

    def pair(self, c: list[Any]) -> Any:
        key = string_value(c[0]) if c[0].type == "STRING" else c[0].text
        return key, c[1], c[0].span

    def object(self, c: list[Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        places: dict[str, Span] = {}
        for key, value, span in filter(None, c):
            if key in out:
                raise QQLSyntaxError(
                    Diagnostic(
                        "duplicate-key",
                        f"the key `{key}` stands twice in one object",
                        span,
                        related=((places[key], "given here first"),),
                    )
                )
            out[key], places[key] = value, span
        return out

    def scalars(self, c: list[Any]) -> tuple[nodes.Scalar, ...]:
        return tuple(item for item in c if item is not None)

    # -- names

    def name(self, c: list[Any]) -> Any:
        return nodes.Name(c[0].text, span=span_now())

    def quoted_name(self, c: list[Any]) -> Any:
        return nodes.Name(string_value(c[0]), span=span_now())

    def bound_name(self, c: list[Any]) -> Any:
        return nodes.Name(c[0].value, span=span_now())

    def names(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    # -- filters

    def and_(self, c: list[Any]) -> Any:
        return nodes.And(tuple(c), span=span_now())

    def or_(self, c: list[Any]) -> Any:
        return nodes.Or(tuple(c), span=span_now())

    def not_(self, c: list[Any]) -> Any:
        return nodes.Not(c[0], span=span_now())

    def compare(self, c: list[Any]) -> Any:
        name, op, value = c
        return nodes.Compare(name, _OPERATORS.get(op.text, op.text), value, span=span_now())

    def between(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.Between(c[0], c[2], c[3], span=span_now()))

    def in_(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.In(c[0], listed(c[2]), span=span_now()))

    def is_null(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.IsNull(c[0], span=span_now()))

    def is_empty(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.IsEmpty(c[0], span=span_now()))

    def match(self, c: list[Any]) -> Any:
        name, negated, kind, value = c
        many = kind is not None and kind.type in ("ANY", "EXCEPT")
        if many and isinstance(value, nodes.Scalar) and isinstance(value.value, nodes.Param):
            value = value.value  # the list comes later; for ANY it may turn out to be a text
        if isinstance(value, nodes.Scalar):
            word = _WORDS_TO_TEXT.get(kind.type, "text") if kind else "text"
        else:
            word, value = kind.type.lower(), listed(value)
        return _optional_not(negated, nodes.Match(name, cast(Any, word), value, span=span_now()))

    def range(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.Range(c[0], c[2], span=span_now()))

    def values_count(self, c: list[Any]) -> Any:
        name, *rest = c
        if isinstance(rest[0], tuple):
            return nodes.ValuesCount(name, rest[0], span=span_now())
        if isinstance(rest[0], nodes.Scalar):  # BETWEEN
            bounds = {"gte": rest[0], "lte": rest[1]}
        else:
            bounds = dict.fromkeys(_BOUNDS[rest[0].text], rest[1])
        options = tuple(nodes.Option(bound, end.value, span=end.span) for bound, end in bounds.items())
        negated = rest[0] if rest[0].__class__ is Token and rest[0].text in _UNEQUAL else None
        return _optional_not(negated, nodes.ValuesCount(name, options, span=span_now()))

    def geo(self, c: list[Any]) -> Any:
        name, negated, token, value = c
        given = value.value if isinstance(value, nodes.Scalar) else value
        shape = token.type.removeprefix("GEO_").lower()
        return _optional_not(negated, nodes.Geo(name, shape, given, span=span_now()))

    def min_should(self, c: list[Any]) -> Any:
        return nodes.MinShould(c[0], tuple(c[1:]), span=span_now())

    # -- the whole

    def start(self, c: list[Any]) -> Any:
        return c[0]


def _generic(make: type[Node]) -> Callable[[list[Any]], Any]:
    return lambda children: make(*children, span=span_now())
