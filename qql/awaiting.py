"""The flows of an event loop: synchronous code in a greenlet, whose waits are awaited by its task.

As SQLAlchemy does it: a greenlet that has something to wait for hands it to the one that started it, which
awaits it and comes back with what came of it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from qql import flows
from qql.flows import Stopped

__all__ = ["Unfinished", "carried", "carried_aside"]

T = TypeVar("T")
Unfinished = set["asyncio.Task[Any]"]
"""What was sent by flows that were stopped, and is carried out to its end."""


class _Thread:
    """A piece of synchronous code that has a thread, as it takes long: it waits for the loop from there."""

    def __init__(self, unfinished: Unfinished) -> None:
        self.loop = asyncio.get_running_loop()
        self.unfinished = unfinished
        self._stopped = False
        self._waits: Future[Any] | None = None

    def stop(self) -> None:
        """Ends what is waited for, and whatever is waited for next."""
        self._stopped = True
        if self._waits is not None:
            self._waits.cancel()

    def wait_for(self, value: Awaitable[Any]) -> Any:
        self._waits = waits = asyncio.run_coroutine_threadsafe(_awaited(value), self.loop)
        if self._stopped:
            waits.cancel()
        try:
            return waits.result()
        except FutureCancelled:
            raise Stopped from None
        finally:
            self._waits = None


_UNFINISHED = "qql_unfinished"
"""The attribute of greenlets that are flows."""
_here = threading.local()


def _thread() -> _Thread | None:
    return getattr(_here, "thread", None)


class _Bridge:
    """What a flow waits for, awaited."""

    def active(self) -> bool:
        return getattr(getcurrent(), _UNFINISHED, None) is not None or _thread() is not None

    def wait_for(self, value: Awaitable[Any], finish: bool) -> Any:
        flow = getcurrent()
        unfinished = getattr(flow, _UNFINISHED, None)
        if unfinished is not None:
            return flow.parent.switch(_finished(value, unfinished) if finish else value)
        thread = _thread()
        if thread is None:
            raise RuntimeError("this can only be awaited by `qql.connect_async`")
        return thread.wait_for(_finished(value, thread.unfinished) if finish else value)

    def aside(self, work: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        if _thread() is not None:
            return work(*given)
        return self.wait_for(asyncio.to_thread(work, *given), False)

    def pause(self, seconds: float) -> None:
        self.wait_for(asyncio.sleep(seconds), False)


flows.install(_Bridge())


async def _awaited(value: Awaitable[T]) -> T:
    return await value


async def _finished(value: Awaitable[T], unfinished: Unfinished) -> T:
    """Awaits something that goes on where the task is cancelled that waits for it."""
    task = asyncio.ensure_future(_awaited(value))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            unfinished.add(task)
            task.add_done_callback(partial(_ended, unfinished))
        raise


def _ended(unfinished: Unfinished, task: asyncio.Task[Any]) -> None:
    unfinished.discard(task)
    if not task.cancelled():
        task.exception()  # which nobody waits for any more


async def carried(work: Callable[[], T], unfinished: Unfinished) -> T:
    """What synchronous code gives, whose waits are those of this task.

    Where the task is cancelled, the code sees `Stopped` where it waits, and ends as at Ctrl-C.
    """
    flow = greenlet(work)
    flow.gr_context = getcurrent().gr_context  # the context (of `contextvars`) of this task
    setattr(flow, _UNFINISHED, unfinished)
    cancelled: asyncio.CancelledError | None = None
    try:
        given: Any = flow.switch()
        while not flow.dead:
            try:
                value = await given
            except asyncio.CancelledError as exc:
                cancelled = exc
                given = flow.throw(Stopped())
            except GeneratorExit:  # the loop is gone: nothing can be awaited any more
                flow.throw(GreenletExit())
                raise
            except BaseException as exc:
                given = flow.throw(exc)
            else:
                given = flow.switch(value)
    except Stopped as stop:
        raise _with_notes(cancelled or asyncio.CancelledError(), stop) from None
    if cancelled is not None:
        raise cancelled
    found: T = given
    return found


async def carried_aside(work: Callable[[], T], unfinished: Unfinished) -> T:
    """As `carried`, in a thread: for code that computes for long before it waits."""
    thread = _Thread(unfinished)

    def run() -> T:
        _here.thread = thread
        try:
            return work()
        finally:
            _here.thread = None

    context = contextvars.copy_context()
    running = thread.loop.run_in_executor(None, partial(context.run, run))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError as cancelled:
        thread.stop()
        await asyncio.wait([running])  # until it has seen it
        failure = running.exception()
        if isinstance(failure, Stopped):
            raise _with_notes(cancelled, failure) from None
        raise


def _with_notes(cancelled: asyncio.CancelledError, stop: Stopped) -> asyncio.CancelledError:
    """The cancellation with what the code had to say of what it has done."""
    for note in getattr(stop, "__notes__", ()):
        cancelled.add_note(note)
    return cancelled
