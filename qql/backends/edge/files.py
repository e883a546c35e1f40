"""Files and their names: what survives a crash whole, and what any file system can hold."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

from qql.late import late_pattern
from qql.rest.types import Json

__all__ = ["collection_name", "directory_name", "remove_tree", "sync_directory", "unique", "write_json"]

_LONGEST = 180  # bytes of a file name that are spent on the collection's name
_RESERVED = late_pattern(r"(?:con|prn|aux|nul|com\d|lpt\d)$", re.I)


def directory_name(collection: str) -> str:
    """A file name for a collection's name: distinct also where case is ignored, and not too long.

    Lower-case ASCII letters, digits, ``-`` and ``_`` stand for themselves, every other byte is ``%xx``.
    Too long a result is cut and ends with ``~`` and a hash of the whole name.
    """
    encoded = "".join(
        chr(byte) if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789-_" else f"%{byte:02x}"
        for byte in collection.encode("utf-8", "surrogatepass")
    )
    if _RESERVED.match(encoded):
        encoded = f"%{ord(encoded[0]):02x}{encoded[1:]}"
    if len(encoded) <= _LONGEST:
        return encoded
    import hashlib

    digest = hashlib.sha256(collection.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{encoded[: _LONGEST - 33]}~{digest}"


def collection_name(directory: str) -> str:
    """The collection's name, as far as its directory's name tells (a cut one ends with ``…``)."""
    kept, cut, _ = directory.partition("~")
    raw = re.sub(rb"%([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), kept.encode())
    return raw.decode("utf-8", "replace") + ("…" if cut else "")


def write_json(path: Path, value: Json) -> None:
    """Replace a file in one step that survives a crash: write beside it, sync, rename."""
    beside = path.with_name(path.name + ".tmp")
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=True)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a directory last through a loss of power (where directories can be synced)."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_tree(directory: Path) -> None:
    """Remove a directory with all that is in it, as far as that can be done."""
    if directory.exists():
        import shutil

        shutil.rmtree(directory, ignore_errors=True)


def unique() -> str:
    """A part of a name that no other has."""
    return os.urandom(16).hex()
