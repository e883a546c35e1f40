"""Errors and warnings as text that is safe for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from qql.cli.render.terminal import paint, sanitize
from qql.cli.render.wrapping import wrap_line
from qql.errors import Diagnostic, QQLError
from qql.late import late_pattern
from qql.records import replace

__all__ = ["render_diagnostics", "render_error"]

_HEADING_LINE = late_pattern(r"(error|warning|advice)\[[^\]]*\]")
_SOURCE_LINE = late_pattern(r" *--> | *[0-9]* \| ")
_CARET_LINE = late_pattern(r"( *\| )( *\^.*)")


def render_error(error: QQLError, *, color: bool = False, width: int | None = None) -> str:
    """All diagnostics of an error as text that is safe for a terminal, without a final line end."""
    return render_diagnostics(error.diagnostics, color=color, width=width)


def render_diagnostics(
    diagnostics: Iterable[Diagnostic], *, color: bool = False, width: int | None = None
) -> str:
    """Diagnostics as text that is safe for a terminal, an empty line between two of them."""
    return "\n\n".join(
        _colored_lines(_wrapped(_sanitized(item).render(width), width), color) for item in diagnostics
    )


def _wrapped(text: str, width: int | None) -> str:
    """The text with its long sentences on several lines; source lines and places stay as they are."""
    if width is None:
        return text
    lines = text.split("\n")
    as_it_is = [bool(_SOURCE_LINE.match(line)) for line in lines]
    return "\n".join(
        part
        for line, kept in zip(lines, as_it_is, strict=True)
        for part in ([line] if kept else wrap_line(line, width))
    )


def _sanitized(item: Diagnostic) -> Diagnostic:
    source = item.source and replace(item.source, name=sanitize(item.source.name))
    return replace(
        item,
        message=sanitize(item.message, newline="\n    "),
        hint=item.hint and sanitize(item.hint, newline="\n    "),
        related=tuple((span, sanitize(label)) for span, label in item.related),
        source=source,
    )


def _colored_lines(text: str, color: bool) -> str:
    return "\n".join(_colored_line(line) for line in text.split("\n")) if color else text


def _colored_line(line: str) -> str:
    if head := _HEADING_LINE.match(line):
        return paint(head[0], head[1], True) + paint(line[head.end() :], "bold", True)
    if caret := _CARET_LINE.fullmatch(line):
        return paint(caret[1], "faint", True) + paint(caret[2], "error", True)
    if line.startswith("  = help:"):
        return paint("  = help:", "help", True) + line[len("  = help:") :]
    return line
