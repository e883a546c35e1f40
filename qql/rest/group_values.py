"""The values of a payload's field at a path as Qdrant writes it, and which of them make groups."""

from __future__ import annotations

from qql.late import late_pattern
from qql.rest.types import Body, Json

__all__ = ["group_values", "values_at"]

_PATH = late_pattern(r'(?:^|\.)(?:"([^"]+)"|([A-Za-z0-9_-]+))|\[(\d*)\]')


def group_values(payload: Body | None, field: str) -> list[int | str]:
    """The groups that a point is in by a field: none where one of its values is no text and no integer."""
    values = values_at(payload or {}, field)
    if any(type(value) not in (int, str) for value in values):
        return []
    return list(dict.fromkeys(values))


def values_at(payload: Body, path: str) -> list[Json]:
    """The values at a path (``a.b``, ``a[].b``, ``"a.b".c``); of an array at its end, the elements."""
    found: list[Json] = [payload]
    for in_quotes, plain, index in _PATH.findall(path):
        if in_quotes or plain:
            key = in_quotes or plain
            found = [value[key] for value in found if isinstance(value, dict) and key in value]
        elif index:
            at = int(index)
            found = [value[at] for value in found if isinstance(value, list) and at < len(value)]
        else:
            found = [item for value in found if isinstance(value, list) for item in value]
    return [item for value in found for item in (value if isinstance(value, list) else [value])]
