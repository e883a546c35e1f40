"""COPY and large writes on servers: shard keys, sizes, bad rows, connections that are lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_recorder import collection_config, served
from http_recorder import HttpRecorder, Received, Reply, ok, refused
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import RestToGrpc
from qdrant_client.http import models

import qql
from qql.backends.bulk import cut_by_size
from qql.backends.client import ClientBackend
from qql.backends.client.bulk import GrpcPoints
from qql.cli import main
from qql.compiler.vectors import check_vector
from qql.errors import QQLConnectionError, QQLError, QQLPlanError, QQLUnsupportedError, Span
from qql.rest.request import Request
from qql.schema import VectorInfo
from qql.session.checked_rows import CheckedRows
from qql.session.copy_batches import batches_of

pytestmark = pytest.mark.usefixtures("no_proxy")

DONE = {"operation_id": 1, "status": "completed"}
TOO_LARGE = "Payload error: JSON payload (46866880 bytes) is larger than allowed (limit: 33554432 bytes)."
UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"


def error_of(call: Callable[[], Any]) -> QQLError:
    with pytest.raises(QQLError) as info:
        call()
    return info.value


def row(n: int, **more: Any) -> dict[str, Any]:
    return {"id": n, "vector": [1.0, float(n)], "text": f"row {n}", **more}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


class Rest:
    """A server over REST: ``upsert`` answers writes, and ``bodies`` are those that were taken."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.upsert: Callable[[Received], Reply | None] = lambda _: None
        info = {"config": {"params": {"vectors": {"size": 2, "distance": "Dot"}}}}
        answers: dict[tuple[str, str], Any] = {
            ("GET", "/collections/docs"): ok(info),
            ("PUT", "/collections/docs/points"): self._take,
        }
        self.recorder = HttpRecorder(answers)

    def _take(self, received: Received) -> Reply:
        refusal = self.upsert(received)
        if refusal is None:
            self.bodies.append(received.body)
        return refusal or ok(DONE)

    @property
    def url(self) -> str:
        return self.recorder.url


@pytest.fixture
def rest() -> Iterator[Rest]:
    server = Rest()
    with server.recorder:
        yield server


class Grpc(pb.PointsServicer, pb.CollectionsServicer):
    """The same over gRPC: ``upsert`` gives a status and a text to refuse with."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.upsert: Callable[[Any], tuple[grpc.StatusCode, str] | None] = lambda _: None
        self.url = ""

    def Upsert(self, request: Any, context: Any) -> Any:
        if refusal := self.upsert(request):
            context.abort(*refusal)
        self.taken.append(request)
        return pb.PointsOperationResponse(result=pb.UpdateResult(status=pb.UpdateStatus.Completed))

    def Get(self, request: Any, context: Any) -> Any:
        config = collection_config(2, "Dot")
        state: dict[str, Any] = {"status": pb.CollectionStatus.Green, "segments_count": 1}
        info = pb.CollectionInfo(optimizer_status=pb.OptimizerStatus(ok=True), config=config, **state)
        return pb.GetCollectionInfoResponse(result=info)


@pytest.fixture
def over_grpc() -> Iterator[Grpc]:
    server = Grpc()
    with served(Points=server, Collections=server) as server.url:
        yield server


def copy(url: str, path: Path, rest: str = "") -> qql.Result:
    with qql.connect(url) as db:
        return db.execute(f"COPY docs FROM '{path}' {rest}")


def ids(bodies: list[dict[str, Any]]) -> list[list[Any]]:
    return [[point["id"] for point in body["points"]] for body in bodies]


# ------------------------------------------------------------------------------------ shard keys


def test_all_rows_go_to_the_shard_key_of_the_statement(rest: Rest, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", row(1), row(2))
    copy(rest.url, path, "SHARD 'eu'")
    copy(rest.url, path, "SHARD ('eu', 7)")
    copy(rest.url, path, "SHARD 'eu' FALLBACK 'rest'")
    assert [body["shard_key"] for body in rest.bodies] == [
        "eu",
        ["eu", 7],
        {"target": "eu", "fallback": "rest"},
    ]


def test_rows_are_grouped_by_their_own_shard_keys(rest: Rest, tmp_path: Path) -> None:
    tenants = ["a", "b", 3, "a", "b", "a", "a"]
    path = write(tmp_path / "a.jsonl", *(row(n, tenant=tenant) for n, tenant in enumerate(tenants)))
    assert copy(rest.url, path, "MAP (shard_key = tenant) BATCH 3").data["copied"] == 7
    found = {(body["shard_key"], tuple(point["id"] for point in body["points"])) for body in rest.bodies}
    assert found == {("a", (0, 3, 5)), ("a", (6,)), ("b", (1, 4)), (3, (2,))}
    assert {point["payload"]["tenant"] for body in rest.bodies for point in body["points"]} == {"a", "b", 3}


def test_shard_keys_go_over_grpc_too(over_grpc: Grpc, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", row(1, t="a"), row(2, t=5))
    copy(over_grpc.url, path, "MAP (shard_key = t)")
    keys = [request.shard_key_selector.shard_keys[0] for request in over_grpc.taken]
    assert [key.keyword or key.number for key in keys] == ["a", 5]
    copy(over_grpc.url, path, "SHARD 'a' FALLBACK 'b'")
    selector = over_grpc.taken[-1].shard_key_selector
    assert (selector.shard_keys[0].keyword, selector.fallback.keyword) == ("a", "b")


@pytest.mark.parametrize("tenant", [{}, {"tenant": None}, {"tenant": ""}, {"tenant": 1.5}, {"tenant": -1}])
def test_a_row_without_a_shard_key_is_bad(rest: Rest, tmp_path: Path, tenant: dict[str, Any]) -> None:
    path = write(tmp_path / "a.jsonl", row(1, tenant="a"), row(2, **tenant))
    error = error_of(lambda: copy(rest.url, path, "MAP (shard_key = tenant)"))
    assert error.code == "bad-row" and "line 2" in error.message and "shard key" in error.message
    assert rest.bodies == []
    assert copy(rest.url, path, "MAP (shard_key = tenant) ON ERROR SKIP").data["skipped"] == 1


def test_shard_keys_are_said_once() -> None:
    error = error_of(lambda: qql.compile("COPY docs FROM 'a.jsonl' SHARD 'eu' MAP (shard_key = tenant)"))
    assert isinstance(error, QQLPlanError) and error.code == "bad-shard-key"
    for target in (
        "shard_key = UUID(a)",
        "shard_key = NPY('a.npy')",
        "shard_key.a = b",
        "shard_key = (a, b)",
    ):
        error = error_of(lambda text=target: qql.compile(f"COPY docs FROM 'a.jsonl' MAP ({text})"))
        assert error.code == "bad-mapping", target


@pytest.mark.parametrize("rest", ["SHARD 'eu'", "MAP (shard_key = tenant)"])
@pytest.mark.parametrize("local", [False, True])
def test_engines_without_shards_refuse_keys_by_name(tmp_path: Path, rest: str, local: bool) -> None:
    from qdrant_client import QdrantClient

    target = ClientBackend(QdrantClient(":memory:")) if local else ":memory:"
    with qql.connect(target) as db:
        db.execute("CREATE COLLECTION docs VECTOR(2, DOT)")
        error = error_of(lambda: db.execute(f"COPY docs FROM '{tmp_path}/none.jsonl' {rest}"))
    assert isinstance(error, QQLUnsupportedError) and "shard_key" in error.message and error.hint


def test_what_waits_for_its_shard_key_is_bounded() -> None:
    rows = [(n, f"tenant {n % 500}", {"id": n}) for n in range(5000)]
    waiting = most = 0
    given = iter(rows)

    def counted() -> Iterator[Any]:
        nonlocal waiting, most
        for one in given:
            waiting += 1
            most = max(most, waiting)
            yield one

    seen: dict[Any, list[int]] = {}
    for batch in batches_of(counted(), 10):
        waiting -= len(batch.lines)
        assert len(batch.lines) <= 10
        seen.setdefault(batch.shard_key, []).extend(batch.lines)
    assert most <= 161
    assert sum(map(len, seen.values())) == 5000
    assert all(lines == sorted(lines) for lines in seen.values())


# ------------------------------------------------------------------------------------ sizes


def test_neighbours_are_cut_by_size() -> None:
    cut = [range(5)[one] for one in cut_by_size([3, 3, 9, 1, 5], 6)]
    assert list(map(list, cut)) == [[0, 1], [2], [3, 4]]
    assert list(cut_by_size([], 6)) == []


def test_a_batch_is_cut_by_bytes_as_well_as_rows(
    rest: Rest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("copy_batches", "copy_rows"):
        monkeypatch.setattr(f"qql.session.{module}.MAX_BODY", 1000)
    rows = [row(n, pad="x" * (50 * (n % 7))) for n in range(60)]
    copy(rest.url, write(tmp_path / "a.jsonl", *rows))
    assert [n for batch in ids(rest.bodies) for n in batch] == list(range(60))
    sizes = [len(one.raw) for one in rest.recorder.received if one.method == "PUT"]
    assert len(sizes) > 6 and max(sizes) < 1100


def test_an_upsert_is_cut_by_bytes(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qql.backends.client.bulk.MAX_BODY", 1000)
    with qql.connect(rest.url) as db:
        result = db.execute("UPSERT INTO docs VALUES :rows SHARD 'eu'", {"rows": [row(n) for n in range(60)]})
        assert result.message == "upserted 60 points into docs"
        assert [n for batch in ids(rest.bodies) for n in batch] == list(range(60))
        assert {body["shard_key"] for body in rest.bodies} == {"eu"} and len(rest.bodies) > 3
        rest.bodies.clear()
        rest.upsert = lambda received: refused(500, "disk") if b"row 20" in received.raw else None
        error = error_of(
            lambda: db.execute("UPSERT INTO docs VALUES :rows", {"rows": [row(n) for n in range(60)]})
        )
        written = sum(len(body["points"]) for body in rest.bodies)
        assert 0 < written < 60 and f"(written before: {written} points)" in error.message


@pytest.mark.parametrize(
    "reply", [refused(400, TOO_LARGE), Reply(b"<html>413 Request Entity Too Large", 413)]
)
def test_what_a_server_finds_too_large_is_halved(rest: Rest, tmp_path: Path, reply: Reply) -> None:
    rest.upsert = lambda received: reply if len(received.raw) > 900 else None
    copy(rest.url, write(tmp_path / "a.jsonl", *map(row, range(40))))
    assert [n for batch in ids(rest.bodies) for n in batch] == list(range(40))
    rest.bodies.clear()
    with qql.connect(rest.url) as db:
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": [row(n) for n in range(40)]})
    assert [n for batch in ids(rest.bodies) for n in batch] == list(range(40))


@pytest.mark.parametrize(
    "refusal",
    [
        (
            grpc.StatusCode.OUT_OF_RANGE,
            "Error, decoded message length too large: found 9 bytes, the limit is: 4",
        ),
        (grpc.StatusCode.INVALID_ARGUMENT, 'Wrong input: Limit exceeded 40 > 6 for "upsert limit"'),
    ],
)
def test_what_is_too_large_over_grpc_is_halved(
    over_grpc: Grpc, tmp_path: Path, refusal: tuple[grpc.StatusCode, str]
) -> None:
    over_grpc.upsert = lambda request: refusal if len(request.points) > 6 else None
    copy(over_grpc.url, write(tmp_path / "a.jsonl", *map(row, range(40))))
    assert [point.id.num for one in over_grpc.taken for point in one.points] == list(range(40))
    over_grpc.taken.clear()
    with qql.connect(over_grpc.url) as db:
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": [row(n) for n in range(40)]})
    assert [point.id.num for one in over_grpc.taken for point in one.points] == list(range(40))


# ------------------------------------------------------------------------------------ bad rows


def test_a_row_that_the_server_refuses_is_found_over_both_transports(
    rest: Rest, over_grpc: Grpc, tmp_path: Path
) -> None:
    bad = (grpc.StatusCode.INVALID_ARGUMENT, "Wrong input: 13 brings bad luck")
    rest.upsert = lambda received: (
        refused(400, bad[1]) if 13 in [point["id"] for point in received.body["points"]] else None
    )
    over_grpc.upsert = lambda request: bad if 13 in [point.id.num for point in request.points] else None
    path = write(tmp_path / "a.jsonl", *map(row, range(40)))
    for url in (rest.url, over_grpc.url):
        result = copy(url, path, "BATCH 16 ON ERROR SKIP")
        assert result.data["copied"] == 39
        (warning,) = result.warnings
        assert "line 14" in warning.message and "bad luck" in warning.message
    assert sorted(n for batch in ids(rest.bodies) for n in batch) == [n for n in range(40) if n != 13]
    assert len(over_grpc.taken) < 10  # halves, not rows one by one


def test_what_grpc_cannot_carry_is_found_before_anything_is_written(over_grpc: Grpc, tmp_path: Path) -> None:
    deep = json.loads("[" * 60 + "]" * 60)
    path = write(tmp_path / "a.jsonl", *map(row, range(5)), row(5, deep=deep), row(6))
    error = error_of(lambda: copy(over_grpc.url, path, "BATCH 2"))
    assert error.code == "bad-row" and "line 6" in error.message and over_grpc.taken == []
    assert copy(over_grpc.url, path, "ON ERROR SKIP").data == {"copied": 6, "skipped": 1, "file": str(path)}


# ------------------------------------------------------------------------------------ lost connections


def lost_at(first: int) -> Callable[[Received], Reply | None]:
    """Breaks off at the batch that begins with this id, and gives half of an answer."""

    def answer(received: Received) -> Reply | None:
        if received.body["points"][0]["id"] == first:
            return Reply(b'{"result": [1', announce=1000)
        return None

    return answer


def test_a_lost_connection_says_what_was_written_on_both_transports(
    rest: Rest, over_grpc: Grpc, tmp_path: Path
) -> None:
    gone = (grpc.StatusCode.UNAVAILABLE, "Socket closed")
    late = (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    rest.upsert = lost_at(20)
    path = write(tmp_path / "a.jsonl", *map(row, range(40)))
    for fault in (gone, late):
        over_grpc.upsert = lambda request, fault=fault: fault if request.points[0].id.num == 20 else None
        for url in (rest.url, over_grpc.url):
            error = error_of(lambda url=url: copy(url, path, "BATCH 10"))
            assert isinstance(error, QQLConnectionError), url
            assert "written before: 20 rows; the last batch may have been written" in error.message
            assert "10 rows from line 21 on" in error.message
            assert "harmless" in (error.hint or "") and "run it again" in (error.hint or "")


def test_the_command_ends_with_4_where_the_connection_is_lost(
    rest: Rest, over_grpc: Grpc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest.upsert = lost_at(20)
    gone = (grpc.StatusCode.UNAVAILABLE, "Socket closed")
    over_grpc.upsert = lambda request: gone if request.points[0].id.num == 20 else None
    path = write(tmp_path / "a.jsonl", *map(row, range(40)))
    for url in (rest.url, over_grpc.url):
        assert main(["--url", url, "-c", f"COPY docs FROM '{path}' BATCH 10"]) == 4
        said = " ".join(capsys.readouterr().err.split())
        assert "written before: 20 rows; the last batch may have been written" in said


def test_the_first_batch_may_have_been_written_too(rest: Rest, tmp_path: Path) -> None:
    rest.upsert = lost_at(0)
    error = error_of(lambda: copy(rest.url, write(tmp_path / "a.jsonl", *map(row, range(3)))))
    assert "written before: 0 rows; the last batch may have been written: 3 rows" in error.message


def test_running_again_sends_the_same_ids(rest: Rest, tmp_path: Path) -> None:
    rows = [{"vector": [1.0, float(n)], "text": f"row {n}"} for n in range(30)]
    path = write(tmp_path / "a.jsonl", *rows)
    rest.upsert = lambda received: Reply(b'{"result"', announce=99) if len(rest.bodies) == 2 else None
    assert error_of(lambda: copy(rest.url, path, "BATCH 10")).code == "connection-failed"
    lost = rest.recorder.last.body["points"]
    before = [*rest.bodies, {"points": lost}]
    rest.bodies, rest.upsert = [], lambda _: None
    copy(rest.url, path, "BATCH 10")
    assert rest.bodies == before and len({one for batch in ids(before) for one in batch}) == 30
    with qql.connect(rest.url) as db:
        for _ in range(2):
            db.execute("INSERT INTO docs VALUES :rows", {"rows": rows})
    assert rest.bodies[-1] == rest.bodies[-2]
    assert [point["id"] for point in rest.bodies[-1]["points"]] == [
        one for batch in ids(before) for one in batch
    ]


# ------------------------------------------------------------------------------------ checked once


def test_a_file_is_read_again_where_its_rows_find_no_room(
    rest: Rest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.jsonl", *map(row, range(200)))
    copy(rest.url, path)
    before, rest.bodies = rest.bodies, []
    monkeypatch.setattr("qql.session.checked_rows._has_room", lambda _: False)
    copy(rest.url, path)
    assert rest.bodies == before and len(before) == 1


def test_checked_rows_come_back_in_their_order() -> None:
    kept = CheckedRows()
    rows = [(n, None, b"x" * n) for n in range(150)]
    for one in rows:
        kept.add(one)
    assert list(kept) == rows and kept.complete
    kept.close()
    kept.close()
    assert not kept.complete and list(kept) == []


def test_each_line_is_parsed_once(rest: Rest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qql.session.row_files import json_lines

    parsed: list[bytes] = []
    real = json_lines.parse_json
    monkeypatch.setattr(json_lines, "parse_json", lambda text: (parsed.append(text), real(text))[1])
    copy(rest.url, write(tmp_path / "a.jsonl", *map(row, range(100))))
    assert len(parsed) == 100 and len(rest.bodies[0]["points"]) == 100


def test_integers_of_multivectors_are_sent_as_floats(rest: Rest) -> None:
    with qql.connect(rest.url) as db:
        points = [{"id": n, "vector": {"m": [[1, 0], [0.5, 0]]}} for n in (1, 2)]
        db.backend.call(Request("PUT", "/collections/docs/points", {}, {"points": points}))
    assert b"[[1.0,0.0],[0.5,0.0]]" in rest.recorder.last.raw


# ------------------------------------------------------------------------------------ messages of gRPC


@pytest.mark.parametrize(
    "point",
    [
        {"id": 2**64 - 1, "vector": [0.5, 1], "payload": {"a": None, "b": [1, "x", {"c": 0.5}], "d": True}},
        {"id": UUID, "vector": {"dense": [1.0, 2.0], "m": [[1, 2], [3, 4]]}},
        {
            "id": 0,
            "vector": {"s": {"indices": [1, 2**32 - 1], "values": [0.5, 2]}},
            "payload": {"é": -(2**63)},
        },
        {"id": 1, "vector": {"indices": [3], "values": [1.0]}},
        {"id": 1, "vector": {"words": {"text": "x", "model": "qdrant/bm25"}, "d": [1.0]}},
        {"id": 1, "vector": {"text": "x", "model": "qdrant/bm25"}},
        {"id": 1, "vector": {}},
        {"id": 1, "vector": {"image": [1.0, 2.0]}, "payload": {}},
    ],
)
def test_a_point_is_the_message_that_qdrant_client_makes_of_it(point: dict[str, Any]) -> None:
    made = pb.PointStruct.FromString(GrpcPoints(lambda _: None, lambda _: True).encode(point))
    expected = RestToGrpc.convert_point_struct(models.PointStruct.model_validate(point))
    assert made == expected


def test_a_text_whose_model_a_server_lacks_is_refused() -> None:
    point = {"id": 1, "vector": {"v": {"text": "x", "model": "mine"}}}
    error = error_of(lambda: GrpcPoints(lambda _: None, lambda _: False).encode(point))
    assert isinstance(error, QQLUnsupportedError) and "`mine`" in error.message


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        ([3.4e38, 3.4e38], None),  # each is short enough, though they are long together
        ([1, 2], None),
        ([1e39, 0.0], "malformed-vector"),
        ([10**400, 0], "malformed-vector"),
        ([float("nan"), 0.0], "malformed-vector"),
        ([float("-inf"), 0.0], "malformed-vector"),
        ([True, 0.0], "malformed-vector"),
        ([None, 0.0], "malformed-vector"),
        (["1", 0.0], "malformed-vector"),
        ([1.0], "wrong-dimension"),
    ],
)
def test_numbers_of_vectors_are_checked(vector: list[Any], code: str | None) -> None:
    known = VectorInfo("", "dense", 2)
    if code is None:
        check_vector(vector, known, Span(0, 0), "of `docs`")
    else:
        assert error_of(lambda: check_vector(vector, known, Span(0, 0), "of `docs`")).code == code


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"id": 1, "a": 1, "a": 2}', "twice"),
        (b'{"id":1,"a" :1,"a":2}', "twice"),
        (b'{"id":1,"a"\t:1,"a" \t:2}', "twice"),
        (b'{"id":1,"x":{"a":1,"b":":","a":2}}', "twice"),
        (b'{"id":1,"t":"' + b":" * 150 + b'","a":1,"a":2}', "twice"),
        (b'{"id":1,"a":[0.5,123456789012345678901234]}', "64 bits"),
        (b'{"id":1,"a":[1,123456789012345678901234,"x"]}', "64 bits"),
        (b'{"id":1,"t":"a \\": b","u":"' + b":" * 150 + b'"}', None),
        (b'{"id":1,"a":[1e19,-1e300,0.5]}', None),
        (b'{"id" : 1, "a" : ":"}', None),
    ],
)
def test_keys_and_integers_of_lines_are_checked(
    rest: Rest, tmp_path: Path, line: bytes, said: str | None
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line + b"\n")
    result = copy(rest.url, path, "ON ERROR SKIP")
    assert result.data["copied"] == (0 if said else 1)
    if said:
        assert said in result.warnings[0].message
    else:
        sent = rest.bodies[0]["points"][0]["payload"]
        assert {"id": 1, **sent} == json.loads(line)
