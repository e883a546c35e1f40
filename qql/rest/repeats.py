"""Which requests may be sent again where nobody knows whether they were carried out."""

from __future__ import annotations

from qql.rest.request import Request
from qql.rest.types import Json

__all__ = ["harmless_again", "reads"]

_READS = frozenset(
    {
        *("points", "points/scroll", "points/count", "facet"),
        *("points/query", "points/query/batch", "points/query/groups"),
        *("points/search/matrix/pairs", "points/search/matrix/offsets"),
    }
)
"""What is asked by POST."""

_SAME_STATE = frozenset(
    {
        # The same points, payloads and vectors once more. With UPDATE MODE or UPDATE FILTER too: what was
        # inserted is there then, and what was updated is as it should be, or no longer matches.
        ("PUT", "points"),
        ("PUT", "points/vectors"),
        ("POST", "points/payload"),
        ("PUT", "points/payload"),
        # What is gone stays gone.
        ("POST", "points/delete"),
        ("POST", "points/payload/delete"),
        ("POST", "points/payload/clear"),
        ("POST", "points/vectors/delete"),
        ("DELETE", "index/*"),
        # The same settings.
        ("PATCH", ""),
        ("PUT", "index"),
        ("PUT", "/quotas"),
    }
)
"""Changes that leave the same state behind, done once or twice, and have the same answer.

All others would be refused the second time (CREATE finds what it has made itself, DROP nothing), or do more
(a second snapshot).
"""


def reads(request: Request) -> bool:
    """Whether a request changes nothing."""
    return request.method == "GET" or (request.method == "POST" and request.route[1] in _READS)


def harmless_again(request: Request) -> bool:
    """Whether it does no harm to send a request again that may have been carried out."""
    if reads(request) or request.route in _SAME_STATE:
        return True
    if request.route != ("POST", "points/batch"):
        return False
    return all(map(_settles_points, (request.body or {}).get("operations") or [None]))


def _settles_points(operation: Json) -> bool:
    """Whether an operation of a batch says of points by their ids what they are, whatever they were.

    One that goes by a filter might match, the second time, what a later one has made.
    """
    match operation:
        case {"upsert": {"points": list()} as given}:
            return set(given) <= {"points", "shard_key"}
        case {"delete": {"points": list()}}:
            return True
    return False
