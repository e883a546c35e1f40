"""WHY NOT: numbers that make a point a hit (k, weights, factors, DIVERSITY), and which change is smallest."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pipelines
import pytest

import qql
from qql.analysis.query_edits import Edit, same_edits
from qql.analysis.why_result import Way, WordsChange
from qql.analysis.why_told import size_of
from qql.analysis.why_tuning import relative_change
from qql.session.session import Session

ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "2"))
A, B = "QUERY [1, 0] USING a", "QUERY [0, 1] USING b"


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    """40 points: by the vector a they stand in the order of their ids, by b mostly the other way."""
    rng = random.Random(2)
    with qql.connect(":memory:", advice=False) as session:
        session.execute("CREATE COLLECTION c (a VECTOR(2, DOT), b VECTOR(2, DOT))")
        rows: list[dict[str, Any]] = []
        for at in range(40):
            vectors = {"a": [40.0 - at, 0.0], "b": [0.0, at + rng.random() / 2]}
            rows.append({"id": at, "vector": vectors, "n": at, "kind": "odd" if at % 2 else "even"})
        session.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        yield session


def tried(db: Session, text: str, key: int) -> list[Any]:
    """The ways that are told, each of which makes the point a hit; the query as it is does not."""
    assert key not in db.execute(text).ids
    found = db.execute(f"WHY NOT {key} {text}").data["ways"]["found"]
    before = {*db.execute(text).ids}
    for way in found:
        after = {*db.execute(way["statement"]).ids}
        assert key in after, way
        assert {*way["pushed_out"]} == before - after and way["entered"] == len(after - before) - 1
    return list(found)


def by_word(found: list[Any]) -> dict[str, Any]:
    """The change of each way that has one change, by its word."""
    return {one["changes"][0]["word"]: one["changes"][0] for one in found if len(one["changes"]) == 1}


FUSED = f"WITH x AS ({A} LIMIT 20), y AS ({B} LIMIT 20) QUERY FUSION RRF FROM c PREFETCH (x, y) LIMIT 6"


def test_a_weight_is_found_that_no_smaller_change_replaces(db: Session) -> None:
    change = by_word(tried(db, FUSED, 4))["rrf_weights"]
    assert change["before"] == {"x": 1, "y": 1}
    ((name, weight),) = ((name, one) for name, one in change["value"].items() if one != 1)
    assert (name == "x") == (weight > 1), "x gives it, and y does not"
    shown = ", ".join(f"{key}: {one:g}" for key, one in change["value"].items())
    assert change["text"] == f"rrf_weights {{x: 1, y: 1}} → {{{shown}}}"
    less = {**change["value"], name: 1 + (weight - 1) * 0.9}
    smaller = FUSED.replace("LIMIT 6", f"PARAMS (rrf_weights = {{x: {less['x']}, y: {less['y']}}}) LIMIT 6")
    assert 4 not in db.execute(smaller).ids


def test_weights_that_are_a_list_stay_one(db: Session) -> None:
    text = FUSED.replace("LIMIT 6", "PARAMS (rrf_weights = [1, 2]) LIMIT 6")
    change = by_word(tried(db, text, 3))["rrf_weights"]
    assert change["before"] == [1, 2] and isinstance(change["value"], list)


def test_another_k_brings_up_what_several_stages_give() -> None:
    """With k = 1 the first of each list win; with a larger one what both have in the middle."""
    with qql.connect(":memory:", advice=False) as session:
        session.execute("CREATE COLLECTION c (a VECTOR(1, DOT), b VECTOR(1, DOT))")
        first, second = [0, 1, 9, *range(20, 26)], [2, 3, 4, 9, *range(30, 36)]
        ids = sorted({*first, *second})
        rows = [
            {"id": key, "vector": {"a": [50.0 - (first.index(key) if key in first else 40)]}} for key in ids
        ]
        for row in rows:
            key = row["id"]
            row["vector"]["b"] = [50.0 - (second.index(key) ** 1.5 if key in second else 45)]  # type: ignore[index]
        session.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        text = (
            "WITH x AS (QUERY [1] USING a LIMIT 6), y AS (QUERY [1] USING b LIMIT 6) "
            "QUERY FUSION RRF FROM c PREFETCH (x, y) PARAMS (rrf_k = 1, rrf_weights = [1, 0.9]) LIMIT 2"
        )
        change = by_word(tried(session, text, 9))["rrf_k"]
        assert change["before"] == 1 and change["value"] > 1
        between = text.replace("rrf_k = 1", f"rrf_k = {change['value'] - 1}")
        assert change["value"] == 2 or 9 not in session.execute(between).ids


def test_the_other_fusion_is_tried(db: Session) -> None:
    text = FUSED.replace("FUSION RRF", "FUSION DBSF").replace("LIMIT 20), y", "LIMIT 3), y")
    change = next(one for key in range(40) if (one := _fusion_of(db, text, key)))
    assert (change["before"], change["value"]) == ("dbsf", "rrf")


def _fusion_of(db: Session, text: str, key: int) -> Any:
    if key in db.execute(text).ids:
        return None
    return by_word(tried(db, text, key)).get("FUSION")


def test_a_factor_of_a_formula_is_changed_until_the_point_is_a_hit(db: Session) -> None:
    text = f"WITH x AS ({A} LIMIT 20) QUERY FORMULA $score + n * 0.5 FROM c PREFETCH (x) LIMIT 5"
    change = by_word(tried(db, text, 15))["FORMULA"]
    assert change["before"] == 0.5 and change["text"] == f"0.5 → {change['value']:g} in FORMULA"
    assert change["value"] > 1, "from 1 on, a greater n weighs more than the score"


def test_a_number_in_a_condition_of_a_formula_stays(db: Session) -> None:
    text = (
        f"WITH x AS ({A} LIMIT 20) QUERY FORMULA $score + CASE WHEN n > 30 THEN 1 ELSE 0.5 END "
        "FROM c PREFETCH (x) LIMIT 5"
    )
    assert "FORMULA" not in by_word(tried(db, text, 15))


def test_values_that_the_engine_refuses_leave_the_other_ways(db: Session) -> None:
    """As the logarithm of what is not positive, which comes of a greater factor."""
    text = f"WITH x AS ({A} LIMIT 20) QUERY FORMULA $score + LN(5 - n * {{}}) FROM c PREFETCH (x) LIMIT 5"
    with pytest.raises(qql.QQLExecutionError):
        db.execute(text.format(2))
    assert by_word(tried(db, text.format(0.1), 9))["LIMIT"]["before"] == 5


def test_less_diversity_lets_a_near_point_in() -> None:
    with qql.connect(":memory:", advice=False) as session:
        session.execute("CREATE COLLECTION c (v VECTOR(2, COSINE))")
        near = [{"id": at, "v": [1.0, 0.01 * at]} for at in range(4)]
        far = [{"id": 10 + at, "v": [1.0, 0.8 + 0.3 * at]} for at in range(4)]
        session.execute("UPSERT INTO c VALUES :rows", {"rows": near + far})
        text = "QUERY MMR [1, 0] DIVERSITY 0.9 CANDIDATES 8 FROM c USING v LIMIT 3"
        change = by_word(tried(session, text, 1))["DIVERSITY"]
        assert change["before"] == 0.9 and change["value"] < 0.9


def test_an_approximate_search_is_told_the_least_ef_of_the_powers_of_two() -> None:
    rng, seen = random.Random(3), 0
    with qql.connect(":memory:", advice=False) as session:
        session.execute(
            "CREATE COLLECTION c (v VECTOR(16, COSINE)) WITH HNSW (m = 4, ef_construct = 4, "
            "full_scan_threshold = 1) WITH OPTIMIZERS (indexing_threshold = 1)"
        )
        rows = [{"id": at, "v": [rng.gauss(0, 1) for _ in range(16)]} for at in range(1500)]
        session.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        session.execute("OPTIMIZE c")
        for _ in range(3):
            text = f"QUERY {[rng.gauss(0, 1) for _ in range(16)]} FROM c USING v PARAMS ({{}}) LIMIT 10"
            exact = session.execute(text.format("exact = true")).ids
            missed = [key for key in exact if key not in session.execute(text.format("hnsw_ef = 4")).ids]
            for key in missed[:3]:
                changes = by_word(tried(session, text.format("hnsw_ef = 4"), int(key)))
                assert "exact" in changes
                if "hnsw_ef" in changes:
                    ef = changes["hnsw_ef"]["value"]
                    assert changes["hnsw_ef"]["text"] == f"hnsw_ef 4 → {ef}"
                    assert ef == 16 or key not in session.execute(text.format(f"hnsw_ef = {ef // 2}")).ids
                    seen += 1
    assert seen > 3


def test_a_number_above_and_a_limit_below_are_a_pair(db: Session) -> None:
    """Neither alone does; a greater LIMIT of the query is told beside it."""
    text = FUSED.replace("LIMIT 20), y", "LIMIT 10), y").replace("LIMIT 20)", "LIMIT 10)")
    found = [tried(db, text, key) for key in (11, 12, 13)]
    words = Counter(
        tuple(sorted(change["word"] for change in way["changes"])) for each in found for way in each
    )
    assert all(len(way["changes"]) == len(each[0]["changes"]) for each in found for way in each)
    assert any(len(one) == 2 for one in words)


def test_a_weight_below_and_a_limit_above_are_a_pair(db: Session) -> None:
    """The inner fusion loses the point, and the query would not show it either."""
    inner = (
        f"WITH x AS ({A} LIMIT 20), y AS ({B} LIMIT 20), both AS (QUERY FUSION RRF LIMIT 12 PREFETCH (x, y))"
    )
    text = f"{inner} {A} FROM c PREFETCH (both) LIMIT 3"
    kinds = [{change["word"] for change in way["changes"]} for key in (7, 8) for way in tried(db, text, key)]
    assert {"LIMIT"} in kinds and {"rrf_weights", "LIMIT"} in kinds


def test_offset_and_groups_are_no_obstacle(db: Session) -> None:
    found = tried(db, f"{FUSED} OFFSET 2", 4)
    assert found and all(3 <= one["rank"] <= one["last"] for one in found)
    assert tried(db, FUSED.replace("LIMIT 6", "GROUP BY kind SIZE 2 LIMIT 2"), 4)


def test_the_fewest_other_hits_go_first(db: Session) -> None:
    """And a condition is dropped last."""
    found = tried(db, FUSED, 4)
    others = [one["entered"] + len(one["pushed_out"]) for one in found]
    assert len(found) > 1 and others == sorted(others)
    text = FUSED.replace("FROM c", "FROM c WHERE kind = 'odd'")
    assert tried(db, text, 0)[0]["changes"][0]["word"] == "WHERE", "nothing else lets it in"


def test_what_is_pushed_out_is_told() -> None:
    change = WordsChange("rrf_k 2 → 5", "rrf_k", 5, None, None, "stage", 2)
    way = Way((change,), 4, 5, True, "QUERY …", (7, 8, 9, 10), 3)
    assert str(way) == "rrf_k 2 → 5 (tried: hit 4 of 5; pushes out 7, 8, 9 and 1 more)"


def test_other_numbers_cost_a_bounded_number_of_calls(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fusion is computed from what its stages gave: beside that, a call for each number that is told."""
    text = FUSED.replace("LIMIT 20", "LIMIT 30")
    calls: list[int] = []
    ask = db.backend.call

    def counted(request: Any) -> Any:
        calls.append(1)
        return ask(request)

    monkeypatch.setattr(db.backend, "call", counted)
    with_numbers = db.execute(f"WHY NOT 4 {text}").data
    assert with_numbers["calls"] == len(calls)
    calls.clear()
    monkeypatch.setattr("qql.analysis.why_ways._MOST_TUNED", 0)
    without = db.execute(f"WHY NOT 4 {text}").data
    assert with_numbers["calls"] - without["calls"] <= 8
    assert {one["changes"][0]["word"] for one in without["ways"]["found"]} == {"LIMIT"}


def test_the_answer_says_what_it_took(db: Session) -> None:
    told = db.execute(f"WHY NOT 4 {FUSED}")
    tries, calls = told.data["ways"]["tries"], told.data["calls"]
    assert str(told.message).splitlines()[-1] == f"tried {tries} changed queries, in {calls} calls in all"


def test_the_size_of_a_change() -> None:
    (query,) = qql.parse("QUERY [1] FROM c WHERE a = 1 PARAMS (rrf_k = 10) LIMIT 5")
    assert isinstance(query, qql.nodes.Query)
    edits = [Edit(("",), "LIMIT", 25), Edit(("",), "WHERE", None, "a = 1"), Edit(("",), "rrf_k", 20)]
    dropped, slots, relative = size_of(query, edits)
    assert (dropped, slots) == (1, 20) and relative == pytest.approx(0.6931, abs=1e-3)
    assert relative_change((1.0, 4.0), (1.0, 2.0)) == relative_change(2, 1)
    assert relative_change(0, 1) == relative_change("rrf", "dbsf") == float("inf")


def test_edits_of_values_are_those_of_their_parameters() -> None:
    bound, written = (
        qql.parse(f"QUERY [1] FROM c WHERE (a = {one} AND NOT (b = 2 OR c > {one})) LIMIT 5")[0]
        for one in ("1", ":x")
    )
    assert isinstance(bound, qql.nodes.Query) and isinstance(written, qql.nodes.Query)
    edits = (Edit(("",), "WHERE", None, "NOT c > 1"), Edit(("",), "LIMIT", 9))
    assert same_edits(edits, bound, written) == (Edit(("",), "WHERE", None, "NOT c > :x"), edits[1])
    (whole,) = qql.parse("QUERY [1] FROM c WHERE :filter LIMIT 5")
    assert isinstance(whole, qql.nodes.Query)
    assert same_edits(edits, bound, whole) is None


# ------------------------------------------------------------------------------------ generated


@pytest.mark.parametrize("count", [10, pytest.param(60 * ROUNDS, marks=pytest.mark.slow)])
def test_whatever_is_told_makes_the_point_a_hit(count: int) -> None:
    """Of points that nearly are hits, in pipelines drawn by chance: there a number may do it."""
    rng, seen = random.Random(count), Counter[str]()
    with qql.connect(":memory:", advice=False) as session:
        pipelines.create(session, ("some", "many"))
        while seen["pairs"] < count:
            drawn = pipelines.draw(rng, rng.choice(("some", "many")))
            near = _near_miss(session, drawn, rng)
            if near is None:
                continue
            seen["pairs"] += 1
            ways = session.execute(f"WHY NOT {near} {drawn.text}").data["ways"]
            found = ways["found"] if ways else []
            seen["with advice"] += bool(found)
            for way in found:
                there = near in session.execute(way["statement"]).ids
                seen["followed" if there else "missed" if way["steady"] else "missed by chance"] += 1
                seen.update(f"by {change['word']}" for change in way["changes"])
    assert seen["missed"] <= count / 100 and seen["with advice"] > count * 0.8, seen


def _near_miss(session: Session, drawn: pipelines.Drawn, rng: random.Random) -> int | None:
    """A point that is in some list of a query and not among its hits."""
    if drawn.sampled:
        return None
    (compiled,) = session.compile(drawn.text)
    given = {one.id for stage in session.analyse(compiled).stages for one in stage.candidates}
    near = sorted(given - {*session.execute(drawn.text).ids}, key=str)
    return int(rng.choice(near)) if near else None
