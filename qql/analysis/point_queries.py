"""What WHY asks the engine about one point: queries for it alone, the filters it satisfies, its groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qql.analysis.engine import Engine
from qql.analysis.model import Candidate, Id
from qql.analysis.query_body import all_filters
from qql.records import replace
from qql.rest.types import Body, Json, JsonObject

__all__ = ["DEEPEST", "PointQueries", "place_of"]

DEEPEST = 10_000
"""The last rank to which a stage is followed."""


def place_of(found: Sequence[Candidate], key: Id) -> tuple[int, Candidate] | None:
    """The rank at which a point stands first, from 1, and what stands there."""
    return next(((rank, one) for rank, one in enumerate(found, 1) if one.id == key), None)


class PointQueries:
    """Asks an engine about one point, whose id is as the engine spells it.

    ``payload`` is what it holds beside its vectors.
    """

    def __init__(self, engine: Engine, key: Id, payload: JsonObject | None) -> None:
        self.engine = engine
        self.key = key
        self.payload: JsonObject = payload or {}

    def queries(self, *bodies: Body) -> list[tuple[Candidate, ...]]:
        """The answers to several query bodies, in one batch."""
        return self.engine.queries(bodies)

    def gives(self, body: Body) -> bool:
        """Whether a query gives the point."""
        return place_of(self.queries(body)[0], self.key) is not None

    def matches(self, conditions: Iterable[Body]) -> list[bool]:
        """Whether the point satisfies each of several filters."""
        more = {"with_payload": False} | self.engine.shared
        bodies = [self.alone({"filter": one} | more) for one in conditions]
        return [bool(answer) for answer in self.queries(*bodies)]

    def alone(self, body: Body, key: Id | None = None) -> JsonObject:
        """The body, for this point only, or for another."""
        only = {"must": [{"has_id": [self.key if key is None else key]}]}
        return {**body, "filter": all_filters([body.get("filter") or {}, only]), "limit": 1}

    def first_passes(self, found: Sequence[Candidate], body: Body) -> bool:
        """Whether the first point of a list passes the threshold of a body.

        Qdrant stops at the first one that misses it, and a few kinds of scores go the other way than the
        thresholds of their metric: those of STRATEGY best_score, for one, with the distance of Euclid.
        """
        return not found or bool(self.queries(self.alone(body, found[0].id))[0])

    # -- groups

    @property
    def group_by(self) -> str:
        """The field of GROUP BY."""
        return str((self.engine.request.body or {})["group_by"])

    def groups(self, **changed: Json) -> list[JsonObject]:
        """The groups of the query, with some fields of its body changed."""
        return self._groups_of({**(self.engine.request.body or {}), **changed})

    def group_values(self) -> list[Id]:
        """The groups that the point is in."""
        only = {"must": [{"has_id": [self.key]}]}
        body = {"filter": only, "group_by": self.group_by, "limit": DEEPEST, "group_size": 1}
        return [group["id"] for group in self._groups_of(body | self.engine.shared)]

    def _groups_of(self, body: Body) -> list[JsonObject]:
        request = replace(self.engine.request, body={**body, "with_payload": False})
        found: list[JsonObject] = self.engine.call(request)["groups"]
        return found
