"""Text → tree: the driver of the tables that Lark makes of the grammar (`qql.tables`).

They are driven here rather than by Lark, since a word's meaning (keyword or name) hangs on the parser's
state, and so that JSON values can be read whole.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from threading import Lock
from typing import Any, NoReturn, cast

from qql import nodes
from qql.errors import Diagnostic, QQLCompileError, QQLScriptError, QQLSyntaxError, Source, Span
from qql.nodes import Node, Statement
from qql.syntax.builder import Builder
from qql.syntax.clauses import NOW, LiteralHoles, clause_words
from qql.syntax.hints import PHRASES, Place, unexpected
from qql.syntax.lalr import Tables, load
from qql.syntax.lexer import (
    ARITHMETIC,
    BLANK,
    CLOSING,
    MAX_NESTING,
    NOTHING,
    OPENING,
    STARTERS,
    STRINGS,
    JsonReader,
    Token,
    bad_character,
    cut,
    cut_here,
    fault_at,
    skip_space,
    syntax_error,
)

__all__ = ["Parsed", "is_complete", "keywords", "parse", "parse_script", "parse_stage", "parse_with_holes", "split"]

MAX_PREFETCH_DEPTH = 64  # Qdrant's own
MAX_BYTES = 64 * 1024 * 1024
_LOOKAHEAD = 3  # terminals that decide whether a word is a keyword, where it could be a name
_MOST_ERRORS = 100  # reported of one script; whoever has more begins at the top
_INDENT = 80  # characters before a word that are looked at together
_MOST_UNCLOSED = 10  # strings without an end, each read to the end of the text, before the rest is given up
_MAX_STACK = 3000  # what 200 levels of every kind inside 64 stages can need, with room to spare


@dataclass(frozen=True, slots=True)
class Parsed:
    """One statement of a script, with what the later phases need to know of its text."""

    statement: Statement
    span: Span
    params: tuple[nodes.Param, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


# ------------------------------------------------------------------------------------ tables


@cache
def _tables() -> Tables:
    return load(Builder())


def keywords() -> frozenset[str]:
    """Every keyword of the grammar, in capitals."""
    return _tables().keywords


# ------------------------------------------------------------------------------------ the parser


_ONE_AT_A_TIME = Lock()  # see `qql.builder.NOW`


class _Parser:
    """Reads one statement of a text, whose JSON ``reader`` reads."""

    def __init__(self, text: str, reader: JsonReader, holes: LiteralHoles | None = None) -> None:
        self.text = text
        self.holes = holes
        self.reader = reader
        self.tables = _tables()
        self.parameters: list[nodes.Param] = []
        self.warnings: list[Diagnostic] = []

    def parse(self, pos: int, root: str = "start") -> tuple[Any, Span]:
        """The statement that begins at pos, and its span. A closing `;` is not part of it."""
        with _ONE_AT_A_TIME:
            return self.drive(pos, root)

    def drive(self, pos: int, root: str) -> tuple[Any, Span]:
        """Shift and reduce until the statement is whole."""
        actions = self.tables.actions
        self.states = states = [self.tables.start[root]]
        end_state = self.tables.end[root]
        values: list[Any] = []
        spans: list[tuple[int, int]] = []
        self.parameters = NOW.parameters = []
        self.warnings = NOW.warnings = []
        NOW.holes = self.holes
        self.brackets: list[str] = []
        self.opened: list[Span] = []
        self.filter_base = 0
        self.recent = NOTHING, NOTHING
        self.statement: type[Node] = nodes.Query
        self.fused = False
        first = skip_space(self.text, pos)
        last = first
        while True:
            token = self.next(last, first)
            if token.type == "$END":
                token.start = token.end = max(last, first)
            while True:
                action = actions[states[-1]].get(token.type)
                if action is None:
                    self.unexpected(token)
                if isinstance(action, int):
                    break
                size = action.size
                if size:
                    NOW.span = Span(spans[-size][0], spans[-1][1])
                    children = values[-size:]
                    del states[-size:], values[-size:], spans[-size:]
                else:
                    NOW.span, children = Span(token.start, token.start), []
                values.append(action.build(children))
                spans.append((NOW.span.start, NOW.span.end))
                states.append(cast(int, actions[states[-1]][action.origin]))
                if states[-1] == end_state and token.type == "$END":
                    return values[-1], Span(first, last)
            last = token.end
            if token.type in ("LSQB", "LBRACE"):
                rule = "array" if token.type == "LSQB" else "object"
                goto = actions[states[-1]].get(rule)
                read = self.reader.read(token.start) if isinstance(goto, int) else None
                if read is not None:
                    value, last = read
                    if self.holes is not None:
                        value = self.holes.list_at(value, token.start, last)
                    states.append(cast(int, goto))
                    values.append(value)
                    spans.append((token.start, last))
                    self.recent = self.recent[1], Token(rule, "", token.start, last)
                    continue
            self.nest(token)
            states.append(action)
            values.append(token)
            spans.append((token.start, token.end))
            if len(states) > _MAX_STACK:
                syntax_error("too-deep", f"nesting is deeper than {MAX_NESTING} levels", token.span)

    def nest(self, token: Token) -> None:
        """Counts brackets, for the limits and to know what is on the outermost level."""
        kind = token.type
        if kind in OPENING:
            before = self.recent[1].type
            self.brackets.append(before if before in ("PREFETCH", "BATCH") else kind)
            self.opened.append(token.span)
            prefetches = self.brackets.count("PREFETCH")
            filters = self.brackets.count("LPAR") - self.filter_base
            values = self.brackets.count("LSQB") + self.brackets.count("LBRACE")
            for what, count, most in (
                ("prefetches", prefetches, MAX_PREFETCH_DEPTH),
                ("filters", filters, MAX_NESTING),
                ("values", values, MAX_NESTING),
            ):
                if count > most:
                    syntax_error("too-deep", f"{what} nest deeper than {most} levels", token.span)
        elif kind in CLOSING:
            self.brackets.pop()
            self.opened.pop()
            self.filter_base = min(self.filter_base, len(self.brackets))
        elif kind in ("WHERE", "QUERY"):
            # A filter's parentheses are counted from its WHERE: those of stages are none of its own.
            self.filter_base = self.brackets.count("LPAR")
        elif kind == "FUSION" and not self.brackets:
            self.fused = True
        self.statement = _HEADS.get(kind, self.statement)
        self.recent = self.recent[1], token

    def next(self, pos: int, first: int) -> Token:
        """The next terminal, with its type as the parser's state wants it."""
        token = cut(self.text, pos)
        kind = token.type
        if kind == "SEMICOLON":
            if "BATCH" not in self.brackets[:1]:
                token.type = "$END"
        elif kind in STRINGS:
            token.type = "STRING"
        elif kind == "WORD":
            if token.start > first and self.brackets in ([], ["BATCH"]) and self.starts_anew(token):
                return Token("SEMICOLON" if self.brackets else "$END", "", token.start, token.start)
            token.type = self.word_type(token)
        elif kind == "PARAM" and token.text != "?":
            row = self.tables.actions[self.states[-1]]
            if "COLON" in row and "PARAM" not in row:  # {key:name}
                return Token("COLON", ":", token.start, token.start + 1)
        elif kind == "NUMBER" and token.text[0] == "-":
            row = self.tables.actions[self.states[-1]]
            if "MINUS" in row and "NUMBER" not in row:  # a -1
                return Token("MINUS", "-", token.start, token.start + 1)
        elif kind in ARITHMETIC and kind not in self.tables.actions[self.states[-1]]:
            bad_character(self.text, token.start)
        return token

    def word_type(self, token: Token) -> str:
        keyword = token.text.upper()
        row = self.tables.actions[self.states[-1]]
        if keyword not in row or keyword not in self.tables.keywords:
            if "NAME" in row or keyword not in self.tables.keywords:
                return "NAME"
            return keyword
        if "NAME" not in row or self.advance(self.states, "NAME") is None:
            return keyword
        as_keyword = self.reach(self.advance(self.states, keyword), token.end, _LOOKAHEAD)
        if as_keyword == _LOOKAHEAD:
            return keyword
        as_name = self.reach(self.advance(self.states, "NAME"), token.end, _LOOKAHEAD)
        return keyword if as_keyword and as_keyword >= as_name else "NAME"

    def reach(self, states: list[int] | None, pos: int, most: int) -> int:
        """How many of the terminals at pos the parser can take, of at most ``most``."""
        if states is None or most == 0:
            return 0
        try:
            token = cut(self.text, pos)
        except QQLSyntaxError:
            return 0
        best = 0
        if self.starts_line(token) and self.advance(states, "$END") is not None:
            return most  # the statement can end here, and another begin
        for terminal in self.types_of(token):
            after = self.advance(states, terminal)
            if after is not None:
                rest = most - 1 if terminal == "$END" else self.reach(after, token.end, most - 1)
                best = max(best, 1 + rest)
                if best == most:
                    break
        return best

    def starts_line(self, token: Token) -> bool:
        """Whether a word that begins statements stands first on its line."""
        return (
            token.type == "WORD" and token.text.upper() in STARTERS and _begins_line(self.text, token.start)
        )

    def types_of(self, token: Token) -> tuple[str, ...]:
        """The terminals that a raw terminal can stand for."""
        if token.type == "WORD":
            return (token.text.upper(), "NAME")
        if token.type == "SEMICOLON":
            return ("$END", "SEMICOLON")
        if token.type == "PARAM" and token.text != "?":
            return ("PARAM", "COLON")
        return ("STRING",) if token.type in STRINGS else (token.type,)

    def advance(self, states: list[int], terminal: str) -> list[int] | None:
        """The states after the terminal was taken, or None where the parser cannot take it."""
        actions, states = self.tables.actions, list(states)
        while True:
            action = actions[states[-1]].get(terminal)
            if action is None:
                return None
            if isinstance(action, int):
                states.append(action)
                return states
            if action.size:
                del states[-action.size :]
            states.append(cast(int, actions[states[-1]][action.origin]))
            if terminal == "$END" and states[-1] in self.tables.end.values():
                return states

    def starts_anew(self, token: Token) -> bool:
        """Whether a word at the start of a line begins a statement that cannot continue this one."""
        keyword = token.text.upper()
        if not self.starts_line(token):
            return False
        end = "SEMICOLON" if self.brackets else "$END"
        if self.advance(self.states, end) is None:
            return False
        row = self.tables.actions[self.states[-1]]
        if "NAME" in row and keyword not in row and self.advance(self.states, "NAME") is not None:
            return False  # a name is missing here, and this is it
        if self.advance(self.states, keyword) is None:
            return True
        if keyword == "FUSION":
            return self.fused
        following = cut(self.text, token.end)
        if keyword == "BATCH":  # `BATCH {` begins a statement, `BATCH 500` is COPY's
            return following.type == "LBRACE"
        if keyword == "UPDATE":  # `UPDATE MODE m` and `UPDATE FILTER f` are UPSERT's
            return cut(self.text, following.end).text.upper() == "SET"
        if keyword == "WITH":  # `WITH name AS (` begins a query; `WITH (`, `WITH PAYLOAD …` is a clause
            name = following.type == "WORD" or following.type in STRINGS
            return name and cut(self.text, following.end).text.upper() == "AS"
        return False

    def expected(self) -> dict[str, list[str]]:
        """What may come next as messages name it, each with the terminals that it stands for."""
        tables, found = self.tables, dict[str, list[str]]()
        for terminal in tables.actions[self.states[-1]]:
            after = self.advance(self.states, terminal) if terminal in tables.labels else None
            if after is None:
                continue
            label = tables.labels[terminal]
            if terminal != "$END":  # the state in which it is taken knows which rules can begin here
                row = tables.actions[after[-2]]
                rules = (rule for rule in PHRASES if rule in row and terminal in tables.first[rule])
                label = next((PHRASES[rule] for rule in rules), label)
            found.setdefault(label, []).append(terminal)
        return found

    def unexpected(self, token: Token) -> NoReturn:
        place = Place(self.expected(), self.recent[1], self.opened, clause_words(self.statement))
        raise unexpected(token, place, self.tables.labels)


_HEADS: dict[str, type[Node]] = {
    "QUERY": nodes.Query,
    "FUSION": nodes.Query,
    "COUNT": nodes.Count,
    "SCROLL": nodes.Scroll,
    "MATRIX": nodes.Matrix,
    "DELETE": nodes.Delete,
}


# ------------------------------------------------------------------------------------ the public face


_KEPT: dict[str, tuple[Parsed, ...]] = {}
"""Scripts that were parsed before: a program asks the same queries again, with other parameters."""
_MOST_KEPT = 256
LONGEST_KEPT = 8192  # characters


def parse_script(source: Source) -> tuple[list[Parsed], list[QQLCompileError]]:
    """Every statement of a script that parses, and the first error of each that does not."""
    kept = _KEPT.get(source.text)
    if kept is not None:
        return list(kept), []
    done, errors = _parse_script(source)
    if len(source.text) <= LONGEST_KEPT and not errors and all(_unchanging(one.statement) for one in done):
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[source.text] = tuple(done)
    return done, errors


def _unchanging(value: Any) -> bool:
    """Whether a tree holds no list and no object, which a request would share with the next one."""
    todo = [value]
    while todo:
        match todo.pop():
            case list() | dict():
                return False
            case nodes.Option(name=name) if name.lower() == "rrf_weights":
                pass  # every request has a list of its own
            case tuple() as items:
                todo += items
            case Node() as node:
                todo += (getattr(node, f.name) for f in fields(node))
    return True


def parse_with_holes(source: Source, holes: LiteralHoles) -> list[Parsed]:
    """`parse_script` with holes in the places of literals.

    Raises what is wrong with the text, or `NeedsValue` where the tree hangs on one of them.
    """
    done, errors = _parse_script(source, holes)
    raise_all(errors)
    return done


def _parse_script(
    source: Source, holes: LiteralHoles | None = None
) -> tuple[list[Parsed], list[QQLCompileError]]:
    done: list[Parsed] = []
    errors: list[QQLCompileError] = []
    text = source.text
    try:
        _check_text(text)
    except QQLSyntaxError as exc:
        return [], [cast(QQLCompileError, exc.at(source))]
    pos, reader = 0, JsonReader(text)
    while True:
        pos = skip_space(text, pos)
        if pos >= len(text):
            return done, errors
        if text[pos] == ";":
            pos += 1
            continue
        parser = _Parser(text, reader, holes)
        try:
            statement, span = parser.parse(pos)
        except QQLSyntaxError as exc:
            errors.append(cast(QQLCompileError, exc.at(source)))
            if len(errors) == _MOST_ERRORS:
                return done, errors
            pos = _recover(text, pos, exc.diagnostic.span)
        else:
            done.append(Parsed(statement, span, tuple(parser.parameters), tuple(parser.warnings)))
            pos = span.end


def _check_text(text: str) -> None:
    """Refuses a text that is too long, or that is no Unicode text."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        message = f"U+{ord(text[exc.start]):04X} is half of a character"
        syntax_error("lone-surrogate", message, Span(exc.start, exc.start + 1))
    if size > MAX_BYTES:
        message = f"the text has {size:,} bytes; the limit is 64 MiB"
        hint = "COPY … FROM loads a file, VALUES :rows takes rows as a parameter"
        syntax_error("text-too-long", message, Span(0, 1), hint)


def _begins_line(text: str, pos: int) -> bool:
    """Whether only white space stands before pos on its line."""
    # A line may be megabytes long: no more of it is looked at than the white space.
    while True:
        begin = max(0, pos - _INDENT)
        before = text[begin:pos].rstrip(BLANK)
        if before or begin == 0:
            return before[-1:] in ("", "\n")
        pos = begin


def _recover(text: str, pos: int, failed: Span | None) -> int:
    """Where the next statement may begin: after a `;`, or at a statement's keyword that begins a line."""
    at, opened, unclosed = _cut_first(text, pos), 0, 0
    batch = text[skip_space(text, pos) : at].upper() == "BATCH"
    while True:
        at = skip_space(text, at)
        token = cut_here(text, at)
        if token is None:
            code, at = fault_at(text, at)
            if code == "unterminated-comment" or unclosed == _MOST_UNCLOSED:
                return len(text)
            if code == "unterminated-string":
                # What follows is inside the string or after it: only a new line is a fresh start.
                opened = 0
                unclosed += 1
            continue
        if token.type == "$END":
            return len(text)
        if token.type == "SEMICOLON" and not (batch and opened):
            return token.end
        opened = max(0, opened + (token.type in OPENING) - (token.type in CLOSING))
        if (
            token.type == "WORD"
            and not opened
            and _begins_line(text, token.start)
            and (failed is None or token.start > failed.start)
            and token.text.upper() in STARTERS
            and not _is_clause(text, token)
        ):
            return token.start
        at = token.end


def _cut_first(text: str, pos: int) -> int:
    """Behind the first terminal of a statement that failed."""
    try:
        return cut(text, pos).end
    except QQLSyntaxError:
        return pos


def _is_clause(text: str, token: Token) -> bool:
    """Whether a word that can begin a statement is more likely a clause of the broken one before it."""
    keyword = token.text.upper()
    if keyword == "FUSION":
        return True
    if keyword != "WITH":
        return False
    try:
        following = cut(text, token.end)
        return cut(text, following.end).text.upper() != "AS"
    except QQLSyntaxError:
        return True


def parse(text: str, *, name: str = "<string>") -> list[Statement]:
    """The statements of a text, in order.

    Raises `QQLSyntaxError` where one statement does not parse, `QQLScriptError` with the first error of
    each where several do not.
    """
    done, errors = parse_script(Source(text, name))
    raise_all(errors)
    return [parsed.statement for parsed in done]


def raise_all(errors: list[QQLCompileError]) -> None:
    """Raise the error, or all of them as one; nothing where there is none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise QQLScriptError(*(d for error in errors for d in error.diagnostics))


def parse_stage(text: str, *, name: str = "<stage>") -> nodes.Query:
    """The tree of a stage given on its own, as in ``stages={"dense": "QUERY 'a' USING dense"}``."""
    source = Source(text, name)
    try:
        _check_text(text)
        stage, span = _Parser(text, JsonReader(text)).parse(0, "stage")
        rest = cut(text, span.end)
        if rest.type == "SEMICOLON":
            rest = cut(text, rest.end)
        if rest.type != "$END":
            syntax_error("syntax", f"a stage ends before `{rest.text}`", rest.span)
    except QQLSyntaxError as exc:
        raise exc.at(source) from None
    return cast(nodes.Query, stage)


def split(text: str) -> list[str]:
    """The statements of a script as texts, without their `;`. Raises as `parse` does."""
    done, errors = parse_script(Source(text))
    raise_all(errors)
    return [text[parsed.span.start : parsed.span.end] for parsed in done]


def is_complete(text: str) -> bool:
    """Whether a text typed so far ends with a `;` that is outside strings and comments."""
    pos, ended = 0, False
    before, batch = "", 0  # how many braces are open since BATCH, whose statements end with `;` too
    while True:
        pos = skip_space(text, pos)
        token = cut_here(text, pos)
        if token is None:
            code, pos = fault_at(text, pos)
            if code.startswith("unterminated"):
                return False
            ended = False
            continue
        if token.type == "$END":
            return ended
        if token.type == "LBRACE" and (batch or before == "BATCH"):
            batch += 1
        elif token.type == "RBRACE" and batch:
            batch -= 1
        before = token.text.upper()
        pos, ended = token.end, token.type == "SEMICOLON" and not batch
