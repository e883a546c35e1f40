"""The prompt on a terminal, as a person types at it, with the real engine below."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from terminals import prompt
from test_prompt_text import editor

pytestmark = pytest.mark.slow
MAKE = "CREATE COLLECTION docs (v VECTOR(2, DOT));\r"


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_a_session_at_a_width(tmp_path: Path, columns: int) -> None:
    with prompt(tmp_path, columns=columns) as terminal:
        terminal.shows(":memory:>")
        terminal.type(MAKE)
        terminal.shows("created collection docs")
        terminal.type("UPSERT INTO docs VALUES {\rid: 1, v: [1, 0], title: 'a\r")
        assert "{>" in terminal.shows("'>"), "what is open stands in front of a line"
        terminal.type("b'};\r")
        terminal.shows("1 point")
        terminal.paste("COUNT FROM docs;\nCOUNT FROM docs WHERE title = 'none';\n")
        assert "│" not in terminal.shows("'none';"), "a paste runs nothing"
        terminal.type("\r")
        terminal.shows("(1 row")
        terminal.shows("(1 row")
        terminal.type("DROP COLLECTION docs;\x03")  # the line is given up
        terminal.type("\x12UPS")
        terminal.shows("UPSERT INTO docs")
        terminal.type("\r\r")
        terminal.shows("1 point")
        terminal.child.setwinsize(24, 100)
        terminal.type("SHOW COLLECTIONS;\r")
        terminal.shows("docs")
        terminal.type("\x04")
        assert terminal.leaves() == 0
    history = (tmp_path / "history").read_text()
    assert "+id: 1, v: [1, 0], title: 'a\n+b'};\n" in history, "entries are whole"
    assert "DROP" not in history


def test_an_editor_and_what_it_says(tmp_path: Path) -> None:
    command = editor(tmp_path, 'sed -i s/docs/other/ "$2"; touch done')
    with prompt(tmp_path, environment={"VISUAL": command}) as terminal:
        terminal.shows(":memory:>")
        terminal.type("COUNT FROM docs\x18\x05")
        terminal.shows("COUNT FROM other")
        assert (tmp_path / "done").exists()
        terminal.type("\x03\x04")
        assert terminal.leaves() == 0
    with prompt(tmp_path, environment={"VISUAL": "false"}) as terminal:
        terminal.shows(":memory:>")
        terminal.type("COUNT FROM docs\x18\x05")
        terminal.shows("false ended with code 1; the text is as it was")
        terminal.type(";\r")
        terminal.shows("there is no collection `docs`")
        terminal.type("\x04")
        assert terminal.leaves() == 0


COLOURS = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-79]|4[0-79]|9[0-7])(?:;[0-9]+)*m")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm-256color")])
def test_colours_and_faults_while_typing(tmp_path: Path, name: str, value: str) -> None:
    with prompt(tmp_path, environment={name: value}) as terminal:
        terminal.shows(":memory:>")
        terminal.type("QUERY 'a' FRM docs")
        if value != "dumb":
            terminal.shows("did you mean `FROM`?")
            terminal.type("\x03")
        else:
            terminal.type(";\r")
            terminal.shows("did you mean `FROM`?")
        assert bool([one for one in COLOURS.findall(terminal.written) if not one.endswith("[39m")]) is (
            value == "xterm-256color"
        )
        terminal.type("\x04")
        assert terminal.leaves() == 0


def test_ctrl_c_ends_a_statement_and_keeps_the_session(tmp_path: Path) -> None:
    with prompt(tmp_path) as terminal:
        terminal.shows(":memory:>")
        terminal.type(MAKE)
        terminal.shows("created collection docs")
        (worker,) = terminal.workers()
        os.kill(worker, signal.SIGSTOP)  # an engine that is busy for ever
        terminal.type("COUNT FROM docs WHERE a = 1;\r")
        terminal.shows("a=1;")
        terminal.hears_signals()
        terminal.type("\x03")
        terminal.shows("cancelled: nothing was written")
        terminal.type("COUNT FROM docs;\r")
        terminal.shows("(1 row")
        assert terminal.workers() != [worker], "what was given up has been ended"
        terminal.type("\\q\r")
        assert terminal.leaves() == 0


def test_an_engine_that_dies_is_said_and_started_again_with_its_data(tmp_path: Path) -> None:
    with prompt(tmp_path) as terminal:
        terminal.shows(":memory:>")
        terminal.type(MAKE + "UPSERT INTO docs VALUES {id: 7, v: [1, 0]};\r")
        terminal.shows("1 point")
        (worker,) = terminal.workers()
        os.kill(worker, signal.SIGKILL)
        terminal.type("COUNT FROM docs WHERE id = 7;\r")
        shown = terminal.shows("what was acknowledged is kept")
        assert "wasendedbysignal9,andwasstartedagain" in shown
        assert "│1│" in shown
        terminal.type("\\q\r")
        assert terminal.leaves() == 0
