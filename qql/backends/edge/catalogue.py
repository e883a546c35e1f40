"""A database on disk: a directory with a marker, a lock, and a directory for each collection.

    marker            qql.json                       {"format": "qql-edge", "version": 1}
    lock              lock                           held while the database is open; the system frees it
    collection        collections/<name>/            an engine shard, and beside its files
                      collections/<name>/qql.json    what the engine does not keep: name, schema, metadata
    aliases           aliases.json                   {alias: collection}, see `aliases`
    snapshots         snapshots/<name>/…             archives of collections, see `snapshots`

A collection is made under a temporary name and then renamed; to drop it, it is renamed and then
deleted; to replace it, it is renamed, its successor takes its name, and it is deleted. So a crash leaves a
whole collection or a leftover, and leftovers are removed (or renamed back) when the database is opened.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from qql.errors import QQLConnectionError, QQLError, QQLExecutionError, did_you_mean

from .aliases import Aliases
from .checks import refuse
from .config import dense_vectors, edge_config, vector_specs, with_vector_name, without_vector_name
from .engine import edge, failure, guarded, is_panic
from .files import collection_name, directory_name, sync_directory, write_json
from .vectors import VectorSpec, find_vector

__all__ = ["Collection", "Database"]

_FORMAT = "qql-edge"
_VERSION = 1
_MARKER = "qql.json"
_ENGINE = "edge_config.json"  # the engine's own description of a shard
_LOCK = "lock"
_ALIASES = "aliases.json"
_NEW, _DROPPED, _REPLACED = ".new-", ".drop-", ".old-"
_PATIENCE = 2.0  # seconds to wait for a collection that another process still holds


def _cannot_open(code: str, message: str, hint: str | None = None) -> QQLConnectionError:
    error = QQLConnectionError.make(code, message, hint=hint)
    assert isinstance(error, QQLConnectionError)
    return error


class Collection:
    """One collection: its schema, and the engine's shard, which is opened when it is first needed."""

    def __init__(
        self, path: Path, name: str, body: dict[str, Any], metadata: dict[str, Any], altered: bool
    ) -> None:
        self.path = path
        self.name = name
        self.body = body
        self.metadata = metadata
        self.altered = altered
        self.vectors: dict[str, VectorSpec] = vector_specs(name, body)
        self.written = 0  # bytes, about, since the last flush; -1 where it is not known
        self._shard: Any = None

    @property
    def shard(self) -> Any:
        """The open shard."""
        if self._shard is None:
            self._shard = self._load()
            self.written = -1  # opening may have read from the log
        return self._shard

    def _load(self) -> Any:
        waited_until = time.monotonic() + _PATIENCE
        while True:
            try:
                shard = edge.EdgeShard.load(str(self.path))
            except BaseException as exc:
                if not isinstance(exc, Exception) and not is_panic(exc):
                    raise
                if "WouldBlock" not in str(exc):
                    raise _corrupt(self.name, str(exc)) from exc
                # The process that optimized it for a parent that was killed may not have ended yet.
                if time.monotonic() > waited_until:
                    raise failure(exc, self.name) from exc
                time.sleep(0.05)
            else:
                # An optimization that was killed leaves this behind, and the engine never looks at it
                # again. Not before the load: until then it may be the work of one that still runs.
                shutil.rmtree(self.path / "temp_segments", ignore_errors=True)
                self._finish_vector_names(shard)
                return shard

    def _finish_vector_names(self, shard: Any) -> None:
        """Remove the vectors that the schema does not have: adding or dropping one was cut short."""
        kept = json.loads((self.path / _ENGINE).read_text(encoding="utf-8"))
        stored = [*(kept.get("vectors") or {}), *(kept.get("sparse_vectors") or {})]
        extra = [name for name in stored if name not in self.vectors]
        if extra:
            with guarded(self.name):
                _drop_vectors(shard, extra)

    @contextlib.contextmanager
    def engine(self) -> Iterator[Any]:
        """The open shard, with the engine's failures turned into `QQLError`s; a panic closes it."""
        with guarded(self.name, self.abandon):
            yield self.shard

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
        """Flush and close the shard."""
        if self._shard is not None:
            try:
                self.flush()
            finally:
                self.abandon()

    def add_vector(self, name: str, given: Any) -> None:
        """Add a vector, which no point has yet; ``given`` is REST's. The same vector again changes nothing.

        The engine has it before the schema does: what a crash leaves half done is undone by the next load.
        """
        with guarded(self.name):
            body, operation = with_vector_name(self.body, name, given)
        if operation is not None:
            with self.engine() as shard:
                shard.update(operation)
            self._keep(body)

    def drop_vector(self, name: str) -> None:
        """Drop a vector of every point. Raises ``unknown-vector``, and ``no-vectors`` for the only one.

        The schema loses it before the engine does: what a crash leaves half done is done by the next load.
        """
        find_vector(self.vectors, name, self.name)
        body = without_vector_name(self.body, name)
        with self.engine():
            pass  # see that it can be opened
        self._keep(body)
        with self.engine() as shard:
            _drop_vectors(shard, [name])

    def _keep(self, body: dict[str, Any]) -> None:
        """Make a configuration the schema, on disk first."""
        before = self.body
        self.body = body
        try:
            self.save()
        except BaseException:
            self.body = before
            raise
        self.vectors = vector_specs(self.name, body)

    def reconfigure(self, body: dict[str, Any]) -> None:
        """Give the shard another configuration and remember it. Stored points follow at the next optimize."""
        config = edge_config(body)
        self.close()
        self._forget_quantization(body)
        with guarded(self.name):
            self._shard = edge.EdgeShard.load(str(self.path), config)
        self.body, self.vectors, self.altered = body, vector_specs(self.name, body), True
        self.save()

    def _forget_quantization(self, body: Mapping[str, Any]) -> None:
        """Take what the new configuration lacks out of the engine's own, which only ever adds to it."""
        kept = json.loads((self.path / _ENGINE).read_text(encoding="utf-8"))
        pairs = [(kept, body)]
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
        write_json(self.path / _MARKER, self._description())

    def _description(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "name": self.name,
            "config": self.body,
            "metadata": self.metadata,
            "altered": self.altered,
        }

    @classmethod
    def read(cls, path: Path) -> Collection:
        """The collection in a directory. Raises `QQLConnectionError` ``database-corrupt``."""
        made = cls._described(path, collection_name(path.name))
        if directory_name(made.name) != path.name:
            why = f"the directory {path.name} holds a copy of collection `{made.name}`"
            raise _corrupt(collection_name(path.name), f"{_MARKER}: {why}")
        return made

    @classmethod
    def adopt(cls, path: Path, name: str) -> None:
        """Give the collection in a directory another name, and see that the engine can open it.

        Raises `QQLConnectionError` ``database-corrupt``.
        """
        made = cls._described(path, name)
        made.name = name
        made.save()
        try:
            with made.engine():
                pass
        finally:
            made.close()

    @classmethod
    def _described(cls, path: Path, name: str) -> Collection:
        try:
            found = json.loads((path / _MARKER).read_text(encoding="utf-8"))
            _check_version(found, path)
            return cls(path, found["name"], found["config"], found["metadata"], found["altered"])
        except QQLError:
            raise
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
            raise _corrupt(name, f"{_MARKER}: {exc}") from exc

    @classmethod
    def create(cls, path: Path, name: str, body: dict[str, Any], metadata: dict[str, Any]) -> Collection:
        """Make a collection at a path that does not exist yet, whole or not at all."""
        new = path.with_name(f"{_NEW}{uuid.uuid4().hex}")
        made = cls(new, name, body, metadata, False)
        try:
            new.mkdir()
            with guarded(name):
                edge.EdgeShard.create(str(new), edge_config(body)).close()
            made.save()
            new.rename(path)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        sync_directory(path.parent)
        made.path = path
        return made


def _drop_vectors(shard: Any, names: list[str]) -> None:
    """Drop vectors. What is in the log and not in a segment yet would not be read again without them."""
    shard.flush()
    for name in names:
        shard.update(edge.UpdateOperation.delete_vector_name(name))
    shard.flush()


def _check_version(found: Any, path: Path) -> None:
    if found["format"] != _FORMAT:
        raise ValueError("not the description of a QQL database")
    if found["version"] > _VERSION:
        raise _cannot_open(
            "database-too-new",
            f"{path} was written by a newer version of QQL: its format is {found['version']}, not {_VERSION}",
        )


def _corrupt(name: str, why: str) -> QQLConnectionError:
    first = why.strip().splitlines()[0] if why.strip() else "no reason given"
    return _cannot_open(
        "database-corrupt",
        f"collection `{name}` is damaged: {first}",
        f"the other collections can be used; restore this one from a copy, or DROP COLLECTION {name}",
    )


class Database:
    """The collections of one directory. One process at a time may hold it open."""

    def __init__(self, path: Path, create: bool) -> None:
        self.path = path
        self._lock: BinaryIO | None = None
        self._open: dict[str, Collection] = {}
        self._broken: dict[str, tuple[Path, QQLError]] = {}
        try:
            self._prepare(create)
            self._scan()
            self.aliases = self._read_aliases()
        except QQLError:
            self._unlock()
            raise
        except OSError as exc:
            self._unlock()
            raise _cannot_open(
                "database-unreadable", f"{path} cannot be opened: {exc.strerror or exc}"
            ) from exc

    def _prepare(self, create: bool) -> None:
        marker = self.path / _MARKER
        if self.path.exists() and not self.path.is_dir():
            raise _cannot_open(
                "not-a-database", f"{self.path} is a file; an embedded database is a directory"
            )
        there = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
        if not there - {_LOCK, f"{_MARKER}.tmp"} and not create:
            raise _cannot_open("database-missing", f"there is no database at {self.path}")
        if there - {_LOCK, f"{_MARKER}.tmp"} and _MARKER not in there:
            raise _cannot_open(
                "not-a-database",
                f"{self.path} holds other files and is no QQL database",
                "an embedded database requires an empty or a new directory",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        if not marker.exists():
            write_json(marker, {"format": _FORMAT, "version": _VERSION})
        try:
            _check_version(json.loads(marker.read_text(encoding="utf-8")), self.path)
        except (ValueError, LookupError, TypeError) as exc:
            raise _cannot_open(
                "not-a-database", f"{marker} is not the marker of a QQL database: {exc}"
            ) from exc
        (self.path / "collections").mkdir(exist_ok=True)

    def _take_lock(self) -> None:
        self._lock = (self.path / _LOCK).open("a+b")
        try:
            _lock_file(self._lock)
        except OSError as exc:
            self._lock.seek(0)
            holder = self._lock.read(32).decode("ascii", "replace").strip()
            self._lock.close()
            self._lock = None
            raise _cannot_open(
                "database-locked",
                f"{self.path} is in use by another process" + (f" (pid {holder})" if holder else ""),
                "an embedded database can be open in one process at a time; a Qdrant server serves many",
            ) from exc
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()).encode())
        self._lock.flush()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _scan(self) -> None:
        for entry in (self.path / "collections").glob(f"{_REPLACED}*"):
            place = entry.with_name(entry.name.removeprefix(_REPLACED))
            entry.rename(entry.with_name(f"{_DROPPED}{uuid.uuid4().hex}") if place.exists() else place)
        for entry in sorted((self.path / "collections").iterdir()):
            if entry.name.startswith((_NEW, _DROPPED)):
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_dir():
                try:
                    found = Collection.read(entry)
                    self._open[found.name] = found
                except QQLError as exc:
                    self._broken[collection_name(entry.name)] = (entry, exc)

    def _read_aliases(self) -> Aliases:
        try:
            return Aliases(self.path / _ALIASES, self.names)
        except ValueError as exc:
            raise _cannot_open(
                "database-corrupt",
                f"the aliases of {self.path} are damaged: {exc}",
                f"without the file {_ALIASES} the database opens, and has no aliases",
            ) from exc

    def __contains__(self, name: str) -> bool:
        """Whether there is a collection, or an alias, of that name."""
        return name in self._open or name in self._broken or name in self.aliases

    def names(self) -> list[str]:
        """The names of all collections, damaged ones too, sorted."""
        return sorted([*self._open, *self._broken])

    def get(self, name: str) -> Collection:
        """The collection of that name or alias. Raises ``unknown-collection`` or ``database-corrupt``."""
        name = self.aliases.collection_of(name)
        found = self._open.get(name)
        if found is not None:
            return found
        if name in self._broken:
            raise self._broken[name][1]
        raise self.unknown(name)

    def unknown(self, name: str) -> QQLExecutionError:
        """The error for a collection that there is not."""
        names = [*self.names(), *self.aliases]
        listed = (
            f"there are {', '.join(f'`{n}`' for n in names[:20])}" if names else "there are no collections"
        )
        return refuse(
            "unknown-collection", f"there is no collection `{name}`", did_you_mean(name, names) or listed
        )

    def create(self, name: str, body: dict[str, Any], metadata: dict[str, Any]) -> Collection:
        """Make a collection. Raises ``collection-exists``."""
        if not name:
            raise refuse("invalid-name", "a collection requires a name")
        if name in self.aliases:
            raise refuse(
                "alias-exists",
                f"`{name}` is an alias of collection `{self.aliases.collection_of(name)}`",
                "a collection requires a name that is no alias",
            )
        if name in self:
            raise refuse(
                "collection-exists",
                f"collection `{name}` exists already",
                "CREATE COLLECTION IF NOT EXISTS …",
            )
        made = Collection.create(self.path / "collections" / directory_name(name), name, body, metadata)
        self._open[name] = made
        return made

    def drop(self, name: str) -> None:
        """Remove a collection with all its points and its aliases; a damaged one too.

        Raises ``unknown-collection``, and ``not-a-collection`` for an alias, as a server drops none by that.
        """
        if name in self.aliases:
            raise refuse(
                "not-a-collection",
                f"`{name}` is an alias of collection `{self.aliases.collection_of(name)}`",
                "drop the alias, or name the collection itself",
            )
        if name not in self:
            raise self.unknown(name)
        collection = self._open.get(name)
        path = collection.path if collection is not None else self._broken[name][0]
        if collection is not None:
            collection.abandon()
        gone = path.with_name(f"{_DROPPED}{uuid.uuid4().hex}")
        path.rename(gone)
        sync_directory(gone.parent)
        self._open.pop(name, None)
        self._broken.pop(name, None)
        shutil.rmtree(gone, ignore_errors=True)
        self.aliases.forget(name)

    def replace(self, name: str, fill: Callable[[Path], None]) -> None:
        """Put a collection in the place of the one of that name, damaged or not, or where there is none.

        ``fill`` makes the directory it is given, and a whole collection of that name in it.
        """
        if not name:
            raise refuse("invalid-name", "a collection requires a name")
        place = self.path / "collections" / directory_name(name)
        new = place.with_name(f"{_NEW}{uuid.uuid4().hex}")
        try:
            fill(new)
            if name in self._open:
                self._open[name].abandon()
            _take_place(new, place)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        self._broken.pop(name, None)
        self._open[name] = Collection.read(place)

    def each_open(self, action: Callable[[Collection], None]) -> None:
        """Do something with every collection; the first failure is raised after the last was tried."""
        first: QQLError | None = None
        for collection in self._open.values():
            try:
                action(collection)
            except QQLError as exc:
                first = first or exc
        if first is not None:
            raise first

    def close(self) -> None:
        """Flush and close everything and give up the lock."""
        try:
            self.each_open(Collection.close)
        finally:
            self._unlock()


def _take_place(new: Path, place: Path) -> None:
    """Rename a directory to where another one may be. What a crash leaves half done, `_scan` undoes."""
    old = place.with_name(f"{_REPLACED}{place.name}")
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    sync_directory(place.parent)
    if old.exists():
        gone = old.with_name(f"{_DROPPED}{uuid.uuid4().hex}")
        old.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _lock_file(file: BinaryIO) -> None:
    """Take the exclusive lock of an open file at once, or raise OSError. It ends with the process."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        file.seek(1 << 30)  # a byte nobody reads: Windows also hides locked bytes from readers
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        file.seek(0)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
