"""Answers are read once, and queries that differ in their vectors alone are not read again."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from edge_helpers import CONFIG, Engine, points, sparse, vector

import qql
from qql.backends.edge import outlines, queries
from qql.backends.edge.records import records, scored_points
from qql.cli.render import FORMATS, Renderer
from qql.cli.render.formats import View
from qql.rest.answer_shapes import misfit
from qql.rest.request import Request
from qql.result import Hit, Result, hits_of

COUNT = 40


def made_engine() -> Engine:
    engine = Engine()
    engine("PUT", "", CONFIG)
    engine.upsert(*points(COUNT))
    return engine


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = made_engine()
    yield made
    made.close()


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bodies of queries that were read as a whole."""
    found: list[Any] = []
    read = queries.QueryReader._read_root

    def spy(self: queries.QueryReader, body: Any) -> Any:
        found.append(body)
        return read(self, body)

    monkeypatch.setattr(queries.QueryReader, "_read_root", spy)
    return found


class _Counted:
    """A point as the engine gives it, which counts how often each attribute is read."""

    def __init__(self, **values: Any) -> None:
        self.__dict__["values"], self.__dict__["reads"] = values, Counter()

    def __getattr__(self, name: str) -> Any:
        self.reads[name] += 1
        return self.values[name]


# ------------------------------------------------------------------------------------ hits


def test_each_attribute_of_a_hit_is_read_once() -> None:
    one: Any = _Counted(
        id=7, version=1, score=0.5, payload={"a": 1}, vector={"dense": [0.5, 1.0]}, order_value=3
    )
    asked = {"with_payload": True, "with_vector": True, "prefetch": []}
    assert scored_points([one], asked) == [
        {"id": 7, "version": 1, "score": 0.5, "payload": {"a": 1}, "vector": {"dense": [0.5, 1.0]}}
        | {"order_value": 3}
    ]
    assert set(one.reads.values()) == {1}
    one.reads.clear()
    (point,) = records([one], {"with_vector": True, "order_by": "a"})
    assert (point["payload"], point["order_value"]) == ({"a": 1}, 3)
    assert set(one.reads.values()) == {1}


def test_what_nobody_asked_for_is_not_read() -> None:
    one: Any = _Counted(id=7, version=1, score=0.5, payload=None, vector=[1.0], order_value=None)
    assert scored_points([one], {"with_payload": False}) == [{"id": 7, "version": 1, "score": 0.5}]
    assert records([one], {"with_payload": False}) == [{"id": 7}]
    assert {one.reads[name] for name in ("payload", "vector", "order_value")} == {0}


@pytest.mark.parametrize("way", [True, None, ["a"], [], {"include": ["a"]}])
def test_a_payload_is_left_out_only_where_that_is_said(way: Any) -> None:
    one: Any = _Counted(id=7, version=1, score=0.5, payload={}, vector=None, order_value=None)
    assert scored_points([one], {"with_payload": way})[0]["payload"] == {}
    assert records([one], {"with_payload": way})[0]["payload"] == {}


def test_a_hit_of_an_answer_is_a_hit_like_any_other() -> None:
    (made,) = hits_of([{"id": 1, "score": 0.5, "payload": {"a": 1}}], "g", {"id": 2})
    assert type(made) is Hit and made == Hit(1, 0.5, {"a": 1}, None, "g", {"id": 2})
    assert repr(made) == repr(Hit(1, 0.5, {"a": 1}, None, "g", {"id": 2}))
    assert dataclasses.replace(made, score=None) == Hit(1, None, {"a": 1}, None, "g", {"id": 2})
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.score = 1.0  # type: ignore[misc]


def test_shapes_that_were_seen_hide_no_misfit() -> None:
    request = Request("POST", "/collections/docs/points/query", {}, {})
    good: dict[str, Any] = {"id": 1, "score": 1.0, "payload": {}}
    assert misfit(request, {"points": [good] * 3}) is None
    for wrong in ({"score": True}, {"id": 1.5}, {"payload": []}, {"score": None}):
        found = misfit(request, {"points": [good, {**good, **wrong}]})
        assert found is not None and found.place.startswith(f".points[1].{next(iter(wrong))}")
    missing = misfit(request, {"points": [good, {"id": 1}]})
    assert missing is not None and missing.place == ".points[1].score"


# ------------------------------------------------------------------------------------ outlines

RNG = random.Random(3)
CITY = {"must": [{"key": "word", "match": {"value": "red"}}]}
BODIES: dict[str, Any] = {
    "nearest": lambda: {"query": {"nearest": vector(RNG)}, "using": "dense", "with_payload": True},
    "filtered": lambda: {
        "query": {"nearest": vector(RNG)}, "using": "dense", "filter": CITY, "offset": 1,
        "params": {"exact": True}, "score_threshold": -1.0, "with_vector": ["dense"],
    },
    "sparse": lambda: {"query": {"nearest": sparse(RNG)}, "using": "sparse"},
    "fused": lambda: {
        "prefetch": [
            {"query": {"nearest": vector(RNG)}, "using": "dense", "filter": CITY, "limit": 20},
            {"prefetch": {"query": {"nearest": sparse(RNG)}, "using": "sparse", "limit": 30},
             "query": {"nearest": vector(RNG)}, "using": "dense", "limit": 20},
        ],
        "query": {"rrf": {"k": 3, "weights": [0.3, 0.7]}}, "limit": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_the_same_with_another_vector_is_not_read_again_and_answers_alike(
    kind: str, readings: list[Any]
) -> None:
    engine = made_engine()
    bodies = [BODIES[kind]() for _ in range(4)]
    found = [engine.query(**body) for body in bodies]
    assert readings == bodies[:1] and any(found)
    for body, one in zip(bodies, found, strict=True):
        engine.backend._router.forget_readers("docs")
        again = engine.query(**body)
        assert [hit.pop("score") for hit in again] == pytest.approx([hit.pop("score") for hit in one])
        assert again == one
    engine.close()


@pytest.mark.parametrize(
    "bad", [[1.0], [float("nan")] * 6, [True] * 6, {"indices": [1], "values": [1.0]}, [[1.0] * 6] * 2]
)
def test_a_bad_vector_is_refused_alike_the_first_time_and_later(bad: Any) -> None:
    engine = made_engine()
    body = {"query": {"nearest": bad}, "using": "dense"}
    first = engine.refused("POST", "points/query", body)
    engine.query(query={"nearest": vector(RNG)}, using="dense")
    later = engine.refused("POST", "points/query", body)
    assert later.diagnostic == first.diagnostic
    engine.close()


def test_true_is_not_taken_for_a_one_that_was_kept(engine: Engine) -> None:
    for value in (1, True, 1.0):
        filter = {"must": [{"key": "number", "match": {"value": value}}]}
        body = {"query": {"nearest": vector(RNG)}, "using": "dense", "filter": filter, "limit": COUNT}
        if isinstance(value, float):
            assert engine.refused("POST", "points/query", body).code == "invalid-condition"
        else:
            engine("POST", "points/query", body)
    body = {"query": {"nearest": vector(RNG)}, "using": "dense"}
    engine("POST", "points/query", {**body, "limit": 1})
    assert engine.refused("POST", "points/query", {**body, "limit": True}).code == "invalid-request"
    engine.upsert(*({"id": at, "vector": {}, "payload": {"x": x}} for at, x in ((900, 1), (901, True))))
    assert engine.matching({"must": [{"key": "x", "match": {"value": 1}}]}) == [900]
    assert engine.matching({"must": [{"key": "x", "match": {"value": True}}]}) == [901]


def test_a_filter_that_its_owner_changes_is_another_filter(engine: Engine) -> None:
    condition: dict[str, Any] = {"has_id": [1]}
    filter = {"must": [condition]}
    assert engine.matching(filter) == [1]
    condition["has_id"].append(2)
    assert engine.matching(filter) == [1, 2]


def test_points_are_looked_up_each_time(readings: list[Any]) -> None:
    engine = made_engine()
    body = {"query": {"nearest": 1}, "using": "dense", "limit": 3, "params": {"exact": True}}
    before = engine.query(**body)
    engine("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"dense": vector(RNG)}}]})
    assert engine.query(**body) != before and len(readings) == 2
    engine.close()


def test_few_outlines_are_kept_and_no_vectors() -> None:
    engine = made_engine()
    collection = engine.backend._database.get("docs")
    reader = engine.backend._router.query_reader(collection)
    for limit in range(1, 200):
        reader.request({"query": {"nearest": vector(RNG)}, "using": "dense", "limit": limit})
    kept = reader._outlines._kept._values
    assert len(kept) == outlines._MOST
    assert all("query" not in one.arguments for one in kept.values())
    long = {"must": [{"key": "word", "match": {"any": ["x" * 50] * 100}}]}
    reader.request({"query": {"nearest": vector(RNG)}, "using": "dense", "filter": long})
    assert max(map(len, kept)) <= outlines._LONGEST
    engine.close()


def test_a_vector_that_was_made_anew_is_another_one() -> None:
    with qql.connect(":memory:") as db:
        db.run("CREATE COLLECTION c (v VECTOR(2, DOT), w VECTOR(2, DOT))")
        db.run("UPSERT INTO c VALUES {id: 1, v: [1, 0]}")
        assert db.execute("QUERY [1, 0] FROM c USING v").ids == [1]
        db.run("ALTER COLLECTION c DROP VECTOR v; ALTER COLLECTION c ADD v VECTOR(3, DOT)")
        with pytest.raises(qql.QQLError) as caught:
            db.execute("QUERY [1, 0] FROM c USING v")
        assert caught.value.code == "wrong-dimension"


# ------------------------------------------------------------------------------------ writers

PLAIN = View(None, False, False, False, False)


class _Nowhere:
    """A file that keeps nothing."""

    encoding = "utf-8"
    size = 0

    def write(self, text: str) -> int:
        self.size += len(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("format", ["csv", "jsonl", "json"])
def test_rows_are_written_one_by_one(format: str) -> None:
    text = "some words of a text " * 10
    result = Result("hits", hits=[Hit(at, None, {"text": text, "n": at}) for at in range(2000)])
    nowhere: Any = _Nowhere()
    Renderer(nowhere, format).show(result)
    tracemalloc.start()
    Renderer(nowhere, format).show(result)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert nowhere.size > 800_000 and peak < 200_000


def test_a_page_of_a_scroll_is_one_json_object_however_it_is_cut() -> None:
    for count in (0, 1, 3):
        hits = [Hit(at, None, {"n": at}) for at in range(count)]
        result = Result("hits", hits=hits, paged=True, next=7)
        found = json.loads("\n".join(FORMATS["json"].lines(result, PLAIN)))
        assert found == {"hits": [hit.to_dict() for hit in hits], "next": 7}


# ------------------------------------------------------------------------------------ WHY


def test_why_asks_nothing_about_the_query_as_it_is_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with qql.connect(":memory:", advice=False) as db:
        db.execute("CREATE COLLECTION c (v VECTOR(1, EUCLID))")
        db.execute("UPSERT INTO c VALUES :rows", {"rows": [{"id": at, "v": [at]} for at in range(50)]})
        asked: list[str] = []
        call = db.backend.call

        def spy(request: Request) -> Any:
            body = request.body or {}
            if request.path.endswith(("/query", "/query/batch")):
                asked.extend(json.dumps(one, sort_keys=True) for one in body.get("searches", [body]))
            return call(request)

        monkeypatch.setattr(db.backend, "call", spy)
        found = db.execute("WHY NOT 8 QUERY [0] FROM c USING v LIMIT 3")
        assert "LIMIT 3 → 9" in found.message
        as_it_is = [one for one in asked if '"limit": 3' in one]
        deep = [one for one in asked if '"exact": true' in one and '"limit": 1000' in one]
        assert len(as_it_is) == 1 and len(deep) <= 2
        assert not any('"limit": 10000' in one for one in asked)


@pytest.mark.parametrize("place", [5, 1500])
def test_why_finds_the_rank_of_a_point_that_stands_far_behind(place: int) -> None:
    with qql.connect(":memory:", advice=False) as db:
        db.execute("CREATE COLLECTION c (v VECTOR(1, EUCLID))")
        db.execute("UPSERT INTO c VALUES :rows", {"rows": [{"id": at, "v": [at]} for at in range(1600)]})
        found = db.execute(f"WHY NOT {place} QUERY [0] FROM c USING v LIMIT 3")
        assert f"it would stand at rank {place + 1}" in found.message
