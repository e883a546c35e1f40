"""A session that is read-only writes nothing, by whichever door a statement comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql import dbapi, nodes
from qql.build import delete, field
from qql.nodes.declare import READS, REMOVES, WRITES
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.session.session import Session

MAKE = """
CREATE COLLECTION docs (v VECTOR(2, COSINE));
UPSERT INTO docs VALUES {id: 1, vector: {v: [1, 0]}, a: 1}, {id: 2, vector: {v: [0, 1]}, a: 2};
CREATE INDEX ON docs FOR a TYPE integer;
CREATE INDEX ON docs FOR t TYPE text;
CREATE ALIAS known FOR docs;
"""
WRITING = [
    "CREATE COLLECTION other (v VECTOR(2, COSINE))",
    "CREATE COLLECTION IF NOT EXISTS docs (v VECTOR(2, COSINE))",
    "ALTER COLLECTION docs WITH HNSW (m = 32)",
    "ALTER COLLECTION docs ADD w VECTOR(2, COSINE)",
    "ALTER COLLECTION docs DROP VECTOR v",
    "DROP COLLECTION docs",
    "DROP COLLECTION IF EXISTS nothing",
    "CREATE INDEX ON docs FOR b TYPE keyword",
    "DROP INDEX ON docs FOR a",
    "CREATE ALIAS more FOR docs",
    "CREATE OR REPLACE ALIAS known FOR docs",
    "DROP ALIAS known",
    "ALTER ALIAS known RENAME TO better",
    "CREATE SNAPSHOT ON docs",
    "DROP SNAPSHOT IF EXISTS 'x' ON docs",
    "RESTORE SNAPSHOT 'x' ON docs",
    "CREATE SHARD KEY 'k' ON docs",
    "DROP SHARD KEY 'k' ON docs",
    "SET QUOTA (enabled = true)",
    "OPTIMIZE docs",
    "UPSERT INTO docs VALUES {id: 3, vector: {v: [1, 1]}}",
    "INSERT INTO docs VALUES {id: 3, vector: {v: [1, 1]}}",
    "UPDATE docs SET PAYLOAD = {b: 1} WHERE id = 1",
    "UPDATE docs SET VECTOR v = [1, 1] WHERE id = 1",
    "UPDATE docs SET VECTOR VALUES {id: 1, vector: {v: [1, 1]}}",
    "DELETE FROM docs WHERE id = 1",
    "DELETE PAYLOAD a FROM docs WHERE id = 1",
    "DELETE VECTOR v FROM docs WHERE id = 1",
    "CLEAR PAYLOAD FROM docs WHERE id = 1",
    "COPY docs FROM 'rows.jsonl'",
    "BATCH { DELETE FROM docs WHERE id = 1; UPDATE docs SET PAYLOAD = {b: 1} WHERE id = 2; }",
    "BATCH { DROP ALIAS known; CREATE ALIAS known FOR docs; }",
]
READING = [
    "QUERY [1, 0] FROM docs USING v LIMIT 1",
    "QUERY [1, 0] FROM docs USING v LIMIT 1 ELSE QUERY [0, 1] USING v",
    "SCROLL FROM docs",
    "COUNT FROM docs",
    "FACET a FROM docs",
    "ANALYZE TEXT 'x' ON t FROM docs",
    "MATRIX FROM docs USING v",
    "BATCH { QUERY [1, 0] FROM docs USING v LIMIT 1; QUERY [0, 1] FROM docs USING v LIMIT 1; }",
    "SHOW COLLECTIONS",
    "SHOW COLLECTION docs",
    "EXISTS COLLECTION docs",
    "SHOW INDEXES ON docs",
    "SHOW ALIASES",
    "SHOW SNAPSHOTS ON docs",
    "SHOW STAGES",
    "SHOW MODELS",
    "USE docs",
    "DEFINE s AS (QUERY [1, 0] USING v LIMIT 5)",
    "EXPLAIN DELETE FROM docs WHERE id = 1",
    "EXPLAIN ANALYZE QUERY [1, 0] FROM docs USING v LIMIT 1",
    "WHY 2 QUERY [1, 0] FROM docs USING v LIMIT 1",
]


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect(":memory:") as session:
        session.run(MAKE)
        session.read_only = True
        yield session


class Watched:
    """An engine that is told of, and refuses, whatever would change it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.wrote: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def call(self, request: Request) -> Any:
        if not reads(request):
            self.wrote.append(f"{request.method} {request.path}")
        return self.inner.call(request)

    def optimize(self, collection: str, *rest: Any) -> bool:
        self.wrote.append("optimize")
        return False


@pytest.fixture
def watched(db: Session) -> Watched:
    db.backend = Watched(db.backend)
    return db.backend


@pytest.mark.parametrize("text", WRITING)
def test_what_writes_is_refused_at_its_place(db: Session, watched: Watched, text: str) -> None:
    with pytest.raises(qql.QQLRefusedError) as found:
        db.execute(text)
    assert (found.value.code, found.value.exit_code, found.value.line) == ("read-only", 5, 1)
    assert "read_only = False" in str(found.value.hint)
    assert watched.wrote == []


@pytest.mark.parametrize("text", READING)
def test_what_reads_is_carried_out(db: Session, watched: Watched, text: str) -> None:
    db.execute(text)
    assert watched.wrote == []


def test_the_statements_above_are_all_there_are(db: Session) -> None:
    parsed = [qql.parse(text)[0] for text in (*WRITING, *READING)]
    named = {type(one) for one in parsed} | {nodes.Execute, nodes.Dump, nodes.CopyTo, nodes.Undefine}
    elsewhere = {nodes.ShowShardKeys, nodes.ShowQuotas, nodes.ShowOptimizations, nodes.ShowMemory}
    assert set(nodes.STATEMENTS) - named == elsewhere
    assert {nodes.STATEMENTS[kind].effect for kind in elsewhere} == {READS}


def test_what_a_statement_declares_is_what_its_requests_do(db: Session) -> None:
    for text in (*WRITING, *READING):
        [compiled] = db.compile(text, sent=False)[-1:]
        if isinstance(compiled.statement, nodes.Explain):
            continue
        reading = nodes.effect_of(compiled.statement) == READS
        assert all(reads(request) == reading for request in compiled.requests), text


def test_the_effect_of_a_batch_is_the_worst_in_it() -> None:
    [batch] = qql.parse("BATCH { CREATE ALIAS a FOR docs; DROP ALIAS b; }")
    [explained] = qql.parse("EXPLAIN DROP COLLECTION docs")
    [written] = qql.parse("BATCH { DELETE FROM docs WHERE id = 1; }")
    assert [nodes.effect_of(one) for one in (batch, explained, written)] == [REMOVES, READS, WRITES]


def test_of_a_script_nothing_is_carried_out_and_each_write_is_told(db: Session) -> None:
    script = "DEFINE s AS (QUERY [1, 0] USING v LIMIT 5);\nDROP ALIAS known;\nDELETE FROM docs WHERE id = 1;"
    with pytest.raises(qql.QQLRefusedError) as found:
        db.run(script)
    assert [one.line for one in found.value.diagnostics] == [2, 3]
    assert not db.context.stages
    with pytest.raises(qql.QQLRefusedError):
        next(db.stream(script))


def test_a_write_in_a_batch_and_in_an_executed_file_has_its_place(db: Session, tmp_path: Path) -> None:
    (tmp_path / "a.qql").write_text("COUNT FROM docs;\nDROP COLLECTION docs;\n")
    with pytest.raises(qql.QQLRefusedError) as found:
        db.run(f"EXECUTE '{tmp_path}/a.qql';")
    [one] = found.value.diagnostics
    assert (one.source and one.source.name, one.line) == (f"{tmp_path}/a.qql", 2)
    with pytest.raises(qql.QQLRefusedError) as found:
        db.execute("BATCH {\n  CREATE ALIAS b FOR docs;\n  DROP ALIAS known;\n}")
    assert (found.value.line, "CREATE writes" in found.value.message) == (2, True)


def _prepared(db: Session) -> object:
    return db.prepare("DELETE FROM docs WHERE id = :id").execute(id=1)


def _many(db: Session) -> object:
    return db.prepare("DELETE FROM docs WHERE id = ?").execute_many([[1], [2]])


def _columns(db: Session) -> object:
    return db.upsert("docs", ids=[3], vectors={"v": [[1.0, 1.0]]})


DOORS: dict[str, Callable[[Session], object]] = {
    "prepared": _prepared,
    "many": _many,
    "prepared script": lambda db: db.prepare("COUNT FROM docs; DROP ALIAS known").run(),
    "columns": _columns,
    "builder": lambda db: db.execute(delete("docs", where=field("a") == 1)),
    "request": lambda db: db.ask(Request("DELETE", "/collections/docs")),
    "compiled before": lambda db: db.carry_out(db.compile("DROP ALIAS known", sent=False)[0]),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_shut(db: Session, watched: Watched, door: str) -> None:
    with pytest.raises(qql.QQLRefusedError) as found:
        DOORS[door](db)
    assert (watched.wrote, found.value.code) == ([], "read-only")


def test_a_retriever_asks_a_session_that_is_read_only(db: Session, watched: Watched) -> None:
    [found] = qql.retriever("QUERY :q FROM docs USING v LIMIT 1", db).retrieve([1.0, 0.0])
    assert (found.id, watched.wrote) == (1, [])


def test_a_request_that_reads_goes(db: Session) -> None:
    assert db.ask(Request("POST", "/collections/docs/points/count", {}, {}))["count"] == 2


def test_it_can_be_taken_back(db: Session) -> None:
    db.read_only = False
    db.execute("DELETE FROM docs WHERE id = 1")
    assert db.execute("COUNT FROM docs").rows[0]["count"] == 1


def test_a_dump_may_write_its_file(db: Session, tmp_path: Path) -> None:
    db.execute(f"DUMP docs TO '{tmp_path}/docs.qql'")
    assert "CREATE COLLECTION" in (tmp_path / "docs.qql").read_text()


def test_connect_takes_it(tmp_path: Path) -> None:
    with qql.connect(tmp_path / "db") as session:
        session.run(MAKE)
    with qql.connect(tmp_path / "db", read_only=True) as session:
        assert session.execute("COUNT FROM docs").rows[0]["count"] == 2
        with pytest.raises(qql.QQLRefusedError):
            session.execute("DROP COLLECTION docs")
    with dbapi.connect(tmp_path / "db", read_only=True) as connection:
        cursor = connection.cursor()
        with pytest.raises(dbapi.OperationalError, match="read-only"):
            cursor.execute("DROP COLLECTION docs")


def test_the_async_session_has_it_too(tmp_path: Path) -> None:
    async def script() -> list[str]:
        codes = []
        async with qql.connect_async(tmp_path / "db") as session:
            await session.run(MAKE)
            session.read_only = True
            assert session.read_only
            try:
                await session.execute("DROP COLLECTION docs")
            except qql.QQLError as exc:
                codes.append(exc.code)
            try:
                await session.upsert("docs", ids=[3], vectors={"v": [[1.0, 1.0]]})
            except qql.QQLError as exc:
                codes.append(exc.code)
            session.read_only = False
            await session.execute("DROP ALIAS known")
        return codes

    assert asyncio.run(script()) == ["read-only", "read-only"]
