"""Options of collections and their vectors: what CREATE takes, and what ALTER can change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.compiler.options.checks import any_of, anything, by_name, flag, number, object_of, one_of, whole
from qql.compiler.options.index import MEMORY
from qql.compiler.options.table import (
    Blocks,
    Setting,
    Settings,
    Table,
    block_of,
    listed,
    read_options,
    table,
)
from qql.errors import did_you_mean, fail
from qql.nodes.declare import Support
from qql.rest.types import Json, JsonObject

__all__ = [
    "ADDED_BLOCKS",
    "ALTER_BLOCKS",
    "CHANGE_BLOCKS",
    "COLLECTION_BLOCKS",
    "HNSW",
    "LATER_PARAMS",
    "OPTIMIZERS",
    "PARAMS",
    "QUANTIZATION",
    "SPARSE",
    "SPARSE_INDEX",
    "STRICT_MODE",
    "VECTOR",
    "VECTOR_BLOCKS",
    "WAL",
]

_DATATYPES = ("float32", "float16", "uint8", "turbo4", "turbo8", "turbo16")


def _links(value: Json) -> Json:
    found = whole(0)(value)
    if found in (1, 2, 3):
        raise ValueError("0 (no graph) or a whole number from 4")
    return found


HNSW = table(
    Setting("m", _links, 16, "16", takes="0 (no graph), or a whole number from 4"),
    Setting("ef_construct", whole(4), 100, "100"),
    Setting("full_scan_threshold", whole(0), 10_000),
    Setting("max_indexing_threads", whole(0), 0, "0 (chosen by the engine)"),
    Setting("on_disk", flag, False),
    Setting("memory", MEMORY, support=Support("1.19")),
    Setting("payload_m", whole(0), shown="m"),
    Setting("inline_storage", flag, shown="false", support=Support("1.16")),
)
VECTOR = table(
    Setting("on_disk", flag),
    Setting("memory", one_of("cold", "cached"), support=Support("1.19")),  # servers pin no dense vector
    Setting("datatype", one_of(*_DATATYPES), shown="float32"),
)

# ------------------------------------------------------------------------------------ quantization

_ENCODINGS = {1: "one_bit", 1.5: "one_and_half_bits", 2: "two_bits"}
_TURBO_BITS = {1: "bits1", 1.5: "bits1_5", 2: "bits2", 4: "bits4", 8: "bits8"}


def _encoding(value: Json) -> Json:
    """Bits of a number, by name or by their number."""
    if isinstance(value, (int, float)) and value in _ENCODINGS and not isinstance(value, bool):
        return _ENCODINGS[value]
    return one_of(*_ENCODINGS.values())(value)


def _turbo_bits(value: Json) -> Json:
    if isinstance(value, (int, float)) and value in _TURBO_BITS and not isinstance(value, bool):
        return _TURBO_BITS[value]
    if value in _TURBO_BITS.values():
        return value
    raise ValueError(listed(map(str, _TURBO_BITS)))


_ALWAYS_RAM = Setting("always_ram", flag, shown="false")
_QUANTIZED_MEMORY = Setting("memory", MEMORY, support=Support("1.19"))
QUANTIZATION: Mapping[str, Settings] = {
    "scalar": table(Setting("quantile", number(0.5, 1)), _ALWAYS_RAM, _QUANTIZED_MEMORY),
    "product": table(
        Setting("compression", one_of("x4", "x8", "x16", "x32", "x64"), shown="x4"),
        _ALWAYS_RAM,
        _QUANTIZED_MEMORY,
    ),
    "binary": table(
        _ALWAYS_RAM,
        _QUANTIZED_MEMORY,
        Setting("encoding", _encoding, support=Support("1.15")),
        Setting(
            "query_encoding",
            one_of("default", "binary", "scalar4bits", "scalar8bits"),
            support=Support("1.15"),
        ),
    ),
    "turbo": table(_ALWAYS_RAM, _QUANTIZED_MEMORY, Setting("bits", _turbo_bits, support=Support("1.18"))),
}
"""The types of quantization, each with its options."""

# ------------------------------------------------------------------------------------ sparse vectors

SPARSE = table(
    Setting("modifier", one_of("none", "idf"), shown="none; idf with MODEL 'qdrant/bm25'"),
    Setting("full_scan_threshold", whole(0)),
    Setting("on_disk", flag),
    Setting("memory", MEMORY, support=Support("1.19")),
    Setting("datatype", one_of(*_DATATYPES, "default"), shown="float32"),
)
SPARSE_INDEX = ("full_scan_threshold", "on_disk", "memory", "datatype")
"""The options of a sparse vector that belong to its index."""

# ------------------------------------------------------------------------------------ collections

OPTIMIZERS = table(
    Setting("deleted_threshold", number(0, 1), 0.2, "0.2"),
    Setting("vacuum_min_vector_number", whole(100), 1000, "1000"),
    Setting("default_segment_number", whole(0), 0, "0 (by the processors)"),
    Setting("max_segment_size", whole(1)),
    Setting("memmap_threshold", whole(0)),
    Setting("indexing_threshold", whole(0), 10_000),
    Setting("flush_interval_sec", whole(0), 5, "5"),
    Setting("max_optimization_threads", any_of(whole(0), one_of("auto"))),
    Setting("prevent_unoptimized", flag, support=Support("1.17.1")),
)


def _is_key(value: Json) -> bool:
    number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64
    return number or (isinstance(value, str) and value != "")


def _shard_keys(value: Json) -> Json:
    if isinstance(value, list) and value and all(_is_key(item) for item in value):
        if len(set(value)) == len(value):
            return value
        raise ValueError("a list in which each key stands once")
    raise ValueError("a list of texts and unsigned integers")


_ALTERABLE = (
    Setting("replication_factor", whole(1), 1, "1"),
    Setting("write_consistency_factor", whole(1), 1, "1"),
    Setting("read_fan_out_factor", whole(0)),
    Setting("read_fan_out_delay_ms", whole(0, 2**63 - 1), support=Support("1.17")),
    Setting("on_disk_payload", flag, True, "true"),
    Setting("payload_memory", one_of("cold", "cached"), support=Support("1.19")),
    Setting("id_tracker_memory", one_of("cached", "cold", "pinned"), support=Support("1.20")),
)
PARAMS = table(
    Setting("shard_number", whole(1), shown="1, or as many as a cluster chooses"),
    Setting("sharding_method", one_of("auto", "custom"), shown="auto"),
    Setting("shard_keys", _shard_keys),
    *_ALTERABLE,
)
LATER_PARAMS = table(*_ALTERABLE)
"""The options of PARAMS that ALTER can change."""
STRICT_MODE = table(
    Setting("enabled", flag, shown="false"),
    Setting("unindexed_filtering_retrieve", flag),
    Setting("unindexed_filtering_update", flag),
    Setting("search_allow_exact", flag),
    Setting("search_max_oversampling", number(0)),
    Setting("max_resident_memory_percent", whole(1, 100)),
    Setting("multivector_config", by_name(object_of({"max_vectors": whole(1)}))),
    Setting("sparse_config", by_name(object_of({"max_length": whole(1)}))),
    *(
        Setting(name, whole(1))
        for name in (
            *("max_query_limit", "max_timeout", "search_max_hnsw_ef", "upsert_max_batchsize"),
            *("search_max_batchsize", "read_rate_limit", "write_rate_limit", "max_points_count"),
            *("filter_max_conditions", "condition_max_size", "max_payload_index_count"),
        )
    ),
    *(
        Setting(name, whole(1, 2**63 - 1))
        for name in ("max_collection_vector_size_bytes", "max_collection_payload_size_bytes")
    ),
)
WAL = table(
    Setting("wal_capacity_mb", whole(1), 32, "32"),
    Setting("wal_segments_ahead", whole(0), 0, "0"),
    Setting("wal_retain_closed", whole(1), 1),
)


def _quantization(block: nodes.Block) -> JsonObject:
    """``WITH QUANTIZATION (type = scalar, …)`` as ``{"scalar": {"type": "int8", …}}``."""
    for option in block.options:
        if option.name == "disabled":
            message = "a new collection has no quantization to disable"
            hint = "leave the block out; ALTER COLLECTION … WITH QUANTIZATION (disabled = true) ends one"
            fail("misplaced-option", message, option.span, hint)
    kinds = [option for option in block.options if option.name == "type"]
    rest = [option for option in block.options if option.name != "type"]
    if len(kinds) != 1:
        message = "a QUANTIZATION block needs one `type`: scalar, product, binary or turbo"
        fail("bad-option", message, block.span)
    kind = str(kinds[0].value).lower()
    if kind not in QUANTIZATION:
        hint = did_you_mean(kind, QUANTIZATION) or f"the types are {listed(QUANTIZATION)}"
        message = f"there is no quantization of the type `{kind}`"
        fail("bad-option", message, kinds[0].span, hint)
    values = read_options(rest, QUANTIZATION[kind], f"{kind} quantization")
    if kind == "scalar":
        values = {"type": "int8", **values}
    if kind == "product":
        values = {"compression": "x4", **values}  # Qdrant requires one; this loses the least
    return {kind: values}


def _changed_quantization(block: nodes.Block) -> Json:
    """``"Disabled"`` for ``(disabled = true)``, which only ALTER takes."""
    names = [option.name for option in block.options]
    if "disabled" not in names:
        return _quantization(block)
    values = read_options(block.options, {"disabled": flag} | dict.fromkeys(names, anything), "QUANTIZATION")
    if len(names) > 1 or values["disabled"] is not True:
        message = "`disabled = true` stands alone: it ends quantization"
        hint = "without it, `type` says which quantization is wanted"
        fail("bad-option", message, block.span, hint)
    return "Disabled"


def _metadata(block: nodes.Block) -> JsonObject:
    """The user's own keys, whatever they are. Raises `QQLPlanError` for a key that is given twice."""
    keys = {option.name: anything for option in block.options}
    return read_options(block.options, keys, "METADATA")


_DENSE: Blocks = {
    "hnsw": block_of(HNSW),
    "vector": block_of(VECTOR),
    "quantization": _quantization,
    "multivector": block_of({"comparator": one_of("max_sim")}),
}
VECTOR_BLOCKS: Mapping[str, Blocks] = {
    "dense": _DENSE,
    "sparse": {"sparse": block_of(SPARSE), "index": block_of(SPARSE)},
}
_CHANGEABLE = {name: VECTOR[name] for name in ("on_disk", "memory")}
"""What of a vector's storage can be changed later."""
CHANGE_BLOCKS: Mapping[str, Blocks] = {
    "dense": {
        "hnsw": block_of(HNSW),
        "quantization": _changed_quantization,
        "vector": lambda block: read_options(_storage_only(block), _CHANGEABLE, "VECTOR"),
    },
    "sparse": VECTOR_BLOCKS["sparse"],
}
"""What ALTER … WITH VECTOR name (…) and WITH SPARSE name (…) change."""


def _storage_only(block: nodes.Block) -> tuple[nodes.Option, ...]:
    for option in block.options:
        if option.name == "datatype":
            message = "the datatype of a vector cannot be changed"
            hint = "DUMP the collection, drop it, and create it with another datatype"
            fail("misplaced-option", message, option.span, hint)
    return block.options


def _refused(message: str, hint: str) -> Callable[[nodes.Block], JsonObject]:
    def refuse(block: nodes.Block) -> JsonObject:
        fail("misplaced-block", message, block.span, hint)

    return refuse


_LATER = "a vector that is added takes no {} yet"
ADDED_BLOCKS: Mapping[str, Blocks] = {
    "dense": {
        "vector": lambda block: read_options(
            _datatype_only(block), {"datatype": VECTOR["datatype"]}, "VECTOR"
        ),
        "multivector": _DENSE["multivector"],
        "hnsw": _refused(
            _LATER.format("HNSW"), "after it, ALTER COLLECTION … WITH VECTOR name (HNSW (…)) sets it"
        ),
        "quantization": _refused(
            _LATER.format("QUANTIZATION"),
            "after it, ALTER COLLECTION … WITH VECTOR name (QUANTIZATION (…)) sets it",
        ),
    },
    "sparse": {
        kind: lambda block: read_options(_datatype_only(block), _ADDED_SPARSE, block.kind.upper())
        for kind in ("sparse", "index")
    },
}
"""What ALTER … ADD takes: less than CREATE."""
_ADDED_SPARSE: Table = {"modifier": SPARSE["modifier"], "datatype": VECTOR["datatype"]}


def _datatype_only(block: nodes.Block) -> tuple[nodes.Option, ...]:
    sparse = block.kind != "vector"
    for option in block.options:
        if option.name in (SPARSE if sparse else VECTOR) and option.name not in _ADDED_SPARSE:
            way = "SPARSE name (INDEX (…))" if sparse else "VECTOR name (VECTOR (…))"
            hint = f"after it, ALTER COLLECTION … WITH {way} sets it"
            fail("misplaced-option", _LATER.format(f"`{option.name}`"), option.span, hint)
    return block.options


def _alter_params(block: nodes.Block) -> JsonObject:
    for option in block.options:
        if option.name in PARAMS and option.name not in LATER_PARAMS:
            hint = "CREATE SHARD KEY and DROP SHARD KEY change the shards of a collection"
            message = f"`{option.name}` is settled when a collection is created"
            fail("misplaced-option", message, option.span, hint)
    return read_options(block.options, LATER_PARAMS, "PARAMS")


COLLECTION_BLOCKS: Blocks = {
    "hnsw": block_of(HNSW),
    "vector": block_of(VECTOR),
    "quantization": _quantization,
    "optimizers": block_of(OPTIMIZERS),
    "params": block_of(PARAMS),
    "wal": block_of(WAL),
    "strict_mode": block_of(STRICT_MODE),
    "metadata": _metadata,
}

ALTER_BLOCKS: Blocks = {
    **COLLECTION_BLOCKS,
    "vector": CHANGE_BLOCKS["dense"]["vector"],
    "quantization": _changed_quantization,
    "params": _alter_params,
    "wal": _refused("the write-ahead log is settled when a collection is created", "CREATE takes WITH WAL"),
}
