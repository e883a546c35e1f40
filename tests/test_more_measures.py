"""ERR, RBP, bpref, α-nDCG, and judgements that are fractions or about subtopics."""

from __future__ import annotations

import math
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import qql.evaluation as ev
from qql.evaluation.files import Judgements
from qql.evaluation.measures import residual, unreached


def measured(name: str, ranking: str, judged: dict[str, float]) -> float:
    return ev.parse_measure(name)(ranking.split(), judged)


GRADED: dict[str, float] = {"a": 4, "b": 1, "c": 0, "d": -1}


@pytest.mark.parametrize(
    ("name", "ranking", "value"),
    [
        ("ERR", "b a", 1 / 16 + (15 / 16) * (15 / 16) / 2),
        ("ERR@1", "b a", 1 / 16),
        ("ERR", "c x d", 0),
        ("ERR(max_rel=5)", "a", 15 / 32),
        ("RBP", "x a b", 0.2 * (0.8 + 0.8**2)),
        ("RBP(p=0.5)@2", "a x b", 0.5),
        ("RBP(p=0.5,rel=2)", "b a", 0.25),
        ("Bpref", "c a x b", 0),  # the one judged not relevant stands above both
        ("Bpref", "a x c b", 1 / 2),
        ("Bpref", "d a b", 1),  # below 0 is no judgement, as in trec_eval
    ],
)
def test_measures_by_hand(name: str, ranking: str, value: float) -> None:
    assert measured(name, ranking, GRADED) == pytest.approx(value, abs=1e-15)


def test_err_refuses_a_relevance_that_it_cannot_scale() -> None:
    with pytest.raises(ev.InputError, match="relevances up to 4, and 'a' has 5") as caught:
        measured("ERR@10", "a", {"a": 5})
    assert caught.value.hint == "ERR(max_rel=5)"


def test_the_residual_of_rbp_is_what_unjudged_documents_could_add() -> None:
    measure = ev.parse_measure("RBP")
    ranking = ["x", "a", "c", "y"]
    low = measure(ranking, GRADED)
    ideal: dict[str, float] = {**GRADED, "x": 1, "y": 1}
    endless = [*ranking, *(f"more{at}" for at in range(300))]
    high = measure(endless, ideal | dict.fromkeys(endless[4:], 1))
    assert low + residual(measure, ranking, GRADED) == pytest.approx(high)
    outcome = ev.evaluate({"r": {"1": ranking}}, {"1": "x"}, {"1": GRADED}, measures="RBP")
    assert outcome.residuals() == {"r": {"RBP": residual(measure, ranking, GRADED)}}
    assert f"at most {high:.4f}" in str(outcome)


def random_case(seed: int) -> tuple[dict[str, dict[str, int]], dict[str, list[ev.Scored]]]:
    dice = random.Random(seed)
    docs = [f"d{at}" for at in range(dice.choice([4, 30]))]
    qrels = {
        q: {doc: dice.choice([0, 0, 1, 2, 4]) for doc in dice.sample(docs, dice.randint(2, len(docs)))}
        for q in "123"
    }
    run = {
        q: [
            ev.Scored(doc, 100.0 - at) for at, doc in enumerate(dice.sample(docs, dice.randint(1, len(docs))))
        ]
        for q in "123"
    }
    return qrels, run


def theirs(tmp_path: Path, run: dict[str, list[ev.Scored]], irm: Any) -> Any:
    ev.write_run(tmp_path / "run", run)
    with (tmp_path / "run").open() as file:
        return list(irm.read_trec_run(file))


@pytest.mark.parametrize("seed", range(40))
def test_trec_eval_gives_the_same_bpref(tmp_path: Path, seed: int) -> None:
    irm = pytest.importorskip("ir_measures")
    qrels, run = random_case(seed)
    for rel in (1, 2):
        mine = ev.evaluate_run(
            {q: [hit.doc for hit in hits] for q, hits in run.items()}, qrels, [ev.Measure("Bpref", rel=rel)]
        )
        (values,) = mine.values.values()
        found = {
            one.query_id: one.value
            for one in irm.iter_calc([irm.Bpref(rel=rel)], qrels, theirs(tmp_path, run, irm))
        }
        assert values == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_gdeval_gives_the_same_err(tmp_path: Path, seed: int) -> None:
    irm = pytest.importorskip("ir_measures")
    if not shutil.which("perl"):
        pytest.skip("gdeval is a Perl program")
    qrels, run = random_case(seed)
    mine = ev.evaluate_run(
        {q: [hit.doc for hit in hits] for q, hits in run.items()}, qrels, [ev.Measure("ERR", 10)]
    )
    (values,) = mine.values.values()
    found = {
        one.query_id: one.value
        for one in irm.iter_calc([irm.ERR(cutoff=10)], qrels, theirs(tmp_path, run, irm))
    }
    assert values == pytest.approx(found, abs=1e-5)  # it prints five digits


# ------------------------------------------------------------------------------------ subtopics


DIVERSE = "1 1 a 1\n1 2 a 1\n1 1 b 1\n1 2 c 1\n1 3 c 0\n1 1 x 0\n"


def test_subtopics_are_read_and_the_largest_relevance_counts(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text(DIVERSE.replace("1 2 a 1", "1 2 a 3"))
    judged = ev.read_qrels(tmp_path / "qrels")["1"]
    assert isinstance(judged, Judgements)
    assert judged == {"a": 3, "b": 1, "c": 1, "x": 0}
    assert judged.subtopics["a"] == {"1": 1, "2": 3}
    (tmp_path / "qrels").write_text(DIVERSE + "1 1 b 1\n")
    with pytest.raises(ev.InputError, match=":7: the document 'b' of the query '1' is judged twice"):
        ev.read_qrels(tmp_path / "qrels")


def test_alpha_ndcg_by_hand(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text(DIVERSE)
    qrels = ev.read_qrels(tmp_path / "qrels")
    judged = qrels["1"]
    second, third = 1 / math.log2(3), 1 / 2
    best = 2 + second / 2 + third / 2  # a has both subtopics; b and c have one each, seen once
    assert measured("alpha_nDCG", "a b c", judged) == pytest.approx(1)
    found = 1 + second * (1 / 2) + third * (1 + 1 / 2**2)  # b has 1; b again … a: 1 twice before, 2 fresh
    judged_twice = Judgements({"a": {"1": 1, "2": 1}, "b": {"1": 1}, "c": {"1": 1}})
    ideal = 2 + second / 2 + third / 4
    assert measured("alpha_nDCG", "b c a", judged_twice) == pytest.approx(found / ideal)
    assert measured("α-nDCG@1", "b", judged) == pytest.approx(1 / 2)
    assert measured("alpha_nDCG(alpha=0)@3", "b c a", judged) == pytest.approx(
        (1 + second + 2 * third) / (2 + second + third)
    )
    assert measured("alpha_nDCG", "x b", judged) == pytest.approx(second / best)
    rows = [
        {"query_id": "1", "doc_id": doc, "rel": rel, "subtopic": about}
        for about, doc, rel in (("1", "a", 1), ("2", "a", 1), ("1", "b", 1), ("2", "c", 1))
    ]
    run = {"1": ["b", "c", "a"]}
    by_file, by_rows = (
        ev.evaluate(run, {"1": "x"}, given, measures="alpha_nDCG@3").means for given in (qrels, rows)
    )
    assert by_file == by_rows


def test_alpha_ndcg_requires_subtopics() -> None:
    with pytest.raises(ev.InputError, match="requires judgements with subtopics"):
        ev.evaluate({"1": ["a"]}, {"1": "x"}, {"1": {"a": 1}}, measures="alpha_nDCG@10")
    with pytest.raises(ev.InputError, match="requires judgements with subtopics"):
        ev.tune("QUERY :query FROM docs", {"1": "x"}, {"1": {"a": 1}}, measures="alpha_nDCG")


# ------------------------------------------------------------------------------------ fractions


def test_relevances_may_be_fractions(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("1 0 a 0.25\n1 0 b 1e0\n1 0 c -.5\n")
    judged = ev.read_qrels(tmp_path / "qrels")["1"]
    assert judged == {"a": 0.25, "b": 1, "c": -0.5}
    assert type(judged["b"]) is int
    ideal = 1 + 0.25 / math.log2(3)
    assert measured("nDCG", "c a b", judged) == pytest.approx((0.25 / math.log2(3) + 1 / 2) / ideal)
    assert measured("R(rel=0.2)@2", "a c", judged) == 1 / 2
    assert str(ev.parse_measure("R(rel=0.2)@2")) == "R(rel=0.2)@2"


def test_a_measure_that_no_relevance_reaches_is_told() -> None:
    measures = ev.parse_measures(["nDCG@10", "R@10", "R(rel=0.5)@10"])
    (note,) = unreached(measures, {"1": {"a": 0.5, "b": 0.1}})
    assert "no relevance is above 0.5" in note.message and "R@10" in note.message
    assert "rel=0.5" in (note.hint or "")
    assert unreached(measures, {"1": {"a": 1}}) == unreached(measures, {"1": {"a": 0}}) == []
    outcome = ev.evaluate({"1": ["a"]}, {"1": "x"}, {"1": {"a": 0.5}}, measures="R@10")
    assert [one.code for one in outcome.notes] == ["unreached-relevance"]
