"""``%qql`` and ``%%qql`` in IPython's own shell, in this process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

import qql
from qql.result import Result

START = """%%qql
CREATE COLLECTION notes (v VECTOR(2, DOT));
UPSERT INTO notes VALUES {id: 1, v: [1, 0], text: 'rain'}, {id: 2, v: [0.5, 0], text: 'tax'};
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A new shell with the extension loaded, in a directory of its own."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    made = InteractiveShell(colors="nocolor")
    monkeypatch.setattr(InteractiveShell, "_instance", made)
    assert made.run_cell("%load_ext qql").success
    yield made
    made.run_cell("%unload_ext qql")
    made.history_manager.end_session()


def run(shell: InteractiveShell, cell: str) -> ExecutionResult:
    return shell.run_cell(cell, store_history=True)


def test_a_cell_gives_the_last_result_and_shows_those_before(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(shell, START)
    assert done.success and isinstance(done.result, Result)
    assert done.result.message == "upserted 2 points into notes"
    out = capsys.readouterr().out
    assert out.index("created collection notes") < out.index("upserted 2 points")


def test_parameters_are_variables_and_a_result_gets_a_name(shell: InteractiveShell) -> None:
    run(shell, START)
    run(shell, "where, k = [1, 0], 1")
    run(shell, "%%qql --as found\nQUERY :where FROM notes LIMIT :k")
    assert run(shell, "found.ids").result == [1]


def test_the_variables_of_a_function_are_its_own(shell: InteractiveShell) -> None:
    run(shell, START)
    run(shell, "k = 1\ndef search(k):\n    %qql QUERY [1, 0] FROM notes LIMIT :k\n    return 0")
    run(
        shell,
        "def ids(k):\n    return get_ipython().run_line_magic('qql', 'QUERY [1, 0] FROM notes LIMIT :k').ids",
    )
    assert run(shell, "ids(2)").result == [1, 2]


def test_a_value_never_becomes_syntax(shell: InteractiveShell) -> None:
    run(shell, START)
    run(shell, "evil = \"tax' OR text = 'rain\"")
    assert run(shell, "%qql COUNT FROM notes WHERE text = :evil").result.scalar() == 0
    # IPython would put variables in the place of {…} and $…
    assert run(shell, "%qql COUNT FROM notes WHERE text = '{evil}'").result.scalar() == 0


def test_a_missing_variable_is_named_without_a_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, START)
    capsys.readouterr()
    done = run(shell, "%%qql\nQUERY [1, 0] FROM notes\nLIMIT :many OFFSET :skipped")
    assert isinstance(done.error_in_exec, qql.QQLError)
    shown = "".join(capsys.readouterr())
    assert "error[no-variable]: the notebook has no variable `many`, `skipped`" in shown
    assert "--> %%qql:2:7" in shown and "`many = …` gives :many its value" in shown
    assert "Traceback" not in shown and "notebook/magic.py" not in shown


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("%%qql\nQUERY [1, 0 FROM notes", "syntax"),
        ("%%qql\nCOUNT FROM nots", "unknown-collection"),
        ("%%qql\nCOUNT FROM notes WHERE text = ?", "no-variable"),
        ("%%qql COUNT FROM notes\nCOUNT FROM notes", "invalid-magic"),
        ("%%qql --as 1x\nCOUNT FROM notes", "invalid-magic"),
        ("%%qql --db 'a\nCOUNT FROM notes", "invalid-magic"),
        ("%qql connect", "invalid-magic"),
        ("%qql connect a b", "invalid-magic"),
        ("%qql connect host:6333", "invalid-url"),
        ("%qql close nothing", "not-connected"),
    ],
)
def test_an_error_is_ours_and_ends_the_cell(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], cell: str, code: str
) -> None:
    run(shell, START)
    capsys.readouterr()
    done = run(shell, cell)
    assert isinstance(done.error_in_exec, qql.QQLError)
    shown = "".join(capsys.readouterr())
    assert done.error_in_exec.code == code and f"error[{code}]" in shown
    assert "Traceback" not in shown


def test_nothing_of_a_cell_is_sent_where_any_of_it_is_wrong(shell: InteractiveShell) -> None:
    run(shell, START)
    assert not run(shell, "%%qql\nDELETE FROM notes WHERE id = 1;\nCOUNT FROM;").success
    assert run(shell, "%qql COUNT FROM notes").result.scalar() == 2


def test_an_error_of_plain_python_keeps_its_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "import qql\nqql.compile('QUERY')")
    assert "Traceback" in "".join(capsys.readouterr())


def test_databases_are_changed_and_closed(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, START)
    run(shell, "%%qql --db first\nCREATE COLLECTION one (v VECTOR(2, DOT))")
    assert run(shell, "%qql SHOW COLLECTIONS").result.rows == [{"collection": "one"}]  # goes on with it
    run(shell, "%qql connect :memory:")
    assert run(shell, "%qql SHOW COLLECTIONS").result.rows == [{"collection": "notes"}]
    run(shell, "%qql close first")
    with qql.connect(tmp_path / "first") as db:  # it is not locked
        assert db.collections() == ["one"]


def test_what_is_connected_is_told(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%qql")
    assert "not connected" in capsys.readouterr().out
    run(shell, "%qql connect first")
    run(shell, "%qql connect :memory:")
    capsys.readouterr()
    run(shell, "%qql")
    assert capsys.readouterr().out.strip() == "connected to :memory:; also: first"


def test_a_session_of_the_notebook_is_used_and_left_open(shell: InteractiveShell) -> None:
    with qql.connect() as db:
        db.run("CREATE COLLECTION mine (v VECTOR(2, DOT))")
        shell.user_ns["db"] = db
        assert run(shell, "%%qql --db db\nSHOW COLLECTIONS").result.rows == [{"collection": "mine"}]
        run(shell, "%qql close db")
        run(shell, "%unload_ext qql")
        assert db.collections() == ["mine"]


def test_a_variable_may_hold_the_path(shell: InteractiveShell, tmp_path: Path) -> None:
    shell.user_ns["place"] = tmp_path / "elsewhere"
    run(shell, "%%qql --db place\nCREATE COLLECTION one (v VECTOR(2, DOT))")
    run(shell, "%qql close place")
    assert (tmp_path / "elsewhere").is_dir() and not (tmp_path / "place").exists()


def test_a_variable_of_another_kind_is_no_directory(shell: InteractiveShell, tmp_path: Path) -> None:
    shell.user_ns["frame"] = {}
    done = run(shell, "%qql connect frame")
    assert isinstance(done.error_in_exec, qql.QQLError) and done.error_in_exec.code == "invalid-target"
    assert run(shell, "%qql connect ./frame").success


def test_quiet_shows_nothing_and_names_all_the_same(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, START)
    capsys.readouterr()
    done = run(shell, "%%qql --as found --quiet\nCOUNT FROM notes; COUNT FROM notes")
    assert done.result is None and capsys.readouterr().out == ""
    assert shell.user_ns["found"].scalar() == 2


def test_a_result_is_shown_as_a_table_in_pages_and_as_text_in_terminals(shell: InteractiveShell) -> None:
    run(shell, START)
    result = run(shell, "%qql QUERY [1, 0] FROM notes LIMIT 1").result
    data, _ = shell.display_formatter.format(result)
    assert data["text/html"] == result._repr_html_() and "<table" in data["text/html"]
    assert data["text/plain"].strip() == str(result)


def test_help_is_there(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%qql?")
    out = capsys.readouterr().out
    for word in ("%qql connect TARGET", "%%qql [--db TARGET] [--as NAME]", "--quiet"):
        assert word in out


def test_loading_again_and_unloading(shell: InteractiveShell) -> None:
    run(shell, START)
    assert run(shell, "%reload_ext qql").success
    assert run(shell, "%qql SHOW COLLECTIONS").result.rows == []  # the old database is closed
    run(shell, "%unload_ext qql")
    assert not run(shell, "%qql").success


def test_the_page_about_results_shows_a_cell_that_runs(shell: InteractiveShell) -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```ipython\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    run(shell, "topic = 'weather'")
    for block in blocks:
        assert run(shell, block).success
    assert isinstance(shell.user_ns["found"], Result)
