"""How long the answer to a request is waited for, by its route.

A query that takes long is of no use to whoever waits for it, and can be asked again. A collection that is
half made cannot: what builds something is waited for as long as such work takes.
"""

from __future__ import annotations

import math
from enum import Enum

from qql.backends.call_time import current_time, require_seconds
from qql.records import dataclass, replace
from qql.rest.request import Request

__all__ = ["CONNECT", "GRACE", "Kind", "Timeouts", "kind_of"]


class Kind(Enum):
    """What a request asks of a server, as far as time goes; the value is the seconds it has (None: all)."""

    READ = 5.0
    WRITE = 60.0
    DEFINITION = 300.0
    """Of a collection, an alias, a shard key: on a cluster all nodes have to agree."""
    BUILD = None
    """Indexes and snapshots: the time grows with the collection, for hours."""


CONNECT = 5.0
"""Seconds that a server has to take a connection, whatever is asked of it then."""
GRACE = 2.0
"""Seconds more than a request gives the server: its own word of what it gave up says more than ours."""

_AGREEMENT = 60
"""Seconds that the nodes of a cluster have to agree on a definition: servers give 10, and CREATE took 20 on
three nodes. One that has lost its quorum answers after that time."""
_AGREED_ON = frozenset({("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/collections/aliases")})
_AGREED_ON_BY_REST = _AGREED_ON | {("PUT", "shards"), ("POST", "shards/delete")}
"""qdrant-client has no such time for the keys of shards over gRPC."""
_KINDS: dict[tuple[str, str], Kind] = {
    ("PUT", "points"): Kind.WRITE,
    ("POST", "points/delete"): Kind.WRITE,
    ("POST", "points/payload"): Kind.WRITE,
    ("PUT", "points/payload"): Kind.WRITE,
    ("POST", "points/payload/delete"): Kind.WRITE,
    ("POST", "points/payload/clear"): Kind.WRITE,
    ("PUT", "points/vectors"): Kind.WRITE,
    ("POST", "points/vectors/delete"): Kind.WRITE,
    ("POST", "points/batch"): Kind.WRITE,
    ("PUT", ""): Kind.DEFINITION,
    ("PATCH", ""): Kind.DEFINITION,
    ("DELETE", ""): Kind.DEFINITION,
    ("POST", "/collections/aliases"): Kind.DEFINITION,
    ("DELETE", "index/*"): Kind.DEFINITION,
    ("DELETE", "vectors/*"): Kind.DEFINITION,
    ("PUT", "shards"): Kind.DEFINITION,
    ("POST", "shards/delete"): Kind.DEFINITION,
    ("POST", "cluster"): Kind.DEFINITION,
    ("PUT", "/quotas"): Kind.DEFINITION,
    ("DELETE", "snapshots/*"): Kind.DEFINITION,
    ("DELETE", "/snapshots/*"): Kind.DEFINITION,
    ("PUT", "index"): Kind.BUILD,
    ("PUT", "vectors/*"): Kind.BUILD,
    ("POST", "snapshots"): Kind.BUILD,
    ("GET", "snapshots/*"): Kind.BUILD,
    ("PUT", "snapshots/recover"): Kind.BUILD,
    ("POST", "snapshots/recover"): Kind.BUILD,
    ("POST", "snapshots/upload"): Kind.BUILD,
    ("POST", "/snapshots"): Kind.BUILD,
    ("GET", "/snapshots/*"): Kind.BUILD,
}
"""By `Request.route`; all that is not here is a `Kind.READ`."""


def kind_of(request: Request) -> Kind:
    """What a request asks of a server."""
    return _KINDS.get(request.route, Kind.READ)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The times of one connection. ``said`` is the user's timeout in seconds, or None.

    It is that of reads and of writes of points, and goes before theirs; what defines and builds has it only
    where it is longer than its own.
    """

    said: float | None = None

    def __post_init__(self) -> None:
        if self.said is not None:
            require_seconds(self.said)

    @property
    def connect(self) -> float:
        """Seconds for a connection to be made."""
        if (time := current_time()) is not None:
            return time.left()
        return self.said or CONNECT

    def with_time_to_agree(self, request: Request, *, rest: bool) -> Request:
        """The request with the ``timeout`` that a cluster has for it, unless it says one itself."""
        agreed_on = _AGREED_ON_BY_REST if rest else _AGREED_ON
        if request.route not in agreed_on or "timeout" in request.query:
            return request
        return replace(request, query={**request.query, "timeout": _AGREEMENT})

    def seconds_for(self, request: Request) -> float | None:
        """Seconds that the answer to a request is waited for; None: for as long as it takes.

        A ``timeout`` of the request itself (``PARAMS (timeout = 60)``) is what the server gets for it: we
        wait a little longer than that, and never less long for what defines and builds. What a call says
        (`qql.backends.call_time`) goes before all of it.
        """
        if (time := current_time()) is not None:
            return time.left()
        kind = kind_of(request)
        own = kind.value
        of_server = _seconds(request.query.get("timeout"))
        if kind in (Kind.READ, Kind.WRITE):
            return (self.said or own) if of_server is None else of_server + GRACE
        return None if own is None else max(own, self.said or 0, (of_server or 0) + GRACE)


def _seconds(value: object) -> float | None:
    """A number of seconds, also one that a query string would carry; None of anything else."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
