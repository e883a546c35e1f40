"""What WHY has the engine do: no more calls than it takes, and no lists that reach beyond the point."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

import qql
from qql.rest.request import Request
from qql.session.session import Session

POINTS = 400


class Asked:
    """The requests that an engine gets, and how many points its answers to queries have."""

    def __init__(self, call: Any) -> None:
        self.requests: list[Request] = []
        self.searches: list[tuple[dict[str, Any], int]] = []
        self._call = call

    def __call__(self, request: Request) -> Any:
        answer = self._call(request)
        self.requests.append(request)
        if request.route == ("POST", "points/query/batch"):
            bodies = (request.body or {})["searches"]
            self.searches += [(body, len(one["points"])) for body, one in zip(bodies, answer, strict=True)]
        return answer


@pytest.fixture(scope="module")
def docs() -> Iterator[Session]:
    """Points that no two scores of are equal; each seventh lacks the vector ``rare``."""
    rng = random.Random(5)
    with qql.connect(":memory:", advice=False) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(6, COSINE), rare VECTOR(6, DOT))")
        rows = [
            {"id": n, "vector": {"dense": vector(rng), "rare": vector(rng)}, "n": n} for n in range(POINTS)
        ]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        db.execute("DELETE VECTOR rare FROM docs WHERE id IN :some", {"some": [*range(0, POINTS, 7)]})
        yield db


def vector(rng: random.Random) -> list[float]:
    return [rng.uniform(-1, 1) for _ in range(6)]


@pytest.fixture
def asked(docs: Session, monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked(docs.backend.call)
    monkeypatch.setattr(docs.backend, "call", found)
    return found


QUERY = "QUERY [0.3, -0.2, 0.5, 0.1, 0.9, -0.4] FROM docs USING {using} {where} LIMIT {limit}"


def told(db: Session, key: int, limit: int, using: str = "dense", where: str = "") -> Any:
    text = QUERY.format(using=using, where=where, limit=limit)
    return db.execute(f"WHY NOT {key} {text}").data


def order(db: Session, using: str = "dense") -> list[int]:
    return [int(key) for key in db.execute(QUERY.format(using=using, where="", limit=POINTS)).ids]


@pytest.mark.parametrize("rank", [8, 40, 250])
def test_lists_end_at_the_point(docs: Session, asked: Asked, rank: int) -> None:
    key = order(docs)[rank - 1]
    found = told(docs, key, 5)
    assert found["standings"][0]["rank"] == rank
    assert found["ways"]["found"][0]["changes"][0]["value"] == rank
    longest = max(points for _, points in asked.searches)
    assert longest == rank


def test_the_end_of_a_page_is_read_and_not_all_of_it(docs: Session, asked: Asked) -> None:
    key = order(docs)[99]
    told(docs, key, 5)
    whole = [body for body, points in asked.searches if points >= 100]
    # The exact search, LIMIT 100 by itself and in an exact search, and the query with it.
    assert len(whole) <= 4, [body.get("limit") for body in whole]


def test_a_query_that_keeps_a_condition_which_the_point_fails_is_not_run(docs: Session, asked: Asked) -> None:
    key = order(docs)[59]
    found = told(docs, key, 5, where=f"WHERE n != {key}")
    assert [one["word"] for one in found["ways"]["found"][0]["changes"]] == ["WHERE", "LIMIT"]
    assert found["ways"]["tries"] == 3, "it counts all the same"
    filtered = {body["limit"] for body, _ in asked.searches if "filter" in body and "query" in body}
    assert filtered <= {5, 1}, "with the condition, the query has its own LIMIT, or is about the point alone"


def test_the_point_is_fetched_once(docs: Session, asked: Asked) -> None:
    key = order(docs)[59]
    found = told(docs, key, 5, where="WHERE missing = 3 AND n < 0")
    assert "has no field `missing`" in found["reason"]
    assert [one.route for one in asked.requests].count(("POST", "points")) == 1


def test_whether_there_is_a_vector_is_asked_of_what_has_no_score(docs: Session, asked: Asked) -> None:
    def about_vectors() -> int:
        return sum("has_vector" in str(body.get("filter")) for body, _ in asked.searches)

    with_it, without = order(docs, "rare")[30], 7
    assert told(docs, with_it, 5, "rare")["outcome"] == "cut" and about_vectors() == 0
    assert told(docs, without, 5, "rare")["outcome"] == "no-vector" and about_vectors() > 0


@pytest.mark.parametrize("distance", ["COSINE", "DOT", "EUCLID", "MANHATTAN"])
@pytest.mark.parametrize("strategy", ["", "STRATEGY best_score", "STRATEGY sum_scores"])
def test_ranks_are_those_of_an_exact_search_whichever_way_scores_go(distance: str, strategy: str) -> None:
    rng = random.Random(distance)
    with qql.connect(":memory:", advice=False) as db:
        db.execute(f"CREATE COLLECTION docs (dense VECTOR(6, {distance}))")
        rows = [{"id": n, "vector": {"dense": vector(rng)}} for n in range(150)]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        query = "QUERY [0.3, -0.2, 0.5, 0.1, 0.9, -0.4] FROM docs USING dense"
        if strategy:
            query = f"QUERY RECOMMEND POSITIVE (1, 2) NEGATIVE (3) {strategy} FROM docs USING dense"
        every = db.execute(f"{query} LIMIT 150").ids
        for rank in (6, 31, 100):
            found = db.execute(f"WHY NOT {every[rank - 1]} {query} LIMIT 4").data
            assert found["standings"][0]["rank"] == rank, (rank, found["reason"])
