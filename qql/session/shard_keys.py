"""The shard keys of a collection: which there are, of how many shards and replicas each."""

from __future__ import annotations

from collections.abc import Callable

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import QQLError, QQLExecutionError, fail
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.rest.types import Json

__all__ = ["ShardKey", "is_custom", "require_shard_keys", "shard_keys_of"]

Call = Callable[[Request], Json]
"""A backend's `call`."""


@dataclass(frozen=True, slots=True)
class ShardKey:
    """A key; how many shards it has, and of how many replicas each is (None: not known)."""

    key: int | str
    shards: int | None = None
    replicas: int | None = None


def is_custom(described: Json) -> bool:
    """Whether a collection, as the engine describes it, is cut in shards by keys that points name."""
    for key in ("config", "params"):
        described = described.get(key) if isinstance(described, dict) else None
    return isinstance(described, dict) and described.get("sharding_method") == "custom"


def shard_keys_of(call: Call, collection: str) -> list[ShardKey]:
    """The shard keys of a collection, in the order in which the server lists them.

    Servers before 1.17 have no list of them; there the shards tell it. Raises what ``call`` raises.
    """
    try:
        shards = _by_shards(call(Request("GET", collection_path(collection, "cluster"))))
    except QQLError:  # it may take a key of more rights; the list is asked for all the same
        shards = {}
    try:
        answer = call(Request("GET", collection_path(collection, "shards")))
    except QQLError:
        if not shards:
            raise
        return list(shards.values())
    listed = answer.get("shard_keys") if isinstance(answer, dict) else None
    keys = [one.get("key") for one in listed or () if isinstance(one, dict)]
    return [shards.get(key, ShardKey(key)) for key in keys if isinstance(key, int | str)]


def _by_shards(answer: Json) -> dict[int | str, ShardKey]:
    """The keys by the description of a collection's shards, on this node and on the others."""
    if not isinstance(answer, dict):
        return {}
    nodes_of: dict[int | str, dict[Json, set[Json]]] = {}
    for group in ("local_shards", "remote_shards"):
        found = answer.get(group)
        for shard in found if isinstance(found, list) else ():
            key = shard.get("shard_key") if isinstance(shard, dict) else None
            if isinstance(key, int | str):
                places = nodes_of.setdefault(key, {}).setdefault(shard.get("shard_id"), set())
                places.add(shard.get("peer_id", "this one"))
    return {
        key: ShardKey(key, len(shards), max(map(len, shards.values()))) for key, shards in nodes_of.items()
    }


def require_shard_keys(compiled: Compiled, described: Json, call: Call) -> bool:
    """Refuse what touches the points of a collection that is sharded by keys and has none yet.

    A server ends the connection on such a query. True where it was looked at, and there are keys.
    Raises `QQLExecutionError` (``no-shard-keys``); what cannot be known is left to the server.
    """
    if not is_custom(described) or not _touches_points(compiled):
        return False
    name = str(compiled.collection)
    try:
        keys = shard_keys_of(call, name)
    except QQLError:
        return False
    if not keys:
        message = f"`{name}` is sharded by keys and has none yet, so it can hold no points"
        fail("no-shard-keys", message, hint=f"CREATE SHARD KEY 'a' ON {name}", error=QQLExecutionError)
    return True


def _touches_points(compiled: Compiled) -> bool:
    statement = compiled.written
    if isinstance(statement, nodes.Explain) and not statement.analyze:
        return False
    routes = (request.route[1] for request in compiled.requests)
    return isinstance(statement, nodes.Copy) or any(one.startswith(("points", "facet")) for one in routes)
