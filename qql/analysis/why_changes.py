"""What would let a point into a stage: LIMIT, OFFSET, SCORE THRESHOLD and an exact search, each verified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count

from qql.analysis.placement import Placement, Slots
from qql.analysis.point_queries import place_of
from qql.analysis.query_body import exact_search, mmr_of
from qql.analysis.why_result import Change
from qql.analysis.why_trace import StageTrace
from qql.rest.fusion import f32
from qql.rest.limits import U32
from qql.rest.types import Body, JsonObject

__all__ = ["MOST_CANDIDATES", "exact_changes", "looser_thresholds", "room_for", "verified_changes"]

MOST_CANDIDATES = 500
"""More candidates of MMR are not tried: it compares each with each."""


def verified_changes(stage: StageTrace, changes: tuple[Change, ...], body: Body) -> tuple[Change, ...]:
    """The changes, where the body with them gives the point; with an exact search, where only both do.

    None where that cannot be said: among equals chance decides, GROUP BY has slots of its own, and HYBRID
    and a trailing FORMULA take more candidates for a greater LIMIT.
    """
    if stage.trace.tries_whole:
        return changes
    made = any(one.run.stage.origin for one in (stage, *stage.inputs))
    if not changes or made or stage.makes_groups or stage.depends_on_chance:
        return ()
    root, slots = stage.at == 0, stage.slots
    new = {change.word: change.value for change in changes}
    start, size = int(new.get("OFFSET", slots.offset)), int(new.get("LIMIT", slots.limit))
    page = range(start, start + size) if root else range(U32)
    body = {**body, "limit": page.stop} if root else body
    found, exact = (place_of(one, stage.key) for one in stage.point.queries(body, exact_search(body)))
    if found and found[0] - 1 in page:
        return changes
    return (*changes, *exact_changes(body)) if exact and exact[0] - 1 in page else ()


def room_for(
    stage: StageTrace, slots: Slots, place: Placement, body: Body
) -> tuple[tuple[Change, ...], JsonObject] | None:
    """What makes room for the point in a body, and the body with it; None where no words do.

    CANDIDATES make room for what MMR chooses from, and then a LIMIT may be needed as well.
    """
    taken = slots.changes_for(place)
    if taken is None:
        return None
    limit, mmr = stage.run.limit, mmr_of(body)
    if mmr is None or "candidates_limit" not in mmr:
        return taken, {**body, "limit": max(limit, place.last)}
    most = max(slots.count, place.last)
    if most > max(slots.count, MOST_CANDIDATES):
        return None
    wider = {**body, "query": {**body["query"], "mmr": {**mmr, "candidates_limit": most}}}
    found = place_of(stage.point.queries(exact_search(wider) | {"limit": most})[0], stage.key)
    chosen = stage.slots.changes_for(Placement.alone(found[0])) if found else None
    if found is None or chosen is None:
        return None
    return (*taken, *chosen), {**wider, "limit": max(limit, found[0])}


def exact_changes(body: Body) -> tuple[Change, ...]:
    """The parameters that make a search exact."""
    partial = (body.get("params") or {}).get("indexed_only")
    return (Change("exact", True), *([Change("indexed_only", False)] if partial else []))


def looser_thresholds(scores: Sequence[float], threshold: float) -> list[float]:
    """Thresholds of few digits that all scores pass: below them, and above, where a threshold is the most."""
    limit = f32(threshold)
    if not all(map(math.isfinite, scores)):
        return []
    lower, upper = _number_beyond(min(scores), -1), _number_beyond(max(scores), 1)
    return [value for value, looser in ((lower, lower < limit), (upper, upper > limit)) if looser]


def _number_beyond(score: float, sign: int) -> float:
    """A number of few digits that is a little greater than a score, or for −1 a little less."""
    digits = 2 - math.floor(math.log10(abs(score))) if score else 6
    step = 10.0**-digits
    value = round(round(score / step) * step, digits)
    for more in count(1):
        if (f32(value) - score) * sign > 0:
            break
        value = round((round(score / step) + sign * more) * step, digits)
    return value
