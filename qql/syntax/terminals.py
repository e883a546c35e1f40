"""The terminals of a text as the parser takes them, keyword or name, with no tree made: to show a text.

A text that is typed is mostly unfinished, and may be anything. So nothing is raised here.
"""

from __future__ import annotations

from collections.abc import Iterator

from qql.errors import QQLSyntaxError
from qql.records import NamedTuple
from qql.syntax.driver import Parser, begins_line, tables
from qql.syntax.lexer import PLAIN_SIGNS, STARTERS, cut_here, fault_at, match_next, skip_space
from qql.syntax.whole_values import ValueReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["FAULT", "Remembered", "Terminal", "terminals"]

FAULT = "FAULT"
"""The kind of what is no terminal: a character that begins none, a string or a comment without an end."""
_LONGEST = 30_000
"""Characters of a text whose words are told apart by the parser; of longer ones, every word that may be a
keyword is taken for one.
"""
_MOST_REMEMBERED = 500
_LINE = 200
"""Characters of its first line by which a statement is looked for."""


class Terminal(NamedTuple):
    """A terminal: its name in the grammar, from where to where it goes.

    ``rules`` are the symbols that may stand where it stands, by their names; none behind a fault.
    """

    kind: str
    start: int
    end: int
    rules: frozenset[str] | Any = frozenset()


class Remembered:
    """Statements that were read before: who types in a long text changes one of many."""

    def __init__(self) -> None:
        self._by_line: dict[str, list[tuple[str, tuple[Terminal, ...]]]] = {}
        self._count = 0

    def at(self, text: str, pos: int) -> tuple[str, tuple[Terminal, ...]] | None:
        """The statement that stands at a place, with its `;`, and its terminals by their places in it."""
        for known in self._by_line.get(_line(text, pos), ()):
            if text.startswith(known[0], pos):
                return known
        return None

    def add(self, text: str, pos: int, end: int, found: list[Terminal]) -> None:
        """Remembers a statement that ends with its `;`."""
        if self._count >= _MOST_REMEMBERED:
            self._by_line.clear()
            self._count = 0
        self._count += 1
        moved = tuple(Terminal(kind, start - pos, end - pos, rules) for kind, start, end, rules in found)
        self._by_line.setdefault(_line(text, pos), []).append((text[pos:end], moved))


def _line(text: str, pos: int) -> str:
    end = text.find("\n", pos, pos + _LINE)
    return text[pos : pos + _LINE if end < 0 else end]


def terminals(text: str, memory: Remembered | None = None) -> Iterator[Terminal]:
    """All terminals of a text, in its order; between them is white space and comments."""
    pos = skip_space(text, 0)
    while pos < len(text):
        known = memory.at(text, pos) if memory is not None else None
        if known is not None:
            statement, found = known
            yield from (Terminal(kind, pos + a, pos + b, rules) for kind, a, b, rules in found)
            pos = skip_space(text, pos + len(statement))
            continue
        read: list[Terminal] = []
        for one in _statement(text, pos):
            read.append(one)
            yield one
        if not read:
            return
        end = read[-1].end
        if memory is not None and read[-1].kind == "SEMICOLON" and len(text) <= _LONGEST:
            memory.add(text, pos, end, read)
        pos = skip_space(text, end)


def _statement(text: str, pos: int) -> Iterator[Terminal]:
    """The terminals of the statement at a place, or of what stands there in place of one."""
    walk = _Walk(text, _NoValues())
    if len(text) <= _LONGEST:
        yield from walk.each(pos)
        pos = walk.end
    yield from _Rest(text, pos, walk.failed or len(text) > _LONGEST).all()


class _NoValues(ValueReader):
    """Has every array and object read by the grammar."""

    def __init__(self) -> None:
        super().__init__("")

    def read(self, *_: Any) -> None:
        return None


class _Walk(Parser):
    """One statement, as far as it parses."""

    def __init__(self, text: str, reader: ValueReader) -> None:
        super().__init__(text, reader)
        self.failed = False
        self.end = 0

    def each(self, pos: int) -> Iterator[Terminal]:
        """Its terminals. ``end`` is behind the last of them, ``failed``: something else stands there."""
        self.begin(pos, "start")
        self.end, before = pos, ""
        while True:
            try:
                found = self._next()
            except QQLSyntaxError:  # of a terminal that was only looked at
                found = None
            states = None if found is None else self.advance(self.states, found[0])
            if found is None or states is None:
                self.failed = True
                return
            kind, start, end = found
            if kind == "$END":
                return
            taken = states[-2]
            note = taken.row[kind][2]
            if note is not None:
                note(self, kind, start, before)
            self.states, self.reading.end, self.end, before = states, end, end, kind
            if end > start:
                yield Terminal(kind, start, end, taken.symbols)

    def _next(self) -> tuple[str, int, int] | None:
        found = match_next(self.text, self.end)
        if found is None:
            return None
        kind, end = found.lastgroup or "", found.end()
        shown = found[kind]
        start = end - len(shown)
        if kind == "SIGN":
            return PLAIN_SIGNS[shown], start, end
        if kind == "WORD":
            return self.word(shown.upper(), start, end)
        return self.in_place(kind, start, end)


class _Rest:
    """What stands behind the part that parses, up to where a next statement may begin."""

    def __init__(self, text: str, pos: int, failed: bool) -> None:
        self._text = text
        self._failed = failed
        self.end = pos

    def all(self) -> Iterator[Terminal]:
        text, keywords, first = self._text, tables().keywords, True
        while (pos := skip_space(text, self.end)) < len(text):
            token = cut_here(text, pos)
            if token is None:
                code, end = fault_at(text, pos)
                self.end = len(text) if code.startswith("unterminated") else end
                yield Terminal(FAULT, pos, self.end)
            else:
                word = token.text.upper()
                starts = token.type == "WORD" and word in STARTERS and begins_line(text, pos)
                if token.type != "SEMICOLON" and (not self._failed or (starts and not first)):
                    return
                self.end = token.end
                kind = word if token.type == "WORD" and word in keywords else token.type
                yield Terminal("NAME" if kind == "WORD" else kind, pos, token.end)
                if token.type == "SEMICOLON":
                    return
            first = False
        self.end = len(text)
