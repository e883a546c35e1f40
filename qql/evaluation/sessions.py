"""The session that pipelines are measured on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from qql.evaluation.faults import InputError
from qql.evaluation.inputs import Given
from qql.evaluation.pipelines import Pipeline
from qql.records import replace
from qql.session.connect import connect
from qql.session.session import Session

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.session.async_session import AsyncSession

__all__ = ["awaits", "measured_session", "pipelines_on", "progress_of"]

_MODELS = ("embedders", "rerankers", "rerank_model")
"""Options that a session which is open can be given for a measurement."""


def _no_progress(what: str, done: int, total: int | None) -> None:
    """Shows no progress."""


def awaits(db: object) -> TypeGuard[AsyncSession]:
    """Whether it is an `AsyncSession`: somebody who has one has loaded what it is."""
    module = sys.modules.get("qql.session.async_session")
    return module is not None and isinstance(db, module.AsyncSession)


@contextlib.contextmanager
def measured_session(db: object, options: Mapping[str, Any]) -> Iterator[Session | None]:
    """A session without advice on ``db``: a `Session`, or what `qql.connect` takes with ``options``; None for
    None. One that was opened here is closed at the end.

    Raises `InputError`: ``async-session``, ``idle-option``; and what `qql.connect` raises.
    """
    if awaits(db):
        message = "an AsyncSession is awaited"
        raise InputError.make("async-session", message, hint="await aevaluate(…), acompare(…), atune(…)")
    if db is None or isinstance(db, Session):
        idle = [name for name in options if db is None or name not in _MODELS]
        if idle:
            what = "nothing is asked" if db is None else "a session has its options already"
            raise InputError.make("idle-option", f"{what}: {', '.join(idle)}")
        yield None if db is None else _for_measuring(db, **options)
        return
    with connect(db, advice=False, **options) as session:
        yield session


def _for_measuring(
    db: Session,
    embedders: Mapping[str, Any] | None = None,
    rerankers: Mapping[str, Any] | None = None,
    rerank_model: str | None = None,
) -> Session:
    """A session on the same engine without advice, so that the one given keeps its own; with more models."""
    if not (db.advice or embedders or rerankers or rerank_model):
        return db
    context = db.context if rerank_model is None else replace(db.context, reranker=rerank_model)
    made = Session(
        db.backend,
        context,
        db.embedders.with_functions(embedders) if embedders else db.embedders,
        db.rerankers.with_functions(rerankers) if rerankers else db.rerankers,
        target=db.target,
        on_progress=db.on_progress,
        advice=False,
    )
    made._granted_as(db, [*(embedders or ()), *(rerankers or ()), *filter(None, [rerank_model])])
    return made


def pipelines_on(session: Session | None, given: Mapping[str, Given]) -> dict[str, Pipeline]:
    """The pipelines among those that were given. Raises `InputError` ``usage`` without a database for one."""
    out: dict[str, Pipeline] = {}
    for name, one in given.items():
        if one.run is not None:
            continue
        if one.pipeline is not None:
            out[name] = one.pipeline
        elif session is None:
            hint = "a Session, a directory, or the address of a server"
            raise InputError.make("usage", f"{name} has to be asked, and there is no `db`", hint=hint)
        else:
            out[name] = Pipeline(session, one.text, one.file)
    return out


def progress_of(progress: Progress | None) -> Progress:
    """What is called with progress; nothing is shown without it."""
    return _no_progress if progress is None else progress
