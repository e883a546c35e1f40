"""`qql tune`: which settings are worth having where times are noise, what fits together, what is tried."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.cli import main
from qql.evaluation import Settable, Times, possible_settings, standings
from qql.evaluation.possible_settings import Possible, sensible_grid
from qql.evaluation.trials import Experiment


def noisy(typical: float, seed: int, spread: float = 0.2, queries: int = 40) -> Times:
    """Times around a typical one, in rounds that are slower or faster as a whole for every setting."""
    dice = random.Random(seed)
    calls = ([typical * dice.uniform(1 - spread, 1 + spread) for _ in range(queries)] for _ in range(3))
    return Times(
        tuple(tuple(one * drift for one in each) for each, drift in zip(calls, (1, 1.3, 0.8), strict=True))
    )


# ------------------------------------------------------------------------------------------- times


def test_noise_is_no_difference() -> None:
    same = [noisy(1, seed) for seed in range(12)]
    found = sum(one.faster_than(other) for one in same for other in same)
    assert found <= 1  # of 132, by an interval of 99 %


def test_what_is_twice_as_fast_is_faster() -> None:
    for seed in range(6):
        slow, fast = noisy(1, seed), noisy(0.5, seed + 100)
        assert fast.faster_than(slow) and not slow.faster_than(fast)


def test_a_trifle_is_no_difference_however_certain() -> None:
    exact = Times(((1.0,) * 40,) * 3)
    assert not Times(((0.99,) * 40,) * 3).faster_than(exact)
    assert Times(((0.97,) * 40,) * 3).faster_than(exact)


def test_one_lucky_round_is_not_enough() -> None:
    """Two rounds alike and one at half the time: a disturbance that ended, not a setting."""
    usual = Times(((1.0,) * 40, (1.1,) * 40, (1.0,) * 40))
    assert not Times(((1.0,) * 40, (1.1,) * 40, (0.5,) * 40)).faster_than(usual)


def test_the_percentile_is_that_of_all_calls() -> None:
    times = Times(((1.0, 2.0, 3.0), (4.0, 5.0, 60.0)), 95)
    assert times.seconds == 60 and Times(times.rounds).seconds == 3


# ------------------------------------------------------------------------------------------- standings

Found = list[tuple[str, list[str]]]


def stands(*items: tuple[str, float, float], prefer: str = "") -> Found:
    """Of settings by name, quality and time without noise: the ones that stand, each with its equals."""
    found = standings(
        items,
        quality=lambda one: one[1],
        times=lambda one: Times(((one[2],) * 20,) * 3),
        preference=lambda one: (one[0] != prefer, [name for name, _, _ in items].index(one[0])),
    )
    return [(one.item[0], [other[0] for other in one.equals]) for one in found]


def test_the_best_stand_from_the_fastest_to_the_best() -> None:
    assert stands(("slow", 0.5, 3), ("good", 0.9, 2), ("fast", 0.4, 1), ("bad", 0.3, 2)) == [
        ("fast", []),
        ("good", []),
    ]


def test_equals_are_one_and_the_current_one_stands_for_them() -> None:
    items = [("a", 0.5, 1.0), ("b", 0.5, 1.005), ("c", 0.5, 0.995), ("d", 0.5, 2.0)]
    assert stands(*items) == [("a", ["b", "c"])]
    assert stands(*items, prefer="c") == [("c", ["a", "b"])]
    assert stands(*reversed(items), prefer="b") == [("b", ["c", "a"])]


def test_what_is_as_fast_and_less_good_is_beaten() -> None:
    assert stands(("good", 0.9, 1.0), ("less", 0.8, 0.99)) == [("good", [])]


def test_only_what_stands_itself_beats_others() -> None:
    """`b` differs from neither neighbour, and `c` is faster than `a`: `b` must not take `c` along."""
    assert stands(("a", 0.9, 1.0), ("b", 0.8, 0.985), ("c", 0.7, 0.97)) == [("c", []), ("a", [])]


def test_sums_in_another_order_are_the_same_quality() -> None:
    assert stands(("a", 0.1 + 0.2, 1), ("b", 0.3, 1)) == [("a", ["b"])]


# ------------------------------------------------------------------------------------------- what can be set

SETUP = """
CREATE COLLECTION docs (dense VECTOR(4, COSINE), words SPARSE);
UPSERT INTO docs VALUES
  {id: 1, vector: {dense: [1, 0, 0, 0], words: {indices: [1], values: [1]}}},
  {id: 2, vector: {dense: [0, 1, 0, 0], words: {indices: [2], values: [1]}}};
"""
HYBRID = """
WITH
  named AS (QUERY :words USING words LIMIT 20),
  alike AS (QUERY :v USING dense LIMIT 40)
QUERY FUSION RRF FROM docs PREFETCH (named, alike) LIMIT 5
"""
VALUES = {"v": [1, 0, 0, 0], "words": {"indices": [1], "values": [1]}}


@pytest.fixture
def possible() -> Any:
    with qql.connect(":memory:") as session:
        session.run(SETUP)

        def of(text: str, facts: Any = None, **params: Any) -> dict[str, Possible]:
            given = {name: value for name, value in (VALUES | params).items() if f":{name}" in text}
            (compiled,) = session.compile(text, given)
            assert compiled.plan is not None
            known = possible_settings(Settable(text, compiled.plan), compiled.plan, facts)
            return {one.name: one for one in known}

        yield of


def test_what_can_be_set_of_a_hybrid(possible: Any) -> None:
    found = possible(HYBRID)
    assert {name: (one.now, one.tries) for name, one in found.items()} == {
        "root.limit": (5, ()),
        "root.fusion": ("rrf", ("rrf", "dbsf")),
        "root.rrf_k": (None, (None, 20, 60)),
        "root.rrf_weights": (None, (None, [2, 1], [1, 2])),
        "named.limit": (20, (20, 40)),
        "alike.limit": (40, (40, 80)),
        "alike.hnsw_ef": (None, (None, 64, 256)),
    }
    assert found["root.limit"].why and found["root.rrf_k"].default == "2"


def test_what_is_known_of_the_collection_counts(possible: Any) -> None:
    from qql.advice.collection_facts import CollectionFacts

    text = "QUERY :v FROM docs USING dense LIMIT 5"
    none = possible(text, CollectionFacts(indexed_vectors=0, quantization={"dense": None}))
    assert none["root.hnsw_ef"].tries == () and "search is exact" in none["root.hnsw_ef"].why
    quantized = possible(text, CollectionFacts(indexed_vectors=9, quantization={"dense": {"scalar": {}}}))
    assert quantized["root.quantization.oversampling"].tries == (None, 2, 4)
    assert quantized["root.hnsw_ef"].tries == (None, 64, 256)
    exact = possible("QUERY :v FROM docs USING dense PARAMS (exact = true) LIMIT 5")
    assert exact["root.hnsw_ef"].why == "its search is exact"


def test_parameters_and_candidates(possible: Any) -> None:
    found = possible(HYBRID.replace("LIMIT 20", "LIMIT :n"), n=20)
    assert found["named.limit"].why == "a parameter: --grid n=…"
    found = possible("QUERY MMR :v FROM docs USING dense LIMIT 5")
    assert found["root.diversity"].tries == (0.2, None, 0.8)
    text = "QUERY :v FROM docs USING dense RERANK 'x' MODEL 'local/overlap' TOP 5 LIMIT 50"
    assert possible(text)["root.limit"].tries == (25, 50, 100)


def test_a_sensible_grid_has_what_matters_most() -> None:
    known = [
        Possible("limit", 5),
        Possible("few", None, (1, 2), rank=2),
        Possible("many", None, tuple(range(9)), rank=1),
        Possible("first", None, (1, 2, 3), rank=0),
    ]

    def count(grid: Any) -> int:
        size = 1
        for values in grid.values():
            size *= len(values)
        return size

    assert sensible_grid(known, count, 30) == {"first": [1, 2, 3], "many": [*range(9)]}
    assert sensible_grid(known, count, 20) == {"first": [1, 2, 3], "few": [1, 2]}
    assert sensible_grid(known, count, 2) == {"few": [1, 2]}


# ------------------------------------------------------------------------------------------- qql tune


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    for name in ("QDRANT_URL", "QQL_DB", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    Path("setup.qql").write_text(SETUP)
    Path("q.jsonl").write_text(
        "".join(json.dumps({"_id": f"q{at}"} | VALUES) + "\n" for at in range(3)), encoding="utf-8"
    )
    Path("qrels.tsv").write_text("q0\t1\t1\nq1\t2\t1\nq2\t1\t1\n")
    Path("hybrid.qql").write_text(HYBRID)

    def call(*argv: str, code: int = 0) -> tuple[str, str]:
        given = ("--setup", "setup.qql", "--queries", "q.jsonl", "--qrels", "qrels.tsv")
        assert main(["tune", *(argv or ()), *given]) == code
        out, err = capsys.readouterr()
        return out, err

    return call


def data_of(tune: Callable[..., tuple[str, str]], *argv: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tune(*argv, "--format", "json")[0])
    return found


def test_what_does_not_fit_is_left_out_and_said(tune: Any) -> None:
    grid = ("--grid", "root.fusion=rrf,dbsf", "--grid", "root.rrf_k=20,60")
    data = data_of(tune, "hybrid.qql", *grid)
    tried = [tuple(one["values"].values()) for one in data["tried"]]
    assert tried == [("rrf", None), ("rrf", 20), ("rrf", 60), ("dbsf", None)]
    assert data["left_out"] == [
        {
            "values": {"root.fusion": "dbsf", "root.rrf_k": 60},
            "why": "without meaning beside dbsf: root.rrf_k",
        }
    ]
    dbsf = data["tried"][-1]["script"]
    assert "FUSION DBSF" in dbsf and "rrf" not in dbsf.lower().replace("prefetch", "")
    out, _ = tune("hybrid.qql", *grid)
    assert "left out: 1 combination (without meaning beside dbsf: root.rrf_k)" in out


def test_weights_by_name_have_no_meaning_with_dbsf(tune: Any) -> None:
    grid = ("--grid", "root.fusion=dbsf,rrf", "--grid", "root.weights.named=2,3")
    data = data_of(tune, "hybrid.qql", *grid, "--repeat", "1")
    tried = [tuple(one["values"].values()) for one in data["tried"]]
    assert tried == [("rrf", None), ("dbsf", None), ("rrf", 2), ("rrf", 3)]


def test_a_grid_that_fits_nowhere_is_an_error(tune: Any) -> None:
    Path("dbsf.qql").write_text(HYBRID.replace("RRF", "DBSF"))
    _, err = tune("dbsf.qql", "--grid", "root.rrf_k=2,60", code=2)
    assert "nothing to try beside the pipeline as it is: without meaning beside dbsf: root.rrf_k" in err
    _, err = tune("hybrid.qql", "--grid", "named.limit=5,0", "--grid", "root.rrf_k=2,60", code=2)
    assert "named.limit=0" in err and "LIMIT takes" in err


def test_without_a_grid_one_is_made(tune: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    data = data_of(tune, "hybrid.qql", "--repeat", "1")
    by_name = {one["name"]: one for one in data["settings"]}
    assert by_name["root.rrf_k"] == {
        "name": "root.rrf_k",
        "now": None,
        "default": "2",
        "tried": [None, 20, 60],
        "why": "",
    }
    assert by_name["root.limit"]["tried"] == [] and by_name["root.limit"]["why"]
    assert 4 < len(data["tried"]) <= 48
    few = data_of(tune, "hybrid.qql", "--repeat", "1", "--max-settings", "5")
    assert {name for one in few["tried"] for name in one["values"]} == {"root.fusion", "root.rrf_k"}
    out, _ = tune("hybrid.qql", "--repeat", "1")
    assert out.startswith("What can be set\n")
    (line,) = [line for line in out.splitlines() if line.startswith("│ root.rrf_k")]
    assert [cell.strip() for cell in line.strip("│").split("│")] == ["root.rrf_k", "(2)", "as it is, 20, 60"]
    assert max(map(len, out.splitlines())) <= 80 and "──[ 1 ]" not in out


def test_two_grids_choose_the_same_of_equals(tune: Any) -> None:
    """All of these find both points for every query, and times of tens of microseconds are noise."""
    for grid in ("root.rrf_k=2,20,60", "root.rrf_k=60,20,2", "alike.limit=2,20,40,80"):
        data = data_of(tune, "hybrid.qql", "--grid", grid, "--measure", "R@5")
        (best,) = [one for one in data["best"] if one["values"] == data["tried"][0]["values"]]
        assert data["tried"][0]["current"] and best == data["best"][-1]


def test_ctrl_c_keeps_the_rounds_that_are_whole(tune: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, done = Experiment._round, []

    def interrupted(self: Experiment, *args: Any) -> Any:
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return real(self, *args)

    monkeypatch.setattr(Experiment, "_round", interrupted)
    out, err = tune("hybrid.qql", "--grid", "root.rrf_k=20", "--format", "json", code=130)
    data = json.loads(out)
    assert not data["complete"] and {len(one["times"]["rounds"]) for one in data["tried"]} == {2}
    assert "interrupted: 2 of 2 settings were tried, in 2 rounds of times" in err


def test_settings_take_turns(tune: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What slows the machine down for a while has to fall on all of them."""
    asked: list[tuple[str, str]] = []
    real = Experiment._ask

    def ask(self: Experiment, variant: Any, call: Any) -> None:
        asked.append((call.query.id, str(variant.values["root.rrf_k"])))
        real(self, variant, call)

    monkeypatch.setattr(Experiment, "_ask", ask)
    tune("hybrid.qql", "--grid", "root.rrf_k=20,60", "--repeat", "2")
    assert len(asked) == 2 * 3 * 3
    for start in range(0, len(asked), 3):
        turn = asked[start : start + 3]
        assert len({query for query, _ in turn}) == 1 and {k for _, k in turn} == {"None", "20", "60"}
    assert len({tuple(k for _, k in asked[at : at + 3]) for at in range(0, len(asked), 3)}) > 1
