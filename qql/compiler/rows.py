"""Rows → points: what UPSERT and COPY write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set
from functools import cache

from qql.compiler.base64_vectors import vector_of_base64
from qql.compiler.bind import resolved
from qql.compiler.embed_clauses import TEXT_FIELDS, Embed, field_of
from qql.compiler.row_keys import OWN_READINGS, is_inference, is_named, is_packed, read_keys
from qql.compiler.row_notes import RowNotes
from qql.compiler.scalars import checked_id
from qql.compiler.vectors import check_vector
from qql.errors import QQLPlanError, Span, did_you_mean, fail, shown
from qql.late import cast
from qql.records import replace
from qql.rest.types import Body, Json, JsonObject
from qql.schema import Schema, VectorInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid

__all__ = [
    "TEXT_FIELDS",
    "check_payload",
    "check_vectors",
    "content_uuid",
    "document",
    "make_point",
    "row_point",
]

Warn = Callable[[str, str, Span | None, str | None], None]
"""Takes the code, message, place and hint of a warning."""


def document(text: str, model: str | None) -> JsonObject:
    """Qdrant's inference object."""
    return {"text": text, "model": model} if model else {"text": text}


@cache
def _content_space() -> uuid.UUID:
    import uuid

    return uuid.uuid5(uuid.NAMESPACE_URL, "qql:row")


def content_uuid(payload: Body, vector: Json) -> str:
    """UUIDv5 of a point's content: of the JSON of ``[payload, vector]`` with sorted keys.

    It is the id of a row of INSERT or COPY that has none, so what is written again replaces itself.
    """
    import uuid

    import orjson

    content = orjson.dumps([payload, vector], option=orjson.OPT_SORT_KEYS)
    return str(uuid.uuid5(_content_space(), content.decode()))


def row_point(
    row: Body,
    schema: Schema | None,
    collection: str,
    span: Span,
    warn: Warn,
    notes: RowNotes,
    *,
    embeds: Sequence[Embed] = (),
    needs_id: bool = True,
) -> JsonObject:
    """The point of a row ``{id: …, vector: …, …}``; every other key is payload, or a vector (`read_keys`).

    Without ``needs_id`` a row without an id gets the UUID of its content. Raises `QQLPlanError`.
    """
    fields = dict(row) if notes.is_json else cast(JsonObject, resolved(dict(row), span))
    vector = fields.pop("vector", None)
    given = "id" in fields
    identity = fields.pop("id", None)
    payload, vector, own = read_keys(fields, vector, schema, collection, span, notes)
    if not given:
        identity = _made_id(payload, vector, span, warn, needs_id)
    return make_point(
        identity, vector, payload, schema, collection, span, warn, notes, embeds=embeds, own=own
    )


def _made_id(payload: Body, vector: Json, span: Span, warn: Warn, needs_id: bool) -> str:
    written = next((key for key in payload if key.lower() == "id"), None)
    other = f"`{written}` is another field: names keep their case, so write `id`" if written else None
    if needs_id:
        hint = "ids are unsigned integers or UUIDs; UUID('some key') makes a stable one of a text"
        fail("missing-id", "a point needs an `id`", span, other or hint)
    if other:
        warn("id-in-payload", "a row has no `id`, so it gets the UUID of its content", span, other)
    return content_uuid(payload, vector)


def make_point(
    identity: Json,
    vector: Json,
    payload: JsonObject,
    schema: Schema | None,
    collection: str,
    span: Span,
    warn: Warn,
    notes: RowNotes,
    *,
    embeds: Sequence[Embed] = (),
    own: Collection[str] = (),
) -> JsonObject:
    """``{"id", "vector", "payload"}``, checked.

    Every vector that is to be embedded is asked for as an inference object of the payload's text: with
    ``embeds`` those, otherwise each of the collection that has a model and is not given. A vector that is
    given as null (``vector: {dense: null}``) is left out, and nothing is made in its place. Other vectors
    that are missing in the end are noted. ``own`` are vectors that were given as keys of the row.
    Raises `QQLPlanError`.
    """
    point: JsonObject = {"id": checked_id(identity, span)}
    if vector is not None:
        vector = check_vectors(vector, schema, collection, span, own, notes.scanned)
    vector = _with_texts(vector, payload, schema, embeds, span, warn)
    _note_missing(vector, schema, embeds, notes)
    if is_named(vector):
        vector = {name: value for name, value in vector.items() if value is not None}
    point["vector"] = {} if vector is None else vector  # Qdrant's REST wants the key in any case
    if payload:
        if not notes.is_json:
            check_payload(payload, span)
        point["payload"] = payload
    return point


def _note_missing(vector: Json, schema: Schema | None, embeds: Sequence[Embed], notes: RowNotes) -> None:
    """Notes the vectors that a point ends without; one that is null is left out on purpose."""
    found: Collection[str] = vector if is_named(vector) else () if vector is None else ("",)
    wanted: Collection[str] = schema.vectors if schema is not None else [one.vector for one in embeds]
    if len(found) < len(wanted):
        missing = [name for name in wanted if name not in found]
        if missing:
            notes.add_without(missing)
            return
    for key in notes.telling:
        notes.add_field(key)


def _embedded(schema: Schema | None) -> list[VectorInfo]:
    """The vectors of a collection that have a model."""
    return [vector for vector in schema.vectors.values() if vector.model] if schema else []


def check_vectors(
    vector: Json,
    schema: Schema | None,
    collection: str,
    span: Span,
    own: Collection[str] = (),
    scanned: Set[int] = frozenset(),
) -> Json:
    """What a row or SET VECTOR gives as the vectors of a point, checked by name; null stays.

    ``own`` are those that were given as keys of a row, which may be payload too; ``scanned`` are lists that
    need no look (`check_vector`). Raises `QQLPlanError`.
    """
    of = f"of `{collection}`"
    if is_named(vector):
        return {
            name: (_own_vector if name in own else _named_vector)(
                value, name, schema, collection, span, scanned
            )
            for name, value in vector.items()
        }
    if schema is not None and schema.vectors and "" not in schema.vectors:
        hint = f"name it: vector: {{{next(iter(schema.vectors))}: …}}"
        fail("unknown-vector", f"the vectors {of} have names: {schema.describe_vectors()}", span, hint)
    return _one_vector(vector, "", schema, collection, span, scanned)


def _named_vector(
    value: Json, name: str, schema: Schema | None, collection: str, span: Span, scanned: Set[int]
) -> Json:
    """A vector under ``vector``. Raises `QQLPlanError` that says which it is."""
    try:
        return _one_vector(value, name, schema, collection, span, scanned)
    except QQLPlanError as exc:
        found = exc.diagnostic
        if found.code != "malformed-vector" or not name:
            raise
        raise QQLPlanError(replace(found, message=f"the vector `{name}`: {found.message}")) from None


def _own_vector(
    value: Json, name: str, schema: Schema | None, collection: str, span: Span, scanned: Set[int]
) -> Json:
    """A key's value that is a vector, or almost one. Raises `QQLPlanError`, with both readings."""
    readings = OWN_READINGS.format(name)
    if is_inference(value):
        message = f"`{name}` may be the vector of this name, to be made by a model, or a field of the payload"
        fail("malformed-vector", message, span, readings)
    try:
        return _one_vector(value, name, schema, collection, span, scanned)
    except QQLPlanError as exc:
        found = exc.diagnostic
        message = f"`{name}` is named like a vector, and its value is almost one: {found.message}"
        raise QQLPlanError(replace(found, message=message, hint=readings)) from None


def _unpacked(value: Body, span: Span) -> list[Json]:
    data, dim = value["data"], value["dim"]
    if not isinstance(data, list) or isinstance(dim, bool) or dim < 1 or not data or len(data) % dim:
        message = "a packed multivector {data: […], dim: n} has n numbers for each row"
        fail("malformed-vector", message, span, "write its rows: [[1, 2], [3, 4]]")
    return [data[at : at + dim] for at in range(0, len(data), dim)]


def _one_vector(
    value: Json, name: str, schema: Schema | None, collection: str, span: Span, scanned: Set[int]
) -> Json:
    known = None
    if schema is not None:
        known = schema.vectors.get(name)
        if known is None:
            hint = did_you_mean(name, schema.vectors) or f"its vectors: {schema.describe_vectors()}"
            fail("unknown-vector", f"`{collection}` has no vector `{name}`", span, hint)
    if value is None:
        return None
    if (numbers := vector_of_base64(value, known)) is not None:
        value = numbers
    if isinstance(value, str):
        return document(value, known.model if known else None)
    if is_inference(value):
        return _with_model(value, known.model if known else None, span)
    if is_packed(value):
        value = _unpacked(value, span)
    check_vector(value, known, span, f"of `{collection}`", scanned)
    return value


_INFERENCE = ("text", "image", "object", "model", "options")


def _with_model(value: JsonObject, model: str | None, span: Span) -> JsonObject:
    """An inference object, checked, with the vector's model where it names none."""
    for key in value:
        if key not in _INFERENCE:
            hint = did_you_mean(key, _INFERENCE) or "it is {text: '…', model: '…', options: {…}}"
            fail("malformed-vector", f"an inference object has no key `{key}`", span, hint)
    if sum(key in value for key in ("text", "image", "object")) != 1:
        message = "an inference object has one of `text`, `image` and `object`"
        fail("malformed-vector", message, span)
    if "model" in value:
        if not isinstance(value["model"], str) or not value["model"]:
            fail("bad-text", f"the model is a text, not {shown(value['model'])}", span)
        return value
    return {**value, "model": model} if model else value


def _with_texts(
    vector: Json,
    payload: Body,
    schema: Schema | None,
    embeds: Sequence[Embed],
    span: Span,
    warn: Warn,
) -> Json:
    """The vectors, and an inference object for each that is to be embedded."""
    given: JsonObject = vector if is_named(vector) else {} if vector is None else {"": vector}
    if not embeds:
        embeds = [Embed(v.name, "text", v.model) for v in _embedded(schema) if v.name not in given]
    made: JsonObject = {}
    for one in embeds:
        content = field_of(payload, one)
        if content is None:
            continue
        if one.vector in given:
            message = f"the vector `{one.vector or '(unnamed)'}` of a row is made of its text again"
            warn("replaced-vector", message, span, "leave it out of USING, or the vector out of the row")
        made[one.vector] = {one.form: content, "model": one.model} if one.model else {one.form: content}
    if not made:
        return vector
    found = given | made
    return found[""] if found.keys() == {""} else found


def check_payload(payload: Body, span: Span) -> None:
    """Raises `QQLPlanError` for a number that no payload can hold."""
    todo: list[Json] = [payload]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, list):
            todo += item
        elif isinstance(item, int) and not -(1 << 63) <= item < 1 << 64:
            fail("number-out-of-range", f"{shown(item)} does not fit 64 bits", span)
        elif isinstance(item, float) and not -1.8e308 < item < 1.8e308:
            fail("number-out-of-range", "NaN and infinity are no JSON values", span)
