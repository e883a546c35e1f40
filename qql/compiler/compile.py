"""Text → requests: the compiler as one function. What was compiled before is not compiled again."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from qql.compiler.ahead import Ahead
from qql.compiler.bind import Params
from qql.compiler.context import CompileOptions, make_context, prepare
from qql.compiler.script import compile_script, no_requests, requests_of
from qql.compiler.shapes import LONGEST_READ, Shapes
from qql.compiler.templates import Fill, template
from qql.errors import Diagnostic, QQLCompileError
from qql.kept import Kept, Noted
from qql.late import late_pattern
from qql.rest.linear_fusion import awaits_lists
from qql.rest.request import Request
from qql.syntax.parser import LONGEST_KEPT, parse_script, text_given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from qql.compiler.script import Compiled
    from qql.syntax.parser import TextOrTree

__all__ = ["check", "compile_text"]


def compile_text(
    text: TextOrTree,
    params: Params = None,
    *,
    warnings: list[Diagnostic] | None = None,
    **options: Unpack[CompileOptions],
) -> list[Request]:
    """Compile a statement or a script to the requests that Qdrant would receive, in order.

    ``text`` may be a tree too, or several: what `qql.build` makes, or `qql.parse`.
    The options are those of `CompileOptions`: ``collection``, ``stages``, ``models``, ``schema``, ``name``,
    ``default_model``. Warnings are added to ``warnings``. Texts that came before, or that differ from one in
    their literals only, are planned once; the requests are the caller's own all the same.

    Statements that a session carries out by itself (USE, DEFINE, COPY, OPTIMIZE …) make no request;
    for those that read or write (COPY, OPTIMIZE, EXECUTE, DUMP, WHY) a warning says so. Where there is none
    at all, ``[request] = qql.compile(…)`` raises `QQLPlanError` (``no-request``), which says why.

    Raises `QQLSyntaxError`, `QQLPlanError`, or `QQLScriptError` with the faults of all statements. A
    `QQLPlanError` ``two-requests`` is of FUSION LINEAR by what no single request knows.
    """
    if not isinstance(text, str):
        text = text_given(text)
    requests = _compiled(text, params, warnings, options)
    if any(awaits_lists(one.body) for one in requests):
        from qql.compiler.one_request import refuse

        source, context = prepare(text, options)
        refuse(compile_script(source, params, context, []))
    return requests


def _compiled(
    text: str, params: Params, warnings: list[Diagnostic] | None, options: CompileOptions
) -> list[Request]:
    plain = params is None and warnings is None and not options
    if plain:
        fill = _ready(text)
        if fill is not None and (requests := fill(None)):
            return requests
        requests = _SHAPES.known(text)
        if requests:
            return _noted(text, requests)
    key = _key(text, options) if options else text
    ahead = _KEPT.get(key)
    if ahead is None and key in _ONCE:
        ahead = _keep(key, text, options)
    if ahead is not None:
        made = ahead.filled(params)
        if made is not None:
            plan, requests = made
            if warnings is not None:
                warnings += [warning for one in plan.statements for warning in one.warnings]
                warnings += no_requests(plan.statements)
            if plain:
                _READY.put(text, plan.template.fill)
            return requests or _without(plan.statements)
    elif plain and _may_have_shape(text):
        requests = _SHAPES.requests(text)
        if requests:
            return _noted(text, requests)
    source, context = prepare(text, options)
    context.quiet = warnings is None
    found = compile_script(source, params, context, warnings)
    if ahead is None and key is not None and len(text) <= LONGEST_KEPT:
        _ONCE.add(key)
    if warnings is not None:
        warnings += no_requests(found)
    return requests_of(found) or _without(found)


def _without(found: Sequence[Compiled]) -> list[Request]:
    from qql.compiler.without_requests import explained

    return explained([], found)


_MOST = 256
_KEPT: Kept[Hashable, Ahead] = Kept(_MOST)
"""What was compiled before, by text and options."""
_READY: Kept[str, Fill] = Kept(_MOST)
_ready = _READY.get
"""What makes the requests of a text without parameters that came before: the shortest way."""
_SHAPES = Shapes(make_context(), _MOST)
_ONCE = Noted(_MOST)
"""What was compiled once, by text and options: kept when it comes again."""
_WRITES = late_pattern(r"\s*+(?:UPDATE|UPSERT|INSERT)\s", re.IGNORECASE)
_NEXT_ROW = late_pattern(r"\}\s*+,\s*+\{")
_SIMPLE_OPTIONS = {"collection", "rerank_model", "name", "default_model"}


def _noted(text: str, requests: list[Request]) -> list[Request]:
    """The requests of a text of a known shape. One that comes again is kept with its literals."""
    if len(text) > LONGEST_KEPT:
        return requests
    if text not in _ONCE:
        _ONCE.add(text)
    elif (again := _SHAPES.known(text)) is not None:
        _READY.put(text, template(again, ()).fill)  # of requests that no caller has
    return requests


def _keep(key: Hashable, text: str, options: CompileOptions) -> Ahead:
    """Keeps a text that was compiled before, to be planned ahead from now on."""
    source, context = prepare(text, options)
    parsed, _ = parse_script(source)
    ahead = Ahead(source, parsed, context)
    _KEPT.put(key, ahead)
    return ahead


def _may_have_shape(text: str) -> bool:
    """Whether a plan for all texts like this one is worth a look: not where several rows are written."""
    if len(text) > LONGEST_READ or "{" not in text:
        return len(text) <= LONGEST_READ
    return _WRITES.match(text) is not None and _NEXT_ROW.search(text) is None


def _key(text: str, options: CompileOptions) -> Hashable:
    """What a text is kept under; None where what it means hangs on more than is in its options."""
    if options.keys() <= _SIMPLE_OPTIONS:
        return (text, *sorted(options.items()))
    return None


def check(
    text: TextOrTree,
    params: Params = None,
    **options: Unpack[CompileOptions],
) -> list[Diagnostic]:
    """The errors and warnings of a text or a tree, in the order of the text. Nothing is raised for them.

    The options are those of `CompileOptions`.
    """
    warnings: list[Diagnostic] = []
    try:
        compile_text(text, params, warnings=warnings, **options)
    except QQLCompileError as exc:
        found = [*exc.diagnostics, *warnings]
        return sorted(found, key=lambda d: d.span.start if d.span else 0)
    return warnings
