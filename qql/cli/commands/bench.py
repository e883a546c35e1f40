"""`qql bench`: how fast pipelines are, and how much of the exact result they find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from queue import SimpleQueue

from qql.backends.base import Progress, Work
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import pluralize
from qql.cli.commands.pipelines import (
    Call,
    calls_of,
    constants_of,
    limit_of,
    load_queries,
    locate_error,
    open_measured_session,
    pipeline_names,
    pipelines_of,
    require,
    stamp_of,
)
from qql.cli.commands.report import Section, check_output, collected, show_report, stamp_section
from qql.cli.render import Renderer
from qql.cli.usage import INTERRUPTED, UsageError
from qql.errors import QQLError
from qql.evaluation.documents import document_key, ranking
from qql.evaluation.files import Query
from qql.evaluation.pipelines import Pipeline, Steps
from qql.evaluation.report import latency_cells, latency_dict, short_cells, three_digits
from qql.evaluation.speed import Latency, latency, measure_calls, percentile, recall_at
from qql.records import dataclass
from qql.rest.types import JsonObject

__all__ = ["bench"]

_DEFAULT_CALLS = 100
_DEFAULT_WARMUP = 10
_DEFAULT_RECALL = 10
_TIE_RANKS = 50  # ranks behind K that are fetched of the exact result, for ties
_STEPS = ("compile", "embed", "engine", "rerank")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one pipeline. ``recalls`` has one for each query; None: not measured."""

    times: Latency
    steps: Mapping[str, float]
    k: int = 0
    recalls: Sequence[float] | None = None


_OF_TABLE = ("using", "rerank_field", "qrels", "measures")
"""Options that only `--stages-table` has a use for."""


def bench(args: Arguments, console: Renderer) -> int:
    if "stages_table" in args:
        from qql.cli.commands.stages_table import stages_table

        return stages_table(args, console)
    for name in _OF_TABLE:
        if name in args:
            raise UsageError.make("usage", f"{args.flag(name)} requires {args.flag('stages_table')}")
    require(args)
    files = pipeline_names(args["files"])
    if {"repeat", "seconds"} <= args.keys():
        raise UsageError.make("usage", "--repeat and --seconds exclude each other")
    _check_concurrency(args)
    check_output(args)
    queries = load_queries(args) if "queries" in args else []
    with open_measured_session(args, console) as (session, progress):
        pipelines = pipelines_of(args, session, files)
        calls = {name: _calls_of_pipeline(args, one, queries) for name, one in pipelines.items()}
        figures = (
            (name, _Benchmark(args, name, pipeline, progress).figures(calls[name]))
            for name, pipeline in pipelines.items()
        )
        measured, complete = collected(figures)
        stamp = stamp_of(pipelines, calls)
    found = dict(measured)
    data = {
        "version": 1,
        "complete": complete,
        "pipelines": [_figures_dict(name, files[name], one) for name, one in found.items()],
        "stamp": stamp.to_dict(),
    }
    rows = [{"pipeline": name, **latency_cells(one.times)} for name, one in found.items()]
    sections = [*_timing_sections(args, found), stamp_section(stamp)]
    show_report(args, console, sections, data, rows, complete=complete)
    few = [name for name, one in found.items() if one.times.count < _DEFAULT_CALLS]
    if few:
        names = ", ".join(few)
        console.note(f"note: with fewer than {_DEFAULT_CALLS} calls, p99 is the slowest of them: {names}")
    if not complete:
        console.note(f"interrupted: {len(found)} of {pluralize(len(files), 'pipeline')} were measured")
        return INTERRUPTED
    return 0


def _check_concurrency(args: Arguments) -> None:
    if args.get("concurrency", 1) > 1 and "://" not in target_of(args):
        raise UsageError.make(
            "usage",
            "--concurrency requires a server: the embedded engine holds the interpreter while it works,"
            " so that calls at the same time would wait for one another",
            hint="name a server with --url, or leave --concurrency out",
        )


def _calls_of_pipeline(args: Arguments, pipeline: Pipeline, queries: Sequence[Query]) -> list[Call]:
    if queries:
        return calls_of(args, pipeline, queries)
    values = pipeline.taken(constants_of(args))
    for key in map(str, pipeline.parameters):
        if key not in values and key.partition(".")[0] not in values:
            hint = f"--queries FILE, or --param {key}=…, gives it a value"
            raise UsageError.make("missing-parameter", f"{pipeline.name} has :{key}", hint=hint)
    return [Call(Query("", {}), values)]


class _Benchmark:
    """Measures one pipeline: the times of many calls, and the recall of their results."""

    def __init__(self, args: Arguments, name: str, pipeline: Pipeline, progress: Progress) -> None:
        self.args, self.name, self.pipeline, self.progress = args, name, pipeline, progress
        self.steps: list[Steps] = []
        self.free: SimpleQueue[Pipeline] = SimpleQueue()

    def figures(self, calls: Sequence[Call]) -> Figures:
        k = self.depth(calls[0])
        workers = self.args.get("concurrency", 1)
        others = [self.copy_pipeline() for _ in range(workers - 1)]
        for one in (self.pipeline, *others):
            self.free.put(one)
        try:
            times = self.times(calls, workers)
        finally:
            for one in others:
                one.session.close()
        return Figures(times, self.step_medians(), k, self.recalls(calls, k) if k else None)

    def depth(self, call: Call) -> int:
        """How many hits are compared with those of exact search; 0: none."""
        plan = self.pipeline.compiled(call.params).plan
        assert plan is not None, "a pipeline's statement is a query"
        hits = limit_of(plan)
        if hits < self.args.get("recall", 0):
            hint = "a pipeline with a larger LIMIT can be compared so far down"
            message = f"{self.name} has {hits} hits, too few for --recall {self.args['recall']}"
            raise UsageError.make("usage", message, hint=hint)
        return min(int(self.args.get("recall", _DEFAULT_RECALL)), hits)

    def copy_pipeline(self) -> Pipeline:
        """The pipeline on a session of its own."""
        session = open_session(self.args, target_of(self.args), None, advice=False)
        return Pipeline(session, self.pipeline.text, self.pipeline.name)

    def times(self, calls: Sequence[Call], workers: int) -> Latency:
        passes = self.args.get("repeat", -(-_DEFAULT_CALLS // len(calls)))
        warmup = self.args.get("warmup", _DEFAULT_WARMUP)
        unit = "s" if "seconds" in self.args else "calls"
        done = measure_calls(
            self.run_call,
            [*calls] * (1 if "seconds" in self.args else passes),
            workers=workers,
            warmup=warmup,
            seconds=self.args.get("seconds"),
            progress=lambda at, total: self.progress(Work(self.name, unit), at, total),
        )
        del self.steps[:warmup]
        return latency(done)

    def run_call(self, call: Call) -> None:
        # A session is not for several threads at once: each call takes one that is free.
        pipeline = self.free.get()
        try:
            _, steps = pipeline.timed(call.params)
        except QQLError as exc:
            raise locate_error(exc, self.name, call, self.args) from exc
        finally:
            self.free.put(pipeline)
        self.steps.append(steps)

    def step_medians(self) -> dict[str, float]:
        """The median seconds of each step."""
        return {name: percentile([getattr(one, name) for one in self.steps], 50) for name in _STEPS}

    def recalls(self, calls: Sequence[Call], k: int) -> list[float]:
        key = document_key({}, self.args.get("doc_id"))
        out = []
        for done, call in enumerate(calls, 1):
            try:
                found = self.pipeline.ask(call.params)
                exact = self.pipeline.ask_exactly(call.params, _TIE_RANKS)
            except QQLError as exc:
                raise locate_error(exc, self.name, call, self.args) from exc
            docs = [scored.doc for scored in ranking(found, key)]
            out.append(recall_at(docs, ranking(exact, key), k))
            self.progress(Work(f"{self.name}, exactly", "queries"), done, len(calls))
        return out


def _timing_sections(args: Arguments, found: Mapping[str, Figures]) -> list[Section]:
    workers = args.get("concurrency", 1)
    calls = f", {workers} calls at a time" if workers > 1 else ""
    times = [{"pipeline": name, **short_cells(one.times)} for name, one in found.items()]
    steps = [
        {"pipeline": name, **{step: three_digits(one.steps[step] * 1000) for step in _STEPS}}
        for name, one in found.items()
    ]
    sections = [
        Section(f"Milliseconds of a call{calls}", times),
        Section("What they go to (medians)", steps),
    ]
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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _figures_dict(name: str, file: str, one: Figures) -> JsonObject:
    """``{"name", "file", "times", "steps", "recall"}``.

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
    return {"name": name, "file": file, "times": latency_dict(one.times), "steps": steps, "recall": recall}
