"""POST …/points/query/groups, which the binding lacks: queries with growing limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qql.errors import QQLExecutionError

from .catalogue import Collection
from .checks import integer, mapping, point_id, refuse, text
from .queries import QueryReader, with_payload, with_vector
from .results import plain_id, record

__all__ = ["query_groups", "values_at"]

_U32 = 2**32 - 1
_LIMIT, _GROUP_SIZE = 10, 3  # the server's defaults
_PATH = re.compile(r'(?:^|\.)(?:"([^"]+)"|([A-Za-z0-9_-]+))|\[(\d*)\]')


def query_groups(collection: Collection, reader: QueryReader, body: Any, find: Any) -> dict[str, Any]:
    """``{"groups": [{"id", "hits"[, "lookup"]}]}``: the best groups, each with its best points.

    As on the server, points without the field do not take part, and the limits of prefetches are
    multiplied by the group size. A point whose field holds several values is in several groups; one
    of whose values is neither a string nor an integer is in none.
    """
    given = mapping(body, "the query")
    field = text(given.get("group_by"), "group_by")
    limit = integer(1, _U32)(given.get("limit", _LIMIT), "limit")
    size = integer(1, _U32)(given.get("group_size", _GROUP_SIZE), "group_size")
    shown = {
        "with_payload": with_payload(given.get("with_payload", False), "with_payload"),
        "with_vector": with_vector(collection)(given.get("with_vector", False), "with_vector"),
    }
    lookup = _lookup(given.get("with_lookup"), find)
    query = {key: value for key, value in given.items() if key not in _OWN}
    query["filter"] = {
        "must": [query["filter"]] if "filter" in query else [],
        "must_not": [{"is_empty": {"key": field}}],
    }
    if "prefetch" in query:
        query["prefetch"] = _wider(query["prefetch"], size)
    groups = _full_groups(collection, reader, query, field, limit, size)
    parts = _parts(collection, groups, shown)
    out = []
    for value, hits in groups.items():
        group: dict[str, Any] = {"id": value, "hits": [_hit(hit, parts) for hit in hits]}
        found = lookup(value) if lookup is not None else None
        if found is not None:
            group["lookup"] = found
        out.append(group)
    return {"groups": out}


def _hit(found: Any, parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    identity = plain_id(found.id)
    return {"id": identity, "version": found.version, "score": found.score} | parts.get(str(identity), {})


_OWN = {"group_by", "limit", "group_size", "with_payload", "with_vector", "with_lookup"}


def _full_groups(
    collection: Collection, reader: QueryReader, query: dict[str, Any], field: str, limit: int, size: int
) -> dict[Any, list[Any]]:
    """Groups in the order of their best points: ask for more until they are full or there is no more."""
    wanted = min(limit * size, _U32)
    while True:
        request = reader.request(query | {"limit": wanted, "with_payload": [field]})
        with collection.engine() as shard:
            points = shard.query(request)
        groups: dict[Any, list[Any]] = {}
        for point in points:
            for value in _group_values(point.payload, field):
                if value in groups or len(groups) < limit:
                    hits = groups.setdefault(value, [])
                    if len(hits) < size:
                        hits.append(point)
        full = len(groups) == limit and all(len(hits) == size for hits in groups.values())
        if full or len(points) < wanted or wanted == _U32:
            return groups
        wanted = min(wanted * 4, _U32)


def _group_values(payload: Any, field: str) -> list[Any]:
    values = values_at(payload or {}, field)
    if any(type(value) not in (int, str) for value in values):
        return []
    return list(dict.fromkeys(values))


def values_at(payload: Mapping[str, Any], path: str) -> list[Any]:
    """The values at a path (``a.b``, ``a[].b``, ``"a.b".c``); of an array at its end, the elements."""
    found: list[Any] = [payload]
    for quoted, plain, index in _PATH.findall(path):
        if quoted or plain:
            key = quoted or plain
            found = [value[key] for value in found if isinstance(value, dict) and key in value]
        elif index:
            at = int(index)
            found = [value[at] for value in found if isinstance(value, list) and at < len(value)]
        else:
            found = [item for value in found if isinstance(value, list) for item in value]
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def _wider(prefetch: Any, factor: int) -> Any:
    """Prefetches with their limits multiplied."""
    if isinstance(prefetch, Mapping):
        prefetch = [prefetch]
    if not isinstance(prefetch, list | tuple):
        return prefetch
    out = []
    for item in prefetch:
        if isinstance(item, Mapping):
            limit = item.get("limit")
            wider = dict(item)
            if limit is None or type(limit) is int:
                wider["limit"] = min((limit if limit is not None else 10) * factor, _U32)
            if item.get("prefetch") is not None:
                wider["prefetch"] = _wider(item["prefetch"], factor)
            item = wider
        out.append(item)
    return out


def _parts(
    collection: Collection, groups: dict[Any, list[Any]], shown: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Payloads and vectors of all hits by id, as far as they are to be shown."""
    ids = {hit.id for hits in groups.values() for hit in hits}
    with collection.engine() as shard:
        found = shard.retrieve(list(ids), shown["with_payload"], shown["with_vector"])
    return {str(item.id): record(item) for item in found}


def _lookup(value: Any, find: Any) -> Any:
    """A function from a group's value to the point of that id in another collection, or None."""
    if value is None:
        return None
    body = {"collection": value} if isinstance(value, str) else mapping(value, "with_lookup")
    unknown = body.keys() - {"collection", "with_payload", "with_vectors", "with_vector"}
    if unknown or "collection" not in body:
        raise refuse(
            "unknown-option", f"with_lookup requires a collection and has no {', '.join(unknown) or 'other'}"
        )
    other = find(text(body["collection"], "with_lookup.collection"))
    payload = with_payload(body.get("with_payload", True), "with_lookup.with_payload")
    vector = with_vector(other)(
        body.get("with_vectors", body.get("with_vector", False)), "with_lookup.with_vectors"
    )

    def look(identity: Any) -> dict[str, Any] | None:
        try:
            known = point_id(identity, "a group")
        except QQLExecutionError:
            return None  # a group's value need not be anybody's id
        with other.engine() as shard:
            found = shard.retrieve([known], payload, vector)
        return record(found[0]) if found else None

    return look
