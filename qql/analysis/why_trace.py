"""A query that has run, as WHY looks at it: each stage with its list, its slots, and what chance decides."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property

from qql import nodes
from qql.analysis.failed_conditions import ConditionCheck
from qql.analysis.fusion import RankKey, goes_by_value, rank_keys
from qql.analysis.model import Analysis, Candidate, Id, StageReport, StageRun
from qql.analysis.placement import Slots, slots_of
from qql.analysis.point_queries import PointQueries, place_of
from qql.analysis.query_body import mmr_of
from qql.analysis.text import digits
from qql.analysis.why_result import Change, Standing
from qql.compiler.plan import QueryPlan
from qql.rest.limits import U32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["QueryTrace", "StageTrace", "placed_by"]


class QueryTrace:
    """A query whose stages were run, and the point that is looked for. ``stages`` has the root first.

    ``tries_whole``: what would let the point into a stage is not tried there, since all of the query will be.
    ``truths`` are the conditions of which it is known whether the point satisfies them.
    """

    def __init__(
        self,
        point: PointQueries,
        analysis: Analysis,
        *,
        tries_whole: bool = False,
        truths: dict[str, bool] | None = None,
    ) -> None:
        self.tries_whole = tries_whole
        self.searched: dict[int, Any] = {}
        """By stage, what was found far beyond its limit (`why_stage`)."""
        self.point = point
        self.key: Id = point.key
        self.analysis = analysis
        self.plan: QueryPlan = analysis.plan
        runs = [report.run for report in analysis.stages]
        self.conditions: ConditionCheck = ConditionCheck(point, runs, {} if truths is None else truths)
        self.stages: list[StageTrace] = [StageTrace(self, at) for at in range(len(analysis.stages))]

    def tried_whole(self) -> QueryTrace:
        """The same run, of whose stages nothing is asked again, for changes that are tried in all of it."""
        made = copy(self)
        made.tries_whole = True
        made.stages = [StageTrace(made, at) for at in range(len(self.stages))]
        return made

    @cached_property
    def uneven(self) -> frozenset[int]:
        """The stages that have equals, also where LIMIT parts them, and those that draw by chance."""
        below = self.stages[1:]
        bodies = [{**stage.run.body, "limit": min(stage.run.limit + 1, U32)} for stage in below]
        return frozenset(
            stage.at
            for stage, found in zip(below, self.point.queries(*bodies), strict=True)
            if isinstance(stage.run.stage.target, nodes.Sample) or len(set(stage.keys(found))) < len(found)
        )


class StageTrace:
    """One stage of a trace; ``at`` is its position, ``found`` what it gave."""

    def __init__(self, trace: QueryTrace, at: int) -> None:
        self.trace = trace
        self.at = at
        self.key: Id = trace.key
        self.point: PointQueries = trace.point
        self.report: StageReport = trace.analysis.stages[at]
        self.run: StageRun = self.report.run
        self.found: tuple[Candidate, ...] = self.report.candidates
        self.slots: Slots = slots_of(self.run, trace.plan)
        """The slots of its own list."""

    @property
    def inputs(self) -> list[StageTrace]:
        """The stages that feed it, in the order of its PREFETCH."""
        return [self.trace.stages[at] for at in self.run.inputs]

    @property
    def makes_groups(self) -> bool:
        """Whether GROUP BY makes groups of what it finds."""
        return self.at == 0 and self.trace.analysis.grouped

    @property
    def candidate_slots(self) -> Slots:
        """The slots for what is searched: of MMR, for its candidates."""
        given = (mmr_of(self.run.body) or {}).get("candidates_limit")
        return self.slots if given is None else Slots(given, "CANDIDATES", given)

    @property
    def depends_on_chance(self) -> bool:
        """Whether equals below it leave to chance what it works on."""
        return any(stage.at in self.trace.uneven for stage in self._all_below())

    def _all_below(self) -> Iterator[StageTrace]:
        seen: set[int] = set()
        todo = self.inputs
        while todo:
            one = todo.pop()
            if one.at not in seen:
                seen.add(one.at)
                todo += one.inputs
                yield one

    @property
    def named_by(self) -> list[str]:
        """The labels of the stages of the query that name the point, which keeps it out of all of them."""
        stages = self.trace.analysis.stages
        return [one.label for one in stages if self.key in map(_engine_spelling, one.run.named)]

    def place(self) -> tuple[int, Candidate] | None:
        """The rank of the point in its list, and the point there."""
        return place_of(self.found, self.key)

    def keys(self, found: Sequence[Candidate]) -> list[RankKey]:
        """What it orders points by; where that is their ids, the places of the list are as good."""
        if self.run.stage.by_id:
            return [(False, -float(at)) for at in range(len(found))]
        return rank_keys(found, goes_by_value(self.run))

    def standing(
        self,
        outcome: str,
        text: str,
        rank: int | None = None,
        score: float | None = None,
        changes: tuple[Change, ...] = (),
    ) -> Standing:
        """What became of the point in it."""
        run = self.run
        return Standing(run.label, run.depth, outcome, text, rank, score, (), changes, run.paths[0])


def _engine_spelling(key: Id) -> Id:
    return str(uuid.UUID(key)) if isinstance(key, str) else key


def placed_by(stage: StageTrace, one: Candidate) -> str:
    """What a stage orders the point by, in words."""
    if stage.run.stage.by_id:
        return "by its id"
    order = stage.run.body["query"].get("order_by")
    if order is not None:
        return f"with {order['key']} = {one.order_value}"
    return f"with score {digits(one.score, 6)}"
