"""How good a choice is on queries that had no part in it: folds, or a share that is kept apart.

What is best of thousands of settings on some queries is best by chance, too. So each part of the queries is
measured with the setting that the others have chosen. (Stone: Cross-validatory choice and assessment of
statistical predictions, J. R. Statist. Soc. B 36(2), 1974.)
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from qql.errors import many
from qql.evaluation.faults import InputError, argument
from qql.evaluation.measures import Measure
from qql.evaluation.recorded_tuning.boards import ScoredSetting
from qql.evaluation.recorded_tuning.searches import mean_of
from qql.evaluation.significance import bootstrap_interval, paired_t_test, randomization_test
from qql.records import dataclass
from qql.rest.types import JsonObject

__all__ = ["FOLDS", "CheckedChoice", "ChoiceFold", "Split", "checked", "split"]

FOLDS = 5
Split = tuple[list[int], list[int]]
"""The places of the queries that choose, and of those that are measured with what they chose."""


@dataclass(frozen=True, slots=True)
class ChoiceFold:
    """What some queries have chosen, its mean for them, and for those that had no part in it."""

    chosen: ScoredSetting
    training: float
    held_out: float
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedChoice:
    """All folds together. ``now`` is the mean of the pipeline as it is over the same queries, ``low`` and
    ``high`` the 95 % bootstrap interval of the mean ``difference`` from it, ``p`` the randomization test's
    and ``p_t`` the t-test's; None where there is no pipeline as it is."""

    folds: tuple[ChoiceFold, ...]
    training: float
    held_out: float
    now: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_t: float | None = None

    def to_dict(self) -> JsonObject:
        """All of it; the values that each fold chose, and its queries."""
        folds = [
            {
                "chosen": dict(one.chosen.values),
                "training": one.training,
                "held_out": one.held_out,
                "queries": list(one.queries),
            }
            for one in self.folds
        ]
        names = ("training", "held_out", "now", "difference", "low", "high", "p", "p_t")
        return {"folds": folds, **{name: getattr(self, name) for name in names}}


def split(count: int, folds: int | None, holdout: float | None, seed: int) -> list[Split]:
    """Queries divided by chance: into ``folds`` parts (5), each measured once, or a share kept apart.

    Raises `InputError` ``usage`` where that leaves no query on one of the sides.
    """
    if folds is not None and holdout is not None:
        message = f"{argument('folds')} measures all queries, {argument('holdout')} some: give one"
        raise InputError.make("usage", message)
    order = random.Random(seed).sample(range(count), count)
    if holdout is not None:
        kept = round(holdout * count)
        if not 0 < kept < count:
            message = f"{argument('holdout')} leaves no query of {count} on one of the sides"
            raise InputError.make("usage", message)
        return [(sorted(order[kept:]), sorted(order[:kept]))]
    parts = min(FOLDS, count) if folds is None else folds
    if not 2 <= parts <= count:
        said = many(count, "judged query", "judged queries")
        message = f"{argument('folds')} takes 2 or more, and no more than there are {said}"
        raise InputError.make("usage", message)
    held = [sorted(order[at::parts]) for at in range(parts)]
    return [(sorted({*range(count)} - {*one}), one) for one in held]


def checked(
    splits: Sequence[Split],
    choose: Callable[[Sequence[int]], ScoredSetting],
    current: ScoredSetting | None,
    measure: Measure,
    queries: Sequence[str],
) -> CheckedChoice:
    """What `choose` chooses for each split, beside the pipeline as it is."""
    folds, values, differences = [], [], []
    for training, held in splits:
        chosen = choose(training)
        own = [chosen.figures[measure][at] for at in held]
        names = tuple(queries[at] for at in held)
        folds.append(ChoiceFold(chosen, mean_of(chosen, measure, training), math.fsum(own) / len(own), names))
        values += own
        if current is not None:
            differences += [mine - current.figures[measure][at] for at, mine in zip(held, own, strict=True)]
    count = len(values)
    training_mean = math.fsum(one.training for one in folds) / len(folds)
    held_out = math.fsum(values) / count
    if current is None:
        return CheckedChoice(tuple(folds), training_mean, held_out)
    low, high = bootstrap_interval(differences)
    mean = math.fsum(differences) / count
    p, p_t = randomization_test(differences), paired_t_test(differences)
    return CheckedChoice(tuple(folds), training_mean, held_out, held_out - mean, mean, low, high, p, p_t)
