"""GROUP BY … FUSE FIRST carried out: the hits of a query as it stands, put into groups here."""

from __future__ import annotations

from qql.compiler.emit_points import selections
from qql.compiler.plan import GroupsHere
from qql.compiler.scalars import shard_key
from qql.compiler.script import Compiled
from qql.rest.group_values import group_values
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["grouped"]

_MOST_IDS = 1000
"""Points that are fetched by one request."""


def grouped(session: Session, compiled: Compiled, answer: Json) -> JsonObject:
    """The answer to a query as one of its groups: ``{"groups": [{"id", "hits"}]}``, best first.

    As on servers, a point whose field holds several values is in several groups, and one whose values are not
    all texts or integers is in none. What is shown of the hits is fetched by their ids.
    """
    plan = compiled.plan
    assert plan is not None and plan.groups_here is not None, "only such a query is grouped here"
    how = plan.groups_here
    groups: dict[int | str, list[JsonObject]] = {}
    most = how.offset + how.limit
    for point in answer["points"]:
        for value in group_values(point.get("payload"), how.name):
            if value in groups or len(groups) < most:
                members = groups.setdefault(value, [])
                if len(members) < how.size:
                    members.append(point)
    shown = [*groups.items()][how.offset :]
    known = _shown_of(session, compiled, how, [point for _, members in shown for point in members])
    return {
        "groups": [
            {"id": value, "hits": [{**_bare(point), **known.get(point["id"], {})} for point in members]}
            for value, members in shown
        ]
    }


def _bare(point: JsonObject) -> JsonObject:
    return {key: value for key, value in point.items() if key not in ("payload", "vector")}


def _shown_of(
    session: Session, compiled: Compiled, how: GroupsHere, points: list[JsonObject]
) -> dict[int | str, JsonObject]:
    """Payloads and vectors of the hits by their ids, as far as they are to be shown."""
    chosen = selections(how.payload, how.vectors)
    if not points or (chosen["with_payload"] is False and not chosen.get("with_vector")):
        return {}
    plan = compiled.plan
    assert plan is not None
    if plan.shard is not None:
        chosen["shard_key"] = shard_key(plan.shard)
    ids = list(dict.fromkeys(point["id"] for point in points))
    path = collection_path(plan.collection, "points")
    found: dict[int | str, JsonObject] = {}
    for at in range(0, len(ids), _MOST_IDS):
        request = Request("POST", path, dict(plan.request), {"ids": ids[at : at + _MOST_IDS], **chosen})
        for one in session.ask(request):
            found[one["id"]] = {key: one[key] for key in ("payload", "vector") if key in one}
    return found
