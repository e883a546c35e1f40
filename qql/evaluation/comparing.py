"""Two pipelines side by side: `compare`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from qql.backends.base import Work
from qql.errors import Diagnostic, QQLError
from qql.evaluation.calls import Call, calls_of, check_pipelines, locate_error
from qql.evaluation.comparison import Comparison, Survey, compare_results
from qql.evaluation.evaluating import evaluate
from qql.evaluation.evaluator import distinct_warnings
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params
from qql.evaluation.files import Query
from qql.evaluation.inputs import (
    Given,
    PipelineLike,
    QrelsLike,
    QueriesLike,
    named_pipelines,
    qrels_of,
    queries_of,
)
from qql.evaluation.judged_comparison import JudgedComparison, judged_comparison
from qql.evaluation.measures import DEFAULT_MEASURES, Measure
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.rankings import DEFAULT_PERSISTENCE
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.records import replace
from qql.rest.types import Body
from qql.result import Result

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.session.session import Session

__all__ = ["compare", "judged_sides"]


@overload
def compare(
    a: PipelineLike | Result,
    b: PipelineLike | Result | None = None,
    db: object = None,
    *,
    other_db: object = None,
    queries: None = None,
    qrels: None = None,
    params: Body | None = None,
    depth: int | None = None,
    p: float = DEFAULT_PERSISTENCE,
    limit: int | None = None,
    measures: None = None,
    doc_id: None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison: ...


@overload
def compare(
    a: PipelineLike,
    b: PipelineLike | None = None,
    db: object = None,
    *,
    other_db: object = None,
    queries: QueriesLike,
    qrels: None = None,
    params: Body | None = None,
    depth: int | None = None,
    p: float = DEFAULT_PERSISTENCE,
    limit: int | None = None,
    measures: None = None,
    doc_id: None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Survey: ...


@overload
def compare(
    a: PipelineLike,
    b: PipelineLike | None = None,
    db: object = None,
    *,
    other_db: object = None,
    queries: QueriesLike,
    qrels: QrelsLike,
    params: Body | None = None,
    depth: None = None,
    p: float = DEFAULT_PERSISTENCE,
    limit: int | None = None,
    measures: str | Measure | Iterable[str | Measure] | None = None,
    doc_id: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> JudgedComparison: ...


@overload
def compare(
    a: PipelineLike | Result,
    b: PipelineLike | Result | None = None,
    db: object = None,
    *,
    other_db: object = None,
    queries: QueriesLike | None = None,
    qrels: QrelsLike | None = None,
    params: Body | None = None,
    depth: int | None = None,
    p: float = DEFAULT_PERSISTENCE,
    limit: int | None = None,
    measures: str | Measure | Iterable[str | Measure] | None = None,
    doc_id: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison | Survey | JudgedComparison: ...


def compare(
    a: PipelineLike | Result,
    b: PipelineLike | Result | None = None,
    db: object = None,
    *,
    other_db: object = None,
    queries: QueriesLike | None = None,
    qrels: QrelsLike | None = None,
    params: Body | None = None,
    depth: int | None = None,
    p: float = DEFAULT_PERSISTENCE,
    limit: int | None = None,
    measures: str | Measure | Iterable[str | Measure] | None = None,
    doc_id: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison | Survey | JudgedComparison:
    """Two pipelines side by side: which hits moved, and how alike their rankings are; with judgements, which
    queries win and lose by it.

    >>> print(compare(text, other_text, db, params={"query": "red shoes"}))

    Args:
        a, b: pipelines as for `evaluate`, or two `Result`s. Without ``b``, a is compared with itself on
            ``other_db``. With ``qrels``, rankings that are there already, too.
        db, options: as for `evaluate`.
        other_db: where b is asked; else on ``db``.
        queries: each of them is asked (its text is ``:query``); without, the pipelines are asked once.
        qrels: judgements as for `evaluate`; what counts is then what the measures say.
        params: values of parameters that are the same for each query.
        depth: how many hits of each are compared, from 1; else all. Not with ``qrels``.
        p: RBO's persistence, between 0 and 1 (`rank_biased_overlap` names the source).
        limit: how many queries are asked at most.
        measures: as for `evaluate`, with ``qrels``; queries are called won or lost by the first.
        doc_id: as for `evaluate`, with ``qrels``.
        progress: called with what is being done, how much is done, and how much there is.

    Returns:
        A `Comparison`; with ``queries`` a `Survey` of them; with ``qrels`` a `JudgedComparison`. ``rows()``
        has a row a hit, or a query.

    Raises:
        InputError, QQLCompileError, QQLExecutionError, QQLConnectionError, QQLModelError: as `evaluate`, and
            ``bad-depth``, ``bad-persistence``, ``no-hits``.
    """
    check_kinds(locals())
    if isinstance(a, Result) or isinstance(b, Result):
        if not (isinstance(a, Result) and isinstance(b, Result)) or queries is not None or options:
            hint = "compare(result, other_result)"
            raise InputError.make("usage", "a result is compared with another, and alone", hint=hint)
        _check_judged(queries, qrels, measures=measures, doc_id=doc_id)
        return compare_results(a, b, depth=depth, p=p)
    _check_judged(queries, qrels, depth=depth, measures=measures, doc_id=doc_id)
    asked = None if queries is None else queries_of(queries, limit)
    with measured_session(db, options) as session, measured_session(other_db, {}) as other:
        if asked is not None and qrels is not None:
            sides = judged_sides(a, b, session, other)
            outcome = evaluate(
                sides,
                asked,
                qrels_of(qrels, asked),
                params=params,
                measures=DEFAULT_MEASURES if measures is None else measures,
                doc_id=doc_id,
                progress=progress,
            )
            return judged_comparison(outcome, asked)
        first, second = _two_pipelines(a, b, session, other)
        fixed = fixed_params(params)
        check_pipelines([first, second], fixed)
        how = _How(fixed, depth, p)
        if asked is None:
            return how.once(first, second)
        return how.each(first, second, asked, progress_of(progress))


def _check_judged(queries: object, qrels: object, *, depth: int | None = None, **of_judged: object) -> None:
    """Raises `InputError` ``usage`` for what has a meaning with judgements alone, or without them alone."""
    if qrels is None:
        for name, value in of_judged.items():
            if value is not None:
                message = f"{argument(name)} has no meaning without {argument('qrels')}"
                raise InputError.make("usage", message)
    elif queries is None:
        message = f"{argument('qrels')} requires {argument('queries')}, whose answers are judged"
        raise InputError.make("usage", message)
    elif depth is not None:
        hint = f"{argument('measures', f'nDCG@{depth}')} looks at the first {depth} hits"
        raise InputError.make("usage", f"{argument('depth')} has no meaning for judgements", hint=hint)


def _two_pipelines(
    a: PipelineLike, b: PipelineLike | None, session: Session | None, other: Session | None
) -> tuple[Pipeline, Pipeline]:
    sides = [_pipeline(one, session) for one in ([a] if b is None else [a, b])]
    first, second = sides[0], sides[-1]
    if other is not None:
        return first, Pipeline(other, second.text, second.name)
    if b is None:
        hint = "compare(a, b, db), or compare(a, db=…, other_db=…)"
        raise InputError.make("usage", "there is nothing to compare with", hint=hint)
    return first, second


def judged_sides(
    a: PipelineLike, b: PipelineLike | None, session: Session | None, other: Session | None
) -> dict[str, PipelineLike]:
    """What is evaluated, by the names that are shown: those of files where they differ, else A and B."""
    given = [next(iter(named_pipelines(one).values())) for one in ([a] if b is None else [a, b])]
    if other is not None or b is None or all(one.run is None for one in given):
        first, second = _two_pipelines(a, b, session, other)
        names = [Path(one.name).stem for one in (first, second)]
        sides: list[PipelineLike] = [first, second]
    else:
        names = [Path(one.file.removesuffix(".gz")).stem for one in given]
        sides = [
            _pipeline(of, session) if one.run is None else of for one, of in zip(given, (a, b), strict=True)
        ]
    if names[0] == names[1] or any(name in ("<string>", "pipeline") for name in names):
        names = ["A", "B"]
    return dict(zip(names, sides, strict=True))


def _pipeline(given: PipelineLike, session: Session | None) -> Pipeline:
    ((name, one),) = named_pipelines({"a pipeline": given}).items()
    if one.run is not None:
        raise InputError.make("usage", "compare takes pipelines; evaluate compares rankings that are there")
    (found,) = pipelines_on(session, {name: Given(name, _shown(one), one.text, one.pipeline)}).values()
    return found


def _shown(one: Given) -> str:
    return "<string>" if one.file == one.name else one.file


class _How:
    """How two pipelines are compared."""

    def __init__(self, params: Body, depth: int | None, p: float) -> None:
        self.params, self.depth, self.p = params, depth, p

    def once(self, a: Pipeline, b: Pipeline) -> Comparison:
        """The comparison of what both give, asked once."""
        of_a, of_b = (one.ask(one.taken(self.params) or None) for one in (a, b))
        found = compare_results(of_a, of_b, depth=self.depth, p=self.p)
        return replace(found, notes=tuple(distinct_warnings([*of_a.warnings, *of_b.warnings])))

    def each(self, a: Pipeline, b: Pipeline, queries: Sequence[Query], progress: Progress) -> Survey:
        """The comparisons of what both give for each query."""
        compared = []
        notes: list[Diagnostic] = []
        both = [calls_of(one, queries, one.taken(self.params)) for one in (a, b)]
        for done, (call_a, call_b) in enumerate(zip(*both, strict=True), 1):
            of_a, of_b = _ask(a, call_a), _ask(b, call_b)
            notes += [*of_a.warnings, *of_b.warnings]
            compared.append((call_a.query, compare_results(of_a, of_b, depth=self.depth, p=self.p)))
            progress(Work("comparing", "queries"), done, len(queries))
        return Survey(tuple(compared), tuple(distinct_warnings(notes)))


def _ask(pipeline: Pipeline, call: Call) -> Result:
    try:
        return pipeline.ask(call.params or None)
    except QQLError as exc:
        raise locate_error(exc, pipeline.name, call) from exc.__cause__
