"""The hits of a result are made when somebody looks at them, and are then as if they had been there."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError

import pytest

import qql
import qql.result
from qql.records import replace
from qql.result import Hit, Result, is_empty, result_of_points
from qql.session.session import Session

POINTS = [{"id": 1, "score": 0.5, "payload": {"a": 1}}, {"id": 2, "score": 0.25, "vector": [1.0]}]
HITS = [Hit(1, 0.5, {"a": 1}), Hit(2, 0.25, vector=[1.0])]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many points hits were made, each time."""
    found: list[int] = []
    hits_of = qql.result.hits_of

    def counting(points: list[dict[str, object]]) -> list[Hit]:
        found.append(len(points))
        return hits_of(points)

    monkeypatch.setattr(qql.result, "hits_of", counting)
    return found


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    with qql.connect(":memory:") as session:
        session.execute("CREATE COLLECTION docs (dense VECTOR(2, COSINE))")
        rows = [{"id": n, "vector": {"dense": [1, n]}, "n": n} for n in range(1, 9)]
        session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        yield session


@pytest.mark.parametrize("text", ["SCROLL FROM docs LIMIT 5", "QUERY [1, 1] FROM docs USING dense LIMIT 5"])
def test_a_statement_makes_no_hit_until_one_is_looked_at(db: Session, made: list[int], text: str) -> None:
    result = db.execute(text)
    assert len(result.data["points"]) == 5 and made == []
    assert len(result.hits) == 5 and result.ids == [one["id"] for one in result.data["points"]]
    assert result.hits is result.hits and made == [5], "they are made once"


def test_nor_does_one_that_finds_nothing(db: Session, made: list[int]) -> None:
    result = db.execute("QUERY [1, 1] FROM docs USING dense WHERE m = 1 LIMIT 5")
    assert [one.code for one in result.warnings] == ["unknown-field"] and made == []
    assert result.hits == [] and list(result) == []


def test_what_is_done_to_the_answer_does_not_reach_the_list_of_hits(db: Session) -> None:
    result = db.execute("SCROLL FROM docs LIMIT 5")
    result.data["points"].clear()
    assert len(result) == 5


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), replace],
    ids=["copy", "deepcopy", "pickle", "replace"],
)
@pytest.mark.parametrize("looked_at", [False, True])
def test_copies_have_them(copied: object, looked_at: bool) -> None:
    result = result_of_points(POINTS)
    assert not looked_at or result.hits
    assert callable(copied)
    other = copied(result)
    assert other.hits == HITS and other == result


def test_a_result_is_what_it_would_be_with_its_hits() -> None:
    result = result_of_points(POINTS)
    assert result == Result("hits", hits=HITS)
    assert repr(result_of_points(POINTS)) == repr(Result("hits", hits=HITS))
    with pytest.raises(FrozenInstanceError):
        result.__setattr__("hits", [])
    assert not hasattr(result, "hit")


@pytest.mark.parametrize(
    ("result", "empty"),
    [
        (result_of_points([]), True),
        (result_of_points(POINTS), False),
        (Result("hits"), True),
        (Result("hits", hits=HITS), False),
        (Result("rows"), True),
        (Result("rows", rows=[{"a": 1}]), False),
    ],
)
def test_whether_anything_came_back_is_seen_without_hits(
    made: list[int], result: Result, empty: bool
) -> None:
    assert is_empty(result) is empty and made == []
