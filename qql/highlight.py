"""Colours for QQL: a lexer for Pygments, and so for documents, IPython and the prompt.

Which word is a keyword and which a name, the parser says, as far as the text parses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Whitespace,
    _TokenType,
)

from qql.late import late_pattern
from qql.syntax.lexer import STRINGS
from qql.syntax.terminals import FAULT, Remembered, Terminal, terminals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["QQLLexer"]

_GAP = late_pattern(r"(?P<line>--[^\n]*)|(?P<block>/\*.*?\*/)|(?P<space>\s+)|(?P<other>.)", re.DOTALL)
_COMMAND = late_pattern(r"[ \t]*(\\[^\s]*)([^\n]*)")
_BEFORE_VECTORS = frozenset({"USING", "VECTOR", "HAS_VECTOR"})
_OPTION_RULES = frozenset({"option", "entry"})
_CONSTANTS = frozenset({"TRUE", "FALSE", "NULL"})
_NAMED_BY_PLACE = {
    "PARAM": Name.Variable,
    "NUMBER": Number,
    "DURATION": Number,
    **dict.fromkeys(("COMPARISON", "EQUAL", "PLUS", "MINUS", "STAR", "SLASH", "CONCAT", "CARET"), Operator),
    **dict.fromkeys(("STRING", *STRINGS), String),
}
_Token = tuple[int, _TokenType, str]


class QQLLexer(Lexer):
    """Texts of QQL in all its dialects. It takes whatever it is given, and gives all of it back."""

    name = "QQL"
    aliases: Any = ("qql",)
    filenames: Any = ("*.qql",)
    mimetypes: Any = ("text/x-qql",)
    url = "https://qdrant.tech"
    version_added = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"stripnl": False, "ensurenl": False, **options})
        self._memory = Remembered()

    def get_tokens_unprocessed(self, text: str) -> Iterator[_Token]:
        """Where each token begins, what it is, and its text; together they are the text given."""
        at = 0
        if (command := _COMMAND.match(text)) is not None:  # a command of the prompt
            at = command.end()
            parts = (command.start(1), Whitespace), (command.end(1), Name.Builtin), (at, Text)
            yield from _parts(text, 0, *parts)
        found = [*terminals(text[at:], self._memory)]
        arrays, shift = 0, at
        for place, one in enumerate(found):
            start, end = one.start + shift, one.end + shift
            if start > at:
                yield from _gap(text[at:start], at)
            arrays = max(0, arrays + (one.kind == "LSQB"))
            yield start, _kind(found, place, text[start:end], arrays > 0), text[start:end]
            arrays = max(0, arrays - (one.kind == "RSQB"))
            at = end
        if at < len(text):
            yield from _gap(text[at:], at)


def _parts(text: str, at: int, *parts: tuple[int, _TokenType]) -> Iterator[_Token]:
    for end, kind in parts:
        if end > at:
            yield at, kind, text[at:end]
            at = end


def _gap(text: str, at: int) -> Iterator[_Token]:
    """What stands between terminals."""
    for found in _GAP.finditer(text):
        kinds = {"line": Comment.Single, "block": Comment.Multiline, "space": Whitespace}
        yield at + found.start(), kinds.get(found.lastgroup or "", Text), found[0]


def _kind(found: list[Terminal], place: int, shown: str, in_array: bool) -> _TokenType:
    """What a terminal is shown as."""
    one = found[place]
    if one.kind == FAULT:
        return String if shown[0] in "'\"`rR" else Comment.Multiline if shown.startswith("/*") else Error
    if one.kind == "NAME":
        return _name(found, place)
    if (known := _NAMED_BY_PLACE.get(one.kind)) is not None:
        return known
    if shown[0].isalpha():
        return Keyword.Constant if one.kind in _CONSTANTS else Keyword
    return Literal if in_array else Punctuation


def _name(found: list[Terminal], place: int) -> _TokenType:
    before = found[place - 1].kind if place else ""
    after = found[place + 1].kind if place + 1 < len(found) else ""
    if before in _BEFORE_VECTORS:
        return Name.Label
    if after == "LPAR" and before not in ("INTO", "COLLECTION", "FROM"):
        return Name.Function
    if after in ("EQUAL", "COLON") and (after == "COLON" or not _OPTION_RULES.isdisjoint(found[place].rules)):
        return Name.Attribute
    return Name
