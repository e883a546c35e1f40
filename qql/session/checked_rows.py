"""COPY: rows that were checked wait in a temporary file, so that they need not be read and checked again."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from qql.session.copy_batches import Checked

__all__ = ["CheckedRows"]

_LARGEST = 1 << 30  # bytes; of a larger file all is read twice
_OF_FREE_SPACE = 4  # the file is no larger than a quarter of what the disk has left
_ROWS = 64  # that are written, and read, at once


class CheckedRows:
    """Keeps the rows of a file in their order, as long as there is room; what holds them has no name.

    ``complete`` is False where there was not enough room; nothing is kept then.
    """

    def __init__(self) -> None:
        self.complete: bool = True
        self._waiting: list[Checked] = []
        self._chunks = 0
        self._file: IO[bytes] | None = None

    def add(self, row: Checked) -> None:
        """Keep a row behind the others, unless there is no room."""
        if self.complete:
            self._waiting.append(row)
            if len(self._waiting) >= _ROWS:
                self._put_away()

    def _put_away(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="qql-copy-")  # noqa: SIM115
            pickle.dump(self._waiting, self._file, pickle.HIGHEST_PROTOCOL)
            self._waiting = []
            self._chunks += 1
            if not _has_room(self._file.tell()):
                self.close()
        except OSError:  # a full disk, or no folder for temporary files
            self.close()

    def __iter__(self) -> Iterator[Checked]:
        if self._file is not None and not self._file.closed:
            self._file.seek(0)
            for _ in range(self._chunks):
                yield from pickle.load(self._file)  # our own, and nobody else can open it
        yield from self._waiting

    def close(self) -> None:
        """Let go of what was kept. Closing twice is allowed."""
        self.complete = False
        self._waiting = []
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def _has_room(size: int) -> bool:
    return size < _LARGEST and shutil.disk_usage(tempfile.gettempdir()).free > _OF_FREE_SPACE * size
