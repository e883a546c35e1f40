"""Points that were checked and packed, to be unpacked when the engine gets them.

A packed point is small, so that the points of a file can wait on the disk until all of them were checked. Its
vectors are 32-bit floats already, rounded as the engine rounds.
"""

from __future__ import annotations

import marshal
import struct
from array import array
from collections.abc import Callable, Set

import orjson

from qql.rest.types import Json, JsonObject

from .engine import edge
from .points import PointReader, payload_json
from .readers import point_id
from .vectors import VectorSpec, stored_vector_checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Packer", "as_json", "unpacked"]

Packed = bytes | list[bytes] | tuple[bytes, bytes]
"""A dense vector, the rows of a multivector, or the indices and values of a sparse one."""
VectorPacker = Callable[[Json, Set[int], Callable[[], str]], Packed]
"""Of a vector, lists that hold numbers for certain (their `id`s), and the words for the point."""


class Packer:
    """Checks and packs the points of one collection."""

    def __init__(self, reader: PointReader) -> None:
        self.reader = reader
        self._vectors = {name: _vector_packer(spec) for name, spec in reader.vectors.items()}
        self._unnamed = self._vectors.get("")

    def pack(self, point: JsonObject, scanned: Set[int]) -> bytes:
        """The point packed; see `PointWriter.encode`. Raises `QQLExecutionError`."""
        identity = point_id(point["id"], "a point")

        def who() -> str:
            return f"point {identity}"

        payload = point.get("payload")
        written = payload_json(payload, who) if payload else b""
        vector = point["vector"]
        vectors: Packed | dict[str, Packed]
        if self._unnamed is not None and type(vector) is list:
            vectors = self._unnamed(vector, scanned, who)
        else:
            named = self.reader.named_vectors(vector, who)
            vectors = {name: self._vectors[name](value, scanned, who) for name, value in named.items()}
        return marshal.dumps((identity, written, vectors))


# --- a vector → bytes -----------------------------------------------------------------------------


def _vector_packer(spec: VectorSpec) -> VectorPacker:
    check = stored_vector_checker(spec)
    pack = struct.Struct(f"{spec.size}f").pack
    of_any_size = spec.datatype not in ("float16", "uint8")

    def dense(value: Json, scanned: Set[int], who: Callable[[], str]) -> bytes:
        if not (of_any_size and id(value) in scanned and len(value) == spec.size):
            value = check(value, who)
        return pack(*value)

    def multi(value: Json, scanned: Set[int], who: Callable[[], str]) -> list[bytes]:
        check(value, who)
        rows = value if isinstance(value[0], list) else [value]  # one vector is a multivector of one row
        return [pack(*row) for row in rows]

    def sparse(value: Json, scanned: Set[int], who: Callable[[], str]) -> tuple[bytes, bytes]:
        check(value, who)
        return array("I", value["indices"]).tobytes(), array("f", value["values"]).tobytes()

    packers: dict[str, VectorPacker] = {"dense": dense, "multi": multi, "sparse": sparse}
    return packers[spec.kind]


# --- bytes → a point ------------------------------------------------------------------------------


def unpacked(point: bytes) -> edge.Point:
    identity, payload, vectors = marshal.loads(point)
    if isinstance(vectors, dict):
        vectors = {name: _for_engine(one) for name, one in vectors.items()}
    else:
        vectors = _for_engine(vectors)  # the unnamed vector stands for itself
    return edge.Point(identity, vectors, orjson.loads(payload) if payload else {})


def _for_engine(packed: Packed) -> Any:
    """A vector as the engine takes it, which makes floats of an array by itself."""
    if isinstance(packed, bytes):
        return array("f", packed)
    if isinstance(packed, list):
        return [array("f", row) for row in packed]
    indices, values = packed
    return edge.SparseVector(array("I", indices).tolist(), array("f", values).tolist())


def as_json(point: bytes) -> JsonObject:
    identity, payload, vectors = marshal.loads(point)
    named = vectors if isinstance(vectors, dict) else {"": vectors}
    vector = {name: _json_vector(one) for name, one in named.items()}
    return {"id": identity, "vector": vector, "payload": orjson.loads(payload) if payload else None}


def _json_vector(packed: Packed) -> Json:
    if isinstance(packed, bytes):
        return array("f", packed).tolist()
    if isinstance(packed, list):
        return [array("f", row).tolist() for row in packed]
    indices, values = packed
    return {"indices": array("I", indices).tolist(), "values": array("f", values).tolist()}
