"""Settings to try, and which of them are worth having."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from qql.errors import fail
from qql.evaluation.faults import InputError
from qql.rest.types import Json, JsonObject

__all__ = ["MOST_SETTINGS", "expand_grid", "grid_size", "pareto_front", "read_axis"]

MOST_SETTINGS = 10_000
"""Combinations that are tried, at most."""

Item = TypeVar("Item")


def read_axis(text: str) -> tuple[str, list[Json]]:
    """``name=value,value,…`` as the name and its values, each once.

    Values are JSON (``limit=10,20``, ``weights=[1,2],[2,1]``); where they are not, what stands between commas
    is a string (``fusion=rrf,dbsf``). Raises `InputError` ``bad-grid``.
    """
    name, equals, values = text.partition("=")
    if not equals or not name.strip() or not values.strip():
        fail(
            "bad-grid",
            f"`{text}` names no values to try",
            hint="it reads `name=value,value`: `limit=10,20,50`",
            error=InputError,
        )
    try:
        found = json.loads(f"[{values}]")
    except (ValueError, RecursionError):
        found = [_json_or_text(value.strip()) for value in values.split(",")]
    return name.strip(), list({json.dumps(value): value for value in found}.values())


def _json_or_text(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def grid_size(grid: Mapping[str, Sequence[Json]]) -> int:
    """The number of its combinations: 1 for an empty grid, 0 where a name has no values."""
    return math.prod(len(values) for values in grid.values())


def expand_grid(
    grid: Mapping[str, Sequence[Json]], sample: int | None = None, seed: int = 0
) -> list[JsonObject]:
    """Every combination of the values, or at most ``sample`` of them, drawn by chance.

    The last name's values change fastest. An empty grid has one combination, which is empty.

    Raises `InputError` ``bad-grid`` for a name without values and for more than `MOST_SETTINGS`.
    """
    empty = next((name for name, values in grid.items() if not values), None)
    if empty is not None:
        fail("bad-grid", f"there are no values to try for `{empty}`", error=InputError)
    total = grid_size(grid)
    count = total if sample is None else min(sample, total)
    if count > MOST_SETTINGS:
        fail(
            "bad-grid",
            f"{count:,} combinations are too many, {MOST_SETTINGS:,} is the most",
            error=InputError,
        )
    places = range(total) if count == total else sorted(random.Random(seed).sample(range(total), count))
    return [_combination(grid, place) for place in places]


def _combination(grid: Mapping[str, Sequence[Json]], place: int) -> JsonObject:
    found = {}
    for name, values in reversed(list(grid.items())):
        place, at = divmod(place, len(values))
        found[name] = values[at]
    return {name: found[name] for name in grid}


def pareto_front(
    items: Iterable[Item], *, quality: Callable[[Item], float], latency: Callable[[Item], float]
) -> list[Item]:
    """The items that no other beats, from the fastest to the best.

    One item beats another that has as much or more quality in as little or less time, and is not its equal in
    both. Equals are all kept, in their order.

    Raises `InputError` ``bad-grid`` for a figure that is NaN.
    """
    scored = [(latency(item), -quality(item), at, item) for at, item in enumerate(items)]
    if any(math.isnan(seconds) or math.isnan(worth) for seconds, worth, _, _ in scored):
        fail("bad-grid", "a figure to compare by is not a number", error=InputError)
    front: list[tuple[float, float, int, Item]] = []
    for entry in sorted(scored, key=lambda entry: entry[:3]):
        if not front or entry[1] < front[-1][1] or entry[:2] == front[-1][:2]:
            front.append(entry)
    return [item for _, _, _, item in front]
