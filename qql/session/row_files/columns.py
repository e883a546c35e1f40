"""The columns of a row that a mapping names: found, taken out, joined; and which were never there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from qql.compiler.copy_mapping import Joined
from qql.rest.types import Json, JsonObject
from qql.session.row_files.row import RowError, abbreviated

__all__ = ["MISSING", "Sightings", "find", "joined", "put", "remove", "steps_of", "unused"]

MISSING: Any = object()
"""What a row has of a column that it has not; null is a value."""
_MOST_NAMES = 200  # of columns that are kept for a message


def steps_of(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The way to a column in a row: ``row.text`` is a column, or else the key ``text`` of the column ``row``.

    A column that has the dot in its name comes first.
    """
    return (name,) if name in row or "." not in name else tuple(name.split("."))


def find(name: str, row: JsonObject) -> Json:
    """The value of a column or of a path into an object, or `MISSING`."""
    if name in row or "." not in name:
        return row.get(name, MISSING)
    found: Json = row
    for step in name.split("."):
        if not isinstance(found, dict) or step not in found:
            return MISSING
        found = found[step]
    return found


def put(target: JsonObject, steps: tuple[str, ...], value: Json) -> None:
    """Writes a value at the end of a path, whose objects are made."""
    for step in steps[:-1]:
        target = target.setdefault(step, {})
    target[steps[-1]] = value


def remove(target: JsonObject, steps: tuple[str, ...]) -> None:
    """Takes away what a path leads to, and an object that is empty then; ``target`` alone is changed."""
    step, *rest = steps
    inner = target.get(step)
    if not rest:
        target.pop(step, None)
    elif isinstance(inner, dict):
        smaller = dict(inner)
        remove(smaller, tuple(rest))
        if smaller or not inner:
            target[step] = smaller
        else:
            del target[step]


# ------------------------------------------------------------------------------------ joins


def joined(source: Joined, row: JsonObject, written: Mapping[str, str] | None) -> str | None:
    """The text that columns give together; None where the row has none of them.

    A value that is missing, null or empty is left out with the text in front of it; the first also with the
    text behind it, unless the join begins with a text (``'Title: ' || title || ' Text: ' || text``); the last
    with the text at the end. ``written`` has the cells as they stand in the file. Raises `RowError`.
    """
    values = [_text(name, row, written) for name in source.columns]
    texts = source.texts
    out: list[str] = []
    for at, value in enumerate(values):
        if value:
            first = not out and at > 0  # and those in front of it are left out
            out += ([texts[at].lstrip()] if texts[0] else []) if first else [texts[at]]
            out.append(value)
    if not out:
        return None
    return "".join(out) + (texts[-1] if values[-1] else "")


def _text(name: str, row: JsonObject, written: Mapping[str, str] | None) -> str:
    if written is not None and name in written:
        return written[name]
    value = find(name, row)
    if isinstance(value, str):
        return value
    if value is MISSING or value is None:
        return ""
    if isinstance(value, list | dict):
        raise RowError(f"`{name}` is {abbreviated(value)}; texts, numbers and true or false can be joined")
    return orjson.dumps(value).decode()


# ------------------------------------------------------------------------------------ what is there


class Sightings:
    """Which of the columns that a mapping names were in some row, and what columns there were."""

    def __init__(self, names: Iterable[str]) -> None:
        self.unseen: dict[str, Any | None] = dict.fromkeys(names)
        self.columns: dict[str, None] = {}
        self.rows: int = 0

    def look(self, row: JsonObject) -> None:
        """Notes a row. It costs nothing once every column was seen."""
        self.rows += 1
        if not self.unseen:
            return
        for name in [name for name in self.unseen if find(name, row) is not MISSING]:
            del self.unseen[name]
        if len(self.columns) < _MOST_NAMES:
            self.columns.update(dict.fromkeys(_paths(row, self.unseen)))


def _paths(row: JsonObject, wanted: Iterable[str]) -> Iterator[str]:
    """The columns of a row, and the keys of those objects into which the wanted paths go."""
    opened = {name.partition(".")[0] for name in wanted if "." in name}
    for name, value in row.items():
        yield name
        if name in opened and isinstance(value, dict):
            yield from (f"{name}.{key}" for key in value)


Used = dict[str, "Used | None"]
"""Columns that arrive somewhere; below one of which only a part does, those parts."""


def unused(row: JsonObject, used: Used, before: str = "") -> Iterator[str]:
    """The columns of a row, and the keys of its objects, that arrive nowhere."""
    for name, value in row.items():
        inner = used.get(name, {})
        if inner and isinstance(value, dict):
            yield from unused(value, inner, f"{before}{name}.")
        elif inner is not None:
            yield before + name
