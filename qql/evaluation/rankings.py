"""How alike two rankings are, without judgements.

A ranking is a sequence of items, the best first, each once. Two rankings without items are alike (1.0).
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from qql.errors import fail
from qql.evaluation.faults import InputError

__all__ = ["DEFAULT_PERSISTENCE", "jaccard", "kendall_tau", "overlap_at", "rank_biased_overlap"]

DEFAULT_PERSISTENCE = 0.9
"""RBO's p where none is given: the first ten ranks then have 86 % of the weight (Webber et al., 4.4)."""


def overlap_at(one: Sequence[Hashable], other: Sequence[Hashable], k: int) -> float:
    """The share of the first ``k`` places that hold the same items, in whatever order: 0 to 1.

    Where even the longer ranking has fewer than ``k`` items, those are the places: two equal rankings have 1
    at any k.
    """
    places = min(k, max(len(one), len(other)))
    return len({*one[:k]} & {*other[:k]}) / places if places else 1.0


def jaccard(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """The items in both rankings over those in either: 0 to 1."""
    either = len({*one, *other})
    return len({*one} & {*other}) / either if either else 1.0


def rank_biased_overlap(
    one: Sequence[Hashable], other: Sequence[Hashable], p: float = DEFAULT_PERSISTENCE
) -> float:
    """Rank-biased overlap, extrapolated: 0 (disjoint) to 1 (equal).

    The mean of the agreements at all depths, where depth d weighs (1 - p)·p^(d-1): p is the probability that
    a reader goes on to the next rank. What lies beyond the end of a ranking is taken to agree as much as what
    has been seen. RBO_EXT of Webber, Moffat, Zobel: A similarity measure for indefinite rankings, ACM TOIS
    28(4), 2010, equation 32, which allows rankings of different lengths.

    Items that tie count in the order in which they stand. The paper's treatment of ties needs ranks; what is
    measured here is what a reader of the two lists sees.

    Raises `InputError` ``bad-persistence`` unless 0 < p < 1.
    """
    if not 0 < p < 1:
        fail("bad-persistence", f"RBO requires 0 < p < 1, found p = {p}", error=InputError)
    short, long = sorted((one, other), key=len)
    if not short:
        return float(len(long) == 0)
    s, n = len(short), len(long)
    seen: set[Hashable] = set()
    common = at_s = 0
    total = 0.0
    for depth in range(1, n + 1):
        for item in {long[depth - 1], *short[depth - 1 : depth]}:
            common += item in seen
            seen.add(item)
        if depth <= s and short[depth - 1] == long[depth - 1]:
            common += 1  # seen in both at once
        at_s = common if depth <= s else at_s
        assumed = at_s * max(0, depth - s) / s
        total += (common + assumed) / depth * p ** (depth - 1)
    return (1 - p) * total + ((common - at_s) / n + at_s / s) * p**n


def kendall_tau(places: Iterable[tuple[float, float]]) -> float | None:
    """Kendall's τ-b of items that two rankings have in common: -1 (reversed) to 1 (the same order).

    ``places`` are the two ranks of each item; equal ranks are ties, which count for neither order. None where
    there is nothing to compare: fewer than two items, or one ranking in which all of them tie.

    Concordant minus discordant pairs, over the geometric mean of the pairs that do not tie in the one and in
    the other ranking. Kendall: The treatment of ties in ranking problems, Biometrika 33(3), 1945; counted as
    by Knight, JASA 61(314), 1966: with one ranking sorted, discordant pairs are the inversions of the other.
    """
    pairs = sorted(places)
    every = math.comb(len(pairs), 2)
    tied_one = _tied_pairs(one for one, _ in pairs)
    tied_other = _tied_pairs(other for _, other in pairs)
    if every in (tied_one, tied_other):
        return None
    discordant, before = 0, list[float]()
    for _, other in pairs:
        discordant += len(before) - bisect_right(before, other)
        insort(before, other)
    concordant = every - tied_one - tied_other + _tied_pairs(pairs) - discordant
    return (concordant - discordant) / math.sqrt((every - tied_one) * (every - tied_other))


def _tied_pairs(values: Iterable[Hashable]) -> int:
    """The number of pairs of equal values."""
    return sum(math.comb(count, 2) for count in Counter(values).values())
