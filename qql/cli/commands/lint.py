"""`qql lint`: the errors, warnings and advice of scripts, as text, JSON or SARIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial

import qql
from qql.advice import RULES, Linted, Rule, lint_script, to_json, to_sarif
from qql.advice.lint import CODES
from qql.cli.commands.connection import gaps_by, open_known_database
from qql.cli.commands.options import TARGET, Arguments
from qql.cli.commands.output import open_output, pluralize, use_color
from qql.cli.commands.scripts import CompileOptions, executed_files, refuse_directory, sources_of
from qql.cli.render import Renderer, render_diagnostics
from qql.cli.usage import UsageError
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, did_you_mean
from qql.rest.types import JsonObject
from qql.result import Result
from qql.session.server_gaps import Gaps, lacks_of

__all__ = ["lint"]

_LEVELS = {"warning": ("warning",), "advice": ("warning", "advice")}
"""What counts as found, by the value of --fail-on."""
_FAILED, _FAULTY = 1, 3


def lint(args: Arguments, console: Renderer) -> int:
    if "rules" in args or "rule" in args:
        return _show_rules(args, console)
    _check_lint(args)
    sources, options = sources_of(args), CompileOptions.of(args)
    disabled, files = frozenset(args.get("disable", ())), executed_files(args)
    with open_known_database(args) as session:
        context = options.context() if session is None else session.context
        facts_of = _no_facts if session is None else session.full_facts
        lacks = partial(_lacks, gaps_by(args, session))
        done = [
            lint_script(one, options.params, context, facts_of, disabled=disabled, files=files, lacks=lacks)
            for one in sources
        ]
    found = [one for linted in done for one in linted.found]
    _show_diagnostics(found, args, console)
    console.note(_summary(done, found))
    severities = {one.severity for one in found}
    if "error" in severities:
        return _FAULTY
    return _FAILED if severities & {*_LEVELS.get(args.get("fail_on", ""), ())} else 0


def _lacks(gaps: Gaps | None, compiled: Compiled) -> list[Diagnostic]:
    """What the server that is connected to, or assumed, lacks of a statement."""
    return [one for one in lacks_of(compiled, gaps) if one.severity == "error"]


def _check_lint(args: Arguments) -> None:
    """Raises `UsageError`."""
    level = args.get("fail_on", "warning")
    if level not in _LEVELS:
        hint = did_you_mean(level, _LEVELS) or "the levels are warning and advice"
        raise UsageError.make("usage", f"--fail-on has no level {level}", hint=hint)
    for code in args.get("disable", ()):
        _check_code(code, CODES)
    for file in args.get("files") or ():
        refuse_directory(file, "lint")


def _check_code(code: str, known: Collection[str]) -> None:
    if code not in known:
        hint = did_you_mean(code, known) or "qql lint --rules lists the rules"
        raise UsageError.make("usage", f"there is no rule {code}", hint=hint)


def _no_facts(collection: str) -> None:
    """What is known of a collection where there is no database."""


# ------------------------------------------------------------------------------------ report


def _show_diagnostics(found: Sequence[Diagnostic], args: Arguments, console: Renderer) -> None:
    with open_output(args, console) as file:
        match args.get("format", "text"):
            case "json":
                console.put_json(to_json(found))
            case "sarif":
                console.put_json(to_sarif(found, qql.__version__))
            case _ if found:
                console.put(render_diagnostics(found, color=use_color(args, file), width=console.line_width))


def _summary(done: Sequence[Linted], found: Sequence[Diagnostic]) -> str:
    count = Counter(one.severity for one in found)
    advice = "1 piece of advice" if count["advice"] == 1 else f"{count['advice']} pieces of advice"
    parts = [pluralize(count["error"], "error"), pluralize(count["warning"], "warning"), advice]
    silenced = sum(one.silenced for one in done)
    if silenced:
        parts.append(f"{silenced} silenced")
    summary = f"{pluralize(len(done), 'script')}: {', '.join(parts)}"
    unbound = list(dict.fromkeys(name for one in done for name in one.unbound))
    if unbound:
        summary += f"\nno value for {', '.join(unbound)}: said is what holds for any"
    return summary


def _show_rules(args: Arguments, console: Renderer) -> int:
    """The table of all rules, or the text of one. Raises `UsageError`."""
    option = "rule" if "rule" in args else "rules"
    for name in ("files", "text", "param", "fail_on", "disable", *TARGET):
        if args.get(name):
            what = "FILE" if name == "files" else args.flag(name)
            raise UsageError.make("usage", f"{what} has no meaning beside {args.flag(option)}")
    if option == "rule":
        _check_code(args["rule"], RULES)
    rules = [RULES[args["rule"]]] if option == "rule" else list(RULES.values())
    format = args.get("format", "text")
    if format == "sarif":
        raise UsageError.make("usage", "rules are shown as text or json")
    with open_output(args, console) as file:
        if format == "json":
            console.put_json([_rule_dict(rule) for rule in rules])
        elif option == "rule":
            [rule] = rules
            console.put_text(f"{rule.severity}[{rule.code}]: {rule.title}", "", rule.reason, "", rule.text)
        else:
            console.format = "table" if file.isatty() else "markdown"
            columns = ("code", "severity", "title", "reason")
            rows = [{name: _rule_dict(rule)[name] for name in columns} for rule in rules]
            console.show(Result("rows", rows=rows))
    return 0


def _rule_dict(rule: Rule) -> JsonObject:
    names = ("code", "severity", "title", "reason", "needs", "text")
    return {name: getattr(rule, name) for name in names}
