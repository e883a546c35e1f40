"""Text → the same text in the canonical spelling and layout, with its comments."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from qql import nodes
from qql.errors import Diagnostic, QQLPlanError, Source, Span
from qql.late import late_pattern
from qql.records import dataclass, fields, replace
from qql.syntax.doc import Anchor, Comment, Doc, anchors, cat, first_anchor, group, render
from qql.syntax.lexer import CLOSING, OPENING, Token, cut, skip_space
from qql.syntax.parser import Parsed, parse_script, raise_all
from qql.syntax.printer import document

if TYPE_CHECKING:
    from qql.syntax.parser import TextOrTree

__all__ = ["WIDTH", "format_script", "format_text", "format_tree", "same"]

WIDTH = 88
"""Columns of a line; a vector, a string and a comment may be longer."""
_LEXEME = late_pattern(
    r"""
      (?P<COMMENT> --[^\n]*+ | /\*(?:[^*]|\*(?!/))*+\*/ )
    | [rR](?:'[^']+'|"[^"]*+")
    | [A-Za-z_$][A-Za-z0-9_$]*+
    | '''(?:[^']|'(?!''))*+''' | \"""(?:[^"]|"(?!""))*+\"""
    | '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.)*+" | `[^`]*+`
    | (?P<OPENING> [(\[{] ) | (?P<CLOSING> [)\]}] )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Comments, brackets, and all that either may stand in without being one."""
_OPENINGS = late_pattern(r"[\s(]*+")


def format_tree(statements: nodes.Statement | Sequence[nodes.Statement]) -> str:
    """The canonical text of a statement, or of several; each ends with ``;`` and a new line.

    Raises `QQLPlanError` (``parameter-order``) for a tree whose ``?`` are not counted in the order of that
    text: they would take each other's values.
    """
    given = [statements] if isinstance(statements, nodes.Node) else statements
    texts = []
    for one in given:
        texts.append(render(group(cat(document(one), ";")), WIDTH) + "\n")
        if _counted(one) and not _means(texts[-1], one):
            message = "the `?` of this statement are not counted in the canonical order of its clauses"
            hint = "parameters that have names, `:name`, may stand in any order"
            raise QQLPlanError(Diagnostic("parameter-order", message, one.span, hint))
    return "\n".join(texts)


def format_text(text: TextOrTree, *, name: str = "<string>") -> str:
    """A script in the canonical spelling and layout, its comments kept; or the text of a tree.

    Clauses stand in their canonical order. A statement of several lines has an empty line before and behind
    it. A comment stays with what it stands in front of, or behind on the same line. Line ends remain LF or
    CRLF, as the first one is. A statement whose ``?`` would come in another order stays as it is written.
    Formatting what this gives changes nothing. Raises as `qql.parse` does, and `QQLPlanError`
    (``malformed-tree``) for what is no tree of a statement.
    """
    if not isinstance(text, str):
        from qql.syntax.tree_text import checked

        return format_tree(checked(text))
    parsed, errors = parse_script(Source(text, name))
    raise_all(errors)
    return _Script(text, parsed).text()


def format_script(text: str, *, name: str = "<string>") -> str:
    """`format_text`, and the proof that the new text means what the old one does.

    Raises `AssertionError` where it does not, so that nobody puts such a text in the place of the old one.
    """
    parsed, errors = parse_script(Source(text, name))
    raise_all(errors)
    new = _Script(text, parsed).text()
    found, errors = parse_script(Source(new, name))
    if errors or not same([one.statement for one in found], [one.statement for one in parsed]):
        raise AssertionError(f"formatting {name} would change what it means, so it stays as it is")
    return new


def same(left: Any, right: Any) -> bool:
    """Whether two trees are the same to the last value: 1, 1.0 and true are not. Depth is not limited."""
    todo = [(left, right)]
    while todo:
        one, other = todo.pop()
        if type(one) is not type(other):
            return False
        match one:
            case nodes.Node():
                names = [f.name for f in fields(one) if f.name != "span"]
                todo += [(getattr(one, name), getattr(other, name)) for name in names]
            case list() | tuple():
                if len(one) != len(other):
                    return False
                todo += zip(one, other, strict=True)
            case dict():
                if [*one] != [*other]:
                    return False
                todo += zip(one.values(), other.values(), strict=True)
            case float():
                if repr(one) != repr(other):  # 0.0 and -0.0 are equal
                    return False
            case _ if one != other:
                return False
    return True


def _counted(statement: nodes.Statement) -> bool:
    """Whether the parameters of a statement are ``?``."""
    first = next((node for node in nodes.walk(statement) if isinstance(node, nodes.Param)), None)
    return first is not None and isinstance(first.key, int)


def _means(text: str, statement: nodes.Statement) -> bool:
    found, errors = parse_script(Source(text))
    return not errors and len(found) == 1 and same(found[0].statement, statement)


# ------------------------------------------------------------------------------------ scripts


_NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One statement's part of the new text. ``start`` and ``end`` are places of the old one."""

    lead: str
    body: str
    start: int
    end: int


class _Script:
    """One text, its statements, and where each comment goes."""

    def __init__(self, text: str, parsed: list[Parsed]) -> None:
        self.source = text
        self.parsed = parsed
        self.comments = _comments(text)
        end = text.find("\n")
        self.newline = "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"

    def text(self) -> str:
        """The whole text anew."""
        out: list[str] = []
        pieces = list(self.pieces())
        for number, piece in enumerate(pieces):
            before = pieces[number - 1] if number else None
            if before and (self.gap(before.end, piece.start) or "\n" in before.body or "\n" in piece.body):
                out.append(self.newline)
            out += [piece.lead, piece.body, self.newline]
        return "".join(out)

    def pieces(self) -> Iterator[_Piece]:
        """The statements with their comments; last, the comments behind all of them."""
        taken = 0
        for one, after in zip(self.parsed, [*self.parsed[1:], None], strict=False):
            close = skip_space(self.source, one.span.end)
            close = close + 1 if self.source.startswith(";", close) else one.span.end
            upto = after.span.start if after else len(self.source)
            first = taken
            while taken < len(self.comments) and self.belongs(self.comments[taken], close, upto):
                taken += 1
            yield self.piece(one, close, self.comments[first:taken])
        rest = self.comments[taken:]
        if rest:
            body = self.block(rest, len(self.source)).rstrip("\r\n")
            yield _Piece(body, "", rest[0].span.start, rest[-1].span.end)

    def belongs(self, comment: Comment, close: int, upto: int) -> bool:
        """Whether a comment is in front of the end of a statement, or behind it on the same line."""
        if comment.span.start < close:
            return True
        same_line = "\n" not in self.source[close : min(comment.span.start, upto)]
        return same_line and comment.place == "trailing" and comment.span.start < upto

    def piece(self, one: Parsed, close: int, comments: list[Comment]) -> _Piece:
        """A statement with its comments."""
        start, end = one.span.start, one.span.end
        lead = [comment for comment in comments if comment.span.start < start]
        inside = [comment for comment in comments if start <= comment.span.start < end]
        # Those between the statement and its `;` may be clauses that somebody took out: they stay there.
        below = [c for c in comments if end <= c.span.start < close and c.place != "trailing"]
        ending = [c for c in comments if c.span.start >= end and c.place == "trailing"]
        behind = [c for c in ending if c.span.start >= close or not below]
        last = [c for c in ending if c.span.start < close] if below else ending
        body, early = self.body(one, inside, "" if below else ";", last)
        if below:
            closing = Anchor(_NOWHERE, ";")
            texts = [*map(self.lines, below), render(closing, WIDTH, {id(closing): behind})]
            body += "".join(self.newline + text for text in texts)
        begin = comments[0].span.start if lead else start
        front = self.block(lead, start) + "".join(self.lines(comment) + self.newline for comment in early)
        return _Piece(front, body, begin, max(close, ending[-1].span.end if ending else 0))

    def body(
        self, one: Parsed, inside: list[Comment], closing: str, ending: list[Comment]
    ) -> tuple[str, list[Comment]]:
        """A statement's text with the comments inside, and those that have to stand before it.

        ``ending`` are comments for the end of the line with the closing `;`.
        """
        doc = document(one.statement)
        held, early = _placed(
            doc, inside, self.source, _row_spans(one.statement, self.source) if inside else {}
        )
        end = Anchor(_NOWHERE, closing)
        held[id(end)] = ending
        body = render(group(cat(doc, end)), WIDTH, held)
        if one.params and isinstance(one.params[0].key, int) and not _means(body, one.statement):
            return self.source[one.span.start : one.span.end] + render(end, WIDTH, held), []
        return (body if self.newline == "\n" else _ends(body, self.newline)), early

    def lines(self, comment: Comment) -> str:
        return comment.text if self.newline == "\n" else _ends(comment.text, self.newline)

    def block(self, comments: list[Comment], end: int) -> str:
        """Comments on lines of their own, with the empty lines that stood behind each up to ``end``."""
        out = []
        for number, comment in enumerate(comments):
            out += [self.lines(comment), self.newline]
            following = comments[number + 1].span.start if number + 1 < len(comments) else end
            if self.gap(comment.span.end, following):
                out.append(self.newline)
        return "".join(out)

    def gap(self, start: int, end: int) -> bool:
        """Whether an empty line stands between two places."""
        between = self.source[start:end]
        return between.count("\n") > 1 and re.search(r"\n[^\S\n]*\n", between) is not None


def _ends(text: str, newline: str) -> str:
    return re.sub(r"\r?\n", newline, text)


# ------------------------------------------------------------------------------------ comments


def _comments(text: str) -> list[Comment]:
    """Every comment of a text that parses, in order."""
    if "--" not in text and "/*" not in text:
        return []
    found = [match for match in _LEXEME.finditer(text) if match["COMMENT"] is not None]
    starts = [match.start() for match in found] + [len(text)]
    ends = [_ends_line(text, match.end(), starts[n + 1]) for n, match in enumerate(found)]
    for number in reversed(range(len(ends) - 1)):  # where another comment follows, it says what follows it
        if ends[number] is None:
            ends[number] = ends[number + 1]
    out: list[Comment] = []
    behind_code, end = False, 0
    for number, match in enumerate(found):
        before = text[end : match.start()]
        _, broken, line = before.rpartition("\n")
        behind_code = not _blank(line) or (behind_code and not broken)
        end = match.end()
        several = "\n" in match[0]
        place: Literal["own", "trailing", "inline"]
        if several or not (behind_code or ends[number] is False):
            place = "own"
        else:
            place = "inline" if ends[number] is False else "trailing"
        behind_code = behind_code and not several
        out.append(Comment(match[0].rstrip(), Span(match.start(), end), place))
    return out


def _ends_line(text: str, start: int, following: int) -> bool | None:
    """Whether a comment is the last on its line; None where another one follows it there."""
    end = text.find("\n", start, following)
    if not _blank(text[start : following if end < 0 else end], ";"):
        return False
    return True if end >= 0 or following == len(text) else None


def _blank(text: str, more: str = "") -> bool:
    return not text.strip(" \t;" if more else " \t") or not text.strip().strip(f"\ufeff{more}").strip()


@dataclass(slots=True)
class _Place:
    """An anchor, where it was written, and the place around it (its number)."""

    anchor: Anchor
    start: int
    end: int
    around: int


class _Places:
    """The anchors of a statement as a tree, by where they were written."""

    def __init__(self, doc: Doc, text: str, rows: Mapping[int, Span]) -> None:
        self.text = text
        known = [(rows.get(id(one.of), one.span), one) for one in anchors(doc)]
        known = [(span, one) for span, one in known if span.end > 0]
        known.sort(
            key=lambda item: item[0].start
        )  # stable: of those that begin together, the outer one first
        self.all: list[_Place] = []
        opened: list[int] = []
        for number, (span, one) in enumerate(known):
            while opened and self.all[opened[-1]].end < max(span.end, span.start + 1):
                opened.pop()
            self.all.append(_Place(one, span.start, span.end, opened[-1] if opened else -1))
            opened.append(number)
        for place in reversed(self.all):
            if place.anchor.bracketed:
                place.end = _closed(text, place.end)
        self.starts = [place.start for place in self.all]

    def of(self, comment: Comment) -> tuple[Anchor | None, Comment]:
        """The anchor that a comment belongs to, and how; None where the statement as a whole is meant."""
        at = comment.span.start
        following = bisect_left(self.starts, at)
        before, around = -1, following - 1  # the last that ended before the comment, and what is around both
        while around >= 0 and self.all[around].end <= at:
            before, around = around, self.all[around].around
        if comment.place == "trailing":
            return self.anchor(self.last(before if before >= 0 else around)), comment
        found = -1
        if following < len(self.all) and (around < 0 or self.starts[following] < self.all[around].end):
            found = self.opened(following, comment.span.end)
        elif comment.place == "inline" and before >= 0:
            return self.anchor(self.last(before)), replace(comment, place="behind")
        return self.anchor(found if found >= 0 else self.first(around)), comment

    def opened(self, number: int, pos: int) -> int:
        """Of the anchors that begin together, the one that a comment in front of them means; -1: none.

        A bracket between the two tells the comment before a list from the one before its first item.
        """
        stop = number
        while stop < len(self.all) and self.starts[stop] == self.starts[number]:
            stop += 1
        brackets = [at for at in range(number, stop) if self.all[at].anchor.bracketed]
        opening, token = 0, cut(self.text, pos)
        while token.start < self.starts[number] and token.type in (*OPENING, "COMMA"):
            opening += token.type != "COMMA"
            token = cut(self.text, token.end)
        if token.start < self.starts[number] or opening > len(brackets):
            found = number
        elif opening:
            found = brackets[-opening]
            if not self.all[found].anchor.bare:
                return self.first(found)
        else:
            found = min(brackets[-1] + 1, stop - 1) if brackets else number
        if self.all[found].anchor.bare:
            return found - 1 if found > number else -1
        return found

    def first(self, number: int) -> int:
        """Of the anchors that begin together, the outermost that can stand on a line of its own."""
        while number >= 0:
            around = self.all[number].around
            same_start = around >= 0 and self.begins(self.all[around], self.all[number])
            if not same_start and not self.all[number].anchor.bare:
                break
            number = around
        return number

    def begins(self, outer: _Place, inner: _Place) -> bool:
        """Whether no more than brackets stand between the beginnings of two places."""
        return _OPENINGS.fullmatch(self.text, outer.start, inner.start) is not None

    def last(self, number: int) -> int:
        """Of the anchors that end together, the outermost."""
        while number >= 0:
            around = self.all[number].around
            if around < 0 or self.all[around].end != self.all[number].end:
                break
            number = around
        return number

    def anchor(self, number: int) -> Anchor | None:
        return self.all[number].anchor if number >= 0 else None


def _closed(text: str, pos: int) -> int:
    """Behind the closing bracket at a place, or the place itself."""
    token = cut(text, pos)
    if token.type == "COMMA":
        token = cut(text, token.end)
    return token.end if token.type in CLOSING else pos


def _placed(
    doc: Doc, comments: list[Comment], text: str, rows: Mapping[int, Span]
) -> tuple[dict[int, list[Comment]], list[Comment]]:
    """The comments inside a statement by the anchor that holds each, and those that none can hold."""
    held: dict[int, list[Comment]] = {}
    early: list[Comment] = []
    if not comments:
        return held, early
    places = _Places(doc, text, rows)
    # What stands in front of the first thing inside another stands in front of that other one.
    outer: dict[int, Anchor | None] = {
        id(first_anchor(place.anchor.doc)): place.anchor for place in places.all
    }
    outer |= {id(None): None, id(first_anchor(doc)): None}
    for given in comments:
        anchor, comment = places.of(given)
        while comment.place in ("own", "inline") and id(anchor) in outer and anchor is not None:
            anchor = outer[id(anchor)]
        if anchor is None:
            early.append(comment)
        else:
            held.setdefault(id(anchor), []).append(comment)
    return held, early


# ------------------------------------------------------------------------------------ rows


def _row_spans(statement: nodes.Statement, text: str) -> dict[int, Span]:
    """Where the rows of each VALUES were written, by the ``id`` of the row."""
    found: dict[int, Span] = {}
    todo: list[Any] = [statement]
    while todo:
        match todo.pop():
            case nodes.Explain(statement=inner) | nodes.Why(statement=inner):
                todo.append(inner)
            case nodes.Batch(statements=several):
                todo += several
            case nodes.Upsert() | nodes.UpdateVectors() as one if isinstance(one.rows, tuple):
                spans = _values_spans(text, one.collection.span.end)
                # What is no row of fields, as null or 1, may be the same object in several places.
                found |= {
                    id(row): span for row, span in zip(one.rows, spans, strict=False) if isinstance(row, dict)
                }
    return found


def _values_spans(text: str, pos: int) -> Iterator[Span]:
    """The values behind the VALUES that follows a place: `{…}, …` or `[{…}, …]`."""
    token = cut(text, pos)
    while token.text.upper() != "VALUES":
        token = cut(text, token.end)
    token = cut(text, token.end)
    if token.type == "LSQB":
        token = cut(text, token.end)
    while token.type not in ("RSQB", "$END", "SEMICOLON"):
        end = _value_end(text, token)
        yield Span(token.start, end)
        token = cut(text, end)
        if token.type != "COMMA":
            return
        token = cut(text, token.end)


def _value_end(text: str, token: Token) -> int:
    """Where the value ends that begins with a token."""
    if token.type == "WORD" and cut(text, token.end).type == "LPAR":  # UUID(…)
        token = cut(text, token.end)
    if token.type not in OPENING:
        return token.end
    opened = 0
    for found in _LEXEME.finditer(text, token.start):
        opened += (found.lastgroup == "OPENING") - (found.lastgroup == "CLOSING")
        if not opened:
            return found.end()
    return len(text)
