"""What is typed, taken elsewhere: to the user's editor, and to the formatter."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from qql.cli.usage import UsageError
from qql.session.files import reason

__all__ = ["edit", "laid_out"]

_USUAL = ("sensible-editor", "editor", "nano", "vi")
"""What is tried where neither VISUAL nor EDITOR names one."""


def edit(text: str) -> str:
    """The text as the user's editor leaves it, without the line end that editors add.

    It stands in a file that only the user can read, and that is gone afterwards. Raises `UsageError`
    (``no-editor``) where no editor can be started, or it ends with a fault: the text is to stay as it was.
    """
    command = _editor()
    handle, name = tempfile.mkstemp(suffix=".qql", prefix="qql-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.write(text)
        code = _run([*command, name])
        if code:
            raise UsageError.make("no-editor", f"{command[0]} ended with code {code}; the text is as it was")
        found = Path(name).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        raise UsageError.make("no-editor", f"what the editor left cannot be read: {reason(exc)}") from exc
    finally:
        Path(name).unlink(missing_ok=True)
    return found.removesuffix("\n")


def _editor() -> list[str]:
    import shutil

    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if named:
        try:
            return shlex.split(named) or [named]
        except ValueError:
            return [named]
    found = next((name for name in _USUAL if shutil.which(name)), None)
    if found is None:
        raise UsageError.make("no-editor", "there is no editor", hint="the variable EDITOR names one")
    return [found]


def _run(command: list[str]) -> int:
    try:
        return subprocess.run(command, check=False).returncode
    except OSError as exc:
        hint = "the variable VISUAL or EDITOR names one that is there"
        raise UsageError.make("no-editor", f"cannot start {command[0]}: {reason(exc)}", hint=hint) from exc


def laid_out(text: str) -> str:
    """The statements of a text as `qql fmt` lays them out. Raises `QQLSyntaxError`, `QQLScriptError`.

    One that has no `;` yet gets none, so that it can go on.
    """
    from qql.syntax.formatter import format_script
    from qql.syntax.parser import is_complete

    if not text.strip():
        return text
    found = format_script(text).rstrip("\n")
    return found if is_complete(text) else found.removesuffix(";")
