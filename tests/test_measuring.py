"""`qql eval`, `bench` and `tune` on the embedded engine, and what settings do to a text."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from http_recorder import HttpRecorder, Received, Reply, ok

import qql
from qql import nodes
from qql.backends.edge import EdgeBackend
from qql.cli import main
from qql.cli.render import Renderer
from qql.errors import QQLConnectionError, QQLError, QQLTimeoutError
from qql.evaluation import Settable, read_qrels, read_queries, read_run
from qql.evaluation.pipelines import Pipeline
from qql.models.embed_request import embed_request
from qql.rest.request import Request
from qql.session.session import Session

EXAMPLES = Path(__file__).parent.parent / "examples"
EVALUATION = EXAMPLES / "evaluation"

Run = Callable[..., tuple[int, str, str]]

SETUP = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', words SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES
  {id: UUID('a'), text: 'emergency care for acute chest pain', key: 'A', lang: 'en', part: {of: 'x'}},
  {id: UUID('b'), text: 'urgent treatment of burns', key: 'B', lang: 'en', part: {of: 'x'}},
  {id: UUID('c'), text: 'how to plan an annual check-up', key: 'C', lang: 'en', part: {of: 'y'}},
  {id: UUID('d'), text: 'care of wounds after discharge', key: 'D', lang: 'de', part: {of: 'y'}},
  {id: UUID('e'), text: 'emergency numbers and when to call them', key: 'E', lang: 'de', part: {of: 'z'}};
"""
QUERIES = """\
{"_id": "q1", "text": "emergency: acute chest pain", "lang": "en", "near": {"vector": [1.0]}, "top": 1}
{"_id": "q2", "text": "burns", "lang": "en"}
{"_id": "q3", "text": "wounds", "lang": "de"}
"""
QRELS = "q1\ta\t2\nq1\te\t1\nq2\tb\t1\nq3\td\t1\nq3\tc\t0\n"
HYBRID = """
WITH named AS (QUERY :query USING words LIMIT 4), alike AS (QUERY :query USING dense LIMIT 4)
QUERY FUSION RRF FROM docs PREFETCH (named, alike) LIMIT 3
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "QQL_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a script that fills a database, queries, judgements and two pipelines."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "setup.qql": SETUP,
        "q.jsonl": QUERIES,
        "qrels.tsv": QRELS,
        "words.qql": "QUERY :query FROM docs USING words LIMIT 3",
        "hybrid.qql": HYBRID,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: str) -> tuple[int, str, str]:
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return call


ASKED = ("--setup", "setup.qql", "--queries", "q.jsonl")
JUDGED = (*ASKED, "--qrels", "qrels.tsv")


@pytest.fixture
def evaluated(here: Path, run: Run) -> Callable[..., dict[str, Any]]:
    """The JSON of an evaluation."""

    def call(*argv: str) -> dict[str, Any]:
        code, out, err = run("eval", *argv, *JUDGED, "--format", "json")
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    return call


def pipeline(text: str, name: str = "p.qql") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def per_query(data: dict[str, Any], measure: str, at: int = 0) -> dict[str, float]:
    return {query: values[measure] for query, values in data["pipelines"][at]["per_query"].items()}


# ------------------------------------------------------------------------------------- a real test collection


def load_stdlib_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stdlib_docs", EXAMPLES / "stdlib_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def top(module: str) -> str:
    return module.partition(".")[0]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the part of the standard library that the example's judgements are about."""
    folder = tmp_path_factory.mktemp("library")
    docs = folder / "docs.jsonl"
    judged = {doc.split(".")[0] for rels in read_qrels(EVALUATION / "qrels.tsv").values() for doc in rels}
    judged -= {"unittest", "statistics", "xml", "email"} - {"statistics", "xml"}
    judged |= {"unittest"}
    library = load_stdlib_docs()
    with pytest.MonkeyPatch.context() as patch:  # the whole library takes some time to read
        sources, extensions = library.sources, library.extensions
        patch.setattr(library, "sources", lambda root: [s for s in sources(root) if top(s[0]) in judged])
        patch.setattr(library, "extensions", lambda: [name for name in extensions() if top(name) in judged])
        docs.write_text("\n".join(map(json.dumps, library.rows())), encoding="utf-8")
    script = (EXAMPLES / "stdlib.qql").read_text(encoding="utf-8").partition("COUNT FROM")[0]
    with qql.connect(folder / "db") as db:
        db.run(script, {"docs": str(docs)})
    return folder / "db"


NAMES = ("bm25", "dense", "hybrid", "reranked")


@pytest.mark.slow
def test_the_example_agrees_with_an_independent_implementation(
    library: Path, run: Run, tmp_path: Path
) -> None:
    irm = pytest.importorskip("ir_measures")
    measures = [
        *(irm.nDCG(cutoff=10), irm.P(cutoff=5), irm.P(rel=2, cutoff=5), irm.R(cutoff=100), irm.RR(cutoff=10)),
        *(irm.AP(), irm.AP(rel=2), irm.Success(cutoff=1), irm.Rprec()),
    ]
    code, out, err = run(
        *("eval", *(str(EVALUATION / f"{name}.qql") for name in NAMES), "--db", str(library)),
        *("--queries", str(EVALUATION / "queries.jsonl"), "--qrels", str(EVALUATION / "qrels.tsv")),
        *("--measures", " ".join(map(str, measures)), "--run-dir", str(tmp_path), "--format", "json"),
    )
    assert code == 0
    assert "absent-documents" not in err  # every judged name is there, whatever Python this is
    data = json.loads(out)
    qrels = read_qrels(EVALUATION / "qrels.tsv")
    assert [one["name"] for one in data["pipelines"]] == [*NAMES]
    compared = 0
    for one in data["pipelines"]:
        with Path(one["run"]).open(encoding="utf-8") as file:
            result = irm.calc(measures, qrels, list(irm.read_trec_run(file)))
        for measure, mean in result.aggregated.items():
            assert one["measures"][str(measure)] == pytest.approx(mean, abs=1e-6)
        for metric in result.per_query:
            mine = one["per_query"][metric.query_id][str(metric.measure)]
            assert mine == pytest.approx(metric.value, abs=1e-6)
            compared += 1
    assert compared == len(NAMES) * len(measures) * len(qrels)
    best = {one["name"]: one["measures"]["nDCG@10"] for one in data["pipelines"]}
    assert best["bm25"] > 0.3 and best["hybrid"] > best["dense"]


def test_the_examples_questions_are_judged() -> None:
    queries, qrels = read_queries(EVALUATION / "queries.jsonl"), read_qrels(EVALUATION / "qrels.tsv")
    assert [query.id for query in queries] == list(qrels)
    assert all(max(judged.values()) == 2 for judged in qrels.values())
    assert {rel for judged in qrels.values() for rel in judged.values()} == {0, 1, 2}


# ------------------------------------------------------------------------------------------------------- eval


def test_a_table_that_a_person_reads(here: Path, run: Run) -> None:
    code, out, err = run(
        "eval", "words.qql", "hybrid.qql", *JUDGED, "--stages", "--per-query", "--measures", "nDCG@3 R@3 RR"
    )
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Quality over 3 judged queries"
    (row,) = [line for line in lines[:8] if line.startswith("│ words")]
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["words", "1.0000 *", "1.0000 *", "1.0000 *"]
    assert "Against words" in lines and "Each query" in lines
    assert "Where hybrid loses relevant documents" in lines
    assert "Where words loses relevant documents" not in lines  # it has one stage
    assert any("chance?" in line for line in lines)


def test_points_are_documents_by_their_uuid(evaluated: Callable[..., dict[str, Any]]) -> None:
    data = evaluated("words.qql", "--measures", "R@3 P@1,RR")
    assert data["measures"] == ["R@3", "P@1", "RR"]
    assert per_query(data, "R@3") == {"q1": 1, "q2": 1, "q3": 1}
    assert (data["version"], data["baseline"], data["notes"]) == (1, None, [])


def test_points_are_documents_by_a_field(evaluated: Callable[..., dict[str, Any]]) -> None:
    Path("qrels.tsv").write_text("q1\tx\t1\nq2\tx\t1\nq3\ty\t1\n")
    data = evaluated("hybrid.qql", "--doc-id", "part.of", "--measure", "P@1", "--stages", "--run-dir", "runs")
    assert per_query(data, "P@1") == {"q1": 1, "q2": 1, "q3": 1}
    found = read_run("runs/hybrid.run")
    assert len({hit.doc for hit in found["q1"]}) == len(found["q1"]) <= 3  # two points are one document
    stages = {stage["stage"]: stage for stage in data["pipelines"][0]["stages"]["stages"]}
    assert stages["alike"]["documents"] < 4  # of four points each


def test_every_field_of_a_query_is_a_parameter(evaluated: Callable[..., dict[str, Any]]) -> None:
    data = evaluated(pipeline("QUERY :query FROM docs USING words WHERE lang = :lang LIMIT 3"))
    assert per_query(data, "R@100") == {"q1": 0.5, "q2": 1, "q3": 1}  # the other one is in German
    data = evaluated(
        pipeline("QUERY :query FROM docs USING words WHERE lang = :wanted LIMIT :n"),
        *("--param", "wanted=de", "--param", "n=2"),
    )
    assert per_query(data, "R@100") == {"q1": 0.5, "q2": 0, "q3": 1}


def test_vectors_computed_elsewhere(evaluated: Callable[..., dict[str, Any]]) -> None:
    with qql.connect() as db:
        texts = {"q1": "emergency: acute chest pain", "q2": "burns", "q3": "wounds"}
        vectors = {
            q: db.embedders.get("local/hash-64").embed([text], "query")[0] for q, text in texts.items()
        }
    rows = [{"id": query, "at": {"v": vector}} for query, vector in vectors.items()]
    Path("q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ours = evaluated(pipeline("QUERY VECTOR :at.v FROM docs USING dense LIMIT 3"))
    Path("q.jsonl").write_text(QUERIES)
    theirs = evaluated(pipeline("QUERY :query FROM docs USING dense LIMIT 3"))
    assert per_query(ours, "nDCG@10") == per_query(theirs, "nDCG@10")


@pytest.mark.parametrize(
    ("text", "argv", "code", "said"),
    [
        ("QUERY :qury FROM docs LIMIT 3", [], "missing-parameter", "q.jsonl:1: the query 'q1' has no `qury`"),
        (
            "QUERY :query FROM docs WHERE n = :top",
            [],
            "missing-parameter",
            "q.jsonl:2: the query 'q2' has no",
        ),
        ("QUERY ? FROM docs LIMIT 3", [], "wrong-parameters", ":query for the text"),
        ("QUERY 'x' FROM docs USING words", [], "wrong-parameters", "asks the same whatever the query is"),
        (
            "QUERY :query FROM docs USING words WHERE lang = :lang",
            ["--param", "lang=de"],
            "wrong-parameters",
            "q.jsonl:1: the query 'q1' has a field `lang`, and so has --param",
        ),
        ("QUERY :query FROM docs USING words", ["--param", "lan=de"], "unknown-parameter", ":lan"),
        ("QUERY :query FROM docs USING words", ["--param", "1=de"], "usage", "have names"),
        ("QUERY :query FROM docs USING words; COUNT FROM docs", [], "no-pipeline", "COUNT FROM docs"),
        ("DROP COLLECTION docs", [], "no-pipeline", "no part of a pipeline"),
        ("-- nothing yet", [], "no-pipeline", "p.qql holds none"),
        ("QUERY :query FROM docs; QUERY :query FROM docs", [], "no-pipeline", "p.qql holds 2"),
        ("QUERY :query FROM dogs", [], "unknown-collection", "dogs"),
        ("QUERY :query FORM docs", [], "syntax", "FORM"),
    ],
)
def test_faults_of_a_pipeline(here: Path, run: Run, text: str, argv: list[str], code: str, said: str) -> None:
    exit_code, out, err = run("eval", pipeline(text), *JUDGED, *argv)
    assert exit_code in (2, 3) and out == ""
    assert f"error[{code}]" in err and said in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["eval"], "requires a pipeline"),
        (["eval", "words.qql"], "requires --queries"),
        (["eval", "words.qql", "--queries", "q.jsonl"], "requires --qrels"),
        (["eval", "words.qql", "--queries", "q.jsonl", "--qrels", "qrels.tsv"], "no database to measure"),
        (["eval", "words.qql", "words.qql", *JUDGED], "words.qql is named twice"),
        (["eval", "words.qql", *JUDGED, "--on-error", "go"], "stop or skip"),
        (["eval", "words.qql", *JUDGED, "--baseline", "wrds"], "did you mean `words`?"),
        (["eval", "words.qql", *JUDGED, "--measure", "nDCK@10"], "there is no measure `nDCK`"),
        (["eval", "words.qql", *JUDGED, "--measures", " ,"], "--measures requires a value"),
        (["eval", "words.qql", *JUDGED, "--measures", "ndcg_cut_10"], "as in nDCG@10"),
        (["eval", "words.qql", *JUDGED, "--queries", "no.jsonl"], "the file no.jsonl cannot be read"),
        (["eval", "nothing.run", *JUDGED], "cannot read nothing.run"),
        (["eval", "words.qql", *JUDGED, "-o", "no/such/file"], "cannot write no/such/file"),
        (["eval", "words.qql", *JUDGED, "--run-dir", "words.qql"], "cannot write into words.qql"),
        (["eval", "words.qql", *JUDGED, "--limit-queries", "0"], "a whole number from 1 is required"),
        (["eval", "words.qql", *ASKED, "--qrels", "q.jsonl"], "q.jsonl:1"),
        (["eval", "-", *JUDGED, "--setup", "-"], "standard input can be read only once"),
        (["eval", "words.qql", *JUDGED, "--repeat", "3"], "--repeat has no meaning for `qql eval`"),
        (["bench"], "requires a pipeline"),
        (["bench", "words.qql", "--setup", "setup.qql"], "words.qql has :query"),
        (["bench", "words.qql", *ASKED, "--repeat", "2", "--seconds", "1"], "exclude each other"),
        (["bench", "words.qql", *ASKED, "--concurrency", "2"], "holds the interpreter while it works"),
        (["bench", "words.qql", *ASKED, "--recall", "10"], "words has 3 hits, too few for --recall 10"),
        (["tune", "words.qql", *JUDGED], "--grid NAME=VALUE,VALUE names what to try; there are root.limit"),
        (["tune", "hybrid.qql", *JUDGED, "--ties", "rank"], "--ties takes id, doc, best, worst"),
        (["tune", "words.qql", "hybrid.qql", *JUDGED, "--grid", "root.limit=1"], "takes one pipeline"),
        (["tune", "words.qql", *JUDGED, "--grid", "root.limit"], "names no values to try"),
        (["tune", "words.qql", *JUDGED, "--grid", "root.limit=1,0"], "root.limit=0: LIMIT takes"),
        (["tune", "words.qql", *JUDGED, "--grid", "root.lmit=1"], "did you mean `limit`?"),
        (["tune", "words.qql", *JUDGED, "--grid", "named.limit=1"], "there is no stage `named`"),
        (["tune", "words.qql", *JUDGED, "--grid", "n=1"], "there is no parameter `n`"),
        (["tune", "words.qql", *JUDGED, "--grid", "query=a,b"], "is a field of the queries, too"),
        (["tune", "hybrid.qql", *JUDGED, "--grid", "root.k=1", "--grid", "root.rrf_k=2"], "is given twice"),
        (["tune", "words.qql", *JUDGED, "--grid", "root.limit=1", "--latency", "p9"], "takes p50 or p95"),
        (["tune", "words.qql", *JUDGED, "--grid", "root.limit=1", "--holdout", "0.05"], "leaves no query"),
        (["tune", "words.qql", *JUDGED, "--grid", "root.limit=1", "--holdout", "1"], "between 0 and 1"),
        (
            ["tune", "words.qql", *JUDGED, "--grid", "root.limit=1,2,3", "--max-settings", "2"],
            "--sample N tries N of them",
        ),
    ],
)
def test_wrong_usage(here: Path, run: Run, argv: list[str], said: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert said in err and "internal error" not in err


def test_a_query_that_fails_is_named_and_nothing_is_written(here: Path, run: Run) -> None:
    rows = [{"id": "q1", "v": [0.5] * 64}, {"id": "q2", "v": [1, 2]}]
    Path("q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    bad = pipeline("QUERY VECTOR :v FROM docs USING dense LIMIT 3")
    code, out, err = run("eval", bad, *JUDGED, "--run-dir", "runs", "-o", "out.json")
    assert code == 3 and out == "" and "p, query 'q2' (q.jsonl:2): " in err
    assert list(Path("runs").iterdir()) == [] and not Path("out.json").exists()
    code, out, err = run("eval", bad, *JUDGED, "--run-dir", "runs", "--on-error", "skip", "--format", "json")
    (one,) = json.loads(out)["pipelines"]
    assert code == 0 and list(one["skipped"]) == ["q2"] and one["empty"] == ["q2"]
    assert "p: 1 query failed and so found nothing" in err
    assert list(read_run("runs/p.run")) == ["q1"]


def test_ctrl_c_leaves_whole_run_files(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = Pipeline.answer

    def answer(self: Pipeline, compiled: Any) -> Any:
        asked.append(self.name)
        if len(asked) == 5:
            raise KeyboardInterrupt
        return real(self, compiled)

    monkeypatch.setattr(Pipeline, "answer", answer)
    code, out, err = run("eval", "words.qql", "hybrid.qql", *JUDGED, "--run-dir", "runs")
    assert code == 130
    assert "judged queries (incomplete)" in out and "│ words " in out and "hybrid" not in out
    assert "interrupted: 1 of 2 pipelines were measured" in err
    assert [path.name for path in Path("runs").iterdir()] == ["words.run"]
    assert list(read_run("runs/words.run")) == ["q1", "q2", "q3"]


def test_run_files_are_compared_with_pipelines(evaluated: Callable[..., dict[str, Any]], run: Run) -> None:
    first = evaluated("words.qql", "--run-dir", "runs")
    Path("runs/words.run").rename("old")
    Path("worse.run").write_text("q1 Q0 c 1 0.5 other\nother Q0 a 1 0.5 other\n")
    data = evaluated("old", "worse.run", "words.qql", "--baseline", "worse.run")
    assert [one["name"] for one in data["pipelines"]] == ["old", "worse", "words"]
    assert data["pipelines"][0]["per_query"] == data["pipelines"][2]["per_query"]
    assert data["pipelines"][0]["per_query"] == first["pipelines"][0]["per_query"]
    assert per_query(data, "RR@10", 1) == {"q1": 0, "q2": 0, "q3": 0}
    assert (data["pipelines"][0]["times"], data["baseline"]) == (None, "worse")
    assert {c["baseline"] for c in data["comparisons"]} == {"worse"}
    # Run files alone need no database.
    code, out, _ = run("eval", "old", "worse.run", "--queries", "q.jsonl", "--qrels", "qrels.tsv")
    assert code == 0 and "│ worse " in out
    code, _, err = run("eval", "old", *JUDGED)
    assert code == 2 and "--setup has no meaning for run files alone" in err


COPIED = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', words SPARSE MODEL 'qdrant/bm25');
COPY docs FROM 'corpus.jsonl' {map};
"""


@pytest.fixture
def copied(here: Path) -> Callable[[str], None]:
    """Writes a setup that copies a corpus as BEIR has it."""
    texts = ["acute chest pain", "burns and chest wounds", "check-up", "wounds", "chest numbers", "pain"]
    rows = [{"_id": f"MED-{at}", "title": "chest", "text": text} for at, text in enumerate(texts)]
    Path("corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Path("qrels.tsv").write_text("q1\tMED-0\t1\nq2\tMED-1\t1\nq3\tMED-3\t1\n")

    def set_up(mapping: str) -> None:
        Path("setup.qql").write_text(COPIED.replace("{map}", mapping))

    return set_up


@pytest.mark.parametrize("payload", ["", "WITH PAYLOAD (title)", "WITH PAYLOAD FALSE"])
def test_run_files_have_the_names_of_documents_that_nobody_judged(
    copied: Callable[[str], None], evaluated: Callable[..., dict[str, Any]], payload: str
) -> None:
    copied("MAP (id = UUID(_id))")
    data = evaluated(pipeline(f"QUERY :query FROM docs USING dense {payload} LIMIT 6"), "--run-dir", "runs")
    found = read_run("runs/p.run")
    assert all({hit.doc for hit in hits} == {f"MED-{at}" for at in range(6)} for hits in found.values())
    again = evaluated("runs/p.run", pipeline("QUERY :query FROM docs USING dense", "q.qql"))
    assert per_query(data, "RR@10") == per_query(again, "RR@10")


def test_names_that_no_run_file_can_have_stay_ids(
    copied: Callable[[str], None], evaluated: Callable[..., dict[str, Any]]
) -> None:
    copied("MAP (id = UUID(text))")
    Path("qrels.tsv").write_text("q1\twounds\t1\n")
    evaluated(pipeline("QUERY :query FROM docs USING dense"), "--run-dir", "runs")
    docs = {hit.doc for hits in read_run("runs/p.run").values() for hit in hits}
    assert {"wounds", "pain", "check-up"} <= docs and len(docs) == 6
    assert {nodes.is_uuid(doc) for doc in docs - {"wounds", "pain", "check-up"}} == {True}


@pytest.mark.parametrize("command", ["eval", "tune"])
def test_documents_that_are_all_absent_are_said_first(
    copied: Callable[[str], None], run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    copied("")  # the ids are those of the contents
    text = pipeline("QUERY :query FROM docs USING dense")
    grid = ["--grid", "root.limit=1,2"] if command == "tune" else []
    with monkeypatch.context() as patched:
        patched.setattr(Pipeline, "ask", lambda *_: pytest.fail("a query was asked"))
        code, out, err = run(command, text, *JUDGED, *grid)
    assert (code, out) == (1, "")
    assert "no point of `docs` has the id of a judged document: MED-0, MED-1, MED-3" in err
    assert "--doc-id _id goes by that" in err
    assert run(command, text, *JUDGED, *grid, "--doc-id", "_id")[0] == 0


def test_documents_that_a_part_of_a_collection_lacks_are_a_warning(
    copied: Callable[[str], None], run: Run
) -> None:
    copied("MAP (id = UUID(_id))")
    Path("qrels.tsv").write_text("q1\tMED-99\t1\nq2\tMED-1\t1\n")
    text = pipeline("QUERY :query FROM docs USING dense")
    code, _, err = run("eval", text, *JUDGED, "--limit-queries", "1")
    assert code == 0 and "`docs` lacks 1 of 1 relevant document, so that no query finds them: MED-99" in err


def test_equal_scores_do_not_make_figures_vary(here: Path, run: Run) -> None:
    rows = ", ".join(f"{{id: {at}, text: 'care of burns'}}" for at in range(1, 40))
    Path("setup.qql").write_text(SETUP.partition("UPSERT")[0] + f"UPSERT INTO docs VALUES {rows}")
    Path("qrels.tsv").write_text("".join(f"q{at}\t{at * 7}\t1\n" for at in (1, 2, 3)))
    text = "WITH s AS (QUERY :query USING dense LIMIT 39) QUERY FUSION DBSF FROM docs PREFETCH (s) LIMIT 39"
    found = []
    for _ in range(2):
        assert run("eval", pipeline(text), *JUDGED, "--run-dir", "runs", "-q")[0] == 0
        found.append(read_run("runs/p.run"))
    assert found[0] == found[1]
    assert [hit.doc for hit in found[0]["q1"]] == [str(at) for at in range(1, 40)]


def test_a_terminal_of_eighty_columns_holds_the_tables(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Renderer.__init__

    def narrow(self: Renderer, *args: Any, **given: Any) -> None:
        real(self, *args, **{**given, "width": 80})

    monkeypatch.setattr(Renderer, "__init__", narrow)
    for argv in (
        ["eval", "words.qql", "hybrid.qql", *JUDGED],
        ["bench", "words.qql", "hybrid.qql", *ASKED],
        ["tune", "hybrid.qql", *JUDGED, "--grid", "root.k=2,60", "--holdout", "0.4"],
        ["diff", "words.qql", "hybrid.qql", *ASKED],
    ):
        _, out, _ = run(*argv)
        assert max(map(len, out.splitlines())) <= 80
        assert "──[ 1 ]" not in out and "long values are cut" not in out


def test_where_a_pipeline_loses_documents(evaluated: Callable[..., dict[str, Any]]) -> None:
    text = """
    WITH named AS (QUERY :query USING words WHERE lang = :lang LIMIT 2),
         alike AS (QUERY :query USING dense WHERE lang = :lang LIMIT 5)
    QUERY FUSION RRF FROM docs PREFETCH (named WHERE lang = :lang, alike)
    RERANK :query MODEL 'local/overlap' TOP 1 LIMIT 3
    """
    data = evaluated(pipeline(text), "--stages", "--measure", "R@10")
    found = data["pipelines"][0]["stages"]
    stages = {stage["stage"]: stage for stage in found["stages"]}
    # The label holds the value of a parameter, which is not the same for all queries.
    assert list(stages) == ["named", "alike", "root", "rerank"]
    assert stages["root"]["inputs"] == ["named", "alike"] and stages["rerank"]["inputs"] == ["root"]
    # e is in German, so that no stage of q1 finds it.
    assert found["lost"] == {"q1": {"e": None}}
    assert (found["kept"], found["never"]) == (pytest.approx(5 / 6), pytest.approx(1 / 6))
    assert stages["rerank"]["found"] == pytest.approx(data["pipelines"][0]["measures"]["R@10"])


def test_documents_lost_at_the_limit(evaluated: Callable[..., dict[str, Any]]) -> None:
    text = "WITH s AS (QUERY :query USING words LIMIT 5) QUERY FUSION RRF FROM docs PREFETCH (s) LIMIT 1"
    found = evaluated(pipeline(text), "--stages")["pipelines"][0]["stages"]
    assert list(found["lost"]) == ["q1"]
    ((_, stage),) = found["lost"]["q1"].items()
    assert stage == "root"
    assert found["kept"] + found["never"] + sum(s["lost"] for s in found["stages"]) == pytest.approx(1)


def test_groups_are_ranked_one_after_the_other(evaluated: Callable[..., dict[str, Any]]) -> None:
    text = "QUERY :query FROM docs USING dense GROUP BY lang SIZE 2 LIMIT 2"
    data = evaluated(pipeline(text), "--stages", "--run-dir", "runs")
    languages = {**dict.fromkeys("abc", "en"), **dict.fromkeys("de", "de")}
    docs = [hit.doc for hit in read_run("runs/p.run")["q2"]]
    assert docs[0] == "b" and [languages[doc] for doc in docs] == ["en", "en", "de", "de"]
    assert data["pipelines"][0]["stages"]["stages"][0]["documents"] == 4


def test_what_could_be_noticed(here: Path, run: Run) -> None:
    Path("qrels.tsv").write_text(QRELS + "q3\tgone\t1\nq9\ta\t1\n")
    Path("q.jsonl").write_text(QUERIES + '{"_id": "q4", "text": "care"}\n')
    code, _, err = run("eval", pipeline("QUERY :query FROM docs USING words WHERE lang = 'en'"), *JUDGED)
    assert code == 0
    assert "`docs` lacks 1 of 5 relevant documents, so that no query finds them: gone" in err
    assert "1 query has no judgements and does not count: q4" in err
    assert "there are judgements of 1 query that were not asked: q9" in err
    assert "p: 1 query found nothing: q3" in err


def test_measures_that_look_further_than_the_hits_go(here: Path, run: Run) -> None:
    _, _, err = run("eval", "words.qql", *JUDGED)
    assert "words: R@100 sees 3 hits, for that is its LIMIT" in err
    assert run("eval", "words.qql", *JUDGED, "--measure", "R@3 RR")[2] == ""


def test_what_fails_for_every_query_fails(here: Path, run: Run) -> None:
    bad = pipeline("QUERY :query FROM docs USING wrods LIMIT 3")
    code, out, err = run("eval", bad, *JUDGED, "--on-error", "skip")
    assert (code, out) == (3, "") and "p, query 'q1' (q.jsonl:1): " in err and "wrods" in err


@pytest.mark.parametrize(("kind", "code"), [(QQLTimeoutError, 0), (QQLConnectionError, 4)])
def test_a_query_that_times_out_is_skipped_and_a_lost_connection_is_not(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch, kind: type[QQLError], code: int
) -> None:
    answered, call = [], EdgeBackend.call

    def fail_once(self: EdgeBackend, request: Request) -> Any:
        if request.path.endswith("/points/query"):
            answered.append(request)
            if len(answered) == 2:
                raise kind.make("gone", "no word of the server")
        return call(self, request)

    monkeypatch.setattr(EdgeBackend, "call", fail_once)
    assert run("eval", "words.qql", *JUDGED, "--on-error", "skip")[0] == code
    assert (len(answered) > 2) is (code == 0)


def test_what_cannot_be_in_a_run_file_is_said_first(here: Path, run: Run) -> None:
    pipeline("QUERY :query FROM docs USING words", "a b.qql")
    pipeline("QUERY :query FROM docs USING words", "a_b.qql")
    code, _, err = run("eval", "a b.qql", "a_b.qql", *JUDGED, "--run-dir", "runs")
    assert code == 2 and "a b and another pipeline would be written to a_b.run" in err
    Path("qrels.tsv").write_text("q1\ta b\t1\n")
    code, _, err = run("eval", "words.qql", *JUDGED, "--run-dir", "runs")
    assert code == 2 and "the id 'a b' has spaces" in err


def test_formats_and_files(here: Path, run: Run) -> None:
    code, out, _ = run("eval", "words.qql", "hybrid.qql", *JUDGED, "--per-query", "-o", "out.csv")
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text())))
    assert (code, out) == (0, "")
    assert [(row["pipeline"], row["query"]) for row in rows] == [
        (name, query) for name in ("words", "hybrid") for query in ("q1", "q2", "q3")
    ]
    _, out, _ = run("eval", "words.qql", *JUDGED, "--format", "jsonl", "--measure", "P@1")
    row = json.loads(out)
    assert row.pop("p50 ms") > 0 and row.pop("p95 ms") > 0
    assert row == {"pipeline": "words", "P@1": 1.0}
    run("eval", "words.qql", "hybrid.qql", *JUDGED, "-o", "out.md")
    assert Path("out.md").read_text().startswith("### Quality over 3 judged queries\n\n| pipeline | nDCG@10")
    assert (
        json.loads(run("eval", "words.qql", *JUDGED, "--limit-queries", "1", "--format", "json")[1])[
            "pipelines"
        ][0]["queries"]
        == 1
    )


@pytest.mark.parametrize("command", ["eval", "bench", "tune"])
def test_the_help_shows_how(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0 and f"qql {command} " in out and "--queries FILE" in out
    assert "formats: table, vertical, markdown, json, jsonl, csv" in out


# ------------------------------------------------------------------------------------------------------ bench


def test_times_of_pipelines(here: Path, run: Run) -> None:
    code, out, err = run("bench", "words.qql", "hybrid.qql", *ASKED, "--repeat", "4", "--format", "json")
    assert code == 0
    assert "with fewer than 100 calls, p99 is the slowest of them: words, hybrid" in err
    for one in json.loads(out)["pipelines"]:
        times, steps = one["times"], one["steps"]
        assert times["calls"] == 12
        assert 0 < times["min_ms"] <= times["p50_ms"] <= times["p95_ms"] <= times["p99_ms"] <= times["max_ms"]
        assert times["queries_per_second"] > 0
        assert all(steps[f"{step}_ms"] > 0 for step in ("compile", "embed", "engine"))
        assert one["recall"] == {"k": 3, "mean": 1.0, "min": 1.0, "per_query": [1.0, 1.0, 1.0]}
    _, out, _ = run("bench", "words.qql", *ASKED)
    assert "Milliseconds of a call" in out and "│   102 │" in out  # 34 times three queries


def test_a_pipeline_without_queries(here: Path, run: Run) -> None:
    code, out, _ = run(
        *("bench", "words.qql", "--setup", "setup.qql", "--param", "query=burns", "--recall", "0"),
        *("--seconds", "0.05", "--warmup", "0", "--format", "json"),
    )
    (one,) = json.loads(out)["pipelines"]
    assert code == 0 and one["recall"] is None and one["times"]["calls"] >= 1


@pytest.fixture
def quantized() -> Iterator[tuple[Session, list[list[float]]]]:
    dice = random.Random(1)
    vectors = [[dice.gauss(0, 1) for _ in range(16)] for _ in range(300)]
    with qql.connect() as db:
        db.execute("CREATE COLLECTION docs (v VECTOR(16, COSINE) WITH QUANTIZATION (type = binary))")
        rows = [{"id": at, "vector": {"v": vector}} for at, vector in enumerate(vectors)]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        db.execute("OPTIMIZE docs")
        yield db, vectors


def test_exact_search_is_that_of_the_vectors(quantized: tuple[Session, list[list[float]]]) -> None:
    db, vectors = quantized
    asked = [1.0] * 16
    rough = Pipeline(db, "QUERY :v FROM docs LIMIT 10 PARAMS (quantization = {rescore: false})")

    def cosine(at: int) -> float:
        vector = vectors[at]
        return sum(vector) / sum(x * x for x in vector) ** 0.5

    best = sorted(range(len(vectors)), key=cosine, reverse=True)
    assert rough.ask_exactly({"v": asked}).ids == best[:10]
    assert rough.ask_exactly({"v": asked}, 5).ids == best[:15]
    assert rough.ask({"v": asked}).ids != best[:10]


def test_a_second_stage_reads_as_many_candidates_as_ever(here: Path) -> None:
    with qql.connect() as db:
        db.run(SETUP)
        reranked = Pipeline(db, "QUERY :q FROM docs USING dense RERANK MODEL 'local/overlap' TOP 2 LIMIT 4")
        exact = reranked.ask_exactly({"q": "burns"}, 50)
        assert (exact.requests[0].body or {})["limit"] == 4
        result, steps = reranked.timed({"q": "burns"})
        assert result.ids == exact.ids == reranked.ask({"q": "burns"}).ids
        assert len(result) == 2 and result.hits[0].second_stage_score is not None
        assert steps.rerank > 0 and steps.embed > 0


def server(received: Received) -> Reply:
    if received.method == "GET":
        config = {"params": {"vectors": {"dense": {"size": 2, "distance": "Cosine"}}}}
        return ok({"config": config, "points_count": 3, "status": "green"})
    return ok({"points": [{"id": 1, "version": 0, "score": 0.5}]})


def test_calls_at_the_same_time_have_sessions_of_their_own(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qql.cli.commands.bench as benching

    made: list[Session] = []
    real = benching.open_session
    monkeypatch.setattr(
        benching, "open_session", lambda *args, **more: made.append(real(*args, **more)) or made[-1]
    )
    with HttpRecorder(otherwise=server) as recorder:
        code, out, err = run(
            *("bench", pipeline("QUERY [1, 0] FROM docs USING dense LIMIT 3"), "--url", recorder.url),
            *("--concurrency", "3", "--repeat", "30", "--format", "json"),
        )
    assert code == 0, err
    (one,) = json.loads(out)["pipelines"]
    assert one["times"]["calls"] == 30 and one["recall"]["mean"] == 1
    assert len(made) == 2  # beside the one that all commands have
    exact = [r.body for r in recorder.received if r.method == "POST" and "params" in (r.body or {})]
    assert [body["params"] for body in exact] == [{"exact": True}]


# ------------------------------------------------------------------------------------------------------- tune


def tuned(run: Run, *argv: str) -> dict[str, Any]:
    code, out, err = run("tune", *argv, *JUDGED, "--format", "json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_grid_of_settings(here: Path, run: Run) -> None:
    data = tuned(run, "hybrid.qql", "--grid", "named.limit=1,4", "--grid", "ROOT.K=2,60", "--measure", "R@3")
    tried = [one["values"] for one in data["tried"]]
    assert tried == [
        {"named.limit": 4, "root.rrf_k": None},
        *({"named.limit": limit, "root.rrf_k": k} for limit in (1, 4) for k in (2, 60)),
    ]
    assert [one["current"] for one in data["tried"]] == [True, False, False, False, False]
    best = max(one["measures"]["R@3"] for one in data["tried"])
    assert any(one["front"] for one in data["tried"] if one["measures"]["R@3"] == best)
    front = [one["values"] for one in data["tried"] if one["front"]]
    listed = [values for one in data["best"] for values in (one["values"], *one["equals"])]
    assert len(front) == len(listed) and all(values in listed for values in front)
    for one in data["tried"]:
        assert set(one["per_query"]) == {"q1", "q2", "q3"} == set(one["times"]["per_query"])
        assert sum(of["R@3"] for of in one["per_query"].values()) / 3 == pytest.approx(one["measures"]["R@3"])
        rounds = len(one["times"]["rounds"])
        assert rounds >= 3 and {len(each) for each in one["times"]["per_query"].values()} == {rounds}
    # What is printed says what was tried.
    (text,) = [
        one["script"] for one in data["tried"] if one["values"] == {"named.limit": 1, "root.rrf_k": 60}
    ]
    (request,) = qql.compile(text, {"query": "x"}, models={"dense": "local/hash-64", "words": "qdrant/bm25"})
    body = request.body or {}
    assert (body["query"], body["prefetch"][0]["limit"]) == ({"rrf": {"k": 60}}, 1)


def test_a_grid_of_parameters(here: Path, run: Run) -> None:
    text = HYBRID.replace("LIMIT 3", "LIMIT :n")
    data = tuned(run, pipeline(text), "--grid", "n=1,3", "--param", "n=2", "--measure", "R@3")
    assert [(one["values"]["n"], one["current"]) for one in data["tried"]] == [
        (2, True),
        (1, False),
        (3, False),
    ]
    recall = [one["measures"]["R@3"] for one in data["tried"]]
    assert recall[1] < recall[2]
    data = tuned(
        run, pipeline(text), "--grid", "n=1,3"
    )  # without a value of its own it cannot be run as it is
    assert [one["current"] for one in data["tried"]] == [False, False]
    _, out, err = run("tune", pipeline(text), *JUDGED, "--grid", "n=1,3", "--measure", "R@3")
    assert out.splitlines()[0] == "The best of 2 settings, by R@3 and p50"
    assert "-- --param n=3" in out and "--holdout 0.3 keeps some apart" in err


def test_some_settings_and_some_queries(here: Path, run: Run) -> None:
    argv = ("hybrid.qql", "--grid", "root.limit=1,2,3,4,5,6,7,8,9", "--sample", "3", "--holdout", "0.3")
    data = tuned(run, *argv)
    assert len(data["tried"]) in (3, 4)  # the current one may be among those drawn
    assert [one["values"] for one in data["tried"]] == [one["values"] for one in tuned(run, *argv)["tried"]]
    assert data["queries"] == {"chosen_by": 2, "kept_apart": 1}
    assert set(data["tried"][0]["held_out"]) == set(data["measures"])


# --------------------------------------------------------------------------------------------------- settings

SCRIPT = """
USE docs; -- a comment
DEFINE wide AS (QUERY :q USING dense LIMIT 50 PARAMS (hnsw_ef = 64, quantization = {oversampling: 2.0}));
WITH
  named AS (QUERY :q USING words SCORE THRESHOLD 1 LIMIT :n),
  mixed AS (QUERY FUSION RRF PREFETCH (wide SCORE THRESHOLD 0.5, named) LIMIT 20 WITH (rrf_weights = [1, 2]))
QUERY MMR :q DIVERSITY 0.5 PREFETCH (mixed, QUERY :q USING words LIMIT 7) USING dense
RERANK :q MODEL 'local/overlap' TOP 5
LIMIT 10
"""


@pytest.fixture(scope="module")
def settable() -> Settable:
    with qql.connect(models={"*": "local/hash-8"}) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(8, COSINE), words SPARSE MODEL 'qdrant/bm25')")
        plan = Pipeline(db, SCRIPT).compiled({"q": "x", "n": 3}).plan
    assert plan is not None
    return Settable(SCRIPT, plan)


@pytest.mark.parametrize(
    ("name", "now", "new", "written"),
    [
        ("named.limit", ":n", 9, "USING words SCORE THRESHOLD 1 LIMIT 9"),
        ("NAMED.Score_Threshold", 1, 0.25, "SCORE THRESHOLD 0.25"),
        ("wide.threshold", 0.5, 0.7, "wide SCORE THRESHOLD 0.7"),
        ("wide.hnsw_ef", 64, 16, "hnsw_ef = 16"),
        ("wide.quantization.oversampling", 2.0, 3, "{oversampling: 3}"),
        ("wide.quantization.rescore", None, True, "{oversampling: 2.0, rescore: true}"),
        ("wide.acorn", None, True, "acorn = true"),
        ("mixed.k", None, 60, "rrf_k = 60"),
        ("mixed.weights", [1, 2], [3, 4], "rrf_weights = [3, 4]"),
        ("mixed.weights.named", None, 5, "rrf_weights = {wide: 1, named: 5}"),
        ("mixed.fusion", "rrf", "DBSF", "QUERY FUSION DBSF"),
        ("inline 1.limit", 7, 8, "QUERY :q USING words LIMIT 8"),
        ("root.diversity", 0.5, 0.1, "DIVERSITY 0.1"),
        ("root.candidates", None, 99, "CANDIDATES 99"),
        ("root.top", 5, 2, "TOP 2"),
        ("root.limit", 10, 11, "LIMIT 11"),
        ("root.threshold", None, 0.3, "SCORE THRESHOLD 0.3"),
        ("wide.quantization", {"oversampling": 2.0}, None, "PARAMS (hnsw_ef = 64)"),
        ("named.threshold", 1, None, "USING words LIMIT :n"),
    ],
)
def test_a_setting_changes_one_place(settable: Settable, name: str, now: Any, new: Any, written: str) -> None:
    assert settable.value(name) == now
    text, before = settable.changed({name: new}), settable.changed({})
    assert written in text and written not in before
    assert qql.parse(before) == qql.parse(SCRIPT)
    assert len(qql.parse(text)) == 3
    one, other = (Counter(re.findall(r"[\w.:]+", each)) for each in (text, before))
    assert (one - other).total() <= 5 and (other - one).total() <= 5  # and nothing else


def test_settings_of_one_stage_go_together(settable: Settable) -> None:
    text = settable.changed({"mixed.k": 9, "mixed.weights.wide": 3, "mixed.limit": 4, "wide.limit": 6})
    assert "PARAMS (rrf_weights = {wide: 3, named: 2}, rrf_k = 9)" in text
    assert "USING dense" in text and "LIMIT 6" in text and "LIMIT 4" in text
    assert "rrf_weights" not in settable.changed({"mixed.fusion": "dbsf"})


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        ("wde.limit", 1, "unknown-setting", "did you mean `wide`?"),
        ("limit", 1, "unknown-setting", "`stage.name`"),
        ("root.limits", 1, "unknown-setting", "did you mean `limit`?"),
        ("root.limit.x", 1, "unknown-setting", "is no object"),
        ("wide.quantization.", 1, "unknown-setting", "is no object"),
        ("root.limit", "x", "bad-setting", "takes a number"),
        ("root.limit", True, "bad-setting", "takes a number"),
        ("root.fusion", "rrf", "bad-setting", "stage with FUSION"),
        ("mixed.fusion", "sum", "bad-setting", "takes rrf or dbsf"),
        ("wide.top", 1, "bad-setting", "RERANK"),
        ("wide.diversity", 1, "bad-setting", "MMR"),
        ("wide.hnsw_ef.x", 1, "bad-setting", "is no object"),
        ("root.weights.mixed", 1, "bad-setting", "give them as a list"),
    ],
)
def test_settings_that_there_are_not(settable: Settable, name: str, value: Any, code: str, said: str) -> None:
    with pytest.raises(QQLError) as caught:
        settable.changed({name: value})
    assert caught.value.code == code
    assert said in f"{caught.value.message} {caught.value.hint}"


# ---------------------------------------------------------------------------------------------------- servers


def without_times(data: Any) -> Any:
    """What is measured, without what a clock says and what follows from that, and without the stamp."""
    if isinstance(data, dict):
        clocked = ("times", "steps", "ms", "server_ms", "front", "stamp")
        rounded = {  # the order in which an engine sums up the words of a text is chance
            name: float(f"{value:.4g}") if name in ("low", "high") else value for name, value in data.items()
        }
        return {name: without_times(value) for name, value in rounded.items() if name not in clocked}
    return [without_times(one) for one in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    "argv",
    [
        ["eval", "words.qql", "hybrid.qql", "--queries", "q.jsonl", "--qrels", "qrels.tsv", "--stages"],
        ["eval", "hybrid.qql", "--queries", "q.jsonl", "--qrels", "keys.tsv", "--doc-id", "key", "--stages"],
        ["tune", "hybrid.qql", "--queries", "q.jsonl", "--qrels", "qrels.tsv", "--grid", "named.limit=1,3"],
        ["bench", "hybrid.qql", "--queries", "q.jsonl", "--repeat", "1", "--warmup", "0"],
        ["diff", "words.qql", "hybrid.qql", "--queries", "q.jsonl"],
    ],
    ids=lambda argv: f"{argv[0]} {len(argv)}",
)
def test_a_server_gives_the_figures_of_the_embedded_engine(here: Path, run: Run, argv: list[str]) -> None:
    # LIMIT 8: more than there are points, so that no tie is cut.
    Path("hybrid.qql").write_text(HYBRID.replace("LIMIT 3", "LIMIT 8").replace("LIMIT 4", "LIMIT 8"))
    Path("keys.tsv").write_text(QRELS.upper().replace("Q", "q"))
    code, embedded, err = run(*argv, "--setup", "setup.qql", "--format", "json")
    assert code == 0, err
    with qql.connect() as db:
        db.run(SETUP)

        def answer(call: Received) -> Reply:
            request = Request(call.method, call.path, call.query, call.body)
            return ok(db.backend.call(embed_request(request, db.embedders, db.backend.infers)))

        with HttpRecorder(otherwise=answer) as recorder:
            code, served, err = run(*argv, "--url", recorder.url, "--format", "json")
    assert code == 0, err
    assert without_times(json.loads(served)) == without_times(json.loads(embedded))
