"""``local/overlap``: how much of a query's words a text has, in pure Python, nothing to download.

For demos and tests: it orders by words and knows no meaning. With Q the distinct terms of the query, D the
terms of the text, tf(t) how often t is in D, and P the query's pairs of neighbouring terms, the score is

    score = (1 - a) * C + a * A
    C     = 1/|Q| * sum over t in Q:  tf(t) / (tf(t) + k * (1 - b + b * |D| / L))
    A     = share of P that are neighbours in D, in the same order

and C alone where P is empty (a query of one term). C is BM25's term frequency (Robertson and Zaragoza: The
Probabilistic Relevance Framework, 2009, 3.4) with the usual k = 1.2, b = 0.75 and, as in Qdrant's
``Bm25Config``, L = 256 terms for the average length; divided by its supremum k + 1, so that it stays
below 1. The inverse document frequency is left out, as there is no collection here to count words in, and a
text's score must not hang on the other candidates. A stands for the windows of the sequential dependence
model (Metzler and Croft: A Markov Random Field Model for Term Dependencies, SIGIR 2005), with the weight of
both of its kinds, a = 0.10 + 0.05.

So the score is in [0, 1); it is 0 exactly where no term is shared, as for an empty text or query; another
term of the query counts more than another occurrence of the same one; and words that the query does not have
lower the score of a text that has some. Terms are those of ``local/hash-N``: NFKC, folded case, runs of
letters and digits, pairs of characters where a script has no spaces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import fsum

from qql.models.embedders.hash import terms
from qql.models.rerankers.names import OVERLAP

__all__ = ["OverlapReranker"]

_K, _B, _LENGTH = 1.2, 0.75, 256
_PAIRS = 0.15


class OverlapReranker:
    """``local/overlap``. It never fails, and the order and repetition of texts make no difference."""

    model = OVERLAP

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score in [0, 1) for each text."""
        query_terms = list(terms(query))
        distinct, pairs = dict.fromkeys(query_terms), set(pairwise(query_terms))
        return [_overlap(distinct, pairs, list(terms(text))) for text in texts]


def _overlap(query: dict[str, None], pairs: set[tuple[str, str]], text: list[str]) -> float:
    if not query:
        return 0.0
    counts = Counter(text)
    saturation = _K * (1 - _B + _B * len(text) / _LENGTH)
    found = fsum(counts[term] / (counts[term] + saturation) for term in query) / len(query)
    if not pairs:
        return found
    return (1 - _PAIRS) * found + _PAIRS * len(pairs & set(pairwise(text))) / len(pairs)
