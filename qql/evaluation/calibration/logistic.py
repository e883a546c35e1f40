"""Logistic regression with a ridge penalty, by Newton's method.

Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2nd ed., § 4.4.1, 4.4.4. Each
step is a weighed least-squares fit of as many unknowns as there are features, so a few steps do for any
number of rows; scikit-learn's default solver with the same penalty gives the same to six digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qql.missing import needed_for
from qql.records import NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    _Array = NDArray[Any]

__all__ = ["Fit", "fit"]

_MOST_STEPS = 100
_TOLERANCE = 1e-9
_MOST_LOG_ODDS = 500.0


class Fit(NamedTuple):
    """The log-odds are ``intercept`` and the sum of each feature times its coefficient.

    ``separable``: the penalty alone holds the coefficients back, as some of them tell all labels apart.
    """

    intercept: float
    coefficients: tuple[float, ...]
    separable: bool


def fit(rows: Sequence[Sequence[float]], labels: Sequence[bool], penalty: float = 1.0) -> Fit:
    """The coefficients under which the labels are likeliest, less ``penalty / 2`` times their squares.

    Features are brought to a mean of 0 and a deviation of 1 first, so that the penalty treats them alike;
    the intercept has none. Raises `QQLExecutionError` ``missing-library`` where numpy is not installed.
    """
    with needed_for("calibrate"):
        import numpy

    given = numpy.asarray(rows, dtype=numpy.float64)
    wanted = numpy.asarray(labels, dtype=numpy.float64)
    mean, spread = given.mean(axis=0), given.std(axis=0)
    spread[spread < 1e-12] = 1.0  # a feature that never changes tells nothing, and gets 0
    ones = numpy.ones((len(given), 1))
    design = numpy.hstack([ones, (given - mean) / spread])
    ridge = numpy.full(design.shape[1], float(penalty))
    ridge[0] = 0.0
    found = numpy.zeros(design.shape[1])
    share = wanted.mean()
    found[0] = math.log(share / (1 - share))

    def loss(at: _Array) -> float:
        odds = numpy.clip(design @ at, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
        return float(numpy.logaddexp(0, odds).sum() - wanted @ odds + (ridge * numpy.square(at)).sum() / 2)

    least = loss(found)
    for _ in range(_MOST_STEPS):
        odds = numpy.clip(design @ found, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
        likely = 1 / (1 + numpy.exp(-odds))
        slope = design.T @ (wanted - likely) - ridge * found
        weight = likely * (1 - likely)
        bend = (design * weight[:, None]).T @ design + numpy.diag(ridge + 1e-10)
        step = numpy.linalg.solve(bend, slope)
        size = 1.0
        while (new := loss(found + size * step)) > least + 1e-12 and size > 1e-6:
            size /= 2
        found = found + size * step
        done, least = abs(least - new) <= _TOLERANCE * max(1.0, abs(least)), new
        if done:
            break
    odds = design @ found
    separable = bool(odds[wanted == 1].min() > odds[wanted == 0].max())
    coefficients = found[1:] / spread
    intercept = float(found[0] - coefficients @ mean)
    return Fit(intercept, tuple(float(one) for one in coefficients), separable)
