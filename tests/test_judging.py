"""The core of judging (`Judging`): bounds, the test that may be looked at each time, and what it asks for."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from qql.evaluation import Bounds, InputError, Judging, Question, paired_t_test, parse_measure
from qql.evaluation.judging.betting import PARTS, confidence_interval, evidence_above, evidence_below
from qql.evaluation.judging.differences import difference_of

Truth = Mapping[str, Mapping[str, int]]
Runs = tuple[dict[str, list[str]], dict[str, list[str]], dict[str, dict[str, int]]]
MEASURES = [
    *("nDCG@3", "nDCG(dcg='exp-log2')@3", "P@3", "P(rel=2)@2", "R@3", "R(rel=2)@2", "RBP@3", "RBP(p=0.5)@2"),
    *("RR@3", "RR(rel=2)@3", "Success@2"),
]


def truth_of(dice: random.Random, queries: int, lean: float, *, depth: int = 5, pool: int = 15) -> Runs:
    """Two systems that see the same things, blurred: B looks at relevance ``lean`` times as much as A."""
    a, b, truth = {}, {}, {}
    for at in range(queries):
        query = f"q{at}"
        relevance = [0] * pool
        for _ in range(dice.randint(0, 5)):
            relevance[dice.randrange(pool)] = dice.randint(1, 3)
        shared = [dice.gauss(0, 1) for _ in range(pool)]

        rankings = []
        for weight in (0.5, 0.5 * lean):
            seen = [weight * r + s + dice.gauss(0, 0.7) for r, s in zip(relevance, shared, strict=True)]
            rankings.append([f"d{doc}" for doc in sorted(range(pool), key=seen.__getitem__)[::-1][:depth]])
        a[query], b[query] = rankings
        truth[query] = {f"d{doc}": value for doc, value in enumerate(relevance)}
    return a, b, truth


def asked(state: Judging, truth: Truth) -> Iterator[Question]:
    """Answers by the truth until there is an end; what was asked."""
    while not state.done:
        question = state.question()
        assert question is not None
        yield question
        state.judge(question.query, question.document, truth[question.query][question.document])


def told(state: Judging, truth: Truth) -> Judging:
    for _ in asked(state, truth):
        pass
    return state


def whole_difference(measure: str, a: dict[str, list[str]], b: dict[str, list[str]], truth: Truth) -> float:
    """The mean difference where each document of both rankings is judged."""
    by = parse_measure(measure)
    total = []
    for query in a:
        k = by.cutoff
        judged = {doc: float(truth[query][doc]) for doc in {*a[query][:k], *b[query][:k]}}
        total.append(by(b[query], judged) - by(a[query], judged))
    return math.fsum(total) / len(total)


# ------------------------------------------------------------------------------------ bounds


@pytest.mark.parametrize("name", MEASURES)
def test_bounds_are_the_extremes_over_all_judgements(name: str) -> None:
    dice, measure, grades = random.Random(name), parse_measure(name), 2
    for _ in range(60):
        a, b = (dice.sample("abcdef", dice.randint(0, 4)) for _ in range(2))
        difference = difference_of(measure, a, b, grades)
        judged = {
            doc: dice.choice([0, 1, 2, 0.5, 1.5, -1]) for doc in difference.documents if dice.random() < 0.3
        }
        judged |= {doc: dice.choice([0, 1, 2, 1.5]) for doc in "yz" if dice.random() < 0.4}  # found by none
        unjudged = difference.unjudged(judged)
        values = []
        for grade in itertools.product(range(grades + 1), repeat=len(unjudged)):
            whole = {**judged, **dict(zip(unjudged, grade, strict=True))}
            values.append(measure(b, whole) - measure(a, whole))
        assert difference.bounds(judged) == pytest.approx((min(values), max(values)), abs=1e-9)


@pytest.mark.parametrize("name", ["P@4", "RBP@4"])
def test_a_document_at_the_same_rank_in_both_has_no_effect_on_a_sum(name: str) -> None:
    difference = difference_of(parse_measure(name), ["a", "b", "c"], ["a", "c", "b"], 3)
    found = difference.effects({}, lambda _: 0.5)
    assert "a" not in found and ("b" in found) == (name == "RBP@4")  # P looks at places, not at their order


def test_a_document_at_the_same_rank_cannot_turn_the_sign_of_ndcg_but_makes_it_smaller() -> None:
    difference = difference_of(parse_measure("nDCG@2"), ["same", "x"], ["same", "y"], 1)
    low, high = difference.bounds({"x": 0, "y": 1})
    assert 0 < low < high == pytest.approx(1 / math.log2(3))
    assert difference.bounds({"x": 0, "y": 0}) == (0, 0)


def test_rankings_that_are_the_same_need_no_judgement_and_are_a_tie() -> None:
    runs = {"q1": ["a", "b"], "q2": ["c"], "q3": []}
    state = Judging(runs, runs, scope="log")
    assert (state.question(), state.end, state.verdict) == (None, "decided", "equal")
    assert state.log_bounds() == (0, 0)
    assert Judging(runs, runs).end == "hopeless"  # no number of ties tells a difference from none


# ------------------------------------------------------------------------------------ the sequential test


def evidence_of_the_paper(values: Sequence[float], mean: float) -> float:
    """The capital of Waudby-Smith and Ramdas, for values of 0 to 1: the product of 1 + λ (x - m), with λ up
    to 1 / m, as the mean over several λ; the most that it ever is."""
    x, m = (np.array(values) + 1) / 2, (mean + 1) / 2
    bets = np.array(PARTS)[:, None] / m
    capital = np.cumprod(1 + bets * (x - m)[None, :], axis=1).mean(axis=0)
    return float(max(1.0, capital.max()))


def test_evidence_is_the_capital_of_the_paper() -> None:
    dice = random.Random(2)
    for mean in (-0.4, -0.05, 0.0, 0.1, 0.6):
        values = [max(-1.0, min(1.0, dice.gauss(0.1, 0.3))) for _ in range(50)]
        assert evidence_above(values, mean) == pytest.approx(evidence_of_the_paper(values, mean))
        mirrored = [-value for value in values]
        assert evidence_below(values, mean) == pytest.approx(evidence_of_the_paper(mirrored, -mean))


def test_the_interval_is_that_of_a_search_through_all_means() -> None:
    dice, alpha, step = random.Random(3), 0.05, 0.001
    values = [max(-1.0, min(1.0, dice.gauss(0.15, 0.2))) for _ in range(80)]
    grid = np.arange(-1 + step, 1, step)
    kept = [
        mean
        for mean in grid
        if evidence_of_the_paper(values, mean) < 2 / alpha
        and evidence_of_the_paper([-value for value in values], -mean) < 2 / alpha
    ]
    low, high = confidence_interval([Bounds(value, value) for value in values], alpha)
    assert (low, high) == pytest.approx((min(kept), max(kept)), abs=2 * step)
    assert 0 < low < 0.15 < high < 0.4


def test_evidence_by_bounds_is_never_more_than_that_by_the_values() -> None:
    dice = random.Random(4)
    for _ in range(50):
        values = [dice.uniform(-1, 1) for _ in range(20)]
        lower = [value - dice.random() * (value + 1) for value in values]
        assert evidence_above(lower, 0.0) <= evidence_above(values, 0.0)


@pytest.mark.parametrize("runs", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_without_a_difference_peeking_at_each_judgement_errs_less_often_than_alpha(runs: int) -> None:
    """Judges who look after each judgement, at pipelines that are alike; a t-test looked at as often."""
    dice, wrong, naive = random.Random(5), 0, 0
    for seed in range(runs):
        a, b, truth = truth_of(dice, 60, 1.0, depth=2, pool=6)
        state = told(Judging(a, b, measure="P@2", seed=seed), truth)
        wrong += state.verdict is not None
        by, seen = parse_measure("P@2"), []
        for query in a:
            seen.append(by(b[query], truth[query]) - by(a[query], truth[query]))
            if len(seen) >= 10 and paired_t_test(seen) < 0.05:
                naive += 1
                break
    assert wrong / runs <= 0.05
    assert naive / runs > 0.15  # which is what the correction is for


@pytest.mark.parametrize("runs", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_a_clear_difference_is_found_with_a_part_of_the_judgements(runs: int) -> None:
    dice, found, given, whole = random.Random(6), [], 0, 0
    for seed in range(runs):
        a, b, truth = truth_of(dice, 120, 3.0)
        state = told(Judging(a, b, measure="nDCG@5", seed=seed), truth)
        found.append(state.verdict)
        given, whole = given + state.asked, whole + state.documents
    assert found.count("B") >= 0.9 * runs and "A" not in found
    assert given / whole < 0.4


def test_the_interval_has_the_mean_of_the_population() -> None:
    """The mean of many queries of this kind is inside, at the end of each of many judges' work."""
    dice = random.Random(7)
    a, b, truth = truth_of(dice, 4000, 1.5, depth=2, pool=6)
    mean, names = whole_difference("P@2", a, b, truth), list(a)
    inside = 0
    for seed in range(30):
        some = dice.sample(names, 50)
        one, other = ({query: run[query] for query in some} for run in (a, b))
        low, high = told(Judging(one, other, measure="P@2", seed=seed), truth).decision().population
        inside += low <= mean <= high
    assert inside >= 28


def test_a_difference_that_is_too_small_to_matter_is_called_none() -> None:
    a = {f"q{at}": ["x", "y"] for at in range(400)}
    b = {f"q{at}": ["x", "y"] if at % 2 else ["y", "x"] for at in range(400)}
    truth = {query: {"x": 1, "y": 1} for query in a}
    state = told(Judging(a, b, measure="RBP@2", smallest=0.1, grades=1), truth)
    assert state.verdict == "equal" and state.asked < 400
    assert state.decision().population.high <= 0.1
    assert told(Judging(a, b, measure="RBP@2", grades=1), truth).verdict is None


@pytest.mark.parametrize("best", [0, 1])
def test_what_is_hopeless_stays_open_even_if_the_rest_goes_one_way(best: int) -> None:
    a = {f"q{at}": [f"a{at}"] for at in range(12)}
    b = {f"q{at}": [f"b{at}"] for at in range(12)}
    truth = {f"q{at}": {f"a{at}": at % 2, f"b{at}": (at + 1) % 2} for at in range(12)}
    state = Judging(a, b, measure="P@1", grades=1)
    assert state.end is None  # twelve wins would do
    told(state, truth)
    assert state.end == "hopeless" and state.asked < state.documents
    for at in range(12):
        for document, relevance in ((f"a{at}", 1 - best), (f"b{at}", best)):
            if document not in state.judged(f"q{at}"):
                state.judge(f"q{at}", document, relevance)
    assert state.question() is None and state.verdict is None


# ------------------------------------------------------------------------------------ these queries


@pytest.mark.parametrize("measure", ["nDCG@5", "P@5", "R@5", "RBP@5", "RR@5", "Success@3"])
@pytest.mark.parametrize("lean", [1.0, 1.4, 2.5])
def test_the_verdict_by_bounds_is_that_of_judging_everything(measure: str, lean: float) -> None:
    given = whole = 0
    for seed in range(3):
        a, b, truth = truth_of(random.Random(f"{seed}{lean}"), 10, lean)
        state = told(Judging(a, b, measure=measure, scope="log", seed=seed), truth)
        difference = whole_difference(measure, a, b, truth)
        expected = "equal" if abs(difference) < 1e-9 else "B" if difference > 0 else "A"
        assert (state.verdict, state.end) == (expected, "decided")
        low, high = state.log_bounds()
        assert low - 1e-9 <= difference <= high + 1e-9
        given, whole = given + state.asked, whole + state.documents
    assert given < whole


def test_a_smallest_difference_is_the_same_by_bounds_and_by_judging_everything() -> None:
    for seed in range(5):
        a, b, truth = truth_of(random.Random(seed), 8, 1.3)
        difference = whole_difference("nDCG@5", a, b, truth)
        state = told(Judging(a, b, measure="nDCG@5", scope="log", smallest=0.05), truth)
        expected = "equal" if abs(difference) <= 0.05 else "B" if difference > 0 else "A"
        assert state.verdict == expected


def test_the_order_takes_fewer_judgements_than_chance() -> None:
    """Against a judge who takes open documents in any order, until the same bounds decide."""
    dice, given, by_chance = random.Random(8), 0, 0
    for seed in range(2):
        a, b, truth = truth_of(dice, 20, 2.0)
        given += told(Judging(a, b, measure="nDCG@5", scope="log", seed=seed), truth).asked
        state = Judging(a, b, measure="nDCG@5", scope="log", seed=seed)
        every = [(query, doc) for query in a for doc in dict.fromkeys([*a[query], *b[query]])]
        dice.shuffle(every)
        for query, document in every:
            if state.verdict is None:
                state.judge(query, document, truth[query][document])
        by_chance += state.asked
    assert given < 0.8 * by_chance


def test_judgements_that_are_there_are_not_asked_for() -> None:
    a, b, truth = truth_of(random.Random(9), 10, 1.5)
    some = {query: {doc: rel for doc, rel in truth[query].items() if doc in a[query][:2]} for query in a}
    state = Judging(a, b, some, measure="nDCG@5", scope="log")
    questions = [*asked(state, truth)]
    assert not [one for one in questions if one.document in some[one.query]]
    assert state.judged_before == sum(len(docs) for docs in some.values())
    assert len(questions) == state.asked <= state.documents - state.judged_before


# ------------------------------------------------------------------------------------ answers


def test_undo_takes_back_what_an_answer_did() -> None:
    a, b, _ = truth_of(random.Random(10), 6, 1.5)
    state = Judging(a, b, measure="nDCG@5", scope="log")
    first = state.question()
    assert first is not None and state.undo() is None
    before = (state.log_bounds(), state.asked, state.left(first.query))
    state.judge(first.query, first.document, 2)
    assert state.log_bounds() != before[0]
    assert state.undo() == (first.query, first.document, 2)
    assert (state.log_bounds(), state.asked, state.left(first.query)) == before
    state.skip(first.query, first.document)
    assert state.question() != first and state.skipped == 1
    assert state.undo() == (first.query, first.document, None)
    assert state.skipped == 0


def test_what_was_skipped_is_not_asked_again_and_stays_open() -> None:
    a, b = {"q": ["x", "y"]}, {"q": ["y", "z"]}
    state = Judging(a, b, measure="P@2", scope="log", grades=1)
    seen = []
    while (question := state.question()) is not None:
        seen.append(question.document)
        state.skip(question.query, question.document)
    assert sorted(seen) == ["x", "z"]
    assert (state.end, state.verdict, state.skipped, state.asked) == ("nothing left", None, 2, 0)
    assert state.log_bounds() == (-0.5, 0.5)


def test_the_same_seed_asks_the_same_whatever_the_order_of_queries() -> None:
    a, b, truth = truth_of(random.Random(11), 20, 1.5)
    turned = {query: a[query] for query in reversed(a)}
    one, other, third = (
        [(q.query, q.document) for q in asked(Judging(x, b, measure="P@5", seed=seed), truth)]
        for x, seed in ((a, 0), (turned, 0), (a, 1))
    )
    assert one == other != third


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"measure": "AP@10"}, "what AP@10 can become"),
        ({"measure": "nDCG"}, "looks at whole rankings"),
        ({"measure": "nDCG(judged_only=True)@5"}, "what nDCG"),
        ({"measure": "P(rel=4)@5"}, "calls nothing relevant"),
        ({"scope": "all"}, "`scope` takes population or log, not all"),
        ({"alpha": 0}, "`alpha` takes a number between 0 and 1"),
        ({"smallest": 2}, "`smallest` takes a number between 0 and 1"),
        ({"grades": 0}, "`grades` takes a whole number from 1"),
        (
            {"judgements": {"q": {"x": 7}}},
            "go up to 3, and the document 'x' of the query 'q' has 7",
        ),
        ({"queries": []}, "no queries"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Judging({"q": ["x"]}, {"q": ["y"]}, **given)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda state: state.judge("q", "x", 4), "a whole number from 0 to 3, not 4"),
        (lambda state: state.judge("q", "x", 0.5), "a whole number from 0 to 3"),
        (lambda state: state.judge("q", "x", True), "a whole number from 0 to 3"),
        (lambda state: state.judge("q", "z", 1), "nothing found the document 'z'"),
        (lambda state: state.skip("p", "x"), "nothing found the document 'x' for the query 'p'"),
        (lambda state: (state.judge("q", "x", 1), state.judge("q", "x", 1)), "has an answer"),
        (lambda state: (state.skip("q", "x"), state.skip("q", "x")), "has an answer"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(call: Callable[[Judging], object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        call(Judging({"q": ["x"]}, {"q": ["y"]}, measure="P@1"))
    assert caught.value.code == "bad-judgement"
