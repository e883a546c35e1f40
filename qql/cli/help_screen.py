"""What `qql --help` shows: a screen of 24 lines, which begins with what people want.

All that there is, each command says of itself (`qql COMMAND --help`), and `man qql` has it on one page.
"""

from __future__ import annotations

from textwrap import fill

from qql.cli.commands import COMMANDS
from qql.cli.commands.help import EXIT_CODES

__all__ = ["GROUPS", "STARTS", "help_screen"]

_WIDTH = 80
GROUPS = ("Search", "Scripts", "Measuring", "Data", "Help", "Other")
"""The groups of commands, in the order of the screen."""
STARTS = (
    ("qql", "a prompt; in a pipe, it reads a script"),
    ("qql --db ./data", "a prompt on a database in a directory"),
    ("qql --url localhost:6333", "a prompt on a Qdrant server"),
    ("qql run load.qql --db ./data", "a script"),
    ('qql -c "SHOW COLLECTIONS"', "a statement (--format json for programs)"),
    ("qql query 'red shoes' --from docs", "a search, without writing QQL"),
)
"""What people want at first, and what it is."""
_MORE = (
    ("qql COMMAND --help", "its options, and examples"),
    ("qql help QUERY", "the manual of the language"),
    ("man qql", "all of it on one page"),
)


def help_screen() -> str:
    """The screen, which ends with a newline."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name, command in COMMANDS.items():
        groups.setdefault(command.group, []).append(name)
    lines = [
        "usage: qql [COMMAND] [OPTIONS] [FILE …]",
        "",
        "QQL for Qdrant: multi-stage retrieval pipelines as text.",
        "",
        *_pairs(STARTS),
        "",
        *(f"  {group + ':':10} {', '.join(names)}" for group, names in groups.items() if names),
        "",
        *_pairs(_MORE),
        "",
        *_exit_codes(),
    ]
    return "\n".join(lines) + "\n"


def _exit_codes() -> list[str]:
    codes = ", ".join(f"{code} {meaning.partition(',')[0]}" for code, meaning in EXIT_CODES.items())
    return fill(f"Exit codes: {codes}.", _WIDTH, subsequent_indent="  ").split("\n")


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"  {typed:34} {says}".rstrip() for typed, says in pairs]
