"""The lines of a table's box. (rich has such, but tables are drawn without it, too.)"""

from __future__ import annotations

from collections.abc import Iterable

from qql.records import NamedTuple

__all__ = ["ASCII", "SQUARE", "Box"]


class Box(NamedTuple):
    """Lines, each as its left end, its joint at a bar, and its right end; and what they are made of."""

    horizontal: str
    mid_vertical: str
    top: tuple[str, str, str]
    row: tuple[str, str, str]
    bottom: tuple[str, str, str]

    def get_top(self, widths: Iterable[int]) -> str:
        """The line above columns of these widths."""
        return self._line(self.top, widths)

    def get_row(self, widths: Iterable[int]) -> str:
        """The line between two rows."""
        return self._line(self.row, widths)

    def get_bottom(self, widths: Iterable[int]) -> str:
        """The line below the last row."""
        return self._line(self.bottom, widths)

    def _line(self, ends: tuple[str, str, str], widths: Iterable[int]) -> str:
        left, joint, right = ends
        return left + joint.join(self.horizontal * width for width in widths) + right


ASCII = Box("-", "|", ("+", "-", "+"), ("|", "+", "|"), ("+", "-", "+"))
SQUARE = Box("─", "│", ("┌", "┬", "┐"), ("├", "┼", "┤"), ("└", "┴", "┘"))
