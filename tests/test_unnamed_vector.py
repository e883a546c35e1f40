"""One unnamed vector: made, changed, shown, dumped and converted, on both engines."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import qql
from qql.session.session import Session


def opened(engine: str) -> Session:
    if engine == "edge":
        return qql.connect(":memory:")
    from qdrant_client import QdrantClient

    return qql.connect(QdrantClient(":memory:"))


@pytest.fixture(params=["edge", "local"])
def db(request: pytest.FixtureRequest) -> Iterator[Session]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with opened(request.param) as session:
            session.execute("CREATE COLLECTION c VECTOR(2, DOT)")
            session.execute("UPSERT INTO c VALUES {id: 1, vector: [1, 2]}, {id: 2, vector: {'': [3, 1]}}")
            yield session


def shapes(session: Session) -> list[tuple[str, str]]:
    rows = session.execute("SHOW COLLECTION c").rows
    return [(row["name"], row["shape"]) for row in rows if row["kind"] == "dense"]


def test_it_is_written_searched_and_shown(db: Session) -> None:
    hits = db.execute("QUERY [1, 1] FROM c WITH VECTOR").hits
    assert [(hit.id, hit.vector, hit.score) for hit in hits] == [(2, [3.0, 1.0], 4.0), (1, [1.0, 2.0], 3.0)]
    assert db.execute("QUERY POINT 1 FROM c").ids == [2]
    assert shapes(db) == [("(unnamed)", "2 × Dot")]


def test_its_vectors_are_changed_and_deleted(db: Session) -> None:
    db.execute("UPDATE c SET VECTOR = [9, 9] WHERE id = 1")
    assert db.execute("QUERY [1, 1] FROM c LIMIT 1").ids == [1]
    db.execute("DELETE VECTOR '' FROM c WHERE id = 1")
    assert db.execute("QUERY [1, 1] FROM c").ids == [2]


def test_it_is_altered_and_gets_company(db: Session) -> None:
    db.execute("ALTER COLLECTION c WITH VECTOR '' (HNSW (m = 8))")
    if db.backend.name == "edge":  # local mode says that it has no HNSW
        assert "m: 8" in db.execute("SHOW COLLECTION c").rows[0]["details"]
    db.execute("ALTER COLLECTION c ADD more VECTOR(3, COSINE)")
    assert shapes(db) == [("(unnamed)", "2 × Dot"), ("more", "3 × Cosine")]
    with pytest.raises(qql.QQLPlanError, match="the unnamed vector stays as long as its collection"):
        db.execute("ALTER COLLECTION c DROP VECTOR ''")


def test_a_dump_makes_it_again(db: Session, tmp_path: Path) -> None:
    db.execute("DUMP c TO :file", {"file": str(tmp_path / "c.qql")})
    with opened(db.backend.name) as other:
        other.execute("EXECUTE :file", {"file": str(tmp_path / "c.qql")})
        assert shapes(other) == [("(unnamed)", "2 × Dot")]
        hits = other.execute("QUERY [1, 1] FROM c WITH VECTOR").hits
    assert [(hit.id, hit.vector) for hit in hits] == [(2, [3.0, 1.0]), (1, [1.0, 2.0])]


def test_both_spellings_are_one_tree_whose_text_needs_no_name() -> None:
    short, named = "CREATE COLLECTION c VECTOR(4, COSINE)", "CREATE COLLECTION c ('' VECTOR(4, COSINE))"
    assert qql.parse(short) == qql.parse(named)
    assert qql.format(named) == f"{short};\n"
    body = {"vectors": {"size": 4, "distance": "Cosine"}}
    assert qql.from_request(body, method="PUT", path="/collections/c") == f"{short};\n"


def test_what_belongs_to_the_vector_alone_keeps_the_name() -> None:
    """Behind the short form a block is the collection's."""
    text = "CREATE COLLECTION c ('' VECTOR(4, COSINE) WITH HNSW (m = 8));\n"
    assert qql.format(text) == text
    both = "CREATE COLLECTION c (\n  '' VECTOR(4, COSINE),\n  b VECTOR(3, DOT)\n);\n"
    assert qql.format(both) == both


def test_a_text_finds_the_model_of_the_unnamed_vector() -> None:
    with qql.connect(":memory:") as session:
        session.execute("CREATE COLLECTION m VECTOR(COSINE) MODEL 'local/hash-8'")
        session.execute("UPSERT INTO m VALUES {id: 1, text: 'care'}, {id: 2, text: 'burns'}")
        assert session.execute("QUERY 'care' FROM m LIMIT 1").ids == [1]
