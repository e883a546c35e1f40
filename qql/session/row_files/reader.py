"""A file → its rows, by its format; how far it is read is known while it is read."""

from __future__ import annotations

import gzip
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from qql.errors import QQLError, QQLExecutionError, did_you_mean, fail
from qql.session.files import file_unreadable
from qql.session.row_files.delimited import delimited_rows
from qql.session.row_files.json_lines import json_rows
from qql.session.row_files.lines import Lines, codec_of
from qql.session.row_files.points import Fields, PointMapping
from qql.session.row_files.row import BadRow, Row

__all__ = ["FORMATS", "RowReader", "batches", "read_rows"]

FORMATS = {
    "jsonl": (".jsonl", ".ndjson", ".jsonlines", ".json"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
}
"""Format → the file names' endings that mean it; ``.gz`` may follow."""
_DELIMITERS = {"csv": ",", "tsv": "\t"}

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
) -> RowReader:
    """The rows of a file (see the package). ``format`` is one of `FORMATS`, else the name's ending decides.

    Raises `QQLExecutionError`, here or while reading: ``file-unreadable`` (missing, a folder, no permission,
    damaged gzip), ``file-format`` (unknown, or no usable header), ``file-encoding``, ``unknown-column`` (a
    CSV header has no column that ``fields`` or ``types`` names), ``unknown-type``, ``bad-mapping``.
    """
    return RowReader(Path(path), format, PointMapping(fields or {}, id_uuid), encoding, types or {})


class RowReader(Iterator["Row | BadRow"]):
    """The iterator that `read_rows` gives; it knows how far it is, and closes the file at its end."""

    def __init__(
        self, path: Path, format: str | None, points: PointMapping, encoding: str, types: Mapping[str, str]
    ) -> None:
        self.path = path
        self.points = points
        self.format = _format_of(path, format)
        codec = codec_of(encoding)
        self._raw = _open(path)
        weakref.finalize(self, self._raw.close)
        self.total = _size_of(self._raw)
        self._lines = Lines(self._unpacked(), path)
        if self.format == "jsonl":
            self._rows = json_rows(self._lines, codec, points)
        else:
            self._rows = delimited_rows(self._lines, codec, points, _DELIMITERS[self.format], types)

    total: int | None
    """Bytes of the file as it lies on the disk; None where that is not known (a pipe)."""

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far; of a gzipped file the compressed ones, ahead by up to one buffer."""
        if self._raw.closed:
            return self._read_at_close
        if self._lines.source is self._raw:
            return self._lines.bytes
        try:
            return self._raw.tell()
        except OSError:
            return self._lines.bytes

    def __next__(self) -> Row | BadRow:
        try:
            return next(self._rows)
        except StopIteration:
            self.close()
            raise
        except QQLError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; iteration is over. Closing twice is allowed."""
        if not self._raw.closed:
            self._read_at_close = self.bytes_read
            self._rows = iter(())
            self._raw.close()

    def __enter__(self) -> RowReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    _read_at_close = 0

    def _unpacked(self) -> IO[bytes]:
        try:
            head = self._raw.peek(2)[:2]
        except OSError as exc:
            raise file_unreadable(self.path, exc) from exc
        # A GzipFile without its own file object needs no closing of its own.
        return gzip.GzipFile(fileobj=self._raw, mode="rb") if head == b"\x1f\x8b" else self._raw  # type: ignore[return-value]


def _open(path: Path) -> BufferedReader:
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder", str(path))
        return path.open("rb")
    except (OSError, ValueError) as exc:
        raise file_unreadable(path, exc) from exc


def _size_of(raw: IO[bytes]) -> int | None:
    try:
        return os.fstat(raw.fileno()).st_size if raw.seekable() else None
    except OSError:
        return None


def _format_of(path: Path, given: str | None) -> str:
    if given is not None:
        if given.lower() in FORMATS:
            return given.lower()
        fail(
            "file-format",
            f"there is no format `{given}`",
            hint=did_you_mean(given, FORMATS) or f"the formats are {', '.join(FORMATS)}",
            error=QQLExecutionError,
        )
    name = path.name.lower().removesuffix(".gz")
    for format, endings in FORMATS.items():
        if name.endswith(endings):
            return format
    raise QQLExecutionError.make(
        "file-format",
        f"the name of {path} does not tell its format",
        hint=f"FORMAT names it: {', '.join(FORMATS)}",
    )
