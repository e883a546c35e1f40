"""What may legally come next: the parser's tables, driven over the text before the cursor.

No tree is built. Where a word can be a keyword or a name, the parser decides by the words behind it. Those
are not typed yet, so here both are followed until one of them fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from qql.records import dataclass, field
from qql.syntax.driver import begins_line, plain_tables
from qql.syntax.lexer import STARTERS, STRINGS, Token, cut_here, fault_at, skip_space
from qql.syntax.tables import State, Tables
from qql.syntax.whole_values import ValueReader

__all__ = ["PARTS", "Frame", "Read", "first_words", "read", "take"]

_DECIDED = 3
"""Terminals behind a word by which the parser takes it for a keyword, if it can."""
_MOST_WAYS = 8
"""Readings of one text that are followed at the same time."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A symbol on the parser's stack, with its state, its place in the text, and what lies below it.

    ``given`` are the clauses and the keys (in small letters) that stand in it.
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


@dataclass(frozen=True, slots=True)
class Read:
    """The text before the cursor, read.

    ``ways`` are the readings that are possible, as the tops of their stacks. ``start`` is where the statement
    begins, ``word`` where what is being typed begins. ``quote`` is the quote behind which the cursor is ("":
    it is in no string). ``tokens`` counts the terminals that were read; arrays and objects that were read
    whole are none, and ``skipped`` says by their places where they end.
    """

    ways: tuple[Frame, ...]
    start: int
    word: int
    quote: str = ""
    tokens: int = 0
    skipped: Mapping[int, int] = field(default_factory=dict)


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
        top = _reduced(top, *_origin_and_size(to), tables, text)


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
    elif not origin.startswith("_") and origin not in _PASSING:
        given = ()
    state = tables.state(below.state.symbols[origin])
    return Frame(state, origin, first.start, top.end, given, below)


def read(text: str, begin: int, cursor: int) -> Read:
    """Read the statement that holds the cursor, of what stands between ``begin`` and the cursor.

    Where no `;` stands between two statements, a statement's first word at the start of a line begins a new
    one, as it does for the parser. A long statement is not read anew with each key: what was read last is
    gone on with, as far as the text is the same.
    """
    reader = _Reader(text[:cursor], begin)
    _LAST.resume(reader)
    found = reader.read()
    _LAST.keep(reader)
    return found


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """How far a reader was: at a place, in a statement that began at another, by so many terminals."""

    at: int
    start: int
    depth: int
    ways: tuple[Frame, ...]
    doubted: Mapping[Frame, int]
    count: int


_SNAPSHOT_EACH = 40
"""Terminals between two snapshots."""


class _Last:
    """What was read last. It is replaced whole, so threads may share it."""

    def __init__(self) -> None:
        self.kept: tuple[str, int, tuple[_Snapshot, ...], Mapping[int, int]] = "", 0, (), {}

    def keep(self, reader: _Reader) -> None:
        # How terminals are read hangs on some behind them: the last snapshot is no use.
        if len(reader.snapshots) > 1:
            self.kept = reader.text, reader.begin, tuple(reader.snapshots), reader.skipped

    def resume(self, reader: _Reader) -> None:
        text, begin, snapshots, skipped = self.kept
        if begin != reader.begin:
            return
        for index in range(len(snapshots) - 1, 0, -1):
            known = snapshots[index].at
            if len(reader.text) >= known and reader.text[:known] == text[:known]:
                reader.go_on_from(snapshots[:index], skipped)
                return


_LAST = _Last()


class _Reader:
    def __init__(self, text: str, begin: int) -> None:
        self.text, self.begin = text, begin
        self.values = ValueReader(text)
        self.at = skip_space(text, begin)
        self.count = 0  # terminals up to here
        self.resumed = 0  # of them, those that another reader has read
        self.skipped: dict[int, int] = {}
        self.snapshots: list[_Snapshot] = []
        self.ways: list[Frame] = []
        self.doubted: dict[Frame, int] = {}  # the ways in which a word is a name that can be a keyword
        self.begin_statement(self.at)

    @property
    def tokens(self) -> int:
        """The terminals that it has read itself."""
        return self.count - self.resumed

    def go_on_from(self, snapshots: tuple[_Snapshot, ...], skipped: Mapping[int, int]) -> None:
        """Go on where another reader was at the last of some snapshots, in the same text."""
        last = snapshots[-1]
        self.snapshots = [*snapshots]
        self.at, self.start, self.depth = last.at, last.start, last.depth
        self.ways, self.doubted = [*last.ways], {**last.doubted}
        self.count = self.resumed = last.count
        self.skipped = {at: end for at, end in skipped.items() if end <= last.at}

    def note(self) -> None:
        """Take a snapshot now and then."""
        if self.count - (self.snapshots[-1].count if self.snapshots else 0) >= _SNAPSHOT_EACH:
            found = _Snapshot(self.at, self.start, self.depth, tuple(self.ways), {**self.doubted}, self.count)
            self.snapshots.append(found)

    def begin_statement(self, start: int) -> None:
        self.start, self.depth = start, 0
        self.ways = [Frame(plain_tables().start("start"), "", start, start, (), None)]
        self.doubted = {}

    def read(self) -> Read:
        text, end = self.text, len(self.text)
        while True:
            self.at = skip_space(text, self.at)
            if self.at >= end:
                return self.done(end)
            token = cut_here(text, self.at)
            if token is None:
                return self.inside(*fault_at(text, self.at))
            if token.type == "$END":
                return self.done(end)
            if token.end == end and token.type in ("WORD", "NUMBER", "DURATION", "PARAM"):
                typed = token.type in ("WORD", "PARAM")
                return self.done(token.start) if typed else self.nothing(end)
            if self.goes_on(token):
                return self.done(token.start)
            self.add(token)
            if not self.ways:
                return self.done(end)
            self.note()

    def goes_on(self, token: Token) -> bool:
        """Whether the text ends with a terminal that is not whole: a path with a dot, a parameter's colon."""
        rest = self.text[token.end :]
        if token.type == "WORD":
            return rest == "."
        ways = [take(way, "COLON", self.text, token.start, token.end) for way in self.ways]
        return token.type == "COLON" and not rest and not any(ways)

    def done(self, word: int) -> Read:
        if word == len(self.text) and self.in_comment():
            return self.nothing(word)
        return Read(tuple(self.ways), self.start, word, "", self.tokens, self.skipped)

    def nothing(self, word: int) -> Read:
        return Read((), self.start, word, "", self.tokens)

    def in_comment(self) -> bool:
        """Whether the text ends with a comment that goes on behind the cursor."""
        line = self.text[self.text.rfind("\n") + 1 :]
        mark = line.rfind("--")
        # White space and comments are skipped together: what is skipped behind `--` is one.
        return mark >= 0 and skip_space(self.text, len(self.text) - len(line) + mark) == len(self.text)

    def inside(self, code: str, _: int) -> Read:
        """What is not whole yet: a string that is being typed, else nothing that could be completed."""
        if code != "unterminated-string":
            return self.nothing(len(self.text))
        raw = self.text[self.at] in "rR"
        at = self.at + raw
        quote = self.text[at]
        if not raw and self.text.startswith(quote * 3, at):
            quote *= 3
        return Read(tuple(self.ways), self.start, at + len(quote), quote, self.tokens, self.skipped)

    def add(self, token: Token) -> None:
        """Go on behind a terminal, in each way that can."""
        word = token.text.upper() if token.type == "WORD" else ""
        if word in STARTERS and token.start > self.start and self.anew(word, token):
            self.begin_statement(token.start)
        if token.type in ("LSQB", "LBRACE") and self.whole(token):
            return
        self.count += 1
        self.at = token.end
        ways = self.taken(token)
        if not ways and token.type == "SEMICOLON":
            self.begin_statement(skip_space(self.text, token.end))
            return
        self.depth += (token.type in ("LPAR", "LSQB", "LBRACE")) - (token.type in ("RPAR", "RSQB", "RBRACE"))
        self.ways = ways[:_MOST_WAYS]

    def taken(self, token: Token) -> list[Frame]:
        """The ways behind a terminal."""
        found: dict[Frame, Frame] = {}
        for terminal in _terminals(token):
            end = token.start + 1 if terminal in ("COLON", "MINUS") else token.end
            before = {id(way) for way in found.values()}
            for way in self.ways:
                after = take(way, terminal, self.text, token.start, end)
                if after is not None:
                    found[after] = way
                    if id(way) in before:
                        self.doubted[after] = self.count
            if found and terminal in ("PARAM", "NUMBER", "COLON", "MINUS"):
                self.at = end
                break
        return self.decided(found)

    def decided(self, found: dict[Frame, Frame]) -> list[Frame]:
        """Without the ways that the parser would not go: it prefers keywords that go on for some words."""
        doubted = self.doubted
        for after, way in found.items():
            if way in doubted and after not in doubted:
                doubted[after] = doubted[way]
        sure = [after for after in found if after not in doubted]
        self.doubted = {after: doubted[after] for after in found if after in doubted}
        if sure:
            return [one for one in found if self.count - self.doubted.get(one, self.count) < _DECIDED]
        return [*found]

    def whole(self, token: Token) -> bool:
        """Goes on behind an array or an object that stands before the cursor as a whole."""
        rule = "array" if token.type == "LSQB" else "object"
        ways = [way for way in self.ways if rule in way.state.symbols]
        if len(ways) != len(self.ways):
            return False
        found = self.values.read(token.start, self.depth)
        if found is None or found[1] > len(self.text):
            return False
        tables, self.at = plain_tables(), found[1]
        self.skipped[token.start] = self.at
        self.ways = [
            Frame(tables.state(way.state.symbols[rule]), rule, token.start, self.at, (), way) for way in ways
        ]
        return True

    def anew(self, word: str, token: Token) -> bool:
        """Whether a word at the start of a line begins a statement; as `Parser.starts_anew` has it."""
        if self.depth or not begins_line(self.text, token.start):
            return False
        if not any(take(way, "$END", self.text, token.start, token.start) for way in self.ways):
            return False
        if not any(take(way, word, self.text, token.start, token.end) for way in self.ways):
            return True
        following = cut_here(self.text, skip_space(self.text, token.end))
        if following is None:
            return False
        behind = cut_here(self.text, skip_space(self.text, following.end))
        second = behind.text.upper() if behind is not None else ""
        if word == "BATCH":
            return following.type == "LBRACE"
        if word == "WITH":
            return (following.type == "WORD" or following.type in STRINGS) and second == "AS"
        return word == "UPDATE" and second == "SET"


def _terminals(token: Token) -> tuple[str, ...]:
    """The terminals that a raw terminal can stand for, the likeliest first."""
    if token.type == "WORD":
        return (token.text.upper(), "NAME")
    if token.type == "PARAM":
        return ("PARAM", "COLON")
    if token.type == "NUMBER" and token.text.startswith("-"):
        return ("MINUS", "NUMBER")
    return ("STRING",) if token.type in STRINGS else (token.type,)
