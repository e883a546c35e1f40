"""SHOW OPTIMIZATIONS and SHOW MEMORY: what a server is busy with, and what a collection takes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from qql.rest.types import Body, Json, JsonObject
from qql.result import Result

__all__ = ["memory_listed", "optimizations_listed"]

_OPTIMIZATION = ("state", "optimizer", "segments", "points", "step", "done", "total", "seconds")
_SIZES = {
    "disk": "disk_bytes",
    "ram": "ram_bytes",
    "cached": "cached_bytes",
    "to cache": "expected_cache_bytes",
}


# ------------------------------------------------------------------------------------ optimizations


def optimizations_listed(answer: Json) -> Result:
    """A row for each optimization: those that run first, then the queue, then those that are done.

    The segments that need none are one row, ``idle``. What a server does not say is None.
    """
    rows = [_running(one) for one in answer.get("running") or ()]
    rows += [_row("queued", one) for one in answer.get("queued") or ()]
    rows += [_completed(one) for one in answer.get("completed") or ()]
    idle = answer.get("idle_segments")
    if idle:
        rows.append(_row("idle", {"segments": idle}))
    return Result("rows", rows=rows, columns=_OPTIMIZATION)


def _row(state: str, one: Body, **more: Json) -> JsonObject:
    segments: Sequence[Body] = one.get("segments") or ()
    counts = [segment["points_count"] for segment in segments if "points_count" in segment]
    known = {"state": state, "optimizer": one.get("optimizer"), "segments": len(segments)}
    points = sum(counts) if len(counts) == len(segments) else None
    return dict.fromkeys(_OPTIMIZATION) | known | {"points": points} | more


def _running(one: Body) -> JsonObject:
    step = _step(one.get("progress") or {})
    return _row("running", one, step=step.get("name"), done=step.get("done"), total=step.get("total"))


def _completed(one: Body) -> JsonObject:
    status = one.get("status")
    state, why = str(status), None
    if isinstance(status, Mapping):  # {"cancelled": reason}, {"error": message}
        state, why = next(((str(key), str(value)) for key, value in status.items()), ("done", None))
    return _row(state, one, step=why, seconds=(one.get("progress") or {}).get("duration_sec"))


def _step(progress: Body) -> Body:
    """What an operation is at: the innermost that has begun and not ended."""
    for inner in progress.get("children") or ():
        if inner.get("started_at") is not None and inner.get("finished_at") is None:
            return _step(inner)
    return progress


# ------------------------------------------------------------------------------------ memory


def memory_listed(answer: Json) -> Result:
    """A row for each part of a collection, in bytes: on disk, in RAM that stays, cached, and worth caching.

    All together is the last row, ``total``.
    """
    parts = {key: value for key, value in answer.items() if key != "total"}
    rows = [*_memory_rows(parts, "")]
    if isinstance(answer.get("total"), Mapping):
        rows += _memory_rows({"total": answer["total"]}, "")
    return Result("rows", rows=rows, columns=("part", *_SIZES))


def _memory_rows(values: Body, above: str) -> Iterator[JsonObject]:
    for key, value in values.items():
        name = f"{above}{key.replace('_', ' ')}"
        if isinstance(value, list):
            for one in value:
                yield from _named_rows(one, f"{_ONE_OF.get(key, name)} ")
        elif isinstance(value, Mapping) and not _SIZES.keys().isdisjoint(_sizes_of(value)):
            yield {"part": name, **_sizes_of(value)}
        elif isinstance(value, Mapping):
            yield from _memory_rows(value, f"{name}: ")


_ONE_OF = {"vectors": "vector", "sparse_vectors": "sparse vector"}


def _named_rows(one: Body, above: str) -> Iterator[JsonObject]:
    """The parts of one of several, as of each vector; ``usage`` is all of one that has no parts."""
    name = f"{above}{one.get('name') or '(unnamed)'}"
    for key, value in one.items():
        if isinstance(value, Mapping):
            inner = name if key == "usage" else f"{name}: {key.replace('_', ' ')}"
            yield {"part": inner, **_sizes_of(value)}


def _sizes_of(value: Body) -> JsonObject:
    return {column: value[key] for column, key in _SIZES.items() if key in value}
