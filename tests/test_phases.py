"""What a session tells `logging`: phases at INFO, requests at DEBUG, nothing where nobody listens."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import ROOT
from http_recorder import HttpRecorder
from qdrant_client import QdrantClient

import qql

HYBRID = (
    "WITH a AS (QUERY :q USING dense LIMIT 20), b AS (QUERY :q USING sparse LIMIT 30) "
    "QUERY FUSION RRF FROM docs PREFETCH (a, b) LIMIT 5"
)


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect(":memory:") as session:
        session.run("""
            CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25');
            UPSERT INTO docs VALUES
              {id: 1, text: 'red wine'}, {id: 2, text: 'white wine'}, {id: 3, text: 'tea'};
        """)
        yield session


def said(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == f"qql.{name}"]


def test_each_phase_is_told_with_what_it_had_and_its_time(
    db: qql.Session, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="qql"):
        db.execute(f"{HYBRID} RERANK :q MODEL 'local/overlap' TOP 1", {"q": "wine"})
    assert {one.levelno for one in caplog.records if one.name.startswith("qql.")} == {logging.INFO}
    [compiled], [engine], [reranked], [done] = (
        said(caplog, name) for name in ("compile", "engine", "rerank", "statement")
    )
    assert compiled.startswith("compiled Query in ") and compiled.endswith(" ms")
    assert {one.partition(" in ")[0] for one in said(caplog, "embed")} == {
        "1 text by local/hash-64",
        "1 text by qdrant/bm25",
    }
    assert engine.startswith("QUERY on docs, candidates at most: a 20, b 30, root 5;")
    assert reranked.startswith("3 candidates by local/overlap, 1 hit, in ")
    assert done.startswith("QUERY on docs: 1 hit in ")


def test_requests_are_told_at_debug_with_vectors_cut(
    db: qql.Session, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="qql"):
        db.execute("COUNT FROM docs")
    assert said(caplog, "request") == []
    with caplog.at_level(logging.DEBUG, logger="qql"):
        db.execute(HYBRID, {"q": "wine"})
    [request] = said(caplog, "request")
    assert request.startswith("POST /collections/docs/points/query {") and "… 60 more]" in request


def test_no_line_holds_a_key(caplog: pytest.LogCaptureFixture, no_proxy: None) -> None:
    with (
        HttpRecorder() as server,
        caplog.at_level(logging.DEBUG, logger="qql"),
        qql.connect(server.url, api_key="s3cret-key") as db,
    ):
        db.execute("COUNT FROM docs")
        db.execute("SHOW COLLECTIONS")
    assert said(caplog, "request") == ["POST /collections/docs/points/count {}", "GET /collections "]
    assert "s3cret" not in caplog.text


def test_nobody_loads_logging_for_it() -> None:
    code = "import sys, qql; qql.connect(':memory:').execute('SHOW COLLECTIONS'); "
    code += "print('logging' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "False\n"


def test_the_client_below_a_session(db: qql.Session) -> None:
    assert db.client is None
    own = QdrantClient(":memory:")
    with qql.connect(own) as session:
        assert session.client is own
    own.close()
