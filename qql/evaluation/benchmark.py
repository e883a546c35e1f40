"""How fast pipelines are, and how much of the exact result they find: `bench`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from qql.backends.base import Progress, Work
from qql.errors import QQLError
from qql.evaluation.calls import (
    Call,
    calls_of,
    check_pipelines,
    constant_call,
    limit_of,
    locate_error,
    stamp_of,
)
from qql.evaluation.documents import document_key, ranking
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params, number_in, whole_from
from qql.evaluation.inputs import Pipelines, QueriesLike, named_pipelines, queries_of
from qql.evaluation.pipelines import Pipeline, Steps
from qql.evaluation.report import latency_cells, latency_dict, short_cells, three_digits
from qql.evaluation.sections import Report, Section, collected, stamp_section
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.evaluation.speed import Latency, latency, measure_calls, percentile, recall_at
from qql.records import dataclass, replace
from qql.rest.types import Body, JsonObject
from qql.rest.usage import Usage
from qql.session.connect import connect
from qql.session.session import Session

if TYPE_CHECKING:
    from qql.session.stamp import Stamp

__all__ = ["DEFAULT_CALLS", "Benchmark", "Figures", "bench", "check_concurrency"]

DEFAULT_CALLS = 100
"""Calls of a pipeline where nobody says how many."""
_DEFAULT_WARMUP = 10
_DEFAULT_RECALL = 10
_TIE_RANKS = 50  # ranks behind K that are fetched of the exact result, for ties
_STEPS = ("compile", "embed", "engine", "rerank")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one pipeline: seconds, by all calls and by what they go to (medians).

    ``recalls`` has the recall of the first ``k`` hits for each query, 0 to 1; None: not measured.
    ``server`` are the median seconds by the server's own account, ``usage`` the median of what it counts;
    None where it does not say.
    """

    times: Latency
    steps: Mapping[str, float]
    k: int = 0
    recalls: Sequence[float] | None = None
    server: float | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Benchmark(Report):
    """The figures of each pipeline by its name, as `bench` gives them.

    ``files`` is what the pipelines were read from, ``stamp`` what the figures depend on; not ``complete``:
    Ctrl-C left pipelines out.
    """

    found: Mapping[str, Figures]
    files: Mapping[str, str]
    concurrency: int
    complete: bool
    stamp: Stamp

    def rows(self) -> list[JsonObject]:
        """A row a pipeline: its calls, milliseconds, and calls in a second."""
        return [{"pipeline": name, **latency_cells(one.times)} for name, one in self.found.items()]

    def sections(self) -> list[Section]:
        """Times, what they go to, recall, and what they were measured with."""
        first, *more = _timing_sections(self.found, self.concurrency)
        title = first.title if self.complete else f"{first.title} (incomplete)"
        return [replace(first, title=title), *more, stamp_section(self.stamp)]

    def to_dict(self) -> JsonObject:
        """``{"version": 1, "complete", "pipelines": [figures], "stamp"}``, as JSON data.

        Figures are ``{"name", "file", "times", "steps", "recall", "server_ms", "usage"}``. ``times``: see
        `latency_dict`; ``steps``: medians, ``{"compile_ms", "embed_ms", "engine_ms", "rerank_ms"}``;
        ``recall``: ``{"k", "mean", "min", "per_query": [share]}`` or null. ``server_ms`` and ``usage``
        (``{"hardware", "tokens"}``) are medians of what the server says, or null.
        """
        return {
            "version": 1,
            "complete": self.complete,
            "pipelines": [_figures_dict(name, self.files[name], one) for name, one in self.found.items()],
            "stamp": self.stamp.to_dict(),
        }


def bench(
    pipelines: Pipelines,
    db: object = None,
    *,
    queries: QueriesLike | None = None,
    params: Body | None = None,
    repeat: int | None = None,
    seconds: float | None = None,
    warmup: int = _DEFAULT_WARMUP,
    concurrency: int = 1,
    recall: int | None = None,
    doc_id: str | None = None,
    limit: int | None = None,
    another: Callable[[], Session] | None = None,
    partial: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Benchmark:
    """How long pipelines take, from their text to their hits, and how much of the exact result they find.

    >>> print(bench({"dense": text}, db, queries=["red shoes", "blue coat"]))

    Args:
        pipelines, db, options: as for `evaluate`.
        queries: each of them is asked (its text is ``:query``); without, the pipelines are asked as they are.
        params: values of parameters that are the same for each query.
        repeat: how often each query is asked; else as often as makes 100 calls.
        seconds: for how long the queries are asked, instead of ``repeat``.
        warmup: calls that come first and do not count.
        concurrency: calls at the same time, on a server.
        recall: the k of recall@k against exact search (10); 0 measures none.
        doc_id, limit: as for `evaluate`.
        another: opens one more session, for ``concurrency``; else one is connected, or `db` shared.
        partial: whether Ctrl-C ends with what was measured (`Benchmark.complete` is False then).
        progress: called with what is being done, how much is done, and how much there is.

    Returns:
        A `Benchmark`. Its times are seconds in ``found``, milliseconds in what is shown.

    Raises:
        InputError: what was given is at fault; else as `evaluate` does.
    """
    check_kinds(locals())
    if repeat is not None and seconds is not None:
        raise InputError.make("usage", f"{argument('repeat')} and {argument('seconds')} exclude each other")
    whole_from(1, repeat=repeat, concurrency=concurrency)
    whole_from(0, warmup=warmup, recall=recall)
    number_in(0, math.inf, seconds=seconds)
    given = named_pipelines(pipelines)
    runs = [name for name, one in given.items() if one.run is not None]
    if runs:
        raise InputError.make("usage", f"{runs[0]} is a run: only pipelines can be asked")
    asked = None if queries is None else queries_of(queries, limit)
    fixed = fixed_params(params)
    with measured_session(db, options) as session:
        subjects = pipelines_on(session, given)
        check_concurrency(concurrency, next(iter(subjects.values())).session.target)
        if another is None and not isinstance(db, Session):
            another = _another(db, options)
        check_pipelines([*subjects.values()], fixed)
        calls = {
            name: [constant_call(one, fixed)] if asked is None else calls_of(one, asked, fixed)
            for name, one in subjects.items()
        }
        how = _How(*(repeat, seconds, warmup, concurrency, recall, doc_id), progress_of(progress), another)
        figures = (
            (name, _Benchmark(name, pipeline, how).figures(calls[name]))
            for name, pipeline in subjects.items()
        )
        measured, complete = collected(figures, partial=partial)
        stamp = stamp_of(subjects, calls)
    files = {name: one.file for name, one in given.items()}
    return Benchmark(dict(measured), files, concurrency, complete, stamp)


def check_concurrency(concurrency: int, target: str) -> None:
    """Raises `InputError` where calls at the same time would only wait for one another."""
    if concurrency > 1 and "://" not in target:
        raise InputError.make(
            "usage",
            f"{argument('concurrency')} requires a server: the embedded engine holds the interpreter while it"
            " works, so that calls at the same time would wait for one another",
            hint=f"name a server, or leave {argument('concurrency')} out",
        )


def _another(db: object, options: Mapping[str, Any]) -> Callable[[], Session]:
    return lambda: connect(db, advice=False, **options)


@dataclass(frozen=True, slots=True)
class _How:
    """How pipelines are asked: the arguments of `bench`."""

    repeat: int | None
    seconds: float | None
    warmup: int
    concurrency: int
    recall: int | None
    doc_id: str | None
    progress: Progress
    another: Callable[[], Session] | None


class _Benchmark:
    """Measures one pipeline: the times of many calls, and the recall of their results."""

    def __init__(self, name: str, pipeline: Pipeline, how: _How) -> None:
        self.how, self.name, self.pipeline, self.progress = how, name, pipeline, how.progress
        self.steps: list[Steps] = []
        self.free: SimpleQueue[Pipeline] = SimpleQueue()

    def figures(self, calls: Sequence[Call]) -> Figures:
        """The times of the calls, and the recall of their results."""
        k = self.depth(calls[0])
        workers = self.how.concurrency
        others = [self.copy_pipeline() for _ in range(workers - 1)]
        for one in (self.pipeline, *others):
            self.free.put(one)
        try:
            times = self.times(calls, workers)
        finally:
            for one in others:
                if one.session is not self.pipeline.session:
                    one.session.close()
        steps, server, usage = self.step_medians(), self.server(), self.usage()
        return Figures(times, steps, k, self.recalls(calls, k) if k else None, server, usage)

    def depth(self, call: Call) -> int:
        """How many hits are compared with those of exact search; 0: none."""
        plan = self.pipeline.compiled(call.params).plan
        assert plan is not None, "a pipeline's statement is a query"
        hits = limit_of(plan)
        wanted = self.how.recall
        if wanted is not None and hits < wanted:
            hint = "a pipeline with a larger LIMIT can be compared so far down"
            message = f"{self.name} has {hits} hits, too few for {argument('recall', wanted)}"
            raise InputError.make("usage", message, hint=hint)
        return min(_DEFAULT_RECALL if wanted is None else wanted, hits)

    def copy_pipeline(self) -> Pipeline:
        """The pipeline on a session of its own, where another can be opened."""
        session = self.pipeline.session if self.how.another is None else self.how.another()
        return Pipeline(session, self.pipeline.text, self.pipeline.name)

    def times(self, calls: Sequence[Call], workers: int) -> Latency:
        """The times of all calls, asked by so many at a time."""
        passes = self.how.repeat or -(-DEFAULT_CALLS // len(calls))
        unit = "calls" if self.how.seconds is None else "s"
        done = measure_calls(
            self.run_call,
            [*calls] * (passes if self.how.seconds is None else 1),
            workers=workers,
            warmup=self.how.warmup,
            seconds=self.how.seconds,
            progress=lambda at, total: self.progress(Work(self.name, unit), at, total),
        )
        del self.steps[: self.how.warmup]
        return latency(done)

    def run_call(self, call: Call) -> None:
        """Asks one call, on a pipeline that is free."""
        pipeline = self.free.get()
        try:
            _, steps = pipeline.timed(call.params)
        except QQLError as exc:
            raise locate_error(exc, self.name, call) from exc
        finally:
            self.free.put(pipeline)
        self.steps.append(steps)

    def step_medians(self) -> dict[str, float]:
        """The median seconds of each step."""
        return {name: percentile([getattr(one, name) for one in self.steps], 50) for name in _STEPS}

    def server(self) -> float | None:
        """The median seconds by the server's own account."""
        times = [one.server for one in self.steps if one.server is not None]
        return percentile(times, 50) if times else None

    def usage(self) -> Usage | None:
        """The median of what the server says a call has cost."""
        return Usage.median([one.usage for one in self.steps if one.usage is not None])

    def recalls(self, calls: Sequence[Call], k: int) -> list[float]:
        """The recall of the first k hits of each call against exact search: 0 to 1."""
        key = document_key({}, self.how.doc_id)
        out = []
        for done, call in enumerate(calls, 1):
            try:
                found = self.pipeline.ask(call.params)
                exact = self.pipeline.ask_exactly(call.params, _TIE_RANKS)
            except QQLError as exc:
                raise locate_error(exc, self.name, call) from exc
            docs = [scored.doc for scored in ranking(found, key)]
            out.append(recall_at(docs, ranking(exact, key), k))
            self.progress(Work(f"{self.name}, exactly", "queries"), done, len(calls))
        return out


def _timing_sections(found: Mapping[str, Figures], concurrency: int) -> list[Section]:
    calls = f", {concurrency} calls at a time" if concurrency > 1 else ""
    times = [{"pipeline": name, **short_cells(one.times)} for name, one in found.items()]
    steps = [
        {"pipeline": name, **{step: three_digits(one.steps[step] * 1000) for step in _STEPS}}
        for name, one in found.items()
    ]
    sections = [
        Section(f"Milliseconds of a call{calls}", times),
        Section("What they go to (medians)", steps),
    ]
    if costs := [*_costs(found)]:
        sections.append(Section("By the server's own account (medians of a call)", costs))
    recalls = [
        {
            "pipeline": name,
            "hits": one.k,
            "recall": round(_mean(one.recalls), 4),
            "least": round(min(one.recalls), 4),
            "queries below 1": sum(recall < 1 for recall in one.recalls),
            "queries": len(one.recalls),
        }
        for name, one in found.items()
        if one.recalls
    ]
    return [*sections, Section("Recall against exact search", recalls)] if recalls else sections


def _costs(found: Mapping[str, Figures]) -> Iterator[JsonObject]:
    """What the server says; nothing of pipelines of which it says nothing."""
    for name, one in found.items():
        cells: JsonObject = {} if one.server is None else {"ms": three_digits(one.server * 1000)}
        cells |= one.usage.cells() if one.usage is not None else {}
        if cells:
            yield {"pipeline": name, **cells}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _figures_dict(name: str, file: str, one: Figures) -> JsonObject:
    """``{"name", "file", "times", "steps", "recall", "server_ms", "usage"}``.

    ``times``: see `latency_dict`; ``steps``: medians, ``{"compile_ms", "embed_ms", "engine_ms",
    "rerank_ms"}``; ``recall``: ``{"k", "mean", "min", "per_query": [share]}`` or null.
    """
    recall = one.recalls and {
        "k": one.k,
        "mean": _mean(one.recalls),
        "min": min(one.recalls),
        "per_query": list(one.recalls),
    }
    steps = {f"{step}_ms": seconds * 1000 for step, seconds in one.steps.items()}
    return {
        "name": name,
        "file": file,
        "times": latency_dict(one.times),
        "steps": steps,
        "recall": recall,
        "server_ms": one.server if one.server is None else one.server * 1000,
        "usage": one.usage and one.usage.to_dict(),
    }
