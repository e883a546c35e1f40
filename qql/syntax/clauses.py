"""Clauses on their way into the fields of a statement's node: in any order, each at most once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from qql import nodes
from qql.errors import Diagnostic, QQLSyntaxError, Span
from qql.nodes import Node
from qql.syntax.lexer import MAX_NESTING, syntax_error

__all__ = ["NOW", "Clause", "as_clause", "check_depth", "clause_words", "span_now", "waited", "with_clauses"]


class _Now:
    """What parser and builder share: the span of the rule at hand, the statement's parameters, warnings."""

    span = Span(0, 0)
    parameters: list[nodes.Param]
    warnings: list[Diagnostic]

    def warn(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        """Say something of the text that stops nothing."""
        self.warnings.append(Diagnostic(code, message, span, hint, severity="warning"))


NOW = _Now()
"""One for all parsers, since the tables hold one builder; the parser lets only one run at a time."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause on its way into the field of a node that has its name."""

    name: str
    value: Any
    span: Span


_CLAUSE_WORDS = {
    "source": "FROM",
    "using": "USING",
    "key": "KEY",
    "where": "WHERE",
    "prefetch": "PREFETCH",
    "fusion": "FUSION",
    "formula": "FORMULA",
    "rerank": "RERANK",
    "threshold": "SCORE THRESHOLD",
    "params": "WITH (…)",
    "group": "GROUP BY",
    "group_lookup": "WITH LOOKUP",
    "payload": "WITH PAYLOAD",
    "vectors": "WITH VECTOR",
    "provenance": "WITH PROVENANCE",
    "lookup": "LOOKUP FROM",
    "embeds": "USING",
    "mode": "UPDATE MODE",
    "update_filter": "UPDATE FILTER",
    "overwrite": "OVERWRITE",
    "shard": "SHARD",
    "limit": "LIMIT",
    "offset": "OFFSET",
    "after": "AFTER",
    "order_by": "ORDER BY",
    "wait": "WAIT",
    "analyze": "ANALYZE",
    "runs": "RUNS",
    "ablate": "ABLATE",
    "format": "FORMAT",
    "map": "MAP",
    "batch": "BATCH",
    "on_error": "ON ERROR",
    "positive": "POSITIVE",
    "negative": "NEGATIVE",
    "strategy": "STRATEGY",
    "defaults": "DEFAULTS",
    "group_size": "GROUP_SIZE",
    "model": "WITH MODEL",
    "diversity": "DIVERSITY",
    "candidates": "CANDIDATES",
}


_NOT_A_CLAUSE = {
    ("order_by", nodes.Query): "hits come in the order of their scores; SCROLL … ORDER BY goes by a field",
    ("after", nodes.Query): "OFFSET skips hits; SCROLL … AFTER walks through a collection",
    ("offset", nodes.Scroll): "AFTER id goes on behind a point",
    ("group_lookup", nodes.Query): "WITH LOOKUP belongs to GROUP BY field",
    ("overwrite", nodes.Upsert): "UPSERT replaces a point as a whole in any case",
}


def clause_words(make: type[Node]) -> list[str]:
    """The clauses that a statement takes, as they are written."""
    allowed = {f.name for f in fields(make)}
    return [word for name, word in _CLAUSE_WORDS.items() if name in allowed]


def with_clauses(
    make: type[Any], statement: str, clauses: Iterable[Clause], fixed: dict[str, Any] | None = None
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
    return make(**values, span=span_now())


def span_now() -> Span:
    """Where the rule at hand stands in the text."""
    return NOW.span


def as_clause(name: str) -> Callable[[list[Any]], Any]:
    """What makes a clause of a rule that has one child."""
    return lambda children: Clause(name, children[0], span_now())


def waited(clause: Clause | None) -> Any:
    """The value of a WAIT that may be missing."""
    return clause.value if clause else None


_BELOW: dict[type[Node], tuple[str, ...]] = {
    nodes.And: ("children",),
    nodes.Or: ("children",),
    nodes.Not: ("child",),
    nodes.Nested: ("condition",),
    nodes.MinShould: ("conditions",),
    nodes.Call: ("args",),
    nodes.Divide: ("left", "right"),
    nodes.Case: (),
    nodes.When: ("condition", "value"),
    nodes.Truth: ("condition",),
    nodes.Decay: ("x", "target", "scale", "midpoint"),
}
"""The fields of conditions and expressions that hold further ones."""


def _first_and_rest(case: nodes.Case) -> list[nodes.When]:
    """What a CASE is emitted as: each WHEN lies inside the one before it, as its ELSE does."""
    first, *rest = case.whens
    other = nodes.Case(tuple(rest), case.otherwise, span=case.span) if rest else case.otherwise
    found = [first]
    if other is not None:
        found.append(nodes.When(first.condition, other, span=case.span))
    return found


def check_depth(node: Any, what: str, hint: str | None = None) -> None:
    """Raises `QQLSyntaxError` for a condition or an expression that nests too deep to be worked on."""
    level, todo = 0, [node]
    while todo:
        level += 1
        if level > MAX_NESTING:
            span = todo[0].span
            syntax_error("too-deep", f"{what} nest deeper than {MAX_NESTING} levels", span, hint)
        inside: list[Any] = []
        for item in todo:
            if isinstance(item, nodes.Case) and item.whens:
                inside += _first_and_rest(item)
                continue
            for name in _BELOW.get(type(item), ()):
                value = getattr(item, name)
                inside += value if isinstance(value, tuple) else [value]
        todo = [item for item in inside if type(item) in _BELOW]
