"""REST collection configuration → the engine's, and back to what GET /collections/{name} shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from qql.errors import QQLExecutionError

from .checks import Reader, boolean, integer, mapping, number, one_of, only, read, refuse, unsupported
from .engine import edge
from .vectors import VectorSpec

__all__ = [
    "INDEXING_THRESHOLD",
    "dense_vectors",
    "edge_config",
    "merged",
    "read_create",
    "shown_config",
    "vector_specs",
    "with_vector_name",
    "without_vector_name",
]

INDEXING_THRESHOLD = 10_000
"""Kilobytes of one segment's vectors from which the engine builds an HNSW graph (its own default)."""

HNSW_DEFAULTS = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
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

_CLUSTER = "the embedded engine keeps a collection in one piece on one machine; a Qdrant server can spread it"
_LOG = "the embedded engine manages its write-ahead log by itself"

_HNSW: dict[str, Reader] = {
    "m": integer(high=10_000),
    "ef_construct": integer(low=4),
    "full_scan_threshold": integer(),
    "max_indexing_threads": integer(),
    "on_disk": boolean,
    "memory": one_of("Memory"),
    "payload_m": integer(high=10_000),
    "inline_storage": boolean,
}

_QUANTIZATION: dict[str, tuple[str, dict[str, Reader], tuple[str, ...]]] = {
    "scalar": (
        "ScalarQuantizationConfig",
        {"type": one_of("ScalarType"), "quantile": number},
        ("type",),
    ),
    "product": ("ProductQuantizationConfig", {"compression": one_of("CompressionRatio")}, ("compression",)),
    "binary": (
        "BinaryQuantizationConfig",
        {
            "encoding": one_of("BinaryQuantizationEncoding"),
            "query_encoding": one_of("BinaryQuantizationQueryEncoding"),
        },
        (),
    ),
    "turbo": ("TurboQuantQuantizationConfig", {"bits": one_of("TurboQuantBitSize")}, ()),
}
_QUANTIZATION_COMMON: dict[str, Reader] = {"always_ram": boolean, "memory": one_of("Memory")}

_OPTIMIZERS: dict[str, Reader] = {
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


def _hnsw(base: Mapping[str, Any]) -> Reader:
    """HNSW settings laid over ``base`` and Qdrant's defaults."""

    def reader(value: Any, where: str) -> Any:
        given = read(value, where, _HNSW)
        inherited = read(base, "hnsw_config", _HNSW)
        return edge.HnswIndexConfig(**(HNSW_DEFAULTS | inherited | given))

    return reader


def _quantization(value: Any, where: str) -> Any:
    body = mapping(value, where)
    if len(body) != 1:
        raise refuse("invalid-request", f"{where} requires exactly one of {', '.join(_QUANTIZATION)}")
    ((method, settings),) = body.items()
    if method not in _QUANTIZATION:
        raise refuse(
            "unknown-option", f"{where} has no method `{method}`", f"one of {', '.join(_QUANTIZATION)}"
        )
    made, table, required = _QUANTIZATION[method]
    given = read(settings, f"{where}.{method}", table | _QUANTIZATION_COMMON, required)
    if "quantile" in given and not 0.5 <= given["quantile"] <= 1.0:
        raise refuse("invalid-request", f"{where}.{method}.quantile must be from 0.5 to 1")
    return getattr(edge, made)(**given)


def _multivector(value: Any, where: str) -> Any:
    given = read(value, where, {"comparator": one_of("MultiVectorComparator")}, ("comparator",))
    return edge.MultiVectorConfig(given["comparator"])


def _dense_table(hnsw: Mapping[str, Any]) -> dict[str, Reader]:
    return {
        "size": integer(1, 65_536),
        "distance": one_of("Distance"),
        "on_disk": boolean,
        "memory": one_of("Memory"),
        "datatype": one_of("VectorStorageDatatype"),
        "multivector_config": _multivector,
        "hnsw_config": _hnsw(hnsw),
        "quantization_config": _quantization,
    }


def _modifier(value: Any, where: str) -> Any:
    return None if value == "none" else one_of("Modifier")(value, where)


_SPARSE_INDEX: dict[str, Reader] = {
    "full_scan_threshold": integer(),
    "on_disk": boolean,
    "memory": one_of("Memory"),
    "datatype": one_of("VectorStorageDatatype"),
}


def _sparse(value: Any, where: str) -> Any:
    table: dict[str, Reader] = {"modifier": _modifier, "index": lambda v, w: read(v, w, _SPARSE_INDEX)}
    given = read(value, where, table)
    index = given.pop("index", {})
    return edge.EdgeSparseVectorParams(**index, **given)


def _memory_only(value: Any, where: str) -> Any:
    return read(value, where, {"memory": one_of("Memory")}).get("memory")


def _keep(value: Any, where: str) -> Any:
    return value


_CREATE: dict[str, Reader] = {
    "vectors": mapping,
    "sparse_vectors": mapping,
    "hnsw_config": _keep,
    "quantization_config": _quantization,
    "optimizers_config": lambda value, where: edge.EdgeOptimizersConfig(**read(value, where, _OPTIMIZERS)),
    "on_disk_payload": boolean,
    "payload": _memory_only,
    "id_tracker": _memory_only,
    "metadata": mapping,
    "shard_number": only(1, hint=_CLUSTER),
    "replication_factor": only(1, hint=_CLUSTER),
    "write_consistency_factor": only(1, hint=_CLUSTER),
    "sharding_method": only("auto", hint=_CLUSTER),
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

_UNSAFE_NAME = re.compile(r"[/\\\x00-\x1f\x7f]")


def _vector_name(name: str) -> None:
    # The engine makes a directory of every vector's name.
    if _UNSAFE_NAME.search(name) or len(name.encode("utf-8", "surrogatepass")) > 200 or not _encodable(name):
        raise refuse(
            "invalid-vector-name",
            f"the vector name {name!r:.60} cannot be stored by the embedded engine",
            "a name requires at most 200 bytes, without slashes and control characters",
        )


def _encodable(name: str) -> bool:
    return not any(0xD800 <= ord(char) < 0xE000 for char in name)


def dense_vectors(body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The dense vectors by name; the single unnamed form becomes the name ``""``."""
    vectors = mapping(body.get("vectors") or {}, "vectors")
    if "size" in vectors and not isinstance(vectors["size"], Mapping):
        return {"": vectors}
    return {name: mapping(params, f"vectors.{name}") for name, params in vectors.items()}


def read_create(body: Any) -> dict[str, Any]:
    """The body of PUT /collections/{name}, checked, without nulls: what is kept as the schema."""
    kept = mapping(body or {}, "the collection")
    edge_config(kept)
    return kept


def edge_config(body: Mapping[str, Any]) -> Any:
    """The engine's configuration for a REST body. Raises `QQLExecutionError` naming what is wrong in it."""
    given = read(body, "the collection", _CREATE)
    hnsw = mapping(given.get("hnsw_config") or {}, "hnsw_config")
    arguments = {_EDGE_NAMES[key]: value for key, value in given.items() if key in _EDGE_NAMES}
    if hnsw:
        arguments["hnsw_config"] = _hnsw({})(hnsw, "hnsw_config")
    dense, sparse = dense_vectors(body), given.get("sparse_vectors") or {}
    if not dense and not sparse:
        raise refuse("no-vectors", "a collection requires at least one vector")
    for name in [*dense, *sparse]:
        _vector_name(name)
    for name in dense.keys() & sparse.keys():
        raise refuse("duplicate-vector", f"the vector name `{name}` is given twice, dense and sparse")
    table = _dense_table(hnsw)
    arguments["vectors"] = {
        name: edge.EdgeVectorParams(**read(params, _where("vectors", name), table, ("size", "distance")))
        for name, params in dense.items()
    }
    arguments["sparse_vectors"] = {
        name: _sparse(params or {}, _where("sparse_vectors", name)) for name, params in sparse.items()
    }
    return edge.EdgeConfig(**arguments)


def _where(part: str, name: str) -> str:
    return f"{part}.{name}" if name else part


def vector_specs(collection: str, body: Mapping[str, Any]) -> dict[str, VectorSpec]:
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


def shown_config(body: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` of CollectionInfo as a server gives it, defaults filled in."""
    params: dict[str, Any] = {
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": body.get("on_disk_payload", True),
    }
    for key in ("vectors", "sparse_vectors", "payload", "id_tracker"):
        if body.get(key):
            params[key] = body[key]
    config: dict[str, Any] = {
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


# --- ALTER ----------------------------------------------------------------------------------------


def _merge_section(key: str) -> Callable[[dict[str, Any], Any], None]:
    def merge(body: dict[str, Any], change: Any) -> None:
        body[key] = {**(body.get(key) or {}), **mapping(change, key)}

    return merge


def _merge_quantization(body: dict[str, Any], change: Any) -> None:
    if change == "Disabled":
        body.pop("quantization_config", None)
    else:
        body["quantization_config"] = change


def _merge_params(body: dict[str, Any], change: Any) -> None:
    table: dict[str, Reader] = {
        "on_disk_payload": boolean,
        "replication_factor": only(1, hint=_CLUSTER),
        "write_consistency_factor": only(1, hint=_CLUSTER),
        "read_fan_out_factor": only(hint=_CLUSTER),
        "read_fan_out_delay_ms": only(hint=_CLUSTER),
    }
    body |= read(change, "params", table)


def _merge_vectors(body: dict[str, Any], change: Any) -> None:
    vectors = {name: dict(params) for name, params in dense_vectors(body).items()}
    for name, diff in mapping(change, "vectors").items():
        if name not in vectors:
            raise _no_such_vector("dense", name, vectors)
        _merge_vector(vectors[name], diff, _where("vectors", name))
    body["vectors"] = vectors[""] if list(vectors) == [""] else vectors


def _merge_vector(params: dict[str, Any], diff: Any, where: str) -> None:
    table: dict[str, Reader] = {
        "on_disk": boolean,
        "memory": _keep,
        "hnsw_config": _keep,
        "quantization_config": _keep,
    }
    for key, value in read(diff, where, table).items():
        if key == "quantization_config":
            _merge_quantization(params, value)
        elif key == "hnsw_config":
            _merge_section(key)(params, value)
        else:
            params[key] = value


def _merge_sparse_vectors(body: dict[str, Any], change: Any) -> None:
    """What an index is built with from now on; the modifier and the datatype of stored vectors stay."""
    vectors = {name: dict(params or {}) for name, params in (body.get("sparse_vectors") or {}).items()}
    for name, diff in mapping(change, "sparse_vectors").items():
        if name not in vectors:
            raise _no_such_vector("sparse", name, vectors)
        where, params = _where("sparse_vectors", name), vectors[name]
        given = read(diff, where, {"modifier": _keep, "index": mapping})
        index = params.get("index") or {}
        for key, now, new in (
            ("modifier", params.get("modifier"), given.get("modifier")),
            ("index.datatype", index.get("datatype"), given.get("index", {}).get("datatype")),
        ):
            if new is not None and new != (now or _SPARSE_DEFAULTS[key]):
                raise unsupported(
                    f"changing {where}.{key} from {now or _SPARSE_DEFAULTS[key]} to {new!s:.40}",
                    f"ALTER COLLECTION can drop the vector `{name}` and add it again; "
                    "its values must then be written anew",
                )
        if "index" in given:
            params["index"] = {**index, **given["index"]}
    body["sparse_vectors"] = vectors


_SPARSE_DEFAULTS = {"modifier": "none", "index.datatype": "float32"}


def _no_such_vector(kind: str, name: str, known: Mapping[str, Any]) -> Exception:
    listed = ", ".join(f"`{one}`" for one in known) or "none"
    return refuse("unknown-vector", f"the collection has no {kind} vector `{name}`", f"it has {listed}")


_MERGES: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "hnsw_config": _merge_section("hnsw_config"),
    "optimizers_config": _merge_section("optimizers_config"),
    "quantization_config": _merge_quantization,
    "params": _merge_params,
    "vectors": _merge_vectors,
    "sparse_vectors": _merge_sparse_vectors,
}


def merged(body: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the changes of PATCH /collections/{name} laid over it, checked.

    Takes effect for stored points at the next `optimize`.
    """
    out = dict(body)
    for key, change in changes.items():
        merge = _MERGES.get(key)
        if merge is None:
            raise unsupported(
                f"changing `{key}` of a collection",
                f"what can be changed: {', '.join([*_MERGES, 'metadata'])}",
            )
        merge(out, change)
    edge_config(out)
    return out


# --- vectors that come and go ---------------------------------------------------------------------


def with_vector_name(body: Mapping[str, Any], name: str, given: Any) -> tuple[dict[str, Any], Any]:
    """A configuration with one more vector, and the operation that makes it.

    ``given`` is the body of PUT /collections/{collection}/vectors/{name}: ``{"dense": {"size", "distance",
    …}}`` or ``{"sparse": {"modifier", "datatype"}}``. Raises ``vector-exists`` where there is another vector
    of that name; the operation is None where there is the same one.
    """
    _vector_name(name)
    kinds = read(given, "the vector", {"dense": mapping, "sparse": mapping})
    if len(kinds) != 1:
        raise refuse("invalid-request", "a new vector requires either `dense` or `sparse`")
    ((kind, params),) = kinds.items()
    make, table, required = _NEW_VECTORS[kind]
    try:
        arguments = read(params, kind, table, required)
    except QQLExecutionError as exc:
        if exc.code == "unknown-option":
            raise refuse(exc.code, exc.message, f"{_LATER}: {', '.join(table)} come first") from None
        raise
    entry = params
    if kind == "sparse":
        entry = {key: params[key] for key in ("modifier",) if key in params}
        entry |= {"index": {"datatype": params["datatype"]}} if "datatype" in params else {}
    out = dict(body)
    dense, sparse = dense_vectors(body), dict(body.get("sparse_vectors") or {})
    if name in dense or name in sparse:
        now = ("dense", _identity(dense[name])) if name in dense else ("sparse", _identity(sparse[name]))
        if now == (kind, _identity(entry)):
            return out, None
        raise refuse("vector-exists", f"there is another vector `{name or '(unnamed)'}`", _REPLACE)
    if kind == "dense":
        out["vectors"] = dense | {name: entry}
    else:
        out["sparse_vectors"] = sparse | {name: entry}
    edge_config(out)
    return out, getattr(edge.UpdateOperation, make)(name, **arguments)


_LATER = "ALTER COLLECTION sets the rest of it afterwards"
_REPLACE = "drop it first to replace it; its values go with it"
_NEW_VECTORS: dict[str, tuple[str, dict[str, Reader], tuple[str, ...]]] = {
    "dense": (
        "create_dense_vector",
        {
            "size": integer(1, 65_536),
            "distance": one_of("Distance"),
            "multivector_config": _multivector,
            "datatype": one_of("VectorStorageDatatype"),
        },
        ("size", "distance"),
    ),
    "sparse": (
        "create_sparse_vector",
        {"modifier": _modifier, "datatype": one_of("VectorStorageDatatype")},
        (),
    ),
}


def _identity(params: Any) -> tuple[Any, ...]:
    """What of a vector cannot be altered."""
    given = params or {}
    index = given.get("index") or {}
    return (
        given.get("size"),
        str(given.get("distance")).lower(),
        bool(given.get("multivector_config")),
        str(given.get("datatype") or index.get("datatype") or "float32").lower(),
        str(given.get("modifier") or "none").lower(),
    )


def without_vector_name(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration without a vector that it has."""
    dense, sparse = dense_vectors(body), dict(body.get("sparse_vectors") or {})
    dense.pop(name, None)
    sparse.pop(name, None)
    if not dense and not sparse:
        raise refuse(
            "no-vectors",
            f"`{name or '(unnamed)'}` is the only vector, and a collection requires at least one",
            "add another vector first, or drop the collection",
        )
    return dict(body) | {"vectors": dense, "sparse_vectors": sparse}
