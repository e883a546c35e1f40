"""Where a page of SCROLL begins: ids, and the cursors of pages in the order of a field.

A cursor is what a page ends with and the next page takes behind AFTER. In the order of ids it is the last id
of the page. With ORDER BY it is a text that holds a `Cursor`.

Qdrant goes on by value: ``start_from``, which includes the value itself. Points of one value come in no
certain order, and one that has several values comes once for each. So what was seen is left out: by id where
the page before ended with the same value, and by range where a point has a value of the pages before. Of
values that many points have, the points are walked in the order of their ids.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

from qql import nodes
from qql.compiler.guards import is_id
from qql.compiler.scalars import point_id, scalar_value
from qql.errors import Span, fail, shown
from qql.nodes.holes import Hole, Slot
from qql.records import NamedTuple
from qql.rest.limits import U64
from qql.rest.types import Body, Json, JsonObject

__all__ = ["Cursor", "begin_page", "narrowed", "without_value"]

PointId = int | str

_VERSION = "qql1."
_AGAIN = "run the same statement with what `next` of the page before gave; without AFTER it begins anew"


class Cursor(NamedTuple):
    """A place in the order of a field.

    ``start`` is the START FROM of the statement. ``kind`` is the type of the field's index, ``""`` where it
    is not known. ``value`` is the last that was seen; dates are microseconds since 1970.

    ``mode`` says what comes next: with ``at``, the points that begin at the value or behind it, without those
    of the ids ``seen``; with ``walk``, those of exactly this value, by their ids and behind the id ``last``;
    with ``past``, those behind the value.
    """

    collection: str
    key: str
    direction: str
    start: int | float | str | None
    kind: str
    mode: str
    value: int | float
    seen: tuple[PointId, ...] = ()
    last: PointId | None = None

    def text(self) -> str:
        """The cursor as a text without spaces or quotes: ``qql1.`` and base64, with a checksum."""
        import base64
        import json
        import zlib

        first: list[Json] = [self.collection, self.key, self.direction, self.start, self.kind]
        parts = [*first, self.mode, self.value, self.seen, self.last]
        data = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        whole = zlib.crc32(data).to_bytes(4, "big") + data
        return _VERSION + base64.urlsafe_b64encode(whole).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, span: Span) -> Cursor:
        """From the text of `text`. Raises `QQLPlanError` (``bad-after``) for one that is damaged."""
        import base64
        import json
        import zlib

        if not text.startswith(_VERSION):
            fail("bad-after", "this is a cursor of another version of QQL", span, _AGAIN)
        encoded = text[len(_VERSION) :]
        try:
            whole = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            intact = zlib.crc32(whole[4:]).to_bytes(4, "big") == whole[:4]
            parts: Json = json.loads(whole[4:]) if intact else None
        except (ValueError, RecursionError):
            parts = None
        if not _is_cursor(parts):
            message = "this cursor is damaged: a part of it is missing, or was changed"
            fail("bad-after", message, span, _AGAIN)
        collection, key, direction, start, kind, mode, value, seen, last = parts
        return cls(collection, key, direction, start, kind, mode, value, tuple(seen), last)


def _is_cursor(parts: Json) -> bool:
    if not isinstance(parts, list) or len(parts) != 9:
        return False
    collection, key, direction, start, kind, mode, value, seen, last = parts
    return (
        all(isinstance(one, str) for one in (collection, key, kind))
        and direction in ("asc", "desc")
        and (start is None or isinstance(start, str) or _is_number(start))
        and mode in ("at", "walk", "past")
        and _is_number(value)
        and isinstance(seen, list)
        and all(_is_id(one) for one in seen)
        and (last is None or _is_id(last))
    )


def _is_number(value: Json) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and -(2**63) <= value <= U64
    return isinstance(value, float) and math.isfinite(value)


def _is_id(value: Json) -> bool:
    if isinstance(value, str):
        return nodes.is_uuid(value)
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= U64


# ------------------------------------------------------------------------------------ AFTER


def begin_page(body: Body, after: nodes.Scalar | None, collection: str) -> JsonObject:
    """The body of a scroll, made to begin behind what AFTER gives; null is the first page.

    Raises `QQLPlanError`: ``after-with-order`` for an id beside ORDER BY, and for the cursor of an order
    without; ``bad-after`` for a cursor of another statement; ``invalid-point-id``.
    """
    if after is not None and isinstance(after.value, Hole) and "order_by" not in body:
        return {**body, "offset": Slot(after.value, _has_following, _following)}
    value = None if after is None else scalar_value(after)
    if after is None or value is None:
        return dict(body)
    ordered, is_cursor = "order_by" in body, _is_cursor_text(value)
    if ordered and not is_cursor:
        key = body["order_by"]["key"]
        message = f"AFTER {shown(value)} is no place in the order of `{key}`"
        hint = "AFTER takes `next` of the page before; without ORDER BY it takes an id"
        fail("after-with-order", message, after.span, hint)
    if is_cursor and not ordered:
        key = Cursor.read(str(value), after.span).key
        message = f"this cursor goes on in the order of `{key}`, and the statement has none"
        fail("after-with-order", message, after.span, f"ORDER BY {key}, as in the page before")
    if not ordered:
        return _behind_id(body, point_id(after))
    cursor = Cursor.read(str(value), after.span)
    _check_place(cursor, body["order_by"], collection, after.span)
    return _behind_cursor(body, cursor)


def _is_cursor_text(value: Json) -> bool:
    """Whether it begins as the cursors of any version do."""
    begins = value.partition(".")[0] if isinstance(value, str) and "." in value else ""
    return begins.startswith("qql") and begins[3:].isdigit()


def _check_place(cursor: Cursor, order: Body, collection: str, span: Span) -> None:
    """Raises `QQLPlanError` for the cursor of another statement: its value would mean nothing here."""
    made = _order_text(cursor.collection, cursor.key, cursor.direction, cursor.start)
    here = _order_text(collection, order["key"], order["direction"], order.get("start_from"))
    if made != here:
        message = f"this cursor goes on in another order: {made}; the statement has {here}"
        fail("bad-after", message, span, _AGAIN)


def _order_text(collection: str, key: str, direction: str, start: Json) -> str:
    from qql.syntax.printer import show

    begins = "" if start is None else f" START FROM {show(start)}"
    return f"FROM {show(nodes.Name(collection))} ORDER BY {show(nodes.Name(key))} {direction.upper()}{begins}"


def _behind_id(body: Body, last: PointId) -> JsonObject:
    """Qdrant's ``offset`` is the first id of a page."""
    following = _following(last)
    if following is not None:
        return {**body, "offset": following}
    # No id stands behind the last one: a page that begins with it, and leaves it out.
    return {**narrowed(body, without=[{"has_id": [last]}]), "offset": last}


def _following(last: PointId) -> PointId | None:
    """The id behind an id, None behind the last. UUIDs stand behind all integers."""
    import uuid

    if isinstance(last, int):
        return last + 1 if last < U64 else str(uuid.UUID(int=0))
    number = uuid.UUID(last).int
    return str(uuid.UUID(int=number + 1)) if number < 2**128 - 1 else None


def _has_following(value: Json) -> bool:
    return is_id(value) and _following(value) is not None


def _behind_cursor(body: Body, cursor: Cursor) -> JsonObject:
    """The body with what the cursor says: START FROM and what to leave out, or the walk through a value."""
    without = _before(cursor)
    if cursor.seen:
        without.append({"has_id": [*cursor.seen]})
    if cursor.mode != "walk":
        found = narrowed(body, without=without)
        return {**found, "order_by": {**body["order_by"], "start_from": _start(cursor)}}
    found = narrowed(body, also=_equal(cursor), without=without)
    del found["order_by"]
    return found if cursor.last is None else _behind_id(found, cursor.last)


def _start(cursor: Cursor) -> int | float:
    """START FROM, which Qdrant reads as a 64-bit float: the cursor's value, or the float before it."""
    if not _is_between_floats(cursor.value):
        return cursor.value
    return float(_next_float(int(cursor.value), -math.inf if cursor.direction == "asc" else math.inf))


# ------------------------------------------------------------------------------------ filters


def narrowed(body: Body, *, also: Iterable[Body] = (), without: Iterable[Body] = ()) -> JsonObject:
    """A body whose filter also asks for all of ``also`` and none of ``without``.

    As behind AND: alternatives stay together in one condition.
    """
    filtered: JsonObject = dict(body.get("filter") or {})
    if not filtered.keys() <= {"must", "must_not"}:
        filtered = {"must": [filtered]}
    for clause, added in (("must", [*also]), ("must_not", [*without])):
        if added:
            filtered[clause] = [*filtered.get(clause, ()), *added]
    return {**body, "filter": filtered} if filtered else dict(body)


def without_value(key: str) -> list[JsonObject]:
    """Conditions of which a point satisfies none where it has no value that ORDER BY can go by."""
    ranges = ({"gte": -sys.float_info.max}, {"gte": "0001-01-01T00:00:00Z"})
    return [{"key": key, "range": one} for one in ranges]


_Bound = tuple[Json, bool] | None
"""The end of an interval: a value, and whether it belongs to it. None: there is no end."""


def _before(cursor: Cursor) -> list[JsonObject]:
    """Conditions of which a point satisfies one where a page before had it."""
    first: _Bound = None if cursor.start is None else (cursor.start, True)
    last: _Bound = (cursor.value, cursor.mode == "past")
    if cursor.direction == "desc":
        first, last = last, first
    return _inside(cursor, first, last)


def _equal(cursor: Cursor) -> list[JsonObject]:
    only: _Bound = (cursor.value, True)
    found = _inside(cursor, only, only) or _range(cursor.key, only, only)
    return found if len(found) == 1 else [{"should": found}]


def _inside(cursor: Cursor, low: _Bound, high: _Bound) -> list[JsonObject]:
    """Conditions of which a point satisfies one where it has a value within the bounds."""
    values = [bound[0] for bound in (low, high) if bound is not None]
    dates = [_date(value) for value in values]
    found: list[JsonObject] = []
    if cursor.kind != "datetime" and not any(isinstance(value, str) for value in values):
        found += _range(cursor.key, low, high) if cursor.kind == "float" else _numbers(cursor, low, high)
    # Local mode knows no type of a field: what it goes by there may be numbers, dates or both.
    may_be_dates = cursor.kind in ("datetime", "") and isinstance(cursor.value, int)
    if may_be_dates and None not in dates:
        return found + _range(cursor.key, low and (_date(low[0]), low[1]), high and (_date(high[0]), high[1]))
    return found if cursor.kind != "datetime" else _range(cursor.key, low, high)


def _range(key: str, low: _Bound, high: _Bound) -> list[JsonObject]:
    found: JsonObject = {}
    if high is not None:
        found["lte" if high[1] else "lt"] = high[0]
    if low is not None:
        found["gte" if low[1] else "gt"] = low[0]
    return [{"key": key, "range": found}]


def _numbers(cursor: Cursor, low: _Bound, high: _Bound) -> list[JsonObject]:
    """A range, whose bounds are 64-bit floats for Qdrant; integers between two floats stand beside it."""
    singles: list[range] = []
    if low is not None and _is_between_floats(low[0]):
        first = int(low[0]) + (not low[1])
        low = (_next_float(first, math.inf), True)
        singles.append(range(first, low[0]))
    if high is not None and _is_between_floats(high[0]):
        last = int(high[0]) - (not high[1])
        high = (_next_float(last, -math.inf), True)
        singles.append(range(high[0] + 1, last + 1))
    if len(singles) == 2 and low is not None and high is not None and low[0] > high[0]:
        only = range(singles[0].start, singles[1].stop)
        return [_one_of(cursor.key, only)] if only else []
    reached = cursor.kind != "integer" or low is None or low[0] < _BEHIND_INTEGERS
    found = _range(cursor.key, low, high) if reached else []
    return found + [_one_of(cursor.key, one) for one in singles if one]


_BEHIND_INTEGERS = 2**63
"""As the lower bound of a range, an index of integers takes it for the largest of them."""


def _is_between_floats(value: Json) -> bool:
    return isinstance(value, int) and int(float(value)) != value


def _next_float(number: int, towards: float) -> int:
    """The nearest integer that a float can be, from this one on in the direction."""
    near = float(number)
    wrong_side = near < number if towards > 0 else near > number
    return int(math.nextafter(near, towards) if wrong_side else near)


def _one_of(key: str, values: range) -> JsonObject:
    return {"key": key, "match": {"value": values[0]} if len(values) == 1 else {"any": [*values]}}


def _date(value: Json) -> Json:
    """Microseconds since 1970 as a date; None where there is no such date. A text is one already."""
    from datetime import datetime, timedelta

    if isinstance(value, str):
        return value
    try:
        return (datetime(1970, 1, 1) + timedelta(microseconds=int(value))).isoformat() + "Z"
    except OverflowError:
        return None
