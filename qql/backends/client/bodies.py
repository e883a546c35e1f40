"""Bodies before they become models: what qdrant-client would take and get wrong is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

from qql.errors import QQLError, QQLExecutionError, QQLUnsupportedError, fail
from qql.rest.limits import MAX_PREFETCH_DEPTH, U64
from qql.rest.types import Body, Json, JsonObject

from .messages import excerpt

__all__ = ["objects", "require_inference", "require_sound"]

_USER_DATA = frozenset({"payload", "payloads", "metadata"})
_VECTORS = frozenset({"vector", "vectors"})


def require_sound(body: Body) -> None:
    """Raises `QQLExecutionError` (``invalid-point-id``, ``prefetch-too-deep``) for what no Qdrant takes."""
    for in_vector, part, depth in objects(body):
        if not in_vector:
            _require_ids(part)
        if depth > MAX_PREFETCH_DEPTH:
            fail(
                "prefetch-too-deep",
                f"prefetches nest more than {MAX_PREFETCH_DEPTH} deep, which is Qdrant's limit",
                error=QQLExecutionError,
            )


def require_inference(body: Body, infers: Callable[[str], bool]) -> None:
    """Raises `QQLUnsupportedError` (``unsupported-inference``) for a text whose model the engine lacks."""
    for _, part, _ in objects(body):
        model = part.get("model")
        if not isinstance(model, str) or part.keys().isdisjoint(("text", "image", "object")):
            continue
        if not infers(model):
            fail(
                "unsupported-inference",
                f"the engine does not turn texts into vectors of the model `{model}`",
                hint="an embedder on this side, or a server with inference (`cloud_inference`) does",
                error=QQLUnsupportedError,
            )


def objects(body: Body) -> Iterator[tuple[bool, JsonObject, int]]:
    """Every object of a body outside payloads: (is it part of a vector?, the object, depth of prefetches).

    Ends with the first object that is nested too deeply.
    """
    pending: list[tuple[bool, Json, int]] = [(False, body, 0)]
    while pending:
        in_vector, value, depth = pending.pop()
        if isinstance(value, list):
            pending.extend((in_vector, item, depth) for item in value if isinstance(item, dict | list))
        else:
            yield in_vector, value, depth
            if depth > MAX_PREFETCH_DEPTH:
                return
            for key, item in value.items():
                if isinstance(item, dict | list) and key not in _USER_DATA:
                    pending.append((in_vector or key in _VECTORS, item, depth + (key == "prefetch")))


def _require_ids(part: Body) -> None:
    """qdrant-client takes any integer and any string for an id; Qdrant does not."""
    for key in ("id", "ids", "points", "has_id"):
        value = part.get(key)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int | float | str):
                _require_id(one)


def _require_id(value: int | float | str) -> None:
    if isinstance(value, str):
        try:
            uuid.UUID(value)
        except ValueError as exc:
            raise _invalid_id(value, "UUID('…') makes a stable id of any text") from exc
    elif type(value) is not int or not 0 <= value <= U64:
        raise _invalid_id(value, None)


def _invalid_id(value: object, hint: str | None) -> QQLError:
    shown = excerpt(repr(value))
    return QQLExecutionError.make(
        "invalid-point-id",
        f"a point id requires an integer from 0 to 2^64 - 1 or a UUID, not {shown}",
        hint=hint,
    )
