"""OPTIMIZE on a server: its optimizers work by themselves, so they are woken where they wait, and waited for.

A collection is ``yellow`` while it is optimized and ``grey`` where there is something to do that nothing has
set off, as after a restart; any update of the settings sets it off. It is ``green`` where its own settings
leave nothing to do, which need not mean that every vector is in an index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from qql import flows
from qql.backends.base import Optimized, Progress, Work
from qql.errors import QQLConnectionError, QQLError, QQLExecutionError, QQLTimeoutError, fail
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json
from qql.schema import Schema

__all__ = ["optimize"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two looks
_LOST_IN_A_ROW = 5  # looks that may go unanswered: a server that builds graphs may be slow to answer
_UNMOVED = 20  # looks after which a collection that was set off and still waits will wait forever
_AWAITING = "awaiting update operation"
"""What a server says of optimizers that wait to be set off, where its status is not ``grey``."""
_THRESHOLD = 10_000
"""Kilobytes from which a segment is indexed, where the settings do not say it."""

Call = Callable[[Request], Json]
"""A backend's `call`."""


def optimize(
    call: Call,
    collection: str,
    progress: Progress | None = None,
    timeout: float | None = None,
    rest: Call | None = None,
) -> Optimized:
    """Wait until the optimizers of a collection have nothing left to do; set them off where they wait.

    ``rest`` sends over REST, which alone tells how far they are. ``timeout`` is in seconds; None waits for as
    long as it takes.

    Raises `QQLExecutionError` (``optimize-failed``) where the optimizers have failed or are switched off,
    `QQLTimeoutError` (``timed-out``), and whatever ``call`` raises.
    """
    waiting = _Waiting(call, collection, progress, timeout, rest)
    try:
        return waiting.to_the_end()
    except KeyboardInterrupt as stop:
        stop.add_note(f"the server goes on optimizing {collection} by itself; only the waiting has ended")
        raise


@dataclass(frozen=True, slots=True)
class _State:
    """What a server says of a collection, as far as it concerns its optimizers."""

    status: str
    error: str | None
    indexed: int
    points: int
    segments: int
    queued: int
    config: Body
    schema: Schema

    @classmethod
    def of(cls, info: Json, collection: str) -> _State:
        if not isinstance(info, dict) or not isinstance(info.get("status"), str):
            message = f"the server described `{collection}` in a way that is not Qdrant's"
            fail("server-error", message, error=QQLExecutionError)
        said = info.get("optimizer_status")
        queue = info.get("update_queue")
        queue = queue if isinstance(queue, dict) else {}
        config = info.get("config")
        return cls(
            info["status"].lower(),
            str(said.get("error") or "") or None if isinstance(said, dict) else None,
            _count(info.get("indexed_vectors_count")),
            _count(info.get("points_count")),
            _count(info.get("segments_count")),
            _count(queue.get("length")) + _count(queue.get("deferred_points")),
            config if isinstance(config, dict) else {},
            Schema.from_info(info),
        )

    @property
    def waits(self) -> bool:
        """Whether there is something to do that has to be set off."""
        return self.status == "grey" or _AWAITING in (self.error or "")

    @property
    def idle(self) -> bool:
        """Whether the server itself sees nothing left to do."""
        return self.status == "green" and self.error is None and self.queued == 0

    @property
    def vectors(self) -> int:
        """How many vectors there are where each point has all of them."""
        return self.points * len(self.schema.vectors)

    def setting(self, group: str, name: str) -> Json:
        """One setting of the collection; None where it is not said."""
        found = self.config.get(group)
        return found.get(name) if isinstance(found, dict) else None

    @property
    def threshold(self) -> int:
        """Kilobytes from which a segment is indexed; 0 where none ever is."""
        said = self.setting("optimizer_config", "indexing_threshold")
        return said if isinstance(said, int) else _THRESHOLD

    @property
    def lacks_an_index(self) -> bool:
        """Whether so much has no index that some segment must be above the threshold, however it is cut."""
        dense = [one.size or 0 for one in self.schema.vectors.values() if one.kind == "dense"]
        if not dense or not self.threshold or self.setting("hnsw_config", "m") == 0:
            return False
        missing = self.points * len(dense) - self.indexed
        return missing / len(dense) * min(dense) / 1024 > self.threshold * max(1, self.segments)

    def described(self) -> str:
        """``9,000 of 10,000 vectors are indexed``."""
        if len(self.schema.vectors) == 1:
            return f"{min(self.indexed, self.points):,} of {self.points:,} vectors are indexed"
        return f"{self.indexed:,} vectors of {self.points:,} points are indexed"

    def why_not_all(self) -> str:
        """Why vectors are left without an index where nothing is left to do; nothing where all have one."""
        if self.indexed >= self.vectors or not self.vectors:
            return ""
        if self.setting("hnsw_config", "m") == 0:
            return "; m = 0 builds no graph"
        if not self.threshold:
            return "; indexing_threshold = 0 switches indexing off"
        return f"; segments below indexing_threshold = {self.threshold} kB are searched without one"


def _count(value: Json) -> int:
    return value if isinstance(value, int) else 0


class _Waiting:
    """One wait for the optimizers of a collection."""

    def __init__(
        self, call: Call, collection: str, progress: Progress | None, timeout: float | None, rest: Call | None
    ) -> None:
        self._call, self._rest = call, rest
        self._collection = collection
        self._progress = progress
        self._began = time.monotonic()
        self._timeout = timeout
        self._set_off = self._waited = False

    def to_the_end(self) -> Optimized:
        """Looks again and again, with longer and longer pauses, until nothing is left to do."""
        first = state = self._look()
        pause, unmoved = _FIRST_PAUSE, 0
        while not self._is_done(state, unmoved):
            self._require_no_failure(state, unmoved)
            if (state.waits or state.lacks_an_index) and not self._set_off:
                self._start_optimizers()
            self._require_time(state)
            flows.pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            before, state = state, self._look_again()
            moved = state.status == "yellow" or state.indexed != before.indexed
            unmoved = 0 if moved else unmoved + 1
            self._waited |= moved
        return Optimized(self._waited or state.indexed != first.indexed, self._report(state))

    def _is_done(self, state: _State, unmoved: int) -> bool:
        if not state.idle:
            return False
        if state.lacks_an_index and not (self._set_off and unmoved >= 2):
            return False  # it says that all is well, yet there is too much without an index
        return not self._is_running()

    def _look(self) -> _State:
        info = self._call(Request("GET", collection_path(self._collection)))
        return _State.of(info, self._collection)

    def _look_again(self) -> _State:
        for lost in range(1, _LOST_IN_A_ROW + 1):
            try:
                state = self._look()
            except QQLConnectionError:
                if lost == _LOST_IN_A_ROW:
                    raise
                flows.pause(_FIRST_PAUSE)
                continue
            break
        self._tell(state)
        return state

    def _start_optimizers(self) -> None:
        self._set_off = True
        self._call(Request("PATCH", collection_path(self._collection), {}, {"optimizers_config": {}}))

    # -- what may be wrong

    def _require_no_failure(self, state: _State, unmoved: int) -> None:
        if state.status == "red" or (state.error and not state.waits):
            self._fail(f"its optimizers have failed: {state.error or 'its status is red'}", None)
        off = state.setting("optimizer_config", "max_optimization_threads") == 0
        if off and not state.idle:
            hint = f"ALTER COLLECTION {self._collection} WITH OPTIMIZERS (max_optimization_threads = auto)"
            self._fail("its optimizers are switched off (max_optimization_threads = 0)", hint)
        if self._set_off and state.waits and unmoved >= _UNMOVED:
            self._fail("its optimizers were set off, and wait all the same", "the server's log might say why")

    def _fail(self, why: str, hint: str | None) -> None:
        message = f"`{self._collection}` could not be optimized: {why}"
        fail("optimize-failed", message, hint=hint, error=QQLExecutionError)

    def _require_time(self, state: _State) -> None:
        if self._timeout is None or time.monotonic() - self._began < self._timeout:
            return
        message = f"`{self._collection}` is not optimized within {self._timeout:g} s: {state.described()}"
        hint = f"the server goes on by itself; OPTIMIZE {self._collection} waits for it again"
        fail("timed-out", message, hint=hint, error=QQLTimeoutError)

    # -- what is said

    def _report(self, state: _State) -> str:
        done = "; the optimizers waited, and were set off" if self._set_off else ""
        if not state.points:
            return ""
        return f"{state.described()}{state.why_not_all()}{done}"

    def _tell(self, state: _State) -> None:
        if self._progress is None:
            return
        running = self._running()
        shares = [share for one in running if (share := _share_of(one.get("progress"))) is not None]
        if shares:
            work = Work(f"optimizing {self._collection}", "s", sum(shares) / len(shares))
            self._progress(work, int(time.monotonic() - self._began), None)
            return
        work = Work(f"optimizing {self._collection}", "vectors")
        self._progress(work, state.indexed, max(state.vectors, state.indexed) or None)

    def _is_running(self) -> bool:
        """Whether an optimizer works though the collection is green; False where it is not told."""
        answer = self._optimizations()
        summary = answer.get("summary")
        queued = _count(summary.get("queued_optimizations")) if isinstance(summary, dict) else 0
        return bool(answer.get("running")) or queued > 0

    def _running(self) -> list[Body]:
        found = self._optimizations().get("running")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _optimizations(self) -> Body:
        """What servers since 1.17 tell of their optimizers, over REST."""
        if self._rest is None:
            return {}
        try:
            answer = self._rest(Request("GET", collection_path(self._collection, "optimizations")))
        except QQLError:
            self._rest = None  # an older server; it is not asked again
            return {}
        return answer if isinstance(answer, dict) else {}


def _share_of(tree: Json) -> float | None:
    """How much of a piece of work is done, by the parts of it that are counted."""
    parts = list(_counted(tree))
    total = sum(whole for _, whole in parts)
    return sum(min(done, whole) for done, whole in parts) / total if total else None


def _counted(tree: Json) -> Iterator[tuple[int, int]]:
    if not isinstance(tree, dict):
        return
    done, total = tree.get("done"), tree.get("total")
    if isinstance(done, int) and isinstance(total, int):
        yield done, total
    children = tree.get("children")
    for child in children if isinstance(children, list) else ():
        yield from _counted(child)
