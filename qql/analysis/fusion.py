"""Lists of candidates fused as Qdrant does it, by the formulas of `qql.rest.fusion`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from qql import nodes
from qql.analysis.model import Candidate, Fused, Id, OrderValue, StageRun
from qql.records import dataclass
from qql.rest.fusion import dbsf_scores, f32, rrf_score
from qql.rest.limits import RRF_K
from qql.rest.linear_fusion import LinearFusion, read_linear
from qql.rest.types import Body

__all__ = [
    "Fusion",
    "RankKey",
    "ascending",
    "close",
    "contributions",
    "fuse",
    "goes_by_value",
    "is_own_fusion",
    "rank_key",
    "rank_keys",
    "rounding_error",
    "slack",
    "tie_groups",
]

RankKey = tuple[bool, OrderValue]
"""What a list is ordered by: whether it is a field's value, and the value or the score."""

_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Fusion:
    """A fusion: ``method`` is ``rrf``, ``dbsf`` or ``linear``; k and weights are those of RRF."""

    method: str
    k: int = RRF_K
    weights: tuple[float, ...] | None = None
    linear: LinearFusion | None = None

    @property
    def by_value(self) -> bool:
        """Whether points that a field has ordered come first, by that: DBSF leaves them so."""
        return self.method == "dbsf"

    @classmethod
    def of(cls, body: Body) -> Fusion | None:
        """The fusion that a query's body asks for; None where it asks for something else."""
        query = body.get("query")
        if not isinstance(query, Mapping):
            return None
        if "rrf" in query:
            given = query["rrf"] or {}
            weights = given.get("weights")
            k = given.get("k")
            return cls("rrf", RRF_K if k is None else k, tuple(weights) if weights is not None else None)
        if "fusion" in query:
            return cls(query["fusion"])
        linear = read_linear(query) if "linear" in query or "formula" in query else None
        return None if linear is None else cls("linear", linear=linear)


def is_own_fusion(fusion: Fusion | None) -> bool:
    """Whether Qdrant itself has such a fusion, which at the root sees the hits of all shards."""
    return fusion is not None and fusion.linear is None


def slack(score: float) -> float:
    """How much of a score rounding may account for: 1e-5 of it, and 1e-7 of one below 0.01."""
    return _TOLERANCE * max(abs(score), 1e-2)


def close(one: float, other: float) -> bool:
    """Whether two scores differ by no more than rounding explains."""
    return one == other or abs(one - other) <= max(slack(one), slack(other))


def rounding_error(fusion: Fusion, lists: Sequence[Sequence[Candidate]]) -> float:
    """How far rounding may put a fused score wrong, beyond `slack`, where DBSF spreads what hardly differs.

    A score is off by 2⁻²⁴ of itself, its mean and deviation by a few times that, and all is divided by 6σ.
    """
    if fusion.method != "dbsf":
        return 0.0
    from statistics import stdev

    total = 0.0
    for found in lists:
        scores = [one.score for one in found]
        if len(set(scores)) > 1 and all(map(math.isfinite, scores)):
            total += 8 * 2**-24 * max(map(abs, scores)) / (6 * stdev(scores))
    return total


# ------------------------------------------------------------------------------------ contributions


def contributions(
    fusion: Fusion, lists: Sequence[Sequence[Candidate]], *, by_direction: bool = False
) -> list[dict[Id, float]]:
    """What each list contributes to each of its points, list by list.

    ``by_direction``: DBSF turns lists round that go from small to large scores (Euclid, Manhattan), as newer
    servers do (issue 10611 of Qdrant); up to 1.19 the farthest point counted most.
    """
    out = []
    for at, found in enumerate(lists):
        if fusion.linear is not None:
            values, _ = fusion.linear.contributions(at, [one.score for one in found])
        elif fusion.method == "rrf":
            weight = 1.0 if fusion.weights is None else fusion.weights[at]
            values = [rrf_score(position, fusion.k, weight) for position in range(len(found))]
        else:
            turned = by_direction and ascending(found)
            values = dbsf_scores([one.score for one in found], smaller_is_better=turned)
        out.append({one.id: value for one, value in zip(found, values, strict=True)})
    return out


def fuse(fusion: Fusion, lists: Sequence[Sequence[Candidate]], *, by_direction: bool = False) -> list[Fused]:
    """All points of the lists in the order of their fused scores, best first; ties in the order of the lists.

    DBSF puts points that come with an order value first, by that value, whatever their scores.
    """
    if fusion.linear is not None:
        return _fused_linearly(fusion.linear, lists)
    scores: dict[Id, float] = {}
    parts: dict[Id, list[float | None]] = {}
    order: dict[Id, OrderValue | None] = {}
    for at, contributed in enumerate(contributions(fusion, lists, by_direction=by_direction)):
        for one in lists[at]:
            value = contributed[one.id]
            if one.id in scores:
                scores[one.id] = f32(scores[one.id] + value)
            else:
                scores[one.id] = value
                parts[one.id] = [None] * len(lists)
                order[one.id] = one.order_value if fusion.by_value else None
            parts[one.id][at] = value
    fused = [Fused(key, score, tuple(parts[key]), order[key]) for key, score in scores.items()]
    return sorted(fused, key=lambda one: rank_key(one, True), reverse=True)


def _fused_linearly(linear: LinearFusion, lists: Sequence[Sequence[Candidate]]) -> list[Fused]:
    """As a formula does it: added up in 64 bits, and rounded to 32 at the end; absence may contribute too."""
    parts: dict[Id, list[float | None]] = {}
    given = [linear.contributions(at, [one.score for one in found]) for at, found in enumerate(lists)]
    nothing = [absent or None for _, absent in given]
    for at, found in enumerate(lists):
        for one, value in zip(found, given[at][0], strict=True):
            parts.setdefault(one.id, list(nothing))[at] = value
    fused = [Fused(key, f32(sum(one or 0.0 for one in some)), tuple(some)) for key, some in parts.items()]
    return sorted(fused, key=lambda one: rank_key(one, False), reverse=True)


# ------------------------------------------------------------------------------------ lists


def ascending(found: Sequence[Candidate]) -> bool:
    """Whether a list goes from small to large scores, as distances do."""
    return bool(found) and found[0].score < found[-1].score


def goes_by_value(run: StageRun) -> bool:
    """Whether a stage's list goes by the values of a field: that of ORDER BY, and that of DBSF above it."""
    fusion = Fusion.of(run.body)
    return isinstance(run.stage.target, nodes.OrderBy) if fusion is None else fusion.by_value


def rank_key(one: Candidate | Fused, by_value: bool) -> RankKey:
    """What a list is ordered by, descending: in one that goes by values, the value before all scores."""
    if by_value and one.order_value is not None:
        return True, one.order_value
    return False, -math.inf if math.isnan(one.score) else one.score


def rank_keys(found: Sequence[Candidate | Fused], by_value: bool) -> list[RankKey]:
    """`rank_key` of each; there may be thousands."""
    if by_value:
        return [rank_key(one, True) for one in found]
    return [(False, -math.inf if one.score != one.score else one.score) for one in found]


def tie_groups(found: Sequence[Candidate], by_value: bool = False) -> list[tuple[int, int]]:
    """For each candidate, the first and last position (from 0) of those that rank as high as it."""
    keys = rank_keys(found, by_value)
    out: list[tuple[int, int]] = []
    start = 0
    for at in range(1, len(keys) + 1):
        if at == len(keys) or keys[at] != keys[start]:
            out += [(start, at - 1)] * (at - start)
            start = at
    return out
