"""Bytes of a file → numbered lines of a limited length."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from pathlib import Path

from qql.errors import QQLError, QQLExecutionError, fail
from qql.session.row_files.source import ByteSource

__all__ = ["MAX_LINE_BYTES", "MAX_SKIPPED_BYTES", "Lines", "codec_of", "encoding_fault"]

MAX_LINE_BYTES = 64 * 1024 * 1024
"""Bytes of a line (JSON Lines), a record (CSV) or an object (JSON), at most."""
MAX_SKIPPED_BYTES = 256 * 1024 * 1024
"""Bytes of a line that is too long which are read in search of its end, at most."""


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
    """Lines of a file as bytes with their ends, numbered, none longer than ``max_bytes``.

    A line ends with LF or CRLF; in a file that begins with a line that ends with CR alone, as old Macs wrote
    them, every CR ends one and comes as LF.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.max_bytes = MAX_LINE_BYTES
        self.number: int = 0
        self._ahead: deque[bytes] = deque()
        self._readline: Callable[[int], bytes] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    def next(self) -> bytes | None:
        """The next line; None at the end of the file. A line that is too long comes cut, without its end.

        Raises `QQLExecutionError` for a file that cannot be read, or is in UTF-16.
        """
        if self._ahead:
            self.number += 1
            return self._ahead.popleft()
        if self._readline is None:
            self._readline = self._start()
        line = self._readline(self.max_bytes + 1)
        if not line:
            return None
        self.number += 1
        return line.removeprefix(codecs.BOM_UTF8) if self.number == 1 else line

    def put_back(self, *lines: bytes) -> None:
        """The lines that were given last come once more."""
        self._ahead.extendleft(reversed(lines))
        self.number -= len(lines)

    def look(self, count: int, max_bytes: int = 1 << 20) -> list[bytes]:
        """Up to ``count`` lines that come next, and about ``max_bytes``; they stay to be read."""
        found: list[bytes] = []
        while len(found) < count and sum(map(len, found)) < max_bytes and (line := self.next()) is not None:
            found.append(line)
        self.put_back(*found)
        return found

    def peek(self) -> bytes:
        """Some of the bytes that come next, without a byte-order mark; empty at the end."""
        self._readline = self._readline or self._start()
        return self._ahead[0] if self._ahead else self.source.peek().removeprefix(codecs.BOM_UTF8)

    def rest(self) -> bytes:
        """What is there to read of all that follows, line ends as they are; empty at the end."""
        self._readline = self._readline or self._start()
        first, self._at_start = self._at_start, False
        if self._ahead:
            ahead = b"".join(self._ahead)
            self._ahead.clear()
            return ahead
        piece = self.source.read(1 << 16)
        return piece.removeprefix(codecs.BOM_UTF8) if first else piece

    def skip_rest(self) -> None:
        """Read on to the end of a line that was too long.

        Raises `QQLExecutionError` (``file-format``) where it is longer than `MAX_SKIPPED_BYTES`.
        """
        left = MAX_SKIPPED_BYTES
        read = self._readline or self._start()
        while (rest := read(1 << 20)) and not rest.endswith(b"\n"):
            left -= len(rest)
            if left < 0:
                fail(
                    "file-format",
                    f"line {self.number} of {self.path} is longer than {MAX_SKIPPED_BYTES >> 20} MiB, "
                    "and its end was not looked for any further",
                    hint=f"rows have at most {self.max_bytes >> 20} MiB each, and lines of their own",
                    error=QQLExecutionError,
                )

    def too_long(self, what: str) -> str:
        """Why a line or a record is at fault that is longer than ``max_bytes``."""
        return f"the {what} is longer than {self.max_bytes >> 20} MiB"

    _at_start = True

    def _start(self) -> Callable[[int], bytes]:
        """Looks at the first bytes: how the lines are to be read."""
        head = self.source.peek()
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise self._utf16("is in UTF-16")
        if b"\0" in head[:4]:
            raise self._utf16("begins with a zero byte, as no text does but in UTF-16")
        at = head.find(b"\r")
        if at >= 0 and b"\n" not in head and at + 1 < len(head):
            return _CarriageReturns(self.source).readline
        return self.source.readline

    def _utf16(self, what: str) -> QQLError:
        hint = "`iconv -f UTF-16 -t UTF-8` converts a file"
        return QQLExecutionError.make("file-encoding", f"the file {self.path} {what}", hint=hint)


class _CarriageReturns:
    """Lines that end with CR, given with LF."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._held = bytearray()

    def readline(self, limit: int) -> bytes:
        searched = 0
        while (end := self._held.find(b"\n", searched, limit)) < 0 and len(self._held) < limit:
            searched = len(self._held)
            piece = self._source.read(1 << 16)
            if not piece:
                break
            self._held += piece.replace(b"\r", b"\n")
        cut = end + 1 if end >= 0 else min(len(self._held), limit)
        line = bytes(self._held[:cut])
        del self._held[:cut]
        return line
