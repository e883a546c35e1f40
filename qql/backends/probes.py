"""Requests that show whether an engine can do what a row of `capabilities` is about.

They work on collections that ``tests/test_capabilities.py`` makes: ``docs`` with the vectors ``dense`` (4,
cosine), ``rows`` (2, a multivector), ``sparse`` and ``words`` (idf), and with an index on each field that
needs one; ``users`` with ``dense``; and an empty ``spare``. ``{snapshot}`` stands for the name of a snapshot
of ``docs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qql.rest.request import Request, collection_path

__all__ = ["DENSE", "PROBES", "ROWS", "SPARSE"]

_Probe = tuple[Request, ...]

DENSE = [0.1, 0.9, 0.3, 0.2]
SPARSE = {"indices": [1, 4], "values": [0.5, 1.5]}
ROWS = [[0.1, 0.9], [0.4, 0.3]]


def _ask(
    method: str,
    route: str,
    body: dict[str, Any] | None = None,
    *,
    to: str = "docs",
    **query: Any,
) -> _Probe:
    return (Request(method, collection_path(to, route) if route else collection_path(to), query, body),)


def _query(query: Any = None, using: str | None = "dense", **more: Any) -> _Probe:
    body = {"query": query, "using": using, **more}
    return _ask("POST", "points/query", {key: value for key, value in body.items() if value is not None})


_STAGES = [{"query": DENSE, "using": "dense"}, {"query": SPARSE, "using": "sparse"}]


def _fused(query: Any, **more: Any) -> _Probe:
    return _query(query, None, prefetch=_STAGES, **more)


def _formula(expression: Any, **more: Any) -> _Probe:
    return _query({"formula": expression, **more}, None, prefetch=_STAGES[:1])


def _where(**condition: Any) -> _Probe:
    return _ask("POST", "points/scroll", {"filter": {"must": [condition]}})


def _field(key: str, **test: Any) -> _Probe:
    return _where(key=key, **test)


_POINT = {"lat": 52.5, "lon": 13.4}
_SQUARE = {
    "points": [
        {"lat": 50, "lon": 10},
        {"lat": 55, "lon": 10},
        {"lat": 55, "lon": 20},
        {"lat": 50, "lon": 20},
        {"lat": 50, "lon": 10},
    ]
}
_RED = {"key": "word", "match": {"value": "red"}}


def _recommend(strategy: str, *positive: Any) -> _Probe:
    return _query({"recommend": {"positive": list(positive), "negative": [3], "strategy": strategy}})


_TARGETS: dict[str, _Probe] = {
    "target.vector": _query(DENSE),
    "target.sparse": _query(SPARSE, "sparse"),
    "target.multivector": _query(ROWS, "rows"),
    "target.text": _query({"text": "x", "model": "qdrant/bm25"}, "words"),
    "target.image": _query({"image": "x", "model": "m"}),
    "target.point": _query(1),
    "target.points": _ask("POST", "points", {"ids": [1, 2]}),
    "target.recommend.average-vector": _recommend("average_vector", 1, DENSE),
    "target.recommend.best-score": _recommend("best_score", 1, DENSE),
    "target.recommend.sum-scores": _recommend("sum_scores", 1, DENSE),
    "target.discover": _query({"discover": {"target": DENSE, "context": [{"positive": 1, "negative": 2}]}}),
    "target.context": _query({"context": [{"positive": 1, "negative": DENSE}]}),
    "target.order-by": _query({"order_by": {"key": "number", "direction": "desc", "start_from": 3}}, None),
    "target.sample": _query({"sample": "random"}, None),
    "target.all": _query(None, None),
    "target.mmr": _query({"nearest": DENSE, "mmr": {"diversity": 0.5, "candidates_limit": 10}}),
    "target.mmr.multivector": _query({"nearest": ROWS, "mmr": {}}, "rows"),
    "target.mmr.sparse": _query({"nearest": SPARSE, "mmr": {}}, "sparse"),
    "target.relevance-feedback": _query(
        {
            "relevance_feedback": {
                "target": DENSE,
                "feedback": [{"example": 1, "score": 0.9}, {"example": 2, "score": 0.1}],
                "strategy": {"naive": {"a": 1.0, "b": 1.0, "c": 0.5}},
            }
        }
    ),
    "target.full-text": _query({"text": "quick fox"}, "text"),
    "target.full-text.parameters": _query(
        {"text": {"query": "quick fox", "scoring": {"bm25": {"k": 2.0, "b": 0.5}}}}, "text"
    ),
    "target.fusion.rrf": _fused({"fusion": "rrf"}),
    "target.fusion.dbsf": _fused({"fusion": "dbsf"}),
    "target.fusion.rrf-k": _fused({"rrf": {"k": 20}}),
    "target.fusion.weights": _fused({"rrf": {"weights": [0.7, 0.3]}}),
    "target.rescore": _query(ROWS, "rows", prefetch=_STAGES),
    "target.formula": _formula({"sum": ["$score", "missing"]}, defaults={"missing": 1}),
}

_EXPRESSIONS: dict[str, Any] = {
    "arithmetic": {"sum": ["$score", {"neg": 1}, {"mult": [2, "price"]}]},
    "division": {"div": {"left": "price", "right": "number", "by_zero_default": 0}},
    "functions": {
        "sum": [
            {"abs": {"neg": "price"}},
            {"sqrt": "price"},
            {"pow": {"base": "price", "exponent": 2}},
            {"exp": "$score"},
            {"ln": "price"},
            {"log10": "price"},
        ]
    },
    "max-min": {"max": ["price", {"min": ["number", 2]}]},
    "acosh": {"acosh": {"sum": [1, "price"]}},
    "condition": {"mult": [2, _RED]},
    "filter": {"mult": [2, {"must": [_RED, {"key": "flag", "match": {"value": True}}]}]},
    "geo-distance": {"geo_distance": {"origin": _POINT, "to": "place"}},
    "datetime": {"sum": [{"datetime_key": "at"}, {"neg": {"datetime": "2024-01-01T00:00:00Z"}}]},
    "lin-decay": {"lin_decay": {"x": "price", "target": 5, "scale": 3, "midpoint": 0.5}},
    "exp-decay": {"exp_decay": {"x": "price", "target": 5, "scale": 3}},
    "gauss-decay": {
        "gauss_decay": {
            "x": {"datetime_key": "at"},
            "target": {"datetime": "2024-01-01T00:00:00Z"},
            "scale": 86400,
        }
    },
}

_FILTERS: dict[str, _Probe] = {
    "filter.equal.string": _field("word", match={"value": "red"}),
    "filter.equal.integer": _field("number", match={"value": 1}),
    "filter.equal.boolean": _field("flag", match={"value": True}),
    "filter.not": _ask("POST", "points/scroll", {"filter": {"must_not": [_RED]}}),
    "filter.or": _ask("POST", "points/scroll", {"filter": {"should": [_RED, {"has_id": [2]}]}}),
    "filter.nesting": _where(should=[_RED, {"must_not": [_RED]}]),
    "filter.min-should": _ask(
        "POST",
        "points/scroll",
        {"filter": {"min_should": {"conditions": [_RED, {"has_id": [2]}], "min_count": 1}}},
    ),
    "filter.range": _field("price", range={"gte": 1, "lt": 3}),
    "filter.range.datetime": _field("at", range={"gte": "2024-01-01T00:00:00Z"}),
    "filter.in": _field("word", match={"any": ["red", "blue"]}),
    "filter.except": _field("word", match={"except": ["red", "blue"]}),
    "filter.is-null": _where(is_null={"key": "nothing"}),
    "filter.is-empty": _where(is_empty={"key": "tags"}),
    "filter.match.text": _field("text", match={"text": "quick fox"}),
    "filter.match.phrase": _field("text", match={"phrase": "quick brown"}),
    "filter.match.tokens": _field("text", match={"text_any": "quick slow"}),
    "filter.match.prefix": _field("word", match={"prefix": "re"}),
    "filter.match.substring": _field("word", match={"substring": "ed"}),
    "filter.id": _where(has_id=[1, 2]),
    "filter.has-vector": _where(has_vector="dense"),
    "filter.nested": _where(
        nested={"key": "parts", "filter": {"must": [{"key": "size", "range": {"gt": 1}}]}}
    ),
    "filter.slice": _where(slice={"total": 4, "index": 1}),
    "filter.values-count": _field("tags", values_count={"gte": 2}),
    "filter.geo-bbox": _field(
        "place", geo_bounding_box={"top_left": {"lat": 55, "lon": 10}, "bottom_right": {"lat": 50, "lon": 20}}
    ),
    "filter.geo-radius": _field("place", geo_radius={"center": _POINT, "radius": 100_000}),
    "filter.geo-polygon": _field("place", geo_polygon={"exterior": _SQUARE, "interiors": []}),
}

_GROUPS = {"query": DENSE, "using": "dense", "group_by": "owner", "group_size": 2, "limit": 3}
_PARAMS: dict[str, Any] = {
    "hnsw-ef": {"hnsw_ef": 64},
    "exact": {"exact": True},
    "indexed-only": {"indexed_only": True},
    "quantization": {"quantization": {"rescore": True, "oversampling": 2.0}},
    "acorn": {"acorn": {"enable": True}},
}

_CLAUSES: dict[str, _Probe] = {
    "clause.prefetch": _fused({"fusion": "rrf"}, filter={"must": [_RED]}, score_threshold=0.01),
    "clause.score-threshold": _query(DENSE, score_threshold=0.5),
    "clause.offset": _query(DENSE, limit=2, offset=1),
    "clause.lookup-from": _query(1, lookup_from={"collection": "users", "vector": "dense"}),
    "clause.with-payload": _query(DENSE, with_payload={"include": ["word"]}),
    "clause.with-payload.exclude": _query(DENSE, with_payload={"exclude": ["word"]}),
    "clause.with-vector": _query(DENSE, with_vector=["dense"]),
    "clause.group-by": _ask("POST", "points/query/groups", _GROUPS),
    "clause.group-by.lookup": _ask(
        "POST",
        "points/query/groups",
        _GROUPS | {"with_lookup": {"collection": "users", "with_payload": True, "with_vectors": False}},
    ),
    "clause.shard": _query(DENSE, shard_key="eu"),
    **{f"params.{name}": _query(DENSE, params=params) for name, params in _PARAMS.items()},
    "params.idf": _query(SPARSE, "words", params={"idf": "global"}),
    "params.idf.corpus": _query(SPARSE, "words", params={"idf": {"corpus": {"must": [_RED]}}}),
    "params.timeout": _ask("POST", "points/query", {"query": DENSE, "using": "dense"}, timeout=10),
    "params.consistency": _ask(
        "POST", "points/query", {"query": DENSE, "using": "dense"}, consistency="majority"
    ),
}

_READS: dict[str, _Probe] = {
    "read.scroll": _ask("POST", "points/scroll", {"filter": {"must": [_RED]}, "limit": 10}),
    "read.scroll.after": _ask("POST", "points/scroll", {"offset": 3}),
    "read.scroll.order-by": _ask(
        "POST", "points/scroll", {"order_by": {"key": "number", "direction": "asc"}}
    ),
    "read.count": _ask("POST", "points/count", {"filter": {"must": [_RED]}}),
    "read.count.approximate": _ask("POST", "points/count", {"exact": False}),
    "read.facet": _ask("POST", "facet", {"key": "word", "filter": {"must": [_RED]}, "limit": 5}),
    "read.facet.exact": _ask("POST", "facet", {"key": "word", "exact": True}),
    "read.batch": _ask(
        "POST",
        "points/query/batch",
        {"searches": [{"query": DENSE, "using": "dense"}, {"query": {"fusion": "rrf"}, "prefetch": _STAGES}]},
    ),
    "read.matrix": _ask("POST", "points/search/matrix/pairs", {"sample": 3, "using": "dense"}),
}

_ROW = {"id": 9, "vector": {"dense": DENSE}, "payload": {"word": "new"}}


def _write(method: str, route: str, body: dict[str, Any], **query: Any) -> _Probe:
    return _ask(method, route, body, **({"wait": "true"} | query))


_ALL_OPERATIONS = [
    {"upsert": {"points": [_ROW]}},
    {"set_payload": {"payload": {"a": 1}, "points": [9]}},
    {"overwrite_payload": {"payload": {"b": 1, "c": 2}, "points": [9]}},
    {"delete_payload": {"keys": ["b"], "points": [9]}},
    {"update_vectors": {"points": [{"id": 9, "vector": {"sparse": SPARSE}}]}},
    {"delete_vectors": {"vector": ["dense"], "points": [9]}},
    {"clear_payload": {"points": [9]}},
    {"delete": {"points": [9]}},
]

_WRITES: dict[str, _Probe] = {
    "write.upsert": _write("PUT", "points", {"points": [_ROW]}),
    "write.upsert.columns": _write(
        "PUT", "points", {"batch": {"ids": [9], "vectors": {"dense": [DENSE]}, "payloads": [{}]}}
    ),
    "write.upsert.insert-only": _write("PUT", "points", {"points": [_ROW], "update_mode": "insert_only"}),
    "write.upsert.update-only": _write("PUT", "points", {"points": [_ROW], "update_mode": "update_only"}),
    "write.upsert.filter": _write("PUT", "points", {"points": [_ROW], "update_filter": {"must": [_RED]}}),
    "write.upsert.text": _write(
        "PUT", "points", {"points": [{"id": 9, "vector": {"words": {"text": "x", "model": "qdrant/bm25"}}}]}
    ),
    "write.payload": _write("POST", "points/payload", {"payload": {"a": 1}, "filter": {"must": [_RED]}}),
    "write.payload.key": _write(
        "POST", "points/payload", {"payload": {"a": 1}, "points": [1], "key": "deep"}
    ),
    "write.payload.overwrite": _write("PUT", "points/payload", {"payload": {"a": 1}, "points": [1]}),
    "write.payload.delete": _write(
        "POST", "points/payload/delete", {"keys": ["a"], "filter": {"must": [_RED]}}
    ),
    "write.payload.clear": _write("POST", "points/payload/clear", {"points": [1]}),
    "write.vectors": _write("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"dense": DENSE}}]}),
    "write.vectors.filter": _write(
        "PUT",
        "points/vectors",
        {"points": [{"id": 1, "vector": {"dense": DENSE}}], "update_filter": {"must": [_RED]}},
    ),
    "write.vectors.delete": _write(
        "POST", "points/vectors/delete", {"vector": ["sparse"], "filter": {"must": [_RED]}}
    ),
    "write.delete": _write("POST", "points/delete", {"filter": {"must": [_RED]}}),
    "write.delete.ids": _write("POST", "points/delete", {"points": [1, 2]}),
    "write.batch": _write("POST", "points/batch", {"operations": _ALL_OPERATIONS}),
    "write.unwaited": _write("PUT", "points", {"points": [_ROW]}, wait="false"),
    "write.ordering": _write("PUT", "points", {"points": [_ROW]}, ordering="strong"),
    "write.timeout": _write("PUT", "points", {"points": [_ROW]}, timeout=10),
    "write.shard": _write("PUT", "points", {"points": [_ROW], "shard_key": "eu"}),
}

_SIMPLE = {"vectors": {"dense": {"size": 4, "distance": "Cosine"}}}


def _created(part: Mapping[str, Any], **vector: Any) -> _Probe:
    dense = _SIMPLE["vectors"]["dense"] | vector
    return _ask("PUT", "", {"vectors": {"dense": dense}, **part}, to="fresh")


_CREATE: dict[str, _Probe] = {
    "create": _created({}),
    "create.unnamed": _ask("PUT", "", {"vectors": {"size": 4, "distance": "Dot"}}, to="fresh"),
    "create.distances": _created({}, distance="Manhattan"),
    "create.sparse": _created({"sparse_vectors": {"words": {"modifier": "idf"}}}),
    "create.sparse.index": _created(
        {"sparse_vectors": {"words": {"index": {"on_disk": True, "full_scan_threshold": 100}}}}
    ),
    "create.multivector": _created({}, multivector_config={"comparator": "max_sim"}),
    "create.datatype": _created({}, datatype="float16"),
    "create.datatype.turbo4": _created({}, datatype="turbo4"),
    "create.datatype.turbo8": _created({}, datatype="turbo8"),
    "create.vector.on-disk": _created({}, on_disk=True),
    "create.vector.memory": _created({}, memory="cold"),
    "create.vector.hnsw": _created({}, hnsw_config={"m": 8}),
    "create.hnsw": _created({"hnsw_config": {"m": 8, "payload_m": 4}}),
    "create.hnsw.inline-storage": _created({"hnsw_config": {"inline_storage": True}}),
    "create.quantization.scalar": _created({"quantization_config": {"scalar": {"type": "int8"}}}),
    "create.quantization.product": _created({"quantization_config": {"product": {"compression": "x4"}}}),
    "create.quantization.binary": _created({"quantization_config": {"binary": {"encoding": "two_bits"}}}),
    "create.quantization.turbo": _created({"quantization_config": {"turbo": {"bits": "bits4"}}}),
    "create.optimizers": _created({"optimizers_config": {"indexing_threshold": 1000}}),
    "create.optimizers.memmap": _created({"optimizers_config": {"memmap_threshold": 1000}}),
    "create.optimizers.flush": _created({"optimizers_config": {"flush_interval_sec": 5}}),
    "create.optimizers.threads": _created({"optimizers_config": {"max_optimization_threads": 2}}),
    "create.payload.on-disk": _created({"on_disk_payload": True}),
    "create.payload.memory": _created({"payload": {"memory": "cold"}}),
    "create.id-tracker": _created({"id_tracker": {"memory": "cold"}}),
    "create.wal": _created({"wal_config": {"wal_capacity_mb": 32}}),
    "create.strict-mode": _created({"strict_mode_config": {"enabled": True}}),
    "create.shards": _created({"shard_number": 2}),
    "create.replicas": _created({"replication_factor": 2}),
    "create.sharding": _created({"sharding_method": "custom"}),
    "create.metadata": _created({"metadata": {"a": 1}}),
}


def _altered(change: Mapping[str, Any]) -> _Probe:
    return _ask("PATCH", "", dict(change))


_ALTER: dict[str, _Probe] = {
    "alter.metadata": _altered({"metadata": {"b": 2}}),
    "alter.hnsw": _altered({"hnsw_config": {"m": 8}}),
    "alter.optimizers": _altered({"optimizers_config": {"indexing_threshold": 1000}}),
    "alter.quantization": _altered({"quantization_config": {"scalar": {"type": "int8"}}}),
    "alter.quantization.disabled": _altered({"quantization_config": "Disabled"}),
    "alter.vector": _altered({"vectors": {"dense": {"hnsw_config": {"m": 8}, "on_disk": True}}}),
    "alter.sparse": _altered({"sparse_vectors": {"words": {"index": {"on_disk": True}}}}),
    "alter.sparse.modifier": _altered({"sparse_vectors": {"sparse": {"modifier": "idf"}}}),
    "alter.params": _altered({"params": {"on_disk_payload": True}}),
    "alter.replicas": _altered({"params": {"replication_factor": 2}}),
    "alter.fan-out": _altered({"params": {"read_fan_out_factor": 2}}),
    "alter.strict-mode": _altered({"strict_mode_config": {"enabled": True}}),
    "alter.add-vector": _ask("PUT", "vectors/more", {"dense": {"size": 3, "distance": "Dot"}}),
    "alter.add-multivector": _ask(
        "PUT",
        "vectors/more",
        {"dense": {"size": 3, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}},
    ),
    "alter.add-sparse": _ask("PUT", "vectors/more", {"sparse": {"modifier": "idf"}}),
    "alter.drop-vector": _ask("DELETE", "vectors/sparse"),
}


def _index(schema: Any, field: str = "fresh") -> _Probe:
    return _write("PUT", "index", {"field_name": field, "field_schema": schema})


_TYPES = ("keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid")
_TEXT = {"type": "text"}
_INDEXES: dict[str, _Probe] = {
    **{f"index.{kind}": _index(kind) for kind in _TYPES},
    "index.tenant": _index({"type": "keyword", "is_tenant": True}),
    "index.principal": _index({"type": "integer", "is_principal": True}),
    "index.lookup-range": _index({"type": "integer", "lookup": True, "range": False}),
    "index.prefix": _index({"type": "keyword", "prefix": True}),
    "index.on-disk": _index({"type": "keyword", "on_disk": True}),
    "index.memory": _index({"type": "keyword", "memory": "cold"}),
    "index.enable-hnsw": _index({"type": "keyword", "enable_hnsw": False}),
    "index.nested": _index({"type": "integer", "nested": "parts"}, "parts[].size"),
    "index.text.tokenizer": _index(
        _TEXT | {"tokenizer": "word", "min_token_len": 2, "max_token_len": 9, "lowercase": True}
    ),
    "index.text.multilingual": _index(_TEXT | {"tokenizer": "multilingual"}),
    "index.text.code": _index(_TEXT | {"tokenizer": "code"}),
    "index.text.phrase": _index(_TEXT | {"phrase_matching": True}),
    "index.text.stemmer": _index(_TEXT | {"stemmer": {"type": "snowball", "language": "english"}}),
    "index.text.stopwords": _index(_TEXT | {"stopwords": {"languages": ["english"], "custom": ["foo"]}}),
    "index.text.folding": _index(_TEXT | {"ascii_folding": True}),
    "index.text.scoring": _index(_TEXT | {"scoring": True}),
    "index.drop": _ask("DELETE", "index/word", wait="true"),
}


def _aliases(*actions: dict[str, Any]) -> _Probe:
    return (Request("POST", "/collections/aliases", {}, {"actions": list(actions)}),)


def _alias(name: str, collection: str = "docs") -> dict[str, Any]:
    return {"create_alias": {"collection_name": collection, "alias_name": name}}


_SHARD_KEY = {"shard_key": "eu"}
_ADMIN: dict[str, _Probe] = {
    "admin.list": (Request("GET", "/collections"),),
    "admin.show": _ask("GET", ""),
    "admin.exists": _ask("GET", "exists"),
    "admin.drop": _ask("DELETE", "", to="spare"),
    "alias.create": _aliases(_alias("now")),
    "alias.replace": (*_aliases(_alias("now")), *_aliases(_alias("now", "users"))),
    "alias.rename": (
        *_aliases(_alias("now")),
        *_aliases({"rename_alias": {"old_alias_name": "now", "new_alias_name": "then"}}),
    ),
    "alias.drop": (*_aliases(_alias("now")), *_aliases({"delete_alias": {"alias_name": "now"}})),
    "alias.use": (
        *_aliases(_alias("now")),
        *_ask("POST", "points/query", {"query": DENSE, "using": "dense"}, to="now"),
    ),
    "alias.show": (Request("GET", "/aliases"),),
    "alias.show.collection": _ask("GET", "aliases"),
    "snapshot.create": _ask("POST", "snapshots", {}, wait="true"),
    "snapshot.show": _ask("GET", "snapshots"),
    "snapshot.drop": _ask("DELETE", "snapshots/{snapshot}"),
    "snapshot.recover": _ask("PUT", "snapshots/recover", {"location": "{snapshot}"}, wait="true"),
    "snapshot.recover.download": _ask(
        "PUT", "snapshots/recover", {"location": "https://localhost/a.snapshot"}
    ),
    "snapshot.all": (Request("POST", "/snapshots"),),
    "shard-key.create": _ask("PUT", "shards", _SHARD_KEY),
    "shard-key.drop": _ask("POST", "shards/delete", _SHARD_KEY),
    "shard-key.show": _ask("GET", "shards"),
    "quota.show": (Request("GET", "/quotas"),),
    "quota.set": (Request("PUT", "/quotas", {}, {"enabled": True}),),
    "cluster.show": (Request("GET", "/cluster"),),
}

PROBES: dict[str, _Probe] = (
    _TARGETS
    | {f"formula.{name}": _formula(expression) for name, expression in _EXPRESSIONS.items()}
    | _FILTERS
    | _CLAUSES
    | _READS
    | _WRITES
    | _CREATE
    | _ALTER
    | _INDEXES
    | _ADMIN
)
"""By `Feature.id`."""
