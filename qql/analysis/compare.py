"""A fusion recomputed from its inputs, beside what the engine gave: where they differ, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qql.analysis.fusion import (
    Candidate,
    Fused,
    Fusion,
    Id,
    close,
    contributions,
    fuse,
    tie_groups,
)

__all__ = ["EXPLAINED", "Difference", "Source", "Verdict", "compare", "recompose"]


class Source(NamedTuple):
    """One input of a fusion.

    ``full`` says that it used all of its slots, so that a tie may have been cut in two; ``ordered`` that it
    goes by order values.
    """

    candidates: Sequence[Candidate]
    full: bool
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """A point of which engine and recomputation disagree.

    ``rank`` is its place (from 1) in the engine's list, ``score`` its score there, both None where the engine
    left it out; ``expected`` is the recomputed score, None where no input has the point. ``reason`` is
    ``ties``, ``rounding``, ``groups``, ``sample``, ``shards``, ``nondeterminism`` or ``unexplained``.
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
        return sum(one.reason == "unexplained" for one in self.differences)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the differences, the most frequent first."""
        found = [one.reason for one in self.differences]
        return tuple(sorted(set(found), key=lambda reason: (-found.count(reason), reason)))

    @property
    def text(self) -> str:
        """``recomposed = engine``, or in how many points they differ and why."""
        if not self.differences:
            return "recomposed = engine"
        if self.same:
            return f"recomposed = engine, but for {_and(self.reasons)}"
        count = sum(one.reason not in _HARMLESS for one in self.differences)
        points = f"{count} point{'' if count == 1 else 's'}"
        reasons = [EXPLAINED[reason] for reason in self.reasons if reason not in _HARMLESS]
        return f"recomposed ≠ engine in {points}: {_and(reasons)}"


_HARMLESS = {"ties", "rounding"}
EXPLAINED = {
    "groups": "GROUP BY asks several times, with other limits and filters, and each time fuses anew",
    "sample": "a stage draws points by chance, others each time",
    "shards": "a fusion below another stage is computed by each shard for itself",
    "nondeterminism": "the engine answered a stage differently when it was asked again",
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
    """The fused list before its limit: Qdrant stops at the first point below the threshold."""
    fused = fuse(fusion, lists, by_direction=by_direction)
    if threshold is None:
        return fused
    below = (at for at, one in enumerate(fused) if not one.score >= threshold)
    return fused[: next(below, len(fused))]


def compare(
    fusion: Fusion,
    inputs: Sequence[Source],
    engine: Sequence[Candidate],
    limit: int,
    threshold: float | None = None,
) -> Verdict:
    """Compare the engine's fused list with the one recomputed from its inputs.

    Differences that neither rounding nor ties within the inputs explain are ``unexplained`` here.
    """
    verdict = _compared(fusion, inputs, engine, limit, threshold, False)
    if verdict.same or fusion.method != "dbsf":
        return verdict
    turned = _compared(fusion, inputs, engine, limit, threshold, True)
    return min(verdict, turned, key=lambda one: one.unexplained)


def _compared(
    fusion: Fusion,
    inputs: Sequence[Source],
    engine: Sequence[Candidate],
    limit: int,
    threshold: float | None,
    by_direction: bool,
) -> Verdict:
    lists = [one.candidates for one in inputs]
    wanted = recompose(fusion, lists, threshold, by_direction=by_direction)[:limit]
    expected = {one.id: one.score for one in fuse(fusion, lists, by_direction=by_direction)}
    bounds = _Bounds(fusion, inputs, by_direction)
    worst = wanted[-1].score if wanted else 0.0
    differences = []
    for rank, one in enumerate(engine, 1):
        score = expected.get(one.id)
        if score == one.score:
            continue
        if score is not None and close(score, one.score):
            reason = "rounding"
        else:
            reason = "ties" if bounds.allow(one.id, one.score) else "unexplained"
        differences.append(Difference(one.id, rank, one.score, score, reason))
    given = {one.id for one in engine}
    last = engine[-1].score if engine and len(engine) == limit else threshold
    for missing in wanted:
        if missing.id not in given:
            low = last is not None and bounds.reach(missing.id, last)
            tied = low or close(missing.score, worst) or bounds.lose(missing.id)
            reason = "ties" if tied else "unexplained"
            differences.append(Difference(missing.id, None, None, missing.score, reason))
    return Verdict(tuple(wanted), len(engine), tuple(differences), by_direction)


class _Bounds:
    """Between which scores ties leave a point: the order of equals is free, and who of them is cut."""

    def __init__(self, fusion: Fusion, inputs: Sequence[Source], by_direction: bool) -> None:
        self.kept: list[set[Id]] = []  # those of a list that no tie can cut
        self.low: list[dict[Id, float]] = []
        self.high: list[dict[Id, float]] = []
        self.other: list[tuple[float, float]] = []  # what a point that a list lacks may have had from it
        lists = [one.candidates for one in inputs]
        for source, values in zip(
            inputs, contributions(fusion, lists, by_direction=by_direction), strict=True
        ):
            found = source.candidates
            worths = [values[one.id] for one in found]
            groups = tie_groups(found, source.ordered)
            low = {one.id: worths[last] for one, (_, last) in zip(found, groups, strict=True)}
            high = {one.id: worths[first] for one, (first, _) in zip(found, groups, strict=True)}
            other = (0.0, 0.0)
            cut: set[Id] = set()
            if source.full and found:
                first, last = groups[-1]
                cut = {one.id for one in found[first:]}
                for one in found[first:]:
                    low[one.id], high[one.id] = min(0.0, low[one.id]), max(0.0, high[one.id])
                other = min(0.0, worths[last]), max(0.0, worths[first])
            self.kept.append(low.keys() - cut)
            self.low.append(low)
            self.high.append(high)
            self.other.append(other)

    def of(self, key: Id) -> tuple[float, float]:
        """The least and the greatest score of a point."""
        pairs = [
            (low.get(key, other[0]), high.get(key, other[1]))
            for low, high, other in zip(self.low, self.high, self.other, strict=True)
        ]
        return sum(low for low, _ in pairs), sum(high for _, high in pairs)

    def allow(self, key: Id, score: float) -> bool:
        """Whether ties can give the point this score."""
        low, high = self.of(key)
        return low < score < high or close(low, score) or close(high, score)

    def lose(self, key: Id) -> bool:
        """Whether ties can cut the point from every list."""
        return not any(key in kept for kept in self.kept)

    def reach(self, key: Id, score: float) -> bool:
        """Whether ties can bring the point down to this score or below it."""
        low, _ = self.of(key)
        return low < score or close(low, score)
