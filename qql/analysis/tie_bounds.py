"""What the order of equals leaves open: where a point of a stage may stand, and with which score.

Qdrant keeps no order among equal scores, and which of them a LIMIT cuts is chance, each time anew. What the
stages above make of that is followed here as bounds: no list that chance can give lies outside of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from qql.analysis.fusion import (
    Fusion,
    RankKey,
    close,
    contributions,
    fuse,
    rank_key,
    rank_keys,
    slack,
    tie_groups,
)
from qql.analysis.model import Candidate, Id, OrderValue
from qql.records import NamedTuple, dataclass
from qql.rest.fusion import dbsf_reach, f32, rrf_score
from qql.rest.linear_fusion import LinearFusion

__all__ = ["FusionBounds", "PossiblePlace", "TieBounds", "list_bounds", "union_bounds"]

_MOST_SCORES = 4096
"""So many possible scores of a point are told apart; of more, only the least and the greatest are known."""


class PossiblePlace(NamedTuple):
    """Where a point may stand in a list (positions from 0), whether it surely does, and its score there."""

    first: int
    last: int
    sure: bool
    low: float
    high: float
    order_value: OrderValue | None = None


@dataclass(frozen=True, slots=True)
class TieBounds:
    """What chance leaves open in a stage's list.

    ``places`` has every known point that may be in it; ``strangers`` is how many others may, points that no
    list of the query shows. ``fixed``: the scores of the list are certain, though not whose they are.
    """

    places: Mapping[Id, PossiblePlace]
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


def list_bounds(
    found: Sequence[Candidate], by_value: bool, cut: Iterable[Id] | None, *, equals: bool = True
) -> TieBounds:
    """Of a list whose points have certain scores. ``by_value`` is that of `rank_key`.

    ``cut``: the known points that rank as high as the last one and are not in the list; None where the limit
    cuts no tie. ``equals`` False: the order is not that of the scores, so that equal ones keep their places.
    """
    groups = tie_groups(found, by_value) if equals else [(at, at) for at in range(len(found))]
    whole = len(found) if cut is None or not found else groups[-1][0]
    places = {
        one.id: PossiblePlace(first, last, at < whole, one.score, one.score, one.order_value)
        for at, (one, (first, last)) in enumerate(zip(found, groups, strict=True))
    }
    if cut is None or not found:
        return TieBounds(places)
    end = places[found[-1].id]
    places |= {key: end for key in cut if key not in places}
    return TieBounds(places, end.last - end.first + 1)


def union_bounds(
    found: Sequence[Candidate], by_value: bool, inputs: Sequence[TieBounds], limit: int, loose: bool
) -> TieBounds:
    """Of a stage that rescores the union of its inputs, where it is not certain what is in that.

    ``loose``: its scores hang on more than the point, so that nothing about them is certain.
    """
    sure = {key for one in inputs for key, place in one.places.items() if place.sure}
    known = {key for one in inputs for key in one.places}
    strangers = sum(one.strangers for one in inputs)
    limit = min(limit, len(known) + strangers)
    places = dict.fromkeys(known, PossiblePlace(0, limit - 1, False, -math.inf, math.inf))
    shown = [] if loose else [one for one in found if one.id in known]
    ranks = rank_keys(shown, by_value)
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
            places[one.id] = PossiblePlace(first, end, kept, one.score, one.score, one.order_value)
    return TieBounds(places, min(strangers, limit), fixed=False)


class _Possible(NamedTuple):
    """The values that something may have; where not ``exact``, all between the least and the greatest."""

    values: frozenset[float]
    exact: bool = True

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def plus(self, other: _Possible) -> _Possible:
        if len(other.values) == 1 and other.exact and 0.0 in other.values:
            return self
        exact = self.exact and other.exact and len(self.values) * len(other.values) <= _MOST_SCORES
        if exact:
            return _Possible(frozenset(f32(one + two) for one in self.values for two in other.values))
        return _Possible(frozenset((f32(self.low + other.low), f32(self.high + other.high))), False)

    def has(self, value: float) -> bool:
        if not self.exact and self.low < value < self.high:
            return True
        return any(close(one, value) for one in self.values)


_NOTHING = _Possible(frozenset((0.0,)))


class FusionBounds:
    """What a fusion can make of its inputs. ``lists`` are their candidates as they were given once."""

    def __init__(
        self,
        fusion: Fusion,
        inputs: Sequence[TieBounds],
        lists: Sequence[Sequence[Candidate]],
        by_direction: bool = False,
    ) -> None:
        self.fusion = fusion
        self.inputs = inputs
        self.lists = lists
        self.by_direction = by_direction
        self._given = contributions(fusion, lists, by_direction=by_direction)
        self._ranked: dict[tuple[int, int, int, bool], _Possible] = {}
        self._possible_scores: dict[tuple[_Possible, ...], _Possible] = {}

    def allows(self, key: Id, score: float) -> bool:
        """Whether the point can have this score."""
        return any(key in one.places for one in self.inputs) and self._possible_score(key).has(score)

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
        low, _ = self._key_range(key)
        return low <= rank_key(one, self.fusion.by_value)

    def may_score_below(self, key: Id, threshold: float) -> bool:
        """Whether a threshold may cut the point off."""
        return self._possible_score(key).low < f32(threshold)

    def bounds(self, found: Sequence[Candidate], limit: int, threshold: float | None) -> TieBounds:
        """What is open in the fusion's own list, of which ``found`` is what was given once."""
        every = list(dict.fromkeys(key for one in self.inputs for key in one.places))
        strangers = sum(one.strangers for one in self.inputs)
        if all(self._is_certain(key) for key in every) and not strangers:
            return self._certain_bounds(found, self._tied_beyond_limit(found, limit, threshold))
        keys = {key: self._key_range(key) for key in every}
        surely = sorted(keys[key][0] for key in every if not self.may_lack(key))
        perhaps = sorted(high for _, high in keys.values())
        places = {}
        for key in every:
            total, (low, high) = self._possible_score(key), keys[key]
            first = len(surely) - bisect_right(surely, _raised(high))
            last = len(perhaps) - bisect_left(perhaps, _lowered(low)) - 1 + strangers
            if first >= limit or (threshold is not None and total.high + slack(total.high) < threshold):
                continue
            sure = not self.may_lack(key) and last < limit
            sure = sure and (threshold is None or total.low >= threshold)
            value = high[1] if high[0] else None
            places[key] = PossiblePlace(first, min(last, limit - 1), sure, total.low, total.high, value)
        return TieBounds(places, min(strangers, limit), fixed=False)

    def _certain_bounds(self, found: Sequence[Candidate], cut: Sequence[Id] | None) -> TieBounds:
        """Where all scores are certain. Points that a field ordered are equal by its value, not by scores."""
        made = list_bounds(found, self.fusion.by_value, cut)
        if not cut or not self.fusion.by_value:
            return made
        own = {key: self._possible_score(key).low for key in cut}
        places = {
            key: place._replace(low=own[key], high=own[key]) if key in own else place
            for key, place in made.places.items()
        }
        open_scores = {place.low for place in places.values() if not place.sure}
        return TieBounds(places, made.strangers, fixed=len(open_scores) < 2)

    def _is_certain(self, key: Id) -> bool:
        return len(self._possible_score(key).values) == 1 and not self.may_lack(key)

    def _tied_beyond_limit(
        self, found: Sequence[Candidate], limit: int, threshold: float | None
    ) -> list[Id] | None:
        """Those beyond the limit that rank as high as the last before it; None where there are none."""
        every = fuse(self.fusion, self.lists, by_direction=self.by_direction)
        if len(every) <= limit:
            return None
        bar = rank_key(every[limit - 1], self.fusion.by_value)
        if rank_key(every[limit], self.fusion.by_value) != bar:
            return None
        if threshold is not None and every[limit - 1].score < f32(threshold):
            return None
        given = {one.id for one in found}
        return [one.id for one in every if rank_key(one, self.fusion.by_value) == bar and one.id not in given]

    def _possible_score(self, key: Id) -> _Possible:
        parts = tuple(self._share_of(at, key) for at in range(len(self.inputs)))
        if parts not in self._possible_scores:  # points that stand alike have one between them
            self._possible_scores[parts] = reduce(_Possible.plus, parts, _NOTHING)
        return self._possible_scores[parts]

    def _share_of(self, at: int, key: Id) -> _Possible:
        """What one input can give to a point."""
        bounds = self.inputs[at]
        place = bounds.places.get(key)
        if self.fusion.linear is not None:
            return self._linear_share(self.fusion.linear, at, key)
        if place is None:
            return _NOTHING
        if self.fusion.method == "rrf":
            return self._share_by_rank(at, place.first, place.last, place.sure)
        if bounds.fixed:
            given = self._given[at]
            # A point that a tie keeps out of the list would have the score of the last one in it.
            value = given[key] if key in given else given[self.lists[at][-1].id]
            return _Possible(frozenset((value,) if place.sure else (value, 0.0)))
        reach = dbsf_reach(len(bounds.places) + bounds.strangers)
        ends = 0.5 - reach, 0.5 + reach
        return _Possible(frozenset(ends if place.sure else (*ends, 0.0)), exact=False)

    def _linear_share(self, linear: LinearFusion, at: int, key: Id) -> _Possible:
        """What one input of a linear fusion can give to a point; absence may give something, too."""
        bounds, found = self.inputs[at], self.lists[at]
        place = bounds.places.get(key)
        if bounds.fixed:
            values, absent = linear.contributions(at, [one.score for one in found])
            if place is None:
                return _Possible(frozenset((absent,)))
            value = self._given[at].get(key, values[-1] if values else absent)
            return _Possible(frozenset((value,) if place.sure else (value, absent)))
        if linear.awaits_lists:
            ends = linear.bounds(at, len(bounds.places) + bounds.strangers)
            return _Possible(frozenset((*ends, 0.0)), exact=False)
        if place is None:
            return _NOTHING
        ends = linear.by_itself(at, place.low), linear.by_itself(at, place.high)
        possible = frozenset(ends if place.sure else (*ends, 0.0))
        return _Possible(possible, exact=ends[0] == ends[1])

    def _share_by_rank(self, at: int, first: int, last: int, sure: bool) -> _Possible:
        where = at, first, last, sure
        if where not in self._ranked:
            weight = 1.0 if self.fusion.weights is None else self.fusion.weights[at]
            values = {rrf_score(position, self.fusion.k, weight) for position in range(first, last + 1)}
            self._ranked[where] = _Possible(frozenset(values if sure else values | {0.0}))
        return self._ranked[where]

    def _key_range(self, key: Id) -> tuple[RankKey, RankKey]:
        """The lowest and the highest that a point can rank."""
        total = self._possible_score(key)
        scores = (False, total.low), (False, total.high)
        if not self.fusion.by_value:
            return scores
        # The order value is that of the first list which has the point.
        ranks: list[RankKey] = []
        for one in self.inputs:
            if key in one.places:
                value = one.places[key].order_value
                ranks += scores if value is None else [(True, value)]
                if one.places[key].sure:
                    break
        return min(ranks), max(ranks)


def _raised(key: RankKey) -> RankKey:
    """As high as an engine that computes in 64 bits may rank it."""
    return key if isinstance(key[1], str) or key[0] else (False, key[1] + slack(key[1]))


def _lowered(key: RankKey) -> RankKey:
    return key if isinstance(key[1], str) or key[0] else (False, key[1] - slack(key[1]))
