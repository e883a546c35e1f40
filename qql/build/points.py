"""Statements that read and write points.

Their arguments are the fields of their nodes, by the same names; None is as if one were left out. All raise
`QQLPlanError`, which names the argument that is at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qql import nodes
from qql.build import values
from qql.build.built import Statement
from qql.build.clauses import made
from qql.build.queries import Query, query
from qql.build.targets import points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Unpack

    from qql.build.clauses import Direction, Keys, Name, Names, Options, QueryClauses, Selected
    from qql.build.conditions import Condition
    from qql.build.fields import Value, Words
    from qql.build.targets import Id

    Row = Mapping[str, Any] | nodes.Param
    Rows = Row | Iterable[Row]

__all__ = [
    "analyze_text",
    "clear_payload",
    "copy",
    "count",
    "delete",
    "delete_payload",
    "delete_vector",
    "embedding",
    "facet",
    "insert",
    "mapping",
    "matrix",
    "retrieve",
    "scroll",
    "statement",
    "update_payload",
    "update_vector",
    "update_vectors",
    "upsert",
]


def statement(kind: type[nodes.Node], given: Mapping[str, Any]) -> Statement:
    """A statement of the values for its fields."""
    return Statement(made(kind, given))


# ------------------------------------------------------------------------------------ reading


def retrieve(ids: Iterable[Id] | nodes.Param, **clauses: Unpack[QueryClauses]) -> Query:
    """The points themselves, by their ids: ``QUERY POINTS (1, 2) FROM c``."""
    return query(points(ids), **clauses)


def scroll(
    source: Name | None = None,
    *,
    where: Condition | None = None,
    after: Value = None,
    order_by: Direction | None = None,
    params: Options | None = None,
    payload: Selected | None = None,
    vectors: Selected | None = None,
    shard: Keys | None = None,
    limit: Value = None,
) -> Statement:
    """``SCROLL FROM c …``: a page of points in the order of their ids, or of a field."""
    return statement(nodes.Scroll, locals())


def count(
    source: Name | None = None,
    *,
    where: Condition | None = None,
    params: Options | None = None,
    shard: Keys | None = None,
) -> Statement:
    """``COUNT FROM c …``."""
    return statement(nodes.Count, locals())


def analyze_text(text: Value, name: Name, source: Name | None = None) -> Statement:
    """``ANALYZE TEXT 'words' ON field FROM c``: the tokens that a text index or BM25 makes of a text."""
    return statement(nodes.AnalyzeText, locals())


def facet(
    key: Name,
    source: Name | None = None,
    *,
    where: Condition | None = None,
    params: Options | None = None,
    shard: Keys | None = None,
    limit: Value = None,
) -> Statement:
    """``FACET field FROM c …``: the values of a field, each with the number of points that have it."""
    return statement(nodes.Facet, locals())


def matrix(
    source: Name | None = None,
    *,
    using: Name | nodes.Using | None = None,
    where: Condition | None = None,
    params: Options | None = None,
    shard: Keys | None = None,
    limit: Value = None,
) -> Statement:
    """``MATRIX FROM c …``: how near some points are to one another."""
    return statement(nodes.Matrix, locals())


# ------------------------------------------------------------------------------------ writing


def upsert(
    collection: Name,
    rows: Rows,
    *,
    embeds: Iterable[nodes.Embedding] = (),
    mode: Literal["insert_only", "update_only", "upsert"] | nodes.Param | None = None,
    update_filter: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``UPSERT INTO c VALUES {…}, …``.

    A row is an object (``{"id": 1, "vector": […], "title": "…"}``) or a parameter; a parameter alone is the
    list of all rows, which no text is made of: the way of many.
    """
    return statement(nodes.Upsert, {**locals(), "rows": _rows(rows, "upsert(rows)"), "embeds": tuple(embeds)})


def insert(
    collection: Name,
    rows: Rows,
    *,
    embeds: Iterable[nodes.Embedding] = (),
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``INSERT INTO c VALUES {…}, …``: as `upsert`; rows without an id get one."""
    given = {**locals(), "rows": _rows(rows, "insert(rows)"), "embeds": tuple(embeds), "insert": True}
    return statement(nodes.Upsert, given)


def _rows(given: object, at: str) -> tuple[Any, ...] | nodes.Param:
    if isinstance(given, nodes.Param):
        return given
    found = []
    for place, row in enumerate([given] if isinstance(given, Mapping) else values.several(given, at)):
        if not isinstance(row, (Mapping, nodes.Param)):
            values.wrong(f"{at}[{place}]", f"takes an object, not {values.kind_of(row)}")
        found.append(values.data(row, f"{at}[{place}]"))
    return tuple(found)


def embedding(
    kind: Literal["dense", "sparse", "multi", "image"] | None = None,
    *,
    model: Words | None = None,
    vector: Name | None = None,
    on: Name | None = None,
) -> nodes.Embedding:
    """``DENSE MODEL 'm' VECTOR name ON field`` of `upsert`: a vector made of a field."""
    return made(nodes.Embedding, {"kind": kind, "model": model, "vector": vector, "name": on})


def update_payload(
    collection: Name,
    value: Mapping[str, Any] | nodes.Param,
    *,
    key: Name | None = None,
    overwrite: bool = False,
    where: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``UPDATE c SET PAYLOAD = {…} [KEY path] [OVERWRITE] WHERE f``."""
    return statement(nodes.UpdatePayload, locals())


def update_vector(
    collection: Name,
    value: Any,
    *,
    name: Name | None = None,
    where: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``UPDATE c SET VECTOR [name] = […] WHERE id = 1``."""
    return statement(nodes.UpdateVector, locals())


def update_vectors(
    collection: Name,
    rows: Rows,
    *,
    where: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``UPDATE c SET VECTOR VALUES {id: 1, vector: {a: […]}}, …``."""
    return statement(nodes.UpdateVectors, {**locals(), "rows": _rows(rows, "update_vectors(rows)")})


def delete(
    source: Name | None = None,
    *,
    where: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``DELETE FROM c WHERE f``."""
    return statement(nodes.Delete, locals())


def delete_payload(
    names: Names | str,
    source: Name | None = None,
    *,
    where: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``DELETE PAYLOAD field, … FROM c WHERE f``."""
    return statement(nodes.DeletePayload, locals())


def delete_vector(
    names: Names | str,
    source: Name | None = None,
    *,
    where: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``DELETE VECTOR name, … FROM c WHERE f``."""
    return statement(nodes.DeleteVector, locals())


def clear_payload(
    source: Name | None = None,
    *,
    where: Condition | None = None,
    shard: Keys | None = None,
    wait: Value = None,
) -> Statement:
    """``CLEAR PAYLOAD FROM c WHERE f``."""
    return statement(nodes.ClearPayload, locals())


# ------------------------------------------------------------------------------------ files


def copy(
    collection: Name,
    path: Words,
    *,
    format: Name | None = None,
    columns: Mapping[str, Name | None] | None = None,
    delimiter: Value = None,
    header: Value = None,
    map: Iterable[nodes.Mapping] = (),
    shard: Keys | None = None,
    batch: Value = None,
    on_error: Literal["skip", "stop"] | None = None,
) -> Statement:
    """``COPY c FROM 'file' …``. ``columns`` are types by name (None: the cells decide); see `mapping`."""
    return statement(nodes.Copy, {**locals(), "columns": _columns(columns or {}), "map": tuple(map)})


def _columns(given: Mapping[str, Name | None]) -> tuple[nodes.Column, ...]:
    return tuple(made(nodes.Column, {"name": key, "type": one}) for key, one in given.items())


def mapping(
    target: Name, source: Name | nodes.Joined | nodes.VectorFile | Iterable[Name], *, as_: str = ""
) -> nodes.Mapping:
    """``text = body`` of COPY … MAP; ``as_`` is ``uuid`` or ``int`` for ``UUID(key)`` and ``INT(key)``."""
    if as_ not in ("", "uuid", "int"):
        values.wrong("mapping(as_)", f"takes 'uuid' or 'int', not {as_!r}")
    taken: Any = source
    if not isinstance(taken, (nodes.Joined, nodes.VectorFile)):
        one = isinstance(taken, (str, nodes.Node))
        taken = values.name(taken, "mapping(source)") if one else values.names(taken, "mapping(source)")
    return nodes.Mapping(values.name(target, "mapping(target)"), taken, as_ == "uuid", as_ == "int")
