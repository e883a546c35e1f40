"""Vectors over REST leave as decimals: a server takes `[[1, 0], [0.5, 0.5]]` for a sparse vector."""

from __future__ import annotations

import json
from typing import Any

import pytest
from http_recorder import HttpRecorder, ok

from qql.backends.client import ClientBackend
from qql.rest.float_vectors import with_float_vectors
from qql.rest.request import Request

ROWS = [[1, 0], [0.5, 0.5]]


def upsert(vector: Any) -> Request:
    return Request("PUT", "/collections/docs/points", {}, {"points": [{"id": 1, "vector": vector}]})


def search(**body: Any) -> Request:
    return Request("POST", "/collections/docs/points/query", {}, body)


def words(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def sent(request: Request) -> Any:
    return words(with_float_vectors(request))


@pytest.mark.parametrize(
    ("vector", "leaves"),
    [
        (ROWS, "[[1.0,0.0],[0.5,0.5]]"),
        ([[1, 2], [3, 4], [5, 6]], "[[1.0,2.0],[3.0,4.0],[5.0,6.0]]"),
        ([1, 0.5], "[1.0,0.5]"),
        ({"m": ROWS, "d": [2, 1]}, '{"m":[[1.0,0.0],[0.5,0.5]],"d":[2.0,1.0]}'),
        ({"s": {"indices": [7, 3], "values": [1, 2]}}, '{"s":{"indices":[7,3],"values":[1,2]}}'),
        ({"indices": [7, 3], "values": [1, 2]}, '{"indices":[7,3],"values":[1,2]}'),
        ([1] * 50, words([1.0] * 50)),
        ([[0.5] * 50 + [1, 0.5], [0.5] * 52], words([[0.5] * 50 + [1.0, 0.5], [0.5] * 52])),
    ],
)
def test_the_numbers_of_a_point_leave_as_decimals_and_its_indices_as_integers(
    vector: Any, leaves: str
) -> None:
    assert sent(upsert(vector)) == f'{{"points":[{{"id":1,"vector":{leaves}}}]}}'


@pytest.mark.parametrize(
    ("query", "leaves"),
    [
        (ROWS, [[1.0, 0.0], [0.5, 0.5]]),
        ({"nearest": ROWS}, {"nearest": [[1.0, 0.0], [0.5, 0.5]]}),
        ({"nearest": 7}, {"nearest": 7}),
        (
            {"recommend": {"positive": [7, ROWS], "negative": [8, 9]}},
            {"recommend": {"positive": [7, [[1.0, 0.0], [0.5, 0.5]]], "negative": [8, 9]}},
        ),
        (
            {"discover": {"target": 1, "context": [{"positive": ROWS, "negative": 2}]}},
            {"discover": {"target": 1, "context": [{"positive": [[1.0, 0.0], [0.5, 0.5]], "negative": 2}]}},
        ),
        ({"rrf": {"k": 2, "weights": [1, 2]}}, {"rrf": {"k": 2, "weights": [1, 2]}}),
    ],
    ids=words,
)
def test_the_vectors_of_a_query_and_of_its_stages_leave_as_decimals_and_ids_stay(
    query: Any, leaves: Any
) -> None:
    assert sent(search(query=query, prefetch=[{"query": query}], limit=3)) == words(
        {"query": leaves, "prefetch": [{"query": leaves}], "limit": 3}
    )


def test_payloads_and_filters_stay_as_they_are() -> None:
    point = {"id": 1, "vector": [0.5], "payload": {"vector": ROWS, "n": [1, 2]}}
    request = Request("PUT", "/collections/docs/points", {}, {"points": [point]})
    assert with_float_vectors(request) is request.body
    assert sent(search(query=[0.5], filter={"must": [{"has_id": [1, 2]}]})) == words(
        {"query": [0.5], "filter": {"must": [{"has_id": [1, 2]}]}}
    )


def test_the_request_itself_is_not_changed() -> None:
    request = upsert({"m": [[1, 0], [0.5, 0.5]]})
    before = words(request.body)
    with_float_vectors(request)
    assert words(request.body) == before


@pytest.mark.parametrize("wrong", [[[True, 0], [1, 0]], [["1", 0], [1, 0]], [[10**400, 1], [1, 0]]])
def test_what_is_no_number_is_left_for_the_server_to_refuse(wrong: Any) -> None:
    assert sent(upsert(wrong)).count(words(wrong[0])) == 1


def test_a_server_receives_decimals() -> None:
    with HttpRecorder({("PUT", "/collections/docs/points"): ok({"status": "completed"})}) as server:
        backend = ClientBackend.connect(server.url)
        backend.call(upsert({"m": ROWS}))
        assert b"[[1.0,0.0],[0.5,0.5]]" in server.last.raw
        backend.close()


def test_curl_writes_decimals_where_a_server_would_misread_integers() -> None:
    assert "[[1.0, 0.0], [0.5, 0.5]]" in upsert(ROWS).curl()
    assert "[1, 0]" in upsert([1, 0]).curl()
