"""Statements about collections and what belongs to them: indexes, aliases, snapshots, shards, quotas."""

from __future__ import annotations

from qql.nodes.core import Name, Node, NodeType, Option, Scalar
from qql.nodes.declare import READS, REMOVES, WRITES, Rows, statement

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
    "ShowMemory",
    "ShowOptimizations",
    "ShowQuotas",
    "ShowShardKeys",
    "ShowSnapshots",
    "VectorChange",
    "VectorDef",
]


class Block(Node, metaclass=NodeType):
    """``WITH HNSW (m = 16)`` and its like in CREATE COLLECTION."""

    kind: str
    options: tuple[Option, ...]


class VectorDef(Node, metaclass=NodeType):
    """``dense VECTOR(384, COSINE) MODEL 'm' WITH HNSW (…)``, ``sparse SPARSE MODEL 'qdrant/bm25'``."""

    name: Name
    kind: str
    size: Scalar | None = None
    distance: str | None = None
    model: Scalar | None = None
    blocks: tuple[Block, ...] = ()


@statement("CREATE COLLECTION {if_not_exists} {name}", shows="created collection {collection}", effect=WRITES)
class CreateCollection(Node, metaclass=NodeType):
    """``CREATE COLLECTION [IF NOT EXISTS] c (dense VECTOR(384, COSINE), …) WITH HNSW (…)``."""

    name: Name
    if_not_exists: bool = False
    vectors: tuple[VectorDef, ...] = ()
    blocks: tuple[Block, ...] = ()


class VectorChange(Node, metaclass=NodeType):
    """``WITH VECTOR name (HNSW (m = 16), QUANTIZATION (…))``, ``WITH SPARSE name (INDEX (…))`` in ALTER.

    ``kind`` is dense or sparse.
    """

    name: Name
    kind: str
    blocks: tuple[Block, ...]


@statement("ALTER COLLECTION {name}", shows="altered collection {collection}", effect=WRITES)
class AlterCollection(Node, metaclass=NodeType):
    """``ALTER COLLECTION c WITH HNSW (m = 16) WITH VECTOR dense (HNSW (m = 32)) …``."""

    name: Name
    blocks: tuple[Block, ...] = ()
    changes: tuple[VectorChange, ...] = ()


@statement(
    "ALTER COLLECTION {collection} ADD {vector}",
    shows="added the vector {name} to {collection}",
    effect=WRITES,
)
class AddVector(Node, metaclass=NodeType):
    """``ALTER COLLECTION c ADD dense VECTOR(384, COSINE)``."""

    collection: Name
    vector: VectorDef


@statement(
    "ALTER COLLECTION {collection} DROP VECTOR {name}",
    shows="dropped the vector {name} of {collection}",
    effect=REMOVES,
)
class DropVector(Node, metaclass=NodeType):
    """``ALTER COLLECTION c DROP VECTOR dense``."""

    collection: Name
    name: Name


@statement(
    "DROP COLLECTION {if_exists} {name}",
    sends="DELETE /collections/{name}",
    shows="dropped collection {collection}",
    effect=REMOVES,
)
class DropCollection(Node, metaclass=NodeType):
    """``DROP COLLECTION [IF EXISTS] c``."""

    name: Name
    if_exists: bool = False


@statement(
    "CREATE INDEX {if_not_exists} ON {collection} FOR {name} TYPE {type}",
    "options wait",
    shows="indexed {name} of {collection}",
    effect=WRITES,
)
class CreateIndex(Node, metaclass=NodeType):
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
    effect=REMOVES,
)
class DropIndex(Node, metaclass=NodeType):
    """``DROP INDEX [IF EXISTS] ON c FOR field [WAIT b]``."""

    collection: Name
    name: Name
    wait: Scalar | None = None
    if_exists: bool = False


@statement("SHOW INDEXES ON {collection}", sends="GET /collections/{collection}")
class ShowIndexes(Node, metaclass=NodeType):
    """``SHOW INDEXES ON c``."""

    collection: Name


@statement(
    "CREATE {replace} ALIAS {if_not_exists} {name} FOR {collection}",
    shows="the alias {name} stands for {collection}",
    effect=WRITES,
)
class CreateAlias(Node, metaclass=NodeType):
    """``CREATE [OR REPLACE] ALIAS [IF NOT EXISTS] a FOR c``."""

    name: Name
    collection: Name
    replace: bool = False
    if_not_exists: bool = False


@statement("DROP ALIAS {if_exists} {name}", shows="dropped the alias {name}", effect=REMOVES)
class DropAlias(Node, metaclass=NodeType):
    """``DROP ALIAS [IF EXISTS] a``."""

    name: Name
    if_exists: bool = False


@statement("ALTER ALIAS {name} RENAME TO {to}", shows="renamed the alias {name} to {to}", effect=WRITES)
class RenameAlias(Node, metaclass=NodeType):
    """``ALTER ALIAS a RENAME TO b``."""

    name: Name
    to: Name


@statement(
    "SHOW ALIASES ON {collection}",
    shows=Rows.of("aliases", alias="alias_name", collection="collection_name"),
    effect=READS,
)
class ShowAliases(Node, metaclass=NodeType):
    """``SHOW ALIASES [ON c]``."""

    collection: Name | None = None


@statement(
    "CREATE SNAPSHOT ON {collection}",
    shows="created the snapshot {answer[name]} of {collection}",
    effect=WRITES,
)
class CreateSnapshot(Node, metaclass=NodeType):
    """``CREATE SNAPSHOT ON c``."""

    collection: Name


@statement(
    "DROP SNAPSHOT {if_exists} {snapshot} ON {collection}",
    shows="dropped the snapshot {name} of {collection}",
    effect=REMOVES,
)
class DropSnapshot(Node, metaclass=NodeType):
    """``DROP SNAPSHOT [IF EXISTS] 'name' ON c``."""

    snapshot: Scalar
    collection: Name
    if_exists: bool = False


@statement(
    "RESTORE SNAPSHOT {snapshot} ON {collection} WITH {options}",
    shows="restored {collection} from {name}",
    effect=REMOVES,
)
class RestoreSnapshot(Node, metaclass=NodeType):
    """``RESTORE SNAPSHOT 'name or location' ON c [WITH (checksum = '…', priority = snapshot)]``."""

    snapshot: Scalar
    collection: Name
    options: tuple[Option, ...] = ()


@statement(
    "SHOW SNAPSHOTS ON {collection}",
    sends="GET /collections/{collection}/snapshots",
    shows=Rows.of("", name="name", created="creation_time", bytes="size", checksum="checksum"),
)
class ShowSnapshots(Node, metaclass=NodeType):
    """``SHOW SNAPSHOTS ON c``."""

    collection: Name


@statement(
    "CREATE SHARD KEY {key} ON {collection}",
    "options",
    shows="created the shard key {name} of {collection}",
    effect=WRITES,
)
class CreateShardKey(Node, metaclass=NodeType):
    """``CREATE SHARD KEY 'k' ON c [WITH (shards_number = 2, replication_factor = 1, placement = [1])]``."""

    key: Scalar
    collection: Name
    options: tuple[Option, ...] = ()


@statement(
    "DROP SHARD KEY {key} ON {collection}",
    shows="dropped the shard key {name} of {collection}",
    effect=REMOVES,
)
class DropShardKey(Node, metaclass=NodeType):
    """``DROP SHARD KEY 'k' ON c``."""

    key: Scalar
    collection: Name


@statement(
    "SHOW SHARD KEYS ON {collection}",
    sends="GET /collections/{collection}/shards",
    shows=Rows.of("shard_keys", shard_key="key"),
)
class ShowShardKeys(Node, metaclass=NodeType):
    """``SHOW SHARD KEYS ON c``."""

    collection: Name


@statement("SET QUOTA {options}", "wait", shows="set the quota", effect=WRITES)
class SetQuota(Node, metaclass=NodeType):
    """``SET QUOTA (enabled = true, max_disk_usage_percent = 90) [WAIT b]``."""

    options: tuple[Option, ...]
    wait: Scalar | None = None


@statement("SHOW QUOTAS", sends="GET /quotas")
class ShowQuotas(Node, metaclass=NodeType):
    """``SHOW QUOTAS``."""


@statement("SHOW OPTIMIZATIONS ON {collection}", effect=READS)
class ShowOptimizations(Node, metaclass=NodeType):
    """``SHOW OPTIMIZATIONS ON c``."""

    collection: Name


@statement("SHOW MEMORY ON {collection}", sends="GET /collections/{collection}/memory")
class ShowMemory(Node, metaclass=NodeType):
    """``SHOW MEMORY ON c``."""

    collection: Name


@statement("OPTIMIZE {collection} WITH {options}", effect=WRITES)
class Optimize(Node, metaclass=NodeType):
    """``OPTIMIZE c [WITH (timeout = 600)]``."""

    collection: Name
    options: tuple[Option, ...] = ()


@statement("SHOW COLLECTIONS", sends="GET /collections", shows=Rows.of("collections", collection="name"))
class ShowCollections(Node, metaclass=NodeType):
    """``SHOW COLLECTIONS``."""


@statement("SHOW COLLECTION {name}", sends="GET /collections/{name}")
class ShowCollection(Node, metaclass=NodeType):
    """``SHOW COLLECTION c``."""

    name: Name


@statement("EXISTS COLLECTION {name}", sends="GET /collections/{name}/exists")
class ExistsCollection(Node, metaclass=NodeType):
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
    | ShowOptimizations
    | ShowMemory
    | Optimize
    | ShowCollections
    | ShowCollection
    | ExistsCollection
)
"""Statements about collections and what belongs to them."""
