"""Cells of QQL in IPython's terminal: which part is shown as what."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from conftest import ROOT
from IPython.core.interactiveshell import InteractiveShell
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from prompt_toolkit.document import Document


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TerminalInteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = TerminalInteractiveShell()
    monkeypatch.setattr(InteractiveShell, "_instance", made)
    assert made.run_cell("%load_ext qql").success
    yield made
    made.run_cell("%unload_ext qql")
    made.history_manager.end_session()


def looks(shell: TerminalInteractiveShell, text: str) -> list[list[tuple[str, str]]]:
    """What each line of a cell is shown as, white space left out."""
    lexer = shell._extra_prompt_options()["lexer"]
    line = lexer.lex_document(Document(text))
    found = [[*line(at)] for at in range(text.count("\n") + 1)]
    names = [
        [(look.rpartition("pygments.")[2], shown) for look, shown in one if shown.strip()] for one in found
    ]
    assert "\n".join("".join(shown for _, shown in one) for one in found) == text
    return names


def test_a_cell_is_coloured_as_statements_below_its_options(shell: TerminalInteractiveShell) -> None:
    assert looks(shell, "%%qql --as found\nQUERY 'a'\nFROM docs LIMIT 3") == [
        [("operator", "%%"), ("keyword", "qql"), ("text", " --as found")],
        [("keyword", "QUERY"), ("literal.string", "'a'")],
        [("keyword", "FROM"), ("name", "docs"), ("keyword", "LIMIT"), ("literal.number", "3")],
    ]


def test_a_line_is_coloured_behind_its_magic(shell: TerminalInteractiveShell) -> None:
    assert looks(shell, "%qql COUNT FROM docs") == [
        [("operator", "%"), ("keyword", "qql"), ("keyword", "COUNT"), ("keyword", "FROM"), ("name", "docs")]
    ]


@pytest.mark.parametrize("text", ["%%qql", "%%qql\n", "%qql", " %%qql --db 'a\n\n'", "%%qql\nQUERY '\n;"])
def test_what_is_not_finished_keeps_all_of_its_text(shell: TerminalInteractiveShell, text: str) -> None:
    assert ("keyword", "qql") in looks(shell, text)[0]


@pytest.mark.parametrize("text", ["x = 1", "%%bash\nls", "%%qqlx\nQUERY", "%%sql\nSELECT 1", "", "%"])
def test_other_cells_have_the_colours_that_they_had(shell: TerminalInteractiveShell, text: str) -> None:
    found = looks(shell, text)
    shell.run_cell("%unload_ext qql")
    assert looks(shell, text) == found
    shell.run_cell("%load_ext qql")


def test_without_the_extension_a_cell_is_not_of_qql(shell: TerminalInteractiveShell) -> None:
    shell.run_cell("%reload_ext qql")
    shell.run_cell("%unload_ext qql")
    assert ("keyword", "QUERY") not in looks(shell, "%%qql\nQUERY")[1]
    assert "_extra_prompt_options" not in vars(shell)


@pytest.mark.slow
def test_a_cell_that_is_typed_is_coloured(tmp_path: Path) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--ext", "qql"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path), "TERM": "xterm-256color"},
        encoding="utf-8",
        timeout=60,
    )
    try:
        child.expect(r"In .*\]")
        child.send("%%qql\rCOUNT FROM docs")
        child.expect("docs")
        assert re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*mFROM", str(child.before)), "a keyword has a colour"
        child.send("\x03\x04")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
