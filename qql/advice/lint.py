"""A script as `qql lint` sees it: errors, warnings and advice, less what its comments silence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from qql import nodes
from qql.advice.advisor import advise_all, advise_script
from qql.advice.collection_facts import facts_of
from qql.advice.ignore_comments import IgnoreComments, unsilenced
from qql.advice.rules import RULES
from qql.advice.script_facts import FactsOf, SchemaOf
from qql.compiler.bind import Params
from qql.compiler.context import CompileOptions, prepare
from qql.compiler.plan import Context
from qql.compiler.script import STACK_IS_FULL, Compiled, Files, compile_script
from qql.errors import Diagnostic, QQLCompileError, Source, Span, many
from qql.kinds import Kind, require_kinds
from qql.records import dataclass, replace
from qql.syntax.parser import parse_script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from qql.advice.parameter_values import ParameterValues
    from qql.syntax.parser import TextOrTree

__all__ = ["CODES", "WARNINGS", "Linted", "advised", "lint_script", "lint_text"]

WARNINGS = frozenset(
    {
        "bare-word",
        "duplicate-id",
        "empty-list",
        "fallback-offset",
        "few-candidates",
        "formula-without-prefetch",
    }
    | {"id-in-payload"}
    | {"idle-clause", "idle-default", "idle-model", "idle-update", "idle-using", "nested-payload"}
    | {
        "no-model",
        "no-schema",
        "no-text",
        "no-vector",
        "replaced-vector",
        "unknown-collection",
        "unused-stage",
    }
    | {"vector-in-payload"}
)
"""The codes of what the compiler warns of."""
_OF_ROWS = frozenset({"id-in-payload", "nested-payload", "no-text", "no-vector", "vector-in-payload"})
"""What is said of what rows hold; it means nothing where a parameter without a value stands for them."""
_NOT_WITHOUT_SCHEMA = frozenset({"no-model", "no-schema"})
CODES = frozenset({*RULES, *WARNINGS, "bad-ignore", "many-parameters", "unused-ignore"})
"""All that is said of a script and is no error: it can be silenced."""


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in a script, in the order of the text.

    ``silenced`` counts what comments have kept quiet. ``unbound`` names the parameters without a value:
    what was found holds for each of many values.
    """

    found: tuple[Diagnostic, ...]
    silenced: int = 0
    unbound: tuple[str, ...] = ()


def lint_script(
    source: Source,
    params: Params,
    context: Context,
    facts_of: FactsOf = lambda _: None,
    *,
    disabled: Collection[str] = (),
    files: Files | None = None,
    lacks: Callable[[Compiled], Iterable[Diagnostic]] = lambda _: (),
) -> Linted:
    """The errors, warnings and advice of a script; nothing is raised for a bad text, and nothing is sent.

    ``facts_of`` gives what is known of a collection before the script runs, beside ``context.schema``.
    What has a code of ``disabled`` is left out. Where there are errors, there is no advice. ``files`` reads
    what EXECUTE names; of that, only the errors are told here. ``lacks`` says what an engine lacks of a
    statement.
    """
    from qql.advice.parameter_values import ParameterValues, unbound_params, vector_sizes

    if params is not None:
        from qql.compiler.given import settled

        params = settled(params)
    checker = _Checker(context, facts_of, files, lacks)
    parsed, _ = parse_script(source)
    unbound = unbound_params([one.params for one in parsed], params)
    if unbound:
        sizes = vector_sizes([one.statement for one in parsed], context)
        values = ParameterValues(unbound, params, sizes, lambda tried: checker.errors(source, tried))
        found, sound = checker.check_unbound(source, values)
        open_rows = [one.span for one in parsed if _has_rows_of(one.statement, unbound)]
        found = [one for one in found if one.code not in _OF_ROWS or not _stands_in(one.span, open_rows)]
    else:
        found, sound = checker.check(source, params)
    comments = IgnoreComments(source, [one.span for one in parsed])
    enabled = [one for one in found if one.code not in disabled]
    kept = comments.unsilenced(enabled)
    silenced = len(enabled) - len(kept)
    kept += [one for one in comments.faults(found, CODES, sound=sound) if one.code not in disabled]
    kept.sort(key=lambda one: one.span.start if one.span else 0)
    names = dict.fromkeys(f":{one.key}" if isinstance(one.key, str) else "?" for one in unbound)
    return Linted(tuple(kept), silenced, tuple(names))


_CODES = Kind("codes", lambda given: isinstance(given, (list, tuple, set, frozenset)))
_KINDS: dict[str, Kind] = {"disabled": _CODES}


def lint_text(
    text: TextOrTree,
    params: Params = None,
    *,
    disabled: Collection[str] = (),
    **options: Unpack[CompileOptions],
) -> list[Diagnostic]:
    """The errors, warnings and advice of a text, in its order. Nothing is raised for a bad text.

    The options are those of `CompileOptions`; what ``schema`` gives as an engine's answer to ``GET
    /collections/{name}`` tells advice more than vectors alone. Parameters need no values: what is said then
    holds for many. ``disabled`` are codes.
    """
    require_kinds({"disabled": disabled}, _KINDS)
    source, context = prepare(text, options)
    facts = facts_of(options.get("schema"))
    return list(lint_script(source, params, context, facts, disabled=disabled).found)


def advised(
    statements: Iterable[Compiled], schema_of: SchemaOf, facts_of: FactsOf = lambda _: None
) -> list[Compiled]:
    """The statements of a script with their advice (`advise_all`), less what comments silence."""
    return [
        replace(compiled, advice=tuple(unsilenced(advice, compiled.source)))
        for compiled, advice in advise_all(statements, schema_of, facts_of)
    ]


# ------------------------------------------------------------------------------------ what is found


@dataclass(frozen=True, slots=True)
class _Checker:
    """Compiles and advises on a script, by what is known before it runs."""

    context: Context
    facts_of: FactsOf
    files: Files | None
    lacks: Callable[[Compiled], Iterable[Diagnostic]]

    def errors(self, source: Source, params: Params) -> Sequence[Diagnostic]:
        """Why the script does not compile with these values."""
        try:
            compile_script(source, params, self.context, files=self.files)
        except QQLCompileError as exc:
            return exc.diagnostics
        return ()

    def check_unbound(self, source: Source, values: ParameterValues) -> tuple[list[Diagnostic], bool]:
        """What there is to say whatever the open parameters are, and whether the script compiles."""
        if values.given_up:
            names = f"{many(len(values.unbound), 'parameter')} without a value"
            hint = "give values, by params= or --param, and the statements are looked at with those"
            return [
                Diagnostic(
                    "many-parameters",
                    f"{names}: what holds for all values is not looked for",
                    values.unbound[0].span,
                    hint,
                    severity="warning",
                    source=source,
                )
            ], False
        found, sound = self.check(source, values.base)
        if not sound:
            return found, False
        return _found_every_time(found, [self.check(source, other)[0] for other in values.others()]), True

    def check(self, source: Source, params: Params) -> tuple[list[Diagnostic], bool]:
        """What there is to say with values for all parameters, and whether the script compiles."""
        warnings: list[Diagnostic] = []
        try:
            done = compile_script(source, params, self.context, warnings, self.files)
        except QQLCompileError as exc:
            return [*exc.diagnostics, *warnings], False
        # Of a collection that lint has not seen, a server or a session may know more.
        said = [
            warning
            for one in done
            for warning in one.warnings
            if one.schema is not None or warning.code not in _NOT_WITHOUT_SCHEMA
        ]
        try:
            found = [*said, *advise_script(done, self.context.schema, self.facts_of)]
            found += [one for compiled in done for one in self.lacks(compiled)]
        except RecursionError:  # within the limits, but the caller's own stack is nearly full
            place = Span(0, min(1, len(source.text)))
            return [*said, Diagnostic("too-deep", STACK_IS_FULL, place, source=source)], False
        return [one for one in found if one.source is source], True


def _has_rows_of(statement: nodes.Statement, params: Sequence[nodes.Param]) -> bool:
    """Whether a statement writes rows that one of these parameters stands for, or a part of them."""
    keys = {one.key for one in params}
    rows = [one.rows for one in nodes.walk(statement) if isinstance(one, nodes.Upsert)]
    return any(isinstance(part, nodes.Param) and part.key in keys for part in nodes.walk(rows))


def _stands_in(span: Span | None, places: Iterable[Span]) -> bool:
    return span is not None and any(one.start <= span.start and span.end <= one.end for one in places)


def _found_every_time(found: list[Diagnostic], others: list[list[Diagnostic]]) -> list[Diagnostic]:
    """What is found every time; where it reads differently, in the words of the rule."""
    kept = []
    runs = [{(twin.code, twin.span): twin for twin in reversed(run)} for run in others]
    for one in found:
        twins = [run.get((one.code, one.span)) for run in runs]
        same = [twin for twin in twins if twin is not None]
        if len(same) < len(twins):
            continue
        rule = RULES.get(one.code)
        if rule is not None and any(twin.message != one.message for twin in same):
            one = replace(one, message=rule.title[0].lower() + rule.title[1:], hint=rule.reason, related=())
        elif rule is not None and any(twin.hint != one.hint for twin in same):
            one = replace(one, hint=rule.reason)
        kept.append(one)
    return kept
