"""IGNORE MISSING carried out: examples that do not exist are looked for before the query is sent."""

from __future__ import annotations

from uuid import UUID

from qql import nodes
from qql.compiler.absent_examples import Place, named_examples, plan_without, query_without
from qql.compiler.emit_queries import emit_query
from qql.compiler.scalars import shard_key
from qql.compiler.script import Compiled
from qql.errors import Diagnostic
from qql.records import replace
from qql.rest.request import Request, collection_path
from qql.rest.types import JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from qql.session.session import Session

__all__ = ["with_examples_there"]


def with_examples_there(session: Session, compiled: Compiled) -> Compiled:
    """A statement whose query names no example that does not exist, with a warning that says which did.

    Each collection that examples are in is asked once. Raises `QQLExecutionError` (``unknown-point``) where
    too few are left, and what the engine raises.
    """
    plan = compiled.plan
    assert plan is not None, "only queries have examples"
    absent: dict[Place, set[int | str]] = {}
    for place, ids in named_examples(plan).items():
        collection, shard = place
        body: JsonObject = {"ids": [*ids], "with_payload": False, "with_vector": False}
        if shard is not None:
            body["shard_key"] = shard_key(shard)
        answer = session.ask(Request("POST", collection_path(collection, "points"), {}, body))
        there = {_id(point["id"]) for point in answer}
        gone = {key for key in ids if _id(key) not in there}
        if gone:
            absent[place] = gone
    found = plan_without(plan, absent)
    said = _said(absent, compiled, {place: list(ids) for place, ids in named_examples(plan).items()})
    return replace(
        compiled,
        statement=_changed(session, compiled.statement, {key for keys in absent.values() for key in keys}),
        plan=found,
        requests=(emit_query(found),),
        warnings=(*compiled.warnings, *said),
    )


def _id(key: int | str) -> int | str:
    """An id as engines write it: a UUID has several spellings."""
    return str(UUID(key)) if isinstance(key, str) else key


def _said(
    absent: Mapping[Place, set[int | str]], compiled: Compiled, named: Mapping[Place, list[int | str]]
) -> list[Diagnostic]:
    """``left out, as there is no such point in `docs`: 98, 99``."""
    found = []
    for place, gone in absent.items():
        ids = ", ".join(str(key) for key in named[place] if key in gone)
        message = f"left out, as `{place[0]}` has no such point: {ids}"
        one = Diagnostic("missing-examples", message, compiled.span, severity="warning")
        found.append(one.at(compiled.source, compiled.span))
    return found


def _changed(session: Session, statement: nodes.Statement, absent: set[int | str]) -> nodes.Statement:
    """The tree, too: WHY changes it, and plans what it has changed. It has no stages of DEFINE then."""
    if isinstance(statement, (nodes.Explain, nodes.Why, nodes.CopyTo)):
        return replace(statement, statement=_changed(session, statement.statement, absent))
    if not isinstance(statement, nodes.Query):
        return statement
    if session.context.stages:
        from qql.analysis.query_edits import with_stages

        statement = with_stages(statement, session.context.stages.values())
    return query_without(statement, absent)
