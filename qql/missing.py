"""A library that is not installed: a service may leave out what it has no use for.

What needs such a library imports it below `needed_for`, at the door that all who need it come through.
"""

from __future__ import annotations

import sys

from qql.errors import QQLError, QQLExecutionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

__all__ = ["library", "missing", "needed_for"]

_INSTALLED_BY = {
    "IPython": "notebook",
    "fastembed": "fastembed",
    "haystack": "haystack",
    "langchain_core": "langchain",
    "llama_index": "llama-index",
    "loguru": "fastembed",
    "opentelemetry": "otel",
    "optuna": "optuna",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "arrow",
}
"""Extras, by the modules that they bring."""
_PACKAGES = {
    "google": "protobuf",
    "grpc": "grpcio",
    "prompt_toolkit": "prompt-toolkit",
    "pydantic_core": "pydantic",
    "qdrant_client": "qdrant-client",
    "qdrant_edge": "qdrant-edge-py",
}
"""Packages, by the modules that have another name."""


class needed_for:
    """``with needed_for("the prompt"): import …``: what cannot be imported in it is an error of ours.

    ``use`` is who needs it, as the subject of a sentence; ``first`` is a module to try before all others: the
    one that brings them. ``instead`` is what does without, for the hint. Raises ``error`` (`missing`).
    """

    def __init__(
        self, use: str, first: str = "", *, instead: str = "", error: type[QQLError] = QQLExecutionError
    ) -> None:
        self._use, self._first, self._instead, self._error = use, first, instead, error

    def __enter__(self) -> None:
        if not self._first:
            return
        from importlib.util import find_spec  # it is not loaded, as it may be another process that needs it

        try:
            if find_spec(self._first) is None:
                raise ModuleNotFoundError(f"No module named {self._first!r}", name=self._first)
        except ModuleNotFoundError as exc:
            raise self._missing(exc) from exc

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(exc, ImportError):
            raise self._missing(exc) from exc

    def _missing(self, exc: ImportError) -> QQLError:
        return missing(exc, self._use, instead=self._instead, error=self._error)


def missing(
    exc: ImportError, use: str, *, instead: str = "", error: type[QQLError] = QQLExecutionError
) -> QQLError:
    """The error ``missing-library``, whose hint says what to install. One of QQL's own modules is no library:
    what is wrong there is raised as it is.
    """
    name = (exc.name or "").partition(".")[0]
    if name == "qql":
        raise exc
    package = _PACKAGES.get(name, name)
    why = "is not installed" if isinstance(exc, ModuleNotFoundError) else f"cannot be imported: {exc}"
    hint = "; ".join(filter(None, (_installs(name, package), instead)))
    return error.make(
        "missing-library", f"{use} needs {package or 'a library'}, which {why}", hint=hint or None
    )


def _installs(module: str, package: str) -> str:
    """The command that installs a module."""
    extra = _INSTALLED_BY.get(module)
    return f'pip install "qql-lang[{extra}]"' if extra else f"pip install {package}" if package else ""


def library(name: str, use: str, *, instead: str = "") -> Any:
    """A library by its name. Raises `QQLExecutionError` (``missing-library``), as `needed_for` does."""
    with needed_for(use, instead=instead):
        __import__(name)
    return sys.modules[name]
