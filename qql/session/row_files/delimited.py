"""CSV and TSV → rows: a header row, then a record each."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from qql.errors import QQLError, QQLExecutionError, did_you_mean, fail
from qql.session.row_files.cells import TYPES, CellReader, guess_cell, in_column, read_id
from qql.session.row_files.json_lines import parse_json
from qql.session.row_files.lines import Lines, encoding_fault
from qql.session.row_files.points import PointMapping
from qql.session.row_files.row import BadRow, Row, RowError

__all__ = ["delimited_rows"]


def delimited_rows(
    lines: Lines, codec: str, points: PointMapping, delimiter: str, types: Mapping[str, str]
) -> Iterator[Row | BadRow]:
    """The rows of a file.

    Raises `QQLExecutionError` where it has no usable header, or not the columns that are asked for.
    """
    # The limit is the process's own; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), lines.max_bytes))
    columns: list[tuple[str, CellReader]] | None = None
    for number, cells in _records(lines, codec, delimiter):
        if columns is None:
            if isinstance(cells, RowError):
                raise _no_header(lines.path, str(cells))
            columns = _columns(lines.path, cells, points, types)
            continue
        try:
            if isinstance(cells, RowError):
                raise cells
            if len(cells) != len(columns):
                if len(cells) == 1 and not cells[0].strip():
                    continue
                raise RowError(f"{len(cells)} cells where the header has {len(columns)}")
            row = {name: read(cell) for (name, read), cell in zip(columns, cells, strict=True) if cell}
            # Joins take the cells as they stand there: 1.50, not 1.5.
            written = dict(zip((name for name, _ in columns), cells, strict=True)) if points.joins else None
            yield points.point(number, row, written)
        except RowError as exc:
            yield BadRow(number, str(exc))
    if columns is None:
        raise _no_header(lines.path, "it is empty")


# ------------------------------------------------------------------------------------ records


def _records(lines: Lines, codec: str, delimiter: str) -> Iterator[tuple[int, list[str] | RowError]]:
    """Records with the line that each starts at; a record at fault is the `RowError` that says why."""
    feed = _Feed(lines, codec)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.start()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield feed.first, RowError(f"not CSV: {exc}")
        except RowError as exc:
            yield feed.first, exc
        else:
            if feed.fault:
                yield feed.first, feed.fault
            elif cells:
                yield feed.first, cells


class _Feed:
    """Lines as text for one record after the other."""

    def __init__(self, lines: Lines, codec: str) -> None:
        self._lines = lines
        self._codec = codec
        self.start()

    def start(self) -> None:
        """Begin a record: ``first`` becomes the number of its first line, ``fault`` what is wrong in it."""
        self.first = 0
        self.fault: RowError | None = None
        self._bytes = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._lines.next()
        if line is None:
            raise StopIteration
        self.first = self.first or self._lines.number
        self._bytes += len(line)
        if self._bytes > self._lines.max_bytes:
            if not line.endswith(b"\n"):
                self._lines.skip_rest()
            raise RowError(self._lines.too_long("record") + "; a quote might be left open")
        try:
            return line.decode(self._codec)
        except UnicodeError as exc:
            self.fault = self.fault or RowError(encoding_fault(exc, self._codec))
            return line.decode(self._codec, "replace")


# ------------------------------------------------------------------------------------ the header


def _no_header(path: Path, why: str) -> QQLError:
    return QQLExecutionError.make("file-format", f"the file {path} has no usable header row: {why}")


def _columns(
    path: Path, header: list[str], points: PointMapping, types: Mapping[str, str]
) -> list[tuple[str, CellReader]]:
    """Name and reader of each column; one without a name is ``column1``, counted from 1."""
    names = [name.strip() or f"column{place}" for place, name in enumerate(header, 1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _no_header(path, f"two columns are called `{twice}`")
    for wanted in [*points.absent(names), *(name for name in types if name not in names)]:
        fail(
            "unknown-column",
            f"the file {path} has no column `{wanted}`",
            hint=did_you_mean(wanted, names) or f"its columns are {', '.join(names)}",
            error=QQLExecutionError,
        )
    for type_name in types.values():
        if type_name not in TYPES:
            fail(
                "unknown-type",
                f"there is no column type `{type_name}`",
                hint=did_you_mean(type_name, TYPES) or f"the types are {', '.join(TYPES)}",
                error=QQLExecutionError,
            )
    return [(name, in_column(name, _cell_reader(name, points, types))) for name in names]


def _cell_reader(name: str, points: PointMapping, types: Mapping[str, str]) -> CellReader:
    if name in types:
        return TYPES[types[name]]
    if name == points.id_name:
        return read_id
    is_json = name in (points.vector_name, points.payload_name) or name in points.opened
    return parse_json if is_json else guess_cell
