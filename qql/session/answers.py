"""An engine's answer to a statement → the result that is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qql import nodes
from qql.compiler.emit_filters import scalar_value
from qql.compiler.script import Compiled
from qql.result import Hit, Result
from qql.schema import Schema
from qql.syntax.printer import show

__all__ = ["many", "message_of", "name_of", "result_of", "written"]


def result_of(compiled: Compiled, data: Any) -> Result:
    """The result of a statement that has requests; ``data`` is the answer to the first of them."""
    return _RESULTS[type(compiled.statement)](compiled, data)


def message_of(text: str) -> Result:
    """The result of a statement that only does something."""
    return Result("message", message=text)


def many(count: int, word: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def name_of(statement: Any) -> str:
    """What a statement works on within its collection: a field, an alias, a snapshot, a shard key."""
    for field in ("name", "snapshot", "key"):
        value = getattr(statement, field, None)
        if isinstance(value, nodes.Name):
            return str(value.text)
        if isinstance(value, nodes.Scalar):
            return str(scalar_value(value))
    return ""


def written(compiled: Compiled) -> int:
    """How many points a statement has written, whether they were there before or not."""
    body = compiled.requests[0].body or {}
    if isinstance(compiled.statement, nodes.Upsert):
        return len(body["points"])
    if isinstance(compiled.statement, nodes.Batch):
        return sum(len(one["upsert"]["points"]) for one in body.get("operations", ()) if "upsert" in one)
    return 0


# ------------------------------------------------------------------------------------ points


def _hit(point: Mapping[str, Any], group: Any = None, lookup: Any = None) -> Hit:
    return Hit(
        point["id"], point.get("score"), point.get("payload"), point.get("vector"), group=group, lookup=lookup
    )


def _hits(compiled: Compiled, data: Any) -> Result:
    if isinstance(data, dict) and "groups" in data:
        return Result("hits", hits=list(_grouped(compiled, data["groups"])))
    points = data if isinstance(data, list) else data["points"]
    return Result("hits", hits=[_hit(point) for point in points])


def _grouped(compiled: Compiled, groups: list[Any]) -> Iterator[Hit]:
    """The hits of each group in turn; OFFSET, which the engine has not for groups, is done here."""
    skipped = compiled.plan.offset if compiled.plan else None
    for group in groups[skipped or 0 :]:
        for at, point in enumerate(group["hits"]):
            yield _hit(point, group["id"], group.get("lookup") if at == 0 else None)


def _batched(compiled: Compiled, data: Any) -> Result:
    """Hits of several queries as rows with the query's number; of writes, how many there were."""
    statement = compiled.statement
    assert isinstance(statement, nodes.Batch)
    if not isinstance(statement.statements[0], nodes.Query):
        count = many(len(statement.statements), "statement")
        return message_of(f"carried out {count} on {compiled.collection}")
    found = [(number, point) for number, one in enumerate(data, 1) for point in one["points"]]
    keys = ["id", "score", *(key for key in ("payload", "vector") if any(key in p for _, p in found))]
    rows = [{"query": number, **{key: point.get(key) for key in keys}} for number, point in found]
    return Result("rows", rows=rows)


def _upserted(compiled: Compiled, data: Any) -> Result:
    return message_of(f"upserted {many(written(compiled), 'point')} into {compiled.collection}")


def _counted(compiled: Compiled, data: Any) -> Result:
    return Result("rows", rows=[{"count": data["count"]}])


def _faceted(compiled: Compiled, data: Any) -> Result:
    return Result("rows", rows=[{"value": hit["value"], "count": hit["count"]} for hit in data["hits"]])


# ------------------------------------------------------------------------------------ lists


def _listed(key: str, **columns: str) -> Callable[[Compiled, Any], Result]:
    """A row for each item below a key of the answer: column = key of the item; sorted."""

    def result(compiled: Compiled, data: Any) -> Result:
        items = data[key] if key else data
        rows = [{column: item.get(name) for column, name in columns.items()} for item in items or ()]
        first = next(iter(columns))
        return Result("rows", rows=sorted(rows, key=lambda row: (str(type(row[first])), row[first])))

    return result


def _described(compiled: Compiled, data: Any) -> Result:
    """One row a vector and a payload index, as psql's \\d shows columns and indexes."""
    schema = Schema.from_info(data)
    config = data.get("config", {}).get("params", {})
    rows = []
    for vector in schema.vectors.values():
        shape = f"{vector.size} × {vector.distance}" if vector.size else ""
        group = "sparse_vectors" if vector.kind == "sparse" else "vectors"
        params = config.get(group) or {}
        own = params if vector.name == "" and "size" in params else params.get(vector.name) or {}
        details = _options(own, without=("size", "distance"))
        rows.append(_row(vector.name or "(unnamed)", vector.kind, shape, vector.model or "", details))
    for name, kind in schema.indexes.items():
        rows.append(_row(name, f"{kind} index", "", "", ""))
    rows.append(_row("(points)", "", str(data.get("points_count", "")), "", str(data.get("status", ""))))
    return Result("rows", rows=rows)


def _row(name: str, kind: str, shape: str, model: str, details: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "shape": shape, "model": model, "details": details}


def _options(values: Mapping[str, Any] | None, without: tuple[str, ...]) -> str:
    rest = {
        key: value for key, value in (values or {}).items() if key not in without and value not in (None, {})
    }
    return ", ".join(f"{key} = {show(value)}" for key, value in rest.items())


def _indexes(compiled: Compiled, data: Any) -> Result:
    rows = [
        {
            "field": field,
            "type": index.get("data_type"),
            "options": _options(index.get("params"), without=("type",)),
            "points": index.get("points"),
        }
        for field, index in sorted((data.get("payload_schema") or {}).items())
    ]
    return Result("rows", rows=rows)


def _quotas(compiled: Compiled, data: Any) -> Result:
    """The settings, and what else the server says, by paths."""
    rest = {key: value for key, value in data.items() if key != "config"}
    found = [*(data.get("config") or {}).items(), *_paths(rest)]
    return Result("rows", rows=[{"quota": name, "value": value} for name, value in found])


def _paths(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{above}{key}.")
        else:
            yield above + key, value


# ------------------------------------------------------------------------------------ messages


def _did(text: str) -> Callable[[Compiled, Any], Result]:
    """``{collection}`` is the statement's, ``{name}`` what it works on there."""

    def result(compiled: Compiled, data: Any) -> Result:
        name = name_of(compiled.statement)
        return message_of(text.format(collection=compiled.collection, name=name))

    return result


def _added(compiled: Compiled, data: Any) -> Result:
    assert isinstance(compiled.statement, nodes.AddVector)
    return message_of(f"added the vector {compiled.statement.vector.name.text} to {compiled.collection}")


def _renamed(compiled: Compiled, data: Any) -> Result:
    assert isinstance(compiled.statement, nodes.RenameAlias)
    return message_of(f"renamed the alias {compiled.statement.name.text} to {compiled.statement.to.text}")


def _snapshot(compiled: Compiled, data: Any) -> Result:
    return message_of(f"created the snapshot {data['name']} of {compiled.collection}")


_RESULTS: Mapping[type[nodes.Node], Callable[[Compiled, Any], Result]] = {
    nodes.Query: _hits,
    nodes.Scroll: _hits,
    nodes.Count: _counted,
    nodes.Facet: _faceted,
    nodes.Batch: _batched,
    nodes.Upsert: _upserted,
    nodes.Delete: _did("deleted points from {collection}"),
    nodes.UpdatePayload: _did("updated payloads in {collection}"),
    nodes.UpdateVector: _did("updated vectors in {collection}"),
    nodes.UpdateVectors: _did("updated vectors in {collection}"),
    nodes.DeletePayload: _did("deleted payload fields from {collection}"),
    nodes.DeleteVector: _did("deleted vectors from {collection}"),
    nodes.ClearPayload: _did("cleared payloads in {collection}"),
    nodes.CreateCollection: _did("created collection {collection}"),
    nodes.AlterCollection: _did("altered collection {collection}"),
    nodes.AddVector: _added,
    nodes.DropVector: _did("dropped the vector {name} of {collection}"),
    nodes.DropCollection: _did("dropped collection {collection}"),
    nodes.CreateIndex: _did("indexed {name} of {collection}"),
    nodes.DropIndex: _did("dropped the index on {name} of {collection}"),
    nodes.ShowIndexes: _indexes,
    nodes.CreateAlias: _did("the alias {name} stands for {collection}"),
    nodes.DropAlias: _did("dropped the alias {name}"),
    nodes.RenameAlias: _renamed,
    nodes.ShowAliases: _listed("aliases", alias="alias_name", collection="collection_name"),
    nodes.CreateSnapshot: _snapshot,
    nodes.DropSnapshot: _did("dropped the snapshot {name} of {collection}"),
    nodes.RestoreSnapshot: _did("restored {collection} from {name}"),
    nodes.ShowSnapshots: _listed("", name="name", created="creation_time", bytes="size", checksum="checksum"),
    nodes.CreateShardKey: _did("created the shard key {name} of {collection}"),
    nodes.DropShardKey: _did("dropped the shard key {name} of {collection}"),
    nodes.ShowShardKeys: _listed("shard_keys", shard_key="key"),
    nodes.SetQuota: _did("set the quota"),
    nodes.ShowQuotas: _quotas,
    nodes.ShowCollections: _listed("collections", collection="name"),
    nodes.ShowCollection: _described,
}
