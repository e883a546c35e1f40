"""What a session keeps: found once, right after every change, and nobody's to change."""

from __future__ import annotations

import copy
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from http_recorder import HttpRecorder, ok, refused
from test_advice import GOLDEN, INFOS, compiled, facts_with_fields
from test_session import info

import qql
import qql.advice
from qql import nodes
from qql.advice import RULES, ValueKinds, advise
from qql.backends.capabilities import FEATURES
from qql.backends.edge import EdgeBackend
from qql.backends.features.gaps import gaps_in
from qql.backends.features.versions import reads_what_is_known
from qql.compiler.bind import Params
from qql.errors import Diagnostic, QQLError, QQLExecutionError, Source
from qql.result import Result
from qql.schema import Schema
from qql.session.session import Session
from qql.syntax.parser import parse_script

CREATE = (
    "CREATE COLLECTION docs (dense VECTOR(8, COSINE) MODEL 'local/hash-8', sparse SPARSE MODEL 'qdrant/bm25')"
)
HYBRID = """WITH
  dense  AS (QUERY :q USING dense LIMIT 100),
  sparse AS (QUERY :q USING sparse LIMIT 100)
QUERY FUSION RRF FROM docs WHERE year >= :y PREFETCH (dense, sparse) LIMIT :k"""


def fill(db: Session, points: int = 40) -> None:
    db.execute(CREATE)
    rows = [{"id": n, "text": f"word{n % 7} other{n % 3}", "year": 2000 + n % 20} for n in range(points)]
    db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect() as session:
        fill(session)
        yield session


@pytest.fixture
def advised(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of each statement that advice was looked for on."""
    found: list[str] = []
    advised = qql.advice.advised

    def counting(statements: Any, *rest: Any) -> Any:
        found.extend(one.text for one in statements)
        return advised(statements, *rest)

    monkeypatch.setattr(qql.advice, "advised", counting)
    return found


# ------------------------------------------------------------------------------------ found once


def test_advice_is_looked_for_once_for_a_text_and_other_values(db: Session, advised: list[str]) -> None:
    results = [db.execute(HYBRID, {"q": f"word{n}", "y": 1919 + n, "k": 10}) for n in range(100)]
    assert all(result.hits for result in results)
    assert len(advised) == 1


def test_what_is_said_of_fields_is_looked_for_once_where_nothing_is_found(
    db: Session, advised: list[str]
) -> None:
    results = [db.execute("COUNT FROM docs WHERE yaer = :y", {"y": n}) for n in range(50)]
    assert [one.code for result in results for one in result.warnings] == ["unknown-field"]
    assert len(advised) == 2, "without the fields, and with them"


def test_advice_is_looked_for_once_for_vectors_of_one_size(db: Session, advised: list[str]) -> None:
    for n in range(1, 30):
        db.execute("QUERY :v FROM docs USING dense LIMIT 5", {"v": [float(n)] * 8})
    assert len(advised) == 1


def test_why_and_explain_look_for_advice_once_and_by_the_fields(db: Session, advised: list[str]) -> None:
    query = "QUERY 'word1' FROM docs USING dense WHERE yaer > 2000 LIMIT 3"
    first = [db.execute(f"{word} {query}") for word in ("WHY NOT 7", "EXPLAIN")]
    again = [db.execute(f"{word} {query}") for word in ("WHY NOT 7", "EXPLAIN")]
    assert len(advised) == 2
    assert "unknown-field" in {one.code for one in first[0].warnings}
    assert first[1].message == again[1].message and "`yaer`" in again[1].message
    db.execute("CREATE INDEX ON docs FOR yaer TYPE integer")
    db.execute(f"EXPLAIN {query}")
    assert advised[-1] == f"EXPLAIN {query}", "what is known of the collection is otherwise now"


def test_what_was_found_is_given_to_the_statement_of_another_session_again(db: Session) -> None:
    text = "QUERY 'a' FROM docs USING sparse WITH PAYLOAD false PARAMS (hnsw_ef = 64) LIMIT 3"
    first = db.execute(text)
    assert [one.code for one in first.warnings] == ["idle-hnsw-ef"]
    assert not db.execute(text).warnings, "each advice once"
    other = Session(db.backend, db.context, db.embedders)
    assert other.execute(text).warnings == first.warnings


def test_one_text_does_not_take_the_place_of_all_others(db: Session, advised: list[str]) -> None:
    for n in range(600):
        db.execute(f"SCROLL FROM docs LIMIT {n + 1}")
    known = db._known_advice
    assert len(advised) == 600 and len(known._texts) <= 256


# ------------------------------------------------------------------------------------ right for each value


@pytest.mark.parametrize("k", [5, 150, 5, 400])
def test_advice_on_a_limit_goes_by_its_value(k: int) -> None:
    text = (
        "WITH a AS (QUERY 'x' USING dense LIMIT 100) QUERY 'y' FROM docs USING sparse PREFETCH (a) LIMIT :k"
    )
    with qql.connect() as db:
        fill(db)
        db.execute(text, {"k": 20})
        found = db.execute(text, {"k": k}).warnings
        written = text.replace(":k", str(k))
        with qql.connect() as fresh:
            fill(fresh)
            assert told(found) == told(fresh.execute(written).warnings)
        assert ("stage-limit-short" in {one.code for one in found}) == (k > 100)


def told(found: tuple[Diagnostic, ...]) -> list[tuple[str, str]]:
    return [(one.code, one.message) for one in found]


POOL: tuple[Any, ...] = (
    *(3, 7, 2**53 + 1, 2**60, 1.5, -2.25, True, False),
    *("a", "Zz", "true", "2023", "7", "x" * 90),
    *("2024-01-01", "1999-05-05T10:00:00Z"),
    *("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "00000000-0000-0000-0000-000000000001"),
)
SCHEMAS = {name: Schema.from_info(given) for name, given in INFOS.items()}
KNOWN = {name: facts_with_fields(given) for name, given in INFOS.items()}
TEXTS = sorted(GOLDEN.glob("*.qql"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_values_that_are_not_told_apart_get_the_same_advice(path: Path) -> None:
    """Each text of the rules, with each of its values as a parameter, and every value for that."""
    for text, _ in with_parameters(path.read_text(encoding="utf-8")):
        (parsed,), _ = parse_script(Source(text))
        kinds = ValueKinds(parsed.statement, parsed.params)
        keys = [kinds.key({"value": value}) for value in POOL]
        found: dict[Any, list[Diagnostic]] = {}
        for key, value in zip(keys, POOL, strict=True):
            said = advice_with(text, value) if key is not None and keys.count(key) > 1 else None
            if said is None or (kinds.is_by_kind and any(RULES[one.code].tells_values for one in said)):
                continue  # it does not compile, or is not kept
            assert said == found.setdefault(key, said), (text, value)


def advice_with(text: str, value: Any) -> list[Diagnostic] | None:
    try:
        (one,) = compiled(text, schema=SCHEMAS, params={"value": value})
    except QQLError:
        return None
    return advise(one, SCHEMAS.get, KNOWN.get(one.collection or ""))


def with_parameters(script: str) -> Iterator[tuple[str, Any]]:
    """Each statement with a parameter in the place of one of the values that it compares or searches for."""
    parsed, _ = parse_script(Source(script))
    for one in parsed:
        for node in nodes.walk(one.statement):
            match node:
                case nodes.Compare(value=scalar) | nodes.Text(text=scalar):
                    before = script[one.span.start : scalar.span.start]
                    yield before + ":value" + script[scalar.span.end : one.span.end], scalar.value


def test_a_value_beside_others_of_its_field_counts_itself() -> None:
    def key(text: str, **values: Any) -> Any:
        (parsed,), _ = parse_script(Source(text))
        return ValueKinds(parsed.statement, parsed.params).key(values)

    once = "COUNT FROM docs WHERE a = :x AND b > :y"
    twice = "COUNT FROM docs WHERE a > :x AND a < :y"
    assert key(once, x=1, y=2) == key(once, x=5, y=6) != key(once, x="1", y=2)
    assert key(twice, x=1, y=2) != key(twice, x=3, y=2)
    defined = "QUERY 'a' FROM docs WHERE a > :x PREFETCH (elsewhere) FUSION RRF"
    assert key(defined, x=1) != key(defined, x=2), "a stage that is defined elsewhere may test `a`, too"
    alike = "QUERY :a FROM docs USING dense PREFETCH (QUERY :b USING dense LIMIT 9)"
    assert key(alike, a="1", b="1") == key(alike, a="2", b="2") != key(alike, a="1", b="2")
    assert key("QUERY POINT :p FROM docs", p=1) != key("QUERY POINT :p FROM docs", p=2)


# ------------------------------------------------------------------------------------ after a change

CHANGES: dict[type[nodes.Node], str | None] = {
    nodes.CreateCollection: "CREATE COLLECTION other (dense VECTOR(8, COSINE))",
    nodes.AlterCollection: "ALTER COLLECTION docs WITH HNSW (m = 8)",
    nodes.DropCollection: "DROP COLLECTION docs",
    nodes.AddVector: "ALTER COLLECTION docs ADD third VECTOR(4, DOT)",
    nodes.DropVector: "ALTER COLLECTION docs DROP VECTOR sparse",
    nodes.CreateIndex: "CREATE INDEX ON docs FOR year TYPE integer",
    nodes.DropIndex: "DROP INDEX ON docs FOR lang",
    nodes.CreateAlias: "CREATE ALIAS also FOR docs",
    nodes.RenameAlias: "ALTER ALIAS known RENAME TO renamed",
    nodes.DropAlias: "DROP ALIAS known",
    nodes.Upsert: "UPSERT INTO docs VALUES {id: 900, year: 2024, text: 'a word1'}",
    nodes.UpdatePayload: "UPDATE docs SET PAYLOAD = {year: 1} WHERE year > 2010",
    nodes.UpdateVector: "UPDATE docs SET VECTOR dense = [1, 0, 0, 0, 0, 0, 0, 1] WHERE id = 3",
    nodes.UpdateVectors: None,  # the same in another spelling
    nodes.Delete: "DELETE FROM docs WHERE year > 2010",
    nodes.DeletePayload: "DELETE PAYLOAD year FROM docs WHERE year > 2010",
    nodes.DeleteVector: "DELETE VECTOR sparse FROM docs WHERE year > 2010",
    nodes.ClearPayload: "CLEAR PAYLOAD FROM docs WHERE year > 2010",
    nodes.Batch: "BATCH { DELETE FROM docs WHERE id = 1; DELETE FROM docs WHERE id = 2; }",
    nodes.Copy: "COPY docs FROM :rows",
    nodes.Optimize: "OPTIMIZE docs",
    nodes.CreateSnapshot: "CREATE SNAPSHOT ON docs",
    nodes.DropSnapshot: None,  # of it nothing is asked
    nodes.RestoreSnapshot: "RESTORE SNAPSHOT :snapshot ON docs",
    nodes.Use: "USE known",
    nodes.Define: "DEFINE dense AS (QUERY 'word3' USING dense LIMIT 2)",
    nodes.Undefine: "UNDEFINE old",
    nodes.Execute: "EXECUTE :file",
    **dict.fromkeys((nodes.CreateShardKey, nodes.DropShardKey, nodes.SetQuota)),  # servers alone have them
}
"""Every statement that changes something; None where the embedded engine shows nothing of it."""
ASKS = (
    *(nodes.Query, nodes.Fallback),
    *(nodes.Scroll, nodes.Count, nodes.Facet, nodes.Matrix, nodes.Explain, nodes.Why, nodes.Dump),
    nodes.CopyTo,
    *(nodes.ShowCollections, nodes.ShowCollection, nodes.ShowIndexes, nodes.ShowStages, nodes.ShowQuotas),
    nodes.ShowModels,
    *(nodes.AnalyzeText, nodes.ShowOptimizations, nodes.ShowMemory),
    *(nodes.ShowAliases, nodes.ShowSnapshots, nodes.ShowShardKeys, nodes.ExistsCollection),
)
ASKED: tuple[tuple[str, Params], ...] = (
    (HYBRID, {"q": "word1", "y": 2001, "k": 4}),
    ("QUERY 'word2' USING dense FROM docs WHERE year > 2005 LIMIT 3", None),
    ("QUERY 'word2' USING third FROM docs LIMIT 3", None),
    ("QUERY FUSION RRF FROM docs PREFETCH (old, dense) LIMIT 3", None),
    ("COUNT FROM known WHERE lang = 'en'", None),
    ("COUNT FROM also", None),
    ("COUNT WHERE year > 2005", None),
    ("FACET year FROM docs", None),
    ("SHOW COLLECTION other", None),
)


def test_each_statement_is_known_to_change_something_or_not() -> None:
    assert {*CHANGES, *ASKS} == {*nodes.STATEMENTS}, "a new statement has its place in CHANGES or ASKS"


@pytest.mark.parametrize(
    "kind", [kind for kind, text in CHANGES.items() if text], ids=lambda one: one.__name__
)
def test_after_a_change_a_text_gives_what_a_fresh_session_gives(
    kind: type[nodes.Node], tmp_path: Path
) -> None:
    with qql.connect(tmp_path / "db") as db:
        fill(db)
        db.run(
            "CREATE INDEX ON docs FOR lang TYPE keyword; CREATE ALIAS known FOR docs;"
            "CREATE SNAPSHOT ON docs; DEFINE old AS (QUERY 'word4' USING sparse LIMIT 3)"
        )
        db.execute("UPSERT INTO docs VALUES {id: 800, year: 2003, lang: 'en', text: 'word4'}")
        rows = tmp_path / "rows.jsonl"
        rows.write_text('{"id": 901, "year": 2020, "text": "a word2"}\n')
        file = tmp_path / "file.qql"
        file.write_text("ALTER COLLECTION docs DROP VECTOR sparse; DEFINE sparse AS (QUERY 'b' USING dense);")
        [snapshot, *_] = db.execute("SHOW SNAPSHOTS ON docs").rows
        given = {"rows": str(rows), "file": str(file), "snapshot": snapshot["name"]}
        before = [outcome(db, *one) for one in ASKED]
        assert before == [outcome(db, *one) for one in ASKED]
        statement = str(CHANGES[kind])
        db.run(statement, {name: value for name, value in given.items() if f":{name}" in statement})
        fresh = Session(EdgeBackendOf(db), db.context, db.embedders)
        assert [outcome(db, *one) for one in ASKED] == [outcome(fresh, *one) for one in ASKED]


def outcome(db: Session, text: str, params: Params) -> object:
    """What a statement sends, says, and gives, but for the order of equal scores; or the error."""
    db._advice_given.clear()
    try:
        result = db.execute(text, params)
    except QQLError as exc:
        return str(exc)
    return len(result.hits), result.rows, result.requests, told(result.warnings)


class EdgeBackendOf:
    """The engine of a session for another one that knows nothing."""

    def __init__(self, session: Session) -> None:
        self._backend = session.backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("ALTER COLLECTION docs DROP VECTOR sparse", "QUERY 'word1' FROM docs USING sparse LIMIT 1"),
        (
            "CREATE INDEX ON docs FOR year TYPE keyword",
            "QUERY 'a' FROM docs USING dense WHERE year > 3 LIMIT 2",
        ),
        ("DROP COLLECTION docs", "COUNT FROM docs"),
    ],
)
def test_sessions_of_one_engine_hear_of_one_another(change: str, text: str) -> None:
    backend = EdgeBackend(None)
    with qql.connect(backend) as one:
        fill(one)
        other = qql.connect(backend)
        told_before = said(other, text)
        one.execute(change)
        fresh = Session(EdgeBackendOf(one), one.context, one.embedders)
        assert said(other, text) == said(fresh, text) != told_before


def said(db: Session, text: str) -> object:
    db._advice_given.clear()
    try:
        return told(db.execute(text).warnings)
    except QQLError as exc:
        return str(exc)


def test_a_failed_statement_has_everything_looked_at_again() -> None:
    answers: dict[tuple[str, str], Any] = {("GET", "/collections/docs"): ok(info(dense=2))}
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        db.execute("QUERY [1, 0] FROM docs USING dense")
        db.execute("QUERY [1, 0] FROM docs USING dense")
        asked = [one.path for one in server.received].count("/collections/docs")
        answers["POST", "/collections/docs/points/query"] = refused(400, "Wrong input: no")
        with pytest.raises(QQLExecutionError):
            db.execute("QUERY [1, 0] FROM docs USING dense")
        del answers["POST", "/collections/docs/points/query"]
        db.execute("QUERY [1, 0] FROM docs USING dense")
        assert [one.path for one in server.received].count("/collections/docs") == asked + 1


def test_a_collection_that_is_as_it_was_is_the_same_to_what_hangs_on_it(
    db: Session, advised: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("qql.session.knowledge.time.monotonic", lambda: now)
    db.execute("COUNT FROM docs WHERE year = :y", {"y": 2001})
    now += 31
    schema = db.schema("docs")
    db.execute("COUNT FROM docs WHERE year = :y", {"y": 2002})
    assert db.schema("docs") is schema and len(advised) == 1
    db.execute("CREATE INDEX ON docs FOR year TYPE integer")
    db.execute("COUNT FROM docs WHERE year = :y", {"y": 2003})
    assert db.schema("docs") is not schema
    assert [text for text in advised if text.startswith("COUNT")] == ["COUNT FROM docs WHERE year = :y"] * 2


# ------------------------------------------------------------------------------------ by many, and by none


def test_what_a_caller_changes_is_not_seen_by_the_next_one(db: Session) -> None:
    given = {"q": "word1", "y": 2001, "k": 4}
    first = db.execute(HYBRID, given)
    sent = copy.deepcopy(first.requests[0].body)
    body = first.requests[0].body
    assert body is not None
    body["limit"] = 1
    body["prefetch"].clear()
    for hit in first.hits:
        assert hit.payload is not None
        hit.payload.clear()
    again = db.execute(HYBRID, given)
    assert again.hits and all(hit.payload for hit in again.hits)
    assert again.requests[0].body == sent


def plain(result: Result) -> object:
    return len(result.hits), result.requests, result.statement


def test_sixteen_threads_get_what_one_gets(db: Session) -> None:
    work: list[tuple[str, dict[str, Any]]] = [
        (text, {"q": f"word{n % 7}", "y": 2000 + n % 9, "k": 1 + n % 5})
        for n in range(160)
        for text in (HYBRID, HYBRID.replace("FUSION RRF", "FUSION DBSF"))
    ]
    alone = [plain(db.execute(text, params)) for text, params in work]
    start = threading.Barrier(16)

    def share(number: int) -> list[object]:
        start.wait()
        return [plain(db.execute(*one)) for one in work[number::16]]

    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(share, range(16)))
    assert together == [alone[number::16] for number in range(16)]


# ------------------------------------------------------------------------------------ servers


def test_what_a_server_certainly_has_is_not_looked_for_closer() -> None:
    """Held against the long way, for each request that tries a feature."""
    passed = 0
    for feature in FEATURES:
        for request in feature.probe:
            for version in ((1, 12, 0), (1, 15, 3), (1, 18, 3), (1, 20, 0)):
                for transport in ("rest", "grpc"):
                    if reads_what_is_known(request, version, transport):
                        passed += 1
                        assert not gaps_in(request, version, transport), (feature, version)
    assert passed > 100


def test_requests_share_a_connection() -> None:
    connections: list[socket.socket] = []
    answer = b'{"result": {"count": 1}, "status": "ok", "time": 0.1}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=exchange, args=(connection,), daemon=True).start()

        def exchange(connection: socket.socket) -> None:
            asked = b""
            while piece := connection.recv(65536):
                asked += piece
                if asked.endswith(b"}"):
                    asked = b""
                    connection.sendall(head + answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with qql.connect(url, assume_version="1.18") as db:
            request = qql.compile("COUNT FROM docs")[0]
            counts = [db.backend.call(request) for _ in range(5)]
        listener.shutdown(socket.SHUT_RDWR)
    assert counts == [{"count": 1}] * 5 and len(connections) == 1
    connections[0].close()
