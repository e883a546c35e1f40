"""What came out of an evaluation of several pipelines: for people as tables, for programs as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qql.errors import Diagnostic
from qql.evaluation.behind_limit import Ranked
from qql.evaluation.files import Qrels, Run
from qql.evaluation.measures import Evaluation, Measure, evaluate_run, residual
from qql.evaluation.report import (
    comparison_dict,
    comparison_rows,
    marked,
    query_rows,
    stage_rows,
    stages_dict,
)
from qql.evaluation.score_ranges import range_rows, stage_ranges
from qql.evaluation.sections import Report, Section, stamp_section
from qql.evaluation.significance import MeasureDifference, compare_evaluations
from qql.evaluation.speed import percentile
from qql.evaluation.stages import LossReport, StageTrace, fates, stage_report
from qql.evaluation.tie_report import spread_rows, stage_tie_note, tie_notes, ties_dict
from qql.evaluation.ties import Spread, spread, tied_run
from qql.records import dataclass, field, replace
from qql.rest.types import JsonObject

if TYPE_CHECKING:
    from qql.session.stamp import Stamp

__all__ = ["Measured", "Outcome", "outcome_of"]

_MOST_IDS = 5  # ids that a message names


@dataclass(slots=True)
class Measured:
    """What one pipeline gave: rankings, the seconds of each call, and why queries failed that did.

    ``run`` has equal scores in the order ``ties`` (see `TIE_ORDERS`), ``ranked`` what is equal, and what the
    LIMIT did. ``traces`` are there where its stages were asked for, and ``stage_cuts``: for which queries a
    stage's LIMIT cut a tie. ``file`` is that of the pipeline, or of a run which was read; ``written`` the run
    file that was made. ``titles`` are what people call the documents, of those whose payload says it.
    """

    name: str
    file: str
    run: Run = field(default_factory=dict)
    ranked: dict[str, Ranked] = field(default_factory=dict)
    ties: str = "id"
    seconds: list[float] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    traces: Mapping[str, Mapping[str, StageTrace]] | None = None
    stage_cuts: dict[str, list[str]] = field(default_factory=dict)
    written: str | None = None
    titles: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_run(cls, name: str, file: str, run: Run, ties: str, qrels: Qrels) -> Measured:
        """Of a run that was read, whose equals are put in the order ``ties``."""
        ranked = {query: Ranked(tied_run(hits)) for query, hits in run.items()}
        ordered = {query: one.ranking.ordered(ties, qrels.get(query, {})) for query, one in ranked.items()}
        return cls(name, file, ordered, ranked, ties)


@dataclass(frozen=True, slots=True)
class Outcome(Report):
    """The figures of each pipeline by its name, as `evaluate` gives them.

    ``evaluations`` has the value of each measure for each query, ``comparisons`` whether pipelines differ
    from the ``baseline`` by more than chance, ``stages`` where those lose documents whose stages were asked
    for, ``spreads`` what the order of equal scores leaves open, ``notes`` what makes the figures mean less
    than they seem to, ``stamp`` what they depend on; not ``complete``: Ctrl-C left pipelines out.
    """

    measured: Mapping[str, Measured]
    evaluations: Mapping[str, Evaluation]
    comparisons: Sequence[MeasureDifference]
    stages: Mapping[str, LossReport]
    baseline: str | None
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    qrels: Qrels = field(default_factory=dict)
    notes: tuple[Diagnostic, ...] = ()
    complete: bool = True
    stamp: Stamp | None = None
    ties: str = "id"

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Pipeline → measure → its mean over the judged queries, 0 to 1."""
        return {
            name: {str(measure): mean for measure, mean in one.means.items()}
            for name, one in self.evaluations.items()
        }

    def rows(self) -> list[JsonObject]:
        """A row a pipeline: the mean of each measure, and the times of those that were asked."""
        out = []
        for name, one in self.measured.items():
            row: JsonObject = {"pipeline": name}
            row |= {str(measure): round(mean, 4) for measure, mean in self.evaluations[name].means.items()}
            for percent in (50, 95) if one.seconds else ():
                row[f"p{percent} ms"] = round(percentile(one.seconds, percent) * 1000, 2)
            out.append(row)
        return out

    def query_rows(self) -> list[JsonObject]:
        """A row a pipeline and query: the value of each measure."""
        return query_rows(self.evaluations)

    def sections(self) -> list[Section]:
        """The figures for people: means, what ties leave open, differences, losses of stages, and what they
        were measured with."""
        title = "" if self.complete else " (incomplete)"
        first, *more = self._quality_sections()
        stamp = [] if self.stamp is None else [stamp_section(self.stamp)]
        return [replace(first, title=f"{first.title}{title}"), *more, *stamp]

    def _quality_sections(self) -> Iterator[Section]:
        several = len(self.measured) > 1
        measures = {str(measure) for measure in next(iter(self.evaluations.values())).measures}
        count = len(next(iter(self.evaluations.values())).queries)
        best = (*(("* the best",) if several else ()), *self._residual_notes())
        yield Section(f"Quality over {count} judged queries", marked(self.rows(), measures), best)
        rows = spread_rows(self.spreads)
        about = tie_notes({name: one.ranked for name, one in self.measured.items()}, self.ties)
        if rows or about:
            yield Section("What the order of equal scores leaves open", rows, tuple(about))
        if several:
            tests = (
                "p: of a paired randomization test, corrected for all of these tests (Holm);",
                "better, worse: it is below 0.05; queries: on how many it is better and worse",
            )
            yield Section(f"Against {self.baseline}", comparison_rows(self.comparisons), tests)
        nested = {name: report for name, report in self.stages.items() if len(report.stages) > 1}
        for name, report in (nested or self.stages).items():  # one stage can lose nothing to another
            kept = f"{report.kept:.1%} of the relevant documents reach the result"
            one = self.measured[name]
            said = (kept, *stage_tie_note(one.stage_cuts, len(one.ranked)))
            yield Section(f"Where {name} loses relevant documents", stage_rows(report), said)
            ranges = stage_ranges(one.traces or {})
            if ranges:
                hits = "hits: candidates with such a score, in all queries, that are among the first hits"
                yield Section(f"Which scores the hits of {name} come from", range_rows(ranges), (hits,))

    def residuals(self) -> dict[str, dict[str, float]]:
        """Pipeline → measure of RBP → the mean of its residual: how much judgements that lack could add."""
        out: dict[str, dict[str, float]] = {}
        for name, found in self.evaluations.items():
            run = {query: [hit.doc for hit in hits] for query, hits in self.measured[name].run.items()}
            out[name] = {
                str(measure): sum(
                    residual(measure, run.get(q, ()), self.qrels.get(q, {})) for q in found.queries
                )
                / len(found.queries)
                for measure in found.measures
                if measure.name == "RBP"
            }
        return out

    def _residual_notes(self) -> Iterator[str]:
        for name, residuals in self.residuals().items():
            for measure, more in residuals.items():
                mean = self.means[name][measure]
                most = f"{mean + more:.4f} with all that nobody judged (residual {more:.4f})"
                yield f"{name}: {measure} is {mean:.4f}, and at most {most}"

    def to_dict(self) -> JsonObject:
        """As JSON data. Keys are added in later versions, never renamed or removed.

        ``{"version": 1, "measures": [name], "baseline", "pipelines", "comparisons", "notes", "complete",
        "stamp"}``

        * ``pipelines``: ``[{"name", "file", "queries", "measures": {name: mean}, "per_query": {query: {name:
          value}}, "residuals": {name: mean}, "empty": [query], "skipped": {query: reason}, "ties", "times",
          "run", "stages"}]``; ``residuals`` are those of RBP; ``empty`` are queries that found nothing;
          ``ties`` is what `ties_dict` gives; ``times`` is ``{"calls", "mean_ms", "p50_ms", "p95_ms"}``, null
          for a run that was read; ``run`` is the run file that was written, or null; ``stages`` is null where
          nobody asked, else what `stages_dict` gives and ``"lost": {query: {document: stage}}``: the relevant
          documents that the result lacks, null where no stage found them; and ``"score_ranges"``: which of a
          stage's scores the first hits come from, as `StageRanges` has it.
        * ``comparisons``: see `comparison_dict`. ``notes``: see `Diagnostic.to_dict`.
        """
        measures = next(iter(self.evaluations.values())).measures
        return {
            "version": 1,
            "measures": [str(measure) for measure in measures],
            "baseline": self.baseline,
            "pipelines": [self._pipeline_dict(name) for name in self.measured],
            "comparisons": [comparison_dict(one) for one in self.comparisons],
            "notes": [one.to_dict() for one in self.notes],
            "complete": self.complete,
            "stamp": None if self.stamp is None else self.stamp.to_dict(),
        }

    def _pipeline_dict(self, name: str) -> JsonObject:
        one, found = self.measured[name], self.evaluations[name]
        values = {str(measure): of for measure, of in found.values.items()}
        stages = None
        if name in self.stages:
            stages = {**stages_dict(self.stages[name]), "lost": _lost_documents(one.traces or {}, self.qrels)}
            stages["score_ranges"] = [ranges.to_dict() for ranges in stage_ranges(one.traces or {})]
        return {
            "name": name,
            "file": one.file,
            "queries": len(found.queries),
            "measures": {str(measure): mean for measure, mean in found.means.items()},
            "per_query": {q: {measure: of[q] for measure, of in values.items()} for q in found.queries},
            "residuals": self.residuals()[name],
            "empty": list(found.missing),
            "skipped": one.skipped,
            "ties": ties_dict(self.spreads[name], one.ranked, one.ties, one.stage_cuts),
            "times": _call_times(one.seconds),
            "run": one.written,
            "stages": stages,
        }

    def warnings(self, *, partly: bool = False) -> list[Diagnostic]:
        """What makes the figures mean less than they seem to; ``partly``: not all queries were wanted."""
        first = next(iter(self.evaluations.values()))
        warnings = [one for one in first.warnings() if one.code == "unjudged-queries"]
        if first.unasked and not partly:
            text = "there are judgements of {} that were not asked"
            warnings.append(_ids_warning("unasked-queries", text, first.unasked, "query"))
        for name, found in self.evaluations.items():
            skipped = self.measured[name].skipped
            if skipped:
                reason = next(iter(skipped.values()))
                text = f"{name}: {{}} failed and so found nothing ({reason})"
                warnings.append(_ids_warning("skipped-queries", text, list(skipped), "query"))
            empty = [query for query in found.missing if query not in skipped]
            if empty:
                warnings.append(_ids_warning("empty-results", f"{name}: {{}} found nothing", empty, "query"))
            docs = dict.fromkeys(hit.doc for hits in self.measured[name].run.values() for hit in hits)
            warnings += [
                replace(one, message=f"{name}: {one.message}: {_first_ids([*docs])}")
                for one in found.warnings()
                if one.code == "no-judged-hits" and docs
            ]
        return warnings


def outcome_of(
    measured: Mapping[str, Measured],
    qrels: Qrels,
    measures: Sequence[Measure],
    asked: Sequence[str],
    baseline: str | None = None,
) -> Outcome:
    """The figures of pipelines that were all asked the same queries (``asked``: their ids).

    Raises `QQLExecutionError`: ``no-judged-queries``.
    """
    evaluations = {
        name: evaluate_run(
            {q: [hit.doc for hit in hits] for q, hits in one.run.items()}, qrels, measures, asked
        )
        for name, one in measured.items()
    }
    several = len(measured) > 1
    stages = {
        name: stage_report(one.traces, qrels) for name, one in measured.items() if one.traces is not None
    }
    return Outcome(
        measured,
        evaluations,
        compare_evaluations(evaluations, baseline) if several else (),
        stages,
        (baseline or next(iter(measured))) if several else None,
        {name: _spread_of(one, qrels, measures, asked) for name, one in measured.items()},
        qrels,
    )


def _spread_of(one: Measured, qrels: Qrels, measures: Sequence[Measure], asked: Sequence[str]) -> Spread:
    rankings = {query: ranked.ranking for query, ranked in one.ranked.items()}
    rankings |= {query: tied_run(hits) for query, hits in one.run.items() if query not in rankings}
    return spread(rankings, qrels, measures, asked)


def _call_times(seconds: Sequence[float]) -> JsonObject | None:
    if not seconds:
        return None
    return {
        "calls": len(seconds),
        "mean_ms": sum(seconds) / len(seconds) * 1000,
        "p50_ms": percentile(seconds, 50) * 1000,
        "p95_ms": percentile(seconds, 95) * 1000,
    }


def _lost_documents(
    found: Mapping[str, Mapping[str, StageTrace]], qrels: Qrels
) -> dict[str, dict[str, str | None]]:
    relevant = {query: [doc for doc, rel in qrels.get(query, {}).items() if rel > 0] for query in found}
    lost = {query: fates(trace, relevant[query]) for query, trace in found.items()}
    return {query: docs for query, docs in lost.items() if docs}


def _ids_warning(code: str, text: str, ids: Sequence[str], noun: str) -> Diagnostic:
    number = f"1 {noun}" if len(ids) == 1 else f"{len(ids)} {noun.removesuffix('y')}ies"
    return Diagnostic(code, f"{text.format(number)}: {_first_ids(ids)}", severity="warning")


def _first_ids(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_MOST_IDS]) + (", …" if len(ids) > _MOST_IDS else "")
