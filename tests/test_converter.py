"""Requests → QQL → requests: what comes out means what went in, and what QQL cannot say is named."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from qdrant_client import models

import qql
from qql import nodes
from qql.convert import normal_form, to_tree
from qql.convert.statements import difference
from qql.errors import QQLPlanError, QQLSyntaxError
from qql.rest.request import BODY_MODELS, Request, body_adapter

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = settings(deadline=None, max_examples=examples(100), suppress_health_check=list(HealthCheck))
UUID = "550e8400-e29b-41d4-a716-446655440000"


def request(route: str, body: Any = None, *, method: str = "POST", **query: Any) -> Request:
    """A request to a route of the collection `docs`."""
    return Request(method, f"/collections/docs/{route}".rstrip("/"), query, body)


def search(body: dict[str, Any], **query: Any) -> Request:
    return request("points/query", body, **query)


def text(given: Any, **rest: Any) -> str:
    """The QQL of a request, on one line."""
    return " ".join(qql.from_request(given, **rest).split())


def comes_back(given: Request) -> str:
    """Checks that the QQL of a request compiles to a request of the same normal form; gives the QQL."""
    found = qql.from_request(given)
    (made,) = qql.compile(found)
    wanted = normal_form(given)
    back = normal_form(made)
    assert (back.method, back.path, back.query) == (wanted.method, wanted.path, wanted.query)
    assert difference(back.body, wanted.body) is None
    return found


# ------------------------------------------------------------------------------------ golden requests


def golden() -> list[Any]:
    found = []
    for path in sorted(GOLDEN.rglob("*.json")):
        for number, one in enumerate(json.loads(path.read_text(encoding="utf-8"))["requests"]):
            found.append(pytest.param(Request(**one), id=f"{path.parent.name}-{path.stem}-{number}"))
    return found


@pytest.mark.parametrize("one", golden())
def test_every_golden_request_comes_back(one: Request) -> None:
    assert normal_form(normal_form(one)) == normal_form(one)
    if list(one.body or {}) == ["metadata"] and "qql" in (one.body or {})["metadata"]:
        # The second request of a statement that adds or drops a vector with a model: no statement of its own.
        assert "metadata.qql: QQL records the models" in refused(one)
        return
    comes_back(one)
    (made,) = qql.compile(qql.from_request(one))
    if "sparse_vectors" not in (one.body or {}):  # `{}` is said as `modifier = none`, which is the same
        assert made == one


_BY_IDS = {
    ("POST", "payload"): {"payload": {"a": 1}},
    ("PUT", "payload"): {"payload": {"a": 1}},
    ("POST", "payload/delete"): {"keys": ["a"]},
    ("POST", "payload/clear"): {},
    ("POST", "vectors/delete"): {"vector": ["a"]},
    ("POST", "delete"): {},
}


@pytest.mark.parametrize(("method", "path"), _BY_IDS)
def test_ids_in_a_write_come_back_as_its_statement_sends_them(method: str, path: str) -> None:
    by_points, by_filter = {"points": [5, 7]}, {"filter": {"must": [{"has_id": [5, 7]}]}}
    for chosen in (by_points, by_filter):
        body = {**_BY_IDS[method, path], **chosen}
        found = qql.from_request({"method": method, "path": f"/collections/docs/points/{path}", "body": body})
        assert "WHERE id IN (5, 7)" in found
        [made] = qql.compile(found)
        assert made.body == {**_BY_IDS[method, path], **(by_points if path == "delete" else by_filter)}


def test_empty_lists_come_back_in_reads_and_are_refused_in_writes() -> None:
    found = {
        "must": [{"key": "a", "match": {"any": []}}, {"key": "b", "match": {"except": []}}, {"has_id": []}]
    }
    for path, body in (("points/count", {"filter": found}), ("points", {"ids": []})):
        comes_back(Request("POST", f"/collections/docs/{path}", {}, body))
    for one in found["must"]:
        write = Request("POST", "/collections/docs/points/delete", {}, {"filter": {"must_not": [one]}})
        assert "a write takes no empty list" in refused(write)


# ------------------------------------------------------------------------------------ generated requests

NAMES = st.sampled_from(
    [
        "a",
        "b",
        "kind",
        "geo.city",
        "tags[].name",
        "id",
        "score",
        "my field",
        "it's",
        "日本",
        "select",
        "x-y",
        "$s",
    ]
)
VECTORS = st.sampled_from(["dense", "sparse", "colbert", "my vec", "Dense", "DENSE2", "as", "9v"])
TEXTS = st.one_of(
    st.sampled_from(
        ["rain", "it's", UUID, "2024-01-01", "", "a\nb", "\\n", "'", "''' x", "naïve — 日本", "\t\x00"]
    ),
    st.text(max_size=8),
)
WORDS = TEXTS.filter(bool)
FLOATS = st.floats(-1e6, 1e6, allow_nan=False, width=32)
NUMBERS = st.one_of(st.integers(-(2**40), 2**40), FLOATS)
IDS = st.one_of(st.integers(0, 2**64 - 1), st.just(UUID), st.uuids().map(str))
DATES = st.sampled_from(["2024-05-01", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00.5+02:00"])
LIMITS = st.integers(1, 1000)


def some(shape: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(shape, min_size=1, max_size=most)


def later(make: Callable[[], st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """A strategy that is shown by its name: with all of its parts, it would fill megabytes."""
    made = cache(make)

    @st.composite
    def drawn(draw: st.DrawFn) -> Any:
        return draw(made())

    return drawn()


def one_or(shape: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(shape, some(shape))


def keys(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with keys in any order, some of which are null."""
    nullable = {key: st.one_of(shape, shape, shape, st.none()) for key, shape in optional.items()}
    return st.fixed_dictionaries(required, optional=nullable)


# -- filters

GEO_POINT = st.fixed_dictionaries({"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)})
RING = st.lists(GEO_POINT, min_size=3, max_size=4).map(lambda found: {"points": [*found, found[0]]})
MATCHES = later(
    lambda: st.one_of(
        st.fixed_dictionaries({"value": st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), TEXTS)}),
        *(
            st.fixed_dictionaries({key: TEXTS})
            for key in ("text", "phrase", "prefix", "substring", "text_any")
        ),
        *(
            st.fixed_dictionaries({key: st.one_of(some(TEXTS), some(st.integers(-9, 9)))})
            for key in ("any", "except")
        ),
    )
)


def _bounds(low: Any, high: Any) -> st.SearchStrategy[dict[str, Any]]:
    lower = st.sampled_from([{}, {"gt": low}, {"gte": low}])
    upper = st.sampled_from([{"lt": high}, {"lte": high}])
    return st.tuples(lower, upper).map(lambda both: both[0] | both[1])


RANGES = later(
    lambda: st.one_of(
        st.tuples(st.integers(-9, 9), st.integers(0, 9)).flatmap(lambda n: _bounds(n[0], n[0] + n[1])),
        st.tuples(FLOATS, st.floats(0, 9, width=32)).flatmap(lambda n: _bounds(n[0], n[0] + n[1])),
        st.just({"gte": 0.5, "lte": 0.5}),
        DATES.flatmap(lambda day: _bounds(day, "2025-01-01")),
    )
)
FIELD = later(
    lambda: st.one_of(
        *(
            keys({"key": NAMES, kind: shape}, {})
            for kind, shape in {
                "match": MATCHES,
                "range": RANGES,
                "geo_bounding_box": st.fixed_dictionaries({"top_left": GEO_POINT, "bottom_right": GEO_POINT}),
                "geo_radius": st.fixed_dictionaries({"center": GEO_POINT, "radius": st.floats(0, 1e6)}),
                "geo_polygon": keys({"exterior": RING}, {"interiors": some(RING, 2)}),
                "values_count": st.integers(0, 9).flatmap(lambda n: _bounds(n, n + 2)),
                "is_empty": st.booleans(),
                "is_null": st.booleans(),
            }.items()
        )
    )
)
LEAF = later(
    lambda: st.one_of(
        FIELD,
        FIELD,
        st.fixed_dictionaries({"has_id": some(IDS)}),
        st.fixed_dictionaries({"has_vector": VECTORS}),
        st.fixed_dictionaries({"is_empty": st.fixed_dictionaries({"key": NAMES})}),
        st.fixed_dictionaries({"is_null": st.fixed_dictionaries({"key": NAMES})}),
        st.sampled_from([{"slice": {"total": 4, "index": 3}}, {"slice": {"total": 1, "index": 0}}]),
    )
)


def _clauses(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    clause = one_or(inner)
    # Copies are told apart by filters around them, which mean the same and are other requests.
    different = some(inner).map(lambda found: [one for at, one in enumerate(found) if one not in found[:at]])
    least = st.fixed_dictionaries({"conditions": different, "min_count": st.just(1)})
    optional = {"must": clause, "should": clause, "must_not": clause, "min_should": least}
    return keys({}, optional).map(
        lambda found: found if any(found.values()) else {"must": [{"has_vector": "dense"}]}
    )


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    name = st.sampled_from(["tags", "tags[]", "my list"])
    return st.fixed_dictionaries({"nested": st.fixed_dictionaries({"key": name, "filter": _clauses(inner)})})


CONDITIONS = later(
    lambda: st.recursive(
        LEAF, lambda inner: st.one_of(_clauses(inner), _clauses(inner), _nested(inner)), max_leaves=6
    )
)
FILTERS = later(lambda: _clauses(CONDITIONS))
PLAIN_FILTERS = later(lambda: keys({"must": one_or(CONDITIONS)}, {"must_not": one_or(CONDITIONS)}))

# -- formulas

_CHECKS = later(lambda: st.one_of(LEAF, FILTERS))


def _compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    decay = keys(
        {
            "x": st.one_of(
                inner.map(lambda x: {"neg": x} if isinstance(x, str) else x), st.just({"datetime_key": "day"})
            )
        },
        {
            "target": st.one_of(NUMBERS, st.fixed_dictionaries({"datetime": DATES})),
            "scale": st.floats(0.25, 100),
            "midpoint": st.floats(0.125, 0.875),
        },
    )
    case = st.tuples(_CHECKS, inner, inner).map(
        lambda n: {"sum": [{"mult": [n[0], n[1]]}, {"mult": [{"sum": [1.0, {"neg": n[0]}]}, n[2]]}]}
    )
    return st.one_of(
        *(st.fixed_dictionaries({key: some(inner)}) for key in ("sum", "mult", "max", "min")),
        *(
            st.fixed_dictionaries({key: inner})
            for key in ("neg", "abs", "sqrt", "exp", "ln", "log10", "acosh")
        ),
        st.fixed_dictionaries({"pow": st.fixed_dictionaries({"base": inner, "exponent": inner})}),
        st.fixed_dictionaries({"div": keys({"left": inner, "right": inner}, {"by_zero_default": FLOATS})}),
        *(st.fixed_dictionaries({f"{kind}_decay": decay}) for kind in ("lin", "exp", "gauss")),
        case,
    )


EXPRESSIONS = later(
    lambda: st.recursive(
        st.one_of(
            FLOATS,
            st.integers(-9, 9).map(float),
            NAMES,
            st.sampled_from(["$score", "$score[0]", "$score[1]"]),
            _CHECKS,
            st.fixed_dictionaries({"datetime": DATES}),
            st.fixed_dictionaries({"datetime_key": NAMES}),
            st.fixed_dictionaries(
                {"geo_distance": st.fixed_dictionaries({"origin": GEO_POINT, "to": NAMES})}
            ),
        ),
        _compound,
        max_leaves=5,
    )
)

# -- queries

DENSE = st.lists(FLOATS, min_size=2, max_size=3)
SPARSE = st.just({"indices": [1, 7], "values": [0.5, -1.0]})
MULTI = st.just([[0.5, 1.0], [0.25, -2.0]])
OPTIONS = st.sampled_from([{"k": 1.2}, {"language": "english", "Tokenizer": "word"}])
INFERENCE = later(
    lambda: st.one_of(
        keys({"text": WORDS, "model": st.just("some/model")}, {"options": OPTIONS}),
        keys({"image": st.just("https://x/y.png"), "model": st.just("clip")}, {"options": OPTIONS}),
        keys({"object": st.just({"a": [1, "b"], "C": None}), "model": st.just("m")}, {}),
    )
)
INPUTS = later(lambda: st.one_of(DENSE, SPARSE, MULTI, IDS, INFERENCE))
PAIR = later(lambda: st.fixed_dictionaries({"positive": INPUTS, "negative": INPUTS}))
SELECTIONS = {
    "with_payload": st.one_of(
        st.booleans(),
        some(NAMES),
        st.fixed_dictionaries({"include": some(NAMES)}),
        st.fixed_dictionaries({"exclude": some(NAMES)}),
    ),
    "with_vector": st.one_of(st.booleans(), some(VECTORS)),
}
SHARDS = st.one_of(
    st.sampled_from(["eu", 7]),
    st.sampled_from([["eu"], ["eu", 7]]),
    st.just({"target": "eu", "fallback": 0}),
)
PARAMS = later(
    lambda: keys(
        {},
        {
            "hnsw_ef": LIMITS,
            "exact": st.booleans(),
            "indexed_only": st.booleans(),
            "quantization": keys(
                {}, {"ignore": st.booleans(), "rescore": st.booleans(), "oversampling": st.floats(1, 9)}
            ),
            "acorn": keys({}, {"enable": st.booleans(), "max_selectivity": st.floats(0, 1)}),
            "idf": st.one_of(st.just("global"), st.fixed_dictionaries({"corpus": FILTERS})),
        },
    )
)
TARGETS = later(
    lambda: st.one_of(
        INPUTS,
        keys(
            {"nearest": INPUTS}, {"mmr": keys({}, {"diversity": st.floats(0, 1), "candidates_limit": LIMITS})}
        ),
        st.fixed_dictionaries(
            {
                "recommend": keys(
                    {"positive": some(INPUTS)},
                    {
                        "negative": st.lists(INPUTS, max_size=2),
                        "strategy": st.sampled_from(["average_vector", "best_score", "sum_scores"]),
                    },
                )
            }
        ),
        st.fixed_dictionaries({"recommend": st.just({"negative": [1], "strategy": "best_score"})}),
        st.fixed_dictionaries(
            {"discover": st.fixed_dictionaries({"target": INPUTS, "context": one_or(PAIR)})}
        ),
        st.fixed_dictionaries({"context": one_or(PAIR)}),
        st.fixed_dictionaries(
            {
                "order_by": st.one_of(
                    NAMES,
                    keys(
                        {"key": NAMES},
                        {
                            "direction": st.sampled_from(["asc", "desc"]),
                            "start_from": st.one_of(st.integers(-9, 9), FLOATS, DATES),
                        },
                    ),
                )
            }
        ),
        st.just({"sample": "random"}),
        keys(
            {"formula": EXPRESSIONS},
            {"defaults": st.just({"a": 1, "geo.city": 0.5, "$score": 2.0, "my field": "x"})},
        ),
        st.fixed_dictionaries(
            {
                "relevance_feedback": st.fixed_dictionaries(
                    {
                        "target": INPUTS,
                        "feedback": some(st.fixed_dictionaries({"example": INPUTS, "score": FLOATS})),
                        "strategy": st.just({"naive": {"a": 1.0, "b": 0.5, "c": -1.0}}),
                    }
                )
            }
        ),
    )
)
TEXT_QUERIES = later(
    lambda: st.fixed_dictionaries(
        {
            "query": st.fixed_dictionaries(
                {
                    "text": st.one_of(
                        WORDS,
                        keys(
                            {"query": WORDS},
                            {
                                "scoring": st.fixed_dictionaries(
                                    {"bm25": keys({}, {"k": st.floats(0, 9), "b": st.floats(0, 1)})}
                                )
                            },
                        ),
                    )
                }
            ),
            "using": NAMES,
        }
    )
)
FUSIONS = later(
    lambda: st.one_of(
        st.sampled_from(
            [{"fusion": "rrf"}, {"fusion": "dbsf"}, {"rrf": {}}, {"rrf": {"k": 3}}, {"rrf": {"k": None}}]
        ),
        TARGETS,
    )
)
LOOKUP = keys({"collection": st.sampled_from(["other", "my docs"])}, {"vector": VECTORS, "shard_key": SHARDS})
_BESIDE = {"params": PARAMS, "score_threshold": NUMBERS, "limit": LIMITS, "lookup_from": LOOKUP}


def _scored(body: dict[str, Any]) -> dict[str, Any]:
    """Points in the order of a field have no scores, and so no threshold."""
    query = body.get("query")
    ordered = isinstance(query, dict) and "order_by" in query
    return {key: value for key, value in body.items() if not (ordered and key == "score_threshold")}


def _searching(more: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    clauses = {**_BESIDE, "filter": FILTERS, **more}
    return st.one_of(
        later(lambda: keys({"query": TARGETS}, {**clauses, "using": VECTORS}).map(_scored)),
        st.tuples(TEXT_QUERIES, keys({}, clauses)).map(lambda both: both[0] | both[1]),
    )


def _above(inner: st.SearchStrategy[Any], more: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    weighted = st.lists(inner, min_size=1, max_size=3).map(
        lambda below: {
            "prefetch": below,
            "query": {"rrf": {"k": 2, "weights": [0.5 + i for i in range(len(below))]}},
        }
    )
    clauses = {**_BESIDE, "filter": PLAIN_FILTERS, **more}
    rescoring = keys({"query": FUSIONS, "prefetch": one_or(inner)}, {**clauses, "using": VECTORS}).map(
        _scored
    )
    return st.one_of(
        rescoring, rescoring, st.tuples(weighted, keys({}, clauses)).map(lambda both: both[0] | both[1])
    )


PREFETCHES = later(lambda: st.recursive(_searching({}), lambda inner: _above(inner, {}), max_leaves=3))


def _whole(more: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(_searching(more), _above(PREFETCHES, more))


_ROOT = {**SELECTIONS, "shard_key": SHARDS}
QUERIES = later(lambda: _whole({**_ROOT, "offset": st.integers(0, 99)}))
GROUPS = later(
    lambda: st.tuples(
        _whole(_ROOT),
        keys(
            {"group_by": NAMES},
            {
                "group_size": LIMITS,
                "with_lookup": st.one_of(
                    st.just("other"),
                    keys(
                        {"collection": st.just("other")},
                        {
                            "with_payload": SELECTIONS["with_payload"],
                            "with_vectors": SELECTIONS["with_vector"],
                        },
                    ),
                ),
            },
        ),
    ).map(lambda both: both[0] | both[1])
)
READING = keys({}, {"timeout": LIMITS, "consistency": st.sampled_from(["majority", "quorum", "all", 2])})

# -- points

VALUES = later(
    lambda: st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), FLOATS, TEXTS),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
        max_leaves=5,
    )
)
PAYLOADS = later(
    lambda: st.dictionaries(
        st.one_of(st.sampled_from(["text", "Vector", "ID", "vectors", "payload", "limit"]), TEXTS),
        VALUES,
        max_size=3,
    ).map(lambda found: {key: value for key, value in found.items() if key not in ("id", "vector")})
)
ONE_VECTOR = st.one_of(DENSE, SPARSE, MULTI, INFERENCE)
NAMED_VECTORS = st.dictionaries(VECTORS, ONE_VECTOR, min_size=1, max_size=2)
POINT_VECTORS = later(lambda: st.one_of(DENSE, MULTI, NAMED_VECTORS, INFERENCE))
POINTS = later(
    lambda: keys({"id": IDS, "vector": st.one_of(st.just({}), POINT_VECTORS)}, {"payload": PAYLOADS})
)
_UPSERT = {
    "shard_key": SHARDS,
    "update_filter": FILTERS,
    "update_mode": st.sampled_from(["upsert", "insert_only", "update_only"]),
}
COLUMNS = st.sampled_from(
    [
        {"ids": [1, UUID], "vectors": [[1.0], [2.0]], "payloads": [{"a": 1}, {}]},
        {"ids": [1, 2], "vectors": {"d": [[1.0], [2.0]], "s": [{"indices": [1], "values": [1.0]}] * 2}},
    ]
)
_SELECTED = later(
    lambda: st.one_of(
        st.fixed_dictionaries({"points": some(IDS)}), st.fixed_dictionaries({"filter": FILTERS})
    )
)


def _selecting(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    beside = keys(required, {**optional, "shard_key": SHARDS})
    return st.tuples(_SELECTED, beside).map(lambda both: both[0] | both[1])


NAME_LISTS = st.lists(NAMES, min_size=1, max_size=3, unique=True)
OPERATIONS: dict[str, tuple[str, str, st.SearchStrategy[Any]]] = {
    "upsert": (
        "PUT",
        "points",
        st.one_of(keys({"points": some(POINTS)}, _UPSERT), keys({"batch": COLUMNS}, _UPSERT)),
    ),
    "delete": ("POST", "points/delete", _selecting({}, {})),
    "set_payload": ("POST", "points/payload", _selecting({"payload": PAYLOADS}, {"key": WORDS})),
    "overwrite_payload": ("PUT", "points/payload", _selecting({"payload": PAYLOADS}, {})),
    "delete_payload": ("POST", "points/payload/delete", _selecting({"keys": NAME_LISTS}, {})),
    "clear_payload": ("POST", "points/payload/clear", _selecting({}, {})),
    "update_vectors": (
        "PUT",
        "points/vectors",
        keys(
            {"points": some(st.fixed_dictionaries({"id": IDS, "vector": POINT_VECTORS}))},
            {"shard_key": SHARDS, "update_filter": FILTERS},
        ),
    ),
    "delete_vectors": ("POST", "points/vectors/delete", _selecting({"vector": NAME_LISTS}, {})),
}
WRITING = keys({}, {"wait": st.sampled_from(["true", "false", True, False]), "ordering": st.just("weak")})

# -- collections

MEMORY = st.sampled_from(["cold", "cached", "pinned"])
HNSW = later(
    lambda: keys(
        {},
        {
            "m": st.sampled_from([0, 16]),
            "ef_construct": st.integers(4, 99),
            "full_scan_threshold": LIMITS,
            "max_indexing_threads": st.integers(0, 4),
            "on_disk": st.booleans(),
            "memory": MEMORY,
            "payload_m": st.integers(0, 9).filter(lambda m: m not in (1, 2, 3)),
            "inline_storage": st.booleans(),
        },
    )
)
_KEPT = {"always_ram": st.booleans(), "memory": MEMORY}
QUANTIZATION = later(
    lambda: st.one_of(
        st.fixed_dictionaries(
            {"scalar": keys({"type": st.just("int8")}, {"quantile": st.floats(0.5, 1), **_KEPT})}
        ),
        st.fixed_dictionaries({"product": keys({"compression": st.sampled_from(["x4", "x64"])}, _KEPT)}),
        st.fixed_dictionaries(
            {
                "binary": keys(
                    {},
                    {
                        "encoding": st.sampled_from(["one_bit", "two_bits", "one_and_half_bits"]),
                        "query_encoding": st.sampled_from(
                            ["default", "binary", "scalar4bits", "scalar8bits"]
                        ),
                        **_KEPT,
                    },
                )
            }
        ),
        st.fixed_dictionaries(
            {
                "turbo": keys(
                    {}, {"bits": st.sampled_from(["bits1", "bits1_5", "bits2", "bits4", "bits8"]), **_KEPT}
                )
            }
        ),
    )
)
_STORED = {"on_disk": st.booleans(), "memory": MEMORY}
_UNPINNED = {"on_disk": st.booleans(), "memory": st.sampled_from(["cold", "cached"])}
DENSE_VECTOR = later(
    lambda: keys(
        {"size": LIMITS, "distance": st.sampled_from(["Cosine", "Dot", "Euclid", "Manhattan"])},
        {
            "hnsw_config": HNSW,
            "quantization_config": QUANTIZATION,
            "datatype": st.sampled_from(["float32", "float16", "uint8", "turbo4"]),
            "multivector_config": st.just({"comparator": "max_sim"}),
            **_UNPINNED,
        },
    )
)
SPARSE_VECTOR = later(
    lambda: keys(
        {},
        {
            "modifier": st.sampled_from(["idf", "none"]),
            "index": keys(
                {},
                {
                    "full_scan_threshold": LIMITS,
                    "datatype": st.sampled_from(["float32", "float16", "uint8"]),
                    **_STORED,
                },
            ),
        },
    )
)
OPTIMIZERS = later(
    lambda: keys(
        {},
        {
            "deleted_threshold": st.floats(0, 1),
            "vacuum_min_vector_number": st.integers(100, 999),
            "default_segment_number": st.integers(0, 9),
            "max_segment_size": LIMITS,
            "memmap_threshold": LIMITS,
            "indexing_threshold": LIMITS,
            "flush_interval_sec": LIMITS,
            "max_optimization_threads": st.one_of(st.integers(0, 4), st.just("auto")),
            "prevent_unoptimized": st.booleans(),
        },
    )
)
STRICT = later(
    lambda: keys(
        {},
        {
            "enabled": st.booleans(),
            "max_query_limit": LIMITS,
            "search_max_oversampling": st.floats(0, 9),
            "multivector_config": st.just({"late": {"max_vectors": 3}}),
            "sparse_config": st.just({"Words": {"max_length": 3}}),
        },
    )
)
METADATA = later(lambda: st.dictionaries(WORDS, VALUES, min_size=1, max_size=2))
_CONFIGS = {
    "hnsw_config": HNSW,
    "optimizers_config": OPTIMIZERS,
    "strict_mode_config": STRICT,
    "metadata": METADATA,
}
STORAGE = {
    "replication_factor": LIMITS,
    "write_consistency_factor": LIMITS,
    "on_disk_payload": st.booleans(),
    "payload": keys({}, {"memory": st.sampled_from(["cold", "cached"])}),
    "id_tracker": keys({}, {"memory": MEMORY}),
}
VECTOR_NAMES = st.sampled_from(["dense", "my vec", "late", "D2", "size"])
SPARSE_NAMES = st.sampled_from(["words", "other words"])
CREATE = later(
    lambda: keys(
        {},
        {
            "vectors": st.one_of(DENSE_VECTOR, st.dictionaries(VECTOR_NAMES, DENSE_VECTOR, max_size=2)),
            "sparse_vectors": st.dictionaries(SPARSE_NAMES, SPARSE_VECTOR, max_size=2),
            "shard_number": LIMITS,
            "sharding_method": st.sampled_from(["auto", "custom"]),
            "quantization_config": QUANTIZATION,
            "wal_config": keys({}, {"wal_capacity_mb": LIMITS, "wal_segments_ahead": st.integers(0, 3)}),
            **_CONFIGS,
            **STORAGE,
        },
    )
)
CHANGED = later(
    lambda: keys(
        {},
        {
            "hnsw_config": HNSW,
            "quantization_config": st.one_of(QUANTIZATION, st.just("Disabled")),
            **_UNPINNED,
        },
    )
)


def _says_something(body: dict[str, Any]) -> bool:
    """Whether ALTER has something to do with a body."""
    found = normal_form(request("", body, method="PATCH")).body or {}
    named = [*found.get("vectors", {}).values(), *found.get("sparse_vectors", {}).values()]
    return bool(found) and all(value != {} for value in (*found.values(), *named))


ALTER = later(
    lambda: keys(
        {},
        {
            "vectors": st.dictionaries(VECTOR_NAMES, CHANGED, min_size=1, max_size=2),
            "sparse_vectors": st.dictionaries(SPARSE_NAMES, SPARSE_VECTOR, min_size=1, max_size=1),
            "quantization_config": st.one_of(QUANTIZATION, st.just("Disabled")),
            "params": keys(
                {},
                {**STORAGE, "read_fan_out_factor": LIMITS, "read_fan_out_delay_ms": LIMITS},
            ),
            **_CONFIGS,
        },
    ).filter(_says_something)
)
_INDEXED = {"on_disk": st.booleans(), "memory": MEMORY, "enable_hnsw": st.booleans()}
INDEX_SCHEMAS = later(
    lambda: st.one_of(
        st.sampled_from(["keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"]),
        keys({"type": st.just("keyword")}, {"is_tenant": st.booleans(), "prefix": st.booleans(), **_INDEXED}),
        keys({"type": st.just("integer")}, {"lookup": st.booleans(), "range": st.booleans(), **_INDEXED}),
        keys({"type": st.sampled_from(["float", "datetime"])}, {"is_principal": st.booleans(), **_INDEXED}),
        keys({"type": st.sampled_from(["geo", "bool", "uuid"])}, _INDEXED),
        keys(
            {"type": st.just("text")},
            {
                "tokenizer": st.sampled_from(["word", "whitespace", "prefix", "multilingual"]),
                "min_token_len": st.integers(1, 3),
                "lowercase": st.booleans(),
                "stopwords": st.sampled_from(
                    [
                        "english",
                        {"custom": ["a"]},
                        {"languages": ["german", "dutch"]},
                        {"languages": ["english"], "custom": ["x"]},
                    ]
                ),
                "stemmer": st.sampled_from([{"type": "none"}, {"type": "snowball", "language": "german"}]),
                "phrase_matching": st.booleans(),
                "scoring": st.sampled_from([True, {"type": "bm25"}]),
                **_INDEXED,
            },
        ),
    )
)
INDEXES = later(lambda: st.fixed_dictionaries({"field_name": NAMES, "field_schema": INDEX_SCHEMAS}))
SHARD_KEYS = keys(
    {"shard_key": st.sampled_from(["eu", 7])},
    {
        "shards_number": LIMITS,
        "replication_factor": LIMITS,
        "placement": some(LIMITS),
        "initial_state": st.sampled_from(["Active", "Partial"]),
    },
)
ADDED = st.one_of(
    st.fixed_dictionaries(
        {
            "dense": keys(
                {"size": LIMITS, "distance": st.sampled_from(["Cosine", "Dot"])},
                {"multivector_config": st.just({"comparator": "max_sim"}), "datatype": st.just("float16")},
            )
        }
    ),
    st.fixed_dictionaries(
        {"sparse": keys({}, {"modifier": st.sampled_from(["idf", "none"]), "datatype": st.just("float16")})}
    ),
)


def _sent(method: str, route: str, body: Any, query: Any = None) -> st.SearchStrategy[Request]:
    query = st.just({}) if query is None else query
    drop = lambda found: {key: value for key, value in found.items() if value is not None}  # noqa: E731
    return st.builds(lambda b, q: request(route, b, method=method, **drop(q)), body, query)


REQUESTS: dict[str, st.SearchStrategy[Request]] = {
    "query": _sent("POST", "points/query", QUERIES, READING),
    "groups": _sent("POST", "points/query/groups", GROUPS, READING),
    "batch": _sent(
        "POST", "points/query/batch", st.fixed_dictionaries({"searches": some(QUERIES, 2)}), READING
    ),
    "retrieve": _sent("POST", "points", keys({"ids": some(IDS)}, _ROOT), READING),
    "scroll": _sent(
        "POST",
        "points/scroll",
        st.one_of(
            keys({}, {"filter": FILTERS, "limit": LIMITS, "offset": IDS.filter(bool), **_ROOT}),
            keys({"order_by": NAMES}, {"filter": FILTERS, "limit": LIMITS, **_ROOT}),
        ),
        READING,
    ),
    "count": _sent(
        "POST",
        "points/count",
        keys({}, {"filter": FILTERS, "exact": st.booleans(), "shard_key": SHARDS}),
        READING,
    ),
    "facet": _sent(
        "POST",
        "facet",
        keys(
            {"key": NAMES}, {"filter": FILTERS, "limit": LIMITS, "exact": st.booleans(), "shard_key": SHARDS}
        ),
        READING,
    ),
    **{key: _sent(method, route, body, WRITING) for key, (method, route, body) in OPERATIONS.items()},
    "operations": _sent(
        "POST",
        "points/batch",
        st.fixed_dictionaries(
            {
                "operations": some(
                    st.one_of(
                        *(st.fixed_dictionaries({key: body}) for key, (_, _, body) in OPERATIONS.items())
                    )
                )
            }
        ),
        WRITING,
    ),
    "create": _sent("PUT", "", CREATE),
    "alter": _sent("PATCH", "", ALTER),
    "index": _sent("PUT", "index", INDEXES, WRITING),
    "shard": _sent("PUT", "shards", SHARD_KEYS),
    "add": _sent("PUT", "vectors/new", ADDED, st.just({"wait": "true"})),
}


def acceptable(one: Request) -> bool:
    """Whether qdrant-client's models take the body."""
    adapter = body_adapter(one.route)
    assert adapter is not None
    adapter.validate_python(one.body)
    return True


@pytest.mark.hypothesis
@pytest.mark.parametrize("kind", REQUESTS)
def test_generated_requests_come_back(kind: str) -> None:
    @SETTINGS
    @given(REQUESTS[kind])
    def check(one: Request) -> None:
        assert acceptable(one)
        comes_back(one)

    check()


# ------------------------------------------------------------------------------------ routes without a body

PLAIN = {
    ("GET", "/collections"): "SHOW COLLECTIONS;",
    ("GET", "/collections/docs"): "SHOW COLLECTION docs;",
    ("DELETE", "/collections/my%20docs"): "DROP COLLECTION 'my docs';",
    ("GET", "/aliases"): "SHOW ALIASES;",
    ("GET", "/collections/docs/aliases"): "SHOW ALIASES ON docs;",
    ("GET", "/collections/docs/snapshots"): "SHOW SNAPSHOTS ON docs;",
    ("POST", "/collections/docs/snapshots"): "CREATE SNAPSHOT ON docs;",
    ("DELETE", "/collections/docs/snapshots/a%2Fb.snapshot"): "DROP SNAPSHOT 'a/b.snapshot' ON docs;",
    ("GET", "/collections/docs/shards"): "SHOW SHARD KEYS ON docs;",
    ("GET", "/quotas"): "SHOW QUOTAS;",
    ("GET", "/collections/docs/optimizations"): "SHOW OPTIMIZATIONS ON docs;",
    ("GET", "/collections/docs/optimizations?with=completed,queued"): "SHOW OPTIMIZATIONS ON docs;",
    ("GET", "/collections/docs/memory"): "SHOW MEMORY ON docs;",
    ("DELETE", "/collections/docs/index/geo.city?wait=true"): "DROP INDEX ON docs FOR geo.city;",
    ("DELETE", "/collections/docs/index/a%20b"): "DROP INDEX ON docs FOR 'a b' WAIT false;",
    ("DELETE", "/collections/docs/vectors/old?wait=true"): "ALTER COLLECTION docs DROP VECTOR old;",
}


@pytest.mark.parametrize(("method", "path"), PLAIN)
def test_requests_without_a_body(method: str, path: str) -> None:
    found = text({"method": method, "path": path})
    assert found == PLAIN[method, path]
    (made,) = qql.compile(found)
    assert made.method == method
    assert made.path == path.partition("?")[0]


# ------------------------------------------------------------------------------------ what the text is like


def _city(name: str) -> dict[str, Any]:
    return {"key": "city", "match": {"value": name}}


WRITTEN: list[tuple[Request, str]] = [
    (search({"query": [0.1, 0.2], "limit": 5}), "QUERY [0.1, 0.2] FROM docs WITH PAYLOAD false LIMIT 5;"),
    (search({"query": 42, "with_payload": True}), "QUERY POINT 42 FROM docs;"),
    (
        search({"query": {"nearest": UUID}, "using": "d", "with_payload": ["a", "b.c"]}, timeout="5"),
        f"QUERY POINT '{UUID}' FROM docs USING d PARAMS (timeout = 5) WITH PAYLOAD INCLUDE (a, b.c);",
    ),
    (
        search({"query": {"text": "rain", "model": "m"}, "with_payload": True, "with_vector": ["d"]}),
        "QUERY 'rain' MODEL 'm' FROM docs WITH VECTOR INCLUDE (d);",
    ),
    (
        search({"query": {"fusion": "rrf"}, "prefetch": {"query": [1.0], "using": "d"}}),
        "WITH d AS (QUERY [1.0] USING d) QUERY FUSION RRF FROM docs PREFETCH (d) WITH PAYLOAD false;",
    ),
    (
        search({"query": {"recommend": {"positive": [1, [0.5]], "strategy": "best_score"}}}),
        "QUERY RECOMMEND POSITIVE (1, [0.5]) STRATEGY best_score FROM docs WITH PAYLOAD false;",
    ),
    (
        search({"query": {"order_by": {"key": "age", "direction": "desc"}}, "with_payload": True}),
        "QUERY ORDER BY age DESC FROM docs;",
    ),
    (
        search({"query": {"nearest": [1.0], "mmr": {"diversity": 0.5}}, "with_payload": True}),
        "QUERY MMR [1.0] DIVERSITY 0.5 FROM docs;",
    ),
    (
        search({"query": {"text": "big wave"}, "using": "body", "with_payload": True}),
        "QUERY MATCH 'big wave' ON body FROM docs;",
    ),
    (
        search(
            {
                "query": {"formula": {"sum": ["$score", {"mult": [0.5, _city("Rome")]}]}},
                "prefetch": [{"query": [1.0]}],
                "with_payload": True,
            }
        ),
        "WITH dense AS (QUERY [1.0]) QUERY FORMULA $score + 0.5 * CONDITION(city = 'Rome') FROM docs"
        " PREFETCH (dense);",
    ),
    (
        search(
            {
                "query": {
                    "formula": {
                        "sum": [
                            {"mult": [_city("Rome"), 2.0]},
                            {"mult": [{"sum": [1, {"neg": _city("Rome")}]}, "age"]},
                        ]
                    }
                },
                "with_payload": True,
            }
        ),
        "QUERY FORMULA CASE WHEN city = 'Rome' THEN 2.0 ELSE age END FROM docs;",
    ),
    (
        search({"query": [1.0], "with_payload": True, "params": {"acorn": {"enable": True}, "hnsw_ef": 64}}),
        "QUERY [1.0] FROM docs PARAMS (acorn = true, hnsw_ef = 64);",
    ),
    (
        search({"query": [1.0], "shard_key": ["a", "b"], "lookup_from": {"collection": "o"}}),
        "QUERY [1.0] FROM docs WITH PAYLOAD false SHARD ('a', 'b') LOOKUP FROM o;",
    ),
    (
        request("points/query/groups", {"query": [1.0], "group_by": "author", "with_lookup": "authors"}),
        "QUERY [1.0] FROM docs WITH PAYLOAD false GROUP BY author SIZE 3 LOOKUP FROM authors LIMIT 10;",
    ),
    (
        request("points/scroll", {"filter": {"must": [_city("Rome")]}, "limit": 3, "offset": 8}),
        "SCROLL FROM docs WHERE city = 'Rome' AFTER 7 LIMIT 3;",
    ),
    (request("points/count", {"exact": True}), "COUNT FROM docs PARAMS (exact = true);"),
    (request("facet", {"key": "city", "limit": 5}), "FACET city FROM docs LIMIT 5;"),
    (request("points", {"ids": [1, 2]}), "QUERY POINTS (1, 2) FROM docs;"),
    (
        request(
            "points", {"points": [{"id": 1, "vector": {"d": [1.0]}, "payload": {"a": None}}]}, method="PUT"
        ),
        "UPSERT INTO docs VALUES {id: 1, vector: {d: [1.0]}, a: null} WAIT false;",
    ),
    (
        request("points/delete", {"filter": {"must_not": [_city("Rome")]}}, wait="true"),
        "DELETE FROM docs WHERE city != 'Rome';",
    ),
    (
        request("points/payload", {"payload": {"a": 1}, "points": [1], "key": "meta"}, wait=True),
        "UPDATE docs SET PAYLOAD = {a: 1} KEY meta WHERE id = 1;",
    ),
    (
        request("points/vectors", {"points": [{"id": 1, "vector": {"d": [0.5]}}]}, method="PUT", wait=True),
        "UPDATE docs SET VECTOR d = [0.5] WHERE id = 1;",
    ),
    (
        request(
            "points/batch",
            {"operations": [{"delete": {"points": [1]}}, {"clear_payload": {"points": [2, 3]}}]},
            wait=True,
        ),
        "BATCH { DELETE FROM docs WHERE id = 1; CLEAR PAYLOAD FROM docs WHERE id IN (2, 3); };",
    ),
    (
        request("", {"vectors": {"size": 4, "distance": "Dot"}, "shard_number": 2}, method="PUT"),
        "CREATE COLLECTION docs VECTOR(4, DOT) WITH PARAMS (shard_number = 2);",
    ),
    (
        request(
            "",
            {
                "vectors": {"d": {"size": 64, "distance": "Cosine", "on_disk": True}},
                "metadata": {"owner": "me", "qql": {"models": {"d": "local/hash-64"}}},
            },
            method="PUT",
        ),
        "CREATE COLLECTION docs (d VECTOR(64, COSINE) MODEL 'local/hash-64' WITH VECTOR (on_disk = true))"
        " WITH METADATA (owner = 'me');",
    ),
    (
        request(
            "",
            {"vectors": {"d": {"hnsw_config": {"m": 0}}}, "quantization_config": "Disabled"},
            method="PATCH",
        ),
        "ALTER COLLECTION docs WITH QUANTIZATION (disabled = true) WITH VECTOR d (HNSW (m = 0));",
    ),
    (
        request(
            "index",
            {"field_name": "body", "field_schema": {"type": "text", "stopwords": "english"}},
            method="PUT",
            wait="true",
        ),
        "CREATE INDEX ON docs FOR body TYPE text WITH (stopwords = 'english');",
    ),
    (
        Request(
            "POST",
            "/collections/aliases",
            {},
            {"actions": [{"create_alias": {"alias_name": "now", "collection_name": "docs"}}]},
        ),
        "CREATE OR REPLACE ALIAS now FOR docs;",
    ),
    (
        request("snapshots/recover", {"location": "file:///a", "priority": "replica"}, method="PUT"),
        "RESTORE SNAPSHOT 'file:///a' ON docs WITH (priority = 'replica');",
    ),
    (request("shards", {"shard_key": "eu", "shards_number": 2}, method="PUT"),
     "CREATE SHARD KEY 'eu' ON docs WITH (shards_number = 2);"),
    (Request("PUT", "/quotas", {}, {"enabled": True}), "SET QUOTA (enabled = true);"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given_request", "expected"), WRITTEN, ids=[re.sub(r"\W+", "-", e)[:40] for _, e in WRITTEN]
)
def test_text(given_request: Request, expected: str) -> None:
    assert qql.from_request(given_request, format="line") == expected + "\n"
    comes_back(given_request)


def test_layout_is_the_formatters() -> None:
    body = {"query": {"fusion": "dbsf"}, "prefetch": [{"query": [1.0] * 40, "using": "a"}] * 2}
    found = qql.from_request([body, body], collection="docs")
    assert found == qql.format(found)
    assert found.count(";\n\n") == 1


# -- filters


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"must": [_city("a"), _city("b")]}, "city = 'a' AND city = 'b'"),
        (
            {"must": _city("a"), "should": [_city("b"), _city("c")]},
            "city = 'a' AND (city = 'b' OR city = 'c')",
        ),
        (
            {"should": [{"must": [_city("a"), _city("b")]}, _city("c")]},
            "city = 'a' AND city = 'b' OR city = 'c'",
        ),
        ({"must_not": [{"should": [_city("a"), _city("b")]}]}, "NOT (city = 'a' OR city = 'b')"),
        ({"must_not": [{"must_not": [_city("a")]}]}, "city = 'a'"),
        ({"should": [_city("a")], "must_not": []}, "city = 'a'"),
        ({"must": [{"key": "a", "range": {"gte": 1, "lte": 2}}]}, "a BETWEEN 1 AND 2"),
        ({"must": [{"key": "a", "range": {"gt": 1, "lte": 2, "lt": None}}]}, "a RANGE (gt = 1, lte = 2)"),
        ({"must": [{"key": "a", "range": {"gte": 0.5, "lte": 0.5}}]}, "a = 0.5"),
        ({"must": [{"key": "a", "range": {"lt": "2024-05-01"}}]}, "a < '2024-05-01'"),
        ({"must": [{"key": "a", "match": {"except": [1, 2]}}]}, "a MATCH EXCEPT (1, 2)"),
        ({"must": [{"key": "a", "match": {"text_any": "x y"}}]}, "a MATCH TOKENS 'x y'"),
        ({"must": [{"key": "a", "match": {"substring": "x"}}]}, "a MATCH SUBSTRING 'x'"),
        ({"must_not": [{"key": "a", "match": {"any": ["x"]}}]}, "a NOT IN ('x')"),
        ({"must": [{"has_id": [1, UUID]}]}, f"id IN (1, '{UUID}')"),
        ({"must": [{"key": "id", "match": {"value": 1}}]}, "'\"id\"' = 1"),
        ({"must": [{"key": "a", "is_null": False}]}, "a IS NOT NULL"),
        ({"must": [{"is_empty": {"key": "a"}}]}, "a IS EMPTY"),
        ({"must": [{"has_vector": "d"}]}, "HAS_VECTOR d"),
        ({"must": [{"slice": {"total": 4, "index": 0}}]}, "SLICE(4, 0)"),
        ({"must": [{"key": "a", "values_count": {"gt": 2}}]}, "a VALUES_COUNT > 2"),
        (
            {"min_should": {"conditions": [_city("a"), _city("b")], "min_count": 1}},
            "MIN SHOULD 1 (city = 'a', city = 'b')",
        ),
        (
            {
                "must": [
                    {"nested": {"key": "a[]", "filter": {"must": [{"key": "b", "match": {"value": True}}]}}}
                ]
            },
            "NESTED(a[], b = true)",
        ),
    ],
)
def test_filters(where: dict[str, Any], expected: str) -> None:
    one = request("points/count", {"filter": where})
    assert text(one) == f"COUNT FROM docs WHERE {expected};"
    comes_back(one)


def test_stages_are_named_for_what_they_are() -> None:
    body = {
        "query": {"fusion": "rrf"},
        "prefetch": [
            {"query": [1.0]},
            {"query": [2.0]},
            {"query": {"indices": [1], "values": [1.0]}},
            {"query": [[1.0]]},
            {"query": 7},
            {"query": 8},
            {"query": [1.0], "using": "my vec"},
            {"query": {"formula": "$score"}, "prefetch": {"query": [1.0]}},
            {
                "query": {"fusion": "rrf"},
                "prefetch": [{"query": [1.0], "using": "A"}, {"query": [1.0], "using": "a"}],
            },
            {"query": {"sample": "random"}},
        ],
    }
    tree = to_tree(body, collection="docs")
    assert isinstance(tree, nodes.Query)
    assert [cte.name.text for cte in tree.ctes] == [
        *(
            "dense",
            "dense2",
            "sparse",
            "multi",
            "stage1",
            "stage2",
            "my_vec",
            "scored",
            "A",
            "a2",
            "fused",
            "sampled",
        ),
    ]
    refs = [ref.stage.text for ref in tree.prefetch if isinstance(ref.stage, nodes.Name)]
    assert refs == [
        *("dense", "dense2", "sparse", "multi", "stage1", "stage2", "my_vec", "scored", "fused", "sampled")
    ]
    comes_back(search(body))


def test_equal_prefetches_are_one_stage() -> None:
    lower = {"query": [1.0], "using": "d"}
    upper = {"query": [2.0], "using": "e", "prefetch": [dict(reversed(lower.items()))]}
    found = to_tree({"query": {"fusion": "rrf"}, "prefetch": [lower, upper, upper]}, collection="docs")
    assert isinstance(found, nodes.Query)
    assert [cte.name.text for cte in found.ctes] == ["d", "e"]
    assert [ref.stage for ref in found.prefetch] == [nodes.Name("d"), nodes.Name("e"), nodes.Name("e")]


# ------------------------------------------------------------------------------------ normal form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"query": [1.0]},
            {"query": {"nearest": [1.0], "mmr": None}, "with_payload": False, "with_vector": False},
        ),
        ({"query": 7, "with_payload": ["a"]}, {"query": {"nearest": 7}, "with_payload": {"include": ["a"]}}),
        (
            {"query": {"order_by": "a"}, "prefetch": []},
            {"query": {"order_by": {"key": "a", "direction": "asc", "start_from": None}}},
        ),
        (
            {"query": {"fusion": "rrf"}, "prefetch": {"query": 1}},
            {"query": {"rrf": {"k": None}}, "prefetch": [{"query": 1}]},
        ),
        (
            {"query": 1, "shard_key": "a"},
            {"query": 1, "shard_key": ["a"], "params": {}, "filter": {"must": []}},
        ),
        (
            {"query": {"recommend": {"positive": [1]}}},
            {"query": {"recommend": {"positive": [1], "negative": []}}},
        ),
        (
            {"query": {"text": "a"}, "using": "f"},
            {"query": {"text": {"query": "a", "scoring": None}}, "using": "f"},
        ),
        (
            {"query": 1, "filter": {"must": _city("a"), "should": [_city("b"), _city("c")]}},
            {"query": 1, "filter": {"must": [_city("a"), {"should": [_city("b"), _city("c")]}]}},
        ),
    ],
)
def test_normal_form_of_queries(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert normal_form(search(one)) == normal_form(search(other))


def test_what_means_something_else_has_another_normal_form() -> None:
    different = [
        search({"query": [1.0]}),
        search({"query": [1.0], "with_payload": True}),
        search({"query": [1.0], "limit": 10}),
        search({"query": [1.0], "offset": 0}),
        search({"query": [1.0], "filter": {"should": [_city("a"), _city("b")]}}),
        search({"query": [1.0], "filter": {"must": [_city("a"), _city("b")]}}),
        search({"query": [1.0], "filter": {"must_not": [_city("a"), _city("b")]}}),
        search({"query": [1.0]}, timeout=3),
    ]
    found = [json.dumps(normal_form(one).to_dict(), sort_keys=True) for one in different]
    assert len(set(found)) == len(found)


def test_normal_form_of_writes() -> None:
    points = {"points": [{"id": 1, "vector": [1.0]}, {"id": 2, "vector": [2.0], "payload": {"a": 1}}]}
    columns = {"batch": {"ids": [1, 2], "vectors": [[1.0], [2.0]], "payloads": [None, {"a": 1}]}}
    one = request("points", points, method="PUT")
    other = request("points", columns, method="PUT", wait=False, ordering="weak")
    assert normal_form(one) == normal_form(other)
    assert normal_form(request("points", points, method="PUT", wait=True)) != normal_form(one)
    ids = {"filter": {"must": [{"has_id": [1]}]}}
    assert normal_form(request("points/delete", ids)) == normal_form(
        request("points/delete", {"points": [1]})
    )


def test_true_is_not_one() -> None:
    assert difference({"a": [True]}, {"a": [1]}) == "a[0]"
    assert difference({"a": 1.0}, {"a": 1}) is None
    assert difference({"a": 1}, {"a": 1, "b c": None}) == "['b c']"
    assert difference([1], [1, 2]) == "the body"


def test_alternatives_above_alternatives() -> None:
    """Qdrant joins lists of `should`, QQL does not: what would be joined is refused, the rest is kept."""
    alternatives = {"should": [_city("a"), _city("b")]}
    lower = {"query": [1.0], "filter": alternatives}
    kept = search({"query": [1.0], "prefetch": lower, "filter": {"must": [alternatives]}})
    assert normal_form(kept).body == {"with_payload": False, **(kept.body or {}), "prefetch": [
        {"query": {"nearest": [1.0]}, "filter": alternatives}], "query": {"nearest": [1.0]}}  # fmt: skip
    comes_back(kept)
    deep = {"query": [1.0], "prefetch": [{"query": [1.0]}, {"query": [1.0], "prefetch": [lower]}]}
    with pytest.raises(
        QQLPlanError, match=r"filter.should: Qdrant joins it with prefetch\[1\].prefetch\[0\].filter.should"
    ):
        qql.from_request({**deep, "filter": {"should": [_city("c")]}}, collection="docs")
    with pytest.raises(
        QQLPlanError, match=r"^error\[cannot-convert\]: prefetch\[1\].filter.should: Qdrant joins it"
    ):
        inner = {**deep["prefetch"][1], "filter": alternatives}
        qql.from_request({**deep, "prefetch": [{"query": 1}, inner]}, collection="docs")


# ------------------------------------------------------------------------------------ forms of input

COUNT = "COUNT FROM docs PARAMS (exact = true);"
URL = "/collections/docs/points/count"


@pytest.mark.parametrize(
    "given",
    [
        Request("post", URL, {}, {"exact": True}),
        {"method": "POST", "path": URL, "body": {"exact": True}},
        {
            "method": "POST",
            "path": f"https://x.cloud.qdrant.io:6333{URL}",
            "query": {},
            "body": {"exact": True},
        },
        {"method": "POST", "path": f"https://x/proxy{URL}/", "query": None, "body": {"exact": True}},
        json.dumps({"method": "POST", "path": URL, "body": {"exact": True}}),
        json.dumps([{"method": "POST", "path": URL, "body": {"exact": True}}]),
        json.dumps({"method": "POST", "path": URL, "body": {"exact": True}}).encode(),
        f"POST {URL}\n" + '{"exact": true}',
        f"\ufeffPOST {URL} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n"
        + '{"exact": true}\r\n',
        f"```http\nPOST {URL}\n" + '{\n  "exact": true\n}\n```\n',
        f"# how many\nPOST {URL}\n" + '{"exact": true};',
        f"curl -X POST 'http://localhost:6333{URL}' -H 'api-key: secret' -d '" + '{"exact": true}\'',
        f"curl --location --request POST http://localhost:6333{URL} \\\n  --data-raw '"
        + '{\n "exact": true}\'\n',
        f"curl -sS localhost:6333{URL} --json '" + '{"exact": true}\'',
        f'curl -XPOST "$QDRANT_URL{URL}" --data "' + '{\\"exact\\": true}"',
        f"$ curl --url=http://h{URL} -o out.json --data-binary='" + '{"exact": true}\'',
    ],
)
def test_forms(given: Any) -> None:
    assert text(given) == COUNT
    assert to_tree(given) == to_tree(request("points/count", {"exact": True}))


def test_a_body_with_what_stands_beside_it() -> None:
    body = {"exact": True}
    assert text(body, path=URL) == COUNT
    assert text(json.dumps(body), method="POST", path=URL) == COUNT
    assert (
        text({}, method="DELETE", path="/collections/docs/index/a?wait=true", collection="x")
        == "DROP INDEX ON docs FOR a;"
    )


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        ({"query": [1.0]}, "QUERY [1.0]"),
        ({"prefetch": [{"query": 1}], "query": 2}, "WITH stage1"),
        ({"query": 1, "group_by": "a"}, "QUERY POINT 1"),
        ({"searches": [{"query": 1}]}, "BATCH"),
        ({"ids": [1]}, "QUERY POINTS (1)"),
        ({"order_by": "a"}, "SCROLL"),
        ({"key": "a"}, "FACET a"),
        ({"points": [{"id": 1, "vector": [1.0], "payload": {"a": 1}}]}, "UPSERT"),
        ({"batch": {"ids": [1], "vectors": [[1.0]]}}, "UPSERT"),
        ({"keys": ["a"], "points": [1]}, "DELETE PAYLOAD"),
        ({"vector": ["a"], "points": [1]}, "DELETE VECTOR"),
        ({"operations": [{"delete": {"points": [1]}}]}, "BATCH"),
        ({"vectors": {"size": 2, "distance": "Dot"}}, "CREATE COLLECTION"),
        ({"vectors": {"d": {"size": 2, "distance": "Dot"}}}, "CREATE COLLECTION"),
        ({"vectors": {"d": {"on_disk": True}}}, "ALTER COLLECTION"),
        ({"field_name": "a", "field_schema": "keyword"}, "CREATE INDEX"),
        ({"location": "http://x"}, "RESTORE SNAPSHOT"),
    ],
)
def test_bodies_that_say_which_request_they_are(body: dict[str, Any], begins: str) -> None:
    assert text(body, collection="docs").startswith(begins)


MODELS: list[tuple[Any, str]] = [
    (
        models.QueryRequest(
            prefetch=models.Prefetch(query=models.Document(text="a", model="m"), using="d"),
            query=models.FusionQuery(fusion=models.Fusion.RRF),
            filter=models.Filter(
                must=models.FieldCondition(key="day", range=models.DatetimeRange(gte=datetime(2024, 5, 1)))
            ),
            with_payload=True,
        ),
        "WITH d AS (QUERY 'a' MODEL 'm' USING d) QUERY FUSION RRF FROM docs"
        " WHERE day >= '2024-05-01T00:00:00' PREFETCH (d);",
    ),
    (
        models.QueryRequestBatch(
            searches=[models.QueryRequest(query=1), models.QueryRequest(query=uuid.UUID(UUID))]
        ),
        "BATCH { QUERY POINT 1 FROM docs WITH PAYLOAD false;"
        f" QUERY POINT '{UUID}' FROM docs WITH PAYLOAD false; }};",
    ),
    (models.ScrollRequest(limit=2, with_payload=True), "SCROLL FROM docs LIMIT 2;"),
    (
        models.PointsList(points=[models.PointStruct(id=1, vector=[0.5], payload={"a": 1})]),
        "UPSERT INTO docs VALUES {id: 1, vector: [0.5], a: 1} WAIT false;",
    ),
    (
        models.CreateCollection(vectors=models.VectorParams(size=2, distance=models.Distance.DOT)),
        "CREATE COLLECTION docs VECTOR(2, DOT);",
    ),
    (
        models.CountRequest(
            filter=models.Filter(
                must=[models.FieldCondition(key="a", match=models.MatchExcept(**{"except": ["x"]}))]
            )
        ),
        "COUNT FROM docs WHERE a MATCH EXCEPT ('x');",
    ),
]


@pytest.mark.parametrize(("given", "expected"), MODELS, ids=[type(m).__name__ for m, _ in MODELS])
def test_objects_of_qdrant_client(given: Any, expected: str) -> None:
    assert text(given, collection="docs") == expected


def test_python_values_in_a_body() -> None:
    body = {
        "query": np.array([0.5, 1.0], dtype=np.float32),
        "limit": np.int64(3),
        "with_payload": ("a",),
        "filter": models.Filter(must=[models.HasIdCondition(has_id=[uuid.UUID(UUID)])]),
        "params": {"exact": np.bool_(True)},
    }
    assert text(body, collection="docs") == (
        f"QUERY [0.5, 1.0] FROM docs WHERE id = '{UUID}' PARAMS (exact = true)"
        " WITH PAYLOAD INCLUDE (a) LIMIT 3;"
    )


def test_several_requests() -> None:
    given = f"""
// first
GET /collections

PUT {URL.removesuffix("/points/count")}
{{"vectors": {{"d": {{"size": 2, "distance": "Cosine"}}}}}}
curl localhost/collections/docs
[{{"method": "DELETE", "path": "/collections/docs"}},
 {{"method": "GET", "path": "/aliases"}}]
"""
    assert qql.from_request(given, format="line").splitlines() == [
        "SHOW COLLECTIONS;",
        "CREATE COLLECTION docs (d VECTOR(2, COSINE));",
        "SHOW COLLECTION docs;",
        "DROP COLLECTION docs;",
        "SHOW ALIASES;",
    ]
    assert len(qql.compile(qql.from_request(given))) == 5
    with pytest.raises(QQLPlanError, match="one is required, found 5"):
        to_tree(given)


# ------------------------------------------------------------------------------------ refusals


def refused(given: Any, **rest: Any) -> str:
    """The message of the refusal, with its hint."""
    with pytest.raises(QQLPlanError) as caught:
        qql.from_request(given, **rest)
    assert caught.value.code == "cannot-convert"
    return f"{caught.value.message} ({caught.value.hint})"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"query": 1, "prefetch": [{"query": 1, "params": {"foo": 1}}]},
            r"prefetch\[0\].params.foo: QQL has no word",
        ),
        ({"query": 1, "limt": 3}, r"limt: .*did you mean `limit`\?"),
        ({"query": 1, "limit": "ten"}, "limit: a whole number is required, found 'ten'"),
        ({"query": 1, "limit": True}, "limit: a whole number"),
        ({"query": 1, "limit": 0}, "limit: a whole number above 0 is required, found 0"),
        ({"query": 1, "limtt": None}, "limtt: QQL has no word"),
        ({"query": "not a uuid"}, "query: 'not a uuid' is no point id"),
        ({"query": {"nearst": [1]}}, r"query: this is no query \(did you mean `nearest`\?\)"),
        ({"query": {"nearest": [1, "a"]}}, r"query.nearest\[1\]: a number is required"),
        ({"query": {"nearest": []}}, "query.nearest: a vector has at least one number"),
        (
            {"query": {"nearest": {"indices": [1], "value": [1]}}},
            r"query.nearest.value: .*did you mean `values`",
        ),
        ({"query": {"text": {"query": "a", "foo": 1}}, "using": "f"}, "query.text.foo"),
        ({"query": {"text": "a"}}, "the key `using` is missing"),
        (
            {"query": {"fusion": "rff"}},
            r"query.fusion: rrf or dbsf is required, found 'rff' \(did you mean `rrf`\?\)",
        ),
        ({"query": {"fusion": "rrf"}}, "prefetch: a fusion requires stages to fuse"),
        (
            {"query": {"rrf": {"weights": [1.0]}}, "prefetch": [{"query": 1}, {"query": 2}]},
            "query.rrf.weights: 1 weight for 2 prefetches",
        ),
        ({"query": {"sample": "all"}}, "query.sample"),
        ({"query": {"formula": {"sum": []}}}, "query.formula.sum: an empty list"),
        (
            {"query": {"formula": {"suum": [1]}}},
            r"query.formula: `suum` is no expression \(did you mean `sum`\?\)",
        ),
        (
            {"query": {"formula": {"gauss_decay": {"x": "day", "target": {"datetime": "2024-05-01"}}}}},
            "decay.x",
        ),
        ({"query": {"formula": 1.0, "extra": 1}}, "query.extra"),
        ({"prefetch": [{"query": 1}]}, "query: prefetches require a query that scores them"),
        ({"query": 1, "prefetch": [{"prefetch": {}}]}, r"prefetch\[0\].query: prefetches require a query"),
        ({"score_threshold": 0.5}, "score_threshold: without a query, every point has the score 1"),
        (
            {"query": {"order_by": "year"}, "score_threshold": 0.5},
            "score_threshold: points in the order of a field have no scores",
        ),
        ({"query": 1, "filter": {"must": [{"key": "a"}]}}, r"filter.must\[0\]: a condition is missing"),
        (
            {"query": 1, "filter": {"must": [{"key": "a", "match": {"value": 1}, "range": {"gt": 1}}]}},
            r"filter.must\[0\]: several conditions on one key",
        ),
        (
            {"query": 1, "filter": {"musst": []}},
            r"filter.musst: this is no condition \(did you mean `must`\?\)",
        ),
        (
            {"query": 1, "filter": {"must": [{"key": "a", "match": {"any": ["a", 1]}}]}},
            "match.any: a list of texts",
        ),
        (
            {"query": 1, "filter": {"must": [{"key": "a", "match": {"value": 0.5}}]}},
            "match.value: .*by a range",
        ),
        ({"query": 1, "filter": {"must": [{"key": "a", "range": {}}]}}, "range: a bound is missing"),
        (
            {"query": 1, "filter": {"must": [{"key": "a", "range": {"gt": "soon"}}]}},
            "'soon' is neither a number nor",
        ),
        (
            {"query": 1, "filter": {"should": [{"must": []}]}},
            r"filter.should\[0\]: a filter that holds for every point",
        ),
        (
            {"query": 1, "filter": {"must": [{"has_id": ["x"]}]}},
            r"filter.must\[0\].has_id\[0\]: 'x' is no point id",
        ),
        ({"query": 1, "with_payload": [1]}, r"with_payload\[0\]: a text"),
        ({"query": 1, "with_payload": {"only": ["a"]}}, "with_payload: this is no selection"),
        ({"query": 1, "shard_key": True}, "shard_key: a shard key is a text"),
    ],
)
def test_queries_that_are_refused(body: dict[str, Any], message: str) -> None:
    assert re.search(message, refused(search(body)), re.DOTALL)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (
            request("points/query/groups", {"query": 1, "group_by": "a", "offset": 1}),
            "offset: .*groups know no offset",
        ),
        (request("points/scroll", {"offset": 0}), "offset: no id stands before this one"),
        (request("points/search", {"vector": [1]}), "the key `limit` is missing"),
        (request("points/qeury", {}), "POST /collections/docs/points/qeury: QQL has no statement"),
        (request("points/count", {}, method="GET"), "the methods of this path are POST"),
        (request("facet"), "the body: POST /collections/docs/facet requires one"),
        (request("", {"a": 1}, method="GET"), "the body: GET /collections/docs takes none"),
        (request("points/count", {}, wait=True), "URL.wait: QQL has no word"),
        (request("points/count", {}, timeout="soon"), "URL.timeout: a whole number"),
        (request("points/delete", {"points": [1]}, wait="maybe"), "URL.wait: true or false"),
        (request("points/delete", {"points": [1]}, ordering="strong"), "URL.ordering: QQL writes in"),
        (request("points/delete", {"filter": {}}), "either `points` or a `filter` is required"),
        (request("points/delete", {"points": [1], "filter": {"must": [_city("a")]}}), "either `points` or"),
        (
            request("points", {"points": [{"id": -1, "vector": [1.0]}]}, method="PUT"),
            r"points\[0\].id: -1 is no point id",
        ),
        (
            request("points", {"batch": {"ids": [1], "vectors": [[1.0], [2.0]]}}, method="PUT"),
            "batch.vectors: this column has another length",
        ),
        (request("points/payload", {"payload": {}, "key": "a", "points": [1]}, method="PUT"), "OVERWRITE"),
        (
            request("points/batch", {"operations": [{"upsrt": {}}]}),
            r"operations\[0\]: .*did you mean `upsert`",
        ),
        (
            request("", {"vectors": {"d": {"size": 2}}}, method="PUT"),
            "vectors.d: the key `distance` is missing",
        ),
        (request("", {"init_from": {"collection": "a"}}, method="PUT"), "init_from: QQL has no word"),
        (request("", {"hnsw_config": {"m": 1, "mm": None}}, method="PUT"), "hnsw_config.mm: QQL has no word"),
        (request("", {"hnsw_config": {"m": "x"}}, method="PUT"), "`m` takes a whole number"),
        (request("", {"quantization_config": {"turbo": {"bit": 1}}}, method="PATCH"), "turbo.bit: .*`bits`"),
        (
            request(
                "index", {"field_name": "a", "field_schema": {"type": "geo", "range": True}}, method="PUT"
            ),
            "range",
        ),
        (
            request("", {"metadata": {"qql": {"models": {"x": "m"}}}}, method="PUT"),
            "metadata.qql.models.x: there is no vector of this name",
        ),
        (request("", {}, method="PATCH"), "there is nothing to change"),
        (
            Request("GET", "/telemetry"),
            "GET /telemetry: QQL has no statement for this route: it is about the",
        ),
    ],
)
def test_requests_that_are_refused(one: Request, message: str) -> None:
    assert re.search(message, refused(one), re.DOTALL)


@pytest.mark.parametrize(
    ("given", "rest", "message"),
    [
        ({"points": [1]}, {"collection": "docs"}, "does not say which request it belongs to .*--path"),
        ({"points": [{"id": 1, "vector": [1.0]}]}, {"collection": "docs"}, "which request"),
        ({"query": 1}, {}, "does not say which collection it is for .*--collection"),
        ({"method": "GET", "path": "/collections", "headers": {}}, {}, "headers: a request has the keys"),
        ({"method": "GET", "path": 3}, {}, "method, path: texts"),
        ({"method": "POST", "path": URL, "body": [1]}, {}, "body: an object"),
        ({"query": object()}, {"collection": "docs"}, "a value of the type object is no JSON"),
        ({"query": {1: 2}}, {"collection": "docs"}, "the key 1 is no text"),
        (7, {}, "is required, not int"),
        (
            models.PointIdsList(points=[1]),
            {"collection": "docs"},
            "PointIdsList is the body of POST …/points/delete and",
        ),
        (models.Filter(must=[]), {"collection": "docs"}, "Filter is the body of no request"),
    ],
)
def test_inputs_that_are_refused(given: Any, rest: dict[str, Any], message: str) -> None:
    assert re.search(message, refused(given, **rest), re.DOTALL)


@pytest.mark.parametrize(
    ("given", "message", "column"),
    [
        ("", "there is no request", 1),
        ("SELECT 1", "this is no request", 1),
        ('{"query": tru}', "this is no JSON", 11),
        ('{"query": NaN}', "NaN is no number of JSON", 1),
        ('{"limit": 1, "limit": 2}', 'the key "limit" stands twice', 1),
        (f"POST {URL}" + '\n{"exact": true', "this is no JSON", None),
        (f"curl -d @body.json localhost{URL}", "the body stands in the file body.json", 1),
        (f"curl -d '{{}}' -d '{{}}' localhost{URL}", "the body is given twice", 1),
        ("curl -d '{}'", "one URL is required", 1),
        (f"curl --frobnicate localhost{URL}", "the option --frobnicate of curl is not read", 1),
        (f"curl -X POST localhost{URL} -d", "the option -d of curl lacks its value", 1),
        (f"curl -d $'{{}} localhost{URL}", "this quote is never closed", 9),
        (f"curl -d '{{}} localhost{URL}", "this quote is never closed", 9),
        (f"curl localhost{URL} \\", "nothing follows this backslash", None),
        (f"curl localhost{URL} &", "in the foreground", 46),
        (f"curl localhost{URL} -d @- < body.json", "the body stands in a file", 52),
        (f"curl localhost{URL} -F snapshot=@a.snapshot", "-F of curl sends a file", 1),
        (f"curl localhost{URL} -d '{{}}x'", "behind the JSON", 1),
        (f"curl localhost{URL} -d 'a=b'", "is no JSON", 1),
        (f"curl localhost{URL} -d @- <<EOF", "this here-document is never closed", 52),
    ],
)
def test_texts_that_are_no_requests(given: str, message: str, column: int | None) -> None:
    with pytest.raises(QQLSyntaxError, match=message) as caught:
        qql.from_request(given)
    assert caught.value.code == "malformed-request"
    assert column in (None, caught.value.column)


def test_keys_are_never_shown() -> None:
    command = f"curl -H 'api-key: hidden' localhost{URL} --frobnicate"
    with pytest.raises(QQLSyntaxError) as caught:
        qql.from_request(command)
    assert "hidden" not in caught.value.message
    assert "hidden" not in qql.from_request(command.replace("--frobnicate", "-d '{}'"))


@pytest.mark.parametrize("levels", [60, 250, 2000, 100_000])
def test_what_nests_too_deep(levels: int) -> None:
    inner: dict[str, Any] = _city("a")
    for _ in range(levels):
        inner = {"must_not": [inner, _city("b")]}
    given = {"filter": inner}
    if levels == 60:
        comes_back(request("points/count", given))
        return
    assert "nests deeper than 400 levels" in refused(given, path=URL)
    written = '{"filter": ' + '{"must_not": [' * levels + "]}" * levels + "}"
    assert "nests" in refused(written, path=URL)


BAD = st.sampled_from([None, True, 3, -1, 0.5, "x", [], {}, [1], {"a": 1}, [[]], {"must": 1}, "2024-05-01"])


def _damaged(value: Any, data: Any) -> Any:
    """The value with something in it replaced, removed or added."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        match data.draw(st.sampled_from(["below", "below", "below", "remove", "rename"])):
            case "below":
                return {**value, key: _damaged(value[key], data)}
            case "remove":
                return {k: item for k, item in value.items() if k != key}
            case _:
                return {(f"{k}x" if k == key else k): item for k, item in value.items()}
    if isinstance(value, list) and value and data.draw(st.integers(0, 5)):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], _damaged(value[at], data), *value[at + 1 :]]
    return data.draw(BAD)


@pytest.mark.hypothesis
@pytest.mark.parametrize("kind", ["query", "groups", "operations", "create", "alter", "index", "scroll"])
def test_damaged_requests_are_refused_by_place_or_come_back(kind: str) -> None:
    """No damage is lost in silence: what converts, converts back, and all else is our own error."""

    @SETTINGS
    @given(REQUESTS[kind], st.data())
    def check(one: Request, data: Any) -> None:
        damaged = Request(one.method, one.path, one.query, _damaged(one.body, data))
        if not isinstance(damaged.body, dict):
            return
        try:
            found = qql.from_request(damaged)
        except QQLPlanError as exc:
            assert exc.code == "cannot-convert"
        else:
            (made,) = qql.compile(found)
            assert normal_form(made) == normal_form(damaged)

    check()


PIECES = [
    *("curl ", "-d ", "'", '"', "{", "}", "[", "]", "\\", "\n", "$", "#", "<", ":"),
    *("POST /collections/a\n", "http://h/collections"),
]


@SETTINGS
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
@example("curl\x00")
@example("curl 'http://[' -d '{}'")
@example("GET http://[::1/collections")
def test_any_text(given_text: str) -> None:
    try:
        qql.from_request(given_text)
    except qql.QQLError as exc:
        assert exc.render()


def test_every_model_of_a_body_has_a_route() -> None:
    for route in BODY_MODELS:
        method, rest = route
        path = (
            rest.replace("*", "x") if rest.startswith("/") else f"/collections/docs/{rest}".replace("*", "x")
        )
        with pytest.raises(QQLPlanError) as caught:
            to_tree(Request(method, path.rstrip("/"), {}, {"nothing": 1}))
        assert "QQL has no statement for this route" not in caught.value.message


# ------------------------------------------------------------------------------------ the command


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from qql.cli import main

    file = tmp_path / "requests.http"
    file.write_text(f"POST {URL}\n" + '{"exact": true}\n\nGET /collections\n', encoding="utf-8")
    assert main(["convert", str(file)]) == 0
    assert capsys.readouterr().out == f"{COUNT}\n\nSHOW COLLECTIONS;\n"
    assert main(["convert", str(file), "--format", "line", "-o", str(tmp_path / "out.qql")]) == 0
    assert (tmp_path / "out.qql").read_text(encoding="utf-8") == f"{COUNT}\nSHOW COLLECTIONS;\n"
    assert main(["convert", "-c", '{"query": 1}', "--collection", "docs"]) == 0
    assert capsys.readouterr().out == "QUERY POINT 1 FROM docs WITH PAYLOAD false;\n"
    assert main(["convert", "-c", "{}", "--method", "delete", "--path", "/collections/docs"]) == 0
    assert capsys.readouterr().out == "DROP COLLECTION docs;\n"


def test_command_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    from qql.cli import main

    assert main(["convert", "-c", '{"query": 1, "limt": 2}', "--collection", "docs"]) == 3
    assert "error[cannot-convert]: limt: QQL has no word for this key" in capsys.readouterr().err
    assert main(["convert", "-c", "{]"]) == 3
    assert "<command>:1:2" in capsys.readouterr().err
    assert main(["convert", "-c", "{}", "--url", "http://x"]) == 2
    assert main(["run", "-c", "SHOW COLLECTIONS", "--path", "/x"]) == 2
    assert "--path has no meaning for `qql run`" in capsys.readouterr().err


def test_unknown_format() -> None:
    write: Callable[..., str] = qql.from_request
    with pytest.raises(ValueError, match="the formats are script and line"):
        write("GET /collections", format="pretty")


def test_alternatives_above_those_of_another_kind_stay_as_they_are() -> None:
    """Qdrant joins `should` with `should`, and not with `min_should`, so neither needs a `must` around it."""
    below = {"min_should": {"conditions": [{"has_vector": "b"}, {"has_vector": "c"}], "min_count": 1}}
    either = {"should": [{"key": "a", "match": {"value": 1}}, {"key": "a", "match": {"value": 2}}]}
    body = {"prefetch": [{"query": [0.5], "filter": below}], "query": {"fusion": "rrf"}, "filter": either}
    (back,) = qql.compile(qql.from_request(body, method="POST", path="/collections/c/points/query"))
    assert back.body is not None
    assert back.body["filter"] == either
    assert back.body["prefetch"][0]["filter"] == below
