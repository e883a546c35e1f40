"""The scripts by which shells complete the words of the command, made by shtab of the tables of commands."""

from __future__ import annotations

import argparse
from typing import Any

from qql.cli.commands import COMMANDS, Command
from qql.cli.commands.options import OPTIONS, RUNNING, Option
from qql.cli.usage import UsageError

__all__ = ["completion_parser", "completion_script"]

_FILES = ("FILE", "PIPELINE")
"""Metavars of what is a file."""
_DIRECTORIES = ("DIR",)


def completion_script(shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``. Raises `UsageError` ``missing-library`` without shtab."""
    try:
        import shtab
    except ImportError as exc:
        message = "completion needs shtab, which is not installed"
        raise UsageError.make("missing-library", message, hint="pip install shtab") from exc
    script: str = shtab.complete(completion_parser(), shell=shell)
    return script


def completion_parser() -> argparse.ArgumentParser:
    """All commands with their options and the values that these take, for shtab.

    It reads no arguments (`full_parser` does); each command's ``--format`` has its own choices here.
    """
    top = argparse.ArgumentParser(prog="qql", description="QQL for Qdrant")
    _add_options(top, RUNNING, tuple(COMMANDS["run"].format_names()))
    top.add_argument("-V", "--version", action="store_true", help="show the version")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.help, description=command.help)
        _add_options(own, command.options, command.format_names())
        _add_files(own, name, command)
    return top


def _add_options(parser: argparse.ArgumentParser, names: tuple[str, ...], formats: tuple[str, ...]) -> None:
    for name in names:
        values = formats if name == "format" else _values_of(name)
        _add_option(parser, OPTIONS[name], values)


def _add_option(parser: argparse.ArgumentParser, option: Option, values: tuple[str, ...]) -> None:
    settings: dict[str, Any] = {"help": _plain(option.settings.get("help", ""))}
    match option.settings.get("action", "store"):
        case "store_true" | "store_false":
            settings["action"] = "store_true"
        case "either":
            settings["action"] = argparse.BooleanOptionalAction
        case _:  # one that collects may be given again, which no completion has to know
            settings |= {"metavar": option.settings.get("metavar"), "choices": values or None}
    action: Any = parser.add_argument(*option.flags, **settings)
    _complete(action, option.settings.get("metavar", ""))


def _add_files(parser: argparse.ArgumentParser, name: str, command: Command) -> None:
    metavar, about = command.takes
    words = _words_of(name)
    action: Any = parser.add_argument(
        "files", nargs=command.files, metavar=metavar, help=_plain(about), choices=words or None
    )
    _complete(action, metavar)


def _complete(action: Any, metavar: str) -> None:
    import shtab

    if metavar in _FILES:
        action.complete = shtab.FILE
    elif metavar in _DIRECTORIES:
        action.complete = shtab.DIRECTORY


def _plain(text: str) -> str:
    """A help text without what argparse and shells would read in it."""
    return text.replace("%", "%%").replace("`", "'")


def _values_of(name: str) -> tuple[str, ...]:
    """The values of an option that takes some words only."""
    match name:
        case "ties":
            from qql.evaluation.ties import TIE_ORDERS

            return tuple(TIE_ORDERS)
        case "latency":
            return ("p50", "p95")
        case "on_error":
            return ("stop", "skip")
        case "fail_on":
            return ("warning", "advice")
        case "rule" | "disable":
            from qql.advice import RULES

            return tuple(RULES)
    return ()


def _words_of(command: str) -> tuple[str, ...]:
    """The words that a command takes, where there is a list of them."""
    if command == "completion":
        from qql.cli.commands.completion import SHELLS

        return SHELLS
    return ()
