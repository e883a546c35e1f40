"""Which settings of a pipeline are worth having, where times are noise as much as anything.

Two settings differ in time only where that is more than noise, and what does not differ is equal.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from qql.evaluation.speed import percentile

__all__ = ["Standing", "Times", "standings"]

RESAMPLES = 400
_TAIL = 2  # resamples on each side of the interval, which is one of 99 %
_LEAST_GAIN = 0.02
"""Below this part of the time, settings are equal whatever the interval says: what one call leaves in the
processor's caches for the next is as much."""

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class Times:
    """Seconds of calls: ``rounds`` × queries, the queries in the same order in each round.

    Those of several settings can be compared where they were measured in the same rounds.
    """

    rounds: tuple[tuple[float, ...], ...]
    percent: float = 50

    @cached_property
    def seconds(self) -> float:
        """The percentile of all calls."""
        return percentile([one for each in self.rounds for one in each], self.percent)

    @cached_property
    def _resampled(self) -> list[float]:
        """The percentile with rounds and queries drawn anew, the same ones for all with as many of both.

        Rounds are drawn as a whole, since what disturbs a machine lasts longer than a call. (Davison,
        Hinkley: Bootstrap methods and their application, 1997, § 3.8, on data in two levels.)
        """
        dice = random.Random(0)
        rounds, queries = range(len(self.rounds)), range(len(self.rounds[0]))
        out = []
        for _ in range(RESAMPLES):
            drawn = dice.choices(queries, k=len(queries))
            some = [self.rounds[at] for at in dice.choices(rounds, k=len(rounds))]
            out.append(percentile([each[at] for each in some for at in drawn], self.percent))
        return out

    def faster_than(self, other: Times) -> bool:
        """Whether the times are lower beyond noise: the 99 % bootstrap interval of the difference is below 0,
        and the difference is no trifle (2 %)."""
        if self.seconds > other.seconds * (1 - _LEAST_GAIN):
            return False
        differences = sorted(
            mine - theirs for mine, theirs in zip(self._resampled, other._resampled, strict=True)
        )
        return differences[-1 - _TAIL] < 0


@dataclass(frozen=True, slots=True)
class Standing(Generic[Item]):
    """A setting that no other beats; ``equals`` have the same quality, in times that do not differ."""

    item: Item
    equals: tuple[Item, ...] = ()


def standings(
    items: Sequence[Item],
    *,
    quality: Callable[[Item], float],
    times: Callable[[Item], Times],
    preference: Callable[[Item], tuple[int, ...]],
) -> list[Standing[Item]]:
    """The items that no other beats, from the least quality to the best, equals in one.

    One item beats another of less quality unless it is slower beyond noise, and one of equal quality where it
    is faster beyond noise. Of equals the one with the least ``preference`` stands for all, so that it is not
    the noise that chooses.
    """
    worth = {item: round(quality(item), 9) for item in items}
    kept = [one for one in items if not any(_beats(other, one, worth, times) for other in items)]
    out = []
    for level in sorted({worth[item] for item in kept}):
        first, *others = sorted((item for item in kept if worth[item] == level), key=preference)
        out.append(Standing(first, tuple(others)))
    return out


def _beats(one: Item, other: Item, worth: dict[Item, float], times: Callable[[Item], Times]) -> bool:
    if worth[one] > worth[other]:
        return not times(other).faster_than(times(one))
    return worth[one] == worth[other] and times(one).faster_than(times(other))
