"""The prompt, driven through a pipe, with a session that answers by rote."""

from __future__ import annotations

import copy
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import qql
from qql import nodes
from qql.cli.prompt.history import open_history
from qql.cli.prompt.typed import submits
from qql.cli.render import Renderer
from qql.cli.repl import interact
from qql.cli.shell import Shell
from qql.cli.usage import UsageError, parse_value, read_script
from qql.compiler.context import make_context
from qql.errors import Diagnostic, QQLConnectionError, QQLExecutionError, QQLSyntaxError
from qql.result import Hit, Result
from qql.session.answers import gives_data
from qql.syntax.pieces import Pieces

UUID = "0b9f7e1c-1111-4222-8333-444455556666"
ROWS, OTHER = nodes.ShowCollections(), nodes.Use(nodes.Name("docs"))
FAKED: dict[str, nodes.Statement] = {
    "HITS": ROWS,
    "MANY": ROWS,
    "SHOW": ROWS,
    "PLAN": nodes.Explain(ROWS),
}
"""What a made-up word stands for; any other gives a message."""


class Panic(BaseException):
    """What a Rust library raises when it gives up."""


class FakeSession:
    """Answers by the first word of a statement, and writes down what it was asked."""

    def __init__(self, target: str = ":memory:", **options: Any) -> None:
        self.target = target
        self.options = options
        self.asked: list[tuple[str, Any, str]] = []
        self.closed = False
        self.context = make_context()
        self.read_only = False

    def checked(self, script: Pieces, params: Any = None) -> SimpleNamespace:
        name, text = script.name, "".join(piece.text for piece in script)
        parts = [part.strip() for part in text.split(";") if part.strip()]
        if any(part.startswith("BAD") for part in parts):
            raise QQLSyntaxError.make("syntax", f"expected a statement in {name}")
        found = [
            SimpleNamespace(text=part, params=params, name=name, statement=FAKED.get(part.split()[0], OTHER))
            for part in parts
        ]
        data = any(gives_data(one.statement) for one in found)
        return SimpleNamespace(statements=lambda: found, gives_data=data)

    def carry_out(self, one: SimpleNamespace) -> Result:
        return self.execute(one.text, one.params, name=one.name)

    def execute(self, statement: str, params: Any = None, *, name: str = "<string>") -> Result:
        self.asked.append((statement, copy.copy(params), name))
        word = statement.split()[0]
        match word:
            case "FAIL":
                raise QQLExecutionError.make("no-collection", "there is no collection docs")
            case "GONE":
                raise QQLConnectionError.make("no-connection", "no server answers")
            case "BOOM":
                raise RuntimeError("boom \x1b[31m")
            case "PANIC":
                raise Panic("rust")
            case "INTERRUPT":
                raise KeyboardInterrupt
            case "LEAK":
                raise QQLExecutionError.make("header", f"bad header {self.options.get('api_key')}")
            case "HITS":
                items = [
                    Hit(2**64 - 1, 0.9, {"title": "Größe \x1b[31m"}),
                    Hit(UUID, 0.5, {"title": "x" * 200}),
                ]
                return Result("hits", hits=items, seconds=0.0013)
            case "MANY":
                return Result("rows", rows=[{"n": n, "text": "x" * 100} for n in range(20_000)])
            case "SHOW":
                return Result("rows", rows=[{"name": "docs"}])
            case "PLAN":
                return Result("text", message="plan\n└── stage")
            case "COPY":
                progress = self.options["on_progress"]
                if progress:
                    for done in range(11):
                        progress("copy docs", done, 10)
            case "OLD":
                warning = Diagnostic("old-spelling", "this is an old spelling", severity="warning")
                return Result("message", message="done OLD", warnings=(warning,))
        return Result("message", message=f"done {statement}")

    def explain(self, text: str, params: Any = None, *, name: str = "<string>") -> str:
        return f"plan of {text} at {self.target}"

    def collections(self) -> list[str]:
        return []

    def close(self) -> None:
        self.closed = True


Typed = Callable[..., str]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    (tmp_path / "history").touch()  # not the first start
    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "history"))
    view = Renderer(io.StringIO(), err=io.StringIO(), width=80)

    def connect(target: str) -> Any:
        if target == "nowhere":
            raise QQLConnectionError.make("no-connection", "no server answers at nowhere")
        return FakeSession(target)

    return Shell(FakeSession(), view, connect)  # type: ignore[arg-type]


@pytest.fixture
def typed(shell: Shell) -> Typed:
    """Types keys at the prompt (then Ctrl-D) and gives what was shown, errors included."""

    def run(keys: str, code: int = 0) -> str:
        with create_pipe_input() as pipe:
            pipe.send_text(keys + "\x04")
            assert interact(shell, input=pipe, output=DummyOutput()) == code
        return shown(shell)

    return run


def shown(shell: Shell) -> str:
    assert isinstance(shell.renderer.file, io.StringIO)
    assert isinstance(shell.renderer.err, io.StringIO)
    return shell.renderer.file.getvalue() + shell.renderer.err.getvalue()


def asked(shell: Shell) -> list[str]:
    assert isinstance(shell.session, FakeSession)
    return [statement for statement, _, _ in shell.session.asked]


# ------------------------------------------------------------------------------------------------- statements


def test_a_statement_runs_at_its_semicolon(shell: Shell, typed: Typed) -> None:
    text = typed("HITS;\r")
    assert asked(shell) == ["HITS"]
    assert UUID in text
    assert "(2 rows, 1.3 ms)" not in text  # cut: the footer says so
    assert "(2 rows, 1.3 ms; long values are cut" in text
    assert "\x1b" not in text


def test_a_statement_may_take_several_lines(shell: Shell, typed: Typed) -> None:
    typed("ONE\r  'a;\r' -- no; end\r;\rTWO;\r")
    assert [statement.split()[0] for statement in asked(shell)] == ["ONE", "'", "end", "TWO"]
    assert isinstance(shell.session, FakeSession)
    assert len({name for _, _, name in shell.session.asked}) == 1


def test_several_statements_on_one_line(shell: Shell, typed: Typed) -> None:
    typed("ONE; TWO;\r")
    assert asked(shell) == ["ONE", "TWO"]


def test_a_paste_with_line_ends_is_one_input(shell: Shell, typed: Typed) -> None:
    typed("\x1b[200~ONE\nTWO;\nTHREE;\x1b[201~\r")
    assert asked(shell) == ["ONE\nTWO", "THREE"]


def test_alt_enter_runs_without_a_semicolon(shell: Shell, typed: Typed) -> None:
    typed("ONE\x1b\r")
    assert asked(shell) == ["ONE"]


def test_blank_lines_do_nothing(shell: Shell, typed: Typed) -> None:
    assert typed("\r  \r\r") == ""
    assert asked(shell) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("FAIL", "error[no-collection]: there is no collection docs"),
        ("GONE", "error[no-connection]: no server answers"),
        ("BAD", "error[syntax]: expected a statement"),
        ("BOOM", r"internal error: RuntimeError: boom \x1b[31m"),
        ("PANIC", "internal error: Panic: rust"),
        ("INTERRUPT", "cancelled"),
    ],
)
def test_a_failure_is_shown_and_the_prompt_comes_back(
    shell: Shell, typed: Typed, statement: str, said: str
) -> None:
    text = typed(f"FIRST; {statement};\rLAST;\r")
    assert said in text
    assert "done LAST" in text
    assert "Traceback" not in text
    assert ("done FIRST" in text) is (statement != "BAD")


def test_ctrl_c_clears_the_line(shell: Shell, typed: Typed) -> None:
    typed("UNWANTED\r and more\x03WANTED;\r")
    assert asked(shell) == ["WANTED"]


def test_ctrl_d_leaves_only_on_an_empty_line(shell: Shell, typed: Typed) -> None:
    typed("ONE\x04;\r")
    assert asked(shell) == ["ONE"]


def test_warnings_are_shown(typed: Typed) -> None:
    assert "warning[old-spelling]: this is an old spelling" in typed("OLD;\r")


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        ("", True),
        ("  \n", True),
        ("QUERY 1", False),
        ("QUERY 1;", True),
        ("QUERY 1; ", True),
        ("QUERY ';", False),
        ("QUERY 1 -- ;", False),
        ("QUERY 1 /* ; */", False),
        ("\\d", True),
        ("\\i a b", True),
        ("help", True),
        ("EXIT;", True),
        ("quit", True),
        ("helping", False),
    ],
)
def test_what_enter_sends(text: str, enough: bool) -> None:
    assert submits(text) is enough


# --------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("word", ["\\q", "quit", "exit", "EXIT;", "\\q;"])
def test_leaving(shell: Shell, typed: Typed, word: str) -> None:
    typed(f"{word}\rONE;\r")
    assert asked(shell) == []


@pytest.mark.parametrize("word", ["\\?", "help", "HELP;"])
def test_help_lists_every_command(typed: Typed, word: str) -> None:
    text = typed(f"{word}\r")
    for name in (
        "\\q",
        "\\?",
        "\\d [COLLECTION]",
        "\\c [TARGET]",
        "\\i FILE",
        "\\format",
        "\\timing",
        "\\x",
        "\\set",
    ):
        assert f"  {name}" in text


def test_format_and_expanded_and_timing(typed: Typed) -> None:
    text = typed("\\format jsonl\rHITS;\r\\x\rSHOW;\r\\x\r\\timing\rSHOW;\r\\timing on\r\\format\r")
    assert '{"id":18446744073709551615,"score":0.9' in text
    assert "──[ 1 ]" in text
    assert "(1 row)\n" in text
    assert "timing is off" in text
    assert "timing is on" in text
    assert "format is table" in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\\formt json", r"there is no command \formt"),
        ("\\formt json", r"did you mean `\format`?"),
        ("\\zzz", r"`\?` lists the commands"),
        ("\\format jsn", "did you mean `json"),
        ("\\format zzz", "the formats are table"),
        ("\\timing maybe", r"\timing requires on or off, found maybe"),
        ("\\i", r"\i requires a file"),
        ("\\i /no/such/file", "error[file-unreadable]: cannot read /no/such/file: No such file or directory"),
        ("\\unset zzz", "there is no parameter :zzz"),
        ("\\set zzz", r"\set requires a name and a value"),
        ("\\", "there is no command \\"),
    ],
)
def test_wrong_commands_are_explained(shell: Shell, typed: Typed, line: str, said: str) -> None:
    assert said in typed(f"{line}\r")
    assert asked(shell) == []


def test_parameters(shell: Shell, typed: Typed) -> None:
    text = typed(
        "\\set q red shoes\r\\set :n 5\r\\set\rQUERY :q FROM docs LIMIT :n;\rCOUNT FROM docs WHERE a = :n;\r"
        "SHOW COLLECTIONS;\r\\unset n\rQUERY :q FROM docs LIMIT :n;\r"
    )
    assert isinstance(shell.session, FakeSession)
    both = {"q": "red shoes", "n": 5}
    assert [params for _, params, _ in shell.session.asked] == [both, {"n": 5}, None, {"q": "red shoes"}]
    assert ':q = "red shoes"\n:n = 5\n' in text


def test_numbered_parameters(shell: Shell, typed: Typed) -> None:
    shell.params = ["red"]
    typed("SHOW COLLECTIONS;\rQUERY ? FROM docs;\r")
    assert isinstance(shell.session, FakeSession)
    assert [params for _, params, _ in shell.session.asked] == [None, ["red"]]


def test_include(shell: Shell, typed: Typed, tmp_path: Path) -> None:
    script = tmp_path / "a script.qql"
    script.write_bytes("\ufeffONE;\r\nTWO 'Größe';".encode())
    typed(f"\\i {script}\r\\i '{script}';\r")
    assert isinstance(shell.session, FakeSession)
    assert shell.session.asked == [("ONE", None, str(script)), ("TWO 'Größe'", None, str(script))] * 2


def test_commands_before_statements_in_a_paste(shell: Shell, typed: Typed) -> None:
    typed("\x1b[200~\\timing off\n\\format json\nONE;\x1b[201~\r")
    assert asked(shell) == ["ONE"]
    assert not shell.renderer.timing
    assert shell.renderer.format == "json"


def test_a_command_in_the_middle_of_a_statement_leaves_it_open(shell: Shell, typed: Typed) -> None:
    text = typed("ONE\r\\timing\rTHEN;\r")
    assert "timing is off" in text
    assert asked(shell) == ["ONE\nTHEN"]


def test_a_command_below_a_whole_statement_runs_after_it(shell: Shell, typed: Typed) -> None:
    text = typed("\x1b[200~SHOW STAGES;\n\\timing\x1b[201~\rTWO;\r")
    assert asked(shell) == ["SHOW STAGES", "TWO"]
    assert "timing is off" in text


def test_leaving_from_the_middle_of_a_statement(shell: Shell, typed: Typed) -> None:
    typed("ONE\r\\q\rTWO;\r")
    assert asked(shell) == []


def test_a_command_inside_a_string_is_text(shell: Shell, typed: Typed) -> None:
    typed("ONE '\r\\q\r';\r")
    assert asked(shell) == ["ONE '\n\\q\n'"]


def test_connect_elsewhere(shell: Shell, typed: Typed) -> None:
    first = shell.session
    text = typed("\\c\r\\c nowhere\rONE;\r\\c ./other\rTWO;\r")
    assert "connected to :memory:" in text
    assert "error[no-connection]: no server answers at nowhere" in text
    assert "connected to ./other" in text
    assert isinstance(first, FakeSession)
    assert first.closed
    assert [statement for statement, _, _ in first.asked] == ["ONE"]
    assert asked(shell) == ["TWO"]


# ---------------------------------------------------------------------------------------------------- history


def test_history_is_kept_and_private(shell: Shell, typed: Typed, tmp_path: Path) -> None:
    typed("ONE\rTWO;\r")
    assert list(open_history()[0].load_history_strings()) == ["ONE\nTWO;"]
    assert stat.S_IMODE((tmp_path / "history").stat().st_mode) == 0o600


KEY = "k3y-of-a-canary"


@pytest.mark.parametrize(
    "line",
    [
        rf"\set key {KEY}",
        rf"\set :api_token '{KEY}'",
        r"\set k sk-Ab3dEf6hIj9lMn2p",
        rf"\param key text {KEY}",
        r"\param k text sk-Ab3dEf6hIj9lMn2p",
        rf"\c http://u:{KEY}@host:6333",
        rf"\c u:{KEY}@host",
        rf"\c http://host?api-key={KEY}",
        f"RESTORE SNAPSHOT 'https://u:{KEY}@host/a.snapshot' ON docs;",
        f"RESTORE SNAPSHOT 'https://host/a?X-Amz-Signature={KEY}' ON docs;",
        f"RESTORE SNAPSHOT 'https://host/a' ON docs WITH (api_key = '{KEY}');",
        f"curl -H 'api-key: {KEY}' host;",
        f"curl -H 'Authorization: Bearer {KEY}' host;",
        "COUNT FROM docs WHERE note = 'known-to-the-shell';",
    ],
)
def test_the_history_keeps_no_line_with_a_secret(
    shell: Shell, typed: Typed, tmp_path: Path, line: str
) -> None:
    shell.renderer.secrets = ("known-to-the-shell",)
    typed(f"ONE;\r{line}\rTWO;\r")
    assert list(open_history()[0].load_history_strings()) == ["TWO;", "ONE;"]
    assert KEY not in (tmp_path / "history").read_text()


@pytest.mark.parametrize(
    "line",
    [
        r"\set q red shoes",
        r"\set limit 10",
        r"\c http://localhost:6333",
        r"\c ./data",
        "QUERY 'the key to the city' FROM docs LIMIT 5;",
        "SCROLL FROM docs WHERE key = 'a' AND url = 'https://host/a?page=2';",
    ],
)
def test_the_history_keeps_all_else(typed: Typed, line: str) -> None:
    typed(f"{line}\r")
    assert list(open_history()[0].load_history_strings()) == [line]


@pytest.mark.parametrize("file", ["history", ""])
def test_what_holds_a_secret_does_not_come_back_by_the_arrow_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str
) -> None:
    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / file) if file else "")
    history = open_history()[0]
    for line in ("ONE;", rf"\set key {KEY}", "TWO;"):
        history.append_string(line)
    assert history.get_strings() == ["ONE;", "TWO;"]


def test_a_history_that_others_could_read_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.touch(mode=0o644)
    monkeypatch.setenv("QQL_HISTORY", str(path))
    assert open_history()[1] is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_unwritable_history_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, shell: Shell, typed: Typed, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "file" / "history"))
    text = typed("ONE;\rTWO;\r")
    assert text.count("history is not kept: cannot write") == 1
    assert asked(shell) == ["ONE", "TWO"]


def test_a_history_that_fails_later_does_not_stop_the_prompt(
    monkeypatch: pytest.MonkeyPatch, shell: Shell, typed: Typed, tmp_path: Path
) -> None:
    def remove(target: str) -> Any:
        (tmp_path / "deep" / "history").unlink()
        (tmp_path / "deep").rmdir()
        return FakeSession(target)

    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "deep" / "history"))
    shell.connect = remove
    typed("\\c x\rONE;\rTWO;\r")
    assert asked(shell) == ["ONE", "TWO"]


def test_no_history_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: Typed) -> None:
    monkeypatch.setenv("QQL_HISTORY", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    typed("ONE;\r")
    assert [one.read_text(encoding="utf-8") for one in tmp_path.iterdir()] == [""]


def test_a_device_as_history_keeps_its_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path(os.devnull).stat().st_mode
    monkeypatch.setenv("QQL_HISTORY", os.devnull)
    assert open_history()[1] is None
    assert Path(os.devnull).stat().st_mode == before


def test_history_lives_in_the_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("QQL_HISTORY", raising=False)
    monkeypatch.setattr("platformdirs.user_state_path", lambda *names, **options: tmp_path / "state")
    assert open_history()[1] is None
    assert (tmp_path / "state" / "history").exists()


# ---------------------------------------------------------------------------------------------------- helpers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        (str(2**64 - 1), 2**64 - 1),
        ("0.5", 0.5),
        ("[1, 2]", [1, 2]),
        ('"5"', "5"),
        ("null", None),
        ("true", True),
        ("red shoes", "red shoes"),
        ("007", "007"),
        ("", ""),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_parameter_values(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_scripts_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.qql"
    path.write_bytes(b"\xef\xbb\xbfA;\r\nB;")
    assert read_script(str(path)) == "A;\r\nB;"


def test_a_path_with_a_nul_is_an_error_of_ours() -> None:
    with pytest.raises(UsageError, match="file-unreadable"):
        read_script("a\0b")


# ------------------------------------------------------------------------------------------------- end to end


def test_a_real_session(shell: Shell, typed: Typed, tmp_path: Path) -> None:
    shell.connect = qql.connect
    shell.reconnect(":memory:")
    text = typed(
        "CREATE COLLECTION docs (dense VECTOR(2, DOT));\r"
        "UPSERT INTO docs VALUES\r  {id: 1, vector: {dense: [1, 0]}, title: 'one; two'};\r"
        "USE docs;\r\\set v [1, 0]\rQUERY :v USING dense;\rQUERY FROM;\r\\d\r\\d docs\r\\d nope\r"
        f"\\c {tmp_path / 'other'}\rSHOW COLLECTIONS;\r"
    )
    assert "│  1 │   1.0 │ one; two │" in text
    assert "error[" in text
    assert "│ docs " in text
    assert "│ dense " in text
    assert "there is no collection `nope`" in text
    assert text.index("connected to") < text.index("(0 rows")
    assert shell.session.target == str(tmp_path / "other")
    assert "there is no database at" in text
    assert not (tmp_path / "other").exists()
    shell.session.close()
