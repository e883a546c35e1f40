"""How a CSV or TSV file is to be read: what its reader says of it, its delimiter, its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from qql.errors import QQLError, QQLExecutionError, did_you_mean, fail
from qql.late import late_pattern
from qql.records import dataclass
from qql.session.row_files.cells import TYPES
from qql.session.row_files.lines import Lines
from qql.session.row_files.row import abbreviated

__all__ = ["Table", "find_delimiter", "find_names", "no_header", "take_separator"]

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_LOOK_AT = 20  # lines by which a delimiter is found
_LONG = 120  # characters of a cell that no header has
_NUMBER = late_pattern(r"[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SEPARATOR = late_pattern(rb'"?sep=([,;|:\t])"?\r?\n?', re.IGNORECASE)
_YEAR = late_pattern(r"[12][0-9]{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Table:
    """What is said of a file: names in their order, types by name, and whether its first line is a header."""

    names: tuple[str, ...] | None = None
    types: Mapping[str, str] | None = None
    delimiter: str | None = None
    header: bool | None = None

    @classmethod
    def of(
        cls,
        columns: Sequence[tuple[str, str | None]] | None,
        types: Mapping[str, str] | None,
        delimiter: str | None,
        header: bool | None,
    ) -> Table:
        """What the arguments of `read_rows` say. Raises `QQLExecutionError`."""
        given = dict(columns or ())
        if len(given) != len(columns or ()):
            names = [name for name, _ in columns or ()]
            twice = next(name for name in names if names.count(name) > 1)
            fail("bad-columns", f"two columns are called `{twice}`", error=QQLExecutionError)
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
            message = f"a delimiter is one character, and no quote or line end, not {delimiter!r}"
            fail("bad-delimiter", message, error=QQLExecutionError)
        typed = {name: kind for name, kind in given.items() if kind is not None} | dict(types or {})
        for kind in typed.values():
            if kind not in TYPES:
                fail(
                    "unknown-type",
                    f"there is no column type `{kind}`",
                    hint=did_you_mean(kind, TYPES) or f"the types are {', '.join(TYPES)}",
                    error=QQLExecutionError,
                )
        return cls(None if columns is None else tuple(given), typed, delimiter, header)


# ------------------------------------------------------------------------------------ the delimiter


def take_separator(lines: Lines) -> str | None:
    """The delimiter that a spreadsheet's first line names (``sep=;``), which is read then."""
    found = _SEPARATOR.fullmatch(b"".join(lines.look(1)))
    if found is None:
        return None
    lines.next()
    return found[1].decode()


def _named(delimiter: str) -> str:
    """A delimiter as DELIMITER takes it."""
    return "'\\t'" if delimiter == "\t" else f"'{delimiter}'"


def find_delimiter(lines: Lines, codec: str, usual: str, notes: list[str]) -> str:
    """The delimiter of a file: the usual one, unless its first lines can only be read by another.

    Raises `QQLExecutionError` where the first line is one cell, and holds what may be a delimiter.
    """
    head = _sample(lines, codec, 1)
    if not head or not any(other in head[0] for other in _DELIMITERS if other != usual):
        return usual
    header = _cells(head[0], usual)
    others = [other for other in _DELIMITERS if other != usual and len(_cells(head[0], other) or ()) > 1]
    if not others or header is None:
        return usual
    sample = _sample(lines, codec, _LOOK_AT)
    if len(header) > 1 and _fits(sample, usual):
        return usual
    fitting = [other for other in others if _fits(sample, other)]
    if len(fitting) == 1 and usual == ",":
        [found] = fitting
        notes.append(
            f"{lines.path} is read with {_DELIMITERS[found]} between cells; DELIMITER ',' reads commas"
        )
        return found
    if len(header) > 1 or (usual == "\t" and not fitting):
        return usual  # a text without a tab has commas of its own
    others = fitting or others
    fail(
        "file-format",
        f"the first line of {lines.path} is one cell for {_DELIMITERS[usual]} as the delimiter: "
        f"{abbreviated(header[0])}",
        hint=" or ".join(f"DELIMITER {_named(other)}" for other in others)
        + f" splits it; DELIMITER {_named(usual)} says that it is one column",
        error=QQLExecutionError,
    )


def _sample(lines: Lines, codec: str, count: int) -> list[str]:
    """The first lines that are not blank."""
    seen = [line.decode(codec, "replace") for line in lines.look(count + 3)]
    return [line for line in seen if line.strip()][:count]


def _cells(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter), None)
    except csv.Error:
        return None


def _fits(sample: list[str], delimiter: str) -> bool:
    """Whether every record has as many cells as the first; a last one that is cut does not count."""
    try:
        records = [record for record in csv.reader(sample, delimiter=delimiter, strict=True) if record]
    except csv.Error:
        records = [record for line in sample if (record := _cells(line, delimiter))]
    return len({len(record) for record in records}) == 1 and len(records[0]) > 1


# ------------------------------------------------------------------------------------ the header


def no_header(path: Path, why: str, hint: str | None = None) -> QQLError:
    """The error for a file whose first line is no header."""
    message = f"the file {path} has no usable header row: {why}"
    return QQLExecutionError.make("file-format", message, hint=hint)


def find_names(path: Path, first: list[str], table: Table, notes: list[str]) -> tuple[list[str], bool]:
    """The names of the columns, and whether the first line has them; one without a name is ``column1``.

    Raises `QQLExecutionError`.
    """
    header = [name.strip() or f"column{place}" for place, name in enumerate(first, 1)]
    given = list(table.names) if table.names is not None else None
    has_header = table.header
    if given is not None and has_header is None:
        # Where names differ in case alone, the first line is no row, and an error says what it has.
        has_header = {name.lower() for name in given} <= {name.lower() for name in header}
    if has_header is False:
        if given is not None and len(given) != len(first):
            raise _other_columns(path, given, header)
        if table.header is None and not any(_looks_like_a_value(cell) for cell in first):
            notes.append(
                f"the first line of {path} is read as a row, since COLUMNS has other names than "
                f"{', '.join(abbreviated(cell) for cell in first[:8])}; HEADER false says so"
            )
        return given or [f"column{place}" for place in range(1, len(first) + 1)], False
    if has_header is None:
        _refuse_rows(path, first, notes)
    missing = next((name for name in given or () if name not in header), None)
    if missing is not None:
        raise _other_columns(path, given or [], header)
    seen: set[str] = set()
    for name in header:
        if name in seen:
            hint = f"{_columns_hint(header)} names them; HEADER true says that the first line does"
            raise no_header(path, f"two columns are called `{name}`", None if has_header else hint)
        seen.add(name)
    return header, True


def _other_columns(path: Path, given: list[str], header: list[str]) -> QQLError:
    return QQLExecutionError.make(
        "unknown-column",
        f"COLUMNS ({', '.join(given)}) are not the {len(header)} columns of {path}, which begins with "
        f"{', '.join(abbreviated(name) for name in header[:8])}",
        hint="without a header line, all columns have to be named; with one, names are as it has them",
    )


def _columns_hint(header: list[str]) -> str:
    names = {2: "id, text", 3: "id, title, text"}.get(len(header), "id, text, …")
    return f"COLUMNS ({names})"


def _looks_like_a_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()) or len(cell) > _LONG or cell.lstrip()[:1] in ("[", "{"))


def _refuse_rows(path: Path, first: list[str], notes: list[str]) -> None:
    """Raises `QQLExecutionError` where the first line looks like a row."""
    numbers = [cell for cell in map(str.strip, first) if _NUMBER.fullmatch(cell)]
    value = next((cell for cell in first if _looks_like_a_value(cell)), None)
    if (
        numbers
        and not _NUMBER.fullmatch(first[0].strip())
        and all(map(_YEAR.fullmatch, numbers))
        and value in numbers
    ):
        notes.append(
            f"the first line of {path} is read as the names of the columns, though {numbers[0]} may be a "
            "value: HEADER false says that it is a row"
        )
    elif value is not None:
        what = f"{abbreviated(value)} looks like a value, and not like a name"
        names = f"{_columns_hint(first)} names the columns of a file without a header"
        raise no_header(path, what, f"{names}; HEADER true says that the first line does")
