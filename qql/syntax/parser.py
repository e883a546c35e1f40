"""Text → trees: the statements of a script, one after the other, and where the next begins behind a fault."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.errors import Diagnostic, QQLCompileError, QQLScriptError, QQLSyntaxError, Source, Span
from qql.kept import Kept, Noted
from qql.kinds import TEXT, require_kinds
from qql.late import cast
from qql.nodes import Node, Statement
from qql.records import dataclass
from qql.syntax.clauses import LiteralHoles
from qql.syntax.driver import Parser, begins_line, tables
from qql.syntax.lexer import (
    CLOSING,
    OPENING,
    STARTERS,
    STRINGS,
    Token,
    cut,
    cut_here,
    fault_at,
    skip_space,
    syntax_error,
)
from qql.syntax.whole_values import ValueReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    TextOrTree = str | Statement | nodes.Composed | Sequence[Statement | nodes.Composed]

__all__ = [
    "STRINGS",
    "Parsed",
    "is_complete",
    "keywords",
    "may_be_script",
    "parse",
    "parse_condition",
    "parse_script",
    "parse_stage",
    "parse_with_holes",
    "source_of",
    "split",
    "text_given",
    "unchanging",
]

MAX_BYTES = 64 * 1024 * 1024
_MOST_ERRORS = 100  # reported of one script; whoever has more begins at the top
_MOST_UNCLOSED = 10  # strings without an end, each read to the end of the text, before the rest is given up


def keywords() -> frozenset[str]:
    """Every keyword of the grammar, in capitals."""
    return tables().keywords


@dataclass(frozen=True, slots=True)
class Parsed:
    """One statement of a script, with what the later phases need to know of its text."""

    statement: Statement
    span: Span
    params: tuple[nodes.Param, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


# ------------------------------------------------------------------------------------ the public face


_MOST_KEPT = 256
_KEPT: Kept[str, tuple[Parsed, ...]] = Kept(_MOST_KEPT)
"""Scripts that were parsed before: a program asks the same queries again, with other parameters."""
_UNCHANGING = Noted(_MOST_KEPT)
"""Those of them whose trees were found to hold nothing that could have been changed since."""
LONGEST_KEPT = 8192  # characters
_PLAIN = frozenset({str, int, float, bool, type(None)})


def parse_script(source: Source) -> tuple[list[Parsed], list[QQLCompileError]]:
    """Every statement of a script that parses, and the first error of each that does not."""
    text = source.text
    kept = _KEPT.get(text)
    if kept is not None and (text in _UNCHANGING or _is_unchanging(text, kept)):
        return list(kept), []
    done, errors = _parse_script(source)
    if len(text) <= LONGEST_KEPT and not errors:
        _KEPT.put(text, tuple(done))
    return done, errors


def _is_unchanging(text: str, kept: Sequence[Parsed]) -> bool:
    """Whether the trees of a text that comes again are as they were. Most texts with values of their own
    never do, so nobody looks before.
    """
    if not _all_unchanging(text, kept):
        return False
    _UNCHANGING.add(text)
    return True


def _all_unchanging(text: str, done: Sequence[Parsed]) -> bool:
    # Without brackets of their own nothing makes a list or an object.
    return ("[" not in text and "{" not in text) or all(unchanging(one.statement) for one in done)


def unchanging(value: Any) -> bool:
    """Whether a tree holds no list and no object, which a request would share with the next one."""
    todo = [value]
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind in _PLAIN:
            continue
        if kind is tuple:
            todo += item
        elif kind is list or kind is dict:
            return False
        elif isinstance(item, nodes.Option) and item.name.lower() in ("rrf_weights", "weights"):
            pass  # every request has a list of its own
        elif isinstance(item, Node):
            todo += [getattr(item, name) for name in item.__match_args__]
    return True


def parse_with_holes(source: Source, holes: LiteralHoles) -> list[Parsed]:
    """`parse_script` with holes in the places of literals.

    Raises what is wrong with the text, or `NeedsValue` where the tree hangs on one of them.
    """
    done, errors = _parse_script(source, holes)
    raise_all(errors)
    return done


def _parse_script(
    source: Source, holes: LiteralHoles | None = None
) -> tuple[list[Parsed], list[QQLCompileError]]:
    done: list[Parsed] = []
    errors: list[QQLCompileError] = []
    text = source.text
    try:
        _check_text(text)
    except QQLSyntaxError as exc:
        return [], [cast(QQLCompileError, exc.at(source))]
    pos, reader = 0, ValueReader(text)
    while True:
        pos = skip_space(text, pos)
        if pos >= len(text):
            return done, errors
        if text[pos] == ";":
            pos += 1
            continue
        parser = Parser(text, reader, holes)
        try:
            statement, span = parser.parse(pos)
        except QQLSyntaxError as exc:
            errors.append(cast(QQLCompileError, exc.at(source)))
            if len(errors) == _MOST_ERRORS:
                return done, errors
            pos = _recover(text, pos, exc.diagnostic.span)
        else:
            reading = parser.reading
            done.append(Parsed(statement, span, tuple(reading.parameters), tuple(reading.warnings)))
            pos = span.end


def _check_text(text: str) -> None:
    """Refuses a text that is too long, or that is no Unicode text."""
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as exc:
        message = f"U+{ord(text[exc.start]):04X} is half of a character"
        syntax_error("lone-surrogate", message, Span(exc.start, exc.start + 1))
    if size > MAX_BYTES:
        message = f"the text has {size:,} bytes; the limit is 64 MiB"
        hint = "COPY … FROM loads a file, VALUES :rows takes rows as a parameter"
        syntax_error("text-too-long", message, Span(0, 1), hint)


def may_be_script(begin: str) -> bool:
    """Whether a text that begins so may be a script: with nothing, with a statement, or with a ``;``."""
    at = skip_space(begin, 0)
    token = cut_here(begin, at)
    if token is None:
        return fault_at(begin, at)[0] == "unterminated-comment"
    return token.type in ("$END", "SEMICOLON") or token.text.upper() in STARTERS


def _recover(text: str, pos: int, failed: Span | None) -> int:
    """Where the next statement may begin: after a `;`, or at a statement's keyword that begins a line."""
    at, opened, unclosed = _cut_first(text, pos), 0, 0
    batch = text[skip_space(text, pos) : at].upper() == "BATCH"
    while True:
        at = skip_space(text, at)
        token = cut_here(text, at)
        if token is None:
            code, at = fault_at(text, at)
            if code == "unterminated-comment" or unclosed == _MOST_UNCLOSED:
                return len(text)
            if code == "unterminated-string":
                # What follows is inside the string or after it: only a new line is a fresh start.
                opened = 0
                unclosed += 1
            continue
        if token.type == "$END":
            return len(text)
        if token.type == "SEMICOLON" and not (batch and opened):
            return token.end
        opened = max(0, opened + (token.type in OPENING) - (token.type in CLOSING))
        if (
            token.type == "WORD"
            and not opened
            and begins_line(text, token.start)
            and (failed is None or token.start > failed.start)
            and token.text.upper() in STARTERS
            and not _is_clause(text, token)
        ):
            return token.start
        at = token.end


def _cut_first(text: str, pos: int) -> int:
    """Behind the first terminal of a statement that failed."""
    try:
        return cut(text, pos).end
    except QQLSyntaxError:
        return pos


def _is_clause(text: str, token: Token) -> bool:
    """Whether a word that can begin a statement is more likely a clause of the broken one before it."""
    keyword = token.text.upper()
    if keyword == "FUSION":
        return True
    if keyword != "WITH":
        return False
    try:
        following = cut(text, token.end)
        return cut(text, following.end).text.upper() != "AS"
    except QQLSyntaxError:
        return True


def parse(text: str, *, name: str = "<string>") -> list[Statement]:
    """The statements of a text, in order.

    Raises `QQLSyntaxError` where one statement does not parse, `QQLScriptError` with the first error of
    each where several do not, ``TypeError`` for what is no text.
    """
    require_kinds({"text": text, "name": name}, {"text": TEXT, "name": TEXT})
    done, errors = parse_script(Source(text, name))
    raise_all(errors)
    return [parsed.statement for parsed in done]


def raise_all(errors: list[QQLCompileError]) -> None:
    """Raise the error, or all of them as one; nothing where there is none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise QQLScriptError(*(d for error in errors for d in error.diagnostics))


def text_given(given: TextOrTree) -> str:
    """The text of what is to be compiled: a text as it is, and that of a tree (`tree_text.text_of`)."""
    if isinstance(given, str):
        return given
    from qql.syntax.tree_text import text_of

    return text_of(given)


def source_of(given: TextOrTree, name: str = "<string>") -> Source:
    """A text or a tree as the source that it is compiled from. Raises as `text_given` does."""
    return Source(text_given(given), name)


def parse_stage(text: str, *, name: str = "<stage>") -> nodes.Query:
    """The tree of a stage given on its own, as in ``stages={"dense": "QUERY 'a' USING dense"}``."""
    source = Source(text, name)
    try:
        _check_text(text)
        stage, span = Parser(text, ValueReader(text)).parse(0, "stage")
        rest = cut(text, span.end)
        if rest.type == "SEMICOLON":
            rest = cut(text, rest.end)
        if rest.type != "$END":
            syntax_error("syntax", f"a stage ends before `{rest.text}`", rest.span)
    except QQLSyntaxError as exc:
        raise exc.at(source) from None
    return cast(nodes.Query, stage)


def parse_condition(source: Source) -> Parsed:
    """A condition given on its own; it is the ``statement`` of what is given back."""
    text = source.text
    try:
        _check_text(text)
        parser = Parser(text, ValueReader(text))
        found, span = parser.parse(0, "lone_condition")
        rest = cut(text, span.end)
        if rest.type != "$END":
            syntax_error("syntax", f"a condition ends before `{rest.text}`", rest.span)
    except QQLSyntaxError as exc:
        raise exc.at(source) from None
    return Parsed(found, span, tuple(parser.reading.parameters), tuple(parser.reading.warnings))


def split(text: str) -> list[str]:
    """The statements of a script as texts, without their `;`. Raises as `parse` does."""
    done, errors = parse_script(Source(text))
    raise_all(errors)
    return [text[parsed.span.start : parsed.span.end] for parsed in done]


def is_complete(text: str) -> bool:
    """Whether a text typed so far ends with a `;` that is outside strings and comments."""
    pos, ended = 0, False
    before, batch = "", 0  # how many braces are open since BATCH, whose statements end with `;` too
    while True:
        pos = skip_space(text, pos)
        token = cut_here(text, pos)
        if token is None:
            code, pos = fault_at(text, pos)
            if code.startswith("unterminated"):
                return False
            ended = False
            continue
        if token.type == "$END":
            return ended
        if token.type == "LBRACE" and (batch or before == "BATCH"):
            batch += 1
        elif token.type == "RBRACE" and batch:
            batch -= 1
        before = token.text.upper()
        pos, ended = token.end, token.type == "SEMICOLON" and not batch
