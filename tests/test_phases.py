"""What a session tells `logging`: phases at INFO, requests at DEBUG, nothing where nobody listens."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from http_recorder import HttpRecorder
from qdrant_client import QdrantClient

import qql
from qql.cli import main
from qql.evaluation import evaluate, record

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


# ------------------------------------------------------------------------------------ each stage


def stages(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """What was said of each stage, without times."""
    lines = [re.sub(r", [0-9.]+ ms$", ", T", line) for line in said(caplog, "stage")]
    return dict(line.split(": ", 1) for line in lines)


def scores_of(hits: list[qql.Hit]) -> str:
    return f"scores {hits[0].score:.4g} to {hits[-1].score:.4g}"


def test_of_a_plain_query_each_stage_is_told_as_far_as_the_answer_shows_it(
    db: qql.Session, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="qql"):
        found = db.execute(HYBRID, {"q": "wine"}).hits
    assert stages(caplog) == {
        "a": "search on dense, limit 20",
        "b": "search on sparse, limit 30",
        "root": f"fuse by RRF, limit 5, 3 hits, {scores_of(found)}, T",
    }


@pytest.mark.parametrize("form", ["EXPLAIN ANALYZE {}", "{} WITH PROVENANCE"])
def test_where_stages_are_asked_one_by_one_each_has_its_hits_and_scores(
    db: qql.Session, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    below = {
        "a": db.execute("QUERY :q FROM docs USING dense LIMIT 20", {"q": "wine"}).hits,
        "b": db.execute("QUERY :q FROM docs USING sparse LIMIT 30", {"q": "wine"}).hits,
    }
    with caplog.at_level(logging.INFO, logger="qql"):
        db.execute(form.format(HYBRID), {"q": "wine"})
    found = {label: line.removesuffix(", T") for label, line in stages(caplog).items()}
    assert list(found) == ["b", "a", "root"]  # the lowest first
    assert found["a"] == f"search on dense, limit 20, 3 hits, {scores_of(below['a'])}"
    assert found["b"] == f"search on sparse, limit 30, 2 hits, {scores_of(below['b'])}"
    timed = all(re.search(r", [0-9.]+ ms$", line) for line in said(caplog, "stage"))
    assert timed == form.startswith("EXPLAIN")


def test_a_second_stage_is_one_of_them(db: qql.Session, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="qql"):
        found = db.execute(f"{HYBRID} RERANK :q MODEL 'local/overlap' TOP 2", {"q": "wine"}).hits
    told = stages(caplog)
    assert told["rerank"] == f"by local/overlap, 3 candidates, 2 hits, {scores_of(found)}, T"
    assert told["root"].startswith("fuse by RRF, limit 5, 3 hits")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("QUERY FROM docs LIMIT 2", "points by their ids, limit 2, 2 hits, T"),
        ("QUERY SAMPLE RANDOM FROM docs LIMIT 2", "sample random, limit 2, 2 hits, T"),
        (
            "QUERY RECOMMEND POSITIVE (1) FROM docs USING dense LIMIT 1",
            "recommend on dense, limit 1, ",
        ),
        ("QUERY 'secret' FROM docs USING dense", "search on dense, limit 10, 3 hits, "),
        ("QUERY [0.25] FROM docs USING dense", None),
    ],
)
def test_a_line_says_what_a_stage_does_and_not_with_what(
    db: qql.Session, caplog: pytest.LogCaptureFixture, text: str, line: str | None
) -> None:
    with caplog.at_level(logging.INFO, logger="qql"), contextlib.suppress(qql.QQLError):
        db.execute(text)
    assert stages(caplog).get("root", "").startswith(line or "")
    assert "secret" not in caplog.text and "0.25" not in caplog.text


def test_a_recording_tells_of_each_stage_of_each_query(
    db: qql.Session, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    pipeline, queries = HYBRID.replace(":q", ":query"), {"q1": "wine", "q2": "tea"}
    with caplog.at_level(logging.INFO, logger="qql"):
        record(pipeline, queries, db, tmp_path / "run.qqlrun", deep=10)
    lines = said(caplog, "stage")
    assert [line.partition(", limit 21,")[0] for line in lines[::2]] == ["a: search on dense"] * 2
    assert [line.partition(" hit")[0] for line in lines[1::2]] == [
        "b: search on sparse, limit 31, 2",
        "b: search on sparse, limit 31, 1",
    ]
    told = [line.partition(" in ")[0] for line in said(caplog, "statement")]
    assert told == ["recorded the query q1: 2 stages", "recorded the query q2: 2 stages"]
    assert "wine" not in caplog.text


def test_an_evaluation_with_stages_tells_of_them(db: qql.Session, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = HYBRID.replace(":q", ":query")
    with caplog.at_level(logging.INFO, logger="qql"):
        evaluate(pipeline, {"q1": "wine"}, {"q1": [1]}, db, measures="RR", stages=True)
    assert any(line.startswith("b: search on sparse, limit 30, 2 hits") for line in said(caplog, "stage"))
    assert {line.partition(" in ")[0] for line in said(caplog, "embed")} == {
        "1 text by local/hash-64",
        "1 text by qdrant/bm25",
    }


# ------------------------------------------------------------------------------------ --log-level

SCRIPT = "CREATE COLLECTION c (v VECTOR(2, DOT)); QUERY [1, 0.75] FROM c LIMIT 3;"


def test_the_command_line_tells_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "--log-level", "info", "--format", "jsonl", "-c", SCRIPT]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        "qql.stage: root: search on v, limit 3, 0 hits" in err and "qql.statement: QUERY on c: 0 hits" in err
    )
    assert "0.75" not in err and "qql.request" not in err
    assert main(["-q", "-c", SCRIPT]) == 0
    assert capsys.readouterr().err == ""  # nothing of it is left


def test_at_debug_it_tells_of_requests_and_programs_get_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "--log-level", "debug", "--error-format", "json", "-c", SCRIPT]) == 0
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {(one["code"], one["severity"]) for one in found} == {("log", "note")}
    [asked] = [one["message"] for one in found if "POST /collections/c/points/query" in one["message"]]
    assert "[1, 0.75]" in asked


def test_another_level_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--log-level", "loud", "-c", SCRIPT]) == 2
    assert "info or debug is required" in capsys.readouterr().err
