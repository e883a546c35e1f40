"""An analysis as text for people, and as JSON for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from qql.analysis.ablation import Ablation
from qql.analysis.attribution import Provenance
from qql.analysis.compare import EXPLAINED, Verdict
from qql.analysis.fusion import Candidate
from qql.analysis.measure import Analysis, Reached, Scores, StageReport, Timing
from qql.analysis.second import SecondStageReport
from qql.explanation import Branch, stage_details, stage_does, tree_lines
from qql.merged import Filters
from qql.schema import Schema

__all__ = ["analysis_dict", "analysis_lines", "provenance_dict", "provenance_lines"]

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN_RANKS = 12
_BAR = 20
_SHOWN_DIFFERENCES = 3
_SHOWN_OVERLAPS = 4


# ------------------------------------------------------------------------------------ JSON


def analysis_dict(analysis: Analysis) -> dict[str, Any]:
    """An analysis as JSON data. Keys are added in later versions, never renamed or removed.

    ``{"version": 1, "collection", "offset", "grouped", "timing", "hits", "stages", "ablation", "second",
    "notes"}``

    * ``timing``: ``{"runs", "p50_ms", "p95_ms", "server_ms"}`` or null.
    * ``hits``: ``[{"id", "rank", "score"}]``, the query's answer; ranks from offset + 1.
    * ``stages``: the root first, then in the order of the request, each
      ``{"label", "paths", "depth", "inputs", "limit", "returned", "unused", "timing", "scores", "in_hits",
      "exclusive", "overlaps", "fusion", "rescored", "candidates", "notes"}``:
      ``paths`` are the stage's places as lists of positions in PREFETCH, ``inputs`` the labels of what feeds
      it; ``scores``: ``{"min", "median", "max", "histogram"}`` or null; ``in_hits``: ``[{"id", "rank",
      "stage_rank"}]``; ``exclusive``: ``{"candidates": number, "hits": [id]}``; ``overlaps``: ``[{"stage",
      "count", "jaccard"}]``; ``fusion``: null or ``{"same", "verdict", "compared", "differences": [{"id",
      "rank", "score", "expected", "reason"}]}``; ``rescored``: null or ``{"union", "kept", "strangers":
      [id], "reason"}``; ``candidates``: ``[{"id", "score"[, "order_value"]}]``.
    * ``ablation``: ``[{"without", "overlap", "entered": [id], "left": [id], "moved": [{"id", "before",
      "after"}], "hits": [{"id", "score"}]}]``, empty unless it was asked for.
    * ``second``: null, or what RERANK did, whose answer ``hits`` are then: ``{"model", "candidates", "texts",
      "timing", "hits": [{"id", "rank", "first_rank", "first_score", "second_score"}], "ranges": [{"low",
      "high", "candidates", "hits", "share"}]}``; ``texts`` counts the candidates that have a text,
      ``timing`` is the model's, ``ranges`` are first-stage scores, the best first, with the hits' share.
    * ``notes``: sentences about what the engine does otherwise than the text says.
    """
    return {
        "version": 1,
        "collection": analysis.plan.collection,
        "offset": analysis.offset,
        "grouped": analysis.grouped,
        "timing": _timing(analysis.timing),
        "hits": [
            {"id": hit.id, "rank": rank, "score": hit.score if analysis.stages else None}
            for rank, hit in enumerate(analysis.hits, analysis.offset + 1)
        ],
        "stages": [_stage(analysis, stage) for stage in analysis.stages],
        "ablation": [_ablation(one) for one in analysis.ablation],
        "second": analysis.second and _second(analysis.second),
        "notes": list(analysis.notes),
    }


def _stage(analysis: Analysis, stage: StageReport) -> dict[str, Any]:
    scores, verdict, rescored = stage.scores, stage.verdict, stage.rescored
    return {
        "label": stage.label,
        "paths": [list(path) for path in stage.run.paths],
        "depth": stage.run.depth,
        "inputs": [one.label for one in analysis.inputs_of(stage)],
        "limit": stage.run.limit,
        "returned": stage.returned,
        "unused": stage.unused,
        "timing": _timing(stage.timing),
        "scores": scores
        and {
            "min": scores.low,
            "median": scores.median,
            "max": scores.high,
            "histogram": list(scores.histogram),
        },
        "in_hits": [one._asdict() for one in stage.reached],
        "exclusive": {
            "candidates": len(stage.exclusive),
            "hits": [one.id for one in stage.exclusive_hits],
        },
        "overlaps": [
            {"stage": one.label, "count": one.count, "jaccard": one.jaccard} for one in stage.overlaps
        ],
        "fusion": verdict and _verdict(verdict),
        "rescored": rescored
        and {
            "union": rescored.union,
            "kept": rescored.kept,
            "strangers": list(rescored.strangers),
            "reason": rescored.reason,
        },
        "candidates": [_candidate(one) for one in stage.candidates],
        "notes": list(stage.run.notes),
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    found = {"id": one.id, "score": one.score}
    return found if one.order_value is None else found | {"order_value": one.order_value}


def _timing(timing: Timing | None) -> dict[str, Any] | None:
    if timing is None:
        return None
    return {
        "runs": timing.runs,
        "p50_ms": timing.p50,
        "p95_ms": timing.p95,
        "server_ms": timing.server,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "same": verdict.same,
        "verdict": verdict.text,
        "compared": verdict.compared,
        "differences": [
            {
                "id": one.id,
                "rank": one.rank,
                "score": one.score,
                "expected": one.expected,
                "reason": one.reason,
            }
            for one in verdict.differences
        ],
    }


def _second(second: SecondStageReport) -> dict[str, Any]:
    return {
        "model": second.model,
        "candidates": len(second.order),
        "texts": second.texts,
        "timing": _timing(second.timing),
        "hits": [one._asdict() for one in second.hits],
        "ranges": [one._asdict() for one in second.ranges],
    }


def _ablation(one: Ablation) -> dict[str, Any]:
    return {
        "without": one.label,
        "overlap": one.overlap,
        "entered": list(one.entered),
        "left": list(one.left),
        "moved": [move._asdict() for move in one.moved],
        "hits": [{"id": hit.id, "score": hit.score} for hit in one.order],
    }


def provenance_dict(found: Provenance) -> dict[str, Any]:
    """A hit's provenance as JSON data: ``{"id", "rank", "score", "recomposed", "stages": […]}``.

    Each stage is ``{"stage", "path", "rank", "score", "contribution", "share"}``.
    """
    return {
        "id": found.id,
        "rank": found.rank,
        "score": found.score,
        "recomposed": found.recomposed,
        "stages": [share.to_dict() for share in found.shares],
    }


# ------------------------------------------------------------------------------------ text


def analysis_lines(analysis: Analysis, width: int = 100, schema: Schema | None = None) -> list[str]:
    """The stages as a tree, the root first, each with what it did; lines are cut to ``width`` characters.

    By the schema, the fields of filters are said to be indexed or not.
    """
    count = len(analysis.hits)
    took = f" in {_took(analysis.timing)}" if analysis.timing else ""
    lines = [f"Query on {analysis.plan.collection}: {count} hit{'' if count == 1 else 's'}{took}"]
    if analysis.stages:
        lines += tree_lines(_branch(analysis, 0, Filters(schema), set()))
    if analysis.second is not None:
        lines += _second_lines(analysis.second)
    for one in analysis.ablation:
        lines += _ablation_lines(one, count if analysis.second is None else len(analysis.second.order))
    for note in analysis.notes:
        lines += textwrap.wrap(f"note: {note}", width, subsequent_indent="    ")
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def _branch(analysis: Analysis, at: int, told: Filters, shown: set[int]) -> Branch:
    """A stage as EXPLAIN shows it, and below that what it did."""
    run = analysis.stages[at].run
    title = f"{run.label}: {stage_does(run.stage)}"
    title += f"  [emitted {len(run.paths)} times, run once]" if len(run.paths) > 1 else ""
    if at in shown:
        return Branch(title, ("as above",))
    shown.add(at)
    details = (*stage_details(analysis.plan, run.chain, told), *_details(analysis, at))
    return Branch(title, details, tuple(_branch(analysis, one, told, shown) for one in run.inputs))


def _details(analysis: Analysis, at: int) -> Iterator[str]:
    report = analysis.stages[at]
    yield _returned(report, analysis.grouped and at == 0)
    if at or analysis.second is not None:
        yield _reached(report, len(analysis.hits))
        shared = sorted((one for one in report.overlaps if one.count), key=lambda one: -one.jaccard)
        if shared:
            named = (f"{one.label} {one.count} ({one.jaccard:.0%})" for one in shared[:_SHOWN_OVERLAPS])
            more = len(shared) - _SHOWN_OVERLAPS
            yield f"in common with {', '.join(named)}" + (f" and {more} more" if more > 0 else "")
    if report.rescored is not None:
        rescored = report.rescored
        line = f"kept {rescored.kept} of the {rescored.union} points of its inputs"
        if rescored.strangers:
            because = EXPLAINED.get(str(rescored.reason), str(rescored.reason))
            line += f"; {len(rescored.strangers)} of its points are in none of them: {because}"
        yield line
    if report.verdict is not None:
        yield report.verdict.text
        wrong = [one for one in report.verdict.differences if one.reason in EXPLAINED]
        for one in wrong[:_SHOWN_DIFFERENCES]:
            yield f"  {one.id}: engine {_number(one.score)}, recomposed {_number(one.expected)}"
        if len(wrong) > _SHOWN_DIFFERENCES:
            yield f"  … and {len(wrong) - _SHOWN_DIFFERENCES} more"


def _returned(report: StageReport, grouped: bool) -> str:
    if grouped:
        parts = [f"returned {report.returned} points in groups"]
    else:
        parts = [f"returned {report.returned} of {report.run.limit}"]
        if report.unused:
            parts[0] += f" ({report.unused} slot{'' if report.unused == 1 else 's'} unused)"
    if report.timing is not None:
        parts.append(_took(report.timing))
    if report.scores is not None:
        parts.append(_scores(report.scores))
    return " · ".join(parts)


def _took(timing: Timing) -> str:
    text = f"{timing.p50:.1f} ms"
    if timing.runs > 1:
        text = f"p50 {timing.p50:.1f} ms, p95 {timing.p95:.1f} ms ({timing.runs} runs)"
    return text + (f", server {timing.server:.1f} ms" if timing.server is not None else "")


def _scores(scores: Scores) -> str:
    if scores.low == scores.high:
        return f"scores {_number(scores.low)}"
    most = max(scores.histogram)
    bars = "".join(
        _BARS[round(count / most * (len(_BARS) - 1))] if count else " " for count in scores.histogram
    )
    return f"scores {_number(scores.low)} … {_number(scores.high)} {bars}"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


def _reached(report: StageReport, hits: int) -> str:
    count = len(report.reached)
    text = f"{count} of {hits} final hit{'' if hits == 1 else 's'}"
    if count:
        text += f", from rank{'' if count == 1 else 's'} {_ranks(report.reached)}"
    only = len(report.exclusive_hits)
    return text + (f"; {only} found by no other stage" if only else "")


def _ranks(reached: tuple[Reached, ...]) -> str:
    ranks = sorted(one.stage_rank for one in reached)
    shown = ", ".join(map(str, ranks[:_SHOWN_RANKS]))
    return shown + (f" … {ranks[-1]}" if len(ranks) > _SHOWN_RANKS else "")


def _second_lines(second: SecondStageReport) -> Iterator[str]:
    count = len(second.hits)
    cost = ""
    if second.timing is not None:
        each = f", {second.timing.p50 / second.texts:.2f} ms a text" if second.texts else ""
        cost = f" · {_took(second.timing)}{each}"
    yield f"then reranked by {second.model}: {count} of {len(second.order)} candidates{cost}"
    without = len(second.order) - second.texts
    if without:
        yield f"    {without} of them without a text, behind the others"
    if count:
        yield "    where the final hits stood among the first stage's scores:"
        bounds = [(_number(one.low), _number(one.high)) for one in second.ranges]
        low, high = (max(len(pair[side]) for pair in bounds) for side in (0, 1))
        for one, pair in zip(second.ranges, bounds, strict=True):
            bar = "█" * round(one.share * _BAR)
            some = f"{one.hits} of {one.candidates} candidate{'' if one.candidates == 1 else 's'}"
            line = f"      {pair[0]:>{low}} … {pair[1]:>{high}}: {one.share:4.0%} ({some}) {bar}"
            yield line.rstrip()
        moved = ", ".join(f"{one.id} {one.first_rank}→{one.rank}" for one in second.hits[:_SHOWN_RANKS])
        yield f"    ranks before and after: {moved}" + (" …" if count > _SHOWN_RANKS else "")


def provenance_lines(found: Sequence[Provenance]) -> list[str]:
    """The hits, each with the stages that have it and their shares of its score."""
    lines = ["provenance:"] if found else []
    for hit in found:
        lines.append(f"  {hit.rank}. {hit.id}, score {_number(hit.score)}")
        for one in hit.shares:
            if one.rank is not None and one.path:
                part = "" if one.share is None else f", {one.share:.0%} of the score"
                place = f"rank {one.rank}, score {_number(one.score)}"
                lines.append(f"{'  ' * one.depth}    {one.label}: {place}{part}")
    return lines


def _ablation_lines(one: Ablation, hits: int) -> Iterator[str]:
    stayed = hits - len(one.left)
    yield f"without {one.label}: {one.overlap:.0%} of the hits remain ({stayed} of {hits})"
    if one.left:
        yield f"    left: {', '.join(map(str, one.left))}"
    if one.entered:
        yield f"    entered: {', '.join(map(str, one.entered))}"
    if one.moved:
        moves = (f"{move.id} {move.before}→{move.after}" for move in one.moved)
        yield f"    moved: {', '.join(moves)}"
