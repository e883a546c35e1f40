"""Building indexes in a process of its own.

Every call of the engine holds Python's interpreter lock, and building a graph takes up to minutes: done
here it would freeze every thread and ignore Ctrl-C. So the collection is closed, a child process opens,
optimizes and closes it, and the collection is opened again. A child that is killed loses nothing.

The child is started as ``python -c``, not by `multiprocessing`: that would import the main program
again, which a REPL, a script from standard input or an unguarded main module does not stand.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from pathlib import Path

from qql.backends.base import Progress, Work
from qql.errors import Diagnostic, QQLExecutionError, QQLTimeoutError
from qql.late import late_pattern
from qql.rest.types import Body

from .collection import Collection
from .config import INDEXING_THRESHOLD
from .files import remove_tree
from .space import MIB, free_space, full, require_room, used_space

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

__all__ = ["needs_optimize", "optimize", "python_executable"]

_NO_ROOM = late_pattern(r"Not enough space available for optimization, needed: ([\d.]+) ([KMGT]?)i?B")
"""How the engine refuses to optimize on a full disk."""
_TICK = 0.1  # seconds between looks at the child

_CHILD = """
import json, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # Linux: end with the parent
except (OSError, AttributeError, ImportError, TypeError):
    pass
request = json.loads(sys.stdin.readline() or "{}")
if os.getppid() != request.get("parent"):
    sys.exit("the parent ended before its child could follow it")
sys.path[:] = request["sys_path"]
from qdrant_edge import EdgeShard
shard = EdgeShard.load(request["path"])
changed = shard.optimize()
shard.flush()
points = shard.info().points_count
shard.close()
print(json.dumps({"changed": changed, "points": points}), flush=True)
"""


def optimize(collection: Collection, progress: Progress | None = None, timeout: float | None = None) -> bool:
    """Build what is to be built. True where something was.

    ``progress`` gets the seconds that have passed; how long it will take is not known. Raises
    ``optimize-failed``; and ``timed-out`` after ``timeout`` seconds: what was built by then is lost.
    """
    with collection.engine():
        pass  # see that it is whole
    room = 32 * MIB + used_space(collection.path / "segments")
    require_room(collection.path, room, f"optimize `{collection.name}`")
    collection.close()
    collection.manifest.forget()
    try:
        answer = _run_child(collection, progress, timeout)
    finally:
        # Whatever happened, the next use of the collection opens it again. It needs room for that.
        collection.abandon()
        remove_tree(collection.path / "temp_segments")
    try:
        done = json.loads(answer)
        changed, points = bool(done["changed"]), int(done["points"])
    except (ValueError, LookupError, TypeError) as exc:
        raise _failed(collection, "its process gave no answer") from exc
    collection.manifest.write(points)
    with collection.engine():
        pass
    if collection.altered:
        collection.altered = False
        collection.save()
    return changed


def _run_child(collection: Collection, progress: Progress | None, timeout: float | None) -> str:
    import subprocess

    request = json.dumps(
        {
            "path": str(collection.path.resolve()),
            "sys_path": [entry or str(Path.cwd()) for entry in sys.path],
            "parent": os.getpid(),
        }
    )
    try:
        child = subprocess.Popen(
            [_python_executable(collection), "-P", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
    except OSError as exc:
        raise _failed(collection, f"no process could be started: {exc}") from exc
    try:
        with contextlib.suppress(BrokenPipeError):
            assert child.stdin is not None
            child.stdin.write(request + "\n")
            child.stdin.flush()
        out, err = _wait_for_child(child, collection, progress, timeout)
    except BaseException:
        child.kill()
        child.communicate()
        raise
    if child.returncode != 0:
        _require_some_room(collection, 4 * MIB)  # a mapped file that finds none ends the process
        if found := _NO_ROOM.search(err):
            raise full(
                collection.path, free_space(collection.path), f"optimize `{collection.name}`", _needed(found)
            )
        raise _failed(collection, _exit_reason(child.returncode, err))
    return out


def _needed(found: re.Match[str]) -> int:
    return int(float(found[1]) * {"K": 2**10, "M": MIB, "G": 2**30, "T": 2**40}.get(found[2], 1))


def _require_some_room(collection: Collection, least: int) -> None:
    free = free_space(collection.path)
    if free < least:
        raise full(collection.path, free, f"optimize `{collection.name}`")


def _wait_for_child(
    child: subprocess.Popen[str],
    collection: Collection,
    progress: Progress | None,
    timeout: float | None,
) -> tuple[str, str]:
    from subprocess import TimeoutExpired

    started = time.monotonic()
    while True:
        if progress is not None:
            progress(Work(f"optimizing {collection.name}", "s"), int(time.monotonic() - started), None)
        _require_some_room(collection, 2 * MIB)
        try:
            return child.communicate(timeout=_TICK)
        except TimeoutExpired:
            if timeout is not None and time.monotonic() - started >= timeout:
                raise _too_late(collection, timeout) from None


def _too_late(collection: Collection, timeout: float) -> QQLTimeoutError:
    message = f"`{collection.name}` is not optimized within {timeout:g} s"
    hint = "no data was lost; without `timeout` it takes as long as it takes"
    return QQLTimeoutError(Diagnostic("timed-out", message, hint=hint))


def python_executable() -> str | None:
    """The Python that child processes are started with: an embedding program is not Python itself."""
    from multiprocessing.spawn import get_executable  # whose setting names one

    found = get_executable()
    return os.fsdecode(found) if found else None


def _python_executable(collection: Collection) -> str:
    found = python_executable()
    if not found:
        raise _failed(
            collection, "no Python interpreter is known", "multiprocessing.set_executable(…) names one"
        )
    return found


def _exit_reason(code: int, err: str) -> str:
    lines = [line for line in err.strip().splitlines() if line]
    how = f"its process was ended by signal {-code}" if code < 0 else f"its process ended with code {code}"
    return f"{how}: {lines[-1]}" if lines else how


def _failed(
    collection: Collection,
    why: str,
    hint: str = "no data was lost, and the collection can be used as before",
) -> QQLExecutionError:
    message = f"`{collection.name}` could not be optimized: {why}"
    return QQLExecutionError(Diagnostic("optimize-failed", message, hint=hint))


def needs_optimize(collection: Collection) -> bool:
    """Whether a segment without a graph reached the indexing threshold, or the configuration was altered.

    The threshold counts kilobytes (1024 bytes) of one vector's data in one segment, as in the engine; 0
    switches indexing off. Rows of multivectors count one by one. Sparse vectors are indexed at once.
    """
    if collection.altered:
        return True
    settings = collection.body.get("optimizers_config") or {}
    threshold = settings.get("indexing_threshold")
    limit = (INDEXING_THRESHOLD if threshold is None else threshold) * 1024
    if not limit:
        return False
    with collection.engine():
        pass  # see that it can be opened
    if collection.written:
        collection.flush()  # the counters of an open segment are in its files only then
    return any(size >= limit for size in _unindexed_sizes(collection))


def _unindexed_sizes(collection: Collection) -> list[float]:
    """Bytes of each dense vector of each segment that has no graph for it."""
    sizes = []
    for segment in (collection.path / "segments").iterdir():
        try:
            config = json.loads((segment / "segment.json").read_text(encoding="utf-8"))["config"]
        except (OSError, ValueError, LookupError):
            continue  # a segment that is being made or removed
        for name, stored in (config.get("vector_data") or {}).items():
            spec = collection.vectors.get(name)
            if spec is None or _stored_index_type(stored) != "plain":
                continue
            sizes.append(_vector_count(segment, name) * spec.size * spec.bytes_each)
    return sizes


def _stored_index_type(stored: Body) -> str:
    return str((stored.get("index") or {}).get("type"))


def _vector_count(segment: Path, name: str) -> int:
    """How many vectors a plain segment holds: a little-endian number at the head of its status file."""
    directory = segment / (f"vector_storage-{name}" if name else "vector_storage")
    try:
        return int.from_bytes((directory / "vectors" / "status.dat").read_bytes()[:8], "little")
    except OSError:
        return 0
