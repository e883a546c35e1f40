"""`qql calibrate`: a curve fitted on judgements, the pipeline it makes, and whether that is worth having."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import qql
from qql.analysis.fusion import close
from qql.cli import main
from qql.evaluation import InputError, calibrate, record
from qql.evaluation.calibration.curves import Curve, StageCurve, with_curve
from qql.evaluation.calibration.logistic import fit
from qql.evaluation.calibration.quality import brier, calibration_error, log_loss
from qql.evaluation.recording.recomputing import EQUAL, recompute
from qql.session.session import Session

LIMIT, SIZE = 40, 6
TEXT = (
    f"QUERY FUSION RRF FROM docs PREFETCH (QUERY :a USING near LIMIT {LIMIT}, "
    f"QUERY :b USING far LIMIT {LIMIT}) LIMIT 30"
)
INTERCEPT, SLOPES, ABSENT = -5.0, (6.0, 0.3), (1.5, -1.0)


class Made(NamedTuple):
    """A collection in memory, queries, and judgements drawn by a curve that is known."""

    session: Session
    queries: list[dict[str, Any]]
    qrels: dict[str, dict[str, int]]


def vector(rng: random.Random) -> list[float]:
    return [round(rng.gauss(0, 1), 4) for _ in range(SIZE)]


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    rng = random.Random(11)
    with qql.connect(":memory:", advice=False) as session:
        session.run(f"CREATE COLLECTION docs (near VECTOR({SIZE}, COSINE), far VECTOR({SIZE}, DOT));")
        rows = [{"id": n, "name": f"d{n}", "near": vector(rng), "far": vector(rng)} for n in range(1, 301)]
        session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        queries = [{"id": f"q{n}", "a": vector(rng), "b": vector(rng)} for n in range(90)]
        qrels = {}
        for query in queries:
            lists = [
                session.execute(f"QUERY :v FROM docs USING {name} LIMIT {LIMIT}", {"v": query[key]}).hits
                for name, key in (("near", "a"), ("far", "b"))
            ]
            scores = [{hit.id: hit.score or 0.0 for hit in hits} for hits in lists]
            judged = {}
            for key in {*scores[0], *scores[1]}:
                odds = INTERCEPT
                for some, slope, absent in zip(scores, SLOPES, ABSENT, strict=True):
                    odds += slope * some[key] if key in some else absent
                judged[str(key)] = int(rng.random() < 1 / (1 + math.exp(-odds)))
            qrels[query["id"]] = judged
        yield Made(session, queries, qrels)


# ------------------------------------------------------------------------------------ the fit


@pytest.mark.slow
def test_coefficients_that_are_known_are_found_again(made: Made) -> None:
    found = calibrate(TEXT, made.queries, made.qrels, made.session, penalty=0.01)
    assert abs(found.curve.intercept - INTERCEPT) < 0.5
    for stage, slope, absent in zip(found.curve.stages, SLOPES, ABSENT, strict=True):
        assert abs(stage.slope - slope) < 0.15 * slope
        assert abs(stage.absent - absent) < 0.5
    assert found.better and found.verdict.startswith("better: nDCG@10")
    assert found.quality.calibration_error < 0.03
    assert found.quality.brier < found.quality.base_brier
    assert found.quality.log_loss < found.quality.base_log_loss


def test_a_fit_is_where_the_penalized_likelihood_is_flat() -> None:
    rng = random.Random(2)
    rows = [[rng.gauss(3, 2), rng.gauss(0, 0.1), float(rng.random() < 0.3)] for _ in range(400)]
    labels = [rng.random() < 1 / (1 + math.exp(-(0.7 * a - 4 * b + c - 2))) for a, b, c in rows]
    found = fit(rows, labels, 2.0)
    columns = list(zip(*rows, strict=True))
    means = [sum(one) / len(one) for one in columns]
    spreads = [
        math.sqrt(sum((x - m) ** 2 for x in one) / len(one)) for one, m in zip(columns, means, strict=True)
    ]

    def likely(row: Sequence[float]) -> float:
        return 1 / (1 + math.exp(-found.intercept - sum(map(float.__mul__, found.coefficients, row))))

    rest = [label - likely(row) for row, label in zip(rows, labels, strict=True)]
    assert abs(sum(rest)) < 1e-6  # the intercept has no penalty
    for at, (mean, spread) in enumerate(zip(means, spreads, strict=True)):
        slope = sum(one * (row[at] - mean) / spread for one, row in zip(rest, rows, strict=True))
        assert abs(slope - 2.0 * found.coefficients[at] * spread) < 1e-5
    assert not found.separable


def test_labels_that_scores_tell_apart_give_a_curve_that_is_bounded_and_said() -> None:
    found = fit([[float(n)] for n in range(20)], [n > 9 for n in range(20)])
    assert found.separable and 0 < found.coefficients[0] < 5
    never = fit([[1.0, float(n)] for n in range(20)], [n % 2 == 0 for n in range(20)])
    assert never.coefficients[0] == 0 and not never.separable


def test_figures_of_calibration_are_those_of_their_definitions() -> None:
    likely, labels = [0.1, 0.15, 0.9, 0.6], [False, True, True, False]
    assert brier(likely, labels) == pytest.approx((0.01 + 0.7225 + 0.01 + 0.36) / 4)
    assert log_loss(likely, labels) == pytest.approx(-sum(map(math.log, (0.9, 0.15, 0.9, 0.4))) / 4)
    assert calibration_error(likely, labels) == pytest.approx((abs(0.25 - 1) + abs(0.9 - 1) + 0.6) / 4)
    assert calibration_error([1.0, 0.0], [True, False]) == 0 == log_loss([1.0, 0.0], [True, False])


# ------------------------------------------------------------------------------------ the pipeline


def test_the_engine_gives_the_probabilities_of_the_curve_in_one_request(made: Made, fake_server: Any) -> None:
    found = calibrate(TEXT, made.queries, made.qrels, made.session)
    query = made.queries[3]
    scores = [
        {
            hit.id: hit.score
            for hit in made.session.execute(
                f"QUERY :v FROM docs USING {name} LIMIT 40", {"v": query[key]}
            ).hits
        }
        for name, key in (("near", "a"), ("far", "b"))
    ]
    values = {"a": query["a"], "b": query["b"]}
    hits = made.session.execute(found.text, values).hits
    assert len(hits) == 30 and any(hit.id not in scores[0] for hit in hits)
    for hit in hits:
        wanted = found.curve.probability([some.get(hit.id) for some in scores])
        assert hit.score == pytest.approx(wanted, abs=1e-6)
    bar = hits[10].score or 0.0
    cut = made.session.execute(found.text.replace("LIMIT 30", f"SCORE THRESHOLD {bar} LIMIT 30"), values)
    assert [hit.id for hit in cut.hits] == [hit.id for hit in hits[: len(cut.hits)]] and len(cut.hits) in (
        10,
        11,
    )
    [request] = qql.compile(found.text, values)
    assert (request.body or {})["query"].keys() == {"formula", "defaults"}
    server = fake_server("1.14.0")
    with qql.connect(server.url, advice=False) as db:
        db.run(f"CREATE COLLECTION docs (near VECTOR({SIZE}, COSINE), far VECTOR({SIZE}, DOT));")
        since = len(server.calls)
        db.execute(found.text, values)
        asked = [one.request.path for one in server.calls[since:] if "/points/query" in one.request.path]
    assert asked == ["/collections/docs/points/query"]


@pytest.mark.slow
def test_log_odds_rank_as_probabilities_do(made: Made) -> None:
    plain, odds = (
        calibrate(TEXT, made.queries, made.qrels, made.session, log_odds=one) for one in (False, True)
    )
    values = {key: made.queries[0][key] for key in "ab"}
    one, other = (made.session.execute(some.text, values).hits for some in (plain, odds))
    assert [hit.id for hit in one] == [hit.id for hit in other]
    assert all(
        close(a.score or 0, 1 / (1 + math.exp(-(b.score or 0)))) for a, b in zip(one, other, strict=True)
    )
    assert plain.measures == odds.measures


@pytest.mark.slow
def test_a_recording_says_what_the_engine_answers(made: Made, tmp_path: Path) -> None:
    kept = record(TEXT, made.queries, made.session, tmp_path / "run.qqlrun", deep=60)
    found = calibrate(TEXT, None, made.qrels, recording=kept)
    again = calibrate(TEXT, made.queries, made.qrels, made.session)
    assert found.to_dict() == again.to_dict()
    values = {one["id"]: {key: one[key] for key in "ab"} for one in made.queries}
    for one in list(recompute(kept, found.text))[:30]:
        hits = made.session.execute(found.text, values[one.query]).hits
        assert one.verdict == EQUAL and [hit.id for hit in hits] == [*one.ids]
        assert all(close(a.score or 0, b.score) for a, b in zip(hits, one.hits or (), strict=True))


def test_nothing_but_the_fusion_changes() -> None:
    curve = Curve(-2.0, (StageCurve("a", 4.0, 1.0), StageCurve("b", -0.5, 0.25)))
    text = (
        "USE docs; WITH a AS (QUERY :q USING near LIMIT 5) QUERY 'idle' PREFETCH (a WHERE year > 3, "
        "QUERY :q USING far) FUSION RRF WITH (rrf_k = 9, hnsw_ef = 64) SCORE THRESHOLD 0.1 "
        "WITH PAYLOAD (name) LIMIT 4 OFFSET 2;"
    )
    (_, made) = qql.parse(with_curve(text, curve))
    wanted = (
        "WITH a AS (QUERY :q USING near LIMIT 5) "
        "QUERY FORMULA 1 / (1 + EXP(2 - 4 * $score[0] + 0.5 * $score[1])) "
        "DEFAULTS ($score[0] = 0.25, $score[1] = -0.5) PREFETCH (a WHERE year > 3, QUERY :q USING far) "
        "WITH (hnsw_ef = 64) WITH PAYLOAD (name) LIMIT 4 OFFSET 2"
    )
    assert [made] == list(qql.parse(wanted))


def test_a_stage_that_says_nothing_keeps_a_slope_for_what_it_lacks() -> None:
    curve = Curve.of(0.0, ["a"], [0.0], [3.0])
    assert curve.log_odds([None]) == pytest.approx(3.0) and curve.log_odds([0.5]) == pytest.approx(
        0, abs=1e-5
    )


# ------------------------------------------------------------------------------------ held apart, and refused


@pytest.mark.slow
def test_chance_is_not_better(made: Made) -> None:
    rng = random.Random(5)
    noise = {query: {doc: int(rng.random() < 0.2) for doc in docs} for query, docs in made.qrels.items()}
    found = calibrate(TEXT, made.queries, noise, made.session)
    assert not found.better and found.verdict.startswith("not better: nDCG@10")
    assert found.quality.brier == pytest.approx(found.quality.base_brier, abs=0.005)


def test_a_query_is_ranked_by_a_curve_that_has_not_seen_its_judgements(made: Made) -> None:
    """With as many folds as queries, another label changes the figures of its own query, and no ranking."""
    few = {query: made.qrels[query] for query in list(made.qrels)[:6]}
    last = list(few)[-1]
    turned = {**few, last: {doc: 1 - label for doc, label in few[last].items()}}
    one, other = (
        calibrate(TEXT, made.queries[:6], some, made.session, folds=6, measures="P@1")
        for some in (few, turned)
    )
    (before,), (after,) = one.measures.values(), other.measures.values()
    # The ranking of the last query is the same, so the label of its first hit is turned, and no other figure.
    own = abs(after.before - before.before)
    assert own == pytest.approx(1 / 6)
    assert one.curve != other.curve


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("QUERY :a FROM docs USING near LIMIT 5", "no-fusion"),
        ("QUERY :b FROM docs USING far PREFETCH (QUERY :a USING near)", "no-fusion"),
        (TEXT.replace(" LIMIT 30", " GROUP BY name LIMIT 5"), "needs-run"),
    ],
)
def test_what_fuses_no_stages_is_refused(made: Made, text: str, code: str) -> None:
    with pytest.raises(InputError) as raised:
        calibrate(text, made.queries, made.qrels, made.session)
    assert raised.value.diagnostic.code == code


def test_too_few_judgements_are_refused(made: Made) -> None:
    none = {query: dict.fromkeys(docs, 0) for query, docs in made.qrels.items()}
    with pytest.raises(qql.QQLError):
        calibrate(TEXT, made.queries, none, made.session)
    every = {query: dict.fromkeys(docs, 1) for query, docs in made.qrels.items()}
    few = {query: {next(iter(docs)): 1} for query, docs in list(made.qrels.items())[:7]}
    for qrels, count in ((every, 90), (few, 90), (made.qrels, 3)):
        with pytest.raises(InputError) as raised:
            calibrate(TEXT, made.queries[:count], qrels, made.session)
        assert raised.value.diagnostic.code == "few-judgements"


def test_what_nobody_judged_is_said_and_may_be_left_out(made: Made) -> None:
    half = {query: dict(list(docs.items())[::2]) for query, docs in made.qrels.items()}
    found = calibrate(TEXT, made.queries, half, made.session)
    alone = calibrate(TEXT, made.queries, half, made.session, judged_only=True)
    assert [one.code for one in found.notes] == ["unjudged"] and not alone.notes
    assert found.candidates == alone.candidates + alone.unjudged
    assert found.curve.probability([0.5, 1.0]) < alone.curve.probability([0.5, 1.0])


@pytest.mark.slow
def test_documents_may_be_named_by_a_field(made: Made) -> None:
    named = {query: {f"d{doc}": label for doc, label in docs.items()} for query, docs in made.qrels.items()}
    found = calibrate(TEXT, made.queries, named, made.session, doc_id="name")
    assert found.curve == calibrate(TEXT, made.queries, made.qrels, made.session).curve


# ------------------------------------------------------------------------------------ the command


@pytest.fixture
def files(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hybrid.qql").write_text(TEXT + ";\n")
    lines = [f"{query}\t{doc}\t{label}" for query, docs in made.qrels.items() for doc, label in docs.items()]
    (tmp_path / "qrels.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in made.queries))
    record(TEXT, made.queries, made.session, tmp_path / "run.qqlrun")
    return tmp_path


def test_the_command_writes_the_pipeline_where_it_is_better(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["calibrate", "hybrid.qql", "--recording", "run.qqlrun", "--qrels", "qrels.tsv"]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert out.startswith("-- calibrated fusion") and "better: nDCG@10" in err
    assert [one.split()[0] for one in out.splitlines() if not one.startswith("--")][:2] == [
        "QUERY",
        "DEFAULTS",
    ]
    assert len(qql.compile(out, {"a": [1.0] * SIZE, "b": [1.0] * SIZE})) == 1
    assert main([*asked, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["better"] and told["text"] in out and told["queries"] == 90


def test_the_command_shows_no_pipeline_that_is_not_better(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(1)
    rows = [line.rpartition("\t")[0] for line in (files / "qrels.tsv").read_text().splitlines()]
    (files / "noise.tsv").write_text("".join(f"{one}\t{int(rng.random() < 0.2)}\n" for one in rows))
    asked = ["calibrate", "hybrid.qql", "--recording", "run.qqlrun", "--qrels", "noise.tsv"]
    assert main(asked) == 1
    out, err = capsys.readouterr()
    assert not out and "not better: nDCG@10" in err and "--anyway" in err
    assert main([*asked, "--anyway"]) == 0
    assert "QUERY FORMULA" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calibrate", "hybrid.qql", "--recording", "run.qqlrun"], "requires --qrels"),
        (["calibrate", "hybrid.qql", "--qrels", "qrels.tsv"], "requires --queries"),
        (
            ["calibrate", "hybrid.qql", "hybrid.qql", "--qrels", "qrels.tsv", "--recording", "run.qqlrun"],
            "one pipeline",
        ),
        (
            [
                "calibrate",
                "hybrid.qql",
                "--qrels",
                "qrels.tsv",
                "--recording",
                "run.qqlrun",
                "--penalty",
                "0",
            ],
            "--penalty",
        ),
        (
            ["calibrate", "hybrid.qql", "--qrels", "qrels.tsv", "--recording", "run.qqlrun", "--doc-id", "n"],
            "--doc-id",
        ),
    ],
)
def test_what_the_command_lacks_is_said(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
