"""Rows of a file → points, for ``COPY c FROM 'file'``: JSON Lines, CSV and TSV, plain or gzipped.

Rows come one at a time and memory does not grow with the file. A row at fault is a `BadRow` with its line
and the reason, and the rest goes on; a file at fault is a `QQLExecutionError`.

**Columns.** ``id`` is the point's id, ``vector`` its vector or vectors, everything else payload. ``fields``
(target ← source) renames a column and leaves the others as they are: ``{"id": "doc_id", "text": "body"}``.
Two targets take parts of the point whole: ``payload`` ← a name is an object that is the payload (points as
Qdrant writes them: ``{"payload": "payload"}``), ``payload`` ← several names keeps only these columns.

**Ids.** An unsigned integer or a UUID; with ``id_uuid`` any string or integer, turned into a UUIDv5
(`qql.bind.stable_uuid`), and the column stays in the payload as well. A row without an id gets the UUIDv5 of
its content (payload and vector, `qql.points.content_uuid`), so loading a file again, moved or compressed or
appended to, makes no duplicates, and two files that happen to have the same name do not overwrite each
other. Equal rows are one point; an edited row is a new one.

**JSON Lines.** One object a line; blank lines are skipped. A row is bad that is not JSON (NaN included) or
not UTF-8, has a key twice, an integer outside of 64 bits, or nests deeper than `DEPTH`.

**CSV, TSV.** A header row; quoted cells may hold newlines; a row's line is where it starts. Empty cells are
missing fields. A cell that reads ``true``, ``false``, an integer without leading zeros within 64 bits, or a
decimal with a point becomes that; all else (``007``, ``1e5``, ``+1``) stays a string, so that a column may
hold both. ``types`` gives a column one of `TYPES` instead, and a cell that does not fit makes its row bad.
``id`` and ``vector`` are read by their own rules (a vector is JSON text).
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import os
import re
import uuid
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from qql.compiler.bind import stable_uuid
from qql.compiler.rows import content_uuid
from qql.errors import QQLError, QQLExecutionError, did_you_mean
from qql.nodes import is_uuid
from qql.session.files import unreadable

__all__ = [
    "DEPTH",
    "FORMATS",
    "LONGEST",
    "TYPES",
    "BadRow",
    "Row",
    "Rows",
    "batches",
    "content_uuid",
    "read_rows",
]

LONGEST = 64 * 1024 * 1024
"""Bytes of a line (JSON Lines) or a record (CSV), at most."""
DEPTH = 200
"""Nested arrays and objects of a row, at most."""
FORMATS = {
    "jsonl": (".jsonl", ".ndjson", ".jsonlines", ".json"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
}
"""Format → the file names' endings that mean it; ``.gz`` may follow."""

_U64 = 2**64
_I64 = 2**63
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Row:
    """One point; ``line`` is counted from 1, ``vector`` None where the file has none."""

    line: int
    id: int | str
    payload: dict[str, Any]
    vector: dict[str, Any] | list[Any] | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be a point, and why."""

    line: int
    reason: str


def batches(rows: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of ``size`` rows each, in order; the last may be shorter."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch


def read_rows(
    path: str | Path,
    *,
    format: str | None = None,
    fields: Mapping[str, str | Sequence[str]] | None = None,
    encoding: str = "utf-8",
    id_uuid: bool = False,
    types: Mapping[str, str] | None = None,
) -> Rows:
    """The rows of a file (see the module). ``format`` is one of `FORMATS`, else the name's ending decides.

    Raises `QQLExecutionError`, here or while reading: ``file-unreadable`` (missing, a folder, no permission,
    damaged gzip), ``file-format`` (unknown, or no usable header), ``file-encoding``, ``unknown-column`` (a
    CSV header has no column that ``fields`` or ``types`` names), ``unknown-type``, ``bad-mapping``.
    """
    return Rows(Path(path), format, _Points(fields or {}, id_uuid), encoding, types or {})


class Rows(Iterator["Row | BadRow"]):
    """The iterator that `read_rows` gives; it knows how far it is, and closes the file at its end."""

    def __init__(
        self, path: Path, format: str | None, points: _Points, encoding: str, types: Mapping[str, str]
    ) -> None:
        self.path = path
        self.format = _format(path, format)
        self._codec = _codec(encoding)
        self._raw = _open(path)
        weakref.finalize(self, self._raw.close)
        self.total = _size(self._raw)
        self._lines = _Lines(self._unpacked(), path)
        if self.format == "jsonl":
            self._rows = _json_rows(self._lines, self._codec, points)
        else:
            delimiter = "," if self.format == "csv" else "\t"
            self._rows = _csv_rows(self._lines, self._codec, points, delimiter, types)

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

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    _read_at_close = 0

    def _unpacked(self) -> IO[bytes]:
        try:
            head = self._raw.peek(2)[:2]  # type: ignore[attr-defined]
        except OSError as exc:
            raise unreadable(self.path, exc) from exc
        # A GzipFile without its own file object needs no closing of its own.
        return gzip.GzipFile(fileobj=self._raw, mode="rb") if head == b"\x1f\x8b" else self._raw  # type: ignore[return-value]


# -- bytes → lines


def _open(path: Path) -> IO[bytes]:
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder", str(path))
        return path.open("rb")
    except (OSError, ValueError) as exc:
        raise unreadable(path, exc) from exc


def _size(raw: IO[bytes]) -> int | None:
    try:
        return os.fstat(raw.fileno()).st_size if raw.seekable() else None
    except OSError:
        return None


def _format(path: Path, given: str | None) -> str:
    if given is not None:
        if given.lower() in FORMATS:
            return given.lower()
        raise QQLExecutionError.make(
            "file-format",
            f"there is no format `{given}`",
            hint=did_you_mean(given, FORMATS) or f"the formats are {', '.join(FORMATS)}",
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


def _codec(encoding: str) -> str:
    sample = '\n,\t"{}[]:a0'
    try:
        # Lines are found as bytes: the encoding has to leave ASCII as it is.
        if sample.encode("ascii").decode(encoding) != sample:
            raise LookupError(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as exc:
        raise QQLExecutionError.make(
            "file-encoding",
            f"files in the encoding {encoding!r} cannot be read",
            hint=f"`iconv -f {encoding} -t UTF-8` converts a file",
        ) from exc


class _Lines:
    """Lines of a file as bytes with their ends, numbered, none longer than `LONGEST`."""

    def __init__(self, source: IO[bytes], path: Path) -> None:
        self.source = source
        self.path = path
        self.number = 0
        self.bytes = 0

    def next(self) -> bytes | None:
        """The next line; None at the end of the file. A line that is too long comes cut, without its end."""
        line = self._read(LONGEST + 1)
        if not line:
            return None
        self.number += 1
        if self.number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise QQLExecutionError.make(
                    "file-encoding",
                    f"the file {self.path} is in UTF-16",
                    hint="`iconv -f UTF-16 -t UTF-8` converts a file",
                )
            line = line.removeprefix(codecs.BOM_UTF8)
        return line

    def skip_rest(self) -> None:
        """Read on to the end of a line that was too long."""
        while (rest := self._read(1 << 20)) and not rest.endswith(b"\n"):
            pass

    def _read(self, limit: int) -> bytes:
        try:
            line = self.source.readline(limit)
        except (OSError, EOFError, zlib.error) as exc:
            raise unreadable(self.path, exc) from exc
        self.bytes += len(line)
        return line


def _too_long(what: str) -> str:
    return f"the {what} is longer than {LONGEST >> 20} MiB"


# -- JSON Lines


def _json_rows(lines: _Lines, codec: str, points: _Points) -> Iterator[Row | BadRow]:
    while (line := lines.next()) is not None:
        number = lines.number
        if len(line) > LONGEST and not line.endswith(b"\n"):
            lines.skip_rest()
            yield BadRow(number, _too_long("line"))
            continue
        line = line.strip()
        if not line:
            continue
        if number == 1 and line.startswith(b"["):
            raise QQLExecutionError.make(
                "file-format",
                f"the file {lines.path} holds a JSON array, and not one object a line",
                hint="`jq -c '.[]' file.json > file.jsonl` converts it",
            )
        try:
            row = _json_object(line if codec == "utf-8" else line.decode(codec).encode())
            yield points.point(number, row)
        except _Bad as exc:
            yield BadRow(number, str(exc))
        except UnicodeError as exc:
            yield BadRow(number, _not_text(exc, codec))


def _not_text(exc: Exception, codec: str) -> str:
    where = f" (byte {exc.start + 1} of the line)" if isinstance(exc, UnicodeDecodeError) else ""
    return f"not {codec.upper()} text{where}"


class _Bad(Exception):
    """Why a row cannot be a point."""


_KEY = re.compile(rb'"[ \t\r\n]*:')


def _json_object(line: bytes) -> dict[str, Any]:
    row = _json(line)
    if not isinstance(row, dict):
        raise _Bad("a row has to be a JSON object")
    keys, huge = _survey(row)
    # Every key of the text is a quote and a colon, so no key can be there twice if there are no more of
    # them than keys. Strings may have them too; then the slow way decides.
    if huge or len(_KEY.findall(line)) != keys:
        json.loads(line, object_pairs_hook=_distinct, parse_int=_in_range)
    return row


def _json(text: bytes | str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        try:
            if isinstance(text, bytes):
                text.decode()
        except UnicodeDecodeError as bad:
            raise _Bad(_not_text(bad, "utf-8")) from bad
        if "depth limit" in exc.msg:
            raise _Bad(f"nested deeper than {DEPTH}") from exc
        raise _Bad(f"not JSON: {exc.msg} (character {exc.pos + 1})") from exc


def _survey(row: dict[str, Any]) -> tuple[int, bool]:
    """The number of keys in a JSON value, and whether it holds floats that might be integers beyond 64 bits.

    Raises `_Bad` for what nests too deep.
    """
    keys, huge = 0, False
    level: list[Any] = [row]
    for _ in range(DEPTH):
        inner: list[Any] = []
        for value in level:
            if type(value) is dict:
                keys += len(value)
                value = value.values()
            kinds = set(map(type, value))
            if float in kinds:
                numbers = value if kinds <= _NUMBERS else [x for x in value if type(x) is float]
                huge = huge or max(numbers) >= _I64 or min(numbers) <= -_I64
            if dict in kinds or list in kinds:
                inner += [item for item in value if type(item) is dict or type(item) is list]
        if not inner:
            return keys, huge
        level = inner
    raise _Bad(f"nested deeper than {DEPTH}")


_NUMBERS = {int, float}


def _in_range(digits: str) -> int:
    # As a float first: Python refuses to read integers of thousands of digits.
    if not -_I64 <= float(digits) <= _U64 or not -_I64 <= int(digits) < _U64:
        raise _Bad(f"the integer {digits[:40]} has more than 64 bits")
    return int(digits)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Bad(f"the key `{twice}` is there twice")
    return made


# -- CSV


def _csv_rows(
    lines: _Lines, codec: str, points: _Points, delimiter: str, types: Mapping[str, str]
) -> Iterator[Row | BadRow]:
    # The limit is the process's own; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    columns: list[tuple[str, Callable[[str], Any]]] | None = None
    for number, cells in _records(lines, codec, delimiter):
        if columns is None:
            if isinstance(cells, _Bad):
                raise _no_header(lines.path, str(cells))
            columns = _columns(lines.path, cells, points, types)
            continue
        try:
            if isinstance(cells, _Bad):
                raise cells
            if len(cells) != len(columns):
                if len(cells) == 1 and not cells[0].strip():
                    continue
                raise _Bad(f"{len(cells)} cells where the header has {len(columns)}")
            row = {name: read(cell) for (name, read), cell in zip(columns, cells, strict=True) if cell}
            yield points.point(number, row)
        except _Bad as exc:
            yield BadRow(number, str(exc))
    if columns is None:
        raise _no_header(lines.path, "it is empty")


def _records(lines: _Lines, codec: str, delimiter: str) -> Iterator[tuple[int, list[str] | _Bad]]:
    """Records with the line that each starts at; a record at fault is the `_Bad` that says why."""
    feed = _Feed(lines, codec)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.start()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield feed.first, _Bad(f"not CSV: {exc}")
        except _Bad as exc:
            yield feed.first, exc
        else:
            if feed.fault:
                yield feed.first, feed.fault
            elif cells:
                yield feed.first, cells


class _Feed:
    """Lines as text for one record after the other."""

    def __init__(self, lines: _Lines, codec: str) -> None:
        self._lines = lines
        self._codec = codec
        self.start()

    def start(self) -> None:
        self.first = 0
        self.fault: _Bad | None = None
        self._bytes = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._lines.next()
        if line is None:
            raise StopIteration
        self.first = self.first or self._lines.number
        self._bytes += len(line)
        if self._bytes > LONGEST:
            if not line.endswith(b"\n"):
                self._lines.skip_rest()
            raise _Bad(_too_long("record") + "; a quote might be left open")
        try:
            return line.decode(self._codec)
        except UnicodeError as exc:
            self.fault = self.fault or _Bad(_not_text(exc, self._codec))
            return line.decode(self._codec, "replace")


def _no_header(path: Path, why: str) -> QQLError:
    return QQLExecutionError.make("file-format", f"the file {path} has no usable header row: {why}")


def _columns(
    path: Path, header: list[str], points: _Points, types: Mapping[str, str]
) -> list[tuple[str, Callable[[str], Any]]]:
    """Name and reader of each column; one without a name is ``column1``, counted from 1."""
    names = [name.strip() or f"column{place}" for place, name in enumerate(header, 1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _no_header(path, f"two columns are called `{twice}`")
    for wanted in [*points.sources, *types]:
        if wanted not in names:
            raise QQLExecutionError.make(
                "unknown-column",
                f"the file {path} has no column `{wanted}`",
                hint=did_you_mean(wanted, names) or f"its columns are {', '.join(names)}",
            )
    for type_name in types.values():
        if type_name not in TYPES:
            raise QQLExecutionError.make(
                "unknown-type",
                f"there is no column type `{type_name}`",
                hint=did_you_mean(type_name, TYPES) or f"the types are {', '.join(TYPES)}",
            )
    return [(name, _named(name, _reader(name, points, types))) for name in names]


def _reader(name: str, points: _Points, types: Mapping[str, str]) -> Callable[[str], Any]:
    if name in types:
        return TYPES[types[name]]
    if name == points.id_name:
        return _id_cell
    return _json if name in (points.vector_name, points.payload_name) else _guess


def _named(name: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
    """The reader, with the column's name in what it says; reading a string cannot fail."""
    if read in (str, _guess, _id_cell):
        return read

    def reading(cell: str) -> Any:
        try:
            return read(cell)
        except _Bad as exc:
            raise _Bad(f"column `{name}`: {exc}") from exc

    return reading


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?)?", re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,19})", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_BOOLS = {"true": True, "false": False}


def _guess(cell: str) -> Any:
    if cell[0] in "-0123456789":
        match = _NUMBER.fullmatch(cell)
        if match and match[1]:
            number = float(cell)
            return number if abs(number) != float("inf") else cell
        if match and cell != "-0" and -_I64 <= int(cell) < _I64:
            return int(cell)
        return cell
    return _BOOLS.get(cell.lower(), cell) if len(cell) < 6 else cell


def _id_cell(cell: str) -> int | str:
    return int(cell) if _INTEGER.fullmatch(cell) and not cell.startswith("-") else cell


def _integer_cell(cell: str) -> int:
    if not _INTEGER.fullmatch(cell.strip()) or not -_I64 <= int(cell) < _U64:
        raise _Bad(f"{_shown(cell)} is not an integer of 64 bits")
    return int(cell)


def _float_cell(cell: str) -> float:
    if not _FLOAT.fullmatch(cell.strip()) or abs(float(cell)) == float("inf"):
        raise _Bad(f"{_shown(cell)} is not a number")
    return float(cell)


def _bool_cell(cell: str) -> bool:
    if cell.strip().lower() not in _BOOLS:
        raise _Bad(f"{_shown(cell)} is neither true nor false")
    return _BOOLS[cell.strip().lower()]


TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _integer_cell,
    "float": _float_cell,
    "bool": _bool_cell,
    "json": _json,
}
"""Column type → the function that reads a cell of it."""


# -- rows → points


class _Points:
    """What `fields` and `id_uuid` say about the way from a row to a point."""

    def __init__(self, fields: Mapping[str, str | Sequence[str]], id_uuid: bool) -> None:
        self._id_uuid = id_uuid
        self._id_required = id_uuid or "id" in fields
        whole = fields.get("payload")
        self.payload_name = whole if isinstance(whole, str) else None
        self._selected = None if whole is None or isinstance(whole, str) else tuple(whole)
        single: dict[str, str] = {}
        for target, source in fields.items():
            if target != "payload":
                if not isinstance(source, str):
                    raise QQLExecutionError.make(
                        "bad-mapping", f"`{target}` takes one column; only `payload` takes several"
                    )
                single[target] = source
        self.id_name = single.pop("id", "id")
        self.vector_name = single.pop("vector", "vector")
        self._renamed = single
        # A UUID cannot be read back, so the column that it is made of stays in the payload.
        made = set() if id_uuid else {self.id_name}
        self._taken = made | {self.vector_name, *single.values()}
        self.sources = [name for source in fields.values() for name in _several(source)]

    def point(self, line: int, row: dict[str, Any]) -> Row:
        """The point of a row. Raises `_Bad`."""
        payload = self._payload(row)
        vector = row.get(self.vector_name)
        if vector is not None and not isinstance(vector, list | dict):
            raise _Bad(f"`{self.vector_name}` has to be a list or an object, not {_shown(vector)}")
        identity = row.get(self.id_name)
        if identity is not None:
            return Row(line, self._id(identity), payload, vector)
        if self._id_required:
            raise _Bad(f"there is no `{self.id_name}` for the id")
        return Row(line, content_uuid(payload, vector), payload, vector)

    def _payload(self, row: dict[str, Any]) -> dict[str, Any]:
        if self.payload_name is not None:
            whole = row.get(self.payload_name)
            if not isinstance(whole, dict | None):
                raise _Bad(f"`{self.payload_name}` has to be an object, not {_shown(whole)}")
            payload = dict(whole or {})
        elif self._selected is not None:
            payload = {name: row[name] for name in self._selected if name in row}
        else:
            payload = {name: value for name, value in row.items() if name not in self._taken}
        for target, source in self._renamed.items():
            if source in row:
                if target in payload:
                    raise _Bad(f"`{target}` is there twice: as itself, and mapped from `{source}`")
                payload[target] = row[source]
        return payload

    def _id(self, value: Any) -> int | str:
        integer = isinstance(value, int) and not isinstance(value, bool)
        if self._id_uuid and (integer or isinstance(value, str)):
            return stable_uuid(str(value))
        if integer and 0 <= value < _U64:
            return int(value)
        if isinstance(value, str) and is_uuid(value):
            return str(uuid.UUID(value))
        raise _Bad(
            f"the id {_shown(value)} is neither an unsigned integer nor a UUID; "
            f"`id = UUID({self.id_name})` makes one of any string"
        )


def _several(source: str | Sequence[str]) -> Sequence[str]:
    return (source,) if isinstance(source, str) else source


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
