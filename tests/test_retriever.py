"""`qql.retriever`: questions into a pipeline, documents out of it, on the embedded engine."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.models.rerankers.base import hit_text
from qql.result import Hit
from qql.retrieval import document_of

PIPELINE = """
WITH
  near AS (QUERY :q USING a LIMIT 5),
  far  AS (QUERY :q USING b LIMIT 5)
QUERY FUSION RRF FROM docs PREFETCH (near, far WHERE n >= :least) LIMIT :k
"""
TEXTS = ["burns in children", "care of wounds", "annual check-up", "emergency numbers"]


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect(":memory:") as session:
        fill(session)
        yield session


def fill(session: qql.Session) -> None:
    session.execute("CREATE COLLECTION docs (a VECTOR MODEL 'local/hash-64', b VECTOR MODEL 'local/hash-32')")
    rows = [{"id": n, "text": text, "n": n, "kind": "x"} for n, text in enumerate(TEXTS, 1)]
    session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})


def test_documents_are_the_hits_of_the_pipeline_with_ranks_in_every_stage(db: qql.Session) -> None:
    found = qql.retriever(PIPELINE, db, params={"least": 2, "k": 3}).retrieve("care of wounds")
    hits = db.execute(PIPELINE, {"q": "care of wounds", "least": 2, "k": 3}).hits
    assert [(one.id, one.score, one.text) for one in found] == [
        (hit.id, hit.score, hit["text"]) for hit in hits
    ]
    assert found[0].metadata == {"n": 2, "kind": "x"}
    assert found[0].first_stage_score == found[0].score and found[0].second_stage_score is None
    for label, k in (("near", None), ("far WHERE n >= 2", None)):
        where = " WHERE n >= 2" if "WHERE" in label else ""
        using = "a" if label == "near" else "b"
        stage = db.execute(f"QUERY 'care of wounds' FROM docs USING {using}{where} LIMIT 5").ids
        assert {one.id: one.ranks.get(label) for one in found} == {
            one.id: stage.index(one.id) + 1 if one.id in stage else k for one in found
        }


def test_a_reranked_document_has_both_scores(db: qql.Session) -> None:
    text = "QUERY :q FROM docs USING a LIMIT 4 RERANK MODEL 'local/overlap' TOP 2"
    hits = db.execute(text, {"q": "annual care"}).hits
    found = qql.retriever(text, db).retrieve("annual care")
    assert [(one.first_stage_score, one.second_stage_score) for one in found] == [
        (hit.first_stage_score, hit.second_stage_score) for hit in hits
    ]
    assert [one.score for one in found] == [one.second_stage_score for one in found]


def test_a_pipeline_may_be_a_tree(db: qql.Session) -> None:
    from qql.build import field, param, query, rrf

    near, far = query(param("q"), using="a", limit=5), query(param("q"), using="b", limit=5)
    tree = rrf(near, far.where(field("n") >= 2), source="docs", limit=3)
    found = qql.retriever(tree, db).retrieve("care of wounds")
    assert [one.id for one in found] == [
        one.id for one in qql.retriever(PIPELINE, db, params={"least": 2, "k": 3}).retrieve("care of wounds")
    ]


def test_stages_can_be_left_out(db: qql.Session) -> None:
    found = qql.retriever("QUERY :q FROM docs USING a", db, stages=False).retrieve("care")
    assert found and all(one.ranks == {} for one in found)


def test_values_of_a_question_go_before_those_of_the_retriever(db: qql.Session) -> None:
    retriever = qql.retriever(PIPELINE, db, params={"least": 1, "k": 4})
    assert len(retriever.retrieve("care")) == 4
    assert len(retriever.retrieve("care", k=2)) == 2
    with pytest.raises(qql.QQLPlanError):
        retriever.retrieve("care", kk=2)
    with pytest.raises(qql.QQLPlanError, match="stands first"):
        retriever.retrieve("care", q="other")


@pytest.mark.parametrize(
    ("pipeline", "options", "message"),
    [
        ("QUERY 'care' FROM docs", {}, "no `:q` for the question; it has no parameter"),
        ("QUERY :text FROM docs", {}, "no `:q` for the question; it has :text"),
        ("QUERY :q FROM docs LIMIT :k", {"params": {"kk": 3}}, "no `:kk` for a value; it has :q, :k"),
        ("COUNT FROM docs", {}, "a pipeline is the text of one QUERY"),
        ("QUERY :q FROM docs; QUERY :q FROM docs", {}, "a pipeline is the text of one QUERY"),
        ("QUERY :q FORM docs", {}, "expected"),
    ],
)
def test_a_pipeline_is_looked_at_before_the_first_question(
    pipeline: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(qql.QQLCompileError, match=message):
        qql.retriever(pipeline, "http://127.0.0.1:1", **options)


@pytest.mark.parametrize("params", ["k", [("k", 3)], 3])
def test_values_that_are_no_mapping_are_refused(db: qql.Session, params: Any) -> None:
    with pytest.raises(qql.QQLPlanError, match="`params` takes a mapping"):
        qql.retriever("QUERY :q FROM docs LIMIT :k", db, params=params)


def test_the_question_may_have_another_name(db: qql.Session) -> None:
    assert (
        qql.retriever("QUERY :text FROM docs USING a LIMIT 1", db, query="text").retrieve("burns")[0].id == 1
    )


def test_a_question_may_be_a_vector_or_a_point(db: qql.Session) -> None:
    ask = qql.retriever("QUERY :q FROM docs USING a LIMIT 4", db, stages=False).retrieve
    assert [one.id for one in ask(2)] == db.execute("QUERY 2 FROM docs USING a LIMIT 4").ids
    assert len(ask([0.5] * 64)) == 4


def test_a_target_is_opened_at_the_first_question_and_closed_with_the_retriever(tmp_path: Path) -> None:
    with qql.connect(tmp_path / "db") as session:
        fill(session)
    with qql.retriever("QUERY :q FROM docs USING a LIMIT 1", tmp_path / "db") as retriever:
        assert retriever.retrieve("burns in children")[0].id == 1
    with qql.connect(tmp_path / "db") as session:  # it is locked by nobody
        assert session.execute("COUNT FROM docs").rows == [{"count": 4}]


def test_it_is_a_value_that_can_be_written_down(tmp_path: Path) -> None:
    with qql.connect(tmp_path / "db") as session:
        fill(session)
        made = qql.retriever(PIPELINE, session, params={"least": 1, "k": 2}, text="text")
        before = [one.id for one in made.retrieve("care")]
        again = [
            qql.retriever(**json.loads(json.dumps(made.to_dict()))),
            pickle.loads(pickle.dumps(made)),
        ]
    for one in again:
        with one:
            assert [found.id for found in one.retrieve("care")] == before


def test_a_database_in_memory_cannot_be_written_down(db: qql.Session) -> None:
    for given, named in ((db, "a database in memory"), (object(), "a object")):
        with pytest.raises(qql.QQLExecutionError, match=named):
            qql.retriever("QUERY :q FROM docs", given).to_dict()


def test_awaited_over_what_is_given(tmp_path: Path) -> None:
    with qql.connect(tmp_path / "db") as session:
        fill(session)
        expected = session.execute("QUERY 'care' FROM docs USING a LIMIT 2").ids

        async def by_thread() -> list[Any]:
            return [one.id for one in await qql.retriever(text, session).aretrieve("care")]

        text = "QUERY :q FROM docs USING a LIMIT 2"
        assert asyncio.run(by_thread()) == expected

    async def by_target() -> list[Any]:
        async with qql.retriever(text, str(tmp_path / "db")) as retriever:
            return [one.id for one in await retriever.aretrieve("care")]

    async def by_session() -> list[Any]:
        async with qql.connect_async(str(tmp_path / "db")) as session:
            retriever = qql.retriever(text, session)
            with pytest.raises(qql.QQLExecutionError, match="awaited"):
                retriever.retrieve("care")
            return [one.id for one in await retriever.aretrieve("care")]

    assert asyncio.run(by_target()) == expected
    assert asyncio.run(by_session()) == expected


# ------------------------------------------------------------------------------------ others' collections

NODE = json.dumps({"id_": "n1", "text": "the node's text", "metadata": {"page": 3}, "class_name": "TextNode"})


@pytest.mark.parametrize(
    ("payload", "text", "metadata"),
    [
        ({"page_content": "of LangChain", "metadata": {"page": 3}}, "of LangChain", {"page": 3}),
        ({"content": "of Haystack", "meta": {"page": 3}, "id": "x"}, "of Haystack", {"page": 3}),
        (
            {"_node_content": NODE, "_node_type": "TextNode", "page": 3, "doc_id": "d"},
            "the node's text",
            {"page": 3},
        ),
        ({"_node_content": "no JSON", "doc_id": "d", "page": 3}, "no JSON", {"page": 3}),
        ({"title": "T", "text": "plain", "n": 1}, "plain", {"title": "T", "n": 1}),
        ({"n": 1}, "", {"n": 1}),
    ],
)
def test_texts_and_metadata_as_frameworks_write_them(payload: Any, text: str, metadata: Any) -> None:
    found = document_of(Hit(1, 0.5, payload))
    assert (found.text, found.metadata, found.payload) == (text, metadata, payload)


def test_a_text_at_a_path() -> None:
    payload = {"page_content": "not this", "metadata": {"abstract": "this"}}
    assert document_of(Hit(1, 0.5, payload), "metadata.abstract").text == "this"


@pytest.mark.parametrize(
    "row",
    [{"page_content": "care of wounds"}, {"_node_content": json.dumps({"text": "care of wounds"})}],
    ids=["langchain", "llama-index"],
)
def test_rerank_and_upsert_find_these_texts(row: dict[str, Any], tmp_path: Path) -> None:
    assert hit_text({**row, "title": "x"}) == "care of wounds"
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": 2, **row}))
    with qql.connect(":memory:") as db:
        db.execute("CREATE COLLECTION docs (a VECTOR MODEL 'local/hash-64')")
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": [{"id": 1, **row}]})
        db.execute("COPY docs FROM :path", {"path": str(tmp_path / "rows.jsonl")})
        hits = db.execute(
            "QUERY 'care of wounds' FROM docs USING a RERANK MODEL 'local/overlap' TOP 2 LIMIT 2"
        )
        assert [hit.first_stage_score for hit in hits] == pytest.approx([1.0, 1.0], abs=1e-5)
        assert all(hit.second_stage_score and hit.second_stage_score > 0 for hit in hits)


def test_a_field_for_texts_that_no_document_has_is_an_error() -> None:
    with qql.connect() as session:
        fill(session)
        query = "QUERY :q FROM docs USING a LIMIT 3"
        with pytest.raises(qql.QQLExecutionError) as caught:
            qql.retriever(query, session, text="txet").retrieve("burns")
        assert caught.value.code == "no-text" and "did you mean `text`" in str(caught.value)
        nothing = qql.retriever("QUERY :q FROM docs USING a WHERE n > 99", session, text="txet")
        assert nothing.retrieve("burns") == []
