"""Queries of a `run` that stand side by side: a server gets them in one request.

Only who waits for all results has any use for it, so `stream` and the command go statement by statement. Each
result, warning and error is as it would be alone: where the server refuses the whole, or is late with it, its
queries are sent one by one, so those before the one at fault are carried out, and the error is its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import QQLConnectionError, QQLError, QQLTimeoutError
from qql.rest.request import Request, collection_path
from qql.rest.types import Json
from qql.result import Result, amended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["carried_out_together"]

_QUERY = ("POST", "points/query")
_MOST = 16
"""Queries in one request: they share the time that a server has for one."""


def carried_out_together(
    session: Session, statements: Iterable[Compiled], count: bool | None
) -> Iterator[Result]:
    """The result of each statement. Raises as `Session.run` does."""
    together = session.backend.name == "server"
    for group in _groups(statements, together):
        answers = _answers(session, group) if len(group) > 1 else None
        if answers is None:
            yield from (session.carry_out(one, count=count) for one in group)
            continue
        share = answers.seconds / len(group)
        for one, answer in zip(group, answers.found, strict=True):
            session._answered[id(one)] = answer
            try:
                result = session.carry_out(one, count=count)
            finally:
                session._answered.pop(id(one), None)
            yield amended(result, seconds=result.seconds + share)


def _groups(statements: Iterable[Compiled], together: bool) -> Iterator[list[Compiled]]:
    """The statements, several of them where they may go in one request."""
    group: list[Compiled] = []
    for one in statements:
        if group and not (together and len(group) < _MOST and _alike(group[0], one)):
            yield group
            group = []
        group.append(one)
        if not (together and _may_go_along(one)):  # it is carried out before the next one is looked at
            yield group
            group = []
    if group:
        yield group


def _may_go_along(one: Compiled) -> bool:
    written = one.written
    if not isinstance(written, nodes.Query) or written.provenance is not None:
        return False
    if one.ignores_missing or written.group is not None:
        return False
    return len(one.requests) == 1 and one.requests[0].route == _QUERY


def _alike(first: Compiled, one: Compiled) -> bool:
    """Whether a statement may go with the first of a group: its collection and its PARAMS are the same."""
    same = _may_go_along(one) and one.collection == first.collection
    return same and one.requests[0].query == first.requests[0].query


class _Answers:
    def __init__(self, found: list[Json], seconds: float) -> None:
        self.found, self.seconds = found, seconds


def _answers(session: Session, group: list[Compiled]) -> _Answers | None:
    """The answers to a group in one request; None where they have to be asked for one by one."""
    started = time.perf_counter()
    try:
        requests = [session._embedded(one.requests[0], one) for one in group]
        path = collection_path(str(group[0].collection), "points", "query", "batch")
        batch = Request("POST", path, requests[0].query, {"searches": [one.body or {} for one in requests]})
        [found] = session._sent(session.backend.call, group[0], [batch])
    except QQLError as exc:
        if isinstance(exc, QQLConnectionError) and not isinstance(exc, QQLTimeoutError):
            raise session._told(group[0], exc) from exc.__cause__
        return None
    return _Answers(found, time.perf_counter() - started)
