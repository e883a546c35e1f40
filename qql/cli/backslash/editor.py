"""A text in the user's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from qql.cli.usage import UsageError
from qql.session.files import reason

__all__ = ["edit"]

_HINT = "EDITOR names one, as in `EDITOR=nano qql`"


def edit(text: str) -> str:
    """The text as the user's editor leaves it, without the line end that editors add.

    It is what VISUAL or EDITOR names, else vi. Its file is one that nobody else can read, and is gone
    afterwards. Raises `UsageError` ``no-editor`` where there is none, where it fails (then nothing of the
    text is taken), and where what it left cannot be read.
    """
    command = _command()
    handle, name = tempfile.mkstemp(suffix=".qql", prefix="qql-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.write(text)
        try:
            code = subprocess.run([*command, name]).returncode
        except OSError as exc:
            message = f"cannot start {command[0]}: {reason(exc)}"
            raise UsageError.make("no-editor", message, hint=_HINT) from exc
        if code:
            message = f"{command[0]} ended with {code}; the text stays as it was"
            raise UsageError.make("no-editor", message)
        return Path(name).read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, ValueError) as exc:
        raise UsageError.make("no-editor", f"what was edited cannot be read: {reason(exc)}") from exc
    finally:
        Path(name).unlink(missing_ok=True)


def _command() -> list[str]:
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        return shlex.split(named) or ["vi"]
    except ValueError:  # open quotes: then it is the name of a program
        return [named]
