"""Statements about collections and what belongs to them: indexes, aliases, snapshots, shards, quotas."""

from __future__ import annotations

from qql.nodes.core import Name, Node, Option, Scalar, node
from qql.nodes.declare import Rows, statement

__all__ = [
    "AddVector",
    "AlterCollection",
    "Block",
    "CollectionStatement",
    "CreateAlias",
    "CreateCollection",
    "CreateIndex",
    "CreateShardKey",
    "CreateSnapshot",
    "DropAlias",
    "DropCollection",
    "DropIndex",
    "DropShardKey",
    "DropSnapshot",
    "DropVector",
    "ExistsCollection",
    "Optimize",
    "RenameAlias",
    "RestoreSnapshot",
    "SetQuota",
    "ShowAliases",
    "ShowCollection",
    "ShowCollections",
    "ShowIndexes",
    "ShowQuotas",
    "ShowShardKeys",
    "ShowSnapshots",
    "VectorChange",
    "VectorDef",
]


@node
class Block(Node):
    """``WITH HNSW (m = 16)`` and its like in CREATE COLLECTION."""

    kind: str
    options: tuple[Option, ...]


@node
class VectorDef(Node):
    """``dense VECTOR(384, COSINE) MODEL 'm' WITH HNSW (…)``, ``sparse SPARSE MODEL 'qdrant/bm25'``."""

    name: Name
    kind: str
    size: Scalar | None = None
    distance: str | None = None
    model: Scalar | None = None
    blocks: tuple[Block, ...] = ()


@statement("CREATE COLLECTION {if_not_exists} {name}", shows="created collection {collection}")
@node
class CreateCollection(Node):
    """``CREATE COLLECTION [IF NOT EXISTS] c (dense VECTOR(384, COSINE), …) WITH HNSW (…)``."""

    name: Name
    if_not_exists: bool = False
    vectors: tuple[VectorDef, ...] = ()
    blocks: tuple[Block, ...] = ()


@node
class VectorChange(Node):
    """``WITH VECTOR name (HNSW (m = 16), QUANTIZATION (…))``, ``WITH SPARSE name (INDEX (…))`` in ALTER.

    ``kind`` is dense or sparse.
    """

    name: Name
    kind: str
    blocks: tuple[Block, ...]


@statement("ALTER COLLECTION {name}", shows="altered collection {collection}")
@node
class AlterCollection(Node):
    """``ALTER COLLECTION c WITH HNSW (m = 16) WITH VECTOR dense (HNSW (m = 32)) …``."""

    name: Name
    blocks: tuple[Block, ...] = ()
    changes: tuple[VectorChange, ...] = ()


@statement("ALTER COLLECTION {collection} ADD {vector}", shows="added the vector {name} to {collection}")
@node
class AddVector(Node):
    """``ALTER COLLECTION c ADD dense VECTOR(384, COSINE)``."""

    collection: Name
    vector: VectorDef


@statement(
    "ALTER COLLECTION {collection} DROP VECTOR {name}", shows="dropped the vector {name} of {collection}"
)
@node
class DropVector(Node):
    """``ALTER COLLECTION c DROP VECTOR dense``."""

    collection: Name
    name: Name


@statement(
    "DROP COLLECTION {if_exists} {name}",
    sends="DELETE /collections/{name}",
    shows="dropped collection {collection}",
)
@node
class DropCollection(Node):
    """``DROP COLLECTION [IF EXISTS] c``."""

    name: Name
    if_exists: bool = False


@statement(
    "CREATE INDEX {if_not_exists} ON {collection} FOR {name} TYPE {type}",
    "options wait",
    shows="indexed {name} of {collection}",
)
@node
class CreateIndex(Node):
    """``CREATE INDEX [IF NOT EXISTS] ON c FOR field [TYPE keyword] [WITH (…)] [WAIT b]``."""

    collection: Name
    name: Name
    type: Name | None = None
    options: tuple[Option, ...] = ()
    wait: Scalar | None = None
    if_not_exists: bool = False


@statement(
    "DROP INDEX {if_exists} ON {collection} FOR {name}",
    "wait",
    shows="dropped the index on {name} of {collection}",
)
@node
class DropIndex(Node):
    """``DROP INDEX [IF EXISTS] ON c FOR field [WAIT b]``."""

    collection: Name
    name: Name
    wait: Scalar | None = None
    if_exists: bool = False


@statement("SHOW INDEXES ON {collection}", sends="GET /collections/{collection}")
@node
class ShowIndexes(Node):
    """``SHOW INDEXES ON c``."""

    collection: Name


@statement(
    "CREATE {replace} ALIAS {if_not_exists} {name} FOR {collection}",
    shows="the alias {name} stands for {collection}",
)
@node
class CreateAlias(Node):
    """``CREATE [OR REPLACE] ALIAS [IF NOT EXISTS] a FOR c``."""

    name: Name
    collection: Name
    replace: bool = False
    if_not_exists: bool = False


@statement("DROP ALIAS {if_exists} {name}", shows="dropped the alias {name}")
@node
class DropAlias(Node):
    """``DROP ALIAS [IF EXISTS] a``."""

    name: Name
    if_exists: bool = False


@statement("ALTER ALIAS {name} RENAME TO {to}", shows="renamed the alias {name} to {to}")
@node
class RenameAlias(Node):
    """``ALTER ALIAS a RENAME TO b``."""

    name: Name
    to: Name


@statement(
    "SHOW ALIASES ON {collection}", shows=Rows.of("aliases", alias="alias_name", collection="collection_name")
)
@node
class ShowAliases(Node):
    """``SHOW ALIASES [ON c]``."""

    collection: Name | None = None


@statement("CREATE SNAPSHOT ON {collection}", shows="created the snapshot {answer[name]} of {collection}")
@node
class CreateSnapshot(Node):
    """``CREATE SNAPSHOT ON c``."""

    collection: Name


@statement(
    "DROP SNAPSHOT {if_exists} {snapshot} ON {collection}",
    shows="dropped the snapshot {name} of {collection}",
)
@node
class DropSnapshot(Node):
    """``DROP SNAPSHOT [IF EXISTS] 'name' ON c``."""

    snapshot: Scalar
    collection: Name
    if_exists: bool = False


@statement(
    "RESTORE SNAPSHOT {snapshot} ON {collection} WITH {options}", shows="restored {collection} from {name}"
)
@node
class RestoreSnapshot(Node):
    """``RESTORE SNAPSHOT 'name or location' ON c [WITH (checksum = '…', priority = snapshot)]``."""

    snapshot: Scalar
    collection: Name
    options: tuple[Option, ...] = ()


@statement(
    "SHOW SNAPSHOTS ON {collection}",
    sends="GET /collections/{collection}/snapshots",
    shows=Rows.of("", name="name", created="creation_time", bytes="size", checksum="checksum"),
)
@node
class ShowSnapshots(Node):
    """``SHOW SNAPSHOTS ON c``."""

    collection: Name


@statement(
    "CREATE SHARD KEY {key} ON {collection}", "options", shows="created the shard key {name} of {collection}"
)
@node
class CreateShardKey(Node):
    """``CREATE SHARD KEY 'k' ON c [WITH (shards_number = 2, replication_factor = 1, placement = [1])]``."""

    key: Scalar
    collection: Name
    options: tuple[Option, ...] = ()


@statement("DROP SHARD KEY {key} ON {collection}", shows="dropped the shard key {name} of {collection}")
@node
class DropShardKey(Node):
    """``DROP SHARD KEY 'k' ON c``."""

    key: Scalar
    collection: Name


@statement(
    "SHOW SHARD KEYS ON {collection}",
    sends="GET /collections/{collection}/shards",
    shows=Rows.of("shard_keys", shard_key="key"),
)
@node
class ShowShardKeys(Node):
    """``SHOW SHARD KEYS ON c``."""

    collection: Name


@statement("SET QUOTA {options}", "wait", shows="set the quota")
@node
class SetQuota(Node):
    """``SET QUOTA (enabled = true, max_disk_usage_percent = 90) [WAIT b]``."""

    options: tuple[Option, ...]
    wait: Scalar | None = None


@statement("SHOW QUOTAS", sends="GET /quotas")
@node
class ShowQuotas(Node):
    """``SHOW QUOTAS``."""


@statement("OPTIMIZE {collection} WITH {options}")
@node
class Optimize(Node):
    """``OPTIMIZE c [WITH (timeout = 600)]``."""

    collection: Name
    options: tuple[Option, ...] = ()


@statement("SHOW COLLECTIONS", sends="GET /collections", shows=Rows.of("collections", collection="name"))
@node
class ShowCollections(Node):
    """``SHOW COLLECTIONS``."""


@statement("SHOW COLLECTION {name}", sends="GET /collections/{name}")
@node
class ShowCollection(Node):
    """``SHOW COLLECTION c``."""

    name: Name


@statement("EXISTS COLLECTION {name}", sends="GET /collections/{name}/exists")
@node
class ExistsCollection(Node):
    """``EXISTS COLLECTION c``."""

    name: Name


CollectionStatement = (
    CreateCollection
    | AlterCollection
    | AddVector
    | DropVector
    | DropCollection
    | CreateIndex
    | DropIndex
    | ShowIndexes
    | CreateAlias
    | DropAlias
    | RenameAlias
    | ShowAliases
    | CreateSnapshot
    | DropSnapshot
    | RestoreSnapshot
    | ShowSnapshots
    | CreateShardKey
    | DropShardKey
    | ShowShardKeys
    | SetQuota
    | ShowQuotas
    | Optimize
    | ShowCollections
    | ShowCollection
    | ExistsCollection
)
"""Statements about collections and what belongs to them."""
