"""A result as named columns, in which nothing of it is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from qql.rest.types import Body, Json
from qql.result import HIT_COLUMNS, Hit, Result, column_of_field

__all__ = ["Columns", "columns_of"]

Columns = dict[str, list[Json]]
"""Name → a value for each row; None where there is none."""


def columns_of(result: Result) -> Columns:
    """The columns of hits or rows, as `Result.to_pandas` describes them."""
    if result.kind == "hits":
        return _columns_of_hits(result)
    rows = result.rows
    if not rows:
        return {name: [] for name in result.columns}
    if not any(isinstance(row.get("payload"), dict) for row in rows):
        return _by_name(rows)
    # Those of a BATCH of queries are points.
    parts = ("payload", "vector")
    leading = _by_name([{key: value for key, value in row.items() if key not in parts} for row in rows])
    payloads, vectors = ([row.get(part) for row in rows] for part in parts)
    return {**leading, **_fields(payloads, leading), **_vectors(vectors)}


def _columns_of_hits(result: Result) -> Columns:
    hits = result.hits
    scored = any(hit.score is not None for hit in hits) or not (hits or result.paged)
    found: Columns = {
        "group": [hit.group for hit in hits],
        "id": [hit.id for hit in hits],
        "score": [hit.score for hit in hits],
        "first_stage_score": [hit.first_stage_score for hit in hits],
        "second_stage_score": [hit.second_stage_score for hit in hits],
        **_fields([hit.payload for hit in hits]),
        **_vectors([hit.vector for hit in hits]),
        "lookup": [hit.lookup for hit in hits],
        "stages": [_shares(hit) for hit in hits],
    }
    wanted = {"id", "score"} if scored else {"id"}
    return {
        name: column
        for name, column in found.items()
        if name in wanted or name not in HIT_COLUMNS or any(value is not None for value in column)
    }


def _shares(hit: Hit) -> Json:
    return [share.to_dict() for share in hit.stages] or None


def _fields(payloads: Iterable[Body | None], taken: Collection[str] = ()) -> Columns:
    columns = _by_name([payload or {} for payload in payloads])
    return {column_of_field(field, taken): values for field, values in columns.items()}


def _vectors(vectors: Iterable[Json]) -> Columns:
    """A column for each vector; the one without a name is ``vector``."""
    named = [one if isinstance(one, Mapping) else {} if one is None else {"": one} for one in vectors]
    return {f"vector.{name}" if name else "vector": values for name, values in _by_name(named).items()}


def _by_name(rows: list[Body] | list[dict[str, Json]]) -> Columns:
    """A column for each key that some row has, in the order in which they are met."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: [row.get(key) for row in rows] for key in keys}
