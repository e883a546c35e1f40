"""How qdrant-client carries requests out: for each route a method, and the names of what it takes."""

from __future__ import annotations

from collections.abc import Mapping

from qql.records import dataclass, field

__all__ = [
    "ARGUMENT_NAMES",
    "CALLS",
    "INFERENCE_MODELS",
    "NUMBERS_IN_PATHS",
    "QUERY_PARAMETERS",
    "Call",
    "QueryParameter",
]


@dataclass(frozen=True, slots=True)
class Call:
    """How a route is called: ``low`` by a method below ``client.http``, and ``high`` by one of the client.

    ``whole`` is the argument of ``high`` that takes the whole body. ``unsaid`` are arguments whose default
    in Python is not the server's; they say the server's where the request says nothing.
    """

    low: str
    high: str | None
    whole: str | None = None
    unsaid: Mapping[str, bool] = field(default_factory=dict)


def _write_call(low: str, high: str, whole: str | None = None) -> Call:
    return Call(low, high, whole, {"wait": False})


def _query_call(name: str) -> Call:
    return Call(f"search_api.{name}", name, None, {"with_payload": False})


_COLLECTION = "/collections/{collection_name}"
CALLS: dict[str, Call] = {
    "GET /": Call("service_api.root", "info"),
    "GET /aliases": Call("aliases_api.get_collections_aliases", "get_aliases"),
    "GET /cluster": Call("distributed_api.cluster_status", "cluster_status"),
    "GET /quotas": Call("quotas_api.get_quotas", None),
    "PUT /quotas": Call("quotas_api.update_quotas", None),
    "GET /snapshots": Call("snapshots_api.list_full_snapshots", "list_full_snapshots"),
    "POST /snapshots": Call("snapshots_api.create_full_snapshot", "create_full_snapshot"),
    "DELETE /snapshots/{snapshot_name}": Call("snapshots_api.delete_full_snapshot", "delete_full_snapshot"),
    "GET /collections": Call("collections_api.get_collections", "get_collections"),
    "POST /collections/aliases": Call("aliases_api.update_aliases", "update_collection_aliases"),
    f"GET {_COLLECTION}": Call("collections_api.get_collection", "get_collection"),
    f"PUT {_COLLECTION}": Call("collections_api.create_collection", "create_collection"),
    f"PATCH {_COLLECTION}": Call("collections_api.update_collection", "update_collection"),
    f"DELETE {_COLLECTION}": Call("collections_api.delete_collection", "delete_collection"),
    f"GET {_COLLECTION}/exists": Call("collections_api.collection_exists", "collection_exists"),
    f"GET {_COLLECTION}/aliases": Call("aliases_api.get_collection_aliases", "get_collection_aliases"),
    f"GET {_COLLECTION}/cluster": Call("distributed_api.collection_cluster_info", "collection_cluster_info"),
    f"POST {_COLLECTION}/cluster": Call(
        "distributed_api.update_collection_cluster", "cluster_collection_update", "cluster_operation"
    ),
    f"PUT {_COLLECTION}/index": _write_call("indexes_api.create_field_index", "create_payload_index"),
    f"DELETE {_COLLECTION}/index/{{field_name}}": _write_call(
        "indexes_api.delete_field_index", "delete_payload_index"
    ),
    f"PUT {_COLLECTION}/vectors/{{vector_name}}": _write_call(
        "collections_api.create_vector_name", "create_vector_name", "vector_name_config"
    ),
    f"DELETE {_COLLECTION}/vectors/{{vector_name}}": _write_call(
        "collections_api.delete_vector_name", "delete_vector_name"
    ),
    f"GET {_COLLECTION}/points/{{id}}": Call("points_api.get_point", None),
    f"POST {_COLLECTION}/points": Call("points_api.get_points", "retrieve"),
    f"POST {_COLLECTION}/points/scroll": Call("points_api.scroll_points", "scroll"),
    f"POST {_COLLECTION}/points/count": Call("points_api.count_points", "count"),
    f"POST {_COLLECTION}/facet": Call("points_api.facet", "facet"),
    f"POST {_COLLECTION}/points/query": _query_call("query_points"),
    f"POST {_COLLECTION}/points/query/groups": _query_call("query_points_groups"),
    f"POST {_COLLECTION}/points/query/batch": Call("search_api.query_batch_points", "query_batch_points"),
    f"POST {_COLLECTION}/points/search/matrix/pairs": Call(
        "search_api.search_matrix_pairs", "search_matrix_pairs"
    ),
    f"POST {_COLLECTION}/points/search/matrix/offsets": Call(
        "search_api.search_matrix_offsets", "search_matrix_offsets"
    ),
    f"PUT {_COLLECTION}/points": _write_call("points_api.upsert_points", "upsert"),
    f"POST {_COLLECTION}/points/delete": _write_call("points_api.delete_points", "delete", "points_selector"),
    f"POST {_COLLECTION}/points/payload": _write_call("points_api.set_payload", "set_payload"),
    f"PUT {_COLLECTION}/points/payload": _write_call("points_api.overwrite_payload", "overwrite_payload"),
    f"POST {_COLLECTION}/points/payload/delete": _write_call("points_api.delete_payload", "delete_payload"),
    f"POST {_COLLECTION}/points/payload/clear": _write_call(
        "points_api.clear_payload", "clear_payload", "points_selector"
    ),
    f"PUT {_COLLECTION}/points/vectors": _write_call("points_api.update_vectors", "update_vectors"),
    f"POST {_COLLECTION}/points/vectors/delete": _write_call("points_api.delete_vectors", "delete_vectors"),
    f"POST {_COLLECTION}/points/batch": _write_call("points_api.batch_update", "batch_update_points"),
    f"GET {_COLLECTION}/optimizations": Call("collections_api.get_optimizations", "get_optimizations"),
    f"GET {_COLLECTION}/shards": Call("distributed_api.list_shard_keys", "list_shard_keys"),
    f"PUT {_COLLECTION}/shards": Call("distributed_api.create_shard_key", "create_shard_key"),
    f"POST {_COLLECTION}/shards/delete": Call("distributed_api.delete_shard_key", "delete_shard_key"),
    f"GET {_COLLECTION}/snapshots": Call("snapshots_api.list_snapshots", "list_snapshots"),
    f"POST {_COLLECTION}/snapshots": Call("snapshots_api.create_snapshot", "create_snapshot"),
    f"PUT {_COLLECTION}/snapshots/recover": Call("snapshots_api.recover_from_snapshot", "recover_snapshot"),
    f"DELETE {_COLLECTION}/snapshots/{{snapshot_name}}": Call(
        "snapshots_api.delete_snapshot", "delete_snapshot"
    ),
}
"""By method and path, with the names in the path in braces."""
ARGUMENT_NAMES: dict[str, tuple[str, ...]] = {
    "actions": ("change_aliases_operations",),
    "batch": ("points",),
    "filter": ("query_filter", "scroll_filter", "count_filter", "facet_filter", "points"),
    "operations": ("update_operations",),
    "params": ("search_params", "collection_params"),
    "searches": ("requests",),
    "shard_key": ("shard_key_selector",),
    "sparse_vectors": ("sparse_vectors_config",),
    "vector": ("vectors",),
    "vectors": ("vectors_config",),
    "with_vector": ("with_vectors",),
}
"""What the client's methods call the keys of a body, where they do not call them by the same name."""
NUMBERS_IN_PATHS = ("id", "peer_id", "shard_id")
"""What a path holds as text and a method takes as a number."""
INFERENCE_MODELS = ("Document", "Image", "InferenceObject")
"""The classes of ``qdrant_client.models`` whose objects a model makes vectors of."""


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """What a parameter of the query string may be: a member of an enumeration, a whole number, a boolean.

    ``members`` is the name of the enumeration in ``qdrant_client.models``.
    """

    members: str | None = None
    number: bool = False
    boolean: bool = False


QUERY_PARAMETERS = {
    "completed_limit": QueryParameter(number=True),
    "consistency": QueryParameter(members="ReadConsistencyType", number=True),
    "ordering": QueryParameter(members="WriteOrdering"),
    "timeout": QueryParameter(number=True),
    "wait": QueryParameter(boolean=True),
}
