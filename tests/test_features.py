"""Features for learning to rank: `features`, `write_features` and `qql features`, on the embedded engine."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import qql
from qql.cli import main
from qql.evaluation import (
    FeatureColumn,
    Features,
    InputError,
    features,
    record,
    recorded_features,
    write_features,
)
from qql.evaluation.feature_files import feature_lines

Run = Callable[..., tuple[int, str, str]]

SETUP = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', words SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES
  {id: 1, text: 'emergency care for acute chest pain', year: 2001, new: true, part: {no: 1.5}, key: 'k1'},
  {id: 2, text: 'urgent treatment of burns', year: 2002, key: 'k2'},
  {id: 3, text: 'how to plan an annual check-up', year: 2003, part: {no: 3}, key: 'k3'},
  {id: 4, text: 'care of wounds after discharge', key: 'k4'},
  {id: 5, text: 'emergency numbers and when to call them', year: 2005, new: false, key: 'k1'};
"""
QUERIES = {"q1": "emergency: chest pain", "q2": "burns"}
QRELS = {"q1": {1: 2, 5: 0.5}, "q2": {2: 1, 1: 0}}
HYBRID = """
WITH alike AS (QUERY :query USING dense LIMIT 4), named AS (QUERY :query USING words LIMIT 4)
QUERY FUSION RRF FROM docs PREFETCH (alike, named) LIMIT 4
"""
STAGES = {
    "alike": "QUERY :query FROM docs USING dense LIMIT 4",
    "named": "QUERY :query FROM docs USING words LIMIT 4",
}


@pytest.fixture(scope="module")
def db() -> Iterator[qql.Session]:
    with qql.connect(
        ":memory:", rerankers={"turned": lambda _, texts: [-len(one) for one in texts]}
    ) as session:
        session.run(SETUP)
        yield session


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    for name in ("QDRANT_URL", "QQL_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("setup.qql").write_text(SETUP)
    Path("p.qql").write_text(HYBRID)
    lines = [json.dumps({"_id": key, "text": text}) for key, text in QUERIES.items()]
    Path("q.jsonl").write_text("\n".join(lines))
    judged = [f"{query} 0 {doc} {rel}" for query, docs in QRELS.items() for doc, rel in docs.items()]
    Path("r.qrels").write_text("\n".join(judged))

    def call(*argv: str) -> tuple[int, str, str]:
        given = ("--setup", "setup.qql", "--queries", "q.jsonl")
        code = main(["features", *argv[:1], *given, *argv[1:]])
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    return call


def of_query(found: Features, query: str) -> list[dict[str, Any]]:
    return [row for row in found.rows() if row["query_id"] == query]


def svm_rows(text: str) -> tuple[list[str], list[tuple[float, int, dict[int, float], str]]]:
    """The names of the features and the rows, as a reader of SVM-light has them."""
    names, rows = [], []
    for line in text.splitlines():
        data, _, comment = line.partition("#")
        if not data:
            names += re.findall(r"^ \d+ (\S+),", comment)
            continue
        label, qid, *pairs = data.split()
        values = {int(key): float(value) for key, value in (pair.split(":") for pair in pairs)}
        assert list(values) == sorted(values)
        rows.append((float(label), int(qid.removeprefix("qid:")), values, comment.strip()))
    return names, rows


# ------------------------------------------------------------------------------------ rows


def test_a_row_has_the_score_and_rank_that_each_stage_gave_the_document(db: qql.Session) -> None:
    found = features(HYBRID, QUERIES, db)
    assert len(found.rows()) == 8
    for query, text in QUERIES.items():
        answer = db.execute(HYBRID, {"query": text}).hits
        rows = of_query(found, query)
        assert [row["doc_id"] for row in rows] == [str(hit.id) for hit in answer]
        assert [(row["rank"], row["score"]) for row in rows] == [
            (rank, hit.score) for rank, hit in enumerate(answer, 1)
        ]
        for stage, alone in STAGES.items():
            given = {
                str(hit.id): (rank, hit.score)
                for rank, hit in enumerate(db.execute(alone, {"query": text}), 1)
            }
            for row in rows:
                rank, score = given.get(row["doc_id"], (None, None))
                assert row[f"{stage}.rank"] == rank
                assert row[f"{stage}.score"] == (None if score is None else pytest.approx(score))
    assert any(row["named.rank"] is None for row in found.rows())


def test_labels_are_those_of_judgements_and_none_where_nobody_judged(db: qql.Session) -> None:
    rows = features(HYBRID, QUERIES, db, QRELS).rows()
    labels = {(row["query_id"], row["doc_id"]): row["label"] for row in rows}
    assert labels["q1", "1"] == 2 and labels["q1", "5"] == 0.5 and labels["q2", "1"] == 0
    assert {key: value for key, value in labels.items() if value is not None} == {
        (query, str(doc)): label for query, docs in QRELS.items() for doc, label in docs.items()
    }
    assert len(labels) == 8  # nobody judged the others
    assert "label" not in features(HYBRID, QUERIES, db).rows()[0]


@pytest.mark.parametrize("selection", ["", " WITH PAYLOAD false", " WITH PAYLOAD (text)"])
def test_fields_of_the_payload_are_features_whatever_the_query_brings(
    db: qql.Session, selection: str
) -> None:
    found = features(HYBRID + selection, QUERIES, db, fields=["year", "new", "part.no"])
    values = {row["doc_id"]: (row["year"], row["new"], row["part.no"]) for row in found.rows()}
    kept = {"1": (2001, True, 1.5), "2": (2002, None, None), "3": (2003, None, 3), "4": (None,) * 3}
    kept["5"] = (2005, False, None)
    assert values == {doc: kept[doc] for doc in values} and len(values) >= 4


def test_a_field_that_is_called_like_another_column_has_a_column_of_its_own(db: qql.Session) -> None:
    db.execute("UPDATE docs SET PAYLOAD = {score: 7, rank: 8} WHERE id = 2")
    row = of_query(features(HYBRID, QUERIES, db, fields=["score", "rank"]), "q2")[0]
    assert (row["doc_id"], row["rank"], row["payload.score"], row["payload.rank"]) == ("2", 1, 7, 8)


def test_behind_rerank_there_are_both_scores_and_the_rank_before_it(db: qql.Session) -> None:
    text = f"{HYBRID} RERANK :query MODEL 'turned' TOP 3"
    first = db.execute(HYBRID, {"query": QUERIES["q1"]}).hits
    answer = db.execute(text, {"query": QUERIES["q1"]}).hits
    rows = of_query(features(text, QUERIES, db), "q1")
    assert [row["doc_id"] for row in rows] == [str(hit.id) for hit in answer] and len(rows) == 3
    before = {str(hit.id): (rank, hit.score) for rank, hit in enumerate(first, 1)}
    for rank, row in enumerate(rows, 1):
        assert row["rank"] == rank and row["score"] == row["second_stage_score"]
        assert (row["first_stage_rank"], row["first_stage_score"]) == before[row["doc_id"]]
    assert [row["first_stage_rank"] for row in rows] != [1, 2, 3]


def test_of_several_points_of_one_document_the_first_has_the_row(db: qql.Session) -> None:
    found = features(HYBRID, {"q": "emergency: chest pain"}, db, {"q": {"k1": 3}}, doc_id="key")
    rows = {row["doc_id"]: row for row in found.rows()}
    assert len(found.rows()) == 3 == len(rows) and rows["k1"]["label"] == 3
    points = [hit.id for hit in db.execute(HYBRID, {"query": "emergency: chest pain"})]
    assert rows["k1"]["rank"] == min(points.index(1), points.index(5)) + 1


def test_nested_stages_are_there_and_one_that_is_used_twice_has_one_place(db: qql.Session) -> None:
    text = """
    WITH a AS (QUERY :query USING dense LIMIT 4), b AS (QUERY :query USING words LIMIT 4),
         both AS (QUERY FUSION DBSF PREFETCH (a, b) LIMIT 3)
    QUERY FUSION RRF FROM docs PREFETCH (both, a) LIMIT 5
    """
    found = features(text, QUERIES, db)
    names = [one.name for one in found.columns if one.feature]
    assert names == [
        "rank",
        "score",
        *(f"{one}.{what}" for one in ("both", "a", "b") for what in ("score", "rank")),
    ]
    assert all(row["both.rank"] is None or row["both.rank"] <= 3 for row in found.rows())


def test_frames_have_a_type_for_each_column(db: qql.Session) -> None:
    found = features(HYBRID, QUERIES, db, QRELS, fields=["year"])
    frame = found.to_pandas()
    assert list(frame.columns) == [one.name for one in found.columns]
    assert str(frame["named.rank"].dtype) == "Int64" and frame["named.rank"].isna().any()
    assert found.to_polars().height == found.to_arrow().num_rows == len(found.rows())
    assert "Features of 8 documents for 2 queries" in str(found)


def test_what_is_at_fault_is_told_before_anything_is_asked(db: qql.Session) -> None:
    for given, words in (
        ({"a": HYBRID, "b": HYBRID}, "one pipeline"),
        ({"q1": ["1"]}, "a ranking"),
    ):
        with pytest.raises(InputError, match=words):
            features(given, QUERIES, db)  # type: ignore[arg-type]
    with pytest.raises(qql.QQLExecutionError, match="no point of `docs` has the id of a judged document"):
        features(HYBRID, QUERIES, db, {"q1": {"nowhere": 1}})
    with pytest.raises(qql.QQLCompileError, match="query 'q2'"):
        features(
            HYBRID.replace("LIMIT 4\n", "LIMIT :n\n"),
            {"q1": {"query": "a", "n": 3}, "q2": {"query": "b", "n": -1}},
            db,
        )


def test_queries_without_hits_are_told(db: qql.Session) -> None:
    text = "QUERY :query FROM docs USING words LIMIT 3"
    found = features(text, {"q1": "burns", "q2": "zzz", "q3": "burns"}, db)
    assert {row["query_id"] for row in found.rows()} == {"q1", "q3"}
    assert [one.code for one in found.notes] == ["no-hits"] and "q2" in found.notes[0].message


# ------------------------------------------------------------------------------------ files


def test_svm_light_says_what_a_missing_value_is(db: qql.Session, tmp_path: Path) -> None:
    found = features(HYBRID, QUERIES, db, QRELS, fields=["year", "new"])
    made = write_features(HYBRID, QUERIES, db, tmp_path / "x.svm", QRELS, fields=["year", "new"])
    names, rows = svm_rows((tmp_path / "x.svm").read_text())
    assert names == [one.name for one in found.columns if one.feature] and made.rows == len(rows) == 8
    for (label, qid, values, comment), row in zip(rows, found.rows(), strict=True):
        assert label == (row["label"] or 0) and list(QUERIES)[qid - 1] == row["query_id"]
        assert comment == f"{row['doc_id']} {row['query_id']}"
        for number, name in enumerate(names, 1):
            missing = {"alike.rank": 5, "named.rank": 5}.get(name, 0)
            wanted = missing if row[name] is None else float(row[name])
            assert values.get(number, 0) == pytest.approx(wanted, rel=1e-8)


def test_scores_in_svm_light_are_the_same_32_bits(db: qql.Session, tmp_path: Path) -> None:
    write_features(HYBRID, QUERIES, db, tmp_path / "x.svm")
    names, rows = svm_rows((tmp_path / "x.svm").read_text())
    found = features(HYBRID, QUERIES, db).rows()
    at = names.index("alike.score") + 1
    pairs = [(values[at], row["alike.score"]) for (_, _, values, _), row in zip(rows, found, strict=True)]
    assert pairs and all(pyarrow.array([a, b]).cast("float32")[0].as_py() == b for a, b in pairs)


def test_a_text_is_no_feature_of_svm_light_and_no_file_is_left(db: qql.Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SVM-light has numbers alone"):
        write_features(HYBRID, QUERIES, db, tmp_path / "x.svm", fields=["text"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.parquet", "x.dat"])
def test_each_format_holds_the_same_rows(db: qql.Session, tmp_path: Path, name: str) -> None:
    found = features(HYBRID, QUERIES, db, QRELS, fields=["year", "part"])
    path = tmp_path / name
    format = "csv" if name == "x.dat" else None
    made = write_features(HYBRID, QUERIES, db, path, QRELS, fields=["year", "part"], format=format)
    assert made.rows == 8
    if made.format == "parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
        assert rows == found.rows() and {"no": 1.5} in [row["part"] for row in rows]
    elif made.format == "jsonl":
        data = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
        assert [json.loads(line) for line in data.splitlines()] == found.rows()
    else:
        [*rows] = csv.DictReader(io.StringIO(path.read_text(), newline=""))
        wanted = {key: value for key, value in found.rows()[0].items() if key != "part"}
        assert {key: rows[0][key] for key in wanted} == {key: str(value) for key, value in wanted.items()}
        assert rows[0]["part"] == '{"no": 1.5}' and "" in {row["named.rank"] for row in rows}


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("mine")
    with pytest.raises(qql.QQLExecutionError, match="already"):
        write_features(HYBRID, QUERIES, db, path)
    assert path.read_text() == "mine"
    features(HYBRID, QUERIES, db).write(path, overwrite=True)
    assert path.read_text().startswith("query_id,")


def test_the_name_of_a_file_has_to_say_what_it_is(db: qql.Session, tmp_path: Path) -> None:
    for name, words in (("x.txt", "does not say"), ("x.parquet.gz", "compressed in itself")):
        with pytest.raises(InputError, match=words):
            write_features(HYBRID, QUERIES, db, tmp_path / name)
    with pytest.raises(InputError, match="no format svmlite"):
        write_features(HYBRID, QUERIES, db, tmp_path / "x", format="svmlite")


@pytest.mark.parametrize("format", ["jsonl", "csv", "svmlight"])
def test_lines_are_written_as_rows_come(format: str) -> None:
    columns = (FeatureColumn("query_id"), FeatureColumn("doc_id"), FeatureColumn("rank", feature=True))
    asked: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(3):
            asked.append(number)
            yield {"query_id": "q", "doc_id": f"d{number}", "rank": number}

    lines = feature_lines(format, columns, rows())
    next(line for line in lines if "d0" in line)
    assert asked == [0]


def test_what_would_break_a_line_of_svm_light_is_quoted() -> None:
    columns = (FeatureColumn("query_id"), FeatureColumn("doc_id"), FeatureColumn("a\nb", feature=True))
    rows = [{"query_id": "q 1", "doc_id": "d\n# 2", "a\nb": 1}]
    lines = list(feature_lines("svmlight", columns, rows))
    assert all("\n" not in line for line in lines)
    assert lines[-1] == '0 qid:1 1:1 # "d\\n# 2" "q 1"'


def test_scores_that_are_distances_are_told(tmp_path: Path) -> None:
    with qql.connect() as db:
        db.run(
            "CREATE COLLECTION c (v VECTOR(2, EUCLID)); UPSERT INTO c VALUES {id: 1, vector: {v: [1, 0]}};"
        )
        text = "WITH a AS (QUERY :x USING v LIMIT 2) QUERY FUSION RRF FROM c PREFETCH (a) LIMIT 2"
        made = write_features(text, {"q": {"x": [1.0, 0.0]}}, db, tmp_path / "x.svm")
    assert [one.code for one in made.notes] == ["distances"]


# ------------------------------------------------------------------------------------ recordings

NESTED = """
WITH alike AS (QUERY :query USING dense LIMIT 3), named AS (QUERY :query USING words LIMIT 4),
     both AS (QUERY FUSION DBSF PREFETCH (alike, named) LIMIT 3)
QUERY FUSION RRF FROM docs PREFETCH (both, alike) LIMIT 3
"""
RESCORED = "QUERY :query FROM docs USING dense PREFETCH (QUERY :query USING words LIMIT 2) LIMIT 2"


@pytest.mark.parametrize(
    "text",
    [HYBRID, HYBRID.replace("dense LIMIT 4", "dense LIMIT 2").replace("RRF", "DBSF"), NESTED, RESCORED],
)
def test_a_recording_has_the_same_features_as_the_engine(db: qql.Session, tmp_path: Path, text: str) -> None:
    kept = record({"a": HYBRID, "b": RESCORED}, QUERIES, db, tmp_path / "run.qqlrun", deep=10)
    made, asked = recorded_features(kept, text, QRELS), features(text, QUERIES, db, QRELS)
    assert made.columns == asked.columns and len(made.rows()) == len(asked.rows()) > 1
    for row, other in zip(made.rows(), asked.rows(), strict=True):
        assert {name: value for name, value in row.items() if not name.endswith("score")} == {
            name: value for name, value in other.items() if not name.endswith("score")
        }
        assert row == {
            name: pytest.approx(value) if name.endswith("score") and value is not None else value
            for name, value in other.items()
        }


def test_what_a_recording_cannot_say_has_no_rows_and_is_told(db: qql.Session, tmp_path: Path) -> None:
    kept = record(HYBRID, QUERIES, db, tmp_path / "run.qqlrun", deep=10)
    found = recorded_features(kept, f"{HYBRID} RERANK :query MODEL 'turned'")
    assert found.rows() == [] and found.queries == 2
    assert [one.code for one in found.notes] == ["needs-runs"] and "RERANK" in found.notes[0].message


def test_the_command_takes_a_recording_and_asks_no_engine(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--setup", "setup.qql", "--queries", "q.jsonl"]
    assert main(["record", "p.qql", *given, "-o", "run.qqlrun"]) == 0
    capsys.readouterr()
    _, asked, _ = run("p.qql", "--qrels", "r.qrels")
    assert main(["features", "p.qql", "--recording", "run.qqlrun", "--qrels", "r.qrels"]) == 0
    made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wanted = [json.loads(line) for line in asked.splitlines()]
    assert [row["doc_id"] for row in made] == [row["doc_id"] for row in wanted]
    assert [row["named.rank"] for row in made] == [row["named.rank"] for row in wanted]
    assert main(["features", "p.qql", "--recording", "run.qqlrun", "--field", "year"]) == 2
    assert "--field has no meaning for a recording" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ the command


def test_the_command_writes_a_file(run: Run) -> None:
    code, out, err = run("p.qql", "--qrels", "r.qrels", "--field", "year", "-o", "train.svm")
    assert (code, out) == (0, "") and "wrote 7 features of 8 documents for 2 queries into train.svm" in err
    names, rows = svm_rows(Path("train.svm").read_text())
    assert names[-1] == "year" and len(rows) == 8
    code, _, err = run("p.qql", "-o", "train.svm")
    assert code == 1 and "--overwrite replaces it" in err
    assert run("p.qql", "-o", "train.svm", "--overwrite")[0] == 0


def test_without_a_file_it_is_standard_output(run: Run) -> None:
    code, out, _ = run("p.qql")
    assert code == 0 and [json.loads(line)["rank"] for line in out.splitlines()] == [1, 2, 3, 4] * 2
    code, out, _ = run("p.qql", "--format", "csv")
    assert code == 0 and out.splitlines()[0].startswith("query_id,doc_id,rank,score,alike.score,alike.rank,")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["p.qql", "--format", "parquet"], "Parquet is written to a file"),
        (["p.qql", "-o", "x.txt"], "--format svmlight says it"),
        (["p.qql", "--overwrite"], "--overwrite requires --output"),
        (["p.qql", "--min-impressions", "3"], "--min-impressions requires --qrels"),
        (["p.qql", "--field", ""], "--field takes names of fields"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, argv: list[str], words: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "") and words in err, err
