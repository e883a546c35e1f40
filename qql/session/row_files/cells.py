"""Cells of a CSV or TSV file → values."""

from __future__ import annotations

import re
from collections.abc import Callable

from qql.late import late_pattern
from qql.rest.types import Json
from qql.session.row_files.json_lines import parse_json
from qql.session.row_files.row import I64, RowError, abbreviated, fits_64_bits

__all__ = [
    "NOT_FINITE",
    "NO_VALUE",
    "TYPES",
    "CellReader",
    "cell_reader",
    "guess_cell",
    "in_column",
    "nullable",
    "number_reader",
    "read_id",
    "read_opened",
]

CellReader = Callable[[str], Json]
"""Gives the value of a cell that is not empty. Raises `RowError` or `ValueError`."""

_NUMBER = late_pattern(r"-?(?:0|[1-9][0-9]{0,18})(\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?)?", re.ASCII)
_INTEGER = late_pattern(r"-?(?:0|[1-9][0-9]{0,19})", re.ASCII)
_FLOAT = late_pattern(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_BOOLS = {"true": True, "false": False}
NO_VALUE = frozenset(("null", "na", "n/a", "#n/a", "none", "\\n"))
"""What programs write, in lower case, for a value that is not there."""
NOT_FINITE = late_pattern(r"[+-]?(?:nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
"""What programs write for numbers that are none."""


def guess_cell(cell: str) -> str | int | float | bool:
    """The value of a cell of which only itself is known; what is not plainly a number or a bool is a text."""
    if cell[0] in "-0123456789":
        match = _NUMBER.fullmatch(cell)
        if match and match[1]:
            number = float(cell)
            return number if abs(number) != float("inf") else cell
        if match and cell != "-0" and -I64 <= int(cell) < I64:
            return int(cell)
        return cell
    return _BOOLS.get(cell.lower(), cell) if len(cell) < 6 else cell


def read_id(cell: str) -> int | str:
    """An unsigned integer where the cell is one, else the text as it is."""
    return int(cell) if _INTEGER.fullmatch(cell) and not cell.startswith("-") else cell


def read_opened(cell: str) -> Json:
    """The value of a cell that a path goes into: JSON where it is an object or a list."""
    return parse_json(cell) if cell.lstrip()[:1] in ("{", "[") else guess_cell(cell)


def in_column(name: str, read: CellReader) -> CellReader:
    """The reader, with the column's name in what it says; reading a text cannot fail."""
    if read in (str, guess_cell, read_id):
        return read

    def reading(cell: str) -> Json:
        try:
            return read(cell)
        except RowError as exc:
            raise RowError(f"column `{name}`: {exc}") from exc

    return reading


def cell_reader(type_name: str, decimal_commas: bool) -> CellReader:
    """The reader of a column type of `TYPES`; with ``decimal_commas``, ``3,5`` is a float as well."""
    if type_name == "float" and decimal_commas:
        return lambda cell: _read_float(cell.replace(",", ".") if "." not in cell else cell)
    return TYPES[type_name]


def number_reader(kind: str, commas: bool, special: bool) -> CellReader:
    """The reader of a column of which a look at all of its cells has found that it holds numbers.

    ``kind`` is ``integer`` or ``float``; ``commas`` stand for points; ``special`` says that some cells are
    words for no value (None) or for no number (`RowError`).
    """
    read: CellReader = int if kind == "integer" else float
    if kind == "float":
        read = _read_comma if commas else _read_exact
    return nullable(read) if special else read


def nullable(read: CellReader) -> CellReader:
    """The reader, for a column in which words stand for no value (None) or for no number (`RowError`)."""

    def reading(cell: str) -> Json:
        if NOT_FINITE.fullmatch(cell):
            raise RowError(f"{abbreviated(cell)} is no number; leave the cell empty where there is none")
        return None if cell.lower() in NO_VALUE else read(cell)

    return reading


def _read_exact(cell: str) -> int | float:
    """A float; an integer of many digits, which a float might not hold, stays one."""
    if len(cell) > 15 and "." not in cell and _INTEGER.fullmatch(cell):
        return int(cell)
    return float(cell)


def _read_comma(cell: str) -> int | float:
    return _read_exact(cell.replace(",", "."))


def _read_integer(cell: str) -> int:
    if not _INTEGER.fullmatch(cell.strip()) or not fits_64_bits(int(cell)):
        raise RowError(f"{abbreviated(cell)} is not an integer of 64 bits")
    return int(cell)


def _read_float(cell: str) -> float:
    if not _FLOAT.fullmatch(cell.strip()) or abs(float(cell)) == float("inf"):
        raise RowError(f"{abbreviated(cell)} is not a number")
    return float(cell)


def _read_bool(cell: str) -> bool:
    if cell.strip().lower() not in _BOOLS:
        raise RowError(f"{abbreviated(cell)} is neither true nor false")
    return _BOOLS[cell.strip().lower()]


TYPES: dict[str, CellReader] = {
    "string": str,
    "integer": _read_integer,
    "float": _read_float,
    "bool": _read_bool,
    "json": parse_json,
}
"""Column type → the function that reads a cell of it."""
