"""Shapes of JSON: what a value has to be, and its canonical form; what does not fit is refused by place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from qql.errors import Diagnostic, QQLPlanError, did_you_mean, shown
from qql.nodes import is_uuid
from qql.rest.types import Json, JsonObject

__all__ = [
    "Shape",
    "anything",
    "below",
    "boolean",
    "each",
    "fields",
    "given",
    "listed",
    "named",
    "number",
    "one_of",
    "one_or_each",
    "point_id",
    "positive",
    "refusal",
    "renamed",
    "text",
    "unknown",
    "variants",
    "whole",
]

Shape = Callable[[Json, str], Json]
"""Gives the canonical form of the value at a place; raises `QQLPlanError` (``cannot-convert``)."""


def refusal(at: str, why: str, hint: str | None = None) -> QQLPlanError:
    """The error for what stands at a JSON path ("" is the body as a whole)."""
    return QQLPlanError(Diagnostic("cannot-convert", f"{at or 'the body'}: {why}", hint=hint))


def below(at: str, key: str) -> str:
    """The path of a key: ``params.hnsw_ef``, ``payload['a key']``."""
    word = key if key.isidentifier() else f"[{key!r}]"
    return f"{at}.{word}" if at and word == key else f"{at}{word}"


def anything(value: Json, at: str) -> Json:
    """Any JSON."""
    return value


def text(value: Json, at: str) -> str:
    """A text."""
    if isinstance(value, str):
        return value
    raise refusal(at, f"a text is required, found {shown(value)}")


def boolean(value: Json, at: str) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise refusal(at, f"true or false is required, found {shown(value)}")


def whole(value: Json, at: str) -> int:
    """A whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise refusal(at, f"a whole number is required, found {shown(value)}")


def positive(value: Json, at: str) -> int:
    """A whole number above 0."""
    if whole(value, at) > 0:
        return int(value)
    raise refusal(at, f"a whole number above 0 is required, found {shown(value)}")


def number(value: Json, at: str) -> int | float:
    """A finite number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise refusal(at, f"a number is required, found {shown(value)}")


def one_of(*words: str) -> Shape:
    """One of these words."""

    def shape(value: Json, at: str) -> Json:
        if isinstance(value, str) and value in words:
            return value
        hint = did_you_mean(value, words) if isinstance(value, str) else None
        raise refusal(at, f"{' or '.join(words)} is required, found {shown(value)}", hint)

    return shape


def point_id(value: Json, at: str) -> int | str:
    """The id of a point: an unsigned 64-bit integer or a UUID."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str) and is_uuid(value):
        return value
    raise refusal(at, f"{shown(value)} is no point id: ids are unsigned integers or UUIDs")


def listed(value: Json, at: str) -> list[tuple[Json, str]]:
    """The items of a list, each with its place."""
    if not isinstance(value, list):
        raise refusal(at, f"a list is required, found {shown(value)}")
    return [(item, f"{at}[{i}]") for i, item in enumerate(value)]


def each(shape: Shape) -> Shape:
    """A list whose items have a shape."""
    return lambda value, at: [shape(item, place) for item, place in listed(value, at)]


def one_or_each(shape: Shape) -> Shape:
    """A list, or one item for a list of it."""
    many = each(shape)
    return lambda value, at: many(value, at) if isinstance(value, list) else [shape(value, at)]


def named(shape: Shape) -> Shape:
    """An object whose keys are the user's."""
    return lambda value, at: {key: shape(item, below(at, key)) for key, item in given(value, at).items()}


def given(value: Json, at: str) -> JsonObject:
    """An object as it is."""
    if not isinstance(value, dict):
        raise refusal(at, f"an object is required, found {shown(value)}")
    return value


def fields(
    table: Mapping[str, Shape],
    *required: str,
    hints: Mapping[str, str] | None = None,
    also: Mapping[str, str] | None = None,
) -> Shape:
    """An object with the keys of a table. Null means what a missing key means; any other key is refused.

    ``hints`` are ways round for keys that Qdrant knows and QQL does not, ``also`` are other names that
    Qdrant takes for keys of the table; messages call a key what the request calls it.
    """
    other = also or {}

    def shape(value: Json, at: str) -> JsonObject:
        for key in renamed(value, at, other):
            if key not in table:
                raise unknown(key, at, table, (hints or {}).get(key))
        written = {key: other.get(key, key) for key, item in value.items() if item is not None}
        for key in required:
            if key not in written.values():
                raise refusal(at, f"the key `{key}` is missing")
        return {name: table[name](value[key], below(at, key)) for key, name in written.items()}

    return shape


def renamed(value: Json, at: str, other: Mapping[str, str]) -> JsonObject:
    """An object whose keys are called by their first names; ``other`` are the other names of some."""
    for key in given(value, at):
        if key in other and other[key] in value:
            raise refusal(below(at, key), f"this is another name of `{other[key]}`, which is given too")
    return {other.get(key, key): item for key, item in value.items()}


def unknown(key: str, at: str, known: Iterable[str], hint: str | None = None) -> QQLPlanError:
    """The error for a key that QQL does not know, beside those that it knows."""
    hint = hint or did_you_mean(key, known) or f"the keys here are {', '.join(known)}"
    return refusal(below(at, key), "QQL has no word for this key", hint)


def variants(what: str, table: Mapping[str, Shape]) -> Shape:
    """An object that one of its keys gives a kind. The first key of the table that it has decides."""

    def shape(value: Json, at: str) -> Json:
        found = given(value, at)
        for key, one in table.items():
            if key in found:
                return one(value, at)
        hint = next((hint for key in found if (hint := did_you_mean(key, table))), None)
        raise refusal(at, f"this is no {what}", hint or f"its keys are {', '.join(table)}")

    return shape
