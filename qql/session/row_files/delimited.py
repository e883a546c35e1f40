"""CSV and TSV → rows: a header row, where the columns are not named otherwise, then a record each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from qql.compiler.base64_vectors import is_base64
from qql.errors import QQLExecutionError, did_you_mean, fail
from qql.records import dataclass
from qql.rest.types import Json, JsonObject
from qql.session.row_files.cells import (
    CellReader,
    cell_reader,
    guess_cell,
    in_column,
    read_id,
    read_opened,
)
from qql.session.row_files.column_kinds import column_kinds
from qql.session.row_files.json_lines import parse_json
from qql.session.row_files.lines import Lines
from qql.session.row_files.points import PointMapping
from qql.session.row_files.records import read_records
from qql.session.row_files.row import Record, RowError, abbreviated
from qql.session.row_files.source import ByteSource
from qql.session.row_files.table import Table, find_delimiter, find_names, no_header, take_separator

__all__ = ["DELIMITERS", "Layout", "TableReader"]

DELIMITERS = {"csv": ",", "tsv": "\t"}
"""Format → its usual delimiter."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the records of a file are read: found once, at its beginning."""

    delimiter: str
    has_header: bool
    names: list[str]
    readers: list[CellReader]


class TableReader:
    """The way from the lines of a file to its rows.

    The types of columns are found by a look at all of their cells, for which the file is opened a second
    time; in a pipe each cell has the type that it looks like. ``notes`` are texts for whoever loads the file.
    """

    def __init__(
        self,
        format: str,
        codec: str,
        table: Table,
        points: PointMapping,
        *,
        id_uuid: bool,
    ) -> None:
        self.notes: list[str] = []
        self._usual = DELIMITERS[format]
        self._codec = codec
        self._table = table
        self._points = points
        self._id_uuid = id_uuid
        self._layout: Layout | None = None

    def rows(self, lines: Lines) -> Iterator[Record]:
        """The rows of the file.

        Raises `QQLExecutionError` where it has no usable header, or not the columns that are asked for.
        """
        separator = take_separator(lines)
        layout = self._layout = self._layout or self._find_layout(lines, separator)
        names, readers = layout.names, layout.readers
        columns = list(zip(names, readers, strict=True))
        as_written = self._points.joins
        records = read_records(lines, self._codec, layout.delimiter)
        if layout.has_header:
            next(records)
        for number, cells in records:
            if isinstance(cells, RowError):
                yield number, cells, None
                continue
            if len(cells) != len(columns):
                if len(cells) == 1 and not cells[0].strip():
                    continue
                yield number, _wrong_width(cells, layout), None
                continue
            row: JsonObject | RowError
            try:
                row = {name: read(cell) for (name, read), cell in zip(columns, cells, strict=True) if cell}
            except RowError as exc:
                row = exc
            except ValueError:
                row = _changed(columns, cells)
            yield number, row, dict(zip(names, cells, strict=True)) if as_written else None

    # -- the layout

    def _find_layout(self, lines: Lines, separator: str | None) -> Layout:
        table = self._table
        delimiter = table.delimiter or separator
        delimiter = delimiter or find_delimiter(lines, self._codec, self._usual, self.notes)
        first = self._first_record(lines, delimiter)
        if first is None:
            if table.names is None:
                raise no_header(lines.path, "it is empty")
            names, has_header = list(table.names), False
        else:
            names, has_header = find_names(lines.path, first, table, self.notes)
        self._check_wanted(lines, names)
        readers = {name: self._known_reader(name, delimiter) for name in names}
        guessed = [name for name, reader in readers.items() if reader is None]
        twice = lines.source.total is not None
        if guessed and twice:
            with closing(ByteSource(lines.path)) as source:
                anew = Lines(source)
                take_separator(anew)
                records = read_records(anew, self._codec, delimiter)
                if has_header:
                    next(records, None)
                readers |= column_kinds(records, names, guessed, delimiter != ",", self.notes)
        if self._id_uuid and self._points.id_name in guessed:
            # A text and an integer make the same id; a float or a bool would make none.
            id_name = str(self._points.id_name)
            readers[id_name] = int if readers[id_name] is int else str if twice else read_id
        found = [in_column(name, readers[name] or guess_cell) for name in names]
        return Layout(delimiter, has_header, names, found)

    def _first_record(self, lines: Lines, delimiter: str) -> list[str] | None:
        """The first record; its lines stay to be read."""
        taken: list[bytes] = []
        for _, cells in read_records(lines, self._codec, delimiter, taken):
            lines.put_back(*taken)
            if isinstance(cells, RowError):
                raise no_header(lines.path, str(cells))
            return cells
        lines.put_back(*taken)
        return None

    def _check_wanted(self, lines: Lines, names: list[str]) -> None:
        typed = [name for name in self._table.types or () if name not in names]
        for wanted in [*self._points.absent(names), *typed]:
            fail(
                "unknown-column",
                f"the file {lines.path} has no column `{wanted}`",
                hint=did_you_mean(wanted, names) or f"its columns are {', '.join(names)}",
                error=QQLExecutionError,
            )

    def _known_reader(self, name: str, delimiter: str) -> CellReader | None:
        """The reader of a column that does not hang on its cells."""
        types, points = self._table.types or {}, self._points
        if name in types:
            return cell_reader(types[name], delimiter != ",")
        if name == points.id_name and not self._id_uuid:
            return read_id
        if name in points.opened:
            return read_opened
        if name == points.vector_name:
            return _read_vector
        return parse_json if name == points.payload_name else None


def _read_vector(cell: str) -> Json:
    return cell if is_base64(cell) else parse_json(cell)


def _wrong_width(cells: list[str], layout: Layout) -> RowError:
    width = len(layout.names)
    wanted = f"the header has {width}" if layout.has_header else f"there are {width} columns"
    return RowError(f"{len(cells)} cells where {wanted}")


def _changed(columns: list[tuple[str, CellReader]], cells: list[str]) -> RowError:
    """Why a row is at fault that has another value than there was when its file was looked at first."""
    for (name, read), cell in zip(columns, cells, strict=True):
        try:
            read(cell) if cell else None
        except ValueError:
            return RowError(f"column `{name}`: {abbreviated(cell)} is no number, as all others are")
        except RowError as exc:
            return exc
    return RowError("it changed while it was read")
