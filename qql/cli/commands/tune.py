"""`qql tune`: which settings of a pipeline are worth having."""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qql.cli.commands.judgements import absent_documents, load_qrels, measures_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import pluralize
from qql.cli.commands.pipelines import (
    Call,
    as_usage,
    calls_of,
    constants_of,
    load_queries,
    locate_error,
    open_measured_session,
    pipeline_names,
    pipelines_of,
    require,
)
from qql.cli.commands.report import Section, check_output, collected, show_report
from qql.cli.render import Renderer, json_text
from qql.cli.usage import INTERRUPTED, UsageError
from qql.errors import Diagnostic, QQLError
from qql.evaluation.documents import Key, document_key, ranking
from qql.evaluation.files import Qrels, Query
from qql.evaluation.grid import MOST_SETTINGS, expand_grid, grid_size, pareto_front, read_axis
from qql.evaluation.measures import Measure, evaluate
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.report import three_digits
from qql.evaluation.settings import Settable
from qql.evaluation.speed import percentile
from qql.rest.types import Body, Json, JsonObject

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.session.session import Session

__all__ = ["tune"]

_MAX_SETTINGS = 200
_TEXTS_SHOWN = 3  # settings whose text is printed
_PERCENTILES = {"p50": 50, "p95": 95}


@dataclass(frozen=True, slots=True)
class Variant:
    """A pipeline with one combination of values: of parameters, and of settings that its text has."""

    values: Body
    pipeline: Pipeline
    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured of a variant. ``seconds`` is the percentile that ``--latency`` names.

    ``means`` are those of the queries to choose by, ``kept`` of those that were kept apart.
    """

    variant: Variant
    means: Mapping[Measure, float]
    kept: Mapping[Measure, float]
    seconds: float
    current: bool = False


def tune(args: Arguments, console: Renderer) -> int:
    require(args, "queries", "qrels", "grid")
    if len(args["files"]) > 1:
        raise UsageError.make("usage", "tune takes one pipeline; `qql eval` compares several")
    if args.get("latency", "p50") not in _PERCENTILES:
        raise UsageError.make("usage", f"--latency takes p50 or p95, not {args['latency']}")
    measures, axes = measures_of(args), _grid_axes(args)
    check_output(args)
    queries, qrels = load_queries(args), load_qrels(args)
    chosen, kept = _split_queries(args, queries, qrels)
    warnings: list[Diagnostic] = []
    with open_measured_session(args, console) as (session, progress):
        script = _Tunable(args, session, axes, queries)
        variants = script.variants(_combinations(args, script.axes))
        current = script.current()
        if current is not None:
            variants = [current, *(one for one in variants if one.values != current.values)]
        if "doc_id" not in args:
            warnings += absent_documents(session, [script.plan.collection], queries, qrels)
        experiment = _Experiment(args, qrels, measures, chosen, kept, progress)
        trials, complete = collected(experiment.run_all(variants, current))
    first = measures[0]
    front = pareto_front(trials, quality=lambda one: one.means[first], latency=lambda one: one.seconds)
    rows = [_trial_row(args, one, front) for one in trials]
    data = {
        "version": 1,
        "measures": [str(measure) for measure in measures],
        "latency": args.get("latency", "p50"),
        "complete": complete,
        "queries": {"chosen_by": len(chosen), "kept_apart": len(kept)},
        "tried": [_trial_dict(one, front, script) for one in trials],
    }
    sections = list(_tuning_sections(args, trials, front, script, first))
    show_report(args, console, sections, data, rows, complete=complete)
    console.warn(warnings)
    if not kept:
        flattered = f"note: the queries that chose these settings ({len(chosen)}) flatter them"
        console.note(f"{flattered}; --holdout 0.3 keeps some apart, and measures with those too")
    if not complete:
        console.note(f"interrupted: {len(trials)} of {pluralize(len(variants), 'setting')} were tried")
        return INTERRUPTED
    return 0


# ------------------------------------------------------------------------------------------- variants


def _grid_axes(args: Arguments) -> dict[str, list[Json]]:
    axes: dict[str, list[Json]] = {}
    for text in args["grid"]:
        with as_usage():
            name, values = read_axis(text)
        if name in axes:
            raise UsageError.make("usage", f"--grid {name} is given twice", hint="name=value,value,…")
        axes[name] = values
    return axes


def _combinations(args: Arguments, axes: Mapping[str, Sequence[Json]]) -> list[JsonObject]:
    """The combinations to try."""
    count = grid_size(axes)
    most = args.get("max_settings", _MAX_SETTINGS)
    if "sample" not in args and count > most:
        more = f"; --max-settings {count} tries them all" if count <= MOST_SETTINGS else ""
        hint = f"--sample N tries N of them, drawn by chance{more}"
        raise UsageError.make("bad-grid", f"the grid has {count:,} combinations", hint=hint)
    with as_usage():
        return expand_grid(axes, args.get("sample"), args.get("seed", 0))


class _Tunable:
    """The pipeline as it is, and what can be changed about it."""

    def __init__(
        self, args: Arguments, session: Session, axes: Mapping[str, list[Json]], queries: Sequence[Query]
    ) -> None:
        self.args, self.session, self.queries = args, session, queries
        (self.pipeline,) = pipelines_of(args, session, pipeline_names(args["files"]), list(axes)).values()
        self.params = [name for name in axes if name in self.pipeline.parameters]
        for name in self.params:
            if any(name in query.params for query in queries):
                raise UsageError.make(
                    "wrong-parameters", f"--grid {name} is a field of the queries, too", hint="rename one"
                )
        self.calls = calls_of(args, self.pipeline, queries, self.params)
        some = {**self.calls[0].params, **{name: axes[name][0] for name in self.params}}
        plan = self.pipeline.compiled(some).plan
        assert plan is not None, "a pipeline's statement is a query"
        self.plan = plan
        self.settable = Settable(self.pipeline.text, plan, self.pipeline.name)
        self.axes: dict[str, list[Json]] = {}
        for name, values in axes.items():
            with as_usage():
                known = name if name in self.params else self.settable.find(name)
            if known in self.axes:
                raise UsageError.make("usage", f"--grid {name} is given twice, as {known}")
            self.axes[known] = values

    def current_value(self, name: str) -> Json:
        """The value that a parameter or setting has now; None where there is none."""
        return constants_of(self.args).get(name) if name in self.params else self.settable.value(name)

    def current(self) -> Variant | None:
        """The pipeline as it is; None where a parameter of the grid has no other value."""
        constants = constants_of(self.args)
        if not constants.keys() >= {*self.params}:
            return None
        values = {name: self.current_value(name) for name in self.axes}
        params = {name: constants[name] for name in self.params}
        return Variant(values, self.pipeline, self._calls_with(params))

    def variants(self, settings: Sequence[Body]) -> list[Variant]:
        """A pipeline for each combination; each compiles. Raises `QQLError` for one that does not."""
        out = []
        for values in settings:
            params = {name: value for name, value in values.items() if name in self.params}
            changes = {name: value for name, value in values.items() if name not in self.params}
            try:
                text = self.settable.changed(changes) if changes else self.pipeline.text
                pipeline = Pipeline(self.session, text, self.pipeline.name)
                calls = self._calls_with(params)
                pipeline.compiled(calls[0].params)
            except QQLError as exc:
                raise UsageError.make(
                    "bad-setting", f"{_values_text(values)}: {exc.message}", hint=exc.hint
                ) from exc
            out.append(Variant(values, pipeline, calls))
        return out

    def _calls_with(self, params: Body) -> list[Call]:
        return [Call(one.query, {**one.params, **params}) for one in self.calls]


def _values_text(values: Body) -> str:
    return " ".join(f"{name}={_value_text(value)}" for name, value in values.items())


def _value_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


# ------------------------------------------------------------------------------------------- trials


def _split_queries(args: Arguments, queries: Sequence[Query], qrels: Qrels) -> tuple[set[str], set[str]]:
    """The judged queries to choose by, and those that ``--holdout`` keeps apart."""
    judged = [query.id for query in queries if qrels.get(query.id)]
    if "holdout" not in args:
        return {*judged}, set()
    count = round(args["holdout"] * len(judged))
    if not 0 < count < len(judged):
        raise UsageError.make("usage", f"--holdout leaves no query of {len(judged)} on one of the sides")
    kept = {*random.Random(args.get("seed", 0)).sample(judged, count)}
    return {*judged} - kept, kept


class _Experiment:
    """Runs all judged queries through each variant."""

    def __init__(
        self,
        args: Arguments,
        qrels: Qrels,
        measures: Sequence[Measure],
        chosen: set[str],
        kept: set[str],
        progress: Progress,
    ) -> None:
        self.args, self.qrels, self.measures, self.progress = args, qrels, measures, progress
        self.chosen, self.kept = chosen, kept
        self.key: Key = document_key(qrels, args.get("doc_id"))

    def run_all(self, variants: Sequence[Variant], current: Variant | None) -> Iterator[Trial]:
        self.run_one(variants[0], current=False)  # the first run pays for what is loaded then
        for at, variant in enumerate(variants):
            self.progress("settings", at, len(variants))
            yield self.run_one(variant, current=variant is current)
        self.progress("settings", len(variants), len(variants))

    def run_one(self, variant: Variant, *, current: bool) -> Trial:
        run: dict[str, list[str]] = {}
        seconds = []
        for _ in range(self.args.get("repeat", 1)):
            for call in variant.calls:
                if call.query.id in self.chosen or call.query.id in self.kept:
                    start = time.perf_counter()
                    run[call.query.id] = self.ask(variant, call)
                    seconds.append(time.perf_counter() - start)
        percent = _PERCENTILES[self.args.get("latency", "p50")]
        means, kept = (self.means(run, part) for part in (self.chosen, self.kept))
        return Trial(variant, means, kept, percentile(seconds, percent), current)

    def means(self, run: Mapping[str, Sequence[str]], part: set[str]) -> Mapping[Measure, float]:
        return evaluate(run, self.qrels, self.measures, sorted(part)).means if part else {}

    def ask(self, variant: Variant, call: Call) -> list[str]:
        try:
            found = variant.pipeline.ask(call.params)
        except QQLError as exc:
            raise locate_error(exc, _values_text(variant.values), call, self.args) from exc
        return [scored.doc for scored in ranking(found, self.key)]


# ------------------------------------------------------------------------------------------- report


def _trial_row(args: Arguments, one: Trial, front: Sequence[Trial]) -> JsonObject:
    row = dict(one.variant.values)
    row |= {str(measure): round(mean, 4) for measure, mean in one.means.items()}
    row |= {f"{measure} held out": round(mean, 4) for measure, mean in one.kept.items()}
    row[f"{args.get('latency', 'p50')} ms"] = round(one.seconds * 1000, 2)
    verdicts = ["not beaten" if _is_among(front, one) else "", "current" if one.current else ""]
    return row | {"verdict": ", ".join(filter(None, verdicts))}


def _readable_trial(one: Trial) -> JsonObject:
    """The same for people, in eighty columns: of what was held out, the measure that chooses."""
    row: JsonObject = {name: _value_text(value) for name, value in one.variant.values.items()}
    for measure, mean in one.means.items():
        row[str(measure)] = f"{mean:.4f}"
        if one.kept and "held out" not in row:
            row["held out"] = f"{one.kept[measure]:.4f}"
    return row | {"ms": three_digits(one.seconds * 1000), "": "now" if one.current else ""}


def _is_among(front: Sequence[Trial], one: Trial) -> bool:
    return any(one is other for other in front)


def _tuning_sections(
    args: Arguments, trials: Sequence[Trial], front: Sequence[Trial], script: _Tunable, measure: Measure
) -> Iterator[Section]:
    rows = [*front, *(one for one in trials if one.current and not _is_among(front, one))]
    count = pluralize(len(trials), "setting")
    title = f"The best of {count}, by {measure} and {args.get('latency', 'p50')}"
    beaten = "" if len(rows) == len(front) else ", and others beat it"
    notes = (f"now: the pipeline as it is{beaten}",) if any(one.current for one in rows) else ()
    yield Section(title, [_readable_trial(one) for one in rows], notes)
    best = [one for one in reversed(front) if not one.current][:_TEXTS_SHOWN]
    for one in best:
        params = [
            f"--param {shlex.quote(f'{name}={_value_text(one.variant.values[name])}')}"
            for name in script.params
        ]
        lead = f"-- {' '.join(params)}\n" if params else ""
        text = one.variant.pipeline.text if len(params) < len(script.axes) else ""
        figures = f"{measure} {one.means[measure]:.4f}, {one.seconds * 1000:.2f} ms"
        yield Section(f"{_values_text(one.variant.values)}: {figures}", [], text=lead + text)


def _trial_dict(one: Trial, front: Sequence[Trial], script: _Tunable) -> JsonObject:
    """``{"values", "measures", "held_out", "ms", "current", "front", "params", "script"}``.

    ``measures`` and ``held_out`` are ``{name: mean}``, ``ms`` the percentile of the times; ``front``: no
    other beats it; ``params`` are those of the values that are parameters, ``script`` has the others in it.
    """
    return {
        "values": dict(one.variant.values),
        "measures": {str(measure): mean for measure, mean in one.means.items()},
        "held_out": {str(measure): mean for measure, mean in one.kept.items()},
        "ms": one.seconds * 1000,
        "current": one.current,
        "front": _is_among(front, one),
        "params": {name: one.variant.values[name] for name in script.params},
        "script": one.variant.pipeline.text,
    }
