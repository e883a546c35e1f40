"""`qql fmt`: scripts in the canonical spelling."""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path

from qql.cli.commands.inputs import counted
from qql.cli.commands.options import REWRITING, Given
from qql.cli.render import Renderer, sanitize
from qql.cli.repl import UsageError, read_script, reason
from qql.errors import QQLError

__all__ = ["fmt"]

_CRASHED = 70


def fmt(given: Given, console: Renderer) -> int:
    files = given.get("files") or ["-"]
    if "check" in given and "write" in given:
        raise UsageError.make("usage", "--check and --write exclude each other")
    if "write" in given and "-" in files:
        raise UsageError.make("usage", "--write requires files, and standard input is none")
    codes, changed = [0], 0
    for file in files:
        try:
            changed += _formatted(file, given, console)
        except BrokenPipeError:
            raise
        except QQLError as error:
            if error.code == "output-unwritable":
                raise
            console.error(error)
            codes.append(error.exit_code)
        except Exception as fault:  # the other files are none the worse for it
            console.crash(fault)
            codes.append(_CRASHED)
    if {*REWRITING} & given.keys():
        would = "would change" if "check" in given else "rewritten"
        console.note(f"{counted(len(files), 'script')}: {changed} {would}")
    return max(*codes, int("check" in given and changed > 0))


def _formatted(file: str, given: Given, console: Renderer) -> bool:
    """Format one script as the command line says. Gives whether it changed."""
    from qql.syntax.formatter import format_script

    name = "<stdin>" if file == "-" else file
    if file != "-" and Path(file).is_dir():
        hint = f"name its scripts: qql fmt {file.rstrip('/')}/*.qql"
        raise UsageError.make("file-unreadable", f"{file} is a directory", hint=hint)
    text = read_script(file)
    new = format_script(text, name=name)
    if "write" in given and new != text:
        _rewrite(Path(file), new)
    elif "check" in given and new != text:
        console.put(sanitize(name))
    elif not {*REWRITING} & given.keys() and new:
        written = new.removesuffix("\n")  # as it is: it may go into a file
        console.put(sanitize(written, newline="\n") if sys.stdout.isatty() else written)
    return new != text


def _rewrite(path: Path, text: str) -> None:
    """Replace a file's text, all of it or nothing; permissions and a byte-order mark remain."""
    try:
        path = path.expanduser().resolve()  # a link remains a link
        mark = path.read_bytes()[:3]
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write((mark if mark == codecs.BOM_UTF8 else b"") + text.encode())
            shutil.copymode(path, fresh)
            Path(fresh).replace(path)
        except BaseException:
            Path(fresh).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise UsageError.make("file-unwritable", f"cannot write {path}: {reason(exc)}") from exc
