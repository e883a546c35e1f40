"""An engine's answer to a statement → the result that is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter

from qql import nodes
from qql.compiler.scalars import scalar_value
from qql.compiler.script import Compiled
from qql.errors import many
from qql.nodes.declare import Rows
from qql.rest.types import Body, Json, JsonObject
from qql.result import Hit, Result, hits_of, result_of_points
from qql.schema import Schema
from qql.syntax.printer import show

__all__ = ["gives_data", "message_of", "name_of", "points_written", "result_of", "stages_listed"]


def result_of(compiled: Compiled, answer: Json, matched: int | None = None) -> Result:
    """The result of a statement that has requests; ``answer`` is the answer to the first of them.

    ``matched`` is how many points a write means, where they were counted.
    """
    kind = type(compiled.written)
    if (own := _SHOWS.get(kind)) is not None:
        return own(compiled, answer)
    shows = nodes.STATEMENTS[kind].shows
    match shows:
        case str():
            return Result("message", message=_message(shows, compiled, answer, matched), matched=matched)
        case Rows():
            columns = tuple([name for name, _ in shows.columns])
            return Result("rows", rows=_sorted_rows(shows, answer), columns=columns)
        case None:
            raise NotImplementedError(f"{kind.__name__} does not declare how its answer is shown")


def gives_data(statement: nodes.Statement) -> bool:
    """Whether hits, rows or FORMAT json come of it; else a message or a text does."""
    kind = type(statement)
    match statement:
        case nodes.Batch():
            return gives_data(statement.statements[0])
        case nodes.Explain() | nodes.Why():
            return statement.format is not None and str(statement.format.text).lower() == "json"
        case _:
            shown = nodes.STATEMENTS[kind].shows
            return kind in _GIVE_DATA or isinstance(shown, Rows)


def message_of(text: str) -> Result:
    """The result of a statement that only does something."""
    return Result("message", message=text)


def stages_listed(ctes: Iterable[nodes.Cte]) -> Result:
    """The result of SHOW STAGES."""
    rows = [{"stage": str(cte.name.text), "definition": show(cte.stage)} for cte in ctes]
    return Result("rows", rows=rows, columns=("stage", "definition"))


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


def _message(template: str, compiled: Compiled, answer: Json, matched: int | None) -> str:
    statement = compiled.statement
    points = "points" if matched is None else "no points" if matched == 0 else many(matched, "point")
    said = template.format(
        collection=compiled.collection,
        name=name_of(statement),
        to=statement.to.text if isinstance(statement, nodes.RenameAlias) else "",
        answer=answer,
        points=points,
        of_points="" if matched is None else f" of {points}",
    )
    return f"none matched: {said}" if matched == 0 else said


def _sorted_rows(shows: Rows, answer: Json) -> list[JsonObject]:
    items = answer[shows.key] if shows.key else answer
    rows = [{column: item.get(key) for column, key in shows.columns} for item in items or ()]
    first, _ = shows.columns[0]
    return sorted(rows, key=lambda row: (str(type(row[first])), row[first]))


# ------------------------------------------------------------------------------------ points


def _query_hits(compiled: Compiled, answer: Json) -> Result:
    if isinstance(answer, dict) and "groups" in answer:
        return Result("hits", hits=list(_group_hits(compiled, answer["groups"])))
    points = answer if isinstance(answer, list) else answer["points"]
    return result_of_points(points)


def _group_hits(compiled: Compiled, groups: list[JsonObject]) -> Iterator[Hit]:
    """The hits of each group in turn; OFFSET, which the engine has not for groups, is done here."""
    skipped = compiled.plan.offset if compiled.plan else None
    for group in groups[skipped or 0 :]:
        yield from hits_of(group["hits"], group["id"], group.get("lookup"))


def _batch_result(compiled: Compiled, answer: Json) -> Result:
    """Hits of several queries as rows with the query's number; of writes, how many there were."""
    statement = compiled.statement
    assert isinstance(statement, nodes.Batch)
    if nodes.changes_aliases(statement):
        return message_of(f"made {many(len(statement.statements), 'change')} of aliases at one stroke")
    if not isinstance(statement.statements[0], nodes.Query):
        count = many(len(statement.statements), "statement")
        return message_of(f"carried out {count} on {compiled.collection}")
    found = [(number, point) for number, one in enumerate(answer, 1) for point in one["points"]]
    keys = ["id", "score", *(key for key in ("payload", "vector") if any(key in p for _, p in found))]
    rows = [{"query": number, **{key: point.get(key) for key in keys}} for number, point in found]
    return Result("rows", rows=rows, columns=("query", *keys))


def _existence(compiled: Compiled, answer: Json) -> Result:
    return Result("rows", rows=[{"collection": compiled.collection, "exists": answer["exists"]}])


def _upsert_message(compiled: Compiled, answer: Json) -> Result:
    statement, count = compiled.statement, many(points_written(compiled), "point")
    assert isinstance(statement, nodes.Upsert)
    chosen = statement.update_filter is not None or statement.mode is not None
    return message_of(f"upserted {'at most ' if chosen else ''}{count} into {compiled.collection}")


def _count_row(compiled: Compiled, answer: Json) -> Result:
    return Result("rows", rows=[{"count": answer["count"]}])


def _facet_rows(compiled: Compiled, answer: Json) -> Result:
    found = map(itemgetter("value", "count"), answer["hits"])
    rows = [{"value": value, "count": count} for value, count in found]
    return Result("rows", rows=rows, columns=("value", "count"))


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


def _matrix_rows(compiled: Compiled, answer: Json) -> Result:
    """Pairs of points with their scores, in whichever form the answer has them."""
    pairs = answer.get("pairs")
    if pairs is None:
        ids = answer["ids"]
        found = zip(answer["offsets_row"], answer["offsets_col"], answer["scores"], strict=True)
        pairs = [{"a": ids[row], "b": ids[column], "score": score} for row, column, score in found]
    columns = ("a", "b", "score")
    return Result("rows", rows=[{key: pair[key] for key in columns} for pair in pairs], columns=columns)


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
    return Result("rows", rows=rows, columns=("field", "type", "options", "points"))


def _list_optimizations(compiled: Compiled, answer: Json) -> Result:
    from qql.session.server_state import optimizations_listed

    return optimizations_listed(answer)


def _list_memory(compiled: Compiled, answer: Json) -> Result:
    from qql.session.server_state import memory_listed

    return memory_listed(answer)


def _list_tokens(compiled: Compiled, answer: Json) -> Result:
    from qql.session.text_tokens import tokens_listed

    return tokens_listed(compiled, answer)


def _list_quotas(compiled: Compiled, answer: Json) -> Result:
    """The settings, and what else the server says, by paths."""
    rest = {key: value for key, value in answer.items() if key != "config"}
    found = [*(answer.get("config") or {}).items(), *_leaves(rest)]
    rows = [{"quota": name, "value": value} for name, value in found]
    return Result("rows", rows=rows, columns=("quota", "value"))


def _leaves(values: Body, above: str = "") -> Iterator[tuple[str, Json]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield above + key, value


# ------------------------------------------------------------------------------------ by statement

MakeResult = Callable[[Compiled, Json], Result]

_SHOWS: Mapping[type[nodes.Node], MakeResult] = {
    nodes.Query: _query_hits,
    nodes.Scroll: _query_hits,
    nodes.Count: _count_row,
    nodes.Facet: _facet_rows,
    nodes.Matrix: _matrix_rows,
    nodes.Batch: _batch_result,
    nodes.Upsert: _upsert_message,
    nodes.ShowIndexes: _list_indexes,
    nodes.AnalyzeText: _list_tokens,
    nodes.ShowQuotas: _list_quotas,
    nodes.ShowOptimizations: _list_optimizations,
    nodes.ShowMemory: _list_memory,
    nodes.ShowCollection: _describe_collection,
    nodes.ExistsCollection: _existence,
}
"""What makes results of the answers to statements whose declarations do not say how they are shown."""

_GIVE_DATA = frozenset(_SHOWS) - {nodes.Upsert} | {nodes.Fallback, nodes.ShowStages, nodes.ShowModels}
