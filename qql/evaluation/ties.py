"""Rankings as far as scores settle them: which documents are equal, in which orders they may stand, and what
that leaves open of a measure.

Nothing but the order of equal scores may differ between two answers to one query. Of a measure, that leaves
a least and a most. To swap two neighbours so that the more relevant one comes first lowers none of our
measures: nDCG adds larger gains at better ranks; R, P, Success, Rprec and Judged count what is within a
rank; RR and AP rise with the ranks of what is relevant. So the order that puts the most relevant of equals
first is the best for every measure at once, the reverse order the worst, and both figures are exact.

McSherry, Najork: Computing information retrieval performance measures efficiently in the presence of tied
scores, ECIR 2008. Cabanac, Hubert, Boughanem, Chrisment: Tie-breaking bias, CLEF 2010. Lin, Yang: The impact
of score ties on repeatability in document ranking, SIGIR 2019.

Where a LIMIT cuts a tie, the same holds of which of the equals are in: as many as there were, any of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from qql.errors import QQLExecutionError, fail
from qql.evaluation.documents import Key, in_order, in_order_of_ids, order_key
from qql.evaluation.files import Scored
from qql.evaluation.measures import Evaluation, Measure, evaluate_run
from qql.records import dataclass
from qql.rest.fusion import f32
from qql.result import Hit, Result

__all__ = ["TIE_ORDERS", "Spread", "TiedRanking", "spread", "tied_ranking", "tied_run"]

TIE_ORDERS = ("id", "doc", "best", "worst")
"""How equals may be ordered.

``id``: by the ids of the points. ``doc``: by the documents' ids, descending, as trec_eval does (and so
pytrec_eval and ir-measures where it uses that; ranx leaves equals to an unstable sort). ``best``, ``worst``:
by what is relevant.
"""


@dataclass(frozen=True, slots=True)
class TiedRanking:
    """A query's documents, the best first, those of equal score together.

    ``groups`` have the documents of one score each, in the order of their points' ids (of a run file: of
    their own, descending). ``places`` is how many of the last group are in the ranking: all, unless a LIMIT
    cut them. ``open``: there are more equals behind the LIMIT than are known.
    """

    groups: tuple[tuple[Scored, ...], ...]
    places: int
    open: bool = False

    @property
    def cut(self) -> bool:
        """Whether some of the last group are known to stand behind the LIMIT."""
        return bool(self.groups) and self.places < len(self.groups[-1])

    def ordered(self, ties: str = "id", judged: Mapping[str, float] | None = None) -> list[Scored]:
        """The ranking with its equals in one of `TIE_ORDERS`; ``judged`` is document id → relevance.

        Raises `QQLExecutionError` ``bad-ties`` for another order.
        """
        if ties not in TIE_ORDERS:
            message = f"equal scores are ordered by {', '.join(TIE_ORDERS)}, not by {ties}"
            fail("bad-ties", message, error=QQLExecutionError)
        if not self.groups:
            return []
        found = [one for group in self.groups for one in _arranged(group, ties, judged or {})]
        return found[: len(found) - len(self.groups[-1]) + self.places]


def _arranged(group: Sequence[Scored], ties: str, judged: Mapping[str, float]) -> Sequence[Scored]:
    if ties == "id" or len(group) == 1:
        return group
    if ties == "doc":
        return sorted(group, key=lambda one: one.doc, reverse=True)
    sign = 1 if ties == "worst" else -1
    # What nobody judged stands below what was judged to be of no use: `Judged` tells them apart.
    return sorted(group, key=lambda one: sign * judged.get(one.doc, -math.inf))


def tied_ranking(
    found: Result | Sequence[Hit], key: Key, behind: Sequence[Hit] = (), *, is_open: bool = False
) -> TiedRanking:
    """The documents of hits; ``behind``: hits as good as the last one that a LIMIT left out.

    A document that several points belong to stands where its first does. Where a cut tie has several points
    of one document, as many documents stay in as there were. ``is_open`` is `TiedRanking.open`.
    """
    seen: set[str] = set()
    groups: list[tuple[Scored, ...]] = []
    places = 0
    equals = [list(group) for _, group in groupby(in_order(found), order_key(found))]
    for at, hits in enumerate(equals):
        last = at == len(equals) - 1
        own = {key(hit) for hit in hits} - seen
        docs: dict[str, Scored] = {}
        for hit in in_order_of_ids([*hits, *behind]) if last else hits:
            docs.setdefault(key(hit), Scored(key(hit), hit.score))
        group = tuple(one for doc, one in docs.items() if doc not in seen)
        seen |= docs.keys()
        if group:
            groups.append(group)
            places = len(own)
    return TiedRanking(tuple(groups), places, is_open)


def tied_run(ranking: Sequence[Scored]) -> TiedRanking:
    """A ranking as `read_run` gives it: equals have the same 32-bit score, and no LIMIT is known.

    A document without a score stands where the ranking has it, and equals no other.
    """
    places = groupby(enumerate(ranking), lambda one: one[0] if one[1].score is None else (f32(one[1].score),))
    groups = tuple(tuple(one for _, one in group) for _, group in places)
    return TiedRanking(groups, len(groups[-1]) if groups else 0)


@dataclass(frozen=True, slots=True)
class Spread:
    """What the order of equals leaves open: the figures in the worst and in the best case."""

    least: Evaluation
    most: Evaluation

    def means(self) -> dict[Measure, tuple[float, float]]:
        """The least and the most that the mean of each measure can be."""
        return {m: (low, self.most.means[m]) for m, low in self.least.means.items()}

    def open(self, measure: Measure) -> dict[str, tuple[float, float]]:
        """The queries whose value is not settled, each with its least and its most."""
        low, high = self.least.values[measure], self.most.values[measure]
        return {query: (low[query], high[query]) for query in self.least.queries if low[query] < high[query]}


def spread(
    rankings: Mapping[str, TiedRanking],
    qrels: Mapping[str, Mapping[str, float]],
    measures: Iterable[Measure],
    asked: Iterable[str] | None = None,
) -> Spread:
    """The least and the most of each measure over all orders of equal scores; see `evaluate`.

    Exact for each query and for the means: queries do not depend on one another.
    """
    wanted = [*measures]
    every = [*asked] if asked is not None else None
    least, most = (
        evaluate_run(
            {
                query: [hit.doc for hit in one.ordered(ties, qrels.get(query, {}))]
                for query, one in rankings.items()
            },
            qrels,
            wanted,
            every,
        )
        for ties in ("worst", "best")
    )
    return Spread(least, most)
