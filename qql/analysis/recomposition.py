"""A fusion recomputed from its inputs, beside what the engine gave: where they differ, and why."""

from __future__ import annotations

from collections.abc import Sequence

from qql.analysis.fusion import Fusion, close, fuse, rank_key, rounding_error
from qql.analysis.model import Candidate, Difference, Fused, Id, Verdict
from qql.rest.fusion import f32

__all__ = ["compare", "recompose"]


def recompose(
    fusion: Fusion,
    lists: Sequence[Sequence[Candidate]],
    threshold: float | None = None,
    *,
    by_direction: bool = False,
) -> list[Fused]:
    """The fused list before its limit: Qdrant stops at the first point below the (32-bit) threshold."""
    fused = fuse(fusion, lists, by_direction=by_direction)
    if threshold is None:
        return fused
    least = f32(threshold)
    below = (at for at, one in enumerate(fused) if not one.score >= least)
    return fused[: next(below, len(fused))]


def compare(
    fusion: Fusion,
    lists: Sequence[Sequence[Candidate]],
    engine: Sequence[Candidate],
    limit: int | None,
    threshold: float | None = None,
    *,
    by_direction: bool = False,
) -> Verdict:
    """Compare the engine's fused list with the one recomputed from its inputs, taken as they are.

    ``limit`` None: the list is one of groups, whose points are neither the best nor in one order, so that
    only their scores are compared. What neither rounding nor a tie at the limit explains is ``unexplained``.
    """
    every = fuse(fusion, lists, by_direction=by_direction)
    wanted = recompose(fusion, lists, threshold, by_direction=by_direction)[:limit]
    expected = {one.id: one for one in every}
    wrong = set() if limit is None else _malformed_ranks(fusion, engine, limit, threshold)
    beyond = set() if limit is None else _behind_stop(fusion, every, threshold)
    rounding = rounding_error(fusion, lists)
    differences = []
    for rank, one in enumerate(engine, 1):
        score = expected[one.id].score if one.id in expected else None
        if rank in wrong:
            reason = "malformed"
        elif one.id in beyond:
            reason = "unexplained"
        elif score == one.score:
            continue
        else:
            near = score is not None and (close(score, one.score) or abs(score - one.score) <= rounding)
            reason = "rounding" if near else "unexplained"
        differences.append(Difference(one.id, rank, one.score, score, reason))
    if limit is not None:
        differences += _missing_points(fusion, wanted, engine, limit, threshold)
    return Verdict(tuple(wanted), len(engine), tuple(differences), by_direction)


def _malformed_ranks(
    fusion: Fusion, engine: Sequence[Candidate], limit: int, threshold: float | None
) -> set[int]:
    """The ranks of what cannot stand where it stands, whatever was fused."""
    wrong = set(range(limit + 1, len(engine) + 1))
    seen: set[Id] = set()
    for rank, one in enumerate(engine, 1):
        low = threshold is not None and one.score < f32(threshold) and not close(one.score, threshold)
        if low or one.id in seen or (rank > 1 and _ranks_before(one, engine[rank - 2], fusion)):
            wrong.add(rank)
        seen.add(one.id)
    return wrong


def _behind_stop(fusion: Fusion, every: Sequence[Fused], threshold: float | None) -> set[Id]:
    """The points behind the first that is below the threshold, where Qdrant stops, though they pass it."""
    if threshold is None:
        return set()
    least = f32(threshold)
    below = (one for one in every if one.score < least and not close(one.score, least))
    stop = next(below, None)
    if stop is None:
        return set()
    bar = rank_key(stop, fusion.by_value)
    return {one.id for one in every if rank_key(one, fusion.by_value) < bar}


def _ranks_before(one: Candidate, above: Candidate, fusion: Fusion) -> bool:
    """Whether a point ranks before the one that stands above it, by more than rounding."""
    first, second = rank_key(above, fusion.by_value), rank_key(one, fusion.by_value)
    return first < second and (second[0] or not close(above.score, one.score))


def _missing_points(
    fusion: Fusion,
    wanted: Sequence[Fused],
    engine: Sequence[Candidate],
    limit: int,
    threshold: float | None,
) -> list[Difference]:
    """The points that the engine's list should have and has not."""
    given = {one.id for one in engine}
    last = engine[-1] if engine and len(engine) >= limit else None
    return [
        Difference(one.id, None, None, one.score, _missing_reason(fusion, one, last, threshold))
        for one in wanted
        if one.id not in given
    ]


def _missing_reason(fusion: Fusion, one: Fused, last: Candidate | None, threshold: float | None) -> str:
    """Why a point is not in the engine's list, whose limit cuts off what stands behind ``last``."""
    if last is not None:
        own, bar = rank_key(one, fusion.by_value), rank_key(last, fusion.by_value)
        if own == bar:
            return "ties"
        near = not (own[0] or bar[0]) and close(one.score, last.score)
    else:
        near = threshold is not None and close(one.score, threshold)
    return "rounding" if near else "unexplained"
