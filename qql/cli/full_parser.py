"""The arguments of the command line as argparse reads them: all there is, what is wrong, and ``--help``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import qql
from qql.cli.commands import COMMANDS, Command
from qql.cli.commands.option_kinds import Collector
from qql.cli.commands.options import OPTIONS, Arguments, Option
from qql.cli.usage import UsageError
from qql.errors import did_you_mean

__all__ = ["parse_fully"]


class _CommandParser(argparse.ArgumentParser):
    """A parser whose errors are ours; ``commands`` are the words that a misspelt one may have meant."""

    commands: tuple[str, ...] = ()

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **settings,
        )

    def error(self, message: str) -> NoReturn:
        if word := re.match(r"argument COMMAND: invalid choice: '(.*)' \(", message):
            hint = did_you_mean(word[1], self.commands) or f"`qql run {word[1]}` runs a file"
            raise UsageError.make("usage", f"there is no command {word[1]}", hint=hint)
        hint = f"`{self.prog} --help` shows what there is"
        if "ignored explicit argument" in message:  # as in -heart, of which -h is an option
            hint = f"what begins with `-` and is no option stands behind `--`: {self.prog} … -- -text"
        raise UsageError.make("usage", message, hint=hint)


class _TopParser(_CommandParser):
    """The parser of all arguments; its help is one screen."""

    def format_help(self) -> str:
        """As `help_screen` has it, for the columns that there are."""
        from shutil import get_terminal_size

        from qql.cli.help_screen import help_screen

        return help_screen(get_terminal_size().columns)


def _new_parser() -> _CommandParser:
    parents = {name: _option_parser(name, option) for name, option in OPTIONS.items()}
    top = _TopParser(prog="qql", parents=list(parents.values()))
    top.commands = tuple(COMMANDS)
    top.add_argument("-V", "--version", action="version", version=f"qql {qql.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_CommandParser)
    for name, command in COMMANDS.items():
        formats = f"formats: {', '.join(command.format_names())}" if command.formats else ""
        own = commands.add_parser(
            name,
            help=command.help,
            description=command.help,
            epilog="\n".join(filter(None, (command.about, formats))) or None,
            parents=[parents[option] for option in command.options],
        )
        metavar, about = command.takes
        own.add_argument("files", nargs=command.files, metavar=metavar, help=about)
    return top


def _option_parser(name: str, option: Option) -> _CommandParser:
    # One action object serves all parsers: an action that collects knows what came before the command.
    parent = _CommandParser(add_help=False)
    settings: dict[str, Any] = {**option.settings}
    action = settings.get("action")
    if isinstance(action, type):
        settings |= {"action": _Collect, "collector": action()}
    elif action == "either":
        settings["action"] = argparse.BooleanOptionalAction
    parent.add_argument_group(option.group).add_argument(*option.flags, dest=name, **settings)
    return parent


class _Collect(argparse.Action):
    """Gives the values of an option to its collector, which the parsers of all commands share."""

    def __init__(self, *flags: Any, collector: Collector, **settings: Any) -> None:
        super().__init__(*flags, **settings)
        self._collector = collector

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option: str | None = None
    ) -> None:
        try:
            setattr(namespace, self.dest, self._collector.take(str(values)))
        except ValueError as exc:
            parser.error(f"{option} {exc}")


def parse_fully(argv: Sequence[str]) -> tuple[str | None, Arguments]:
    """The name of the command (None: none was named) and its arguments. Raises `UsageError`."""
    _refuse_misspelt_options(argv)
    namespace, unknown = _new_parser().parse_known_args(argv)
    args = Arguments(vars(namespace))
    name = args.pop("command", None)
    command = COMMANDS[name or "run"]
    _refuse_misplaced_options(args, unknown, name or "run", command)
    if unknown:
        hint = f"`qql {name or 'run'} --help` shows what there is; what has spaces needs quotes"
        if unknown[0].startswith("-"):
            hint = "options stand in front of `--`"
        raise UsageError.make("usage", f"unrecognized argument {unknown[0]}", hint=hint)
    if "format" in args and args["format"] not in (formats := command.format_names()):
        known = ", ".join(formats)
        hint = did_you_mean(args["format"], formats) or f"the formats are {known}"
        raise UsageError.make("usage", f"there is no format {args['format']}", hint=hint)
    return name, args


def _refuse_misplaced_options(args: Arguments, unknown: Sequence[str], name: str, command: Command) -> None:
    flags = {word.partition("=")[0] for word in unknown}
    misplaced = [
        option.flags[-1]
        for key, option in OPTIONS.items()
        if key not in command.options and not flags.isdisjoint(option.flags)
    ]
    misplaced += [args.flag(option) for option in args if option not in (*command.options, "files")]
    if misplaced:
        raise UsageError.make("usage", f"{misplaced[0]} has no meaning for `qql {name}`")


def _refuse_misspelt_options(argv: Sequence[str]) -> None:
    # argparse would take the value of a misspelt option for a command, and show it: it might be a secret.
    known = {flag for option in OPTIONS.values() for flag in option.flags}
    known |= {"--help", "--version", "--no-progress"}
    for word in argv:
        flag = re.fullmatch(r"(--[a-z][\w-]*)(=.*)?", word, re.DOTALL)
        if word == "--":
            return
        if flag and flag[1] not in known:
            raise UsageError.make(
                "usage", f"unrecognized argument {flag[1]}", hint=did_you_mean(flag[1], known)
            )
