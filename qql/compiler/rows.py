"""Rows → points: what UPSERT and COPY write."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import cast

from qql import nodes
from qql.compiler.bind import resolved
from qql.compiler.embed_clauses import TEXT_FIELDS, Embed, field_of
from qql.compiler.scalars import point_id
from qql.compiler.vectors import check_vector
from qql.errors import Span, did_you_mean, fail, shown
from qql.rest.types import Body, Json, JsonObject
from qql.schema import Schema

__all__ = [
    "TEXT_FIELDS",
    "check_payload",
    "check_vectors",
    "content_uuid",
    "document",
    "make_point",
    "missing_texts",
    "row_point",
]

_CONTENT = uuid.uuid5(uuid.NAMESPACE_URL, "qql:row")

Warn = Callable[[str, str, Span | None, str | None], None]
"""Takes the code, message, place and hint of a warning."""


def document(text: str, model: str | None) -> JsonObject:
    """Qdrant's inference object."""
    return {"text": text, "model": model} if model else {"text": text}


def content_uuid(payload: Body, vector: Json) -> str:
    """UUIDv5 of a point's content: of the JSON of ``[payload, vector]`` with sorted keys.

    It is the id of a row of INSERT or COPY that has none, so what is written again replaces itself.
    """
    import orjson

    content = orjson.dumps([payload, vector], option=orjson.OPT_SORT_KEYS)
    return str(uuid.uuid5(_CONTENT, content.decode()))


def row_point(
    row: Body,
    schema: Schema | None,
    collection: str,
    span: Span,
    warn: Warn,
    *,
    embeds: Sequence[Embed] = (),
    needs_id: bool = True,
) -> JsonObject:
    """The point of a row ``{id: …, vector: …, …}``; every other key is payload.

    Without ``needs_id`` a row without an id gets the UUID of its content. Raises `QQLPlanError`.
    """
    payload = cast(JsonObject, resolved(dict(row), span))
    named, vector = "vector" in payload, payload.pop("vector", None)
    given = "id" in payload
    identity = payload.pop("id") if given else _made_id(payload, vector, span, warn, needs_id)
    for key in () if named else payload:
        if key.lower() in ("vector", "vectors"):
            message = f"`{key}` is a field like any other here; the vector of a point is called `vector`"
            warn("vector-in-payload", message, span, "write it as vector: …")
    return make_point(identity, vector, payload, schema, collection, span, warn, embeds=embeds)


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
    *,
    embeds: Sequence[Embed] = (),
) -> JsonObject:
    """``{"id", "vector", "payload"}``, checked.

    Every vector that is to be embedded is asked for as an inference object of the payload's text: with
    ``embeds`` those, otherwise each of the collection that has a model and is not given. A vector that is
    given as null (``vector: {dense: null}``) is left out, and nothing is made in its place.
    Raises `QQLPlanError`.
    """
    point: JsonObject = {"id": point_id(nodes.Scalar(identity, span=span))}
    if vector is not None:
        vector = check_vectors(vector, schema, collection, span)
    vector = _with_texts(vector, payload, schema, embeds, span, warn)
    if _is_named(vector):
        vector = {name: value for name, value in vector.items() if value is not None}
    point["vector"] = {} if vector is None else vector  # Qdrant's REST wants the key in any case
    if payload:
        check_payload(payload, span)
        point["payload"] = payload
        if isinstance(payload.get("payload"), dict) and len(payload) == 1:
            message = "`payload` is a field like any other here, so the payload holds an object `payload`"
            warn("nested-payload", message, span, "write the payload's fields beside `id` and `vector`")
    return point


def missing_texts(
    row_vector: Json, point_vector: Json, schema: Schema | None, embeds: Sequence[Embed] = ()
) -> list[str]:
    """The vectors that would have been made of a row's text, had it one.

    ``row_vector`` is what the row says of its vectors, where one may be left out on purpose.
    """
    given = row_vector if isinstance(row_vector, dict) else {}
    wanted = [one.vector for one in embeds] or [v.name for v in _embedded(schema)]
    if _is_named(point_vector):
        return [name for name in wanted if name not in point_vector and given.get(name, "") is not None]
    return []


def _embedded(schema: Schema | None) -> list[Json]:
    """The vectors of a collection that have a model."""
    return [vector for vector in schema.vectors.values() if vector.model] if schema else []


def _is_inference(value: Json) -> bool:
    """Whether a value is Qdrant's inference object. A vector may be called `text`, `image` or `object`."""
    if not isinstance(value, dict):
        return False
    asked = "image" in value or "object" in value
    return isinstance(value.get("text"), str) or (asked and isinstance(value.get("model"), str))


def _is_named(vector: Json) -> bool:
    """Whether a point's vectors are an object by their names."""
    return isinstance(vector, dict) and set(vector) != {"indices", "values"} and not _is_inference(vector)


def check_vectors(vector: Json, schema: Schema | None, collection: str, span: Span) -> Json:
    """What a row or SET VECTOR gives as the vectors of a point, checked by name; null stays.

    Raises `QQLPlanError`.
    """
    of = f"of `{collection}`"
    if _is_named(vector) and not _is_packed(vector):
        return {name: _one_vector(value, name, schema, collection, span) for name, value in vector.items()}
    if schema is not None and schema.vectors and "" not in schema.vectors:
        hint = f"name it: vector: {{{next(iter(schema.vectors))}: …}}"
        fail("unknown-vector", f"the vectors {of} have names: {schema.describe_vectors()}", span, hint)
    return _one_vector(vector, "", schema, collection, span)


def _is_packed(value: Json) -> bool:
    """Whether a value is a multivector as v1 packs it, ``{data: [1, 2, 3, 4], dim: 2}``."""
    return isinstance(value, dict) and set(value) == {"data", "dim"} and isinstance(value["dim"], int)


def _unpacked(value: Body, span: Span) -> list[Json]:
    data, dim = value["data"], value["dim"]
    if not isinstance(data, list) or isinstance(dim, bool) or dim < 1 or not data or len(data) % dim:
        message = "a packed multivector {data: […], dim: n} has n numbers for each row"
        fail("malformed-vector", message, span, "write its rows: [[1, 2], [3, 4]]")
    return [data[at : at + dim] for at in range(0, len(data), dim)]


def _one_vector(value: Json, name: str, schema: Schema | None, collection: str, span: Span) -> Json:
    known = None
    if schema is not None:
        known = schema.vectors.get(name)
        if known is None:
            hint = did_you_mean(name, schema.vectors) or f"its vectors: {schema.describe_vectors()}"
            fail("unknown-vector", f"`{collection}` has no vector `{name}`", span, hint)
    if value is None:
        return None
    if isinstance(value, str):
        return document(value, known.model if known else None)
    if _is_inference(value):
        return _with_model(value, known.model if known else None, span)
    if _is_packed(value):
        value = _unpacked(value, span)
    check_vector(value, known, span, f"of `{collection}`")
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
    given = vector if _is_named(vector) else None
    if not embeds:
        if vector is not None and given is None:
            return vector
        known = _embedded(schema)
        embeds = [Embed(v.name, "text", v.model) for v in known if v.name not in (given or {})]
    made = {}
    for one in embeds:
        content = field_of(payload, one)
        if content is None:
            continue
        if (one.vector == "" and vector is not None and given is None) or one.vector in (given or {}):
            message = f"the vector `{one.vector or '(unnamed)'}` of a row is made of its text again"
            warn("replaced-vector", message, span, "leave it out of USING, or the vector out of the row")
        made[one.vector] = {one.form: content, "model": one.model} if one.model else {one.form: content}
    if not made:
        return vector
    if made.keys() == {""} and not given:
        return made[""]
    return {**(given or {}), **made}


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
