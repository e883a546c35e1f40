"""One session, 32 threads: reads and writes give what they would give one after the other."""

from __future__ import annotations

import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import examples
from fake_server import FakeServer

import qql
from qql.backends.client.messages import Notes, Secrets
from qql.backends.recording import RecordingBackend
from qql.rest.request import Request

THREADS = 32
MAKE = "CREATE COLLECTION c (v VECTOR(2, DOT)); CREATE INDEX ON c FOR n TYPE integer;"


@contextmanager
def edge() -> Iterator[qql.Session]:
    with qql.connect(count=True) as session:
        yield session


@contextmanager
def over_rest() -> Iterator[qql.Session]:
    with FakeServer() as server, qql.connect(server.url, timeout=60, count=True) as session:
        yield session


@contextmanager
def over_grpc() -> Iterator[qql.Session]:
    with FakeServer() as server, qql.connect(server.grpc_url, timeout=60, count=True) as session:
        yield session


@contextmanager
def local_mode() -> Iterator[qql.Session]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qdrant_client import QdrantClient
    client = QdrantClient(":memory:")
    with qql.connect(client, count=True) as session:
        yield session
    client.close()


ENGINES = {"edge": edge, "rest": over_rest, "grpc": over_grpc, "local": local_mode}
engines = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())


def in_threads(work: Callable[[int], Any]) -> list[Any]:
    """What a function gives for each number; all of them begin at once."""
    begin = threading.Barrier(THREADS)

    def begun(number: int) -> Any:
        begin.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begun, range(THREADS)))


def assert_own_points(session: qql.Session, number: int, rounds: int) -> None:
    """Writes points of one thread, and looks that its own are there as it left them, whatever others do."""
    chance = random.Random(number)
    prepared = session.prepare("QUERY :v FROM c WHERE n = :n LIMIT :k")
    mine: dict[int, float] = {}
    for turn in range(rounds):
        point, value = number * 1000 + chance.randrange(5), float(turn)
        mine[point] = value
        row = {"id": point, "vector": {"v": [1.0, value]}, "n": number}
        session.execute("UPSERT INTO c VALUES :rows", {"rows": [row]})
        best = max(mine.values())
        found = session.execute("QUERY [0, 1] FROM c WHERE n = ? LIMIT 10", [number])
        assert {hit.id: hit.score for hit in found} == mine and found.hits[0].score == best
        assert prepared.execute(v=[0, -1], n=number, k=1).hits[0].score == -min(mine.values())
        assert session.execute(f"COUNT FROM c WHERE n = {number}").rows == [{"count": len(mine)}]
        assert {
            hit.id for hit in session.scroll("SCROLL FROM c WHERE n = ? ORDER BY n", [number], page=2)
        } == {*mine}
        if turn % 3 == 2:
            gone = mine.popitem()[0]
            assert session.execute("DELETE FROM c WHERE id = ?", [gone]).matched == 1


@engines
def test_each_thread_finds_what_it_has_written(engine: Callable[[], Any]) -> None:
    with engine() as session:
        session.run(MAKE)
        in_threads(lambda number: assert_own_points(session, number, 1))


@pytest.mark.slow
@engines
def test_each_thread_finds_what_it_has_written_for_long(engine: Callable[[], Any]) -> None:
    with engine() as session:
        session.run(MAKE)
        in_threads(lambda number: assert_own_points(session, number, max(3, examples(24) // 8)))


@pytest.mark.parametrize("engine", [edge, over_rest], ids=["edge", "rest"])
def test_collections_come_and_go_in_all_threads(engine: Callable[[], Any]) -> None:
    def work(number: int) -> None:
        for size in (2, 3) if number < 4 else ():
            session.execute(f"CREATE COLLECTION c{number} (v VECTOR({size}, DOT))")
            session.execute(f"UPSERT INTO c{number} VALUES {{id: 1, v: {[1] * size}}}")
            assert session.execute(f"QUERY {[1] * size} FROM c{number} LIMIT 1").hits[0].score == size
            session.execute(f"DROP COLLECTION c{number}")
            with pytest.raises(qql.QQLError) as failed:
                session.execute(f"COUNT FROM c{number}")
            assert failed.value.code == "unknown-collection"

    with engine() as session:
        in_threads(work)
        assert session.collections() == []


def test_stages_that_threads_define_at_once_are_all_there() -> None:
    with qql.connect() as session:
        session.run(MAKE)
        in_threads(lambda n: session.execute(f"DEFINE s{n} AS (QUERY [1, 0] FROM c LIMIT {n + 1})"))
        stages = {row["stage"] for row in session.execute("SHOW STAGES").rows}
        assert stages == {f"s{n}" for n in range(THREADS)}
        in_threads(lambda n: session.execute(f"UNDEFINE s{n}"))
        assert session.execute("SHOW STAGES").rows == []


def test_one_text_with_the_values_of_many_threads() -> None:
    rows = [{"id": n, "vector": {"v": [1.0, float(n)]}, "n": n} for n in range(THREADS)]

    def work(number: int) -> None:
        for _ in range(20):
            found = session.execute("QUERY [1, 0] FROM c WHERE n = :n LIMIT 3", {"n": number})
            assert found.ids == [number]
            assert (found.requests[0].body or {})["filter"]["must"][0]["match"]["value"] == number

    with qql.connect() as session:
        session.run(MAKE)
        session.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        in_threads(work)


def test_advice_is_given_to_one_thread_only() -> None:
    with qql.connect() as session:
        session.run(MAKE + "UPSERT INTO c VALUES {id: 1, v: [1, 0], n: 1}")
        text = "WITH a AS (QUERY [1, 0] LIMIT 100) QUERY FUSION RRF FROM c PREFETCH (a) LIMIT 3"
        results = in_threads(lambda n: session.execute(text))
        given = [one.message for result in results for one in result.warnings]
        assert len(given) == len(set(given)) > 0


def test_what_was_seen_before_a_change_is_not_kept_behind_it() -> None:
    """A thread has asked for a collection, and another one changes it before the answer is read."""
    asked, changed = threading.Event(), threading.Event()

    class Slow(RecordingBackend):
        def call(self, request: Request) -> Any:
            found = super().call(request)
            if request.route == ("GET", "") and threading.current_thread().name == "looks":
                asked.set()
                assert changed.wait(30)
            return found

    from qql.backends.edge import EdgeBackend

    with qql.connect(Slow(EdgeBackend(None)), advice=False) as session:
        session.execute("CREATE COLLECTION c (v VECTOR(2, DOT))")
        session.forget_collections()
        looks = threading.Thread(target=session.schema, args=("c",), name="looks")
        looks.start()
        assert asked.wait(30)
        session.run("DROP COLLECTION c; CREATE COLLECTION c (v VECTOR(3, DOT))")
        changed.set()
        looks.join()
        assert session.execute("QUERY [1, 0, 0] FROM c").hits == []


def test_the_times_of_a_server_are_those_of_the_thread_that_asked() -> None:
    with FakeServer() as server, qql.connect(server.url) as session:
        session.collections()
        assert session.backend.took is not None
        assert in_threads(lambda _: session.backend.took) == [None] * THREADS


def test_no_note_is_lost_between_threads() -> None:
    notes = Notes(Secrets(()))
    taken: list[list[str]] = []
    ended = time.monotonic() + 30

    def work(number: int) -> None:
        if number % 2:
            for at in range(200):
                notes.add(f"{number} {at}")
        while number % 2 == 0 and len(taken) < 400 and time.monotonic() < ended:
            taken.append(notes.take())

    in_threads(work)
    said = [note for some in [*taken, notes.take()] for note in some]
    assert sorted(said) == sorted(f"{number} {at}" for number in range(1, THREADS, 2) for at in range(200))
