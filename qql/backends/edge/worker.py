"""The embedded engine in a process of its own, for flows: each of its calls holds the interpreter's lock.

The process is started as the one that optimizes is. It answers one call after the other. Where it dies,
whatever was asked fails, and the next call starts another one: what was acknowledged is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import shutil
import signal
import sys
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

from qql.backends.base import Progress
from qql.backends.file_locks import lock_file
from qql.errors import QQLConnectionError, QQLError, QQLExecutionError
from qql.flows import Stopped, answer
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.rest.types import Json

from .home import OWNER
from .leftovers import PREFIX
from .optimize import python_executable
from .serving import HEADER, PROGRESS, frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

__all__ = ["EngineProcess"]

_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.stdin.buffer.readline() or "[]")
from qql.backends.edge.serving import serve
serve()
"""
_LONGEST_END = 60.0
"""Seconds that a process has to end by itself when the connection is closed: it flushes."""


class EngineProcess:
    """A database in a directory, whose engine runs in a child process. For one event loop.

    ``path`` None is a temporary directory, which this process owns and `close` removes. Raises, as all that
    waits does, in flows only, and what `EdgeBackend` raises; ``engine-ended`` where the process has died.
    """

    name = "edge"
    took: float | None = None

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._remove: Callable[[], object] = bool
        self._temporary = path is None
        if path is None:
            self.path: Path = Path(tempfile.mkdtemp(prefix=PREFIX))
            owner = os.open(self.path / OWNER, os.O_RDWR | os.O_CREAT, 0o600)
            lock_file(owner)
            self._remove = weakref.finalize(self, _remove, self.path, owner, os.getpid())
        else:
            self.path = Path(path).absolute()
        self._closed = False
        self._starting = asyncio.Lock()
        self._child: _Child | None = None
        self._notes: list[str] = []
        self.absence: str | None = None
        try:
            answer(self._running())
        except BaseException:
            self._remove()
            raise

    def infers(self, model: str) -> bool:
        """No model runs in the engine."""
        return False

    def call(self, request: Request) -> Json:
        """Carry out one request; see `Backend.call`."""
        return answer(self._asked(_what(request), "call", request))

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> bool:
        """Build indexes now; other calls wait for the end of it. True where there was something to do."""
        what = f"optimizing {collection}"
        asked = self._asked(what, "optimize", collection, progress is not None, timeout, progress=progress)
        try:
            return bool(answer(asked))
        except Stopped:
            if self._child is not None and not self._child.waits_for:
                self._child.interrupt()
            raise

    def needs_optimize(self, collection: str) -> bool:
        """Whether so many vectors are not indexed yet that `optimize` is worth while."""
        return bool(answer(self._asked("a look at the collection", "needs_optimize", collection)))

    def flush(self) -> None:
        """Write everything to disk, so that it outlasts a loss of power and not only of the process."""
        answer(self._asked("a flush", "flush"))

    def take_notes(self) -> list[str]:
        """The sentences about what was taken and not acted on, each once."""
        taken, self._notes = self._notes, []
        return taken

    def close(self) -> None:
        """Flush and close everything, and end the process. Closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        try:
            answer(self._end())
        finally:
            self._remove()

    @property
    def pid(self) -> int | None:
        """The process, where one runs."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @property
    def waits_for(self) -> list[str]:
        """What was asked and is not answered yet, in words."""
        return [] if self._child is None else self._child.waits_for

    def end_given_up(self) -> None:
        """Ends the process where all that it is busy with is something that only read, and that nobody waits
        for any more. The next call starts it again.
        """
        if self._child is not None and self._child.is_given_up:
            self._child.freed = True
            self._child.kill()

    # -- in the event loop

    async def _asked(self, what: str, method: str, *given: object, progress: Progress | None = None) -> Json:
        while True:
            child = await self._running()
            try:
                done, value, notes, absence = await child.asked(what, method, given, progress)
                break
            except QQLExecutionError:
                if not child.freed:  # else this stood behind what was given up, and nothing was done of it
                    raise
        self._notes += (note for note in notes if note not in self._notes)
        self.absence = absence
        if not done:
            error, cause = value
            raise error from cause
        return value

    async def _running(self) -> _Child:
        if self._closed:
            raise QQLConnectionError.make("database-closed", f"the database {self.path} was closed")
        async with self._starting:
            before = self._child
            if before is not None and before.alive:
                return before
            self._child = child = await self._started()
            if before is not None and before.unsaid:
                how = f"the process of the engine {before.unsaid}, and was started again"
                self._notes.append(f"{how}; what was acknowledged is kept")
            return child

    async def _started(self) -> _Child:
        child = await _Child.started(self.path)
        try:
            given = str(self.path), self._temporary
            done, value, _, self.absence = await child.asked("opening it", "open", given, None)
        except BaseException:
            child.kill()
            await child.ended()  # it has the lock until then
            raise
        if not done:
            await child.ended()
            error, cause = value
            raise error from cause
        return child

    async def _end(self) -> None:
        child = self._child
        if child is None or not child.alive:
            return
        failure: QQLError | None = None
        with contextlib.suppress(QQLExecutionError):
            done, value, *_ = await child.asked("closing it", "close", (), None)
            failure = None if done else value[0]
        await child.ended()
        if failure is not None:
            raise failure


def _remove(directory: Path, owner: int, process: int) -> None:
    os.close(owner)
    if os.getpid() == process:
        shutil.rmtree(directory, ignore_errors=True)


_READING = "a request that reads"


def _unnamed_file() -> int:
    """An open file that nobody else sees; it goes when it is closed."""
    with tempfile.TemporaryFile() as made:
        return os.dup(made.fileno())


def _what(request: Request) -> str:
    return _READING if reads(request) else f"{request.method} {request.path}"


class _Child(asyncio.SubprocessProtocol):
    """The process, and what it was asked and has not answered yet."""

    def __init__(self) -> None:
        self.alive = True
        self._transport: Any = None
        self._input: Any = None
        self._buffer = bytearray()
        self._count = PROGRESS
        self._waiting: dict[int, tuple[str, asyncio.Future[Any], Progress | None]] = {}
        self._given_up: dict[int, str] = {}
        self._killed = self.freed = False
        self._over = asyncio.get_running_loop().create_future()
        self._errors: Any = None

    @classmethod
    async def started(cls, path: Path) -> Self:
        """A process that waits for calls. Raises ``engine-ended`` where none can be started."""
        executable = python_executable()
        if not executable:
            hint = "multiprocessing.set_executable(…) names one"
            raise QQLConnectionError.make("engine-ended", "no Python interpreter is known", hint=hint)
        errors = os.fdopen(_unnamed_file(), "r+b")
        try:
            transport, child = await asyncio.get_running_loop().subprocess_exec(
                cls, executable, "-P", "-c", _CHILD, stderr=errors, start_new_session=True
            )
        except BaseException as exc:
            errors.close()
            if not isinstance(exc, OSError):
                raise
            message = f"no process for the engine of {path} could be started: {exc}"
            raise QQLConnectionError.make("engine-ended", message) from exc
        child._transport, child._errors = transport, errors
        child._input = transport.get_pipe_transport(0)
        paths = [entry or str(Path.cwd()) for entry in sys.path]
        child._input.write(json.dumps(paths).encode() + b"\n")
        return child

    @property
    def pid(self) -> int | None:
        found: int | None = self._transport.get_pid()
        return found

    @property
    def waits_for(self) -> list[str]:
        return [what for what, _, _ in list(self._waiting.values())]  # other threads ask, too

    async def asked(
        self, what: str, method: str, given: tuple[object, ...], progress: Progress | None
    ) -> tuple[bool, Any, list[str], str | None]:
        """What comes of a call. It is carried out though nobody waits for that any more."""
        self._count += 1
        number, waits = self._count, asyncio.get_running_loop().create_future()
        self._waiting[number] = what, waits, progress
        try:
            if not self.alive:
                raise self._death(what)
            self._input.write(frame((number, method, given)))
            found: tuple[bool, Any, list[str], str | None] = await waits
            return found
        except asyncio.CancelledError:
            self._given_up[number] = what
            raise
        finally:
            self._waiting.pop(number, None)

    @property
    def is_given_up(self) -> bool:
        """Whether it is busy with something that only reads, and nobody waits for that."""
        return bool(self._given_up) and {*list(self._given_up.values())} == {_READING} and not self._writes

    @property
    def _writes(self) -> bool:
        return any(what != _READING for what in self.waits_for)

    @property
    def unsaid(self) -> str | None:
        """How it has ended, where nobody here has ended it."""
        return None if self._killed else self._end()

    async def ended(self) -> None:
        """Ends the process, which flushes first, and waits for that."""
        self._input.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._over), _LONGEST_END)
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """Ends the process at once."""
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()

    def interrupt(self) -> None:
        """Has it leave off what it can leave off: building indexes."""
        with contextlib.suppress(ProcessLookupError):
            self._transport.send_signal(signal.SIGINT)

    # -- what the event loop tells

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= HEADER:
            end = HEADER + int.from_bytes(buffer[:HEADER], "big")
            if len(buffer) < end:
                return
            message = pickle.loads(memoryview(buffer)[HEADER:end])
            del buffer[:end]
            self._arrived(*message)

    def _arrived(self, number: int, *message: Any) -> None:
        if number == PROGRESS:
            for _, _, progress in self._waiting.values():
                if progress is not None:
                    progress(*message)
            return
        self._given_up.pop(number, None)
        found = self._waiting.get(number)
        if found is not None and not found[1].done():
            found[1].set_result(message)

    def process_exited(self) -> None:
        self.alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """All that it had to say has arrived."""
        self.alive = False
        for what, waits, _ in self._waiting.values():
            if not waits.done():
                waits.set_exception(self._death(what))
        self._errors.close()
        self._transport.close()
        if not self._over.done():
            self._over.set_result(None)

    def _death(self, what: str) -> QQLError:
        said = f": {line}" if (line := self._last_line()) else ""
        message = f"the process of the engine {self._end()} during {what}{said}"
        hint = "the next statement starts it again, and what was acknowledged is kept"
        hint += "" if what == _READING else "; this may be done or not"
        return QQLExecutionError.make("engine-ended", message, hint=hint)

    def _end(self) -> str:
        code = self._transport.get_returncode()
        if code is None:
            return "has ended"
        return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"

    def _last_line(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            self._errors.seek(0)
            lines = self._errors.read(65536).decode(errors="replace").strip().splitlines()
            return str(lines[-1])[:300] if lines else ""
        return ""
