"""QUERY … ELSE QUERY …: the queries as they are asked one after another, and when the next one is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from qql import nodes
from qql.compiler.plan import Context, QueryPlan, stage_key
from qql.compiler.scalars import count_limit, number_of
from qql.errors import Diagnostic, fail, many
from qql.records import NamedTuple, replace
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE

__all__ = [
    "MAX_QUERIES",
    "Weakness",
    "check_branches",
    "queries_of",
    "told_of",
    "warnings_of",
    "weaknesses_of",
    "when_asked",
]

MAX_QUERIES = 16
"""Queries that ELSE joins, at most: each may be asked, and each may have all stages in front."""
_DISTANCES = ("Euclid", "Manhattan")


class Weakness(NamedTuple):
    """When the answer of a query is too weak: the query behind ELSE is asked then.

    ``hits`` is how many it has to bring at least, ``score`` what the score of its first hit has to reach: at
    least that, or with ``distance`` at most. An answer without hits is weak in any case.
    """

    hits: int | None = None
    score: float | None = None
    distance: bool = False

    def words(self, what: str) -> str:
        """As a condition: ``query 1 brings fewer than 3 hits, or its best score is below 0.5``."""
        few = "no hits" if self.hits is None else f"fewer than {many(self.hits, 'hit')}"
        worse = "above" if self.distance else "below"
        poor = "" if self.score is None else f", or its best score is {worse} {self.score:g}"
        return f"{what} brings {few}{poor}"

    def found_in(self, hits: int, best: float | None) -> str | None:
        """Why an answer of ``hits`` hits, the first of which has the score ``best``, is weak; None if it is
        not.
        """
        if not hits:
            return "no hits"
        if self.hits is not None and hits < self.hits:
            return f"{many(hits, 'hit')} of at least {self.hits}"
        if self.score is None or best is None or math.isnan(best):
            return None
        if best > self.score if self.distance else best < self.score:
            return (
                f"a best score of {best:g}, which is {'above' if self.distance else 'below'} {self.score:g}"
            )
        return None


def weaknesses_of(statement: nodes.Fallback) -> list[Weakness]:
    """What each query but the first waits for. Raises `QQLPlanError`."""
    return [_weakness(one) for one in statement.others]


def _weakness(branch: nodes.ElseBranch) -> Weakness:
    score = number_of(branch.score, "BEST SCORE")
    if score is not None and not math.isfinite(score):
        fail("bad-number", "BEST SCORE takes a finite number", branch.span)
    return Weakness(count_limit(branch.hits, "HITS", 1), score, branch.distance)


# ------------------------------------------------------------------------------------ the queries


def queries_of(statement: nodes.Fallback) -> Iterator[nodes.Query]:
    """The queries, each complete: with the stages in front of the first, and its collection.

    A stage of a query's own goes before one of the same name in front. Raises `QQLPlanError`
    (``too-many-queries``).
    """
    if len(statement.others) >= MAX_QUERIES:
        span = statement.others[MAX_QUERIES - 1].span
        fail("too-many-queries", f"ELSE joins {MAX_QUERIES} queries at most", span)
    first = statement.first
    yield first
    for branch in statement.others:
        query = branch.query
        own = {stage_key(cte.name) for cte in query.ctes}
        front = tuple(cte for cte in first.ctes if stage_key(cte.name) not in own)
        yield replace(query, ctes=(*front, *query.ctes), source=query.source or first.source)


def warnings_of(statement: nodes.Fallback, said: Sequence[Sequence[Diagnostic]]) -> list[Diagnostic]:
    """What is said of the queries, each once. A stage in front is unused where no query uses it."""
    front = {cte.name.span for cte in statement.first.ctes}
    everywhere = set.intersection(*(set(warnings) for warnings in said))
    found = dict.fromkeys(one for warnings in said for one in warnings)
    return [one for one in found if one.code != "unused-stage" or one.span not in front or one in everywhere]


def when_asked(statement: nodes.Fallback) -> list[str]:
    """Of each query, when it is asked."""
    weak = weaknesses_of(statement)
    later = [f"asked when {one.words(f'query {at}')}" for at, one in enumerate(weak, 1)]
    return ["asked first", *later]


def told_of(statement: nodes.Fallback) -> str:
    """What the requests of a statement are, to who sends them without a session."""
    parts = [
        f"request {number} is for when {one.words(f'request {number - 1}')}"
        for number, one in enumerate(weaknesses_of(statement), 2)
    ]
    return f"ELSE is carried out by a session: {'; '.join(parts)}"


# ------------------------------------------------------------------------------------ checks


def check_branches(statement: nodes.Fallback, plans: Sequence[QueryPlan], context: Context) -> None:
    """Raises `QQLPlanError` for a condition that holds, or does not, whatever a query brings."""
    weak = weaknesses_of(statement)
    for branch, one, plan in zip(statement.others, weak, plans, strict=False):
        if branch.hits is not None and one.hits is not None:
            _check_hits(branch.hits, one.hits, plan)
        if branch.score is not None:
            _check_score(branch, branch.score, plan)
    queries = (statement.first, *(branch.query for branch in statement.others))
    for before, _ in pairwise(queries):
        if before.offset is not None:
            hint = "leave OFFSET out, and take a larger LIMIT"
            message = "behind OFFSET, ELSE counts the hits of this page alone: a last page has few or none"
            context.warn("fallback-offset", message, before.offset.span, hint)


def _check_hits(written: nodes.Scalar, wanted: int, plan: QueryPlan) -> None:
    most = _most_hits(plan)
    if most is not None and wanted > most:
        message = f"the query before brings at most {many(most, 'hit')}, so it would never answer"
        fail("never-answers", message, written.span, f"write HITS < {most}, or give it a larger LIMIT")


def _most_hits(plan: QueryPlan) -> int | None:
    """The most hits that a query can bring; None where nobody says."""
    target = plan.root.target
    if isinstance(target, nodes.Points):
        return None if isinstance(target.ids, nodes.Param) else len(target.ids)
    if plan.second is not None:
        top = plan.second.top
        return plan.root.limit if top is None else top
    if plan.groups_here is not None:
        return plan.groups_here.limit * plan.groups_here.size
    limit = DEFAULT_LIMIT if plan.root.limit is None else plan.root.limit
    if plan.group is None:
        return limit
    size = count_limit(plan.group.size, "SIZE", 1)
    return limit * (GROUP_SIZE if size is None else size)


def _check_score(branch: nodes.ElseBranch, written: nodes.Scalar, plan: QueryPlan) -> None:
    direction = _direction(plan)
    if direction == "none":
        message = "the query before gives its hits no score to compare"
        fail("no-score", message, written.span, "write ELSE WHEN HITS < n, or ELSE alone")
    wanted = "lower" if branch.distance else "higher"
    if direction in ("unknown", wanted):
        return
    vector, sign = plan.root.vector, "<" if branch.distance else ">"
    here = f"by {vector.distance}" if vector is not None and vector.distance in _DISTANCES else "here"
    message = f"{direction} scores are better {here}, so this would hold for good hits"
    hint = f"write BEST SCORE {sign} {written.value}: it holds for scores that are worse"
    fail("score-direction", message, written.span, hint)


def _direction(plan: QueryPlan) -> str:
    """Whether ``higher`` or ``lower`` scores are better; ``none`` where there are none, else ``unknown``."""
    root = plan.root
    target = root.target
    if plan.second is not None or root.fusion is not None:
        return "higher"
    if target is None or isinstance(target, (nodes.Points, nodes.OrderBy, nodes.Sample)):
        return "none"
    if isinstance(target, (nodes.Recommend, nodes.RelevanceFeedback)):
        strategy = getattr(target, "strategy", None)
        by_distance = strategy is None or str(strategy.text).lower() == "average_vector"
        if isinstance(target, nodes.RelevanceFeedback) or not by_distance:
            return "unknown"
    elif not isinstance(target, (nodes.Mmr, nodes.Input)):
        return "higher"
    if root.vector is None:
        return "unknown"
    return "lower" if root.vector.distance in _DISTANCES else "higher"
