"""Keys that the command line is given in a file, or on standard input, where no `ps` shows them."""

from __future__ import annotations

import os
import sys

from qql.cli.commands.options import KEYS, Arguments
from qql.cli.usage import UsageError
from qql.errors import QQLError
from qql.session.files import read_utf8, reason

__all__ = ["known_keys", "read_keys", "visible_keys"]

_ASK = "-"
_MIN_SECRET = 4  # characters; hiding shorter ones would hide words


def read_keys(args: Arguments) -> Arguments:
    """The arguments with keys in place of what says where they are: ``--api-key-file FILE``, ``--api-key -``.

    Raises `UsageError` for a key that is given twice, that is empty, or whose file cannot be read.
    """
    found = Arguments(args)
    for name, file in KEYS.items():
        if name in args and file in args:
            raise UsageError.make("usage", f"{args.flag(name)} and {args.flag(file)} exclude each other")
        if _ASK in (args.get(file), args.get(name)):
            found[name] = _typed(args.flag(name).removeprefix("--").replace("-", " "))
        elif file in args:
            found[name] = _one_line(_content_of(args[file]), args[file])
    return found


def visible_keys(args: Arguments) -> str | None:
    """What is said of keys among the arguments as they were given: others can see those of a process."""
    names = [name for name in KEYS if args.get(name, _ASK) != _ASK]
    if not names:
        return None
    flags, first = ", ".join(map(args.flag, names)), names[0]
    unseen = f"{args.flag(KEYS[first])} FILE, `{args.flag(first)} -` or a variable keeps it unseen"
    return f"note: `ps` shows the value of {flags} to all on this machine; {unseen}"


def known_keys(args: Arguments) -> tuple[str, ...]:
    """What no message may show: keys of the arguments and of the environment, the longest first."""
    keys = {args.get(name) for name in KEYS}
    keys |= {value for name, value in os.environ.items() if name.endswith("API_KEY")}
    return tuple(sorted((key for key in keys if key and len(key) >= _MIN_SECRET), key=len, reverse=True))


def _content_of(path: str) -> str:
    def unreadable(exc: Exception) -> QQLError:
        return UsageError.make("file-unreadable", f"cannot read {path}: {reason(exc)}")

    def not_text(raw: bytes, offset: int) -> QQLError:
        return UsageError.make("file-unreadable", f"{path} holds no key: it is not text")

    return read_utf8(path, unreadable=unreadable, not_text=not_text, streams=True)


def _one_line(text: str, path: str) -> str:
    key = text.strip()
    if not key or len(key.splitlines()) > 1:
        found = "several lines" if key else "nothing"
        raise UsageError.make("usage", f"{path} holds {found}; a file of a key holds the key alone")
    return key


def _typed(what: str) -> str:
    """The next line of standard input, which is not shown where a person types it."""
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            line = getpass(f"{what}: ")
        except EOFError:
            line = ""
    else:
        raw = getattr(sys.stdin, "buffer", sys.stdin).readline()
        line = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    if not line.strip():
        raise UsageError.make("usage", f"standard input holds no {what}")
    return line.strip()
