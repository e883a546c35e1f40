"""Models that turn text into vectors, by name.

| name                     | model                                                                |
|--------------------------|----------------------------------------------------------------------|
| a name of ``custom``     | a function or `Embedder` that the application gave                   |
| ``local/hash-N``         | `hash`: character n-grams, N dimensions, pure Python, no files       |
| ``qdrant/bm25``          | `bm25`: the engine's own BM25, sparse                                |
| ``openai/NAME``          | `http`: an OpenAI-compatible server at the configured address        |
| ``http(s)://host/v1#NAME`` | `http`: an OpenAI-compatible server at this address                |
| ``fastembed:NAME``, ``fastembed:DIR``, any other | `fastembed`: its lists, or a local folder    |

A well-known model may be called by the end of its name (``all-MiniLM-L6-v2``, ``nomic-embed-text``). Names
are matched without regard to case, except those of ``custom``, of servers' models and of folders.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from qql.compiler.model_names import FASTEMBED, OPENAI, full_name, is_url, known_kind, known_size
from qql.models import ModelCache, awaited, is_async, model_errors
from qql.models.embedders.base import (
    Embedder,
    Kind,
    Purpose,
    Vector,
    check_vectors,
    kind_of,
    plain_vector,
    size_of,
)
from qql.models.embedders.options import read_options
from qql.rest.limits import BM25
from qql.rest.types import Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Embedder", "Embedders", "Kind", "Purpose", "Vector", "known_kind", "known_size"]

Function = Callable[[list[str]], Iterable[object]] | Callable[[list[str]], Awaitable[Iterable[object]]]
"""Texts → a vector for each; async functions are for `qql.connect_async`."""


class Embedders:
    """The models of one session, each made once and kept. Safe to use from several threads.

    ``custom`` maps names to functions (``list[str]`` → one vector for each, lists or numpy arrays) or to
    `Embedder` objects; ``url`` and ``api_key`` are for OpenAI-compatible servers, ``cache_dir`` is where
    fastembed keeps its files. ``permit`` is called with the name of a model before it is used, and may raise.
    """

    def __init__(
        self,
        custom: Mapping[str, Function | Embedder] | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        cache_dir: str | None = None,
        permit: Callable[[str], None] | None = None,
    ) -> None:
        self._permit = permit
        self._custom = _named(custom or {})
        self._url = url
        self._api_key = api_key
        self._cache_dir = cache_dir
        self._cache: ModelCache[Embedder] = ModelCache()
        self._by_name: dict[str, Embedder] = {}  # as they are asked for, without options

    def with_functions(self, custom: Mapping[str, Function | Embedder]) -> Embedders:
        """The same models, with others of the application beside them or in their place."""
        from copy import copy

        made = copy(self)
        made._custom = self._custom | _named(custom)
        made._by_name = {}
        return made

    def get(self, model: str, options: Body | None = None) -> Embedder:
        """The model of this name with these options; no files are read before it embeds.

        Raises `QQLModelError`: ``unknown-model``, ``model-option``, ``model-package-missing``.
        """
        if options:
            return self._with_options(model, options)
        found = self._by_name.get(model)
        if found is None:
            found = self._by_name[model] = self._with_options(model, None)
        return found

    def _with_options(self, model: str, options: Body | None) -> Embedder:
        if model in self._custom:
            read_options(model, options, {})
            return self._custom[model]
        model = full_name(model)
        if self._permit is not None:
            self._permit(model)
        given = {name: value for name, value in (options or {}).items() if value is not None}
        name = model if is_url(model) or model.lower().startswith((OPENAI, FASTEMBED)) else model.lower()
        key = name, json.dumps(given, sort_keys=True, default=repr)
        return self._cache.get(key, lambda: self._make_embedder(model, given))

    def size_of(self, model: str) -> int | None:
        """The dimensions of a model of fastembed (``fastembed:DIR`` too) or of the application; else None.

        Raises as `get` does.
        """
        name = model.lower()
        if model not in self._custom and (name.startswith(("local/", OPENAI)) or is_url(name)):
            return None
        return self.get(model).size

    @property
    def own(self) -> dict[str, tuple[Kind | None, int | None]]:
        """The models of the application: kind and dimensions, as far as they are known. None is called."""
        return {one.model: (one.known_kind, one.size) for one in self._custom.values()}

    @property
    def cache_dir(self) -> str | None:
        """Where fastembed keeps its files; None for its own choice."""
        return self._cache_dir

    def load(self, model: str) -> None:
        """Load a model that has files, download them if need be. Raises as `get` and its ``embed`` do."""
        if (load := getattr(self.get(model), "load", None)) is not None:
            load()

    def take_notes(self) -> list[str]:
        """What there is to say of the models since the last call of this: a key that others can read."""
        return self._cache.take_notes()

    def close(self) -> None:
        """Close connections and forget the models that were loaded. Closing twice is allowed."""
        self._by_name.clear()
        self._cache.close()

    def _make_embedder(self, model: str, options: Body) -> Embedder:
        name = model.lower()
        if name.startswith("local/"):
            from qql.models.embedders.hash import HashEmbedder

            read_options(model, options, {})
            return HashEmbedder(model)
        if name == BM25:
            from qql.models.embedders.bm25 import Bm25Embedder

            return Bm25Embedder(model, options)
        if name.startswith(OPENAI) or is_url(name):
            from qql.models.embedders.http import HttpEmbedder

            return HttpEmbedder(model, options, url=self._url, api_key=self._api_key)
        from qql.models.embedders.fastembed import FastembedEmbedder

        return FastembedEmbedder(model, options, cache_dir=self._cache_dir)


def _named(custom: Mapping[str, Function | Embedder]) -> dict[str, _CustomEmbedder]:
    made = {name: _CustomEmbedder(name, function) for name, function in custom.items()}
    return {full_name(name): one for name, one in made.items()} | made


class _CustomEmbedder:
    """A function or `Embedder` of the application, with its answers made plain and its failures clear."""

    def __init__(self, model: str, made: Function | Embedder) -> None:
        self.model = model
        self._made = made
        self._call: Callable[..., Any] = made.embed if hasattr(made, "embed") else made
        self.waits = is_async(self._call)
        self._kind: Kind | None = getattr(made, "kind", None)
        self._size: int | None = None

    @property
    def kind(self) -> Kind:
        """As the `Embedder` says; of a function, the kind of its first answer (it is called, if need be)."""
        if self._kind is None:
            self.embed(["kind"], "document")
        assert self._kind is not None
        return self._kind

    @property
    def known_kind(self) -> Kind | None:
        """As `kind`; of a function that was not called yet, None."""
        return self._kind

    @property
    def size(self) -> int | None:
        """As the `Embedder` says; of a function, the dimensions of its first answer, None before it."""
        size: int | None = getattr(self._made, "size", None)
        return size if size is not None else self._size

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """The answer of the function or `Embedder` in plain lists, checked."""
        given = (texts, purpose) if hasattr(self._made, "embed") else (list(texts),)
        with model_errors(self.model):
            answer = awaited(self.model, self._call, *given) if self.waits else self._call(*given)
            vectors = [plain_vector(vector) for vector in answer]
        check_vectors(vectors, count=len(texts), model=self.model, kind=self._kind, size=self.size)
        if vectors:
            self._kind = self._kind or kind_of(vectors[0])
            self._size = size_of(vectors[0], self._kind)
        return vectors
