"""Rows → points: what UPSERT and COPY write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, cast

from qql import nodes
from qql.bind import resolved
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean, shown
from qql.filters import point_id
from qql.plan import check_vector
from qql.schema import Schema

__all__ = ["TEXT_FIELDS", "document", "lacks_vector", "make_point", "row_point"]

TEXT_FIELDS = ("text", "body", "content", "title", "description", "name", "summary", "document")
"""The payload field that is embedded: the first of these that a row has."""

Warn = Callable[[str, str, Span | None, str | None], None]
"""Takes the code, message, place and hint of a warning."""


def _fail(code: str, message: str, span: Span, hint: str | None = None) -> NoReturn:
    raise QQLPlanError(Diagnostic(code, message, span, hint))


def document(text: str, model: str | None) -> dict[str, Any]:
    """Qdrant's inference object."""
    return {"text": text, "model": model} if model else {"text": text}


def row_point(
    row: Mapping[str, Any], schema: Schema | None, collection: str, span: Span, warn: Warn
) -> dict[str, Any]:
    """The point of a row ``{id: …, vector: …, …}``; every other key is payload. Raises `QQLPlanError`."""
    payload = cast(dict[str, Any], resolved(dict(row), span))
    if "id" not in payload:
        hint = "ids are unsigned integers or UUIDs; UUID('some key') makes a stable one of a text"
        written = next((key for key in payload if key.lower() == "id"), None)
        if written:
            hint = f"`{written}` is another field: names keep their case, so write `id`"
        _fail("missing-id", "a point needs an `id`", span, hint)
    identity, vector = payload.pop("id"), payload.pop("vector", None)
    for key in payload:
        if key.lower() in ("vector", "vectors"):
            message = f"`{key}` is a field like any other here; the vector of a point is called `vector`"
            warn("vector-in-payload", message, span, "write it as vector: …")
    return make_point(identity, vector, payload, schema, collection, span, warn)


def make_point(
    identity: Any,
    vector: Any,
    payload: dict[str, Any],
    schema: Schema | None,
    collection: str,
    span: Span,
    warn: Warn,
) -> dict[str, Any]:
    """``{"id", "vector", "payload"}``, checked.

    Every vector of the collection that has a model and is not given is asked for as an inference
    object of the payload's text. Raises `QQLPlanError`.
    """
    point: dict[str, Any] = {"id": point_id(nodes.Scalar(identity, span=span))}
    if vector is not None:
        vector = _vector(vector, schema, collection, span)
    vector = _with_texts(vector, payload, schema)
    point["vector"] = {} if vector is None else vector  # Qdrant's REST wants the key in any case
    if payload:
        _check_payload(payload, span)
        point["payload"] = payload
        if isinstance(payload.get("payload"), dict) and len(payload) == 1:
            message = "`payload` is a field like any other here, so the payload holds an object `payload`"
            warn("nested-payload", message, span, "write the payload's fields beside `id` and `vector`")
    return point


def lacks_vector(vector: Any, schema: Schema | None) -> bool:
    """Whether a point lacks a vector that would have been made of its text."""
    vectors = schema.vectors if schema else {}
    if "" in vectors:
        return vector == {} and vectors[""].model is not None
    return any(known.model and name not in vector for name, known in vectors.items())


def _vector(vector: Any, schema: Schema | None, collection: str, span: Span) -> Any:
    of = f"of `{collection}`"
    if isinstance(vector, dict) and set(vector) != {"indices", "values"} and "text" not in vector:
        return {name: _one_vector(value, name, schema, collection, span) for name, value in vector.items()}
    if schema is not None and schema.vectors and "" not in schema.vectors:
        hint = f"name it: vector: {{{next(iter(schema.vectors))}: …}}"
        _fail("unknown-vector", f"the vectors {of} have names: {schema.describe_vectors()}", span, hint)
    return _one_vector(vector, "", schema, collection, span)


def _one_vector(value: Any, name: str, schema: Schema | None, collection: str, span: Span) -> Any:
    known = None
    if schema is not None:
        known = schema.vectors.get(name)
        if known is None:
            hint = did_you_mean(name, schema.vectors) or f"its vectors: {schema.describe_vectors()}"
            _fail("unknown-vector", f"`{collection}` has no vector `{name}`", span, hint)
    if isinstance(value, str):
        return document(value, known.model if known else None)
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return value if "model" in value or not known or not known.model else {**value, "model": known.model}
    check_vector(value, known, span, f"of `{collection}`")
    return value


def _with_texts(vector: Any, payload: Mapping[str, Any], schema: Schema | None) -> Any:
    """The vectors, and an inference object for each that has a model and is not there."""
    if schema is None:
        return vector
    given = vector if isinstance(vector, dict) and "indices" not in vector and "text" not in vector else None
    if vector is not None and given is None:
        return vector
    missing = {v.name: v.model for v in schema.vectors.values() if v.model and v.name not in (given or {})}
    text = next((payload[f] for f in TEXT_FIELDS if isinstance(payload.get(f), str)), None)
    if not missing or not text:
        return vector
    if list(schema.vectors) == [""]:
        return document(text, missing[""])
    return {**(given or {}), **{name: document(text, model) for name, model in missing.items()}}


def _check_payload(payload: Mapping[str, Any], span: Span) -> None:
    todo: list[Any] = [payload]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, list):
            todo += item
        elif isinstance(item, int) and not -(1 << 63) <= item < 1 << 64:
            _fail("number-out-of-range", f"{shown(item)} does not fit 64 bits", span)
        elif isinstance(item, float) and not -1.8e308 < item < 1.8e308:
            _fail("number-out-of-range", "NaN and infinity are no JSON values", span)
