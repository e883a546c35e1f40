"""`qql bench --stages-table`, and the stamp that figures carry."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from http_recorder import HttpRecorder

import qql
from qql.cli import main
from qql.evaluation.stage_table import STAGE_LIMITS, limits_for
from qql.session.session import Session

Run = Callable[..., tuple[int, str, str]]

WORDS = ("emergency", "care", "pain", "chest", "burn", "child", "ward", "surgery", "wound", "urgent")
QUERIES = [{"_id": f"q{n}", "text": f"{WORDS[n]} {WORDS[n + 3]}"} for n in range(5)]
TABLE = ("bench", "--stages-table", "--repeat", "1", "--warmup", "0")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "QQL_RERANK_MODEL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in a directory with queries and judgements."""
    monkeypatch.chdir(tmp_path)
    Path("q.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUERIES), encoding="utf-8")
    Path("qrels.tsv").write_text("".join(f"q{n}\t{n}\t1\n" for n in range(5)), encoding="utf-8")

    def call(*argv: str) -> tuple[int, str, str]:
        code = main([*argv])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def filled(more: str = "", options: str = "") -> None:
    """The database `db` with 60 texts."""
    chance = random.Random(3)
    with qql.connect("db") as db:
        db.execute(f"CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64'{more}) {options}")
        rows = [{"id": n, "text": " ".join(chance.choices(WORDS, k=6))} for n in range(60)]
        if "tokens" in more:
            rows = [{**row, "vector": {"tokens": [[n + 1.0, 1.0], [1.0, n]]}} for n, row in enumerate(rows)]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})


def table(run: Run, *argv: str) -> dict[str, Any]:
    code, out, err = run(*TABLE, "--db", "db", *argv, "--format", "json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def stages(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in data["stages"]}


def test_each_configuration_is_measured_where_the_collection_has_what_it_needs(run: Run) -> None:
    filled(
        " WITH QUANTIZATION (type = scalar), tokens VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim)",
        "WITH OPTIMIZERS (indexing_threshold = 1) WITH HNSW (full_scan_threshold = 1)",
    )
    queries = [{**one, "tokens": [[1.0, 0.5]]} for one in QUERIES]
    Path("q.jsonl").write_text("".join(json.dumps(one) + "\n" for one in queries), encoding="utf-8")
    judged = ("--qrels", "qrels.tsv", "--rerank-model", "local/overlap")
    found = stages(table(run, "--queries", "q.jsonl", *judged))
    assert [*found] == [
        "Direct full vectors, exact",
        "Direct full vectors, HNSW",
        "Quantized only",
        "Quantized → Full",
        "Quantized → Full → Rerank",
        "Quantized → Full → Multivector",
    ]
    for one in found.values():
        assert one["not_here"] is None
        assert 0 < one["p50_ms"] <= one["p95_ms"]
        assert 0 <= one["recall"] <= 1
        assert [*one["measures"]] == ["nDCG@10"]
    assert found["Direct full vectors, exact"]["recall"] == 1
    assert found["Quantized → Full"]["recall"] >= found["Quantized only"]["recall"]


def test_what_is_shown_as_a_statement_is_what_was_asked(run: Run) -> None:
    filled(" WITH QUANTIZATION (type = scalar)")
    data = table(run, "--queries", "q.jsonl", "--rerank-model", "local/overlap")
    with qql.connect("db") as db:
        for one in data["stages"]:
            if not one["not_here"]:
                hits = db.execute(one["statement"].replace(":query", "'burn ward'")).hits
                assert len(hits) == 10, one["name"]
    assert data["suggests"]["statement"] == stages(data)["Quantized → Full → Rerank"]["statement"]


def test_what_a_collection_lacks_is_said_with_what_would_add_it(run: Run) -> None:
    filled()
    data = table(run, "--queries", "q.jsonl")
    found = stages(data)
    assert found["Quantized only"]["not_here"]["why"] == "the vector dense is not quantized"
    assert found["Full → Rerank"]["not_here"]["why"] == "no reranker is named"
    assert found["Full → Multivector"]["not_here"]["why"] == "the collection has no multivector"
    with qql.connect("db") as db:  # and what is said can be typed
        db.run(found["Quantized only"]["not_here"]["remedy"])
        db.run(found["Direct full vectors, HNSW"]["not_here"]["remedy"])
        db.run(found["Full → Multivector"]["not_here"]["remedy"].partition(", and")[0])
    after = stages(table(run, "--queries", "q.jsonl"))
    assert after["Quantized only"]["not_here"] is None
    assert after["Direct full vectors, HNSW"]["not_here"] is None
    assert "nothing says what colbert" in after["Quantized → Full → Multivector"]["not_here"]["why"]


def test_a_larger_vector_beside_the_quantized_one_is_the_full_one(run: Run) -> None:
    filled(" WITH QUANTIZATION (type = scalar), fine VECTOR MODEL 'local/hash-128'")
    found = stages(table(run, "--queries", "q.jsonl"))
    assert "USING fine" in found["Direct full vectors, exact"]["statement"]
    assert "USING dense" in found["Quantized only"]["statement"]
    refined = found["Quantized → Full"]["statement"]
    assert "USING fine PREFETCH (QUERY :query USING dense" in refined
    assert "LIMIT 500" in refined
    assert found["Quantized → Full"]["recall"] == 1  # all 60 points are candidates
    one = stages(table(run, "--queries", "q.jsonl", "--using", "fine"))
    assert "USING fine" in one["Direct full vectors, exact"]["statement"]
    assert "fine is not quantized" in one["Quantized only"]["not_here"]["why"]


def test_without_queries_points_of_the_collection_are_searched_for(run: Run) -> None:
    filled()
    found = stages(table(run))
    assert found["Direct full vectors, exact"]["recall"] == 1
    assert "POINT :id" in found["Direct full vectors, exact"]["statement"]
    assert found["Full → Rerank"]["not_here"]["why"] == "a reranker reads a text"


def test_people_see_the_table_what_is_not_here_and_the_limits(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    filled()
    code, out, err = run(*TABLE, "--db", "db", "--queries", "q.jsonl", "--format", "table")
    assert code == 0, err
    assert "Stages of docs, 60 points" in out
    assert "not here: Quantized only, Quantized → Full: the vector dense is not quantized;" in out
    [marked] = [line for line in out.splitlines() if "← docs" in line]
    assert marked.split("│")[1].strip() == "<100K"
    assert "Measured with" in out
    several_words = [line for line in out.splitlines() if " " in line.strip()]  # a long path stays whole
    assert max(map(len, several_words)) <= 80


def test_a_server_is_measured_as_the_embedded_engine_is(run: Run, fake_server: Any) -> None:
    server = fake_server("1.19.0")
    with qql.connect(server.url) as db:
        dense = "dense VECTOR MODEL 'local/hash-64' WITH QUANTIZATION (type = scalar)"
        db.execute(f"CREATE COLLECTION docs ({dense})")
        rows = [{"id": n, "text": f"{WORDS[n % 10]} {WORDS[n % 7]} {n}"} for n in range(60)]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
    code, out, err = run(*TABLE, "--url", server.url, "--queries", "q.jsonl", "--format", "json")
    assert code == 0, err
    data = json.loads(out)
    assert stages(data)["Quantized → Full"]["not_here"] is None
    assert data["stamp"]["engine"] == "Qdrant 1.19.0"
    assert data["stamp"]["client"].startswith("qdrant-client ")
    assert data["stamp"]["data"] == server.url


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["q.qql"], "makes its own pipelines"),
        (["--seconds", "1"], "exclude each other"),
        (["--recall", "5"], "exclude each other"),
        (["--qrels", "qrels.tsv"], "--qrels requires --queries"),
        (["--queries", "q.jsonl", "--measures", "nDCG@10"], "--measures requires --qrels"),
        (["--collection", "doc"], "there is no collection doc"),
        (["--using", "sparse"], "there is no dense vector sparse"),
        (["--param", "a=1"], "--param has no use here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_is_taken_and_then_ignored(run: Run, argv: list[str], said: str) -> None:
    filled()
    code, _, err = run(*TABLE, "--db", "db", *argv)
    assert code == 2
    assert said in err


def test_options_of_the_table_belong_to_it(run: Run) -> None:
    code, _, err = run("bench", "q.qql", "--db", "db", "--qrels", "qrels.tsv")
    assert code == 2
    assert "--qrels requires --stages-table" in err


def test_limits_grow_with_the_collection() -> None:
    assert [(limits_for(n).stage1, limits_for(n).stage2) for n in (0, 99_999, 100_000, 10**6, 10**7)] == [
        (500, 50),
        (500, 50),
        (1000, 100),
        (2000, 200),
        (5000, 500),
    ]
    assert all(one.stage1 == 10 * one.stage2 for one in STAGE_LIMITS)


# ------------------------------------------------------------------------------------------- the stamp


def stamp_of(db: Session, text: str = "QUERY 'burn' FROM docs USING dense LIMIT 1") -> dict[str, Any]:
    data = db.execute(f"EXPLAIN ANALYZE {text}").data
    assert isinstance(data, dict)
    found: dict[str, Any] = data["stamp"]
    return found


def test_a_stamp_says_what_figures_depend_on(run: Run) -> None:
    filled()
    with qql.connect("db") as db:
        stamp = stamp_of(db, "QUERY 'burn' FROM docs USING dense RERANK MODEL 'local/overlap' LIMIT 1")
    assert stamp["qql"] == qql.__version__
    assert stamp["engine"].startswith("qdrant-edge 0.")
    assert stamp["client"] is None
    assert [*stamp["models"]] == ["local/hash-64", "local/overlap"]
    assert stamp["data"] == str(Path("db").absolute())
    assert stamp["points"] == {"docs": 60}
    assert stamp["machine"]["cores"] >= 1
    assert stamp["machine"]["cpu"]


def test_every_report_carries_the_stamp(run: Run) -> None:
    filled()
    Path("p.qql").write_text("QUERY :query FROM docs USING dense LIMIT 5", encoding="utf-8")
    asked = ("p.qql", "--db", "db", "--queries", "q.jsonl", "--format", "json")
    stamps = []
    for argv in (
        ("bench", *asked, "--repeat", "1"),
        ("eval", *asked, "--qrels", "qrels.tsv"),
        ("tune", *asked, "--qrels", "qrels.tsv", "--grid", "root.limit=5,6"),
        (*TABLE, "--db", "db", "--format", "json"),
    ):
        code, out, err = run(*argv)
        assert code == 0, err
        stamps.append(json.loads(out)["stamp"])
    with qql.connect("db") as db:
        stamps.append(stamp_of(db))
    assert all(one["points"] == {"docs": 60} for one in stamps)
    assert all(one["machine"] == stamps[0]["machine"] for one in stamps)


def test_an_evaluation_of_run_files_alone_has_no_stamp(run: Run) -> None:
    Path("a.run").write_text("q0 Q0 0 1 1.0 a\n", encoding="utf-8")
    code, out, err = run("eval", "a.run", "--queries", "q.jsonl", "--qrels", "qrels.tsv", "--format", "json")
    assert code == 0, err
    assert json.loads(out)["stamp"] is None


def test_a_stamp_never_has_what_is_secret_in_an_address() -> None:
    with HttpRecorder() as recorder, qql.connect(recorder.url, api_key="hidden") as db:
        db.target = recorder.url.replace("://", "://user:hidden@") + "/?api-key=hidden"
        said = json.dumps(db.stamp().to_dict()) + "".join(db.stamp().lines())
    assert "hidden" not in said
    assert recorder.url.replace("://", "://***@") in said


def test_the_address_of_a_model_loses_what_is_secret_in_it(run: Run) -> None:
    filled()
    with qql.connect("db") as db:
        [one] = db.compile(
            "QUERY 'burn' FROM docs USING dense LIMIT 1"
            " RERANK MODEL 'http://user:hidden@host/v1?key=hidden#m'"
        )
        stamp = db.stamp(one)
    assert "hidden" not in json.dumps(stamp.to_dict())
    assert stamp.models["http://***@host/v1#m"] == "a service"
