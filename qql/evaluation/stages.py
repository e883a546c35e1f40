"""Where a pipeline loses relevant documents.

A pipeline is a DAG of stages, the last of which (the root) gives the result. For each query a stage has a
ranking. Every relevant document has one of three fates: the result holds it; no stage found it; or stages
found it and it was **lost at** a stage, one that read it from its inputs and did not pass it on. Where it
was lost on several ways, the last of these stages counts, so the shares of a query add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import chain, count

from qql.errors import QQLExecutionError, fail
from qql.records import dataclass

__all__ = ["LossReport", "StageFound", "StageRecall", "StageTrace", "fates", "stage_report", "traces"]

Place = tuple[int, ...]
"""The positions in the lists of prefetches that lead from the root to a stage; the root's is empty."""


@dataclass(frozen=True, slots=True)
class StageFound:
    """What a stage found for one query, with the places at which it stands in it.

    ``label`` may hold values of parameters (``dense WHERE lang = 'de'``), ``name`` is the stage's own.
    ``scores`` are the documents', where they are known.
    """

    label: str
    name: str
    places: Sequence[Place]
    docs: Sequence[str]
    scores: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class StageTrace:
    """A stage's documents for one query, the best first, and the labels of the stages that it reads.

    ``scores`` are the documents', where they are known.
    """

    docs: Sequence[str]
    inputs: tuple[str, ...] = ()
    scores: Sequence[float] = ()


Trace = Mapping[str, StageTrace]
"""Label → stage, in an order in which they can run: inputs before what reads them, the root last."""


@dataclass(frozen=True, slots=True)
class StageRecall:
    """A stage's part in finding the relevant documents: means over queries of shares, 0 to 1.

    ``found``: in the stage's documents. ``only``: in those and in no other stage's, apart from the stages
    that it reads (directly or not) and that read it. ``entered``: in its inputs' documents; 1 for a stage
    without inputs. ``lost``: lost at it. ``docs`` is the mean number of its documents, ``inputs`` are the
    labels of the stages that it reads.
    """

    label: str
    found: float
    only: float
    entered: float
    lost: float
    docs: float
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LossReport:
    """``kept`` (in the result) + ``never`` (found by no stage) + the stages' ``lost`` = 1.

    Means over the ``queries`` that have relevant documents, each query with the same weight, as in R.
    """

    stages: tuple[StageRecall, ...]
    kept: float
    never: float
    queries: int


def traces(found: Mapping[str, Sequence[StageFound]]) -> dict[str, dict[str, StageTrace]]:
    """The stages of a pipeline that was asked for several queries, alike for all of them.

    Two places that hold one and the same stage for one query (``:query`` and ``:title`` were equal) may hold
    two for another. Here they are one where they are one for every query. A stage is called by its label if
    that is the same for every query, else by its name; a second one of that name is ``name #2``.
    """
    at = {
        query: {place: stage for stage in stages for place in stage.places} for query, stages in found.items()
    }
    groups: dict[tuple[int, ...], list[Place]] = {}
    for place in sorted(next(iter(at.values()), ())):
        groups.setdefault(tuple(id(stages[place]) for stages in at.values()), []).append(place)
    firsts = {place: places[0] for places in groups.values() for place in places}
    labels: dict[Place, str] = {}
    for first in dict.fromkeys(firsts.values()):
        found_labels = {stages[first].label for stages in at.values()}
        labels[first] = _unused_label(
            found_labels.pop() if len(found_labels) == 1 else next(iter(at.values()))[first].name, labels
        )
    inputs: dict[Place, dict[Place, None]] = {first: {} for first in labels}
    for place, first in firsts.items():
        if place:
            inputs[firsts[place[:-1]]][first] = None
    order = TopologicalSorter(inputs).static_order()
    shape = {place: tuple(labels[below] for below in inputs[place]) for place in order}
    return {
        query: {
            labels[place]: StageTrace(stages[place].docs, below, stages[place].scores)
            for place, below in shape.items()
        }
        for query, stages in at.items()
    }


def _unused_label(label: str, taken: Mapping[Place, str]) -> str:
    names = chain([label], (f"{label} #{number}" for number in count(2)))
    return next(name for name in names if name not in taken.values())


def fates(trace: Trace, relevant: Iterable[str]) -> dict[str, str | None]:
    """For each relevant document that the result lacks: the stage that lost it, None where none found it."""
    docs = {label: set(stage.docs) for label, stage in trace.items()}
    result = docs[list(trace)[-1]] if trace else set()
    return {doc: _lost_at(trace, docs, doc) for doc in relevant if doc not in result}


def _lost_at(trace: Trace, docs: Mapping[str, set[str]], doc: str) -> str | None:
    for label, stage in reversed(list(trace.items())):
        if doc not in docs[label] and any(doc in docs[name] for name in stage.inputs):
            return label
    return None


def stage_report(
    traces: Mapping[str, Trace], qrels: Mapping[str, Mapping[str, float]], rel: int = 1
) -> LossReport:
    """The stages' shares over all queries; ``traces`` is query id → its stages, ``rel`` the least relevance.

    Queries without relevant documents are left out. Raises `QQLExecutionError`: ``bad-trace`` (a stage reads
    one that does not stand before it, nothing reads a stage that is not the last, or queries differ in their
    stages), ``no-judged-queries``.
    """
    relevant = {
        query: [doc for doc, relevance in qrels.get(query, {}).items() if relevance >= rel]
        for query in traces
    }
    queries = [query for query in traces if relevant[query]]
    if not queries:
        fail("no-judged-queries", "none of the queries has a relevant document", error=QQLExecutionError)
    shape = {label: stage.inputs for label, stage in traces[queries[0]].items()}
    _check_order(shape)
    related = _related_stages(shape)
    ends, parts = [], []
    for query in queries:
        trace = traces[query]
        if {label: stage.inputs for label, stage in trace.items()} != shape:
            fail(
                "bad-trace",
                f"the query {query!r} has other stages than {queries[0]!r}",
                error=QQLExecutionError,
            )
        lost = list(fates(trace, relevant[query]).values())
        total = len(relevant[query])
        ends.append((1 - len(lost) / total, lost.count(None) / total))
        parts.append(_recall_by_stage(trace, relevant[query], lost, related))
    kept, never = _column_means(ends)
    stages = []
    for label, reads in shape.items():
        found, only, entered, lost_at, docs = _column_means([query[label] for query in parts])
        stages.append(StageRecall(label, found, only, entered, lost_at, docs, reads))
    return LossReport(tuple(stages), kept, never, len(queries))


def _column_means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]


def _recall_by_stage(
    trace: Trace, relevant: Sequence[str], lost: Sequence[str | None], related: Mapping[str, set[str]]
) -> dict[str, tuple[float, ...]]:
    """The fields of each stage's `StageRecall` for one query."""
    targets = set(relevant)
    found = {label: targets.intersection(stage.docs) for label, stage in trace.items()}
    out = {}
    for label, stage in trace.items():
        others = set().union(*(found[name] for name in trace if name not in related[label]))
        entered = set().union(*(found[name] for name in stage.inputs)) if stage.inputs else targets
        counts = (len(found[label]), len(found[label] - others), len(entered), lost.count(label))
        out[label] = (*(count / len(targets) for count in counts), float(len(stage.docs)))
    return out


def _related_stages(shape: Mapping[str, tuple[str, ...]]) -> dict[str, set[str]]:
    """Each stage with all that it reads and all that reads it, directly or not."""
    below: dict[str, set[str]] = {}
    for label, inputs in shape.items():
        below[label] = {label}.union(*(below[name] for name in inputs))
    return {label: below[label] | {name for name in shape if label in below[name]} for label in shape}


def _check_order(shape: Mapping[str, tuple[str, ...]]) -> None:
    seen: set[str] = set()
    for label, inputs in shape.items():
        for name in inputs:
            if name not in seen:
                fail(
                    "bad-trace",
                    f"the stage `{label}` reads `{name}`, which does not stand before it",
                    error=QQLExecutionError,
                )
        seen.add(label)
    read = {name for inputs in shape.values() for name in inputs}
    idle = [label for label in list(shape)[:-1] if label not in read]
    if idle:
        fail(
            "bad-trace",
            f"nothing reads the stage `{idle[0]}`, and it is not the last",
            error=QQLExecutionError,
        )
