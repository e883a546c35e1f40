"""Bytes of a file → numbered lines of a limited length."""

from __future__ import annotations

import codecs
import zlib
from pathlib import Path
from typing import IO

from qql.errors import QQLExecutionError, fail
from qql.session.files import file_unreadable

__all__ = ["MAX_LINE_BYTES", "Lines", "codec_of", "encoding_fault"]

MAX_LINE_BYTES = 64 * 1024 * 1024
"""Bytes of a line (JSON Lines) or a record (CSV), at most."""


def codec_of(encoding: str) -> str:
    """Python's name of an encoding. Raises `QQLExecutionError` where lines cannot be found in it."""
    sample = '\n,\t"{}[]:a0'
    try:
        # Lines are found as bytes: the encoding has to leave ASCII as it is.
        if sample.encode("ascii").decode(encoding) != sample:
            raise LookupError(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as exc:
        raise QQLExecutionError.make(
            "file-encoding",
            f"files in the encoding {encoding!r} cannot be read",
            hint=f"`iconv -f {encoding} -t UTF-8` converts a file",
        ) from exc


def encoding_fault(exc: UnicodeError, codec: str) -> str:
    """Why a line is at fault that is not in its encoding."""
    where = f" (byte {exc.start + 1} of the line)" if isinstance(exc, UnicodeDecodeError) else ""
    return f"not {codec.upper()} text{where}"


class Lines:
    """Lines of a file as bytes with their ends, numbered, none longer than ``max_bytes``."""

    def __init__(self, source: IO[bytes], path: Path) -> None:
        self.source = source
        self.path = path
        self.max_bytes = MAX_LINE_BYTES
        self.number = 0
        self.bytes = 0

    def next(self) -> bytes | None:
        """The next line; None at the end of the file. A line that is too long comes cut, without its end.

        Raises `QQLExecutionError` for a file that cannot be read, or is in UTF-16.
        """
        line = self._read(self.max_bytes + 1)
        if not line:
            return None
        self.number += 1
        if self.number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                fail(
                    "file-encoding",
                    f"the file {self.path} is in UTF-16",
                    hint="`iconv -f UTF-16 -t UTF-8` converts a file",
                    error=QQLExecutionError,
                )
            line = line.removeprefix(codecs.BOM_UTF8)
        return line

    def skip_rest(self) -> None:
        """Read on to the end of a line that was too long."""
        while (rest := self._read(1 << 20)) and not rest.endswith(b"\n"):
            pass

    def too_long(self, what: str) -> str:
        """Why a line or a record is at fault that is longer than ``max_bytes``."""
        return f"the {what} is longer than {self.max_bytes >> 20} MiB"

    def _read(self, limit: int) -> bytes:
        try:
            line = self.source.readline(limit)
        except (OSError, EOFError, zlib.error) as exc:
            raise file_unreadable(self.path, exc) from exc
        self.bytes += len(line)
        return line
