"""The time that one call has: ``execute(…, timeout=2)`` says it, and the backend of a server keeps it.

It is for all that the call asks of the engine, one request after the other. What a model takes counts, too,
but nothing interrupts it.
"""

from __future__ import annotations

import math
import time
from contextvars import ContextVar

from qql.errors import QQLConnectionError, QQLTimeoutError, QQLUnsupportedError, fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from types import TracebackType

__all__ = ["CallTime", "current_time", "require_seconds"]

monotonic: Callable[[], float] = time.monotonic


def require_seconds(seconds: float) -> float:
    """A timeout. Raises `QQLConnectionError` (``invalid-timeout``) for what is no number of seconds."""
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not (number and math.isfinite(seconds) and seconds > 0):
        message = f"a timeout requires a number of seconds above 0, not {seconds!r}"
        fail("invalid-timeout", message, error=QQLConnectionError)
    return seconds


class CallTime:
    """``with CallTime(2, backend): …``: what is asked of the engine in it has two seconds from now.

    Raises `QQLConnectionError` (``invalid-timeout``) and `QQLUnsupportedError` (``no-timeout``) where the
    engine cannot be interrupted: a backend that keeps times has the attribute ``keeps_time``, and looks at
    `current_time` in its ``call``.
    """

    def __init__(self, seconds: float, backend: object) -> None:
        self.seconds: float = require_seconds(seconds)
        if not getattr(backend, "keeps_time", False):
            name = getattr(backend, "name", type(backend).__name__)
            fail(
                "no-timeout",
                f"timeout={seconds:g} cannot be kept by {_ENGINES.get(name, f'the backend {name}')}",
                hint="leave it out; a server keeps it",
                error=QQLUnsupportedError,
            )
        self._end = 0.0
        self._before: Token[CallTime | None] | None = None

    def left(self) -> float:
        """Seconds that are left. Raises `QQLTimeoutError` (``no-answer-in-time``) where none are."""
        seconds = self._end - monotonic()
        if seconds <= 0:
            message = f"the {self.seconds:g} s of the call were over before all of it was sent"
            fail(
                "no-answer-in-time",
                message,
                hint="`timeout=` of the call waits longer",
                error=QQLTimeoutError,
            )
        return seconds

    def __enter__(self) -> None:
        self._end = monotonic() + self.seconds
        self._before = _current.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            _current.reset(self._before)


_ENGINES = {
    "edge": "the embedded engine, which runs a statement until it is done",
    "local": "local mode, which runs a statement until it is done",
}
_current: ContextVar[CallTime | None] = ContextVar("call_time", default=None)


def current_time() -> CallTime | None:
    """The time of the call that is being carried out; None where it has none of its own."""
    return _current.get()
