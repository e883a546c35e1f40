"""Tables that fit a terminal: which columns stand side by side, which below, and what is said once.

What fits as it is, is drawn as it is. Else what all rows share is said below the table; texts are wrapped
where a few lines hold them; and where that is not enough, a row has its short columns side by side and its
long ones on lines of their own below. Ids and numbers are never cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qql.cli.render.cells import MISSING, Column
from qql.cli.render.passages import best_passage
from qql.cli.render.terminal import sanitize
from qql.cli.render.wrapping import cut_line, shortened, text_width, wrap_text
from qql.records import dataclass, field

__all__ = ["Layout", "Lines", "fitted"]

_MOST_LINES = ((20, 3), (60, 2))  # rows of a table, and the lines that a text has in each of them; else 1
_MOST_CELLS = 300  # of a text in a row
_LONGEST_WORD = 40  # cells of a word that makes a column as wide
_TEXT_ROOM = 20  # cells that a column of long texts needs beside the others
_LABEL_WIDTH = 16
_BELOW = 2  # cells by which what stands below a row is indented
_MOST_BELOW = 4  # long fields below a row
_NARROWEST = 16  # cells of a text below a row
_OWN_LINE = 3  # short fields below a row that have a line each; more of them share lines

Lines = list[str]


@dataclass(slots=True)
class Layout:
    """Where the columns stand. ``head`` have their widths; a row of it has a line or several.

    ``notes`` are said once, ``lost`` whether anything is cut or left out.
    """

    head: list[Column]
    width: int
    words: tuple[str, ...] = ()
    dots: str = "…"
    below: list[Column] = field(default_factory=list)
    packed: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wraps: bool = False
    lost: bool = False

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.head[0].cells)

    def cells(self, row: int) -> list[Lines]:
        """The lines of each column in a row; none is wider than its column."""
        if not self.wraps:
            return [[column.cells[row]] for column in self.head]
        return [
            [column.cells[row]]
            if column.whole or text_width(column.cells[row]) <= column.width
            else self._text(column, row, column.width)
            for column in self.head
        ]

    def lines_below(self, row: int) -> Lines:
        """What stands below a row, each line at most as wide as the table is inside."""
        out: Lines = []
        label = self._label_width
        room = self._room_below
        if self.packed:
            fields = [
                f"{column.header} {column.cells[row]}"
                for column in self.packed
                if column.values[row] is not MISSING
            ]
            out += wrap_text((" · " if self.dots == "…" else ", ").join(fields), room + label + 2)
        for column in self.below:
            if column.values[row] is MISSING or not column.cells[row].strip():
                continue
            lines = [column.cells[row]] if column.whole else self._text(column, row, room)
            for at, line in enumerate(lines):
                title = "" if at else column.header
                out.append(f"{title}{' ' * (label - text_width(title))}  {line}")
        return [" " * _BELOW + line for line in out]

    @property
    def _label_width(self) -> int:
        return max((text_width(column.header) for column in self.below), default=0)

    @property
    def label_room(self) -> int:
        """Characters in front of the texts below a row, at the most."""
        return _BELOW + self._label_width + 2 if self.below else _BELOW

    @property
    def _room_below(self) -> int:
        return self.width - 4 - _BELOW - self._label_width - 2

    def _text(self, column: Column, row: int, room: int) -> Lines:
        """A long value on as many lines as it may have."""
        most = _lines_of_text(self.rows, room) if column.is_prose else 1
        budget = most * room - (most - 1) * min(room // 6, 8)
        text = column.texts[row]
        whole = " ".join(text.split()) if column.is_prose else column.cells[row]
        if text_width(sanitize(whole[: 8 * budget])) > budget:
            self.lost = True
            whole = (
                best_passage(text, self.words, budget, self.dots) if column.is_prose else whole[: 4 * budget]
            )
        lines = wrap_text(sanitize(whole), room)
        if len(lines) > most:
            self.lost = True
            lines = [*lines[: most - 1], cut_line(lines[most - 1], room, self.dots)]
        return lines


def _lines_of_text(rows: int, room: int) -> int:
    most = next((lines for count, lines in _MOST_LINES if rows <= count), 1)
    return max(1, min(most, _MOST_CELLS // max(room, 1)))


def fitted(columns: list[Column], width: int, words: tuple[str, ...] = (), dots: str = "…") -> Layout | None:
    """The layout of columns in ``width`` cells; None where ids and numbers alone are wider."""
    if _total(columns) <= width:
        _show_bars(columns, width)
        return Layout(columns, width, words)
    columns, notes, lost = _without_repeats(columns, width)
    if _total(columns) <= width:
        _show_bars(columns, width)
        return Layout(columns, width, words, notes=notes, lost=lost)
    _show_bars([column for column in columns if column.whole], width // 2)
    layout = Layout(columns, width, words, dots, notes=notes, wraps=True, lost=lost)
    if _spread(layout) or _widest_last(layout):
        return layout
    return _folded(layout)


def _total(columns: Sequence[Column]) -> int:
    """The cells that a table of these columns is wide."""
    return sum(column.width + 3 for column in columns) + 1


# ------------------------------------------------------------------------------------ what all rows share


def _without_repeats(columns: list[Column], width: int) -> tuple[list[Column], list[str], bool]:
    """The columns that tell rows apart, what is said of the others, and whether that is cut."""
    kept, same, empty, lost = [], [], [], False
    groups = next((column.texts for column in columns if column.name == "group"), None)
    for at, column in enumerate(columns):
        if column.leads or at == 0:
            kept.append(column)
        elif all(value is MISSING or value in (None, "") for value in column.values):
            empty.append(column.header)
        elif len(column.cells) > 1 and len(set(column.texts)) == 1:
            value = shortened(column.cells[0], width - 30)
            lost |= value != column.cells[0]
            same.append(f"{column.header} = {value}")
        elif column.texts == groups:
            same.append(f"{column.header} = group")
        else:
            kept.append(column)
    notes = [f"in all rows: {', '.join(same)}"] if same else []
    return kept, [*notes, *([f"empty in all rows: {', '.join(empty)}"] if empty else [])], lost


def _show_bars(columns: list[Column], width: int) -> None:
    """Bars beside numbers, as far as the columns leave room for them."""
    room = width - _total(columns)
    for column in columns:
        room -= column.show_bars(room)


# ------------------------------------------------------------------------------------ side by side


def _spread(layout: Layout) -> bool:
    """Narrow the columns of text so that all fit, each value whole on a few lines, no word broken."""
    texts = [column for column in layout.head if not column.whole]
    least = {id(column): _longest_word(column) for column in texts}
    room = layout.width - _total(layout.head) + sum(column.width for column in texts)
    if not texts or room < sum(least.values()) or max(least.values()) > _LONGEST_WORD:
        return False
    widths = {}
    for at, column in enumerate(sorted(texts, key=lambda column: column.width)):
        later = sum(least[id(other)] for other in texts if id(other) not in widths and other is not column)
        share = max(room // (len(texts) - at), least[id(column)])
        widths[id(column)] = min(column.width, share, room - later)
        room -= widths[id(column)]
    most = _lines_of_text(layout.rows, 1)
    for column in texts:
        if any("\n" in text for text in column.texts):
            return False
        if any(len(wrap_text(cell, widths[id(column)])) > most for cell in column.cells):
            return False
    for column in texts:
        column.width = widths[id(column)]
    return True


def _longest_word(column: Column) -> int:
    words = (max(map(text_width, cell.split(" ")), default=0) for cell in column.cells)
    return max(text_width(column.header), *words)


def _widest_last(layout: Layout) -> bool:
    """Narrow the one column of long texts where the others leave it enough room."""
    widest = max(layout.head, key=lambda column: column.width)
    room = layout.width - _total(layout.head) + widest.width
    least = 8 if len(layout.head) == 1 else max(_TEXT_ROOM, layout.width // 2)
    if widest.width <= 2 * room:  # two lines have it all
        least = min(least, _TEXT_ROOM)
    if widest.whole or not widest.is_prose or room < least:
        return False
    widest.width = room
    return True


# ------------------------------------------------------------------------------------ one below the other


def _folded(layout: Layout) -> Layout | None:
    """Short columns side by side, long ones below; None where there is no room for that."""
    rest = [column for at, column in enumerate(layout.head) if at and not column.leads]
    head = [column for column in layout.head if column not in rest]
    for column in sorted(rest, key=lambda column: column.width):
        if _total([*head, column]) > layout.width:
            break
        head.append(column)
    long = [column for column in rest if column not in head]
    layout.head = [column for column in layout.head if column in head]
    if not _squeezed(layout):
        return None
    _show_bars(layout.head, layout.width)
    _fill(layout)
    half = (layout.width - 4) // 2
    short = [column for column in long if column.width + text_width(column.header) < half]
    if len(short) > _OWN_LINE:
        layout.packed = [*_packed(short, 3 * (layout.width - 6))]
        long = [column for column in long if column not in short]
        _leave_out(layout, [column for column in short if column not in layout.packed])
    ranked = sorted(long, key=lambda column: (not column.whole, not column.is_prose))[:_MOST_BELOW]
    layout.below = [column for column in long if column in ranked]
    _leave_out(layout, [column for column in long if column not in ranked])
    for column in layout.below:
        column.header = shortened(column.header, _LABEL_WIDTH)
    least = max([_NARROWEST, *(column.width for column in layout.below if column.whole)])
    return layout if layout._room_below >= least else None


def _squeezed(layout: Layout) -> bool:
    """Whether the head fits, its widest text (a group, say) narrowed where it has to be."""
    surplus = _total(layout.head) - layout.width
    if surplus > 0:
        widest = max(layout.head, key=lambda column: 0 if column.whole else column.width)
        if widest.whole or widest.width - surplus < _NARROWEST // 2:
            return False
        widest.width -= surplus
    return True


def _fill(layout: Layout) -> None:
    """Make the table as wide as it may be: the last column that is no number gets what is left."""
    widened = next((column for column in reversed(layout.head) if not column.right), layout.head[-1])
    widened.width += layout.width - _total(layout.head)


def _packed(columns: Sequence[Column], room: int) -> Iterator[Column]:
    for column in columns:
        room -= column.width + text_width(column.header) + 4
        if room < 0:
            return
        yield column


def _leave_out(layout: Layout, columns: Sequence[Column]) -> None:
    if columns:
        fields = "field" if len(columns) == 1 else "fields"
        names = ", ".join(column.header for column in columns)
        layout.notes.append(f"… {len(columns)} more {fields}: {names}")
        layout.lost = True
