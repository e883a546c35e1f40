"""The tree that the text of a statement becomes.

A node's docstring is the QQL that makes it. Nodes are immutable. ``span`` is where a node was written;
it is ignored by equality, so trees can be compared whatever their spelling and layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from qql.errors import Span

__all__ = [
    "And",
    "AnyInput",
    "Between",
    "Block",
    "Compare",
    "Condition",
    "Copy",
    "Count",
    "CreateCollection",
    "CreateIndex",
    "Cte",
    "Define",
    "Delete",
    "DropCollection",
    "DropIndex",
    "Explain",
    "Fusion",
    "In",
    "IsEmpty",
    "IsNull",
    "Lookup",
    "Mapping",
    "Match",
    "Name",
    "Node",
    "Not",
    "Optimize",
    "Option",
    "Or",
    "OrderBy",
    "Param",
    "Point",
    "Points",
    "Query",
    "Ref",
    "Scalar",
    "Scroll",
    "Selection",
    "ShowCollection",
    "ShowCollections",
    "ShowStages",
    "Statement",
    "Target",
    "Text",
    "Undefine",
    "Upsert",
    "Use",
    "Using",
    "Uuid",
    "Vector",
    "VectorDef",
    "is_uuid",
    "walk",
]

_NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of all nodes."""

    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Param(Node):
    """``:name`` or ``?``. ``key`` is the name, or the position counted from 0."""

    key: str | int


@dataclass(frozen=True, slots=True)
class Name(Node):
    """``docs``, ``'my docs'``, ``IDENTIFIER(:name)``: the name of a collection, vector, field or stage."""

    text: str | Param


@dataclass(frozen=True, slots=True)
class Uuid(Node):
    """``UUID('doc-1')``: a stable UUIDv5 of a text, in the URL namespace."""

    text: Scalar


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """``'text'``, ``42``, ``0.5``, ``true``, ``null``, ``:name``: one value with its place."""

    value: str | int | float | bool | Param | Uuid | None


# ---------------------------------------------------------------- targets


@dataclass(frozen=True, slots=True)
class Text(Node):
    """``'emergency care'``, ``TEXT '…' MODEL 'm'``."""

    text: Scalar
    model: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Vector(Node):
    """``[0.1, 0.2]``, ``[[…], …]``, ``{indices: […], values: […]}``, ``VECTOR :v``."""

    value: Any


@dataclass(frozen=True, slots=True)
class Point(Node):
    """``POINT 42``, ``POINT 'uuid'``."""

    id: Scalar


@dataclass(frozen=True, slots=True)
class Points(Node):
    """``POINTS (1, 2)``, ``POINTS :ids``: the points themselves, without a search."""

    ids: tuple[Scalar, ...] | Param


@dataclass(frozen=True, slots=True)
class AnyInput(Node):
    """``QUERY :q``: the bound value decides whether it is a text, a vector or a point."""

    value: Any


Target = Text | Vector | Point | Points | AnyInput


# ---------------------------------------------------------------- filters


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``field = value``; the operators are ``= != < <= > >=``."""

    name: Name
    op: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Between(Node):
    """``field BETWEEN low AND high``, both ends included."""

    name: Name
    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class In(Node):
    """``field IN ('a', 'b')``, ``field IN :tags``."""

    name: Name
    values: tuple[Scalar, ...] | Param


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """``field IS NULL``."""

    name: Name


@dataclass(frozen=True, slots=True)
class IsEmpty(Node):
    """``field IS EMPTY``: missing, null or an empty list."""

    name: Name


MatchKind = Literal["text", "phrase", "prefix", "text_any", "any", "except"]


@dataclass(frozen=True, slots=True)
class Match(Node):
    """``field MATCH [PHRASE|PREFIX|TOKENS] 'words'``, ``field MATCH ANY|EXCEPT ('a', 'b')``."""

    name: Name
    kind: MatchKind
    value: Scalar | tuple[Scalar, ...] | Param


@dataclass(frozen=True, slots=True)
class And(Node):
    """``a AND b AND …``."""

    children: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """``a OR b OR …``."""

    children: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """``NOT a``, and the NOT of NOT IN, NOT BETWEEN, IS NOT NULL, IS NOT EMPTY and NOT MATCH."""

    child: Condition


Condition = Compare | Between | In | IsNull | IsEmpty | Match | And | Or | Not


# ---------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class Fusion(Node):
    """``FUSION RRF``, ``FUSION DBSF``."""

    method: str


@dataclass(frozen=True, slots=True)
class Using(Node):
    """``USING dense [AS DENSE|SPARSE|MULTI]``."""

    name: Name
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Option(Node):
    """``rrf_k = 20``. ``value`` is a scalar, a list, a dict, or a tuple of options."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Selection(Node):
    """``true``, ``false``, ``INCLUDE (a, b)``, ``EXCLUDE (a)`` after WITH PAYLOAD or WITH VECTOR."""

    mode: str
    names: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup(Node):
    """``LOOKUP FROM other [VECTOR v]``."""

    collection: Name
    vector: Name | None = None


@dataclass(frozen=True, slots=True)
class OrderBy(Node):
    """``ORDER BY field [ASC|DESC] [START FROM value]``."""

    name: Name
    direction: str | None = None
    start: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Ref(Node):
    """``name [WHERE f] [SCORE THRESHOLD x] [LOOKUP FROM c]`` or an inline stage in PREFETCH."""

    stage: Name | Query
    where: Condition | None = None
    threshold: Scalar | None = None
    lookup: Lookup | None = None


@dataclass(frozen=True, slots=True)
class Cte(Node):
    """``name AS ( stage )`` after WITH."""

    name: Name
    stage: Query


@dataclass(frozen=True, slots=True)
class Query(Node):
    """``[WITH …] QUERY target FROM c USING v WHERE f PREFETCH (…) FUSION RRF … LIMIT n``; also a stage."""

    ctes: tuple[Cte, ...] = ()
    target: Target | None = None
    source: Name | None = None
    using: Using | None = None
    where: Condition | None = None
    prefetch: tuple[Ref, ...] = ()
    fusion: Fusion | None = None
    threshold: Scalar | None = None
    params: tuple[Option, ...] = ()
    lookup: Lookup | None = None
    payload: Selection | None = None
    vectors: Selection | None = None
    limit: Scalar | None = None
    offset: Scalar | None = None


# ---------------------------------------------------------------- other statements


@dataclass(frozen=True, slots=True)
class Count(Node):
    """``COUNT FROM c [WHERE f] [WITH (exact = b)]``."""

    source: Name | None = None
    where: Condition | None = None
    params: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Scroll(Node):
    """``SCROLL FROM c [WHERE f] [AFTER id] [ORDER BY field] [LIMIT n]``."""

    source: Name | None = None
    where: Condition | None = None
    after: Scalar | None = None
    order_by: OrderBy | None = None
    payload: Selection | None = None
    vectors: Selection | None = None
    limit: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Delete(Node):
    """``DELETE FROM c WHERE f [WAIT b]``."""

    source: Name | None = None
    where: Condition | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Upsert(Node):
    """``UPSERT INTO c VALUES {id: 1, vector: […], field: …}, … [WAIT b]``, ``VALUES :rows``.

    A row is a dict whose values are JSON values, `Param` or `Uuid`.
    """

    collection: Name
    rows: tuple[Any, ...] | Param
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Mapping(Node):
    """``text = body``, ``id = UUID(key)``, ``payload = (a, b)`` in COPY … MAP."""

    target: Name
    source: Name | tuple[Name, ...]
    uuid: bool = False


@dataclass(frozen=True, slots=True)
class Copy(Node):
    """``COPY c FROM 'file' [FORMAT f] [MAP (id = key, …)] [BATCH n] [ON ERROR SKIP|STOP]``."""

    collection: Name
    path: Scalar
    format: Name | None = None
    map: tuple[Mapping, ...] = ()
    batch: Scalar | None = None
    on_error: str | None = None


@dataclass(frozen=True, slots=True)
class Block(Node):
    """``WITH HNSW (m = 16)`` and its like in CREATE COLLECTION."""

    kind: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class VectorDef(Node):
    """``dense VECTOR(384, COSINE) MODEL 'm' WITH HNSW (…)``, ``sparse SPARSE MODEL 'qdrant/bm25'``."""

    name: Name
    kind: str
    size: Scalar | None = None
    distance: str | None = None
    model: Scalar | None = None
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateCollection(Node):
    """``CREATE COLLECTION [IF NOT EXISTS] c (dense VECTOR(384, COSINE), …) WITH HNSW (…)``."""

    name: Name
    if_not_exists: bool = False
    vectors: tuple[VectorDef, ...] = ()
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class DropCollection(Node):
    """``DROP COLLECTION [IF EXISTS] c``."""

    name: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class CreateIndex(Node):
    """``CREATE INDEX ON c FOR field [TYPE keyword] [WITH (…)] [WAIT b]``."""

    collection: Name
    name: Name
    type: Name | None = None
    options: tuple[Option, ...] = ()
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class DropIndex(Node):
    """``DROP INDEX ON c FOR field [WAIT b]``."""

    collection: Name
    name: Name
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Optimize(Node):
    """``OPTIMIZE c``."""

    collection: Name


@dataclass(frozen=True, slots=True)
class Use(Node):
    """``USE c``: the collection of statements that name none."""

    collection: Name


@dataclass(frozen=True, slots=True)
class Define(Node):
    """``DEFINE name AS ( stage )``: a stage for the rest of the session or script."""

    name: Name
    stage: Query


@dataclass(frozen=True, slots=True)
class Undefine(Node):
    """``UNDEFINE name``."""

    name: Name


@dataclass(frozen=True, slots=True)
class ShowStages(Node):
    """``SHOW STAGES``."""


@dataclass(frozen=True, slots=True)
class ShowCollections(Node):
    """``SHOW COLLECTIONS``."""


@dataclass(frozen=True, slots=True)
class ShowCollection(Node):
    """``SHOW COLLECTION c``."""

    name: Name


@dataclass(frozen=True, slots=True)
class Explain(Node):
    """``EXPLAIN statement``."""

    statement: Statement


Statement = (
    Query
    | Count
    | Scroll
    | Delete
    | Upsert
    | Copy
    | CreateCollection
    | DropCollection
    | CreateIndex
    | DropIndex
    | Optimize
    | Use
    | Define
    | Undefine
    | ShowStages
    | ShowCollections
    | ShowCollection
    | Explain
)


_UUID = re.compile(
    r"(?:urn:uuid:)?(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})"
    r"|\{[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}",
    re.ASCII | re.IGNORECASE,
)


def is_uuid(text: str) -> bool:
    """Whether Qdrant reads the text as a UUID: hyphenated, simple, in braces, or with ``urn:uuid:``."""
    return _UUID.fullmatch(text) is not None


def walk(value: Any) -> Iterator[Node]:
    """Every node below a node, tuple, list or dict, the node itself first; depth is not limited."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, Node):
            yield item
            todo.extend(getattr(item, f.name) for f in reversed(fields(item)) if f.name != "span")
        elif isinstance(item, (tuple, list)):
            todo.extend(reversed(item))
        elif isinstance(item, dict):
            todo.extend(item.values())
