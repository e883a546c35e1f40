"""Qdrant servers over REST and gRPC, and qdrant-client's local mode."""

from __future__ import annotations

import inspect
import json
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
from grpc_recorder import collection_config
from http_recorder import HttpRecorder, Reply, ok, refused
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client import grpc as pb

from qql.backends.client import ClientBackend
from qql.backends.client.routes import ROUTES
from qql.errors import QQLConnectionError, QQLError, QQLExecutionError, QQLTimeoutError, QQLUnsupportedError
from qql.rest.request import BODY_MODELS, Request, collection_path

pytestmark = pytest.mark.usefixtures("no_proxy")

KEY = "s3cret-key"
UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
LIST = Request("GET", "/collections")


def docs(
    method: str, *rest: str, body: dict[str, Any] | None = None, query: dict[str, Any] | None = None
) -> Request:
    return Request(method, collection_path("docs", *rest), query or {}, body)


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder() as recorder:
        yield recorder


@pytest.fixture
def backend(server: HttpRecorder) -> Iterator[ClientBackend]:
    made = ClientBackend.connect(server.url, api_key=KEY, retries=0)
    yield made
    made.close()


def caught(backend: ClientBackend, request: Request = LIST) -> QQLError:
    with pytest.raises(QQLError) as info:
        backend.call(request)
    return info.value


# --- REST: what a server receives -------------------------------------------------------------------------

HYBRID = {
    "prefetch": [
        {
            "prefetch": [
                {
                    "query": [0.1, 0.2, 0.3],
                    "using": "dense",
                    "limit": 200,
                    "filter": {"must": [{"key": "a", "match": {"value": 1}}]},
                },
                {
                    "query": {"text": "running shoes", "model": "Qdrant/bm25"},
                    "using": "sparse",
                    "limit": 200,
                },
            ],
            "query": {"rrf": {"k": 20, "weights": [0.6, 0.4]}},
            "limit": 100,
        }
    ],
    "query": [[0.1, 0.2], [0.3, 0.4]],
    "using": "colbert",
    "limit": 10,
    "with_payload": True,
    "a_field_of_next_year": {"kept": None},
}
CREATE = {
    "vectors": {
        "dense": {
            "size": 384,
            "distance": "Cosine",
            "hnsw_config": {"m": 16},
            "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99}},
        }
    },
    "sparse_vectors": {"sparse": {"modifier": "idf"}},
    "hnsw_config": {"m": 0},
    "optimizers_config": {"indexing_threshold": 100},
    "wal_config": {"wal_capacity_mb": 64},
    "strict_mode_config": {"enabled": True},
    "shard_number": 2,
    "metadata": {"qql": {"models": {"dense": "m"}}},
}
UPSERT = {
    "points": [
        {"id": 2**64 - 1, "vector": {"dense": [0.1, 1e-7, 123456.789]}, "payload": {"a": None, "é": 0.1}},
        {"id": UUID, "vector": {"sparse": {"indices": [1, 4294967295], "values": [0.5, 0.25]}}},
    ]
}


@pytest.mark.parametrize(
    ("request_", "path", "query"),
    [
        (docs("POST", "points", "query", body=HYBRID), "/collections/docs/points/query", {}),
        (
            docs("PUT", "points", body=UPSERT, query={"wait": True, "ordering": "strong", "timeout": None}),
            "/collections/docs/points",
            {"wait": "true", "ordering": "strong"},
        ),
        (docs("PUT", body=CREATE, query={"timeout": 60}), "/collections/docs", {"timeout": "60"}),
        (
            docs("POST", "points", "scroll", body={"limit": 3, "offset": 7}, query={"consistency": 2}),
            "/collections/docs/points/scroll",
            {"consistency": "2"},
        ),
        (docs("POST", "points", "count", body={"exact": False}), "/collections/docs/points/count", {}),
        (
            docs("POST", "points", "delete", body={"filter": {"must": []}}, query={"wait": False}),
            "/collections/docs/points/delete",
            {"wait": "false"},
        ),
        (docs("GET"), "/collections/docs", {}),
        (docs("DELETE", "index", "tags%5B%5D.a"), "/collections/docs/index/tags%5B%5D.a", {}),
        (Request("PUT", "/quotas", {}, {"enabled": True}), "/quotas", {}),
        (
            Request("POST", "/collections/aliases", {}, {"actions": [{"delete_alias": {"alias_name": "a"}}]}),
            "/collections/aliases",
            {"timeout": "60"},  # that the nodes of a cluster have to agree
        ),
        (
            docs("PUT", "vectors", "a%2Fb", body={"dense": {"size": 4, "distance": "Dot"}}),
            "/collections/docs/vectors/a%2Fb",
            {},
        ),
        (
            docs("PUT", "snapshots", "recover", body={"location": "file:///x"}, query={"wait": "true"}),
            "/collections/docs/snapshots/recover",
            {"wait": "true"},
        ),
    ],
)
def test_a_server_receives_the_request_as_it_was_compiled(
    backend: ClientBackend, server: HttpRecorder, request_: Request, path: str, query: dict[str, str]
) -> None:
    before = json.dumps(request_.body)
    backend.call(request_)
    got = server.last
    assert (got.method, got.path, got.query) == (request_.method, path, query)
    assert got.body == request_.body
    assert json.dumps(got.body) == before == json.dumps(request_.body)
    assert got.headers["api-key"] == KEY
    assert got.headers.get("content-type") == (None if request_.body is None else "application/json")
    assert [one.path for one in server.received if one.path != "/"] == [path]  # "/" tells the version


def test_numbers_arrive_digit_by_digit(backend: ClientBackend, server: HttpRecorder) -> None:
    backend.call(docs("PUT", "points", body=UPSERT))
    assert b'"id":18446744073709551615' in server.last.raw
    assert b"[0.1,1e-7,123456.789]" in server.last.raw


@pytest.mark.parametrize("name", ["a/b", "grün", "50% {x}", "a?b#c", "%2F", "a b"])
def test_a_name_stays_one_segment_of_the_path(
    backend: ClientBackend, server: HttpRecorder, name: str
) -> None:
    request = Request("GET", collection_path(name))
    backend.call(request)
    assert server.last.path == request.path
    assert httpx.URL(server.url + server.last.path).path == f"/collections/{name}"


def test_dots_do_not_climb_to_another_resource(backend: ClientBackend, server: HttpRecorder) -> None:
    for path in ("/collections/docs/index/..", "/collections/.", "/collections/%2E%2E"):
        assert caught(backend, Request("DELETE", path)).code == "invalid-name"
    assert server.received == []


def test_the_prefix_of_an_address_and_own_headers_are_kept(server: HttpRecorder) -> None:
    backend = ClientBackend.connect(f"{server.url}/qdrant/v1/", headers={"X-Team": "search"})
    backend.call(docs("GET"))
    assert server.last.path == "/qdrant/v1/collections/docs"
    assert server.last.headers["x-team"] == "search"
    assert "api-key" not in server.last.headers
    backend.close()


def test_deep_bodies_and_large_integers_go_out(backend: ClientBackend, server: HttpRecorder) -> None:
    body: dict[str, Any] = {"must": [{"key": "n", "match": {"value": 2**70}}]}
    for _ in range(200):  # deeper than orjson goes
        body = {"must_not": [body]}
    backend.call(docs("POST", "points", "count", body={"filter": body}))
    assert server.last.body == {"filter": body}


@pytest.mark.parametrize(
    "body",
    [
        {"query": [0.1, float("nan")]},
        {"query": {"indices": [1], "values": [float("inf")]}},
        {"payload": {1: "a"}},
        {"payload": {"a": None, "b": {2: 3}}},
        {"payload": {"a": object()}},
    ],
)
def test_what_json_cannot_say_is_not_sent(backend: ClientBackend, server: HttpRecorder, body: Any) -> None:
    body["none"] = None
    assert caught(backend, docs("POST", "points", "query", body=body)).code == "invalid-value"
    assert server.received == []


def test_the_result_comes_back_as_it_is(backend: ClientBackend, server: HttpRecorder) -> None:
    result = {"points": [{"id": 2**64 - 1, "score": 0.1, "payload": {"a": None}, "newer": [1]}]}
    server.otherwise = ok(result)
    assert backend.call(docs("POST", "points", "query", body={})) == result
    server.otherwise = Reply({"result": None, "status": "acknowledged"}, status=202)
    assert backend.call(docs("POST", "snapshots", query={"wait": False})) is None


# --- REST: refusals and losses ----------------------------------------------------------------------------

QUOTA = (
    "Disk usage is at 91% of total capacity, exceeding the configured limit of 90%. Help: Reduce disk usage"
)
STRICT = 'Forbidden: Limit exceeded 100 > 10 for "limit". Help: Reduce the "limit" parameter.'
MISSING = refused(404, "Not found: Collection `my docs` doesn't exist!")


@pytest.mark.parametrize(
    ("reply", "kind", "code", "message", "hint"),
    [
        (refused(401, "Must provide an API key"), QQLConnectionError, "not-authorised", "Must", "--api-key"),
        (Reply(b"<b>no</b>", 403), QQLConnectionError, "not-authorised", "<b>no</b>", "QDRANT_API_KEY"),
        (Reply(b"Invalid key", 401), QQLConnectionError, "not-authorised", "this: Invalid key", "--api-key"),
        (Reply(b"", 403), QQLConnectionError, "not-authorised", "status 403", "QDRANT_API_KEY"),
        (MISSING, QQLExecutionError, "unknown-collection", "`my docs` does not exist", "SHOW COLLECTIONS"),
        (refused(404, "Not found: No point with id 5 found"), QQLExecutionError, "unknown-point", "id 5", ""),
        (refused(404, "Not found: Snapshot x"), QQLExecutionError, "unknown-snapshot", "Snapshot x", "SHOW"),
        (
            refused(404, "Not found: Alias a does not exists!"),
            QQLExecutionError,
            "unknown-alias",
            "Alias a",
            "SHOW ALIASES",
        ),
        (
            refused(404, "Not found: Collection `snapshot of alias` doesn't exist!"),
            QQLExecutionError,
            "unknown-collection",
            "`snapshot of alias` does not exist",
            "SHOW COLLECTIONS",
        ),
        (refused(404, "Not found: something"), QQLExecutionError, "not-found", "something", None),
        (Reply(b"", 404), QQLUnsupportedError, "unsupported-operation", "does not know GET", "too old"),
        (refused(408, "Timeout error"), QQLTimeoutError, "timed-out", "Timeout error", "timeout"),
        (
            refused(500, "Waiting for consensus operation commit failed. Timeout set at: 10 seconds"),
            QQLTimeoutError,
            "timed-out",
            "the server gave up",
            "timeout",
        ),
        (refused(409, "Collection `d` already exists!"), QQLExecutionError, "collection-exists", "`d`", "IF"),
        (refused(413, "Payload"), QQLExecutionError, "too-large", "Payload", "fewer points"),
        (refused(400, "Wrong input: bad x"), QQLExecutionError, "server-refused", "Wrong input: bad x", None),
        (refused(422, "Unprocessable"), QQLExecutionError, "server-refused", "Unprocessable", None),
        (refused(429, "slow", Retry_After="7"), QQLExecutionError, "rate-limited", "slow", "7 s"),
        (refused(429, "slow"), QQLExecutionError, "rate-limited", "slow", "later"),
        (refused(429, "slow", Retry_After="Wed"), QQLExecutionError, "rate-limited", "Wed", "later"),
        (refused(500, "Service internal error"), QQLExecutionError, "server-error", "internal error", "log"),
        (refused(507, QUOTA), QQLExecutionError, "quota-full", "Disk usage is at 91%", "SHOW QUOTAS"),
        (refused(507, "full"), QQLExecutionError, "quota-full", "full", "SET QUOTA"),
        (refused(403, STRICT), QQLExecutionError, "server-refused", "Limit exceeded", "STRICT_MODE"),
        (refused(400, STRICT), QQLExecutionError, "server-refused", "Limit exceeded", "STRICT_MODE"),
        (
            refused(400, "Bad request: Distributed mode disabled"),
            QQLUnsupportedError,
            "no-cluster",
            "runs alone, not in cluster mode",
            "QDRANT__CLUSTER__ENABLED",
        ),
        (refused(503, "Starting"), QQLExecutionError, "server-error", "Starting", "log"),
        (Reply(b"<html>Bad Gateway", 502), QQLExecutionError, "server-error", "502 and not JSON: <", "proxy"),
        (Reply(b"<html>hello", 200), QQLExecutionError, "server-error", "not JSON: <html>", "proxy"),
        (Reply(b"<html>gone", 404), QQLExecutionError, "server-error", "not JSON: <html>", "proxy"),
        (Reply(b"", 200), QQLExecutionError, "server-error", "an empty body", "proxy"),
        (Reply(b"", 204), QQLExecutionError, "server-error", "204 and an empty body", "proxy"),
        (Reply(b'"\xff\xfa"'), QQLExecutionError, "server-error", "not JSON", "proxy"),
        (Reply({"hello": 1}), QQLExecutionError, "server-error", 'not as Qdrant does: {"hello": 1}', "proxy"),
        (Reply([1]), QQLExecutionError, "server-error", "not as Qdrant does: [1]", "proxy"),
        (Reply(b'{"result": [1', 200), QQLExecutionError, "server-error", "not JSON", "proxy"),
        (
            Reply(b"", 302, {"Location": "https://u:pw@elsewhere/x?token=1"}),
            QQLConnectionError,
            "redirected",
            "redirect to https://***@elsewhere/x, which",
            "--url",
        ),
        (
            Reply(b'{"result": [1', 200, announce=1000),
            QQLConnectionError,
            "connection-failed",
            "broke off",
            "TLS",
        ),
        (
            Reply(b"no gzip at all", 200, {"Content-Encoding": "gzip"}),
            QQLConnectionError,
            "connection-failed",
            "cannot be read",
            "proxy",
        ),
    ],
)
def test_each_refusal_has_its_error(
    backend: ClientBackend,
    server: HttpRecorder,
    reply: Reply,
    kind: type[QQLError],
    code: str,
    message: str,
    hint: str | None,
) -> None:
    server.otherwise = reply
    error = caught(backend)
    assert (type(error), error.code) == (kind, code)
    assert message in error.message
    assert (error.hint is None) if hint is None else (hint in (error.hint or ""))


def test_a_servers_words_cannot_drive_a_terminal(backend: ClientBackend, server: HttpRecorder) -> None:
    server.otherwise = refused(400, "bad \x1b[2J\r\n\u202e" + "x" * 10_000)
    message = caught(backend).message
    assert message.isprintable()
    assert len(message) < 4100


def test_a_key_is_never_shown(server: HttpRecorder) -> None:
    headers = {"Authorization": "Bearer t0ken-t0ken"}
    backend = ClientBackend.connect(server.url, api_key=KEY, headers=headers, retries=0)
    for reply in (
        refused(400, f"you sent {KEY} and t0ken-t0ken"),
        refused(429, KEY, Retry_After="3"),
        Reply(KEY.encode(), 200),
        Reply({"echo": KEY}),
        Reply(b"", 301, {"Location": f"http://x/{KEY}"}),
    ):
        server.otherwise = reply
        error = caught(backend)
        chain: BaseException | None = error
        while chain is not None:
            shown = f"{chain} {chain!r}"
            assert KEY not in shown and "t0ken" not in shown
            chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    assert KEY not in repr(backend) + str(backend)
    backend.close()


def test_nobody_listens() -> None:
    with HttpRecorder() as gone:
        address = gone.url
    backend = ClientBackend.connect(address, api_key=KEY)
    error = caught(backend)
    assert (type(error), error.code) == (QQLConnectionError, "connection-failed")
    assert f"{address} cannot be reached" in error.message and KEY not in str(error)
    assert "is the server running" in (error.hint or "") and "--url" in (error.hint or "")
    assert str(error.__cause__).startswith("ConnectError: ")
    backend.close()


def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fail)
    backend = ClientBackend.connect("http://db.example")
    error = caught(backend)
    assert error.code == "connection-failed"
    assert error.message == ("http://db.example:6333 cannot be reached: [Errno -2] Name or service not known")
    backend.close()


def test_tls_against_a_plain_server(server: HttpRecorder) -> None:
    backend = ClientBackend.connect(server.url.replace("http:", "https:"))
    error = caught(backend)
    assert (error.code, type(error)) == ("connection-failed", QQLConnectionError)
    assert "plain http://" in (error.hint or "")
    backend.close()


def test_an_exchange_that_fails_in_another_way(backend: ClientBackend) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("middleware broke")

    backend._client.http.client.add_middleware(fail)
    error = caught(backend)
    assert (error.code, type(error)) == ("client-error", QQLExecutionError)
    assert "middleware broke" in error.message


# --- connecting -------------------------------------------------------------------------------------------


def test_connecting_sends_nothing_and_warns_of_nothing(server: HttpRecorder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backend = ClientBackend.connect(server.url, api_key=KEY, headers={"User-Agent": "mine"})
    assert server.received == []
    assert backend.name == "server"
    assert any("User-Agent" in note for note in backend.take_notes())  # qdrant-client sets its own
    assert backend.take_notes() == []
    backend.close()
    backend.close()
    assert caught(backend).code == "connection-closed"


def test_a_key_over_plain_http_is_noted() -> None:
    near, far = (
        ClientBackend.connect("http://127.0.0.1", api_key=KEY),
        ClientBackend.connect("http://db.example", api_key=KEY),
    )
    assert near.take_notes() == []
    (note,) = far.take_notes()
    assert "unencrypted" in note and KEY not in note
    assert ClientBackend.connect("https://db.example", api_key=KEY).take_notes() == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://db.example", "http://db.example:6333"),
        ("https://db.example:443/prefix/", "https://db.example:443/prefix"),
        ("http://[::1]:7000", "http://[::1]:7000"),
        ("grpc://db.example", "grpc://db.example:6334"),
        ("grpcs://[::1]:7000", "grpcs://[::1]:7000"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert repr(ClientBackend.connect(url)) == f"ClientBackend(server, {shown})"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:6333", "requires http://"),
        ("ftp://x", "requires http://"),
        ("http://", "requires http://"),
        ("http://x:99999", "cannot be read"),
        ("http://user:hunter2@x", "http://***@x holds a user name or a password"),
        ("https://x/?api-key=hunter2", "the address https://x/ holds a `?`"),
        ("grpc://x/path", "a path"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, said: str) -> None:
    with pytest.raises(QQLConnectionError) as info:
        ClientBackend.connect(url)
    assert info.value.code == "invalid-url"
    assert said in info.value.message
    assert "hunter2" not in str(info.value)


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}\u2019"])
def test_a_key_that_cannot_be_a_header(key: str) -> None:
    with pytest.raises(QQLConnectionError) as info:
        ClientBackend.connect("https://x", api_key=key)
    assert info.value.code == "invalid-header"
    assert KEY not in str(info.value) + repr(info.value)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_cannot_be(timeout: float) -> None:
    with pytest.raises(QQLConnectionError) as info:
        ClientBackend.connect("http://x", timeout=timeout)
    assert info.value.code == "invalid-timeout"


def test_a_wrapped_client_stays_open(server: HttpRecorder) -> None:
    client = QdrantClient(server.url, check_compatibility=False)
    backend = ClientBackend(client)
    backend.close()
    server.otherwise = ok({"exists": True})
    assert client.collection_exists("docs")
    assert caught(backend).code == "connection-closed"
    client.close()


def test_a_client_of_another_kind_is_refused() -> None:
    with pytest.raises(QQLConnectionError) as info:
        ClientBackend(AsyncQdrantClient(":memory:"))  # type: ignore[arg-type]
    assert info.value.code == "unsupported-client"


def test_the_server_says_its_version_once(backend: ClientBackend, server: HttpRecorder) -> None:
    server.otherwise = refused(503, "starting")
    assert backend.server_version() is None
    server.otherwise = Reply({"title": "qdrant - vector search engine", "version": "1.19.0"})
    assert backend.server_version() == "1.19.0"
    assert (server.last.method, server.last.path) == ("GET", "/")
    count = len(server.received)
    assert backend.server_version() == "1.19.0"
    assert len(server.received) == count


def test_which_models_the_engine_turns_into_vectors() -> None:
    remote = ClientBackend.connect("http://x")
    assert [remote.infers(m) for m in ("qdrant/bm25", "Qdrant/BM25", "other/model")] == [True, True, False]
    assert ClientBackend.connect("http://x", cloud_inference=True).infers("other/model")
    wrapped = QdrantClient("http://x", check_compatibility=False)
    assert ClientBackend(wrapped, cloud_inference=True).infers("other/model")
    assert not ClientBackend(QdrantClient(":memory:")).infers("qdrant/bm25")


def test_local_mode_has_nothing_to_optimize() -> None:
    with pytest.raises(QQLUnsupportedError, match="without indexes") as info:
        ClientBackend(QdrantClient(":memory:")).optimize("docs")
    assert info.value.hint


def test_the_engines_package_does_not_import_the_library() -> None:
    code = "import sys, qql.backends, qql.backends.recording; sys.exit('qdrant_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


DROP_KEY = docs("POST", "shards", "delete", body={"shard_key": "a"})

# --- gRPC -------------------------------------------------------------------------------------------------


class Points(pb.PointsServicer):
    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls
        self.fail: tuple[grpc.StatusCode, str] | None = None
        self.trailing: tuple[tuple[str, str], ...] = ()

    def _keep(self, request: Any, context: Any) -> None:
        self.calls.append((request, dict(context.invocation_metadata())))
        if self.fail:
            context.set_trailing_metadata(self.trailing)
            context.abort(*self.fail)

    def Query(self, request: Any, context: Any) -> Any:
        self._keep(request, context)
        point = pb.ScoredPoint(
            id=pb.PointId(uuid=UUID), score=0.5, version=3, payload={"a": pb.Value(null_value=0)}
        )
        return pb.QueryResponse(result=[point], time=0.1)

    def Upsert(self, request: Any, context: Any) -> Any:
        self._keep(request, context)
        result = pb.UpdateResult(operation_id=4, status=pb.UpdateStatus.Acknowledged)
        return pb.PointsOperationResponse(result=result)

    def Scroll(self, request: Any, context: Any) -> Any:
        self._keep(request, context)
        point = pb.RetrievedPoint(id=pb.PointId(num=2**64 - 1), order_value=pb.OrderValue(int=2**53 + 1))
        return pb.ScrollResponse(result=[point], next_page_offset=pb.PointId(num=9))

    def Count(self, request: Any, context: Any) -> Any:
        self._keep(request, context)
        return pb.CountResponse(result=pb.CountResult(count=12))

    def CreateVectorName(self, request: Any, context: Any) -> Any:
        return self.Upsert(request, context)

    def DeleteVectorName(self, request: Any, context: Any) -> Any:
        return self.Upsert(request, context)


class Collections(pb.CollectionsServicer):
    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def Get(self, request: Any, context: Any) -> Any:
        self.calls.append((request, {}))
        config = collection_config(4, "Cosine")
        info = pb.CollectionInfo(
            status=pb.CollectionStatus.Green,
            optimizer_status=pb.OptimizerStatus(ok=True),
            points_count=7,
            segments_count=1,
            config=config,
        )
        return pb.GetCollectionInfoResponse(result=info)

    def UpdateAliases(self, request: Any, context: Any) -> Any:
        self.calls.append((request, {}))
        return pb.CollectionOperationResponse(result=True)

    def ListShardKeys(self, request: Any, context: Any) -> Any:
        self.calls.append((request, {}))
        keys = [pb.ShardKeyDescription(key=pb.ShardKey(keyword="eu"))]
        return pb.ListShardKeysResponse(shard_keys=keys)


class Snapshots(pb.SnapshotsServicer):
    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def Create(self, request: Any, context: Any) -> Any:
        self.calls.append((request, {}))
        made = pb.SnapshotDescription(name="a.snapshot", size=3, checksum="00")
        return pb.CreateSnapshotResponse(snapshot_description=made)

    def Delete(self, request: Any, context: Any) -> Any:
        self.calls.append((request, {}))
        return pb.DeleteSnapshotResponse()


class Root(pb.QdrantServicer):
    def HealthCheck(self, request: Any, context: Any) -> Any:
        return pb.HealthCheckReply(title="qdrant - vector search engine", version="1.19.1")


class GrpcServer:
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.points = Points(self.calls)
        self._pool = ThreadPoolExecutor(2)
        self._server = grpc.server(self._pool)
        pb.add_PointsServicer_to_server(self.points, self._server)
        pb.add_CollectionsServicer_to_server(Collections(self.calls), self._server)
        pb.add_SnapshotsServicer_to_server(Snapshots(self.calls), self._server)
        pb.add_QdrantServicer_to_server(Root(), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def message(self) -> Any:
        return self.calls[-1][0]

    def stop(self) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()


@pytest.fixture(scope="module")
def grpc_server() -> Iterator[GrpcServer]:
    server = GrpcServer()
    yield server
    server.stop()


@pytest.fixture
def over_grpc(grpc_server: GrpcServer) -> Iterator[ClientBackend]:
    grpc_server.points.fail = None
    grpc_server.points.trailing = ()
    grpc_server.calls.clear()
    address = f"grpc://127.0.0.1:{grpc_server.port}"
    backend = ClientBackend.connect(address, api_key=KEY, timeout=10, retries=0)
    yield backend
    backend.close()


def test_grpc_sends_a_nested_query(over_grpc: ClientBackend, grpc_server: GrpcServer) -> None:
    body = {
        "prefetch": [
            {
                "prefetch": [
                    {
                        "query": [0.5, 0.25],
                        "using": "dense",
                        "limit": 200,
                        "score_threshold": 0.5,
                        "filter": {"must": [{"key": "a", "match": {"value": 1}}]},
                        "params": {"hnsw_ef": 64},
                    },
                    {"query": {"indices": [3], "values": [0.5]}, "using": "sparse", "limit": 200},
                    {"query": {"text": "shoes", "model": "Qdrant/bm25"}, "using": "sparse"},
                ],
                "query": {"rrf": {"k": 20, "weights": [0.5, 0.25, 0.25]}},
                "limit": 100,
            }
        ],
        "query": 42,
        "using": "colbert",
        "limit": 5,
        "offset": 2,
        "shard_key": "eu",
    }
    query = {"consistency": "majority", "timeout": 3}
    answer = over_grpc.call(docs("POST", "points", "query", body=body, query=query))
    assert answer == {"points": [{"id": UUID, "version": 3, "score": 0.5, "payload": {"a": None}}]}
    sent = grpc_server.message
    assert grpc_server.calls[-1][1]["api-key"] == KEY
    assert (sent.collection_name, sent.using, sent.limit, sent.offset) == ("docs", "colbert", 5, 2)
    assert sent.query.nearest.id.num == 42
    assert sent.timeout == 3
    assert sent.read_consistency.type == pb.ReadConsistencyType.Majority
    assert sent.shard_key_selector.shard_keys[0].keyword == "eu"
    assert sent.with_payload.enable is False  # as REST has it, unlike the client's own default
    middle = sent.prefetch[0]
    assert (middle.limit, middle.query.rrf.k, list(middle.query.rrf.weights)) == (100, 20, [0.5, 0.25, 0.25])
    dense, sparse, text = middle.prefetch
    assert list(dense.query.nearest.dense.data) == [0.5, 0.25]
    assert (dense.using, dense.limit, dense.score_threshold, dense.params.hnsw_ef) == ("dense", 200, 0.5, 64)
    assert dense.filter.must[0].field.match.integer == 1
    assert list(sparse.query.nearest.sparse.indices) == [3]
    assert (text.query.nearest.document.text, text.query.nearest.document.model) == ("shoes", "Qdrant/bm25")


def test_grpc_sends_points(over_grpc: ClientBackend, grpc_server: GrpcServer) -> None:
    points = [{"id": 2**64 - 1, "vector": {"dense": [0.5]}, "payload": {"a": {"b": [1, None]}}}]
    body = {"points": points, "update_mode": "insert_only", "update_filter": {"must": [{"has_id": [1]}]}}
    answer = over_grpc.call(docs("PUT", "points", body=body, query={"wait": True, "ordering": "strong"}))
    assert answer == {"operation_id": 4, "status": "acknowledged"}
    sent = grpc_server.message
    assert sent.wait and sent.points[0].id.num == 2**64 - 1
    assert sent.ordering.type == pb.WriteOrderingType.Strong
    assert sent.update_mode == pb.UpdateMode.InsertOnly
    assert sent.update_filter.must[0].has_id.has_id[0].num == 1
    over_grpc.call(docs("PUT", "points", body={"points": points}))
    assert not grpc_server.message.wait  # REST does not wait unless told to


def test_grpc_reads(over_grpc: ClientBackend, grpc_server: GrpcServer) -> None:
    page = over_grpc.call(docs("POST", "points", "scroll", body={"limit": 1, "offset": UUID}))
    (point,) = page["points"]
    assert (point["id"], point["order_value"], page["next_page_offset"]) == (2**64 - 1, 2**53 + 1, 9)
    assert grpc_server.message.offset.uuid == UUID
    assert grpc_server.message.with_payload.enable is True
    assert over_grpc.call(docs("POST", "points", "count", body={"exact": False})) == {"count": 12}
    assert grpc_server.message.exact is False
    info = over_grpc.call(docs("GET"))
    assert grpc_server.message.collection_name == "docs"
    assert (info["status"], info["points_count"]) == ("green", 7)
    assert info["config"]["params"]["vectors"] == {"size": 4, "distance": "Cosine"}
    assert over_grpc.server_version() == "1.19.1"


def test_grpc_administers(over_grpc: ClientBackend, grpc_server: GrpcServer) -> None:
    dense = {"size": 4, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}
    over_grpc.call(docs("PUT", "vectors", "a%20b", body={"dense": dense}, query={"wait": "true"}))
    sent = grpc_server.message
    assert (sent.collection_name, sent.vector_name, sent.wait) == ("docs", "a b", True)
    assert (sent.dense_config.size, sent.dense_config.distance) == (4, pb.Distance.Dot)
    over_grpc.call(docs("PUT", "vectors", "s", body={"sparse": {"modifier": "idf"}}))
    assert grpc_server.message.sparse_config.modifier == pb.Modifier.Idf
    over_grpc.call(docs("DELETE", "vectors", "s"))
    assert grpc_server.message.vector_name == "s"
    actions: list[dict[str, Any]] = [
        {"create_alias": {"collection_name": "docs", "alias_name": "a"}},
        {"rename_alias": {"old_alias_name": "a", "new_alias_name": "b"}},
        {"delete_alias": {"alias_name": "b"}},
    ]
    assert over_grpc.call(Request("POST", "/collections/aliases", {}, {"actions": actions})) is True
    first, second, third = grpc_server.message.actions
    assert (first.create_alias.collection_name, first.create_alias.alias_name) == ("docs", "a")
    assert (second.rename_alias.old_alias_name, second.rename_alias.new_alias_name) == ("a", "b")
    assert third.delete_alias.alias_name == "b"
    made = over_grpc.call(docs("POST", "snapshots", query={"wait": "true"}))
    assert (made["name"], made["size"], made["checksum"]) == ("a.snapshot", 3, "00")
    assert over_grpc.call(docs("DELETE", "snapshots", "a.snapshot")) is True
    assert grpc_server.message.snapshot_name == "a.snapshot"
    assert over_grpc.call(docs("GET", "shards")) == {"shard_keys": [{"key": "eu"}]}


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "key", QQLConnectionError, "not-authorised"),
        (grpc.StatusCode.PERMISSION_DENIED, "key", QQLConnectionError, "not-authorised"),
        (
            grpc.StatusCode.NOT_FOUND,
            "Not found: Collection `docs` doesn't exist!",
            QQLExecutionError,
            "unknown-collection",
        ),
        (grpc.StatusCode.ALREADY_EXISTS, "it exists", QQLExecutionError, "collection-exists"),
        (grpc.StatusCode.INVALID_ARGUMENT, "bad", QQLExecutionError, "server-refused"),
        (grpc.StatusCode.INTERNAL, "boom", QQLExecutionError, "server-error"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow", QQLExecutionError, "rate-limited"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, QUOTA, QQLExecutionError, "quota-full"),
        (grpc.StatusCode.PERMISSION_DENIED, STRICT, QQLExecutionError, "server-refused"),
        (grpc.StatusCode.UNAVAILABLE, "gone", QQLConnectionError, "connection-failed"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Timeout error: late", QQLTimeoutError, "timed-out"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", QQLTimeoutError, "no-answer-in-time"),
        (grpc.StatusCode.CANCELLED, "Timeout expired", QQLTimeoutError, "no-answer-in-time"),
    ],
)
def test_grpc_refusals(
    over_grpc: ClientBackend,
    grpc_server: GrpcServer,
    status: grpc.StatusCode,
    text: str,
    kind: type[QQLError],
    code: str,
) -> None:
    grpc_server.points.fail = (status, f"{text} {KEY}" if code != "unknown-collection" else text)
    error = caught(over_grpc, docs("POST", "points", "query", body={"query": [0.5]}))
    assert (type(error), error.code) == (kind, code)
    assert KEY not in str(error)


def test_grpc_rate_limits_name_the_wait(over_grpc: ClientBackend, grpc_server: GrpcServer) -> None:
    grpc_server.points.fail = (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow")
    grpc_server.points.trailing = (("retry-after", "9"),)
    error = caught(over_grpc, docs("POST", "points", "query", body={"query": [0.5]}))
    assert error.code == "rate-limited" and "9 s" in (error.hint or "")


def test_grpc_names_what_the_server_does_not_know(over_grpc: ClientBackend) -> None:
    error = caught(over_grpc, docs("POST", "facet", body={"key": "a"}))
    assert (type(error), error.code) == (QQLUnsupportedError, "unsupported-operation")


@pytest.mark.parametrize("request_", [docs("PUT", "shards", body={"shard_key": "a"}), DROP_KEY])
def test_a_server_that_runs_alone_is_not_called_too_old(over_grpc: ClientBackend, request_: Request) -> None:
    error = caught(over_grpc, request_)  # it answers UNIMPLEMENTED
    assert (type(error), error.code) == (QQLUnsupportedError, "no-cluster")
    assert "runs alone, not in cluster mode" in error.message
    assert "QDRANT__CLUSTER__ENABLED" in (error.hint or "")


def test_grpc_without_a_server() -> None:
    with HttpRecorder() as gone:
        port = gone.port
    backend = ClientBackend.connect(f"grpc://127.0.0.1:{port}", timeout=5)
    error = caught(backend)
    assert (type(error), error.code) == (QQLConnectionError, "connection-failed")
    assert f"grpc://127.0.0.1:{port} cannot be reached" in error.message
    backend.close()


@pytest.mark.parametrize(
    ("request_", "code", "named"),
    [
        (Request("GET", "/quotas"), "unsupported-operation", "GET /quotas"),
        (Request("GET", "/cluster"), "unsupported-operation", "GET /cluster"),
        (
            docs("PUT", "snapshots", "recover", body={"location": "a.snapshot"}),
            "unsupported-operation",
            "restored over REST",
        ),
        (docs("POST", "points", "query", body={"newer": 1}), "unsupported-key", "`newer`"),
        (
            docs("POST", "points", "query", body={"query": {"nearest": [0.1], "mmx": {}}}),
            "unsupported-key",
            "`query.mmx`",
        ),
        (
            docs("PUT", body={"vectors": {"a": {"size": 4, "distance": "Cosine", "zz": 1}}}),
            "unsupported-key",
            "`vectors.a.zz`",
        ),
        (docs("GET", query={"timeout": 3}), "unsupported-key", "`timeout`"),
        (
            docs("PUT", "points", "payload", body={"payload": {}, "points": [1], "key": "a"}),
            "unsupported-key",
            "`key`",
        ),
        (
            docs("POST", "points", "payload", body={"payload": {}, "points": [1], "filter": {}}),
            "unsupported-key",
            "not both",
        ),
        (docs("POST", "snapshots", query={"wait": False}), "unsupported-key", "`wait = false`"),
        (docs("POST", "points", "query", body={"limit": "many"}), "invalid-request", "`limit`"),
        (docs("POST", "points", "payload", body={"payload": {}}), "invalid-request", "points or a filter"),
        (docs("POST", "points", "query", body={}, query={"timeout": "soon"}), "invalid-request", "`timeout`"),
    ],
)
def test_grpc_refuses_by_name_what_it_cannot_carry(
    over_grpc: ClientBackend, grpc_server: GrpcServer, request_: Request, code: str, named: str
) -> None:
    error = caught(over_grpc, request_)
    assert error.code == code
    assert named in error.message
    assert (type(error) is QQLUnsupportedError) == code.startswith("unsupported")
    assert grpc_server.calls == []


def test_grpc_can_be_asked_of_an_http_address(grpc_server: GrpcServer) -> None:
    assert repr(ClientBackend.connect("https://db.example", grpc=True)) == (
        "ClientBackend(server, grpcs://db.example:6334)"
    )
    client = QdrantClient(
        "127.0.0.1", grpc_port=grpc_server.port, prefer_grpc=True, check_compatibility=False
    )
    grpc_server.points.fail = None
    assert ClientBackend(client).call(docs("POST", "points", "count", body={})) == {"count": 12}
    client.close()


# --- local mode -------------------------------------------------------------------------------------------


@pytest.fixture
def local() -> Iterator[ClientBackend]:
    client = QdrantClient(":memory:")
    backend = ClientBackend(client)
    vectors = {"dense": {"size": 2, "distance": "Dot"}, "multi": {
        "size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}}  # fmt: skip
    body = {"vectors": vectors, "sparse_vectors": {"sparse": {}}, "metadata": {"m": 1}}
    assert backend.call(docs("PUT", body=body)) is True
    points = [
        {
            "id": n,
            "vector": {"dense": [float(n), 1.0], "sparse": {"indices": [n], "values": [1.0]}},
            "payload": {"n": n, "tag": "odd" if n % 2 else "even", "none": None},
        }
        for n in range(1, 7)
    ]
    done = backend.call(docs("PUT", "points", body={"points": points}, query={"wait": True}))
    assert done == {"operation_id": 0, "status": "completed"}
    yield backend
    client.close()


def ids(answer: Any) -> list[Any]:
    return [point["id"] for point in answer["points"]]


VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}
ODD = {"must": [{"key": "tag", "match": {"value": "odd"}}]}


def test_local_queries(local: ClientBackend) -> None:
    assert local.name == "local"
    nested = {
        "prefetch": [
            {
                "prefetch": [
                    {"query": [1.0, 0.0], "using": "dense", "limit": 4, "filter": ODD},
                    {"query": {"indices": [2], "values": [1.0]}, "using": "sparse", "limit": 4},
                ],
                "query": {"fusion": "rrf"},
                "limit": 4,
            }
        ],
        "query": [-1.0, 0.0],
        "using": "dense",
        "limit": 3,
        "with_payload": ["n"],
    }
    answer = local.call(docs("POST", "points", "query", body=nested))
    assert ids(answer) == [1, 2, 3]
    assert answer["points"][0]["payload"] == {"n": 1}
    bare = local.call(
        docs("POST", "points", "query", body={"query": [1.0, 0.0], "using": "dense", "limit": 1})
    )
    assert bare == {"points": [{"id": 6, "version": 0, "score": 6.0}]}
    searches = [
        {"query": [1.0, 0.0], "using": "dense", "limit": 1},
        {"query": 1, "using": "dense", "limit": 1},
    ]
    batch = local.call(docs("POST", "points", "query", "batch", body={"searches": searches}))
    assert [ids(part) for part in batch] == [[6], [6]]
    assert "payload" not in batch[0]["points"][0]
    grouped = {"query": [1.0, 0.0], "using": "dense", "group_by": "tag", "group_size": 1}
    groups = local.call(docs("POST", "points", "query", "groups", body=grouped))
    assert [(g["id"], [h["id"] for h in g["hits"]]) for g in groups["groups"]] == [
        ("even", [6]),
        ("odd", [5]),
    ]


def test_local_reads(local: ClientBackend) -> None:
    page = local.call(docs("POST", "points", "scroll", body={"limit": 2, "filter": ODD}))
    assert ids(page) == [1, 3] and page["next_page_offset"] == 5
    assert page["points"][0]["payload"] == {"n": 1, "tag": "odd", "none": None}
    page = local.call(
        docs("POST", "points", "scroll", body={"limit": 2, "offset": 5, "with_vector": ["dense"]})
    )
    assert page["next_page_offset"] is None
    assert page["points"][0]["vector"] == {"dense": [5.0, 1.0]}
    assert local.call(docs("POST", "points", "count", body={"filter": ODD})) == {"count": 3}
    facet = local.call(docs("POST", "facet", body={"key": "tag", "filter": ODD}))
    assert facet == {"hits": [{"value": "odd", "count": 3}]}
    found = local.call(docs("POST", "points", body={"ids": [2, 99], "with_payload": False}))
    assert found == [{"id": 2}]
    assert local.call(LIST) == {"collections": [{"name": "docs"}]}
    info = local.call(docs("GET"))
    assert info["points_count"] == 6 and info["config"]["metadata"] == {"m": 1}
    assert local.call(docs("GET", "exists")) == {"exists": True}
    assert local.server_version() is None


def test_local_changes(local: ClientBackend) -> None:
    def payload(of: int) -> Any:
        return local.call(docs("POST", "points", body={"ids": [of]}))[0].get("payload")

    done = {"operation_id": 0, "status": "completed"}
    one = {"points": [1]}
    assert local.call(docs("POST", "points", "payload", body={"payload": {"x": 1}, "filter": ODD})) == done
    assert payload(3) == {"n": 3, "tag": "odd", "none": None, "x": 1}
    assert (
        local.call(docs("POST", "points", "payload", body={"payload": {"y": 2}, "key": "k", **one})) == done
    )
    assert payload(1)["k"] == {"y": 2}
    assert local.call(docs("PUT", "points", "payload", body={"payload": {"only": True}, **one})) == done
    assert payload(1) == {"only": True}
    assert (
        local.call(docs("POST", "points", "payload", "delete", body={"keys": ["n"], "points": [2]})) == done
    )
    assert payload(2) == {"tag": "even", "none": None}
    assert local.call(docs("POST", "points", "payload", "clear", body=one)) == done
    assert not payload(1)
    vectors = {"points": [{"id": 1, "vector": {"dense": [99.0, 0.0]}}]}
    assert local.call(docs("PUT", "points", "vectors", body=vectors)) == done
    query = {"query": [1.0, 0.0], "using": "dense", "limit": 1}
    assert ids(local.call(docs("POST", "points", "query", body=query))) == [1]
    assert local.call(docs("POST", "points", "vectors", "delete", body={"vector": ["dense"], **one})) == done
    assert ids(local.call(docs("POST", "points", "query", body=query))) == [6]
    operations = [{"delete": {"points": [6]}}, {"set_payload": {"payload": {"b": 1}, "points": [5]}}]
    assert local.call(docs("POST", "points", "batch", body={"operations": operations})) == [done, done]
    assert payload(5)["b"] == 1
    batch = {"ids": [UUID], "vectors": {"dense": [[7.0, 0.0]]}, "payloads": [{"u": 1}]}
    assert local.call(docs("PUT", "points", body={"batch": batch})) == done
    assert payload(UUID) == {"u": 1}  # type: ignore[arg-type]
    insert = {"points": [{"id": 5, "vector": {}, "payload": {"never": 1}}], "update_mode": "insert_only"}
    local.call(docs("PUT", "points", body=insert))
    assert "never" not in payload(5)
    assert local.call(docs("POST", "points", "delete", body={"filter": ODD})) == done
    assert local.call(docs("POST", "points", "delete", body={"points": [2, UUID]})) == done
    assert local.call(docs("POST", "points", "count", body={})) == {"count": 2}


def test_local_collections(local: ClientBackend) -> None:
    assert local.call(docs("PATCH", body={"metadata": {"n": 2}})) is True
    assert local.call(docs("PATCH", body={"hnsw_config": {"m": 8}})) is True
    assert local.call(docs("GET"))["config"]["metadata"] == {"m": 1, "n": 2}
    alias = {"create_alias": {"collection_name": "docs", "alias_name": "current"}}
    assert local.call(Request("POST", "/collections/aliases", {}, {"actions": [alias]})) is True
    named = {"aliases": [{"alias_name": "current", "collection_name": "docs"}]}
    assert local.call(Request("GET", "/aliases")) == local.call(docs("GET", "aliases")) == named
    assert local.call(Request("POST", collection_path("current", "points", "count"), {}, {}))["count"] == 6
    assert caught(local, Request("PUT", collection_path("current"), {}, VECTORS)).code == "alias-exists"
    unknown = [{"rename_alias": {"old_alias_name": "x", "new_alias_name": "y"}}]
    rename = Request("POST", "/collections/aliases", {}, {"actions": unknown})
    assert caught(local, rename).code == "unknown-alias"
    done = {"operation_id": 0, "status": "completed"}
    added = {"dense": {"size": 2, "distance": "Dot", "datatype": "uint8"}}
    assert local.call(docs("PUT", "vectors", "late", body=added)) == done
    assert [note.split("`")[1] for note in local.take_notes()] == ["hnsw_config", "datatype"]
    vector = {"points": [{"id": 3, "vector": {"late": [1.0, 2.0]}}]}
    local.call(docs("PUT", "points", "vectors", body=vector))
    assert ids(local.call(docs(*QUERY, body={"query": [1.0, 0.0], "using": "late"}))) == [3]
    other = {"dense": {"size": 3, "distance": "Dot"}}
    assert caught(local, docs("PUT", "vectors", "late", body=other)).code == "vector-exists"
    assert local.call(docs("PUT", "vectors", "words", body={"sparse": {"modifier": "idf"}})) == done
    assert local.call(docs("DELETE", "vectors", "late")) == done
    assert caught(local, docs(*QUERY, body={"query": [1.0, 0.0], "using": "late"})).code == "engine-error"
    assert local.call(docs("PUT", "index", body={"field_name": "tag", "field_schema": "keyword"})) == done
    assert local.call(docs("DELETE", "index", "tag")) == done
    assert local.call(docs("DELETE")) is True
    assert local.call(docs("GET", "exists")) == {"exists": False}
    assert local.call(docs("DELETE")) is False


def test_local_notes_what_it_leaves_aside_once(local: ClientBackend) -> None:
    assert local.take_notes() == []
    params = {"hnsw_ef": 9, "exact": True, "quantization": {"rescore": True}, "indexed_only": True}
    stage = {"query": [1.0, 0.0], "using": "dense", "params": params}
    body = {"prefetch": [stage], "query": {"fusion": "rrf"}}
    query = {"timeout": 3}
    for _ in range(2):
        local.call(docs("POST", "points", "query", body=body, query=query))
    assert [n.split("`")[1] for n in local.take_notes()] == [
        "hnsw_ef",
        "quantization",
        "indexed_only",
        "timeout",
    ]
    local.call(docs("POST", "points", "query", body=body, query=query))
    assert local.take_notes() == []
    config = {
        "vectors": {"size": 2, "distance": "Dot", "on_disk": True, "quantization_config": {"binary": {}}},
        "sparse_vectors": {"s": {"index": {"on_disk": False}, "modifier": "idf"}},
        "hnsw_config": {"m": 4},
        "shard_number": 3,
        "metadata": {"hnsw_config": 1},
    }
    local.call(Request("PUT", collection_path("other"), {}, config))
    assert {n.split("`")[1] for n in local.take_notes()} == {
        "hnsw_config", "shard_number", "on_disk", "quantization_config", "index"}  # fmt: skip
    local.call(docs("PUT", "index", body={"field_name": "tag", "field_schema": "keyword"}))
    (note,) = local.take_notes()
    assert note.startswith("`field_schema` has no effect in local mode")
    local.call(docs("POST", "points", "delete", body={"points": [1]}, query={"wait": False}))
    (note,) = local.take_notes()
    assert note.startswith("`wait = false` has no effect")


def point(id_: Any, vector: Any = None) -> dict[str, Any]:
    return {"points": [{"id": id_, "vector": vector or {"dense": [1.0, 1.0]}}]}


QUERY = ("POST", "points", "query")


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        (docs("PUT", "points", body=point(-1)), "invalid-point-id", "not -1"),
        (docs("PUT", "points", body=point(2**64)), "invalid-point-id", str(2**64)),
        (docs("PUT", "points", body=point(True)), "invalid-point-id", "True"),
        (docs("PUT", "points", body=point(1.5)), "invalid-point-id", "1.5"),
        (docs("PUT", "points", body=point("doc-1")), "invalid-point-id", "'doc-1'"),
        (docs("PUT", "points", body={"batch": {"ids": [-1], "vectors": [[1.0]]}}), "invalid-point-id", "-1"),
        (docs("POST", "points", "delete", body={"points": [True]}), "invalid-point-id", "True"),
        (docs("POST", "points", body={"ids": ["x"]}), "invalid-point-id", "'x'"),
        (
            docs("POST", "points", "count", body={"filter": {"must": [{"has_id": [-1]}]}}),
            "invalid-point-id",
            "-1",
        ),
        (
            docs("POST", "points", "batch", body={"operations": [{"upsert": point(-1)}]}),
            "invalid-point-id",
            "-1",
        ),
        (docs("PUT", "points", body=point(1, {"dense": [float("nan"), 1.0]})), "invalid-value", "nan"),
        (docs("PUT", "points", body=point(1, {"dense": [1.0]})), "engine-error", "expected dim: 2"),
        (docs("PUT", "points", body=point(1, {"nope": [1.0]})), "engine-error", "nope"),
        (docs(*QUERY, body={"query": 99, "using": "dense"}), "unknown-point", "99"),
        (docs(*QUERY, body={"query": [1.0, 2.0], "using": "nope"}), "engine-error", "nope"),
        (
            docs(*QUERY, body={"query": {"text": "x", "model": "qdrant/bm25"}, "using": "sparse"}),
            "unsupported-inference",
            "qdrant/bm25",
        ),
        (
            docs("PUT", "points", body=point(1, {"dense": {"text": "x", "model": "m/n"}})),
            "unsupported-inference",
            "m/n",
        ),
        (
            docs(*QUERY, body={"query": [1.0, 2.0], "using": "dense", "shard_key": "eu"}),
            "unsupported-key",
            "shard_key",
        ),
        (docs(*QUERY, body={"newer": 1}), "unsupported-key", "`newer`"),
        (docs("PUT", body={"sharding_method": "custom"}), "unsupported-key", "shards"),
        (docs("POST", "snapshots"), "unsupported-operation", "local mode has no snapshots"),
        (
            docs("PUT", "snapshots", "recover", body={"location": "x"}),
            "unsupported-operation",
            "local mode has no snapshots",
        ),
        (docs("GET", "snapshots"), "unsupported-operation", "local mode has no snapshots"),
        (docs("DELETE", "snapshots", "x"), "unsupported-operation", "local mode has no snapshots"),
        (docs("GET", "shards"), "unsupported-operation", "shard keys"),
        (Request("GET", "/cluster"), "unsupported-operation", "Cluster status is not supported"),
        (
            docs(*QUERY, body={"query": {"fusion": "abc"}}),
            "invalid-request",
            "`query.fusion`: Input should be",
        ),
        (docs("PUT", "points", body={"points": [{"id": 1}]}), "invalid-request", "`points.0.vector`"),
        (docs("PUT", "shards", body={"shard_key": "eu"}), "unsupported-key", "shard_key"),
        (Request("GET", "/quotas"), "unsupported-operation", "/quotas"),
        (docs("PUT", body={}), "collection-exists", "already exists"),
        (Request("GET", collection_path("nope")), "unknown-collection", "collection `nope` does not exist"),
        (
            docs(*QUERY, body={"query": 1, "using": "dense", "lookup_from": {"collection": "gone"}}),
            "unknown-collection",
            "`gone`",
        ),
    ],
)
def test_local_refusals(local: ClientBackend, request_: Request, code: str, said: str) -> None:
    error = caught(local, request_)
    assert error.code == code
    assert said in error.message
    assert isinstance(error, QQLExecutionError)
    assert isinstance(error, QQLUnsupportedError) == code.startswith("unsupported")
    assert local.call(docs("POST", "points", "count", body={})) == {"count": 6}


def test_names_that_look_like_keys_are_only_names(local: ClientBackend) -> None:
    vectors = {name: {"size": 2, "distance": "Dot"} for name in ("id", "points", "text")}
    local.call(Request("PUT", collection_path("odd"), {}, {"vectors": vectors}))
    values = {name: [0.5, 2.0] for name in vectors}
    body = {"points": [{"id": 1, "vector": values, "payload": {"id": -1, "model": "m", "text": "t"}}]}
    local.call(Request("PUT", collection_path("odd", "points"), {}, body))
    assert local.call(Request("POST", collection_path("odd", "points", "count"), {}, {})) == {"count": 1}


def test_prefetches_nest_to_qdrants_own_depth(local: ClientBackend) -> None:
    def nested(depth: int) -> Request:
        body: dict[str, Any] = {"query": [1.0, 0.0], "using": "dense", "limit": 2}
        for _ in range(depth):
            body = {"prefetch": [body], "query": [1.0, 0.0], "using": "dense", "limit": 2}
        return docs("POST", "points", "query", body=body)

    assert ids(local.call(nested(64))) == [6, 5]
    for depth in (65, 5000):
        error = caught(local, nested(depth))
        assert (type(error), error.code) == (QQLExecutionError, "prefetch-too-deep")


def test_filters_that_nest_too_deeply_are_an_error(local: ClientBackend) -> None:
    body: dict[str, Any] = ODD
    for _ in range(3000):
        body = {"must": [body]}
    error = caught(local, docs("POST", "points", "count", body={"filter": body}))
    assert isinstance(error, QQLExecutionError)


def test_a_query_of_another_length_has_a_hint(local: ClientBackend) -> None:
    error = caught(local, docs(*QUERY, body={"query": [1.0, 2.0, 3.0], "using": "dense"}))
    assert error.code == "engine-error" and "another length" in (error.hint or "")


def test_a_proxy_that_answers_in_the_servers_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpRecorder() as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        proxy.otherwise = Reply(b"<html>not allowed", 403)
        backend = ClientBackend.connect("http://db.example")
        assert caught(backend).code == "not-authorised"
        assert proxy.last.path == "/collections"
        backend.close()


def test_a_local_path_is_named(tmp_path: Any) -> None:
    client = QdrantClient(path=str(tmp_path / "db"))
    backend = ClientBackend(client)
    assert str(tmp_path / "db") in repr(backend)
    backend.close()
    assert caught(backend).code == "connection-closed"
    client.close()
    assert caught(ClientBackend(client)).code == "engine-error"


# --- the table of routes ----------------------------------------------------------------------------------


# What the client's methods cannot carry although the REST interface has it; it is refused by name.
NOT_IN_THE_CLIENT = {
    ("PUT", "points/payload"): {"key"},
    ("POST", "points/count"): {"consistency"},
    ("PUT", "shards"): {"initial_state", "timeout"},
    ("POST", "shards/delete"): {"timeout"},
}


def test_every_route_names_a_method_that_takes_its_arguments() -> None:
    assert BODY_MODELS.keys() - {("PUT", "/quotas")} <= ROUTES.keys()  # the client has no method for quotas
    for pattern, route in ROUTES.items():
        known = inspect.signature(getattr(QdrantClient, route.method)).parameters
        bodies = [getattr(models, name) for name in BODY_MODELS.get(pattern, ())]
        fields = {f for body in bodies for f in body.model_fields} if route.whole is None else {route.whole}
        assert bodies or not (route.rename or route.whole), f"{pattern} says where the fields of no body go"
        assert route.rename.keys() <= fields, f"{pattern} renames fields that its body does not have"
        arguments = [*route.query, *route.defaults, *(route.rename.get(f, f) for f in fields)]
        missing = {a for a in [*arguments, route.named] if a and a not in known}
        assert missing == NOT_IN_THE_CLIENT.get(pattern, set()), pattern


BODIES: list[Callable[[], Request]] = [
    lambda: docs(*QUERY, body={k: v for k, v in HYBRID.items() if k != "a_field_of_next_year"}),
    lambda: docs("PUT", body=CREATE),
    lambda: docs("PUT", "points", body=UPSERT),
    lambda: docs("POST", "points", "scroll", body={"limit": 3, "filter": ODD, "order_by": "n"}),
    lambda: docs("POST", "points", "delete", body={"filter": ODD}),
]


@pytest.mark.parametrize("make", BODIES)
def test_what_these_tests_send_is_what_the_client_takes(make: Callable[[], Request]) -> None:
    request = make()
    assert request.to_models() is not None
