"""Where a command writes, and in which format."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from qql.cli.commands.options import Arguments
from qql.cli.render import Renderer, wants_color
from qql.cli.usage import UsageError
from qql.session.files import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["format_of", "is_format_named", "open_output", "pluralize", "use_color"]


@contextlib.contextmanager
def open_output(args: Arguments, console: Renderer) -> Iterator[TextIO]:
    """The file of ``-o``, or standard output; results go there. Raises `UsageError`."""
    if "output" not in args:
        console.file = sys.stdout
        yield sys.stdout
        return
    console.file = file = _create_file(args["output"])
    try:
        yield file
        file.close()
    finally:
        with contextlib.suppress(OSError):  # a full disk has been reported by now
            file.close()


def _create_file(path: str) -> TextIO:
    from pathlib import Path

    try:
        return Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
    except (OSError, ValueError) as exc:
        raise UsageError.make("file-unwritable", f"cannot write {path}: {reason(exc)}") from exc


def format_of(args: Arguments, default: str) -> str:
    """The value of ``--format``; else the format that the suffix of ``-o`` names, or ``default``."""
    named: str | None = args.get("format")
    if named or "output" not in args:
        return named or default
    from pathlib import Path

    from qql.cli.render.formats import FORMATS

    suffix = Path(args["output"]).suffix.lower()
    return next((one.name for one in FORMATS.values() if suffix in one.suffixes), default)


def is_format_named(args: Arguments) -> bool:
    """Whether ``--format`` or the suffix of ``-o`` says how results are to look."""
    return bool(format_of(args, ""))


def use_color(args: Arguments, file: TextIO) -> bool:
    """Whether to colour what goes to a file."""
    return args.get("color", True) and wants_color(file)


def pluralize(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
