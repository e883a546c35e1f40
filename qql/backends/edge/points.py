"""Points as REST spells them → the engine's, after every part of every point was checked.

Nothing of a request is given to the engine before all of it passed: see `vectors` for what the engine
does with what is wrong. A payload nested deeper than about 120 can be written but never read back
from the write-ahead log, which loses the collection.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from qql.errors import QQLExecutionError
from qql.rest.limits import U64
from qql.rest.types import Json, JsonObject

from .engine import edge, first_line
from .readers import (
    Fields,
    Reader,
    anything,
    has_surrogate,
    items,
    mapping,
    point_id,
    quoted,
    read,
    refuse,
)
from .vectors import VectorSpec, find_vector, refuse_inference, stored_vector_checker, vector_names

__all__ = ["MAX_PAYLOAD_DEPTH", "PointReader", "check_json", "check_payload", "payload_json"]

MAX_PAYLOAD_DEPTH = 100
"""How deeply a payload may nest: {"a": 1} has depth 1."""

_POINT_KEYS = frozenset({"id", "vector", "payload"})
_VECTOR_KEYS = frozenset({"id", "vector"})
_SPARSE_KEYS = {"indices", "values"}


class PointReader:
    """Checks and converts the points of one collection. Make one per collection and keep it."""

    def __init__(self, collection: str, vectors: Mapping[str, VectorSpec]) -> None:
        self._collection = collection
        self.vectors = vectors
        self.vector_names: Reader[list[str]] = vector_names(vectors, collection)
        self._checkers = {name: stored_vector_checker(spec) for name, spec in vectors.items()}

    def points(self, rows: Iterable[Json]) -> tuple[list[edge.Point], int]:
        """``{"id", "vector", "payload"}`` rows as the engine's points, and about how many bytes they are."""
        out, size = [], 0
        for at, row in enumerate(rows, 1):
            point, bytes_used = self._read_point(row, at)
            out.append(point)
            size += bytes_used
        return out, size

    def _read_point(self, row: Json, at: int) -> tuple[edge.Point, int]:
        identity = self._read_id(row, at, _POINT_KEYS)
        who = _title(at, identity)
        vector, size = self._read_vectors(row.get("vector"), who)
        payload = row.get("payload")
        if payload is None:
            return edge.Point(identity, vector, {}), size
        size += check_payload(payload, who)
        try:
            return edge.Point(identity, vector, payload), size
        except (TypeError, ValueError, OverflowError) as exc:
            _require_json_payload(payload, who())
            why = first_line(exc)
            raise refuse("invalid-payload", f"{who()}: the payload cannot be stored: {why}") from exc

    def _read_id(self, row: Json, at: int, known: frozenset[str]) -> int | str:
        if not isinstance(row, Mapping):
            raise refuse("invalid-point", f"point {at} is no object but {row!r:.60}")
        identity = row.get("id")
        if not (type(identity) is int and 0 <= identity <= U64):
            if identity is None:
                raise refuse("invalid-point-id", f"point {at} has no id")
            identity = point_id(identity, f"point {at}")
        if not row.keys() <= known:
            unknown = quoted(key for key in row if key not in known)
            raise refuse(
                "invalid-point",
                f"point {at} (id {identity}) has {unknown}; a point has {', '.join(sorted(known))}",
            )
        return identity

    def _read_vectors(self, vector: Json, who: Callable[[], str]) -> tuple[dict[str, edge.NamedVector], int]:
        """All vectors of a point by name, and their bytes."""
        if vector is None:
            return {}, 0
        out, size = {}, 0
        for name, value in self.named_vectors(vector, who).items():
            out[name] = self._checkers[name](value, who)
            size += _components(value) * 4
        return out, size

    def named_vectors(self, vector: Json, who: Callable[[], str]) -> JsonObject:
        """The vectors of a point by names that the collection has; they are not looked at yet."""
        if not isinstance(vector, dict) or (
            vector.keys() == _SPARSE_KEYS and not vector.keys() <= self._checkers.keys()
        ):
            if "" not in self._checkers:
                raise self._no_unnamed_vector(who())
            return {"": vector}
        for name in vector:
            if name not in self._checkers:
                if "model" in vector:
                    refuse_inference(vector)
                self._require_known(name, who())
        return vector

    def _no_unnamed_vector(self, who: str) -> QQLExecutionError:
        listed = quoted(self.vectors)
        return refuse(
            "unknown-vector",
            f"{who} has an unnamed vector, and `{self._collection}` has none",
            f"the vectors of `{self._collection}` are {listed}: write {{{next(iter(self.vectors))}: …}}",
        )

    def _require_known(self, name: object, who: str) -> None:
        try:
            find_vector(self.vectors, str(name), self._collection)
        except QQLExecutionError as exc:
            raise refuse("unknown-vector", f"{who}: {exc.message}", exc.hint) from None

    def batch(self, body: Json) -> list[JsonObject]:
        """REST's column form ``{"ids", "vectors", "payloads"}`` as rows."""
        # Nulls are dropped at the top only, so that a null payload of a row keeps its place.
        fields: Fields = {"ids": items, "vectors": anything, "payloads": items}
        given = read(body, "batch", fields, ("ids", "vectors"))
        ids = given["ids"]
        payloads = given.get("payloads", [None] * len(ids))
        vectors = _vector_rows(given["vectors"], len(ids))
        if not len(ids) == len(payloads) == len(vectors):
            raise refuse(
                "invalid-request",
                f"batch has {len(ids)} ids, {len(vectors)} vectors and {len(payloads)} payloads",
            )
        return [
            {"id": identity, "vector": vector, "payload": payload}
            for identity, vector, payload in zip(ids, vectors, payloads, strict=True)
        ]

    def point_vectors(self, rows: Iterable[Json]) -> tuple[list[edge.PointVectors], list[int | str], int]:
        """``{"id", "vector"}`` rows as the engine's, their ids, and about how many bytes they are."""
        out, ids, size = [], [], 0
        for at, row in enumerate(rows, 1):
            identity = self._read_id(row, at, _VECTOR_KEYS)
            vector, bytes_used = self._read_vectors(row.get("vector"), _title(at, identity))
            if not vector:
                raise refuse("invalid-point", f"point {at} (id {identity}) has no vector to set")
            out.append(edge.PointVectors(identity, vector))
            ids.append(identity)
            size += bytes_used
        return out, ids, size


def _title(at: int, identity: int | str) -> Callable[[], str]:
    """How messages call a point; made only when there is a message."""
    return lambda: f"point {at} (id {identity})"


def _vector_rows(vectors: Json, count: int) -> list[Json]:
    if not isinstance(vectors, Mapping):
        return items(vectors, "batch.vectors")
    columns = {
        name: items(column, f"batch.vectors.{name}") for name, column in mapping(vectors, "batch").items()
    }
    for name, column in columns.items():
        if len(column) != count:
            raise refuse("invalid-request", f"batch has {count} ids and {len(column)} vectors `{name}`")
    return [{name: column[row] for name, column in columns.items()} for row in range(count)]


def _components(value: Json) -> int:
    """How many numbers a vector holds, the indices of a sparse one among them."""
    if isinstance(value, dict):
        return 2 * len(value["indices"])
    first = value[0]
    return len(value) * len(first) if isinstance(first, list | tuple) else len(value)


def check_payload(payload: Json, who: Callable[[], str]) -> int:
    """See that a payload is JSON that the engine keeps as it is; gives its size in bytes."""
    return len(payload_json(payload, who))


def payload_json(payload: Json, who: Callable[[], str]) -> bytes:
    """A payload as JSON, if the engine keeps it as it is.

    orjson refuses integers past 64 bits, bytes, and keys that are no strings; the engine would turn
    the first into a float and the second into a list. What orjson knows and JSON does not (UUID, dates,
    NaN) is refused by the engine's own conversion.
    """
    if not isinstance(payload, dict):
        raise refuse("invalid-payload", f"{who()}: a payload requires an object, not {payload!r:.60}")
    if "orjson" not in sys.modules and next(_before_orjson, False) and _is_small(payload):
        with suppress(ValueError):  # half of a pair in a text, NaN
            return _plain_json(payload).encode()
    import orjson

    try:
        written = orjson.dumps(payload)
    except (TypeError, ValueError, RecursionError) as exc:
        _require_json_payload(payload, who())
        raise refuse("invalid-payload", f"{who()}: the payload cannot be stored: {exc}") from exc
    if written.count(b"{") + written.count(b"[") > MAX_PAYLOAD_DEPTH:
        _require_json_payload(payload, who())
    return written


_plain_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_before_orjson = iter([True] * 100)
"""A turn for each payload that `json` writes: to import orjson takes as long as to write some hundreds."""
_SMALL = 100  # values in a payload
_LONGEST_INTEGER = 63  # bits
_PLAIN = frozenset({str, bool, float, type(None)})


def _is_small(payload: Json) -> bool:
    """Whether a payload has few values, and none that `json` writes and orjson refuses, or the other way."""
    values: list[Json] = [payload]
    for value in values:
        kind = type(value)
        if kind is dict:
            if not {*map(type, value)} <= {str}:
                return False
            values += value.values()
        elif kind is list:
            values += value
        elif kind not in _PLAIN and (kind is not int or value.bit_length() > _LONGEST_INTEGER):
            return False
        if len(values) > _SMALL:
            return False
    return True


def check_json(value: Json, who: Callable[[], str]) -> Json:
    """Like `check_payload`, for what is not handed to the engine's conversion at once; gives the value."""
    check_payload(value, who)
    _require_json_payload(value, who())
    return value


def _require_json_payload(payload: Json, who: str) -> None:
    """Raise for the first thing in a payload that is not JSON, or too deep. Walks without recursion."""
    stack: list[tuple[str, Json, int]] = [("", payload, 1)]
    while stack:
        path, value, depth = stack.pop()
        if isinstance(value, dict | list | tuple) and depth > MAX_PAYLOAD_DEPTH:
            raise refuse(
                "invalid-payload",
                f"{who}: the payload nests deeper than {MAX_PAYLOAD_DEPTH}",
            )
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise refuse("invalid-payload", f"{who}: the payload key {key!r:.60} is no string")
                _require_json_scalar(key, path or "a key", who)
                stack.append((f"{path}.{key}" if path else key, item, depth + 1))
        elif isinstance(value, list | tuple):
            stack += [(f"{path}[{at}]", item, depth + 1) for at, item in enumerate(value)]
        else:
            _require_json_scalar(value, path, who)


def _require_json_scalar(value: Json, path: str, who: str) -> None:
    place = f"{who}: payload `{path:.80}`"
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if has_surrogate(value):
            raise refuse("invalid-payload", f"{place} holds half a surrogate pair, which is no text")
    elif isinstance(value, int):
        if not -(2**63) <= value <= U64:
            raise refuse(
                "invalid-payload", f"{place} is {value:.0e}, past 64 bits", "a string keeps all digits"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise refuse("invalid-payload", f"{place} is {value}, which JSON does not have", "null says it")
    else:
        raise refuse("invalid-payload", f"{place} is {type(value).__name__} {value!r:.60}, not JSON data")
