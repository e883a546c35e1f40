"""Scripts in files, read bit by bit: twice where they are long, and then the second time as the first."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain

from qql.errors import QQLError, QQLPlanError, Source
from qql.packed_files import HEAD, damage, form_of, unpacked, unpacked_name
from qql.records import dataclass, field
from qql.session.files import file_unreadable, from_home, stream_kind
from qql.syntax.pieces import WHOLE, cut_pieces, in_pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedReader
    from typing import IO

    from qql import nodes

__all__ = ["ExecutedFiles", "Faults", "ScriptFile", "ScriptText", "is_script", "read_executed"]

_CHUNK = 1 << 16  # bytes
_SCRIPTS = (".qql", ".sql")
"""Endings of names of scripts, which may begin with a word that is misspelt."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The errors of a script's file, in the words of whoever has it read.

    ``not_text`` is given the file's first bytes, the byte that is at fault, and its offset; ``no_script`` is
    for a file that is something else: no line of it is to be shown to whoever named it.
    """

    unreadable: Callable[[Exception], QQLError]
    not_text: Callable[[bytes, int, int], QQLError]
    changed: Callable[[], QQLError]
    no_script: Callable[[], QQLError]


@dataclass(frozen=True, slots=True)
class ScriptText:
    """A script that is a text."""

    source: Source

    @property
    def name(self) -> str:
        return self.source.name

    def __iter__(self) -> Iterator[Source]:
        return in_pieces(self.source)

    def require_unchanged(self) -> None:
        """A text cannot change."""


@dataclass(slots=True)
class Seen:
    """What a file was when it was first read: its state, and a hash of each chunk.

    The hash is Python's own, of 64 bits and keyed anew in each process: no import is as quick as none.
    """

    state: tuple[int, ...] | None = None
    hashes: list[int] = field(default_factory=list)

    def differs(self, state: tuple[int, ...]) -> bool:
        """Whether the file's state is not the one that it had first."""
        self.state = self.state or state
        return self.state != state

    def differs_at(self, number: int, chunk: bytes) -> bool:
        """Whether a chunk is not the one that was read there first."""
        if number == len(self.hashes):
            self.hashes.append(hash(chunk))
        return self.hashes[number] != hash(chunk)


class ScriptFile:
    """A script in UTF-8, with or without a byte-order mark; ``~`` is the home directory.

    The pieces of a long one are read anew each time they are asked for. A file has to be as it was the first
    time, and with ``streams`` what is none (a pipe, a device, ``-`` for standard input) is kept in one.
    While they are read, the pieces raise an error of ``faults``, and `QQLSyntaxError` as `cut_pieces` does.
    """

    def __init__(self, path: str, faults: Faults, *, streams: bool = False, seen: Seen | None = None) -> None:
        self.path = path
        self.name: str = "<stdin>" if streams and path == "-" else path
        self._faults = faults
        self._streams = streams
        self._seen = seen or Seen()
        self._spool: _Spool | None = None
        self._whole: Source | None = None  # of a short script

    def require(self) -> None:
        """Reads the begin of it, and raises an error where there is none."""
        next(iter(self), None)

    def __iter__(self) -> Iterator[Source]:
        if self._whole is not None:
            yield from in_pieces(self._whole)
            return
        if self.name == "<stdin>" and not hasattr(sys.stdin, "buffer"):
            self._whole = Source(sys.stdin.read(), self.name)
            yield from in_pieces(self._whole)
            return
        if form_of(self.path) != "script" and self.name != "<stdin>":
            self._whole = Source(self._script_of_dump(), self.name)
            yield from in_pieces(self._whole)
            return
        texts = self._texts()
        begin, size, known = list[str](), 0, False
        for text in texts:
            begin.append(text)
            size += len(text)
            if not known and size:
                self._require_script("".join(begin))
                known = True
            if size > WHOLE:
                break
        else:
            self._whole = Source("".join(begin), self.name)
            yield self._whole
            return
        yield from cut_pieces(chain(begin, texts), self.name)

    def _require_script(self, begin: str) -> None:
        """Raises an error where a file begins with no statement, and its name does not say that it is one."""
        if self._spool is None and not is_script(self.path, begin):
            raise self._faults.no_script()

    def require_unchanged(self) -> None:
        """Raises an error where the file has another time or size, or is another one, than at first."""
        if self._whole is None and self._spool is None:
            try:
                differs = self._seen.differs(_state(self.path))
            except OSError as exc:
                raise self._faults.unreadable(exc) from exc
            if differs:
                raise self._faults.changed()

    def _texts(self) -> Iterator[str]:
        """What is in the file, chunk by chunk."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        head, done = b"", 0
        for chunk in chain(self._chunks(), [b""]):
            head = head or chunk[:4]
            pending = len(decoder.getstate()[0])
            try:
                yield decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as exc:
                raise self._faults.not_text(head, exc.object[exc.start], done - pending + exc.start) from exc
            done += len(chunk)

    def _script_of_dump(self) -> str:
        """The script that a dump stands for which is no script, but has rows."""
        from qql.session.dump_headers import script_of_dump

        try:
            with ExitStack() as opened:
                file = self._open(opened)
                if isinstance(file, _Spool):
                    raise ValueError("it is a pipe, and a dump is read from a file")
                return script_of_dump(self.path, file)
        except damage(ValueError, RuntimeError) as exc:
            raise self._faults.unreadable(exc) from exc

    def _chunks(self) -> Iterator[bytes]:
        try:
            with ExitStack() as opened:
                file = self._open(opened)
                number = 0
                while chunk := self._read(file, number):
                    yield chunk
                    number += 1
        except damage(ValueError, RuntimeError) as exc:  # also a NUL in the path, and `~nobody`
            raise self._faults.unreadable(exc) from exc

    def _open(self, opened: ExitStack) -> IO[bytes] | _Spool:
        if self._spool is not None:
            return self._spool.again()
        if self.name == "<stdin>":
            self._spool = _Spool(sys.stdin.buffer)
            return self._spool
        path = from_home(self.path)
        kind = stream_kind(path)
        if kind is not None and not self._streams:
            raise ValueError(f"it is {kind}, and no file")
        if kind is not None:
            self._spool = _Spool(_opened(path), own=True)
            return self._spool
        whole = opened.enter_context(_opened(path))
        return unpacked(whole, whole.peek(HEAD)[:HEAD])

    def _read(self, file: IO[bytes] | _Spool, number: int) -> bytes:
        chunk = file.read(_CHUNK)
        if not isinstance(file, _Spool) and (
            self._seen.differs(_state(self.path)) or self._seen.differs_at(number, chunk)
        ):
            raise self._faults.changed()
        return chunk


class _Spool:
    """A stream that is read once and kept in a temporary file, so that it can be read again."""

    def __init__(self, stream: IO[bytes], *, own: bool = False) -> None:
        from tempfile import SpooledTemporaryFile
        from weakref import finalize

        self.stream = stream
        self._kept = SpooledTemporaryFile(max_size=WHOLE)  # noqa: SIM115 (closed when nothing holds it)
        finalize(self, self._kept.close)
        if own:
            finalize(self, stream.close)
        self._at = 0
        self._ended = False

    def again(self) -> _Spool:
        self._at = 0
        return self

    def read(self, size: int) -> bytes:
        self._kept.seek(self._at)
        chunk = self._kept.read(size)
        if not chunk and not self._ended:
            chunk = self.stream.read(size)
            self._ended = len(chunk) < size  # a terminal would be read anew behind its end
            self._kept.write(chunk)
        self._at += len(chunk)
        return chunk


def _opened(path: str) -> BufferedReader:
    return open(path, "rb")  # noqa: PTH123 - as in `from_home`; it is closed by who asks for it


def _state(path: str) -> tuple[int, ...]:
    found = os.stat(from_home(path))  # noqa: PTH116 - as in `from_home`
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_executed(statement: nodes.Execute, seen: Seen | None = None) -> ScriptFile:
    """The script that EXECUTE names. What is wrong about its file is a `QQLPlanError`, mostly with the code
    ``file-unreadable``.
    """
    from qql.compiler.scalars import scalar_value

    path, span = str(scalar_value(statement.path)), statement.path.span

    def not_text(_: bytes, __: int, offset: int) -> QQLError:
        message = f"the file {path} is not UTF-8 text: byte {offset} is none of its"
        return QQLPlanError.make("file-unreadable", message, span, "save it as UTF-8")

    def changed() -> QQLError:
        return QQLPlanError.make("script-changed", changed_message(path), span, CHANGED_HINT)

    def no_script() -> QQLError:
        return QQLPlanError.make("no-script", no_script_message(path), span, NO_SCRIPT_HINT)

    faults = Faults(lambda exc: file_unreadable(path, exc, span, QQLPlanError), not_text, changed, no_script)
    return ScriptFile(path, faults, seen=seen)


CHANGED_HINT = "run it again when it is complete"


def changed_message(path: str) -> str:
    """What is said of a file that is not as it was when it was checked."""
    return f"the script {path} changed while it was being run; no more of it is carried out"


def is_script(path: str, begin: str) -> bool:
    """Whether a file is a script: its name says so, or what it begins with."""
    if unpacked_name(path).lower().endswith(_SCRIPTS):
        return True
    from qql.syntax.parser import may_be_script

    return may_be_script(begin)


NO_SCRIPT_HINT = "a script whose first word is misspelt is read if its name ends in .qql"


def no_script_message(path: str) -> str:
    """What is said of a file that begins with no statement."""
    return f"the file {path} is no script: it does not begin with a statement"


class ExecutedFiles:
    """The files that the statements of a script execute; each stays as it was when it was first read."""

    def __init__(self, read: Callable[[nodes.Execute, Seen | None], ScriptFile] = read_executed) -> None:
        self._read = read
        self._seen: dict[str, Seen] = {}

    def __call__(self, statement: nodes.Execute) -> ScriptFile:
        file = self._read(statement, None)
        return self._read(statement, self._seen.setdefault(file.path, Seen()))
