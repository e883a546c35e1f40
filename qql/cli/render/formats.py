"""The formats of a result: a function each, which gives the lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from qql.cli.render.cells import (
    MISSING,
    Column,
    cell_text,
    cell_writer,
    columns_of,
    fit_cell,
    fit_columns,
    flat_rows,
    has_many_keys,
)
from qql.cli.render.terminal import json_text, paint, sanitize
from qql.result import Result

__all__ = ["FORMATS", "View"]


@dataclass(frozen=True, slots=True)
class View:
    """How the output looks: cells across (None: no limit), colour, and what its encoding can hold."""

    width: int | None
    color: bool
    ascii_only: bool
    terminal: bool
    timing: bool


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
    if view.timing:
        parts.append(_duration(result.seconds))
    note = "; long values are cut, the format `vertical` shows them whole" if cut else ""
    return paint(f"({', '.join(parts)}{note})", "faint", view.color)


def _more(result: Result, view: View) -> Iterator[str]:
    """How to go on, for who sits in front of it: ``more: AFTER 1234``."""
    if result.next is not None and view.terminal:
        place = result.next if isinstance(result.next, int) else f"'{result.next}'"
        yield paint(f"more: AFTER {place}", "faint", view.color)


def _message_lines(result: Result, view: View) -> Iterator[str]:
    """The lines of a result that is a message or a text."""
    if result.kind == "text":
        yield from (sanitize(line) for line in result.message.splitlines())
        return
    time = paint(f" ({_duration(result.seconds)})", "faint", view.color) if view.timing else ""
    yield sanitize(result.message) + time


@_output_format("table")
def _table_lines(result: Result, view: View) -> Iterator[str]:
    """Boxes for people. What does not fit in the width is cut with an ellipsis; ids and numbers never are."""
    if result.kind not in ("hits", "rows"):
        yield from _message_lines(result, view)
        return
    if not len(result):
        yield _footer(result, view)
        return
    for packed in (True,) if has_many_keys(result) else (False, True):
        columns = columns_of(result, view.width, packed=packed)
        if fit_columns(columns, view.width):
            yield from _box_lines(result, columns, view)
            return
    yield from _vertical_lines(result, view)


def _box_lines(result: Result, columns: list[Column], view: View) -> Iterator[str]:
    from rich import box as boxes

    box, dots = (boxes.ASCII, "...") if view.ascii_only else (boxes.SQUARE, "…")
    padded = [column.width + 2 for column in columns]
    bar = paint(box.mid_vertical, "faint", view.color)
    yield paint(box.get_top(padded), "faint", view.color)
    titles = [paint(fit_cell(column.header, column, dots)[0], "bold", view.color) for column in columns]
    yield f"{bar} {f' {bar} '.join(titles)} {bar}"
    yield paint(box.get_row(padded, "head"), "faint", view.color)
    lost = False
    for at in range(len(columns[0].cells)):
        line = []
        for column in columns:
            text, cut = fit_cell(column.cells[at], column, dots)
            lost |= cut
            line.append(text)
        yield f"{bar} {f' {bar} '.join(line)} {bar}"
    yield paint(box.get_bottom(padded), "faint", view.color)
    yield _footer(result, view, lost)
    yield from _more(result, view)


@_output_format("vertical")
def _vertical_lines(result: Result, view: View) -> Iterator[str]:
    """One ``key | value`` line for each field, whole; line ends inside a value continue below it."""
    from rich.cells import cell_len

    if result.kind not in ("hits", "rows"):
        yield from _message_lines(result, view)
        return
    names, rows = flat_rows(result)
    headers = [sanitize(name) for name in names]
    size = max(map(cell_len, headers), default=0)
    rule, bar = ("-", "|") if view.ascii_only else ("─", "│")
    for number, row in enumerate(rows, 1):
        yield paint(f"{rule * 2}[ {number} ]{rule * 20}", "faint", view.color)
        for header, name, value in zip(headers, names, row, strict=True):
            if value is MISSING:
                continue
            text = cell_writer(result, name)(value)
            label = paint(header, "bold", view.color) + " " * (size - cell_len(header))
            margin = f"\n{' ' * size} {bar} "
            yield f"{label} {bar} {sanitize(text, newline=margin)}"
    yield _footer(result, view)
    yield from _more(result, view)


@_output_format("json")
def _json_lines(result: Result, view: View) -> Iterator[str]:
    """One array for each statement, with one object on a line; of SCROLL, an object of it and `next`."""
    items = [json_text(item, ascii_only=view.ascii_only) for item in result.to_dicts()]
    array = "[" + ",\n ".join(items) + "]"
    yield f'{{"hits": {array},\n "next": {json_text(result.next)}}}' if result.paged else array


@_output_format("jsonl")
def _jsonl_lines(result: Result, view: View) -> Iterator[str]:
    """One object on a line."""
    for item in result.to_dicts():
        yield json_text(item, ascii_only=view.ascii_only)


@_output_format("csv")
def _csv_lines(result: Result, view: View) -> Iterator[str]:
    """RFC 4180 with a header; null and a missing key are empty, lists and objects are JSON."""
    show = sanitize if view.terminal else str
    names, rows = flat_rows(result)
    table: list[list[object]] = [[*names], *rows] if names else []
    for row in table:
        line = io.StringIO()
        cells = ["" if value is None else show(cell_text(value)) for value in row]
        csv.writer(line, lineterminator="").writerow(cells)
        yield line.getvalue()


_MARKDOWN_SPECIAL = re.compile(r"[\\|`*<\[\]]")


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
