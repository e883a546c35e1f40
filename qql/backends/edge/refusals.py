"""What a server can do and the embedded engine cannot: each by its name, with the reason and a way round."""

from __future__ import annotations

import re

from qql.errors import QQLUnsupportedError
from qql.rest.request import Request
from qql.rest.types import Json

from .readers import unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["ONE_COPY", "cluster_only", "refused_option", "refused_route"]

_ONE_PIECE = "it keeps a collection in one piece on one machine"
_SPREAD = f"{_ONE_PIECE}; a payload field and a filter on it can divide it, or a Qdrant server"
ONE_COPY = "there is one copy of the data, so every read is consistent and writes keep their order"
_NEWER = "POST …/points/query, which QUERY sends, does the same"

_REFUSED_ROUTES: tuple[tuple[str, str, str], ...] = (
    (r"\w+ shards/[^/]*/snapshots?.*", "a snapshot of one shard", _ONE_PIECE),
    (r"\w+ shards\b.*", "sharding ({route})", _SPREAD),
    (r"\w+ (/cluster\b.*|cluster)", "the state of a cluster ({route})", _ONE_PIECE),
    (r"\w+ /quotas", "a quota ({route})", "it protects a shared server; a file system can limit a directory"),
    (r"POST points/(search|recommend|discover)\b.*", "the old route {route}", _NEWER),
    (r"\w+ /snapshots.*", "a snapshot of the whole database", "take one of each collection"),
    (r"POST snapshots/upload", "uploading a snapshot", "recover it from its path"),
    (r"GET snapshots/.*", "downloading a snapshot", "it is a file in the database's directory"),
    (r"GET points/.*", "the route {route}", "POST …/points, which QUERY POINTS sends, does the same"),
    (r"GET optimizations", "the state of optimizations", "OPTIMIZE does what is to be done"),
    (r"GET memory", "what a collection takes of memory", "its files are in the database's directory"),
    (
        r"\w+ /(telemetry|metrics|issues|healthz|livez|readyz)",
        "{route}",
        "it is for those who watch over a server",
    ),
)  # fmt: skip


def refused_route(request: Request) -> QQLUnsupportedError:
    """The error for a request that has no handler."""
    method, path = request.route
    for pattern, what, hint in _REFUSED_ROUTES:
        if re.fullmatch(pattern, f"{method} {path}"):
            return unsupported(what.format(route=f"{method} {path}"), hint)
    return unsupported(f"{method} {request.path}", "a Qdrant server might do it")


_REFUSED_OPTIONS = {
    "consistency": ONE_COPY,
    "ordering": ONE_COPY,
    "shard_key": _SPREAD,
    "timeout": "a statement runs until it is done; Ctrl-C ends it between two requests",
}


def refused_option(key: str, value: Json) -> QQLUnsupportedError:
    """The error for a parameter of the URL, or of a body, that only a cluster could act on."""
    return unsupported(f"`{key} = {value!s:.60}`", _REFUSED_OPTIONS.get(key, "a Qdrant server might know it"))


def cluster_only(value: Json, where: str) -> NoReturn:
    """A reader for keys that only a cluster could act on: it refuses them by name."""
    raise refused_option(where.rpartition(".")[2], value)
