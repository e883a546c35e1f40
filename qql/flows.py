"""Flows: code that is written to wait, carried out where waiting is left to an event loop.

A session, its compiler and its engines are written once, as plain functions. In a flow of `qql.awaiting` what
they wait for is handed to the event loop, which goes on with other tasks; outside of one, all of this does
nothing. So what waits says it here: for an answer, for a time, or for work that takes long.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from qql.late import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, TypeVarTuple, Unpack

    _Made = TypeVar("_Made")
    _Given = TypeVarTuple("_Given")

__all__ = ["Bridge", "Stopped", "active", "answer", "aside", "install", "pause"]


class Stopped(KeyboardInterrupt):
    """The task of a flow was cancelled: what ends at Ctrl-C ends, and says the same of what it has done."""


class Bridge(Protocol):
    """What `qql.awaiting` does for flows."""

    def active(self) -> bool:
        """Whether a flow is carried out here, which can wait."""

    def wait_for(self, value: Any, finish: bool) -> Any:
        """What an awaitable gives; with ``finish`` it goes on to its end though the flow is stopped."""

    def aside(self, work: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        """What a function gives, which is carried out in a thread."""

    def pause(self, seconds: float) -> None:
        """Waits for a time."""


_bridge: Bridge | None = None


def install(bridge: Bridge) -> None:
    """Has flows waited for by the bridge."""
    global _bridge
    _bridge = bridge


def active() -> bool:
    """Whether this is carried out in a flow."""
    return _bridge is not None and _bridge.active()


def answer(value: Any, *, finish: bool = False) -> Any:
    """The value; in a flow, what an awaitable gives. With ``finish`` the flow's end does not end it."""
    if _bridge is None or not hasattr(value, "__await__"):
        return value
    return _bridge.wait_for(value, finish)


def aside(work: Callable[[Unpack[_Given]], _Made], *given: *_Given) -> _Made:
    """What a function gives; in a flow it has a thread of its own, and other tasks go on meanwhile."""
    if _bridge is None or not _bridge.active():
        return work(*given)
    made: _Made = _bridge.aside(work, given)
    return made


def pause(seconds: float) -> None:
    """Wait for a time, in a flow for its task alone."""
    if _bridge is None or not _bridge.active():
        time.sleep(seconds)
    else:
        _bridge.pause(seconds)
