"""The examples of README and of the tour run in their order, from a copy of the clone's root."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ROOT

import qql
from qql.cli import main

FIRST = (ROOT / "README.md").read_text(encoding="utf-8")
TOUR = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
DOORS = (ROOT / "docs" / "doors.md").read_text(encoding="utf-8")
README = f"{FIRST}\n{TOUR}\n{DOORS}"
"""The pages in the order in which they are read."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def shell_blocks() -> list[str]:
    """The indented blocks, which are for a shell."""
    return [
        re.sub("^ {4}", "", block, flags=re.M) for block in re.findall(r"(?:^ {4}.+\n)+", FENCELESS, re.M)
    ]


FENCELESS = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What of a clone the examples read, in the current directory."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_block_is_the_first_example() -> None:
    assert blocks("sql")[0] == (ROOT / "examples" / "first-steps.qql").read_text(encoding="utf-8")


def test_statements_run_in_one_session(root: Path) -> None:
    assert len(blocks("sql")) >= 6
    with qql.connect() as db:
        for block in blocks("sql"):
            for result in db.run(block):
                assert result.kind in ("hits", "rows", "message", "text")
                if result.kind == "hits":
                    assert result.hits, f"nothing found by:\n{result.statement}"


def test_what_is_told_is_what_is_shown(root: Path) -> None:
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
def test_commands_print_what_is_shown(block: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, _, shown = block.partition("\n")
    words = shlex.split(command.removeprefix("$ "))
    assert words[0] == "qql"
    main(words[1:])
    out, err = capsys.readouterr()
    assert timeless(out) == timeless(shown), err


def timeless(text: str) -> str:
    """Without what a clock, the machine and the versions of others say."""
    text = re.sub(r"(?<=^measured with\n)(  .*\n)+", "  …\n", text, flags=re.MULTILINE)
    return re.sub(r"[\d.]+ (ms|s)\b", "T", text).strip()


@pytest.mark.slow
def test_shell_blocks_run_in_order(root: Path) -> None:
    """All but `make` and the environment, on a part of the demo's database."""
    programs = root / "programs"
    programs.mkdir()
    (programs / "qql").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m qql "$@"\n')
    (programs / "qql").chmod(0o755)
    demo = (root / "examples" / "stdlib.qql").read_text(encoding="utf-8").partition("EXPLAIN")[0]
    subprocess.run([sys.executable, "examples/stdlib_docs.py", "docs.jsonl"], check=True, capture_output=True)
    rows = (root / "docs.jsonl").read_text(encoding="utf-8").splitlines()
    (root / "docs.jsonl").write_text("\n".join(rows[::20]), encoding="utf-8")
    with qql.connect(root / "build" / "demo") as db:
        db.run(demo, {"docs": "docs.jsonl"})
    ran = 0
    for block in shell_blocks():
        if not block.startswith(("make ", ". ")):
            environment = {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(root)}
            done = subprocess.run(
                ["sh", "-ec", block], env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
            ran += 1
    assert ran >= 2


def test_the_readme_is_short_and_shows_a_pipeline() -> None:
    assert len(FIRST.splitlines()) <= 150
    [picture] = re.findall(r"!\[[^]]+\]\(([^)]+\.svg)\)", FIRST)
    root = ElementTree.parse(ROOT / picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    demo = (ROOT / "examples" / "stdlib.qql").read_text(encoding="utf-8")
    assert {"named", "root"} <= {*words} and "named AS" in demo


@pytest.mark.parametrize("page", ["README.md", "docs/tour.md", "docs/doors.md"])
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-")
        for one in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif not link.startswith("http"):
            assert (path.parent / link).exists(), link


def test_make_has_the_two_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert f"\n{command}: " in makefile


def test_each_argument_of_connect_is_explained() -> None:
    _, _, table = README.partition("What `connect` takes beside the target")
    explained = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table.partition("```")[0], re.M)))
    assert explained == [*dict.fromkeys(explained)]
    assert set(explained) - {"argument"} == set(inspect.signature(qql.connect).parameters) - {"target"}


@pytest.mark.parametrize("spelling", ["rerankers=", "fastembed:DIR", "http://host/v1#NAME", "tei+http://"])
def test_each_way_to_name_a_model_is_explained(spelling: str) -> None:
    assert spelling in README


def test_no_package_is_named_that_is_not_published() -> None:
    assert "pip install 'qql-lang" not in README
