"""How far a long statement is: a live bar on a terminal, a few lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from qql.cli.render.terminal import sanitize

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["ProgressBar"]


def _count_text(done: int, total: int | None) -> str:
    return f"{done:,} of {total:,}" if total else f"{done:,}"


class ProgressBar:
    """A `Progress` that draws on a file: a live bar on a terminal, a line for each tenth elsewhere."""

    def __init__(self, file: TextIO, *, color: bool = False) -> None:
        self._file = file
        self._color = color
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last_step: tuple[str, int] | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` (None: not known) is done."""
        what = sanitize(what)
        if self._file.isatty():
            self._draw(what, done, total)
        elif self._last_step != (step := (what, done * 10 // total if total else 0)):
            self._last_step = step
            self._file.write(f"{what}: {_count_text(done, total)}\n")
            self._file.flush()

    def _draw(self, what: str, done: int, total: int | None) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[done]}", markup=False),
                TimeElapsedColumn(),
                console=Console(file=self._file, no_color=not self._color),
                transient=True,
            )
            self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total, done="")
        self._bar.update(self._tasks[what], completed=done, total=total, done=_count_text(done, total))

    def clear(self) -> None:
        """Take the bar off the screen; the next call starts another."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._tasks, self._last_step = None, {}, None
