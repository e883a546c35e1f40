"""The file of a recording: a line for each query, written one by one, so that a kill leaves all but the last.

Compressed (``.gz``), each line is a gzip member of its own: what is whole can be told, and gone on with.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from qql.backends.file_locks import lock_file
from qql.errors import QQLError
from qql.evaluation.faults import InputError
from qql.evaluation.files.lines import LONGEST
from qql.packed_files import HEAD, PACKED, unpacked_name
from qql.session.files import reason
from qql.session.placed_files import file_of_result

__all__ = ["LineWriter", "check_name", "whole_lines"]

_AT_ONCE = 1 << 16
_GZIP = PACKED[".gz"]


def check_name(path: str) -> None:
    """Raises `InputError` ``usage`` for a name that promises what a recording is not written as."""
    if unpacked_name(path) != path and not path.lower().endswith(".gz"):
        message = f"a recording is plain or gzipped, and {path} has the name of something else"
        raise InputError.make("usage", message)


def whole_lines(path: str) -> Iterator[tuple[bytes, int]]:
    """The lines of a file that are whole, each with the number of bytes of the file up to its end.

    A last line that was cut off is left out. Raises `InputError`: ``file-unreadable``, and ``bad-recording``
    for a line of more than 64 MiB and for a file that is damaged before its end.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            packed = file.peek(HEAD).startswith(_GZIP)
            yield from _packed_lines(file, path) if packed else _plain_lines(file, path)
    except (OSError, ValueError) as exc:
        raise InputError.make("file-unreadable", f"cannot read {path}: {reason(exc)}") from exc


def _plain_lines(file: IO[bytes], path: str) -> Iterator[tuple[bytes, int]]:
    end = 0
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise _too_long(path)
        if not line.endswith(b"\n"):
            return
        end += len(line)
        yield line, end


def _packed_lines(file: IO[bytes], path: str) -> Iterator[tuple[bytes, int]]:
    """Of each member its lines, once it is known to be whole."""
    rest, end = b"", 0
    while rest or (rest := file.read(_AT_ONCE)):
        member = zlib.decompressobj(31)
        parts: list[bytes] = []
        size = 0
        try:
            while not member.eof:
                data = rest or file.read(_AT_ONCE)
                if not data:
                    return
                parts.append(member.decompress(data, LONGEST + 1 - size))
                size += len(parts[-1])
                end += len(data) - len(member.unconsumed_tail) - len(member.unused_data)
                rest = member.unconsumed_tail or member.unused_data
                if size > LONGEST:
                    raise _too_long(path)
        except zlib.error as exc:
            raise InputError.make("bad-recording", f"{path} is damaged: {exc}") from exc
        for line in b"".join(parts).splitlines(keepends=True):
            yield line, end


def _too_long(path: str) -> QQLError:
    return InputError.make("bad-recording", f"{path}: a line has more than {LONGEST >> 20} MiB")


class LineWriter:
    """Writes lines at the end of a file, which nobody else writes to meanwhile."""

    def __init__(self, path: str, keep: int | None = None) -> None:
        """``keep``: so many bytes of the file stay; None: all.

        Raises `InputError`: ``file-unwritable``; ``recording-in-use`` where another process writes to it.
        """
        self._packed: bool = path.lower().endswith(".gz")
        try:
            self._file: IO[bytes] = Path(path).expanduser().open("r+b")
        except (OSError, ValueError) as exc:
            raise InputError.make("file-unwritable", f"cannot write {path}: {reason(exc)}") from exc
        try:
            lock_file(self._file.fileno())
        except OSError as exc:
            self._file.close()
            raise InputError.make("recording-in-use", f"another process writes to {path}") from exc
        if keep is not None:
            self._file.truncate(keep)
        self._file.seek(0, os.SEEK_END)

    @staticmethod
    def begin(path: str, first: bytes, *, overwrite: bool, again: str) -> None:
        """Makes the file, with its first line in it from the start.

        Raises `QQLExecutionError`: ``file-exists``, whose hint is ``again``, and ``file-unwritable``.
        """
        with file_of_result(path, overwrite=overwrite, again=again) as file:
            file.write(_as_written(first, path.lower().endswith(".gz")))

    def write(self, line: bytes) -> None:
        """Writes a line; once this is done, a kill does not take it."""
        self._file.write(_as_written(line, self._packed))
        self._file.flush()

    def __enter__(self) -> LineWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def _as_written(line: bytes, packed: bool) -> bytes:
    if not packed:
        return line
    from gzip import compress

    return compress(line, 6, mtime=0)
