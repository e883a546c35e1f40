"""Snapshots: a collection as one tar archive below ``snapshots/<collection>/`` of the database.

The archive holds a list of its members, and the files of a collection that was flushed and closed.
Files of the engine end with room that is reserved and empty; of those zeros the archive keeps the number
only, as GNU tar does for sparse files.

An archive is written under another name and then renamed, and so is a collection that is recovered: it is
opened once to see that it works before it takes the place of what there was.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

from qql.errors import QQLConnectionError, QQLExecutionError, did_you_mean
from qql.rest.types import Json, JsonObject

from .collection import Collection
from .database import Database
from .engine import first_line
from .files import directory_name, sync_directory
from .leftovers import CHECKSUM, PARTIAL
from .readers import Fields, only, quoted, read, refuse, text, unsupported
from .refusals import ONE_COPY
from .space import require_room, used_space

__all__ = ["create_snapshot", "delete_snapshot", "list_snapshots", "recover_snapshot"]

_SUFFIX = ".snapshot"
_BLOCK = 2**20
_ZEROS = bytes(2**16)
_MANIFEST, _FORMAT = "snapshot.json", "qql-edge-snapshot-1"


def _directory(database: Database, collection: str) -> Path:
    return database.path / "snapshots" / directory_name(collection)


# --- what there is --------------------------------------------------------------------------------


def list_snapshots(database: Database, collection: str) -> list[JsonObject]:
    """The snapshots of a collection, the oldest first; also of one that was dropped."""
    found = _archives(_directory(database, collection))
    if not found and collection not in database:
        raise database.unknown(collection)
    return [_snapshot_info(path) for path in found]


def _archives(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def _snapshot_info(path: Path) -> JsonObject:
    """``{"name", "creation_time", "size", "checksum"}``: UTC, bytes, SHA-256 in hexadecimal."""
    about = path.stat()
    beside = path.with_name(path.name + CHECKSUM)
    made = datetime.fromtimestamp(about.st_mtime, UTC)
    return {
        "name": path.name,
        "creation_time": made.strftime("%Y-%m-%dT%H:%M:%S"),
        "size": about.st_size,
        "checksum": beside.read_text("ascii") if beside.exists() else _digest(path),
    }


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _find_archive(database: Database, collection: str, name: str) -> Path:
    """The archive of that name. Raises ``unknown-snapshot``, and ``invalid-name`` for a path."""
    if not name or name in (".", "..") or any(char in name for char in "/\\\0") or name != Path(name).name:
        raise refuse("invalid-name", f"a snapshot's name cannot be {name!r:.80}", "it is no path")
    directory = _directory(database, collection)
    path = directory / name
    if not name.endswith(_SUFFIX) or not path.is_file():
        names = [found.name for found in _archives(directory)]
        listed = f"there are {quoted(names[-20:])}" if names else "it has none"
        raise refuse(
            "unknown-snapshot",
            f"`{collection}` has no snapshot `{name}`",
            did_you_mean(name, names) or listed,
        )
    return path


def delete_snapshot(database: Database, collection: str, name: str) -> None:
    """Remove an archive. Raises ``unknown-snapshot``."""
    path = _find_archive(database, collection, name)
    path.unlink()
    path.with_name(path.name + CHECKSUM).unlink(missing_ok=True)
    sync_directory(path.parent)


# --- writing --------------------------------------------------------------------------------------


def create_snapshot(database: Database, collection: Collection) -> JsonObject:
    """Write an archive of all that a collection holds; gives its description."""
    with collection.engine():
        pass  # a damaged collection has nothing worth keeping
    collection.close()
    require_room(database.path, used_space(collection.path), f"write a snapshot of `{collection.name}`")
    directory = _directory(database, collection.name)
    directory.mkdir(parents=True, exist_ok=True)
    path = _free_path(directory, collection.name)
    partial = path.with_name(path.name + PARTIAL)
    try:
        _write_archive(partial, collection.path)
        path.with_name(path.name + CHECKSUM).write_text(_digest(partial), "ascii")
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        path.with_name(path.name + CHECKSUM).unlink(missing_ok=True)
        raise
    sync_directory(directory)
    sync_directory(directory.parent)
    return _snapshot_info(path)


def _free_path(directory: Path, collection: str) -> Path:
    base = f"{directory_name(collection)}-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}"
    paths = (directory / f"{base}{f'-{at}' if at > 1 else ''}{_SUFFIX}" for at in count(1))
    return next(path for path in paths if not path.exists())


def _write_archive(path: Path, source: Path) -> None:
    entries = {entry.relative_to(source).as_posix(): entry for entry in sorted(source.rglob("*"))}
    files = {name: entry for name, entry in entries.items() if entry.is_file()}
    listed = {"format": _FORMAT, "files": {name: entry.stat().st_size for name, entry in files.items()}}
    content = json.dumps(listed).encode()
    with path.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            manifest = tarfile.TarInfo(_MANIFEST)
            manifest.size = len(content)
            archive.addfile(manifest, io.BytesIO(content))
            for name, entry in entries.items():
                if entry.is_dir():  # an empty one can be part of a segment
                    directory = tarfile.TarInfo(name)
                    directory.type, directory.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(directory)
            for name, entry in files.items():
                _add_file(archive, entry, name)
        file.flush()
        os.fsync(file.fileno())


def _add_file(archive: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        used = _without_trailing_zeros(file, size)
        member = tarfile.TarInfo(name)
        member.size, member.mode = used, 0o644
        member.mtime = int(path.stat().st_mtime)
        if used < size:  # the form that GNU tar calls sparse format 0.1
            member.pax_headers = {
                "GNU.sparse.size": str(size),
                "GNU.sparse.numblocks": "2",
                "GNU.sparse.map": f"0,{used},{size},0",
            }
        file.seek(0)
        archive.addfile(member, file)


def _without_trailing_zeros(file: BinaryIO, size: int) -> int:
    """How many bytes there are up to the last one that is not zero."""
    end = size
    while end:
        start = max(0, end - len(_ZEROS))
        file.seek(start)
        block = file.read(end - start)
        # Most blocks are empty, and comparing is many times faster than stripping.
        if block != _ZEROS and (used := len(block.rstrip(b"\0"))):
            return start + used
        end = start
    return 0


# --- reading --------------------------------------------------------------------------------------


def _priority(value: Json, where: str) -> Json:
    return only("snapshot", "no_sync", hint=ONE_COPY)(value, where)


def _no_key(value: Json, where: str) -> NoReturn:
    raise unsupported(f"`{where}`", "a snapshot is read from a file, which takes no key")


def recover_snapshot(database: Database, collection: str, body: Json) -> None:
    """Make a collection what it was when a snapshot was taken, in one step; where it is missing, make it.

    ``location`` is the name of one of its snapshots, a path, or a ``file://`` address. Raises
    ``unknown-snapshot``, ``wrong-checksum``, and ``invalid-snapshot`` for a file that is none; whatever is
    raised, the collection is as it was.
    """
    fields: Fields = {"location": text, "checksum": text, "priority": _priority, "api_key": _no_key}
    given = read(body, "recover", fields, ("location",))
    path = _archive_at(database, collection, given["location"])
    if "checksum" in given and _digest(path) != given["checksum"].strip().lower():
        raise refuse(
            "wrong-checksum",
            f"the SHA-256 of {path.name} is {_digest(path)}, not {given['checksum']!s:.80}",
            "the file might be damaged, or another one",
        )

    require_room(database.path, path.stat().st_size, f"restore `{collection}`")

    def fill(directory: Path) -> None:
        with _invalid_where_unreadable(path):
            _extract(path, directory)
            Collection.adopt(directory, collection)

    database.replace(collection, fill)


def _archive_at(database: Database, collection: str, location: str) -> Path:
    address = urlsplit(location)
    if address.scheme == "file":
        if address.netloc not in ("", "localhost"):
            raise unsupported(f"a snapshot on another machine ({location!r:.80})", "file:///… is one on this")
        path = Path(url2pathname(address.path))
    elif address.scheme in ("http", "https", "s3"):
        raise unsupported(
            f"downloading a snapshot ({location!r:.80})", "download it, and give the path of the file"
        )
    elif Path(location).name == location:
        return _find_archive(database, collection, location)
    else:
        path = Path(location)
    if "\0" in str(path) or not path.is_file():
        raise refuse("unknown-snapshot", f"there is no file {location!r:.200}")
    return path


@contextlib.contextmanager
def _invalid_where_unreadable(path: Path) -> Iterator[None]:
    """Turn what a file that is no snapshot leads to into ``invalid-snapshot``."""
    try:
        yield
    except QQLExecutionError:
        raise
    except QQLConnectionError as exc:
        raise _invalid_snapshot(path, exc.message) from exc
    except (tarfile.TarError, EOFError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise _invalid_snapshot(path, str(exc) or type(exc).__name__) from exc


def _invalid_snapshot(path: Path, why: str) -> QQLExecutionError:
    return refuse(
        "invalid-snapshot",
        f"{path.name} is no snapshot that the embedded engine can recover: {first_line(why)}",
        "a server's snapshots are of another form",
    )


def _extract(path: Path, target: Path) -> None:
    """Write the members of an archive, all of those that it lists and no other."""
    _require_checksum(path)
    target.mkdir()
    with tarfile.open(path, "r:") as archive:
        files = _manifest(path, archive)
        for member in archive:
            if member.name == _MANIFEST:
                continue
            name = PurePosixPath(member.name)
            if not _stays_inside(name):
                raise _invalid_snapshot(path, f"its member {member.name!r:.80} would be written elsewhere")
            if member.isdir():
                target.joinpath(*name.parts).mkdir(parents=True, exist_ok=True)
            elif member.isfile() and files.pop(member.name, None) == member.size:
                _write_member(archive, member, target.joinpath(*name.parts))
            else:
                raise _invalid_snapshot(path, f"its member {member.name!r:.80} is not the file that it lists")
    if files:
        raise _invalid_snapshot(path, f"it lacks {next(iter(files))!r:.80} and might be cut short")
    for directory in [target, *(entry for entry in target.rglob("*") if entry.is_dir())]:
        sync_directory(directory)


def _stays_inside(name: PurePosixPath) -> bool:
    """Whether a member's name, joined to a directory, is below it, on this system's terms."""
    if name.is_absolute() or not name.parts or ".." in name.parts:
        return False
    return os.sep == "/" or all(PureWindowsPath(part).parts == (part,) for part in name.parts)


def _require_checksum(path: Path) -> None:
    beside = path.with_name(path.name + CHECKSUM)
    if beside.exists() and beside.read_text("ascii", "replace").strip() != _digest(path):
        raise _invalid_snapshot(path, f"its SHA-256 is not the one in {beside.name}")


def _manifest(path: Path, archive: tarfile.TarFile) -> dict[str, int]:
    first = archive.next()
    content = archive.extractfile(first) if first is not None and first.name == _MANIFEST else None
    found = json.loads(content.read()) if content is not None else {}
    if found.get("format") != _FORMAT:
        raise _invalid_snapshot(path, "it does not begin with a list of its members")
    return dict(found["files"])


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None
    parts: list[tuple[int, int]] = getattr(member, "sparse", None) or [(0, member.size)]
    with path.open("xb") as file:
        for start, size in parts:
            source.seek(start)
            file.seek(start)
            while size > 0 and (block := source.read(min(size, _BLOCK))):
                file.write(block)
                size -= len(block)
        file.truncate(member.size)
        file.flush()
        os.fsync(file.fileno())
