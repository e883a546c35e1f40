"""`qql run`, and the prompt."""

from __future__ import annotations

import qql
from qql.cli.commands.connection import MEMORY, opened_shell, target_of
from qql.cli.commands.inputs import script_of
from qql.cli.commands.options import Given
from qql.cli.render import Renderer
from qql.cli.repl import interact

__all__ = ["prompt", "run"]


def run(given: Given, console: Renderer) -> int:
    text, name = script_of(given)
    with opened_shell(given, console) as shell:
        if target_of(given) == MEMORY and "db" not in given:
            console.note("note: a database in memory, gone at the end; --db DIR or --url URL names another")
        shell.run(text, name)
    return 0


def prompt(given: Given, console: Renderer) -> int:
    with opened_shell(given, console) as shell:
        memory = r" (gone at the end; \c DIR opens a directory)" if target_of(given) == MEMORY else ""
        console.note(f"qql {qql.__version__}, connected to {shell.session.target}{memory}")
        console.note(r"\? lists the commands, \q leaves")
        return interact(shell)
