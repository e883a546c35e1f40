"""What a session was asked before is planned once: no execution of it compiles anything again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_ahead import count_calls

import qql
from qql.session.session import Session

Values = Callable[[int], dict[str, Any]]
CREATE = """
CREATE COLLECTION docs (dense VECTOR(8, DOT) MODEL 'local/hash-8', sparse SPARSE);
CREATE INDEX ON docs FOR year TYPE integer
"""
HYBRID = """WITH
  a AS (QUERY :q USING dense LIMIT 100),
  b AS (QUERY :s USING sparse LIMIT 100)
QUERY FUSION RRF FROM docs WHERE year >= :y PREFETCH (a SCORE THRESHOLD 0.01, b) LIMIT :k"""


def sparse(n: int) -> dict[str, list[Any]]:
    return {"indices": [n, 100 + n], "values": [0.5, 1.5]}


ASKED: dict[str, tuple[str, Values]] = {
    "texts": ("QUERY :q FROM docs USING dense LIMIT :k", lambda n: {"q": f"word{n}", "k": 3 + n % 3}),
    "vectors": (HYBRID, lambda n: {"q": [n / 100 + 1] * 8, "s": sparse(n), "y": 2000 + n % 9, "k": 5}),
    "a text and a sparse vector": (HYBRID, lambda n: {"q": f"w{n}", "s": sparse(n), "y": 2000, "k": 5}),
    "no hits": (HYBRID, lambda n: {"q": f"word{n}", "s": sparse(n), "y": 3000 + n, "k": 5}),
    "no hits of an unknown field": (
        "QUERY :q FROM docs USING dense WHERE yaer = :y LIMIT 3",
        lambda n: {"q": f"word{n}", "y": n},
    ),
    "a payload that no hit has": (
        "QUERY :q FROM docs USING dense LIMIT 3 WITH PAYLOAD (nothing)",
        lambda n: {"q": f"word{n}"},
    ),
    "behind the last page": (
        "QUERY :q FROM docs USING dense LIMIT 3 OFFSET :o",
        lambda n: {"q": f"word{n}", "o": 1000 + n % 3},
    ),
    "scroll": ("SCROLL FROM docs WHERE year >= :y LIMIT 5", lambda n: {"y": 2000 + n % 9}),
    "scroll on": ("SCROLL FROM docs LIMIT 5 AFTER :a", lambda n: {"a": n}),
    "count": ("COUNT FROM docs WHERE year = :y", lambda n: {"y": 2000 + n % 9}),
    "a count of nothing": ("COUNT FROM docs WHERE year = :y", lambda n: {"y": 3000 + n}),
    "facet": ("FACET year FROM docs WHERE year >= :y LIMIT 5", lambda n: {"y": 2000 + n % 3}),
    "no values": ("COUNT FROM docs WHERE year > 2010", lambda n: {}),
}


def fill(db: Session) -> None:
    db.run(CREATE)
    rows = [
        {"id": n, "text": f"word{n}", "year": 2000 + n % 20, "vector": {"sparse": sparse(n)}}
        for n in range(40)
    ]
    db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect() as session:
        fill(session)
        yield session


@pytest.mark.parametrize(("text", "values"), ASKED.values(), ids=ASKED)
def test_what_was_asked_before_is_not_compiled_again(
    db: Session, text: str, values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_no_compiling(db, text, values, monkeypatch)


@pytest.mark.parametrize("name", ["texts", "vectors", "no hits", "scroll", "count", "facet"])
def test_nor_is_it_over_rest(fake_server: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with qql.connect(fake_server().url) as session:
        fill(session)
        require_no_compiling(session, *ASKED[name], monkeypatch)


def require_no_compiling(db: Session, text: str, values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4):
        db.execute(text, values(n))
    bound = count_calls(monkeypatch, "qql.compiler.script", "bind")
    planned = count_calls(monkeypatch, "qql.compiler.script", "plan_query")
    statement = db.prepare(text)
    for n in range(4, 29):
        db.execute(text, values(n))
        statement.execute(**values(n))
    assert (bound(), planned()) == (0, 0)


@pytest.mark.parametrize(("text", "values"), ASKED.values(), ids=ASKED)
def test_it_answers_as_it_would_the_first_time(db: Session, text: str, values: Values) -> None:
    for n in range(6):
        db.execute(text, values(n))
    for n in range(6, 12):
        other = Session(db.backend, db.context, db.embedders)
        again, first = db.execute(text, values(n)), other.execute(text, values(n))
        assert scores(again) == scores(first)
        assert (again.rows, again.next, again.paged) == (first.rows, first.next, first.paged)
        assert (again.requests, again.statement) == (first.requests, first.statement)


def scores(result: qql.Result) -> list[float | None]:
    return [hit.score for hit in result.hits]  # of points that are equal, any may be among them


def test_rows_of_one_query_are_planned_once(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    text, values = ASKED["vectors"]
    statement = db.prepare(text)
    alone = [scores(statement.execute(**values(n))) for n in range(50)]
    bound = count_calls(monkeypatch, "qql.compiler.script", "bind")
    found = statement.execute_many([values(n) for n in range(50)])
    assert [scores(one) for one in found] == alone
    assert bound() <= 1, "of the batch, one stands for all"


def test_values_that_do_not_fit_do_not_have_the_text_planned_anew(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "QUERY :v FROM docs USING dense LIMIT 3"
    for _ in range(2):
        db.execute(text, {"v": [1.0] * 8})
    made = count_calls(monkeypatch, "qql.session.planned_texts", "Ahead")
    for n in range(1, 9):
        assert db.execute(text, {"v": tuple([float(n)] * 8)}).hits
        with pytest.raises(qql.QQLError, match="dimensions"):
            db.execute(text, {"v": [1.0] * 7})
    assert made() <= 1, "an error has the session look at the collection again, which has points now"


@pytest.mark.parametrize(
    "wrong",
    [
        {"indices": [1, 1], "values": [1.0, 2.0]},
        {"indices": [1], "values": [1.0, 2.0]},
        {"indices": [-1], "values": [1.0]},
        {"indices": [2**32], "values": [1.0]},
        {"indices": [True], "values": [1.0]},
        {"indices": [1.0], "values": [1.0]},
        {"indices": [1], "values": [1e300]},
        {"indices": [1], "values": [float("nan")]},
        {"indices": [1], "values": ["1"]},
        {"indices": [1]},
        {"indices": [1], "values": [1.0], "more": []},
        {"text": "words"},
    ],
)
def test_a_sparse_vector_that_is_none_is_refused_as_ever(db: Session, wrong: dict[str, Any]) -> None:
    text = "QUERY :s FROM docs USING sparse LIMIT 3"
    with pytest.raises(qql.QQLError) as first:
        db.execute(text, {"s": wrong})
    for n in range(3):
        assert db.execute(text, {"s": sparse(n)}).hits
    with pytest.raises(qql.QQLError) as later:
        db.execute(text, {"s": wrong})
    assert str(later.value) == str(first.value)


def test_requests_share_nothing_with_the_values_they_were_made_of(db: Session) -> None:
    text, given = "QUERY :s FROM docs USING sparse LIMIT 3", sparse(5)
    for _ in range(3):
        request = db.execute(text, {"s": given}).requests[0]
    given["indices"][0] = given["values"][0] = 7
    assert request.body is not None and request.body["query"] == {"nearest": sparse(5)}


@pytest.mark.parametrize(("length", "advised"), [(1.0, False), (3.0, True)])
def test_advice_below_a_threshold_goes_by_how_long_a_vector_is(
    db: Session, length: float, advised: bool
) -> None:
    text = "QUERY :v FROM docs USING dense SCORE THRESHOLD 0.5 LIMIT 3"
    for other in (1.0, 3.0):
        Session(db.backend, db.context, db.embedders).execute(text, {"v": unit(other)})
    session = Session(db.backend, db.context, db.embedders)
    session.execute(text, {"v": unit(4.0 - length)})
    session._advice_given.clear()
    found = {one.code for one in session.execute(text, {"v": unit(length)}).warnings}
    assert ("threshold-unlike-metric" in found) is advised


def unit(length: float) -> list[float]:
    return [length, *[0.0] * 7]
