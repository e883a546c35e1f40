"""Queries of a run that stand side by side go to a server in one request; the results are those of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from http_recorder import COLLECTION, HttpRecorder, Received, Reply, ok, refused, sound

import qql
from qql.session.session import Session

pytestmark = pytest.mark.usefixtures("no_proxy")

MAKE = """
CREATE COLLECTION docs (a VECTOR(2, DOT), t VECTOR MODEL 'local/hash-16');
CREATE COLLECTION others (a VECTOR(2, DOT));
UPSERT INTO docs VALUES {id: 1, a: [1, 0], text: 'red', year: 2020},
  {id: 2, a: [0, 1], text: 'blue', year: 2021};
UPSERT INTO others VALUES {id: 7, a: [1, 1]};
"""
QUERIES = """
QUERY [1, 0] FROM docs USING a LIMIT 2;
QUERY 'blue' FROM docs USING t LIMIT 1;
QUERY [0, 1] FROM docs USING a WHERE year > 2020 LIMIT 1 RERANK 'red' MODEL 'local/overlap' TOP 1;
"""
BATCH = "/collections/docs/points/query/batch"
ONE = "/collections/docs/points/query"


@pytest.fixture
def server(fake_server: Any) -> Iterator[Any]:
    server = fake_server("1.18.3")
    with qql.connect(server.url) as db:
        db.run(MAKE)
    yield server


def paths(server: Any, since: int) -> list[str]:
    return [call.request.path for call in server.calls[since:] if "/points/query" in call.request.path]


def shown(results: list[qql.Result]) -> list[object]:
    """All that a result has but its time."""
    return [
        (one.statement, one.requests, one.hits, one.data, [(w.code, w.message) for w in one.warnings])
        for one in results
    ]


def one_by_one(db: Session, script: str) -> list[qql.Result]:
    return list(db.stream(script))


def test_they_are_one_request_and_their_results_are_those_of_each_alone(server: Any) -> None:
    with qql.connect(server.url) as db:
        before = len(server.calls)
        together = db.run(QUERIES)
        assert paths(server, before) == [BATCH]
    with qql.connect(server.url) as db:
        before = len(server.calls)
        alone = one_by_one(db, QUERIES)
        assert paths(server, before) == [ONE] * 3
    assert shown(together) == shown(alone)
    assert [one.ids for one in together] == [[1, 2], [2], [2]]
    assert all(one.seconds > 0 for one in together)


@pytest.mark.parametrize(
    ("between", "sent"),
    [
        ("UPSERT INTO docs VALUES {id: 3, a: [9, 9], text: 'x'};", [ONE, ONE]),
        ("COUNT FROM docs;", [ONE, ONE]),
        ("QUERY [1, 0] FROM others;", [ONE, "/collections/others/points/query", ONE]),
        ("QUERY [1, 0] FROM docs USING a PARAMS (timeout = 9);", [ONE, ONE, ONE]),
        ("QUERY [1, 0] FROM docs USING a GROUP BY year;", [ONE, f"{ONE}/groups", ONE]),
        ("EXPLAIN QUERY [1, 0] FROM docs USING a;", [ONE, ONE]),
        ("QUERY [1, 0] FROM docs USING a;", [BATCH]),
    ],
)
def test_what_is_of_another_kind_stands_between_them(server: Any, between: str, sent: list[str]) -> None:
    query = "QUERY [1, 0] FROM docs USING a LIMIT 1;"
    with qql.connect(server.url) as db:
        before = len(server.calls)
        results = db.run(query + between + query)
        assert paths(server, before) == sent
        assert len(results) == 3
        if between.startswith("UPSERT"):
            assert (results[0].ids, results[2].ids) == ([1], [3])  # it was carried out between them


def test_a_server_gets_sixteen_at_most(server: Any) -> None:
    with qql.connect(server.url) as db:
        before = len(server.calls)
        results = db.run("QUERY [1, 0] FROM docs USING a LIMIT 1;" * 33)
        assert paths(server, before) == [BATCH, BATCH, ONE]
        assert [one.ids for one in results] == [[1]] * 33


def test_who_wants_each_result_as_it_comes_has_a_request_for_each(server: Any) -> None:
    with qql.connect(server.url) as db:
        before = len(server.calls)
        results = db.stream(QUERIES)
        next(results)
        assert paths(server, before) == [ONE]


def test_who_gives_each_statement_a_time_has_a_request_for_each(server: Any) -> None:
    with qql.connect(server.url) as db:
        before = len(server.calls)
        db.run(QUERIES, timeout=30)
        assert paths(server, before) == [ONE] * 3


def test_in_an_event_loop_it_is_the_same(server: Any) -> None:
    async def run() -> list[list[object]]:
        async with qql.connect_async(server.url) as db:
            return [one.ids for one in await db.run(QUERIES)]

    before = len(server.calls)
    assert asyncio.run(run()) == [[1, 2], [2], [2]]
    assert paths(server, before) == [BATCH]


# ------------------------------------------------------------------------------------------ failures


def failing(at: int, status: int = 400) -> Any:
    """Answers as a server does for which the query of a number is at fault."""

    def answer(received: Received) -> Reply:
        if received.path.endswith("/points/query/batch"):
            return refused(status, "Wrong input: one of them")
        if received.path.endswith("/points/query") and received.body["limit"] == at:
            return refused(status, "Wrong input: this one")
        return sound(received)

    return answer


def recorder(otherwise: Any = sound) -> HttpRecorder:
    described = deepcopy(COLLECTION)
    described["config"]["params"]["vectors"] = {"size": 1, "distance": "Dot"}
    return HttpRecorder({("GET", "/collections/docs"): ok(described)}, otherwise)


def test_the_error_is_that_of_the_statement_at_fault_and_those_before_it_are_done() -> None:
    script = "".join(f"QUERY [1] FROM docs LIMIT {n};\n" for n in (1, 2, 3))
    with recorder(failing(2)) as server, qql.connect(server.url, retries=0) as db:
        found: list[qql.QQLError] = []
        for run in (db.run, lambda script: list(db.stream(script))):
            with pytest.raises(qql.QQLError) as caught:
                run(script)
            found.append(caught.value)
        together, alone = found
        assert str(together) == str(alone)
        assert together.line == 2
        limits = [one.body["limit"] for one in server.received if one.path == ONE]
        assert limits == [1, 2, 1, 2]  # the third was never sent


def test_where_the_server_cannot_be_reached_it_is_not_asked_again() -> None:
    broken: list[str] = []

    def gone(received: Received) -> Reply:
        if "/points/query" in received.path:
            broken.append(received.path)
            raise ConnectionResetError
        return sound(received)

    with recorder(gone) as server, qql.connect(server.url, retries=0, advice=False) as db:
        with pytest.raises(qql.QQLConnectionError) as caught:
            db.run("QUERY [1] FROM docs;\nQUERY [2] FROM docs;")
        assert (caught.value.code, caught.value.line) == ("connection-failed", 1)
    assert broken == [BATCH]
