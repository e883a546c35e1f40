"""Whether two pipelines differ by more than chance: paired tests over the queries, in plain Python.

Each works on one number per query, the difference of the two pipelines' values, and gives the same result
each time (random numbers come from a fixed seed).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from itertools import accumulate

from qql.errors import QQLExecutionError, fail
from qql.evaluation.measures import Evaluation, Measure
from qql.records import dataclass

__all__ = [
    "MeasureDifference",
    "bootstrap_interval",
    "compare_evaluations",
    "holm",
    "paired_t_test",
    "randomization_test",
]

ROUNDS = 10_000
"""Samples of the randomization test; its p-values near 0.05 are then exact to about 0.004."""
RESAMPLES = 2_000
"""Samples of the bootstrap."""
_MOST_COUNTED = 16  # differences that are not 0, up to which every assignment of signs is counted


def randomization_test(differences: Sequence[float], *, rounds: int = ROUNDS, seed: int = 0) -> float:
    """The two-sided p-value of Fisher's paired randomization test of the mean difference.

    Were the pipelines alike, each query's difference might as well have the other sign. p is the share of
    assignments of signs whose mean is at least as far from 0 as the one observed. With up to 16 differences
    that are not 0, all assignments are counted; else ``rounds`` random ones and the observed one, so that p
    is never 0.

    Smucker, Allan, Carterette: A comparison of statistical significance tests for information retrieval
    evaluation, CIKM 2007. Phipson, Smyth: Permutation p-values should never be zero, SAGMB 9(1), 2010.
    """
    moved = [d for d in differences if d]
    # Sums of the same numbers in another order differ in their last bits.
    least = abs(math.fsum(moved)) - 1e-12 * math.fsum(map(abs, moved))
    if len(moved) <= _MOST_COUNTED:
        sums = [0.0]
        for d in moved:
            sums = [total + signed for total in sums for signed in (d, -d)]
        return sum(abs(total) >= least for total in sums) / len(sums)
    # A random byte gives eight signs, so a table of 256 sums stands for eight additions.
    tables = [_signed_sums(moved[start : start + 8]) for start in range(0, len(moved), 8)]
    dice = random.Random(seed)
    extreme = sum(
        abs(sum(table[byte] for table, byte in zip(tables, dice.randbytes(len(tables)), strict=True)))
        >= least
        for _ in range(rounds)
    )
    return (1 + extreme) / (1 + rounds)


def _signed_sums(values: Sequence[float]) -> list[float]:
    """The sum of up to eight values for each byte, whose bits say which have the other sign."""
    return [sum(-v if byte >> bit & 1 else v for bit, v in enumerate(values)) for byte in range(256)]


def paired_t_test(differences: Sequence[float]) -> float:
    """The two-sided p-value of Student's paired t-test: t = mean / (s / √n) with n - 1 degrees of freedom.

    1 for fewer than two differences, or where all are 0; 0 where all are the same and not 0. (Student: The
    probable error of a mean, Biometrika 6(1), 1908.)
    """
    n = len(differences)
    if n < 2:
        return 1.0
    mean = math.fsum(differences) / n
    square = math.fsum((d - mean) ** 2 for d in differences) / (n - 1)
    if square <= (1e-15 * mean) ** 2:  # what rounding leaves of equal differences
        return 0.0 if mean else 1.0
    freedom = n - 1
    t2 = mean * mean / (square / n)
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t2))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), the regularized incomplete beta function (DLMF § 8.17), for 0 ≤ x ≤ 1.

    The continued fraction DLMF 8.17.22, evaluated by Lentz's method (Thompson, Barnett, J. Comput. Phys. 64,
    1986). It converges fast for x < (a + 1) / (a + b + 2); 1 - I_1-x(b, a), the same number, serves the rest.
    """
    if x <= 0 or x >= 1:
        return float(x > 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    c, d = 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _off_zero(1 + term * d)
            c = _off_zero(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction / a


def _off_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in their order.

    To take those below α for real is to err, once or more often among all of them, with a chance below α.
    The i-th smallest of m (from 0) is multiplied by m - i; none is below a smaller one's, none above 1.
    (Holm: A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6(2), 1979.)
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    scaled = (min(1.0, p_values[at] * (len(order) - i)) for i, at in enumerate(order))
    adjusted = dict(zip(order, accumulate(scaled, max), strict=True))
    return [adjusted[at] for at in range(len(p_values))]


def bootstrap_interval(
    differences: Sequence[float], *, level: float = 0.95, rounds: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap's interval for the mean difference; (nan, nan) without differences.

    The queries are drawn anew with replacement, ``rounds`` times. (Efron, Tibshirani: An introduction to
    the bootstrap, 1993, § 13.3.)
    """
    n = len(differences)
    if not n:
        return math.nan, math.nan
    dice = random.Random(seed)
    means = sorted(sum(dice.choices(differences, k=n)) / n for _ in range(rounds))
    tail = round((1 - level) / 2 * (rounds - 1))
    return means[tail], means[-1 - tail]


@dataclass(frozen=True, slots=True)
class MeasureDifference:
    """One measure of a pipeline beside the baseline's, over the same queries.

    ``difference`` is the mean of ``name``'s values minus that of ``baseline``'s, ``low`` and ``high`` are its
    95 % bootstrap interval; ``wins`` and ``losses`` count the queries on which it is better or worse. ``p``
    is the randomization test's, ``p_t`` the t-test's, ``p_holm`` is ``p`` corrected for all comparisons
    together.
    """

    name: str
    baseline: str
    measure: Measure
    mean: float
    base_mean: float
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    p: float
    p_t: float
    p_holm: float

    def significant(self, alpha: float = 0.05) -> bool:
        """Whether the corrected p-value is below ``alpha``."""
        return self.p_holm < alpha


def compare_evaluations(
    evaluations: Mapping[str, Evaluation],
    baseline: str | None = None,
    *,
    rounds: int = ROUNDS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[MeasureDifference]:
    """Each pipeline beside the baseline (the first, where none is named), by each measure.

    Raises `QQLExecutionError` ``unpaired-runs`` where they were not evaluated on the same queries and
    measures, or there is no such baseline.
    """
    names = list(evaluations)
    base_name = names[0] if baseline is None and names else baseline
    if base_name is None or base_name not in evaluations:
        fail(
            "unpaired-runs",
            f"there is no pipeline `{base_name}` to compare with",
            error=QQLExecutionError,
        )
    base = evaluations[base_name]
    pairs = []
    for name in names:
        other = evaluations[name]
        if set(other.queries) != set(base.queries) or other.measures != base.measures:
            fail(
                "unpaired-runs",
                f"`{name}` and `{base_name}` cannot be compared: they have not the same queries and measures",
                error=QQLExecutionError,
            )
        pairs += [(name, measure) for measure in base.measures if name != base_name]
    differences = [
        [evaluations[name].values[measure][query] - base.values[measure][query] for query in base.queries]
        for name, measure in pairs
    ]
    p_values = [randomization_test(d, rounds=rounds, seed=seed) for d in differences]
    out = []
    for (name, measure), each, p, p_holm in zip(pairs, differences, p_values, holm(p_values), strict=True):
        low, high = bootstrap_interval(each, rounds=resamples, seed=seed)
        mean, base_mean = evaluations[name].means[measure], base.means[measure]
        out.append(
            MeasureDifference(
                name=name,
                baseline=base_name,
                measure=measure,
                mean=mean,
                base_mean=base_mean,
                difference=math.fsum(each) / len(each),
                low=low,
                high=high,
                wins=sum(d > 0 for d in each),
                losses=sum(d < 0 for d in each),
                p=p,
                p_t=paired_t_test(each),
                p_holm=p_holm,
            )
        )
    return out
