"""``qdrant/bm25``: the BM25 model of Qdrant's own engine, as servers compute it, inside the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from qql.errors import QQLError, QQLModelError
from qql.missing import missing
from qql.models.embedders.base import Kind, Purpose, SparseVector
from qql.models.embedders.options import Table, count, flag, number, read_options, text
from qql.rest.types import Body

if TYPE_CHECKING:
    import qdrant_edge

__all__ = ["OPTIONS", "Bm25Embedder"]

Answer = TypeVar("Answer")
Member = TypeVar("Member")


class Bm25Embedder:
    """BM25 with the options of Qdrant's ``Bm25Config``, in its JSON form. Sparse.

    A document's weights are its term frequencies, saturated by ``k`` (1.2) and normalised by length with
    ``b`` (0.75) and ``avg_len`` (256); a query's weights are 1. The inverse document frequency is not in
    them: it is the collection's (``MODIFIER IDF`` of its sparse vector). A text that is empty, or has only
    stop words, has the sparse vector without entries, which matches nothing.

    Raises `QQLModelError` (``model-option``) for an option that does not exist or a value that is not legal.
    """

    kind: Kind = "sparse"
    size: int | None = None

    def __init__(self, model: str, options: Body | None = None) -> None:
        self.model = model
        self._bm25 = _call_engine(model, lambda: _bm25_model(model, options))

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[SparseVector]:
        """``{"indices", "values"}`` for each text; the weights differ between queries and documents."""
        one = self._bm25.embed_query if purpose == "query" else self._bm25.embed_document
        sparse = _call_engine(self.model, lambda: [one(item) for item in texts])
        return [{"indices": vector.indices, "values": vector.values} for vector in sparse]


def _call_engine(model: str, call: Callable[[], Answer]) -> Answer:
    """What ``call`` returns; a panic of the engine (a ``BaseException``) becomes an error like any other."""
    try:
        return call()
    except (QQLError, KeyboardInterrupt, SystemExit):
        raise
    except ImportError as exc:
        raise missing(exc, f"model `{model}`", error=QQLModelError) from exc
    except UnicodeEncodeError as exc:
        raise QQLModelError.make(
            "model-failed",
            f"model `{model}` cannot read a text with a lone surrogate (character {exc.start})",
        ) from exc
    except BaseException as exc:
        raise QQLModelError.make("model-failed", f"model `{model}` failed: {exc}") from exc


def _bm25_model(model: str, options: Body | None) -> qdrant_edge.Bm25:
    import qdrant_edge

    given = read_options(model, options, OPTIONS)
    try:
        return qdrant_edge.Bm25(qdrant_edge.Bm25Config(**given))
    except (ValueError, TypeError, OverflowError) as exc:
        raise QQLModelError.make("model-option", f"model `{model}`: {exc}") from exc


def _enum_member(enum: type[Member], value: object) -> Member:
    """A member of one of the engine's enumerations by its JSON name (``word`` → ``Word``)."""
    name = text(value).title()
    if name.startswith("_") or not hasattr(enum, name):
        raise ValueError(value)
    member: Member = getattr(enum, name)
    return member


def _bm25_tokenizer(value: object) -> qdrant_edge.TokenizerType:
    import qdrant_edge

    return _enum_member(qdrant_edge.TokenizerType, value)


def _bm25_stopwords(value: object) -> object:
    import qdrant_edge

    if isinstance(value, str):
        return _enum_member(qdrant_edge.Language, value)
    if not isinstance(value, Mapping) or not value.keys() <= {"languages", "custom"}:
        raise TypeError(value)
    languages, custom = value.get("languages") or [], value.get("custom") or []
    if isinstance(languages, str) or isinstance(custom, str):
        raise TypeError(value)
    return qdrant_edge.StopwordsSet(
        languages={_enum_member(qdrant_edge.Language, language) for language in languages},
        custom={text(word) for word in custom},
    )


def _bm25_stemmer(value: object) -> object:
    import qdrant_edge

    if value == {"type": "none"}:
        return qdrant_edge.DisabledStemmer()
    if not isinstance(value, Mapping) or value.keys() != {"type", "language"} or value["type"] != "snowball":
        raise TypeError(value)
    return qdrant_edge.SnowballParams(_enum_member(qdrant_edge.SnowballLanguage, value["language"]))


OPTIONS: Table = {
    "k": ("a number that is not negative", number),
    "b": ("a number from 0 to 1", number),
    "avg_len": ("a number above 0", number),
    "tokenizer": (
        "'prefix', 'whitespace', 'word', 'multilingual' or 'code'",
        _bm25_tokenizer,
    ),
    "language": ("the English name of a language", lambda value: text(value).lower()),
    "lowercase": ("true or false", flag),
    "ascii_folding": ("true or false", flag),
    "stopwords": ("the name of a language or {languages: […], custom: […]}", _bm25_stopwords),
    "stemmer": ("{type: 'snowball', language: …} or {type: 'none'}", _bm25_stemmer),
    "min_token_len": ("an unsigned integer", count),
    "max_token_len": ("an unsigned integer", count),
}
