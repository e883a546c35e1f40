"""Scroll, retrieve, count and facet → the engine's requests, with the readers that searches share."""

from __future__ import annotations

from qql.rest.limits import DEFAULT_LIMIT, U32
from qql.rest.types import Json

from .collection import Collection
from .engine import edge, first_line
from .filters import read_filter
from .readers import (
    Fields,
    Reader,
    Values,
    anything,
    boolean,
    integer,
    list_of,
    one_of,
    point_id,
    read,
    refuse,
    strings,
    text,
)
from .refusals import cluster_only
from .vectors import vector_names

__all__ = [
    "count_request",
    "facet_request",
    "order_by",
    "retrieve_arguments",
    "scroll_request",
    "with_payload",
    "with_vector",
]


def with_payload(value: Json, where: str) -> edge.WithPayloadType:
    """true, false, a list of fields, or ``{"include": […]}`` / ``{"exclude": […]}``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return strings(value, where)
    given = read(value, where, {"include": strings, "exclude": strings})
    if len(given) != 1:
        raise refuse("invalid-request", f"{where} requires either `include` or `exclude`")
    if "include" in given:
        return edge.PayloadSelector.Include(given["include"])
    return edge.PayloadSelector.Exclude(given["exclude"])


def with_vector(collection: Collection) -> Reader[edge.WithVectorType]:
    """A reader of true, false or a list of names of vectors that the collection has."""
    names = vector_names(collection.vectors, collection.name)
    return lambda value, where: value if isinstance(value, bool) else names(value, where)


def order_by(value: Json, where: str) -> edge.OrderBy:
    """A field, or ``{"key", "direction", "start_from"}``."""
    body = {"key": value} if isinstance(value, str) else value
    fields: Fields = {"key": text, "direction": one_of(edge.Direction), "start_from": anything}
    given = read(body, "order_by", fields, ("key",))
    start = given.get("start_from")
    if start is not None and (isinstance(start, bool) or not isinstance(start, int | float | str)):
        raise refuse("invalid-request", f"order_by.start_from must be a number or a date, not {start!r:.60}")
    try:
        return edge.OrderBy(given["key"], given.get("direction"), start)
    except (ValueError, TypeError, OverflowError) as exc:
        raise refuse("invalid-request", f"order_by: {first_line(exc)}") from exc


def scroll_request(collection: Collection, body: Json) -> edge.ScrollRequest:
    """The engine's request for the body of POST …/points/scroll."""
    given = read(body or {}, "scroll", {**_SCROLL, "with_vector": with_vector(collection)})
    if "offset" in given and "order_by" in given:
        raise refuse(
            "offset-with-order-by",
            "scrolling in the order of a field cannot continue after a point",
            "START FROM a value of the field instead",
        )
    defaults: Values = {"limit": DEFAULT_LIMIT, "with_payload": True}
    return edge.ScrollRequest(**defaults | given)


def retrieve_arguments(
    collection: Collection, body: Json
) -> tuple[list[edge.PointId], edge.WithPayloadType, edge.WithVectorType]:
    """Ids, with_payload and with_vector of POST …/points."""
    given = read(body, "the points", {**_RETRIEVE, "with_vector": with_vector(collection)}, ("ids",))
    return given["ids"], given.get("with_payload", True), given.get("with_vector", False)


def count_request(body: Json) -> edge.CountRequest:
    """The engine's request for the body of POST …/points/count."""
    return edge.CountRequest(**read(body or {}, "count", _COUNT))


def facet_request(body: Json) -> edge.FacetRequest:
    """The engine's request for the body of POST …/facet."""
    return edge.FacetRequest(**read(body, "facet", _FACET, ("key",)))


# What the bodies may hold, beside the vectors that a collection has.
_SCROLL: Fields = {
    "offset": point_id,
    "limit": integer(1, U32),
    "filter": read_filter,
    "with_payload": with_payload,
    "order_by": order_by,
    "shard_key": cluster_only,
}
_RETRIEVE: Fields = {"ids": list_of(point_id), "with_payload": with_payload, "shard_key": cluster_only}
_COUNT: Fields = {"filter": read_filter, "exact": boolean, "shard_key": cluster_only}
_FACET: Fields = {"key": text, "limit": integer(1, U32), **_COUNT}
