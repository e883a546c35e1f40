"""Clauses on their way into the fields of a statement's node: in any order, each at most once."""

from __future__ import annotations

from _thread import _local as local  # that of `threading`, whose import takes long
from collections.abc import Callable, Mapping, Sequence

from qql import nodes
from qql.errors import Diagnostic, OpenSpan, QQLSyntaxError, Span, fail
from qql.late import cast
from qql.nodes import Node, Scalar
from qql.nodes.holes import Hole, Slot, never
from qql.records import dataclass
from qql.syntax.lexer import MAX_NESTING, Token, syntax_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeVar

    _Node = TypeVar("_Node", bound=Node)

__all__ = [
    "CLAUSE_WORDS",
    "HEADS",
    "NOW",
    "Clause",
    "LiteralHoles",
    "Reading",
    "as_clause",
    "check_depth",
    "clause_of",
    "clause_words",
    "hole_at",
    "literal",
    "same",
    "span_now",
    "stands_twice",
    "value_list",
    "with_clauses",
]


class LiteralHoles:
    """The literals of a text in whose places its tree gets holes, by where they begin.

    ``ends`` gives of each its number and where it ends. ``taken`` are those that stand in the tree: the
    others were no literals, or were read for something else.
    """

    def __init__(self, ends: Mapping[int, tuple[int, int]]) -> None:
        self.ends = ends
        self.taken: set[int] = set()

    def at(self, start: int, end: int) -> Hole | None:
        number, until = self.ends.get(start, (0, -1))
        if until != end:
            return None
        self.taken.add(number)
        return Hole(number)

    def list_at(self, value: object, start: int, end: int) -> object:
        """A list that was read as JSON, or what stands in its place."""
        hole = self.at(start, end)
        return value if hole is None else Slot(hole, never, list)


class Reading:
    """What parser and builder share of a statement that is being read: where the rule at hand begins and
    ends, the parameters and the warnings so far, and which literals are holes.
    """

    __slots__ = ("end", "holes", "parameters", "start", "warnings")

    def __init__(self, start: int, holes: LiteralHoles | None = None) -> None:
        self.start: int = start
        self.end: int = start
        self.holes: LiteralHoles | None = holes
        self.parameters: list[nodes.Param] = []
        self.warnings: list[Diagnostic] = []


class _Now(local):
    """The statement that this thread reads. (All parsers share one builder: the tables hold its methods.)"""

    reading: Reading

    @property
    def parameters(self) -> list[nodes.Param]:
        return self.reading.parameters

    def warn(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        """Say something of the text that stops nothing."""
        self.reading.warnings.append(Diagnostic(code, message, span, hint, severity="warning"))


NOW = _Now()


def hole_at(start: int, end: int) -> Hole | None:
    """The hole in the place of a literal, where it gets one."""
    holes = NOW.reading.holes
    return None if holes is None else holes.at(start, end)


def literal(token: Token, read: Callable[[Token], str | int | float]) -> str | int | float | Hole:
    """The value of a literal, or the hole that stands in its place."""
    hole = hole_at(token.start, token.end)
    return read(token) if hole is None else hole


@dataclass(slots=True)
class Clause:
    """A clause on its way into the field of a node that has its name."""

    name: str
    value: Any
    span: Span


HEADS: dict[str, type[Node]] = {
    "QUERY": nodes.Query,
    "FUSION": nodes.Query,
    "COUNT": nodes.Count,
    "SCROLL": nodes.Scroll,
    "MATRIX": nodes.Matrix,
    "DELETE": nodes.Delete,
}
"""Keywords behind which the clauses of a statement are known, for messages."""
CLAUSE_WORDS = {
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
    "ignore_missing": "IGNORE MISSING",
    "analyze": "ANALYZE",
    "runs": "RUNS",
    "ablate": "ABLATE",
    "format": "FORMAT",
    "columns": "COLUMNS",
    "delimiter": "DELIMITER",
    "header": "HEADER",
    "map": "MAP",
    "batch": "BATCH",
    "on_error": "ON ERROR",
    "strategy": "STRATEGY",
    "defaults": "DEFAULTS",
    "group_size": "GROUP_SIZE",
    "model": "WITH MODEL",
    "hits": "HITS",
    "score": "BEST SCORE",
}
"""How a clause is written, by the field that it fills; the parts of targets that may be missing are clauses
too.
"""

for _info in nodes.TARGETS.values():
    for _part in _info.parts:
        if not _part.required and CLAUSE_WORDS.setdefault(_part.field, _part.word) != _part.word:
            raise TypeError(f"`{_part.field}` is {CLAUSE_WORDS[_part.field]} elsewhere, not {_part.word}")


_NOT_A_CLAUSE = {
    ("order_by", nodes.Query): "hits come in the order of their scores; SCROLL … ORDER BY goes by a field",
    ("after", nodes.Query): "OFFSET skips hits; SCROLL … AFTER walks through a collection",
    ("offset", nodes.Scroll): "AFTER id goes on behind a point",
    ("group_lookup", nodes.Query): "WITH LOOKUP belongs to GROUP BY field",
    ("overwrite", nodes.Upsert): "UPSERT replaces a point as a whole in any case",
}


def clause_words(make: type[Node]) -> list[str]:
    """The clauses that a statement takes, as they are written."""
    return [word for name, word in CLAUSE_WORDS.items() if name in make.__match_args__]


_FIELDS: dict[type[Node], frozenset[str]] = {}


def with_clauses(
    make: type[_Node], statement: str, clauses: Sequence[Clause], fixed: Mapping[str, object] | None = None
) -> _Node:
    """A node whose fields are filled by clauses in any order; each at most once, options merged."""
    values: dict[str, Any] = {} if fixed is None else {**fixed}
    known = _FIELDS.get(make) or _FIELDS.setdefault(make, frozenset(make.__match_args__))
    for clause in clauses:
        name = clause.name
        if name not in known:
            _misplaced(clause, make, statement)
        if name not in values:
            values[name] = clause.value
        elif name == "params":
            values[name] += clause.value
        else:
            first = next(one for one in clauses if one.name == name)
            if first is not clause:
                _given_twice(clause, statement, first.span)
            if isinstance(values[name], Node):
                _given_twice(clause, statement, values[name].span)
            values[name] = clause.value
    return make.make(**values, span=span_now())


def _misplaced(clause: Clause, make: type[Node], statement: str) -> NoReturn:
    what = f"a {statement}" if statement.islower() else statement
    hint = _NOT_A_CLAUSE.get((clause.name, make)) or f"its clauses are {', '.join(clause_words(make))}"
    message = f"{what} takes no {CLAUSE_WORDS[clause.name]} clause"
    syntax_error("misplaced-clause", message, clause.span, hint)


def _given_twice(clause: Clause, statement: str, first: Span) -> NoReturn:
    word = CLAUSE_WORDS[clause.name]
    message = f"{word} stands twice in one {statement}"
    hint = f"{word} was already given; one of the two has to go"
    related = ((first, "given here first"),)
    fail("duplicate-clause", message, clause.span, hint, related, error=QQLSyntaxError)


def stands_twice(word: str, span: Span, first: Span) -> NoReturn:
    """Raises `QQLSyntaxError` for what may stand once only."""
    related = ((first, "given here first"),)
    fail("duplicate-clause", f"{word} stands twice", span, None, related, error=QQLSyntaxError)


def span_now() -> Span:
    """Where the rule at hand stands in the text."""
    reading = NOW.reading
    made: Any = OpenSpan()
    made.start = reading.start
    made.end = reading.end
    made.__class__ = Span
    span: Span = made
    return span


def same(_: object, value: object) -> Any:
    """A method of the builder for a rule whose value is that of its only child."""
    return value


def clause_of(name: str, kind: type[Node], *children: object) -> Clause:
    """A clause whose value is a node that stands where the clause does."""
    span = span_now()
    return Clause(name, kind.make(*children, span=span), span)


def as_clause(name: str) -> Callable[[object], Clause]:
    """What makes a clause of a rule that has one child."""
    return lambda value: Clause(name, value, span_now())


def value_list(value: object) -> tuple[Scalar, ...] | nodes.Param:
    """The list of IN: scalars in parentheses as they are, an array's items as scalars, or a parameter."""
    if isinstance(value, list):
        return tuple(Scalar.make(item, span=span_now()) for item in value)
    return cast(nodes.Param, value.value) if isinstance(value, Scalar) else cast(tuple[Scalar, ...], value)


_BELOW: dict[type[Node], tuple[str, ...]] = {
    nodes.And: ("children",),
    nodes.Or: ("children",),
    nodes.Not: ("child",),
    nodes.Nested: ("condition",),
    nodes.MinShould: ("conditions",),
    nodes.Optional: ("condition",),
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


def check_depth(node: nodes.Condition | nodes.Expression, what: str, hint: str | None = None) -> None:
    """Raises `QQLSyntaxError` for a condition or an expression that nests too deep to be worked on."""
    if type(node) not in _BELOW:
        return
    level = 0
    todo: list[Any] = [node]
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
