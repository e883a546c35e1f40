"""Statements that are more to a session than requests with answers: COPY, EXPLAIN, SHOW MODELS …"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from qql import nodes
from qql.backends.base import Optimized
from qql.compiler.scalars import scalar_value
from qql.errors import Diagnostic
from qql.flows import aside
from qql.records import replace
from qql.result import Result
from qql.session.answers import message_of, stages_listed
from qql.session.server_gaps import gaps_of, with_gaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.script import Compiled
    from qql.session.session import Session

__all__ = ["carried_out"]


def carried_out(session: Session, compiled: Compiled, count: bool) -> Result:
    """What a statement gives that does not ask for points."""
    statement, collection = compiled.statement, str(compiled.collection)
    match statement:
        case nodes.Explain():
            return explained(session, statement, compiled)
        case nodes.Why():
            return session._introspection(compiled).why(statement)
        case nodes.Use() | nodes.Define() | nodes.Undefine():
            return set_for_what_follows(session, statement, collection)
        case nodes.ShowStages():
            return stages_listed(session.context.stages.values())
        case nodes.ShowModels():
            return models_listed(session)
        case nodes.Copy():
            return copied(session, statement, collection)
        case nodes.Dump():
            return dumped(session, statement, collection)
        case nodes.CopyTo():
            return copied_to_file(session, statement, compiled)
        case nodes.Optimize():
            return optimized(session, statement, collection)
        case nodes.SetQuota():
            return quota_set(session, compiled)
        case nodes.Execute():  # the statements of the file stand before it
            return message_of(f"executed {scalar_value(statement.path)}")
        case _:
            return session._send(compiled, count)


def set_for_what_follows(
    session: Session, statement: nodes.Use | nodes.Define | nodes.Undefine, collection: str
) -> Result:
    """What USE, DEFINE and UNDEFINE give."""
    session._apply(statement)
    if isinstance(statement, nodes.Use):
        return message_of(f"using {collection}")
    word = "defined" if isinstance(statement, nodes.Define) else "undefined"
    return message_of(f"{word} {statement.name.text}")


def optimized(session: Session, statement: nodes.Optimize, collection: str) -> Result:
    """What OPTIMIZE gives."""
    from qql.compiler.options.query import OPTIMIZE_OPTIONS
    from qql.compiler.options.table import read_options

    timeout = read_options(statement.options, OPTIMIZE_OPTIONS, "OPTIMIZE").get("timeout")
    done = session.backend.optimize(collection, session.on_progress, timeout)
    session._knowledge.changed()
    said = f": {done.said}" if isinstance(done, Optimized) and done.said else ""
    return message_of((f"optimized {collection}" if done else f"{collection} is already optimal") + said)


def copied(session: Session, statement: nodes.Copy, collection: str) -> Result:
    """What COPY gives."""
    from qql.backends.bulk import writer_of
    from qql.session.copy_rows import RowLoad
    from qql.session.copy_shards import require_shards

    session._knowledge.forget(collection)  # a whole file is worth another look
    session._field_advice.known.changed()
    require_shards(statement, collection, session.backend)
    load = RowLoad(
        statement,
        collection,
        schema=session.schema(collection),
        context=session.context,
        embed=session._embedded,
        call=session.backend.call,
        writer=writer_of(session.backend, collection),
        progress=session.on_progress,
    )
    load.run()
    result = load.result()
    try:
        built = session._builds.build(collection, session.on_progress)
        return replace(result, warnings=result.warnings + built)
    except KeyboardInterrupt as stop:
        stop.add_note(str(result.message))
        raise


def dumped(session: Session, statement: nodes.Dump, collection: str) -> Result:
    """What DUMP gives."""
    from qql.session.dump import dumped

    engine = session.backend
    return dumped(statement, session._within_limits.call, collection, session.on_progress, engine)


def copied_to_file(session: Session, statement: nodes.CopyTo, compiled: Compiled) -> Result:
    """What COPY … TO gives."""
    from qql.session.copied_out import copied_to
    from qql.session.walks import PAGE, Walk

    def walk(one: Compiled) -> Walk:
        told = partial(session._told, one)
        return Walk(one, session._within_limits, PAGE, told, session._take_notes, nullcontext)

    inner = replace(compiled, statement=statement.statement)
    return copied_to(statement, inner, walk, partial(session._result, count=False), session.on_progress)


def explained(session: Session, statement: nodes.Explain, compiled: Compiled) -> Result:
    """What EXPLAIN gives."""
    from qql.analysis.explain import explain_compiled
    from qql.analysis.explain_json import explain_dict
    from qql.session.introspection import told

    if statement.analyze and compiled.branches:
        from qql.session.fallbacks import analysed

        return analysed(session, statement, compiled)
    if statement.analyze:
        return session._introspection(compiled).explain_analyze(statement, session.stamp(compiled))
    compiled = with_gaps(compiled, gaps_of(session.backend))
    return told([explain_compiled(compiled)], explain_dict(compiled), statement)


def models_listed(session: Session) -> Result:
    """What SHOW MODELS gives."""
    from qql.models.models_here import models_here

    rows, absent = aside(models_here, session.embedders, session.rerankers)
    if absent is None:
        return Result("rows", rows=rows)
    hint = 'pip install "qql-lang[fastembed]"'
    message = f"the models of fastembed are not among them: {absent}"
    return Result(
        "rows", rows=rows, warnings=(Diagnostic("no-models", message, hint=hint, severity="warning"),)
    )


def quota_set(session: Session, compiled: Compiled) -> Result:
    """What SET QUOTA gives."""
    from qql.session.quotas import with_kept_quotas

    request, kept = with_kept_quotas(compiled.requests[0], session.backend.call)
    result = session._send(replace(compiled, requests=(request,)), False)
    return replace(result, message=f"{result.message}{kept}")
