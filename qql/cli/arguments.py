"""The arguments of the command line: which command, with which options, by the table of commands.

What is written plainly is read here, for a command starts at once then; what is not, and all that is wrong,
goes to argparse (`full_parser`), which reads it in the same way, explains it, and knows ``--help``.
"""

from __future__ import annotations

import sys

from qql.cli.commands import COMMANDS, MANY
from qql.cli.commands.option_kinds import Collector
from qql.cli.commands.options import OPTIONS, Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from qql.cli.commands import Command

__all__ = ["parse_arguments"]


def parse_arguments(argv: Sequence[str] | None) -> tuple[Command | None, Arguments]:
    """The command (None: none was named) and its arguments. Raises `UsageError`."""
    argv = sys.argv[1:] if argv is None else argv
    plain = read_plainly(argv)
    if plain is None:
        from qql.cli.full_parser import parse_fully

        name, args = parse_fully(argv)
    else:
        name, args = plain
    return COMMANDS.get(name or ""), args


def read_plainly(argv: Sequence[str]) -> tuple[str | None, Arguments] | None:
    """The name of the command and its arguments; None where argparse has to have a look."""
    reading = _Reading(argv)
    if not all(reading.take(word) for word in reading.words):
        return None
    args, command = reading.args, COMMANDS[reading.command or "run"]
    if not args.keys() <= {*command.options, "files"}:
        return None
    if "format" in args and args["format"] not in command.format_names():
        return None
    return reading.command, args


class _Reading:
    """Takes the words one by one, as long as they are written plainly."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.words = iter(argv)
        self.args = Arguments()
        self.command: str | None = None
        self.files: list[str] = []
        self._flags = {flag: name for name, option in OPTIONS.items() for flag in option.flags}
        self._collectors: dict[str, Collector] = {}
        self._option_since_file = False

    def take(self, word: str) -> bool:
        """Whether the word was understood, and the value behind it."""
        flag, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if flag in self._flags:
            self._option_since_file = True
            return self._take_option(self._flags[flag], value if equals else None)
        if word.startswith("--no-") and self._is_either(off := self._flags.get(f"--{word[5:]}", "")):
            self._option_since_file, self.args[off] = True, False
            return True
        if word.startswith("-") and word != "-":
            return False
        if self.command is None:
            self.command = word
            return word in COMMANDS
        return self._take_file(self.command, word)

    @staticmethod
    def _is_either(name: str) -> bool:
        return name in OPTIONS and OPTIONS[name].settings.get("action") == "either"

    def _take_option(self, name: str, value: str | None) -> bool:
        settings = OPTIONS[name].settings
        action = settings.get("action", "store")
        if action in ("store_true", "store_false", "either"):
            self.args[name] = action != "store_false"
            return value is None
        value = next(self.words, "--") if value is None else value
        if value.startswith("-") and value != "-":
            return False
        try:
            if isinstance(action, type):
                collector = self._collectors.setdefault(name, action())
                self.args[name] = collector.take(value)
            else:
                self.args[name] = settings.get("type", str)(value)
        except Exception:  # whatever it is, argparse says it better
            return False
        return True

    def _take_file(self, command: str, word: str) -> bool:
        many = COMMANDS[command].files == MANY
        refused = bool(self.files) and (self._option_since_file or not many)
        self.files.append(word)
        self.args["files"] = self.files if many else word
        self._option_since_file = False
        return not refused
