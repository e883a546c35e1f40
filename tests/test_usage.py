"""What a server says that requests cost it: per stage in EXPLAIN ANALYZE, in bench, and in a recording."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer

import qql
from qql.backends.base import usage_of
from qql.evaluation.benchmark import bench
from qql.evaluation.recording import read_recording, record
from qql.rest.usage import Usage
from qql.session.session import Session

HARDWARE = {
    "cpu": 1280,
    "payload_io_read": 0,
    "payload_io_write": 0,
    "payload_index_io_read": 64,
    "payload_index_io_write": 0,
    "vector_io_read": 4096,
    "vector_io_write": 0,
}
USAGE = {"hardware": HARDWARE, "inference": {"models": {"some/model": {"tokens": 7}}}}
CREATE = """
CREATE COLLECTION docs (dense VECTOR(8, COSINE) MODEL 'local/hash-8', words SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES {id: 1, text: 'red shoes'},
  {id: 2, text: 'a river'};
"""
PIPELINE = """WITH near AS (QUERY :query USING dense LIMIT 5), lexical AS (QUERY :query USING words LIMIT 5)
  QUERY FUSION RRF FROM docs PREFETCH (near, lexical) LIMIT 5"""
ASKED = PIPELINE.replace(":query", "'red shoes'")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture(params=["rest", "grpc"])
def session(request: pytest.FixtureRequest, server: FakeServer) -> Iterator[Session]:
    with qql.connect(server.url if request.param == "rest" else server.grpc_url) as made:
        made.run(CREATE)
        yield made


@pytest.fixture
def embedded() -> Iterator[Session]:
    with qql.connect(":memory:") as made:
        made.run(CREATE)
        yield made


def test_each_stage_has_the_usage_that_the_server_reports(server: FakeServer, session: Session) -> None:
    server.usage = USAGE
    found = session.execute(f"EXPLAIN ANALYZE RUNS 2 {ASKED}")
    assert found.data["timing"]["server_ms"] == 1.0
    told = {"hardware": HARDWARE, "tokens": {"some/model": 7}}
    assert [stage["timing"]["usage"] for stage in found.data["stages"]] == [told] * 3
    said = "cost the server cpu 1,280, payload index io read 64, vector io read 4,096, 7 tokens of some/model"
    one_line = " ".join(found.message.replace("│", " ").split())
    assert one_line.count(said) == 3


def test_what_is_not_reported_is_not_shown(session: Session, embedded: Session) -> None:
    for one in (session, embedded):
        found = one.execute(f"EXPLAIN ANALYZE {ASKED}")
        assert [stage["timing"]["usage"] for stage in found.data["stages"]] == [None] * 3
        assert "cost the server" not in found.message and " cpu " not in found.message
    assert [stage["timing"]["server_ms"] for stage in found.data["stages"]] == [None] * 3


def test_usage_is_that_of_the_last_call(server: FakeServer, session: Session) -> None:
    server.usage = USAGE
    session.execute("COUNT FROM docs")
    assert usage_of(session.backend) == Usage(HARDWARE, {"some/model": 7})
    server.usage = None
    session.execute("COUNT FROM docs")
    assert usage_of(session.backend) is None


def test_usage_that_makes_no_sense_is_none() -> None:
    assert (
        Usage.of({"hardware": {"cpu": "a lot", "vector_io_read": -1}, "inference": {"models": [1]}}) is None
    )
    assert Usage.of([1]) is None and Usage.of({}) is None
    odd: Any = {"hardware": {"cpu": 3, "x": True}, "inference": {"models": {"m": {"tokens": 2.5}, "n": None}}}
    assert Usage.of(odd) == Usage({"cpu": 3}, {})


def test_the_usage_of_several_calls_is_the_median_of_each_count() -> None:
    several = [Usage({"cpu": cpu}, {"m": cpu * 2}) for cpu in (10, 1, 5)]
    assert Usage.median(several) == Usage({"cpu": 5}, {"m": 10})
    assert Usage.median([]) is None


def test_bench_has_a_section_of_what_the_server_says(server: FakeServer, session: Session) -> None:
    server.usage = USAGE
    measured = bench({"hybrid": PIPELINE}, session, queries=["red shoes"], repeat=2, warmup=0)
    (row,) = next(one.rows for one in measured.sections() if "own account" in one.title)
    assert row["ms"] == 1.0 and row["cpu"] == 1280 and row["vector io read"] == 4096 and row["tokens"] == 7
    (figures,) = measured.to_dict()["pipelines"]
    assert figures["server_ms"] == pytest.approx(1.0) and figures["usage"]["hardware"] == HARDWARE


def test_bench_has_no_such_section_of_an_engine_that_says_nothing(embedded: Session) -> None:
    measured = bench({"hybrid": PIPELINE}, embedded, queries=["red shoes"], repeat=2, warmup=0)
    assert not [one for one in measured.sections() if "own account" in one.title]
    (figures,) = measured.to_dict()["pipelines"]
    assert figures["server_ms"] is None and figures["usage"] is None


def test_a_recording_keeps_the_usage_of_each_stage(
    server: FakeServer, session: Session, tmp_path: Path
) -> None:
    server.usage = USAGE
    path = tmp_path / "run.qqlrun"
    record({"hybrid": PIPELINE}, ["red shoes"], session, path, deep=5)
    (query,) = read_recording(str(path)).queries()
    assert len(query.stages) == 2
    for stage in query.stages.values():
        assert stage.usage == Usage(HARDWARE, {"some/model": 7}) and stage.server_ms == 1.0


def test_a_recording_of_an_engine_that_says_nothing_has_no_usage(embedded: Session, tmp_path: Path) -> None:
    path = tmp_path / "run.qqlrun"
    record({"hybrid": PIPELINE}, ["red shoes"], embedded, path, deep=5)
    _, line = path.read_text().splitlines()
    assert all(not {"usage", "server_ms"} & stage.keys() for stage in json.loads(line)["stages"].values())
    (query,) = read_recording(str(path)).queries()
    assert all(stage.usage is None and stage.server_ms is None for stage in query.stages.values())
