"""Looking things up in the manual: which entries words are about, and the text that ``qql help`` prints."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from qql.errors import did_you_mean
from qql.manual.entries import ENTRIES
from qql.manual.entry import GROUPS, Entry, OptionLine, option_lines, syntax

__all__ = ["contents_text", "entry_text", "find", "suggestion", "text_about"]

# --- finding ----------------------------------------------------------------------------------------------


def find(words: str) -> list[Entry]:
    """The entries that words are about, whatever their case: by name, then by what else they are found by."""
    query = _normalized(words)
    for matches in (_matches_name, _matches_word, _matches_beginning):
        if found := [entry for entry in ENTRIES if matches(entry, query)]:
            return found
    return []


def suggestion(words: str) -> str | None:
    """A hint for words that no entry is about, where one is close."""
    known = {word for entry in ENTRIES for word in _search_words(entry)}
    return did_you_mean(_normalized(words), sorted(known))


def _normalized(words: str) -> str:
    return " ".join(words.upper().replace("…", " ").rstrip(";").split())


def _matches_name(entry: Entry, query: str) -> bool:
    # `ORDER BY target` and `VECTOR block` are found with what they share a name with.
    short = entry.name.removesuffix(" target").removesuffix(" block")
    return query in (_normalized(entry.name), _normalized(short))


def _matches_word(entry: Entry, query: str) -> bool:
    return query in _search_words(entry)


def _matches_beginning(entry: Entry, query: str) -> bool:
    return query != "" and any(f" {word} ".startswith(f" {query} ") for word in _search_words(entry))


def _search_words(entry: Entry) -> Iterator[str]:
    """What an entry is found by: its name, its further words, and the names of its options."""
    yield _normalized(entry.name)
    yield from (_normalized(word) for word in entry.words)
    yield from (name.upper() for _, table in entry.tables for name in table)


# --- text -------------------------------------------------------------------------------------------------

_WIDTH = 100
"""Columns of a line; fewer where a terminal has fewer."""
_MOST_IN_FULL = 3
"""Entries that are shown in full; of more of them, each is a line."""


def contents_text(width: int | None = None) -> str:
    """All entries by group, in lines of at most ``width`` columns."""
    lines, most = [], min(_WIDTH, width or _WIDTH)
    for group, title in GROUPS.items():
        names = ", ".join(entry.name for entry in ENTRIES if entry.group == group)
        lines += [title, textwrap.fill(names, most, initial_indent="  ", subsequent_indent="  "), ""]
    return "\n".join([*lines, "`help WORD` shows an entry; an option or a keyword is a WORD too."])


def text_about(words: str, width: int | None = None) -> str:
    """What is said of words, its sentences in lines of at most ``width`` columns; "" where nothing is."""
    found = find(words)
    if len(found) <= _MOST_IN_FULL:
        return "\n\n\n".join(entry_text(entry, width) for entry in found)
    width = max(len(entry.name) for entry in found)
    lines = [f"{entry.name:<{width}}  {_first_sentence(entry.text)}" for entry in found]
    return "\n".join(lines)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.]) ", text)[0]


def entry_text(entry: Entry, width: int | None = None) -> str:
    """An entry as plain text, its sentences in lines of at most ``width`` columns."""
    parts = [entry.name, textwrap.fill(entry.text, min(_WIDTH, width or _WIDTH))]
    if form := syntax(entry):
        parts.append(f"Syntax\n{textwrap.indent(form, '    ')}")
    for title, table in entry.tables:
        parts.append(f"Options of {title}\n{_option_columns(option_lines(table))}")
    parts.append(f"Example\n{textwrap.indent(entry.example, '    ')}")
    if entry.refused:
        parts.append("The embedded engine refuses this by name: it takes a server.")
    if entry.also:
        parts.append("\n".join(["Written otherwise", *(f"    {text}" for text in entry.also)]))
    if entry.see:
        parts.append(f"See also: {', '.join(entry.see)}")
    return "\n\n".join(parts)


def _option_columns(lines: list[OptionLine]) -> str:
    width = max((len(line.name) for line in lines), default=0)
    return "\n".join(
        f"    {line.name:<{width}}  {line.takes}" + (f" (default: {line.default})" if line.default else "")
        for line in lines
    )
