"""An analysis as text for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from qql.analysis.ablation import Ablation
from qql.analysis.attribution import Provenance
from qql.analysis.explain import Branch, stage_details, stage_does, tree_lines, wrapped
from qql.analysis.fusion import Candidate
from qql.analysis.measure import Analysis, Reached, Scores, StageReport, Timing
from qql.analysis.recomposition import EXPLAINED, Verdict
from qql.analysis.rerank_report import SecondStageReport
from qql.compiler.effective_filters import Filters
from qql.schema import Schema

__all__ = ["analysis_dict", "analysis_lines", "provenance_dict", "provenance_lines"]

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 12
_IN_LIST = 250  # characters
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

    EXPLAIN ANALYZE adds ``warnings`` and ``advice``, as `explain_dict` has them, and for WITH PROVENANCE
    ``provenance``: for each hit what `provenance_dict` gives.
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


def analysis_lines(analysis: Analysis, width: int = 80, schema: Schema | None = None) -> list[str]:
    """The stages as a tree, the root first, each with what it did; what is longer than ``width`` goes on
    in the next line.

    By the schema, the fields of filters are said to be indexed or not.
    """
    count = len(analysis.hits)
    took = f" in {_took(analysis.timing)}" if analysis.timing else ""
    if analysis.timing is not None and analysis.second is not None and analysis.second.timing is not None:
        took += f" + RERANK {_ms(analysis.second.timing.p50)}"
    head = f"Query on {analysis.plan.collection}: {count} hit{'' if count == 1 else 's'}{took}"
    tree = _branch(analysis, 0, Filters(schema), set()) if analysis.stages else None
    below = [] if analysis.second is None else [*_second_lines(analysis.second)]
    for one in analysis.ablation:
        below += _ablation_lines(one, analysis)
    below += (f"note: {note}" for note in (*analysis.notes, *_about_times(analysis)))
    return [
        *wrapped([head], width),
        *(tree_lines(tree, width=width) if tree is not None else ()),
        *wrapped(below, width),
    ]


def _about_times(analysis: Analysis) -> Iterator[str]:
    if analysis.timing is not None and any(stage.run.inputs for stage in analysis.stages):
        yield "each stage was run by itself, so its time contains those below it"


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
    yield from _values(report)
    if (at or analysis.second is not None) and analysis.hits:
        yield _reached(report, len(analysis.hits), alone=not _others(analysis, at))
    if report.returned:
        yield from _common(report, _others(analysis, at))
    if report.rescored is not None:
        rescored = report.rescored
        line = f"kept {rescored.kept} of the {_points(rescored.union)} of its inputs"
        if rescored.strangers:
            because = EXPLAINED.get(str(rescored.reason), str(rescored.reason))
            line += f"; {len(rescored.strangers)} of its points are in none of them: {because}"
        yield line
    if report.verdict is not None:
        yield report.verdict.text
        wrong = [one for one in report.verdict.differences if one.reason in EXPLAINED]
        for one in wrong[:_SHOWN_DIFFERENCES]:
            place = f"rank {one.rank}, " if one.rank is not None else ""
            yield f"  {one.id}: {place}engine {_number(one.score)}, recomposed {_number(one.expected)}"
        if len(wrong) > _SHOWN_DIFFERENCES:
            yield f"  … and {len(wrong) - _SHOWN_DIFFERENCES} more"


def _others(analysis: Analysis, at: int) -> set[str]:
    """The stages that stand neither above nor below one: what they have in common is no matter of course."""
    paths = analysis.stages[at].run.paths
    return {
        other.label
        for other in analysis.stages
        if not any(a[: len(b)] == b[: len(a)] for a in other.run.paths for b in paths)
    }


def _points(count: int) -> str:
    return f"{count} point{'' if count == 1 else 's'}"


def _returned(report: StageReport, grouped: bool) -> str:
    text = f"returned {report.returned} of {report.run.limit}"
    if grouped:
        text = f"returned {_points(report.returned)} in groups"
    elif report.unused:
        text = f"used {report.returned} of {report.run.limit} slots, {report.unused} unused"
    return text if report.timing is None else f"{text} · {_times(report.timing)}"


def _common(report: StageReport, others: set[str]) -> Iterator[str]:
    """What a stage shares with those beside it, the most alike first."""
    beside = sorted((one for one in report.overlaps if one.label in others), key=lambda one: -one.jaccard)
    shared = [one for one in beside if one.count]
    if shared:
        named = [f"{one.label}: {one.count} (Jaccard {one.jaccard:.2f})" for one in shared[:_SHOWN_OVERLAPS]]
        more = len(shared) - _SHOWN_OVERLAPS
        yield f"in common with {', '.join(named)}" + (f" and {more} more" if more > 0 else "")
    if len(shared) < len(beside):
        rest = [one.label for one in beside if not one.count]
        names = ", ".join(rest) if len(rest) <= _SHOWN_OVERLAPS else f"{len(rest)} stages"
        yield f"nothing in common with {names}"


def _took(timing: Timing) -> str:
    return _times(timing) + (f" ({timing.runs} runs)" if timing.runs > 1 else "")


def _times(timing: Timing) -> str:
    text = _ms(timing.p50)
    if timing.runs > 1:
        text = f"p50 {text}, p95 {_ms(timing.p95)}"
    return text + (f", server {_ms(timing.server)}" if timing.server is not None else "")


def _ms(time: float) -> str:
    return f"{time:.{1 if time >= 1 else 2}f} ms"


def _values(report: StageReport) -> Iterator[str]:
    """The scores; of ORDER BY, under which all scores are the same, what it orders by."""
    ordered = [one.order_value for one in report.candidates if one.order_value is not None]
    if ordered and len(ordered) == report.returned:
        yield f"values {ordered[0]} … {ordered[-1]}"
    elif report.scores is not None:
        yield _scores(report.scores)


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


def _reached(report: StageReport, hits: int, *, alone: bool) -> str:
    """``alone``: there is no other stage that could find what this one does."""
    count = len(report.reached)
    text = f"{count} of {hits} final hit{'' if hits == 1 else 's'}"
    if count:
        text += f", from rank{'' if count == 1 else 's'} {_ranks(report.reached)}"
    only = 0 if alone else len(report.exclusive_hits)
    return text + (f"; {only} found by no other stage" if only else "")


def _ranks(reached: tuple[Reached, ...]) -> str:
    ranks = sorted(one.stage_rank for one in reached)
    shown = ", ".join(map(str, ranks[:_SHOWN]))
    return shown + (f" … {ranks[-1]}" if len(ranks) > _SHOWN else "")


def _second_lines(second: SecondStageReport) -> Iterator[str]:
    count = len(second.hits)
    cost = ""
    if second.timing is not None:
        each = f", {second.timing.p50 / second.texts:.2g} ms a text" if second.texts else ""
        cost = f" · {_times(second.timing)}{each}"
    yield f"then reranked by {second.model}: {count} of {_candidates(len(second.order))}{cost}"
    without = len(second.order) - second.texts
    if without:
        yield f"    {without} of them without a text, behind the others"
    if count:
        yield "    share of the final hits by their score in the first stage:"
        bounds = [(_number(one.low), _number(one.high)) for one in second.ranges]
        low, high = (max(len(pair[side]) for pair in bounds) for side in (0, 1))
        for one, pair in zip(second.ranges, bounds, strict=True):
            bar = "█" * round(one.share * _BAR)
            some = f"{one.hits} of {_candidates(one.candidates)}"
            line = f"      {pair[0]:>{low}} … {pair[1]:>{high}}: {one.share:4.0%} ({some}) {bar}"
            yield line.rstrip()
        moves = [f"{one.id}: {one.first_rank}→{one.rank}" for one in second.hits]
        yield f"    ranks before and after: {_some(moves)}"


def _candidates(count: int) -> str:
    return f"{count} candidate{'' if count == 1 else 's'}"


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


def _ablation_lines(one: Ablation, analysis: Analysis) -> Iterator[str]:
    second = analysis.second
    what = "hits" if second is None else "candidates of RERANK"
    count = len(analysis.hits if second is None else second.order)
    stayed = count - len(one.left)
    yield f"without {one.label}: {one.overlap:.0%} of the {what} remain ({stayed} of {count})"
    if one.left:
        yield f"    left: {_some(one.left)}"
    if one.entered:
        yield f"    entered: {_some(one.entered)}"
    if one.moved:
        yield f"    moved: {_some([f'{move.id}: {move.before}→{move.after}' for move in one.moved])}"


def _some(items: Sequence[Any]) -> str:
    """As many of them as a few lines hold, and how many more there are."""
    words = [str(item) for item in items]
    ends = accumulate(len(word) + 2 for word in words)
    shown = sum(end <= _IN_LIST for end in ends)
    more = len(words) - shown
    return ", ".join(words[:shown]) + (f" … and {more} more" if more else "")
