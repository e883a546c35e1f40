"""A database on disk: a directory with a marker, a lock, and a directory for each collection.

    marker            qql.json                       {"format": "qql-edge", "version": 1}
    lock              lock                           held while the database is open; the system frees it
    collections       collections/<name>/            see `collection`
    aliases           aliases.json                   {alias: collection}, see `aliases`
    snapshots         snapshots/<name>/…             archives of collections, see `snapshots`

A collection is made under a temporary name and then renamed; to drop it, it is renamed and then
deleted; to replace it, it is renamed, its successor takes its name, and it is deleted. So a crash leaves a
whole collection or a leftover, and leftovers are removed (or renamed back) when the database is opened.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from qql.errors import QQLError, QQLExecutionError, did_you_mean
from qql.rest.types import JsonObject

from .aliases import Aliases
from .collection import FORMAT, MARKER, NEW, VERSION, Collection, open_error, require_version
from .files import collection_name, directory_name, sync_directory, write_json
from .readers import quoted, refuse

__all__ = ["Database"]

_LOCK = "lock"
_ALIASES = "aliases.json"
_DROPPED, _REPLACED = ".drop-", ".old-"


class Database:
    """The collections of one directory. One process at a time may hold it open."""

    def __init__(self, path: Path, create: bool) -> None:
        self.path = path
        self._lock: BinaryIO | None = None
        self._open: dict[str, Collection] = {}
        self._broken: dict[str, tuple[Path, QQLError]] = {}
        try:
            self._open_directory(create)
            self._find_collections()
            self.aliases = self._read_aliases()
        except QQLError:
            self._unlock()
            raise
        except OSError as exc:
            self._unlock()
            raise open_error(
                "database-unreadable", f"{path} cannot be opened: {exc.strerror or exc}"
            ) from exc

    def _open_directory(self, create: bool) -> None:
        marker = self.path / MARKER
        if self.path.exists() and not self.path.is_dir():
            raise open_error("not-a-database", f"{self.path} is a file; an embedded database is a directory")
        there = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
        if not there - {_LOCK, f"{MARKER}.tmp"} and not create:
            raise open_error("database-missing", f"there is no database at {self.path}")
        if there - {_LOCK, f"{MARKER}.tmp"} and MARKER not in there:
            raise open_error(
                "not-a-database",
                f"{self.path} holds other files and is no QQL database",
                "an embedded database requires an empty or a new directory",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        if not marker.exists():
            write_json(marker, {"format": FORMAT, "version": VERSION})
        try:
            require_version(json.loads(marker.read_text(encoding="utf-8")), self.path)
        except (ValueError, LookupError, TypeError) as exc:
            raise open_error(
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
            raise open_error(
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

    def _find_collections(self) -> None:
        for entry in (self.path / "collections").glob(f"{_REPLACED}*"):
            place = entry.with_name(entry.name.removeprefix(_REPLACED))
            entry.rename(entry.with_name(f"{_DROPPED}{uuid.uuid4().hex}") if place.exists() else place)
        for entry in sorted((self.path / "collections").iterdir()):
            if entry.name.startswith((NEW, _DROPPED)):
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
            raise open_error(
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
        listed = f"there are {quoted(names[:20])}" if names else "there are no collections"
        return refuse(
            "unknown-collection", f"there is no collection `{name}`", did_you_mean(name, names) or listed
        )

    def create(self, name: str, body: JsonObject, metadata: JsonObject) -> Collection:
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
        new = place.with_name(f"{NEW}{uuid.uuid4().hex}")
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
    """Rename a directory to where another may be. `_find_collections` undoes what a crash cuts short."""
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
