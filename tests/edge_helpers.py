"""What the tests of the embedded engine share."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest

from qql.backends.edge import EdgeBackend
from qql.errors import QQLError
from qql.rest.request import Request, collection_path

DIMENSIONS = 6


class Engine:
    """A database with a short way to call it: ``engine("POST", "points/query", {...})``."""

    def __init__(self, path: str | Path | None = None, **options: Any) -> None:
        self.backend = EdgeBackend(path, **options)

    def __call__(
        self,
        method: str,
        route: str = "",
        body: dict[str, Any] | None = None,
        *,
        to: str = "docs",
        **query: Any,
    ) -> Any:
        path = collection_path(to, route) if route else collection_path(to)
        return self.backend.call(Request(method, path, query, body))

    def query(self, to: str = "docs", **body: Any) -> list[dict[str, Any]]:
        return self("POST", "points/query", body, to=to)["points"]

    def ids(self, to: str = "docs", **body: Any) -> list[Any]:
        return [point["id"] for point in self.query(to, **body)]

    def matching(self, filter: Any, to: str = "docs") -> list[Any]:
        found = self("POST", "points/scroll", {"filter": filter, "limit": 10_000}, to=to)["points"]
        return [point["id"] for point in found]

    def upsert(self, *points: dict[str, Any], to: str = "docs", **more: Any) -> Any:
        return self("PUT", "points", {"points": list(points), **more}, to=to)

    def refused(
        self, method: str, route: str = "", body: dict[str, Any] | None = None, **more: Any
    ) -> QQLError:
        with pytest.raises(QQLError) as caught:
            self(method, route, body, **more)
        return caught.value

    def close(self) -> None:
        self.backend.close()


def vector(rng: random.Random, size: int = DIMENSIONS) -> list[float]:
    return [round(rng.uniform(-1, 1), 4) for _ in range(size)]


def sparse(rng: random.Random) -> dict[str, Any]:
    indices = rng.sample(range(30), 6)
    return {"indices": indices, "values": [round(rng.uniform(0.1, 1), 4) for _ in indices]}


def payload(rng: random.Random, at: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "number": rng.randrange(10),
        "price": round(rng.uniform(0, 100), 2),
        "word": rng.choice(["red", "green", "blue"]),
        "tags": rng.sample(["a", "b", "c", "d"], rng.randrange(4)),
        "flag": rng.random() < 0.5,
        "at": f"2024-0{rng.randrange(1, 10)}-1{rng.randrange(10)}T00:00:00Z",
        "place": {"lat": rng.uniform(40, 60), "lon": rng.uniform(0, 20)},
        "parts": [{"size": rng.randrange(5), "kind": rng.choice("xy")} for _ in range(rng.randrange(3))],
        "mixed": rng.choice([True, False, 1, 0, "1", None, [True], [1]]),
        "position": at,
    }
    if rng.random() < 0.2:
        del out["number"]
    if rng.random() < 0.2:
        out["word"] = None
    return out


CONFIG: dict[str, Any] = {
    "vectors": {
        "dense": {"size": DIMENSIONS, "distance": "Cosine"},
        "dot": {"size": DIMENSIONS, "distance": "Dot"},
        "far": {"size": DIMENSIONS, "distance": "Euclid"},
        "city": {"size": DIMENSIONS, "distance": "Manhattan"},
        "rows": {"size": 3, "distance": "Cosine", "multivector_config": {"comparator": "max_sim"}},
    },
    "sparse_vectors": {"sparse": {}, "words": {"modifier": "idf"}},
}


def points(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """Points for `CONFIG`, the same for the same seed; some lack a vector."""
    rng = random.Random(seed)
    out = []
    for at in range(1, count + 1):
        vectors: dict[str, Any] = {name: vector(rng) for name in ("dense", "dot", "far", "city")}
        vectors["rows"] = [vector(rng, 3) for _ in range(rng.randrange(1, 4))]
        vectors["sparse"], vectors["words"] = sparse(rng), sparse(rng)
        if at % 9 == 0:
            del vectors[rng.choice(["dense", "sparse", "rows"])]
        out.append({"id": at, "vector": vectors, "payload": payload(rng, at)})
    return out


class Oracle:
    """qdrant-client's local mode: exact, in numpy and Python, written by other people."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from qdrant_client import QdrantClient, models

            self.models = models
            self.client = QdrantClient(":memory:")

    def create(self, name: str, config: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        made = self.models.CreateCollection.model_validate(config)
        self.client.create_collection(
            name, vectors_config=made.vectors, sparse_vectors_config=made.sparse_vectors
        )
        self.client.upsert(name, [self.models.PointStruct.model_validate(row) for row in rows])

    def query(self, name: str, **body: Any) -> list[tuple[Any, float]]:
        asked = self.models.QueryRequest.model_validate(body)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lookup = asked.lookup_from
            found = self.client.query_points(
                name,
                query=asked.query,
                prefetch=asked.prefetch,
                using=asked.using,
                query_filter=asked.filter,
                score_threshold=asked.score_threshold,
                limit=asked.limit or 10,
                offset=asked.offset or 0,
                lookup_from=lookup,
            )
        return [(point.id, point.score) for point in found.points]

    def matching(self, name: str, filter: dict[str, Any]) -> list[Any]:
        asked = self.models.Filter.model_validate(filter)
        found, _ = self.client.scroll(name, scroll_filter=asked, limit=10_000)
        return [point.id for point in found]

    def close(self) -> None:
        self.client.close()


def same_ranking(
    ours: list[tuple[Any, float]], theirs: list[tuple[Any, float]], tolerance: float = 1e-5
) -> None:
    """Equal scores place by place, and equal ids where no tie leaves a choice."""
    assert len(ours) == len(theirs), (ours, theirs)
    for (_, mine), (_, other) in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=tolerance, abs=tolerance), (ours, theirs)
    known = dict(theirs)
    last = theirs[-1][1] if theirs else 0.0
    for identity, score in ours:
        if identity in known:
            assert score == pytest.approx(known[identity], rel=tolerance, abs=tolerance)
        else:
            assert score == pytest.approx(last, rel=tolerance, abs=tolerance), (identity, ours, theirs)


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Another Python process that can import what this one can."""
    start = f"import sys; sys.path[:] = {sys.path!r}\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
