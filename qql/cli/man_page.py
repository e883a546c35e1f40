"""The page of `man qql`, as roff: made of the tables of commands and options, and the manual's contents."""

from __future__ import annotations

import re
from collections.abc import Iterator

import qql
from qql.cli.commands import COMMANDS, MANY, Command
from qql.cli.commands.help import EXIT_CODES
from qql.cli.commands.options import OPTIONS, Option
from qql.cli.help_screen import STARTS

__all__ = ["man_page"]

_WIDTH = 72
"""Columns of what stands in the page as it is."""


def man_page() -> str:
    """The page, in ASCII (other characters are written as roff names them); it ends with a newline."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.\\" Made of the texts of the command line.'
    yield f'.TH QQL 1 "" "qql {_text(qql.__version__)}" "User Commands"'
    yield ".SH NAME"
    yield "qql \\- multi\\-stage retrieval pipelines for Qdrant, as text"
    yield ".SH SYNOPSIS"
    yield ".B qql"
    yield _text("[COMMAND] [OPTIONS] [FILE …]")
    yield ".SH DESCRIPTION"
    yield _text("QQL is to Qdrant what SQL is to PostgreSQL. Without a command it is a prompt on a terminal,")
    yield _text("and reads a script elsewhere. Options may stand before or after the command.")
    for typed, says in STARTS:
        yield from _tagged(typed, says)
    yield ".SH COMMANDS"
    for name, command in COMMANDS.items():
        yield from _command(name, command)
    yield ".SH OPTIONS"
    yield _text("Which options a command has, qql COMMAND --help says.")
    groups: dict[str, list[Option]] = {}
    for option in OPTIONS.values():
        groups.setdefault(option.group, []).append(option)
    for group, options in groups.items():
        yield f".SS {_text(group.capitalize())}"
        for option in options:
            yield from _option(option)
    yield ".SH THE LANGUAGE"
    yield _text("`qql help WORD` says what each of these is.")
    yield from _as_it_is(_contents())
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from _tagged(str(code), meaning)


def _command(name: str, command: Command) -> Iterator[str]:
    metavar, about = command.takes
    many = " …" if command.files == MANY else ""
    yield f".SS {_text(f'qql {name} [{metavar}{many}]')}"
    yield _text(f"{_sentence(command.help)} {metavar}: {about}.")
    if command.format_names():
        yield ".br"
        yield _text(f"Formats: {', '.join(command.format_names())}.")
    for part in filter(None, command.about.split("\n\n")):
        yield ".PP"
        if part.startswith("  "):
            yield from _as_it_is(part)
        else:
            yield from map(_text, part.split("\n"))


def _option(option: Option) -> Iterator[str]:
    metavar = option.settings.get("metavar", "")
    flags = [f"{flag} {metavar}".rstrip() for flag in option.flags]
    if option.settings.get("action") == "either":
        flags.append(f"--no-{option.flags[-1].removeprefix('--')}")
    yield from _tagged(", ".join(flags), option.settings.get("help", ""))


def _tagged(tag: str, says: str) -> Iterator[str]:
    yield ".TP"
    yield f".B {_text(tag)}"
    yield _text(_sentence(says))


def _as_it_is(text: str) -> Iterator[str]:
    yield ".nf"
    yield from map(_text, text.split("\n"))
    yield ".fi"


def _contents() -> str:
    from qql.manual.lookup import contents_text

    return contents_text(_WIDTH)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", ":")) else ".")


def _text(text: str) -> str:
    """Words as roff shows them: nothing in them is a command, and a hyphen can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("`", "\\(ga")
    text = text.replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", text)
    return f"\\&{text}" if text.startswith(".") else text
