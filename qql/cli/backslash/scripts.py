"""Scripts that the prompt runs, with commands between their statements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from qql.cli.backslash.table import COMMANDS
from qql.cli.usage import UsageError, script_file
from qql.errors import QQLCompileError, QQLScriptError, QQLSyntaxError, Source, Span, did_you_mean
from qql.late import late_pattern
from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

__all__ = ["Part", "parts_of", "require_sound", "run_file", "run_parts"]

_COMMAND_LINE = late_pattern(r"^[ \t]*(\\[^\r\n]*)", re.M)
_DEEPEST = 16
"""Scripts that run each other."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a script: a line with a command, or the statements between two of them."""

    source: Source
    is_command: bool


def run_file(shell: Shell, path: str) -> None:
    """Run a script: its statements, and the commands on lines of their own (in one of at most 1 MiB).

    Nothing is sent where it does not parse, or names a command that there is not. Raises `UsageError`, and
    what `Shell.run` does.
    """
    if len(shell.scripts) >= _DEEPEST:
        raise UsageError.make(
            "too-deep", f"more than {_DEEPEST} scripts run each other, the last one is {path}"
        )
    script = script_file(path)
    first = list(islice(script, 2))
    shell.scripts.append(path)
    try:
        if len(first) == 1 and "\\" in first[0].text:
            parts = list(parts_of(first[0]))
            require_sound(parts)
            run_parts(shell, parts)
        else:
            shell.run(script, some=True)
    finally:
        shell.scripts.pop()


def run_parts(shell: Shell, parts: list[Part]) -> bool:
    """Carry out the parts in their order. False: one of them said that it is enough. Raises `QQLError`."""
    for part in parts:
        if not part.is_command:
            shell.run_typed(part.source)
        elif not shell.command(part.source.text):
            return False
    return True


def parts_of(source: Source) -> Iterator[Part]:
    """The parts of a script. A line begins a command with ``\\``, outside of strings, comments and BATCH."""
    from qql.syntax.parser import is_complete

    text, at = source.text, 0
    for found in _COMMAND_LINE.finditer(text):
        before = text[at : found.start()]
        if before.strip("\ufeff \t\r\n") and not is_complete(f"{before}\n;"):
            continue
        if before.strip("\ufeff \t\r\n"):
            yield Part(_piece(source, at, found.start()), False)
        yield Part(_piece(source, found.start(1), found.end()), True)
        at = found.end()
    if text[at:].strip():
        yield Part(_piece(source, at, len(text)), False)


def _piece(source: Source, start: int, end: int) -> Source:
    """A part of a script's text that knows its place there."""
    line, column = source.position(start)
    before = source.text[source.text.rfind("\n", 0, start) + 1 : start] if column > 1 else ""
    return Source(source.text[start:end], source.name, line, column, before)


def require_sound(parts: list[Part]) -> None:
    """Raises the first error of each statement that does not parse, and of each command that is unknown."""
    from qql.syntax.parser import parse_script

    errors: list[QQLCompileError] = []
    for part in parts:
        if not part.is_command:
            errors += parse_script(part.source)[1]
            continue
        word = part.source.text.split()[0].rstrip(";")
        if word not in COMMANDS:
            hint = did_you_mean(word, COMMANDS) or r"`\?` lists the commands"
            wrong = QQLSyntaxError.make("unknown-command", f"there is no command {word}", hint=hint)
            error = wrong.at(part.source, Span(0, len(word)))
            assert isinstance(error, QQLCompileError)
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise QQLScriptError(*(one for error in errors for one in error.diagnostics))
