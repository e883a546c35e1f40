"""WITH PROVENANCE, WHY, and RERANK in EXPLAIN ANALYZE, through a session."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from http_recorder import HttpRecorder, Received, Reply, ok
from test_explain import PIPELINE

import qql
from qql.analysis import second_stage
from qql.cli.render import render
from qql.errors import QQLCompileError, QQLModelError
from qql.models.embed_request import embed_request
from qql.rest.request import Request
from qql.result import Result
from qql.session.session import Session

SETUP = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES
  {id: 1, text: 'Emergency care for acute chest pain', n: 1},
  {id: 2, text: 'Urgent treatment of burns', n: 2},
  {id: 3, text: 'care of wounds in an emergency', n: 3},
  {id: 4, text: 'Gardening for beginners', n: 0},
  {id: 5, n: 9, vector: {sparse: {indices: [1], values: [0.5]}}};
"""


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect() as session:
        session.run(SETUP)
        yield session


def shown(result: Result, format: str) -> str:
    file = io.StringIO()
    render(result, format, file=file)
    return file.getvalue()


# ------------------------------------------------------------------------------------ WITH PROVENANCE


def test_provenance_is_that_of_the_stages(db: Session) -> None:
    result = db.execute(f"{PIPELINE} WITH PROVENANCE")
    assert result.ids == db.execute(PIPELINE).ids
    alone = {
        "dense WHERE n > 0": db.execute(
            "QUERY 'emergency care' FROM docs USING dense WHERE n > 0 LIMIT 3"
        ).hits,
        "sparse": db.execute("QUERY 'emergency care' FROM docs USING sparse LIMIT 30").hits,
    }
    for hit in result.hits:
        assert [share.label for share in hit.stages] == list(alone)
        for share in hit.stages:
            ranks = {one.id: (rank, one.score) for rank, one in enumerate(alone[share.label], 1)}
            assert (share.rank, share.score) == ranks[hit.id]
        assert hit.score is not None
        assert math.isclose(sum(share.contribution or 0 for share in hit.stages), hit.score, rel_tol=1e-6)
        assert math.isclose(sum(share.share or 0 for share in hit.stages), 1, rel_tol=1e-6)


def test_provenance_is_shown(db: Session) -> None:
    result = db.execute(f"{PIPELINE} WITH PROVENANCE")
    first = result.hits[0]
    ranks = {share.label: share.rank for share in first.stages}
    table = shown(result, "table")
    assert f"dense WHERE n > 0 #{ranks['dense WHERE n > 0']} (50%), sparse #{ranks['sparse']} (50%)" in table
    told = json.loads(shown(result, "jsonl").splitlines()[0])
    assert told["stages"] == [share.to_dict() for share in first.stages]
    assert json.loads(json.dumps(first.to_dict())) == told
    assert "stages" not in shown(db.execute(PIPELINE), "jsonl")


def test_provenance_of_groups(db: Session) -> None:
    result = db.execute(f"{PIPELINE} GROUP BY n SIZE 1 WITH PROVENANCE")
    assert result.hits and all(hit.stages for hit in result.hits)


def test_provenance_of_a_reranked_query_is_about_the_search(db: Session) -> None:
    result = db.execute(f"{PIPELINE} RERANK MODEL 'local/overlap' TOP 1 WITH PROVENANCE")
    (hit,) = result.hits
    total = sum(share.contribution or 0 for share in hit.stages)
    assert math.isclose(total, hit.first_stage_score or 0, rel_tol=1e-6)


def test_what_is_drawn_by_chance_has_its_stages_too(db: Session) -> None:
    for _ in range(10):
        (hit,) = db.execute("QUERY SAMPLE FROM docs LIMIT 1 WITH PROVENANCE").hits
        assert [(share.label, share.rank, share.share) for share in hit.stages] == [("root", 1, 1.0)]


def test_provenance_leaves_the_rest_of_the_answer_as_it_is(db: Session) -> None:
    text = f"{PIPELINE.replace('LIMIT 2', 'LIMIT 1')} OFFSET 1 WITH PAYLOAD (n) WITH VECTOR (dense)"
    plain, told = db.execute(text), db.execute(f"{text} WITH PROVENANCE")
    assert [{**hit, "stages": None} for hit in told.to_dicts()] == [
        {**hit, "stages": None} for hit in plain.to_dicts()
    ]
    assert told.hits[0].payload == {"n": told.hits[0].id} and told.hits[0].vector


def test_mmr_with_an_offset_is_analysed_as_it_runs(db: Session) -> None:
    text = "QUERY MMR 'care' DIVERSITY 0.5 FROM docs USING dense LIMIT 2 OFFSET 1"
    found = db.execute(f"EXPLAIN ANALYZE {text}").data
    assert [hit["id"] for hit in found["hits"]] == db.execute(text).ids


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "QUERY 'a' FROM docs USING dense PREFETCH (QUERY 'a' USING sparse WITH PROVENANCE)",
            "misplaced-clause",
        ),
        ("QUERY POINTS (1) FROM docs WITH PROVENANCE", "misplaced-clause"),
        ("BATCH { QUERY 'a' FROM docs USING dense WITH PROVENANCE; }", "batch-member"),
        ("QUERY 'a' FROM docs USING dense WITH PROVENANCE WITH PROVENANCE", "duplicate-clause"),
        ("SCROLL FROM docs WITH PROVENANCE", "misplaced-clause"),
        ("WHY 1 COUNT FROM docs", "why-query"),
        ("WHY 'a' QUERY 'a' FROM docs USING dense", "invalid-point-id"),
        ("WHY 1 FORMAT xml QUERY 'a' FROM docs USING dense", "bad-option"),
        ("BATCH { WHY 1 QUERY 'a' FROM docs USING dense; }", "batch-member"),
        ("EXPLAIN ANALYZE WHY 1 QUERY 'a' FROM docs USING dense", "analyze-query"),
    ],
)
def test_where_it_has_no_meaning(db: Session, text: str, code: str) -> None:
    with pytest.raises(QQLCompileError) as caught:
        db.execute(text)
    assert caught.value.code == code
    assert caught.value.line == 1


def test_compiling_says_what_a_session_does() -> None:
    warnings: list[Any] = []
    text = "QUERY [1] FROM c WITH PROVENANCE; WHY 1 QUERY [1] FROM c"
    requests = qql.compile(text, warnings=warnings)
    assert [request.path for request in requests] == ["/collections/c/points/query"]
    assert [warning.code for warning in warnings] == ["no-request", "no-request"]
    assert "WITH PROVENANCE" in warnings[0].message and "WHY" in warnings[1].message


# ------------------------------------------------------------------------------------ WHY


def test_why_follows_a_point(db: Session) -> None:
    result = db.execute(f"WHY NOT 4 {PIPELINE}")
    assert result.kind == "text"
    assert result.data["outcome"] != "hit"
    assert [one["label"] for one in result.data["standings"]] == ["root", "dense WHERE n > 0", "sparse"]
    assert result.data["standings"][1]["failed"][0]["text"] == "n > 0"
    assert "n > 0 (WHERE of the reference to dense)" in result.message
    hit = db.execute(f"WHY :point FORMAT json {PIPELINE}", {"point": 1})
    assert json.loads(hit.message) == hit.data
    assert hit.data["rank"] == db.execute(PIPELINE).ids.index(1) + 1


def test_scores_without_bounds_are_json(db: Session) -> None:
    text = PIPELINE.replace("FUSION RRF", "FUSION RRF WITH (rrf_k = 1, rrf_weights = [3e38, 1])")
    told = json.loads(db.execute(f"EXPLAIN ANALYZE FORMAT json {text}").message)
    assert told["hits"][0]["score"] is None
    assert db.execute(text).hits[0].score == math.inf


def test_why_begins_a_statement_of_its_own(db: Session) -> None:
    first, second = db.run(
        "QUERY 'care' FROM docs USING sparse\nWHY NOT 2 QUERY 'care' FROM docs USING sparse"
    )
    assert (first.kind, second.kind) == ("hits", "text")


def test_why_speaks_of_the_second_stage(db: Session) -> None:
    reranked = f"{PIPELINE} RERANK MODEL 'local/overlap' TOP 1"
    (first,) = db.execute(reranked).hits
    every = db.execute(reranked.replace("TOP 1", "TOP 2")).hits
    assert db.execute(f"WHY {first.id} {reranked}").data["outcome"] == "hit"
    told = db.execute(f"WHY NOT {every[1].id} {reranked}").data
    assert told["outcome"] == "reranked"
    rerank, *below = told["standings"]
    assert (rerank["label"], rerank["rank"], rerank["score"]) == ("RERANK", 2, every[1].second_stage_score)
    assert rerank["changes"] == [{"word": "TOP", "value": 2}]
    assert [one["label"] for one in below] == ["root", "dense WHERE n > 0", "sparse"]


def test_json_is_not_written_into_json(db: Session) -> None:
    for text in (f"WHY 1 FORMAT json {PIPELINE}", f"EXPLAIN FORMAT json {PIPELINE}"):
        result = replace(db.execute(text), warnings=())
        assert json.loads(shown(result, "jsonl")) == json.loads(result.message)
        assert json.loads(shown(result, "table")) == json.loads(result.message)
    assert list(json.loads(shown(db.execute(f"WHY 1 {PIPELINE}"), "jsonl"))) == ["message"]


def test_explain_shows_the_plan_of_why(db: Session) -> None:
    assert "POST /collections/docs/points/query" in db.execute(f"EXPLAIN WHY 1 {PIPELINE}").message


# ------------------------------------------------------------------------------------ RERANK


def test_the_second_stage_is_analysed(db: Session) -> None:
    reranked = f"{PIPELINE} RERANK MODEL 'local/overlap' TOP 1"
    result = db.execute(f"EXPLAIN ANALYZE RUNS 2 ABLATE {reranked}")
    told, answer, candidates = result.data["second"], db.execute(reranked), db.execute(PIPELINE)
    assert (told["model"], told["candidates"], told["texts"]) == ("local/overlap", 2, 2)
    assert told["timing"]["runs"] == 2
    assert [one["id"] for one in told["hits"]] == [one["id"] for one in result.data["hits"]] == answer.ids
    (hit,) = told["hits"]
    assert hit["first_rank"] == candidates.ids.index(hit["id"]) + 1
    assert (hit["first_score"], hit["second_score"]) == (
        answer.hits[0].first_stage_score,
        answer.hits[0].second_stage_score,
    )
    assert sum(one["share"] for one in told["ranges"]) == 1
    assert sum(one["candidates"] for one in told["ranges"]) == told["candidates"]
    for stage in result.data["stages"]:
        assert [one["id"] for one in stage["in_hits"]] == answer.ids
    assert "then reranked by local/overlap: 1 of 2 candidates · p50 " in result.message
    assert " (2 runs) + RERANK " in result.message.splitlines()[0]
    assert "% of the candidates of RERANK remain" in result.message


def test_where_the_hits_stood_before(db: Session) -> None:
    """The last of the first stage becomes the first."""
    with qql.connect(
        rerankers={"turn": lambda query, texts: [float("burns" in text) for text in texts]}
    ) as own:
        own.run(SETUP)
        search = "QUERY 'emergency care' FROM docs USING dense WHERE n > 0 LIMIT 3"
        result = own.execute(f"EXPLAIN ANALYZE {search} RERANK MODEL 'turn' TOP 1")
        before = own.execute(search)
        (hit,) = result.data["second"]["hits"]
        assert (hit["id"], hit["first_rank"]) == (2, before.ids.index(2) + 1)
        ranges = result.data["second"]["ranges"]
        assert [one["high"] for one in ranges] == sorted((one["high"] for one in ranges), reverse=True)
        held = [one for one in ranges if one["hits"]]
        assert len(held) == 1 and held[0]["low"] <= hit["first_score"] <= held[0]["high"]
        assert "(1 of 1 candidate)" in result.message


def test_candidates_without_a_text_are_counted(db: Session) -> None:
    result = db.execute(
        "EXPLAIN ANALYZE QUERY {indices: [1], values: [1]} FROM docs USING sparse LIMIT 9 "
        "RERANK 'care' MODEL 'local/overlap'"
    )
    assert result.data["second"]["texts"] < result.data["second"]["candidates"]
    assert "without a text, behind the others" in result.message


@pytest.mark.parametrize("scores", [[math.inf, 1.0, 0.5], [2.0, 2.0], [1e-320, 0.0]])
def test_scores_that_cannot_be_divided_are_one_range(scores: list[float]) -> None:
    found = second_stage("m", list(enumerate(scores)), [(0, 0.5)], slice(None))
    assert sum(one.candidates for one in found.ranges) == len(scores)
    assert sum(one.share for one in found.ranges) == 1
    assert (found.ranges[0].high, found.ranges[-1].low) == (max(scores), min(scores))
    assert not any(math.isnan(bound) for one in found.ranges for bound in (one.low, one.high))


def test_a_reranker_that_fails_is_an_error(db: Session) -> None:
    with pytest.raises(QQLModelError):
        db.execute(f"EXPLAIN ANALYZE {PIPELINE} RERANK MODEL 'local/nothing'")


def test_provenance_beside_the_analysis(db: Session) -> None:
    result = db.execute(f"EXPLAIN ANALYZE {PIPELINE} WITH PROVENANCE")
    hits = db.execute(f"{PIPELINE} WITH PROVENANCE").hits
    assert [one["id"] for one in result.data["provenance"]] == [hit.id for hit in hits]
    assert [one["stages"] for one in result.data["provenance"]] == [
        [share.to_dict() for share in hit.stages] for hit in hits
    ]
    assert "% of the score" in result.message


def test_provenance_beside_the_analysis_of_a_reranked_query(db: Session) -> None:
    """The shares are those of the search's score, not of the reranker's."""
    reranked = f"{PIPELINE} RERANK MODEL 'local/overlap' TOP 1 OFFSET 1 WITH PROVENANCE"
    (hit,) = db.execute(reranked).hits
    (told,) = db.execute(f"EXPLAIN ANALYZE {reranked}").data["provenance"]
    assert (told["id"], told["rank"], told["score"]) == (hit.id, 2, hit.first_stage_score)
    assert told["stages"] == [share.to_dict() for share in hit.stages]


def test_the_advice_stands_in_analyze(db: Session) -> None:
    short = "QUERY 'care' FROM docs USING sparse PREFETCH (QUERY 'care' USING dense LIMIT 3) LIMIT 4"
    result = db.execute(f"EXPLAIN ANALYZE {short}")
    [advice] = result.data["advice"]
    assert advice["code"] == "stage-limit-short"
    assert f"warning[stage-limit-short] at 1:{advice['column']}: " in result.message
    assert result.warnings == () and result.data["warnings"] == []
    quiet = db.execute(f"EXPLAIN ANALYZE {short} -- qql: ignore stage-limit-short")
    assert quiet.data["advice"] == [] and "advice" not in quiet.message


# ------------------------------------------------------------------------------------ servers


@pytest.fixture
def server(db: Session) -> Iterator[Session]:
    """A session on a server of the HTTP interface, behind which stands the embedded engine."""

    def answer(call: Received) -> Reply:
        request = Request(call.method, call.path, call.query, call.body)
        return ok(db.backend.call(embed_request(request, db.embedders, db.backend.infers)))

    with HttpRecorder(otherwise=answer) as recorder, qql.connect(recorder.url) as session:
        yield session


def test_a_server_is_analysed_as_the_embedded_engine(db: Session, server: Session) -> None:
    here = db.execute(f"EXPLAIN ANALYZE RUNS 2 {PIPELINE}").data
    there = server.execute(f"EXPLAIN ANALYZE RUNS 2 {PIPELINE}")
    assert there.data["timing"]["server_ms"] == 1.0  # what the recorder says of every call
    assert "server 1.0 ms" in there.message
    for stage in (*here["stages"], *there.data["stages"], here, there.data):
        stage.pop("timing")
        stage.pop("said", None)  # the times in words
    assert (here.pop("stamp")["points"], there.data.pop("stamp")["points"]) == ({"docs": 5}, {"docs": 5})
    (note,) = there.data.pop("notes")
    assert note.startswith("sparse: until a server has optimized them away")
    assert here.pop("notes") == []
    assert there.data == here
    assert there.data["stages"][0]["fusion"]["same"] is True


@pytest.mark.parametrize("text", [f"WHY 1 {PIPELINE}", f"WHY NOT 4 {PIPELINE}"])
def test_why_on_a_server(db: Session, server: Session, text: str) -> None:
    there, here = server.execute(text).data, db.execute(text).data
    assert there.pop("calls") >= here.pop("calls") > 0  # how many shards there are is asked of a server
    assert there == here


def test_provenance_on_a_server(db: Session, server: Session) -> None:
    text = f"{PIPELINE} WITH PROVENANCE"
    assert server.execute(text).to_dicts() == db.execute(text).to_dicts()
