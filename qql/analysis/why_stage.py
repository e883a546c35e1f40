"""WHY of one stage: where the point stands in its list, or what kept it out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qql import nodes
from qql.analysis.fusion import Fusion, RankKey, fuse, rank_keys
from qql.analysis.model import EXPLAINED, Candidate
from qql.analysis.placement import Placement, Slots
from qql.analysis.point_queries import DEEPEST, place_of
from qql.analysis.query_body import compares_vectors, exact_search, mmr_of, plain_search, without_threshold
from qql.analysis.text import digits, joined
from qql.analysis.why_changes import exact_changes, looser_thresholds, room_for, verified_changes
from qql.analysis.why_group import standing_in_groups
from qql.analysis.why_result import Change, Standing
from qql.analysis.why_trace import StageTrace, placed_by
from qql.records import NamedTuple, replace
from qql.rest.fusion import f32
from qql.rest.limits import U32
from qql.rest.types import JsonObject
from qql.syntax.printer import show

__all__ = ["standing_in"]


def standing_in(stage: StageTrace) -> Standing:
    """What became of the point in one stage."""
    place = stage.place()
    if place is not None:
        return _found(stage, *place)
    if not stage.run.inputs:
        standing = _absent_from_search(stage)
    elif Fusion.of(stage.run.body) is not None:
        standing = _absent_from_fusion(stage)
    else:
        standing = _absent_from_rescoring(stage)
    return standing_in_groups(stage, standing) if stage.makes_groups else standing


def _found(stage: StageTrace, rank: int, one: Candidate) -> Standing:
    """A point in the list of a stage; the root's OFFSET may yet leave it out."""
    text = f"rank {rank} of {len(stage.found)}, {placed_by(stage, one).removeprefix('with ')}"
    offset = stage.trace.analysis.offset
    if stage.at or stage.makes_groups or rank > offset:
        return stage.standing("found", text, rank, one.score)
    text += f", and OFFSET {offset} leaves it out"
    place = Placement.among("", one.score, rank, stage.keys(stage.found))
    changes = verified_changes(stage, stage.slots.changes_for(place) or (), stage.run.body)
    return stage.standing("earlier-page", text, rank, one.score, changes)


# ------------------------------------------------------------------------------------ searches


def _absent_from_search(stage: StageTrace) -> Standing:
    """Of a stage that searches the collection."""
    failed = stage.trace.conditions.failed(stage.run)
    named = f"named by {joined(stage.named_by)}" if stage.named_by else ""
    if failed:
        text = f"fails {' and '.join(map(str, failed))}"
        text += f", and is {named}" if named else ""
        return replace(stage.standing("filtered", text), failed=failed)
    if named:
        text = f"excluded: {named}; the points that a stage names are in no stage of the query"
        return stage.standing("named", text)
    return _drawn(stage) or _ranked(stage)


def _drawn(stage: StageTrace) -> Standing | None:
    """Of SAMPLE."""
    if not isinstance(stage.run.stage.target, nodes.Sample):
        return None
    return stage.standing("chance", "the points are drawn by chance, and it was not drawn")


def _without_vector(stage: StageTrace) -> Standing | None:
    """Whether the point lacks the vector that a stage compares."""
    if not compares_vectors(stage.run.body):
        return None
    using = stage.run.body.get("using") or ""
    (found,) = stage.point.matches([{"must": [{"has_vector": using}]}])
    if found:
        return None
    vector = f"the vector {using}" if using else "the unnamed vector"
    return stage.standing("no-vector", f"it has no value of {vector}")


# ------------------------------------------------------------------------------------ ranks


_SHALLOW = 1000
"""How far an exact search goes at first: most points that are asked about stand within it."""
_ROUNDING = 1e-4
"""By what part of it the score of a point alone may differ from its score among others, at most: one by one,
engines add up the products of vectors in another order."""


class _DeepSearch(NamedTuple):
    """An exact search far beyond the limit of a stage; ``place`` is the point's in ``found``.

    ``body`` is the stage's own; of MMR, that of the search for its candidates. ``passes`` says whether the
    point, asked for alone, passes the threshold; None above a fusion, where it would have another score.
    """

    body: JsonObject
    limit: int
    found: tuple[Candidate, ...]
    keys: list[RankKey]
    place: Placement
    passes: bool | None


def _ranked(stage: StageTrace) -> Standing:
    """Where the point would stand in a stage if LIMIT and SCORE THRESHOLD did not cut it off."""
    search = _search_deep(stage)
    if search is None:  # what has a score has the vector: it need not be asked about
        return _without_vector(stage) or _unscored(stage)
    return (
        _cut_by_threshold(stage, search)
        or _cut_by_limit(stage, search)
        or _cut_by_diversity(stage, search.place)
        or _missed(stage, search.place)
    )


def _search_deep(stage: StageTrace) -> _DeepSearch | None:
    """The search with the point in it; None where the stage gives the point no score."""
    known = stage.trace.searched
    if stage.at not in known:
        known[stage.at] = _searched_deep(stage)
    found: _DeepSearch | None = known[stage.at]
    return found


def _searched_deep(stage: StageTrace) -> _DeepSearch | None:
    body = plain_search(stage.run.body)
    least = stage.candidate_slots.count + 1
    limit = min(max(DEEPEST, least), U32)
    first = min(max(_SHALLOW, least), limit)
    open_body = without_threshold(body)
    # Of what stands above a fusion no one point can be asked: alone, it is fused to other scores.
    asked = [] if stage.run.inputs else [stage.point.alone(open_body)]
    if asked and open_body != body:
        asked.append(stage.point.alone(body))
    alone = stage.point.queries(*asked)
    if alone and not alone[0]:
        return None
    exact = exact_search(open_body)
    found = _down_to(stage, exact, alone[0][0].score, first) if alone and compares_vectors(body) else ()
    if not found:
        (found,) = stage.point.queries(exact | {"limit": first})
    if len(found) == first < limit and _goes_on(stage, found):
        (found,) = stage.point.queries(exact | {"limit": limit})
    place = place_of(found, stage.key)
    mine = alone[0][0] if alone and alone[0] else place and place[1]
    if mine is None:
        return None
    keys = stage.keys(found)
    placement = Placement.among(placed_by(stage, mine), mine.score, place and place[0], keys)
    return _DeepSearch(body, limit, found, keys, placement, bool(alone[-1]) if alone else None)


def _down_to(stage: StageTrace, body: JsonObject, score: float, limit: int) -> tuple[Candidate, ...]:
    """What a search has down to the score that the point has alone; nothing where the point is not there,
    as with quantized vectors and with scores that go the other way than the thresholds of their metric.

    Most of what an exact search gives stands behind the point, and is not worth being read.
    """
    if not math.isfinite(score):
        return ()
    vector = stage.run.stage.vector
    by_distance = vector is not None and vector.distance in ("Euclid", "Manhattan")
    slack = abs(score) * _ROUNDING + _ROUNDING / 100
    threshold = score + slack if by_distance else score - slack
    (found,) = stage.point.queries(body | {"score_threshold": threshold, "limit": limit})
    return found if len(found) == limit or place_of(found, stage.key) else ()


def _goes_on(stage: StageTrace, found: Sequence[Candidate]) -> bool:
    """Whether the point, or an equal of it, may stand behind the end of a list."""
    place = place_of(found, stage.key)
    return place is None or stage.keys([place[1]]) == stage.keys(found[-1:])


def _cut_by_threshold(stage: StageTrace, search: _DeepSearch) -> Standing | None:
    body, place, point = search.body, search.place, stage.point
    if "score_threshold" not in body:
        return None
    if search.passes is None:
        wide = {"limit": search.limit}
        passes, behind = point.gives(body | wide) or point.gives(exact_search(body) | wide), False
    else:
        passes = search.passes
        behind = passes and not point.first_passes(search.found, body)
    if passes and not behind:
        return None
    assert place.score is not None
    before = [*(one.score for one in search.found[: place.last]), place.score]
    return _below_threshold(stage, stage.candidate_slots, place, before, behind=behind)


def _cut_by_limit(stage: StageTrace, search: _DeepSearch) -> Standing | None:
    place, slots = search.place, stage.candidate_slots
    if place.rank is None:
        text = f"{place.by} it would stand after the first {len(search.found):,}, and {slots.cut_text()}"
        return stage.standing("cut", text, None, place.score)
    if place.is_split(slots.count, search.keys):
        # An approximate search may have ended with another one, and by other scores.
        ends = stage.keys(stage.found[-1:])
        if mmr_of(stage.run.body) is not None or ends == [search.keys[place.rank - 1]]:
            return _beyond_slots(stage, slots, place, "tie")
    return _beyond_slots(stage, slots, place, "cut") if place.rank > slots.count else None


def _cut_by_diversity(stage: StageTrace, place: Placement) -> Standing | None:
    """Where MMR puts a candidate that its LIMIT cuts off; None where it is not among the candidates."""
    run, slots = stage.run, stage.slots
    if mmr_of(run.body) is None:
        return None
    (chosen,) = stage.point.queries({**run.body, "limit": stage.candidate_slots.count})
    found = place_of(chosen, stage.key)
    if found is None or place.rank is None or found[0] <= slots.count:
        return None
    rank = found[0]
    text = f"{place.by} it is candidate {place.rank}, but MMR has it at rank {rank}, and {slots.cut_text()}"
    outcome = "diversity" if place.rank <= slots.count else "cut"
    changes = slots.changes_for(Placement.alone(rank)) or ()
    changes = verified_changes(stage, changes, {**run.body, "limit": rank})
    return stage.standing(outcome, text, rank, place.score, changes)


def _missed(stage: StageTrace, place: Placement) -> Standing:
    """What there are slots for, and what yet is not there."""
    body, rescored = stage.run.body, stage.report.rescored
    if stage.run.inputs and stage.depends_on_chance:
        return _left_to_chance(stage, place)
    if rescored is not None and rescored.reason in EXPLAINED:
        return _given_but_absent(stage, place, rescored.reason)
    if not compares_vectors(body):
        return _given_but_absent(stage, place, "unexplained")
    text = f"{place.by} it has rank {place.rank} in an exact search, and the approximate one missed it"
    room = room_for(stage, stage.candidate_slots, place, exact_search(body))
    changes = verified_changes(stage, (*exact_changes(body), *room[0]), room[1]) if room else ()
    return stage.standing("approximate", text, place.rank, place.score, changes)


def _unscored(stage: StageTrace) -> Standing:
    """A point that the stage gives no score."""
    run = stage.run
    query = run.body.get("query") or {}
    if "order_by" in query:
        return _unordered(stage)
    if run.inputs and stage.point.gives(stage.point.alone(without_threshold(run.body))):
        return _left_to_chance(stage, Placement("", None))
    if "text" not in query and not (run.stage.vector is None or run.stage.vector.kind == "sparse"):
        return _given_but_absent(stage, Placement("", None), "unexplained")
    return stage.standing("no-match", "it has nothing in common with what is searched for")


def _unordered(stage: StageTrace) -> Standing:
    """A point that ORDER BY has no place for."""
    body = stage.run.body
    order = body["query"]["order_by"]
    if "start_from" in order:
        whole = {key: value for key, value in order.items() if key != "start_from"}
        (found,) = stage.point.queries(stage.point.alone({**body, "query": {"order_by": whole}}))
        if found:
            start, value = order["start_from"], found[0].order_value
            text = f"{placed_by(stage, found[0])} it stands before START FROM {show(start)}"
            changes: tuple[Change, ...] = ()
            if value is not None and not isinstance(start, str):  # of a date, the engine's value is no date
                wider = {**body, "query": {"order_by": {**order, "start_from": value}}}
                changes = verified_changes(stage, (Change("START FROM", value),), wider)
            return stage.standing("before-start", text, None, None, changes)
    return stage.standing("no-value", f"it has no value of {order['key']} to order by")


# ------------------------------------------------------------------------------------ what works on inputs


def _not_in_inputs(stage: StageTrace) -> Standing:
    labels = list(dict.fromkeys(one.run.label for one in stage.inputs))
    verb = "does not give it" if len(labels) == 1 else "do not give it"
    return stage.standing("not-in-inputs", f"{joined(labels)} {verb}")


def _absent_from_rescoring(stage: StageTrace) -> Standing:
    """Of a stage that scores what its inputs found again."""
    if not any(one.place() for one in stage.inputs):
        return _not_in_inputs(stage)
    return _drawn(stage) or _ranked(stage)


def _absent_from_fusion(stage: StageTrace) -> Standing:
    """Of a fusion, by its recomputed list."""
    fusion, verdict, slots = Fusion.of(stage.run.body), stage.report.verdict, stage.slots
    assert fusion is not None and verdict is not None
    order = fuse(fusion, [one.found for one in stage.inputs], by_direction=verdict.by_direction)
    rank = next((rank for rank, one in enumerate(order, 1) if one.id == stage.key), None)
    if rank is None:
        return _not_in_inputs(stage)
    keys, scores = rank_keys(order, fusion.by_value), [one.score for one in order]
    score = scores[rank - 1]
    place = Placement.among(f"fused to score {digits(score, 6)}", score, rank, keys)
    if "score_threshold" in stage.run.body:
        # Qdrant stops at the first one that misses it.
        threshold, before = f32(stage.run.body["score_threshold"]), scores[: place.last]
        if not min(before) >= threshold:
            return _below_threshold(stage, slots, place, before, behind=score >= threshold)
    if place.is_split(slots.count, keys):
        return _beyond_slots(stage, slots, place, "tie")
    if rank > slots.count or stage.makes_groups:
        return _beyond_slots(stage, slots, place, "outranked")
    reason = next((one.reason for one in verdict.differences if one.id == stage.key), "unexplained")
    if reason in ("ties", "rounding"):
        return _left_to_chance(stage, place)
    return _given_but_absent(stage, place, reason)


# ------------------------------------------------------------------------------------ reasons


def _beyond_slots(stage: StageTrace, slots: Slots, place: Placement, outcome: str) -> Standing:
    """A point that a limit keeps out, or, where the outcome is a tie, perhaps keeps out."""
    if outcome == "tie":
        text = f"{place.by} it is equal to the last one, and chance decides which of them are taken"
    else:
        text = f"{place.by} it would stand at rank {place.rank}, and {slots.cut_text()}"
    room = room_for(stage, slots, place, stage.run.body)
    changes = verified_changes(stage, *room) if room else ()
    return stage.standing(outcome, text, place.rank, place.score, changes)


def _below_threshold(
    stage: StageTrace, slots: Slots, place: Placement, before: Sequence[float], *, behind: bool
) -> Standing:
    """A point that the threshold keeps out. ``before`` are the scores down to its own.

    ``behind`` says that its own score does not miss the threshold, but one before it.
    """
    body = stage.run.body
    threshold = body["score_threshold"]
    misses = "it stands behind one that misses" if behind else "it misses"
    text = f"{place.by} {misses} SCORE THRESHOLD {show(threshold)}"
    if place.rank is not None:
        text += f", and without that it would stand at rank {place.rank}"
    changes: tuple[Change, ...] = ()
    for value in _looser_thresholds(stage, before) if place.rank is not None else ():
        room = room_for(stage, slots, place, {**body, "score_threshold": value})
        if room and not changes:
            changes = verified_changes(stage, (Change("SCORE THRESHOLD", value), *room[0]), room[1])
    return stage.standing("below-threshold", text, place.rank, place.score, changes)


def _looser_thresholds(stage: StageTrace, before: Sequence[float]) -> list[float]:
    """Thresholds that may let the point in; where they are not tried in the stage, that of its direction."""
    body = stage.run.body
    values = looser_thresholds(before, body["score_threshold"])
    if not stage.trace.tries_whole or len(values) < 2:
        return values
    alone = [stage.point.alone({**body, "score_threshold": value}) for value in values]
    return [value for value, one in zip(values, alone, strict=True) if stage.point.gives(one)] or values


def _left_to_chance(stage: StageTrace, place: Placement) -> Standing:
    """A point that is there or not by the order of equals in the stages below."""
    text = "among equals in the stages below, chance decides, and this time the point was left out"
    return stage.standing("tie", text, place.rank, place.score)


def _given_but_absent(stage: StageTrace, place: Placement, reason: str) -> Standing:
    """A point that should be there by what the stages below give, and is not."""
    outcome = _OUTCOMES.get(reason, "unexplained")
    text = "the stages below have it, but " if stage.run.inputs else ""
    return stage.standing(outcome, f"{text}{EXPLAINED[reason]}", place.rank, place.score)


_OUTCOMES = {"sample": "chance", "nondeterminism": "chance", "shards": "shards", "mmr": "shards"}
"""Reason of a `Difference` → outcome of a `Standing`."""
