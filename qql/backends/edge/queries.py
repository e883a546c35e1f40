"""REST reads → the engine's requests: query, scroll, retrieve, count, facet.

The binding knows no points by id, so those are looked up here and their vectors put in their place. As
on the server, a stage that names points of the collection it searches never returns those points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qql.errors import did_you_mean

from .catalogue import Collection
from .checks import (
    Reader,
    boolean,
    integer,
    items,
    mapping,
    number,
    one_of,
    point_id,
    read,
    refuse,
    strings,
    text,
    unsupported,
)
from .engine import edge
from .filters import to_filter
from .formulas import to_formula
from .refusals import a_clusters
from .vectors import VectorSpec, find_vector, query_vector, refuse_inference

__all__ = [
    "MAX_PREFETCH_DEPTH",
    "QueryReader",
    "count_request",
    "facet_request",
    "retrieve_arguments",
    "scroll_request",
]

MAX_PREFETCH_DEPTH = 64
"""Qdrant's own limit."""

_U32 = 2**32 - 1
_DEFAULT_LIMIT = 10
_RRF_K = 2  # Qdrant's default


def _as_it_is(value: Any, where: str) -> Any:
    return value


def with_payload(value: Any, where: str) -> Any:
    """true, false, a list of fields, or ``{"include": […]}`` / ``{"exclude": […]}``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return strings(value, where)
    given = read(value, where, {"include": strings, "exclude": strings})
    if len(given) != 1:
        raise refuse("invalid-request", f"{where} requires either `include` or `exclude`")
    ((mode, keys),) = given.items()
    return getattr(edge.PayloadSelector, mode.capitalize())(keys)


def with_vector(collection: Collection) -> Reader:
    """A reader of true, false or a list of names of vectors that the collection has."""

    def reader(value: Any, where: str) -> Any:
        if isinstance(value, bool):
            return value
        return [find_vector(collection.vectors, name, collection.name).name for name in strings(value, where)]

    return reader


def _filter(value: Any, where: str) -> Any:
    return to_filter(value)


def _quantization(value: Any, where: str) -> Any:
    table: dict[str, Reader] = {"ignore": boolean, "rescore": boolean, "oversampling": number}
    return edge.QuantizationSearchParams(**read(value, where, table))


def _acorn(value: Any, where: str) -> Any:
    return edge.AcornSearchParams(**read(value, where, {"enable": boolean, "max_selectivity": number}))


def _idf(value: Any, where: str) -> Any:
    if value == "global":
        return None
    return edge.IdfParams(read(value, where, {"corpus": _filter}, ("corpus",))["corpus"])


_PARAMS: dict[str, Reader] = {
    "hnsw_ef": integer(),
    "exact": boolean,
    "quantization": _quantization,
    "indexed_only": boolean,
    "acorn": _acorn,
    "idf": _idf,
    "consistency": a_clusters,
    "timeout": a_clusters,
}


def _params(value: Any, where: str) -> Any:
    return edge.SearchParams(**read(value, where, _PARAMS))


@dataclass(slots=True)
class _Stage:
    """What one stage of a query refers to while it is read."""

    collection: Collection
    using: str | None
    lookup: Collection
    lookup_vector: str
    limit: int
    excluded: list[int | str] = field(default_factory=list)

    @property
    def spec(self) -> VectorSpec:
        """The vector that is searched."""
        return find_vector(self.collection.vectors, self.using or "", self.collection.name)

    def vector(self, value: Any) -> Any:
        """A vector to search with, from a vector or from the id of a point."""
        spec = self.spec
        if isinstance(value, bool):
            raise refuse("invalid-request", f"a query on {spec.title} cannot be {value!r}")
        if isinstance(value, int | str):
            return query_vector(spec, self._stored(value), f"point {value} of `{self.lookup.name}`")
        refuse_inference(value)
        return query_vector(spec, value)

    def _stored(self, value: int | str) -> Any:
        identity = point_id(value, "a query by point")
        spec = find_vector(self.lookup.vectors, self.lookup_vector, self.lookup.name)
        with self.lookup.engine() as shard:
            found = shard.retrieve([identity], False, [spec.name])
        if not found:
            raise refuse("unknown-point", f"there is no point {identity} in `{self.lookup.name}`")
        stored = found[0].vector
        vector = stored.get(spec.name) if isinstance(stored, dict) else stored
        if vector is None:
            raise refuse("missing-vector", f"point {identity} has no {spec.title}")
        if self.lookup is self.collection:
            self.excluded.append(identity)
        return vector


class QueryReader:
    """Reads query bodies for one collection; ``find`` gives other collections of the database by name."""

    def __init__(self, collection: Collection, find: Callable[[str], Collection]) -> None:
        self._collection = collection
        self._find = find
        self._stage_table: dict[str, Reader] = {
            "prefetch": _as_it_is,
            "query": _as_it_is,
            "using": text,
            "filter": mapping,
            "params": _params,
            "score_threshold": number,
            "limit": integer(1, _U32),
            "lookup_from": self._lookup,
        }
        self._root_table: dict[str, Reader] = self._stage_table | {
            "offset": integer(0, _U32),
            "with_payload": with_payload,
            "with_vector": with_vector(collection),
            "shard_key": a_clusters,
        }

    def request(self, body: Any) -> Any:
        """The engine's request for the body of POST …/points/query."""
        given = read(body, "the query", self._root_table)
        arguments = self._stage(given, 0)
        for name in ("offset", "with_payload", "with_vector"):
            if name in given:
                arguments[name] = given[name]
        return edge.QueryRequest(**arguments)

    def _lookup(self, value: Any, where: str) -> tuple[Collection, str | None]:
        table = {"collection": text, "vector": text, "shard_key": a_clusters}
        given = read(value, where, table, ("collection",))
        return self._find(given["collection"]), given.get("vector")

    def _stage(self, given: dict[str, Any], depth: int) -> dict[str, Any]:
        """The arguments of a stage from its fields, prefetches first."""
        if depth > MAX_PREFETCH_DEPTH:
            raise refuse("prefetch-too-deep", f"prefetches nest deeper than {MAX_PREFETCH_DEPTH}")
        prefetches = []
        inner = given.get("prefetch", [])
        for item in [inner] if isinstance(inner, Mapping) else items(inner, "prefetch"):
            fields = read(item, "a prefetch", self._stage_table)
            prefetches.append(edge.Prefetch(**self._stage(fields, depth + 1)))
        lookup, lookup_vector = given.get("lookup_from", (self._collection, None))
        stage = _Stage(
            self._collection,
            given.get("using"),
            lookup,
            lookup_vector if lookup_vector is not None else given.get("using", ""),
            given.get("limit", _DEFAULT_LIMIT),
        )
        arguments: dict[str, Any] = {
            "limit": stage.limit,
            "query": _query(given.get("query"), stage, len(prefetches)),
        }
        if prefetches:
            arguments["prefetches"] = prefetches
        if "filter" in given or stage.excluded:
            arguments["filter"] = to_filter(given.get("filter", {}), exclude=stage.excluded)
        for name in ("params", "score_threshold"):
            if name in given:
                arguments[name] = given[name]
        return arguments


# --- what is asked --------------------------------------------------------------------------------


def _query(value: Any, stage: _Stage, sources: int) -> Any:
    if value is None:
        if sources:
            raise refuse("query-required", "a stage with prefetches requires a query of its own")
        if stage.using is not None:
            _ = stage.spec
        return None
    if isinstance(value, Mapping):
        given = mapping(value, "query")
        kind = next((key for key in _QUERIES if key in given), None)
        if kind is not None and not (kind == "text" and "model" in given):
            return _QUERIES[kind](given, stage, sources)
        refuse_inference(given)
        if given.keys() != {"indices", "values"}:
            known = [*_QUERIES, "indices"]
            name = next(iter(given), "")
            hint = did_you_mean(str(name), known) or f"one of {', '.join(_QUERIES)}"
            raise refuse("unknown-query", f"there is no query of the kind `{name}`", hint)
    return edge.Query.Nearest(stage.vector(value), stage.using)


def _nearest(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    body = read(given, "query", {"nearest": _as_it_is, "mmr": mapping}, ("nearest",))
    refuse_inference(body["nearest"])
    vector = stage.vector(body["nearest"])
    if "mmr" not in body:
        return edge.Query.Nearest(vector, stage.using)
    if stage.spec.kind == "sparse":
        raise unsupported("MMR on a sparse vector", "MMR needs a dense vector or a multivector")
    mmr = read(body["mmr"], "mmr", {"diversity": number, "candidates_limit": integer(0, _U32)})
    diversity = mmr.get("diversity", 0.5)
    if not 0 <= diversity <= 1:
        raise refuse("invalid-request", f"mmr.diversity must be from 0 to 1, and is {diversity:g}")
    # The engine's lambda weighs relevance, REST's diversity its opposite.
    return edge.Mmr(vector, 1 - diversity, mmr.get("candidates_limit", stage.limit), stage.using)


_STRATEGIES = {"best_score": "RecommendBestScore", "sum_scores": "RecommendSumScores"}


def _recommend(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    value = read(given, "query", {"recommend": mapping}, ("recommend",))["recommend"]
    body = read(value, "recommend", {"positive": items, "negative": items, "strategy": text})
    positive = [stage.vector(item) for item in body.get("positive", [])]
    negative = [stage.vector(item) for item in body.get("negative", [])]
    strategy = body.get("strategy", "average_vector")
    if strategy == "average_vector":
        if not positive:
            raise refuse(
                "positive-required",
                "recommending by the average vector requires at least one positive example",
                "the strategies best_score and sum_scores work with negative examples alone",
            )
        return edge.Query.Nearest(_average(stage.spec, positive, negative), stage.using)
    if strategy not in _STRATEGIES:
        known = ["average_vector", *_STRATEGIES]
        raise refuse(
            "unknown-strategy",
            f"recommend has no strategy `{strategy}`",
            did_you_mean(strategy, known) or f"one of {', '.join(known)}",
        )
    if not positive and not negative:
        raise refuse("positive-required", "recommend requires at least one example, positive or negative")
    examples = edge.RecommendQuery(positive, negative)
    return getattr(edge.Query, _STRATEGIES[strategy])(examples, stage.using)


def _average(spec: VectorSpec, positive: list[Any], negative: list[Any]) -> Any:
    """The vector that Qdrant searches for: mean⁺, or 2·mean⁺ − mean⁻ where there are negative examples.

    A multivector is all positive rows and the negated negative ones (``avg_vectors`` of the server).
    """
    if spec.kind == "multi":
        rows = [row for vector in positive for row in vector]
        return rows + [[-item for item in row] for vector in negative for row in vector]
    mean = _sparse_mean if spec.kind == "sparse" else _dense_mean
    parts = [(mean(positive), 2.0 if negative else 1.0)]
    if negative:
        parts.append((mean(negative), -1.0))
    total: dict[int, float] = {}
    for components, weight in parts:
        for index, item in components.items():
            total[index] = total.get(index, 0.0) + weight * item
    if spec.kind == "sparse":
        return query_vector(spec, {"indices": list(total), "values": list(total.values())}, "the average")
    return query_vector(spec, list(total.values()), "the average")


def _dense_mean(vectors: list[Any]) -> dict[int, float]:
    return {at: sum(column) / len(vectors) for at, column in enumerate(zip(*vectors, strict=True))}


def _sparse_mean(vectors: list[Any]) -> dict[int, float]:
    total: dict[int, float] = {}
    for vector in vectors:
        for index, item in zip(vector.indices, vector.values, strict=True):
            total[index] = total.get(index, 0.0) + item / len(vectors)
    return total


def _pairs(value: Any, stage: _Stage) -> list[Any]:
    out = []
    for item in [value] if isinstance(value, Mapping) else items(value, "context"):
        pair = read(
            item, "a context pair", {"positive": _as_it_is, "negative": _as_it_is}, ("positive", "negative")
        )
        out.append(edge.ContextPair(stage.vector(pair["positive"]), stage.vector(pair["negative"])))
    return out


def _discover(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    value = read(given, "query", {"discover": mapping}, ("discover",))["discover"]
    body = read(value, "discover", {"target": _as_it_is, "context": _as_it_is}, ("target",))
    target = stage.vector(body["target"])
    return edge.Query.Discover(
        edge.DiscoverQuery(target, _pairs(body.get("context", []), stage)), stage.using
    )


def _context(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    value = read(given, "query", {"context": _as_it_is}, ("context",))["context"]
    return edge.Query.Context(edge.ContextQuery(_pairs(value, stage)), stage.using)


def _feedback(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    value = read(given, "query", {"relevance_feedback": mapping}, ("relevance_feedback",))[
        "relevance_feedback"
    ]
    table: dict[str, Reader] = {"target": _as_it_is, "feedback": items, "strategy": mapping}
    body = read(value, "relevance_feedback", table, ("target", "feedback", "strategy"))
    naive = read(body["strategy"], "strategy", {"naive": mapping}, ("naive",))["naive"]
    factors = read(naive, "naive", {"a": number, "b": number, "c": number}, ("a", "b", "c"))
    target = stage.vector(body["target"])
    feedback = []
    for item in body["feedback"]:
        one = read(item, "feedback", {"example": _as_it_is, "score": number}, ("example", "score"))
        feedback.append(edge.FeedbackItem(stage.vector(one["example"]), one["score"]))
    strategy = edge.NaiveFeedbackStrategy(factors["a"], factors["b"], factors["c"])
    return edge.Query.FeedbackNaive(edge.FeedbackNaiveQuery(target, feedback, strategy), stage.using)


_START_FROM = (int, float, str)


def order_by(value: Any, where: str) -> Any:
    """A field, or ``{"key", "direction", "start_from"}``."""
    body = {"key": value} if isinstance(value, str) else value
    table: dict[str, Reader] = {"key": text, "direction": one_of("Direction"), "start_from": _as_it_is}
    given = read(body, "order_by", table, ("key",))
    start = given.get("start_from")
    if start is not None and (isinstance(start, bool) or not isinstance(start, _START_FROM)):
        raise refuse("invalid-request", f"order_by.start_from must be a number or a date, not {start!r:.60}")
    try:
        return edge.OrderBy(given["key"], given.get("direction"), start)
    except (ValueError, TypeError, OverflowError) as exc:
        raise refuse("invalid-request", f"order_by: {str(exc).splitlines()[0]}") from exc


def _ordered(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    return read(given, "query", {"order_by": order_by}, ("order_by",))["order_by"]


def _needs_sources(what: str, sources: int) -> None:
    if not sources:
        raise refuse("prefetch-required", f"{what} requires prefetches")


def _fusion(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    method = read(given, "query", {"fusion": text}, ("fusion",))["fusion"]
    if method not in ("rrf", "dbsf"):
        raise refuse("unknown-fusion", f"there is no fusion {method!r}", "rrf or dbsf")
    _needs_sources("fusion", sources)
    return edge.Fusion.Dbsf() if method == "dbsf" else edge.Fusion.Rrf(_RRF_K)


def _rrf(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    value = read(given, "query", {"rrf": mapping}, ("rrf",))["rrf"]
    table: dict[str, Reader] = {
        "k": integer(1, _U32),
        "weights": lambda v, w: [number(item, w) for item in items(v, w)],
    }
    body = read(value, "rrf", table)
    _needs_sources("fusion", sources)
    weights = body.get("weights")
    if weights is not None and len(weights) != sources:
        raise refuse("wrong-number-of-weights", f"rrf has {len(weights)} weights for {sources} prefetches")
    return edge.Fusion.Rrf(body.get("k", _RRF_K), weights)


def _formula(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    made = to_formula(dict(given))
    _needs_sources("a formula", sources)
    return made


def _sample(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    return read(given, "query", {"sample": one_of("Sample")}, ("sample",))["sample"]


def _bm25(value: Any, where: str) -> Any:
    given = read(value, where, {"k": number, "b": number})
    if given.get("k", 0) < 0 or not 0 <= given.get("b", 0) <= 1:
        raise refuse("invalid-request", f"{where} requires k ≥ 0 and b from 0 to 1")
    return edge.Bm25Params(**given)


def _text(given: Mapping[str, Any], stage: _Stage, sources: int) -> Any:
    """Full-text search over a scoring text index; ``using`` names the payload field."""
    value = read(given, "query", {"text": _as_it_is}, ("text",))["text"]
    if not stage.using:
        raise refuse("field-required", "a text query requires `using`, the payload field to search in")
    body = {"query": value} if isinstance(value, str) else value
    table: dict[str, Reader] = {"query": text, "scoring": lambda v, w: read(v, w, {"bm25": _bm25})}
    words = read(body, "text", table, ("query",))
    try:
        return edge.TextQuery(stage.using, words["query"], words.get("scoring", {}).get("bm25"))
    except (ValueError, TypeError) as exc:
        raise refuse("invalid-request", f"text: {str(exc).splitlines()[0]}") from exc


_QUERIES: dict[str, Callable[[Mapping[str, Any], _Stage, int], Any]] = {
    "nearest": _nearest,
    "recommend": _recommend,
    "discover": _discover,
    "context": _context,
    "order_by": _ordered,
    "fusion": _fusion,
    "rrf": _rrf,
    "formula": _formula,
    "sample": _sample,
    "relevance_feedback": _feedback,
    "text": _text,
}


# --- the other reads ------------------------------------------------------------------------------


def scroll_request(collection: Collection, body: Any) -> Any:
    """The engine's request for the body of POST …/points/scroll."""
    table: dict[str, Reader] = {
        "offset": point_id,
        "limit": integer(1, _U32),
        "filter": _filter,
        "with_payload": with_payload,
        "with_vector": with_vector(collection),
        "order_by": order_by,
        "shard_key": a_clusters,
    }
    given = read(body or {}, "scroll", table)
    if "offset" in given and "order_by" in given:
        raise refuse(
            "offset-with-order-by",
            "scrolling in the order of a field cannot continue after a point",
            "START FROM a value of the field instead",
        )
    return edge.ScrollRequest(**{"limit": _DEFAULT_LIMIT, "with_payload": True} | given)


def retrieve_arguments(collection: Collection, body: Any) -> tuple[list[int | str], Any, Any]:
    """Ids, with_payload and with_vector of POST …/points."""
    table: dict[str, Reader] = {
        "ids": lambda value, where: [point_id(item, where) for item in items(value, where)],
        "with_payload": with_payload,
        "with_vector": with_vector(collection),
        "shard_key": a_clusters,
    }
    given = read(body, "the points", table, ("ids",))
    return given["ids"], given.get("with_payload", True), given.get("with_vector", False)


def count_request(body: Any) -> Any:
    """The engine's request for the body of POST …/points/count."""
    table: dict[str, Reader] = {"filter": _filter, "exact": boolean, "shard_key": a_clusters}
    return edge.CountRequest(**read(body or {}, "count", table))


def facet_request(body: Any) -> Any:
    """The engine's request for the body of POST …/facet."""
    table: dict[str, Reader] = {
        "key": text,
        "limit": integer(1, _U32),
        "filter": _filter,
        "exact": boolean,
        "shard_key": a_clusters,
    }
    return edge.FacetRequest(**read(body, "facet", table, ("key",)))
