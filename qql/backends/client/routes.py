"""The table of routes: which method of `QdrantClient` carries out which request of the REST interface.

It says how the fields of a body become arguments, and how a method's answer becomes the ``result`` of REST.
Which model a body is comes from `BODY_MODELS` in `qql.rest.request`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from qql.rest.types import Body, Json, JsonObject

__all__ = ["ROUTES", "Route"]


def _as_json(result: object) -> Json:
    """Models as JSON data, without the fields that are None; a payload keeps its nulls."""
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", exclude_none=True, warnings=False)
    if isinstance(result, list):
        return [_as_json(item) for item in result]
    return str(result) if isinstance(result, uuid.UUID) else result


def _as_page(result: tuple[list[object], object]) -> JsonObject:
    points, offset = result
    return {"points": _as_json(points), "next_page_offset": _as_json(offset)}


def _as_existence(result: bool) -> dict[str, bool]:
    return {"exists": result}


@dataclass(frozen=True, slots=True)
class Route:
    """How a route is called: the client's method, and where the keys of the body go.

    ``rename`` takes keys of the body to arguments; ``whole`` is the argument that takes the whole body;
    ``named`` the one that takes the last part of the path. ``query`` are the parameters of the query string
    that the method takes, and ``defaults`` the arguments whose default in Python is not that of REST.
    ``rest_only`` says that the method speaks REST to another port even where gRPC was asked for.
    """

    method: str
    rename: Mapping[str, str] = field(default_factory=dict)
    query: tuple[str, ...] = ()
    defaults: Body = field(default_factory=dict)
    whole: str | None = None
    named: str | None = None
    answer: Callable[..., Json] = _as_json
    rest_only: bool = False


_READ = ("consistency", "timeout")
_WRITE = ("wait", "ordering", "timeout")
_UNWAITED = {"wait": False}
_SHARD = {"shard_key": "shard_key_selector"}
_WITH_VECTORS = _SHARD | {"with_vector": "with_vectors"}
_QUERY = _WITH_VECTORS | {"filter": "query_filter", "params": "search_params"}
_LEFT_OUT = {"with_payload": False, "with_vectors": False}
_SELECTOR = _SHARD | {"points": "points", "filter": "points"}
_CONFIG = {"vectors": "vectors_config", "sparse_vectors": "sparse_vectors_config"}


def _write_route(
    method: str,
    rename: Mapping[str, str] | None = None,
    *,
    whole: str | None = None,
    named: str | None = None,
) -> Route:
    return Route(method, rename or {}, _WRITE, _UNWAITED, whole, named)


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/collections"): Route("get_collections"),
    ("GET", "/aliases"): Route("get_aliases"),
    ("POST", "/collections/aliases"): Route(
        "update_collection_aliases", {"actions": "change_aliases_operations"}, ("timeout",)
    ),
    ("GET", ""): Route("get_collection"),
    ("GET", "exists"): Route("collection_exists", answer=_as_existence),
    ("GET", "aliases"): Route("get_collection_aliases"),
    ("PUT", ""): Route("create_collection", _CONFIG, ("timeout",)),
    ("PATCH", ""): Route("update_collection", _CONFIG | {"params": "collection_params"}, ("timeout",)),
    ("DELETE", ""): Route("delete_collection", query=("timeout",)),
    ("PUT", "index"): _write_route("create_payload_index"),
    ("DELETE", "index/*"): _write_route("delete_payload_index", named="field_name"),
    ("PUT", "vectors/*"): _write_route("create_vector_name", whole="vector_name_config", named="vector_name"),
    ("DELETE", "vectors/*"): _write_route("delete_vector_name", named="vector_name"),
    ("POST", "points"): Route("retrieve", _WITH_VECTORS, _READ),
    ("POST", "points/scroll"): Route(
        "scroll", _WITH_VECTORS | {"filter": "scroll_filter"}, _READ, answer=_as_page
    ),
    ("POST", "points/count"): Route("count", _SHARD | {"filter": "count_filter"}, _READ),
    ("POST", "facet"): Route("facet", _SHARD | {"filter": "facet_filter"}, _READ),
    ("POST", "points/query"): Route("query_points", _QUERY, _READ, _LEFT_OUT),
    ("POST", "points/query/groups"): Route("query_points_groups", _QUERY, _READ, _LEFT_OUT),
    ("POST", "points/query/batch"): Route("query_batch_points", {"searches": "requests"}, _READ),
    ("PUT", "points"): _write_route("upsert", _SHARD | {"batch": "points"}),
    ("POST", "points/delete"): _write_route("delete", whole="points_selector"),
    ("POST", "points/payload"): _write_route("set_payload", _SELECTOR),
    ("PUT", "points/payload"): _write_route("overwrite_payload", _SELECTOR),
    ("POST", "points/payload/delete"): _write_route("delete_payload", _SELECTOR),
    ("POST", "points/payload/clear"): _write_route("clear_payload", whole="points_selector"),
    ("PUT", "points/vectors"): _write_route("update_vectors", _SHARD),
    ("POST", "points/vectors/delete"): _write_route("delete_vectors", _SELECTOR | {"vector": "vectors"}),
    ("POST", "points/batch"): _write_route("batch_update_points", {"operations": "update_operations"}),
    ("GET", "/cluster"): Route("cluster_status", rest_only=True),
    ("GET", "cluster"): Route("collection_cluster_info"),
    ("GET", "shards"): Route("list_shard_keys"),
    ("PUT", "shards"): Route("create_shard_key", query=("timeout",)),
    ("POST", "shards/delete"): Route("delete_shard_key", query=("timeout",)),
    ("GET", "snapshots"): Route("list_snapshots"),
    ("POST", "snapshots"): Route("create_snapshot", query=("wait",)),
    ("DELETE", "snapshots/*"): Route("delete_snapshot", query=("wait",), named="snapshot_name"),
    ("PUT", "snapshots/recover"): Route("recover_snapshot", query=("wait",), rest_only=True),
    ("GET", "/snapshots"): Route("list_full_snapshots"),
    ("POST", "/snapshots"): Route("create_full_snapshot", query=("wait",)),
    ("DELETE", "/snapshots/*"): Route("delete_full_snapshot", query=("wait",), named="snapshot_name"),
}
