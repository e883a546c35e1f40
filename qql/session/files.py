"""Files of UTF-8 text, and what is said of a file that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qql.errors import QQLError, QQLExecutionError, QQLPlanError, Source, Span

if TYPE_CHECKING:
    from qql import nodes

__all__ = ["decode_utf8", "file_unreadable", "read_executed", "read_utf8", "reason"]


def reason(exc: Exception) -> str:
    """What an operating system's error says, without its number and its path."""
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)


def read_utf8(
    path: str, *, unreadable: Callable[[Exception], QQLError], not_text: Callable[[bytes, int], QQLError]
) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark; ``~`` is the home directory.

    The caller has the wording. Raises what ``unreadable`` makes of an exception (a missing file, a NUL in the
    path), and what ``not_text`` makes of the file's bytes and the offset of the first that is at fault.
    """
    try:
        raw = Path(path).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as exc:  # also a NUL in the path, and `~nobody`
        raise unreadable(exc) from exc
    return decode_utf8(raw, not_text)


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
    hint = "a path is relative to the folder that the program was started in"
    return error.make("file-unreadable", f"the file {path} cannot be read: {reason(exc)}", span, hint)


def read_executed(statement: nodes.Execute) -> Source:
    """The script that EXECUTE names. Raises `QQLPlanError` with the code ``file-unreadable``."""
    from qql.compiler.scalars import scalar_value

    path, span = str(scalar_value(statement.path)), statement.path.span

    def not_text(_: bytes, offset: int) -> QQLError:
        message = f"the file {path} is not UTF-8 text: byte {offset} is none of its"
        return QQLPlanError.make("file-unreadable", message, span, "save it as UTF-8")

    text = read_utf8(
        path, unreadable=lambda exc: file_unreadable(path, exc, span, QQLPlanError), not_text=not_text
    )
    return Source(text, path)
