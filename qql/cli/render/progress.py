"""How far a long statement is: a live bar on a terminal, a few lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from qql.cli.render.terminal import sanitize

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["ProgressBar", "progress_text"]

_DELAY = 0.4  # seconds that work goes on unseen: what is done by then needs no bar
_SETTLED = 1.0  # seconds of work after which its rate says something
_LONGEST_TITLE = 32  # characters
_BAR_FROM = 70  # cells of a terminal that has room for a bar beside the words
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
    place: TaskID | None = None


class ProgressBar:
    """A `Progress` that draws on a file: a live bar on a terminal, a line for each tenth elsewhere.

    The bar comes after ``delay`` seconds. ``clock`` gives seconds.
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
        self._bar: Bar | None = None
        self._tasks: dict[str, _Task] = {}
        self._first: float | None = None
        self._last_step: tuple[str, int] | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` (None: not known) is done."""
        now = self._clock()
        self._first = now if self._first is None else self._first
        unit, share = str(getattr(what, "unit", "")), getattr(what, "share", None)
        what = sanitize(str(what))
        task = self._tasks.setdefault(what, _Task(now, done))
        text = progress_text(done, total, unit, share, now - task.began, task.start)
        if self._file.isatty():
            if now - self._first >= self._delay:
                self._draw(what, task, text, done / total if total else share)
            return
        step = (what, done * 10 // total if total else int((share or 0) * 10))
        if self._last_step != step:
            self._last_step = step
            self._file.write(f"{what}: {text}\n")
            self._file.flush()

    def _draw(self, what: str, task: _Task, text: str, part: float | None) -> None:
        if self._bar is None:
            self._bar = self._new_bar()
            self._bar.start()
        if task.place is None:
            for other in self._bar.task_ids:  # what is done leaves its place
                self._bar.update(other, visible=False)
            title = what if len(what) <= _LONGEST_TITLE else f"{what[: _LONGEST_TITLE - 1]}…"
            task.place = self._bar.add_task(title, total=None, text="")
        self._bar.update(task.place, completed=part or 0, total=None if part is None else 1, text=text)

    def _new_bar(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
        from rich.table import Column

        console = Console(file=self._file, no_color=not self._color)
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            TextColumn(
                "{task.fields[text]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
        ]
        if console.width >= _BAR_FROM:
            columns.insert(1, BarColumn(bar_width=12))
        return Progress(*columns, console=console, transient=True, expand=True)

    def clear(self) -> None:
        """Take the bar off the screen; the next call starts another."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._tasks, self._last_step, self._first = None, {}, None, None
