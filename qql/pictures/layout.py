"""Where each stage stands in a picture: the answer at one end, what is searched first at the other."""

from __future__ import annotations

from qql.pictures.graph import Graph
from qql.records import dataclass

__all__ = ["Layout", "Place", "arranged"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage stands: its column, and across the flow the middle of it, in pixels."""

    column: int
    middle: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of all stages, the number of columns and the room across the flow, in pixels."""

    places: tuple[Place, ...]
    columns: int
    room: float


def arranged(graph: Graph, extents: list[float], gap: float) -> Layout:
    """Each stage beside the middle of those that feed it.

    ``extents`` is the room that each takes across the flow, ``gap`` what stays free between two. The stages
    that feed one stand next to each other, in the order of its PREFETCH; one that feeds several stands with
    the first of them. So no two of a column overlap.
    """
    levels = graph.levels()
    middles = [0.0] * len(graph.stages)
    depth = max(levels, default=0)
    inner: list[list[int]] = [[] for _ in graph.stages]
    order: list[int] = []
    seen = {0}
    todo = [0]
    while todo:  # each stage once, below the first one that it feeds
        at = todo.pop()
        order.append(at)
        for one in graph.stages[at].inputs:
            if one not in seen:
                seen.add(one)
                inner[at].append(one)
        todo += inner[at][::-1]
    room = [0.0] * len(graph.stages)
    for at in reversed(order):
        below = sum(room[one] for one in inner[at]) + gap * max(0, len(inner[at]) - 1)
        room[at] = max(extents[at], below)
    starts = [0.0] * len(graph.stages)
    for at in order:
        middles[at] = starts[at] + room[at] / 2
        below = sum(room[one] for one in inner[at]) + gap * max(0, len(inner[at]) - 1)
        begin = starts[at] + (room[at] - below) / 2
        for one in inner[at]:
            starts[one] = begin
            begin += room[one] + gap
    places = tuple(Place(depth - level, middle) for level, middle in zip(levels, middles, strict=True))
    return Layout(places, depth + 1, room[0] if room else 0.0)
