"""A result as HTML: of bounded size for notebooks, with all that it has for a page.

All that it holds is text of somebody else's, and is escaped. Its colours are those of the page around it,
light or dark; styles stand at their elements, as some pages take no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from qql.cli.render.brief import beginning_of
from qql.cli.render.cells import Column, columns_of
from qql.cli.render.diagnostics import render_diagnostics
from qql.cli.render.terminal import sanitize
from qql.errors import many
from qql.pictures import fragment, is_explained
from qql.records import replace
from qql.result import Result

__all__ = ["html_of", "lines_of_page"]

_MOST_ROWS, _MOST_COLUMNS = 50, 30
_LONGEST_CELL, _LONGEST_TEXT = 200, 200_000  # characters
_SCORES = ("score", "first_stage_score", "second_stage_score")
_POSITIVE, _NEGATIVE = "rgba(76,138,240,.35)", "rgba(224,108,84,.35)"
_ROW = "background:none;border-bottom:1px solid rgba(128,128,128,.3)"
_BOX = "max-width:100%;overflow-x:auto"


def html_of(result: Result) -> str:
    """What a notebook shows of a result: a table whose scores have bars, or the text; and the warnings.

    Of many rows and columns there are the first, of long values the beginning; what is left out is said.
    EXPLAIN of a query is a picture of its stages.
    """
    if result.kind == "text" and is_explained(result.data):
        return "".join([fragment([result.data]), *_warnings(result)])
    shown = _table(result) if result.kind in ("hits", "rows") else _message(result)
    return "".join([f'<div style="{_BOX}">', *shown, *_warnings(result), "</div>"])


_HEAD = (
    '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<title>QQL</title><body style="font:15px/1.4 system-ui,sans-serif;margin:1.5em;color-scheme:light dark">'
)


def lines_of_page(result: Result, number: int) -> Iterator[str]:
    """A page with a result, nothing of it cut; the results behind the first are added to its end.

    What HTML leaves open at the end of a page is left open, so that it can be written as it comes.
    """
    if number == 1:
        yield _HEAD
    if result.kind == "text" and is_explained(result.data):
        yield fragment([result.data])
    elif result.kind in ("hits", "rows"):
        yield f'<div style="{_BOX}">'
        yield from _rows_of_table(columns_of(result, None))
        yield f"{_caption_of(many(len(result), result.kind[:-1]))}</div>"
    else:
        yield _pre(result.message)


def _text(text: str, newline: str | None = None) -> str:
    return escape(sanitize(text, newline=newline), quote=True)


def _message(result: Result) -> Iterator[str]:
    text = result.message
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}\n… {many(len(text) - _LONGEST_TEXT, 'character')} left out"
    yield _pre(text)


def _pre(text: str) -> str:
    return f'<pre style="text-align:left;margin:.3em 0">{_text(text, newline=chr(10))}</pre>'


def _warnings(result: Result) -> Iterator[str]:
    if result.warnings:
        yield _pre(render_diagnostics(result.warnings, width=100))


# ------------------------------------------------------------------------------------ the table


def _table(result: Result) -> Iterator[str]:
    columns = columns_of(beginning_of(result, _MOST_ROWS), _LONGEST_CELL // 4)
    yield from _rows_of_table([_short_cells(column) for column in columns[:_MOST_COLUMNS]])
    yield _caption_of(_caption(result, columns))


def _rows_of_table(columns: Sequence[Column]) -> Iterator[str]:
    """The table, where there are rows, a row in a line."""
    if not columns or not columns[0].cells:
        return
    heads = [
        f'<th scope="col" style="{_cell_style(column)};font-weight:bold">{escape(column.header)}</th>'
        for column in columns
    ]
    yield f'<table style="border-collapse:collapse"><thead><tr style="{_ROW}">{"".join(heads)}</tr></thead>'
    yield "<tbody>"
    for row in zip(*map(_cells, columns), strict=True):
        yield f'<tr style="{_ROW}">{"".join(row)}</tr>'
    yield "</tbody></table>"


def _caption_of(text: str) -> str:
    return f'<p style="margin:.3em 0;opacity:.7">{_text(text)}</p>'


def _short_cells(column: Column) -> Column:
    return replace(column, header=_cut(column.header), cells=[*map(_cut, column.cells)])


def _cell_style(column: Column) -> str:
    align = "right" if column.right else "left"
    return f"text-align:{align};vertical-align:top;padding:.2em .6em"


def _cells(column: Column) -> Iterator[str]:
    """The cells of a column, in the order of the rows."""
    style, bars = _cell_style(column), _bars(column)
    for cell, bar in zip(column.cells, bars, strict=True):
        yield f'<td style="{style}{bar}">{escape(cell)}</td>'


def _cut(cell: str) -> str:
    """What `columns_of` made safe to be shown, at its most as long as a cell may be."""
    return cell if len(cell) <= _LONGEST_CELL + 1 else cell[:_LONGEST_CELL] + "…"


def _bars(column: Column) -> Iterable[str]:
    """Of scores, a bar behind each number, by the largest of the column; that of one below zero is red."""
    if column.name not in _SCORES:
        return [""] * len(column.values)
    scores = [value if isinstance(value, (int, float)) else 0.0 for value in column.values]
    largest = max((abs(score) for score in scores if abs(score) < float("inf")), default=0.0)
    return [_bar(score, largest) for score in scores]


def _bar(score: float, largest: float) -> str:
    if not largest or not abs(score) <= largest:  # nor where it is not a number
        return ""
    color, length = _NEGATIVE if score < 0 else _POSITIVE, 100 * abs(score) / largest
    gradient = f"linear-gradient(to right,{color} {length:.1f}%,transparent {length:.1f}%)"
    return f";background-image:{gradient};min-width:7em"


def _caption(result: Result, columns: list[Column]) -> str:
    parts = [many(len(result), result.kind[:-1])]
    if len(result) > _MOST_ROWS:
        parts.append(f"the first {_MOST_ROWS} are shown, {len(result) - _MOST_ROWS:,} left out")
    if left := columns[_MOST_COLUMNS:]:
        parts.append(f"{many(len(left), 'column')} left out, from {left[0].name} on")
    if len(parts) > 1:
        parts.append("to_pandas() has all of it")
    if result.next is not None:
        parts.append("there is a next page: AFTER :next")
    return "; ".join(parts)
