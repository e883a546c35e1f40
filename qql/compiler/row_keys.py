"""The keys of a row: which of them are vectors, which are the payload.

A key named like a vector of the collection is that vector where its value is one; any other value is payload.
``vector: {name: …}`` and ``payload: {…}`` say it outright.
"""

from __future__ import annotations

from collections.abc import Collection

from qql.compiler.base64_vectors import vector_of_base64
from qql.compiler.row_notes import RowNotes
from qql.compiler.vectors import check_vector
from qql.errors import QQLPlanError, Span, fail
from qql.rest.types import Body, Json, JsonObject
from qql.schema import Schema, VectorInfo

__all__ = [
    "OWN_READINGS",
    "by_name",
    "is_inference",
    "is_named",
    "is_packed",
    "needs_block",
    "read_keys",
    "resembles",
    "with_own",
]

_RESERVED = ("id", "vector", "payload")
"""Keys of a row that have a meaning of their own."""
_TELLING = ("vector", "vectors", "embedding", "embeddings")
"""What people call vectors: fields of these names are asked about."""


def is_inference(value: Json) -> bool:
    """Whether a value is Qdrant's inference object. A vector may be called `text`, `image` or `object`."""
    if not isinstance(value, dict):
        return False
    asked = "image" in value or "object" in value
    return isinstance(value.get("text"), str) or (asked and isinstance(value.get("model"), str))


def is_packed(value: Json) -> bool:
    """Whether a value is a multivector as v1 packs it, ``{data: [1, 2, 3, 4], dim: 2}``."""
    return isinstance(value, dict) and set(value) == {"data", "dim"} and isinstance(value["dim"], int)


def is_named(vector: Json) -> bool:
    """Whether what stands under ``vector`` are vectors by their names."""
    if not isinstance(vector, dict) or is_inference(vector):
        return False
    return set(vector) != {"indices", "values"} and not is_packed(vector)


def resembles(value: Json, kind: str | None) -> bool:
    """Whether a value is a vector of this kind, or so near to one that it may be meant as one.

    ``kind`` is None where it is not known. A vector of another kind resembles one too; only a list is
    nothing like a sparse vector. So are a text, a number, and lists and objects of other things.
    """
    if isinstance(value, list):
        return kind != "sparse" and _has_numbers(value)
    if not isinstance(value, dict) or not value:
        return False
    return value.keys() <= {"indices", "values"} or is_packed(value) or _names_a_model(value)


def _has_numbers(items: list[Json]) -> bool:
    """Whether a list is empty, or holds a number or lists of numbers."""
    if not items or type(items[0]) is float:
        return True
    return any(
        _has_numbers(item)
        if isinstance(item, list)
        else isinstance(item, (int, float)) and not isinstance(item, bool)
        for item in items
    )


def _names_a_model(value: Body) -> bool:
    return is_inference(value) and isinstance(value.get("model"), str)


def needs_block(payload: Body, vectors: Collection[str] | None) -> bool:
    """Whether a payload's fields would mean something else beside ``id`` and ``vector`` of a row.

    ``vectors`` are the names of the collection's vectors. Where they are not known (None), a field counts
    that would be a vector if there was one of its name, and one that is called as vectors often are.
    """
    if vectors is not None:
        return any(key in _RESERVED or key in vectors for key in payload)
    return any(
        key in _RESERVED or key.lower() in _TELLING or resembles(value, None)
        for key, value in payload.items()
    )


def read_keys(
    fields: JsonObject,
    vector: Json,
    schema: Schema | None,
    collection: str,
    span: Span,
    notes: RowNotes,
    *,
    candidates: Collection[str] | None = None,
) -> tuple[JsonObject, Json, Collection[str]]:
    """The payload of a row, its vectors, and the names of those that were given as keys.

    ``fields`` is what the row holds beside its id and ``vector``. With ``candidates`` it is said already
    which of them are payload: only these may be vectors. Raises `QQLPlanError`.
    """
    known = schema.vectors if schema is not None else {}
    vector = by_name(vector, schema)
    looked_at = fields if candidates is None else candidates
    own: JsonObject = {
        name: fields[name]
        for name, info in known.items()
        if name in fields and name in looked_at and _is_meant(fields[name], info)
    }
    for name in own:
        if is_named(vector) and name in vector:
            message = f"the vector `{name}` is given twice: under `vector`, and as a key of its own"
            hint = f"leave one out; payload: {{{name}: …}} makes the second a field of the payload"
            fail("duplicate-vector", message, span, hint)
    block = fields.get("payload") if candidates is None and "payload" not in own else None
    if isinstance(block, dict):
        _check_alone(fields, own, schema, collection, span)
        if not needs_block(block, None) and not needs_block(block, known):
            notes.add_block()
        payload: JsonObject = block
    else:
        payload = {key: value for key, value in fields.items() if key not in own} if own else fields
        _note_what_may_be_vectors(payload, looked_at, vector, schema, notes)
    return payload, with_own(vector, own), own.keys()


def _is_meant(value: Json, vector: VectorInfo) -> bool:
    return resembles(value, vector.kind) or vector_of_base64(value, vector) is not None


OWN_READINGS = "write vector: {{{0}: …}} for the vector, payload: {{{0}: …, all other fields}} for payload"
"""What to write where a key's value is almost a vector; takes the key."""


def _check_alone(fields: Body, own: Body, schema: Schema | None, collection: str, span: Span) -> None:
    """Raises `QQLPlanError` for a field beside ``payload: {…}``."""
    other = next((key for key in fields if key != "payload" and key not in own), None)
    if other is None:
        return
    message = f"`payload: {{…}}` is the whole payload, so `{other}` has no place beside it"
    hint = f"write it inside: payload: {{…, {other}: …}}"
    if schema is None and resembles(fields[other], None):
        message += f" (nothing is known here of the vectors of `{collection}`)"
        hint = f"a vector is written vector: {{{other}: …}}, a field payload: {{…, {other}: …}}"
    elif schema is not None and other in schema.vectors:
        hint += f"; a vector would be written vector: {{{other}: …}}"
    fail("mixed-payload", message, span, hint)


def by_name(vector: Json, schema: Schema | None) -> Json:
    """What stands under ``vector``; in a collection with a vector of this name it may be that vector."""
    if vector is None or schema is None or "" in schema.vectors or "vector" not in schema.vectors:
        return vector
    return vector if is_named(vector) else {"vector": vector}


def with_own(vector: Json, own: JsonObject) -> Json:
    """The vectors under ``vector``, which may be one without a name, and those that were given as keys."""
    if not own:
        return vector
    if vector is None:
        return own
    return {**(vector if is_named(vector) else {"": vector}), **own}


def _note_what_may_be_vectors(
    payload: Body, looked_at: Collection[str], vector: Json, schema: Schema | None, notes: RowNotes
) -> None:
    """Notes the fields that somebody may have meant as vectors."""
    notes.telling = ()
    if vector is not None and schema is not None:
        return
    for key, value in payload.items():
        if key not in looked_at:
            continue
        if vector is None and _is_telling(key, value):
            notes.telling += (key,)
        elif schema is None and isinstance(value, (list, dict)) and _is_vector(key, value, notes):
            notes.add_field(key)


def _is_telling(key: str, value: Json) -> bool:
    name = key.lower()
    return name in ("vector", "vectors") or (name in _TELLING and isinstance(value, (list, dict)))


def _is_vector(key: str, value: Json, notes: RowNotes) -> bool:
    """Whether the value of a field could be a vector as it is. One number alone is hardly one."""
    if key in notes.fields or len(value) < 2 or not resembles(value, None):
        return False
    try:
        check_vector(value, None, notes.span, "")
    except QQLPlanError:
        return is_packed(value) or is_inference(value)
    return True
