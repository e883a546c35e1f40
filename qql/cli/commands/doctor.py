"""`qql doctor`: what is installed, what works here, and what to do where something does not."""

from __future__ import annotations

from collections import Counter

from qql.cli.commands.doctor_checks import FAULT, LEVELS, Finding, findings
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import format_of, open_output, pluralize, use_color
from qql.cli.render import Renderer, sanitize
from qql.cli.render.terminal import paint
from qql.cli.usage import UsageError
from qql.rest.types import JsonObject

__all__ = ["doctor"]

_STYLES = {"ok": "help", "note": "warning", "fault": "error"}
_WIDTH = max(map(len, LEVELS))


def doctor(args: Arguments, console: Renderer) -> int:
    """Shows a line for each finding; 1 where there is a fault."""
    if args.get("files"):
        hint = "--db DIR and --url URL name a database to look at"
        raise UsageError.make("usage", "doctor takes no file", hint=hint)
    found: list[Finding] = []
    with open_output(args, console) as file:
        console.format = format_of(args, "text")
        console.color = use_color(args, file)
        for one in findings(args, console.secrets):
            found.append(one)
            if console.format == "text":
                _show(console, one)
        if console.format == "json":
            console.put_json(_data(found))
    counts = Counter(one.level for one in found)
    if console.format == "text":
        console.note(f"{pluralize(counts[FAULT], 'fault')}, {pluralize(counts['note'], 'note')}")
    return 1 if counts[FAULT] else 0


def _show(console: Renderer, one: Finding) -> None:
    indent = " " * (_WIDTH + 2)
    level = paint(f"{one.level:{_WIDTH}}", _STYLES[one.level], console.color)
    console.put_text(f"{level}  {sanitize(f'{one.area}: {one.says}')}")
    if one.remedy:
        console.put_text(f"{indent}= help: {sanitize(one.remedy)}")


def _data(found: list[Finding]) -> JsonObject:
    """``{"version", "ok", "machine", "packages", "findings": [{"area", "level", "says", "remedy"}]}``.

    ``machine`` is that of a stamp, ``packages`` name → version or null; ``level`` is ok, note or fault.
    """
    from qql.cli.commands.doctor_checks import versions
    from qql.session.stamp import machine

    return {
        "version": 1,
        "ok": not any(one.level == FAULT for one in found),
        "machine": machine().to_dict(),
        "packages": versions(),
        "findings": [
            {"area": one.area, "level": one.level, "says": one.says, "remedy": one.remedy} for one in found
        ],
    }
