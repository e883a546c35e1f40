"""`qql compile`, `explain` and `check`: what a script means; and `qql convert`, from requests to a script."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import qql
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import open_output, pluralize, use_color
from qql.cli.commands.scripts import CompileOptions, executed_files, scripts_of, source_of, sources_of
from qql.cli.render import Renderer, render_diagnostics, sanitize
from qql.compiler.script import Compiled, compile_script, each_compiled
from qql.errors import Diagnostic, QQLCompileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.script import Files
    from qql.syntax.pieces import Pieces

__all__ = ["check", "compile_", "convert", "explain"]

_HEADING_WIDTH = 60


def compile_(args: Arguments, console: Renderer) -> int:
    from qql.cli.commands.connection import gaps_by
    from qql.session.server_gaps import require_server

    source, options = source_of(args), CompileOptions.of(args)
    warnings: list[Diagnostic] = []
    requests = qql.compile(source.text, options.params, warnings=warnings, **options.named(source.name))
    console.warn(warnings)
    if (gaps := gaps_by(args, None)) is not None:
        require_server(compile_script(source, options.params, options.context()), gaps)
    with open_output(args, console):
        match args.get("format"):
            case "jsonl":
                for request in requests:
                    console.put_json(request.to_dict(), indent=None)
            case "curl" | "python" as form:
                _put_programs([getattr(request, form)() for request in requests], console)
            case _:
                console.put_json([request.to_dict() for request in requests])
    return 0


def _put_programs(texts: Sequence[str], console: Renderer) -> None:
    """Commands or programs, with a line between two; on a terminal, nothing in them controls it."""
    text = "\n\n".join(one.rstrip("\n") for one in texts)
    if text:
        # As it is: it is to be run. Only a terminal is spared what could control it.
        console.put(sanitize(text, newline="\n") if console.file.isatty() else text)


def explain(args: Arguments, console: Renderer) -> int:
    statements = _compiled_with_advice(args)
    console.warn([warning for one in statements for warning in one.warnings])
    with open_output(args, console):
        if args.get("format") == "json":
            from qql.analysis.explain_json import explain_dict

            console.put_json([explain_dict(one) for one in statements])
        elif args.get("format") == "html":
            from qql.analysis.explain_json import explain_dict
            from qql.pictures import page

            console.put(page([explain_dict(one) for one in statements]).rstrip("\n"))
        elif statements:
            console.put_text(*sanitize("\n\n".join(_explanations(statements)), newline="\n").split("\n"))
    return 0


def _compiled_with_advice(args: Arguments) -> list[Compiled]:
    """The statements of a script with their advice, by the collections of a target where one is named."""
    from qql.advice import advised
    from qql.cli.commands.connection import gaps_by, open_known_database
    from qql.session.server_gaps import with_gaps

    source, options = source_of(args), CompileOptions.of(args)
    with open_known_database(args) as session:
        if session is not None:
            statements = session.compile(source.text, options.params, name=source.name, sent=False)
            statements = advised(statements, session.schema, session.full_facts)
            return [with_gaps(one, gaps_by(args, session)) for one in statements]
    context = options.context()
    statements = compile_script(source, options.params, context, files=executed_files(args))
    return [with_gaps(one, gaps_by(args, None)) for one in advised(statements, context.schema)]


def _explanations(statements: Sequence[Compiled]) -> Iterator[str]:
    """The statements one by one; where there are several, each below its place and its first words."""
    from qql.analysis.explain import explain_compiled

    reached = {one.source.name: (1, 0) for one in statements}
    for one in statements:
        line, at = reached[one.source.name]
        line, at = line + one.source.text.count("\n", at, one.span.start), one.span.start
        reached[one.source.name] = line, at
        words = " ".join(one.text[: 2 * _HEADING_WIDTH].split())
        shown = words if len(words) <= _HEADING_WIDTH else words[: _HEADING_WIDTH - 1] + "…"
        heading = f"-- {one.source.name}:{line}  {shown}\n" if len(statements) > 1 else ""
        yield heading + explain_compiled(one)


def check(args: Arguments, console: Renderer) -> int:
    options, scripts, files = CompileOptions.of(args), scripts_of(args), executed_files(args)
    form, color = args.get("format", "text"), use_color(args, sys.stdout)

    def said_of(one: Diagnostic) -> str | dict[str, object]:
        # At once, as a diagnostic holds the piece of the script that it is about.
        return (
            render_diagnostics([one], color=color, width=console.line_width)
            if form == "text"
            else one.to_dict()
        )

    count, said = Counter[str](), list[str | dict[str, object]]()
    for script in scripts:
        found = [(_place(one), one.severity, said_of(one)) for one in _diagnostics(script, options, files)]
        found.sort(key=lambda one: one[0])
        count.update(severity for _, severity, _ in found)
        said += [words for _, _, words in found]
    match form:
        case "json":
            console.put_json(said)
        case "jsonl":
            for one in said:
                console.put_json(one, indent=None)
        case _ if said:
            console.put("\n\n".join(map(str, said)))
    console.note(
        f"{pluralize(len(scripts), 'script')}: {pluralize(count['error'], 'error')}, "
        f"{pluralize(count['warning'], 'warning')}"
    )
    return 3 if count["error"] else 0


def _place(one: Diagnostic) -> tuple[int, int, int]:
    """By what a script's diagnostics are sorted; those of the files it executes stand among them."""
    line, column = (one.source.first_line, one.source.first_column) if one.source else (1, 1)
    return line, column, one.span.start if one.span else 0


def _diagnostics(script: Pieces, options: CompileOptions, files: Files) -> Iterator[Diagnostic]:
    """The errors of a script and its warnings, and those of the files it executes."""
    try:
        for one in each_compiled(script, options.params, options.context(), files, once=False):
            yield from one.warnings
    except QQLCompileError as exc:
        yield from exc.diagnostics


def convert(args: Arguments, console: Renderer) -> int:
    [source] = sources_of(args, requests=True)
    script = qql.from_request(
        source.text,
        method=args.get("method"),
        path=args.get("path"),
        collection=args.get("collection"),
        format=args.get("format", "script"),
        name=source.name,
        allow=args.get("allow", ()),
    ).rstrip("\n")
    with open_output(args, console) as file:
        # As it is: it may go into a file, to be run.
        console.put(sanitize(script, newline="\n") if file.isatty() else script)
    return 0
