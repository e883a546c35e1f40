"""What the operating system refuses, said as what it is: no such failure makes a database a damaged one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from qql.errors import Diagnostic, QQLConnectionError
from qql.late import late_pattern

__all__ = ["is_full", "system_error_in", "unopened"]

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)
_NUMBER = late_pattern(r"\(os error (\d+)\)|\bOs \{ code: (\d+),")
"""How the engine's texts, and its panics, name an error of the system."""
_OF_THE_SYSTEM = (*_READ_ONLY, *_FULL, *_TOO_MANY, errno.ENOMEM, errno.EIO)
"""A file that is missing or cut is none of these: that is damage."""


def is_full(exc: OSError) -> bool:
    """Whether there is no room on the disk, or no more that the user may take."""
    return exc.errno in _FULL


def system_error_in(said: str) -> OSError | None:
    """The error of the operating system that a text of the engine names, or None."""
    for found in _NUMBER.finditer(said):
        number = int(found[1] or found[2])
        if number in _OF_THE_SYSTEM:
            return OSError(number, os.strerror(number))
    return None


def unopened(path: Path, exc: OSError, collection: str | None = None) -> QQLConnectionError:
    """The error for a database, or a collection of it, that the system does not let open."""
    reason, hint = exc.strerror or str(exc), None
    if exc.errno in _READ_ONLY:
        hint = f"the embedded engine writes also to read; work on a copy: cp -r {path} COPY"
    elif exc.errno in _FULL:
        hint = "make room on the disk: opening a database takes some; nothing in it was lost"
    elif exc.errno in _TOO_MANY:
        hint = "the limit of open files can be raised (ulimit -n), or fewer collections be used at once"
    elif exc.errno == errno.ENOMEM:
        hint = "the system gave no memory; a limit might be set (ulimit -v), or vm.max_map_count be reached"
    what = path if collection is None else f"collection `{collection}` of {path}"
    message = f"{what} cannot be opened: {reason}"
    return QQLConnectionError(Diagnostic("database-unreadable", message, hint=hint))
