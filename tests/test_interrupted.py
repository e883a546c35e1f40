"""Ctrl-C: what was done until then is said, and what was measured is shown."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.cli import main
from qql.cli.render import Renderer
from qql.cli.repl import interact
from qql.cli.shell import Shell
from qql.evaluation.benchmark import _Benchmark
from qql.evaluation.pipelines import Pipeline
from qql.rest.request import Request


class Interrupting(RecordingBackend):
    """An engine that Ctrl-C reaches in the write with this number: before or after it was carried out."""

    def __init__(self, at: int, fault: BaseException | None = None, *, after: bool = False) -> None:
        super().__init__(EdgeBackend(None))
        self.at, self.after, self.writes = at, after, 0
        self.fault = fault or KeyboardInterrupt()

    def call(self, request: Request) -> Any:
        if request.route != ("PUT", "points"):
            return super().call(request)
        self.writes += 1
        if self.writes < self.at:
            return super().call(request)
        if self.after:
            super().call(request)
        raise self.fault


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"id": n, "text": f"row {n}", "vector": [n, 1]}) for n in range(1000)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def copy(db: qql.Session, path: Path, rest: str = "") -> str:
    """What Ctrl-C notes of a COPY."""
    with pytest.raises(KeyboardInterrupt) as stop:
        db.execute(f"COPY docs FROM :path BATCH 100 {rest}", {"path": str(path)})
    return "; ".join(stop.value.__notes__)


def count(db: qql.Session) -> int:
    return int(db.execute("COUNT FROM docs").rows[0]["count"])


@pytest.mark.parametrize("after", [False, True])
def test_rows_on_their_way_may_be_written(rows: Path, after: bool) -> None:
    with qql.connect(Interrupting(4, after=after)) as db:
        db.execute("CREATE COLLECTION docs ('' VECTOR(2, DOT))")
        said = copy(db, rows)
        assert said == (
            "written before: 300 rows; those that were on their way (100 rows) may be written, too"
        )
        assert count(db) == (400 if after else 300)


@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
def test_a_copy_that_is_stopped_while_it_embeds_says_what_it_wrote(rows: Path, rest: str) -> None:
    def mine(texts: list[str]) -> list[list[float]]:
        if "row 500" in texts:
            raise KeyboardInterrupt
        return [[1.0, 2.0]] * len(texts)

    with qql.connect(embedders={"mine": mine}) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(2, COSINE) MODEL 'mine')")
        assert copy(db, rows, f"MAP (given = vector) {rest}") == "written before: 500 rows"
        assert count(db) == 500


def test_a_copy_that_is_stopped_while_it_checks_has_written_nothing(rows: Path) -> None:
    def stop(what: str, done: int, total: int | None) -> None:
        assert what == "checking a.jsonl"
        raise KeyboardInterrupt

    with qql.connect(on_progress=stop) as db:
        db.execute("CREATE COLLECTION docs ('' VECTOR(2, DOT))")
        assert copy(db, rows) == "nothing was written"
        assert count(db) == 0


def test_a_copy_whose_indexes_are_stopped_has_written_everything(rows: Path) -> None:
    def stop(what: str, done: int, total: int | None) -> None:
        if what.startswith("optimizing"):
            raise KeyboardInterrupt

    with qql.connect(on_progress=stop) as db:
        db.execute("CREATE COLLECTION docs ('' VECTOR(2, DOT)) WITH OPTIMIZERS (indexing_threshold = 1)")
        said = copy(db, rows)
        assert said == (
            "everything is written; only the indexes of docs are not built; copied 1,000 rows into docs"
        )
        assert count(db) == 1000


def test_a_fault_of_an_engine_says_what_was_written(rows: Path) -> None:
    with qql.connect(Interrupting(3, RuntimeError("boom"))) as db:
        db.execute("CREATE COLLECTION docs ('' VECTOR(2, DOT))")
        with pytest.raises(RuntimeError) as caught:
            db.execute("COPY docs FROM :path BATCH 100", {"path": str(rows)})
    said = io.StringIO()
    Renderer(io.StringIO(), err=said).crash(caught.value)
    assert "internal error: RuntimeError: boom; written before: 200 rows; those" in said.getvalue()


def test_the_prompt_says_what_was_written(rows: Path) -> None:
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    with qql.connect(Interrupting(3)) as db, create_pipe_input() as pipe:
        db.execute("CREATE COLLECTION docs ('' VECTOR(2, DOT))")
        said = io.StringIO()
        shell = Shell(db, Renderer(io.StringIO(), err=said), lambda _: db)
        pipe.send_text(f"COPY docs FROM '{rows}' BATCH 100;\rCOUNT FROM docs;\r\x04")
        assert interact(shell, input=pipe, output=DummyOutput()) == 0
    assert "cancelled: written before: 200 rows; those that" in said.getvalue()


_CHILD = """
import os, signal, sys
from qql.evaluation.benchmark import _Benchmark
from qql.cli import main
from qql.models.embedders import hash

def stop(*args, **more):
    made.append(1)
    if len(made) == 4:
        os.kill(os.getpid(), signal.SIGINT)
    return real(*args, **more)

made, real = [], hash.HashEmbedder.embed
hash.HashEmbedder.embed = stop
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or sys.platform == "win32", reason="sends a signal")
def test_the_command_says_what_was_written(rows: Path, tmp_path: Path) -> None:
    script = tmp_path / "load.qql"
    script.write_text(
        "CREATE COLLECTION docs (v VECTOR MODEL 'local/hash-8');\n"
        f"COPY docs FROM '{rows}' MAP (given = vector) BATCH 100;\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, "run", str(script), "--db", str(tmp_path / "db")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "interrupted: written before: 300 rows"
    with qql.connect(str(tmp_path / "db")) as db:
        assert count(db) == 300


# ------------------------------------------------------------------------------------ measuring


@pytest.fixture
def stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command on two queries, with Ctrl-C at the n-th time that one is asked."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "setup.qql": "CREATE COLLECTION docs (w SPARSE MODEL 'qdrant/bm25');\n"
        "UPSERT INTO docs VALUES {id: 1, text: 'burns'}, {id: 2, text: 'wounds'};",
        "q.tsv": "q1\tburns\nq2\twounds\n",
        "qrels.tsv": "q1\t1\t1\nq2\t2\t1\n",
        "p.qql": "QUERY :query FROM docs USING w LIMIT 2",
        "other.qql": "QUERY :query FROM docs USING w LIMIT 1",
    }.items():
        (tmp_path / name).write_text(text)
    asked: list[str] = []

    def call(at: int, *argv: str) -> tuple[int, str, str]:
        def stopping(real: Callable[[Pipeline, Any], Any]) -> Callable[..., Any]:
            def ask(self: Pipeline, given: Any = None) -> Any:
                asked.append(self.name)
                if len(asked) == at:
                    raise KeyboardInterrupt
                return real(self, given)

            return ask

        for name in ("ask", "answer"):
            monkeypatch.setattr(Pipeline, name, stopping(getattr(Pipeline, name)))
        code = main([*argv, "--setup", "setup.qql", "--queries", "q.tsv"])
        return code, *capsys.readouterr()

    return call


TUNE = ("tune", "p.qql", "--qrels", "qrels.tsv", "--grid", "root.limit=1,2,3,4")


def test_tune_shows_what_it_has_tried(stopped: Callable[..., tuple[int, str, str]]) -> None:
    # Two queries for the pipeline as it is (LIMIT 2), two for LIMIT 1.
    code, out, err = stopped(6, *TUNE)
    assert code == 130
    assert "The best of 2 settings, by nDCG@10 and p50 (incomplete)" in out
    assert "interrupted: 2 of 4 settings were tried" in err


def test_the_data_of_tune_says_that_it_is_incomplete(stopped: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = stopped(5, *TUNE, "--format", "json")
    data = json.loads(out)
    assert (code, data["complete"], len(data["tried"])) == (130, False, 2)


def test_nothing_is_shown_where_nothing_was_tried(stopped: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = stopped(2, *TUNE)
    assert (code, out) == (130, "") and err.splitlines()[-1] == "interrupted"


def test_bench_shows_the_pipelines_that_it_has_measured(
    stopped: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = _Benchmark.figures

    def figures(self: _Benchmark, calls: Any) -> Any:
        if self.name == "other":
            raise KeyboardInterrupt
        return real(self, calls)

    monkeypatch.setattr(_Benchmark, "figures", figures)
    code, out, err = stopped(0, "bench", "p.qql", "other.qql", "--repeat", "1", "--warmup", "0")
    assert code == 130
    assert "Milliseconds of a call (incomplete)" in out and "other" not in out
    assert "interrupted: 1 of 2 pipelines were measured" in err
