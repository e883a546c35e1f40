"""EXPLAIN with options: as data, and carried out stage by stage."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import qql
from qql.session import Session

PIPELINE = """
WITH
  dense AS (QUERY 'emergency care' USING dense LIMIT 3),
  sparse AS (QUERY 'emergency care' USING sparse LIMIT 30)
QUERY 'emergency care' FROM docs LIMIT 2 PREFETCH (dense WHERE n > 0, sparse) FUSION RRF
"""


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect() as session:
        session.run("""
            CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25');
            UPSERT INTO docs VALUES
              {id: 1, text: 'Emergency care for acute chest pain', n: 1},
              {id: 2, text: 'Urgent treatment of burns', n: 2},
              {id: 3, text: 'care of wounds in an emergency', n: 3};
        """)
        yield session


def test_analyze_tells_what_each_stage_did(db: Session) -> None:
    result = db.execute(f"EXPLAIN ANALYZE {PIPELINE}")
    root, *stages = result.data["stages"]
    alone = {
        name: db.execute(f"QUERY 'emergency care' FROM docs USING {name} LIMIT 30").ids
        for name in ("dense", "sparse")
    }
    assert [hit["id"] for hit in result.data["hits"]] == db.execute(PIPELINE).ids
    assert root["fusion"]["same"] is True
    assert [stage["returned"] for stage in stages] == [len(alone["dense"]), len(alone["sparse"])]
    assert stages[1]["unused"] == 30 - len(alone["sparse"])
    assert "recomposed = engine" in result.message
    assert f"returned {len(alone['sparse'])} of 30" in result.message


def test_runs_are_counted_and_ablation_leaves_each_out(db: Session) -> None:
    result = db.execute(f"EXPLAIN ANALYZE RUNS 3 ABLATE {PIPELINE}")
    assert result.data["timing"]["runs"] == 3
    assert len(result.data["ablation"]) == 2
    assert "without sparse" in result.message


def test_json_is_what_the_data_says(db: Session) -> None:
    analysed = db.execute(f"EXPLAIN ANALYZE FORMAT JSON {PIPELINE}")
    assert json.loads(analysed.message) == json.loads(json.dumps(analysed.data))
    plan = db.execute(f"EXPLAIN FORMAT json {PIPELINE}")
    told = json.loads(plan.message)
    assert told == json.loads(json.dumps(plan.data))
    dense, sparse, root = told["plan"]["stages"]
    assert (dense["label"], dense["kind"], dense["model"]) == ("dense", "dense", "local/hash-64")
    assert (sparse["limit"], sparse["emitted"]) == (30, 1)
    assert root["inputs"][0] == {"stage": "dense", "where": "n > 0", "threshold": None, "lookup": None}
    assert told["requests"] == [request.to_dict() for request in plan.requests]


def test_a_statement_that_is_no_query_has_no_plan(db: Session) -> None:
    told = json.loads(db.execute("EXPLAIN FORMAT json COUNT FROM docs").message)
    assert told["plan"] is None
    assert told["requests"][0]["path"] == "/collections/docs/points/count"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("EXPLAIN ANALYZE DELETE FROM docs WHERE id = 1", "analyze-query"),
        ("EXPLAIN ANALYZE QUERY POINTS (1) FROM docs", "analyze-query"),
        ("EXPLAIN RUNS 3 COUNT FROM docs", "idle-clause"),
        ("EXPLAIN ABLATE COUNT FROM docs", "idle-clause"),
        ("EXPLAIN ANALYZE RUNS 0 QUERY [1] FROM docs", "bad-limit"),
        ("EXPLAIN FORMAT yaml COUNT FROM docs", "bad-option"),
        ("EXPLAIN ANALYZE ANALYZE QUERY [1] FROM docs", "duplicate-clause"),
    ],
)
def test_what_explain_refuses(text: str, code: str) -> None:
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.compile(text)
    assert caught.value.code == code


def test_nothing_is_written_by_a_refused_analyze(db: Session) -> None:
    with pytest.raises(qql.QQLPlanError):
        db.execute("EXPLAIN ANALYZE DELETE FROM docs WHERE id = 1")
    assert db.execute("COUNT FROM docs").rows == [{"count": 3}]
