"""A request on the wire: its path percent-encoded, its body as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from urllib.parse import quote, unquote

import orjson

from qql.errors import QQLError, QQLExecutionError
from qql.rest.types import Json, JsonObject

from .messages import text_of

__all__ = ["canonical_path", "encode"]


def canonical_path(path: str) -> str:
    """The path with each segment percent-encoded once.

    Raises `QQLExecutionError` (``invalid-name``) for dots alone, which would climb to another resource.
    """
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if "." in segments or ".." in segments:
        raise QQLExecutionError.make("invalid-name", f"`.` and `..` cannot be names in a path: {path}")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def encode(body: JsonObject) -> bytes:
    """The body as JSON.

    Raises `QQLExecutionError` (``invalid-value``) for what JSON cannot say: NaN, infinity, keys that are no
    strings.
    """
    try:
        encoded = orjson.dumps(body)
    except TypeError:  # nests deeper than 254, or holds an integer beyond 64 bits
        _require_json(body)
    else:
        if b"null" in encoded:  # as orjson writes NaN, too
            _require_json(body)
        return encoded
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise _json_error(text_of(exc)) from exc


def _require_json(body: Json) -> None:
    pending = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise _json_error(f"the key {key!r} is no string")
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            if not _are_finite(value):
                pending.extend(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise _json_error(f"{value} is no number that JSON has")


def _are_finite(values: Sequence[Json]) -> bool:
    """Whether all are finite numbers, in one pass that costs little: most of a large body is vectors."""
    try:
        return all(map(math.isfinite, values))
    except (TypeError, OverflowError):
        return False


def _json_error(why: str) -> QQLError:
    return QQLExecutionError.make("invalid-value", f"the request cannot be sent as JSON: {why}")
