"""What a file is by its name and its first bytes: its form, and how it is compressed."""

from __future__ import annotations

from contextlib import contextmanager

from qql.late import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

__all__ = ["HEAD", "PACKED", "damage", "form_of", "packed", "require_unpacked", "unpacked", "unpacked_name"]

PACKED = {".gz": b"\x1f\x8b\x08", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00"}
"""Endings of names, and the bytes that such a file begins with."""
HEAD = max(map(len, PACKED.values()))
"""Bytes that tell how a file is compressed."""
UNKNOWN_PACKINGS = (".zst", ".zip", ".7z", ".lz4", ".br", ".rar")
"""Endings of compressed files that are neither written nor read."""


_FORMS = {"jsonl": (".jsonl", ".ndjson", ".jsonlines"), "parquet": (".parquet", ".pq")}


def unpacked_name(name: str) -> str:
    """A file's name without the ending that says how it is compressed."""
    for ending in PACKED:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def form_of(path: str) -> str:
    """The form that a dump's file has by its name: ``jsonl``, ``parquet``, or else ``script``."""
    name = unpacked_name(path).lower()
    return next((form for form, endings in _FORMS.items() if name.endswith(endings)), "script")


def unpacked(file: IO[bytes], head: bytes) -> IO[bytes]:
    """What is in a file that begins with ``head``: of a compressed one what was compressed, else itself.

    Reading a damaged one raises what `damage` names.
    """
    if head.startswith(PACKED[".gz"]):
        from gzip import GzipFile

        return cast("IO[bytes]", GzipFile(fileobj=file, mode="rb"))
    if head.startswith(PACKED[".xz"]):
        from lzma import LZMAFile

        return LZMAFile(file)
    if head.startswith(PACKED[".bz2"]):
        from bz2 import BZ2File

        return BZ2File(file)
    return file


def require_unpacked(path: str) -> None:
    """Raises `ValueError` for a file of Parquet whose name promises that it is compressed once more."""
    if unpacked_name(path) != path:
        raise ValueError("Parquet is compressed in itself; its name ends in .parquet")


def damage(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What the operating system and damaged files raise while one is read, and ``others``."""
    import lzma
    import zlib

    return OSError, EOFError, zlib.error, lzma.LZMAError, *others


@contextmanager
def packed(file: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """Where to write what goes into ``file``, compressed as its name says.

    The same bytes make the same file: no time and no name is written beside them. Raises `ValueError` for
    a name that promises a compression which there is not.
    """
    lower = name.lower()
    if lower.endswith(UNKNOWN_PACKINGS):
        raise ValueError(f"{lower[lower.rindex('.') :]} is not written; {', '.join(PACKED)} are")
    if lower.endswith(".gz"):
        from gzip import GzipFile

        with GzipFile("", "wb", fileobj=file, mtime=0) as inside:
            yield cast("IO[bytes]", inside)
    elif lower.endswith(".xz"):
        from lzma import LZMAFile

        with LZMAFile(file, "wb") as inside:
            yield inside
    elif lower.endswith(".bz2"):
        from bz2 import BZ2File

        with BZ2File(file, "wb") as inside:
            yield inside
    else:
        yield file
