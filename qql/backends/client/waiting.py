"""Progress while a server works: it tells of none, so there is the time that it has taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from qql.backends.base import Progress, Work
from qql.rest.request import Request

from .timeouts import Kind, kind_of

__all__ = ["told"]

_FIRST = 1.0  # seconds that go by in silence: most definitions take less
_EACH = 0.5  # seconds between two words

_WORDS = {
    ("PUT", ""): "create the collection",
    ("PATCH", ""): "change the collection",
    ("DELETE", ""): "drop the collection",
    ("PUT", "index"): "build the index",
    ("POST", "snapshots"): "make the snapshot",
    ("POST", "/snapshots"): "make the snapshot",
    ("GET", "snapshots/*"): "fetch the snapshot",
    ("GET", "/snapshots/*"): "fetch the snapshot",
    ("PUT", "snapshots/recover"): "restore the snapshot",
    ("POST", "snapshots/upload"): "restore the snapshot",
}


@contextmanager
def told(progress: Progress | None, request: Request) -> Iterator[None]:
    """Tells of a request that defines or builds something for as long as its answer is waited for."""
    if progress is None or kind_of(request) in (Kind.READ, Kind.WRITE):
        yield
        return
    ended = Event()
    thread = Thread(target=_tell, args=(progress, _words(request), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _words(request: Request) -> str:
    what = _WORDS.get(request.route, "work")
    return f"server: {what}" + (f" {request.collection}" if request.collection and what != "work" else "")


def _tell(progress: Progress, what: str, ended: Event) -> None:
    began, pause = time.monotonic(), _FIRST
    while not ended.wait(pause):
        progress(Work(what, "s"), round(time.monotonic() - began), None)
        pause = _EACH
