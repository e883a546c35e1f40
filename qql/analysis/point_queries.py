"""What WHY asks the engine about one point: its groups, its conditions, a query for it alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qql import nodes
from qql.analysis.fusion import Candidate, Id
from qql.analysis.probe import Asker
from qql.analysis.stage_requests import StageRun, all_filters
from qql.analysis.why_result import FailedCondition
from qql.compiler.bind import resolved
from qql.compiler.emit_filters import emit_filter
from qql.compiler.plan import QueryPlan
from qql.syntax.printer import show

__all__ = ["DEEPEST", "Asked", "place_of"]

DEEPEST = 10_000
"""The last rank to which a stage is followed."""


def place_of(found: Sequence[Candidate], key: Id) -> tuple[int, Candidate] | None:
    """The rank at which a point stands first, from 1, and what stands there."""
    return next(((rank, one) for rank, one in enumerate(found, 1) if one.id == key), None)


class Asked:
    """Asks the engine about one point."""

    def __init__(self, asker: Asker, key: Id) -> None:
        self.asker, self.key = asker, key
        self.truths: dict[str, bool] = {}

    def ask(self, *bodies: Mapping[str, Any]) -> list[tuple[Candidate, ...]]:
        """The answers to several query bodies, in one batch."""
        return self.asker.batch(bodies)

    def gives(self, body: Mapping[str, Any]) -> bool:
        """Whether a query gives the point."""
        return place_of(self.ask(body)[0], self.key) is not None

    def matches(self, conditions: Iterable[Mapping[str, Any]]) -> list[bool]:
        """Whether the point satisfies each of several filters."""
        more = {"with_payload": False} | self.asker.shared
        return [
            bool(answer) for answer in self.ask(*(self.alone({"filter": one} | more) for one in conditions))
        ]

    def alone(self, body: Mapping[str, Any], key: Id | None = None) -> dict[str, Any]:
        """The body, for this point only, or for another."""
        only = {"must": [{"has_id": [self.key if key is None else key]}]}
        return {**body, "filter": all_filters([body.get("filter") or {}, only]), "limit": 1}

    def starts(self, found: Sequence[Candidate], body: Mapping[str, Any]) -> bool:
        """Whether the first point of a list passes the threshold of a body.

        Qdrant stops at the first one that misses it, and a few kinds of scores go the other way than the
        thresholds of their metric: those of STRATEGY best_score, for one, with the distance of Euclid.
        """
        return not found or bool(self.ask(self.alone(body, found[0].id))[0])

    # -- groups

    @property
    def group_by(self) -> str:
        """The field of GROUP BY."""
        return str((self.asker.request.body or {})["group_by"])

    def groups(self, **changed: Any) -> list[dict[str, Any]]:
        """The groups of the query, with some fields of its body changed."""
        return self.grouped({**(self.asker.request.body or {}), **changed})

    def group_values(self) -> list[int | str]:
        """The groups that the point is in."""
        only = {"must": [{"has_id": [self.key]}]}
        body = {"filter": only, "group_by": self.group_by, "limit": DEEPEST, "group_size": 1}
        return [group["id"] for group in self.grouped(body | self.asker.shared)]

    def grouped(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The groups that a body asks for."""
        request = replace(self.asker.request, body={**body, "with_payload": False})
        found: list[dict[str, Any]] = self.asker.call(request)["groups"]
        return found

    # -- conditions

    def judge_conditions(self, runs: Iterable[StageRun]) -> None:
        """Finds out which of the conditions of all stages hold for the point."""
        leaves: dict[str, Mapping[str, Any]] = {}
        for run in runs:
            for condition, _, _ in _conditions(run, self.asker.plan):
                for leaf in _leaves(condition):
                    found = emit_filter(leaf)
                    assert found is not None
                    leaves[show(leaf)] = found
        self.truths = dict(zip(leaves, self.matches(leaves.values()), strict=True))

    def holds(self, condition: nodes.Condition) -> bool:
        """Whether a condition holds, by what was asked about its leaves."""
        match condition:
            case nodes.And():
                return all(map(self.holds, condition.children))
            case nodes.Or():
                return any(map(self.holds, condition.children))
            case nodes.Not():
                return not self.holds(condition.child)
            case nodes.MinShould():
                return sum(map(self.holds, condition.conditions)) >= _count(condition)
        return self.truths[show(condition)]

    def failing(self, condition: nodes.Condition) -> Iterator[str]:
        """The smallest parts of a condition that fail, as QQL."""
        match condition:
            case nodes.And():
                for child in condition.children:
                    yield from self.failing(child)
                return
            case nodes.Not(child=nodes.Not() as inner):
                yield from self.failing(inner.child)
                return
            case nodes.Not(child=nodes.Or() as inner) if self.holds(inner):
                for child in inner.children:
                    yield from self.failing(nodes.Not(child))
                return
        if self.holds(condition):
            return
        text = show(condition)
        if isinstance(condition, nodes.MinShould):
            held = sum(map(self.holds, condition.conditions))
            text += f", of which {held} hold{'s' if held == 1 else ''}"
        yield text

    def failed(self, run: StageRun) -> tuple[FailedCondition, ...]:
        """What the point fails of the merged filter of a stage."""
        found = [
            FailedCondition(text, stage, source)
            for condition, stage, source in _conditions(run, self.asker.plan)
            for text in self.failing(condition)
        ]
        return tuple(dict.fromkeys(found))


def _conditions(run: StageRun, plan: QueryPlan) -> Iterator[tuple[nodes.Condition, str, str]]:
    """The conditions of a stage and of those above it, each with the stage and where it is written.

    HYBRID and a trailing FORMULA hand the words of one WHERE on to the stages that they stand for.
    """
    if plan.group is not None:
        empty = nodes.IsEmpty(plan.group.name, span=plan.group.span)
        yield nodes.Not(empty, span=plan.group.span), plan.root.label, "GROUP BY"
    known: list[nodes.Condition] = []
    for given in run.chain:
        for condition, source in ((given.stage.where, "stage"), (given.where, "reference")):
            if condition is not None and not any(condition is one for one in known):
                known.append(condition)
                yield condition, given.stage.label, source


def _leaves(condition: nodes.Condition) -> Iterator[nodes.Condition]:
    match condition:
        case nodes.And() | nodes.Or():
            for child in condition.children:
                yield from _leaves(child)
        case nodes.Not():
            yield from _leaves(condition.child)
        case nodes.MinShould():
            for child in condition.conditions:
                yield from _leaves(child)
        case _:
            yield condition


def _count(condition: nodes.MinShould) -> int:
    return int(resolved(condition.count.value, condition.count.span))
