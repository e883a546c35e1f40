"""Each stage of a query as a line of `logging`: its kind, its limit, and what is known of what it gave.

No line holds a text, a vector or a value of a query: names, numbers of points and scores alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qql import nodes
from qql.analysis.model import Analysis, Candidate
from qql.compiler.plan import QueryPlan, Stage
from qql.errors import many
from qql.rest.limits import DEFAULT_LIMIT
from qql.result import Result

__all__ = ["lines_of_analysis", "lines_of_plan", "lines_of_rerank", "stage_line"]


def stage_line(
    label: str, stage: Stage, limit: int, found: Sequence[Candidate], ms: float | None = None
) -> str:
    """A stage that was asked by itself: what it gave, and the milliseconds that it took."""
    scores = None if _has_no_scores(stage) else [one.score for one in found]
    return _line(label, _kind_of(stage), limit, len(found), scores, ms)


def lines_of_analysis(found: Analysis) -> Iterator[str]:
    """Every stage of a query, the lowest first, and its RERANK."""
    for one in reversed(found.stages):
        ms = one.timing.p50 if one.timing is not None else None
        yield stage_line(one.label, one.run.stage, one.run.limit, one.candidates, ms)
    if (second := found.second) is not None:
        scores = [one.second_score for one in second.hits if one.second_score is not None]
        ms = second.timing.p50 if second.timing is not None else None
        what = f"by {second.model}, {many(len(second.order), 'candidate')}"
        yield _line("rerank", what, None, len(second.hits), scores, ms)


def lines_of_plan(plan: QueryPlan, result: Result, ms: float | None) -> Iterator[str]:
    """The stages of a query that was asked as a whole, of which the answer shows the root's hits alone."""
    for stage in plan.stages:
        limit = stage.limit or DEFAULT_LIMIT
        if stage is not plan.root:
            yield _line(stage.label, _kind_of(stage), limit)
            continue
        silent = _has_no_scores(stage) or plan.group is not None
        scores = None if silent else [hit.score for hit in result.hits if hit.score is not None]
        yield _line(stage.label, _kind_of(stage), limit, len(result), scores, ms)


def lines_of_rerank(model: str | None, before: Result, after: Result, ms: float) -> Iterator[str]:
    """The second stage, which a session carries out."""
    scores = [hit.second_stage_score for hit in after.hits if hit.second_stage_score is not None]
    yield _line("rerank", f"by {model}, {many(len(before), 'candidate')}", None, len(after), scores, ms)


def _line(
    label: str,
    kind: str,
    limit: int | None,
    hits: int | None = None,
    scores: Sequence[float] | None = None,
    ms: float | None = None,
) -> str:
    parts = [f"{label}: {kind}"]
    parts += [f"limit {limit}"] if limit is not None else []
    parts += [many(hits, "hit")] if hits is not None else []
    parts += [f"scores {scores[0]:.4g} to {scores[-1]:.4g}"] if scores else []
    parts += [f"{ms:.1f} ms"] if ms is not None else []
    return ", ".join(parts)


def _kind_of(stage: Stage) -> str:
    """What a stage does, without what it does it with: ``search on dense``."""
    if stage.fusion:
        return f"fuse by {stage.fusion.upper()}"
    if stage.target is None:
        return "points by their ids"
    if stage.text_field is not None:
        return f"match on {stage.text_field}"
    if isinstance(stage.target, nodes.Input):
        what = "rescore" if stage.inputs else "search"
    else:
        what = nodes.TARGETS[type(stage.target)].words.lower()
    return f"{what} on {stage.using}" if stage.using else what


def _has_no_scores(stage: Stage) -> bool:
    """Whether the scores of its points say nothing."""
    return stage.by_id or isinstance(stage.target, nodes.OrderBy | nodes.Sample | nodes.Points)
