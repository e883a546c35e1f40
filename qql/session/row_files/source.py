"""A path → its bytes, unpacked where they are compressed; how far it is read."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from qql.errors import QQLExecutionError, fail
from qql.packed_files import HEAD, damage, unpacked
from qql.session.files import file_unreadable

__all__ = ["ByteSource"]


class ByteSource:
    """The bytes of a file, from its first.

    A named pipe is opened when it is first read, since that waits for somebody who writes. ``total`` are the
    bytes of the file as it lies on the disk, None where that is not known (a pipe). Raises
    `QQLExecutionError` (``file-unreadable``), here or while reading: missing, a folder, a device, no
    permission, damaged compression.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total: int | None = None
        self._raw: BufferedReader | None = None
        self._unpacked: IO[bytes] | None = None
        self._plain_bytes = 0
        self._read_at_close = 0
        self._closed = False
        try:
            self.total = _size(path)
            if self.total is not None:
                self._raw = path.open("rb")
        except (OSError, ValueError) as exc:
            raise file_unreadable(path, exc) from exc

    def peek(self) -> bytes:
        """Bytes that come next, at least one before the end; they stay to be read."""
        try:
            # All kinds of source have it: a buffered file, and a compressed one.
            return cast(BufferedReader, self._source()).peek(1)
        except damage() as exc:
            raise file_unreadable(self.path, exc) from exc

    def readline(self, limit: int) -> bytes:
        """The next line with its end, cut where it is longer than ``limit`` bytes; empty at the end."""
        try:
            line = (self._unpacked or self._source()).readline(limit)
        except damage() as exc:
            raise file_unreadable(self.path, exc) from exc
        self._plain_bytes += len(line)
        return line

    def read(self, limit: int) -> bytes:
        """What is there to read, at most ``limit`` bytes; empty at the end."""
        try:
            piece = cast(BufferedReader, self._source()).read1(limit)
        except damage() as exc:
            raise file_unreadable(self.path, exc) from exc
        self._plain_bytes += len(piece)
        return piece

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far; of a compressed one as it lies there, ahead by up to one buffer."""
        if self._raw is None or self._raw.closed:
            return self._read_at_close
        if self._unpacked is self._raw:
            return self._plain_bytes
        try:
            return self._raw.tell()
        except OSError:
            return self._plain_bytes

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._closed = True
        if self._raw is not None and not self._raw.closed:
            self._read_at_close = self.bytes_read
            self._raw.close()

    def _source(self) -> IO[bytes]:
        if self._unpacked is None:
            if self._closed:
                raise file_unreadable(self.path, ValueError("it is closed"))
            if self._raw is None:
                self._raw = self.path.open("rb")
            # What reads a compressed file that it did not open needs no closing of its own.
            self._unpacked = unpacked(self._raw, self._raw.peek(HEAD)[:HEAD])
        return self._unpacked


def _size(path: Path) -> int | None:
    """The bytes of a file, None of a pipe. Refuses folders and devices."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(None, "it is a folder", str(path))
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    device = stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)
    if device and not _is_standard_input(found):
        fail(
            "file-unreadable",
            f"{path} is a device, and rows are read from files and pipes",
            hint="/dev/stdin is what is piped into the command",
            error=QQLExecutionError,
        )
    return None


def _is_standard_input(found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.fstat(0))
    except OSError:
        return False
