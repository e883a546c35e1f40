"""The recipes of CONTRIBUTING.md, applied to a copy: they suffice, and what is left out of them is named."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
from conftest import ROOT

MOST_FILES = {"A match operator": 4, "An option": 3, "A target of QUERY": 5, "A statement": 4}
"""How many code files a recipe touches at the most."""

Hunks = dict[str, list[str]]
"""File → the lines of its change, as `diff` writes them."""


def recipes() -> dict[str, Hunks]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found: dict[str, Hunks] = {}
    for title, block in re.findall(r"^### ([^\n]+)\n(?:(?!^### ).)*?^```diff\n(.*?)^```", text, re.M | re.S):
        hunks: Hunks = {}
        for line in block.splitlines():
            if line.startswith("--- "):
                hunks[line.removeprefix("--- ")] = []
            else:
                hunks[list(hunks)[-1]].append(line)
        found[title] = hunks
    return found


def changed(text: str, lines: list[str]) -> str:
    """The text with each group of new lines behind (or in the place of) the line that stands before it."""
    anchor, new = "", list[str]()
    out = text
    for line in [*lines, " "]:
        sign, rest = line[:1], line[1:]
        if sign == "+":
            new.append(rest)
            continue
        if new:
            old, replacing = anchor[1:] + "\n", anchor[:1] == "-"
            assert out.count(old) == 1, f"{old!r} stands {out.count(old)} times"
            out = out.replace(old, ("" if replacing else old) + "".join(f"{one}\n" for one in new))
        anchor, new = line, []
    return out


ASK = (
    "import sys, json; sys.path.insert(0, 'tests'); from declarations import gaps; print(json.dumps(gaps()))"
)


class Copy:
    """A copy of the package with recipes applied to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("qql", "grammar"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        (folder / "tests").mkdir()
        shutil.copy(ROOT / "tests" / "declarations.py", folder / "tests")

    def apply(self, *, without: Collection[tuple[str, str]] = ()) -> None:
        """All recipes, less the changes of some files: pairs of a recipe's title and a file."""
        for title, hunks in recipes().items():
            for name, lines in hunks.items():
                if (title, name) not in without:
                    self.edit(name, lambda text, lines=lines: changed(text, lines))

    def edit(self, name: str, change: object) -> None:
        path = self.folder / name
        assert callable(change)
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        def change(text: str) -> str:
            assert old in text
            return text.replace(old, new)

        self.edit(name, change)

    def run(self) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-c", ASK]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def gaps(self) -> list[str]:
        done = self.run()
        assert done.returncode == 0, done.stderr
        found: list[str] = json.loads(done.stdout)
        return found


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_the_recipes_are_there_and_short() -> None:
    assert recipes().keys() == MOST_FILES.keys()
    for title, hunks in recipes().items():
        assert len(hunks) <= MOST_FILES[title], title


def test_the_recipes_suffice(copy: Copy) -> None:
    copy.apply()
    assert copy.gaps() == []


GRAMMAR, FEATURES, MANUAL = "grammar/qql.lark", "qql/backends/features/queries.py", "qql/manual/entries/"


def test_what_is_left_out_of_a_recipe_is_named(copy: Copy) -> None:
    copy.apply(
        without=[
            ("A match operator", GRAMMAR),
            ("An option", FEATURES),
            ("A target of QUERY", MANUAL + "targets.py"),
            ("A statement", MANUAL + "statements.py"),
        ]
    )
    assert copy.gaps() == [
        "OPPOSITE: no entry has the rule `opposite` (qql/manual/entries/targets.py)",
        "MATCH GLOB: the rule `match` has no GLOB (grammar/qql.lark)",
        "beam: no feature tries it (qql/backends/features/queries.py)",
        "SHOW ISSUES: no entry has the rule `show_issues` (qql/manual/entries/statements.py)",
    ]


@pytest.mark.slow
def test_what_else_is_left_out_is_named(copy: Copy) -> None:
    administration = "qql/backends/features/administration.py"
    copy.apply(without=[("A target of QUERY", FEATURES), ("A statement", administration)])
    # Nothing is said of the embedded engine, so it would have to carry them out.
    copy.replace(
        "qql/nodes/targets.py", ', support=Support("1.21", edge="its engine has no such search")', ""
    )
    copy.replace("qql/compiler/options/query.py", 'edge="its graph is searched without beams", ', "")
    copy.replace("qql/nodes/collections.py", ', shows=Rows.of("issues", code="code", says="description")', "")
    copy.replace("qql/nodes/filters.py", '"a pattern with * and ?"', '""')
    assert copy.gaps() == [
        "OPPOSITE: no feature tries a `opposite` query (qql/backends/features/queries.py)",
        "OPPOSITE: the embedded engine is said to carry it out, and reads no `opposite`"
        " (qql/backends/edge/queries.py)",
        "MATCH GLOB: it does not say what it finds: `says` (qql/nodes/filters.py)",
        "beam: the embedded engine does not read it (qql/backends/edge/queries.py)",
        "SHOW ISSUES: nothing says how its answer is shown: `shows` (qql/nodes/)",
        "SHOW ISSUES: no feature tries GET /issues (qql/backends/features/administration.py)",
    ]


@pytest.mark.slow
def test_rules_that_are_left_out_are_named(copy: Copy) -> None:
    copy.apply(without=[("A target of QUERY", GRAMMAR), ("A statement", GRAMMAR)])
    assert copy.gaps() == [
        "OPPOSITE: no rule `opposite` (grammar/qql.lark)",
        "SHOW ISSUES: no rule `show_issues` (grammar/qql.lark)",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            "qql/nodes/targets.py",
            'rest="opposite.target"',
            'rest="elsewhere.target"',
            "TypeError: Opposite.target: `elsewhere.target` is no place in a `opposite` query",
        ),
        (
            "qql/nodes/filters.py",
            ', edge="its engine has no patterns; MATCH PREFIX is near"',
            "",
            "has no attribute 'MatchGlob'",
        ),
    ],
    ids=["a place in the request", "the embedded engine"],
)
def test_a_declaration_at_fault_fails_at_import(copy: Copy, name: str, old: str, new: str, said: str) -> None:
    copy.apply()
    copy.replace(name, old, new)
    done = copy.run()
    assert done.returncode != 0
    assert said in done.stderr
