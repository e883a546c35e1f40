"""Plan → request: the only place that knows the shape of Qdrant's REST bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from qql import nodes
from qql.embedders.models import known_kind, known_size
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean, shown
from qql.filters import all_of, emit_filter, point_id, range_bound, selected_ids
from qql.options import (
    COLLECTION_BLOCKS,
    COUNT_OPTIONS,
    INDEX_TYPES,
    SPARSE_INDEX,
    VECTOR_BLOCKS,
    read_blocks,
    read_options,
)
from qql.plan import (
    Context,
    Input,
    QueryPlan,
    Stage,
    collection_of,
    count_limit,
    text_of,
    wait_of,
)
from qql.points import TEXT_FIELDS, document, lacks_vector, row_point
from qql.request import Request, collection_path
from qql.schema import METADATA_KEY

__all__ = ["emit_query", "emit_statement"]


def _fail(code: str, message: str, span: Span | None, hint: str | None = None) -> NoReturn:
    raise QQLPlanError(Diagnostic(code, message, span, hint))


def _clean(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not there."""
    return {key: value for key, value in body.items() if value is not None}


# ------------------------------------------------------------------------------------ queries


def emit_query(plan: QueryPlan) -> Request:
    """One nested request for a plan."""
    root = plan.root
    if isinstance(root.target, nodes.Points):
        assert isinstance(root.target.ids, tuple)
        body = {"ids": [point_id(scalar) for scalar in root.target.ids]} | _selections(
            plan.payload, plan.vectors
        )
        return Request("POST", collection_path(plan.collection, "points"), dict(plan.request), body)
    body = _emit_stage(root, Input(root), {}) | _clean({"offset": plan.offset})
    body |= _selections(plan.payload, plan.vectors)
    return Request("POST", collection_path(plan.collection, "points", "query"), dict(plan.request), body)


def _emit_stage(stage: Stage, given: Input, done: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """The body of a stage as one reference asks for it."""
    inputs = done.get(id(stage))
    if inputs is None:
        inputs = done[id(stage)] = [_emit_stage(i.stage, i, done) for i in stage.inputs]
    threshold = stage.threshold if given.threshold is None else given.threshold
    lookup = given.lookup or stage.lookup
    return _clean(
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

    Qdrant merges a filter into those of the prefetches below it key by key, and two lists of ``should`` into
    one: `a OR b` above `c OR d` would become `a OR b OR c OR d`. Inside a ``must`` it keeps its meaning.
    """
    found = emit_filter(all_of([stage.where, given.where]))
    if found and "should" in found and any(_has_should(i) for i in stage.inputs):
        return {"must": [found]}
    return found


def _has_should(given: Input) -> bool:
    """Whether a filter here or below has alternatives at its top."""
    where = all_of([given.stage.where, given.where])
    return isinstance(where, nodes.Or) or any(_has_should(i) for i in given.stage.inputs)


def _emit_target(stage: Stage) -> dict[str, Any]:
    if stage.fusion == "rrf" and stage.rrf is not None:
        return {"rrf": dict(stage.rrf)}
    if stage.fusion is not None:
        return {"fusion": stage.fusion}
    match stage.target:
        case nodes.Text():
            return {"nearest": document(text_of(stage.target.text, "the text"), stage.model)}
        case nodes.Vector():
            return {"nearest": stage.target.value}
        case nodes.Point():
            return {"nearest": point_id(stage.target.id)}
    raise AssertionError(f"no query for {stage.target!r}")


def _emit_lookup(lookup: nodes.Lookup) -> dict[str, Any]:
    return _clean(
        {
            "collection": str(lookup.collection.text),
            "vector": str(lookup.vector.text) if lookup.vector else None,
        }
    )


def _selections(payload: nodes.Selection | None, vectors: nodes.Selection | None) -> dict[str, Any]:
    """``with_payload`` (all of it, unless something else is asked for) and ``with_vector``."""
    found: dict[str, Any] = {"with_payload": True}
    if payload is not None:
        names = [str(name.text) for name in payload.names]
        found["with_payload"] = {"all": True, "none": False}.get(payload.mode, {payload.mode: names})
    if vectors is not None:
        if vectors.mode == "exclude":
            hint = "name the vectors that are wanted: WITH VECTOR (dense, sparse)"
            _fail("bad-selection", "vectors cannot be excluded by name", vectors.span, hint)
        names = [str(name.text) for name in vectors.names]
        found["with_vector"] = {"all": True, "none": False}.get(vectors.mode, names)
    return found


# ------------------------------------------------------------------------------------ points


def _emit_upsert(statement: nodes.Upsert, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    schema = context.schema(collection)
    assert isinstance(statement.rows, tuple), "parameters are bound before rows are read"
    points = []
    seen: dict[Any, int] = {}
    for number, row in enumerate(statement.rows, 1):
        if not isinstance(row, dict):
            message = f"row {number} is {shown(row)}; a row is an object {{id: 1, …}}"
            _fail("bad-row", message, statement.span)
        try:
            point = row_point(row, schema, collection, statement.span, context.warn)
        except QQLPlanError as exc:
            if len(statement.rows) == 1:
                raise
            found = exc.diagnostic
            raise QQLPlanError(replace(found, message=f"row {number}: {found.message}")) from None
        if point["id"] in seen:
            message = f"rows {seen[point['id']]} and {number} have the same id {point['id']}"
            context.warn("duplicate-id", message, statement.span, "the later row replaces the earlier one")
        seen[point["id"]] = number
        points.append(point)
    if not points:
        _fail("bad-row", "VALUES has no rows", statement.span)
    if schema is None and not any(point["vector"] for point in points):
        context.warn(
            "no-schema",
            f"what `{collection}` embeds is not known here, so the points have no vectors",
            statement.span,
            "connect to the database, or give schema= or a CREATE COLLECTION in the same script",
        )
    without = sum(lacks_vector(point["vector"], schema) for point in points)
    if without:
        rows = "a row has" if without == 1 else f"{without} rows have"
        context.warn(
            "no-text",
            f"{rows} no text to make a vector of",
            statement.span,
            f"the text is a row's first field of {', '.join(TEXT_FIELDS)}",
        )
    path = collection_path(collection, "points")
    return [Request("PUT", path, _wait(statement.wait), {"points": points})]


def _wait(scalar: nodes.Scalar | None) -> dict[str, Any]:
    return {"wait": "true" if wait_of(scalar) else "false"}


def _emit_delete(statement: nodes.Delete, context: Context) -> list[Request]:
    collection = collection_of(statement.source, context, statement.span)
    if statement.where is None:
        hint = f"DROP COLLECTION {collection} removes a collection with all its points"
        _fail("where-missing", "DELETE needs a WHERE", statement.span, hint)
    ids = selected_ids(statement.where)
    body = {"points": ids} if ids is not None else {"filter": emit_filter(statement.where)}
    path = collection_path(collection, "points", "delete")
    return [Request("POST", path, _wait(statement.wait), body)]


def _emit_count(statement: nodes.Count, context: Context) -> list[Request]:
    collection = collection_of(statement.source, context, statement.span)
    body = _clean({"filter": emit_filter(statement.where)})
    body |= read_options(statement.params, COUNT_OPTIONS, "COUNT")
    return [Request("POST", collection_path(collection, "points", "count"), {}, body)]


def _emit_scroll(statement: nodes.Scroll, context: Context) -> list[Request]:
    collection = collection_of(statement.source, context, statement.span)
    order = statement.order_by
    if order is not None and statement.after is not None:
        hint = "walk by id with AFTER, or in the order of a field with WHERE field > value"
        _fail("after-with-order", "AFTER means ids; ORDER BY has another order", statement.after.span, hint)
    body = _clean(
        {
            "filter": emit_filter(statement.where),
            "limit": count_limit(statement.limit, "LIMIT", 1),
            "offset": _following(point_id(statement.after), statement.after.span)
            if statement.after
            else None,
            "order_by": _order(order) if order else None,
        }
    )
    body |= {"with_vector": False} | _selections(statement.payload, statement.vectors)
    return [Request("POST", collection_path(collection, "points", "scroll"), {}, body)]


def _order(order: nodes.OrderBy) -> dict[str, Any]:
    start = range_bound(order.start) if order.start else None
    return _clean({"key": str(order.name.text), "direction": order.direction, "start_from": start})


def _following(found: int | str, span: Span) -> int | str:
    """The id behind this one: Qdrant's offset is the first id of the page, AFTER leaves its id out."""
    import uuid

    last = "AFTER the last of all ids holds nothing"
    if isinstance(found, int):
        if found == 2**64 - 1:
            _fail("bad-after", last, span)
        return found + 1
    number = uuid.UUID(found).int
    if number == 2**128 - 1:
        _fail("bad-after", last, span)
    return str(uuid.UUID(int=number + 1))


# ------------------------------------------------------------------------------------ collections


def _emit_create(statement: nodes.CreateCollection, context: Context) -> list[Request]:
    collection = collection_of(statement.name, context, statement.span)
    dense: dict[str, Any] = {}
    sparse: dict[str, Any] = {}
    models: dict[str, str] = {}
    for vector in statement.vectors:
        name = str(vector.name.text)
        if name in dense or name in sparse:
            _fail("duplicate-vector", f"the vector `{name}` is defined twice", vector.name.span)
        model = text_of(vector.model, "MODEL") if vector.model else None
        if model:
            models[name] = model
        if vector.kind == "sparse":
            sparse[name] = _sparse_vector(vector, model)
        else:
            dense[name] = _dense_vector(vector, model)
    body: dict[str, Any] = {}
    blocks = read_blocks(statement.blocks, COLLECTION_BLOCKS)
    if "vector" in blocks:
        if not dense:
            _fail("misplaced-block", "WITH VECTOR needs a dense vector to hold for", statement.span)
        # It holds for every dense vector; what a vector says of itself goes before it.
        shared = blocks.pop("vector")
        dense = {name: {**shared, **given} for name, given in dense.items()}
    if dense:
        body["vectors"] = dense[""] if list(dense) == [""] else dense
    if sparse:
        body["sparse_vectors"] = sparse
    body |= _collection_settings(blocks)
    if METADATA_KEY in body.get("metadata", {}):
        span = next(block.span for block in statement.blocks if block.kind == "metadata")
        hint = "MODEL behind a vector writes it"
        _fail("reserved-key", f"the key `{METADATA_KEY}` of METADATA records the models", span, hint)
    if models:
        body["metadata"] = {**body.get("metadata", {}), METADATA_KEY: {"models": models}}
    return [Request("PUT", collection_path(collection), {}, body)]


_MULTIVECTOR = {"comparator": "max_sim"}


def _dense_vector(vector: nodes.VectorDef, model: str | None) -> dict[str, Any]:
    name = vector.name.text
    size = count_limit(vector.size, "the size of a vector", 1)
    kind = known_kind(model) if model else None
    expected = known_size(model) if model else None
    if kind == "sparse":
        hint = f"write `{name} SPARSE MODEL '{model}'`"
        _fail("wrong-kind", f"the model `{model}` makes sparse vectors", vector.span, hint)
    if size is None and expected is None:
        hint = f"write `{name} VECTOR(384, COSINE)` with the number of dimensions"
        why = f"the size of the vectors of `{model}` is not known" if model else f"`{name}` needs a size"
        _fail("size-missing", why, vector.span, hint)
    if size is not None and expected is not None and size != expected:
        message = f"`{name}` has {size} dimensions, but the model `{model}` makes {expected}"
        _fail("wrong-dimension", message, vector.size.span if vector.size else vector.span)
    found: dict[str, Any] = {"size": size or expected, "distance": vector.distance or "Cosine"}
    if vector.distance is None and model is None:
        hint = f"write `{name} VECTOR({size}, COSINE)`; the others are DOT, EUCLID and MANHATTAN"
        _fail("distance-missing", f"`{name}` needs a distance", vector.span, hint)
    if kind == "multi":
        found["multivector_config"] = _MULTIVECTOR
    blocks = read_blocks(vector.blocks, VECTOR_BLOCKS["dense"])
    found |= blocks.pop("vector", {})
    for block, values in blocks.items():
        found[f"{block}_config"] = values or _MULTIVECTOR if block == "multivector" else values
    return found


def _sparse_vector(vector: nodes.VectorDef, model: str | None) -> dict[str, Any]:
    kind = known_kind(model) if model else None
    if kind not in (None, "sparse"):
        hint = f"write `{vector.name.text} VECTOR MODEL '{model}'`"
        _fail("wrong-kind", f"the model `{model}` makes {kind} vectors", vector.span, hint)
    blocks = read_blocks(vector.blocks, VECTOR_BLOCKS["sparse"])
    twice = set(blocks.get("sparse", {})) & set(blocks.get("index", {}))
    if twice:
        message = f"the option `{min(twice)}` stands in both WITH SPARSE and WITH INDEX"
        _fail("duplicate-option", message, vector.blocks[1].span)
    values = blocks.get("sparse", {}) | blocks.get("index", {})
    found = {"modifier": values["modifier"]} if "modifier" in values else {}
    if not found and model and model.lower() == "qdrant/bm25":
        found["modifier"] = "idf"  # BM25 without inverse document frequencies is no BM25
    index = {key: values[key] for key in SPARSE_INDEX if key in values}
    return found | ({"index": index} if index else {})


def _collection_settings(blocks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The blocks as keys of a collection's body: most are one ``…_config``, those of PARAMS stand alone."""
    found: dict[str, Any] = {}
    for kind, values in blocks.items():
        if kind == "params":
            found |= values
        elif kind == "metadata":
            found["metadata"] = dict(values)
        else:
            found[f"{kind}_config"] = values
    if "payload_memory" in found:
        found["payload"] = {"memory": found.pop("payload_memory")}
    return found


def _emit_create_index(statement: nodes.CreateIndex, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    kind = str(statement.type.text).lower() if statement.type else "keyword"
    if kind not in INDEX_TYPES:
        span = statement.type.span if statement.type else statement.span
        hint = did_you_mean(kind, INDEX_TYPES) or f"the types are {', '.join(INDEX_TYPES)}"
        _fail("unknown-index-type", f"there is no index of the type `{kind}`", span, hint)
    options = read_options(statement.options, INDEX_TYPES[kind], f"an index of the type {kind}")
    if isinstance(options.get("stopwords"), list):
        options["stopwords"] = {"custom": options["stopwords"]}
    schema: Any = {"type": kind, **options} if options else kind
    body = {"field_name": str(statement.name.text), "field_schema": schema}
    return [Request("PUT", collection_path(collection, "index"), _wait(statement.wait), body)]


def _emit_drop_index(statement: nodes.DropIndex, context: Context) -> list[Request]:
    from urllib.parse import quote

    collection = collection_of(statement.collection, context, statement.span)
    path = collection_path(collection, "index", quote(str(statement.name.text), safe=""))
    return [Request("DELETE", path, _wait(statement.wait))]


def _named(method: str) -> Callable[[Any, Context], list[Request]]:
    def emit(statement: Any, context: Context) -> list[Request]:
        collection = collection_of(statement.name, context, statement.span)
        return [Request(method, collection_path(collection))]

    return emit


_EMIT: Mapping[type[nodes.Node], Callable[[Any, Context], list[Request]]] = {
    nodes.Upsert: _emit_upsert,
    nodes.Delete: _emit_delete,
    nodes.Count: _emit_count,
    nodes.Scroll: _emit_scroll,
    nodes.CreateCollection: _emit_create,
    nodes.DropCollection: _named("DELETE"),
    nodes.ShowCollection: _named("GET"),
    nodes.ShowCollections: lambda s, c: [Request("GET", "/collections")],
    nodes.CreateIndex: _emit_create_index,
    nodes.DropIndex: _emit_drop_index,
}


def emit_statement(statement: nodes.Statement, context: Context) -> list[Request]:
    """The requests of a bound statement that is no query; none for what a session does by itself.

    Raises `QQLPlanError`.
    """
    emit = _EMIT.get(type(statement))
    return emit(statement, context) if emit else []
