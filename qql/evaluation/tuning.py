"""Which settings of a pipeline are worth having, where times are noise as much as anything.

Two settings differ in time only where that is more than noise, and what does not differ is equal.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Generic, TypeVar

from qql.evaluation.speed import percentile
from qql.records import dataclass

__all__ = ["Standing", "Times", "standings"]

RESAMPLES = 400
_TAIL = 2  # resamples on each side of the interval, which is one of 99 %
_LEAST_GAIN = 0.02
"""Below this part of the time, settings are equal whatever the interval says: what one call leaves in the
processor's caches for the next is as much."""

Item = TypeVar("Item")


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
    """The items worth having, from the least quality to the best, equals in one.

    The best are kept; of less quality, what is faster beyond noise than everything kept that is better; of
    one quality, nothing that is slower beyond noise than its equals. Of equals the one with the least
    ``preference`` stands for all, so that it is not the noise that chooses.
    """
    levels: dict[float, list[Item]] = {}
    for item in items:
        levels.setdefault(round(quality(item), 9), []).append(item)
    out: list[Standing[Item]] = []
    better: list[Item] = []
    for level in sorted(levels, reverse=True):
        fast = [one for one in levels[level] if all(times(one).faster_than(times(other)) for other in better)]
        kept = [one for one in fast if not any(times(other).faster_than(times(one)) for other in fast)]
        if kept:
            first, *others = sorted(kept, key=preference)
            out.append(Standing(first, tuple(others)))
            better += kept
    return out[::-1]
