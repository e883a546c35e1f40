"""Two pipelines on judgements (`compare` with ``qrels``, `qql diff --qrels`), and the gate of `qql eval`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
import qql.evaluation as ev
from qql.cli import main

Run = Callable[..., tuple[int, str, str]]

SETUP = """
CREATE COLLECTION docs (v VECTOR(2, DOT));
UPSERT INTO docs VALUES
  {id: 1, vector: {v: [9, 0]}, title: 'one'}, {id: 2, vector: {v: [8, 1]}, title: 'two'},
  {id: 3, vector: {v: [7, 2]}, title: 'three'}, {id: 4, vector: {v: [6, 3]}, title: 'four'};
"""
AHEAD = "QUERY :near FROM docs USING v LIMIT 4"
"""Ranks 1, 2, 3, 4 for [1, 0], and 4, 3, 2, 1 for [0, 1]."""
ASIDE = "QUERY :near FROM docs USING v LIMIT 2 OFFSET 1"
"""Ranks 2, 3 and 3, 2."""
ROWS = [
    {"_id": "q1", "query": "first of all", "near": [1, 0]},
    {"_id": "q2", "query": "in the middle", "near": [1, 0]},
    {"_id": "q3", "query": "from behind", "near": [0, 1]},
]
QRELS = {"q1": {"1": 2, "4": 0}, "q2": {"2": 1}, "q3": {"1": 1}}
"""RR of AHEAD: 1, 1/2, 1/4; of ASIDE: 0, 1, 0."""


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run(SETUP)
        yield session


@pytest.fixture
def found(db: qql.Session) -> ev.JudgedComparison:
    return ev.compare(AHEAD, ASIDE, db, queries=ROWS, qrels=QRELS, measures="RR P(rel=2)@1")


def test_wins_losses_and_ties_are_those_of_each_measure(found: ev.JudgedComparison) -> None:
    rr, first = found.differences
    assert (rr.wins, rr.losses) == (1, 2)
    assert rr.base_mean == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)
    assert rr.mean == pytest.approx(1 / 3)
    assert (first.wins, first.losses) == (0, 1)
    assert [one["ties"] for one in found.to_dict()["measures"]] == [0, 2]


def test_the_worst_regression_comes_first_by_any_measure(found: ev.JudgedComparison) -> None:
    assert [one.query.id for one in found.worst()] == ["q1", "q3"]
    assert [one.query.id for one in found.worst("P(rel=2)@1")] == ["q1"]
    assert [one.query.id for one in found.best()] == ["q2"]
    assert found.best("P(rel=2)@1") == []
    with pytest.raises(ev.InputError, match="nDCG was not measured"):
        found.worst("nDCG")


def test_documents_that_moved_have_their_ranks_and_labels(found: ev.JudgedComparison) -> None:
    lost = found.worst()[0]
    assert (lost.text, found.worst()[1].text) == ("first of all", "from behind")
    moved = [(one.document, one.label, one.rank_a, one.rank_b, one.title) for one in lost.moved]
    assert moved == [
        ("1", 2, 1, None, "one"),  # all that it added to DCG is lost
        ("2", None, 2, 1, "two"),
        ("3", None, 3, 2, "three"),
        ("4", 0, 4, None, "four"),
    ]
    assert lost.moved[0].effect == -2
    gained = found.best()[0].moved[0]
    assert (gained.document, gained.effect) == ("2", pytest.approx(1 - 1 / math.log2(3)))


def test_a_document_without_judgement_is_told_within_the_cutoff_alone(db: qql.Session) -> None:
    one = ev.compare(AHEAD, ASIDE, db, queries=ROWS, qrels=QRELS, measures="nDCG@2").queries[0]
    assert [moved.document for moved in one.moved] == ["1", "2", "3", "4"]
    one = ev.compare(AHEAD, ASIDE, db, queries=ROWS, qrels=QRELS, measures="P@1").queries[0]
    assert [moved.document for moved in one.moved] == ["1", "2", "4"]  # 3 moved from 3 to 2, below the first


def test_the_figures_are_those_of_evaluate(db: qql.Session, found: ev.JudgedComparison) -> None:
    both = ev.evaluate({"a": AHEAD, "b": ASIDE}, ROWS, QRELS, db, measures="RR P(rel=2)@1")
    for side, name in (("base_mean", "a"), ("mean", "b")):
        assert {str(one.measure): getattr(one, side) for one in found.differences} == both.means[name]


def test_the_report_shows_the_text_and_the_ranks(found: ev.JudgedComparison) -> None:
    text = str(found)
    assert "Worst regressions by RR" in text and "Greatest gains by RR" in text
    assert "q1: first of all (RR 1.0000 → 0.0000)" in text


def test_rankings_that_are_there_are_compared_without_a_database() -> None:
    a, b = {"q1": ["1", "2"]}, {"q1": ["2", "1"]}
    found = ev.compare(a, b, queries={"q1": "x"}, qrels={"q1": [1]}, measures="RR")
    assert (found.a, found.b, found.same) == ("A", "B", False)
    assert found.differences[0].difference == -0.5
    assert ev.compare(a, a, queries={"q1": "x"}, qrels={"q1": [1]}, measures="RR").same


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"qrels": QRELS}, "`qrels` requires `queries`"),
        ({"queries": ROWS, "measures": "RR"}, "`measures` has no meaning without `qrels`"),
        ({"doc_id": "key"}, "`doc_id` has no meaning without `qrels`"),
        ({"queries": ROWS, "qrels": QRELS, "depth": 3}, "`depth` has no meaning for judgements"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    db: qql.Session, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ev.InputError, match=said):
        ev.compare(AHEAD, ASIDE, db, **given)


# ------------------------------------------------------------------------------------ the gate


QUERIES = {str(at): "text" for at in range(12)}
JUDGED = {query: {"good": 1} for query in QUERIES}


def outcome(*ranks: int, name: str = "p") -> ev.Outcome:
    """An outcome with the good document at these ranks, of the queries 0, 1, …"""
    run = {str(at): [*(f"bad{i}" for i in range(rank - 1)), "good"] for at, rank in enumerate(ranks)}
    queries = dict.fromkeys(run, "text")
    return ev.evaluate({name: run}, queries, {query: JUDGED[query] for query in run}, measures="RR P@1")


def test_a_loss_beyond_the_margin_is_worse_whether_or_not_it_is_chance() -> None:
    then, now = outcome(1, 1, 1, 1), outcome(1, 1, 1, 2)  # the mean of RR falls by 1/8
    assert [ev.worse_than(now, then, f"RR:{margin}").failed for margin in ("0.1", "0.125", "0.13")] == [
        True,
        False,  # the margin itself is allowed
        False,
    ]
    (one,) = ev.worse_than(now, then, "RR:0.1").findings
    assert one.p == 1 and "which may be chance" in str(one)
    assert not ev.worse_than(then, now, "RR:0").failed  # better is never worse


def test_without_a_margin_a_loss_has_to_be_more_than_chance() -> None:
    then = outcome(*[1] * 12)
    few, many = outcome(*[2] * 4, *[1] * 8), outcome(*[2] * 6, *[1] * 6)
    p = [ev.worse_than(now, then, "RR").findings[0].p for now in (few, many)]
    assert p == [pytest.approx(2 / 2**4), pytest.approx(2 / 2**6)]  # all signs alike, in either direction
    assert not ev.worse_than(few, then, "RR").failed
    assert ev.worse_than(many, then, "RR").failed
    two = ev.worse_than(many, then, {"RR": None, "P@1": 1})
    assert two.findings[0].p == pytest.approx(4 / 2**6)  # corrected for both


def test_a_report_and_a_run_are_compared_with_alike(tmp_path: Path) -> None:
    then, now = outcome(1, 1, 1, 1), outcome(1, 1, 1, 2)
    report, run = tmp_path / "before.json", tmp_path / "before.run"
    report.write_text(json.dumps(then.to_dict()))
    ev.write_run(run, then.measured["p"].run)
    by_report, by_run = (ev.worse_than(now, file, ["RR:0.1", "P@1"]) for file in (report, run))
    assert by_report.findings == by_run.findings == ev.worse_than(now, then, ["RR:0.1", "P@1"]).findings
    assert by_report.failed


def test_queries_that_only_one_has_do_not_count_and_are_told() -> None:
    gate = ev.worse_than(outcome(1, 1, 5), outcome(1, 1), "RR:0")
    assert not gate.failed and gate.findings[0].queries == 2
    assert [note.code for note in gate.notes] == ["unpaired-queries"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "neither JSON nor a TREC run"),
        ("[]", "no `pipelines`"),
        ('{"pipelines": [{"name": "p"}]}', r"`pipelines\[0\].per_query` has no queries"),
        ('{"pipelines": [{"name": "p", "per_query": {"0": {"RR": "x"}}}]}', "per_query.0.RR` is no number"),
        ('{"pipelines": [{"name": "p", "per_query": {"0": {"AP": 1}}}]}', "has no RR"),
        (
            '{"pipelines": [{"name": "p", "per_query": {"0": {"RR": 1}, "1": {"AP": 1}}}]}',
            "per_query.1` has no RR",
        ),
        ('{"pipelines": [{"name": "p", "per_query": {"x": {"RR": 1}}}]}', "none of the queries"),
        (
            '{"pipelines": [{"name": "a", "per_query": {"0": {"RR": 1}}},'
            ' {"name": "b", "per_query": {"0": {"RR": 1}}}]}',
            "no pipeline called p",
        ),
    ],
)
def test_a_file_that_is_no_report_is_named_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "before.json").write_text(text)
    with pytest.raises(ev.InputError, match=said):
        ev.worse_than(outcome(1), tmp_path / "before.json", "RR")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("RR:x", "a margin from 0 to 1, not 'x'"),
        ("RR:-0.1", "a margin from 0 to 1"),
        ("RR:nan", "a margin from 0 to 1"),
        ("nRR:0.1", "no measure `nRR`"),
        ([], "has no rule"),
        (["RR", "RR:0.1"], "has RR twice"),
        ("AP", "AP was not measured"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: Any, said: str) -> None:
    with pytest.raises(ev.InputError, match=said):
        ev.worse_than(outcome(1), outcome(1), rule)


# ------------------------------------------------------------------------------------ the commands


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    qrels = "".join(f"{q}\t{doc}\t{rel}\n" for q, docs in QRELS.items() for doc, rel in docs.items())
    for name, text in {
        "setup.qql": SETUP,
        "q.jsonl": "\n".join(map(json.dumps, ROWS)),
        "qrels.tsv": qrels,
        "ahead.qql": AHEAD,
        "aside.qql": ASIDE,
    }.items():
        Path(name).write_text(text)

    def call(*argv: str) -> tuple[int, str, str]:
        code = main([*argv, "--setup", "setup.qql", "--queries", "q.jsonl", "--qrels", "qrels.tsv"])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_diff_judges_and_sorts_the_queries(run: Run) -> None:
    argv = ("diff", "ahead.qql", "aside.qql", "--measures", "RR P@1", "--format", "csv", "--per-query")
    code, out, _ = run(*argv, "--sort", "delta")
    assert code == 0
    assert [row["query"] for row in csv.DictReader(io.StringIO(out))] == ["q1", "q3", "q2"]
    rows = [*csv.DictReader(io.StringIO(run(*argv, "--sort", "RR")[1]))]
    assert [(row["query"], row["RR B"]) for row in rows] == [("q1", "0.0"), ("q3", "0.0"), ("q2", "1.0")]
    data = json.loads(run("diff", "ahead.qql", "aside.qql", "--measures", "RR", "--format", "json")[1])
    assert data["regressions"] == {"RR": ["q1", "q3"]}
    assert data["rows"][0]["moved"][0] == {
        "document": "1",
        "label": 2,
        "rank_a": 1,
        "rank_b": None,
        "title": "one",
    }
    assert data["diff"]  # the texts
    _, out, _ = run("diff", "ahead.qql", "aside.qql", "--measures", "RR", "--format", "markdown")
    assert "### Worst regressions by RR" in out and "first of all" in out
    assert run("diff", "ahead.qql", "aside.qql", "--exit-code", "--format", "json")[0] == 1


def test_a_run_stands_beside_a_pipeline(run: Run) -> None:
    assert run("eval", "ahead.qql", "--run-dir", "runs", "-q")[0] == 0
    for files in (("ahead.qql", "runs/ahead.run"), ("runs/ahead.run", "runs/ahead.run")):
        code, out, _ = run("diff", *files, "--format", "json", "--exit-code")
        assert (code, json.loads(out)["same"]) == (0, True)


def test_eval_fails_where_it_is_worse(run: Run) -> None:
    assert run("eval", "ahead.qql", "--format", "json", "-o", "before.json", "--measures", "RR")[0] == 0
    gate = ("--fail-if-worse", "RR:0.1", "--against", "before.json")
    code, out, err = run("eval", "aside.qql", "--format", "json", *gate)
    assert code == 1
    assert "aside: RR fell by 0.2500, more than 0.1: 0.5833 → 0.3333" in err
    assert json.loads(out)["gate"]["failed"]
    code, out, err = run("eval", "ahead.qql", *gate, "--measures", "P@1")  # RR is measured for the gate
    assert code == 0
    assert "Not worse than before.json?" in out


def test_queries_of_eval_are_sorted(run: Run) -> None:
    argv = ("eval", "ahead.qql", "aside.qql", "--measures", "RR", "--per-query", "--format", "jsonl")
    rows = [json.loads(line) for line in run(*argv, "--sort", "delta")[1].splitlines()]
    changes = [(row["query"], row["RR delta"]) for row in rows if row["pipeline"] == "aside"]
    assert changes == [("q1", -1.0), ("q3", -0.25), ("q2", 0.5)]
    rows = [json.loads(line) for line in run(*argv, "--sort", "RR")[1].splitlines()]
    assert [row["RR"] for row in rows] == sorted(row["RR"] for row in rows)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("eval", "ahead.qql", "--fail-if-worse", "RR"), "--fail-if-worse requires --against"),
        (("eval", "ahead.qql", "--against", "q.jsonl"), "--against requires --fail-if-worse"),
        (("eval", "ahead.qql", "--fail-if-worse", "RR", "--against", "none"), "cannot read none"),
        (("eval", "ahead.qql", "--fail-if-worse", "RR", "--against", "q.jsonl"), "q.jsonl is no report"),
        (("eval", "ahead.qql", "--fail-if-worse", "RR:2", "--against", "q.jsonl"), "a margin from 0 to 1"),
        (("eval", "ahead.qql", "--sort", "RR@10"), "--sort orders the queries of --per-query"),
        (("eval", "ahead.qql", "--per-query", "--sort", "delta"), "--sort delta requires two pipelines"),
        (("eval", "ahead.qql", "--per-query", "--sort", "AP"), "--sort AP: it was not measured"),
        (("diff", "ahead.qql", "aside.qql", "-k", "3"), "--depth has no meaning with --qrels"),
        (("diff", "ahead.qql", "aside.qql", "--sort", "RR@10"), "--sort orders the queries"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_asked(
    run: Run, argv: tuple[str, ...], said: str
) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
