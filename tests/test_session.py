"""The session: targets, scripts, what stays and what is forgotten, models, results, and engines compared."""

from __future__ import annotations

import json
import random
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import python, same_ranking
from http_recorder import HttpRecorder, Received, Reply, ok, refused

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.errors import (
    QQLCompileError,
    QQLConnectionError,
    QQLExecutionError,
    QQLModelError,
    QQLPlanError,
    QQLScriptError,
    QQLSyntaxError,
)
from qql.models.embedders.hash import HashEmbedder
from qql.rest.request import Request
from qql.schema import Schema

CREATE = "CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', words SPARSE MODEL 'qdrant/bm25');"
UPSERT = """
UPSERT INTO docs VALUES
  {id: 1, text: 'Emergency care for acute chest pain', year: 2023},
  {id: 2, text: 'Urgent treatment of burns in children', year: 2024},
  {id: 3, text: 'How to plan an annual check-up', year: 2022};
"""
QUERY = "QUERY 'emergency care' FROM docs USING dense LIMIT 3"


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run(CREATE + UPSERT)
        yield session


class Counting:
    """A model of the application that writes down what it is asked."""

    def __init__(self, size: int = 4) -> None:
        self.calls: list[list[str]] = []
        self._inner = HashEmbedder(f"local/hash-{size}")

    def __call__(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(texts)
        return self._inner.embed(texts, "query")


def info(**vectors: Any) -> dict[str, Any]:
    """What a server answers for a collection with these vectors: size, or ``(size, model)``."""
    dense, models = {}, {}
    for name, given in vectors.items():
        size, model = given if isinstance(given, tuple) else (given, None)
        dense[name] = {"size": size, "distance": "Cosine"}
        if model:
            models[name] = model
    config = {"params": {"vectors": dense, "sparse_vectors": {"words": {}}}}
    config["metadata"] = {"qql": {"models": {**models, "words": "qdrant/bm25"}}}
    return {"status": "green", "points_count": 0, "config": config, "payload_schema": {}}


def fails(kind: type[Any], code: str, call: Callable[[], Any]) -> Any:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


# ------------------------------------------------------------------------------------ connect


def test_a_directory_keeps_everything(tmp_path: Path) -> None:
    home = tmp_path / "new" / "db"
    index = "CREATE INDEX ON docs FOR year TYPE integer;"
    with qql.connect(str(home)) as db:
        db.run(CREATE + index + UPSERT)
        before, schema = db.execute(QUERY), db.schema("docs")
        described = db.execute("SHOW COLLECTION docs").rows
    with qql.connect(home) as again:
        assert again.collections() == ["docs"]
        found = again.schema("docs")
        assert found is not None and schema is not None
        assert found.vectors == schema.vectors
        assert found.vectors["dense"].model == "local/hash-64"
        assert found.vectors["words"].model == "qdrant/bm25"
        assert found.indexes == {"year": "integer"}
        assert again.execute("SHOW COLLECTION docs").rows == described
        assert again.execute(QUERY).hits == before.hits
        again.execute("UPSERT INTO docs VALUES {id: 4, text: 'emergency care'}")
        assert again.execute(QUERY).ids[0] == 4


def test_memory_is_thrown_away() -> None:
    with qql.connect() as one, qql.connect(":memory:") as two:
        one.run(CREATE)
        assert (one.collections(), two.collections()) == (["docs"], [])
        assert isinstance(one.backend, EdgeBackend)
        directory = one.backend.path
        assert directory.exists()
        assert one.target == ":memory:"
    assert not directory.exists()


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_a_server_is_asked_nothing_before_the_first_statement(scheme: str) -> None:
    listed = ok({"collections": [{"name": "b"}, {"name": "a"}]})
    with (
        HttpRecorder(otherwise=listed) as server,
        qql.connect(server.url.replace("http", scheme), api_key="k") as db,
    ):
        assert server.received == []
        assert db.collections() == ["a", "b"]
        assert [(one.method, one.path) for one in server.received] == [("GET", "/collections")]
        assert server.last.headers["api-key"] == "k"


def test_a_server_that_is_not_there_is_missed_by_the_first_statement() -> None:
    with HttpRecorder() as server:
        url = server.url
    with qql.connect(url) as db:
        error = fails(QQLConnectionError, "connection-failed", lambda: db.execute("SHOW COLLECTIONS"))
        assert error.exit_code == 4
        assert (error.line, error.column) == (1, 1)


def test_a_client_of_the_application_stays_open() -> None:
    client = local_client()
    with qql.connect(client) as db:
        db.run(CREATE + UPSERT)
        assert db.execute(QUERY).ids[0] == 1
        assert db.target == "QdrantClient"
    assert client.count("docs").count == 3
    client.close()


def test_a_backend_may_be_given() -> None:
    backend = RecordingBackend()
    with qql.connect(backend) as db:
        db.execute("COUNT FROM docs")
    assert backend.requests[-1] == Request("POST", "/collections/docs/points/count", {}, {})


@pytest.mark.parametrize("target", [None, 7, object(), b"bytes"])
def test_what_is_no_target_is_refused(target: Any) -> None:
    fails(QQLConnectionError, "unsupported-client", lambda: qql.connect(target))


@pytest.mark.parametrize("target", ["localhost:6333", "db.example.org:80", "ftp://host", "qdrant://host:1"])
def test_an_address_without_its_scheme_makes_no_directory(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = fails(QQLConnectionError, "invalid-url", lambda: qql.connect(target))
    assert target in error.message and "http://" in error.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [{"api_key": "k"}, {"grpc": True}, {"cloud_inference": True}])
def test_options_of_servers_are_refused_elsewhere(option: dict[str, Any], tmp_path: Path) -> None:
    home = tmp_path / "db"
    error = fails(QQLConnectionError, "idle-option", lambda: qql.connect(home, **option))
    assert next(iter(option)) in error.message
    assert not home.exists()
    fails(QQLConnectionError, "idle-option", lambda: qql.connect(RecordingBackend(), **option))


def test_a_client_keeps_its_own_timeout() -> None:
    client = local_client()
    fails(QQLConnectionError, "idle-option", lambda: qql.connect(client, timeout=3))
    client.close()


def test_a_timeout_of_nothing_is_refused() -> None:
    fails(QQLConnectionError, "invalid-timeout", lambda: qql.connect("http://localhost", timeout=0))


def test_a_database_is_open_in_one_process_at_a_time(tmp_path: Path) -> None:
    child = python(
        """
        import sys, qql
        with qql.connect(sys.argv[1]) as db:
            db.run("CREATE COLLECTION docs (a VECTOR(2, DOT))")
            print("open", flush=True)
            sys.stdin.read()
        """,
        str(tmp_path / "db"),
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "open\n"
        error = fails(QQLConnectionError, "database-locked", lambda: qql.connect(tmp_path / "db"))
        assert error.exit_code == 4
        assert str(child.pid) in error.message
    finally:
        child.communicate()
    with qql.connect(tmp_path / "db") as db:
        assert db.collections() == ["docs"]


def test_closing_twice_and_using_what_is_closed() -> None:
    db = qql.connect()
    db.run(CREATE)
    db.close()
    db.close()
    fails(QQLConnectionError, "database-closed", lambda: db.execute("SHOW COLLECTIONS"))


def test_the_engine_is_closed_even_where_a_model_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    db = qql.connect()

    def fail() -> None:
        raise RuntimeError("a connection that will not close")

    monkeypatch.setattr(db.embedders, "close", fail)
    with pytest.raises(RuntimeError):
        db.close()
    fails(QQLConnectionError, "database-closed", db.collections)


def test_an_exception_closes_the_session(tmp_path: Path) -> None:
    with pytest.raises(KeyError), qql.connect(tmp_path / "db"):
        raise KeyError
    qql.connect(tmp_path / "db").close()


def test_collection_and_stages_stand_in_for_what_is_missing() -> None:
    stages = {
        "Meaning": "QUERY 'emergency' USING dense LIMIT 9",
        "words": "QUERY 'burns' USING words LIMIT 9",
    }
    with qql.connect(collection="docs", stages=stages) as db:
        db.run(CREATE + UPSERT)
        assert set(db.execute("FUSION RRF PREFETCH (meaning, WORDS) LIMIT 3").ids) == {1, 2, 3}
        assert db.execute("COUNT").rows == [{"count": 3}]


def test_a_stage_that_does_not_parse_opens_nothing(tmp_path: Path) -> None:
    home = tmp_path / "db"
    with pytest.raises(QQLSyntaxError) as caught:
        qql.connect(home, stages={"dense": "QUERY 'x' LIMIT"})
    assert "<stage dense>:1" in caught.value.render()
    assert not home.exists()


def test_an_embeddings_server_by_its_address() -> None:
    def answer(received: Received) -> Reply:
        inputs = received.body["input"]
        return Reply({"data": [{"index": i, "embedding": [1.0, i, 0.5]} for i in range(len(inputs))]})

    with HttpRecorder(otherwise=answer) as models:
        with qql.connect(embed_url=f"{models.url}/v1", embed_key="secret") as db:
            db.execute("CREATE COLLECTION docs (dense VECTOR(3, COSINE) MODEL 'openai/tiny')")
            db.execute("UPSERT INTO docs VALUES {id: 1, text: 'a'}, {id: 2, text: 'b'}")
            assert db.execute("QUERY 'a' FROM docs").ids == [1, 2]
        assert [one.path for one in models.received] == ["/v1/embeddings"] * 2
        assert models.received[0].body["input"] == ["a", "b"]
        assert models.received[0].headers["authorization"] == "Bearer secret"


# ------------------------------------------------------------------------------------ one statement, a script


@pytest.mark.parametrize(
    ("text", "count", "place"),
    [("", 0, (1, 1)), ("-- nothing\n", 0, (1, 1)), ("COUNT FROM docs;\n COUNT FROM docs", 2, (2, 2))],
)
def test_execute_takes_one_statement(db: qql.Session, text: str, count: int, place: tuple[int, int]) -> None:
    error = fails(QQLPlanError, "one-statement", lambda: db.execute(text))
    assert str(count) in error.message and "run" in error.message
    assert (error.line, error.column) == place


FAULTS = {
    "syntax": ("QUERY 'x' FORM docs", QQLSyntaxError, "syntax"),
    "plan": ("FUSION RRF FROM docs PREFETCH (nobody)", QQLPlanError, "unknown-stage"),
    "unknown vector": ("QUERY 'x' FROM docs USING colour", QQLPlanError, "unknown-vector"),
    "wrong dimension": ("QUERY [1, 2] FROM docs USING dense", QQLPlanError, "wrong-dimension"),
    "wrong kind": ("QUERY [1, 2] FROM docs USING words", QQLPlanError, "wrong-kind"),
    "missing parameter": ("QUERY :q FROM docs USING dense", QQLPlanError, "missing-parameter"),
    "unknown collection": ("COUNT FROM dogs", QQLPlanError, "unknown-collection"),
    "bad row": ("UPSERT INTO docs VALUES {text: 'no id'}", QQLPlanError, "missing-id"),
    "wrong row": ("UPSERT INTO docs VALUES {id: 1, vector: {dense: [1]}}", QQLPlanError, "wrong-dimension"),
    "bad id": ("UPSERT INTO docs VALUES {id: 'doc-1'}", QQLPlanError, "invalid-point-id"),
    "bad mapping": ("COPY docs FROM 'x.jsonl' MAP (text = (a, b))", QQLPlanError, "bad-mapping"),
    "mapped twice": ("COPY docs FROM 'x.csv' MAP (text = a, text = b)", QQLPlanError, "bad-mapping"),
    "uuid of a text": ("COPY docs FROM 'x.csv' MAP (text = UUID(a))", QQLPlanError, "bad-mapping"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_sent_where_the_last_statement_is_at_fault(fault: str) -> None:
    text, kind, code = FAULTS[fault]
    with qql.connect(RecordingBackend(EdgeBackend(None))) as db:
        backend: Any = db.backend
        db.run(CREATE + UPSERT)
        backend.clear()
        script = f"""
            USE docs;
            DEFINE s AS (QUERY 'x' USING dense LIMIT 5);
            CREATE COLLECTION other (v VECTOR(2, COSINE));
            UPSERT INTO docs VALUES {{id: 9, text: 'nine'}};
            DELETE FROM docs WHERE id = 1;
            DROP COLLECTION docs;
            CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', words SPARSE);
            {text}"""
        error = fails(kind, code, lambda: db.run(script, name="script.qql"))
        assert error.line == 9 and "script.qql:9:" in error.render() and "^" in error.render()
        assert [one for one in backend.requests if one.method != "GET"] == []
        assert (db.context.collection, db.context.stages) == (None, {})
        assert db.execute("SCROLL FROM docs").ids == [1, 2, 3]


def test_every_fault_of_a_script_is_told(db: qql.Session) -> None:
    with pytest.raises(QQLScriptError) as caught:
        db.run("COUNT FORM docs;\nCOUNT FROM dogs;\nQUERY [1] FROM docs USING dense;\nCOUNT FROM docs;")
    assert [one.line for one in caught.value.diagnostics] == [1, 3]


def test_a_stream_gives_results_before_a_later_statement_fails(db: qql.Session) -> None:
    script = "COUNT FROM docs;\nSCROLL FROM docs ORDER BY name;\nDELETE FROM docs WHERE id = 1;"
    results = db.stream(script, name="s.qql")
    assert next(results).rows == [{"count": 3}]
    error = fails(QQLExecutionError, "index-required", lambda: next(results))
    assert (error.line, error.column) == (2, 1)
    assert list(results) == []
    assert db.execute("COUNT FROM docs").rows == [{"count": 3}]


def test_a_stream_is_compiled_before_its_first_result(db: qql.Session) -> None:
    fails(QQLSyntaxError, "syntax", lambda: db.stream("COUNT FROM docs; COUNT FORM docs"))


def test_an_execution_failure_says_where(db: qql.Session) -> None:
    script = "COUNT FROM docs;\n  SCROLL FROM docs\n  ORDER BY text;"
    error = fails(QQLExecutionError, "index-required", lambda: db.run(script, name="dir/x.qql"))
    assert not isinstance(error, QQLCompileError) and error.exit_code == 1
    assert error.render().splitlines()[1:5] == [
        "  --> dir/x.qql:2:3",
        "  |",
        "2 |   SCROLL FROM docs",
        "  |   ^^^^^^^^^^^^^^^^",
    ]
    assert "CREATE INDEX ON docs FOR text" in error.hint
    assert error.__cause__ is not None
    assert error.diagnostic.to_dict()["end_line"] == 3


def test_a_script_plans_by_what_it_creates() -> None:
    with qql.connect() as db:
        results = db.run(CREATE + UPSERT + QUERY)
        assert results[-1].ids[0] == 1
        script = "DROP COLLECTION docs; CREATE COLLECTION docs (other VECTOR(2, DOT));"
        by_words = "QUERY 'care' FROM docs USING words"
        error = fails(QQLPlanError, "unknown-vector", lambda: db.run(script + by_words))
        assert "other" in error.render()
        error = fails(QQLPlanError, "unknown-collection", lambda: db.run(f"DROP COLLECTION docs; {QUERY}"))
        assert error.diagnostic.source.text[error.diagnostic.span.start :].startswith("docs USING")
        assert db.collections() == ["docs"]
        hits = db.run(
            script + "UPSERT INTO docs VALUES {id: 1, vector: {other: [1, 2]}}; QUERY [1, 1] FROM docs"
        )
        assert [(hit.id, hit.score) for hit in hits[-1].hits] == [(1, 3.0)]


def test_if_exists_and_if_not_exists(db: qql.Session) -> None:
    other = "CREATE COLLECTION IF NOT EXISTS {} (v VECTOR(2, COSINE))"
    assert db.execute(other.format("docs")).message == "docs exists already"
    assert db.execute("COUNT FROM docs").rows == [{"count": 3}]
    assert db.execute(other.format("new")).message == "created collection new"
    assert db.execute("DROP COLLECTION IF EXISTS new").message == "dropped collection new"
    assert db.execute("DROP COLLECTION IF EXISTS new").message == "new does not exist"
    fails(QQLPlanError, "collection-exists", lambda: db.execute(CREATE))
    fails(QQLPlanError, "unknown-collection", lambda: db.execute("DROP COLLECTION new"))
    # What is there already is what the statements after it are planned by.
    found = db.run("CREATE COLLECTION IF NOT EXISTS docs (v VECTOR(2, COSINE));" + QUERY)
    assert found[-1].ids[0] == 1


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_if_exists_goes_by_what_is_there_now(engine: str) -> None:
    """The other session's doings are not known to this one, which has seen the collection before."""
    client = local_client() if engine == "local" else EdgeBackend(None)
    with qql.connect(client) as one, qql.connect(client) as two:
        one.run(CREATE)
        assert one.schema("docs") is not None
        two.execute("DROP COLLECTION docs")
        assert one.execute("DROP COLLECTION IF EXISTS docs").message == "docs does not exist"
        assert one.execute("CREATE COLLECTION IF NOT EXISTS docs (v VECTOR(2, DOT))").message.startswith(
            "created"
        )
        assert one.schema("docs") is not None
        two.run("DROP COLLECTION docs")
        fails(QQLPlanError, "unknown-collection", lambda: one.execute("DROP COLLECTION docs"))
    client.close()


def test_if_exists_on_a_server() -> None:
    there = refused(409, "Wrong input: Collection `docs` already exists!")
    answers = {
        ("GET", "/collections"): ok({"collections": [{"name": "docs"}]}),
        ("GET", "/collections/docs"): ok(info(dense=4)),
        ("PUT", "/collections/docs"): there,
        ("DELETE", "/collections/docs"): ok(False),
    }
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        create = "CREATE COLLECTION {} docs (dense VECTOR(4, COSINE))"
        assert db.execute(create.format("IF NOT EXISTS")).message == "docs exists already"
        fails(QQLPlanError, "collection-exists", lambda: db.execute(create.format("")))
        assert db.execute("DROP COLLECTION IF EXISTS docs").message == "docs does not exist"
        fails(QQLExecutionError, "unknown-collection", lambda: db.execute("DROP COLLECTION docs"))


# ------------------------------------------------------------------------------------ what stays


def test_use_define_undefine_and_show_stages(db: qql.Session) -> None:
    assert db.execute("USE docs").message == "using docs"
    assert db.execute("COUNT").rows == [{"count": 3}]
    assert db.execute("DEFINE Meaning AS (QUERY 'emergency care' USING dense LIMIT 9)").message
    db.execute("DEFINE words AS (QUERY 'emergency burns' USING words LIMIT 9)")
    db.execute("DEFINE both AS (FUSION RRF PREFETCH (MEANING, Words) LIMIT 5)")
    assert db.execute("QUERY 'emergency care' USING dense PREFETCH (both) LIMIT 2").ids[0] == 1
    shown = db.execute("SHOW STAGES").rows
    assert [row["stage"] for row in shown] == ["Meaning", "words", "both"]
    assert "QUERY 'emergency care'" in shown[0]["definition"]
    # A WITH of the statement comes before a defined stage, and does not stay.
    own = "WITH meaning AS (QUERY 'burns' USING words LIMIT 1) FUSION RRF PREFETCH (meaning)"
    assert db.execute(own).ids == [2]
    assert len(db.execute("FUSION RRF PREFETCH (meaning)")) == 3
    db.execute("DEFINE MEANING AS (QUERY 'burns' USING words LIMIT 1)")
    assert db.execute("FUSION RRF PREFETCH (meaning)").ids == [2]
    assert len(db.execute("SHOW STAGES")) == 3
    db.execute("UNDEFINE meaning")
    error = fails(QQLPlanError, "unknown-stage", lambda: db.execute("FUSION RRF PREFETCH (both)"))
    assert "meaning" in error.message.lower()
    fails(QQLPlanError, "unknown-stage", lambda: db.execute("UNDEFINE meaning"))


def test_a_stage_keeps_the_values_it_was_defined_with(db: qql.Session) -> None:
    db.execute("DEFINE s AS (QUERY :q USING words LIMIT :n)", {"q": "burns", "n": 1})
    assert db.execute("FUSION RRF FROM docs PREFETCH (s)").ids == [2]


def test_what_was_not_reached_leaves_no_trace(db: qql.Session) -> None:
    script = """
        DEFINE before AS (QUERY 'x' USING dense LIMIT 5);
        SCROLL FROM docs ORDER BY name;
        USE docs;
        DEFINE after AS (QUERY 'x' USING dense LIMIT 5);
    """
    fails(QQLExecutionError, "index-required", lambda: db.run(script))
    assert [row["stage"] for row in db.execute("SHOW STAGES").rows] == ["before"]
    fails(QQLPlanError, "from-missing", lambda: db.execute("COUNT"))


def test_explain_changes_nothing(db: qql.Session) -> None:
    db.run("EXPLAIN USE docs; EXPLAIN DEFINE s AS (QUERY 'x' USING dense); EXPLAIN DROP COLLECTION docs")
    assert (db.context.collection, db.context.stages, db.collections()) == (None, {}, ["docs"])
    result = db.execute("EXPLAIN " + QUERY)
    assert result.kind == "text" and "POST /collections/docs/points/query" in result.message
    assert db.explain(QUERY) == result.message


def test_sessions_of_one_engine_keep_their_own_stages() -> None:
    backend = EdgeBackend(None)
    one, two = qql.connect(backend), qql.connect(backend)
    one.run(CREATE + "USE docs; DEFINE s AS (QUERY 'x' USING dense);")
    fails(QQLPlanError, "from-missing", lambda: two.execute("COUNT"))
    assert two.execute("SHOW STAGES").rows == []
    one.close()


# ------------------------------------------------------------------------------------ stale schemas


def test_a_changed_collection_is_not_held_against_a_statement() -> None:
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/collections/docs"): ok(info(full=2)),
        ("POST", "/collections/docs/points/query"): ok({"points": []}),
    }
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        assert db.execute("QUERY [1, 2] FROM docs USING full").hits == []
        seen = len(server.received)
        db.execute("QUERY [1, 2] FROM docs USING full")
        assert len(server.received) == seen + 1  # the schema is not asked for again
        answers["GET", "/collections/docs"] = ok(info(other=3))
        assert db.execute("QUERY [1, 2, 3] FROM docs USING other").hits == []
        fails(QQLPlanError, "unknown-vector", lambda: db.execute("QUERY [1, 2] FROM docs USING full"))


def test_a_refusal_makes_the_session_look_again() -> None:
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/collections/docs"): ok(info(dense=(4, "local/hash-4"))),
        ("POST", "/collections/docs/points/query"): refused(400, "Wrong input: Vector dimension error"),
    }
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        fails(QQLExecutionError, "server-refused", lambda: db.execute("QUERY 'x' FROM docs USING dense"))
        answers["GET", "/collections/docs"] = ok(info(dense=(8, "local/hash-8")))
        answers["POST", "/collections/docs/points/query"] = ok({"points": []})
        db.execute("QUERY 'x' FROM docs USING dense")
        assert len(server.last.body["query"]["nearest"]) == 8


def test_a_schema_is_believed_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another model of the same size would give no error, only wrong answers."""
    now = 1000.0
    monkeypatch.setattr("qql.session.session.time.monotonic", lambda: now)
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/collections/docs"): ok(info(dense=(4, "old"))),
        ("POST", "/collections/docs/points/query"): ok({"points": []}),
    }
    old, new = Counting(), Counting()
    with HttpRecorder(answers) as server, qql.connect(server.url, embedders={"old": old, "new": new}) as db:
        db.execute("QUERY 'x' FROM docs USING dense")
        answers["GET", "/collections/docs"] = ok(info(dense=(4, "new")))
        now += 29
        db.execute("QUERY 'x' FROM docs USING dense")
        assert (len(old.calls), len(new.calls)) == (2, 0)
        now += 2
        db.execute("QUERY 'x' FROM docs USING dense")
        assert (len(old.calls), len(new.calls)) == (2, 1)


def test_a_collection_that_is_gone() -> None:
    missing = refused(404, "Not found: Collection `docs` doesn't exist!")
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/collections"): ok({"collections": [{"name": "dogs"}]}),
        ("GET", "/collections/docs"): ok(info(dense=2)),
        ("POST", "/collections/docs/points/count"): ok({"count": 7}),
    }
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        assert db.execute("COUNT FROM docs").rows == [{"count": 7}]
        answers["GET", "/collections/docs"] = answers["POST", "/collections/docs/points/count"] = missing
        fails(QQLExecutionError, "unknown-collection", lambda: db.execute("COUNT FROM docs"))
        error = fails(QQLPlanError, "unknown-collection", lambda: db.execute("COUNT FROM docs"))
        assert "dogs" in error.hint
        assert db.schema("docs") is None


def test_an_index_is_known_once_it_is_there(db: qql.Session) -> None:
    def indexes() -> Any:
        schema = db.schema("docs")
        assert isinstance(schema, Schema)
        return schema.indexes

    assert indexes() == {}
    db.execute("CREATE INDEX ON docs FOR year TYPE integer")
    assert indexes() == {"year": "integer"}
    db.execute("DROP INDEX ON docs FOR year")
    assert indexes() == {}


# ------------------------------------------------------------------------------------ text and vectors


def test_one_text_of_three_stages_is_embedded_once() -> None:
    small, large = Counting(4), Counting(8)
    with qql.connect(embedders={"small": small, "large": large}) as db:
        db.run(
            "CREATE COLLECTION docs (a VECTOR(4, COSINE) MODEL 'small', b VECTOR(8, COSINE) MODEL 'large');"
            "UPSERT INTO docs VALUES {id: 1, text: 'one'}, {id: 2, text: 'two'}, {id: 3, text: 'one'}"
        )
        assert [sorted(texts) for texts in small.calls + large.calls] == [["one", "two"], ["one", "two"]]
        small.calls.clear()
        large.calls.clear()
        result = db.execute(
            """
            WITH x AS (QUERY 'find' USING a LIMIT 9),
                 y AS (QUERY 'find' USING a WHERE id != 3 PREFETCH (x) LIMIT 9),
                 z AS (QUERY 'find' USING b LIMIT 9),
                 w AS (QUERY 'other' USING a LIMIT 9)
            QUERY 'find' FROM docs USING a PREFETCH (x, y, z, w) LIMIT 3
            """
        )
        assert len(result) == 3
        assert [sorted(texts) for texts in small.calls] == [["find", "other"]]
        assert large.calls == [["find"]]
        # The requests of a result are as they were compiled: texts, not vectors.
        (request,) = result.requests
        assert request.body is not None
        assert request.body["query"]["nearest"] == {"text": "find", "model": "small"}


def test_the_statements_model_comes_first_then_the_collections_then_the_sessions() -> None:
    recorded, written, default, any_dense = Counting(), Counting(), Counting(), Counting()
    custom = {"recorded": recorded, "written": written, "default": default, "any": any_dense}
    with qql.connect(embedders=custom, models={"a": "default", "b": "default", "*": "any"}) as db:
        db.execute(
            "CREATE COLLECTION docs (a VECTOR(4, COSINE) MODEL 'recorded', b VECTOR(4, COSINE), "
            "c VECTOR(4, COSINE), d SPARSE)"
        )
        counts = []
        for query in ("a MODEL 'written'", "a", "b", "c"):
            vector, *model = query.split(" ", 1)
            query = f"'x' {' '.join(model)} FROM docs USING {vector}"
            db.execute(f"QUERY {query}")
            counts.append([len(one.calls) for one in (written, recorded, default, any_dense)])
        assert counts == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
        error = fails(QQLPlanError, "no-model", lambda: db.execute("QUERY 'x' FROM docs USING d"))
        assert "MODEL" in error.hint and error.column == 7


@pytest.mark.parametrize("verb", ["UPSERT", "INSERT"])
def test_rows_are_embedded_by_the_models_of_the_collection(verb: str) -> None:
    with qql.connect() as db:
        db.run(CREATE)
        db.execute(f"{verb} INTO docs VALUES {{id: 1, title: 'care of wounds', n: 1}}")
        db.execute(f"{verb} INTO docs VALUES {{id: 2, text: 'x', vector: {{dense: {'care of wounds'!r}}}}}")
        one, two = db.execute("SCROLL FROM docs WITH VECTOR").hits
        assert one.vector["dense"] == pytest.approx(two.vector["dense"])
        assert one.vector["words"]["indices"] != two.vector["words"]["indices"]
        assert one.payload == {"title": "care of wounds", "n": 1}


def test_text_without_a_model_is_an_error_of_the_plan() -> None:
    with qql.connect(RecordingBackend(EdgeBackend(None))) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(4, COSINE))")
        error = fails(QQLPlanError, "no-model", lambda: db.execute("QUERY 'x' FROM docs USING dense"))
        assert error.hint
        assert all(one.route != ("POST", "points/query") for one in db.backend.requests)  # type: ignore[attr-defined]


@pytest.mark.parametrize("inference", [False, True])
def test_what_a_server_embeds_is_sent_as_text(inference: bool) -> None:
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/collections/docs"): ok(info(dense=(8, "local/hash-8"))),
        ("POST", "/collections/docs/points/query"): ok({"points": []}),
        ("PUT", "/collections/docs/points"): ok({"operation_id": 1, "status": "completed"}),
    }
    with HttpRecorder(answers) as server, qql.connect(server.url, cloud_inference=inference) as db:
        db.execute(
            "WITH a AS (QUERY 'x' USING dense LIMIT 5), b AS (QUERY 'x' USING words LIMIT 5) "
            "FUSION RRF FROM docs PREFETCH (a, b)"
        )
        dense, words = (one["query"]["nearest"] for one in server.last.body["prefetch"])
        assert words == {"text": "x", "model": "qdrant/bm25"}
        assert dense == ({"text": "x", "model": "local/hash-8"} if inference else hash_vector("x", 8))
        db.execute("UPSERT INTO docs VALUES {id: 1, text: 'y'}")
        (point,) = server.last.body["points"]
        assert point["vector"]["words"] == {"text": "y", "model": "qdrant/bm25"}
        assert (point["vector"]["dense"] == {"text": "y", "model": "local/hash-8"}) == inference
        assert point["payload"] == {"text": "y"}


def hash_vector(text: str, size: int) -> list[float]:
    return HashEmbedder(f"local/hash-{size}").embed([text], "query")[0]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ZeroDivisionError("broken"), "model-failed"),
        (QQLModelError.make("model-unavailable", "gone"), "model-unavailable"),
        ([[1.0, 2.0]], "model-answer"),
        ([[float("nan")] * 4], "model-answer"),
        ([], "model-answer"),
        ("text", "model-failed"),
    ],
)
def test_a_models_failure_has_a_place(answer: Any, code: str) -> None:
    def mine(texts: list[str]) -> Any:
        if texts == ["fine"]:
            return [[1.0, 0.0, 0.0, 0.0]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    with qql.connect(embedders={"mine": mine}) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(4, COSINE) MODEL 'mine')")
        db.execute("UPSERT INTO docs VALUES {id: 1, text: 'fine'}")
        for statement in ("QUERY 'x' FROM docs", "UPSERT INTO docs VALUES {id: 2, text: 'x'}"):
            error = fails(QQLModelError, code, lambda text=statement: db.run(f"COUNT FROM docs;\n  {text}"))
            assert (error.line, error.column) == (2, 3)
        assert db.execute("COUNT FROM docs").rows == [{"count": 1}]


def test_an_unknown_model_is_an_error_with_a_place() -> None:
    with qql.connect() as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(4, COSINE))")
        query = "QUERY 'x' MODEL 'local/nothing' FROM docs"
        assert fails(QQLModelError, "unknown-model", lambda: db.execute(query)).line == 1


# ------------------------------------------------------------------------------------ results


def test_hits(db: qql.Session) -> None:
    large = 2**64 - 1
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, "k"))
    db.execute(f"UPSERT INTO docs VALUES {{id: {large}, text: 'a'}}, {{id: UUID('k'), text: 'b'}}")
    ids = db.execute("SCROLL FROM docs LIMIT 9").ids
    assert set(ids) == {1, 2, 3, large, key}
    assert all(type(one) in (int, str) for one in ids)
    result = db.execute(QUERY)
    assert result.kind == "hits" and len(result) == 3 and list(result) == result.hits
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(type(score) is float for score in scores)
    assert result.hits[0].payload == {"text": "Emergency care for acute chest pain", "year": 2023}
    assert result.hits[0].vector is None
    assert result.data["points"][0]["id"] == 1
    assert db.execute("QUERY POINTS (UUID('k'))  FROM docs").ids == [key]


@pytest.mark.parametrize(
    ("clause", "payload", "vectors"),
    [
        ("", {"text", "year"}, None),
        ("WITH PAYLOAD", {"text", "year"}, None),
        ("WITH PAYLOAD TRUE", {"text", "year"}, None),
        ("WITH PAYLOAD FALSE", None, None),
        ("WITH PAYLOAD (year)", {"year"}, None),
        ("WITH PAYLOAD INCLUDE (year)", {"year"}, None),
        ("WITH PAYLOAD EXCLUDE (year)", {"text"}, None),
        ("WITH PAYLOAD (nothing)", set(), None),
        ("WITH VECTOR", {"text", "year"}, {"dense", "words"}),
        ("WITH VECTOR (words)", {"text", "year"}, {"words"}),
        ("WITH VECTORS FALSE", {"text", "year"}, None),
        ("WITH PAYLOAD FALSE WITH VECTOR (dense)", None, {"dense"}),
    ],
)
@pytest.mark.parametrize("statement", ["QUERY 'care' FROM docs USING dense", "SCROLL FROM docs"])
def test_payload_and_vectors_are_what_was_asked_for(
    db: qql.Session, statement: str, clause: str, payload: set[str] | None, vectors: set[str] | None
) -> None:
    for hit in db.execute(f"{statement} {clause} LIMIT 3").hits:
        assert (None if hit.payload is None else set(hit.payload)) == payload
        assert (None if hit.vector is None else set(hit.vector)) == vectors
        keys = {"id", "score"} if statement.startswith("QUERY") else {"id"}
        keys |= {"payload"} if payload is not None else set()
        assert set(hit.to_dict()) == keys | ({"vector"} if vectors else set())


def test_an_unnamed_vector_is_a_list() -> None:
    with qql.connect() as db:
        db.run("CREATE COLLECTION docs ('' VECTOR(2, DOT)); UPSERT INTO docs VALUES {id: 1, vector: [1, 2]}")
        (hit,) = db.execute("QUERY [1, 1] FROM docs WITH VECTOR").hits
        assert (hit.vector, hit.score) == ([1.0, 2.0], 3.0)


def test_rows_and_messages(db: qql.Session) -> None:
    count = db.execute("COUNT FROM docs WHERE year >= 2023")
    assert (count.kind, count.rows, count.to_dicts()) == ("rows", [{"count": 2}], [{"count": 2}])
    db.run("CREATE COLLECTION another (v VECTOR(2, DOT)); CREATE INDEX ON docs FOR year TYPE integer;")
    listed = db.execute("SHOW COLLECTIONS")
    assert listed.rows == [{"collection": "another"}, {"collection": "docs"}]
    described = db.execute("SHOW COLLECTION docs").rows
    by_name = {row["name"]: row for row in described}
    assert by_name["dense"]["kind"] == "dense"
    assert (by_name["dense"]["shape"], by_name["dense"]["model"]) == ("64 × Cosine", "local/hash-64")
    assert by_name["words"]["model"] == "qdrant/bm25" and "idf" in by_name["words"]["details"].lower()
    assert by_name["year"]["kind"] == "integer index"
    assert by_name["(points)"]["shape"] == "3"
    assert len({tuple(row) for row in described}) == 1
    for statement, message in {
        "DELETE FROM docs WHERE id = 3": "deleted points from docs",
        "UPSERT INTO docs VALUES {id: 1, text: 'x'}": "upserted 1 point into docs",
        "DROP INDEX ON docs FOR year": "dropped the index on year of docs",
        "DROP COLLECTION another": "dropped collection another",
    }.items():
        result = db.execute(statement)
        assert (result.kind, result.message, result.to_dicts()) == (
            "message",
            message,
            [{"message": message}],
        )
        assert result.data is not None and len(result) == 0


def test_what_a_result_tells_of_its_statement(db: qql.Session) -> None:
    first, second = db.run(f"COUNT FROM docs;\n  {QUERY};  -- done")
    assert (first.statement, second.statement) == ("COUNT FROM docs", QUERY)
    assert second.requests == tuple(qql.compile(QUERY, schema={"docs": db.schema("docs")}))
    assert first.seconds > 0 and second.seconds > 0
    assert (first.warnings, db.execute("USE docs").requests) == ((), ())


def test_warnings_of_the_compiler_and_notes_of_the_engine_come_with_the_result(db: qql.Session) -> None:
    unused = "WITH a AS (QUERY 'x' USING dense) QUERY 'y' FROM docs USING dense"
    results = db.run(f"COUNT FROM docs;\n{unused}", name="w.qql")
    assert [len(result.warnings) for result in results] == [0, 1]
    (warning,) = results[1].warnings
    assert (warning.code, warning.severity, warning.line) == ("unused-stage", "warning", 2)
    assert "w.qql:2:" in warning.render()
    client = local_client()
    with qql.connect(client) as local:
        local.run(CREATE)
        result = local.execute("QUERY 'x' FROM docs USING dense PARAMS (hnsw_ef = 64)")
        assert [warning.code for warning in result.warnings] == ["engine-note"]
        assert local.execute("COUNT FROM docs").warnings == ()
    client.close()


def test_building_indexes_after_a_write_does_not_fail_the_write() -> None:
    class Tired(RecordingBackend):
        def needs_optimize(self, collection: str) -> bool:
            return True

        def optimize(self, collection: str, progress: Any = None, timeout: float | None = None) -> bool:
            raise QQLExecutionError.make("optimize-failed", "no process could be started", hint="a hint")

    with qql.connect(Tired(EdgeBackend(None))) as db:
        db.run(CREATE)
        result = db.execute("UPSERT INTO docs VALUES {id: 1, text: 'x'}")
        assert result.message == "upserted 1 point into docs"
        assert [(one.code, one.severity) for one in result.warnings] == [("optimize-failed", "warning")]
        assert db.execute("COUNT FROM docs").rows == [{"count": 1}]
        fails(QQLExecutionError, "optimize-failed", lambda: db.execute("OPTIMIZE docs"))


def test_single_rows_do_not_ask_for_indexes_each_time() -> None:
    """The embedded engine writes everything to disk to answer that question."""

    class Asked(RecordingBackend):
        times = 0

        def needs_optimize(self, collection: str) -> bool:
            self.times += 1
            return super().needs_optimize(collection)

    backend = Asked(EdgeBackend(None))
    with qql.connect(backend) as db:
        db.execute("CREATE COLLECTION docs (v VECTOR(2, DOT))")
        for n in range(600):
            db.execute("UPSERT INTO docs VALUES {id: :n, vector: {v: [1, 2]}}", {"n": n})
    assert backend.times == 3


def test_writes_pass_the_threshold_and_build_indexes() -> None:
    told: list[str] = []
    with qql.connect(on_progress=lambda what, done, total: told.append(what)) as db:
        db.run("CREATE COLLECTION docs (v VECTOR(8, COSINE)) WITH OPTIMIZERS (indexing_threshold = 10);")
        rng = random.Random(3)
        rows = [{"id": n, "vector": {"v": [rng.gauss(0, 1) for _ in range(8)]}} for n in range(1000)]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows[:10]})
        assert told == []
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        assert set(told) == {"checking rows", "writing to docs", "optimizing docs"}
        assert db.execute("SHOW COLLECTION docs").data["indexed_vectors_count"] == 1000
        assert db.execute("OPTIMIZE docs").message == "docs is already optimal"


# ------------------------------------------------------------------------------------ engines compared


def local_client() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qdrant_client import QdrantClient

        return QdrantClient(":memory:")


def corpus(count: int) -> list[dict[str, Any]]:
    """Documents of different lengths and words, so that few scores are equal."""
    rng = random.Random(11)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    lexicon = ["".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(300)]
    weights = [1 / (rank + 3) for rank in range(len(lexicon))]
    rows = []
    for at in range(1, count + 1):
        words = rng.choices(lexicon, weights, k=rng.randint(5, 60))
        rows.append(
            {
                "id": at if at % 3 else str(uuid.UUID(int=at)),
                "text": " ".join(words),
                "year": rng.randint(2000, 2024),
                "tags": rng.sample(["red", "green", "blue"], rng.randint(0, 3)),
            }
        )
    return rows


ROWS = corpus(250)
WORDS = sorted({word for row in ROWS for word in row["text"].split()})
TEXT = " ".join(random.Random(5).sample(WORDS, 12))
PIPELINES = {
    "nested": """
        WITH wide AS (QUERY :q USING words LIMIT 120),
             close AS (QUERY :q USING small PREFETCH (wide) LIMIT 60)
        QUERY :q FROM docs USING large PREFETCH (close) LIMIT 20""",
    "weighted rrf": """
        WITH a AS (QUERY :q USING words LIMIT 250), b AS (QUERY :q USING large LIMIT 250)
        FUSION RRF FROM docs PREFETCH (a, b) WITH (rrf_k = 20, rrf_weights = {a: 0.7, b: 0.3}) LIMIT 30""",
    "dbsf": """
        WITH a AS (QUERY :q USING words LIMIT 100), b AS (QUERY :q USING large LIMIT 100)
        FUSION DBSF FROM docs PREFETCH (a, b) LIMIT 30""",
    "threshold": """
        WITH a AS (QUERY :q USING large LIMIT 250)
        QUERY :q FROM docs USING small SCORE THRESHOLD 0.02 PREFETCH (a SCORE THRESHOLD 0.1) LIMIT 50""",
    "filter": """
        WITH a AS (QUERY :q USING words WHERE year >= 2005 LIMIT 250),
             b AS (QUERY :q USING large LIMIT 250)
        FUSION RRF FROM docs LIMIT 40
        PREFETCH (a WHERE tags IN ('red', 'blue'), b WHERE NOT year BETWEEN 2010 AND 2015)
        WHERE id != 1 AND (tags = 'red' OR year > 2012)""",
    "fusion of fusions": """
        WITH a AS (QUERY :q USING words LIMIT 40), b AS (QUERY :q USING large LIMIT 40),
             c AS (QUERY :q USING small LIMIT 40),
             ab AS (FUSION RRF PREFETCH (a, b) LIMIT 100)
        FUSION DBSF FROM docs PREFETCH (ab, c SCORE THRESHOLD 0.05) LIMIT 100""",
    "three stages with an offset": """
        WITH a AS (QUERY :q USING words LIMIT 200), b AS (QUERY :q USING small LIMIT 200),
             ab AS (FUSION RRF PREFETCH (a, b) WITH (rrf_k = 60) LIMIT 250)
        QUERY :q FROM docs USING large PREFETCH (ab WHERE year < 2020) LIMIT 15 OFFSET 5""",
}


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[qql.Session, qql.Session]]:
    client = local_client()
    with qql.connect() as edge, qql.connect(client) as local:
        for db in (edge, local):
            db.run(
                "CREATE COLLECTION docs (small VECTOR MODEL 'local/hash-32',"
                " large VECTOR MODEL 'local/hash-256', words SPARSE MODEL 'qdrant/bm25');"
                "UPSERT INTO docs VALUES :rows;",
                {"rows": ROWS},
            )
        yield edge, local
    client.close()


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_both_engines_give_the_same_points_and_scores(
    engines: tuple[qql.Session, qql.Session], pipeline: str
) -> None:
    found = []
    for db in engines:
        result = db.execute(PIPELINES[pipeline], {"q": TEXT})
        found.append([(hit.id, hit.score) for hit in result.hits])
        assert len(result) > 5
    same_ranking(found[0], found[1])
    assert any(isinstance(identity, str) for identity, _ in found[0])


def test_both_engines_tell_the_same_of_rows(engines: tuple[qql.Session, qql.Session]) -> None:
    statements: Sequence[str] = (
        "COUNT FROM docs WHERE tags = 'red'",
        "SHOW COLLECTIONS",
        "QUERY POINTS (1, 2) FROM docs WITH PAYLOAD (year)",
        "SCROLL FROM docs WHERE year > 2010 AND id IN (1, 2, 4, 5, 7, 8) LIMIT 5",
    )
    for statement in statements:
        one, two = (db.execute(statement) for db in engines)
        assert json.dumps(one.to_dicts()) == json.dumps(two.to_dicts()), statement


# ------------------------------------------------------------------------------------ alternatives


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_alternatives_above_alternatives_keep_their_meaning(engine: str) -> None:
    """Both engines merge the `should` of a query into those of its prefetches, which would be one long OR."""
    client = local_client() if engine == "local" else EdgeBackend(None)
    rows = [
        {"id": n, "vector": [1.0, n / 10], "a": n % 2, "b": n % 3, "c": n % 5, "d": n % 7}
        for n in range(1, 60)
    ]
    wanted = {n for n in range(1, 60) if (n % 2 == 1 or n % 3 == 1) and (n % 5 == 1 or n % 7 == 1)}
    with qql.connect(client) as db:
        db.execute("CREATE COLLECTION t ('' VECTOR(2, COSINE))")
        db.execute("UPSERT INTO t VALUES :rows", {"rows": rows})
        stage = "QUERY [1, 0] WHERE c = 1 OR d = 1 LIMIT 60"
        above = "FROM t WHERE a = 1 OR b = 1"
        for text in (
            f"QUERY [1, 0] {above} PREFETCH ({stage}) LIMIT 60",
            f"QUERY FUSION RRF {above} PREFETCH (QUERY [1, 0] PREFETCH ({stage}) LIMIT 60) LIMIT 60",
        ):
            assert set(db.execute(text).ids) == wanted
    client.close()


# ------------------------------------------------------------------------------------ what is there


def test_a_damaged_collection_can_be_dropped(tmp_path: Path) -> None:
    with qql.connect(tmp_path / "db") as db:
        db.run("CREATE COLLECTION good ('' VECTOR(2, DOT)); CREATE COLLECTION bad ('' VECTOR(2, DOT))")
    (description,) = (tmp_path / "db" / "collections").glob("bad*/qql.json")
    description.write_text("{", encoding="utf-8")
    with qql.connect(tmp_path / "db") as db:
        fails(QQLConnectionError, "database-corrupt", lambda: db.execute("COUNT FROM bad"))
        assert db.execute("COUNT FROM good").rows == [{"count": 0}]
        db.execute("DROP COLLECTION bad")
        assert db.collections() == ["good"]


def test_a_collection_that_was_dropped_is_no_suggestion(db: qql.Session) -> None:
    error = fails(QQLPlanError, "unknown-collection", lambda: db.run("DROP COLLECTION docs; COUNT FROM docs"))
    assert "did you mean" not in error.hint


def test_use_of_an_unknown_collection_warns(db: qql.Session) -> None:
    result = db.execute("USE dcos")
    assert [(w.code, w.hint) for w in result.warnings] == [("unknown-collection", "did you mean `docs`?")]


def test_models_that_connect_names_embed_rows_too() -> None:
    with qql.connect(models={"v": "local/hash-16"}) as db:
        db.execute("CREATE COLLECTION t (v VECTOR(16, DOT))")
        db.execute("UPSERT INTO t VALUES {id: 1, text: 'rain'}, {id: 2, text: 'tax'}")
        assert db.execute("QUERY 'rain' FROM t LIMIT 1").ids == [1]


# ------------------------------------------------------------------------------------ advice

SHORT = "QUERY 'x' FROM docs USING dense PREFETCH (QUERY 'x' USING sparse LIMIT 3) LIMIT 5"


def said(result: qql.Result) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in result.warnings]


def test_advice_comes_with_the_result_once(db: qql.Session) -> None:
    first, again = db.run(f"{SHORT};\n{SHORT}", name="s.qql")
    assert ("stage-limit-short", "warning") in said(first)
    assert "s.qql:1:" in first.warnings[0].render()
    assert said(again) == []
    assert said(db.execute(SHORT.replace("LIMIT 5", "LIMIT 6"))) != []  # another one


def test_advice_can_be_left_out() -> None:
    with qql.connect(advice=False) as session:
        session.run(CREATE)
        assert said(session.execute(SHORT)) == []


def test_a_comment_silences_advice(db: qql.Session) -> None:
    found = said(db.execute(f"-- qql: ignore stage-limit-short\n{SHORT}"))
    assert "stage-limit-short" not in [code for code, _ in found]


def test_explain_shows_its_advice_itself(db: qql.Session) -> None:
    result = db.execute(f"EXPLAIN {SHORT}")
    assert "warning[stage-limit-short] at 1:" in result.message
    assert said(result) == []
    told = db.execute(f"EXPLAIN FORMAT json {SHORT}").data
    assert "stage-limit-short" in [one["code"] for one in told["advice"]]
    assert "stage-limit-short" in db.explain(SHORT)


def test_what_an_answer_tells_of_a_collection_is_advised_by(db: qql.Session) -> None:
    info = {
        "points_count": 50_000,
        "config": {"params": {"vectors": {"dense": {"size": 2, "distance": "Dot"}}}},
        "payload_schema": {
            "team": {"data_type": "keyword", "params": {"type": "keyword", "is_tenant": True}}
        },
    }
    text = "QUERY [1, 2] FROM shop USING dense LIMIT 3"
    assert "tenant-missing" in qql.explain(text, schema={"shop": info})
    assert "tenant-missing" not in qql.explain(f"{text} WHERE team = 'a'", schema={"shop": info})


def test_a_collection_that_cannot_be_seen_is_no_fault_of_advice(
    db: qql.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(collection: str) -> None:
        raise qql.QQLConnectionError.make("no-answer", "nobody is there")

    monkeypatch.setattr(db, "facts", refuse)
    assert db.execute("COUNT FROM docs").rows
