"""Building indexes in a child process: what it does, and what is left when it is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import spawn
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import Engine, python

from qql.errors import QQLExecutionError, QQLTimeoutError

SIZE = 32
CONFIG = {"vectors": {"size": SIZE, "distance": "Dot"}, "optimizers_config": {"indexing_threshold": 100}}


def fill(engine: Engine, count: int, start: int = 0) -> None:
    rng = random.Random(start)
    rows = [{"id": at, "vector": [rng.random() for _ in range(SIZE)]} for at in range(start, start + count)]
    engine("PUT", "points", {"points": rows})


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """On a disk: in memory the work is done before any deadline."""
    return disk_path


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    made("PUT", "", CONFIG)
    yield made
    made.close()


def test_optimize_builds_the_graph(engine: Engine) -> None:
    fill(engine, 1000)
    before = engine.ids(query=[1.0] * SIZE)
    assert engine("GET")["indexed_vectors_count"] == 0
    assert engine("GET")["status"] == "grey"
    said: list[tuple[str, int, int | None]] = []
    assert engine.backend.optimize("docs", lambda *words: said.append(words)) is True
    info = engine("GET")
    assert (info["indexed_vectors_count"], info["points_count"], info["status"]) == (1000, 1000, "green")
    assert engine.ids(query=[1.0] * SIZE, params={"hnsw_ef": 256}) == before
    assert said and said[0] == ("optimizing docs", 0, None)
    assert engine.backend.optimize("docs") is False


def test_a_deadline_ends_the_work_and_loses_nothing(engine: Engine) -> None:
    fill(engine, 1000)
    with pytest.raises(QQLTimeoutError, match="not optimized within 0 s") as caught:
        engine.backend.optimize("docs", timeout=0.0)
    assert caught.value.code == "timed-out"
    assert engine("GET")["points_count"] == 1000
    assert engine.backend.optimize("docs", timeout=600.0) is True


def test_optimize_of_nothing_and_of_the_unknown(engine: Engine) -> None:
    assert engine.backend.optimize("docs") is False
    with pytest.raises(QQLExecutionError) as caught:
        engine.backend.optimize("dogs")
    assert caught.value.code == "unknown-collection"


# 100 KB of vectors of 32 × 4 bytes are 800 of them.
def test_needs_optimize_knows_the_engines_threshold(engine: Engine) -> None:
    fill(engine, 799)
    assert engine.backend.needs_optimize("docs") is False
    assert engine.backend.optimize("docs") is False
    fill(engine, 1, 799)
    assert engine.backend.needs_optimize("docs") is True
    assert engine.backend.optimize("docs") is True
    assert engine.backend.needs_optimize("docs") is False
    fill(engine, 10, 5000)
    assert engine.backend.needs_optimize("docs") is False


@pytest.mark.parametrize(
    ("vectors", "point", "enough"),
    [
        ({"v": {"size": 8, "distance": "Dot", "datatype": "float16"}}, {"v": [1.0] * 8}, 64),
        ({"v": {"size": 8, "distance": "Dot", "datatype": "uint8"}}, {"v": [1] * 8}, 128),
        (
            {"v": {"size": 8, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}},
            {"v": [[1.0] * 8] * 4},
            8,
        ),
    ],
    ids=["float16", "uint8", "multi"],
)
def test_needs_optimize_of_other_vectors(engine: Engine, vectors: Any, point: Any, enough: int) -> None:
    """One kilobyte, counted as the engine counts it."""
    engine("PUT", "", {"vectors": vectors, "optimizers_config": {"indexing_threshold": 1}}, to="other")
    rows = [{"id": at, "vector": point} for at in range(enough)]
    engine.upsert(*rows[:-1], to="other")
    assert engine.backend.needs_optimize("other") is False
    assert engine.backend.optimize("other") is False
    engine.upsert(rows[-1], to="other")
    assert engine.backend.needs_optimize("other") is True
    assert engine.backend.optimize("other") is True


def test_needs_optimize_is_off_with_indexing(engine: Engine) -> None:
    engine(
        "PUT", "", {"vectors": CONFIG["vectors"], "optimizers_config": {"indexing_threshold": 0}}, to="off"
    )
    engine("PUT", "", {"vectors": CONFIG["vectors"]}, to="default")
    engine(
        "PUT", "", {"sparse_vectors": {"s": {}}, "optimizers_config": {"indexing_threshold": 1}}, to="sparse"
    )
    rows = [{"id": at, "vector": [1.0] * SIZE} for at in range(2000)]
    for name in ("off", "default"):
        engine.upsert(*rows, to=name)
        assert engine.backend.needs_optimize(name) is False
    terms = {"indices": list(range(50)), "values": [1.0] * 50}
    engine.upsert(*({"id": at, "vector": {"s": terms}} for at in range(100)), to="sparse")
    assert engine.backend.needs_optimize("sparse") is False


class Interrupted(Exception):
    pass


def children() -> list[int]:
    """The process ids of this process's children (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(OSError):  # the engine's threads end when they like
            found += map(int, (task / "children").read_text().split())
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_killed_child_loses_nothing(engine: Engine) -> None:
    fill(engine, 1000)

    def kill(*words: Any) -> None:
        for child in children():
            os.kill(child, signal.SIGKILL)

    with pytest.raises(QQLExecutionError) as caught:
        engine.backend.optimize("docs", kill)
    assert caught.value.code == "optimize-failed", caught.value.message
    assert "`docs`" in caught.value.message and "signal 9" in caught.value.message
    assert engine("POST", "points/count", {}) == {"count": 1000}
    assert engine.backend.optimize("docs") is True
    assert engine("GET")["indexed_vectors_count"] == 1000


@pytest.mark.skipif(os.name != "posix", reason="asks for the signal")
@pytest.mark.parametrize("stop", [KeyboardInterrupt, Interrupted])
def test_an_interrupt_ends_the_child_and_reopens(
    engine: Engine, stop: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, 1000)
    started: list[subprocess.Popen[str]] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> Any:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)

    def interrupt(*words: Any) -> None:
        raise stop

    with pytest.raises(stop):
        engine.backend.optimize("docs", interrupt)
    assert started[0].returncode == -signal.SIGKILL  # ended and waited for
    fill(engine, 10, 2000)
    assert engine("POST", "points/count", {}) == {"count": 1010}


@pytest.mark.parametrize("python_path", ["/does/not/exist", "/bin/false", ""])
def test_a_child_that_cannot_work_is_reported(
    engine: Engine, python_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, 1000)
    monkeypatch.setattr(spawn, "get_executable", lambda: python_path)
    with pytest.raises(QQLExecutionError) as caught:
        engine.backend.optimize("docs")
    assert caught.value.code == "optimize-failed", caught.value.message
    assert engine("POST", "points/count", {}) == {"count": 1000}


PROGRAM = """
from qql.backends.edge import EdgeBackend
from qql.rest.request import Request
backend = EdgeBackend(sys.argv[1])
print(backend.optimize("docs"))
print(backend.call(Request("GET", "/collections/docs"))["indexed_vectors_count"])
backend.close()
"""


@pytest.mark.parametrize("how", ["-c", "stdin", "file"])
def test_it_works_from_any_main_program(tmp_path: Path, how: str) -> None:
    """A main program without a guard must not be run a second time by the child."""
    engine = Engine(tmp_path / "db")
    engine("PUT", "", CONFIG)
    fill(engine, 900)
    engine.close()
    code = f"import sys; sys.path[:] = {sys.path!r}; print('main')\n{PROGRAM}"
    script = tmp_path / "program.py"
    script.write_text(code)
    (tmp_path / "json.py").write_text("raise SystemExit('the working directory must not be searched')")
    arguments = {"-c": ["-c", code], "stdin": ["-"], "file": [str(script)]}[how]
    (tmp_path / "json.py").rename(tmp_path / ("json.py" if how != "file" else "other.py"))
    done = subprocess.run(
        [sys.executable, "-P", *arguments, str(tmp_path / "db")],
        input=code if how == "stdin" else "",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["main", "True", "900"], done.stderr


def ends(process: int) -> bool:
    """Whether a process ends; waits for it."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 20)[0])
    finally:
        os.close(handle)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Otherwise the collection would stay locked by a process that nobody knows."""
    engine = Engine(tmp_path)
    config = {"vectors": {"size": SIZE, "distance": "Dot"}, "hnsw_config": {"ef_construct": 500}}
    engine("PUT", "", config | {"optimizers_config": {"indexing_threshold": 10}})
    fill(engine, 4000)
    engine.close()
    program = """
    from qql.backends.edge import EdgeBackend
    import os, signal, pathlib
    backend = EdgeBackend(sys.argv[1])
    def tick(what, seconds, total):
        task = pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
        if "temp_segments" in os.listdir(sys.argv[1] + "/collections/docs"):
            print(task.split()[0], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    backend.optimize("docs", tick)
    print("finished", flush=True)
    """
    child = python(program, str(tmp_path))
    out, _ = child.communicate()
    if out.split() != ["finished"]:  # it was too fast to be caught at it
        assert ends(int(out.split()[0]))
    engine = Engine(tmp_path)
    if out.split() != ["finished"]:
        assert engine("GET")["indexed_vectors_count"] == 0
    assert engine("POST", "points/count", {}) == {"count": 4000}
    engine.close()


def test_altering_is_remembered_until_it_is_carried_out(engine: Engine, tmp_path: Path) -> None:
    fill(engine, 1000)
    engine.backend.optimize("docs")
    engine("PATCH", "", {"hnsw_config": {"m": 4}})
    engine.close()
    again = Engine(tmp_path)
    assert again.backend.needs_optimize("docs") is True
    assert again.backend.optimize("docs") is True
    assert again.backend.needs_optimize("docs") is False
    again.close()
    segments = (tmp_path / "collections" / "docs" / "segments").glob("*/segment.json")
    graphs = [json.loads(path.read_text())["config"]["vector_data"][""]["index"] for path in segments]
    assert [graph["options"]["m"] for graph in graphs if graph["type"] == "hnsw"] == [4]
