"""What stands behind a pipeline's LIMIT: whether it cut a tie, and which points are as good as the last hit.

An answer cannot say it, since it ends at the LIMIT. So a query that filled its LIMIT is asked once more, for
some hits beyond it, and once more for many where the tie goes on to their end: two requests at most.
"""

from __future__ import annotations

import math
from itertools import takewhile

from qql import nodes
from qql.compiler.plan import QueryPlan
from qql.compiler.script import Compiled
from qql.errors import QQLError
from qql.evaluation.documents import Key, order_key
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.ties import TiedRanking, tied_ranking
from qql.records import dataclass
from qql.rest.limits import DEFAULT_LIMIT
from qql.result import Hit, Result

__all__ = ["Ranked", "ranked"]

_BEYOND = (20, 1000)
"""Hits behind the LIMIT that are asked for: at first, and where all of these are equals."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A query's ranking, and what its LIMIT did.

    ``edge``: ``clear`` (no tie was cut), ``cut``, ``candidates`` (the LIMIT below RERANK cut one: which texts
    are read is chance), ``unknown`` (nobody can say: GROUP BY, MMR, OFFSET, SAMPLE, or the engine refused).
    ``inner``: asked again, the stages below gave other scores, so that these are chance as well.
    """

    ranking: TiedRanking
    edge: str = "clear"
    inner: bool = False


def ranked(pipeline: Pipeline, asked: Compiled, found: Result, key: Key) -> Ranked:
    """The ranking of an answer; its last tie is completed where the LIMIT cut it.

    ``asked`` is what gave the answer, as `Pipeline.embedded` makes it. An engine that refuses to look further
    leaves the edge unknown. Raises what ``key`` raises.
    """
    asked = pipeline.answering(asked, found)
    plan = asked.plan
    assert plan is not None, "a pipeline's statement is a query"
    own = tied_ranking(found, key)
    if (
        plan.root.target is None and plan.root.fusion is None
    ):  # points in the order of their ids, all of score 1
        groups = tuple((one,) for one in own.ordered())
        return Ranked(TiedRanking(groups, min(len(groups), 1)))
    if not _is_by_rank(plan):
        return Ranked(own, "unknown")
    limit = (asked.requests[0].body or {}).get("limit", DEFAULT_LIMIT)
    if not found.hits or (plan.second is None and len(found.hits) < limit):
        return Ranked(own)
    try:
        return _looked_behind(pipeline, asked, found, key, own, limit)
    except QQLError:
        return Ranked(own, "unknown")


def _is_by_rank(plan: QueryPlan) -> bool:
    """Whether a larger LIMIT of the root gives the same hits and more behind them."""
    if plan.group is not None or plan.groups_here is not None or plan.offset:
        return False
    return not isinstance(plan.root.target, nodes.Points | nodes.Sample | nodes.Mmr)


def _looked_behind(
    pipeline: Pipeline, asked: Compiled, found: Result, key: Key, own: TiedRanking, limit: int
) -> Ranked:
    assert asked.plan is not None, "a pipeline's statement is a query"
    for more in _BEYOND:
        deeper = pipeline.ask_beyond(asked, more)
        equals = _equals_behind(deeper, limit)
        if len(equals) < more:
            break
    if asked.plan.second is not None:
        return Ranked(own, "candidates" if equals else "clear")
    inner = bool(asked.plan.root.inputs) and not _same_scores(found, deeper)
    behind = _left_out(found, deeper)
    if not behind:
        return Ranked(own, "cut" if equals else "clear", inner)
    return Ranked(tied_ranking(found, key, behind, is_open=len(equals) == more), "cut", inner)


def _equals_behind(deeper: Result, limit: int) -> list[Hit]:
    """The hits behind a LIMIT that are as good as the last one before it."""
    if len(deeper.hits) <= limit:
        return []
    rank = order_key(deeper)
    last = rank(deeper.hits[limit - 1])
    return [*takewhile(lambda hit: rank(hit) == last, deeper.hits[limit:])]


def _left_out(found: Result, deeper: Result) -> list[Hit]:
    """Hits that are as good as the last of an answer and not in it, wherever they stand in the deeper one."""
    rank, last = order_key(deeper), order_key(found)(found.hits[-1])
    own = {hit.id for hit in found.hits}
    return [hit for hit in deeper.hits if hit.id not in own and rank(hit) == last]


def _same_scores(found: Result, deeper: Result) -> bool:
    pairs = zip(found.hits, deeper.hits, strict=False)
    return all(
        one.score == other.score
        or (one.score is not None and other.score is not None and math.isclose(one.score, other.score))
        for one, other in pairs
    )
