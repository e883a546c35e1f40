"""One collection on disk: a directory with an engine's shard, and what the engine does not keep beside it.

collections/<name>/            the shard
collections/<name>/qql.json    name, schema, metadata
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from qql.errors import Diagnostic, QQLConnectionError, QQLError
from qql.rest.types import Body, Json, JsonObject

from .alter import with_vector, without_vector
from .config import dense_vectors, edge_config, vector_specs
from .engine import Guard, edge, failure, first_line, guarded, is_panic
from .files import collection_name, directory_name, remove_tree, sync_directory, unique, write_json
from .manifest import Damage, Manifest
from .panic_text import quiet_calls, quiet_panics
from .space import MIB, Allowance, require_room, room_to_load
from .system_errors import system_error_in, unopened
from .vectors import VectorSpec, find_vector

__all__ = ["FORMAT", "MARKER", "NEW", "VERSION", "Collection", "open_error", "require_version"]

FORMAT = "qql-edge"
VERSION = 1
MARKER = "qql.json"
NEW = ".new-"
"""How the name of a directory begins in which a collection is made."""

_ENGINE = "edge_config.json"  # the engine's own description of a shard
_PATIENCE = 2.0  # seconds to wait for a collection that another process still holds


def open_error(code: str, message: str, hint: str | None = None) -> QQLConnectionError:
    """The error for a database, or a part of one, that cannot be opened."""
    return QQLConnectionError(Diagnostic(code, message, hint=hint))


class Collection:
    """One collection: its schema, and the engine's shard, which is opened when it is first needed."""

    def __init__(self, path: Path, name: str, body: JsonObject, metadata: JsonObject, altered: bool) -> None:
        self.path = path
        self.name = name
        self.body: JsonObject = body
        self.metadata = metadata
        self.altered: bool = altered
        self.vectors: dict[str, VectorSpec] = vector_specs(name, body)
        self.written: int = 0  # bytes, about, since the last flush; -1 where it is not known
        self.manifest: Manifest = Manifest(path)
        self._changed = False
        self._allowance = Allowance()
        self._writing = f"write to `{name}`"
        self._shard: edge.EdgeShard | None = None

    @property
    def shard(self) -> edge.EdgeShard:
        """The open shard."""
        if self._shard is None:
            if takes := room_to_load(self.path):
                require_room(self.path, takes, f"open `{self.name}`")
            try:
                self.manifest.compare()
                shard = self._load()
                points = shard.info().points_count
                try:
                    self.manifest.require_points(points)
                except Damage:
                    shard.close()
                    raise
            except Damage as exc:
                raise _incomplete(self.name, str(exc)) from exc
            self._shard, self._changed = shard, False
            self.written = -1  # opening may have read from the log
            self._finish_vector_names(shard)
        return self._shard

    def _load(self) -> edge.EdgeShard:
        waited_until = time.monotonic() + _PATIENCE
        while True:
            try:
                with quiet_panics():
                    shard = edge.EdgeShard.load(str(self.path))
            except BaseException as exc:
                if not isinstance(exc, Exception) and not is_panic(exc):
                    raise
                if system := system_error_in(str(exc)):
                    raise unopened(self.path.parent.parent, system, self.name) from exc
                if "WouldBlock" not in str(exc):
                    raise _damaged(self.name, str(exc)) from exc
                # The process that optimized it for a parent that was killed may not have ended yet.
                if time.monotonic() > waited_until:
                    raise failure(exc, self.name) from exc
                time.sleep(0.05)
            else:
                # An optimization that was killed leaves this behind, and the engine never looks at it
                # again. Not before the load: until then it may be the work of one that still runs.
                remove_tree(self.path / "temp_segments")
                return shard

    def _finish_vector_names(self, shard: edge.EdgeShard) -> None:
        """Remove the vectors that the schema does not have: adding or dropping one was cut short."""
        kept = json.loads((self.path / _ENGINE).read_text(encoding="utf-8"))
        stored = [*(kept.get("vectors") or {}), *(kept.get("sparse_vectors") or {})]
        extra = [name for name in stored if name not in self.vectors]
        if extra:
            with self.changing():
                _drop_vectors(shard, extra)

    def engine(self) -> contextlib.AbstractContextManager[edge.EdgeShard]:
        """The open shard, with the engine's failures turned into `QQLError`s; a panic closes it."""
        return _InUse(self)

    @contextlib.contextmanager
    def changing(self) -> Iterator[edge.EdgeShard]:
        """As `engine`, to change something."""
        with guarded(self.name, self.abandon), quiet_calls():
            shard = self.shard
            if not self._changed:
                self.manifest.forget()
                self._changed = True
            yield shard

    @property
    def is_open(self) -> bool:
        """Whether the shard was opened, and not closed since."""
        return self._shard is not None

    def disown(self) -> object | None:
        """In a forked child: forget the shard, which is the parent's; gives it, as it must not be freed."""
        shard, self._shard = self._shard, None
        return shard

    def require_room(self, size: int) -> None:
        """Before points of about so many bytes are written. Raises ``disk-full``."""
        self._allowance.require(self.path, size, self.written, self._writing)

    def abandon(self) -> None:
        """Let go of a shard that panicked; the next use opens it afresh."""
        shard, self._shard = self._shard, None
        if shard is not None:
            try:
                shard.close()
            except BaseException as exc:
                if not isinstance(exc, Exception) and not is_panic(exc):
                    raise

    def flush(self) -> None:
        """Write everything to disk."""
        if self._shard is not None:
            with self.engine() as shard:
                shard.flush()
            self.written = 0

    def close(self) -> None:
        """Flush and close the shard, and note what it consists of."""
        if self._shard is None:
            return
        try:
            self.flush()
            with self.engine() as shard:
                points = shard.info().points_count
        finally:
            self.abandon()
        self.manifest.write(points)

    def add_vector(self, name: str, given: Json) -> None:
        """Add a vector, which no point has yet; ``given`` is REST's. The same vector again changes nothing.

        The engine has it before the schema does: what a crash leaves half done is undone by the next load.
        """
        with guarded(self.name):
            body, operation = with_vector(self.body, name, given)
        if operation is not None:
            with self.changing() as shard:
                require_room(self.path, MIB, f"add a vector to `{self.name}`")
                shard.update(operation)
            self._change_schema(body)

    def drop_vector(self, name: str) -> None:
        """Drop a vector of every point. Raises ``unknown-vector``, and ``no-vectors`` for the only one.

        The schema loses it before the engine does: what a crash leaves half done is done by the next load.
        """
        find_vector(self.vectors, name, self.name)
        body = without_vector(self.body, name)
        with self.engine():
            pass  # see that it can be opened
        self._change_schema(body)
        with self.changing() as shard:
            _drop_vectors(shard, [name])

    def _change_schema(self, body: JsonObject) -> None:
        """Make a configuration the schema, on disk first."""
        before = self.body
        self.body = body
        try:
            self.save()
        except BaseException:
            self.body = before
            raise
        self.vectors = vector_specs(self.name, body)

    def reconfigure(self, body: JsonObject) -> None:
        """Give the shard another configuration and remember it. Stored points follow at the next optimize."""
        config = edge_config(body)
        with self.engine():
            pass  # see that it is whole
        self.close()
        self.manifest.forget()
        self._forget_quantization(body)
        with guarded(self.name):
            self._shard = edge.EdgeShard.load(str(self.path), config)
        self._changed = True
        self.body, self.vectors, self.altered = body, vector_specs(self.name, body), True
        self.save()

    def _forget_quantization(self, body: Body) -> None:
        """Take what the new configuration lacks out of the engine's own, which only ever adds to it."""
        kept = json.loads((self.path / _ENGINE).read_text(encoding="utf-8"))
        pairs: list[tuple[JsonObject, Body]] = [(kept, body)]
        wanted = dense_vectors(body)
        pairs += [(params, wanted[name]) for name, params in kept["vectors"].items() if name in wanted]
        before = json.dumps(kept)
        for stored, new in pairs:
            if not new.get("quantization_config"):
                stored.pop("quantization_config", None)
        if json.dumps(kept) != before:
            write_json(self.path / _ENGINE, kept)

    def save(self) -> None:
        """Write the schema file."""
        write_json(self.path / MARKER, self._to_json())

    def _to_json(self) -> JsonObject:
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "config": self.body,
            "metadata": self.metadata,
            "altered": self.altered,
        }

    @classmethod
    def read(cls, path: Path) -> Collection:
        """The collection in a directory. Raises `QQLConnectionError` ``database-corrupt``."""
        made = cls._from_marker(path, collection_name(path.name))
        if directory_name(made.name) != path.name:
            why = f"the directory {path.name} holds a copy of collection `{made.name}`"
            raise _damaged(collection_name(path.name), f"{MARKER}: {why}")
        return made

    @classmethod
    def adopt(cls, path: Path, name: str) -> None:
        """Give the collection in a directory another name, and see that the engine can open it.

        Raises `QQLConnectionError` ``database-corrupt``.
        """
        made = cls._from_marker(path, name)
        made.name = name
        made.save()
        try:
            with made.engine():
                pass
        finally:
            made.close()

    @classmethod
    def _from_marker(cls, path: Path, name: str) -> Collection:
        try:
            found = json.loads((path / MARKER).read_text(encoding="utf-8"))
            require_version(found, path)
            return cls(path, found["name"], found["config"], found["metadata"], found["altered"])
        except QQLError:
            raise
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
            raise _damaged(name, f"{MARKER}: {exc}") from exc

    @classmethod
    def create(cls, path: Path, name: str, body: JsonObject, metadata: JsonObject) -> Collection:
        """Make a collection at a path that does not exist yet, whole or not at all."""
        new = path.with_name(f"{NEW}{unique()}")
        made = cls(new, name, body, metadata, False)
        require_room(path, MIB * (2 + len(made.vectors)), f"create `{name}`")
        try:
            new.mkdir()
            with guarded(name):
                edge.EdgeShard.create(str(new), edge_config(body)).close()
            made.save()
            new.rename(path)
        except BaseException:
            remove_tree(new)
            raise
        sync_directory(path.parent)
        made.path = path
        made.manifest.moved_to(path)
        return made


class _InUse(Guard):
    """What `Collection.engine` gives."""

    __slots__ = ("_quiet", "_used")

    def __init__(self, collection: Collection) -> None:
        super().__init__(collection.name, collection.abandon)
        self._used = collection
        self._quiet = quiet_calls()

    def __enter__(self) -> edge.EdgeShard:
        used = self._used
        shard = used._shard
        if shard is None:
            with guarded(used.name, used.abandon), quiet_calls():
                shard = used.shard
        self._quiet.__enter__()
        return shard

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._quiet.__exit__(kind, exc, trace)
        if exc is not None:
            super().__exit__(kind, exc, trace)


def _drop_vectors(shard: edge.EdgeShard, names: list[str]) -> None:
    """Drop vectors. What is in the log and not in a segment yet would not be read again without them."""
    shard.flush()
    for name in names:
        shard.update(edge.UpdateOperation.delete_vector_name(name))
    shard.flush()


def require_version(found: Body, path: Path) -> None:
    """Raises ``database-too-new``, and ValueError where it is no description of ours."""
    if found["format"] != FORMAT:
        raise ValueError("not the description of a QQL database")
    if found["version"] > VERSION:
        raise open_error(
            "database-too-new",
            f"{path} was written by a newer version of QQL: its format is {found['version']}, not {VERSION}",
        )


def _incomplete(name: str, why: str) -> QQLConnectionError:
    return open_error(
        "database-corrupt",
        f"collection `{name}` is incomplete: {why}",
        "RESTORE SNAPSHOT, or a copy of the file, brings it back, and nothing was changed yet; where there "
        "is neither, a copy of the directory opens without its clean.json, with what is left",
    )


def _damaged(name: str, why: str) -> QQLConnectionError:
    return open_error(
        "database-corrupt",
        f"collection `{name}` is damaged: {first_line(why.strip())}",
        f"the other collections can be used; restore this one from a copy, or DROP COLLECTION {name}",
    )
