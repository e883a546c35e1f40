"""How well probabilities are calibrated: Brier score, log loss, expected calibration error.

Sources: Brier, Verification of forecasts expressed in terms of probability, 1950; Naeini et al., Obtaining
well calibrated probabilities using Bayesian binning, 2015 (ten bins of one width).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["brier", "calibration_error", "log_loss"]

_LEAST = 1e-15
_BINS = 10


def brier(probabilities: Sequence[float], labels: Sequence[bool]) -> float:
    """The mean square of how far a probability is from what came: 0 is best."""
    return math.fsum((one - label) ** 2 for one, label in zip(probabilities, labels, strict=True)) / len(
        labels
    )


def log_loss(probabilities: Sequence[float], labels: Sequence[bool]) -> float:
    """The mean of the negative logarithm of the probability of what came: 0 is best."""
    likely = (one if label else 1 - one for one, label in zip(probabilities, labels, strict=True))
    return -math.fsum(math.log(max(one, _LEAST)) for one in likely) / len(labels)


def calibration_error(probabilities: Sequence[float], labels: Sequence[bool]) -> float:
    """How far the share of relevant ones in a bin is from the mean probability there, on average."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for one, label in zip(probabilities, labels, strict=True):
        bins[min(int(one * _BINS), _BINS - 1)].append((one, label))
    gaps = (abs(math.fsum(one - label for one, label in some)) for some in bins)
    return math.fsum(gaps) / len(labels)
