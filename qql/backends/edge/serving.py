"""The process of an embedded engine: it carries out what comes from the process that started it.

Frames go both ways: eight bytes that say how long, and pickled plain data. Nobody else writes into its pipes.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import BinaryIO

from qql.backends.base import Progress
from qql.errors import QQLError, QQLExecutionError
from qql.rest.types import Json

from .backend import EdgeBackend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HEADER", "PROGRESS", "frame", "serve"]

HEADER = 8
"""Bytes in front of a frame: its length."""
PROGRESS = 0
"""The number of frames that tell of progress; those of calls are counted from 1."""


def frame(value: object) -> bytes:
    """The bytes of one message."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(HEADER, "big") + data


def serve() -> None:
    """Answers calls one by one, until nothing comes any more; then the database is closed.

    A call is its number, the name of a method, and what it is given. The answer to it is its number, whether
    it was carried out, the value or the error with its cause, the notes, and what is said of a database that
    is not there.
    """
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever prints
    served = _Served(answers)
    signal.signal(signal.SIGINT, served.leave_off)  # who started this one says when it ends
    try:
        while (call := _read(sys.stdin.buffer)) is not None:
            served.answer(*call)
    finally:
        served.close()


def _read(pipe: BinaryIO) -> tuple[int, str, tuple[Any, ...]] | None:
    header = pipe.read(HEADER)
    if len(header) < HEADER:
        return None
    data = pipe.read(int.from_bytes(header, "big"))
    call: tuple[int, str, tuple[Any, ...]] = pickle.loads(data)
    return call


class _Served:
    """The engine, once it is opened, and where its answers go."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._backend: EdgeBackend | None = None
        self._can_leave_off = False

    def leave_off(self, *_: object) -> None:
        """The signal that nobody waits for indexes any more; at any other time it says nothing."""
        if self._can_leave_off:
            self._can_leave_off = False
            raise KeyboardInterrupt

    def answer(self, number: int, method: str, given: tuple[Any, ...]) -> None:
        try:
            value: Json = getattr(self, f"_{method}")(*given)
            done = True
        except QQLError as exc:
            done, value = False, (exc, exc.__cause__ if isinstance(exc.__cause__, QQLError) else None)
        except Exception as exc:
            said = f"the engine's process failed: {type(exc).__name__}: {exc}"
            done, value = False, (QQLExecutionError.make("engine-failed", said), None)
        notes = self._backend.take_notes() if self._backend is not None else []
        absence = self._backend.absence if self._backend is not None else None
        self._write((number, done, value, notes, absence))

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()

    def _write(self, value: object) -> None:
        left = memoryview(frame(value))
        while left:
            left = left[os.write(self._answers, left) :]

    # -- what may be called

    def _open(self, path: str, temporary: bool) -> None:
        self._backend = EdgeBackend(path, temporary=temporary)

    def _call(self, request: Any) -> Json:
        return self._engine.call(request)

    def _optimize(self, collection: str, told: bool, timeout: float | None) -> bool:
        self._can_leave_off = True
        try:
            return self._engine.optimize(collection, self._progress if told else None, timeout)
        except KeyboardInterrupt:
            message = f"building the indexes of {collection} was left off"
            raise QQLExecutionError.make("stopped", message) from None
        finally:
            self._can_leave_off = False

    def _needs_optimize(self, collection: str) -> bool:
        return self._engine.needs_optimize(collection)

    def _flush(self) -> None:
        self._engine.flush()

    def _close(self) -> None:
        self._engine.close()

    @property
    def _engine(self) -> EdgeBackend:
        assert self._backend is not None
        return self._backend

    @property
    def _progress(self) -> Progress:
        return lambda *told: self._write((PROGRESS, *told))
