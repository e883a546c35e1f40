"""Where results go that do not go to the terminal: a file, or the input of a command."""

from __future__ import annotations

import contextlib
import io

from qql.cli.commands.options import Arguments
from qql.cli.commands.output import format_of, open_output
from qql.cli.render import Renderer, sanitize
from qql.cli.usage import UsageError
from qql.late import cast
from qql.session.files import from_home, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import IO, TextIO

__all__ = ["Output"]


class Output:
    """Sends the results of a renderer to ``where``, a file or ``| command``, until `end`.

    With ``once`` they go there for one time. The name of a file says its format, as that of ``-o`` does.
    Raises `UsageError` where nothing can be written there.
    """

    def __init__(self, where: str, renderer: Renderer, *, once: bool = False) -> None:
        self.where = where
        self.once = once
        self._before = renderer.file, renderer.color, renderer.width, renderer.format
        self._opened = contextlib.ExitStack()
        self._command: Popen[str] | None = None
        if where.startswith("|"):
            self._start(where[1:].strip(), renderer)
        else:
            named = Arguments(output=from_home(where))
            renderer.begin(self._opened.enter_context(open_output(named, renderer)))
            renderer.format = format_of(named, renderer.format)
        renderer.color, renderer.width = False, None
        self._format = renderer.format

    def _start(self, command: str, renderer: Renderer) -> None:
        import subprocess

        if not command:
            raise UsageError.make("usage", "a command is required behind `|`", hint=r"as in `\o | head`")
        try:
            self._command = subprocess.Popen(
                command, shell=True, stdin=subprocess.PIPE, encoding="utf-8", errors="backslashreplace"
            )
        except OSError as exc:
            raise UsageError.make("command-failed", f"cannot run a shell: {reason(exc)}") from exc
        assert self._command.stdin is not None
        renderer.begin(cast("TextIO", _Input(self._command.stdin)))

    def end(self, renderer: Renderer) -> None:
        """Results go where they went before. Raises `UsageError` where the file, or the command, failed."""
        file = renderer.file
        renderer.file, renderer.color, renderer.width, chosen = self._before
        if renderer.format == self._format:  # else it was chosen since
            renderer.format = chosen
        try:
            file.close()
            self._opened.close()
        except OSError as exc:
            message = f"cannot write {sanitize(self.where)}: {reason(exc)}"
            raise UsageError.make("file-unwritable", message) from exc
        if self._command is not None and self._command.wait():
            message = f"`{sanitize(self.where)[:80]}` ended with {self._command.returncode}"
            raise UsageError.make("command-failed", message)


class _Input(io.TextIOBase):
    """The input of a command, which may stop to read: what it does not want is no fault of a statement."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with contextlib.suppress(BrokenPipeError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):  # of a file that is closed
            self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._file.close()
