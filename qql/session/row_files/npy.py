"""Vectors of a NumPy file (``.npy``), which lie beside the rows of another file, or are all there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qql.errors import QQLError, QQLExecutionError, fail
from qql.missing import needed_for
from qql.rest.types import Json
from qql.session.files import file_unreadable
from qql.session.row_files.row import Record, RowError
from qql.session.row_files.source import ByteSource

if TYPE_CHECKING:
    import numpy

__all__ = ["NpyFile", "NpyVectors", "open_npy"]


class NpyVectors:
    """Vectors of a file that stays on the disk: the n-th is read when it is asked for."""

    def __init__(self, path: Path, array: numpy.ndarray[Any, Any]) -> None:
        self.path = path
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, place: int) -> list[Json]:
        """A vector, or the rows of a multivector. Raises `RowError` where a number is NaN or infinite."""
        import numpy

        vector = self._array[place]
        if not numpy.isfinite(vector).all():
            at = int(numpy.flatnonzero(~numpy.isfinite(vector))[0])
            raise RowError(f"number {at + 1} of vector {place + 1} in {self.path} is {vector.flat[at]}")
        numbers: list[Json] = vector.tolist()
        return numbers


def open_npy(path: Path) -> NpyVectors:
    """The vectors of a file: numbers in the shape ``(n, dimensions)``, or ``(n, rows, dimensions)``.

    Raises `QQLExecutionError` for a file that cannot be read, or holds something else.
    """
    from tokenize import TokenError

    with needed_for(f"COPY of {path}"):
        import numpy

    source = ByteSource(path)
    source.close()
    if source.total is None:
        fail("not-a-file", f"{path} is a pipe, and vectors are read from a file", error=QQLExecutionError)
    try:
        array = numpy.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as exc:
        raise file_unreadable(path, exc) from exc
    except (ValueError, EOFError, SyntaxError, OverflowError, TypeError, TokenError) as exc:
        raise _no_vectors(path, f"cannot be read: {str(exc).splitlines()[0]}") from exc
    if not isinstance(array, numpy.ndarray):
        array.close()
        raise _no_vectors(path, "is an archive of arrays")
    if array.dtype.kind not in "fiu":
        raise _no_vectors(path, f"holds {array.dtype}, and no numbers")
    if array.ndim not in (2, 3):
        raise _no_vectors(path, f"has the shape {array.shape}")
    return NpyVectors(path, array)


class NpyFile:
    """The vectors of a file as rows: ``total`` of them, ``done`` were given. Raises as `open_npy`."""

    def __init__(self, path: Path) -> None:
        self.done: int = 0
        self.notes: list[str] = []
        self._vectors = open_npy(path)

    @property
    def total(self) -> int:
        """The number of vectors."""
        return len(self._vectors)

    def rows(self) -> Iterator[Record]:
        """A row for each vector, with nothing but the ``vector``."""
        for place in range(self.total):
            self.done = place + 1
            try:
                yield self.done, {"vector": self._vectors[place]}, None
            except RowError as exc:
                yield self.done, exc, None

    def close(self) -> None:
        """Let the file go; NumPy closes it when nobody has its vectors any more."""


def _no_vectors(path: Path, why: str) -> QQLError:
    hint = "numpy.save writes such a file of an array with the shape (vectors, dimensions)"
    return QQLExecutionError.make("file-format", f"the file {path} {why}", hint=hint)
