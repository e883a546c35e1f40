"""COPY: points → batches of one shard key each, no longer than rows and bytes allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qql.backends.bulk import MAX_BODY
from qql.records import dataclass, field
from qql.rest.types import JsonObject

__all__ = ["Batch", "Checked", "Encoded", "batches_of"]

Encoded = bytes | JsonObject
"""A point as it will be sent; or as data, where a model or the engine itself is to see it."""
Checked = tuple[int, int | str | None, Encoded]
"""A good row: its line, its own shard key (None: it has none) and its point."""

_ROWS_WAITING = 16
"""Batches' worth of rows that wait for others with their shard keys."""


@dataclass(slots=True)
class Batch:
    """Rows that are written together: their lines and points, the shard key, and the bytes known so far."""

    shard_key: int | str | None
    lines: list[int] = field(default_factory=list)
    points: list[Encoded] = field(default_factory=list)
    bytes: int = 0

    def add(self, line: int, point: Encoded) -> None:
        self.lines.append(line)
        self.points.append(point)
        if isinstance(point, bytes):
            self.bytes += len(point)

    def part(self, cut: slice) -> Batch:
        """Some of its rows."""
        points = self.points[cut]
        size = sum(len(point) for point in points if isinstance(point, bytes))
        return Batch(self.shard_key, self.lines[cut], points, size)


def batches_of(rows: Iterable[Checked], size: int) -> Iterator[Batch]:
    """Batches of at most ``size`` rows and `MAX_BODY` bytes (one larger point is a batch by itself).

    Rows of other shard keys wait until a batch is full, a while at most: what waits does not grow with the
    file. Rows of one key keep their order.
    """
    waiting: dict[int | str | None, Batch] = {}
    rows_waiting = bytes_waiting = 0
    for line, shard_key, point in rows:
        more = len(point) if isinstance(point, bytes) else 0
        batch = waiting.get(shard_key)
        if batch is not None and batch.bytes + more > MAX_BODY:
            del waiting[shard_key]
            yield batch
            rows_waiting, bytes_waiting = rows_waiting - len(batch.lines), bytes_waiting - batch.bytes
            batch = None
        if batch is None:
            batch = waiting[shard_key] = Batch(shard_key)
        batch.add(line, point)
        rows_waiting, bytes_waiting = rows_waiting + 1, bytes_waiting + more
        if rows_waiting >= _ROWS_WAITING * size or bytes_waiting > MAX_BODY:
            batch = max(waiting.values(), key=lambda one: (one.bytes, len(one.lines)))
        elif len(batch.lines) < size:
            continue
        del waiting[batch.shard_key]
        yield batch
        rows_waiting, bytes_waiting = rows_waiting - len(batch.lines), bytes_waiting - batch.bytes
    yield from waiting.values()
