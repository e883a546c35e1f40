"""QUERY … ELSE QUERY …: the next query is asked where the one before brings too little, and it is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql import dbapi
from qql import evaluation as ev
from qql.errors import QQLPlanError
from qql.session.session import Session

MAKE = """
CREATE COLLECTION docs (near VECTOR(2, COSINE), far VECTOR(2, EUCLID), t VECTOR MODEL 'local/hash-16');
CREATE COLLECTION archive (near VECTOR(2, COSINE));
UPSERT INTO docs VALUES {id: 1, near: [1, 0], far: [1, 0], text: 'red', kind: 'a'},
  {id: 2, near: [0, 1], far: [5, 5], text: 'blue', kind: 'b'},
  {id: 3, near: [1, 1], far: [9, 9], text: 'green', kind: 'a'};
UPSERT INTO archive VALUES {id: 70, near: [1, 0], kind: 'old'};
"""
NONE, ONE = "WHERE kind = 'none'", "WHERE kind = 'b'"
LAST = "QUERY POINTS (2)"


@pytest.fixture(params=["edge", "local", "server"])
def db(request: pytest.FixtureRequest, fake_server: Any) -> Iterator[Session]:
    target: Any = ":memory:"
    if request.param == "local":
        from qdrant_client import QdrantClient

        target = QdrantClient(":memory:")
    elif request.param == "server":
        request.getfixturevalue("no_proxy")
        target = fake_server("1.18.3").url
    with qql.connect(target, advice=False) as session:
        session.run(MAKE)
        yield session


@pytest.fixture
def edge() -> Iterator[Session]:
    with qql.connect(":memory:", advice=False) as session:
        session.run(MAKE)
        yield session


def notes(result: qql.Result) -> list[str]:
    return [one.message for one in result.warnings if one.code == "fallback"]


@pytest.mark.parametrize(
    ("text", "branch", "ids"),
    [
        ("QUERY [1, 0] FROM docs USING near LIMIT 1 ELSE QUERY POINTS (2)", 1, [1]),
        (f"QUERY [1, 0] FROM docs USING near {NONE} ELSE QUERY POINTS (2)", 2, [2]),
        (f"QUERY [1, 0] FROM docs USING near {ONE} ELSE WHEN HITS < 1 QUERY POINTS (3)", 1, [2]),
        (f"QUERY [1, 0] FROM docs USING near {ONE} ELSE WHEN HITS < 2 QUERY POINTS (3)", 2, [3]),
        (f"QUERY [1, 0] FROM docs USING near {ONE} ELSE WHEN BEST SCORE < 0.5 QUERY POINTS (3)", 2, [3]),
        ("QUERY [1, 0] FROM docs USING near LIMIT 1 ELSE WHEN BEST SCORE < 0.5 QUERY POINTS (3)", 1, [1]),
        (f"QUERY [1, 0] FROM docs USING near {NONE} ELSE WHEN BEST SCORE < 0.5 QUERY POINTS (3)", 2, [3]),
        ("QUERY [1, 0.1] FROM docs USING far LIMIT 1 ELSE WHEN BEST SCORE > 0.5 QUERY POINTS (3)", 1, [1]),
        ("QUERY [1, 2] FROM docs USING far LIMIT 1 ELSE WHEN BEST SCORE > 0.5 QUERY POINTS (3)", 2, [3]),
        (f"QUERY [1, 0] FROM docs USING near {NONE} ELSE QUERY [0, 1] USING near {NONE}", 2, []),
        (f"QUERY [1, 0] FROM docs USING near {NONE} ELSE QUERY [1, 0] FROM archive", 2, [70]),
        (f"QUERY [1, 0] FROM docs {NONE} USING near ELSE QUERY {NONE} ELSE {LAST}", 3, [2]),
        (
            f"QUERY [1, 0] FROM docs USING near GROUP BY kind SIZE 1 LIMIT 2 ELSE WHEN HITS < 2 {LAST}",
            1,
            [1, 2],
        ),
        (
            "WITH one AS (QUERY [1, 0] USING near LIMIT 1) QUERY FUSION RRF FROM docs PREFETCH (one WHERE "
            "kind = 'none') ELSE QUERY FUSION RRF PREFETCH (one)",
            2,
            [1],
        ),
        (
            "QUERY 'red' FROM docs USING t LIMIT 2 RERANK 'red' MODEL 'local/overlap' TOP 1 "
            "ELSE WHEN BEST SCORE < 0.7 QUERY POINTS (3)",
            1,
            [1],
        ),
    ],
)
def test_the_first_query_that_is_not_weak_answers_else_the_last(
    db: Session, text: str, branch: int, ids: list[int]
) -> None:
    found = db.execute(text)
    assert (found.branch, found.ids) == (branch, ids)
    assert bool(notes(found)) == (branch > 1)


def test_what_was_not_needed_is_not_asked(edge: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[qql.Request] = []
    call = edge.backend.call
    monkeypatch.setattr(edge.backend, "call", lambda request: asked.append(request) or call(request))
    found = edge.execute("QUERY [1, 0] FROM docs USING near ELSE QUERY POINTS (2) ELSE QUERY POINTS (3)")
    sent = [one for one in asked if "/points" in one.path]
    assert sent == list(found.requests) and len(sent) == 1


def test_the_note_says_why_each_query_before_was_passed(edge: Session) -> None:
    found = edge.execute(
        f"QUERY [1, 0] FROM docs USING near {ONE} ELSE WHEN BEST SCORE < 0.5 QUERY POINTS (9) "
        "ELSE WHEN HITS < 1 QUERY POINTS (2)"
    )
    assert notes(found) == [
        "query 3 of 3 answered: query 1 brought a best score of 0, which is below 0.5; "
        "query 2 brought no hits"
    ]
    assert len(found.requests) == 3


def test_a_sign_that_would_hold_for_good_hits_is_an_error_where_the_metric_is_known(edge: Session) -> None:
    for text, hint in [
        ("QUERY [1, 0] FROM docs USING far ELSE WHEN BEST SCORE < 2 QUERY POINTS (1)", "BEST SCORE > 2"),
        ("QUERY [1, 0] FROM docs USING near ELSE WHEN BEST SCORE > 2 QUERY POINTS (1)", "BEST SCORE < 2"),
    ]:
        with pytest.raises(QQLPlanError) as caught:
            edge.execute(text)
        assert caught.value.code == "score-direction"
        assert hint in str(caught.value.diagnostics[0].hint)
        assert edge.execute(text.replace("SCORE <", "SCORE >") if "far" in text else text.replace(">", "<"))


def test_values_are_bound_in_conditions_too_and_each_row_of_many_has_its_branch(db: Session) -> None:
    text = f"QUERY :q FROM docs USING near {ONE} ELSE WHEN HITS < :n OR BEST SCORE < :s QUERY :q USING near"
    prepared = db.prepare(text)
    assert [one.takes for one in prepared.parameters[1:]] == ["a whole number", "a number"]
    assert prepared.execute(q=[0, 1], n=1, s=0.5).branch == 1
    rows = [{"q": [0, 1], "n": n, "s": s} for n, s in ((1, 0.5), (2, 0.5), (1, 1.5))]
    assert [one.branch for one in prepared.execute_many(rows)] == [1, 2, 2]
    assert db.execute(text, {"q": [1, 0], "n": 1, "s": 0.5}).branch == 2
    with pytest.raises(QQLPlanError) as caught:
        prepared.execute(q=[0, 1], n=0, s=0.5)
    assert caught.value.code == "bad-limit"


def test_a_script_a_stream_and_an_event_loop_give_the_same(edge: Session) -> None:
    script = f"""USE docs
    QUERY [1, 0] USING near {NONE} ELSE QUERY POINTS (2)
    QUERY [1, 0] USING near {ONE}
    ELSE
    QUERY POINTS (3)"""

    async def awaited() -> list[qql.Result]:
        async with qql.connect_async(":memory:", advice=False) as db:
            await db.run(MAKE)
            return await db.run(script)

    for results in (edge.run(script), list(edge.stream(script)), asyncio.run(awaited())):
        assert [(one.branch, one.ids) for one in results[1:]] == [(2, [2]), (1, [2])]


def test_explain_shows_all_queries_and_when_each_is_asked(edge: Session) -> None:
    text = f"QUERY [1, 0] FROM docs USING near {ONE} ELSE WHEN HITS < 3 OR BEST SCORE < 0.5 QUERY SAMPLE"
    shown = edge.execute(f"EXPLAIN {text}").message
    assert "query 1 of 2: asked first" in shown
    assert (
        "query 2 of 2: asked when query 1 brings fewer than 3 hits, or its best score is below 0.5" in shown
    )
    assert shown.count("POST /collections/docs/points/query") == 2
    data = json.loads(edge.execute(f"EXPLAIN FORMAT json {text}").message)
    assert [one["plan"]["stages"][0]["target"] for one in data["branches"]] == ["[1, 0]", "SAMPLE RANDOM"]
    assert data["branches"][1]["when"].startswith("asked when query 1 brings")
    page = edge.execute(f"EXPLAIN FORMAT html {text}").message
    assert "asked when query 1 brings" in page and page.count("<section") == 2


def test_explain_analyze_shows_the_query_that_answers(db: Session) -> None:
    text = f"QUERY [1, 0] FROM docs USING near {NONE} ELSE QUERY [0, 1] USING near LIMIT 2"
    shown = db.execute(f"EXPLAIN ANALYZE {text}")
    assert shown.message.startswith("query 2 of 2 answered: query 1 brought no hits")
    assert "target: [0, 1]" in shown.message
    assert shown.data["branch"] == {"answered": 2, "of": 2, "passed": ["no hits"]}
    assert len(shown.data["hits"]) == 2


def test_the_compiler_gives_all_requests_and_says_when_each_is_to_be_sent() -> None:
    said: list[qql.Diagnostic] = []
    text = "QUERY [1, 0] FROM docs ELSE WHEN HITS < 3 QUERY SAMPLE ELSE QUERY POINTS (1)"
    for _ in range(3):  # the first time it is compiled, then it may be kept
        said.clear()
        assert len(qql.compile(text, warnings=said)) == len(qql.compile(text)) == 3
        assert [one.message for one in said] == [
            "ELSE is carried out by a session: request 2 is for when request 1 brings fewer than 3 hits; "
            "request 3 is for when request 2 brings no hits"
        ]


def test_queries_that_else_joins_have_a_limit() -> None:
    text = "QUERY SAMPLE FROM docs" + " ELSE QUERY SAMPLE" * 15
    assert len(qql.compile(text)) == 16
    with pytest.raises(QQLPlanError) as caught:
        qql.compile(text + " ELSE QUERY SAMPLE")
    assert caught.value.code == "too-many-queries"


def test_a_stage_in_front_is_unused_only_where_no_query_uses_it() -> None:
    stages = "WITH a AS (QUERY [1] LIMIT 5), b AS (QUERY [2] LIMIT 5)"
    text = f"{stages} QUERY [1] FROM docs ELSE QUERY [2] PREFETCH (a)"
    found = [one.message for one in qql.check(text) if one.code == "unused-stage"]
    assert found == ["the stage `b` is never used"]


def test_advice_is_given_on_each_query() -> None:
    text = "QUERY [1] FROM docs LIMIT 5 ELSE QUERY FUSION RRF PREFETCH ((QUERY [1] USING a LIMIT 5)) LIMIT 5"
    alone = "QUERY FUSION RRF FROM docs PREFETCH ((QUERY [1] USING a LIMIT 5)) LIMIT 5"
    codes = {one.code for one in qql.lint(alone)}
    assert codes and codes <= {one.code for one in qql.lint(text)}


def test_copy_retriever_and_db_api_take_it(edge: Session, tmp_path: Any) -> None:
    text = f"QUERY :q FROM docs USING near {NONE} ELSE QUERY :q USING near LIMIT 2"
    edge.execute(f"COPY ({text}) TO '{tmp_path / 'out.jsonl'}'", {"q": [1, 0]})
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [1, 3]
    by_text = f"QUERY :q FROM docs USING t {NONE} ELSE QUERY :q USING t LIMIT 1"
    [document] = qql.retriever(by_text, edge).retrieve("blue")
    assert document.id == 2 and document.stages
    connection = dbapi.connect(edge)
    cursor = connection.cursor()
    cursor.execute(text, {"q": [0, 1]})
    assert [row[0] for row in cursor.fetchall()] == [2, 3]


def test_it_is_evaluated_as_a_whole(edge: Session) -> None:
    found = ev.evaluate(
        {"else": f"QUERY :query FROM docs USING t {NONE} ELSE QUERY :query USING t LIMIT 1"},
        [{"id": "q1", "query": "blue"}, {"id": "q2", "query": "red"}],
        {"q1": {"2": 1}, "q2": {"1": 1}},
        edge,
        measures="P@1",
    )
    assert found.to_dict()["pipelines"][0]["measures"]["P@1"] == 1


def test_what_needs_one_plan_refuses_it(edge: Session) -> None:
    with pytest.raises(QQLPlanError) as caught:
        ev.bench(
            {"else": "QUERY :query FROM docs USING t ELSE QUERY :query USING t"},
            edge,
            queries=[{"id": "q1", "query": "blue"}],
        )
    assert caught.value.code == "no-pipeline"


def test_json_and_the_footer_say_which_query_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from qql.cli import main

    script = tmp_path / "script.qql"
    text = f"QUERY [1, 0] FROM docs USING near {NONE} ELSE QUERY POINTS (2) WITH PAYLOAD false"
    script.write_text(MAKE + text, encoding="utf-8")
    assert main(["run", str(script), "--db", ":memory:", "--format", "json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out.partition('{"hits"')[1] + told.out.partition('{"hits"')[2]) == {
        "hits": [{"id": 2}],
        "branch": 2,
    }
    assert "query 2 of 2 answered: query 1 brought no hits" in told.err
    with qql.connect(":memory:") as db:
        assert "(1 row, of query 2)" in str(db.run(MAKE + text)[-1])
