"""REST collection configuration → the engine's, and back to what GET /collections/{name} shows."""

from __future__ import annotations

from collections.abc import Mapping

from qql.late import late_pattern
from qql.rest.limits import MAX_VECTOR_SIZE
from qql.rest.types import Body, Json, JsonObject

from .engine import edge
from .readers import (
    Fields,
    Reader,
    Values,
    anything,
    boolean,
    has_surrogate,
    inside,
    integer,
    mapping,
    number,
    object_of,
    one_of,
    only,
    read,
    refuse,
)
from .vectors import VectorSpec

__all__ = [
    "DENSE",
    "INDEXING_THRESHOLD",
    "ONE_MACHINE",
    "SPARSE",
    "config_info",
    "dense_vectors",
    "edge_config",
    "read_create",
    "require_vector_name",
    "vector_path",
    "vector_specs",
]

INDEXING_THRESHOLD = 10_000
"""Kilobytes of one segment's vectors from which the engine builds an HNSW graph (its own default)."""

HNSW_DEFAULTS: Values = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
"""Qdrant's defaults; full_scan_threshold in kilobytes. The engine wants all three or none."""

_OPTIMIZER_DEFAULTS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": INDEXING_THRESHOLD,
    "flush_interval_sec": 0,
    "max_optimization_threads": None,
}

ONE_MACHINE = (
    "the embedded engine keeps a collection in one piece on one machine; a Qdrant server can spread it"
)
_LOG = "the embedded engine manages its write-ahead log by itself"

_memory = one_of(edge.Memory)
_datatype = one_of(edge.VectorStorageDatatype)

_HNSW: dict[str, Reader[object]] = {
    "m": integer(high=10_000),
    "ef_construct": integer(low=4),
    "full_scan_threshold": integer(),
    "max_indexing_threads": integer(),
    "on_disk": boolean,
    "memory": _memory,
    "payload_m": integer(high=10_000),
    "inline_storage": boolean,
}


def _hnsw(base: Body) -> Reader[edge.HnswIndexConfig]:
    """HNSW settings laid over ``base`` and Qdrant's defaults."""

    def reader(value: Json, where: str) -> edge.HnswIndexConfig:
        given = read(value, where, _HNSW)
        inherited = read(base, "hnsw_config", _HNSW)
        return edge.HnswIndexConfig(**(HNSW_DEFAULTS | inherited | given))

    return reader


_QUANTIZATION_COMMON: dict[str, Reader[object]] = {"always_ram": boolean, "memory": _memory}


def _scalar_quantization(value: Json, where: str) -> edge.ScalarQuantizationConfig:
    fields = _QUANTIZATION_COMMON | {"type": one_of(edge.ScalarType), "quantile": number}
    given = read(value, where, fields, ("type",))
    if "quantile" in given and not 0.5 <= given["quantile"] <= 1.0:
        raise refuse("invalid-request", f"{inside(where, 'quantile')} must be from 0.5 to 1")
    return edge.ScalarQuantizationConfig(**given)


_QUANTIZATION: dict[str, Reader[edge.QuantizationConfigType]] = {
    "scalar": _scalar_quantization,
    "product": object_of(
        edge.ProductQuantizationConfig,
        _QUANTIZATION_COMMON | {"compression": one_of(edge.CompressionRatio)},
        ("compression",),
    ),
    "binary": object_of(
        edge.BinaryQuantizationConfig,
        _QUANTIZATION_COMMON
        | {
            "encoding": one_of(edge.BinaryQuantizationEncoding),
            "query_encoding": one_of(edge.BinaryQuantizationQueryEncoding),
        },
    ),
    "turbo": object_of(
        edge.TurboQuantQuantizationConfig, _QUANTIZATION_COMMON | {"bits": one_of(edge.TurboQuantBitSize)}
    ),
}


def _quantization_config(value: Json, where: str) -> edge.QuantizationConfigType:
    body = mapping(value, where)
    if len(body) != 1:
        raise refuse("invalid-request", f"{where} requires exactly one of {', '.join(_QUANTIZATION)}")
    ((method, settings),) = body.items()
    if method not in _QUANTIZATION:
        raise refuse(
            "unknown-option", f"{where} has no method `{method}`", f"one of {', '.join(_QUANTIZATION)}"
        )
    return _QUANTIZATION[method](settings, inside(where, method))


DENSE: dict[str, Reader[object]] = {
    "size": integer(1, MAX_VECTOR_SIZE),
    "distance": one_of(edge.Distance),
    "multivector_config": object_of(
        edge.MultiVectorConfig, {"comparator": one_of(edge.MultiVectorComparator)}, ("comparator",)
    ),
    "datatype": _datatype,
}
"""What a dense vector is, from its beginning to its end. ``size`` and ``distance`` are required."""


def _dense_params(hnsw: Body) -> Reader[edge.EdgeVectorParams]:
    """A reader of dense vectors whose own HNSW settings are laid over those of the collection."""
    settings: Fields = {
        "on_disk": boolean,
        "memory": _memory,
        "hnsw_config": _hnsw(hnsw),
        "quantization_config": _quantization_config,
    }
    return object_of(edge.EdgeVectorParams, {**DENSE, **settings}, ("size", "distance"))


def _modifier(value: Json, where: str) -> edge.Modifier | None:
    return None if value == "none" else one_of(edge.Modifier)(value, where)


SPARSE: dict[str, Reader[object]] = {"modifier": _modifier, "datatype": _datatype}
"""What a sparse vector is, from its beginning to its end."""

_SPARSE_INDEX: Fields = {
    "full_scan_threshold": integer(),
    "on_disk": boolean,
    "memory": _memory,
    "datatype": _datatype,
}


def _sparse_params(value: Json, where: str) -> edge.EdgeSparseVectorParams:
    fields: Fields = {"modifier": _modifier, "index": lambda index, place: read(index, place, _SPARSE_INDEX)}
    given = read(value, where, fields)
    index = given.pop("index", {})
    return edge.EdgeSparseVectorParams(**index, **given)


_OPTIMIZERS: Fields = {
    "deleted_threshold": number,
    "vacuum_min_vector_number": integer(),
    "default_segment_number": integer(),
    "max_segment_size": integer(),
    "indexing_threshold": integer(),
    "prevent_unoptimized": boolean,
    "memmap_threshold": only(hint="say `memory` or `on_disk` of a vector instead"),
    "flush_interval_sec": only(hint=_LOG),
    "max_optimization_threads": only(hint="OPTIMIZE runs when it is asked for, on all processors"),
}


def _memory_of(value: Json, where: str) -> edge.Memory | None:
    return read(value, where, {"memory": _memory}).get("memory")


_COLLECTION: Fields = {
    "vectors": mapping,
    "sparse_vectors": mapping,
    "hnsw_config": anything,
    "quantization_config": _quantization_config,
    "optimizers_config": object_of(edge.EdgeOptimizersConfig, _OPTIMIZERS),
    "on_disk_payload": boolean,
    "payload": _memory_of,
    "id_tracker": _memory_of,
    "metadata": mapping,
    "shard_number": only(1, hint=ONE_MACHINE),
    "replication_factor": only(1, hint=ONE_MACHINE),
    "write_consistency_factor": only(1, hint=ONE_MACHINE),
    "sharding_method": only("auto", hint=ONE_MACHINE),
    "wal_config": only(hint=_LOG),
    "strict_mode_config": only(hint="strict mode protects a shared server"),
}
_EDGE_NAMES = {
    "quantization_config": "quantization_config",
    "optimizers_config": "optimizers",
    "on_disk_payload": "on_disk_payload",
    "payload": "payload_memory",
    "id_tracker": "id_tracker_memory",
}
"""What the engine calls the settings of a collection that it takes as they were read."""

_UNSAFE_NAME = late_pattern(r"[/\\\x00-\x1f\x7f]")


def require_vector_name(name: str) -> None:
    """Raises ``invalid-vector-name``: the engine makes a directory of every vector's name."""
    length = len(name.encode("utf-8", "surrogatepass"))
    if _UNSAFE_NAME.search(name) or length > 200 or has_surrogate(name):
        raise refuse(
            "invalid-vector-name",
            f"the vector name {name!r:.60} cannot be stored by the embedded engine",
            "a name requires at most 200 bytes, without slashes and control characters",
        )


def dense_vectors(body: Body) -> dict[str, JsonObject]:
    """The dense vectors by name; the single unnamed form becomes the name ``""``."""
    vectors = mapping(body.get("vectors") or {}, "vectors")
    if "size" in vectors and not isinstance(vectors["size"], Mapping):
        return {"": vectors}
    return {name: mapping(params, f"vectors.{name}") for name, params in vectors.items()}


def read_create(body: Json) -> JsonObject:
    """The body of PUT /collections/{name}, checked, without nulls: what is kept as the schema."""
    kept = mapping(body or {}, "the collection")
    edge_config(kept)
    return kept


def edge_config(body: Body) -> edge.EdgeConfig:
    """The engine's configuration for a REST body. Raises `QQLExecutionError` naming what is wrong in it."""
    given = read(body, "the collection", _COLLECTION)
    hnsw = mapping(given.get("hnsw_config") or {}, "hnsw_config")
    arguments: Values = {_EDGE_NAMES[key]: value for key, value in given.items() if key in _EDGE_NAMES}
    if hnsw:
        arguments["hnsw_config"] = _hnsw({})(hnsw, "hnsw_config")
    dense, sparse = dense_vectors(body), given.get("sparse_vectors") or {}
    if not dense and not sparse:
        raise refuse("no-vectors", "a collection requires at least one vector")
    for name in [*dense, *sparse]:
        require_vector_name(name)
    for name in dense.keys() & sparse.keys():
        raise refuse("duplicate-vector", f"the vector name `{name}` is given twice, dense and sparse")
    read_dense = _dense_params(hnsw)
    arguments["vectors"] = {
        name: read_dense(params, vector_path("vectors", name)) for name, params in dense.items()
    }
    arguments["sparse_vectors"] = {
        name: _sparse_params(params or {}, vector_path("sparse_vectors", name))
        for name, params in sparse.items()
    }
    return edge.EdgeConfig(**arguments)


def vector_path(part: str, name: str) -> str:
    """Where a vector stands in a configuration, for messages."""
    return f"{part}.{name}" if name else part


def vector_specs(collection: str, body: Body) -> dict[str, VectorSpec]:
    """The vectors of a checked configuration, by name."""
    specs = {}
    for name, params in dense_vectors(body).items():
        specs[name] = VectorSpec(
            collection,
            name,
            "multi" if params.get("multivector_config") else "dense",
            params["size"],
            params["distance"].lower(),
            (params.get("datatype") or "float32").lower(),
        )
    for name in body.get("sparse_vectors") or {}:
        specs[name] = VectorSpec(collection, name, "sparse")
    return specs


def config_info(body: Body, metadata: Body) -> JsonObject:
    """``config`` of CollectionInfo as a server gives it, defaults filled in."""
    params: JsonObject = {
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": body.get("on_disk_payload", True),
    }
    for key in ("vectors", "sparse_vectors", "payload", "id_tracker"):
        if body.get(key):
            params[key] = body[key]
    config: JsonObject = {
        "params": params,
        "hnsw_config": HNSW_DEFAULTS
        | {"max_indexing_threads": 0, "on_disk": False}
        | (body.get("hnsw_config") or {}),
        "optimizer_config": _OPTIMIZER_DEFAULTS | (body.get("optimizers_config") or {}),
        "wal_config": None,
        "quantization_config": body.get("quantization_config"),
    }
    if metadata:
        config["metadata"] = dict(metadata)
    return config
