"""Room on the disk, asked for before something is written.

The engine's files are mapped and have holes: a page that finds no room when it is written ends the process
(SIGBUS). So what a change might need is estimated from what was measured, and refused where there is less.
In a file system of memory (tmpfs) a hole takes room even when it is read, which opening a collection does; so
much is kept free there that what was written can be opened again.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path

from qql.errors import QQLExecutionError

from .readers import refuse

__all__ = [
    "GIB",
    "MIB",
    "Allowance",
    "free_space",
    "full",
    "require_room",
    "room_to_load",
    "used_space",
]

MIB, GIB = 2**20, 2**30
_KEPT = 4 * MIB
"""Bytes that are kept free: pages that a change touches beside its data, and what ends a session."""
_TIMES = 4
"""Bytes on the disk for a byte of points: the log, vectors, payload, indexes (measured: 2.1 to 3.0)."""
_UNFLUSHED = 0.25
"""Bytes that a flush writes for a byte of points that is in memory still (measured: up to 0.11)."""


def free_space(path: Path) -> int:
    """The bytes that may still be written where a path is, or will be."""
    import shutil

    while True:
        try:
            return shutil.disk_usage(path).free
        except FileNotFoundError:
            if path == path.parent:
                raise
            path = path.parent


def require_room(path: Path, need: int, to: str, kept: int = _KEPT) -> None:
    """Raises ``disk-full`` where there is less room than ``need`` bytes; ``kept`` stay free beside them."""
    free = free_space(path)
    if free < need + kept:
        raise full(path, free, to, need + kept)


def full(path: Path, free: int, to: str, need: int | None = None) -> QQLExecutionError:
    """The error for a disk without room to do something that needs so many bytes."""
    wants = "" if need is None else f"to {to} might take {_size(need)}, and "
    return refuse(
        "disk-full",
        f"the disk is full: {wants}{_size(free)} are free at {path}",
        f"make room to {to}; all that was written before is kept",
    )


def _size(count: int) -> str:
    return f"{count / MIB:,.1f} MiB" if count >= MIB / 10 else f"{count:,} bytes"


def used_space(directory: Path) -> int:
    """The bytes that the files below a directory take on the disk, without their holes."""
    return sum(used for _, used in map(_sizes, _files(directory)))


class Allowance:
    """Room for the points of one collection. Where much is free, the system is not asked for each of them."""

    def __init__(self) -> None:
        self._left = 0
        self._until = 0.0

    def require(self, collection: Path, size: int, unflushed: int, to: str) -> None:
        """As `require_room`, for points of so many bytes; ``unflushed`` were written since the last flush."""
        self._left -= size
        if self._left >= 0 and time.monotonic() < self._until:
            return
        self._left = 0
        free, need = free_space(collection), _TIMES * size + int(_UNFLUSHED * max(unflushed, 0)) + _KEPT
        if free > need + GIB:
            self._left, self._until = 16 * MIB, time.monotonic() + 0.5
            return
        need += room_to_load(collection)
        if free < need:
            raise full(collection, free, to, need)


def room_to_load(collection: Path) -> int:
    """The bytes that opening a collection takes: none on a disk; in memory the holes that it reads."""
    if not _in_memory(collection.stat().st_dev):
        return 0
    read = (entry for entry in _files(collection / "segments") if _is_read_at_once(entry))
    return sum(max(size - used, 0) for size, used in map(_sizes, read))


def _is_read_at_once(file: os.DirEntry[str]) -> bool:
    """Whether opening reads all of a file: vectors, and the indexes of the payload."""
    if file.name.startswith("chunk_"):
        return True
    return "/payload_index/" in file.path and file.name.startswith(("page_", "tracker."))


def _files(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError):
        with os.scandir(directory) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry


def _sizes(file: os.DirEntry[str]) -> tuple[int, int]:
    """A file's bytes, and how many of them are on the disk. The engine removes files while others look."""
    try:
        about = file.stat()
    except FileNotFoundError:
        return 0, 0
    return about.st_size, getattr(about, "st_blocks", about.st_size // 512) * 512


@functools.cache
def _in_memory(device: int) -> bool:
    """Whether a device is a file system of memory (Linux tells)."""
    wanted = f"{os.major(device)}:{os.minor(device)}" if hasattr(os, "major") else ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    kinds = [
        line.rpartition(" - ")[2].split()[0] for line in mounts.splitlines() if wanted in line.split()[:3]
    ]
    return bool(set(kinds) & {"tmpfs", "ramfs", "devtmpfs"})
