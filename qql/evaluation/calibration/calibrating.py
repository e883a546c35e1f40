"""`calibrate`: fits a curve on judgements, and holds queries apart to see whether it is better."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql import nodes
from qql.errors import Diagnostic, Source, many
from qql.evaluation.calibration.calibrated import Calibrated, MeasureBeside, Quality
from qql.evaluation.calibration.candidates import JudgedQuery, judged_query, ranked_documents
from qql.evaluation.calibration.curves import Curve, with_curve
from qql.evaluation.calibration.logistic import fit
from qql.evaluation.calibration.quality import brier, calibration_error, log_loss
from qql.evaluation.documents import document_key
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params, whole_from
from qql.evaluation.files import Qrels
from qql.evaluation.inputs import PipelineLike, QrelsLike, QueriesLike, measures_of, qrels_of, queries_of
from qql.evaluation.measures import Measure, about_judgements, check_judgements
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.points import points_of
from qql.evaluation.recording.planning import Planner, given_text
from qql.evaluation.recording.recomputing import Evaluation
from qql.evaluation.recording.recorder import record
from qql.evaluation.recording.recordings import Recording
from qql.evaluation.sessions import measured_session
from qql.evaluation.significance import bootstrap_interval, randomization_test
from qql.records import NamedTuple
from qql.rest.types import Body
from qql.result import Hit
from qql.syntax.parser import parse_script

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.session.session import Session

__all__ = ["calibrate"]

_FEWEST_RELEVANT = 10
"""Below that many relevant candidates, a curve says more of these than of others."""


def calibrate(
    pipeline: PipelineLike,
    queries: QueriesLike | None,
    qrels: QrelsLike,
    db: object = None,
    *,
    recording: Recording | None = None,
    params: Body | None = None,
    measures: str | Measure | Iterable[str | Measure] = ("nDCG@10", "AP"),
    folds: int = 5,
    penalty: float = 1.0,
    judged_only: bool = False,
    log_odds: bool = False,
    doc_id: str | None = None,
    seed: int = 0,
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Calibrated:
    """A fusion whose scores are probabilities: one FORMULA over the scores of the stages.

    >>> found = calibrate(text, queries, qrels, db)
    >>> print(found.verdict)

    The log-odds that a candidate is relevant are taken to be linear in the scores of the stages that the root
    fuses, with a constant for each stage that lacks it; logistic regression fits them. A point's probability
    hangs on its own scores alone, not on the others in a list or a shard.

    Args:
        pipeline, queries, qrels, db, params, doc_id, limit, progress, options: as for `evaluate`. The root of
            the pipeline is a fusion, or a formula.
        recording: what the stages gave (`record`); else they are asked now, on ``db``. With it, ``queries``
            and ``db`` may be None.
        measures: compared on held-out queries; the first one decides.
        folds: of the judged queries, each is ranked by what the others have fitted.
        penalty: of the squares of the coefficients, which the more of it the nearer keeps to 0.
        judged_only: whether candidates without a judgement are left out; else they are taken as not relevant,
            as measures take them.
        log_odds: whether the score is the logarithm of the odds, in the place of the probability.
        seed: of the folds, and of what is drawn for the interval.

    Returns:
        A `Calibrated`: its ``text`` is the pipeline, ``better`` says whether it is worth having.

    Raises:
        InputError: ``no-fusion``, ``needs-run``, ``usage``; ``few-judgements`` where fewer than 10 candidates
            are relevant, none is not, or there are fewer queries than folds; and what `evaluate` raises.
        QQLExecutionError: ``missing-library`` without numpy; and what `record` raises.
    """
    check_kinds(locals())
    whole_from(2, folds=folds)
    whole_from(0, seed=seed)
    if not penalty > 0:
        raise InputError.make("usage", f"{argument('penalty')} takes a number above 0, not {penalty}")
    wanted, constants = measures_of(measures), fixed_params(params)
    asked = None if queries is None else queries_of(queries, limit)
    judged = qrels_of(qrels, asked or [])
    check_judgements(wanted, judged)
    how = _How(wanted, folds, penalty, judged_only, log_odds, doc_id, seed)
    with measured_session(db, options) as session:
        if recording is not None:
            only = None if asked is None else {one.id for one in asked}
            return _Calibration(pipeline, recording, judged, constants, how, session).done(only)
        if asked is None or session is None:
            hint = "queries and a database, or a recording"
            raise InputError.make("usage", "there is nothing to calibrate with", hint=hint)
        with tempfile.TemporaryDirectory(prefix="qql-") as place:
            path = f"{place}/stages.qqlrun"
            some = [one for one in asked if judged.get(one.id)] or asked
            kept = record(pipeline, some, session, path, deep=1, params=constants, progress=progress)
            return _Calibration(pipeline, kept, judged, {}, how, session).done(None)


class _How(NamedTuple):
    """What `calibrate` was told beside pipeline, queries and judgements."""

    measures: Sequence[Measure]
    folds: int
    penalty: float
    judged_only: bool
    log_odds: bool
    doc_id: str | None
    seed: int


class _Calibration:
    """One calibration on a recording."""

    def __init__(
        self,
        pipeline: PipelineLike,
        recording: Recording,
        qrels: Qrels,
        params: Body,
        how: _How,
        session: Session | None,
    ) -> None:
        self.recording = recording
        self.qrels = qrels
        self.how = how
        self.session = session
        self.planner = Planner(recording, params)
        self.name, self.text = given_text(recording, pipeline)
        self.pipeline = self.planner.pipeline(self.text, self.name)
        self.key = document_key(qrels, how.doc_id)
        if how.doc_id is not None and session is None:
            raise InputError.make("usage", f"{argument('doc_id')} is read from the database: name it, too")

    def done(self, only: Collection[str] | None) -> Calibrated:
        """The calibrated pipeline, of these queries."""
        judged = [
            judged_query(row, self.planner, self.pipeline, self.qrels, self.documents, self.how.judged_only)
            for row in self.recording.queries()
            if self.qrels.get(row.query) and (only is None or row.query in only)
        ]
        _check_enough(judged, self.how)
        notes = [*self.recording.notes, *about_judgements(self.how.measures, self.qrels)]
        curve = self.curve(judged, notes)
        after, likely, base = self.held_out(judged)
        labels = [label for one in judged for label in one.labels]
        quality = Quality(
            brier(likely, labels),
            log_loss(likely, labels),
            calibration_error(likely, labels),
            brier(base, labels),
            log_loss(base, labels),
        )
        notes += _about(self.text, self.pipeline, judged, self.how)
        return Calibrated(
            with_curve(self.text, curve, log_odds=self.how.log_odds),
            curve,
            {measure: self.beside(measure, judged, after) for measure in self.how.measures},
            quality,
            self.how.folds,
            len(judged),
            len(labels),
            sum(labels),
            sum(one.unjudged for one in judged),
            tuple(notes),
        )

    def documents(self, ids: Sequence[int | str]) -> dict[int | str, str]:
        """The documents of points."""
        if self.how.doc_id is None or self.session is None:
            return {one: self.key(Hit(one)) for one in ids}
        fields = [self.how.doc_id.partition(".")[0], self.how.doc_id]
        points = points_of(self.session, self.recording.collection, ids, fields)
        return {one["id"]: self.key(Hit(one["id"], payload=one.get("payload") or {})) for one in points}

    def curve(self, judged: Sequence[JudgedQuery], notes: list[Diagnostic] | None = None) -> Curve:
        """The curve that some queries fit."""
        rows = [scores for one in judged for scores in one.scores]
        labels = [label for one in judged for label in one.labels]
        stages = judged[0].labels_of_stages
        count = len(stages)
        features = [
            [*(0.0 if one is None else one for one in scores), *(float(one is None) for one in scores)]
            for scores in rows
        ]
        found = fit(features, labels, self.how.penalty)
        if found.separable and notes is not None:
            message = (
                "the scores tell all relevant candidates from the others: the penalty alone bounds the curve"
            )
            notes.append(Diagnostic("separable", message, severity="warning"))
        return Curve.of(found.intercept, stages, found.coefficients[:count], found.coefficients[count:])

    def held_out(
        self, judged: Sequence[JudgedQuery]
    ) -> tuple[dict[str, tuple[str, ...]], list[float], list[float]]:
        """By curves that had no part of a query: its ranking; and the probability of each candidate, beside
        the share of relevant ones among those of the fit, both in the order of the queries."""
        order = list(range(len(judged)))
        random.Random(self.how.seed).shuffle(order)
        rankings: dict[str, tuple[str, ...]] = {}
        likely: dict[int, list[float]] = {}
        base: dict[int, list[float]] = {}
        for fold in range(self.how.folds):
            apart = {*order[fold :: self.how.folds]}
            others = [one for at, one in enumerate(judged) if at not in apart]
            curve = self.curve(others)
            every = [label for one in others for label in one.labels]
            share = sum(every) / len(every)
            pipeline = self.planner.pipeline(
                with_curve(self.text, curve, log_odds=self.how.log_odds), self.name
            )
            for at in apart:
                one = judged[at]
                likely[at] = [curve.probability(scores) for scores in one.scores]
                base[at] = [share] * len(one.scores)
                recipe = self.planner.recipe(pipeline, one.row)
                evaluation = Evaluation(self.recording, one.row, recipe.keys, recipe.labels)
                rankings[one.query] = ranked_documents(evaluation, recipe, one.documents)
        every_query = range(len(judged))
        return (
            rankings,
            [p for at in every_query for p in likely[at]],
            [p for at in every_query for p in base[at]],
        )

    def beside(
        self, measure: Measure, judged: Sequence[JudgedQuery], after: Mapping[str, Sequence[str]]
    ) -> MeasureBeside:
        """A measure before and after, with what chance makes of the difference."""
        pairs = [
            (measure(one.before, self.qrels[one.query]), measure(after[one.query], self.qrels[one.query]))
            for one in judged
        ]
        differences = [new - old for old, new in pairs]
        low, high = bootstrap_interval(differences, seed=self.how.seed)
        p = randomization_test(differences, seed=self.how.seed)
        before, now = (sum(some) / len(pairs) for some in zip(*pairs, strict=True))
        return MeasureBeside(before, now, low, high, p)


def _check_enough(judged: Sequence[JudgedQuery], how: _How) -> None:
    """Raises `InputError` ``few-judgements``."""
    labels = [label for one in judged for label in one.labels]
    relevant = sum(labels)
    hint = "judge more candidates of the stages; a deeper LIMIT brings more of what is judged"
    if len(judged) < how.folds:
        what = f"{many(len(judged), 'query', 'queries')} with judgements, for {how.folds} folds"
    elif relevant < _FEWEST_RELEVANT:
        what = f"{relevant or 'none'} of {many(len(labels), 'candidate')} of the stages relevant"
        what += f": at least {_FEWEST_RELEVANT} have to be"
    elif relevant == len(labels):
        what = "no candidate that is not relevant: there is nothing to tell apart"
    else:
        return _check_folds(judged, how)
    raise InputError.make("few-judgements", f"there {'is' if relevant < 2 else 'are'} {what}", hint=hint)


def _check_folds(judged: Sequence[JudgedQuery], how: _How) -> None:
    """Each curve of a fold has to see both kinds."""
    order = list(range(len(judged)))
    random.Random(how.seed).shuffle(order)
    for fold in range(how.folds):
        apart = {*order[fold :: how.folds]}
        labels = {label for at, one in enumerate(judged) if at not in apart for label in one.labels}
        if len(labels) < 2:
            message = "all relevant candidates are those of one fold, so the others have nothing to fit"
            hint = f"another {argument('seed')}, or more judgements"
            raise InputError.make("few-judgements", message, hint=hint)


def _about(text: str, pipeline: Pipeline, judged: Sequence[JudgedQuery], how: _How) -> Iterator[Diagnostic]:
    """What of the pipeline or the judgements makes the figures mean less than they seem to."""
    unjudged, every = sum(one.unjudged for one in judged), sum(len(one.documents) for one in judged)
    if unjudged and not how.judged_only:
        message = f"{unjudged} of {many(every, 'candidate')} have no judgement, and are taken as not relevant"
        hint = f"{argument('judged_only')} leaves them out: then a probability is that of what was judged"
        yield Diagnostic("unjudged", message, hint=hint, severity="warning")
    ((*statements,), _) = parse_script(Source(text))
    for one in statements:
        if isinstance(one.statement, nodes.Query) and one.statement.threshold is not None:
            message = "SCORE THRESHOLD of the fusion is left out: its scores were others"
            hint = "SCORE THRESHOLD 0.2 keeps what is relevant with a probability of 0.2"
            yield Diagnostic("threshold-left-out", message, hint=hint, severity="warning")
