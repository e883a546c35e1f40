"""The table of routes: which method of `QdrantClient` carries out which request of the REST interface.

It says how the keys of a body become arguments, and how a method's answer becomes the ``result`` of REST.
The methods and the names of their arguments come from `CALLS` in `qql.rest.client_calls`, and the models of
bodies from `BODY_MODELS` in `qql.rest.request`.
"""

from __future__ import annotations

import inspect
import math
import uuid
from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel
from qdrant_client import QdrantClient
from qdrant_client.http import models

from qql.records import dataclass, replace
from qql.rest.client_calls import ARGUMENT_NAMES, CALLS
from qql.rest.request import BODY_MODELS, Request
from qql.rest.types import Body, Json, JsonObject

__all__ = ["ROUTES", "Route", "with_timeout"]


def _as_json(result: object) -> Json:
    """Models as JSON data, without the fields that are None; a payload keeps its nulls."""
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", exclude_none=True, warnings=False)
    if isinstance(result, list):
        return [_as_json(item) for item in result]
    return str(result) if isinstance(result, uuid.UUID) else result


def _as_page(result: tuple[list[object], object]) -> JsonObject:
    points, offset = result
    return {"points": _as_json(points), "next_page_offset": _as_json(offset)}


def _as_existence(result: bool) -> dict[str, bool]:
    return {"exists": result}


@dataclass(frozen=True, slots=True)
class Route:
    """How a route is called: the client's method, and where the keys of the body go.

    ``rename`` takes keys of the body to arguments; ``whole`` is the argument that takes the whole body;
    ``named`` the one that takes the last part of the path. ``query`` are the parameters of the query string
    that the method takes, and ``defaults`` the arguments whose default in Python is not that of REST.
    ``rest_only`` says that the method speaks REST to another port even where gRPC was asked for.
    """

    method: str
    rename: Mapping[str, str]
    query: tuple[str, ...]
    defaults: Body
    whole: str | None
    named: str | None
    answer: Callable[..., Json]
    rest_only: bool

    @property
    def selects(self) -> bool:
        """Whether the body chooses points: by their ids, or by a filter."""
        return self.rename.get("filter") == "points"


_READ = ("consistency", "timeout")
_WRITE = ("wait", "ordering", "timeout")
_QUERY_PARAMETERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/collections"): (),
    ("GET", "/aliases"): (),
    ("POST", "/collections/aliases"): ("timeout",),
    ("GET", ""): (),
    ("GET", "exists"): (),
    ("GET", "aliases"): (),
    ("PUT", ""): ("timeout",),
    ("PATCH", ""): ("timeout",),
    ("DELETE", ""): ("timeout",),
    ("PUT", "index"): _WRITE,
    ("DELETE", "index/*"): _WRITE,
    ("PUT", "vectors/*"): _WRITE,
    ("DELETE", "vectors/*"): _WRITE,
    ("POST", "points"): _READ,
    ("POST", "points/scroll"): _READ,
    ("POST", "points/count"): _READ,
    ("POST", "facet"): _READ,
    ("POST", "points/search/matrix/pairs"): _READ,
    ("POST", "points/search/matrix/offsets"): _READ,
    ("POST", "points/query"): _READ,
    ("POST", "points/query/groups"): _READ,
    ("POST", "points/query/batch"): _READ,
    ("PUT", "points"): _WRITE,
    ("POST", "points/delete"): _WRITE,
    ("POST", "points/payload"): _WRITE,
    ("PUT", "points/payload"): _WRITE,
    ("POST", "points/payload/delete"): _WRITE,
    ("POST", "points/payload/clear"): _WRITE,
    ("PUT", "points/vectors"): _WRITE,
    ("POST", "points/vectors/delete"): _WRITE,
    ("POST", "points/batch"): _WRITE,
    ("GET", "/cluster"): (),
    ("GET", "cluster"): (),
    ("GET", "shards"): (),
    ("PUT", "shards"): ("timeout",),
    ("POST", "shards/delete"): ("timeout",),
    ("GET", "snapshots"): (),
    ("POST", "snapshots"): ("wait",),
    ("DELETE", "snapshots/*"): ("wait",),
    ("PUT", "snapshots/recover"): ("wait",),
    ("GET", "/snapshots"): (),
    ("POST", "/snapshots"): ("wait",),
    ("DELETE", "/snapshots/*"): ("wait",),
}
"""The routes that are carried out by methods, and what their query strings may hold."""
_ANSWERS: dict[tuple[str, str], Callable[..., Json]] = {
    ("GET", "exists"): _as_existence,
    ("POST", "points/scroll"): _as_page,
}
_REST_ONLY = {("GET", "/cluster"), ("PUT", "snapshots/recover")}


def _routes() -> Iterator[tuple[tuple[str, str], Route]]:
    for key, call in CALLS.items():
        method, _, path = key.partition(" ")
        pattern = Request(method, path).route
        if call.high is None or pattern not in _QUERY_PARAMETERS:
            continue
        yield (
            pattern,
            Route(
                call.high,
                {} if call.whole else _renamed(pattern, call.high),
                _QUERY_PARAMETERS[pattern],
                call.unsaid,
                call.whole,
                path.rpartition("{")[2].rstrip("}") if pattern[1].endswith("*") else None,
                _ANSWERS.get(pattern, _as_json),
                pattern in _REST_ONLY,
            ),
        )


def _renamed(pattern: tuple[str, str], method: str) -> dict[str, str]:
    """The arguments of a method that take keys of a route's body by other names."""
    parameters = inspect.signature(getattr(QdrantClient, method)).parameters
    bodies = [getattr(models, name) for name in BODY_MODELS.get(pattern, ())]
    keys = {key for body in bodies for key in body.model_fields if key not in parameters}
    pairs = ((key, name) for key in keys for name in ARGUMENT_NAMES.get(key, ()) if name in parameters)
    return dict(pairs)


ROUTES: dict[tuple[str, str], Route] = dict(_routes())


def with_timeout(request: Request, seconds: float) -> Request:
    """The request with a ``timeout`` in whole seconds, where its route takes one and it says none itself."""
    route = ROUTES.get(request.route)
    if route is None or "timeout" not in route.query or request.query.get("timeout") is not None:
        return request
    return replace(request, query={**request.query, "timeout": max(1, math.ceil(seconds))})
