"""Parquet → rows, by pyarrow (the extra ``arrow``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from qql.errors import QQLError, QQLExecutionError, fail
from qql.missing import needed_for
from qql.rest.types import Json
from qql.session.dump_headers import HEADER_KEY
from qql.session.files import file_unreadable
from qql.session.row_files.row import Record, RowError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ParquetFile", "metadata_of", "require_pyarrow"]

_ROWS, _BYTES = 256, 64 << 20  # what is in memory at a time, at most, beside the pages that it comes from
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Values = list[Json]
"""The values of a column, some of them `RowError`."""


class ParquetFile:
    """The rows of a file; ``total`` of them, of which ``done`` were given.

    Raises `QQLExecutionError`: ``missing-library``, ``file-unreadable``, ``file-format`` where it is no
    Parquet or has a column of bytes, which JSON has no values for. Where only ``wanted`` columns are asked
    for, such a column is left out, and ``notes`` says so.
    """

    def __init__(self, path: Path, wanted: Collection[str] | None) -> None:
        self.path = path
        self.done: int = 0
        self.notes: list[str] = []
        self._file = _open(path)
        self._is_dump = HEADER_KEY.encode() in (self._file.schema_arrow.metadata or {})
        try:
            self._columns = self._readable_columns(wanted)
        except ValueError as exc:  # a name that is no UTF-8
            raise _damaged(path, exc) from exc

    @property
    def total(self) -> int:
        """The number of rows."""
        return int(self._file.metadata.num_rows)

    def rows(self) -> Iterator[Record]:
        """The rows; their lines are their numbers."""
        import pyarrow

        self.done = 0
        try:
            for batch in self._file.iter_batches(batch_size=self._rows_at_once(), columns=self._columns):
                yield from self._rows_of(batch)
        except (OSError, ValueError, pyarrow.ArrowException) as exc:
            raise _damaged(self.path, exc) from exc

    def _rows_at_once(self) -> int:
        data = self._file.metadata
        size = sum(int(data.row_group(group).total_byte_size) for group in range(data.num_row_groups))
        return max(1, min(_ROWS, _BYTES * self.total // max(1, size)))

    def _rows_of(self, batch: pyarrow.RecordBatch) -> Iterator[Record]:
        names = batch.schema.names
        columns = [self._values_of(name, column) for name, column in zip(names, batch.columns, strict=True)]
        for values in zip(*columns, strict=True):
            self.done += 1
            fault = next((value for value in values if isinstance(value, RowError)), None)
            row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            yield self.done, fault or row, None

    def _values_of(self, name: str, column: Any) -> Values:
        """The values of a column; a dump has its ids, payloads and shard keys as texts of JSON."""
        if not self._is_dump:
            return _values(name, column)
        if name == "id":
            return [int(one) if one.isdecimal() else one for one in column.to_pylist()]
        if name == "vector":
            return _dumped_vectors(name, column)
        return [None if one is None else json.loads(one) for one in column.to_pylist()]

    def _readable_columns(self, wanted: Collection[str] | None) -> list[str]:
        columns: list[str] = []
        for field in self._file.schema_arrow:
            if field.name in columns:
                message = f"two columns of {self.path} are called `{field.name}`"
                fail("file-format", message, error=QQLExecutionError)
            if _is_json(field.type):
                columns.append(field.name)
            elif wanted is not None and field.name not in wanted:
                self.notes.append(f"the column `{field.name}` holds {field.type}, and is left out")
            else:
                fail(
                    "file-format",
                    f"the column `{field.name}` of {self.path} holds {field.type}, and payloads cannot",
                    hint="MAP (payload = (title, year)) names the columns to take",
                    error=QQLExecutionError,
                )
        return columns

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def require_pyarrow(use: str = "COPY of a Parquet or Arrow file") -> tuple[Any, Any]:
    """pyarrow, and its module of Parquet. Raises `QQLExecutionError` where it cannot be imported."""
    with needed_for(use):
        import numpy  # noqa: F401 - vectors are read by it, and pyarrow does not bring it
        import pyarrow
        from pyarrow import parquet
    return pyarrow, parquet


def metadata_of(path: Path) -> dict[bytes, bytes]:
    """What a file says of itself. Raises as `ParquetFile` does."""
    with _open(path) as file:
        return dict(file.schema_arrow.metadata or {})


def _open(path: Path) -> Any:
    pyarrow, parquet = require_pyarrow()
    try:
        # Pages are read as they are needed, and not whole groups of rows ahead.
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (OSError, ValueError, pyarrow.ArrowException) as exc:
        raise _damaged(path, exc) from exc


def _damaged(path: Path, exc: Exception) -> QQLError:
    if isinstance(exc, OSError) and exc.strerror:
        return file_unreadable(path, exc)
    message = f"the file {path} cannot be read as Parquet: {str(exc).strip().splitlines()[0]}"
    return QQLExecutionError.make("file-format", message)


# ------------------------------------------------------------------------------------ types


def _is_json(kind: Any) -> bool:
    """Whether payloads can hold the values of a type."""
    from pyarrow import types

    if _is_extension(kind):
        return kind.extension_name == "arrow.uuid" or _is_json(kind.storage_type)
    if types.is_dictionary(kind):
        return _is_json(kind.value_type)
    if types.is_struct(kind):
        return all(_is_json(field.type) for field in kind)
    if _is_list(kind):
        return _is_json(kind.value_type)
    if types.is_map(kind):
        return _is_text(kind.key_type) and _is_json(kind.item_type)
    plain = (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, _is_text)
    return any(test(kind) for test in (*plain, types.is_timestamp, types.is_date, types.is_time))


def _is_extension(kind: Any) -> bool:
    import pyarrow

    return isinstance(kind, pyarrow.BaseExtensionType)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view)
    return any(test(kind) for test in (*tests, types.is_large_list_view))


def _values(name: str, column: Any) -> Values:
    """The values of a column as JSON has them; None where there is none."""
    vectors = _vectors(name, column)
    if vectors is not None:
        return vectors
    convert = _converter(column.type)
    try:
        values = _times(column) if _is_time(column.type) else column.to_pylist()
    except (ValueError, OverflowError) as exc:
        message = f"the column `{name}` has a value that cannot be read: {exc}"
        fail("file-format", message, error=QQLExecutionError)
    if convert is None:
        return list(values)
    return [_converted(name, convert, value) for value in values]


def _converted(name: str, convert: Callable[[Any], Json], value: Any) -> Json:
    if value is None:
        return None
    try:
        return convert(value)
    except RowError as exc:
        return RowError(f"column `{name}`: {exc}")


def _vectors(name: str, column: Any) -> Values | None:
    """Lists of numbers, without an object of pyarrow for each; None for another column."""
    from pyarrow import types

    kind = column.type
    lists = (types.is_fixed_size_list, types.is_list, types.is_large_list)
    if not any(test(kind) for test in lists) or not types.is_floating(kind.value_type):
        return None
    import numpy

    if column.flatten().null_count:
        return None
    found: Values = []
    for place in range(len(column)):
        part = column[place]
        if not part.is_valid:
            found.append(None)
            continue
        numbers = part.values.to_numpy(zero_copy_only=False)
        good = numpy.isfinite(numbers).all()
        fault = f"column `{name}`: NaN and infinity are no numbers"
        found.append(numbers.tolist() if good else RowError(fault))
    return found


def _dumped_vectors(name: str, column: Any) -> Values:
    """Vectors, of which those by name are a column each: so no number is an object of pyarrow."""
    from pyarrow import types

    if not types.is_struct(column.type):
        return _values(name, column)
    names = [field.name for field in column.type]
    parts = [_values(one, column.field(one)) for one in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*parts, strict=True)]


def _is_time(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_timestamp(kind))


def _times(column: Any) -> list[int | None]:
    """Timestamps as they are stored: pyarrow's objects hold no nanoseconds."""
    import pyarrow

    return list(column.cast(pyarrow.int64()).to_pylist())


def _converter(kind: Any) -> Callable[[Any], Json] | None:
    """The function that makes JSON of a value of a type; None where it is JSON."""
    from pyarrow import types

    if _is_extension(kind):
        return str if kind.extension_name == "arrow.uuid" else _plain
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_null(kind) or _is_text(kind):
        return None
    if types.is_timestamp(kind):
        unit, zone = _UNITS[kind.unit], "Z" if kind.tz else ""
        return lambda value: _moment(value, unit) + zone
    if types.is_decimal(kind):
        return _decimal_reader(kind.precision, kind.scale)
    if types.is_map(kind):
        return lambda pairs: {key: _plain(value) for key, value in pairs}
    return _plain


def _decimal_reader(precision: int, scale: int) -> Callable[[Any], Json]:
    """Decimals are numbers where a float has all of their digits, and texts where it has not."""
    if scale <= 0 and precision - scale <= 18:
        return int
    return float if precision <= 15 else str


def _moment(value: int, unit: int) -> str:
    seconds, parts = divmod(value, unit)
    try:
        moment = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError as exc:
        raise RowError("a moment outside of the years 1 to 9999") from exc
    digits = f"{parts / unit:.9f}" if unit < 10**9 else f"0.{parts:09d}"
    return moment.rjust(19, "0") + (digits[1:].rstrip("0") if parts else "")


def _plain(value: Any) -> Json:
    """A value of pyarrow as JSON has it. Raises `RowError`."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not isfinite(value):
                raise RowError(f"{value} is no number; leave it out, or write null")
            return value
        case Decimal():
            return _decimal_reader(len(value.as_tuple().digits), -int(value.as_tuple().exponent))(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case [tuple(), *_]:  # a map
            return {str(key): _plain(item) for key, item in value}
        case list():
            return [_plain(item) for item in value]
    return _plain(value.item())  # a number of numpy
