"""Walks: all hits of a SCROLL one by one, of a collection of any size, in pages that are not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from qql import nodes
from qql.compiler.emit_queries import emit_statement
from qql.compiler.pages import Cursor
from qql.compiler.plan import Context
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLError, QQLExecutionError, QQLPlanError, Source, Span, fail
from qql.records import replace
from qql.rest.request import Request
from qql.rest.types import Json, JsonObject
from qql.result import Hit, hits_of
from qql.session.pages import OrderedPage, past
from qql.session.strict_mode import WithinLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["PAGE", "Walk", "scroll_of"]

PAGE = 1000
"""Points that one request of a walk asks for, where nobody says."""

PointId = int | str


def scroll_of(compiled: list[Compiled], source: Source) -> Compiled:
    """The one SCROLL of a text. Raises ``one-statement``, and ``not-a-scroll`` for any other statement."""
    if len(compiled) != 1:
        span = compiled[1].span if len(compiled) > 1 else Span(0, 0)
        message = f"scroll walks the points of one SCROLL, not of {len(compiled)} statements"
        raise QQLPlanError(Diagnostic("one-statement", message, span, source=source))
    (one,) = compiled
    if not isinstance(one.written, nodes.Scroll):
        query = isinstance(one.written, nodes.Query)
        message = "scroll walks the points of a SCROLL, and this is another statement"
        hint = "SCROLL FROM … WHERE … walks all points; execute gives the best hits of a query"
        if not query:
            hint = "execute carries out one statement, run a script"
        raise QQLPlanError(Diagnostic("not-a-scroll", message, one.span, hint, source=one.source))
    return one


class Walk(Iterator[Hit]):
    """An iterator of the hits of a SCROLL; each point that is not changed meanwhile comes exactly once.

    Nothing is sent before the first hit is asked for, and of all pages one is held. ``warnings`` has what is
    to be said: what compiling told, and, from the first hit on, how many points ORDER BY leaves out.
    A point whose value of ORDER BY is changed meanwhile may come twice, or not at all. Asking for a hit
    raises as `Session.execute` does; the walk is over then. A walk is for one thread.
    """

    def __init__(
        self,
        compiled: Compiled,
        engine: WithinLimits,
        page: int,
        told: Callable[[QQLError], QQLError],
        warnings: Callable[[], tuple[Diagnostic, ...]],
        time: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """``told`` makes of an error what users see, ``warnings`` gives what a session says of the statement,
        ``time`` holds a page to the time that it has.

        Raises `QQLPlanError` (``invalid-page``) for a ``page`` that is no number of points.
        """
        if isinstance(page, bool) or not isinstance(page, int) or not 1 <= page < 2**32:
            fail("invalid-page", f"page requires a whole number of points from 1 on, not {page!r}")
        self.warnings: tuple[Diagnostic, ...] = compiled.warnings
        self._compiled = compiled
        self._engine = engine
        self._size = page
        self._told = told
        self._said = warnings
        self._time = time
        self._left: list[Hit] = []
        self._remaining: int | None = (compiled.requests[0].body or {}).get("limit")
        self._pages = self._told_pages()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Hit:
        if not self._left:
            self._left = self.next_page()
            self._left.reverse()
            if not self._left:
                raise StopIteration
        return self._left.pop()

    def next_page(self) -> list[Hit]:
        """The hits of the next page; none at the end. Raises as asking for a hit does."""
        with self._time():
            return next(self._pages, [])

    def close(self) -> None:
        """End the walk. Closing twice is allowed."""
        self._pages, self._left = iter(()), []

    def _told_pages(self) -> Iterator[list[Hit]]:
        failure: QQLError | None = None
        try:
            for points in self._of_points():
                self.warnings += self._said()
                if points:
                    yield hits_of(points)
        except QQLError as exc:
            failure = self._told(exc)
        if failure is not None:
            raise failure from failure.__cause__

    # -- page by page

    def _of_points(self) -> Iterator[list[JsonObject]]:
        statement = self._compiled.statement
        assert isinstance(statement, nodes.Scroll)
        ordered = statement.order_by is not None
        for points in self._in_order(statement) if ordered else self._by_id(statement):
            if self._remaining is not None:
                self._remaining -= len(points)
            yield points
            if self._remaining == 0:
                return

    def _by_id(self, statement: nodes.Scroll) -> Iterator[list[JsonObject]]:
        while True:
            answer = self._ask(statement)
            points = answer["points"]
            yield points
            if not points or answer.get("next_page_offset") is None:
                return
            statement = replace(statement, after=nodes.Scalar(points[-1]["id"]))

    def _in_order(self, statement: nodes.Scroll) -> Iterator[list[JsonObject]]:
        """Pages in the order of a field.

        A cursor has the ids that were seen at its value, at most about two pages of them: of a value that
        more points have, the others are walked in the order of their ids.
        """
        order = statement.order_by
        assert order is not None
        ordered = OrderedPage(self._compiled, statement, order, self._engine.call)
        cursor = ordered.given()
        if cursor is None:
            self.warnings += tuple(ordered.absent())
        while True:
            answer = self._ask(statement if cursor is None else _behind(statement, cursor))
            found = answer["points"]
            points: dict[PointId, JsonObject] = {}
            for point in found:  # one that has several values may be there more than once
                points.setdefault(point["id"], point)
            yield list(points.values())
            if cursor is not None and cursor.mode == "walk":
                over = not found or answer.get("next_page_offset") is None
                cursor = past(cursor) if over else _walked_to(cursor, found[-1]["id"])
                continue
            following = ordered.behind(cursor, found) if found else None
            if following is None or following == cursor:
                return self._require_end(order, len(found))
            many = len(following.seen) > self._size
            cursor = following._replace(mode="walk", last=None) if many else following

    def _require_end(self, order: nodes.OrderBy, found: int) -> None:
        """Raises ``no-cursor`` where an engine does not say by which values it went and more may follow."""
        if found >= self._limit():
            message = f"the engine does not say which values of `{order.name.text}` it went by"
            hint = "so there is no way on behind this page; without ORDER BY all points are walked"
            fail("no-cursor", message, order.span, hint, error=QQLExecutionError)

    def _ask(self, statement: nodes.Scroll) -> Json:
        """The answer for a page, which is a smaller one where strict mode turns out to allow no more."""
        while True:
            limit = self._limit()
            try:
                return self._engine.call(self._request(statement, limit))
            except QQLExecutionError:
                if self._limit() >= limit:
                    raise

    def _limit(self) -> int:
        """How many points the next page may have."""
        bounds = (self._size, self._remaining, self._engine.allowed(self._compiled.collection).hits)
        return min(one for one in bounds if one is not None)

    def _request(self, statement: nodes.Scroll, limit: int) -> Request:
        limited = replace(statement, limit=nodes.Scalar(limit))
        return emit_statement(limited, Context(self._compiled.collection))[0]


def _behind(statement: nodes.Scroll, cursor: Cursor) -> nodes.Scroll:
    return replace(statement, after=nodes.Scalar(cursor.text()))


def _walked_to(cursor: Cursor, last: PointId) -> Cursor:
    """The walk through a value from an id on; what stands before that need not be left out any more."""
    kept = tuple(one for one in cursor.seen if _place(one) > _place(last))
    return cursor._replace(last=last, seen=kept)


def _place(point: PointId) -> tuple[bool, int]:
    """Where an id stands: UUIDs behind all integers."""
    if isinstance(point, int):
        return False, point
    return True, int(point.replace("-", ""), 16)
