"""Errors and warnings for programs: each an object on a line of standard error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest

from qql.errors import Diagnostic, Source, Span, masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.rest.types import JsonObject

__all__ = ["error_object", "named_error_format"]

_OPTION = "--error-format"
_LONGEST = 2000  # characters of a statement; of a longer one there is the part around what is told


def named_error_format(argv: Sequence[str]) -> str:
    """The value of ``--error-format`` among words of a command line that may be at fault itself."""
    named = "text"
    for word, following in zip_longest(argv, argv[1:], fillvalue=""):
        if word == "--":
            break
        if word == _OPTION or word.startswith(f"{_OPTION}="):
            named = word.partition("=")[2] or following
    return named


def error_object(told: Diagnostic) -> JsonObject:
    """``code``, ``severity``, ``message``, ``hint``, ``file``, ``line``, ``column``, ``statement``, ``span``.

    What is not known is null. ``span`` is what is at fault of ``statement``: ``statement[span[0]:span[1]]``.
    Of a statement of more than 2,000 characters there is the part around it.
    """
    statement = None if told.source is None or told.span is None else _statement(told.source, told.span)
    return {
        "code": told.code,
        "severity": told.severity,
        "message": told.message,
        "hint": told.hint,
        "file": None if told.source is None else told.source.name,
        "line": told.line,
        "column": told.column,
        "statement": None if statement is None else statement[0],
        "span": None if statement is None else statement[1],
    }


def _statement(source: Source, span: Span) -> tuple[str, list[int]]:
    """The statement that a span is in, or as much of it as there is room for, and the span in that."""
    text = source.text
    start, end = next(
        ((one.start, one.end) for one in _statements(text) if one.start <= span.start <= one.end),
        (span.start, span.end),
    )
    end = max(end, min(span.end, len(text)))
    if end - start > _LONGEST:
        start = max(start, min(span.start - _LONGEST // 2, end - _LONGEST))
        end = min(end, start + _LONGEST)
    return masked(text[start:end]), [span.start - start, min(span.end, end) - start]


@lru_cache(maxsize=1)
def _statements(text: str) -> list[Span]:
    """Where statements stand: those that parse, and what stands between `;` of all else."""
    from qql.syntax.parser import parse_script

    parsed = [one.span for one in parse_script(Source(text))[0]]
    return [*parsed, *_between_semicolons(text)]


def _between_semicolons(text: str) -> Iterator[Span]:
    from qql.syntax.lexer import cut_here, fault_at, skip_space

    start = at = skip_space(text, 0)
    while at < len(text):
        token = cut_here(text, at)
        if token is None:
            at = max(fault_at(text, at)[1], at + 1)
        elif token.type == "SEMICOLON":
            yield Span(start, token.start)
            start = token.end
        if token is not None:
            at = token.end
        at = skip_space(text, at)
        start = max(start, at) if token is not None and token.type == "SEMICOLON" else start
    yield Span(start, len(text.rstrip()))
