"""Points as REST spells them → the engine's, after every part of every point was checked.

Nothing of a request is given to the engine before all of it passed: see `vectors` for what the engine
does with what is wrong. A payload nested deeper than about 120 can be written but never read back
from the write-ahead log, which loses the collection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from .checks import items, mapping, point_id, read, refuse, strings
from .engine import edge
from .vectors import VectorSpec, find_vector, refuse_inference, stored_vector_checker

__all__ = ["MAX_PAYLOAD_DEPTH", "PointReader", "check_json", "check_payload"]

MAX_PAYLOAD_DEPTH = 100
"""How deeply a payload may nest: {"a": 1} has depth 1."""


class PointReader:
    """Checks and converts the points of one collection. Make one per collection and keep it."""

    def __init__(self, collection: str, vectors: Mapping[str, VectorSpec]) -> None:
        self._collection = collection
        self.vectors = vectors
        self._checkers = {name: stored_vector_checker(spec) for name, spec in vectors.items()}

    def points(self, rows: Iterable[Any]) -> tuple[list[Any], int]:
        """``{"id", "vector", "payload"}`` rows as the engine's points, and about how many bytes they are."""
        out, size = [], 0
        for at, row in enumerate(rows, 1):
            point, bytes_used = self._point(row, at)
            out.append(point)
            size += bytes_used
        return out, size

    def _point(self, row: Any, at: int) -> tuple[Any, int]:
        identity = self._identity(row, at, _POINT_KEYS)
        who = _words(at, identity)

        vector, size = self._vector(row.get("vector"), who)
        payload = row.get("payload")
        if payload is None:
            return edge.Point(identity, vector, {}), size
        size += check_payload(payload, who)
        try:
            return edge.Point(identity, vector, payload), size
        except (TypeError, ValueError, OverflowError) as exc:
            _explain_payload(payload, who())
            first = str(exc).splitlines()[0]
            raise refuse("invalid-payload", f"{who()}: the payload cannot be stored: {first}") from exc

    def _identity(self, row: Any, at: int, known: frozenset[str]) -> int | str:
        if not isinstance(row, Mapping):
            raise refuse("invalid-point", f"point {at} is no object but {row!r:.60}")
        identity = row.get("id")
        if not (type(identity) is int and 0 <= identity < 2**64):
            if identity is None:
                raise refuse("invalid-point-id", f"point {at} has no id")
            identity = point_id(identity, f"point {at}")
        if not row.keys() <= known:
            unknown = ", ".join(f"`{key}`" for key in row if key not in known)
            raise refuse(
                "invalid-point",
                f"point {at} (id {identity}) has {unknown}; a point has {', '.join(sorted(known))}",
            )
        return identity

    def _vector(self, vector: Any, who: Callable[[], str]) -> tuple[Any, int]:
        """All vectors of a point by name, and their bytes."""
        if vector is None:
            return {}, 0
        if not isinstance(vector, dict):
            if "" not in self._checkers:
                self._unnamed_is_missing(who())
            vector = {"": vector}
        elif vector.keys() == _SPARSE_KEYS and not vector.keys() <= self._checkers.keys():
            self._unnamed_is_missing(who()) if "" not in self._checkers else None
            vector = {"": vector}
        out, size = {}, 0
        for name, value in vector.items():
            checker = self._checkers.get(name)
            if checker is None:
                if "model" in vector:
                    refuse_inference(vector)
                self._unknown_vector(name, who())
            else:
                out[name] = checker(value, who)
                size += _components(value) * 4
        return out, size

    def _unnamed_is_missing(self, who: str) -> None:
        listed = ", ".join(f"`{name}`" for name in self.vectors)
        raise refuse(
            "unknown-vector",
            f"{who} has an unnamed vector, and `{self._collection}` has none",
            f"the vectors of `{self._collection}` are {listed}: write {{{next(iter(self.vectors))}: …}}",
        )

    def _unknown_vector(self, name: Any, who: str) -> None:
        try:
            find_vector(self.vectors, str(name), self._collection)
        except Exception as exc:
            message, hint = getattr(exc, "message", str(exc)), getattr(exc, "hint", None)
            raise refuse("unknown-vector", f"{who}: {message}", hint) from None

    def batch(self, body: Any) -> list[dict[str, Any]]:
        """REST's column form ``{"ids", "vectors", "payloads"}`` as rows."""
        table = {"ids": items, "vectors": lambda value, where: value, "payloads": _columns}
        given = read(body, "batch", table, ("ids", "vectors"))
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

    def point_vectors(self, rows: Iterable[Any]) -> tuple[list[Any], list[int | str], int]:
        """``{"id", "vector"}`` rows as the engine's, their ids, and about how many bytes they are."""
        out, ids, size = [], [], 0
        for at, row in enumerate(rows, 1):
            identity = self._identity(row, at, _VECTOR_KEYS)
            vector, bytes_used = self._vector(row.get("vector"), _words(at, identity))
            if not vector:
                raise refuse("invalid-point", f"point {at} (id {identity}) has no vector to set")
            out.append(edge.PointVectors(identity, vector))
            ids.append(identity)
            size += bytes_used
        return out, ids, size

    def vector_names(self, value: Any, where: str) -> list[str]:
        """A list of names of vectors that the collection has."""
        return [find_vector(self.vectors, name, self._collection).name for name in strings(value, where)]


def _words(at: int, identity: int | str) -> Callable[[], str]:
    """How messages call a point; made only when there is a message."""
    return lambda: f"point {at} (id {identity})"


_POINT_KEYS = frozenset({"id", "vector", "payload"})
_VECTOR_KEYS = frozenset({"id", "vector"})
_SPARSE_KEYS = {"indices", "values"}


def _columns(value: Any, where: str) -> list[Any]:
    # mapping() drops nulls only at the top, so a null payload of a row is still there.
    return items(value, where)


def _vector_rows(vectors: Any, count: int) -> list[Any]:
    if not isinstance(vectors, Mapping):
        return items(vectors, "batch.vectors")
    columns = {
        name: items(column, f"batch.vectors.{name}") for name, column in mapping(vectors, "batch").items()
    }
    for name, column in columns.items():
        if len(column) != count:
            raise refuse("invalid-request", f"batch has {count} ids and {len(column)} vectors `{name}`")
    return [{name: column[row] for name, column in columns.items()} for row in range(count)]


def _components(value: Any) -> int:
    if isinstance(value, dict):
        return 2 * len(value["indices"])
    first = value[0]
    return len(value) * len(first) if isinstance(first, list | tuple) else len(value)


def check_payload(payload: Any, who: Callable[[], str]) -> int:
    """See that a payload is JSON that the engine keeps as it is; gives its size in bytes.

    orjson refuses integers past 64 bits, bytes, and keys that are no strings; the engine would turn
    the first into a float and the second into a list. What orjson knows and JSON does not (UUID, dates,
    NaN) is refused by the engine's own conversion.
    """
    if not isinstance(payload, dict):
        raise refuse("invalid-payload", f"{who()}: a payload requires an object, not {payload!r:.60}")
    try:
        written = orjson.dumps(payload)
    except (TypeError, ValueError, RecursionError) as exc:
        _explain_payload(payload, who())
        raise refuse("invalid-payload", f"{who()}: the payload cannot be stored: {exc}") from exc
    if written.count(b"{") + written.count(b"[") > MAX_PAYLOAD_DEPTH:
        _explain_payload(payload, who())
    return len(written)


def check_json(value: Any, who: Callable[[], str]) -> Any:
    """Like `check_payload`, for what is not handed to the engine's conversion at once; gives the value."""
    check_payload(value, who)
    _explain_payload(value, who())
    return value


def _explain_payload(payload: Any, who: str) -> None:
    """Raise for the first thing in a payload that is not JSON, or too deep. Walks without recursion."""
    stack: list[tuple[str, Any, int]] = [("", payload, 1)]
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
                _explain_scalar(key, path or "a key", who)
                stack.append((f"{path}.{key}" if path else key, item, depth + 1))
        elif isinstance(value, list | tuple):
            stack += [(f"{path}[{at}]", item, depth + 1) for at, item in enumerate(value)]
        else:
            _explain_scalar(value, path, who)


def _explain_scalar(value: Any, path: str, who: str) -> None:
    place = f"{who}: payload `{path:.80}`"
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if any(0xD800 <= ord(char) < 0xE000 for char in value):
            raise refuse("invalid-payload", f"{place} holds half a surrogate pair, which is no text")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise refuse(
                "invalid-payload", f"{place} is {value:.0e}, past 64 bits", "a string keeps all digits"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise refuse("invalid-payload", f"{place} is {value}, which JSON does not have", "null says it")
    else:
        raise refuse("invalid-payload", f"{place} is {type(value).__name__} {value!r:.60}, not JSON data")
