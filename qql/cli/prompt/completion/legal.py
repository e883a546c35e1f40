"""The parser's stack as completion has it: what is on it, and how it is behind one terminal more.

No tree is built. A stack is never changed: two that went on from the same one share what is below.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from qql.records import NamedTuple, dataclass
from qql.syntax.driver import plain_tables
from qql.syntax.tables import State, Tables

__all__ = ["PARTS", "Frame", "first_words", "take"]

PARTS = frozenset(
    {
        "clause",
        "_opening",
        "write_clause",
        "upsert_clause",
        "copy_option",
        "copy_to_option",
        "explain_option",
        "why_option",
    }
    | {"recommend_part", "mmr_part", "modifier", "quantize_part", "hybrid_part", "using_part"}
    | {"embedding_part"}
)
"""Rules of which each kind is given once: what was given is noted."""
_KEYED = frozenset({"option", "entry", "pair", "sub_block"})
"""Rules whose first part is a key."""
_PASSING = frozenset({"alteration", "collection_part"})
"""Rules whose only part tells what is given."""
_NOTED = PARTS | _KEYED | {"block", "_head"}
"""Rules of which something is noted."""


@dataclass(slots=True, eq=False)
class Frame:
    """A symbol on the parser's stack, with its state, its place in the text, and what lies below it.

    ``given`` are the clauses and the keys (in small letters) that stand in it. Nobody changes one: it is not
    frozen, as many are made for each key, and that takes half as long again.
    """

    state: State
    symbol: str
    start: int
    end: int
    given: tuple[str, ...]
    below: Frame | None

    def down(self) -> Iterator[Frame]:
        """This frame and those below it."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.below


@cache
def _origin_and_size(number: int) -> tuple[str, int]:
    rule = plain_tables().rule(number)
    return rule.origin, rule.size


@cache
def first_words(rule: str) -> frozenset[str]:
    """The terminals that a rule of the grammar can begin with; none for what is no rule."""
    return frozenset(plain_tables().first.get(rule, "").split())


def take(top: Frame, terminal: str, text: str, start: int, end: int) -> Frame | None:
    """The stack behind a terminal; None where the parser cannot take it. ``$END`` ends a statement."""
    tables = plain_tables()
    while True:
        state = top.state
        if terminal == "$END" and state.number in tables.ends:
            return top
        to = state.symbols.get(terminal)
        if to is None:
            return None
        if to >= 0:
            return Frame(tables.state(to), terminal, start, end, (), top)
        below = top.below
        assert below is not None
        key = state, terminal, below.state
        handed = _HANDED.get(key)
        if handed is None:
            handed = _HANDED[key] = _handed_on(*key)
        if handed.origin:
            given = () if handed.forgets else top.given
            top = Frame(handed.state, handed.origin, top.start, top.end, given, below)
        else:
            top = _reduced(top, *_origin_and_size(to), tables, text)


class _Handed(NamedTuple):
    """Where rules lead to that hand on their only part: the state, the last of the rules ("": there is none),
    whether what was given is forgotten.
    """

    state: State
    origin: str
    forgets: bool


_HANDED: dict[tuple[State, str, State], _Handed] = {}
"""By a state, the next terminal, and the state below. The grammar bounds how many there are."""


def _handed_on(state: State, terminal: str, below: State) -> _Handed:
    """``predicate`` → ``negation`` → … → ``condition`` in one step: there are many, and none is looked at."""
    tables, origin, forgets = plain_tables(), "", False
    while (to := state.symbols.get(terminal, 0)) < 0 and state.number not in tables.ends:
        rule, size = _origin_and_size(to)
        if size != 1 or rule in _NOTED:
            break
        origin, forgets = rule, forgets or _forgets(rule)
        state = tables.state(below.symbols[rule])
    return _Handed(state, origin, forgets)


def _forgets(origin: str) -> bool:
    return not origin.startswith("_") and origin not in _PASSING


def _reduced(top: Frame, origin: str, size: int, tables: Tables, text: str) -> Frame:
    first, second, given = top, top, top.given
    for _ in range(size - 1):
        assert first.below is not None
        first, second = first.below, first
        given = first.given + given
    below = first.below
    assert below is not None
    if origin in PARTS:
        given = (first.symbol,)
    elif origin in _KEYED:
        given = (text[first.start : first.end].strip("'\"`").lower(),)
    elif origin == "block":  # WITH HNSW (…)
        given = (text[second.start : second.end].lower(),)
    elif origin == "_head":  # what it begins with may be a clause: QUERY FUSION RRF
        given = (*given, top.symbol)
    elif _forgets(origin):
        given = ()
    state = tables.state(below.state.symbols[origin])
    return Frame(state, origin, first.start, top.end, given, below)
