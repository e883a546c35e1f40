"""Statements about collections and what belongs to them; their arguments are as in `qql.build.points`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qql import nodes
from qql.build import values
from qql.build.built import Statement
from qql.build.clauses import made
from qql.build.points import statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from qql.build.clauses import Name, Options
    from qql.build.fields import Value, Words

    Blocks = Mapping[str, Options]
    Distance = Literal["cosine", "dot", "euclid", "manhattan"]

__all__ = [
    "add_vector",
    "alter_collection",
    "create_alias",
    "create_collection",
    "create_index",
    "create_shard_key",
    "create_snapshot",
    "dense",
    "drop_alias",
    "drop_collection",
    "drop_index",
    "drop_shard_key",
    "drop_snapshot",
    "drop_vector",
    "exists_collection",
    "optimize",
    "rename_alias",
    "restore_snapshot",
    "set_quota",
    "show_aliases",
    "show_collection",
    "show_collections",
    "show_indexes",
    "show_memory",
    "show_optimizations",
    "show_quotas",
    "show_shard_keys",
    "show_snapshots",
    "sparse",
    "vector_change",
]


def _blocks(given: Blocks | None, at: str) -> tuple[nodes.Block, ...]:
    """``WITH HNSW (m = 16)`` of ``{"hnsw": {"m": 16}}``."""
    if given is not None and not isinstance(given, Mapping):
        values.wrong(at, f"takes options by block, {{'hnsw': {{'m': 16}}}}, not {values.kind_of(given)}")
    return tuple(
        nodes.Block(str(kind).lower(), values.options(options, f"{at}[{kind!r}]"))
        for kind, options in (given or {}).items()
    )


# ------------------------------------------------------------------------------------ collections


def dense(
    name: Name,
    size: Value = None,
    distance: Distance | None = None,
    *,
    model: Words | None = None,
    blocks: Blocks | None = None,
) -> nodes.VectorDef:
    """``dense VECTOR(384, COSINE) [MODEL m] [WITH HNSW (…)]`` of `create_collection` and `add_vector`.

    ``blocks`` are options by block: ``{"hnsw": {"m": 16}}``. The vector of no name is called ``""``.
    """
    word = None if distance is None else str(values.word(distance, "dense(distance)")).capitalize()
    given = {"name": name, "kind": "dense", "size": size, "distance": word, "model": model}
    return made(nodes.VectorDef, {**given, "blocks": _blocks(blocks, "dense(blocks)")}, "dense")


def sparse(name: Name, *, model: Words | None = None, blocks: Blocks | None = None) -> nodes.VectorDef:
    """``sparse SPARSE [MODEL m] [WITH …]`` of `create_collection` and `add_vector`."""
    given = {"name": name, "kind": "sparse", "model": model, "blocks": _blocks(blocks, "sparse(blocks)")}
    return made(nodes.VectorDef, given, "sparse")


def create_collection(
    name: Name,
    vectors: Iterable[nodes.VectorDef] = (),
    *,
    if_not_exists: bool = False,
    blocks: Blocks | None = None,
) -> Statement:
    """``CREATE COLLECTION [IF NOT EXISTS] c (…) WITH …``; vectors are `dense` and `sparse`."""
    held = _blocks(blocks, "create_collection(blocks)")
    given = {"name": name, "if_not_exists": if_not_exists, "vectors": tuple(vectors), "blocks": held}
    return statement(nodes.CreateCollection, given)


def alter_collection(
    name: Name, *, blocks: Blocks | None = None, changes: Iterable[nodes.VectorChange] = ()
) -> Statement:
    """``ALTER COLLECTION c WITH HNSW (m = 16) …``; ``changes`` are those of vectors (`vector_change`)."""
    held = _blocks(blocks, "alter_collection(blocks)")
    return statement(nodes.AlterCollection, {"name": name, "blocks": held, "changes": tuple(changes)})


def vector_change(name: Name, kind: Literal["dense", "sparse"], blocks: Blocks) -> nodes.VectorChange:
    """``WITH VECTOR name (HNSW (m = 16))`` of `alter_collection`."""
    held = _blocks(blocks, "vector_change(blocks)")
    return made(nodes.VectorChange, {"name": name, "kind": kind, "blocks": held})


def add_vector(collection: Name, vector: nodes.VectorDef) -> Statement:
    """``ALTER COLLECTION c ADD dense VECTOR(384, COSINE)``."""
    return statement(nodes.AddVector, locals())


def drop_vector(collection: Name, name: Name) -> Statement:
    """``ALTER COLLECTION c DROP VECTOR dense``."""
    return statement(nodes.DropVector, locals())


def drop_collection(name: Name, *, if_exists: bool = False) -> Statement:
    """``DROP COLLECTION [IF EXISTS] c``."""
    return statement(nodes.DropCollection, locals())


def show_collections() -> Statement:
    """``SHOW COLLECTIONS``."""
    return statement(nodes.ShowCollections, {})


def show_collection(name: Name) -> Statement:
    """``SHOW COLLECTION c``."""
    return statement(nodes.ShowCollection, locals())


def exists_collection(name: Name) -> Statement:
    """``EXISTS COLLECTION c``."""
    return statement(nodes.ExistsCollection, locals())


def optimize(collection: Name, options: Options | None = None) -> Statement:
    """``OPTIMIZE c [WITH (timeout = 600)]``."""
    return statement(nodes.Optimize, locals())


# ------------------------------------------------------------------------------------ indexes, aliases


def create_index(
    collection: Name,
    name: Name,
    type: Name | None = None,
    *,
    options: Options | None = None,
    wait: Value = None,
    if_not_exists: bool = False,
) -> Statement:
    """``CREATE INDEX ON c FOR field [TYPE keyword] [WITH (…)]``."""
    return statement(nodes.CreateIndex, locals())


def drop_index(collection: Name, name: Name, *, wait: Value = None, if_exists: bool = False) -> Statement:
    """``DROP INDEX [IF EXISTS] ON c FOR field``."""
    return statement(nodes.DropIndex, locals())


def show_indexes(collection: Name) -> Statement:
    """``SHOW INDEXES ON c``."""
    return statement(nodes.ShowIndexes, locals())


def create_alias(
    name: Name, collection: Name, *, replace: bool = False, if_not_exists: bool = False
) -> Statement:
    """``CREATE [OR REPLACE] ALIAS [IF NOT EXISTS] a FOR c``."""
    return statement(nodes.CreateAlias, locals())


def drop_alias(name: Name, *, if_exists: bool = False) -> Statement:
    """``DROP ALIAS [IF EXISTS] a``."""
    return statement(nodes.DropAlias, locals())


def rename_alias(name: Name, to: Name) -> Statement:
    """``ALTER ALIAS a RENAME TO b``."""
    return statement(nodes.RenameAlias, locals())


def show_aliases(collection: Name | None = None) -> Statement:
    """``SHOW ALIASES [ON c]``."""
    return statement(nodes.ShowAliases, locals())


# ------------------------------------------------------------------------------------ the rest


def create_snapshot(collection: Name) -> Statement:
    """``CREATE SNAPSHOT ON c``."""
    return statement(nodes.CreateSnapshot, locals())


def drop_snapshot(snapshot: Words, collection: Name, *, if_exists: bool = False) -> Statement:
    """``DROP SNAPSHOT [IF EXISTS] 'name' ON c``."""
    return statement(nodes.DropSnapshot, locals())


def restore_snapshot(snapshot: Words, collection: Name, options: Options | None = None) -> Statement:
    """``RESTORE SNAPSHOT 'name or location' ON c [WITH (…)]``."""
    return statement(nodes.RestoreSnapshot, locals())


def show_snapshots(collection: Name) -> Statement:
    """``SHOW SNAPSHOTS ON c``."""
    return statement(nodes.ShowSnapshots, locals())


def create_shard_key(key: Value, collection: Name, options: Options | None = None) -> Statement:
    """``CREATE SHARD KEY 'k' ON c [WITH (…)]``."""
    return statement(nodes.CreateShardKey, locals())


def drop_shard_key(key: Value, collection: Name) -> Statement:
    """``DROP SHARD KEY 'k' ON c``."""
    return statement(nodes.DropShardKey, locals())


def show_shard_keys(collection: Name) -> Statement:
    """``SHOW SHARD KEYS ON c``."""
    return statement(nodes.ShowShardKeys, locals())


def set_quota(options: Options, *, wait: Value = None) -> Statement:
    """``SET QUOTA (…)``."""
    return statement(nodes.SetQuota, locals())


def show_optimizations(collection: Name) -> Statement:
    """``SHOW OPTIMIZATIONS ON c``: what a server's optimizers do, have done and will do."""
    return statement(nodes.ShowOptimizations, locals())


def show_memory(collection: Name) -> Statement:
    """``SHOW MEMORY ON c``: the bytes that each part of a collection takes of a server."""
    return statement(nodes.ShowMemory, locals())


def show_quotas() -> Statement:
    """``SHOW QUOTAS``."""
    return statement(nodes.ShowQuotas, {})
