"""Equal conditions of ``min_should``, told apart for an engine that confuses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from qql.rest.types import Json

__all__ = ["told_apart"]

_FILTERS = {"must", "should", "must_not", "min_should", "nested"}
"""Keys of conditions that hold others."""


def told_apart(conditions: Iterable[Json]) -> list[Json]:
    """The conditions, none equal to another: a copy is put into filters that mean the same.

    Where fields are indexed, Qdrant's engine takes a point that it found by one of equal conditions for one
    that fulfils another: ``MIN SHOULD 2 (n = 7, n = 4, n = 7)`` gives points with n = 4 (qdrant-edge 0.9).
    """
    out: list[Json] = []
    copies: Counter[str] = Counter()
    for one in conditions:
        if isinstance(one, Mapping) and not one.keys().isdisjoint(_FILTERS):
            out.append(one)  # those it tells apart, and they may nest deeply
            continue
        key = _in_any_order(one)
        for bit in f"{copies[key]:b}" if copies[key] else "":
            one = {"must" if bit == "1" else "should": [one]}
        out.append(one)
        copies[key] += 1
    return out


def _in_any_order(value: Json) -> str:
    """JSON that is the same for conditions that the engine holds for equal: it keeps lists as sets."""
    from json import dumps

    if isinstance(value, Mapping):
        return ",".join(sorted(f"{dumps(key)}:{_in_any_order(one)}" for key, one in value.items()))
    if isinstance(value, list | tuple):
        return f"[{','.join(sorted(map(_in_any_order, value)))}]"
    return dumps(value)
