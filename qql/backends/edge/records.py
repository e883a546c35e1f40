"""The engine's answers → plain JSON data in REST's shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qql.backends.short_floats import shortest_floats, shortest_vector
from qql.rest.types import Body, Json, JsonObject

from .engine import edge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["plain_id", "records", "scored_points"]


def plain_id(value: edge.PointId) -> int | str:
    """An unsigned integer, or a UUID in its hyphenated form."""
    return value if isinstance(value, int) else str(value)


def records(found: Iterable[edge.Record], body: Body) -> list[JsonObject]:
    """Points as `/points` and `/points/scroll` give them; what was not asked for is left out."""
    return _points(found, body, ordered="order_by" in body, scored=False)


def scored_points(found: Iterable[edge.ScoredPoint], body: Body) -> list[JsonObject]:
    """Points as `/points/query` gives them."""
    return _points(found, body, ordered=_has_order(body), scored=True)


def _points(found: Iterable[Any], body: Body, *, ordered: bool, scored: bool) -> list[JsonObject]:
    out: list[JsonObject] = []
    # The engine gives what was not asked for, too: MMR the vectors that it has compared. It converts an
    # attribute each time that it is read, so each is read once, and none in vain.
    payloads, vectors = body.get("with_payload") is not False, bool(body.get("with_vector"))
    for one in found:
        key = one.id
        point: JsonObject = {"id": key if type(key) is int else str(key)}
        if scored:
            point["version"] = one.version
            point["score"] = one.score
        if payloads and (payload := one.payload) is not None:
            point["payload"] = payload
        if vectors and (vector := one.vector) is not None:
            point["vector"] = _plain_vector(vector)
        if ordered and (value := one.order_value) is not None:
            point["order_value"] = value
        out.append(point)
    return out


def _has_order(body: Body) -> bool:
    """Whether points may have values that a field has ordered them by: those of prefetches come along."""
    query = body.get("query")
    return "prefetch" in body or (isinstance(query, (dict, Mapping)) and "order_by" in query)


def _plain_vector(value: edge.Vector | edge.SparseVector) -> Json:
    if isinstance(value, dict):
        return {name: _plain_vector(item) for name, item in value.items()}
    if isinstance(value, list):
        return shortest_vector(value)
    return {"indices": value.indices, "values": shortest_floats(value.values)}
