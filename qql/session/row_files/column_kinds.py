"""What the columns of a table hold, by a look at all of their cells.

A column holds numbers if every cell of it that is not empty is a number without leading zeros, and at least
one is more than digits with an exponent (so ``1e5`` and ``007`` stay texts); then it holds integers, or
floats if one has a point or an exponent. It holds bools if all are ``true`` or ``false``, and texts
otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from qql.late import late_pattern
from qql.session.row_files.cells import NO_VALUE, NOT_FINITE, CellReader, guess_cell, nullable, number_reader
from qql.session.row_files.row import I64, RowError, abbreviated

__all__ = ["Kinds", "column_kinds"]

_FIRST, _CHUNK = 50, 500  # records that are looked at together: few, until columns of texts are known
_CHUNK_CHARACTERS = 1 << 18
_PLAIN = late_pattern(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
_WITH_POINT = late_pattern(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?", re.ASCII)
_NUMBER = late_pattern(r"-?(?:0|[1-9][0-9]{0,18})(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?", re.ASCII)
_COMMA = late_pattern(r"-?(?:0|[1-9][0-9]{0,18}),[0-9]+", re.ASCII)
_MAYBE_THOUSANDS = late_pattern(r"-?[1-9][0-9]{0,2},[0-9]{3}", re.ASCII)
_THOUSANDS = late_pattern(
    r"-?[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+(?:\.[0-9]+)?|(?:\.[0-9]{3})+,[0-9]+)", re.ASCII
)
_NUMBERS = {"integer", "float", "exponent", "comma", "thousands?"}
_MANY = 10  # numbers before a cell that is none, from which on the cell is told of

Kinds = dict[str, CellReader]
"""Column → the reader of its cells."""


def column_kinds(
    records: Iterable[tuple[int, list[str] | RowError]],
    names: list[str],
    wanted: Iterable[str],
    commas: bool,
    notes: list[str],
) -> Kinds:
    """The readers of the columns ``wanted``. With ``commas``, cells may have them for points.

    Records at fault are left out. ``notes`` gets what a person should know of how columns are read.
    """
    columns = [_Column(name, names.index(name), commas) for name in wanted]
    open_ones = columns
    for chunk in _chunks(records, len(names)):
        for column in open_ones:
            column.look(chunk)
        open_ones = [column for column in open_ones if not column.settled]
        if not open_ones:
            break
    readers = {column.name: column.reader() for column in columns}
    notes += [note for column in columns for note in column.notes]
    return readers


def _chunks(
    records: Iterable[tuple[int, list[str] | RowError]], width: int
) -> Iterator[list[tuple[int, list[str]]]]:
    """Lists of records that are as wide as the header."""
    most = _FIRST
    chunk: list[tuple[int, list[str]]] = []
    characters = 0
    for line, cells in records:
        if isinstance(cells, list) and len(cells) == width:
            chunk.append((line, cells))
            characters += sum(map(len, cells))
            if len(chunk) >= most or characters > _CHUNK_CHARACTERS:
                yield chunk
                chunk, characters, most = [], 0, _CHUNK
    if chunk:
        yield chunk


class _Column:
    """What is known of one column: the kinds of its cells, each with the first line and cell of it."""

    def __init__(self, name: str, place: int, commas: bool) -> None:
        self.name = name
        self.place = place
        self.seen: dict[str, tuple[int, str]] = {}
        self.notes: list[str] = []
        self._commas = commas
        self._numbers = 0
        self._of_no_value = 0

    @property
    def settled(self) -> bool:
        """Whether nothing that follows can change what the column holds."""
        return "text" in self.seen or ("bool" in self.seen and not _NUMBERS.isdisjoint(self.seen))

    def look(self, chunk: list[tuple[int, list[str]]]) -> None:
        """Take the cells of some records in."""
        place = self.place
        cells = [cell for _, record in chunk if (cell := record[place])]
        if not cells:
            return
        if all(map(_PLAIN.fullmatch, cells)):
            self._all("integer", chunk, cells)
        elif "float" in self.seen and all(map(_WITH_POINT.fullmatch, cells)):
            self._numbers += len(cells)
        else:
            self._one_by_one(chunk)

    def _all(self, kind: str, chunk: list[tuple[int, list[str]]], cells: list[str]) -> None:
        if kind not in self.seen:
            self.seen[kind] = next((line, record[self.place]) for line, record in chunk if record[self.place])
        self._numbers += len(cells)

    def _one_by_one(self, chunk: list[tuple[int, list[str]]]) -> None:
        for line, record in chunk:
            if cell := record[self.place]:
                kind = _kind(cell, self._commas)
                self.seen.setdefault(kind, (line, cell))
                self._numbers += kind in _NUMBERS
                self._of_no_value += kind == "no value"
                if self.settled:
                    return

    def reader(self) -> CellReader:
        """The reader of the cells."""
        seen = set(self.seen)
        numbers, no_value = seen & _NUMBERS, "no value" in seen
        with_commas = bool(numbers & {"comma", "thousands?"})
        if "text" in seen:
            self._tell_of_text()
        elif "bool" in seen and seen <= {"bool", "no value"}:
            self._tell_of_no_value()
            return nullable(guess_cell) if no_value else guess_cell
        elif "bool" not in seen and numbers - {"exponent"}:
            if with_commas and ("float" in numbers or "comma" not in numbers):
                self._tell("comma" if "comma" in seen else "thousands?", "reads its comma as a decimal one")
                return str
            self._tell_of_no_value()
            kind = "integer" if numbers == {"integer"} else "float"
            return number_reader(kind, with_commas, no_value or "not finite" in seen)
        return str

    def _tell_of_text(self) -> None:
        if _THOUSANDS.fullmatch(self.seen["text"][1]):
            self._tell("text", "makes it an error: numbers have no signs between thousands")
        elif self._numbers >= _MANY:
            self._tell("text", "makes it an error")

    def _tell(self, kind: str, what: str) -> None:
        line, cell = self.seen[kind]
        self.notes.append(
            f"the column `{self.name}` is read as texts, because of {abbreviated(cell)} in line {line}; "
            f"COLUMNS ({self.name} FLOAT) {what}"
        )

    def _tell_of_no_value(self) -> None:
        if "no value" in self.seen:
            line, cell = self.seen["no value"]
            what = "1 cell" if self._of_no_value == 1 else f"{self._of_no_value:,} cells"
            self.notes.append(
                f"{what} of the column `{self.name}` read as null, the first {cell!r} in line {line}; "
                f"COLUMNS ({self.name} TEXT) reads texts"
            )


def _kind(cell: str, commas: bool) -> str:
    """The kind of a cell that is not empty."""
    found = _NUMBER.fullmatch(cell)
    if found:
        if abs(float(cell)) == float("inf"):
            return "text"
        if found[1] or cell == "-0":
            return "float"
        if found[2]:
            return "exponent"
        return "integer" if -I64 <= int(cell) < I64 else "text"
    if commas and _COMMA.fullmatch(cell):
        return "thousands?" if _MAYBE_THOUSANDS.fullmatch(cell) else "comma"
    word = cell.lower()
    if word in ("true", "false"):
        return "bool"
    if word in NO_VALUE:
        return "no value"
    return "not finite" if NOT_FINITE.fullmatch(cell) else "text"
