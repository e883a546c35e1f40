"""How a command ends: its exit code, errors for programs, scripts that go on, standard input for files."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

import qql
from qql.cli import main
from qql.cli.commands import COMMANDS
from qql.cli.process import run as run_process
from qql.cli.render.error_objects import error_object, named_error_format
from qql.cli.streams import with_streams
from qql.errors import Diagnostic, Source, Span

Run = Callable[..., tuple[int, str, str]]
FIELDS = ["code", "severity", "message", "hint", "file", "line", "column", "statement", "span"]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "QQL_RERANK_MODEL", "QQL_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QQL_HISTORY", "")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def db(tmp_path: Path) -> str:
    with qql.connect(tmp_path / "db") as session:
        session.run(
            "CREATE COLLECTION docs (v VECTOR(2, COSINE));"
            "UPSERT INTO docs VALUES {id: 1, vector: {v: [1, 0]}};"
        )
    return str(tmp_path / "db")


def objects(err: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in err.splitlines()]


# ------------------------------------------------------------------------------------ --continue

MIXED = """\
COUNT FROM docs;
DROP INDEX ON docs FOR nothing;
COUNT FROM docs;
DROP ALIAS nothing;
COUNT FROM docs;
"""


def test_a_script_stops_at_its_first_failure(run: Run, db: str) -> None:
    code, out, err = run("--db", db, "-c", MIXED)
    assert (code, out, err.count("error[")) == (1, '{"count":1}\n', 1)


def test_with_continue_it_goes_on_and_each_error_is_told(run: Run, db: str) -> None:
    code, out, err = run("--db", db, "--continue", "-c", MIXED)
    assert (code, out) == (1, '{"count":1}\n' * 3)
    assert "error[unknown-index]" in err and "error[unknown-alias]" in err and err.count("error[") == 2


def test_with_continue_a_script_without_errors_ends_with_0(run: Run, db: str) -> None:
    assert run("--db", db, "--continue", "-c", "COUNT FROM docs")[0] == 0


def test_the_exit_code_is_the_highest_of_those_that_failed(
    run: Run, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qql.session.session import Session

    carry_out, failures = Session.carry_out, [qql.QQLTimeoutError, qql.QQLExecutionError]

    def failing(self: Session, *args: object, **named: object) -> object:
        if failures:
            raise failures.pop(0).make("made-up", "made up")
        return carry_out(self, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "carry_out", failing)
    code, out, _ = run("--db", db, "--continue", "-c", "COUNT FROM docs;" * 3)
    assert (code, out) == (4, '{"count":1}\n')


def test_where_the_server_is_gone_nothing_goes_on(run: Run) -> None:
    given = ("--url", "http://127.0.0.1:9", "--retries", "0", "--continue")
    code, _, err = run(*given, "-c", "SHOW COLLECTIONS; SHOW ALIASES")
    assert code == 4 and err.count("error[connection-failed]") == 1


def test_a_script_at_fault_is_not_begun_with_continue_either(run: Run, db: str) -> None:
    code, out, err = run("--db", db, "--continue", "-c", "COUNT FROM docs; COUNT FORM docs; DELET")
    assert (code, out, err.count("error[")) == (3, "", 2)


# ------------------------------------------------------------------------------------ --error-format json


def test_an_error_is_an_object_with_its_place(run: Run, db: str) -> None:
    script = "COUNT FROM docs;\n  QUERY [1, 0] FROM docs USING w LIMIT 1;"
    code, out, err = run("--db", db, "-q", "--error-format", "json", "-c", script)
    [found] = objects(err)
    assert (code, out) == (3, "") and list(found) == FIELDS
    assert (found["file"], found["line"], found["severity"]) == ("<command>", 2, "error")
    assert found["statement"] == "QUERY [1, 0] FROM docs USING w LIMIT 1"
    start, end = found["span"]  # type: ignore[misc]
    assert found["statement"][start:end] == "w" and found["column"] == 3 + start  # type: ignore[index]


def test_each_of_several_errors_is_an_object_of_its_own(run: Run) -> None:
    code, _, err = run(
        "compile", "--error-format=json", "-c", "COUNT FORM a;\nSELCT;\nCOUNT FROM b;\nSCROLL FROM"
    )
    found = objects(err)
    assert [(one["code"], one["line"], one["statement"]) for one in found if one["severity"] == "error"] == [
        ("syntax", 1, "COUNT FORM a"),
        ("syntax", 2, "SELCT"),
        ("syntax", 4, "SCROLL FROM"),
    ]
    assert code == 3


FAILING = {
    "run": ["-c", "SELCT"],
    "compile": ["-c", "SELCT"],
    "explain": ["-c", "SELCT"],
    "check": ["/no/such"],
    "lint": ["/no/such"],
    "fmt": ["/no/such"],
    "convert": ["-c", "no request"],
    "query": ["text"],
    "diff": ["one"],
    "eval": ["p.qql"],
    "bench": ["p.qql"],
    "tune": ["p.qql"],
    "doctor": ["file"],
    "help": ["nosuchword"],
    "profiles": ["file"],
    "dump": ["docs"],
    "restore": ["/no/such"],
    "completion": ["tcsh"],
    "record": ["p.qql"],
    "why-not": ["p.qql"],
    "features": ["p.qql"],
    "calibrate": ["p.qql"],
    "judge": ["a.qql", "b.qql"],
}


def test_every_command_is_tried() -> None:
    assert set(FAILING) == set(COMMANDS)


@pytest.mark.parametrize("name", FAILING)
def test_every_command_tells_its_errors_as_objects(run: Run, name: str) -> None:
    code, _, err = run(name, *FAILING[name], "--error-format", "json")
    found = objects(err)
    assert code in (1, 2, 3) and found and any(one["severity"] == "error" for one in found)
    assert all(list(one) == FIELDS for one in found)


@pytest.mark.parametrize(
    "argv",
    [
        ["--error-format", "json", "rum"],
        ["run", "--error-format=json", "--no-such-option"],
        ["fmt", "--error-format", "json", "--db", "x"],
    ],
)
def test_so_is_what_is_wrong_with_the_command_line(run: Run, argv: list[str]) -> None:
    code, _, err = run(*argv)
    [found] = objects(err)
    assert (code, found["code"]) == (2, "usage")


def test_warnings_and_notes_are_objects_too(run: Run) -> None:
    script = "CREATE COLLECTION docs (v VECTOR(2, COSINE)); SCROLL FROM docs WHERE id IN ()"
    code, _, err = run("--error-format", "json", "-c", script)
    found = objects(err)
    assert code == 0
    assert {one["severity"] for one in found} == {"warning", "note"}


def test_a_fault_of_qql_is_an_object(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("qql.cli.commands.scripts.params_of", broken)
    monkeypatch.setattr("qql.cli.commands.run.params_of", broken)
    code, _, err = run("-q", "--error-format", "json", "-c", "SHOW COLLECTIONS")
    [found] = objects(err)
    assert (code, found["code"]) == (70, "internal-error") and "boom" in str(found["message"])


def test_a_format_of_errors_that_does_not_exist_is_named(run: Run) -> None:
    code, _, err = run("--error-format", "yaml", "-c", "SHOW COLLECTIONS")
    assert code == 2 and "text or json is required, found yaml" in err


def test_no_key_is_in_an_object_however_json_writes_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", key := 'k"1é\\2xyz')
    [found] = objects(run("compile", "-c", f"SELCT '{key}'", "--error-format", "json")[2])
    assert found["statement"] == f"SELCT '{'*' * len(key)}'" and key not in str(found)
    [restored] = objects(run("compile", "--error-format", "json", "-c", RESTORE)[2])
    assert "s3cr3t" not in str(restored) and restored["statement"]


RESTORE = "RESTORE SNAPSHOT 'http://u:s3cr3t@h/s' ON docs WITH (api_key = 's3cr3t', nothing = 1)"


def test_of_a_long_statement_there_is_the_part_around_the_fault() -> None:
    text = (
        "COUNT FROM a;\nUPSERT INTO docs VALUES {id: 1, text: '" + "x" * 5000 + "', bad: BAD};\nCOUNT FROM b"
    )
    at = text.index("BAD")
    found = error_object(Diagnostic("c", "m", Span(at, at + 3), source=Source(text)))
    start, end = found["span"]
    assert found["statement"][start:end] == "BAD" and len(found["statement"]) <= 2000
    assert found["line"] == 2


def test_a_place_without_a_statement_is_an_excerpt() -> None:
    for text, span in (("", Span(0, 0)), ("  ", Span(2, 2)), ("a 'b", Span(2, 4)), ("/* x", Span(0, 4))):
        found = error_object(Diagnostic("c", "m", span, source=Source(text)))
        start, end = found["span"]
        assert found["statement"][start:end] == text[span.start : span.end]


def test_the_format_of_errors_is_known_before_the_arguments_are_read() -> None:
    assert named_error_format(["run", "--error-format", "json"]) == "json"
    assert named_error_format(["--error-format=json", "x"]) == "json"
    assert named_error_format(["x", "--error-format"]) == ""
    assert named_error_format(["--", "--error-format=json"]) == "text"
    assert named_error_format([]) == "text"


# ------------------------------------------------------------------------------------ `-`, pipes, terminals


def qql_process(*argv: str, **settings: object) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "qql", *argv], env=env, text=True, **settings)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("which", ["pipeline", "queries", "qrels", "setup"])
def test_standard_input_is_any_one_of_the_files_of_a_measurement(tmp_path: Path, which: str) -> None:
    files = {
        "setup": "CREATE COLLECTION docs (v VECTOR MODEL 'local/hash-64');"
        "UPSERT INTO docs VALUES {id: 1, text: 'red shoes'}, {id: 2, text: 'blue hats'};",
        "queries": '{"_id": "q1", "text": "red shoes"}\n',
        "qrels": "query-id\tcorpus-id\tscore\nq1\t1\t1\n",
        "pipeline": "QUERY :query FROM docs USING v LIMIT 2;",
    }
    names = {name: "-" if name == which else str(tmp_path / name) for name in files}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = qql_process(
        *("eval", names["pipeline"], "--setup", names["setup"], "--queries", names["queries"]),
        *("--qrels", names["qrels"], "--measure", "RR@2", "--format", "jsonl", "-q", "-o", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = done.communicate(files[which], timeout=60)
    assert (done.returncode, err) == (0, "")
    assert json.loads(out.splitlines()[0])["RR@2"] == 1.0


def test_standard_input_is_read_once(run: Run) -> None:
    code, _, err = run("eval", "-", "--queries", "-", "--qrels", "x")
    assert code == 2 and "standard input can be read only once" in err
    assert run("check", "-", "-")[0] == 2


def test_output_to_a_dash_is_standard_output(run: Run, db: str, tmp_path: Path) -> None:
    assert run("--db", db, "-c", "COUNT FROM docs", "-o", "-")[:2] == (0, '{"count":1}\n')
    assert not (Path.cwd() / "-").exists()


def test_what_has_no_dash_stays_as_it_is() -> None:
    from qql.cli.commands.options import Arguments

    args = Arguments(files=["a.qql"], queries="b")
    assert with_streams(args) is args


def test_a_key_file_may_be_standard_input(run: Run) -> None:
    given = ("--url", "http://127.0.0.1:9", "--retries", "0", "--api-key-file", "-")
    assert "holds no api key" in run("-c", "SHOW COLLECTIONS", *given)[2]
    assert run("-c", "SHOW COLLECTIONS", *given, stdin="k3y\n")[0] == 4


@pytest.mark.parametrize("argv", [["fmt"], ["fmt", "-"], ["check", "-"], ["run", "-"]])
def test_who_types_is_told_what_is_waited_for(argv: list[str]) -> None:
    main_end, terminal = pty.openpty()
    done = qql_process(*argv, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(terminal)
    os.write(main_end, b"SHOW COLLECTIONS;\n\x04")
    _, err = done.communicate(timeout=60)
    os.close(main_end)
    assert done.returncode == 0
    assert "reading what is typed here, up to Ctrl-D" in err


def test_in_a_pipe_nothing_is_said_of_waiting(run: Run) -> None:
    assert run("fmt", stdin="SHOW COLLECTIONS") == (0, "SHOW COLLECTIONS;\n", "")


def test_whoever_stops_reading_ends_it_quietly(tmp_path: Path) -> None:
    script = "CREATE COLLECTION docs (v VECTOR(2, COSINE)); " + "SHOW COLLECTIONS; " * 3000
    (tmp_path / "a.qql").write_text(script)
    for extra in ([], ["--error-format", "json"], ["--continue"]):
        running = qql_process(
            *("-q", "run", str(tmp_path / "a.qql"), *extra), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read()
        running.stderr.close()
        assert (running.wait(60), err) == (141, "")


def test_the_exit_codes_are_those_of_the_help() -> None:
    """Each class of errors has its own, and the help of the command names it."""
    from qql.cli.commands.help import EXIT_CODES

    codes = {kind.exit_code for kind in (qql.QQLExecutionError, qql.QQLSyntaxError, qql.QQLConnectionError)}
    assert codes | {qql.QQLRefusedError.exit_code} == {1, 3, 4, 5}
    assert {*EXIT_CODES} == {0, 1, 2, 3, 4, 5}
    assert run_process.__module__ == "qql.cli.process"
