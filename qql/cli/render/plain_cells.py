"""How many cells of a terminal a text takes, without rich, which knows newer emoji and how they are joined.

A character that Unicode calls wide or full-width takes two cells, one that stands on another none, all others
one.
"""

from __future__ import annotations

from unicodedata import category, east_asian_width

__all__ = ["cell_len", "chop_cells", "set_cell_size"]

_NO_CELL = frozenset({"Mn", "Me", "Cf"})


def cell_len(text: str) -> int:
    """The number of cells."""
    return sum(map(_width, text))


def _width(char: str) -> int:
    if category(char) in _NO_CELL:
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def chop_cells(text: str, width: int) -> list[str]:
    """The text in pieces of at most ``width`` cells, but at least a character."""
    pieces, start, used = [], 0, 0
    for at, char in enumerate(text):
        size = _width(char)
        if used + size > width and at > start:
            pieces.append(text[start:at])
            start, used = at, 0
        used += size
    return [*pieces, text[start:]]


def set_cell_size(text: str, total: int) -> str:
    """The text in exactly ``total`` cells: its end is cut off, or blanks are put behind it."""
    if cell_len(text) > total:
        text = chop_cells(text, total)[0]
        if cell_len(text) > total:  # a wide character in a room of one cell
            text = ""
    return text + " " * (total - cell_len(text))
