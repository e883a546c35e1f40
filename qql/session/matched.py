"""How many points a write means: they are counted before it, as its answer does not say it."""

from __future__ import annotations

from collections.abc import Callable

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLError
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json, JsonObject

__all__ = ["count_matched", "counting_request"]


def count_matched(
    compiled: Compiled, call: Callable[[Request], Json]
) -> tuple[int | None, tuple[Diagnostic, ...]]:
    """How many points match; None for a statement that is not counted, or cannot be.

    That they cannot be counted (a server may refuse it, or take too long) is a warning: the write goes on.
    """
    info = nodes.STATEMENTS[type(compiled.statement)]
    if not info.counts_points or not compiled.requests:
        return None, ()
    try:
        return int(call(counting_request(compiled.requests[0]))["count"]), ()
    except QQLError as exc:
        message = f"how many points matched is not known: {exc.message}"
        return None, (Diagnostic("not-counted", message, severity="warning"),)


def counting_request(write: Request) -> Request:
    """The exact COUNT of the points that a write is sent for: by its filter, or by its ids, each once."""
    body = write.body or {}
    found: JsonObject = {"filter": _points_meant(body), "exact": True}
    if "shard_key" in body:
        found["shard_key"] = body["shard_key"]
    return Request("POST", collection_path(write.collection or "", "points", "count"), {}, found)


def _points_meant(body: Body) -> Json:
    if "points" not in body:
        return body["filter"]
    ids = [point["id"] if isinstance(point, dict) else point for point in body["points"]]
    conditions: list[Json] = [{"has_id": list(dict.fromkeys(ids))}]
    if "update_filter" in body:
        conditions.append(body["update_filter"])
    return {"must": conditions}
