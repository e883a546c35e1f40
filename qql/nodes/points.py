"""Statements that read and write points. A statement declares how it is written and what is shown."""

from __future__ import annotations

from qql.nodes.core import Name, Node, NodeType, Option, Param, Scalar
from qql.nodes.declare import READS, WRITES, statement
from qql.nodes.filters import Condition
from qql.nodes.queries import Selection, Shard, Using
from qql.nodes.targets import OrderBy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "AnalyzeText",
    "ClearPayload",
    "Column",
    "Copy",
    "Count",
    "Delete",
    "DeletePayload",
    "DeleteVector",
    "Embedding",
    "Facet",
    "Joined",
    "Mapping",
    "Matrix",
    "PointStatement",
    "Scroll",
    "UpdatePayload",
    "UpdateVector",
    "UpdateVectors",
    "Upsert",
    "VectorFile",
]


@statement("COUNT", "source where params shard", effect=READS)
class Count(Node, metaclass=NodeType):
    """``COUNT FROM c [WHERE f] [WITH (exact = b)] [SHARD key]``."""

    source: Name | None = None
    where: Condition | None = None
    params: tuple[Option, ...] = ()
    shard: Shard | None = None


@statement("FACET {key}", "source where params shard limit", effect=READS)
class Facet(Node, metaclass=NodeType):
    """``FACET field FROM c [WHERE f] [WITH (exact = b)] [SHARD key] [LIMIT n]``."""

    key: Name | None = None
    source: Name | None = None
    where: Condition | None = None
    params: tuple[Option, ...] = ()
    shard: Shard | None = None
    limit: Scalar | None = None


@statement("ANALYZE TEXT {text} ON {name}", "source", effect=READS)
class AnalyzeText(Node, metaclass=NodeType):
    """``ANALYZE TEXT 'words' ON field FROM c``: the tokens that its text index, or BM25, makes of a text."""

    text: Scalar
    name: Name
    source: Name | None = None


@statement("MATRIX", "source using where params shard limit", effect=READS)
class Matrix(Node, metaclass=NodeType):
    """``MATRIX FROM c [USING v] [WHERE f] [PARAMS (sample = n)] [SHARD key] [LIMIT n]``."""

    source: Name | None = None
    using: Using | None = None
    where: Condition | None = None
    params: tuple[Option, ...] = ()
    shard: Shard | None = None
    limit: Scalar | None = None


@statement("SCROLL", "source where after order_by params payload vectors shard limit", effect=READS)
class Scroll(Node, metaclass=NodeType):
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


@statement("DELETE", "source where shard wait", shows="deleted {points} from {collection}", effect=WRITES)
class Delete(Node, metaclass=NodeType):
    """``DELETE FROM c WHERE f [SHARD key] [WAIT b]``."""

    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@statement(
    "DELETE PAYLOAD {names}",
    "source where shard wait",
    shows="deleted payload fields{of_points} from {collection}",
    effect=WRITES,
)
class DeletePayload(Node, metaclass=NodeType):
    """``DELETE PAYLOAD field, … FROM c WHERE f [SHARD key] [WAIT b]``."""

    names: tuple[Name, ...]
    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@statement(
    "DELETE VECTOR {names}",
    "source where shard wait",
    shows="deleted vectors{of_points} from {collection}",
    effect=WRITES,
)
class DeleteVector(Node, metaclass=NodeType):
    """``DELETE VECTOR name, … FROM c WHERE f [SHARD key] [WAIT b]``."""

    names: tuple[Name, ...]
    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@statement(
    "CLEAR PAYLOAD",
    "source where shard wait",
    shows="cleared payloads{of_points} in {collection}",
    effect=WRITES,
)
class ClearPayload(Node, metaclass=NodeType):
    """``CLEAR PAYLOAD FROM c WHERE f [SHARD key] [WAIT b]``."""

    source: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


class Embedding(Node, metaclass=NodeType):
    """``DENSE MODEL 'm' VECTOR name ON field`` behind USING of UPSERT: a vector made of a row's field.

    ``kind`` is dense, sparse, multi or image; what is None is found by the schema and the row.
    """

    kind: str | None = None
    model: Scalar | None = None
    vector: Name | None = None
    name: Name | None = None


@statement("UPSERT INTO {collection} VALUES {rows}", "embeds mode update_filter shard wait", effect=WRITES)
class Upsert(Node, metaclass=NodeType):
    """``UPSERT INTO c VALUES {id: 1, vector: […], field: …}, … [USING …] [UPDATE MODE m] [UPDATE FILTER f]
    [SHARD key] [WAIT b]``, ``VALUES :rows``.

    A row is a dict whose values are JSON values, `Param` or `Uuid`; an object ``payload`` is the payload, and
    a key may be named like a vector (`qql.compiler.row_keys`). Rows of INSERT (``insert``) need no id.
    """

    collection: Name
    rows: tuple[Any, ...] | Param
    insert: bool = False
    embeds: tuple[Embedding, ...] = ()
    mode: Name | None = None
    update_filter: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@statement(
    "UPDATE {collection} SET PAYLOAD = {value}",
    "key overwrite where shard wait",
    shows="updated payloads{of_points} in {collection}",
    effect=WRITES,
)
class UpdatePayload(Node, metaclass=NodeType):
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


@statement(
    "UPDATE {collection} SET VECTOR {name} = {value}",
    "where shard wait",
    shows="updated vectors{of_points} in {collection}",
    effect=WRITES,
)
class UpdateVector(Node, metaclass=NodeType):
    """``UPDATE c SET VECTOR [name] = […] WHERE id = 1``, ``SET VECTOR = {a: […], b: […]} WHERE id = 1``."""

    collection: Name
    value: Any
    name: Name | None = None
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


@statement(
    "UPDATE {collection} SET VECTOR VALUES {rows}",
    "where shard wait",
    shows="updated vectors{of_points} in {collection}",
    effect=WRITES,
)
class UpdateVectors(Node, metaclass=NodeType):
    """``UPDATE c SET VECTOR VALUES {id: 1, vector: {a: […]}}, …``."""

    collection: Name
    rows: tuple[Any, ...] | Param
    where: Condition | None = None
    shard: Shard | None = None
    wait: Scalar | None = None


class Joined(Node, metaclass=NodeType):
    """``title || ' ' || text`` in COPY … MAP: a name is a column, a scalar a text between columns."""

    parts: tuple[Name | Scalar, ...]


class VectorFile(Node, metaclass=NodeType):
    """``NPY('vectors.npy')`` in COPY … MAP: vectors in a file beside the rows, one for each."""

    path: Scalar


class Mapping(Node, metaclass=NodeType):
    """``text = body``, ``id = UUID(key)``, ``id = INT(key)``, ``payload = (a, b)`` in COPY … MAP."""

    target: Name
    source: Name | Joined | VectorFile | tuple[Name, ...]
    uuid: bool = False
    integer: bool = False


class Column(Node, metaclass=NodeType):
    """``price FLOAT`` in COPY … COLUMNS. Where ``type`` is None, the cells decide."""

    name: Name
    type: Name | None = None


@statement(
    "COPY {collection} FROM {path}", "format columns delimiter header map shard batch on_error", effect=WRITES
)
class Copy(Node, metaclass=NodeType):
    """``COPY c FROM 'file' [FORMAT f] [COLUMNS (name type, …)] [DELIMITER ';'] [HEADER b] [MAP (id = key, …)]
    [SHARD key] [BATCH n] [ON ERROR SKIP|STOP]``.
    """

    collection: Name
    path: Scalar
    format: Name | None = None
    map: tuple[Mapping, ...] = ()
    batch: Scalar | None = None
    on_error: str | None = None
    columns: tuple[Column, ...] = ()
    delimiter: Scalar | None = None
    header: Scalar | None = None
    shard: Shard | None = None


PointStatement = (
    Count
    | Facet
    | AnalyzeText
    | Scroll
    | Matrix
    | Delete
    | DeletePayload
    | DeleteVector
    | ClearPayload
    | Upsert
    | UpdatePayload
    | UpdateVector
    | UpdateVectors
    | Copy
)
"""Statements that read and write points."""
