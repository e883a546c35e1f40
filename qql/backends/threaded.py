"""A backend of an application in flows: its calls wait in threads."""

from __future__ import annotations

from qql.backends.base import Backend, Optimized, Progress
from qql.flows import aside
from qql.rest.request import Request
from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ThreadedBackend"]


class ThreadedBackend:
    """Carries out what another backend does, each call in a thread; all else is that of the other."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.name: str = inner.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def call(self, request: Request) -> Json:
        """See `Backend.call`."""
        return aside(self._inner.call, request)

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> Optimized | bool:
        """See `Backend.optimize`."""
        return aside(self._inner.optimize, collection, progress, timeout)

    def needs_optimize(self, collection: str) -> bool:
        """See `Backend.needs_optimize`."""
        return aside(self._inner.needs_optimize, collection)
