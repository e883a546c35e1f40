"""One statement: terminals in, tree out. The grammar is in the tables; this drives them.

They are driven here rather than by Lark, since a word's meaning (keyword or name) hangs on the parser's
state, and so that JSON values can be read whole. `Parser.drive` runs for every terminal of every text, so
it is written for speed: all that is rare stands outside of it.
"""

from __future__ import annotations

from functools import cache

from qql import nodes
from qql.errors import QQLSyntaxError, Span
from qql.nodes import Node
from qql.syntax.builder import Builder
from qql.syntax.clauses import HEADS, NOW, LiteralHoles, Reading, clause_words
from qql.syntax.lalr import load
from qql.syntax.lexer import (
    ARITHMETIC,
    BLANK,
    CLOSING,
    MAX_NESTING,
    STARTERS,
    STRINGS,
    SYMBOLS,
    Token,
    bad_character,
    cut,
    match_common,
    match_next,
    skip_space,
    syntax_error,
)
from qql.syntax.tables import State, Tables
from qql.syntax.whole_values import ValueReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["MAX_PREFETCH_DEPTH", "Parser", "begins_line", "tables"]

MAX_PREFETCH_DEPTH = 64  # Qdrant's own
_LOOKAHEAD = 3  # terminals that decide whether a word is a keyword, where it could be a name
_INDENT = 80  # characters before a word that are looked at together
_MAX_STACK = 3000  # what 200 levels of every kind inside 64 stages can need, with room to spare
_BRACKETS = ("LPAR", "LSQB", "LBRACE", "PREFETCH", "BATCH")
"""What is counted of open brackets: the terminal that opens one, or the keyword that stands before it."""
_NO_DEPTHS = dict.fromkeys(_BRACKETS, 0)


@cache
def tables() -> Tables:
    """The tables of the grammar, loaded once."""
    return load(
        Builder(),
        {
            **dict.fromkeys(HEADS, Parser.begin_clauses),
            **dict.fromkeys(CLOSING, Parser.close),
            "WHERE": Parser.begin_where,
            "LPAR": Parser.open,
            "LSQB": Parser.open_value,
            "LBRACE": Parser.open_value,
        },
    )


@cache
def plain_tables() -> Tables:
    """The same, by which no value is made before the parser has looked at the next terminal."""
    return tables().plain()


class Parser:
    """Reads one statement of a text, whose arrays and objects ``reader`` reads where it can."""

    tables: Tables
    first: int
    depths: dict[str, int]
    filter_base: int
    outermost: bool
    fused: bool
    reading: Reading

    def __init__(self, text: str, reader: ValueReader, holes: LiteralHoles | None = None) -> None:
        self.text = text
        self.holes = holes
        self.reader = reader
        self.tables = tables()

    def parse(self, pos: int, root: str = "start") -> tuple[Any, Span]:
        """The statement that begins at pos, and its span. A closing `;` is not part of it."""
        try:
            return self.read(pos, root)
        except QQLSyntaxError as exc:
            if exc.code == "too-deep":  # this hangs on no terminal, and such texts are long
                raise
            # What is wrong is told by the state in front of it, before a value is made of the last terminal.
            self.tables = plain_tables()
        return self.read(pos, root)

    def read(self, pos: int, root: str) -> tuple[Any, Span]:
        """`parse` by the tables at hand."""
        self.begin(pos, root)
        outer = getattr(NOW, "reading", None)
        NOW.reading = self.reading
        try:
            return self.drive()
        finally:
            NOW.reading = outer or self.reading

    def begin(self, pos: int, root: str) -> None:
        """Stands in front of a statement, with nothing read of it."""
        first = skip_space(self.text, pos)
        self.first = first
        self.states: list[State] = [self.tables.start(root)]
        self.brackets: list[str] = []
        self.opened: list[int] = []
        self.depths = _NO_DEPTHS.copy()
        self.filter_base = 0
        self.outermost = True
        self.statement: type[Node] = nodes.Query
        self.fused = False
        self.reading = Reading(first, self.holes)

    def drive(self) -> tuple[Any, Span]:
        """Shift and reduce until the statement is whole."""
        text, reading, states, plain = self.text, self.reading, self.states, match_common()
        # Beside each state lie the value of its symbol and where that begins. It ends where the last terminal
        # ended: no rule of the grammar is empty.
        values: list[Any] = [None]
        starts = [self.first]
        last = before_start = self.first
        before = ""
        add_state, add_value, add_start = states.append, values.append, starts.append
        drop_state, drop_value, drop_start = states.pop, values.pop, starts.pop
        state = states[0]
        while True:
            found = plain(text, last) or match_next(text, last)
            if found is None:
                bad_character(text, skip_space(text, last))
            shown = found[found.lastindex or 0]
            end = found.end()
            start = end - len(shown)
            kind = state.plain.get(shown)
            if kind is None:
                kind = found.lastgroup or ""
                if kind == "WORD":
                    word = shown.upper()
                    if word in state.certain and not (self.outermost and word in STARTERS):
                        kind = word
                        if word not in STARTERS and (word == shown or shown.islower()):
                            state.plain[shown] = word
                    elif word in state.likely and not self.takes("NAME"):
                        kind = word
                    elif "NAME" in state.symbols and word not in state.symbols and word not in STARTERS:
                        kind = "NAME"
                    else:
                        kind, start, end = self.word(word, start, end)
                elif kind not in state.symbols:
                    kind, start, end = self.in_place(kind, start, end)
            size, make, after, place = state.row[kind]
            while size > 0:
                if size == 1:
                    if make is not None:
                        reading.start = starts[-1]
                        values[-1] = make(values[-1] if place else values)
                elif size == 2:
                    reading.start = starts[-2]
                    values[-2] = make(values[place] if place else values)
                    drop_value()
                    drop_start()
                    drop_state()
                else:
                    reading.start = starts[-size]
                    values[-size] = make(values[place] if place else values)
                    size -= 1
                    del values[-size:], starts[-size:], states[-size:]
                states[-1], (size, make, after, place) = after[states[-2]]
            if make is None:
                if size < 0:
                    self.unexpected(self.token(kind, start, end), self.token(before, before_start, last))
                return values[-1], Span(self.first, last)
            value = None
            if place is not None:
                value = place(shown, start, end)
            elif after is not None:
                whole = after(self, kind, start, before)
                if whole is not None:
                    kind, make, value, end = whole
            elif make.kept:
                value = Token(kind, text[start:end], start, end)
            state = make
            add_state(state)
            add_value(value)
            add_start(start)
            reading.end = last = end
            before, before_start = kind, start
            if len(states) > _MAX_STACK:
                message = f"nesting is deeper than {MAX_NESTING} levels"
                syntax_error("too-deep", message, Span(start, end))

    def token(self, kind: str, start: int, end: int) -> Token:
        """A terminal as messages show it. An array or an object that was read whole has no text there."""
        text = "" if kind.islower() else self.text[start:end]
        if kind == "$END" and self.text.startswith(";", skip_space(self.text, end)):
            text = ";"
        return Token(kind, text, start, end)

    def open_value(self, kind: str, start: int, before: str) -> tuple[str, State, Any, int] | None:
        """The value that begins here, read whole: its rule, the state behind it, the value, its end.

        None where none can stand here, and where the grammar has to read it.
        """
        rule = "array" if kind == "LSQB" else "object"
        goto = self.states[-1].symbols.get(rule)
        depth = self.depths["LSQB"] + self.depths["LBRACE"]
        # What is in an object may be a hole; of an array, all of it is one.
        whole = goto is not None and (kind == "LSQB" or self.holes is None)
        read = self.reader.read(start, depth) if whole else None
        if read is not None and goto is not None:
            value, end = read
            if self.holes is not None:
                value = self.holes.list_at(value, start, end)
            return rule, self.tables.state(goto), value, end
        self.open(kind, start, before)
        return None

    def open(self, kind: str, start: int, before: str) -> None:
        """Counts a bracket, for the limits and to know what is on the outermost level."""
        if before in ("PREFETCH", "BATCH"):
            kind = before
        self.brackets.append(kind)
        self.opened.append(start)
        self.outermost = self.brackets == ["BATCH"]
        self.depths[kind] += 1
        depths = self.depths
        if len(self.brackets) > MAX_PREFETCH_DEPTH:
            for what, depth, most in (
                ("prefetches", depths["PREFETCH"], MAX_PREFETCH_DEPTH),
                ("filters", depths["LPAR"] - self.filter_base, MAX_NESTING),
                ("values", depths["LSQB"] + depths["LBRACE"], MAX_NESTING),
            ):
                if depth > most:
                    syntax_error("too-deep", f"{what} nest deeper than {most} levels", Span(start, start + 1))

    def close(self, *_: object) -> None:
        """A bracket is closed."""
        self.depths[self.brackets.pop()] -= 1
        self.opened.pop()
        left = len(self.brackets)
        self.outermost = left == 0 or self.brackets == ["BATCH"]
        self.filter_base = min(self.filter_base, left)

    def begin_where(self, *_: object) -> None:
        """A filter's parentheses are counted from its WHERE: those of stages are none of its own."""
        self.filter_base = self.depths["LPAR"]

    def begin_clauses(self, kind: str, *_: object) -> None:
        """A keyword behind which the clauses of a statement are known."""
        if kind == "QUERY":
            self.begin_where()
            self.fused = self.fused and bool(self.brackets)  # that of ELSE has a FUSION of its own
        elif kind == "FUSION" and not self.brackets:
            self.fused = True
        self.statement = HEADS[kind]

    def in_place(self, kind: str, start: int, end: int) -> tuple[str, int, int]:
        """A terminal that is no word, as the state can take it."""
        known = self.states[-1].symbols
        if kind == "FINISH":
            if start < end and self.brackets[:1] == ["BATCH"]:
                return "SEMICOLON", start, end
            end = self.reading.end
            return "$END", end, end
        if kind in STRINGS:
            return "STRING", start, end
        if kind == "SYMBOL":
            kind = SYMBOLS[self.text[start:end]]
        if kind == "PARAM" and end - start > 1 and "COLON" in known:  # {key:name}
            return "COLON", start, start + 1
        if kind == "NUMBER" and self.text[start] == "-" and "MINUS" in known:  # a -1
            return "MINUS", start, start + 1
        if kind in ARITHMETIC and kind not in known:
            bad_character(self.text, start)
        return kind, start, end

    def word(self, word: str, start: int, end: int) -> tuple[str, int, int]:
        """A word as a keyword or as a name, or the end of the statement where it begins the next one."""
        if word in STARTERS and start > self.first and self.outermost and self.starts_anew(word, start, end):
            if self.brackets:
                return "SEMICOLON", start, start
            end = self.reading.end
            return "$END", end, end
        known, keywords = self.states[-1].symbols, self.tables.keywords
        if word not in known or word not in keywords:
            return "NAME" if "NAME" in known or word not in keywords else word, start, end
        if "NAME" not in known or not self.takes("NAME"):
            return word, start, end
        if self.cannot_follow(word, end):
            return "NAME", start, end
        behind_name, behind_keyword = self.advance(self.states, "NAME"), self.advance(self.states, word)
        if not self.reach(behind_name, end, 1):  # as of most, so that no more has to be read
            return word if self.reach(behind_keyword, end, 1) else "NAME", start, end
        as_keyword = self.reach(behind_keyword, end, _LOOKAHEAD)
        if as_keyword in (0, _LOOKAHEAD):
            return word if as_keyword else "NAME", start, end
        as_name = self.reach(behind_name, end, _LOOKAHEAD)
        return word if as_keyword >= as_name else "NAME", start, end

    def cannot_follow(self, keyword: str, pos: int) -> bool:
        """Whether it is plain that what stands at pos cannot follow a keyword; `reach` knows all cases."""
        size, to, _, _ = self.states[-1].row[keyword]
        found = match_next(self.text, pos) if size == 0 else None
        if found is None or found.lastgroup not in ("WORD", "SIGN"):
            return False
        known = to.symbols
        if found.lastgroup == "SIGN":
            return SYMBOLS[found["SIGN"]] not in known
        return "NAME" not in known and "$END" not in known and found["WORD"].upper() not in known

    def reach(self, states: list[State] | None, pos: int, most: int) -> int:
        """How many of the terminals at pos the parser can take, of at most ``most``."""
        if states is None or most == 0:
            return 0
        try:
            token = cut(self.text, pos)
        except QQLSyntaxError:
            return 0
        best = 0
        known = states[-1].symbols
        if "$END" in known and self.starts_line(token) and self.advance(states, "$END") is not None:
            return most  # the statement can end here, and another begin
        for terminal in self.types_of(token):
            after = self.advance(states, terminal) if terminal in known else None
            if after is not None:
                rest = most - 1 if terminal == "$END" else self.reach(after, token.end, most - 1)
                best = max(best, 1 + rest)
                if best == most:
                    break
        return best

    def starts_line(self, token: Token) -> bool:
        """Whether a word that begins statements stands first on its line."""
        return token.type == "WORD" and token.text.upper() in STARTERS and begins_line(self.text, token.start)

    def types_of(self, token: Token) -> tuple[str, ...]:
        """The terminals that a raw terminal can stand for."""
        if token.type == "WORD":
            return (token.text.upper(), "NAME")
        if token.type == "SEMICOLON":
            return ("$END", "SEMICOLON")
        if token.type == "PARAM" and token.text != "?":
            return ("PARAM", "COLON")
        return ("STRING",) if token.type in STRINGS else (token.type,)

    def advance(self, states: list[State], terminal: str) -> list[State] | None:
        """The states after the terminal was taken, or None where the parser cannot take it."""
        # A reduction leaves one new state on those below, so nothing has to be copied to try.
        state, below = states[-1], len(states) - 1
        size, to, after, _ = state.row[terminal]
        while size > 0:
            below -= size - 1
            state, (size, to, after, _) = after[states[below - 1]]
        if size < 0:
            return None
        return [*states[:below], state] if to is None else [*states[:below], state, to]

    def takes(self, terminal: str) -> bool:
        """Whether the parser can take a terminal here."""
        states = self.states
        below = len(states) - 1
        size, _, after, _ = states[-1].row[terminal]
        while size > 0:
            below -= size - 1
            _, (size, _, after, _) = after[states[below - 1]]
        return size == 0

    def starts_anew(self, keyword: str, start: int, end: int) -> bool:
        """Whether a word at the start of a line begins a statement that cannot continue this one."""
        known = self.states[-1].symbols
        ending = "SEMICOLON" if self.brackets else "$END"
        if ending not in known or not begins_line(self.text, start) or not self.takes(ending):
            return False
        if "NAME" in known and keyword not in known and self.takes("NAME"):
            return False  # a name is missing here, and this is it
        if not self.takes(keyword):
            return True
        if keyword == "FUSION":
            return self.fused
        following = cut(self.text, end)
        if keyword == "BATCH":  # `BATCH {` begins a statement, `BATCH 500` is COPY's
            return following.type == "LBRACE"
        if keyword == "UPDATE":  # `UPDATE MODE m` and `UPDATE FILTER f` are UPSERT's
            named = following.text.upper() == "COLLECTION"  # UPDATE COLLECTION c SET
            return named or cut(self.text, following.end).text.upper() == "SET"
        if keyword == "WITH":  # `WITH name AS (` begins a query; `WITH (`, `WITH PAYLOAD …` is a clause
            name = following.type == "WORD" or following.type in STRINGS
            return name and cut(self.text, following.end).text.upper() == "AS"
        return False

    def expected(self) -> dict[str, list[str]]:
        """What may come next as messages name it, each with the terminals that it stands for."""
        from qql.syntax.hints import PHRASES

        tables, found = self.tables, dict[str, list[str]]()
        for terminal in self.states[-1].symbols:
            after = self.advance(self.states, terminal) if terminal in tables.labels else None
            if after is None:
                continue
            label = tables.labels[terminal]
            if terminal != "$END":  # the state in which it is taken knows which rules can begin here
                known = after[-2].symbols
                rules = (rule for rule in PHRASES if rule in known and terminal in tables.first[rule].split())
                label = next((PHRASES[rule] for rule in rules), label)
            found.setdefault(label, []).append(terminal)
        return found

    def unexpected(self, token: Token, before: Token) -> NoReturn:
        opened = [Span(start, start + 1) for start in self.opened[-1:]]
        from qql.syntax.hints import Place, unexpected
        from qql.syntax.lookalikes import look_alike_at

        behind = self.text[token.end : token.end + 1]
        alike = look_alike_at(self.text, token.end) if behind.isalnum() else None
        place = Place(self.expected(), before, opened, clause_words(self.statement), alike)
        raise unexpected(token, place, self.tables.labels)


def begins_line(text: str, pos: int) -> bool:
    """Whether only white space stands before pos on its line."""
    # A line may be megabytes long: no more of it is looked at than the white space.
    while True:
        begin = max(0, pos - _INDENT)
        before = text[begin:pos].rstrip(BLANK)
        if before or begin == 0:
            return before[-1:] in ("", "\n")
        pos = begin
