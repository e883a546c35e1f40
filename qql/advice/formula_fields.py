"""Rules about the fields that a formula reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qql import nodes
from qql.advice.filters import span_here
from qql.advice.fusion_sources import every_candidate
from qql.advice.rules import Found, rule
from qql.advice.view import View, as_name
from qql.compiler.dates import looks_like_date
from qql.compiler.plan import Input, Stage

_NUMBER, _DATE, _PLACE = "0", "'2000-01-01'", "{lat: 0, lon: 0}"
"""A default for each kind of field."""


@rule(
    "formula-without-default",
    "A formula reads a field that has no default",
    "A single candidate without the field makes the whole query fail.",
)
def formula_without_default(view: View) -> Iterator[Found]:
    """An engine computes a formula for every candidate, and refuses the query where a field is missing.

    DEFAULTS gives such points a value. (It is for fields that are missing; a text or a list where a number
    should be is refused all the same.) The conditions of CASE and MATCH need none: they do not hold then.
    This rule is silent where a WHERE lets only points with the field pass, as `year > 2000` or `year IS NOT
    EMPTY` do, and where the field's index is known to have all points.
    """
    for stage in view.stages:
        if not isinstance(stage.target, nodes.Formula):
            continue
        known = {option.name for option in stage.target.defaults}
        for name, default in _fields(stage.target.expression):
            field = str(name.text)
            if field in known or _has_all(view, field) or _is_ensured(view, stage, field):
                continue
            known.add(field)
            message = f"the formula has no default for `{field}`: one candidate without it fails the query"
            hint = f"DEFAULTS ({as_name(field)} = {default}), or WHERE {as_name(field)} IS NOT EMPTY"
            yield Found(span_here(view, name.span), message, hint)


def _fields(expression: nodes.Expression) -> Iterator[tuple[nodes.Name, str]]:
    """The payload fields that an expression computes with, each with a default that fits."""
    todo: list[nodes.Expression | None] = [expression]
    while todo:
        match one := todo.pop():
            case nodes.Name():
                text = str(one.text)
                if text != "score" and not text.startswith("$score") and not looks_like_date(text):
                    yield one, _NUMBER
            case nodes.DatetimeKey():
                yield one.name, _DATE
            case nodes.GeoDistance():
                yield one.name, _PLACE
            case nodes.Call():
                todo += reversed(one.args)
            case nodes.Divide():
                todo += (one.right, one.left)
            case nodes.Case():
                todo += (one.otherwise, *(when.value for when in reversed(one.whens)))
            case nodes.Decay(x=nodes.Name() as name, target=target) if _is_dated(target):
                yield name, _DATE
            case nodes.Decay():
                todo += (one.target, one.x)


def _is_dated(target: nodes.Expression | None) -> bool:
    """Whether a decay is around a date: its field holds dates, then."""
    text = str(target.text) if isinstance(target, nodes.Name) else ""
    return isinstance(target, nodes.Datetime) or looks_like_date(text)


def _has_all(view: View, field: str) -> bool:
    """Whether an index of the field is known to hold every point."""
    index = (view.facts.indexes or {}).get(field) or {}
    return bool(view.facts.points) and index.get("points") == view.facts.points


def _is_ensured(view: View, stage: Stage, field: str) -> bool:
    """Whether the filters of all candidates let only points with the field pass."""
    holds = _needing(field)
    return view.is_filtered(stage, holds) or every_candidate(Input(stage), holds)


def _needing(field: str) -> Callable[[nodes.Condition], bool]:
    """Whether a condition only holds for points with the field."""

    def holds(condition: nodes.Condition) -> bool:
        match condition:
            case nodes.And():
                return any(map(holds, condition.children))
            case nodes.Or():
                return all(map(holds, condition.children))
            case nodes.Not(child=nodes.IsEmpty() as child):
                return str(child.name.text) == field
            case nodes.Compare(op="!="):
                return False
            case nodes.Compare() | nodes.Between() | nodes.In() | nodes.Range() | nodes.Geo():
                return str(condition.name.text) == field
        return False

    return holds
