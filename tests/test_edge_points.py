"""The embedded engine's writes: what is accepted, what is refused, and what a kill leaves."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import Engine, python

from qql.backends.edge.points import MAX_PAYLOAD_DEPTH

CONFIG = {
    "vectors": {
        "": {"size": 2, "distance": "Dot"},
        "cos": {"size": 2, "distance": "Cosine"},
        "rows": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
        "half": {"size": 2, "distance": "Dot", "datatype": "float16"},
        "bytes": {"size": 2, "distance": "Dot", "datatype": "uint8"},
    },
    "sparse_vectors": {"sparse": {}},
}
GOOD = {"id": 1, "vector": {"": [1, 2]}, "payload": {"a": 1}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    engine = Engine()
    engine("PUT", "", CONFIG)
    yield engine
    engine.close()


@pytest.fixture
def engine(shared: Engine) -> Engine:
    shared("POST", "points/delete", {"filter": {}})
    return shared


def stored(engine: Engine, *ids: Any) -> list[dict[str, Any]]:
    found = engine("POST", "points", {"ids": list(ids), "with_payload": True, "with_vector": True})
    return sorted(found, key=lambda point: ids.index(point["id"]))


# --- what is accepted -----------------------------------------------------------------------------


def test_every_kind_of_vector_comes_back(engine: Engine) -> None:
    vectors = {
        "": [1.5, -2.0],
        "cos": [3.0, 4.0],
        "rows": [[1.0, 2.0], [3.0, 4.0]],
        "half": [0.5, 65504.0],
        "bytes": [0.0, 255.0],
        "sparse": {"indices": [7, 2**32 - 1], "values": [0.5, -1.0]},
    }
    engine.upsert({"id": 1, "vector": vectors, "payload": {}})
    (point,) = stored(engine, 1)
    assert point["vector"] == vectors | {"cos": [pytest.approx(0.6), pytest.approx(0.8)]}


def test_unnamed_forms(engine: Engine) -> None:
    engine.upsert({"id": 1, "vector": [1, 2]}, {"id": 2, "vector": {}}, {"id": 3, "payload": None})
    assert [point["vector"] for point in stored(engine, 1, 2, 3)] == [[1.0, 2.0], {}, {}]


def test_a_single_row_is_a_multivector(engine: Engine) -> None:
    engine.upsert({"id": 1, "vector": {"rows": [1, 2]}})
    assert stored(engine, 1)[0]["vector"] == {"rows": [[1.0, 2.0]]}


def test_collections_without_named_vectors_give_plain_lists() -> None:
    engine = Engine()
    engine(
        "PUT",
        "",
        {"vectors": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}},
    )
    engine.upsert({"id": 1, "vector": [[1, 2], [3, 4]]})
    assert engine("POST", "points", {"ids": [1], "with_vector": True})[0]["vector"] == [
        [1.0, 2.0],
        [3.0, 4.0],
    ]
    engine.close()


def test_numbers_that_are_not_plain_floats_are_taken_slowly(engine: Engine) -> None:
    class Half(float):
        pass

    engine.upsert({"id": 1, "vector": {"": (Half(1.5), 2), "sparse": {"indices": (1,), "values": [Half(2)]}}})
    assert stored(engine, 1)[0]["vector"] == {"": [1.5, 2.0], "sparse": {"indices": [1], "values": [2.0]}}


def test_zero_and_empty_vectors_are_kept(engine: Engine) -> None:
    engine.upsert({"id": 1, "vector": {"cos": [0, 0], "sparse": {"indices": [], "values": []}}})
    assert stored(engine, 1)[0]["vector"] == {"cos": [0.0, 0.0], "sparse": {"indices": [], "values": []}}


def nested(depth: int) -> Any:
    value: Any = 1
    for at in range(depth):
        value = [value] if at % 2 else {"a": value}
    return value if isinstance(value, dict) else {"a": value[0]}


def test_payloads_come_back_as_they_were(engine: Engine) -> None:
    payload = {
        "text": "é🦀\x00", "int": -(2**63), "big": 2**64 - 1, "float": 1e300, "true": True, "null": None,
        "": 1, "a.b": {"": []}, "list": [1, "x", {"y": [None]}],
    }  # fmt: skip
    engine.upsert(
        {"id": 1, "vector": {}, "payload": payload}, {"id": 2, "payload": nested(MAX_PAYLOAD_DEPTH)}
    )
    assert [point["payload"] for point in stored(engine, 1, 2)] == [payload, nested(MAX_PAYLOAD_DEPTH)]


def test_ids_in_all_their_spellings(engine: Engine) -> None:
    canonical = str(uuid.UUID(int=2**127 + 5))
    for spelling in (canonical, canonical.upper(), canonical.replace("-", ""), f"urn:uuid:{canonical}"):
        engine.upsert({"id": spelling, "vector": [1, 2]})
    engine.upsert({"id": 0, "vector": [1, 2]}, {"id": 2**64 - 1, "vector": [1, 2]})
    assert engine.matching({}) == [0, 2**64 - 1, canonical]
    assert engine.matching({"must": [{"has_id": [canonical.upper(), 0]}]}) == [0, canonical]


def test_columns(engine: Engine) -> None:
    engine(
        "PUT", "points", {"batch": {"ids": [1, 2], "vectors": [[1, 2], [3, 4]], "payloads": [{"a": 1}, None]}}
    )
    columns = {"": [[5, 6]], "sparse": [{"indices": [1], "values": [1]}]}
    engine("PUT", "points", {"batch": {"ids": [3], "vectors": columns}})
    assert [point["payload"] for point in stored(engine, 1, 2, 3)] == [{"a": 1}, {}, {}]
    assert set(stored(engine, 3)[0]["vector"]) == {"", "sparse"}
    for batch in ({"ids": [1], "vectors": []}, {"ids": [1], "vectors": {"": []}}, {"ids": [1]}):
        assert engine.refused("PUT", "points", {"batch": batch}).code in ("invalid-request", "missing-option")


def test_modes_and_conditions_of_upserts(engine: Engine) -> None:
    engine.upsert({"id": 1, "vector": [1, 1], "payload": {"v": 1}})
    engine.upsert(
        {"id": 1, "vector": [1, 1], "payload": {"v": 2}},
        {"id": 2, "vector": [1, 1]},
        update_mode="insert_only",
    )
    engine.upsert(
        {"id": 2, "vector": [1, 1], "payload": {"v": 3}},
        {"id": 3, "vector": [1, 1]},
        update_mode="update_only",
    )
    assert engine.matching({}) == [1, 2]
    assert [point["payload"] for point in stored(engine, 1, 2)] == [{"v": 1}, {"v": 3}]
    only = {"must": [{"key": "v", "match": {"value": 1}}]}
    rows = [{"id": at, "vector": [1, 1], "payload": {"v": 9}} for at in (1, 2)]
    engine.upsert(*rows, update_filter=only)
    assert [point["payload"] for point in stored(engine, 1, 2)] == [{"v": 9}, {"v": 3}]


# --- what is refused ------------------------------------------------------------------------------

INF, NAN = float("inf"), float("nan")

BAD_VECTORS: list[tuple[Any, str, str]] = [
    ({"": [1]}, "wrong-dimension", "has 2 dimensions, point 2 (id 2) has 1"),
    ({"": []}, "wrong-dimension", "has 0"),
    ({"": [1, 2, 3]}, "wrong-dimension", "has 3"),
    ({"": [1, NAN]}, "invalid-vector", "component 2 is nan"),
    ({"": [-INF, 1]}, "invalid-vector", "component 1 is -inf"),
    ({"": [INF, -INF]}, "invalid-vector", "component 1 is inf"),
    ({"": [1e39, 1]}, "invalid-vector", "component 1 is 1e+39"),
    ({"": [10**400, 1]}, "invalid-vector", "component 1"),
    ({"": [True, 1]}, "invalid-vector", "component 1 is no number but True"),
    ({"": ["1", 1]}, "invalid-vector", "component 1"),
    ({"": [None, 1]}, "invalid-vector", "component 1"),
    ({"": "12"}, "wrong-vector-kind", "unnamed vector"),
    ({"": 3}, "wrong-vector-kind", "3"),
    ({"": [[1, 2]]}, "wrong-vector-kind", "is dense, point 2 (id 2) has a multivector"),
    ({"": {"indices": [1], "values": [1]}}, "wrong-vector-kind", "has a sparse vector"),
    ({"indices": [1], "values": [1]}, "wrong-vector-kind", "has a sparse vector"),
    ({"cos": [1e30, 1]}, "invalid-vector", "too large to be normalised"),
    ({"half": [70000, 1]}, "invalid-vector", "float16 holds"),
    ({"bytes": [256, 1]}, "invalid-vector", "uint8 holds 0 to 255"),
    ({"bytes": [1, -1]}, "invalid-vector", "uint8 holds 0 to 255"),
    ({"rows": []}, "invalid-vector", "without a row"),
    ({"rows": [[]]}, "wrong-dimension", "row 1 has 0"),
    ({"rows": [[1, 2], [1]]}, "wrong-dimension", "row 2 has 1"),
    ({"rows": [[1, 2], [NAN, 1]]}, "invalid-vector", "row 2, component 1 is nan"),
    ({"rows": [[1, 2], 3]}, "wrong-vector-kind", "row 2"),
    ({"rows": {"indices": [1], "values": [1]}}, "wrong-vector-kind", "is a multivector"),
    ({"sparse": [1, 2]}, "wrong-vector-kind", "is sparse, point 2 (id 2) has a list of numbers"),
    ({"sparse": {"indices": [1, 2], "values": [1]}}, "invalid-vector", "2 indices and 1 value"),
    ({"sparse": {"indices": [1, 1], "values": [1, 2]}}, "invalid-vector", "index 1 twice"),
    ({"sparse": {"indices": [-1], "values": [1]}}, "invalid-vector", "index 1 is -1"),
    ({"sparse": {"indices": [2**32], "values": [1]}}, "invalid-vector", "4294967296"),
    ({"sparse": {"indices": [1.0], "values": [1]}}, "invalid-vector", "index 1 is 1.0"),
    ({"sparse": {"indices": [True], "values": [1]}}, "invalid-vector", "index 1 is True"),
    ({"sparse": {"indices": [1], "values": [NAN]}}, "invalid-vector", "value 1 is nan"),
    ({"sparse": {"indices": [1], "values": [1e39]}}, "invalid-vector", "value 1"),
    ({"sparse": {"indices": [1]}}, "wrong-vector-kind", "'indices'"),
    ({"sparse": {"indices": [1], "values": [1], "x": 1}}, "wrong-vector-kind", "sparse"),
    ({"sparse": {"indices": 1, "values": [1]}}, "wrong-vector-kind", "sparse"),
    ({"spars": [1]}, "unknown-vector", "no vector `spars`"),
    ({"cos": [1, 2], "x": [1]}, "unknown-vector", "no vector `x`"),
]


@pytest.mark.parametrize(("vector", "code", "said"), BAD_VECTORS, ids=str)
def test_a_bad_vector_stops_the_whole_request(engine: Engine, vector: Any, code: str, said: str) -> None:
    error = engine.refused("PUT", "points", {"points": [GOOD, {"id": 2, "vector": vector}]})
    assert error.code == code
    assert "point 2 (id 2)" in error.message
    assert said in error.message
    assert engine.matching({}) == []


BAD_IDS: list[Any] = [
    True,
    -1,
    2**64,
    1.0,
    "abc",
    "5",
    "",
    None,
    [1],
    "{3013d552-c914-4cfa-84f7-fa08384dd76b}",
    "550e8400-e29b41d4-a716-446655440000",
]


@pytest.mark.parametrize("identity", BAD_IDS, ids=str)
def test_a_bad_id_stops_the_whole_request(engine: Engine, identity: Any) -> None:
    error = engine.refused("PUT", "points", {"points": [GOOD, {"id": identity, "vector": [1, 2]}]})
    assert error.code == "invalid-point-id"
    assert "point 2" in error.message
    assert engine.matching({}) == []


def test_a_string_id_gets_a_hint(engine: Engine) -> None:
    error = engine.refused("PUT", "points", {"points": [{"id": "doc-1", "vector": [1, 2]}]})
    assert error.hint is not None and "UUID('doc-1')" in error.hint


BAD_PAYLOADS: list[tuple[Any, str]] = [
    ([1], "requires an object"),
    ("x", "requires an object"),
    ({1: 2}, "key 1 is no string"),
    ({"a": {None: 2}}, "key None is no string"),
    ({"a": {"b": [1, NAN]}}, "`a.b[1]` is nan"),
    ({"a": -INF}, "`a` is -inf"),
    ({"a": 2**64}, "past 64 bits"),
    ({"a": -(2**63) - 1}, "past 64 bits"),
    ({"a": {1, 2}}, "is set"),
    ({"a": b"x"}, "is bytes"),
    ({"a": uuid.UUID(int=1)}, "is UUID"),
    ({"a": object()}, "is object"),
    ({"a": "\ud800"}, "surrogate"),
    ({"\ud800": 1}, "surrogate"),
    (nested(MAX_PAYLOAD_DEPTH + 1), f"deeper than {MAX_PAYLOAD_DEPTH}"),
    (nested(5000), f"deeper than {MAX_PAYLOAD_DEPTH}"),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "said"), BAD_PAYLOADS)
def test_a_bad_payload_stops_the_whole_request(engine: Engine, payload: Any, said: str) -> None:
    error = engine.refused(
        "PUT", "points", {"points": [GOOD, {"id": 2, "vector": [1, 2], "payload": payload}]}
    )
    assert error.code == "invalid-payload"
    assert "point 2 (id 2)" in error.message
    assert said in error.message
    assert engine.matching({}) == []
    engine.upsert(GOOD)
    for route, method in (("points/payload", "POST"), ("points/payload", "PUT")):
        error = engine.refused(method, route, {"points": [1], "payload": payload})
        assert error.code == "invalid-payload"
    assert stored(engine, 1)[0]["payload"] == {"a": 1}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"points": [7]}, "invalid-point"),
        ({"points": [{"id": 1, "vectors": [1, 2]}]}, "invalid-point"),
        ({"points": {"id": 1}}, "invalid-request"),
        ({}, "invalid-request"),
        ({"points": [], "shard_key": "a"}, "unsupported"),
        ({"points": [{"id": 1, "vector": {"text": "x", "model": "m"}}]}, "unsupported"),
        ({"points": [], "update_mode": "never"}, "invalid-request"),
        ({"points": [], "ordering": "weak"}, "unknown-option"),
    ],
    ids=str,
)
def test_bad_bodies(engine: Engine, body: dict[str, Any], code: str) -> None:
    assert engine.refused("PUT", "points", body).code == code


def test_an_unnamed_vector_where_there_is_none() -> None:
    engine = Engine()
    engine("PUT", "", {"vectors": {"dense": {"size": 2, "distance": "Dot"}}})
    for given in ([1, 2], {"indices": [1], "values": [1]}):
        error = engine.refused("PUT", "points", {"points": [{"id": 1, "vector": given}]})
        assert error.code == "unknown-vector"
        assert error.hint is not None and "`dense`" in error.hint
    engine.close()


def test_the_fast_check_agrees_with_the_slow_one(engine: Engine) -> None:
    """Random vectors, most of them spoilt in one place: accepted exactly when nothing was spoilt."""
    rng = random.Random(1)
    for at in range(300):
        dense: list[Any] = [rng.uniform(-1, 1) for _ in range(2)]
        indices: list[Any] = rng.sample(range(50), 4)
        values: list[Any] = [rng.random() for _ in range(4)]
        spoil = rng.choice([None, NAN, INF, True, "x", 1e39])
        where = rng.choice([dense, values])
        if spoil is not None:
            where[rng.randrange(len(where))] = spoil
        body = {
            "points": [{"id": at, "vector": {"": dense, "sparse": {"indices": indices, "values": values}}}]
        }
        if spoil is None:
            engine("PUT", "points", body)
        else:
            assert engine.refused("PUT", "points", body).code == "invalid-vector"


# --- changing points ------------------------------------------------------------------------------


@pytest.fixture
def three(engine: Engine) -> Engine:
    engine.upsert(
        *(
            {"id": at, "vector": {"": [at, 1], "cos": [1, at]}, "payload": {"n": at, "o": {"p": 1}}}
            for at in (1, 2, 3)
        )
    )
    return engine


ABOVE_1 = {"must": [{"key": "n", "range": {"gt": 1}}]}


def test_delete(three: Engine) -> None:
    assert three("POST", "points/delete", {"points": [1, 77]})["status"] == "completed"
    assert three.matching({}) == [2, 3]
    three("POST", "points/delete", {"filter": {"must": {"key": "n", "match": {"value": 2}}}})
    assert three.matching({}) == [3]
    for body in ({}, {"points": [1], "filter": {}}, {"points": ["x"]}, {"ids": [1]}):
        assert three.refused("POST", "points/delete", body).code in (
            "invalid-request",
            "invalid-point-id",
            "unknown-option",
        )


def payloads(engine: Engine) -> list[Any]:
    return [point["payload"] for point in stored(engine, 1, 2, 3)]


def test_payload_changes(three: Engine) -> None:
    three("POST", "points/payload", {"points": [1], "payload": {"x": True}})
    three("POST", "points/payload", {"filter": ABOVE_1, "payload": {"q": 2}, "key": "o"})
    assert payloads(three) == [
        {"n": 1, "o": {"p": 1}, "x": True}, {"n": 2, "o": {"p": 1, "q": 2}}, {"n": 3, "o": {"p": 1, "q": 2}},
    ]  # fmt: skip
    three("POST", "points/payload/delete", {"points": [1], "keys": ["o.p", "x"]})
    three("POST", "points/payload/delete", {"filter": ABOVE_1, "keys": ["o"]})
    assert payloads(three) == [{"n": 1, "o": {}}, {"n": 2}, {"n": 3}]
    three("PUT", "points/payload", {"points": [2], "payload": {"new": 1}})
    three("PUT", "points/payload", {"filter": {"must": [{"has_id": [3]}]}, "payload": {"new": 2}})
    assert payloads(three)[1:] == [{"new": 1}, {"new": 2}]
    three("POST", "points/payload/clear", {"points": [1]})
    three("POST", "points/payload/clear", {"filter": {"must": [{"key": "new", "match": {"value": 1}}]}})
    assert payloads(three) == [{}, {}, {"new": 2}]


def test_vector_changes(three: Engine) -> None:
    three(
        "PUT",
        "points/vectors",
        {"points": [{"id": 1, "vector": {"": [7, 8]}}, {"id": 2, "vector": {"cos": [0, 2]}}]},
    )
    assert stored(three, 1)[0]["vector"][""] == [7.0, 8.0]
    assert stored(three, 2)[0]["vector"] == {"": [2.0, 1.0], "cos": [0.0, 1.0]}
    three("POST", "points/vectors/delete", {"points": [1], "vector": ["cos"]})
    three("POST", "points/vectors/delete", {"filter": ABOVE_1, "vector": ["", "cos"]})
    assert [point["vector"] for point in stored(three, 1, 2, 3)] == [[7.0, 8.0], {}, {}]
    only = {"must": [{"key": "n", "match": {"value": 1}}]}
    rows = [{"id": at, "vector": [5, 5]} for at in (1, 2)]
    three("PUT", "points/vectors", {"points": rows, "update_filter": only})
    assert [point["vector"] for point in stored(three, 1, 2)] == [[5.0, 5.0], {}]


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "points/payload", {"points": [1, 9], "payload": {"x": 1}}),
    ("PUT", "points/payload", {"points": [1, 9], "payload": {"x": 1}}),
    ("POST", "points/payload/delete", {"points": [1, 9], "keys": ["n"]}),
    ("POST", "points/payload/clear", {"points": [1, 9]}),
    ("PUT", "points/vectors", {"points": [{"id": 1, "vector": [9, 9]}, {"id": 9, "vector": [9, 9]}]}),
    ("POST", "points/vectors/delete", {"points": [1, 9], "vector": ["cos"]}),
]


@pytest.mark.parametrize(("method", "route", "body"), WRITES, ids=lambda part: str(part)[:25])
def test_a_point_that_is_not_there_stops_the_change(
    three: Engine, method: str, route: str, body: dict[str, Any]
) -> None:
    before = stored(three, 1, 2, 3)
    error = three.refused(method, route, body)
    assert error.code == "unknown-point"
    assert "9" in error.message and "`docs`" in error.message
    assert stored(three, 1, 2, 3) == before


@pytest.mark.parametrize(
    ("method", "route", "body", "code"),
    [
        ("PUT", "points/vectors", {"points": [{"id": 1, "vector": {}}]}, "invalid-point"),
        ("PUT", "points/vectors", {"points": [{"id": 1, "vector": [1]}]}, "wrong-dimension"),
        ("PUT", "points/vectors", {"points": [{"id": 1, "vector": [1, 2], "payload": {}}]}, "invalid-point"),
        ("POST", "points/vectors/delete", {"points": [1], "vector": ["x"]}, "unknown-vector"),
        ("POST", "points/payload", {"points": [1]}, "missing-option"),
        ("POST", "points/payload", {"points": [1], "payload": {}, "key": "a["}, "invalid-field"),
        ("POST", "points/payload/delete", {"points": [1], "keys": ["a["]}, "invalid-field"),
        ("POST", "points/payload/delete", {"points": [1], "keys": "a"}, "invalid-request"),
    ],
    ids=str,
)
def test_bad_changes(three: Engine, method: str, route: str, body: dict[str, Any], code: str) -> None:
    before = stored(three, 1, 2, 3)
    assert three.refused(method, route, body).code == code
    assert stored(three, 1, 2, 3) == before


def test_a_batch_is_checked_before_any_of_it_is_done(three: Engine) -> None:
    good = [
        {"upsert": {"points": [{"id": 4, "vector": [4, 4]}]}},
        {"set_payload": {"points": [4], "payload": {"n": 4}}},
        {"update_vectors": {"points": [{"id": 4, "vector": [5, 5]}]}},
        {"overwrite_payload": {"points": [3], "payload": {"z": 1}}},
        {"delete_payload": {"points": [2], "keys": ["n"]}},
        {"delete_vectors": {"points": [2], "vector": ["cos"]}},
        {"clear_payload": {"points": [1]}},
        {"delete": {"points": [1]}},
    ]
    for bad in ({"upsert": {"points": [{"id": 5, "vector": [1]}]}}, {"uppsert": {}}, {}):
        assert three.refused("POST", "points/batch", {"operations": [*good, bad]}).code in (
            "wrong-dimension",
            "unknown-operation",
        )
        assert three.matching({}) == [1, 2, 3]
    answers = three("POST", "points/batch", {"operations": good})
    assert [answer["status"] for answer in answers] == ["completed"] * len(good)
    assert three.matching({}) == [2, 3, 4]
    assert stored(three, 4) == [{"id": 4, "payload": {"n": 4}, "vector": [5.0, 5.0]}]


def test_the_log_is_flushed_from_time_to_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qql.backends.edge.updates._FLUSH_AFTER", 1000)
    collection = engine.backend._database.get("docs")
    engine.backend.flush()
    assert collection.written == 0
    engine.upsert({"id": 1, "vector": [1, 2], "payload": {"a": "x" * 100}})
    before = collection.written
    assert before >= 100
    engine.upsert({"id": 2, "vector": [1, 2], "payload": {"a": "x" * 1000}})
    assert collection.written == 0


# --- crashes --------------------------------------------------------------------------------------

LOAD = """
from qql.backends.edge import EdgeBackend
from qql.rest.request import Request
backend = EdgeBackend(sys.argv[1])
backend.call(Request("PUT", "/collections/docs", {}, {"vectors": {"size": 8, "distance": "Dot"}}))
for start in range(0, 10**9, 50):
    rows = [{"id": at, "vector": [at] * 8, "payload": {"n": at}} for at in range(start, start + 50)]
    backend.call(Request("PUT", "/collections/docs/points", {}, {"points": rows}))
    print(start + 50, flush=True)
"""


def test_a_kill_loses_no_acknowledged_point(tmp_path: Path) -> None:
    child = python(LOAD, str(tmp_path))
    assert child.stdout is not None
    for _ in range(40):
        acknowledged = int(child.stdout.readline())
    child.kill()
    rest, _ = child.communicate()
    acknowledged = int(rest.split()[-2]) if len(rest.split()) > 1 else acknowledged
    engine = Engine(tmp_path)
    ids = engine.matching({"must": [{"key": "n", "range": {"lt": acknowledged}}]})
    ids_all = engine("POST", "points/count", {})["count"]
    assert ids_all >= acknowledged >= 2000
    assert ids == list(range(min(acknowledged, 10_000)))
    sample = engine("POST", "points", {"ids": [acknowledged - 1], "with_vector": True})
    assert sample[0]["vector"] == [float(acknowledged - 1)] * 8
    engine.close()


DEEP = """
from qql.backends.edge import EdgeBackend
from qql.rest.request import Request
import json
backend = EdgeBackend(sys.argv[1])
for method, path, body in json.loads(sys.stdin.readline()):
    backend.call(Request(method, "/collections/docs" + path, {}, body))
print("done", flush=True)
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_log_of_deep_payloads_and_filters_can_be_read_back(tmp_path: Path) -> None:
    """The log's reader gives up at some depth, and with it the collection: nothing so deep may be written."""
    import json

    def deep(levels: int) -> dict[str, Any]:
        made: dict[str, Any] = {"must": [{"nested": {"key": "a", "filter": {"must": [{"has_id": [3]}]}}}]}
        for _ in range(levels):
            made = (
                {"must": [{"should": [made]}]}
                if levels % 2
                else {"min_should": {"conditions": [made], "min_count": 1}}
            )
        return made

    requests: list[Any] = [
        ("PUT", "", {"vectors": {"size": 1, "distance": "Dot"}}),
        ("PUT", "/points", {"points": [{"id": 1, "vector": [1], "payload": nested(MAX_PAYLOAD_DEPTH)}]}),
        ("POST", "/points/payload", {"points": [1], "payload": nested(MAX_PAYLOAD_DEPTH), "key": "k"}),
    ]
    for levels in (*range(5, 14), 40, 41):
        requests.append(("POST", "/points/delete", {"filter": deep(levels)}))
        requests.append(("POST", "/points/payload", {"filter": deep(levels), "payload": {"x": 1}}))
    chain: dict[str, Any] = {"must": [{"has_id": [3]}]}
    for _ in range(11):
        chain = {"must": [{"nested": {"key": "a", "filter": chain}}]}
    requests.append(("POST", "/points/delete", {"filter": chain}))
    for levels in (4, 8):
        requests.append(("PUT", "/points", {"points": [], "update_filter": deep(levels)}))
    child = python(DEEP, str(tmp_path))
    out, err = child.communicate(json.dumps(requests) + "\n")
    assert out == "done\n", err
    engine = Engine(tmp_path)
    assert engine.matching({}) == [1]
    engine.close()


def test_a_deep_filter_changes_the_points_it_matches(three: Engine) -> None:
    deep: dict[str, Any] = ABOVE_1
    for _ in range(41):
        deep = {"must_not": [deep]}
    three("POST", "points/payload", {"filter": deep, "payload": {"hit": 1}})
    assert ["hit" in payload for payload in payloads(three)] == [True, False, False]
    three("POST", "points/delete", {"filter": deep})
    assert three.matching({}) == [2, 3]
    error = three.refused("PUT", "points", {"points": [], "update_filter": deep})
    assert error.code == "filter-too-deep"
