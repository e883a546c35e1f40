"""Where a database lives: a directory with a marker and a lock, and what is said of who holds it.

Nothing is made before the first collection is: to open a database that is not there touches nothing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from qql.backends.file_locks import lock_file
from qql.errors import QQLConnectionError
from qql.rest.types import JsonObject

from .collection import FORMAT, MARKER, VERSION, open_error, require_version
from .files import write_json

__all__ = ["COLLECTIONS", "LOCK", "OWNER", "Home"]

LOCK, COLLECTIONS = "lock", "collections"
OWNER = "owner"
"""A file of a temporary database, locked by a process that lives longer than those that have it open."""
_NOTHING = frozenset({LOCK, OWNER, f"{MARKER}.tmp"})
"""What a start that was cut short leaves in a directory; beside it there is no database."""
_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_HERE: weakref.WeakSet[Home] = weakref.WeakSet()
"""The places that this process holds."""


class Home:
    """A directory that is, or may become, a database. One process at a time holds it, in one session."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def held(self) -> bool:
        """Whether the database is there, and this session's."""
        return self._lock is not None

    def is_there(self) -> bool:
        """Whether there is a database. Raises ``not-a-database`` for a file or other files in it."""
        if (self.path / MARKER).exists():
            return True
        if self.path.exists() and not self.path.is_dir():
            raise open_error("not-a-database", f"{self.path} is a file; an embedded database is a directory")
        if self.path.exists() and {entry.name for entry in self.path.iterdir()} - _NOTHING:
            raise open_error(
                "not-a-database",
                f"{self.path} holds other files and is no QQL database",
                "an embedded database requires an empty or a new directory",
            )
        return False

    def enter(self) -> None:
        """Take the lock of a database that is there, and read its marker. Raises what `EdgeBackend` does."""
        self._take_lock()
        try:
            self._read_marker()
            (self.path / COLLECTIONS).mkdir(exist_ok=True)
        except BaseException:
            self.leave()
            raise

    @contextlib.contextmanager
    def made(self, **more: str) -> Iterator[None]:
        """The directory of a new database, with the folders above it; gone again where the work inside fails.

        ``more`` stands in the marker too.
        """
        missing = [one for one in (self.path, *self.path.parents) if not one.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            if not self.is_there():  # another process may have been quicker
                marker: JsonObject = {"format": FORMAT, "version": VERSION, **more}
                write_json(self.path / MARKER, marker)
            self._read_marker()
            (self.path / COLLECTIONS).mkdir(exist_ok=True)
            yield
        except BaseException:
            if self.held:
                self._unmake()
            with contextlib.suppress(OSError):
                for folder in missing:  # those that are empty
                    folder.rmdir()
            raise

    def _unmake(self) -> None:
        """Remove what `made` has made; a collection that somebody put there stays, with all the rest."""
        with contextlib.suppress(OSError):
            (self.path / COLLECTIONS).rmdir()
            (self.path / MARKER).unlink()
            (self.path / LOCK).unlink()
        self.leave()

    def _read_marker(self) -> None:
        marker = self.path / MARKER
        try:
            require_version(json.loads(marker.read_text(encoding="utf-8")), self.path)
        except (ValueError, LookupError, TypeError) as exc:
            raise open_error(
                "not-a-database", f"{marker} is not the marker of a QQL database: {exc}"
            ) from exc

    def _take_lock(self) -> None:
        handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock_file(handle)
        except OSError as exc:
            holder = os.read(handle, 32).decode("ascii", "replace").strip()
            os.close(handle)
            if exc.errno not in _BUSY:
                raise
            raise self._locked(holder) from exc
        self._lock = handle
        _HERE.add(self)
        with contextlib.suppress(OSError):  # who holds it is told; on a full disk it goes without
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())

    def _locked(self, holder: str) -> QQLConnectionError:
        """The error for a lock that another has: who that is, and what can be done."""
        hint = "an embedded database can be open in one process at a time; a Qdrant server serves many"
        who = "another process" + (f" (pid {holder})" if holder else "")
        if any(_same_directory(one.path, self.path) for one in _HERE):
            who = f"another session of this process (pid {os.getpid()})"
            hint = "use that session, or close it first: `with qql.connect(…) as db:` closes it"
        elif holder == str(os.getppid()):
            who = f"the process that started this one (its parent, pid {holder})"
            hint = "close the session there first, or open the database in one of the two alone"
        return open_error("database-locked", f"{self.path} is in use by {who}", hint)

    def leave(self) -> None:
        """Give up the lock."""
        handle, self._lock = self._lock, None
        _HERE.discard(self)
        if handle is not None:
            os.close(handle)


def _same_directory(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False
