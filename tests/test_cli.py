"""The command line, in this process and in others."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_repl import UUID, FakeSession

import qql
from qql.cli import main
from qql.cli.render import ProgressBar
from qql.errors import Diagnostic, QQLConnectionError, QQLSyntaxError
from qql.rest.request import Request
from qql.session.answers import gives_data

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "QDRANT_URL",
        "QDRANT_API_KEY",
        "QQL_DB",
        "QQL_DEBUG",
        "NO_COLOR",
        "FORCE_COLOR",
        "QQL_RERANK_MODEL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QQL_HISTORY", "")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[FakeSession]:
    """`qql.connect` gives fake sessions, which are collected here."""
    made: list[FakeSession] = []

    def connect(target: str = ":memory:", **options: Any) -> FakeSession:
        if "nowhere" in target:
            raise QQLConnectionError.make("no-connection", f"no server answers at {target}")
        made.append(FakeSession(target, **options))
        return made[-1]

    monkeypatch.setitem(vars(qql), "connect", connect)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``main`` with arguments and standard input: exit code, output, errors."""

    def call(*argv: str, stdin: str | bytes = "") -> tuple[int, str, str]:
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return call


def script(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


# -------------------------------------------------------------------------------------------------------- run


def test_command_text(run: Run, sessions: list[FakeSession]) -> None:
    code, out, err = run("-c", "HITS; ONE;")
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": 2**64 - 1, "score": 0.9, "payload": {"title": "Größe \x1b[31m"}},
        {"id": UUID, "score": 0.5, "payload": {"title": "x" * 200}},
    ]
    assert "a database in memory" in err
    assert "done ONE" in err
    assert sessions[0].asked == [("HITS", None, "<command>"), ("ONE", None, "<command>")]
    assert sessions[0].closed


def test_a_file_a_dash_and_a_pipe(run: Run, sessions: list[FakeSession], tmp_path: Path) -> None:
    file = script(tmp_path / "a.qql", "\ufeffONE;\r\nTWO;")
    assert run("run", file)[0] == 0
    assert run("run", "-", stdin="THREE;")[0] == 0
    assert "done FOUR" in run(stdin="FOUR;")[2]
    asked = [[(text, name) for text, _, name in session.asked] for session in sessions]
    assert asked == [[("ONE", file), ("TWO", file)], [("THREE", "<stdin>")], [("FOUR", "<stdin>")]]


def test_a_pipe_gets_no_prompt_and_no_banner(run: Run, sessions: list[FakeSession]) -> None:
    assert run("-q", stdin="SHOW;") == (0, '{"name":"docs"}\n', "")


def test_options_before_and_after_the_command(run: Run, sessions: list[FakeSession]) -> None:
    code, _, err = run(
        *("--param", "a=1", "--model", "x=m1", "--collection", "early", "-q", "run", "-c", "ONE"),
        *("--param", "b=two", "--model", "y=m2", "--collection", "late", "--timeout", "2.5"),
        *("--url", "host:6333", "--api-key", "s3cr3t", "--grpc", "--cloud-inference"),
        *("--embed-url", "http://e", "--embed-key", "k", "--rerank-model", "r"),
        *("--rerank-url", "http://r", "--rerank-key", "q"),
    )
    assert (code, err) == (0, "")
    assert sessions[0].asked == [("ONE", {"a": 1, "b": "two"}, "<command>")]
    assert sessions[0].target == "http://host:6333"
    assert sessions[0].options == {
        "api_key": "s3cr3t",
        "timeout": 2.5,
        "retries": None,
        "grpc_port": None,
        "grpc": True,
        "cloud_inference": True,
        "assume_version": None,
        "collection": "late",
        "models": {"x": "m1", "y": "m2"},
        "embed_url": "http://e",
        "embed_key": "k",
        "rerank_model": "r",
        "rerank_url": "http://r",
        "rerank_key": "q",
        "on_progress": None,
        "advice": True,
        "count": True,
        "embedders": None,
        "rerankers": None,
        "read_only": False,
        "safe": False,
        "allow": (),
    }


def test_numbered_parameters_are_a_list(run: Run, sessions: list[FakeSession]) -> None:
    assert run("-c", "ONE", "--param", "2=[1]", "--param", "1=red")[0] == 0
    assert sessions[0].asked[0][1] == ["red", [1]]


def test_results_before_a_failure_are_shown(run: Run, sessions: list[FakeSession]) -> None:
    code, out, err = run("-q", "-c", "SHOW; FAIL; SHOW;")
    assert code == 1
    assert out == '{"name":"docs"}\n'
    assert err == "error[no-collection]: there is no collection docs\n"
    assert sessions[0].closed


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("FAIL", 1, "error[no-collection]"),
        ("BAD", 3, "error[syntax]"),
        ("GONE", 4, "error[no-connection]"),
        ("BOOM", 70, r"internal error: RuntimeError: boom \x1b[31m"),
        ("PANIC", 70, "internal error: Panic: rust"),
        ("INTERRUPT", 130, "interrupted"),
    ],
)
def test_exit_codes(run: Run, sessions: list[FakeSession], text: str, code: int, said: str) -> None:
    got, out, err = run("-c", text)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_no_connection(run: Run, sessions: list[FakeSession]) -> None:
    code, _, err = run("-c", "ONE", "--url", "http://nowhere")
    assert code == 4
    assert err == "error[no-connection]: no server answers at http://nowhere\n"


def test_tracebacks_are_for_debugging(
    run: Run, sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QQL_DEBUG", "1")
    code, _, err = run("-c", "BOOM")
    assert code == 70
    assert "Traceback" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("env", [False, True])
def test_the_api_key_is_never_printed(
    run: Run, sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch, env: bool
) -> None:
    monkeypatch.setenv("QQL_DEBUG", "1")
    if env:
        monkeypatch.setenv("QDRANT_API_KEY", "s3cr3t")
    code, out, err = run("-c", "LEAK", "--url", "http://h", *([] if env else ["--api-key", "s3cr3t"]))
    assert code == 1
    assert "bad header ***" in err
    assert "s3cr3t" not in out + err


@pytest.mark.parametrize(
    ("option", "keyword"),
    [("--api-key", "api_key"), ("--embed-key", "embed_key"), ("--rerank-key", "rerank_key")],
)
def test_a_key_may_stand_in_a_file_or_on_standard_input(
    run: Run, sessions: list[FakeSession], tmp_path: Path, option: str, keyword: str
) -> None:
    file = script(tmp_path / "key", "\ufeff  s3cr3t \n")
    url = ("--url", "http://h")
    assert run("-c", "ONE", *url, f"{option}-file", file)[0] == 0
    assert run("-c", "ONE", *url, option, "-", stdin="s3cr3t\n")[0] == 0
    assert run(*url, option, "-", stdin="s3cr3t\r\nONE; TWO;\n")[0] == 0
    assert [one.options[keyword] for one in sessions] == ["s3cr3t"] * 3
    assert [text for text, _, _ in sessions[2].asked] == ["ONE", "TWO"]
    code, out, err = run("-c", "LEAK", *url, "--api-key", "-", stdin="s3cr3t\n")
    assert code == 1 and "bad header ***" in err and "s3cr3t" not in out + err


def test_a_key_is_asked_for_unseen_on_a_terminal(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return "s3cr3t"

    monkeypatch.setattr("getpass.getpass", getpass)
    monkeypatch.setattr(sys, "stdin", Terminal("not this"))
    assert main(["-c", "ONE", "--url", "http://h", "--api-key", "-"]) == 0
    assert asked == ["api key: "]
    assert sessions[0].options["api_key"] == "s3cr3t"


@pytest.mark.parametrize(
    ("text", "said"), [("", "holds nothing"), ("a\nb\n", "holds several lines"), (b"\xff", "is not text")]
)
def test_a_file_that_is_no_key_is_refused_without_its_content(
    run: Run, sessions: list[FakeSession], tmp_path: Path, text: str | bytes, said: str
) -> None:
    code, _, err = run("-c", "ONE", "--url", "h", "--api-key-file", script(tmp_path / "key", text))
    assert (code, sessions) == (2, [])
    assert said in err


def test_warnings_go_to_standard_error(run: Run, sessions: list[FakeSession]) -> None:
    code, out, err = run("-c", "OLD", "--format", "table")
    assert code == 0
    assert out == "done OLD (0.0 ms)\n"
    assert "warning[old-spelling]: this is an old spelling" in err


# ---------------------------------------------------------------------------------------------------- formats


def test_formats(run: Run, sessions: list[FakeSession]) -> None:
    assert run("-c", "SHOW", "--format", "json")[1] == '[{"name":"docs"}]\n'
    assert run("-c", "SHOW", "--format", "csv")[1] == "name\ndocs\n"
    assert run("-c", "SHOW", "--format", "markdown")[1] == "| name |\n| --- |\n| docs |\n"
    assert "│ docs │" in run("-c", "SHOW", "--format", "table")[1]
    assert "name │ docs" in run("-c", "SHOW", "--format", "vertical")[1]
    assert run("-q", "-c", "ONE; SHOW", "--format", "csv")[1] == "name\ndocs\n"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.jsonl", '{"name"'),
        ("a.json", "[{"),
        ("a.csv", "name\n"),
        ("a.md", "| name"),
        ("a.txt", "┌"),
        ("a", "{"),
    ],
)
def test_output_file(run: Run, sessions: list[FakeSession], tmp_path: Path, name: str, start: str) -> None:
    assert run("-c", "SHOW", "-o", str(tmp_path / name))[1] == ""
    assert (tmp_path / name).read_text("utf-8").startswith(start)


@pytest.mark.parametrize("suffix", ["", ".jsonl", ".json", ".csv", ".md"])
def test_messages_stand_apart_from_data_where_no_format_is_chosen(
    run: Run, sessions: list[FakeSession], tmp_path: Path, suffix: str
) -> None:
    to = ["-o", str(tmp_path / f"out{suffix}")] if suffix else []
    code, out, err = run("-c", "ONE; SHOW; TWO", *to)
    written = (tmp_path / f"out{suffix}").read_text("utf-8") if suffix else out
    assert code == 0
    assert written == run("-q", "-c", "SHOW", "--format", suffix[1:].replace("md", "markdown") or "jsonl")[1]
    assert [line.split(" (")[0] for line in err.splitlines()[1:]] == ["done ONE", "done TWO"]
    assert "done" not in run("-q", "-c", "ONE; SHOW")[2]


def test_messages_stand_among_data_where_the_format_is_chosen(
    run: Run, sessions: list[FakeSession], tmp_path: Path
) -> None:
    for format, shown in (
        ("jsonl", '{"message":"done ONE"}\n{"name":"docs"}\n'),
        ("json", '[{"message":"done ONE"}]\n[{"name":"docs"}]\n'),
        ("csv", "message\ndone ONE\n\nname\ndocs\n"),
    ):
        code, out, err = run("-c", "ONE; SHOW", "--format", format)
        assert (code, out) == (0, shown)
        assert "done" not in err
    assert run("-c", "ONE; SHOW", "-o", str(tmp_path / "out.txt"))[1] == ""
    assert (tmp_path / "out.txt").read_text("utf-8").startswith("done ONE")


def test_a_plan_alone_is_a_text_and_among_data_an_object(
    run: Run, sessions: list[FakeSession], tmp_path: Path
) -> None:
    text, line = "plan\n└── stage\n", '{"message":"plan\\n└── stage"}\n'
    assert run("-c", "PLAN; ONE; PLAN")[1] == text * 2
    assert run("-c", "PLAN; SHOW")[1] == line + '{"name":"docs"}\n'
    assert run("-c", "PLAN", "--format", "jsonl")[1] == line
    assert run("-c", "PLAN", "-o", str(tmp_path / "plan.jsonl"))[0] == 0
    assert (tmp_path / "plan.jsonl").read_text("utf-8") == line
    assert run("-c", "PLAN", "-o", str(tmp_path / "plan"))[0] == 0
    assert (tmp_path / "plan").read_text("utf-8") == text


def test_what_a_script_prints_is_one_json_object_a_line(run: Run, tmp_path: Path) -> None:
    """As ``qql run x.qql | jq .score`` reads it."""
    code, out, err = run(
        stdin=f"{LOAD} EXPLAIN QUERY [1, 0] FROM docs USING dense; QUERY [1, 0] FROM docs USING dense;"
    )
    found = [json.loads(line) for line in out.splitlines()]
    assert (code, list(found[0]), [hit["score"] for hit in found[1:]]) == (0, ["message"], [1.0, 0.0])
    assert "upserted 2 points into docs" in err
    explain = "EXPLAIN QUERY [1, 0] FROM docs USING dense"
    assert run(stdin=f"{LOAD} {explain};")[1].startswith("Query on docs")
    assert list(json.loads(run(stdin=f"{LOAD} {explain.replace('EXPLAIN', 'EXPLAIN FORMAT json')};")[1]))


class Terminal(io.StringIO):
    """A standard stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_table_with_colour_and_progress(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    bars = functools.partial(ProgressBar, delay=0)  # short work gets no line
    monkeypatch.setattr("qql.cli.commands.run.ProgressBar", bars)
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["-c", "HITS; COPY; FAIL"]) == 1
    assert "\x1b[1mid" in out.getvalue()
    assert UUID in out.getvalue()
    assert "copy docs" in err.getvalue()
    assert "\x1b[1;31merror[no-collection]" in err.getvalue()
    assert "Größe \\x1b[31m" in out.getvalue()


@pytest.mark.parametrize("way", ["option", "NO_COLOR"])
def test_no_colour(sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    if way == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    option = ["--no-color"] if way == "option" else []
    assert main(["-c", "HITS; FAIL", "--no-progress", *option]) == 1
    assert "\x1b" not in out.getvalue() + err.getvalue()


def test_progress_can_be_asked_for_and_declined(run: Run, sessions: list[FakeSession]) -> None:
    assert "copy docs" not in run("-c", "COPY")[2]
    err = run("-c", "COPY", "--progress")[2]
    assert "copy docs: 10 of 10" in err
    assert sessions[0].options["on_progress"] is None


# ------------------------------------------------------------------------------------------------------ usage


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--url", "http://h", "--db", "d", "-c", "ONE"], "--url and --db exclude each other"),
        (["--url", "", "-c", "ONE"], "--url requires a value"),
        (["--db", "http://h", "-c", "ONE"], "use --url"),
        (["--api-key", "k", "-c", "ONE"], "--api-key requires a server"),
        (["--db", "http://u:s3cr3t@h", "-c", "ONE"], "found http://***@h"),
        (["--grpc-port", "6344", "-c", "ONE"], "--grpc-port requires a server"),
        (["--api-key-file", "/no/such", "-c", "ONE"], "cannot read /no/such: No such file"),
        (["--api-key", "k", "--api-key-file", "f", "-c", "ONE"], "--api-key and --api-key-file exclude"),
        (["--api-key", "-", "--url", "h", "-c", "ONE"], "standard input holds no api key"),
        (["--grpc", "--db", "d", "-c", "ONE"], "--grpc requires a server"),
        (["--timeout", "2", "--db", "d", "-c", "ONE"], "--timeout requires a server"),
        (["--timeout", "0", "--url", "http://h", "-c", "ONE"], "a number of seconds above 0 is required"),
        (["--timeout", "soon", "-c", "ONE"], "--timeout"),
        (["--param", "a", "-c", "ONE"], "--param requires NAME=VALUE"),
        (["--param", "=a", "-c", "ONE"], "--param requires NAME=VALUE"),
        (["--param", "1=a", "--param", "x=b", "-c", "ONE"], "either names, or the numbers"),
        (["--param", "2=a", "-c", "ONE"], "either names, or the numbers"),
        (["--format", "jsn", "-c", "ONE"], "did you mean `json"),
        (["compile", "--format", "table", "-c", "ONE"], "the formats are json, jsonl"),
        (["compile", "--url", "http://h", "-c", "ONE"], "--url has no meaning for `qql compile`"),
        (["--url", "http://h", "compile", "-c", "ONE"], "--url has no meaning for `qql compile`"),
        (["--grpc", "check", "-c", "ONE"], "--grpc has no meaning for `qql check`"),
        (["explain", "--grpc", "-c", "ONE"], "--grpc requires --url or --db"),
        (["-c", "ONE", "-c", "TWO"], "-c was already given"),
        (["-c", "ONE", "run", "-c", "TWO"], "was already given"),
        (["run"], "requires a file, `-` for standard input, or -c TEXT"),
        (["check"], "requires a file, `-` for standard input, or -c TEXT"),
        (["run", "a.qql", "-c", "ONE"], "either a file or -c TEXT, not both"),
        (["run", "a.qql", "b.qql"], "unrecognized argument b.qql"),
        (["--wrong"], "unrecognized argument --wrong"),
        (["a.qql"], "there is no command a.qql"),
        (["--formt", "json"], "did you mean `--format`?"),
        (["run", "--api_key=s3cr3t", "-c", "ONE"], "did you mean `--api-key`?"),
        (["-c", "ONE \udcff"], "the text of -c is not UTF-8"),
        (["-c", "ONE", "-o", "/no/such/directory/file"], "error[file-unwritable]"),
    ],
)
def test_wrong_usage_is_explained_and_nothing_is_done(
    run: Run, sessions: list[FakeSession], argv: list[str], said: str
) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith(("error[", "note: `ps` shows the value of --"))
    assert "error[" in err and "s3cr3t" not in err
    assert not any(session.asked for session in sessions)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfeO\x00", "it might be UTF-16"),
        (b"ONE \xe9;", "is not UTF-8 text: byte 0xe9 at offset 4"),
        (None, "No such file or directory"),
        ("directory", "Is a directory"),
    ],
)
@pytest.mark.parametrize("command", ["run", "compile", "explain", "check"])
def test_unreadable_files(
    run: Run, sessions: list[FakeSession], tmp_path: Path, command: str, content: Any, said: str
) -> None:
    path = tmp_path / "a.qql"
    if content == "directory":
        path.mkdir()
    elif content:
        path.write_bytes(content)
    code, out, err = run(command, str(path))
    assert (code, out) == (2, "")
    assert "error[file-unreadable]" in err
    assert said in err
    assert sessions == []


def test_standard_input_that_is_no_text(run: Run, sessions: list[FakeSession]) -> None:
    code, _, err = run(stdin=b"\xff")
    assert code == 2
    assert "<stdin> is not UTF-8 text" in err


@pytest.mark.parametrize(
    ("env", "argv", "target", "key"),
    [
        ({}, [], ":memory:", None),
        ({"QDRANT_URL": "http://env"}, [], "http://env", None),
        ({"QDRANT_URL": "env:1", "QDRANT_API_KEY": "key"}, [], "http://env:1", "key"),
        ({"QDRANT_URL": "http://env"}, ["--db", "dir"], "dir", None),
        ({"QDRANT_API_KEY": "key"}, ["--db", "dir"], "dir", None),
        ({"QQL_DB": "dir"}, [], "dir", None),
        ({"QQL_DB": "dir"}, ["--url", "https://h"], "https://h", None),
        ({"QQL_DB": "dir", "QDRANT_URL": "http://env"}, [], "dir", None),
        ({"QDRANT_API_KEY": "env"}, ["--url", "h", "--api-key", "own"], "http://h", "own"),
        ({"QDRANT_URL": "", "QQL_DB": ""}, [], ":memory:", None),
    ],
)
def test_targets(
    run: Run,
    sessions: list[FakeSession],
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    argv: list[str],
    target: str,
    key: str | None,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    code, _, err = run("-c", "ONE", *argv)
    assert code == 0
    assert (sessions[0].target, sessions[0].options["api_key"]) == (target, key)
    assert ("in memory" in err) is (target == ":memory:")


# ------------------------------------------------------------------------ compile, explain, check, the prompt


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands for the compiler; `asked` holds the arguments of each call."""
    known = SimpleNamespace(asked=[])
    warning = Diagnostic("unused-stage", "the stage is not used", severity="warning")

    def compile(
        text: str, params: Any = None, *, warnings: list[Diagnostic], **options: Any
    ) -> list[Request]:
        known.asked.append((text, params, options))
        if text == "BAD":
            raise QQLSyntaxError.make("syntax", "expected a statement")
        warnings.append(warning)
        return [Request("GET", "/collections"), Request("POST", "/x", {"wait": True}, {"text": "Größe"})]

    monkeypatch.setitem(vars(qql), "compile", compile)
    return known


def test_compile(run: Run, compiler: SimpleNamespace) -> None:
    argv = ("compile", "-c", "ONE", "--param", "a=1", "--collection", "docs", "--model", "x=m")
    code, out, err = run(*argv)
    bodies = [
        {"method": "GET", "path": "/collections", "query": {}, "body": None},
        {"method": "POST", "path": "/x", "query": {"wait": True}, "body": {"text": "Größe"}},
    ]
    assert code == 0
    assert json.loads(out) == bodies
    assert out.startswith('[\n  {\n    "method": "GET"')
    assert "Größe" in out
    assert err == "warning[unused-stage]: the stage is not used\n"
    _, out, _ = run(*argv, "--format", "jsonl")
    assert [json.loads(line) for line in out.splitlines()] == bodies
    options = {"collection": "docs", "models": {"x": "m"}, "rerank_model": None, "name": "<command>"}
    assert compiler.asked == [("ONE", {"a": 1}, options)] * 2


def test_compile_error(run: Run, compiler: SimpleNamespace) -> None:
    assert run("compile", "-", stdin="BAD") == (3, "", "error[syntax]: expected a statement\n")


def test_explain(run: Run, sessions: list[FakeSession], tmp_path: Path) -> None:
    file = script(tmp_path / "a.qql", "QUERY 'a\x1b[31mb' MODEL 'm' FROM docs USING dense")
    code, out, err = run("explain", file)
    assert (code, err) == (0, "")
    assert out.startswith("Query on docs: one search\nroot: search for 'a\\u001b[31mb' MODEL 'm' on dense\n")
    assert sessions == []
    text = "WITH a AS (QUERY [1]) QUERY [2] FROM docs PREFETCH (QUERY [3] LIMIT 5)"
    code, out, err = run("explain", "-c", text)
    assert "warning[stage-limit-short] at 1:69: " in out and "--" not in out
    assert err.startswith("warning[unused-stage]: the stage `a` is never used\n")
    code, out, _ = run("explain", "-c", f"COUNT FROM docs; {text}", "--format", "json")
    told = json.loads(out)
    assert code == 0 and [one["plan"] is None for one in told] == [True, False]
    assert [one["code"] for one in told[1]["warnings"]] == ["unused-stage"]
    assert run("explain", "-c", "QUERY 'a' FORM docs")[0] == 3


def test_explain_names_the_statements_of_a_script(run: Run, tmp_path: Path) -> None:
    stages = script(tmp_path / "stages.qql", "DEFINE a AS (QUERY [1] LIMIT 90);\n\nCOUNT\n  FROM docs;")
    file = script(tmp_path / "a.qql", f"EXECUTE '{stages}';\nQUERY [2] FROM docs PREFETCH (a) LIMIT 9")
    code, out, err = run("explain", file)
    assert (code, err) == (0, "")
    words = f"EXECUTE '{stages}'"
    assert [line for line in out.splitlines() if line.startswith("--")] == [
        f"-- {stages}:1  DEFINE a AS (QUERY [1] LIMIT 90)",
        f"-- {stages}:3  COUNT FROM docs",
        f"-- {file}:1  {words if len(words) <= 60 else words[:59] + '…'}",
        f"-- {file}:2  QUERY [2] FROM docs PREFETCH (a) LIMIT 9",
    ]


def test_explain_by_a_database(run: Run, tmp_path: Path) -> None:
    db = str(tmp_path / "db")
    assert run("-c", "CREATE COLLECTION docs (dense VECTOR(4, DOT))", "--db", db)[0] == 0
    out = run("explain", "-c", "QUERY [1, 2, 3, 4] FROM docs", "--db", db)[1]
    assert "vector: dense (dense, 4 × Dot)" in out


def test_check(run: Run, tmp_path: Path) -> None:
    good = script(tmp_path / "good.qql", "QUERY :v FROM docs")
    old = script(tmp_path / "old.qql", "WITH a AS (QUERY [1]) QUERY [2] FROM docs")
    bad = script(tmp_path / "bad.qql", "FINE")
    given = ("--param", "v=[1]")
    assert run("check", good, *given) == (0, "", "1 script: 0 errors, 0 warnings\n")
    code, out, err = run("check", old)
    assert (code, err) == (0, "1 script: 0 errors, 1 warning\n")
    assert out.startswith("warning[unused-stage]: the stage `a` is never used\n")
    code, out, err = run("check", old, bad)
    assert (code, err) == (3, "2 scripts: 1 error, 1 warning\n")
    assert f"--> {bad}:1:1" in out
    code, out, _ = run("check", old, bad, "--format", "json")
    assert code == 3
    assert [item["code"] for item in json.loads(out)] == ["unused-stage", "syntax"]
    assert json.loads(out)[1] | {"file": bad, "line": 1, "column": 1} == json.loads(out)[1]
    assert run("check", "-c", "QUERY [1]", "--collection", "docs", "--format", "json")[1] == "[]\n"
    assert len(run("check", "-q", old, bad, "--format", "jsonl")[1].splitlines()) == 2


def test_check_knows_what_execute_defines(run: Run, tmp_path: Path) -> None:
    stages = script(tmp_path / "stages.qql", "DEFINE a AS (QUERY [1] LIMIT 90)")
    text = f"EXECUTE '{stages}'; QUERY [2] FROM docs PREFETCH (a) LIMIT 9"
    assert run("check", "-c", text)[:2] == (0, "")
    script(tmp_path / "stages.qql", "DEFINE a AS")
    code, out, _ = run("check", "-c", text)
    assert code == 3 and f"--> {stages}:1:" in out


def test_alone_on_a_terminal_it_is_a_prompt(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, Terminal())
    err = sys.stderr
    seen: list[str] = []

    def interact(shell: Any) -> int:
        shell.reconnect("https://other")
        shell.reconnect("http://first")
        seen.append(shell.renderer.format)
        return 0

    monkeypatch.setattr("qql.cli.repl.interact", interact)
    monkeypatch.setenv("COLUMNS", "80")
    code = main(["--url", "http://first", "--api-key", "s3cr3t", "--collection", "docs"])
    assert code == 0, err.getvalue()
    assert seen == ["table"]
    assert [session.options["api_key"] for session in sessions] == ["s3cr3t", None, "s3cr3t"]
    assert all(session.options["collection"] == "docs" for session in sessions)
    assert all(session.closed for session in sessions)
    assert isinstance(err, Terminal)
    assert f"qql {qql.__version__}, connected to http://first" in err.getvalue()


# -------------------------------------------------------------------------------------------- other processes


def process(*argv: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *argv], capture_output=True, timeout=60, **settings)


def test_version_and_help_import_nothing_heavy() -> None:
    heavy = {
        "rich",
        "prompt_toolkit",
        "qdrant_client",
        "qdrant_edge",
        "numpy",
        "lark",
        "pydantic",
        "fastembed",
    }
    for option in ("--version", "--help"):
        done = process("-X", "importtime", "-m", "qql", option)
        assert done.returncode == 0
        imported = {line.rsplit(b"|", 1)[-1].strip().split(b".")[0] for line in done.stderr.splitlines()}
        assert not heavy & {name.decode() for name in imported}
        assert done.stdout


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"qql {qql.__version__}\n", "")


@pytest.mark.parametrize(("argv", "model"), [([], "m"), (["--rerank-model", "other"], "other")])
def test_the_environment_names_a_reranker(
    run: Run, sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch, argv: list[str], model: str
) -> None:
    monkeypatch.setenv("QQL_RERANK_MODEL", "m")
    assert run("-c", "ONE", *argv)[0] == 0
    assert sessions[0].options["rerank_model"] == model


@pytest.mark.parametrize(("argv", "given"), [([], True), (["--no-advice"], False)])
def test_advice_can_be_turned_off(
    run: Run, sessions: list[FakeSession], argv: list[str], given: bool
) -> None:
    assert run("-c", "ONE", *argv)[0] == 0
    assert sessions[0].options["advice"] is given


@pytest.mark.parametrize("command", [[], ["run"], ["compile"], ["explain"], ["check"]])
def test_help(run: Run, command: list[str]) -> None:
    code, out, err = run(*command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(" ".join(["usage: qql", *command]))


FAKE = """
import sys
sys.path.insert(0, {tests!r})
import qql
from test_repl import FakeSession
qql.connect = lambda target, **options: FakeSession(target, **options)
from qql.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def fake() -> list[str]:
    """The arguments of an interpreter that runs the command line on a fake session."""
    return ["-c", FAKE.format(tests=str(Path(__file__).parent))]


@pytest.mark.parametrize("format", ["jsonl", "table", "csv"])
def test_a_reader_that_goes_away_ends_it_quietly(fake: list[str], format: str) -> None:
    command = [sys.executable, *fake, "-q", "-c", "MANY; MANY", "--format", format]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout and running.stderr
        assert running.stdout.read(10)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(60) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk(fake: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, *fake, "-q", "-c", "MANY"], stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == b"error[output-unwritable]: cannot write results: No space left on device\n"
    done = process(*fake, "-q", "-c", "MANY", "-o", "/dev/full")
    assert done.returncode == 1
    assert done.stderr == b"error[output-unwritable]: cannot write results: No space left on device\n"


LOCALES = [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}]
FORMATS = ["jsonl", "table", "csv", "markdown", "vertical"]
IN_ALL_FORMATS = """
import io, json
told = {{}}
encoding, errors = sys.stdout.encoding, sys.stdout.errors
for name in {formats!r}:
    written = io.BytesIO()
    sys.stdout = io.TextIOWrapper(written, encoding=encoding, errors=errors)
    code = main(["-q", "-c", "HITS", "--format", name])
    sys.stdout.flush()
    told[name] = [code, written.getvalue().hex()]
print(json.dumps(told), file=sys.__stdout__)
"""


@pytest.fixture(scope="module")
def in_locale() -> Callable[[dict[str, str]], dict[str, tuple[int, str]]]:
    """What the command line writes in each format, by one process for each locale: exit code, bytes."""
    code = FAKE.format(tests=str(Path(__file__).parent)).replace("sys.exit(main(sys.argv[1:]))", "")
    known: dict[str, dict[str, tuple[int, str]]] = {}

    def call(locale: dict[str, str]) -> dict[str, tuple[int, str]]:
        if str(locale) not in known:
            done = process("-c", code + IN_ALL_FORMATS.format(formats=FORMATS), env={**os.environ, **locale})
            assert (done.returncode, done.stderr) == (0, b"")
            known[str(locale)] = json.loads(done.stdout)
        return known[str(locale)]

    return call


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("format", FORMATS)
def test_a_narrow_locale_does_not_crash(
    in_locale: Callable[[dict[str, str]], dict[str, tuple[int, str]]], locale: dict[str, str], format: str
) -> None:
    code, written = in_locale(locale)[format]
    assert code == 0
    if format == "jsonl":
        hit = json.loads(bytes.fromhex(written).splitlines()[0])
        assert hit["payload"]["title"] == "Größe \x1b[31m"


def test_exit_codes_of_a_process(fake: list[str], run: Run, sessions: list[FakeSession]) -> None:
    assert run("-c", "ONE")[0] == 0
    assert run("-c", "FAIL")[0] == 1
    assert run("run", "/no/such/file")[0] == 2
    assert run("-", stdin=b"")[0] == 2
    assert process(*fake, input=b"BAD").returncode == 3
    done = process(*fake, "-c", "INTERRUPT")
    assert done.returncode == 130
    assert b"Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------------ end to end

LOAD = """
CREATE COLLECTION docs (dense VECTOR(2, DOT), words SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES
  {id: 18446744073709551615, vector: {dense: [1, 0], words: 'red shoes'},
   title: 'Größe \\u001b[31m', price: 10},
  {id: '0b9f7e1c-1111-4222-8333-444455556666', vector: {dense: [0, 1], words: 'a hat'},
   title: '[/]', price: 20};
"""


@pytest.fixture
def db(run: Run, tmp_path: Path) -> str:
    """A directory database with two points."""
    path = str(tmp_path / "db")
    code, out, err = run("run", script(tmp_path / "load.qql", LOAD), "--db", path)
    assert (code, out) == (0, "")
    assert [line.split(" (")[0] for line in err.splitlines()] == [
        "created collection docs",
        "upserted 2 points into docs",
    ]
    return path


def test_a_database_stays(run: Run, db: str) -> None:
    text = "QUERY [1, 0] FROM docs USING dense WHERE price < :max"
    code, out, _ = run("-c", text, "--db", db, "--param", "max=15")
    assert code == 0
    payload = {"title": "Größe \x1b[31m", "price": 10}
    assert json.loads(out) == {"id": 2**64 - 1, "score": 1.0, "payload": payload}


def test_no_command_makes_a_database_before_there_is_a_collection(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "some" / "where"
    one = script(tmp_path / "one.qql", "QUERY :query FROM docs USING dense LIMIT 1;")
    queries = script(tmp_path / "queries.jsonl", '{"id": "q", "text": "red"}\n')
    qrels = script(tmp_path / "qrels.tsv", "q\t1\t1\n")
    asked = ("--queries", queries)
    judged = (*asked, "--qrels", qrels)
    for command in (
        ("-c", "COUNT FROM docs"),
        ("run", one, "--param", "query=red"),
        ("lint", one),
        ("explain", one, "--param", "query=red"),
        ("query", "red", "--from", "docs"),
        ("diff", one, one, *asked),
        ("bench", one, *asked),
        ("eval", one, *judged),
        ("tune", one, *judged, "--grid", "root.limit=1,2"),
    ):
        code, out, err = run(*command, "--db", str(home))
        assert (code, "no collection `docs`" in out + err) == (3, True), command
        assert f"there is no database at {home} yet" in out + err, command
        assert not home.parent.exists(), command
    code, out, err = run("-c", "SHOW COLLECTIONS", "--db", str(home))
    assert (code, out) == (0, "")
    assert f"there is no database at {home} yet" in err
    assert not home.parent.exists()
    code, out, err = run(
        "--db", str(home), stdin="CREATE COLLECTION docs (a VECTOR(2, DOT)); COUNT FROM docs;"
    )
    assert (code, out) == (0, '{"count":0}\n')
    assert err.startswith("created collection docs (")
    assert (home / "qql.json").is_file()


def test_a_real_table(run: Run, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("-c", "QUERY 'red hat' FROM docs USING words", "--db", db, "--format", "table")
    assert code == 0
    assert UUID in out
    assert str(2**64 - 1) in out
    assert "Größe \\x1b[31m" in out
    assert "[/]" in out
    assert "(2 rows, " in out


def test_nothing_is_sent_when_a_statement_is_at_fault(run: Run, db: str) -> None:
    code, out, err = run(
        "--db", db, stdin="DELETE FROM docs WHERE price = 10;\nCOUNT FORM docs;\nQUERY FROM;"
    )
    assert (code, out) == (3, "")
    assert "--> <stdin>:2:7" in err
    assert "--> <stdin>:3:" in err
    assert run("--db", db, "-c", "COUNT FROM docs")[1] == '{"count":2}\n'


def test_what_the_engine_refuses(run: Run, db: str) -> None:
    code, out, err = run(
        "--db", db, stdin="COUNT FROM docs; SCROLL FROM docs ORDER BY nothing; COUNT FROM docs;"
    )
    assert (code, out) == (1, '{"count":2}\n')
    assert "--> <stdin>:1:18" in err


def test_no_server(run: Run) -> None:
    code, out, err = run("--url", "127.0.0.1:1", "-c", "SHOW COLLECTIONS")
    assert (code, out) == (4, "")
    assert "127.0.0.1:1" in err


def test_compile_check_and_explain(run: Run, db: str, tmp_path: Path) -> None:
    text = "QUERY [1, 0] FROM docs USING dense LIMIT 5"
    code, out, _ = run("compile", "-c", text)
    assert code == 0
    [request] = json.loads(out)
    assert request["path"] == "/collections/docs/points/query"
    assert request["body"] == {
        "query": {"nearest": [1, 0]},
        "using": "dense",
        "limit": 5,
        "with_payload": True,
    }
    assert "dense" in run("explain", "-c", text)[1]
    assert "Dot" in run("explain", "-c", text, "--db", db)[1]
    bad = script(tmp_path / "bad.qql", f"{text};\nQUERY [1] form docs;")
    code, out, err = run("check", bad)
    assert (code, err) == (3, "1 script: 1 error, 0 warnings\n")
    assert f"--> {bad}:2:11" in out
    assert "did you mean `FROM`?" in out


@pytest.mark.parametrize(
    "text",
    [
        "COUNT FROM docs",
        "QUERY [1, 0] FROM docs USING dense",
        "SCROLL FROM docs",
        "FACET price FROM docs",
        "SHOW STAGES",
        "SHOW MODELS",
        "SHOW COLLECTIONS",
        "SHOW COLLECTION docs",
        "SHOW INDEXES ON docs",
        "SHOW ALIASES",
        "EXPLAIN COUNT FROM docs",
        "EXPLAIN FORMAT json COUNT FROM docs",
        "WHY 1 QUERY [1, 0] FROM docs USING dense",
        "BATCH { QUERY [1, 0] FROM docs USING dense; }",
        "BATCH { DELETE FROM docs WHERE id = 7; }",
        "UPSERT INTO docs VALUES {id: 5, vector: {dense: [1, 1]}}",
        "CREATE INDEX ON docs FOR price TYPE integer",
        "UPDATE docs SET PAYLOAD = {a: 1} WHERE id = 5",
        "DELETE FROM docs WHERE id = 5",
        "DROP COLLECTION docs",
        "OPTIMIZE docs",
        "USE docs",
    ],
)
def test_what_gives_data_is_known_before_a_statement_is_run(text: str) -> None:
    with qql.connect() as session:
        session.run(LOAD + "CREATE INDEX ON docs FOR price TYPE integer;")
        (compiled,) = session.compile(text)
        result = session.carry_out(compiled)
        assert gives_data(compiled.statement) == bool(result.kind in ("hits", "rows") or result.rows)
