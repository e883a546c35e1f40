"""COPY: an engine without shards says so before the file is read."""

from __future__ import annotations

from qql import nodes
from qql.backends.base import Backend
from qql.compiler.scalars import shard_key
from qql.rest.request import Request, collection_path

__all__ = ["require_shards"]

_IN_ONE_PIECE = ("edge", "local")


def require_shards(statement: nodes.Copy, collection: str, backend: Backend) -> None:
    """Raises the engine's own `QQLUnsupportedError` where COPY names shard keys that it has no use for."""
    if backend.name not in _IN_ONE_PIECE:
        return
    key = shard_key(statement.shard)
    for one in statement.map:
        if str(one.target.text) == "shard_key":
            key = "…"
    if key is not None:
        body = {"exact": False, "shard_key": key}
        backend.call(Request("POST", collection_path(collection, "points", "count"), {}, body))
