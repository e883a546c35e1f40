"""What the statement around the cursor says elsewhere: the collection that it reads, the stages that it names.

It is cut into terminals and not parsed, for what stands behind the cursor need not fit what is being typed.
"""

from __future__ import annotations

import re

from qql.late import late_pattern
from qql.records import dataclass
from qql.syntax.driver import begins_line
from qql.syntax.lexer import CLOSING, OPENING, STARTERS, STRINGS, Token, cut_here, fault_at, skip_space, string_at
from qql.syntax.pieces import behind_last_statement

__all__ = ["Around", "around", "begin_of"]

_MOST_TOKENS = 20_000
"""Terminals behind the cursor that are looked at."""
_DEFINED = late_pattern(r"^\s*DEFINE\s+([A-Za-z_]\w*)\s+AS\b", re.IGNORECASE | re.MULTILINE)
_USED = late_pattern(r"^\s*USE\s+(?:COLLECTION\s+)?([A-Za-z_$][\w$]*)\s*;?", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Around:
    """A statement: its first word, the collection ("": it names none), its stages."""

    first: str = ""
    collection: str = ""
    stages: tuple[str, ...] = ()
    used: str = ""
    defined: tuple[str, ...] = ()


def begin_of(text: str, cursor: int) -> int:
    """Behind the last `;` before the cursor that ends a statement."""
    return behind_last_statement(text[:cursor])


def around(text: str, start: int, word: int, cursor: int, quote: str) -> Around:
    """What the statement that begins at ``start`` says outside of what is being typed."""
    before = _tokens(text[:word], start, len(text[:word]))
    behind = cursor
    if quote:
        end = text.find(quote, cursor)
        line = text.find("\n", cursor)
        closed = end >= 0 and (line < 0 or end < line)
        behind = end + len(quote) if closed else line if line >= 0 else len(text)
    else:
        while behind < len(text) and (text[behind].isalnum() or text[behind] in "_$."):
            behind += 1
    depth = sum((one.type in OPENING) - (one.type in CLOSING) for one in before)
    after = _tokens(text, behind, len(text), depth)
    first, collection = _collection(before, after)
    earlier = text[:start]
    used = [found.group(1) for found in _USED.finditer(earlier)] if "use" in earlier.lower() else []
    defined = tuple(found.group(1) for found in _DEFINED.finditer(earlier)) if "define" in earlier.lower() else ()
    return Around(first, collection, _stages([*before, *after]), used[-1] if used else "", defined)


def _tokens(text: str, pos: int, end: int, depth: int | None = None) -> list[Token]:
    """The terminals of the statement at pos, up to its `;` or to what begins the next one.

    ``depth`` is how many brackets are open where pos is inside of the statement.
    """
    begins, depth = depth is None, depth or 0
    found: list[Token] = []
    while len(found) < _MOST_TOKENS:
        pos = skip_space(text, pos)
        token = cut_here(text, pos) if pos < end else None
        if token is None:
            if pos >= end:
                break
            pos = max(fault_at(text, pos)[1], pos + 1)
            continue
        if token.type == "$END" or (token.type == "SEMICOLON" and depth <= 0):
            break
        depth += (token.type in OPENING) - (token.type in CLOSING)
        if depth <= 0 and (found or not begins) and _begins_another(text, token, found):
            break
        found.append(token)
        pos = token.end
    return found


_CONTINUES = frozenset({"WITH", "FUSION", "UPDATE", "BATCH", "RECOMMEND"})


def _begins_another(text: str, token: Token, found: list[Token]) -> bool:
    word = token.text.upper()
    if token.type != "WORD" or word not in STARTERS or word in _CONTINUES or not begins_line(text, token.start):
        return False
    return not found or found[0].text.upper() not in ("EXPLAIN", "WHY", "BATCH")


def _name(token: Token | None) -> str:
    if token is None:
        return ""
    if token.type in STRINGS:
        return string_at(token.text, token.start)
    return token.text if token.type == "WORD" else ""


def _collection(before: list[Token], after: list[Token]) -> tuple[str, str]:
    """The first word of the statement, and the collection that it names first at the outermost level."""
    # Between the two lies what is being typed, which is no name yet.
    found: tuple[int, str] | None = None
    depth, first = 0, ""
    hole = Token("", "", 0, 0)
    tokens = [*before, hole, *after]
    for index, token in enumerate(tokens):
        depth += (token.type in OPENING) - (token.type in CLOSING)
        if token.type != "WORD":
            continue
        word = token.text.upper()
        if not first and word not in ("EXPLAIN", "ANALYZE", "BATCH"):
            first = word
        place = _names_collection(tokens, index, word, first)
        if place is not None:
            name = _name(tokens[place]) if place < len(tokens) else ""
            if name and (found is None or depth < found[0]):
                found = depth, name
    return first, found[1] if found else ""


_LEADS = {
    "FROM": ("LOOKUP", "START"),
    "INTO": (),
    "COLLECTION": ("CREATE", "SHOW"),
    "UPDATE": (),
    "COPY": (),
    "SEARCH": (),
}
_INTO_BEHIND = ("UPSERT", "INSERT", "BULK")


def _names_collection(tokens: list[Token], index: int, word: str, first: str) -> int | None:
    """The index of the name of a collection that a word leads to; None where it leads to none."""
    previous = tokens[index - 1].text.upper() if index else ""
    if word == "ON" and first in ("CREATE", "DROP", "SHOW", "RESTORE"):
        pass
    elif word not in _LEADS or previous in _LEADS[word]:
        return None
    elif word == "INTO" and previous not in _INTO_BEHIND:
        return None
    elif word == "FROM" and (previous == "RECOMMEND" or first != "COPY"):
        pass
    elif word == "FROM" or (word in ("UPDATE", "COPY", "SEARCH") and first != word):
        return None
    following = index + 1
    if following < len(tokens) and tokens[following].text.upper() == "COLLECTION":
        return None  # COLLECTION leads to it
    return following


def _stages(tokens: list[Token]) -> tuple[str, ...]:
    """The names that are given to stages: ``name AS (``."""
    return tuple(
        _name(name)
        for name, word, sign in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if word.text.upper() == "AS" and sign.type == "LPAR" and _name(name)
    )
