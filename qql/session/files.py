"""Files of UTF-8 text, and what is said of a file that cannot be used."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from qql.errors import QQLError, QQLExecutionError, Span
from qql.packed_files import HEAD, damage, unpacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

__all__ = [
    "decode_utf8",
    "file_unreadable",
    "from_home",
    "read_bounded",
    "read_utf8",
    "reason",
    "stream_kind",
]


def reason(exc: Exception) -> str:
    """What an operating system's error says, without its number and its path."""
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)


def read_utf8(
    path: str,
    *,
    unreadable: Callable[[Exception], QQLError],
    not_text: Callable[[bytes, int], QQLError],
    streams: bool = False,
) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark; ``~`` is the home directory.

    No more is read than a script may have (64 MiB). With ``streams``, a pipe or a device is read too;
    without, it is refused, since it might never end. The caller has the wording. Raises what ``unreadable``
    makes of an exception (a missing file, one that is too long, a NUL in the path), and what ``not_text``
    makes of the file's bytes and the offset of the first that is at fault.
    """
    try:
        file = from_home(path)
        kind = stream_kind(file)
        if kind is not None and not streams:
            raise ValueError(f"it is {kind}, and no file")
        with open(file, "rb") as opened:  # noqa: PTH123 - pathlib takes longer than all of this
            raw = read_bounded(unpacked(opened, opened.peek(HEAD)[:HEAD]))
    except damage(ValueError, RuntimeError) as exc:  # also a NUL in the path, and `~nobody`
        raise unreadable(exc) from exc
    return decode_utf8(raw, not_text)


def from_home(path: str) -> str:
    """A path with the home directory for ``~``, as pathlib has it, whose import would take longer than most
    scripts. Raises `RuntimeError` where there is no such user.
    """
    if path.startswith("~"):
        from qql.allowed import expanded

        return expanded(path)
    return path.rstrip("/") or path[:1] or "."


_STREAMS = {
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
"""What has no end of its own, by what tells it."""


def stream_kind(file: str | Path) -> str | None:
    """What a file is that has no end of its own, ``a pipe`` say; None for others. Raises `OSError`."""
    mode = os.stat(file).st_mode  # noqa: PTH116 - as above
    return next((kind for is_one, kind in _STREAMS.items() if is_one(mode)), None)


def read_bounded(stream: IO[bytes]) -> bytes:
    """All of a stream. Raises `ValueError` where that is more than a script may have."""
    from qql.syntax.parser import MAX_BYTES

    raw = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB, the most that a script may have")
    return raw


def decode_utf8(raw: bytes, not_text: Callable[[bytes, int], QQLError]) -> str:
    """Bytes in UTF-8, with or without a byte-order mark, as text. Raises what ``not_text`` makes of them."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise not_text(raw, exc.start) from exc


def file_unreadable(
    path: str | Path, exc: Exception, span: Span | None = None, error: type[QQLError] = QQLExecutionError
) -> QQLError:
    """The error for a file that a statement names and that cannot be read."""
    # Where the path is one, but not of a text, other words about it would mislead.
    hint = (
        "a path is relative to the folder that the program was started in"
        if isinstance(exc, OSError)
        else None
    )
    return error.make("file-unreadable", f"the file {path} cannot be read: {reason(exc)}", span, hint)
