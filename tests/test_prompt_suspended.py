"""The list of completions, and Ctrl-Z, on terminals of several widths, with the real engine below."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from terminals import program, prompt

pytestmark = pytest.mark.slow
WIDTHS = pytest.mark.parametrize("columns", [20, 80, 200])


@WIDTHS
def test_tab_goes_through_the_list_and_enter_takes_from_it(tmp_path: Path, columns: int) -> None:
    with prompt(tmp_path, columns=columns) as terminal:
        terminal.shows(":memory:>")
        terminal.type(
            "CREATE COLLECTION docs (v VECTOR(2, DOT)); CREATE COLLECTION documents (v VECTOR(2, DOT));\r"
        )
        terminal.shows("created collection documents")
        terminal.type("COUNT FROM do")
        terminal.shows("docs")
        terminal.shows("documents")
        terminal.type("\t\t")
        terminal.shows("documents")
        terminal.type("\r;\r")
        terminal.shows("(1 row")
        terminal.type("\x04")
        assert terminal.leaves() == 0
    entries = (tmp_path / "history").read_text().splitlines()
    assert [line for line in entries if "COUNT" in line] == ["+COUNT FROM documents;"], "Enter ran nothing"


@WIDTHS
def test_ctrl_z_suspends_and_the_line_comes_back(tmp_path: Path, columns: int) -> None:
    with program("bash", ["--norc", "--noprofile", "-i"], tmp_path, columns, {"PS1": "shell$ "}) as terminal:
        terminal.shows("shell$")
        terminal.type(f"{sys.executable} -m qql\r")
        terminal.shows(":memory:>")
        terminal.type("CREATE COLLECTION docs (v VECTOR(2, DOT));\r")
        terminal.shows("created collection docs")
        terminal.type("COUNT FROM")
        terminal.shows("COUNT FROM")
        terminal.type("\x1a")
        terminal.shows("Stopped")
        terminal.shows("shell$")
        terminal.type("echo here $((40 + 2))\r")
        terminal.shows("here 42")
        terminal.type("fg\r")
        terminal.shows("COUNT FROM")
        terminal.type(" docs;\r")
        terminal.shows("(1 row")
        terminal.type("\x04")
        terminal.shows("shell$")
        terminal.type("exit\r")
        assert terminal.leaves() == 0
