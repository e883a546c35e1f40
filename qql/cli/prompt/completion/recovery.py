"""Behind a fault: how a statement goes on of which a part is wrong, so that what follows can be completed.

A terminal that nothing takes is passed over. Where one comes that may stand behind a whole part (``AND``, a
comma, the word of a clause), the part with the fault is taken for whole: the smallest one that makes sense.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from qql.cli.prompt.completion.legal import Frame, take
from qql.syntax.driver import plain_tables
from qql.syntax.lexer import STRINGS, Token

__all__ = ["awaited", "behind_fault"]

_DEEPEST = 64
"""Symbols of a stack that may belong to the part with the fault."""
_SIGNS = frozenset({"COMMA", "RPAR", "RSQB", "RBRACE"})
_ENDS = ("AND", "COMMA", "RPAR", "RBRACE", "LIMIT", "WAIT", "$END")
"""What may come behind parts of statements: one of these behind each."""
_VALUES = frozenset({"NUMBER", "DURATION", "PARAM", "WORD", "RPAR", "RSQB", "RBRACE"}) | STRINGS


def behind_fault(ways: list[Frame], token: Token, text: str) -> list[Frame]:
    """The ways behind a terminal that stands behind the part with the fault; none where it does not."""
    terminal = token.text.upper() if token.type == "WORD" else token.type
    if terminal not in _SIGNS and terminal not in plain_tables().keywords:
        return []
    for way in ways:
        found = [after for _, after in _wholes(way, terminal, text, token.start, token.end)]
        if found:
            return _distinct(found)
    return []


def awaited(ways: list[Frame], last: Token | None, at: int) -> list[Frame]:
    """The ways at a place behind a fault that nothing has gone on behind yet.

    Behind a value the part with the fault may be whole; behind a sign or a keyword there is more to come.
    """
    keyword = last is not None and last.text.upper() in plain_tables().keywords
    if last is None or last.type not in _VALUES or keyword or not ways:
        return ways
    found = []
    for terminal in _ENDS:
        if take(ways[0], terminal, "", at, at) is not None:
            return ways
        found += [whole for whole, _ in _wholes(ways[0], terminal, "", at, at)]
    return _distinct(found) or ways


def _wholes(top: Frame, terminal: str, text: str, start: int, end: int) -> list[tuple[Frame, Frame]]:
    """Stacks with the smallest part whole that a terminal can stand behind, each with the one behind that."""
    tables = plain_tables()
    for frame in islice(top.down(), _DEEPEST):
        found = []
        for symbol, number in _parts(frame):
            state = tables.state(number)
            if terminal in state.symbols or (terminal == "$END" and number in tables.ends):
                whole = Frame(state, symbol, frame.end, start, (), frame)
                after = take(whole, terminal, text, start, end)
                if after is not None:
                    found.append((whole, after))
        if found:
            return found
    return []


def _parts(frame: Frame) -> Iterator[tuple[str, int]]:
    """The parts of a statement that can stand behind a symbol, with the states behind them."""
    terminals = plain_tables().labels
    yield from ((one, to) for one, to in frame.state.symbols.items() if to >= 0 and one not in terminals)


def _distinct(ways: list[Frame]) -> list[Frame]:
    """One of those that are alike: several rules hand on the same part."""
    found: dict[tuple[int, ...], Frame] = {}
    for way in ways:
        found.setdefault(tuple(frame.state.number for frame in islice(way.down(), 4)), way)
    return [*found.values()]
