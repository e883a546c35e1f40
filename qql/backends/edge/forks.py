"""What a forked child inherits of an open database, and gives up at once.

The locks of a database belong to an open file, which a fork shares: without this the child would hold them
until it ends, and the parent's database could not be opened again after the parent has closed it. The
engine's threads stay in the parent, so in the child its objects must not even be freed.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path

from qql.late import Protocol

__all__ = ["watch_forks"]


class Inherited(Protocol):
    """An open database, as far as a forked child is concerned."""

    path: Path

    def inherited(self) -> list[object]:
        """Forget everything that belongs to the parent; gives the objects that must never be freed."""


_OPEN: weakref.WeakSet[Inherited] = weakref.WeakSet()
_NEVER_FREED: list[object] = []


def watch_forks(database: Inherited) -> None:
    """See to it that no forked child holds the locks of a database."""
    _OPEN.add(database)


def _give_up() -> None:
    for database in list(_OPEN):
        place = os.path.realpath(database.path)
        kept = database.inherited()
        _NEVER_FREED.extend(kept)
        for one in kept:
            _keep_forever(one)
        with contextlib.suppress(OSError):
            _close_files_below(place)
    _OPEN.clear()


def _keep_forever(one: object) -> None:
    """One reference more than there will ever be: interpreters free what is left when they end."""
    with contextlib.suppress(ImportError, AttributeError, ValueError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))


def _close_files_below(place: str) -> None:
    """Put nothing in the place of the open files of a database (Linux tells which those are)."""
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        for entry in list(Path("/proc/self/fd").iterdir()):
            with contextlib.suppress(OSError):
                if str(entry.readlink()).startswith(place + os.sep):
                    os.dup2(nothing, int(entry.name), inheritable=False)
    finally:
        os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_give_up)
