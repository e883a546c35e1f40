"""Queries: their canonical form, and the tree that says them, nested prefetches as named stages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

from qql import nodes
from qql.compiler.options.query import FEEDBACK_OPTIONS, SEARCH_PARAMS
from qql.convert.conditions import filter_of, name_of, normal_filter, scalar
from qql.convert.expressions import as_formula, normal_formula
from qql.convert.shapes import (
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
from qql.errors import shown
from qql.nodes.declare import Part, TargetInfo
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Choice, Count, Number, Role
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE
from qql.rest.types import Body, Json, JsonObject

__all__ = [
    "SELECTIONS",
    "VECTORS_TOO",
    "normal_groups",
    "normal_query",
    "order_by",
    "order_node",
    "payload_of",
    "query_of",
    "search_input",
    "shard_key",
    "shard_of",
    "vector",
    "vectors_of",
    "with_payload",
    "with_vector",
]

# ------------------------------------------------------------------------------------ canonical form

_INFERENCE: Mapping[str, Shape] = {
    kind: fields({kind: anything if kind == "object" else text, "model": text, "options": given}, kind)
    for kind in nodes.EMBEDDED
}
_SPARSE = fields({"indices": each(whole), "values": each(number)}, "indices", "values")
_OBJECTS = variants("vector", {"indices": _SPARSE, "values": _SPARSE, **_INFERENCE})


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
_DECLARED: dict[str, type[nodes.Node]] = {
    info.rest: kind for kind, info in nodes.TARGETS.items() if info.rest and info.parts
}
"""The targets that their declarations say, by the keys of their queries."""
_SHAPES: dict[str, Shape] = {
    key: _declared(nodes.TARGETS[kind], _FEEDBACK_STRATEGY if kind is nodes.RelevanceFeedback else {})
    for key, kind in _DECLARED.items()
}
_BESIDE_NEAREST = [
    key for key, kind in _DECLARED.items() if any(p.rest == "nearest" for p in nodes.TARGETS[kind].parts)
]
"""Queries that say more of a search for the nearest, as ``mmr`` does."""
_QUERIES: Mapping[str, Shape] = {
    "nearest": fields({"nearest": search_input, **{key: _SHAPES[key] for key in _BESIDE_NEAREST}}, "nearest"),
    **{key: _single(key, shape) for key, shape in _SHAPES.items() if key not in _BESIDE_NEAREST},
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


def _names(value: Json, at: str) -> list[str]:
    found: list[str] = _NAMES(value, at)
    if not found:
        raise refusal(at, "an empty list has no meaning in QQL", "write false for none, true for all")
    return found


def with_payload(value: Json, at: str) -> Json:
    """A boolean, ``{"include": […]}`` (also as a list) or ``{"exclude": […]}``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return {"include": _names(value, at)}
    kinds = {key: _single(key, _names) for key in ("include", "exclude")}
    return variants("selection", kinds)(value, at)


def with_vector(value: Json, at: str) -> Json:
    """A boolean or a list of names."""
    return value if isinstance(value, bool) else _names(value, at)


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
    if _kind(query) in ("fusion", "rrf") and not inputs:
        raise refusal(below(at, "prefetch"), "a fusion requires stages to fuse")
    weights = query["rrf"].get("weights") if "rrf" in query else None
    if weights is not None and len(weights) != len(inputs):
        why = f"{len(weights)} weights for {len(inputs)} prefetches"
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


# ------------------------------------------------------------------------------------ nodes


def query_of(body: Body, collection: str, options: tuple[nodes.Option, ...] = ()) -> nodes.Query:
    """The tree of a canonical query or groups query. ``options`` are those of the request as a whole."""
    stages = _Stages()
    lookup = body.get("with_lookup")
    group = None
    if "group_by" in body:
        group = nodes.Group(name_of(body["group_by"]), scalar(body["group_size"]), _group_lookup(lookup))
    found = stages.clauses(body)
    found["params"] += options
    return nodes.Query(
        **found,
        ctes=tuple(stages.ctes),
        source=name_of(collection),
        group=group,
        payload=payload_of(body["with_payload"]),
        vectors=vectors_of(body.get("with_vector")),
        shard=shard_of(body.get("shard_key")),
        offset=_scalar(body.get("offset")),
    )


def _group_lookup(found: Body | None) -> nodes.GroupLookup | None:
    if found is None:
        return None
    return nodes.GroupLookup(
        name_of(found["collection"]), payload_of(found["with_payload"]), vectors_of(found["with_vectors"])
    )


def _scalar(value: Json) -> nodes.Scalar | None:
    return None if value is None else scalar(value)


def _selection(value: Json) -> nodes.Selection:
    if isinstance(value, bool):
        return nodes.Selection("all" if value else "none")
    ((mode, names),) = value.items()
    return nodes.Selection(mode, tuple(name_of(name) for name in names))


def payload_of(value: Json) -> nodes.Selection | None:
    """WITH PAYLOAD; None for all of it, which is QQL's default."""
    return None if value is True else _selection(value)


def vectors_of(value: Json) -> nodes.Selection | None:
    """WITH VECTOR; None for none."""
    if value in (None, False):
        return None
    return _selection({"include": value} if isinstance(value, list) else value)


def shard_of(value: Json) -> nodes.Shard | None:
    """SHARD of a canonical ``shard_key``."""
    if value is None:
        return None
    if isinstance(value, dict):
        return nodes.Shard((scalar(value["target"]),), scalar(value["fallback"]))
    return nodes.Shard(tuple(scalar(key) for key in (value if isinstance(value, list) else [value])))


def order_node(found: Body) -> nodes.OrderBy:
    """ORDER BY of a canonical ``order_by``."""
    direction = "desc" if found["direction"] == "desc" else None
    return nodes.OrderBy(name_of(found["key"]), direction, _scalar(found.get("start_from")))


class _Stages:
    """The stages of one query by name, each before what uses it. Equal prefetches are one stage."""

    def __init__(self) -> None:
        self.ctes: list[nodes.Cte] = []
        self.names: dict[str, nodes.Name] = {}
        self.taken: set[str] = set()

    def clauses(self, body: Body) -> JsonObject:
        """What stages and whole queries have in common, as fields of `nodes.Query`."""
        refs = tuple(nodes.Ref(self.stage(one)) for one in body.get("prefetch", ()))
        target, fusion, options = _target(body.get("query", {}), body.get("using"))
        using = None if isinstance(target, nodes.FullText) else body.get("using")
        lookup = body.get("lookup_from")
        return {
            "target": target,
            "using": nodes.Using(name_of(using)) if using is not None else None,
            "where": filter_of(body.get("filter")),
            "prefetch": refs,
            "fusion": fusion,
            "threshold": _scalar(body.get("score_threshold")),
            "params": options + _params(body.get("params", {})),
            "lookup": _lookup(lookup) if lookup else None,
            "limit": _scalar(body.get("limit")),
        }

    def stage(self, body: Body) -> nodes.Name:
        """The name of the stage that says a prefetch."""
        key = json.dumps(body, sort_keys=True)
        if key not in self.names:
            stage = nodes.Query(**self.clauses(body))
            self.names[key] = self.name(body)
            self.ctes.append(nodes.Cte(self.names[key], stage))
        return self.names[key]

    def name(self, body: Body) -> nodes.Name:
        wanted = _role(body)
        count = 1
        found = "stage1" if wanted == "stage" else wanted
        while found.lower() in self.taken:
            count += 1
            found = f"{wanted}{count}"
        self.taken.add(found.lower())
        return name_of(found)


_STAGE_NAMES = {info.rest: info.stage for info in nodes.TARGETS.values() if info.rest} | {
    "fusion": "fused",
    "rrf": "fused",
}
"""What a stage is called by what it does, by the key of its query."""


def _kind(query: Body) -> str | None:
    """The key that says what a canonical query is, beside which others may stand; None without a query."""
    return next((key for key in (*_QUERIES, "text") if key in query), None)


def _role(body: Body) -> str:
    """What a stage is called: by its vector, by what it does, or by the shape of what it searches for."""
    kind = _kind(body.get("query", {}))
    if kind is None:
        return "points"
    if kind in ("fusion", "rrf", "formula"):
        return _STAGE_NAMES[kind]
    if using := body.get("using"):
        word = re.sub(r"\W+", "_", using, flags=re.ASCII).strip("_")
        return word if re.match("[A-Za-z_]", word) else "stage"
    if kind != "nearest":
        return _STAGE_NAMES[kind]
    wanted = body["query"]["nearest"]
    if isinstance(wanted, list):
        return "multi" if wanted and isinstance(wanted[0], list) else "dense"
    return "sparse" if isinstance(wanted, dict) and "indices" in wanted else "stage"


def _lookup(found: Body) -> nodes.Lookup:
    named = found.get("vector")
    return nodes.Lookup(
        name_of(found["collection"]),
        None if named is None else name_of(named),
        shard_of(found.get("shard_key")),
    )


def _params(found: Body) -> tuple[nodes.Option, ...]:
    return tuple(nodes.Option(key, _param(key, value)) for key, value in found.items())


def _param(key: str, value: Json) -> Json:
    if key == "idf" and isinstance(value, dict):
        return filter_of(value["corpus"])
    return value["enable"] if key == "acorn" and value.keys() == {"enable"} else value


_Target = tuple[nodes.Target | None, nodes.Fusion | None, tuple[nodes.Option, ...]]


def _target(query: Body, using: str | None) -> _Target:
    """What a query searches for, or how it fuses, and the options that belong to that."""
    kind = _kind(query)
    if kind is None:
        return None, None, ()
    found = query[kind]
    if kind == "fusion":
        return None, nodes.Fusion(found), ()
    if kind == "rrf":
        options = tuple(nodes.Option(f"rrf_{key}", value) for key, value in found.items())
        return None, nodes.Fusion("rrf"), options
    if kind == "text":
        return _full_text(found, using or ""), None, ()
    if kind == "formula":
        return as_formula(query), None, ()
    if kind == "order_by":
        return order_node(found), None, ()
    if kind == "sample":
        return nodes.Sample(), None, ()
    declared = next((key for key in _BESIDE_NEAREST if key in query), kind)
    if declared == "nearest":
        return _input_node(found), None, ()
    return _declared_node(_DECLARED[declared], query), None, ()


def _declared_node(kind: type[nodes.Node], query: Body) -> nodes.Target:
    """The node that a canonical query says, each part read from the place that it declares."""
    values: JsonObject = {}
    for part in nodes.TARGETS[kind].parts:
        key, _, inner = part.rest.partition(".")
        found = query[key].get(inner) if inner else query[key]
        if found is not None:
            values[part.field] = _part_node(part.role, found)
    if kind is nodes.RelevanceFeedback:
        naive = query["relevance_feedback"]["strategy"]["naive"]
        options = tuple(nodes.Option(name, value) for name, value in naive.items())
        values |= {"strategy": name_of("naive"), "options": options}
    return cast(nodes.Target, kind(**values))


def _part_node(role: Role, found: Json) -> object:
    if role is INPUT:
        return _input_node(found)
    if role is INPUTS:
        return tuple(_input_node(one) for one in found)
    if role is PAIRS:
        return tuple(
            nodes.ContextPair(_input_node(one["positive"]), _input_node(one["negative"])) for one in found
        )
    if role is SCORED:
        return tuple(nodes.FeedbackItem(_input_node(one["example"]), scalar(one["score"])) for one in found)
    return name_of(found) if isinstance(role, Choice) else scalar(found)


def _full_text(found: Json, name: str) -> nodes.FullText:
    if isinstance(found, str):
        return nodes.FullText(scalar(found), name_of(name))
    options = tuple(nodes.Option(key, value) for key, value in found["scoring"]["bm25"].items())
    return nodes.FullText(scalar(found["query"]), name_of(name), options)


def _input_node(found: Json) -> nodes.Input:
    if isinstance(found, (int, str)):
        return nodes.Point(scalar(found))
    kind = next((kind for kind in _INFERENCE if isinstance(found, dict) and kind in found), None)
    if kind is None:
        return nodes.Vector(found)
    model, options = _scalar(found.get("model")), found.get("options")
    if kind == "object":
        return nodes.Inference(found["object"], model, options)
    make = nodes.Text if kind == "text" else nodes.Image
    return make(scalar(found[kind]), model, options)
