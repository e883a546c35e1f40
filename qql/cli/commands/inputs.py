"""What a command works on: the texts and parameters it is given, and the file it writes to."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from qql.cli.commands.options import Given
from qql.cli.repl import UsageError, parse_value, read_script, reason

__all__ = ["counted", "opened_output", "params_of", "script_of", "scripts_of"]


def params_of(given: Given) -> dict[str, Any] | list[Any]:
    values = {name: parse_value(text) for name, text in given.get("param", {}).items()}
    numbers = {int(name): value for name, value in values.items() if re.fullmatch("[0-9]+", name)}
    if not numbers:
        return values
    if len(numbers) != len(values) or sorted(numbers) != list(range(1, len(values) + 1)):
        raise UsageError.make(
            "usage", "--param requires either names, or the numbers 1, 2, … without a gap for `?`"
        )
    return [numbers[at] for at in sorted(numbers)]


def scripts_of(given: Given) -> list[tuple[str, str]]:
    """The texts to work on, each with its name. Raises `UsageError`."""
    files = given.get("files") or []
    files = [files] if isinstance(files, str) else files
    if ("text" in given) == bool(files):
        what = "either a file or -c TEXT, not both" if files else "a file, `-` for standard input, or -c TEXT"
        raise UsageError.make("usage", f"this command requires {what}")
    if files:
        return [(read_script(file), "<stdin>" if file == "-" else file) for file in files]
    try:
        given["text"].encode()
    except UnicodeEncodeError as exc:  # bytes of an argument that the locale cannot read
        raise UsageError.make("usage", "the text of -c is not UTF-8", hint="use a UTF-8 locale") from exc
    return [(given["text"], "<command>")]


def script_of(given: Given) -> tuple[str, str]:
    return scripts_of(given)[0]


@contextlib.contextmanager
def opened_output(given: Given) -> Iterator[TextIO]:
    if "output" not in given:
        yield sys.stdout
        return
    file = _created(given["output"])
    try:
        yield file
        file.close()
    finally:
        with contextlib.suppress(OSError):  # a full disk has been reported by now
            file.close()


def _created(path: str) -> TextIO:
    try:
        return Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
    except (OSError, ValueError) as exc:
        raise UsageError.make("file-unwritable", f"cannot write {path}: {reason(exc)}") from exc


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
