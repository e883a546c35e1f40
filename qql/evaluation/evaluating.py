"""How good pipelines are: `evaluate`, from queries and judgements to an `Outcome`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial as bound
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qql import nodes
from qql.compiler.plan import QueryPlan
from qql.errors import Diagnostic, did_you_mean, many
from qql.evaluation.calls import calls_of, check_pipelines, first_plan, limit_of, stamp_of
from qql.evaluation.evaluator import Asking, Evaluator
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params
from qql.evaluation.files import Qrels, Query, write_run
from qql.evaluation.inputs import (
    Given,
    Pipelines,
    QrelsLike,
    QueriesLike,
    baseline_of,
    measures_of,
    named_pipelines,
    qrels_of,
    queries_of,
)
from qql.evaluation.measures import DEFAULT_MEASURES, Measure, about_judgements, check_judgements
from qql.evaluation.outcome import Measured, Outcome, outcome_of
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.points import absent_documents
from qql.evaluation.sections import collected
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.evaluation.ties import TIE_ORDERS
from qql.flows import aside
from qql.records import dataclass, replace
from qql.rest.types import Body
from qql.session.files import reason

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.session.stamp import Stamp

__all__ = ["check_ties", "evaluate", "shallow_rankings"]


def evaluate(
    pipelines: Pipelines,
    queries: QueriesLike,
    qrels: QrelsLike,
    db: object = None,
    *,
    params: Body | None = None,
    measures: str | Measure | Iterable[str | Measure] = DEFAULT_MEASURES,
    baseline: str | None = None,
    ties: str | None = None,
    doc_id: str | None = None,
    stages: bool = False,
    on_error: str = "stop",
    limit: int | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    partial: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Outcome:
    """How good pipelines are on queries with judgements, and whether they differ by more than chance.

    >>> found = evaluate({"words": "QUERY :query FROM docs USING sparse LIMIT 10"}, queries, qrels, db)
    >>> print(found)

    Args:
        pipelines: one or several (`Pipelines`): texts, trees, `Path`s of scripts, or rankings that are there
            already. A pipeline is one QUERY; the text of a query is its parameter ``:query``, and each other
            field of the query's row the parameter of its name.
        queries: see `QueriesLike`. qrels: see `QrelsLike`; relevance is a number, 0 and below is judged
            and not relevant.
        db: a `Session`, or what `qql.connect` takes, which is opened with ``options`` and closed again; None
            where all that is measured are rankings. Of ``options``, ``embedders`` (name → function: list of
            texts → a vector each), ``rerankers`` (name → function: query, list of texts → a score each) and
            ``rerank_model`` can be given beside a session, too: ``MODEL 'name'`` in a pipeline takes them.
        params: values for parameters that are the same for each query.
        measures: names as ir-measures has them (see `qql.evaluation.measures`, which names the sources).
        baseline: the pipeline that the others are compared with; the first one without it.
        ties: the order of equal scores: ``id`` (of the point), ``doc``, ``best``, ``worst``
            (`qql.evaluation.ties`). Else ``id``, and ``doc`` for rankings.
        doc_id: the field of the payload with the id of the judged document; else points are known by their
            ids, and by ``UUID(id)``.
        stages: whether to look where pipelines lose relevant documents, which asks each stage once more.
        on_error: ``stop``, or ``skip``: a query that fails counts as one that found nothing.
        limit: how many queries are asked at most.
        run_dir: a directory for a TREC run file of each pipeline.
        partial: whether Ctrl-C ends with the pipelines that were measured (`Outcome.complete` is False then).
        progress: called with what is being done, how much is done, and how much there is.

    Returns:
        An `Outcome`: `str` and notebooks show tables, ``to_dict()`` has every figure, ``to_pandas()`` the
        means. Measures are 0 to 1, times milliseconds.

    Raises:
        InputError: what was given is at fault; nothing was asked.
        QQLCompileError: a script is no pipeline, or is at fault.
        QQLExecutionError: a query failed (``on_error='stop'``, or all of them did), ``absent-documents``
            where the collection has no judged document, ``no-judged-queries``.
        QQLConnectionError, QQLModelError: as `Session.execute`.
    """
    check_kinds(locals())
    given = named_pipelines(pipelines)
    baseline = baseline_of({name: one.file for name, one in given.items()}, baseline)
    if on_error not in ("stop", "skip"):
        message = f"{argument('on_error')} takes stop or skip, not {on_error}"
        raise InputError.make("usage", message)
    wanted = measures_of(measures)
    asked = queries_of(queries, limit)
    judged = qrels_of(qrels, asked)
    check_judgements(wanted, judged)
    check_ties(ties, [name for name, one in given.items() if one.run is not None])
    subject = _Subject(asked, judged, wanted, fixed_params(params))
    paths = _run_paths(run_dir, given, subject)
    how = Asking(ties or "id", doc_id, stages, on_error == "skip", run_dir is not None, progress_of(progress))
    runs = {
        name: Measured.of_run(name, one.file, _asked_of(one, asked), ties or "doc", judged)
        for name, one in given.items()
        if one.run is not None
    }
    notes: list[Diagnostic] = []
    found, stamp = dict(runs), None
    with measured_session(db, options) as session:
        scripts = pipelines_on(session, given)
        if scripts:
            new, stamp = _measure(scripts, subject, how, paths, notes, partial)
            found |= new
    measured = {name: found[name] for name in given if name in found}
    if baseline not in measured:
        baseline = None
    figures = bound(outcome_of, measured, judged, wanted, [query.id for query in asked], baseline)
    outcome = aside(figures)
    notes += [*outcome.warnings(partly=limit is not None), *about_judgements(wanted, judged)]
    complete = len(measured) == len(given)
    return replace(outcome, notes=tuple(notes), complete=complete, stamp=stamp, ties=ties or "id")


@dataclass(frozen=True, slots=True)
class _Subject:
    """The queries, which documents are relevant to them, the measures of both, and constant parameters."""

    queries: Sequence[Query]
    qrels: Qrels
    measures: Sequence[Measure]
    params: Body


def _measure(
    pipelines: Mapping[str, Pipeline],
    subject: _Subject,
    how: Asking,
    paths: Mapping[str, Path],
    notes: list[Diagnostic],
    partial: bool,
) -> tuple[dict[str, Measured], Stamp]:
    """Asks all queries of each pipeline, and writes its run file where ``paths`` has one."""

    def measure(name: str, pipeline: Pipeline) -> Measured:
        evaluator = Evaluator(name, pipeline, subject.qrels, how, notes)
        found = evaluator.measure_all(calls[name])
        if name in paths:
            write_run(paths[name], evaluator.run_to_write(plans[name]), re.sub(r"\s+", "_", name))
            found.written = str(paths[name])
        return found

    check_pipelines([*pipelines.values()], subject.params)
    calls = {name: calls_of(one, subject.queries, subject.params) for name, one in pipelines.items()}
    plans = {name: first_plan(one, calls[name]) for name, one in pipelines.items()}
    notes += shallow_rankings(plans, subject.measures)
    if how.doc_id is None:
        collections = {
            plan.collection: pipelines[name].session for name, plan in plans.items() if plan is not None
        }
        for collection, session in collections.items():
            notes += absent_documents(session, [collection], subject.queries, subject.qrels)
    stamp = stamp_of(pipelines, calls)
    done, _ = collected(
        ((name, measure(name, pipeline)) for name, pipeline in pipelines.items()), partial=partial
    )
    return dict(done), stamp


def check_ties(ties: str | None, runs: Sequence[str] = ()) -> None:
    """Raises `InputError` where ``ties`` is no order, or none that a run can have."""
    if ties is not None and ties not in TIE_ORDERS:
        message = f"{argument('ties')} takes {', '.join(TIE_ORDERS)}, not {ties}"
        raise InputError.make("usage", message, hint=did_you_mean(ties, TIE_ORDERS))
    if runs and ties == "id":
        hint = f"{argument('ties', 'doc')} orders equal scores by the documents' ids; without it, runs are so"
        message = f"{argument('ties', 'id')} has no meaning for the run file {runs[0]}"
        raise InputError.make("usage", message, hint=hint)


def _asked_of(one: Given, queries: Sequence[Query]) -> dict[str, list[Any]]:
    run = one.run or {}
    return {query.id: run[query.id] for query in queries if query.id in run}


def _run_paths(
    run_dir: str | os.PathLike[str] | None, given: Mapping[str, Given], subject: _Subject
) -> dict[str, Path]:
    """The run files to write. Raises `InputError` for what cannot be in one, before any query is sent."""
    if run_dir is None:
        return {}
    documents = [doc for relevances in subject.qrels.values() for doc in relevances]
    for word in (*(query.id for query in subject.queries), *documents):
        if word.split() != [word]:
            why = f"the id {word!r} has spaces, which separate a run's columns"
            raise InputError.make("usage", f"{argument('run_dir')} cannot be used: {why}")
    stems = {name: re.sub(r"[^\w.-]+", "_", name) for name, one in given.items() if one.run is None}
    for name, stem in stems.items():
        if list(stems.values()).count(stem) > 1:
            raise InputError.make("usage", f"{name} and another pipeline would be written to {stem}.run")
    try:
        Path(run_dir).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as exc:
        message = f"cannot write into {os.fspath(run_dir)}: {reason(exc)}"
        raise InputError.make("file-unwritable", message) from exc
    return {name: Path(run_dir) / f"{stem}.run" for name, stem in stems.items()}


def shallow_rankings(
    plans: Mapping[str, QueryPlan | None], measures: Sequence[Measure]
) -> Iterator[Diagnostic]:
    """A warning for each pipeline with fewer hits than a measure looks at."""
    deepest = max(measures, key=lambda measure: measure.cutoff or 0)
    for name, plan in plans.items():
        if plan is None or plan.group is not None or isinstance(plan.root.target, nodes.Points):
            continue
        hits = limit_of(plan)
        if hits < (deepest.cutoff or 0):
            message = f"{name}: {deepest} sees {many(hits, 'hit')}, for that is its LIMIT"
            yield Diagnostic("short-ranking", message, severity="warning")
