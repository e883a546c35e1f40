"""EXECUTE: the script in the file that it names."""

from __future__ import annotations

from pathlib import Path

from qql import nodes
from qql.compiler.emit_filters import scalar_value
from qql.errors import Diagnostic, QQLPlanError, Source
from qql.session.dump import reason_of

__all__ = ["read_executed"]


def read_executed(statement: nodes.Execute) -> Source:
    """The file that EXECUTE names; its path is relative to the current directory."""
    path = str(scalar_value(statement.path))
    try:
        text = Path(path).expanduser().read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        message = f"the file {path} is not UTF-8 text: byte {exc.start} is none of its"
        raise QQLPlanError(
            Diagnostic("file-unreadable", message, statement.path.span, "save it as UTF-8")
        ) from exc
    except (OSError, ValueError, RuntimeError) as exc:  # a NUL in the path; `~nobody`
        hint = "a path is relative to the folder that the program was started in"
        message = f"the file {path} cannot be read: {reason_of(exc)}"
        raise QQLPlanError(Diagnostic("file-unreadable", message, statement.path.span, hint)) from exc
    return Source(text, path)
