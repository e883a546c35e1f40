"""`why_not` and `qql why-not`: what makes a point a hit, and what that does to the other queries of a set."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.build import field
from qql.cli import main
from qql.evaluation import InputError, Query, evaluate, record, why_not
from qql.session.session import Session

TEXT = "apple river stone cloud tiger piano glass maple storm paper engine garden silver window"
WORDS = TEXT.split()
PIPELINE = (
    "WITH named AS (QUERY :query USING words LIMIT 60), "
    "alike AS (QUERY :query USING fine WHERE year >= :low LIMIT 60) "
    "QUERY FUSION RRF FROM docs PREFETCH (named, alike) WITH (rrf_weights = [0.7, 0.31]) LIMIT 5"
)
"""Its weights leave no two points equal, whose order would be chance."""
QUERIES = {
    f"q{at}": {"query": " ".join(random.Random(at).sample(WORDS, 2)), "low": 2000 + at} for at in range(12)
}


def fill(session: Session) -> None:
    rng = random.Random(1)
    session.execute(
        "CREATE COLLECTION docs (fine VECTOR MODEL 'local/hash-256', words SPARSE MODEL 'qdrant/bm25')"
    )
    rows = [
        {"id": at, "text": " ".join(rng.choices(WORDS, k=rng.randrange(4, 9))), "year": 2000 + at % 25}
        for at in range(150)
    ]
    session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    with qql.connect(":memory:", advice=False) as session:
        fill(session)
        yield session


@pytest.fixture(scope="module")
def qrels(db: Session) -> dict[str, dict[str, int]]:
    return {key: {str(one): 1 for one in db.execute(PIPELINE, row).ids[:2]} for key, row in QUERIES.items()}


@pytest.fixture(scope="module")
def point(db: Session) -> int:
    """A point that is no hit of q3, and that more than one change makes one."""
    deep = db.execute(PIPELINE.replace("LIMIT 5", "LIMIT 60"), QUERIES["q3"]).ids
    return next(int(one) for one in deep[5:] if len(why_not(PIPELINE, QUERIES["q3"], one, db).advice) > 1)


def test_each_advice_makes_the_point_a_hit_of_the_pipeline(db: Session, point: int) -> None:
    found = why_not(PIPELINE, "q3", point, db, queries=QUERIES)
    assert found.query.id == "q3" and not found.is_hit and len(found.advice) > 1
    for one in found.advice:
        assert one.pipeline is not None and ":query" in one.pipeline
        assert point in db.execute(one.statement).ids and point in db.execute(one.pipeline, QUERIES["q3"]).ids
        assert one.others is not None and one.others.count == 11


def test_what_it_does_to_the_others_is_what_runs_say(db: Session, point: int, qrels: Any) -> None:
    found = why_not(PIPELINE, "q3", point, db, queries=QUERIES, qrels=qrels, measures="nDCG@5")
    others = {key: row for key, row in QUERIES.items() if key != "q3"}
    for one in found.advice:
        assert one.pipeline is not None and one.others is not None
        run = evaluate({"a": PIPELINE, "b": one.pipeline}, others, qrels, db, measures="nDCG@5")
        (difference,) = one.others.differences
        assert difference.base_mean == pytest.approx(run.means["a"]["nDCG@5"])
        assert difference.mean == pytest.approx(run.means["b"]["nDCG@5"])
        worst = one.others.worst()
        assert [query.change for query in worst] == sorted(query.change for query in worst)
        assert all(query.change < 0 for query in worst) and len(worst) <= 5


def test_a_recording_answers_for_the_others_as_the_engine_does(
    db: Session, point: int, tmp_path: Path
) -> None:
    kept = record(PIPELINE, QUERIES, db, tmp_path / "run.qqlrun", deep=150)
    by_run = why_not(PIPELINE, "q3", point, db, queries=QUERIES)
    by_file = why_not(PIPELINE, "q3", point, db, recording=kept)
    assert by_file.asked == 0 and by_run.asked == 11 * (1 + len(by_run.advice))
    for one, other in zip(by_run.advice, by_file.advice, strict=True):
        assert one.others is not None and other.others is not None
        assert (one.text, one.others.count) == (other.text, other.others.count)
        assert other.others.recomputed == 11


def test_the_constants_of_a_recording_are_those_of_its_queries(
    db: Session, point: int, tmp_path: Path
) -> None:
    """Also where another pipeline of it has the parameter, and this one has not."""
    rows = {key: row["query"] for key, row in QUERIES.items()}
    other = "QUERY :query FROM docs USING fine WHERE year > :since LIMIT 9"
    both = {"p": PIPELINE, "other": other}
    kept = record(both, rows, db, tmp_path / "run.qqlrun", deep=150, params={"low": 2003, "since": 2001})
    found = why_not(PIPELINE, "q3", point, db, recording=kept)
    assert found.advice and found.asked == 0 and found.query.params == {"query": rows["q3"]}


def test_what_a_recording_lacks_is_asked(db: Session, tmp_path: Path) -> None:
    """A dropped condition makes a stage that nobody has recorded."""
    kept = record(PIPELINE, QUERIES, db, tmp_path / "run.qqlrun", deep=150)
    filtered = PIPELINE.replace("FROM docs PREFETCH", "FROM docs WHERE year > 2020 PREFETCH")
    point = next(one for one in db.execute(PIPELINE, QUERIES["q1"]).ids if int(one) % 25 <= 20)
    found = why_not(filtered, "q1", point, db, recording=kept)
    assert "dropping year > 2020" in found.advice[0].text
    assert found.asked > 0, "the stages with that condition are in no file"


def test_a_longer_list_changes_no_best_hits(db: Session, point: int) -> None:
    found = why_not(PIPELINE, "q3", point, db, queries=QUERIES)
    (longer,) = (one for one in found.advice if one.text.startswith("LIMIT 5 → "))
    assert longer.others is not None and longer.others.changed == () and longer.others.depth == 5


def test_stages_of_define_are_written_into_the_pipeline(db: Session) -> None:
    near = "DEFINE near AS (QUERY :query USING fine LIMIT 3)"
    text = near + "; QUERY FUSION RRF FROM docs PREFETCH (near) LIMIT 90"
    deep = db.execute("QUERY 'apple river' FROM docs USING fine LIMIT 30").ids
    found = why_not(text, "apple river", int(deep[20]), db)
    assert found.advice and all(one.others is None for one in found.advice)
    assert "near AS (QUERY :query USING fine LIMIT " in str(found.advice[0].pipeline)
    assert deep[20] in db.execute(str(found.advice[0].pipeline), {"query": "apple river"}).ids


def test_a_condition_that_is_a_parameter_cannot_be_dropped_of_the_text(db: Session) -> None:
    text = "QUERY :query FROM docs USING fine WHERE :which LIMIT 90"
    which = (field("year") == 2003) & (field("year") > 2000)
    found = why_not(text, {"query": "apple river", "which": which}, 4, db)
    assert "dropping year = 2003" in found.advice[0].text and found.advice[0].pipeline is None


def test_a_hit_and_a_point_that_is_not_there_have_no_advice(db: Session) -> None:
    hit = db.execute(PIPELINE, QUERIES["q1"]).ids[0]
    found = why_not(PIPELINE, Query("q1", QUERIES["q1"]), hit, db)
    assert found.is_hit and found.advice == () and "is hit 1 of 5" in str(found)
    absent = why_not(PIPELINE, QUERIES["q1"], 999, db)
    assert not absent.is_hit and "there is no point 999 in docs" in str(absent)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"point": "x"}, "invalid-point-id"),
        ({"qrels": {"q1": {"1": 1}}}, "usage"),
        ({"query": 7}, "usage"),
        ({"query": "apple"}, "missing-parameter"),
        ({"pipeline": {"q1": ["1"]}}, "usage"),
        ({"db": None}, "usage"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(db: Session, given: Any, code: str) -> None:
    asked: dict[str, Any] = {"pipeline": PIPELINE, "query": QUERIES["q1"], "point": 1, "db": db} | given
    with pytest.raises(InputError) as caught:
        why_not(asked.pop("pipeline"), asked.pop("query"), asked.pop("point"), asked.pop("db"), **asked)
    assert caught.value.code == code


# ------------------------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, db: Session, qrels: Any) -> Path:
    path = tmp_path_factory.mktemp("why")
    with qql.connect(str(path / "data"), advice=False) as session:
        fill(session)
    (path / "p.qql").write_text(PIPELINE, encoding="utf-8")
    lines = [json.dumps({"id": key, **row}) for key, row in QUERIES.items()]
    (path / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    judged = [f"{key} 0 {doc} 1" for key, docs in qrels.items() for doc in docs]
    (path / "qrels.txt").write_text("\n".join(judged), encoding="utf-8")
    return path


def run(folder: Path, *more: str) -> int:
    return main(["why-not", str(folder / "p.qql"), "--db", str(folder / "data"), *more])


def test_the_command_tells_it(folder: Path, point: int, capsys: pytest.CaptureFixture[str]) -> None:
    the_set = ["--queries", str(folder / "q.jsonl"), "--qrels", str(folder / "qrels.txt")]
    assert run(folder, "--query", "q3", "--id", str(point), *the_set) == 0
    out = capsys.readouterr().out
    assert f"point {point} is no hit" in out and "what that does to 11 other queries" in out
    assert "top 5 changed" in out and "With the first of them\nWITH\n  named AS (QUERY :query" in out
    assert run(folder, "--query", "q3", "--id", str(point), *the_set, "--format", "json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["point"] == point and data["advice"][0]["others"]["queries"] == 11
    assert set(data["advice"][0]["others"]["measures"]) == {"nDCG@10", "R@100", "RR@10"}


def test_the_text_of_the_query_may_be_a_parameter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--param", "query=apple river", "--param", "low=2000", "--id", "999"]
    assert run(folder, *given) == 1
    assert "there is no point 999 in docs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--query", "x"], "requires --id"),
        (["--id", "1", "--query", "x", "--qrels", "f"], "--qrels has no meaning without a set"),
        (["--id", "1", "--query", "x", "--measures", "P@5"], "--measures has no meaning without --qrels"),
        (["--id", "one", "--query", "x", "--param", "low=1"], "'one' is no point id"),
        (["--id", "1", "--query", "x", "--recording", "/no/such"], "/no/such"),
    ],
)
def test_wrong_options_are_told(
    folder: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, *argv) == 2
    assert said in capsys.readouterr().err
