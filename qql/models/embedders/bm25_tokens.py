"""The tokens that Qdrant makes of a text, and what became of each of its words.

No engine tells them. But its BM25 has the tokenizers of text indexes, and gives each token a number that
hangs on its characters alone. So which tokens there are, the engine in this process says; what they are
called is found by trying which characters have that number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from qql.errors import QQLModelError
from qql.models.embedders.bm25 import Bm25Embedder
from qql.records import NamedTuple
from qql.rest.inference_objects import Purpose
from qql.rest.limits import BM25
from qql.rest.types import Body, JsonObject

__all__ = ["DroppedWord", "Token", "TokenizedText", "Tokenizer"]

_PLAIN: JsonObject = {"stopwords": {"languages": [], "custom": []}, "stemmer": {"type": "none"}}
"""What neither drops a word nor cuts off its ending: how a text index is without options."""
_AS_IT_IS: JsonObject = {**_PLAIN, "tokenizer": "whitespace", "lowercase": False}
_WITHOUT = {"stopwords": {"stopwords": _PLAIN["stopwords"]}}
_REASONS = {
    "stopwords": "a stop word",
    "min_token_len": "shorter than min_token_len = {}",
    "max_token_len": "longer than max_token_len = {}",
}
"""What may drop a word, by the option; without it, the word makes a token."""
_ENDINGS = ("", *"abcdefghijklmnopqrstuvwxyz")
"""Stemmers cut endings off, and put a letter in their place: ``happy`` → ``happi``."""
_LONGEST = 64
"""Characters of a word of which every part is tried."""


class Token(NamedTuple):
    """A token: its characters, None where they could not be found; the number that BM25 knows it by.

    ``weight`` is what BM25 gives it in this text, ``words`` are those that it comes from, and ``count`` is
    how often they stand in the text.
    """

    text: str | None
    id: int
    weight: float
    words: tuple[str, ...]
    times: int


class DroppedWord(NamedTuple):
    """A word of the text that makes no token, and why."""

    word: str
    reason: str


class TokenizedText(NamedTuple):
    """What is made of a text, in the order of its words."""

    tokens: tuple[Token, ...]
    dropped: tuple[DroppedWord, ...]


class Tokenizer:
    """Qdrant's tokenizer with the ``options`` of `Bm25Embedder`. Raises as that does."""

    def __init__(self, options: Body) -> None:
        self.options: JsonObject = {name: value for name, value in options.items() if value is not None}
        self._model = Bm25Embedder(BM25, self.options)
        self._as_it_is = Bm25Embedder(BM25, _AS_IT_IS)
        # Words are parted by the tokenizer's own rules, but for what it would make of their parts.
        kind = "word" if self.options.get("tokenizer", "word") in ("word", "prefix") else "whitespace"
        self._parting = Bm25Embedder(BM25, _PLAIN | {"tokenizer": kind})
        self._parts: dict[str, bool] = {}

    @classmethod
    def of_index(cls, params: Body) -> Tokenizer:
        """The tokenizer of a text index, by the ``params`` of its schema."""
        known = ("tokenizer", "lowercase", "ascii_folding", "min_token_len", "max_token_len")
        options = {name: params[name] for name in known if params.get(name) is not None}
        return cls(_PLAIN | {name: params[name] for name in _PLAIN if params.get(name)} | options)

    @property
    def is_multilingual(self) -> bool:
        """Whether it cuts a text where languages part words, which no character shows."""
        return bool(self.options.get("tokenizer") == "multilingual")

    def tokens(self, text: str, purpose: Purpose) -> TokenizedText:
        """The tokens of a document, or of a query. Raises as `Bm25Embedder.embed` does.

        `QQLModelError` ``tokens-unknown``: of the tokenizer ``multilingual`` it is not known what words it
        sees.
        """
        if self.is_multilingual:
            raise QQLModelError.make(
                "tokens-unknown",
                "which words the tokenizer `multilingual` sees in a text is known to nobody outside of it",
                hint="of the tokenizers word, whitespace, prefix and code it is known",
            )
        whole = self._weights(self._model, text, purpose)
        sources: dict[int, list[str]] = {}
        counts: dict[str, int] = {}
        dropped = []
        for word in self._words(text):
            counts[word] = counts.get(word, 0) + 1
            if counts[word] > 1:
                continue
            made = [number for number in self._weights(self._model, word, purpose) if number in whole]
            for number in made:
                sources.setdefault(number, []).append(word)
            if not made:
                dropped.append(DroppedWord(word, self._why_dropped(word, purpose)))
        tokens = [
            Token(
                self._name(number, words),
                number,
                whole[number],
                tuple(words),
                sum(map(counts.__getitem__, words)),
            )
            for number, words in sources.items()
        ]
        tokens += [
            Token(None, number, weight, (), 1) for number, weight in whole.items() if number not in sources
        ]
        return TokenizedText(tuple(tokens), tuple(dropped))

    def names(self, text: str, purpose: Purpose) -> Mapping[int, str]:
        """The number of each token → its characters, or the words that it comes from."""
        found = () if self.is_multilingual else self.tokens(text, purpose).tokens
        return {one.id: one.text or "/".join(one.words) for one in found if one.text or one.words}

    # -- words

    def _words(self, text: str) -> Iterator[str]:
        """What stands between the characters that part words."""
        word: list[str] = []
        for char in text:
            if not self._is_parting(char):
                word.append(char)
            elif word:
                yield "".join(word)
                word = []
        if word:
            yield "".join(word)

    def _is_parting(self, char: str) -> bool:
        known = self._parts.get(char)
        if known is None:
            known = self._parts[char] = len(self._weights(self._parting, f"a{char}b", "query")) > 1
        return known

    def _why_dropped(self, word: str, purpose: Purpose) -> str:
        for name, said in _REASONS.items():
            others = {key: value for key, value in self.options.items() if key != name}
            model = Bm25Embedder(BM25, others | _WITHOUT.get(name, {}))
            if self._weights(model, word, purpose):
                return said.format(self.options.get(name))
        return "the tokenizer leaves it out"

    # -- names

    def _name(self, number: int, words: Iterable[str]) -> str | None:
        for word in words:
            for spelled in _spellings(word):
                if self._number(spelled) == number:
                    return spelled
        return None

    def _number(self, token: str) -> int | None:
        found = list(self._weights(self._as_it_is, token, "query"))
        return found[0] if len(found) == 1 else None

    def _weights(self, model: Bm25Embedder, text: str, purpose: Purpose) -> dict[int, float]:
        (found,) = model.embed([text], purpose)
        return dict(zip(found["indices"], found["values"], strict=True))


def _spellings(word: str) -> Iterator[str]:
    """What a token of a word may be, the likeliest first."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    joined = "".join(filter(str.isalnum, word.lower()))  # of names in code
    forms = tuple(dict.fromkeys((word.lower(), word, folded.lower(), folded, joined)))
    yield from forms
    if len(word) > _LONGEST:
        return
    for form in forms:
        for end in range(len(form), 0, -1):
            yield from (form[:end] + ending for ending in _ENDINGS)
    for form in forms:
        for start in range(1, len(form)):
            yield from (form[start:end] for end in range(len(form), start, -1))
