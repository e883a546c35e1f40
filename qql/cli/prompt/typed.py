"""What is typed so far: whether Enter sends it, and what is still open on each of its lines."""

from __future__ import annotations

from functools import lru_cache

from qql.cli.shell import COMMANDS, is_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    _Inside = Callable[[str, int], str]

__all__ = ["bracket_pair", "command_below", "marks", "submits"]

_OPENED = {"(": ")", "[": "]", "{": "}"}
_GOES_ON = "-"
"""The mark of a line on which a statement goes on, with nothing open."""


def submits(text: str) -> bool:
    """Whether Enter sends the text: it is blank, a command, or its last statement has its `;`."""
    from qql.syntax.parser import is_complete

    typed = text.strip()
    if not typed or is_command(typed):
        return True
    return is_complete(text) or _above_command(text) is not None


def command_below(text: str) -> tuple[str, str] | None:
    """An unfinished statement and the command that was typed on the line after it, or None."""
    from qql.syntax.parser import is_complete

    found = _above_command(text)
    return None if found is None or is_complete(found[0]) else found


def _above_command(text: str) -> tuple[str, str] | None:
    """The statements above a command on the last line, and that line; None where there is none."""
    from qql.syntax.parser import is_complete

    statement, _, line = text.rstrip().rpartition("\n")
    word = line.strip().rstrip(";").split(None, 1)[:1]
    if not statement.strip() or not word or word[0] not in COMMANDS or not word[0].startswith("\\"):
        return None
    # A `;` would end the statement only where the line is not inside a string or a comment.
    return (statement + "\n", line) if is_complete(statement + "\n;") else None


@lru_cache(4)
def marks(text: str) -> tuple[str, ...]:
    """What is open where each line of the text begins: a quote, a bracket, ``/*``, or ``-``."""
    from qql.syntax.lexer import cut_here, fault_at, skip_space

    found = [_GOES_ON]
    opened: list[str] = []
    pos = 0
    while pos < len(text):
        # White space, a terminal and what is none come in turn; lines may end in any of them.
        end = skip_space(text, pos)
        _add(found, text[pos:end], opened, _in_space)
        pos = end
        token = cut_here(text, pos) if pos < len(text) else None
        if token is None and pos < len(text):
            code, end = fault_at(text, pos)
            open_to_the_end = code.startswith("unterminated")
            _add(found, text[pos:] if open_to_the_end else text[pos:end], opened, _in_string)
            pos = len(text) if open_to_the_end else end
        elif token is not None and token.end > pos:
            if token.text in _OPENED:
                opened.append(token.text)
            elif opened and token.text == _OPENED[opened[-1]]:
                opened.pop()
            elif token.text == ";" and "{" not in opened:  # those of BATCH { … } end nothing
                opened.clear()
            _add(found, token.text, opened, _in_string)
            pos = token.end
    return tuple(found)


def _add(found: list[str], piece: str, opened: list[str], inside: _Inside) -> None:
    """Adds the mark of each line that begins in a piece of the text, or right behind it."""
    at = piece.find("\n")
    while at >= 0:
        found.append(inside(piece, at) or (opened[-1] if opened else _GOES_ON))
        at = piece.find("\n", at + 1)


def _in_space(piece: str, at: int) -> str:
    """A comment whose end is behind this line."""
    begin = piece.rfind("/*", 0, at)
    return "/*" if begin >= 0 and "*/" not in piece[begin + 2 : at] and not _is_line(piece, begin) else ""


def _is_line(piece: str, begin: int) -> bool:
    """Whether what begins here is inside of a comment to the end of its line."""
    return "--" in piece[piece.rfind("\n", 0, begin) + 1 : begin]


def _in_string(piece: str, at: int) -> str:
    if piece.startswith("/*"):
        return "/*"
    begin = piece.lstrip("rR")[:1] if piece[:1] in "rR" else piece[:1]
    return begin if begin in "'\"`" else ""


@lru_cache(4)
def _pairs(text: str) -> dict[int, int]:
    """The places of brackets that belong together, each by the other; none in strings and comments."""
    from qql.syntax.lexer import cut_here, fault_at, skip_space

    found: dict[int, int] = {}
    opened: list[tuple[str, int]] = []
    pos = skip_space(text, 0)
    while pos < len(text):
        token = cut_here(text, pos)
        if token is None:
            code, end = fault_at(text, pos)
            pos = len(text) if code.startswith("unterminated") else end
        else:
            if token.text in _OPENED:
                opened.append((token.text, pos))
            elif opened and token.text == _OPENED[opened[-1][0]]:
                found[pos] = opened.pop()[1]
                found[found[pos]] = pos
            pos = token.end
        pos = skip_space(text, pos)
    return found


def bracket_pair(text: str, cursor: int) -> tuple[int, ...]:
    """The places of the bracket at the cursor, or right before it, and of its other half; else none."""
    for at in (cursor, cursor - 1):
        if text[max(at, 0) : at + 1] in tuple("()[]{}") and (other := _pairs(text).get(at)) is not None:
            return at, other
    return ()
