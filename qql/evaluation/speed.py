"""How fast a pipeline answers, and how much of the exact result an approximate search finds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import cycle
from threading import Lock
from typing import Generic, TypeVar

from qql.compiler.options.query import SEARCH_PARAMS
from qql.errors import QQLExecutionError, fail
from qql.evaluation.files import Scored
from qql.nodes import TARGETS
from qql.records import dataclass, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.request import Request
from qql.rest.types import Body, JsonObject

__all__ = ["Latency", "Timing", "exact_request", "latency", "measure_calls", "percentile", "recall_at"]

Item = TypeVar("Item")
_PROGRESS_INTERVAL = 0.1
"""Seconds between two reports of progress: to draw them takes time that is no call's."""


@dataclass(frozen=True, slots=True)
class Timing:
    """``seconds`` of each call, in the order in which they ended; ``wall`` is that of all."""

    seconds: tuple[float, ...]
    wall: float


@dataclass(frozen=True, slots=True)
class Latency:
    """A summary of times in seconds; ``qps`` is calls per second of the wall's clock."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    least: float
    most: float
    qps: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least ``percent`` % of them do not exceed (the nearest rank).

    A value that was measured, never one between two; with fewer than 100 values p99 is the largest. (Hyndman,
    Fan: Sample quantiles in statistical packages, Am. Stat. 50(4), 1996, definition 1.)
    """
    ordered = sorted(values)
    # As a whole number of billionths: 0.07 * 100 is a little more than 7.
    rank = -(-round(percent * 10**9) * len(ordered) // (100 * 10**9))
    return ordered[max(rank, 1) - 1]


def latency(timing: Timing) -> Latency:
    """The summary of a measurement. Raises `QQLExecutionError` ``nothing-measured`` where it has no calls."""
    times = timing.seconds
    if not times:
        fail("nothing-measured", "there are no calls to measure", error=QQLExecutionError)
    p50, p95, p99 = (percentile(times, percent) for percent in (50, 95, 99))
    return Latency(
        count=len(times),
        mean=math.fsum(times) / len(times),
        p50=p50,
        p95=p95,
        p99=p99,
        least=min(times),
        most=max(times),
        qps=len(times) / timing.wall if timing.wall > 0 else math.inf,
    )


def measure_calls(
    call: Callable[[Item], object],
    items: Iterable[Item],
    *,
    workers: int = 1,
    warmup: int = 0,
    seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[int, int], None] | None = None,
) -> Timing:
    """The time of ``call(item)`` for each item, by ``workers`` threads at a time.

    The first ``warmup`` items (from the start again where there are fewer) are called beforehand and not
    counted. With ``seconds``, the items are called again and again until so much time has passed; a call that
    has begun is ended. ``progress`` gets the calls done and all calls (with ``seconds``: the seconds passed
    and all). An error of a call stops the measurement and is raised as it is.
    """
    todo = list(items)
    for at in range(warmup if todo else 0):
        call(todo[at % len(todo)])
    run = _TimedRun(call, todo, seconds, clock, progress)
    if workers <= 1:  # this thread, so that nothing but the call is measured
        run.work()
    else:
        run.work_in_threads(workers)
    return run.timing()


class _End:
    """What stands for "no more items": None might be one."""


_END = _End()


class _TimedRun(Generic[Item]):
    """The calls of one `measure_calls`, which several threads may take from at once."""

    def __init__(
        self,
        call: Callable[[Item], object],
        items: Sequence[Item],
        seconds: float | None,
        clock: Callable[[], float],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._call = call
        self._count = len(items)
        self._seconds = seconds
        self._clock = clock
        self._progress = progress
        self._lock = Lock()
        self._times: list[float] = []
        self._start = self._reported = clock()
        self._items = iter(items)
        if seconds is not None and items:
            self._items = _until(cycle(items), self._start + seconds, clock)

    def work(self) -> None:
        """Call and measure, until there are no more items."""
        while True:
            with self._lock:
                item = next(self._items, _END)
            if isinstance(item, _End):
                return
            began = self._clock()
            self._call(item)
            taken = self._clock() - began
            with self._lock:
                self._times.append(taken)
                self._report(began + taken)

    def work_in_threads(self, workers: int) -> None:
        """`work` in so many threads at once; the first error ends them all, and is raised."""
        with ThreadPoolExecutor(workers) as pool:
            try:
                done = [pool.submit(self.work) for _ in range(workers)]
                for one in wait(done, return_when=FIRST_EXCEPTION).done:
                    one.result()
            except BaseException:
                self._items = iter(())  # the other threads end with the calls that they have begun
                raise

    def timing(self) -> Timing:
        """What has been measured until now."""
        return Timing(tuple(self._times), self._clock() - self._start)

    def _report(self, now: float) -> None:
        """Tell the progress, at the end and from time to time before it."""
        last = self._seconds is None and len(self._times) == self._count
        if self._progress is None or not (last or now - self._reported >= _PROGRESS_INTERVAL):
            return
        self._reported = now
        if self._seconds is None:
            self._progress(len(self._times), self._count)
        else:
            self._progress(min(round(now - self._start), round(self._seconds)), round(self._seconds))


def _until(items: Iterator[Item], end: float, clock: Callable[[], float]) -> Iterator[Item]:
    while clock() < end:
        yield next(items)


def recall_at(found: Sequence[str], exact: Sequence[Scored], k: int, *, tolerance: float = 1e-6) -> float:
    """The share of the exact first k that is among the first k found; 1 where the exact result is empty.

    Documents whose exact scores equal that of rank k (relative ``tolerance``) are as good as one another: any
    of them fills the places that better ones leave. So ``exact`` should go some ranks beyond k, or ties past
    its end count as wrong. Only exact scores are compared: those of a quantized search are others.
    """
    top = exact[:k]
    if not top:
        return 1.0
    last = top[-1].score
    tied = {doc for doc, score in exact if last is not None and _same_score(score, last, tolerance)}
    tied |= {top[-1].doc}
    better = {doc for doc, _ in top} - tied
    got = set(found[:k])
    return (len(got & better) + min(len(got & tied), len(top) - len(better))) / len(top)


def _same_score(score: float | None, last: float, tolerance: float) -> bool:
    return score is not None and math.isclose(score, last, rel_tol=tolerance)


_UNSEARCHED = {"fusion", "rrf", "linear"} | {info.rest for info in TARGETS.values() if not info.by_vector}
"""Queries that compare no vectors, so that nothing about them is approximate."""
_APPROXIMATE = {one.name for one in SEARCH_PARAMS.values() if one.approximate}
"""Search parameters of the approximate search alone."""


def exact_request(request: Request, more: int = 0) -> Request:
    """The request of a query with ``exact`` in each search by vector, at the root and in all prefetches.

    Exact search compares every vector, and unquantized ones. ``more`` is added to the root's limit (but not
    to that of an MMR, which chooses among as many candidates): see `recall_at`.
    """
    body = request.body
    if body is None or "query" not in body:
        return request
    exact = _with_exact_search(body)
    if more and "mmr" not in exact["query"]:
        exact["limit"] = exact.get("limit", DEFAULT_LIMIT) + more
    return replace(request, body=exact)


def _with_exact_search(body: Body) -> JsonObject:
    out = dict(body)
    if body.get("prefetch"):
        out["prefetch"] = [_with_exact_search(inner) for inner in body["prefetch"]]
    if isinstance(body.get("query"), dict) and not _UNSEARCHED & body["query"].keys():
        kept = {key: value for key, value in (body.get("params") or {}).items() if key not in _APPROXIMATE}
        out["params"] = {**kept, "exact": True}
    return out
