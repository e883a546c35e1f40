"""The embedded engine against qdrant-client's local mode, on generated data."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from edge_helpers import CONFIG, Engine, Oracle, points, same_ranking, sparse, vector

from qql.rest.named_points import without_named_points

COUNT = 80


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Engine, Oracle]]:
    engine, oracle = Engine(), Oracle()
    for name, seed in (("docs", 7), ("other", 8)):
        rows = points(COUNT, seed)
        engine("PUT", "", CONFIG, to=name)
        engine.upsert(*rows, to=name)
        oracle.create(name, CONFIG, rows)
    yield engine, oracle
    engine.close()
    oracle.close()


def compare(both: tuple[Engine, Oracle], **body: Any) -> list[tuple[Any, float]]:
    engine, oracle = both
    ours = [(point["id"], point["score"]) for point in engine.query(**body)]
    # A server leaves a point that a stage names out of all stages; local mode out of that stage only.
    same_ranking(ours, oracle.query("docs", **without_named_points(body, "docs")))
    return ours


def target(rng: random.Random, using: str) -> Any:
    if using in ("sparse", "words"):
        return sparse(rng)
    return [vector(rng, 3) for _ in range(2)] if using == "rows" else vector(rng)


USINGS = ["dense", "dot", "far", "city", "rows", "sparse", "words"]


@pytest.mark.parametrize("using", USINGS)
def test_nearest_with_filter_threshold_and_page(both: tuple[Engine, Oracle], using: str) -> None:
    rng = random.Random(using)
    for _ in range(5):
        query = target(rng, using)
        whole = compare(both, query=query, using=using, limit=COUNT)
        assert len(whole) > 20
        compare(both, query={"nearest": query}, using=using, limit=7, offset=3)
        middle = whole[len(whole) // 2][1] + 1e-3
        cut = compare(both, query=query, using=using, limit=COUNT, score_threshold=middle)
        assert 0 < len(cut) < len(whole)
        compare(both, query=query, using=using, filter={"must": [{"key": "flag", "match": {"value": True}}]})


@pytest.mark.parametrize("using", USINGS)
def test_by_id_excludes_the_point_itself(both: tuple[Engine, Oracle], using: str) -> None:
    found = compare(both, query=5, using=using, limit=COUNT)
    assert 5 not in dict(found)
    compare(both, query=5, using=using, filter={"must_not": {"key": "word", "match": {"value": "red"}}})


@pytest.mark.parametrize("using", ["dense", "rows", "words", "dot"])
def test_by_id_of_another_collection_excludes_nothing(both: tuple[Engine, Oracle], using: str) -> None:
    found = compare(both, query=5, using=using, limit=COUNT, lookup_from={"collection": "other"})
    assert 5 in dict(found)


def test_by_id_with_another_vector_of_another_collection(both: tuple[Engine, Oracle]) -> None:
    compare(both, query=5, using="dense", lookup_from={"collection": "other", "vector": "far"})
    found = compare(
        both, query=5, using="dense", lookup_from={"collection": "docs", "vector": "far"}, limit=COUNT
    )
    assert 5 not in dict(found)


@pytest.mark.parametrize("strategy", ["average_vector", "best_score", "sum_scores", None])
@pytest.mark.parametrize("using", ["dense", "dot", "far", "rows", "sparse", "words"])
def test_recommend(both: tuple[Engine, Oracle], using: str, strategy: str | None) -> None:
    rng = random.Random(f"{using}{strategy}")
    for positive, negative in (([3], []), ([3, 4], [5]), ([target(rng, using), 4], [target(rng, using), 7])):
        recommend = {"positive": positive, "negative": negative, "strategy": strategy}
        compare(both, query={"recommend": recommend}, using=using, limit=20)


def test_recommend_with_negatives_alone(both: tuple[Engine, Oracle]) -> None:
    for strategy in ("best_score", "sum_scores"):
        compare(both, query={"recommend": {"negative": [3, 4], "strategy": strategy}}, using="dense")


@pytest.mark.parametrize("using", ["dense", "dot", "rows", "sparse"])
def test_discover_and_context(both: tuple[Engine, Oracle], using: str) -> None:
    rng = random.Random(using)
    pairs = [{"positive": 3, "negative": 4}, {"positive": target(rng, using), "negative": 6}]
    compare(both, query={"discover": {"target": 11, "context": pairs}}, using=using, limit=30)
    compare(both, query={"discover": {"target": target(rng, using), "context": pairs[0]}}, using=using)
    compare(both, query={"context": pairs}, using=using, limit=30)


def test_mmr_and_relevance_feedback(both: tuple[Engine, Oracle]) -> None:
    rng = random.Random(3)
    query = vector(rng)
    for diversity in (0.0, 0.3, 0.9):
        mmr = {"diversity": diversity, "candidates_limit": 30}
        compare(both, query={"nearest": query, "mmr": mmr}, using="dense", limit=8)
    compare(both, query={"nearest": 5, "mmr": {}}, using="dense", limit=8)
    feedback = [{"example": 3, "score": 0.9}, {"example": vector(rng), "score": 0.2}]
    strategy = {"naive": {"a": 0.8, "b": 0.5, "c": 0.3}}
    body = {"target": query, "feedback": feedback, "strategy": strategy}
    compare(both, query={"relevance_feedback": body}, using="dense", limit=20)


def prefetches(rng: random.Random) -> list[dict[str, Any]]:
    return [
        {"query": vector(rng), "using": "dense", "limit": 25},
        {"query": sparse(rng), "using": "words", "limit": 15, "filter": {"must": [number_range(rng)]}},
        {"query": 9, "using": "rows", "score_threshold": 0.1},
    ]


def number_range(rng: random.Random) -> dict[str, Any]:
    low = rng.randrange(5)
    return {"key": "number", "range": {"gte": low, "lt": low + 5}}


FUSIONS: list[dict[str, Any]] = [
    {"fusion": "rrf"},
    {"fusion": "dbsf"},
    {"rrf": {}},
    {"rrf": {"k": 60}},
    {"rrf": {"k": 5, "weights": [0.7, 0.2, 3.0]}},
]


@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_fusion(both: tuple[Engine, Oracle], fusion: dict[str, Any]) -> None:
    rng = random.Random(str(fusion))
    for _ in range(4):
        sources = prefetches(rng)
        whole = compare(both, prefetch=sources, query=fusion, limit=COUNT)
        middle = whole[len(whole) // 2][1] + 1e-4
        compare(both, prefetch=sources, query=fusion, limit=COUNT, score_threshold=middle)


def test_nested_prefetches(both: tuple[Engine, Oracle]) -> None:
    rng = random.Random(11)
    for _ in range(4):
        fused = {"prefetch": prefetches(rng), "query": {"fusion": "dbsf"}, "limit": COUNT}
        compare(both, prefetch=fused, query=vector(rng), using="far", limit=15)
        compare(both, prefetch=[fused, prefetches(rng)[0]], query=vector(rng), using="dot", limit=15)
        narrow = {"must": [{"key": "flag", "match": {"value": False}}]}
        found = compare(both, prefetch=fused, query=vector(rng), using="far", filter=narrow, limit=COUNT)
        assert 0 < len(found) < COUNT


def test_an_id_in_a_stage_above_prefetches(both: tuple[Engine, Oracle]) -> None:
    source = {"query": vector(random.Random(2)), "using": "dot", "limit": 20}
    found = compare(both, prefetch=source, query=6, using="dense", limit=COUNT)
    assert 6 not in dict(found)


SCORE: dict[str, Any] = {"mult": [2.5, "$score"]}
FORMULAS: list[Any] = [
    SCORE,
    {"sum": ["$score", {"mult": [0.25, {"key": "word", "match": {"value": "red"}}]}]},
    {"sum": [{"neg": "price"}, 3, {"abs": {"neg": "position"}}]},
    {"div": {"left": "price", "right": "zero", "by_zero_default": 7}},
    {"pow": {"base": {"sqrt": "price"}, "exponent": 1.5}},
    {"sum": [{"exp": "$score"}, {"log10": {"sum": ["price", 1]}}, {"ln": {"sum": ["price", 1]}}]},
    {"max": ["price", 50, {"min": ["position", 10]}]},
    {"acosh": {"sum": [1, "price"]}},
    {"sum": ["$score[0]", "$score[1]"]},
    {"geo_distance": {"origin": {"lat": 50, "lon": 10}, "to": "place"}},
    {"lin_decay": {"x": "price", "target": 50, "scale": 30, "midpoint": 0.2}},
    {"exp_decay": {"x": "price", "target": 50, "scale": 30}},
    {"gauss_decay": {"x": "price", "target": 50, "scale": 30, "midpoint": 0.7}},
    {"lin_decay": {"x": "$score"}},
    {"mult": [{"must": [{"key": "flag", "match": {"value": True}}]}, "price"]},
    {
        "gauss_decay": {
            "x": {"datetime_key": "at"},
            "target": {"datetime": "2024-05-15T00:00:00Z"},
            "scale": 5_000_000,
        }
    },
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_formula(both: tuple[Engine, Oracle], formula: Any) -> None:
    sources = [
        {"query": vector(random.Random(5)), "using": "dense", "limit": 40},
        {"query": vector(random.Random(6)), "using": "dot", "limit": 40},
    ]
    defaults = {"number": 3, "zero": 0, "$score[1]": 0.5}
    compare(both, prefetch=sources, query={"formula": formula, "defaults": defaults}, limit=COUNT)


# --- filters --------------------------------------------------------------------------------------


def leaf(rng: random.Random) -> dict[str, Any]:
    low = rng.randrange(8)
    return rng.choice(
        [
            {"key": "number", "match": {"value": low}},
            {"key": "word", "match": {"value": rng.choice(["red", "green", "no"])}},
            {"key": "flag", "match": {"value": rng.random() < 0.5}},
            {"key": "mixed", "match": {"value": rng.choice([True, False, 1, 0, "1"])}},
            {"key": "word", "match": {"any": ["red", "blue"]}},
            {"key": "number", "match": {"any": [1, 2, low]}},
            {"key": "tags", "match": {"except": ["a", "b"]}},
            {"key": "number", "match": {"except": [low]}},
            {"key": "number", "range": {"gt": low, "lte": low + 3}},
            {"key": "price", "range": {"lt": low * 10.5}},
            {"key": "at", "range": {"gte": f"2024-0{low + 1}-01T00:00:00Z", "lt": "2024-08-15T00:00:00Z"}},
            {"key": "place", "geo_radius": {"center": {"lat": 50, "lon": 10}, "radius": low * 200_000.0}},
            {
                "key": "place",
                "geo_bounding_box": {
                    "top_left": {"lat": 55, "lon": 3},
                    "bottom_right": {"lat": 45, "lon": 9 + low},
                },
            },
            {"key": "place", "geo_polygon": {"exterior": {"points": TRIANGLE}}},
            {"key": "tags", "values_count": {"gte": low % 3, "lt": 3}},
            {"key": "parts[].size", "range": {"gte": low % 5}},
            {"nested": {"key": "parts", "filter": {"must": PART}}},
            {"is_empty": {"key": rng.choice(["tags", "number", "word", "nothing"])}},
            {"is_null": {"key": rng.choice(["word", "mixed", "nothing"])}},
            {"has_id": rng.sample(range(1, COUNT), 9)},
            {"has_vector": rng.choice(["dense", "sparse", "rows"])},
        ]
    )


TRIANGLE = [{"lat": 42, "lon": 2}, {"lat": 58, "lon": 10}, {"lat": 42, "lon": 18}, {"lat": 42, "lon": 2}]
PART = [{"key": "size", "range": {"gte": 2}}, {"key": "kind", "match": {"value": "x"}}]


def filters(rng: random.Random, depth: int) -> dict[str, Any]:
    def one() -> dict[str, Any]:
        return filters(rng, depth - 1) if depth and rng.random() < 0.4 else leaf(rng)

    out: dict[str, Any] = {}
    for clause in rng.sample(["must", "should", "must_not"], rng.randrange(1, 4)):
        out[clause] = one() if rng.random() < 0.2 else [one() for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.2:
        out["min_should"] = {"conditions": [one() for _ in range(3)], "min_count": rng.randrange(1, 3)}
    return out


def test_filters(both: tuple[Engine, Oracle]) -> None:
    engine, oracle = both
    rng, sizes = random.Random(42), []
    for _ in range(400):
        asked = filters(rng, 2)
        found = engine.matching(asked)
        assert sorted(found) == sorted(oracle.matching("docs", asked)), asked
        sizes.append(len(found))
    assert sum(0 < size < COUNT for size in sizes) > 150  # they tell points apart


@pytest.mark.slow
def test_filters_with_indexes(both: tuple[Engine, Oracle]) -> None:
    """The same family again, answered from payload indexes."""
    engine, oracle = both
    kinds = {"number": "integer", "price": "float", "word": "keyword", "tags": "keyword", "flag": "bool"}
    for field, kind in {**kinds, "at": "datetime", "place": "geo", "mixed": "bool"}.items():
        engine("PUT", "index", {"field_name": field, "field_schema": kind})
    try:
        rng = random.Random(43)
        for _ in range(200):
            asked = filters(rng, 1)
            assert sorted(engine.matching(asked)) == sorted(oracle.matching("docs", asked)), asked
    finally:
        for field in [*kinds, "at", "place", "mixed"]:
            engine("DELETE", f"index/{field}")


def test_groups(both: tuple[Engine, Oracle]) -> None:
    engine, oracle = both
    query = vector(random.Random(9))
    for field in ("word", "tags", "number"):
        body = {"query": query, "using": "dense", "group_by": field, "group_size": 2, "limit": 3}
        ours = engine("POST", "points/query/groups", body)["groups"]
        theirs = oracle.client.query_points_groups(
            "docs", query=query, using="dense", group_by=field, group_size=2, limit=3
        ).groups
        assert [group["id"] for group in ours] == [group.id for group in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            same_ranking(
                [(hit["id"], hit["score"]) for hit in mine["hits"]],
                [(hit.id, hit.score) for hit in other.hits],
            )


@pytest.mark.parametrize("using", ["dense", "far", "sparse"])
def test_the_matrix_of_all_points(both: tuple[Engine, Oracle], using: str) -> None:
    engine, oracle = both
    word = {"must": [{"key": "word", "match": {"value": "red"}}]}
    body = {"using": using, "filter": word, "sample": COUNT, "limit": 4}
    theirs = oracle.client.search_matrix_pairs(
        "docs", query_filter=oracle.models.Filter.model_validate(word), limit=4, sample=COUNT, using=using
    ).pairs
    ours = engine("POST", "points/search/matrix/pairs", body)["pairs"]
    assert len(ours) > 20
    for one in {pair["a"] for pair in ours} | {pair.a for pair in theirs}:
        same_ranking(
            [(pair["b"], pair["score"]) for pair in ours if pair["a"] == one],
            [(pair.b, pair.score) for pair in theirs if pair.a == one],
        )
    found = engine("POST", "points/search/matrix/offsets", body)
    again = [
        (found["ids"][row], found["ids"][column])
        for row, column in zip(found["offsets_row"], found["offsets_col"], strict=True)
    ]
    assert again == [(pair["a"], pair["b"]) for pair in ours]


def test_a_matrix_draws_no_more_than_its_sample(both: tuple[Engine, Oracle]) -> None:
    engine, _ = both
    pairs = engine("POST", "points/search/matrix/pairs", {"using": "dense", "sample": 5})["pairs"]
    assert len(pairs) == 5 * 3  # Qdrant's own limit is 3
    assert len({pair["a"] for pair in pairs}) == 5
    none = {"must": [{"key": "word", "match": {"value": "nothing is called so"}}]}
    body = {"using": "dense", "filter": none}
    assert engine("POST", "points/search/matrix/pairs", body) == {"pairs": []}
    assert engine("POST", "points/search/matrix/offsets", body)["ids"] == []


def operation(rng: random.Random, known: list[int]) -> dict[str, Any]:
    """One operation of a batch, of any kind, on points that are there (or, for an upsert, may be)."""
    some = rng.sample(known, 3)
    which: dict[str, Any] = {"points": some}
    if rng.random() < 0.4:
        which = {"filter": {"must": [number_range(rng), {"has_id": known}]}}
    kind = rng.choice(["upsert", "set", "key", "overwrite", "keys", "clear", "vectors", "names"])
    if kind == "upsert":
        body: dict[str, Any] = {"points": points(3, rng.randrange(1000))}
        if rng.random() < 0.5:
            body["update_filter"] = {"must": [number_range(rng)]}
        if rng.random() < 0.5:
            body["update_mode"] = rng.choice(["upsert", "insert_only", "update_only"])
        return {"upsert": body}
    if kind == "vectors":
        return {"update_vectors": {"points": [{"id": n, "vector": {"dot": vector(rng)}} for n in some]}}
    if kind == "names":
        return {"delete_vectors": {"vector": ["far", "sparse"], **which}}
    if kind == "clear":
        return {"clear_payload": which}
    if kind == "keys":
        return {"delete_payload": {"keys": ["word", "place.lat"], **which}}
    payload = {"number": rng.randrange(10), "deep": {"a": [rng.random()]}}
    if kind == "key":
        return {"set_payload": {"payload": payload, "key": "deep", **which}}
    return {f"{kind}_payload": {"payload": payload, **which}}


def to_ten_digits(value: Any) -> Any:
    """The engine's storage reads a float's last digit back a little wrong."""
    if isinstance(value, dict):
        return {key: to_ten_digits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_ten_digits(item) for item in value]
    return round(value, 10) if isinstance(value, float) else value


@pytest.mark.parametrize("seed", range(4))
def test_batches_of_changes(seed: int) -> None:
    """Every kind of operation, in an order that matters: both end up with the same points."""
    rng, rows = random.Random(seed), points(30, 3)
    engine, oracle = Engine(), Oracle()
    engine("PUT", "", CONFIG)
    engine.upsert(*rows)
    oracle.create("docs", CONFIG, rows)
    known = [row["id"] for row in rows]
    for _ in range(6):
        operations = [operation(rng, known) for _ in range(8)]
        if rng.random() < 0.7:
            gone = rng.choice(known[5:])
            known.remove(gone)
            operations.append({"delete": {"points": [gone]}})
        engine("POST", "points/batch", {"operations": operations}, wait="true")
        made = oracle.models.UpdateOperations.model_validate({"operations": operations}).operations
        oracle.client.batch_update_points("docs", made)
        assert engine.matching({}) == oracle.matching("docs", {})
        asked = {"ids": known, "with_payload": True, "with_vector": True}
        ours = {one["id"]: one for one in engine("POST", "points", asked)}
        theirs = oracle.client.retrieve("docs", known, with_payload=True, with_vectors=True)
        assert len(ours) == len(theirs) == len(known)
        for other in theirs:
            mine = ours[other.id]
            assert to_ten_digits(mine["payload"]) == to_ten_digits(other.payload or {}), other.id
            assert mine["vector"].keys() == (other.vector or {}).keys(), other.id
            assert mine["vector"].get("dot") == pytest.approx((other.vector or {}).get("dot"))
    engine.close()
    oracle.close()
