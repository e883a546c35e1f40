"""An engine that keeps what it is asked: for dry runs, tests, and to see what another engine was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING

from qql.backends.base import Backend, Optimized, Progress
from qql.errors import QQLError
from qql.rest.request import Request
from qql.rest.types import Json

if TYPE_CHECKING:
    from qql.backends.features.gaps import Gap

__all__ = ["Answers", "RecordingBackend"]

Answers = Mapping[tuple[str, str], Json] | Callable[[Request], Json]
"""Answers by `Request.route`, or a function from request to answer. A `QQLError` as an answer is raised."""


class RecordingBackend:
    """Keeps every request in ``requests``, in the order of the calls.

    With ``inner``, a request is passed on to it, and ``exchanges`` keeps (request, result) for those that
    were answered. Without, the answer is that of an empty engine in the shape of the route: no points, a
    count of 0, an update that is complete. ``answers`` comes before both.

    ``infers`` says whether models are left to the engine; by default the inner engine decides, and without
    one every model is, so that nothing is embedded.
    """

    name = "recording"
    took: float | None = None

    def __init__(
        self,
        inner: Backend | None = None,
        answers: Answers | None = None,
        *,
        infers: bool | Callable[[str], bool] | None = None,
    ) -> None:
        self.inner = inner
        self.requests: list[Request] = []
        self.exchanges: list[tuple[Request, Json]] = []
        self._answers = answers
        self._infers = infers

    def __repr__(self) -> str:
        return f"RecordingBackend({len(self.requests)} requests, inner={self.inner!r})"

    def infers(self, model: str) -> bool:
        """What was given as ``infers``, else what the inner engine says, else True."""
        if callable(self._infers):
            return self._infers(model)
        if self._infers is not None:
            return self._infers
        return self.inner.infers(model) if self.inner else True

    def call(self, request: Request) -> Json:
        """Keep the request and answer it.

        Raises what the inner engine raises, and an answer that is a `QQLError`.
        """
        self.requests.append(request)
        result = self._answer(request)
        self.exchanges.append((request, result))
        return result

    def _answer(self, request: Request) -> Json:
        if callable(self._answers):
            answer = self._answers(request)
        elif self._answers is not None and request.route in self._answers:
            answer = deepcopy(self._answers[request.route])
        elif self.inner is not None:
            return self.inner.call(request)
        else:
            return _empty_answer(request)
        if isinstance(answer, QQLError):
            raise answer
        return answer

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> Optimized | bool:
        """What the inner engine does; without one there is nothing to optimize: False."""
        return self.inner.optimize(collection, progress, timeout) if self.inner else False

    def clear(self) -> None:
        """Forget what was kept."""
        self.requests.clear()
        self.exchanges.clear()

    def needs_optimize(self, collection: str) -> bool:
        """What the engine inside says; False without one."""
        return self.inner.needs_optimize(collection) if self.inner else False

    def take_notes(self) -> list[str]:
        """What the engine inside says; nothing without one."""
        return self.inner.take_notes() if self.inner else []

    def gaps(self, request: Request) -> list[Gap]:
        """What the server of the engine inside lacks of a request; nothing without one."""
        inner = getattr(self.inner, "gaps", None)
        return [] if inner is None else inner(request)

    def close(self) -> None:
        """Close the inner engine; what was kept stays."""
        if self.inner is not None:
            self.inner.close()


_COMPLETED = {"operation_id": 0, "status": "completed"}
_EMPTY_COLLECTION = {
    "status": "green",
    "optimizer_status": "ok",
    "indexed_vectors_count": 0,
    "points_count": 0,
    "segments_count": 0,
    "config": {"params": {"vectors": {}}, "hnsw_config": {}, "optimizer_config": {}, "wal_config": {}},
    "payload_schema": {},
}
_EMPTY: dict[tuple[str, str], Json] = {
    ("GET", "/collections"): {"collections": []},
    ("GET", "/aliases"): {"aliases": []},
    ("POST", "/collections/aliases"): True,
    ("GET", "/quotas"): {"config": {"enabled": False}, "usage": {}},
    ("GET", "/snapshots"): [],
    ("GET", "optimizations"): {"summary": {}, "running": []},
    ("GET", "memory"): {},
    ("GET", ""): _EMPTY_COLLECTION,
    ("GET", "exists"): {"exists": False},
    ("GET", "aliases"): {"aliases": []},
    ("GET", "snapshots"): [],
    ("GET", "shards"): {"shard_keys": []},
    ("POST", "snapshots"): {"name": "", "creation_time": None, "size": 0, "checksum": None},
    ("PUT", "snapshots/recover"): True,
    ("DELETE", "snapshots/*"): True,
    ("PUT", "vectors/*"): _COMPLETED,
    ("DELETE", "vectors/*"): _COMPLETED,
    ("PUT", ""): True,
    ("PATCH", ""): True,
    ("DELETE", ""): True,
    ("PUT", "shards"): True,
    ("POST", "shards/delete"): True,
    ("PUT", "index"): _COMPLETED,
    ("DELETE", "index/*"): _COMPLETED,
    ("PUT", "points"): _COMPLETED,
    ("POST", "points"): [],
    ("POST", "points/delete"): _COMPLETED,
    ("POST", "points/scroll"): {"points": [], "next_page_offset": None},
    ("POST", "points/count"): {"count": 0},
    ("POST", "facet"): {"hits": []},
    ("POST", "points/payload"): _COMPLETED,
    ("PUT", "points/payload"): _COMPLETED,
    ("POST", "points/payload/delete"): _COMPLETED,
    ("POST", "points/payload/clear"): _COMPLETED,
    ("PUT", "points/vectors"): _COMPLETED,
    ("POST", "points/vectors/delete"): _COMPLETED,
    ("POST", "points/query"): {"points": []},
    ("POST", "points/query/groups"): {"groups": []},
}
_BATCHES = {
    ("POST", "points/query/batch"): ("searches", {"points": []}),
    ("POST", "points/batch"): ("operations", _COMPLETED),
}


def _empty_answer(request: Request) -> Json:
    """An empty engine's answer, a fresh copy each time; True for a route that is not in the table."""
    if request.route in _BATCHES:
        key, one = _BATCHES[request.route]
        return [deepcopy(one) for _ in (request.body or {}).get(key, [])]
    return deepcopy(_EMPTY.get(request.route, True))
