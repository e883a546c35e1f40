"""The table of the commands of the prompt, which a decorator fills."""

from __future__ import annotations

from collections.abc import Callable

from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

    Action = Callable[[Shell, str], bool | None]

__all__ = ["COMMANDS", "GROUPS", "Command", "command", "unquoted"]

GROUPS = (
    "General",
    "Connection",
    "What there is",
    "The last statement",
    "Saved statements",
    "Results",
    "Parameters",
    "Files",
    "Looking into a query",
)
"""The headings below which the commands are listed, in this order."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the prompt.

    ``argument`` says what it takes, as people and the completer read it: ``[COLLECTION]``, ``FILE``,
    ``[on|off]``. ``run`` gets the shell and the rest of the line, without the quotes around it unless it is
    ``raw``; it gives False to leave. Its docstring is what is said of it: the first line in the list.
    """

    name: str
    argument: str
    group: str
    raw: bool
    run: Action

    def help_text(self) -> str:
        """What it does, in one line."""
        return self.about().partition("\n")[0].removesuffix(".")

    def about(self) -> str:
        """All that is said of it."""
        from inspect import cleandoc

        return cleandoc(self.run.__doc__ or "")

    def usage(self) -> str:
        """How it is written."""
        return f"{self.name} {self.argument}".rstrip()

    def carry_out(self, shell: Shell, argument: str) -> bool:
        """Run it with the rest of its line. False: leave. Raises `QQLError`."""
        given = argument if self.raw else unquoted(argument)
        return self.run(shell, given) is not False


COMMANDS: dict[str, Command] = {}
"""Every spelling of every command."""


def command(*names: str, argument: str = "", group: str, raw: bool = False) -> Callable[[Action], Action]:
    """Makes a function the command of these names; `Command` says what the rest means."""
    assert group in GROUPS, group

    def register(function: Action) -> Action:
        COMMANDS.update(dict.fromkeys(names, Command(names[0], argument, group, raw, function)))
        return function

    return register


def unquoted(text: str) -> str:
    """A text without the quotes around it."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`" and text[0] not in text[1:-1]
    return text[1:-1] if quoted else text
