"""`qql query`: which statement its options stand for, and what it shows."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import qql
from qql import nodes
from qql.cli import main

Run = Callable[..., tuple[int, str, str]]

SETUP = (ROOT / "examples" / "first-steps.qql").read_text(encoding="utf-8")
TEXT = "emergency care"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``qql query``: exit code, output, errors."""
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "QQL_RERANK_MODEL"):
        monkeypatch.delenv(name, raising=False)

    def call(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(["query", *argv])
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("query") / "db"
    with qql.connect(path) as session:
        session.run(SETUP)
    return str(path)


# ------------------------------------------------------------------------------------ options → QQL


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([TEXT], "QUERY 'emergency care' FROM docs LIMIT 10"),
        ([TEXT, "--limit", "3", "--using", "dense"], "QUERY 'emergency care' FROM docs USING dense LIMIT 3"),
        ([TEXT, "--hybrid", "--top-k", "4"], "QUERY HYBRID 'emergency care' FROM docs LIMIT 4"),
        ([TEXT, "--limit", "50", "--top-k", "4", "--no-rerank"], "QUERY 'emergency care' FROM docs LIMIT 4"),
        (
            [TEXT, "--limit", "50", "--top-k", "10", "--rerank-model", "m"],
            "QUERY 'emergency care' FROM docs RERANK MODEL 'm' TOP 10 LIMIT 50",
        ),
        (
            [TEXT, "--rerank-model", "m", "--rerank-field", "body"],
            "QUERY 'emergency care' FROM docs RERANK MODEL 'm' ON body TOP 10 LIMIT 50",
        ),
        # The number that is not given makes room for the one that is.
        (
            [TEXT, "--rerank-model", "m", "--limit", "7"],
            "QUERY 'emergency care' FROM docs RERANK MODEL 'm' TOP 7 LIMIT 7",
        ),
        (
            [TEXT, "--rerank-model", "m", "--top-k", "70"],
            "QUERY 'emergency care' FROM docs RERANK MODEL 'm' TOP 70 LIMIT 70",
        ),
        (
            [TEXT, "--where", "priority = 3 OR NOT (a IN ('b'))", "--threshold", "-0.5"],
            "QUERY 'emergency care' FROM docs WHERE priority = 3 OR NOT a IN ('b') "
            "SCORE THRESHOLD -0.5 LIMIT 10",
        ),
        (
            [TEXT, "--payload", "title, meta.kind", "--with-vector"],
            "QUERY 'emergency care' FROM docs WITH PAYLOAD (title, meta.kind) WITH VECTOR true LIMIT 10",
        ),
        (["it's", "--explain"], "EXPLAIN QUERY 'it''s' FROM docs LIMIT 10"),
        ([TEXT, "--analyze"], "EXPLAIN ANALYZE QUERY 'emergency care' FROM docs LIMIT 10"),
        (
            [TEXT, "--why-not", "kind = 'low'", "--where", "n > 1"],
            "WHY NOT WHERE kind = 'low' QUERY 'emergency care' FROM docs WHERE n > 1 LIMIT 10",
        ),
        (["[0.1, 2]"], "QUERY [0.1, 2] FROM docs LIMIT 10"),
        (
            ['{"indices": [7], "values": [0.5]}', "--using", "sparse"],
            "QUERY {indices: [7], values: [0.5]} FROM docs USING sparse LIMIT 10",
        ),
        (["[draft] notes"], "QUERY '[draft] notes' FROM docs LIMIT 10"),
        (["42"], "QUERY '42' FROM docs LIMIT 10"),
    ],
)
def test_options_stand_for_a_statement(run: Run, argv: list[str], text: str) -> None:
    code, out, err = run(*argv, "--from", "docs", "--show")
    assert (code, err) == (0, "")
    assert qql.parse(out) == qql.parse(text)
    assert out == qql.format(text)


def test_names_are_names_whatever_they_are_called(run: Run) -> None:
    _, out, _ = run(TEXT, "--from", "my 'docs", "--using", "from", "--payload", "LIMIT", "--show")
    [query] = qql.parse(out)
    assert isinstance(query, nodes.Query)
    assert query.source == nodes.Name("my 'docs")
    assert query.using == nodes.Using(nodes.Name("from"))
    assert query.payload == nodes.Selection("include", (nodes.Name("LIMIT"),))


def test_a_text_of_standard_input(run: Run) -> None:
    _, out, _ = run("-", "--from", "docs", "--show", stdin="  two\nlines\n")
    assert out == "QUERY 'two\\nlines' FROM docs LIMIT 10;\n"


def test_the_statement_goes_where_results_go(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.qql"
    assert run(TEXT, "--from", "docs", "--show", "-o", str(file)) == (0, "", "")
    assert file.read_text(encoding="utf-8") == "QUERY 'emergency care' FROM docs LIMIT 10;\n"


def test_the_environment_names_a_model(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QQL_RERANK_MODEL", "m")
    assert "RERANK MODEL 'm' TOP 10" in run(TEXT, "--from", "docs", "--show")[1]
    assert "RERANK MODEL 'n'" in run(TEXT, "--from", "docs", "--show", "--rerank-model", "n")[1]
    assert "RERANK" not in run(TEXT, "--from", "docs", "--show", "--no-rerank")[1]
    monkeypatch.setenv("QQL_RERANK_MODEL", "")
    assert "RERANK" not in run(TEXT, "--from", "docs", "--show")[1]


@pytest.mark.parametrize(
    ("condition", "code", "said"),
    [
        ("priority = ", 3, "--where:1:10"),
        ("a = 1 AND (b = 2", 3, "--where:1:"),
        ("a = 1)", 3, "--where:1:6"),
        ("a = 'x", 3, "--where:1:5"),
        ("  \n", 3, "--where:1:1"),
        ("a = 1 LIMIT 5", 2, "--where takes a condition, and nothing behind it"),
        ("a = 1; DROP COLLECTION docs", 2, "--where takes a condition, and nothing behind it"),
        ("a = 1\nDROP COLLECTION docs", 2, "--where takes a condition, and nothing behind it"),
        ("a = :p", 2, "--where takes values, and no parameters"),
        ("a IN ?", 2, "--where takes values, and no parameters"),
    ],
)
def test_a_bad_condition_has_its_own_place(run: Run, condition: str, code: int, said: str) -> None:
    found, out, err = run(TEXT, "--from", "docs", "--where", condition, "--show")
    assert (found, out) == (code, "")
    assert said in err
    assert "QUERY 1" not in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--from", "docs"], "requires a text"),
        ([" ", "--from", "docs"], "requires a text"),
        ([TEXT], "--from COLLECTION"),
        ([TEXT, "--from", ""], "--from requires a value"),
        ([TEXT, "--from", "docs"], "there is no database to ask"),
        ([TEXT, "--from", "docs", "--limit", "3", "--top-k", "4"], "--top-k 4 is more than --limit 3"),
        ([TEXT, "--from", "docs", "--limit", "0"], "--limit"),
        ([TEXT, "--from", "docs", "--threshold", "nan"], "--threshold"),
        ([TEXT, "--from", "docs", "--no-rerank", "--rerank-model", "m"], "--rerank-model exclude each other"),
        ([TEXT, "--from", "docs", "--no-rerank", "--rerank-field", "f"], "--rerank-field exclude each other"),
        ([TEXT, "--from", "docs", "--rerank-url", "http://x"], "--rerank-url requires --rerank-model"),
        ([TEXT, "--from", "docs", "--rerank-field", "f"], "--rerank-field requires --rerank-model"),
        ([TEXT, "--from", "docs", "--hybrid", "--using", "v"], "--hybrid and --using exclude each other"),
        ([TEXT, "--from", "docs", "--explain", "--analyze"], "--explain and --analyze exclude each other"),
        ([TEXT, "--from", "docs", "--why-not", "a = 1", "--analyze"], "--analyze and --why-not exclude"),
        ([TEXT, "--from", "docs", "--why-not", "a = 1 LIMIT 2"], "--why-not takes a condition, and nothing"),
        ([TEXT, "--from", "docs", "--show", "--format", "json"], "--show and --format exclude each other"),
        (["[1]", "--from", "docs", "--hybrid"], "--hybrid requires a text"),
        (["[1]", "--from", "docs", "--rerank-model", "m"], "a second stage requires a text"),
        ([TEXT, "--from", "docs", "--payload", ","], "--payload requires the names of fields"),
        (["-heart", "--from", "docs"], "stands behind `--`: qql query … -- -text"),
        (["--", "-heart", "--from", "docs"], "options stand in front of `--`"),
        (["emergency", "care", "--from", "docs"], "what has spaces needs quotes"),
        ([TEXT, "--from", "docs", "--collection", "docs"], "--collection has no meaning for `qql query`"),
    ],
)
def test_usage(run: Run, argv: list[str], said: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("vector", ["[]", '["a"]', '{"a": 1}', "[" * 300 + "1" + "]" * 300])
def test_a_vector_that_is_none(run: Run, vector: str) -> None:
    code, _, err = run(vector, "--from", "docs", "--show")
    assert (code, err.startswith("error[")) == (3, True)


# ------------------------------------------------------------------------------------ what is shown


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def cells(out: str) -> list[list[str]]:
    """The cells of the rows below the first head of a table."""
    table = out.split("┘")[0].splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in table if line.startswith("│")]


def test_one_stage_shows_what_run_shows(run: Run, db: str) -> None:
    code, out, err = run(TEXT, "--from", "docs", "--db", db, "--hybrid", "--top-k", "3")
    assert (code, err) == (0, "")
    with qql.connect(db) as session:
        result = session.execute(f"QUERY HYBRID '{TEXT}' FROM docs LIMIT 3")
    assert lines(out) == result.to_dicts()


def test_a_condition_and_a_threshold_hold(run: Run, db: str) -> None:
    argv = (TEXT, "--from", "docs", "--db", db, "--using", "dense")
    low = lines(run(*argv, "--where", "priority = 'low'")[1])
    assert {hit["id"] for hit in low} == {3, 4}
    scores = [hit["score"] for hit in lines(run(*argv)[1])]
    between = (scores[1] + scores[2]) / 2
    assert [hit["score"] for hit in lines(run(*argv, "--threshold", str(between))[1])] == scores[:2]


def test_two_stages_show_ranks_and_scores_of_both(run: Run, db: str) -> None:
    argv = (TEXT, "--from", "docs", "--db", db, "--using", "dense", "--limit", "5", "--top-k", "3")
    with qql.connect(db) as session:
        first = session.execute(f"QUERY '{TEXT}' FROM docs USING dense LIMIT 5")
        both = session.execute(
            f"QUERY '{TEXT}' FROM docs USING dense RERANK MODEL 'local/overlap' TOP 3 LIMIT 5"
        )
    assert both.ids != first.ids[:3], "the second stage changes the order"
    code, out, err = run(*argv, "--rerank-model", "local/overlap")
    assert (code, err) == (0, "")
    assert lines(out) == [
        {"rank": rank, "first_stage_rank": first.ids.index(hit.id) + 1, **hit.to_dict()}
        for rank, hit in enumerate(both.hits, 1)
    ]
    _, out, _ = run(*argv, "--rerank-model", "local/overlap", "--format", "table")
    head, *rows = cells(out)
    assert head == ["rank", "first rank", "id", "first score", "second score", "title"]
    for rank, (row, hit) in enumerate(zip(rows, both.hits, strict=True), 1):
        assert row[:3] == [str(rank), str(first.ids.index(hit.id) + 1), str(hit.id)]
        assert float(row[3]) == pytest.approx(hit.first_stage_score, rel=1e-5)
        assert float(row[4]) == pytest.approx(hit.second_stage_score, rel=1e-5)
        assert row[5] == (hit.payload or {})["text"]


def test_the_ranges_of_first_stage_scores_hold_all_candidates_and_hits(run: Run, db: str) -> None:
    argv = (TEXT, "--from", "docs", "--db", db, "--using", "dense", "--limit", "5", "--top-k", "2")
    _, out, _ = run(*argv, "--rerank-model", "local/overlap", "--format", "table")
    head, *rows = cells(out.split("┘", 1)[1])
    assert head == ["first score", "candidates", "hits", "share"]
    assert sum(int(row[1]) for row in rows) == 5
    assert sum(int(row[2]) for row in rows) == 2
    assert sum(float(row[3].rstrip("%")) for row in rows) == 100


def test_chosen_fields_stand_in_the_place_of_the_title(run: Run, db: str) -> None:
    argv = (TEXT, "--from", "docs", "--db", db, "--using", "dense", "--rerank-model", "local/overlap")
    _, out, _ = run(*argv, "--payload", "priority", "--format", "table")
    head, *rows = cells(out)
    assert head[5:] == ["priority"]
    assert {row[5] for row in rows} == {"high", "low"}


def test_explain_and_analyze(run: Run, db: str) -> None:
    argv = (TEXT, "--from", "docs", "--db", db, "--using", "dense")
    assert "POST /collections/docs/points/query" in run(*argv, "--explain")[1].splitlines()
    code, out, _ = run(*argv, "--rerank-model", "local/overlap", "--analyze")
    assert code == 0
    assert "5 of 50" in out


def test_why_points_are_missed(run: Run, db: str) -> None:
    argv = (TEXT, "--from", "docs", "--db", db, "--using", "dense", "--limit", "1", "--why-not")
    code, out, _ = run(*argv, "id IN (0, 1, 2, 3)")
    assert code == 0 and " made a hit by LIMIT " in out
    code, out, err = run(*argv, "kind ==")
    assert (code, out) == (3, "") and "--> --why-not:1:7" in err


def test_several_vectors_ask_for_a_choice(run: Run, db: str) -> None:
    code, out, err = run(TEXT, "--from", "docs", "--db", db)
    assert (code, out) == (3, "")
    assert "error[using-missing]" in err
    assert "dense (dense, 256" in err
    assert "--using VECTOR, or --hybrid" in err


def test_what_the_engine_refuses_is_shown_in_the_statement(run: Run, db: str) -> None:
    code, _, err = run(TEXT, "--from", "dogs", "--db", db)
    assert code == 3
    assert "--> <query>:1:" in err
    assert "did you mean `docs`" in err


def test_a_file_takes_the_results(run: Run, db: str, tmp_path: Path) -> None:
    file = tmp_path / "hits.csv"
    argv = (TEXT, "--from", "docs", "--db", db, "--hybrid", "--rerank-model", "local/overlap")
    assert run(*argv, "-o", str(file))[1] == ""
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    assert head.startswith("rank,first_stage_rank,id,score,first_stage_score,second_stage_score")
    assert len(rows) == 5
