"""How long servers are waited for, over REST and gRPC, and what is said when they do not answer."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import httpx
import pytest
from grpc_recorder import GrpcRecorder
from http_recorder import HttpRecorder, Received, Reply, ok, refused, sound

import qql
from qql.backends.client import ClientBackend, waiting
from qql.backends.client.timeouts import GRACE, Kind, Timeouts, kind_of
from qql.cli import main
from qql.errors import QQLConnectionError, QQLError, QQLTimeoutError
from qql.rest.client_calls import CALLS
from qql.rest.request import Request, collection_path

pytestmark = pytest.mark.usefixtures("no_proxy")

COUNT = Request("POST", collection_path("docs", "points", "count"), {}, {})
CREATE = Request("PUT", collection_path("docs"), {}, {"vectors": {"size": 2, "distance": "Dot"}})
INDEX = Request(
    "PUT", collection_path("docs", "index"), {"wait": True}, {"field_name": "a", "field_schema": "keyword"}
)
UPSERT = Request("PUT", collection_path("docs", "points"), {}, {"points": [{"id": 1, "vector": [0.5, 1.0]}]})
SNAPSHOT = Request("POST", collection_path("docs", "snapshots"))


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder() as recorder:
        yield recorder


@pytest.fixture
def over_grpc() -> Iterator[GrpcRecorder]:
    with GrpcRecorder() as recorder:
        yield recorder


def with_timeout(request: Request, seconds: int) -> Request:
    return Request(request.method, request.path, {**request.query, "timeout": seconds}, request.body)


# --- the table --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "unsaid", "with_2", "with_900"),
    [
        (COUNT, 5, 2, 900),
        (Request("GET", collection_path("docs")), 5, 2, 900),
        (UPSERT, 60, 2, 900),
        (CREATE, 300, 300, 900),
        (INDEX, None, None, None),
        (SNAPSHOT, None, None, None),
    ],
)
def test_the_time_of_a_request_goes_by_what_it_asks(
    request_: Request, unsaid: float | None, with_2: float | None, with_900: float | None
) -> None:
    assert Timeouts().seconds_for(request_) == unsaid
    assert Timeouts(2).seconds_for(request_) == with_2
    assert Timeouts(900).seconds_for(request_) == with_900


def test_a_server_has_the_time_that_the_request_gives_it_and_we_wait_a_little_longer() -> None:
    for timeouts in (Timeouts(), Timeouts(2), Timeouts(900)):
        assert timeouts.seconds_for(with_timeout(COUNT, 30)) == 30 + GRACE
    assert Timeouts().seconds_for(with_timeout(CREATE, 30)) == 300
    assert Timeouts().seconds_for(with_timeout(CREATE, 1000)) == 1000 + GRACE


def test_nothing_that_changes_a_server_has_the_time_of_a_query() -> None:
    asking = ("scroll", "count", "facet", "query", "groups", "batch", "pairs", "offsets", "points")
    for call in CALLS:
        method, _, path = call.partition(" ")
        request = Request(method, path)
        if method == "GET" or (method == "POST" and request.route[1].rpartition("/")[2] in asking):
            continue
        assert kind_of(request) is not Kind.READ, call
    assert kind_of(Request("POST", collection_path("docs", "points", "batch"))) is Kind.WRITE


# --- what is kept -----------------------------------------------------------------------------------------


def timeouts_kept(backend: ClientBackend, request: Request) -> dict[str, Any]:
    """What httpx is told of a request."""
    kept: list[dict[str, Any]] = []

    def look(sent: httpx.Request, send: Any) -> Any:
        kept.append(sent.extensions["timeout"])
        return send(sent)

    backend._client.http.client.add_middleware(look)
    backend.call(request)
    return kept[0]


@pytest.mark.parametrize(
    ("request_", "seconds", "sent"),
    [
        (COUNT, 2.5, {}),
        (with_timeout(COUNT, 7), 9, {"timeout": "7"}),
        (CREATE, 300, {"timeout": "60"}),
        (INDEX, None, {"wait": "true"}),
    ],
)
def test_rest_keeps_the_time_of_each_request(
    server: HttpRecorder, request_: Request, seconds: float | None, sent: dict[str, str]
) -> None:
    backend = ClientBackend.connect(server.url, timeout=2.5)
    kept = timeouts_kept(backend, request_)
    assert (kept["read"], kept["connect"]) == (seconds, 2.5)
    assert server.last.query == sent
    backend.close()


def test_grpc_keeps_the_time_of_each_request(over_grpc: GrpcRecorder) -> None:
    backend = ClientBackend.connect(f"grpc://127.0.0.1:{over_grpc.port}")
    for request in (COUNT, CREATE, INDEX, UPSERT, SNAPSHOT):
        backend.call(request)
    times = over_grpc.times
    assert times["CreateFieldIndex"] is None and times["CreateSnapshot"] is None
    assert times["Count"] == pytest.approx(5, abs=1)
    assert times["Create"] == pytest.approx(300, abs=1)
    assert times["Upsert"] == pytest.approx(60, abs=1)
    backend.call(with_timeout(COUNT, 30))
    assert over_grpc.times["Count"] == pytest.approx(30 + GRACE, abs=1)
    backend.close()


# --- what is said -----------------------------------------------------------------------------------------


def caught(backend: ClientBackend, request: Request) -> QQLError:
    with pytest.raises(QQLError) as info:
        backend.call(request)
    backend.close()
    return info.value


def test_a_server_that_does_not_answer_in_time_is_told_alike_over_both_transports(
    server: HttpRecorder, over_grpc: GrpcRecorder
) -> None:
    released = Event()

    def stall(_: Received) -> Reply:
        released.wait(30)
        return ok(True)

    server.otherwise = stall
    over_grpc.answering.clear()
    grpc_url = f"grpc://127.0.0.1:{over_grpc.port}"
    errors = [caught(ClientBackend.connect(url, timeout=0.2), COUNT) for url in (server.url, grpc_url)]
    released.set()
    for error, url in zip(errors, (server.url, grpc_url), strict=True):
        assert (type(error), error.code, error.exit_code) == (QQLTimeoutError, "no-answer-in-time", 4)
        assert error.message == f"{url} did not answer within 0.2 s"
        assert "--timeout" in (error.hint or "") and "might have been made" not in (error.hint or "")


def test_after_a_write_the_error_says_that_it_may_have_been_made(server: HttpRecorder) -> None:
    released = Event()
    server.otherwise = lambda _: (released.wait(30), ok(True))[1]
    error = caught(ClientBackend.connect(server.url, timeout=0.2), UPSERT)
    released.set()
    assert error.code == "no-answer-in-time"
    assert "a change might have been made all the same" in (error.hint or "")


def test_a_server_that_gives_up_is_told_apart_and_ends_with_the_same_exit_code(server: HttpRecorder) -> None:
    server.otherwise = refused(408, "Timeout error: Operation 'Search' timed out after 1 seconds")
    error = caught(ClientBackend.connect(server.url), COUNT)
    assert (type(error), error.code, error.exit_code) == (QQLTimeoutError, "timed-out", 4)
    assert error.message.startswith("the server gave up: Timeout error: Operation")
    assert main(["--url", server.url, "-c", "COUNT FROM docs"]) == 4


# --- progress ---------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_FIRST", 0.005)
    monkeypatch.setattr(waiting, "_EACH", 0.005)


def test_what_takes_long_tells_how_long_it_takes(server: HttpRecorder, at_once: None) -> None:
    told: list[tuple[str, str, int, int | None]] = []
    twice = Event()

    def hear(what: str, done: int, total: int | None) -> None:
        told.append((str(what), getattr(what, "unit", ""), done, total))
        if len(told) == 2:
            twice.set()

    def build(received: Received) -> Reply:
        assert twice.wait(30)
        return sound(received)

    server.answers[("PUT", "/collections/docs/index")] = build
    server.otherwise = refused(404, "Not found: Collection `docs` doesn't exist!")
    with qql.connect(server.url, on_progress=hear) as session:
        session.backend.call(INDEX)
        count = len(told)
        assert set(told) == {("server: build the index docs", "s", 0, None)}
        server.otherwise = ok({"count": 1})
        session.backend.call(COUNT)
    assert len(told) == count >= 2


def test_a_fast_answer_and_a_query_tell_nothing(server: HttpRecorder) -> None:
    told: list[str] = []
    backend = ClientBackend.connect(server.url)
    backend.progress = lambda what, *_: told.append(what)
    for request in (INDEX, CREATE, COUNT):
        backend.call(request)
    assert told == []
    backend.close()


def test_a_timeout_that_cannot_be_is_refused() -> None:
    for timeout in (0, -1, float("nan"), float("inf")):
        with pytest.raises(QQLConnectionError) as info:
            Timeouts(timeout)
        assert info.value.code == "invalid-timeout"
