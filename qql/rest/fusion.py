"""What a source gives to the score of a point: reciprocal rank fusion and distribution-based score fusion.

Source: Qdrant 1.19, ``reciprocal_rank_fusion.rs`` and ``score_fusion.rs`` in ``lib/segment/src/common``. The
engine computes in 32-bit floats, step by step; so do these functions, unless they are told another rounding.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache

from qql.records import NamedTuple
from qql.rest.limits import RRF_K

__all__ = ["Bounds", "dbsf_bounds", "dbsf_reach", "dbsf_scores", "f32", "f64", "rrf_bounds", "rrf_score"]

Rounding = Callable[[float], float]
_pack, _unpack = struct.Struct("f").pack, struct.Struct("f").unpack


def f32(value: float) -> float:
    """The nearest 32-bit float; infinite beyond their range.

    A sum, product, quotient or root of two of them, computed in 64 bits and rounded by this, is what 32-bit
    arithmetic gives: 53 bits are more than twice 24 and two.
    """
    try:
        found: float = _unpack(_pack(value))[0]
        return found
    except (OverflowError, struct.error):  # beyond 32 bits, and an integer beyond any float
        return math.inf if value > 0 else -math.inf


def f64(value: float) -> float:
    """The value itself, where the engine's roundings do not matter."""
    return value


def _quotient(one: float, other: float, rounding: Rounding = f32) -> float:
    if other == 0:
        return math.nan if one == 0 or math.isnan(one) else math.copysign(math.inf, one)
    return rounding(one / other)


# ------------------------------------------------------------------------------------ RRF


def rrf_score(position: int, k: float = RRF_K, weight: float = 1.0, rounding: Rounding = f32) -> float:
    """``1 / ((position + 1)/weight + k − 1)``, the position counted from 0; 0 for a weight of 0 or less.

    The score of a point is the sum over its sources.
    """
    return _rrf_score(position, k, weight, rounding)


@lru_cache(4096)  # lists are fused again and again, and a position always gives the same
def _rrf_score(position: int, k: float, weight: float, rounding: Rounding) -> float:
    weight = rounding(weight)
    if weight <= 0:
        return 0.0
    rank = _quotient(rounding(position + 1), weight, rounding)
    return _quotient(1.0, rounding(rounding(rank + rounding(k)) - 1.0), rounding)


# ------------------------------------------------------------------------------------ DBSF


def dbsf_scores(scores: Sequence[float], *, smaller_is_better: bool = False) -> list[float]:
    """``(score − (mean − 3σ)) / 6σ`` for each score of a source; 0.5 where σ is 0 or there is one score.

    σ is the deviation of a sample; mean and σ come by Welford's one pass. ``smaller_is_better`` turns the
    scale round. The score of a point is the sum over its sources.
    """
    if len(scores) < 2:
        return [0.5] * len(scores)
    mean = aggregate = 0.0
    for count, score in enumerate(scores, 1):
        before = f32(score - mean)
        mean = f32(mean + _quotient(before, float(count)))
        aggregate = f32(aggregate + f32(before * f32(score - mean)))
    deviation = f32(math.sqrt(_quotient(aggregate, f32(len(scores) - 1.0))))
    low, high = f32(mean - f32(3.0 * deviation)), f32(mean + f32(3.0 * deviation))
    if low == high:
        return [0.5] * len(scores)
    width = f32(high - low)
    if smaller_is_better:
        return [_quotient(f32(high - score), width) for score in scores]
    return [_quotient(f32(score - low), width) for score in scores]


def dbsf_reach(count: int) -> float:
    """How far from 0.5 DBSF can put a score among ``count``, whatever they are: ``(count − 1) / 6√count``.

    No value of n lies farther from their mean than (n − 1)/√n sample deviations (Samuelson's inequality).
    """
    return (count - 1) / (6 * math.sqrt(count)) if count else 0.0


# ------------------------------------------------------------------------------------ bounds


class Bounds(NamedTuple):
    """The lowest and the highest score that a hit can have."""

    low: float
    high: float


def rrf_bounds(limits: Sequence[int], k: float = RRF_K, weights: Sequence[float] | None = None) -> Bounds:
    """Of the scores of RRF: first in every source, and last in the source where that counts least."""
    given = weights or [1.0] * len(limits)
    return Bounds(
        min(rrf_score(limit - 1, k, weight, f64) for limit, weight in zip(limits, given, strict=True)),
        sum(rrf_score(0, k, weight, f64) for weight in given),
    )


def dbsf_bounds(limits: Sequence[int]) -> Bounds:
    """Of the scores of DBSF. Below 0, the lowest score is the lower the more sources a point is in."""
    reach = [dbsf_reach(limit) for limit in limits]
    lowest = [0.5 - one for one in reach]
    below = sum(low for low in lowest if low < 0)
    return Bounds(below if below < 0 else min(lowest), sum(0.5 + one for one in reach))
