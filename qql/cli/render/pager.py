"""What does not fit on the screen of who sits in front of it goes through a pager."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from qql.cli.render.terminal import size_of_terminal
from qql.cli.render.wrapping import text_width
from qql.late import late_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, TextIO

__all__ = ["fits_screen", "page_lines", "pager_command"]

_NOT_THERE = (126, 127)
"""What a shell says of a command that it cannot carry out."""
_STYLE = late_pattern("\x1b\\[[0-9;]*m")
_OPTIONS_OF_LESS = "RSFX"
"""Colours as they are, no wrapped lines, no waiting where it fits after all, and it stays on the screen."""


def pager_command(chosen: str) -> str | None:
    """The command of ``on``, ``off`` or a command; None where nothing is to page.

    ``on`` is what QQL_PAGER or PAGER says, or else `less`, where it is installed.
    """
    if chosen != "on":
        return None if chosen == "off" else chosen
    for name in ("QQL_PAGER", "PAGER"):
        if name in os.environ:
            return os.environ[name].strip() or None
    from shutil import which

    return "less" if which("less") else None


def fits_screen(lines: Iterator[str], file: TextIO) -> tuple[list[str], bool]:
    """The lines as far as a screen has room for them, and whether that was all.

    Two lines are left for the prompt. No more lines are made than are looked at.
    """
    columns, height = size_of_terminal(file)
    room, taken = height - 2, []
    for line in lines:
        taken.append(line)
        for part in line.split("\n"):
            room -= max(1, -(-text_width(_STYLE.sub("", part)) // columns))
        if room < 0:
            return taken, False
    return taken, True


def page_lines(command: str, lines: Iterable[str]) -> bool:
    """Give lines to a pager as they come, and wait until it is left; False where there is no such program.

    The user chose the command, so a shell reads it. Ctrl-C is the pager's: here it only ends the writing.
    """
    import subprocess

    environment = {"LESS": _OPTIONS_OF_LESS} | os.environ
    try:
        process = subprocess.Popen(
            command,
            shell=True,
            stdin=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError:
        return False
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError), contextlib.ExitStack() as stack:
        pipe = process.stdin
        assert pipe is not None
        stack.callback(_closed, pipe)
        for line in lines:
            pipe.write(line + "\n")
    while True:
        try:
            return process.wait() not in _NOT_THERE
        except KeyboardInterrupt:
            continue


def _closed(pipe: IO[str]) -> None:
    with contextlib.suppress(OSError):  # the pager was left before the end
        pipe.close()
