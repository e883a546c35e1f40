"""How many points a write found: counted before it, and said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qdrant_client import QdrantClient

import qql
from qql.cli import main
from qql.errors import QQLExecutionError
from qql.session.matched import counting_request

ROWS = """
CREATE COLLECTION docs (a VECTOR(2, DOT), b VECTOR(2, DOT));
UPSERT INTO docs VALUES
  {id: 1, vector: {a: [1, 2], b: [1, 2]}, kind: 'x', n: 1},
  {id: 2, vector: {a: [1, 2], b: [1, 2]}, kind: 'x', n: 2},
  {id: 3, vector: {a: [1, 2]}, kind: 'y', n: 3};
"""

COUNTED = [
    ("DELETE FROM docs WHERE kind = 'x'", 2, "deleted 2 points from docs"),
    ("DELETE FROM docs WHERE id IN (3, 3, 99)", 1, "deleted 1 point from docs"),
    ("DELETE FROM docs WHERE NOT kind = 'z'", 3, "deleted 3 points from docs"),
    ("DELETE FROM docs WHERE kind = 'z'", 0, "none matched: deleted no points from docs"),
    ("UPDATE docs SET PAYLOAD = {c: 1} WHERE n > 1", 2, "updated payloads of 2 points in docs"),
    ("UPDATE docs SET PAYLOAD = {c: 1} OVERWRITE WHERE id = 1", 1, "updated payloads of 1 point in docs"),
    (
        "UPDATE docs SET PAYLOAD = {c: 1} WHERE id = 99",
        0,
        "none matched: updated payloads of no points in docs",
    ),
    ("DELETE PAYLOAD kind FROM docs WHERE n < 3", 2, "deleted payload fields of 2 points from docs"),
    ("DELETE VECTOR b FROM docs WHERE HAS_VECTOR b", 2, "deleted vectors of 2 points from docs"),
    ("CLEAR PAYLOAD FROM docs WHERE id = 1 OR id = 2", 2, "cleared payloads of 2 points in docs"),
    ("UPDATE docs SET VECTOR b = [3, 4] WHERE id IN (1, 3)", 2, "updated vectors of 2 points in docs"),
    (
        "UPDATE docs SET VECTOR VALUES {id: 1, vector: {b: [5, 6]}}, {id: 3, vector: {b: [5, 6]}}"
        " WHERE kind = 'y'",
        1,
        "updated vectors of 1 point in docs",
    ),
]


@pytest.fixture(params=["edge", "local"])
def db(request: pytest.FixtureRequest) -> Iterator[qql.Session]:
    target: Any = ":memory:" if request.param == "edge" else QdrantClient(":memory:")
    with qql.connect(target, advice=False) as session:
        session.run(ROWS)
        yield session


@pytest.mark.parametrize(("statement", "matched", "message"), COUNTED)
def test_a_write_says_how_many_points_matched(
    db: qql.Session, statement: str, matched: int, message: str
) -> None:
    result = db.execute(statement, count=True)
    assert (result.matched, result.message, result.warnings) == (matched, message, ())
    assert result.to_dicts() == [{"message": message, "matched": matched}]


def test_nothing_is_counted_unless_it_is_asked_for(db: qql.Session) -> None:
    [deleted] = db.run("DELETE FROM docs WHERE id = 1")
    assert (deleted.matched, deleted.message) == (None, "deleted points from docs")
    assert deleted.to_dicts() == [{"message": "deleted points from docs"}]


def test_a_session_counts_and_a_call_may_say_otherwise() -> None:
    with qql.connect(count=True) as session:
        session.run(ROWS)
        assert session.execute("DELETE FROM docs WHERE id = 1").matched == 1
        assert session.execute("DELETE FROM docs WHERE id = 2", count=False).matched is None
        assert [one.matched for one in session.stream("DELETE FROM docs WHERE id = 3")] == [1]


def test_reads_rows_and_batches_are_not_counted(db: qql.Session) -> None:
    results = db.run(
        "COUNT FROM docs; UPSERT INTO docs VALUES {id: 4} UPDATE FILTER n = 1;"
        " BATCH { DELETE FROM docs WHERE id = 1; UPDATE docs SET PAYLOAD = {a: 1} WHERE id = 1 };",
        count=True,
    )
    assert [one.matched for one in results] == [None, None, None]


def test_an_upsert_that_chooses_among_its_rows_does_not_claim_them_all(db: qql.Session) -> None:
    rows = "VALUES {id: 1, vector: {a: [1, 2]}}, {id: 9, vector: {a: [1, 2]}}"
    assert db.execute(f"UPSERT INTO docs {rows}").message == "upserted 2 points into docs"
    for choice in ("UPDATE MODE insert_only", "UPDATE FILTER n = 1"):
        assert (
            db.execute(f"UPSERT INTO docs {rows} {choice}").message == "upserted at most 2 points into docs"
        )


def test_the_count_is_of_the_same_shard_and_exact() -> None:
    [write] = qql.compile("CLEAR PAYLOAD FROM 'my docs' WHERE a = 1 SHARD 'eu' WAIT false")
    assert counting_request(write) == qql.Request(
        "POST",
        "/collections/my%20docs/points/count",
        {},
        {"filter": {"must": [{"key": "a", "match": {"value": 1}}]}, "exact": True, "shard_key": "eu"},
    )


def refusing_counts(call: Callable[[qql.Request], Any]) -> Callable[[qql.Request], Any]:
    """A backend's `call` as that of a server whose strict mode refuses COUNT."""

    def answer(request: qql.Request) -> Any:
        if request.route == ("POST", "points/count"):
            raise QQLExecutionError.make("forbidden", "strict mode: no counting")
        return call(request)

    return answer


def test_a_write_that_cannot_be_counted_is_carried_out(
    db: qql.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(db.backend, "call", refusing_counts(db.backend.call))
        result = db.execute("DELETE FROM docs WHERE kind = 'x'", count=True)
    assert (result.matched, result.message) == (None, "deleted points from docs")
    [warning] = result.warnings
    assert warning.code == "not-counted" and "strict mode: no counting" in warning.message
    assert db.execute("SCROLL FROM docs").ids == [3]


def test_the_command_line_counts(capsys: pytest.CaptureFixture[str]) -> None:
    script = f"{ROWS} DELETE FROM docs WHERE kind = 'x'; CLEAR PAYLOAD FROM docs WHERE kind = 'z';"
    assert main(["-c", script, "--db", ":memory:", "--format", "jsonl"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        '{"message":"deleted 2 points from docs","matched":2}',
        '{"message":"none matched: cleared payloads of no points in docs","matched":0}',
    ]


# ------------------------------------------------------------------------------------ ids in writes

WRITES = [
    "UPDATE docs SET PAYLOAD = {c: 1} WHERE {}",
    "UPDATE docs SET PAYLOAD = {c: 1} OVERWRITE WHERE {}",
    "DELETE PAYLOAD kind FROM docs WHERE {}",
    "DELETE VECTOR b FROM docs WHERE {}",
    "CLEAR PAYLOAD FROM docs WHERE {}",
    "DELETE FROM docs WHERE {}",
]


@pytest.mark.parametrize("statement", WRITES)
def test_an_id_that_is_not_there_changes_nothing_however_ids_are_given(
    db: qql.Session, statement: str
) -> None:
    before = db.execute("SCROLL FROM docs WITH VECTOR true").to_dicts()
    for ids in ("id = 99", "id IN (98, 99)", "id = 98 OR id = 99", "id IN :ids"):
        params = {"ids": [98, 99]} if ":ids" in ids else None
        assert db.execute(statement.replace("{}", ids), params, count=True).matched == 0
    assert db.execute("SCROLL FROM docs WITH VECTOR true").to_dicts() == before
    assert db.execute(statement.replace("{}", "id = 99 OR id = 2"), count=True).matched == 1
    changed = db.execute("SCROLL FROM docs WITH VECTOR true").to_dicts()
    assert [one for one in changed if one["id"] != 2] == [one for one in before if one["id"] != 2]
    assert changed != before


@pytest.mark.parametrize("ids", ["id = 99", "id IN (1, 99)"])
def test_a_vector_for_a_point_that_is_not_there_is_an_error(db: qql.Session, ids: str) -> None:
    with pytest.raises(QQLExecutionError, match="99"):
        db.execute(f"UPDATE docs SET VECTOR b = [1, 2] WHERE {ids}", count=True)


# ------------------------------------------------------------------------------------ empty lists


def test_an_empty_list_finds_nothing_and_its_negation_everything(db: qql.Session) -> None:
    for index in ("", "CREATE INDEX ON docs FOR kind TYPE keyword; CREATE INDEX ON docs FOR n TYPE integer;"):
        db.run(index)
        for condition, ids in {
            "kind IN :none": [],
            "kind NOT IN :none": [1, 2, 3],
            "n IN ()": [],
            "n MATCH ANY :none": [],
            "NOT n MATCH ANY ()": [1, 2, 3],
            "kind MATCH EXCEPT :none": [1, 2, 3],
            "other MATCH EXCEPT ()": [],
            "id IN :none": [],
            "id NOT IN []": [1, 2, 3],
            "n = 1 OR id IN :none": [1],
            "MIN SHOULD 1 (kind IN (), n = 2)": [2],
        }.items():
            params = {"none": []} if ":none" in condition else None
            result = db.execute(f"SCROLL FROM docs WHERE {condition}", params)
            assert (condition, result.ids) == (condition, ids)
            assert [one.code for one in result.warnings if one.code != "engine-note"] == ["empty-list"]
    assert db.execute("QUERY POINTS :none FROM docs", {"none": []}).ids == []


@pytest.mark.parametrize(
    "statement", [*WRITES, "EXPLAIN DELETE FROM docs WHERE {}", "BATCH { DELETE FROM docs WHERE {} }"]
)
def test_an_empty_list_in_a_write_is_an_error(statement: str) -> None:
    for condition in ("id IN :none", "kind NOT IN :none", "n = 1 AND NOT kind MATCH EXCEPT :none"):
        text = statement.replace("{}", condition)
        with pytest.raises(qql.QQLPlanError, match="a write takes no empty list") as caught:
            qql.compile(text, {"none": []})
        span = caught.value.diagnostic.span
        assert caught.value.code == "empty-list" and span and ":none" in text[span.start : span.end]
