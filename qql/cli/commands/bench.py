"""`qql bench`: how fast pipelines are, and how much of the exact result they find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from qql.backends.base import Progress
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.measure_common import (
    Question,
    Section,
    check_output,
    constants_of,
    located,
    named,
    needed,
    opened_session,
    pipelines_of,
    questions_of,
    read_questions,
    show,
)
from qql.cli.commands.options import Given
from qql.cli.render import Renderer
from qql.cli.repl import UsageError
from qql.errors import QQLError
from qql.evaluation.documents import document_key, ranking
from qql.evaluation.files import Query
from qql.evaluation.pipelines import Pipeline, Steps
from qql.evaluation.report import latency_cells, latency_dict, short_cells, three_digits
from qql.evaluation.speed import Latency, latency, measure_calls, percentile, recall_at
from qql.rest.limits import DEFAULT_LIMIT

__all__ = ["bench"]

_CALLS = 100
_WARMUP = 10
_RECALL = 10
_BEYOND = 50  # ranks behind K that are fetched of the exact result, for ties
_STEPS = ("compile", "embed", "engine", "rerank")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one pipeline. ``recalls`` has one for each query; None: not measured."""

    times: Latency
    steps: Mapping[str, float]
    k: int = 0
    recalls: Sequence[float] | None = None


def bench(given: Given, console: Renderer) -> int:
    needed(given)
    files = named(given["files"])
    if {"repeat", "seconds"} <= given.keys():
        raise UsageError.make("usage", "--repeat and --seconds exclude each other")
    _check_concurrency(given)
    check_output(given)
    queries = read_questions(given) if "queries" in given else []
    found: dict[str, Figures] = {}
    with opened_session(given, console) as (session, progress):
        pipelines = pipelines_of(given, session, files)
        asked = {name: _questions(given, one, queries) for name, one in pipelines.items()}
        for name, pipeline in pipelines.items():
            found[name] = _Bench(given, name, pipeline, progress).figures(asked[name])
    data = {"version": 1, "pipelines": [_to_dict(name, files[name], one) for name, one in found.items()]}
    rows = [{"pipeline": name, **latency_cells(one.times)} for name, one in found.items()]
    show(given, console, _sections(given, found), data, rows)
    few = [name for name, one in found.items() if one.times.count < _CALLS]
    if few:
        console.note(f"note: with fewer than {_CALLS} calls, p99 is the slowest of them: {', '.join(few)}")
    return 0


def _check_concurrency(given: Given) -> None:
    if given.get("concurrency", 1) > 1 and "://" not in target_of(given):
        raise UsageError.make(
            "usage",
            "--concurrency requires a server: the embedded engine holds the interpreter while it works,"
            " so that calls at the same time would wait for one another",
            hint="name a server with --url, or leave --concurrency out",
        )


def _questions(given: Given, pipeline: Pipeline, queries: Sequence[Query]) -> list[Question]:
    if queries:
        return questions_of(given, pipeline, queries)
    values = pipeline.taken(constants_of(given))
    for key in map(str, pipeline.parameters):
        if key not in values and key.partition(".")[0] not in values:
            hint = f"--queries FILE, or --param {key}=…, gives it a value"
            raise UsageError.make("missing-parameter", f"{pipeline.name} has :{key}", hint=hint)
    return [Question(Query("", {}), values)]


class _Bench:
    """One pipeline, asked again and again."""

    def __init__(self, given: Given, name: str, pipeline: Pipeline, progress: Progress) -> None:
        self.given, self.name, self.pipeline, self.progress = given, name, pipeline, progress
        self.steps: list[Steps] = []
        self.free: SimpleQueue[Pipeline] = SimpleQueue()

    def figures(self, questions: Sequence[Question]) -> Figures:
        k = self.depth(questions[0])
        workers = self.given.get("concurrency", 1)
        others = [self.another() for _ in range(workers - 1)]
        for one in (self.pipeline, *others):
            self.free.put(one)
        try:
            times = self.times(questions, workers)
        finally:
            for one in others:
                one.session.close()
        return Figures(times, self.shares(), k, self.recalls(questions, k) if k else None)

    def depth(self, question: Question) -> int:
        """How many hits are compared with those of exact search; 0: none."""
        plan = self.pipeline.compiled(question.params).plan
        assert plan is not None, "a pipeline's statement is a query"
        given = plan.second.top if plan.second is not None and plan.second.top else plan.root.limit
        most, wanted = given or DEFAULT_LIMIT, self.given.get("recall", 0)
        if most < wanted:
            hint = "a pipeline with a larger LIMIT can be compared so far down"
            message = f"{self.name} has {most} hits, too few for --recall {wanted}"
            raise UsageError.make("usage", message, hint=hint)
        return min(int(self.given.get("recall", _RECALL)), most)

    def another(self) -> Pipeline:
        session = open_session(self.given, target_of(self.given), None, advice=False)
        return Pipeline(session, self.pipeline.text, self.pipeline.name)

    def times(self, questions: Sequence[Question], workers: int) -> Latency:
        passes = self.given.get("repeat", -(-_CALLS // len(questions)))
        warmup = self.given.get("warmup", _WARMUP)
        done = measure_calls(
            self.call,
            [*questions] * (1 if "seconds" in self.given else passes),
            workers=workers,
            warmup=warmup,
            seconds=self.given.get("seconds"),
            progress=lambda at, total: self.progress(self.name, at, total),
        )
        del self.steps[:warmup]
        return latency(done)

    def call(self, question: Question) -> None:
        # A session is not for several threads at once: each call takes one that is free.
        pipeline = self.free.get()
        try:
            _, steps = pipeline.timed(question.params)
        except QQLError as exc:
            raise located(exc, self.name, question, self.given) from exc
        finally:
            self.free.put(pipeline)
        self.steps.append(steps)

    def shares(self) -> dict[str, float]:
        """The median seconds of each step."""
        return {name: percentile([getattr(one, name) for one in self.steps], 50) for name in _STEPS}

    def recalls(self, questions: Sequence[Question], k: int) -> list[float]:
        key = document_key({}, self.given.get("doc_id"))
        out = []
        for done, question in enumerate(questions, 1):
            try:
                found = self.pipeline.ask(question.params)
                exact = self.pipeline.ask_exactly(question.params, _BEYOND)
            except QQLError as exc:
                raise located(exc, self.name, question, self.given) from exc
            docs = [scored.doc for scored in ranking(found, key)]
            out.append(recall_at(docs, ranking(exact, key), k))
            self.progress(f"{self.name}, exactly", done, len(questions))
        return out


def _sections(given: Given, found: Mapping[str, Figures]) -> list[Section]:
    workers = given.get("concurrency", 1)
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


def _to_dict(name: str, file: str, one: Figures) -> dict[str, Any]:
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
