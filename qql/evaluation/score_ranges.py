"""Which of a stage's scores the final hits come from, over all queries: whether a stage could give fewer
candidates, or a threshold would cost something."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from qql.analysis.model import ScoreRange
from qql.analysis.rerank import score_ranges
from qql.evaluation.report import six_digits
from qql.evaluation.stages import Trace
from qql.records import dataclass
from qql.rest.types import JsonObject

__all__ = ["TOP", "ScoreRange", "StageRanges", "range_rows", "stage_ranges"]

TOP = 10
"""How many of a query's hits are the final ones."""


@dataclass(frozen=True, slots=True)
class StageRanges:
    """A stage's ranges of scores, the best first, over all queries; the last range includes its bound.

    ``hits`` are the final hits of all queries, the first ``top`` of each; ``elsewhere`` is the part of them
    that the stage did not find.
    """

    label: str
    ranges: tuple[ScoreRange, ...]
    hits: int
    elsewhere: float
    top: int

    def to_dict(self) -> JsonObject:
        """``{"stage", "top", "hits", "elsewhere", "ranges": [range]}``; a range has the fields of
        `ScoreRange`."""
        return {
            "stage": self.label,
            "top": self.top,
            "hits": self.hits,
            "elsewhere": self.elsewhere,
            "ranges": [one._asdict() for one in self.ranges],
        }


def stage_ranges(traces: Mapping[str, Trace], top: int = TOP) -> tuple[StageRanges, ...]:
    """The ranges of each stage that gives scores and is not the result itself; see `traces` for the stages.

    Scores of all queries are on one scale, which tells little of those whose scale depends on the query
    (BM25). Scores that are not finite are in no range, and their documents count as found elsewhere.
    """
    first = next(iter(traces.values()), {})
    found = (_ranges_of(label, traces, top) for label in [*first][:-1])
    return tuple(one for one in found if one is not None)


def _ranges_of(label: str, traces: Mapping[str, Trace], top: int) -> StageRanges | None:
    pairs: list[tuple[float, bool]] = []
    hits = rising = 0
    for trace in traces.values():
        final = {*[*trace.values()][-1].docs[:top]}
        hits += len(final)
        stage = trace[label]
        scored = [
            (score, doc in final)
            for doc, score in zip(stage.docs, stage.scores, strict=False)
            if math.isfinite(score)
        ]
        pairs += scored
        if scored:
            rising += (scored[-1][0] > scored[0][0]) - (scored[-1][0] < scored[0][0])
    if not pairs or not hits:
        return None
    kept = [score for score, is_hit in pairs if is_hit]
    return StageRanges(
        label,
        score_ranges([score for score, _ in pairs], kept, total=hits, smallest_first=rising > 0),
        hits,
        1 - len(kept) / hits,
        top,
    )


def range_rows(found: Sequence[StageRanges]) -> list[JsonObject]:
    """A row a range, for people, and one for the hits that a stage did not find."""
    rows: list[JsonObject] = []
    for stage in found:
        share = f"of the top {stage.top}"
        for one in stage.ranges:
            scores = f"{_short(one.low)} … {_short(one.high)}"
            row = {"stage": stage.label, "scores": scores, "candidates": one.candidates, "hits": one.hits}
            rows.append({**row, share: f"{one.share:.1%}"})
        rows.append({"stage": stage.label, "scores": "(not in it)", share: f"{stage.elsewhere:.1%}"})
    return rows


def _short(value: float) -> object:
    return six_digits(float(f"{value:.4g}"))
