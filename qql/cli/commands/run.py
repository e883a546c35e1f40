"""`qql run`, and the prompt: a shell on the database that the command line names."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import qql
from qql.cli.access import Access, asked_on_terminal, connected
from qql.cli.commands.connection import (
    MEMORY,
    LateSession,
    open_session,
    target_of,
)
from qql.cli.commands.default_models import rerank_model_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.other_connections import OtherConnections
from qql.cli.commands.output import format_of, is_format_named, open_output, use_color
from qql.cli.commands.scripts import params_of, scripts_of
from qql.cli.render import FOR_PEOPLE, ProgressBar, Renderer
from qql.cli.shell import Shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["open_shell", "prompt", "run"]


def run(args: Arguments, console: Renderer) -> int:
    script = scripts_of(args)[0]
    with open_shell(args, console) as shell:
        if target_of(args) == MEMORY and "db" not in args:
            console.note("note: a database in memory, gone at the end; --db DIR or --url URL names another")
        shell.run(script)
    return shell.access.exit_code


def prompt(args: Arguments, console: Renderer) -> int:
    from qql.cli.prompt.unechoed import echoed, unechoed
    from qql.cli.repl import interact
    from qql.missing import library

    library("prompt_toolkit", "the prompt", instead="`qql run FILE` and `qql run -` do without")
    # With options, what is wrong about them is told before the prompt.
    console.interactive = True
    late = not args and rerank_model_of(args) is None
    with open_shell(Arguments(args, apart=True), console, late=late) as shell:
        memory = r" (gone at the end; \c DIR opens a directory)" if target_of(args) == MEMORY else ""
        console.note(f"qql {qql.__version__}, {connected(shell.session, shell.access.profile)}{memory}")
        shell.access.ask, shell.access.busy, shell.access.echoing = _ask, unechoed, echoed
        console.note(r"\? lists the commands, \q leaves")
        with unechoed():
            return interact(shell)


def _ask(question: str) -> bool | None:
    from qql.cli.prompt.unechoed import echoed

    with echoed():
        return asked_on_terminal(question)


@contextlib.contextmanager
def open_shell(args: Arguments, console: Renderer, *, late: bool = False) -> Iterator[Shell]:
    """A connected shell; closed at the end. With ``late``, a database in memory is opened when it is used."""
    target, params = target_of(args), params_of(args)
    bars = ProgressBar(sys.stderr, color=console.err_color)
    progress = bars if args.get("progress", sys.stderr.isatty()) else None
    with open_output(args, console) as file:
        console.format = format_of(args, "table" if file.isatty() and "output" not in args else "jsonl")
        console.color = use_color(args, file)
        if "format" in args:
            console.check()
        console.apart = "format" not in args and console.format not in FOR_PEOPLE
        is_late = late and target == MEMORY
        session: Any = LateSession(args, progress) if is_late else open_session(args, target, progress)
        access = Access(args.get("profile"), "yes" in args, "go_on" in args)
        ways = OtherConnections(args, access, console, progress)
        access.open_profile = ways.by_profile
        shell = Shell(session, console, ways.to_target, params, progress, access=access)
        shell.plain_texts = not is_format_named(args)
        try:
            yield shell
        finally:
            shell.close()
