"""``local/hash-N``: vectors of character n-grams by feature hashing, in pure Python, nothing to download.

Each term t of a text has the features F(t): the term itself, and the character n-grams of ``<t>`` for
n = 3, 4, 5, where ``<`` and ``>`` mark the word's ends (Bojanowski, Grave, Joulin, Mikolov: Enriching
Word Vectors with Subword Information, TACL 2017). A feature f goes to dimension i(f) = (H(f) >> 1) mod N
with the sign s(f) = +1 or -1 by the lowest bit of H(f) (Weinberger, Dasgupta, Langford, Smola, Attenberg:
Feature Hashing for Large Scale Multitask Learning, ICML 2009); H is BLAKE2b of 8 bytes over the feature
in UTF-8, read as a little-endian integer. With n(t) the number of n-grams of t and tf(t) its count:

    v = sum over t:  sqrt(tf(t)) * a(t) * ( s(t) e_i(t)  +  g / sqrt(n(t)) * sum over n-grams f: s(f) e_i(f) )

and the result is v / |v|. g = `_NGRAM_SHARE` sets how much a shared word stem or a misspelling counts
against a shared word. a(t) stands in for the inverse document frequency, which a model that sees one text
at a time cannot know: frequent words are short (Zipf 1935, the law of abbreviation), so a term of one to
four ASCII letters counts less (`_SHORT`). Both were chosen by the mean reciprocal rank with which the first
line of a standard-library docstring finds its own rest among 2,300 (N = 256: 0.20 without, 0.30 with).

Terms: the text in NFKC and folded case, cut into runs of letters, digits and the marks that belong to
them; runs of Han and kana are cut into overlapping pairs of characters; a pictograph is a term of its own.
A text without any term (empty, only punctuation) has the one feature ``<>``, and so has a text whose
features cancel out: its vector is a legal unit vector too, near no text in particular.

Only integer arithmetic and the IEEE operations + * / sqrt are used, and sums are exactly rounded
(`math.fsum`), so that the result is the same in every process and on every platform.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import fsum, sqrt

from qql.compiler.model_names import hash_size
from qql.errors import QQLModelError, fail
from qql.late import late_pattern
from qql.models.embedders.base import Kind, Purpose
from qql.rest.limits import MAX_VECTOR_SIZE

__all__ = ["HashEmbedder", "terms"]

_SIZES = (3, 4, 5)
_NGRAM_SHARE = 1.5
_SHORT = {1: 0.15, 2: 0.25, 3: 0.45, 4: 0.7}
_CACHED_TERMS = 32_768  # about 25 MiB when full
_LONGEST_CACHED = 64  # characters; a longer term is hardly ever seen twice

_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
_INDIC = (
    "\u0900-\u0963\u0966-\u0df3\u0e31-\u0e4e\u0eb1-\u0ecd\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3\u200c\u200d"
)
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PICTOGRAPHS = "\u2600-\u27bf\U0001f000-\U0001faff"
_TERM = late_pattern(
    rf"([{_IDEOGRAPHS}]+)|(?:(?![{_IDEOGRAPHS}])[^\W_]|[{_MARKS}{_INDIC}])+|[{_PICTOGRAPHS}]"
)

_Features = tuple[tuple[int, ...], tuple[float, ...]]
"""Dimensions, and what is added to each."""


class HashEmbedder:
    """``local/hash-N`` for N dimensions, 1 to 65,536. Dense; the purpose makes no difference."""

    kind: Kind = "dense"

    def __init__(self, model: str) -> None:
        size = hash_size(model)
        if size is None:
            fail(
                "unknown-model",
                f"there is no model `{model}`",
                hint=f"`local/hash-N` has N dimensions, 1 to {MAX_VECTOR_SIZE}, e.g. `local/hash-256`",
                error=QQLModelError,
            )
        self.model = model
        self._size = size
        self._features: Callable[[str], _Features] = lru_cache(_CACHED_TERMS)(self._hash_features)

    @property
    def size(self) -> int:
        """N."""
        return self._size

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[list[float]]:
        """One unit vector for each text."""
        return [self._unit_vector(text) for text in texts]

    def _unit_vector(self, text: str) -> list[float]:
        vector = [0.0] * self._size
        for term, count in Counter(terms(text)).items():
            features = self._features if len(term) <= _LONGEST_CACHED else self._hash_features
            dimensions, amounts = features(term)
            if count == 1:
                for i, amount in zip(dimensions, amounts, strict=True):
                    vector[i] += amount
            else:
                weight = sqrt(count)
                for i, amount in zip(dimensions, amounts, strict=True):
                    vector[i] += weight * amount
        norm = sqrt(fsum([x * x for x in vector]))
        if not norm:
            i, sign = self._dimension_and_sign("<>")
            vector[i] = float(sign)
            return vector
        return [x / norm for x in vector]

    def _hash_features(self, term: str) -> _Features:
        marked = f"<{term}>"
        grams = [marked[i : i + n] for n in _SIZES for i in range(len(marked) - n + 1)]
        weight = _SHORT.get(len(term), 1.0) if term.isascii() and term.isalpha() else 1.0
        # An n-gram inside one term and a term of the same letters are one feature on purpose:
        # `datetime` is found by `time`.
        sums: dict[int, float] = {}
        share = weight * _NGRAM_SHARE / sqrt(len(grams))
        for feature, amount in [(term, weight), *((gram, share) for gram in grams)]:
            i, sign = self._dimension_and_sign(feature)
            sums[i] = sums.get(i, 0.0) + sign * amount
        return tuple(sums), tuple(sums.values())

    def _dimension_and_sign(self, feature: str) -> tuple[int, int]:
        digest = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        return (number >> 1) % self._size, 1 if number & 1 else -1


def terms(text: str) -> Iterator[str]:
    """The terms of a text in order, as the head of this module says; none where it has none."""
    for match in _TERM.finditer(unicodedata.normalize("NFKC", text).casefold()):
        run = match[0]
        if match[1] and len(run) > 1:
            yield from (run[i : i + 2] for i in range(len(run) - 1))
        else:
            yield run
