"""The engine of the prompt, in a process of its own: Ctrl-C reaches whoever waits for it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.edge import apart as module
from qql.backends.edge.apart import EngineApart
from qql.cli.commands.connection import open_session
from qql.cli.commands.options import Arguments
from qql.session.connect import engine_apart

MAKE = "CREATE COLLECTION c (v VECTOR(2, DOT)); UPSERT INTO c VALUES {id: 1, vector: {v: [1, 0]}};"
WRITE = "UPSERT INTO c VALUES {id: 2, vector: {v: [0, 1]}}"


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is heard, which a process of tests that others have started does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with engine_apart():
        session = qql.connect(":memory:")
    with session:
        session.run(MAKE)
        yield session


def engine(db: qql.Session) -> EngineApart:
    assert isinstance(db.backend, EngineApart)
    return db.backend


def pid(db: qql.Session) -> int:
    found = engine(db).pid
    assert found is not None
    return found


def interrupted(db: qql.Session, statement: str, then: Callable[[int], object] = bool) -> list[str]:
    """Carries a statement out with an engine that stands still, and Ctrl-C as soon as it waits for it; then
    something is done with the process. Gives the notes.
    """
    worker = pid(db)
    os.kill(worker, signal.SIGSTOP)

    def press() -> None:
        while not engine(db)._process.waits_for:
            pass
        os.kill(os.getpid(), signal.SIGINT)
        then(worker)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt) as stop:
            db.execute(statement)
    finally:
        thread.join()
    return getattr(stop.value, "__notes__", [])


def count(db: qql.Session) -> int:
    return int(db.execute("COUNT FROM c").rows[0]["count"])


def test_what_reads_is_given_up_and_its_process_ended_when_it_takes_long(
    db: qql.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST_READ", 0.01)
    before = pid(db)
    assert interrupted(db, "SCROLL FROM c WHERE a = 1") == []
    result = db.execute("COUNT FROM c")
    assert result.rows == [{"count": 1}] and not result.warnings
    assert pid(db) != before


def test_what_reads_and_ends_soon_leaves_its_process_as_it_is(db: qql.Session) -> None:
    before = pid(db)
    interrupted(db, "SCROLL FROM c WHERE a = 1", lambda worker: os.kill(worker, signal.SIGCONT))
    assert count(db) == 1 and pid(db) == before


def test_what_writes_is_carried_out_and_that_is_said(db: qql.Session) -> None:
    notes = interrupted(db, WRITE, lambda worker: os.kill(worker, signal.SIGCONT))
    assert notes == ["what was sent by then is written"]
    assert count(db) == 2


def test_a_write_that_takes_long_goes_on(db: qql.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    notes = interrupted(db, WRITE)
    assert notes == ["what was sent goes on in the engine, and the next statement waits for it"]
    os.kill(pid(db), signal.SIGCONT)
    assert count(db) == 2


def test_a_write_whose_process_dies_has_failed(db: qql.Session) -> None:
    (note,) = interrupted(db, WRITE, lambda worker: os.kill(worker, signal.SIGKILL))
    assert note.startswith(
        "what was sent by then has failed: the process of the engine was ended by signal 9"
    )
    assert count(db) in (1, 2)


def test_a_process_that_died_is_started_again_with_what_it_had_and_that_is_said_once(db: qql.Session) -> None:
    worker = pid(db)
    os.kill(worker, signal.SIGKILL)
    while engine(db).pid is not None:
        pass
    result = db.execute("COUNT FROM c")
    assert result.rows == [{"count": 1}], "what is in memory too"
    (warning,) = result.warnings
    assert "was ended by signal 9, and was started again" in warning.message
    assert warning.message.endswith("what was acknowledged is kept")
    assert not db.execute("COUNT FROM c").warnings


def test_indexes_that_are_being_built_are_left_off() -> None:
    def press(what: str, done: int, total: int | None) -> None:
        if what.startswith("optimizing") and not pressed:
            pressed.append(what)
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[str] = []
    with engine_apart():
        session = qql.connect(":memory:", on_progress=press)
    with session as db:
        db.run("CREATE COLLECTION c (v VECTOR(64, DOT)) WITH OPTIMIZERS (indexing_threshold = 100)")
        rows = [{"id": n, "vector": {"v": [float(n % 7 + m % 5) for m in range(64)]}} for n in range(4000)]
        with pytest.raises(KeyboardInterrupt) as stop:
            db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        assert stop.value.__notes__ == ["everything is written; only the indexes of c are not built"]
        assert count(db) == 4000
        assert db.backend.needs_optimize("c"), "and so they are not"
        assert db.backend.optimize("c") and not db.backend.needs_optimize("c")


def test_threads_share_it(db: qql.Session) -> None:
    def write(number: int) -> None:
        db.execute("UPSERT INTO c VALUES {id: :n, vector: {v: [1, 1]}}", {"n": number})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(db) == 11


def test_it_ends_with_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with engine_apart():
        db = qql.connect(":memory:")
    worker = pid(db)
    assert [*tmp_path.iterdir()]
    db.close()
    db.close()
    assert not [*tmp_path.iterdir()]
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_database_that_cannot_be_opened_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    threads = threading.active_count()
    with qql.connect(str(tmp_path / "db")) as owner:
        owner.run(MAKE)
        with engine_apart(), pytest.raises(qql.QQLConnectionError):
            qql.connect(str(tmp_path / "db"))
    assert threading.active_count() == threads


def test_only_the_prompt_has_it(tmp_path: Path) -> None:
    for apart, kind in ((True, EngineApart), (False, EdgeBackend)):
        with open_session(Arguments(apart=apart), str(tmp_path / "db")) as db:
            assert type(db.backend) is kind
            assert db.target == str(tmp_path / "db")
