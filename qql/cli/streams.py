"""`-` among the arguments: standard input where a file is read, standard output where one is written."""

from __future__ import annotations

import os
import sys

from qql.cli.commands import COMMANDS
from qql.cli.commands.options import Arguments
from qql.cli.usage import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.commands import Command

__all__ = ["waits_for", "with_streams"]

_READ = ("setup", "queries", "qrels")
"""Options that name a file to read, beside those of keys, of which one line is read before all else."""
_BY_NAME = ("queries", "qrels")
_STDIN = "/dev/stdin"


def with_streams(args: Arguments) -> Arguments:
    """The arguments with names of files for `-`, where whoever reads them takes names alone.

    Raises `UsageError` where standard input would be read twice.
    """
    files = args.get("files") or ()
    named = [*([files] if isinstance(files, str) else files), *(args[name] for name in _READ if name in args)]
    if named.count("-") > 1:
        raise UsageError.make("usage", "standard input can be read only once")
    if "-" not in named and args.get("output") != "-":
        return args
    found = Arguments(args)
    if found.get("output") == "-":
        del found["output"]
    for name in _BY_NAME if os.name == "posix" else ():
        if found.get(name) == "-":
            found[name] = _STDIN
    return found


def waits_for(command: Command | None, args: Arguments) -> bool:
    """Whether a command reads what a person types at a terminal."""
    files = args.get("files") or ("-" if command is COMMANDS["fmt"] else ())
    named = [*([files] if isinstance(files, str) else files), *(args.get(name) for name in _READ)]
    return ("-" in named or _STDIN in named) and sys.stdin.isatty()
