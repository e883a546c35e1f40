"""Locks of files: one process holds one, and the system frees it when the process ends."""

from __future__ import annotations

import os
import sys

__all__ = ["lock_file"]


def lock_file(handle: int) -> None:
    """Take the exclusive lock of an open file at once, or raise OSError. It ends with the process."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, 1 << 30, os.SEEK_SET)  # a byte nobody reads: Windows hides locked ones from readers
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
