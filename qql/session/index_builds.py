"""Indexes after writes, on an engine that does not build them by itself."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from qql.backends.base import Backend, Progress
from qql.errors import Diagnostic, QQLExecutionError
from qql.records import replace

__all__ = ["IndexBuilds"]

_CHECK_AFTER = 256
"""Rows after which the engine is asked again whether it wants to build indexes: to answer, it flushes."""


class IndexBuilds:
    """Builds indexes once enough points were written; several threads may write at once.

    ``before`` is called with the name of a collection that is about to be built.
    """

    def __init__(self, backend: Backend, before: Callable[[str], None]) -> None:
        self._backend = backend
        self._before = before
        self._lock = Lock()  # never held while the engine is asked
        self._unchecked: dict[str, int] = {}

    def written(self, collection: str, points: int, progress: Progress | None) -> tuple[Diagnostic, ...]:
        """To be told of points that were written; gives what went wrong where that led to a build."""
        if not points:
            return ()
        with self._lock:
            unchecked = self._unchecked.get(collection, _CHECK_AFTER) + points
            self._unchecked[collection] = 0 if unchecked >= _CHECK_AFTER else unchecked
        return self.build(collection, progress) if unchecked >= _CHECK_AFTER else ()

    def build(self, collection: str, progress: Progress | None) -> tuple[Diagnostic, ...]:
        """Builds what is to be built; a failure is a warning."""
        with self._lock:
            self._unchecked[collection] = 0
        try:
            if self._backend.needs_optimize(collection):
                self._before(collection)
                self._backend.optimize(collection, progress)
        except QQLExecutionError as exc:
            # What was to be written is written, so the statement has not failed.
            return tuple(replace(found, severity="warning") for found in exc.diagnostics)
        except KeyboardInterrupt as stop:
            stop.add_note(f"everything is written; only the indexes of {collection} are not built")
            raise
        return ()
