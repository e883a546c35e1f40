"""GROUP BY … FUSE FIRST: the hits are fused as without GROUP BY, and then put into groups."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

import qql
from qql import evaluation as ev
from qql.errors import QQLPlanError
from qql.session.session import Session

STAGES = "PREFETCH ((QUERY [1, 0.2] USING a LIMIT 10), (QUERY [0.1, 1] USING b LIMIT 10))"
FUSED = f"QUERY FUSION RRF FROM d {STAGES}"


@pytest.fixture(params=["edge", "local", "server"])
def db(request: pytest.FixtureRequest, fake_server: Any) -> Iterator[Session]:
    target: Any = ":memory:"
    if request.param == "local":
        from qdrant_client import QdrantClient

        target = QdrantClient(":memory:")
    elif request.param == "server":
        request.getfixturevalue("no_proxy")
        target = fake_server("1.18.3").url
    drawn = random.Random(3)
    rows = [
        {"id": at, "a": [drawn.random(), drawn.random()], "b": [drawn.random(), drawn.random()]}
        | {"g": f"g{at % 8}", "many": [at % 3, f"x{at % 5}"], "in": {"side": at % 4}, "text": f"text {at}"}
        for at in range(1, 41)
    ]
    with qql.connect(target, advice=False) as session:
        session.run(
            "CREATE COLLECTION d (a VECTOR(2, DOT), b VECTOR(2, DOT)); CREATE INDEX ON d FOR g TYPE keyword"
        )
        session.run("UPSERT INTO d VALUES :rows", {"rows": rows})
        yield session


def by_hand(hits: list[qql.Hit], values: Any, size: int, limit: int) -> list[tuple[Any, list[float]]]:
    """The scores of groups in the order of their best hits; equal scores may change places."""
    groups: dict[Any, list[float]] = {}
    for hit in hits:
        for value in values(hit):
            if value in groups or len(groups) < limit:
                groups.setdefault(value, []).append(round(hit.score or 0, 6))
    return [(key, scores[:size]) for key, scores in groups.items()]


def scores(result: qql.Result) -> list[tuple[Any, list[float]]]:
    return [(one.value, [round(hit.score or 0, 6) for hit in one]) for one in result.groups]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("g", lambda hit: [hit["g"]]),
        ("many", lambda hit: hit["many"]),
        ("in.side", lambda hit: [hit["in"]["side"]]),
    ],
)
def test_the_groups_are_those_of_the_hits_without_group_by(db: Session, field: str, values: Any) -> None:
    plain = db.execute(f"{FUSED} LIMIT 40")
    found = db.execute(f"{FUSED} GROUP BY {field} SIZE 2 FUSE FIRST LIMIT 40")
    assert dict(scores(found)) == dict(by_hand(plain.hits, values, 2, 40))
    best = [group[0] for _, group in scores(found)]
    assert best == sorted(best, reverse=True)


def test_without_it_an_engine_fuses_other_lists(db: Session) -> None:
    """Measured: servers and the engine multiply the limits of prefetches, local mode takes all points."""
    plain = {hit.id: hit.score for hit in db.execute(f"{FUSED} LIMIT 40")}
    grouped = db.execute(f"{FUSED} GROUP BY g SIZE 2 LIMIT 4")
    first = db.execute(f"{FUSED} GROUP BY g SIZE 2 FUSE FIRST LIMIT 4")
    assert any(hit.score != pytest.approx(plain.get(hit.id, 0)) for hit in grouped)
    assert all(hit.score == pytest.approx(plain[hit.id]) for hit in first)


def test_limit_offset_and_size_are_of_groups(db: Session) -> None:
    every = scores(db.execute(f"{FUSED} GROUP BY many SIZE 3 FUSE FIRST LIMIT 40"))
    page = db.execute(f"{FUSED} GROUP BY many SIZE 1 FUSE FIRST LIMIT 3 OFFSET 2")
    assert len(page.groups) == 3
    assert [one[1][0] for one in scores(page)] == [one[1][0] for one in every[2:5]]
    assert len(page.hits) == 3


def test_what_is_shown_is_what_the_query_says(db: Session) -> None:
    whole = db.execute(f"{FUSED} GROUP BY g FUSE FIRST LIMIT 1").hits[0]
    assert whole["text"] == f"text {whole.id}" and whole.vector is None
    some = db.execute(
        f"{FUSED} GROUP BY g FUSE FIRST LIMIT 1 WITH PAYLOAD INCLUDE (text) WITH VECTOR (b)"
    ).hits[0]
    assert some.payload == {"text": f"text {some.id}"}
    assert isinstance(some.vector, dict) and [*some.vector] == ["b"]
    bare = db.execute(f"{FUSED} GROUP BY g FUSE FIRST LIMIT 1 WITH PAYLOAD false").hits[0]
    assert bare.payload is None and bare.group is not None


def test_stages_that_are_rescored_are_grouped_too_and_stages_have_their_shares(db: Session) -> None:
    found = db.execute(f"QUERY FORMULA 2 * $score FROM d {STAGES} GROUP BY g SIZE 1 FUSE FIRST LIMIT 3")
    plain = db.execute(f"QUERY FORMULA 2 * $score FROM d {STAGES} LIMIT 40")
    assert scores(found) == by_hand(plain.hits, lambda hit: [hit["g"]], 1, 3)
    traced = db.execute(f"{FUSED} GROUP BY g FUSE FIRST LIMIT 2 WITH PROVENANCE")
    assert all(hit.stages for hit in traced) and len(traced.groups) == 2


def test_explain_says_who_groups(db: Session) -> None:
    text = f"{FUSED} GROUP BY g SIZE 2 FUSE FIRST LIMIT 4 OFFSET 1"
    for word in ("EXPLAIN", "EXPLAIN ANALYZE"):
        shown = " ".join(db.execute(f"{word} {text}").message.split())
        assert "then grouped by g by the session: 4 groups behind the first 1, each with its best 2" in shown
    data = json.loads(db.execute(f"EXPLAIN FORMAT json {text}").message)["plan"]
    assert data["groups_here"] == {"field": "g", "size": 2, "limit": 4, "offset": 1}
    assert data["group"] is None


def test_many_rows_and_a_run_are_grouped_one_by_one(db: Session) -> None:
    text = "QUERY FUSION RRF FROM d PREFETCH ((QUERY :v USING a LIMIT 10)) GROUP BY g FUSE FIRST LIMIT 2"
    found = db.prepare(text).execute_many([{"v": [1, 0]}, {"v": [0, 1]}])
    assert [len(one.groups) for one in found] == [2, 2]
    assert [len(one.groups) for one in db.run(f"{FUSED} GROUP BY g FUSE FIRST LIMIT 2;" * 2)] == [2, 2]


def test_it_is_evaluated(db: Session) -> None:

    found = ev.evaluate(
        f"{FUSED} WHERE in.side >= :low GROUP BY g SIZE 1 FUSE FIRST LIMIT 40",
        [{"id": "q", "low": 0}],
        {"q": {str(one): 1 for one in range(1, 41)}},
        db,
        measures="P@1",
    )
    assert found.to_dict()["pipelines"][0]["measures"]["P@1"] == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("QUERY [1, 0] FROM d USING a GROUP BY g FUSE FIRST", "bad-group"),
        (f"{FUSED} GROUP BY g FUSE FIRST LOOKUP FROM d", "bad-group"),
        (f"WHY 3 {FUSED} GROUP BY g FUSE FIRST", "why-query"),
        (f"BATCH {{ {FUSED} GROUP BY g FUSE FIRST; }}", "batch-member"),
        (f"{FUSED} GROUP BY g FUSE FIRST RERANK 'x' MODEL 'local/overlap'", "misplaced-clause"),
    ],
)
def test_what_has_no_meaning_with_it_is_refused(text: str, code: str) -> None:
    with pytest.raises(QQLPlanError) as caught:
        qql.compile(text)
    assert caught.value.code == code


def test_the_compiler_says_what_its_request_is() -> None:
    said: list[qql.Diagnostic] = []
    [request] = qql.compile(f"{FUSED} GROUP BY g FUSE FIRST LIMIT 3", warnings=said)
    assert request.path.endswith("points/query")
    assert (request.body or {})["limit"] == 20
    assert [one.code for one in said] == ["no-request"]


def test_the_advice_on_groups_of_a_fusion_can_be_typed() -> None:
    [found] = [one for one in qql.lint(f"{FUSED} GROUP BY g") if one.code == "grouped-fusion"]
    assert "FUSE FIRST" in str(found.hint)
    assert not [one for one in qql.lint(f"{FUSED} GROUP BY g FUSE FIRST") if one.code == "grouped-fusion"]
