"""A fusion recomputed from its inputs, beside what the engine gave: where they differ, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qql.analysis.fusion import Candidate, Fused, Fusion, Id, close, f32, fuse, rank_in, wobble

__all__ = ["EXPLAINED", "Difference", "Verdict", "compare", "recompose"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A point of which engine and recomputation disagree.

    ``rank`` is its place (from 1) in the engine's list, ``score`` its score there, both None where the engine
    left it out; ``expected`` is the recomputed score, None where no input has the point. ``reason`` is
    ``ties``, ``rounding``, ``sample``, ``groups``, ``shards``, ``nondeterminism``, ``malformed`` or
    ``unexplained``.
    """

    id: Id
    rank: int | None
    score: float | None
    expected: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison found. ``order`` is the recomputed list, cut as the stage cuts it.

    ``by_direction`` says that DBSF turned lists of distances round, as servers after 1.19 do.
    """

    order: tuple[Fused, ...]
    compared: int
    differences: tuple[Difference, ...] = ()
    by_direction: bool = False

    @property
    def same(self) -> bool:
        """Whether the engine's list is the recomputed one, up to ties and rounding."""
        return all(one.reason in _HARMLESS for one in self.differences)

    @property
    def unexplained(self) -> int:
        """How many points differ for no known reason."""
        return sum(one.reason in _WRONG for one in self.differences)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the differences, the most frequent first."""
        found = [one.reason for one in self.differences]
        return tuple(sorted(set(found), key=lambda reason: (-found.count(reason), reason)))

    @property
    def text(self) -> str:
        """``recomposed = engine``, or in how many points they differ and why."""
        equal = "recomposed = engine" + (", with distances turned round" if self.by_direction else "")
        if not self.differences:
            return equal
        if self.same:
            return f"{equal}, but for {_and(self.reasons)}"
        count = sum(one.reason not in _HARMLESS for one in self.differences)
        points = f"{count} point{'' if count == 1 else 's'}"
        reasons = [EXPLAINED[reason] for reason in self.reasons if reason not in _HARMLESS]
        return f"recomposed ≠ engine in {points}: {_and(reasons)}"


_HARMLESS = {"ties", "rounding"}
_WRONG = {"malformed", "unexplained"}
EXPLAINED = {
    "groups": "GROUP BY asks several times, with other limits and filters, and each time fuses anew",
    "sample": "a stage draws points by chance, others each time",
    "shards": "each shard fuses and rescores for itself what it has, but for a fusion at the root",
    "nondeterminism": "the engine answered a stage differently when it was asked again",
    "malformed": "the engine's list is out of order, too long, or below its SCORE THRESHOLD",
    "unexplained": "no reason is known",
}


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


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
    wrong = set() if limit is None else _malformed(fusion, engine, limit, threshold)
    beyond = set() if limit is None else _beyond(fusion, every, threshold)
    rounding = wobble(fusion, lists)
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
        differences += _missing(fusion, wanted, engine, limit, threshold)
    return Verdict(tuple(wanted), len(engine), tuple(differences), by_direction)


def _malformed(fusion: Fusion, engine: Sequence[Candidate], limit: int, threshold: float | None) -> set[int]:
    """The ranks of what cannot stand where it stands, whatever was fused."""
    ordered = fusion.method == "dbsf"
    wrong = set(range(limit + 1, len(engine) + 1))
    seen: set[Id] = set()
    for rank, one in enumerate(engine, 1):
        low = threshold is not None and one.score < f32(threshold) and not close(one.score, threshold)
        if low or one.id in seen or (rank > 1 and _rises(engine[rank - 2], one, ordered)):
            wrong.add(rank)
        seen.add(one.id)
    return wrong


def _beyond(fusion: Fusion, every: Sequence[Fused], threshold: float | None) -> set[Id]:
    """The points behind the first that is below the threshold, where Qdrant stops, though they pass it."""
    if threshold is None:
        return set()
    ordered, least = fusion.method == "dbsf", f32(threshold)
    below = (one for one in every if one.score < least and not close(one.score, least))
    stop = next(below, None)
    if stop is None:
        return set()
    return {one.id for one in every if rank_in(one, ordered) < rank_in(stop, ordered)}


def _rises(above: Candidate, one: Candidate, ordered: bool) -> bool:
    """Whether a point ranks before the one that stands above it."""
    first, second = rank_in(above, ordered), rank_in(one, ordered)
    return first < second and (second[0] or not close(above.score, one.score))


def _missing(
    fusion: Fusion,
    wanted: Sequence[Fused],
    engine: Sequence[Candidate],
    limit: int,
    threshold: float | None,
) -> list[Difference]:
    """The points that the engine's list should have and has not."""
    given = {one.id for one in engine}
    ordered = fusion.method == "dbsf"
    differences = []
    for one in wanted:
        if one.id in given:
            continue
        reason = "unexplained"
        if len(engine) >= limit:
            own, last = rank_in(one, ordered), rank_in(engine[-1], ordered)
            if own == last:
                reason = "ties"
            elif not (own[0] or last[0]) and close(one.score, engine[-1].score):
                reason = "rounding"
        elif threshold is not None and close(one.score, threshold):
            reason = "rounding"
        differences.append(Difference(one.id, None, None, one.score, reason))
    return differences
