"""The same as `evaluate`, `compare`, `tune` and `judge` for the session of an event loop.

They are the same functions, carried out in a flow: what asks the engine or a model waits there, and other
tasks go on. `bench` has no such form, as what it measures would be the loop's time, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from qql.evaluation.best_settings import tune
from qql.evaluation.comparing import compare
from qql.evaluation.evaluating import evaluate
from qql.evaluation.faults import InputError
from qql.evaluation.inputs import PipelineLike, Pipelines, QrelsLike, QueriesLike
from qql.evaluation.judging.running import judge
from qql.evaluation.sessions import awaits

if TYPE_CHECKING:
    from qql.evaluation.comparison import Comparison, Survey
    from qql.evaluation.judged_comparison import JudgedComparison
    from qql.evaluation.judging.verdict import Verdict
    from qql.evaluation.outcome import Outcome
    from qql.evaluation.recorded_tuning.report import RecordedTuned
    from qql.evaluation.tuned import Tuned
    from qql.session.async_session import AsyncSession

__all__ = ["acompare", "aevaluate", "ajudge", "atune"]

_T = TypeVar("_T")


async def aevaluate(
    pipelines: Pipelines, queries: QueriesLike, qrels: QrelsLike, db: AsyncSession, **settings: Any
) -> Outcome:
    """`evaluate` on an `AsyncSession`, with its other arguments and errors; ``embedders`` and ``rerankers``
    may be async functions."""
    return await _carried(db, partial(evaluate, pipelines, queries, qrels, **settings))


async def acompare(
    a: PipelineLike, b: PipelineLike, db: AsyncSession, **settings: Any
) -> Comparison | Survey | JudgedComparison:
    """`compare` on an `AsyncSession`, with its other arguments and errors."""
    return await _carried(db, partial(compare, a, b, **settings))


async def atune(
    pipeline: PipelineLike, queries: QueriesLike, qrels: QrelsLike, db: AsyncSession, **settings: Any
) -> Tuned | RecordedTuned:
    """`tune` on an `AsyncSession`, with its other arguments and errors. Its times are those that a task of
    the loop waits."""
    return await _carried(db, partial(tune, pipeline, queries, qrels, **settings))


async def ajudge(
    a: PipelineLike, b: PipelineLike, queries: QueriesLike, db: AsyncSession, **settings: Any
) -> Verdict:
    """`judge` on an `AsyncSession`, with its other arguments and errors; the function that judges may be
    async."""
    return await _carried(db, partial(judge, a, b, queries, **settings))


async def _carried(db: AsyncSession, work: Callable[..., _T]) -> _T:
    if not awaits(db):
        hint = "async with qql.connect_async(…) as db"
        raise InputError.make("async-session", "an AsyncSession is required", hint=hint)
    return await db.carried(partial(work, db=db.inner()), (), {})
