"""A script of any length → pieces of whole statements, cut while it is read.

What can hide a `;` is known here (strings, comments, BATCH); what a statement is, the parser knows. Where a
script has no `;`, it is asked: it parses what is there, and the piece ends where its last statements begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from qql.errors import QQLSyntaxError, Source, Span
from qql.late import Protocol, late_pattern
from qql.syntax.lexer import BLANK, STARTERS, bad_character, cut_here, fault_at, skip_space, syntax_error

__all__ = ["Pieces", "cut_pieces", "in_pieces", "last_boundaries"]

WHOLE = 1 << 20
"""Characters (bytes, of a file) up to which a script is one piece."""
PIECE = 1 << 18
"""Characters of a piece, unless it is one statement that has more."""
_LOOKAHEAD = 5
"""Terminals behind a cut without `;` that have to be known: the parser looks at four at most."""
_INDENT = 80  # characters before a word that are looked at
_SHOWN = 640
"""Characters of a line that messages may show beside a place in it."""

_REST_OF_LINE = late_pattern(r"(?:[ \t\r]++|--[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")


class Pieces(Protocol):
    """A script that is read as often as its pieces are asked for, always the same."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def __iter__(self) -> Iterator[Source]:
        """Its pieces, from the first."""

    def require_unchanged(self) -> None:
        """Raises an error where it is not what it was when its pieces were asked for."""


@cache
def _run(*, final: bool, batch: bool) -> re.Pattern[str]:
    """What neither ends a statement nor may begin one. Its group ``last`` is what was read last.

    Until the text is there to its end (``final``), three quotes without their like are no empty string.
    """
    unclosed = "" if final else "(?!'''|\"\"\")"
    signs = "{}" if batch else ""
    words = "" if batch else rf"(?!(?i:{'|'.join(sorted(STARTERS))})(?![A-Za-z0-9_$]))"
    return re.compile(
        rf"""(?P<last>
          [^'"`;/\-A-Za-z_${signs}]++
        | [rR](?:'[^']++'|"[^"]++")
        | (?![rR]['"]) {words} [A-Za-z_$][A-Za-z0-9_$]*+(?:\.[A-Za-z_$][A-Za-z0-9_$]*+)*+
        | '''(?:[^']++|'(?!''))*+''' | \"""(?:[^"]++|"(?!""))*+\"""
        | {unclosed} (?: '(?:[^'\\]++|\\.|'')*+' | "(?:[^"\\]++|\\.)*+" | `[^`]*+` )
        | --[^\n]*+ | -(?!-)
        | /\*(?:[^*]++|\*(?!/))*+\*/ | /(?!\*)
        )*+""",
        re.VERBOSE | re.DOTALL,
    )


class _Window:
    """The part of a script that is being looked at; it begins with a statement."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.final = False  # whether the script ends with it
        self.at = 0  # up to here it was read
        self.depth = 0  # braces that are open since BATCH, whose statements end with `;` too
        self.ends: list[int] = []  # behind each `;`
        self.beginnings: list[int] = []  # words at the start of a line that may begin a statement
        self.line, self.column, self.before = 1, 1, ""

    # -- reading

    def add(self, text: str) -> None:
        self.text += text

    def scan(self) -> None:
        """Finds where statements end, as far as what follows cannot change it."""
        while self.at < len(self.text):
            found = _run(final=self.final, batch=self.depth > 0).match(self.text, self.at)
            stop = found.end() if found else self.at
            if found and stop == len(self.text) and not self.final:
                # The last of it may go on in what was not read yet.
                self.at = max(self.at, found.start("last"))
                return
            self.at = stop
            if stop < len(self.text) and not self.stopped(self.text[stop]):
                return

    def stopped(self, char: str) -> bool:
        """Goes on behind what ends a run; False where more has to be read for that."""
        if char == ";":
            return (self.depth > 0 and self.skip(1)) or self.ended()
        if char in "{}":
            self.depth += 1 if char == "{" else -1
            return self.skip(1)
        token = cut_here(self.text, self.at)
        if token is not None and token.type == "WORD":
            return self.began(token.text.upper(), token.end)
        if self.final:  # a string or a comment without an end; behind such a comment nothing is read
            code, end = fault_at(self.text, self.at)
            self.at = len(self.text) if code == "unterminated-comment" else max(end, self.at + 1)
        return self.final

    def skip(self, length: int) -> bool:
        self.at += length
        return True

    def ended(self) -> bool:
        """Behind a `;`, what stands on its line belongs to the statement: it may be a comment about it."""
        found = _REST_OF_LINE.match(self.text, self.at + 1)
        end = found.end() if found else self.at + 1
        if not self.final and self.text[end : end + 2] in ("", "/", "-", "/*"):
            return False
        self.at = end
        self.ends.append(end)
        return True

    def began(self, word: str, end: int) -> bool:
        """Behind a word that may begin a statement."""
        following = skip_space(self.text, end)
        if following == len(self.text) and not self.final:
            return False
        if self.text[max(0, self.at - _INDENT) : self.at].rstrip(BLANK)[-1:] in ("", "\n"):
            self.beginnings.append(self.at)
        self.at = end
        if word == "BATCH" and self.text.startswith("{", following):
            self.at, self.depth = following + 1, 1
        return True

    # -- cutting

    def cut(self) -> int | None:
        """Where a piece ends; None where that is not known yet."""
        if not self.final and len(self.text) < PIECE:
            return None
        end = _farthest(self.ends) or self.parsed()
        if end is None:
            return len(self.text) if self.final else None
        following = skip_space(self.text, end)
        if following == len(self.text) or (not self.final and self.text.startswith("/*", following)):
            return len(self.text) if self.final else None  # what is no statement is no piece of its own
        line_ends = self.final or "\n" in self.text[end : end + _SHOWN]
        return end if line_ends or len(self.text) - end >= _SHOWN else None

    def parsed(self) -> int | None:
        """Where the parser has a statement begin, of which it knows the first words."""
        begin = skip_space(self.text, 0)
        known = [] if self.depth else reversed(self.beginnings)
        for last, end in ((at, self.behind_words(at)) for at in known if at > begin):
            if end is not None:
                from qql.syntax.parser import parse_script

                done, _ = parse_script(Source(self.text[:end]))
                starts = [one.span.start for one in done[1:] if one.span.start <= last]
                if done and skip_space(self.text, done[-1].span.end) == last:
                    starts.append(last)
                return _farthest(starts)
        return None

    def behind_words(self, at: int) -> int | None:
        """Behind as many terminals as the parser may look at to end a statement; None: they are not there."""
        for _ in range(_LOOKAHEAD):
            token = cut_here(self.text, skip_space(self.text, at))
            if token is None or token.end > self.at or token.type == "$END":
                return None
            at = token.end
        return at

    def take(self, end: int) -> Source:
        """Takes a piece away from the front."""
        text, self.text = self.text[:end], self.text[end:]
        after = self.text[:_SHOWN].partition("\n")[0]
        piece = Source(text, self.name, self.line, self.column, self.before, after)
        lines = text.count("\n")
        if lines:
            self.line, self.column, self.before = self.line + lines, 1, ""
        tail = text[text.rfind("\n") + 1 :]
        self.column += len(tail)
        self.before = (self.before + tail)[-_SHOWN:]
        self.at = max(0, self.at - end)
        self.ends = [at - end for at in self.ends if at > end]
        self.beginnings = [at - end for at in self.beginnings if at > end]
        return piece

    def refuse_length(self) -> None:
        """Raises `QQLSyntaxError` for a statement that is longer than one may be."""
        from qql.syntax import parser

        if len(self.text) <= parser.MAX_BYTES:
            return
        begin = skip_space(self.text, 0)
        try:
            if fault_at(self.text, self.at)[0].startswith("unterminated"):
                bad_character(self.text, self.at)  # a string that is not closed as far as one reads
            message = f"this statement has more than {parser.MAX_BYTES >> 20} MiB"
            hint = "COPY … FROM loads a file, VALUES :rows takes rows as a parameter"
            syntax_error("text-too-long", message, Span(begin, begin + 1), hint)
        except QQLSyntaxError as exc:
            raise exc.at(self.excerpt(exc.diagnostic.span)) from None

    def excerpt(self, span: Span | None) -> Source:
        text = self.text[: (span.end if span else 0) + _SHOWN]
        return Source(text, self.name, self.line, self.column, self.before)


def _farthest(ends: list[int]) -> int | None:
    """The last end that makes a piece of no more than `PIECE` characters, else the first."""
    short = [end for end in ends if end <= PIECE]
    return short[-1] if short else ends[0] if ends else None


def cut_pieces(chunks: Iterable[str], name: str) -> Iterator[Source]:
    """The pieces of a script that comes in chunks. Each begins and ends between two statements.

    Raises `QQLSyntaxError` with the code ``text-too-long`` for a statement of more than 64 MiB; what else is
    wrong about the text, the parser says of a piece.
    """
    window, rest = _Window(name), iter(chunks)
    while not (window.final and not window.text):
        window.scan()
        end = window.cut()
        if end is not None:
            yield window.take(end)
            continue
        window.refuse_length()
        # A share more each time, so that joining takes as long as the text is, and not its square.
        room, added = max(PIECE, len(window.text) // 4), list[str]()
        while room > 0 and not window.final:
            chunk = next(rest, None)
            window.final = chunk is None
            added.append(chunk or "")
            room -= len(chunk or "")
        window.add("".join(added))


def in_pieces(source: Source) -> Iterator[Source]:
    """The pieces of a text that is there already: one, if it is short."""
    text = source.text
    if len(text) <= WHOLE:
        yield source
        return
    yield from cut_pieces((text[at : at + PIECE] for at in range(0, len(text), PIECE)), source.name)


def last_boundaries(text: str) -> tuple[int, list[int]]:
    """Where the last statement of a text may begin, without that it is parsed.

    Gives the place behind the last `;` that ends a statement (0 where there is none) and, behind that, the
    places of the words at the start of a line that begin statements, be it inside of another. Strings,
    comments and BATCH are passed over.
    """
    window = _Window("")
    window.add(text)
    window.final = True
    window.scan()
    end = window.ends[-1] if window.ends else 0
    return end, [at for at in window.beginnings if at >= end]
