"""An entry of the manual, and what is derived for it: its synopsis and the lines of its options."""

from __future__ import annotations

from qql.compiler.options.table import Check, Settings
from qql.manual.synopsis import placeholder, synopsis
from qql.records import dataclass
from qql.rest.limits import U32

__all__ = ["GROUPS", "Entry", "OptionLine", "option_lines", "syntax"]

GROUPS = {
    "statements": "Statements",
    "targets": "Targets: what QUERY searches for",
    "clauses": "Clauses",
    "filters": "Filters: the conditions of WHERE",
    "formulas": "Formulas",
    "options": "Options",
    "values": "Names, values and parameters",
    "limits": "Limits",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    ``rules`` are those of the grammar that it is about, in the order of their synopses; ``where`` further
    rules that the synopses name; ``covers`` rules that it speaks of without showing them (all separated by
    spaces). ``form`` is the synopsis where the rules give none. ``tables`` are option tables with the name
    of each. ``also`` are other spellings of the last statement of ``example``, and mean the same. ``words``
    are further words to find it by. An example ``varies`` where no two runs give the same, and is
    ``refused`` by the embedded engine where it takes a server.
    """

    group: str
    name: str
    rules: str
    text: str
    example: str
    where: str = ""
    covers: str = ""
    form: str = ""
    tables: tuple[tuple[str, Settings], ...] = ()
    also: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    varies: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class OptionLine:
    """An option: its name, what it takes, and its default ("" where it is not known)."""

    name: str
    takes: str
    default: str


def option_lines(table: Settings) -> list[OptionLine]:
    """The options of a table, as they declare themselves."""
    return [OptionLine(one.name, one.takes or _accepted(one.check), one.shown) for one in table.values()]


_UNSAID_BOUNDS = (f" to {U32}", f" to {2**63 - 1}", " of at least -inf")
"""Bounds that are those of the type of a number, which no reader needs."""


def _accepted(check: Check) -> str:
    """What a check takes, in the words in which it refuses a value that no option takes."""
    try:
        check(object())
    except ValueError as exc:
        accepted = str(exc)
        for bound in _UNSAID_BOUNDS:
            accepted = accepted.replace(bound, "")
        return accepted
    return "anything"


def syntax(entry: Entry) -> str:
    """The synopsis of an entry, and of what it names."""
    lines = entry.form.splitlines() or [line for rule in entry.rules.split() for line in synopsis(rule)]
    for rule in entry.where.split():
        lines += ["", f"where {placeholder(rule)} is"]
        lines += [f"    {line}" for line in synopsis(rule)]
    return "\n".join(lines)
