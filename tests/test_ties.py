"""Equal scores: in which order they stand, what that leaves open of a measure, and what a LIMIT cuts."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qql
from qql.cli import main
from qql.errors import QQLError
from qql.evaluation import (
    Pipeline,
    Scored,
    TiedRanking,
    document_key,
    parse_measures,
    ranked,
    read_run,
    spread,
    tied_ranking,
    tied_run,
)
from qql.result import Hit, Result

MEASURES = parse_measures(
    [
        *("nDCG", "nDCG@2", "nDCG(dcg='exp-log2')@3", "R@2", "R(rel=2)@3", "P@2", "Success@1", "RR", "RR@2"),
        *("AP", "AP@3", "Rprec", "Judged", "Judged@2", "P(judged_only=True)@2", "AP(judged_only=True)"),
    ]
)


def docs(ranking: list[Scored]) -> str:
    return "".join(one.doc for one in ranking)


def tied(*groups: str, places: int | None = None) -> TiedRanking:
    scored = tuple(tuple(Scored(doc, -float(at)) for doc in group) for at, group in enumerate(groups))
    return TiedRanking(scored, len(groups[-1]) if places is None else places)


# ------------------------------------------------------------------------------------------- orders


def test_the_four_orders() -> None:
    ranking = tied("ab", "c", "dfe")
    judged = {"b": 1, "e": 2, "d": 0}
    assert docs(ranking.ordered()) == "abcdfe"
    assert docs(ranking.ordered("doc")) == "bacfed"
    assert docs(ranking.ordered("best", judged)) == "bacedf"
    assert docs(ranking.ordered("worst", judged)) == "abcfde"
    with pytest.raises(QQLError, match="ordered by id, doc, best, worst, not by rank"):
        ranking.ordered("rank")


def test_a_limit_keeps_as_many_of_a_cut_tie_as_there_were() -> None:
    ranking = tied("ab", "cdef", places=2)
    assert ranking.cut
    assert docs(ranking.ordered()) == "abcd"
    assert docs(ranking.ordered("doc")) == "bafe"
    assert docs(ranking.ordered("best", {"f": 1})) == "abfc"
    assert docs(ranking.ordered("worst", {"c": 1, "d": 1, "e": 1})) == "abfc"
    assert docs(tied("ab", "cd").ordered("worst", {"c": 1})) == "abdc"


def test_what_a_limit_left_out_joins_the_last_tie() -> None:
    key = document_key({})
    hits = [Hit(7, 0.9), Hit(5, 0.5), Hit(3, 0.5)]
    ranking = tied_ranking(hits, key, [Hit(4, 0.5), Hit(9, 0.5)])
    assert [one.doc for one in ranking.ordered()] == ["7", "3", "4"]
    assert [one.doc for one in ranking.ordered("doc")] == ["7", "9", "5"]
    assert docs(tied_ranking(hits, key).ordered("doc")) == "753"
    assert tied_ranking([], key) == TiedRanking((), 0)


def test_documents_of_several_points_stand_once() -> None:
    hits = [
        Hit(at, score, payload={"doc": doc}) for at, score, doc in [(1, 3, "b"), (2, 2, "a"), (3, 2, "b")]
    ]
    behind = [Hit(4, 2.0, payload={"doc": "c"}), Hit(5, 2.0, payload={"doc": "b"})]
    ranking = tied_ranking(hits, document_key({}, "doc"), behind)
    assert docs(ranking.ordered()) == "ba" and ranking.places == 1
    assert docs(ranking.ordered("best", {"c": 1})) == "bc"


def test_a_run_file_has_ties_of_32_bits(tmp_path: Path) -> None:
    """trec_eval puts equal ones in descending order of document, whatever the rank says."""
    path = tmp_path / "a.run"
    path.write_text("q Q0 a 1 0.5 x\nq Q0 c 2 0.50000000001 x\nq Q0 b 3 0.5 x\nq Q0 d 4 0.4 x\n")
    ranking = tied_run(read_run(path)["q"])
    assert [docs(list(group)) for group in ranking.groups] == ["cba", "d"] and not ranking.cut
    assert docs(ranking.ordered("doc")) == "cbad"


@pytest.mark.parametrize("seed", range(20))
def test_doc_is_the_order_of_trec_eval(seed: int) -> None:
    """trec_eval is given the scores as they are, of which many are equal, in any order."""
    irm = pytest.importorskip("ir_measures")
    dice = random.Random(seed)
    names = [f"d{at}" for at in range(30)]
    scores = {doc: dice.choice((0.25, 0.5, 0.75)) for doc in dice.sample(names, 12)}
    qrels = {"q": {doc: dice.randint(0, 3) for doc in dice.sample(names, 10)}}
    hits = [Hit(at, score, payload={"doc": doc}) for at, (doc, score) in enumerate(scores.items())]
    hits.sort(key=lambda hit: -(hit.score or 0))
    ordered = tied_ranking(hits, document_key({}, "doc")).ordered("doc")
    measures = [irm.nDCG @ 5, irm.AP, irm.RR, irm.P @ 4, irm.R @ 7]
    theirs = irm.calc_aggregate(measures, qrels, {"q": scores})
    for measure, value in theirs.items():
        (ours,) = parse_measures([str(measure)])
        assert ours([one.doc for one in ordered], qrels["q"]) == pytest.approx(value, abs=1e-9), measure


# ------------------------------------------------------------------------------------------- spread


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.data(),
)
def test_the_spread_is_that_of_all_orders(sizes: list[int], data: st.DataObject) -> None:
    names = iter("abcdefghi")
    groups = ["".join(next(names) for _ in range(size)) for size in sizes]
    places = data.draw(st.integers(1, sizes[-1]))
    every = "".join(groups) + "xy"
    judged = data.draw(st.dictionaries(st.sampled_from(every), st.integers(-1, 3), min_size=1))
    ranking = tied(*groups, places=places)
    found = spread({"q": ranking}, {"q": judged}, MEASURES, ["q"])
    orders = [""]
    for at, group in enumerate(groups):
        many = places if at == len(groups) - 1 else len(group)
        orders = [start + "".join(end) for start in orders for end in permutations(group, many)]
    for measure in MEASURES:
        values = [measure(order, judged) for order in orders]
        low, high = found.means()[measure]
        assert (low, high) == pytest.approx((min(values), max(values))), str(measure)
        assert list(found.open(measure)) == (["q"] if low < high else [])


def test_means_are_spread_query_by_query() -> None:
    rankings = {"p": tied("ab"), "q": tied("ab"), "r": tied("a", "b")}
    qrels = {query: {"b": 1} for query in rankings}
    found = spread(rankings, qrels, parse_measures(["RR"]))
    assert found.means() == {parse_measures(["RR"])[0]: (0.5, (1 + 1 + 0.5) / 3)}


# ------------------------------------------------------------------------------------------- a real engine

MODEL = (
    "CREATE COLLECTION docs (dense VECTOR(2, DOT), other VECTOR(2, DOT), words SPARSE MODEL 'qdrant/bm25')"
)


RERANKED = "QUERY [1, 0] FROM docs USING dense RERANK 'burns' MODEL 'local/overlap' TOP 3"


@pytest.fixture
def db() -> Any:
    """Points 1 to 40, of which those from 5 on are equal in `dense`, all are equal in `other`."""
    with qql.connect(":memory:") as session:
        session.execute(MODEL)
        rows = [
            {"id": at, "vector": {"dense": [max(1, 6 - at), 0], "other": [1, 0]}, "text": f"word{at} burns"}
            for at in range(1, 41)
        ]
        session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        yield session


def looked(session: Any, text: str) -> Any:
    pipeline = Pipeline(session, text)
    asked = pipeline.embedded()
    return ranked(pipeline, asked, pipeline.answer(asked), document_key({}))


@pytest.mark.parametrize(
    ("text", "edge", "points"),
    [
        ("QUERY [1, 0] FROM docs USING dense LIMIT 3", "clear", 3),
        ("QUERY [1, 0] FROM docs USING dense LIMIT 4", "clear", 4),
        ("QUERY [1, 0] FROM docs USING dense LIMIT 5", "cut", 40),
        ("QUERY [1, 0] FROM docs USING dense LIMIT 39", "cut", 40),
        ("QUERY [1, 0] FROM docs USING dense LIMIT 40", "clear", 40),
        ("QUERY [1, 0] FROM docs USING dense LIMIT 50", "clear", 40),
        ("QUERY [1, 0] FROM docs USING dense LIMIT 5 OFFSET 1", "unknown", 5),
        ("QUERY SAMPLE FROM docs LIMIT 5", "unknown", 5),
        ("QUERY [1, 0] FROM docs USING dense GROUP BY text LIMIT 5", "unknown", 5),
        ("QUERY MMR [1, 0] FROM docs USING dense LIMIT 5", "unknown", 5),
        ("QUERY POINTS (1, 2) FROM docs", "unknown", 2),
        (
            "QUERY [1, 0] FROM docs USING dense RERANK 'burns' MODEL 'local/overlap' TOP 3 LIMIT 5",
            "candidates",
            3,
        ),
        ("QUERY [1, 0] FROM docs USING dense RERANK 'burns' MODEL 'local/overlap' TOP 3 LIMIT 4", "clear", 3),
    ],
)
def test_what_a_limit_cuts(db: Any, text: str, edge: str, points: int) -> None:
    found = looked(db, text)
    assert found.edge == edge
    assert sum(map(len, found.ranking.groups)) == points
    assert not found.ranking.open and not found.inner


def test_points_in_the_order_of_their_ids_are_no_ties(db: Any) -> None:
    """A query without target gives every point the score 1, in an order that is certain."""
    pipeline = Pipeline(db, "QUERY [1, 0] FROM docs USING other LIMIT 3")
    asked = pipeline.embedded()
    assert asked.plan is not None
    plan = replace(asked.plan, root=replace(asked.plan.root, target=None))
    hits = [Hit(2, 1.0), Hit(7, 1.0), Hit(9, 1.0)]
    found = ranked(pipeline, replace(asked, plan=plan), Result("hits", hits=hits), document_key({}))
    assert found.edge == "clear" and docs(found.ranking.ordered("worst", {"2": 1})) == "279"


def test_figures_are_the_same_however_the_engine_breaks_ties(db: Any) -> None:
    """A fused list of equals, of which the engine keeps others each time."""
    text = "QUERY FUSION DBSF FROM docs PREFETCH ((QUERY [1, 0] USING other LIMIT 40)) LIMIT 7"
    answers = {frozenset(hit.id for hit in db.execute(text).hits) for _ in range(20)}
    assert len(answers) > 1, "else this test shows nothing"
    assert {tuple(one.doc for one in looked(db, text).ranking.ordered()) for _ in range(20)} == {
        tuple(map(str, range(1, 8)))
    }


def test_stages_that_chance_fills_are_told(db: Any) -> None:
    """Which of 40 equals the stage gives is chance, and so is what is fused of them."""
    chance = "QUERY FUSION DBSF PREFETCH ((QUERY [1, 0] USING other LIMIT 40)) LIMIT 10"
    text = f"QUERY FUSION RRF FROM docs PREFETCH (({chance}), (QUERY [1, 0] USING dense LIMIT 10)) LIMIT 10"
    assert any(looked(db, text).inner for _ in range(20))


def test_an_engine_that_looks_no_further_leaves_it_unknown(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Pipeline, asked: Any, more: int) -> Any:
        raise QQLError.make("engine-refused", "no more than 5")

    monkeypatch.setattr(Pipeline, "ask_beyond", refuse)
    found = looked(db, "QUERY [1, 0] FROM docs USING dense LIMIT 5")
    assert (
        found.edge == "unknown"
        and docs(found.ranking.ordered()) == "12345"[:4] + docs(found.ranking.ordered())[4:]
    )


# ------------------------------------------------------------------------------------------- qql eval


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = ", ".join(f"{{id: {at}, vector: {{other: [1, 0], dense: [{at}, 0]}}}}" for at in range(1, 31))
    Path("setup.qql").write_text(f"{MODEL};\nUPSERT INTO docs VALUES {rows};")
    Path("q.jsonl").write_text('{"_id": "q1", "v": [1, 0]}\n{"_id": "q2", "v": [2, 0]}\n')
    Path("qrels.tsv").write_text("q1\t7\t1\nq2\t29\t1\n")
    Path("same.qql").write_text("QUERY :v FROM docs USING other LIMIT 10")
    Path("clear.qql").write_text("QUERY :v FROM docs USING dense LIMIT 10")
    return tmp_path


JUDGED = ("--setup", "setup.qql", "--queries", "q.jsonl", "--qrels", "qrels.tsv")


def evaluated(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, str]:
    judged = JUDGED if argv[0].endswith(".qql") else JUDGED[2:]
    assert main(["eval", *argv, *judged]) == 0
    out, err = capsys.readouterr()
    return out, err


def test_eval_reports_what_ties_leave_open(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = evaluated(capsys, "same.qql", "clear.qql", "--measures", "R@10 RR", "--format", "json")
    same, clear = json.loads(out)["pipelines"]
    assert same["measures"] == {"R@10": 0.5, "RR": pytest.approx(1 / 14)}  # 7 is the seventh, 29 not there
    ties = same["ties"]
    assert ties["order"] == "id" and ties["cut"] == ["q1", "q2"]
    assert ties["measures"] == {"R@10": [0, 1], "RR": [0, 1]}
    assert ties["per_query"] == {q: {"R@10": [0, 1], "RR": [0, 1]} for q in ("q1", "q2")}
    assert clear["ties"]["measures"]["R@10"] == [clear["measures"]["R@10"]] * 2
    assert not (clear["ties"]["per_query"] or clear["ties"]["cut"])


@pytest.mark.parametrize(
    ("ties", "reciprocal"),
    [("id", 1 / 7), ("doc", 1 / 3), ("best", 1), ("worst", 0)],  # as texts: 9, 8, 7, …
)
def test_eval_ranks_equals_as_it_is_told(
    here: Path, capsys: pytest.CaptureFixture[str], ties: str, reciprocal: float
) -> None:
    given = [] if ties == "id" else ["--ties", ties]
    out, _ = evaluated(capsys, "same.qql", "--measures", "RR", *given, "--format", "json", "--run-dir", ".")
    (one,) = json.loads(out)["pipelines"]
    assert one["per_query"]["q1"]["RR"] == pytest.approx(reciprocal)
    assert one["ties"]["order"] == ties
    # The run file has that order, in strictly falling scores: what is read of it is what was measured.
    again, _ = evaluated(capsys, "same.run", "--measures", "RR", "--format", "json")
    assert json.loads(again)["pipelines"][0]["per_query"] == one["per_query"]


def test_stages_whose_limit_cuts_a_tie_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "WITH same AS (QUERY :v USING other LIMIT 10), clear AS (QUERY :v USING dense LIMIT 10)"
        " QUERY FUSION RRF FROM docs PREFETCH (same, clear) LIMIT 20"
    )
    Path("p.qql").write_text(text)
    out, _ = evaluated(capsys, "p.qql", "--stages", "--format", "json")
    assert json.loads(out)["pipelines"][0]["ties"]["stages"] == {"same": ["q1", "q2"]}
    out, _ = evaluated(capsys, "p.qql", "--stages")
    assert "LIMITs that cut a tie, in 2 queries: of same in 2" in out


def test_the_report_on_ties_in_eighty_columns(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out, _ = evaluated(capsys, "same.qql", "clear.qql", "--measures", "R@10")
    assert "What the order of equal scores leaves open" in out
    assert "│ same     │ R@10    │ 0.0000 … 1.0000 │       2 │" in out
    assert "the LIMIT cuts a tie: same in 2 of 2 queries (the engine keeps any of the" in out
    assert max(map(len, out.splitlines())) <= 80
    out, _ = evaluated(capsys, "clear.qql")
    assert "equal scores" not in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--ties", "rank"), "--ties takes id, doc, best, worst, not rank"),
        (("a.run", "--ties", "id"), "--ties id has no meaning for the run file a"),
    ],
)
def test_orders_that_there_are_not(
    here: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    Path("a.run").write_text("q1 Q0 7 1 0.5 x\n")
    assert main(["eval", "same.qql", *argv, *JUDGED]) == 2
    assert said in capsys.readouterr().err


def test_ties_of_run_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.run").write_text("q1 Q0 7 1 0.5 x\nq1 Q0 9 2 0.5 x\nq2 Q0 1 1 0.5 x\n")
    out, _ = evaluated(capsys, "a.run", "--measures", "RR", "--format", "json")
    (one,) = json.loads(out)["pipelines"]
    assert one["measures"] == {"RR": 0.25} and one["ties"]["measures"] == {"RR": [0.25, 0.5]}
    assert one["ties"]["order"] == "doc"
    out, _ = evaluated(capsys, "a.run", "--measures", "RR", "--ties", "best", "--format", "json")
    assert json.loads(out)["pipelines"][0]["measures"] == {"RR": 0.5}
