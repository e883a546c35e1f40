"""The README's examples run: statements in one session, Python, and commands with what they print."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

import qql
from qql.cli.main import main

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_statements_run_in_one_session() -> None:
    assert len(blocks("sql")) >= 6
    with qql.connect() as db:
        for block in blocks("sql"):
            for result in db.run(block):
                assert result.kind in ("hits", "rows", "message", "text")
                if result.kind == "hits":
                    assert result.hits, f"nothing found by:\n{result.statement}"


def test_what_is_told_is_what_is_shown() -> None:
    """A block of text shows what the last statement of the block before it gives."""
    pairs = re.findall(r"^```(sql|text)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    shown = 0
    with qql.connect() as db:
        for (kind, block), (following, text) in zip(pairs, [*pairs[1:], ("", "")], strict=True):
            result = db.run(block)[-1] if kind == "sql" else None
            if result is not None and following == "text":
                shown += 1
                assert timeless(result.message) == timeless(text)
    assert shown >= 2


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("block", blocks("console"))
def test_commands_print_what_is_shown(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, _, shown = block.partition("\n")
    shutil.copy(ROOT / "examples" / "first-steps.qql", tmp_path)
    words = shlex.split(command.removeprefix("$ "))
    assert words[0] == "qql"
    monkeypatch.chdir(tmp_path)
    main(words[1:])
    out, err = capsys.readouterr()
    assert timeless(out) == timeless(shown), err


def timeless(text: str) -> str:
    return re.sub(r"[\d.]+ (ms|s)\b", "T", text).strip()


def test_make_has_the_two_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert f"\n{command}: " in makefile
