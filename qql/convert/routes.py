"""Routes of Qdrant's REST interface: their parameters in the URL, and those that no statement has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qql.errors import QQLPlanError, did_you_mean, shown
from qql.rest.limits import OPTIMIZATION_LISTS
from qql.rest.request import Request
from qql.rest.shapes import Shape, fields, refusal
from qql.rest.types import Json

__all__ = ["PATHS", "READING", "Route", "no_statement", "unsaid", "url_parameters"]

Route = tuple[str, str]
"""What `Request.route` gives: a method, and a path without names."""

# ------------------------------------------------------------------------------------ parameters


def _truth(value: Json, at: str) -> str:
    word = str(value).lower()
    if word in ("true", "false"):
        return word
    raise refusal(at, f"true or false is required, found {shown(value)}")


def _count(value: Json, at: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    raise refusal(at, f"a whole number is required, found {shown(value)}")


def _consistency(value: Json, at: str) -> Json:
    return value if value in ("majority", "quorum", "all") else _count(value, at)


def _ordering(value: Json, at: str) -> str:
    if value == "weak":
        return str(value)
    raise refusal(at, "QQL writes in Qdrant's default ordering, which is weak", "leave the ordering out")


def _every_list(value: Json, at: str) -> str:
    every = OPTIMIZATION_LISTS.split(",")
    if isinstance(value, str) and set(value.split(",")) <= {*every}:
        return value
    raise refusal(at, f"SHOW OPTIMIZATIONS lists {', '.join(every)}", "leave the others out")


READING: Mapping[str, Shape] = {"timeout": _count, "consistency": _consistency}
"""Parameters that a statement has: PARAMS (timeout = …, consistency = …)."""
_WAITING: Mapping[str, Shape] = {"wait": _truth, "timeout": _count}
_WRITING: Mapping[str, Shape] = {**_WAITING, "ordering": _ordering}
_READS = (
    *("points", "points/scroll", "points/count", "facet"),
    *("points/search/matrix/pairs", "points/search/matrix/offsets"),
    *(f"points/query{rest}" for rest in ("", "/groups", "/batch")),
)
_ASKING: tuple[Route, ...] = tuple(("POST", path) for path in _READS)
_CHANGING: tuple[Route, ...] = (
    *(("PUT", f"points{rest}") for rest in ("", "/payload", "/vectors")),
    *(("POST", f"points/{rest}") for rest in ("delete", "payload", "payload/delete", "payload/clear")),
    *(("POST", f"points/{rest}") for rest in ("vectors/delete", "batch")),
    *(("PUT", "index"), ("DELETE", "index/*")),
)
PATHS: frozenset[str] = frozenset(path for _, path in (*_ASKING, *_CHANGING))
"""The paths of requests that read and write points."""
_ALWAYS_WAITING: Mapping[Route, str] = {
    **dict.fromkeys((("PUT", "vectors/*"), ("DELETE", "vectors/*")), "false"),
    **dict.fromkeys((("POST", "snapshots"), ("DELETE", "snapshots/*"), ("PUT", "snapshots/recover")), "true"),
}
"""Routes for which QQL has no WAIT: it waits. Behind them, what Qdrant does by itself."""
_PATIENT: tuple[Route, ...] = (
    *((method, "") for method in ("PUT", "PATCH", "DELETE")),
    *(("POST", "/collections/aliases"), ("PUT", "shards"), ("POST", "shards/delete")),
)
"""Changes of collections: how long Qdrant waits for the nodes of a cluster is all that the URL says."""
_NO_PARAMETERS = fields({})
_PARAMETERS: Mapping[Route, Shape] = {
    **dict.fromkeys(_ASKING, fields(READING)),
    **dict.fromkeys(_CHANGING, fields(_WRITING)),
    **dict.fromkeys((*_ALWAYS_WAITING, ("PUT", "/quotas")), fields(_WAITING)),
    **dict.fromkeys((("PUT", "vectors/*"), ("DELETE", "vectors/*")), fields(_WRITING)),
    **dict.fromkeys(_PATIENT, fields({"timeout": _count})),
    ("GET", "optimizations"): fields({"with": _every_list}),
}
"""By route: the parameters of the URL. Routes that are not here have none."""


def url_parameters(request: Request) -> dict[str, Json]:
    """The parameters of a request that its statement has, `wait` among them wherever there is WAIT."""
    route = request.route
    if route not in _PARAMETERS and request.query:
        key = next(iter(request.query))
        raise refusal(f"URL.{key}", "QQL has no word for this parameter", "leave it out")
    found = _PARAMETERS.get(route, _NO_PARAMETERS)(dict(request.query), "URL")
    if route in _CHANGING:
        found = {"wait": "false", **found}
    unheard = {"ordering"} if route in _ASKING else {"ordering", "timeout", "with"}
    if route in _ALWAYS_WAITING:
        unheard.add("wait")
    return {key: value for key, value in found.items() if key not in unheard}


def unsaid(query: Mapping[str, Json], route: Route) -> list[str]:
    """What the URL says that a statement with this route does not: how long, and whether, to wait."""
    found = []
    if "timeout" in query and route not in _ASKING:
        found.append(
            f"the request has a timeout of {query['timeout']} s; a statement waits as its session does"
        )
    if route in _ALWAYS_WAITING and str(query.get("wait", _ALWAYS_WAITING[route])).lower() == "false":
        found.append("the request does not wait until it is done; the statement does")
    return found


# ------------------------------------------------------------------------------------ no statement

_CLUSTER = "it is about the nodes of a cluster, and QQL is about collections"
_SERVICE = "it is about the server, and QQL is about collections"
_FILE = "it sends or brings a file"
_NOT_SAID: tuple[tuple[str, str, str | None], ...] = (
    ("/collections/*/cluster", _CLUSTER, "SHOW SHARD KEYS ON c shows the shard keys of a collection"),
    ("/cluster", _CLUSTER, None),
    ("/collections/*/snapshots/upload", _FILE, "RESTORE SNAPSHOT 'URL' ON c restores from an address"),
    ("/collections/*/snapshots/*", _FILE, "SHOW SNAPSHOTS ON c lists the snapshots"),
    ("/collections/*/shards/*/snapshots", "it is about one shard, and QQL is about whole collections", None),
    ("/snapshots", "it is about all collections at once", "CREATE SNAPSHOT ON c makes one of a collection"),
    *((f"/{path}", _SERVICE, None) for path in ("telemetry", "metrics", "locks", "issues", "healthz")),
    *((f"/{path}", _SERVICE, None) for path in ("livez", "readyz", "service", "logger", "profiler")),
)
"""Paths that Qdrant has and QQL has not, with the reason and a way round; `*` is a name."""


def no_statement(request: Request, known: Iterable[Route]) -> QQLPlanError:
    """The error for a route that no statement has: by name, with the reason where the route is Qdrant's."""
    at = f"{request.method} {request.path}"
    parts = request.path.strip("/").split("/")
    if parts == [""] and request.method == "GET":
        return refusal(at, f"QQL has no statement for this route: {_SERVICE}")
    for pattern, reason, hint in _NOT_SAID:
        wanted = pattern.strip("/").split("/")
        pairs = zip(wanted, parts, strict=False)
        if len(parts) >= len(wanted) and all(one in ("*", other) for one, other in pairs):
            return refusal(at, f"QQL has no statement for this route: {reason}", hint)
    routes = list(known)
    _, path = request.route
    methods = [method for method, rest in routes if rest == path]
    hint = did_you_mean(path, [rest for _, rest in routes if rest])
    if methods:
        hint = f"the methods of this path are {', '.join(dict.fromkeys(methods))}"
    return refusal(at, "QQL has no statement for this route", hint)
