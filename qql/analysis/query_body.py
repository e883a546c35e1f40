"""The body of a query as plain data: what it asks for, and how it reads with one thing changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qql.nodes import TARGETS
from qql.rest.types import Body, Json, JsonObject

__all__ = [
    "all_filters",
    "compares_vectors",
    "exact_search",
    "grouped_by",
    "is_conjunction",
    "mmr_of",
    "plain_search",
    "without_threshold",
]

_VECTOR_QUERIES = {"nearest", *(info.rest for info in TARGETS.values() if info.by_vector)}
"""The keys of queries that compare vectors, as the targets declare them."""


def grouped_by(body: Body) -> str | None:
    """The field of GROUP BY, or None."""
    field = body.get("group_by")
    return None if field is None else str(field)


def mmr_of(body: Body) -> Body | None:
    """The options of MMR, or None."""
    query = body.get("query")
    found = query.get("mmr") if isinstance(query, Mapping) else None
    return found if isinstance(found, Mapping) else None


def plain_search(body: Body) -> JsonObject:
    """The search that finds the candidates of MMR; every other query as it is."""
    if mmr_of(body) is None:
        return dict(body)
    return {**body, "query": {"nearest": body["query"]["nearest"]}}


def compares_vectors(body: Body) -> bool:
    """Whether the score of a point is a comparison of its vector."""
    return not _VECTOR_QUERIES.isdisjoint(body.get("query") or {})


def exact_search(body: Body) -> JsonObject:
    """The body with an exact search of all points where it searches a vector."""
    if not compares_vectors(body):
        return dict(body)
    return {**body, "params": {**(body.get("params") or {}), "exact": True, "indexed_only": False}}


def without_threshold(body: Body) -> JsonObject:
    """The body without its SCORE THRESHOLD."""
    return {key: value for key, value in body.items() if key != "score_threshold"}


def is_conjunction(condition: Body) -> bool:
    """Whether a filter has no alternatives, so that its parts can stand among those of another."""
    return condition.keys() <= {"must", "must_not"}


def all_filters(filters: Iterable[Body]) -> JsonObject:
    """Filters joined by AND; alternatives stay together, whatever stands beside them."""
    given = [one for one in filters if one]
    if len(given) == 1:
        return dict(given[0])
    out: dict[str, list[Json]] = {}
    for one in given:
        if is_conjunction(one):
            for key, conditions in one.items():
                out.setdefault(key, []).extend(conditions if isinstance(conditions, list) else [conditions])
        else:
            out.setdefault("must", []).append(dict(one))
    return dict(out)
