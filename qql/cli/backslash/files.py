r"""``\i``, ``\ir``, ``\o``, ``\once``, ``\copy``: files that are run, written and loaded."""

from __future__ import annotations

import os

from qql.cli.backslash.output import Output
from qql.cli.backslash.scripts import run_file
from qql.cli.backslash.table import command, unquoted
from qql.cli.usage import UsageError
from qql.errors import Source
from qql.session.script_files import ScriptText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell


def _require(argument: str, name: str, what: str, example: str) -> None:
    if not argument:
        raise UsageError.make("usage", f"{name} requires {what}", hint=f"as in `{name} {example}`")


@command("\\i", argument="FILE", group="Files")
def run_script(shell: Shell, argument: str) -> bool:
    r"""Run a script, which may have commands in it.

    A command stands on a line of its own, between statements. The whole script is read before its first
    statement is sent; one without commands is planned before, too. `\q` in it ends the script.
    """
    _require(argument, r"\i", "a file", "setup.qql")
    run_file(shell, argument)
    return True


@command("\\ir", argument="FILE", group="Files")
def run_script_beside(shell: Shell, argument: str) -> bool:
    r"""As \i, but relative to the script that says it.

    At the prompt itself it is the same as `\i`.
    """
    _require(argument, r"\ir", "a file", "part.qql")
    path = argument
    if shell.scripts and not argument.startswith("~"):
        path = os.path.join(os.path.dirname(shell.scripts[-1]), argument)  # noqa: PTH118, PTH120
    run_file(shell, path)
    return True


@command("\\o", argument="[FILE]", group="Files", raw=True)
def send_results(shell: Shell, argument: str) -> None:
    r"""Send results to a file or a `| command`.

    `\o` alone ends it. A name says the format: `\o hits.csv`, `.json`, `.jsonl`, `.md`. The file is written
    anew. Messages of commands, warnings and errors stay on the terminal.
    """
    shell.end_output()
    if argument:
        shell.output = Output(_place(argument), shell.renderer)


@command("\\once", argument="FILE", group="Files", raw=True)
def send_next_results(shell: Shell, argument: str) -> None:
    r"""As \o, for what is run next.

    `\once | less` shows the next results in a program; `\last` behind it those of the statement before.
    """
    _require(argument, r"\once", "a file or a command", "hits.csv")
    shell.end_output()
    shell.output = Output(_place(argument), shell.renderer, once=True)


def _place(argument: str) -> str:
    return argument if argument.startswith("|") else unquoted(argument)


@command("\\copy", argument="COLLECTION FROM FILE", group="Files", raw=True)
def copy(shell: Shell, argument: str) -> None:
    r"""Load a file: COPY, whose files are here anyway.

    psql's `\copy` reads the client's files and its COPY the server's. Here both are the same: what
    stands behind `\copy` is passed on to COPY.
    """
    _require(argument, r"\copy", "what stands behind COPY", "docs FROM 'docs.jsonl'")
    shell.say(r"\copy is COPY here: its files are those of this machine")
    shell.run(ScriptText(Source(f"COPY {argument}", r"\copy")), some=True)
