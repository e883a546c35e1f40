"""JSON Lines → rows: one object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import orjson

from qql.errors import QQLExecutionError, fail
from qql.rest.limits import U64
from qql.rest.types import Json, JsonObject
from qql.session.row_files.lines import Lines, encoding_fault
from qql.session.row_files.points import PointMapping
from qql.session.row_files.row import I64, BadRow, Row, RowError, fits_64_bits

__all__ = ["MAX_DEPTH", "json_rows", "parse_json"]

MAX_DEPTH = 200
"""Nested arrays and objects of a row, at most."""


def json_rows(lines: Lines, codec: str, points: PointMapping) -> Iterator[Row | BadRow]:
    """The rows of a file. Raises `QQLExecutionError` where the file is one JSON array."""
    while (line := lines.next()) is not None:
        number = lines.number
        if len(line) > lines.max_bytes and not line.endswith(b"\n"):
            lines.skip_rest()
            yield BadRow(number, lines.too_long("line"))
            continue
        line = line.strip()
        if not line:
            continue
        if number == 1 and line.startswith(b"["):
            fail(
                "file-format",
                f"the file {lines.path} holds a JSON array, and not one object a line",
                hint="`jq -c '.[]' file.json > file.jsonl` converts it",
                error=QQLExecutionError,
            )
        try:
            row = _parse_row(line if codec == "utf-8" else line.decode(codec).encode())
            yield points.point(number, row)
        except RowError as exc:
            yield BadRow(number, str(exc))
        except UnicodeError as exc:
            yield BadRow(number, encoding_fault(exc, codec))


def parse_json(text: bytes | str) -> Json:
    """A JSON text as Python data. Raises `RowError`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        try:
            if isinstance(text, bytes):
                text.decode()
        except UnicodeDecodeError as bad:
            raise RowError(encoding_fault(bad, "utf-8")) from bad
        if "depth" in exc.msg:  # "depth limit exceeded", and before orjson 3.12 "recursion depth exceeded"
            raise RowError(f"nested deeper than {MAX_DEPTH}") from exc
        raise RowError(f"not JSON: {exc.msg} (character {exc.pos + 1})") from exc


_KEY = re.compile(rb'"[ \t\r\n]*:')


def _parse_row(line: bytes) -> JsonObject:
    row = parse_json(line)
    if not isinstance(row, dict):
        raise RowError("a row has to be a JSON object")
    keys, huge = _keys_and_size(row)
    # Every key of the text is a quote and a colon, so no key can be there twice if there are no more of
    # them than keys. Strings may have them too; then the slow way decides.
    if huge or len(_KEY.findall(line)) != keys:
        json.loads(line, object_pairs_hook=_without_duplicates, parse_int=_within_64_bits)
    return row


def _keys_and_size(row: JsonObject) -> tuple[int, bool]:
    """The number of keys in a JSON value, and whether it holds floats that might be integers beyond 64 bits.

    Raises `RowError` for what nests too deep.
    """
    keys, huge = 0, False
    level: list[Json] = [row]
    for _ in range(MAX_DEPTH):
        inner: list[Json] = []
        for value in level:
            if type(value) is dict:
                keys += len(value)
                value = value.values()
            kinds = set(map(type, value))
            if float in kinds:
                numbers = value if kinds <= _NUMBERS else [x for x in value if type(x) is float]
                huge = huge or max(numbers) >= I64 or min(numbers) <= -I64
            if dict in kinds or list in kinds:
                inner += [item for item in value if type(item) is dict or type(item) is list]
        if not inner:
            return keys, huge
        level = inner
    raise RowError(f"nested deeper than {MAX_DEPTH}")


_NUMBERS = {int, float}


def _within_64_bits(digits: str) -> int:
    # As a float first: Python refuses to read integers of thousands of digits.
    if not -I64 <= float(digits) <= U64 + 1 or not fits_64_bits(int(digits)):
        raise RowError(f"the integer {digits[:40]} has more than 64 bits")
    return int(digits)


def _without_duplicates(pairs: list[tuple[str, Json]]) -> JsonObject:
    made: JsonObject = {}
    for key, value in pairs:
        if key in made:
            raise RowError(f"the key `{key}` is there twice")
        made[key] = value
    return made
