"""Where results and errors go, and how they look there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from qql.cli.render.diagnostics import render_diagnostics, render_error
from qql.cli.render.terminal import (
    can_encode,
    guarded,
    is_dumb,
    json_text,
    paint,
    sanitize,
    size_of_terminal,
)
from qql.cli.render.wrapping import wrap_line
from qql.errors import Diagnostic, QQLError, QQLExecutionError, fail
from qql.records import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TextIO

    from qql.cli.render.formats import Format, View
    from qql.rest.types import Json
    from qql.result import Result

__all__ = ["FOR_PEOPLE", "Renderer", "render"]

FOR_PEOPLE = ("table", "vertical")
"""The formats among which messages and warnings may stand."""


@dataclass(slots=True)
class Renderer:
    """Where results go and how they look; a prompt changes the fields while it runs.

    ``width`` is in terminal cells (None: that of the terminal; of a pipe what COLUMNS says; no limit
    elsewhere). Warnings and errors go to ``err`` or else to ``file``, but never a warning among the lines of
    a machine format. ``quiet`` leaves out notes, and the messages of statements that only do something.
    ``apart`` sends those messages to ``err``, so that programs read nothing but data; ``plain`` shows texts
    (EXPLAIN) as they are, whatever the format is.
    With the ``error_format`` json, each error, warning and note is an object on a line.
    ``secrets`` are texts that no error shows, whatever a library put into its message.

    Where somebody sits there (``interactive``, and the file is a terminal), what does not fit on the screen
    goes through ``pager`` (``on``: that of the environment, ``off``, or a command), and of a result there are
    the first ``most_rows``. ``expanded`` shows what would be a table vertically: ``on``, ``off``, or
    ``auto``, where the table would not show all of it.
    """

    file: TextIO
    format: str = "table"
    width: int | None = None
    color: bool = False
    timing: bool = True
    quiet: bool = False
    apart: bool = False
    plain: bool = False
    err: TextIO | None = None
    err_color: bool = False
    secrets: tuple[str, ...] = ()
    interactive: bool = False
    pager: str = "on"
    most_rows: int = 1000
    expanded: str = "off"
    error_format: str = "text"
    _results_shown: int = field(default=0, init=False)

    def show(self, result: Result, *, full: bool = False) -> None:
        """Write a result; of a long one the beginning, where somebody sits there, unless ``full``.

        Raises as `put` does, KeyError for an unknown format, and `QQLExecutionError` ``wrong-format`` where
        the format cannot hold the result.
        """
        from qql.cli.render.formats import FORMATS

        plain = self.plain and result.kind == "text" and not result.rows
        form = FORMATS["table" if plain else self._expanded_format]
        if result.kind == "message" and (self.quiet or self.apart or not form.messages):
            self._note_message(result)
            self.warn(result.warnings)
            return
        self._results_shown += 1
        if form.content:
            self._put_content(form.name, form.content(result))
        else:
            self._show_lines(form, result, full)
        self.warn(result.warnings)

    @property
    def _expanded_format(self) -> str:
        return "vertical" if self.format == "table" and self.expanded == "on" else self.format

    def _show_lines(self, form: Format, result: Result, full: bool) -> None:
        from qql.cli.render.formats import ALL_ROWS

        if self._results_shown > 1 and form.name in ("csv", "markdown"):
            self.put("")  # two tables in a row would read as one
        view = self._view()
        if self._is_watched and not full and len(result) > self.most_rows:
            from qql.cli.render.brief import first_rows

            view = replace(view, rows=len(result))
            result = first_rows(result, self.most_rows)
        self._put_paged(lambda: form.lines(result, view))
        if view.nulls:
            self.warn([_nulls_said(len(view.nulls))])
        if view.rows is not None and form.name not in FOR_PEOPLE:
            self.note(f"the first {len(result):,} of {view.rows:,} rows; `{ALL_ROWS}` shows all")

    @property
    def _is_watched(self) -> bool:
        """Whether somebody sits in front of it."""
        return self.interactive and self.file.isatty()

    def _put_paged(self, make: Callable[[], Iterable[str]]) -> None:
        """Write lines, through the pager where somebody sits there and they do not fit on the screen.

        ``make`` gives the lines; once more where there is no such pager.
        """
        command = None
        if self._is_watched and not is_dumb():
            from qql.cli.render.pager import fits_screen, page_lines, pager_command

            command = pager_command(self.pager)
        if command is None:
            self._write(make())
            return
        lines = iter(make())
        first, fits = fits_screen(lines, self.file)
        if fits:
            self._write(first)
        elif not page_lines(command, (guarded(line, self.color) for line in chain(first, lines))):
            self.note(f"there is no pager {command}")
            self._write(make())

    def check(self) -> None:
        """Raises `QQLExecutionError` ``wrong-format`` where the format is no text and the file a terminal."""
        from qql.cli.render.formats import FORMATS

        if self.file.isatty() and FORMATS[self.format].content:
            message = f"{self.format} is no text, and this is a terminal"
            _refuse(message, f"-o FILE.{self.format} writes a file, `>` too")

    def _put_content(self, format: str, content: bytes) -> None:
        """Write what is no text. Raises `QQLExecutionError` ``wrong-format``, and as `put` does."""
        self.check()
        if self._results_shown > 1:
            _refuse(
                f"a file of {format} holds one result, and this is the second", "run the statements apart"
            )
        with self._told_faults():
            self.file.flush()
            self.file.buffer.write(content)
            self.file.flush()

    def _note_message(self, result: Result) -> None:
        """The message of a statement, where notes go."""
        from qql.cli.render.formats import FORMATS

        for line in FORMATS["table"].lines(result, replace(self._view(), color=False)):
            self.note(line)

    def begin(self, file: TextIO) -> None:
        """Write to another file from here on, as if nothing had been written before."""
        self.file, self._results_shown = file, 0

    def put(self, *lines: str) -> None:
        """Write lines as they are.

        Raises `QQLExecutionError` where the file does not take them, BrokenPipeError where nobody reads it.
        """
        self._write(lines)

    def _write(self, lines: Iterable[str]) -> None:
        """Write lines as they come, so that they need not be in memory together. Raises as `put` does."""
        with self._told_faults():
            if self.file.isatty():
                lines = (guarded(line, self.color) for line in lines)
            self.file.writelines(line + "\n" for line in lines)
            self.file.flush()

    @contextlib.contextmanager
    def _told_faults(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise QQLExecutionError.make(
                "output-unwritable", f"cannot write results: {exc.strerror}"
            ) from exc

    def put_text(self, *lines: str) -> None:
        """Write lines for people, the long ones wrapped at their indent. Raises as `put` does."""
        wrapped = [part for line in lines for part in wrap_line(line, self.line_width)]
        self._put_paged(lambda: wrapped)

    def put_json(self, value: object, *, indent: int | None = 2) -> None:
        """Write a value as JSON, on one line where ``indent`` is None. Raises as `put` does."""
        nulls: list[float] = []
        on_screen = self.file.isatty()
        text = json_text(value, ascii_only=self.ascii_only, indent=indent, on_screen=on_screen, nulls=nulls)
        self.put(text)
        if nulls:
            self.warn([_nulls_said(len(nulls))])

    @property
    def ascii_only(self) -> bool:
        """Whether the file's encoding lacks most characters."""
        return not can_encode(self.file, "…─│é")

    def warn(self, warnings: Iterable[Diagnostic]) -> None:
        """Write diagnostics where warnings go."""
        if self.error_format == "json":
            self._write_objects(warnings)
        elif self.err is not None or self.format in FOR_PEOPLE:
            self._write_message(render_diagnostics(warnings, color=self.err_color, width=self._message_width))

    def error(self, error: QQLError) -> None:
        """Write an error."""
        if self.error_format == "json":
            self._write_objects(error.diagnostics)
            return
        self._write_message(render_error(error, color=self.err_color, width=self._message_width))

    def note(self, text: str) -> None:
        """Write a remark, unless quiet."""
        if not self.quiet:
            self.remark(text)

    def remark(self, text: str, code: str = "note") -> None:
        """Write a remark that was asked for; among objects it has this code."""
        if self.error_format == "json":
            self._write_objects([Diagnostic(code, text, severity="note")])
        else:
            lines = sanitize(text, newline="\n").split("\n")
            wrapped = "\n".join(part for line in lines for part in wrap_line(line, self._message_width))
            self._write_message(paint(wrapped, "faint", self.err_color))

    def crash(self, fault: BaseException) -> None:
        """Write one line about a fault of this program, below its traceback with QQL_DEBUG=1."""
        notes = getattr(fault, "__notes__", ())
        summary = sanitize("; ".join([f"{type(fault).__name__}: {fault}", *notes]))
        if os.environ.get("QQL_DEBUG") == "1":
            import traceback

            self._write_message(sanitize("".join(traceback.format_exception(fault)).rstrip(), newline="\n"))
        if self.error_format == "json":
            hint = "this is a fault of qql, please report it; QQL_DEBUG=1 shows where"
            self._write_objects([Diagnostic("internal-error", summary, hint=hint)])
            return
        self._write_message(
            f"internal error: {summary} (a fault of qql, please report it; QQL_DEBUG=1 shows where)"
        )

    def _write_objects(self, told: Iterable[Diagnostic]) -> None:
        from qql.cli.render.error_objects import error_object

        for one in told:
            found = {name: self._public(value) for name, value in error_object(one).items()}
            self._write_message(json_text(found, ascii_only=True, indent=None))

    def _public(self, value: Json) -> Json:
        """A value without secrets, which could be told no more where JSON writes a character otherwise.

        It stays as long as it was: there are spans of it.
        """
        if isinstance(value, str):
            for secret in self.secrets:
                value = value.replace(secret, "*" * len(secret))
        return value

    def _write_message(self, text: str) -> None:
        if not text:
            return
        for secret in self.secrets:
            text = text.replace(secret, "***")
        to = self.err or self.file
        if to.isatty():
            text = guarded(text, self.err_color)
        with contextlib.suppress(BrokenPipeError):  # nobody reads it; the results may still be wanted
            to.write(text + "\n")
            to.flush()

    def _view(self) -> View:
        from qql.cli.render.formats import View

        terminal = self.file.isatty()
        whole = (self.width is None and not terminal) or (terminal and self.expanded == "auto")
        number = max(self._results_shown, 1)
        return View(
            *(self.line_width, self.color, self.ascii_only, terminal, self.timing), whole=whole, number=number
        )

    @property
    def line_width(self) -> int | None:
        """The cells that a line of results may have; None: no limit."""
        return self.width or _width_of(self.file)

    @property
    def _message_width(self) -> int | None:
        return self.width or _width_of(self.err or self.file)


def _width_of(file: TextIO) -> int | None:
    """The width of a terminal, or of our own output to a pipe the one that COLUMNS says; else None."""
    if file.isatty():
        return size_of_terminal(file)[0]
    said = os.environ.get("COLUMNS", "") if file in (sys.stdout, sys.stderr) else ""
    return int(said) if said.isdecimal() and 0 < int(said) < 100_000 else None


def _nulls_said(count: int) -> Diagnostic:
    numbers = "1 number is" if count == 1 else f"{count:,} numbers are"
    message = f"{numbers} NaN or infinite, which JSON cannot say: null stands there"
    hint = "--format csv writes them out"
    return Diagnostic("not-a-number", message, hint=hint, severity="warning")


def _refuse(message: str, hint: str) -> NoReturn:
    fail("wrong-format", message, hint=hint, error=QQLExecutionError)


def render(
    result: Result, format: str, *, width: int | None = None, color: bool = False, file: TextIO | None = None
) -> None:
    """Write one result in one of the `FORMATS` (to standard output unless a file is given)."""
    Renderer(file or sys.stdout, format, width, color, err_color=color).show(result)
