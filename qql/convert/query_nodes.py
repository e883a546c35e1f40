"""Canonical queries → the trees that say them; nested prefetches become named stages."""

from __future__ import annotations

import json
import re
from typing import cast

from qql import nodes
from qql.compiler.rest_filters import filter_of, name_of, scalar
from qql.convert.expressions import as_formula
from qql.convert.queries import BESIDE_NEAREST, DECLARED, INFERENCE, kind_of
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Choice, Role
from qql.rest.types import Body, Json, JsonObject

__all__ = ["order_node", "payload_of", "query_of", "shard_of", "vectors_of"]


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


def _role(body: Body) -> str:
    """What a stage is called: by its vector, by what it does, or by the shape of what it searches for."""
    kind = kind_of(body.get("query", {}))
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
    kind = kind_of(query)
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
    declared = next((key for key in BESIDE_NEAREST if key in query), kind)
    if declared == "nearest":
        return _input_node(found), None, ()
    return _declared_node(DECLARED[declared], query), None, ()


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
    kind = next((kind for kind in INFERENCE if isinstance(found, dict) and kind in found), None)
    if kind is None:
        return nodes.Vector(found)
    model, options = _scalar(found.get("model")), found.get("options")
    if kind == "object":
        return nodes.Inference(found["object"], model, options)
    make = nodes.Text if kind == "text" else nodes.Image
    return make(scalar(found[kind]), model, options)
