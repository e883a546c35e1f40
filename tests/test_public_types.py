"""What type checkers know of the package: a type of every name, and of no name that is not there."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

needs_pyright = pytest.mark.skipif(
    importlib.util.find_spec("pyright") is None,
    reason="pyright, which requirements/dev.txt has, is not installed",
)

MISSPELT = """
import qql
import qql.advice
import qql.analysis
import qql.build
import qql.cli.render
import qql.dbapi
import qql.evaluation
import qql.syntax
from qql import conect
from qql.analysis import analize

qql.conect()
qql.advice.advize
qql.build.feild("year")
qql.cli.render.Rendrer
qql.dbapi.conect()
qql.evaluation.evaluatte
qql.syntax.parze

with qql.connect() as db:
    db.exekute("COUNT FROM docs")
    db.execute("COUNT FROM docs").frist()
    db.execute("COUNT FROM docs", cuont=True)
    db.compile("COUNT FROM docs")[0].statemnt


async def main() -> None:
    qql.connect_async(tiemout=3)
    async with qql.connect_async() as adb:
        await adb.exekute("COUNT FROM docs")
        await adb.execute("COUNT FROM docs", cuont=True)
        result: int = await adb.execute("COUNT FROM docs")
"""
WRONG = [
    number
    for number, line in enumerate(MISSPELT.splitlines(), 1)
    if re.search(
        r"conect|analiz|advize|feild|Rendrer|evaluatte|parze|exekute|frist|cuont|tiemout|statemnt|: int", line
    )
]


def lines_of_errors(command: list[str], program: Path) -> list[int]:
    """The lines of a program in which a type checker finds an error."""
    program.write_text(MISSPELT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", *command, str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env=environment(),
    )
    found = re.findall(rf"{program.name}:(\d+):(?:\d+ -)? error", done.stdout)
    assert found, done.stdout + done.stderr
    return sorted({int(line) for line in found})


def environment() -> dict[str, str]:
    """Checkers look where this interpreter does, and find what it finds."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": beside, "PYTHONPATH": str(ROOT)}


def test_mypy_knows_no_name_that_is_not_there(tmp_path: Path) -> None:
    command = ["mypy", "--cache-dir", str(tmp_path), "--no-error-summary"]
    assert lines_of_errors(command, tmp_path / "program.py") == WRONG


@needs_pyright
def test_pyright_knows_no_name_that_is_not_there(tmp_path: Path) -> None:
    assert lines_of_errors(["pyright"], tmp_path / "program.py") == WRONG


@cache
def verified() -> dict[str, Any]:
    """What ``pyright --verifytypes`` says of the package."""
    command = [sys.executable, "-m", "pyright", "--verifytypes", "qql", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=600, env=environment())
    found: dict[str, Any] = json.loads(done.stdout)["typeCompleteness"]
    assert Path(found["packageRootDirectory"]) == ROOT / "qql", "another installation was looked at"
    return found


FRAMEWORKS = {
    "qql.integrations.langchain.QQLRetriever": "langchain_core",
    "qql.integrations.llama_index.QQLRetriever": "llama_index",
}
"""What is made of a class of a framework has a type where the framework is installed."""


@needs_pyright
def test_every_name_has_a_type_on_which_all_checkers_agree() -> None:
    found = verified()
    assert len(found["symbols"]) > 5000
    absent = {name for name, framework in FRAMEWORKS.items() if importlib.util.find_spec(framework) is None}
    open_ = {
        one["name"]: [said["message"] for said in one["diagnostics"]]
        for one in found["symbols"]
        if one["isExported"] and (not one["isTypeKnown"] or one["isTypeAmbiguous"])
    }
    assert {*open_} <= absent, {name: said for name, said in open_.items() if name not in absent}
    assert found["completenessScore"] > 0.999
