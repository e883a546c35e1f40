"""A person as a judge: each document with its query on the terminal, and a key for what it is worth.

What could sway the judge is not shown: neither the ranks of a document, nor the pipeline that found it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from qql.cli.render.terminal import can_encode, paint, sanitize, size_of_terminal, wants_color
from qql.cli.render.wrapping import wrap_line
from qql.cli.usage import UsageError
from qql.errors import many
from qql.evaluation.judging.judges import SKIPPED, STOPPED, UNDONE, Answer
from qql.records import dataclass

if TYPE_CHECKING:
    from qql.evaluation.judging.judging import Question

__all__ = ["Person", "excerpt"]

_KEYS = {"s": SKIPPED, "u": UNDONE, "q": STOPPED}
_MORE = "m"
_END = ("", "\x04")  # of the input; Ctrl-D
_MOST_KEYS = 9  # a grade that is one key
_LINES = 8  # of a document, before `m`


@dataclass(slots=True)
class Person:
    """Asks whoever sits at the terminal by single keys; what is no terminal gives an answer on each line."""

    source: str
    grades: int
    reads: bool = True
    reads_ids: bool = True
    given: int = 0
    line: int = 0
    clear: Callable[[], None] | None = None
    """Takes away what else stands on the last line of the terminal."""

    def answer(self, question: Question) -> Answer:
        """Raises `UsageError` ``bad-answer`` for a line that is none, where nobody can be asked again."""
        if self.clear is not None:
            self.clear()
        self._show(question)
        while True:
            self._write(f"{self._choices()}: ", end="")
            word = self._read()
            if word == _MORE:
                self._write("")
                self._text(question, whole=True)
                continue
            found = self._meant(word)
            if found is not None:
                self.given += (
                    1 if found.relevance is not None else -1 if found is UNDONE and self.given else 0
                )
                return found
            if not sys.stdin.isatty():
                message = f"line {self.line} of the answers is {word[:40]!r}"
                raise UsageError.make("bad-answer", message, hint=f"{self._choices()}")
            self._write(f"that is none of {self._choices()}")

    def _choices(self) -> str:
        return f"0-{self.grades}, s skip, u undo, m more, q quit"

    def _meant(self, word: str) -> Answer | None:
        if word in _END:
            return STOPPED
        if re.fullmatch("[0-9]{1,4}", word) and int(word) <= self.grades:
            return Answer(int(word))
        return _KEYS.get(word.lower())

    # ---------------------------------------------------------------------------- what is shown

    def _show(self, question: Question) -> None:
        rule = paint(f"-- {many(self.given, 'judgement')} so far", "faint", wants_color(sys.stderr))
        self._write("", rule)
        self._write(*self._wrapped(f"Query     {question.text}"))
        self._write(*self._wrapped(f"Document  {question.document}"))
        self._text(question, whole=False)

    def _text(self, question: Question, *, whole: bool) -> None:
        text = question.document_text
        if not text:
            self._write("  (it has no text; --doc-field names another field)")
        elif whole:
            for line in text.splitlines():
                self._write(*self._wrapped(f"  {line}"))
        else:
            width, _ = self._size()
            self._write(*self._wrapped(f"  {excerpt(text, question.text, (width - 4) * _LINES, self._dots)}"))

    @property
    def _dots(self) -> str:
        return "…" if can_encode(sys.stderr, "…") else "..."

    def _size(self) -> tuple[int, int]:
        return size_of_terminal(sys.stderr) if sys.stderr.isatty() else (80, 24)

    def _wrapped(self, line: str) -> Iterator[str]:
        yield from wrap_line(sanitize(line), self._size()[0])

    def _write(self, *lines: str, end: str = "\n") -> None:
        sys.stderr.write("\n".join(lines) + end)
        sys.stderr.flush()

    # ---------------------------------------------------------------------------- what is typed

    def _read(self) -> str:
        if self.grades <= _MOST_KEYS and sys.stdin.isatty():
            with contextlib.suppress(ImportError):  # Windows has no termios; there, keys end with Enter
                word = _one_key(sys.stdin.fileno())
                self._write(sanitize(word) if word.isprintable() else "")
                return word
        line = sys.stdin.readline()
        self.line += 1
        if not sys.stdin.isatty():
            self._write(sanitize(line.strip()))
        return line.strip() if line else ""


def _one_key(terminal: int) -> str:
    """The next key, without Enter. Of keys that send several characters, as arrows do, the first is all."""
    import termios
    import tty

    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        key = os.read(terminal, 64).decode("utf-8", "replace")
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    return key[:1]


def excerpt(text: str, query: str, most: int, dots: str = "…") -> str:
    """A part of a text of about ``most`` characters, around the first of the query's words that it has."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    words = sorted(re.findall(r"\w{3,}", query), key=len, reverse=True)
    found = re.search("|".join(map(re.escape, words)), line, re.IGNORECASE) if words else None
    start = max(found.start() - most // 3, 0) if found else 0
    start = min(start, len(line) - most)
    if start:
        start = line.find(" ", start) + 1 or start
    end = start + most
    if end < len(line):
        end = line.rfind(" ", start, end) if " " in line[start:end] else end
    return (dots if start else "") + line[start:end] + (dots if end < len(line) else "")
