"""Collections: canonical bodies of requests that make and change them, and the statements that say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qql import nodes
from qql.compiler.options.collection import COLLECTION_BLOCKS, VECTOR_BLOCKS
from qql.compiler.options.index import INDEX_TYPES
from qql.compiler.rest_filters import name_of, scalar
from qql.convert.languages import language_of
from qql.errors import QQLPlanError, shown
from qql.rest.shapes import (
    Shape,
    anything,
    below,
    each,
    fields,
    given,
    named,
    one_of,
    refusal,
    renamed,
    text,
    variants,
    whole,
)
from qql.rest.types import Body, Json, JsonObject
from qql.schema import METADATA_KEY

__all__ = [
    "COLLECTION_BODIES",
    "alter",
    "change_aliases",
    "create",
    "create_index",
    "options_of",
    "vector_def",
]

# ------------------------------------------------------------------------------------ canonical form


_KILOBYTES = {
    f"{key}_kb": key
    for key in ("full_scan_threshold", "max_segment_size", "memmap_threshold", "indexing_threshold")
}
"""Other names that Qdrant takes in `hnsw_config` and `optimizers_config`."""


def _block(kind: str, blocks: Body = COLLECTION_BLOCKS, type_: str | None = None) -> Shape:
    """A block of options. Which there are, and what they take, the tables of `qql.options` say."""
    first = () if type_ is None else (nodes.Option("type", type_),)
    other = _KILOBYTES if kind in ("hnsw", "optimizers") else {}

    def shape(written: Json, at: str) -> JsonObject:
        value = renamed(written, at, other)
        for key in value:
            try:
                blocks[kind](nodes.Block(kind, (*first, nodes.Option(key, None))))
            except QQLPlanError as exc:  # null is refused too, but the key is known then
                if exc.code == "unknown-option" and (key, type_) != ("type", "scalar"):
                    raise refusal(below(at, key), "QQL has no word for this key", exc.hint) from exc
        return {key: item for key, item in value.items() if item is not None}

    return shape


def _quantization(value: Json, at: str) -> Json:
    if isinstance(value, str):
        return one_of("Disabled")(value, at)
    found = _QUANTIZATION(value, at)
    ((kind, inside),) = found.items()
    if kind == "scalar":
        if inside.get("type") != "int8":
            raise refusal(f"{at}.scalar.type", f"int8 is required, found {shown(inside.get('type'))}")
        inside = {key: item for key, item in inside.items() if key != "type"}
        return {"scalar": {"type": "int8", **inside}}
    return found


_QUANTIZATION = variants(
    "quantization",
    {
        kind: fields({kind: _block("quantization", type_=kind)}, kind)
        for kind in ("scalar", "product", "binary", "turbo")
    },
)
_DENSE: Mapping[str, Shape] = {
    "size": whole,
    "distance": one_of("Cosine", "Euclid", "Dot", "Manhattan"),
    "hnsw_config": _block("hnsw"),
    "quantization_config": _quantization,
    "on_disk": anything,
    "memory": anything,
    "datatype": anything,
    "multivector_config": fields({"comparator": one_of("max_sim")}, "comparator"),
}
_QUANTIZED = {"quantization": "quantization_config"}
_CONFIGURED = {**_QUANTIZED, "optimizer_config": "optimizers_config"}
"""Other names that Qdrant takes for settings of a vector, and of a collection."""
_DENSE_VECTOR = fields(_DENSE, "size", "distance", also=_QUANTIZED)
_DENSE_CHANGE = fields(
    {key: shape for key, shape in _DENSE.items() if key not in ("size", "distance")}, also=_QUANTIZED
)
_SPARSE: Mapping[str, Shape] = {
    "index": _block("index", VECTOR_BLOCKS["sparse"]),
    "modifier": one_of("none", "idf"),
}


def _sparse_vector(value: Json, at: str) -> JsonObject:
    found = fields(_SPARSE)({} if value is None else value, at)
    return {k: item for k, item in found.items() if (k, item) not in (("modifier", "none"), ("index", {}))}


_SPARSE_CHANGE = fields(_SPARSE)
"""What PATCH changes of a sparse vector: there a modifier `none` is no default, but ends what there was."""


def _vectors(value: Json, at: str) -> JsonObject:
    """Vectors by name; the unnamed one is named ""."""
    if isinstance(given(value, at).get("size"), int):
        return {"": _DENSE_VECTOR(value, at)}
    return dict(named(_DENSE_VECTOR)(value, at))


_MEMORY = fields({"memory": anything})
_SETTINGS: Mapping[str, Shape] = {
    "hnsw_config": _block("hnsw"),
    "optimizers_config": _block("optimizers"),
    "quantization_config": _quantization,
    "strict_mode_config": _block("strict_mode"),
    "metadata": given,
}
_PARAMS: Mapping[str, Shape] = {
    "replication_factor": anything,
    "write_consistency_factor": anything,
    "on_disk_payload": anything,
    "payload": _MEMORY,
    "id_tracker": _MEMORY,
}
_CREATE = fields(
    {
        "vectors": _vectors,
        "sparse_vectors": named(_sparse_vector),
        **_SETTINGS,
        **_PARAMS,
        "shard_number": anything,
        "sharding_method": anything,
        "wal_config": _block("wal"),
    },
    also=_CONFIGURED,
)


def _create_body(value: Json, at: str) -> JsonObject:
    return _without_empty(_CREATE(value, at))


_IDLE = ("vectors", "sparse_vectors", "params", "payload", "id_tracker")
_IDLE_CHANGES = (*_IDLE, "index", "hnsw_config", "optimizers_config", "strict_mode_config", "wal_config")


def _without_empty(found: Body, idle: Sequence[str] = _IDLE) -> JsonObject:
    """Without objects that say nothing."""
    return {key: item for key, item in found.items() if item != {} or key not in idle}


def _alter_params(value: Json, at: str) -> JsonObject:
    shapes = {**_PARAMS, "read_fan_out_factor": anything, "read_fan_out_delay_ms": anything}
    return _without_empty(fields(shapes)(value, at))


def _changes(shape: Shape) -> Shape:
    """Changes by the name of a vector, without what says nothing."""

    def changed(value: Json, at: str) -> JsonObject:
        found = {name: _without_empty(one, _IDLE_CHANGES) for name, one in named(shape)(value, at).items()}
        return {name: one for name, one in found.items() if one}

    return changed


def _unchanged(value: Json, at: str) -> JsonObject:
    """A setting that Qdrant does not change afterwards: `{}` says nothing."""
    if given(value, at):
        raise refusal(at, "Qdrant sets this where a collection is made, and ignores it here", "leave it out")
    return {}


_ALTER = fields(
    {
        "wal_config": _unchanged,
        "vectors": _changes(_DENSE_CHANGE),
        "sparse_vectors": _changes(_SPARSE_CHANGE),
        **_SETTINGS,
        "params": _alter_params,
    },
    also=_CONFIGURED,
)


def _alter_body(value: Json, at: str) -> JsonObject:
    return _without_empty(_ALTER(value, at), _IDLE_CHANGES)


def _index_schema(value: Json, at: str) -> Json:
    """``{"type": "keyword"}`` says no more than ``"keyword"``; one language of stopwords is a list of it."""
    if isinstance(value, str):
        return one_of(*INDEX_TYPES)(value, at)
    kinds = {"type": one_of(*INDEX_TYPES)}
    kind = fields({**dict.fromkeys(given(value, at), anything), **kinds}, "type")(value, at)["type"]
    found = fields({**dict.fromkeys(INDEX_TYPES[kind], anything), **kinds})(value, at)
    for key, shape in _IN_LANGUAGES.items():
        if key in found:
            found[key] = shape(found[key])
    return found["type"] if len(found) == 1 else found


def _stopwords(value: Json) -> Json:
    if isinstance(value, str):
        value = {"languages": [value]}
    if isinstance(value, dict) and isinstance(value.get("languages"), list):
        return {**value, "languages": [language_of(one) for one in value["languages"]]}
    return value


def _stemmer(value: Json) -> Json:
    if isinstance(value, dict) and "language" in value:
        return {**value, "language": language_of(value["language"])}
    return value


_IN_LANGUAGES: Mapping[str, Callable[[Json], Json]] = {"stopwords": _stopwords, "stemmer": _stemmer}


_ALIAS: Mapping[str, Shape] = {
    "create_alias": fields({"collection_name": text, "alias_name": text}, "collection_name", "alias_name"),
    "delete_alias": fields({"alias_name": text}, "alias_name"),
    "rename_alias": fields(
        {"old_alias_name": text, "new_alias_name": text}, "old_alias_name", "new_alias_name"
    ),
}
_ACTION = variants("change of an alias", {key: fields({key: shape}, key) for key, shape in _ALIAS.items()})


def _added_vector(value: Json, at: str) -> JsonObject:
    found = given(value, at)
    if "sparse" in found:
        shapes = {"modifier": one_of("none", "idf"), "datatype": anything}
        inside = fields({"sparse": fields(shapes)}, "sparse")(value, at)["sparse"]
        return {"sparse": {k: item for k, item in inside.items() if (k, item) != ("modifier", "none")}}
    shapes = {key: _DENSE[key] for key in ("size", "distance", "multivector_config", "datatype")}
    return dict(fields({"dense": fields(shapes, "size", "distance")}, "dense")(value, at))


_KEY = anything
COLLECTION_BODIES: Mapping[tuple[str, str], Shape] = {
    ("PUT", ""): _create_body,
    ("PATCH", ""): _alter_body,
    ("PUT", "index"): fields(
        {"field_name": text, "field_schema": _index_schema},
        *("field_name", "field_schema"),
        also={"field_type": "field_schema"},
    ),
    ("PUT", "vectors/*"): _added_vector,
    ("POST", "/collections/aliases"): fields({"actions": each(_ACTION)}, "actions"),
    ("PUT", "shards"): fields(
        {
            "shard_key": _KEY,
            "shards_number": whole,
            "replication_factor": whole,
            "placement": each(whole),
            "initial_state": text,
        },
        "shard_key",
    ),
    ("POST", "shards/delete"): fields({"shard_key": _KEY}, "shard_key"),
    ("PUT", "snapshots/recover"): fields(
        {"location": text, "priority": text, "checksum": text, "api_key": text}, "location"
    ),
    ("PUT", "/quotas"): given,
}
"""By route: the canonical form of a body."""

# ------------------------------------------------------------------------------------ nodes

_Body = Body


def options_of(found: _Body) -> tuple[nodes.Option, ...]:
    """The keys of an object as options."""
    return tuple(nodes.Option(key, value) for key, value in found.items())


_BITS = {"bits1": 1, "bits1_5": 1.5, "bits2": 2, "bits4": 4, "bits8": 8}


def _quantization_block(found: Json) -> nodes.Block:
    if found == "Disabled":
        return nodes.Block("quantization", (nodes.Option("disabled", True),))
    ((kind, inside),) = found.items()
    values = {key: value for key, value in inside.items() if key != "type"}
    if isinstance(values.get("bits"), str):
        values["bits"] = _BITS.get(values["bits"], values["bits"])
    return nodes.Block("quantization", options_of({"type": kind, **values}))


def _config_block(key: str, found: Json) -> nodes.Block:
    """``hnsw_config`` and its like."""
    if key == "quantization_config":
        return _quantization_block(found)
    return nodes.Block(key.removesuffix("_config"), options_of(found))


_STORAGE = ("on_disk", "memory", "datatype")


def _dense_blocks(found: _Body) -> tuple[nodes.Block, ...]:
    blocks = [_config_block(key, found[key]) for key in _BLOCK_ORDER if key in found]
    storage = {key: found[key] for key in _STORAGE if key in found}
    return (*blocks, *([nodes.Block("vector", options_of(storage))] if storage else []))


_BLOCK_ORDER = ("hnsw_config", "quantization_config", "multivector_config")


def _sparse_blocks(found: _Body, modifier: str | None) -> tuple[nodes.Block, ...]:
    blocks = []
    if modifier:
        blocks.append(nodes.Block("sparse", (nodes.Option("modifier", modifier),)))
    if "index" in found:
        blocks.append(nodes.Block("index", options_of(found["index"])))
    return tuple(blocks)


def vector_def(name: str, kind: str, found: _Body, model: str | None = None) -> nodes.VectorDef:
    """The definition of a vector in CREATE COLLECTION and ALTER … ADD."""
    named_ = None if model is None else scalar(model)
    if kind == "dense":
        size = scalar(found["size"])
        blocks = _dense_blocks(found)
        return nodes.VectorDef(name_of(name), kind, size, found["distance"], named_, blocks)
    # Always said, as QQL's own default hangs on the model.
    modifier = found.get("modifier", "none")
    index = {"index": {"datatype": found["datatype"]}} if "datatype" in found else found
    blocks = _sparse_blocks(index, modifier)
    return nodes.VectorDef(name_of(name), kind, None, None, named_, blocks)


def _params(found: _Body) -> tuple[nodes.Block, ...]:
    """Settings that stand alone in a body, as the options of WITH PARAMS."""
    values: JsonObject = {}
    for key, value in found.items():
        if key in ("payload", "id_tracker"):
            values |= {f"{key}_{word}": item for word, item in value.items()}
        else:
            values[key] = value
    return (nodes.Block("params", options_of(values)),) if values else ()


_CONFIGS = ("hnsw_config", "optimizers_config", "wal_config", "quantization_config", "strict_mode_config")


def _settings(body: _Body) -> tuple[nodes.Block, ...]:
    blocks = [_config_block(key, body[key]) for key in _CONFIGS if key in body]
    if "metadata" in body:
        blocks.append(nodes.Block("metadata", options_of(body["metadata"])))
    return tuple(blocks)


def _models(body: _Body) -> tuple[JsonObject, _Body]:
    """The models that QQL records in a collection's metadata, and the body without them."""
    metadata = body.get("metadata") or {}
    if METADATA_KEY not in metadata:
        return {}, body
    place = f"metadata.{METADATA_KEY}"
    found = fields({"models": named(text)}, "models")(metadata[METADATA_KEY], place)["models"]
    known = {**body.get("vectors", {}), **body.get("sparse_vectors", {})}
    for name in found:
        if name not in known:
            raise refusal(
                f"{place}.models.{name}",
                "there is no vector of this name",
                "QQL writes models behind vectors",
            )
    rest = {key: value for key, value in metadata.items() if key != METADATA_KEY}
    body = {key: value for key, value in body.items() if key != "metadata"}
    return found, {**body, "metadata": rest} if rest else body


def create(body: _Body, collection: nodes.Name) -> nodes.Statement:
    """CREATE COLLECTION."""
    models, body = _models(body)
    vectors = [
        vector_def(name, kind, found, models.get(name))
        for kind, key in (("dense", "vectors"), ("sparse", "sparse_vectors"))
        for name, found in body.get(key, {}).items()
    ]
    alone = {key: body[key] for key in body if key in (*_PARAMS, "shard_number", "sharding_method")}
    return nodes.CreateCollection(collection, False, tuple(vectors), (*_settings(body), *_params(alone)))


def alter(body: _Body, collection: nodes.Name) -> nodes.Statement:
    """ALTER COLLECTION."""
    if METADATA_KEY in body.get("metadata", {}):
        hint = "ALTER COLLECTION … ADD name VECTOR(…) MODEL 'm' writes it for the vector that it adds"
        raise refusal(f"metadata.{METADATA_KEY}", "QQL records the models of the vectors there", hint)
    changes = [
        nodes.VectorChange(name_of(name), "dense", _dense_blocks(found))
        for name, found in body.get("vectors", {}).items()
    ]
    changes += [
        nodes.VectorChange(name_of(name), "sparse", _sparse_blocks(found, found.get("modifier")))
        for name, found in body.get("sparse_vectors", {}).items()
    ]
    blocks = (*_settings(body), *_params(body.get("params", {})))
    if not blocks and not changes:
        raise refusal("", "there is nothing to change")
    return nodes.AlterCollection(collection, blocks, tuple(changes))


def create_index(body: _Body, collection: nodes.Name, wait: nodes.Scalar | None) -> nodes.Statement:
    """CREATE INDEX."""
    schema = body["field_schema"]
    schema = {"type": schema} if isinstance(schema, str) else schema
    options = {key: _index_option(key, value) for key, value in schema.items() if key != "type"}
    return nodes.CreateIndex(
        collection, name_of(body["field_name"]), name_of(schema["type"]), options_of(options), wait
    )


def _index_option(key: str, value: Json) -> Json:
    if key == "stopwords":
        match value:
            case {"languages": [language], **rest} if not rest:
                return language
            case {"custom": words, **rest} if not rest:
                return words
    if key != "stemmer" or not isinstance(value, dict):
        return value
    return value.get("language", "none") if value.get("type") in ("snowball", "none") else value


def change_aliases(body: _Body) -> nodes.Statement:
    """CREATE, DROP or ALTER ALIAS; several in a BATCH."""
    changes = tuple(_alias_change(action) for action in body["actions"])
    if not changes:
        raise refusal("actions", "there is nothing to change")
    return changes[0] if len(changes) == 1 else nodes.Batch(changes)


def _alias_change(action: _Body) -> nodes.Statement:
    match action:
        case {"create_alias": found}:  # Qdrant replaces an alias of that name
            return nodes.CreateAlias(name_of(found["alias_name"]), name_of(found["collection_name"]), True)
        case {"delete_alias": found}:
            return nodes.DropAlias(name_of(found["alias_name"]))
    found = action["rename_alias"]
    return nodes.RenameAlias(name_of(found["old_alias_name"]), name_of(found["new_alias_name"]))
