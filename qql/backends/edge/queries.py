"""The body of POST …/points/query → the engine's request.

The binding knows no points by id, so those are looked up here and their vectors put in their place. As
on servers since 1.10, points of the searched collection that a stage names are in no stage of the query.

Each kind of query stands once, in `_QUERIES`, and each search parameter in `_PARAMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql.compiler.options.query import SEARCH_PARAMS
from qql.compiler.options.table import Setting
from qql.errors import did_you_mean, many
from qql.late import cast
from qql.nodes import TARGETS
from qql.records import NamedTuple, dataclass
from qql.rest.limits import DEFAULT_LIMIT, MAX_PREFETCH_DEPTH, RRF_K, U32
from qql.rest.types import Body, Json

from .collection import Collection
from .engine import edge, first_line
from .filters import read_filter, to_filter
from .formulas import to_formula
from .outlines import Outlines, ReadStage
from .readers import (
    Fields,
    Reader,
    Values,
    anything,
    boolean,
    integer,
    items,
    list_of,
    mapping,
    number,
    object_of,
    one_of,
    point_id,
    read,
    refuse,
    suggestion,
    text,
    unsupported,
)
from .refusals import cluster_only
from .retrieval import order_by, with_payload, with_vector
from .vectors import VectorSpec, find_vector, query_vector, refuse_inference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["QueryReader"]


# --- search parameters ----------------------------------------------------------------------------


def _idf(value: Json, where: str) -> edge.IdfParams | None:
    if value == "global":
        return None
    return edge.IdfParams(**read(value, where, {"corpus": read_filter}, ("corpus",)))


def _refused_parameter(setting: Setting) -> Reader[object]:
    def refuse_parameter(value: Json, where: str) -> object:
        raise unsupported(f"`{setting.name}`", setting.support.edge)

    return refuse_parameter


_PARAMS: dict[str, Reader[object]] = {
    **{one.name: _refused_parameter(one) for one in SEARCH_PARAMS.values() if one.support.refused_by_edge},
    "hnsw_ef": integer(),
    "exact": boolean,
    "quantization": object_of(
        edge.QuantizationSearchParams, {"ignore": boolean, "rescore": boolean, "oversampling": number}
    ),
    "indexed_only": boolean,
    "acorn": object_of(edge.AcornSearchParams, {"enable": boolean, "max_selectivity": number}),
    "idf": _idf,
    "consistency": cluster_only,
    "timeout": cluster_only,
}


# --- stages ---------------------------------------------------------------------------------------


class _Lookup(NamedTuple):
    """Where the vectors of points come from; ``elsewhere``: not from the collection that is searched.

    As on servers, that is so of each LOOKUP FROM that does not say the collection's own name, but an alias.
    """

    collection: Collection
    vector: str | None = None
    elsewhere: bool = False


@dataclass(slots=True)
class _Stage:
    """What one stage of a query refers to while it is read; ``prefetches`` is how many it has.

    ``named`` takes the points of the searched collection that it names; it is the query's, of all stages.
    ``fused``: it stands right below a fusion at the root.
    """

    collection: Collection
    using: str | None
    lookup: _Lookup
    limit: int
    prefetches: int
    named: list[int | str]
    fused: bool

    @property
    def spec(self) -> VectorSpec:
        """The vector that is searched."""
        return find_vector(self.collection.vectors, self.using or "", self.collection.name)

    def vector(self, value: Json) -> edge.NamedVector:
        """A vector to search with, from a vector or from the id of a point."""
        spec = self.spec
        if isinstance(value, bool):
            raise refuse("invalid-request", f"a query on {spec.title} cannot be {value!r}")
        if isinstance(value, int | str):
            source = f"point {value} of `{self.lookup.collection.name}`"
            return query_vector(spec, self._stored_vector(value), source)
        refuse_inference(value)
        return query_vector(spec, value)

    def vectors(self, values: list[Json]) -> list[edge.NamedVector]:
        """Several of them."""
        return [self.vector(value) for value in values]

    def _stored_vector(self, value: int | str) -> edge.Vector | edge.SparseVector:
        identity = point_id(value, "a query by point")
        lookup, name = self.lookup.collection, self.lookup.vector
        spec = find_vector(lookup.vectors, name if name is not None else self.using or "", lookup.name)
        with lookup.engine() as shard:
            found = shard.retrieve([identity], False, [spec.name])
        if not found:
            raise refuse("unknown-point", f"there is no point {identity} in `{lookup.name}`")
        stored = found[0].vector
        vector = stored.get(spec.name) if isinstance(stored, dict) else stored
        if vector is None:
            raise refuse("missing-vector", f"point {identity} has no {spec.title}")
        if not self.lookup.elsewhere:
            self.named.append(identity)
        return vector

    def require_prefetches(self, what: str) -> None:
        """Raises ``prefetch-required`` where there are none."""
        if not self.prefetches:
            raise refuse("prefetch-required", f"{what} requires prefetches")


class QueryReader:
    """Reads query bodies for one collection; ``find`` gives other collections of the database by name."""

    def __init__(self, collection: Collection, find: Callable[[str], Collection]) -> None:
        self._collection = collection
        self._find = find
        self._outlines = Outlines()
        self._stage_fields: Fields = {
            "prefetch": anything,
            "query": anything,
            "using": text,
            "filter": mapping,
            "params": object_of(edge.SearchParams, _PARAMS),
            "score_threshold": number,
            "limit": integer(1, U32),
            "lookup_from": self._read_lookup,
        }
        self._root_fields: Fields = {
            **self._stage_fields,
            "offset": integer(0, U32),
            "with_payload": with_payload,
            "with_vector": with_vector(collection),
            "shard_key": cluster_only,
        }

    def request(self, body: Json) -> edge.QueryRequest:
        """The engine's request for the body of POST …/points/query."""
        outline, vectors = self._outlines.outline_of(body)
        if (kept := self._outlines.find(outline)) is not None:
            return edge.QueryRequest(**kept.made_with(iter(vectors)))
        found = self._read_root(body)
        made = edge.QueryRequest(**found.made())
        self._outlines.keep(outline, found)
        return made

    def _read_root(self, body: Json) -> ReadStage:
        given = read(body, "the query", self._root_fields)
        named: list[int | str] = []
        found = self._read_stage(given, 0, named)
        if "filter" in given or named:  # the engine merges it into the filters of all that search
            whole = given.get("filter", {})
            made = to_filter(whole, exclude=named) if named else read_filter(whole, "filter")
            found.arguments["filter"] = made
        for name in ("offset", "with_payload", "with_vector"):
            if name in given:
                found.arguments[name] = given[name]
        return found

    def _read_lookup(self, value: Json, where: str) -> _Lookup:
        fields: Fields = {"collection": text, "vector": text, "shard_key": cluster_only}
        given = read(value, where, fields, ("collection",))
        name = given["collection"]
        return _Lookup(self._find(name), given.get("vector"), elsewhere=name != self._collection.name)

    def _read_stage(
        self, given: Values, depth: int, named: list[int | str], *, fused: bool = False
    ) -> ReadStage:
        """A stage from its fields, prefetches first; the root without its filter.

        ``named`` takes the points that it and those below it name.
        """
        if depth > MAX_PREFETCH_DEPTH:
            raise refuse("prefetch-too-deep", f"prefetches nest deeper than {MAX_PREFETCH_DEPTH}")
        below = []
        inner = given.get("prefetch", [])
        fuses = (
            depth == 0
            and isinstance(given.get("query"), (dict, Mapping))
            and bool({"fusion", "rrf"} & given["query"].keys())
        )
        for item in [inner] if isinstance(inner, (dict, Mapping)) else items(inner, "prefetch"):
            fields = read(item, "a prefetch", self._stage_fields)
            below.append(self._read_stage(fields, depth + 1, named, fused=fuses))
        lookup = given.get("lookup_from") or _Lookup(self._collection)
        limit, using = given.get("limit", DEFAULT_LIMIT), given.get("using")
        stage = _Stage(self._collection, using, lookup, limit, len(below), named, fused)
        query = given.get("query")
        arguments: Values = {"limit": stage.limit, "query": _read_query(query, stage)}
        if "filter" in given and depth:
            arguments["filter"] = read_filter(given["filter"], "filter")
        if "score_threshold" in given:
            _require_scores(query)
        for name in ("params", "score_threshold"):
            if name in given:
                arguments[name] = given[name]
        searches = isinstance(query, (dict, Mapping)) and query.get("nearest") is not None
        return ReadStage(arguments, using, stage.spec if searches else None, below)


def _require_scores(query: Json) -> None:
    """Raises ``invalid-request`` for a threshold where there are no scores, as servers do."""
    ordered = isinstance(query, Mapping) and "order_by" in query
    if query is None or ordered:
        what = "with order_by" if ordered else "without a query"
        hint = "a filter leaves points out by their fields"
        raise refuse("invalid-request", f"score_threshold cannot be used {what}: there are no scores", hint)


# --- kinds of query -------------------------------------------------------------------------------


_Scoring: TypeAlias = "edge.ScoringQueryType | edge.Fusion.Rrf | edge.Fusion.Dbsf"
_Kind = Callable[[str, Body, _Stage], _Scoring]
"""Called with the key that names a kind of query, the object that holds it, and the stage."""
_Examples: TypeAlias = "list[edge.NamedVector]"


def _read_query(value: Json, stage: _Stage) -> _Scoring | None:
    """What scores the points of a stage; None where they come by id."""
    if value is None:
        if stage.prefetches:
            raise refuse("query-required", "a stage with prefetches requires a query of its own")
        if stage.using is not None:
            _ = stage.spec
        return None
    if isinstance(value, (dict, Mapping)):
        given = mapping(value, "query")
        kind = next((key for key in _QUERIES if key in given), None)
        if kind is not None and not (kind == "text" and "model" in given):
            return _QUERIES[kind](kind, given, stage)
        refuse_inference(given)
        if given.keys() != {"indices", "values"}:
            name = next(iter(given), "")
            hint = did_you_mean(str(name), [*_QUERIES, "indices"]) or f"one of {', '.join(_QUERIES)}"
            raise refuse("unknown-query", f"there is no query of the kind `{name}`", hint)
    return edge.Query.Nearest(stage.vector(value), stage.using)


def _keyed(make: Callable[..., _Scoring], reader: Reader[object] = anything, **more: Reader[object]) -> _Kind:
    """The kind of query that ``make`` gives for the value of its key, the stage, and the keys in ``more``."""

    def read_query(name: str, given: Body, stage: _Stage) -> _Scoring:
        values = read(given, "query", {name: reader, **more}, (name,))
        return make(values.pop(name), stage, **values)

    return read_query


def _as_read(value: _Scoring, stage: _Stage) -> _Scoring:
    return value


def _nearest(value: Json, stage: _Stage, mmr: Body | None = None) -> _Scoring:
    refuse_inference(value)
    vector = stage.vector(value)
    if mmr is None:
        return edge.Query.Nearest(vector, stage.using)
    if stage.spec.kind == "sparse":
        raise unsupported("MMR on a sparse vector", "MMR needs a dense vector or a multivector")
    given = read(mmr, "mmr", {"diversity": number, "candidates_limit": integer(0, U32)})
    diversity = given.get("diversity", 0.5)
    if not 0 <= diversity <= 1:
        raise refuse("invalid-request", f"mmr.diversity must be from 0 to 1, and is {diversity:g}")
    candidates = given.get("candidates_limit", stage.limit)
    if stage.fused and not stage.prefetches:
        # All candidates are given; before servers fuse, they keep as many of each list as its limit says.
        candidates = min(candidates, stage.limit)
    # The engine's lambda weighs relevance, REST's diversity its opposite.
    return edge.Mmr(vector, 1 - diversity, candidates, stage.using)


def _recommend(value: Json, stage: _Stage) -> _Scoring:
    given = read(value, "recommend", {"positive": items, "negative": items, "strategy": text})
    positive = stage.vectors(given.get("positive", []))
    negative = stage.vectors(given.get("negative", []))
    strategy = given.get("strategy", "average_vector")
    if strategy not in _STRATEGIES:
        message = f"recommend has no strategy `{strategy}`"
        raise refuse("unknown-strategy", message, suggestion(strategy, _STRATEGIES))
    return _STRATEGIES[strategy](stage, positive, negative)


def _by_average(stage: _Stage, positive: _Examples, negative: _Examples) -> _Scoring:
    if not positive:
        raise refuse(
            "positive-required",
            "recommending by the average vector requires at least one positive example",
            "the strategies best_score and sum_scores work with negative examples alone",
        )
    return edge.Query.Nearest(_average(stage.spec, positive, negative), stage.using)


def _by_each_example(
    make: Callable[[edge.RecommendQuery, str | None], edge.Query],
) -> Callable[[_Stage, _Examples, _Examples], _Scoring]:
    def recommend(stage: _Stage, positive: _Examples, negative: _Examples) -> _Scoring:
        if not positive and not negative:
            raise refuse("positive-required", "recommend requires at least one example, positive or negative")
        return make(edge.RecommendQuery(positive, negative), stage.using)

    return recommend


_STRATEGIES: dict[str, Callable[[_Stage, _Examples, _Examples], _Scoring]] = {
    "average_vector": _by_average,
    "best_score": _by_each_example(edge.Query.RecommendBestScore),
    "sum_scores": _by_each_example(edge.Query.RecommendSumScores),
}


def _average(spec: VectorSpec, positive: _Examples, negative: _Examples) -> edge.NamedVector:
    """The vector that Qdrant searches for: mean⁺, or 2·mean⁺ − mean⁻ where there are negative examples.

    A multivector is all positive rows and the negated negative ones (``avg_vectors`` of the server).
    """
    if spec.kind == "multi":
        return [*_flat_rows(positive), *([-item for item in row] for row in _flat_rows(negative))]
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


def _flat_rows(vectors: _Examples) -> list[list[float]]:
    return [row for vector in vectors for row in cast(list[list[float]], vector)]


def _dense_mean(vectors: _Examples) -> dict[int, float]:
    columns = zip(*cast(list[list[float]], vectors), strict=True)
    return {at: sum(column) / len(vectors) for at, column in enumerate(columns)}


def _sparse_mean(vectors: _Examples) -> dict[int, float]:
    total: dict[int, float] = {}
    for vector in cast(list[edge.SparseVector], vectors):
        for index, item in zip(vector.indices, vector.values, strict=True):
            total[index] = total.get(index, 0.0) + item / len(vectors)
    return total


def _context_pairs(value: Json, stage: _Stage) -> list[edge.ContextPair]:
    fields: Fields = {"positive": anything, "negative": anything}
    out = []
    for item in [value] if isinstance(value, Mapping) else items(value, "context"):
        pair = read(item, "a context pair", fields, ("positive", "negative"))
        out.append(edge.ContextPair(stage.vector(pair["positive"]), stage.vector(pair["negative"])))
    return out


def _discover(value: Json, stage: _Stage) -> _Scoring:
    given = read(value, "discover", {"target": anything, "context": anything}, ("target",))
    target = stage.vector(given["target"])
    pairs = _context_pairs(given.get("context", []), stage)
    return edge.Query.Discover(edge.DiscoverQuery(target, pairs), stage.using)


def _context(value: Json, stage: _Stage) -> _Scoring:
    return edge.Query.Context(edge.ContextQuery(_context_pairs(value, stage)), stage.using)


def _relevance_feedback(value: Json, stage: _Stage) -> _Scoring:
    fields: Fields = {"target": anything, "feedback": items, "strategy": mapping}
    given = read(value, "relevance_feedback", fields, ("target", "feedback", "strategy"))
    naive = read(given["strategy"], "strategy", {"naive": mapping}, ("naive",))["naive"]
    factors = read(naive, "naive", {"a": number, "b": number, "c": number}, ("a", "b", "c"))
    target = stage.vector(given["target"])
    feedback = []
    for item in given["feedback"]:
        one = read(item, "feedback", {"example": anything, "score": number}, ("example", "score"))
        feedback.append(edge.FeedbackItem(stage.vector(one["example"]), one["score"]))
    strategy = edge.NaiveFeedbackStrategy(**factors)
    return edge.Query.FeedbackNaive(edge.FeedbackNaiveQuery(target, feedback, strategy), stage.using)


def _fusion(method: str, stage: _Stage) -> _Scoring:
    if method not in _FUSIONS:
        raise refuse("unknown-fusion", f"there is no fusion {method!r}", " or ".join(_FUSIONS))
    stage.require_prefetches("fusion")
    return _FUSIONS[method]()


_FUSIONS: dict[str, Callable[[], _Scoring]] = {
    "rrf": lambda: edge.Fusion.Rrf(RRF_K),
    "dbsf": edge.Fusion.Dbsf,
}


def _rrf(value: Json, stage: _Stage) -> _Scoring:
    given = read(value, "rrf", {"k": integer(1, U32), "weights": list_of(number)})
    stage.require_prefetches("fusion")
    weights = given.get("weights")
    if weights is not None and len(weights) != stage.prefetches:
        message = (
            f"rrf has {many(len(weights), 'weight')} for {many(stage.prefetches, 'prefetch', 'prefetches')}"
        )
        raise refuse("wrong-number-of-weights", message)
    return edge.Fusion.Rrf(given.get("k", RRF_K), weights)


def _formula(name: str, given: Body, stage: _Stage) -> _Scoring:
    made = to_formula(given)
    stage.require_prefetches("a formula")
    return made


def _bm25(value: Json, where: str) -> edge.Bm25Params:
    given = read(value, where, {"k": number, "b": number})
    if given.get("k", 0) < 0 or not 0 <= given.get("b", 0) <= 1:
        raise refuse("invalid-request", f"{where} requires k ≥ 0 and b from 0 to 1")
    return edge.Bm25Params(**given)


def _full_text(value: Json, stage: _Stage) -> _Scoring:
    """Full-text search over a scoring text index; ``using`` names the payload field."""
    if not stage.using:
        raise refuse("field-required", "a text query requires `using`, the payload field to search in")
    body = {"query": value} if isinstance(value, str) else value
    fields: Fields = {
        "query": text,
        "scoring": lambda scoring, where: read(scoring, where, {"bm25": _bm25}),
    }
    given = read(body, "text", fields, ("query",))
    try:
        return edge.TextQuery(stage.using, given["query"], given.get("scoring", {}).get("bm25"))
    except (ValueError, TypeError) as exc:
        raise refuse("invalid-request", f"text: {first_line(exc)}") from exc


_QUERIES: dict[str, _Kind] = {
    "nearest": _keyed(_nearest, mmr=mapping),
    "recommend": _keyed(_recommend, mapping),
    "discover": _keyed(_discover, mapping),
    "context": _keyed(_context),
    "order_by": _keyed(_as_read, order_by),
    "fusion": _keyed(_fusion, text),
    "rrf": _keyed(_rrf, mapping),
    "formula": _formula,
    "sample": _keyed(_as_read, one_of(edge.Sample)),
    "relevance_feedback": _keyed(_relevance_feedback, mapping),
    "text": _keyed(_full_text),
}


def _refused(words: str, reason: str) -> _Kind:
    def refuse_kind(name: str, given: Body, stage: _Stage) -> _Scoring:
        raise unsupported(words, reason)

    return refuse_kind


# What a target or a parameter declares that the engine lacks is refused in the words of its declaration.
_QUERIES.update(
    {
        info.rest: _refused(info.words, info.support.edge)
        for info in TARGETS.values()
        if info.rest is not None and info.support.refused_by_edge
    }
)
