"""Models: texts to vectors (`embedders`), candidates to an order (`rerankers`), and what both have in common.

`embed_request` puts vectors in the place of a request's texts, `rerank_hits` carries out RERANK. Models
behind servers stand on `http_service`, those of the fastembed package on `onnx`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator

from qql.errors import QQLError, QQLModelError
from qql.flows import active, answer
from qql.late import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ModelCache", "awaited", "bad_answer", "is_async", "model_errors", "model_failed"]

Model = TypeVar("Model")


class ModelCache(Generic[Model]):
    """Models that are made at their first use and kept. Safe to use from several threads."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Model] = {}
        self._lock = threading.RLock()
        self._noted: set[str] = set()

    def get(self, key: Hashable, make: Callable[[], Model]) -> Model:
        """The model of this key, made if it is not there. Raises what ``make`` raises."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def take_notes(self) -> list[str]:
        """What there is to say of the models, as their attribute ``note``; each sentence is given once."""
        if not self._made:
            return []
        with self._lock:
            notes = [note for model in self._made.values() if (note := getattr(model, "note", None))]
            fresh = [note for note in dict.fromkeys(notes) if note not in self._noted]
            self._noted.update(fresh)
        return fresh

    def close(self) -> None:
        """Close the models that have a ``close`` and forget all of them. Closing twice is allowed."""
        with self._lock:
            for model in self._made.values():
                if hasattr(model, "close"):
                    model.close()
            self._made.clear()


def is_async(made: object) -> bool:
    """Whether what an application gave for a model is to be awaited."""
    import inspect

    return any(map(inspect.iscoroutinefunction, (made, vars(type(made)).get("__call__"))))


def awaited(model: str, made: Callable[..., object], *given: object) -> Any:
    """What an async function of an application gives. Raises ``async-model`` where nothing can await it."""
    if not active():
        message = f"model `{model}` is an async function, which nothing awaits here"
        hint = (
            "`async with qql.connect_async(…)` awaits it; a session of `qql.connect` takes a plain function"
        )
        raise QQLModelError.make("async-model", message, hint=hint)
    return answer(made(*given))


@contextlib.contextmanager
def model_errors(model: str) -> Iterator[None]:
    """Each exception of a model's own code becomes `QQLModelError` (``model-failed``)."""
    try:
        yield
    except QQLError:
        raise
    except Exception as exc:
        raise model_failed(model, exc) from exc


def model_failed(model: str, exc: Exception) -> QQLError:
    """The error ``model-failed`` for what a model's own code has raised."""
    return QQLModelError.make("model-failed", f"model `{model}` failed: {type(exc).__name__}: {exc}")


def bad_answer(model: str, what: str) -> QQLError:
    """The error ``model-answer`` for a model, and ``what`` it gave."""
    return QQLModelError.make("model-answer", f"model `{model}` {what}")
