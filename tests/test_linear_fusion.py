"""FUSION LINEAR on the embedded engine, beside a fusion in plain Python of what its stages answer alone."""

from __future__ import annotations

import math
import os
import random
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from edge_helpers import vector
from pipelines import WHERE, create
from pipelines import draw as draw_pipeline

import qql
from qql.analysis.fusion import close
from qql.evaluation.recording.recomputing import EQUAL, TIES, recompute
from qql.evaluation.recording.recorder import record
from qql.evaluation.recording.recordings import read_recording
from qql.evaluation.recording.settings_at_once import what_if
from qql.rest.linear_fusion import LinearFusion, read_linear
from qql.session.session import Session

ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "2"))
NORMALIZERS = ("minmax", "zscore", "sigmoid", "none")
DISTANCES = ("far", "city")
STAGES = (
    """PREFETCH (QUERY [1, 0, 0, 0, 0, 1] USING dense LIMIT 7, QUERY [0, 1, 0, 0, 1, 0] USING dot LIMIT 9)"""
)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with qql.connect(":memory:", advice=False) as made:
        create(made, ("single", "some", "many"))
        yield made


# ------------------------------------------------------------------------------------ by hand


class Drawn(NamedTuple):
    """A linear fusion: its stages as texts without PREFETCH, what joins them, and what the root says."""

    stages: list[str]
    using: list[str]
    normalizer: str
    weights: list[float] | None
    where: str | None
    limit: int
    offset: int
    threshold: float | None

    @property
    def text(self) -> str:
        options = [f"normalizer = {self.normalizer}"]
        options += [f"weights = {self.weights}"] if self.weights else []
        return " ".join(
            [
                "QUERY FUSION LINEAR FROM {collection}",
                f"WHERE {self.where}" if self.where else "",
                f"PREFETCH ({', '.join(self.stages)}) WITH ({', '.join(options)})",
                f"SCORE THRESHOLD {self.threshold}" if self.threshold is not None else "",
                f"LIMIT {self.limit} OFFSET {self.offset}",
            ]
        )


def draw(rng: random.Random, usings: Sequence[str] = ("dense", "dot", "far", "city")) -> Drawn:
    normalizer = rng.choice(NORMALIZERS)
    fitting = [one for one in usings if normalizer != "none" or one not in DISTANCES]
    using = [rng.choice(fitting) for _ in range(rng.randrange(1, 4))]
    stages = []
    for name in using:
        where = f" WHERE {rng.choice(WHERE)}" if rng.random() < 0.4 else ""
        stages.append(f"QUERY {vector(rng)} USING {name}{where} LIMIT {rng.choice([1, 3, 10, 30, 100])}")
    weights = [rng.choice([0, 0.25, 1, 3]) for _ in using] if rng.random() < 0.6 else None
    where = rng.choice(WHERE[:6]) if rng.random() < 0.3 else None
    threshold = rng.choice([0.2, 0.9]) if rng.random() < 0.2 else None
    return Drawn(
        stages, using, normalizer, weights, where, rng.choice([1, 5, 50]), rng.choice([0, 0, 3]), threshold
    )


def by_hand(drawn: Drawn, lists: Sequence[Sequence[qql.Hit]]) -> dict[Any, float]:
    """The scores of all candidates, as the manual defines them."""
    found = {hit.id for hits in lists for hit in hits}
    total = dict.fromkeys(found, 0.0)
    for at, hits in enumerate(lists):
        weight = drawn.weights[at] if drawn.weights else 1.0
        sign = -1 if drawn.using[at] in DISTANCES else 1
        scores = {hit.id: sign * (hit.score or 0.0) for hit in hits}
        for key in found:
            total[key] += weight * normalized(drawn.normalizer, scores, key)
    return total


def normalized(normalizer: str, scores: dict[Any, float], key: Any) -> float:
    if normalizer == "sigmoid":
        return 1 / (1 + math.exp(-scores[key])) if key in scores else 0.0
    if normalizer == "none" or not scores:
        return scores.get(key, 0.0)
    low, high = min(scores.values()), max(scores.values())
    if normalizer == "minmax":
        if low == high:
            return float(key in scores)
        return (scores.get(key, low) - low) / (high - low)
    spread = statistics.pstdev(scores.values())
    return (scores.get(key, low) - statistics.fmean(scores.values())) / spread if low < high else 0.0


def disagreement(drawn: Drawn, hits: Sequence[qql.Hit], wanted: dict[Any, float]) -> str | None:
    """Where the engine's hits are not what the lists fuse to; the order of equals is free."""
    near = lambda one, other: abs(one - other) <= 2e-5 * max(1.0, abs(one), abs(other))  # noqa: E731
    for hit in hits:
        if hit.id not in wanted or not near(wanted[hit.id], hit.score):
            return f"{hit.id}: {hit.score}, not {wanted.get(hit.id)}"
    ranked = sorted(wanted.values(), reverse=True)
    if drawn.threshold is not None:
        if any(near(one, drawn.threshold) for one in ranked):
            return None
        ranked = [one for one in ranked if one >= drawn.threshold]
    page = ranked[drawn.offset :][: drawn.limit]
    if len(hits) != len(page):
        return f"{len(hits)} hits, not {len(page)}"
    far = [(a.score, b) for a, b in zip(hits, page, strict=True) if not near(b, a.score)]
    return f"in order {far}" if far else None


def check(session: Session, rng: random.Random, count: int) -> int:
    """How many hits were compared."""
    compared = 0
    for _ in range(count):
        drawn, collection = draw(rng), rng.choice(["single", "some", "many"])
        text = drawn.text.format(collection=collection)
        lists = []
        for stage in drawn.stages:
            alone = stage.replace(" USING", f" FROM {collection} USING", 1)
            if drawn.where:
                word = " AND" if " WHERE " in alone else ""
                head, _, tail = alone.partition(" WHERE " if word else " LIMIT ")
                rest, _, limit = tail.partition(" LIMIT ") if word else ("", "", tail)
                both = f"({rest}) AND ({drawn.where})" if word else drawn.where
                alone = f"{head} WHERE {both} LIMIT {limit}"
            lists.append(session.execute(alone).hits)
        hits = session.execute(text).hits
        assert disagreement(drawn, hits, by_hand(drawn, lists)) is None, text
        compared += len(hits)
    return compared


def test_it_is_what_a_fusion_by_hand_makes_of_its_stages(session: Session) -> None:
    assert check(session, random.Random(5), 120) > 500


@pytest.mark.slow
def test_it_is_what_a_fusion_by_hand_makes_of_its_stages_in_hundreds_of_pipelines(session: Session) -> None:
    assert check(session, random.Random(6), 400 * ROUNDS) > 1000


# ------------------------------------------------------------------------------------ one stage above another


def test_a_linear_fusion_below_another_goes_by_the_lists_of_its_own_stages(session: Session) -> None:
    inner = "QUERY [1, 0, 0, 0, 0, 1] USING dense LIMIT 6, QUERY [0, 1, 0, 0, 1, 0] USING far LIMIT 5"
    other = "QUERY [0, 1, 1, 0, 0, 0] USING dot LIMIT 8"
    found = session.execute(
        f"WITH low AS (QUERY PREFETCH ({inner}) FUSION LINEAR WITH (normalizer = zscore) LIMIT 4), "
        f"high AS ({other}) QUERY FUSION LINEAR FROM some WHERE number > 2 PREFETCH (low, high) "
        "WITH (weights = {low: 2, high: 1}) LIMIT 20"
    )
    low = session.execute(
        f"QUERY FUSION LINEAR FROM some WHERE number > 2 PREFETCH ({inner}) "
        "WITH (normalizer = zscore) LIMIT 4"
    ).hits
    high = session.execute(other.replace(" USING", " FROM some USING") + " WHERE number > 2").hits
    drawn = Drawn([], ["dense", "dot"], "minmax", [2, 1], None, 20, 0, None)
    assert disagreement(drawn, found.hits, by_hand(drawn, [low, high])) is None
    assert len(found.hits) > 8


def test_groups_are_scored_by_the_lists_that_groups_are_made_of(session: Session) -> None:
    grouped = session.execute(f"QUERY FUSION LINEAR FROM many {STAGES} GROUP BY word SIZE 2 LIMIT 3")
    longer = STAGES.replace("LIMIT 7", "LIMIT 14").replace("LIMIT 9", "LIMIT 18")
    plain = session.execute(f"QUERY FUSION LINEAR FROM many WHERE NOT word IS EMPTY {longer} LIMIT 100")
    scores = {hit.id: hit.score or 0.0 for hit in plain.hits}
    assert len(grouped.hits) > 3
    assert all(close(scores[hit.id], hit.score or 0.0) for hit in grouped.hits)


# ------------------------------------------------------------------------------------ what is sent


def sent(server: Any, since: int) -> list[tuple[str, Any]]:
    calls = server.calls[since:]
    return [(one.request.path, one.request.body) for one in calls if "/points/query" in one.request.path]


@pytest.mark.parametrize(
    ("normalizer", "requests"), [("sigmoid", 1), ("none", 1), ("minmax", 2), ("zscore", 2)]
)
def test_a_server_gets_one_request_or_a_batch_before_it(
    fake_server: Any, normalizer: str, requests: int
) -> None:
    server = fake_server("1.18.3")
    with qql.connect(server.url, advice=False) as db:
        create(db, ("some",), optimize=False)
        since = len(server.calls)
        found = db.execute(f"QUERY FUSION LINEAR FROM some {STAGES} WITH (normalizer = {normalizer}) LIMIT 5")
        calls = sent(server, since)
    assert len(found.hits) == 5
    assert [path.rpartition("/")[2] for path, _ in calls] == ["batch", "query"][2 - requests :]
    assert calls[-1][1]["query"].keys() <= {"formula", "defaults"}
    if requests == 2:
        assert [one["limit"] for one in calls[0][1]["searches"]] == [7, 9]
        assert not any(one["with_payload"] for one in calls[0][1]["searches"])


def test_a_server_without_formulas_is_said_before_anything_is_sent(fake_server: Any) -> None:
    server = fake_server("1.13.4")
    with qql.connect(server.url, advice=False) as db:
        create(db, ("single",), optimize=False)
        for normalizer in ("minmax", "sigmoid"):
            since = len(server.calls)
            text = f"QUERY FUSION LINEAR FROM single {STAGES} WITH (normalizer = {normalizer})"
            with pytest.raises(qql.QQLUnsupportedError, match=r"1\.14"):
                db.run(f"COUNT FROM single; {text};")
            assert not [one for one in server.calls[since:] if one.request.method == "POST"]


def test_local_mode_gives_what_the_engine_gives(session: Session) -> None:
    from qdrant_client import QdrantClient

    text = f"QUERY FUSION LINEAR FROM some {STAGES} WITH (normalizer = zscore, weights = [1, 0.5]) LIMIT 8"
    with qql.connect(QdrantClient(":memory:"), advice=False) as local:
        create(local, ("some",), optimize=False)
        found, wanted = local.execute(text).hits, session.execute(text).hits
    assert [one.id for one in found] == [one.id for one in wanted]
    assert all(close(a.score or 0, b.score or 0) for a, b in zip(found, wanted, strict=True))


# ------------------------------------------------------------------------------------ compiled alone


def test_what_no_request_knows_is_refused_with_its_place_and_a_way() -> None:
    text = f"QUERY FROM docs {STAGES} FUSION LINEAR WITH (normalizer = zscore)"
    for _ in range(3):  # also where the text came before
        with pytest.raises(qql.QQLPlanError) as raised:
            qql.compile(text)
        found = raised.value.diagnostic
        assert found.code == "two-requests"
        assert found.span is not None and text[found.span.start : found.span.end] == "FUSION LINEAR"
        assert "sigmoid" in (found.hint or "")


def test_a_prepared_text_is_refused_too_and_so_is_the_code_of_its_request(session: Session) -> None:
    text = f"QUERY FUSION LINEAR FROM some {STAGES} WHERE number = :n"
    with pytest.raises(qql.QQLPlanError, match="two-requests"):
        qql.prepare(text).bind(n=3)
    (compiled,) = session.compile(text, {"n": 3})
    for door in (compiled.requests[0].curl, compiled.requests[0].python, compiled.requests[0].to_models):
        with pytest.raises(qql.QQLPlanError, match="two-requests"):
            door()


def test_one_request_is_read_back_as_the_fusion_that_it_is() -> None:
    for fusion in (
        LinearFusion("sigmoid", (1.0, 0.5), (False, True)),
        LinearFusion("sigmoid", (2.0,)),
        LinearFusion("none", (1.0, 3.0)),
        LinearFusion("minmax", (1.0, 3.0)),
    ):
        assert read_linear(fusion.query()) == fusion
    assert read_linear({"formula": {"sum": ["$score[0]", {"mult": [2, "price"]}]}}) is None
    assert read_linear({"formula": {"sum": [{"mult": [-1.0, "$score[0]"]}]}}) is None
    [request] = qql.compile(f"QUERY FUSION LINEAR FROM docs {STAGES} WITH (normalizer = sigmoid)")
    assert read_linear((request.body or {})["query"]) == LinearFusion("sigmoid", (1.0, 1.0))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("rrf_k = 2", "idle-option"),
        ("weights = [1]", "weights-count"),
        ("weights = [1, -1]", "bad-option"),
        ("normalizer = l2", "bad-option"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: str, code: str) -> None:
    with pytest.raises(qql.QQLPlanError) as raised:
        qql.compile(f"QUERY FUSION LINEAR FROM docs {STAGES} WITH ({options})")
    assert raised.value.diagnostic.code == code
    with pytest.raises(qql.QQLPlanError) as raised:
        qql.compile(f"QUERY FUSION RRF FROM docs {STAGES} WITH (weights = [1, 2])")
    assert raised.value.diagnostic.hint == "its weights are `rrf_weights`"


def test_distances_are_not_added_up(session: Session) -> None:
    text = (
        "QUERY FUSION LINEAR FROM some PREFETCH (QUERY [1, 0, 0, 0, 0, 1] USING far) WITH (normalizer = none)"
    )
    with pytest.raises(qql.QQLPlanError, match="distances"):
        session.execute(text)


# ------------------------------------------------------------------------------------ what is said of it


def test_explain_says_in_how_many_requests(session: Session) -> None:
    for normalizer, words in (("minmax", "two requests"), ("sigmoid", "one request")):
        options = f"normalizer = {normalizer}, weights = [2, 1]"
        text = f"EXPLAIN QUERY FUSION LINEAR FROM some {STAGES} WITH ({options})"
        found = session.execute(text)
        assert words in found.message and "weights: inline 1 2, inline 2 1" in found.message
        told = found.data["plan"]["stages"][-1]["linear"]
        assert told == {
            "normalizer": normalizer,
            "weights": [2, 1],
            "requests": int(words == "two requests") + 1,
        }


def test_analyze_and_provenance_divide_the_score_among_the_stages(session: Session) -> None:
    for normalizer in NORMALIZERS:
        text = f"QUERY FUSION LINEAR FROM some {STAGES} WITH (normalizer = {normalizer}) {{}} LIMIT 6"
        analysis = session.execute("EXPLAIN ANALYZE " + text.format(""))
        assert "recomposed = engine" in analysis.message, normalizer
        for hit in session.execute(text.format("WITH PROVENANCE")).hits:
            given = [share.contribution or 0.0 for share in hit.stages]
            assert len(given) == 2 and abs(sum(given) - (hit.score or 0)) < 1e-5


def test_why_not_follows_a_point_through_it(session: Session) -> None:
    hits = session.execute(f"QUERY FUSION LINEAR FROM some {STAGES} LIMIT 9").ids
    found = session.execute(f"WHY NOT {hits[8]} QUERY FUSION LINEAR FROM some {STAGES} LIMIT 3")
    assert "LIMIT 3 cuts it off" in found.message and "made a hit by LIMIT 3 → 9" in found.message


# ------------------------------------------------------------------------------------ from recordings


def test_a_recording_answers_what_the_engine_answers(session: Session, tmp_path: Path) -> None:
    rng, path, equal = random.Random(8), tmp_path / "run.qqlrun", 0
    for _ in range(40):
        drawn = draw(rng)
        text = drawn.text.format(collection="some").replace(f"LIMIT {drawn.limit} OFFSET", "LIMIT :n OFFSET")
        queries = [{"id": "q", "n": drawn.limit}]
        record([text], queries, session, path, deep=100, overwrite=True)
        recording = read_recording(path)
        shorter = text.replace("LIMIT 30", "LIMIT 4").replace("LIMIT 100", "LIMIT 9")
        for changed in (text, shorter, shorter.replace("normalizer = minmax", "normalizer = zscore")):
            [one] = list(recompute(recording, changed))
            hits = session.execute(changed, {"n": drawn.limit}).hits
            assert one.hits is not None and one.verdict != "needs a run", (changed, one.reasons)
            pairs = [(a.score or 0.0, b.score) for a, b in zip(hits, one.hits, strict=True)]
            assert all(close(a, b) or abs(a - b) < 2e-6 for a, b in pairs), changed
            if one.verdict == EQUAL:
                assert [hit.id for hit in hits] == [*one.ids], changed
                equal += 1
    assert equal > 60


def test_settings_of_it_are_tried_on_a_recording(session: Session, tmp_path: Path) -> None:
    text = f"QUERY FUSION LINEAR FROM some {STAGES} WITH (normalizer = zscore) LIMIT :n"
    recording = record([text], [{"id": "q", "n": 6}], session, tmp_path / "run.qqlrun", deep=50)
    settings = [
        {"root.normalizer": name, "root.weights": weights, "inline 1.limit": limit}
        for name in NORMALIZERS
        for weights in ([1, 1], [2, 0.5])
        for limit in (3, 7)
    ]
    [one] = list(what_if(recording, text, settings))
    assert {*one.verdicts} <= {EQUAL, TIES} and one.verdicts.count(EQUAL) > 10
    for at, values in enumerate(settings):
        options = f"normalizer = {values['root.normalizer']}, weights = {values['root.weights']}"
        stages = STAGES.replace("LIMIT 7", f"LIMIT {values['inline 1.limit']}")
        hits = session.execute(f"QUERY FUSION LINEAR FROM some {stages} WITH ({options}) LIMIT 6")
        assert one.verdicts[at] == TIES or [*one.ranking(at)] == hits.ids
        assert len(one.ranking(at)) == len(hits.ids)


def linear_pipelines(rng: random.Random, count: int) -> Iterator[tuple[Any, str]]:
    """Generated pipelines with linear fusions in them; MMR below one gives scores that are not its own."""
    while count:
        drawn = draw_pipeline(rng, rng.choice(["some", "many"]))
        if "FUSION DBSF" in drawn.text and " MMR " not in drawn.text and not drawn.sampled:
            count -= 1
            yield drawn, drawn.text.replace("FUSION DBSF", "FUSION LINEAR")


def explained(session: Session, rng: random.Random, count: int) -> int:
    """How many linear fusions EXPLAIN ANALYZE has recomputed."""
    checked = 0
    for _, text in linear_pipelines(rng, count):
        (compiled,) = session.compile(text)
        for stage in session.analyse(compiled).stages:
            if stage.run.stage.linear is not None and stage.verdict is not None:
                assert not stage.verdict.unexplained, text
                checked += 1
    return checked


def test_analyze_explains_linear_fusions_wherever_they_stand(session: Session) -> None:
    assert explained(session, random.Random(3), 40) > 30


@pytest.mark.slow
def test_analyze_explains_hundreds_of_linear_fusions(session: Session) -> None:
    assert explained(session, random.Random(4), 200 * ROUNDS) > 150 * ROUNDS
