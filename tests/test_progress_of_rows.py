"""How far a statement with many rows is, as it is read, checked and written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import qql
from qql.backends.base import Work

MAKE = "CREATE COLLECTION docs (v VECTOR(2, DOT));"
ROWS = ", ".join(f"{{id: {at}, v: [1, {at}]}}" for at in range(5000))


@pytest.mark.parametrize("way", ["run", "execute"])
def test_rows_are_counted_as_they_are_read_and_checked(way: str) -> None:
    told: list[tuple[str, str, int, int | None]] = []
    shares: list[float] = []

    def progress(what: str, done: int, total: int | None) -> None:
        assert isinstance(what, Work)
        told.append((str(what), what.unit, done, total))
        shares.extend([what.share] if what.share is not None else ())

    with qql.connect(":memory:", on_progress=progress) as db:
        db.execute(MAKE)
        getattr(db, way)(f"UPSERT INTO docs VALUES {ROWS};")
        assert told == [
            *(("reading rows", "rows", done, None) for done in (1000, 2000, 3000, 4000, 5000)),
            *(("checking rows", "rows", done, 5000) for done in (1000, 2000, 3000, 4000, 5000)),
            ("writing to docs", "points", 0, 5000),
        ]
        assert 0.1 < shares[0] < 0.3 < shares[2] < 0.7 < shares[4] < 1
        told.clear()
        db.execute("UPSERT INTO docs VALUES {id: 1, v: [1, 2]}, {id: 2, v: [1, 2]};")
        assert not told, "few rows are not worth a word"


def test_who_watches_one_session_is_not_told_of_another() -> None:
    told: list[str] = []
    with qql.connect(":memory:", on_progress=lambda what, *_: told.append(what)), qql.connect() as other:
        other.run(f"{MAKE} UPSERT INTO docs VALUES {ROWS};")
    qql.compile(f"UPSERT INTO docs VALUES {ROWS};")
    assert not told


def test_a_pipe_has_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "rows.qql").write_text(f"{MAKE} UPSERT INTO docs VALUES {ROWS};")
    done = subprocess.run(
        [sys.executable, "-m", "qql", "run", "rows.qql"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rows" not in done.stderr and "writing" not in done.stderr
