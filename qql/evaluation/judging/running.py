"""Two pipelines and a judge: `judge`, which asks for as few judgements as the verdict takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from qql.backends.base import Work
from qql.errors import Diagnostic, QQLError, many
from qql.evaluation.calls import calls_of, check_pipelines, first_plan, locate_error, stamp_of
from qql.evaluation.comparing import judged_sides
from qql.evaluation.documents import Key, document_key, in_order, ranking
from qql.evaluation.evaluating import shallow_rankings
from qql.evaluation.evaluator import distinct_warnings
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params, whole_from
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
from qql.evaluation.judging.differences import check_measure
from qql.evaluation.judging.judgement_file import GivenJudgement, JudgementFile
from qql.evaluation.judging.judges import Answer, FileJudge, Judge, JudgeLike, judge_of
from qql.evaluation.judging.judging import Judging, Question
from qql.evaluation.judging.verdict import Verdict
from qql.evaluation.measures import Measure
from qql.evaluation.outcome import Measured
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.points import points_of
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.flows import Stopped
from qql.models.rerankers.base import hit_text
from qql.records import dataclass, field, replace
from qql.rest.types import Body

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.session.session import Session
    from qql.session.stamp import Stamp

__all__ = ["judge"]


def judge(
    a: PipelineLike,
    b: PipelineLike,
    queries: QueriesLike,
    db: object = None,
    *,
    judge: JudgeLike,
    judgements: QrelsLike | None = None,
    path: str | os.PathLike[str] | None = None,
    measure: str | Measure = "nDCG@10",
    scope: str = "population",
    alpha: float = 0.05,
    smallest: float = 0.0,
    grades: int = 3,
    seed: int = 0,
    most: int | None = None,
    doc_id: str | None = None,
    doc_field: str | None = None,
    params: Body | None = None,
    limit: int | None = None,
    partial: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Verdict:
    """Which of two pipelines is better, with as few judgements as that takes.

    >>> found = judge(text, other_text, "log.jsonl", db, judge=lambda query, document: …, path="judged.jsonl")
    >>> print(found.sentence())

    The judge is asked for documents that could still change the verdict, one by one, those first that are
    worth the most, until it is decided, or cannot be any more. The test may be looked at after each judgement
    (`qql.evaluation.judging.betting` names the source); it supposes that the queries are a random sample.

    Args:
        a, b: pipelines as for `evaluate`, or rankings that are there already.
        queries, db, options: as for `evaluate`.
        judge: who judges: a function of the texts of a query and of a document, which gives a relevance from
            0 to ``grades``, or None to skip it; ``"module:function"``; ``"https://…"``, which is sent
            ``{"query", "document", "id"}`` and answers ``{"relevance": n}``; a file of judgements; or an
            object as `Judge`.
        judgements: those that are there already, as for `evaluate`.
        path: a file of JSON Lines that each judgement is added to as it is given, with its source and time.
            Judgements in it are not asked again, so that another call goes on.
        measure: nDCG, P, R, RBP, RR or Success, with a cutoff: how deep rankings are judged.
        scope: ``population``: the verdict is about all queries that these are a sample of; ``log``: about
        these.
        alpha: how likely a verdict about the population may be wrong, 0 to 1.
        smallest: a mean difference up to this is called none, 0 to 1.
        grades: the largest relevance, from 1.
        seed: where the random order of queries starts.
        most: how many judgements are asked for at most.
        doc_id: the field of the payload with the document's id, as for `evaluate`.
        doc_field: the field of the payload with the document's text; else the first with a usual name.
        params: values of parameters that are the same for each query.
        limit: how many queries are asked at most.
        partial: whether Ctrl-C ends with what is judged.
        progress: called with what is being done, how much is done, and how much there is.

    Returns:
        A `Verdict`: ``better`` is the name of a pipeline or None, ``sentence()`` says it in words,
        ``to_dict()`` has every figure. Where pipelines have no names they are ``A`` and ``B``.

    Raises:
        InputError: what was given is at fault; nothing was asked. ``no-text`` where a judge that reads has
            nothing to read.
        QQLModelError: the judge failed, or gave no relevance; ``path`` has the judgements before.
        QQLCompileError, QQLExecutionError, QQLConnectionError: as `evaluate`.
    """
    check_kinds(locals())
    whole_from(1, most=most)
    wanted = _one_measure(measure, grades)
    asked = queries_of(queries, limit)
    given = {} if judgements is None else qrels_of(judgements, asked)
    known = _merged(given)
    judging_by = judge_of(judge, asked, grades)
    with ExitStack() as opened:
        file = None if path is None else JudgementFile(path)
        if file is not None:
            opened.callback(file.close)
            known = _merged(known, file.qrels)
        opened.callback(getattr(judging_by, "close", _nothing))
        session = opened.enter_context(measured_session(db, options))
        told = progress_of(progress)
        named = [known, *([judging_by.qrels] if isinstance(judging_by, FileJudge) else [])]
        sides = _Sides(asked, wanted, document_key(_merged(*named), doc_id), doc_field)
        sides.ask(judged_sides(a, b, session, None), session, fixed_params(params), told)
        (name_a, run_a), (name_b, run_b) = sides.runs.items()
        state = Judging(
            run_a,
            run_b,
            known,
            queries=[query.id for query in asked],
            measure=wanted,
            scope=scope,
            alpha=alpha,
            smallest=smallest,
            grades=grades,
            seed=seed,
        )
        work = _Work(state, judging_by, file, sides)
        end = work.go_on(most, partial)
        notes = (
            *distinct_warnings(sides.notes),
            *_about_scale(given, grades),
            *_about_both(given, {} if file is None else file.qrels),
            *_about_judge(judging_by),
        )
        return Verdict(name_a, name_b, state, tuple(asked), end, tuple(work.made), notes, sides.stamp)


def _nothing() -> None:
    """A judge that has nothing to close."""


def _one_measure(given: str | Measure, grades: int) -> Measure:
    found = measures_of(given)
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise InputError.make("usage", f"judging goes by one measure, found {names}")
    check_measure(found[0], grades)
    return found[0]


def _merged(*several: Mapping[str, Mapping[str, float]]) -> Qrels:
    """The judgements of several; those of the last one count where they differ."""
    out: Qrels = {}
    for qrels in several:
        for query, judged in qrels.items():
            out.setdefault(query, {}).update(judged)
    return out


def _about_scale(known: Qrels, grades: int) -> Iterator[Diagnostic]:
    largest = max((relevance for judged in known.values() for relevance in judged.values()), default=grades)
    if 0 < largest < grades:
        message = (
            f"the judgements that were there go up to {largest:g}, and those that are asked for to {grades}"
        )
        hint = argument("grades", int(largest) or 1)
        yield Diagnostic("other-scale", message, hint=hint, severity="warning")


def _about_both(given: Qrels, kept: Qrels) -> Iterator[Diagnostic]:
    """What is said where judgements that are given differ from those in the file, which count."""
    differ = [
        (query, doc)
        for query, judged in kept.items()
        for doc, relevance in judged.items()
        if given.get(query, {}).get(doc, relevance) != relevance
    ]
    if differ:
        query, doc = differ[0]
        both, which = f"{argument('path')} and {argument('judgements')}", f"{doc!r} of the query {query!r}"
        message = (
            f"{many(len(differ), 'judgement')} of {both} differ, as of the document {which}; those of"
            f" {argument('path')} count"
        )
        yield Diagnostic("judged-twice", message, severity="warning")


def _about_judge(judge: Judge) -> Iterator[Diagnostic]:
    note = getattr(judge, "note", None)
    if note:
        yield Diagnostic("key-unencrypted", note, severity="warning")


# ------------------------------------------------------------------------------------ the rankings


@dataclass(slots=True)
class _Sides:
    """The rankings of both, and where their documents are."""

    queries: Sequence[Query]
    measure: Measure
    key: Key
    doc_field: str | None
    runs: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    notes: list[Diagnostic] = field(default_factory=list)
    stamp: Stamp | None = None
    points: dict[str, tuple[Session, str, int | str]] = field(default_factory=dict)
    """Document → the session, the collection and the id of its point."""

    def ask(
        self,
        sides: Mapping[str, PipelineLike],
        session: Session | None,
        params: Body,
        progress: Progress,
    ) -> None:
        """Finds the rankings. Raises as `evaluate` does."""
        given = named_pipelines(sides)
        pipelines = pipelines_on(session, given)
        check_pipelines([*pipelines.values()], params)
        calls = {name: calls_of(one, self.queries, params) for name, one in pipelines.items()}
        plans = {name: first_plan(one, calls[name]) for name, one in pipelines.items()}
        self.notes += shallow_rankings(plans, [self.measure])
        if pipelines:
            self.stamp = stamp_of(pipelines, calls)
        for name, one in given.items():
            if one.run is not None:
                run = Measured.of_run(name, one.file, one.run, "doc", {}).run
                self.runs[name] = {query: [hit.doc for hit in hits] for query, hits in run.items()}
                continue
            self.runs[name] = {}
            for done, call in enumerate(calls[name]):
                progress(Work(name, "queries"), done, len(calls[name]))
                try:
                    self.runs[name][call.query.id] = self._ranking(pipelines[name], call.params)
                except QQLError as exc:
                    raise locate_error(exc, pipelines[name].name, call) from exc
            progress(Work(name, "queries"), len(calls[name]), len(calls[name]))

    def _ranking(self, pipeline: Pipeline, params: Body) -> list[str]:
        asked = pipeline.embedded(params)
        result = pipeline.answer(asked)
        self.notes += result.warnings
        docs = [one.doc for one in ranking(result, self.key)][: self.measure.cutoff]
        if asked.plan is not None:
            shown = {*docs}
            for hit in in_order(result):
                if (doc := self.key(hit)) in shown:
                    self.points.setdefault(doc, (pipeline.session, asked.plan.collection, hit.id))
        return docs

    def text_of(self, document: str) -> str | None:
        """The text of a document; None where there is none."""
        if document not in self.points:
            return None
        session, collection, point = self.points[document]
        for found in points_of(session, collection, [point], payload=True):
            return hit_text(found.get("payload") or {}, self.doc_field)
        return None


# ------------------------------------------------------------------------------------ the judge


@dataclass(slots=True)
class _Work:
    """The questions, put to the judge one by one."""

    state: Judging
    judge: Judge
    file: JudgementFile | None
    sides: _Sides
    made: list[GivenJudgement] = field(default_factory=list)

    def go_on(self, most: int | None, partial: bool) -> str:
        """Asks until there is an end, and gives it. Raises what the judge raises, with the document."""
        texts = {query.id: str(query.params.get("query", "")) for query in self.sides.queries}
        try:
            while (end := self.state.end) is None:
                if most is not None and self.state.asked >= most:
                    return "most"
                question = self.state.question()
                assert question is not None, "what has no end has a question"
                if not self._answered(replace(question, text=texts[question.query])):
                    return "stopped"
        except KeyboardInterrupt as stop:
            if isinstance(stop, Stopped) or not partial:
                raise
            return "interrupted"
        return end

    def _answered(self, question: Question) -> bool:
        """Puts one question, and does what the answer says; False where the judge stops."""
        answer = self._answer(question)
        match answer.action:
            case "stop":
                return False
            case "undo":
                undone = self.state.undo()
                if undone is not None and undone[2] is not None:
                    self.made.pop()
                    if self.file is not None:
                        self.file.drop_last()
            case "skip":
                self.state.skip(question.query, question.document)
            case _:
                made = GivenJudgement.now(question.query, question.document, answer, self.judge.source)
                if self.file is not None:
                    self.file.add(made)
                self.made.append(made)
                self.state.judge(question.query, question.document, made.relevance)
        return True

    def _answer(self, question: Question) -> Answer:
        if self.judge.reads:
            text = self.sides.text_of(question.document)
            if text is None and not getattr(self.judge, "reads_ids", False):
                hint = argument("doc_field", "body")
                message = f"the document {question.document!r} has no text for {self.judge.source} to read"
                raise InputError.make("no-text", message, hint=hint)
            question = replace(question, document_text=text or "")
        try:
            return self.judge.answer(question)
        except QQLError as exc:
            first, *more = exc.diagnostics
            where = f"query {question.query!r}, document {question.document!r}"
            kept = f"; what was judged before is in {self.file.path}" if self.file is not None else ""
            raise type(exc)(replace(first, message=f"{where}: {first.message}{kept}"), *more) from exc
