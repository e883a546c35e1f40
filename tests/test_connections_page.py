"""The blocks of docs/connections.md run, in their order, as they are written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT

from qql.cli import main
from qql.cli.profiles.config import KEY_SETTINGS, read_profiles

PAGE = ROOT / "docs" / "connections.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profiles of the page, in a directory of their own."""
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    [text] = blocks("toml")
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "config.toml").chmod(0o600)
    monkeypatch.setenv("QQL_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)


def test_the_profiles_are_as_the_page_says() -> None:
    found = read_profiles()
    assert list(found) == ["local", "archive", "prod"]
    assert (found["archive"].read_only, found["prod"].protected) == (True, True)


def test_the_commands_show_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks("console"):
        for command, shown in re.findall(r"^\$ qql (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
            main([*shlex.split(command), *([] if "--error-format" in command else ["--no-color"])])
            said = capsys.readouterr()
            assert "".join(line for line in said.err.splitlines(True) if "in memory" not in line) == shown


def test_the_python_runs() -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):  # the later ones go on with the names of the first
        exec(compile(block, PAGE.name, "exec"), names)


def test_each_setting_is_explained() -> None:
    from qql.cli.commands.options import PROFILE

    table = "".join(re.findall(r"^\| (`.*?) \|", TEXT.partition("## Read-only")[0], re.M))
    of_api_key = {name for name in KEY_SETTINGS if name.startswith("api_key")}
    assert {*re.findall(r"`(\w+)`", table)} == {*PROFILE, *of_api_key, "protected", "prompt_color"}


def test_the_table_of_exit_codes_is_that_of_the_process() -> None:
    from qql.cli import process

    told = re.findall(r"^\| (\d+) \|", TEXT, re.M)
    assert told == ["0", "1", "2", "3", "4", "5", "70", "130", "141"]
    assert all(f"{code} " in (process.__doc__ or "") for code in told)
