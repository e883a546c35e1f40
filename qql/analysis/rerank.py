"""RERANK in EXPLAIN ANALYZE: what the second stage costs, and from which first-stage scores its hits come."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qql.analysis.model import Id, Reranked, ScoreRange, SecondStageReport, Timing

__all__ = ["score_ranges", "second_stage"]

_RANGES = 5


def second_stage(
    model: str,
    candidates: Sequence[tuple[Id, float]],
    order: Sequence[tuple[Id, float | None]],
    page: slice,
    times: Sequence[float] = (),
) -> SecondStageReport:
    """The report of a RERANK.

    ``candidates`` are the first stage's points and scores in its order, ``order`` the same points with the
    scores of the second stage, in the order of that. ``page`` cuts the hits as OFFSET and TOP do. ``times``
    are the model's, in milliseconds, one of each run.
    """
    first = {key: (rank, score) for rank, (key, score) in enumerate(candidates, 1)}
    every = tuple(Reranked(key, rank, *first[key], score) for rank, (key, score) in enumerate(order, 1))
    hits = every[page]
    scores, kept = [score for _, score in candidates], [one.first_score for one in hits]
    # A stage whose smaller scores are better (Euclid, Manhattan) has its first candidate at the low end.
    first_is_least = bool(scores) and scores[0] < scores[-1]
    ranges = score_ranges(scores, kept, total=len(kept), smallest_first=first_is_least)
    return SecondStageReport(model, every, hits, ranges, Timing.of(times) if times else None)


def score_ranges(
    scores: Sequence[float], hits: Sequence[float], *, total: int, smallest_first: bool
) -> tuple[ScoreRange, ...]:
    """Equal steps of the scores of candidates, the best first, each with its part of ``total`` hits.

    ``hits`` are the scores of those candidates that are hits; there may be hits that are no candidates.
    """
    if not scores:
        return ()
    low, high = min(scores), max(scores)
    apart = math.isfinite(high - low) and high > low
    steps, width = (_RANGES, (high - low) / _RANGES) if apart else (1, 0.0)

    def step(score: float) -> int:
        return min(steps - 1, int((score - low) / width)) if width else 0

    of_all, of_hits = ([*map(step, some)] for some in (scores, hits))
    found = [
        ScoreRange(
            low + at * width if at else low,
            high if at == steps - 1 else low + (at + 1) * width,
            of_all.count(at),
            of_hits.count(at),
            of_hits.count(at) / total if total else 0.0,
        )
        for at in range(steps)
    ]
    return tuple(found) if smallest_first else tuple(reversed(found))
