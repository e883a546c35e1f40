"""Rules about conditions that contradict one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product

from qql import nodes
from qql.advice.filters import constant_value, span_here
from qql.advice.rules import Found, rule
from qql.advice.view import View, as_name
from qql.compiler.effective_filters import Filters, Part
from qql.compiler.plan import Input, Stage
from qql.compiler.scalars import scalar_value
from qql.errors import Span
from qql.records import NamedTuple
from qql.rest.types import Json
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

_MOST_TESTS = 50
"""Tests of one field that are compared with one another."""
_LONGEST = 60  # characters of a condition in a message


class _Interval(NamedTuple):
    """Numbers, or dates as texts of one form, from ``low`` to ``high``; which ends belong to it."""

    low: float | str | None = None
    low_belongs: bool = True
    high: float | str | None = None
    high_belongs: bool = True


class _Values(NamedTuple):
    """Some values, each with its type: 1 and 1.0 are one, 1 and true are two."""

    members: frozenset[tuple[str, Json]]


_NULL, _EMPTY = "null", "empty"
_Meaning: TypeAlias = _Interval | _Values | str
"""What an element of a field has to be; ``"null"`` and ``"empty"`` are of the field as a whole."""


class _Test(NamedTuple):
    """A condition that has to hold, or with ``negated`` must not; what it means where that is known."""

    condition: nodes.Condition
    negated: bool
    key: str
    meaning: _Meaning | None
    span: Span

    def shown(self) -> str:
        condition = nodes.Not(self.condition) if self.negated else self.condition
        if self.negated and isinstance(self.condition, nodes.Compare) and self.condition.op == "=":
            condition = nodes.Compare(self.condition.name, "!=", self.condition.value)
        text = show(condition)
        return f"`{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}`"


# ------------------------------------------------------------------------------------ the two rules


@rule(
    "where-matches-nothing",
    "Conditions that no point fulfils together",
    "A condition and one that excludes it leave no point.",
    severity="warning",
    any_statement=True,
    tells_values=True,
)
def where_matches_nothing(view: View) -> Iterator[Found]:
    """Both have to hold: they stand in one AND, or in the WHERE of a stage and of the query above it.

    A condition and its own NOT; `a = 1` and `a NOT IN (1, 2)`; `a > 5` and `NOT a > 3`; IS EMPTY and a
    value; two ids. The points that a query names are left out of its hits, so `id = 7` fits no query by
    POINT 7; GROUP BY leaves out the points without its field. Behind OR, a part that never holds is told
    of, too. What only a list can fulfil is told by `lists-only`.
    """
    for first, second in _pairs(view):
        if _excludes(first, second) or _excludes(second, first):
            message = f"{first.shown()} and {second.shown()} hold for no point together"
            yield _found(view, first, second, message, "leave one of them out, or join them by OR")


@rule(
    "lists-only",
    "Conditions that only a list fulfils together",
    "A condition on a list holds where one element fulfils it, so two may be fulfilled by two elements.",
    any_statement=True,
    tells_values=True,
)
def lists_only(view: View) -> Iterator[Found]:
    """`a = 1 AND a = 2` holds for no point whose `a` is a single value; for `[1, 2]` it does.

    The same goes for `a > 5 AND a < 3`, `a IN (1, 2) AND a = 3`, and `a IS NULL AND a = 1`, which a list
    with a null and a 1 fulfils. Where lists are meant, the advice can be passed over.
    """
    for first, second in _pairs(view):
        if first.negated or second.negated or first.key == "id" or not _disjoint(first, second):
            continue
        message = f"{first.shown()} and {second.shown()} hold together only where `{first.key}` is a list"
        message += " that has something for each"
        hint = f"where {as_name(first.key)} holds one value, OR takes either; else leave one of them out"
        yield _found(view, first, second, message, hint)


def _found(view: View, first: _Test, second: _Test, message: str, hint: str) -> Found:
    one, other = sorted((first, second), key=lambda test: test.span.start)
    related = ((span_here(view, one.span), "this one"),) if one.span != other.span else ()
    return Found(span_here(view, other.span), message, hint, related)


# ------------------------------------------------------------------------------------ what holds together


_Groups: TypeAlias = dict[str, list[_Test]]
"""The tests of a conjunction by their fields."""


def _pairs(view: View) -> Iterator[tuple[_Test, _Test]]:
    """Any two tests of one field, or of the same condition, that have to hold together."""
    if view.plan is None:
        if constant_value(view.statement) is not False:  # else `constant-where` tells of it
            for condition in view.conditions():
                for groups in _conjunctions([(condition, condition.span)]):
                    yield from _pairs_within(groups)
        return
    filters = Filters(view.schema)
    outer: dict[int, _Groups] = {}
    for stage in view.stages[::-1]:  # what uses a stage comes before it
        parts = filters.merged(view.plan, _chain(view, stage))
        own = [(part.condition, _written_at(view, part, stage)) for part in parts if part.stage is stage]
        if not own:
            continue
        groups, *inner = _conjunctions(own)
        outer[id(stage)] = groups
        for one in (groups, *inner):
            yield from _pairs_within(one)
        above = {id(part.stage) for part in parts if part.stage is not stage}
        for key, tests in groups.items():
            for number in above & outer.keys():
                yield from product(outer[number].get(key, ())[:_MOST_TESTS], tests[:_MOST_TESTS])


def _pairs_within(groups: _Groups) -> Iterator[tuple[_Test, _Test]]:
    for tests in groups.values():
        yield from combinations(tests[:_MOST_TESTS], 2)


def _chain(view: View, stage: Stage) -> list[Input]:
    """The way from the query to a stage, by its first use at each step."""
    found: list[Input] = []
    while uses := view.site(stage).uses:
        found.append(uses[0].given)
        stage = uses[0].parent
    return [Input(stage), *reversed(found)]


def _written_at(view: View, part: Part, stage: Stage) -> Span:
    """The place of a condition; of one that nobody wrote, what stands for it."""
    clause = {"points": "target", "GROUP BY": "group"}.get(part.source)
    return part.condition.span if clause is None else view.span(stage, clause)


def _conjunctions(conditions: Iterable[tuple[nodes.Condition, Span]]) -> Iterator[_Groups]:
    """The tests of one conjunction, and then of each inside it, behind OR or in NESTED."""
    todo = [(list(conditions), "")]
    while todo:
        open_ones, path = todo.pop()
        parts = [(condition, span, False) for condition, span in reversed(open_ones)]
        groups: _Groups = {}
        while parts:
            condition, span, negated = parts.pop()
            match condition:
                case nodes.Not():
                    parts.append((condition.child, span, not negated))
                case nodes.And() if not negated:
                    parts += [(one, one.span, False) for one in reversed(condition.children)]
                case nodes.Or() if negated:
                    parts += [(one, one.span, True) for one in reversed(condition.children)]
                case _:
                    test = _test(condition, span, negated, path)
                    groups.setdefault(test.key, []).append(test)
                    todo += [([(one, one.span)], inside) for one, inside in _inner(condition, path)]
        yield groups


def _inner(condition: nodes.Condition, path: str) -> Iterator[tuple[nodes.Condition, str]]:
    """The conditions inside one, each of which is a conjunction of its own."""
    match condition:
        case nodes.Or() | nodes.And():
            yield from ((child, path) for child in condition.children)
        case nodes.MinShould():
            yield from ((child, path) for child in condition.conditions)
        case nodes.Nested():
            yield condition.condition, f"{path}{str(condition.name.text).removesuffix('[]')}[]."


# ------------------------------------------------------------------------------------ what they mean


def _test(condition: nodes.Condition, span: Span, negated: bool, path: str) -> _Test:
    if isinstance(condition, nodes.Compare) and condition.op == "!=":
        condition = nodes.Compare(condition.name, "=", condition.value, span=condition.span)
        negated = not negated
    known = _meaning(condition)
    if known is not None:
        return _Test(condition, negated, path + known[0], known[1], span)
    name = getattr(condition, "name", None)
    key = f"{path}{name.text}" if isinstance(name, nodes.Name) else f"{path} {type(condition).__name__}"
    return _Test(condition, negated, key, None, span)


def _meaning(condition: nodes.Condition) -> tuple[str, _Meaning] | None:
    """The field of a condition and what it asks of an element; None where that is not known here."""
    match condition:
        case nodes.IsNull():
            return str(condition.name.text), _NULL
        case nodes.IsEmpty():
            return str(condition.name.text), _EMPTY
        case nodes.Compare(op="="):
            return _values(condition.name, [condition.value])
        case nodes.In(values=tuple() as values) | nodes.Match(kind="any", value=tuple() as values):
            return _values(condition.name, values)
        case nodes.Compare(op=op) if op in _WORDS:
            return _interval(condition.name, [(_WORDS[op], scalar_value(condition.value))])
        case nodes.Between():
            ends = [("gte", scalar_value(condition.low)), ("lte", scalar_value(condition.high))]
            return _interval(condition.name, ends)
        case nodes.Range():
            bounds = [(one.name.lower(), scalar_value(nodes.Scalar(one.value))) for one in condition.bounds]
            return _interval(condition.name, bounds)
        case nodes.Or():
            return _either([_meaning(child) for child in condition.children])
    return None


_WORDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def _values(name: nodes.Name, scalars: Sequence[nodes.Scalar]) -> tuple[str, _Meaning] | None:
    values = [scalar_value(one) for one in scalars]
    if not values or any(isinstance(one, (list, dict)) for one in values):
        return None
    return str(name.text), _Values(frozenset((_type_of(one), one) for one in values))


def _type_of(value: Json) -> str:
    """As Qdrant tells values apart."""
    return (
        "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    )


def _either(parts: Sequence[tuple[str, _Meaning] | None]) -> tuple[str, _Meaning] | None:
    """The values of one field of which one has to be there."""
    found: set[tuple[str, Json]] = set()
    keys = set()
    for part in parts:
        if part is None or not isinstance(part[1], _Values):
            return None
        keys.add(part[0])
        found |= part[1].members
    return (keys.pop(), _Values(frozenset(found))) if len(keys) == 1 else None


def _interval(name: nodes.Name, bounds: Iterable[tuple[str, Json]]) -> tuple[str, _Meaning] | None:
    found = _Interval()
    for word, value in bounds:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return None
        if word in ("gt", "gte"):
            found = found._replace(low=value, low_belongs=word == "gte")
        else:
            found = found._replace(high=value, high_belongs=word == "lte")
    return str(name.text), found


def _excludes(one: _Test, other: _Test) -> bool:
    """Whether no point fulfils both, whatever its field holds: the first rules the second out."""
    if one.negated:
        return False
    if other.negated:
        if one.meaning is None or other.meaning is None:  # 1 and true are equal in Python
            return one.condition == other.condition
        return _within(one.meaning, other.meaning)
    if one.meaning == _EMPTY:
        return isinstance(other.meaning, (_Values, _Interval))
    return one.key == "id" and _disjoint(one, other)


def _within(inner: _Meaning, outer: _Meaning) -> bool:
    """Whether whatever the first asks for is what the second asks for."""
    match inner, outer:
        case _Values(), _Values():
            return inner.members <= outer.members
        case _Values(), _Interval():
            return all(_holds(outer, value) is True for _, value in inner.members)
        case _Interval(), _Interval():
            return _starts_within(inner, outer) and _ends_within(inner, outer)
    return inner == outer


def _disjoint(one: _Test, other: _Test) -> bool:
    """Whether no single value fulfils both."""
    first, second = one.meaning, other.meaning
    if first == _NULL or second == _NULL:
        return isinstance(second if first == _NULL else first, (_Values, _Interval))
    match first, second:
        case _Values(), _Values():
            return first.members.isdisjoint(second.members)
        case _Values(), _Interval():
            return all(_holds(second, value) is False for _, value in first.members)
        case _Interval(), _Values():
            return _disjoint(other, one)
        case _Interval(), _Interval():
            return _before(first, second) or _before(second, first)
    return False


def _holds(interval: _Interval, value: Json) -> bool | None:
    """Whether a value lies in an interval; None where the two cannot be compared here."""
    point = _Interval(value, True, value, True)
    if isinstance(value, bool) or not all(
        end is None or _comparable(value, end) for end in (interval.low, interval.high)
    ):
        return None
    return not (_before(point, interval) or _before(interval, point))


def _comparable(one: Json, other: Json) -> bool:
    """Numbers are, and texts of one length: dates of one form."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and len(one) == len(other)
    return not isinstance(one, bool) and all(isinstance(end, (int, float)) for end in (one, other))


def _before(one: _Interval, other: _Interval) -> bool:
    """Whether the first ends before the second begins."""
    end, start = one.high, other.low
    if end is None or start is None or not _comparable(end, start):
        return False
    return _less(end, start) or (end == start and not (one.high_belongs and other.low_belongs))


def _less(one: float | str, other: float | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return str(one) < str(other)
    return one < other


def _starts_within(inner: _Interval, outer: _Interval) -> bool:
    if outer.low is None or inner.low is None:
        return outer.low is None
    if not _comparable(inner.low, outer.low):
        return False
    return _less(outer.low, inner.low) or (
        inner.low == outer.low and (outer.low_belongs or not inner.low_belongs)
    )


def _ends_within(inner: _Interval, outer: _Interval) -> bool:
    if outer.high is None or inner.high is None:
        return outer.high is None
    if not _comparable(inner.high, outer.high):
        return False
    return _less(inner.high, outer.high) or (
        inner.high == outer.high and (outer.high_belongs or not inner.high_belongs)
    )
