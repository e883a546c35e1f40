"""Answers over gRPC as REST gives them, where messages say less or say it in no order."""

from __future__ import annotations

from collections.abc import Iterable

from qql.rest.request import Request
from qql.rest.types import Body, Json, JsonObject

__all__ = ["as_over_rest"]


def as_over_rest(answer: Json, request: Request) -> Json:
    """The answer, with payloads as they were asked for and the settings of a collection in their order.

    A message has no payload where there is none and where it is empty; what was asked for tells them apart.
    And it keeps named things in no order: over REST a server lists vectors by their names. Changes the
    answer.
    """
    body = request.body or {}
    match request.route:
        case ("GET", ""):
            _put_in_order(answer)
        case ("POST", "points"):
            _complete_payloads(answer, body, unsaid=True)
        case ("POST", "points/scroll"):
            _complete_payloads(answer["points"], body, unsaid=True)
        case ("POST", "points/query"):
            _complete_payloads(answer["points"], body, unsaid=False)
        case ("POST", "points/query/batch"):
            for one, search in zip(answer, body["searches"], strict=True):
                _complete_payloads(one["points"], search, unsaid=False)
        case ("POST", "points/query/groups"):
            for group in answer["groups"]:
                _complete_payloads(group["hits"], body, unsaid=False)
    return answer


def _complete_payloads(points: Iterable[JsonObject], body: Body, *, unsaid: bool) -> None:
    """``unsaid`` is whether payloads are given where the request says nothing of them."""
    wanted = body.get("with_payload")
    if wanted is None:
        wanted = unsaid
    for point in points:
        if not point.get("payload"):
            point.pop("payload", None)
            if wanted is not False:
                point["payload"] = {}


def _put_in_order(info: JsonObject) -> None:
    params = info.get("config", {}).get("params", {})
    for holder, key in ((params, "vectors"), (params, "sparse_vectors"), (info, "payload_schema")):
        named = holder.get(key)
        if named and "size" not in named:  # an unnamed vector's settings have an order of their own
            holder[key] = dict(sorted(named.items()))
