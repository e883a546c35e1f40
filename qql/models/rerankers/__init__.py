"""Models that score texts for a query, by name: the second stage of a search.

| name                         | model                                                                    |
|------------------------------|--------------------------------------------------------------------------|
| a name of ``functions``      | a function or `Reranker` that the application gave                       |
| ``local/overlap``            | `overlap`: shared words, pure Python, no files                           |
| ``cohere/NAME``              | `http`: Cohere, or a server that speaks as Cohere does (``/v2/rerank``)  |
| ``jina/NAME``                | `http`: Jina, or vLLM, Infinity, … that speak as Jina does (``/v1/rerank``) |
| ``voyage/NAME``              | `http`: Voyage                                                           |
| ``tei/NAME``                 | `http`: Text Embeddings Inference; NAME is for the reader, not sent      |
| ``http(s)://host/v1#NAME``   | `http`: a server at this address, spoken to as Jina                      |
| ``SHAPE+http(s)://…#NAME``   | `http`: the same, spoken to as cohere, jina, voyage or tei               |
| ``fastembed:NAME``, ``fastembed:DIR``, any other | `fastembed`: its list, or a local folder             |

Names are matched without regard to case, except those of ``functions``, of servers' models and of folders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qql.compiler.model_names import FASTEMBED
from qql.flows import aside
from qql.models import ModelCache, awaited, is_async, model_errors
from qql.models.rerankers.base import Reranker, check_scores, hit_text
from qql.models.rerankers.names import OVERLAP, full_reranker_name, is_remote, unknown_reranker

__all__ = ["Reranker", "Rerankers", "hit_text", "is_remote"]

Function = Callable[[str, list[str]], object]
"""A query and texts → a number for each text; async functions are for `qql.connect_async`."""


class Rerankers:
    """The rerankers of one session, each made once and kept. Safe to use from several threads.

    ``functions`` maps names to functions (query, ``list[str]`` → one number for each text, a list or a numpy
    array) or to `Reranker` objects; ``url`` and ``api_key`` are for servers, ``cache_dir`` is where fastembed
    keeps its files.
    """

    def __init__(
        self,
        functions: Mapping[str, Function | Reranker] | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        cache_dir: str | None = None,
        permit: Callable[[str], None] | None = None,
    ) -> None:
        self._permit = permit
        self._functions = _named(functions or {})
        self._url = url
        self._api_key = api_key
        self._cache_dir = cache_dir
        self._cache: ModelCache[Reranker] = ModelCache()

    def with_functions(self, functions: Mapping[str, Function | Reranker]) -> Rerankers:
        """The same models, with others of the application beside them or in their place."""
        from copy import copy

        made = copy(self)
        made._functions = self._functions | _named(functions)
        return made

    def rerank(self, model: str, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text, in order; the higher, the better.

        The model is given each distinct text once, and not called where there are no texts. Raises
        `QQLModelError`: what `get` raises, ``model-unavailable``, ``model-refused``, ``model-failed``,
        ``model-answer`` (another number of scores, or scores that are not finite numbers).
        """
        reranker = self.get(model)
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return []
        waits = getattr(reranker, "waits", False)
        found = reranker.score(query, distinct) if waits else aside(reranker.score, query, distinct)
        scores = dict(zip(distinct, found, strict=True))
        return [scores[text] for text in texts]

    def get(self, model: str) -> Reranker:
        """The model of this name; no files are read and nothing is sent before it scores.

        Raises `QQLModelError`: ``unknown-model``, ``model-key``, ``model-package-missing``.
        """
        if model in self._functions:
            return self._functions[model]
        model = full_reranker_name(model)
        if self._permit is not None:
            self._permit(model)
        name = model if is_remote(model) or model.lower().startswith(FASTEMBED) else model.lower()
        return self._cache.get(name, lambda: self._make_reranker(model))

    @property
    def own(self) -> list[str]:
        """The names of the application's rerankers."""
        return list(self._functions)

    def take_notes(self) -> list[str]:
        """What there is to say of the models since the last call of this: a key that others can read."""
        return self._cache.take_notes()

    def close(self) -> None:
        """Close connections and forget the models that were loaded. Closing twice is allowed."""
        self._cache.close()

    def _make_reranker(self, model: str) -> Reranker:
        if model.lower() == OVERLAP:
            from qql.models.rerankers.overlap import OverlapReranker

            return OverlapReranker()
        if model.lower().startswith("local/"):
            raise unknown_reranker(model, self._functions)
        if is_remote(model):
            from qql.models.rerankers.http import HttpReranker

            return HttpReranker(model, url=self._url, api_key=self._api_key)
        from qql.models.rerankers.fastembed import FastembedReranker

        return FastembedReranker(model, cache_dir=self._cache_dir, others=self._functions)


def _named(functions: Mapping[str, Function | Reranker]) -> dict[str, _CustomReranker]:
    return {name: _CustomReranker(name, made) for name, made in functions.items()}


class _CustomReranker:
    """A function or `Reranker` of the application, with its answers checked and its failures clear."""

    def __init__(self, model: str, made: Function | Reranker) -> None:
        self.model = model
        self._call: Function = made.score if hasattr(made, "score") else made
        self.waits = is_async(self._call)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """What the function or `Reranker` gives, as floats."""
        with model_errors(self.model):
            given = query, list(texts)
            found = awaited(self.model, self._call, *given) if self.waits else self._call(*given)
            return check_scores(found, count=len(texts), model=self.model)
