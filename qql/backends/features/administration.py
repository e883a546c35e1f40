"""Features around collections: their names, aliases and snapshots, and a cluster's."""

from __future__ import annotations

from qql.rest.limits import OPTIMIZATION_LISTS
from qql.rest.request import Request
from qql.rest.types import JsonObject

from .base import DENSE, NOT_ITS, ONE_PIECE, Feature, feature, request

__all__ = ["ADMINISTRATION"]

_DOWNLOAD = "a snapshot is recovered from a file"
_EACH = "each collection has snapshots of its own"
_SHARED = "it protects a server that many share"


def _alias_actions(*actions: JsonObject) -> Request:
    return Request("POST", "/collections/aliases", {}, {"actions": list(actions)})


def _new_alias(name: str, collection: str = "docs") -> JsonObject:
    return {"create_alias": {"collection_name": collection, "alias_name": name}}


_SHARD_KEY = {"shard_key": "eu"}

ADMINISTRATION: tuple[Feature, ...] = (
    feature("admin.list", "SHOW COLLECTIONS", Request("GET", "/collections")),
    feature("admin.show", "SHOW COLLECTION docs", request("GET", "")),
    feature("admin.exists", "EXISTS COLLECTION docs", request("GET", "exists")),
    feature("admin.drop", "DROP COLLECTION docs", request("DELETE", "", to="spare")),
    feature("alias.create", "CREATE ALIAS now FOR docs", _alias_actions(_new_alias("now"))),
    feature(
        "alias.replace",
        "CREATE OR REPLACE ALIAS now FOR users",
        _alias_actions(_new_alias("now")),
        _alias_actions(_new_alias("now", "users")),
    ),
    feature(
        "alias.rename",
        "ALTER ALIAS now RENAME TO then",
        _alias_actions(_new_alias("now")),
        _alias_actions({"rename_alias": {"old_alias_name": "now", "new_alias_name": "then"}}),
    ),
    feature(
        "alias.drop",
        "DROP ALIAS now",
        _alias_actions(_new_alias("now")),
        _alias_actions({"delete_alias": {"alias_name": "now"}}),
    ),
    feature(
        "alias.batch",
        "BATCH { DROP ALIAS old; CREATE ALIAS now FOR docs; }",
        _alias_actions(_new_alias("old")),
        _alias_actions({"delete_alias": {"alias_name": "old"}}, _new_alias("now")),
    ),
    feature(
        "alias.use",
        "QUERY … FROM now",
        _alias_actions(_new_alias("now")),
        request("POST", "points/query", {"query": DENSE, "using": "dense"}, to="now"),
    ),
    feature("alias.show", "SHOW ALIASES", Request("GET", "/aliases")),
    feature("alias.show.collection", "SHOW ALIASES ON docs", request("GET", "aliases")),
    feature(
        "snapshot.create",
        "CREATE SNAPSHOT ON docs",
        request("POST", "snapshots", {}, wait="true"),
        local=NOT_ITS,
    ),
    feature("snapshot.show", "SHOW SNAPSHOTS ON docs", request("GET", "snapshots"), local=NOT_ITS),
    feature(
        "snapshot.drop", "DROP SNAPSHOT '…' ON docs", request("DELETE", "snapshots/{snapshot}"), local=NOT_ITS
    ),
    feature(
        "snapshot.recover",
        "RESTORE SNAPSHOT '…' ON docs",
        request("PUT", "snapshots/recover", {"location": "{snapshot}"}, wait="true"),
        local=NOT_ITS,
        only_rest=True,
    ),
    feature(
        "snapshot.recover.download",
        "RESTORE SNAPSHOT 'https://…' ON docs",
        request("PUT", "snapshots/recover", {"location": "https://localhost/a.snapshot"}),
        edge=_DOWNLOAD,
        local=NOT_ITS,
        only_rest=True,
    ),
    feature(
        "snapshot.all",
        "(no QQL) a snapshot of all collections",
        Request("POST", "/snapshots"),
        edge=_EACH,
        local=NOT_ITS,
    ),
    feature(
        "shard-key.create",
        "CREATE SHARD KEY 'eu' ON docs",
        request("PUT", "shards", _SHARD_KEY),
        edge=ONE_PIECE,
        local=NOT_ITS,
    ),
    feature(
        "shard-key.drop",
        "DROP SHARD KEY 'eu' ON docs",
        request("POST", "shards/delete", _SHARD_KEY),
        edge=ONE_PIECE,
        local=NOT_ITS,
    ),
    feature(
        "shard-key.show", "SHOW SHARD KEYS ON docs", request("GET", "shards"), edge=ONE_PIECE, local=NOT_ITS
    ),
    feature(
        "optimizations.show",
        "SHOW OPTIMIZATIONS ON docs",
        Request("GET", "/collections/docs/optimizations", {"with": OPTIMIZATION_LISTS}),
        since="1.17",
        edge="it optimizes when OPTIMIZE says so, and waits for it",
        local=NOT_ITS,
        only_rest=True,
    ),
    feature(
        "memory.show",
        "SHOW MEMORY ON docs",
        request("GET", "memory"),
        since="1.18",
        edge="its engine does not tell; the files are in the database's directory",
        local=NOT_ITS,
        only_rest=True,
    ),
    feature(
        "quota.show",
        "SHOW QUOTAS",
        Request("GET", "/quotas"),
        since="1.19",
        edge=_SHARED,
        local=NOT_ITS,
        only_rest=True,
    ),
    feature(
        "quota.set",
        "SET QUOTA (…)",
        Request("PUT", "/quotas", {}, {"enabled": True}),
        since="1.19",
        edge=_SHARED,
        local=NOT_ITS,
        only_rest=True,
    ),
    feature(
        "cluster.show",
        "(no QQL) the state of a cluster",
        Request("GET", "/cluster"),
        edge=ONE_PIECE,
        local=NOT_ITS,
        only_rest=True,
    ),
)
