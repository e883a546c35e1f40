"""POST …/points/query/groups, which the binding lacks: queries with growing limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql.errors import QQLExecutionError
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE, U32
from qql.rest.types import Body, Json, JsonObject

from .collection import Collection
from .engine import edge
from .queries import QueryReader
from .readers import integer, mapping, point_id, refuse, text
from .records import plain_id, records
from .retrieval import with_payload, with_vector

__all__ = ["query_groups"]

_OWN_KEYS = {"group_by", "limit", "group_size", "with_payload", "with_vector", "with_lookup"}

_Find = Callable[[str], Collection]
_Groups = dict[int | str, list[edge.ScoredPoint]]


def query_groups(collection: Collection, reader: QueryReader, body: Json, find: _Find) -> JsonObject:
    """``{"groups": [{"id", "hits"[, "lookup"]}]}``: the best groups, each with its best points.

    As on the server, points without the field do not take part, and the limits of prefetches are
    multiplied by the group size. A point whose field holds several values is in several groups; one
    of whose values is neither a string nor an integer is in none.
    """
    given = mapping(body, "the query")
    field = text(given.get("group_by"), "group_by")
    limit = integer(1, U32)(given.get("limit", DEFAULT_LIMIT), "limit")
    size = integer(1, U32)(given.get("group_size", GROUP_SIZE), "group_size")
    payload = with_payload(given.get("with_payload", False), "with_payload")
    vector = with_vector(collection)(given.get("with_vector", False), "with_vector")
    lookup = _lookup_by_value(given.get("with_lookup"), find)
    query = {key: value for key, value in given.items() if key not in _OWN_KEYS}
    query["filter"] = {
        "must": [query["filter"]] if "filter" in query else [],
        "must_not": [{"is_empty": {"key": field}}],
    }
    if "prefetch" in query:
        query["prefetch"] = _with_limits_times(query["prefetch"], size)
    groups = _full_groups(collection, reader, query, field, limit, size)
    records = _hit_records(collection, groups, payload, vector)
    out = []
    for value, points in groups.items():
        group: JsonObject = {"id": value, "hits": [_group_hit(point, records) for point in points]}
        found = lookup(value) if lookup is not None else None
        if found is not None:
            group["lookup"] = found
        out.append(group)
    return {"groups": out}


def _group_hit(point: edge.ScoredPoint, records: Mapping[str, JsonObject]) -> JsonObject:
    identity = plain_id(point.id)
    hit = {"id": identity, "version": point.version, "score": point.score}
    return hit | records.get(str(identity), {})


def _full_groups(
    collection: Collection, reader: QueryReader, query: Body, field: str, limit: int, size: int
) -> _Groups:
    """Groups in the order of their best points: ask for more until they are full or there is no more."""
    asked = min(limit * size, U32)
    while True:
        request = reader.request({**query, "limit": asked, "with_payload": [field]})
        with collection.engine() as shard:
            points = shard.query(request)
        groups = _fill_groups(points, field, limit, size)
        full = len(groups) == limit and all(len(members) == size for members in groups.values())
        if full or len(points) < asked or asked == U32:
            return groups
        asked = min(asked * 4, U32)


def _fill_groups(points: list[edge.ScoredPoint], field: str, limit: int, size: int) -> _Groups:
    from qql.rest.group_values import group_values

    groups: _Groups = {}
    for point in points:
        for value in group_values(point.payload, field):
            if value in groups or len(groups) < limit:
                members = groups.setdefault(value, [])
                if len(members) < size:
                    members.append(point)
    return groups


def _with_limits_times(prefetch: Json, factor: int) -> Json:
    """Prefetches with their limits multiplied; what is none is left for the reader of queries to refuse."""
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
                wider["limit"] = min((limit if limit is not None else DEFAULT_LIMIT) * factor, U32)
            if item.get("prefetch") is not None:
                wider["prefetch"] = _with_limits_times(item["prefetch"], factor)
            item = wider
        out.append(item)
    return out


_ALL_OF_IT = {"with_vector": True}
"""Asks for whatever a point was retrieved with."""


def _hit_records(
    collection: Collection, groups: _Groups, payload: edge.WithPayloadType, vector: edge.WithVectorType
) -> dict[str, JsonObject]:
    """Payloads and vectors of all hits by id, as far as they are to be shown."""
    ids = {point.id for points in groups.values() for point in points}
    with collection.engine() as shard:
        found = shard.retrieve(list(ids), payload, vector)
    return {str(one["id"]): one for one in records(found, _ALL_OF_IT)}


def _lookup_by_value(value: Json, find: _Find) -> Callable[[Json], JsonObject | None] | None:
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

    def look_up(value: Json) -> JsonObject | None:
        try:
            identity = point_id(value, "a group")
        except QQLExecutionError:
            return None  # a group's value need not be anybody's id
        with other.engine() as shard:
            found = shard.retrieve([identity], payload, vector)
        return records(found, _ALL_OF_IT)[0] if found else None

    return look_up
