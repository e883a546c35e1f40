"""An analysis and the provenance of hits as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from qql.analysis.attribution import Provenance
from qql.analysis.model import (
    EXPLAINED,
    Ablation,
    Analysis,
    Id,
    Reached,
    Rescored,
    Scores,
    SecondStageReport,
    StageReport,
    Timing,
    Verdict,
    explained,
)
from qql.analysis.stage_text import stage_details, stage_does
from qql.analysis.text import Branch, digits, plural, tree_lines, wrapped
from qql.compiler.effective_filters import Filters
from qql.rest.types import JsonObject
from qql.schema import Schema

__all__ = ["analysis_lines", "milliseconds", "provenance_lines", "stages_in_words"]

_BARS = "▁▂▃▄▅▆▇█"
_MOST_RANKS = 12
_IN_LIST = 250  # characters
_SHARE_BAR = 20
_MOST_DIFFERENCES = 3
_MOST_OVERLAPS = 4


Names = Mapping[Id, str]
"""Id → what people call the point."""


def analysis_lines(
    analysis: Analysis, width: int = 80, schema: Schema | None = None, names: Names | None = None
) -> list[str]:
    """The stages as a tree, the root first, each with what it did; what is longer than ``width`` goes on
    in the next line.

    By the schema, the fields of filters are said to be indexed or not. A point that has one of the ``names``
    is called so.
    """
    names = names or {}
    count = len(analysis.hits)
    took = f" in {_query_times(analysis.timing)}" if analysis.timing else ""
    if analysis.timing is not None and analysis.second is not None and analysis.second.timing is not None:
        took += f" + RERANK {milliseconds(analysis.second.timing.p50)}"
    head = f"Query on {analysis.plan.collection}: {count} {plural(count, 'hit')}{took}"
    tree = _stage_branch(analysis, 0, Filters(schema), set()) if analysis.stages else None
    below = [] if analysis.second is None else [*_rerank_lines(analysis.second, names)]
    for one in analysis.ablation:
        below += _ablation_lines(one, analysis, names)
    below += (f"note: {note}" for note in (*analysis.notes, *_time_notes(analysis)))
    return [
        *wrapped([head], width),
        *(tree_lines(tree, width=width) if tree is not None else ()),
        *wrapped(below, width),
    ]


def _time_notes(analysis: Analysis) -> Iterator[str]:
    if analysis.timing is not None and any(stage.run.inputs for stage in analysis.stages):
        yield "each stage was run by itself, so its time contains those below it"


# ------------------------------------------------------------------------------------ one stage


def _stage_branch(analysis: Analysis, at: int, filters: Filters, shown: set[int]) -> Branch:
    """A stage as EXPLAIN shows it, and below that what it did."""
    run = analysis.stages[at].run
    title = f"{run.label}: {stage_does(run.stage)}"
    title += f"  [emitted {len(run.paths)} times, run once]" if len(run.paths) > 1 else ""
    if at in shown:
        return Branch(title, ("as above",))
    shown.add(at)
    details = (*stage_details(analysis.plan, run.chain, filters), *_details(analysis, at))
    return Branch(title, details, tuple(_stage_branch(analysis, one, filters, shown) for one in run.inputs))


def stages_in_words(analysis: Analysis, schema: Schema | None = None) -> Iterator[JsonObject]:
    """For each stage ``{"does", "details", "said"}``: what it does, all else of the plan, and what it did."""
    filters = Filters(schema)
    for at, report in enumerate(analysis.stages):
        yield {
            "does": stage_does(report.run.stage),
            "details": [*stage_details(analysis.plan, report.run.chain, filters)],
            "said": [*_details(analysis, at, scores=False)],
        }


def _details(analysis: Analysis, at: int, *, scores: bool = True) -> Iterator[str]:
    """What a stage did, line by line; with its ``scores``, unless a picture shows them."""
    report, beside = analysis.stages[at], _labels_beside(analysis, at)
    yield _returned_line(report, analysis.grouped and at == 0)
    if report.timing is not None and report.timing.usage is not None:
        yield f"cost the server {report.timing.usage}"
    if report.cut is not None:
        yield report.cut.text
    yield from _value_lines(report, scores=scores)
    if (at or analysis.second is not None) and analysis.hits:
        yield _reached_line(report, len(analysis.hits), alone=not beside)
    if report.returned:
        yield from _overlap_lines(report, beside)
    if report.rescored is not None:
        yield _rescored_line(report.rescored)
    if report.verdict is not None:
        yield from _verdict_lines(report.verdict)


def _rescored_line(rescored: Rescored) -> str:
    line = f"kept {rescored.kept} of the {rescored.union} {plural(rescored.union, 'point')} of its inputs"
    if rescored.strangers:
        reason = str(rescored.reason)
        because = explained(reason, rescored.shards) if reason in EXPLAINED else reason
        line += f"; {len(rescored.strangers)} of its points are in none of them: {because}"
    return line


def _verdict_lines(verdict: Verdict) -> Iterator[str]:
    yield verdict.text
    wrong = [one for one in verdict.differences if one.reason in EXPLAINED]
    for one in wrong[:_MOST_DIFFERENCES]:
        place = f"rank {one.rank}, " if one.rank is not None else ""
        yield f"  {one.id}: {place}engine {_score_text(one.score)}, recomposed {_score_text(one.expected)}"
    if len(wrong) > _MOST_DIFFERENCES:
        yield f"  … and {len(wrong) - _MOST_DIFFERENCES} more"


def _labels_beside(analysis: Analysis, at: int) -> set[str]:
    """The stages that stand neither above nor below one: what they have in common is no matter of course."""
    paths = analysis.stages[at].run.paths
    return {
        other.label
        for other in analysis.stages
        if not any(a[: len(b)] == b[: len(a)] for a in other.run.paths for b in paths)
    }


def _returned_line(report: StageReport, grouped: bool) -> str:
    text = f"returned {report.returned} of {report.run.limit}"
    if grouped:
        text = f"returned {report.returned} {plural(report.returned, 'point')} in groups"
    elif report.unused:
        text = f"used {report.returned} of {report.run.limit} slots, {report.unused} unused"
    return text if report.timing is None else f"{text} · {_stage_times(report.timing)}"


def _overlap_lines(report: StageReport, others: set[str]) -> Iterator[str]:
    """What a stage shares with those beside it, the most alike first."""
    beside = sorted((one for one in report.overlaps if one.label in others), key=lambda one: -one.jaccard)
    shared = [one for one in beside if one.count]
    if shared:
        named = [f"{one.label}: {one.count} (Jaccard {one.jaccard:.2f})" for one in shared[:_MOST_OVERLAPS]]
        more = len(shared) - _MOST_OVERLAPS
        yield f"in common with {', '.join(named)}" + (f" and {more} more" if more > 0 else "")
    if len(shared) < len(beside):
        rest = [one.label for one in beside if not one.count]
        names = ", ".join(rest) if len(rest) <= _MOST_OVERLAPS else f"{len(rest)} stages"
        yield f"nothing in common with {names}"


def milliseconds(time: float) -> str:
    """A time as text: ``0.12 ms``, ``12.3 ms``."""
    return f"{time:.{1 if time >= 1 else 2}f} ms"


def _query_times(timing: Timing) -> str:
    return _stage_times(timing) + (f" ({timing.runs} runs)" if timing.runs > 1 else "")


def _stage_times(timing: Timing) -> str:
    text = milliseconds(timing.p50)
    if timing.runs > 1:
        text = f"p50 {text}, p95 {milliseconds(timing.p95)}"
    return text + (f", server {milliseconds(timing.server)}" if timing.server is not None else "")


def _value_lines(report: StageReport, *, scores: bool) -> Iterator[str]:
    """The scores; of ORDER BY, under which all scores are the same, what it orders by."""
    ordered = [one.order_value for one in report.candidates if one.order_value is not None]
    if ordered and len(ordered) == report.returned:
        yield f"values {ordered[0]} … {ordered[-1]}"
    elif scores and report.scores is not None:
        yield _scores_line(report.scores)


def _scores_line(scores: Scores) -> str:
    if scores.low == scores.high:
        return f"scores {_score_text(scores.low)}"
    most = max(scores.histogram)
    bars = "".join(
        _BARS[round(count / most * (len(_BARS) - 1))] if count else " " for count in scores.histogram
    )
    return f"scores {_score_text(scores.low)} … {_score_text(scores.high)} {bars}"


def _score_text(value: float | None) -> str:
    return "nothing" if value is None else digits(value, 4)


def _reached_line(report: StageReport, hits: int, *, alone: bool) -> str:
    """``alone``: there is no other stage that could find what this one does."""
    count = len(report.reached)
    text = f"{count} of {hits} final {plural(hits, 'hit')}"
    if count:
        text += f", from {plural(count, 'rank')} {_stage_ranks(report.reached)}"
    only = 0 if alone else len(report.exclusive_hits)
    return text + (f"; {only} found by no other stage" if only else "")


def _stage_ranks(reached: tuple[Reached, ...]) -> str:
    ranks = sorted(one.stage_rank for one in reached)
    shown = ", ".join(map(str, ranks[:_MOST_RANKS]))
    return shown + (f" … {ranks[-1]}" if len(ranks) > _MOST_RANKS else "")


# ------------------------------------------------------------------------------------ behind the stages


def _rerank_lines(second: SecondStageReport, names: Names) -> Iterator[str]:
    count, candidates = len(second.hits), len(second.order)
    cost = ""
    if second.timing is not None:
        each = f", {second.timing.p50 / second.texts:.2g} ms a text" if second.texts else ""
        cost = f" · {_stage_times(second.timing)}{each}"
    of_candidates = f"{count} of {candidates} {plural(candidates, 'candidate')}"
    yield f"then reranked by {second.model}: {of_candidates}{cost}"
    without = candidates - second.texts
    if without:
        yield f"    {without} of them without a text, behind the others"
    if count:
        yield "    share of the final hits by their score in the first stage:"
        yield from _range_lines(second)
        moves = [f"{names.get(one.id, one.id)}: {one.first_rank}→{one.rank}" for one in second.hits]
        yield f"    ranks before and after: {_some_of(moves)}"


def _range_lines(second: SecondStageReport) -> Iterator[str]:
    """The shares of the ranges of scores as bars."""
    bounds = [(_score_text(one.low), _score_text(one.high)) for one in second.ranges]
    low, high = (max(len(pair[side]) for pair in bounds) for side in (0, 1))
    for one, pair in zip(second.ranges, bounds, strict=True):
        bar = "█" * round(one.share * _SHARE_BAR)
        some = f"{one.hits} of {one.candidates} {plural(one.candidates, 'candidate')}"
        line = f"      {pair[0]:>{low}} … {pair[1]:>{high}}: {one.share:4.0%} ({some}) {bar}"
        yield line.rstrip()


def provenance_lines(found: Sequence[Provenance], names: Names | None = None) -> list[str]:
    """The hits, also by their ``names``, each with the stages that have it and their shares of its score."""
    lines = ["provenance:"] if found else []
    for hit in found:
        name = (names or {}).get(hit.id)
        called = f" ({name})" if name else ""
        lines.append(f"  {hit.rank}. {hit.id}{called}, score {_score_text(hit.score)}")
        for one in hit.shares:
            if one.rank is not None and one.path:
                part = "" if one.share is None else f", {one.share:.0%} of the score"
                place = f"rank {one.rank}, score {_score_text(one.score)}"
                lines.append(f"{'  ' * one.depth}    {one.label}: {place}{part}")
    return lines


def _ablation_lines(one: Ablation, analysis: Analysis, names: Names) -> Iterator[str]:
    second = analysis.second
    what = "hits" if second is None else "candidates of RERANK"
    count = len(analysis.hits if second is None else second.order)
    stayed = count - len(one.left)
    yield f"without {one.label}: {one.overlap:.0%} of the {what} remain ({stayed} of {count})"
    if one.left:
        yield f"    left: {_some_of([names.get(key, key) for key in one.left])}"
    if one.entered:
        yield f"    entered: {_some_of([names.get(key, key) for key in one.entered])}"
    if one.moved:
        moves = [f"{names.get(move.id, move.id)}: {move.before}→{move.after}" for move in one.moved]
        yield f"    moved: {_some_of(moves)}"


def _some_of(items: Sequence[object]) -> str:
    """As many of them as a few lines hold, and how many more there are."""
    words = [str(item) for item in items]
    ends = accumulate(len(word) + 2 for word in words)
    shown = sum(end <= _IN_LIST for end in ends)
    more = len(words) - shown
    return ", ".join(words[:shown]) + (f" … and {more} more" if more else "")
