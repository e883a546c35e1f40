"""WHY id and WHY NOT id: where a point stood in every stage of a query, and what kept it out.

The engine itself is asked: whether a condition holds, by the point with that condition alone; for a score, by
the stage with the point alone; for a rank, by the stage with more slots.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from qql import nodes
from qql.analysis.asking import Asker, Call
from qql.analysis.compare import recompose
from qql.analysis.fusion import Candidate, Fused, Fusion, Id
from qql.analysis.measure import Analysis, analyse
from qql.analysis.stages import DEFAULT_LIMIT, StageRun, all_filters
from qql.bind import resolved
from qql.filters import emit_filter
from qql.plan import QueryPlan
from qql.printer import show
from qql.request import Request

__all__ = ["DEEPEST", "Explanation", "FailedCondition", "Standing", "why"]

DEEPEST = 10_000
"""The last rank to which a stage is followed."""


@dataclass(frozen=True, slots=True)
class FailedCondition:
    """A condition that the point does not satisfy, as QQL, and where it was written.

    ``stage`` is the label of the stage whose words it stands in, ``source`` its ``WHERE`` (of the stage),
    ``reference`` (of PREFETCH) or ``GROUP BY`` (which leaves out points without the field).
    """

    text: str
    stage: str
    source: str

    def __str__(self) -> str:
        where = {"stage": f"WHERE of {self.stage}", "reference": f"WHERE of the reference to {self.stage}"}
        return f"{self.text} ({where.get(self.source, self.source)})"


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of the point in one stage.

    ``outcome`` is ``found``, or what kept it out: ``filtered`` (``failed`` names the conditions), ``named``
    (a query by point leaves out the points that it names), ``no-vector``, ``no-value`` (ORDER BY a field that
    it lacks), ``no-match`` (nothing in common with the query), ``below-threshold``, ``cut`` (LIMIT; ``rank``
    is where it would stand), ``approximate`` (an exact search finds it within LIMIT), ``diversity`` (MMR
    preferred others), ``not-in-inputs``, ``outranked`` (a fusion's LIMIT; ``rank`` as above), ``tie`` (its
    score is that of the last one, and who of them is taken is chance), ``chance`` (SAMPLE), ``earlier-page``
    (OFFSET), ``group-full`` and ``group-cut`` (GROUP BY), or ``unexplained``.

    ``rank`` counts from 1, None beyond `DEEPEST` and where there is none.
    """

    label: str
    depth: int
    outcome: str
    text: str
    rank: int | None = None
    score: float | None = None
    failed: tuple[FailedCondition, ...] = ()
    path: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to WHY and WHY NOT. ``rank`` and ``score`` are those of the hit, None where it is none.

    ``outcome`` is ``hit``, ``no-point``, or the root's outcome; ``reason`` says it in a sentence.
    ``standings`` has the root first, then the stages in the order of the request.
    """

    id: Id
    outcome: str
    reason: str
    rank: int | None = None
    score: float | None = None
    standings: tuple[Standing, ...] = field(default=())

    @property
    def is_hit(self) -> bool:
        """Whether the query answers with the point."""
        return self.outcome == "hit"

    def lines(self) -> list[str]:
        """The answer as text: the reason, then a line for each stage."""
        return [
            self.reason,
            *(f"{'  ' * (one.depth + 1)}{one.label}: {one.text}" for one in self.standings),
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON data: the fields, ``standings`` and their ``failed`` as objects, ``path`` as a list."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def why(plan: QueryPlan, request: Request, call: Call, point_id: Id) -> Explanation:
    """Follow one point through a query whose texts are embedded. Raises what ``call`` raises."""
    asker = Asker(plan, request, call)
    found = asker.points([point_id])
    if not found:
        return Explanation(point_id, "no-point", f"there is no point {point_id} in {plan.collection}")
    key: Id = found[0]["id"]
    analysis = analyse(plan, request, call, runs=0)
    ranks = {hit.id: at for at, hit in reversed(list(enumerate(analysis.hits, analysis.offset + 1)))}
    rank = ranks.get(key)
    if not analysis.stages:
        return _fetched(key, rank)
    asked = _Asked(asker, key)
    asked.judge_conditions(report.run for report in analysis.stages)
    seen = _Seen(asked, analysis)
    standings = tuple(seen.standing(at) for at in range(len(analysis.stages)))
    if rank is not None:
        score = next(hit.score for hit in analysis.hits if hit.id == key)
        last = analysis.offset + len(analysis.hits)
        reason = f"point {key} is hit {rank} of {last}, with score {_number(score)}"
        return Explanation(key, "hit", reason, rank, score, standings)
    root = standings[0]
    return Explanation(key, root.outcome, f"point {key} is no hit: {root.text}", standings=standings)


def _fetched(key: Id, rank: int | None) -> Explanation:
    if rank is None:
        return Explanation(key, "filtered", f"point {key} is no hit: POINTS (…) does not name it")
    return Explanation(key, "hit", f"point {key} is hit {rank}: POINTS (…) names it", rank)


def _number(value: float) -> str:
    return f"{value:.6g}"


# ------------------------------------------------------------------------------------ asking


class _Asked:
    """Asks the engine about one point."""

    def __init__(self, asker: Asker, key: Id) -> None:
        self.asker, self.key = asker, key
        self.truths: dict[str, bool] = {}

    def ask(self, *bodies: Mapping[str, Any]) -> list[tuple[Candidate, ...]]:
        """The answers to several query bodies, in one batch."""
        return self.asker.batch(bodies)

    def matches(self, conditions: Iterable[Mapping[str, Any]]) -> list[bool]:
        """Whether the point satisfies each of several filters."""
        more = {"with_payload": False} | self.asker.shared
        return [
            bool(answer) for answer in self.ask(*(self.alone({"filter": one} | more) for one in conditions))
        ]

    def alone(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body, for this point only."""
        only = {"must": [{"has_id": [self.key]}]}
        return {**body, "filter": all_filters([body.get("filter") or {}, only]), "limit": 1}

    # -- conditions

    def judge_conditions(self, runs: Iterable[StageRun]) -> None:
        """Finds out which of the conditions of all stages hold for the point."""
        leaves: dict[str, Mapping[str, Any]] = {}
        for run in runs:
            for condition, _, _ in _conditions(run, self.asker.plan):
                for leaf in _leaves(condition):
                    found = emit_filter(leaf)
                    assert found is not None
                    leaves[_key(leaf)] = found
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
        return self.truths[_key(condition)]

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
            count = sum(map(self.holds, condition.conditions))
            text += f", of which {count} hold{'s' if count == 1 else ''}"
        yield text

    def failed(self, run: StageRun) -> tuple[FailedCondition, ...]:
        """What the point fails of the merged filter of a stage; what several stages say is said once."""
        out: dict[str, FailedCondition] = {}
        for condition, stage, source in _conditions(run, self.asker.plan):
            for text in self.failing(condition):
                out.setdefault(text, FailedCondition(text, stage, source))
        return tuple(out.values())


def _conditions(run: StageRun, plan: QueryPlan) -> Iterator[tuple[nodes.Condition, str, str]]:
    """The conditions of a stage and of those above it, each with the stage and where it is written."""
    if plan.group is not None:
        empty = nodes.IsEmpty(plan.group.name, span=plan.group.span)
        yield nodes.Not(empty, span=plan.group.span), plan.root.label, "GROUP BY"
    for given in run.chain:
        for condition, source in ((given.stage.where, "stage"), (given.where, "reference")):
            if condition is not None:
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


def _key(condition: nodes.Condition) -> str:
    return show(condition)


def _count(condition: nodes.MinShould) -> int:
    return int(resolved(condition.count.value, condition.count.span))


# ------------------------------------------------------------------------------------ standing


class _Seen:
    """Looks for the point in each stage, and for the reason where it is not there."""

    def __init__(self, asked: _Asked, analysis: Analysis) -> None:
        self.asked, self.key = asked, asked.key
        self.grouped, self.offset = analysis.grouped, analysis.offset
        self.runs = [report.run for report in analysis.stages]
        self.lists = [report.candidates for report in analysis.stages]
        self.turned = [
            report.verdict is not None and report.verdict.by_direction for report in analysis.stages
        ]

    def standing(self, at: int) -> Standing:
        """What became of the point in one stage."""
        run, found = self.runs[at], self.lists[at]
        place = next(((rank, one.score) for rank, one in enumerate(found, 1) if one.id == self.key), None)
        if place is not None:
            rank, score = place
            text = f"rank {rank} of {len(found)}, score {_number(score)}"
            if at == 0 and not self.grouped and rank <= self.offset:
                text += f": OFFSET {self.offset} leaves it out"
                return self.of(run, "earlier-page", text, rank, score)
            return self.of(run, "found", text, rank, score)
        if not run.inputs:
            standing = self.searched(at)
        elif Fusion.of(run.body) is not None:
            standing = self.fused(at)
        else:
            standing = self.rescored(at)
        if at == 0 and self.grouped and standing.outcome in ("cut", "outranked", "approximate", "tie"):
            return self.of_group(standing)
        return standing

    def of(
        self,
        run: StageRun,
        outcome: str,
        text: str,
        rank: int | None = None,
        score: float | None = None,
        failed: tuple[FailedCondition, ...] = (),
    ) -> Standing:
        """A standing in a stage."""
        return Standing(run.label, run.depth, outcome, text, rank, score, failed, run.paths[0])

    # -- a search

    def searched(self, at: int) -> Standing:
        run = self.runs[at]
        failed = self.asked.failed(run)
        if failed:
            return self.of(run, "filtered", f"fails {'; '.join(map(str, failed))}", failed=failed)
        if self.key in run.named:
            text = "the query names the point, and Qdrant leaves out the points that a query names"
            return self.of(run, "named", text)
        if isinstance(run.stage.target, nodes.Sample):
            return self.of(run, "chance", "the points are drawn by chance, and it was not drawn")
        lacking = self.lacks_vector(run)
        if lacking is not None:
            return lacking
        return self.ranked(at, DEEPEST)

    def lacks_vector(self, run: StageRun) -> Standing | None:
        """Whether the point lacks the vector that a stage compares."""
        kind = next((key for key in _BY_VECTOR if key in run.body["query"]), None)
        if kind is None:
            return None
        using = run.body.get("using") or ""
        (found,) = self.asked.matches([{"must": [{"has_vector": using}]}])
        if found:
            return None
        vector = f"the vector {using}" if using else "the unnamed vector"
        return self.of(run, "no-vector", f"it has no value of {vector}")

    def ranked(self, at: int, most: int) -> Standing:
        """Where the point would stand in a stage if LIMIT and SCORE THRESHOLD did not cut it off."""
        run, found = self.runs[at], self.lists[at]
        body, limit, mmr = _without_mmr(run)
        open_body = {key: value for key, value in body.items() if key != "score_threshold"}
        deep_body = _exact(open_body) | {"limit": most}
        threshold = body.get("score_threshold")
        # Of what stands above a fusion no one point can be asked: alone, it is fused to other scores.
        bodies = [deep_body] if run.inputs else [deep_body, self.asked.alone(open_body)]
        if threshold is not None:
            bodies.append(_exact(body) | {"limit": most} if run.inputs else self.asked.alone(body))
        answers = self.asked.ask(*bodies)
        place = next(((rank, one) for rank, one in enumerate(answers[0], 1) if one.id == self.key), None)
        rank = place[0] if place else None
        if place:
            mine = place[1]
        elif run.inputs or not answers[1]:
            return self.unscored(run)
        else:
            mine = answers[1][0]
        score, told = mine.score, _told(run, mine)
        equal = bool(found) and found[-1][1:] == mine[1:]
        if threshold is not None and self.key not in {one.id for one in answers[-1]}:
            text = f"{told} it misses SCORE THRESHOLD {threshold}"
            text += f"; without it, it would stand at rank {rank}" if rank is not None else ""
            return self.of(run, "below-threshold", text, rank, score)
        if rank is None:
            text = f"{told} it would stand after the first {most:,}; LIMIT {limit} cuts it off"
            return self.of(run, "cut", text, None, score)
        if rank > limit:
            word = "CANDIDATES" if mmr else "LIMIT"
            text = f"{told} it would stand at rank {rank}; {word} {limit} cuts it off"
            if equal and not mmr:
                text += ", though it is equal to the last one: among equals, chance decides"
            return self.of(run, "cut", text, rank, score)
        if mmr:
            text = f"rank {rank} of the candidates, {told}; MMR preferred others, more different ones"
            return self.of(run, "diversity", text, rank, score)
        if equal:
            text = f"{told} it is equal to the last one: among equals, chance decides"
            return self.of(run, "tie", text, rank, score)
        text = f"an exact search has it at rank {rank}, {told}; the approximate one missed it"
        return self.of(run, "approximate", text, rank, score)

    def unscored(self, run: StageRun) -> Standing:
        if isinstance(run.stage.target, nodes.OrderBy):
            field_name = run.body["query"]["order_by"]["key"]
            return self.of(run, "no-value", f"it has no value of {field_name} to order by")
        if not any(key in run.body["query"] for key in (*_BY_VECTOR, "text")):
            return self.of(run, "unexplained", "its inputs have it, and no reason is known why it is gone")
        return self.of(run, "no-match", "it has nothing in common with what is searched for")

    # -- what works on inputs

    def union(self, at: int) -> dict[Id, None]:
        """The points of a stage's inputs."""
        inputs = self.runs[at].inputs
        return dict.fromkeys(one.id for number in inputs for one in self.lists[number])

    def missing(self, run: StageRun) -> Standing:
        labels = list(dict.fromkeys(self.runs[one].label for one in run.inputs))
        named = labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
        verb = "does not give it" if len(labels) == 1 else "do not give it"
        return self.of(run, "not-in-inputs", f"{named} {verb}")

    def rescored(self, at: int) -> Standing:
        run, union = self.runs[at], self.union(at)
        if self.key not in union:
            return self.missing(run)
        if isinstance(run.stage.target, nodes.Sample):
            return self.of(run, "chance", "the points are drawn by chance, and it was not drawn")
        return self.lacks_vector(run) or self.ranked(at, max(len(union), 1))

    def fused(self, at: int) -> Standing:
        run = self.runs[at]
        fusion = Fusion.of(run.body)
        assert fusion is not None
        lists = [self.lists[one] for one in run.inputs]
        order: list[Fused] = recompose(fusion, lists, by_direction=self.turned[at])
        rank, score = next(
            ((rank, one.score) for rank, one in enumerate(order, 1) if one.id == self.key), (None, None)
        )
        if rank is None or score is None:
            return self.missing(run)
        threshold = run.body.get("score_threshold")
        told = f"fused to score {_number(score)} at rank {rank}"
        if threshold is not None and score < threshold:
            return self.of(
                run, "below-threshold", f"{told}: it misses SCORE THRESHOLD {threshold}", rank, score
            )
        last = self.lists[at][-1].score if self.lists[at] else None
        if last == score:
            text = f"{told}, equal to the last one: among equals, chance decides"
            return self.of(run, "tie", text, rank, score)
        if rank > run.limit or self.grouped:
            return self.of(run, "outranked", f"{told}: LIMIT {run.limit} cuts it off", rank, score)
        return self.of(run, "unexplained", f"{told}, and no reason is known why it is gone", rank, score)

    def of_group(self, standing: Standing) -> Standing:
        """Where GROUP BY makes the hits: whether the point's group is among them."""
        asker = self.asked.asker
        body = asker.request.body or {}
        size = body.get("group_size", 3)
        groups = asker.call(asker.request)["groups"][asker.plan.offset or 0 :]
        tests = [{"must": [{"key": body["group_by"], "match": {"value": group["id"]}}]} for group in groups]
        mine = [group for group, held in zip(groups, self.asked.matches(tests), strict=True) if held]
        if mine:
            named = show(mine[0]["id"])
            text = f"the group {named} is full: its SIZE is {size}, and {size} points stand before it"
            return replace(standing, outcome="group-full", text=text)
        limit = body.get("limit", DEFAULT_LIMIT)
        text = f"its group is not among the first {limit}: {len(groups)} others stand before it"
        return replace(standing, outcome="group-cut", text=text)


def _told(run: StageRun, one: Candidate) -> str:
    """What a stage orders the point by."""
    if one.order_value is not None:
        return f"with {run.body['query']['order_by']['key']} = {one.order_value}"
    return f"with score {_number(one.score)}"


_BY_VECTOR = ("nearest", "recommend", "discover", "context", "relevance_feedback")


def _exact(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with an exact search where it searches a vector."""
    if not any(key in body["query"] for key in _BY_VECTOR):
        return dict(body)
    return {**body, "params": {**(body.get("params") or {}), "exact": True}}


def _without_mmr(run: StageRun) -> tuple[Mapping[str, Any], int, bool]:
    """The search that finds the candidates of MMR, how many they are, and whether there is an MMR."""
    mmr = run.body["query"].get("mmr")
    if mmr is None:
        return run.body, run.limit, False
    body = {**run.body, "query": {"nearest": run.body["query"]["nearest"]}}
    return body, mmr.get("candidates_limit", run.limit), True
