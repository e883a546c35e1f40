"""Requests of older days → those of today: /points/search, /recommend, /discover, and GET of one point.

They are read, and never written: what they do, POST …/points/query and POST …/points do as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from qql.convert.queries import search_input, vector
from qql.convert.routes import PATHS, Route
from qql.nodes.targets import STRATEGY
from qql.rest.request import Request, collection_path
from qql.rest.shapes import Shape, anything, each, fields, one_of, point_id, refusal, text
from qql.rest.types import Json, JsonObject

__all__ = ["OLDER", "modern"]

_COMMON: Mapping[str, Shape] = dict.fromkeys(
    ("filter", "params", "with_payload", "with_vector", "shard_key"), anything
)
_PAGE: Mapping[str, Shape] = {"limit": anything, "offset": anything}
_GROUPS: Mapping[str, Shape] = dict.fromkeys(("group_by", "group_size", "limit", "with_lookup"), anything)
_EXAMPLES: Mapping[str, Shape] = {"using": text, "lookup_from": anything}
_VECTORS = {"with_vectors": "with_vector"}
_TOP = {"top": "limit"}
"""Other names that Qdrant takes for keys of these bodies."""


def _named_vector(value: Json, at: str) -> JsonObject:
    """``[0.1, 0.2]``, or ``{"name": …, "vector": …}``, as a query."""
    if not isinstance(value, dict):
        return {"query": {"nearest": vector(value, at)}}
    found = fields({"name": text, "vector": vector}, "name", "vector")(value, at)
    return {"query": {"nearest": found["vector"]}, "using": found["name"]}


def _searching(more: Mapping[str, Shape], also: Mapping[str, str], *required: str) -> Shape:
    shapes = {"vector": _named_vector, "score_threshold": anything, **_COMMON, **more}
    inside = fields(shapes, "vector", *required, also=also)

    def shape(value: Json, at: str) -> JsonObject:
        found = inside(value, at)
        return {**found.pop("vector"), **found}

    return shape


def _recommending(more: Mapping[str, Shape], also: Mapping[str, str], *required: str) -> Shape:
    examples = {"positive": each(search_input), "negative": each(search_input)}
    shapes = {**examples, "strategy": one_of(*STRATEGY.words), "score_threshold": anything}
    inside = fields({**shapes, **_EXAMPLES, **_COMMON, **more}, *required, also=also)

    def shape(value: Json, at: str) -> JsonObject:
        found = inside(value, at)
        parts = {key: found.pop(key) for key in (*examples, "strategy") if key in found}
        return {"query": {"recommend": parts}, **found}

    return shape


_PAIR = fields({"positive": search_input, "negative": search_input}, "positive", "negative")
_DISCOVERY = fields(
    {"target": search_input, "context": each(_PAIR), **_EXAMPLES, **_COMMON, **_PAGE}, "limit", also=_TOP
)


def _discovering(value: Json, at: str) -> JsonObject:
    """With a target it is a discovery, without one a search in a context."""
    found: JsonObject = _DISCOVERY(value, at)
    target, context = found.pop("target", None), found.pop("context", [])
    if target is None and not context:
        raise refusal(at, "a `target` or a `context` is required")
    query = {"context": context} if target is None else {"discover": {"target": target, "context": context}}
    return {"query": query, **found}


def _several(shape: Shape) -> Shape:
    return fields({"searches": each(shape)}, "searches")


_SEARCH = _searching(_PAGE, {**_VECTORS, **_TOP}, "limit")
_RECOMMEND = _recommending(_PAGE, {**_VECTORS, **_TOP}, "limit")
_GROUPED = ("group_by", "group_size", "limit")
_BODIES: Mapping[str, tuple[str, Shape]] = {
    "points/search": ("", _SEARCH),
    "points/search/batch": ("batch", _several(_SEARCH)),
    "points/search/groups": ("groups", _searching(_GROUPS, _VECTORS, *_GROUPED)),
    "points/recommend": ("", _RECOMMEND),
    "points/recommend/batch": ("batch", _several(_RECOMMEND)),
    "points/recommend/groups": ("groups", _recommending(_GROUPS, _VECTORS, *_GROUPED)),
    "points/discover": ("", _discovering),
    "points/discover/batch": ("batch", _several(_discovering)),
}
"""By path: which query does the same, and the shape that gives its body."""
OLDER: tuple[Route, ...] = tuple(("POST", path) for path in _BODIES)
"""The routes of older days."""


def modern(request: Request) -> Request:
    """The request of today that does the same; a request of today as it is. Raises `QQLPlanError`."""
    method, path = request.route
    if method == "POST" and path in _BODIES:
        kind, shape = _BODIES[path]
        if request.body is None:
            raise refusal("", f"{request.method} {request.path} requires one")
        here = collection_path(request.collection or "", "points", "query", *filter(None, [kind]))
        return Request("POST", here, request.query, shape(request.body, ""))
    if method == "GET" and path.startswith("points/") and path.count("/") == 1:
        return _one_point(request, unquote(path.partition("/")[2]))
    return request


def _one_point(request: Request, written: str) -> Request:
    """``GET …/points/7`` brings payload and vectors. (Without such a point, Qdrant's answer is an error.)"""
    if any(path == f"points/{written}" for path in (*_BODIES, *PATHS)):
        return request  # POST was meant
    if request.body:
        raise refusal("", f"{request.method} {request.path} takes none")
    number = written.isascii() and written.isdigit() and len(written) < 25
    identity = point_id(int(written) if number else written, "the id in the path")
    body = {"ids": [identity], "with_payload": True, "with_vector": True}
    return Request("POST", collection_path(request.collection or "", "points"), request.query, body)
