"""Texts of a request → vectors.

Qdrant's inference objects ``{"text": …, "model": …, "options": …}`` may stand wherever a vector may. They
are looked for at exactly those places (`_SHAPES`), so a payload or filter that looks like one is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from qql.embedders.base import Embedder, Purpose, Vector
from qql.embedders.vectors import checked
from qql.errors import QQLError, QQLModelError
from qql.request import Request

__all__ = ["Models", "embed_request", "texts_of"]


class Models(Protocol):
    """What `qql.embedders.Embedders` offers."""

    def get(self, model: str, options: Mapping[str, Any] | None = None) -> Embedder:
        """The model of this name with these options."""
        ...


def embed_request(
    request: Request,
    embedders: Models,
    infers: Callable[[str], bool],
    *,
    default_model: str | None = None,
) -> Request:
    """The request with a vector in the place of each text; the same object if there is nothing to do.

    ``infers(model)`` says whether the engine embeds a model itself: its objects stay. ``default_model`` is
    for objects that name no model. The body is not changed: what differs is copied, the rest is shared.
    Each model is called once for a request and purpose, with each distinct text once.

    Raises `QQLModelError`: ``no-model`` for a text without a model, and for images and other objects that
    the engine does not infer; ``model-answer`` for an answer that is not one legal vector of the model's
    kind and size for each text; and whatever the model raises.
    """
    edits: list[tuple[_Path, Any]] = []
    wanted: dict[tuple[int, Purpose], _Call] = {}
    for place in _places(request):
        found = place.object
        model = _model_of(found) or default_model
        if model and infers(model):
            if not found.get("model"):
                edits.append((place.path, {**found, "model": model}))
            continue
        if not _is_text(found):
            raise _not_inferred(found, model)
        if not model:
            raise _no_model(found["text"])
        embedder = embedders.get(model, found.get("options") or None)
        call = wanted.setdefault((id(embedder), place.purpose), _Call(model, embedder, place.purpose, {}))
        call.places.setdefault(found["text"], []).append(place.path)
    for call in wanted.values():
        vectors = _embed(call)
        edits += [
            (path, vector)
            for paths, vector in zip(call.places.values(), vectors, strict=True)
            for path in paths
        ]
    return replace(request, body=_edited(request.body, edits)) if edits else request


def texts_of(request: Request) -> list[tuple[str, str, int]]:
    """Model, purpose and number of distinct texts, for EXPLAIN; the model is ``""`` where none is named."""
    texts: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for place in _places(request):
        if _is_text(place.object):
            key = place.object.get("model") or "", place.purpose
            options = json.dumps(place.object.get("options"), sort_keys=True, default=repr)
            texts.setdefault(key, set()).add((place.object["text"], options))
    return [(model, purpose, len(distinct)) for (model, purpose), distinct in texts.items()]


# -- calling the models

_Path = tuple[Any, ...]
"""Keys and indices that lead from the body to a place."""


class _Call(NamedTuple):
    model: str
    embedder: Embedder
    purpose: Purpose
    places: dict[str, list[_Path]]


def _embed(call: _Call) -> list[Vector]:
    try:
        vectors = call.embedder.embed(list(call.places), call.purpose)
        kind, size = call.embedder.kind, call.embedder.size
    except QQLError:
        raise
    except Exception as exc:
        raise QQLModelError.make(
            "model-failed", f"model `{call.model}` failed: {type(exc).__name__}: {exc}"
        ) from exc
    return checked(vectors, count=len(call.places), model=call.model, kind=kind, size=size)


def _is_text(found: Mapping[str, Any]) -> bool:
    return isinstance(found.get("text"), str)


def _model_of(found: Mapping[str, Any]) -> str | None:
    """The model that an inference object names; its types are checked on the way."""
    model, options = found.get("model"), found.get("options")
    if not isinstance(model, str | None) or not isinstance(options, Mapping | None):
        raise QQLModelError.make(
            "no-model", "an inference object requires a string as `model` and an object as `options`"
        )
    return model


def _no_model(text: str) -> QQLError:
    shown = text if len(text) <= 40 else text[:39] + "…"
    return QQLModelError.make(
        "no-model",
        f"no model is given for the text {shown!r}",
        hint="MODEL '…' after the text, MODEL '…' at the vector in CREATE COLLECTION, "
        "or a default (`--model`) names one, e.g. 'local/hash-256'",
    )


def _not_inferred(found: Mapping[str, Any], model: str | None) -> QQLError:
    what = "an image" if "image" in found else "an object"
    named = f"model `{model}`" if model else "no model given"
    return QQLModelError.make(
        "no-model",
        f"{what} has to be turned into a vector by the engine, and this one does not do so ({named})",
        hint="a server with inference (Qdrant Cloud) does; a vector may be given in its place",
    )


# -- finding the places


class _Place(NamedTuple):
    path: _Path
    object: dict[str, Any]
    purpose: Purpose


_VECTOR = "vector"
"""One vector: a literal, a point id or an inference object."""
_NAMED = "named"
"""The vectors of a point: one vector, or a dict of name → vector."""
_COLUMNS = "columns"
"""The vectors of a batch: a list of vectors, or a dict of name → list of vectors."""
_VECTORS = "vectors"
"""A list of vectors."""

_SHAPES: dict[str, dict[str, str]] = {
    "searches": {"searches": "search"},
    "search": {"query": "query", "prefetch": "search"},
    "query": {
        "nearest": _VECTOR,
        "recommend": "examples",
        "discover": "discovery",
        "context": "pair",
        "relevance_feedback": "feedback",
    },
    "examples": {"positive": _VECTORS, "negative": _VECTORS},
    "discovery": {"target": _VECTOR, "context": "pair"},
    "pair": {"positive": _VECTOR, "negative": _VECTOR},
    "feedback": {"target": _VECTOR, "feedback": "feedback item"},
    "feedback item": {"example": _VECTOR},
    "upsert": {"points": "point", "batch": "batch"},
    "point": {"vector": _NAMED},
    "batch": {"vectors": _COLUMNS},
    "operations": {"operations": "operation"},
    "operation": {"upsert": "upsert", "update_vectors": "upsert"},
}
"""Shape of a JSON object → its keys that lead to vectors, and the shape found there (or in each item)."""

_ROUTES: dict[tuple[str, str], tuple[str, Purpose]] = {
    ("POST", "points/query"): ("search", "query"),
    ("POST", "points/query/batch"): ("searches", "query"),
    ("POST", "points/query/groups"): ("search", "query"),
    ("PUT", "points"): ("upsert", "document"),
    ("PUT", "points/vectors"): ("upsert", "document"),
    ("POST", "points/batch"): ("operations", "document"),
}


def _places(request: Request) -> Iterator[_Place]:
    """Every inference object of a request. A loop, not recursion: prefetches nest deeply."""
    if request.route not in _ROUTES:
        return
    root, purpose = _ROUTES[request.route]
    pending: list[tuple[_Path, Any, str]] = [((), request.body, root)]
    while pending:
        path, value, shape = pending.pop()
        if isinstance(value, list):
            if shape not in (_VECTOR, _NAMED):
                item = _VECTOR if shape in (_VECTORS, _COLUMNS) else shape
                pending += [((*path, i), value[i], item) for i in reversed(range(len(value)))]
        elif isinstance(value, dict):
            if _is_inference(value, shape):
                yield _Place(path, value, purpose)
            else:
                pending += [((*path, key), value[key], inner) for key, inner in _inside(value, shape)]


def _inside(value: dict[str, Any], shape: str) -> list[tuple[str, str]]:
    if shape in (_NAMED, _COLUMNS):
        return [(name, _VECTOR if shape == _NAMED else _VECTORS) for name in reversed(value)]
    known = _SHAPES.get(shape, {})
    return [(key, known[key]) for key in reversed(value) if key in known]


def _is_inference(value: dict[str, Any], shape: str) -> bool:
    text, other = _is_text(value), "image" in value or "object" in value
    if shape == "query":
        # `{"text": "…"}` alone is Qdrant's full-text query there, which no model is asked for.
        return (text or other) and "model" in value
    if shape == _NAMED:
        # A vector may be called `image` or `object`.
        return text or (other and isinstance(value.get("model"), str))
    return shape == _VECTOR and (text or other)


# -- putting the vectors in


def _edited(body: Any, edits: list[tuple[_Path, Any]]) -> Any:
    """The body with another value at each path; every dict and list on the way is copied once."""
    root = [body]
    copied: set[int] = set()
    for path, value in edits:
        container: Any = root
        for key, after in zip((0, *path), (*path, None), strict=True):
            if after is None:
                container[key] = value
            else:
                if id(container[key]) not in copied:
                    container[key] = container[key].copy()
                    copied.add(id(container[key]))
                container = container[key]
    return root[0]
