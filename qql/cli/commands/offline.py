"""The commands that read scripts and send nothing: `qql compile`, `explain`, `check`, `convert`, `help`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import qql
from qql.advice import advised
from qql.analysis.explain import explain_compiled, explain_dict
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.inputs import counted, opened_output, params_of, script_of, scripts_of
from qql.cli.commands.options import TARGET, Given
from qql.cli.render import Renderer, json_text, render_diagnostics, sanitize, wants_color
from qql.cli.repl import UsageError, manual_lines
from qql.compiler.bind import Params
from qql.compiler.script import Compiled, compile_script, make_context
from qql.errors import Diagnostic, QQLCompileError, Source
from qql.session.script_files import read_executed

__all__ = ["check", "compile_", "convert", "explain", "help_"]

_HEADING = 60


def compile_(given: Given, console: Renderer) -> int:
    text, name = script_of(given)
    warnings: list[Diagnostic] = []
    requests = qql.compile(
        text,
        params_of(given) or None,
        collection=given.get("collection"),
        models=given.get("model"),
        name=name,
        warnings=warnings,
    )
    console.warn(warnings)
    bodies = [request.to_dict() for request in requests]
    with opened_output(given) as file:
        console.file = file
        if given.get("format") == "jsonl":
            for body in bodies:
                console.put(json_text(body, ascii_only=console.ascii_only))
        else:
            console.put(json_text(bodies, ascii_only=console.ascii_only, indent=2))
    return 0


def explain(given: Given, console: Renderer) -> int:
    done = _advised(given)
    console.warn([warning for one in done for warning in one.warnings])
    with opened_output(given) as file:
        console.file = file
        if given.get("format") == "json":
            plans = [explain_dict(one) for one in done]
            console.put(json_text(plans, ascii_only=console.ascii_only, indent=2))
        elif done:
            console.put(sanitize("\n\n".join(_explained(done)), newline="\n"))
    return 0


def _advised(given: Given) -> list[Compiled]:
    """The statements of a script with their advice, by the collections of a target where one is named."""
    text, name = script_of(given)
    params = params_of(given) or None
    if {"url", "db"} & given.keys():
        session = open_session(given, target_of(given), None)
        try:
            return advised(session.compile(text, params, name=name), session.schema, session.facts)
        finally:
            session.close()
    for option in TARGET:
        if option in given:
            raise UsageError.make("usage", f"{given.flag(option)} requires --url or --db")
    context = make_context(given.get("collection"), models=given.get("model"))
    done = compile_script(Source(text, name), params, context, files=read_executed)
    return advised(done, context.schema)


def _explained(done: Sequence[Compiled]) -> Iterator[str]:
    """The statements one by one; where there are several, each below its place and its first words."""
    reached = {one.source.name: (1, 0) for one in done}
    for one in done:
        line, at = reached[one.source.name]
        line, at = line + one.source.text.count("\n", at, one.span.start), one.span.start
        reached[one.source.name] = line, at
        words = " ".join(one.text[: 2 * _HEADING].split())
        shown = words if len(words) <= _HEADING else words[: _HEADING - 1] + "…"
        heading = f"-- {one.source.name}:{line}  {shown}\n" if len(done) > 1 else ""
        yield heading + explain_compiled(one)


def check(given: Given, console: Renderer) -> int:
    found: list[Diagnostic] = []
    params = params_of(given) or None
    scripts = scripts_of(given)
    for text, name in scripts:
        found += _faults(Source(text, name), params, given)
    match given.get("format", "text"):
        case "json":
            console.put(
                json_text([item.to_dict() for item in found], ascii_only=console.ascii_only, indent=2)
            )
        case "jsonl":
            for item in found:
                console.put(json_text(item.to_dict(), ascii_only=console.ascii_only))
        case _ if found:
            console.put(render_diagnostics(found, color=given.get("color", True) and wants_color(sys.stdout)))
    count = Counter(item.severity for item in found)
    console.note(
        f"{counted(len(scripts), 'script')}: {counted(count['error'], 'error')}, "
        f"{counted(count['warning'], 'warning')}"
    )
    return 3 if count["error"] else 0


def _faults(source: Source, params: Params, given: Given) -> list[Diagnostic]:
    """The errors and warnings of a script, in the order of its text, and those of the files it executes."""
    warnings: list[Diagnostic] = []
    context = make_context(given.get("collection"), models=given.get("model"))
    try:
        compile_script(source, params, context, warnings, read_executed)
    except QQLCompileError as exc:
        return sorted([*exc.diagnostics, *warnings], key=lambda one: one.span.start if one.span else 0)
    return warnings


def convert(given: Given, console: Renderer) -> int:
    text, name = script_of(given)
    found = qql.from_request(
        text,
        method=given.get("method"),
        path=given.get("path"),
        collection=given.get("collection"),
        format=given.get("format", "script"),
        name=name,
    )
    with opened_output(given) as file:
        console.file = file
        written = found.rstrip("\n")  # as it is: it may go into a file, to be run
        console.put(sanitize(written, newline="\n") if file.isatty() else written)
    return 0


def help_(given: Given, console: Renderer) -> int:
    console.put(*manual_lines(" ".join(given.get("files", ()))))
    return 0
