"""`qql.connect_async`: what a session does, in an event loop that never waits for it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import threading
import tracemalloc
import typing
from collections.abc import Awaitable, Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from fake_server import FakeServer
from http_recorder import HttpRecorder, Received, Reply, ok

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.edge.worker import EngineProcess
from qql.backends.recording import RecordingBackend
from qql.compiler.prepared import Prepared
from qql.errors import QQLError
from qql.result import Hit
from qql.session.async_session import AsyncSession, AsyncStatement
from qql.session.prepared import SessionStatement

MAKE = """
CREATE COLLECTION c (v VECTOR(2, DOT));
CREATE INDEX ON c FOR n TYPE integer;
UPSERT INTO c VALUES
  {id: 1, v: [1, 0], n: 1, text: 'red wine'}, {id: 2, v: [0, 1], n: 2, text: 'red'}, {id: 3, v: [1, 1], n: 2};
"""
Test = Callable[[AsyncSession], Coroutine[Any, Any, None]]
Target = Callable[[Test], None]


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that other processes do not see."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def run(test: Test, target: object = ":memory:", **options: Any) -> None:
    async def whole() -> None:
        async with qql.connect_async(target, **{"advice": False} | options) as db:
            await test(db)

    asyncio.run(whole())


def on_edge(test: Test) -> None:
    run(test)


def on_rest(test: Test) -> None:
    with FakeServer() as server:
        run(test, server.url)


def on_grpc(test: Test) -> None:
    with FakeServer() as server:
        run(test, server.grpc_url)


def on_a_client_of_their_own(test: Test) -> None:
    from qdrant_client import AsyncQdrantClient

    with FakeServer() as server:

        async def whole() -> None:
            client = AsyncQdrantClient(url=server.url, check_compatibility=False)
            async with qql.connect_async(client, advice=False) as db:
                await test(db)
            await client.close()

        asyncio.run(whole())


def on_local_mode(test: Test) -> None:
    from qdrant_client import AsyncQdrantClient

    async def whole() -> None:
        async with qql.connect_async(AsyncQdrantClient(":memory:"), advice=False) as db:
            await test(db)

    asyncio.run(whole())


def on_a_backend(test: Test) -> None:
    run(test, RecordingBackend(EdgeBackend(None)))


TARGETS = {
    "edge": on_edge,
    "rest": on_rest,
    "grpc": on_grpc,
    "client": on_a_client_of_their_own,
    "local": on_local_mode,
    "backend": on_a_backend,
}
targets = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
quick_targets = pytest.mark.parametrize("target", [on_edge, on_rest], ids=["edge", "rest"])


# ------------------------------------------------------------------------------------ the same surface


@targets
def test_the_surface_of_a_session_is_awaited(target: Target) -> None:
    async def test(db: AsyncSession) -> None:
        assert [result.kind for result in await db.run(MAKE)] == ["message"] * 3
        found = await db.execute("QUERY [1, 0.5] FROM c LIMIT 2")
        assert found.ids == [3, 1] and found.hits[0].score == 1.5
        assert await anext(db.scroll("SCROLL FROM c ORDER BY n", page=1)) == Hit(
            1, payload={"n": 1, "text": "red wine"}
        )
        assert {hit.id async for hit in db.scroll("SCROLL FROM c", page=2)} == {1, 2, 3}
        kinds = [result.kind async for result in db.stream("COUNT FROM c; SCROLL FROM c")]
        assert kinds == ["rows", "hits"]
        statement = db.prepare("COUNT FROM c WHERE n = :n")
        assert (await statement.execute(n=2)).rows == [{"count": 2}]
        many = await statement.execute_many([{"n": 1}, {"n": 2}])
        assert [one.rows[0]["count"] for one in many] == [1, 2]
        assert (await statement.bind(n=7)).body is not None and statement.parameters
        assert await db.collections() == ["c"]
        schema = await db.schema("c")
        assert schema is not None and list(schema.vectors) == ["v"]
        [compiled] = await db.compile("QUERY [1, 0] FROM c LIMIT 1")
        assert (await db.carry_out(compiled)).ids[0] in (1, 3)
        assert "c" in await db.explain("QUERY [1, 0] FROM c LIMIT 1")
        assert (await db.analyse(compiled)).stages and (await db.stamp(compiled)).to_dict()
        assert await db.ask(compiled.requests[0])
        await db.execute("USE c")
        assert db.context.collection == "c"
        assert (await db.execute("DELETE WHERE id = 1", count=True)).matched == 1

    target(test)


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_no_method_of_a_session_is_missing() -> None:
    attributes = {"backend", "embedders", "rerankers"}  # not a part of the surface
    assert public(qql.Session) - public(AsyncSession) - attributes == set()
    assert public(SessionStatement) | public(Prepared) == public(AsyncStatement) - {"inner", "carried"}


def test_methods_that_are_awaited_have_the_parameters_and_words_of_those_that_are_not() -> None:
    db = AsyncSession(lambda: pytest.fail("not opened"))
    with qql.connect() as session:
        for name in ("execute", "run", "compile", "carry_out", "schema", "ask"):
            ours, theirs = getattr(db, name), getattr(session, name)
            assert ours.__doc__ == theirs.__doc__
            assert [*inspect.signature(ours).parameters] == [*inspect.signature(theirs).parameters]
        for name in ("scroll", "stream", "prepare"):
            ours, theirs = getattr(db, name), getattr(session, name)
            assert [*inspect.signature(ours).parameters] == [*inspect.signature(theirs).parameters]
    assert inspect.signature(qql.connect_async).parameters == inspect.signature(qql.connect).parameters


BAD = [
    "QUERY [1, 0, 0] FROM c",
    "QUERY [1, 0] FROM nowhere",
    "QUERY FRM c",
    "COUNT FROM c; COUNT FROM c",
    "SCROLL FROM c ORDER BY text",
    "CREATE COLLECTION c (v VECTOR(2))",
    "UPSERT INTO c VALUES {id: 'x', v: [1, 2]}",
]


@quick_targets
def test_errors_are_those_of_a_session_that_waits(target: Target) -> None:
    def told(failure: QQLError) -> tuple[Any, ...]:
        return type(failure), failure.diagnostics

    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        for text in BAD:
            with pytest.raises(QQLError) as failed:
                await db.execute(text)
            awaited.append(told(failed.value))

    awaited: list[Any] = []
    target(test)
    with FakeServer() as server, qql.connect(":memory:" if target is on_edge else server.url) as db:
        db.run(MAKE)
        for text, ours in zip(BAD, awaited, strict=True):
            with pytest.raises(QQLError) as failed:
                db.execute(text)
            assert ours == told(failed.value)


def test_warnings_come_with_the_result_and_once() -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        text = "QUERY [1, 0] FROM c WHERE txet = 'red' LIMIT 1"
        assert "unknown-field" in {one.code for one in (await db.execute(text)).warnings}
        assert (await db.execute("COUNT FROM c WHERE n IN ()")).warnings
        assert not (await db.execute("COUNT FROM c WHERE n = 1")).warnings

    run(test, advice=True)


def test_it_is_opened_by_await_too_and_closed_twice() -> None:
    async def test() -> None:
        db = await qql.connect_async()
        await db.run(MAKE)
        assert (await db.execute("COUNT FROM c")).rows == [{"count": 3}]
        await db.close()
        await db.close()
        with pytest.raises(QQLError, match="was closed"):
            await db.execute("COUNT FROM c")

    asyncio.run(test())


def test_what_is_not_open_or_of_another_loop_says_so() -> None:
    db = qql.connect_async()
    with pytest.raises(QQLError, match="not open yet") as failed:
        asyncio.run(typing.cast("Coroutine[Any, Any, Any]", db.execute("SHOW COLLECTIONS")))
    assert failed.value.code == "not-open" and "async with" in (failed.value.hint or "")

    async def opened() -> None:
        await db.open()

    async def closed() -> None:
        await db.close()

    with asyncio.Runner() as first:
        first.run(opened())
        with pytest.raises(QQLError) as failed:
            asyncio.run(closed())
        assert failed.value.code == "other-loop"
        first.run(closed())


def test_what_cannot_be_opened_is_told_as_by_connect(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def test(target: object, **options: Any) -> str:
        try:
            async with qql.connect_async(target, **options):
                return "opened"
        except QQLError as exc:
            return exc.code

    assert asyncio.run(test(tmp_path / "file")) == "not-a-database"
    assert asyncio.run(test(tmp_path / "new", api_key="k")) == "idle-option"
    assert asyncio.run(test("nowhere:80")) == "invalid-url"
    with qql.connect(tmp_path / "db") as db:
        db.run(MAKE)
        assert asyncio.run(test(tmp_path / "db")) == "database-locked"
    assert asyncio.run(test(tmp_path / "db")) == "opened"


def test_a_database_on_disk_is_that_of_a_session_that_waits(tmp_path: Path) -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)

    run(test, tmp_path / "db")
    with qql.connect(tmp_path / "db") as db:
        assert db.execute("COUNT FROM c").rows == [{"count": 3}]


# ------------------------------------------------------------------------------------ models


@quick_targets
def test_models_may_be_functions_that_are_awaited(target: Target) -> None:
    seen: list[str] = []

    async def embed(texts: list[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        seen.append(threading.current_thread().name)
        return [[float("red" in text), float("wine" in text)] for text in texts]

    def embed_at_once(texts: list[str]) -> list[list[float]]:
        seen.append(threading.current_thread().name)
        return [[1.0, 0.0] for _ in texts]

    async def rerank(query: str, texts: list[str]) -> list[float]:
        await asyncio.sleep(0)
        return [float(len(text)) for text in texts]

    def rerank_at_once(query: str, texts: list[str]) -> list[float]:
        seen.append(threading.current_thread().name)
        return [-float(len(text)) for text in texts]

    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        assert (await db.execute("QUERY 'red' MODEL 'mine' FROM c USING v LIMIT 1")).ids[0] in (1, 3)
        assert (await db.execute("QUERY 'wine' MODEL 'mine' FROM c USING v LIMIT 1")).ids[0] in (2, 3)
        await db.execute("QUERY 'wine' MODEL 'plain' FROM c USING v LIMIT 1")
        text = "QUERY [1, 1] FROM c USING v WHERE id IN (1, 2) LIMIT 2 RERANK 'x' MODEL '{}' ON text"
        assert (await db.execute(text.format("long"))).ids == [1, 2]
        assert (await db.execute(text.format("short"))).ids == [2, 1]
        here = threading.current_thread().name
        assert seen[:2] == [here, here] and here not in seen[2:] and len(seen) == 4

    options: dict[str, Any] = {
        "embedders": {"mine": embed, "plain": embed_at_once},
        "rerankers": {"long": rerank, "short": rerank_at_once},
    }
    with FakeServer() as server:
        run(test, ":memory:" if target is on_edge else server.url, **options)


def test_a_session_that_waits_refuses_functions_that_are_awaited() -> None:
    async def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    with qql.connect(embedders={"mine": embed}, advice=False) as db:
        db.run(MAKE)
        with pytest.raises(QQLError) as failed:
            db.execute("QUERY 'red' MODEL 'mine' FROM c USING v")
        assert failed.value.code == "async-model" and "connect_async" in (failed.value.hint or "")


def test_what_a_model_raises_is_told_as_everywhere() -> None:
    async def embed(texts: list[str]) -> list[list[float]]:
        raise ValueError("no such luck")

    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        with pytest.raises(QQLError, match="no such luck") as failed:
            await db.execute("QUERY 'red' MODEL 'mine' FROM c USING v")
        assert failed.value.code == "model-failed"

    run(test, embedders={"mine": embed})


# ------------------------------------------------------------------------------------ the loop goes on


def test_the_engine_is_in_another_process() -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        assert (await db.execute("QUERY [1, 0] FROM c LIMIT 1")).ids[0] in (1, 3)
        holder = (engine_of(db).path / "lock").read_text()
        assert int(holder) == pid_of(db) != os.getpid()

    run(test)


@quick_targets
def test_what_takes_long_to_compile_does_not_hold_the_loop(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qql.session.session import Session

    seen: list[str] = []
    compiled = Session._compile

    def watched(self: Session, *given: Any) -> Any:
        seen.append(threading.current_thread().name)
        return compiled(self, *given)

    monkeypatch.setattr(Session, "_compile", watched)

    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        here = threading.current_thread().name
        await db.execute("COUNT FROM c")
        rows = [{"id": n, "vector": {"v": [1.0, float(n)]}, "n": n} for n in range(10, 300)]
        await db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        long = " OR ".join(f"n = {n}" for n in range(3000))
        assert (await db.execute(f"COUNT FROM c WHERE {long}")).rows == [{"count": 293}]
        with pytest.raises(QQLError):
            await db.execute(f"COUNT FROM nowhere WHERE {long}")
        assert seen[-4] == here and here not in seen[-3:]

    target(test)


def test_reads_are_under_way_together_over_a_server() -> None:
    together = threading.Barrier(8, timeout=30)

    def answer(received: Received) -> Reply:
        if received.path.endswith("/points/count"):
            together.wait()
            return ok({"count": 1})
        return ok({"collections": []})

    async def test(db: AsyncSession) -> None:
        counted = await asyncio.gather(*(db.ask(request) for _ in range(8)))
        assert counted == [{"count": 1}] * 8

    request = qql.Request("POST", "/collections/c/points/count", {}, {"exact": True})
    with HttpRecorder(otherwise=answer) as server:
        run(test, server.url, assume_version="1.18")


# ------------------------------------------------------------------------------------ cancellation


async def cancelled_after(steps: int, task: asyncio.Task[Any]) -> bool:
    """Cancels a task when the loop has gone round so often; whether it was still running."""
    for _ in range(steps):
        await asyncio.sleep(0)
    was_running = task.cancel()
    with pytest.raises(asyncio.CancelledError) if was_running else pytest.MonkeyPatch.context():
        await task
    return was_running


STATEMENTS = [
    "QUERY [1, 0] FROM c WHERE n > 0 LIMIT 2",
    "SCROLL FROM c ORDER BY n LIMIT 2",
    "UPSERT INTO c VALUES {id: 9, v: [1, 1], n: 9}",
    "DELETE FROM c WHERE n = 9",
    "OPTIMIZE c",
]


@quick_targets
def test_a_statement_may_be_cancelled_wherever_it_waits(target: Target) -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        for text in STATEMENTS:
            for steps in range(12):
                task = asyncio.create_task(db.execute(text))
                if not await cancelled_after(steps, task):
                    break
            count = await db.execute("COUNT FROM c")
            assert count.rows[0]["count"] in (3, 4)
            assert (await db.execute("QUERY [1, 0] FROM c WHERE id = 1 LIMIT 1")).ids == [1]
            assert (await db.execute("DELETE FROM c WHERE id = 9", count=True)).matched in (0, 1)
            assert (await db.execute("COUNT FROM c")).rows == [{"count": 3}]

    target(test)


def test_a_write_that_was_sent_is_finished_though_its_task_is_cancelled() -> None:
    arrived, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def answer(received: Received) -> Reply:
        if received.method == "PUT":
            arrived.set()
            assert go_on.wait(30)
            done.set()
        return ok({"status": "completed"})

    async def test(db: AsyncSession) -> None:
        task = asyncio.create_task(db.ask(request))
        while not arrived.is_set():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    request = qql.Request("PUT", "/collections/c/points", {}, {"points": [{"id": 1, "vector": [1.0]}]})
    with HttpRecorder(otherwise=answer) as server:
        run(test, server.url, assume_version="1.18")  # to close waits for it
        assert done.is_set()
        assert len([one for one in server.received if one.method == "PUT"]) == 1


def test_a_collection_that_was_made_by_a_cancelled_task_is_known() -> None:
    async def test(db: AsyncSession) -> None:
        with pytest.raises(QQLError):
            await db.execute("COUNT FROM d")
        task = asyncio.create_task(db.execute("CREATE COLLECTION d (v VECTOR(2, DOT))"))
        while "PUT /collections/d" not in engine_of(db).waits_for:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await db.execute("COUNT FROM d")).rows == [{"count": 0}]

    run(test)


def test_a_long_statement_is_cancelled_where_it_waits_and_does_not_go_on(tmp_path: Path) -> None:
    rows = "\n".join(f'{{"id": {n}, "v": [1, {n}]}}' for n in range(20_000))
    (tmp_path / "rows.jsonl").write_text(rows)

    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        task = asyncio.create_task(db.execute("COPY c FROM :file", {"file": str(tmp_path / "rows.jsonl")}))
        count = 3
        while count <= 3 and not task.done():
            count = (await db.execute("COUNT FROM c")).rows[0]["count"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        count = (await db.execute("COUNT FROM c")).rows[0]["count"]
        assert (await db.execute("COUNT FROM c")).rows[0]["count"] == count, "nothing goes on"
        assert 3 < count < 20_000

    run(test)


# ------------------------------------------------------------------------------------ the engine's process


def engine_of(db: AsyncSession) -> EngineProcess:
    backend = db.inner().backend
    assert isinstance(backend, EngineProcess)
    return backend


def pid_of(db: AsyncSession) -> int:
    found = engine_of(db).pid
    assert found is not None
    return found


def test_an_engine_that_dies_is_an_error_and_is_started_again() -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        for _ in range(2):
            before = pid_of(db)
            assert await db.schema("c")
            os.kill(before, signal.SIGSTOP)  # so that it cannot have answered
            task = asyncio.create_task(db.execute("UPSERT INTO c VALUES {id: 9, v: [1, 1]}"))
            while not engine_of(db).waits_for:
                await asyncio.sleep(0)
            os.kill(before, signal.SIGKILL)
            with pytest.raises(QQLError) as failed:
                await task
            assert failed.value.code == "engine-ended" and "signal 9" in failed.value.message
            assert "may be done or not" in (failed.value.hint or "")
            assert failed.value.diagnostic.span is not None
            assert (await db.execute("COUNT FROM c WHERE id IN (1, 2, 3)")).rows == [{"count": 3}]
            assert pid_of(db) != before

    run(test)


def test_all_that_waits_for_a_process_that_dies_is_told() -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        os.kill(pid_of(db), signal.SIGSTOP)
        tasks = [asyncio.create_task(db.execute("COUNT FROM c")) for _ in range(20)]
        await asyncio.sleep(0)
        os.kill(pid_of(db), signal.SIGKILL)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {one.code for one in results if isinstance(one, QQLError)} == {"engine-ended"}
        assert (await db.execute("COUNT FROM c")).rows == [{"count": 3}]

    run(test)


def test_the_process_ends_with_the_session_and_its_temporary_directory_goes(tmp_path: Path) -> None:
    pids: list[int] = []

    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        pids.append(pid_of(db))
        assert [one for one in tmp_path.iterdir() if one.name.startswith("qql-")]

    run(test)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith("qql-")]
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_temporary_database_stays_while_its_owner_lives(tmp_path: Path) -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        os.kill(pid_of(db), signal.SIGKILL)
        while engine_of(db).pid is not None:
            await asyncio.sleep(0)
        EdgeBackend(None).close()  # which removes what nobody owns
        assert (await db.execute("COUNT FROM c")).rows == [{"count": 3}]

    run(test)


def test_indexes_are_built_with_progress_while_the_loop_goes_on() -> None:
    told: list[str] = []

    async def test(db: AsyncSession) -> None:
        await db.run("CREATE COLLECTION c (v VECTOR(64, DOT)) WITH OPTIMIZERS (indexing_threshold = 100)")
        rows = [{"id": n, "vector": {"v": [float(n % 7 + m % 5) for m in range(64)]}} for n in range(1000)]
        await db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})

    run(test, on_progress=lambda what, done, total: told.append(what))
    assert any("optimizing c" in one for one in told)


# ------------------------------------------------------------------------------------ many tasks


class Forgetful(list[Any]):
    """A list that stays empty."""

    def append(self, one: Any) -> None: ...


def busy(rounds: int) -> Test:
    """Two hundred tasks that read and write, each what is its own; memory is looked at after each turn.

    A leak grows with every turn; a library that is imported late, or a pool that gets its size, grows once.
    """

    async def one(db: AsyncSession, number: int, turns: int) -> None:
        statement = db.prepare("QUERY :v FROM c WHERE n = :n LIMIT 1")
        for turn in range(turns):
            row = {"id": number, "vector": {"v": [1.0, float(turn)]}, "n": number}
            await db.execute("UPSERT INTO c VALUES :row", {"row": [row]})
            found = await statement.execute(v=[0.0, 1.0], n=number)
            assert found.ids == [number] and found.hits[0].score == turn
            assert (await db.execute("COUNT FROM c WHERE n = ?", [number])).rows == [{"count": 1}]

    async def test(db: AsyncSession) -> None:
        await db.run("CREATE COLLECTION c (v VECTOR(2, DOT)); CREATE INDEX ON c FOR n TYPE integer")
        sizes: list[int] = []
        for _ in range(4):
            await asyncio.gather(*(one(db, number, rounds) for number in range(200)))
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        assert min(after - before for before, after in pairwise(sizes)) < 100_000, sizes

    return test


@pytest.mark.slow
@pytest.mark.parametrize("target", ["edge", "rest"])
def test_two_hundred_tasks_share_a_connection_in_flat_memory(target: str) -> None:
    tracemalloc.start()
    try:
        with FakeServer() as server:
            server.calls = Forgetful()
            options = {} if target == "edge" else {"timeout": 120}
            # Over REST both ends are in this process, with tracemalloc: a fifth is enough.
            run(
                busy(examples(12) // 5 if target == "edge" else 1),
                ":memory:" if target == "edge" else server.url,
                **options,
            )
    finally:
        tracemalloc.stop()


@quick_targets
def test_tasks_share_a_connection(target: Target) -> None:
    async def test(db: AsyncSession) -> None:
        await db.run(MAKE)
        texts = [f"QUERY [1, {n}] FROM c WHERE id = {n % 3 + 1} LIMIT 1" for n in range(40)]
        waits: list[Awaitable[qql.Result]] = [db.execute(text) for text in texts]
        found = await asyncio.gather(*waits)
        assert [one.ids for one in found] == [[n % 3 + 1] for n in range(40)]

    target(test)
