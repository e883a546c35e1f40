"""Which document to judge next, and what is decided by the judgements so far: `Judging`, which asks nobody.

The terminal, a page and functions all drive it: `question`, then `judge`, `skip` or `undo`, until it is
`done`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from qql.evaluation.faults import InputError, argument, number_in, whole_from
from qql.evaluation.judging.betting import confidence_interval, evidence_above, evidence_below
from qql.evaluation.judging.differences import Bounds, Difference, Effect, difference_of
from qql.evaluation.measures import Measure, parse_measure
from qql.records import dataclass

__all__ = ["SCOPES", "Decision", "Judging", "Question"]

SCOPES = ("population", "log")
"""What a verdict is about: all queries of the kind of these, or these alone."""
_SAME = 1e-9  # what rounding may make of equal means
_OPEN = 1e-12  # a width that is more than rounding
_PASSES = (0.02, 0.002, _OPEN)
"""How much of a query's difference may stay open, until all queries are so far."""
_PRIOR = 2.0  # judgements that what is supposed beforehand counts as
_BUCKETS = (1, 3, 6, 10, 20, 50)  # ranks up to which documents are taken for equally likely to be relevant


@dataclass(frozen=True, slots=True)
class Question:
    """A document to judge for a query: ids and texts, and its ranks in A and B (None where it is not found).

    ``worth`` is how much closer its judgement is expected to bring the bounds of the mean difference. Texts
    are empty where nobody looked them up.
    """

    query: str
    document: str
    rank_a: int | None
    rank_b: int | None
    worth: float
    text: str = ""
    document_text: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What judgements tell so far. Differences are the mean over queries of B's value minus A's.

    ``of_log``: ``"A"`` or ``"B"`` where that is better by more than ``smallest`` on these queries, whatever
    the other documents turn out to be; ``"equal"`` where neither can be; else None. ``log`` are the bounds.

    ``of_population``: ``"A"`` or ``"B"`` where that is better on queries of this kind, ``"equal"`` where they
    do not differ by ``smallest``, else None; wrong with a chance of at most ``alpha``, however often it was
    looked at. ``population`` is the interval, ``p`` the p-value that holds at all times. ``hopeless``: no
    further judgement of these queries could decide it.
    """

    of_log: str | None
    log: Bounds
    of_population: str | None
    population: Bounds
    p: float
    hopeless: bool


class _OpenQuery:
    """A query: its difference, the judgements of its documents, and what they leave open."""

    def __init__(self, name: str, difference: Difference, judged: Mapping[str, float]) -> None:
        self.name: str = name
        self.difference: Difference = difference
        self.judged: dict[str, float] = dict(judged)
        self.skipped: set[str] = set()
        self.bounds: Bounds = difference.bounds(self.judged)
        ranks = (difference.ranks_a, difference.ranks_b)
        self.ranks: dict[str, int] = {
            doc: min(one[doc] for one in ranks if doc in one) for doc in difference.documents
        }
        """The better one of a document's two ranks."""
        self.buckets: dict[str, int] = {doc: _bucket(rank) for doc, rank in self.ranks.items()}
        self._effects: dict[str, Effect] | None = None
        self._touched = False  # whether to look closely at what judgements would do, which takes longer

    def put(self, document: str, relevance: float | None) -> None:
        """A judgement; None takes it back."""
        if relevance is None:
            self.judged.pop(document, None)
        else:
            self.judged[document] = relevance
        self._touched = True
        self.bounds, self._effects = self.difference.bounds(self.judged), None

    def effects(self, chances: Sequence[float]) -> Mapping[str, Effect]:
        """What judgements would do of the documents that may be asked about; ``chances`` are by buckets."""
        if self.bounds.width <= _OPEN:
            return {}
        if self._effects is None:
            self._effects = self.difference.effects(
                self.judged, lambda document: chances[self.buckets[document]], closely=self._touched
            )
        if not self.skipped:
            return self._effects
        return {doc: one for doc, one in self._effects.items() if doc not in self.skipped}


class Judging:
    """Two rankings of each query, what is judged of them, and what to ask next.

    To make one raises `InputError`: ``usage``, ``unknown-measure``, ``bad-measure``, ``bad-qrels``.
    """

    def __init__(
        self,
        a: Mapping[str, Sequence[str]],
        b: Mapping[str, Sequence[str]],
        judgements: Mapping[str, Mapping[str, float]] | None = None,
        *,
        queries: Sequence[str] | None = None,
        measure: str | Measure = "nDCG@10",
        scope: str = "population",
        alpha: float = 0.05,
        smallest: float = 0.0,
        grades: int = 3,
        seed: int = 0,
    ) -> None:
        """Rankings are query id → document ids, the best first; ``judgements`` are there already.

        Args:
            queries: the ids of all queries that were asked, where some found nothing; else those of ``a`` and
                ``b``.
            measure: nDCG, P, R, RBP, RR or Success with a cutoff.
            scope: what the verdict that ends it is about (`SCOPES`).
            alpha: how likely a verdict about the population may be wrong, 0 to 1.
            smallest: a mean difference up to this is none, 0 to 1.
            grades: the largest relevance that a judgement may have, from 1.
            seed: where the random order of queries starts.

        Raises:
            InputError: ``usage``, ``unknown-measure``, ``bad-measure``, ``bad-qrels``.
        """
        _check(scope, smallest)
        number_in(0, 1, alpha=alpha)
        whole_from(1, grades=grades)
        self.measure: Measure = parse_measure(measure) if isinstance(measure, str) else measure
        self.scope: str = scope
        self.alpha: float = alpha
        self.smallest: float = smallest
        self.grades: int = grades
        names = list(dict.fromkeys([*a, *b] if queries is None else queries))
        if not names:
            raise InputError.make("usage", "there are no queries to judge")
        known = {name: dict((judgements or {}).get(name, {})) for name in names}
        _check_grades(known, grades)
        self._queries = {
            name: _OpenQuery(
                name,
                difference_of(self.measure, list(a.get(name, ())), list(b.get(name, ())), grades),
                known[name],
            )
            for name in names
        }
        order = sorted(names)  # the same whatever order they come in
        random.Random(seed).shuffle(order)
        self._order = [self._queries[name] for name in order]
        self._answers: list[tuple[str, str, float | None]] = []  # None: skipped
        self._seen = [[0, 0] for _ in range(len(_BUCKETS) + 1)]  # of a bucket: how many judged, and relevant
        for one in self._order:
            for document in one.difference.documents:
                if document in one.judged:
                    self._count(one, document, 1)
        self.documents: int = sum(len(one.difference.documents) for one in self._order)
        """How many documents both rankings of all queries have: what judging everything would mean."""
        self.judged_before: int = sum(count for count, _ in self._seen)
        """Those of them that were judged at the beginning."""
        self._found: dict[str, object] = {}

    # ---------------------------------------------------------------------------- what was answered

    @property
    def queries(self) -> tuple[str, ...]:
        """The ids of the queries, as given."""
        return tuple(self._queries)

    @property
    def asked(self) -> int:
        """How many judgements were given."""
        return sum(relevance is not None for _, _, relevance in self._answers)

    @property
    def skipped(self) -> int:
        """How many documents were left open."""
        return len(self._answers) - self.asked

    def judge(self, query: str, document: str, relevance: float) -> None:
        """Takes a judgement. Raises `InputError` ``bad-judgement`` for a relevance that is no grade, and for
        a document that both rankings lack or that is judged already."""
        self._require_open(query, document)
        if isinstance(relevance, bool) or relevance not in range(self.grades + 1):
            message = f"a relevance is a whole number from 0 to {self.grades}, not {relevance!r}"
            raise InputError.make("bad-judgement", message)
        self._take(query, document, int(relevance))

    def skip(self, query: str, document: str) -> None:
        """Leaves a document open, and asks for it no more. Raises as `judge` does."""
        self._require_open(query, document)
        self._take(query, document, None)

    def undo(self) -> tuple[str, str, float | None] | None:
        """Takes the last answer back: its query, its document, and its relevance, None where it was skipped.

        None where there is no answer.
        """
        if not self._answers:
            return None
        name, document, relevance = self._answers.pop()
        one = self._queries[name]
        if relevance is not None:
            self._count(one, document, -1)
        one.skipped.discard(document)
        one.put(document, None)
        self._found.clear()
        return name, document, relevance

    def _require_open(self, query: str, document: str) -> None:
        one = self._queries.get(query)
        if one is None or document not in one.difference.documents:
            message = f"nothing found the document {document!r} for the query {query!r}"
            raise InputError.make("bad-judgement", message)
        if document in one.judged or document in one.skipped:
            message = f"the document {document!r} of the query {query!r} has an answer"
            raise InputError.make("bad-judgement", message)

    def _take(self, query: str, document: str, relevance: float | None) -> None:
        one = self._queries[query]
        self._answers.append((query, document, relevance))
        if relevance is None:
            one.skipped.add(document)
        else:
            one.put(document, relevance)
            self._count(one, document, 1)
        self._found.clear()

    # ---------------------------------------------------------------------------- what is decided

    @property
    def end(self) -> str | None:
        """Why nothing more is asked: ``decided``, ``hopeless`` (no judgement can decide it any more), or
        ``nothing left`` (what is open was skipped); None while there is something to ask."""
        if self.verdict is not None:
            return "decided"
        if self.scope == "population" and self._hopeless():
            return "hopeless"
        return "nothing left" if self.question() is None else None

    @property
    def done(self) -> bool:
        """Whether nothing more is asked."""
        return self.end is not None

    @property
    def verdict(self) -> str | None:
        """``A``, ``B`` or ``equal``, by the scope; None where it is open."""
        return self._of_log() if self.scope == "log" else self._of_population()

    def decision(self) -> Decision:
        """All that is decided, by both scopes."""
        bounds = [one.bounds for one in self._order]
        most = max(self._evidence(above=True, sure=True), self._evidence(above=False, sure=True))
        return Decision(
            self._of_log(),
            self.log_bounds(),
            self._of_population(),
            confidence_interval(bounds, self.alpha),
            min(1.0, 2 / most),
            self._of_population() is None and self._hopeless(),
        )

    def log_bounds(self) -> Bounds:
        """What the mean difference over these queries can be."""
        count = len(self._order)
        return Bounds(
            math.fsum(one.bounds.low for one in self._order) / count,
            math.fsum(one.bounds.high for one in self._order) / count,
        )

    def bounds(self, query: str) -> Bounds:
        """What the difference of a query can be."""
        return self._queries[query].bounds

    def judged(self, query: str) -> Mapping[str, float]:
        """Document → relevance, of what is judged for a query."""
        return self._queries[query].judged

    def is_same(self, query: str) -> bool:
        """Whether both rankings of a query are the same."""
        return self._queries[query].difference.same

    def left(self, query: str) -> int:
        """How many documents of a query have no judgement, of those that could change its difference."""
        return len(self._queries[query].effects(self._chances()))

    def _of_log(self) -> str | None:
        low, high = self.log_bounds()
        if low > self.smallest + _SAME:
            return "B"
        if high < -self.smallest - _SAME:
            return "A"
        return "equal" if max(-low, high) <= self.smallest + _SAME else None

    def _of_population(self) -> str | None:
        """Evidence of ``2 / alpha`` decides, as there are two sides."""
        if "population" not in self._found:
            self._found["population"] = self._population()
        found = self._found["population"]
        return None if found is None else str(found)

    def _population(self) -> str | None:
        enough = 2 / self.alpha
        if self.smallest and all(
            self._evidence(above=above, sure=True, mean=mean) >= enough
            for above, mean in ((True, -self.smallest), (False, self.smallest))
        ):
            return "equal"
        if self._evidence(above=True, sure=True) >= enough:
            return "B"
        return "A" if self._evidence(above=False, sure=True) >= enough else None

    def _hopeless(self) -> bool:
        """Whether the test stays open even if all that is left goes one way."""
        if "hopeless" not in self._found:
            self._found["hopeless"] = not self._can_be_decided()
        return bool(self._found["hopeless"])

    def _can_be_decided(self) -> bool:
        enough = 2 / self.alpha
        if any(self._evidence(above=above, sure=False) >= enough for above in (True, False)):
            return True
        return bool(self.smallest) and all(
            self._evidence(above=above, sure=False, mean=mean) >= enough
            for above, mean in ((True, -self.smallest), (False, self.smallest))
        )

    def _evidence(self, *, above: bool, sure: bool, mean: float = 0.0) -> float:
        """That the mean is above (or below) a number: what is sure, or the most that it can become."""
        enough = 2 / self.alpha
        if above:
            values = (one.bounds.low if sure else one.bounds.high for one in self._order)
            return evidence_above(values, mean, enough)
        values = (one.bounds.high if sure else one.bounds.low for one in self._order)
        return evidence_below(values, mean, enough)

    # ---------------------------------------------------------------------------- what to ask

    def question(self) -> Question | None:
        """The document to judge next; None where no judgement could change anything.

        It is the one whose judgement is worth the most. For the log, that is over all queries. For the
        population, queries are gone through in random order, each until little of its difference is open, as
        the test makes use of whole ones; then again for less.
        """
        if "question" not in self._found:
            self._found["question"] = self._chosen()
        found = self._found["question"]
        return found if isinstance(found, Question) else None

    def _chosen(self) -> Question | None:
        if self.scope == "log":
            return self._best(self._order)
        for width in _PASSES:
            for one in self._order:
                if one.bounds.width > width and (found := self._best([one])) is not None:
                    return found
        return None

    def _best(self, queries: Sequence[_OpenQuery]) -> Question | None:
        ahead, chances = self._leader(), self._chances()
        best: tuple[float, float, int] | None = None
        chosen: tuple[_OpenQuery, str] | None = None
        for one in queries:
            for document, effect in one.effects(chances).items():
                if best is not None and effect.width < best[0]:
                    continue  # its worth is a part of that
                chance = chances[one.buckets[document]]
                helps = chance if effect.size * ahead >= 0 else 1 - chance
                value = (helps * effect.width, abs(effect.size), -one.ranks[document])
                if best is None or value > best:
                    best, chosen = value, (one, document)
        if best is None or chosen is None:
            return None
        one, document = chosen
        ranks = one.difference.ranks_a.get(document), one.difference.ranks_b.get(document)
        return Question(one.name, document, *ranks, best[0] / len(self._order))

    def _leader(self) -> float:
        """Above 0 where B is ahead by the middle of the bounds: what could confirm it is asked first."""
        low, high = self.log_bounds()
        return low + high

    def _chances(self) -> list[float]:
        """How likely documents are to be relevant, by the buckets of their ranks: as those judged so far."""
        return [
            (relevant + _PRIOR * 0.5 / math.sqrt(rank)) / (count + _PRIOR)
            for rank, (count, relevant) in zip((*_BUCKETS, 2 * _BUCKETS[-1]), self._seen, strict=True)
        ]

    def _count(self, one: _OpenQuery, document: str, by: int) -> None:
        seen = self._seen[one.buckets[document]]
        seen[0] += by
        seen[1] += by * (one.judged[document] > 0)


def _bucket(rank: int) -> int:
    return next((at for at, last in enumerate(_BUCKETS) if rank <= last), len(_BUCKETS))


def _check(scope: str, smallest: float) -> None:
    if scope not in SCOPES:
        message = f"{argument('scope')} takes {' or '.join(SCOPES)}, not {scope}"
        raise InputError.make("usage", message)
    if smallest:
        number_in(0, 1, smallest=smallest)


def _check_grades(known: Mapping[str, Mapping[str, float]], grades: int) -> None:
    for query, judged in known.items():
        for document, relevance in judged.items():
            if relevance > grades:
                message = (
                    f"relevances go up to {grades}, and the document {document!r} of the query {query!r}"
                    f" has {relevance:g}"
                )
                raise InputError.make("bad-qrels", message, hint=argument("grades", math.ceil(relevance)))
