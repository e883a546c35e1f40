"""Which settings of a pipeline are worth having: `tune`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql.errors import Diagnostic, shown
from qql.evaluation.calls import check_pipelines
from qql.evaluation.evaluating import check_ties
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params, number_in, whole_from
from qql.evaluation.files import Qrels, Query
from qql.evaluation.inputs import (
    PipelineLike,
    QrelsLike,
    QueriesLike,
    measures_of,
    named_pipelines,
    qrels_of,
    queries_of,
)
from qql.evaluation.measures import DEFAULT_MEASURES, Measure, about_judgements, check_judgements
from qql.evaluation.points import absent_documents
from qql.evaluation.sections import collected
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.evaluation.trials import PERCENTILES, Experiment, Trial
from qql.evaluation.tuned import Tuned
from qql.evaluation.tuning import Standing, standings
from qql.evaluation.variants import Trying, Tunable
from qql.flows import aside
from qql.late import overload
from qql.rest.types import Body, Json

if TYPE_CHECKING:
    import os
    from typing import Literal

    from qql.backends.base import Progress
    from qql.evaluation.recorded_tuning.report import RecordedTuned
    from qql.evaluation.recording.recordings import Recording

__all__ = ["check_latency", "tune"]


@overload
def tune(
    pipeline: PipelineLike,
    queries: QueriesLike,
    qrels: QrelsLike,
    db: object = None,
    *,
    recording: Recording | str | os.PathLike[str],
    **settings: Any,
) -> RecordedTuned: ...
@overload
def tune(
    pipeline: PipelineLike,
    queries: QueriesLike,
    qrels: QrelsLike,
    db: object = None,
    *,
    folds: int,
    **settings: Any,
) -> RecordedTuned: ...
@overload
def tune(
    pipeline: PipelineLike,
    queries: QueriesLike,
    qrels: QrelsLike,
    db: object = None,
    *,
    search: Literal["optuna"],
    **settings: Any,
) -> RecordedTuned: ...
@overload
def tune(
    pipeline: PipelineLike,
    queries: QueriesLike,
    qrels: QrelsLike,
    db: object = None,
    *,
    grid: Mapping[str, Sequence[Json]] | None = None,
    params: Body | None = None,
    measures: str | Measure | Iterable[str | Measure] = DEFAULT_MEASURES,
    latency: str = "p50",
    ties: str | None = None,
    doc_id: str | None = None,
    repeat: int | None = None,
    sample: int | None = None,
    max_settings: int | None = None,
    holdout: float | None = None,
    seed: int = 0,
    limit: int | None = None,
    partial: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Tuned: ...
def tune(
    pipeline: PipelineLike,
    queries: QueriesLike,
    qrels: QrelsLike,
    db: object = None,
    *,
    grid: Mapping[str, Sequence[Json]] | None = None,
    params: Body | None = None,
    measures: str | Measure | Iterable[str | Measure] = DEFAULT_MEASURES,
    latency: str = "p50",
    ties: str | None = None,
    doc_id: str | None = None,
    repeat: int | None = None,
    sample: int | None = None,
    max_settings: int | None = None,
    holdout: float | None = None,
    seed: int = 0,
    limit: int | None = None,
    partial: bool = False,
    progress: Progress | None = None,
    recording: Recording | str | os.PathLike[str] | None = None,
    search: str = "grid",
    folds: int | None = None,
    deep: int | None = None,
    **options: Any,
) -> Tuned | RecordedTuned:
    """Try settings of a pipeline, and find those worth having for their quality and time.

    >>> found = tune(text, queries, qrels, db, grid={"root.rrf_k": [2, 20, 60]}, measures="nDCG@10")
    >>> print(found.texts[-1])  # the best one

    With a ``recording``, ``folds`` or a ``search`` other than ``grid``, settings are not run but recomputed,
    in thousands, from what the stages gave once (`record`), and what is found is a `RecordedTuned`: a winner
    only beyond noise and ties, with its figure for queries that did not choose it, and what each change
    does. With a ``db``, the few on the front are run as well, and the difference is told.

    Else each query is asked of all settings in turn, and times differ only where a bootstrap over rounds and
    queries says so (`qql.evaluation.tuning` names its source): what is as good in the same time is equal.

    Args:
        pipeline, queries, qrels, db, params, ties, doc_id, limit, progress, options: as for `evaluate`.
        grid: name → values. A name is a parameter of the pipeline, or a setting of one of its stages, which
            are called as in EXPLAIN (``root.limit``, ``dense.hnsw_ef``); None as a value leaves a clause
            out. Without a grid, values are chosen that suit the pipeline and the collection.
        measures: the first one chooses.
        latency: ``p50`` or ``p95``, the percentile of the times of calls.
        repeat: rounds of times; else as many as make 60 calls of each setting, at least 3.
        sample: so many combinations of the grid, drawn by chance; else all, at most ``max_settings`` (200).
        holdout: the share of the queries, between 0 and 1, that is kept apart and does not choose.
        seed: of all that is drawn by chance.
        recording: of `record`, or its file. One that is not there is made of ``db``; without a name, for
            this call alone.
        search: ``grid``: all combinations (at most 10,000); ``optuna``: so many as ``sample`` (200), each
            drawn by what was good before. Requires the extra ``optuna``.
        folds: so many parts of the queries are measured with what the others have chosen; 5 on a recording.
        deep: how many points of each stage are asked for where a recording is made (1000).
        partial: whether Ctrl-C ends with what was tried (`Tuned.complete` is False then).

    Returns:
        A `Tuned`; its ``best`` are the settings that no other beats, ``texts`` their pipelines. Of a
        recording, a `RecordedTuned`.

    Raises:
        InputError: what was given is at fault: ``bad-grid``, ``bad-setting``, ``unknown-setting``, ``usage``;
            and what `evaluate` raises. Of a recording also ``other-recording``, ``needs-run``,
            ``idle-option``, ``bad-recording``.
        QQLExecutionError: ``missing-library`` without Optuna.
    """
    check_kinds(locals())
    given = named_pipelines(pipeline)
    if len(given) > 1 or next(iter(given.values())).run is not None:
        raise InputError.make("usage", "tune takes one pipeline; evaluate compares several")
    check_latency(latency)
    check_ties(ties)
    whole_from(1, repeat=repeat, sample=sample, max_settings=max_settings)
    whole_from(0, seed=seed)
    number_in(0, 1, holdout=holdout)
    wanted = measures_of(measures)
    axes = {name: _values_of(name, values) for name, values in (grid or {}).items()}
    asked = queries_of(queries, limit)
    judged = qrels_of(qrels, asked)
    check_judgements(wanted, judged)
    how = Trying(
        *(fixed_params(params), latency, ties or "id", doc_id, repeat, sample, max_settings, seed),
        progress_of(progress),
    )
    if recording is not None or folds is not None or search != "grid":
        from qql.evaluation.recorded_tuning.tuning import RecordedWork, tuned_by_recording

        whole_from(2, folds=folds)
        whole_from(1, deep=deep)
        ((name, one),) = given.items()
        text = one.text if one.pipeline is None else one.pipeline.text
        work = RecordedWork(
            *(text, name, asked, judged, axes, wanted, how, recording, search, folds, holdout, deep, partial)
        )
        with measured_session(db, options) as session:
            own = None if session is None else pipelines_on(session, given)[name]
            return tuned_by_recording(work, session, own)
    if deep is not None:
        message = f"{argument('deep')} is for a recording, and settings are run here"
        raise InputError.make("idle-option", message)
    chosen, kept = _split_queries(asked, judged, holdout, seed)
    notes: list[Diagnostic] = about_judgements(wanted, judged)
    with measured_session(db, options) as session:
        (subject,) = pipelines_on(session, given).values()
        check_pipelines([subject], how.params, axes)
        script = Tunable(subject, axes, asked, how)
        variants = script.variants()
        current = variants[0] if variants[0].place < 0 else None
        if doc_id is None:
            notes += absent_documents(subject.session, [script.plan.collection], asked, judged)
        experiment = Experiment(how, judged, wanted, chosen, kept)
        trials, complete = collected(experiment.qualities(variants, current), partial=partial)
        if complete:
            trials, complete = experiment.timed(trials, partial=partial)
        stamp = subject.session.stamp(script.compiled)
    best, count = aside(_best, trials, script, wanted[0]), len(variants)
    return Tuned(script, trials, best, wanted, count, len(chosen), len(kept), complete, tuple(notes), stamp)


def check_latency(latency: str) -> None:
    """Raises `InputError` for a percentile that there is not."""
    if latency not in PERCENTILES:
        message = f"{argument('latency')} takes {' or '.join(PERCENTILES)}, not {latency}"
        raise InputError.make("usage", message)


def _values_of(name: str, values: object) -> list[Json]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        hint = f"{{{name!r}: [10, 20, 50]}}"
        raise InputError.make("bad-grid", f"the values of `{name}` are {shown(values)}, no list", hint=hint)
    return list(values)


def _best(trials: Sequence[Trial], script: Tunable, measure: Measure) -> list[Standing[Trial]]:
    """Those that no other beats; of equals, the current one, or the first by its changes and by the grid."""

    def preference(one: Trial) -> tuple[int, ...]:
        changes = sum(value != script.current_value(name) for name, value in one.variant.values.items())
        return not one.current, changes, one.variant.place

    return standings(
        trials, quality=lambda one: one.means[measure], times=lambda one: one.times, preference=preference
    )


def _split_queries(
    queries: Sequence[Query], qrels: Qrels, holdout: float | None, seed: int
) -> tuple[set[str], set[str]]:
    """The judged queries to choose by, and those that are kept apart."""
    judged = [query.id for query in queries if qrels.get(query.id)]
    if holdout is None:
        return {*judged}, set()
    count = round(holdout * len(judged))
    if not 0 < count < len(judged):
        message = f"{argument('holdout')} leaves no query of {len(judged)} on one of the sides"
        raise InputError.make("usage", message)
    kept = {*random.Random(seed).sample(judged, count)}
    return {*judged} - kept, kept
