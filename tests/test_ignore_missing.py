"""IGNORE MISSING: examples that do not exist are left out and named; what is left is what is searched by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import qql
from qql import evaluation as ev
from qql.errors import QQLExecutionError
from qql.session.session import Session

HERE, GONE = "3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64-5717-4562-b3fc-2c963f66afa7"
MAKE = f"""
CREATE COLLECTION docs (v VECTOR(2, COSINE));
CREATE COLLECTION other (v VECTOR(2, COSINE));
UPSERT INTO docs VALUES {{id: 1, v: [1, 0]}}, {{id: 2, v: [0, 1]}}, {{id: 3, v: [1, 1]}},
  {{id: '{HERE}', v: [3, 1]}};
UPSERT INTO other VALUES {{id: 70, v: [0, 1]}};
"""


@pytest.fixture(params=["edge", "local", "server 1.18", "server 1.19"])
def db(request: pytest.FixtureRequest, fake_server: Any) -> Iterator[Session]:
    target: Any = ":memory:"
    if request.param == "local":
        from qdrant_client import QdrantClient

        target = QdrantClient(":memory:")
    elif request.param.startswith("server"):
        request.getfixturevalue("no_proxy")
        target = fake_server(f"{request.param.split()[1]}.0").url
    with qql.connect(target, advice=False) as session:
        session.run(MAKE)
        yield session


@pytest.fixture
def edge() -> Iterator[Session]:
    with qql.connect(":memory:", advice=False) as session:
        session.run(MAKE)
        yield session


def notes(result: qql.Result) -> list[str]:
    return [one.message for one in result.warnings if one.code == "missing-examples"]


@pytest.mark.parametrize(
    ("text", "same_as", "gone"),
    [
        ("RECOMMEND POSITIVE (1, 99) NEGATIVE (98, 2)", "RECOMMEND POSITIVE (1) NEGATIVE (2)", "99, 98"),
        (
            "RECOMMEND POSITIVE (97) NEGATIVE (2) STRATEGY best_score",
            "RECOMMEND NEGATIVE (2) STRATEGY best_score",
            "97",
        ),
        (f"RECOMMEND POSITIVE ('{GONE}', '{HERE}')", f"RECOMMEND POSITIVE ('{HERE}')", GONE),
        ("CONTEXT PAIRS ((1, 99), (3, 2))", "CONTEXT PAIRS ((3, 2))", "99"),
        ("DISCOVER TARGET POINT 1 CONTEXT PAIRS ((3, 2), (99, 98))", None, "99, 98"),
        ("RECOMMEND POSITIVE (1, 99, [0.5, 0.5])", "RECOMMEND POSITIVE (1, [0.5, 0.5])", "99"),
    ],
)
def test_the_answer_is_the_one_without_the_missing_examples(
    db: Session, text: str, same_as: str | None, gone: str
) -> None:
    same_as = same_as or "DISCOVER TARGET POINT 1 CONTEXT PAIRS ((3, 2))"
    found = db.execute(f"QUERY {text} IGNORE MISSING FROM docs USING v")
    wanted = db.execute(f"QUERY {same_as} FROM docs USING v")
    assert {hit.id: hit.score for hit in found} == pytest.approx({hit.id: hit.score for hit in wanted})
    assert notes(found) == [f"left out, as `docs` has no such point: {gone}"]


@pytest.mark.parametrize(
    "text",
    [
        "QUERY POINT 99 FROM docs USING v IGNORE MISSING",
        "QUERY RECOMMEND POSITIVE (98, 99) FROM docs USING v IGNORE MISSING",
        "QUERY RECOMMEND POSITIVE (99) NEGATIVE (1) FROM docs USING v IGNORE MISSING",
        "QUERY CONTEXT PAIRS ((1, 99)) FROM docs USING v IGNORE MISSING",
        "QUERY DISCOVER TARGET POINT 99 CONTEXT PAIRS ((1, 2)) FROM docs USING v IGNORE MISSING",
        "QUERY FUSION RRF FROM docs PREFETCH ((QUERY POINT 99 USING v IGNORE MISSING))",
    ],
)
def test_where_too_few_are_left_it_is_the_error_that_it_was(db: Session, text: str) -> None:
    with pytest.raises(QQLExecutionError) as caught:
        db.execute(text)
    assert caught.value.code == "unknown-point"
    assert "99" in caught.value.message


def test_stages_of_with_define_and_prefetch_and_other_collections_are_looked_at(db: Session) -> None:
    db.execute("DEFINE rec AS (QUERY RECOMMEND POSITIVE (1, 99) USING v LIMIT 5 IGNORE MISSING)")
    found = db.execute(
        "WITH pairs AS (QUERY CONTEXT PAIRS ((1, 2), (1, 96)) USING v LIMIT 5 IGNORE MISSING) "
        "QUERY FUSION RRF FROM docs PREFETCH (rec, pairs, (QUERY RECOMMEND POSITIVE (70, 71) USING v LIMIT 5 "
        "LOOKUP FROM other IGNORE MISSING))"
    )
    assert notes(found) == [
        "left out, as `docs` has no such point: 99, 96",
        "left out, as `other` has no such point: 71",
    ]
    assert found.hits


def test_a_uuid_is_there_in_each_of_its_spellings(edge: Session) -> None:
    for spelling in (HERE.upper(), HERE.replace("-", "")):
        assert not notes(edge.execute(f"QUERY POINT '{spelling}' FROM docs USING v IGNORE MISSING"))


def test_each_collection_is_asked_once_and_nothing_is_asked_without_the_clause(
    edge: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    call = edge.backend.call
    monkeypatch.setattr(edge.backend, "call", lambda request: asked.append(request.path) or call(request))
    edge.execute("QUERY RECOMMEND POSITIVE (1) FROM docs USING v")
    assert "/collections/docs/points" not in asked
    edge.execute(
        "QUERY RECOMMEND POSITIVE (1, 2) NEGATIVE (99) FROM docs USING v IGNORE MISSING "
        "PREFETCH ((QUERY POINT 3 USING v IGNORE MISSING))"
    )
    assert asked.count("/collections/docs/points") == 1


def test_texts_that_come_again_and_rows_of_many_are_looked_at_each_time(edge: Session) -> None:
    text = "QUERY RECOMMEND POSITIVE :ids FROM docs USING v IGNORE MISSING LIMIT 1"
    for _ in range(3):
        assert notes(edge.execute(text, {"ids": [1, 99]})) == ["left out, as `docs` has no such point: 99"]
    prepared = edge.prepare(text)
    rows: list[Any] = [{"ids": [1, 99]}, {"ids": [1]}, {"ids": [2, 98]}]
    assert [len(notes(one)) for one in prepared.execute_many(rows)] == [1, 0, 1]
    plain = "QUERY RECOMMEND POSITIVE (1, 99) FROM docs USING v IGNORE MISSING LIMIT 1"
    for _ in range(3):
        assert notes(edge.execute(plain))
    edge.execute("UPSERT INTO docs VALUES {id: 99, v: [1, 0.5]}")
    assert not notes(edge.execute(plain))


def test_a_server_gets_queries_of_a_run_one_by_one_then(fake_server: Any, no_proxy: None) -> None:
    server = fake_server("1.19.0")
    with qql.connect(server.url, advice=False) as db:
        db.run(MAKE)
        one = "QUERY RECOMMEND POSITIVE (1, 99) FROM docs USING v IGNORE MISSING LIMIT 1;"
        assert [len(notes(found)) for found in db.run(one * 3)] == [1, 1, 1]


def test_what_looks_into_a_query_leaves_them_out_too(edge: Session) -> None:
    edge.execute("DEFINE rec AS (QUERY RECOMMEND POSITIVE (1, 99) USING v LIMIT 5 IGNORE MISSING)")
    query = "QUERY FUSION RRF FROM docs PREFETCH (rec, (QUERY [0, 1] USING v LIMIT 2)) LIMIT 1"
    assert "ignore missing" in edge.execute(f"EXPLAIN {query}").message
    for text in (f"EXPLAIN ANALYZE {query}", f"WHY NOT 2 {query}", f"{query} WITH PROVENANCE"):
        assert notes(edge.execute(text)) == ["left out, as `docs` has no such point: 99"]
    [compiled] = edge.compile(query)
    assert edge.analyse(compiled).hits


def test_evaluation_goes_on_where_an_example_is_gone(edge: Session) -> None:
    found = ev.evaluate(
        "QUERY RECOMMEND POSITIVE (:a, 99) FROM docs USING v IGNORE MISSING LIMIT 1",
        [{"id": "q", "a": 1}],
        {"q": {HERE: 1}},
        edge,
        measures="P@1",
    )
    assert found.to_dict()["pipelines"][0]["measures"]["P@1"] == 1


def test_queries_behind_else_say_which_examples_each_of_them_lacked(edge: Session) -> None:
    found = edge.execute(
        "QUERY RECOMMEND POSITIVE (1, 99) FROM docs USING v WHERE id = 55 IGNORE MISSING "
        "ELSE QUERY RECOMMEND POSITIVE (1, 98) USING v IGNORE MISSING"
    )
    assert found.branch == 2
    assert notes(found) == [f"left out, as `docs` has no such point: {key}" for key in (99, 98)]


def test_the_compiler_says_that_it_names_all_examples() -> None:
    said: list[qql.Diagnostic] = []
    text = "QUERY RECOMMEND POSITIVE (1, 99) FROM docs USING v IGNORE MISSING"
    for _ in range(3):
        said.clear()
        [request] = qql.compile(text, warnings=said)
        assert (request.body or {})["query"]["recommend"]["positive"] == [1, 99]
        assert [one.code for one in said] == ["no-request"]


def test_without_an_example_by_id_it_is_said_to_be_idle() -> None:
    assert [one.code for one in qql.check("QUERY [1] FROM docs IGNORE MISSING")] == ["idle-clause"]
