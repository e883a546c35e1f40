"""The commands that read scripts and send nothing: `qql compile`, `explain`, `check`, `convert`, `help`."""

from __future__ import annotations

import sys
from collections import Counter

import qql
from qql.commands.inputs import counted, opened_output, params_of, script_of, scripts_of
from qql.commands.options import TARGET, Given
from qql.commands.target import open_session, target_of
from qql.errors import Diagnostic
from qql.render import Renderer, json_text, render_diagnostics, sanitize, wants_color
from qql.repl import UsageError, manual_lines

__all__ = ["check", "compile_", "convert", "explain", "help_"]


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
    text, name = script_of(given)
    params = params_of(given) or None
    if {"url", "db"} & given.keys():
        session = open_session(given, target_of(given), None)
        try:
            plan = session.explain(text, params, name=name)
        finally:
            session.close()
    else:
        for option in set(TARGET) & given.keys():
            raise UsageError.make("usage", f"{given.flag(option)} requires --url or --db")
        plan = qql.explain(
            text, params, collection=given.get("collection"), models=given.get("model"), name=name
        )
    console.put(sanitize(plan.rstrip("\n"), newline="\n"))
    return 0


def check(given: Given, console: Renderer) -> int:
    found: list[Diagnostic] = []
    params = params_of(given) or None
    scripts = scripts_of(given)
    for text, name in scripts:
        found += qql.check(
            text, params, collection=given.get("collection"), models=given.get("model"), name=name
        )
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
