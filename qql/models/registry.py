"""Models by name, each made once; and the failures of those that the application gave."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from qql.errors import QQLError, QQLModelError

__all__ = ["Registry", "failures_named"]

Model = TypeVar("Model")


class Registry(Generic[Model]):
    """Models that are made at their first use and kept. Safe to use from several threads."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Model] = {}
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], Model]) -> Model:
        """The model of this key, made if it is not there. Raises what ``make`` raises."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def close(self) -> None:
        """Close the models that have a ``close`` and forget all of them. Closing twice is allowed."""
        with self._lock:
            for model in self._made.values():
                if hasattr(model, "close"):
                    model.close()
            self._made.clear()


@contextlib.contextmanager
def failures_named(model: str) -> Iterator[None]:
    """Any exception of the application's own code becomes `QQLModelError` (``model-failed``)."""
    try:
        yield
    except QQLError:
        raise
    except Exception as exc:
        raise QQLModelError.make(
            "model-failed", f"model `{model}` failed: {type(exc).__name__}: {exc}"
        ) from exc
