"""The table of routes: what carries out which request of the REST interface on the embedded engine."""

from __future__ import annotations

from collections.abc import Callable

from qql.errors import did_you_mean
from qql.records import NamedTuple, replace
from qql.rest.quoting import unquoted
from qql.rest.request import Request
from qql.rest.types import Body, Json, JsonObject

from .alter import merged_config
from .collection import Collection
from .config import config_info, read_create
from .database import Database
from .engine import edge
from .formula_faults import NamingFormulaFields
from .groups import query_groups
from .indexes import index_info, to_index
from .matrix import as_offsets, search_matrix
from .optimize import needs_optimize
from .points import PointReader, check_json
from .queries import QueryReader
from .readers import Fields, anything, items, mapping, quoted, read, refuse, text
from .records import plain_id, records, scored_points
from .refusals import refused_option, refused_route
from .retrieval import count_request, facet_request, retrieve_arguments, scroll_request
from .space import MIB, require_room, used_space
from .updates import apply_changes, read_batch, read_change

__all__ = ["ROUTES", "Route", "Router"]

_NOTED = {
    "timeout": "`timeout` has no effect in the embedded engine: a statement runs until it is done",
    "wait = false": "`wait = false` has no effect in the embedded engine: changes are made at once",
}
_COMPLETED = {"operation_id": None, "status": "completed"}
"""Every write of the embedded engine is carried out before it is answered."""


class Router:
    """Carries out requests on one database, each by its route."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._readers: dict[str, tuple[Collection, PointReader, QueryReader]] = {}
        self._notes: dict[str, bool] = {}  # sentence → whether it was taken

    def carry_out(self, request: Request) -> Json:
        """The ``result`` of the answer. Raises ``unsupported`` for what only a server has."""
        route = ROUTES.get(request.route)
        if route is None:
            raise refused_route(request)
        self._check_options(request, route.update)
        return route.handle(self, request)

    def _check_options(self, request: Request, update: bool) -> None:
        """See to the URL's parameters: what is always so passes, what harms nobody is noted, else refused."""
        for key, value in request.query.items():
            word = str(value).lower()
            if value is None or (update and (key, word) in (("wait", "true"), ("ordering", "weak"))):
                continue
            note = _NOTED.get(f"{key} = {word}" if key == "wait" and update else key)
            if note is None:
                raise refused_option(key, value)
            self._notes.setdefault(note, False)

    def take_notes(self) -> list[str]:
        """The sentences about what was taken and not acted on, each once."""
        if not self._notes:
            return []
        taken = [note for note, told in list(self._notes.items()) if not told]
        self._notes |= dict.fromkeys(taken, True)
        return taken

    def collection(self, request: Request) -> Collection:
        """The collection that the path names, by its own name or by an alias."""
        return self.database.get(request.collection or "")

    def collection_name(self, request: Request) -> str:
        """The name of the collection that the path means, there or not."""
        return self.database.aliases.collection_of(request.collection or "")

    def point_reader(self, collection: Collection) -> PointReader:
        """What checks the points of a collection."""
        return self._made_readers(collection)[1]

    def query_reader(self, collection: Collection) -> QueryReader:
        """What reads the queries of a collection."""
        return self._made_readers(collection)[2]

    def _made_readers(self, collection: Collection) -> tuple[Collection, PointReader, QueryReader]:
        """The readers of a collection, made once; an altered or new collection gets new ones."""
        kept = self._readers.get(collection.name)
        if kept is None or kept[0] is not collection or kept[1].vectors is not collection.vectors:
            points = PointReader(collection.name, collection.vectors)
            kept = (collection, points, QueryReader(collection, self.database.get))
            self._readers[collection.name] = kept
        return kept

    def forget_readers(self, name: str) -> None:
        """Let go of the readers of a collection that was dropped."""
        self._readers.pop(name, None)


def _last_name(request: Request) -> str:
    """The name that ends the path."""
    return unquoted(request.path.rstrip("/").rpartition("/")[2])


# --- collections ----------------------------------------------------------------------------------


def _engine_version(router: Router, request: Request) -> Json:
    from importlib.metadata import version

    return {"title": "qdrant-edge", "version": version("qdrant-edge-py")}


def _list_collections(router: Router, request: Request) -> Json:
    return {"collections": [{"name": name} for name in router.database.names()]}


def _collection_exists(router: Router, request: Request) -> Json:
    return {"exists": (request.collection or "") in router.database}


def _collection_info(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    with collection.engine() as shard:
        info = shard.info()
    return {
        "status": "grey" if needs_optimize(collection) else "green",
        "optimizer_status": "ok",
        "points_count": info.points_count,
        "indexed_vectors_count": info.indexed_vectors_count,
        "segments_count": info.segments_count,
        "config": config_info(collection.body, collection.metadata),
        "payload_schema": {field: index_info(index) for field, index in sorted(info.payload_schema.items())},
    }


def _create_collection(router: Router, request: Request) -> Json:
    body = read_create(request.body)
    metadata = body.pop("metadata", {})
    check_json(metadata, lambda: "metadata")
    check_json(body, lambda: "the collection")
    router.database.create(request.collection or "", body, metadata)
    return True


def _drop_collection(router: Router, request: Request) -> Json:
    name = request.collection or ""
    router.database.drop(name)
    router.forget_readers(name)
    return True


def _alter_collection(router: Router, request: Request) -> Json:
    """As on the server, metadata is merged into what there is by its keys, what a key holds as a whole; null
    removes one, and an empty object removes them all.
    """
    collection = router.collection(request)
    changes = mapping(request.body or {}, "the changes")
    metadata = changes.pop("metadata", None)
    if metadata is not None:
        check_json(metadata, lambda: "metadata")
    check_json(changes, lambda: "the changes")
    if changes:
        collection.reconfigure(merged_config(collection.body, changes))
    if metadata is not None:
        kept = {key: value for key, value in collection.metadata.items() if key not in metadata}
        given = {key: value for key, value in metadata.items() if value is not None}
        collection.metadata = kept | given if metadata else {}
        collection.save()
    return True


# --- aliases --------------------------------------------------------------------------------------


def _change_aliases(router: Router, request: Request) -> Json:
    router.database.aliases.change(request.body)
    return True


def _list_aliases(router: Router, request: Request) -> Json:
    return router.database.aliases.to_json()


def _collection_aliases(router: Router, request: Request) -> Json:
    name = router.collection_name(request)
    if name not in router.database:
        raise router.database.unknown(name)
    return router.database.aliases.to_json(name)


# --- snapshots ------------------------------------------------------------------------------------


def _list_snapshots(router: Router, request: Request) -> Json:
    from . import snapshots

    return snapshots.list_snapshots(router.database, router.collection_name(request))


def _create_snapshot(router: Router, request: Request) -> Json:
    read(request.body or {}, "the snapshot", {})
    from . import snapshots

    return snapshots.create_snapshot(router.database, router.collection(request))


def _delete_snapshot(router: Router, request: Request) -> Json:
    from . import snapshots

    snapshots.delete_snapshot(router.database, router.collection_name(request), _last_name(request))
    return True


def _recover_snapshot(router: Router, request: Request) -> Json:
    from . import snapshots

    snapshots.recover_snapshot(router.database, router.collection_name(request), request.body)
    return True


# --- vectors and indexes --------------------------------------------------------------------------


def _add_vector(router: Router, request: Request) -> Json:
    router.collection(request).add_vector(_last_name(request), request.body)
    return _COMPLETED


def _drop_vector(router: Router, request: Request) -> Json:
    router.collection(request).drop_vector(_last_name(request))
    return _COMPLETED


def _create_index(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    fields: Fields = {"field_name": text, "field_schema": anything}
    given = read(request.body, "the index", fields, ("field_name",))
    schema = to_index(given.get("field_schema"), given["field_name"])
    with collection.changing() as shard:
        room = 2 * MIB + sum(map(used_space, collection.path.glob("segments/*/payload_storage")))
        require_room(collection.path, room, f"make an index of `{collection.name}`")
        shard.update(edge.UpdateOperation.create_field_index(given["field_name"], schema))
    return _COMPLETED


def _drop_index(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    field = _last_name(request)
    with collection.changing() as shard:
        known = sorted(shard.info().payload_schema)
        if field not in known:
            listed = f"there are indexes on {quoted(known)}" if known else None
            raise refuse(
                "unknown-index",
                f"`{collection.name}` has no index on `{field}`",
                did_you_mean(field, known) or listed,
            )
        shard.update(edge.UpdateOperation.delete_field_index(field))
    return _COMPLETED


# --- points ---------------------------------------------------------------------------------------


def _update_points(router: Router, request: Request, operation: str) -> Json:
    collection = router.collection(request)
    points = router.point_reader(collection)
    apply_changes(collection, [read_change(operation, collection, points, request.body)])
    return _COMPLETED


def _update_batch(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    changes = read_batch(collection, router.point_reader(collection), request.body)
    apply_changes(collection, changes)
    return [_COMPLETED for _ in changes]


def _retrieve(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    with collection.engine() as shard:
        found = shard.retrieve(*retrieve_arguments(collection, request.body))
        return records(found, request.body or {})


def _scroll(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    with collection.engine() as shard:
        found, after = shard.scroll(scroll_request(collection, request.body))
    return {
        "points": records(found, request.body or {}),
        "next_page_offset": None if after is None else plain_id(after),
    }


def _count_points(router: Router, request: Request) -> Json:
    with router.collection(request).engine() as shard:
        return {"count": shard.count(count_request(request.body))}


def _facet(router: Router, request: Request) -> Json:
    with router.collection(request).engine() as shard:
        hits = shard.facet(facet_request(request.body)).hits
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in hits]}


def _query_points(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    queries = router.query_reader(collection)
    with NamingFormulaFields(collection, queries, request.body), collection.engine() as shard:
        answer = shard.query(queries.request(request.body))
    return _scored_points(answer, request.body or {})


def _query_batch(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    queries = router.query_reader(collection)
    searches = read(request.body, "the batch", {"searches": items}, ("searches",))["searches"]
    with NamingFormulaFields(collection, queries, *searches), collection.engine() as shard:
        batch = edge.QueryBatchRequest([queries.request(body) for body in searches])
        answers = shard.query_batch(batch) if searches else []
    return [_scored_points(*pair) for pair in zip(answers, searches, strict=True)]


def _matrix_pairs(router: Router, request: Request) -> JsonObject:
    def search(bodies: list[JsonObject]) -> list[JsonObject]:
        found: list[JsonObject] = _query_batch(router, replace(request, body={"searches": bodies}))
        return found

    return search_matrix(request.body, search)


def _matrix_offsets(router: Router, request: Request) -> JsonObject:
    return as_offsets(_matrix_pairs(router, request))


def _scored_points(answer: list[edge.ScoredPoint], body: Body) -> JsonObject:
    return {"points": scored_points(answer, body)}


def _query_groups(router: Router, request: Request) -> Json:
    collection = router.collection(request)
    queries = router.query_reader(collection)
    with NamingFormulaFields(collection, queries, request.body):
        return query_groups(collection, queries, request.body, router.database.get)


# --- the table ------------------------------------------------------------------------------------


class Route(NamedTuple):
    """``update`` says that the route takes the parameters ``wait`` and ``ordering``."""

    handle: Callable[[Router, Request], Json]
    update: bool = False


def _point_update(operation: str) -> Route:
    return Route(lambda router, request: _update_points(router, request, operation), update=True)


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/"): Route(_engine_version),
    ("GET", "/collections"): Route(_list_collections),
    ("GET", "/aliases"): Route(_list_aliases),
    ("POST", "/collections/aliases"): Route(_change_aliases),
    ("GET", ""): Route(_collection_info),
    ("GET", "aliases"): Route(_collection_aliases),
    ("GET", "exists"): Route(_collection_exists),
    ("PUT", ""): Route(_create_collection),
    ("PATCH", ""): Route(_alter_collection),
    ("DELETE", ""): Route(_drop_collection),
    ("GET", "snapshots"): Route(_list_snapshots),
    ("POST", "snapshots"): Route(_create_snapshot, update=True),
    ("PUT", "snapshots/recover"): Route(_recover_snapshot, update=True),
    ("DELETE", "snapshots/*"): Route(_delete_snapshot, update=True),
    ("PUT", "vectors/*"): Route(_add_vector, update=True),
    ("DELETE", "vectors/*"): Route(_drop_vector, update=True),
    ("PUT", "index"): Route(_create_index, update=True),
    ("DELETE", "index/*"): Route(_drop_index, update=True),
    ("PUT", "points"): _point_update("upsert"),
    ("POST", "points/delete"): _point_update("delete"),
    ("POST", "points/payload"): _point_update("set_payload"),
    ("PUT", "points/payload"): _point_update("overwrite_payload"),
    ("POST", "points/payload/delete"): _point_update("delete_payload"),
    ("POST", "points/payload/clear"): _point_update("clear_payload"),
    ("PUT", "points/vectors"): _point_update("update_vectors"),
    ("POST", "points/vectors/delete"): _point_update("delete_vectors"),
    ("POST", "points/batch"): Route(_update_batch, update=True),
    ("POST", "points"): Route(_retrieve),
    ("POST", "points/scroll"): Route(_scroll),
    ("POST", "points/count"): Route(_count_points),
    ("POST", "facet"): Route(_facet),
    ("POST", "points/query"): Route(_query_points),
    ("POST", "points/query/batch"): Route(_query_batch),
    ("POST", "points/query/groups"): Route(_query_groups),
    ("POST", "points/search/matrix/pairs"): Route(_matrix_pairs),
    ("POST", "points/search/matrix/offsets"): Route(_matrix_offsets),
}
