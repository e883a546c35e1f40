"""`qql lint`: the errors, warnings and advice of scripts, as text, JSON or SARIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import qql
from qql.advice import RULES, Linted, Rule, lint_script, to_json, to_sarif
from qql.advice.lint import CODES
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.inputs import counted, opened_output, params_of, scripts_of
from qql.cli.commands.options import TARGET, Given
from qql.cli.render import Renderer, json_text, render_diagnostics, wants_color
from qql.cli.repl import UsageError
from qql.compiler.plan import Context
from qql.compiler.script import make_context
from qql.errors import Diagnostic, Source, did_you_mean
from qql.result import Result
from qql.session.script_files import read_executed

__all__ = ["lint"]

_LEVELS = {"warning": ("warning",), "advice": ("warning", "advice")}
"""What counts as found, by the value of --fail-on."""
_FAILED, _FAULTY = 1, 3


def lint(given: Given, console: Renderer) -> int:
    if "rules" in given or "rule" in given:
        return _told(given, console)
    _check(given)
    scripts = [Source(text, name) for text, name in scripts_of(given)]
    params = params_of(given) or None
    disabled = frozenset(given.get("disable", ()))
    if {"url", "db"} & given.keys():
        session = open_session(given, target_of(given), None)
        try:
            context, facts = session.context, session.facts
            done = [
                lint_script(one, params, context, facts, disabled=disabled, files=read_executed)
                for one in scripts
            ]
        finally:
            session.close()
    else:
        context = _offline(given)
        done = [lint_script(one, params, context, disabled=disabled, files=read_executed) for one in scripts]
    found = [one for linted in done for one in linted.found]
    _show(found, given, console)
    console.note(_summary(done, found))
    severities = {one.severity for one in found}
    if "error" in severities:
        return _FAULTY
    return _FAILED if severities & {*_LEVELS.get(given.get("fail_on", ""), ())} else 0


def _check(given: Given) -> None:
    """Raises `UsageError`."""
    level = given.get("fail_on", "warning")
    if level not in _LEVELS:
        hint = did_you_mean(level, _LEVELS) or "the levels are warning and advice"
        raise UsageError.make("usage", f"--fail-on has no level {level}", hint=hint)
    for code in given.get("disable", ()):
        _check_code(code, CODES)
    for file in given.get("files") or ():
        if file != "-" and Path(file).is_dir():
            hint = f"name its scripts: qql lint {file.rstrip('/')}/*.qql"
            raise UsageError.make("file-unreadable", f"{file} is a directory", hint=hint)


def _check_code(code: str, known: Collection[str]) -> None:
    if code not in known:
        hint = did_you_mean(code, known) or "qql lint --rules lists the rules"
        raise UsageError.make("usage", f"there is no rule {code}", hint=hint)


def _offline(given: Given) -> Context:
    for option in TARGET:
        if option in given:
            raise UsageError.make("usage", f"{given.flag(option)} requires --url or --db")
    return make_context(given.get("collection"), models=given.get("model"))


# ------------------------------------------------------------------------------------ what is shown


def _show(found: Sequence[Diagnostic], given: Given, console: Renderer) -> None:
    with opened_output(given) as file:
        console.file = file
        match given.get("format", "text"):
            case "json":
                console.put(json_text(to_json(found), ascii_only=console.ascii_only, indent=2))
            case "sarif":
                log = to_sarif(found, qql.__version__)
                console.put(json_text(log, ascii_only=console.ascii_only, indent=2))
            case _ if found:
                color = given.get("color", True) and wants_color(file)
                console.put(render_diagnostics(found, color=color))


def _summary(done: Sequence[Linted], found: Sequence[Diagnostic]) -> str:
    count = Counter(one.severity for one in found)
    advice = "1 piece of advice" if count["advice"] == 1 else f"{count['advice']} pieces of advice"
    parts = [counted(count["error"], "error"), counted(count["warning"], "warning"), advice]
    silenced = sum(one.silenced for one in done)
    if silenced:
        parts.append(f"{silenced} silenced")
    said = f"{counted(len(done), 'script')}: {', '.join(parts)}"
    unbound = list(dict.fromkeys(name for one in done for name in one.unbound))
    if unbound:
        said += f"\nno value for {', '.join(unbound)}: said is what holds for any"
    return said


def _told(given: Given, console: Renderer) -> int:
    """The table of all rules, or the text of one. Raises `UsageError`."""
    option = "rule" if "rule" in given else "rules"
    for name in ("files", "text", "param", "fail_on", "disable", *TARGET):
        if given.get(name):
            what = "FILE" if name == "files" else given.flag(name)
            raise UsageError.make("usage", f"{what} has no meaning beside {given.flag(option)}")
    if option == "rule":
        _check_code(given["rule"], RULES)
    told = [RULES[given["rule"]]] if option == "rule" else list(RULES.values())
    form = given.get("format", "text")
    if form == "sarif":
        raise UsageError.make("usage", "rules are shown as text or json")
    with opened_output(given) as file:
        console.file = file
        if form == "json":
            console.put(json_text([_data(one) for one in told], ascii_only=console.ascii_only, indent=2))
        elif option == "rule":
            [one] = told
            console.put(f"{one.severity}[{one.code}]: {one.title}", "", one.reason, "", one.text)
        else:
            console.format = "table" if file.isatty() else "markdown"
            columns = ("code", "severity", "title", "reason")
            console.show(Result("rows", rows=[{name: _data(one)[name] for name in columns} for one in told]))
    return 0


def _data(rule: Rule) -> dict[str, Any]:
    names = ("code", "severity", "title", "reason", "needs", "text")
    return {name: getattr(rule, name) for name in names}
