"""Payload columns come in one order over REST and gRPC: that of their names."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any

import pytest
from http_recorder import HttpRecorder, ok

from qql.backends.client import ClientBackend
from qql.backends.client.payload_order import with_ordered_payloads
from qql.rest.request import Request
from qql.session.connect import connect

POINT = {"id": 1, "score": 1.0, "payload": {"zeta": 1, "alpha": {"d": [{"y": 1, "b": 2}], "c": 0}}}
ORDERED = '{"alpha": {"c": 0, "d": [{"b": 2, "y": 1}]}, "zeta": 1}'


@pytest.mark.parametrize(
    "answer",
    [
        {"points": [POINT]},
        [POINT],
        [{"points": [POINT]}],
        {"groups": [{"id": "a", "hits": [POINT]}]},
        {"groups": [{"id": "a", "hits": [], "lookup": POINT}]},
    ],
)
def test_the_keys_of_payloads_are_in_the_order_of_their_names(answer: Any) -> None:
    assert ORDERED in json.dumps(with_ordered_payloads(deepcopy(answer)))


@pytest.mark.parametrize("special", [None, math.nan, math.inf, 2**64])
def test_values_that_are_no_plain_json_come_back_as_they_were(special: Any) -> None:
    [found] = with_ordered_payloads([{"id": 1, "payload": {"z": [special], "a": {"c": special, "b": 1}}}])
    assert repr(found["payload"]) == repr({"a": {"b": 1, "c": special}, "z": [special]})


def test_a_payload_may_nest_deeper_than_the_library_writes() -> None:
    deep: Any = {"y": 1, "b": 2}
    for _ in range(300):
        deep = {"z": 0, "a": deep}
    [found] = with_ordered_payloads([{"id": 1, "payload": deep}])
    assert json.dumps(found["payload"]) == json.dumps(deep, sort_keys=True)


@pytest.mark.parametrize("answer", [None, 7, "x", [], {"points": "no list"}, {"id": 1, "payload": None}])
def test_other_answers_stay_as_they_are(answer: Any) -> None:
    assert with_ordered_payloads(answer) == answer


def test_a_server_answers_in_that_order() -> None:
    with HttpRecorder(otherwise=ok({"points": [POINT], "next_page_offset": None})) as server:
        backend = ClientBackend.connect(server.url)
        found = backend.call(Request("POST", "/collections/docs/points/scroll", {}, {"limit": 1}))
        assert json.dumps(found["points"][0]["payload"]) == ORDERED
        backend.close()


def test_the_embedded_engine_keeps_the_order_in_which_a_point_was_written() -> None:
    with connect(":memory:") as db:
        db.run("CREATE COLLECTION c (v VECTOR(2, DOT)); UPSERT INTO c VALUES {id: 1, v: [1, 0], z: 1, a: 2}")
        assert list(db.execute("SCROLL FROM c").hits[0].payload or {}) == ["z", "a"]
