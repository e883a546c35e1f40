"""The embedded engine: Qdrant's own, in this process, with its data in a directory."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from qql.backends.base import Progress
from qql.errors import QQLConnectionError, did_you_mean
from qql.rest.request import Request

from . import optimize as optimizer
from . import snapshots
from .catalogue import Collection, Database
from .checks import items, mapping, read, refuse, text
from .config import merged, read_create, shown_config
from .engine import edge
from .groups import query_groups
from .indexes import shown_index, to_index
from .points import PointReader, check_json
from .queries import QueryReader, count_request, facet_request, retrieve_arguments, scroll_request
from .refusals import refused_option, refused_route
from .results import plain_id, record, scored_point
from .updates import apply_changes, read_batch, read_change

__all__ = ["EdgeBackend"]


class EdgeBackend:
    """A database in a directory, like SQLite's in a file. One process at a time may have it open.

    ``path`` None is a temporary directory, removed by `close`. With ``create`` False a database must be
    there. Raises `QQLConnectionError`: ``database-missing``, ``database-locked``, ``not-a-database``,
    ``database-too-new``, ``database-unreadable``.

    Calls from several threads are carried out one after the other.
    """

    name = "edge"
    took: float | None = None

    def __init__(self, path: str | os.PathLike[str] | None, *, create: bool = True) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._closed = False
        self._forget: Callable[[], Any] | None = None
        if path is None:
            directory = Path(tempfile.mkdtemp(prefix="qql-"))
            self._forget = weakref.finalize(self, _remove, directory, self._process)
        else:
            directory = Path(path)
        self.path = directory
        self._database = Database(directory, create or path is None)
        self._readers: dict[str, tuple[Collection, PointReader, QueryReader]] = {}
        self._notes: dict[str, bool] = {}  # sentence → whether it was taken

    def infers(self, model: str) -> bool:
        """No model runs in the engine."""
        return False

    def call(self, request: Request) -> Any:
        """Carry out one request; see `Backend.call`."""
        with self._working():
            handler = _ROUTES.get(request.route)
            if handler is None:
                raise refused_route(request)
            return handler(self, request)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """One thread at a time, on an open database, with nothing but `QQLError`s coming out."""
        with self._lock:
            self._see_that_it_is_open()
            try:
                yield
            except RecursionError as exc:
                raise refuse("nested-too-deep", "the request nests too deeply") from exc
            except OSError as exc:
                raise refuse("database-unwritable", f"{self.path}: {exc.strerror or exc}") from exc

    def _see_that_it_is_open(self) -> None:
        if self._closed:
            raise QQLConnectionError.make("database-closed", f"the database {self.path} was closed")
        if os.getpid() != self._process:
            raise QQLConnectionError.make(
                "forked-process",
                f"the database {self.path} was opened before this process was forked off",
                hint="an open database cannot be shared by processes; open it in one of them",
            )

    def optimize(self, collection: str, progress: Progress | None = None) -> bool:
        """Build indexes now, in a process of its own. True where there was something to do."""
        with self._working():
            return optimizer.optimize(self._database.get(collection), progress)

    def needs_optimize(self, collection: str) -> bool:
        """Whether so many vectors are not indexed yet that `optimize` is worth while."""
        with self._working():
            return optimizer.needs_optimize(self._database.get(collection))

    def flush(self) -> None:
        """Write everything to disk, so that it outlasts a loss of power and not only of the process."""
        with self._working():
            self._database.each_open(Collection.flush)

    def take_notes(self) -> list[str]:
        """The sentences about what was taken and not acted on, each once; the rest is refused."""
        taken = [note for note, told in self._notes.items() if not told]
        self._notes |= dict.fromkeys(taken, True)
        return taken

    def close(self) -> None:
        """Flush and close everything. Closing twice is allowed."""
        with self._lock:
            if self._closed or os.getpid() != self._process:
                return
            self._closed = True
            try:
                self._database.close()
            finally:
                if self._forget is not None:
                    self._forget()

    # --- what every request has -------------------------------------------------------------------

    def _collection(self, request: Request) -> Collection:
        return self._database.get(request.collection or "")

    def _options(self, request: Request, writes: bool = False) -> None:
        """See to the URL's parameters: what is always so passes, what harms nobody is noted, else refused."""
        for key, value in request.query.items():
            word = str(value).lower()
            if value is None or (writes and (key, word) in (("wait", "true"), ("ordering", "weak"))):
                continue
            note = _NOTED.get(f"{key} = {word}" if key == "wait" and writes else key)
            if note is None:
                raise refused_option(key, value)
            self._notes.setdefault(note, False)

    def _name(self, request: Request) -> str:
        """The name that ends the path."""
        return unquote(request.path.rstrip("/").rpartition("/")[2])

    def _reader(self, collection: Collection) -> tuple[PointReader, QueryReader]:
        """The readers of a collection, made once; an altered or new collection gets new ones."""
        kept = self._readers.get(collection.name)
        if kept is None or kept[0] is not collection or kept[1].vectors is not collection.vectors:
            points = PointReader(collection.name, collection.vectors)
            kept = (collection, points, QueryReader(collection, self._database.get))
            self._readers[collection.name] = kept
        return kept[1], kept[2]

    # --- collections ------------------------------------------------------------------------------

    def _service(self, request: Request) -> Any:
        self._options(request)
        return {"title": "qdrant-edge", "version": version("qdrant-edge-py")}

    def _list(self, request: Request) -> Any:
        self._options(request)
        return {"collections": [{"name": name} for name in self._database.names()]}

    def _exists(self, request: Request) -> Any:
        self._options(request)
        return {"exists": (request.collection or "") in self._database}

    def _info(self, request: Request) -> Any:
        self._options(request)
        collection = self._collection(request)
        with collection.engine() as shard:
            info = shard.info()
        waiting = optimizer.needs_optimize(collection)
        return {
            "status": "grey" if waiting else "green",
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "config": shown_config(collection.body, collection.metadata),
            "payload_schema": {
                field: shown_index(index) for field, index in sorted(info.payload_schema.items())
            },
        }

    def _create(self, request: Request) -> Any:
        self._options(request)
        body = read_create(request.body)
        metadata = body.pop("metadata", {})
        check_json(metadata, lambda: "metadata")
        check_json(body, lambda: "the collection")
        self._database.create(request.collection or "", body, metadata)
        return True

    def _drop(self, request: Request) -> Any:
        self._options(request)
        name = request.collection or ""
        self._database.drop(name)
        self._readers.pop(name, None)
        return True

    def _alter(self, request: Request) -> Any:
        """Metadata is merged into what there is; an empty object removes it all (as on the server)."""
        self._options(request)
        collection = self._collection(request)
        changes = mapping(request.body or {}, "the changes")
        metadata = changes.pop("metadata", None)
        if metadata is not None:
            check_json(metadata, lambda: "metadata")
        check_json(changes, lambda: "the changes")
        if changes:
            collection.reconfigure(merged(collection.body, changes))
        if metadata is not None:
            collection.metadata = {**collection.metadata, **metadata} if metadata else {}
            collection.save()
        return True

    # --- aliases ----------------------------------------------------------------------------------

    def _change_aliases(self, request: Request) -> Any:
        self._options(request)
        self._database.aliases.change(request.body)
        return True

    def _aliases(self, request: Request) -> Any:
        self._options(request)
        return self._database.aliases.shown()

    def _collection_aliases(self, request: Request) -> Any:
        self._options(request)
        name = self._own_name(request)
        if name not in self._database:
            raise self._database.unknown(name)
        return self._database.aliases.shown(name)

    # --- snapshots --------------------------------------------------------------------------------

    def _own_name(self, request: Request) -> str:
        """The name of the collection that the path means, there or not."""
        return self._database.aliases.collection_of(request.collection or "")

    def _snapshots(self, request: Request) -> Any:
        self._options(request)
        return snapshots.list_snapshots(self._database, self._own_name(request))

    def _create_snapshot(self, request: Request) -> Any:
        self._options(request, writes=True)
        read(request.body or {}, "the snapshot", {})
        return snapshots.create_snapshot(self._database, self._collection(request))

    def _delete_snapshot(self, request: Request) -> Any:
        self._options(request, writes=True)
        snapshots.delete_snapshot(self._database, self._own_name(request), self._name(request))
        return True

    def _recover_snapshot(self, request: Request) -> Any:
        self._options(request, writes=True)
        snapshots.recover_snapshot(self._database, self._own_name(request), request.body)
        return True

    # --- vectors ----------------------------------------------------------------------------------

    def _add_vector(self, request: Request) -> Any:
        self._options(request, writes=True)
        self._collection(request).add_vector(self._name(request), request.body)
        return _COMPLETED

    def _drop_vector(self, request: Request) -> Any:
        self._options(request, writes=True)
        self._collection(request).drop_vector(self._name(request))
        return _COMPLETED

    # --- indexes ----------------------------------------------------------------------------------

    def _create_index(self, request: Request) -> Any:
        self._options(request, writes=True)
        collection = self._collection(request)
        table = {"field_name": text, "field_schema": lambda value, where: value}
        given = read(request.body, "the index", table, ("field_name",))
        schema = to_index(given.get("field_schema"), given["field_name"])
        with collection.engine() as shard:
            shard.update(edge.UpdateOperation.create_field_index(given["field_name"], schema))
        return _COMPLETED

    def _drop_index(self, request: Request) -> Any:
        self._options(request, writes=True)
        collection = self._collection(request)
        field = self._name(request)
        with collection.engine() as shard:
            known = sorted(shard.info().payload_schema)
            if field not in known:
                listed = f"there are indexes on {', '.join(f'`{name}`' for name in known)}" if known else None
                raise refuse(
                    "unknown-index",
                    f"`{collection.name}` has no index on `{field}`",
                    did_you_mean(field, known) or listed,
                )
            shard.update(edge.UpdateOperation.delete_field_index(field))
        return _COMPLETED

    # --- points -----------------------------------------------------------------------------------

    def _change(self, operation: str, request: Request) -> Any:
        self._options(request, writes=True)
        collection = self._collection(request)
        points, _ = self._reader(collection)
        return self._apply(collection, [read_change(operation, collection, points, request.body)])

    def _batch(self, request: Request) -> Any:
        self._options(request, writes=True)
        collection = self._collection(request)
        points, _ = self._reader(collection)
        changes = read_batch(collection, points, request.body)
        self._apply(collection, changes)
        return [_COMPLETED for _ in changes]

    def _apply(self, collection: Collection, changes: list[Any]) -> Any:
        apply_changes(collection, changes)
        return _COMPLETED

    def _retrieve(self, request: Request) -> Any:
        self._options(request)
        collection = self._collection(request)
        with collection.engine() as shard:
            return [record(found) for found in shard.retrieve(*retrieve_arguments(collection, request.body))]

    def _scroll(self, request: Request) -> Any:
        self._options(request)
        collection = self._collection(request)
        with collection.engine() as shard:
            found, after = shard.scroll(scroll_request(collection, request.body))
        return {
            "points": [record(item) for item in found],
            "next_page_offset": None if after is None else plain_id(after),
        }

    def _count(self, request: Request) -> Any:
        self._options(request)
        with self._collection(request).engine() as shard:
            return {"count": shard.count(count_request(request.body))}

    def _facet(self, request: Request) -> Any:
        self._options(request)
        with self._collection(request).engine() as shard:
            hits = shard.facet(facet_request(request.body)).hits
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in hits]}

    def _query(self, request: Request) -> Any:
        self._options(request)
        collection = self._collection(request)
        _, queries = self._reader(collection)
        with collection.engine() as shard:
            answer = shard.query(queries.request(request.body))
        return {"points": _scored(answer, request.body)}

    def _query_batch(self, request: Request) -> Any:
        self._options(request)
        collection = self._collection(request)
        _, queries = self._reader(collection)
        searches = read(request.body, "the batch", {"searches": items}, ("searches",))["searches"]
        with collection.engine() as shard:
            made = edge.QueryBatchRequest([queries.request(body) for body in searches])
            answers = shard.query_batch(made) if searches else []
        return [{"points": _scored(*pair)} for pair in zip(answers, searches, strict=True)]

    def _query_groups(self, request: Request) -> Any:
        self._options(request)
        collection = self._collection(request)
        _, queries = self._reader(collection)
        return query_groups(collection, queries, request.body, self._database.get)


def _scored(answer: list[Any], body: Any) -> list[dict[str, Any]]:
    return [scored_point(found, body.get("with_vector")) for found in answer]


_NOTED = {
    "timeout": "`timeout` has no effect in the embedded engine: a statement runs until it is done",
    "wait = false": "`wait = false` has no effect in the embedded engine: changes are made at once",
}
_COMPLETED = {"operation_id": None, "status": "completed"}
"""Every write of the embedded engine is carried out before it is answered."""


def _remove(directory: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(directory, ignore_errors=True)


def _write(operation: str) -> Callable[[EdgeBackend, Request], Any]:
    return lambda backend, request: backend._change(operation, request)


_ROUTES: dict[tuple[str, str], Callable[[EdgeBackend, Request], Any]] = {
    ("GET", "/"): EdgeBackend._service,
    ("GET", "/collections"): EdgeBackend._list,
    ("GET", "/aliases"): EdgeBackend._aliases,
    ("POST", "/collections/aliases"): EdgeBackend._change_aliases,
    ("GET", ""): EdgeBackend._info,
    ("GET", "aliases"): EdgeBackend._collection_aliases,
    ("GET", "exists"): EdgeBackend._exists,
    ("PUT", ""): EdgeBackend._create,
    ("PATCH", ""): EdgeBackend._alter,
    ("DELETE", ""): EdgeBackend._drop,
    ("GET", "snapshots"): EdgeBackend._snapshots,
    ("POST", "snapshots"): EdgeBackend._create_snapshot,
    ("PUT", "snapshots/recover"): EdgeBackend._recover_snapshot,
    ("DELETE", "snapshots/*"): EdgeBackend._delete_snapshot,
    ("PUT", "vectors/*"): EdgeBackend._add_vector,
    ("DELETE", "vectors/*"): EdgeBackend._drop_vector,
    ("PUT", "index"): EdgeBackend._create_index,
    ("DELETE", "index/*"): EdgeBackend._drop_index,
    ("PUT", "points"): _write("upsert"),
    ("POST", "points/delete"): _write("delete"),
    ("POST", "points/payload"): _write("set_payload"),
    ("PUT", "points/payload"): _write("overwrite_payload"),
    ("POST", "points/payload/delete"): _write("delete_payload"),
    ("POST", "points/payload/clear"): _write("clear_payload"),
    ("PUT", "points/vectors"): _write("update_vectors"),
    ("POST", "points/vectors/delete"): _write("delete_vectors"),
    ("POST", "points/batch"): EdgeBackend._batch,
    ("POST", "points"): EdgeBackend._retrieve,
    ("POST", "points/scroll"): EdgeBackend._scroll,
    ("POST", "points/count"): EdgeBackend._count,
    ("POST", "facet"): EdgeBackend._facet,
    ("POST", "points/query"): EdgeBackend._query,
    ("POST", "points/query/batch"): EdgeBackend._query_batch,
    ("POST", "points/query/groups"): EdgeBackend._query_groups,
}
