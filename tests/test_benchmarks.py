"""The benchmarks: their rows can be measured, and figures mean what they say. Nothing here is timed."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of the benchmarks by its name; afterwards none of them is left."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    own = {path.stem for path in BENCHMARKS.glob("*.py")}
    before = {name: sys.modules.pop(name) for name in own & sys.modules.keys()}

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in own:
        sys.modules.pop(name, None)
    sys.modules.update(before)


def measured(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """What a worker tells; the clock runs twice as long as the CPU works."""
    turns = {"ours": [[s, 2 * s] for s in ours], "by hand": [[s, 2 * s] for s in theirs]}
    return {"steps": {"ours": 10, "by hand": 20}, "turns": turns}


def test_every_row_names_something_that_can_be_measured(module: Any) -> None:
    rows = module("rows").ROWS
    assert len({row.word for row in rows}) == len(rows)
    for row in rows:
        file, _, function = row.make.partition(":")
        assert callable(getattr(module(file), function)), row.word


def test_both_sides_of_the_texts_compile(module: Any, tmp_path: Path) -> None:
    """So that a change of the language or of pyqql is noticed before anybody measures."""
    pytest.importorskip("pyqql")
    compiling = module("compiling")
    scale = module("scale").Scale(100, tmp_path, tmp_path, 1)
    for make in (compiling.prepared, compiling.prepared_vector, compiling.known_shape, compiling.script):
        for sides in make(scale):
            assert len(sides) >= 2
            for side in sides:
                [given] = side.inputs(1)
                assert side.run(given)


def test_new_texts_are_new(module: Any) -> None:
    texts = module("texts")
    for made in (texts.anew(texts.README), texts.worded(texts.README), texts.anew(texts.SCRIPT)):
        assert len({*made(50), *made(50)}) == 100


def test_a_ratio_is_the_median_of_neighbours(module: Any) -> None:
    table, rows = module("table"), module("rows")
    row = rows.Row("word", "what", "a:b", at_least=2.0, aimed_at=1.0)
    found = table.figures(row, measured([3.0, 4.0, 90.0], [1.0, 2.0, 30.0]))
    assert found["ratios"]["by hand"]["cpu"] == 3.0
    assert found["sides"]["ours"] == {"steps": 10, "cpu": 4.0, "wall": 8.0}
    assert found["reached"] == "no"


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "reached"),
    [
        ("ratio", 0.5, 1.0, "aimed at"),
        ("ratio", 1.5, 1.0, "at least"),
        ("ratio", 2.5, 1.0, "no"),
        ("throughput", 1.0, 2.5, "at least"),
        ("throughput", 1.0, 0.5, "no"),
        ("ms", 0.0005, 7.0, "aimed at"),
    ],
)
def test_what_is_reached_depends_on_what_a_row_counts(
    module: Any, kind: str, ours: float, theirs: float, reached: str
) -> None:
    least, aim = (2.0, 3.0) if kind == "throughput" else (2.0, 1.0)
    row = module("rows").Row("word", "what", "a:b", at_least=least, aimed_at=aim, kind=kind)
    assert module("table").figures(row, measured([ours] * 3, [theirs] * 3))["reached"] == reached


def test_a_line_fits_and_tells_what_was_stored(module: Any) -> None:
    table, rows = module("table"), module("rows")
    for row in rows.ROWS:
        stored = table.figures(row, measured([1.0] * 3, [1.0] * 3))
        found = table.figures(row, measured([2.0] * 3, [1.0] * 3))
        for line in [table.line(table.HEAD), *table.lines(found, stored)]:
            assert len(line) <= 110, line
        assert table.slower([found], {row.word: stored})
        assert not table.slower([stored], {row.word: stored})


def test_the_table_of_the_readme_is_the_run_that_is_kept(module: Any) -> None:
    kept = json.loads((BENCHMARKS / "results" / "reference.json").read_text(encoding="utf-8"))
    shown = "\n".join(module("table").markdown(kept))
    assert shown in (ROOT / "README.md").read_text(encoding="utf-8")
    assert [row["word"] for row in kept["rows"]] == [row.word for row in module("rows").ROWS]
    assert kept["points"] == 100_000


def test_a_program_that_fails_is_no_figure(module: Any) -> None:
    side = module("measuring").Program(
        "broken", [sys.executable, "-c", "import sys; sys.exit('no such day')"]
    )
    with pytest.raises(RuntimeError, match="no such day"):
        side.spend(1)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_prompt_is_waited_for_on_a_terminal(module: Any) -> None:
    spent = module("measuring").Prompt("python", [sys.executable, "-q"], b">>> ").spend(1)
    assert spent.cpu > 0


@pytest.mark.slow
def test_a_row_is_measured_written_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    program = [sys.executable, str(BENCHMARKS / "run.py")]
    command = [*program, "--row", "chain", "--rounds", "2", "--json", str(file)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    told = json.loads(file.read_text(encoding="utf-8"))
    assert [row["word"] for row in told["rows"]] == ["chain"]
    assert told["machine"]["cores"] >= 1
    again = subprocess.run([*command, "--stored", str(file)], check=True, capture_output=True, text=True)
    assert "60 stages" in again.stdout
    shown = [*program, "--markdown", str(file)]
    assert "| 60 stages" in subprocess.run(shown, check=True, capture_output=True, text=True).stdout
