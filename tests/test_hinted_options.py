"""Options of the command line that messages recommend: each exists where the message can appear."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from qql.cli.commands import COMMANDS
from qql.cli.commands.options import OPTIONS, TARGET

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OF_OTHERS = {"--max-client-batch-size", "--task", "--data-binary"}
"""Options of other programs that messages name."""

COMPILING = {name for name, one in COMMANDS.items() if "param" in one.options}
CONNECTING = {name for name, one in COMMANDS.items() if {*TARGET} <= {*one.options}}
ASKING = CONNECTING - {"doctor", "dump"}
"""Those that carry out or plan what somebody wrote."""
REACHED = {
    "compiler": COMPILING,
    "syntax": COMPILING,
    "advice": {"lint"},
    "models": ASKING - {"explain", "lint"},
    "backends/client": CONNECTING,
    "backends/features": ASKING,
    "convert": {"convert"},
    "evaluation": {"tune"},
    "session": ASKING,
    "manual": {"run"},
    "rest": set(),
}
"""The commands whose messages come from a room below that of the commands."""

REACHED_BY = {
    "session/permissions.py": {"run", "dump", "restore"},
    "session/external.py": {"run", "query", "restore", "eval", "tune", "bench", "diff", "record"},
    "evaluation/gate.py": {"eval"},
}
"""The same of modules that fewer commands come by: a writing statement is refused, a gate is passed."""

_OF_OTHERS = ("convert/curl.py", "convert/texts.py", "pictures/", "notebook/")
"""Modules whose words with `--` are curl's options, names of CSS, and those of a notebook's own `%%qql`."""


def hinted(path: Path) -> Iterator[str]:
    """The options that the texts of a module name, but not those of its docstrings."""
    text = path.read_text(encoding="utf-8")
    if not _OPTION.search(text):
        return
    tree = ast.parse(text)
    docs = {
        id(one.value)
        for one in ast.walk(tree)
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    }
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in docs:
            yield from (word for word in _OPTION.findall(one.value) if word not in OF_OTHERS)


def flags_of(command: str) -> set[str]:
    return {flag for name in COMMANDS[command].options for flag in OPTIONS[name].flags}


def found_below_the_commands() -> list[tuple[str, str, str]]:
    """Room, module, option: of every message outside of the command line's own room."""
    out = []
    for path in sorted((ROOT / "qql").rglob("*.py")):
        place = path.relative_to(ROOT / "qql").as_posix()
        if place.startswith("cli/") or place.startswith(_OF_OTHERS):
            continue
        for word in sorted(set(hinted(path))):
            first, second = place.split("/")[:2]
            room = f"{first}/{second}" if first == "backends" else first
            out.append((room, place, word))
    return out


HINTED = found_below_the_commands()


def test_some_are_found() -> None:
    assert {"--model", "--rerank-model", "--param", "--url", "--api-key"} <= {word for _, _, word in HINTED}


@pytest.mark.parametrize(("room", "place", "word"), HINTED, ids=lambda one: one)
def test_an_option_that_a_message_names_exists_where_it_appears(room: str, place: str, word: str) -> None:
    reached = REACHED_BY.get(place, REACHED[room])
    lacking = {command for command in reached if word not in flags_of(command)}
    assert not lacking, f"{place} recommends {word}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_recommends_only_what_there_is(name: str) -> None:
    """A command's own module; some of them hint at another command, and name it then."""
    known = {flag for one in OPTIONS.values() for flag in one.flags} | {"--help", "--version"}
    module = ROOT / "qql" / "cli" / "commands" / f"{name}.py"
    words = set(hinted(module)) if module.exists() else set()
    assert words <= known
