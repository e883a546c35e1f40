r"""``\n``, ``\ns``, ``\nd``: statements that are saved under names, for this prompt and later ones."""

from __future__ import annotations

import shlex

from qql.cli.backslash.table import command
from qql.cli.render import sanitize
from qql.cli.usage import UsageError, parse_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

_GROUP = "Saved statements"
_SHOWN = 200
"""Characters of a saved statement that the list has."""


@command("\\n", argument="[NAME [VALUE...]]", group=_GROUP, raw=True)
def run_saved(shell: Shell, argument: str) -> None:
    r"""Run a saved statement, or list those there are.

    `:name` parameters take their values from `\set`; values behind the name are those of its `?`, as in
    `\n nearest 'red shoes' 5`.
    """
    from qql.cli.saved_statements import saved_names, saved_text
    from qql.errors import Source
    from qql.session.script_files import ScriptText

    name, *values = _words(argument)
    if not name:
        names = saved_names()
        if not names:
            shell.say(r"nothing is saved; `\ns NAME` saves the last statement")
        else:
            shell.show_rows([{"name": one, "statement": _shown(saved_text(one))} for one in names])
        return
    text = saved_text(name)
    shell.renderer.put(sanitize(text.strip("\n"), newline="\n"))
    before = shell.params
    shell.params = [parse_value(value) for value in values] if values else before
    try:
        shell.typed = text
        shell.run(ScriptText(Source(text, f"\\n {name}")), some=True)
    finally:
        shell.params = before


@command("\\ns", argument="NAME [STATEMENT]", group=_GROUP, raw=True)
def save_statement(shell: Shell, argument: str) -> None:
    r"""Save a statement, or the last one, under a name.

    It is a file of its own, for you alone, which `\n NAME` runs. QQL_QUERIES names their folder. What may
    hold a key or a password is not saved.
    """
    from qql.cli.saved_statements import save
    from qql.syntax.parser import parse

    name, _, text = argument.strip().partition(" ")
    text = text.strip() or shell.typed
    if not name or not text:
        hint = r"`\ns NAME` saves the last statement, `\ns NAME STATEMENT` another"
        raise UsageError.make("usage", r"\ns requires a name and a statement", hint=hint)
    parse(text)  # raises what is wrong about it
    save(name, text if text.rstrip().endswith(";") else text + ";", shell.renderer.secrets)
    shell.say(f"saved as {name}")


@command("\\nd", argument="NAME", group=_GROUP)
def forget_statement(shell: Shell, argument: str) -> None:
    """Forget a saved statement."""
    from qql.cli.saved_statements import forget

    forget(argument)
    shell.say(f"{argument} is no longer saved")


def _words(argument: str) -> list[str]:
    """The name and the values; a text in quotes may have spaces. Raises `UsageError`."""
    try:
        return shlex.split(argument) or [""]
    except ValueError as exc:
        raise UsageError.make("usage", rf"\n: {exc}", hint=r"as in `\n nearest 'red shoes'`") from exc


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
