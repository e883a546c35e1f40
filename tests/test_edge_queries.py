"""The embedded engine's reads: every kind of query, every condition, every refusal."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import CONFIG, DIMENSIONS, Engine, points, vector

from qql.backends.edge import EdgeBackend
from qql.backends.edge.engine import guarded
from qql.backends.edge.filters import filter_depth
from qql.errors import QQLError, QQLExecutionError, QQLUnsupportedError
from qql.rest.group_values import values_at

COUNT = 40
QUERY = vector(random.Random(1))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    made("PUT", "", CONFIG)
    made.upsert(*points(COUNT))
    made("PUT", "", {"vectors": {"size": DIMENSIONS, "distance": "Cosine"}}, to="plain")
    made.upsert(
        {"id": 1, "vector": vector(random.Random(4)), "payload": {"a": 1}},
        {"id": 2, "vector": {}},
        to="plain",
    )
    yield made
    made.close()


# --- answers --------------------------------------------------------------------------------------


def test_the_shape_of_a_hit(engine: Engine) -> None:
    (hit,) = engine.query(query=QUERY, using="dense", limit=1)
    assert set(hit) == {"id", "version", "score"}
    (hit,) = engine.query(
        query=QUERY,
        using="dense",
        limit=1,
        with_payload=["word", "place.lat"],
        with_vector=["sparse", "rows", "far"],
    )
    assert set(hit["payload"]) <= {"word", "place"} and set(hit["payload"]["place"]) == {"lat"}
    assert set(hit["vector"]) <= {"sparse", "rows", "far"}
    assert all(type(item) is float for item in hit["vector"]["far"])
    if "sparse" in hit["vector"]:
        assert set(hit["vector"]["sparse"]) == {"indices", "values"}
    (hit,) = engine.query(
        query=QUERY, using="dense", limit=1, with_payload={"exclude": ["word"]}, with_vector=True
    )
    assert "word" not in hit["payload"] and "price" in hit["payload"]
    assert set(hit["vector"]) >= {"dense", "dot", "far"}
    (hit,) = engine.query("plain", query=QUERY, limit=1, with_vector=True, with_payload=True)
    assert isinstance(hit["vector"], list) and hit["payload"] == {"a": 1}


def test_defaults_of_limits(engine: Engine) -> None:
    assert len(engine.query(query=QUERY, using="far")) == 10
    fused = engine.query(prefetch=[{"query": QUERY, "using": "far"}], query={"fusion": "rrf"}, limit=COUNT)
    assert len(fused) == 10
    assert len(engine("POST", "points/scroll", {})["points"]) == 10


def test_the_default_k_of_rrf_is_two(engine: Engine) -> None:
    source = {"query": QUERY, "using": "far", "limit": 3}
    for query in ({"fusion": "rrf"}, {"rrf": {}}, {"rrf": {"k": 2}}):
        scores = [hit["score"] for hit in engine.query(prefetch=[source], query=query)]
        assert scores == pytest.approx([1 / 2, 1 / 3, 1 / 4])


def test_without_a_query_points_come_by_id(engine: Engine) -> None:
    assert engine.ids(limit=3) == [1, 2, 3]
    assert engine.ids(limit=2, filter={"must": [{"has_id": [7, 5, 9]}]}) == [5, 7]


def test_sample(engine: Engine) -> None:
    chosen = {"must": [{"has_id": [3, 4, 5]}]}
    assert sorted(engine.ids(query={"sample": "random"}, filter=chosen)) == [3, 4, 5]


def test_order_by_and_facet_require_an_index(engine: Engine) -> None:
    for route, body, kind in (
        ("points/query", {"query": {"order_by": "price"}}, "integer"),
        ("points/scroll", {"order_by": "price"}, "integer"),
        ("facet", {"key": "price"}, "keyword"),
    ):
        error = engine.refused("POST", route, body)
        assert error.code == "index-required"
        assert "`price`" in error.message
        assert error.hint is not None and error.hint.startswith(f"CREATE INDEX ON docs FOR price TYPE {kind}")


@pytest.fixture
def indexed(engine: Engine) -> Iterator[Engine]:
    kinds: dict[str, Any] = {
        "position": "integer", "at": "datetime", "word": "keyword", "flag": "bool",
        "text": {"type": "text", "scoring": True},
    }  # fmt: skip
    for field, schema in kinds.items():
        engine("PUT", "index", {"field_name": field, "field_schema": schema})
    yield engine
    for field in kinds:
        engine("DELETE", f"index/{field}")


def test_order_by(indexed: Engine) -> None:
    assert indexed.ids(query={"order_by": "position"}, limit=3) == [1, 2, 3]
    down = {"order_by": {"key": "position", "direction": "desc", "start_from": 9}}
    assert indexed.ids(query=down, limit=3) == [9, 8, 7]
    assert indexed.query(query=down, limit=1)[0]["order_value"] == 9
    page = indexed(
        "POST", "points/scroll", {"order_by": {"key": "position", "direction": "desc"}, "limit": 2}
    )
    assert [point["id"] for point in page["points"]] == [COUNT, COUNT - 1]
    assert page["next_page_offset"] is None
    dated = {"key": "at", "start_from": "2024-06-01T00:00:00Z"}
    found = indexed("POST", "points/scroll", {"order_by": dated, "limit": COUNT})["points"]
    dates = [point["payload"]["at"] for point in found]
    assert dates == sorted(dates) and dates[0] >= "2024-06" and len(dates) < COUNT
    assert (
        indexed.refused("POST", "points/scroll", {"order_by": "position", "offset": 3}).code
        == "offset-with-order-by"
    )
    for start in ("someday", True, [1]):
        body = {"order_by": {"key": "at", "start_from": start}}
        assert indexed.refused("POST", "points/scroll", body).code in ("invalid-request", "invalid-datetime")


def test_facet(indexed: Engine) -> None:
    hits = indexed("POST", "facet", {"key": "word", "exact": True})["hits"]
    red = len(indexed.matching({"must": [{"key": "word", "match": {"value": "red"}}]}))
    assert {hit["value"]: hit["count"] for hit in hits}["red"] == red
    assert len(indexed("POST", "facet", {"key": "word", "limit": 1})["hits"]) == 1
    some = {"must": [{"has_id": [1, 2]}]}
    counts = indexed("POST", "facet", {"key": "flag", "filter": some})["hits"]
    assert sum(hit["count"] for hit in counts) == 2 and all(type(hit["value"]) is bool for hit in counts)


def test_full_text(indexed: Engine) -> None:
    texts = {1: "red fox", 2: "lazy dog", 3: "red red dog"}
    for at, words in texts.items():
        indexed("POST", "points/payload", {"points": [at], "payload": {"text": words}})
    assert set(indexed.ids(query={"text": "red"}, using="text")) == {1, 3}
    scored = {"text": {"query": "dog", "scoring": {"bm25": {"k": 1.0, "b": 0.0}}}}
    assert set(indexed.ids(query=scored, using="text")) == {2, 3}
    assert indexed.refused("POST", "points/query", {"query": {"text": "x"}}).code == "field-required"
    error = indexed.refused("POST", "points/query", {"query": {"text": "x"}, "using": "word"})
    assert (error.code, "`word`" in error.message) == ("index-required", True)
    bad = {"text": {"query": "x", "scoring": {"bm25": {"b": 2}}}}
    assert indexed.refused("POST", "points/query", {"query": bad, "using": "text"}).code == "invalid-request"


def test_retrieve_scroll_count(engine: Engine) -> None:
    found = engine("POST", "points", {"ids": [3, 999, 1], "with_payload": False})
    assert sorted(point["id"] for point in found) == [1, 3]
    assert all(set(point) == {"id"} for point in found)
    seen, offset = [], None
    while True:
        page = engine("POST", "points/scroll", {"limit": 7, "offset": offset, "with_payload": ["position"]})
        seen += [point["payload"]["position"] for point in page["points"]]
        offset = page["next_page_offset"]
        if offset is None:
            break
    assert seen == list(range(1, COUNT + 1))
    assert engine("POST", "points/count", {}) == {"count": COUNT}
    assert engine("POST", "points/count", {"filter": {"must": {"has_id": [1, 2]}}, "exact": False}) == {
        "count": 2
    }


def test_a_batch_answers_in_order(engine: Engine) -> None:
    searches = [{"query": at, "using": "far", "limit": 3, "with_payload": ["word"]} for at in (1, 2, 3)]
    answers = engine("POST", "points/query/batch", {"searches": searches})
    single = [engine("POST", "points/query", body) for body in searches]
    assert [[hit["id"] for hit in one["points"]] for one in answers] == [
        [hit["id"] for hit in one["points"]] for one in single
    ]
    assert engine("POST", "points/query/batch", {"searches": []}) == []


PARAMS: list[dict[str, Any]] = [
    {"hnsw_ef": 64},
    {"exact": True},
    {"indexed_only": False},
    {"quantization": {"ignore": True, "rescore": False, "oversampling": 2.0}},
    {"acorn": {"enable": True, "max_selectivity": 0.4}},
]


@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_search_parameters(engine: Engine, params: dict[str, Any]) -> None:
    assert engine.ids(query=QUERY, using="far", params=params) == engine.ids(query=QUERY, using="far")


def test_idf_over_a_part(engine: Engine) -> None:
    body = {"query": {"indices": [3, 4, 5, 6], "values": [1, 1, 1, 1]}, "using": "words", "limit": COUNT}
    whole = engine.query(**body)
    assert engine.query(**body, params={"idf": "global"}) == whole
    corpus = {"must": [{"has_id": list(range(1, 9))}]}
    part = engine.query(**body, params={"idf": {"corpus": corpus}})
    assert [hit["score"] for hit in part] != [hit["score"] for hit in whole]
    error = engine.refused(
        "POST", "points/query", body | {"using": "sparse", "params": {"idf": {"corpus": corpus}}}
    )
    assert "idf" in error.message


def test_full_text_in_every_place(indexed: Engine) -> None:
    """Filtered, over another corpus, fused with vectors, in a batch and in groups."""
    for at in range(1, COUNT + 1):
        words = "red fox" if at % 3 else "red dog dog"
        indexed("POST", "points/payload", {"points": [at], "payload": {"text": words, "group": at % 2}})
    text = {"query": {"text": "dog"}, "using": "text", "limit": COUNT}
    whole = indexed.query(**text)
    assert {hit["id"] % 3 for hit in whole} == {0}
    few = {"must": [{"has_id": [3, 6]}]}
    assert set(indexed.ids(**text, filter=few)) == {3, 6}
    common = indexed.query(**text, params={"idf": {"corpus": few}})
    assert 0 < common[0]["score"] < whole[0]["score"], "a word that all have says less"
    vector = {"query": [1, 0, 0, 0, 0, 0], "using": "dense", "limit": 3}
    fused = indexed.ids(prefetch=[text, vector], query={"fusion": "rrf"}, limit=COUNT)
    assert set(fused) == {hit["id"] for hit in whole} | set(indexed.ids(**vector))
    batch = indexed("POST", "points/query/batch", {"searches": [text, vector]})
    assert {hit["id"] for hit in batch[0]["points"]} == {hit["id"] for hit in whole}
    groups = indexed("POST", "points/query/groups", text | {"group_by": "group", "group_size": 2})["groups"]
    assert {group["id"] for group in groups} == {0, 1}
    assert indexed.query(**text, score_threshold=1000) == []


# --- groups ---------------------------------------------------------------------------------------


def test_groups_grow_until_they_are_full() -> None:
    """The best 300 points are all of one group: the first pages cannot fill the others."""
    engine = Engine()
    engine("PUT", "", {"vectors": {"size": 1, "distance": "Dot"}})
    rows = [{"id": at, "vector": [1000 - at], "payload": {"g": "a"}} for at in range(300)]
    rows += [
        {"id": at, "vector": [1000 - at], "payload": {"g": ["b", "c"], "h": at}} for at in range(300, 302)
    ]
    rows += [
        {"id": 400, "vector": [9000], "payload": {}},
        {"id": 401, "vector": [9000], "payload": {"g": [True, "b"]}},
    ]
    engine.upsert(*rows)
    body = {
        "query": [1.0],
        "group_by": "g",
        "limit": 3,
        "group_size": 2,
        "with_payload": ["h"],
        "with_vector": True,
    }
    groups = engine("POST", "points/query/groups", body)["groups"]
    assert [(group["id"], [hit["id"] for hit in group["hits"]]) for group in groups] == [
        ("a", [0, 1]), ("b", [300, 301]), ("c", [300, 301]),
    ]  # fmt: skip
    assert groups[1]["hits"][0] == {
        "id": 300,
        "version": 0,
        "score": 700.0,
        "payload": {"h": 300},
        "vector": [700.0],
    }
    bare = engine("POST", "points/query/groups", {"query": [1.0], "group_by": "g", "limit": 1})["groups"]
    assert [set(hit) for hit in bare[0]["hits"]] == [{"id", "version", "score"}] * 3
    only_b = {"must": [{"key": "g", "match": {"value": "b"}}]}
    found = engine("POST", "points/query/groups", body | {"filter": only_b})["groups"]
    assert [group["id"] for group in found] == ["b", "c"]
    prefetch = {
        "prefetch": [{"query": [1.0], "limit": 200}],
        "query": [1.0],
        "group_by": "g",
        "group_size": 2,
    }
    assert len(engine("POST", "points/query/groups", prefetch)["groups"]) == 3
    engine.close()


def test_groups_with_lookup(engine: Engine) -> None:
    body = {"query": QUERY, "using": "far", "group_by": "number", "limit": 10, "group_size": 1}
    groups = engine("POST", "points/query/groups", body | {"with_lookup": "plain"})["groups"]
    looked_up = {group["id"]: group.get("lookup") for group in groups}
    assert looked_up[1] == {"id": 1, "payload": {"a": 1}}
    assert looked_up[0] is None
    lookup = {"collection": "plain", "with_payload": False, "with_vectors": True}
    groups = engine("POST", "points/query/groups", body | {"with_lookup": lookup})["groups"]
    (one,) = [group["lookup"] for group in groups if group["id"] == 1]
    assert set(one) == {"id", "vector"}
    words = body | {"group_by": "word", "with_lookup": "plain"}
    assert all("lookup" not in group for group in engine("POST", "points/query/groups", words)["groups"])
    for bad, code in (
        ({"group_by": None}, "invalid-request"),
        ({"with_lookup": "nowhere"}, "unknown-collection"),
        ({"with_lookup": {"collektion": "x"}}, "unknown-option"),
        ({"group_size": 0}, "invalid-request"),
        ({"offset_": 0}, "unknown-option"),
    ):
        assert engine.refused("POST", "points/query/groups", body | bad).code == code


def test_paths_of_groups() -> None:
    payload = {"a": {"b": [1, 2]}, "l": [{"x": 1}, {"x": [2, 3]}, {}, 5], "q.r": {"s": "t"}}
    for path, values in {
        "a.b": [1, 2], "l[].x": [1, 2, 3], "l[1].x": [2, 3], "l[9].x": [], '"q.r".s': ["t"],
        "no.thing": [], "a.b[0]": [1],
    }.items():  # fmt: skip
        assert values_at(payload, path) == values


# --- conditions that the differential tests do not reach ------------------------------------------


@pytest.fixture(scope="module")
def words(engine: Engine) -> Engine:
    engine("PUT", "", {"vectors": {"size": 1, "distance": "Dot"}}, to="words")
    values: list[Any] = [
        "red fox",
        "fox red",
        "foxes",
        "lazy dog",
        True,
        1,
        "true",
        False,
        0,
        [True],
        [1],
        None,
    ]
    rows = [{"id": at, "vector": [1], "payload": {"v": value}} for at, value in enumerate(values)]
    engine.upsert(*rows, to="words")
    return engine


@pytest.mark.parametrize("index", [None, "bool", "integer", "keyword"])
def test_true_is_not_one(words: Engine, index: str | None) -> None:
    def found(value: Any) -> list[Any]:
        return words.matching({"must": {"key": "v", "match": {"value": value}}}, to="words")

    if index is not None:
        words("PUT", "index", {"field_name": "v", "field_schema": index}, to="words")
    try:
        assert (found(True), found(1), found("true")) == ([4, 9], [5, 10], [6])
        assert (found(False), found(0)) == ([7], [8])
    finally:
        if index is not None:
            words("DELETE", "index/v", to="words")


@pytest.mark.parametrize(
    ("match", "ids"),
    [
        ({"text": "red"}, [0, 1]),
        ({"text_any": "red dog"}, [0, 1, 3]),
        ({"phrase": "red fox"}, [0]),
        ({"prefix": "fox"}, [1, 2]),
        ({"substring": "azy"}, [3]),
        ({"any": []}, []),
        ({"except": ["foxes"]}, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
    ids=str,
)
def test_matches_of_text(words: Engine, match: dict[str, Any], ids: list[int]) -> None:
    index = (
        {"type": "text", "phrase_matching": True} if set(match) <= {"text", "text_any", "phrase"} else None
    )
    if index:
        words("PUT", "index", {"field_name": "v", "field_schema": index}, to="words")
    try:
        assert words.matching({"must": [{"key": "v", "match": match}]}, to="words") == ids
    finally:
        if index:
            words("DELETE", "index/v", to="words")


def test_slices_part_the_points(engine: Engine) -> None:
    parts = [engine.matching({"must": [{"slice": {"total": 3, "index": at}}]}) for at in range(3)]
    assert sorted(item for part in parts for item in part) == list(range(1, COUNT + 1))
    assert all(parts)


def test_is_empty_and_is_null_of_a_field(engine: Engine) -> None:
    for name in ("is_empty", "is_null"):
        yes = engine.matching({"must": [{"key": "word", name: True}]})
        assert yes == engine.matching({"must": [{name: {"key": "word"}}]}) and yes
        no = engine.matching({"must": [{"key": "word", name: False}]})
        assert sorted(yes + no) == list(range(1, COUNT + 1))


def test_empty_filters_match_all(engine: Engine) -> None:
    for empty in ({}, {"must": None}, {"must": [{}]}, {"must": [{"should": []}]}, None):
        assert len(engine.matching(empty)) == COUNT


BAD_FILTERS: list[tuple[Any, str, str]] = [
    ({"most": []}, "unknown-condition", "most"),
    ({"must": [{"keys": "a"}]}, "unknown-condition", "keys"),
    ({"must": [{"key": "a", "matches": {}}]}, "unknown-condition", "matches"),
    ({"must": [{"key": "a", "match": {"values": 1}}]}, "unknown-condition", "values"),
    ({"must": [{"key": "a", "match": {"value": 1, "text": "x"}}]}, "unknown-condition", "match"),
    ({"must": [{"key": "a"}]}, "ambiguous-condition", "`a`"),
    ({"must": [{"key": "a", "match": {"value": 1}, "range": {"gt": 1}}]}, "ambiguous-condition", "`range`"),
    ({"must": [{"is_null": {"key": "a"}, "is_empty": {"key": "a"}}]}, "ambiguous-condition", "is_null"),
    ({"must": [{"must": [], "key": "a"}]}, "unknown-condition", "key"),
    ({"must": [{"key": "a[", "match": {"value": 1}}]}, "invalid-field", "`a[`"),
    ({"must": [{"key": "a", "match": {"value": 1.5}}]}, "invalid-condition", "1.5"),
    ({"must": [{"key": "a", "match": {"value": 2**63}}]}, "invalid-request", str(2**63)),
    ({"must": [{"key": "a", "match": {"any": [1, "x"]}}]}, "invalid-condition", "any"),
    ({"must": [{"key": "a", "match": {"any": [True]}}]}, "invalid-condition", "any"),
    ({"must": [{"key": "a", "match": {"text": 1}}]}, "invalid-request", "text"),
    ({"must": [{"key": "a", "range": {"gt": "soon"}}]}, "invalid-condition", "`a`"),
    (
        {"must": [{"key": "a", "range": {"gt": "2024-01-01", "lt": 3}}]},
        "invalid-request",
        "`gt` of `a` range",
    ),
    ({"must": [{"key": "a", "range": {"above": 3}}]}, "unknown-option", "above"),
    ({"must": [{"key": "a", "range": {"gt": math.nan}}]}, "invalid-request", "finite"),
    ({"must": [{"key": "a", "values_count": {"gt": -1}}]}, "invalid-request", "values_count"),
    (
        {"must": [{"key": "a", "geo_radius": {"center": {"lat": 95, "lon": 0}, "radius": 1}}]},
        "invalid-condition",
        "95",
    ),
    (
        {"must": [{"key": "a", "geo_radius": {"center": {"lat": 5, "lon": 0}, "radius": -1}}]},
        "invalid-condition",
        "radius",
    ),
    ({"must": [{"key": "a", "geo_radius": {"center": {"lat": 5, "lon": 0}}}]}, "missing-option", "radius"),
    ({"must": [{"key": "a", "geo_polygon": {"exterior": {"points": []}}}]}, "invalid-condition", "polygon"),
    ({"must": [{"has_id": ["x"]}]}, "invalid-point-id", "has_id"),
    ({"must": [{"has_id": 3}]}, "invalid-request", "has_id"),
    ({"must": [{"slice": {"total": 2, "index": 2}}]}, "invalid-condition", "index"),
    ({"must": [{"slice": {"total": 0, "index": 0}}]}, "invalid-request", "total"),
    ({"must": [{"nested": {"key": "a"}}]}, "unknown-condition", "nested"),
    ({"must": [7]}, "invalid-request", "condition"),
    ({"min_should": {"conditions": []}}, "missing-option", "min_count"),
    ([], "invalid-request", "filter"),
]


@pytest.mark.parametrize(("filter", "code", "named"), BAD_FILTERS, ids=str)
def test_bad_filters_are_refused_by_name(engine: Engine, filter: Any, code: str, named: str) -> None:
    error = engine.refused("POST", "points/scroll", {"filter": filter})
    assert error.code == code, error
    assert named in error.message
    assert engine.refused("POST", "points/delete", {"filter": filter}).code == code


def deep_filter(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"must": [{"has_id": [1]}]}
    for _ in range(depth - 1):
        made = {"must_not": [made]}
    return made


def test_filters_nest_deeply(engine: Engine) -> None:
    assert filter_depth(deep_filter(7)) == 7
    assert engine.matching(deep_filter(201)) == [1]
    assert engine.matching(deep_filter(401)) == [1]
    for depth in (451, 5_000):
        assert engine.refused("POST", "points/scroll", {"filter": deep_filter(depth)}).code in (
            "filter-too-deep",
            "nested-too-deep",
        )


def deep_prefetch(depth: int) -> dict[str, Any]:
    body: dict[str, Any] = {"query": QUERY, "using": "far"}
    for _ in range(depth):
        body = {"prefetch": body, "query": QUERY, "using": "far"}
    return body


def test_prefetches_nest_to_64(engine: Engine) -> None:
    assert len(engine.query(**deep_prefetch(64))) == 10
    for depth in (65, 400):
        error = engine.refused("POST", "points/query", deep_prefetch(depth))
        assert (error.code, "64" in error.message) == ("prefetch-too-deep", True)


def test_formulas_nest_to_256(engine: Engine) -> None:
    def asked(depth: int) -> dict[str, Any]:
        made: Any = "$score"
        for _ in range(depth):
            made = {"neg": made}
        return {"prefetch": [{"query": QUERY, "using": "far"}], "query": {"formula": made}}

    assert len(engine.query(**asked(200))) == 10
    assert engine.refused("POST", "points/query", asked(300)).code == "formula-too-deep"


# --- queries that cannot be -----------------------------------------------------------------------

SOURCES = [{"query": QUERY, "using": "far"}, {"query": 3, "using": "dense"}]

BAD_QUERIES: list[tuple[dict[str, Any], str, str]] = [
    ({"query": QUERY}, "unknown-vector", "no unnamed vector"),
    ({"query": QUERY, "using": "dens"}, "unknown-vector", "`dens`"),
    ({"using": "dens"}, "unknown-vector", "`dens`"),
    ({"query": [1, 2], "using": "dense"}, "wrong-dimension", "has 6 dimensions, the query has 2"),
    ({"query": [[1, 2, 3], [1, 2]], "using": "rows"}, "wrong-dimension", "row 2"),
    ({"query": [[1] * 6], "using": "dense"}, "wrong-vector-kind", "multivector"),
    ({"query": {"indices": [1], "values": [1]}, "using": "dense"}, "wrong-vector-kind", "sparse"),
    ({"query": QUERY, "using": "sparse"}, "wrong-vector-kind", "`sparse`"),
    ({"query": {"indices": [1, 1], "values": [1, 2]}, "using": "sparse"}, "invalid-vector", "twice"),
    ({"query": [math.nan] * 6, "using": "dense"}, "invalid-vector", "nan"),
    ({"query": 999, "using": "dense"}, "unknown-point", "999"),
    ({"query": "doc-1", "using": "dense"}, "invalid-point-id", "doc-1"),
    ({"query": -1, "using": "dense"}, "invalid-point-id", "-1"),
    ({"query": True, "using": "dense"}, "invalid-request", "True"),
    ({"query": 1, "using": "dense", "lookup_from": {"collection": "plan"}}, "unknown-collection", "`plan`"),
    ({"query": 1, "using": "dense", "lookup_from": {"collection": "plain"}}, "unknown-vector", "`plain`"),
    (
        {"query": 2, "using": "dense", "lookup_from": {"collection": "plain", "vector": ""}},
        "missing-vector",
        "point 2",
    ),
    (
        {"query": 1, "using": "rows", "lookup_from": {"collection": "plain", "vector": ""}},
        "wrong-dimension",
        "3",
    ),
    ({"query": {"nearest": QUERY, "mmr": {"diversity": 2}}, "using": "far"}, "invalid-request", "diversity"),
    (
        {"query": {"nearest": {"indices": [1], "values": [1]}, "mmr": {}}, "using": "words"},
        "unsupported",
        "MMR",
    ),
    ({"query": {"recommend": {"positive": []}}, "using": "dense"}, "positive-required", "positive"),
    ({"query": {"recommend": {"strategy": "sum_scores"}}, "using": "dense"}, "positive-required", "example"),
    (
        {"query": {"recommend": {"positive": [1], "strategy": "best"}}, "using": "dense"},
        "unknown-strategy",
        "best",
    ),
    ({"query": {"recommend": {"positives": [1]}}, "using": "dense"}, "unknown-option", "positives"),
    ({"query": {"discover": {"context": []}}, "using": "dense"}, "missing-option", "target"),
    ({"query": {"context": [{"positive": 1}]}, "using": "dense"}, "missing-option", "negative"),
    ({"query": {"fusion": "rrf"}}, "prefetch-required", "fusion"),
    ({"query": {"fusion": "max"}, "prefetch": SOURCES}, "unknown-fusion", "max"),
    ({"query": {"rrf": {"k": 0}}, "prefetch": SOURCES}, "invalid-request", "rrf.k"),
    ({"query": {"rrf": {"weights": [1]}}, "prefetch": SOURCES}, "wrong-number-of-weights", "1 weight for 2"),
    ({"query": {"rrf": {"weights": [1, math.inf]}}, "prefetch": SOURCES}, "invalid-request", "weights"),
    ({"query": {"formula": "$score"}}, "prefetch-required", "formula"),
    ({"query": {"formula": {"summ": []}}, "prefetch": SOURCES}, "unknown-expression", "summ"),
    ({"query": {"formula": {"max": []}}, "prefetch": SOURCES}, "invalid-formula", "max"),
    ({"query": {"formula": {"div": {"left": 1}}}, "prefetch": SOURCES}, "missing-option", "right"),
    (
        {"query": {"formula": {"lin_decay": {"x": 1, "scale": 0}}}, "prefetch": SOURCES},
        "invalid-formula",
        "scale",
    ),
    (
        {"query": {"formula": {"exp_decay": {"x": 1, "midpoint": 1}}}, "prefetch": SOURCES},
        "invalid-formula",
        "midpoint",
    ),
    ({"query": {"formula": "$scores"}, "prefetch": SOURCES}, "invalid-formula", "scores"),
    ({"query": {"formula": {"datetime": "soon"}}, "prefetch": SOURCES}, "invalid-formula", "soon"),
    ({"query": {"formula": "nowhere"}, "prefetch": SOURCES}, "formula-failed", "`nowhere`, and point "),
    ({"query": {"formula": {"sqrt": -1}}, "prefetch": SOURCES}, "formula-failed", "docs"),
    ({"query": {"text": "hello", "model": "m"}, "using": "dense"}, "unsupported", "model 'm'"),
    ({"query": {"nearest": {"text": "hello", "model": "m"}}, "using": "dense"}, "unsupported", "text"),
    ({"query": {"image": "x"}, "using": "dense"}, "unsupported", "image"),
    ({"query": {"near": 1}, "using": "dense"}, "unknown-query", "near"),
    ({"query": {"sample": "all"}}, "invalid-request", "all"),
    ({"prefetch": SOURCES}, "query-required", "prefetches"),
    (
        {"prefetch": [{"query": 1, "using": "dense", "offset": 3}], "query": {"fusion": "rrf"}},
        "unknown-option",
        "offset",
    ),
    ({"prefetch": [{"prefetch": SOURCES}], "query": {"fusion": "rrf"}}, "query-required", "prefetches"),
    ({"limit": 0}, "invalid-request", "limit"),
    ({"limit": 2**32}, "invalid-request", "limit"),
    ({"offset": -1}, "invalid-request", "offset"),
    ({"score_threshold": math.nan, "query": QUERY, "using": "far"}, "invalid-request", "score_threshold"),
    ({"score_threshold": 0.5}, "invalid-request", "without a query"),
    ({"score_threshold": 0.5, "query": {"order_by": "number"}}, "invalid-request", "with order_by"),
    (
        {
            "prefetch": [{"score_threshold": 0.5, "query": {"order_by": "number"}}],
            "query": {"fusion": "rrf"},
        },
        "invalid-request",
        "with order_by",
    ),
    ({"with_vector": ["nope"]}, "unknown-vector", "nope"),
    ({"with_payload": {"include": ["a"], "exclude": ["b"]}}, "invalid-request", "with_payload"),
    ({"with_payload": ["a["]}, "invalid-field", "a["),
    ({"params": {"ef": 3}}, "unknown-option", "`params` of the query has no option `ef`"),
    ({"params": {"quantization": {"rescoring": True}}}, "unknown-option", "rescoring"),
    ({"shard_key": "a"}, "unsupported", "shard_key"),
    ({"params": {"consistency": "majority"}}, "unsupported", "consistency"),
    ({"params": {"timeout": 3}}, "unsupported", "timeout"),
    ({"query": {"nearest": {"image": "x"}}, "using": "dense"}, "unsupported", "image"),
    ({"lookup_from": {"collection": "plain", "shard_key": "a"}}, "unsupported", "shard_key"),
    ({"group_by": "a"}, "unknown-option", "group_by"),
]


@pytest.mark.parametrize(("body", "code", "named"), BAD_QUERIES, ids=lambda part: str(part)[:70])
def test_bad_queries_are_refused_by_name(engine: Engine, body: dict[str, Any], code: str, named: str) -> None:
    error = engine.refused("POST", "points/query", body)
    assert error.code == code, error
    assert named in error.message
    assert isinstance(error, QQLUnsupportedError) == (code == "unsupported")


def test_a_point_without_the_vector(engine: Engine) -> None:
    (lacking, *_) = engine.matching({"must_not": [{"has_vector": "dense"}]})
    error = engine.refused("POST", "points/query", {"query": lacking, "using": "dense"})
    assert error.code == "missing-vector"
    assert f"point {lacking}" in error.message and "`dense`" in error.message


def test_the_vectors_are_listed(engine: Engine) -> None:
    hint = engine.refused("POST", "points/query", {"query": QUERY}).hint
    assert hint is not None
    assert all(f"`{name}`" in hint for name in ("dense", "far", "words"))
    near = engine.refused("POST", "points/query", {"query": QUERY, "using": "dens"}).hint
    assert near is not None and "did you mean `dense`?" in near


# --- when the engine breaks -----------------------------------------------------------------------


class PanicException(BaseException):
    """Named like the one that the engine's binding raises."""


def test_a_panic_closes_the_shard_and_the_next_use_opens_it(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine("PUT", "", {"vectors": {"size": 1, "distance": "Dot"}})
    engine.upsert({"id": 1, "vector": [1]})
    collection = engine.backend._database.get("docs")
    before = collection.shard
    with pytest.raises(QQLExecutionError) as caught, collection.engine():
        raise PanicException("called `Option::unwrap()` on a `None` value")
    assert caught.value.code == "engine-error"
    assert "`docs`" in caught.value.message and isinstance(caught.value.__cause__, PanicException)
    assert engine.matching({}) == [1]
    assert collection.shard is not before
    engine.close()


def test_a_keyboard_interrupt_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt), guarded("docs"):
        raise KeyboardInterrupt


def test_unknown_failures_are_still_ours() -> None:
    with pytest.raises(QQLError) as caught, guarded("docs"):
        raise Exception("Service runtime error: something new\nsecond line")
    assert (caught.value.code, caught.value.message) == (
        "engine-error",
        "`docs`: Service runtime error: something new",
    )


def test_threads_take_turns(engine: Engine) -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(30):
                engine.query(query=vector(rng), using="far")
                engine("POST", "points/payload", {"points": [1], "payload": {"thread": seed}})
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_small_thread_stack_stands_deep_filters(engine: Engine) -> None:
    before = threading.stack_size(512 * 1024)
    try:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(engine.matching(deep_filter(201))))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert found == [[1]]


def test_importing_needs_no_numpy() -> None:
    from edge_helpers import python

    child = python(
        "import qql.backends.edge\nprint(sorted({'numpy', 'qdrant_client', 'lark'} & set(sys.modules)))"
    )
    out, err = child.communicate()
    assert out == "[]\n", err


def test_a_backend_is_what_a_session_expects() -> None:
    for name in ("call", "optimize", "close", "infers", "flush", "needs_optimize"):
        assert callable(getattr(EdgeBackend, name))
