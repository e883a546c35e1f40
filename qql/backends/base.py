"""What a session asks of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from qql.late import Protocol
from qql.records import dataclass
from qql.rest.request import Request
from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from qql.rest.usage import Usage

__all__ = [
    "Backend",
    "Optimized",
    "Progress",
    "Work",
    "absence_of",
    "rows_told",
    "texts_told",
    "told_of_writing",
    "usage_of",
    "watch",
]


class Work(str):
    """What is being done, in words, for `Progress`.

    ``unit`` is what its figures count (``rows``; ``s`` are seconds). Where the whole is not known, ``share``
    is how much of it is done, from 0 to 1.
    """

    unit: str
    share: float | None

    def __new__(cls, what: str, unit: str = "", share: float | None = None) -> Self:
        """The words, with what their figures mean."""
        work = super().__new__(cls, what)
        work.unit, work.share = unit, share
        return work


Progress = Callable[[str, int, int | None], None]
"""Called with what is being done (mostly a `Work`), how much is done, and how much there is (None: unknown).
"""


def absence_of(backend: object) -> str | None:
    """What an engine says whose database is not there yet, in a sentence; None of all others.

    A backend may have this as its attribute ``absence``.
    """
    said = getattr(backend, "absence", None)
    return said if isinstance(said, str) else None


def usage_of(backend: object) -> Usage | None:
    """What the last call of this thread has cost by the engine's own account; None where it says nothing.

    A backend may have this as its attribute ``usage``.
    """
    found: Usage | None = getattr(backend, "usage", None)
    return found


def watch(backend: object, progress: Progress | None) -> None:
    """Have a backend tell its progress with calls that take long, where it has the attribute ``progress``."""
    if progress is not None and hasattr(backend, "progress"):
        backend.progress = progress


@dataclass(frozen=True, slots=True)
class Optimized:
    """What `Backend.optimize` did: whether anything, and what is to be said of it beside that."""

    changed: bool
    said: str = ""

    def __bool__(self) -> bool:
        return self.changed


def texts_told(progress: Progress | None) -> Callable[[str, int, int], None] | None:
    """Tells ``progress`` how many of how many texts a model has embedded."""
    if progress is None:
        return None
    return lambda model, done, total: progress(Work(f"embedding with {model}", "texts"), done, total)


def rows_told(progress: Progress | None) -> AbstractContextManager[None]:
    """While it is entered, ``progress`` is told how many rows of a statement were read, and checked."""
    if progress is None:
        return nullcontext()
    from qql.underway import Watched

    return Watched(lambda what, done, total, share: progress(Work(what, "rows", share), done, total))


_MANY = 1000
"""Points of a request that is worth a word while it is carried out."""


def told_of_writing(requests: Sequence[Request], progress: Progress | None) -> Iterator[Request]:
    """The requests, each carried out before the next is asked for; those with many points are told of."""
    for request in requests:
        points = (request.body or {}).get("points") if progress is not None else None
        many = len(points) if isinstance(points, list) else 0
        if progress is not None and many >= _MANY:
            progress(Work(f"writing to {request.collection}", "points"), 0, many)
        yield request


class Backend(Protocol):
    """An engine that answers requests in the vocabulary of Qdrant's REST interface.

    ``name`` is the word that messages use. One whose server may be too old for a request says so by a method
    ``gaps`` (see ``qql/session/server_gaps.py``).
    """

    name: str
    """``edge``, ``server``, ``local`` or ``recording``: the word that messages use."""

    @property
    def took(self) -> float | None:
        """Seconds that the last `call` took by the engine's own account; None where it says nothing."""

    def infers(self, model: str) -> bool:
        """Whether the engine itself turns ``{"text", "model"}`` objects of this model into vectors."""

    def call(self, request: Request) -> Json:
        """Carry out one request and give the ``result`` of Qdrant's answer, as plain JSON data.

        Point ids are ``int`` or ``str`` (a UUID in its hyphenated form). Raises a ``QQLError``
        and nothing else: `QQLExecutionError` (the engine refused, a bad point), its subclass
        `QQLUnsupportedError`, or `QQLConnectionError`.
        """

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> Optimized | bool:
        """Build indexes and merge segments, and wait for it. True where there was something to do.

        ``progress`` is called as the ``on_progress`` of `connect`. ``timeout`` is in seconds; None waits as
        long as it takes. Raises `QQLExecutionError` (``optimize-failed``), `QQLTimeoutError` and, on engines
        that build no indexes, `QQLUnsupportedError`.
        """

    def needs_optimize(self, collection: str) -> bool:
        """Whether enough has been written since the last `optimize` that searches would gain by one."""

    def take_notes(self) -> list[str]:
        """What the engine accepted but does not act on, in sentences; each is given once."""

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
