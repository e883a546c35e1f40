"""Points of a request that were checked and packed before (`packed`)."""

from __future__ import annotations

from collections.abc import Iterable

from .engine import edge
from .points import PointReader

__all__ = ["PackedPoints"]


class PackedPoints(list[bytes]):
    """The ``points`` of a request, packed by the `Packer` of a ``reader``."""

    def __init__(self, points: Iterable[bytes], reader: PointReader) -> None:
        super().__init__(points)
        self.reader = reader

    def unpacked(self, reader: PointReader) -> tuple[list[edge.Point], int]:
        """The engine's points, and about how many bytes they are.

        Checked anew where ``reader`` is another: the collection changed since they were packed.
        """
        from .packed import as_json, unpacked

        if reader is self.reader:
            return list(map(unpacked, self)), sum(map(len, self))
        return reader.points(map(as_json, self))
