"""Queries: their canonical form."""

from __future__ import annotations

from collections.abc import Mapping

from qql import nodes
from qql.compiler.options.query import FEEDBACK_OPTIONS, SEARCH_PARAMS
from qql.compiler.rest_filters import normal_filter
from qql.convert.expressions import normal_formula
from qql.errors import many, shown
from qql.nodes.declare import Part, TargetInfo
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Choice, Count, Number, Role
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE
from qql.rest.shapes import (
    Shape,
    anything,
    below,
    boolean,
    each,
    fields,
    given,
    listed,
    number,
    one_of,
    one_or_each,
    point_id,
    positive,
    refusal,
    text,
    variants,
    whole,
)
from qql.rest.types import Body, Json, JsonObject

__all__ = [
    "BESIDE_NEAREST",
    "DECLARED",
    "INFERENCE",
    "SELECTIONS",
    "VECTORS_TOO",
    "kind_of",
    "normal_groups",
    "normal_query",
    "order_by",
    "search_input",
    "shard_key",
    "vector",
]

# ------------------------------------------------------------------------------------ canonical form

INFERENCE: Mapping[str, Shape] = {
    kind: fields({kind: anything if kind == "object" else text, "model": text, "options": given}, kind)
    for kind in nodes.EMBEDDED
}
_SPARSE = fields({"indices": each(whole), "values": each(number)}, "indices", "values")
_OBJECTS = variants("vector", {"indices": _SPARSE, "values": _SPARSE, **INFERENCE})


def vector(value: Json, at: str) -> Json:
    """A dense vector, a multivector, a sparse vector or an inference object."""
    if value == []:
        raise refusal(at, "a vector has at least one number")
    if isinstance(value, list):
        row = each(number)
        return each(row if value and isinstance(value[0], list) else number)(value, at)
    return _OBJECTS(value, at)


def search_input(value: Json, at: str) -> Json:
    """What a search starts from: a vector or the id of a point."""
    return vector(value, at) if isinstance(value, (list, dict)) else point_id(value, at)


_RRF = fields({"k": whole, "weights": each(number)})
_TEXT_QUERY = fields(
    {"query": text, "scoring": fields({"bm25": fields({"k": number, "b": number})}, "bm25")}, "query"
)


def _role_shape(role: Role) -> Shape:
    """What a part of a target is in JSON."""
    match role:
        case Number():
            return number
        case Count():
            return positive
        case Choice(words=words):
            return one_of(*words)
    return _INPUT_ROLES[role]


_INPUT_ROLES: Mapping[Role, Shape] = {
    INPUT: search_input,
    INPUTS: each(search_input),
    PAIRS: one_or_each(fields({"positive": search_input, "negative": search_input}, "positive", "negative")),
    SCORED: each(fields({"example": search_input, "score": number}, "example", "score")),
}


def _declared(info: TargetInfo, more: Mapping[str, Shape]) -> Shape:
    """The object behind the key of a declared target: its parts, and ``more`` that it cannot do without."""
    inside = [(part, part.rest.partition(".")[2]) for part in info.parts if _below_key(part, info)]
    if [inner for _, inner in inside] == [""]:
        return _role_shape(info.parts[0].role)
    lists: JsonObject = {inner: [] for part, inner in inside if part.role in (INPUTS, PAIRS)}
    required = [inner for part, inner in inside if part.required and inner not in lists]
    known = {inner: _role_shape(part.role) for part, inner in inside} | {**more}
    shape = fields(known, *required, *more)
    return lambda value, at: {**lists, **shape(value, at)}


def _below_key(part: Part, info: TargetInfo) -> bool:
    return part.rest.partition(".")[0] == info.rest


def order_by(value: Json, at: str) -> JsonObject:
    """``"key"`` and ``{"key", "direction", "start_from"}``; Qdrant's default direction is ascending."""
    shapes = {"key": text, "direction": one_of("asc", "desc"), "start_from": anything}
    found = fields(shapes, "key")({"key": value} if isinstance(value, str) else value, at)
    return {"direction": "asc", **found}


def _text_query(value: Json, at: str) -> Json:
    if isinstance(value, str):
        return value
    found = _TEXT_QUERY(value, at)
    return found if found.get("scoring", {}).get("bm25") else found["query"]


def _rrf(value: Json, at: str) -> JsonObject:
    found = fields({"rrf": _RRF}, "rrf")(value, at)
    return found if found["rrf"] else {"fusion": "rrf"}


def _single(key: str, shape: Shape) -> Shape:
    return fields({key: shape}, key)


_FEEDBACK_STRATEGY = {
    "strategy": fields({"naive": fields(dict.fromkeys(FEEDBACK_OPTIONS, number), *FEEDBACK_OPTIONS)}, "naive")
}
DECLARED: dict[str, type[nodes.Node]] = {
    info.rest: kind for kind, info in nodes.TARGETS.items() if info.rest and info.parts
}
"""The targets that their declarations say, by the keys of their queries."""
_SHAPES: dict[str, Shape] = {
    key: _declared(nodes.TARGETS[kind], _FEEDBACK_STRATEGY if kind is nodes.RelevanceFeedback else {})
    for key, kind in DECLARED.items()
}
BESIDE_NEAREST = [
    key for key, kind in DECLARED.items() if any(p.rest == "nearest" for p in nodes.TARGETS[kind].parts)
]
"""Queries that say more of a search for the nearest, as ``mmr`` does."""
_QUERIES: Mapping[str, Shape] = {
    "nearest": fields({"nearest": search_input, **{key: _SHAPES[key] for key in BESIDE_NEAREST}}, "nearest"),
    **{key: _single(key, shape) for key, shape in _SHAPES.items() if key not in BESIDE_NEAREST},
    "order_by": _single("order_by", order_by),
    "fusion": _single("fusion", one_of("rrf", "dbsf")),
    "rrf": _rrf,
    "formula": normal_formula,
    "sample": _single("sample", one_of("random")),
}
_BARE = ("indices", "values", "image", "object")
"""Keys of what is a vector by itself, and so short for ``{"nearest": …}``."""
_QUERY = variants("query", {**_QUERIES, "text": _single("text", _text_query)})


def _query(value: Json, at: str) -> JsonObject:
    bare = not isinstance(value, dict) or any(key in value for key in _BARE)
    if bare or ("text" in value and value.keys() & {"model", "options"}):
        return {"nearest": search_input(value, at)}
    return dict(_QUERY(value, at))


def _acorn(value: Json, at: str) -> JsonObject:
    return {"enable": False, **fields({"enable": boolean, "max_selectivity": number})(value, at)}


def _idf(value: Json, at: str) -> Json:
    if not isinstance(value, dict):
        return one_of("global")(value, at)
    found = _single("corpus", normal_filter)(value, at)
    if found["corpus"] is None:
        raise refusal(
            f"{at}.corpus", "a filter that holds for every point has no meaning here", 'write "global"'
        )
    return found


_PARAM_SHAPES: Mapping[str, Shape] = {
    "hnsw_ef": whole,
    "exact": boolean,
    "indexed_only": boolean,
    "quantization": fields({"ignore": boolean, "rescore": boolean, "oversampling": number}),
    "acorn": _acorn,
    "idf": _idf,
}
# A parameter without a shape here goes through as it is: compiling what is said checks it.
_PARAMS = fields({**_PARAM_SHAPES, **{key: anything for key in SEARCH_PARAMS if key not in _PARAM_SHAPES}})


def _key(value: Json, at: str) -> Json:
    numbered = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if numbered or (isinstance(value, str) and value):
        return value
    raise refusal(at, f"a shard key is a text or an unsigned integer, not {shown(value)}")


def shard_key(value: Json, at: str) -> Json:
    """A key, a list of keys, or ``{"target", "fallback"}``; a list of one key is the key."""
    if isinstance(value, dict):
        return fields({"target": _key, "fallback": _key}, "target", "fallback")(value, at)
    keys = one_or_each(_key)(value, at)
    if not keys:
        raise refusal(at, "an empty list has no meaning in QQL", "leave the key out")
    return keys[0] if len(keys) == 1 else keys


_NAMES = each(text)
_SELECTION = variants("selection", {key: _single(key, _NAMES) for key in ("include", "exclude")})


def with_payload(value: Json, at: str) -> Json:
    """A boolean, ``{"include": […]}`` (also as a list) or ``{"exclude": […]}``. `[]` is none."""
    if isinstance(value, bool):
        return value
    found = {"include": _NAMES(value, at)} if isinstance(value, list) else _SELECTION(value, at)
    ((mode, names),) = found.items()
    return found if names else mode == "exclude"


def with_vector(value: Json, at: str) -> Json:
    """A boolean or a list of names, where an empty one is none."""
    return value if isinstance(value, bool) else _NAMES(value, at) or False


SELECTIONS: Mapping[str, Shape] = {"with_payload": with_payload, "with_vector": with_vector}
VECTORS_TOO: Mapping[str, str] = {"with_vectors": "with_vector"}
"""Another name that Qdrant takes in all requests that read, but for groups and the oldest discovery."""
_LOOKUP = fields({"collection": text, "vector": text, "shard_key": shard_key}, "collection")


def _with_lookup(value: Json, at: str) -> JsonObject:
    shapes = {"collection": text, "with_payload": with_payload, "with_vectors": with_vector}
    inside = fields(shapes, "collection", also={"with_vector": "with_vectors"})
    found = {"collection": value} if isinstance(value, str) else inside(value, at)
    return {"with_payload": True, "with_vectors": False, **found}


def _prefetches(value: Json, at: str) -> list[JsonObject]:
    return list(one_or_each(_stage)(value, at))


_STAGE: Mapping[str, Shape] = {
    "prefetch": _prefetches,
    "query": _query,
    "using": text,
    "filter": normal_filter,
    "params": _PARAMS,
    "score_threshold": number,
    "limit": positive,
    "lookup_from": _LOOKUP,
}
_ROOT: Mapping[str, Shape] = {**_STAGE, **SELECTIONS, "shard_key": shard_key}
_MERGED = ("should", "min_should")
"""Clauses of a filter each of which Qdrant joins with the same one of the filters below."""


def _stage(value: Json, at: str) -> JsonObject:
    return _checked(value, at, fields(_STAGE)(value, at))


def _checked(value: Json, at: str, found: JsonObject) -> JsonObject:
    """What a stage needs in QQL, and a filter in the form that keeps its meaning above other filters."""
    if "query" not in found and found.get("prefetch"):
        hint = 'Qdrant refuses it too; {"fusion": "rrf"} fuses the prefetches'
        raise refusal(below(at, "query"), "prefetches require a query that scores them", hint)
    if "query" not in found and "score_threshold" in found:
        why = "without a query, every point has the score 1"
        raise refusal(below(at, "score_threshold"), why, "Qdrant refuses it too")
    if "order_by" in found.get("query", ()) and "score_threshold" in found:
        hint = "Qdrant refuses it too; a filter on the field leaves points out"
        raise refusal(below(at, "score_threshold"), "points in the order of a field have no scores", hint)
    if "text" in found.get("query", ()) and "using" not in found:
        hint = "`using` names the payload field whose text index is searched"
        raise refusal(at, "the key `using` is missing", hint)
    _check_fusion(found, at)
    _check_joined(value, at)
    idle: tuple[tuple[str, Json], ...] = (("params", {}), ("prefetch", []), ("filter", None))
    found = {key: item for key, item in found.items() if (key, item) not in idle}
    if any(_has_clause(clause, found) and _place_below(clause, found, at) for clause in _MERGED):
        found["filter"] = {"must": [found["filter"]]}
    return found


def _check_joined(value: Body, at: str) -> None:
    """Refuses alternatives above others of their kind: Qdrant makes one list of them."""
    for clause in _MERGED:
        lower = _place_below(clause, value, at) if _has_clause(clause, value) else None
        if lower:
            hint = 'to keep both, write the upper one as {"must": [{"should": […]}]}'
            place = below(below(at, "filter"), clause)
            raise refusal(place, f"Qdrant joins it with {lower} into one list", hint)


def _has_clause(clause: str, stage: Body) -> bool:
    """Whether a stage's own filter has this clause at its top."""
    return bool((stage.get("filter") or {}).get(clause))


def _place_below(clause: str, stage: Body, at: str) -> str | None:
    """The place of the first filter below a stage with this clause at its top."""
    inside = stage.get("prefetch") or []
    for one, place in listed(inside if isinstance(inside, list) else [inside], below(at, "prefetch")):
        here = f"{place}.filter.{clause}" if _has_clause(clause, one) else _place_below(clause, one, place)
        if here:
            return here
    return None


def _check_fusion(found: Body, at: str) -> None:
    """A fusion has stages to fuse, and as many weights."""
    query, inputs = found.get("query", {}), found.get("prefetch", [])
    if kind_of(query) in ("fusion", "rrf") and not inputs:
        raise refusal(below(at, "prefetch"), "a fusion requires stages to fuse")
    weights = query["rrf"].get("weights") if "rrf" in query else None
    if weights is not None and len(weights) != len(inputs):
        why = f"{many(len(weights), 'weight')} for {many(len(inputs), 'prefetch', 'prefetches')}"
        place = below(below(below(at, "query"), "rrf"), "weights")
        raise refusal(place, why, "each prefetch takes one, in order")


def _without_vectors(found: JsonObject) -> JsonObject:
    return {key: item for key, item in found.items() if (key, item) != ("with_vector", False)}


_WHOLE = fields({**_ROOT, "offset": whole}, also=VECTORS_TOO)


def normal_query(value: Json, at: str) -> JsonObject:
    """The canonical body of ``POST …/points/query``."""
    found = _checked(value, at, _WHOLE(value, at))
    return _without_vectors({"with_payload": False, **found})


def normal_groups(value: Json, at: str) -> JsonObject:
    """The canonical body of ``POST …/points/query/groups``."""
    own: Mapping[str, Shape] = {"group_by": text, "group_size": positive, "with_lookup": _with_lookup}
    hints = {"offset": "groups know no offset"}
    found = _checked(value, at, fields({**_ROOT, **own}, "group_by", hints=hints)(value, at))
    defaults = {"with_payload": False, "limit": DEFAULT_LIMIT, "group_size": GROUP_SIZE}
    return _without_vectors({**defaults, **found})


def kind_of(query: Body) -> str | None:
    """The key that says what a canonical query is, beside which others may stand; None without a query."""
    return next((key for key in (*_QUERIES, "text") if key in query), None)
