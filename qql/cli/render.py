"""Results and errors as text: a table for people, exact formats for programs.

A payload is somebody else's text. Before it reaches a terminal `sanitize` makes everything visible in it that
could drive the terminal, reorder a line or change its width. Rich gives widths and boxes only, so its markup
is never read, and a table of 10,000 rows takes 0.2 s.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import re
import shutil
import struct
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from qql.errors import Diagnostic, QQLError, QQLExecutionError, Source
from qql.result import Hit, Result

__all__ = [
    "FORMATS",
    "ProgressBar",
    "Renderer",
    "json_text",
    "render",
    "render_diagnostics",
    "render_error",
    "sanitize",
    "wants_color",
]

# ---------------------------------------------------------------------------------------------- the sanitizer

# Controls (C0, DEL, C1), line and paragraph separators, bidi marks, embeddings, overrides and isolates,
# invisible characters whose width terminals do not agree on, tags, and lone surrogates. Joiners (U+200C,
# U+200D) and variation selectors stay: Persian, Hindi and emoji need them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# What JSON may leave raw inside a string, and a terminal must not see.
_JSON_UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if code < 0x100:
        return _NAMED.get(char) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def sanitize(text: str, *, newline: str | None = None) -> str:
    """The text with all that could drive a terminal written as a visible escape (``\\x1b``, ``\\u202e``).

    A line end becomes ``\\n`` written out, or ``newline`` where that is given.
    """
    if newline is None:
        return _UNSAFE.sub(_escape, text)
    return newline.join(_UNSAFE.sub(_escape, line) for line in text.replace("\r\n", "\n").split("\n"))


# ------------------------------------------------------------------------------------------------------- JSON


def json_text(value: Any, *, ascii_only: bool = False, indent: int | None = None) -> str:
    """JSON that reads back as the same value: integers in full, floats by ``repr``, text as it is.

    Control and bidi characters are written as ``\\uXXXX``, which is the same string to a JSON reader. JSON
    has no NaN and no infinity: they become the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(
            value, ensure_ascii=ascii_only, allow_nan=False, indent=indent, separators=separators
        )
    except ValueError:
        return json_text(_finite(value), ascii_only=ascii_only, indent=indent)
    return _JSON_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return value


# ------------------------------------------------------------------------------------------------------ cells

_MISSING: Any = object()
_RESERVED = frozenset({"group", "id", "score", "payload", "vector", "lookup", "stages"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _single(value: float) -> str:
    """The shortest decimal that names this number among 32-bit floats (which scores are); else its repr."""
    try:
        if struct.unpack("f", struct.pack("f", value))[0] != value:
            return repr(value)
    except OverflowError:
        return repr(value)
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if struct.unpack("f", struct.pack("f", short))[0] == value:
            return repr(short)
    return repr(value)


def _plain(value: Any) -> str:
    """A value as the text of a cell: strings bare, the rest as compact JSON, nothing for a missing one."""
    if value is _MISSING:
        return ""
    return value if isinstance(value, str) else json_text(value)


def _shower(result: Result, name: str) -> Callable[[Any], str]:
    """How people are shown the values of a column: scores in 32 bits, as the engines compute them."""
    if result.kind == "hits" and name in ("score", "first_stage_score"):
        return lambda value: _single(value) if isinstance(value, float) else _plain(value)
    if result.kind == "hits" and name == "stages":
        return _stages
    return _plain


def _stages(shares: Any) -> str:
    """Where a hit stood in the stages that have it, and the share of its score: ``dense #3 (62%)``."""
    if shares is _MISSING:
        return ""
    return ", ".join(
        f"{one['stage']} #{one['rank']}" + (f" ({one['share']:.0%})" if one["share"] is not None else "")
        for one in shares
        if one["rank"] is not None
    )


def _flat(result: Result, *, packed: bool = False) -> tuple[list[str], list[list[Any]]]:
    """Column names, and rows of values in that order (`_MISSING` where a point has no such key).

    Hits give group, id, score, a column for each payload key (or one ``payload`` column when packed), vector,
    lookup and stages, of these what some hit has; a payload key that is called like one is shown as
    ``payload.id``.
    """
    if result.kind != "hits":
        rows = result.to_dicts()
        names = list(dict.fromkeys(name for row in rows for name in row))
        return names, [[row.get(name, _MISSING) for name in names] for row in rows]
    hits = result.hits
    loaded = any(hit.payload is not None for hit in hits)
    before, behind = (
        [name for name in names if name == "id" or any(_present(hit, name) is not _MISSING for hit in hits)]
        for names in (("group", "id", "score", "first_stage_score"), ("vector", "lookup", "stages"))
    )
    keys = [] if packed else list(dict.fromkeys(key for hit in hits for key in hit.payload or ()))
    before += ["payload"] * (packed and loaded)
    names = [*before, *(f"payload.{key}" if key in _RESERVED else key for key in keys), *behind]
    table = []
    for hit in hits:
        payload = hit.payload or {}
        row = [_present(hit, name) for name in before]
        row += [payload.get(key, _MISSING) for key in keys]
        table.append(row + [_present(hit, name) for name in behind])
    return names, table


def _present(hit: Hit, name: str) -> Any:
    value = getattr(hit, name)
    if name == "stages":
        return [share.to_dict() for share in value] or _MISSING
    return _MISSING if value is None else value


# ----------------------------------------------------------------------------------------- columns and widths

_LEAST = 8  # cells that a column of text keeps, however narrow the terminal is
_MOST_KEYS = 8  # payload keys that become columns; with more of them the payload stays in one piece


@dataclass(slots=True)
class _Column:
    header: str
    cells: list[str]
    right: bool  # numbers
    whole: bool  # ids and numbers: never cut
    width: int


def _column(name: str, values: list[Any], show: Callable[[Any], str], limit: int | None) -> _Column:
    from rich.cells import cell_len

    present = [value for value in values if value is not _MISSING and value is not None]
    number = bool(present) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in present)
    whole = number or all(isinstance(v, int | float) or _is_id(v) for v in present)
    cells = []
    for value in values:
        text = show(value)
        if limit is not None and len(text) > 4 * limit:  # megabytes need not be measured to be cut
            text = text[: 4 * limit] + "…"
        cells.append(sanitize(text))
    header = sanitize(name)
    return _Column(
        header, cells, number, whole, max(cell_len(header), max(map(cell_len, cells), default=0), 1)
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _columns(result: Result, limit: int | None, *, packed: bool = False) -> list[_Column]:
    names, rows = _flat(result, packed=packed)
    return [
        _column(name, [row[at] for row in rows], _shower(result, name), limit)
        for at, name in enumerate(names)
    ]


def _fit(columns: list[_Column], limit: int | None) -> bool:
    """Narrow the columns of text until the table is ``limit`` cells wide. False where that cannot be done."""
    if limit is None:
        return True
    room = limit - 3 * len(columns) - 1 - sum(column.width for column in columns if column.whole)
    texts = sorted((column for column in columns if not column.whole), key=lambda column: column.width)
    if room < sum(min(column.width, _LEAST) for column in texts):
        return False
    for at, column in enumerate(texts):
        column.width = min(column.width, room // (len(texts) - at))
        room -= column.width
    return True


def _cell(text: str, column: _Column, dots: str) -> tuple[str, bool]:
    """The text in exactly the column's width, and whether it had to be cut."""
    from rich.cells import cell_len, set_cell_size

    size = cell_len(text)
    if size > column.width:
        return set_cell_size(text, max(0, column.width - len(dots))) + dots[: column.width], True
    pad = " " * (column.width - size)
    return (pad + text if column.right else text + pad), False


# ---------------------------------------------------------------------------------------------------- formats


@dataclass(frozen=True, slots=True)
class _View:
    """How the output looks: cells across (None: no limit), colour, and what its encoding can hold."""

    width: int | None
    color: bool
    ascii_only: bool
    terminal: bool
    timing: bool


Format = Callable[[Result, _View], Iterator[str]]
FORMATS: dict[str, Format] = {}
"""Name → a function that gives a result's lines. A new format is one more function here."""


def _format(name: str) -> Callable[[Format], Format]:
    def register(function: Format) -> Format:
        FORMATS[name] = function
        return function

    return register


_STYLES = {"error": "1;31", "warning": "1;33", "advice": "1;35", "help": "36", "faint": "2", "bold": "1"}


def _paint(text: str, style: str, color: bool) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and text else text


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def _footer(result: Result, view: _View, cut: bool = False) -> str:
    parts = ["1 row" if len(result) == 1 else f"{len(result)} rows"]
    if view.timing:
        parts.append(_duration(result.seconds))
    note = "; long values are cut, the format `vertical` shows them whole" if cut else ""
    return _paint(f"({', '.join(parts)}{note})", "faint", view.color)


def _said(result: Result, view: _View) -> Iterator[str]:
    """The lines of a result that is a message or a text."""
    if result.kind == "text":
        yield from (sanitize(line) for line in result.message.splitlines())
        return
    time = _paint(f" ({_duration(result.seconds)})", "faint", view.color) if view.timing else ""
    yield sanitize(result.message) + time


@_format("table")
def _table(result: Result, view: _View) -> Iterator[str]:
    """Boxes for people. What does not fit in the width is cut with an ellipsis; ids and numbers never are."""
    if result.kind not in ("hits", "rows"):
        yield from _said(result, view)
        return
    if not len(result):
        yield _footer(result, view)
        return
    for packed in (True,) if _crowded(result) else (False, True):
        columns = _columns(result, view.width, packed=packed)
        if _fit(columns, view.width):
            yield from _boxed(result, columns, view)
            return
    yield from _vertical(result, view)


def _crowded(result: Result) -> bool:
    return len({key for hit in result.hits for key in hit.payload or ()}) > _MOST_KEYS


def _boxed(result: Result, columns: list[_Column], view: _View) -> Iterator[str]:
    from rich import box as boxes

    box, dots = (boxes.ASCII, "...") if view.ascii_only else (boxes.SQUARE, "…")
    padded = [column.width + 2 for column in columns]
    bar = _paint(box.mid_vertical, "faint", view.color)
    yield _paint(box.get_top(padded), "faint", view.color)
    titles = [_paint(_cell(column.header, column, dots)[0], "bold", view.color) for column in columns]
    yield f"{bar} {f' {bar} '.join(titles)} {bar}"
    yield _paint(box.get_row(padded, "head"), "faint", view.color)
    lost = False
    for at in range(len(columns[0].cells)):
        line = []
        for column in columns:
            text, cut = _cell(column.cells[at], column, dots)
            lost |= cut
            line.append(text)
        yield f"{bar} {f' {bar} '.join(line)} {bar}"
    yield _paint(box.get_bottom(padded), "faint", view.color)
    yield _footer(result, view, lost)


@_format("vertical")
def _vertical(result: Result, view: _View) -> Iterator[str]:
    """One ``key | value`` line for each field, whole; line ends inside a value continue below it."""
    from rich.cells import cell_len

    if result.kind not in ("hits", "rows"):
        yield from _said(result, view)
        return
    names, rows = _flat(result)
    headers = [sanitize(name) for name in names]
    size = max(map(cell_len, headers), default=0)
    rule, bar = ("-", "|") if view.ascii_only else ("─", "│")
    for number, row in enumerate(rows, 1):
        yield _paint(f"{rule * 2}[ {number} ]{rule * 20}", "faint", view.color)
        for header, name, value in zip(headers, names, row, strict=True):
            if value is _MISSING:
                continue
            text = _shower(result, name)(value)
            label = _paint(header, "bold", view.color) + " " * (size - cell_len(header))
            margin = f"\n{' ' * size} {bar} "
            yield f"{label} {bar} {sanitize(text, newline=margin)}"
    yield _footer(result, view)


@_format("json")
def _json(result: Result, view: _View) -> Iterator[str]:
    """One array for each statement, with one object on a line."""
    items = [json_text(item, ascii_only=view.ascii_only) for item in result.to_dicts()]
    yield "[" + ",\n ".join(items) + "]"


@_format("jsonl")
def _jsonl(result: Result, view: _View) -> Iterator[str]:
    """One object on a line."""
    for item in result.to_dicts():
        yield json_text(item, ascii_only=view.ascii_only)


@_format("csv")
def _csv(result: Result, view: _View) -> Iterator[str]:
    """RFC 4180 with a header; null and a missing key are empty, lists and objects are JSON."""
    show = sanitize if view.terminal else str
    names, rows = _flat(result)
    for row in [names, *rows] if names else []:
        line = io.StringIO()
        cells = ["" if value is None else show(_plain(value)) for value in row]
        csv.writer(line, lineterminator="").writerow(cells)
        yield line.getvalue()


_MARKDOWN = re.compile(r"[\\|`*<\[\]]")


@_format("markdown")
def _markdown(result: Result, view: _View) -> Iterator[str]:
    """A GitHub table, for pasting into an issue."""
    if result.kind == "text":
        yield from ("```", *_said(result, view), "```")
        return
    columns = _columns(result, None)
    if not len(columns[0].cells if columns else ()):
        yield "(0 rows)"
        return
    yield _markdown_row(column.header for column in columns)
    yield "|" + "|".join(" ---: " if column.right else " --- " for column in columns) + "|"
    for at in range(len(columns[0].cells)):
        yield _markdown_row(column.cells[at] for column in columns)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_MARKDOWN.sub(r"\\\g<0>", cell) for cell in cells) + " |"


# --------------------------------------------------------------------------------------------------- renderer

_FOR_PEOPLE = ("table", "vertical")


@dataclass(slots=True)
class Renderer:
    """Where results go and how they look; a prompt changes the fields while it runs.

    ``width`` is in terminal cells (None: that of the terminal; no limit elsewhere). Warnings and errors go to
    ``err`` or else to ``file``, but never a warning among the lines of a machine format. ``quiet`` leaves out
    notes, and the messages of statements that only do something. ``secrets`` are texts that no error shows,
    whatever a library put into its message.
    """

    file: TextIO
    format: str = "table"
    width: int | None = None
    color: bool = False
    timing: bool = True
    quiet: bool = False
    err: TextIO | None = None
    err_color: bool = False
    secrets: tuple[str, ...] = ()
    _shown: int = field(default=0, init=False)

    def show(self, result: Result) -> None:
        """Write a result. Raises as `put` does, and KeyError for an unknown format."""
        if not (self.quiet and result.kind == "message"):
            if self._shown and self.format in ("csv", "markdown"):
                self.put("")  # two tables in a row would read as one
            self._shown += 1
            self.put(*FORMATS[self.format](result, self._view()))
        self.warn(result.warnings)

    def put(self, *lines: str) -> None:
        """Write lines as they are.

        Raises `QQLExecutionError` where the file does not take them, BrokenPipeError where nobody reads it.
        """
        try:
            self.file.writelines(line + "\n" for line in lines)
            self.file.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise QQLExecutionError.make(
                "output-unwritable", f"cannot write results: {exc.strerror}"
            ) from exc

    @property
    def ascii_only(self) -> bool:
        """Whether the file's encoding lacks most characters."""
        return not _holds(self.file, "…─│é")

    def warn(self, warnings: Iterable[Diagnostic]) -> None:
        """Write diagnostics where warnings go."""
        if self.err is not None or self.format in _FOR_PEOPLE:
            self._say(render_diagnostics(warnings, color=self.err_color))

    def error(self, error: QQLError) -> None:
        """Write an error."""
        self._say(render_error(error, color=self.err_color))

    def note(self, text: str) -> None:
        """Write a remark, unless quiet."""
        if not self.quiet:
            self._say(_paint(sanitize(text, newline="\n"), "faint", self.err_color))

    def crash(self, fault: BaseException) -> None:
        """Write one line about a fault of this program, below its traceback with QQL_DEBUG=1."""
        said = sanitize(f"{type(fault).__name__}: {fault}")
        if os.environ.get("QQL_DEBUG") == "1":
            self._say(sanitize("".join(traceback.format_exception(fault)).rstrip(), newline="\n"))
        self._say(f"internal error: {said} (a fault of qql, please report it; QQL_DEBUG=1 shows where)")

    def _say(self, text: str) -> None:
        if not text:
            return
        for secret in self.secrets:
            text = text.replace(secret, "***")
        to = self.err or self.file
        with contextlib.suppress(BrokenPipeError):  # nobody reads it; the results may still be wanted
            to.write(text + "\n")
            to.flush()

    def _view(self) -> _View:
        terminal = self.file.isatty()
        width = self.width
        if width is None and terminal:
            width = shutil.get_terminal_size().columns
        return _View(width, self.color, self.ascii_only, terminal, self.timing)


def _holds(file: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def render(
    result: Result, format: str, *, width: int | None = None, color: bool = False, file: TextIO | None = None
) -> None:
    """Write one result in one of the `FORMATS` (to standard output unless a file is given)."""
    Renderer(file or sys.stdout, format, width, color, err_color=color).show(result)


def wants_color(file: TextIO) -> bool:
    """Whether to colour what goes to this file: a terminal that is not dumb, and NO_COLOR is not set."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


# ----------------------------------------------------------------------------------------------------- errors

_HEAD = re.compile(r"(error|warning|advice)\[[^\]]*\]")
_CARET = re.compile(r"( *\| )( *\^.*)")


def render_error(error: QQLError, *, color: bool = False) -> str:
    """All diagnostics of an error as text that is safe for a terminal, without a final line end."""
    return render_diagnostics(error.diagnostics, color=color)


def render_diagnostics(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """Diagnostics as text that is safe for a terminal, an empty line between two of them."""
    return "\n\n".join(_colored(_clean(item).render(), color) for item in diagnostics)


def _clean(item: Diagnostic) -> Diagnostic:
    source = item.source and Source(item.source.text, sanitize(item.source.name))
    return replace(
        item,
        message=sanitize(item.message, newline="\n    "),
        hint=item.hint and sanitize(item.hint, newline="\n    "),
        related=tuple((span, sanitize(label)) for span, label in item.related),
        source=source,
    )


def _colored(text: str, color: bool) -> str:
    return "\n".join(_colored_line(line) for line in text.split("\n")) if color else text


def _colored_line(line: str) -> str:
    if head := _HEAD.match(line):
        return _paint(head[0], head[1], True) + _paint(line[head.end() :], "bold", True)
    if caret := _CARET.fullmatch(line):
        return _paint(caret[1], "faint", True) + _paint(caret[2], "error", True)
    if line.startswith("  = help:"):
        return _paint("  = help:", "help", True) + line[len("  = help:") :]
    return line


# --------------------------------------------------------------------------------------------------- progress


def _done(done: int, total: int | None) -> str:
    return f"{done:,} of {total:,}" if total else f"{done:,}"


class ProgressBar:
    """A `Progress` that draws on a file: a live bar on a terminal, a line for each tenth elsewhere."""

    def __init__(self, file: TextIO, *, color: bool = False) -> None:
        self._file = file
        self._color = color
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._said: tuple[str, int] | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` (None: not known) is done."""
        what = sanitize(what)
        if self._file.isatty():
            self._draw(what, done, total)
        elif self._said != (step := (what, done * 10 // total if total else 0)):
            self._said = step
            self._file.write(f"{what}: {_done(done, total)}\n")
            self._file.flush()

    def _draw(self, what: str, done: int, total: int | None) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[done]}", markup=False),
                TimeElapsedColumn(),
                console=Console(file=self._file, no_color=not self._color),
                transient=True,
            )
            self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total, done="")
        self._bar.update(self._tasks[what], completed=done, total=total, done=_done(done, total))

    def clear(self) -> None:
        """Take the bar off the screen; the next call starts another."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._tasks, self._said = None, {}, None
