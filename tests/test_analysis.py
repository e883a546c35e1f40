"""EXPLAIN ANALYZE, WITH PROVENANCE, WHY and ABLATE, against what the embedded engine answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from edge_helpers import CONFIG, Engine, points

from qql.analysis import (
    Analysis,
    Explanation,
    Scores,
    analyse,
    analysis_lines,
    provenance,
)
from qql.analysis.cut_tie import CutTie
from qql.analysis.fusion import Fusion, contributions, fuse
from qql.analysis.model import Candidate
from qql.analysis.stage_requests import stage_requests
from qql.analysis.why import why
from qql.compiler.context import make_context
from qql.compiler.script import Compiled, compile_script
from qql.errors import Source
from qql.models.embed_request import embed_request
from qql.rest.fusion import f32, rrf_score
from qql.rest.request import Request
from qql.schema import Schema
from qql.session.connect import connect
from qql.session.session import Session

COUNT = 150
INDEXES = {"number": "integer", "price": "float"}


class Database:
    """Points in the engine, with queries compiled against their schema."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.engine("PUT", "", CONFIG)
        self.engine.upsert(*points(COUNT))
        for field, kind in INDEXES.items():
            self.engine("PUT", "index", {"field_name": field, "field_schema": kind})
        self.schema = Schema.from_info(self.engine("GET"))
        self.call = self.engine.backend.call

    def compiled(self, text: str) -> Compiled:
        context = make_context("docs")
        context.schema = lambda _: self.schema
        (one,) = compile_script(Source(text), None, context)
        return one

    def analyse(self, text: str, call: Any = None, **options: Any) -> Analysis:
        one = self.compiled(text)
        assert one.plan is not None
        return analyse(one.plan, one.requests[0], call or self.call, **{"runs": 0} | options)

    def why(self, text: str, point: int, call: Any = None) -> Explanation:
        one = self.compiled(text)
        assert one.plan is not None
        return why(one.plan, one.requests[0], call or self.call, point)

    def hits(self, text: str) -> list[tuple[Any, float]]:
        answer = self.call(self.compiled(text).requests[0])
        return [(point["id"], point["score"]) for point in answer["points"]]

    def ids(self, text: str) -> list[Any]:
        return [key for key, _ in self.hits(text)]


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    made = Database()
    yield made
    made.engine.close()


def ids(found: Any) -> list[Any]:
    return [one.id for one in found]


# ------------------------------------------------------------------------------------ stages

DENSE = "[0.1, 0.2, 0.3, -0.4, 0.5, 0.6]"
WORDS = "{indices: [1, 2, 3], values: [1, 1, 1]}"
BASE = (
    f"WITH dense AS (QUERY {DENSE} USING dense LIMIT 30), "
    f"words AS (QUERY {WORDS} USING words WHERE number > 2 LIMIT 300) "
)
HYBRID = BASE + "QUERY FUSION RRF FROM docs PREFETCH (dense, words)"


def test_a_stage_used_twice_runs_once(db: Database) -> None:
    text = BASE + (
        "QUERY FUSION RRF FROM docs PREFETCH (dense, (QUERY FUSION DBSF PREFETCH (dense, words) LIMIT 9),"
        " dense WHERE flag = true SCORE THRESHOLD 0.2) LIMIT 5"
    )
    one = db.compiled(text)
    assert one.plan is not None
    runs = stage_requests(one.plan, one.requests[0])
    assert [run.label for run in runs] == [
        "root",
        "dense",
        "inline 1",
        "words",
        "dense WHERE flag = true SCORE THRESHOLD 0.2",
    ]
    assert [run.paths for run in runs] == [((),), ((0,), (1, 0)), ((1,),), ((1, 1),), ((2,),)]
    assert [run.inputs for run in runs] == [(1, 2, 4), (), (1, 3), (), ()]
    assert [run.depth for run in runs] == [0, 1, 1, 2, 1]
    sent: list[Request] = []

    def call(request: Request) -> Any:
        sent.append(request)
        return db.call(request)

    db.analyse(text, call)
    assert [request.route for request in sent] == [("POST", "points/query/batch")] * 2
    assert len((sent[0].body or {})["searches"]) == 5
    # The one search that is full is asked for what its limit leaves out.
    assert [one["limit"] for one in (sent[1].body or {})["searches"]] == [50]


def test_a_limit_that_cuts_a_tie_is_told(db: Database) -> None:
    """Of two lists without a common point, RRF gives the first of each the same score, the second, …"""
    text = (
        f"QUERY FUSION RRF FROM docs PREFETCH ((QUERY {DENSE} USING dense WHERE number < 5 LIMIT 4), "
        f"(QUERY {DENSE} USING dense WHERE number >= 5 LIMIT 4)) LIMIT "
    )
    odd = db.analyse(text + "3")
    assert odd.stages[0].cut == CutTie(inside=1, outside=1)
    assert [stage.cut for stage in odd.stages[1:]] == [None, None]
    lines = "\n".join(analysis_lines(odd, 120))
    assert "LIMIT cuts a tie: 1 before and 1 behind it are equal, any of which the engine keeps" in lines
    assert db.analyse(text + "4").stages[0].cut is None
    assert db.analyse(text + "9").stages[0].cut is None  # and it is not full


@pytest.mark.parametrize(
    ("more", "cut"),
    [
        ([(3, 0.7), (4, 0.7), (5, 0.6)], CutTie(1, 2)),
        ([(3, 0.6)], None),
        ([], None),
        ([(key, 0.7) for key in range(3, 23)], CutTie(1, 20, more=True)),
    ],
)
def test_a_search_is_asked_for_what_its_limit_left_out(db: Database, more: Pairs, cut: CutTie | None) -> None:
    stage: Pairs = [(1, 0.8), (2, 0.7)]
    found = db.analyse(one_list(2, "LIMIT 2"), telling([(1, 0.5), (2, 1 / 3)], stage, more=[*stage, *more]))
    assert found.stages[1].cut == cut and found.stages[0].cut is None
    data = found.stages[1].to_dict([])["cut_tie"]
    assert data == (cut and {"inside": cut.inside, "outside": cut.outside, "more": cut.more})


def test_samples_and_mmr_cut_no_ties(db: Database) -> None:
    for text in ("QUERY SAMPLE FROM docs LIMIT 2", f"QUERY MMR {DENSE} FROM docs USING dense LIMIT 2"):
        assert [stage.cut for stage in db.analyse(text).stages] == [None] * len(db.analyse(text).stages)


def test_the_same_stage_below_different_filters_is_two(db: Database) -> None:
    text = BASE + (
        "QUERY FUSION RRF FROM docs PREFETCH ("
        "(QUERY FUSION RRF PREFETCH (dense) WHERE flag = true),"
        " (QUERY FUSION RRF PREFETCH (dense) WHERE flag = false))"
    )
    found = db.analyse(text)
    labels = [report.label for report in found.stages]
    assert labels[1:] == ["inline 1", "dense below inline 1", "inline 2", "dense below inline 2"]
    flagged = set(db.engine.matching({"must": [{"key": "flag", "match": {"value": True}}]}))
    assert set(ids(found.stages[2].candidates)) <= flagged
    assert not set(ids(found.stages[4].candidates)) & flagged


def test_alternatives_of_an_ancestor_stay_together(db: Database) -> None:
    text = (
        f"QUERY FUSION RRF FROM docs WHERE flag = true OR number = 1"
        f" PREFETCH ((QUERY {DENSE} USING dot WHERE word = 'red' OR price < 20 LIMIT 400)) LIMIT 400"
    )
    found = db.analyse(text)
    condition = "(flag = true OR number = 1) AND (word = 'red' OR price < 20)"
    both = db.ids(f"QUERY {DENSE} FROM docs USING dot WHERE {condition} LIMIT 400")
    assert sorted(ids(found.stages[1].candidates)) == sorted(both) == sorted(ids(found.hits))


def test_points_that_an_ancestor_names_are_left_out(db: Database) -> None:
    near = db.ids(f"QUERY {DENSE} FROM docs USING dense LIMIT 5")
    text = f"QUERY POINT {near[1]} FROM docs USING dot PREFETCH ((QUERY {DENSE} USING dense LIMIT 5)) LIMIT 9"
    found = db.analyse(text)
    assert near[1] not in ids(found.stages[1].candidates)
    assert sorted(ids(found.hits)) == sorted(ids(found.stages[1].candidates))
    assert found.stages[0].rescored is not None
    assert (found.stages[0].rescored.union, found.stages[0].rescored.kept) == (5, 5)


def test_what_mmr_is_below_another_stage(db: Database) -> None:
    mmr = f"QUERY MMR {DENSE} DIVERSITY 0.9 CANDIDATES 12 USING dense LIMIT 4"
    found = db.analyse(f"QUERY FUSION RRF FROM docs PREFETCH (({mmr})) LIMIT 50")
    plain = db.ids(f"QUERY {DENSE} FROM docs USING dense LIMIT 12")
    assert ids(found.stages[1].candidates) == plain[:4] == ids(found.hits)
    assert any("DIVERSITY is not applied" in note for note in found.notes)
    found = db.analyse(f"QUERY {DENSE} FROM docs USING dense PREFETCH (({mmr})) LIMIT 50")
    assert ids(found.stages[1].candidates) == plain == ids(found.hits)
    assert any("DIVERSITY and LIMIT are not applied" in note for note in found.notes)
    fed = f"{mmr} SCORE THRESHOLD 0.3 PREFETCH ((QUERY {DENSE} USING dot LIMIT 30))"
    found = db.analyse(f"QUERY FUSION RRF FROM docs PREFETCH (({fed})) LIMIT 50")
    assert ids(found.stages[1].candidates) == ids(found.hits)
    assert len(found.hits) == 4
    assert any("CANDIDATES and SCORE THRESHOLD are not applied" in note for note in found.notes)


@pytest.mark.parametrize("method", ["RRF", "DBSF"])
def test_stages_that_order_by_a_field_or_a_distance(db: Database, method: str) -> None:
    for other in ("ORDER BY price", "ORDER BY price DESC", f"{DENSE} USING far"):
        prefetch = f"(QUERY {DENSE} USING dense), (QUERY {other})"
        text = f"QUERY FUSION {method} FROM docs PREFETCH ({prefetch}) LIMIT 30"
        found = db.analyse(text)
        assert found.stages[0].verdict is not None
        assert found.stages[0].verdict.text == "recomposed = engine"
        if method == "DBSF":  # all of it is determined, the order too
            assert ids(found.stages[0].verdict.order)[:5] == ids(found.hits)[:5]


def test_points_and_pages(db: Database) -> None:
    found = db.analyse("QUERY POINTS (3, 5, 999) FROM docs")
    assert (found.stages, ids(found.hits)) == ((), [3, 5])
    assert provenance(found) == []
    assert found.to_dict()["hits"][0] == {"id": 3, "rank": 1, "score": None}
    whole = db.analyse(HYBRID + " LIMIT 20")
    page = db.analyse(HYBRID + " LIMIT 5 OFFSET 4")
    assert [hit.score for hit in page.hits] == [hit.score for hit in whole.hits][4:9]
    assert page.stages[0].run.limit == 9
    assert [hit.rank for hit in provenance(page)] == [5, 6, 7, 8, 9]
    assert [one.rank for one in page.stages[1].reached][:1] >= [5]


def test_groups(db: Database) -> None:
    text = BASE + "QUERY FUSION RRF FROM docs PREFETCH (dense, words) GROUP BY word SIZE 2 LIMIT 3"
    found = db.analyse(text)
    answer = db.call(db.compiled(text).requests[0])
    expected = [hit["score"] for group in answer["groups"] for hit in group["hits"]]
    assert [hit.score for hit in found.hits] == expected  # of equals, others may stand there each time
    assert found.grouped
    assert [report.run.limit for report in found.stages] == [6, 60, 600]
    worded = set(db.engine.matching({"must_not": [{"is_empty": {"key": "word"}}]}))
    assert set(ids(found.stages[1].candidates)) <= worded
    assert found.stages[0].verdict is not None
    assert found.stages[0].verdict.text == "recomposed = engine"
    assert f"returned {len(expected)} points in groups" in "\n".join(analysis_lines(found))


# ------------------------------------------------------------------------------------ measures


def test_what_a_stage_did(db: Database) -> None:
    found = db.analyse(HYBRID + " LIMIT 10", runs=3)
    root, dense, words = found.stages
    matching = db.ids(f"QUERY {WORDS} FROM docs USING words WHERE number > 2 LIMIT 300")
    assert (dense.returned, dense.run.limit, dense.unused) == (30, 30, 0)
    assert (words.returned, words.unused) == (len(matching), 300 - len(matching))
    assert dense.scores is not None
    values = sorted(one.score for one in dense.candidates)
    assert (dense.scores.low, dense.scores.high) == (values[0], values[-1])
    assert dense.scores.median == (values[14] + values[15]) / 2
    assert sum(dense.scores.histogram) == 30 and len(dense.scores.histogram) == 10
    both = set(ids(dense.candidates)) & set(matching)
    either = set(ids(dense.candidates)) | set(matching)
    assert [(one.label, one.count, one.jaccard) for one in dense.overlaps] == [
        ("words", len(both), len(both) / len(either))
    ]
    assert dense.exclusive == set(ids(dense.candidates)) - set(matching)
    assert {one.id for one in dense.exclusive_hits} == dense.exclusive & set(ids(found.hits))
    for one in dense.reached:
        assert dense.candidates[one.stage_rank - 1].id == one.id == found.hits[one.rank - 1].id
    for report in found.stages:
        assert report.timing is not None and report.timing.runs == 3
        assert 0 < report.timing.p50 <= report.timing.p95
        assert report.timing.server is None
    assert found.timing == root.timing


def test_the_times_of_a_server_are_told(db: Database) -> None:
    found = db.analyse(HYBRID, runs=2, took=lambda: 0.002)
    assert found.timing is not None and found.timing.server == 2.0
    assert "server 2.0 ms" in analysis_lines(found)[0]


def test_scores_of_few() -> None:
    assert Scores.of([float("inf"), 2.0, 1.0], bins=2) == Scores(1.0, 2.0, float("inf"), (3, 0))
    assert Scores.of([]) is None
    assert Scores.of([0.5, 0.5], bins=3) == Scores(0.5, 0.5, 0.5, (2, 0, 0))
    assert Scores.of([0.0, 1.0, 2.0, 3.0], bins=3) == Scores(0.0, 1.5, 3.0, (1, 1, 2))


# ------------------------------------------------------------------------------------ fusion


def test_rrf_as_in_qdrants_own_tests() -> None:
    lists = [
        [Candidate(2, 0.9), Candidate(1, 0.8)],
        [Candidate(1, 0.7), Candidate(2, 0.6), Candidate(3, 0.5)],
        [Candidate(5, 0.9), Candidate(3, 0.5), Candidate(1, 0.4)],
    ]
    found = [(one.id, one.score) for one in fuse(Fusion("rrf"), lists)]
    expected = [(1, 1.0833334), (2, 0.8333334), (3, 0.5833334), (5, 0.5)]
    assert found == [(key, f32(score)) for key, score in expected]


def test_weights_at_their_ends() -> None:
    assert rrf_score(0, 2, 0.0) == rrf_score(0, 2, -1.0) == rrf_score(0, 2, 1e-60) == 0.0
    assert rrf_score(2, 2, 3.0) == rrf_score(0, 2, 1.0) == 0.5
    assert rrf_score(0, 1, 1e300) == float("inf")


def test_dbsf_of_few_and_of_equals() -> None:
    one, equal = [Candidate(1, 7.0)], [Candidate(2, 3.0), Candidate(3, 3.0)]
    assert [(one.id, one.score) for one in fuse(Fusion("dbsf"), [one, equal, []])] == [
        (1, 0.5),
        (2, 0.5),
        (3, 0.5),
    ]


Doctor = Callable[[Request, Any], Any]


def doctored(db: Database, doctor: Doctor) -> Callable[[Request], Any]:
    return lambda request: doctor(request, db.call(request))


Pairs = list[tuple[int, float]]


def telling(*answers: Pairs, more: Pairs | None = None, shards: int = 1) -> Callable[[Request], Any]:
    """An engine that gives these lists to the first batch, the root first, and to the same questions.

    ``more`` is what it gives to other questions: for more points, or for those of certain ids.
    """
    known: dict[str, Pairs] = {}

    def call(request: Request) -> Any:
        if request.method == "GET":
            return {"config": {"params": {"shard_number": shards}}}
        assert request.route == ("POST", "points/query/batch")
        asked = [json.dumps(one, sort_keys=True) for one in (request.body or {})["searches"]]
        if not known:
            known.update(zip(asked, answers, strict=True))
        lists = [known.get(one, more or []) for one in asked]
        return [{"points": [{"id": key, "score": score} for key, score in one]} for one in lists]

    return call


def one_list(limit: int, clauses: str = "") -> str:
    return f"QUERY FUSION RRF FROM docs PREFETCH ((QUERY {DENSE} USING dense LIMIT {limit})) {clauses}"


def test_a_difference_is_told(db: Database) -> None:
    def doctor(request: Request, answer: Any) -> Any:
        if len(answer) == 3:  # the query and its stages, and not the stages once more
            answer[0]["points"][0]["score"] += 0.25
        return answer

    verdict = db.analyse(HYBRID, doctored(db, doctor)).stages[0].verdict
    assert verdict is not None and not verdict.same
    assert verdict.text == "recomposed ≠ engine in 1 point: no reason is known"
    (wrong,) = verdict.differences
    assert (wrong.rank, wrong.reason) == (1, "unexplained")
    assert wrong.expected is not None and wrong.score == pytest.approx(wrong.expected + 0.25)


def test_the_order_of_a_field_is_judged_by_the_field(db: Database) -> None:
    """DBSF of points that a field has ordered goes by the field, whatever the scores; here all are 0.5."""

    def doctor(request: Request, answer: Any) -> Any:
        if len(answer) == 2:  # the end of the list instead of its beginning
            answer[0]["points"] = [{**point, "score": 0.5} for point in reversed(answer[1]["points"][:4])]
        return answer

    text = "QUERY FUSION DBSF FROM docs PREFETCH ((QUERY ORDER BY price LIMIT 150)) LIMIT 4"
    assert _reasons(db.analyse(text)) == ()
    assert _reasons(db.analyse(text, doctored(db, doctor))) == ("unexplained",)


def test_a_threshold_ends_a_list_at_the_first_point_below_it(db: Database) -> None:
    """DBSF puts the ordered points first; one of them has 0.5, so that none of the others is reached."""
    prefetch = f"(QUERY ORDER BY price LIMIT 3), (QUERY {DENSE} USING dot LIMIT 20)"
    text = f"QUERY FUSION DBSF FROM docs PREFETCH ({prefetch}) LIMIT 30"
    cut = text + " SCORE THRESHOLD 0.55"
    every = db.analyse(text).hits
    passing = [{"id": one.id, "score": one.score} for one in every if one.score >= 0.55]
    assert len(db.ids(cut)) < 3 < len(passing)

    def doctor(request: Request, answer: Any) -> Any:
        if len(answer) == 3:
            answer[0]["points"] = passing
        return answer

    assert _reasons(db.analyse(cut)) == ()
    assert _reasons(db.analyse(cut, doctored(db, doctor))) == ("unexplained",)


def test_a_list_out_of_order_is_told(db: Database) -> None:
    def doctor(request: Request, answer: Any) -> Any:
        if len(answer) == 3:
            answer[0]["points"].reverse()
        return answer

    verdict = db.analyse(HYBRID, doctored(db, doctor)).stages[0].verdict
    assert verdict is not None and not verdict.same and verdict.unexplained
    assert verdict.reasons == ("malformed",) and "out of order" in verdict.text


def test_rounding_is_told(db: Database) -> None:
    def doctor(request: Request, answer: Any) -> Any:
        if request.route[1].endswith("batch"):
            answer[0]["points"][1]["score"] *= 1 + 1e-6
        return answer

    verdict = db.analyse(HYBRID, doctored(db, doctor)).stages[0].verdict
    assert verdict is not None and verdict.same
    assert verdict.text == "recomposed = engine, but for rounding"


def test_an_engine_that_changes_its_mind_is_told(db: Database) -> None:
    asked: list[int] = []

    def doctor(request: Request, answer: Any) -> Any:
        asked.append(1)
        if len(asked) == 1:  # the query has seen the whole of dense, and what is shown of it lacks the best
            answer[1]["points"] = answer[1]["points"][1:]
        return answer

    verdict = db.analyse(HYBRID, doctored(db, doctor)).stages[0].verdict
    assert verdict is not None and verdict.reasons[0] == "nondeterminism"


def test_nested_fusions_on_several_shards_are_told(db: Database) -> None:
    def doctor(request: Request, answer: Any) -> Any:
        if request.method == "GET":
            return answer | {"config": {"params": {"shard_number": 3}}}
        answer[0]["points"][0]["score"] += 0.25
        return answer

    nested = BASE + "QUERY FUSION RRF FROM docs PREFETCH (words, (QUERY FUSION DBSF PREFETCH (dense, words)))"
    verdict = db.analyse(nested, doctored(db, doctor)).stages[0].verdict
    assert verdict is not None and "shards" in verdict.reasons
    assert verdict.text.startswith("not recomposable, because each of the 3 shards fuses and rescores")
    flat = db.analyse(HYBRID, doctored(db, doctor)).stages[0].verdict
    assert flat is not None and "shards" not in flat.reasons


def test_rescoring_on_several_shards_is_told(db: Database) -> None:
    """Each shard rescores the points that its own prefetches find."""
    text = f"QUERY {DENSE} FROM docs USING far PREFETCH ((QUERY {DENSE} USING dense LIMIT 5)) LIMIT 2"
    for shards, reason in ((2, "shards"), (1, "unexplained")):
        call = telling([(7, 0.1), (1, 0.2)], [(1, 0.9), (2, 0.8)], more=[(1, 0.9), (2, 0.8)], shards=shards)
        rescored = db.analyse(text, call).stages[0].rescored
        assert rescored is not None
        assert (rescored.union, rescored.kept, rescored.strangers) == (2, 1, (7,))
        assert rescored.reason == reason


def test_a_tie_is_no_excuse_where_there_is_none(db: Database) -> None:
    """The last of a full stage may be one of several equals; that is asked for, not taken for granted."""

    def doctor(request: Request, answer: Any) -> Any:
        if len(answer) == 2:
            del answer[0]["points"][-1]
        return answer

    verdict = db.analyse(one_list(5, "LIMIT 5"), doctored(db, doctor)).stages[0].verdict
    assert verdict is not None and verdict.reasons == ("unexplained",)


@pytest.mark.parametrize(("third", "reason"), [(0.7, "ties"), (0.6, "unexplained")])
def test_a_tie_at_the_limit_of_a_stage(db: Database, third: float, reason: str) -> None:
    """The query may have got 3 where the stage, asked again, gave 2: if they are equal."""
    stage: Pairs = [(1, 0.8), (2, 0.7)]
    call = telling([(1, 0.5), (3, 1 / 3)], stage, more=[*stage, (3, third)])
    verdict = db.analyse(one_list(2), call).stages[0].verdict
    assert verdict is not None and verdict.reasons == (reason,)
    assert {(one.id, one.rank) for one in verdict.differences} == {(3, 2), (2, None)}


@pytest.mark.parametrize(("score", "reason"), [(0.25, "ties"), (0.3, "unexplained")])
def test_only_scores_that_ties_can_give_are_excused(db: Database, score: float, reason: str) -> None:
    """Of three equals, one may have the second place or the third, and nothing between them."""
    stage: Pairs = [(1, 0.7), (2, 0.7), (3, 0.7)]
    call = telling([(3, 0.5), (1, 1 / 3), (2, score)], stage, more=stage)
    verdict = db.analyse(one_list(10), call).stages[0].verdict
    assert verdict is not None
    assert {one.id: one.reason for one in verdict.differences} == {3: "ties", 1: "ties", 2: reason}


def test_a_sample_excuses_what_a_sample_can_give(db: Database) -> None:
    text = (
        f"QUERY FUSION RRF FROM docs PREFETCH ((QUERY SAMPLE LIMIT 2), (QUERY {DENSE} USING dense LIMIT 2))"
    )
    sample: Pairs = [(5, 1.0), (6, 1.0)]
    every: Pairs = [(key, 1.0) for key in range(1, 9)]
    for score, reason in ((0.5 + 0.5, "sample"), (0.5 + 0.4, "unexplained")):
        call = telling([(1, score), (2, 1 / 3)], sample, [(1, 0.9), (2, 0.8)], more=every)
        verdict = db.analyse(text, call).stages[0].verdict
        assert verdict is not None
        assert {one.id: one.reason for one in verdict.differences if one.rank} == {1: reason}


def test_rounding_makes_no_stage_another(db: Database) -> None:
    asked: list[int] = []

    def doctor(request: Request, answer: Any) -> Any:
        asked.append(1)
        if len(asked) == 1:
            answer[0]["points"][0]["score"] += 0.25
        else:
            for one in answer:
                for point in one["points"]:
                    point["score"] *= 1 + 1e-7
        return answer

    assert _reasons(db.analyse(HYBRID, doctored(db, doctor))) == ("unexplained",)
    assert len(asked) > 1


@pytest.mark.parametrize(
    ("hits", "reasons"),
    [
        ([(1, 0.5), (2, 1 / 3)], ()),
        ([(1, 0.6), (2, 1 / 3)], ("unexplained",)),  # found by the first request, with its score
        ([(1, 0.5), (3, 1 / 3)], ("groups",)),  # found by one that leaves others out
        ([(1, 0.5), (3, 0.2)], ("unexplained",)),  # among fewer, none ranks lower
        ([(1, 0.5), (9, 1 / 3)], ("groups",)),
    ],
)
def test_what_groups_excuse(db: Database, hits: Pairs, reasons: tuple[str, ...]) -> None:
    """Two groups of one: the first request asks for two points, and keeps those that it finds."""
    stage = telling([(1, 0.9), (2, 0.8), (3, 0.7)], more=[(1, 0.9), (2, 0.8), (3, 0.7)])

    def call(request: Request) -> Any:
        if not request.route[1].endswith("groups"):
            return stage(request)
        return {"groups": [{"id": key, "hits": [{"id": key, "score": score}]} for key, score in hits]}

    assert _reasons(db.analyse(one_list(10, "GROUP BY word SIZE 1 LIMIT 2"), call)) == reasons


def test_a_threshold_is_a_32_bit_float(db: Database) -> None:
    """0.04 is less as one, and so is the score that RRF gives to the first of a list for k = 25."""
    found = db.analyse(one_list(5, "PARAMS (rrf_k = 25) SCORE THRESHOLD 0.04"))
    assert [hit.score for hit in found.hits] == [f32(0.04)]
    verdict = found.stages[0].verdict
    assert verdict is not None and verdict.text == "recomposed = engine"
    assert ids(verdict.order) == ids(found.hits)


def test_mmr_above_mmr(db: Database) -> None:
    """The lower one gives all its CANDIDATES, and the upper one selects from them."""
    lower = f"QUERY MMR {DENSE} CANDIDATES 40 USING dense LIMIT 5"
    upper = f"QUERY MMR {DENSE} DIVERSITY 0.9 USING far PREFETCH (({lower})) LIMIT 20"
    found = db.analyse(f"QUERY FUSION RRF FROM docs PREFETCH (({upper})) LIMIT 50")
    assert [report.returned for report in found.stages] == [20, 20, 40]
    assert ids(found.hits) == ids(found.stages[1].candidates)


def test_dbsf_of_scores_that_hardly_differ(db: Database) -> None:
    """An engine that computes in 64 bits differs by more than usual, and that is rounding."""
    near: Pairs = [(1, 1.0001), (2, 1.00005), (3, 1.0)]
    deviation = 0.00005
    root = [(key, 0.5 + (score - 1.00005) / (6 * deviation)) for key, score in near]
    for by, reason in ((0.0, "rounding"), (0.01, "unexplained")):
        call = telling([(key, score + by) for key, score in root], near)
        assert _reasons(db.analyse(one_list(10).replace("RRF", "DBSF"), call)) == (reason,)


def test_mmr_leaves_the_scores_of_its_prefetches(db: Database) -> None:
    mmr = f"QUERY MMR {DENSE} DIVERSITY 0.5 USING dense PREFETCH ((QUERY {DENSE} USING far LIMIT 8)) LIMIT 6"
    found = db.analyse(f"QUERY FUSION DBSF FROM docs PREFETCH (({mmr}), (QUERY {DENSE} USING dot))")
    assert found.stages[0].verdict is not None
    assert found.stages[0].verdict.text == "recomposed = engine"
    far = {one.id: one.score for one in found.stages[2].candidates}
    assert {one.id: one.score for one in found.stages[1].candidates}.items() <= far.items()


def test_samples_are_told(db: Database) -> None:
    text = (
        f"QUERY FUSION RRF FROM docs PREFETCH ((QUERY SAMPLE LIMIT 20), (QUERY {DENSE} USING dense)) LIMIT 9"
    )
    reasons = {reason for _ in range(5) for reason in _reasons(db.analyse(text))}
    assert reasons <= {"sample", "ties"} and "sample" in reasons


def _reasons(found: Analysis) -> tuple[str, ...]:
    assert found.stages[0].verdict is not None
    return found.stages[0].verdict.reasons


def test_distances_turned_round_by_newer_servers(db: Database) -> None:
    """From issue 10611 of Qdrant on, DBSF lets the nearest of a list of distances count most."""
    far, dot = (f"(QUERY {DENSE} USING {using} LIMIT 20)" for using in ("far", "dot"))
    text = f"QUERY FUSION DBSF FROM docs PREFETCH ({far}, {dot}) LIMIT 8"

    def doctor(request: Request, answer: Any) -> Any:
        lists = [[Candidate.of(point) for point in one["points"]] for one in answer[1:]]
        fused = fuse(Fusion("dbsf"), lists, by_direction=True)[:8]
        return [{"points": [{"id": one.id, "score": one.score} for one in fused]}, *answer[1:]]

    found = db.analyse(text, doctored(db, doctor), ablate=True)
    assert found.stages[0].verdict is not None
    assert found.stages[0].verdict.by_direction and found.stages[0].verdict.same
    assert found.stages[0].verdict.text == "recomposed = engine, with distances turned round"
    assert all(hit.recomposed == hit.score for hit in provenance(found))
    assert ids(found.ablation[1].order)[0] == found.stages[1].candidates[0].id


# ------------------------------------------------------------------------------------ provenance


def test_provenance_of_a_rescoring_root(db: Database) -> None:
    text = BASE + f"QUERY {DENSE} FROM docs USING far PREFETCH (dense, words) LIMIT 4"
    found = db.analyse(text)
    assert found.stages[0].rescored is not None
    union = {one.id for report in found.stages[1:] for one in report.candidates}
    assert (found.stages[0].rescored.union, found.stages[0].rescored.kept) == (len(union), 4)
    for hit in provenance(found):
        root, dense, words = hit.shares
        assert (root.label, root.contribution, root.share) == ("root", hit.score, 1.0)
        assert dense.contribution is None and words.share is None
        assert (dense.rank is not None) == (hit.id in ids(found.stages[1].candidates))
        assert hit.recomposed is None and hit.sources() == (root,)


def test_a_score_of_zero_has_no_shares(db: Database) -> None:
    found = db.analyse(HYBRID + " PARAMS (rrf_weights = [0, 0])")
    for hit in provenance(found):
        assert (hit.score, hit.recomposed) == (0, 0)
        assert [(one.contribution, one.share) for one in hit.sources()] == [(0, None), (0, None)]


def test_an_infinite_score_has_no_shares(db: Database) -> None:
    found = db.analyse(HYBRID + " PARAMS (rrf_k = 1, rrf_weights = [3e38, 1]) LIMIT 400")
    first, last = provenance(found)[0], found.hits[-1]
    assert first.score == first.sources()[0].contribution == float("inf") and last.score < first.score
    assert {one.share for one in first.shares} == {None}
    assert found.stages[0].scores is not None and sum(found.stages[0].scores.histogram) == len(found.hits)


def test_what_comes_through_a_stage_without_weight_is_zero(db: Database) -> None:
    """Below it too, though the nested score itself is none; and all of an infinite one is infinite."""
    inner = f"dense, (QUERY {DENSE} USING dot LIMIT 150)"
    nested = f"(QUERY FUSION RRF PREFETCH ({inner}) PARAMS (rrf_weights = [1, 0]))"
    text = f"{BASE} QUERY FUSION RRF FROM docs PREFETCH ({nested}, words) LIMIT 400 PARAMS (rrf_k = 1, "
    for hit in provenance(db.analyse(f"{text} rrf_weights = [0, 1])")):
        assert [one.contribution for one in hit.shares if one.path[0] == 0] == [0, 0, 0]
    infinite = float("inf")
    for hit in provenance(db.analyse(f"{text} rrf_weights = [3e38, 1])"))[:5]:
        assert [one.contribution for one in hit.shares if one.path[0] == 0][1:] in (
            [infinite, infinite],
            [infinite, 0],
        )


def test_a_score_that_ties_have_changed_is_divided_as_the_recomposed_one(db: Database) -> None:
    call = telling([(1, 0.5), (2, 1 / 3)], [(2, 0.7), (1, 0.7)])
    first, second = provenance(db.analyse(one_list(10), call))
    assert (first.recomposed, second.recomposed) == (f32(1 / 3), 0.5)
    assert [(one.contribution, one.share) for one in first.sources()] == [(0.5, 1.0)]
    assert [one.contribution for one in second.sources()] == [pytest.approx(1 / 3)]


def test_where_nothing_is_known_nothing_is_shared(db: Database) -> None:
    """A point that the query had by a tie, and that its stages, asked again, lack."""
    stage: Pairs = [(1, 0.8), (2, 0.7)]
    more: Pairs = [*stage, (3, 0.7)]
    (_, lost) = provenance(db.analyse(one_list(2), telling([(1, 0.5), (3, 1 / 3)], stage, more=more)))
    assert (lost.recomposed, lost.sources()) == (0, ())
    assert [(one.rank, one.contribution, one.share) for one in lost.shares] == [(None, None, None)]
    inner = f"(QUERY FUSION RRF PREFETCH ((QUERY {DENSE} USING dot LIMIT 2)))"
    text = f"QUERY FUSION RRF FROM docs PREFETCH ({inner})"
    nested: Pairs = [(1, 0.5), (3, 1 / 3)]
    found = db.analyse(text, telling(nested, nested, stage, more=more))
    assert found.stages[1].verdict is not None and found.stages[1].verdict.reasons == ("ties",)
    (source,) = provenance(found)[1].sources()
    assert (source.label, source.contribution, source.share) == ("inline 1", f32(1 / 3), 1.0)


def outlier(least: float, count: int = 20) -> Pairs:
    """Scores of many points that hardly differ, and a far lower one, which DBSF puts below 0."""
    return [*((key, 1 + key / 1000) for key in range(count, 1, -1)), (1, least)]


def test_parts_that_cancel_are_divided_evenly(db: Database) -> None:
    """By their own shares, each would have a thousand times the score and more."""
    low, high = 0.0, 1.0
    negative = contributions(Fusion("dbsf"), [[Candidate(*one) for one in outlier(0.0)]])[0][1]
    assert negative < -0.2
    for _ in range(60):  # a second list, in which the point has as much above 0
        middle = (low + high) / 2
        other = [(1, middle), *((key, 1.0 + (key % 2)) for key in range(2, 21))]
        part = contributions(Fusion("dbsf"), [[Candidate(*one) for one in other]])[0][1]
        low, high = (middle, high) if part < -negative else (low, middle)
    inner = (
        f"QUERY FUSION DBSF PREFETCH ((QUERY {DENSE} USING dot LIMIT 50), (QUERY {DENSE} USING far LIMIT 50))"
    )
    text = f"QUERY FUSION RRF FROM docs PREFETCH (({inner} LIMIT 50)) LIMIT 50"
    lists = [[Candidate(*one) for one in found] for found in (outlier(0.0), other)]
    nested = fuse(Fusion("dbsf"), lists)
    root = fuse(Fusion("rrf"), [[Candidate(one.id, one.score) for one in nested]])
    answers = [[(one.id, one.score) for one in found] for found in (root, nested, *lists)]
    last = provenance(db.analyse(text, telling(*answers)))[-1]
    assert last.id == 1 and abs(nested[-1].score) < 1e-6
    assert [one.contribution for one in last.sources()] == [last.score / 2] * 2


def test_dbsf_takes_away_too(db: Database) -> None:
    prefetch = f"(QUERY {DENSE} USING dot LIMIT 50), (QUERY {DENSE} USING far)"
    text = f"QUERY FUSION DBSF FROM docs PREFETCH ({prefetch})"
    lists = [[Candidate(*one) for one in outlier(0.0)], [Candidate(1, 3.0)]]
    root = [(one.id, one.score) for one in fuse(Fusion("dbsf"), lists)]
    answers = [[(one.id, one.score) for one in found] for found in lists]
    last = provenance(db.analyse(text + " LIMIT 50", telling(root, *answers)))[-1]
    taken, given = last.sources()
    assert taken.contribution is not None and taken.contribution < 0 and given.contribution == 0.5
    assert taken.contribution + 0.5 == pytest.approx(last.score, rel=2e-6)
    assert taken.share is not None and given.share is not None
    assert taken.share < 0 < 1 < given.share and taken.share + given.share == pytest.approx(1)


def test_provenance_is_json(db: Database) -> None:
    first = provenance(db.analyse(HYBRID))[0]
    data = json.loads(json.dumps(first.to_dict()))
    assert data["stages"][0]["stage"] == "dense" and data["stages"][0]["path"] == [0]
    assert sum(one["share"] for one in data["stages"]) == pytest.approx(1)


# ------------------------------------------------------------------------------------ ablation


def test_ablation_is_what_the_engine_answers_without_the_stage(db: Database) -> None:
    stages = {
        "a": f"(QUERY {DENSE} USING dense LIMIT 30)",
        "b": f"(QUERY {DENSE} USING dot WHERE number > 2 LIMIT 20)",
        "c": f"(QUERY {DENSE} USING city LIMIT 25)",
    }
    weights = {"a": 1.5, "b": 0.7, "c": 1.1}

    def text(names: str) -> str:
        prefetch = ", ".join(stages[name] for name in names)
        given = [weights[name] for name in names]
        params = f"PARAMS (rrf_k = 4, rrf_weights = {given})"
        return f"QUERY FUSION RRF FROM docs PREFETCH ({prefetch}) {params} LIMIT 8 OFFSET 2"

    found = db.analyse(text("abc"), ablate=True)
    assert [one.label for one in found.ablation] == ["inline 1", "inline 2", "inline 3"]
    before = ids(found.hits)
    for one, rest in zip(found.ablation, ("bc", "ac", "ab"), strict=True):
        expected = db.hits(text(rest))
        assert [(hit.id, hit.score) for hit in one.order] == expected
        after = [key for key, _ in expected]
        assert set(one.entered) == set(after) - set(before) and set(one.left) == set(before) - set(after)
        assert one.overlap == len(set(after) & set(before)) / len(before)
        assert {(m.id, m.before - 3, m.after - 3) for m in one.moved} == {
            (key, before.index(key), after.index(key))
            for key in before
            if key in after and before.index(key) != after.index(key)
        }


def test_ablation_may_bring_more_hits(db: Database) -> None:
    """Without the list that takes away from its score, a point passes the threshold."""
    prefetch = ", ".join(f"(QUERY {DENSE} USING {using} LIMIT 50)" for using in ("dot", "far", "city"))
    text = f"QUERY FUSION DBSF FROM docs PREFETCH ({prefetch}) SCORE THRESHOLD 0.9"
    found = db.analyse(text, telling([], outlier(0.0), [(1, 3.0)], [(1, 3.0)]), ablate=True)
    assert found.stages[0].verdict is not None and found.stages[0].verdict.same
    without, *others = found.ablation
    assert [(one.id, one.score) for one in without.order] == [(1, 1.0)]
    assert (without.entered, without.left, without.overlap) == ((1,), (), 1.0)
    assert [one.order for one in others] == [(), ()]


def test_ablation_of_groups(db: Database) -> None:
    stages = [f"(QUERY {DENSE} USING {using} LIMIT 30)" for using in ("dense", "dot")]

    def text(*given: str) -> str:
        return f"QUERY FUSION DBSF FROM docs PREFETCH ({', '.join(given)}) GROUP BY number SIZE 2 LIMIT 3"

    found = db.analyse(text(*stages), ablate=True)
    before = {hit.id for hit in found.hits}
    for one, rest in zip(found.ablation, reversed(stages), strict=True):
        answer = db.call(db.compiled(text(rest)).requests[0])
        expected = [(hit["id"], hit["score"]) for group in answer["groups"] for hit in group["hits"]]
        assert [(hit.id, hit.score) for hit in one.order] == expected
        after = {key for key, _ in expected}
        assert (set(one.entered), set(one.left)) == (after - before, before - after)
        assert one.overlap == len(before & after) / len(before)
    (alone,) = db.analyse(text(stages[0]), ablate=True).ablation
    assert (alone.order, alone.overlap) == ((), 0.0)


def test_ablation_needs_a_fusion(db: Database) -> None:
    found = db.analyse(f"QUERY {DENSE} FROM docs USING dense", ablate=True)
    assert found.ablation == () and "fuses nothing" in found.notes[-1]


# ------------------------------------------------------------------------------------ why


def standing(found: Explanation, label: str) -> Any:
    return next(one for one in found.standings if one.label == label)


def test_a_hit_is_followed(db: Database) -> None:
    key = db.ids(HYBRID)[2]
    found = db.why(HYBRID, key)
    assert found.is_hit and found.reason.startswith(f"point {key} is hit 3 of 10, with score ")
    analysis = db.analyse(HYBRID)
    for label, report in (("dense", analysis.stages[1]), ("words", analysis.stages[2])):
        if key in ids(report.candidates):
            assert standing(found, label).rank == ids(report.candidates).index(key) + 1
    assert json.dumps(found.to_dict())


def test_a_point_that_is_not_there(db: Database) -> None:
    found = db.why(HYBRID, 9999)
    assert (found.outcome, found.reason) == ("no-point", "there is no point 9999 in docs")
    assert db.why("QUERY POINTS (3) FROM docs", 3).is_hit
    assert db.why("QUERY POINTS (3) FROM docs", 4).outcome == "filtered"


CONDITIONS = [
    ("number > 6 AND flag = true", "number > 6"),
    ("word = 'red' OR price < 10", "word = 'red' OR price < 10"),
    ("NOT (number < 3 OR tags = 'a')", "NOT tags = 'a'"),
    ("MIN SHOULD 2 (flag = true, number > 6, price < 50)", "of which 1 holds"),
    ("id IN (1, 2)", "id IN (1, 2)"),
    ("number BETWEEN 2 AND 4 AND NOT word IS NULL", "number BETWEEN 2 AND 4"),
]


@pytest.mark.parametrize(("condition", "named"), CONDITIONS)
@pytest.mark.parametrize("place", ["stage", "reference", "root"])
def test_the_condition_that_fails_is_named(db: Database, condition: str, named: str, place: str) -> None:
    where = {name: f"WHERE {condition}" if name == place else "" for name in ("stage", "reference", "root")}

    def text(given: dict[str, str]) -> str:
        return (
            f"WITH near AS (QUERY {DENSE} USING dot {given['stage']} LIMIT 400) "
            f"QUERY FUSION RRF FROM docs PREFETCH (near {given['reference']}) {given['root']} LIMIT 400"
        )

    every = db.ids(text(dict.fromkeys(where, "")))
    shown = 0
    for key in sorted(set(every) - set(db.ids(text(where)))):
        found = db.why(text(where), key)
        (stage,) = (one for one in found.standings if one.depth == 1)
        assert (found.outcome, stage.outcome) == ("not-in-inputs", "filtered")
        label, source = {"stage": ("near", "stage"), "reference": ("near", "reference")}.get(
            place, ("root", "stage")
        )
        assert {(one.stage, one.source) for one in stage.failed} == {(label, source)}
        shown += any(named in one.text for one in stage.failed)
        # What is named fails, and without it the point is there.
        for one in stage.failed:
            if "of which" not in one.text:
                assert key not in db.ids(f"QUERY {DENSE} FROM docs USING dot WHERE {one.text} LIMIT 400")
        if shown and key > 40:
            break
    assert shown, (condition, named)


def test_only_the_parts_that_fail_are_named(db: Database) -> None:
    text = f"QUERY {DENSE} FROM docs USING dot WHERE flag = true AND number < 5 AND price > 1 LIMIT 400"
    for key in range(1, 40):
        found = db.why(text, key)
        (payload,) = db.engine("POST", "points", {"ids": [key]})
        row = payload["payload"]
        expected = set() if row["flag"] else {"flag = true"}
        expected |= set() if row.get("number", 99) < 5 else {"number < 5"}
        expected |= set() if row["price"] > 1 else {"price > 1"}
        assert {one.text for one in found.standings[0].failed} == expected
        assert found.is_hit == (not expected)


def test_a_limit_cuts_at_the_rank_that_is_told(db: Database) -> None:
    text = f"QUERY {DENSE} FROM docs USING dense WHERE number > 2 LIMIT {{}}"
    order = db.ids(text.format(400))
    for at in (5, 20, len(order) - 1):
        found = db.why(text.format(5), order[at])
        assert (found.outcome, found.standings[0].rank) == ("cut", at + 1)
        assert "LIMIT 5 cuts it off" in found.reason
        assert db.ids(text.format(at + 1))[-1] == order[at]
        assert order[at] not in db.ids(text.format(at))


@pytest.mark.parametrize("using", ["dense", "far"])
def test_a_threshold_cuts(db: Database, using: str) -> None:
    whole = db.hits(f"QUERY {DENSE} FROM docs USING {using} LIMIT 400")
    between = (whole[9][1] + whole[10][1]) / 2
    text = f"QUERY {DENSE} FROM docs USING {using} SCORE THRESHOLD {{}} LIMIT 400"
    key, score = whole[30]
    found = db.why(text.format(between), key)
    assert (found.outcome, found.standings[0].rank) == ("below-threshold", 31)
    assert found.standings[0].score == pytest.approx(score)
    closer = (score + whole[31][1]) / 2
    assert db.ids(text.format(closer))[-1] == key


def test_a_vector_that_lacks(db: Database) -> None:
    lacking = db.engine.matching({"must_not": [{"has_vector": "dense"}]})[0]
    text = f"QUERY {DENSE} FROM docs USING dense LIMIT 400"
    found = db.why(text, lacking)
    assert (found.outcome, found.reason) == (
        "no-vector",
        f"point {lacking} is no hit: it has no value of the vector dense",
    )
    rescored = f"QUERY {DENSE} FROM docs USING dense PREFETCH ((QUERY {DENSE} USING dot LIMIT 400)) LIMIT 400"
    assert db.why(rescored, lacking).outcome == "no-vector"


def test_what_has_nothing_in_common(db: Database) -> None:
    text = f"QUERY {WORDS} FROM docs USING words LIMIT 400"
    absent = next(key for key in range(1, COUNT) if key not in db.ids(text))
    assert db.why(text, absent).outcome == "no-match"
    there = db.why(
        f"QUERY {{indices: {list(range(30))}, values: {[1] * 30}}} FROM docs USING words LIMIT 400", absent
    )
    assert there.is_hit


def test_the_named_point(db: Database) -> None:
    assert db.why("QUERY POINT 5 FROM docs USING dot LIMIT 400", 5).outcome == "named"
    assert db.why("QUERY POINT 6 FROM docs USING dot LIMIT 400", 5).is_hit


def test_the_order_of_a_field(db: Database) -> None:
    without = db.engine.matching({"must": [{"is_empty": {"key": "number"}}]})[0]
    assert db.why("QUERY ORDER BY number FROM docs LIMIT 400", without).outcome == "no-value"
    order = db.ids("QUERY ORDER BY price FROM docs LIMIT 400")
    found = db.why("QUERY ORDER BY price FROM docs LIMIT 5", order[20])
    assert (found.outcome, found.standings[0].rank) == ("cut", 21)
    assert "with price = " in found.reason


def test_out_ranked_in_a_fusion(db: Database) -> None:
    order = db.ids(HYBRID + " LIMIT 400")
    found = db.why(HYBRID + " LIMIT 5", order[-1])
    assert found.outcome in ("outranked", "tie")
    rank = found.standings[0].rank
    assert rank is not None and order[-1] in db.ids(HYBRID + f" LIMIT {rank + 30}")
    scores = [score for _, score in db.hits(HYBRID + " LIMIT 400")]
    over = (scores[9] + scores[-1]) / 2
    assert db.why(HYBRID + f" SCORE THRESHOLD {over} LIMIT 400", order[-1]).outcome == "below-threshold"


def test_not_in_the_inputs(db: Database) -> None:
    absent = next(key for key in range(1, COUNT) if key not in db.ids(HYBRID + " LIMIT 400"))
    found = db.why(HYBRID + " LIMIT 400", absent)
    assert found.outcome == "not-in-inputs"
    assert found.reason.startswith(f"point {absent} is no hit")
    assert "dense" in found.reason and "words" in found.reason
    dense = standing(found, "dense")
    if dense.outcome == "cut":
        wider = HYBRID.replace("LIMIT 30", f"LIMIT {dense.rank}")
        assert absent in db.ids(wider + " LIMIT 400")


def test_rescoring_cuts(db: Database) -> None:
    text = f"QUERY {DENSE} FROM docs USING far PREFETCH ((QUERY {DENSE} USING dot LIMIT 40)) LIMIT {{}}"
    order = db.ids(text.format(40))
    found = db.why(text.format(5), order[17])
    assert (found.outcome, found.standings[0].rank) == ("cut", 18)
    outside = next(key for key in range(1, COUNT) if key not in order)
    assert db.why(text.format(40), outside).outcome == "not-in-inputs"


def test_formulas_and_mmr_cut(db: Database) -> None:
    text = f"QUERY FORMULA $score + price FROM docs PREFETCH ((QUERY {DENSE} USING dot LIMIT 40)) LIMIT {{}}"
    order = db.ids(text.format(40))
    assert db.why(text.format(5), order[12]).standings[0].rank == 13
    mmr = f"QUERY MMR {DENSE} DIVERSITY 0.9 CANDIDATES 20 FROM docs USING dense LIMIT 5"
    near = db.ids(f"QUERY {DENSE} FROM docs USING dense LIMIT 30")
    chosen = db.ids(mmr)
    assert db.why(mmr, next(key for key in near[:20] if key not in chosen)).outcome == "diversity"
    found = db.why(mmr, near[25])
    assert (found.outcome, found.standings[0].rank) == ("cut", 26) and "CANDIDATES 20" in found.reason


def test_an_earlier_page(db: Database) -> None:
    order = db.ids(f"QUERY {DENSE} FROM docs USING dense LIMIT 30")
    found = db.why(f"QUERY {DENSE} FROM docs USING dense LIMIT 5 OFFSET 5", order[2])
    assert (found.outcome, found.standings[0].rank) == ("earlier-page", 3)
    assert "OFFSET 5 leaves it out" in found.reason


def test_groups_leave_points_out(db: Database) -> None:
    text = f"QUERY {DENSE} FROM docs USING dense GROUP BY number SIZE 1 LIMIT 3"
    answer = db.call(db.compiled(text).requests[0])["groups"]
    first = answer[0]
    same = db.ids(f"QUERY {DENSE} FROM docs USING dense WHERE number = {first['id']} LIMIT 9")
    assert db.why(text, same[0]).is_hit
    assert db.why(text, same[1]).outcome == "group-full"
    assert same[1] in {
        hit["id"]
        for group in db.call(db.compiled(text.replace("SIZE 1", "SIZE 2")).requests[0])["groups"]
        for hit in group["hits"]
    }
    known = ", ".join(str(group["id"]) for group in answer)
    other = db.ids(
        f"QUERY {DENSE} FROM docs USING dense WHERE number NOT IN ({known}) AND number >= 0 LIMIT 1"
    )
    assert db.why(text, other[0]).outcome == "group-cut"
    without = db.engine.matching({"must": [{"is_empty": {"key": "number"}}, {"has_vector": "dense"}]})[0]
    found = db.why(text, without)
    assert (found.outcome, found.standings[0].failed[0].source) == ("filtered", "GROUP BY")


def test_an_approximate_search_that_misses(db: Database) -> None:
    text = f"QUERY {DENSE} FROM docs USING dense LIMIT 5"
    missed = db.ids(text)[2]

    def doctor(request: Request, answer: Any) -> Any:
        for body, one in zip((request.body or {}).get("searches", ()), answer, strict=False):
            if body.get("limit") == 5 and not body.get("params", {}).get("exact"):
                one["points"] = [point for point in one["points"] if point["id"] != missed]
        return answer

    found = db.why(text, missed, doctored(db, doctor))
    assert (found.outcome, found.standings[0].rank) == ("approximate", 3)


def test_chance(db: Database) -> None:
    text = "QUERY SAMPLE FROM docs LIMIT 1"
    outcomes = {db.why(text, key).outcome for key in range(1, 30)}
    assert outcomes <= {"chance", "hit"} and "chance" in outcomes


def test_the_lines_of_why(db: Database) -> None:
    text = (
        f"WITH near AS (QUERY {DENSE} USING dot WHERE number < 0 LIMIT 9) "
        "QUERY FUSION RRF FROM docs PREFETCH (near WHERE flag = true)"
    )
    plain = next(key for key in db.engine.matching({"must": [{"key": "flag", "match": {"value": True}}]}))
    first, root, near = db.why(text, plain).lines()
    assert first.startswith(f"point {plain} is no hit") and root.startswith("  root: ")
    assert near == "    near WHERE flag = true: fails number < 0 (WHERE of near)"


# ------------------------------------------------------------------------------------ reports


def test_the_tree(db: Database) -> None:
    found = db.analyse(HYBRID + " LIMIT 10", ablate=True)
    lines = analysis_lines(found)
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "Query on docs: 10 hits"
    assert lines[1] == "root: fuse by RRF"
    text = "\n".join(lines)
    assert "│   recomposed = engine" in text
    assert "├── dense: search for a vector on dense" in text
    words = found.stages[2]
    assert f"used {words.returned} of 300 slots, {words.unused} unused" in text
    reached = found.stages[1].reached
    assert f"{len(reached)} of 10 final hits, from ranks " in text
    assert "without dense: " in text and "    entered: " in text
    assert max(map(len, analysis_lines(found, 60))) <= 60


def test_a_stage_shown_twice(db: Database) -> None:
    text = BASE + "QUERY FUSION RRF FROM docs PREFETCH (dense, (QUERY FUSION RRF PREFETCH (dense, words)))"
    lines = analysis_lines(db.analyse(text))
    assert (
        sum("dense: search for a vector on dense  [emitted 2 times, run once]" in line for line in lines) == 2
    )
    assert sum(line.endswith("as above") for line in lines) == 1


def test_json(db: Database) -> None:
    found = db.analyse(HYBRID + " LIMIT 4", ablate=True, runs=1)
    data = found.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["version"] == 1 and data["collection"] == "docs"
    assert [one["rank"] for one in data["hits"]] == [1, 2, 3, 4]
    root, dense, words = data["stages"]
    assert root["inputs"] == ["dense", "words"] and dense["paths"] == [[0]]
    assert root["fusion"]["verdict"].startswith("recomposed = engine")
    assert dense["fusion"] is None and dense["returned"] == len(dense["candidates"]) == 30
    assert words["unused"] == 300 - words["returned"]
    assert data["timing"]["runs"] == 1 and data["timing"]["server_ms"] is None
    assert [one["without"] for one in data["ablation"]] == ["dense", "words"]


# ------------------------------------------------------------------------------------ texts


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect(":memory:") as made:
        made.run(
            "CREATE COLLECTION notes (dense VECTOR(64, COSINE) MODEL 'local/hash-64',"
            " words SPARSE MODEL 'qdrant/bm25');"
        )
        colours = ("red", "green", "blue", "black", "white")
        things = ("apple", "car", "house", "river", "bird", "stone")
        rows = [
            {"id": at * 10 + other, "text": f"the {colour} {thing} number {at}", "colour": colour}
            for at, colour in enumerate(colours, 1)
            for other, thing in enumerate(things)
        ]
        made.execute("UPSERT INTO notes VALUES :rows", {"rows": rows})
        yield made


def test_texts(session: Session) -> None:
    (one,) = compile_script(
        Source("QUERY HYBRID 'red bird' FROM notes WHERE colour != 'blue' LIMIT 5"), None, session.context
    )
    assert one.plan is not None
    request = embed_request(one.requests[0], session.embedders, session.backend.infers)
    found = analyse(one.plan, request, session.backend.call)
    assert [report.label for report in found.stages] == ["root", "dense", "sparse"]
    assert found.stages[0].verdict is not None and found.stages[0].verdict.same
    assert found.hits[0].id == 14
    assert {(one.label, one.rank) for one in provenance(found)[0].shares} == {("dense", 1), ("sparse", 1)}
    answer = why(one.plan, request, session.backend.call, 34)
    assert {one.outcome for one in answer.standings} == {"not-in-inputs", "filtered"}
    assert str(answer.standings[1].failed[0]) == "colour != 'blue' (WHERE of root)"


def test_an_engine_that_computes_in_64_bits(db: Database) -> None:
    """qdrant-client's local mode rounds otherwise, and that is all."""
    from qdrant_client import QdrantClient

    from qql.backends.client import ClientBackend

    backend = ClientBackend(QdrantClient(":memory:"))
    backend.call(Request("PUT", "/collections/docs", {}, CONFIG))
    backend.call(Request("PUT", "/collections/docs/points", {"wait": True}, {"points": points(40)}))
    for method in ("RRF", "DBSF"):
        text = BASE + f"QUERY FUSION {method} FROM docs PREFETCH (dense, words) LIMIT 40"
        found = db.analyse(text, backend.call, runs=1)
        assert found.stages[0].verdict is not None and found.stages[0].verdict.same
        assert "rounding" in found.stages[0].verdict.reasons
    backend.close()


def test_a_plan_is_left_as_it_was(db: Database) -> None:
    one = db.compiled(HYBRID)
    assert one.plan is not None
    before = json.dumps(one.requests[0].to_dict())
    analyse(one.plan, one.requests[0], db.call, runs=1, ablate=True)
    why(one.plan, one.requests[0], db.call, 5)
    assert json.dumps(one.requests[0].to_dict()) == before
    assert replace(one.plan) == one.plan
