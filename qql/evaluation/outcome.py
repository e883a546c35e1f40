"""What came out of an evaluation of several pipelines: for people as tables, for programs as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qql.errors import Diagnostic
from qql.evaluation.behind_limit import Ranked
from qql.evaluation.files import Qrels, Run
from qql.evaluation.measures import Evaluation, Measure, evaluate
from qql.evaluation.report import comparison_dict, stages_dict
from qql.evaluation.significance import MeasureDifference, compare
from qql.evaluation.speed import percentile
from qql.evaluation.stages import LossReport, StageTrace, fates, stage_report
from qql.evaluation.tie_report import ties_dict
from qql.evaluation.ties import Spread, spread, tied_run
from qql.records import dataclass, field, replace
from qql.rest.types import JsonObject

__all__ = ["Measured", "Outcome", "outcome_of"]

_MOST_IDS = 5  # ids that a message names


@dataclass(slots=True)
class Measured:
    """What one pipeline gave: rankings, the seconds of each call, and why queries failed that did.

    ``run`` has equal scores in the order ``ties`` (see `TIE_ORDERS`), ``ranked`` what is equal, and what the
    LIMIT did. ``traces`` are there where its stages were asked for, and ``stage_cuts``: for which queries a
    stage's LIMIT cut a tie. ``file`` is that of the pipeline, or of a run which was read; ``written`` the run
    file that was made.
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

    @classmethod
    def of_run(cls, name: str, file: str, run: Run, ties: str, qrels: Qrels) -> Measured:
        """Of a run that was read, whose equals are put in the order ``ties``."""
        ranked = {query: Ranked(tied_run(hits)) for query, hits in run.items()}
        ordered = {query: one.ranking.ordered(ties, qrels.get(query, {})) for query, one in ranked.items()}
        return cls(name, file, ordered, ranked, ties)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of each pipeline by its name; ``stages`` has those whose stages were asked for.

    ``spreads``: what the order of equal scores leaves open of the figures.
    """

    measured: Mapping[str, Measured]
    evaluations: Mapping[str, Evaluation]
    comparisons: Sequence[MeasureDifference]
    stages: Mapping[str, LossReport]
    baseline: str | None
    spreads: Mapping[str, Spread] = field(default_factory=dict)

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

    def to_dict(self, qrels: Qrels) -> JsonObject:
        """As JSON data. Keys are added in later versions, never renamed or removed.

        ``{"version": 1, "measures": [name], "baseline", "pipelines", "comparisons"}``

        * ``pipelines``: ``[{"name", "file", "queries", "measures": {name: mean}, "per_query": {query: {name:
          value}}, "empty": [query], "skipped": {query: reason}, "ties", "times", "run", "stages"}]``;
          ``empty`` are queries that found nothing; ``ties`` is what `ties_dict` gives; ``times`` is
          ``{"calls", "mean_ms", "p50_ms", "p95_ms"}``, null for a run that was read; ``run`` is the run file
          that was written, or null; ``stages`` is null where nobody asked, else what `stages_dict` gives and
          ``"lost": {query: {document: stage}}``: the relevant documents that the result lacks, null where no
          stage found them.
        * ``comparisons``: see `comparison_dict`.
        """
        measures = next(iter(self.evaluations.values())).measures
        return {
            "version": 1,
            "measures": [str(measure) for measure in measures],
            "baseline": self.baseline,
            "pipelines": [self._pipeline_dict(name, qrels) for name in self.measured],
            "comparisons": [comparison_dict(one) for one in self.comparisons],
        }

    def _pipeline_dict(self, name: str, qrels: Qrels) -> JsonObject:
        one, found = self.measured[name], self.evaluations[name]
        values = {str(measure): of for measure, of in found.values.items()}
        stages = None
        if name in self.stages:
            stages = {**stages_dict(self.stages[name]), "lost": _lost_documents(one.traces or {}, qrels)}
        return {
            "name": name,
            "file": one.file,
            "queries": len(found.queries),
            "measures": {str(measure): mean for measure, mean in found.means.items()},
            "per_query": {q: {measure: of[q] for measure, of in values.items()} for q in found.queries},
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
        name: evaluate({q: [hit.doc for hit in hits] for q, hits in one.run.items()}, qrels, measures, asked)
        for name, one in measured.items()
    }
    several = len(measured) > 1
    stages = {
        name: stage_report(one.traces, qrels) for name, one in measured.items() if one.traces is not None
    }
    return Outcome(
        measured,
        evaluations,
        compare(evaluations, baseline) if several else (),
        stages,
        (baseline or next(iter(measured))) if several else None,
        {name: _spread_of(one, qrels, measures, asked) for name, one in measured.items()},
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
