"""Cells of a CSV or TSV file → values."""

from __future__ import annotations

import re
from collections.abc import Callable

from qql.rest.types import Json
from qql.session.row_files.json_lines import parse_json
from qql.session.row_files.row import I64, RowError, abbreviated, fits_64_bits

__all__ = ["TYPES", "CellReader", "guess_cell", "in_column", "read_id"]

CellReader = Callable[[str], Json]
"""Gives the value of a cell that is not empty. Raises `RowError`."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?)?", re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,19})", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_BOOLS = {"true": True, "false": False}


def guess_cell(cell: str) -> str | int | float | bool:
    """The value of a cell whose column has no type; what is not plainly a number or a bool stays a text."""
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
