"""WHY of a query with GROUP BY: what keeps the point's group, or the point in it, from the hits."""

from __future__ import annotations

from collections.abc import Sequence

from qql.analysis.model import Id
from qql.analysis.placement import Placement
from qql.analysis.point_queries import DEEPEST, place_of
from qql.analysis.why_result import Change, Standing
from qql.analysis.why_trace import StageTrace
from qql.records import NamedTuple, replace
from qql.rest.types import Body
from qql.syntax.printer import show

__all__ = ["standing_in_groups"]

_BEFORE_GROUPS = ("cut", "outranked", "approximate", "tie", "diversity", "unexplained")
"""What may become of the root of a query with GROUP BY, which works on the list before it is grouped."""


class _Place(NamedTuple):
    """A group of the point: its rank among the groups, and the point's in it; None where it is a member."""

    rank: int
    value: Id
    inside: int | None


def standing_in_groups(root: StageTrace, standing: Standing) -> Standing:
    """What became of the point where GROUP BY makes the hits; ``standing`` is that without groups."""
    if standing.outcome not in _BEFORE_GROUPS:
        return standing
    values = root.point.group_values()
    if not values:
        text = f"its {root.point.group_by} makes no group: groups are made of texts and whole numbers"
        return root.standing("no-group", text, None, standing.score)
    place = _place_of_group(root, values)
    return standing if place is None else _cut_by_groups(root, place, standing.score)


def _place_of_group(root: StageTrace, values: Sequence[Id]) -> _Place | None:
    """The place to speak of; None where the point is a hit, or in none of the groups.

    It is that of a group that is shown and lets the point stand behind others, before one that is not shown.
    """
    slots, size = root.slots, _group_size(root)
    taken = slots.limit + slots.offset
    every = root.point.groups(limit=max(DEEPEST // size, taken))
    mine = [(rank, one) for rank, one in enumerate(every, 1) if one["id"] in values]
    inside = [_Place(rank, one["id"], None) for rank, one in mine if root.key in _member_ids(one)]
    places = [_Place(rank, one["id"], _rank_in_group(root, one["id"])) for rank, one in mine]
    beyond = [one for one in places if one.inside is not None]
    near = [one for one in beyond if one.rank <= taken]
    if not (inside or beyond) or (inside and slots.offset < inside[0].rank <= taken):
        return None
    if inside and (inside[0].rank <= taken or not near):
        return inside[0]
    return min(near, key=lambda one: one.inside or 0) if near else beyond[0]


def _cut_by_groups(root: StageTrace, place: _Place, score: float | None) -> Standing:
    """What LIMIT, OFFSET or SIZE does to the point."""
    slots, group = root.slots, f"its group {show(place.value)}"
    changes = _verified_changes(root, place)
    if place.rank > slots.limit + slots.offset:
        text = f"{group} stands at rank {place.rank} of the groups, and {slots.cut_text()}"
        return root.standing("group-cut", text, place.rank, score, changes)
    if place.inside is None:
        text = f"{group} stands at rank {place.rank} of the groups, and OFFSET {slots.offset} leaves it out"
        return root.standing("earlier-page", text, place.rank, score, changes)
    text = f"it stands at rank {place.inside} of {group}, and SIZE {_group_size(root)} cuts it off"
    return root.standing("group-full", text, place.inside, score, changes)


def _group_size(root: StageTrace) -> int:
    return root.run.limit // (root.slots.limit + root.slots.offset)


def _rank_in_group(root: StageTrace, value: Id) -> int | None:
    """The rank of the point among those of a group; the last one, where it has equals."""
    held = {"must": [{"key": root.point.group_by, "match": {"value": value}}]}
    most = {"limit": DEEPEST, "with_payload": False}
    order, members = root.point.queries(
        {**root.run.body, **most}, {"filter": held, **most} | root.point.engine.shared
    )
    ids = {one.id for one in members}
    mine = [one for one in order if one.id in ids]
    place = place_of(mine, root.key)
    return place and Placement.among("", 0.0, place[0], root.keys(mine)).last


def _verified_changes(root: StageTrace, place: _Place) -> tuple[Change, ...]:
    """LIMIT or OFFSET, and SIZE, that let the point in, as far as they are needed and it can be said."""
    slots = root.slots
    taken = slots.limit + slots.offset
    paged = replace(slots, count=taken).changes_for(Placement.alone(place.rank))
    sized = [] if place.inside is None else [Change("SIZE", place.inside)]
    if root.trace.tries_whole:
        return (*(paged or ()), *sized)
    made = any(one.run.stage.origin for one in root.inputs)
    if paged is None or (made and place.rank > taken) or root.depends_on_chance:
        return ()
    changed = {"limit": max(place.rank, taken)}
    changed |= {} if place.inside is None else {"group_size": place.inside}
    if not any(root.key in _member_ids(one) for one in root.point.groups(**changed)):
        return ()
    return (*paged, *sized)


def _member_ids(group: Body) -> list[Id]:
    return [hit["id"] for hit in group["hits"]]
