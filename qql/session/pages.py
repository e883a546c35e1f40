"""A page of SCROLL and what comes next: a page in the order of a field may take several requests."""

from __future__ import annotations

from collections.abc import Callable

from qql import nodes
from qql.compiler.emit_queries import emit_statement
from qql.compiler.emit_targets import order_of
from qql.compiler.pages import Cursor, narrowed, without_value
from qql.compiler.plan import Context
from qql.compiler.scalars import scalar_value
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLExecutionError, many
from qql.records import dataclass, field, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject

__all__ = ["OrderedPage", "Page", "page_of", "past"]

_MOST_SEEN = 16
"""Ids that a cursor holds of those that were seen at its value; more points of one value are walked by id."""
_COUNTED_AT_ONCE = 1_000_000
"""Points of a collection up to which those without a value are counted at once: it takes about 0.1 s."""
_KINDS = ("integer", "float", "datetime")
"""The types of index that ORDER BY goes by."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of points: the answer that they stand in, what AFTER takes for the next one, and warnings."""

    answer: Json
    next: int | str | None
    warnings: tuple[Diagnostic, ...] = ()


def page_of(compiled: Compiled, answer: Json, call: Callable[[Request], Json]) -> Page:
    """The page that begins with the answer to the request of a SCROLL; ``call`` sends more of them.

    In the order of ids an answer is a page. With ORDER BY, each point stands on it once, and as many as
    LIMIT asks for are on it as long as there are. ``next`` is None where none is left. Raises what ``call``
    raises.
    """
    written = compiled.written
    if isinstance(written, nodes.Scroll) and written.order_by is None:
        points = answer["points"]
        more = points and answer.get("next_page_offset") is not None
        return Page(answer, points[-1]["id"] if more else None)
    statement = compiled.statement
    assert isinstance(statement, nodes.Scroll)
    assert statement.order_by is not None
    return OrderedPage(compiled, statement, statement.order_by, call).page(answer)


@dataclass(slots=True)
class OrderedPage:
    """A page in the order of a field while it is filled."""

    compiled: Compiled
    statement: nodes.Scroll
    order: nodes.OrderBy
    call: Callable[[Request], Json]
    points: list[JsonObject] = field(default_factory=list)
    ids: set[int | str] = field(default_factory=set)
    unknown: bool = False
    """Whether the engine did not say where the page ends."""

    def page(self, answer: Json) -> Page:
        """All of the page, from the answer to its first request on."""
        given = self.given()
        limit = (self.compiled.requests[0].body or {}).get("limit", DEFAULT_LIMIT)
        cursor = self._take(given, answer, limit)
        while cursor is not None and len(self.points) < limit:
            cursor = self._lightened(cursor, given)
            wanted = limit - len(self.points)
            cursor = self._take(cursor, self._ask(cursor, wanted), wanted)
        if cursor is not None:
            cursor = self._with_more_behind(self._walked(cursor, given))
        warnings = [self._without_cursor()] if self.unknown else []
        warnings += self.absent() if given is None else []
        shown = answer if self.points == answer["points"] else {**answer, "points": self.points}
        return Page(shown, None if cursor is None else cursor.text(), tuple(warnings))

    def given(self) -> Cursor | None:
        """The cursor behind AFTER; None for the first page."""
        after = self.statement.after
        value = None if after is None else scalar_value(after)
        return None if after is None or value is None else Cursor.read(str(value), after.span)

    def _ask(self, cursor: Cursor, limit: int) -> Json:
        return self.call(self._request(cursor, limit))

    def _request(self, cursor: Cursor, limit: int) -> Request:
        behind = replace(self.statement, after=nodes.Scalar(cursor.text()), limit=nodes.Scalar(limit))
        return emit_statement(behind, Context(self.compiled.collection))[0]

    def _take(self, cursor: Cursor | None, answer: Json, wanted: int) -> Cursor | None:
        """Adds the new points of the answer to a request that began at the cursor; gives the next cursor.

        None says that nothing is left. Each cursor is behind the one before, so that an end is reached.
        """
        found = answer["points"]
        for point in found:
            if point["id"] not in self.ids:
                self.ids.add(point["id"])
                self.points.append(point)
        if cursor is not None and cursor.mode == "walk":
            if answer.get("next_page_offset") is None or not found:
                return past(cursor)
            return cursor._replace(last=found[-1]["id"])
        if not found:  # fewer than were asked for are no end: the engine may drop twins of one point
            return None
        following = self.behind(cursor, found)
        if following is None or following == cursor:
            self.unknown = len(found) >= wanted
            return None
        return following

    def behind(self, cursor: Cursor | None, found: list[JsonObject]) -> Cursor | None:
        """The cursor behind points that came in the order of the field; None where they do not say theirs."""
        value = found[-1].get("order_value")
        if not isinstance(value, (int, float)):
            return None
        seen = [point["id"] for point in found if point.get("order_value") == value]
        if cursor is None:
            cursor = self._first_cursor(value)
        elif cursor.mode == "at" and cursor.value == value:
            seen = [*cursor.seen, *seen]
        elif value <= cursor.value if cursor.direction == "asc" else value >= cursor.value:
            return None  # an engine that does not keep to the request would be asked for ever
        return cursor._replace(mode="at", value=value, seen=tuple(dict.fromkeys(seen)))

    def _first_cursor(self, value: int | float) -> Cursor:
        order = order_of(self.order)
        schema = self.compiled.schema
        kind = schema.indexes.get(order["key"], "") if schema else ""
        return Cursor(
            str(self.compiled.collection),
            order["key"],
            order["direction"],
            order.get("start_from"),
            kind if kind in _KINDS else "",
            "at",
            value,
        )

    def _tied(self, cursor: Cursor, given: Cursor | None) -> tuple[Cursor, int]:
        """The walk through all points of a value that no page before had; how many are on this one."""
        before = given.seen if given and given.mode == "at" and given.value == cursor.value else ()
        count = 0
        while count < len(self.points) and self.points[-1 - count].get("order_value") == cursor.value:
            count += 1
        return cursor._replace(mode="walk", seen=before, last=None), count

    def _lightened(self, cursor: Cursor, given: Cursor | None) -> Cursor:
        """The cursor to go on with on the same page: as `_walked`, or past a value of which none is left."""
        if cursor.mode != "at" or len(cursor.seen) <= _MOST_SEEN:
            return cursor
        walk, count = self._tied(cursor, given)
        all_are_there = self._count(self._request(walk, 1)) <= count
        return past(cursor) if all_are_there else self._walked(cursor, given)

    def _walked(self, cursor: Cursor, given: Cursor | None) -> Cursor:
        """The cursor, or one in the order of ids where it would hold many.

        Then the last points of the page, which all have one value, are asked for once more, by their ids.
        """
        walk, count = self._tied(cursor, given)
        if cursor.mode != "at" or len(cursor.seen) <= _MOST_SEEN or not count:
            return cursor
        for point in self.points[-count:]:
            self.ids.discard(point["id"])
        del self.points[-count:]
        return self._take(walk, self._ask(walk, count), count) or past(walk)

    def _count(self, request: Request, *, without: list[JsonObject] | None = None) -> int:
        """How many points the filter of a request lets through."""
        kept = {key: value for key, value in (request.body or {}).items() if key in ("filter", "shard_key")}
        body = narrowed(kept, without=without or ()) | {"exact": True}
        path = collection_path(str(self.compiled.collection), "points", "count")
        return int(self.call(Request("POST", path, request.query, body))["count"])

    def _with_more_behind(self, cursor: Cursor) -> Cursor | None:
        """The cursor where points stand behind it, else None."""
        request = self._request(cursor, 1)
        bare = {**(request.body or {}), "with_payload": False, "with_vector": False}
        if self.call(replace(request, body=bare))["points"]:
            return cursor
        return self._with_more_behind(past(cursor)) if cursor.mode == "walk" else None

    # -- what is said

    def _without_cursor(self) -> Diagnostic:
        message = f"the engine does not say which values of `{self.order.name.text}` it went by"
        hint = "so there is no `next`, though more points may follow"
        return Diagnostic("no-cursor", message, self.order.span, hint, severity="warning")

    def absent(self) -> list[Diagnostic]:
        """How many points ORDER BY leaves out, where it does."""
        name = str(self.order.name.text)
        try:
            whole, valued = self.compiled.requests[0], without_value(name)
            count = 0 if self._all_indexed() else self._count(whole, without=valued)
        except QQLExecutionError as exc:  # the page itself is there
            message = f"points without `{name}` are absent, and cannot be counted: {exc.diagnostic.message}"
            return [Diagnostic("absent-points", message, self.order.span, severity="warning")]
        if not count:
            return []
        have, they = ("has", "it is") if count == 1 else ("have", "they are")
        message = f"{many(count, 'point')} {have} no `{name}` to order by, so {they} absent"
        hint = "without ORDER BY all points are there"
        return [Diagnostic("absent-points", message, self.order.span, hint, severity="warning")]

    def _all_indexed(self) -> bool:
        """Whether the index has all points, so that none need be counted; asked of large collections only."""
        schema = self.compiled.schema
        if schema is None or (schema.points or 0) <= _COUNTED_AT_ONCE:
            return False
        info = self.call(Request("GET", collection_path(str(self.compiled.collection))))
        index = (info.get("payload_schema") or {}).get(str(self.order.name.text)) or {}
        return int(index.get("points") or 0) >= int(info.get("points_count") or 0)


def past(cursor: Cursor) -> Cursor:
    """The cursor behind all points of its value."""
    return cursor._replace(mode="past", seen=(), last=None)
