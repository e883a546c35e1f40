"""Where results and errors go, and how they look there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable

from qql.cli.render.diagnostics import render_diagnostics, render_error
from qql.cli.render.terminal import can_encode, json_text, paint, sanitize
from qql.cli.render.wrapping import wrap_line
from qql.errors import Diagnostic, QQLError, QQLExecutionError
from qql.records import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from qql.cli.render.formats import View
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
    error_format: str = "text"
    _results_shown: int = field(default=0, init=False)

    def show(self, result: Result) -> None:
        """Write a result. Raises as `put` does, and KeyError for an unknown format."""
        from qql.cli.render.formats import FORMATS

        if result.kind == "message" and (self.quiet or self.apart):
            self._note_message(result)
        else:
            if self._results_shown and self.format in ("csv", "markdown"):
                self.put("")  # two tables in a row would read as one
            self._results_shown += 1
            plain = self.plain and result.kind == "text" and not result.rows
            self._write(FORMATS["table" if plain else self.format](result, self._view()))
        self.warn(result.warnings)

    def _note_message(self, result: Result) -> None:
        """The message of a statement, where notes go."""
        from qql.cli.render.formats import FORMATS

        for line in FORMATS["table"](result, replace(self._view(), color=False)):
            self.note(line)

    def put(self, *lines: str) -> None:
        """Write lines as they are.

        Raises `QQLExecutionError` where the file does not take them, BrokenPipeError where nobody reads it.
        """
        self._write(lines)

    def _write(self, lines: Iterable[str]) -> None:
        """Write lines as they come, so that they need not be in memory together. Raises as `put` does."""
        try:
            self.file.writelines(line + "\n" for line in lines)
            self.file.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise QQLExecutionError.make(
                "output-unwritable", f"cannot write results: {exc.strerror}"
            ) from exc

    def put_text(self, *lines: str) -> None:
        """Write lines for people, the long ones wrapped at their indent. Raises as `put` does."""
        self.put(*(part for line in lines for part in wrap_line(line, self.line_width)))

    def put_json(self, value: object, *, indent: int | None = 2) -> None:
        """Write a value as JSON, on one line where ``indent`` is None. Raises as `put` does."""
        self.put(json_text(value, ascii_only=self.ascii_only, indent=indent))

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
        if self.quiet:
            return
        if self.error_format == "json":
            self._write_objects([Diagnostic("note", text, severity="note")])
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
        with contextlib.suppress(BrokenPipeError):  # nobody reads it; the results may still be wanted
            to.write(text + "\n")
            to.flush()

    def _view(self) -> View:
        from qql.cli.render.formats import View

        return View(self.line_width, self.color, self.ascii_only, self.file.isatty(), self.timing)

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
        import shutil

        return shutil.get_terminal_size().columns
    said = os.environ.get("COLUMNS", "") if file in (sys.stdout, sys.stderr) else ""
    return int(said) if said.isdecimal() and 0 < int(said) < 100_000 else None


def render(
    result: Result, format: str, *, width: int | None = None, color: bool = False, file: TextIO | None = None
) -> None:
    """Write one result in one of the `FORMATS` (to standard output unless a file is given)."""
    Renderer(file or sys.stdout, format, width, color, err_color=color).show(result)
