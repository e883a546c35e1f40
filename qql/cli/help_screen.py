"""What `qql --help` shows: a screen of 24 lines, which begins with what people want.

All that there is, each command says of itself (`qql COMMAND --help`), and `man qql` has it on one page.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from qql.cli.commands import COMMANDS
from qql.cli.commands.help import EXIT_CODES

__all__ = ["GROUPS", "STARTS", "help_screen"]

_WIDTH, _NARROWEST = 80, 20
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
    ("qql help QUERY, man qql", "the manual of the language; all on one page"),
)


def help_screen(width: int = _WIDTH) -> str:
    """The screen, which ends with a newline. On one narrower than 80 columns its lines are broken."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name, command in COMMANDS.items():
        groups.setdefault(command.group, []).append(name)
    codes = ", ".join(f"{code} {meaning.partition(',')[0]}" for code, meaning in EXIT_CODES.items())
    width = max(min(width, _WIDTH), _NARROWEST)
    lines = [
        "usage: qql [COMMAND] [OPTIONS] [FILE …]",
        "",
        *wrap("QQL for Qdrant: multi-stage retrieval pipelines as text.", width),
        "",
        *_pairs(STARTS, width),
        "",
        *_pairs([(f"{group}:", ", ".join(names)) for group, names in groups.items() if names], width, 10),
        "",
        *_pairs(_MORE, width),
        "",
        *wrap(f"Exit codes: {codes}.", width, subsequent_indent="  "),
    ]
    return "\n".join(lines) + "\n"


def _pairs(pairs: Iterable[tuple[str, str]], width: int, column: int = 34) -> list[str]:
    """What is typed and what it is, side by side where both have room."""
    lines: list[str] = []
    for typed, says in pairs:
        if width < _WIDTH:
            lines += [f"  {typed}", *wrap(says, width, initial_indent="    ", subsequent_indent="    ")]
        else:
            indent = " " * (column + 3)
            lines += wrap(says, width, initial_indent=f"  {typed:{column}} ", subsequent_indent=indent)
    return lines
