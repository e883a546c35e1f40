"""`qql eval`: how good pipelines are, and where they lose what is relevant."""

from __future__ import annotations

import contextlib
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qql import nodes
from qql.backends.base import Progress
from qql.cli.commands.inputs import counted
from qql.cli.commands.judged_documents import absent, points_of, sources_of
from qql.cli.commands.measure_common import (
    Question,
    Section,
    as_usage,
    check_output,
    located,
    named,
    needed,
    opened_session,
    pipelines_of,
    questions_of,
    read_questions,
    said_once,
    show,
)
from qql.cli.commands.options import Given
from qql.cli.render import Renderer
from qql.cli.repl import UsageError, decode_script, reason
from qql.compiler.plan import QueryPlan
from qql.errors import Diagnostic, QQLConnectionError, QQLError, did_you_mean
from qql.evaluation.documents import document_key, ranking
from qql.evaluation.files import Qrels, Query, Run, read_qrels, read_run, run_lines, write_run
from qql.evaluation.measures import DEFAULT_MEASURES, Measure, parse_measures
from qql.evaluation.outcome import Measured, Outcome, outcome_of
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.report import comparison_rows, marked, query_rows, stage_rows
from qql.evaluation.stages import StageFound, traces
from qql.nodes import is_uuid
from qql.rest.limits import DEFAULT_LIMIT
from qql.result import Hit

__all__ = ["eval_", "judgements_of", "measures_of"]

_RUN_LINE = re.compile(r"\S+\s+\S+\s+\S+\s+[0-9]+\s+[-+0-9.eEinfINF]+\s+\S+")


def eval_(given: Given, console: Renderer) -> int:
    needed(given, "queries", "qrels")
    measures, files = measures_of(given), named(given["files"])
    baseline = _baseline(given, files)
    queries, qrels = read_questions(given), judgements_of(given)
    runs = {name: file for name, file in files.items() if _is_run(file)}
    scripts = {name: file for name, file in files.items() if name not in runs}
    _check(given, scripts)
    paths = _run_files(given, scripts, queries, qrels)
    found = {name: Measured(name, file, _read(file, queries)) for name, file in runs.items()}
    warnings: list[Diagnostic] = []
    if scripts:
        with opened_session(given, console) as (session, progress):
            pipelines = pipelines_of(given, session, scripts)
            asked = {name: questions_of(given, one, queries) for name, one in pipelines.items()}
            plans = {name: _plan(one, asked[name]) for name, one in pipelines.items()}
            warnings += _short(plans, measures)
            if "doc_id" not in given:
                collections = dict.fromkeys(plan.collection for plan in plans.values() if plan is not None)
                warnings += absent(session, collections, queries, qrels)
            for name, pipeline in pipelines.items():
                asking = _Asking(given, name, pipeline, qrels, progress, warnings)
                found[name] = asking.all(asked[name])
                if name in paths:
                    write_run(paths[name], asking.run(plans[name]), re.sub(r"\s+", "_", name))
                    found[name].written = str(paths[name])
    measured = {name: found[name] for name in files}
    outcome = outcome_of(measured, qrels, measures, [query.id for query in queries], baseline)
    warnings += outcome.warnings(partly="limit_queries" in given)
    data = outcome.to_dict(qrels) | {"notes": [warning.to_dict() for warning in warnings]}
    rows = query_rows(outcome.evaluations) if "per_query" in given else outcome.rows()
    show(given, console, list(_sections(given, outcome)), data, rows)
    console.warn(warnings)
    for one in measured.values():
        if one.written:
            console.note(f"wrote {one.written}")
    return 0


# ------------------------------------------------------------------------------------------- what is given


def measures_of(given: Given) -> tuple[Measure, ...]:
    """The measures of ``--measures``, which are separated by spaces or commas outside of parentheses."""
    wanted = given.get("measures", DEFAULT_MEASURES)
    texts = [name for text in wanted for name in re.findall(r"(?:\([^)]*\)|[^\s,(])+", text)]
    if not texts:
        raise UsageError.make("usage", f"{given.flag('measures')} requires a value, found an empty one")
    with as_usage():
        return parse_measures(texts)


def judgements_of(given: Given) -> Qrels:
    """The judgements of ``--qrels``."""
    with as_usage():
        return read_qrels(given["qrels"])


def _baseline(given: Given, files: Mapping[str, str]) -> str | None:
    wanted = given.get("baseline")
    for name, file in files.items():
        if wanted in (name, file):
            return name
    if wanted is not None:
        hint = did_you_mean(wanted, files) or f"they are called {', '.join(files)}"
        raise UsageError.make("usage", f"--baseline names no pipeline: {wanted}", hint=hint)
    return None


def _check(given: Given, scripts: Mapping[str, str]) -> None:
    if given.get("on_error", "stop") not in ("stop", "skip"):
        raise UsageError.make("usage", f"--on-error takes stop or skip, not {given['on_error']}")
    for name in ("setup", "stages", "run_dir", "doc_id", "on_error", "param"):
        if not scripts and name in given:
            raise UsageError.make("usage", f"{given.flag(name)} has no meaning for run files alone")
    if "run_dir" in given:
        try:
            Path(given["run_dir"]).mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as exc:
            message = f"cannot write into {given['run_dir']}: {reason(exc)}"
            raise UsageError.make("file-unwritable", message) from exc
    check_output(given)


def _run_files(
    given: Given, scripts: Mapping[str, str], queries: Sequence[Query], qrels: Qrels
) -> dict[str, Path]:
    """The run files to be written. What cannot be in one is said before anything is asked."""
    if "run_dir" not in given:
        return {}
    for word in (*(query.id for query in queries), *(doc for judged in qrels.values() for doc in judged)):
        if word.split() != [word]:
            message = f"--run-dir cannot be used: the id {word!r} has spaces, which separate a run's columns"
            raise UsageError.make("usage", message)
    stems = {name: re.sub(r"[^\w.-]+", "_", name) for name in scripts}
    for name, stem in stems.items():
        if list(stems.values()).count(stem) > 1:
            raise UsageError.make("usage", f"{name} and another pipeline would be written to {stem}.run")
    return {name: Path(given["run_dir"]) / f"{stem}.run" for name, stem in stems.items()}


def _is_run(file: str) -> bool:
    """Whether a file is a TREC run: by its name if that is a script's or gzipped, else by its first line."""
    if file == "-" or file.endswith(".qql"):
        return False
    if file.endswith(".gz"):
        return True
    try:
        with Path(file).open("rb") as lines:
            first = next((line for line in lines if line.strip()), b"")[:1000]
    except (OSError, ValueError) as exc:
        raise UsageError.make("file-unreadable", f"cannot read {file}: {reason(exc)}") from exc
    return _RUN_LINE.fullmatch(decode_script(first, file).strip()) is not None


def _read(file: str, queries: Sequence[Query]) -> dict[str, Any]:
    with as_usage():
        run = read_run(file)
    return {query.id: run[query.id] for query in queries if query.id in run}


# ------------------------------------------------------------------------------------------- asking


class _Asking:
    """One pipeline, asked all queries."""

    def __init__(
        self,
        given: Given,
        name: str,
        pipeline: Pipeline,
        qrels: Qrels,
        progress: Progress,
        warnings: list[Diagnostic],
    ) -> None:
        self.given, self.name, self.pipeline, self.progress = given, name, pipeline, progress
        self.qrels, self.key = qrels, document_key(qrels, given.get("doc_id"))
        self.skips = given.get("on_error") == "skip"
        self.warnings = warnings
        self.found = Measured(name, pipeline.name)
        self.stages: dict[str, list[StageFound]] = {}
        self.said: list[Diagnostic] = []
        self.failures: list[QQLError] = []
        self.known: dict[int | str, str] = {}

    def all(self, questions: Sequence[Question]) -> Measured:
        for done, question in enumerate(questions):
            self.progress(self.name, done, len(questions))
            try:
                self.one(question)
            except QQLConnectionError as exc:  # the next query would fare no better
                raise located(exc, self.name, question, self.given) from exc
            except QQLError as exc:
                if not self.skips:
                    raise located(exc, self.name, question, self.given) from exc
                self.found.run.pop(question.query.id, None)
                self.found.skipped[question.query.id] = exc.message
                self.failures.append(located(exc, self.name, question, self.given))
        self.progress(self.name, len(questions), len(questions))
        self.warnings += said_once(self.said)
        if self.stages:
            self.found.traces = traces(self.stages)
        if len(self.found.skipped) == len(questions):
            raise self.failures[0]
        return self.found

    def one(self, question: Question) -> None:
        start = time.perf_counter()
        result = self.pipeline.ask(question.params)
        self.found.seconds.append(time.perf_counter() - start)
        self.said += result.warnings
        query = question.query.id
        self.found.run[query] = ranking(result, self.key)
        if "run_dir" in self.given:
            deque(run_lines({query: self.found.run[query]}), 0)  # says now what cannot be written later
        if "stages" in self.given:
            self.known |= {hit.id: self.key(hit) for hit in result.hits}
            docs = [scored.doc for scored in self.found.run[query]]
            self.stages[query] = self.looked_at(question, docs)

    def run(self, plan: QueryPlan | None) -> Run:
        """The rankings as they are written: ids that were made of names are those names again."""
        judged = {doc for docs in self.qrels.values() for doc in docs}
        docs = {hit.doc for hits in self.found.run.values() for hit in hits} - judged
        made = [doc for doc in sorted(docs) if is_uuid(doc)]
        if plan is None or "doc_id" in self.given or not made:
            return self.found.run
        names = sources_of(self.pipeline.session, plan.collection, made)
        return {
            query: [hit._replace(doc=names.get(hit.doc, hit.doc)) for hit in hits]
            for query, hits in self.found.run.items()
        }

    def looked_at(self, question: Question, docs: Sequence[str]) -> list[StageFound]:
        """What each stage found; a second stage stands above the root of the first."""
        analysis = self.pipeline.analyse(question.params)
        reranked = analysis.plan.second is not None
        lead = (0,) if reranked else ()
        ids = {one.id for stage in analysis.stages for one in stage.candidates}
        documents = self.documents(analysis.plan.collection, ids)
        out = []
        for stage in analysis.stages:
            own = list(dict.fromkeys(documents[one.id] for one in stage.candidates if one.id in documents))
            is_root = not stage.run.depth and not reranked
            places = [(*lead, *path) for path in stage.run.paths]
            out.append(StageFound(stage.label, stage.run.stage.label, places, docs if is_root else own))
        if reranked or not out:
            label = "rerank" if reranked else "root"
            out.append(StageFound(label, label, [()], docs))
        return out

    def documents(self, collection: str, ids: Iterable[int | str]) -> dict[int | str, str]:
        """The documents of candidates, which come without payload."""
        field = self.given.get("doc_id")
        if field is None:
            return {one: self.key(Hit(one)) for one in ids}
        unknown = [one for one in ids if one not in self.known]
        fields = [field.partition(".")[0], field]
        for point in points_of(self.pipeline.session, collection, unknown, fields):
            hit = Hit(point["id"], payload=point.get("payload") or {})
            self.known[hit.id] = self.key(hit)
        return self.known


def _plan(pipeline: Pipeline, questions: Sequence[Question]) -> QueryPlan | None:
    """The plan of the first query that has one; what is wrong with others is said when they are asked."""
    for question in questions:
        with contextlib.suppress(QQLError):
            return pipeline.compiled(question.params).plan
    return None


def _short(plans: Mapping[str, QueryPlan | None], measures: Sequence[Measure]) -> Iterator[Diagnostic]:
    """What is to be said of measures that look further down than a pipeline's hits go."""
    deepest = max(measures, key=lambda measure: measure.cutoff or 0)
    for name, plan in plans.items():
        if plan is None or plan.group is not None or isinstance(plan.root.target, nodes.Points):
            continue
        hits = (plan.second.top if plan.second is not None else None) or plan.root.limit or DEFAULT_LIMIT
        if hits < (deepest.cutoff or 0):
            message = f"{name}: {deepest} sees {counted(hits, 'hit')}, for that is its LIMIT"
            yield Diagnostic("short-ranking", message, severity="warning")


# ------------------------------------------------------------------------------------------- showing


def _sections(given: Given, outcome: Outcome) -> Iterator[Section]:
    several = len(outcome.measured) > 1
    evaluations = outcome.evaluations
    measures = {str(measure) for measure in next(iter(evaluations.values())).measures}
    count = len(next(iter(evaluations.values())).queries)
    notes = ("* the best",) if several else ()
    yield Section(f"Quality over {count} judged queries", marked(outcome.rows(), measures), notes)
    if several:
        tests = (
            "p: of a paired randomization test, corrected for all of these tests (Holm);",
            "better, worse: it is below 0.05; queries: on how many it is better and worse",
        )
        yield Section(f"Against {outcome.baseline}", comparison_rows(outcome.comparisons), tests)
    nested = {name: report for name, report in outcome.stages.items() if len(report.stages) > 1}
    for name, report in (nested or outcome.stages).items():  # one stage can lose nothing to another
        kept = f"{report.kept:.1%} of the relevant documents reach the result"
        yield Section(f"Where {name} loses relevant documents", stage_rows(report), (kept,))
    if "per_query" in given:
        yield Section("Each query", query_rows(evaluations))
