"""The formats of a result: a function each, which gives the lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from qql.cli.render.cells import (
    MISSING,
    cell_text,
    cell_writer,
    columns_of,
    fit_cell,
    flat_rows,
    is_id,
)
from qql.cli.render.passages import words_of_requests
from qql.cli.render.tables import Layout, fitted
from qql.cli.render.terminal import json_text, paint, sanitize
from qql.cli.render.wrapping import fill_lines, shortened, text_width, wrap_line, wrap_text
from qql.errors import many
from qql.late import late_pattern
from qql.records import dataclass
from qql.rest.types import JsonObject
from qql.result import Result

__all__ = ["FORMATS", "View"]


@dataclass(frozen=True, slots=True)
class View:
    """How the output looks: cells across (None: no limit), colour, and what its encoding can hold.

    ``rows`` is how many rows there are in all, where only the first of them are shown. In what is ``brief``
    long values are cut in any case, and no format is named that shows them.
    """

    width: int | None
    color: bool
    ascii_only: bool
    terminal: bool
    timing: bool
    rows: int | None = None
    brief: bool = False


Format = Callable[[Result, View], Iterator[str]]
FORMATS: dict[str, Format] = {}
"""Name → a function that gives a result's lines. A new format is one more function here."""


def _output_format(name: str) -> Callable[[Format], Format]:
    def register(function: Format) -> Format:
        FORMATS[name] = function
        return function

    return register


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def _footer(result: Result, view: View, cut: bool = False) -> str:
    parts = ["1 row" if len(result) == 1 else f"{len(result)} rows"]
    if view.rows is not None:
        parts = [f"the first {len(result)} of {many(view.rows, 'row')}"]
    if view.timing:
        parts.append(_duration(result.seconds))
    cut = cut and not view.brief
    note = "; long values are cut, the format `vertical` shows them whole" if cut else ""
    lines = wrap_line(f"({', '.join(parts)}{note})", view.width)
    return "\n".join(paint(line, "faint", view.color) for line in lines)


def _more(result: Result, view: View) -> Iterator[str]:
    """How to go on, for who sits in front of it: ``more: AFTER 1234``."""
    if result.next is not None and view.terminal:
        place = result.next if isinstance(result.next, int) else f"'{result.next}'"
        yield paint(f"more: AFTER {place}", "faint", view.color)


def _message_lines(result: Result, view: View) -> Iterator[str]:
    """The lines of a result that is a message or a text."""
    lines = [sanitize(line) for line in result.message.splitlines()]
    if result.kind != "text":
        lines = [sanitize(result.message)]
        if view.timing:
            lines[-1] += paint(f" ({_duration(result.seconds)})", "faint", view.color)
    for line in lines:
        yield from wrap_line(line, view.width)


@_output_format("table")
def _table_lines(result: Result, view: View) -> Iterator[str]:
    """Boxes for people. Ids and numbers are never cut; of a long text there is the part that matches best."""
    if result.kind not in ("hits", "rows"):
        yield from _message_lines(result, view)
        return
    columns = columns_of(result, view.width)
    if not len(result) or not columns:
        yield _footer(result, view)
        return
    dots = "..." if view.ascii_only else "…"
    if view.width is None:
        layout: Layout | None = Layout(columns, 0)
    else:
        words = words_of_requests(result.requests)
        layout = fitted(columns, view.width, words, dots)
    if layout is None:
        yield from _vertical_lines(result, view)
        return
    yield from _box_lines(layout, view)
    for note in layout.notes:
        note = note if dots == "…" else note.replace("…", dots)
        yield from (paint(line, "faint", view.color) for line in wrap_text(note, view.width or layout.width))
    yield _footer(result, view, layout.lost)
    yield from _more(result, view)


def _box_lines(layout: Layout, view: View) -> Iterator[str]:
    from qql.cli.render import boxes

    box, dots = (boxes.ASCII, "...") if view.ascii_only else (boxes.SQUARE, "…")
    padded = [column.width + 2 for column in layout.head]
    bar = paint(box.mid_vertical, "faint", view.color)
    titles = [paint(fit_cell(column.header, column, dots)[0], "bold", view.color) for column in layout.head]
    yield paint(box.get_top(padded), "faint", view.color)
    yield f"{bar} {f' {bar} '.join(titles)} {bar}"
    yield paint(box.get_row(padded), "faint", view.color)
    rows = [_row_lines(layout, at, bar, dots) for at in range(layout.rows)]
    airy = sum(map(len, rows)) > 2 * len(rows)
    for at, lines in enumerate(rows):
        if at and airy:
            yield paint(box.get_row(padded), "faint", view.color)
        yield from lines
    yield paint(box.get_bottom(padded), "faint", view.color)


def _row_lines(layout: Layout, row: int, bar: str, dots: str) -> list[str]:
    cells = layout.cells(row)
    out = []
    for at in range(max(map(len, cells))):
        line = []
        for lines, column in zip(cells, layout.head, strict=True):
            text, cut = fit_cell(lines[at] if at < len(lines) else "", column, dots)
            layout.lost |= cut
            line.append(text)
        out.append(f"{bar} {f' {bar} '.join(line)} {bar}")
    inside = sum(column.width + 3 for column in layout.head) - 3
    for below in layout.lines_below(row):
        out.append(f"{bar} {below}{' ' * (inside - text_width(below))} {bar}")
    return out


@_output_format("vertical")
def _vertical_lines(result: Result, view: View) -> Iterator[str]:
    """One ``key | value`` line for each field, whole; what is longer than a line continues below it."""
    if result.kind not in ("hits", "rows"):
        yield from _message_lines(result, view)
        return
    names, rows = flat_rows(result)
    headers = [sanitize(name) for name in names]
    if view.width is not None:
        headers = [shortened(header, max(view.width // 2, 8)) for header in headers]
    size = max(map(text_width, headers), default=0)
    rule, bar = ("-", "|") if view.ascii_only else ("─", "│")
    for number, row in enumerate(rows, 1):
        title = f"{rule * 2}[ {number} ]{rule * 20}"
        yield paint(title[: view.width], "faint", view.color)
        for header, name, value in zip(headers, names, row, strict=True):
            if value is MISSING:
                continue
            text = cell_writer(result, name)(value)
            label = paint(header, "bold", view.color) + " " * (size - text_width(header))
            room = None if view.width is None else view.width - size - 3
            for line in _value_lines(text, value, room):
                yield f"{label} {bar} {line}"
                label = " " * size
    yield _footer(result, view)
    yield from _more(result, view)


def _value_lines(text: str, value: object, room: int | None) -> Iterator[str]:
    """A value in lines of ``room`` cells. Ids and numbers stay whole, whatever room there is."""
    whole = room is None or room < 1 or isinstance(value, int | float) or is_id(value)
    for line in sanitize(text, newline="\n").split("\n"):
        if whole or room is None or text_width(line) <= room:
            yield line
        else:
            indent = len(line) - len(line.lstrip(" "))
            words = line.lstrip(" ").split(" ")
            words[0] = " " * min(indent, room // 2) + words[0]
            yield from fill_lines(words, room, room)


@_output_format("json")
def _json_lines(result: Result, view: View) -> Iterator[str]:
    """One array for each statement, with one object on a line; of SCROLL, an object of it and `next`."""
    line = '{"hits": [' if result.paged else "["
    for at, item in enumerate(_items(result)):
        if at:
            yield f"{line},"
            line = " "
        line += json_text(item, ascii_only=view.ascii_only)
    if result.paged:
        yield f"{line}],"
        yield f' "next": {json_text(result.next)}}}'
    else:
        yield f"{line}]"


def _items(result: Result) -> Iterable[JsonObject]:
    """The objects of a result, one at a time."""
    return (hit.to_dict() for hit in result.hits) if result.kind == "hits" else result.to_dicts()


@_output_format("jsonl")
def _jsonl_lines(result: Result, view: View) -> Iterator[str]:
    """One object on a line."""
    for item in _items(result):
        yield json_text(item, ascii_only=view.ascii_only)


@_output_format("csv")
def _csv_lines(result: Result, view: View) -> Iterator[str]:
    """RFC 4180 with a header; null and a missing key are empty, lists and objects are JSON."""
    show = sanitize if view.terminal else str
    names, rows = flat_rows(result)
    import csv

    writer = csv.writer(_Given(), lineterminator="")
    header: list[object] = [*names]
    for row in chain([header], rows) if names else ():
        # Gives what the writer's file gives: the line.
        line: str = writer.writerow(["" if value is None else show(cell_text(value)) for value in row])
        yield line


class _Given:
    """A file that gives back what it is to write."""

    def write(self, text: str) -> str:
        return text


_MARKDOWN_SPECIAL = late_pattern(r"[\\|`*<\[\]]")


@_output_format("markdown")
def _markdown_lines(result: Result, view: View) -> Iterator[str]:
    """A GitHub table, for pasting into an issue."""
    if result.kind == "text":
        yield from ("```", *_message_lines(result, view), "```")
        return
    columns = columns_of(result, None)
    if not len(columns[0].cells if columns else ()):
        yield "(0 rows)"
        return
    yield _markdown_row(column.header for column in columns)
    yield "|" + "|".join(" ---: " if column.right else " --- " for column in columns) + "|"
    for at in range(len(columns[0].cells)):
        yield _markdown_row(column.cells[at] for column in columns)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_MARKDOWN_SPECIAL.sub(r"\\\g<0>", cell) for cell in cells) + " |"
