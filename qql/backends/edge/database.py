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

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from qql.errors import QQLError, QQLExecutionError, did_you_mean
from qql.rest.types import JsonObject

from .aliases import Aliases
from .collection import NEW, Collection, open_error
from .files import collection_name, directory_name, remove_tree, sync_directory, unique
from .forks import watch_forks
from .home import COLLECTIONS, Home
from .leftovers import remove_unfinished_snapshots
from .readers import quoted, refuse
from .space import used_space
from .system_errors import unopened

__all__ = ["Database", "collection_size"]

_ALIASES = "aliases.json"
_DROPPED, _REPLACED = ".drop-", ".old-"


class Database:
    """The collections of one directory. One session at a time may hold it open.

    Where there is no database yet it has no collections, and the first one makes it.
    """

    def __init__(self, path: Path, create: bool) -> None:
        self.path = path
        self._home = Home(path)
        self._open: dict[str, Collection] = {}
        self._broken: dict[str, tuple[Path, QQLError]] = {}
        watch_forks(self)
        self.look()
        if not self._home.held:
            if not create:
                raise open_error("database-missing", f"there is no database at {path}")
            self.aliases: Aliases = Aliases(path / _ALIASES, self.names)  # none

    def look(self) -> None:
        """Open the database where it has come to be there. Raises what `EdgeBackend` does."""
        if self._home.held:
            return
        with self._opening():
            if self._home.is_there():
                self._home.enter()
                self._read()

    @property
    def absence(self) -> str | None:
        """A sentence for where there is no database yet; None where there is."""
        return None if self._home.held else f"there is no database at {self.path} yet"

    def _read(self) -> None:
        """Read what is in the directory, which is this session's."""
        try:
            remove_unfinished_snapshots(self.path)
            self._find_collections()
            self.aliases = self._read_aliases()
        except BaseException:
            self._home.leave()
            raise

    @contextlib.contextmanager
    def begun(self, **marks: str) -> Iterator[None]:
        """The directory in which a first collection is made. What fails leaves nothing behind."""
        if self._home.held:
            yield
            return
        with self._opening(), self._home.made(**marks):
            self._read()
            yield

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise unopened(self.path, exc) from exc

    def _find_collections(self) -> None:
        for entry in (self.path / COLLECTIONS).glob(f"{_REPLACED}*"):
            place = entry.with_name(entry.name.removeprefix(_REPLACED))
            entry.rename(entry.with_name(f"{_DROPPED}{unique()}") if place.exists() else place)
        for entry in sorted((self.path / COLLECTIONS).iterdir()):
            if entry.name.startswith((NEW, _DROPPED)):
                remove_tree(entry)
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
        listed = f"there are {quoted(names[:20])}" if names else self.absence or "there are no collections"
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
        with self.begun():
            made = Collection.create(self.path / COLLECTIONS / directory_name(name), name, body, metadata)
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
        gone = path.with_name(f"{_DROPPED}{unique()}")
        path.rename(gone)
        sync_directory(gone.parent)
        self._open.pop(name, None)
        self._broken.pop(name, None)
        remove_tree(gone)
        self.aliases.forget(name)

    def replace(self, name: str, fill: Callable[[Path], None]) -> None:
        """Put a collection in the place of the one of that name, damaged or not, or where there is none.

        ``fill`` makes the directory it is given, and a whole collection of that name in it.
        """
        if not name:
            raise refuse("invalid-name", "a collection requires a name")
        place = self.path / COLLECTIONS / directory_name(name)
        new = place.with_name(f"{NEW}{unique()}")
        with self.begun():
            try:
                fill(new)
                if name in self._open:
                    self._open[name].abandon()
                _take_place(new, place)
            except BaseException:
                remove_tree(new)
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

    def inherited(self) -> list[object]:
        """In a forked child: let go of the lock and of the collections, which are the parent's."""
        self._home.leave()
        shards = [one.disown() for one in self._open.values()]
        return [shard for shard in shards if shard is not None]

    def close(self) -> None:
        """Flush and close everything and give up the lock."""
        try:
            self.each_open(Collection.close)
        finally:
            self._home.leave()


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
        gone = old.with_name(f"{_DROPPED}{unique()}")
        old.rename(gone)
        remove_tree(gone)


def collection_size(database: Path, collection: str) -> int | None:
    """The bytes that a collection takes on the disk; None where there is none of that name."""
    directory = database / COLLECTIONS / directory_name(collection)
    return used_space(directory) if directory.is_dir() else None
