"""An engine's answer to a statement → the result that is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from qql import nodes
from qql.compiler.scalars import scalar_value
from qql.compiler.script import Compiled
from qql.rest.types import Body, Json, JsonObject
from qql.result import Hit, Result
from qql.schema import Schema
from qql.syntax.printer import show

__all__ = ["many", "message_of", "name_of", "points_written", "result_of"]


class Columns(NamedTuple):
    """A row for each item below a key of the answer (``""``: of the answer): column → key of the item."""

    below: str
    keys: Mapping[str, str]
    sort: bool = True
    """By the first column."""


def result_of(compiled: Compiled, answer: Json) -> Result:
    """The result of a statement that has requests; ``answer`` is the answer to the first of them."""
    shown_as = _ANSWERS[type(compiled.statement)]
    match shown_as:
        case str():
            return message_of(_message(shown_as, compiled, answer))
        case Columns():
            return Result("rows", rows=_table(shown_as, answer))
        case _:
            return shown_as(compiled, answer)


def message_of(text: str) -> Result:
    """The result of a statement that only does something."""
    return Result("message", message=text)


def many(count: int, word: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def name_of(statement: nodes.Statement) -> str:
    """What a statement works on within its collection: a field, an alias, a snapshot, a shard key …"""
    if isinstance(statement, nodes.AddVector):
        return str(statement.vector.name.text)
    for field in ("name", "snapshot", "key"):
        value = getattr(statement, field, None)
        if isinstance(value, nodes.Name):
            return str(value.text)
        if isinstance(value, nodes.Scalar):
            return str(scalar_value(value))
    return ""


def points_written(compiled: Compiled) -> int:
    """How many points a statement has written, whether they were there before or not."""
    body = compiled.requests[0].body or {}
    if isinstance(compiled.statement, nodes.Upsert):
        return len(body["points"])
    if isinstance(compiled.statement, nodes.Batch):
        return sum(len(one["upsert"]["points"]) for one in body.get("operations", ()) if "upsert" in one)
    return 0


def _message(template: str, compiled: Compiled, answer: Json) -> str:
    statement = compiled.statement
    to = statement.to.text if isinstance(statement, nodes.RenameAlias) else ""
    return template.format(collection=compiled.collection, name=name_of(statement), to=to, answer=answer)


def _table(columns: Columns, answer: Json) -> list[JsonObject]:
    items = answer[columns.below] if columns.below else answer
    rows = [{column: item.get(key) for column, key in columns.keys.items()} for item in items or ()]
    if columns.sort:
        first = next(iter(columns.keys))
        rows.sort(key=lambda row: (str(type(row[first])), row[first]))
    return rows


# ------------------------------------------------------------------------------------ points


def _hit(point: Body, group: Json = None, lookup: JsonObject | None = None) -> Hit:
    return Hit(
        point["id"], point.get("score"), point.get("payload"), point.get("vector"), group=group, lookup=lookup
    )


def _query_hits(compiled: Compiled, answer: Json) -> Result:
    if isinstance(answer, dict) and "groups" in answer:
        return Result("hits", hits=list(_group_hits(compiled, answer["groups"])))
    points = answer if isinstance(answer, list) else answer["points"]
    return Result("hits", hits=[_hit(point) for point in points])


def _group_hits(compiled: Compiled, groups: list[JsonObject]) -> Iterator[Hit]:
    """The hits of each group in turn; OFFSET, which the engine has not for groups, is done here."""
    skipped = compiled.plan.offset if compiled.plan else None
    for group in groups[skipped or 0 :]:
        for at, point in enumerate(group["hits"]):
            yield _hit(point, group["id"], group.get("lookup") if at == 0 else None)


def _batch_result(compiled: Compiled, answer: Json) -> Result:
    """Hits of several queries as rows with the query's number; of writes, how many there were."""
    statement = compiled.statement
    assert isinstance(statement, nodes.Batch)
    if not isinstance(statement.statements[0], nodes.Query):
        count = many(len(statement.statements), "statement")
        return message_of(f"carried out {count} on {compiled.collection}")
    found = [(number, point) for number, one in enumerate(answer, 1) for point in one["points"]]
    keys = ["id", "score", *(key for key in ("payload", "vector") if any(key in p for _, p in found))]
    rows = [{"query": number, **{key: point.get(key) for key in keys}} for number, point in found]
    return Result("rows", rows=rows)


def _upsert_message(compiled: Compiled, answer: Json) -> Result:
    return message_of(f"upserted {many(points_written(compiled), 'point')} into {compiled.collection}")


def _count_row(compiled: Compiled, answer: Json) -> Result:
    return Result("rows", rows=[{"count": answer["count"]}])


# ------------------------------------------------------------------------------------ settings


def _describe_collection(compiled: Compiled, answer: Json) -> Result:
    """One row a vector and a payload index, as psql's \\d shows columns and indexes."""
    schema = Schema.from_info(answer)
    config = answer.get("config", {}).get("params", {})
    rows = []
    for vector in schema.vectors.values():
        shape = f"{vector.size} × {vector.distance}" if vector.size else ""
        group = "sparse_vectors" if vector.kind == "sparse" else "vectors"
        params = config.get(group) or {}
        own = params if vector.name == "" and "size" in params else params.get(vector.name) or {}
        details = _option_text(own, without=("size", "distance"))
        rows.append(_description(vector.name or "(unnamed)", vector.kind, shape, vector.model or "", details))
    for name, kind in schema.indexes.items():
        rows.append(_description(name, f"{kind} index", "", "", ""))
    rows.append(
        _description("(points)", "", str(answer.get("points_count", "")), "", str(answer.get("status", "")))
    )
    return Result("rows", rows=rows)


def _description(name: str, kind: str, shape: str, model: str, details: str) -> JsonObject:
    return {"name": name, "kind": kind, "shape": shape, "model": model, "details": details}


def _option_text(values: Body | None, without: tuple[str, ...]) -> str:
    rest = {
        key: value for key, value in (values or {}).items() if key not in without and value not in (None, {})
    }
    return ", ".join(f"{key} = {show(value)}" for key, value in rest.items())


def _list_indexes(compiled: Compiled, answer: Json) -> Result:
    rows = [
        {
            "field": field,
            "type": index.get("data_type"),
            "options": _option_text(index.get("params"), without=("type",)),
            "points": index.get("points"),
        }
        for field, index in sorted((answer.get("payload_schema") or {}).items())
    ]
    return Result("rows", rows=rows)


def _list_quotas(compiled: Compiled, answer: Json) -> Result:
    """The settings, and what else the server says, by paths."""
    rest = {key: value for key, value in answer.items() if key != "config"}
    found = [*(answer.get("config") or {}).items(), *_leaves(rest)]
    return Result("rows", rows=[{"quota": name, "value": value} for name, value in found])


def _leaves(values: Body, above: str = "") -> Iterator[tuple[str, Json]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield above + key, value


# ------------------------------------------------------------------------------------ by statement

MakeResult = Callable[[Compiled, Json], Result]

_ANSWERS: Mapping[type[nodes.Node], str | Columns | MakeResult] = {
    nodes.Query: _query_hits,
    nodes.Scroll: _query_hits,
    nodes.Count: _count_row,
    nodes.Facet: Columns("hits", {"value": "value", "count": "count"}, sort=False),
    nodes.Batch: _batch_result,
    nodes.Upsert: _upsert_message,
    nodes.Delete: "deleted points from {collection}",
    nodes.UpdatePayload: "updated payloads in {collection}",
    nodes.UpdateVector: "updated vectors in {collection}",
    nodes.UpdateVectors: "updated vectors in {collection}",
    nodes.DeletePayload: "deleted payload fields from {collection}",
    nodes.DeleteVector: "deleted vectors from {collection}",
    nodes.ClearPayload: "cleared payloads in {collection}",
    nodes.CreateCollection: "created collection {collection}",
    nodes.AlterCollection: "altered collection {collection}",
    nodes.AddVector: "added the vector {name} to {collection}",
    nodes.DropVector: "dropped the vector {name} of {collection}",
    nodes.DropCollection: "dropped collection {collection}",
    nodes.CreateIndex: "indexed {name} of {collection}",
    nodes.DropIndex: "dropped the index on {name} of {collection}",
    nodes.ShowIndexes: _list_indexes,
    nodes.CreateAlias: "the alias {name} stands for {collection}",
    nodes.DropAlias: "dropped the alias {name}",
    nodes.RenameAlias: "renamed the alias {name} to {to}",
    nodes.ShowAliases: Columns("aliases", {"alias": "alias_name", "collection": "collection_name"}),
    nodes.CreateSnapshot: "created the snapshot {answer[name]} of {collection}",
    nodes.DropSnapshot: "dropped the snapshot {name} of {collection}",
    nodes.RestoreSnapshot: "restored {collection} from {name}",
    nodes.ShowSnapshots: Columns(
        "", {"name": "name", "created": "creation_time", "bytes": "size", "checksum": "checksum"}
    ),
    nodes.CreateShardKey: "created the shard key {name} of {collection}",
    nodes.DropShardKey: "dropped the shard key {name} of {collection}",
    nodes.ShowShardKeys: Columns("shard_keys", {"shard_key": "key"}),
    nodes.SetQuota: "set the quota",
    nodes.ShowQuotas: _list_quotas,
    nodes.ShowCollections: Columns("collections", {"collection": "name"}),
    nodes.ShowCollection: _describe_collection,
}
"""Statement → how its answer is shown: a message, a table, or what a function makes of it.

In a message ``{collection}`` is the statement's, ``{name}`` what it works on there, ``{to}`` a new name, and
``{answer[key]}`` a part of the answer.
"""
