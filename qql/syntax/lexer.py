"""Text → terminals: where a word, string, number or sign begins and ends, and what it is worth.

A word's type is WORD here: whether it is a keyword or a name is the parser's to say (`qql.syntax`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from qql.errors import Diagnostic, QQLSyntaxError, Span
from qql.late import late_pattern
from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "ARITHMETIC",
    "BLANK",
    "CLOSING",
    "LEAST",
    "MAX_NESTING",
    "MOST",
    "NOTHING",
    "OPENING",
    "PLAIN_SIGNS",
    "SIGNS",
    "STARTERS",
    "STRINGS",
    "SYMBOLS",
    "Token",
    "bad_character",
    "cut",
    "cut_here",
    "cut_next",
    "fault_at",
    "match_common",
    "match_next",
    "number_of",
    "number_value",
    "skip_space",
    "string_at",
    "string_value",
    "syntax_error",
]

MAX_NESTING = 200

_BLANKS = r"\s*+(?:(?:\ufeff|--[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)\s*+)*+"
_SPACE = late_pattern(_BLANKS)
_TERMINAL = r"""
      (?P<RAW>      [rR](?:'[^']*+'|"[^"]*+") )
    | (?P<WORD>     (?![rR]['"])          # a raw string without an end
                    (?: \$[A-Za-z0-9_]++\[[0-9]++\]
                      | [A-Za-z_$][A-Za-z0-9_$]*+(?:\[\])?+(?:\.[A-Za-z_$][A-Za-z0-9_$]*+(?:\[\])?+)*+ ) )
    | (?P<DURATION> [0-9]++(?:\.[0-9]++)?(?:ms|[smhdw])(?![A-Za-z_$0-9.]) )
    | (?P<NUMBER>   -?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![A-Za-z_$0-9.]) )
    | (?P<TRIPLE>   '''(?:[^']|'(?!''))*+''' | \"""(?:[^"]|"(?!""))*+\""" )
    | (?P<STRING>   '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.)*+" )
    | (?P<VERBATIM> `[^`]*+` )
    | (?P<PARAM>    :[A-Za-z_][A-Za-z0-9_]*+(?:\.[A-Za-z_][A-Za-z0-9_]*+)*+ | \? )
    | (?P<COMPARISON> != | <> | <= | >= | < | > | ≠ | ≤ | ≥ )
    | (?P<SYMBOL>   [()\[\]{},;:=+*^-] | /(?!\*) | \|\| )
    """
_FLAGS = re.VERBOSE | re.DOTALL
# The commonest first; a sign of these begins nothing longer.
_NEXT = re.compile(rf"{_BLANKS} (?: (?P<SIGN> [()\[\]{{}},=] ) | (?P<FINISH> ;|\Z ) | {_TERMINAL} )", _FLAGS)
match_next: Callable[[str, int], re.Match[str] | None] = _NEXT.match
"""The terminal behind white space and comments, as the one group that is there, whose name is its kind. None
where nothing begins (`bad_character` says why).
"""
_FIRST = iter(range(8))
"""Statements that are read by `match_next` alone: to compile another expression takes longer than they do."""


def match_common() -> Callable[[str, int], re.Match[str] | None]:
    """As `match_next`, for the commonest terminals in less time; it gives None for any other."""
    return match_next if next(_FIRST, None) is not None else _match_plain()


@cache
def _match_plain() -> Callable[[str, int], re.Match[str] | None]:
    # What may be longer than it looks is left to `match_next`.
    plain = r"""
    \s*+ (?: (?P<WORD>   [A-Za-z_][A-Za-z0-9_]*+ (?![$.\['"]) )
          | (?P<SIGN>   [()\[\]{},=] )
          | (?P<NUMBER> [0-9]++(?:\.[0-9]++)?(?![A-Za-z_$0-9.]) )
          | (?P<STRING> '[^'\\]*+'(?!') ) )
    """
    return re.compile(plain, _FLAGS).match


SYMBOLS = {
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
    "+": "PLUS",
    "-": "MINUS",
    "*": "STAR",
    "/": "SLASH",
    "||": "CONCAT",
    "^": "CARET",
}
PLAIN_SIGNS = {sign: SYMBOLS[sign] for sign in "()[]{},="}
"""Signs that are the same terminal wherever they stand."""
_SIGNS = ("SIGN", "SYMBOL", "FINISH")
ARITHMETIC = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "DURATION", "CONCAT", "CARET"})
"""Terminals that only formulas (SELECT, MAP, MATCH … ON) know; elsewhere they are no part of the language."""
_TRIPLES = ("'''", '"""')
SIGNS = {
    "&&": "conditions are joined by AND",
    "||": "conditions are joined by OR; in MAP of COPY, `a || ' ' || b` joins columns",
    "!": "write NOT before a condition",
    "#": "a comment begins with `--`",
    "//": "a comment begins with `--`",
    "@": "a parameter is written :name or ?",
    "%": "a parameter is written :name or ?",
    "*": "COUNT FROM docs counts points, and WITH PAYLOAD true gives every field",
    **dict.fromkeys("“”„‘’«»", "a text stands between straight quotes: 'text'"),
}
"""Signs that begin nothing here, and what might be meant."""
STRINGS = frozenset({"RAW", "TRIPLE", "STRING", "VERBATIM"})
OPENING, CLOSING = frozenset({"LPAR", "LSQB", "LBRACE"}), frozenset({"RPAR", "RSQB", "RBRACE"})
_ESCAPE = late_pattern(r"\\(u[0-9a-fA-F]{4}|.)|''", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_PLAIN_ESCAPES = frozenset("\\'\"$/\n")
BLANK = " \t\r\f\v\ufeff"
STARTERS = frozenset(
    {"WITH", "QUERY", "FUSION", "EXPLAIN", "USE", "DEFINE", "UNDEFINE", "SHOW", "CREATE", "DROP", "UPSERT"}
    | {"INSERT", "DELETE", "COPY", "OPTIMIZE", "COUNT", "SCROLL", "FACET", "UPDATE", "CLEAR", "BATCH"}
    | {"ALTER", "SET", "RESTORE", "SEARCH", "RECOMMEND", "SELECT", "EXECUTE", "DUMP", "WHY"}
    | {"EXISTS", "MATRIX", "ANALYZE"}
)


@dataclass(slots=True)
class Token:
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
        return found | {"NAME"} if word not in STARTERS and self.text.isidentifier() else found


NOTHING = Token("", "", 0, 0)


def skip_space(text: str, pos: int) -> int:
    found = _SPACE.match(text, pos)
    return found.end() if found else pos


def syntax_error(code: str, message: str, span: Span, hint: str | None = None) -> NoReturn:
    raise QQLSyntaxError(Diagnostic(code, message, span, hint))


def cut(text: str, pos: int) -> Token:
    """The terminal at the first character that is not space. A word has the type WORD."""
    found = match_next(text, pos)
    if found is None:
        bad_character(text, skip_space(text, pos))
    return _token(text, found, found.start(found.lastgroup or ""))


def cut_next(text: str, pos: int) -> Token | None:
    """As `cut`; None where nothing begins at the first character that is not space."""
    found = match_next(text, pos)
    return None if found is None else _token(text, found, found.start(found.lastgroup or ""))


def cut_here(text: str, pos: int) -> Token | None:
    """The terminal at pos, where no space stands; None where nothing begins there (`fault_at` says why)."""
    found = match_next(text, pos)
    return None if found is None else _token(text, found, pos)


def _token(text: str, found: re.Match[str], start: int) -> Token:
    kind, end = found.lastgroup or "", found.end()
    shown = text[start:end]
    if kind in _SIGNS:
        kind = SYMBOLS[shown] if shown else "$END"
    return Token(kind, shown, start, end)


_NUMBER_LIKE = late_pattern(r"[-+.\w]+")


def fault_at(text: str, pos: int) -> tuple[str, int]:
    """What is wrong where nothing begins, as the code of an error, and where that ends."""
    char = text[pos]
    if char in "'\"`" or text[pos : pos + 2].lower() in ("r'", 'r"'):
        return "unterminated-string", _line_end(text, pos)
    if text.startswith("/*", pos):
        return "unterminated-comment", _line_end(text, pos)
    if char.isdigit() or (char in "-+." and text[pos + 1 : pos + 2].isdigit()):
        found = _NUMBER_LIKE.match(text, pos)
        return "malformed-number", found.end() if found else pos + 1
    return "unexpected-character", pos + 1


def _line_end(text: str, pos: int) -> int:
    end = text.find("\n", pos)
    return len(text) if end < 0 else end


def bad_character(text: str, pos: int) -> NoReturn:
    """Raises for what begins nothing here: a character, an unclosed string, a number that is none."""
    from qql.syntax.lookalikes import look_alike_at

    char = text[pos]
    code, end = fault_at(text, pos)
    span = Span(pos, end)
    if code == "unterminated-string":
        raw = char in "rR"
        quote = text[pos + raw : pos + raw + 3]
        quote = quote if quote in _TRIPLES and not raw else quote[0]
        syntax_error(code, f"this string has no closing {quote}", span)
    if code == "unterminated-comment":
        syntax_error(code, "this comment has no closing */", span)
    if code == "malformed-number":
        hint = "numbers are written 3, -3, 0.5 or 1e-3; a name that begins with a digit needs quotes"
        syntax_error(code, f"`{text[pos:end]}` is not a number", span, look_alike_at(text, pos) or hint)
    shown = char if char.isprintable() else f"U+{ord(char):04X}"
    hint = next((SIGNS[sign] for sign in SIGNS if text.startswith(sign, pos)), "")
    if char.isalnum() or (char == "-" and text[pos - 1 : pos + 2].replace("-", "").isalnum()):
        hint = "a name with such characters is written in quotes"
    if char == "\\" and not text[text.rfind("\n", 0, pos) + 1 : pos].strip():
        hint = r"commands like `\d` are for the prompt; `\i FILE` there runs a script that has them"
    alike = None if char in SIGNS else look_alike_at(text, pos)
    syntax_error(code, f"unexpected character `{shown}`", span, alike or hint or None)


def string_value(token: Token) -> str:
    return string_at(token.text, token.start)


def string_at(text: str, start: int) -> str:
    """What a string means that begins at a place of the text."""
    if text[0] in "'\"" and "\\" not in text and text.count(text[0]) == 2:
        return text[1:-1]
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
        at = start + 1 + found.start()
        syntax_error(
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
        syntax_error(
            "lone-surrogate",
            "a \\u escape of this string is half of a character",
            Span(start, start + len(text)),
        )


_SHORT = 19  # digits that fit 64 bits in any case
LEAST, MOST = -(1 << 63), (1 << 64) - 1  # signed and unsigned 64-bit integers


def number_of(text: str) -> int | float | None:
    """What the text of a NUMBER is worth; None where it goes beyond 64 bits, or beyond all doubles."""
    if len(text) < _SHORT and text.isdigit():
        return int(text)
    if _is_whole(text):
        value = int(text) if len(text) < 25 else MOST + 1
        return value if LEAST <= value <= MOST else None
    number = float(text)
    return None if number in (float("inf"), float("-inf")) else number


def _is_whole(text: str) -> bool:
    return text.lstrip("-").isdigit()


def number_value(token: Token) -> int | float:
    number = number_of(token.text)
    if number is None:
        why = "does not fit 64 bits" if _is_whole(token.text) else "is larger than any double"
        syntax_error("number-out-of-range", f"`{token.text[:40]}` {why}", token.span)
    return number
