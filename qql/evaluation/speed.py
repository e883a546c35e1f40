"""How fast a pipeline answers, and how much of the exact result an approximate search finds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from qql.errors import QQLExecutionError
from qql.evaluation.files import Scored

__all__ = ["Latency", "Timing", "latency", "measure_calls", "percentile", "recall_at"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timing:
    """``seconds`` of each call, in the calls' order; ``wall`` from the first's start to the last's end."""

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
        raise QQLExecutionError.make("nothing-measured", "there are no calls to measure")
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
    call: Callable[[_T], object],
    items: Iterable[_T],
    *,
    workers: int = 1,
    warmup: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[int, int], None] | None = None,
) -> Timing:
    """The time of ``call(item)`` for each item, by ``workers`` threads at a time.

    The first ``warmup`` items (from the start again where there are fewer) are called beforehand and not
    counted. ``progress`` gets the calls done and all calls. An error of a call stops the measurement and is
    raised as it is.
    """
    todo = list(items)
    for at in range(warmup if todo else 0):
        call(todo[at % len(todo)])

    def timed(item: _T) -> float:
        start = clock()
        call(item)
        return clock() - start

    seconds: list[float] = []
    start = clock()
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        # One worker is this thread, so that nothing but the call is measured.
        results = map(timed, todo) if workers <= 1 else pool.map(timed, todo)
        try:
            for taken in results:
                seconds.append(taken)
                if progress is not None:
                    progress(len(seconds), len(todo))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Timing(tuple(seconds), clock() - start)


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
    tied = {doc for doc, score in exact if last is not None and _equal(score, last, tolerance)}
    tied |= {top[-1].doc}
    better = {doc for doc, _ in top} - tied
    got = set(found[:k])
    return (len(got & better) + min(len(got & tied), len(top) - len(better))) / len(top)


def _equal(score: float | None, last: float, tolerance: float) -> bool:
    return score is not None and math.isclose(score, last, rel_tol=tolerance)
