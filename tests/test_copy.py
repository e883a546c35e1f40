"""COPY: files become points, whole or with the bad rows left out, in memory that does not grow."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_recorder import HttpRecorder, Received, Reply, ok, refused

import qql
from qql.backends.base import Work
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.compiler.bind import stable_uuid
from qql.errors import QQLConnectionError, QQLError, QQLExecutionError, QQLModelError, QQLPlanError
from qql.rest.request import Request

CREATE = "CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-8', words SPARSE MODEL 'qdrant/bm25');"
GIVEN = "CREATE COLLECTION docs (v VECTOR(2, DOT));"


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run(CREATE)
        yield session


@pytest.fixture
def given() -> Iterator[qql.Session]:
    """A collection whose rows bring their vectors."""
    with qql.connect() as session:
        session.run(GIVEN)
        yield session


def write(path: Path, *rows: Any) -> Path:
    """JSON Lines; a row that is a string is a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def copy(db: qql.Session, path: Path, rest: str = "", **more: Any) -> qql.Result:
    return db.execute(f"COPY docs FROM :path {rest}", {"path": str(path)}, **more)


def points(db: qql.Session) -> dict[Any, Any]:
    return {hit.id: hit for hit in db.execute("SCROLL FROM docs WITH VECTOR LIMIT 100000").hits}


def count(db: qql.Session) -> int:
    return int(db.execute("COUNT FROM docs").rows[0]["count"])


def fails(code: str, call: Callable[[], Any], kind: type[QQLError] = QQLExecutionError) -> Any:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


def row(n: int, **more: Any) -> dict[str, Any]:
    return {"id": n, "vector": {"v": [float(n), 1.0]}, "n": n, **more}


# ------------------------------------------------------------------------------------ what becomes of a row


def test_json_lines_are_embedded_for_every_model(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "text": "care of burns"}, {"id": 2, "title": "tax", "n": 3})
    result = copy(db, path)
    assert (result.kind, result.message) == ("message", "copied 2 rows into docs")
    assert result.data == {"copied": 2, "skipped": 0, "file": str(path)}
    assert result.warnings == ()
    found = points(db)
    assert found[1].payload == {"text": "care of burns"}
    assert found[2].payload == {"title": "tax", "n": 3}
    assert all(set(hit.vector) == {"dense", "words"} for hit in found.values())
    db.execute("UPSERT INTO docs VALUES {id: 3, text: 'care of burns'}")
    assert points(db)[3].vector == found[1].vector


def test_csv_and_gzip(db: qql.Session, tmp_path: Path) -> None:
    plain = tmp_path / "a.csv"
    plain.write_text('id,text,sku,n,ok\n1,"one, two",007,1E3,true\n2,,5,5,\n', encoding="utf-8")
    assert copy(db, plain, "ON ERROR SKIP").data["copied"] == 2
    assert points(db)[1].payload == {"text": "one, two", "sku": "007", "n": 1000.0, "ok": True}
    assert points(db)[2].payload == {"sku": "5", "n": 5.0}
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"id": 7, "text": "packed"}\n'))
    assert copy(db, packed).message == "copied 1 row into docs"
    assert points(db)[7].payload == {"text": "packed"}
    other = tmp_path / "rows.data"
    other.write_text("id\ttext\n8\ttabs\n", encoding="utf-8")
    fails("file-format", lambda: copy(db, other))
    assert copy(db, other, "FORMAT tsv").data["copied"] == 1
    assert points(db)[8].payload == {"text": "tabs"}


def test_maps(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"key": "doc-1", "body": "care", "year": 1999, "draft": True})
    copy(db, path, "MAP (id = UUID(key), text = body, payload = (year, key))")
    ((identity, hit),) = points(db).items()
    assert identity == stable_uuid("doc-1")
    assert hit.payload == {"text": "care", "year": 1999, "key": "doc-1"}
    assert set(hit.vector) == {"dense", "words"}
    assert db.execute("QUERY 'care' FROM docs USING words").ids == [identity]
    write(path, {"number": 5, "body": "care"})
    copy(db, path, "MAP (id = number)")
    assert points(db)[5].payload == {"body": "care"}


def test_columns_called_id_and_vector_may_be_payload(given: qql.Session, tmp_path: Path) -> None:
    """The id of a point is what the mapping says, whatever the payload holds."""
    path = write(tmp_path / "a.jsonl", {"id": "doc-1", "vector": {"v": [1, 2]}, "n": 1})
    copy(given, path, "MAP (id = UUID(id))")
    ((identity, hit),) = points(given).items()
    assert (identity, hit.payload) == (stable_uuid("doc-1"), {"id": "doc-1", "n": 1})
    given.execute("DELETE FROM docs WHERE n = 1")
    whole = {"id": 7, "vector": {"v": [1, 2]}, "payload": {"id": 9, "vector": "left", "n": 1}}
    copy(given, write(path, whole), "MAP (payload = payload)")
    ((identity, hit),) = points(given).items()
    assert (identity, hit.payload) == (7, whole["payload"])
    assert hit.vector == {"v": [1.0, 2.0]}


def test_given_vectors_are_kept_and_the_rest_is_embedded(db: qql.Session, tmp_path: Path) -> None:
    own = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    sparse = {"indices": [3, 9], "values": [1.0, 2.0]}
    path = write(
        tmp_path / "a.jsonl",
        {"id": 1, "text": "a", "vector": {"dense": own}},
        {"id": 2, "text": "a", "vector": {"dense": own, "words": sparse}},
        {"id": 3, "text": "a", "vec": {"words": sparse}},
    )
    copy(db, path)
    found = points(db)
    assert found[1].vector["dense"] == own and found[1].vector["words"]["indices"] != [3, 9]
    assert found[2].vector == {"dense": own, "words": sparse}
    copy(db, path, "MAP (vector = vec)")
    assert points(db)[3].vector["words"] == sparse


def test_an_unnamed_vector(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,vector\n1,"[1, 2]"\n', encoding="utf-8")
    with qql.connect() as db:
        db.execute("CREATE COLLECTION docs ('' VECTOR(2, DOT))")
        copy(db, path)
        assert points(db)[1].vector == [1.0, 2.0]


def test_rows_that_nothing_is_embedded_of_are_told(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "abstract": "x"}, {"id": 2, "text": "y"}, {"id": 3})
    for rest in ("", "ON ERROR SKIP"):
        (warning,) = copy(db, path, rest).warnings
        assert warning.code == "no-text" and warning.message.startswith("2 rows")
        assert "MAP (text = column)" in str(warning.hint)
    assert copy(db, path, "MAP (text = abstract) ON ERROR SKIP").warnings[-1].message.startswith("1 row ")


def test_an_object_called_payload_is_told_once(given: qql.Session, tmp_path: Path) -> None:
    rows = [{"id": n, "vector": {"v": [1, n]}, "payload": {"n": n}} for n in range(1, 40)]
    (warning,) = copy(given, write(tmp_path / "a.jsonl", *rows)).warnings
    assert (warning.code, warning.severity) == ("nested-payload", "warning")
    assert copy(given, tmp_path / "a.jsonl", "MAP (payload = payload)").warnings == ()


# ------------------------------------------------------------------------------------ batches and models


@pytest.mark.parametrize(("rest", "sizes"), [("", [256, 256, 88]), ("BATCH 250", [250, 250, 100])])
def test_rows_go_in_batches(tmp_path: Path, rest: str, sizes: list[int]) -> None:
    with qql.connect(RecordingBackend(EdgeBackend(None))) as db:
        backend: Any = db.backend
        db.run(GIVEN)
        copy(db, write(tmp_path / "a.jsonl", *map(row, range(600))), rest)
        sent = [one for one in backend.requests if one.route == ("PUT", "points")]
        assert [len(one.body["points"]) for one in sent] == sizes
        assert {one.query["wait"] for one in sent} == {"true"}


def test_a_batch_is_embedded_at_once_and_only_once(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def mine(texts: list[str]) -> list[list[float]]:
        calls.append(texts)
        return [[1.0, float(len(text))] for text in texts]

    deep = json.loads("[" * 150 + "]" * 150)
    rows = [{"id": n, "text": f"text {n % 5}"} for n in range(40)]
    rows[7] |= {"deep": deep}  # what the engine refuses when it gets it
    with qql.connect(embedders={"mine": mine}) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(2, COSINE) MODEL 'mine')")
        assert copy(db, write(tmp_path / "a.jsonl", *rows), "BATCH 20 ON ERROR SKIP").data["skipped"] == 1
    assert [sorted(texts) for texts in calls] == [[f"text {n}" for n in range(5)]] * 2


def test_a_server_gets_what_it_embeds_as_text(tmp_path: Path) -> None:
    vectors = {"dense": {"size": 8, "distance": "Cosine"}}
    config: dict[str, Any] = {"params": {"vectors": vectors, "sparse_vectors": {"words": {}}}}
    config["metadata"] = {"qql": {"models": {"dense": "local/hash-8", "words": "qdrant/bm25"}}}
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/collections/docs"): ok({"config": config, "payload_schema": {}}),
        ("PUT", "/collections/docs/points"): ok({"operation_id": 1, "status": "completed"}),
    }
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        copy(db, write(tmp_path / "a.jsonl", {"id": 1, "text": "x"}))
        (point,) = server.last.body["points"]
        assert point["vector"]["words"] == {"text": "x", "model": "qdrant/bm25"}
        assert len(point["vector"]["dense"]) == 8


def test_a_request_that_is_too_large_is_halved(tmp_path: Path) -> None:
    def answer(received: Received) -> Reply:
        if len(received.raw) > 2000:
            return refused(413, "Payload too large")
        return ok({"operation_id": 1, "status": "completed"})

    vectors = {"vectors": {"v": {"size": 2, "distance": "Dot"}}}
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/collections/docs"): ok({"config": {"params": vectors}}),
        ("PUT", "/collections/docs/points"): answer,
    }
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        path = write(tmp_path / "a.jsonl", *map(row, range(100)))
        assert copy(db, path).data == {"copied": 100, "skipped": 0, "file": str(path)}
        taken = [
            one.body["points"] for one in server.received if one.method == "PUT" and len(one.raw) <= 2000
        ]
        assert [point["id"] for batch in taken for point in batch] == list(range(100))
        write(path, row(1), row(2, text="x" * 3000), row(3))
        error = fails("bad-row", lambda: copy(db, path))
        assert "line 2:" in error.message


def test_the_schema_is_looked_up_anew(tmp_path: Path) -> None:
    """A file is not loaded by what the session remembers of the collection."""
    backend = EdgeBackend(None)
    one, two = qql.connect(backend), qql.connect(backend)
    one.execute("CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-8')")
    assert one.schema("docs") is not None
    two.run("DROP COLLECTION docs; CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-16');")
    copy(one, write(tmp_path / "a.jsonl", {"id": 1, "text": "x"}))
    assert len(points(two)[1].vector["dense"]) == 16
    one.close()


def test_loading_again_makes_no_duplicates(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *({"text": f"row {n}", "key": f"k{n}"} for n in range(30)))
    for _ in range(2):
        copy(db, path)
        assert count(db) == 30
    moved = tmp_path / "moved.jsonl.gz"
    moved.write_bytes(gzip.compress(path.read_bytes() + b'{"text": "one more"}\n'))
    copy(db, moved)
    assert count(db) == 31
    db.run("DROP COLLECTION docs;" + CREATE)
    for _ in range(2):
        copy(db, path, "MAP (id = UUID(key))")
        assert count(db) == 30


def test_indexes_are_built_after_the_threshold(tmp_path: Path) -> None:
    told: list[str] = []
    with qql.connect(on_progress=lambda what, done, total: told.append(what)) as db:
        db.execute("CREATE COLLECTION docs (v VECTOR(2, DOT)) WITH OPTIMIZERS (indexing_threshold = 5)")
        copy(db, write(tmp_path / "few.jsonl", *map(row, range(50))))
        assert "optimizing docs" not in told
        copy(db, write(tmp_path / "many.jsonl", *map(row, range(2000))))
        assert told[-1] == "optimizing docs"
        assert db.execute("SHOW COLLECTION docs").data["indexed_vectors_count"] == 2000
        assert count(db) == 2000


# ------------------------------------------------------------------------------------ bad rows


BAD: dict[str, tuple[Any, str]] = {
    "not json": ('{"id": 1', "not JSON"),
    "no object": ("[1, 2]", "object"),
    "bad id": ({"id": "doc-1", "vector": {"v": [1, 2]}}, "UUID"),
    "negative id": ({"id": -1, "vector": {"v": [1, 2]}}, "id"),
    "wrong dimension": ({"id": 1, "vector": {"v": [1, 2, 3]}}, "dimensions"),
    "unknown vector": ({"id": 1, "vector": {"w": [1, 2]}}, "`w`"),
    "unnamed vector": ({"id": 1, "vector": [1, 2]}, "name"),
    "ragged": ({"id": 1, "vector": {"v": [[1, 2], [3]]}}, "length"),
    "no numbers": ({"id": 1, "vector": {"v": ["a", "b"]}}, "number"),
    "too large a number": ({"id": 1, "vector": {"v": [1e300, 1]}}, "32-bit"),
    "sparse for dense": ({"id": 1, "vector": {"v": {"indices": [1], "values": [1]}}}, "sparse"),
    "twice": ('{"id": 1, "n": 1, "n": 2}', "twice"),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("rest", ["", "ON ERROR STOP"])
def test_a_bad_row_stops_the_load_before_anything_is_written(
    given: qql.Session, tmp_path: Path, fault: str, rest: str
) -> None:
    bad, word = BAD[fault]
    path = write(tmp_path / "a.jsonl", *map(row, range(700)), bad, row(701))
    script = f"COUNT FROM docs;\nCOPY docs FROM '{path}' {rest};"
    error = fails("bad-row", lambda: given.run(script, name="load.qql"))
    assert f"{path}, line 701:" in error.message and word in error.message
    assert (error.line, error.column) == (2, 16)  # the file's name in the statement
    assert "ON ERROR SKIP" in error.hint or "UUID(" in error.hint or error.hint
    assert count(given) == 0


@pytest.mark.parametrize("fault", BAD)
def test_bad_rows_are_left_out_and_told(given: qql.Session, tmp_path: Path, fault: str) -> None:
    bad, word = BAD[fault]
    path = write(tmp_path / "a.jsonl", *map(row, range(10)), bad, row(11), "", bad)
    result = copy(given, path, "ON ERROR SKIP")
    assert result.message == "copied 11 rows into docs, skipped 2"
    assert result.data == {"copied": 11, "skipped": 2, "file": str(path)}
    assert [one.code for one in result.warnings] == ["bad-row", "bad-row"]
    assert [one.message.split(": ")[0] for one in result.warnings] == [f"{path}, line 11", f"{path}, line 14"]
    assert all(word in one.message for one in result.warnings)
    assert set(points(given)) == {*range(10), 11}


def test_no_more_than_twenty_bad_rows_are_shown(given: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *(row(n) if n % 2 else "nonsense" for n in range(100)))
    result = copy(given, path, "ON ERROR SKIP")
    assert result.data["skipped"] == 50 and count(given) == 50
    assert len(result.warnings) == 21
    assert [one.message.split(": ")[0] for one in result.warnings[:20]] == [
        f"{path}, line {n}" for n in range(1, 41, 2)
    ]
    assert "50 rows" in result.warnings[20].message


def test_rows_that_the_engine_refuses_are_found(given: qql.Session, tmp_path: Path) -> None:
    """The embedded engine takes payloads of 100 levels, and a file may have 200."""
    deep = json.loads("[" * 150 + "]" * 150)
    rows = [row(n, deep=deep) if n in (3, 4, 60, 99) else row(n) for n in range(100)]
    path = write(tmp_path / "a.jsonl", *rows[:50], "nonsense", *rows[50:])
    result = copy(given, path, "BATCH 64 ON ERROR SKIP")
    assert result.data == {"copied": 96, "skipped": 5, "file": str(path)}
    lines = [one.message.split(": ")[0].rpartition(" ")[2] for one in result.warnings]
    assert lines == ["4", "5", "51", "62", "101"]
    assert set(points(given)) == set(range(100)) - {3, 4, 60, 99}


def test_what_the_engine_would_refuse_is_found_before_anything_is_written(
    given: qql.Session, tmp_path: Path
) -> None:
    deep = json.loads("[" * 150 + "]" * 150)
    path = write(tmp_path / "a.jsonl", *(row(n, deep=deep) if n == 25 else row(n) for n in range(40)))
    error = fails("bad-row", lambda: copy(given, path, "BATCH 10"))
    assert f"{path}, line 26: point 25: the payload nests deeper than 100" in error.message
    assert count(given) == 0


class Refusing(RecordingBackend):
    """An engine that answers the write with this number with an error."""

    def __init__(self, error: QQLError, at: int) -> None:
        super().__init__(EdgeBackend(None))
        self.error, self.at, self.writes = error, at, 0

    def call(self, request: Request) -> Any:
        if request.route == ("PUT", "points"):
            self.writes += 1
            if self.writes >= self.at:
                raise self.error
        return super().call(request)


def test_a_refusal_while_loading_tells_lines_and_what_was_written(tmp_path: Path) -> None:
    refusal = QQLExecutionError.make("invalid-payload", "too odd")
    with qql.connect(Refusing(refusal, at=3)) as db:
        db.run(GIVEN)
        path = write(tmp_path / "a.jsonl", *map(row, range(40)))
        error = fails("invalid-payload", lambda: copy(db, path, "BATCH 10"))
        assert f"{path}, lines 21 to 30: too odd" in error.message
        assert "written before: 20 rows" in error.message
        assert count(db) == 20


@pytest.mark.parametrize(
    "error",
    [
        QQLConnectionError.make("connection-failed", "the server is gone"),
        QQLExecutionError.make("rate-limited", "slowly"),
        QQLExecutionError.make("server-error", "out of disk"),
        QQLExecutionError.make("unknown-collection", "somebody dropped it"),
        QQLExecutionError.make("database-unwritable", "disk full"),
    ],
)
@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
def test_what_is_no_rows_fault_stops_the_load(tmp_path: Path, error: QQLError, rest: str) -> None:
    backend = Refusing(error, at=3)
    with qql.connect(backend) as db:
        db.run(GIVEN)
        path = write(tmp_path / "a.jsonl", *map(row, range(100)))
        raised = fails(error.code, lambda: copy(db, path, f"BATCH 20 {rest}"), type(error))
        unsure = "; the last batch may have been written: 20 rows from line 41 on"
        sure = error.code not in ("connection-failed", "server-error")
        assert raised.message == f"{error.message} (written before: 40 rows{'' if sure else unsure})"
        assert raised.line == 1
        assert backend.writes == 3


@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
def test_a_models_failure_stops_the_load(tmp_path: Path, rest: str) -> None:
    def mine(texts: list[str]) -> list[list[float]]:
        if "row 30" in texts:
            raise OSError("the model's server is gone")
        return [[1.0, 2.0]] * len(texts)

    with qql.connect(embedders={"mine": mine}) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(2, COSINE) MODEL 'mine')")
        path = write(tmp_path / "a.jsonl", *({"id": n, "text": f"row {n}"} for n in range(60)))
        error = fails("model-failed", lambda: copy(db, path, f"BATCH 10 {rest}"), QQLModelError)
        assert "gone" in error.message and "30 rows" in error.message
        assert count(db) == 30


# ------------------------------------------------------------------------------------ files at fault


@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
def test_files_that_cannot_be_read(db: qql.Session, tmp_path: Path, rest: str) -> None:
    error = fails("file-unreadable", lambda: copy(db, tmp_path / "no.jsonl", rest))
    assert str(tmp_path / "no.jsonl") in error.message and error.line == 1
    assert "folder" in fails("file-unreadable", lambda: copy(db, tmp_path, f"FORMAT csv {rest}")).message
    broken = tmp_path / "b.jsonl.gz"
    broken.write_bytes(gzip.compress(b'{"id": 1, "text": "x"}\n' * 1000)[:-20])
    fails("file-unreadable", lambda: copy(db, broken, rest))
    if not rest:
        assert count(db) == 0
    table = tmp_path / "t.csv"
    table.write_text("id,body\n1,x\n", encoding="utf-8")
    error = fails("unknown-column", lambda: copy(db, table, f"MAP (text = boddy) {rest}"))
    assert "`body`" in error.hint
    fails("file-format", lambda: copy(db, table, f"FORMAT excel {rest}"), QQLPlanError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_read_once_or_not_at_all(given: qql.Session, tmp_path: Path) -> None:
    def filled(name: str) -> tuple[Path, int]:
        path = tmp_path / name
        os.mkfifo(path)
        handle = os.open(path, os.O_RDWR)
        os.write(handle, (json.dumps(row(1)) + "\n").encode())
        return path, handle

    path, handle = filled("a.jsonl")
    error = fails("not-a-file", lambda: copy(given, path))
    assert "ON ERROR SKIP" in error.hint and count(given) == 0
    os.close(handle)

    path, handle = filled("b.jsonl")
    told: list[tuple[str, int, int | None]] = []

    def progress(what: str, done: int, total: int | None) -> None:
        if done and not told[-1][1]:
            os.close(handle)  # the end of the pipe, once its first rows were read
        told.append((what, done, total))

    given.on_progress = progress
    assert copy(given, path, "BATCH 1 ON ERROR SKIP").data["copied"] == 1
    assert told == [("copying b.jsonl", done, None) for done in (0, 1, 1)]


def test_an_unknown_collection_is_found_before_anything_is_sent(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "text": "x"})
    script = f"UPSERT INTO docs VALUES {{id: 5, text: 'y'}};\nCOPY dogs FROM '{path}';"
    error = fails("unknown-collection", lambda: db.run(script), QQLPlanError)
    assert (error.line, error.column) == (2, 6) and "`docs`" in error.hint
    assert count(db) == 0


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
def test_an_empty_file(given: qql.Session, tmp_path: Path, name: str, rest: str) -> None:
    path = tmp_path / name
    path.write_text("id,n\n" if name == "a.csv" else "", encoding="utf-8")
    told: list[tuple[int, int | None]] = []
    given.on_progress = lambda what, done, total: told.append((done, total))
    assert copy(given, path, rest).message == "copied 0 rows into docs"
    assert told[-1] == (0, None if rest else 0)


def test_a_script_creates_and_loads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "text": "care of burns"})
    with qql.connect() as db:
        script = f"{CREATE} COPY docs FROM :path; QUERY 'burns' FROM docs USING words;"
        assert db.run(script, {"path": str(path)})[-1].ids == [1]
        assert db.run("EXPLAIN COPY docs FROM :path;", {"path": "nowhere"})[0].kind == "text"


# ------------------------------------------------------------------------------------ progress and memory


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
def test_progress_grows_and_ends_at_the_total(
    given: qql.Session, tmp_path: Path, name: str, rest: str
) -> None:
    path = write(tmp_path / "a.jsonl", *map(row, range(3000)))
    if name.endswith(".gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    told: dict[str, list[int]] = {}
    shares: dict[str, list[float]] = {}
    written: list[int] = []

    def progress(what: str, done: int, total: int | None) -> None:
        assert isinstance(what, Work)
        assert what.unit == "rows"
        known = what.startswith("copying") and not rest
        assert total == (3000 if known else None)
        shares.setdefault(what, []).append(done / 3000 if known else what.share or 0)
        told.setdefault(what, []).append(done)
        written.append(count(given))

    given.on_progress = progress
    copy(given, path, rest)
    assert list(told) == ([] if rest else [f"checking {name}"]) + [f"copying {name}"]
    for steps in told.values():
        assert len(steps) >= 6
        assert steps == sorted(steps)
        assert steps[-1] == 3000
    for parts in shares.values():
        assert parts == sorted(parts)
        assert parts[-1] == 1
    # What was told as copied is there.
    assert written == sorted(written) and written[-1] == 3000


def peak(db: qql.Session, path: Path, rest: str) -> int:
    tracemalloc.start()
    copy(db, path, rest)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.slow
@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, rest: str) -> None:
    """Rows that are embedded, bad ones, ones with a warning; a short file comes first, to warm the caches."""

    def rows(of: int) -> Iterator[Any]:
        for n in range(of):
            yield {"id": n, "text": f"row {n % 50}"} if n % 4 or not rest else "bad"
            yield {"id": of + n, "payload": {"text": "nested"}}

    with qql.connect() as db:
        db.execute(
            "CREATE COLLECTION docs (v VECTOR MODEL 'local/hash-8') WITH OPTIMIZERS (indexing_threshold = 0)"
        )
        few, many = tmp_path / "few.jsonl", tmp_path / "many.jsonl"
        copy(db, write(few, *rows(500)), rest)
        short = peak(db, few, rest)
        long = peak(db, write(many, *rows(3000)), rest)
        assert long < short + 120_000, (short, long)  # 24 bytes for each row more
        assert count(db) >= 3000
