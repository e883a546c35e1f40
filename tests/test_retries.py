"""What fails and may pass is tried again, within one deadline; what is known of a change is said."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpcore
import pytest
from fault_proxy import Fault, FaultProxy
from grpc_recorder import served
from http_recorder import HttpRecorder
from qdrant_client import grpc as pb
from statement_routes import AROUND, KNOWN, STATEMENTS, params_of

import qql
from qql.backends.client import ClientBackend, deadlines, retries
from qql.errors import QQLConnectionError, QQLError, QQLTimeoutError
from qql.rest.repeats import harmless_again, reads
from qql.rest.request import BODY_MODELS, Request, collection_path

NOT_TWICE = {
    *("CREATE COLLECTION", "DROP COLLECTION", "ALTER COLLECTION docs ADD", "ALTER COLLECTION other DROP"),
    *("CREATE ALIAS", "CREATE SNAPSHOT", "DROP SNAPSHOT", "CREATE SHARD KEY", "DROP SHARD KEY"),
}
"""How the statements begin whose second time would be refused, or make a second thing."""
UNKNOWN = "it was sent, and no answer says whether it was carried out"


class Clock:
    """Time that goes by only where something is waited for."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(retries, "sleep", made.sleep)
    monkeypatch.setattr(deadlines, "monotonic", lambda: made.now)
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder(dict(AROUND)) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def shared_proxy(server: HttpRecorder) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as made:
        yield made


@pytest.fixture
def proxy(shared_proxy: FaultProxy, server: HttpRecorder) -> FaultProxy:
    shared_proxy.plan()
    server.answers = dict(AROUND)
    return shared_proxy


def post(*rest: str, body: dict[str, Any] | None = None) -> Request:
    return Request("POST", collection_path("docs", *rest), {}, body or {})


COUNT = post("points", "count")
UPSERT = Request("PUT", collection_path("docs", "points"), {}, {"points": [{"id": 1, "vector": [1, 0]}]})
CREATE = Request("PUT", collection_path("b"), {}, {"vectors": {"size": 2, "distance": "Dot"}})


def error_of(backend: ClientBackend, request: Request) -> QQLError:
    with pytest.raises(QQLError) as info:
        backend.call(request)
    return info.value


# --- every operation meets every fault --------------------------------------------------------------------

LASTING: list[Fault] = ["page", "truncated", "redirect"]
PASSING: list[Fault] = ["reset", "cut", "half", (500, ""), (502, ""), (503, "1")]


@pytest.mark.parametrize(("statement", "method", "path"), STATEMENTS, ids=lambda v: str(v)[:40])
def test_each_operation_meets_each_fault(
    proxy: FaultProxy, tmp_path: Path, statement: str, method: str, path: str
) -> None:
    line = f"{method} {path}"
    changes = method != "GET" and not reads(Request(method, path))
    once = any(statement.startswith(words) for words in NOT_TWICE) and changes
    for fault in (*PASSING, *LASTING):
        with qql.connect(proxy.url) as session:
            if line != "GET /collections/docs":
                session.schema("docs")
            proxy.plan(fault, only=line)
            try:
                session.execute(statement, params_of(statement, tmp_path))
            except QQLError as exc:
                assert once or fault in LASTING or statement.startswith("EXPLAIN"), (fault, exc)
                assert not changes or fault == "redirect" or UNKNOWN in exc.message, (fault, exc.message)
                assert proxy.seen.count(line) == 1
            else:
                assert not once and fault in PASSING, fault
                assert proxy.seen.count(line) >= 2
        (tmp_path / "dump.qql").unlink(missing_ok=True)


@pytest.mark.parametrize(("statement", "method", "path"), STATEMENTS, ids=lambda v: str(v)[:40])
def test_what_is_turned_away_is_sent_again_whatever_it_is(
    proxy: FaultProxy, tmp_path: Path, clock: Clock, statement: str, method: str, path: str
) -> None:
    with qql.connect(proxy.url) as session:
        if (method, path) != ("GET", "/collections/docs"):
            session.schema("docs")
        proxy.plan((429, "2"), only=f"{method} {path}")
        session.execute(statement, params_of(statement, tmp_path))
    assert proxy.faults == [] and len(clock.waits) == 1
    assert 2 <= clock.waits[0] < 2.1


# --- how often, and for how long --------------------------------------------------------------------------


def test_the_pauses_grow_and_differ(proxy: FaultProxy, clock: Clock) -> None:
    backend = ClientBackend.connect(proxy.url, retries=6, timeout=60)
    proxy.plan(*[(503, "")] * 6)
    assert backend.call(COUNT) == {"count": 0}
    assert len(proxy.seen) == 7 and len(set(clock.waits)) == 6
    most = [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert all(0.02 <= waited <= limit for waited, limit in zip(clock.waits, most, strict=True))
    backend.close()


@pytest.mark.parametrize(("given", "sent"), [(0, 1), (1, 2), (None, 4)])
def test_the_number_of_retries_is_said(proxy: FaultProxy, given: int | None, sent: int) -> None:
    proxy.plan(*["reset"] * 9)
    with qql.connect(proxy.url, retries=given) as session:
        error = error_of(session.backend, COUNT)  # type: ignore[arg-type]
    assert len(proxy.seen) == sent
    assert (error.code, error.exit_code) == ("connection-failed", 4)
    assert ("tried" in error.message) == (sent > 1) and (sent == 1 or f"tried {sent} times" in error.message)


@pytest.mark.parametrize("retries", [-1, 101, 1.5, True])
def test_retries_that_cannot_be(retries: Any) -> None:
    with pytest.raises(QQLConnectionError) as info:
        qql.connect("http://127.0.0.1:9", retries=retries)
    assert info.value.code == "invalid-retries"


def test_a_wait_beyond_the_deadline_is_not_begun(proxy: FaultProxy, clock: Clock) -> None:
    backend = ClientBackend.connect(proxy.url, timeout=3)
    proxy.plan((429, "7"))
    error = error_of(backend, COUNT)
    assert error.code == "rate-limited" and "7 s" in (error.hint or "") and "--timeout" in (error.hint or "")
    assert len(proxy.seen) == 1 and clock.waits == []
    backend.close()


def test_all_tries_have_one_deadline(proxy: FaultProxy, clock: Clock) -> None:
    backend = ClientBackend.connect(proxy.url, timeout=3, retries=50)
    proxy.plan(*[(429, "1")] * 50)
    assert error_of(backend, COUNT).code == "rate-limited"
    assert len(proxy.seen) == 3 and sum(clock.waits) < 3
    backend.close()


def test_a_date_may_say_when_to_come_back(
    proxy: FaultProxy, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qql.backends.client.setbacks.time.time", lambda: 1445412479.0)
    backend = ClientBackend.connect(proxy.url)
    proxy.plan((429, "Wed, 21 Oct 2015 07:28:01 GMT"), (429, "soon"))
    backend.call(COUNT)
    assert 2 <= clock.waits[0] < 2.2 and clock.waits[1] < 0.5
    backend.close()


def test_who_comes_up_meanwhile_is_reached(server: HttpRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    late: list[socket.socket] = []
    proxy = FaultProxy(server.port)
    proxy._listener.close()

    def come_up(_: float) -> None:
        if not late:
            late.append(socket.create_server(("127.0.0.1", port)))
            proxy._listener = late[0]
            proxy._thread.start()

    monkeypatch.setattr(retries, "sleep", come_up)
    backend = ClientBackend.connect(f"http://127.0.0.1:{port}")
    backend.call(CREATE)  # nothing was sent before, so this is harmless too
    assert proxy.seen == ["PUT /collections/b"]
    proxy.__exit__()
    backend.close()


def test_ctrl_c_ends_a_wait(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(retries, "sleep", interrupted)
    backend = ClientBackend.connect(proxy.url)
    proxy.plan((503, ""))
    with pytest.raises(KeyboardInterrupt):
        backend.call(COUNT)
    assert len(proxy.seen) == 1
    backend.close()


# --- what is known ----------------------------------------------------------------------------------------


def test_a_change_says_what_became_of_it(proxy: FaultProxy) -> None:
    def after(request: Request, *faults: Fault, times: int = 3) -> QQLError:
        backend = ClientBackend.connect(proxy.url, retries=times)
        proxy.plan(*faults)
        error = error_of(backend, request)
        backend.close()
        return error

    cut = after(UPSERT, *["cut"] * 4)
    assert f"({UNKNOWN}; tried 4 times)" in cut.message and "harmless to run it again" in (cut.hint or "")
    created = after(CREATE, "cut")
    assert f"({UNKNOWN})" in created.message and "harmless" not in (created.hint or "")
    turned_away = after(CREATE, *[(429, "")] * 4)
    assert "(nothing was changed; tried 4 times)" in turned_away.message
    refused = after(UPSERT, "cut", (400, ""))
    assert refused.code == "server-refused" and UNKNOWN in refused.message  # by the first of them
    at_once = after(UPSERT, (400, ""))
    assert at_once.message == "the server refused the request: busy"
    read = after(COUNT, *["cut"] * 4)
    assert UNKNOWN not in read.message and "tried 4 times" in read.message


def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    backend = ClientBackend.connect(f"http://127.0.0.1:{port}")
    error = error_of(backend, CREATE)
    assert "(nothing was sent; tried 4 times)" in error.message
    assert "is the server running" in (error.hint or "")
    backend.close()


def test_the_command_takes_a_number(proxy: FaultProxy, capsys: pytest.CaptureFixture[str]) -> None:
    from qql.cli import main

    proxy.plan(*["reset"] * 9)
    code = main(["run", "-c", "SHOW COLLECTIONS", "--url", proxy.url, "--retries", "1"])
    assert code == 4 and len(proxy.seen) == 2
    assert "tried 2 times" in capsys.readouterr().err


# --- which may be sent twice ------------------------------------------------------------------------------


def batch(*operations: dict[str, Any]) -> Request:
    return post("points", "batch", body={"operations": list(operations)})


def test_every_route_says_whether_it_may_be_sent_twice() -> None:
    twice = {route for route in BODY_MODELS if harmless_again(Request(route[0], _path(route)))}
    assert twice == set(BODY_MODELS) - {
        *[("PUT", ""), ("PUT", "vectors/*"), ("POST", "/collections/aliases"), ("POST", "points/batch")],
        *[("PUT", "shards"), ("POST", "shards/delete"), ("PUT", "snapshots/recover")],
    }


def _path(route: tuple[str, str]) -> str:
    rest = route[1].replace("*", "x")
    return rest if rest.startswith("/") else f"/collections/docs/{rest}".rstrip("/")


def test_a_batch_may_be_sent_twice_where_it_says_what_points_are() -> None:
    upsert, delete = {"upsert": {"points": [{"id": 1}]}}, {"delete": {"points": [1]}}
    assert harmless_again(batch(upsert, delete, upsert))
    guarded = {"upsert": {"points": [{"id": 1}], "update_filter": {}}}
    by_filter = {"delete": {"filter": {}}}
    payload = {"set_payload": {"points": [1], "payload": {}}}  # of a point that the next one deletes
    for operation in (guarded, by_filter, payload):
        assert not harmless_again(batch(upsert, operation))


# --- one deadline for all of an answer --------------------------------------------------------------------


class Dripping(httpcore.NetworkBackend):
    """Each byte of an answer takes its time."""

    def __init__(self, answer: bytes, pause: float, clock: Clock) -> None:
        self.answer, self.pause, self.clock = answer, pause, clock
        self.given = 0

    def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        outer = self

        class Stream(httpcore.NetworkStream):
            def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
                assert timeout is not None
                if timeout < outer.pause:
                    outer.clock.now += timeout
                    raise httpcore.ReadTimeout("timed out")
                outer.clock.now += outer.pause
                outer.given += 1
                return outer.answer[outer.given - 1 : outer.given]

            def write(self, buffer: bytes, timeout: float | None = None) -> None:
                pass

            def close(self) -> None:
                pass

            def get_extra_info(self, info: str) -> Any:
                return None

        return Stream()


def dripping(monkeypatch: pytest.MonkeyPatch, pause: float, clock: Clock, **options: Any) -> Any:
    body = b'{"result": {"count": 7}, "time": 0}'
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    drip = Dripping(answer, pause, clock)
    monkeypatch.setattr("httpcore._sync.connection_pool.SyncBackend", lambda: drip)
    return ClientBackend.connect("http://127.0.0.1:6333", **options), drip


@pytest.mark.parametrize("pause", [0.1, 0.5, 1.9])
def test_a_drip_ends_by_the_deadline(monkeypatch: pytest.MonkeyPatch, clock: Clock, pause: float) -> None:
    backend, drip = dripping(monkeypatch, pause, clock, timeout=2)
    began = clock.now
    error = error_of(backend, COUNT)
    assert (type(error), error.code) == (QQLTimeoutError, "no-answer-in-time")
    assert clock.now - began <= 2.01 and drip.given >= 1
    backend.close()


def test_a_drip_that_ends_in_time_is_an_answer(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    backend, _ = dripping(monkeypatch, 0.01, clock, timeout=2)
    assert backend.call(COUNT) == {"count": 7}
    backend.close()


def test_much_may_take_longer_where_no_timeout_is_said(clock: Clock) -> None:
    generous, strict = deadlines.Deadline(5, generous=True), deadlines.Deadline(5)
    for one in (generous, strict):
        one.arrived(10 * 2**20)
    clock.now += 6
    assert generous.left() == pytest.approx(9) and strict.left() == 0


# --- gRPC -------------------------------------------------------------------------------------------------


class Spoiler(grpc.GenericRpcHandler):
    """Aborts calls of one method as planned, and answers the others."""

    def __init__(self) -> None:
        self.faults: list[tuple[grpc.StatusCode, str, str]] = []
        self.calls: list[str] = []
        update = pb.UpdateResult(operation_id=1, status=pb.UpdateStatus.Completed)
        self.answers = {
            "Get": KNOWN,
            "Count": pb.CountResponse(result=pb.CountResult(count=7)).SerializeToString(),
            "Upsert": pb.PointsOperationResponse(result=update).SerializeToString(),
            "Create": pb.CollectionOperationResponse(result=True).SerializeToString(),
            "List": pb.ListCollectionsResponse().SerializeToString(),
        }

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]

        def answer(_: bytes, context: Any) -> bytes:
            self.calls.append(name)
            if self.faults:
                code, words, after = self.faults.pop(0)
                context.set_trailing_metadata((("retry-after", after),) if after else ())
                context.abort(code, words)
            return self.answers[name]

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture(scope="module")
def spoiler() -> Iterator[tuple[Spoiler, str]]:
    handler = Spoiler()
    with served(handler) as url:
        yield handler, url


CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("request_", "fault", "calls", "said"),
    [
        (COUNT, (CODE.UNAVAILABLE, "Socket closed", ""), 2, None),
        (COUNT, (CODE.INTERNAL, "Received RST_STREAM with error code 2", ""), 2, None),
        (COUNT, (CODE.RESOURCE_EXHAUSTED, "slow down", "1"), 2, None),
        (COUNT, (CODE.INVALID_ARGUMENT, "no", ""), 1, "no"),
        (UPSERT, (CODE.UNAVAILABLE, "Socket closed", ""), 2, None),
        (UPSERT, (CODE.INVALID_ARGUMENT, "bad vector", ""), 1, "the server refused the request: bad vector"),
        (CREATE, (CODE.UNAVAILABLE, "Socket closed", ""), 1, UNKNOWN),
        (CREATE, (CODE.UNAVAILABLE, "failed to connect to all addresses", ""), 2, None),
        (CREATE, (CODE.RESOURCE_EXHAUSTED, "slow down", "1"), 2, None),
        (CREATE, (CODE.INTERNAL, "panic", ""), 1, UNKNOWN),
        (CREATE, (CODE.RESOURCE_EXHAUSTED, "slow down", "3600"), 1, "slow down"),
    ],
)
def test_over_grpc(
    spoiler: tuple[Spoiler, str], clock: Clock, request_: Request, fault: Any, calls: int, said: str | None
) -> None:
    handler, address = spoiler
    backend = ClientBackend.connect(address)
    handler.faults, handler.calls[:] = [fault], []
    if said is None:
        backend.call(request_)
    else:
        assert said in error_of(backend, request_).message
    assert len(handler.calls) == calls == len(clock.waits) + 1
    if fault[2] == "1":
        assert 1 <= clock.waits[0] < 1.1
    backend.close()


def test_grpc_without_a_server_says_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    backend = ClientBackend.connect(f"grpc://127.0.0.1:{port}")
    error = error_of(backend, CREATE)
    assert (type(error), error.code) == (QQLConnectionError, "connection-failed")
    assert "nothing was sent; tried 4 times" in error.message
    backend.close()


# --- COPY -------------------------------------------------------------------------------------------------


def test_a_copy_outlives_a_reset_and_a_429(
    proxy: FaultProxy, server: HttpRecorder, tmp_path: Path, clock: Clock
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"id": {at}, "vector": [1, 0]}}\n' for at in range(50)))
    line = "PUT /collections/docs/points"
    with qql.connect(proxy.url) as session:
        proxy.plan(None, "cut", (429, "1"), None, "half", None, "reset", only=line)
        result = session.execute("COPY docs FROM :rows BATCH 10", {"rows": str(rows)})
    assert result.message == "copied 50 rows into docs"
    assert proxy.seen.count(line) == 9
