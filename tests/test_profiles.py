"""Profiles: connections with names in `config.toml`, and where their keys come from."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT
from http_recorder import HttpRecorder, ok
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

import qql
from qql.cli import main
from qql.cli.access import Access, connect_profile
from qql.cli.commands import COMMANDS
from qql.cli.commands.connection import LateSession
from qql.cli.commands.options import KEYS, OPTIONS, PROFILE, Arguments
from qql.cli.commands.run import open_shell
from qql.cli.profiles import key_sources
from qql.cli.profiles.applied import with_profile
from qql.cli.profiles.config import config_file, read_profiles
from qql.cli.profiles.profile import COLORS, Profile, prompt_style
from qql.cli.render import Renderer
from qql.cli.repl import interact
from qql.cli.shell import Shell

KEY = "c4nary-K3y-of+QQL"
Config = Callable[[str], Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, schema_is_shared: None) -> None:
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "QQL_RERANK_MODEL", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QQL_HISTORY", "")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Writes the file of profiles, for its owner alone."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("QQL_CONFIG", str(path))

    def write(text: str) -> Path:
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder({("GET", "/collections"): ok({"collections": [{"name": "docs"}]})}) as recorder:
        yield recorder


def keys_received(server: HttpRecorder) -> set[str | None]:
    return {one.headers.get("api-key") for one in server.received}


# ------------------------------------------------------------------------------------ where a key comes from


def in_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("THE_KEY", KEY)
    return 'api_key_env = "THE_KEY"'


def in_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "key").write_text(f"{KEY}\n")
    return f'api_key_file = "{tmp_path}/key"'


def in_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    program = tmp_path / "a key"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint('  {KEY}  ' * (sys.argv[1:] == ['a b', '$HOME']))"
    )
    program.chmod(0o700)
    return f"""api_key_command = "'{program}' 'a b' '$HOME'" """


def in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return f"api_key_command = ['{sys.executable}', '-c', 'print(\"{KEY}\")']"


def in_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    held = {("qdrant", "me"): KEY}
    keyring = SimpleNamespace(get_password=lambda service, user: held.get((service, user)))
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    return 'api_key_keyring = "qdrant/me"'


def in_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return f'api_key = "{KEY}"'


@pytest.mark.parametrize("way", [in_variable, in_file, in_command, in_words, in_keyring, in_the_config])
def test_a_key_arrives_from_wherever_it_is_and_is_shown_nowhere(
    server: HttpRecorder,
    config: Config,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[Path, pytest.MonkeyPatch], str],
) -> None:
    config(f'[profiles.prod]\nurl = "{server.url}"\n{way(tmp_path, monkeypatch)}\n')
    code, out, err = run("-p", "prod", "-c", "SHOW COLLECTIONS")
    assert (code, out) == (0, '{"collection":"docs"}\n')
    assert keys_received(server) == {KEY}
    listed = run("profiles", "--format", "json")
    assert KEY not in "".join((out, err, *map(str, listed)))
    [row] = json.loads(listed[1])
    assert row["profile"] == "prod" and row["key"]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
@pytest.mark.parametrize("way", ["profile", "--api-key-file", "--api-key -"])
def test_ps_shows_no_key(config: Config, tmp_path: Path, way: str, fake_server: Any) -> None:
    """The command is looked at while it waits for the server, and so is what it has started."""
    server = fake_server("1.18.3", api_key=KEY)
    release, ready = tmp_path / "go", tmp_path / "ready"
    (tmp_path / "key").write_text(KEY)
    program = (
        f"import pathlib, time\npathlib.Path({str(ready)!r}).touch()\n"
        f"while not pathlib.Path({str(release)!r}).exists(): time.sleep(0.01)\n"
        f"print(pathlib.Path({str(tmp_path / 'key')!r}).read_text())"
    )
    (tmp_path / "program").write_text(f"#!{sys.executable}\n{program}")
    (tmp_path / "program").chmod(0o700)
    config(f'[profiles.prod]\nurl = "{server.url}"\napi_key_command = "{tmp_path}/program"\n')
    given = {
        "profile": ["-p", "prod"],
        "--api-key-file": ["--url", server.url, "--api-key-file", str(tmp_path / "key")],
        "--api-key -": ["--url", server.url, "--api-key", "-"],
    }[way]
    command = [sys.executable, "-m", "qql", *given, "run", "-"]
    started = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert started.stdin is not None
    if way == "--api-key -":
        started.stdin.write(f"{KEY}\n")
        started.stdin.flush()
    deadline = time.monotonic() + 30
    while not (ready.exists() if way == "profile" else _command_line(started.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lines = [_command_line(pid) for pid in (started.pid, *_children(started.pid))]
    assert any("qql" in line for line in lines)
    assert way != "profile" or any("program" in line for line in lines)
    assert not any(KEY in line for line in lines)
    release.touch()
    out, err = started.communicate("SHOW COLLECTIONS;", timeout=60)
    assert (started.returncode, KEY in out + err) == (0, False)


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_key_among_the_arguments_is_said_to_be_visible(server: HttpRecorder, run: Run) -> None:
    given = ("-c", "SHOW COLLECTIONS", "--url", server.url, "--api-key", KEY)
    err = run(*given)[2]
    assert "`ps` shows the value of --api-key" in err and "--api-key-file FILE" in err and KEY not in err
    assert run(*given, "-q")[2] == ""


@pytest.mark.parametrize(
    ("setting", "said", "hint"),
    [
        ('api_key_env = "NOT_SET"', "the variable NOT_SET is not set", "export NOT_SET=…"),
        ('api_key_file = "/no/such"', "cannot read /no/such: No such file", None),
        ('api_key_command = "/no/such/program"', "cannot run /no/such/program: No such file", "no shell"),
        ('api_key_command = "false"', "false ended with exit code 1", "false"),
        ('api_key_command = "true"', "the command true gives nothing", "the key alone"),
        ("""api_key_command = ["printf", 'a\\nb']""", "the command printf gives several lines", None),
        ('api_key_keyring = "me"', "the keyring has no entry qql/me", "keyring set qql me"),
    ],
)
def test_a_key_that_cannot_be_had_ends_the_command_before_anything_is_sent(
    server: HttpRecorder,
    config: Config,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    said: str,
    hint: str | None,
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda *_: None))
    config(f'[profiles.prod]\nurl = "{server.url}"\n{setting}\n')
    code, out, err = run("-p", "prod", "-c", "SHOW COLLECTIONS")
    assert (code, out) == (2, "")
    assert f"error[no-key]: profile prod: {said}" in err and (hint or "") in err
    assert server.received == []


def test_a_keyring_that_is_not_installed_is_named_with_what_installs_it(
    config: Config, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    config('[profiles.prod]\nurl = "http://127.0.0.1:9"\napi_key_keyring = "qdrant/me"\n')
    code, _, err = run("-p", "prod", "-c", "SHOW COLLECTIONS")
    assert code == 2 and "keyring is not installed" in err and "pip install 'qql-lang[keyring]'" in err


def test_a_command_that_does_not_end_is_ended(
    config: Config, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is waited for what it has started, which holds its output."""
    monkeypatch.setattr(key_sources, "_PATIENCE", 0.2)
    config(
        '[profiles.prod]\nurl = "http://127.0.0.1:9"\napi_key_command = ["sh", "-c", "sleep 20 & sleep 20"]\n'
    )
    started = time.monotonic()
    code, _, err = run("-p", "prod", "-c", "SHOW COLLECTIONS")
    assert code == 2 and "sh has not ended after" in err
    assert time.monotonic() - started < 15  # seconds; the command would take 20


def test_the_key_of_the_environment_is_not_sent_to_the_server_of_a_profile(
    server: HttpRecorder, config: Config, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    config(f'[profiles.other]\nurl = "{server.url}"\n[profiles.style]\nformat = "csv"\n')
    assert run("-p", "other", "-c", "SHOW COLLECTIONS")[0] == 0
    assert keys_received(server) == {None}
    server.received.clear()
    monkeypatch.setenv("QDRANT_URL", server.url)
    assert run("-p", "style", "-c", "SHOW COLLECTIONS")[1] == "collection\ndocs\n"
    assert keys_received(server) == {KEY}


def test_an_option_is_stronger_than_the_profile(
    server: HttpRecorder, config: Config, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("0ther-key")
    config(f'[profiles.prod]\nurl = "{server.url}"\napi_key_command = "false"\nformat = "csv"\n')
    given = ("--api-key-file", str(tmp_path / "key"), "--format", "jsonl")
    assert run("-p", "prod", "-c", "SHOW COLLECTIONS", *given)[1] == '{"collection":"docs"}\n'
    assert keys_received(server) == {"0ther-key"}


# ------------------------------------------------------------------------------------ the file


def test_a_file_that_others_can_read_is_refused_with_what_mends_it(
    server: HttpRecorder, config: Config, run: Run
) -> None:
    for held, what in ((f'api_key = "{KEY}"', "a key"), ('api_key_command = "cat key"', "a command")):
        path = config(f'[profiles.prod]\nurl = "{server.url}"\n{held}\n')
        path.chmod(0o640)
        code, out, err = run("-p", "prod", "-c", "SHOW COLLECTIONS")
        assert (code, out, server.received) == (5, "", [])
        mend = err.partition("= help: ")[2].strip()
        assert "config-open" in err and what in err and KEY not in err
        subprocess.run(shlex.split(mend), check=True)
        assert (path.stat().st_mode & 0o777, run("profiles")[0]) == (0o600, 0)
    path = config('[profiles.dev]\nurl = "http://u:pw@127.0.0.1:9"\n')
    path.chmod(0o644)
    assert run("profiles")[0] == 5


def test_a_file_without_secrets_may_be_read_by_all(config: Config, run: Run) -> None:
    config('[profiles.dev]\nurl = "http://h"\napi_key_env = "A"\n').chmod(0o644)
    assert run("profiles")[0] == 0


@pytest.mark.parametrize(
    ("text", "line", "code", "said", "hint"),
    [
        ('a = 1\n\n[profiles.p]\nurl = "u"', 1, "unknown-setting", "no setting a", "[profiles.NAME]"),
        ('[profile.p]\nurl = "u"', 1, "unknown-setting", "no setting profile", "`profiles`"),
        ('[profiles.p]\n\napi_kye = "s3cr3t"', 3, "unknown-setting", "no setting api_kye", "`api_key`"),
        ("[profiles.p]\nreadonly = true", 2, "unknown-setting", "no setting readonly", "`read_only`"),
        ("[profiles.p]\nread_only = 1", 2, "invalid-config", "read_only requires true or false", None),
        ("[profiles.p]\nprotected = 'yes'", 2, "invalid-config", "protected requires true or false", None),
        ("[profiles.p]\ntimeout = -1", 2, "invalid-config", "a number of seconds above 0", None),
        ("[profiles.p]\ntimeout = true", 2, "invalid-config", "timeout requires a number or a text", None),
        ("[profiles.p]\nurl = 5", 2, "invalid-config", "url requires a text", None),
        ("[profiles.p]\nurl = ' '", 2, "invalid-config", "url is empty", None),
        ("[profiles.p]\nformat = 'jsnl'", 2, "invalid-config", "no format 'jsnl'", "`jsonl`"),
        ("[profiles.p]\nprompt_color = 'redd'", 2, "invalid-config", "requires a colour", "`red`"),
        ("[profiles.p]\nmodel = [1]", 2, "invalid-config", "model requires a text, or a table", None),
        ("[profiles.p]\napi_key_command = []", 2, "invalid-config", "requires the words of a command", None),
        ("[profiles.p]\napi_key_command = '\"a'", 2, "invalid-config", "a quote that is not closed", None),
        ("[profiles.p]\napi_key = 'x'\napi_key_env = 'Y'", 3, "invalid-config", "says twice", "leave one"),
        ("[profiles.p]\ndb = 'x'\napi_key_env = 'Y'", 3, "invalid-config", "api_key_env and db", None),
        ("[profiles.p]\ndb = 'y'\nurl = 'x'", 3, "invalid-config", "exclude each other", None),
        ("profiles = 1", 1, "invalid-config", "each profile is a table", "[profiles.prod]"),
        ("[profiles.p]\nurl = 's3cr3t", 2, "invalid-config", 'Expected "\'"', None),
        ("[profiles.p]\nkeys = '''\ns3cr3t\n'''\nurl", 5, "invalid-config", "Expected '='", None),
    ],
)
def test_what_is_wrong_in_the_file_has_its_line_and_no_value_is_shown(
    config: Config, run: Run, text: str, line: int, code: str, said: str, hint: str | None
) -> None:
    path = config(text)
    exit_code, out, err = run("-p", "p", "-c", "SHOW COLLECTIONS")
    assert (exit_code, out) == (2, "")
    assert f"error[{code}]" in err and said in err and f"{path}:{line}:" in err
    assert (hint or "") in err and "s3cr3t" not in err


def test_all_that_is_wrong_is_told_at_once(config: Config, run: Run) -> None:
    config("[profiles.a]\nurll = 'x'\n[profiles.b]\ntimeout = 'soon'\nprotected = 1\n")
    err = run("profiles")[2]
    assert err.count("error[") == 3


@pytest.mark.parametrize("given", ["\xff", "[profiles.p]\n" + "a." * 1500 + "b = 1"])
def test_a_file_that_is_no_toml_is_an_error(config: Config, run: Run, given: str) -> None:
    config("").write_bytes(given.encode("latin-1"))
    code, _, err = run("profiles")
    assert code == 2 and "Traceback" not in err and "internal error" not in err


def test_an_unknown_profile_names_what_there_is(config: Config, run: Run, tmp_path: Path) -> None:
    code, _, err = run("-p", "prod", "-c", "SHOW COLLECTIONS")
    assert code == 2 and "config.toml does not exist" in err and "[profiles.prod]" in err
    assert run("profiles")[:2] == (0, "")
    config("[profiles.staging]\ndb = 'x'\n")
    assert "did you mean `staging`?" in run("-p", "stagin", "-c", "ONE")[2]
    assert "there are staging" in run("-p", "x", "-c", "ONE")[2]


def test_without_a_variable_the_file_is_in_the_directory_of_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("QQL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Path(config_file()).name == "config.toml" and "qql" in config_file()
    monkeypatch.setenv("QQL_CONFIG", "~/mine.toml")
    assert config_file() == str(Path("~/mine.toml").expanduser())


def test_every_setting_is_an_option_of_the_command_line() -> None:
    assert set(PROFILE) <= set(OPTIONS) and set(KEYS) <= set(OPTIONS)


def test_settings_become_what_the_options_would_give(config: Config) -> None:
    config(
        "[profiles.p]\nurl = 'h:6333'\ntimeout = 2.5\nretries = 0\ngrpc = true\nread_only = false\n"
        "advice = false\nassume_version = 1.18\nmodel = {dense = 'all-minilm', sparse = 'qdrant/bm25'}\n"
        "[profiles.q]\nmodel = 'all-minilm'\nadvice = true\n"
    )
    found = read_profiles()
    assert found["p"].settings == {
        "url": "h:6333",
        "timeout": 2.5,
        "retries": 0,
        "grpc": True,
        "advice": False,
        "assume_version": "1.18",
        "model": {"dense": "all-minilm", "sparse": "qdrant/bm25"},
    }
    assert found["q"].settings == {"model": {"*": "all-minilm"}}


def test_a_profile_and_an_address_exclude_each_other(config: Config, run: Run) -> None:
    config("[profiles.p]\ndb = 'x'\n")
    for option in ("--url", "--db"):
        code, _, err = run("-p", "p", option, "y", "-c", "ONE")
        assert code == 2 and f"--profile and {option} exclude each other" in err


def test_a_profile_is_for_the_commands_that_have_a_database(config: Config, run: Run, tmp_path: Path) -> None:
    config(f"[profiles.p]\ndb = '{tmp_path}/db'\nread_only = true\nformat = 'csv'\n")
    assert run("explain", "-p", "p", "-c", "SHOW COLLECTIONS")[0] == 0
    assert run("doctor", "-p", "p")[0] == 0
    assert "has no meaning for `qql fmt`" in run("fmt", "-p", "p", "-")[2]


def test_a_profile_may_be_read_only(config: Config, run: Run, tmp_path: Path) -> None:
    config(f"[profiles.p]\ndb = '{tmp_path}/db'\n[profiles.ro]\ndb = '{tmp_path}/db'\nread_only = true\n")
    assert run("-p", "p", "-c", "CREATE COLLECTION docs (v VECTOR(2, COSINE))")[0] == 0
    for given in (["-p", "ro"], ["-p", "p", "--read-only"]):
        code, out, err = run(*given, "-c", "SHOW COLLECTIONS;\nDROP COLLECTION docs")
        assert (code, out) == (5, "") and "<command>:2:1" in err and "error[read-only]" in err


# ------------------------------------------------------------------------------------ the prompt


@pytest.mark.parametrize(
    ("profile", "style"),
    [
        (None, ""),
        (Profile("dev"), ""),
        (Profile("prod"), "bold ansired"),
        (Profile("Production"), "bold ansired"),
        (Profile("eu", protected=True), "bold ansired"),
        (Profile("eu", protected=True, prompt_color="bright-green"), "bold ansibrightgreen"),
    ],
)
def test_the_prompt_is_red_where_a_slip_would_be_felt(profile: Profile | None, style: str) -> None:
    assert prompt_style(profile) == style


def test_the_prompt_has_the_colour_of_its_profile(tmp_path: Path) -> None:
    """In front of what is typed, red stands at a protected profile, and nothing of the kind elsewhere."""
    for profile, red in ((Profile("x", protected=True), True), (Profile("x"), False)):
        with qql.connect(":memory:") as session, create_pipe_input() as keys:
            written = io.StringIO()
            output = Vt100_Output(written, lambda: Size(24, 80), enable_cpr=False)
            shell = Shell(session, Renderer(io.StringIO()), lambda _: session, access=Access(profile))
            keys.send_text("\\q\n")
            assert interact(shell, input=keys, output=output) == 0
        prompt = written.getvalue().partition(":memory:")[0].rpartition("\x1b[0")[2]
        assert (";31" in prompt) == red


def test_every_colour_is_one_of_the_terminal() -> None:
    from prompt_toolkit.styles import Style

    for color in COLORS:
        Style([("prompt", prompt_style(Profile("x", prompt_color=color)))])


def test_a_shell_goes_from_profile_to_profile_and_to_a_target(config: Config, tmp_path: Path) -> None:
    config(
        f"[profiles.a]\ndb = '{tmp_path}/a'\nread_only = true\n[profiles.b]\ndb = '{tmp_path}/b'\n"
        f"protected = true\n[profiles.broken]\nurl = 'http://127.0.0.1:9'\n"
        "api_key_env = 'NOT_SET'\n"
    )
    args = with_profile(Arguments(), read_profiles()["a"], COMMANDS["run"])
    console = Renderer(io.StringIO(), err=io.StringIO())
    with open_shell(args, console) as shell:
        assert shell.session.read_only
        assert connect_profile(shell, "b") == f"connected to {tmp_path}/b, by the profile b, protected"
        assert (shell.session.target, shell.session.read_only) == (f"{tmp_path}/b", False)
        with pytest.raises(qql.QQLError, match="NOT_SET"):
            connect_profile(shell, "broken")
        assert shell.access.profile is not None and shell.access.profile.name == "b"
        shell.session.execute("SHOW COLLECTIONS")  # it is open still
        shell.reconnect(":memory:")
        assert shell.access.profile is None and not shell.session.read_only


def test_what_the_command_line_gave_holds_for_the_next_database_too(config: Config, tmp_path: Path) -> None:
    config(f"[profiles.a]\ndb = '{tmp_path}/a'\n[profiles.b]\ndb = '{tmp_path}/b'\n")
    args = with_profile(Arguments(read_only=True), read_profiles()["a"], COMMANDS["run"])
    with open_shell(args, Renderer(io.StringIO(), err=io.StringIO())) as shell:
        connect_profile(shell, "b")
        assert shell.session.read_only
        shell.reconnect(":memory:")
        assert shell.session.read_only


def test_a_database_in_memory_that_is_not_open_yet_can_be_read_only() -> None:
    session = LateSession(Arguments(), None)
    session.read_only = True
    with pytest.raises(qql.QQLRefusedError):
        session.execute("CREATE COLLECTION docs (v VECTOR(2, COSINE))")
    session.close()


def test_the_key_of_a_profile_that_is_gone_to_is_masked(config: Config, tmp_path: Path) -> None:
    config(f"[profiles.b]\nurl = 'http://127.0.0.1:9'\napi_key = '{KEY}'\n")
    console = Renderer(io.StringIO(), err=(err := io.StringIO()))
    with open_shell(Arguments(), console) as shell:
        connect_profile(shell, "b")
        console.error(qql.QQLError.make("x", f"it said {KEY}"))
    assert "it said ***" in err.getvalue()
