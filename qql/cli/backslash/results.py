r"""``\x``, ``\format``, ``\timing``, ``\last``, ``\pager``: how results are shown."""

from __future__ import annotations

from qql.cli.backslash.connection import switched
from qql.cli.backslash.table import command
from qql.cli.render import sanitize
from qql.cli.usage import UsageError
from qql.errors import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

__all__ = ["checked_format"]


def checked_format(name: str) -> str:
    """The name of a format. Raises `UsageError` where there is no such."""
    from qql.cli.render.formats import FORMATS

    if name not in FORMATS:
        hint = did_you_mean(name, FORMATS) or f"the formats are {', '.join(FORMATS)}"
        raise UsageError.make("usage", f"there is no format {sanitize(name)[:80]}", hint=hint)
    return name


@command("\\format", argument="[FORMAT]", group="Results")
def set_format(shell: Shell, argument: str) -> None:
    r"""Choose the format of results, or list the formats.

    `\last FORMAT` shows the last result alone in another format.
    """
    from qql.cli.render.formats import FORMATS

    if not argument:
        shell.renderer.put_text(f"format is {shell.renderer.format}; the formats are {', '.join(FORMATS)}")
        return
    shell.renderer.format, shell.renderer.apart = checked_format(argument), False
    shell.plain_texts = False
    shell.say(f"format is {argument}")


@command("\\x", argument="[on|off|auto]", group="Results")
def set_expanded(shell: Shell, argument: str) -> None:
    """Show a field on a line: on, off, or auto.

    `auto` does it where a table would not show all. Without an argument it switches between on and off. It is
    about the format `table`, which it chooses.
    """
    renderer = shell.renderer
    shown = "on" if renderer.format == "vertical" else renderer.expanded
    said = argument.lower() or ("on" if shown == "off" else "off")
    if said not in ("on", "off", "auto"):
        message = rf"\x requires on, off or auto, found {sanitize(argument)[:80]}"
        raise UsageError.make("usage", message)
    renderer.format, renderer.apart, renderer.expanded = "table", False, said
    shell.say(f"expanded view is {said}")


@command("\\timing", argument="[on|off]", group="Results")
def set_timing(shell: Shell, argument: str) -> None:
    """Show how long a statement took, or not."""
    shell.renderer.timing = switched(argument, shell.renderer.timing, r"\timing")
    shell.say(f"timing is {'on' if shell.renderer.timing else 'off'}")


@command("\\last", argument="[FORMAT]", group="Results")
def show_last(shell: Shell, argument: str) -> None:
    r"""Show the last result again, whole or in a format.

    Nothing is asked of the engine. After `\o FILE` or `\once FILE` it goes there.
    """
    if shell.last is None:
        raise UsageError.make("no-result", "there is no result yet", hint="a statement gives one")
    renderer, chosen = shell.renderer, shell.renderer.format
    renderer.format = checked_format(argument) if argument else chosen
    renderer.plain = shell.plain_texts and not argument
    try:
        renderer.show(shell.last, full=True)
    finally:
        renderer.format = chosen
        shell.end_once()


@command("\\pager", argument="[on|off|COMMAND]", group="Results", raw=True)
def set_pager(shell: Shell, argument: str) -> None:
    r"""Show long results in a pager: on, off, a command.

    `on` is what QQL_PAGER or PAGER names, else less. `\pager less -S` is another one. What fits on the screen
    is shown at once. Without an argument it says what is set.
    """
    if argument:
        shell.renderer.pager = argument.lower() if argument.lower() in ("on", "off") else argument
    shell.say(f"the pager is {sanitize(shell.renderer.pager)}")
