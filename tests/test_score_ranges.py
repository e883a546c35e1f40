"""Which of a stage's scores the final hits come from, over a set of queries."""

from __future__ import annotations

import math

import pytest

import qql
import qql.evaluation as ev


def traces(*queries: tuple[dict[str, float], str]) -> dict[str, dict[str, ev.StageTrace]]:
    """For each query the scores of the stage `first`, and the documents of the result."""
    return {
        str(at): {
            "first": ev.StageTrace([*scores], (), [*scores.values()]),
            "root": ev.StageTrace([*final], ("first",)),
        }
        for at, (scores, final) in enumerate(queries)
    }


def test_the_ranges_are_of_all_queries_and_add_up_to_the_hits() -> None:
    found = traces(({"a": 10, "b": 9, "c": 3}, "cax"), ({"a": 5, "d": 0}, "a"))
    (stage,) = ev.stage_ranges(found)
    assert [(one.low, one.high, one.candidates, one.hits) for one in stage.ranges] == [
        (8, 10, 2, 1),
        (6, 8, 0, 0),
        (4, 6, 1, 1),
        (2, 4, 1, 1),
        (0, 2, 1, 0),
    ]
    assert (stage.hits, stage.elsewhere) == (4, pytest.approx(1 / 4))  # x came from elsewhere
    assert sum(one.share for one in stage.ranges) + stage.elsewhere == pytest.approx(1)


def test_only_the_first_hits_count() -> None:
    found = traces(({"a": 2, "b": 1}, "ab"))
    (stage,) = ev.stage_ranges(found, top=1)
    assert (stage.hits, stage.ranges[0].hits, stage.ranges[-1].hits) == (1, 1, 0)


def test_distances_have_the_smallest_first() -> None:
    (stage,) = ev.stage_ranges(traces(({"a": 1, "b": 2, "c": 6}, "a")))
    assert (stage.ranges[0].low, stage.ranges[0].hits) == (1, 1)


def test_equal_scores_are_one_range_and_infinite_ones_none() -> None:
    (stage,) = ev.stage_ranges(traces(({"a": math.inf, "b": 1, "c": 1}, "ab")))
    assert [(one.low, one.high, one.candidates, one.hits) for one in stage.ranges] == [(1, 1, 2, 1)]
    assert stage.elsewhere == 1 / 2
    assert ev.stage_ranges(traces(({}, "a"))) == ()
    assert ev.stage_ranges({}) == ()


def test_evaluate_shows_the_ranges_of_each_stage() -> None:
    with qql.connect() as db:
        db.run(
            "CREATE COLLECTION docs (v VECTOR(2, DOT));"
            "UPSERT INTO docs VALUES {id: 1, vector: {v: [9, 0]}}, {id: 2, vector: {v: [5, 7]}},"
            " {id: 3, vector: {v: [1, 1]}}, {id: 4, vector: {v: [0, 8]}}"
        )
        pipeline = (
            "WITH first AS (QUERY :near USING v LIMIT 3)"
            " QUERY [0, 1] FROM docs PREFETCH (first) USING v LIMIT 1"
        )
        found = ev.evaluate(
            pipeline, [{"id": "q", "near": [1, 0]}], {"q": [2]}, db, stages=True, measures="RR"
        )
    (stage,) = found.to_dict()["pipelines"][0]["stages"]["score_ranges"]
    assert (stage["stage"], stage["hits"], stage["elsewhere"]) == ("first", 1, 0)
    hits = {(round(one["low"], 3), round(one["high"], 3)): one["hits"] for one in stage["ranges"]}
    assert hits == {(7.4, 9): 0, (5.8, 7.4): 0, (4.2, 5.8): 1, (2.6, 4.2): 0, (1, 2.6): 0}  # 9, 5 and 1
    assert "Which scores the hits of pipeline come from" in str(found)
