"""`qql eval`: how good pipelines are, and where they lose what is relevant."""

from __future__ import annotations

import contextlib
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qql import nodes
from qql.backends.base import Progress, Work
from qql.cli.commands.judgements import (
    absent_documents,
    check_ties,
    load_qrels,
    measures_of,
    points_of,
    sources_of,
)
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import pluralize
from qql.cli.commands.pipelines import (
    Call,
    as_usage,
    calls_of,
    limit_of,
    load_queries,
    locate_error,
    open_measured_session,
    pipeline_names,
    pipelines_of,
    require,
    stamp_of,
)
from qql.cli.commands.report import (
    Section,
    check_output,
    collected,
    distinct_warnings,
    show_report,
    stamp_section,
)
from qql.cli.render import Renderer
from qql.cli.usage import INTERRUPTED, UsageError
from qql.compiler.plan import QueryPlan
from qql.errors import Diagnostic, QQLConnectionError, QQLError, QQLTimeoutError, did_you_mean
from qql.evaluation.behind_limit import ranked
from qql.evaluation.documents import document_key
from qql.evaluation.files import Qrels, Query, Run, read_run, run_lines, write_run
from qql.evaluation.measures import Measure
from qql.evaluation.outcome import Measured, Outcome, outcome_of
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.report import comparison_rows, marked, query_rows, stage_rows
from qql.evaluation.stages import StageFound, traces
from qql.evaluation.tie_report import spread_rows, stage_tie_note, tie_notes
from qql.late import late_pattern
from qql.nodes import is_uuid
from qql.records import dataclass
from qql.result import Hit
from qql.session.files import reason

if TYPE_CHECKING:
    from qql.session.stamp import Stamp

__all__ = ["eval_"]

_HEAD = 4096  # bytes of a file that tell whether it is a run
_RUN_LINE = late_pattern(r"\S+\s+\S+\s+\S+\s+[0-9]+\s+[-+0-9.eEinfINF]+\s+\S+")


@dataclass(frozen=True, slots=True)
class _Judged:
    """The queries, which documents are relevant to them, and the measures of both."""

    queries: Sequence[Query]
    qrels: Qrels
    measures: Sequence[Measure]


def eval_(args: Arguments, console: Renderer) -> int:
    require(args, "queries", "qrels")
    measures, files = measures_of(args), pipeline_names(args["files"])
    baseline = _baseline_name(args, files)
    judged = _Judged(load_queries(args), load_qrels(args), measures)
    runs = {name: file for name, file in files.items() if _is_run(file)}
    scripts = {name: file for name, file in files.items() if name not in runs}
    _check_eval(args, scripts)
    _check_ties(args, runs)
    paths = _run_paths(args, scripts, judged)
    ties = args.get("ties", "doc")  # a run file knows no points' ids
    found = {
        name: Measured.of_run(name, file, _read_run_of(file, judged.queries), ties, judged.qrels)
        for name, file in runs.items()
    }
    warnings: list[Diagnostic] = []
    stamp = None
    if scripts:
        asked, stamp = _measure_pipelines(args, console, scripts, paths, judged, warnings)
        found |= asked
    measured = {name: found[name] for name in files if name in found}
    complete = len(measured) == len(files)
    baseline = baseline if baseline in measured else None
    outcome = outcome_of(measured, judged.qrels, measures, [query.id for query in judged.queries], baseline)
    warnings += outcome.warnings(partly="limit_queries" in args)
    data = outcome.to_dict(judged.qrels) | {"notes": [warning.to_dict() for warning in warnings]}
    data |= {"complete": complete, "stamp": None if stamp is None else stamp.to_dict()}
    rows = query_rows(outcome.evaluations) if "per_query" in args else outcome.rows()
    sections = [*_quality_sections(args, outcome), *([] if stamp is None else [stamp_section(stamp)])]
    show_report(args, console, sections, data, rows, complete=complete)
    console.warn(warnings)
    for one in measured.values():
        if one.written:
            console.note(f"wrote {one.written}")
    if not complete:
        console.note(f"interrupted: {len(measured)} of {pluralize(len(files), 'pipeline')} were measured")
        return INTERRUPTED
    return 0


def _measure_pipelines(
    args: Arguments,
    console: Renderer,
    scripts: Mapping[str, str],
    paths: Mapping[str, Path],
    judged: _Judged,
    warnings: list[Diagnostic],
) -> tuple[dict[str, Measured], Stamp]:
    """Asks all queries of each pipeline, and writes its run file where ``paths`` has one.

    Ctrl-C leaves out the pipelines that were not asked all of them.
    """

    def measure(name: str, pipeline: Pipeline) -> Measured:
        evaluator = _Evaluator(args, name, pipeline, judged.qrels, progress, warnings)
        found = evaluator.measure_all(calls[name])
        if name in paths:
            write_run(paths[name], evaluator.run_to_write(plans[name]), re.sub(r"\s+", "_", name))
            found.written = str(paths[name])
        return found

    with open_measured_session(args, console) as (session, progress):
        pipelines = pipelines_of(args, session, scripts)
        calls = {name: calls_of(args, one, judged.queries) for name, one in pipelines.items()}
        plans = {name: _first_plan(one, calls[name]) for name, one in pipelines.items()}
        warnings += _shallow_rankings(plans, judged.measures)
        if "doc_id" not in args:
            collections = dict.fromkeys(plan.collection for plan in plans.values() if plan is not None)
            warnings += absent_documents(session, collections, judged.queries, judged.qrels)
        stamp = stamp_of(pipelines, calls)
        done, _ = collected((name, measure(name, pipeline)) for name, pipeline in pipelines.items())
    return dict(done), stamp


# ------------------------------------------------------------------------------------------- arguments


def _baseline_name(args: Arguments, files: Mapping[str, str]) -> str | None:
    baseline = args.get("baseline")
    for name, file in files.items():
        if baseline in (name, file):
            return name
    if baseline is not None:
        hint = did_you_mean(baseline, files) or f"they are called {', '.join(files)}"
        raise UsageError.make("usage", f"--baseline names no pipeline: {baseline}", hint=hint)
    return None


def _check_eval(args: Arguments, scripts: Mapping[str, str]) -> None:
    if args.get("on_error", "stop") not in ("stop", "skip"):
        raise UsageError.make("usage", f"--on-error takes stop or skip, not {args['on_error']}")
    for name in ("setup", "stages", "run_dir", "doc_id", "on_error", "param"):
        if not scripts and name in args:
            raise UsageError.make("usage", f"{args.flag(name)} has no meaning for run files alone")
    if "run_dir" in args:
        try:
            Path(args["run_dir"]).mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as exc:
            message = f"cannot write into {args['run_dir']}: {reason(exc)}"
            raise UsageError.make("file-unwritable", message) from exc
    check_output(args)


def _check_ties(args: Arguments, runs: Mapping[str, str]) -> None:
    check_ties(args)
    if runs and args.get("ties") == "id":
        name = next(iter(runs))
        hint = "--ties doc orders equal scores by the documents' ids; without it, run files are ordered so"
        raise UsageError.make("usage", f"--ties id has no meaning for the run file {name}", hint=hint)


def _run_paths(args: Arguments, scripts: Mapping[str, str], judged: _Judged) -> dict[str, Path]:
    """The run files to write. Raises `UsageError` for what cannot be in one, before any query is sent."""
    if "run_dir" not in args:
        return {}
    documents = [doc for relevances in judged.qrels.values() for doc in relevances]
    for word in (*(query.id for query in judged.queries), *documents):
        if word.split() != [word]:
            message = f"--run-dir cannot be used: the id {word!r} has spaces, which separate a run's columns"
            raise UsageError.make("usage", message)
    stems = {name: re.sub(r"[^\w.-]+", "_", name) for name in scripts}
    for name, stem in stems.items():
        if list(stems.values()).count(stem) > 1:
            raise UsageError.make("usage", f"{name} and another pipeline would be written to {stem}.run")
    return {name: Path(args["run_dir"]) / f"{stem}.run" for name, stem in stems.items()}


def _is_run(file: str) -> bool:
    """Whether a file is a TREC run: by its name if that is a script's or gzipped, else by its first line."""
    if file == "-" or file.endswith(".qql") or not Path(file).is_file():  # a pipe can be read once only
        return False
    if file.endswith(".gz"):
        return True
    try:
        with Path(file).open("rb") as lines:
            first = next((line for line in lines.read(_HEAD).splitlines() if line.strip()), b"")
    except (OSError, ValueError) as exc:
        raise UsageError.make("file-unreadable", f"cannot read {file}: {reason(exc)}") from exc
    return _RUN_LINE.fullmatch(first.decode("utf-8-sig", "replace").strip()) is not None


def _read_run_of(file: str, queries: Sequence[Query]) -> Run:
    with as_usage():
        run = read_run(file)
    return {query.id: run[query.id] for query in queries if query.id in run}


# ------------------------------------------------------------------------------------------- measuring


class _Evaluator:
    """Runs all queries through one pipeline, and keeps what is needed to judge it."""

    def __init__(
        self,
        args: Arguments,
        name: str,
        pipeline: Pipeline,
        qrels: Qrels,
        progress: Progress,
        warnings: list[Diagnostic],
    ) -> None:
        self.args, self.name, self.pipeline, self.progress = args, name, pipeline, progress
        self.qrels, self.key = qrels, document_key(qrels, args.get("doc_id"))
        self.skips = args.get("on_error") == "skip"
        self.warnings = warnings
        self.found = Measured(name, pipeline.name, ties=args.get("ties", "id"))
        self.stages: dict[str, list[StageFound]] = {}
        self.result_warnings: list[Diagnostic] = []
        self.failures: list[QQLError] = []
        self.known: dict[int | str, str] = {}

    def measure_all(self, calls: Sequence[Call]) -> Measured:
        for done, call in enumerate(calls):
            self.progress(Work(self.name, "queries"), done, len(calls))
            try:
                self.measure(call)
            except QQLError as exc:
                lost = isinstance(exc, QQLConnectionError) and not isinstance(exc, QQLTimeoutError)
                if lost or not self.skips:  # without a connection the next query would fare no better
                    raise locate_error(exc, self.name, call, self.args) from exc
                self.found.run.pop(call.query.id, None)
                self.found.ranked.pop(call.query.id, None)
                self.found.skipped[call.query.id] = exc.message
                self.failures.append(locate_error(exc, self.name, call, self.args))
        self.progress(Work(self.name, "queries"), len(calls), len(calls))
        self.warnings += distinct_warnings(self.result_warnings)
        if self.stages:
            self.found.traces = traces(self.stages)
        if len(self.found.skipped) == len(calls):
            raise self.failures[0]
        return self.found

    def measure(self, call: Call) -> None:
        start = time.perf_counter()
        asked = self.pipeline.embedded(call.params)
        result = self.pipeline.answer(asked)
        self.found.seconds.append(time.perf_counter() - start)
        self.result_warnings += result.warnings
        query = call.query.id
        self.found.ranked[query] = one = ranked(self.pipeline, asked, result, self.key)
        self.found.run[query] = one.ranking.ordered(self.found.ties, self.qrels.get(query, {}))
        if "run_dir" in self.args:
            deque(run_lines({query: self.found.run[query]}), 0)  # says now what cannot be written later
        if "stages" in self.args:
            self.known |= {hit.id: self.key(hit) for hit in result.hits}
            docs = [scored.doc for scored in self.found.run[query]]
            self.stages[query] = self.stages_found(call, docs)

    def run_to_write(self, plan: QueryPlan | None) -> Run:
        """The rankings as they are written: ids that were made of names are those names again."""
        judged = {doc for docs in self.qrels.values() for doc in docs}
        docs = {hit.doc for hits in self.found.run.values() for hit in hits} - judged
        made = [doc for doc in sorted(docs) if is_uuid(doc)]
        if plan is None or "doc_id" in self.args or not made:
            return self.found.run
        names = sources_of(self.pipeline.session, plan.collection, made)
        return {
            query: [hit._replace(doc=names.get(hit.doc, hit.doc)) for hit in hits]
            for query, hits in self.found.run.items()
        }

    def stages_found(self, call: Call, docs: Sequence[str]) -> list[StageFound]:
        """What each stage found; a second stage stands above the root of the first."""
        analysis = self.pipeline.analyse(call.params)
        reranked = analysis.plan.second is not None
        lead = (0,) if reranked else ()
        ids = {one.id for stage in analysis.stages for one in stage.candidates}
        documents = self.documents_of(analysis.plan.collection, ids)
        out = []
        for stage in analysis.stages:
            if stage.cut is not None:
                self.found.stage_cuts.setdefault(stage.run.stage.label, []).append(call.query.id)
            own = list(dict.fromkeys(documents[one.id] for one in stage.candidates if one.id in documents))
            is_root = not stage.run.depth and not reranked
            places = [(*lead, *path) for path in stage.run.paths]
            out.append(StageFound(stage.label, stage.run.stage.label, places, docs if is_root else own))
        if reranked or not out:
            label = "rerank" if reranked else "root"
            out.append(StageFound(label, label, [()], docs))
        return out

    def documents_of(self, collection: str, ids: Iterable[int | str]) -> dict[int | str, str]:
        """The documents of candidates, which come without payload."""
        field = self.args.get("doc_id")
        if field is None:
            return {one: self.key(Hit(one)) for one in ids}
        unknown = [one for one in ids if one not in self.known]
        fields = [field.partition(".")[0], field]
        for point in points_of(self.pipeline.session, collection, unknown, fields):
            hit = Hit(point["id"], payload=point.get("payload") or {})
            self.known[hit.id] = self.key(hit)
        return self.known


def _first_plan(pipeline: Pipeline, calls: Sequence[Call]) -> QueryPlan | None:
    """The plan of the first query that has one; faults of others are reported when they run."""
    for call in calls:
        with contextlib.suppress(QQLError):
            return pipeline.compiled(call.params).plan
    return None


def _shallow_rankings(
    plans: Mapping[str, QueryPlan | None], measures: Sequence[Measure]
) -> Iterator[Diagnostic]:
    """A warning for each pipeline with fewer hits than a measure looks at."""
    deepest = max(measures, key=lambda measure: measure.cutoff or 0)
    for name, plan in plans.items():
        if plan is None or plan.group is not None or isinstance(plan.root.target, nodes.Points):
            continue
        hits = limit_of(plan)
        if hits < (deepest.cutoff or 0):
            message = f"{name}: {deepest} sees {pluralize(hits, 'hit')}, for that is its LIMIT"
            yield Diagnostic("short-ranking", message, severity="warning")


# ------------------------------------------------------------------------------------------- report


def _quality_sections(args: Arguments, outcome: Outcome) -> Iterator[Section]:
    several = len(outcome.measured) > 1
    evaluations = outcome.evaluations
    measures = {str(measure) for measure in next(iter(evaluations.values())).measures}
    count = len(next(iter(evaluations.values())).queries)
    notes = ("* the best",) if several else ()
    yield Section(f"Quality over {count} judged queries", marked(outcome.rows(), measures), notes)
    rows = spread_rows(outcome.spreads)
    about = tie_notes({name: one.ranked for name, one in outcome.measured.items()}, args.get("ties", "id"))
    if rows or about:
        yield Section("What the order of equal scores leaves open", rows, tuple(about))
    if several:
        tests = (
            "p: of a paired randomization test, corrected for all of these tests (Holm);",
            "better, worse: it is below 0.05; queries: on how many it is better and worse",
        )
        yield Section(f"Against {outcome.baseline}", comparison_rows(outcome.comparisons), tests)
    nested = {name: report for name, report in outcome.stages.items() if len(report.stages) > 1}
    for name, report in (nested or outcome.stages).items():  # one stage can lose nothing to another
        kept = f"{report.kept:.1%} of the relevant documents reach the result"
        one = outcome.measured[name]
        said = (kept, *stage_tie_note(one.stage_cuts, len(one.ranked)))
        yield Section(f"Where {name} loses relevant documents", stage_rows(report), said)
    if "per_query" in args:
        yield Section("Each query", query_rows(evaluations))
