"""The report of `qql diff`, `eval`, `bench` and `tune`: tables for people, data for programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qql.cli.commands.options import Arguments
from qql.cli.commands.output import format_of, open_output, use_color
from qql.cli.render import Renderer, sanitize, text_width
from qql.cli.usage import UsageError
from qql.evaluation.sections import Section
from qql.records import replace
from qql.rest.types import JsonObject
from qql.result import Result

__all__ = [
    "IDS_ELSEWHERE",
    "check_output",
    "show_report",
    "without_bare_ids",
]

IDS_ELSEWHERE = "the points by their titles; a wider terminal, or --format vertical, shows their ids"


def check_output(args: Arguments) -> None:
    """Raises `UsageError` where ``-o`` cannot be written, before much time is spent."""
    if "output" in args:
        path = Path(args["output"])
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError.make("file-unwritable", f"cannot write {path}")


def show_report(
    args: Arguments,
    console: Renderer,
    sections: Sequence[Section],
    data: JsonObject,
    rows: list[JsonObject],
) -> None:
    """Writes the result: ``sections`` for people, ``data`` as JSON, ``rows`` as jsonl and csv."""
    with open_output(args, console) as file:
        console.format = format_of(args, "table")
        console.color = use_color(args, file)
        console.timing = False
        match console.format:
            case "json":
                console.put_json(data)
            case "jsonl" | "csv":
                console.show(Result("rows", rows=rows))
            case _:
                for number, section in enumerate(sections):
                    _show_section(console, section, first=not number)


def _show_section(console: Renderer, section: Section, *, first: bool) -> None:
    marked = console.format == "markdown"
    if section.title:
        lead = () if first else ("",)
        title = sanitize(section.title)
        console.put(*lead, f"### {title}" if marked else title, *([""] if marked else ()))
    if section.rows:
        fresh = replace(console)  # a renderer puts an empty line between two tables; here it has its place
        fresh.show(Result("rows", rows=section.rows))
    if section.text:
        console.put(*(["```sql"] if marked else []), section.text.rstrip("\n"), *(["```"] if marked else []))
    for note in section.notes:
        put = console.put if marked else console.put_text
        put(*([""] if marked else ()), sanitize(note))


def without_bare_ids(rows: Sequence[JsonObject], width: int | None) -> list[JsonObject]:
    """Rows with ``id`` and ``title``, without the ids where both do not fit and each title is another.

    An id alone tells people nothing, and takes 36 cells where it is a UUID.
    """
    titles = [row.get("title") for row in rows]
    natural = 1 + sum(
        3 + max(text_width(str(value)) for value in (name, *(row[name] for row in rows)))
        for name in (rows[0] if rows else ())
    )
    if width is None or natural <= width or not all(titles) or len({*titles}) < len(titles):
        return list(rows)
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]
