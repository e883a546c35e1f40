"""gRPC messages as the requests of the REST interface that say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import GrpcToRest
from qdrant_client.http import models

from qql.rest.request import Request, collection_path

__all__ = ["READERS"]

Message = Any
Field = tuple[str | None, Callable[[Any], Any]]
"""The key of the body, and what reads its value; without a key the value's own keys belong to the body."""


class _Reading(GrpcToRest):
    """The client's own conversions; an empty list of a message is one that was not given."""

    @classmethod
    def convert_filter(cls, model: pb.Filter) -> models.Filter:
        found = super().convert_filter(model)
        for name in ("must", "should", "must_not"):
            if not getattr(found, name):
                setattr(found, name, None)
        return found


_R = _Reading


def _plain(value: Any) -> Any:
    """The client's models as JSON data, without the fields that are None; a payload keeps its nulls."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True, by_alias=True, warnings=False)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list) and not (value and isinstance(value[0], float | int | str)):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def _same(value: Any) -> Any:
    return value


def _each(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: [read(value) for value in values]


def _selected(selector: pb.PointsSelector) -> dict[str, Any]:
    """``{"points": [id, …]}`` or ``{"filter": …}``."""
    return _plain(_R.convert_points_selector(selector))


def _point(point: pb.PointStruct) -> dict[str, Any]:
    return {"vector": {}} | _plain(_R.convert_point_struct(point))


_SCALARS = "limit exact key using sample group_by group_size score_threshold shard_number on_disk_payload "
_SCALARS += "replication_factor write_consistency_factor field_name"
_FIELDS: dict[str, Field] = {
    **{name: (name, _same) for name in _SCALARS.split()},
    "keys": ("keys", list),
    "ids": ("ids", _each(_R.convert_point_id)),
    "filter": ("filter", _R.convert_filter),
    "update_filter": ("update_filter", _R.convert_filter),
    "update_mode": ("update_mode", _R.convert_update_mode),
    "payload": ("payload", _R.convert_payload),
    "metadata": ("metadata", _R.convert_payload),
    "with_payload": ("with_payload", _R.convert_with_payload_selector),
    "with_vectors": ("with_vector", _R.convert_with_vectors_selector),
    "with_lookup": ("with_lookup", _R.convert_with_lookup),
    "shard_key_selector": ("shard_key", _R.convert_shard_key_selector),
    "order_by": ("order_by", _R.convert_order_by),
    "params": ("params", _R.convert_search_params),
    "prefetch": ("prefetch", _each(_R.convert_prefetch_query)),
    "query": ("query", _R.convert_query),
    "lookup_from": ("lookup_from", _R.convert_lookup_location),
    "points_selector": (None, _selected),
    "vectors": ("vector", _R.convert_vectors_selector),
}
_POINT_ID: Mapping[str, Field] = {"offset": ("offset", _R.convert_point_id)}
_SKIP: Mapping[str, Field] = {"offset": ("offset", _same)}
_SELECTOR: Mapping[str, Field] = {"points": (None, _selected)}
_POINTS: Mapping[str, Field] = {"points": ("points", _each(_point))}
_VECTORS: Mapping[str, Field] = {"points": ("points", _each(_R.convert_point_vectors))}
_QUERY: tuple[str, ...] = ("collection_name", "wait", "timeout", "ordering", "read_consistency")


def _body(message: Message, own: Mapping[str, Field] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in _QUERY:
            continue
        key, read = (own or {}).get(field.name) or _FIELDS[field.name]
        read_value = _plain(read(value))
        body |= read_value if key is None else {key: read_value}
    return body


def _options(message: Message) -> dict[str, Any]:
    """The parameters of the URL that the message has fields for."""
    given = {field.name: value for field, value in message.ListFields()}
    query = {name: given[name] for name in ("wait", "timeout") if name in given}
    if "ordering" in given:
        query["ordering"] = _R.convert_write_ordering(given["ordering"]).value
    if "read_consistency" in given:
        query["consistency"] = _plain(_R.convert_read_consistency(given["read_consistency"]))
    return query


Reader = Callable[[Message], Request]


def _reader(method: str, *path: str, own: Mapping[str, Field] | None = None) -> Reader:
    return lambda message: Request(
        method, collection_path(message.collection_name, *path), _options(message), _body(message, own)
    )


def _bodiless(method: str, *path: str, name: str | None = None) -> Reader:
    """``name`` is the field of the message that ends the path."""
    return lambda message: Request(
        method,
        collection_path(
            message.collection_name, *path, *([quote(getattr(message, name), safe="")] if name else [])
        ),
        _options(message),
    )


def _of_server(method: str, path: str, name: str | None = None) -> Reader:
    def read(message: Message) -> Request:
        return Request(method, path + (f"/{quote(getattr(message, name), safe='')}" if name else ""))

    return read


# --- requests that take more than a table -------------------------------------------------------------------


def _query_batch(message: pb.QueryBatchPoints) -> Request:
    searches = [_body(one, _SKIP) for one in message.query_points]
    return _batch(message, ("points", "query", "batch"), {"searches": searches})


def _batch(message: Message, path: tuple[str, ...], body: dict[str, Any]) -> Request:
    return Request("POST", collection_path(message.collection_name, *path), _options(message), body)


_OPERATIONS: dict[str, tuple[str, Mapping[str, Field]]] = {
    "upsert": ("upsert", _POINTS),
    "delete_points": ("delete", _SELECTOR),
    "set_payload": ("set_payload", {}),
    "overwrite_payload": ("overwrite_payload", {}),
    "delete_payload": ("delete_payload", {}),
    "clear_payload": ("clear_payload", _SELECTOR),
    "update_vectors": ("update_vectors", _VECTORS),
    "delete_vectors": ("delete_vectors", {}),
}


def _update_batch(message: pb.UpdateBatchPoints) -> Request:
    operations = []
    for one in message.operations:
        name = one.WhichOneof("operation")
        key, own = _OPERATIONS[name]
        operations.append({key: _body(getattr(one, name), own)})
    return _batch(message, ("points", "batch"), {"operations": operations})


def _create_index(message: pb.CreateFieldIndexCollection) -> Request:
    if message.HasField("field_index_params"):
        schema = _plain(_R.convert_payload_schema_params(message.field_index_params))
    else:
        schema = pb.FieldType.Name(message.field_type).removeprefix("FieldType").lower()
    body = {"field_name": message.field_name, "field_schema": schema}
    return Request("PUT", collection_path(message.collection_name, "index"), _options(message), body)


def _create_vector(message: pb.CreateVectorNameRequest) -> Request:
    if message.HasField("dense_config"):
        given = message.dense_config
        body: dict[str, Any] = {
            "dense": {
                "size": given.size,
                "distance": _plain(_R.convert_distance(given.distance)),
                **_optional(given, "multivector_config", _R.convert_multivector_config),
                **_optional(given, "datatype", _R.convert_datatype),
            }
        }
    else:
        sparse = message.sparse_config
        body = {
            "sparse": _optional(sparse, "modifier", _R.convert_modifier)
            | _optional(sparse, "datatype", _R.convert_datatype)
        }
    path = collection_path(message.collection_name, "vectors", quote(message.vector_name, safe=""))
    return Request("PUT", path, _options(message), body)


def _optional(message: Message, name: str, read: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: _plain(read(getattr(message, name)))} if message.HasField(name) else {}


_CREATE: Mapping[str, Field] = {
    "hnsw_config": ("hnsw_config", _R.convert_hnsw_config_diff),
    "wal_config": ("wal_config", _R.convert_wal_config_diff),
    "optimizers_config": ("optimizers_config", _R.convert_optimizers_config_diff),
    "quantization_config": ("quantization_config", _R.convert_quantization_config),
    "vectors_config": ("vectors", _R.convert_vectors_config),
    "sparse_vectors_config": ("sparse_vectors", _R.convert_sparse_vector_config),
    "sharding_method": ("sharding_method", _R.convert_sharding_method),
    "strict_mode_config": ("strict_mode_config", _R.convert_strict_mode_config),
    "payload": ("payload", _R.convert_payload_storage_params),
    "id_tracker": ("id_tracker", _R.convert_id_tracker_params),
}
_ALTER: Mapping[str, Field] = {
    **_CREATE,
    "params": ("params", _R.convert_collection_params_diff),
    "quantization_config": ("quantization_config", _R.convert_quantization_config_diff),
    "vectors_config": ("vectors", _R.convert_vectors_config_diff),
}


def _change_aliases(message: pb.ChangeAliases) -> Request:
    actions = [_plain(_R.convert_alias_operations(one)) for one in message.actions]
    return Request("POST", "/collections/aliases", _options(message), {"actions": actions})


def _create_shard_key(message: pb.CreateShardKeyRequest) -> Request:
    return Request(
        "PUT",
        collection_path(message.collection_name, "shards"),
        _options(message),
        _plain(_R.convert_create_shard_key(message.request)),
    )


def _delete_shard_key(message: pb.DeleteShardKeyRequest) -> Request:
    return Request(
        "POST",
        collection_path(message.collection_name, "shards", "delete"),
        _options(message),
        _plain(_R.convert_delete_shard_key(message.request)),
    )


READERS: dict[str, Reader] = {
    "Points/Upsert": _reader("PUT", "points", own=_POINTS),
    "Points/Delete": _reader("POST", "points", "delete", own=_SELECTOR),
    "Points/Get": _reader("POST", "points"),
    "Points/UpdateVectors": _reader("PUT", "points", "vectors", own=_VECTORS),
    "Points/DeleteVectors": _reader("POST", "points", "vectors", "delete"),
    "Points/SetPayload": _reader("POST", "points", "payload"),
    "Points/OverwritePayload": _reader("PUT", "points", "payload"),
    "Points/DeletePayload": _reader("POST", "points", "payload", "delete"),
    "Points/ClearPayload": _reader("POST", "points", "payload", "clear", own=_SELECTOR),
    "Points/UpdateBatch": _update_batch,
    "Points/CreateFieldIndex": _create_index,
    "Points/DeleteFieldIndex": _bodiless("DELETE", "index", name="field_name"),
    "Points/CreateVectorName": _create_vector,
    "Points/DeleteVectorName": _bodiless("DELETE", "vectors", name="vector_name"),
    "Points/Scroll": _reader("POST", "points", "scroll", own=_POINT_ID),
    "Points/Count": _reader("POST", "points", "count"),
    "Points/Facet": _reader("POST", "facet"),
    "Points/Query": _reader("POST", "points", "query", own=_SKIP),
    "Points/QueryBatch": _query_batch,
    "Points/QueryGroups": _reader("POST", "points", "query", "groups"),
    "Points/SearchMatrixPairs": _reader("POST", "points", "search", "matrix", "pairs"),
    "Points/SearchMatrixOffsets": _reader("POST", "points", "search", "matrix", "offsets"),
    "Collections/Get": _bodiless("GET"),
    "Collections/List": _of_server("GET", "/collections"),
    "Collections/Create": _reader("PUT", own=_CREATE),
    "Collections/Update": _reader("PATCH", own=_ALTER),
    "Collections/Delete": _bodiless("DELETE"),
    "Collections/CollectionExists": _bodiless("GET", "exists"),
    "Collections/UpdateAliases": _change_aliases,
    "Collections/ListCollectionAliases": _bodiless("GET", "aliases"),
    "Collections/ListAliases": _of_server("GET", "/aliases"),
    "Collections/CollectionClusterInfo": _bodiless("GET", "cluster"),
    "Collections/CreateShardKey": _create_shard_key,
    "Collections/DeleteShardKey": _delete_shard_key,
    "Collections/ListShardKeys": _bodiless("GET", "shards"),
    "Snapshots/Create": _bodiless("POST", "snapshots"),
    "Snapshots/List": _bodiless("GET", "snapshots"),
    "Snapshots/Delete": _bodiless("DELETE", "snapshots", name="snapshot_name"),
    "Snapshots/CreateFull": _of_server("POST", "/snapshots"),
    "Snapshots/ListFull": _of_server("GET", "/snapshots"),
    "Snapshots/DeleteFull": _of_server("DELETE", "/snapshots", "snapshot_name"),
    "Qdrant/HealthCheck": _of_server("GET", "/"),
}
"""What each method of the services reads of its message."""
