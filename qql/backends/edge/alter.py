"""Changes of a collection's configuration: PATCH /collections/{name}, and vectors that come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql.errors import QQLExecutionError
from qql.records import NamedTuple
from qql.rest.types import Body, Json, JsonObject

from .config import (
    DENSE,
    ONE_MACHINE,
    SPARSE,
    dense_vectors,
    edge_config,
    require_vector_name,
    vector_path,
)
from .engine import edge
from .readers import Fields, anything, boolean, inside, mapping, only, quoted, read, refuse, unsupported

__all__ = ["merged_config", "with_vector", "without_vector"]

_Merge = Callable[[JsonObject, Json], None]
"""Lays a change over a configuration, in place."""


def _merge_section(key: str) -> _Merge:
    def merge(body: JsonObject, change: Json) -> None:
        body[key] = {**(body.get(key) or {}), **mapping(change, key)}

    return merge


def _merge_quantization(body: JsonObject, change: Json) -> None:
    if change == "Disabled":
        body.pop("quantization_config", None)
    else:
        body["quantization_config"] = change


def _merge_params(body: JsonObject, change: Json) -> None:
    fields: Fields = {
        "on_disk_payload": boolean,
        "payload": mapping,
        "id_tracker": mapping,
        "replication_factor": only(1, hint=ONE_MACHINE),
        "write_consistency_factor": only(1, hint=ONE_MACHINE),
        "read_fan_out_factor": only(hint=ONE_MACHINE),
        "read_fan_out_delay_ms": only(hint=ONE_MACHINE),
    }
    for key, value in read(change, "params", fields).items():
        body[key] = {**(body.get(key) or {}), **value} if isinstance(value, dict) else value


def _merge_vectors(body: JsonObject, change: Json) -> None:
    vectors = {name: dict(params) for name, params in dense_vectors(body).items()}
    for name, diff in mapping(change, "vectors").items():
        if name not in vectors:
            raise _no_such_vector("dense", name, vectors)
        _merge_vector(vectors[name], diff, vector_path("vectors", name))
    body["vectors"] = vectors[""] if list(vectors) == [""] else vectors


def _merge_vector(params: JsonObject, diff: Json, where: str) -> None:
    fields: Fields = {
        "on_disk": boolean,
        "memory": anything,
        "hnsw_config": anything,
        "quantization_config": anything,
    }
    for key, value in read(diff, where, fields).items():
        if key == "quantization_config":
            _merge_quantization(params, value)
        elif key == "hnsw_config":
            _merge_section(key)(params, value)
        else:
            params[key] = value


_SPARSE_DEFAULTS = {"modifier": "none", "index.datatype": "float32"}


def _merge_sparse_vectors(body: JsonObject, change: Json) -> None:
    """What an index is built with from now on; the modifier and the datatype of stored vectors stay."""
    vectors = {name: dict(params or {}) for name, params in (body.get("sparse_vectors") or {}).items()}
    for name, diff in mapping(change, "sparse_vectors").items():
        if name not in vectors:
            raise _no_such_vector("sparse", name, vectors)
        where, params = vector_path("sparse_vectors", name), vectors[name]
        given = read(diff, where, {"modifier": anything, "index": mapping})
        index = params.get("index") or {}
        for key, now, new in (
            ("modifier", params.get("modifier"), given.get("modifier")),
            ("index.datatype", index.get("datatype"), given.get("index", {}).get("datatype")),
        ):
            if new is not None and new != (now or _SPARSE_DEFAULTS[key]):
                raise unsupported(
                    f"changing {inside(where, key)} from {now or _SPARSE_DEFAULTS[key]} to {new!s:.40}",
                    f"ALTER COLLECTION can drop the vector `{name}` and add it again; "
                    "its values must then be written anew",
                )
        if "index" in given:
            params["index"] = {**index, **given["index"]}
    body["sparse_vectors"] = vectors


def _no_such_vector(kind: str, name: str, known: Mapping[str, object]) -> QQLExecutionError:
    message = f"the collection has no {kind} vector `{name}`"
    return refuse("unknown-vector", message, f"it has {quoted(known) or 'none'}")


_MERGES: dict[str, _Merge] = {
    "hnsw_config": _merge_section("hnsw_config"),
    "optimizers_config": _merge_section("optimizers_config"),
    "quantization_config": _merge_quantization,
    "params": _merge_params,
    "vectors": _merge_vectors,
    "sparse_vectors": _merge_sparse_vectors,
}


def merged_config(body: Body, changes: Body) -> JsonObject:
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


class _NewVector(NamedTuple):
    make: Callable[..., edge.UpdateOperation]
    fields: Fields
    required: tuple[str, ...] = ()


_NEW_VECTORS: dict[str, _NewVector] = {
    "dense": _NewVector(edge.UpdateOperation.create_dense_vector, DENSE, ("size", "distance")),
    "sparse": _NewVector(edge.UpdateOperation.create_sparse_vector, SPARSE),
}


def with_vector(body: Body, name: str, given: Json) -> tuple[JsonObject, edge.UpdateOperation | None]:
    """A configuration with one more vector, and the operation that makes it.

    ``given`` is the body of PUT /collections/{collection}/vectors/{name}: ``{"dense": {"size", "distance",
    …}}`` or ``{"sparse": {"modifier", "datatype"}}``. Raises ``vector-exists`` where there is another vector
    of that name; the operation is None where there is the same one.
    """
    require_vector_name(name)
    kinds = read(given, "the vector", dict.fromkeys(_NEW_VECTORS, mapping))
    if len(kinds) != 1:
        raise refuse("invalid-request", "a new vector requires either `dense` or `sparse`")
    ((kind, params),) = kinds.items()
    make, fields, required = _NEW_VECTORS[kind]
    try:
        arguments = read(params, kind, fields, required)
    except QQLExecutionError as exc:
        if exc.code != "unknown-option":
            raise
        hint = f"ALTER COLLECTION sets the rest of it afterwards: {', '.join(fields)} come first"
        raise refuse(exc.code, exc.message, hint) from None
    entry = params
    if kind == "sparse":
        entry = {key: params[key] for key in ("modifier",) if key in params}
        entry |= {"index": {"datatype": params["datatype"]}} if "datatype" in params else {}
    out = dict(body)
    dense, sparse = dense_vectors(body), dict(body.get("sparse_vectors") or {})
    if name in dense or name in sparse:
        now = ("dense", _fixed_part(dense[name])) if name in dense else ("sparse", _fixed_part(sparse[name]))
        if now == (kind, _fixed_part(entry)):
            return out, None
        raise refuse(
            "vector-exists",
            f"there is another vector `{name or '(unnamed)'}`",
            "drop it first to replace it; its values go with it",
        )
    if kind == "dense":
        out["vectors"] = dense | {name: entry}
    else:
        out["sparse_vectors"] = sparse | {name: entry}
    edge_config(out)
    return out, make(name, **arguments)


def _fixed_part(params: Body | None) -> tuple[object, ...]:
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


def without_vector(body: Body, name: str) -> JsonObject:
    """A configuration without a vector that it has. Raises ``no-vectors`` for the only one."""
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
