"""Fusion as Qdrant computes it: the same operations in the same order, in 32-bit floats.

The formulas are those of Qdrant 1.19: ``reciprocal_rank_fusion.rs`` and ``score_fusion.rs`` in its
``lib/segment/src/common``.
"""

from __future__ import annotations

import math
import statistics
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = [
    "Candidate",
    "Fused",
    "Fusion",
    "Id",
    "ascending",
    "close",
    "contributions",
    "f32",
    "fuse",
    "rank_in",
    "rank_key",
    "rrf_score",
    "slack",
    "tie_groups",
    "wobble",
]

Id = int | str
DEFAULT_K = 2
_TOLERANCE = 1e-5


class Candidate(NamedTuple):
    """A point as a stage gave it. ``order_value`` is there where the stage orders by a field."""

    id: Id
    score: float
    order_value: Any = None

    @classmethod
    def of(cls, point: Mapping[str, Any]) -> Candidate:
        """From a point of a query's answer."""
        return cls(point["id"], f32(point["score"]), point.get("order_value"))


class Fused(NamedTuple):
    """A point of a recomputed fusion. ``parts``: what each list gave to it, None where it lacks the point.

    ``order_value`` is there where the fusion goes by it: DBSF of points that a field has ordered.
    """

    id: Id
    score: float
    parts: tuple[float | None, ...]
    order_value: Any = None


@dataclass(frozen=True, slots=True)
class Fusion:
    """A fusion: ``method`` is ``rrf`` or ``dbsf``; k and weights are those of RRF."""

    method: str
    k: int = DEFAULT_K
    weights: tuple[float, ...] | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Fusion | None:
        """The fusion that a query's body asks for; None where it asks for something else."""
        query = body.get("query")
        if not isinstance(query, Mapping):
            return None
        if "rrf" in query:
            given = query["rrf"] or {}
            weights = given.get("weights")
            k = given.get("k")
            return cls("rrf", DEFAULT_K if k is None else k, tuple(weights) if weights is not None else None)
        return cls(query["fusion"]) if "fusion" in query else None


def f32(value: float) -> float:
    """The nearest 32-bit float; infinite beyond their range.

    A sum, product, quotient or root of two of them, computed in 64 bits and rounded by this, is what 32-bit
    arithmetic gives: 53 bits are more than twice 24 and two.
    """
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _div(one: float, other: float) -> float:
    if other == 0:
        return math.nan if one == 0 or math.isnan(one) else math.copysign(math.inf, one)
    return f32(one / other)


def slack(score: float) -> float:
    """How much of a score rounding may account for: 1e-5 of it, and 1e-7 of one below 0.01."""
    return _TOLERANCE * max(abs(score), 1e-2)


def close(one: float, other: float) -> bool:
    """Whether two scores differ by no more than rounding explains."""
    return one == other or abs(one - other) <= max(slack(one), slack(other))


def wobble(fusion: Fusion, lists: Sequence[Sequence[Candidate]]) -> float:
    """How far rounding may put a fused score wrong, beyond `slack`, where DBSF spreads what hardly differs.

    A score is off by 2⁻²⁴ of itself, its mean and deviation by a few times that, and all is divided by 6σ.
    """
    if fusion.method != "dbsf":
        return 0.0
    total = 0.0
    for found in lists:
        scores = [one.score for one in found]
        if len(set(scores)) > 1 and all(map(math.isfinite, scores)):
            total += 8 * 2**-24 * max(map(abs, scores)) / (6 * statistics.stdev(scores))
    return total


# ------------------------------------------------------------------------------------ contributions


def rrf_score(position: int, k: int = DEFAULT_K, weight: float = 1.0) -> float:
    """``1 / ((position + 1)/weight + k − 1)``, the position counted from 0; 0 for a weight of 0 or less."""
    weight = f32(weight)
    if weight <= 0:
        return 0.0
    return _div(1.0, f32(f32(_div(f32(position + 1), weight) + f32(k)) - 1.0))


def _dbsf_scores(scores: Sequence[float], smaller_is_better: bool) -> list[float]:
    """Each score between mean − 3σ (0) and mean + 3σ (1), by Welford's one pass; σ is the sample's."""
    if len(scores) < 2:
        return [0.5] * len(scores)
    mean = aggregate = 0.0
    for count, score in enumerate(scores, 1):
        before = f32(score - mean)
        mean = f32(mean + _div(before, float(count)))
        aggregate = f32(aggregate + f32(before * f32(score - mean)))
    deviation = f32(math.sqrt(_div(aggregate, f32(len(scores) - 1.0))))
    low, high = f32(mean - f32(3.0 * deviation)), f32(mean + f32(3.0 * deviation))
    if low == high:
        return [0.5] * len(scores)
    width = f32(high - low)
    if smaller_is_better:
        return [_div(f32(high - score), width) for score in scores]
    return [_div(f32(score - low), width) for score in scores]


def contributions(
    fusion: Fusion, lists: Sequence[Sequence[Candidate]], *, by_direction: bool = False
) -> list[dict[Id, float]]:
    """What each list contributes to each of its points, list by list.

    ``by_direction``: DBSF turns lists round that go from small to large scores (Euclid, Manhattan), as newer
    servers do (issue 10611 of Qdrant); up to 1.19 the farthest point counted most.
    """
    out = []
    for at, found in enumerate(lists):
        if fusion.method == "rrf":
            weight = 1.0 if fusion.weights is None else fusion.weights[at]
            values = [rrf_score(position, fusion.k, weight) for position in range(len(found))]
        else:
            values = _dbsf_scores([one.score for one in found], by_direction and ascending(found))
        out.append({one.id: value for one, value in zip(found, values, strict=True)})
    return out


def fuse(fusion: Fusion, lists: Sequence[Sequence[Candidate]], *, by_direction: bool = False) -> list[Fused]:
    """All points of the lists in the order of their fused scores, best first; ties in the order of the lists.

    DBSF puts points that come with an order value first, by that value, whatever their scores.
    """
    scores: dict[Id, float] = {}
    parts: dict[Id, list[float | None]] = {}
    order: dict[Id, Any] = {}
    for at, contributed in enumerate(contributions(fusion, lists, by_direction=by_direction)):
        for one in lists[at]:
            value = contributed[one.id]
            if one.id in scores:
                scores[one.id] = f32(scores[one.id] + value)
            else:
                scores[one.id] = value
                parts[one.id] = [None] * len(lists)
                order[one.id] = one.order_value if fusion.method == "dbsf" else None
            parts[one.id][at] = value
    fused = [Fused(key, score, tuple(parts[key]), order[key]) for key, score in scores.items()]
    return sorted(fused, key=lambda one: rank_in(one, True), reverse=True)


# ------------------------------------------------------------------------------------ lists


def ascending(found: Sequence[Candidate]) -> bool:
    """Whether a list goes from small to large scores, as distances do."""
    return bool(found) and found[0].score < found[-1].score


def rank_key(one: Candidate | Fused, order_value: Any = None) -> tuple[bool, Any]:
    """What a list is ordered by, descending: the order value where there is one, before all scores."""
    score = -math.inf if math.isnan(one.score) else one.score
    return (False, score) if order_value is None else (True, order_value)


def rank_in(one: Candidate | Fused, ordered: bool) -> tuple[bool, Any]:
    """The `rank_key` of a point in a list that goes by order values (``ordered``) or by scores alone."""
    return rank_key(one, one.order_value if ordered else None)


def tie_groups(found: Sequence[Candidate], ordered: bool = False) -> list[tuple[int, int]]:
    """For each candidate, the first and last position (from 0) of those that rank as high as it.

    ``ordered`` says that the list goes by order values: that of ORDER BY, and that of DBSF above it.
    """
    keys = [rank_in(one, ordered) for one in found]
    out: list[tuple[int, int]] = []
    start = 0
    for at in range(1, len(keys) + 1):
        if at == len(keys) or keys[at] != keys[start]:
            out += [(start, at - 1)] * (at - start)
            start = at
    return out
