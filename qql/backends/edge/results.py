"""The engine's answers → plain JSON data in REST's shapes."""

from __future__ import annotations

from typing import Any

__all__ = ["plain_id", "record", "scored_point"]


def plain_id(value: Any) -> int | str:
    """An unsigned integer, or a UUID in its hyphenated form."""
    return value if isinstance(value, int) else str(value)


def _vector(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _vector(item) for name, item in value.items()}
    if isinstance(value, list):
        return value
    return {"indices": value.indices, "values": value.values}


def record(found: Any) -> dict[str, Any]:
    """One point as `/points` and `/points/scroll` give it; what was not asked for is left out."""
    out: dict[str, Any] = {"id": plain_id(found.id)}
    _add_parts(out, found)
    return out


def scored_point(found: Any, with_vector: Any) -> dict[str, Any]:
    """One point as `/points/query` gives it."""
    out: dict[str, Any] = {"id": plain_id(found.id), "version": found.version, "score": found.score}
    _add_parts(out, found)
    if not with_vector:  # MMR gives the vectors that it has compared
        out.pop("vector", None)
    return out


def _add_parts(out: dict[str, Any], found: Any) -> None:
    if found.payload is not None:
        out["payload"] = found.payload
    if found.vector is not None:
        out["vector"] = _vector(found.vector)
    if found.order_value is not None:
        out["order_value"] = found.order_value
