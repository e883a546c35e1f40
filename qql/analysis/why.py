"""WHY id and WHY NOT id: where a point stood in every stage of a query, and what kept it out.

The engine itself is asked: whether a condition holds, by the point with that condition alone; for a score, by
the stage with the point alone; for a rank, by the stage with more slots.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import count
from typing import Any

from qql import nodes
from qql.analysis.fusion import Candidate, Fused, Fusion, Id, f32, fuse, rank_key
from qql.analysis.limits import Slots, Stood, slots_of
from qql.analysis.measure import Analysis, analyse
from qql.analysis.point_probe import DEEPEST, Asked, place_of
from qql.analysis.probe import Asker, Call
from qql.analysis.recomposition import EXPLAINED
from qql.analysis.stage_requests import StageRun
from qql.analysis.why_result import Change, Explanation, Standing
from qql.compiler.plan import QueryPlan, SecondStage
from qql.rest.request import Request
from qql.syntax.printer import show

__all__ = ["Reranking", "why"]

_U32 = 2**32 - 1
_MOST_CAUSES = 4

Reranking = Callable[[], Sequence[tuple[Id, float, float | None]]]
"""All candidates of a RERANK in the order of its model, before OFFSET and TOP: the id, the score of the
first stage, and that of the model, None where the candidate has no text."""


def why(
    plan: QueryPlan, request: Request, call: Call, point_id: Id, *, second: Reranking | None = None
) -> Explanation:
    """Follow one point through a query whose texts are embedded.

    ``point_id`` is an integer or a UUID in any spelling; the answer has the engine's own. ``second`` reranks
    the candidates of a RERANK, and is called once, where the point exists; without it, the answer is about
    the candidates only, which are what the request brings. Raises what ``call`` and ``second`` raise.
    """
    asker = Asker(plan, request, call)
    found = asker.points([point_id])
    if not found:
        shard = " in the shards that SHARD names" if plan.shard else ""
        return Explanation(point_id, "no-point", f"there is no point {point_id} in {plan.collection}{shard}")
    key: Id = found[0]["id"]
    analysis = analyse(plan, request, call, runs=0)
    if not analysis.stages:
        return _fetched(key, analysis)
    asked = Asked(asker, key)
    asked.judge_conditions(report.run for report in analysis.stages)
    seen = _Seen(asked, analysis)
    standings = tuple(seen.standing(at) for at in range(len(analysis.stages)))
    if plan.second is not None and second is not None:
        return _reranked(seen, standings, plan.second, second())
    place = place_of(analysis.hits, key)
    if place is None:
        return Explanation(key, standings[0].outcome, seen.reason(standings), standings=standings)
    rank, hit = place[0] + analysis.offset, place[1]
    last = analysis.offset + len(analysis.hits)
    told = _told(analysis.stages[0].run, hit)
    return Explanation(key, "hit", f"point {key} is hit {rank} of {last}, {told}", rank, hit.score, standings)


def _fetched(key: Id, analysis: Analysis) -> Explanation:
    place = place_of(analysis.hits, key)
    if place is None:
        return Explanation(key, "filtered", f"point {key} is no hit: POINTS (…) does not name it")
    return Explanation(key, "hit", f"point {key} is hit {place[0]}: POINTS (…) names it", place[0])


def _reranked(
    seen: _Seen,
    standings: tuple[Standing, ...],
    second: SecondStage,
    order: Sequence[tuple[Id, float, float | None]],
) -> Explanation:
    """The answer where a second stage reorders what the root finds."""
    key = seen.key
    below = tuple(replace(one, depth=one.depth + 1) for one in standings)
    place = next(((rank, *one[1:]) for rank, one in enumerate(order, 1) if one[0] == key), None)
    if place is None:
        mine = Standing("RERANK", 0, "not-in-inputs", "it is none of the candidates")
        return Explanation(key, mine.outcome, seen.reason(standings), standings=(mine, *below))
    rank, first, judged = place
    offset, top = second.offset, len(order) if second.top is None else second.top
    told = "without a text and so behind the others" if judged is None else f"with score {_number(judged)}"
    mine = Standing("RERANK", 0, "found", f"rank {rank} of {len(order)}, {told}", rank, judged)
    if offset < rank <= offset + top:
        reason = f"point {key} is hit {rank} of {min(len(order), offset + top)}, {told}"
        score = first if judged is None else judged
        return Explanation(key, "hit", reason, rank, score, (mine, *below))
    slots = Slots(offset + top, "TOP", top, offset)
    if rank > offset:
        text, outcome = f"{mine.text}, and {slots.cut()}", "reranked"
    else:
        text, outcome = f"{mine.text}, and OFFSET {offset} leaves it out", "earlier-page"
        # Without TOP, the number of candidates is LIMIT and OFFSET, so that another OFFSET has others.
        slots = replace(slots, made=seen.plan.root.limit == offset + top)
    changes = (not slots.made and slots.taking(Stood.only(rank))) or ()
    mine = replace(mine, outcome=outcome, text=text, changes=changes)
    reason = f"point {key} is no hit: RERANK has it at {mine.told}"
    return Explanation(key, outcome, reason, standings=(mine, *below))


def _number(value: float) -> str:
    return f"{value:.6g}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _told(run: StageRun, one: Candidate) -> str:
    """What a stage orders the point by."""
    order = run.body["query"].get("order_by")
    if order is not None:
        return f"with {order['key']} = {one.order_value}"
    return f"with score {_number(one.score)}"


class _Seen:
    """Looks for the point in each stage, and for the reason where it is not there."""

    def __init__(self, asked: Asked, analysis: Analysis) -> None:
        self.asked, self.key, self.plan = asked, asked.key, analysis.plan
        self.grouped, self.offset = analysis.grouped, analysis.offset
        self.reports = analysis.stages
        self.runs = [report.run for report in analysis.stages]
        self.lists = [report.candidates for report in analysis.stages]

    def standing(self, at: int) -> Standing:
        """What became of the point in one stage."""
        run, found = self.runs[at], self.lists[at]
        place = place_of(found, self.key)
        if place is not None:
            rank, one = place
            text = f"rank {rank} of {len(found)}, {_told(run, one).removeprefix('with ')}"
            if at == 0 and not self.grouped and rank <= self.offset:
                text += f", and OFFSET {self.offset} leaves it out"
                stood = Stood.at("", one.score, rank, [_key(run, hit) for hit in found])
                changes = self.checked(at, self.slots(at).taking(stood) or (), run.body)
                return self.of(run, "earlier-page", text, rank, one.score, changes)
            return self.of(run, "found", text, rank, one.score)
        if not run.inputs:
            standing = self.searched(at)
        elif Fusion.of(run.body) is not None:
            standing = self.fused(at)
        else:
            standing = self.rescored(at)
        if at == 0 and self.grouped and standing.outcome in _BEFORE_GROUPS:
            return self.of_group(standing)
        return standing

    def of(
        self,
        run: StageRun,
        outcome: str,
        text: str,
        rank: int | None = None,
        score: float | None = None,
        changes: tuple[Change, ...] = (),
    ) -> Standing:
        """A standing in a stage."""
        return Standing(run.label, run.depth, outcome, text, rank, score, (), changes, run.paths[0])

    # -- the reason in a sentence

    def reason(self, standings: Sequence[Standing]) -> str:
        """Why the point is no hit, by the stages that did not give it."""
        if standings[0].outcome != "not-in-inputs":
            return f"point {self.key} is no hit: {standings[0].told}"
        causes: dict[str, list[str]] = {}
        for at in self.sources(0, standings):
            causes.setdefault(standings[at].told, []).append(standings[at].label)
        if len(causes) == 1:
            ((told, labels),) = causes.items()
            verb = "does" if len(labels) == 1 else "do"
            return f"point {self.key} is no hit, for {_listed(labels)} {verb} not give it: {told}"
        parts = [f"{_listed(labels)}: {told}" for told, labels in causes.items()]
        if len(parts) > _MOST_CAUSES:
            parts[_MOST_CAUSES - 1 :] = [f"and {len(parts) - _MOST_CAUSES + 1} other reasons"]
        return f"point {self.key} is no hit, for no stage gives it; {'; '.join(parts)}"

    def sources(self, at: int, standings: Sequence[Standing]) -> dict[int, None]:
        """The stages below one that have a reason of their own."""
        found: dict[int, None] = {}
        todo = list(reversed(self.runs[at].inputs))
        while todo:
            one = todo.pop()
            if standings[one].outcome == "not-in-inputs":
                todo += reversed(self.runs[one].inputs)
            else:
                found[one] = None
        return found

    # -- searches

    def searched(self, at: int) -> Standing:
        run = self.runs[at]
        failed = self.asked.failed(run)
        if failed:
            text = f"fails {' and '.join(map(str, failed))}"
            text += ", and the query names the point" if self.key in map(_spelled, run.named) else ""
            return replace(self.of(run, "filtered", text), failed=failed)
        if self.key in map(_spelled, run.named):
            text = "the query names the point, and Qdrant leaves out the points that a query names"
            return self.of(run, "named", text)
        return self.drawn(run) or self.lacks_vector(run) or self.ranked(at)

    def drawn(self, run: StageRun) -> Standing | None:
        if not isinstance(run.stage.target, nodes.Sample):
            return None
        return self.of(run, "chance", "the points are drawn by chance, and it was not drawn")

    def lacks_vector(self, run: StageRun) -> Standing | None:
        """Whether the point lacks the vector that a stage compares."""
        if not _by_vector(run.body):
            return None
        using = run.body.get("using") or ""
        (found,) = self.asked.matches([{"must": [{"has_vector": using}]}])
        if found:
            return None
        vector = f"the vector {using}" if using else "the unnamed vector"
        return self.of(run, "no-vector", f"it has no value of {vector}")

    def ranked(self, at: int) -> Standing:
        """Where the point would stand in a stage if LIMIT and SCORE THRESHOLD did not cut it off."""
        run, slots = self.runs[at], self.slots(at)
        if run.body["query"].get("mmr") is not None:
            slots = self.pool(at)
        body = {**run.body, "query": _without_mmr(run.body["query"])}
        open_body = {key: value for key, value in body.items() if key != "score_threshold"}
        most = {"limit": min(max(DEEPEST, slots.count + 1), _U32)}
        deep, *alone = self.asked.ask(
            _exact(open_body) | most,
            # Of what stands above a fusion no one point can be asked: alone, it is fused to other scores.
            *([] if run.inputs else [self.asked.alone(open_body), self.asked.alone(body)]),
        )
        place = place_of(deep, self.key)
        mine = alone[0][0] if alone and alone[0] else place and place[1]
        if mine is None:
            return self.unscored(at)
        keys = [_key(run, one) for one in deep]
        stood = Stood.at(_told(run, mine), mine.score, place and place[0], keys)
        if "score_threshold" in body:
            passes = (
                bool(alone[1]) if alone else any(map(self.asked.gives, (body | most, _exact(body) | most)))
            )
            behind = passes and bool(alone) and not self.asked.starts(deep, body)
            if behind or not passes:
                before = [*(one.score for one in deep[: stood.last]), mine.score]
                return self.below(at, slots, stood, before, behind=behind)
        if stood.rank is None:
            text = f"{stood.told} it would stand after the first {len(deep):,}, and {slots.cut()}"
            return self.of(run, "cut", text, None, mine.score)
        if stood.splits(slots.count, keys):
            # An approximate search may have ended with another one, and by other scores.
            ends = [_key(run, one) for one in self.lists[at][-1:]]
            if "mmr" in run.body["query"] or ends == [_key(run, mine)]:
                return self.cut(at, slots, stood, "tie")
        if stood.rank > slots.count:
            return self.cut(at, slots, stood, "cut")
        return self.diverse(at, stood) or self.missed(at, slots, stood)

    def diverse(self, at: int, stood: Stood) -> Standing | None:
        """Where MMR puts a candidate that its LIMIT cuts off; None where it is not among the candidates."""
        run, slots = self.runs[at], self.slots(at)
        if "mmr" not in run.body["query"]:
            return None
        (chosen,) = self.asked.ask({**run.body, "limit": self.pool(at).count})
        place = place_of(chosen, self.key)
        if place is None or stood.rank is None or place[0] <= slots.count:
            return None
        rank = place[0]
        text = f"{stood.told} it is candidate {stood.rank}, but MMR has it at rank {rank}, and {slots.cut()}"
        outcome = "diversity" if stood.rank <= slots.count else "cut"
        changes = self.checked(at, slots.taking(Stood.only(rank)) or (), {**run.body, "limit": rank})
        return self.of(run, outcome, text, rank, stood.score, changes)

    def missed(self, at: int, slots: Slots, stood: Stood) -> Standing:
        """What there are slots for, and what yet is not there."""
        run, rescored = self.runs[at], self.reports[at].rescored
        if run.inputs and self.unsteady(at):
            return self.swayed(at, stood)
        if rescored is not None and rescored.reason in EXPLAINED:
            return self.otherwise(at, stood, rescored.reason)
        if not _by_vector(run.body):
            return self.otherwise(at, stood, "unexplained")
        text = f"{stood.told} it has rank {stood.rank} in an exact search, and the approximate one missed it"
        room = self.room(at, slots, stood, _exact(run.body))
        changes = self.checked(at, (*_exactly(run.body), *room[0]), room[1]) if room else ()
        return self.of(run, "approximate", text, stood.rank, stood.score, changes)

    def unscored(self, at: int) -> Standing:
        """A point that the stage gives no score."""
        run = self.runs[at]
        query = run.body["query"]
        if "order_by" in query:
            return self.unordered(at)
        open_body = {key: value for key, value in run.body.items() if key != "score_threshold"}
        if run.inputs and self.asked.gives(self.asked.alone(open_body)):
            return self.swayed(at, Stood("", None))
        if "text" not in query and not (run.stage.vector is None or run.stage.vector.kind == "sparse"):
            return self.otherwise(at, Stood("", None), "unexplained")
        return self.of(run, "no-match", "it has nothing in common with what is searched for")

    def unordered(self, at: int) -> Standing:
        """A point that ORDER BY has no place for."""
        run = self.runs[at]
        order = run.body["query"]["order_by"]
        if "start_from" in order:
            whole = {key: value for key, value in order.items() if key != "start_from"}
            (found,) = self.asked.ask(self.asked.alone({**run.body, "query": {"order_by": whole}}))
            if found:
                start, value = order["start_from"], found[0].order_value
                text = f"{_told(run, found[0])} it stands before START FROM {show(start)}"
                changes: tuple[Change, ...] = ()
                if not isinstance(start, str):  # of a date, the engine's value is no date
                    body = {**run.body, "query": {"order_by": {**order, "start_from": value}}}
                    changes = self.checked(at, (Change("START FROM", value),), body)
                return self.of(run, "before-start", text, None, None, changes)
        return self.of(run, "no-value", f"it has no value of {order['key']} to order by")

    # -- what works on inputs

    def missing(self, at: int) -> Standing:
        run = self.runs[at]
        labels = list(dict.fromkeys(self.runs[one].label for one in run.inputs))
        verb = "does not give it" if len(labels) == 1 else "do not give it"
        return self.of(run, "not-in-inputs", f"{_listed(labels)} {verb}")

    def rescored(self, at: int) -> Standing:
        run = self.runs[at]
        if not any(place_of(self.lists[one], self.key) for one in run.inputs):
            return self.missing(at)
        return self.drawn(run) or self.lacks_vector(run) or self.ranked(at)

    def fused(self, at: int) -> Standing:
        run, slots, verdict = self.runs[at], self.slots(at), self.reports[at].verdict
        fusion = Fusion.of(run.body)
        assert fusion is not None and verdict is not None
        lists = [self.lists[one] for one in run.inputs]
        order: list[Fused] = fuse(fusion, lists, by_direction=verdict.by_direction)
        values: dict[Id, Any] = {}
        if fusion.method == "dbsf":  # which puts order values before scores
            for one in (one for found in lists for one in found):
                values.setdefault(one.id, one.order_value)
        scores = [one.score for one in order]
        keys = [rank_key(one, values.get(one.id)) for one in order]
        rank = next((rank for rank, one in enumerate(order, 1) if one.id == self.key), None)
        if rank is None:
            return self.missing(at)
        score = scores[rank - 1]
        stood = Stood.at(f"fused to score {_number(score)}", score, rank, keys)
        if "score_threshold" in run.body:
            # Qdrant stops at the first one that misses it.
            limit, before = f32(run.body["score_threshold"]), scores[: stood.last]
            if not min(before) >= limit:
                return self.below(at, slots, stood, before, behind=score >= limit)
        if stood.splits(slots.count, keys):
            return self.cut(at, slots, stood, "tie")
        if rank > slots.count or (self.grouped and at == 0):
            return self.cut(at, slots, stood, "outranked")
        reasons = {one.id: one.reason for one in verdict.differences}
        reason = reasons.get(self.key, "unexplained")
        return self.swayed(at, stood) if reason in ("ties", "rounding") else self.otherwise(at, stood, reason)

    # -- standings

    def slots(self, at: int) -> Slots:
        return slots_of(self.runs[at], self.plan)

    def pool(self, at: int) -> Slots:
        """The slots for the candidates of MMR."""
        run, slots = self.runs[at], self.slots(at)
        given = run.body["query"]["mmr"].get("candidates_limit")
        return slots if given is None else Slots(given, "CANDIDATES", given)

    def cut(self, at: int, slots: Slots, stood: Stood, outcome: str) -> Standing:
        """A point that a limit keeps out, or, where the outcome is a tie, perhaps keeps out."""
        run = self.runs[at]
        if outcome == "tie":
            text = f"{stood.told} it is equal to the last one, and chance decides which of them are taken"
        else:
            text = f"{stood.told} it would stand at rank {stood.rank}, and {slots.cut()}"
        room = self.room(at, slots, stood, run.body)
        changes = self.checked(at, *room) if room else ()
        return self.of(run, outcome, text, stood.rank, stood.score, changes)

    def room(
        self, at: int, slots: Slots, stood: Stood, body: Mapping[str, Any]
    ) -> tuple[tuple[Change, ...], dict[str, Any]] | None:
        """What makes room for the point in a body, and the body with it; None where no words do.

        CANDIDATES make room for what MMR chooses from, and then a LIMIT may be needed as well.
        """
        taken = slots.taking(stood)
        if taken is None:
            return None
        query, limit = body["query"], self.runs[at].limit
        if "candidates_limit" not in query.get("mmr", {}):
            return taken, {**body, "limit": max(limit, stood.last)}
        most = max(slots.count, stood.last)
        wider = {**body, "query": {**query, "mmr": {**query["mmr"], "candidates_limit": most}}}
        place = place_of(self.asked.ask(_exact(wider) | {"limit": most})[0], self.key)
        chosen = self.slots(at).taking(Stood.only(place[0])) if place else None
        if place is None or chosen is None:
            return None
        return (*taken, *chosen), {**wider, "limit": max(limit, place[0])}

    def below(
        self, at: int, slots: Slots, stood: Stood, before: Sequence[float], *, behind: bool
    ) -> Standing:
        """A point that the threshold keeps out. ``before`` are the scores down to its own.

        ``behind`` says that its own score does not miss the threshold, but one before it.
        """
        run = self.runs[at]
        threshold = run.body["score_threshold"]
        misses = "it stands behind one that misses" if behind else "it misses"
        text = f"{stood.told} {misses} SCORE THRESHOLD {show(threshold)}"
        if stood.rank is not None:
            text += f", and without that it would stand at rank {stood.rank}"
        changes: tuple[Change, ...] = ()
        for value in _loosened(before, threshold) if stood.rank is not None else ():
            room = self.room(at, slots, stood, {**run.body, "score_threshold": value})
            if room and not changes:
                changes = self.checked(at, (Change("SCORE THRESHOLD", value), *room[0]), room[1])
        return self.of(run, "below-threshold", text, stood.rank, stood.score, changes)

    def swayed(self, at: int, stood: Stood) -> Standing:
        """A point that is there or not by the order of equals in the stages below."""
        text = "among equals in the stages below, chance decides, and this time the point was left out"
        return self.of(self.runs[at], "tie", text, stood.rank, stood.score)

    def otherwise(self, at: int, stood: Stood, reason: str) -> Standing:
        """A point that should be there by what the stages below give, and is not."""
        outcome = {"sample": "chance", "nondeterminism": "chance"}.get(reason, reason)
        outcome = outcome if outcome in ("chance", "shards") else "unexplained"
        text = "the stages below have it, but " if self.runs[at].inputs else ""
        return self.of(self.runs[at], outcome, f"{text}{EXPLAINED[reason]}", stood.rank, stood.score)

    # -- changes

    def checked(self, at: int, changes: tuple[Change, ...], body: Mapping[str, Any]) -> tuple[Change, ...]:
        """The changes, where the body with them gives the point; with an exact search, where only both do.

        None where that cannot be said: among equals chance decides, GROUP BY has slots of its own, and HYBRID
        and a trailing FORMULA take more candidates for a greater LIMIT.
        """
        run = self.runs[at]
        made = any(self.runs[one].stage.origin for one in (at, *run.inputs))
        if not changes or made or (at == 0 and self.grouped) or self.unsteady(at):
            return ()
        said, slots = {change.word: change.value for change in changes}, self.slots(at)
        start, size = int(said.get("OFFSET", slots.offset)), int(said.get("LIMIT", slots.limit))
        page = range(start, start + size) if at == 0 else range(_U32)
        body = {**body, "limit": page.stop} if at == 0 else body
        found, exact = (place_of(one, self.key) for one in self.asked.ask(body, _exact(body)))
        if found and found[0] - 1 in page:
            return changes
        return (*changes, *_exactly(body)) if exact and exact[0] - 1 in page else ()

    def unsteady(self, at: int) -> bool:
        """Whether equals below a stage leave to chance what it works on."""
        below, todo = set(), list(self.runs[at].inputs)
        while todo:
            one = todo.pop()
            if one not in below:
                below.add(one)
                todo += self.runs[one].inputs
        return not below.isdisjoint(self.uneven)

    @cached_property
    def uneven(self) -> frozenset[int]:
        """The stages that have equals, also where LIMIT parts them, and those that draw by chance."""
        runs = list(enumerate(self.runs))[1:]
        wider = self.asked.ask(*({**run.body, "limit": min(run.limit + 1, _U32)} for _, run in runs))
        return frozenset(
            at
            for (at, run), found in zip(runs, wider, strict=True)
            if isinstance(run.stage.target, nodes.Sample)
            or len({_key(run, one) for one in found}) < len(found)
        )

    # -- groups

    def of_group(self, standing: Standing) -> Standing:
        """Where GROUP BY makes the hits: what keeps the point's group, or the point in it, from them."""
        run, group_by = self.runs[0], self.asked.group_by
        slots = self.slots(0)
        size = run.limit // (slots.limit + slots.offset)
        values = self.asked.group_values()
        if not values:
            text = f"its {group_by} makes no group: groups are made of texts and whole numbers"
            return self.of(run, "no-group", text, None, standing.score)
        taken = slots.limit + slots.offset
        every = self.asked.groups(limit=max(DEEPEST // size, taken))
        mine = [(rank, one) for rank, one in enumerate(every, 1) if one["id"] in values]
        inside = [(rank, one["id"], None) for rank, one in mine if self.key in _members(one)]
        places = [(rank, one["id"], self.place_in_group(one["id"])) for rank, one in mine]
        beyond = [one for one in places if one[2] is not None]
        near = [one for one in beyond if one[0] <= taken]
        if not (inside or beyond) or (inside and slots.offset < inside[0][0] <= taken):
            return standing
        if inside and (inside[0][0] <= taken or not near):
            rank, value, place = inside[0]
        else:
            rank, value, place = min(near, key=lambda one: one[2] or 0) if near else beyond[0]
        changes = self.checked_groups(rank, place)
        named, outcome = f"its group {show(value)}", "group-cut"
        if rank > taken:
            text = f"{named} stands at rank {rank} of the groups, and {slots.cut()}"
            return self.of(run, outcome, text, rank, standing.score, changes)
        if place is None:
            text = f"{named} stands at rank {rank} of the groups, and OFFSET {slots.offset} leaves it out"
            return self.of(run, "earlier-page", text, rank, standing.score, changes)
        text = f"it stands at rank {place} of {named}, and SIZE {size} cuts it off"
        return self.of(run, "group-full", text, place, standing.score, changes)

    def place_in_group(self, value: int | str) -> int | None:
        """The rank of the point among those of a group; the last one, where it has equals."""
        held = {"must": [{"key": self.asked.group_by, "match": {"value": value}}]}
        most = {"limit": DEEPEST, "with_payload": False}
        order, members = self.asked.ask(
            {**self.runs[0].body, **most}, {"filter": held, **most} | self.asked.asker.shared
        )
        ids = {one.id for one in members}
        mine = [one for one in order if one.id in ids]
        place = place_of(mine, self.key)
        return place and Stood.at("", 0.0, place[0], [_key(self.runs[0], one) for one in mine]).last

    def checked_groups(self, rank: int, place: int | None) -> tuple[Change, ...]:
        """LIMIT or OFFSET, and SIZE, that let the point in, as far as they are needed and it can be said."""
        slots = self.slots(0)
        stood = Stood.only(rank)
        paged = replace(slots, count=slots.limit + slots.offset).taking(stood)
        made = any(self.runs[one].stage.origin for one in self.runs[0].inputs)
        if paged is None or (made and rank > slots.limit + slots.offset) or self.unsteady(0):
            return ()
        changed = {"limit": max(rank, slots.limit + slots.offset)}
        changed |= {} if place is None else {"group_size": place}
        if not any(self.key in _members(one) for one in self.asked.groups(**changed)):
            return ()
        return (*paged, *([] if place is None else [Change("SIZE", place)]))


_BEFORE_GROUPS = ("cut", "outranked", "approximate", "tie", "diversity", "unexplained")
"""What may become of the root of a query with GROUP BY, which works on the list before it is grouped."""


def _members(group: Mapping[str, Any]) -> list[Id]:
    return [hit["id"] for hit in group["hits"]]


def _spelled(key: Id) -> Id:
    """An id as the engine spells it."""
    return str(uuid.UUID(key)) if isinstance(key, str) else key


def _goes_by_value(run: StageRun) -> bool:
    """Whether a stage's order is that of a field's values."""
    fusion = Fusion.of(run.body)
    return isinstance(run.stage.target, nodes.OrderBy) or (fusion is not None and fusion.method == "dbsf")


def _key(run: StageRun, one: Candidate) -> tuple[bool, Any]:
    """What a stage orders a point by."""
    return rank_key(one, one.order_value if _goes_by_value(run) else None)


_BY_VECTOR = ("nearest", "recommend", "discover", "context", "relevance_feedback")


def _by_vector(body: Mapping[str, Any]) -> bool:
    return any(key in body["query"] for key in _BY_VECTOR)


def _exact(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with an exact search of all points where it searches a vector."""
    if not _by_vector(body):
        return dict(body)
    return {**body, "params": {**(body.get("params") or {}), "exact": True, "indexed_only": False}}


def _exactly(body: Mapping[str, Any]) -> tuple[Change, ...]:
    """The parameters that make a search exact."""
    partial = (body.get("params") or {}).get("indexed_only")
    return (Change("exact", True), *([Change("indexed_only", False)] if partial else []))


def _without_mmr(query: Mapping[str, Any]) -> Mapping[str, Any]:
    """The search that finds the candidates of MMR; every other query as it is."""
    return {"nearest": query["nearest"]} if "mmr" in query else query


def _loosened(scores: Sequence[float], threshold: float) -> list[float]:
    """Thresholds of few digits that all scores pass: below them, and above, where a threshold is the most."""
    limit = f32(threshold)
    if not all(map(math.isfinite, scores)):
        return []
    lower, upper = _beyond(min(scores), -1), _beyond(max(scores), 1)
    return [value for value, looser in ((lower, lower < limit), (upper, upper > limit)) if looser]


def _beyond(score: float, sign: int) -> float:
    digits = 2 - math.floor(math.log10(abs(score))) if score else 6
    step = 10.0**-digits
    value = round(round(score / step) * step, digits)
    for more in count(1):
        if (f32(value) - score) * sign > 0:
            break
        value = round((round(score / step) + sign * more) * step, digits)
    return value
