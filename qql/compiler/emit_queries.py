"""Plan → request: the requests of queries, and the table of all statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

from qql import nodes
from qql.compiler.embed_clauses import with_texts
from qql.compiler.emit_filters import all_of, emit_filter
from qql.compiler.emit_points import EMIT_POINTS, clean, emit_batch, selections
from qql.compiler.emit_targets import emit_target
from qql.compiler.empty_lists import note_empty_list
from qql.compiler.guards import is_id_list
from qql.compiler.plan import Context, Input, QueryPlan, Stage, collection_of
from qql.compiler.planner import plan_query
from qql.compiler.scalars import count_limit, point_id, shard_key
from qql.errors import fail
from qql.nodes.holes import Hole, Slot
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE
from qql.rest.quoting import quoted
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["emit_query", "emit_statement"]

# ------------------------------------------------------------------------------------ queries


def emit_query(plan: QueryPlan) -> Request:
    """One nested request for a plan."""
    root = plan.root
    if isinstance(root.target, nodes.Points):
        body: JsonObject = {"ids": _emit_ids(root.target)} | selections(plan.payload, plan.vectors)
        body |= clean({"shard_key": shard_key(plan.shard)})
        return Request("POST", collection_path(plan.collection, "points"), dict(plan.request), body)
    body = _emit_stage(root, Input(root), {})
    route = ["points", "query"]
    if plan.group is not None:
        body |= _emit_group(plan.group)
        # Groups know no offset: the first of them are fetched too, and left out of what is shown.
        limit = DEFAULT_LIMIT if root.limit is None else root.limit
        body["limit"] = limit if plan.offset is None else limit + plan.offset
        route.append("groups")
    elif plan.offset is not None:
        body["offset"] = plan.offset
    loaded = with_texts(plan.payload, plan.second) if plan.second else plan.payload
    body |= selections(loaded, plan.vectors)
    if plan.shard is not None:
        body["shard_key"] = shard_key(plan.shard)
    return Request("POST", collection_path(plan.collection, *route), dict(plan.request), body)


def _emit_ids(target: nodes.Points) -> Json:
    if isinstance(target.ids, Hole):  # a whole list that comes later
        return Slot(target.ids, is_id_list, list)
    assert isinstance(target.ids, tuple), "parameters are bound before a target is emitted"
    if not target.ids:
        note_empty_list(target)
    return [point_id(scalar) for scalar in target.ids]


def _emit_group(group: nodes.Group) -> JsonObject:
    size = count_limit(group.size, "SIZE", 1)
    if not group.name.text:
        fail("bad-group", "GROUP BY names no field", group.name.span, "write GROUP BY field")
    found: JsonObject = {"group_by": str(group.name.text), "group_size": GROUP_SIZE if size is None else size}
    lookup = group.lookup
    if lookup is not None:
        name = str(lookup.collection.text)
        chosen = selections(lookup.payload, lookup.vectors)
        if lookup.payload is None:
            del chosen["with_payload"]
        if "with_vector" in chosen:  # in a lookup, Qdrant's name of it has an s
            chosen["with_vectors"] = chosen.pop("with_vector")
        found["with_lookup"] = {"collection": name, **chosen} if chosen else name
    return found


def _emit_stage(stage: Stage, given: Input, done: dict[int, list[JsonObject]]) -> JsonObject:
    """The body of a stage as one reference asks for it."""
    inputs = done.get(id(stage))
    if inputs is None:
        inputs = done[id(stage)] = [_emit_stage(i.stage, i, done) for i in stage.inputs]
    lookup = given.lookup or stage.lookup
    return clean(
        {
            "prefetch": inputs or None,
            "query": _emit_target(stage),
            "using": stage.text_field or stage.using,
            "filter": _emit_where(stage, given) if stage.where or given.where else None,
            "params": dict(stage.params) if stage.params else None,
            "score_threshold": stage.threshold if given.threshold is None else given.threshold,
            "limit": stage.limit,
            "lookup_from": _emit_lookup(lookup) if lookup else None,
        }
    )


def _emit_where(stage: Stage, given: Input) -> JsonObject | None:
    """The filter of a stage and its reference.

    Qdrant merges a filter into those of the prefetches below it key by key, and two lists of alternatives
    into one: `a OR b` above `c OR d` would become `a OR b OR c OR d`. Inside a ``must`` it keeps its meaning.
    """
    found = emit_filter(all_of([stage.where, given.where]))
    merged = _merged(found)
    if merged and any(_stands_below(merged, one) for one in stage.inputs):
        return {"must": [found]}
    return found


def _merged(found: JsonObject | None) -> str | None:
    """The part of a filter that Qdrant would merge with another of its kind above or below."""
    if not found:
        return None
    return "should" if "should" in found else "min_should" if "min_should" in found else None


def _stands_below(key: str, given: Input) -> bool:
    """Whether a filter here or below has such a part at its top."""
    found = emit_filter(all_of([given.stage.where, given.where]))
    return _merged(found) == key or any(_stands_below(key, one) for one in given.stage.inputs)


def _emit_target(stage: Stage) -> JsonObject | None:
    """What scores the points of a stage; None where they come by their ids."""
    if stage.linear is not None:
        return stage.linear.query()
    if stage.fusion == "rrf" and stage.rrf is not None:
        return {"rrf": dict(stage.rrf)}
    if stage.fusion is not None:
        return {"fusion": stage.fusion}
    return None if stage.target is None else emit_target(stage.target, stage.model)


def _emit_lookup(lookup: nodes.Lookup) -> JsonObject:
    return clean(
        {
            "collection": str(lookup.collection.text),
            "vector": str(lookup.vector.text) if lookup.vector else None,
            "shard_key": shard_key(lookup.shard),
        }
    )


def _emit_batch(statement: nodes.Batch, context: Context) -> list[Request]:
    if nodes.changes_aliases(statement):
        from qql.compiler.emit_collections import emit_alias_batch

        return emit_alias_batch(statement, context)
    return emit_batch(statement, context, _batched)


def _batched(query: nodes.Query, context: Context) -> Request:
    """The request of a query in a BATCH, which brings hits only: there is no second stage."""
    hint = "write it as a statement of its own"
    if query.rerank is not None:
        fail("batch-member", "RERANK cannot go in a BATCH", query.rerank.span, hint)
    plan = plan_query(query, context)
    if plan.groups_here is not None:
        fail("batch-member", "groups and POINTS cannot go in a BATCH", query.span, hint)
    if plan.ignores_missing:
        fail("batch-member", "IGNORE MISSING cannot go in a BATCH", query.span, hint)
    return emit_query(plan)


_EMIT: Mapping[type[nodes.Node], Callable[[Any, Context], list[Request]]] = {
    **EMIT_POINTS,
    nodes.Batch: _emit_batch,
}


def _emitter(kind: type[nodes.Node]) -> Callable[[Any, Context], list[Request]] | None:
    """What emits statements of a kind. That of the rarer ones is imported with the first of them."""
    if kind in _EMIT:
        return _EMIT[kind]
    if kind is nodes.Matrix:
        from qql.compiler.emit_matrix import emit_matrix

        return emit_matrix
    from qql.compiler.emit_collections import EMIT_COLLECTIONS

    return EMIT_COLLECTIONS.get(kind)


def emit_statement(statement: nodes.Statement, context: Context) -> list[Request]:
    """The requests of a bound statement that is no query; none for what a session does by itself.

    Raises `QQLPlanError`.
    """
    emit = _emitter(type(statement))
    if emit is not None:
        return emit(statement, context)
    sends = nodes.STATEMENTS[type(statement)].sends
    return [] if sends is None else [_declared_request(sends, statement, context)]


def _declared_request(sends: str, statement: nodes.Statement, context: Context) -> Request:
    """A request without a body: its method and its path, ``{field}`` being the name of a collection."""
    method, path, fields = _parts_of(sends)
    for field in fields:
        collection = collection_of(getattr(statement, field), context, statement.span)
        path = path.replace(f"{{{field}}}", quoted(collection))
    return Request(method, path)


@cache
def _parts_of(sends: str) -> tuple[str, str, list[str]]:
    method, path = sends.split(" ")
    return method, path, re.findall(r"\{(\w+)\}", path)
