"""QUERY and stages without a target: points in the order of their ids, each with score 1."""

from __future__ import annotations

import random
import uuid
import warnings
from collections.abc import Iterator

import pytest

import qql
from qql.compiler.plan import Context
from qql.compiler.script import compile_script
from qql.errors import Source
from qql.session.session import Session

INTEGERS = list(range(1, 41))
UUIDS = sorted(str(uuid.UUID(int=random.Random(at).getrandbits(128))) for at in range(5))
IN_ORDER = [*INTEGERS, *UUIDS]
STAGES = "WITH f AS (QUERY WHERE k = 'a' LIMIT 6), d AS (QUERY [1, 0] USING dense LIMIT 8)"


def fill(session: Session) -> Session:
    """Points in two segments, written in any order; those with an even number have k = 'a'."""
    session.execute("CREATE COLLECTION c (dense VECTOR(2, DOT))")
    session.execute("CREATE INDEX ON c FOR k TYPE keyword")
    ids = random.Random(3).sample(IN_ORDER, len(IN_ORDER))
    rows = [
        {"id": one, "vector": {"dense": [IN_ORDER.index(one) + 1, 1]}, "n": IN_ORDER.index(one) + 1}
        for one in ids
    ]
    for row in rows:
        row["k"] = "ba"[row["n"] % 2 == 0]  # type: ignore[call-overload]
    session.execute("UPSERT INTO c VALUES :rows", {"rows": rows[:30]})
    if session.backend.name == "edge":
        session.execute("OPTIMIZE c")
    session.execute("UPSERT INTO c VALUES :rows", {"rows": rows[30:]})
    return session


@pytest.fixture(scope="module", params=["edge", "local"])
def db(request: pytest.FixtureRequest) -> Iterator[Session]:
    if request.param == "edge":
        with qql.connect(":memory:") as session:
            yield fill(session)
        return
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with qql.connect(QdrantClient(":memory:")) as session:
            yield fill(session)


@pytest.fixture(scope="module")
def edge() -> Iterator[Session]:
    with qql.connect(":memory:") as session:
        yield fill(session)


def test_points_come_in_the_order_of_their_ids_each_with_score_1(db: Session) -> None:
    found = db.execute("QUERY FROM c LIMIT 100")
    assert found.ids == IN_ORDER and {hit.score for hit in found.hits} == {1.0}
    assert db.execute("QUERY FROM c").ids == IN_ORDER[:10]
    assert db.execute("QUERY FROM c LIMIT 7 OFFSET 37").ids == IN_ORDER[37:44]
    assert db.execute("QUERY FROM c WHERE k = 'a' LIMIT 3 OFFSET 1").ids == [4, 6, 8]


def test_groups_and_batches_take_them(db: Session) -> None:
    groups = db.execute("QUERY FROM c GROUP BY k SIZE 2").data["groups"]
    assert {one["id"]: [hit["id"] for hit in one["hits"]] for one in groups} == {"b": [1, 3], "a": [2, 4]}
    both = db.execute("BATCH { QUERY FROM c LIMIT 1; QUERY FROM c WHERE n = 4 }").data
    assert [[point["id"] for point in one["points"]] for one in both] == [[1], [4]]


def test_a_stage_without_target_is_fused_by_its_order(db: Session) -> None:
    found = db.execute(f"{STAGES} QUERY FUSION RRF FROM c PREFETCH (f) LIMIT 3")
    assert [(hit.id, round(hit.score, 4)) for hit in found.hits] == [(2, 0.5), (4, 0.3333), (6, 0.25)]
    found = db.execute(f"{STAGES} QUERY FUSION DBSF FROM c PREFETCH (f, d) LIMIT 50")
    scores = {hit.id: hit.score for hit in found.hits}
    assert [scores[one] for one in (2, 4, 6, 8, 10, 12)] == [0.5] * 6  # equal scores say nothing


def test_a_stage_without_target_is_scored(db: Session) -> None:
    scored = db.execute("QUERY FORMULA $score + n FROM c PREFETCH (QUERY WHERE k = 'a' LIMIT 3)")
    assert [(hit.id, hit.score) for hit in scored.hits] == [(6, 7.0), (4, 5.0), (2, 3.0)]
    rescored = db.execute("QUERY [1, 0] USING dense FROM c PREFETCH (QUERY WHERE k = 'a' LIMIT 3)")
    assert [(hit.id, hit.score) for hit in rescored.hits] == [(6, 6.0), (4, 4.0), (2, 2.0)]


def test_explain_says_what_it_does(edge: Session) -> None:
    text = edge.explain(f"{STAGES} QUERY FUSION RRF FROM c PREFETCH (f, d)")
    assert "f: points in the order of their ids, each with score 1" in text
    alone = edge.explain("QUERY FROM c WHERE k = 'a'")
    assert alone.startswith("Query on c: a fetch of points") and "where: k = 'a'" in alone


def test_its_equal_scores_are_no_ties(db: Session) -> None:
    """Points behind the limit are equal by score, and yet nothing is left to chance."""
    for method in ("RRF", "DBSF"):
        data = db.execute(
            f"EXPLAIN ANALYZE ABLATE FORMAT json {STAGES} QUERY FUSION {method} FROM c PREFETCH (f, d)"
        ).data
        root = data["stages"][0]
        assert {one["reason"] for one in root["fusion"]["differences"]} <= {"rounding"}
        without_search = next(one for one in data["ablation"] if one["without"] == "d")
        assert [hit["id"] for hit in without_search["hits"]] == [2, 4, 6, 8, 10, 12]


def test_provenance_names_the_stage_that_gave_a_hit(edge: Session) -> None:
    text = f"{STAGES} QUERY FUSION RRF FROM c PREFETCH (f, d) LIMIT 2 WITH PROVENANCE"
    found = edge.execute(f"EXPLAIN ANALYZE FORMAT json {text}").data["provenance"]
    given = {hit["id"]: [one["stage"] for one in hit["stages"] if one["rank"]] for hit in found}
    assert given == {2: ["f"], IN_ORDER[-1]: ["d"]}


def test_why_places_a_point_by_its_id(db: Session) -> None:
    data = db.execute("WHY NOT 30 FORMAT json QUERY FROM c WHERE k = 'a' LIMIT 5").data
    assert data["outcome"] == "cut" and "by its id it would stand at rank 15" in data["reason"]
    assert data["standings"][0]["changes"] == [{"word": "LIMIT", "value": 15}]
    assert 30 in db.execute("QUERY FROM c WHERE k = 'a' LIMIT 15").ids
    data = db.execute("WHY NOT 1 FORMAT json QUERY FROM c WHERE k = 'a' LIMIT 5").data
    assert data["outcome"] == "filtered"
    data = db.execute(f"WHY 2 FORMAT json {STAGES} QUERY FUSION RRF FROM c PREFETCH (f, d)").data
    assert data["standings"][1]["text"] == "rank 1 of 6, by its id"


def test_what_only_a_search_has_is_said_to_be_idle() -> None:
    text = Source("QUERY FROM c USING dense PARAMS (exact = true) LOOKUP FROM d")
    (made,) = compile_script(text, None, Context())
    said = [(one.code, one.message.split(" has ")[0]) for one in made.warnings]
    assert said == [("idle-clause", "`exact`"), ("idle-clause", "LOOKUP FROM"), ("idle-using", "USING")]
    with pytest.raises(qql.QQLPlanError, match="SCORE THRESHOLD needs something to search for"):
        qql.compile("QUERY FROM c SCORE THRESHOLD 0.5")


def test_the_requests_of_others_come_back() -> None:
    """Reports 03 and 03b: a filter alone as a prefetch."""
    by_field = {"key": "kind", "match": {"value": "x"}}
    words = {"key": "body", "match": {"text": "leaf"}}
    for body in (
        {"prefetch": [{"filter": {"must": by_field}, "limit": 20}], "query": {"order_by": "cost"}},
        {
            "prefetch": [{"filter": {"must": words}}, {"query": [0.1, 0.2]}],
            "query": {"formula": {"sum": ["$score[0]", "$score[1]"]}},
        },
        {},
    ):
        text = qql.from_request(body, method="POST", path="/collections/docs/points/query")
        (made,) = qql.compile(text)
        stages = [stage for stage in (made.body or {}).get("prefetch", [made.body]) if "query" not in stage]
        assert stages, text
        assert [stage.get("limit") for stage in stages] == [
            one.get("limit") for one in body.get("prefetch", [{}]) if "query" not in one
        ]
