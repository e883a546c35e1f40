"""RERANK: the query that finds its candidates, and what is done with them."""

from __future__ import annotations

from qql import nodes
from qql.compiler.plan import Context, SecondStage, stage_key
from qql.compiler.scalars import count_limit, text_of
from qql.errors import fail, many
from qql.records import replace
from qql.rest.limits import DEFAULT_LIMIT

__all__ = ["plan_rerank"]

_MOST_CANDIDATES = 10_000


def plan_rerank(
    query: nodes.Query, rerank: nodes.Rerank, context: Context
) -> tuple[nodes.Query, SecondStage]:
    """The query that finds the candidates of a RERANK, and the second stage itself.

    LIMIT is the number of candidates and TOP that of the hits; without TOP all candidates are hits. CROSS
    RERANK has no search of its own: its candidates are all that its stages find, and LIMIT is the hits'.
    """
    if query.group is not None:  # FUSE FIRST or not
        hint = "rerank without GROUP BY, or group without RERANK"
        fail("misplaced-clause", "RERANK reorders hits, not groups", query.group.span, hint)
    text = rerank.text or getattr(query.target, "text", None)
    if not isinstance(text, nodes.Scalar):
        hint = "write RERANK 'what is asked' MODEL 'name'"
        related = ((query.target.span, "this is no text"),) if query.target is not None else ()
        message = "RERANK needs a text to compare the hits with"
        fail("rerank-without-text", message, rerank.span, hint, related)
    model = text_of(rerank.model, "MODEL") if rerank.model else context.reranker
    if model is None:
        hint = "write RERANK MODEL 'name', or give --rerank-model; MODEL 'local/overlap' needs no files"
        message = "no model is known that reranks"
        if context.collections is not None:  # there is an engine, so it is to be carried out
            fail("no-model", message, rerank.span, hint)
        context.warn("no-model", message, rerank.span, hint)
    top = count_limit(rerank.top, "TOP", 1)
    offset = count_limit(query.offset, "OFFSET", 0) or 0
    limit = count_limit(query.limit, "LIMIT", 1) or DEFAULT_LIMIT
    if query.target is None and query.fusion is None:
        if not query.prefetch:
            hint = "name the stages whose hits are rescored: PREFETCH (dense), PREFETCH (QUERY WHERE …)"
            fail("rerank-without-prefetch", "CROSS RERANK needs a PREFETCH", rerank.span, hint)
        top = limit if top is None else top
        candidates = sum(_stage_limit(ref, query, context) for ref in query.prefetch)
        query = replace(query, fusion=nodes.Fusion("rrf", span=rerank.span))
    else:
        candidates = limit + (offset if top is None else 0)
        top = limit if top is None else top
    if candidates < top + offset:
        message = f"{many(candidates, 'candidate')} cannot give {many(top + offset, 'hit')}"
        context.warn("few-candidates", message, rerank.span, "LIMIT is the number of candidates, TOP of hits")
    if candidates > _MOST_CANDIDATES:
        message = f"RERANK reads the text of {candidates:,} candidates; the limit is {_MOST_CANDIDATES:,}"
        fail("too-many-candidates", message, rerank.span, "a smaller LIMIT, or TOP n for the hits")
    name = str(rerank.name.text) if rerank.name else None
    second = SecondStage(text_of(text, "the text of RERANK"), model, rerank.span, name, top, offset)
    most = nodes.Scalar(candidates, span=query.limit.span if query.limit else rerank.span)
    return replace(query, rerank=None, limit=most, offset=None), second


def _stage_limit(ref: nodes.Ref, query: nodes.Query, context: Context) -> int:
    """How many hits a reference can bring, at most."""
    stage = ref.stage
    if isinstance(stage, nodes.Name):
        known = {stage_key(cte.name): cte for cte in (*context.stages.values(), *query.ctes)}
        cte = known.get(stage_key(stage))
        if cte is None:
            return 0  # that it is unknown is said when the stages are built
        stage = cte.stage
    return count_limit(stage.limit, "LIMIT", 1) or DEFAULT_LIMIT
