r"""``\?``, ``\h``, ``\!``, ``\q``: help, and the way out."""

from __future__ import annotations

from collections.abc import Iterator

from qql.cli.backslash.table import COMMANDS, GROUPS, command
from qql.cli.shell import manual_lines
from qql.cli.usage import UsageError
from qql.errors import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

_INTRODUCTION = "A statement runs at its `;`; Alt-Enter runs it as it stands; Ctrl-C cancels."
_ROOM_FOR_HELP = 30
"""Cells that have to be left beside the names, or the help stands below them."""


@command("\\?", "help", argument="[COMMAND]", group="General")
def list_commands(shell: Shell, argument: str) -> None:
    r"""List the commands, or tell about one.

    `\? \d` says all that there is to say of `\d`. `help WORD` asks the manual, as `\h WORD` does.
    """
    width = shell.renderer.line_width
    if argument.startswith("\\"):
        shell.show_text(_about(argument, width))
    elif argument:
        show_manual(shell, argument)
    else:
        shell.show_text([_INTRODUCTION, *command_lines(width)])


def _about(name: str, width: int | None) -> Iterator[str]:
    from qql.cli.render.wrapping import wrap_text

    found = COMMANDS.get(name)
    if found is None:
        hint = did_you_mean(name, COMMANDS) or r"`\?` lists the commands"
        raise UsageError.make("unknown-command", f"there is no command {name}", hint=hint)
    yield found.usage()
    for paragraph in found.about().split("\n\n"):
        said = " ".join(paragraph.split())
        yield ""
        yield from (f"  {line}" for line in ([said] if width is None else wrap_text(said, max(width - 2, 1))))


def command_lines(width: int | None) -> Iterator[str]:
    """The commands below their headings, for a terminal of so many cells (None: no limit)."""
    from qql.cli.render.wrapping import wrap_text

    commands = list(dict.fromkeys(COMMANDS.values()))
    room = max(len(one.usage()) for one in commands)
    beside = width is None or width - room - 4 >= _ROOM_FOR_HELP
    for group in GROUPS:
        yield from ("", group)
        for one in commands:
            if one.group != group:
                continue
            said = one.help_text()
            if not beside:
                yield from (f"  {one.usage()}", f"    {said}")
                continue
            first, *rest = [said] if width is None else wrap_text(said, width - room - 4)
            yield f"  {one.usage():<{room}}  {first}"
            yield from (f"{'':{room + 4}}{line}" for line in rest)


@command("\\h", argument="[WORD]", group="General")
def show_manual(shell: Shell, argument: str) -> None:
    """Show the manual on a word, or its contents.

    A word is a statement, clause, filter, function or option; several words are one name.
    """
    shell.show_text(manual_lines(argument, shell.renderer.line_width))


@command("\\!", argument="[COMMAND LINE]", group="General", raw=True)
def run_system_command(shell: Shell, argument: str) -> None:
    """Run a command line of the system, or a shell."""
    import os
    import subprocess

    try:
        if argument:
            code = subprocess.run(argument, shell=True).returncode
        else:
            code = subprocess.run([os.environ.get("SHELL") or "sh"]).returncode
    except OSError as exc:
        raise UsageError.make("command-failed", f"cannot run a shell: {exc.strerror}") from exc
    if code:
        shell.say(f"the command ended with {code}")


@command("\\q", "quit", "exit", group="General")
def leave(shell: Shell, argument: str) -> bool:
    """Leave. In a script: end the script."""
    return False
