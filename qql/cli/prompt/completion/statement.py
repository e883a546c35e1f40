"""What the statement around the cursor says elsewhere: the collection that it reads, the names of stages.

It is cut into terminals and not parsed, for what stands behind the cursor need not fit what is being typed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from qql.cli.prompt.completion.up_to_cursor import CONTINUES, Read
from qql.late import late_pattern
from qql.records import dataclass
from qql.syntax.driver import begins_line
from qql.syntax.lexer import (
    CLOSING,
    OPENING,
    STARTERS,
    STRINGS,
    Token,
    cut_here,
    fault_at,
    skip_space,
    string_at,
)
from qql.syntax.pieces import last_boundaries

__all__ = ["Around", "around", "begin_of"]

_MOST_TOKENS = 5_000
"""Terminals that are looked at on either side of the cursor."""
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
    """Where to begin to read the statement at the cursor: nothing in front of it can be a part of that.

    That is behind the last `;`. Where statements stand without `;`, it is the one before, for EXPLAIN and
    WITH may stand on lines of their own.
    """
    end, beginnings = last_boundaries(text[:cursor])
    if len(beginnings) < _NEAR:
        return end
    outermost = _outermost(text[:cursor], end, beginnings)
    return outermost[-_NEAR] if len(outermost) >= _NEAR else end


_NEAR = 2


_BRACKET = late_pattern(
    r"""'(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.)*+" | `[^`]*+` | --[^\n]*+ | /\*(?:[^*]|\*(?!/))*+\*/
        | (?P<opens>[(\[{]) | (?P<closes>[)\]}]) | (?P<unclosed>['"`]|/\*)""",
    re.VERBOSE | re.DOTALL,
)
"""A bracket, or what can hide one."""


def _outermost(text: str, end: int, beginnings: list[int]) -> list[int]:
    """Those of the places that stand in no bracket, where no statement goes on."""
    found, depth = list[int](), 0
    brackets = _BRACKET.finditer(text, end)
    bracket = next(brackets, None)
    for at in beginnings:
        while bracket is not None and bracket.start() < at:
            kind = bracket.lastgroup
            if kind == "unclosed":
                return found
            depth = max(0, depth + (kind == "opens") - (kind == "closes"))
            bracket = next(brackets, None)
        if not depth and (token := cut_here(text, at)) is not None and token.text.upper() not in CONTINUES:
            found.append(at)
    return found


def around(text: str, cursor: int, found: Read) -> Around:
    """What the statement that was read up to the cursor says outside of what is being typed."""
    quote, before = found.quote, found.before[:_MOST_TOKENS]
    behind = cursor
    if quote:
        end = text.find(quote, cursor)
        line = text.find("\n", cursor)
        closed = end >= 0 and (line < 0 or end < line)
        behind = end + len(quote) if closed else line if line >= 0 else len(text)
    else:
        while behind < len(text) and (text[behind].isalnum() or text[behind] in "_$."):
            behind += 1
    after = _behind(text, behind, before)
    first, collection = _collection(before, after)
    earlier = text[: found.start]
    used = [found.group(1) for found in _USED.finditer(earlier)] if "use" in earlier.lower() else []
    defined = (
        tuple(found.group(1) for found in _DEFINED.finditer(earlier)) if "define" in earlier.lower() else ()
    )
    return Around(first, collection, _stages([*before, *after]), used[-1] if used else "", defined)


def _behind(text: str, pos: int, before: Sequence[Token]) -> list[Token]:
    """The terminals behind a place of a statement: up to its `;`, or to the next statement.

    ``before`` are those in front of it: they say whether a bracket is open.
    """
    found: list[Token] = []
    depth, headless = _depth_and_head(before)
    while len(found) < _MOST_TOKENS and (pos := skip_space(text, pos)) < len(text):
        token = cut_here(text, pos)
        if token is None:
            pos = max(fault_at(text, pos)[1], pos + 1)
            continue
        if token.type == "$END" or (token.type == "SEMICOLON" and depth <= 0):
            break
        if depth <= 0 and _begins(text, token):
            if not headless:
                break
            headless = False
        depth += (token.type in OPENING) - (token.type in CLOSING)
        found.append(token)
        pos = token.end
    return found


def _depth_and_head(before: Sequence[Token]) -> tuple[int, bool]:
    """How many brackets are open, and whether the word that a statement is called by is still to come."""
    depth, headless = 0, bool(before) and before[0].text.upper() in _IN_FRONT
    for token in before[1:]:
        if not depth and token.type == "WORD" and token.text.upper() in STARTERS - {"WITH"}:
            headless = False
        depth += (token.type in OPENING) - (token.type in CLOSING)
    return depth, headless


_IN_FRONT = frozenset({"WITH", "EXPLAIN", "WHY"})
"""Words behind which another one that begins statements has to come."""


def _begins(text: str, token: Token) -> bool:
    word = token.text.upper()
    begins = token.type == "WORD" and word in STARTERS and word not in CONTINUES
    return begins and begins_line(text, token.start)


def _name(token: Token | None) -> str:
    if token is None:
        return ""
    if token.type in STRINGS:
        return string_at(token.text, token.start)
    return token.text if token.type == "WORD" else ""


def _collection(before: Sequence[Token], after: Sequence[Token]) -> tuple[str, str]:
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
        place = _names_collection(tokens, index, word, "" if depth and first == "COPY" else first)
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
    elif word not in _LEADS or previous in _LEADS[word] or (word == "INTO" and previous not in _INTO_BEHIND):
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
