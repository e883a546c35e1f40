"""WHY id and WHY NOT id: where a point stood in every stage of a query, and what kept it out.

The engine itself is asked: whether a condition holds, by the point with that condition alone; for a score, by
the stage with the point alone; for a rank, by the stage with more slots.
"""

from __future__ import annotations

from collections.abc import Sequence

from qql.analysis.engine import Call, Engine
from qql.analysis.measure import analyse
from qql.analysis.model import Analysis, Id
from qql.analysis.placement import Placement, Slots
from qql.analysis.point_queries import PointQueries, place_of
from qql.analysis.score_parts import Words, score_parts
from qql.analysis.text import digits, joined
from qql.analysis.why_result import Explanation, Standing
from qql.analysis.why_stage import standing_in
from qql.analysis.why_trace import QueryTrace, placed_by
from qql.analysis.why_ways import Reranking, Rewriting, ways_in
from qql.compiler.plan import QueryPlan, SecondStage
from qql.records import replace
from qql.rest.request import Request
from qql.rest.types import Json

__all__ = ["why"]

_MOST_CAUSES = 4


def why(
    plan: QueryPlan,
    request: Request,
    call: Call,
    point_id: Id,
    *,
    second: Reranking | None = None,
    rewriting: Rewriting | None = None,
    remote: bool = False,
    words: Words | None = None,
) -> Explanation:
    """Follow one point through a query whose texts are embedded.

    ``point_id`` is an integer or a UUID in any spelling; the answer has the engine's own. ``second`` reranks
    the candidates of a RERANK, and is called where the point exists; without it, the answer is about
    the candidates only, which are what the request brings. With ``rewriting``, changes of the query are tried
    that would make the point a hit. ``remote``: the engine is a server. With ``words``, scores are divided
    into their parts, which it names (`score_parts`). Raises what ``call`` and ``second`` raise.
    """
    counted = _Counted(call)
    told = _why(
        plan, request, counted, point_id, second=second, rewriting=rewriting, remote=remote, words=words
    )
    return replace(told, calls=counted.calls)


class _Counted:
    """Calls of an engine, counted."""

    def __init__(self, call: Call) -> None:
        self.call, self.calls = call, 0

    def __call__(self, request: Request) -> Json:
        self.calls += 1
        return self.call(request)


def _why(
    plan: QueryPlan,
    request: Request,
    call: Call,
    point_id: Id,
    *,
    second: Reranking | None,
    rewriting: Rewriting | None,
    remote: bool,
    words: Words | None,
) -> Explanation:
    engine = Engine(plan, request, call, remote)
    found = engine.points([point_id], with_payload=True)
    if not found:
        shard = " in the shards that SHARD names" if plan.shard else ""
        return Explanation(point_id, "no-point", f"there is no point {point_id} in {plan.collection}{shard}")
    key: Id = found[0]["id"]
    analysis = analyse(plan, request, call, runs=0, remote=remote, compare=False)
    if not analysis.stages:
        return _why_fetched(key, analysis)
    trace = QueryTrace(PointQueries(engine, key, found[0].get("payload")), analysis)
    standings = tuple(map(standing_in, trace.stages))
    if words is not None:
        standings = tuple(_with_parts(trace, *one, words) for one in enumerate(standings))
    if plan.second is not None and second is not None:
        told = _why_reranked(trace, standings, plan.second, second(plan, request))
    else:
        told = _why_searched(trace, standings)
    if told.is_hit or rewriting is None:
        return told
    return replace(told, ways=ways_in(trace, rewriting, call, second))


def _with_parts(trace: QueryTrace, at: int, standing: Standing, words: Words) -> Standing:
    """A standing with the parts of its score, where the stage gave the point one."""
    if standing.score is None:
        return standing
    return replace(standing, parts=score_parts(trace.point, trace.stages[at].run, words))


def _why_searched(trace: QueryTrace, standings: tuple[Standing, ...]) -> Explanation:
    """The answer where the root's list has the hits."""
    key, analysis = trace.key, trace.analysis
    place = place_of(analysis.hits, key)
    if place is None:
        return Explanation(key, standings[0].outcome, _reason_text(trace, standings), standings=standings)
    rank, hit = place[0] + analysis.offset, place[1]
    last = analysis.offset + len(analysis.hits)
    reason = f"point {key} is hit {rank} of {last}, {placed_by(trace.stages[0], hit)}"
    return Explanation(key, "hit", reason, rank, hit.score, standings)


def _why_fetched(key: Id, analysis: Analysis) -> Explanation:
    place = place_of(analysis.hits, key)
    if place is None:
        return Explanation(key, "filtered", f"point {key} is no hit: POINTS (…) does not name it")
    return Explanation(key, "hit", f"point {key} is hit {place[0]}: POINTS (…) names it", place[0])


def _why_reranked(
    trace: QueryTrace,
    standings: tuple[Standing, ...],
    second: SecondStage,
    order: Sequence[tuple[Id, float, float | None]],
) -> Explanation:
    """The answer where a second stage reorders what the root finds."""
    key = trace.key
    below = tuple(replace(one, depth=one.depth + 1) for one in standings)
    place = next(((rank, *one[1:]) for rank, one in enumerate(order, 1) if one[0] == key), None)
    if place is None:
        mine = Standing("RERANK", 0, "not-in-inputs", "it is none of the candidates")
        return Explanation(key, mine.outcome, _reason_text(trace, standings), standings=(mine, *below))
    rank, first_score, second_score = place
    offset, top = second.offset, len(order) if second.top is None else second.top
    by = "without a text and so behind the others"
    if second_score is not None:
        by = f"with score {digits(second_score, 6)}"
    mine = Standing("RERANK", 0, "found", f"rank {rank} of {len(order)}, {by}", rank, second_score)
    if offset < rank <= offset + top:
        reason = f"point {key} is hit {rank} of {min(len(order), offset + top)}, {by}"
        score = first_score if second_score is None else second_score
        return Explanation(key, "hit", reason, rank, score, (mine, *below))
    # Without TOP, the number of candidates is LIMIT and OFFSET, so that another OFFSET has others.
    made = trace.plan.root.limit == offset + top
    mine = _beyond_page(mine, rank, Slots(offset + top, "TOP", top, offset, fixed=rank <= offset and made))
    reason = f"point {key} is no hit: RERANK has it at {mine.text}"
    return Explanation(key, mine.outcome, reason, standings=(mine, *below))


def _beyond_page(mine: Standing, rank: int, slots: Slots) -> Standing:
    """A candidate of RERANK that OFFSET or TOP leaves out."""
    text, outcome = f"{mine.text}, and OFFSET {slots.offset} leaves it out", "earlier-page"
    if rank > slots.offset:
        text, outcome = f"{mine.text}, and {slots.cut_text()}", "reranked"
    changes = (not slots.fixed and slots.changes_for(Placement.alone(rank))) or ()
    return replace(mine, outcome=outcome, text=text, changes=changes)


# ------------------------------------------------------------------------------------ the reason


def _reason_text(trace: QueryTrace, standings: Sequence[Standing]) -> str:
    """Why the point is no hit, by the stages that did not give it."""
    if standings[0].outcome != "not-in-inputs":
        return f"point {trace.key} is no hit: {standings[0].text}"
    causes: dict[str, list[str]] = {}
    for at in _sources(trace, standings):
        causes.setdefault(standings[at].text, []).append(standings[at].label)
    if len(causes) == 1:
        ((text, labels),) = causes.items()
        verb = "does" if len(labels) == 1 else "do"
        return f"point {trace.key} is no hit, for {joined(labels)} {verb} not give it: {text}"
    parts = [f"{joined(labels)}: {text}" for text, labels in causes.items()]
    if len(parts) > _MOST_CAUSES:
        parts[_MOST_CAUSES - 1 :] = [f"and {len(parts) - _MOST_CAUSES + 1} other reasons"]
    return f"point {trace.key} is no hit, for no stage gives it; {'; '.join(parts)}"


def _sources(trace: QueryTrace, standings: Sequence[Standing]) -> list[int]:
    """The stages below the root that have a reason of their own, each once."""
    found: dict[int, None] = {}
    todo = list(reversed(trace.stages[0].run.inputs))
    while todo:
        at = todo.pop()
        if standings[at].outcome == "not-in-inputs":
            todo += reversed(trace.stages[at].run.inputs)
        else:
            found[at] = None
    return list(found)
