"""Whether a mean is above or below a number, told from values that come one by one, and looked at each time.

Values are -1 to 1, and each has the same mean, whatever those before it were: here, the differences of
queries in random order. A gambler who begins with 1 stakes a part c of what is there against the mean being
at most m: a value x leaves the share 1 - c + c (1 + x) / (1 + m) of it. If the mean is at most m, the
gambler's money is a supermartingale, and the chance that it ever reaches 1 / α is at most α (Ville's
inequality), however often somebody looks, and whenever they stop. So a mean of m and below is refuted when it
does. Which part is best is not known beforehand, so that the money is divided among several parts.

Waudby-Smith, Ramdas: Estimating means of bounded random variables by betting, J. R. Stat. Soc. B 86(1), 2024
(first 2020), §§ 4-5 (there for values of 0 to 1); the fixed parts are its "hedged grid-Kelly".

The money grows with each value. So where of some values only a lower bound is known, the money by these
bounds is never more than that by the values, and what it refutes is refuted. Values may become known in any
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qql.evaluation.judging.differences import Bounds

__all__ = ["PARTS", "confidence_interval", "evidence_above", "evidence_below"]

PARTS = tuple(0.95 * 0.5**power for power in range(4))
"""The parts of their money that gamblers stake; more of them take longer for what is easily seen."""
_EDGE = 1e-9
_HALVINGS = 30


def evidence_above(values: Iterable[float], mean: float = 0.0, enough: float = float("inf")) -> float:
    """The most money at any time of who bets against a mean of at most ``mean``; 1 at the beginning.

    Ends early where it is ``enough``. For lower bounds of values it is a lower bound.
    """
    part_a, part_b, part_c, part_d = PARTS  # one by one, as this is most of the work of a verdict
    a = b = c = d = 1 / len(PARTS)
    scale = 1 / (1 + max(mean, _EDGE - 1))
    most = 1.0
    for value in values:
        if value == mean:
            continue
        ratio = (1 + value) * scale - 1
        a *= 1 + part_a * ratio
        b *= 1 + part_b * ratio
        c *= 1 + part_c * ratio
        d *= 1 + part_d * ratio
        total = a + b + c + d
        if total > most:
            most = total
            if most >= enough:
                break
    return most


def evidence_below(values: Iterable[float], mean: float = 0.0, enough: float = float("inf")) -> float:
    """The same against a mean of at least ``mean``; for upper bounds of values it is a lower bound."""
    return evidence_above((-value for value in values), -mean, enough)


def confidence_interval(bounds: Sequence[Bounds], alpha: float) -> Bounds:
    """An interval for the mean, from bounds of each value in their order: at all times together it misses
    the mean with a chance of at most ``alpha``."""
    low = _refuted([one.low for one in bounds], alpha)
    return Bounds(low, -_refuted([-one.high for one in bounds], alpha))


def _refuted(values: Sequence[float], alpha: float) -> float:
    """The largest number that the mean is above, by bisection: evidence falls as it grows; else -1."""
    low, high, enough = -1.0, 1.0, 2 / alpha
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if evidence_above(values, middle, enough) >= enough:
            low = middle
        else:
            high = middle
    return low
