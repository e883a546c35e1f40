"""The stages of a query and what flows between them, read from the data of EXPLAIN and EXPLAIN ANALYZE."""

from __future__ import annotations

from collections.abc import Sequence

from qql.analysis.report import milliseconds
from qql.records import dataclass, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import Body, Json

__all__ = ["Band", "Graph", "Stage", "measured", "planned", "point_key"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its name, what it does, and how much of it is used.

    ``slots`` are the candidates that it can give at most, ``found`` those that it gave, ``hits`` those of
    them that are among the final hits; both None where nothing was measured. ``data`` is what EXPLAIN says.
    """

    name: str
    does: str
    slots: int
    inputs: tuple[int, ...]
    data: Body
    found: int | None = None
    hits: int | None = None
    milliseconds: float | None = None

    @property
    def size(self) -> int:
        """How many candidates its picture shows: those that it gave, without a measurement its slots."""
        return self.slots if self.found is None else self.found

    @property
    def said(self) -> str:
        """How much of it is used, in a few words."""
        if self.found is None:
            return f"{self.slots:,} slots"
        took = "" if self.milliseconds is None else f" · {milliseconds(self.milliseconds)}"
        return f"{self.found:,} of {self.slots:,}{took}"


@dataclass(frozen=True, slots=True)
class Band:
    """What flows from one stage to another: how many the target keeps, and how many of those are hits."""

    source: int
    target: int
    kept: int
    hits: int


@dataclass(frozen=True, slots=True)
class Graph:
    """All stages, the answer first, and the bands between them."""

    stages: tuple[Stage, ...]
    bands: tuple[Band, ...]
    measured: bool

    def levels(self) -> list[int]:
        """How far each stage stands from the answer, by the longest way there."""
        from graphlib import TopologicalSorter

        found = [0] * len(self.stages)
        sorter = TopologicalSorter({at: one.inputs for at, one in enumerate(self.stages)})
        for at in reversed([*sorter.static_order()]):  # each stage before those that feed it
            for one in self.stages[at].inputs:
                found[one] = max(found[one], found[at] + 1)
        return found


def planned(plan: Body) -> Graph:
    """The plan of EXPLAIN: bands are as wide as their stages have slots."""
    given: list[Body] = plan["stages"][::-1]
    count = len(given)
    stages = [
        Stage(
            one["label"],
            one["does"],
            DEFAULT_LIMIT if one["limit"] is None else one["limit"],
            tuple(count - 1 - each["number"] for each in one["inputs"]),
            one,
        )
        for one in given
    ]
    second: Body | None = plan["second"]
    if second is not None:
        top = DEFAULT_LIMIT if second["top"] is None else second["top"]
        stages = _behind(stages, Stage("RERANK", f"rerank by {second['model']}", top, (1,), {}))
    bands = [
        Band(source, target, min(stages[source].size, one.size), 0)
        for target, one in enumerate(stages)
        for source in one.inputs
    ]
    return Graph((*stages,), (*bands,), False)


def _behind(stages: Sequence[Stage], last: Stage) -> list[Stage]:
    """The stages with another one behind the root."""
    moved = [replace(one, inputs=tuple(at + 1 for at in one.inputs)) for one in stages]
    return [last, *moved]


def measured(data: Body) -> Graph:
    """What EXPLAIN ANALYZE measured: bands begin with what a stage gave, and end with what is kept of it."""
    hits = [one["id"] for one in data["hits"]]
    numbers = {one["label"]: number for number, one in enumerate(data["stages"])}
    stages = [_measured_stage(one, numbers) for one in data["stages"]]
    ids = [[one["id"] for one in stage["candidates"]] for stage in data["stages"]]
    second: Body | None = data["second"]
    if second is not None:
        took = second["timing"] and second["timing"]["p50_ms"]
        words = f"rerank by {second['model']}"
        last = Stage("RERANK", words, len(hits), (1,), {}, len(hits), len(hits), took)
        stages, ids = _behind(stages, last), [hits, *ids]
    sets = [set(map(point_key, one)) for one in ids]
    final = set(map(point_key, hits))
    bands = [
        Band(source, target, len(sets[source] & sets[target]), len(sets[source] & sets[target] & final))
        for target, one in enumerate(stages)
        for source in one.inputs
    ]
    return Graph((*stages,), (*bands,), True)


def point_key(point: Json) -> Json:
    """An id by which points are told apart: 1 is another point than '1'."""
    return (type(point), point)


def _measured_stage(one: Body, numbers: dict[str, int]) -> Stage:
    return Stage(
        one["label"],
        one["does"],
        one["limit"],
        tuple(numbers[label] for label in one["inputs"]),
        one,
        one["returned"],
        len(one["in_hits"]),
        one["timing"] and one["timing"]["p50_ms"],
    )
