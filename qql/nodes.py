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
    "AddVector",
    "AlterCollection",
    "And",
    "AnyInput",
    "Batch",
    "Between",
    "Block",
    "Call",
    "Case",
    "ClearPayload",
    "Compare",
    "Condition",
    "Context",
    "ContextPair",
    "Copy",
    "Count",
    "CreateAlias",
    "CreateCollection",
    "CreateIndex",
    "CreateShardKey",
    "CreateSnapshot",
    "Cte",
    "Datetime",
    "DatetimeKey",
    "Decay",
    "Define",
    "Delete",
    "DeletePayload",
    "DeleteVector",
    "Discover",
    "Divide",
    "DropAlias",
    "DropCollection",
    "DropIndex",
    "DropShardKey",
    "DropSnapshot",
    "DropVector",
    "Dump",
    "Embedding",
    "Execute",
    "Explain",
    "Expression",
    "Facet",
    "FeedbackItem",
    "Formula",
    "FullText",
    "Fusion",
    "Geo",
    "GeoDistance",
    "Group",
    "GroupLookup",
    "HasVector",
    "Hybrid",
    "Image",
    "In",
    "Inference",
    "Input",
    "IsEmpty",
    "IsNull",
    "Lookup",
    "Mapping",
    "Match",
    "MinShould",
    "Mmr",
    "Name",
    "Nested",
    "Node",
    "Not",
    "Optimize",
    "Option",
    "Or",
    "OrderBy",
    "Param",
    "Point",
    "Points",
    "Provenance",
    "Query",
    "Range",
    "Recommend",
    "Ref",
    "RelevanceFeedback",
    "RenameAlias",
    "Rerank",
    "RestoreSnapshot",
    "Sample",
    "Scalar",
    "Scroll",
    "Selection",
    "SetQuota",
    "Shard",
    "ShowAliases",
    "ShowCollection",
    "ShowCollections",
    "ShowIndexes",
    "ShowQuotas",
    "ShowShardKeys",
    "ShowSnapshots",
    "ShowStages",
    "Slice",
    "Statement",
    "Target",
    "Text",
    "Truth",
    "Undefine",
    "UpdatePayload",
    "UpdateVector",
    "UpdateVectors",
    "Upsert",
    "Use",
    "Using",
    "Uuid",
    "ValuesCount",
    "Vector",
    "VectorChange",
    "VectorDef",
    "When",
    "Why",
    "is_uuid",
    "told",
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
    """``'emergency care'``, ``TEXT '…' MODEL 'm' [OPTIONS {…}]``."""

    text: Scalar
    model: Scalar | None = None
    options: Any = None


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


@dataclass(frozen=True, slots=True)
class Image(Node):
    """``IMAGE 'https://…/cat.png' MODEL 'm'``: an address or base64 data, embedded by a model."""

    image: Scalar
    model: Scalar | None = None
    options: Any = None


@dataclass(frozen=True, slots=True)
class Inference(Node):
    """``OBJECT {…} MODEL 'm'``: whatever a model takes."""

    object: Any
    model: Scalar | None = None
    options: Any = None


Input = Text | Image | Inference | Vector | Point | AnyInput


@dataclass(frozen=True, slots=True)
class Recommend(Node):
    """``RECOMMEND POSITIVE (1, 2) [NEGATIVE (3)] [STRATEGY best_score]``, ``POSITIVE :ids``."""

    positive: tuple[Input, ...] | Param = ()
    negative: tuple[Input, ...] | Param = ()
    strategy: Name | None = None


@dataclass(frozen=True, slots=True)
class ContextPair(Node):
    """``POSITIVE POINT 1 NEGATIVE POINT 2`` in CONTEXT (…)."""

    positive: Input
    negative: Input


@dataclass(frozen=True, slots=True)
class Context(Node):
    """``CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2, …)``."""

    pairs: tuple[ContextPair, ...]


@dataclass(frozen=True, slots=True)
class Discover(Node):
    """``DISCOVER TARGET POINT 3 CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2, …)``."""

    target: Input
    pairs: tuple[ContextPair, ...]


@dataclass(frozen=True, slots=True)
class OrderBy(Node):
    """``ORDER BY field [ASC|DESC] [START FROM value]``; a target of QUERY and a clause of SCROLL."""

    name: Name
    direction: str | None = None
    start: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Sample(Node):
    """``SAMPLE RANDOM``: points drawn by chance."""


@dataclass(frozen=True, slots=True)
class Formula(Node):
    """``FORMULA $score + 0.1 * popularity [DEFAULTS (popularity = 0)]``, ``BOOST (…)``."""

    expression: Expression
    defaults: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Mmr(Node):
    """``MMR 'text' DIVERSITY 0.5 CANDIDATES 100``: maximal marginal relevance."""

    target: Input
    diversity: Scalar | None = None
    candidates: Scalar | None = None


@dataclass(frozen=True, slots=True)
class FeedbackItem(Node):
    """``(POINT 2, 0.9)`` in FEEDBACK (…)."""

    example: Input
    score: Scalar


@dataclass(frozen=True, slots=True)
class RelevanceFeedback(Node):
    """``RELEVANCE FEEDBACK TARGET 'text' FEEDBACK ((POINT 2, 1), …) STRATEGY NAIVE (a = 1, …)``."""

    target: Input
    feedback: tuple[FeedbackItem, ...]
    strategy: Name | None = None
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Hybrid(Node):
    """``HYBRID 'text' [MODEL m] [DENSE d] [SPARSE s]``, ``USING HYBRID …``: two searches, fused.

    ``dense`` and ``sparse`` name vectors.
    """

    text: Scalar
    model: Scalar | None = None
    dense: Name | None = None
    sparse: Name | None = None
    dense_model: Scalar | None = None
    sparse_model: Scalar | None = None


@dataclass(frozen=True, slots=True)
class FullText(Node):
    """``MATCH 'words' ON field [(k = 1.2, b = 0.75)]``: BM25 over the text index of a payload field."""

    text: Scalar
    name: Name
    options: tuple[Option, ...] = ()


Target = (
    Input
    | Points
    | Recommend
    | Context
    | Discover
    | OrderBy
    | Sample
    | Formula
    | Mmr
    | RelevanceFeedback
    | Hybrid
    | FullText
)


# ---------------------------------------------------------------- formulas


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``ABS(x)``, ``POW(x, 2)``, ``a + b`` (sum), ``a * b`` (mult), ``-a`` (neg); ``a - b`` is ``a + -b``.

    ``function`` is Qdrant's own name of the expression. ``LOG(x) [DEFAULT = 0]``, in brackets as written
    here, keeps the argument where the function is defined.
    """

    function: str
    args: tuple[Expression, ...]
    default: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Divide(Node):
    """``a / b [DEFAULT = 1]``: the default, in brackets as written here, is for b = 0."""

    left: Expression
    right: Expression
    default: Scalar | None = None


@dataclass(frozen=True, slots=True)
class When(Node):
    """``WHEN condition THEN value`` in CASE."""

    condition: Condition
    value: Expression


@dataclass(frozen=True, slots=True)
class Case(Node):
    """``CASE WHEN a = 1 THEN 2 [WHEN …] [ELSE 0] END``."""

    whens: tuple[When, ...]
    otherwise: Expression | None = None


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """``CONDITION(tag = 'a')``, ``MATCH(tag, 'a')``, ``MATCH_ANY(tag, ['a'])``: 1 or 0."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class GeoDistance(Node):
    """``GEO_DISTANCE(52.5, 13.4, location)``, ``GEO_DISTANCE({lat: 52.5, lon: 13.4}, location)``: in metres.

    ``origin`` is ``{"lat": …, "lon": …}``, whose values may be parameters.
    """

    origin: Any
    name: Name


@dataclass(frozen=True, slots=True)
class Datetime(Node):
    """``DATETIME('2024-05-01T12:00:00Z')``: its seconds since 1970."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class DatetimeKey(Node):
    """``DATETIME_KEY(created_at)``: the seconds since 1970 of a field that holds a date."""

    name: Name


@dataclass(frozen=True, slots=True)
class Decay(Node):
    """``GAUSS_DECAY(x, TARGET = 3, SCALE = 2, MIDPOINT = 0.5)``; also ``EXP_DECAY`` and ``LIN_DECAY``.

    ``kind`` is gauss, exp or lin.
    """

    kind: str
    x: Expression
    target: Expression | None = None
    scale: Expression | None = None
    midpoint: Expression | None = None


Expression = Scalar | Name | Call | Divide | Case | Truth | GeoDistance | Datetime | DatetimeKey | Decay


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


MatchKind = Literal["text", "phrase", "prefix", "substring", "text_any", "any", "except"]


@dataclass(frozen=True, slots=True)
class Match(Node):
    """``field MATCH [PHRASE|PREFIX|SUBSTRING|TOKENS] 'words'``, ``field MATCH ANY|EXCEPT ('a', 'b')``."""

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


@dataclass(frozen=True, slots=True)
class Range(Node):
    """``field RANGE (gt = 1, lte = 5)``: both bounds in one condition, which one element has to satisfy."""

    name: Name
    bounds: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class ValuesCount(Node):
    """``field VALUES_COUNT > 2``, ``VALUES_COUNT (gt = 1, lt = 5)``: by how many values a field holds."""

    name: Name
    bounds: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Geo(Node):
    """``field GEO_RADIUS {center: {lat: …, lon: …}, radius: 1000}``, ``GEO_BBOX {…}``, ``GEO_POLYGON {…}``.

    ``shape`` is bbox, radius or polygon.
    """

    name: Name
    shape: str
    value: Any


@dataclass(frozen=True, slots=True)
class Nested(Node):
    """``NESTED('path', a = 1 AND b = 2)``: one element of the array at the path satisfies all of it."""

    name: Name
    condition: Condition


@dataclass(frozen=True, slots=True)
class MinShould(Node):
    """``MIN SHOULD 2 (a = 1, b = 2, c = 3)``: at least so many of them hold."""

    count: Scalar
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """``SLICE(4, 0)``: the first of four disjoint parts of all points."""

    total: Scalar
    index: Scalar


@dataclass(frozen=True, slots=True)
class HasVector(Node):
    """``HAS_VECTOR dense``: the point has a vector of that name."""

    name: Name


Condition = (
    Compare
    | Between
    | In
    | IsNull
    | IsEmpty
    | Match
    | Range
    | ValuesCount
    | Geo
    | Nested
    | MinShould
    | Slice
    | HasVector
    | And
    | Or
    | Not
)


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
    """``LOOKUP FROM other [VECTOR v] [SHARD key]``."""

    collection: Name
    vector: Name | None = None
    shard: Shard | None = None


@dataclass(frozen=True, slots=True)
class GroupLookup(Node):
    """``LOOKUP FROM c [WITH PAYLOAD …] [WITH VECTOR …]`` behind GROUP BY: a point for each group."""

    collection: Name
    payload: Selection | None = None
    vectors: Selection | None = None


@dataclass(frozen=True, slots=True)
class Group(Node):
    """``GROUP BY field [SIZE n] [LOOKUP FROM c …]``."""

    name: Name
    size: Scalar | None = None
    lookup: GroupLookup | None = None


@dataclass(frozen=True, slots=True)
class Shard(Node):
    """``SHARD 'key'``, ``SHARD ('a', 'b')``, ``SHARD 'key' FALLBACK 'other'``."""

    keys: tuple[Scalar, ...]
    fallback: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Rerank(Node):
    """``RERANK 'query' MODEL 'm' [ON field] [TOP n]``, ``QUERY CROSS RERANK …``: a cross-encoder's order."""

    text: Scalar | None = None
    model: Scalar | None = None
    name: Name | None = None
    top: Scalar | None = None


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
class Provenance(Node):
    """``WITH PROVENANCE``."""


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
    formula: Formula | None = None
    rerank: Rerank | None = None
    threshold: Scalar | None = None
    params: tuple[Option, ...] = ()
    group: Group | None = None
    payload: Selection | None = None
    vectors: Selection | None = None
    provenance: Provenance | None = None
    lookup: Lookup | None = None
    shard: Shard | None = None
    limit: Scalar | None = None
    offset: Scalar | None = None


# ---------------------------------------------------------------- other statements


@dataclass(frozen=True, slots=True)
class Count(Node):
    """``COUNT FROM c [WHERE f] [WITH (exact = b)] [SHARD key]``."""

    source: Name | None = None
    where: Condition | None = None
    params: tuple[Option, ...] = ()
    shard: Shard | None = None


@dataclass(frozen=True, slots=True)
class Facet(Node):
    """``FACET field FROM c [WHERE f] [WITH (exact = b)] [SHARD key] [LIMIT n]``."""

    key: Name | None = None
    source: Name | None = None
    where: Condition | None = None
    params: tuple[Option, ...] = ()
    shard: Shard | None = None
    limit: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Scroll(Node):
    """``SCROLL FROM c [WHERE f] [AFTER id] [ORDER BY field] [LIMIT n]``."""

    source: Name | None = None
    where: Condition | None = None
    after: Scalar | None = None
    order_by: OrderBy | None = None
    params: tuple[Option, ...] = ()
    payload: Selection | None = None
    vectors: Selection | None = None
    shard: Shard | None = None
    limit: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Delete(Node):
    """``DELETE FROM c WHERE f [SHARD key] [WAIT b]``."""

    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class DeletePayload(Node):
    """``DELETE PAYLOAD field, … FROM c WHERE f [SHARD key] [WAIT b]``."""

    names: tuple[Name, ...]
    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class DeleteVector(Node):
    """``DELETE VECTOR name, … FROM c WHERE f [SHARD key] [WAIT b]``."""

    names: tuple[Name, ...]
    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class ClearPayload(Node):
    """``CLEAR PAYLOAD FROM c WHERE f [SHARD key] [WAIT b]``."""

    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Embedding(Node):
    """``DENSE MODEL 'm' VECTOR name ON field`` behind USING of UPSERT: a vector made of a row's field.

    ``kind`` is dense, sparse, multi or image; what is None is found by the schema and the row.
    """

    kind: str | None = None
    model: Scalar | None = None
    vector: Name | None = None
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Upsert(Node):
    """``UPSERT INTO c VALUES {id: 1, vector: […], field: …}, … [USING …] [UPDATE MODE m] [UPDATE FILTER f]
    [SHARD key] [WAIT b]``, ``VALUES :rows``.

    A row is a dict whose values are JSON values, `Param` or `Uuid`. Rows of INSERT (``insert``)
    need no id.
    """

    collection: Name
    rows: tuple[Any, ...] | Param
    insert: bool = False
    embeds: tuple[Embedding, ...] = ()
    mode: Name | None = None
    update_filter: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class UpdatePayload(Node):
    """``UPDATE c SET PAYLOAD = {…} [KEY path] [OVERWRITE] WHERE f [SHARD key] [WAIT b]``.

    ``key`` is the path of an object inside the payload; without it, the payload itself.
    """

    collection: Name
    value: Any
    key: Name | None = None
    overwrite: bool = False
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class UpdateVector(Node):
    """``UPDATE c SET VECTOR [name] = […] WHERE id = 1``, ``SET VECTOR = {a: […], b: […]} WHERE id = 1``."""

    collection: Name
    value: Any
    name: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class UpdateVectors(Node):
    """``UPDATE c SET VECTOR VALUES {id: 1, vector: {a: […]}}, …``."""

    collection: Name
    rows: tuple[Any, ...] | Param
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Batch(Node):
    """``BATCH { statement; statement; } [WAIT b] [PARAMS (…)]``: statements of one kind in one request."""

    statements: tuple[Statement, ...]
    wait: Scalar | None = None
    params: tuple[Option, ...] = ()


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
class VectorChange(Node):
    """``WITH VECTOR name (HNSW (m = 16), QUANTIZATION (…))``, ``WITH SPARSE name (INDEX (…))`` in ALTER.

    ``kind`` is dense or sparse.
    """

    name: Name
    kind: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class AlterCollection(Node):
    """``ALTER COLLECTION c WITH HNSW (m = 16) WITH VECTOR dense (HNSW (m = 32)) …``."""

    name: Name
    blocks: tuple[Block, ...] = ()
    changes: tuple[VectorChange, ...] = ()


@dataclass(frozen=True, slots=True)
class AddVector(Node):
    """``ALTER COLLECTION c ADD dense VECTOR(384, COSINE)``."""

    collection: Name
    vector: VectorDef


@dataclass(frozen=True, slots=True)
class DropVector(Node):
    """``ALTER COLLECTION c DROP VECTOR dense``."""

    collection: Name
    name: Name


@dataclass(frozen=True, slots=True)
class DropCollection(Node):
    """``DROP COLLECTION [IF EXISTS] c``."""

    name: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class CreateIndex(Node):
    """``CREATE INDEX [IF NOT EXISTS] ON c FOR field [TYPE keyword] [WITH (…)] [WAIT b]``."""

    collection: Name
    name: Name
    type: Name | None = None
    options: tuple[Option, ...] = ()
    wait: Scalar | None = None
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropIndex(Node):
    """``DROP INDEX [IF EXISTS] ON c FOR field [WAIT b]``."""

    collection: Name
    name: Name
    wait: Scalar | None = None
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class ShowIndexes(Node):
    """``SHOW INDEXES ON c``."""

    collection: Name


@dataclass(frozen=True, slots=True)
class CreateAlias(Node):
    """``CREATE [OR REPLACE] ALIAS [IF NOT EXISTS] a FOR c``."""

    name: Name
    collection: Name
    replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropAlias(Node):
    """``DROP ALIAS [IF EXISTS] a``."""

    name: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class RenameAlias(Node):
    """``ALTER ALIAS a RENAME TO b``."""

    name: Name
    to: Name


@dataclass(frozen=True, slots=True)
class ShowAliases(Node):
    """``SHOW ALIASES [ON c]``."""

    collection: Name | None = None


@dataclass(frozen=True, slots=True)
class CreateSnapshot(Node):
    """``CREATE SNAPSHOT ON c``."""

    collection: Name


@dataclass(frozen=True, slots=True)
class DropSnapshot(Node):
    """``DROP SNAPSHOT [IF EXISTS] 'name' ON c``."""

    snapshot: Scalar
    collection: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class RestoreSnapshot(Node):
    """``RESTORE SNAPSHOT 'name or location' ON c [WITH (checksum = '…', priority = snapshot)]``."""

    snapshot: Scalar
    collection: Name
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class ShowSnapshots(Node):
    """``SHOW SNAPSHOTS ON c``."""

    collection: Name


@dataclass(frozen=True, slots=True)
class CreateShardKey(Node):
    """``CREATE SHARD KEY 'k' ON c [WITH (shards_number = 2, replication_factor = 1, placement = [1])]``."""

    key: Scalar
    collection: Name
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class DropShardKey(Node):
    """``DROP SHARD KEY 'k' ON c``."""

    key: Scalar
    collection: Name


@dataclass(frozen=True, slots=True)
class ShowShardKeys(Node):
    """``SHOW SHARD KEYS ON c``."""

    collection: Name


@dataclass(frozen=True, slots=True)
class SetQuota(Node):
    """``SET QUOTA (enabled = true, max_disk_usage_percent = 90) [WAIT b]``."""

    options: tuple[Option, ...]
    wait: Scalar | None = None


@dataclass(frozen=True, slots=True)
class ShowQuotas(Node):
    """``SHOW QUOTAS``."""


@dataclass(frozen=True, slots=True)
class Execute(Node):
    """``EXECUTE 'file.qql'``: the statements of a file."""

    path: Scalar


@dataclass(frozen=True, slots=True)
class Dump(Node):
    """``DUMP c 'file.qql'``: a script that makes the collection again, with its points."""

    collection: Name
    path: Scalar


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
    """``EXPLAIN [ANALYZE [RUNS n] [ABLATE]] [FORMAT json] statement``."""

    statement: Statement
    analyze: bool = False
    runs: Scalar | None = None
    ablate: bool = False
    format: Name | None = None


@dataclass(frozen=True, slots=True)
class Why(Node):
    """``WHY [NOT] id [FORMAT json] query``: where a point stands in every stage of a query."""

    id: Scalar
    statement: Statement
    negated: bool = False
    format: Name | None = None


Statement = (
    Query
    | Count
    | Facet
    | Scroll
    | Delete
    | DeletePayload
    | DeleteVector
    | ClearPayload
    | Upsert
    | UpdatePayload
    | UpdateVector
    | UpdateVectors
    | Batch
    | Copy
    | CreateCollection
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
    | Execute
    | Dump
    | Use
    | Define
    | Undefine
    | ShowStages
    | ShowCollections
    | ShowCollection
    | Explain
    | Why
)


_UUID = re.compile(
    r"(?:urn:uuid:)?(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})"
    r"|\{[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}",
    re.ASCII | re.IGNORECASE,
)


def told(statement: Statement) -> Statement:
    """The statement that EXPLAIN or WHY tells of, itself where it is neither."""
    while isinstance(statement, (Explain, Why)):
        statement = statement.statement
    return statement


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
