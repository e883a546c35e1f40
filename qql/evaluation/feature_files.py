"""Features as files: Parquet, JSON Lines, CSV, and SVM-light, which programs that learn to rank read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING

from qql.errors import did_you_mean, shown
from qql.evaluation.faults import InputError, argument
from qql.packed_files import packed, unpacked_name
from qql.records import dataclass
from qql.rest.fusion import f32
from qql.rest.types import Json, JsonObject
from qql.result import Result
from qql.session.copied_out import csv_cell
from qql.session.placed_files import file_of_result

if TYPE_CHECKING:
    from typing import IO

    from qql.errors import Diagnostic

__all__ = ["FORMATS", "FeatureColumn", "FeatureFile", "feature_lines", "require_format", "written_features"]

FORMATS: Mapping[str, tuple[str, ...]] = {
    "parquet": (".parquet", ".pq"),
    "jsonl": (".jsonl", ".ndjson", ".jsonlines"),
    "csv": (".csv",),
    "svmlight": (".svm", ".svmlight", ".libsvm", ".letor"),
}
"""The formats, and the endings of names that mean them."""


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A column of features' rows. ``feature``: it is one, and no id or label. ``missing`` is what SVM-light
    has for a value that is missing; None: it is left out, which is 0.
    """

    name: str
    feature: bool = False
    missing: int | None = None


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """A file of features: its path, its format, its columns, how many rows it has, and warnings."""

    path: str
    format: str
    columns: tuple[FeatureColumn, ...]
    rows: int
    notes: tuple[Diagnostic, ...] = ()


def require_format(path: str, format: str | None) -> str:
    """The format of a file: that which is named, or the one by the file's name. Raises `InputError`."""
    name = unpacked_name(path).lower()
    found = format or next((one for one, endings in FORMATS.items() if name.endswith(endings)), None)
    if found is None:
        endings = ", ".join(one[0] for one in FORMATS.values())
        message = f"the name {path} does not say what the file is to be: it ends with none of {endings}"
        raise InputError.make("usage", message, hint=f"{argument('format', 'svmlight')} says it")
    if found not in FORMATS:
        hint = did_you_mean(found, FORMATS) or f"the formats are {', '.join(FORMATS)}"
        raise InputError.make("usage", f"there is no format {found} of features", hint=hint)
    if found == "parquet" and name != path.lower():
        message = f"{path} has the name of a compressed file: Parquet is compressed in itself"
        raise InputError.make("usage", message, hint=unpacked_name(path))
    return found


def written_features(
    columns: Sequence[FeatureColumn],
    rows: Iterable[JsonObject],
    path: str,
    format: str | None,
    overwrite: bool,
    notes: tuple[Diagnostic, ...] = (),
) -> FeatureFile:
    """Writes rows as they come; the file is there once all of them are. Raises as `write_features`."""
    kind = require_format(path, format)
    counted = _Counted(rows)
    if kind == "parquet":
        from qql.session.row_files.parquet import require_pyarrow

        require_pyarrow("a file of Parquet")  # before anything is asked
    with file_of_result(path, overwrite=overwrite, again=argument("overwrite")) as raw:
        if kind == "parquet":
            _write_parquet(raw, columns, counted)
        else:
            with packed(raw, path) as inside:
                text = TextIOWrapper(inside, encoding="utf-8", newline="")
                text.writelines(f"{line}\n" for line in feature_lines(kind, columns, counted))
                text.flush()
                text.detach()
    return FeatureFile(path, kind, tuple(columns), counted.count, notes)


class _Counted:
    """Rows, and how many of them there were."""

    def __init__(self, rows: Iterable[JsonObject]) -> None:
        self._rows = rows
        self.count: int = 0

    def __iter__(self) -> Iterator[JsonObject]:
        for row in self._rows:
            self.count += 1
            yield row


def _write_parquet(raw: IO[bytes], columns: Sequence[FeatureColumn], rows: Iterable[JsonObject]) -> None:
    """A column has its type from all of its values, so that the file is written when all are there."""
    from qql.session.row_files.parquet import require_pyarrow

    _, parquet = require_pyarrow("a file of Parquet")
    found = Result("rows", rows=list(rows), columns=tuple(one.name for one in columns))
    parquet.write_table(found.to_arrow(), raw, compression="zstd")


def feature_lines(format: str, columns: Sequence[FeatureColumn], rows: Iterable[JsonObject]) -> Iterator[str]:
    """The lines of a format that has some. Raises `InputError`: ``usage`` for Parquet, ``no-number``."""
    if format not in _LINES:
        hint = argument("output", "features.parquet")
        raise InputError.make("usage", "Parquet is written to a file", hint=hint)
    return _LINES[format](columns, rows)


def _json_lines(columns: Sequence[FeatureColumn], rows: Iterable[JsonObject]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False)


def _csv_lines(columns: Sequence[FeatureColumn], rows: Iterable[JsonObject]) -> Iterator[str]:
    """RFC 4180, but for the ends of lines, with a header; what is missing is empty."""
    import csv
    from io import StringIO

    names = [one.name for one in columns]
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="")
    writer.writerow(names)
    yield buffer.getvalue()
    for row in rows:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([csv_cell(row[name]) for name in names])
        yield buffer.getvalue()


def _svm_lines(columns: Sequence[FeatureColumn], rows: Iterable[JsonObject]) -> Iterator[str]:
    features = [one for one in columns if one.feature]
    yield "# label qid:number feature:value … # document query"
    for number, one in enumerate(features, 1):
        missing = "is left out (0)" if one.missing is None else f"is {one.missing}"
        yield f"# {number} {_word(one.name)}, which {missing} where it is missing"
    numbers: dict[str, int] = {}
    for row in rows:
        query = row["query_id"]
        parts = [_number(row.get("label") or 0), f"qid:{numbers.setdefault(query, len(numbers) + 1)}"]
        for number, one in enumerate(features, 1):
            value = row[one.name] if row[one.name] is not None else one.missing
            if value is not None:
                parts.append(f"{number}:{_feature_number(value, one.name, row)}")
        yield f"{' '.join(parts)} # {_word(row['doc_id'])} {_word(query)}"


def _feature_number(value: Json, name: str, row: JsonObject) -> str:
    if not isinstance(value, (int, float)):
        message = f"`{name}` of {row['doc_id']} is {shown(value)}, and SVM-light has numbers alone"
        hint = "leave it out, or write Parquet, JSON Lines or CSV"
        raise InputError.make("no-number", message, hint=hint)
    return _number(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    return f"{value:.9g}" if f32(value) == value else repr(value)  # nine digits tell all 32-bit floats


def _word(text: str) -> str:
    """A text that is one word on its line."""
    return text if text.isprintable() and " " not in text and text else json.dumps(text)


_LINES: Mapping[str, Callable[[Sequence[FeatureColumn], Iterable[JsonObject]], Iterator[str]]] = {
    "jsonl": _json_lines,
    "csv": _csv_lines,
    "svmlight": _svm_lines,
}
