"""How much two rankings of a query can differ by a measure, while documents wait for their judgement.

The difference is the measure's value of ranking B minus that of A, -1 to 1. Bounds hold whatever the
documents turn out to be that nobody judged yet, each of which has one of the relevances 0, 1, …, ``grades``;
no other bounds are narrower. What no ranking has, nobody is asked about: as in pooling, it counts by the
judgements that are there.

* ``P``, ``RBP``: a sum over documents. One that has the same rank in both rankings cancels out; any other
  adds its gain times the difference of its two discounts.
* ``nDCG``, ``R``: such a sum, over what the best ranking has. A document with the same rank in both cancels
  out above, and cannot turn the sign of the difference; below, it makes the difference smaller.
* ``RR``, ``Success``: what counts is the first relevant document of each ranking.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from qql.evaluation.faults import InputError, argument
from qql.evaluation.measures import Measure
from qql.records import NamedTuple, dataclass

__all__ = ["MEASURES_JUDGED", "Bounds", "Difference", "Effect", "check_measure", "difference_of"]

MEASURES_JUDGED = ("nDCG", "P", "R", "RBP", "RR", "Success")
"""The measures whose difference has bounds here."""
_ROUNDS = 60  # of Dinkelbach's iteration, which takes 3 to 6
_NOTHING = 1e-12


class Bounds(NamedTuple):
    """The least and the most that a difference can be."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """How much is open."""
        return self.high - self.low


class Effect(NamedTuple):
    """What a judgement is expected to do: the difference moves by ``size`` if the document is relevant, which
    speaks for B above 0; its bounds come closer by ``width``."""

    size: float
    width: float


Chance = Callable[[str], float]
"""Document → how likely it is to be relevant, 0 to 1."""


class Difference:
    """The difference of two rankings of a query, each of documents up to the measure's cutoff."""

    def __init__(self, a: Sequence[str], b: Sequence[str]) -> None:
        self.ranks_a: dict[str, int] = {doc: rank for rank, doc in enumerate(a, 1)}
        self.ranks_b: dict[str, int] = {doc: rank for rank, doc in enumerate(b, 1)}
        self.documents: tuple[str, ...] = tuple(dict.fromkeys([*self.ranks_a, *self.ranks_b]))
        self.same: bool = list(a) == list(b)

    @abstractmethod
    def bounds(self, judged: Mapping[str, float]) -> Bounds:
        """What it can be; equal where no judgement can change it. ``judged`` is document → relevance."""

    @abstractmethod
    def effects(
        self, judged: Mapping[str, float], chance: Chance, *, closely: bool = False
    ) -> dict[str, Effect]:
        """What judgements would do of those documents that have none and may have an effect.

        ``closely`` computes the bounds that there would be, where else an estimate does.
        """

    def closer(self, document: str, judged: Mapping[str, float], chance: float, relevant: float) -> float:
        """By how much the bounds are expected to come closer, if the document may be so ``relevant``, or
        not."""
        width = self.bounds(judged).width
        then = self.bounds({**judged, document: relevant}).width
        other = self.bounds({**judged, document: 0}).width
        return max(chance * (width - then) + (1 - chance) * (width - other), 0.0)

    def unjudged(self, judged: Mapping[str, float]) -> list[str]:
        """The documents of both rankings without a judgement."""
        return [doc for doc in self.documents if doc not in judged]


def difference_of(measure: Measure, a: Sequence[str], b: Sequence[str], grades: int) -> Difference:
    """The difference by a measure. Raises `InputError` for one that has no bounds here."""
    check_measure(measure, grades)
    cut_a, cut_b = a[: measure.cutoff], b[: measure.cutoff]
    if measure.name in ("RR", "Success"):
        return _OfFirst(measure, cut_a, cut_b)
    return _OfSums(_sums_of(measure, grades), cut_a, cut_b)


def check_measure(measure: Measure, grades: int) -> None:
    """Raises `InputError` ``bad-measure`` for one whose difference has no bounds."""
    if measure.name not in MEASURES_JUDGED or measure.judged_only:
        names = ", ".join(MEASURES_JUDGED)
        message = f"what {measure} can become is not known before all is judged"
        raise InputError.make("bad-measure", message, hint=f"{names}, without judged_only")
    if measure.cutoff is None:
        hint = argument("measure", f"{measure}@10")
        message = f"{measure} looks at whole rankings, and judging requires an end"
        raise InputError.make("bad-measure", message, hint=hint)
    if measure.name != "nDCG" and measure.rel > grades:
        message = f"{measure} calls nothing relevant, as relevances go up to {grades}"
        raise InputError.make("bad-measure", message, hint=argument("grades", math.ceil(measure.rel)))


# ------------------------------------------------------------------------------------ sums of gains


@dataclass(frozen=True, slots=True)
class _Sums:
    """A measure that is a sum of gains times discounts.

    ``places`` are the discounts of the best ranking, whose sum the measure is divided by; None: by nothing.
    Behind them its documents gain nothing. ``gains`` are those of relevances 0, 1, …, each once, falling.
    """

    discount: Callable[[int], float]
    gain: Callable[[float], float]
    gains: tuple[float, ...]
    places: tuple[float, ...] | None
    relevant: int
    """The largest relevance."""


def _sums_of(measure: Measure, grades: int) -> _Sums:
    k = measure.cutoff or 0
    if measure.name == "nDCG":
        exponential = measure.dcg == "exp-log2"

        def gain(relevance: float) -> float:
            if relevance <= 0:
                return 0.0
            return 2.0**relevance - 1 if exponential else float(relevance)

        def discount(rank: int) -> float:
            return 1 / math.log2(rank + 1)

        places: tuple[float, ...] | None = tuple(discount(rank) for rank in range(1, k + 1))
    else:

        def gain(relevance: float) -> float:
            return float(relevance >= measure.rel)

        if measure.name == "RBP":

            def discount(rank: int) -> float:
                return (1 - measure.p) * float(measure.p ** (rank - 1))
        else:

            def discount(rank: int) -> float:
                return 1 / k if measure.name == "P" else 1.0

        places = () if measure.name == "R" else None  # (): every relevant document counts as 1
    gains = tuple(sorted({gain(relevance) for relevance in range(grades + 1)}, reverse=True))
    return _Sums(discount, gain, gains, places, grades)


class _OfSums(Difference):
    def __init__(self, sums: _Sums, a: Sequence[str], b: Sequence[str]) -> None:
        super().__init__(a, b)
        self._sums = sums
        none = 0.0
        of_a = {doc: sums.discount(rank) for doc, rank in self.ranks_a.items()}
        of_b = {doc: sums.discount(rank) for doc, rank in self.ranks_b.items()}
        self._weights = {doc: of_b.get(doc, none) - of_a.get(doc, none) for doc in self.documents}

    def bounds(self, judged: Mapping[str, float]) -> Bounds:
        if self.same:
            return Bounds(0.0, 0.0)
        above = self._known(judged)
        open_weights = [self._weights[doc] for doc in self.unjudged(judged)]
        most = self._sums.gains[0]
        if self._sums.places is None:
            low = above + most * math.fsum(weight for weight in open_weights if weight < 0)
            high = above + most * math.fsum(weight for weight in open_weights if weight > 0)
            return Bounds(low, high)
        known = self._known_gains(judged)
        high = _largest(self._sums, above, open_weights, known)
        low = -_largest(self._sums, -above, [-weight for weight in open_weights], known)
        return Bounds(min(low, high), high)  # which rounding may have swapped

    def _known(self, judged: Mapping[str, float]) -> float:
        """What the judged documents add to the sum."""
        gain = self._sums.gain
        return math.fsum(
            weight * gain(judged[doc]) for doc, weight in self._weights.items() if doc in judged and weight
        )

    def _known_gains(self, judged: Mapping[str, float]) -> list[float]:
        """The gains of judged documents, found or not, falling."""
        found = (self._sums.gain(relevance) for relevance in judged.values())
        return sorted((gain for gain in found if gain > 0), reverse=True)

    def effects(
        self, judged: Mapping[str, float], chance: Chance, *, closely: bool = False
    ) -> dict[str, Effect]:
        """By the derivative of the difference where each open document has its expected gain."""
        most = self._sums.gains[0]
        waiting = self.unjudged(judged)
        if self._sums.places is None:
            sizes = {doc: most * self._weights[doc] for doc in waiting}
            return {doc: Effect(size, abs(size)) for doc, size in sizes.items() if size}
        expected = {doc: most * chance(doc) for doc in waiting}
        above = self._known(judged) + math.fsum(self._weights[doc] * expected[doc] for doc in waiting)
        gains = sorted([*self._known_gains(judged), *expected.values()], reverse=True)
        places = self._sums.places
        below = _ideal(places, gains) or 1.0
        out = {}
        for doc in waiting:
            place = 1.0 if not places else _place(places, gains.index(expected[doc]))
            moves = self._weights[doc] / below - above * place / below**2
            if closely:
                width = self.closer(doc, judged, chance(doc), self._sums.relevant)
            else:
                width = abs(most * self._weights[doc]) / below
            out[doc] = Effect(most * moves, width)
        return out


def _ideal(places: Sequence[float], gains: Sequence[float]) -> float:
    if not places:
        return math.fsum(gains)
    return math.fsum(place * gain for place, gain in zip(places, gains, strict=False))


def _place(places: Sequence[float], at: int) -> float:
    return places[at] if at < len(places) else 0.0


def _largest(sums: _Sums, above: float, weights: Iterable[float], known: Sequence[float]) -> float:
    """The largest value of (above + Σ weight · gain) / ideal, over the gains of the open documents.

    The largest weight takes the largest gain: to exchange two gains leaves the ideal as it is. So documents
    get their gains in the order of their weights, and only how many have each gain is open. For a ratio t,
    the assignment with the largest value of the sum less t times the ideal is found place by place; where
    that value is 0, t is the largest ratio. (Dinkelbach: On nonlinear fractional programming, Management
    Science 13(7), 1967.)
    """
    assert sums.places is not None
    best = _Assignments(sums, above, sorted(weights, reverse=True), known)
    ratio = above / _ideal(sums.places, known) if known else 0.0  # where the open ones are not relevant
    for _ in range(_ROUNDS):
        value, numerator, ideal = best.of(ratio)
        if value <= _NOTHING or ideal <= 0 or numerator / ideal <= ratio:
            break
        ratio = numerator / ideal
    return ratio


class _Assignments:
    """The ways to give open documents, ordered by their weights, gains that do not rise."""

    def __init__(self, sums: _Sums, above: float, weights: Sequence[float], known: Sequence[float]) -> None:
        self._above = above
        self._gains = [gain for gain in sums.gains if gain > 0]
        self._weights = [0.0, *accumulate(weights)]  # of the first n documents
        total = len(weights) + len(known)
        places = [_place(sums.places, at) if sums.places else 1.0 for at in range(total)]
        self._places = [0.0, *accumulate(places)]  # of the first n places
        self._groups = self._between(known, places, len(weights))

    def _between(
        self, known: Sequence[float], places: Sequence[float], count: int
    ) -> list[tuple[int, list[float]]]:
        """For each gain, and for what is below all of them: how many judged documents stand above the open
        ones of that gain, and what those that are new there add to the ideal behind 0, 1, … open ones."""
        groups, start = [], 0
        for gain in [*self._gains, 0.0]:
            end = start
            while end < len(known) and known[end] >= gain:
                end += 1
            adds = [
                math.fsum(known[at] * places[at + used] for at in range(start, end))
                for used in range(count + 1)
            ]
            groups.append((end, adds))
            start = end
        return groups

    def of(self, ratio: float) -> tuple[float, float, float]:
        """The largest value of the sum less ``ratio`` times the ideal; that sum, and that ideal."""
        weights, places = self._weights, self._places
        count = len(weights)
        none = (-math.inf, 0.0, 0.0)
        found = [(self._above, self._above, 0.0), *[none] * (count - 1)]  # by how many have a gain yet
        for gain, (ahead, adds) in zip(self._gains, self._groups, strict=False):
            best, out = none, []
            for used in range(count):
                value, numerator, ideal = found[used]
                placed = gain * places[used + ahead]
                weighed = gain * weights[used]
                first = value - ratio * adds[used] - weighed + ratio * placed
                if first > best[0]:
                    best = (first, numerator - weighed, ideal + adds[used] - placed)
                out.append((best[0] + weighed - ratio * placed, best[1] + weighed, best[2] + placed))
            found = out
        adds = self._groups[-1][1]
        ends = (
            (value - ratio * add, numerator, ideal + add)
            for (value, numerator, ideal), add in zip(found, adds, strict=True)
        )
        return max(ends)


# ------------------------------------------------------------------------------------ the first relevant one


class _OfFirst(Difference):
    def __init__(self, measure: Measure, a: Sequence[str], b: Sequence[str]) -> None:
        super().__init__(a, b)
        self._rel = measure.rel
        self._reciprocal = measure.name == "RR"

    def bounds(self, judged: Mapping[str, float]) -> Bounds:
        if self.same:
            return Bounds(0.0, 0.0)
        return Bounds(
            -self._largest(self.ranks_b, self.ranks_a, judged),
            self._largest(self.ranks_a, self.ranks_b, judged),
        )

    def _value(self, rank: float) -> float:
        if rank == math.inf:
            return 0.0
        return 1 / rank if self._reciprocal else 1.0

    def _first(self, ranks: Mapping[str, int], judged: Mapping[str, float]) -> float:
        """The rank of the first document that is known to be relevant."""
        return min((rank for doc, rank in ranks.items() if judged.get(doc, 0) >= self._rel), default=math.inf)

    def _largest(
        self, one: Mapping[str, int], other: Mapping[str, int], judged: Mapping[str, float]
    ) -> float:
        """The most by which ``other`` can be better: with no open document relevant, or with one that is the
        first relevant one there. More of them could only make ``one`` better."""
        first_one, first_other = self._first(one, judged), self._first(other, judged)
        values = [self._value(first_other) - self._value(first_one)]
        values += [
            self._value(rank) - self._value(min(first_one, one.get(doc, math.inf)))
            for doc, rank in other.items()
            if doc not in judged and rank < first_other
        ]
        return max(values)

    def effects(
        self, judged: Mapping[str, float], chance: Chance, *, closely: bool = False
    ) -> dict[str, Effect]:
        """Of documents above the first relevant one of a ranking; others have none."""
        if self.same:
            return {}
        first_a, first_b = self._first(self.ranks_a, judged), self._first(self.ranks_b, judged)
        out = {}
        for doc in self.unjudged(judged):
            if self.ranks_a.get(doc, math.inf) < first_a or self.ranks_b.get(doc, math.inf) < first_b:
                then, other = (self.bounds({**judged, doc: relevance}) for relevance in (self._rel, 0))
                size = (then.low + then.high - other.low - other.high) / 2
                out[doc] = Effect(size, self.closer(doc, judged, chance(doc), self._rel))
        return out
