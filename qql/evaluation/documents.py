"""Which judged document a hit is: by its id, by ``UUID(id)``, or by a field of its payload."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from qql.compiler.bind import stable_uuid
from qql.errors import QQLExecutionError
from qql.evaluation.files import Scored
from qql.late import late_pattern
from qql.nodes import is_uuid
from qql.rest.limits import U64
from qql.rest.types import Body, Json
from qql.result import Hit, Result

__all__ = [
    "Key",
    "document_key",
    "in_order",
    "in_order_of_ids",
    "order_key",
    "payload_value",
    "point_ids",
    "ranking",
    "source_of",
]

_NUMBER = late_pattern("0|[1-9][0-9]{0,19}", re.ASCII)
Key = Callable[[Hit], str]
"""The document id of a hit."""


def document_key(qrels: Mapping[str, Mapping[str, float]], field: str | None = None) -> Key:
    """The function that gives the document id of a hit.

    Without ``field``, a point is the judged document that has its id (``7`` is ``"7"``, UUIDs in any of their
    spellings), or whose id became the point's by ``UUID(id)``, as COPY makes points of string ids. A point
    that no judgement names keeps its own id.

    With ``field``, the document's id is that key of the payload; a dot leads into objects (``meta.doc``)
    where there is no key of the whole name. For a hit without it the function raises `QQLExecutionError`
    ``no-document-id``.
    """
    if field is not None:
        name = field
        return lambda hit: _document_in_payload(hit, name)
    by_id = {_as_point(doc): doc for judged in qrels.values() for doc in judged}
    by_uuid: dict[str, str] = {}

    def key(hit: Hit) -> str:
        point = str(hit.id)
        if point in by_id or not is_uuid(point):
            return by_id.get(point, point)
        if not by_uuid:
            by_uuid.update((stable_uuid(doc), doc) for doc in by_id.values())
        return by_uuid.get(point, point)

    return key


def point_ids(doc: str) -> list[int | str]:
    """The ids that a document's point may have, as `document_key` reads them without a field."""
    if _NUMBER.fullmatch(doc) and int(doc) <= U64:
        return [int(doc), stable_uuid(doc)]
    return [_as_point(doc) if is_uuid(doc) else stable_uuid(doc)]


def source_of(hit: Hit) -> str | None:
    """The payload field that the point's id was made of by ``UUID(field)``; None where there is none."""
    return next((name for name, value in (hit.payload or {}).items() if _made_of(value, hit.id)), None)


def _made_of(value: Json, point: int | str) -> bool:
    return isinstance(value, (int, str)) and value is not True and stable_uuid(str(value)) == point


def ranking(found: Result | Sequence[Hit], key: Key) -> list[Scored]:
    """The documents of hits `in_order`. One that several points belong to stands where its first does."""
    docs: dict[str, Scored] = {}
    for hit in in_order(found):
        doc = key(hit)
        docs.setdefault(doc, Scored(doc, hit.score))
    return list(docs.values())


def in_order(found: Result | Sequence[Hit]) -> list[Hit]:
    """The hits of a result, those that are equal (see `order_key`) in the order of their ids.

    Engines give equal hits in any order, and so the same hits are always the same ranking. It is the ids of
    the points that count, since those of documents could prefer judged ones to others.
    """
    groups = groupby(found.hits if isinstance(found, Result) else found, order_key(found))
    return [hit for _, equals in groups for hit in in_order_of_ids(equals)]


def in_order_of_ids(hits: Iterable[Hit]) -> list[Hit]:
    """Hits by the ids of their points: numbers, then UUIDs."""
    return sorted(hits, key=_id_order)


def _id_order(hit: Hit) -> tuple[bool, int | str]:
    return isinstance(hit.id, str), hit.id


def order_key(found: Result | Sequence[Hit]) -> Callable[[Hit], tuple[Json, ...]]:
    """What the hits of a result are ordered by; the order of those for which it is equal is chance.

    The score (behind RERANK, those of both stages) or the value of ORDER BY, within the hit's group. A hit
    that has neither is equal to no other.
    """
    data = found.data if isinstance(found, Result) else None
    points = data.get("points", ()) if isinstance(data, dict) else ()
    values = {point["id"]: point["order_value"] for point in points if "order_value" in point}

    def key(hit: Hit) -> tuple[Json, ...]:
        if hit.second_stage_score is not None:
            return hit.group, hit.second_stage_score, hit.first_stage_score
        value = values.get(hit.id, hit.score)
        return (hit.group, value) if value is not None else (hit.group, hit.id, None)

    return key


def _as_point(doc: str) -> str:
    return str(uuid.UUID(doc)) if is_uuid(doc) else doc


def _document_in_payload(hit: Hit, field: str) -> str:
    value = payload_value(hit.payload or {}, field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return value
    raise QQLExecutionError.make(
        "no-document-id",
        f"the point {hit.id} has no document id: `{field}` of its payload is "
        + ("not there" if value is None else "neither a string nor an integer"),
        hint=f"WITH PAYLOAD ({field}) makes the pipeline return it" if hit.payload is None else None,
    )


def payload_value(payload: Body, field: str) -> Json:
    """The value of a field: of the key of that name, or where its dots lead to; None where there is none."""
    if field in payload:
        return payload[field]
    value: Json = payload
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
