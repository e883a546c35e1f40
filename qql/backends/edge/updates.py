"""REST writes → the engine's operations.

A write is read completely before anything of it is carried out. What the engine would only notice half
way (a point that is not there) is looked up first.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from qql.records import NamedTuple, dataclass
from qql.rest.types import Json

from .collection import Collection
from .engine import edge, guarded
from .filters import filter_depth, to_filter
from .packed_points import PackedPoints
from .points import PointReader, check_json
from .readers import (
    Fields,
    Reader,
    items,
    list_of,
    mapping,
    one_of,
    point_id,
    read,
    refuse,
    strings,
    text,
)
from .refusals import cluster_only
from .space import GIB, MIB, free_space, require_room, used_space

__all__ = ["Change", "apply_changes", "read_batch", "read_change"]

_MAX_LOGGED_DEPTH = 12
"""Nesting of a filter that may be written into the log, whose reader gives up at 128 of its own levels."""

_FLUSH_AFTER = 64 * 2**20
"""Bytes of points after which a collection is flushed."""

_PAGE = 10_000


class _Rewritten(NamedTuple):
    """Which payloads are written anew (so many, or those that match), and what comes to each."""

    ids: int | None
    matching: edge.Filter | None
    added: Json


@dataclass(frozen=True, slots=True)
class Change:
    """One operation; ``needs`` are ids that must exist; ``size`` is about how many bytes it writes."""

    make: Callable[[edge.EdgeShard], edge.UpdateOperation | None]
    """Called with the open shard; gives the engine's operation, or None where there is nothing to do."""
    needs: tuple[int | str, ...] = ()
    size: int = 0
    rewritten: _Rewritten | None = None
    removes: bool = False
    """Whether it only takes away, for which there has to be room on a full disk too."""


def apply_changes(collection: Collection, changes: list[Change]) -> None:
    """Carry out operations in order. Flushes from time to time, so that the log does not grow without end."""
    with collection.changing() as shard:
        for change in changes:
            _require_points(collection, shard, change.needs)
            operation = change.make(shard)
            if operation is not None:
                _require_room(collection, shard, change)
                shard.update(operation)
                collection.written = max(collection.written, 0) + change.size + 1
    if collection.written >= _FLUSH_AFTER:
        collection.flush()


def _require_room(collection: Collection, shard: edge.EdgeShard, change: Change) -> None:
    if change.removes:
        require_room(collection.path, 0, f"write to `{collection.name}`", kept=MIB)
    elif change.rewritten is None:
        collection.require_room(change.size)
    else:
        size = _rewritten_bytes(collection, shard, change.rewritten)
        require_room(collection.path, size, f"write to `{collection.name}`")


def _rewritten_bytes(collection: Collection, shard: edge.EdgeShard, change: _Rewritten) -> int:
    """About how many bytes payloads that change take; 0 where there is room for much more."""
    points = shard.info().points_count
    count = points if change.ids is None else change.ids
    if free_space(collection.path) > GIB + count * MIB:
        return 0
    if change.ids is None:
        count = shard.count(edge.CountRequest(exact=True, filter=change.matching))
    stored = sum(used_space(place) for place in collection.path.glob("segments/*/payload_storage"))
    added = len(json.dumps(change.added))
    return 2 * count * (stored // max(points, 1) + added + 256)


def _require_points(collection: Collection, shard: edge.EdgeShard, ids: tuple[int | str, ...]) -> None:
    if not ids:
        return
    found = {str(record.id) for record in shard.retrieve(list(ids), False, False)}
    for identity in ids:
        if str(identity) not in found:
            raise refuse("unknown-point", f"there is no point {identity} in `{collection.name}`")


def _known_operation(
    operation: edge.UpdateOperation,
    needs: list[int | str] | None = None,
    size: int = 0,
    rewritten: _Rewritten | None = None,
    removes: bool = False,
) -> Change:
    return Change(lambda shard: operation, tuple(needs or ()), size, rewritten, removes)


# --- which points ---------------------------------------------------------------------------------


_SELECTOR: dict[str, Reader[object]] = {
    "points": list_of(point_id),
    "filter": mapping,
    "shard_key": cluster_only,
}


_Operation = Callable[[str, PointReader, Json], Change]
"""Reads the body of an operation of that name."""


def _change_points(
    body: Json,
    name: str,
    by_ids: Callable[..., edge.UpdateOperation],
    by_filter: Callable[..., edge.UpdateOperation],
    fields: Fields,
    required: tuple[str, ...] = (),
    must_exist: bool = True,
    removes: bool = False,
) -> Change:
    """A change of the points that ``points`` or ``filter`` names. Exactly one of them is required.

    ``by_ids`` and ``by_filter`` are called with the points and the values of ``fields`` (None where missing).
    """
    given = read(body, name, {**_SELECTOR, **fields}, required)
    if ("points" in given) == ("filter" in given):
        raise refuse("invalid-request", f"{name} requires either `points` or `filter`")
    arguments = [given.get(key) for key in fields]
    if "points" in given:
        ids = given["points"]
        if not ids:
            return Change(lambda shard: None)
        rewritten = None if removes else _Rewritten(len(ids), None, given.get("payload"))
        needs = ids if must_exist else None
        return _known_operation(by_ids(ids, *arguments), needs, 0, rewritten, removes)
    chosen = to_filter(given["filter"])
    rewritten = None if removes else _Rewritten(None, chosen, given.get("payload"))
    if filter_depth(given["filter"]) <= _MAX_LOGGED_DEPTH:
        return _known_operation(by_filter(chosen, *arguments), None, 0, rewritten, removes)

    def make(shard: edge.EdgeShard) -> edge.UpdateOperation | None:
        matching = _matching_ids(shard, chosen)
        return by_ids(matching, *arguments) if matching else None

    return Change(make, rewritten=rewritten, removes=removes)


def _matching_ids(shard: edge.EdgeShard, chosen: edge.Filter) -> list[edge.PointId]:
    """The ids of all points that match."""
    ids: list[edge.PointId] = []
    offset: edge.PointId | None = None
    while True:
        request = edge.ScrollRequest(offset=offset, limit=_PAGE, filter=chosen, with_payload=False)
        found, offset = shard.scroll(request)
        ids += [record.id for record in found]
        if offset is None:
            return ids


def _update_filter(value: Json, where: str) -> edge.Filter:
    """``update_filter``: only existing points that match are changed."""
    if filter_depth(value) > _MAX_LOGGED_DEPTH:
        raise refuse("filter-too-deep", f"{where} nests deeper than {_MAX_LOGGED_DEPTH}")
    return to_filter(value, where)


# --- the operations -------------------------------------------------------------------------------


def _upsert(name: str, reader: PointReader, body: Json) -> Change:
    fields: Fields = {
        "points": lambda value, where: value if isinstance(value, PackedPoints) else items(value, where),
        "batch": lambda value, where: reader.batch(value),
        "shard_key": cluster_only,
        "update_filter": _update_filter,
        "update_mode": one_of(edge.UpdateMode),
    }
    given = read(body, name, fields)
    if ("points" in given) == ("batch" in given):
        raise refuse("invalid-request", f"{name} requires either `points` or `batch`")
    rows = given["points"] if "points" in given else given["batch"]
    points, size = rows.unpacked(reader) if isinstance(rows, PackedPoints) else reader.points(rows)
    operation = edge.UpdateOperation.upsert_points(
        points, given.get("update_filter"), given.get("update_mode")
    )
    return _known_operation(operation, size=size)


def _delete(name: str, reader: PointReader, body: Json) -> Change:
    make = edge.UpdateOperation
    by_ids, by_filter = make.delete_points, make.delete_points_by_filter
    return _change_points(body, name, by_ids, by_filter, {}, must_exist=False, removes=True)


def _json_payload(value: Json, where: str) -> Json:
    return check_json(value, lambda: where)


def _write_payload(
    by_ids: Callable[..., edge.UpdateOperation], by_filter: Callable[..., edge.UpdateOperation]
) -> _Operation:
    def read_body(name: str, reader: PointReader, body: Json) -> Change:
        fields: Fields = {"payload": _json_payload, "key": text}
        return _change_points(body, name, by_ids, by_filter, fields, ("payload",))

    return read_body


def _delete_payload(name: str, reader: PointReader, body: Json) -> Change:
    make = edge.UpdateOperation
    by_ids, by_filter = make.delete_payload, make.delete_payload_by_filter
    return _change_points(body, name, by_ids, by_filter, {"keys": strings}, ("keys",))


def _clear_payload(name: str, reader: PointReader, body: Json) -> Change:
    make = edge.UpdateOperation
    return _change_points(body, name, make.clear_payload, make.clear_payload_by_filter, {}, removes=True)


def _update_vectors(name: str, reader: PointReader, body: Json) -> Change:
    fields: Fields = {"points": items, "shard_key": cluster_only, "update_filter": _update_filter}
    given = read(body, name, fields, ("points",))
    points, ids, size = reader.point_vectors(given["points"])
    operation = edge.UpdateOperation.update_vectors(points, given.get("update_filter"))
    return _known_operation(operation, ids, size)


def _delete_vectors(name: str, reader: PointReader, body: Json) -> Change:
    make = edge.UpdateOperation
    by_ids, by_filter = make.delete_vectors, make.delete_vectors_by_filter
    fields: Fields = {"vector": reader.vector_names}
    return _change_points(body, name, by_ids, by_filter, fields, ("vector",), removes=True)


_OPERATIONS: dict[str, _Operation] = {
    "upsert": _upsert,
    "delete": _delete,
    "set_payload": _write_payload(
        edge.UpdateOperation.set_payload, edge.UpdateOperation.set_payload_by_filter
    ),
    "overwrite_payload": _write_payload(
        edge.UpdateOperation.overwrite_payload, edge.UpdateOperation.overwrite_payload_by_filter
    ),
    "delete_payload": _delete_payload,
    "clear_payload": _clear_payload,
    "update_vectors": _update_vectors,
    "delete_vectors": _delete_vectors,
}
"""By the names that POST …/points/batch gives them."""


def read_change(operation: str, collection: Collection, reader: PointReader, body: Json) -> Change:
    """One write, checked completely."""
    with guarded(collection.name):
        return _OPERATIONS[operation](operation, reader, body)


def read_batch(collection: Collection, reader: PointReader, body: Json) -> list[Change]:
    """The operations of POST …/points/batch, all of them checked."""
    changes = []
    for item in read(body, "batch", {"operations": items}, ("operations",))["operations"]:
        given = mapping(item, "an operation")
        if len(given) != 1 or next(iter(given)) not in _OPERATIONS:
            raise refuse(
                "unknown-operation",
                f"an operation of a batch is exactly one of {', '.join(_OPERATIONS)}, not {', '.join(given)}",
            )
        ((name, operation),) = given.items()
        changes.append(read_change(name, collection, reader, operation))
    return changes
