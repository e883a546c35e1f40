"""Points on the wire: over REST as pieces of JSON, over gRPC as messages, each encoded once.

A request whose points are such pieces goes the same way as any other (`Transport.call`), so its faults are
told, and its repeats are made, like those of any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from math import hypot, inf

import orjson
from google.protobuf.message import DecodeError, EncodeError
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import RestToGrpc, payload_to_grpc
from qdrant_client.http import models

from qql.backends.bulk import MAX_BODY, cut_by_size, with_words
from qql.errors import QQLError, QQLExecutionError, many
from qql.nodes import is_uuid
from qql.rest.float_vectors import float_vector
from qql.rest.limits import U64
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject

from .bodies import require_inference
from .encoding import encode
from .messages import text_of

__all__ = ["GrpcPoints", "RestPoints", "encoded_points", "in_parts"]

Call = Callable[[Request], Json]
_WAITED = {"wait": "true"}


def _waiting(wait: bool) -> dict[str, str]:
    return _WAITED if wait else {"wait": "false"}


class RestPoints:
    """A `PointWriter` over REST: the pieces are put together without looking into them again."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def encode(self, point: JsonObject, scanned: Set[int] = frozenset()) -> bytes:
        """The point as JSON."""
        return encode(_with_floats(point))

    def write(
        self, collection: str, points: Sequence[bytes], shard_key: Json = None, *, wait: bool = True
    ) -> None:
        """Sends them as one body."""
        body: JsonObject = {"points": [orjson.Fragment(point) for point in points]}
        if shard_key is not None:
            body["shard_key"] = shard_key
        self._call(Request("PUT", collection_path(collection, "points"), _waiting(wait), body))


class GrpcPoints:
    """A `PointWriter` over gRPC: messages are made of the data directly, without qdrant-client's models.

    ``infers`` is that of the backend.
    """

    def __init__(self, call: Call, infers: Callable[[str], bool]) -> None:
        self._call = call
        self._infers = infers

    def encode(self, point: JsonObject, scanned: Set[int] = frozenset()) -> bytes:
        """The point as a serialized message."""
        try:
            data = self._message(point).SerializeToString()
            pb.PointStruct.FromString(data)
        except (DecodeError, EncodeError, RecursionError) as exc:  # protobuf reads 100 messages deep
            raise QQLExecutionError.make("nested-too-deep", "the point nests too deeply for gRPC") from exc
        except (ValueError, TypeError) as exc:
            raise QQLExecutionError.make("invalid-point", f"gRPC cannot carry it: {text_of(exc)}") from exc
        encoded: bytes = data
        return encoded

    def write(
        self, collection: str, points: Sequence[bytes], shard_key: Json = None, *, wait: bool = True
    ) -> None:
        """Sends them as one message."""
        body: JsonObject = {"points": points}
        if shard_key is not None:
            body["shard_key"] = shard_key
        self._call(Request("PUT", collection_path(collection, "points"), _waiting(wait), body))

    def _message(self, point: JsonObject) -> pb.PointStruct:
        vector = point["vector"]
        identity = point["id"]
        made = pb.PointId(num=identity) if isinstance(identity, int) else pb.PointId(uuid=identity)
        payload = payload_to_grpc(point.get("payload") or {})
        return pb.PointStruct(id=made, payload=payload, vectors=self._vectors(vector))

    def _vectors(self, vector: Json) -> pb.Vectors:
        if isinstance(vector, list):
            return pb.Vectors(vector=_vector(vector))
        if vector.keys() == {"indices", "values"} or not all(map(_is_literal, vector.values())):
            return self._by_models(vector)
        named = {name: _vector(value) for name, value in vector.items()}
        return pb.Vectors(vectors=pb.NamedVectors(vectors=named))

    def _by_models(self, vector: JsonObject) -> pb.Vectors:
        """What has something for the server to embed, or one sparse vector: qdrant-client's own way."""
        require_inference({"vector": vector}, self._infers)
        point = models.PointStruct.model_validate({"id": 0, "vector": vector})
        return RestToGrpc.convert_point_struct(point).vectors


def _is_literal(vector: Json) -> bool:
    return isinstance(vector, list) or (isinstance(vector, dict) and vector.keys() == {"indices", "values"})


def _vector(vector: Json) -> pb.Vector:
    """A vector that is a list of numbers, a list of such lists, or sparse."""
    if isinstance(vector, dict):
        return pb.Vector(sparse=pb.SparseVector(indices=vector["indices"], values=vector["values"]))
    if vector and isinstance(vector[0], list):
        return pb.Vector(
            multi_dense=pb.MultiDenseVector(vectors=[pb.DenseVector(data=row) for row in vector])
        )
    return pb.Vector(dense=pb.DenseVector(data=vector))


def _with_floats(point: JsonObject) -> JsonObject:
    """The point with decimals in its vectors: a server may take rows of integers for sparse indices."""
    vector = point.get("vector")
    if isinstance(vector, list):
        found = float_vector(vector)
        return point if found is vector else {**point, "vector": found}
    if not isinstance(vector, dict):
        return point
    named = {name: float_vector(one) if isinstance(one, list) else one for name, one in vector.items()}
    same = all(named[name] is one for name, one in vector.items())
    return point if same else {**point, "vector": named}


# ---------------------------------------------------------------------------------- gRPC: the call


def encoded_points(request: Request) -> pb.UpsertPoints | None:
    """The message of a request of `GrpcPoints`; None for any other."""
    points = (request.body or {}).get("points")
    if not (isinstance(points, Sequence) and points and isinstance(points[0], bytes)):
        return None
    key = (request.body or {}).get("shard_key")
    return pb.UpsertPoints(
        collection_name=request.collection or "",
        wait=request.query == _WAITED,
        points=[pb.PointStruct.FromString(point) for point in points],
        shard_key_selector=None if key is None else RestToGrpc.convert_shard_key_selector(_selector(key)),
    )


def _selector(key: Json) -> Json:
    return models.ShardKeyWithFallback.model_validate(key) if isinstance(key, dict) else key


# ---------------------------------------------------------------------------------- large writes

_CUT = (("PUT", "points"), ("PUT", "points/vectors"))


def in_parts(call: Call, request: Request, *, measure: bool, writer: GrpcPoints | None = None) -> Json:
    """The answer to a write, whose points go in several requests where one would be too large.

    With ``measure`` their bytes are counted first; with a ``writer`` it encodes what is a plain write. What a
    server finds too large is halved.

    Raises as ``call`` does; what was written before is in the message.
    """
    points = (request.body or {}).get("points")
    if request.route not in _CUT or not isinstance(points, list) or len(points) < 2:
        return call(request)
    if not all(isinstance(point, Mapping) for point in points):
        return call(request)
    pieces: Sequence[Json] = points
    cuts = [slice(0, len(points))]
    if measure:
        encoded = [encode(_with_floats(point)) for point in points]
        pieces = list(map(orjson.Fragment, encoded))
        cuts = list(cut_by_size(list(map(len, encoded)), MAX_BODY))
    elif writer is not None and _is_plain(request):
        pieces = _messages(writer, points) or points
    parts = _Parts(call, request, pieces)
    for cut in cuts:
        parts.write(cut)
    return parts.answer


def _is_plain(request: Request) -> bool:
    """Whether a request has nothing but what `encoded_points` makes a message of."""
    return request.query == _WAITED and (request.body or {}).keys() <= {"points", "shard_key"}


def _messages(writer: GrpcPoints, points: Sequence[JsonObject]) -> list[bytes] | None:
    """The points encoded; None where one is not plain, which goes by way of qdrant-client's models."""
    try:
        return [writer.encode(point) for point in points] if all(map(_is_plain_point, points)) else None
    except (QQLError, TypeError, OverflowError):
        return None


def _is_plain_point(point: JsonObject) -> bool:
    """Whether a point is sound, and its vectors are numbers: a message would take much else for such."""
    identity, vector, payload = point.get("id"), point.get("vector"), point.get("payload")
    if not point.keys() <= _OF_POINTS or not _is_id(identity) or not isinstance(payload, dict | None):
        return False
    if payload:
        encode(payload)
    if isinstance(vector, list):
        return _are_vectors([vector])
    if not isinstance(vector, dict) or vector.keys() == {"indices", "values"}:
        return False
    return _are_vectors(list(vector.values()))


def _is_id(value: Json) -> bool:
    return (type(value) is int and 0 <= value <= U64) or (isinstance(value, str) and is_uuid(value))


def _are_vectors(vectors: list[Json]) -> bool:
    """Whether all are lists of finite numbers, lists of such lists, or sparse vectors with numbers."""
    for vector in vectors:
        if isinstance(vector, dict):
            if vector.keys() != {"indices", "values"} or not {*map(type, vector["indices"])} <= {int}:
                return False
            rows = [vector["values"]]
        else:
            rows = vector if isinstance(vector, list) and vector and isinstance(vector[0], list) else [vector]
        for row in rows:
            if type(row) is not list or not {*map(type, row)} <= _NUMBERS or not hypot(*row) < inf:
                return False
    return True


_OF_POINTS = {"id", "vector", "payload"}
_NUMBERS = {int, float}


class _Parts:
    """The requests that one is cut into."""

    def __init__(self, call: Call, request: Request, pieces: Sequence[Json]) -> None:
        self._call = call
        self._request = request
        self._pieces = pieces
        self._written = 0
        self.answer: Json = None

    def write(self, cut: slice) -> None:
        """Writes the points of a slice; the two halves of one that is too large."""
        points = self._pieces[cut]
        body = {**(self._request.body or {}), "points": points}
        part = Request(self._request.method, self._request.path, self._request.query, body)
        try:
            self.answer = self._call(part)
        except QQLError as exc:
            if exc.code != "too-large" or len(points) == 1:
                raise self._with_written(exc) from exc.__cause__
            middle = (cut.start + cut.stop) // 2
            for half in (slice(cut.start, middle), slice(middle, cut.stop)):
                self.write(half)
            return
        self._written += len(points)

    def _with_written(self, exc: QQLError) -> QQLError:
        if not self._written or "(written before" in exc.message:
            return exc
        return with_words(exc, f"written before: {many(self._written, 'point')}")
