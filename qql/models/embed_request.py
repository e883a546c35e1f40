"""Texts of a request → vectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from qql.errors import QQLError, QQLModelError, fail
from qql.flows import aside
from qql.late import Protocol
from qql.models import model_failed
from qql.models.embedders.base import Embedder, Purpose, check_vectors
from qql.records import NamedTuple, replace
from qql.rest.inference_objects import Path, Place, is_text, places_of
from qql.rest.request import Request
from qql.rest.types import Body, Json, JsonObject

__all__ = ["EmbedderProvider", "embed_request", "embedded_values", "with_embedded"]


Told = Callable[[str, int, int], None]
"""Called with a model, and how many of how many texts it has embedded."""


class EmbedderProvider(Protocol):
    """What `qql.models.embedders.Embedders` offers."""

    def get(self, model: str, options: Body | None = None) -> Embedder:
        """The model of this name with these options."""


def embed_request(
    request: Request,
    embedders: EmbedderProvider,
    infers: Callable[[str], bool],
    *,
    default_model: str | None = None,
    places: Iterable[Place] | None = None,
    told: Told | None = None,
) -> Request:
    """The request with a vector in the place of each text; the same object if there is nothing to do.

    ``infers(model)`` says whether the engine embeds a model itself: its objects stay. ``default_model`` is
    for objects that name no model. The body is not changed: what differs is copied, the rest is shared.
    Each model is called once for a request and purpose, with each distinct text once. ``places`` are those of
    the texts, where they are known. With ``told``, a model is given at most
    256 texts at a time, and how many it has embedded is told.

    Raises `QQLModelError`: ``no-model`` for a text without a model, and for images and other objects that
    the engine does not infer; ``model-answer`` for an answer that is not one legal vector of the model's
    kind and size for each text; and whatever the model raises.
    """
    edits: list[tuple[Path, Json]] = []
    calls: dict[tuple[int, Purpose], _EmbedderCall] = {}
    for place in places_of(request) if places is None else places:
        found = place.object
        model = found.get("model")
        if type(model) is not str or "options" in found:
            model = _model_of(found) or default_model
        if model and infers(model):
            if not found.get("model"):
                edits.append((place.path, {**found, "model": model}))
            continue
        if not is_text(found):
            raise _not_inferred(found, model)
        if not model:
            raise _no_model_given(found["text"])
        embedder = embedders.get(model, found.get("options") or None)
        which = id(embedder), place.purpose
        call = calls.get(which)
        if call is None:
            call = calls[which] = _EmbedderCall(model, embedder, place.purpose, {})
        call.places.setdefault(found["text"], []).append(place.path)
    for call in calls.values():
        vectors = _call_embedder(call) if told is None else _in_steps(call, told)
        edits += [
            (path, vector)
            for paths, vector in zip(call.places.values(), vectors, strict=True)
            for path in paths
        ]
    if not edits:
        return request
    return Request(request.method, request.path, request.query, _with_values(request.body, edits))


def embedded_values(request: Request, embedded: Request) -> dict[str, Json]:
    """What `embed_request` has put in the place of each inference object of a request, by the object."""
    found: dict[str, Json] = {}
    for place in places_of(request):
        value: Json = embedded.body
        for key in place.path:
            value = value[key]
        found[_key_of(place)] = value
    return found


def with_embedded(request: Request, known: Mapping[str, Json]) -> Request:
    """A request of the same texts as another one with the vectors that were made for that one."""
    edits = [(place.path, known[_key_of(place)]) for place in places_of(request)]
    return replace(request, body=_with_values(request.body, edits)) if edits else request


def _key_of(place: Place) -> str:
    return json.dumps(place.object, sort_keys=True, default=repr)


# -- calling the models


class _EmbedderCall(NamedTuple):
    """One batch: its distinct texts, each with the places that its vector takes."""

    model: str
    embedder: Embedder
    purpose: Purpose
    places: dict[str, list[Path]]


_AT_ONCE = 256  # texts, where somebody is told


def _in_steps(call: _EmbedderCall, told: Told) -> list[Json]:
    """The vectors of many texts, and after each step how many there are."""
    texts = list(call.places)
    if len(texts) <= _AT_ONCE:
        return _call_embedder(call)
    vectors: list[Json] = []
    for at in range(0, len(texts), _AT_ONCE):
        places = {text: call.places[text] for text in texts[at : at + _AT_ONCE]}
        vectors += _call_embedder(call._replace(places=places))
        told(call.model, len(vectors), len(texts))
    return vectors


def _call_embedder(call: _EmbedderCall) -> list[Json]:
    try:  # what `model_errors` does, without its time: each query comes by here
        texts = list(call.places)
        if getattr(call.embedder, "waits", False):
            vectors = call.embedder.embed(texts, call.purpose)
        else:
            vectors = aside(call.embedder.embed, texts, call.purpose)
        kind, size = call.embedder.kind, call.embedder.size
    except QQLError:
        raise
    except Exception as exc:
        raise model_failed(call.model, exc) from exc
    return check_vectors(vectors, count=len(call.places), model=call.model, kind=kind, size=size)


def _model_of(found: Body) -> str | None:
    """The model that an inference object names; its types are checked on the way."""
    model, options = found.get("model"), found.get("options")
    if not isinstance(model, str | None) or not isinstance(options, Mapping | None):
        fail(
            "no-model",
            "an inference object requires a string as `model` and an object as `options`",
            error=QQLModelError,
        )
    return model


def _no_model_given(text: str) -> QQLError:
    shown = text if len(text) <= 40 else text[:39] + "…"
    return QQLModelError.make(
        "no-model",
        f"no model is given for the text {shown!r}",
        hint="MODEL '…' after the text, MODEL '…' at the vector in CREATE COLLECTION, "
        "or a default (`--model`) names one, e.g. 'local/hash-256'",
    )


def _not_inferred(found: Body, model: str | None) -> QQLError:
    what = "an image" if "image" in found else "an object"
    named = f"model `{model}`" if model else "no model given"
    return QQLModelError.make(
        "no-model",
        f"{what} has to be turned into a vector by the engine, and this one does not do so ({named})",
        hint="a server with inference (Qdrant Cloud) does; a vector may be given in its place",
    )


# -- putting the vectors in


def _with_values(body: Json, edits: list[tuple[Path, Json]]) -> JsonObject:
    """The body with another value at each path; every dict and list on the way is copied once."""
    root: list[JsonObject] = [body]
    copied: set[int] = set()
    for path, value in edits:
        container: Json = root
        for key, after in zip((0, *path), (*path, None), strict=True):
            if after is None:
                container[key] = value
            else:
                if id(container[key]) not in copied:
                    container[key] = container[key].copy()
                    copied.add(id(container[key]))
                container = container[key]
    return root[0]
