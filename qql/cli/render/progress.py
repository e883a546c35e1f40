"""How far a long statement is: a live line on a terminal, a few lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from qql.cli.render.terminal import can_encode, is_dumb, paint, sanitize, size_of_terminal
from qql.cli.render.wrapping import shortened, text_width
from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["ProgressBar", "progress_text"]

_DELAY = 0.4  # seconds that work goes on unseen: what is done by then needs no bar
_SETTLED = 1.0  # seconds of work after which its rate says something
_LONGEST_TITLE = 32  # characters
_BAR = 12  # cells
_FRAME = 0.1  # seconds between two drawings
_SECONDS = "s"


def progress_text(
    done: int, total: int | None, unit: str, share: float | None, seconds: float, start: int = 0
) -> str:
    """``12,000 of 50,000 rows · 3,100 rows/s · 12 s left``, as far as it is known.

    ``share`` is what is done of an unknown total. Work that began at ``start`` has gone on for ``seconds``.
    """
    parts = [f"{done:,} of {total:,} {unit}" if total is not None else f"{done:,} {unit}"]
    part = done / total if total else share
    if share is not None and total is None:
        parts.append(f"{share:.0%}")
    gained = done - start
    if gained > 0 and seconds >= _SETTLED and unit not in ("", _SECONDS):
        rate = gained / seconds
        parts.append(f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s")
    if part and part < 1 and seconds >= _SETTLED:
        parts.append(f"{_span_text(_seconds_left(done, total, part, gained, seconds))} left")
    return " · ".join(text.strip() for text in parts)


def _seconds_left(done: int, total: int | None, part: float, gained: int, seconds: float) -> float:
    if total is not None and gained > 0:
        return (total - done) * seconds / gained
    return seconds * (1 - part) / part


def _span_text(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(slots=True)
class _Task:
    """One piece of work: when it was heard of first, and how much was done then."""

    began: float
    start: int


class ProgressBar:
    """A `Progress` that draws on a file: a line that changes on a terminal, a line for each tenth elsewhere,
    and where the terminal is dumb.

    The line comes after ``delay`` seconds, and ``clock`` gives them. It is drawn where progress is told, and
    by no thread: whatever ends the work, the cursor stands where it should.
    """

    def __init__(
        self,
        file: TextIO,
        *,
        color: bool = False,
        delay: float = _DELAY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._color = color
        self._delay = delay
        self._clock = clock
        self._tasks: dict[str, _Task] = {}
        self._first: float | None = None
        self._drawn: tuple[str, float] | None = None
        self._last_step: tuple[str, int] | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` (None: not known) is done."""
        now = self._clock()
        self._first = now if self._first is None else self._first
        unit, share = str(getattr(what, "unit", "")), getattr(what, "share", None)
        what = sanitize(str(what))
        task = self._tasks.setdefault(what, _Task(now, done))
        part = done / total if total else share
        text = progress_text(done, total, unit, share, now - task.began, task.start)
        if self._file.isatty() and not is_dumb():
            if now - self._first >= self._delay and self._is_due(what, now, part):
                self._drawn = what, now
                self._write(f"\r\x1b[2K{self._line(what, text, part)}")
            return
        step = (what, int((part or 0) * 10))
        if self._last_step != step:
            self._last_step = step
            self._write(f"{what}: {text}\n")

    def _is_due(self, what: str, now: float, part: float | None) -> bool:
        """Whether the line is to be drawn anew: not more often than the eye can see."""
        return self._drawn is None or self._drawn[0] != what or part == 1 or now - self._drawn[1] >= _FRAME

    def _line(self, what: str, text: str, part: float | None) -> str:
        """What stands on the terminal, narrower than it is: no line may wrap."""
        width = size_of_terminal(self._file)[0] - 1
        title = shortened(what, min(_LONGEST_TITLE, width - len(text) - 1))
        done, rest = ("━", "─") if can_encode(self._file, "━─") else ("#", "-")
        filled = round((part or 0) * _BAR)
        drawn = done * filled + paint(rest * (_BAR - filled), "faint", self._color)
        if part is not None and text_width(title) + len(text) + _BAR + 2 <= width:
            return f"{title} {drawn} {text}"
        return shortened(f"{title} {text}", width)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody is to lose what is being done for want of a screen
            self._file.write(text)
            self._file.flush()

    def clear(self) -> None:
        """Take the line off the screen; the next call starts another."""
        if self._drawn is not None:
            self._write("\r\x1b[2K")
        self._tasks, self._drawn, self._last_step, self._first = {}, None, None, None
