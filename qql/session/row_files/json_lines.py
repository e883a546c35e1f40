"""JSON Lines → rows: one object a line; where a file is an array, or objects over several lines, that."""

from __future__ import annotations

import json
from collections.abc import Iterator

import orjson

from qql.errors import QQLExecutionError, fail
from qql.late import late_pattern
from qql.rest.limits import U64
from qql.rest.types import Json, JsonObject
from qql.session.dump_headers import is_header
from qql.session.row_files.json_values import json_array, json_objects
from qql.session.row_files.lines import Lines, encoding_fault
from qql.session.row_files.row import I64, Record, RowError, fits_64_bits
from qql.session.row_files.scanned import Scanned

__all__ = ["MAX_DEPTH", "json_rows", "parse_json"]

MAX_DEPTH = 200
"""Nested arrays and objects of a row, at most."""


def json_rows(lines: Lines, codec: str, scanned: Scanned) -> Iterator[Record]:
    """The rows of a file; ``scanned`` knows the lists of numbers in the one that was given last.

    Raises `QQLExecutionError` where it cannot be read on, or is a Qdrant answer.
    """
    started = False
    for line, text in _texts(lines):
        if isinstance(text, RowError):
            yield line, text, None
            continue
        try:
            row = _parse_row(text if codec == "utf-8" else text.decode(codec).encode(), scanned)
        except RowError as exc:
            yield line, exc, None
        except UnicodeError as exc:
            yield line, RowError(encoding_fault(exc, codec)), None
        else:
            if not started:
                _refuse_answers(row, lines)
            if started or not is_header(row):
                yield line, row, None
        started = True


def _texts(lines: Lines) -> Iterator[tuple[int, bytes | RowError]]:
    """The texts of the rows, with the lines that they begin in."""
    if lines.peek().lstrip().startswith(b"["):
        yield from json_array(lines)
        return
    first = True
    while (line := lines.next()) is not None:
        number = lines.number
        if len(line) > lines.max_bytes and not line.endswith(b"\n"):
            yield number, RowError(lines.too_long("line"))
            lines.skip_rest()
            continue
        text = line.strip()
        if not text:
            continue
        if first and (goes_on := _goes_on(text, lines)):
            lines.put_back(line)
            yield from json_array(lines) if goes_on == "array" else json_objects(lines)
            return
        first = False
        yield number, text


_OPEN_END = (b"{", b"[", b",", b":")


def _goes_on(line: bytes, lines: Lines) -> str | None:
    """Whether a first line is no row, but the beginning of an ``array`` or of ``objects`` over lines."""
    if line.startswith(b"["):
        return "array"
    if not line.startswith(b"{"):
        return None
    if line.endswith(_OPEN_END):
        # Where the next line begins another object, this one is a line at fault.
        after = b"".join(lines.look(1))
        return "objects" if line.endswith(b"[") or not after.startswith(b"{") else None
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        # What follows an object on its line is another one. Places are counted in characters.
        text = line.decode("utf-8", "replace")
        whole, rest = text[: exc.pos], text[exc.pos :]
        return "objects" if whole.rstrip().endswith("}") and rest.startswith("{") else None
    return None


def _refuse_answers(row: JsonObject, lines: Lines) -> None:
    """Raises `QQLExecutionError` where the first row is an answer of Qdrant with all of its points."""
    inside, path = row, ".points[]"
    if isinstance(row.get("result"), dict) and "id" not in row:
        inside, path = row["result"], ".result.points[]"
    points = inside.get("points")
    if "id" not in row and isinstance(points, list) and points and isinstance(points[0], dict):
        fail(
            "file-format",
            f"the file {lines.path} holds an answer of Qdrant with its points, and not rows",
            hint=f"`jq -c '{path}' file.json > rows.jsonl` takes them out",
            error=QQLExecutionError,
        )


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
        # orjson counts characters.
        characters = text.decode() if isinstance(text, bytes) else text
        if _CONSTANT.match(characters, exc.pos) and (found := _constant_in(characters)):
            raise RowError(found) from exc
        raise RowError(f"not JSON: {exc.msg} (character {exc.pos + 1})") from exc


_CONSTANT = late_pattern(r"-?(?:NaN|Infinity)\b")


class _Constant:
    """NaN or an infinity in a text that is nearly JSON."""

    def __init__(self, word: str) -> None:
        self.word = word


def _constant_in(text: str) -> str | None:
    """Which field has a number that JSON does not have; None where that is not all that is wrong."""
    try:
        todo: list[tuple[str, Json]] = [("", json.loads(text, parse_constant=_Constant))]
    except (ValueError, RecursionError):
        return None
    while todo:
        path, value = todo.pop()
        if isinstance(value, _Constant):
            where = f"`{path}` is" if path else "it is"
            return f"{where} {value.word}, which JSON does not have: leave it out, or write null"
        if isinstance(value, dict):
            todo += [(f"{path}.{key}" if path else key, item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            todo += [(f"{path}[{at}]", item) for at, item in reversed(list(enumerate(value)))]
    return None


_KEY = late_pattern(rb'"[ \t\r\n]*:')
_FEW = 100  # colons


def _keys_at_most(line: bytes) -> int:
    """How often a quote and a colon stand there, with blanks between or without."""
    if line.count(b":") > _FEW:
        return len(_KEY.findall(line))
    count, at = 0, line.find(b":")
    while at > 0:
        before = line[at - 1]
        if before == _QUOTE:
            count += 1
        elif before in b" \t\r\n":
            return len(_KEY.findall(line))
        at = line.find(b":", at + 1)
    return count


_QUOTE = ord('"')


def _parse_row(line: bytes, scanned: Scanned) -> JsonObject:
    scanned.ids = set()
    row = parse_json(line)
    if not isinstance(row, dict):
        raise RowError("a row has to be a JSON object")
    keys, huge = _keys_and_size(row, scanned)
    # Every key of the text is a quote and a colon, so no key can be there twice if there are no more of
    # them than keys. Strings may have them too; then the slow way decides.
    if huge or (line.count(b":") != keys and _keys_at_most(line) != keys):
        json.loads(line, object_pairs_hook=_without_duplicates, parse_int=_within_64_bits)
    return row


def _keys_and_size(row: JsonObject, scanned: Scanned) -> tuple[int, bool]:
    """The number of keys in a JSON value, and whether it holds floats that might be integers beyond 64 bits.

    Raises `RowError` for what nests too deep.
    """
    keys, huge = 0, False
    level: list[Json] = [row]
    for _ in range(MAX_DEPTH):
        inner: list[Json] = []
        for value in level:
            if type(value) is list and scanned.are_small(value):
                continue
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
