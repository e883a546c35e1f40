"""What a server is too old for is refused by name before anything is sent, whichever way it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from conftest import ROOT
from http_recorder import HttpRecorder, Received, Reply, ok, refused
from qdrant_client import QdrantClient
from qdrant_client import grpc as pb

import qql
from qql.backends.capabilities import FEATURES, Feature
from qql.backends.client import ClientBackend
from qql.backends.client.routes import ROUTES as CLIENT_ROUTES
from qql.backends.edge import EdgeBackend
from qql.backends.features.constructs import CONSTRUCTS, KINDS, ROUTES
from qql.backends.features.versions import (
    OLDEST_VERSION,
    lacking,
    parse_version,
    uses,
    younger,
)
from qql.cli import main
from qql.errors import QQLConnectionError, QQLError, QQLUnsupportedError
from qql.rest.request import Request, collection_path
from qql.session.session import Session

pytestmark = pytest.mark.usefixtures("no_proxy")

VECTORS = {"dense": {"size": 2, "distance": "Dot"}, "rows": {"size": 2, "distance": "Dot"}}
INFO = {"config": {"params": {"vectors": VECTORS, "sparse_vectors": {"words": {"modifier": "idf"}}}}}
UPDATED = {"operation_id": 1, "status": "completed"}
DELETE_SLICE = "DELETE FROM docs WHERE SLICE(100, 99)"
EVERYTHING = {
    ("GET", "/collections/docs"): ok(INFO),
    ("GET", "/collections"): ok({"collections": [{"name": "docs"}]}),
    ("POST", "/collections/docs/points/query"): ok({"points": []}),
    ("POST", "/collections/docs/points/scroll"): ok({"points": [], "next_page_offset": None}),
}


def numbers(text: str) -> tuple[int, int, int]:
    version = parse_version(text)
    assert version is not None
    return version


# --- servers that announce a version ----------------------------------------------------------------------


def root(version: str) -> Reply:
    return Reply({"title": "qdrant - vector search engine", "version": version})


def otherwise(received: Received) -> Reply:
    missing = refused(404, "Not found: Collection `c` doesn't exist!")
    return missing if received.method == "GET" else ok(UPDATED)


@contextmanager
def rest(version: str | None, **options: Any) -> Iterator[tuple[HttpRecorder, Session]]:
    """A session on a server of a version; None is one behind a proxy that does not let ``/`` through."""
    answers = EVERYTHING | {("GET", "/"): refused(403, "no") if version is None else root(version)}
    with HttpRecorder(answers, otherwise) as server:
        session = qql.connect(server.url, advice=False, **options)
        yield server, session
        session.close()


class Points(pb.PointsServicer):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def _keep(self, request: Any, context: Any) -> Any:
        self.calls.append(request)
        return pb.PointsOperationResponse(result=pb.UpdateResult(status=pb.UpdateStatus.Completed))

    Delete = Upsert = SetPayload = _keep

    def Query(self, request: Any, context: Any) -> Any:
        self.calls.append(request)
        return pb.QueryResponse()

    def Scroll(self, request: Any, context: Any) -> Any:
        self.calls.append(request)
        return pb.ScrollResponse()


class Root(pb.QdrantServicer):
    """``version`` is what it says it is; None refuses to say."""

    version: str | None = "1.18.3"
    asked = 0

    def HealthCheck(self, request: Any, context: Any) -> Any:
        self.asked += 1
        if self.version is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "no")
        return pb.HealthCheckReply(title="qdrant", version=self.version)


class GrpcServer:
    def __init__(self) -> None:
        self.points, self.root = Points(), Root()
        self._pool = ThreadPoolExecutor(2)
        self._server = grpc.server(self._pool)
        pb.add_PointsServicer_to_server(self.points, self._server)
        pb.add_QdrantServicer_to_server(self.root, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()


@pytest.fixture(scope="module")
def shared_grpc() -> Iterator[GrpcServer]:
    server = GrpcServer()
    yield server
    server.stop()


@pytest.fixture
def over_grpc(shared_grpc: GrpcServer) -> GrpcServer:
    shared_grpc.points.calls.clear()
    shared_grpc.root.asked, shared_grpc.root.version = 0, "1.18.3"
    return shared_grpc


def grpc_backend(server: GrpcServer, **options: Any) -> ClientBackend:
    return ClientBackend.connect(f"grpc://127.0.0.1:{server.port}", timeout=10, **options)


def docs(text: str) -> Request:
    """The request of a statement about docs."""
    (found,) = qql.compile(text, schema={"docs": {"vectors": VECTORS}})
    return found


def refusal(backend: ClientBackend, request: Request) -> QQLError:
    with pytest.raises(QQLError) as info:
        backend.call(request)
    return info.value


def sent(server: HttpRecorder) -> list[tuple[str, str]]:
    """What a server was asked to do, without what it was asked about itself and its collections."""
    return [(one.method, one.path) for one in server.received if one.method != "GET"]


# --- the table --------------------------------------------------------------------------------------------


def test_the_probe_of_each_feature_shows_just_what_its_row_says() -> None:
    for feature in FEATURES:
        found = [one.construct for one in uses(feature.probe[-1]) if one.construct.kind != "meaning"]
        newest = max((numbers(one.since) for one in found), default=OLDEST_VERSION)
        assert newest == max(numbers(feature.server), OLDEST_VERSION), feature.id


def test_each_construct_is_in_the_probe_of_a_feature() -> None:
    probed = {use.construct for feature in FEATURES for request in feature.probe for use in uses(request)}
    # Options of one name in several places, and datatypes of one family, are tried in one of them.
    names = {one.words for one in probed}
    assert {one.words for one in CONSTRUCTS} - names <= {"turbo16"}
    assert {one for found in ROUTES.values() for one in found} <= probed
    assert {one.kind for one in probed} == set(KINDS)


def test_what_is_cheap_to_look_for_is_found() -> None:
    for feature in FEATURES:
        request = feature.probe[-1]
        if feature.id != "write.upsert.text":  # said of `younger`: the texts of points are settled before
            assert younger(request) == uses(request), feature.id


def test_a_definition_always_had_a_timeout() -> None:
    body = {"vectors": {"size": 2, "distance": "Dot"}}
    assert uses(Request("PUT", "/collections/docs", {"timeout": 30}, body)) == ()
    (found,) = uses(Request("POST", "/collections/docs/points/delete", {"timeout": 30}, {"points": [1]}))
    assert found.construct.key == "timeout"


def test_what_rest_alone_has_is_what_the_client_has_no_method_for() -> None:
    def over_grpc(feature: Feature) -> bool:
        route = CLIENT_ROUTES.get(feature.probe[-1].route)
        return route is not None and not route.rest_only

    assert {one.id for one in FEATURES if one.only_rest} == {one.id for one in FEATURES if not over_grpc(one)}


def test_the_page_of_capabilities_has_a_column_for_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import manual

    lines = manual.capabilities().splitlines()
    assert "| | REST | gRPC | embedded engine | local mode | serverless |" in lines
    (quota,) = (line for line in lines if line.startswith("| `SET QUOTA (…)` |"))
    assert quota.startswith("| `SET QUOTA (…)` | 1.19 | no: REST alone has it | no: ")
    (lookup,) = (line for line in lines if line.startswith("| `LOOKUP FROM users VECTOR dense` |"))
    assert lookup.endswith("| 1.10 | 1.10 | yes | yes | no: it has no lookups |")
    measured = "measured on 1.18.3 and 1.19.0"
    assert f"| `SLICE` | 1.19 | 1.19 | refuses | drops | {measured} | {measured} |" in lines


@pytest.mark.parametrize(
    ("text", "version", "over_rest", "over_grpc_"),
    [
        (DELETE_SLICE, "1.18.3", ["refuses"], ["drops"]),
        (DELETE_SLICE, "1.19.0", [], []),
        ("SCROLL FROM docs WHERE a MATCH PREFIX 'x' LIMIT 1", "1.18.3", ["refuses"], ["refuses"]),
        ("UPSERT INTO docs VALUES {id: 1} UPDATE MODE insert_only", "1.16.3", ["ignores"], ["ignores"]),
        ("UPSERT INTO docs VALUES {id: 1} UPDATE FILTER a = 1", "1.15.5", ["ignores"], ["ignores"]),
        ("UPSERT INTO docs VALUES {id: 1} UPDATE FILTER a = 1", "1.16.0", [], []),
        ("CREATE INDEX ON docs FOR a TYPE keyword WITH (prefix = true)", "1.18.3", ["ignores"], ["ignores"]),
        ("CREATE INDEX ON docs FOR a TYPE text WITH (scoring = true)", "1.19.0", ["ignores"], ["ignores"]),
        (
            "CREATE INDEX ON docs FOR a TYPE text WITH (tokenizer = 'code')",
            "1.19.0",
            ["refuses"],
            ["refuses"],
        ),
        ("QUERY RECOMMEND POSITIVE (POINT 1) FROM docs USING dense", "1.18.3", ["differs"], ["differs"]),
        ("QUERY RECOMMEND POSITIVE ([1, 2]) FROM docs USING dense", "1.18.3", [], []),
        ("ALTER COLLECTION docs ADD more VECTOR(3, DOT)", "1.17.1", ["refuses"], ["refuses"]),
    ],
)
def test_what_older_servers_make_of_a_request(
    text: str, version: str, over_rest: list[str], over_grpc_: list[str]
) -> None:
    request = docs(text)
    assert [one.effect for one in lacking(request, numbers(version), "rest")] == over_rest
    assert [one.effect for one in lacking(request, numbers(version), "grpc")] == over_grpc_


def test_a_lack_has_the_path_to_its_key() -> None:
    body: Any = docs("DELETE FROM docs WHERE a = 1 AND NOT (b = 2 OR SLICE(4, 1))").body
    (lack,) = lacking(Request("POST", collection_path("docs", "points/delete"), {}, body), (1, 18, 3), "grpc")
    *path, key = lack.path
    for step in path:
        body = body[step]
    assert body == {key: {"total": 4, "index": 1}}


def test_what_users_call_their_own_is_no_construct() -> None:
    rows = {"id": 1, "vector": {"slice": [1, 2]}, "payload": {"slice": 1, "update_mode": {"mmr": 1}}}
    create = {"vectors": {"memory": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"mmr": {}}}
    limits = {"strict_mode_config": {"multivector_config": {"slice": {"max_vectors": 2}}}}
    for request in (
        Request("PATCH", collection_path("docs"), {}, limits),
        Request("PUT", collection_path("docs", "points"), {}, {"points": [rows]}),
        Request("PUT", collection_path("points"), {}, create),
        docs("UPDATE docs SET PAYLOAD = {slice: {memory: 1}} WHERE id = 1"),
        docs("QUERY FORMULA $score + x DEFAULTS (max = 1) FROM docs PREFETCH (QUERY [1, 2] USING dense)"),
    ):
        assert lacking(request, (1, 14, 0), "rest") == ()


# --- what is refused --------------------------------------------------------------------------------------


def test_a_condition_that_an_old_server_would_drop_is_not_sent(over_grpc: GrpcServer) -> None:
    backend = grpc_backend(over_grpc)
    error = refusal(backend, docs(DELETE_SLICE))
    assert (type(error), error.code, error.exit_code) == (QQLUnsupportedError, "server-too-old", 1)
    assert error.message == "SLICE needs Qdrant 1.19; this server is 1.18.3"
    assert error.hint
    assert over_grpc.points.calls == []
    over_grpc.root.version = "1.19.0"
    backend.call(docs(DELETE_SLICE))
    assert len(over_grpc.points.calls) == 1
    backend.close()


def test_a_write_with_a_condition_asks_again_since_clusters_are_upgraded_node_by_node(
    over_grpc: GrpcServer,
) -> None:
    over_grpc.root.version = "1.19.0"
    backend = grpc_backend(over_grpc)
    backend.call(docs("SCROLL FROM docs WHERE SLICE(100, 99) LIMIT 1"))
    over_grpc.root.version = "1.18.3"
    backend.call(docs("SCROLL FROM docs WHERE SLICE(100, 99) LIMIT 1"))
    assert over_grpc.root.asked == 1
    assert refusal(backend, docs(DELETE_SLICE)).code == "server-too-old"
    assert len(over_grpc.points.calls) == 2
    backend.close()


def test_the_version_is_asked_for_once_and_late() -> None:
    with rest("1.18.3") as (server, session):
        session.run("QUERY [1, 2] FROM docs USING dense; DELETE FROM docs WHERE a = 1;")
        assert ("GET", "/") not in [(one.method, one.path) for one in server.received]
        for _ in range(3):
            with pytest.raises(QQLUnsupportedError):
                session.run("SCROLL FROM docs WHERE SLICE(4, 1) LIMIT 1")
        assert [(one.method, one.path) for one in server.received].count(("GET", "/")) == 1


def test_a_script_that_a_server_is_too_old_for_is_refused_as_a_whole() -> None:
    script = (
        "UPSERT INTO docs VALUES {id: 1, vector: {dense: [1, 2]}};\n"
        "-- SLICE is not meant here\n"
        "DELETE FROM docs WHERE note = 'SLICE' AND SLICE(100, 99);\n"
        "CREATE INDEX ON docs FOR memory TYPE keyword WITH (memory = 'cold');\n"
    )
    with rest("1.18.3") as (server, session):
        with pytest.raises(QQLUnsupportedError) as info:
            session.run(script)
        assert sent(server) == []
    assert [(one.line, one.column, one.message) for one in info.value.diagnostics] == [
        (3, 43, "SLICE needs Qdrant 1.19; this server is 1.18.3"),
        (4, 52, "`memory` needs Qdrant 1.19; this server is 1.18.3"),
    ]


def test_a_construct_that_other_words_bring_is_placed_at_the_statement() -> None:
    text = "COUNT FROM docs; QUERY [1, 2] FROM docs USING dense PARAMS (mmr_diversity = 0.5)"
    with rest("1.14.0") as (_, session), pytest.raises(QQLUnsupportedError) as info:
        session.run(text)
    assert (info.value.line, info.value.column) == (1, 18)
    assert info.value.message.startswith("MMR needs Qdrant 1.15")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("QUERY MMR [1, 2] DIVERSITY 0.5 FROM docs USING dense", "MMR"),
        ("QUERY [1, 2] FROM docs USING dense PARAMS (acorn = true)", "acorn"),
        ("CREATE COLLECTION c (d VECTOR(2, DOT) WITH VECTOR (datatype = 'turbo4'))", "'turbo4'"),
        ("CREATE COLLECTION c (d VECTOR(2, DOT)) WITH QUANTIZATION (type = turbo, bits = 4)", "turbo"),
        ("UPSERT INTO docs VALUES {id: 1} UPDATE  MODE insert_only", "UPDATE  MODE"),
        ("QUERY MATCH 'a MATCH b' ON text FROM docs", "QUERY MATCH"),
        ("COUNT FROM docs WHERE text MATCH 'a' AND text MATCH PHRASE 'b'", "MATCH PHRASE"),
        ("ALTER COLLECTION docs ADD more VECTOR(3, DOT)", "ALTER COLLECTION"),
    ],
)
def test_the_place_is_that_of_the_words(text: str, words: str) -> None:
    with rest("1.12.0") as (server, session):
        with pytest.raises(QQLUnsupportedError) as info:
            session.run(text)
        assert sent(server) == []
    span = info.value.diagnostic.span
    assert span is not None
    assert text[span.start : span.end] == words


def test_quotas_are_refused_over_grpc_before_the_statements_in_front_of_them(over_grpc: GrpcServer) -> None:
    session = qql.connect(f"grpc://127.0.0.1:{over_grpc.port}")
    with pytest.raises(QQLUnsupportedError) as info:
        session.run("SHOW QUOTAS")
    assert "gRPC" in info.value.message
    assert over_grpc.root.asked == 0
    session.close()


# --- a version that is not told ---------------------------------------------------------------------------

GUARDED = [
    DELETE_SLICE,
    "UPSERT INTO docs VALUES {id: 1} UPDATE FILTER a = 1",
    "UPSERT INTO docs VALUES {id: 1} UPDATE MODE insert_only",
    "UPDATE docs SET PAYLOAD = {x: 1} WHERE HAS_VECTOR dense",
]


@pytest.mark.parametrize("text", GUARDED)
def test_without_a_version_guarded_writes_are_refused(over_grpc: GrpcServer, text: str) -> None:
    with rest(None) as (server, session):
        with pytest.raises(QQLUnsupportedError) as info:
            session.run(f"UPSERT INTO docs VALUES {{id: 2}}; {text}")
        assert info.value.code == "unknown-version"
        assert "--assume-version" in (info.value.hint or "")
        assert sent(server) == []
    over_grpc.root.version = None
    backend = grpc_backend(over_grpc)
    assert refusal(backend, docs(text)).code == "unknown-version"
    assert over_grpc.points.calls == []
    backend.close()


@pytest.mark.parametrize("text", GUARDED)
def test_an_assumed_version_settles_it_unasked(over_grpc: GrpcServer, text: str) -> None:
    with rest(None, assume_version="1.19") as (server, session):
        session.run(text)
        assert len(sent(server)) == 1
        assert ("GET", "/") not in [(one.method, one.path) for one in server.received]
    backend = grpc_backend(over_grpc, assume_version="1.19")
    backend.call(docs(text))
    assert (len(over_grpc.points.calls), over_grpc.root.asked) == (1, 0)
    backend.close()
    with rest("1.20.0", assume_version="1.12.1") as (server, session):
        with pytest.raises(QQLUnsupportedError, match=r"this server is 1\.12\.1"):
            session.run(text)
        assert sent(server) == []


def test_without_a_version_reads_are_warned_of_once(over_grpc: GrpcServer) -> None:
    over_grpc.root.version = None
    backend = grpc_backend(over_grpc)
    for _ in range(2):
        backend.call(docs("SCROLL FROM docs WHERE SLICE(4, 1) LIMIT 1"))
    (note,) = backend.take_notes()
    assert note.startswith("SLICE needs Qdrant 1.19, and grpc://127.0.0.1")
    assert "--assume-version 1.19" in note
    assert len(over_grpc.points.calls) == 2
    backend.close()


def test_without_a_version_an_option_that_might_be_passed_over_is_warned_of() -> None:
    index = "CREATE INDEX ON docs FOR a TYPE keyword WITH (prefix = true)"
    with rest(None) as (server, session):
        (result,) = session.run(index)
        (warning,) = result.warnings
        assert "`prefix` needs Qdrant 1.19" in warning.message
        assert "pass over it" in warning.message
        assert len(sent(server)) == 1
    with rest("1.18.3") as (server, session):
        with pytest.raises(QQLUnsupportedError, match=r"`prefix` needs Qdrant 1\.19"):
            session.run(index)
        assert sent(server) == []


def test_what_an_old_server_refuses_by_itself_is_read_without_a_warning() -> None:
    with rest(None) as (server, session):
        (result,) = session.run("SCROLL FROM docs WHERE SLICE(4, 1) LIMIT 1")
        assert not result.warnings
        assert len(sent(server)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b"<html>hello", 200),
        Reply({"version": "latest"}),
        Reply({"version": None}),
        refused(404, "no"),
        refused(503, "starting"),
        Reply(b"", 302, {"Location": "/login"}),
    ],
)
def test_whatever_stands_in_the_place_of_a_version_is_none(answer: Reply) -> None:
    with HttpRecorder({("GET", "/"): answer}, ok(UPDATED)) as server:
        backend = ClientBackend.connect(server.url)
        assert refusal(backend, docs(DELETE_SLICE)).code == "unknown-version"
        server.answers["GET", "/"] = root("v1.19.0-dev")
        backend.call(docs(DELETE_SLICE))
        backend.close()


def test_a_server_that_is_not_there_is_no_old_one() -> None:
    with HttpRecorder() as server:
        url = server.url
    backend = ClientBackend.connect(url)
    for text in (DELETE_SLICE, "SCROLL FROM docs WHERE SLICE(4, 1) LIMIT 1"):
        error = refusal(backend, docs(text))
        assert (type(error), error.code) == (QQLConnectionError, "connection-failed")
    backend.close()


@pytest.mark.parametrize("version", ["", "1", "1.9", "1.11.5", "2.0", "latest", "1.18.x", "1.19; DROP", 1.18])
def test_what_is_no_version_of_a_server_is_refused(version: Any) -> None:
    with pytest.raises(QQLConnectionError) as info:
        qql.connect("http://localhost:1", assume_version=version)
    assert info.value.code == "invalid-version"


def test_a_version_has_no_use_without_a_server() -> None:
    for target in (":memory:", QdrantClient(":memory:"), EdgeBackend(None)):
        with pytest.raises(QQLConnectionError) as info:
            qql.connect(target, assume_version="1.18")
        assert info.value.code == "idle-option"


# --- what servers understand otherwise, and what QQL does for them ------------------------------------------


def test_ids_that_an_old_server_leaves_out_are_warned_of() -> None:
    recommend = "QUERY RECOMMEND POSITIVE (POINT 1, POINT 2) FROM docs USING dense"
    with rest("1.18.3") as (server, session):
        (result,) = session.run(recommend)
        (warning,) = result.warnings
        assert warning.message.startswith("ids of RECOMMEND that do not exist are left out")
        assert "1.18.3" in warning.message
        assert len(sent(server)) == 1
        assert not session.run(recommend)[0].warnings
    with rest("1.19.0") as (_, session):
        assert not session.run(recommend)[0].warnings


@pytest.mark.parametrize(("version", "embeds"), [("1.15.1", False), ("1.15.2", True), (None, True)])
def test_a_server_that_cannot_embed_bm25_gets_vectors(version: str | None, embeds: bool) -> None:
    with rest(version) as (server, session):
        session.run("QUERY 'red fox' MODEL 'qdrant/bm25' FROM docs USING words")
        nearest = server.last.body["query"]["nearest"]
    assert ("text" in nearest) is embeds
    assert ("indices" in nearest) is not embeds


# --- EXPLAIN, and the command -----------------------------------------------------------------------------


def test_explain_shows_what_the_server_lacks_and_sends_nothing() -> None:
    with rest("1.18.3") as (server, session):
        (text,) = session.run(f"EXPLAIN {DELETE_SLICE}")
        assert "error[server-too-old] at 1:32: SLICE needs Qdrant 1.19; this server is 1.18.3" in str(text)
        assert sent(server) == []
        assert "server-too-old" in session.explain(DELETE_SLICE)
        assert "server-too-old" not in session.explain("DELETE FROM docs WHERE a = 1")


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(list(args))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_version_is_that_of_the_first_server_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    query = tmp_path / "a.qql"
    query.write_text("QUERY [1, 2] FROM docs USING dense WHERE SLICE(4, 1) LIMIT 3")
    with qql.connect(tmp_path / "db") as db:
        db.run("CREATE COLLECTION docs (dense VECTOR(2, DOT))")
    with rest(None) as (server, _):
        options = ("--assume-version", "1.19", "--db-b", str(tmp_path / "db"))
        code, _, err = run(capsys, "diff", str(query), "--url", server.url, *options)
        assert (code, sent(server)) == (0, [("POST", "/collections/docs/points/query")]), err
        code, _, err = run(
            capsys, "diff", str(query), "--url", server.url, "--assume-version", "1.18", *options[2:]
        )
        assert (code, "server-too-old" in err) == (1, True)


def test_a_version_can_be_reckoned_with_offline(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "compile", "--assume-version", "1.18.3", "-c", DELETE_SLICE)
    assert (code, out) == (1, "")
    assert "error[server-too-old]: SLICE needs Qdrant 1.19; this server is 1.18.3" in err
    code, out, _ = run(capsys, "compile", "--assume-version", "1.19", "-c", DELETE_SLICE)
    assert (code, json.loads(out)[0]["body"]["filter"]["must"][0].keys()) == (0, {"slice"})
    code, out, _ = run(capsys, "explain", "--assume-version", "1.18", "--format", "json", "-c", DELETE_SLICE)
    (said,) = json.loads(out)[0]["advice"]
    assert (code, said["code"], said["column"]) == (0, "server-too-old", 24)
    code, out, _ = run(capsys, "lint", "--assume-version", "1.18", "-c", DELETE_SLICE)
    assert code == 3
    assert "1:24" in out
    assert "server-too-old" in out
    unbound = "COUNT FROM docs WHERE SLICE(:total, :part)"
    code, out, _ = run(capsys, "lint", "--assume-version", "1.18", "-c", unbound)
    assert (code, "1:23" in out) == (3, True)
    code, out, _ = run(capsys, "lint", "--assume-version", "1.19", "-c", unbound)
    assert (code, out) == (0, "")
    code, _, err = run(capsys, "compile", "--assume-version", "1.9", "-c", DELETE_SLICE)
    assert code == 2
    assert "from 1.12 on" in err
