"""Payloads in one order, whatever the transport.

Over gRPC a payload is a map without an order, on the way to a server and back, so that the columns of a point
come in another order each time. So its keys are put in the order of their names, over REST too.
"""

from __future__ import annotations

from qql.rest.types import Json, JsonObject

__all__ = ["POINTS", "with_ordered_payloads"]

POINTS = frozenset(
    ("POST", path)
    for path in ("points", "points/scroll", "points/query", "points/query/batch", "points/query/groups")
)
"""The routes whose answers have payloads."""

_HOLDS_POINTS = ("points", "groups", "hits", "lookup")


_Orders = dict[tuple[str, ...], list[str]]
"""Names as they came → the same names in order. The points of an answer mostly have the same."""


def with_ordered_payloads(answer: Json) -> Json:
    """The answer to a read: points, a page of them, groups, several of these. Changes it."""
    _order_below(answer, {})
    return answer


def _order_below(answer: Json, orders: _Orders) -> None:
    if isinstance(answer, list):
        for one in answer:
            _order_below(one, orders)
    elif isinstance(answer, dict):
        if "id" in answer and isinstance(payload := answer.get("payload"), dict):
            answer["payload"] = _by_name(payload, orders)
        for key in _HOLDS_POINTS:
            if key in answer:
                _order_below(answer[key], orders)


def _by_name(value: JsonObject, orders: _Orders) -> JsonObject:
    names = (*value,)
    ordered = orders.get(names)
    if ordered is None:
        ordered = orders[names] = sorted(names)
    out = {name: value[name] for name in ordered}
    if not _HAVE_NAMES.isdisjoint(map(type, out.values())):
        for name, one in out.items():
            if type(one) in _HAVE_NAMES:
                out[name] = _inner(one, orders)
    return out


def _inner(value: Json, orders: _Orders) -> Json:
    """What stands in a payload: objects in lists have an order, too."""
    if isinstance(value, dict):
        return _by_name(value, orders)
    if isinstance(value, list) and not _HAVE_NAMES.isdisjoint(map(type, value)):
        return [_inner(one, orders) for one in value]
    return value


_HAVE_NAMES = frozenset((dict, list))
