"""What is wrong with a text while it is typed: a place, a message and a hint. Nothing is sent for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from qql import nodes
from qql.advice.advisor import fields_named
from qql.cli.prompt.problem import Problem
from qql.cli.shell import is_command
from qql.compiler.context import make_context
from qql.compiler.overlay import ANY_COLLECTION, named_at
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, compile_script
from qql.errors import Diagnostic, QQLCompileError, QQLError, Source, did_you_mean
from qql.late import Protocol
from qql.records import replace
from qql.schema import Schema, normal_path
from qql.syntax.lexer import cut_here, fault_at, skip_space
from qql.syntax.parser import parse_script

__all__ = ["Known", "problem_at", "statement_at"]

_LONGEST = 50_000
"""Characters of a statement that is looked at between two keys."""
_SAID_ELSEWHERE = frozenset({"unknown-parameter", "wrong-parameters"})
"""Parameters that no statement uses: those of the prompt are for any."""


class Known(Protocol):
    """What is known of the database, at once: nothing here may ask for anything. None: it is not known."""

    def collections(self) -> Sequence[str] | None:
        """The names of all collections, and of aliases."""

    def schema(self, collection: str) -> Schema | None:
        """The vectors of a collection, and its indexes."""

    def fields(self, collection: str) -> Sequence[str] | None:
        """The payload fields, as paths (``a.b``), that were seen in the collection."""


def problem_at(
    text: str, cursor: int, known: Known | None = None, context: Context | None = None, params: object = None
) -> Problem | None:
    """What is wrong with the statement in which the cursor stands; None where nothing is for certain.

    A text that only is not finished is not wrong, nor is a word at which the cursor stands: it is typed.
    ``context`` is what USE and DEFINE have set, ``params`` are the values of parameters.
    """
    if is_command(text.strip()):
        return None
    start, end = statement_at(text, cursor)
    piece = text[start:end]
    if not piece.strip() or len(piece) > _LONGEST:
        return None
    parses, found = _syntax_fault(piece)
    if parses and not text[:start].strip():  # what stands before may make what this one needs
        found = _meant_fault(piece, known, context, params)
    if found is None or found.span is None:
        return None
    if (
        found.span.start <= cursor - start <= found.span.end
        and piece[found.span.start : found.span.end] != ";"
    ):
        return None
    at = min(found.span.start, max(0, len(piece.rstrip()) - 1))
    return Problem(start + at, start + max(found.span.end, at + 1), found.message, found.hint)


@lru_cache(8)
def statement_at(text: str, cursor: int) -> tuple[int, int]:
    """From where to where the statement goes in which the cursor stands: behind a `;`, with its own `;`."""
    start = pos = skip_space(text, 0)
    opened, before = 0, ""
    while pos < len(text):
        token = cut_here(text, pos)
        if token is None:
            code, pos = fault_at(text, pos)
            if code.startswith("unterminated"):
                break
            pos = skip_space(text, pos)
            continue
        batch = before == "BATCH" or opened
        opened += (token.text == "{" and bool(batch)) - (token.text == "}" and opened > 0)
        before, pos = token.text.upper(), token.end
        if token.text == ";" and not opened:
            after = skip_space(text, pos)
            if cursor < after or after >= len(text):
                return start, pos
            start = after
        pos = skip_space(text, pos)
    return start, len(text)


@lru_cache(8)
def _syntax_fault(piece: str) -> tuple[bool, Diagnostic | None]:
    """Whether a text parses, and its first fault where that is more than an end too early."""
    _, errors = parse_script(Source(piece))
    if not errors:
        return True, None
    found = errors[0].diagnostics[0]
    if found.code.startswith("unterminated") or found.span is None:
        return False, None
    if found.span.end >= len(piece.rstrip()):
        # Would something that can stand nowhere be what is wrong, if it stood behind? Then nothing before is.
        _, errors = parse_script(Source(piece.rstrip() + " ~"))
        again = errors[0].diagnostics[0].span if errors else None
        if again is None or again.start > len(piece.rstrip()):
            return False, None
    return False, found


def _meant_fault(
    piece: str, known: Known | None, context: Context | None, params: object
) -> Diagnostic | None:
    """What cannot be carried out, or names something that is not there."""
    held = replace(
        context or make_context(),
        schema=(lambda _: None) if known is None else known.schema,
        collections=None,  # one may be listed before it is described, which the compiler takes for the same
        absence=lambda: None,
        size_of=lambda _: None,
        warnings=[],
        quiet=True,
    )
    given = params if isinstance(params, (dict, list)) and params else None
    ended = piece.rstrip().endswith(";")
    try:
        compiled = compile_script(Source(piece), given, held)
    except QQLCompileError as exc:
        faults = [one for one in exc.diagnostics if one.code not in _SAID_ELSEWHERE]
        return next((one for one in faults if ended or _stays(one)), None)
    except QQLError:
        return None
    return None if known is None else _unknown_collection(compiled, known) or _unknown_field(compiled, known)


def _stays(fault: Diagnostic) -> bool:
    """Whether nothing that follows can mend it: something is misspelt, or stands there twice."""
    return (
        (fault.hint or "").startswith("did you mean") or fault.code == "unknown-stage" or bool(fault.related)
    )


def _unknown_collection(compiled: Sequence[Compiled], known: Known) -> Diagnostic | None:
    """A collection that is none, where one is that is written much like it."""
    listed = known.collections() or ()
    for one in compiled if listed else ():
        statement, name = nodes.subject(one.statement), one.collection
        if name is None or name in listed or isinstance(statement, (*ANY_COLLECTION, nodes.CreateCollection)):
            continue
        if (hint := did_you_mean(name, listed)) is not None:
            span = named_at(statement)
            return Diagnostic("unknown-collection", f"there is no collection `{name}`", span, hint)
    return None


def _unknown_field(compiled: Sequence[Compiled], known: Known) -> Diagnostic | None:
    """A field that is none, where one is that is written much like it."""
    for one in compiled:
        fields = known.fields(str(one.collection)) if one.collection else None
        if not fields or isinstance(nodes.subject(one.statement), nodes.CreateIndex):
            continue
        normal = {normal_path(name) for name in fields}
        for field in fields_named(one, known.schema):
            path = normal_path(field.path)
            if path in normal or any(name.startswith((f"{path}.", f"{path}[")) for name in normal):
                continue
            if (hint := did_you_mean(path, fields)) is not None:
                return Diagnostic(
                    "unknown-field", f"no field `{path}` was seen in {one.collection}", field.span, hint
                )
    return None
