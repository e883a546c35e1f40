"""Which points some setting of a fusion can put among the first: those that few others always precede.

A point that stands above another in every list that has the other gets as much as that or more, whatever the
limits, weights and k are, where what a list gives falls with the rank. So a point that as many others precede
as are wanted is never among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy

from qql.analysis.fusion import Fusion

__all__ = ["contenders", "falls_with_rank", "rrf_row"]

Array = Any
"""An array of numpy."""
_LONGEST = 1 << 16
_MOST_COMPARED = 1 << 11
"""Points that are compared with one another at most: the square of it is the work."""
_NOWHERE = numpy.iinfo(numpy.int32).max


def contenders(places: Sequence[Array], groups: Sequence[int], ranks: Array, head: int) -> Array:
    """The columns of all points that can be among the first ``head`` of a sum.

    ``places`` are the columns of the points of each list, the best first, and lists with one number in
    ``groups`` are cuts of the longest of them; ``ranks``: where each column stands among equals.

    In a single list, what is above another has strictly more. Elsewhere rounding may make sums equal, so it
    also has to be the one that equals are ordered by.
    """
    if len(ranks) <= 2 * head:
        return numpy.arange(len(ranks))
    longest: dict[int, Array] = {}
    for group, one in zip(groups, places, strict=True):
        if len(one) > len(longest.get(group, ())):
            longest[group] = one
    positions = numpy.full((len(longest), len(ranks)), _NOWHERE, dtype=numpy.int32)
    for at, one in enumerate(longest.values()):
        positions[at, one] = numpy.arange(len(one))
    single = (positions < _NOWHERE).sum(axis=0) == 1
    kept = ~single | (positions.min(axis=0, initial=_NOWHERE) < head)
    several = numpy.flatnonzero(kept & ~single)
    if head < len(several) <= _MOST_COMPARED:
        own, order = positions[:, several], ranks[several]
        above = order[:, None] < order[None, :]
        for one in own:
            above &= one[:, None] <= one[None, :]
        kept[several[above.sum(axis=0) >= head]] = False
    return numpy.flatnonzero(kept)


@lru_cache(8192)
def falls_with_rank(fusion: Fusion, limit: int) -> bool:
    """Whether what a list of at most ``limit`` points gives is never below 0, and less from rank to rank.

    ``fusion`` is one of a single list. What DBSF gives hangs on the scores.
    """
    if fusion.method != "rrf" or limit > _LONGEST:
        return False
    row = rrf_row(limit, fusion)
    return bool((row > 0).all() and (numpy.diff(row) < 0).all())


def rrf_row(count: int, fusion: Fusion) -> Array:
    """What RRF gives to each of the first points of its one list."""
    weight = (fusion.weights or (1.0,))[0]
    return _rrf_row(1 << max(count - 1, 1).bit_length(), fusion.k, weight)[:count]


@lru_cache(8192)
def _rrf_row(count: int, k: float, weight: float) -> Array:
    """`rrf_score` of the first positions, by the same steps in 32 bits."""
    one, wide = numpy.float32(1.0), numpy.float32(weight)
    if wide <= 0:
        return numpy.zeros(count, dtype=numpy.float32)
    ranks = numpy.arange(1, count + 1, dtype=numpy.float32) / wide
    with numpy.errstate(divide="ignore"):
        return one / ((ranks + numpy.float32(k)) - one)
