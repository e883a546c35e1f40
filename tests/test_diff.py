"""Two rankings compared: the measures against other ways to compute them, moves, and `qql diff`."""

from __future__ import annotations

import io
import itertools
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from http_recorder import HttpRecorder, ok
from hypothesis import given, settings
from hypothesis import strategies as st

import qql
from qql.cli import main
from qql.evaluation import Query, jaccard, kendall_tau, overlap_at, rank_biased_overlap
from qql.evaluation.comparison import Survey, compare_results, title_of
from qql.result import Hit, Result

SETUP = str(ROOT / "examples" / "first-steps.qql")
DENSE = "QUERY 'emergency care' FROM docs USING dense LIMIT 4"
HYBRID = "QUERY HYBRID 'emergency care' FROM docs WHERE priority = 'high' LIMIT 3"

Run = Callable[..., tuple[int, str, str]]

# ------------------------------------------------------------------------------------ measures

rankings = st.lists(st.integers(0, 30), unique=True, max_size=25)
places = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


def series(one: Sequence[int], other: Sequence[int], p: float) -> float:
    """RBO summed over the infinite series, as far as a float notices, with the agreements of the paper.

    Beyond the end of the shorter ranking its overlap grows as it has grown on average; beyond the end of the
    longer one the agreement stays as it is there.
    """
    short, long = sorted((one, other), key=len)
    s, n = len(short), len(long)

    at_s = len({*short} & {*long[:s]})

    def agreement(depth: int) -> float:
        both = len({*short[:depth]} & {*long[:depth]})
        return (both + at_s * max(0, depth - s) / s) / depth

    seen = [agreement(depth) for depth in range(1, n + 1)]
    beyond = itertools.repeat(seen[-1], 1500)
    return (1 - p) * math.fsum(value * p**at for at, value in enumerate((*seen, *beyond)))


@settings(deadline=None)
@given(rankings.filter(bool), rankings.filter(bool), st.sampled_from([0.5, 0.9, 0.97]))
def test_rbo_is_the_sum_of_its_series(one: list[int], other: list[int], p: float) -> None:
    assert rank_biased_overlap(one, other, p) == pytest.approx(series(one, other, p), abs=1e-9)
    assert rank_biased_overlap(one, other, p) == pytest.approx(rank_biased_overlap(other, one, p))


def test_rbo_gives_the_first_ten_ranks_the_weight_that_the_paper_says() -> None:
    """Equation 21 of the paper; for p = 0.9 and ten ranks it says 86 %."""
    p, d = 0.9, 10
    weight = 1 - p ** (d - 1)
    weight += (1 - p) / p * d * (math.log(1 / (1 - p)) - sum(p**i / i for i in range(1, d)))
    one = [*range(10), *range(100, 600)]
    other = [*range(10), *range(1000, 1500)]
    assert rank_biased_overlap(one, other, p) == pytest.approx(weight, abs=1e-12)
    assert round(weight, 2) == 0.86


@pytest.mark.parametrize(
    ("one", "other", "p", "value"),
    [
        ("abcde", "bcdae", 0.9, 0.828),  # the example of two public implementations
        ("ab", "ba", 0.5, 0.5),  # 0.5 · 0 + 0.25 · 1 + 0.25 · 1
        ("abc", "abc", 0.3, 1.0),
        ("abc", "xyz", 0.9, 0.0),
        ("abc", "", 0.9, 0.0),
        ("", "", 0.9, 1.0),
        ("ab", "abcd", 0.9, 1.0),  # all that the shorter one shows agrees
    ],
)
def test_rbo_by_hand(one: str, other: str, p: float, value: float) -> None:
    assert rank_biased_overlap(one, other, p) == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize("p", [0.0, 1.0, -1.0, math.nan])
def test_rbo_requires_a_persistence(p: float) -> None:
    with pytest.raises(qql.QQLExecutionError) as caught:
        rank_biased_overlap("ab", "ba", p)
    assert caught.value.code == "bad-persistence"


def pairwise_tau(pairs: Sequence[tuple[float, float]]) -> float | None:
    """τ-b as its definition counts: every pair of items."""
    both = [((a > b) - (a < b), (x > y) - (x < y)) for (a, x), (b, y) in itertools.combinations(pairs, 2)]
    one = sum(first != 0 for first, _ in both)
    other = sum(second != 0 for _, second in both)
    if not one or not other:
        return None
    return sum(first * second for first, second in both) / math.sqrt(one * other)


@settings(deadline=None)
@given(places)
def test_tau_counts_as_its_definition_does(pairs: list[tuple[float, float]]) -> None:
    expected = pairwise_tau(pairs)
    assert kendall_tau(pairs) == (None if expected is None else pytest.approx(expected))


def test_tau_by_hand() -> None:
    assert kendall_tau([(1, 1), (2, 2), (3, 3)]) == 1
    assert kendall_tau([(1, 3), (2, 2), (3, 1)]) == -1
    assert kendall_tau([(1, 2), (2, 1), (3, 3)]) == pytest.approx(1 / 3)
    assert kendall_tau([(1, 1), (1, 2), (3, 3)]) == pytest.approx(2 / math.sqrt(2 * 3))
    assert kendall_tau([(1, 1)]) is None
    assert kendall_tau([(1, 1), (1, 2)]) is None


def test_overlap_counts_the_places_that_there_are() -> None:
    assert overlap_at("abcd", "badc", 1) == 0
    assert overlap_at("abcd", "badc", 3) == pytest.approx(2 / 3)
    assert overlap_at("abc", "cab", 10) == 1
    assert overlap_at("a", "abcd", 10) == 1 / 4
    assert overlap_at("", "", 10) == 1
    assert jaccard("abc", "bcd") == 1 / 2
    assert jaccard("", "") == 1


# ------------------------------------------------------------------------------------ results


def hits(text: str, **more: Any) -> list[Hit]:
    """``"1:0.9 2:0.5"`` as hits."""
    return [
        Hit(int(key), float(score), **more) for key, _, score in (one.partition(":") for one in text.split())
    ]


def moves(a: str, b: str) -> list[str]:
    return [f"{one.id}{one}" for one in compare_results(hits(a), hits(b)).moved]


def test_moves() -> None:
    assert moves("1:9 2:8 3:7 4:6", "3:9 1:8 2:7 5:6") == ["1↓1", "2↓1", "3↑2", "4gone", "5new"]
    assert moves("1:9 2:8", "1:3 2:2") == ["1=", "2="]
    assert moves("", "7:1") == ["7new"]


def test_a_swap_of_equal_scores_is_a_tie() -> None:
    # Equal hits stand in the order of their ids, whatever order an engine gave them in.
    assert moves("1:9 2:5 3:5 4:1", "1:9 3:5 2:5 4:1") == ["1=", "2=", "3=", "4="]
    assert moves("1:9 3:5 2:5 4:1", "1:9 2:5 3:5 4:1") == ["1=", "2=", "3=", "4="]
    # A could have had them in the order of B.
    assert moves("1:9 2:5 3:5", "1:9 3:6 2:5") == ["1=", "2tie", "3tie"]
    # Not so where they are further apart than their equals reach.
    assert moves("1:5 2:5 3:4 4:3", "4:9 1:8 2:7 3:6") == ["1tie", "2↓1", "3↓1", "4↑3"]


def test_ties_are_no_difference_and_no_disorder() -> None:
    found = compare_results(hits("1:9 2:5 3:5"), hits("1:9 3:6 2:5"))
    assert (found.same, found.same_scores) == (True, False)
    assert found.verdict.startswith("the same hits in the same order, up to ties")
    assert found.tau is not None and found.tau > 0
    assert found.rbo < 1, "RBO sees the lists as they stand"
    found = compare_results(hits("1:9 2:5 3:5"), hits("1:9 3:5 2:5"))
    assert (found.same, found.same_scores, found.rbo, found.overlap(2)) == (True, True, pytest.approx(1), 1)
    assert found.verdict == "the same hits in the same order"


def test_hits_without_scores_do_not_tie() -> None:
    a, b = [Hit(1), Hit(2)], [Hit(2), Hit(1)]
    found = compare_results(a, b)
    assert [str(one) for one in found.moved] == ["↓1", "↑1"]
    assert found.tau == -1
    assert found.verdict == "the same hits in another order"


def test_a_point_is_known_by_its_group_where_both_have_groups() -> None:
    a = [Hit(1, 0.9, group="x"), Hit(1, 0.9, group="y")]
    found = compare_results(a, a[::-1])
    assert [(one.group, str(one)) for one in found.moved] == [("x", "↓1"), ("y", "↑1")]
    assert [row["group"] for row in found.rows()] == ["x", "y"]
    assert [str(one) for one in compare_results(a, hits("1:0.9")).moved] == ["="]


def test_measures_of_a_comparison() -> None:
    found = compare_results(hits("1:9 2:8 3:7"), hits("2:9 1:8 4:7 5:6"))
    assert found.measures() == {
        "overlap@1": 0,
        "overlap@4": 0.5,
        "jaccard": 2 / 5,
        "rbo": pytest.approx(series([1, 2, 3], [2, 1, 4, 5], 0.9)),
        "tau": -1,
    }
    assert (found.common, found.verdict) == (2, "2 hits in common, 1 gone, 2 new")
    assert compare_results([], []).verdict == "no hits on either side"


def test_the_cutoffs_go_to_the_end_of_the_longer_ranking() -> None:
    def cutoffs(length: int) -> tuple[int, ...]:
        return compare_results([Hit(at, 1 / (at + 1)) for at in range(length)], []).cutoffs

    assert cutoffs(0) == ()
    assert cutoffs(1) == (1,)
    assert cutoffs(10) == (1, 5, 10)
    assert cutoffs(120) == (1, 5, 10, 20, 50, 100, 120)


def test_depth_cuts_both() -> None:
    found = compare_results(hits("1:9 2:8 3:7"), hits("1:9 3:8 2:7"), depth=1)
    assert (found.same, len(found.moved)) == (True, 1)
    with pytest.raises(qql.QQLExecutionError) as caught:
        compare_results([], [], depth=0)
    assert caught.value.code == "bad-depth"


def test_scores_that_differ_by_rounding_are_the_same() -> None:
    assert compare_results(hits("1:0.5"), hits("1:0.50000001")).same_scores
    found = compare_results(hits("1:0.5"), hits("1:0.6"))
    assert (found.same, found.same_scores) == (True, False)
    assert found.verdict == "the same hits in the same order; the scores differ"


def test_a_result_without_hits_cannot_be_compared() -> None:
    with pytest.raises(qql.QQLExecutionError) as caught:
        compare_results(Result("rows", rows=[{"count": 1}]), [])
    assert caught.value.code == "no-hits"


def test_order_by_orders_what_has_one_score() -> None:
    with qql.connect() as session:
        session.run("""
            CREATE COLLECTION c (dense VECTOR(2, DOT)); CREATE INDEX ON c FOR n TYPE integer;
            UPSERT INTO c VALUES
              {id: 1, vector: {dense: [1, 0]}, n: 1}, {id: 2, vector: {dense: [0, 1]}, n: 2};
        """)
        up, down = (session.execute(f"QUERY ORDER BY n {word} FROM c") for word in ("ASC", "DESC"))
    assert {hit.score for hit in up.hits} == {hit.score for hit in down.hits} == {1.0}
    assert [str(one) for one in compare_results(up, down).moved] == ["↓1", "↑1"]


def test_titles() -> None:
    assert title_of(Hit(1, payload={"text": "words", "name": "n", "title": "t"})) == "t"
    assert title_of(Hit(1, payload={"text": "two\n  lines", "title": 3})) == "two lines"
    assert title_of(Hit(1)) == ""
    cut = title_of(Hit(1, payload={"text": "word " * 1000}))
    assert len(cut) == 60 and cut.endswith("…")


def test_a_survey() -> None:
    same = compare_results(hits("1:2 2:1"), hits("1:2 2:1"))
    swapped = compare_results(hits("1:2 2:1"), hits("2:2 1:1"))
    other = compare_results(hits("1:2"), hits("3:2"))
    names = {"s": same, "w": swapped, "o": other}
    survey = Survey(tuple((Query(name, {"query": f"text {name}"}), one) for name, one in names.items()))
    means = {row["measure"]: row for row in survey.means()}
    assert means["overlap@1"] == {"measure": "overlap@1", "mean": 1 / 3, "least": 0, "queries": 3}
    assert means["overlap@2"]["mean"] == pytest.approx(2 / 3)
    assert means["rbo"]["mean"] == pytest.approx((1 + swapped.rbo + 0) / 3)
    assert means["tau"] == {"measure": "tau", "mean": 0, "least": -1, "queries": 2}
    assert [row["query"] for row in survey.most_different()] == ["o", "w"]
    assert [row["query"] for row in survey.most_different(1)] == ["o"]
    assert survey.verdict.startswith("1 of 3 queries")
    assert not survey.same
    json.dumps(survey.to_dict())


# ------------------------------------------------------------------------------------ the command


@pytest.fixture
def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Runs ``qql diff`` in a folder with two pipelines: exit code, output, errors."""
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    Path("dense.qql").write_text(DENSE)
    Path("hybrid.qql").write_text(HYBRID)

    def call(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(["diff", *argv])
        return code, *capsys.readouterr()

    return call


def found(run: Run, *argv: str) -> dict[str, Any]:
    code, out, err = run(*argv, "--format", "json")
    assert (code, err) == (0, "")
    return json.loads(out)  # type: ignore[no-any-return]


def test_two_pipelines_side_by_side(run: Run) -> None:
    data = found(run, "dense.qql", "hybrid.qql", "--setup", SETUP)
    with qql.connect() as session:
        session.run(Path(SETUP).read_text())
        a, b = session.execute(DENSE), session.execute(HYBRID)
    ranked = sorted((row for row in data["rows"] if row["rank_b"]), key=lambda row: row["rank_b"])
    assert [row["id"] for row in data["rows"] if row["rank_a"]] == a.ids
    assert [row["id"] for row in ranked] == b.ids
    assert [row["score_b"] for row in ranked] == [hit.score for hit in b.hits]
    assert data["hits"] == {"a": 4, "b": 3, "common": len({*a.ids} & {*b.ids})}
    assert data["measures"]["rbo"] == pytest.approx(series(a.ids, b.ids, 0.9))  # type: ignore[arg-type]
    assert {row["move"] for row in data["rows"]} == {"same", "gone", "up"}
    assert f"-{DENSE};" in data["diff"]
    assert f"+{HYBRID};" in data["diff"]


def test_the_table_shows_texts_moves_and_measures(run: Run) -> None:
    code, out, err = run("dense.qql", "hybrid.qql", "--setup", SETUP)
    assert (code, err) == (0, "")
    assert f"-{DENSE};" in out
    assert "│ rank A │ id │ rank B │ move │" in out
    assert "│      4 │  2 │      3 │ ↑1 " in out
    assert "│      3 │  4 │        │ gone │" in out
    assert "overlap @1 1.000, @4 0.750" in out
    assert "Kendall's tau 1.000 over the 3 common hits" in out
    assert out.rstrip().endswith("3 hits in common, 1 gone, 0 new")


def test_a_pipeline_and_itself(run: Run) -> None:
    data = found(run, "dense.qql", "dense.qql", "--setup", SETUP, "--exit-code")
    assert (data["same"], data["same_scores"], data["diff"]) == (True, True, [])
    assert {row["move"] for row in data["rows"]} == {"same"}
    assert set(data["measures"].values()) == {1.0}


def test_a_difference_is_an_exit_code_only_where_it_is_wanted(run: Run) -> None:
    assert run("dense.qql", "hybrid.qql", "--setup", SETUP)[0] == 0
    assert run("dense.qql", "hybrid.qql", "--setup", SETUP, "--exit-code")[0] == 1


@pytest.mark.parametrize("format", ["csv", "jsonl", "markdown"])
def test_formats(run: Run, format: str) -> None:
    _, out, _ = run("dense.qql", "hybrid.qql", "--setup", SETUP, "--format", format)
    lines = out.splitlines()
    match format:
        case "csv":
            assert lines[0] == "rank_a,id,rank_b,move,score_a,score_b,title"
            assert lines[3].startswith("3,4,,gone,")
        case "jsonl":
            assert json.loads(lines[2])["rank_b"] is None
            assert len(lines) == 4
        case "markdown":
            assert "| rank A | id | rank B | move | score A | score B | title |" in lines


def test_depth_and_persistence(run: Run) -> None:
    data = found(run, "dense.qql", "hybrid.qql", "--setup", SETUP, "-k", "2", "--rbo-p", "0.5")
    assert (data["hits"], data["p"], data["same"]) == ({"a": 2, "b": 2, "common": 2}, 0.5, True)


def test_parameters_go_to_the_pipeline_that_has_them(run: Run) -> None:
    Path("a.qql").write_text("QUERY :text FROM docs USING dense LIMIT 3")
    Path("b.qql").write_text("QUERY :text FROM docs USING dense LIMIT :n")
    data = found(run, "a.qql", "b.qql", "--setup", SETUP, "--param", "text=care", "--param", "n=2")
    assert data["hits"] == {"a": 3, "b": 2, "common": 2}
    code, _, err = run("a.qql", "b.qql", "--setup", SETUP, "--param", "text=x", "--param", "m=2")
    assert code == 2
    assert ":m" in err


def test_one_pipeline_on_two_databases(run: Run, tmp_path: Path) -> None:
    for name, change in (("one", ""), ("two", "DELETE FROM docs WHERE id = 1;")):
        with qql.connect(tmp_path / name) as session:
            session.run(Path(SETUP).read_text() + ";" + change)
    data = found(run, "dense.qql", "--db", "one", "--db-b", "two")
    assert data["diff"] == []
    assert (data["rows"][0]["id"], data["rows"][0]["rank_b"]) == (1, None)
    assert found(run, "dense.qql", "-q", "--db", "one", "--db-b", "two", "-k", "1")["verdict"] == (
        "0 hits in common, 1 gone, 1 new"
    )
    code, _, err = run("dense.qql", "--db", "one", "--db-b", "one")
    assert (code, "names the database that A runs on" in err) == (2, True)


def test_the_key_of_the_first_server_is_not_shown_to_the_second(run: Run) -> None:
    info = {"config": {"params": {"vectors": {"size": 2, "distance": "Dot"}}}, "points_count": 2}
    points: list[dict[str, Any]] = [{"id": at, "version": 0, "score": 1 / at, "payload": {}} for at in (1, 2)]
    Path("v.qql").write_text("QUERY [1, 2] FROM docs LIMIT 2")
    servers = [
        HttpRecorder(
            {
                ("GET", "/collections/docs"): ok(info),
                ("POST", "/collections/docs/points/query"): ok({"points": answer}),
            }
        )
        for answer in (points, points[::-1])
    ]
    with servers[0] as first, servers[1] as second:
        data = found(run, "v.qql", "--url", first.url, "--url-b", second.url, "--api-key", "s3cr3t", "-q")
    assert [row["move"] for row in data["rows"]] == ["down", "up"]
    assert [[one.headers.get("api-key") for one in server.received][-1] for server in servers] == [
        "s3cr3t",
        None,
    ]


def test_many_queries(run: Run) -> None:
    texts = ["emergency care", "burns of children", "annual check-up", "wounds"]
    rows = [{"_id": f"q{at}", "text": text, "unused": at} for at, text in enumerate(texts)]
    Path("q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Path("a.qql").write_text("QUERY :query FROM docs USING dense LIMIT 3")
    Path("b.qql").write_text("QUERY :query FROM docs USING sparse LIMIT 2")
    argv = ("a.qql", "b.qql", "--setup", SETUP, "--queries", "q.jsonl")
    data = found(run, *argv)
    with qql.connect() as session:
        session.run(Path(SETUP).read_text())
        expected = [
            compare_results(
                *(session.execute(Path(file).read_text(), {"query": text}) for file in ("a.qql", "b.qql"))
            )
            for text in texts
        ]
    assert data["queries"] == 4
    assert [row["rbo"] for row in data["rows"]] == [one.rbo for one in expected]
    assert [row["overlap@3"] for row in data["rows"]] == [one.overlap(3) for one in expected]
    means = {row["measure"]: row["mean"] for row in data["means"]}
    assert means["rbo"] == pytest.approx(sum(one.rbo for one in expected) / 4)
    code, out, _ = run(*argv, "--exit-code")
    assert code == 1
    assert "the queries that differ most" in out
    order = sorted((one.rbo, at) for at, one in enumerate(expected) if not one.same)
    table = out[out.index("the queries that differ most") :]
    shown = [
        line.split("│")[1].strip() for line in table.splitlines() if "│ q" in line and "query" not in line
    ]
    assert shown == [f"q{at}" for _, at in order]


def test_a_query_that_fails_is_named(run: Run) -> None:
    Path("q.jsonl").write_text(
        '{"_id": "fine", "text": "x", "n": 1}\n{"_id": "broken", "text": "x", "n": "y"}'
    )
    Path("a.qql").write_text("QUERY :query FROM docs USING dense LIMIT :n")
    code, out, err = run("a.qql", "a.qql", "--setup", SETUP, "--queries", "q.jsonl")
    assert (code, out) == (3, "")
    assert "broken" in err and "q.jsonl:2" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["dense.qql"], "diff compares two pipelines, found 1"),
        ([], "diff compares two pipelines, found none"),
        (["dense.qql"] * 3, "diff compares two pipelines, found 3"),
        (["-", "-", "--setup", SETUP], "standard input can be read only once"),
        (["dense.qql", "--db-b", "x", "--url-b", "y"], "--url-b and --db-b exclude each other"),
        (["dense.qql", "--db-b", "x", "--setup", SETUP], "--setup and --db-b exclude each other"),
        (["dense.qql", "hybrid.qql"], "no database"),
        (["dense.qql", "hybrid.qql", "--rbo-p", "1"], "--rbo-p"),
        (["dense.qql", "hybrid.qql", "-k", "0"], "--depth"),
        (["dense.qql", "hybrid.qql", "--format", "xml"], "there is no format xml"),
        (["dense.qql", "none.qql", "--setup", SETUP], "none.qql"),
        (["dense.qql", "hybrid.qql", "--setup", SETUP, "--queries", "none"], "none"),
    ],
)
def test_usage(run: Run, argv: list[str], said: str) -> None:
    code, out, err = run(*argv)
    assert code in (1, 2)
    assert out == ""
    assert said in err


def test_a_pipeline_that_is_none(run: Run) -> None:
    code, _, err = run("-", "dense.qql", "--setup", SETUP, stdin="COUNT FROM docs")
    assert (code, "no-pipeline" in err) == (3, True)


@pytest.mark.slow
def test_many_hits_are_quick_to_compare() -> None:
    """Tau is not counted pair by pair: these would be half a thousand million."""
    count = 30_000
    shuffled = random.Random(4).sample(range(count), count)
    found = compare_results(
        [Hit(at, -float(at)) for at in range(count)],
        [Hit(at, -float(rank)) for rank, at in enumerate(shuffled)],
    )
    assert found.tau is not None and abs(found.tau) < 0.05
    assert found.common == count
