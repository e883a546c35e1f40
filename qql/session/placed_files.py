"""A file that is written beside its place and takes it in one step.

What fails leaves what was there. A process that is killed leaves the file beside it, which it had locked; the
next one that writes to the same place finds it without a lock and removes it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from qql.backends.file_locks import lock_file
from qql.errors import Diagnostic, QQLExecutionError
from qql.session.files import reason

__all__ = ["file_of_result", "placed_file"]

_SUFFIX = ".qql-partial"


@contextmanager
def placed_file(path: str, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A file, open to be written, that is at ``path`` once the work inside is done; ``~`` is the home.

    Raises FileExistsError where there is a file and it is not to be overwritten, OSError and ValueError for a
    path that nothing can be written to: a folder, a device, a folder that is missing.
    """
    given = Path(path).expanduser()
    mode = _replaceable(given, overwrite)
    place = Path(os.path.realpath(given))  # the file that a link means, not the link
    _remove_leftovers(place)
    handle, beside = _open_beside(place, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                beside.chmod(mode)
            if os.name == "posix":  # still locked, so that nobody takes it for a leftover
                _take_place(beside, place, overwrite)
        if os.name != "posix":
            _take_place(beside, place, overwrite)
    finally:
        with suppress(OSError):
            beside.unlink()


@contextmanager
def file_of_result(path: str, *, overwrite: bool, again: str) -> Iterator[IO[bytes]]:
    """A `placed_file` for what a statement writes; ``again`` is the statement that overwrites.

    Raises `QQLExecutionError`: ``file-exists``, or ``file-unwritable`` for all else that the system refuses,
    and for a name that promises what there is not (a `ValueError` of the work inside).
    """
    try:
        with placed_file(path, overwrite=overwrite) as file:
            yield file
    except FileExistsError as exc:
        message = f"there is a file {path} already"
        raise QQLExecutionError(Diagnostic("file-exists", message, hint=f"{again} replaces it")) from exc
    except (OSError, ValueError, RuntimeError) as exc:  # also a NUL in the path, and `~nobody`
        message = f"the file {path} cannot be written: {reason(exc)}"
        raise QQLExecutionError(Diagnostic("file-unwritable", message)) from exc


def _open_beside(place: Path, mode: int) -> tuple[int, Path]:
    """A new file beside a place, open and locked."""
    while True:
        beside = place.with_name(f".{place.name}.{os.urandom(4).hex()}{_SUFFIX}")
        handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        if _try_lock(handle) and os.fstat(handle).st_nlink:
            return handle, beside
        os.close(handle)  # another process took it for a leftover before it was locked


def _replaceable(place: Path, overwrite: bool) -> int | None:
    """The permissions of the file that is to be overwritten; None where there is none."""
    try:
        there = place.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(there.st_mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, whose place a file would take")
    if not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    return stat.S_IMODE(there.st_mode)


def _take_place(beside: Path, place: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(beside, place)  # which, unlike a rename, replaces nothing
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            _replaceable(place, overwrite)
        else:
            return
    beside.replace(place)


def _remove_leftovers(place: Path) -> None:
    """Remove what processes that were killed have left beside a place."""
    pattern = (f".{place.name}.", _SUFFIX)
    with suppress(OSError):
        with os.scandir(place.parent) as entries:
            found = list(entries)
        for entry in found:
            if not entry.name.startswith(pattern[0]) or not entry.name.endswith(pattern[1]):
                continue
            if len(entry.name) == sum(map(len, pattern)) + 8 and entry.is_file(follow_symlinks=False):
                _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR)
        try:
            if _try_lock(handle):
                Path(path).unlink()
        finally:
            os.close(handle)


def _try_lock(handle: int) -> bool:
    """Whether a file could be locked."""
    try:
        lock_file(handle)
    except OSError:
        return False
    return True
