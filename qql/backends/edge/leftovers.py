"""What killed processes have left: the next start removes it, where nobody is at work on it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from qql.backends.file_locks import lock_file

from .collection import MARKER
from .files import remove_tree
from .home import LOCK, OWNER

__all__ = ["CHECKSUM", "PARTIAL", "PREFIX", "TEMPORARY", "remove_abandoned", "remove_unfinished_snapshots"]

TEMPORARY = "temporary"
"""The key in the marker of a temporary database, which holds the name of its own directory."""
PREFIX = "qql-"
CHECKSUM, PARTIAL = ".checksum", ".partial"


def remove_abandoned(parent: Path) -> None:
    """Remove the temporary databases of this user whose processes have ended."""
    for directory in list(_temporary(parent)):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for name in (LOCK, OWNER):  # whoever uses a database holds its lock
                if name == LOCK or (directory / name).exists():
                    handle = os.open(directory / name, os.O_RDWR)
                    held.callback(os.close, handle)
                    lock_file(handle)
            remove_tree(directory)


def _temporary(parent: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        with os.scandir(parent) as entries:
            found = [entry for entry in entries if entry.name.startswith(PREFIX)]
        for entry in found:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                if entry.is_dir(follow_symlinks=False) and _is_own(entry):
                    path = Path(entry.path)
                    marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
                    if marker.get(TEMPORARY) == entry.name:
                        yield path


def _is_own(entry: os.DirEntry[str]) -> bool:
    return not hasattr(os, "geteuid") or entry.stat(follow_symlinks=False).st_uid == os.geteuid()


def remove_unfinished_snapshots(database: Path) -> None:
    """Remove archives that were not written to their end; the database's lock is held."""
    for partial in database.glob(f"snapshots/*/*{PARTIAL}"):
        with contextlib.suppress(OSError):
            partial.unlink()
    for checksum in database.glob(f"snapshots/*/*{CHECKSUM}"):
        with contextlib.suppress(OSError):
            if not checksum.with_name(checksum.name.removesuffix(CHECKSUM)).exists():
                checksum.unlink()
