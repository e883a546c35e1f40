"""A file → its rows, by its format; how far it is read is known while it is read."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from qql.errors import QQLError, QQLExecutionError, did_you_mean, fail
from qql.packed_files import unpacked_name
from qql.rest.types import JsonObject
from qql.session.row_files.delimited import DELIMITERS, TableReader
from qql.session.row_files.json_lines import json_rows
from qql.session.row_files.lines import Lines, codec_of
from qql.session.row_files.npy import NpyFile, NpyVectors, open_npy
from qql.session.row_files.parquet import ParquetFile
from qql.session.row_files.points import Fields, PointMapping
from qql.session.row_files.row import BadRow, Record, Row, RowError
from qql.session.row_files.scanned import Scanned
from qql.session.row_files.source import ByteSource
from qql.session.row_files.table import Table

__all__ = ["FORMATS", "RowReader", "batches", "format_of", "read_rows"]

FORMATS: dict[str, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson", ".jsonlines"),
    "json": (".json",),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet", ".pq"),
    "npy": (".npy",),
}
"""Format → the file names' endings that mean it; ``.gz``, ``.xz`` or ``.bz2`` may follow those of text.

``jsonl`` and ``json`` are read alike: what the file holds decides.
"""
_JSON = ("jsonl", "json")
_OF_PLACES = ("parquet", "npy")  # formats that are read from wherever their parts are

_T = TypeVar("_T")


def batches(rows: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of ``size`` rows each, in order; the last may be shorter."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch


def read_rows(
    path: str | Path,
    *,
    format: str | None = None,
    fields: Fields | None = None,
    encoding: str = "utf-8",
    id_uuid: bool = False,
    types: Mapping[str, str] | None = None,
    columns: Sequence[tuple[str, str | None]] | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    arrays: Mapping[str, str | Path] | None = None,
    vector_names: Collection[str] = (),
) -> RowReader:
    """The rows of a file (see the package). ``format`` is one of `FORMATS`, else the name's ending decides.

    Of CSV and TSV: ``columns`` are names with a type of `TYPES` each, or None where the cells decide;
    ``header`` says whether the first line has names (None: find out). ``arrays`` are ``.npy`` files with a
    vector for each row: the row's column with this name. Columns of ``vector_names`` that ``fields`` leaves
    out are given beside the payload.

    Raises `QQLExecutionError`, here or while reading: ``file-unreadable`` (missing, a folder, a device, no
    permission, damaged compression), ``file-format`` (unknown, no usable header, JSON that cannot be read on,
    vectors and rows of different numbers), ``file-encoding``, ``unknown-column`` (a table has no column that
    ``fields``, ``types`` or ``columns`` names), ``unknown-type``, ``bad-columns``, ``bad-delimiter``,
    ``bad-mapping``, ``not-a-file`` (a pipe, for a format that needs a file), ``missing-library``.
    """
    path = Path(path)
    name = format_of(path, format)
    if name not in DELIMITERS:
        for what, given in (("columns", columns), ("a delimiter", delimiter), ("a header", header)):
            if given is not None:
                message = f"{what} can be given for CSV and TSV, and {path} is read as {name}"
                hint = "rows of other formats bring names and types; FORMAT csv reads another format"
                fail("bad-columns", message, hint=hint, error=QQLExecutionError)
    points = PointMapping(fields or {}, id_uuid, vector_names)
    codec = codec_of(encoding)
    vectors = {target: open_npy(Path(file)) for target, file in (arrays or {}).items()}
    table = None
    if name in DELIMITERS:
        given_table = Table.of(columns, types, delimiter, header)
        table = TableReader(name, codec, given_table, points, id_uuid=id_uuid)
    selects = not isinstance(fields.get("payload", ""), str) if fields else False
    return RowReader(_Reading(path, name, codec, points, table, vectors, selects))


class _Reading:
    """What a file is read by, and what is known of it after it was read once."""

    def __init__(
        self,
        path: Path,
        format: str,
        codec: str,
        points: PointMapping,
        table: TableReader | None,
        vectors: Mapping[str, NpyVectors],
        selects: bool,
    ) -> None:
        self.path = path
        self.format = format
        self.codec = codec
        self.points = points
        self.table = table
        self.vectors = vectors
        self.selects = selects
        self.counted = False
        self.scanned: Scanned = Scanned()

    def records(self, source: ByteSource) -> Iterator[Record]:
        """The rows of a text."""
        lines = Lines(source)
        return self.table.rows(lines) if self.table else json_rows(lines, self.codec, self.scanned)

    def wanted(self) -> list[str] | None:
        """The columns that are asked for by name, if no others are."""
        points = self.points
        names = [*points.sources, points.id_name, points.vector_name, *points.beside, *self.vectors]
        return [name for name in names if name is not None] if self.selects else None


class RowReader(Iterator["Row | BadRow"]):
    """The iterator that `read_rows` gives; it knows how far it is, and closes the file at its end."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading
        self.path: Path = reading.path
        self.format: str = reading.format
        self._source = ByteSource(reading.path)
        weakref.finalize(self, self._source.close)
        self.total = self._source.total
        self._parts = self._open_parts() if reading.format in _OF_PLACES else None
        self._rows = self._points(self._records())

    total: int | None
    """Bytes of the file as it lies on the disk; None where that is not known (a pipe)."""

    @property
    def points(self) -> PointMapping:
        """What makes points of the rows; it knows which columns there were."""
        return self._reading.points

    @property
    def scanned(self) -> Scanned:
        """The lists of the row that was given last which hold numbers for certain."""
        return self._reading.scanned

    @property
    def unit(self) -> str:
        """What a row's ``line`` counts: ``line``, or ``row`` in a file without lines."""
        return "row" if self.format in _OF_PLACES else "line"

    @property
    def notes(self) -> list[str]:
        """What a person should know of how the file is read; complete once its first row was read."""
        source = self._parts or self._reading.table
        return [*source.notes] if source else []

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far; of a compressed one as it lies there, ahead by up to one buffer."""
        if self._parts is None:
            return self._source.bytes_read
        return (self.total or 0) * self._parts.done // max(1, self._parts.total)

    def again(self) -> RowReader:
        """The rows once more, from the first; what was found out about the file is not looked for again."""
        return RowReader(self._reading)

    def __next__(self) -> Row | BadRow:
        try:
            return next(self._rows)
        except (StopIteration, QQLError):
            self.close()
            raise

    def close(self) -> None:
        """Close the file; iteration is over. Closing twice is allowed."""
        self._rows = iter(())
        self._source.close()
        if self._parts:
            self._parts.close()

    def __enter__(self) -> RowReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- from records to points

    def _records(self) -> Iterator[Record]:
        if self._parts:
            return self._parts.rows()
        return self._reading.records(self._source)

    def _points(self, records: Iterator[Record]) -> Iterator[Row | BadRow]:
        if self._reading.vectors:
            self._count()
            records = self._with_vectors(records)
        make = self._reading.points.point
        scanned = None if self.format in _JSON and not self._reading.vectors else self.scanned
        for line, row, written in records:
            if isinstance(row, RowError):
                yield BadRow(line, str(row))
                continue
            if scanned is not None:
                scanned.look(row)
            try:
                yield make(line, row, written)
            except RowError as exc:
                yield BadRow(line, str(exc))

    def _with_vectors(self, records: Iterator[Record]) -> Iterator[Record]:
        """The rows with the vectors of the same place. A row at fault has its place as well."""
        place = 0
        for place, (line, row, written) in enumerate(records, 1):
            for target, vectors in self._reading.vectors.items():
                if place > len(vectors):
                    raise self._uneven(vectors, f"more than {place - 1:,}")
                row = _with_vector(row, self._column_of(target), vectors, place - 1)
            yield line, row, written
        for vectors in self._reading.vectors.values():
            if place != len(vectors):
                raise self._uneven(vectors, f"{place:,}")

    def _count(self) -> None:
        """Count the rows of a file that can be read twice: nothing is written if vectors are missing."""
        if self._reading.counted or self.total is None:
            return
        if self._parts:
            rows = self._parts.total
        else:
            source = ByteSource(self.path)
            rows = sum(1 for _ in self._reading.records(source))
            source.close()
        for vectors in self._reading.vectors.values():
            if len(vectors) != rows:
                raise self._uneven(vectors, f"{rows:,}")
        self._reading.counted = True

    def _uneven(self, vectors: NpyVectors, rows: str) -> QQLError:
        message = f"{vectors.path} has {len(vectors):,} vectors, and {self.path} has {rows} rows"
        hint = "vector n is that of row n: there is one for each"
        return QQLExecutionError.make("file-format", message, hint=hint)

    def _column_of(self, target: str) -> str:
        return (self._reading.points.vector_name or target) if target == "vector" else target

    def _open_parts(self) -> ParquetFile | NpyFile:
        if self.total is None:
            message = f"{self.path} is a pipe, and {self.format} is read from a file"
            fail("not-a-file", message, hint="put it into one", error=QQLExecutionError)
        self._source.close()
        parts = (
            ParquetFile(self.path, self._reading.wanted()) if self.format == "parquet" else NpyFile(self.path)
        )
        weakref.finalize(self, parts.close)
        return parts


def _with_vector(
    row: JsonObject | RowError, name: str, vectors: NpyVectors, place: int
) -> JsonObject | RowError:
    if isinstance(row, RowError):
        return row
    if name in row:
        return RowError(f"`{name}` is there twice: in the row, and in {vectors.path}")
    try:
        return {**row, name: vectors[place]}
    except RowError as exc:
        return exc


def format_of(path: Path, given: str | None) -> str:
    """The format of a file: the given one, or the one that its name tells. Raises `QQLExecutionError`."""
    if given is not None:
        if given.lower() in FORMATS:
            return given.lower()
        fail(
            "file-format",
            f"there is no format `{given}`",
            hint=did_you_mean(given, FORMATS) or f"the formats are {', '.join(FORMATS)}",
            error=QQLExecutionError,
        )
    name = unpacked_name(path.name.lower())
    for format, endings in FORMATS.items():
        if name.endswith(endings):
            return format
    raise QQLExecutionError.make(
        "file-format",
        f"the name of {path} does not tell its format",
        hint=f"FORMAT names it: {', '.join(FORMATS)}",
    )
