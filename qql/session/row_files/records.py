"""Lines of a CSV or TSV file → records: lists of cells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain

from qql.late import late_pattern
from qql.session.row_files.lines import Lines, encoding_fault
from qql.session.row_files.row import RowError

__all__ = ["MAX_CELLS", "Numbered", "read_records"]

MAX_CELLS = 100_000
"""Cells of a record, at most."""

Numbered = tuple[int, list[str] | RowError]
"""A record with the line that it starts at; a record at fault is the `RowError` that says why."""


def read_records(
    lines: Lines, codec: str, delimiter: str, taken: list[bytes] | None = None
) -> Iterator[Numbered]:
    """The records of a file. ``taken`` gets the lines that are read."""
    # The limit is the process's own; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), lines.max_bytes))
    feed = _Feed(lines, codec, delimiter, taken)
    return _tabbed(feed) if delimiter == "\t" else _quoted(feed, delimiter)


def _quoted(feed: _Feed, delimiter: str) -> Iterator[Numbered]:
    """Records whose cells may be quoted, and hold delimiters and newlines then."""
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
            feed.skip_rest()
        else:
            if feed.fault:
                yield feed.first, feed.fault
            elif cells:
                yield feed.first, cells


_WHOLE = late_pattern(r'"((?:[^"]++|"")*+)"')


def _tabbed(feed: _Feed) -> Iterator[Numbered]:
    """Records with tabs between cells, where most programs quote nothing and some do.

    A line that has as many cells as the first is a record, whatever quotes are in it; a cell loses its
    quotes only if they are around all of it. Only of a line with less cells, or with an open quote before
    another such line, the next lines may be part.
    """
    width = 0
    while True:
        feed.start()
        try:
            line = next(feed)
        except StopIteration:
            return
        except RowError as exc:
            yield feed.first, exc
            feed.skip_rest()
            continue
        if feed.fault:
            yield feed.first, feed.fault
            continue
        cells = line.rstrip("\r\n").split("\t")
        if cells == [""]:
            continue
        width = width or len(cells)
        if '"' in line:
            cells = _over_lines(feed, line, cells, width) or [_without_quotes(cell) for cell in cells]
        yield feed.first, cells


def _without_quotes(cell: str) -> str:
    whole = _WHOLE.fullmatch(cell) if cell.startswith('"') else None
    return whole[1].replace('""', '"') if whole else cell


def _over_lines(feed: _Feed, line: str, cells: list[str], width: int) -> list[str] | None:
    """The record of a line with quotes around tabs or line ends; None where it has none such."""
    last = cells[-1]
    if len(cells) > width:  # tabs between quotes
        return _read(iter([line]), width)
    if not last.startswith('"') or _WHOLE.fullmatch(last):
        return None
    after = feed.look()
    if after is None or (len(cells) == width and after.count("\t") + 1 == width):
        return None
    feed.keep()
    record = _read(chain([line], feed), width)
    if record is None or feed.fault:
        feed.put_back()
        return None
    return record


def _read(lines: Iterator[str], width: int) -> list[str] | None:
    """The record that the lines begin with, if it is one of this width."""
    try:
        record = next(csv.reader(lines, delimiter="\t", strict=True))
    except (csv.Error, RowError):
        return None
    return record if len(record) == width else None


class _Feed:
    """Lines as text for one record after the other."""

    def __init__(self, lines: Lines, codec: str, delimiter: str, taken: list[bytes] | None) -> None:
        self._lines = lines
        self._codec = codec
        self._delimiter = delimiter.encode()
        self._taken = taken
        self._kept: list[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Begin a record: ``first`` becomes the number of its first line, ``fault`` what is wrong in it."""
        self.first = 0
        self.fault: RowError | None = None
        self._cut = False
        self._bytes = 0
        self._kept = None

    def look(self) -> str | None:
        """The line after this one, which stays to be read; None at the end."""
        after = self._lines.look(1)
        return after[0].decode(self._codec, "replace") if after else None

    def keep(self) -> None:
        """Keep the lines that come now, for `put_back`."""
        self._kept = []

    def put_back(self) -> None:
        """The lines that were kept come once more; what was wrong in them is forgotten."""
        kept, self._kept = self._kept or [], None
        self._lines.put_back(*kept)
        if self._taken is not None:
            del self._taken[len(self._taken) - len(kept) :]
        self.fault = None
        self._cut = False

    def skip_rest(self) -> None:
        """Go to the end of a line that was too long."""
        if self._cut:
            self._lines.skip_rest()

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._lines.next()
        if line is None:
            raise StopIteration
        if self._taken is not None:
            self._taken.append(line)
        if self._kept is not None:
            self._kept.append(line)
        self.first = self.first or self._lines.number
        self._bytes += len(line)
        if self._bytes > self._lines.max_bytes:
            self._cut = not line.endswith(b"\n")
            raise RowError(self._lines.too_long("record") + "; a quote might be left open")
        if len(line) > MAX_CELLS and line.count(self._delimiter) > MAX_CELLS:
            raise RowError(f"the record has more than {MAX_CELLS:,} cells")
        try:
            return line.decode(self._codec)
        except UnicodeError as exc:
            self.fault = self.fault or RowError(encoding_fault(exc, self._codec))
            return line.decode(self._codec, "replace")
