"""`timeout=` of a call: it reaches the server and the client, or is refused; nothing takes it and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import httpx
import pytest
from grpc_recorder import GrpcRecorder
from http_recorder import HttpRecorder, Received, Reply, ok, refused, sound
from qdrant_client import QdrantClient

import qql
from qql.backends import call_time
from qql.backends.client import ClientBackend
from qql.errors import QQLConnectionError, QQLTimeoutError, QQLUnsupportedError
from qql.session.session import Session

pytestmark = pytest.mark.usefixtures("no_proxy")

COUNT = "COUNT FROM docs"
CALLS: dict[str, Callable[[Session, float], object]] = {
    "execute": lambda db, seconds: db.execute(COUNT, timeout=seconds),
    "run": lambda db, seconds: db.run(COUNT, timeout=seconds),
    "stream": lambda db, seconds: list(db.stream(COUNT, timeout=seconds)),
    "prepared": lambda db, seconds: db.prepare(COUNT).execute(timeout=seconds),
    "prepared script": lambda db, seconds: db.prepare(COUNT).run(timeout=seconds),
    "many": lambda db, seconds: db.prepare(COUNT).execute_many([{}], timeout=seconds),
    "scroll": lambda db, seconds: list(db.scroll("SCROLL FROM docs", timeout=seconds)),
}


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder() as recorder:
        yield recorder


def sent_to(server: HttpRecorder, route: str) -> list[Received]:
    return [one for one in server.received if one.path.endswith(route)]


@pytest.mark.parametrize("call", CALLS)
def test_the_server_and_the_client_get_it(server: HttpRecorder, call: str) -> None:
    with qql.connect(server.url, advice=False) as db:
        waits: list[dict[str, float]] = []

        def look(request: httpx.Request, send: Any) -> Any:
            if "/points/" in request.url.path:
                waits.append(request.extensions["timeout"])
            return send(request)

        db.client.http.client.add_middleware(look)
        CALLS[call](db, 7.5)
        sent = sent_to(server, "/count") + sent_to(server, "/scroll")
        assert {one.query.get("timeout") for one in sent} == {"8"}
        assert waits and all(7 < one["read"] <= 7.5 for one in waits)
        db.execute(COUNT)
        assert "timeout" not in server.last.query
        assert waits[-1]["read"] == 5


def test_one_of_the_statement_stays_what_the_server_gets(server: HttpRecorder) -> None:
    with qql.connect(server.url, advice=False) as db:
        db.execute("SCROLL FROM docs LIMIT 1 PARAMS (timeout = 3)", timeout=9)
        assert server.last.query["timeout"] == "3"


def test_writes_and_definitions_have_it_too(server: HttpRecorder) -> None:
    server.answers["GET", "/collections/other"] = refused(404, "Not found: Collection `other` doesn't exist!")
    with qql.connect(server.url, advice=False) as db:
        db.execute("CREATE COLLECTION other VECTOR(2, DOT)", timeout=4)
        [created] = [one for one in server.received if one.method == "PUT"]
        assert created.query["timeout"] == "4"
        db.execute("DELETE FROM docs WHERE id = 1", timeout=2)
        assert server.last.query["timeout"] == "2"


def test_over_grpc_a_call_ends_by_it() -> None:
    with GrpcRecorder() as recorder:
        backend = ClientBackend.connect(f"grpc://127.0.0.1:{recorder.port}")
        with call_time.CallTime(33, backend):
            for request in qql.compile("COUNT FROM docs; CREATE INDEX ON docs FOR a TYPE keyword"):
                backend.call(request)
        assert recorder.times["Count"] == pytest.approx(33, abs=1)
        assert recorder.times["CreateFieldIndex"] == pytest.approx(33, abs=1)
        backend.close()


def test_a_client_of_ones_own_waits_no_longer(server: HttpRecorder) -> None:
    client = QdrantClient(server.url, check_compatibility=False)
    waits: list[dict[str, float]] = []

    def look(request: httpx.Request, send: Any) -> Any:
        waits.append(request.extensions["timeout"])
        return send(request)

    client.http.client.add_middleware(look)
    with qql.connect(client, advice=False) as db:
        db.execute(COUNT, timeout=2.5)
    assert server.last.query == {"timeout": "3"}
    assert 2 < waits[-1]["read"] <= 2.5
    client.close()


def test_it_is_for_all_that_a_statement_asks(server: HttpRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(call_time, "monotonic", lambda: clock[0])

    def slow(received: Received) -> Reply:
        clock[0] += 3  # each answer takes three of the five seconds
        return sound(received)

    server.otherwise = slow
    with qql.connect(server.url, advice=False) as db, pytest.raises(QQLTimeoutError) as caught:
        db.execute("SCROLL FROM docs ORDER BY year", timeout=5)
        db.execute("DROP COLLECTION docs", timeout=5)
    assert caught.value.code == "no-answer-in-time"
    assert "5 s of the call were over" in caught.value.message


def test_what_is_late_says_which_time_it_was(server: HttpRecorder) -> None:
    released = Event()
    server.otherwise = lambda _: (released.wait(30), ok(True))[1]
    with qql.connect(server.url, advice=False, retries=0) as db, pytest.raises(QQLTimeoutError) as caught:
        db.execute(COUNT, timeout=0.2)
    released.set()
    assert caught.value.message == f"{server.url} did not answer within 0.2 s"
    assert caught.value.diagnostic.hint == "`timeout=` of the call waits longer"


# ------------------------------------------------------------------------------------ where it cannot be kept


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("target", [":memory:", "local"])
def test_an_engine_that_cannot_keep_it_refuses_it(target: str, call: str) -> None:
    opened: Any = QdrantClient(":memory:") if target == "local" else target
    with qql.connect(opened) as db:
        db.execute("CREATE COLLECTION docs VECTOR(2, DOT)")
        with pytest.raises(QQLUnsupportedError) as caught:
            CALLS[call](db, 5)
        assert caught.value.code == "no-timeout"
        untimed: Any = None
        CALLS[call](db, untimed)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "5"])
def test_what_is_no_time_is_refused(server: HttpRecorder, seconds: Any) -> None:
    with qql.connect(server.url) as db, pytest.raises(QQLConnectionError, match="invalid-timeout"):
        db.execute(COUNT, timeout=seconds)
    assert not server.received


def test_a_parameter_of_that_name_is_a_parameter(server: HttpRecorder) -> None:
    with qql.connect(server.url, advice=False) as db:
        db.prepare("COUNT FROM docs WHERE timeout = :timeout").execute(timeout=7)
    assert server.last.query == {}
    assert server.last.body["filter"] == {"must": [{"key": "timeout", "match": {"value": 7}}]}


# ------------------------------------------------------------------------------------- awaited, and by `send`


def test_a_session_of_an_event_loop_has_it_too(server: HttpRecorder) -> None:
    async def ask() -> None:
        async with qql.connect_async(server.url, advice=False) as db:
            await db.execute(COUNT, timeout=7.5)
            assert server.last.query == {"timeout": "8"}
            await db.prepare(COUNT).execute(timeout=6)
            assert server.last.query == {"timeout": "6"}
            assert [one async for one in db.stream(COUNT, timeout=5)]
            assert server.last.query == {"timeout": "5"}
            assert [one async for one in db.scroll("SCROLL FROM docs", timeout=4)] == []
            assert server.last.query == {"timeout": "4"}
            await asyncio.gather(db.execute(COUNT, timeout=3), db.execute(COUNT))
            assert {one.query.get("timeout") for one in server.received[-2:]} == {"3", None}

    asyncio.run(ask())


def test_the_engine_of_an_event_loop_refuses_it() -> None:
    async def ask() -> None:
        async with qql.connect_async(":memory:") as db:
            with pytest.raises(QQLUnsupportedError, match="no-timeout"):
                await db.execute("SHOW COLLECTIONS", timeout=5)

    asyncio.run(ask())


def test_send_hands_it_to_the_method_of_the_client(server: HttpRecorder) -> None:
    [request] = qql.compile(COUNT)
    client = QdrantClient(server.url, check_compatibility=False)
    request.send(client, timeout=4)
    assert server.last.query["timeout"] == "4"
    [listed] = qql.compile("SHOW COLLECTIONS")
    with pytest.raises(QQLUnsupportedError, match="timeout"):
        listed.send(client, timeout=4)
    wrong: Any
    for wrong in (0, 1.5, True):
        with pytest.raises(QQLConnectionError, match="invalid-timeout"):
            request.send(client, timeout=wrong)
    with pytest.raises(QQLUnsupportedError, match="no-timeout"):
        request.send(QdrantClient(":memory:"), timeout=4)
    client.close()
