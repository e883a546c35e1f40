"""Writes whose values come later: which holes of payloads, vectors and rows become slots.

All others stay holes, which `resolved` refuses to look into: the statement is then compiled with each value.
"""

from __future__ import annotations

from qql.compiler.bind import resolved
from qql.compiler.guards import field_copy, is_field, is_scalar
from qql.errors import Span
from qql.nodes.holes import Hole, Slot, never
from qql.rest.types import Json, JsonObject

__all__ = ["comes_later", "payload_of", "row_of", "vectors_of"]


def _has_holes(value: Json) -> bool:
    """Whether an object has a hole for a field."""
    return isinstance(value, dict) and any(isinstance(field, Hole) for field in value.values())


def payload_of(value: Json, span: Span) -> Json:
    """What SET PAYLOAD gives as JSON data; of what comes later, a field of it may be."""
    if not _has_holes(value):
        return resolved(value, span)
    return {key: _field(field, span) for key, field in value.items()}


def _field(value: Json, span: Span) -> Json:
    return Slot(value, is_field, field_copy) if isinstance(value, Hole) else resolved(value, span, 1)


def vectors_of(value: Json, span: Span) -> Json:
    """A vector, or vectors by name, as JSON data. What comes later is looked at by the check of vectors."""
    if _has_holes(value):
        return {name: _vector(vector, span) for name, vector in value.items()}
    return _vector(value, span)


def _vector(value: Json, span: Span) -> Json:
    return Slot(value, never, list) if isinstance(value, Hole) else resolved(value, span, 1)


def comes_later(row: JsonObject) -> bool:
    """Whether a part of a row comes later."""
    return _has_holes(row) or _has_holes(row.get("vector"))


def row_of(row: JsonObject, span: Span) -> JsonObject:
    """The row of a collection of which nothing is known, as JSON data: no value makes a vector of a field.

    An id that comes later stays a hole, for the check of ids.
    """
    made: JsonObject = {}
    for key, value in row.items():
        if key == "vector":
            made[key] = vectors_of(value, span)
        elif not isinstance(value, Hole) or isinstance(value, Slot):  # that of a list, which may be a vector
            made[key] = resolved(value, span, 1)
        else:
            made[key] = value if key == "id" else Slot(value, is_scalar)
    return made
