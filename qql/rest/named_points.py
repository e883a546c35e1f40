"""The points that a query names by their ids: since 1.10, Qdrant leaves them out of all its stages.

Qdrant puts them into the filter of the root, which holds for all that search (``exclude_referenced_ids`` in
its ``collection_query.rs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qql.rest.inference_objects import inputs_of_query
from qql.rest.types import Body, Json, JsonObject

__all__ = ["all_named_points", "named_points", "without_named_points"]


def named_points(body: Body, collection: str) -> list[int | str]:
    """The points of the collection that a stage itself names: not those of LOOKUP FROM another one."""
    lookup = body.get("lookup_from")
    if lookup and lookup.get("collection") != collection:
        return []
    query = body.get("query")
    inputs = inputs_of_query(query) if isinstance(query, Mapping) else [query]
    named = (one for one in inputs if isinstance(one, int | str) and not isinstance(one, bool))
    return list(dict.fromkeys(named))


def all_named_points(body: Body, collection: str) -> list[int | str]:
    """Those that a query and the stages below it name. A loop, not recursion: prefetches nest deeply."""
    found: dict[int | str, None] = {}
    todo = [body]
    while todo:
        stage = todo.pop()
        found |= dict.fromkeys(named_points(stage, collection))
        todo += reversed([*_prefetches(stage)])
    return list(found)


def _prefetches(body: Body) -> Iterator[Body]:
    inner: Json = body.get("prefetch") or ()
    yield from [inner] if isinstance(inner, Mapping) else inner


def without_named_points(body: Body, collection: str) -> JsonObject:
    """The body, for an engine that does not leave them out of all stages by itself."""
    named = all_named_points(body, collection)
    if not named:
        return dict(body)
    given = body.get("filter")
    return {**body, "filter": {**({"must": [given]} if given else {}), "must_not": [{"has_id": named}]}}
