"""Collections and what belongs to them: the requests of statements that make, change and show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from qql import nodes
from qql.compiler.emit_points import waiting
from qql.compiler.model_names import known_kind
from qql.compiler.options.collection import (
    ADDED_BLOCKS,
    ALTER_BLOCKS,
    CHANGE_BLOCKS,
    COLLECTION_BLOCKS,
    SPARSE_INDEX,
    VECTOR_BLOCKS,
)
from qql.compiler.options.index import INDEX_TYPES
from qql.compiler.options.query import OPTIMIZE_OPTIONS, QUOTA_OPTIONS, SHARD_KEY_OPTIONS, SNAPSHOT_OPTIONS
from qql.compiler.options.table import read_blocks, read_options
from qql.compiler.plan import Context, collection_of
from qql.compiler.scalars import one_key, scalar_value, text_of
from qql.compiler.vector_models import default_vectors, model_of_vector, size_made
from qql.errors import did_you_mean, fail, shown
from qql.rest.limits import MAX_VECTOR_SIZE, OPTIMIZATION_LISTS
from qql.rest.quoting import quoted
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json, JsonObject
from qql.schema import METADATA_KEY, Schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["EMIT_COLLECTIONS", "emit_alias_batch"]

_WAITED = {"wait": "true"}


# ------------------------------------------------------------------------------------ CREATE


def _emit_create(statement: nodes.CreateCollection, context: Context) -> list[Request]:
    """PUT; and what Qdrant takes only afterwards: PATCH for how to read, PUT …/shards for each shard key."""
    collection = collection_of(statement.name, context, statement.span)
    dense: JsonObject = {}
    sparse: JsonObject = {}
    models: dict[str, str] = {}
    vectors = statement.vectors or default_vectors(statement, context)
    for vector in vectors:
        name = str(vector.name.text)
        if name in dense or name in sparse:
            fail("duplicate-vector", f"the vector `{name}` is defined twice", vector.name.span)
        model = model_of_vector(vector, context, vectors)
        if model:
            models[name] = model
        if vector.kind == "sparse":
            sparse[name] = _sparse_vector(vector, model)
        else:
            dense[name] = _dense_vector(vector, model, context)
    body: JsonObject = {}
    blocks = read_blocks(statement.blocks, COLLECTION_BLOCKS)
    if "vector" in blocks:
        if not dense:
            fail("misplaced-block", "WITH VECTOR needs a dense vector to hold for", statement.span)
        # It holds for every dense vector; what a vector says of itself goes before it.
        shared = blocks.pop("vector")
        dense = {name: {**shared, **given} for name, given in dense.items()}
    if dense:
        body["vectors"] = dense[""] if list(dense) == [""] else dense
    if sparse:
        body["sparse_vectors"] = sparse
    later = _later(statement, blocks.get("params", {}))
    body |= _collection_settings(blocks)
    _check_metadata(statement)
    if models:
        body["metadata"] = {**body.get("metadata", {}), METADATA_KEY: {"models": models}}
    return [Request("PUT", collection_path(collection), {}, body), *later(collection)]


def _later(statement: nodes.CreateCollection, params: JsonObject) -> Callable[[str], list[Request]]:
    """Takes out of PARAMS what is no part of the request that creates; gives the requests that say it."""
    reading = {key: params.pop(key) for key in [*params] if key.startswith("read_fan_out_")}
    keys = params.pop("shard_keys", [])
    if keys and params.get("sharding_method") != "custom":
        block = next(block for block in statement.blocks if block.kind == "params")
        span = next(option.span for option in block.options if option.name == "shard_keys")
        hint = "add sharding_method = custom"
        fail("idle-option", "`shard_keys` requires custom sharding", span, hint)

    def requests(collection: str) -> list[Request]:
        made = [Request("PATCH", collection_path(collection), {}, {"params": reading})] if reading else []
        path = collection_path(collection, "shards")
        return made + [Request("PUT", path, {}, {"shard_key": key}) for key in keys]

    return requests


def _check_metadata(statement: nodes.CreateCollection | nodes.AlterCollection) -> None:
    for block in statement.blocks:
        for option in block.options if block.kind == "metadata" else ():
            if option.name == METADATA_KEY:
                hint = "MODEL behind a vector writes it"
                message = f"the key `{METADATA_KEY}` of METADATA records the models"
                fail("reserved-key", message, option.span, hint)


_MULTIVECTOR = {"comparator": "max_sim"}


def _dense_vector(vector: nodes.VectorDef, model: str | None, context: Context) -> JsonObject:
    found = _dense_shape(vector, model, context)
    blocks = read_blocks(vector.blocks, VECTOR_BLOCKS["dense"])
    found |= blocks.pop("vector", {})
    for block, values in blocks.items():
        found[f"{block}_config"] = values or _MULTIVECTOR if block == "multivector" else values
    return found


def _dense_shape(vector: nodes.VectorDef, model: str | None, context: Context) -> JsonObject:
    """``{"size", "distance"}``, and ``multivector_config`` where the model makes multivectors."""
    name = vector.name.text
    size = _size(vector.size)
    kind = known_kind(model) if model else None
    expected = size_made(model, vector, context) if model else None
    if kind == "sparse":
        hint = f"write `{name} SPARSE MODEL '{model}'`"
        fail("wrong-kind", f"the model `{model}` makes sparse vectors", vector.span, hint)
    if size is None and expected is None:
        why = f"the size of the vectors of `{model}` is not known" if model else f"`{name}` needs a size"
        shape = f"write `{name} VECTOR(384, COSINE)` with the number of dimensions"
        known = f"give a model of known size by MODEL 'name' or --model {name}=name, or {shape}"
        hint = shape if model else known
        fail("size-missing", why, vector.span, hint)
    if size is not None and expected is not None and size != expected:
        message = f"`{name}` has {size} dimensions, but the model `{model}` makes {expected}"
        fail("wrong-dimension", message, vector.size.span if vector.size else vector.span)
    found: JsonObject = {"size": size or expected, "distance": vector.distance or "Cosine"}
    if vector.distance is None and model is None:
        hint = f"write `{name} VECTOR({size}, COSINE)`; the others are DOT, EUCLID and MANHATTAN"
        fail("distance-missing", f"`{name}` needs a distance", vector.span, hint)
    if kind == "multi":
        found["multivector_config"] = _MULTIVECTOR
    return found


_COUNTED = {"qdrant/bm25", "qdrant/bm42-all-minilm-l6-v2-attentions", "qdrant/minicoil-v1"}
"""Models that leave it to the engine to weigh words by their inverse document frequencies."""


def _size(scalar: nodes.Scalar | None) -> int | None:
    if scalar is None:
        return None
    value = scalar_value(scalar)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_VECTOR_SIZE:
        return value
    message = f"the size of a vector is a whole number from 1 to {MAX_VECTOR_SIZE}, not {shown(value)}"
    fail("bad-limit", message, scalar.span)


def _sparse_vector(vector: nodes.VectorDef, model: str | None) -> JsonObject:
    return _sparse_vector_settings(vector, model, read_blocks(vector.blocks, VECTOR_BLOCKS["sparse"]))


def _sparse_vector_settings(vector: nodes.VectorDef, model: str | None, blocks: Body) -> JsonObject:
    kind = known_kind(model) if model else None
    if kind not in (None, "sparse"):
        hint = f"write `{vector.name.text} VECTOR MODEL '{model}'`"
        fail("wrong-kind", f"the model `{model}` makes {kind} vectors", vector.span, hint)
    found = _sparse_settings(vector.blocks, blocks)
    # BM25 without inverse document frequencies is no BM25, and v1 gives them to every bare SPARSE.
    weighed = model is None or model.lower() in _COUNTED
    return {"modifier": "idf"} | found if weighed else found


def _sparse_settings(written: tuple[nodes.Block, ...], blocks: Body) -> JsonObject:
    """``{"modifier", "index"}`` of a SPARSE and an INDEX block, which share their options."""
    twice = set(blocks.get("sparse", {})) & set(blocks.get("index", {}))
    if twice:
        message = f"the option `{min(twice)}` stands in both SPARSE and INDEX"
        fail("duplicate-option", message, written[1].span)
    values = blocks.get("sparse", {}) | blocks.get("index", {})
    found = {"modifier": values["modifier"]} if "modifier" in values else {}
    index = {key: values[key] for key in SPARSE_INDEX if values.get(key, "default") != "default"}
    return found | ({"index": index} if index else {})


def _collection_settings(blocks: Mapping[str, Body]) -> JsonObject:
    """The blocks as keys of a collection's body: most are one ``…_config``, those of PARAMS stand alone."""
    found: JsonObject = {}
    for kind, values in blocks.items():
        if kind == "params":
            found |= _params(values)
        elif kind == "metadata":
            found["metadata"] = dict(values)
        else:
            found[f"{kind}_config"] = values
    return found


def _params(values: Body) -> JsonObject:
    """PARAMS as Qdrant has them: where payloads and ids are kept are objects of their own."""
    found = {key: value for key, value in values.items() if not key.endswith("_memory")}
    return found | {
        key.removesuffix("_memory"): {"memory": value} for key, value in values.items() if key not in found
    }


# ------------------------------------------------------------------------------------ ALTER


def _emit_alter(statement: nodes.AlterCollection, context: Context) -> list[Request]:
    collection = collection_of(statement.name, context, statement.span)
    schema = context.schema(collection)
    blocks = read_blocks(statement.blocks, ALTER_BLOCKS)
    _check_metadata(statement)
    if blocks.get("metadata") == {}:
        span = next(block.span for block in statement.blocks if block.kind == "metadata")
        hint = "WITH METADATA (key = null) removes one key"
        fail("empty-block", "an empty METADATA would remove all of it, the models too", span, hint)
    body: JsonObject = {}
    vectors: JsonObject = {}
    if "vector" in blocks:
        vectors = _for_all(blocks.pop("vector"), statement, schema, collection, context)
    sparse: JsonObject = {}
    times = Counter(change.name.text for change in statement.changes)
    for change in statement.changes:
        name = _checked_vector(change.name, change.kind, schema, collection)
        into = sparse if change.kind == "sparse" else vectors
        made = _changed_vector(change, into.get(name, {}))
        if times[change.name.text] > 1:
            fail("duplicate-vector", f"the vector `{name}` is changed twice", change.name.span)
        into[name] = made
    for kind, values in blocks.items():
        body |= {"params": _params(values)} if kind == "params" else _collection_settings({kind: values})
    if vectors:
        body["vectors"] = vectors
    if sparse:
        body["sparse_vectors"] = sparse
    if not _says_something(body):
        hint = "WITH HNSW (…), WITH VECTOR name (…), ADD or DROP VECTOR says what"
        fail("nothing-to-change", "this ALTER changes nothing", statement.span, hint)
    return [Request("PATCH", collection_path(collection), {}, body)]


def _says_something(value: Json) -> bool:
    """Whether there is an option in it, and not only empty blocks."""
    if not isinstance(value, dict):
        return True
    return any(key in _TELLING or _says_something(item) for key, item in value.items())


_TELLING = ("quantization_config", "metadata")
"""What says something even where an object in it is empty."""


def _for_all(
    values: Body,
    statement: nodes.AlterCollection,
    schema: Schema | None,
    collection: str,
    context: Context,
) -> JsonObject:
    """WITH VECTOR (…) without a name: for every dense vector; where none is known, the unnamed one (v1)."""
    span = next(block.span for block in statement.blocks if block.kind == "vector")
    if schema is None:
        message = f"the vectors of `{collection}` are not known here, so this is for its unnamed one"
        context.warn("no-schema", message, span, "name it: WITH VECTOR dense (VECTOR (on_disk = true))")
        return {"": dict(values)}
    names = [vector.name for vector in schema.vectors.values() if vector.kind != "sparse"]
    if not names:
        fail("misplaced-block", f"`{collection}` has no dense vector", span)
    return {name: dict(values) for name in names}


def _checked_vector(name: nodes.Name, kind: str, schema: Schema | None, collection: str) -> str:
    """The name of a vector that is there and is of that kind, as far as is known."""
    text = str(name.text)
    if schema is None:
        return text
    if text not in schema.vectors:
        hint = did_you_mean(text, schema.vectors) or f"its vectors: {schema.describe_vectors()}"
        fail("unknown-vector", f"`{collection}` has no vector `{text}`", name.span, hint)
    sparse = schema.vectors[text].kind == "sparse"
    if sparse != (kind == "sparse"):
        word = "SPARSE" if sparse else "VECTOR"
        message = f"the vector `{text}` of `{collection}` is {schema.vectors[text].kind}"
        fail("wrong-kind", message, name.span, f"write WITH {word} {text} (…)")
    return text


def _changed_vector(change: nodes.VectorChange, given: Body) -> JsonObject:
    """What a vector is changed to; it goes before what holds for all vectors."""
    blocks = read_blocks(change.blocks, CHANGE_BLOCKS[change.kind])
    if change.kind == "sparse":
        return _sparse_settings(change.blocks, blocks)
    found = {**given, **blocks.pop("vector", {})}
    return found | {f"{kind}_config": values for kind, values in blocks.items()}


def _emit_add_vector(statement: nodes.AddVector, context: Context) -> list[Request]:
    """PUT; and PATCH of the metadata where the vector has a model."""
    collection = collection_of(statement.collection, context, statement.span)
    vector, schema = statement.vector, context.schema(collection)
    name = str(vector.name.text)
    if not name:
        hint = "the unnamed vector is there from the beginning or never"
        fail("bad-name", "a vector that is added needs a name", vector.name.span, hint)
    if schema is not None and name in schema.vectors:
        hint = f"ALTER COLLECTION {collection} DROP VECTOR {name}; before it"
        fail("vector-exists", f"`{collection}` has a vector `{name}` already", vector.name.span, hint)
    model = model_of_vector(vector, context)
    blocks = read_blocks(vector.blocks, ADDED_BLOCKS[vector.kind])
    config = _sparse_config(vector, model, blocks) if vector.kind == "sparse" else None
    config = config or {"dense": _dense_config(vector, model, blocks, context)}
    path = collection_path(collection, "vectors", quoted(name))
    requests = [Request("PUT", path, _WAITED, config)]
    if model:
        if schema is None:
            message = f"the model would be recorded beside those of the other vectors of `{collection}`"
            hint = "connect to the database or give schema=; or leave MODEL out"
            fail("no-schema", f"{message}, which are not known here", vector.span, hint)
        requests.append(_recorded(collection, _models(schema) | {name: model}))
    return requests


def _models(schema: Schema) -> dict[str, str]:
    return {vector.name: vector.model for vector in schema.vectors.values() if vector.model}


def _recorded(collection: str, models: Mapping[str, str]) -> Request:
    """Metadata is merged by its keys, so the user's own stays; ours is written as a whole."""
    metadata = {METADATA_KEY: {"models": dict(models)}}
    return Request("PATCH", collection_path(collection), {}, {"metadata": metadata})


def _dense_config(vector: nodes.VectorDef, model: str | None, blocks: Body, context: Context) -> JsonObject:
    found = _dense_shape(vector, model, context)
    if "multivector" in blocks:
        found["multivector_config"] = blocks["multivector"] or _MULTIVECTOR
    found.update(blocks.get("vector", {}))
    return found


def _sparse_config(vector: nodes.VectorDef, model: str | None, blocks: Body) -> JsonObject:
    found = _sparse_vector_settings(vector, model, blocks)
    return {"sparse": found | found.pop("index", {})}


def _emit_drop_vector(statement: nodes.DropVector, context: Context) -> list[Request]:
    """DELETE; and PATCH of the metadata where it records a model of the vector."""
    collection = collection_of(statement.collection, context, statement.span)
    schema, name = context.schema(collection), str(statement.name.text)
    if not name:
        hint = f"DROP COLLECTION {collection}; removes it with all else"
        fail("bad-name", "the unnamed vector stays as long as its collection", statement.name.span, hint)
    if schema is not None:
        found = schema.vectors.get(name)
        _checked_vector(statement.name, found.kind if found else "dense", schema, collection)
    path = collection_path(collection, "vectors", quoted(name))
    requests = [Request("DELETE", path, _WAITED)]
    models = _models(schema) if schema else {}
    if models.pop(name, None):
        requests.append(_recorded(collection, models))
    return requests


# ------------------------------------------------------------------------------------ indexes


def _emit_create_index(statement: nodes.CreateIndex, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    kind = str(statement.type.text).lower() if statement.type else "keyword"
    if kind not in INDEX_TYPES:
        span = statement.type.span if statement.type else statement.span
        hint = did_you_mean(kind, INDEX_TYPES) or f"the types are {', '.join(INDEX_TYPES)}"
        fail("unknown-index-type", f"there is no index of the type `{kind}`", span, hint)
    options = read_options(statement.options, INDEX_TYPES[kind], f"an index of the type {kind}")
    schema: Json = {"type": kind, **options} if options else kind
    body = {"field_name": str(statement.name.text), "field_schema": schema}
    return [Request("PUT", collection_path(collection, "index"), waiting(statement.wait), body)]


def _emit_drop_index(statement: nodes.DropIndex, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    path = collection_path(collection, "index", quoted(str(statement.name.text)))
    return [Request("DELETE", path, waiting(statement.wait))]


# ------------------------------------------------------------------------------------ aliases


def _alias(name: nodes.Name, context: Context) -> str:
    """The name of an alias, which is held to what holds for the names of collections."""
    return collection_of(name, context, name.span)


def _aliased(action: str, **names: str) -> list[Request]:
    return [Request("POST", "/collections/aliases", {}, {"actions": [{action: names}]})]


def _emit_create_alias(statement: nodes.CreateAlias, context: Context) -> list[Request]:
    """One action: Qdrant's own replaces an alias of that name. A session asks first whether it may."""
    collection = collection_of(statement.collection, context, statement.span)
    alias = _alias(statement.name, context)
    if statement.replace and statement.if_not_exists:
        hint = "OR REPLACE changes an alias that is there, IF NOT EXISTS leaves it"
        fail("idle-clause", "OR REPLACE and IF NOT EXISTS exclude each other", statement.span, hint)
    if alias == collection:
        fail("bad-alias", "an alias needs a name of its own", statement.name.span)
    return _aliased("create_alias", collection_name=collection, alias_name=alias)


def _emit_drop_alias(statement: nodes.DropAlias, context: Context) -> list[Request]:
    return _aliased("delete_alias", alias_name=_alias(statement.name, context))


def _emit_rename_alias(statement: nodes.RenameAlias, context: Context) -> list[Request]:
    old, new = _alias(statement.name, context), _alias(statement.to, context)
    if old == new:
        fail("bad-alias", f"the alias is called `{old}` already", statement.to.span)
    return _aliased("rename_alias", old_alias_name=old, new_alias_name=new)


_ALIAS_CHANGES: Mapping[type[nodes.Node], Callable[[Any, Context], list[Request]]] = {
    nodes.CreateAlias: _emit_create_alias,
    nodes.DropAlias: _emit_drop_alias,
    nodes.RenameAlias: _emit_rename_alias,
}


def emit_alias_batch(statement: nodes.Batch, context: Context) -> list[Request]:
    """Changes of aliases as one request: Qdrant makes all of them at one stroke, or none."""
    actions: list[Json] = []
    for one in statement.statements:
        if type(one) not in _ALIAS_CHANGES:
            hint = "a BATCH that changes aliases has CREATE, ALTER and DROP ALIAS only"
            fail("mixed-batch", "changes of aliases go in a BATCH of their own", one.span, hint)
        if getattr(one, "if_exists", False) or getattr(one, "if_not_exists", False):
            hint = "leave the condition out, or write the statement outside of the BATCH"
            message = "IF [NOT] EXISTS has no meaning in a BATCH, of which all happens or nothing"
            fail("idle-clause", message, one.span, hint)
        [request] = _ALIAS_CHANGES[type(one)](one, context)
        actions += (request.body or {})["actions"]
    if statement.wait is not None:
        fail("idle-clause", "WAIT has no meaning for aliases", statement.wait.span)
    if statement.params:
        option = statement.params[0]
        fail("idle-option", f"`{option.name}` has no meaning for aliases", option.span)
    return [Request("POST", "/collections/aliases", {}, {"actions": actions})]


def _emit_show_aliases(statement: nodes.ShowAliases, context: Context) -> list[Request]:
    if statement.collection is None:
        return [Request("GET", "/aliases")]
    collection = collection_of(statement.collection, context, statement.span)
    return [Request("GET", collection_path(collection, "aliases"))]


# ------------------------------------------------------------------------------------ snapshots


def _emit_create_snapshot(statement: nodes.CreateSnapshot, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    return [Request("POST", collection_path(collection, "snapshots"), _WAITED)]


def _emit_drop_snapshot(statement: nodes.DropSnapshot, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    name = quoted(text_of(statement.snapshot, "the name of a snapshot"))
    return [Request("DELETE", collection_path(collection, "snapshots", name), _WAITED)]


def _emit_restore_snapshot(statement: nodes.RestoreSnapshot, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    body = {"location": text_of(statement.snapshot, "the place of a snapshot")}
    body |= read_options(statement.options, SNAPSHOT_OPTIONS, "RESTORE SNAPSHOT")
    return [Request("PUT", collection_path(collection, "snapshots", "recover"), _WAITED, body)]


# ------------------------------------------------------------------------------------ shards, quotas


def _emit_create_shard_key(statement: nodes.CreateShardKey, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    body = {"shard_key": one_key(statement.key)}
    body |= read_options(statement.options, SHARD_KEY_OPTIONS, "CREATE SHARD KEY")
    return [Request("PUT", collection_path(collection, "shards"), {}, body)]


def _emit_drop_shard_key(statement: nodes.DropShardKey, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    body = {"shard_key": one_key(statement.key)}
    return [Request("POST", collection_path(collection, "shards", "delete"), {}, body)]


def _emit_set_quota(statement: nodes.SetQuota, context: Context) -> list[Request]:
    body = read_options(statement.options, QUOTA_OPTIONS, "SET QUOTA")
    return [Request("PUT", "/quotas", waiting(statement.wait) if statement.wait else {}, body)]


def _emit_show_optimizations(statement: nodes.ShowOptimizations, context: Context) -> list[Request]:
    collection = collection_of(statement.collection, context, statement.span)
    return [Request("GET", collection_path(collection, "optimizations"), {"with": OPTIMIZATION_LISTS})]


def _check_optimize(statement: nodes.Optimize, context: Context) -> list[Request]:
    """No request: a session carries it out. What it would not understand is told before anything is sent."""
    read_options(statement.options, OPTIMIZE_OPTIONS, "OPTIMIZE")
    return []


EMIT_COLLECTIONS: Mapping[type[nodes.Node], Callable[[Any, Context], list[Request]]] = {
    nodes.CreateCollection: _emit_create,
    nodes.AlterCollection: _emit_alter,
    nodes.AddVector: _emit_add_vector,
    nodes.DropVector: _emit_drop_vector,
    nodes.CreateIndex: _emit_create_index,
    nodes.DropIndex: _emit_drop_index,
    **_ALIAS_CHANGES,
    nodes.ShowAliases: _emit_show_aliases,
    nodes.CreateSnapshot: _emit_create_snapshot,
    nodes.DropSnapshot: _emit_drop_snapshot,
    nodes.RestoreSnapshot: _emit_restore_snapshot,
    nodes.CreateShardKey: _emit_create_shard_key,
    nodes.DropShardKey: _emit_drop_shard_key,
    nodes.SetQuota: _emit_set_quota,
    nodes.ShowOptimizations: _emit_show_optimizations,
    nodes.Optimize: _check_optimize,
}
