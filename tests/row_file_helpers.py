"""What tests of files of rows share: writing files, and reading payloads or the error that there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from refusals import failure

from qql.errors import QQLExecutionError
from qql.session.row_files import Row, read_rows

Write = Callable[..., Path]
"""Takes what a file holds, and its name where it has another; gives its path."""


def writer(folder: Path, usual_name: str) -> Write:
    """Writes files into a folder."""

    def write(content: str | bytes, name: str = usual_name) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def fails(code: str, call: Callable[[], Any]) -> QQLExecutionError:
    """The error of a call, which has this code."""
    return failure(QQLExecutionError, code, call)


def payloads(path: Path, **more: Any) -> list[dict[str, Any]]:
    """The payloads of a file without bad rows."""
    rows = list(read_rows(path, **more))
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.payload for row in rows if isinstance(row, Row)]
