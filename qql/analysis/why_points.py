"""WHY [NOT] WHERE: the points that satisfy a filter, followed through a query one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qql.analysis.engine import Engine
from qql.analysis.model import Id
from qql.analysis.query_body import all_filters, grouped_by, without_threshold
from qql.analysis.text import counted, one_line, shortened
from qql.analysis.why_result import Explanation
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, JsonObject

__all__ = ["MOST_FOLLOWED", "Explained", "Explanations", "why_each"]

MOST_FOLLOWED = 5
"""How many points are followed where no LIMIT says it."""
_NAMES = ("name", "title")
_NAME_SIZE = 60


@dataclass(frozen=True, slots=True)
class Explained:
    """One of the points: the answer, and a short text of its payload that a person knows it by, if any."""

    name: str | None
    explanation: Explanation

    def lines(self) -> list[str]:
        """The reason, and what makes it a hit; the stages are not told."""
        found = self.explanation
        name = f" ({self.name})" if self.name else ""
        reason = found.reason.replace(f"point {found.id}", f"point {found.id}{name}", 1)
        ways = found.ways.lines()[:1] if found.ways else []
        return [reason, *(f"  {line}" for line in ways)]


@dataclass(frozen=True, slots=True)
class Explanations:
    """What becomes of the points that satisfy ``where``.

    There are so many ``matching``, and so many ``hits`` among them; ``told`` are those that were followed.
    """

    where: str
    collection: str
    matching: int
    hits: int
    told: tuple[Explained, ...]
    misses_only: bool

    def lines(self) -> list[str]:
        """As text: how many there are, then a few lines for each that was followed."""
        if not self.matching:
            return [f"no point of {self.collection} has {self.where}"]
        are = "is a hit" if self.hits == 1 else "are hits"
        points = counted(self.matching, "point")
        first = f"{points} of {self.collection} with {self.where}, of which {self.hits} {are}"
        left = self.matching - (self.hits if self.misses_only else 0) - len(self.told)
        more = [f"… and {left:,} more; LIMIT behind WHERE says how many are told"] if left > 0 else []
        return [first, *(line for one in self.told for line in one.lines()), *more]

    def to_dict(self) -> JsonObject:
        """As JSON data; each of ``told`` is an answer of WHY, with the ``name`` beside its fields."""
        told = [{"name": one.name, **one.explanation.to_dict()} for one in self.told]
        return {"where": self.where, "matching": self.matching, "hits": self.hits, "told": told}


def why_each(
    engine: Engine,
    where: tuple[str, Body],
    hits: Sequence[Id],
    follow: Callable[[Id], Explanation],
    *,
    limit: int = MOST_FOLLOWED,
    misses_only: bool,
) -> Explanations:
    """Follow points that satisfy a filter, which is given as QQL and as it is sent.

    ``hits`` are those of the query; of the points among them, the first are followed too, unless
    ``misses_only``. Of the others, those go first that the query itself puts first. Raises what ``engine``
    and ``follow`` raise.
    """
    text, condition = where
    matching = _count(engine, condition)
    among = {"must": [{"has_id": list(hits)}]}
    found = _points(engine, all_filters([condition, among]), len(hits)) if hits else []
    chosen: list[JsonObject] = []
    if not misses_only:
        chosen = sorted(found, key=lambda point: hits.index(point["id"]))[:limit]
    if limit > len(chosen):
        chosen += _misses(engine, condition, hits, limit - len(chosen))
    told = tuple(Explained(_name_of(point), follow(point["id"])) for point in chosen)
    return Explanations(text, engine.plan.collection, matching, len(found), told, misses_only)


def _misses(engine: Engine, condition: Body, hits: Sequence[Id], limit: int) -> list[JsonObject]:
    """Points that satisfy a filter and are no hits: the nearest ones, then others."""
    rest = all_filters([condition, {"must_not": [{"has_id": list(hits)}]} if hits else {}])
    near: list[Id] = []
    body = engine.request.body or {}
    if grouped_by(body) is None and "ids" not in body:
        only = {"must": [one for one in (body.get("filter"), rest) if one]}
        (found,) = engine.queries(
            [{**without_threshold(body), "filter": only, "limit": limit, "offset": 0, "with_payload": False}]
        )
        near = [one.id for one in found]
    places = {key: at for at, key in enumerate(near)}
    first = _points(engine, {"must": [{"has_id": near}]}, limit) if near else []
    first.sort(key=lambda point: places[point["id"]])
    if len(first) == limit:
        return first
    others = all_filters([rest, {"must_not": [{"has_id": near}]} if near else {}])
    return [*first, *_points(engine, others, limit - len(first))]


def _count(engine: Engine, condition: Body) -> int:
    body = {"filter": condition, "exact": True} | engine.shared
    path = collection_path(engine.plan.collection, "points", "count")
    return int(engine.call(Request("POST", path, engine.request.query, body))["count"])


def _points(engine: Engine, condition: Body, limit: int) -> list[JsonObject]:
    """Points with their payload, in the order of their ids."""
    body = {"filter": condition, "limit": limit, "with_payload": True, "with_vector": False} | engine.shared
    path = collection_path(engine.plan.collection, "points", "scroll")
    found: list[JsonObject] = engine.call(Request("POST", path, engine.request.query, body))["points"]
    return found


def _name_of(point: Body) -> str | None:
    """What a person may know the point by: its name or title, else the first short text that it has."""
    payload = point.get("payload") or {}
    texts = [payload.get(field) for field in _NAMES] + list(payload.values())
    found = next((one for one in texts if isinstance(one, str) and one and len(one) <= _NAME_SIZE), None)
    return found and one_line(shortened(" ".join(found.split()), _NAME_SIZE))
