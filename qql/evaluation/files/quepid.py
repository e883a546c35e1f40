"""Cases of Quepid as they are exported: each query by its text, with the ratings of documents.

**JSON**: ``{"queries": [{"query": text, "ratings": {document: rating}}]}``. **CSV**: the header
``query,docid,rating``; a query without ratings is a line by itself. The queries are called 1, 2, … in the
order of the file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator

from qql.evaluation.files.lines import LineReader
from qql.late import late_pattern
from qql.rest.types import Json

__all__ = ["is_case", "rated"]

_JSON_CASE = late_pattern(r'\{\s*("queries"\s*:|$)')
_HEADER = ["query", "docid", "rating"]

Rating = tuple[str, str | None, Json]
"""The query's text, the document (None: the query has no ratings), its rating."""


def is_case(first: str) -> bool:
    """Whether a file that begins with this line is a case."""
    return _JSON_CASE.match(first) is not None or _cells(first) == _HEADER


def _cells(line: str) -> list[str]:
    return [cell.strip().lower() for cell in next(csv.reader([line]), [])]


def rated(file: LineReader, first: str) -> Iterator[Rating]:
    """The ratings of a case. Raises `InputError` with the code of the file."""
    return _json_ratings(file) if first.startswith("{") else _csv_ratings(file)


def _csv_ratings(file: LineReader) -> Iterator[Rating]:
    next(file)
    rows = csv.reader((f"{line}\n" for line in file), strict=True)
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as exc:
            file.fail(f"not CSV: {exc}")
        if cells is None:
            return
        if len(cells) not in (1, 3) or not cells[0].strip():
            file.fail(f"{len(cells)} cells instead of 3", "a line is `query,docid,rating`")
        yield (
            (cells[0].strip(), None, None)
            if len(cells) == 1
            else (cells[0].strip(), cells[1], cells[2].strip())
        )


def _json_ratings(file: LineReader) -> Iterator[Rating]:
    try:
        case = json.loads("\n".join(file))
    except (ValueError, RecursionError) as exc:
        file.fail(f"not JSON: {exc}")
    file.line = 0  # places in it are told by their path
    queries = _of_type(file, case.get("queries"), list, "`queries`")
    for at, query in enumerate(queries):
        place = f"`queries[{at}]"
        row = _of_type(file, query, dict, f"{place}`")
        text = _of_type(file, row.get("query"), str, f"{place}.query`").strip()
        if not text:
            file.fail(f"{place}.query` is empty")
        ratings = _of_type(file, row.get("ratings", {}), dict, f"{place}.ratings`")
        if not ratings:
            yield text, None, None
        for doc, rating in ratings.items():
            yield text, doc, rating


_KINDS: dict[object, str] = {list: "an array", dict: "an object", str: "a string"}


def _of_type(file: LineReader, value: Json, kind: Callable[..., Json], place: str) -> Json:
    if type(value) is not kind:
        file.fail(f"{place} is not {_KINDS[kind]}", '{"queries": [{"query": "…", "ratings": {"id": 1}}]}')
    return value
