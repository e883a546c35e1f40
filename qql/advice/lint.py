"""A script as `qql lint` sees it: errors, warnings and advice, less what its comments silence.

``-- qql: ignore code, …`` speaks of the statement that it stands in front of, in, or behind on the same line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from qql.advice.collection_facts import facts_of
from qql.advice.placeholder_values import StandIns, open_params, sizes_of
from qql.advice.rules import RULES
from qql.advice.run import FactsOf, SchemaOf, advise_all, advise_script
from qql.compiler.bind import Params
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, Files, SchemaSource, Stages, compile_script, make_context
from qql.errors import Diagnostic, QQLCompileError, QQLSyntaxError, Source, Span, did_you_mean
from qql.syntax.lexer import cut, skip_space
from qql.syntax.parser import parse_script

__all__ = ["CODES", "WARNINGS", "Linted", "advised", "lint_script", "lint_text", "unsilenced"]

WARNINGS = frozenset(
    {"bare-word", "duplicate-id", "few-candidates", "formula-without-prefetch", "id-in-payload"}
    | {"idle-default", "idle-model", "idle-update", "idle-using", "nested-payload", "no-model"}
    | {"no-schema", "no-text", "replaced-vector", "unknown-collection", "unused-stage", "vector-in-payload"}
)
"""The codes of what the compiler warns of."""
_UNSEEN = frozenset({"no-model", "no-schema"})
CODES = frozenset({*RULES, *WARNINGS, "bad-ignore", "unused-ignore"})
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
) -> Linted:
    """The errors, warnings and advice of a script; nothing is raised for a bad text, and nothing is sent.

    ``facts_of`` gives what is known of a collection before the script runs, beside ``context.schema``.
    What has a code of ``disabled`` is left out. Where there are errors, there is no advice. ``files`` reads
    what EXECUTE names; of that, only the errors are told here.
    """
    known = _Known(context, facts_of, files)
    parsed, _ = parse_script(source)
    unbound = open_params([one.params for one in parsed], params)
    if unbound:
        sizes = sizes_of([one.statement for one in parsed], context)
        values = StandIns(unbound, params, sizes, lambda tried: known.errors(source, tried))
        found, sound = known.unbound(source, values)
    else:
        found, sound = known.bound(source, params)
    ignores = _ignores(source, [one.span for one in parsed])
    starts = [one.span.start for one in parsed]
    kept, silenced = _silence([one for one in found if one.code not in disabled], ignores, starts)
    said = _complaints(source, found, ignores, starts, sound)
    kept += [one for one in said if one.code not in disabled]
    kept.sort(key=lambda one: one.span.start if one.span else 0)
    names = dict.fromkeys(f":{one.key}" if isinstance(one.key, str) else "?" for one in unbound)
    return Linted(tuple(kept), silenced, tuple(names))


def lint_text(
    text: str,
    params: Params = None,
    *,
    collection: str | None = None,
    stages: Stages | None = None,
    models: Mapping[str, str] | None = None,
    schema: SchemaSource = None,
    name: str = "<string>",
    disabled: Collection[str] = (),
) -> list[Diagnostic]:
    """The errors, warnings and advice of a text, in its order. Nothing is raised for a bad text.

    The arguments are those of `compile_text`; what ``schema`` gives as an engine's answer to ``GET
    /collections/{name}`` tells advice more than vectors alone. Parameters need no values: what is said then
    holds for many. ``disabled`` are codes.
    """
    context = make_context(collection, stages, models, schema)
    source = Source(text, name)
    return list(lint_script(source, params, context, facts_of(schema), disabled=disabled).found)


def advised(
    statements: Iterable[Compiled], schema_of: SchemaOf, facts_of: FactsOf = lambda _: None
) -> list[Compiled]:
    """The statements of a script with their advice (`advise_all`), less what comments silence."""
    return [
        replace(compiled, advice=tuple(unsilenced(advice, compiled.source)))
        for compiled, advice in advise_all(statements, schema_of, facts_of)
    ]


def unsilenced(found: Sequence[Diagnostic], source: Source) -> list[Diagnostic]:
    """What the comments of the source do not silence."""
    if not found:
        return []
    ignores, starts = _heard(source)
    return _silence(found, ignores, starts)[0]


@lru_cache(maxsize=2)
def _heard(source: Source) -> tuple[list[_Ignore], list[int]]:
    """The comments of a source that speak to us, and where its statements start."""
    if not _MARKED.search(source.text):
        return [], []
    spans = [one.span for one in parse_script(source)[0]]
    return _ignores(source, spans), [span.start for span in spans]


# ------------------------------------------------------------------------------------ what is found


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known before a script runs."""

    context: Context
    facts_of: FactsOf
    files: Files | None

    def errors(self, source: Source, params: Params) -> Sequence[Diagnostic]:
        """Why the script does not compile with these values."""
        try:
            compile_script(source, params, self.context, files=self.files)
        except QQLCompileError as exc:
            return exc.diagnostics
        return ()

    def unbound(self, source: Source, values: StandIns) -> tuple[list[Diagnostic], bool]:
        """What there is to say whatever the open parameters are, and whether the script compiles."""
        found, sound = self.bound(source, values.base)
        if not sound:
            return found, False
        return _common(found, [self.bound(source, other)[0] for other in values.others()]), True

    def bound(self, source: Source, params: Params) -> tuple[list[Diagnostic], bool]:
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
            if one.schema is not None or warning.code not in _UNSEEN
        ]
        found = [*said, *advise_script(done, self.context.schema, self.facts_of)]
        return [one for one in found if one.source is source], True


def _common(found: list[Diagnostic], others: list[list[Diagnostic]]) -> list[Diagnostic]:
    """What is found every time; where it reads differently, in the words of the rule."""
    kept = []
    for one in found:
        twins = [next((o for o in run if (o.code, o.span) == (one.code, one.span)), None) for run in others]
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


# ------------------------------------------------------------------------------------ comments

_COMMENT = re.compile(r"--[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/")
_MARKED = re.compile("qql:", re.IGNORECASE)
_OURS = re.compile(r"(?:--|/\*)\s*(?P<word>qql):\s*(?P<said>.*?)\s*(?:\*/)?", re.DOTALL | re.IGNORECASE)
_IGNORE = re.compile(r"ignore\b[\s:]*(?P<codes>.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Ignore:
    """One comment: its place, the number of its statement (None: there is none), and its codes."""

    span: Span
    said: str
    statement: int | None
    codes: tuple[str, ...]


def _ignores(source: Source, statements: Sequence[Span]) -> list[_Ignore]:
    """The comments that speak to us."""
    if not _MARKED.search(source.text):
        return []
    found = []
    for match in _comments(source.text):
        ours = _OURS.fullmatch(match[0])
        if ours is None:
            continue
        asked = _IGNORE.fullmatch(ours["said"])
        if asked is None and ours["word"] != "qql":  # the language is spoken of
            continue
        codes = tuple(re.findall(r"[\w-]+", asked["codes"])) if asked else ()
        at = _statement_of(source.text, match.start(), statements)
        found.append(_Ignore(Span(match.start(), match.end()), ours["said"], at, codes))
    return found


def _comments(text: str) -> Iterator[re.Match[str]]:
    """Every comment; after something that is no QQL, none."""
    pos = 0
    while pos < len(text):
        end = skip_space(text, pos)
        yield from _COMMENT.finditer(text, pos, end)
        try:
            pos = max(cut(text, end).end, end + 1)
        except QQLSyntaxError:
            return


def _statement_of(text: str, at: int, statements: Sequence[Span]) -> int | None:
    before = bisect_right(statements, at, key=lambda span: span.start) - 1
    if before >= 0 and "\n" not in text[statements[before].end : at]:
        return before
    return before + 1 if before + 1 < len(statements) else None


def _key(one: Diagnostic, starts: Sequence[int]) -> tuple[int | None, str]:
    return (bisect_right(starts, one.span.start) - 1 if one.span else None), one.code


def _silence(
    found: Sequence[Diagnostic], ignores: Sequence[_Ignore], starts: Sequence[int]
) -> tuple[list[Diagnostic], int]:
    """What no comment silences, and how much is silenced. Errors cannot be."""
    silent = {(one.statement, code) for one in ignores for code in one.codes}
    kept = [one for one in found if one.severity == "error" or _key(one, starts) not in silent]
    return kept, len(found) - len(kept)


def _complaints(
    source: Source,
    found: Sequence[Diagnostic],
    ignores: Sequence[_Ignore],
    starts: Sequence[int],
    sound: bool,
) -> Iterator[Diagnostic]:
    """What is wrong about the comments themselves; which of them are idle is known of sound scripts only."""
    heard = {_key(one, starts) for one in found}
    for ignore in ignores:

        def said(code: str, message: str, hint: str, severity: str, span: Span = ignore.span) -> Diagnostic:
            return Diagnostic(code, message, span, hint, severity=severity, source=source)

        if not ignore.codes:
            message = f"lint does not know what `qql: {ignore.said[:40]}` asks for"
            yield said("bad-ignore", message, "write -- qql: ignore code", "warning")
        for code in ignore.codes:
            if code not in CODES:
                hint = did_you_mean(code, CODES) or "qql lint --rules lists the codes"
                yield said("bad-ignore", f"there is no advice or warning `{code}`", hint, "warning")
            elif sound and (ignore.statement, code) not in heard:
                message = f"`{code}` is not said of this statement"
                message = message if ignore.statement is not None else "no statement follows this comment"
                yield said("unused-ignore", message, "leave the comment out", "advice")
