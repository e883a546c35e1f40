"""REST writes → the engine's operations.

A write is read completely before anything of it is carried out. What the engine would only notice half
way (a point that is not there) is looked up first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .catalogue import Collection
from .checks import Reader, items, mapping, one_of, point_id, read, refuse, strings, text
from .engine import edge, guarded
from .filters import filter_depth, to_filter
from .points import PointReader, check_json
from .refusals import a_clusters

__all__ = ["Change", "apply_changes", "read_batch", "read_change"]

_MAX_LOGGED_DEPTH = 12
"""Nesting of a filter that may be written into the log, whose reader gives up at 128 of its own levels."""

_FLUSH_AFTER = 64 * 2**20
"""Bytes of points after which a collection is flushed."""

_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """One operation; ``needs`` are ids that must exist; ``size`` is about how many bytes it writes."""

    make: Callable[[Any], Any]
    """Called with the open shard; gives the engine's operation, or None where there is nothing to do."""
    needs: tuple[int | str, ...] = ()
    size: int = 0


def apply_changes(collection: Collection, changes: list[Change]) -> None:
    """Carry out operations in order. Flushes from time to time, so that the log does not grow without end."""
    with collection.engine() as shard:
        for change in changes:
            _see_that_they_exist(collection, shard, change.needs)
            operation = change.make(shard)
            if operation is not None:
                shard.update(operation)
                collection.written = max(collection.written, 0) + change.size + 1
    if collection.written >= _FLUSH_AFTER:
        collection.flush()


def _see_that_they_exist(collection: Collection, shard: Any, ids: tuple[int | str, ...]) -> None:
    if not ids:
        return
    found = {str(record.id) for record in shard.retrieve(list(ids), False, False)}
    for identity in ids:
        if str(identity) not in found:
            raise refuse("unknown-point", f"there is no point {identity} in `{collection.name}`")


def _done(operation: Any, needs: list[int | str] | None = None, size: int = 0) -> Change:
    return Change(lambda shard: operation, tuple(needs or ()), size)


# --- which points ---------------------------------------------------------------------------------


def _ids(value: Any, where: str) -> list[int | str]:
    return [point_id(item, where) for item in items(value, where)]


_SELECTOR: dict[str, Reader] = {"points": _ids, "filter": mapping, "shard_key": a_clusters}


def _selected(
    given: Mapping[str, Any],
    what: str,
    by_ids: Callable[[list[int | str]], Any],
    by_filter: Callable[[Any], Any],
    must_exist: bool = False,
) -> Change:
    """A change of the points that ``points`` or ``filter`` names. Exactly one of them is required."""
    if ("points" in given) == ("filter" in given):
        raise refuse("invalid-request", f"{what} requires either `points` or `filter`")
    if "points" in given:
        ids = given["points"]
        return _done(by_ids(ids), ids if must_exist else None) if ids else Change(lambda shard: None)
    chosen = to_filter(given["filter"])
    if filter_depth(given["filter"]) <= _MAX_LOGGED_DEPTH:
        return _done(by_filter(chosen))

    def make(shard: Any) -> Any:
        matching = _matching(shard, chosen)
        return by_ids(matching) if matching else None

    return Change(make)


def _matching(shard: Any, chosen: Any) -> list[Any]:
    """The ids of all points that match."""
    ids: list[Any] = []
    offset = None
    while True:
        request = edge.ScrollRequest(offset=offset, limit=_PAGE, filter=chosen, with_payload=False)
        found, offset = shard.scroll(request)
        ids += [record.id for record in found]
        if offset is None:
            return ids


def _condition(value: Any, where: str) -> Any:
    """``update_filter``: only existing points that match are changed."""
    if filter_depth(value) > _MAX_LOGGED_DEPTH:
        raise refuse("filter-too-deep", f"{where} nests deeper than {_MAX_LOGGED_DEPTH}")
    return to_filter(value, where)


# --- the operations -------------------------------------------------------------------------------


def _upsert(reader: PointReader, body: Any) -> Change:
    table: dict[str, Reader] = {
        "points": items,
        "batch": lambda value, where: reader.batch(value),
        "shard_key": a_clusters,
        "update_filter": _condition,
        "update_mode": one_of("UpdateMode"),
    }
    given = read(body, "upsert", table)
    if ("points" in given) == ("batch" in given):
        raise refuse("invalid-request", "upsert requires either `points` or `batch`")
    points, size = reader.points(given["points"] if "points" in given else given["batch"])
    operation = edge.UpdateOperation.upsert_points(
        points, given.get("update_filter"), given.get("update_mode")
    )
    return _done(operation, size=size)


def _delete(reader: PointReader, body: Any) -> Change:
    make = edge.UpdateOperation
    given = read(body, "delete", _SELECTOR)
    return _selected(given, "delete", make.delete_points, make.delete_points_by_filter)


def _payload_setter(name: str) -> Callable[[PointReader, Any], Change]:
    by_ids = getattr(edge.UpdateOperation, name)
    by_filter = getattr(edge.UpdateOperation, f"{name}_by_filter")

    def change(reader: PointReader, body: Any) -> Change:
        given = read(body, name, _SELECTOR | {"payload": _payload, "key": text}, ("payload",))
        payload, key = given["payload"], given.get("key")
        return _selected(
            given,
            name,
            lambda ids: by_ids(ids, payload, key),
            lambda chosen: by_filter(chosen, payload, key),
            must_exist=True,
        )

    return change


def _payload(value: Any, where: str) -> Any:
    return check_json(value, lambda: where)


def _delete_payload(reader: PointReader, body: Any) -> Change:
    make = edge.UpdateOperation
    given = read(body, "delete_payload", _SELECTOR | {"keys": strings}, ("keys",))
    keys = given["keys"]
    return _selected(
        given,
        "delete_payload",
        lambda ids: make.delete_payload(ids, keys),
        lambda chosen: make.delete_payload_by_filter(chosen, keys),
        must_exist=True,
    )


def _clear_payload(reader: PointReader, body: Any) -> Change:
    make = edge.UpdateOperation
    given = read(body, "clear_payload", _SELECTOR)
    return _selected(
        given, "clear_payload", make.clear_payload, make.clear_payload_by_filter, must_exist=True
    )


def _update_vectors(reader: PointReader, body: Any) -> Change:
    table: dict[str, Reader] = {"points": items, "shard_key": a_clusters, "update_filter": _condition}
    given = read(body, "update_vectors", table, ("points",))
    points, ids, size = reader.point_vectors(given["points"])
    operation = edge.UpdateOperation.update_vectors(points, given.get("update_filter"))
    return _done(operation, ids, size)


def _delete_vectors(reader: PointReader, body: Any) -> Change:
    make = edge.UpdateOperation
    given = read(body, "delete_vectors", _SELECTOR | {"vector": reader.vector_names}, ("vector",))
    names = given["vector"]
    return _selected(
        given,
        "delete_vectors",
        lambda ids: make.delete_vectors(ids, names),
        lambda chosen: make.delete_vectors_by_filter(chosen, names),
        must_exist=True,
    )


_OPERATIONS: dict[str, Callable[[PointReader, Any], Change]] = {
    "upsert": _upsert,
    "delete": _delete,
    "set_payload": _payload_setter("set_payload"),
    "overwrite_payload": _payload_setter("overwrite_payload"),
    "delete_payload": _delete_payload,
    "clear_payload": _clear_payload,
    "update_vectors": _update_vectors,
    "delete_vectors": _delete_vectors,
}
"""By the names that POST …/points/batch gives them."""


def read_change(operation: str, collection: Collection, reader: PointReader, body: Any) -> Change:
    """One write, checked completely."""
    with guarded(collection.name):
        return _OPERATIONS[operation](reader, body)


def read_batch(collection: Collection, reader: PointReader, body: Any) -> list[Change]:
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
