"""A process killed while it loads or builds indexes loses nothing that was acknowledged."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import python

import qql
from qql.syntax import lalr

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "2"))  # of the slow tests; a real soak gives more

CREATE = (
    "CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-16', words SPARSE MODEL 'qdrant/bm25', "
    "own VECTOR(24, COSINE)) WITH OPTIMIZERS (indexing_threshold = {}); "
    "CREATE INDEX ON docs FOR n TYPE integer;"
)
START = """
import json
from qql.syntax import lalr
tables = sys.stdin.readline()
lalr.build = lambda _: json.loads(tables)
"""
LOAD = """
    import sys, qql
    from qql.backends.edge import EdgeBackend

    class Telling(EdgeBackend):
        "Says how many points were written, each time the engine has said so."
        done = 0

        def call(self, request):
            answer = super().call(request)
            if request.route == ("PUT", "points"):
                self.done += len(request.body["points"])
                print(self.done, flush=True)
            return answer

    db = qql.connect(Telling(sys.argv[1]), on_progress=lambda what, done, total: print(what, flush=True))
    db.execute("COPY docs FROM :file BATCH :size", {"file": sys.argv[2], "size": int(sys.argv[3])})
    print("end", flush=True)
"""
OPTIMIZE = """
    import sys, qql
    db = qql.connect(sys.argv[1], on_progress=lambda what, done, total: print(what, flush=True))
    db.execute("OPTIMIZE docs")
    print("end", flush=True)
"""


def write_rows(path: Path, count: int) -> None:
    """Rows whose ids count from 0, with two texts' vectors to make and one vector given."""
    rng = random.Random(17)
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            own = [round(rng.gauss(0, 1), 4) for _ in range(24)]
            row = {"id": n, "text": f"row {n} of group {n % 13}", "n": n, "vector": {"own": own}}
            file.write(json.dumps(row) + "\n")


@cache
def tables() -> str:
    """The parser's, in a line: a child would take longer to build them than for all that is tested."""
    return json.dumps(lalr.build(lalr.grammar_text())) + "\n"


@contextmanager
def running(code: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """A child that is killed, and what it says line by line."""
    child = python(START + textwrap.dedent(code), *arguments)
    try:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(tables())
        child.stdin.flush()
        yield child, iter(child.stdout)
    finally:
        child.kill()
        _, errors = child.communicate()
        assert "Traceback" not in errors, errors


def wait(child: subprocess.Popen[str], seconds: float) -> None:
    """Lets the child go on for a moment, or to its end."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


@contextmanager
def reopened(home: Path) -> Iterator[qql.Session]:
    """The database, once the process that builds its indexes has ended as well, a moment later."""
    with qql.connect(home) as db:
        pause = threading.Event()
        for attempt in range(1000):
            try:
                db.execute("COUNT FROM docs")
                break
            except qql.QQLConnectionError as exc:
                if exc.code != "database-locked" or attempt == 999:
                    raise
                pause.wait(0.02)
        yield db


def ids(db: qql.Session) -> set[Any]:
    return set(db.execute("SCROLL FROM docs WITH PAYLOAD FALSE LIMIT 1000000").ids)


def usable(db: qql.Session, total: int) -> None:
    """Every kind of statement works, and every point has all of its vectors."""
    assert db.execute("COUNT FROM docs").rows == [{"count": total}]
    assert db.execute(f"COUNT FROM docs WHERE n >= {total // 2}").rows == [{"count": total - total // 2}]
    for vector in ("dense", "words"):
        found = db.execute(f"QUERY 'group 7' FROM docs USING {vector} LIMIT 20 PARAMS (exact = true)")
        assert len(found) == 20
    hit = db.execute("QUERY POINT 0 FROM docs USING own LIMIT 1 WITH VECTOR")
    assert set(hit.hits[0].vector) == {"dense", "words", "own"}
    db.run("UPSERT INTO docs VALUES {id: 1000000, n: -1}; DELETE FROM docs WHERE n = -1;")
    assert db.execute("COUNT FROM docs").rows == [{"count": total}]


def kill_while_loading(home: Path, rows: Path, size: int, after: int, seconds: float) -> int:
    """Ends a load some time after so many batches were written; how many rows were known to be there."""
    known = 0
    with running(LOAD, str(home), str(rows), str(size)) as (child, said):
        batches = 0
        for line in said:
            if line.strip().isdigit():
                known, batches = int(line), batches + 1
                if batches == after:
                    break
        wait(child, seconds)
        child.kill()
        return max([known, *(int(line) for line in said if line.strip().isdigit())])


def loads(tmp_path: Path, total: int, rounds: int, threshold: int, seed: int) -> None:
    rng = random.Random(seed)
    rows = tmp_path / "rows.jsonl"
    write_rows(rows, total)
    for number in range(rounds):
        home = tmp_path / f"db{number}"
        with qql.connect(home) as db:
            db.run(CREATE.format(threshold))
        reached = 0
        # Killed twice, so that the second load goes over what the first has left.
        for _ in range(2):
            size = rng.choice([50, 100, 250])
            after = rng.randint(1, max(1, total // size - 2))
            known = kill_while_loading(home, rows, size, after, rng.uniform(0, 0.02))
            assert known >= size * after
            reached = max(reached, known)
            with qql.connect(home) as db:
                there = ids(db)
                assert there >= set(range(reached)), (number, sorted(set(range(reached)) - there)[:5])
                assert there <= set(range(total))
                assert db.execute("QUERY 'row 3' FROM docs USING dense LIMIT 5").ids
        with qql.connect(home) as db:
            db.execute("COPY docs FROM :file", {"file": str(rows)})
            usable(db, total)


def test_a_load_that_is_killed(tmp_path: Path) -> None:
    loads(tmp_path, total=1000, rounds=1, threshold=0, seed=1)


@pytest.mark.slow
def test_a_load_that_is_killed_many_times(tmp_path: Path) -> None:
    loads(tmp_path, total=40_000, rounds=ROUNDS, threshold=0, seed=2)


def optimizations(tmp_path: Path, total: int, rounds: int, longest: float, seed: int) -> None:
    rng = random.Random(seed)
    rows, loaded = tmp_path / "rows.jsonl", tmp_path / "loaded"
    write_rows(rows, total)
    with qql.connect(loaded) as db:
        db.run(CREATE.format(0))  # nothing is built while it is loaded
        db.execute("COPY docs FROM :file", {"file": str(rows)})
        lower = {"optimizers_config": {"indexing_threshold": 10}}
        db.backend.call(qql.Request("PATCH", "/collections/docs", {}, lower))
    unfinished = 0
    for number in range(rounds):
        home = tmp_path / f"db{number}"
        shutil.copytree(loaded, home)
        with running(OPTIMIZE, str(home)) as (child, said):
            assert next(said) == "optimizing docs\n"
            wait(child, rng.uniform(0, longest))
            child.kill()
            unfinished += "end\n" not in said
        with reopened(home) as db:
            assert ids(db) == set(range(total))
            assert len(db.execute("QUERY 'group 7' FROM docs USING dense LIMIT 20")) == 20
            db.execute("OPTIMIZE docs")
            assert db.execute("SHOW COLLECTION docs").data["indexed_vectors_count"] >= 2 * total
            usable(db, total)
        with qql.connect(home) as db:
            usable(db, total)
        assert not list(home.glob("collections/docs/temp_segments/*"))
        shutil.rmtree(home)
    assert unfinished


@pytest.mark.slow
def test_building_indexes_is_killed(tmp_path: Path) -> None:
    optimizations(tmp_path, total=3000, rounds=1, longest=0.6, seed=3)


@pytest.mark.slow
def test_building_indexes_is_killed_many_times(tmp_path: Path) -> None:
    optimizations(tmp_path, total=20_000, rounds=ROUNDS, longest=3.0, seed=4)


@pytest.mark.slow
def test_a_load_is_killed_while_it_builds_indexes(tmp_path: Path) -> None:
    """All rows are written by then, and a second load finds them."""
    rows, home = tmp_path / "rows.jsonl", tmp_path / "db"
    write_rows(rows, 2500)
    with qql.connect(home) as db:
        db.run(CREATE.format(50))
    with running(LOAD, str(home), str(rows), "500") as (child, said):
        assert "optimizing docs\n" in said
        child.kill()
        child.wait()
    with reopened(home) as db:
        assert ids(db) == set(range(2500))
        db.execute("COPY docs FROM :file", {"file": str(rows)})
        usable(db, 2500)
        assert db.execute("SHOW COLLECTION docs").data["indexed_vectors_count"] > 0
