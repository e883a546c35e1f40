"""Errors as data: where in the source, what is wrong, and what to do about it.

QQLError                     everything this package raises on purpose
├── QQLCompileError          the text is at fault; nothing was sent         (exit code 3)
│   ├── QQLSyntaxError       it does not parse
│   ├── QQLPlanError         it parses, but cannot mean anything
│   └── QQLScriptError       several statements of one script are at fault
├── QQLConnectionError       no server or database could be opened          (exit code 4)
│   └── QQLTimeoutError      the server gave up, or did not answer in time
├── QQLExecutionError        the engine or a model refused a statement      (exit code 1)
│   ├── QQLUnsupportedError  this engine cannot do it; the hint names the way round
│   └── QQLModelError        a text could not be turned into a vector
└── QQLRefusedError          it may not be done here; nothing was sent      (exit code 5)
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache

from qql.late import late_pattern
from qql.records import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "Diagnostic",
    "LibraryError",
    "OpenSpan",
    "QQLCompileError",
    "QQLConnectionError",
    "QQLError",
    "QQLExecutionError",
    "QQLModelError",
    "QQLPlanError",
    "QQLRefusedError",
    "QQLScriptError",
    "QQLSyntaxError",
    "QQLTimeoutError",
    "QQLUnsupportedError",
    "Source",
    "Span",
    "did_you_mean",
    "fail",
    "many",
    "masked",
    "shown",
]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters of a source: ``text[start:end]``."""

    start: int
    end: int


class OpenSpan:
    """A span while it is made: whoever makes very many sets its ends and then its class, in half the time."""

    __slots__ = ("end", "start")

    start: int
    end: int


@dataclass(frozen=True, slots=True, repr=False)
class Source:
    """A text as it was given, and the name to show for it (a file name, or ``<string>``).

    A text that is a piece of a longer one knows where it begins there (lines and columns count from 1), and
    what stands ``before`` it and ``after`` it on its first and last line, as far as messages show it.
    """

    text: str
    name: str = "<string>"
    first_line: int = 1
    first_column: int = 1
    before: str = ""
    after: str = ""

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {len(self.text)} characters)"

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both counted from 1; a line ends with LF or CRLF."""
        offset = min(max(offset, 0), len(self.text))
        starts = _line_starts(self.text)
        line = bisect_right(starts, offset)
        column = offset - starts[line - 1] + 1
        if self.text.startswith("\ufeff") and line == 1 and offset:
            column -= 1  # editors do not count a byte-order mark
        if line == 1:
            column += self.first_column - 1
        return line + self.first_line - 1, column

    def line(self, number: int) -> str:
        """The text of a line (counted from 1), without its line end; of a piece's, what it knows of it."""
        starts = _line_starts(self.text)
        number -= self.first_line - 1
        last = number == len(starts)
        end = len(self.text) if last else starts[number] - 1
        before, after = self.before if number == 1 else "", self.after if last else ""
        text = f"{before}{self.text[starts[number - 1] : end]}{after}"
        return text.rstrip("\r").lstrip("\ufeff")

    def hidden(self, number: int) -> int:
        """How many characters of a line stand in front of what `line` gives."""
        return self.first_column - 1 - len(self.before) if number == self.first_line else 0


@lru_cache(maxsize=4)
def _line_starts(text: str) -> list[int]:
    """Where the lines of a text begin; many diagnostics may speak of one long text."""
    return [0, *(match.end() for match in re.finditer("\n", text))]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong, or worth saying.

    ``code`` is words joined by hyphens. ``severity`` is ``"error"``, ``"warning"`` (it stops nothing) or
    ``"advice"`` (it works, and could be better). ``related`` are other places that matter, each with a label.
    """

    code: str
    message: str
    span: Span | None = None
    hint: str | None = None
    related: tuple[tuple[Span, str], ...] = ()
    severity: str = "error"
    source: Source | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Whoever words a message may repeat what a user wrote, and that may be megabytes: it is cut here,
        # where every message passes.
        # Passwords in addresses are masked here for the same reason.
        # A hint is to be typed, so its words are cut only where nobody would.
        if len(self.message) > _LONGEST_WORD or "@" in self.message:
            message = _USER_PART.sub("***", _abbreviated(_with_short_words(self.message)))
            object.__setattr__(self, "message", message)
        if self.hint is not None and (len(self.hint) > _LONG or "@" in self.hint):
            object.__setattr__(self, "hint", _USER_PART.sub("***", _abbreviated(self.hint)))
        if self.related and any(len(label) > _LONGEST_WORD or "@" in label for _, label in self.related):
            related = tuple(
                (span, _USER_PART.sub("***", _abbreviated(_with_short_words(label))))
                for span, label in self.related
            )
            object.__setattr__(self, "related", related)

    @property
    def line(self) -> int | None:
        """The line of the span, counted from 1, or None where no place is known."""
        return self.source.position(self.span.start)[0] if self.source and self.span else None

    @property
    def column(self) -> int | None:
        """The column of the span in characters, counted from 1, or None."""
        return self.source.position(self.span.start)[1] if self.source and self.span else None

    def at(self, source: Source | None = None, span: Span | None = None) -> Diagnostic:
        """The same diagnostic, with the source and span given where it had none of its own."""
        if self.span is not None and self.source is not None:
            return self
        span, source = self.span or span, self.source or source
        return Diagnostic(self.code, self.message, span, self.hint, self.related, self.severity, source)

    def render(self, width: int | None = None) -> str:
        """Plain text: the message, the place, the source line with a caret below it, the hint.

        Of a long source line there is the part around the caret, in at most ``width`` columns.
        """
        out = [f"{self.severity}[{self.code}]: {self.message}"]
        if self.source and self.span:
            out += _snippet(self.source, self.span, "", width)
            for span, label in self.related:
                out += _snippet(self.source, span, label, width)
        if self.hint:
            out.append(f"  = help: {self.hint}")
        return "\n".join(out)

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready form: code, severity, message, and line, column, hint where known."""
        out: dict[str, object] = {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
        }
        if self.source and self.span:
            end_line, end_column = self.source.position(self.span.end)
            out |= {"file": self.source.name, "line": self.line, "column": self.column}
            out |= {"end_line": end_line, "end_column": end_column}
        if self.hint:
            out["hint"] = self.hint
        return out


_LONG, _LONGEST = 300, 1000  # characters of a message that are left alone; that are shown of any
_LONG_WORD = late_pattern(r"\S{300,}")
_LONGEST_WORD = 80  # characters of a word that a message repeats
_TOO_LONG_WORD = late_pattern(rf"(?<!\S)[^\s/\\]{{{_LONGEST_WORD + 1},}}(?!\S)")
"""Paths and addresses are no words: who reads of a file has to find it."""
_USER_PART = late_pattern(
    r"""(?<=://)(?:[^\s'"@/:]{0,200}+:(?!\d+/)[^\s'"@]{0,200}+|[^\s'"@/:]{1,200}+)(?=@)"""
)
"""The user's name and password in an address."""
_API_KEY = late_pattern(r"""(?<=api_key)(['"]?\s{0,9}[=:]\s{0,9}['"])([^'"]{1,200}+)""", re.I)


def masked(text: str) -> str:
    """A part of a statement without passwords and keys, as long as before: a caret may stand below it."""
    if "://" in text:
        text = _USER_PART.sub(lambda found: "*" * len(found[0]), text)
    if "_key" in text.lower():
        text = _API_KEY.sub(lambda found: found[1] + "*" * len(found[2]), text)
    return text


def _with_short_words(text: str) -> str:
    """A text without the middle of each word that is longer than a message repeats."""
    head = _LONGEST_WORD * 5 // 8
    tail = _LONGEST_WORD - head - 1
    return _TOO_LONG_WORD.sub(lambda found: f"{found[0][:head]}…{found[0][-tail:]}", text)


def _abbreviated(text: str) -> str:
    """A message with the middle of a long word left out, and then its own where it is still too long."""
    if len(text) <= _LONG:
        return text
    text = _LONG_WORD.sub(lambda found: f"{found[0][:200]}…{found[0][-50:]}", text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 301]}…{text[-300:]}"


_WIDEST = 160  # characters of a source line that are shown around the caret
_NARROWEST = 12


def _snippet(source: Source, span: Span, label: str, width: int | None = None) -> list[str]:
    line, column = source.position(span.start)
    text, hidden = source.line(line), source.hidden(line)
    widest = _WIDEST if width is None else max(_NARROWEST, min(_WIDEST, width - len(str(line)) - 5))
    if _columns(text[:_WIDEST]) > len(text[:_WIDEST]):
        widest = max(_NARROWEST, widest // 2) if width is not None else widest  # wide characters
    begin = column - 1 - hidden
    length = max(1, min(span.end - span.start, len(text) - begin))
    shown_from = max(0, min(begin - widest // 2, len(text) - widest)) if len(text) > widest else 0
    around = max(0, shown_from - _LONG)
    shown = masked(text[around : shown_from + widest + _LONG])[shown_from - around :][:widest]
    at = begin - shown_from
    marks, first, last = _written(shown, at, widest)
    lead = "…" if shown_from + first else ""
    tail = "…" if shown_from + last < len(text) else ""
    visible = "".join(marks[first:last])
    pad = len(lead) + _columns("".join(marks[first:at]))
    caret = " " * pad + "^" * max(1, _columns("".join(marks[at : min(at + length, last)])))
    margin = " " * len(str(line))
    return [
        f"{margin} --> {source.name}:{line}:{column}",
        f"{margin} |",
        f"{line} | {lead}{visible}{tail}",
        f"{margin} | {caret}" + (f" {label}" if label else ""),
    ]


def _written(shown: str, at: int, widest: int) -> tuple[list[str], int, int]:
    """How each character is shown, and from which to which there is room, around a place."""
    if shown.isascii() and shown.isprintable() and not _TOO_LONG_WORD.search(shown):
        return [*shown], 0, len(shown)
    from qql.visible import pieces

    # A tab is as wide as a space here: the caret has to stand below.
    marks = [" " if char == "\t" else mark for char, mark in zip(shown, pieces(shown), strict=True)]
    room = _LONGEST_WORD if _TOO_LONG_WORD.search(shown) else widest
    first, last = 0, len(marks)
    if room < widest or any(len(mark) > 1 for mark in marks):
        sizes = [*map(_columns, marks)]
        surplus = sum(sizes) - room
        while surplus > 0 and last - first > 1:
            if last - at > at - first:
                last -= 1
                surplus -= sizes[last]
            else:
                surplus -= sizes[first]
                first += 1
    return marks, first, last


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


class QQLError(Exception):
    """Base of all errors of this package. It carries one diagnostic or several."""

    exit_code = 1

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics

    @classmethod
    def make(
        cls,
        code: str,
        message: str,
        span: Span | None = None,
        hint: str | None = None,
        related: tuple[tuple[Span, str], ...] = (),
    ) -> QQLError:
        """An error of this class with one diagnostic; the source may be added later by `at`."""
        return cls(Diagnostic(code, message, span, hint, related))

    def at(self, source: Source | None = None, span: Span | None = None) -> QQLError:
        """The same error with a source and a span for each diagnostic that has none."""
        moved = type(self)(*(d.at(source, span) for d in self.diagnostics))
        moved.__cause__ = self.__cause__
        return moved

    @property
    def diagnostic(self) -> Diagnostic:
        """The first diagnostic."""
        return self.diagnostics[0]

    @property
    def code(self) -> str:
        """The code of the first diagnostic."""
        return self.diagnostic.code

    @property
    def message(self) -> str:
        """The message of the first diagnostic, without its place."""
        return self.diagnostic.message

    @property
    def hint(self) -> str | None:
        """The hint of the first diagnostic."""
        return self.diagnostic.hint

    @property
    def line(self) -> int | None:
        """The line of the first diagnostic, counted from 1."""
        return self.diagnostic.line

    @property
    def column(self) -> int | None:
        """The column of the first diagnostic in characters, counted from 1."""
        return self.diagnostic.column

    def render(self) -> str:
        """Every diagnostic as plain text."""
        return "\n\n".join(d.render() for d in self.diagnostics)

    def __str__(self) -> str:
        return self.render()


class QQLCompileError(QQLError):
    """The text is at fault. Nothing was sent."""

    exit_code = 3


class QQLSyntaxError(QQLCompileError):
    """The text does not parse."""


class QQLPlanError(QQLCompileError):
    """The text parses, but what it says cannot be carried out."""


class QQLScriptError(QQLCompileError):
    """Several statements of a script are at fault; one diagnostic (or more) for each."""


class QQLConnectionError(QQLError):
    """No server answered, or the database could not be opened."""

    exit_code = 4


class QQLTimeoutError(QQLConnectionError):
    """The server said that it gave up (``timed-out``), or we stopped waiting (``no-answer-in-time``).

    Whether a change was made is not known.
    """


class QQLExecutionError(QQLError):
    """The engine refused a statement, or failed at it."""


class QQLUnsupportedError(QQLExecutionError):
    """The engine in use cannot do this; the hint names the way round."""


class QQLModelError(QQLExecutionError):
    """A text could not be turned into a vector."""


class QQLRefusedError(QQLError):
    """It may not be done here: the session is read-only, or nobody has agreed to it. Nothing was sent."""

    exit_code = 5


class LibraryError(Exception):
    """The cause of an error: what a library raised, as the name of its type and its words.

    The library's own exception may hold the request that failed, and so the header with the key.
    """


def fail(
    code: str,
    message: str,
    span: Span | None = None,
    hint: str | None = None,
    related: tuple[tuple[Span, str], ...] = (),
    error: type[QQLError] = QQLPlanError,
) -> NoReturn:
    """Raises an error of the class ``error`` with one diagnostic. Most faults are those of a plan."""
    raise error(Diagnostic(code, message, span, hint, related))


_LONGEST_NAME = 100  # characters of a word that may be a slip of another
_MOST_NAMES = 2000  # names that are compared with it: each comparison takes its time


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the closest of the known words, or None when none is close.

    Of very many names, those are looked at whose length is closest.
    """
    if len(word) > _LONGEST_NAME:
        return None
    by_lower = {name.lower(): name for name in known if len(name) <= 2 * _LONGEST_NAME}
    if not by_lower:  # as of collections, before the first is made
        return None
    names: Iterable[str] = by_lower
    if len(by_lower) > _MOST_NAMES:
        names = sorted(by_lower, key=lambda name: abs(len(name) - len(word)))[:_MOST_NAMES]
    import difflib

    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"did you mean `{by_lower[close[0]]}`?" if close else None


_MOST_BITS = 13_000  # of an integer that is written out; Python refuses to write more than 4,300 digits


def many(count: int, word: str, words: str | None = None) -> str:
    """``1 row``, ``2,000 rows``; ``words`` is the plural where it is not the word and an s."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def shown(value: object, most: int = 40) -> str:
    """A value as QQL writes it, cut to ``most`` characters, for messages."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, tuple)):
        return "an object"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a number of some {round(value.bit_length() * math.log10(2)):,} digits"
    if isinstance(value, str):
        text = f"'{value}'" if len(value) < most else f"'{value[:most]}"
    elif isinstance(value, list):
        text = f"[{', '.join(_first_items(value, most - 2))}]" if most > 2 else "[…]"
    else:
        text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _first_items(values: list[object], room: int) -> Iterator[str]:
    """The items of a list as far as there is room for them, however many there are."""
    for value in values:
        if room < 0:
            return
        text = shown(value, max(room, 1))
        yield text
        room -= len(text)
