"""`qql.evaluation` as a library: what it takes, what it gives, and that the commands are these functions."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import qql
from qql import evaluation as ev
from qql.cli import main
from qql.evaluation.inputs import named_pipelines, qrels_of, queries_of

PAGE = ROOT / "docs" / "evaluation.md"
SETUP = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', words SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES
  {id: 1, key: 'a', text: 'acute chest pain'}, {id: 2, key: 'b', text: 'burns in children'},
  {id: 3, key: 'c', text: 'surgical wounds'}, {id: 4, key: 'd', text: 'emergency numbers'};
"""
DENSE = "QUERY :query FROM docs USING dense LIMIT 3"
WORDS = "QUERY :query FROM docs USING words LIMIT 3"
QUERIES = {"q1": "chest pain", "q2": "wounds", "q3": "burns"}
QRELS = {"q1": {"1": 2}, "q2": {"3": 1}, "q3": {"2": 1, "4": 0}}


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect(":memory:") as session:
        session.run(SETUP)
        yield session


def test_the_blocks_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 16
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)


# ------------------------------------------------------------------------------------ what goes in


def rows(frame: str, data: list[dict[str, Any]]) -> Any:
    if frame == "rows":
        return data
    library = pytest.importorskip(frame)
    if frame == "pyarrow":
        return library.Table.from_pylist(data)
    return library.DataFrame(data)


@pytest.mark.parametrize("frame", ["rows", "pandas", "polars", "pyarrow"])
def test_queries_and_judgements_are_mappings_rows_or_frames(frame: str) -> None:
    asked = [{"id": 1, "query": "chest", "lang": "en"}, {"id": 2, "query": "burns", "lang": "de"}]
    assert [(one.id, one.params) for one in queries_of(rows(frame, asked))] == [
        ("1", {"id": 1, "query": "chest", "lang": "en"}),
        ("2", {"id": 2, "query": "burns", "lang": "de"}),
    ]
    judged = [{"query_id": 1, "doc_id": 10, "relevance": 2}, {"query_id": 2, "doc_id": 11, "relevance": 0}]
    assert qrels_of(rows(frame, judged)) == {"1": {"10": 2}, "2": {"11": 0}}


def test_files_say_the_same_as_mappings(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("q1\tchest pain\nq2\twounds\n")
    (tmp_path / "qrels.tsv").write_text("q1\t1\t2\nq2\t3\t1\n")
    for of in (str, Path):
        assert [one.params["query"] for one in queries_of(of(tmp_path / "q.tsv"))] == ["chest pain", "wounds"]
        assert qrels_of(of(tmp_path / "qrels.tsv")) == {"q1": {"1": 2}, "q2": {"3": 1}}
    mapped = queries_of({"q1": "chest pain", "q2": {"text": "wounds", "lang": "en"}})
    assert [one.params for one in mapped] == [{"query": "chest pain"}, {"query": "wounds", "lang": "en"}]
    assert qrels_of({"q1": [1, "x"], 2: {3: 1.0}}) == {"q1": {"1": 1, "x": 1}, "2": {"3": 1}}
    assert [one.id for one in queries_of(["chest", "burns"], limit=1)] == ["1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "there are no queries"),
        (7, "queries are a file's name, a mapping, rows or a frame, not 7"),
        ([{"query": "x"}], "query 1 has no id"),
        ([{"id": None, "query": "x"}], "the id of query 1 is null, which is neither"),
        ([{"id": "a"}, {"id": "a"}], "the query 'a' is there twice"),
        ([3.5], "a query is a text or a mapping, not 3.5"),
    ],
)
def test_faults_of_queries_name_their_place(given: Any, said: str) -> None:
    with pytest.raises(ev.InputError, match=re.escape(said)) as caught:
        queries_of(given)
    assert caught.value.code == "bad-queries"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "there are no judgements"),
        ({"q": {"d": float("inf")}}, "is not a number"),
        ({"q": {"d": True}}, "the relevance true is not a number"),
        ({"q": {"d": 5000}}, "outside of -1000 to 1000"),
        ({"q": 1}, "the judgements of the query 'q' are 1"),
        ({"q": ["d", "d"]}, "'d' of the query 'q' is judged twice"),
        ([{"query_id": "q", "relevance": 1}], "judgement 1 has no document"),
        ([1], "a judgement is a mapping, not 1"),
    ],
)
def test_faults_of_judgements_name_their_place(given: Any, said: str) -> None:
    with pytest.raises(ev.InputError, match=re.escape(said)) as caught:
        qrels_of(given)
    assert caught.value.code == "bad-qrels"


def test_pipelines_have_names_of_their_own_or_of_their_files(tmp_path: Path) -> None:
    script, run = tmp_path / "dense.qql", tmp_path / "old.run"
    script.write_text(DENSE)
    run.write_text("q1 Q0 1 1 0.5 tag\n")
    assert [*named_pipelines(DENSE)] == ["pipeline"]
    assert [*named_pipelines([DENSE, WORDS])] == ["pipeline 1", "pipeline 2"]
    found = named_pipelines([script, run, {"q1": ["1", "2"]}])
    assert [*found] == ["dense", "old", "pipeline 3"]
    assert found["dense"].text == DENSE
    assert found["old"].run == {"q1": [ev.Scored("1", 0.5)]}
    assert found["pipeline 3"].run == {"q1": [ev.Scored("1"), ev.Scored("2")]}
    scored = named_pipelines({"mine": {"q1": {"1": 0.25, "2": 0.5}}})["mine"].run
    assert scored == {"q1": [ev.Scored("2", 0.5), ev.Scored("1", 0.25)]}
    with pytest.raises(ev.InputError, match="dense is named twice"):
        named_pipelines([script, script])
    with pytest.raises(ev.InputError, match="there is no pipeline"):
        named_pipelines([])


# ------------------------------------------------------------------------------------ what comes out


def test_an_outcome_is_a_value_that_can_be_read(db: qql.Session) -> None:
    found = ev.evaluate({"dense": DENSE, "words": WORDS}, QUERIES, QRELS, db, measures="RR, P@1")
    assert found.means == {"dense": {"RR": 1.0, "P@1": 1.0}, "words": {"RR": 1.0, "P@1": 1.0}}
    shown = str(found)
    assert "Quality over 3 judged queries" in shown
    assert "Against dense" in shown and "Measured with" in shown
    html = found._repr_html_()
    assert html.count("<table") == 2 and "<h4>Against dense</h4>" in html
    data = found.to_dict()
    assert (data["complete"], data["measures"]) == (True, ["RR", "P@1"])
    assert data["pipelines"][0]["per_query"]["q2"] == {"RR": 1.0, "P@1": 1.0}
    json.dumps(data)
    assert found.to_pandas()["RR"].tolist() == [1.0, 1.0]
    assert found.to_arrow().column_names[:3] == ["pipeline", "RR", "P@1"]


def test_notes_are_shown_and_names_are_escaped(db: qql.Session) -> None:
    name = "<b>\x1b[31m"
    found = ev.evaluate({name: DENSE}, QUERIES, QRELS, db)
    assert [one.code for one in found.notes] == ["short-ranking"]
    assert "warning[short-ranking]" in str(found)
    assert "\x1b" not in str(found)
    assert "<b>" not in found._repr_html_() and "warning[short-ranking]" in found._repr_html_()


def test_rankings_stand_beside_pipelines_and_need_no_database(db: qql.Session) -> None:
    perfect = {"q1": ["1"], "q2": ["3"], "q3": ["2"]}
    alone = ev.evaluate({"perfect": perfect}, QUERIES, QRELS, measures="AP")
    assert alone.means == {"perfect": {"AP": 1.0}}
    assert alone.stamp is None
    given = {"dense": DENSE, "perfect": perfect}
    both = ev.evaluate(given, QUERIES, QRELS, db, measures="AP", baseline="perfect")
    assert [(one.name, one.baseline) for one in both.comparisons] == [("dense", "perfect")]
    with pytest.raises(ev.InputError, match="dense has to be asked, and there is no `db`"):
        ev.evaluate({"dense": DENSE}, QUERIES, QRELS)


def test_a_function_is_a_reranker_for_the_measurement_alone(db: qql.Session) -> None:
    asked: list[tuple[str, list[str]]] = []

    def last_first(query: str, texts: list[str]) -> list[float]:
        asked.append((query, texts))
        return [float(text == "surgical wounds") for text in texts]

    pipeline = "QUERY :query FROM docs USING dense LIMIT 4 RERANK TOP 1"
    found = ev.evaluate(
        *(pipeline, QUERIES, {"q1": ["3"], "q2": ["3"], "q3": ["3"]}, db),
        measures="RR",
        rerankers={"mine": last_first},
        rerank_model="mine",
    )
    assert found.means == {"pipeline": {"RR": 1.0}}
    assert {query for query, _ in asked} == {*QUERIES.values()}
    with pytest.raises(qql.QQLError):  # the session knows no such model
        db.execute("QUERY 'x' FROM docs USING dense LIMIT 4 RERANK MODEL 'mine' TOP 1")


def test_a_target_is_opened_with_options_and_closed(tmp_path: Path) -> None:
    texts: list[str] = []

    def embed(given: list[str]) -> list[list[float]]:
        texts.extend(given)
        return [[1.0, float(len(text))] for text in given]

    place = tmp_path / "db"
    with qql.connect(place, embedders={"mine": embed}) as session:
        session.run("CREATE COLLECTION docs (v VECTOR(2, DOT) MODEL 'mine')")
        session.run("UPSERT INTO docs VALUES {id: 1, text: 'a'}")
    texts.clear()
    pipeline, judged = "QUERY :query FROM docs USING v LIMIT 1", {"q": ["1"]}
    found = ev.evaluate(pipeline, {"q": "b"}, judged, place, measures="RR", embedders={"mine": embed})
    assert found.means == {"pipeline": {"RR": 1.0}} and texts == ["b"]
    with qql.connect(place) as session:  # nobody holds it
        assert session.collections() == ["docs"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout": 3}, "a session has its options already: timeout"),
        ({"ties": "rank"}, "`ties` takes id, doc, best, worst, not rank"),
        ({"baseline": "dnse"}, "`baseline` names no pipeline: dnse"),
        ({"on_error": "go"}, "`on_error` takes stop or skip, not go"),
        ({"measures": []}, "`measures` requires a value"),
        ({"limit": 0}, "`limit` takes a whole number from 1, not 0"),
        ({"limit": "3"}, "`limit` takes a whole number from 1, not '3'"),
        ({"measures": [3]}, "`measures` takes names, as nDCG@10, not 3"),
        ({"params": ["x"]}, "`params` takes a mapping of names to values"),
        ({"params": {"lang": "de"}}, "nothing has the parameter :lang"),
        ({"params": {"query": "x"}}, "has a field `query`, and so has `params`"),
    ],
)
def test_faults_of_arguments_are_told_before_anything_is_asked(
    db: qql.Session, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(ev.Pipeline, "answer", lambda *_: pytest.fail("a query was asked"))
    with pytest.raises(ev.InputError, match=re.escape(said)):
        ev.evaluate({"dense": DENSE}, QUERIES, QRELS, db, **settings)


@pytest.mark.parametrize("given", [None, 7, {"a": 7}, [None]])
def test_what_is_no_pipeline_is_refused(db: qql.Session, given: Any) -> None:
    with pytest.raises(ev.InputError, match=r"a pipeline is no (NoneType|int)") as caught:
        ev.evaluate(given, QUERIES, QRELS, db)
    assert "the `Path` of a script" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"repeat": 0}, "`repeat` takes a whole number from 1, not 0"),
        ({"concurrency": 0}, "`concurrency` takes a whole number from 1, not 0"),
        ({"warmup": -1}, "`warmup` takes a whole number from 0, not -1"),
        ({"recall": True}, "`recall` takes a whole number from 0, not true"),
        ({"seconds": 0}, "`seconds` takes a number above 0, not 0"),
        ({"seconds": 1.0, "repeat": 1}, "exclude each other"),
    ],
)
def test_bench_refuses_numbers_that_mean_nothing(db: qql.Session, settings: Any, said: str) -> None:
    with pytest.raises(ev.InputError, match=re.escape(said)):
        ev.bench(DENSE, db, queries=QUERIES, **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"holdout": 2}, "`holdout` takes a number between 0 and 1, not 2"),
        ({"max_settings": 0}, "`max_settings` takes a whole number from 1, not 0"),
        ({"seed": "x"}, "`seed` takes a whole number from 0, not 'x'"),
        ({"latency": "p9"}, "`latency` takes p50 or p95, not p9"),
    ],
)
def test_tune_refuses_numbers_that_mean_nothing(db: qql.Session, settings: Any, said: str) -> None:
    with pytest.raises(ev.InputError, match=re.escape(said)):
        ev.tune(DENSE, QUERIES, QRELS, db, **settings)


def test_the_hint_about_documents_is_in_the_words_of_python(db: qql.Session) -> None:
    with pytest.raises(qql.QQLError) as caught:
        ev.evaluate(DENSE, {"q1": "chest"}, {"q1": {"a": 1}}, db)
    assert caught.value.code == "absent-documents"
    assert caught.value.hint == "doc_id=FIELD takes the ids of documents from the payload"
    found = ev.evaluate(DENSE, {"q1": "chest"}, {"q1": {"a": 1}}, db, doc_id="key", measures="RR")
    assert found.means == {"pipeline": {"RR": 1.0}}


def test_ctrl_c_is_raised_unless_a_part_is_wanted(db: qql.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = ev.Pipeline.answer, []

    def answer(self: ev.Pipeline, compiled: Any) -> Any:
        asked.append(self.text)
        if asked.count(WORDS) == 1:
            raise KeyboardInterrupt
        return real(self, compiled)

    monkeypatch.setattr(ev.Pipeline, "answer", answer)
    both = {"dense": DENSE, "words": WORDS}
    with pytest.raises(KeyboardInterrupt):
        ev.evaluate(both, QUERIES, QRELS, db)
    asked.clear()
    found = ev.evaluate(both, QUERIES, QRELS, db, partial=True)
    assert (found.complete, [*found.measured]) == (False, ["dense"])
    assert "(incomplete)" in str(found)


# ------------------------------------------------------------------------------------ compare, tune, bench


def test_two_pipelines_and_two_results_are_compared_alike(db: qql.Session) -> None:
    found = ev.compare(DENSE, WORDS, db, params={"query": "wounds"})
    assert isinstance(found, ev.Comparison)
    by_hand = ev.compare(*(db.execute(one, {"query": "wounds"}) for one in (DENSE, WORDS)))
    assert found == by_hand
    assert found.to_pandas()["move"].tolist()[0] == "="
    survey = ev.compare(DENSE, WORDS, db, queries=QUERIES)
    assert isinstance(survey, ev.Survey)
    assert [query.id for query, _ in survey.found] == ["q1", "q2", "q3"]
    assert "over all queries" in str(survey)


def test_one_pipeline_is_compared_on_two_databases(db: qql.Session) -> None:
    with qql.connect() as other:
        other.run(SETUP + "DELETE FROM docs WHERE id = 3;")
        found = ev.compare(DENSE, db=db, other_db=other, params={"query": "wounds"})
    assert {one.id: one.move for one in found.moved}[3] == "gone"
    with pytest.raises(ev.InputError, match="there is nothing to compare with"):
        ev.compare(DENSE, db=db, params={"query": "wounds"})
    with pytest.raises(ev.InputError, match="a result is compared with another"):
        ev.compare(db.execute(DENSE, {"query": "x"}), WORDS, db)


def test_tune_gives_the_text_of_the_best_setting(db: qql.Session) -> None:
    judged = {"q1": ["1"], "q2": ["3"], "q3": ["1", "2", "3", "4"]}
    found = ev.tune(DENSE, QUERIES, judged, db, grid={"root.limit": [1, 4]}, measures="R@10", repeat=2)
    assert "LIMIT 4" in found.texts[-1]
    assert {row["root.limit"] for row in found.rows()} == {1, 3, 4}
    assert found.to_dict()["tried"][0]["current"] is True
    assert "root.limit" in str(found) and "<table" in found._repr_html_()
    with pytest.raises(ev.InputError, match=r"the values of `root\.limit` are 5, no list"):
        ev.tune(DENSE, QUERIES, QRELS, db, grid={"root.limit": 5})
    with pytest.raises(ev.InputError, match="tune takes one pipeline"):
        ev.tune([DENSE, WORDS], QUERIES, QRELS, db)
    with pytest.raises(ev.InputError) as caught:
        ev.tune(DENSE, QUERIES, QRELS, db, grid={"root.limit": [1, 2, 3]}, max_settings=2)
    assert caught.value.hint == "sample=N tries N of them, drawn by chance; max_settings=3 tries them all"


def test_bench_counts_calls_and_recall(db: qql.Session) -> None:
    found = ev.bench({"dense": DENSE}, db, queries=QUERIES, repeat=2, warmup=0, recall=2)
    assert found.found["dense"].times.count == 6
    assert found.found["dense"].recalls == [1.0, 1.0, 1.0]
    assert found.to_dict()["pipelines"][0]["recall"]["k"] == 2
    assert "Milliseconds of a call" in str(found)
    with pytest.raises(ev.InputError, match=r"dense has 3 hits, too few for recall=9"):
        ev.bench({"dense": DENSE}, db, queries=QUERIES, recall=9)
    with pytest.raises(ev.InputError, match="requires a server"):
        ev.bench(DENSE, db, queries=QUERIES, concurrency=2)


# ------------------------------------------------------------------------------------ doors


def test_an_event_loop_awaits_the_same_figures(db: qql.Session) -> None:
    here = ev.evaluate({"dense": DENSE, "words": WORDS}, QUERIES, QRELS, db)
    scored: list[str] = []

    async def score(query: str, texts: list[str]) -> list[float]:
        scored.append(query)
        return [1.0] * len(texts)

    async def there() -> tuple[Any, ...]:
        async with qql.connect_async() as session:
            await session.run(SETUP)
            found = await ev.aevaluate({"dense": DENSE, "words": WORDS}, QUERIES, QRELS, session)
            compared = await ev.acompare(DENSE, WORDS, session, params={"query": "wounds"})
            tuned = await ev.atune(DENSE, QUERIES, QRELS, session, grid={"root.limit": [1, 2]}, repeat=1)
            second = DENSE + " RERANK MODEL 'mine' TOP 1"
            await ev.aevaluate(second, QUERIES, QRELS, session, rerankers={"mine": score})
            with pytest.raises(ev.InputError, match="an AsyncSession is awaited"):
                ev.evaluate(DENSE, QUERIES, QRELS, session)
            return found, compared, tuned

    found, compared, tuned = asyncio.run(there())
    assert found.means == here.means
    assert compared.common == ev.compare(DENSE, WORDS, db, params={"query": "wounds"}).common
    assert len(tuned.trials) == 3 and {*scored} == {*QUERIES.values()}
    with pytest.raises(ev.InputError, match="an AsyncSession is required"):
        asyncio.run(ev.aevaluate(DENSE, QUERIES, QRELS, db))


def test_a_cancelled_task_gives_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ev.Pipeline.answer
    asked: list[str] = []

    async def there() -> None:
        async with qql.connect_async() as session:
            await session.run(SETUP)
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            def answer(self: ev.Pipeline, compiled: Any) -> Any:
                asked.append(self.text)
                if self.text == WORDS:
                    loop.call_soon(begun.set)
                return real(self, compiled)

            monkeypatch.setattr(ev.Pipeline, "answer", answer)
            both = {"dense": DENSE, "words": WORDS}
            task = asyncio.create_task(ev.aevaluate(both, QUERIES, QRELS, session, partial=True))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await session.execute("COUNT FROM docs")).scalar() == 4

    asyncio.run(there())
    assert asked.count(WORDS) < len(QUERIES)


def test_the_command_gives_what_the_function_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("setup.qql").write_text(SETUP)
    Path("dense.qql").write_text(DENSE)
    Path("q.jsonl").write_text("\n".join(json.dumps({"id": q, "query": text}) for q, text in QUERIES.items()))
    Path("qrels.tsv").write_text(
        "".join(f"{q}\t{d}\t{r}\n" for q, of in QRELS.items() for d, r in of.items())
    )
    argv = ["eval", "dense.qql", "--setup", "setup.qql", "--queries", "q.jsonl", "--qrels", "qrels.tsv"]
    assert main([*argv, "--format", "json"]) == 0
    theirs = json.loads(capsys.readouterr().out)
    with qql.connect() as session:
        session.run(SETUP)
        ours = ev.evaluate(Path("dense.qql"), "q.jsonl", "qrels.tsv", session).to_dict()
    for one in (ours, theirs):
        one.pop("stamp")
        one["pipelines"][0].pop("times")
    assert ours == theirs
