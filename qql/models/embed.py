"""Vectors for the texts of a request, for those who send it through a client of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from qql.models.embed_request import embed_request
from qql.models.embedders import Embedder, Embedders, Function
from qql.rest.request import Request

__all__ = ["embed"]


def embed(
    request: Request,
    models: Mapping[str, Function | Embedder] | Embedders | None = None,
    *,
    infers: Collection[str] = (),
) -> Request:
    """The request with a vector in the place of each of its texts; the same request where it has none.

    Args:
        request: of `qql.compile`; it is not changed.
        models: names of models → functions (a list of texts → one vector for each: lists of floats, numpy
            arrays, sparse vectors), or the `Embedders` of somebody who embeds often, which keep what they
            loaded. A name that is not among them is looked up as a session does: ``local/hash-N``,
            ``qdrant/bm25``, ``http(s)://host/v1#NAME``, models of fastembed.
        infers: names of models (or one name) whose texts the server embeds itself: they stay texts.

    Raises:
        QQLModelError: ``no-model`` for a text without a model (``qql.compile(text, models={vector: model})``
            names one), ``unknown-model``, ``model-answer`` for what is not one vector for each text, and what
            else a model raises.
    """
    served = {name.lower() for name in ([infers] if isinstance(infers, str) else infers)}
    if isinstance(models, Embedders):
        return embed_request(request, models, lambda name: name.lower() in served)
    made = Embedders(models)
    try:
        return embed_request(request, made, lambda name: name.lower() in served)
    finally:
        made.close()
