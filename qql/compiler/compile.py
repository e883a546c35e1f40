"""Text → requests: the compiler as one function. What was compiled before is not compiled again."""

from __future__ import annotations

from collections.abc import Hashable

from qql.compiler.ahead import Ahead
from qql.compiler.bind import Params
from qql.compiler.kept import Kept
from qql.compiler.script import (
    CompileOptions,
    compile_script,
    make_context,
    no_requests,
    prepare,
    requests_of,
)
from qql.compiler.shapes import Shapes
from qql.errors import Diagnostic, QQLCompileError, Source
from qql.rest.request import Request
from qql.syntax.parser import LONGEST_KEPT, parse_script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["check", "compile_text"]


def compile_text(
    text: str,
    params: Params = None,
    *,
    warnings: list[Diagnostic] | None = None,
    **options: Unpack[CompileOptions],
) -> list[Request]:
    """Compile a statement or a script to the requests that Qdrant would receive, in order.

    The options are those of `CompileOptions`: ``collection``, ``stages``, ``models``, ``schema``, ``name``,
    ``default_model``. Warnings are added to ``warnings``. Texts that came before, or that differ from one in
    their literals only, are planned once; the requests are the caller's own all the same.

    Statements that a session carries out by itself (USE, DEFINE, COPY, OPTIMIZE …) make no request;
    for those that read or write (COPY, OPTIMIZE, EXECUTE, DUMP, WHY) a warning says so.

    Raises `QQLSyntaxError`, `QQLPlanError`, or `QQLScriptError` with the faults of all statements.
    """
    key = _key(text, options) if options else text
    ahead = None if key is None else _KEPT.get(key) or _ahead(key, text, options)
    if ahead is not None:
        requests = ahead.requests(params)
        if requests is not None:
            if warnings is not None:
                warnings += ahead.warnings(params)
            return requests
    elif params is None and warnings is None and not options and _may_have_shape(text):
        requests = _SHAPES.requests(text)
        if requests is not None:
            # One that comes a second time is worth a plan of its own.
            _SEEN.put(text, _SEEN.get(text) is not None)
            return requests
    source, context = prepare(text, options)
    found = compile_script(source, params, context, warnings)
    if ahead is None and key is not None and len(text) <= LONGEST_KEPT:
        _SEEN.put(key, True)
    if warnings is not None:
        warnings += no_requests(found)
    return requests_of(found)


_KEPT: Kept[Hashable, Ahead] = Kept(256)
"""What came before, by text and options: planned when it comes again."""
_SHAPES = Shapes(make_context(), 256)
_SEEN: Kept[Hashable, bool] = Kept(256)
"""What came once, and whether it is to be planned when it comes again. Most texts with values of their own
never do, so that nothing more is made of them; one of a known shape costs little the second time.
"""
_SIMPLE_OPTIONS = {"collection", "rerank_model", "name", "default_model"}


def _ahead(key: Hashable, text: str, options: CompileOptions) -> Ahead | None:
    """A text that was compiled before, to be planned ahead from now on; None for all others."""
    if not _SEEN.get(key):
        return None
    source, context = prepare(text, options)
    parsed, _ = parse_script(source)
    ahead = Ahead(source, parsed, context)
    _KEPT.put(key, ahead)
    return ahead


def _may_have_shape(text: str) -> bool:
    """Whether a plan for all texts like this one is worth a look: not where objects are written."""
    return len(text) <= LONGEST_KEPT and "{" not in text


def _key(text: str, options: CompileOptions) -> Hashable:
    """What a text is kept under; None where what it means hangs on more than is in its options."""
    if options.keys() <= _SIMPLE_OPTIONS:
        return (text, *sorted(options.items()))
    return None


def check(
    text: str,
    params: Params = None,
    **options: Unpack[CompileOptions],
) -> list[Diagnostic]:
    """The errors and warnings of a text, in the order of the text. Nothing is raised for a bad text."""
    warnings: list[Diagnostic] = []
    try:
        compile_text(text, params, warnings=warnings, **options)
    except QQLCompileError as exc:
        found = [*exc.diagnostics, *warnings]
        return sorted(found, key=lambda d: d.span.start if d.span else 0)
    return warnings
