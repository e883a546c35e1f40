"""Prepared statements of a session: carried out with other values each time, or with many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qql import nodes
from qql.compiler.bind import Params
from qql.compiler.emit_points import operation_of
from qql.compiler.prepared import Compile, Prepared
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLCompileError, QQLError, QQLPlanError, Source, Span
from qql.records import replace
from qql.rest.request import Request, collection_path
from qql.rest.types import Json
from qql.result import Result
from qql.session.answers import result_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.session.session import Session

__all__ = ["SessionStatement"]


class SessionStatement(Prepared):
    """A prepared text of a session, which several threads may share as they may the session.

    The collection and the stages that the session has at the moment are used, and what is known of a
    collection is as old as for `Session.execute`: one that was dropped or made anew is seen.
    """

    def __init__(
        self,
        session: Session,
        source: Source,
        compile: Compile,
        reranked: Callable[[Result, Compiled], Result],
    ) -> None:
        super().__init__(source, compile)
        self._session = session
        self._reranked = reranked

    def execute(self, /, *values: Any, timeout: float | None = None, **named: Any) -> Result:
        """Carry out the one statement of the text with these values, in ``timeout`` seconds.

        Where the text has a parameter that is called ``timeout``, it is the value of that. Raises as
        `Session.execute` does.
        """
        timeout = self._own_timeout(timeout, named)
        with self._session._within(timeout):
            compiled = self._ready(self._given(values, named))
            own = self._only_own(compiled)
            for one in compiled[:-1]:
                self._session.carry_out(one)
            return self._session.carry_out(own)

    def run(self, /, *values: Any, timeout: float | None = None, **named: Any) -> list[Result]:
        """Carry out all statements of the text with these values, each in ``timeout`` seconds, as `execute`.

        Raises as `Session.run` does.
        """
        timeout = self._own_timeout(timeout, named)
        with self._session._within(timeout):
            ready = self._ready(self._given(values, named))
        return [self._session.carry_out(one, timeout=timeout) for one in ready]

    def _own_timeout(self, timeout: float | None, named: dict[str, Any]) -> float | None:
        """The time of the call; None where ``timeout`` is a parameter of the text, whose value it is."""
        if timeout is None or all(one.name != "timeout" for one in self._parameters):
            return timeout
        named["timeout"] = timeout
        return None

    def execute_many(self, rows: Iterable[Params], *, timeout: float | None = None) -> list[Result]:
        """Carry out the one statement of the text with each row of values; the results in the same order.

        A row is a mapping of names to values, or the values of each ``?``. All rows are checked first, and
        nothing is sent where one is at fault. Queries go as one batch request, and so do writes of points
        (UPSERT, UPDATE, DELETE, CLEAR): all their texts are embedded in one call of each model, and the
        server's limit for one request holds for all of it. A server carries the writes of a batch out in
        their order, but not as one: where one fails, those before it are done. The other statements
        (SCROLL, COUNT, FACET, and queries with GROUP BY, POINTS or WITH PROVENANCE) are carried out one after
        another, and so are writes whose points are to be counted; where one fails, the error has its number.

        ``timeout`` is for all of it.

        Raises as `Session.execute` does; what is wrong with the values of a row has the row's number.
        """
        with self._session._within(timeout):
            return self._executed_many(rows)

    def _executed_many(self, rows: Iterable[Params]) -> list[Result]:
        compiled = [self._row(number, values) for number, values in enumerate(rows, 1)]
        self._session._require(compiled[:1])
        batch = _batch_of(compiled, count=self._session.count) if len(compiled) > 1 else None
        if batch is None:
            return [self._carry_out(number, one) for number, one in enumerate(compiled, 1)]
        whole = self._session.carry_out(batch)
        answers = whole.data if isinstance(whole.data, list) else [whole.data] * len(compiled)
        share = whole.seconds / len(compiled)
        results = [self._result(*pair, share) for pair in zip(compiled, answers, strict=True)]
        results[0] = replace(results[0], warnings=results[0].warnings + whole.warnings)
        return results

    # -- in steps

    def _ready(self, given: Params) -> list[Compiled]:
        compiled = self._complete(given)
        self._session._require(compiled)
        return compiled

    def _only_own(self, compiled: list[Compiled]) -> Compiled:
        """The statement of the text; those of a file that it executes stand before it."""
        own = [one for one in compiled if one.source is self._source]
        if len(own) != 1:
            message = f"this takes a text of one statement, not of {len(own)}; run takes a script"
            span = own[1].span if len(own) > 1 else Span(0, 0)
            raise QQLPlanError(Diagnostic("one-statement", message, span, source=self._source))
        return own[0]

    def _row(self, number: int, values: Params) -> Compiled:
        try:
            compiled = self._complete(values)
        except QQLCompileError as exc:
            raise _numbered(exc, number) from None
        if len(compiled) > 1 and isinstance(compiled[-1].statement, nodes.Execute):
            message = "EXECUTE carries out a file; run takes it with one set of values"
            raise QQLPlanError(Diagnostic("one-statement", message, compiled[-1].span, source=self._source))
        return self._only_own(compiled)

    def _carry_out(self, number: int, compiled: Compiled) -> Result:
        try:
            return self._session.carry_out(compiled)
        except QQLError as exc:
            raise _numbered(exc, number) from exc.__cause__

    def _result(self, compiled: Compiled, answer: Json, seconds: float) -> Result:
        """The result of one row, as it would be alone."""
        result = self._reranked(result_of(compiled, answer), compiled)
        return replace(
            result,
            data=answer,
            statement=compiled.text,
            requests=compiled.requests,
            seconds=seconds,
            warnings=compiled.warnings + result.warnings,
        )


def _numbered(exc: QQLError, number: int) -> QQLError:
    """The error with the number of its row in front."""
    told = type(exc)(*(replace(one, message=f"row {number}: {one.message}") for one in exc.diagnostics))
    told.__cause__ = exc.__cause__
    return told


def _batch_of(compiled: list[Compiled], *, count: bool) -> Compiled | None:
    """The statements as one BATCH; None where they cannot go in one."""
    first = compiled[0]
    if len(first.requests) != 1:
        return None
    request = first.requests[0]
    alike = all(
        one.collection == first.collection
        and one.requests[0].route == request.route
        and one.requests[0].query == request.query
        for one in compiled
    )
    bodies = [one.requests[0].body or {} for one in compiled]
    operation = operation_of(request)
    if any(one.ignores_missing or getattr(one.written, "group", None) for one in compiled):
        return None
    if not alike or (isinstance(first.statement, nodes.Query) and first.statement.provenance is not None):
        return None
    collection = str(first.collection)
    if request.route == ("POST", "points/query"):
        path, body = collection_path(collection, "points", "query", "batch"), {"searches": bodies}
    elif operation is not None and not count:
        path, body = (
            collection_path(collection, "points", "batch"),
            {"operations": [{operation: one} for one in bodies]},
        )
    else:
        return None
    sent = Request("POST", path, request.query, body)
    # What is to be said of the statement is the same for every row: one stands for all of them.
    statement = nodes.Batch((first.statement,), span=first.statement.span)
    return replace(first, statement=statement, requests=(sent,), plan=None, warnings=())
