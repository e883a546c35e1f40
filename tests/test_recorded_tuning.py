"""`tune` on a recording: what is recomputed is what runs give, chance wins nothing, and what changes do."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql import evaluation as ev
from qql.cli import main
from qql.evaluation.documents import document_key
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recorded_tuning.best_of_many import chance_of_best
from qql.evaluation.recorded_tuning.boards import ScoredSetting, order_of
from qql.evaluation.recorded_tuning.folds import checked, split
from qql.evaluation.recorded_tuning.many_measures import depth_of, values_of
from qql.evaluation.recorded_tuning.report import RecordedTuned
from qql.evaluation.recording.planning import Planner
from qql.evaluation.recording.settings_at_once import SettingsPlan
from qql.result import Hit

HYBRID = """
WITH dense AS (QUERY :vector USING dense LIMIT 20), words AS (QUERY :words USING words LIMIT 20)
QUERY FROM docs PREFETCH (dense, words) FUSION RRF LIMIT 10
"""
GRID = {
    "dense.limit": [5, 20, 60],
    "words.limit": [5, 20, 60],
    "root.rrf_k": [2, 20],
    "root.rrf_weights": [[1, 1], [3, 1]],
}
MEASURES = "nDCG@10 R@10 RR@5"
QUERIES = 16


def words(dice: random.Random) -> dict[str, Any]:
    found = sorted(dice.sample(range(40), 6))
    return {"indices": found, "values": [dice.random() for _ in found]}


@pytest.fixture(scope="module")
def collection() -> Iterator[tuple[qql.Session, list[dict[str, Any]], dict[str, dict[str, int]]]]:
    """Points around the vectors of queries, with words by chance; those of a query's topic are relevant."""
    dice = random.Random(7)
    topics = [[dice.gauss(0, 1) for _ in range(8)] for _ in range(QUERIES)]
    rows, qrels = [], {str(at): dict[str, int]() for at in range(QUERIES)}
    for point in range(1, 401):
        topic = dice.randrange(QUERIES)
        dense = [one + dice.gauss(0, 1) for one in topics[topic]]
        rows.append({"id": point, "dense": dense, "words": words(dice)})
        if dice.random() < 0.5:
            qrels[str(topic)][str(point)] = dice.choice([1, 1, 2])
    asked = [{"id": str(at), "vector": topics[at], "words": words(dice)} for at in range(QUERIES)]
    with qql.connect(":memory:", advice=False) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(8, COSINE), words SPARSE)")
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        yield db, asked, qrels


@pytest.fixture(scope="module")
def kept(collection: Any, tmp_path_factory: pytest.TempPathFactory) -> ev.Recording:
    db, queries, _ = collection
    return ev.record(HYBRID, queries, db, tmp_path_factory.mktemp("kept") / "run.qqlrun", deep=100)


@pytest.fixture(scope="module")
def found(collection: Any, kept: ev.Recording) -> RecordedTuned:
    db, queries, qrels = collection
    return ev.tune(HYBRID, queries, qrels, db, recording=kept, grid=GRID, measures=MEASURES, repeat=1)


# ------------------------------------------------------------------------------------ the same as runs


def test_what_is_recomputed_is_what_runs_give(found: RecordedTuned) -> None:
    assert len(found.real) >= 3
    assert {one.scored for one in found.real} >= {found.current, found.chosen}
    for one in found.real:
        assert one.others == ()
        assert one.trial.means == pytest.approx(one.scored.means, abs=1e-12)


def test_every_setting_has_the_figures_of_evaluate(collection: Any, found: RecordedTuned) -> None:
    db, queries, qrels = collection
    dice = random.Random(3)
    for one in dice.sample(found.board.scored, 4):
        outcome = ev.evaluate(found.space.text(one.values), queries, qrels, db, measures=MEASURES)
        (measured,) = outcome.evaluations.values()
        for measure, of in one.figures.items():
            assert [*of] == [measured.values[measure][query] for query in found.board.queries]


@pytest.mark.slow
def test_settings_without_numpy_are_the_same(
    collection: Any, kept: ev.Recording, found: RecordedTuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, queries, qrels = collection
    grid = {name: values[:2] for name, values in GRID.items() if "." in name and "rrf" in name}
    grid["dense.limit"] = [20, 60]
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "qql.evaluation.recording.many_fusions", raising=False)
    plain = ev.tune(HYBRID, queries, qrels, recording=kept, grid=grid, measures=MEASURES)
    known = {json.dumps(one.values, sort_keys=True): one for one in found.board.scored}
    for one in plain.board.scored:
        other = known.get(json.dumps(one.values, sort_keys=True))
        if other is not None:
            assert one.figures == other.figures and one.candidates == other.candidates
    assert len(plain.board.scored) >= 8


@pytest.mark.parametrize("ties", ["id", "doc", "best", "worst"])
def test_equals_stand_as_in_runs_whatever_their_order(collection: Any, kept: ev.Recording, ties: str) -> None:
    db, queries, qrels = collection
    grid = {"root.rrf_k": [2, 60], "dense.limit": [10, 30]}
    found = ev.tune(
        HYBRID, queries, qrels, db, recording=kept, grid=grid, measures="nDCG@10 AP", ties=ties, repeat=1
    )
    assert [one.others for one in found.real] == [()] * len(found.real) != []


@pytest.mark.parametrize("top", [3, 10, None])
def test_contenders_leave_out_nothing_that_comes_first(kept: ev.Recording, top: int | None) -> None:
    """Points that few settings can bring up are not summed: rankings are those of all points, one by one."""
    planner = Planner(kept)
    script = planner.pipeline(HYBRID)
    row = next(kept.queries())
    dice = random.Random(11)
    settings = [
        {
            "dense.limit": dice.choice([1, 3, 10, 40, 100]),
            "words.limit": dice.choice([1, 5, 30, 100]),
            "root.rrf_k": dice.choice([1, 2, 60, 5000]),
            "root.rrf_weights": [dice.choice([0, 0.01, 0.5, 1, 9]), dice.choice([0.01, 1, 4])],
            "root.limit": dice.choice([4, 10, 25]),
        }
        for _ in range(80)
    ]
    order = order_of("id", str, {})
    fast = SettingsPlan(planner, script, row, settings, top)
    slow = SettingsPlan(planner, script, row, settings, top)
    for group in slow.groups.values():
        group.program, group.others = None, group.recipes
    for ordered in (None, order):
        one, other = fast.answered(row, ordered), slow.answered(row, ordered)
        for at, verdict in enumerate(other.verdicts):
            if verdict == "equal" or ordered is not None:
                assert one.ranking(at) == other.ranking(at), settings[at]


def test_patterns_are_worth_what_each_ranking_is_worth() -> None:
    dice = random.Random(5)
    ids = [*range(1, 41)]
    judged = {str(one): dice.choice([0, 0, 1, 2, 3]) for one in dice.sample(ids, 15)}
    places = [[*dice.sample(range(40), 12), *[-1] * 3] for _ in range(50)] + [[-1] * 15]
    numpy = pytest.importorskip("numpy")
    given = ev.WhatIf("q", ids, numpy.array(places), ["equal"] * 51)
    every = "nDCG@5 nDCG R@3 P@7 Success@2 RR AP@10 Rprec Judged@9 ERR RBP Bpref nDCG(judged_only=True)@5"
    measures = ev.parse_measures(every.split())
    found = values_of(given, str, judged, measures)
    for measure in measures:
        own = [measure([str(ids[at]) for at in row if at >= 0], judged) for row in places]
        assert found[measure] == own
    assert depth_of(ev.parse_measures(["nDCG@5", "R@30"])) == 30
    assert depth_of(ev.parse_measures(["nDCG@5", "AP"])) is None
    assert depth_of(ev.parse_measures(["P(judged_only=True)@5"])) is None


# ------------------------------------------------------------------------------------ chance


def by_chance(
    seed: int, *, lift: float = 0.0, settings: int = 40, queries: int = 30
) -> tuple[Any, ScoredSetting]:
    """A choice among settings whose figures are noise, the last of them lifted, checked by folds."""
    dice = random.Random(seed)
    measure = ev.parse_measure("nDCG@10")
    base = [dice.random() for _ in range(queries)]
    scored = []
    for at in range(settings):
        more = lift if at == settings - 1 else 0.0
        own = tuple(one + dice.gauss(more, 0.1) for one in base)
        scored.append(ScoredSetting({"k": at}, {measure: own}, 1, 0.0, 0, 0))

    def choose(places: Any) -> ScoredSetting:
        return max(scored, key=lambda one: sum(one.figures[measure][at] for at in places))

    names = [str(at) for at in range(queries)]
    return checked(split(queries, 5, None, seed), choose, scored[0], measure, names), choose(range(queries))


def test_noise_has_no_winner() -> None:
    gaps, naive = [], 0
    for seed in range(12):
        found, best = by_chance(seed)
        gaps.append(found.training - found.held_out)
        naive += next(iter(best.means.values())) > found.now
    assert sum(gaps) / len(gaps) > 0.02  # those that were chosen by chance are flattered
    assert naive >= 11  # though the best of all seems better each time


@pytest.mark.parametrize("alike", [False, True])
def test_the_best_of_many_is_seldom_more_than_chance(alike: bool) -> None:
    """Of settings that differ by noise alone, each by its own or nearly in the same way."""
    found = []
    for seed in range(100):
        dice = random.Random(seed)
        common = [dice.gauss(0, 1) for _ in range(20)]
        rows = [[(one if alike else 0) + dice.gauss(0, 0.3) for one in common] for _ in range(15)]
        best = max(rows, key=lambda row: sum(row) / sum(one * one for one in row) ** 0.5)
        found.append(chance_of_best(rows, best, rounds=99, seed=seed))
    assert sum(one <= 0.05 for one in found) <= 12  # of 100, where 5 are expected
    assert 0.3 < sum(found) / len(found) < 0.7


def test_the_best_of_many_counts_signs_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chance_of_best([[1.0] * 12, [-1.0] * 12, [0.0] * 12], [1.0] * 12) <= 0.01
    assert chance_of_best([[0.0, 0.0]], [0.0, 0.0]) == 1
    assert chance_of_best([[1.0, 1.0]], [1.0, 1.0], rounds=4000) == pytest.approx(0.25, abs=0.03)
    # Its mirror image reaches as much wherever all signs are the other.
    assert chance_of_best([[1.0, 1.0], [-1.0, -1.0]], [1.0, 1.0], rounds=4000) == pytest.approx(0.5, abs=0.04)
    rows = [[random.Random(at).gauss(0.1, 1) for at in range(one, one + 30)] for one in range(0, 90, 30)]
    known = chance_of_best(rows, rows[0])
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert chance_of_best(rows, rows[0]) == known


def test_what_is_better_wins() -> None:
    for seed in range(5):
        found, best = by_chance(seed, lift=0.15)
        assert best.values == {"k": 39} and found.difference > 0 and found.p < 0.05
        assert found.low < found.difference < found.high


def test_folds_measure_each_query_once_and_never_where_it_chose() -> None:
    parts = split(23, 4, None, 1)
    assert sorted(at for _, held in parts for at in held) == [*range(23)]
    assert all(not {*training} & {*held} and len(training) + len(held) == 23 for training, held in parts)
    assert parts == split(23, 4, None, 1) != split(23, 4, None, 2)
    ((training, held),) = split(10, None, 0.3, 0)
    assert (len(training), len(held)) == (7, 3)


# ------------------------------------------------------------------------------------ what is told


def test_a_vector_that_knows_more_wins_with_its_weight(found: RecordedTuned) -> None:
    assert found.winner is found.chosen is not found.current
    assert found.chosen.values["root.rrf_weights"] == [3, 1]
    assert "is better beyond noise" in found.verdict and found.texts == [
        found.space.text(found.chosen.values)
    ]
    assert found.by_chance is not None and found.by_chance < 0.01
    assert found.checked.held_out <= found.checked.training + 0.05
    assert {fold.queries for fold in found.checked.folds} and len(found.checked.folds) == 5


def test_fronts_rise_with_what_they_cost(found: RecordedTuned) -> None:
    front, measure = found.fronts["candidates"], found.measures[0]
    assert [one.candidates for one in front] == sorted({one.candidates for one in front})
    means = [one.means[measure] for one in front]
    assert means == sorted(means) and means[-1] == max(one.means[measure] for one in found.board.scored)
    cheapest = min(one.candidates for one in found.board.scored)
    assert front[0].candidates == cheapest == 10


def test_sentences_count_the_documents_that_runs_win_and_lose(collection: Any, found: RecordedTuned) -> None:
    db, queries, qrels = collection
    key = document_key(qrels)

    def there(values: Any) -> list[set[str]]:
        text = found.space.text(values)
        hits = [Pipeline(db, text).ask({k: row[k] for k in ("vector", "words")}) for row in queries]
        return [
            {key(hit) for hit in one} & {*qrels[row["id"]]} for one, row in zip(hits, queries, strict=True)
        ]

    assert found.current is not None and found.changes
    settled = [one for one in found.board.scored if one is found.current]
    now = there(settled[0].values)
    for change in found.changes:
        own = there(change.values)
        lost = sum(len({*qrels[row["id"]]} - one) for row, one in zip(queries, now, strict=True))
        # Equals at the tenth place are the engine's choice in a run, and in the order of ids here.
        assert change.lost == pytest.approx(lost, abs=3)
        won = sum(len(mine - one) for mine, one in zip(own, now, strict=True))
        assert change.recovered == pytest.approx(won, abs=3)
        assert change.recovered - change.cost == pytest.approx(sum(map(len, own)) - sum(map(len, now)), abs=3)
        said = change.sentence(found.measures[0])
        assert f"{change.recovered} of the {change.lost} relevant documents that the pipeline loses" in said
    weights = next(one for one in found.changes if [*found.space.changes(one.values)] == ["root.rrf_weights"])
    assert weights.text == "rrf_weights equal → [3, 1] in `root`" and weights.recovered > weights.cost


def test_data_has_all_figures(found: RecordedTuned) -> None:
    data = json.loads(json.dumps(found.to_dict()))
    assert len(data["tried"]) == len(found.board.scored) == len(found.rows())
    assert data["winner"] is True and data["chosen"]["script"] == found.texts[0]
    assert {*data["chosen"]["per_query"]} == {*found.board.queries}
    assert len(data["real"]) == len(found.real) and data["cross_validation"]["p"] < 0.05
    assert data["by_chance"] < 0.05 and data["latency"] == "p50"
    assert [one["sentence"] for one in data["changes"]] and {*data["fronts"]} == {"candidates", "ms"}


def test_what_a_recording_does_not_say_is_left_out_and_told(collection: Any, kept: ev.Recording) -> None:
    _, queries, qrels = collection
    grid = {"dense.limit": [10, 5000], "dense.hnsw_ef": [None, 64]}
    found = ev.tune(HYBRID, queries, qrels, recording=kept, grid=grid)
    assert [one.values for one in found.board.scored] == [
        {"dense.limit": 20, "dense.hnsw_ef": None},
        {"dense.limit": 10, "dense.hnsw_ef": None},
    ]
    assert sum(found.board.left_out.values()) == 3
    shown = " ".join(str(found).split())
    assert "LIMIT 5000 is beyond the 101 points recorded" in shown and "no stage with its PARAMS" in shown
    assert found.real == ()


def test_a_parameter_of_the_pipeline_is_a_setting(collection: Any, tmp_path: Path) -> None:
    db, queries, qrels = collection
    text = HYBRID.replace("dense LIMIT 20", "dense LIMIT :n")
    found = ev.tune(text, queries, qrels, db, folds=2, grid={"n": [5, 20]}, measures="nDCG@10", repeat=1)
    assert (
        found.current is None
        and found.winner is None
        and found.chosen.values == {"n": found.chosen.values["n"]}
    )
    assert {one.values["n"] for one in found.board.scored} == {5, 20}
    assert all(one.others == () for one in found.real)
    found = ev.tune(text, queries, qrels, db, folds=2, grid={"n": [5, 20]}, params={"n": 20}, repeat=1)
    assert found.current is not None and found.current.values == {"n": 20}


def test_without_a_grid_what_a_recording_answers_is_tried(collection: Any, kept: ev.Recording) -> None:
    _, queries, qrels = collection
    found = ev.tune(HYBRID, queries, qrels, recording=kept, measures="nDCG@10", max_settings=80)
    assert {*found.space.axes} >= {"root.fusion", "root.rrf_k"} and len(found.board.scored) <= 81
    limits = [one for one in found.space.possible if one.name == "dense.limit"]
    assert limits[0].tries == (10, 20, 50, 100)


def test_optuna_draws_settings(collection: Any, kept: ev.Recording) -> None:
    pytest.importorskip("optuna")
    _, queries, qrels = collection
    options: dict[str, Any] = {
        "recording": kept,
        "sample": 30,
        "folds": 2,
        "grid": GRID,
        "measures": "nDCG@10",
    }
    found = ev.tune(HYBRID, queries, qrels, search="optuna", **options)
    every = ev.tune(HYBRID, queries, qrels, recording=kept, grid=GRID, measures="nDCG@10")
    assert 5 < len(found.board.scored) <= 48
    measure = found.measures[0]
    means = sorted((one.means[measure] for one in every.board.scored), reverse=True)
    assert found.chosen.means[measure] >= means[len(means) // 4]
    again = ev.tune(HYBRID, queries, qrels, search="optuna", **options)
    assert [one.values for one in again.board.scored] == [one.values for one in found.board.scored]


def test_without_optuna_it_is_said_what_installs_it(
    collection: Any, kept: ev.Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, queries, qrels = collection
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(qql.QQLError, match="search='optuna' needs optuna") as caught:
        ev.tune(HYBRID, queries, qrels, recording=kept, grid=GRID, search="optuna")
    assert caught.value.code == "missing-library" and 'pip install "qql-lang[optuna]"' in str(caught.value)


def test_an_event_loop_tunes_too(tmp_path: Path) -> None:
    async def there() -> RecordedTuned:
        async with qql.connect_async(":memory:", advice=False) as db:
            await db.execute("CREATE COLLECTION docs (dense VECTOR(2, DOT), words SPARSE)")
            await db.execute("UPSERT INTO docs VALUES {id: 1, dense: [1, 0]}, {id: 2, dense: [0, 1]}")
            text = (
                "WITH d AS (QUERY :v USING dense LIMIT 2) QUERY FROM docs PREFETCH (d, d) FUSION RRF LIMIT 2"
            )
            queries = {"a": {"v": [1, 0]}, "b": {"v": [0, 1]}}
            qrels = {"a": {"1": 1}, "b": {"2": 1}}
            given = {"grid": {"d.limit": [1, 2]}, "folds": 2, "repeat": 1}
            found = await ev.atune(text, queries, qrels, db, **given)
            assert isinstance(found, RecordedTuned)
            return found

    found = asyncio.run(there())
    assert len(found.board.scored) == 2 and all(one.others == () for one in found.real)


# ------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"search": "bayes"}, "takes grid or optuna, not 'bayes'|takes grid or optuna, not bayes"),
        ({"folds": 1}, "takes a whole number from 2"),
        ({"folds": 17}, "no more than there are 16 judged queries"),
        ({"folds": 3, "holdout": 0.3}, "give one"),
        ({"repeat": 3}, "`repeat` is about runs"),
        ({"latency": "p95"}, "`latency` is about runs"),
        ({"deep": 10}, "is for a recording that is made"),
        ({"doc_id": "key"}, "which a recording does not have"),
        ({"grid": {"root.lmit": [1]}}, "has no setting `lmit`"),
        ({"grid": {"dense.limit": [0]}}, "dense.limit=0"),
        ({"grid": {"dense.limit": [1], "DENSE.limit": [2]}}, "given twice"),
        ({"grid": {"words": [1]}}, "is a field of the queries"),
    ],
)
def test_what_means_nothing_on_a_recording_is_refused(
    collection: Any, kept: ev.Recording, settings: dict[str, Any], said: str
) -> None:
    _, queries, qrels = collection
    with pytest.raises(ev.InputError, match=said):
        ev.tune(HYBRID, queries, qrels, recording=kept, **settings)


def test_queries_that_were_not_recorded_so_are_refused(collection: Any, kept: ev.Recording) -> None:
    _, queries, qrels = collection
    with pytest.raises(ev.InputError, match="recorded with other fields") as caught:
        ev.tune(HYBRID, [{**queries[0], "vector": [1] * 8}, *queries[1:]], qrels, recording=kept)
    assert caught.value.code == "other-recording"
    more = [*queries, {**queries[0], "id": "new"}]
    with pytest.raises(ev.InputError, match="1 of the judged queries were not recorded: new"):
        ev.tune(HYBRID, more, {**qrels, "new": {"1": 1}}, recording=kept)


def test_a_pipeline_that_needs_runs_is_refused(collection: Any, kept: ev.Recording) -> None:
    _, queries, qrels = collection
    text = HYBRID.replace("QUERY :vector", "QUERY MMR :vector")
    with pytest.raises(ev.InputError, match="MMR compares the vectors") as caught:
        ev.tune(text, queries, qrels, recording=kept, grid={"root.rrf_k": [2, 60]})
    assert caught.value.code == "needs-run" and "every setting is run" in str(caught.value)


# ------------------------------------------------------------------------------------ the command


@pytest.fixture
def call(collection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    _, queries, qrels = collection
    monkeypatch.chdir(tmp_path)
    for name in ("QDRANT_URL", "QQL_DB", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    rows = [{"_id": one["id"], **{k: v for k, v in one.items() if k != "id"}} for one in queries]
    Path("q.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    lines = [f"{query}\t{doc}\t{rel}\n" for query, of in qrels.items() for doc, rel in of.items()]
    Path("r.tsv").write_text("".join(lines), encoding="utf-8")
    Path("p.qql").write_text(HYBRID, encoding="utf-8")

    def call(*argv: str, code: int = 0) -> tuple[str, str]:
        assert main(["tune", "p.qql", "--queries", "q.jsonl", "--qrels", "r.tsv", *argv]) == code
        out, err = capsys.readouterr()
        return out, err

    return call


def test_the_command_shows_the_verdict_and_what_changes_do(call: Any, kept: ev.Recording) -> None:
    grid = [f"--grid={name}={','.join(map(json.dumps, values))}" for name, values in GRID.items()]
    out, _ = call("--recording", kept.path, "--measure", "nDCG@10", *grid)
    assert "is better beyond noise: held out (5 folds)" in out and "What each change does" in out
    assert "relevant documents that the pipeline loses" in out and "FUSION RRF" in out
    data = json.loads(call("--recording", kept.path, *grid, "--format", "json")[0])
    assert data["winner"] and data["queries"] == QUERIES


def test_a_recording_that_is_not_there_is_made(call: Any) -> None:
    rows = [f"{{id: {at}, dense: {[at, 1, 0, 0, 0, 0, 0, 1]}}}" for at in range(1, 9)]
    made = "CREATE COLLECTION docs (dense VECTOR(8, COSINE), words SPARSE)"
    Path("setup.qql").write_text(f"{made}; UPSERT INTO docs VALUES {','.join(rows)}", encoding="utf-8")
    given = ("--setup", "setup.qql", "--recording", "new.qqlrun", "--deep", "5", "--repeat", "1")
    out, _ = call(*given, "--grid", "dense.limit=2,3", "--measure", "nDCG@10")
    assert "Run for real" in out and ev.read_recording("new.qqlrun").depth == 5
    _, err = call("--recording", "gone.qqlrun", code=2)
    assert "cannot read gone.qqlrun" in err


def test_the_command_names_its_options(call: Any, kept: ev.Recording) -> None:
    for given, said in [
        (("--repeat", "3"), "--repeat is about runs"),
        (("--search", "bayes"), "--search takes grid or optuna"),
        (("--deep", "3"), "--deep is for a recording that is made"),
    ]:
        assert said in call("--recording", kept.path, *given, code=2)[1]


def test_a_hit_is_the_document_that_judgements_name(found: RecordedTuned) -> None:
    assert found.board.doc(7) == document_key({})(Hit(7)) == "7"
