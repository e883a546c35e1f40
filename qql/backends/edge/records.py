"""The engine's answers → plain JSON data in REST's shapes."""

from __future__ import annotations

from collections.abc import Iterable

from qql.backends.short_floats import shortest_floats, shortest_vector
from qql.rest.types import Json, JsonObject

from .engine import edge

__all__ = ["plain_id", "record", "scored_points"]


def plain_id(value: edge.PointId) -> int | str:
    """An unsigned integer, or a UUID in its hyphenated form."""
    return value if isinstance(value, int) else str(value)


def record(found: edge.Record) -> JsonObject:
    """One point as `/points` and `/points/scroll` give it; what was not asked for is left out."""
    return _with_parts({"id": plain_id(found.id)}, found)


def scored_points(found: Iterable[edge.ScoredPoint], with_vector: Json) -> list[JsonObject]:
    """Points as `/points/query` gives them."""
    # MMR gives the vectors that it has compared, whether they were asked for or not.
    vectors = bool(with_vector)
    return [
        _with_parts({"id": plain_id(one.id), "version": one.version, "score": one.score}, one, vectors)
        for one in found
    ]


def _with_parts(out: JsonObject, found: edge.Record | edge.ScoredPoint, vectors: bool = True) -> JsonObject:
    # The engine converts an attribute each time that it is read, so each is read once.
    if (payload := found.payload) is not None:
        out["payload"] = payload
    if vectors and (vector := found.vector) is not None:
        out["vector"] = _plain_vector(vector)
    if (value := found.order_value) is not None:
        out["order_value"] = value
    return out


def _plain_vector(value: edge.Vector | edge.SparseVector) -> Json:
    if isinstance(value, dict):
        return {name: _plain_vector(item) for name, item in value.items()}
    if isinstance(value, list):
        return shortest_vector(value)
    return {"indices": value.indices, "values": shortest_floats(value.values)}
