"""Lines as wide as a terminal: what is longer goes on below, at its own indent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qql.late import late_pattern

__all__ = ["cut_line", "fill_lines", "shortened", "text_width", "wrap_line", "wrap_text"]

_NARROW = late_pattern("[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u257f]*")
"""Latin letters, dashes, dots, arrows and the lines of tables: a cell each."""
_LEAD = late_pattern(r"[ │├└─|>]*(?:[-*•] )?")
_JSON_LINE = late_pattern(r"""\s*[\[\]{}"]""")
_PIECE = late_pattern(r"""(?:"(?:[^"\\]|\\.)*"|(?<!\w)'[^']*'(?!\w)|\S)+""")
_JOINT = late_pattern(r"[._/:,;=&-](?=.)")
_STEP = 4  # cells by which the rest of a line stands to the right of its beginning
_NARROWEST = 16  # cells of text beside an indent; where fewer are left, the terminal wraps


def text_width(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii() or _NARROW.fullmatch(text):
        return len(text)
    from qql.cli.render.cells_of_text import cell_len

    return cell_len(text)


def shortened(text: str, most: int) -> str:
    """A text of at most so many cells (or 8), its end cut off where it is longer."""
    return text if text_width(text) <= most else cut_line(text, max(most, 8))


def cut_line(line: str, room: int, dots: str = "…") -> str:
    """A line with dots at its end, in at most ``room`` cells."""
    if text_width(line) + len(dots) <= room:
        return line + dots
    from qql.cli.render.cells_of_text import set_cell_size

    return set_cell_size(line, max(0, room - len(dots))) + dots[:room]


def wrap_text(text: str, width: int) -> list[str]:
    """A text as lines of at most ``width`` cells; a word that is longer than a line is broken."""
    return list(fill_lines(re.split(r" +", text.strip(" ")), width, width))


def fill_lines(words: list[str], first: int, rest: int, *, whole: bool = False) -> Iterator[str]:
    """Words as lines: the first of at most ``first`` cells, the others of ``rest``.

    A word that is longer than a line is broken, or with ``whole`` stands on a line of its own.
    """
    line, used, room = "", 0, max(first, 1)
    for word in words:
        size = text_width(word)
        if line and used + 1 + size <= room:
            line, used = f"{line} {word}", used + 1 + size
            continue
        if line:
            yield line
            room = max(rest, 1)
        while size > room and not whole:
            head = _cut(word, room)
            yield head
            word, room = word[len(head) :], max(rest, 1)
            size = text_width(word)
        line, used = word, size
    yield line


def _cut(word: str, room: int) -> str:
    """The beginning of a word that fits, up to a dot or the like; at least one character."""
    if word.isascii():
        head = word[:room]
    else:
        from qql.cli.render.cells_of_text import chop_cells

        head = chop_cells(word, room)[0] or word[0]
    ends = [found.end() for found in _JOINT.finditer(head)]
    return head[: ends[-1]] if ends and ends[-1] > len(head) // 2 else head


def wrap_line(line: str, width: int | None) -> Iterator[str]:
    """A line of a text for people, and below it, at its indent and inside of its tree, what did not fit.

    What stands in quotes is broken only where it is longer than a line, and that of JSON nowhere, so that it
    can be copied. A word is broken nowhere.
    """
    if width is None or text_width(line) <= width:
        yield line
        return
    found = _LEAD.match(line)
    lead = found[0] if found else ""
    below = lead.replace("├", "│").replace("└", " ").replace("─", " ")
    below = re.sub("[^│| ]", " ", below) + " " * _STEP
    if width - text_width(below) < _NARROWEST:
        below = below[: max(0, width - _NARROWEST)]
    room = width - text_width(below)
    words = _words_with_gaps(line[len(lead) :])
    if not _JSON_LINE.match(line):
        words = [part for word in words for part in ([word] if text_width(word) <= room else word.split(" "))]
    rows = fill_lines(words, width - text_width(lead), room, whole=True)
    for at, row in enumerate(rows):
        yield (below if at else lead) + row


def _words_with_gaps(text: str) -> list[str]:
    """The words of a text; of more than one space before a word, all but one belong to it."""
    words: list[str] = []
    end = 0
    for found in _PIECE.finditer(text):
        gap = found.start() - end
        words.append(" " * (gap - 1) + found[0] if words else found[0])
        end = found.end()
    return words
