"""Many points at once: each is checked and packed once, and unpacked when it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject

from .packed import Packer
from .packed_points import PackedPoints
from .points import PointReader

__all__ = ["EdgePoints"]


class EdgePoints:
    """A `PointWriter` for the collection of a ``reader``; ``call`` is that of the backend."""

    def __init__(self, call: Callable[[Request], Json], reader: PointReader) -> None:
        self._call = call
        self._packer = Packer(reader)

    def encode(self, point: JsonObject, scanned: Set[int] = frozenset()) -> bytes:
        """The point packed, after the checks that the engine does not make."""
        return self._packer.pack(point, scanned)

    def write(
        self, collection: str, points: Sequence[bytes], shard_key: Json = None, *, wait: bool = True
    ) -> None:
        """Writes them by one request; the engine is done when it answers, whatever ``wait`` says."""
        body: JsonObject = {"points": PackedPoints(points, self._packer.reader)}
        if shard_key is not None:
            body["shard_key"] = shard_key
        self._call(Request("PUT", collection_path(collection, "points"), {"wait": "true"}, body))
