"""Text → tree: a driver for the tables of `qql.tables`, and what each rule makes.

Lark makes the tables. They are driven here rather than by Lark, since a word's meaning (keyword or name)
hangs on the parser's state, and so that JSON values can be read whole.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache
from threading import Lock
from typing import Any, NoReturn, cast

from qql import nodes
from qql.errors import Diagnostic, QQLCompileError, QQLScriptError, QQLSyntaxError, Source, Span, did_you_mean
from qql.nodes import Node, Statement
from qql.tables import Tables, load

__all__ = ["Parsed", "is_complete", "keywords", "parse", "parse_script", "parse_stage", "split"]

MAX_NESTING = 200
MAX_PREFETCH_DEPTH = 64  # Qdrant's own
MAX_BYTES = 64 * 1024 * 1024
_LOOKAHEAD = 3  # terminals that decide whether a word is a keyword, where it could be a name
_MOST_ERRORS = 100  # reported of one script; whoever has more begins at the top
_MOST_UNCLOSED = 10  # strings without an end, each read to the end of the text, before the rest is given up
_MAX_STACK = 3000  # what 200 levels of every kind inside 64 stages can need, with room to spare


@dataclass(frozen=True, slots=True)
class Parsed:
    """One statement of a script, with what the later phases need to know of its text."""

    statement: Statement
    span: Span
    params: tuple[nodes.Param, ...] = ()


# ------------------------------------------------------------------------------------ tables


@cache
def _tables() -> Tables:
    return load(_Builder())


def keywords() -> frozenset[str]:
    """Every keyword of the grammar, in capitals."""
    return _tables().keywords


# ------------------------------------------------------------------------------------ terminals

_SPACE = re.compile(r"(?:[\s\ufeff]++|--[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_TOKEN = re.compile(
    r"""
      (?P<RAW>      [rR](?:'[^']*+'|"[^"]*+") )
    | (?P<WORD>     [A-Za-z_$][A-Za-z0-9_$]*+(?:\[\])?+(?:\.[A-Za-z_$][A-Za-z0-9_$]*+(?:\[\])?+)*+ )
    | (?P<NUMBER>   -?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![A-Za-z_$0-9.]) )
    | (?P<TRIPLE>   '''(?:[^']|'(?!''))*+''' | \"""(?:[^"]|"(?!""))*+\""" )
    | (?P<STRING>   '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.)*+" )
    | (?P<VERBATIM> `[^`]*+` )
    | (?P<PARAM>    :[A-Za-z_][A-Za-z0-9_]*+ | \? )
    | (?P<COMPARISON> != | <> | <= | >= | < | > | ≠ | ≤ | ≥ )
    | (?P<SYMBOL>   [()\[\]{},;:=] )
    """,
    re.VERBOSE | re.DOTALL,
)
_SYMBOLS = {
    "(": "LPAR",
    ")": "RPAR",
    "[": "LSQB",
    "]": "RSQB",
    "{": "LBRACE",
    "}": "RBRACE",
    ",": "COMMA",
    ":": "COLON",
    "=": "EQUAL",
    ";": "SEMICOLON",
}
_TRIPLES = ("'''", '"""')
_END = "the end of the statement"
_MOST_LABELS = 7
_PHRASES = {
    "_statement": "a statement",
    "clause": "a clause",
    "ref": "a stage",
    "condition": "a condition",
    "negation": "a condition",
    "target": "something to search for",
    "value": "a value",
    "scalar": "a value",
    "id": "the id of a point",
    "name": "a name",
    "option": "an option",
    "block": "WITH",
}
"""Rules whose many beginnings would drown what is meant, as messages name them; the outermost first."""
_WANTED = {
    **dict.fromkeys(("LIMIT", "OFFSET", "THRESHOLD", "BATCH"), "a number"),
    "WAIT": "TRUE or FALSE",
}
"""What a value is behind some keywords."""
_TEXTUAL = {"a value", "a string", "something to search for"}


@dataclass(frozen=True, slots=True)
class _Slip:
    """A mistake that is known by what was found, what stands before it and what was expected there."""

    hint: str
    found: frozenset[str]
    last: frozenset[str] = frozenset()
    expected: str = ""

    def fits(self, last: _Token, token: _Token, expected: dict[str, list[str]]) -> bool:
        return (
            not self.found.isdisjoint(token.kinds())
            and (not self.last or not self.last.isdisjoint(last.kinds()))
            and (not self.expected or self.expected in expected)
        )


def _slip(found: str, last: str, hint: str, expected: str = "") -> _Slip:
    return _Slip(hint, frozenset(found.split()), frozenset(last.split()), expected)


def _hint(slips: Iterable[_Slip], last: _Token, token: _Token, expected: dict[str, list[str]]) -> str | None:
    for slip in slips:
        if slip.fits(last, token, expected):
            return slip.hint.format(found=token.text, last=last.text)
    return None


_SLIPS = (
    _slip("EQUAL", "EQUAL", "equality is written `=`"),
    _slip("STRING NUMBER NAME PARAM", "IN", "the values of IN stand in parentheses: IN ('a', 'b')"),
    _slip("NULL EMPTY", "NOT", "write IS NOT {found}"),
    _slip("NULL EMPTY", "NAME", "write IS {found}"),
    _slip("COMMA", "", "conditions are joined by AND or OR", "OR"),
    _slip("COMMA TO", "", "write BETWEEN low AND high", "AND"),
    _slip("AND OR RPAR $END", "NAME STRING", "a field alone is no condition: write {last} = true", "BETWEEN"),
    _slip("NUMBER", "", "the field stands first: price > 5", "a condition"),
    _slip("NAME STRING", "PREFETCH", "the stages stand in parentheses: PREFETCH (dense, sparse)"),
    _slip("QUERY", "AS", "the stage stands in parentheses: AS (QUERY …)"),
    _slip("NAME LBRACE", "WITH", "options stand in parentheses: WITH (hnsw_ef = 64)", "PAYLOAD"),
    _slip("EQUAL", "PAYLOAD VECTOR VECTORS", "write WITH {last} true", "a clause"),
    _slip("NAME", "PAYLOAD", "the fields stand in parentheses: WITH PAYLOAD ({found})"),
    _slip("NUMBER", "SCORE", "write SCORE THRESHOLD {found}"),
    _slip("COMPARISON EQUAL", "THRESHOLD", "write SCORE THRESHOLD 0.5"),
    _slip("STRING NUMBER NAME FUSION", "QUERY", "the comma before QUERY might be one too many", "AS"),
    _slip("HNSW QUANTIZATION OPTIMIZERS PARAMS WAL", "", "write WITH {found} (…)", "WITH"),
    _slip("LPAR", "", "write CREATE INDEX ON docs FOR field", "FOR"),
    _slip("NAME", "INDEX", "an index has no name: CREATE INDEX ON docs FOR field", "ON"),
    _slip("LPAR", "COUNT", "write COUNT FROM docs; it counts points"),
    _slip("LPAR", "QUERY", "a vector stands in brackets: [0.1, 0.2]"),
    _slip("LPAR", "VALUES", "a row is an object: VALUES {{id: 1, name: 'x'}}"),
    _slip("LPAR", "", "a row is an object that names its fields: VALUES {{id: 1, name: 'x'}}", "VALUES"),
    _slip("LBRACE", "", "write VALUES before the rows", "VALUES"),
    _slip("LSQB NUMBER", "VECTOR", "write VECTOR(384, COSINE)", "`(`"),
    _slip("LPAR", "VECTOR", "a vector has a name: dense VECTOR(384, COSINE)", "VECTOR"),
    _slip("EQUAL", "", "an object is written {{key: value}}", "`:`"),
    _slip("COLON", "", "options are written (key = value)", "`=`"),
    _slip("RPAR RSQB RBRACE $END", "COMMA", "the comma before might be one too many"),
    _slip("COMMA", "NUMBER", "LIMIT 20 OFFSET 10 skips ten hits and gives twenty", "a clause"),
    _slip("COMMA", "", "clauses are not separated by commas", "a clause"),
    _slip("RPAR", "", "this `)` closes nothing", _END),
)
"""What is known to be meant."""
_GUESSES = (
    _slip("NAME STRING", "COUNT SCROLL DELETE", "write {last} FROM {found}"),
    _slip("NAME STRING", "UPSERT INSERT", "write {last} INTO {found}"),
    _slip("NAME STRING LPAR NOT", "", "conditions are joined by AND or OR", "OR"),
)
"""What might be meant, where no word that could stand there is close to the one found."""
_FOREIGN = {
    "SELECT": "QUERY searches, QUERY POINTS (1, 2) fetches points by id, SCROLL walks through a collection",
    "UPDATE": "UPSERT INTO docs VALUES {id: 1, …} replaces a point",
    **dict.fromkeys(
        ("LIKE", "ILIKE", "CONTAINS", "REGEXP", "RLIKE", "SIMILAR"),
        "MATCH 'words' searches a text, MATCH PREFIX 'x' the beginning of a keyword",
    ),
    "JOIN": "collections are not joined; LOOKUP FROM takes the vector of a point from another one",
    "HAVING": "WHERE chooses points, SCORE THRESHOLD cuts off scores",
    "TOP": "write LIMIT 5",
    "TABLE": "write COLLECTION",
    "TABLES": "write SHOW COLLECTIONS",
    "DATABASE": "write USE and the name of a collection",
    "DESCRIBE": "SHOW COLLECTION docs describes a collection",
    **dict.fromkeys(
        ("BEGIN", "COMMIT", "ROLLBACK"),
        "there are no transactions; each statement stands for itself",
    ),
    "TRUNCATE": "DROP COLLECTION removes a collection with all its points",
    "SEARCH": "write QUERY 'text' FROM docs LIMIT 5",
    "SCORE_THRESHOLD": "write SCORE THRESHOLD 0.5",
    "RRF": "write FUSION RRF",
    "DBSF": "write FUSION DBSF",
}
"""Words of other languages, and what says the same here."""
_SIGNS = {
    "&&": "conditions are joined by AND",
    "||": "conditions are joined by OR",
    "!": "write NOT before a condition",
    "#": "a comment begins with `--`",
    "//": "a comment begins with `--`",
    "@": "a parameter is written :name or ?",
    "%": "a parameter is written :name or ?",
    "*": "COUNT FROM docs counts points, and WITH PAYLOAD true gives every field",
    **dict.fromkeys("“”„‘’«»", "a text stands between straight quotes: 'text'"),
}
"""Signs that begin nothing here, and what might be meant."""
_STRINGS = frozenset({"RAW", "TRIPLE", "STRING", "VERBATIM"})
_CLOSING = frozenset({"`)`", "`]`", "`}`"})
_OPEN, _CLOSE = frozenset({"LPAR", "LSQB", "LBRACE"}), frozenset({"RPAR", "RSQB", "RBRACE"})
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)|''", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_PLAIN_ESCAPES = frozenset("\\'\"$/\n")
_BLANK = " \t\r\f\v\ufeff"
_STARTERS = frozenset(
    {"WITH", "QUERY", "FUSION", "EXPLAIN", "USE", "DEFINE", "UNDEFINE", "SHOW", "CREATE", "DROP", "UPSERT"}
    | {"INSERT", "DELETE", "COPY", "OPTIMIZE", "COUNT", "SCROLL"}
)


@dataclass(slots=True)
class _Token:
    type: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    def kinds(self) -> set[str]:
        """What a table may call it: its type, its text, and NAME for any word that begins no statement."""
        word = self.text.upper()
        found = {self.type, word}
        return found | {"NAME"} if word not in _STARTERS and self.text.isidentifier() else found


_NOTHING = _Token("", "", 0, 0)


def _skip_space(text: str, pos: int) -> int:
    found = _SPACE.match(text, pos)
    return found.end() if found else pos


def _syntax_error(code: str, message: str, span: Span, hint: str | None = None) -> NoReturn:
    raise QQLSyntaxError(Diagnostic(code, message, span, hint))


def _cut(text: str, pos: int) -> _Token:
    """The terminal at the first character that is not space. A word has the type WORD."""
    pos = _skip_space(text, pos)
    if pos >= len(text):
        return _Token("$END", "", pos, pos)
    found = _TOKEN.match(text, pos)
    if found is None:
        _bad_character(text, pos)
    kind, end = cast(str, found.lastgroup), found.end()
    if kind == "WORD" and text[pos:end] in "rR" and text[end : end + 1] in ("'", '"'):
        _bad_character(text, pos)  # a raw string without an end
    if kind == "SYMBOL":
        kind = _SYMBOLS[text[pos]]
    return _Token(kind, text[pos:end], pos, end)


def _bad_character(text: str, pos: int) -> NoReturn:
    char = text[pos]
    line_end = text.find("\n", pos)
    line = Span(pos, len(text) if line_end < 0 else line_end)
    raw = text[pos : pos + 2].lower() in ("r'", 'r"')
    if char in "'\"`" or raw:
        quote = text[pos + raw : pos + raw + 3]
        quote = quote if quote in _TRIPLES and not raw else quote[0]
        _syntax_error("unterminated-string", f"this string has no closing {quote}", line)
    if text.startswith("/*", pos):
        _syntax_error("unterminated-comment", "this comment has no closing */", line)
    if char.isdigit() or (char in "-+." and text[pos + 1 : pos + 2].isdigit()):
        found = re.compile(r"[-+.\w]+").match(text, pos)
        word = Span(pos, found.end() if found else pos + 1)
        _syntax_error(
            "malformed-number",
            f"`{text[word.start : word.end]}` is not a number",
            word,
            "numbers are written 3, -3, 0.5 or 1e-3; a name that begins with a digit needs quotes",
        )
    shown = char if char.isprintable() else f"U+{ord(char):04X}"
    hint = next((_SIGNS[sign] for sign in _SIGNS if text.startswith(sign, pos)), None)
    if char.isalnum() or (char == "-" and text[pos - 1 : pos + 2].replace("-", "").isalnum()):
        hint = "a name with such characters is written in quotes"
    _syntax_error("unexpected-character", f"unexpected character `{shown}`", Span(pos, pos + 1), hint)


def _string_value(token: _Token) -> str:
    text = token.text
    if text[0] in "rR":
        return text[2:-1]
    if text[0] == "`":
        return text[1:-1]
    if len(text) >= 6 and text.startswith(_TRIPLES) and text.endswith(_TRIPLES):
        return text[3:-3]
    body = text[1:-1]
    if "\\" not in body and ("''" not in body or text[0] != "'"):
        return body

    def unescape(found: re.Match[str]) -> str:
        escape = found.group(1)
        if escape is None:
            return "'" if text[0] == "'" else "''"
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        if escape in _PLAIN_ESCAPES:
            return escape
        at = token.start + 1 + found.start()
        _syntax_error(
            "unknown-escape",
            f"`\\{escape}` is not an escape",
            Span(at, at + 2),
            r"the escapes are \\ \' \" \n \r \t \$ \uXXXX; a raw string r'…' has none",
        )

    value = _ESCAPE.sub(unescape, body)
    if "\\u" not in body:
        return value
    try:  # a pair of \u escapes may spell one character beyond the basic plane, as in JSON
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        _syntax_error("lone-surrogate", "a \\u escape of this string is half of a character", token.span)


_LEAST, _MOST = -(1 << 63), (1 << 64) - 1  # signed and unsigned 64-bit integers


def _number_value(token: _Token) -> int | float:
    text = token.text
    if text.lstrip("-").isdigit():
        value = int(text) if len(text) < 25 else _MOST + 1
        if not _LEAST <= value <= _MOST:
            _syntax_error("number-out-of-range", f"`{text[:40]}` does not fit 64 bits", token.span)
        return value
    number = float(text)
    if number in (float("inf"), float("-inf")):
        _syntax_error("number-out-of-range", f"`{text[:40]}` is larger than any double", token.span)
    return number


# ------------------------------------------------------------------------------------ JSON values


class _NotJson(Exception):
    """The value needs the grammar: it is no JSON, or has a fault to be reported."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise _NotJson  # a key is there twice
    return out


def _no_constant(_: str) -> NoReturn:
    raise _NotJson  # NaN and the infinities


_INFINITE = (math.inf, -math.inf)
_json = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, strict=False)


def _read_json(text: str, pos: int) -> tuple[Any, int] | None:
    """The JSON array or object at pos and where it ends; None where the grammar has to read it."""
    try:
        value, end = _json.raw_decode(text, pos)
        if text.find("\\u", pos, end) >= 0:
            json.dumps(value, ensure_ascii=False).encode()  # refuses half of an escaped pair
        if not _numbers_fit(value):
            return None
    except (ValueError, _NotJson, RecursionError):
        return None
    if text.count("[", pos, end) + text.count("{", pos, end) > MAX_NESTING and _depth(value) > MAX_NESTING:
        return None
    return value, end


def _numbers_fit(value: Any) -> bool:
    """Whether every number of a JSON value is what `_number_value` would have read."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, list):
            kinds = {*map(type, item)}
            # Vectors are long, so lists of one kind of number are looked at as a whole.
            fit = (kinds == {float} and math.isfinite(sum(item))) or (
                kinds == {int} and min(item) >= _LEAST and max(item) <= _MOST
            )
            if not fit:
                todo += item
        elif isinstance(item, int):
            if not _LEAST <= item <= _MOST:
                return False
        elif item in _INFINITE:
            return False
    return True


def _depth(value: Any) -> int:
    """How deep lists and dicts nest."""
    level, todo = 0, [value]
    while todo:
        level += 1
        inside: list[Any] = []
        for item in todo:
            if isinstance(item, dict):
                inside += [v for v in item.values() if isinstance(v, (dict, list))]
            else:
                inside += [v for v in item if isinstance(v, (dict, list))]
        todo = inside
    return level


# ------------------------------------------------------------------------------------ the parser


_ONE_AT_A_TIME = Lock()  # the builder that the tables hold reads `_Parser.current`


class _Parser:
    """Reads one text. `_Builder` asks `current` for the span of the rule that is being reduced."""

    current = Span(0, 0)
    parameters: list[nodes.Param]

    def __init__(self, source: Source) -> None:
        self.text = source.text
        self.source = source
        self.tables = _tables()
        self.parameters = []

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
        self.parameters = _Parser.parameters = []
        self.brackets: list[str] = []
        self.opened: list[Span] = []
        self.filter_base = 0
        self.recent = _NOTHING, _NOTHING
        self.statement: type[Node] = nodes.Query
        self.fused = False
        first = _skip_space(self.text, pos)
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
                    _Parser.current = Span(spans[-size][0], spans[-1][1])
                    children = values[-size:]
                    del states[-size:], values[-size:], spans[-size:]
                else:
                    _Parser.current, children = Span(token.start, token.start), []
                values.append(action.build(children))
                spans.append((_Parser.current.start, _Parser.current.end))
                states.append(cast(int, actions[states[-1]][action.origin]))
                if states[-1] == end_state and token.type == "$END":
                    return values[-1], Span(first, last)
            last = token.end
            if token.type in ("LSQB", "LBRACE"):
                rule = "array" if token.type == "LSQB" else "object"
                goto = actions[states[-1]].get(rule)
                read = _read_json(self.text, token.start) if isinstance(goto, int) else None
                if read is not None:
                    value, last = read
                    states.append(cast(int, goto))
                    values.append(value)
                    spans.append((token.start, last))
                    self.recent = self.recent[1], _Token(rule, "", token.start, last)
                    continue
            self.nest(token)
            states.append(action)
            values.append(token)
            spans.append((token.start, token.end))
            if len(states) > _MAX_STACK:
                _syntax_error("too-deep", f"nesting is deeper than {MAX_NESTING} levels", token.span)

    def nest(self, token: _Token) -> None:
        """Counts brackets, for the limits and to know what is on the outermost level."""
        kind = token.type
        if kind in _OPEN:
            self.brackets.append("PREFETCH" if self.recent[1].type == "PREFETCH" else kind)
            self.opened.append(token.span)
            prefetches = self.brackets.count("PREFETCH")
            filters = self.brackets.count("LPAR") - self.filter_base
            values = len(self.brackets) - prefetches - self.brackets.count("LPAR")
            for what, count, most in (
                ("prefetches", prefetches, MAX_PREFETCH_DEPTH),
                ("filters", filters, MAX_NESTING),
                ("values", values, MAX_NESTING),
            ):
                if count > most:
                    _syntax_error("too-deep", f"{what} nest deeper than {most} levels", token.span)
        elif kind in _CLOSE:
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

    def next(self, pos: int, first: int) -> _Token:
        """The next terminal, with its type as the parser's state wants it."""
        token = _cut(self.text, pos)
        kind = token.type
        if kind == "SEMICOLON":
            token.type = "$END"
        elif kind in _STRINGS:
            token.type = "STRING"
        elif kind == "WORD":
            if token.start > first and not self.brackets and self.starts_anew(token):
                return _Token("$END", "", token.start, token.start)
            token.type = self.word_type(token)
        elif kind == "PARAM" and token.text != "?":
            row = self.tables.actions[self.states[-1]]
            if "COLON" in row and "PARAM" not in row:  # {key:name}
                return _Token("COLON", ":", token.start, token.start + 1)
        return token

    def word_type(self, token: _Token) -> str:
        keyword = token.text.upper()
        row = self.tables.actions[self.states[-1]]
        if keyword not in row or keyword not in self.tables.keywords:
            if "NAME" in row or keyword not in self.tables.keywords:
                return "NAME"
            return keyword
        if "NAME" not in row:
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
            token = _cut(self.text, pos)
        except QQLSyntaxError:
            return 0
        best = 0
        for terminal in self.types_of(token):
            after = self.advance(states, terminal)
            if after is not None:
                rest = most - 1 if terminal == "$END" else self.reach(after, token.end, most - 1)
                best = max(best, 1 + rest)
                if best == most:
                    break
        return best

    def types_of(self, token: _Token) -> tuple[str, ...]:
        """The terminals that a raw terminal can stand for."""
        if token.type == "WORD":
            return (token.text.upper(), "NAME")
        if token.type == "SEMICOLON":
            return ("$END",)
        if token.type == "PARAM" and token.text != "?":
            return ("PARAM", "COLON")
        return ("STRING",) if token.type in _STRINGS else (token.type,)

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

    def starts_anew(self, token: _Token) -> bool:
        """Whether a word at the start of a line begins a statement that cannot continue this one."""
        keyword = token.text.upper()
        if keyword not in _STARTERS or not _begins_line(self.text, token.start):
            return False
        row = self.tables.actions[self.states[-1]]
        if "NAME" in row and keyword not in row:
            return False  # a name is missing here, and this is it
        if self.advance(self.states, "$END") is None:
            return False
        if self.advance(self.states, keyword) is None:
            return True
        if keyword == "FUSION":
            return self.fused
        if keyword == "WITH":  # `WITH name AS (` begins a query; `WITH (`, `WITH PAYLOAD …` is a clause
            following = _cut(self.text, token.end)
            name = following.type == "WORD" or following.type in _STRINGS
            return name and _cut(self.text, following.end).text.upper() == "AS"
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
                rules = (rule for rule in _PHRASES if rule in row and terminal in tables.first[rule])
                label = next((_PHRASES[rule] for rule in rules), label)
            found.setdefault(label, []).append(terminal)
        return found

    def unexpected(self, token: _Token) -> NoReturn:
        """Says what was found and what could have stood there, and what might have been meant."""
        expected = self.expected()
        wanted = _WANTED.get(self.recent[1].type)
        if wanted and "a value" in expected:
            expected = {wanted: expected["a value"]}
        labels = sorted(expected, key=lambda label: (label == _END, not label.isupper(), label))
        found = f"`{token.text}`" if token.text else _END
        if len(labels) <= _MOST_LABELS:
            message, rest = f"expected {_either(labels)}, found {found}", None
        else:
            message, rest = f"unexpected {found}", f"expected {_either(labels)}"
        span = token.span if token.text else Span(max(token.start - 1, 0), token.start)
        unclosed = token.type == "$END" and self.opened and not _CLOSING.isdisjoint(expected)
        related = ((self.opened[-1], "opened here"),) if unclosed else ()
        hint = self.meant(token, expected) or rest
        raise QQLSyntaxError(Diagnostic("syntax", message, span, hint, related))

    def meant(self, token: _Token, expected: dict[str, list[str]]) -> str | None:
        """A hint for a slip that is known, or for a word that is close to one that could stand here."""
        word, last = token.text.upper(), self.recent[1]
        if last.type == "STRING" and token.start == last.end and "NAME" in token.kinds():
            return "a quote inside a string is doubled: 'it''s'"
        known = _hint(_SLIPS, last, token, expected)
        if known:
            return known
        name_before = last.text.upper() if last.type == "NAME" and _END in expected else ""
        foreign = _FOREIGN.get(word) or _FOREIGN.get(name_before)
        if foreign:
            return foreign
        if word in _STARTERS and _END in expected:
            return "statements that share a line are separated by `;`"
        if "NAME" in token.kinds():
            words = [self.tables.labels[t] for terminals in expected.values() for t in terminals]
            close = did_you_mean(token.text, [one for one in words if one.isupper()])
            if close:
                return close
        if re.fullmatch(r"\$[0-9]+", token.text):
            return _SIGNS["@"]
        guess = _hint(_GUESSES, last, token, expected)
        if guess:
            return guess
        if "NAME" in token.kinds() and any(
            "STRING" in expected[label] for label in _TEXTUAL & expected.keys()
        ):
            return f"a text is written in quotes: '{token.text}'"
        if "a clause" in expected:
            return f"the clauses are {', '.join(_clauses(self.statement))}"
        if "a statement" in expected:
            return f"statements begin with {_either(sorted(expected['a statement']))}"
        return None


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


# ------------------------------------------------------------------------------------ the builder


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause on its way into the field of a node that has its name."""

    name: str
    value: Any
    span: Span


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


NODE_RULES: dict[str, type[Node]] = {
    _snake(c.__name__): c for c in vars(nodes).values() if isinstance(c, type) and issubclass(c, Node)
}
"""Rule names that make the node of their name out of their children."""

_OPERATORS = {"<>": "!=", "≠": "!=", "≤": "<=", "≥": ">="}
_WORDS_TO_TEXT = {"PHRASE": "phrase", "PREFIX": "prefix", "TOKENS": "text_any", "ANY": "text_any"}


def _span() -> Span:
    return _Parser.current


def _optional_not(negated: _Token | None, node: Any) -> Any:
    return nodes.Not(node, span=_span()) if negated else node


_CLAUSE_WORDS = {
    "source": "FROM",
    "using": "USING",
    "where": "WHERE",
    "prefetch": "PREFETCH",
    "fusion": "FUSION",
    "threshold": "SCORE THRESHOLD",
    "params": "WITH (…)",
    "payload": "WITH PAYLOAD",
    "vectors": "WITH VECTOR",
    "lookup": "LOOKUP FROM",
    "limit": "LIMIT",
    "offset": "OFFSET",
    "after": "AFTER",
    "order_by": "ORDER BY",
    "wait": "WAIT",
}


_HEADS: dict[str, type[Node]] = {
    "QUERY": nodes.Query,
    "FUSION": nodes.Query,
    "COUNT": nodes.Count,
    "SCROLL": nodes.Scroll,
    "DELETE": nodes.Delete,
}
_NOT_A_CLAUSE = {
    ("order_by", nodes.Query): "hits come in the order of their scores; SCROLL … ORDER BY goes by a field",
    ("after", nodes.Query): "OFFSET skips hits; SCROLL … AFTER walks through a collection",
    ("offset", nodes.Scroll): "AFTER id goes on behind a point",
}


def _clauses(make: type[Node]) -> list[str]:
    """The clauses that a statement takes, as they are written."""
    allowed = {f.name for f in fields(make)}
    return [word for name, word in _CLAUSE_WORDS.items() if name in allowed]


def _with_clauses(
    make: type[Any], statement: str, clauses: Iterable[_Clause], fixed: dict[str, Any] | None = None
) -> Any:
    """A node whose fields are filled by clauses in any order; each at most once, options merged."""
    values: dict[str, Any] = dict(fixed or {})
    places: dict[str, Span] = {name: value.span for name, value in values.items() if isinstance(value, Node)}
    allowed = {f.name for f in fields(make)}
    for clause in clauses:
        word = _CLAUSE_WORDS[clause.name]
        if clause.name not in allowed:
            what = f"a {statement}" if statement.islower() else statement
            hint = _NOT_A_CLAUSE.get((clause.name, make)) or f"its clauses are {', '.join(_clauses(make))}"
            _syntax_error("misplaced-clause", f"{what} takes no {word} clause", clause.span, hint)
        if clause.name == "params":
            values["params"] = values.get("params", ()) + clause.value
        elif clause.name in places:
            raise QQLSyntaxError(
                Diagnostic(
                    "duplicate-clause",
                    f"{word} stands twice in one {statement}",
                    clause.span,
                    f"{word} was already given; one of the two has to go",
                    ((places[clause.name], "given here first"),),
                )
            )
        else:
            values[clause.name] = clause.value
            places[clause.name] = clause.span
    return make(**values, span=_span())


class _Builder:
    """What each rule makes of its children. Rules not written out here make the node of their name."""

    def __init__(self) -> None:
        for rule, make in NODE_RULES.items():
            if not hasattr(self, rule):
                setattr(self, rule, _generic(make))
        for name in ("and", "or", "not", "in"):  # words that Python keeps for itself
            setattr(self, name, getattr(self, f"{name}_"))
        for name in ("source", "where", "threshold", "lookup", "limit", "offset", "after", "wait"):
            if not hasattr(self, name):
                setattr(self, name, _clause(name))

    # -- values

    def number(self, c: list[Any]) -> Any:
        return nodes.Scalar(_number_value(c[0]), span=_span())

    def string(self, c: list[Any]) -> Any:
        return nodes.Scalar(_string_value(c[0]), span=_span())

    def true(self, _: list[Any]) -> Any:
        return nodes.Scalar(True, span=_span())

    def false(self, _: list[Any]) -> Any:
        return nodes.Scalar(False, span=_span())

    def null(self, _: list[Any]) -> Any:
        return nodes.Scalar(None, span=_span())

    def word(self, c: list[Any]) -> Any:
        return nodes.Scalar(c[0].text, span=_span())

    def uuid(self, c: list[Any]) -> Any:
        return nodes.Scalar(nodes.Uuid(c[0], span=_span()), span=_span())

    def param(self, c: list[Any]) -> Any:
        text = c[0].text
        parameters = _Parser.parameters
        key = text[1:] if text != "?" else len(parameters)
        if parameters and isinstance(parameters[0].key, str) != isinstance(key, str):
            raise QQLSyntaxError(
                Diagnostic(
                    "mixed-parameters",
                    "one statement cannot have both `?` and `:name` parameters",
                    _span(),
                    related=((parameters[0].span, "the other kind"),),
                )
            )
        param = nodes.Param(key, span=_span())
        parameters.append(param)
        return nodes.Scalar(param, span=_span())

    def value(self, c: list[Any]) -> Any:
        value = c[0]
        if isinstance(value, nodes.Scalar):
            return value.value
        return value

    def array(self, c: list[Any]) -> list[Any]:
        return c[0] or []

    def items(self, c: list[Any]) -> list[Any]:
        return c

    def pair(self, c: list[Any]) -> Any:
        key = _string_value(c[0]) if c[0].type == "STRING" else c[0].text
        return key, c[1], c[0].span

    def object(self, c: list[Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        places: dict[str, Span] = {}
        for key, value, span in filter(None, c):
            if key in out:
                raise QQLSyntaxError(
                    Diagnostic(
                        "duplicate-key",
                        f"the key `{key}` stands twice in one object",
                        span,
                        related=((places[key], "given here first"),),
                    )
                )
            out[key], places[key] = value, span
        return out

    def scalars(self, c: list[Any]) -> tuple[nodes.Scalar, ...]:
        return tuple(item for item in c if item is not None)

    # -- names

    def name(self, c: list[Any]) -> Any:
        return nodes.Name(c[0].text, span=_span())

    def quoted_name(self, c: list[Any]) -> Any:
        return nodes.Name(_string_value(c[0]), span=_span())

    def bound_name(self, c: list[Any]) -> Any:
        return nodes.Name(c[0].value, span=_span())

    def names(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    # -- targets

    def bare_text(self, c: list[Any]) -> Any:
        token, model = c
        text = nodes.Scalar(_string_value(token), span=token.span)
        if model is None and nodes.is_uuid(cast(str, text.value)):
            return nodes.Point(text, span=_span())
        return nodes.Text(text, model, span=_span())

    def vector(self, c: list[Any]) -> Any:
        value = c[-1]
        if isinstance(value, nodes.Scalar):
            value = value.value
        elif isinstance(value, dict) and set(value) != {"indices", "values"}:
            _syntax_error(
                "malformed-vector",
                "a sparse vector is written {indices: […], values: […]}",
                _span(),
            )
        return nodes.Vector(value, span=_span())

    def bare_point(self, c: list[Any]) -> Any:
        return nodes.Point(nodes.Scalar(_number_value(c[0]), span=_span()), span=_span())

    def points(self, c: list[Any]) -> Any:
        return nodes.Points(tuple(c), span=_span())

    def bound_points(self, c: list[Any]) -> Any:
        return nodes.Points(c[0].value, span=_span())

    def any_input(self, c: list[Any]) -> Any:
        return nodes.AnyInput(c[0].value, span=_span())

    def target(self, c: list[Any]) -> Any:
        return c[-1]

    # -- clauses

    def clause(self, c: list[Any]) -> Any:
        return c[0]

    modifier = clause

    def using(self, c: list[Any]) -> Any:
        name, kind = c
        word = kind and kind.type.lower().replace("multivector", "multi")
        return _Clause("using", nodes.Using(name, word, span=_span()), _span())

    def where(self, c: list[Any]) -> Any:
        _check_depth(c[0])
        return _Clause("where", c[0], _span())

    def prefetch(self, c: list[Any]) -> Any:
        return _Clause("prefetch", tuple(c), _span())

    def fusion(self, c: list[Any]) -> Any:
        token = c[0]
        method = (_string_value(token) if token.type == "STRING" else token.type).lower()
        if method not in ("rrf", "dbsf"):
            hint = did_you_mean(method, ("rrf", "dbsf"))
            hint = hint or "the methods are RRF and DBSF"
            _syntax_error("unknown-fusion", f"there is no fusion `{method}`", token.span, hint)
        return _Clause("fusion", nodes.Fusion(method, span=_span()), _span())

    def params(self, c: list[Any]) -> Any:
        return _Clause("params", c[0], _span())

    def exact(self, _: list[Any]) -> Any:
        return _Clause("params", (nodes.Option("exact", True, span=_span()),), _span())

    def payload(self, c: list[Any]) -> Any:
        return _Clause("payload", c[0] or nodes.Selection("all", span=_span()), _span())

    def vectors(self, c: list[Any]) -> Any:
        return _Clause("vectors", c[0] or nodes.Selection("all", span=_span()), _span())

    def lookup(self, c: list[Any]) -> Any:
        return _Clause("lookup", nodes.Lookup(c[0], c[1], span=_span()), _span())

    def order_by(self, c: list[Any]) -> Any:
        direction = c[1] and c[1].type.lower()
        return _Clause("order_by", nodes.OrderBy(c[0], direction, c[2], span=_span()), _span())

    def select_all(self, _: list[Any]) -> Any:
        return nodes.Selection("all", span=_span())

    def select_none(self, _: list[Any]) -> Any:
        return nodes.Selection("none", span=_span())

    def select_include(self, c: list[Any]) -> Any:
        return nodes.Selection("include", c[0], span=_span())

    def select_exclude(self, c: list[Any]) -> Any:
        return nodes.Selection("exclude", c[0], span=_span())

    def select_options(self, c: list[Any]) -> Any:
        (option,) = c[0][:1]
        texts = option.value if option.name in ("include", "exclude") else None
        if len(c[0]) > 1 or not _are_texts(texts):
            _syntax_error(
                "malformed-selection",
                "a selection is written (a, b), INCLUDE (a, b), EXCLUDE (a) or (include = ['a', 'b'])",
                _span(),
            )
        names = tuple(nodes.Name(text, span=option.span) for text in cast(list[str], texts))
        return nodes.Selection(option.name, names, span=_span())

    def options(self, c: list[Any]) -> tuple[nodes.Option, ...]:
        return tuple(option for option in c if option is not None)

    settings = entries = options

    def entry(self, c: list[Any]) -> Any:
        value = c[1].value if isinstance(c[1], nodes.Scalar) else c[1]
        return nodes.Option(c[0].value, value, span=_span())

    def option(self, c: list[Any]) -> Any:
        entry = self.entry(c)
        return nodes.Option(entry.name.lower(), entry.value, span=_span())

    # -- queries

    def cte(self, c: list[Any]) -> Any:
        return nodes.Cte(c[0], c[1], span=_span())

    def ctes(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def query(self, c: list[Any]) -> Any:
        return _query(c[1:], {"ctes": c[0]} if c[0] else {})

    def stage(self, c: list[Any]) -> Any:
        return _query(c, {})

    def named_ref(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Ref, "reference", c[1:], {"stage": c[0]})

    inline_ref = named_ref

    # -- filters

    def and_(self, c: list[Any]) -> Any:
        return nodes.And(tuple(c), span=_span())

    def or_(self, c: list[Any]) -> Any:
        return nodes.Or(tuple(c), span=_span())

    def not_(self, c: list[Any]) -> Any:
        return nodes.Not(c[0], span=_span())

    def compare(self, c: list[Any]) -> Any:
        name, op, value = c
        return nodes.Compare(name, _OPERATORS.get(op.text, op.text), value, span=_span())

    def between(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.Between(c[0], c[2], c[3], span=_span()))

    def in_(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.In(c[0], _listed(c[2]), span=_span()))

    def is_null(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.IsNull(c[0], span=_span()))

    def is_empty(self, c: list[Any]) -> Any:
        return _optional_not(c[1], nodes.IsEmpty(c[0], span=_span()))

    def match(self, c: list[Any]) -> Any:
        name, negated, kind, value = c
        listed = kind is not None and kind.type in ("ANY", "EXCEPT")
        if listed and isinstance(value, nodes.Scalar) and isinstance(value.value, nodes.Param):
            value = value.value  # the list comes later; for ANY it may turn out to be a text
        if isinstance(value, nodes.Scalar):
            word = _WORDS_TO_TEXT.get(kind.type, "text") if kind else "text"
        else:
            word, value = kind.type.lower(), _listed(value)
        return _optional_not(negated, nodes.Match(name, cast(Any, word), value, span=_span()))

    # -- statements

    def count(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Count, "COUNT", c)

    def scroll(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Scroll, "SCROLL", c)

    def delete(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Delete, "DELETE", c)

    def upsert(self, c: list[Any]) -> Any:
        return nodes.Upsert(c[0], c[1], _waited(c[2]), span=_span())

    def rows(self, c: list[Any]) -> Any:
        if isinstance(c[0], nodes.Scalar):
            return c[0].value
        return tuple(c[0]) if isinstance(c[0], list) else tuple(c)

    def copy(self, c: list[Any]) -> Any:
        return _with_clauses(nodes.Copy, "COPY", c[2:], {"collection": c[0], "path": c[1]})

    def copy_format(self, c: list[Any]) -> Any:
        return _Clause("format", c[0], _span())

    def copy_map(self, c: list[Any]) -> Any:
        return _Clause("map", c[0], _span())

    def copy_batch(self, c: list[Any]) -> Any:
        return _Clause("batch", c[0], _span())

    def copy_on_error(self, c: list[Any]) -> Any:
        return _Clause("on_error", c[0].type.lower(), _span())

    def map(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def uuid_mapping(self, c: list[Any]) -> Any:
        return nodes.Mapping(c[0], c[1], True, span=_span())

    def list_mapping(self, c: list[Any]) -> Any:
        return nodes.Mapping(c[0], c[1], span=_span())

    def create_collection(self, c: list[Any]) -> Any:
        return nodes.CreateCollection(c[1], c[0] is not None, c[2] or (), tuple(c[3:]), span=_span())

    def drop_collection(self, c: list[Any]) -> Any:
        return nodes.DropCollection(c[1], c[0] is not None, span=_span())

    def if_exists(self, _: list[Any]) -> bool:
        return True

    if_not_exists = if_exists

    def vector_defs(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(definition for definition in c if definition is not None)

    def vector_def(self, c: list[Any]) -> Any:
        size, distance = c[1] or (None, None)
        return nodes.VectorDef(c[0], "dense", size, distance, c[2], tuple(c[3:]), span=_span())

    def sparse_def(self, c: list[Any]) -> Any:
        return nodes.VectorDef(c[0], "sparse", None, None, c[1], tuple(c[2:]), span=_span())

    def shape(self, c: list[Any]) -> Any:
        return c[0], c[1]

    def distance_only(self, c: list[Any]) -> Any:
        return None, c[0]

    def distance(self, c: list[Any]) -> str:
        return str(c[0].type.capitalize())

    def block(self, c: list[Any]) -> Any:
        kind = c[0].type.lower()
        return nodes.Block("vector" if kind == "vectors" else kind, c[1], span=_span())

    def create_index(self, c: list[Any]) -> Any:
        return nodes.CreateIndex(c[0], c[1], c[2], c[3] or (), _waited(c[4]), span=_span())

    def drop_index(self, c: list[Any]) -> Any:
        return nodes.DropIndex(c[0], c[1], _waited(c[2]), span=_span())

    def start(self, c: list[Any]) -> Any:
        return c[0]


_CLAUSE_WORDS |= {"format": "FORMAT", "map": "MAP", "batch": "BATCH", "on_error": "ON ERROR"}


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _generic(make: type[Node]) -> Callable[[list[Any]], Any]:
    return lambda children: make(*children, span=_span())


def _clause(name: str) -> Callable[[list[Any]], Any]:
    return lambda children: _Clause(name, children[0], _span())


def _waited(clause: _Clause | None) -> Any:
    return clause.value if clause else None


def _listed(value: Any) -> Any:
    """The list of IN: parenthesised scalars as they are, an array's items as scalars, or a parameter."""
    if isinstance(value, list):
        return tuple(nodes.Scalar(item, span=_span()) for item in value)
    return value.value if isinstance(value, nodes.Scalar) else value


def _query(children: list[Any], fixed: dict[str, Any]) -> Any:
    head, *clauses = children
    if isinstance(head, _Clause):  # QUERY FUSION …, FUSION …
        clauses.insert(0, head)
    else:
        fixed["target"] = head
    return _with_clauses(nodes.Query, "query", clauses, fixed)


def _check_depth(condition: Any) -> None:
    level, todo = 0, [condition]
    while todo:
        level += 1
        if level > MAX_NESTING + 1:
            span = todo[0].span
            _syntax_error("too-deep", f"filters nest deeper than {MAX_NESTING} levels", span)
        inside: list[Any] = []
        for item in todo:
            if isinstance(item, (nodes.And, nodes.Or)):
                inside += item.children
            elif isinstance(item, nodes.Not):
                inside.append(item.child)
        todo = inside


# ------------------------------------------------------------------------------------ the public face


def parse_script(source: Source) -> tuple[list[Parsed], list[QQLCompileError]]:
    """Every statement of a script that parses, and the first error of each that does not."""
    done: list[Parsed] = []
    errors: list[QQLCompileError] = []
    text = source.text
    try:
        _check_text(text)
    except QQLSyntaxError as exc:
        return [], [cast(QQLCompileError, exc.at(source))]
    pos = 0
    while True:
        pos = _skip_space(text, pos)
        if pos >= len(text):
            return done, errors
        if text[pos] == ";":
            pos += 1
            continue
        parser = _Parser(source)
        try:
            statement, span = parser.parse(pos)
        except QQLSyntaxError as exc:
            errors.append(cast(QQLCompileError, exc.at(source)))
            if len(errors) == _MOST_ERRORS:
                return done, errors
            pos = _recover(text, pos, exc.diagnostic.span)
        else:
            done.append(Parsed(statement, span, tuple(parser.parameters)))
            pos = span.end


def _check_text(text: str) -> None:
    """Refuses a text that is too long, or that is no Unicode text."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        message = f"U+{ord(text[exc.start]):04X} is half of a character"
        _syntax_error("lone-surrogate", message, Span(exc.start, exc.start + 1))
    if size > MAX_BYTES:
        message = f"the text has {size:,} bytes; the limit is 64 MiB"
        hint = "COPY … FROM loads a file, VALUES :rows takes rows as a parameter"
        _syntax_error("text-too-long", message, Span(0, 1), hint)


def _begins_line(text: str, pos: int) -> bool:
    """Whether only white space stands before pos on its line."""
    return not text[text.rfind("\n", 0, pos) + 1 : pos].strip(_BLANK)


def _recover(text: str, pos: int, failed: Span | None) -> int:
    """Where the next statement may begin: after a `;`, or at a statement's keyword that begins a line."""
    at, opened, unclosed = _cut_first(text, pos), 0, 0
    while True:
        try:
            token = _cut(text, at)
        except QQLSyntaxError as exc:
            span = cast(Span, exc.diagnostic.span)
            line_end = text.find("\n", span.start)
            if exc.code == "unterminated-comment" or unclosed == _MOST_UNCLOSED:
                return len(text)
            if exc.code == "unterminated-string":
                # What follows is inside the string or after it: only a new line is a fresh start.
                at, opened = (len(text) if line_end < 0 else line_end), 0
                unclosed += 1
            else:
                at = span.end
            continue
        if token.type == "$END":
            return len(text)
        if token.type == "SEMICOLON":
            return token.end
        opened = max(0, opened + (token.type in _OPEN) - (token.type in _CLOSE))
        if (
            token.type == "WORD"
            and not opened
            and _begins_line(text, token.start)
            and (failed is None or token.start > failed.start)
            and token.text.upper() in _STARTERS
            and not _is_clause(text, token)
        ):
            return token.start
        at = token.end


def _cut_first(text: str, pos: int) -> int:
    """Behind the first terminal of a statement that failed."""
    try:
        return _cut(text, pos).end
    except QQLSyntaxError:
        return pos


def _is_clause(text: str, token: _Token) -> bool:
    """Whether a word that can begin a statement is more likely a clause of the broken one before it."""
    keyword = token.text.upper()
    if keyword == "FUSION":
        return True
    if keyword != "WITH":
        return False
    try:
        following = _cut(text, token.end)
        return _cut(text, following.end).text.upper() != "AS"
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
        stage, span = _Parser(source).parse(0, "stage")
        rest = _cut(text, span.end)
        if rest.type == "SEMICOLON":
            rest = _cut(text, rest.end)
        if rest.type != "$END":
            _syntax_error("syntax", f"a stage ends before `{rest.text}`", rest.span)
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
    while True:
        try:
            token = _cut(text, pos)
        except QQLSyntaxError as exc:
            if exc.code.startswith("unterminated"):
                return False
            pos, ended = cast(Span, exc.diagnostic.span).end, False
            continue
        if token.type == "$END":
            return ended
        pos, ended = token.end, token.type == "SEMICOLON"
