"""A result as a text of bounded size, for `print`."""

from __future__ import annotations

from qql.cli.render.formats import FORMATS, View
from qql.cli.render.terminal import json_text
from qql.errors import many
from qql.records import replace
from qql.rest.types import Json, JsonObject
from qql.result import Hit, Result

__all__ = ["beginning_of", "brief_text", "first_rows"]

_WIDTH = 80
_MOST_ROWS = 40
_MOST_LINES = 400
_LONGEST_TEXT = 1000  # characters of which the best passage is chosen
_LONGEST_DATA = 200  # of a list or an object, as JSON


def brief_text(result: Result) -> str:
    """The table of the command, without colours; what is cut, or left out, is said."""
    beginning = beginning_of(result, _MOST_ROWS)
    rows = None if len(beginning) == len(result) else len(result)
    view = View(_WIDTH, color=False, ascii_only=False, terminal=False, timing=False, rows=rows, brief=True)
    lines = [*FORMATS["table"].lines(beginning, view)]
    if result.kind in ("hits", "rows") and len(lines) > _MOST_LINES:
        left = len(lines) - _MOST_LINES
        lines = [*lines[:_MOST_LINES], f"… {many(left, 'line')} left out", lines[-1]]
    return "\n".join(lines)


def beginning_of(result: Result, rows: int) -> Result:
    """The first rows of a result, with long values cut."""
    if result.kind == "hits":
        return replace(result, hits=[_cut_hit(hit) for hit in result.hits[:rows]])
    if result.kind == "rows":
        return replace(result, rows=[_cut_row(row) for row in result.rows[:rows]])
    return result


def first_rows(result: Result, rows: int) -> Result:
    """The first rows of a result, each with all that it has."""
    name = "hits" if result.kind == "hits" else "rows"
    return replace(result, **{name: getattr(result, name)[:rows]})


def _cut_hit(hit: Hit) -> Hit:
    payload = None if hit.payload is None else _cut_object(hit.payload)
    return replace(hit, payload=payload, vector=_cut(hit.vector), lookup=_cut(hit.lookup))


def _cut_row(row: JsonObject) -> JsonObject:
    """A row; the payloads in those of a BATCH are shown by their fields."""
    payload = row.get("payload")
    cut = _cut_object(row)
    return {**cut, "payload": _cut_object(payload)} if isinstance(payload, dict) else cut


def _cut_object(values: JsonObject) -> JsonObject:
    return {key: _cut(value) for key, value in values.items()}


def _cut(value: Json) -> Json:
    """The value, or where that is long the beginning of its text."""
    match value:
        case str():
            return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "…"
        case dict() | list():
            text = json_text(value)
            return value if len(text) <= _LONGEST_DATA else text[:_LONGEST_DATA] + "…"
    return value
