"""Plan → request: the requests of queries, and the table of all statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from qql import nodes
from qql.compiler.bind import resolved
from qql.compiler.embed_clauses import with_texts
from qql.compiler.emit_collections import EMIT_COLLECTIONS
from qql.compiler.emit_filters import all_of, emit_filter, point_id
from qql.compiler.emit_formulas import emit_formula
from qql.compiler.emit_points import EMIT_POINTS, clean, emit_batch, order_of, selections
from qql.compiler.options.query import BM25_OPTIONS, FEEDBACK_OPTIONS
from qql.compiler.options.table import read_options
from qql.compiler.plan import (
    DEFAULT_LIMIT,
    Context,
    Embedded,
    Input,
    QueryPlan,
    Stage,
    count_limit,
    number_of,
    plan_query,
    text_of,
)
from qql.compiler.shard_keys import shard_key
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean, shown
from qql.rest.request import Request, collection_path

__all__ = ["emit_query", "emit_statement"]

_GROUP_SIZE = 3
"""Points of a group where SIZE is missing: Qdrant's default, said in the request as v1 does."""


def _fail(code: str, message: str, span: Span, hint: str | None = None) -> NoReturn:
    raise QQLPlanError(Diagnostic(code, message, span, hint))


# ------------------------------------------------------------------------------------ queries


def emit_query(plan: QueryPlan) -> Request:
    """One nested request for a plan."""
    root = plan.root
    if isinstance(root.target, nodes.Points):
        assert isinstance(root.target.ids, tuple)
        body = {"ids": [point_id(scalar) for scalar in root.target.ids]} | selections(
            plan.payload, plan.vectors
        )
        body |= clean({"shard_key": shard_key(plan.shard)})
        return Request("POST", collection_path(plan.collection, "points"), dict(plan.request), body)
    body = _emit_stage(root, Input(root), {})
    route = ["points", "query"]
    if plan.group is not None:
        body |= _emit_group(plan.group)
        # Groups know no offset: the first of them are fetched too, and left out of what is shown.
        body["limit"] = (DEFAULT_LIMIT if root.limit is None else root.limit) + (plan.offset or 0)
        route.append("groups")
    else:
        body |= clean({"offset": plan.offset})
    loaded = with_texts(plan.payload, plan.second) if plan.second else plan.payload
    body |= selections(loaded, plan.vectors) | clean({"shard_key": shard_key(plan.shard)})
    return Request("POST", collection_path(plan.collection, *route), dict(plan.request), body)


def _emit_group(group: nodes.Group) -> dict[str, Any]:
    size = count_limit(group.size, "SIZE", 1)
    if not group.name.text:
        _fail("bad-group", "GROUP BY names no field", group.name.span, "write GROUP BY field")
    found: dict[str, Any] = {"group_by": str(group.name.text), "group_size": size or _GROUP_SIZE}
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


def _emit_stage(stage: Stage, given: Input, done: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """The body of a stage as one reference asks for it."""
    inputs = done.get(id(stage))
    if inputs is None:
        inputs = done[id(stage)] = [_emit_stage(i.stage, i, done) for i in stage.inputs]
    threshold = stage.threshold if given.threshold is None else given.threshold
    lookup = given.lookup or stage.lookup
    return clean(
        {
            "prefetch": inputs or None,
            "query": _emit_target(stage),
            "using": stage.using,
            "filter": _emit_where(stage, given),
            "params": dict(stage.params) or None,
            "score_threshold": threshold,
            "limit": stage.limit,
            "lookup_from": _emit_lookup(lookup) if lookup else None,
        }
    )


def _emit_where(stage: Stage, given: Input) -> dict[str, Any] | None:
    """The filter of a stage and its reference.

    Qdrant merges a filter into those of the prefetches below it key by key, and two lists of alternatives
    into one: `a OR b` above `c OR d` would become `a OR b OR c OR d`. Inside a ``must`` it keeps its meaning.
    """
    found = emit_filter(all_of([stage.where, given.where]))
    merged = _merged(found)
    if merged and any(_stands_below(merged, one) for one in stage.inputs):
        return {"must": [found]}
    return found


def _merged(found: dict[str, Any] | None) -> str | None:
    """The part of a filter that Qdrant would merge with another of its kind above or below."""
    return next((key for key in ("should", "min_should") if found and key in found), None)


def _stands_below(key: str, given: Input) -> bool:
    """Whether a filter here or below has such a part at its top."""
    found = emit_filter(all_of([given.stage.where, given.where]))
    return _merged(found) == key or any(_stands_below(key, one) for one in given.stage.inputs)


def _emit_target(stage: Stage) -> dict[str, Any]:
    if stage.fusion == "rrf" and stage.rrf is not None:
        return {"rrf": dict(stage.rrf)}
    if stage.fusion is not None:
        return {"fusion": stage.fusion}
    target, model = stage.target, stage.model
    match target:
        case nodes.Recommend():
            return {"recommend": _emit_recommend(target, model)}
        case nodes.Context():
            return {"context": _emit_pairs(target.pairs, model)}
        case nodes.Discover():
            wanted = _emit_input(target.target, model)
            return {"discover": {"target": wanted, "context": _emit_pairs(target.pairs, model)}}
        case nodes.OrderBy():
            return {"order_by": {"direction": "asc"} | order_of(target)}
        case nodes.Sample():
            return {"sample": "random"}
        case nodes.Formula():
            return emit_formula(target)
        case nodes.Mmr():
            return {"nearest": _emit_input(target.target, model), "mmr": _emit_mmr(target)}
        case nodes.RelevanceFeedback():
            return {"relevance_feedback": _emit_feedback(target, model)}
        case nodes.FullText():
            return {"text": _emit_full_text(target)}
    assert isinstance(target, nodes.Input), f"no query for {target!r}"
    return {"nearest": _emit_input(target, model)}


def _emit_input(target: nodes.Input, model: str | None) -> Any:
    """A text, image, object, vector or point, as it stands wherever a vector is asked for."""
    match target:
        case nodes.Text():
            return _document("text", text_of(target.text, "the text"), target, model)
        case nodes.Image():
            return _document("image", text_of(target.image, "the address of the image"), target, model)
        case nodes.Inference():
            return _document("object", resolved(target.object, target.span), target, model)
        case nodes.Vector():
            return target.value
        case nodes.Point():
            return point_id(target.id)
    raise AssertionError(f"no input: {target!r}")


def _document(kind: str, value: Any, target: Embedded, model: str | None) -> dict[str, Any]:
    """Qdrant's inference object."""
    named = text_of(target.model, "MODEL") if target.model is not None else model
    options = resolved(target.options, target.span)
    if options is not None and not isinstance(options, dict):
        _fail("bad-option", f"OPTIONS takes an object, not {shown(options)}", target.span)
    return clean({kind: value, "model": named, "options": options})


_STRATEGIES = ("average_vector", "best_score", "sum_scores")


def _emit_recommend(target: nodes.Recommend, model: str | None) -> dict[str, Any]:
    assert isinstance(target.positive, tuple) and isinstance(target.negative, tuple)
    found: dict[str, Any] = {
        "positive": [_emit_input(one, model) for one in target.positive],
        "negative": [_emit_input(one, model) for one in target.negative],
    }
    strategy = None
    if target.strategy is not None:
        strategy = str(target.strategy.text).lower()
        if strategy not in _STRATEGIES:
            hint = did_you_mean(strategy, _STRATEGIES) or f"the strategies are {', '.join(_STRATEGIES)}"
            _fail("unknown-strategy", f"there is no strategy `{strategy}`", target.strategy.span, hint)
        found["strategy"] = strategy
    if not found["positive"] and (not found["negative"] or strategy in (None, "average_vector")):
        hint = "with STRATEGY best_score or sum_scores, negative examples are enough"
        _fail("examples-missing", "RECOMMEND needs a positive example", target.span, hint)
    return found


def _emit_pairs(pairs: tuple[nodes.ContextPair, ...], model: str | None) -> list[dict[str, Any]]:
    return [
        {"positive": _emit_input(pair.positive, model), "negative": _emit_input(pair.negative, model)}
        for pair in pairs
    ]


_MOST_CANDIDATES = 16_384


def _emit_mmr(target: nodes.Mmr) -> dict[str, Any]:
    diversity = number_of(target.diversity, "DIVERSITY", 0, 1)
    candidates = count_limit(target.candidates, "CANDIDATES", 1)
    if target.candidates is not None and candidates is not None and candidates > _MOST_CANDIDATES:
        message = f"CANDIDATES goes up to {_MOST_CANDIDATES}, Qdrant's own limit"
        _fail("bad-limit", message, target.candidates.span)
    return clean({"diversity": diversity, "candidates_limit": candidates})


def _emit_feedback(target: nodes.RelevanceFeedback, model: str | None) -> dict[str, Any]:
    hint = "write STRATEGY NAIVE (a = 1, b = 1, c = 1)"
    if target.strategy is None:
        _fail("strategy-missing", "RELEVANCE FEEDBACK needs a STRATEGY", target.span, hint)
    if str(target.strategy.text).lower() != "naive":
        message = f"there is no feedback strategy `{target.strategy.text}`"
        _fail("unknown-strategy", message, target.strategy.span, hint)
    values = read_options(target.options, FEEDBACK_OPTIONS, "STRATEGY NAIVE")
    missing = [name for name in FEEDBACK_OPTIONS if name not in values]
    if missing:
        _fail("option-missing", f"STRATEGY NAIVE needs `{missing[0]}`", target.strategy.span, hint)
    feedback = [
        {"example": _emit_input(item.example, model), "score": number_of(item.score, "a score")}
        for item in target.feedback
    ]
    return {"target": _emit_input(target.target, model), "feedback": feedback, "strategy": {"naive": values}}


def _emit_full_text(target: nodes.FullText) -> Any:
    text = text_of(target.text, "the text of MATCH")
    values = read_options(target.options, BM25_OPTIONS, "MATCH … ON")
    return {"query": text, "scoring": {"bm25": values}} if values else text


def _emit_lookup(lookup: nodes.Lookup) -> dict[str, Any]:
    return clean(
        {
            "collection": str(lookup.collection.text),
            "vector": str(lookup.vector.text) if lookup.vector else None,
            "shard_key": shard_key(lookup.shard),
        }
    )


def _emit_batch(statement: nodes.Batch, context: Context) -> list[Request]:
    return emit_batch(statement, context, _batched)


def _batched(query: nodes.Query, context: Context) -> Request:
    """The request of a query in a BATCH, which brings hits only: there is no second stage."""
    if query.rerank is not None:
        hint = "write it as a statement of its own"
        _fail("batch-member", "RERANK cannot go in a BATCH", query.rerank.span, hint)
    return emit_query(plan_query(query, context))


_EMIT: Mapping[type[nodes.Node], Callable[[Any, Context], list[Request]]] = {
    **EMIT_POINTS,
    **EMIT_COLLECTIONS,
    nodes.Batch: _emit_batch,
}


def emit_statement(statement: nodes.Statement, context: Context) -> list[Request]:
    """The requests of a bound statement that is no query; none for what a session does by itself.

    Raises `QQLPlanError`.
    """
    emit = _EMIT.get(type(statement))
    return emit(statement, context) if emit else []
