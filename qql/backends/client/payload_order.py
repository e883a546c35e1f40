"""Payloads in one order, whatever the transport.

Over gRPC a payload is a map without an order, on the way to a server and back, so that the columns of a point
come in another order each time. So its keys are put in the order of their names, over REST too.
"""

from __future__ import annotations

from qql.rest.types import Json, JsonObject

__all__ = ["POINTS", "with_ordered_payloads"]

POINTS = frozenset(
    ("POST", path)
    for path in ("points", "points/scroll", "points/query", "points/query/batch", "points/query/groups")
)
"""The routes whose answers have payloads."""

_HOLDS_POINTS = ("points", "groups", "hits", "lookup")


def with_ordered_payloads(answer: Json) -> Json:
    """The answer to a read: points, a page of them, groups, several of these; else the answer itself."""
    if isinstance(answer, list):
        return [with_ordered_payloads(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    out: JsonObject = {
        key: with_ordered_payloads(one) if key in _HOLDS_POINTS else one for key, one in answer.items()
    }
    if "id" in out and isinstance(out.get("payload"), dict):
        out["payload"] = _by_name(out["payload"])
    return out


def _by_name(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _by_name(value[key]) for key in sorted(value)}
    return [_by_name(one) for one in value] if isinstance(value, list) else value
