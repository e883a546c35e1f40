"""Features of searching and reading: targets, formulas, filters, clauses, parameters, other reads."""

from __future__ import annotations

from qql import nodes
from qql.compiler.options.query import FUSION_OPTIONS, LINEAR_OPTIONS, REQUEST_OPTIONS, SEARCH_PARAMS
from qql.nodes import MATCH_OPERATORS, MatchOperator
from qql.rest.limits import BM25
from qql.rest.linear_fusion import LinearFusion
from qql.rest.request import Request
from qql.rest.types import Json, JsonObject

from .base import (
    DENSE,
    EMBEDS,
    NOT_ITS,
    ONE_PIECE,
    RED,
    ROWS,
    SPARSE,
    Feature,
    declared,
    feature,
    request,
)

__all__ = ["QUERIES"]

_NO_MMR = "MMR requires a dense vector or a multivector"


def _search(query: Json = None, using: str | None = "dense", **more: Json) -> Request:
    body = {"query": query, "using": using, **more}
    return request("POST", "points/query", {key: value for key, value in body.items() if value is not None})


_STAGES = [{"query": DENSE, "using": "dense"}, {"query": SPARSE, "using": "sparse"}]


def _search_fused(query: Json, **more: Json) -> Request:
    return _search(query, None, prefetch=_STAGES, **more)


def _search_formula(expression: Json, **more: Json) -> Request:
    return _search({"formula": expression, **more}, None, prefetch=_STAGES[:1])


def _search_recommend(strategy: str, *positive: Json) -> Request:
    return _search({"recommend": {"positive": list(positive), "negative": [3], "strategy": strategy}})


def _scroll_where(**condition: Json) -> Request:
    return request("POST", "points/scroll", {"filter": {"must": [condition]}})


def _scroll_field(key: str, **test: Json) -> Request:
    return _scroll_where(key=key, **test)


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
_GROUPS: JsonObject = {"query": DENSE, "using": "dense", "group_by": "owner", "group_size": 2, "limit": 3}


def _match_row(known: MatchOperator) -> Feature:
    field, words = ("text", "a b") if "text" in known.indexes else ("word", known.example)
    probe = _scroll_field(field, match={known.kind: known.example})
    name = (known.word or "text").lower()
    return declared(f"filter.match.{name}", f"field {known.words} '{words}'", known.support, probe)


QUERIES: tuple[Feature, ...] = (
    feature("target.vector", "QUERY [0.1, …]", _search(DENSE)),
    feature("target.sparse", "QUERY {indices: […], values: […]}", _search(SPARSE, "sparse")),
    feature("target.multivector", "QUERY [[0.1, …], …]", _search(ROWS, "rows")),
    feature(
        "target.text",
        "QUERY 'text' MODEL 'm', embedded by the engine",
        _search({"text": "x", "model": BM25}, "words"),
        since="1.15.2",
        edge=EMBEDS,
        local=EMBEDS,
    ),
    feature(
        "target.image",
        "QUERY IMAGE '…' MODEL 'm', embedded by the engine",
        _search({"image": "x", "model": "m"}),
        since="1.14",
        edge=EMBEDS,
        local=EMBEDS,
    ),
    feature("target.point", "QUERY POINT 1", _search(1)),
    declared(
        "target.points",
        "QUERY POINTS (1, 2)",
        nodes.TARGETS[nodes.Points].support,
        request("POST", "points", {"ids": [1, 2]}),
    ),
    declared(
        "target.recommend.average-vector",
        "QUERY RECOMMEND … STRATEGY average_vector",
        nodes.TARGETS[nodes.Recommend].support,
        _search_recommend("average_vector", 1, DENSE),
    ),
    feature(
        "target.recommend.best-score",
        "QUERY RECOMMEND … STRATEGY best_score",
        _search_recommend("best_score", 1, DENSE),
    ),
    feature(
        "target.recommend.sum-scores",
        "QUERY RECOMMEND … STRATEGY sum_scores",
        _search_recommend("sum_scores", 1, DENSE),
        since="1.14",
    ),
    declared(
        "target.discover",
        "QUERY DISCOVER TARGET … CONTEXT (…)",
        nodes.TARGETS[nodes.Discover].support,
        _search({"discover": {"target": DENSE, "context": [{"positive": 1, "negative": 2}]}}),
    ),
    declared(
        "target.context",
        "QUERY CONTEXT (POSITIVE … NEGATIVE …)",
        nodes.TARGETS[nodes.Context].support,
        _search({"context": [{"positive": 1, "negative": DENSE}]}),
    ),
    declared(
        "target.order-by",
        "QUERY ORDER BY field DESC START FROM 3",
        nodes.TARGETS[nodes.OrderBy].support,
        _search({"order_by": {"key": "number", "direction": "desc", "start_from": 3}}, None),
    ),
    declared(
        "target.sample",
        "QUERY SAMPLE RANDOM",
        nodes.TARGETS[nodes.Sample].support,
        _search({"sample": "random"}, None),
    ),
    feature("target.all", "QUERY without a target: points by id", _search(None, None)),
    declared(
        "target.mmr",
        "QUERY MMR … DIVERSITY 0.5 CANDIDATES 10",
        nodes.TARGETS[nodes.Mmr].support,
        _search({"nearest": DENSE, "mmr": {"diversity": 0.5, "candidates_limit": 10}}),
    ),
    feature(
        "target.mmr.multivector",
        "QUERY MMR … USING a multivector",
        _search({"nearest": ROWS, "mmr": {}}, "rows"),
        since="1.15",
    ),
    feature(
        "target.mmr.sparse",
        "QUERY MMR … USING a sparse vector",
        _search({"nearest": SPARSE, "mmr": {}}, "sparse"),
        since="1.15",
        edge=_NO_MMR,
    ),
    declared(
        "target.relevance-feedback",
        "QUERY RELEVANCE FEEDBACK … STRATEGY NAIVE (…)",
        nodes.TARGETS[nodes.RelevanceFeedback].support,
        _search(
            {
                "relevance_feedback": {
                    "target": DENSE,
                    "feedback": [{"example": 1, "score": 0.9}, {"example": 2, "score": 0.1}],
                    "strategy": {"naive": {"a": 1.0, "b": 1.0, "c": 0.5}},
                }
            }
        ),
    ),
    declared(
        "target.full-text",
        "QUERY MATCH 'words' ON field (BM25 over a text index)",
        nodes.TARGETS[nodes.FullText].support,
        _search({"text": "quick fox"}, "text"),
    ),
    feature(
        "target.full-text.parameters",
        "QUERY MATCH 'words' ON field (k = 1.2, b = 0.75)",
        _search({"text": {"query": "quick fox", "scoring": {"bm25": {"k": 2.0, "b": 0.5}}}}, "text"),
        since="1.20",
    ),
    feature("target.fusion.rrf", "FUSION RRF", _search_fused({"fusion": "rrf"})),
    feature("target.fusion.dbsf", "FUSION DBSF", _search_fused({"fusion": "dbsf"}), since="1.11"),
    declared(
        "target.fusion.linear",
        "FUSION LINEAR WITH (normalizer = sigmoid, weights = […])",
        LINEAR_OPTIONS["normalizer"].support,
        _search_fused(LinearFusion("sigmoid", (1.0, 0.5)).query()),
    ),
    declared(
        "target.fusion.rrf-k",
        "FUSION RRF WITH (rrf_k = 20)",
        FUSION_OPTIONS["rrf_k"].support,
        _search_fused({"rrf": {"k": 20}}),
    ),
    declared(
        "target.fusion.weights",
        "FUSION RRF WITH (rrf_weights = […])",
        FUSION_OPTIONS["rrf_weights"].support,
        _search_fused({"rrf": {"weights": [0.7, 0.3]}}),
    ),
    feature(
        "target.rescore",
        "QUERY … PREFETCH (…): the union is scored again",
        _search(ROWS, "rows", prefetch=_STAGES),
    ),
    declared(
        "target.formula",
        "QUERY FORMULA … DEFAULTS (…)",
        nodes.TARGETS[nodes.Formula].support,
        _search_formula({"sum": ["$score", "missing"]}, defaults={"missing": 1}),
    ),
    feature(
        "formula.arithmetic",
        "FORMULA with + - *",
        _search_formula({"sum": ["$score", {"neg": 1}, {"mult": [2, "price"]}]}),
        since="1.14",
    ),
    feature(
        "formula.division",
        "FORMULA with /",
        _search_formula({"div": {"left": "price", "right": "number", "by_zero_default": 0}}),
        since="1.14",
    ),
    declared(
        "formula.functions",
        "FORMULA with ABS SQRT POW EXP LN LOG",
        nodes.FUNCTIONS["ABS"].support,
        _search_formula(
            {
                "sum": [
                    {"abs": {"neg": "price"}},
                    {"sqrt": "price"},
                    {"pow": {"base": "price", "exponent": 2}},
                    {"exp": "$score"},
                    {"ln": "price"},
                    {"log10": "price"},
                ]
            }
        ),
    ),
    declared(
        "formula.max-min",
        "FORMULA with MAX MIN",
        nodes.FUNCTIONS["MAX"].support,
        _search_formula({"max": ["price", {"min": ["number", 2]}]}),
    ),
    declared(
        "formula.acosh",
        "FORMULA with ACOSH",
        nodes.FUNCTIONS["ACOSH"].support,
        _search_formula({"acosh": {"sum": [1, "price"]}}),
    ),
    feature(
        "formula.condition",
        "FORMULA with CASE WHEN … THEN …, MATCH(field, value)",
        _search_formula({"mult": [2, RED]}),
        since="1.14",
    ),
    feature(
        "formula.filter",
        "FORMULA with CASE WHEN a AND b THEN …",
        _search_formula({"mult": [2, {"must": [RED, {"key": "flag", "match": {"value": True}}]}]}),
        since="1.14",
    ),
    feature(
        "formula.geo-distance",
        "FORMULA with GEO_DISTANCE(lat, lon, field)",
        _search_formula({"geo_distance": {"origin": _POINT, "to": "place"}}),
        since="1.14",
    ),
    feature(
        "formula.datetime",
        "FORMULA with DATETIME('…'), DATETIME_KEY('field')",
        _search_formula({"sum": [{"datetime_key": "at"}, {"neg": {"datetime": "2024-01-01T00:00:00Z"}}]}),
        since="1.14",
    ),
    feature(
        "formula.lin-decay",
        "FORMULA with LIN_DECAY",
        _search_formula({"lin_decay": {"x": "price", "target": 5, "scale": 3, "midpoint": 0.5}}),
        since="1.14",
    ),
    feature(
        "formula.exp-decay",
        "FORMULA with EXP_DECAY",
        _search_formula({"exp_decay": {"x": "price", "target": 5, "scale": 3}}),
        since="1.14",
    ),
    feature(
        "formula.gauss-decay",
        "FORMULA with GAUSS_DECAY",
        _search_formula(
            {
                "gauss_decay": {
                    "x": {"datetime_key": "at"},
                    "target": {"datetime": "2024-01-01T00:00:00Z"},
                    "scale": 86400,
                }
            }
        ),
        since="1.14",
    ),
    feature("filter.equal.string", "field = 'a'", _scroll_field("word", match={"value": "red"})),
    feature("filter.equal.integer", "field = 1", _scroll_field("number", match={"value": 1})),
    feature("filter.equal.boolean", "field = true", _scroll_field("flag", match={"value": True})),
    feature("filter.not", "NOT …, !=", request("POST", "points/scroll", {"filter": {"must_not": [RED]}})),
    feature(
        "filter.or",
        "… OR …",
        request("POST", "points/scroll", {"filter": {"should": [RED, {"has_id": [2]}]}}),
    ),
    feature("filter.nesting", "(… OR …) AND …", _scroll_where(should=[RED, {"must_not": [RED]}])),
    feature(
        "filter.min-should",
        "MIN SHOULD 1 (…, …)",
        request(
            "POST",
            "points/scroll",
            {"filter": {"min_should": {"conditions": [RED, {"has_id": [2]}], "min_count": 1}}},
        ),
    ),
    feature(
        "filter.range", "field >= 1 AND field < 3, BETWEEN", _scroll_field("price", range={"gte": 1, "lt": 3})
    ),
    feature(
        "filter.range.datetime",
        "field >= '2024-01-01T00:00:00Z'",
        _scroll_field("at", range={"gte": "2024-01-01T00:00:00Z"}),
    ),
    feature("filter.in", "field IN ('a', 'b')", _scroll_field("word", match={"any": ["red", "blue"]})),
    feature(
        "filter.except",
        "field MATCH EXCEPT ('a', 'b'), NOT IN",
        _scroll_field("word", match={"except": ["red", "blue"]}),
    ),
    feature("filter.is-null", "field IS NULL", _scroll_where(is_null={"key": "nothing"})),
    feature("filter.is-empty", "field IS EMPTY", _scroll_where(is_empty={"key": "tags"})),
    *(_match_row(known) for known in MATCH_OPERATORS.values() if not known.values),
    feature("filter.id", "id = 1, id IN (…)", _scroll_where(has_id=[1, 2])),
    feature("filter.has-vector", "HAS_VECTOR name", _scroll_where(has_vector="dense"), since="1.13"),
    feature(
        "filter.nested",
        "NESTED('path', …)",
        _scroll_where(nested={"key": "parts", "filter": {"must": [{"key": "size", "range": {"gt": 1}}]}}),
    ),
    feature(
        "filter.slice", "SLICE(total, index)", _scroll_where(slice={"total": 4, "index": 1}), since="1.19"
    ),
    feature("filter.values-count", "field VALUES_COUNT >= 2", _scroll_field("tags", values_count={"gte": 2})),
    feature(
        "filter.geo-bbox",
        "field GEO_BBOX {…}",
        _scroll_field(
            "place",
            geo_bounding_box={"top_left": {"lat": 55, "lon": 10}, "bottom_right": {"lat": 50, "lon": 20}},
        ),
    ),
    feature(
        "filter.geo-radius",
        "field GEO_RADIUS {…}",
        _scroll_field("place", geo_radius={"center": _POINT, "radius": 100_000}),
    ),
    feature(
        "filter.geo-polygon",
        "field GEO_POLYGON {…}",
        _scroll_field("place", geo_polygon={"exterior": _SQUARE, "interiors": []}),
    ),
    feature(
        "clause.prefetch",
        "PREFETCH (…) with WHERE, SCORE THRESHOLD and nested stages",
        _search_fused({"fusion": "rrf"}, filter={"must": [RED]}, score_threshold=0.01),
    ),
    feature("clause.score-threshold", "SCORE THRESHOLD 0.5", _search(DENSE, score_threshold=0.5)),
    feature("clause.offset", "LIMIT 2 OFFSET 1", _search(DENSE, limit=2, offset=1)),
    feature(
        "clause.lookup-from",
        "LOOKUP FROM users VECTOR dense",
        _search(1, lookup_from={"collection": "users", "vector": "dense"}),
    ),
    feature(
        "clause.with-payload",
        "WITH PAYLOAD (include = […])",
        _search(DENSE, with_payload={"include": ["word"]}),
    ),
    feature(
        "clause.with-payload.exclude",
        "WITH PAYLOAD (exclude = […])",
        _search(DENSE, with_payload={"exclude": ["word"]}),
    ),
    feature("clause.with-vector", "WITH VECTOR (name)", _search(DENSE, with_vector=["dense"])),
    feature(
        "clause.group-by",
        "GROUP BY field SIZE 2",
        request("POST", "points/query/groups", _GROUPS),
        since="1.11",
    ),
    feature(
        "clause.group-by.lookup",
        "GROUP BY field LOOKUP FROM users",
        request(
            "POST",
            "points/query/groups",
            _GROUPS | {"with_lookup": {"collection": "users", "with_payload": True, "with_vectors": False}},
        ),
        since="1.11",
    ),
    feature("clause.shard", "SHARD 'key'", _search(DENSE, shard_key="eu"), edge=ONE_PIECE, local=NOT_ITS),
    declared(
        "params.hnsw-ef",
        "PARAMS (hnsw_ef = 64)",
        SEARCH_PARAMS["hnsw_ef"].support,
        _search(DENSE, params={"hnsw_ef": 64}),
    ),
    declared(
        "params.exact",
        "PARAMS (exact = true)",
        SEARCH_PARAMS["exact"].support,
        _search(DENSE, params={"exact": True}),
    ),
    declared(
        "params.indexed-only",
        "PARAMS (indexed_only = true)",
        SEARCH_PARAMS["indexed_only"].support,
        _search(DENSE, params={"indexed_only": True}),
    ),
    declared(
        "params.quantization",
        "PARAMS (quantization = {…})",
        SEARCH_PARAMS["quantization"].support,
        _search(DENSE, params={"quantization": {"rescore": True, "oversampling": 2.0}}),
    ),
    declared(
        "params.acorn",
        "PARAMS (acorn = true)",
        SEARCH_PARAMS["acorn"].support,
        _search(DENSE, params={"acorn": {"enable": True}}),
    ),
    declared(
        "params.idf",
        "PARAMS (idf = 'global')",
        SEARCH_PARAMS["idf"].support,
        _search(SPARSE, "words", params={"idf": "global"}),
    ),
    feature(
        "params.idf.corpus",
        "PARAMS (idf = WHERE …)",
        _search(SPARSE, "words", params={"idf": {"corpus": {"must": [RED]}}}),
        since="1.19",
    ),
    declared(
        "params.timeout",
        "PARAMS (timeout = 10)",
        REQUEST_OPTIONS["timeout"].support,
        request("POST", "points/query", {"query": DENSE, "using": "dense"}, timeout=10),
    ),
    declared(
        "params.consistency",
        "PARAMS (consistency = 'majority')",
        REQUEST_OPTIONS["consistency"].support,
        request("POST", "points/query", {"query": DENSE, "using": "dense"}, consistency="majority"),
    ),
    feature(
        "read.scroll",
        "SCROLL FROM docs WHERE … LIMIT 10",
        request("POST", "points/scroll", {"filter": {"must": [RED]}, "limit": 10}),
    ),
    feature("read.scroll.after", "SCROLL … AFTER 3", request("POST", "points/scroll", {"offset": 3})),
    feature(
        "read.scroll.order-by",
        "SCROLL … ORDER BY field",
        request("POST", "points/scroll", {"order_by": {"key": "number", "direction": "asc"}}),
    ),
    feature(
        "read.count", "COUNT FROM docs WHERE …", request("POST", "points/count", {"filter": {"must": [RED]}})
    ),
    feature(
        "read.count.approximate",
        "COUNT … WITH (exact = false)",
        request("POST", "points/count", {"exact": False}),
    ),
    feature(
        "read.facet",
        "FACET word FROM docs WHERE …",
        request("POST", "facet", {"key": "word", "filter": {"must": [RED]}, "limit": 5}),
        since="1.12",
    ),
    feature(
        "read.facet.exact",
        "FACET … EXACT true",
        request("POST", "facet", {"key": "word", "exact": True}),
        since="1.12",
    ),
    feature(
        "read.matrix",
        "MATRIX FROM docs USING dense WHERE …",
        request(
            "POST", "points/search/matrix/pairs", {"using": "dense", "filter": {"must": [RED]}, "sample": 5}
        ),
        since="1.12",
    ),
    feature(
        "read.matrix.offsets",
        "MATRIX … PARAMS (form = offsets)",
        request("POST", "points/search/matrix/offsets", {"using": "dense", "limit": 1}),
        since="1.12",
    ),
    feature(
        "read.batch",
        "BATCH { QUERY …; QUERY …; }",
        request(
            "POST",
            "points/query/batch",
            {
                "searches": [
                    {"query": DENSE, "using": "dense"},
                    {"query": {"fusion": "rrf"}, "prefetch": _STAGES},
                ]
            },
        ),
    ),
)
