"""Bodies before they become models: what qdrant-client would take and get wrong is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qql.errors import QQLError, QQLExecutionError, QQLUnsupportedError

from .texts import excerpt

__all__ = ["objects", "require_inference", "require_sound"]

_PREFETCH_DEPTH = 64  # Qdrant's own limit
_UNSEEN = frozenset({"payload", "payloads", "metadata"})  # a user's own data
_VECTORS = frozenset({"vector", "vectors"})


def require_sound(body: Mapping[str, Any]) -> None:
    """Raises `QQLExecutionError` (``invalid-point-id``, ``prefetch-too-deep``) for what no Qdrant takes."""
    for in_vector, part, depth in objects(body):
        if not in_vector:
            _require_ids(part)
        if depth > _PREFETCH_DEPTH:
            raise QQLExecutionError.make(
                "prefetch-too-deep",
                f"prefetches nest more than {_PREFETCH_DEPTH} deep, which is Qdrant's limit",
            )


def require_inference(body: Mapping[str, Any], infers: Callable[[str], bool]) -> None:
    """Raises `QQLUnsupportedError` (``unsupported-inference``) for a text whose model the engine lacks."""
    for _, part, _ in objects(body):
        model = part.get("model")
        if not isinstance(model, str) or part.keys().isdisjoint(("text", "image", "object")):
            continue
        if not infers(model):
            raise QQLUnsupportedError.make(
                "unsupported-inference",
                f"the engine does not turn texts into vectors of the model `{model}`",
                hint="an embedder on this side, or a server with inference (`cloud_inference`) does",
            )


def objects(body: Mapping[str, Any]) -> Iterator[tuple[bool, dict[str, Any], int]]:
    """Every object of a body outside payloads: (is it part of a vector?, the object, depth of prefetches).

    Ends with the first object that is nested too deeply.
    """
    pending: list[tuple[bool, Any, int]] = [(False, body, 0)]
    while pending:
        in_vector, value, depth = pending.pop()
        if isinstance(value, list):
            pending.extend((in_vector, item, depth) for item in value if isinstance(item, dict | list))
        else:
            yield in_vector, value, depth
            if depth > _PREFETCH_DEPTH:
                return
            for key, item in value.items():
                if isinstance(item, dict | list) and key not in _UNSEEN:
                    pending.append((in_vector or key in _VECTORS, item, depth + (key == "prefetch")))


def _require_ids(part: Mapping[str, Any]) -> None:
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
            raise _bad_id(value, "UUID('…') makes a stable id of any text") from exc
    elif type(value) is not int or not 0 <= value < 2**64:
        raise _bad_id(value, None)


def _bad_id(value: object, hint: str | None) -> QQLError:
    shown = excerpt(repr(value))
    return QQLExecutionError.make(
        "invalid-point-id",
        f"a point id requires an integer from 0 to 2^64 - 1 or a UUID, not {shown}",
        hint=hint,
    )
