"""What the command line says of itself: one screen, an example for each command, `man`, completion."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qql.cli import main
from qql.cli.arguments import parse_arguments
from qql.cli.commands import COMMANDS
from qql.cli.commands.completion import SHELLS
from qql.cli.commands.options import OPTIONS
from qql.cli.help_screen import STARTS, help_screen
from qql.cli.man_page import man_page

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: str) -> tuple[int, str, str]:
        code = main(argv)
        return code, *capsys.readouterr()

    return call


def examples_of(text: str) -> list[str]:
    """The commands of a text, those that go on behind a backslash in one."""
    lines = re.sub(r"\\\n\s+", "", text).splitlines()
    return [line.strip() for line in lines if re.match(r"  qql\b", line)]


def arguments(line: str) -> list[str]:
    """What the shell would hand to the command: without pipes and files, and wildcards as they are."""
    words = shlex.split(re.split(r" [|>] ", line)[0])
    assert words[0] == "qql"
    return words[1:]


def test_help_is_one_screen_and_names_every_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run("--help")
    assert (code, err, out) == (0, "", help_screen())
    lines = out.splitlines()
    assert len(lines) < 24  # the prompt of the shell stands below it
    assert max(map(len, lines)) <= 80
    assert {*COMMANDS} <= {*re.findall(r"[\w-]+", out)}
    assert out.index("qql --db ./data") < out.index("eval,")  # what people want comes first


@pytest.mark.parametrize("columns", [20, 40, 79, 200])
def test_the_screen_has_the_same_words_at_any_width(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = run("--help")[1]
    assert shown.split() == help_screen().split()
    typed = {"qql", *(line.strip() for line, _ in STARTS)}
    wide = [line for line in shown.splitlines() if len(line) > columns and line.strip() not in typed]
    assert all(line.startswith(("usage:", "  qql")) for line in wide)  # what is typed is never cut


def test_what_the_screen_begins_with_can_be_typed() -> None:
    for typed, _ in STARTS:
        parse_arguments(arguments(typed))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_is_understood(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    found = [
        one
        for one in examples_of(out)
        if re.match(rf"qql {name}\b", one) and not one.startswith(f"usage: qql {name}")
    ]
    assert found, "the text of a command ends with an example"
    for line in found:
        command, _ = parse_arguments(arguments(line))
        assert command is COMMANDS[name]


def test_all_options_are_in_the_help_of_a_command(run: Run) -> None:
    shown = "".join(run(name, "--help")[1] for name in COMMANDS)
    missing = [option.flags[-1] for option in OPTIONS.values() if option.flags[-1] not in shown]
    assert not missing


# ------------------------------------------------------------------------------------ man


def test_the_page_has_all_commands_options_and_examples(run: Run) -> None:
    code, out, err = run("help", "--man")
    assert (code, err) == (0, "")
    assert out == man_page()
    assert out.isascii()
    plain = out
    for written, shown in {"\\-": "-", "\\(aq": "'", "\\(dq": '"', "\\(ti": "~", "\\e": "\\"}.items():
        plain = plain.replace(written, shown)
    assert plain.splitlines()[1].startswith('.TH QQL 1 ""')
    for name, command in COMMANDS.items():
        assert f".SS qql {name} " in plain
        for line in re.findall(r"^  qql .*", command.about, re.M):
            assert line in plain
    for option in OPTIONS.values():
        assert option.flags[-1] in plain
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "THE LANGUAGE", "EXIT STATUS"):
        assert f"\n.SH {heading}\n" in out


def test_no_word_of_a_text_is_a_command_of_roff() -> None:
    known = {".TH", ".SH", ".SS", ".TP", ".B", ".PP", ".br", ".nf", ".fi", '.\\"'}
    for line in man_page().splitlines():
        assert not line.startswith("'")
        if line.startswith("."):
            assert line.split(" ")[0] in known


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_say_about_it() -> None:
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8"], input=man_page(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub("\x1b\\[[0-9;]*m|.\x08", "", done.stdout)
    assert "qql query 'red shoes' --from docs" in shown and "EXIT STATUS" in shown


def test_the_page_needs_no_library_that_a_build_lacks() -> None:
    program = (
        "import sys\n"
        "absent = 'rich qdrant_client qdrant_edge numpy prompt_toolkit httpx pydantic shtab'.split()\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from qql.cli.man_page import man_page\n"
        "print(len(man_page()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stderr == "" and int(done.stdout) == len(man_page())


# ------------------------------------------------------------------------------------ completion


@pytest.fixture
def script(run: Run, tmp_path: Path) -> Callable[[str], Path]:
    pytest.importorskip("shtab")

    def make(shell: str) -> Path:
        code, out, err = run("completion", shell)
        assert (code, err) == (0, "")
        path = tmp_path / f"qql.{shell}"
        path.write_text(out)
        return path

    return make


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_of_that_shell(script: Callable[[str], Path], shell: str) -> None:
    path = script(shell)
    text = path.read_text()
    assert all(name in text for name in COMMANDS)
    if program := shutil.which(shell):
        done = subprocess.run([program, "-n", str(path)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert {"bash": "complete ", "zsh": "#compdef qql", "fish": "complete -c qql"}[shell] in text


_ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_qql "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_formats_values_and_files(
    script: Callable[[str], Path], tmp_path: Path
) -> None:
    path = script("bash")
    place = tmp_path / "here"
    (place / "data").mkdir(parents=True)
    (place / "dense.qql").write_text("")

    def completed(*words: str) -> set[str]:
        done = subprocess.run(
            ["bash", "-c", _ASK, "bash", str(path), "qql", *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=place,
            env={**os.environ, "LC_ALL": "C"},
        )
        return {word for word in done.stdout.split("\n") if word}

    assert completed("com") == {"compile", "completion"}
    assert "--format" in completed("run", "--fo") and "--grid" not in completed("run", "--gr")
    assert completed("compile", "--format", "") == {"json", "jsonl", "curl", "python"}
    assert completed("run", "--format", "j") == {"json", "jsonl"}
    assert completed("eval", "--ties", "") == {"id", "doc", "best", "worst"}
    assert completed("lint", "--fail-on", "") == {"warning", "advice"}
    assert completed("compile", "de") == {"dense.qql"}
    assert completed("run", "--db", "d") == {"data"}  # directories only
    assert completed("completion", "z") == {"zsh"}


def test_without_shtab_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    code, out, err = run("completion", "bash")
    assert (code, out) == (2, "")
    assert "error[missing-library]" in err and "pip install shtab" in err


@pytest.mark.parametrize(("argv", "said"), [(["bsh"], "did you mean `bash`?"), ([], "found none")])
def test_another_shell_is_refused(run: Run, argv: list[str], said: str) -> None:
    code, out, err = run("completion", *argv)
    assert (code, out) == (2, "") and said in err


# ------------------------------------------------------------------------------------ compile


def test_compile_gives_commands_and_programs(run: Run) -> None:
    text = "QUERY [0.1, 0.2] FROM docs LIMIT 5; COUNT FROM docs"
    code, out, err = run("compile", "-c", text, "--format", "curl")
    assert (code, err) == (0, "")
    first, second = out.split("\n\n")
    words = shlex.split(first)
    assert words[:3] == ["curl", "-X", "POST"]
    assert words[3] == "http://localhost:6333/collections/docs/points/query"
    assert json.loads(words[-1])["limit"] == 5
    assert "/points/count" in second
    code, out, err = run("compile", "-c", text, "--format", "python")
    assert (code, err) == (0, "")
    compile(out, "program", "exec")
    assert out.count("QdrantClient(") == 2
