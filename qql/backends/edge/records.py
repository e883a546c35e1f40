"""The engine's answers → plain JSON data in REST's shapes."""

from __future__ import annotations

from qql.backends.short_floats import shortest_floats, shortest_vector
from qql.rest.types import Json, JsonObject

from .engine import edge

__all__ = ["plain_id", "record", "scored_point"]


def plain_id(value: edge.PointId) -> int | str:
    """An unsigned integer, or a UUID in its hyphenated form."""
    return value if isinstance(value, int) else str(value)


def record(found: edge.Record) -> JsonObject:
    """One point as `/points` and `/points/scroll` give it; what was not asked for is left out."""
    return {"id": plain_id(found.id)} | _parts(found)


def scored_point(found: edge.ScoredPoint, with_vector: Json) -> JsonObject:
    """One point as `/points/query` gives it."""
    # MMR gives the vectors that it has compared, whether they were asked for or not.
    head = {"id": plain_id(found.id), "version": found.version, "score": found.score}
    return head | _parts(found, vectors=bool(with_vector))


def _parts(found: edge.Record | edge.ScoredPoint, *, vectors: bool = True) -> JsonObject:
    out: JsonObject = {}
    if found.payload is not None:
        out["payload"] = found.payload
    vector = found.vector if vectors else None
    if vector is not None:
        out["vector"] = _plain_vector(vector)
    if found.order_value is not None:
        out["order_value"] = found.order_value
    return out


def _plain_vector(value: edge.Vector | edge.SparseVector) -> Json:
    if isinstance(value, dict):
        return {name: _plain_vector(item) for name, item in value.items()}
    if isinstance(value, list):
        return shortest_vector(value)
    return {"indices": value.indices, "values": shortest_floats(value.values)}
