"""An open database as a backend: its directory, its threads, and the end of its life."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from qql.backends.base import Progress
from qql.backends.bulk import PointWriter
from qql.errors import QQLConnectionError, QQLExecutionError
from qql.rest.request import Request
from qql.rest.types import Json

from .collection import Collection
from .database import Database
from .files import remove_tree
from .leftovers import PREFIX, TEMPORARY, remove_abandoned
from .optimize import needs_optimize, optimize
from .readers import refuse
from .routes import Router
from .system_errors import is_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar, TypeVarTuple, Unpack

    _Made = TypeVar("_Made")
    _Given = TypeVarTuple("_Given")

__all__ = ["EdgeBackend"]


class EdgeBackend:
    """A database in a directory, like SQLite's in a file. One process at a time may have it open.

    ``path`` None is a temporary directory, removed by `close`. Where there is no database, opening one
    touches nothing: it is an empty one, and its first collection makes it. With ``create`` False one must
    be there. A ``temporary`` one at a path is removed by others once nobody has it open. Raises
    `QQLConnectionError`: ``database-missing``, ``database-locked``, ``not-a-database``,
    ``database-too-new``, ``database-unreadable``.

    Calls from several threads are carried out one after the other.
    """

    name = "edge"
    took: float | None = None

    def __init__(
        self, path: str | os.PathLike[str] | None, *, create: bool = True, temporary: bool = False
    ) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._closed = False
        self._remove_directory: Callable[[], object] | None = None
        if path is None:
            import tempfile

            directory = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._remove_directory = weakref.finalize(self, _remove, directory, self._process)
        else:
            directory = Path(path)
        self.path = directory
        self._database = Database(directory, create or path is None)
        if path is None or temporary:
            with self._database.begun(**{TEMPORARY: directory.name}):
                pass
            remove_abandoned(directory.parent)
        self._router = Router(self._database)

    def infers(self, model: str) -> bool:
        """No model runs in the engine."""
        return False

    def call(self, request: Request) -> Json:
        """Carry out one request; see `Backend.call`."""
        return self._in_turn(self._router.carry_out, request)

    def point_writer(self, collection: str) -> PointWriter | None:
        """Takes the points of whole files; None where there is no such collection."""
        from .bulk import EdgePoints

        try:
            found = self._in_turn(self._database.get, collection)
        except QQLExecutionError:
            return None
        return EdgePoints(self.call, self._router.point_reader(found))

    def _in_turn(self, work: Callable[[Unpack[_Given]], _Made], *given: *_Given) -> _Made:
        """One thread at a time, on an open database, with nothing but `QQLError`s coming out."""
        self._require_own_process()  # a lock that another thread held at the fork is never given back
        with self._lock:
            if self._closed:
                raise QQLConnectionError.make("database-closed", f"the database {self.path} was closed")
            try:
                self._database.look()
                return work(*given)
            except RecursionError as exc:
                raise refuse("nested-too-deep", "the request nests too deeply") from exc
            except OSError as exc:
                message = f"{self.path}: {exc.strerror or exc}"
                if is_full(exc):
                    raise refuse("disk-full", message, "make room; what was written is kept") from exc
                raise refuse("database-unwritable", message) from exc

    @property
    def absence(self) -> str | None:
        """A sentence for where there is no database yet; None where there is."""
        return self._database.absence

    def _require_own_process(self) -> None:
        if os.getpid() != self._process:
            raise QQLConnectionError.make(
                "forked-process",
                f"the database {self.path} was opened before this process was forked off, "
                f"by its parent (pid {self._process})",
                hint="an open database cannot be shared by processes; open it in one of them",
            )

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> bool:
        """Build indexes now, in a process of its own. True where there was something to do."""
        return self._in_turn(lambda: optimize(self._database.get(collection), progress, timeout))

    def needs_optimize(self, collection: str) -> bool:
        """Whether so many vectors are not indexed yet that `optimize` is worth while."""
        return self._in_turn(lambda: needs_optimize(self._database.get(collection)))

    def flush(self) -> None:
        """Write everything to disk, so that it outlasts a loss of power and not only of the process."""
        self._in_turn(self._database.each_open, Collection.flush)

    def take_notes(self) -> list[str]:
        """The sentences about what was taken and not acted on, each once; the rest is refused."""
        return self._router.take_notes()

    def close(self) -> None:
        """Flush and close everything. Closing twice is allowed."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._database.close()
            finally:
                if self._remove_directory is not None:
                    self._remove_directory()


def _remove(directory: Path, process: int) -> None:
    if os.getpid() == process:
        remove_tree(directory)
