"""`record`, its file, `recompute` and `what_if`: what is kept, gone on with, and said not to be known."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.cli import main
from qql.errors import QQLError
from qql.evaluation import Recording, read_recording, recompute, record, what_if
from qql.rest.request import Request
from qql.session.session import Session

SETUP = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-256', words SPARSE MODEL 'qdrant/bm25');
CREATE INDEX ON docs FOR year TYPE integer;
UPSERT INTO docs VALUES
  {id: 1, text: 'Emergency care for acute chest pain', year: 2020},
  {id: 2, text: 'Urgent treatment of burns in children', year: 2021},
  {id: 3, text: 'How to plan an annual check-up', year: 2022},
  {id: 4, text: 'Care of surgical wounds after discharge', year: 2023},
  {id: 5, text: 'Emergency numbers and when to call them', year: 2024};
"""
HYBRID = """
WITH near AS (QUERY :query USING dense LIMIT 3), words AS (QUERY :query USING words LIMIT 3)
QUERY FROM docs PREFETCH (near, words) FUSION RRF LIMIT 3
"""
QUERIES = {"q1": "acute pain in the chest", "q2": "burns of a child", "q3": "whom to call in an emergency"}


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    with qql.connect(advice=False) as made:
        made.run(SETUP)
        yield made


@pytest.fixture
def kept(db: Session, tmp_path: Path) -> Recording:
    return record({"hybrid": HYBRID}, QUERIES, db, tmp_path / "run.qqlrun")


@pytest.fixture
def asked(db: Session, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies of the queries that reach the engine."""
    found: list[dict[str, Any]] = []
    call = db.backend.call

    def noted(request: Request) -> Any:
        if request.route == ("POST", "points/query"):
            found.append(dict(request.body or {}))
        return call(request)

    monkeypatch.setattr(db.backend, "call", noted)
    return found


def ids(db: Session, text: str, query: str) -> list[Any]:
    return [hit.id for hit in db.execute(text, {"query": QUERIES[query]}).hits]


# ------------------------------------------------------------------------------------ asking


def test_stages_that_pipelines_share_are_asked_once(
    db: Session, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    other = HYBRID.replace("FUSION RRF", "FUSION DBSF").replace(
        "words LIMIT 3", "words SCORE THRESHOLD 1 LIMIT 2"
    )
    filtered = "QUERY :query FROM docs USING dense WHERE year > 2021 LIMIT 2"
    record([HYBRID, other, filtered], {"q": "burns"}, db, tmp_path / "run.qqlrun", deep=4)
    assert [(one["using"], one["limit"], "filter" in one) for one in asked] == [
        *[("dense", 5, False), ("words", 5, False), ("dense", 5, True)]
    ]
    assert not any("score_threshold" in one or one["with_payload"] for one in asked)


def test_a_stage_is_asked_as_deep_as_the_largest_limit(
    db: Session, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    deeper = HYBRID.replace("dense LIMIT 3", "dense LIMIT 30")
    record([HYBRID, deeper], {"q": "burns"}, db, tmp_path / "run.qqlrun", deep=2)
    assert {one["using"]: one["limit"] for one in asked} == {"dense": 31, "words": 4}


def test_what_is_rescored_has_all_scores_of_its_candidates(
    db: Session, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    text = (
        "QUERY :query FROM docs USING dense PREFETCH ((QUERY :query USING words LIMIT 1),"
        " (QUERY ORDER BY year LIMIT 1)) LIMIT 1"
    )
    kept = record(text, {"q": "burns in children"}, db, tmp_path / "run.qqlrun", deep=2)
    (row,) = kept.queries()
    (scored,) = (one for one in row.stages.values() if one.of)
    assert {*scored.ids} == {*asked[-1]["filter"]["must"][0]["has_id"]} == {1, 2, 3}
    (one,) = recompute(
        kept, text.replace("words LIMIT 1", "words LIMIT 2").replace("LIMIT 1)) LIMIT 1", "LIMIT 2)) LIMIT 3")
    )
    assert one.verdict == "equal"


def test_the_header_says_what_figures_depend_on(db: Session, kept: Recording) -> None:
    again = read_recording(kept.path)
    assert again.header() == kept.header()
    assert again.stamp["points"] == {"docs": 5}
    assert {*again.stamp["models"]} == {"local/hash-256", "qdrant/bm25"}
    assert (again.collection, again.depth, again.count) == ("docs", 1000, 3)
    assert [row.query for row in again.queries()] == [*QUERIES]


# ------------------------------------------------------------------------------------ going on


@pytest.mark.parametrize("name", ["run.qqlrun", "run.qqlrun.gz"])
@pytest.mark.parametrize("left", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_anywhere_is_gone_on_with(
    db: Session, tmp_path: Path, asked: list[dict[str, Any]], name: str, left: float
) -> None:
    path = tmp_path / name
    record(HYBRID, QUERIES, db, path)
    whole = path.read_bytes()
    opened = gzip.decompress(whole) if name.endswith(".gz") else whole
    ends = [end for end in range(1, len(whole)) if whole[:end].endswith(b"\n")]
    if name.endswith(".gz"):
        ends = [at for at in range(4, len(whole)) if whole[at : at + 4] == whole[:4]]
    cut = int(ends[1] + left * (ends[2] - ends[1] if len(ends) > 2 else 10))
    path.write_bytes(whole[:cut])
    assert [row.query for row in read_recording(str(path)).queries()] == ["q1"]
    asked.clear()
    record(HYBRID, QUERIES, db, path, resume=True)
    assert len(asked) == 4  # two stages of two queries
    rows = (gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()).splitlines()
    for one, other in zip(rows, opened.splitlines(), strict=True):
        assert without_times(json.loads(one)) == without_times(json.loads(other))


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"stages": {key: one | {"ms": 0} for key, one in row.get("stages", {}).items()}}


def test_a_complete_file_is_asked_nothing_again(
    db: Session, kept: Recording, asked: list[dict[str, Any]]
) -> None:
    before = Path(kept.path).read_bytes()
    record({"hybrid": HYBRID}, QUERIES, db, kept.path, resume=True)
    assert (asked, Path(kept.path).read_bytes()) == ([], before)


def test_a_process_that_is_killed_leaves_a_file_that_is_gone_on_with(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import os, signal, qql
from qql.evaluation import record
db = qql.connect(advice=False)
db.run({SETUP!r})
asked = 0
def tell(what, done, total):
    if done == 2:
        os.kill(os.getpid(), signal.{"SIGKILL" if os.name == "posix" else "SIGTERM"})
record({{"hybrid": {HYBRID!r}}}, {QUERIES!r}, db, {str(tmp_path / "run.qqlrun.gz")!r}, progress=tell)
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL if os.name == "posix" else done.returncode
    with qql.connect(advice=False) as db:
        db.run(SETUP)
        path = tmp_path / "run.qqlrun.gz"
        assert [row.query for row in read_recording(str(path)).queries()] == ["q1", "q2"]
        kept = record({"hybrid": HYBRID}, QUERIES, db, path, resume=True)
        assert [row.query for row in kept.queries()] == [*QUERIES]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pipelines": {"hybrid": HYBRID.replace("3", "2")}}, "other pipelines"),
        ({"queries": {"q1": "x"}}, "other queries: 3, not 1"),
        ({"deep": 7}, "other depth: 1000, not 7"),
    ],
)
def test_two_recordings_are_never_mixed(
    db: Session, kept: Recording, changed: dict[str, Any], said: str
) -> None:
    given = {"pipelines": {"hybrid": HYBRID}, "queries": QUERIES, "db": db, "path": kept.path} | changed
    before = Path(kept.path).read_bytes()
    with pytest.raises(QQLError, match=said):
        record(**given, resume=True)
    with pytest.raises(QQLError, match="there is a file"):
        record(**given)
    assert Path(kept.path).read_bytes() == before


def test_a_query_that_fails_keeps_those_before_it(db: Session, tmp_path: Path) -> None:
    rows = [
        {"id": "a", "v": {"indices": [1], "values": [1.0]}},
        {"id": "b", "v": {"indices": [1], "values": []}},
    ]
    path = tmp_path / "run.qqlrun"
    with pytest.raises(QQLError, match="query 'b'"):
        record("QUERY :v FROM docs USING words LIMIT 1", rows, db, path)
    assert [row.query for row in read_recording(str(path)).queries()] == ["a"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_queries(tmp_path: Path) -> None:
    text = "QUERY :v FROM d USING v LIMIT 10"
    with qql.connect(advice=False) as db:
        db.run("CREATE COLLECTION d (v VECTOR(2, COSINE))")
        rows = [{"id": at, "v": [at % 31, at % 37 + 1.0]} for at in range(1, 1001)]
        db.execute("UPSERT INTO d VALUES :rows", {"rows": rows})

        def peak(count: int) -> int:
            queries = [{"id": str(at), "v": [at + 1.0, 2.0]} for at in range(count)]
            tracemalloc.start()
            kept = record(text, queries, db, tmp_path / f"{count}.qqlrun")
            assert sum(len(one.ids) == 10 for one in recompute(kept, text)) == count
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return found

        peak(2)
        few, many = peak(5), peak(55)
    assert many - few < 50 * 5000  # bytes; a list of a thousand points takes twenty times as much


# ------------------------------------------------------------------------------------ what is not known


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("QUERY :query FROM docs USING dense WHERE year > 2021 LIMIT 2", "no stage with its WHERE"),
        ("QUERY :query FROM docs USING dense PARAMS (hnsw_ef = 8) LIMIT 2", "no stage with its PARAMS"),
        ("QUERY 'something else' FROM docs USING dense LIMIT 2", "was not recorded"),
        ("QUERY MMR :query DIVERSITY 0.5 CANDIDATES 3 FROM docs USING dense LIMIT 2", "MMR compares"),
        ("QUERY :query FROM docs USING dense LIMIT 3 RERANK MODEL 'm' TOP 1", "RERANK reads the texts"),
        ("QUERY :query FROM docs USING dense LIMIT 3 GROUP BY year", "GROUP BY asks several times"),
        ("QUERY SAMPLE FROM docs LIMIT 3", "SAMPLE draws its points by chance"),
        (
            f"{HYBRID.replace('FROM docs', '')} FROM other".replace("LIMIT 3 FROM", "FROM"),
            "it searches other",
        ),
        (
            "QUERY FORMULA $score + year FROM docs PREFETCH ((QUERY :query USING dense LIMIT 3)) LIMIT 3",
            "its FORMULA reads `year` of the payload",
        ),
    ],
)
def test_what_a_recording_does_not_say_needs_a_run(kept: Recording, text: str, why: str) -> None:
    for one in recompute(kept, text):
        assert (one.verdict, one.hits) == ("needs a run", None)
        assert why in "; ".join(one.reasons)


def test_a_limit_beyond_the_depth_needs_a_run(db: Session, tmp_path: Path) -> None:
    shallow = HYBRID.replace("LIMIT 3)", "LIMIT 2)")
    kept = record(shallow, QUERIES, db, tmp_path / "run.qqlrun", deep=2)
    (one, *_) = recompute(kept, shallow.replace("dense LIMIT 2", "dense LIMIT 5"))
    assert one.reasons == ("`near`: LIMIT 5 is beyond the 3 points recorded",)


def test_vectors_in_an_index_make_a_smaller_limit_an_estimate(tmp_path: Path) -> None:
    with qql.connect(advice=False) as db:
        db.run("CREATE COLLECTION d (v VECTOR(2, COSINE)) WITH OPTIMIZERS (indexing_threshold = 1)")
        rows = [{"id": at, "v": [at % 17, at % 13 + 1.0]} for at in range(1, 400)]
        db.execute("UPSERT INTO d VALUES :rows", {"rows": rows})
        db.execute("OPTIMIZE d")
        text = "QUERY :v FROM d USING v LIMIT 5"
        kept = record([text, f"{text} PARAMS (exact = true)"], [{"id": "q", "v": [1, 2]}], db, tmp_path / "r")
        assert [one.code for one in kept.notes] == ["approximate"]
        (one,) = recompute(kept, text)
        assert (one.verdict, len(one.ids)) == ("needs a run", 5)
        assert "searches approximately" in one.reasons[0]
        (exact,) = recompute(kept, f"{text} PARAMS (exact = true)")
        assert exact.verdict in ("equal", "equal but for ties")
        (many,) = what_if(kept, text, [{"root.limit": 3}])
        assert (many.verdicts, len(many.ranking(0))) == (["needs a run"], 3)


def test_shards_make_all_but_the_root_fusion_an_estimate(kept: Recording) -> None:
    path = Path(kept.path)
    path.write_text(path.read_text(encoding="utf-8").replace('"shards":1', '"shards":2', 1), encoding="utf-8")
    sharded = read_recording(kept.path)
    assert {one.verdict for one in recompute(sharded, HYBRID)} <= {"equal", "equal but for ties"}
    nested = "QUERY FUSION RRF FROM docs PREFETCH ((QUERY FUSION RRF PREFETCH ((QUERY :query USING dense))))"
    for one in recompute(sharded, nested):
        assert one.verdict == "needs a run" and "each of the 2 shards" in one.reasons[0]


@pytest.mark.parametrize("text", ["{}", '{"qql_recording": 1}', "no JSON", ""])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.qqlrun"
    path.write_text(f"{text}\n", encoding="utf-8")
    with pytest.raises(QQLError) as caught:
        read_recording(str(path))
    assert caught.value.code == "bad-recording"


def test_a_later_version_of_the_format_is_refused(kept: Recording) -> None:
    path = Path(kept.path)
    path.write_text(
        path.read_text(encoding="utf-8").replace('"qql_recording":1', '"qql_recording":2'), encoding="utf-8"
    )
    with pytest.raises(QQLError, match="version 2; this QQL reads version 1"):
        read_recording(kept.path)


# ------------------------------------------------------------------------------------ what is known


def test_a_recording_answers_for_stages_that_are_dropped(db: Session, kept: Recording) -> None:
    alone = "QUERY :query FROM docs USING dense LIMIT 4 OFFSET 1"
    for one in recompute(kept, alone):
        assert (one.verdict, [*one.ids]) == ("equal", ids(db, alone, one.query))


def test_a_pipeline_of_the_recording_is_known_by_its_name(kept: Recording) -> None:
    assert [one.ids for one in recompute(kept, "hybrid")] == [one.ids for one in recompute(kept, HYBRID)]


def test_formulas_over_scores_are_computed(db: Session, kept: Recording) -> None:
    text = (
        "WITH near AS (QUERY :query USING dense LIMIT 4), words AS (QUERY :query USING words LIMIT 4)"
        " QUERY FORMULA SQRT(ABS($score[0])) * 3 + $score[1] / 2 - POW($score[0], 2) FROM docs"
        " PREFETCH (near, words) DEFAULTS ('$score[1]' = 0.25) LIMIT 5"
    )
    for one in recompute(kept, text):
        hits = db.execute(text, {"query": QUERIES[one.query]}).hits
        assert (one.verdict, [*one.ids]) == ("equal", [hit.id for hit in hits])
        assert one.hits is not None
        assert [hit.score for hit in one.hits] == pytest.approx([hit.score for hit in hits], rel=1e-6)


def test_stages_of_define_and_models_of_the_session_are_kept(tmp_path: Path) -> None:
    with qql.connect(advice=False, models={"*": "local/hash-256"}) as db:
        db.run("CREATE COLLECTION d (v VECTOR(256, COSINE)); USE d")
        db.run("DEFINE near AS (QUERY 'burns' USING v LIMIT 2)")
        rows = [{"id": at, "v": [float(at % 7 - at * one % 5) for one in range(256)]} for at in range(1, 9)]
        db.execute("UPSERT INTO d VALUES :rows", {"rows": rows})
        text = "QUERY FUSION RRF PREFETCH (near) LIMIT :n"
        kept = record(text, [{"id": "q", "n": 2}], db, tmp_path / "run.qqlrun")
        wanted = tuple(hit.id for hit in db.execute(text, {"n": 2}).hits)
    (one,) = recompute(read_recording(kept.path), text)
    assert (one.verdict, one.ids, len(wanted)) == ("equal", wanted, 2)


def test_what_if_gives_the_ranking_of_each_setting(db: Session, kept: Recording) -> None:
    grid = [
        {"near.limit": 1, "root.k": 60},
        {"root.weights.words": 0},
        {"root.fusion": "dbsf", "root.limit": 1},
    ]
    for one in what_if(kept, HYBRID, grid, top=2):
        for at, text in enumerate(
            [
                HYBRID.replace("dense LIMIT 3", "dense LIMIT 1").replace("RRF", "RRF WITH (rrf_k = 60)"),
                HYBRID.replace("RRF", "RRF WITH (rrf_weights = [1, 0])"),
                HYBRID.replace("RRF LIMIT 3", "DBSF LIMIT 1"),
            ]
        ):
            if one.verdicts[at] == "equal":
                assert one.ranking(at) == ids(db, text, one.query)[:2]
        assert "equal" in one.verdicts


def test_what_if_is_the_same_without_numpy(kept: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = [{"near.limit": at, "root.rrf_k": k} for at in (1, 2, 3) for k in (1, 60)]
    one = [[many.ranking(at) for at in range(6)] for many in what_if(kept, HYBRID, grid)]
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "qql.evaluation.recording.many_fusions")
    other = list(what_if(kept, HYBRID, grid))
    assert isinstance(other[0].places, list)
    assert [[many.ranking(at) for at in range(6)] for many in other] == one


def test_a_setting_that_fits_nowhere_is_an_error(kept: Recording) -> None:
    for values, said in [({"nar.limit": 1}, "no stage `nar`"), ({"root.limit": -1}, "root.limit=-1")]:
        with pytest.raises(QQLError, match=said):
            next(what_if(kept, HYBRID, [values]))


# ------------------------------------------------------------------------------------ the command


def test_the_command_records_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("setup.qql").write_text(SETUP, encoding="utf-8")
    Path("hybrid.qql").write_text(HYBRID, encoding="utf-8")
    lines = [json.dumps({"id": key, "query": text}) for key, text in QUERIES.items()]
    Path("q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = ["record", "hybrid.qql", "--setup", "setup.qql", "--queries", "q.jsonl", "-o", "run.qqlrun.gz"]
    assert main([*given, "--deep", "50"]) == 0
    assert "recorded 3 queries, 2 stages of each, in run.qqlrun.gz" in capsys.readouterr().err
    assert read_recording("run.qqlrun.gz").depth == 50
    for argv, code, said in [
        ([*given, "--deep", "50"], 1, "--overwrite replaces it"),
        ([*given, "--deep", "50", "--resume"], 0, "recorded 3 queries"),
        ([*given, "--resume"], 2, "begun with other depth: 50, not 1000"),
        ([*given, "--overwrite", "--resume"], 2, "--resume keeps a file that --overwrite replaces"),
        ([*given[:-1], "run.xz"], 2, "plain or gzipped"),
        ([*given[:-2]], 2, "requires --output"),
        ([*given[:4], "-o", "x"], 2, "requires --queries"),
    ]:
        assert main(argv) == code, argv
        assert said in " ".join(capsys.readouterr().err.split()), argv


@pytest.mark.parametrize("grpc", [False, True])
def test_a_server_is_recorded_and_recomputed_too(fake_server: Any, tmp_path: Path, grpc: bool) -> None:
    server = fake_server("1.18.3")
    with qql.connect(server.grpc_url if grpc else server.url, advice=False) as db:
        db.run("CREATE COLLECTION d (a VECTOR(2, EUCLID), b VECTOR(2, DOT))")
        rows = [
            {"id": at, "a": [at % 11 + at / 100, 1.0], "b": [1.0, at * 7 % 31 + 0.5]} for at in range(1, 31)
        ]
        db.execute("UPSERT INTO d VALUES :rows", {"rows": rows})
        near = "(QUERY :v USING a LIMIT 9), (QUERY :v USING b LIMIT 9)"
        text = f"QUERY FUSION DBSF FROM d PREFETCH ({near}) LIMIT 7"
        queries = [{"id": str(at), "v": [at + 0.3, 1.0]} for at in range(4)]
        kept = record(text, queries, db, tmp_path / "run.qqlrun.gz", deep=20)
        assert [row.turned for row in kept.queries()] != [None] * 4
        for one, row in zip(recompute(kept, text), queries, strict=True):
            hits = db.execute(text, {"v": row["v"]}).hits
            assert (one.verdict, [*one.ids]) == ("equal", [hit.id for hit in hits])
