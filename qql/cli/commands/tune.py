"""`qql tune`: which settings of a pipeline are worth having."""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qql.cli.commands.eval import judgements_of, measures_of
from qql.cli.commands.inputs import counted
from qql.cli.commands.judged_documents import absent
from qql.cli.commands.measure_common import (
    Question,
    Section,
    as_usage,
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
from qql.cli.render import Renderer, json_text
from qql.cli.repl import UsageError
from qql.errors import Diagnostic, QQLError
from qql.evaluation.documents import Key, document_key, ranking
from qql.evaluation.files import Qrels, Query
from qql.evaluation.grid import MOST_SETTINGS, expand_grid, grid_size, pareto_front, read_axis
from qql.evaluation.measures import Measure, evaluate
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.report import three_digits
from qql.evaluation.settings import Settable
from qql.evaluation.speed import percentile

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.session.session import Session

__all__ = ["tune"]

_MOST = 200
_SHOWN = 3  # settings whose text is printed
_TIMES = {"p50": 50, "p95": 95}


@dataclass(frozen=True, slots=True)
class Variant:
    """A pipeline with one combination of values: of parameters, and of settings that its text has."""

    values: Mapping[str, Any]
    pipeline: Pipeline
    questions: Sequence[Question]


@dataclass(frozen=True, slots=True)
class Tried:
    """What was measured of a variant. ``seconds`` is the percentile asked for.

    ``means`` are those of the queries to choose by, ``kept`` of those that were kept apart.
    """

    variant: Variant
    means: Mapping[Measure, float]
    kept: Mapping[Measure, float]
    seconds: float
    current: bool = False


def tune(given: Given, console: Renderer) -> int:
    needed(given, "queries", "qrels", "grid")
    if len(given["files"]) > 1:
        raise UsageError.make("usage", "tune takes one pipeline; `qql eval` compares several")
    if given.get("latency", "p50") not in _TIMES:
        raise UsageError.make("usage", f"--latency takes p50 or p95, not {given['latency']}")
    measures, axes = measures_of(given), _axes(given)
    check_output(given)
    queries, qrels = read_questions(given), judgements_of(given)
    chosen, kept = _split(given, queries, qrels)
    warnings: list[Diagnostic] = []
    with opened_session(given, console) as (session, progress):
        script = _Script(given, session, axes, queries)
        variants = script.variants(_settings(given, script.axes))
        current = script.current()
        if current is not None:
            variants = [current, *(one for one in variants if one.values != current.values)]
        if "doc_id" not in given:
            warnings += absent(session, [script.plan.collection], queries, qrels)
        task = _Task(given, qrels, measures, chosen, kept, progress)
        tried = task.all(variants, current)
    first = measures[0]
    front = pareto_front(tried, quality=lambda one: one.means[first], latency=lambda one: one.seconds)
    rows = [_row(given, one, front) for one in tried]
    data = {
        "version": 1,
        "measures": [str(measure) for measure in measures],
        "latency": given.get("latency", "p50"),
        "queries": {"chosen_by": len(chosen), "kept_apart": len(kept)},
        "tried": [_to_dict(one, front, script) for one in tried],
    }
    show(given, console, list(_sections(given, tried, front, script, first)), data, rows)
    console.warn(warnings)
    if not kept:
        flattered = f"note: the queries that chose these settings ({len(chosen)}) flatter them"
        console.note(f"{flattered}; --holdout 0.3 keeps some apart, and measures with those too")
    return 0


# ------------------------------------------------------------------------------------------- what is tried


def _axes(given: Given) -> dict[str, list[Any]]:
    axes: dict[str, list[Any]] = {}
    for text in given["grid"]:
        with as_usage():
            name, values = read_axis(text)
        if name in axes:
            raise UsageError.make("usage", f"--grid {name} is given twice", hint="name=value,value,…")
        axes[name] = values
    return axes


def _settings(given: Given, axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The combinations to try."""
    count = grid_size(axes)
    most = given.get("max_settings", _MOST)
    if "sample" not in given and count > most:
        more = f"; --max-settings {count} tries them all" if count <= MOST_SETTINGS else ""
        hint = f"--sample N tries N of them, drawn by chance{more}"
        raise UsageError.make("bad-grid", f"the grid has {count:,} combinations", hint=hint)
    with as_usage():
        return expand_grid(axes, given.get("sample"), given.get("seed", 0))


class _Script:
    """The pipeline as it is, and what can be changed about it."""

    def __init__(
        self, given: Given, session: Session, axes: Mapping[str, list[Any]], queries: Sequence[Query]
    ) -> None:
        self.given, self.session, self.queries = given, session, queries
        (self.pipeline,) = pipelines_of(given, session, named(given["files"]), list(axes)).values()
        self.params = [name for name in axes if name in self.pipeline.parameters]
        for name in self.params:
            if any(name in query.params for query in queries):
                raise UsageError.make(
                    "wrong-parameters", f"--grid {name} is a field of the queries, too", hint="rename one"
                )
        self.questions = questions_of(given, self.pipeline, queries, self.params)
        some = {**self.questions[0].params, **{name: axes[name][0] for name in self.params}}
        plan = self.pipeline.compiled(some).plan
        assert plan is not None, "a pipeline's statement is a query"
        self.plan = plan
        self.settable = Settable(self.pipeline.text, plan, self.pipeline.name)
        self.axes: dict[str, list[Any]] = {}
        for name, values in axes.items():
            with as_usage():
                known = name if name in self.params else self.settable.find(name)
            if known in self.axes:
                raise UsageError.make("usage", f"--grid {name} is given twice, as {known}")
            self.axes[known] = values

    def now(self, name: str) -> Any:
        """The value that something has without being tried; None where there is none."""
        return constants_of(self.given).get(name) if name in self.params else self.settable.value(name)

    def current(self) -> Variant | None:
        """The pipeline as it is; None where a parameter that is tried has no other value."""
        constants = constants_of(self.given)
        if not constants.keys() >= {*self.params}:
            return None
        values = {name: self.now(name) for name in self.axes}
        return Variant(values, self.pipeline, self._asked({name: constants[name] for name in self.params}))

    def variants(self, settings: Sequence[Mapping[str, Any]]) -> list[Variant]:
        """A pipeline for each combination; each compiles. Raises `QQLError` for one that does not."""
        out = []
        for values in settings:
            params = {name: value for name, value in values.items() if name in self.params}
            changes = {name: value for name, value in values.items() if name not in self.params}
            try:
                text = self.settable.changed(changes) if changes else self.pipeline.text
                pipeline = Pipeline(self.session, text, self.pipeline.name)
                asked = self._asked(params)
                pipeline.compiled(asked[0].params)
            except QQLError as exc:
                raise UsageError.make(
                    "bad-setting", f"{_said(values)}: {exc.message}", hint=exc.hint
                ) from exc
            out.append(Variant(values, pipeline, asked))
        return out

    def _asked(self, params: Mapping[str, Any]) -> list[Question]:
        return [Question(one.query, {**one.params, **params}) for one in self.questions]


def _said(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_cell(value)}" for name, value in values.items())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


# ------------------------------------------------------------------------------------------- asking


def _split(given: Given, queries: Sequence[Query], qrels: Qrels) -> tuple[set[str], set[str]]:
    """The judged queries to choose by, and those that ``--holdout`` keeps apart."""
    judged = [query.id for query in queries if qrels.get(query.id)]
    if "holdout" not in given:
        return {*judged}, set()
    count = round(given["holdout"] * len(judged))
    if not 0 < count < len(judged):
        raise UsageError.make("usage", f"--holdout leaves no query of {len(judged)} on one of the sides")
    kept = {*random.Random(given.get("seed", 0)).sample(judged, count)}
    return {*judged} - kept, kept


class _Task:
    """Variants, each asked all judged queries."""

    def __init__(
        self,
        given: Given,
        qrels: Qrels,
        measures: Sequence[Measure],
        chosen: set[str],
        kept: set[str],
        progress: Progress,
    ) -> None:
        self.given, self.qrels, self.measures, self.progress = given, qrels, measures, progress
        self.chosen, self.kept = chosen, kept
        self.key: Key = document_key(qrels, given.get("doc_id"))

    def all(self, variants: Sequence[Variant], current: Variant | None) -> list[Tried]:
        self.one(variants[0], current=False)  # whatever is first asked pays for what is loaded then
        out = []
        for at, variant in enumerate(variants):
            self.progress("settings", at, len(variants))
            out.append(self.one(variant, current=variant is current))
        self.progress("settings", len(variants), len(variants))
        return out

    def one(self, variant: Variant, *, current: bool) -> Tried:
        run: dict[str, list[str]] = {}
        seconds = []
        for _ in range(self.given.get("repeat", 1)):
            for question in variant.questions:
                if question.query.id in self.chosen or question.query.id in self.kept:
                    start = time.perf_counter()
                    run[question.query.id] = self.ask(variant, question)
                    seconds.append(time.perf_counter() - start)
        percent = _TIMES[self.given.get("latency", "p50")]
        means, kept = (self.means(run, part) for part in (self.chosen, self.kept))
        return Tried(variant, means, kept, percentile(seconds, percent), current)

    def means(self, run: Mapping[str, Sequence[str]], part: set[str]) -> Mapping[Measure, float]:
        return evaluate(run, self.qrels, self.measures, sorted(part)).means if part else {}

    def ask(self, variant: Variant, question: Question) -> list[str]:
        try:
            found = variant.pipeline.ask(question.params)
        except QQLError as exc:
            raise located(exc, _said(variant.values), question, self.given) from exc
        return [scored.doc for scored in ranking(found, self.key)]


# ------------------------------------------------------------------------------------------- showing


def _row(given: Given, one: Tried, front: Sequence[Tried]) -> dict[str, Any]:
    row = dict(one.variant.values)
    row |= {str(measure): round(mean, 4) for measure, mean in one.means.items()}
    row |= {f"{measure} held out": round(mean, 4) for measure, mean in one.kept.items()}
    row[f"{given.get('latency', 'p50')} ms"] = round(one.seconds * 1000, 2)
    said = ["not beaten" if _is_in(front, one) else "", "current" if one.current else ""]
    return row | {"verdict": ", ".join(filter(None, said))}


def _short_row(one: Tried) -> dict[str, Any]:
    """The same for people, in eighty columns: of what was held out, the measure that chooses."""
    row: dict[str, Any] = {name: _cell(value) for name, value in one.variant.values.items()}
    for measure, mean in one.means.items():
        row[str(measure)] = f"{mean:.4f}"
        if one.kept and "held out" not in row:
            row["held out"] = f"{one.kept[measure]:.4f}"
    return row | {"ms": three_digits(one.seconds * 1000), "": "now" if one.current else ""}


def _is_in(front: Sequence[Tried], one: Tried) -> bool:
    return any(one is other for other in front)


def _sections(
    given: Given, tried: Sequence[Tried], front: Sequence[Tried], script: _Script, measure: Measure
) -> Iterator[Section]:
    rows = [*front, *(one for one in tried if one.current and not _is_in(front, one))]
    count = counted(len(tried), "setting")
    title = f"The best of {count}, by {measure} and {given.get('latency', 'p50')}"
    beaten = "" if len(rows) == len(front) else ", and others beat it"
    notes = (f"now: the pipeline as it is{beaten}",) if any(one.current for one in rows) else ()
    yield Section(title, [_short_row(one) for one in rows], notes)
    best = [one for one in reversed(front) if not one.current][:_SHOWN]
    for one in best:
        params = [
            f"--param {shlex.quote(f'{name}={_cell(one.variant.values[name])}')}" for name in script.params
        ]
        lead = f"-- {' '.join(params)}\n" if params else ""
        text = one.variant.pipeline.text if len(params) < len(script.axes) else ""
        figures = f"{measure} {one.means[measure]:.4f}, {one.seconds * 1000:.2f} ms"
        yield Section(f"{_said(one.variant.values)}: {figures}", [], text=lead + text)


def _to_dict(one: Tried, front: Sequence[Tried], script: _Script) -> dict[str, Any]:
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
        "front": _is_in(front, one),
        "params": {name: one.variant.values[name] for name in script.params},
        "script": one.variant.pipeline.text,
    }
