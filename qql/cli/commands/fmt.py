"""`qql fmt`: scripts in the canonical spelling."""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path

from qql.cli.commands.options import REWRITING, Arguments
from qql.cli.commands.output import pluralize
from qql.cli.commands.scripts import refuse_directory
from qql.cli.render import Renderer, sanitize
from qql.cli.usage import UsageError, read_script
from qql.errors import QQLError
from qql.session.files import reason

__all__ = ["fmt"]

_CRASHED = 70


def fmt(args: Arguments, console: Renderer) -> int:
    files = args.get("files") or ["-"]
    if "check" in args and "write" in args:
        raise UsageError.make("usage", "--check and --write exclude each other")
    if "write" in args and "-" in files:
        raise UsageError.make("usage", "--write requires files, and standard input is none")
    codes, changed = [0], 0
    for file in files:
        try:
            changed += _format_file(file, args, console)
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
    if {*REWRITING} & args.keys():
        would = "would change" if "check" in args else "rewritten"
        console.note(f"{pluralize(len(files), 'script')}: {changed} {would}")
    return max(*codes, int("check" in args and changed > 0))


def _format_file(file: str, args: Arguments, console: Renderer) -> bool:
    """Format one script as the command line says. Gives whether it changed."""
    from qql.syntax.formatter import format_script

    name = "<stdin>" if file == "-" else file
    refuse_directory(file, "fmt")
    text = read_script(file)
    new = format_script(text, name=name)
    if "write" in args and new != text:
        _replace_text(Path(file), new)
    elif "check" in args and new != text:
        console.put(sanitize(name))
    elif not {*REWRITING} & args.keys() and new:
        script = new.removesuffix("\n")  # as it is: it may go into a file
        console.put(sanitize(script, newline="\n") if sys.stdout.isatty() else script)
    return new != text


def _replace_text(path: Path, text: str) -> None:
    """Replace a file's text, all of it or nothing; permissions and a byte-order mark remain."""
    try:
        path = path.expanduser().resolve()  # a link remains a link
        with path.open("rb") as old:
            mark = old.read(len(codecs.BOM_UTF8))
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
