"""A library that an extra installs, and that is not there."""

from __future__ import annotations

import sys

from qql.errors import QQLExecutionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["library"]


def library(name: str, extra: str, use: str) -> Any:
    """A library by its name. Raises `QQLExecutionError` ``missing-library``, which says what installs it."""
    try:
        __import__(name)
    except ImportError as exc:
        why = "is not installed" if isinstance(exc, ModuleNotFoundError) else f"cannot be imported: {exc}"
        raise QQLExecutionError.make(
            "missing-library", f"{use} needs {name}, which {why}", hint=f'pip install "qql-lang[{extra}]"'
        ) from exc
    return sys.modules[name]
