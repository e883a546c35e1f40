"""What the order of equals leaves open: where a point of a stage may stand, and with which score.

Qdrant keeps no order among equal scores, and which of them a LIMIT cuts is chance, each time anew. What the
stages above make of that is followed here as bounds: no list that chance can give lies outside of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

from qql.analysis.fusion import (
    Candidate,
    Fusion,
    Id,
    close,
    contributions,
    f32,
    fuse,
    rank_in,
    rrf_score,
    slack,
    tie_groups,
)

__all__ = ["Fusing", "Leeway", "Place", "of_list", "of_union"]

_MOST = 4096
"""So many possible scores of a point are told apart; of more, only the least and the greatest are known."""


class Place(NamedTuple):
    """Where a point may stand in a list (positions from 0), whether it surely does, and its score there."""

    first: int
    last: int
    sure: bool
    low: float
    high: float
    order_value: Any = None


@dataclass(frozen=True, slots=True)
class Leeway:
    """What chance leaves open in a stage's list.

    ``places`` has every known point that may be in it; ``strangers`` is how many others may, points that no
    list of the query shows. ``fixed``: the scores of the list are certain, though not whose they are.
    """

    places: Mapping[Id, Place]
    strangers: int = 0
    fixed: bool = True

    @property
    def complete(self) -> bool:
        """Whether it is certain which points are in the list."""
        return not self.strangers and all(place.sure for place in self.places.values())

    @property
    def settled(self) -> bool:
        """Whether nothing at all is left open."""
        return self.complete and self.fixed and all(one.first == one.last for one in self.places.values())


def of_list(
    found: Sequence[Candidate], ordered: bool, cut: Iterable[Id] | None, *, equals: bool = True
) -> Leeway:
    """Of a list whose points have certain scores. ``ordered`` is that of `tie_groups`.

    ``cut``: the known points that rank as high as the last one and are not in the list; None where the limit
    cuts no tie. ``equals`` False: the order is not that of the scores, so that equal ones keep their places.
    """
    groups = tie_groups(found, ordered) if equals else [(at, at) for at in range(len(found))]
    whole = len(found) if cut is None or not found else groups[-1][0]
    places = {
        one.id: Place(first, last, at < whole, one.score, one.score, one.order_value)
        for at, (one, (first, last)) in enumerate(zip(found, groups, strict=True))
    }
    if cut is None or not found:
        return Leeway(places)
    end = places[found[-1].id]
    places |= {key: end for key in cut if key not in places}
    return Leeway(places, end.last - end.first + 1)


def of_union(
    found: Sequence[Candidate], ordered: bool, inputs: Sequence[Leeway], limit: int, loose: bool
) -> Leeway:
    """Of a stage that rescores the union of its inputs, where it is not certain what is in that.

    ``loose``: its scores hang on more than the point, so that nothing about them is certain.
    """
    sure = {key for one in inputs for key, place in one.places.items() if place.sure}
    known = {key for one in inputs for key in one.places}
    strangers = sum(one.strangers for one in inputs)
    limit = min(limit, len(known) + strangers)
    places = dict.fromkeys(known, Place(0, limit - 1, False, -math.inf, math.inf))
    shown = [] if loose else [one for one in found if one.id in known]
    ranks = [rank_in(one, ordered) for one in shown]
    if shown and ranks[0] != ranks[-1]:  # else nothing shows which end is the best
        rises = ranks[0] < ranks[-1]
        every = sorted(ranks)
        certain = sorted(rank for one, rank in zip(shown, ranks, strict=True) if one.id in sure)
        others = len(known) - len(shown) + strangers
        for one, rank in zip(shown, ranks, strict=True):
            first = bisect_left(certain, rank) if rises else len(certain) - bisect_right(certain, rank)
            last = bisect_right(every, rank) if rises else len(every) - bisect_left(every, rank)
            last += others - 1
            end, kept = max(first, min(last, limit - 1)), one.id in sure and last < limit
            places[one.id] = Place(first, end, kept, one.score, one.score, one.order_value)
    return Leeway(places, min(strangers, limit), fixed=False)


class _Sum(NamedTuple):
    """The values that something may have; where not ``exact``, all between the least and the greatest."""

    values: frozenset[float]
    exact: bool = True

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def plus(self, other: _Sum) -> _Sum:
        if len(other.values) == 1 and other.exact and 0.0 in other.values:
            return self
        exact = self.exact and other.exact and len(self.values) * len(other.values) <= _MOST
        if exact:
            return _Sum(frozenset(f32(one + two) for one in self.values for two in other.values))
        return _Sum(frozenset((f32(self.low + other.low), f32(self.high + other.high))), False)

    def has(self, value: float) -> bool:
        if not self.exact and self.low < value < self.high:
            return True
        return any(close(one, value) for one in self.values)


_NOTHING = _Sum(frozenset((0.0,)))


class Fusing:
    """What a fusion can make of its inputs. ``lists`` are their candidates as they were given once."""

    def __init__(
        self,
        fusion: Fusion,
        inputs: Sequence[Leeway],
        lists: Sequence[Sequence[Candidate]],
        by_direction: bool = False,
    ) -> None:
        self.fusion, self.inputs, self.lists = fusion, inputs, lists
        self.by_direction = by_direction
        self._given = contributions(fusion, lists, by_direction=by_direction)
        self._ranked: dict[tuple[int, int, int, bool], _Sum] = {}
        self._sums: dict[tuple[_Sum, ...], _Sum] = {}

    def allows(self, key: Id, score: float) -> bool:
        """Whether the point can have this score."""
        return any(key in one.places for one in self.inputs) and self._sum(key).has(score)

    def fewest(self, limit: int) -> int:
        """How many points the fusion gives at least, where no threshold cuts it."""
        sure = {key for one in self.inputs for key, place in one.places.items() if place.sure}
        most = (len(found) for one, found in zip(self.inputs, self.lists, strict=True) if one.fixed)
        return min(limit, max(len(sure), *most, 0))

    def may_lack(self, key: Id) -> bool:
        """Whether it may be that no input has the point."""
        return not any(key in one.places and one.places[key].sure for one in self.inputs)

    def may_rank_below(self, key: Id, one: Candidate) -> bool:
        """Whether the point may stand as low as a given one, or lower."""
        low, _ = self._keys(key)
        return bool(low <= rank_in(one, self._ordered))

    def may_score_below(self, key: Id, threshold: float) -> bool:
        """Whether a threshold may cut the point off."""
        return self._sum(key).low < f32(threshold)

    def leeway(self, found: Sequence[Candidate], limit: int, threshold: float | None) -> Leeway:
        """What is open in the fusion's own list, of which ``found`` is what was given once."""
        every = list(dict.fromkeys(key for one in self.inputs for key in one.places))
        strangers = sum(one.strangers for one in self.inputs)
        if all(self._certain(key) for key in every) and not strangers:
            return of_list(found, self._ordered, self._cut(found, limit, threshold))
        keys = {key: self._keys(key) for key in every}
        surely = sorted(keys[key][0] for key in every if not self.may_lack(key))
        perhaps = sorted(high for _, high in keys.values())
        places = {}
        for key in every:
            total, (low, high) = self._sum(key), keys[key]
            first = len(surely) - bisect_right(surely, _raised(high))
            last = len(perhaps) - bisect_left(perhaps, _lowered(low)) - 1 + strangers
            if first >= limit or (threshold is not None and _raised((False, total.high))[1] < threshold):
                continue
            sure = not self.may_lack(key) and last < limit
            sure = sure and (threshold is None or total.low >= threshold)
            value = high[1] if high[0] else None
            places[key] = Place(first, min(last, limit - 1), sure, total.low, total.high, value)
        return Leeway(places, min(strangers, limit), fixed=False)

    @property
    def _ordered(self) -> bool:
        return self.fusion.method == "dbsf"

    def _certain(self, key: Id) -> bool:
        return len(self._sum(key).values) == 1 and not self.may_lack(key)

    def _cut(self, found: Sequence[Candidate], limit: int, threshold: float | None) -> list[Id] | None:
        """Those beyond the limit that rank as high as the last before it; None where there are none."""
        every = fuse(self.fusion, self.lists, by_direction=self.by_direction)
        if len(every) <= limit:
            return None
        bar = rank_in(every[limit - 1], self._ordered)
        if rank_in(every[limit], self._ordered) != bar:
            return None
        if threshold is not None and every[limit - 1].score < f32(threshold):
            return None
        given = {one.id for one in found}
        return [one.id for one in every if rank_in(one, self._ordered) == bar and one.id not in given]

    def _sum(self, key: Id) -> _Sum:
        parts = tuple(self._part(at, key) for at in range(len(self.inputs)))
        if parts not in self._sums:  # points that stand alike have one between them
            self._sums[parts] = reduce(_Sum.plus, parts, _NOTHING)
        return self._sums[parts]

    def _part(self, at: int, key: Id) -> _Sum:
        """What one input can give to a point."""
        leeway = self.inputs[at]
        place = leeway.places.get(key)
        if place is None:
            return _NOTHING
        if self.fusion.method == "rrf":
            return self._by_rank(at, place.first, place.last, place.sure)
        if leeway.fixed:
            given = self._given[at]
            # A point that a tie keeps out of the list would have the score of the last one in it.
            value = given[key] if key in given else given[self.lists[at][-1].id]
            return _Sum(frozenset((value,) if place.sure else (value, 0.0)))
        bounds = _any_dbsf(len(leeway.places) + leeway.strangers)
        return _Sum(frozenset(bounds if place.sure else (*bounds, 0.0)), exact=False)

    def _by_rank(self, at: int, first: int, last: int, sure: bool) -> _Sum:
        where = at, first, last, sure
        if where not in self._ranked:
            weight = 1.0 if self.fusion.weights is None else self.fusion.weights[at]
            values = {rrf_score(position, self.fusion.k, weight) for position in range(first, last + 1)}
            self._ranked[where] = _Sum(frozenset(values if sure else values | {0.0}))
        return self._ranked[where]

    def _keys(self, key: Id) -> tuple[tuple[bool, Any], tuple[bool, Any]]:
        """The lowest and the highest that a point can rank."""
        total = self._sum(key)
        scores = (False, total.low), (False, total.high)
        if not self._ordered:
            return scores
        # The order value is that of the first list which has the point.
        ranks: list[tuple[bool, Any]] = []
        for one in self.inputs:
            if key in one.places:
                value = one.places[key].order_value
                ranks += scores if value is None else [(True, value)]
                if one.places[key].sure:
                    break
        return min(ranks), max(ranks)


def _any_dbsf(count: int) -> tuple[float, float]:
    """Between which values DBSF puts a score among so many, whatever they are.

    No score is farther from the mean of n than (n − 1)/√n deviations (Samuelson's inequality), and three of
    them are half of the way.
    """
    far = (count - 1) / math.sqrt(count) / 6 if count else 0.0
    return 0.5 - far, 0.5 + far


def _raised(key: tuple[bool, Any]) -> tuple[bool, Any]:
    """As high as an engine that computes in 64 bits may rank it."""
    return key if key[0] else (False, key[1] + slack(key[1]))


def _lowered(key: tuple[bool, Any]) -> tuple[bool, Any]:
    return key if key[0] else (False, key[1] - slack(key[1]))
