"""Rules → nodes: what each rule of the grammar makes of its children."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, cast

from qql import nodes
from qql.errors import Diagnostic, QQLSyntaxError, Span, did_you_mean
from qql.nodes import Node
from qql.terminals import MAX_NESTING, Token, number_value, string_value, syntax_error

__all__ = ["NODE_RULES", "NOW", "Builder", "clause_words"]


class _Now:
    """What the parser tells the builder: the span of the rule at hand, and the statement's parameters."""

    span = Span(0, 0)
    parameters: list[nodes.Param]


NOW = _Now()
"""One for all parsers, since the tables hold one builder; the parser lets only one run at a time."""


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause on its way into the field of a node that has its name."""

    name: str
    value: Any
    span: Span


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


NODE_RULES: dict[str, type[Node]] = {
    _snake(c.__name__): c for c in vars(nodes).values() if isinstance(c, type) and issubclass(c, Node)
}
"""Rule names that make the node of their name out of their children."""

_OPERATORS = {"<>": "!=", "≠": "!=", "≤": "<=", "≥": ">="}
_WORDS_TO_TEXT = {"PHRASE": "phrase", "PREFIX": "prefix", "TOKENS": "text_any", "ANY": "text_any"}


def _span() -> Span:
    return NOW.span


def _optional_not(negated: Token | None, node: Any) -> Any:
    return nodes.Not(node, span=_span()) if negated else node


_CLAUSE_WORDS = {
    "source": "FROM",
    "using": "USING",
    "where": "WHERE",
    "prefetch": "PREFETCH",
    "fusion": "FUSION",
    "threshold": "SCORE THRESHOLD",
    "params": "WITH (…)",
    "payload": "WITH PAYLOAD",
    "vectors": "WITH VECTOR",
    "lookup": "LOOKUP FROM",
    "limit": "LIMIT",
    "offset": "OFFSET",
    "after": "AFTER",
    "order_by": "ORDER BY",
    "wait": "WAIT",
}


_NOT_A_CLAUSE = {
    ("order_by", nodes.Query): "hits come in the order of their scores; SCROLL … ORDER BY goes by a field",
    ("after", nodes.Query): "OFFSET skips hits; SCROLL … AFTER walks through a collection",
    ("offset", nodes.Scroll): "AFTER id goes on behind a point",
}


def clause_words(make: type[Node]) -> list[str]:
    """The clauses that a statement takes, as they are written."""
    allowed = {f.name for f in fields(make)}
    return [word for name, word in _CLAUSE_WORDS.items() if name in allowed]


def _with_clauses(
    make: type[Any], statement: str, clauses: Iterable[_Clause], fixed: dict[str, Any] | None = None
) -> Any:
    """A node whose fields are filled by clauses in any order; each at most once, options merged."""
    values: dict[str, Any] = dict(fixed or {})
    places: dict[str, Span] = {name: value.span for name, value in values.items() if isinstance(value, Node)}
    allowed = {f.name for f in fields(make)}
    for clause in clauses:
        word = _CLAUSE_WORDS[clause.name]
        if clause.name not in allowed:
            what = f"a {statement}" if statement.islower() else statement
            hint = (
                _NOT_A_CLAUSE.get((clause.name, make)) or f"its clauses are {', '.join(clause_words(make))}"
            )
            syntax_error("misplaced-clause", f"{what} takes no {word} clause", clause.span, hint)
        if clause.name == "params":
            values["params"] = values.get("params", ()) + clause.value
        elif clause.name in places:
            raise QQLSyntaxError(
                Diagnostic(
                    "duplicate-clause",
                    f"{word} stands twice in one {statement}",
                    clause.span,
                    f"{word} was already given; one of the two has to go",
                    ((places[clause.name], "given here first"),),
                )
            )
        else:
            values[clause.name] = clause.value
            places[clause.name] = clause.span
    return make(**values, span=_span())


class Builder:
    """What each rule makes of its children. Rules not written out here make the node of their name."""

    def __init__(self) -> None:
        for rule, make in NODE_RULES.items():
            if not hasattr(self, rule):
                setattr(self, rule, _generic(make))
        for name in ("and", "or", "not", "in"):  # words that Python keeps for itself
            setattr(self, name, getattr(self, f"{name}_"))
        for name in ("source", "where", "threshold", "lookup", "limit", "offset", "after", "wait"):
            if not hasattr(self, name):
                setattr(self, name, _clause(name))

    # -- values

    def number(self, c: list[Any]) -> Any:
        return nodes.Scalar(number_value(c[0]), span=_span())

    def string(self, c: list[Any]) -> Any:
        return nodes.Scalar(string_value(c[0]), span=_span())

    def true(self, _: list[Any]) -> Any:
        return nodes.Scalar(True, span=_span())

    def false(self, _: list[Any]) -> Any:
        return nodes.Scalar(False, span=_span())

    def null(self, _: list[Any]) -> Any:
        return nodes.Scalar(None, span=_span())

    def word(self, c: list[Any]) -> Any:
        return nodes.Scalar(c[0].text, span=_span())

    def uuid(self, c: list[Any]) -> Any:
        return nodes.Scalar(nodes.Uuid(c[0], span=_span()), span=_span())

    def param(self, c: list[Any]) -> Any:
        text = c[0].text
        parameters = NOW.parameters
        key = text[1:] if text != "?" else len(parameters)
        if parameters and isinstance(parameters[0].key, str) != isinstance(key, str):
            raise QQLSyntaxError(
                Diagnostic(
                    "mixed-parameters",
                    "one statement cannot have both `?` and `:name` parameters",
                    _span(),
                    related=((parameters[0].span, "the other kind"),),
                )
            )
        param = nodes.Param(key, span=_span())
        parameters.append(param)
        return nodes.Scalar(param, span=_span())

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
        return nodes.Name(c[0].text, span=_span())

    def quoted_name(self, c: list[Any]) -> Any:
        return nodes.Name(string_value(c[0]), span=_span())

    def bound_name(self, c: list[Any]) -> Any:
        return nodes.Name(c[0].value, span=_span())

    def names(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    # -- targets

    def bare_text(self, c: list[Any]) -> Any:
        token, model = c
        text = nodes.Scalar(string_value(token), span=token.span)
        if model is None and nodes.is_uuid(cast(str, text.value)):
            return nodes.Point(text, span=_span())
        return nodes.Text(text, model, span=_span())

    def vector(self, c: list[Any]) -> Any:
        value = c[-1]
        if isinstance(value, nodes.Scalar):
            value = value.value
        elif isinstance(value, dict) and set(value) != {"indices", "values"}:
            syntax_error(
                "malformed-vector",
                "a sparse vector is written {indices: […], values: […]}",
                _span(),
            )
        return nodes.Vector(value, span=_span())

    def bare_point(self, c: list[Any]) -> Any:
        return nodes.Point(nodes.Scalar(number_value(c[0]), span=_span()), span=_span())

    def points(self, c: list[Any]) -> Any:
        return nodes.Points(tuple(c), span=_span())

    def bound_points(self, c: list[Any]) -> Any:
        return nodes.Points(c[0].value, span=_span())

    def any_input(self, c: list[Any]) -> Any:
        return nodes.AnyInput(c[0].value, span=_span())

    def target(self, c: list[Any]) -> Any:
        return c[-1]

    # -- clauses

    def clause(self, c: list[Any]) -> Any:
        return c[0]

    modifier = clause

    def using(self, c: list[Any]) -> Any:
        name, kind = c
        word = kind and kind.type.lower().replace("multivector", "multi")
        return _Clause("using", nodes.Using(name, word, span=_span()), _span())

    def where(self, c: list[Any]) -> Any:
        _check_depth(c[0])
        return _Clause("where", c[0], _span())

    def prefetch(self, c: list[Any]) -> Any:
        return _Clause("prefetch", tuple(c), _span())

    def fusion(self, c: list[Any]) -> Any:
        token = c[0]
        method = (string_value(token) if token.type == "STRING" else token.type).lower()
        if method not in ("rrf", "dbsf"):
            hint = did_you_mean(method, ("rrf", "dbsf"))
            hint = hint or "the methods are RRF and DBSF"
            syntax_error("unknown-fusion", f"there is no fusion `{method}`", token.span, hint)
        return _Clause("fusion", nodes.Fusion(method, span=_span()), _span())

    def params(self, c: list[Any]) -> Any:
        return _Clause("params", c[0], _span())

    def exact(self, _: list[Any]) -> Any:
        return _Clause("params", (nodes.Option("exact", True, span=_span()),), _span())

    def payload(self, c: list[Any]) -> Any:
        return _Clause("payload", c[0] or nodes.Selection("all", span=_span()), _span())

    def vectors(self, c: list[Any]) -> Any:
        return _Clause("vectors", c[0] or nodes.Selection("all", span=_span()), _span())

    def lookup(self, c: list[Any]) -> Any:
        return _Clause("lookup", nodes.Lookup(c[0], c[1], span=_span()), _span())

    def order_by(self, c: list[Any]) -> Any:
        direction = c[1] and c[1].type.lower()
        return _Clause("order_by", nodes.OrderBy(c[0], direction, c[2], span=_span()), _span())

    def select_all(self, _: list[Any]) -> Any:
        return nodes.Selection("all", span=_span())

    def select_none(self, _: list[Any]) -> Any:
        return nodes.Selection("none", span=_span())

    def select_include(self, c: list[Any]) -> Any:
        return nodes.Selection("include", c[0], span=_span())

    def select_exclude(self, c: list[Any]) -> Any:
        return nodes.Selection("exclude", c[0], span=_span())

    def select_options(self, c: list[Any]) -> Any:
        (option,) = c[0][:1]
        texts = option.value if option.name in ("include", "exclude") else None
        if len(c[0]) > 1 or not _are_texts(texts):
            syntax_error(
                "malformed-selection",
                "a selection is written (a, b), INCLUDE (a, b), EXCLUDE (a) or (include = ['a', 'b'])",
                _span(),
            )
        names = tuple(nodes.Name(text, span=option.span) for text in cast(list[str], texts))
        return nodes.Selection(option.name, names, span=_span())

    def options(self, c: list[Any]) -> tuple[nodes.Option, ...]:
        return tuple(option for option in c if option is not None)

    settings = entries = options

    def entry(self, c: list[Any]) -> Any:
        value = c[1].value if isinstance(c[1], nodes.Scalar) else c[1]
        return nodes.Option(c[0].value, value, span=_span())

    def option(self, c: list[Any]) -> Any:
        entry = self.entry(c)
        return nodes.Option(entry.name.lower(), entry.value, span=_span())

    # -- queries

    def cte(self, c: list[Any]) -> Any:
        return nodes.Cte(c[0], c[1], span=_span())

    def ctes(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def query(self, c: list[Any]) -> Any:
        return _query(c[1:], {"ctes": c[0]} if c[0] else {})

    def stage(self, c: list[Any]) -> Any:
        return _query(c, {})

    def named_ref(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Ref, "reference", c[1:], {"stage": c[0]})

    inline_ref = named_ref

    # -- filters

    def and_(self, c: list[Any]) -> Any:
        return nodes.And(tuple(c), span=_span())

    def or_(self, c: list[Any]) -> Any:
        return nodes.Or(tuple(c), span=_span())

    def not_(self, c: list[Any]) -> Any:
        return nodes.Not(c[0], span=_span())

    def compare(self, c: list[Any]) -> Any:
        name, op, value = c
        return nodes.Compare(name, _OPERATORS.get(op.text, op.text), value, span=_span())

    def between(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.Between(c[0], c[2], c[3], span=_span()))

    def in_(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.In(c[0], _listed(c[2]), span=_span()))

    def is_null(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.IsNull(c[0], span=_span()))

    def is_empty(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.IsEmpty(c[0], span=_span()))

    def match(self, c: list[Any]) -> Any:
        name, negated, kind, value = c
        listed = kind is not None and kind.type in ("ANY", "EXCEPT")
        if listed and isinstance(value, nodes.Scalar) and isinstance(value.value, nodes.Param):
            value = value.value  # the list comes later; for ANY it may turn out to be a text
        if isinstance(value, nodes.Scalar):
            word = _WORDS_TO_TEXT.get(kind.type, "text") if kind else "text"
        else:
            word, value = kind.type.lower(), _listed(value)
        return _optional_not(negated, nodes.Match(name, cast(Any, word), value, span=_span()))

    # -- statements

    def count(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Count, "COUNT", c)

    def scroll(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Scroll, "SCROLL", c)

    def delete(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Delete, "DELETE", c)

    def upsert(self, c: list[Any]) -> Any:
        return nodes.Upsert(c[0], c[1], _waited(c[2]), span=_span())

    def rows(self, c: list[Any]) -> Any:
        if isinstance(c[0], nodes.Scalar):
            return c[0].value
        return tuple(c[0]) if isinstance(c[0], list) else tuple(c)

    def copy(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Copy, "COPY", c[2:], {"collection": c[0], "path": c[1]})

    def copy_format(self, c: list[Any]) -> Any:
        return _Clause("format", c[0], _span())

    def copy_map(self, c: list[Any]) -> Any:
        return _Clause("map", c[0], _span())

    def copy_batch(self, c: list[Any]) -> Any:
        return _Clause("batch", c[0], _span())

    def copy_on_error(self, c: list[Any]) -> Any:
        return _Clause("on_error", c[0].type.lower(), _span())

    def map(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def uuid_mapping(self, c: list[Any]) -> Any:
        return nodes.Mapping(c[0], c[1], True, span=_span())

    def list_mapping(self, c: list[Any]) -> Any:
        return nodes.Mapping(c[0], c[1], span=_span())

    def create_collection(self, c: list[Any]) -> Any:
        return nodes.CreateCollection(c[1], c[0] is not None, c[2] or (), tuple(c[3:]), span=_span())

    def drop_collection(self, c: list[Any]) -> Any:
        return nodes.DropCollection(c[1], c[0] is not None, span=_span())

    def if_exists(self, _: list[Any]) -> bool:
        return True

    if_not_exists = if_exists

    def vector_defs(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(definition for definition in c if definition is not None)

    def vector_def(self, c: list[Any]) -> Any:
        size, distance = c[1] or (None, None)
        return nodes.VectorDef(c[0], "dense", size, distance, c[2], tuple(c[3:]), span=_span())

    def sparse_def(self, c: list[Any]) -> Any:
        return nodes.VectorDef(c[0], "sparse", None, None, c[1], tuple(c[2:]), span=_span())

    def shape(self, c: list[Any]) -> Any:
        return c[0], c[1]

    def distance_only(self, c: list[Any]) -> Any:
        return None, c[0]

    def distance(self, c: list[Any]) -> str:
        return str(c[0].type.capitalize())

    def block(self, c: list[Any]) -> Any:
        kind = c[0].type.lower()
        return nodes.Block("vector" if kind == "vectors" else kind, c[1], span=_span())

    def create_index(self, c: list[Any]) -> Any:
        return nodes.CreateIndex(c[0], c[1], c[2], c[3] or (), _waited(c[4]), span=_span())

    def drop_index(self, c: list[Any]) -> Any:
        return nodes.DropIndex(c[0], c[1], _waited(c[2]), span=_span())

    def start(self, c: list[Any]) -> Any:
        return c[0]


_CLAUSE_WORDS |= {"format": "FORMAT", "map": "MAP", "batch": "BATCH", "on_error": "ON ERROR"}


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _generic(make: type[Node]) -> Callable[[list[Any]], Any]:
    return lambda children: make(*children, span=_span())


def _clause(name: str) -> Callable[[list[Any]], Any]:
    return lambda children: _Clause(name, children[0], _span())


def _waited(clause: _Clause | None) -> Any:
    return clause.value if clause else None


def _listed(value: Any) -> Any:
    """The list of IN: parenthesised scalars as they are, an array's items as scalars, or a parameter."""
    if isinstance(value, list):
        return tuple(nodes.Scalar(item, span=_span()) for item in value)
    return value.value if isinstance(value, nodes.Scalar) else value


def _query(children: list[Any], fixed: dict[str, Any]) -> Any:
    head, *clauses = children
    if isinstance(head, _Clause):  # QUERY FUSION …, FUSION …
        clauses.insert(0, head)
    else:
        fixed["target"] = head
    return _with_clauses(nodes.Query, "query", clauses, fixed)


def _check_depth(condition: Any) -> None:
    level, todo = 0, [condition]
    while todo:
        level += 1
        if level > MAX_NESTING + 1:
            span = todo[0].span
            syntax_error("too-deep", f"filters nest deeper than {MAX_NESTING} levels", span)
        inside: list[Any] = []
        for item in todo:
            if isinstance(item, (nodes.And, nodes.Or)):
                inside += item.children
            elif isinstance(item, nodes.Not):
                inside.append(item.child)
        todo = inside
