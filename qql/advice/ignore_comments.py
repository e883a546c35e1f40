"""``-- qql: ignore code, …``: what a comment keeps quiet, and what is wrong about such comments.

A comment speaks of the statement that it stands in front of, in, or behind on the same line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from qql.errors import Diagnostic, QQLSyntaxError, Source, Span, did_you_mean
from qql.late import late_pattern
from qql.records import dataclass
from qql.syntax.lexer import cut, skip_space
from qql.syntax.parser import parse_script

__all__ = ["IgnoreComments", "unsilenced"]

_COMMENT = late_pattern(r"--[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/")
_MARKED = late_pattern("qql:", re.IGNORECASE)
_OURS = late_pattern(r"(?:--|/\*)\s*(?P<word>qql):\s*(?P<said>.*?)\s*(?:\*/)?", re.DOTALL | re.IGNORECASE)
_IGNORE = late_pattern(r"ignore\b[\s:]*(?P<codes>.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Ignore:
    """One comment: its place, the number of its statement (None: there is none), and its codes."""

    span: Span
    said: str
    statement: int | None
    codes: tuple[str, ...]


class IgnoreComments:
    """The comments of a source that speak to lint; ``statements`` are the places of its statements."""

    def __init__(self, source: Source, statements: Sequence[Span]) -> None:
        self.source = source
        self.statements = statements
        self.found: list[_Ignore] = list(self._find_ignores()) if _MARKED.search(source.text) else []

    def _find_ignores(self) -> Iterator[_Ignore]:
        for match in _all_comments(self.source.text):
            ours = _OURS.fullmatch(match[0])
            if ours is None:
                continue
            ignore = _IGNORE.fullmatch(ours["said"])
            if ignore is None and ours["word"] != "qql":  # the language is spoken of
                continue
            codes = tuple(re.findall(r"[\w-]+", ignore["codes"])) if ignore else ()
            span = Span(match.start(), match.end())
            yield _Ignore(span, ours["said"], self._statement_of_comment(match.start()), codes)

    def _statement_of_comment(self, at: int) -> int | None:
        before = self._statement_before(at)
        if before >= 0 and "\n" not in self.source.text[self.statements[before].end : at]:
            return before
        return before + 1 if before + 1 < len(self.statements) else None

    def _statement_before(self, at: int) -> int:
        """The number of the last statement that starts at a place or before it; −1 where there is none."""
        return bisect_right(self.statements, at, key=lambda span: span.start) - 1

    def _subject(self, one: Diagnostic) -> tuple[int | None, str]:
        """The statement and the code of a diagnostic, which a comment names to silence it."""
        return (self._statement_before(one.span.start) if one.span else None), one.code

    def unsilenced(self, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """What no comment silences. Errors cannot be silenced."""
        silent = {(one.statement, code) for one in self.found for code in one.codes}
        return [one for one in found if one.severity == "error" or self._subject(one) not in silent]

    def faults(
        self, found: Sequence[Diagnostic], codes: Collection[str], *, sound: bool
    ) -> Iterator[Diagnostic]:
        """What is wrong about the comments themselves; ``codes`` are all that there are.

        Which of them are idle is known where the script compiles (``sound``) only.
        """
        subjects = {self._subject(one) for one in found}
        for ignore in self.found:
            if not ignore.codes:
                message = f"lint does not know what `qql: {ignore.said[:40]}` asks for"
                yield self._fault("bad-ignore", message, ignore, "write -- qql: ignore code", "warning")
            for code in ignore.codes:
                if code not in codes:
                    hint = did_you_mean(code, codes) or "qql lint --rules lists the codes"
                    message = f"there is no advice or warning `{code}`"
                    yield self._fault("bad-ignore", message, ignore, hint, "warning")
                elif sound and (ignore.statement, code) not in subjects:
                    message = f"`{code}` is not said of this statement"
                    message = message if ignore.statement is not None else "no statement follows this comment"
                    yield self._fault("unused-ignore", message, ignore, "leave the comment out", "advice")

    def _fault(self, code: str, message: str, ignore: _Ignore, hint: str, severity: str) -> Diagnostic:
        return Diagnostic(code, message, ignore.span, hint, severity=severity, source=self.source)


def unsilenced(found: Sequence[Diagnostic], source: Source) -> list[Diagnostic]:
    """What the comments of the source do not silence."""
    return _comments_of(source).unsilenced(found) if found else []


@lru_cache(maxsize=2)
def _comments_of(source: Source) -> IgnoreComments:
    marked = _MARKED.search(source.text) is not None
    return IgnoreComments(source, [one.span for one in parse_script(source)[0]] if marked else [])


def _all_comments(text: str) -> Iterator[re.Match[str]]:
    """Every comment; after something that is no QQL, none."""
    pos = 0
    while pos < len(text):
        end = skip_space(text, pos)
        yield from _COMMENT.finditer(text, pos, end)
        try:
            pos = max(cut(text, end).end, end + 1)
        except QQLSyntaxError:
            return
