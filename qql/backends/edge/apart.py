"""The embedded engine in a process of its own, for those who wait: a prompt, which Ctrl-C is to reach.

A call of the engine holds the interpreter's lock, and no signal is heard until it ends. Here an event loop
in a thread talks to the process, and who calls waits in Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import wait as wait_for
from functools import partial
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import TypeVar

from qql.awaiting import Unfinished, carried
from qql.backends.base import Progress, Work
from qql.errors import QQLError
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.rest.types import Json

from .worker import EngineProcess

T = TypeVar("T")

__all__ = ["EngineApart"]

_TICK = 0.1
"""Seconds after which who waits looks up: a lock does not hear a signal that came just before it."""
_PATIENCE = 2.0
"""Seconds after Ctrl-C in which a write that is under way may end, so that what it did can be said."""
_LONGEST_READ = 1.0
"""Seconds after Ctrl-C in which what was only read may end, before its process is."""


class _Waits(Future[T]):
    """What comes of a task, for who waits in another thread."""

    begun = False

    def take(self, task: asyncio.Task[T]) -> None:
        failure = None if task.cancelled() else task.exception()
        with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
            if task.cancelled():
                self.cancel()
            elif failure is not None:
                self.set_exception(failure)
            else:
                self.set_result(task.result())


class EngineApart:
    """A backend as `EdgeBackend` is, for any thread; its engine is an `EngineProcess`.

    Ctrl-C ends the waiting: what reads is given up (its process is ended where it takes long, and started
    again by the next call), what writes is carried out, and a note of the `KeyboardInterrupt` says what came
    of it.
    """

    name = "edge"
    took: float | None = None
    writes: int = 0
    """How many requests that write were carried out, or may be."""
    progress: Progress | None = None
    """Told, from a second on, for how many a call has been waited for."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="qql-engine", daemon=True)
        self._thread.start()
        self._unfinished: Unfinished = set()
        try:
            self._process = self._waited(partial(EngineProcess, path))
        except BaseException:
            self._end_loop()
            raise
        self.path: Path = self._process.path

    @property
    def absence(self) -> str | None:
        """What is said of a database that is not there yet."""
        return self._process.absence

    @property
    def pid(self) -> int | None:
        """The process, where one runs."""
        return self._process.pid

    def infers(self, model: str) -> bool:
        """No model runs in the engine."""
        return False

    def call(self, request: Request) -> Json:
        """Carry out one request; see `Backend.call`."""
        writes = not reads(request)
        self.writes += writes
        return self._waited(partial(self._process.call, request), writes=writes, told=self._ticking())

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> bool:
        """Build indexes now; Ctrl-C ends that, and loses nothing but what was built by then."""
        return self._waited(partial(self._process.optimize, collection, progress, timeout))

    def needs_optimize(self, collection: str) -> bool:
        """Whether so many vectors are not indexed yet that `optimize` is worth while."""
        return self._waited(partial(self._process.needs_optimize, collection))

    def flush(self) -> None:
        """Write everything to disk, so that it outlasts a loss of power and not only of the process."""
        self._waited(self._process.flush)

    def take_notes(self) -> list[str]:
        """The sentences about what was taken and not acted on, each once."""
        if current_thread() is not main_thread():
            return []  # what is read in the background is not shown: they are left for what is
        return self._process.take_notes()

    def close(self) -> None:
        """Flush and close everything, and end the process. Closing twice is allowed."""
        if self._loop.is_closed():
            return
        try:
            self._waited(self._process.close)
        finally:
            self._end_loop()

    # -- in the thread of the event loop

    def _ticking(self) -> Callable[[], None]:
        """What tells how long a call takes. Calls in the background are nothing to look at."""
        progress, begun = self.progress, time.monotonic()
        if progress is None or current_thread() is not main_thread():
            return lambda: None

        def told() -> None:
            seconds = int(time.monotonic() - begun)
            if seconds:
                progress(Work("waiting for the engine", "s"), seconds, None)

        return told

    def _waited(
        self, work: Callable[[], T], *, writes: bool = False, told: Callable[[], None] = lambda: None
    ) -> T:
        """What the work gives, which is carried out in a flow; ``told`` is called while it is waited for."""
        waits = _Waits[T]()
        try:  # from before it is begun: Ctrl-C may come at any time
            self._loop.call_soon_threadsafe(self._begin, work, waits)
            while not waits.done():
                with contextlib.suppress(TimeoutError):
                    waits.result(_TICK)
                told()
            return waits.result()
        except KeyboardInterrupt as stop:
            if writes and waits.begun:
                stop.add_note(_came_of(waits))
            else:
                waits.cancel()
                self._loop.call_soon_threadsafe(self._loop.call_later, _LONGEST_READ, self._free)
            raise

    def _begin(self, work: Callable[[], T], waits: _Waits[T]) -> None:
        if waits.cancelled():
            return
        waits.begun = True
        task = self._loop.create_task(carried(work, self._unfinished))
        task.add_done_callback(waits.take)
        waits.add_done_callback(lambda one: one.cancelled() and self._loop.call_soon_threadsafe(task.cancel))

    def _free(self) -> None:
        if (process := getattr(self, "_process", None)) is not None:
            process.end_given_up()

    def _end_loop(self) -> None:
        asyncio.run_coroutine_threadsafe(_drained(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _drained() -> None:
    """Waits for what was cancelled and is not over yet."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_PATIENCE)


def _came_of(future: Future[T]) -> str:
    """What is said of a write that was under way when Ctrl-C came."""
    with contextlib.suppress(KeyboardInterrupt):  # once more: nobody wants to know
        wait_for([future], _PATIENCE)
    if not future.done():
        return "what was sent goes on in the engine, and the next statement waits for it"
    failure = future.exception()
    if failure is None:
        return "what was sent by then is written"
    said = failure.message if isinstance(failure, QQLError) else str(failure)
    return f"what was sent by then has failed: {said}"
