"""What may legally come next: the parser's tables, driven over the text before the cursor.

Where a word can be a keyword or a name, the parser decides by the words behind it. Those are not typed yet,
so here both are followed until one of them fails. Where all fail, `recovery` says how it goes on.
"""

from __future__ import annotations

from collections.abc import Mapping

from qql.cli.prompt.completion.legal import Frame, take
from qql.cli.prompt.completion.recovery import awaited, behind_fault
from qql.records import dataclass
from qql.syntax.driver import begins_line, plain_tables
from qql.syntax.lexer import (
    CLOSING,
    OPENING,
    STARTERS,
    STRINGS,
    Token,
    cut_here,
    cut_next,
    fault_at,
    skip_space,
)
from qql.syntax.whole_values import ValueReader

__all__ = ["CONTINUES", "Read", "forget", "read"]

_DECIDED = 3
"""Terminals behind a word by which the parser takes it for a keyword, if it can."""
_MOST_WAYS = 8
"""Readings of one text that are followed at the same time."""
_MOST_FAULTS = 8
"""Faults of one statement behind which it is gone on with."""
_MOST_TRIES = 40
"""Terminals behind a fault that are tried in the place of a part that is not whole."""
CONTINUES = frozenset({"WITH", "FUSION", "UPDATE", "BATCH", "RECOMMEND", "SET"})
"""Words that begin a statement, and may continue one."""


@dataclass(frozen=True, slots=True)
class Read:
    """The text before the cursor, read.

    ``ways`` are the readings that are possible, as the tops of their stacks. ``start`` is where the statement
    begins, ``word`` where what is being typed begins. ``quote`` is the quote behind which the cursor is ("":
    it is in no string). ``tokens`` counts the terminals that were read; arrays and objects that were read
    whole are none. ``before`` has those of the statement, ``faults`` counts what it was gone on behind.
    """

    ways: tuple[Frame, ...]
    start: int
    word: int
    quote: str = ""
    tokens: int = 0
    before: tuple[Token, ...] = ()
    faults: int = 0


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


def forget() -> None:
    """Forget what was read last: the next text is read from its beginning."""
    _LAST.kept = _NOTHING


@dataclass(slots=True)
class _Snapshot:
    """How far a reader was: at a place, in a statement that began at another, by so many terminals.

    The terminals of the statement are those from ``first`` to ``seen`` of all that the reader has kept.
    """

    at: int
    start: int
    depth: int
    ways: tuple[Frame, ...]
    doubted: Mapping[Frame, int]
    count: int
    first: int
    seen: int
    faults: int
    tries: int


_SNAPSHOT_EACH = 40
"""Terminals between two snapshots."""
_Kept = tuple[str, int, tuple[_Snapshot, ...], list[Token]]
_NOTHING: _Kept = "", 0, (), []


class _Last:
    """What was read last. It is replaced whole, so threads may share it."""

    def __init__(self) -> None:
        self.kept: _Kept = _NOTHING

    def keep(self, reader: _Reader) -> None:
        # How terminals are read hangs on some behind them: the last snapshot is no use.
        if len(reader.snapshots) > 1:
            self.kept = reader.text, reader.begin, tuple(reader.snapshots), reader.cut

    def resume(self, reader: _Reader) -> None:
        text, begin, snapshots, cut = self.kept
        if begin != reader.begin:
            return
        for index in range(len(snapshots) - 1, 0, -1):
            known = snapshots[index].at
            if len(reader.text) >= known and reader.text[:known] == text[:known]:
                reader.go_on_from(snapshots[:index], cut)
                return


_LAST = _Last()


class _Reader:
    def __init__(self, text: str, begin: int) -> None:
        self.text, self.begin = text, begin
        self.values = ValueReader(text)
        self.at = skip_space(text, begin)
        self.count = 0  # terminals up to here
        self.resumed = 0  # of them, those that another reader has read
        self.cut: list[Token] = []  # all of them, but for what stands in arrays and objects that are whole
        self.snapshots: list[_Snapshot] = []
        self.ways: list[Frame] = []
        self.doubted: dict[Frame, int] = {}  # the ways in which a word is a name that can be a keyword
        self.begin_statement(self.at)

    @property
    def tokens(self) -> int:
        """The terminals that it has read itself."""
        return self.count - self.resumed

    def go_on_from(self, snapshots: tuple[_Snapshot, ...], cut: list[Token]) -> None:
        """Go on where another reader was at the last of some snapshots, in the same text."""
        last = snapshots[-1]
        self.snapshots = [*snapshots]
        self.at, self.start, self.depth = last.at, last.start, last.depth
        self.ways, self.doubted = [*last.ways], {**last.doubted}
        self.count = self.resumed = last.count
        self.cut, self.first = cut[: last.seen], last.first
        self.faults, self.tries = last.faults, last.tries

    def note(self) -> None:
        """Take a snapshot."""
        ways, doubted = tuple(self.ways), {**self.doubted}
        place = self.at, self.start, self.depth
        kept = self.first, len(self.cut), self.faults, self.tries
        self.snapshots.append(_Snapshot(*place, ways, doubted, self.count, *kept))
        self.next_note = self.count + _SNAPSHOT_EACH

    def begin_statement(self, start: int) -> None:
        self.start, self.depth = start, 0
        self.first = len(self.cut)
        self.ways = [Frame(plain_tables().start("start"), "", start, start, (), None)]
        self.doubted = {}
        self.faults = self.tries = 0
        self.lost = False  # whether it is behind a fault, and nothing was found yet that goes on
        self.skipped = 0  # brackets that were opened since
        self.next_note = self.count + _SNAPSHOT_EACH

    # -- one terminal after the other

    def read(self) -> Read:
        text, end = self.text, len(self.text)
        while True:
            token = cut_next(text, self.at)
            if token is None:
                self.at = at = skip_space(text, self.at)
                code, behind = fault_at(text, at)
                if code.startswith("unterminated") or behind >= end:
                    return self.inside(code)
                self.fail()
                self.at = behind
                continue
            if token.type == "$END":
                return self.done(end)
            if token.end == end and token.type in ("WORD", "NUMBER", "DURATION", "PARAM"):
                typed = token.type in ("WORD", "PARAM")
                return self.done(token.start) if typed else self.nothing(end)
            if token.end >= end - 1 and self.goes_on(token):
                return self.done(token.start)
            self.add(token)
            if not self.ways:
                return self.done(end)
            if self.count >= self.next_note and not self.lost:
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
        return self.found(word, "")

    def nothing(self, word: int) -> Read:
        return Read((), self.start, word, "", self.tokens)

    def found(self, word: int, quote: str) -> Read:
        ways = self.ways
        if self.lost:
            last = self.cut[-1] if len(self.cut) > self.first else None
            ways = [] if self.skipped else awaited(ways, last, word)[:_MOST_WAYS]
        before = tuple(self.cut[self.first :])
        return Read(tuple(ways), self.start, word, quote, self.tokens, before, self.faults)

    def in_comment(self) -> bool:
        """Whether the text ends with a comment that goes on behind the cursor."""
        line = self.text[self.text.rfind("\n") + 1 :]
        mark = line.rfind("--")
        # White space and comments are skipped together: what is skipped behind `--` is one.
        return mark >= 0 and skip_space(self.text, len(self.text) - len(line) + mark) == len(self.text)

    def inside(self, code: str) -> Read:
        """What is not whole yet: a string that is being typed, else nothing that could be completed."""
        if code != "unterminated-string":
            return self.nothing(len(self.text))
        raw = self.text[self.at] in "rR"
        at = self.at + raw
        quote = self.text[at]
        if not raw and self.text.startswith(quote * 3, at):
            quote *= 3
        return self.found(at + len(quote), quote)

    # -- what a terminal does to the ways

    def add(self, token: Token) -> None:
        """Go on behind a terminal, in each way that can."""
        kind = token.type
        word = token.text.upper() if kind == "WORD" else ""
        if word in STARTERS and token.start > self.start and self.anew(word, token):
            self.begin_statement(token.start)
        if kind in ("LSQB", "LBRACE") and self.whole(token):
            return
        self.count += 1
        self.at = token.end
        ways = [] if self.skipped else self.taken(token)
        if not ways and kind == "SEMICOLON":
            self.begin_statement(skip_space(self.text, token.end))
            return
        self.cut.append(token)
        self.depth += (kind in OPENING) - (kind in CLOSING)
        if ways:
            self.ways, self.lost = ways[:_MOST_WAYS], False
        else:
            self.recover(token)

    def recover(self, token: Token) -> None:
        """Go on behind a terminal that no way takes: behind the part that it ends, if it does."""
        if not self.lost:
            self.fail()
        if self.skipped or token.type in OPENING:
            self.skipped += (token.type in OPENING) - (token.type in CLOSING)
            return
        if ways := self.behind_part(token):
            self.ways, self.doubted, self.lost = ways[:_MOST_WAYS], {}, False

    def behind_part(self, token: Token) -> list[Frame]:
        """The ways behind a terminal that ends the part with the fault; none where it does not."""
        self.tries += 1
        return behind_fault(self.ways, token, self.text) if self.tries <= _MOST_TRIES else []

    def fail(self) -> None:
        """There is a fault: nothing takes what stands here."""
        self.faults, self.lost = self.faults + 1, True
        known = self.ways and self.ways[0].below is not None  # else it is no statement yet
        if self.faults > _MOST_FAULTS or not known:
            self.ways = []

    def taken(self, token: Token) -> list[Frame]:
        """The ways behind a terminal."""
        text, kind = self.text, token.type
        if kind == "WORD":
            found = self.behind(word := token.text.upper(), token, token.end)
            lone = self.lost and not found and word in plain_tables().keywords
            if lone and (ways := self.behind_part(token)):  # rather than behind a name, which it could be too
                return ways
            sure = len(found)
            found += self.behind("NAME", token, token.end)
            if not self.doubted and (not sure or sure == len(found)):
                return [after for after, _ in found]
            before = {id(way) for _, way in found[:sure]}
            self.doubted |= {after: self.count for after, way in found[sure:] if id(way) in before}
            return self.decided(found)
        if kind == "PARAM":
            found = self.behind("PARAM", token, token.end) or self.behind("COLON", token, token.start + 1)
        elif kind == "NUMBER" and text[token.start] == "-":
            found = self.behind("MINUS", token, token.start + 1) or self.behind("NUMBER", token, token.end)
        else:
            found = self.behind("STRING" if kind in STRINGS else kind, token, token.end)
        return self.decided(found) if self.doubted else [after for after, _ in found]

    def behind(self, terminal: str, token: Token, end: int) -> list[tuple[Frame, Frame]]:
        """The ways behind a terminal that ends at a place, each with the one that it goes on with."""
        found = []
        for way in self.ways:
            if terminal in way.state.symbols:
                after = take(way, terminal, self.text, token.start, end)
                if after is not None:
                    found.append((after, way))
        if found:
            self.at = end
        return found

    def decided(self, found: list[tuple[Frame, Frame]]) -> list[Frame]:
        """Without the ways that the parser would not go: it prefers keywords that go on for some words."""
        doubted = self.doubted
        if len(found) == 1:  # whatever the word was, there is no doubt any more
            self.doubted = {}
            return [found[0][0]]
        for after, way in found:
            if way in doubted and after not in doubted:
                doubted[after] = doubted[way]
        sure = [after for after, _ in found if after not in doubted]
        self.doubted = {after: doubted[after] for after, _ in found if after in doubted}
        if sure:
            now = self.count
            return [one for one, _ in found if now - self.doubted.get(one, now) < _DECIDED]
        return [after for after, _ in found]

    def whole(self, token: Token) -> bool:
        """Goes on behind an array or an object that stands before the cursor as a whole."""
        rule = "array" if token.type == "LSQB" else "object"
        ways = [way for way in self.ways if rule in way.state.symbols]
        if len(ways) != len(self.ways) or self.skipped:
            return False
        found = self.values.read(token.start, self.depth)
        if found is None or found[1] > len(self.text):
            return False
        tables, self.at, self.lost = plain_tables(), found[1], False
        self.ways = [
            Frame(tables.state(way.state.symbols[rule]), rule, token.start, self.at, (), way) for way in ways
        ]
        return True

    def anew(self, word: str, token: Token) -> bool:
        """Whether a word at the start of a line begins a statement; as `Parser.starts_anew` has it."""
        if self.lost:
            return word not in CONTINUES and begins_line(self.text, token.start)
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
