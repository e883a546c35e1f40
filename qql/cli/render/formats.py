"""The formats of a result: a function each, which gives the lines.

`FORMATS` is the one table of them: ``--format``, ``-o FILE`` and ``\\format`` read it. Those for other
programs alone are made by `exchange`, and HTML by `html`, which are loaded when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from qql.cli.render.bars import give_bars
from qql.cli.render.cells import (
    MISSING,
    Column,
    cell_text,
    cell_writer,
    columns_of,
    fit_cell,
    flat_rows,
    is_id,
)
from qql.cli.render.passages import found_words, words_of_requests
from qql.cli.render.tables import Layout, fitted
from qql.cli.render.terminal import json_text, paint, sanitize
from qql.cli.render.vectors import vector_text
from qql.cli.render.wrapping import fill_lines, shortened, text_width, wrap_line, wrap_text
from qql.errors import many
from qql.late import late_pattern
from qql.records import dataclass, field
from qql.rest.types import JsonObject
from qql.result import Result

__all__ = ["ALL_ROWS", "FORMATS", "Format", "View"]

ALL_ROWS = r"\last"
"""The command of the prompt that shows the last result with all its rows."""


@dataclass(frozen=True, slots=True)
class View:
    """How the output looks: cells across (None: no limit), colour, and what its encoding can hold.

    ``rows`` is how many rows there are in all, where only the first of them are shown. In what is ``brief``
    long values are cut in any case, and no format is named that shows them. What is ``whole`` is not cut: a
    table that would be is shown vertically. ``number`` is the place of the result among those of the output,
    from 1. Numbers for which JSON has null alone are added to ``nulls``.
    """

    width: int | None
    color: bool
    ascii_only: bool
    terminal: bool
    timing: bool
    rows: int | None = None
    brief: bool = False
    whole: bool = False
    number: int = 1
    nulls: list[float] = field(default_factory=list)

    def json(self, value: object) -> str:
        """A value as JSON on a line."""
        return json_text(value, ascii_only=self.ascii_only, on_screen=self.terminal, nulls=self.nulls)

    def vector(self, value: object) -> str:
        """A vector: in short on a terminal, with all its numbers elsewhere."""
        return vector_text(value, ascii_only=self.ascii_only) if self.terminal else cell_text(value)


Lines = Callable[[Result, View], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what gives its lines, or where they are bytes, all of it.

    Files whose names end in one of ``suffixes`` have it. ``messages`` says whether it has a way to say what a
    statement did that gives no rows; else that is said where notes go.
    """

    name: str
    lines: Lines
    suffixes: tuple[str, ...] = ()
    messages: bool = True
    content: Callable[[Result], bytes] | None = None


FORMATS: dict[str, Format] = {}
"""Name → format. A new one is one more function here, or in `exchange`."""


def _output_format(name: str, *suffixes: str, messages: bool = True) -> Callable[[Lines], Lines]:
    def register(function: Lines) -> Lines:
        FORMATS[name] = Format(name, function, suffixes, messages)
        return function

    return register


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


_PHASES = ("embed", "engine", "rerank")


def _times(result: Result) -> str:
    """How long it took, and where it was measured, how long each phase of it."""
    total = _duration(result.seconds)
    phases = [f"{name} {_duration(result.timing[name])}" for name in _PHASES if name in result.timing]
    return ", ".join([*phases, f"total {total}"]) if phases else total


def _footer(result: Result, view: View, cut: str = "") -> str:
    parts = ["1 row" if len(result) == 1 else f"{len(result)} rows"]
    if view.rows is not None:
        parts = [f"the first {len(result):,} of {many(view.rows, 'row')}"]
    if result.branch is not None:
        parts.append(f"of query {result.branch}")
    if view.timing:
        parts.append(_times(result))
    notes = [f"({', '.join(parts)}"]
    if view.rows is not None and not view.brief:
        notes.append(f"`{ALL_ROWS}` shows all")
    if cut and not view.brief:
        notes.append(cut)
    lines = wrap_line("; ".join(notes) + ")", view.width)
    return "\n".join(paint(line, "faint", view.color) for line in lines)


_CUT = "long values are cut, the format `vertical` shows them whole"
_IN_SHORT = "vectors are shown in short, the format `json` has all their numbers"


def _in_short(columns: Iterable[Column]) -> bool:
    """Whether vectors are not shown with all their numbers."""
    return any(
        value is not MISSING and text != cell_text(value)
        for column in columns
        if column.name == "vector"
        for value, text in zip(column.values, column.texts, strict=True)
    )


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


@_output_format("table", ".txt")
def _table_lines(result: Result, view: View) -> Iterator[str]:
    """Boxes for people. Ids and numbers are never cut; of a long text there is the part that matches best."""
    if result.kind not in ("hits", "rows"):
        yield from _message_lines(result, view)
        return
    columns = columns_of(result, None if view.whole else view.width, view.vector)
    if not len(result) or not columns:
        yield _footer(result, view)
        return
    if view.terminal:
        give_bars(columns, result, view.ascii_only)
    in_short = view.terminal and _in_short(columns)
    layout = _layout(columns, result, view)
    box = [*_box_lines(layout, view)] if layout else []
    if layout is None or (layout.lost and view.whole):
        yield from _vertical_lines(result, view)
        return
    yield from box
    for note in layout.notes:
        note = note.replace("…", "...") if view.ascii_only else note
        yield from (paint(line, "faint", view.color) for line in wrap_text(note, view.width or layout.width))
    said = ((_CUT, layout.lost), (_IN_SHORT, in_short))
    yield _footer(result, view, "; ".join(text for text, true in said if true))
    yield from _more(result, view)


def _layout(columns: list[Column], result: Result, view: View) -> Layout | None:
    """Where the columns stand; None where there is no room for them."""
    words = words_of_requests(result.requests)
    if view.width is None:
        return Layout(columns, 0, words)
    return fitted(columns, view.width, words, "..." if view.ascii_only else "…")


def _box_lines(layout: Layout, view: View) -> Iterator[str]:
    from qql.cli.render import boxes

    box, dots = (boxes.ASCII, "...") if view.ascii_only else (boxes.SQUARE, "…")
    padded = [column.width + 2 for column in layout.head]
    bar = paint(box.mid_vertical, "faint", view.color)
    titles = [paint(fit_cell(column.header, column, dots)[0], "bold", view.color) for column in layout.head]
    yield paint(box.get_top(padded), "faint", view.color)
    yield f"{bar} {f' {bar} '.join(titles)} {bar}"
    yield paint(box.get_row(padded), "faint", view.color)
    rows = [_row_lines(layout, at, bar, dots, view.color) for at in range(layout.rows)]
    airy = sum(map(len, rows)) > 2 * len(rows)
    for at, lines in enumerate(rows):
        if at and airy:
            yield paint(box.get_row(padded), "faint", view.color)
        yield from lines
    yield paint(box.get_bottom(padded), "faint", view.color)


def _row_lines(layout: Layout, row: int, bar: str, dots: str, color: bool) -> list[str]:
    cells = layout.cells(row)
    out = []
    for at in range(max(map(len, cells))):
        line = []
        for lines, column in zip(cells, layout.head, strict=True):
            text, cut = fit_cell(lines[at] if at < len(lines) else "", column, dots)
            layout.lost |= cut
            line.append(_painted(text, column, row, layout.words) if color else text)
        out.append(f"{bar} {f' {bar} '.join(line)} {bar}")
    inside = sum(column.width + 3 for column in layout.head) - 3
    for below in layout.lines_below(row):
        pad = " " * (inside - text_width(below))
        label, text = below[: layout.label_room], below[layout.label_room :]
        out.append(f"{bar} {label}{_marked(text, layout.words) if color else text}{pad} {bar}")
    return out


def _painted(text: str, column: Column, row: int, words: tuple[str, ...]) -> str:
    """A cell with its bar, or the words of the query in it, in colour."""
    if column.barred and text.strip():
        value = column.values[row]
        style = "below zero" if isinstance(value, float) and value < 0 else "bar"
        size = len(column.bars[row])
        return text[:-size] + paint(text[-size:], style, True)
    return _marked(text, words) if column.is_prose else text


def _marked(text: str, words: tuple[str, ...]) -> str:
    """A text with the words of the query in colour."""
    parts, done = [], 0
    for start, end in found_words(text, words):
        parts += [text[done:start], paint(text[start:end], "found", True)]
        done = end
    return "".join([*parts, text[done:]])


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
    words = words_of_requests(result.requests) if view.color else ()
    in_short = False
    size = max(map(text_width, headers), default=0)
    rule, bar = ("-", "|") if view.ascii_only else ("─", "│")
    for number, row in enumerate(rows, 1):
        title = f"{rule * 2}[ {number} ]{rule * 20}"
        yield paint(title[: view.width], "faint", view.color)
        for header, name, value in zip(headers, names, row, strict=True):
            if value is MISSING:
                continue
            text = cell_writer(result, name, view.vector)(value)
            in_short |= name == "vector" and text != cell_text(value)
            label = paint(header, "bold", view.color) + " " * (size - text_width(header))
            room = None if view.width is None else view.width - size - 3
            for line in _value_lines(text, value, room):
                shown = _marked(line, words) if words and isinstance(value, str) else line
                yield f"{label} {bar} {shown}"
                label = " " * size
    yield _footer(result, view, _IN_SHORT if in_short else "")
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


@_output_format("json", ".json")
def _json_lines(result: Result, view: View) -> Iterator[str]:
    """One array for each statement, with one object on a line; of SCROLL, an object of it and `next`, of
    QUERY … ELSE, of it and `branch`."""
    more = {"next": result.next} if result.paged else {"branch": result.branch} if result.branch else {}
    line = '{"hits": [' if more else "["
    for at, item in enumerate(_items(result)):
        if at:
            yield f"{line},"
            line = " "
        line += view.json(item)
    if more:
        yield f"{line}],"
        yield from (f' "{name}": {view.json(value)}}}' for name, value in more.items())
    else:
        yield f"{line}]"


def _items(result: Result) -> Iterable[JsonObject]:
    """The objects of a result, one at a time."""
    return (hit.to_dict() for hit in result.hits) if result.kind == "hits" else result.to_dicts()


@_output_format("jsonl", ".jsonl", ".ndjson")
def _jsonl_lines(result: Result, view: View) -> Iterator[str]:
    """One object on a line."""
    for item in _items(result):
        yield view.json(item)


@_output_format("csv", ".csv")
def _csv_lines(result: Result, view: View) -> Iterator[str]:
    """RFC 4180 with a header; null and a missing key are empty, lists and objects are JSON."""
    show = sanitize if view.terminal else str
    names, rows = flat_rows(result)
    import csv

    # What is in a line end is what the writer quotes.
    writer = csv.writer(_Given(), lineterminator="\r\n")
    header: list[object] = [*names]
    for row in chain([header], rows) if names else ():
        # Gives what the writer's file gives: the line.
        line: str = writer.writerow(["" if value is None else show(cell_text(value)) for value in row])
        yield line.removesuffix("\r\n")


class _Given:
    """A file that gives back what it is to write."""

    def write(self, text: str) -> str:
        return text


_MARKDOWN_SPECIAL = late_pattern(r"[\\|`*<\[\]]")


@_output_format("markdown", ".md")
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


# ------------------------------------------------------------------------------------ for other programs


@_output_format("html", ".html", ".htm")
def _html_lines(result: Result, view: View) -> Iterator[str]:
    """A page with tables whose scores have bars; of EXPLAIN, the picture of the stages."""
    from qql.cli.render.html import lines_of_page

    return lines_of_page(result, view.number)


@_output_format("qql", ".qql")
def _script_lines(result: Result, view: View) -> Iterator[str]:
    """A script that makes the points again; what is no point is a comment."""
    from qql.cli.render.exchange import script_lines

    return script_lines(result, view.json)


@_output_format("trec", ".trec", ".run", messages=False)
def _run_lines(result: Result, view: View) -> Iterator[str]:
    """A run of TREC; queries are numbered from 1, those of a BATCH ``3-1``, ``3-2``."""
    from qql.cli.render.exchange import run_lines

    return run_lines(result, view.number)


def _no_lines(result: Result, view: View) -> Iterator[str]:
    return iter(())


def _parquet(result: Result) -> bytes:
    """A Parquet file of the columns of ``to_arrow()``."""
    from qql.cli.render.exchange import parquet_of

    return parquet_of(result)


FORMATS["parquet"] = Format("parquet", _no_lines, (".parquet",), messages=False, content=_parquet)
