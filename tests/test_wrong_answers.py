"""What a server, a proxy or another program answers where it should not: an error that quotes it."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_recorder import served
from http_recorder import UPDATED, HttpRecorder, Received, Reply, ok, refused, sound
from qdrant_client import grpc as pb
from statement_routes import AROUND, DOCS, KNOWN, STATEMENTS, params_of

import qql
from qql.backends.client import exchange
from qql.backends.client.routes import ROUTES
from qql.backends.edge import EdgeBackend
from qql.rest.answer_shapes import SHAPES, misfit
from qql.rest.request import BODY_MODELS, Request

pytestmark = pytest.mark.usefixtures("no_proxy")

TRUTH = (True, False)
ANYWHERE: list[Any] = [None, "x", 1, [], {}, [1], [None], [{}], {"x": 1}, {"status": "x"}, [UPDATED] * 3]
BELOW: dict[str, list[Any]] = {  # by the keys that a good answer has
    "collections": [None, "x", [{"name": 1}]],
    "aliases": [None, {}, [{"alias_name": "a"}]],
    "points": [None, 1, {}, [{"id": None}], [{"id": 1, "payload": [1], "score": 1}]],
    "groups": [None, [{"id": 1}], [{"id": 1, "hits": [{}]}]],
    "hits": [None, [{"value": {}, "count": 1}], [{"value": 1}]],
    "pairs": [None, [{"a": 1, "b": 2}]],
    "count": [None, "1", True],
    "exists": [None, "yes"],
    "config": [None, [], {"params": None}, {"params": {"vectors": [1]}}, {"params": {"vectors": {"a": {}}}}],
}
RIGHT: dict[str, list[Any]] = {
    "SHOW SHARD KEYS ON docs": [None, {}],
    "SHOW SNAPSHOTS ON docs": [[]],
    "SHOW QUOTAS": [{}, {"x": 1}, {"status": "x"}],
    "SHOW OPTIMIZATIONS ON docs": [{}, {"x": 1}, {"status": "x"}],
    "SHOW MEMORY ON docs": [{}, {"x": 1}, {"status": "x"}],
    "WHY 1 QUERY [1, 0] FROM docs": [[]],
}
"""Wrong elsewhere and right for these."""


def wrong_answers(route: tuple[str, str]) -> Iterator[Any]:
    yield from ANYWHERE
    shape_of = {"GET": DOCS} if route == ("GET", "/collections/docs") else {}
    good = shape_of.get("GET") or sound(Received(*route, {}, {}, b'{"searches": [], "operations": []}')).body
    result = good if good is DOCS else good["result"]
    for key in result if isinstance(result, dict) else ():
        for value in BELOW.get(key, ()):
            yield {**result, key: value}


def subvalues(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from subvalues(one)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder() as recorder:
        yield recorder


@pytest.mark.parametrize(("statement", "method", "path"), STATEMENTS, ids=lambda v: str(v)[:40])
def test_a_wrong_answer_is_an_error_that_quotes_it(
    server: HttpRecorder, tmp_path: Path, statement: str, method: str, path: str
) -> None:
    params = params_of(statement, tmp_path)
    tried = 0
    for wrong in wrong_answers((method, path)):
        right = any(wrong == one and type(wrong) is type(one) for one in RIGHT.get(statement, ()))
        server.answers = dict(AROUND)
        with qql.connect(server.url) as session:
            if path != "/collections/docs" or method != "GET":
                session.schema("docs")
            server.answers[method, path] = ok(wrong)
            if right:
                session.execute(statement, params)
                continue
            with pytest.raises(qql.QQLError) as info:
                session.execute(statement, params)
        said = info.value.render()
        assert "not as Qdrant does" in said, (wrong, said)
        assert any(json.dumps(one) in said for one in subvalues(wrong)), (wrong, said)
        assert path in said, "it does not say of what it is the answer"
        tried += 1
    assert tried >= 7


def test_a_hit_without_a_score_is_none(server: HttpRecorder) -> None:
    for hit, place in (({"id": 1}, "points[1].score"), ({"id": 1, "score": "high"}, "points[1].score")):
        server.answers = {
            ("GET", "/collections/docs"): ok(DOCS),
            ("POST", "/collections/docs/points/query"): ok({"points": [{"id": 7, "score": 0.5}, hit]}),
        }
        with qql.connect(server.url) as session, pytest.raises(qql.QQLExecutionError) as info:
            session.execute("QUERY [1, 0] FROM docs")
        assert place in info.value.message


def test_an_ordinary_collection_has_no_shard_keys(server: HttpRecorder) -> None:
    for answer in (None, {"shard_keys": None}, {"shard_keys": []}):
        server.answers = {("GET", "/collections/docs/shards"): ok(answer)}
        with qql.connect(server.url) as session:
            assert session.execute("SHOW SHARD KEYS ON docs").rows == []


PAGES: list[tuple[Reply, str]] = [
    (Reply(b"<html><title>Welcome to nginx!</title></html>"), "Welcome to nginx!"),
    (Reply(b"<html>502 Bad Gateway</html>", 502), "502 Bad Gateway"),
    (Reply(b'{"result": {"points": [{"id": 1, "sco'), '"points"'),
    (Reply(b'{"result": {"points": []'), '"points"'),
    (Reply(b"\xff\xfe\x00"), "not JSON"),
    (Reply({"status": {"error": "no"}}), '"error": "no"'),
    (Reply({"result": None, "status": {"error": "half of it failed"}}), "null"),
    (Reply(b"null"), "null"),
    (Reply(b"3"), "3"),
    (Reply(b'"x"'), "x"),
]


@pytest.mark.parametrize(
    "statement", ["QUERY [1, 0] FROM docs", "UPSERT INTO docs VALUES {id: 1, vector: [1, 0]}"]
)
@pytest.mark.parametrize(("reply", "quoted"), PAGES, ids=range(len(PAGES)))
def test_what_is_no_answer_of_qdrants_is_quoted(
    server: HttpRecorder, statement: str, reply: Reply, quoted: str
) -> None:
    server.answers = {("GET", "/collections/docs"): ok(DOCS)}
    with qql.connect(server.url) as session:
        session.schema("docs")
        for method, end in (("POST", "/query"), ("PUT", "")):
            server.answers[method, f"/collections/docs/points{end}"] = reply
        with pytest.raises(qql.QQLExecutionError) as info:
            session.execute(statement)
    assert info.value.code == "server-error"
    assert quoted in info.value.message


@pytest.mark.slow
def test_a_packed_answer_is_unpacked_no_further_than_the_limit(
    server: HttpRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_ANSWER", 2**20)
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(b" " * 2**20) for _ in range(400)) + packer.flush()
    server.answers = {("GET", "/collections"): Reply(packed, headers={"Content-Encoding": "gzip"})}
    with qql.connect(server.url) as session:
        tracemalloc.start()
        try:
            with pytest.raises(qql.QQLExecutionError) as info:
                session.execute("SHOW COLLECTIONS")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (info.value.code, info.value.exit_code) == ("answer-too-large", 1)
    assert "256 MiB" in info.value.message and "LIMIT" in (info.value.hint or "")
    assert peak < 200 * 2**20  # one piece of what was read unpacks to 64 MiB


def test_a_small_packed_answer_is_read(server: HttpRecorder) -> None:
    packed = gzip.compress(json.dumps({"result": {"collections": [{"name": "docs"}]}}).encode())
    server.answers = {("GET", "/collections"): Reply(packed, headers={"Content-Encoding": "gzip"})}
    with qql.connect(server.url) as session:
        assert session.collections() == ["docs"]


def test_an_alias_over_a_collection_is_told_from_a_collection_that_is_there(server: HttpRecorder) -> None:
    said = refused(409, "Wrong input: Collection `b` already exists!")
    server.answers = {("POST", "/collections/aliases"): said, ("PUT", "/collections/b"): said, **AROUND}
    hints = []
    for statement in ("CREATE ALIAS b FOR docs", "CREATE COLLECTION b VECTOR(2, COSINE)"):
        with qql.connect(server.url) as session, pytest.raises(qql.QQLExecutionError) as info:
            session.execute(statement)
        hints.append(info.value.hint or "")
    assert "an alias requires a name that no collection has" in hints[0] and "IF NOT EXISTS" not in hints[0]
    assert "IF NOT EXISTS" in hints[1]


def test_a_change_that_is_not_carried_out_in_time_is_noted(server: HttpRecorder) -> None:
    server.answers = {("POST", "/collections/docs/points/delete"): ok({"status": "wait_timeout"})}
    with qql.connect(server.url) as session:
        result = session.execute("DELETE FROM docs WHERE id = 1")
    assert any("did not carry it out within its time" in one.message for one in result.warnings)


# --- the table itself -------------------------------------------------------------------------------------


def test_every_route_has_its_shape() -> None:
    assert set(ROUTES) <= set(SHAPES) and set(BODY_MODELS) <= set(SHAPES)


def test_what_the_embedded_engine_answers_has_the_declared_shapes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[tuple[str, str], Any] = {}
    call = EdgeBackend.call

    def held_against_its_shape(self: EdgeBackend, request: Request) -> Any:
        answer = call(self, request)
        assert misfit(request, answer) is None, request.route
        seen[request.route] = answer
        return answer

    monkeypatch.setattr(EdgeBackend, "call", held_against_its_shape)
    script = """
    CREATE COLLECTION docs (small VECTOR(2, COSINE), s SPARSE);
    CREATE INDEX ON docs FOR n TYPE integer;
    CREATE ALIAS a FOR docs;
    UPSERT INTO docs VALUES {id: 1, vector: {small: [1, 0]}, n: 1}, {id: 2, vector: {small: [0, 1]}, n: 2};
    UPDATE docs SET PAYLOAD = {m: null} WHERE id = 1;
    UPDATE docs SET VECTOR small = [1, 1] WHERE id = 1;
    DELETE PAYLOAD m FROM docs WHERE id = 1;
    BATCH { DELETE FROM docs WHERE id = 7; CLEAR PAYLOAD FROM docs WHERE id = 8; };
    SHOW COLLECTIONS; SHOW COLLECTION docs; SHOW ALIASES; SHOW ALIASES ON docs; EXISTS COLLECTION docs;
    COUNT FROM docs; FACET n FROM docs; MATRIX FROM docs USING small; SCROLL FROM docs WITH VECTOR;
    SCROLL FROM docs ORDER BY n;
    QUERY [1, 0] FROM docs WITH VECTOR; QUERY [1, 0] FROM docs GROUP BY n;
    EXPLAIN ANALYZE QUERY [1, 0] FROM docs;
    BATCH { QUERY [1, 0] FROM docs; QUERY [0, 1] FROM docs LIMIT 1; };
    CREATE SNAPSHOT ON docs; SHOW SNAPSHOTS ON docs;
    DELETE FROM docs WHERE id = 1; DROP INDEX ON docs FOR n; DROP COLLECTION docs;
    """
    with qql.connect(tmp_path / "db") as session:
        session.run(script)
    assert len(seen) >= 24


# --- gRPC -------------------------------------------------------------------------------------------------


class AnyMethod(grpc.GenericRpcHandler):
    """Answers every method with the same bytes, but for those of ``special``."""

    def __init__(self) -> None:
        self.answer = b""
        self.special: dict[str, bytes] = {}

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        answer = self.special.get(method, self.answer)
        return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)


@pytest.fixture(scope="module")
def any_method() -> Iterator[tuple[AnyMethod, str]]:
    handler = AnyMethod()
    with served(handler) as url:
        yield handler, url


def _of_a_query(point: Any) -> bytes:
    return bytes(pb.QueryResponse(result=[point]).SerializeToString())


ODD_MESSAGES: list[tuple[str, bytes, str]] = [
    ("QUERY [1, 0] FROM docs", b"\xff\xff\xff", "deserializ"),
    ("QUERY [1, 0] FROM docs", _of_a_query(pb.ScoredPoint(score=0.5)), "score: 0.5"),
    ("COUNT FROM docs", b"\xff\xff\xff", "deserializ"),
    ("UPSERT INTO docs VALUES {id: 1, vector: [1, 0]}", b"", ""),
    ("UPSERT INTO docs VALUES {id: 1, vector: [1, 0]}", b"\xff\xff\xff", "deserializ"),
    ("DELETE FROM docs WHERE id = 1", b"", ""),
    ("SHOW COLLECTION docs", b"", ""),
    ("CREATE SNAPSHOT ON docs", b"\xff\xff\xff", "deserializ"),
    ("SHOW ALIASES", b"\xff\xff\xff", "deserializ"),
    ("COPY docs FROM :rows", b"", ""),
]


@pytest.mark.parametrize(("statement", "answer", "quoted"), ODD_MESSAGES)
def test_a_wrong_message_over_grpc_is_an_error(
    any_method: tuple[AnyMethod, str], tmp_path: Path, statement: str, answer: bytes, quoted: str
) -> None:
    handler, address = any_method
    handler.answer, handler.special = answer, {} if "SHOW COLLECTION " in statement else {"Get": KNOWN}
    params = params_of(statement, tmp_path)
    with qql.connect(address) as session, pytest.raises(qql.QQLError) as info:
        session.execute(statement, params)
    assert quoted in info.value.message
    assert "pydantic.dev" not in info.value.message


def test_a_large_message_over_grpc_is_refused_by_its_size(
    any_method: tuple[AnyMethod, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qql.backends.client.backend.MAX_ANSWER", 2**12)
    handler, address = any_method
    points = [pb.ScoredPoint(id=pb.PointId(num=at), score=1) for at in range(2**12)]
    handler.special = {"Get": KNOWN}
    handler.answer = pb.QueryResponse(result=points).SerializeToString()
    with qql.connect(address, advice=False) as session, pytest.raises(qql.QQLExecutionError) as info:
        session.execute("QUERY [1, 0] FROM docs")
    assert info.value.code == "answer-too-large"
