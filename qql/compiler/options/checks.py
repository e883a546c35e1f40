"""What options take: each check gives the value as it goes into the request, or says what it takes."""

from __future__ import annotations

import math

from qql.compiler.bind import resolved
from qql.compiler.options.table import Check, Table, listed, read_options, read_values
from qql.rest.limits import U32
from qql.rest.types import Json

__all__ = [
    "any_of",
    "anything",
    "by_name",
    "flag",
    "keys_of",
    "number",
    "object_of",
    "one_of",
    "text",
    "texts",
    "whole",
    "words_of",
]

_WORDS: dict[Check, tuple[str, ...]] = {}
_TABLES: dict[Check, Table] = {}


def words_of(check: Check) -> tuple[str, ...]:
    """The words that a check takes, of those that were made here: () where it takes none."""
    return _WORDS.get(check, ())


def keys_of(check: Check) -> Table:
    """The options of the object that a check takes; {} where it takes none."""
    return _TABLES.get(check, {})


def flag(value: Json) -> Json:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def whole(low: int, high: int = U32) -> Check:
    def check(value: Json) -> Json:
        if isinstance(value, float) and value.is_integer():  # 16.0, as v1 takes it
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"a whole number from {low} to {high}")

    return check


def number(low: float, high: float = math.inf) -> Check:
    def check(value: Json) -> Json:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(
            f"a number of at least {low}" if high == math.inf else f"a number from {low} to {high}"
        )

    return check


def one_of(*words: str) -> Check:
    def check(value: Json) -> Json:
        if isinstance(value, str) and value.lower() in words:
            return value.lower()
        raise ValueError(" or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0])

    _WORDS[check] = words
    return check


def text(value: Json) -> Json:
    if isinstance(value, str) and value:
        return value
    raise ValueError("a text")


def texts(value: Json) -> Json:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value
    raise ValueError("a list of texts")


def any_of(*checks: Check) -> Check:
    def check(value: Json) -> Json:
        takes = []
        for one in checks:
            try:
                return one(value)
            except ValueError as exc:
                takes.append(str(exc))
        raise ValueError(", or ".join(takes))

    _WORDS[check] = tuple(word for one in checks for word in words_of(one))
    _TABLES[check] = {name: inner for one in checks for name, inner in keys_of(one).items()}
    return check


def object_of(table: Table) -> Check:
    """A block inside a value: ``{k: v}`` or ``(k = v)``, by a table of its own."""

    def check(value: Json) -> Json:
        if isinstance(value, dict):
            return read_values(
                ((key.lower(), item, None) for key, item in value.items()), table, "this object"
            )
        if isinstance(value, tuple):
            return read_options(value, table, "this object")
        raise ValueError(f"an object with {listed(table)}")

    _TABLES[check] = table
    return check


def by_name(check: Check) -> Check:
    """An object whose keys are names of the user's, each with a value of one kind."""

    def read(value: Json) -> Json:
        if not isinstance(value, dict):
            raise ValueError("an object {name: {…}} by the names of vectors")
        return {key: check(item) for key, item in value.items()}

    return read


def anything(value: Json) -> Json:
    """Whatever JSON it is. Raises `QQLPlanError` for options in parentheses and conditions."""
    return resolved(value, None)
