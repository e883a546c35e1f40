"""RERANK: candidates of the engine in the order of a model that reads their texts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import qql
from qql.session.session import Session

SETUP = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES
  {id: 1, text: 'Emergency care for acute chest pain', n: 5, meta: {title: 'pain'}},
  {id: 2, text: 'Urgent treatment of burns', n: 1, meta: {title: 'burns burns burns'}},
  {id: 3, text: 'care of wounds in an emergency', n: 3, meta: {title: 'wounds'}},
  {id: 4, n: 9, vector: {dense: null, sparse: null}}
"""


def by_length(query: str, texts: list[str]) -> list[float]:
    return [float(len(text)) for text in texts]


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect(rerankers={"length": by_length}) as session:
        session.run(SETUP)
        yield session


def test_hits_come_in_the_models_order_with_both_scores(db: Session) -> None:
    plain = db.execute("QUERY 'emergency care' FROM docs USING dense LIMIT 3")
    result = db.execute("QUERY 'emergency care' FROM docs USING dense RERANK MODEL 'length' LIMIT 3")
    texts = {hit.id: len((hit.payload or {})["text"]) for hit in plain.hits}
    assert result.ids == sorted(texts, key=lambda one: -texts[one])
    first = {hit.id: hit.score for hit in plain.hits}
    for hit in result.hits:
        assert hit.score == hit.second_stage_score == texts[hit.id]  # type: ignore[index]
        assert hit.first_stage_score == pytest.approx(first[hit.id])
    assert list(result.hits[0].to_dict()) == [
        "id",
        "score",
        "first_stage_score",
        "second_stage_score",
        "payload",
    ]


def test_limit_is_the_candidates_and_top_the_hits(db: Session) -> None:
    text = "QUERY 'emergency care' FROM docs USING dense RERANK MODEL 'length' TOP 1 LIMIT {}"
    assert (
        db.execute(text.format(1)).ids
        == db.execute("QUERY 'emergency care' FROM docs USING dense LIMIT 1").ids
    )
    assert db.execute(text.format(3)).ids == [1]
    (request,) = qql.compile("QUERY [1] FROM docs RERANK 'x' MODEL 'm' TOP 5 LIMIT 50 OFFSET 3")
    assert request.body is not None
    assert (request.body["limit"], "offset" in request.body) == (50, False)


def test_offset_is_counted_behind_the_second_stage(db: Session) -> None:
    whole = db.execute("QUERY 'care' FROM docs USING dense RERANK MODEL 'length' LIMIT 3").ids
    rest = db.execute("QUERY 'care' FROM docs USING dense RERANK MODEL 'length' LIMIT 2 OFFSET 1").ids
    assert rest == whole[1:]


def test_the_text_is_the_given_one_else_the_targets(db: Session) -> None:
    seen: list[tuple[str, list[str]]] = []

    def spy(query: str, texts: list[str]) -> list[float]:
        seen.append((query, texts))
        return [0.0] * len(texts)

    with qql.connect(db.backend, rerankers={"spy": spy}) as other:
        other.execute("QUERY 'burns' FROM docs USING sparse RERANK MODEL 'spy' LIMIT 1")
        other.execute("QUERY 'burns' FROM docs USING sparse RERANK 'skin' MODEL 'spy' ON meta.title LIMIT 1")
        other.execute("QUERY HYBRID 'burns' FROM docs RERANK MODEL 'spy' TOP 1 LIMIT 1")
    assert [query for query, _ in seen] == ["burns", "skin", "burns"]
    assert [texts for _, texts in seen][1] == ["burns burns burns"]


def test_a_point_without_text_comes_last_and_is_said(db: Session) -> None:
    result = db.execute("QUERY ORDER BY n DESC FROM docs RERANK 'care' MODEL 'length' ON text LIMIT 4")
    assert result.ids[-1] == 4
    assert result.hits[-1].second_stage_score is None
    assert [w.code for w in result.warnings] == ["no-text"]


@pytest.fixture(autouse=True)
def index(db: Session) -> None:
    db.execute("CREATE INDEX ON docs FOR n TYPE integer")


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        ("", {"text", "n", "meta"}),
        ("WITH PAYLOAD false", None),
        ("WITH PAYLOAD (n)", {"n"}),
        ("WITH PAYLOAD (text)", {"text"}),
        ("WITH PAYLOAD EXCLUDE (text)", {"n", "meta"}),
        ("WITH PAYLOAD EXCLUDE (text, n)", {"meta"}),
    ],
)
def test_what_is_read_for_the_text_is_not_shown(db: Session, selection: str, keys: set[str] | None) -> None:
    text = f"QUERY 'care' FROM docs USING dense {selection} RERANK MODEL 'length' ON text LIMIT 2"
    for hit in db.execute(text).hits:
        assert hit.second_stage_score is not None
        assert (None if hit.payload is None else set(hit.payload)) == keys


def test_cross_rerank_takes_all_that_the_stages_found(db: Session) -> None:
    text = """
    WITH a AS (QUERY 'emergency' USING sparse LIMIT 2), b AS (QUERY 'burns' USING sparse LIMIT 3)
    QUERY CROSS RERANK TEXT 'x' MODEL 'length' FROM docs PREFETCH (a, b) LIMIT 2
    """
    assert db.execute(text).ids == [1, 3]
    (request,) = qql.compile(text)
    assert request.body is not None
    assert (request.body["query"], request.body["limit"]) == ({"fusion": "rrf"}, 5)


def test_the_first_tools_rerank_reads_four_times_as_many(db: Session) -> None:
    text = "SEARCH docs SIMILAR TO 'care' LIMIT 1 USING VECTOR 'dense' RERANK MODEL 'length'"
    assert db.execute(text).ids == [1]
    (request,) = db._compile(qql.errors.Source(text), None)[0].requests
    assert request.body is not None and request.body["limit"] == 4


def test_the_sessions_model_is_for_a_rerank_that_names_none(db: Session) -> None:
    text = "QUERY 'emergency care' FROM docs USING dense RERANK LIMIT 3"
    with pytest.raises(qql.QQLPlanError) as caught:
        db.execute(text)
    assert caught.value.code == "no-model"
    with qql.connect(db.backend, rerank_model="local/overlap") as other:
        assert other.execute(text).ids == [1, 3, 2]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("QUERY [1] FROM docs RERANK MODEL 'm'", "rerank-without-text"),
        ("QUERY 'x' FROM docs USING dense RERANK MODEL 'm' GROUP BY n", "misplaced-clause"),
        (
            "QUERY 'x' FROM docs PREFETCH (QUERY 'x' USING dense RERANK MODEL 'm') USING dense",
            "misplaced-clause",
        ),
        ("QUERY CROSS RERANK TEXT 'x' MODEL 'm' FROM docs", "rerank-without-prefetch"),
        ("QUERY 'x' FROM docs RERANK MODEL 'm' LIMIT 20000", "too-many-candidates"),
        ("QUERY 'x' FROM docs RERANK MODEL 'm' TOP 0", "bad-limit"),
        ("BATCH { QUERY [1] FROM docs RERANK 'x' MODEL 'm' }", "batch-member"),
    ],
)
def test_what_cannot_be_reranked(text: str, code: str) -> None:
    with pytest.raises(qql.QQLPlanError) as caught:
        qql.compile(text)
    assert caught.value.code == code
    assert caught.value.line == 1


def test_too_few_candidates_are_a_warning() -> None:
    warnings: list[qql.Diagnostic] = []
    qql.compile("QUERY 'x' FROM docs RERANK MODEL 'm' TOP 20 LIMIT 10", warnings=warnings)
    assert "few-candidates" in [w.code for w in warnings]


def test_compiling_says_what_the_request_leaves_out() -> None:
    warnings: list[qql.Diagnostic] = []
    qql.compile("QUERY 'x' MODEL 'm' FROM docs RERANK", warnings=warnings)
    assert sorted(w.code for w in warnings) == ["no-model", "no-request"]
