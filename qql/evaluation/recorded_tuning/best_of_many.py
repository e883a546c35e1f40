"""How often the best of many settings would be as good as the one that was chosen, were all of them alike.

Folds alone flatter: their parts choose from nearly the same queries, and so mostly the same setting.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from operator import mul

__all__ = ["chance_of_best"]

ROUNDS = 999


def chance_of_best(
    differences: Sequence[Sequence[float]], chosen: Sequence[float], *, rounds: int = ROUNDS, seed: int = 0
) -> float:
    """The p-value of a setting among many, corrected for their number: the single-step max-T test.

    ``differences`` have a row a setting, ``chosen`` among them: of each query, the figure less that of the
    pipeline as it is. Were they alike, all differences of a query might as well have the other sign. p is the
    share of assignments of signs by which some setting is at least as far above 0 as ``chosen`` is, measured
    by its own spread; ``rounds`` of them are drawn. As the settings of a query change their signs together,
    that they are like one another is taken into account.

    Westfall, Young: Resampling-based multiple testing, 1993. White: A reality check for data snooping,
    Econometrica 68(5), 2000.
    """
    own = _scaled(chosen)
    if own is None:
        return 1.0
    rows = [one for one in map(_scaled, {tuple(one) for one in differences}) if one is not None]
    least = math.fsum(own) - 1e-9
    dice = random.Random(seed)
    signs = [[1.0 if dice.getrandbits(1) else -1.0 for _ in own] for _ in range(rounds)]
    reached = sum(best >= least for best in _greatest(rows, signs))
    return (1 + reached) / (1 + rounds)


def _scaled(differences: Sequence[float]) -> list[float] | None:
    """Differences over the root of the sum of their squares, which no sign changes; None where all are 0."""
    length = math.sqrt(math.fsum(one * one for one in differences))
    return [one / length for one in differences] if length else None


def _greatest(rows: Sequence[Sequence[float]], signs: Sequence[Sequence[float]]) -> list[float]:
    """The greatest sum of any row, for each assignment of signs."""
    try:
        import numpy
    except ModuleNotFoundError:
        return [max((sum(map(mul, row, one)) for row in rows), default=0.0) for one in signs]
    if not rows:
        return [0.0] * len(signs)
    matrix, turned = numpy.array(rows), numpy.array(signs).T
    parts = [(matrix[at : at + 1000] @ turned).max(axis=0) for at in range(0, len(rows), 1000)]
    found: list[float] = numpy.max(parts, axis=0).tolist()
    return found
