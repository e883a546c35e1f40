"""Points: the requests of statements that write, count and walk through them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from qql import nodes
from qql.compiler.bound_rows import BoundRows
from qql.compiler.embed_clauses import resolve_embeds
from qql.compiler.emit_filters import emit_filter, selected_ids
from qql.compiler.emit_targets import order_of
from qql.compiler.empty_lists import refused_in_writes
from qql.compiler.options.query import COUNT_OPTIONS, FACET_OPTIONS, REQUEST_OPTIONS
from qql.compiler.options.table import read_options
from qql.compiler.pages import begin_page
from qql.compiler.plan import Context, collection_of
from qql.compiler.scalars import count_limit, point_id, shard_key, text_of, wait_of
from qql.errors import QQLPlanError, Span, did_you_mean, fail, shown
from qql.records import dataclass, replace
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json, JsonObject
from qql.schema import Schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.underway import Counter

__all__ = [
    "EMIT_POINTS",
    "clean",
    "emit_batch",
    "operation_of",
    "order_of",
    "selections",
    "waiting",
    "warn_of_twins",
]


def clean(body: Body) -> JsonObject:
    """Without what is not there."""
    return {key: value for key, value in body.items() if value is not None}


def selections(payload: nodes.Selection | None, vectors: nodes.Selection | None) -> JsonObject:
    """``with_payload`` (all of it, unless something else is asked for) and ``with_vector``."""
    found: JsonObject = {"with_payload": True}
    if payload is not None:
        names = [str(name.text) for name in payload.names]
        found["with_payload"] = {"all": True, "none": False}.get(str(payload.mode), {payload.mode: names})
    if vectors is not None:
        if vectors.mode == "exclude":
            hint = "name the vectors that are wanted: WITH VECTOR (dense, sparse)"
            fail("bad-selection", "vectors cannot be excluded by name", vectors.span, hint)
        names = [str(name.text) for name in vectors.names]
        found["with_vector"] = {"all": True, "none": False}.get(str(vectors.mode), names)
    return found


def waiting(scalar: nodes.Scalar | None) -> JsonObject:
    """WAIT as a parameter of the URL."""
    return {"wait": "true" if wait_of(scalar) else "false"}


# ------------------------------------------------------------------------------------ reading


def _asked(params: tuple[nodes.Option, ...], table: Body, where: str) -> tuple[JsonObject, JsonObject]:
    """The options of a statement: those of the URL, those of the body."""
    if not params:
        return {}, {}
    found = read_options(params, {**table, **REQUEST_OPTIONS}, where)
    url = {key: value for key, value in found.items() if key in REQUEST_OPTIONS}
    return url, {key: value for key, value in found.items() if key not in REQUEST_OPTIONS}


def _emit_count(statement: nodes.Count, context: Context) -> list[Request]:
    collection = collection_of(statement.source, context, statement.span)
    url, options = _asked(statement.params, COUNT_OPTIONS, "COUNT")
    body = clean({"filter": emit_filter(statement.where), "shard_key": shard_key(statement.shard)})
    return [Request("POST", collection_path(collection, "points", "count"), url, body | options)]


def _emit_analyze_text(statement: nodes.AnalyzeText, context: Context) -> list[Request]:
    """The collection's description, which says how its texts are tokenized."""
    text_of(statement.text, "the text of ANALYZE TEXT")
    return [Request("GET", collection_path(collection_of(statement.source, context, statement.span)))]


def _emit_facet(statement: nodes.Facet, context: Context) -> list[Request]:
    collection = collection_of(statement.source, context, statement.span)
    if statement.key is None:
        hint = f"write FACET field FROM {collection}"
        fail("field-missing", "FACET needs the field whose values it counts", statement.span, hint)
    url, options = _asked(statement.params, FACET_OPTIONS, "FACET")
    if "limit" in options and statement.limit is not None:
        message = "the option `limit` and LIMIT both say how many values are wanted"
        fail("duplicate-option", message, statement.limit.span)
    body = clean(
        {
            "key": str(statement.key.text),
            "limit": count_limit(statement.limit, "LIMIT", 1),
            "filter": emit_filter(statement.where),
            "shard_key": shard_key(statement.shard),
        }
    )
    return [Request("POST", collection_path(collection, "facet"), url, body | options)]


def _emit_scroll(statement: nodes.Scroll, context: Context) -> list[Request]:
    collection = collection_of(statement.source, context, statement.span)
    order = statement.order_by
    url, _ = _asked(statement.params, {}, "SCROLL")
    body = clean(
        {
            "filter": emit_filter(statement.where),
            "limit": count_limit(statement.limit, "LIMIT", 1),
            "order_by": order_of(order) if order else None,
        }
    )
    body = begin_page(body, statement.after, collection)
    body |= clean({"shard_key": shard_key(statement.shard)})
    body |= {"with_vector": False} | selections(statement.payload, statement.vectors)
    return [Request("POST", collection_path(collection, "points", "scroll"), url, body)]


# ------------------------------------------------------------------------------------ writing


@dataclass(frozen=True, slots=True)
class _Change:
    """One write. ``operation`` is its name in POST …/points/batch."""

    operation: str
    collection: str
    body: JsonObject


_WRITES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "upsert": ("PUT", ("points",)),
    "delete": ("POST", ("points", "delete")),
    "set_payload": ("POST", ("points", "payload")),
    "overwrite_payload": ("PUT", ("points", "payload")),
    "delete_payload": ("POST", ("points", "payload", "delete")),
    "clear_payload": ("POST", ("points", "payload", "clear")),
    "update_vectors": ("PUT", ("points", "vectors")),
    "delete_vectors": ("POST", ("points", "vectors", "delete")),
}
"""Operation → method and path of the request that carries out only it."""
_OPERATIONS = {(method, "/".join(path)): name for name, (method, path) in _WRITES.items()}


def operation_of(request: Request) -> str | None:
    """What a write of points is called in a batch of them; None for any other request."""
    return _OPERATIONS.get(request.route)


def _selected(statement: Json, word: str, hint: str) -> JsonObject:
    """The points that WHERE means, and the shards: ``filter`` and ``shard_key``.

    Ids are a condition like any other: one that is not there changes nothing. As ``points`` it would be an
    error of Qdrant's, and `id = 5` and `id = 5 OR id = 1` would be different things.
    """
    if statement.where is None:
        fail("where-missing", f"{word} needs a WHERE", statement.span, hint)
    return clean({"filter": emit_filter(statement.where), "shard_key": shard_key(statement.shard)})


_WHICH = "WHERE says which points: WHERE id = 1, WHERE id IN (1, 2), or any other condition"


def _delete(statement: nodes.Delete, context: Context) -> _Change:
    collection = collection_of(statement.source, context, statement.span)
    hint = f"DROP COLLECTION {collection} removes a collection with all its points"
    chosen = _selected(statement, "DELETE", hint)
    ids = selected_ids(statement.where)
    if ids is not None:  # to delete what is not there is no error, so nothing need be searched for
        del chosen["filter"]
        chosen = {"points": ids} | chosen
    return _Change("delete", collection, chosen)


def _update_payload(statement: nodes.UpdatePayload, context: Context) -> _Change:
    collection = collection_of(statement.collection, context, statement.span)
    from qql.compiler.rows import check_payload  # what reads rows is not imported for searches
    from qql.compiler.written_later import payload_of

    payload = payload_of(statement.value, statement.span)
    if not isinstance(payload, dict):
        message = f"SET PAYLOAD takes an object, not {shown(payload)}"
        fail("bad-payload", message, statement.span, "write SET PAYLOAD = {field: value}")
    check_payload(payload, statement.span)
    body: JsonObject = {"payload": payload} | _selected(statement, "UPDATE", _WHICH)
    if statement.key is not None:
        if statement.overwrite:
            hint = (
                "without KEY the whole payload is replaced; without OVERWRITE the object at KEY is added to"
            )
            message = "OVERWRITE replaces a payload as a whole: Qdrant has no KEY for it"
            fail("idle-clause", message, statement.key.span, hint)
        body["key"] = str(statement.key.text)
    if not payload and not statement.overwrite:
        hint = "CLEAR PAYLOAD, or SET PAYLOAD = {} OVERWRITE, empties a payload"
        context.warn("idle-update", "an empty object changes nothing", statement.span, hint)
    return _Change("overwrite_payload" if statement.overwrite else "set_payload", collection, body)


def _update_vector(statement: nodes.UpdateVector, context: Context) -> _Change:
    collection = collection_of(statement.collection, context, statement.span)
    ids = selected_ids(statement.where)
    if ids is None:
        word = "needs a WHERE" if statement.where is None else "takes points by their ids only"
        hint = "write WHERE id = 1, or WHERE id IN (1, 2) for the same vector in each"
        fail("where-missing", f"UPDATE … SET VECTOR {word}", statement.span, hint)
    value = statement.value if statement.name is None else {str(statement.name.text): statement.value}
    vector = _given_vector(value, collection, statement.span, context)
    points = [{"id": identity, "vector": vector} for identity in ids]
    return _Change("update_vectors", collection, _with_shard({"points": points}, statement))


def _given_vector(value: Json, collection: str, span: Span, context: Context) -> Json:
    """The vectors of SET VECTOR, checked. None of them may be null."""
    from qql.compiler.rows import check_vectors
    from qql.compiler.written_later import vectors_of

    vector = check_vectors(vectors_of(value, span), context.schema(collection), collection, span)
    # A vector that comes later cannot be compared: who looks for null among them asks for what they are.
    nothing = any(one is None for one in vector.values()) if isinstance(vector, dict) else vector is None
    if nothing or vector == {}:
        hint = f"DELETE VECTOR name FROM {collection} WHERE … takes one away"
        fail("malformed-vector", "SET VECTOR needs a vector", span, hint)
    return vector


def _with_shard(body: JsonObject, statement: Json) -> JsonObject:
    return body | clean({"shard_key": shard_key(statement.shard)})


_MOVED = ("id", "vector")


def _update_vectors(statement: nodes.UpdateVectors, context: Context) -> _Change:
    collection = collection_of(statement.collection, context, statement.span)
    schema = context.schema(collection)
    points = []
    for number, row in _rows(statement):
        with _naming_row(number):
            value = _moved_vectors(row, statement.span, schema)
            identity = nodes.Scalar(row["id"], span=statement.span)
            vector = _given_vector(value, collection, statement.span, context)
            points.append({"id": point_id(identity), "vector": vector})
    warn_of_twins([point["id"] for point in points], statement.span, context)
    body = clean({"points": points, "update_filter": emit_filter(statement.where)})
    return _Change("update_vectors", collection, _with_shard(body, statement))


def _moved_vectors(row: Body, span: Span, schema: Schema | None) -> Json:
    """The vectors of a row ``{id: …, vector: …}``; a key may be named like a vector of the collection."""
    from qql.compiler.row_keys import by_name, is_named, resembles, with_own

    vector, own = by_name(row.get("vector"), schema), {}
    for key, value in row.items():
        if key in _MOVED:
            continue
        if schema is None or key not in schema.vectors:
            hint = did_you_mean(key, _MOVED) or "UPDATE … SET PAYLOAD changes other fields"
            if resembles(value, None):
                hint = f"a vector is written vector: {{{key}: …}}"
            message = f"a row here has `id` and vectors only, not `{key}`"
            fail("bad-row", message, span, hint)
        if is_named(vector) and key in vector:
            message = f"the vector `{key}` is given twice: under `vector`, and as a key of its own"
            fail("duplicate-vector", message, span, "leave one out")
        own[key] = value
    for key in _MOVED:
        if key not in row and not (own and key == "vector"):
            fail("bad-row", f"there is no `{key}`", span)
    return with_own(vector, own)


@contextmanager
def _naming_row(number: int) -> Iterator[None]:
    """Puts the row's number in front of what is wrong with it."""
    try:
        yield
    except QQLPlanError as exc:
        found = exc.diagnostic
        raise QQLPlanError(replace(found, message=f"row {number}: {found.message}")) from None


def _delete_payload(statement: nodes.DeletePayload, context: Context) -> _Change:
    collection = collection_of(statement.source, context, statement.span)
    keys = _distinct(statement.names, "field")
    chosen = _selected(statement, "DELETE PAYLOAD", _WHICH)
    return _Change("delete_payload", collection, {"keys": keys} | chosen)


def _delete_vector(statement: nodes.DeleteVector, context: Context) -> _Change:
    collection = collection_of(statement.source, context, statement.span)
    names = _distinct(statement.names, "vector")
    schema = context.schema(collection)
    for node in statement.names if schema else ():
        assert schema is not None
        if str(node.text) not in schema.vectors:
            hint = did_you_mean(str(node.text), schema.vectors)
            hint = hint or f"its vectors: {schema.describe_vectors()}"
            fail("unknown-vector", f"`{collection}` has no vector `{node.text}`", node.span, hint)
    chosen = _selected(statement, "DELETE VECTOR", _WHICH)
    return _Change("delete_vectors", collection, {"vector": names} | chosen)


def _distinct(names: Sequence[nodes.Name], what: str) -> list[str]:
    found: dict[str, Span] = {}
    for name in names:
        text = str(name.text)
        if text in found:
            message = f"the {what} `{text}` stands twice"
            related = ((found[text], "given here first"),)
            fail("duplicate-name", message, name.span, None, related)
        found[text] = name.span
    return list(found)


def _clear_payload(statement: nodes.ClearPayload, context: Context) -> _Change:
    collection = collection_of(statement.source, context, statement.span)
    return _Change("clear_payload", collection, _selected(statement, "CLEAR PAYLOAD", _WHICH))


# ------------------------------------------------------------------------------------ UPSERT


def _rows(statement: nodes.Upsert | nodes.UpdateVectors) -> list[tuple[int, JsonObject]]:
    """The rows and their numbers from 1."""
    rows = statement.rows
    assert isinstance(rows, tuple), "parameters are bound before rows are read"
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            message = f"row {number} is {shown(row)}; a row is an object {{id: 1, …}}"
            fail("bad-row", message, statement.span)
    if not rows:
        fail("bad-row", "VALUES has no rows", statement.span)
    return list(enumerate(rows, 1))


_MODES = ("upsert", "insert_only", "update_only")


def _upsert(statement: nodes.Upsert, context: Context) -> _Change:
    collection = collection_of(statement.collection, context, statement.span)
    schema = context.schema(collection)
    embeds = resolve_embeds(statement.embeds, schema, collection, context)
    points = []
    rows = _rows(statement)
    from qql.compiler.row_notes import RowNotes
    from qql.compiler.rows import row_point
    from qql.compiler.written_later import comes_later, row_of

    notes = RowNotes(statement.span, collection, schema, embeds)
    if isinstance(statement.rows, BoundRows):
        notes.is_json, notes.scanned = True, statement.rows.scanned
    elif schema is None and not embeds and any(comes_later(row) for _, row in rows):
        notes.is_json, rows = True, [(number, row_of(row, statement.span)) for number, row in rows]
    count = _counter(len(rows))
    for number, row in rows:
        notes.number = number
        if count is not None:
            count()
        with _naming_row(number) if len(rows) > 1 else nullcontext():
            point = row_point(
                row,
                schema,
                collection,
                statement.span,
                context.warn,
                notes,
                embeds=embeds,
                needs_id=not statement.insert,
            )
        points.append(point)
    warn_of_twins([point["id"] for point in points], statement.span, context)
    if schema is None and not embeds and not any(point["vector"] for point in points):
        context.warn(
            "no-schema",
            f"what `{collection}` embeds is not known here, so the points have no vectors",
            statement.span,
            "connect to the database, or give schema= or a CREATE COLLECTION in the same script",
        )
    context.warnings += notes.warnings()
    body = {
        "points": points,
        "update_mode": _mode(statement.mode),
        "update_filter": emit_filter(statement.update_filter),
    }
    return _Change("upsert", collection, _with_shard(clean(body), statement))


_MANY_ROWS = 1000


def _counter(rows: int) -> Counter | None:
    """What counts rows that are checked, where they are many."""
    if rows < _MANY_ROWS:
        return None
    from qql.underway import counter

    return counter("checking rows", rows)


def _mode(mode: nodes.Name | None) -> str | None:
    if mode is None:
        return None
    word = str(mode.text).lower()
    if word not in _MODES:
        hint = did_you_mean(word, _MODES) or f"the modes are {', '.join(_MODES)}"
        fail("bad-option", f"there is no UPDATE MODE `{mode.text}`", mode.span, hint)
    return word


def warn_of_twins(ids: Sequence[int | str], span: Span, context: Context) -> None:
    """Warns of rows that have the id of one before, and replace it."""
    seen: dict[int | str, int] = {}
    for number, identity in enumerate(ids if len(ids) > 1 else (), 1):
        if identity in seen:
            message = f"rows {seen[identity]} and {number} have the same id {identity}"
            context.warn("duplicate-id", message, span, "the later row replaces the earlier one")
        seen[identity] = number


# ------------------------------------------------------------------------------------ BATCH

_CHANGES: Mapping[type[nodes.Node], Callable[[Any, Context], _Change]] = {
    nodes.Upsert: _upsert,
    nodes.Delete: _delete,
    nodes.UpdatePayload: _update_payload,
    nodes.UpdateVector: _update_vector,
    nodes.UpdateVectors: _update_vectors,
    nodes.DeletePayload: _delete_payload,
    nodes.DeleteVector: _delete_vector,
    nodes.ClearPayload: _clear_payload,
}


def _change(statement: Json, context: Context) -> _Change:
    with refused_in_writes():
        return _CHANGES[type(statement)](statement, context)


def _emit_change(statement: Json, context: Context) -> list[Request]:
    change = _change(statement, context)
    method, path = _WRITES[change.operation]
    where = collection_path(change.collection, *path)
    return [Request(method, where, waiting(statement.wait), change.body)]


def emit_batch(
    statement: nodes.Batch, context: Context, query: Callable[[nodes.Query, Context], Request]
) -> list[Request]:
    """Queries, or writes, of one collection as one request. ``query`` gives the request of a query."""
    first = statement.statements[0]
    reads = isinstance(first, nodes.Query)
    requests = [_member(one, context, query) for one in statement.statements]
    for one, (collection, _) in zip(statement.statements, requests, strict=True):
        if isinstance(one, nodes.Query) != reads:
            hint = "a BATCH has queries only or writes only; write two"
            fail("mixed-batch", "queries and writes cannot go in one BATCH", one.span, hint)
        if collection != requests[0][0]:
            message = f"a BATCH works on one collection: `{requests[0][0]}` and `{collection}` are two"
            fail("mixed-batch", message, one.span, "write a BATCH for each")
    collection, parts = requests[0][0], [part for _, part in requests]
    url = read_options(statement.params, REQUEST_OPTIONS, "BATCH")
    if reads:
        if statement.wait is not None:
            fail("idle-clause", "WAIT has no meaning for queries", statement.wait.span)
        path = collection_path(collection, "points", "query", "batch")
        return [Request("POST", path, url, {"searches": parts})]
    if url:
        option = statement.params[0]
        fail("idle-option", f"`{option.name}` has no meaning for writes", option.span)
    path = collection_path(collection, "points", "batch")
    return [Request("POST", path, waiting(statement.wait), {"operations": parts})]


def _member(
    statement: nodes.Statement, context: Context, query: Callable[[nodes.Query, Context], Request]
) -> tuple[str, JsonObject]:
    """The collection of a statement in a BATCH, and its part of the body."""
    words = words_of(statement)
    if isinstance(statement, nodes.Query):
        if statement.provenance is not None:
            hint = "write it as a statement of its own"
            fail("batch-member", "WITH PROVENANCE cannot go in a BATCH", statement.provenance.span, hint)
        request = query(statement, context)
        if request.route != ("POST", "points/query"):
            hint = "write it as a statement of its own"
            fail("batch-member", "groups and POINTS cannot go in a BATCH", statement.span, hint)
        if request.query:
            hint = "write } PARAMS (…) behind the BATCH: it holds for all of its queries"
            message = f"`{min(request.query)}` belongs to the BATCH as a whole"
            fail("misplaced-option", message, statement.span, hint)
        return str(request.collection), request.body or {}
    if type(statement) not in _CHANGES:
        hint = "a BATCH has queries, or UPSERT, UPDATE, DELETE and CLEAR PAYLOAD, or changes of aliases"
        fail("batch-member", f"{words} cannot go in a BATCH", statement.span, hint)
    wait = getattr(statement, "wait", None)
    if wait is not None:
        hint = "write } WAIT … behind the BATCH: it holds for all of its statements"
        fail("misplaced-clause", "WAIT belongs to the BATCH as a whole", wait.span, hint)
    change = _change(statement, context)
    return change.collection, {change.operation: change.body}


def words_of(statement: nodes.Node) -> str:
    """A statement by the words that it begins with: ``SHOW COLLECTIONS``."""
    if isinstance(statement, nodes.Fallback):
        return "QUERY … ELSE"
    return " ".join(re.findall("[A-Z][a-z]*", type(statement).__name__)).upper()


EMIT_POINTS: Mapping[type[nodes.Node], Callable[[Any, Context], list[Request]]] = {
    nodes.Count: _emit_count,
    nodes.Facet: _emit_facet,
    nodes.AnalyzeText: _emit_analyze_text,
    nodes.Scroll: _emit_scroll,
    **dict.fromkeys(_CHANGES, _emit_change),
}
