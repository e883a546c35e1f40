"""Rules → nodes: what each rule of the grammar makes of its children.

A rule that has no method here or in the classes that `Builder` inherits makes the node of its name: a target
and a statement out of what they declare, any other node out of its children in their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qql import nodes
from qql.errors import QQLSyntaxError, Span, fail
from qql.late import cast
from qql.nodes import Condition, Name, Node, Param, Scalar
from qql.nodes.declare import StatementInfo, TargetInfo
from qql.nodes.holes import Hole
from qql.nodes.roles import PAIRS, SCORED
from qql.syntax.build_clauses import Clauses
from qql.syntax.build_formulas import Formulas
from qql.syntax.build_statements import Statements
from qql.syntax.build_targets import Targets
from qql.syntax.clauses import (
    CLAUSE_WORDS,
    NOW,
    Clause,
    as_clause,
    check_depth,
    hole_at,
    same,
    span_now,
    value_list,
    with_clauses,
)
from qql.syntax.lexer import SIGNS, Token, number_of, number_value, string_at, string_value, syntax_error
from qql.syntax.tables import Maker

__all__ = ["NODE_RULES", "Builder"]

Given = object
"""A value of any kind; `Builder` has a method called object."""


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


NODE_RULES: dict[str, type[Node]] = {
    _snake(c.__name__): c
    for c in vars(nodes).values()
    if isinstance(c, type) and issubclass(c, Node) and c is not Node
}
"""Rule names that make the node of their name."""

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


class Builder(Targets, Formulas, Clauses, Statements, Maker):
    """What each rule makes of its children, which come as arguments; None is an optional part that is
    missing.
    """

    leaves: frozenset[str] = frozenset(
        {"bare_word", "name", "number", "param", "plain_word", "quoted_name", "string", "word"},
    )

    def __init__(self) -> None:
        for name in CLAUSE_WORDS:
            if not hasattr(self, name):
                setattr(self, name, as_clause(name))
        for rule, kind in NODE_RULES.items():
            if not hasattr(self, rule):
                setattr(self, rule, _maker(kind))
        for name in ("and", "or", "not", "in"):  # words that Python keeps for itself
            setattr(self, name, getattr(self, f"{name}_"))

    # -- values

    def number(self, text: str, start: int, end: int) -> Scalar:
        holes = NOW.reading.holes
        value: int | float | Hole | None = None if holes is None else holes.at(start, end)
        if value is None:
            value = number_of(text)
        if value is None:
            value = number_value(Token("NUMBER", text, start, end))
        return Scalar.at(start, end, value)

    def string(self, text: str, start: int, end: int) -> Scalar:
        hole = hole_at(start, end)
        return Scalar.at(start, end, string_at(text, start) if hole is None else hole)

    def true(self, *_: Token) -> Scalar:
        return Scalar.make(True, span=span_now())

    def false(self, *_: Token) -> Scalar:
        return Scalar.make(False, span=span_now())

    def null(self) -> Scalar:
        return Scalar.make(None, span=span_now())

    def word(self, text: str, start: int, end: int) -> Scalar:
        return Scalar.at(start, end, text)

    def plain_word(self, text: str, start: int, end: int) -> Scalar:
        span = Span(start, end)
        if text.lower().lstrip("-") in _NO_NUMBERS:
            syntax_error("number-out-of-range", f"`{text}` is no number", span)
        return Scalar(text, span=span)

    def bare_word(self, text: str, start: int, end: int) -> Scalar:
        span = Span(start, end)
        if text.startswith("$"):
            syntax_error("syntax", f"expected a value, found `{text}`", span, SIGNS["@"])
        hint = f"write '{text}'; a field is never compared with another"
        NOW.warn("bare-word", f"`{text}` is taken for the text '{text}'", span, hint)
        return self.plain_word(text, start, end)

    def uuid(self, text: Scalar) -> Scalar:
        return Scalar(nodes.Uuid(text, span=span_now()), span=span_now())

    def param(self, text: str, start: int, end: int) -> Scalar:
        span = Span(start, end)
        parameters = NOW.parameters
        key = text[1:] if text != "?" else len(parameters)
        if parameters and isinstance(parameters[0].key, str) != isinstance(key, str):
            message = "one statement cannot have both `?` and `:name` parameters"
            related = ((parameters[0].span, "the other kind"),)
            fail("mixed-parameters", message, span, None, related, error=QQLSyntaxError)
        param = Param(key, span=span)
        parameters.append(param)
        return Scalar(param, span=span)

    def or_default(self, scalar: Scalar) -> Scalar:
        param = Param(cast(Param, scalar.value).key, optional=True, span=scalar.span)
        return Scalar(param, span=scalar.span)

    def value(self, value: Given) -> Given:
        return value.value if isinstance(value, Scalar) else value

    def array(self, items: list[Given] | None) -> list[Given]:
        return items or []

    def items(self, *items: Given) -> list[Given]:
        return list(items)

    def pair(self, key: Token, value: Given) -> tuple[str, Given, Span]:
        return string_value(key) if key.type == "STRING" else key.text, value, key.span

    def object(self, *pairs: tuple[str, Given, Span] | None) -> dict[str, Given]:
        out: dict[str, Given] = {}
        places: dict[str, Span] = {}
        for key, value, span in filter(None, pairs):
            if key in out:
                related = ((places[key], "given here first"),)
                message = f"the key `{key}` stands twice in one object"
                fail("duplicate-key", message, span, None, related, error=QQLSyntaxError)
            out[key], places[key] = value, span
        return out

    def scalars(self, *scalars: Scalar | None) -> tuple[Scalar, ...]:
        return tuple([scalar for scalar in scalars if scalar is not None])

    # -- names

    def name(self, text: str, start: int, end: int) -> Name:
        return Name.at(start, end, text)

    def quoted_name(self, text: str, start: int, end: int) -> Name:
        return Name(string_at(text, start), span=Span(start, end))

    def bound_name(self, param: Scalar) -> Name:
        return Name(cast(Param, param.value), span=span_now())

    def names(self, *names: Name) -> tuple[Name, ...]:
        return names

    # -- filters

    def and_(self, *children: Condition) -> nodes.And:
        return nodes.And.make(children, span=span_now())

    def or_(self, *children: Condition) -> nodes.Or:
        return nodes.Or.make(children, span=span_now())

    def not_(self, child: Condition) -> nodes.Not:
        return nodes.Not.make(child, span=span_now())

    def compare(self, name: Name, op: Token, value: Scalar) -> nodes.Compare:
        return nodes.Compare.make(name, _OPERATORS.get(op.text, op.text), value, span=span_now())

    def between(self, name: Name, negated: Token | None, low: Scalar, high: Scalar) -> Condition:
        return _optional_not(negated, nodes.Between.make(name, low, high, span=span_now()))

    def in_(self, name: Name, negated: Token | None, values: Given) -> Condition:
        return _optional_not(negated, nodes.In.make(name, value_list(values), span=span_now()))

    def is_null(self, name: Name, negated: Token | None) -> Condition:
        return _optional_not(negated, nodes.IsNull.make(name, span=span_now()))

    def is_empty(self, name: Name, negated: Token | None) -> Condition:
        return _optional_not(negated, nodes.IsEmpty.make(name, span=span_now()))

    def match(self, name: Name, negated: Token | None, word: Token | None, given: Given) -> Condition:
        keyword = word.type if word else ""
        value: Scalar | tuple[Scalar, ...] | Param
        if isinstance(given, Scalar) and not (
            isinstance(given.value, Param) and keyword in ("ANY", "EXCEPT")
        ):
            kind, value = nodes.MATCH_WORDS[keyword], given
        else:  # a list; of a parameter behind ANY, binding says whether it is one
            kind, value = keyword.lower(), value_list(given)
        return _optional_not(negated, nodes.Match.make(name, kind, value, span=span_now()))

    def range(self, name: Name, negated: Token | None, bounds: tuple[nodes.Option, ...]) -> Condition:
        return _optional_not(negated, nodes.Range.make(name, bounds, span=span_now()))

    def values_count(self, name: Name, *given: Token | Scalar | tuple[nodes.Option, ...]) -> Condition:
        negated = None
        match given:
            case (tuple() as options,):
                return nodes.ValuesCount.make(name, options, span=span_now())
            case (Token() as sign, Scalar() as end):
                bounds = dict.fromkeys(_BOUNDS[sign.text], end)
                negated = sign if sign.text in _UNEQUAL else None
            case (Scalar() as low, Scalar() as high):  # BETWEEN
                bounds = {"gte": low, "lte": high}
            case _:
                raise AssertionError(f"no bounds: {given!r}")
        options = tuple(nodes.Option(bound, end.value, span=end.span) for bound, end in bounds.items())
        return _optional_not(negated, nodes.ValuesCount.make(name, options, span=span_now()))

    def geo(self, name: Name, negated: Token | None, word: Token, given: Given) -> Condition:
        value = given.value if isinstance(given, Scalar) else given
        shape = word.type.removeprefix("GEO_").lower()
        return _optional_not(negated, nodes.Geo.make(name, shape, value, span=span_now()))

    def optional(self, condition: Condition) -> nodes.Optional:
        if not any(isinstance(one, Param) for one in nodes.walk(condition)):
            message = "OPTIONAL falls away where its parameters are null, and it has none"
            syntax_error("idle-optional", message, span_now(), "leave OPTIONAL out")
        return nodes.Optional(condition, span=span_now())

    def bound_condition(self, param: Scalar) -> nodes.BoundCondition:
        return nodes.BoundCondition(cast(Param, param.value), span=span_now())

    def lone_condition(self, condition: Condition) -> Condition:
        check_depth(condition, "filters")
        return condition

    def min_should(self, count: Scalar, *conditions: Condition) -> nodes.MinShould:
        return nodes.MinShould.make(count, conditions, span=span_now())

    # -- the whole

    start = same


def _optional_not(negated: Token | None, condition: Condition) -> Condition:
    return nodes.Not.make(condition, span=span_now()) if negated else condition


# ------------------------------------------------------------------------------------ nodes by declaration


def _maker(kind: type[Node]) -> Callable[..., Node]:
    """What makes a node of its rule's children."""
    if kind in nodes.STATEMENTS:
        return _statement_maker(kind, nodes.STATEMENTS[kind])
    if kind in nodes.TARGETS and nodes.TARGETS[kind].parts:
        return _target_maker(kind, nodes.TARGETS[kind])
    return lambda *children: kind.make(*children, span=span_now())


def _statement_maker(kind: type[Node], info: StatementInfo) -> Callable[..., Node]:
    """The children are the fields of the statement's text in their order; then its options and clauses."""
    written, words = info.fields, info.words

    def make(*children: object) -> Node:
        fixed: dict[str, object] = {}
        for name, child in zip(written, children, strict=False):
            if child is not None:  # a keyword that is there sets a flag
                fixed[name] = True if isinstance(child, Token) else child
        clauses = []
        for child in children[len(written) :]:
            if isinstance(child, tuple):
                fixed["options"] = child
            elif child is not None:
                clauses.append(cast(Clause, child))
        return with_clauses(kind, words, clauses, fixed)

    return make


def _target_maker(kind: type[Node], info: TargetInfo) -> Callable[..., Node]:
    """Clauses fill the parts of their names; the other children are the required parts in their order."""
    required = [one for one in info.parts if one.required]
    gathers = bool(required) and required[-1].role in (PAIRS, SCORED)

    def make(*children: object) -> Node:
        given = [child for child in children if child is not None]
        clauses = [child for child in given if isinstance(child, Clause)]
        values: list[Given] = [child for child in given if not isinstance(child, Clause)]
        if gathers:
            values[len(required) - 1 :] = [tuple(values[len(required) - 1 :])]
        fixed = {one.field: value for one, value in zip(required, values, strict=True)}
        return with_clauses(kind, info.words, clauses, fixed)

    return make
