"""Clauses that have no meaning where they stand: in a stage, beside ORDER BY, for POINTS."""

from __future__ import annotations

from operator import attrgetter

from qql import nodes
from qql.errors import fail, shown

__all__ = ["NOT_IN_STAGES", "check_order", "check_points", "check_stage"]


NOT_IN_STAGES = {
    "offset": "OFFSET",
    "group": "GROUP BY",
    "shard": "SHARD",
    "payload": "WITH PAYLOAD",
    "vectors": "WITH VECTOR",
    "provenance": "WITH PROVENANCE",
}
"""Clauses that a stage does not take, by the field that they fill."""


_read_those = attrgetter(*NOT_IN_STAGES)


def check_stage(stage: nodes.Query, collection: str) -> None:
    for name, word in NOT_IN_STAGES.items() if any(_read_those(stage)) else ():
        clause = getattr(stage, name)
        if clause is not None:
            hint = f"{word} belongs to the query that FROM belongs to"
            fail("misplaced-clause", f"{word} has no meaning in a stage", clause.span, hint)
    if stage.source is not None and str(stage.source.text) != collection:
        message = f"a stage cannot read `{stage.source.text}`: the query reads `{collection}`"
        hint = "Qdrant prefetches within one collection; LOOKUP FROM takes a query's vector from another"
        fail("stage-collection", message, stage.source.span, hint)
    if isinstance(stage.target, nodes.Points):
        hint = "WHERE id IN (…) restricts a stage to some points"
        fail("misplaced-target", "POINTS fetches points; it is no search", stage.target.span, hint)


def check_order(target: nodes.Target | None, threshold: nodes.Scalar | None) -> None:
    """ORDER BY has no scores to cut: servers refuse a threshold there."""
    if isinstance(target, nodes.OrderBy) and threshold is not None:
        message = "SCORE THRESHOLD cannot stand with ORDER BY, whose points have no score to compare"
        hint = f"leave points out by the field: WHERE {target.name.text} >= {shown(threshold.value)}"
        fail("misplaced-clause", message, threshold.span, hint)


def check_points(query: nodes.Query) -> None:
    """POINTS (…) is a fetch: clauses of a search would be ignored, so they are refused."""
    for name, word in {
        "using": "USING",
        "where": "WHERE",
        "threshold": "SCORE THRESHOLD",
        "lookup": "LOOKUP FROM",
        "limit": "LIMIT",
        "offset": "OFFSET",
        "fusion": "FUSION",
        "formula": "FORMULA",
        "group": "GROUP BY",
        "provenance": "WITH PROVENANCE",
    }.items():
        clause = getattr(query, name)
        if clause is not None:
            hint = "to search among some points, use WHERE id IN (…)"
            fail("misplaced-clause", f"{word} has no meaning for POINTS (…)", clause.span, hint)
    if query.prefetch:
        fail("misplaced-clause", "PREFETCH has no meaning for POINTS (…)", query.prefetch[0].span)
