"""What the operating system refuses, said as what it is: no such failure makes a database a damaged one."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from qql.errors import Diagnostic, QQLConnectionError

__all__ = ["system_error_in", "unopened"]

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)
_NUMBER = re.compile(r"\(os error (\d+)\)")


def system_error_in(said: str) -> OSError | None:
    """The error of the operating system that a text of the engine names, or None."""
    found = _NUMBER.search(said)
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


def unopened(path: Path, exc: OSError, what: str = "") -> QQLConnectionError:
    """The error for a database, or the part of one that ``what`` names, that the system does not let open."""
    reason, hint = exc.strerror or str(exc), None
    if exc.errno in _READ_ONLY:
        hint = f"the embedded engine writes also to read; work on a copy: cp -r {path} COPY"
    elif exc.errno in _FULL:
        hint = "make room on the disk: opening a database takes some; nothing in it was lost"
    elif exc.errno in _TOO_MANY:
        hint = "the limit of open files can be raised (ulimit -n), or fewer collections be used at once"
    elif exc.errno == errno.ENOMEM:
        hint = "the system gave no memory; a limit might be set (ulimit -v), or vm.max_map_count be reached"
    message = f"{what or path} cannot be opened: {reason}" + (f" ({path})" if what else "")
    return QQLConnectionError(Diagnostic("database-unreadable", message, hint=hint))
