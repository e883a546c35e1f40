"""Rows of whole programs: the command line beside a bare interpreter, or a script by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

from measuring import Program, Prompt, Side
from scale import Scale
from texts import README, named

__all__ = ["check", "explain", "prompt", "run", "version"]

_QQL = [sys.executable, "-m", "qql"]
_SCRIPT = """
CREATE COLLECTION docs (dense VECTOR(4, COSINE), sparse SPARSE);
UPSERT INTO docs VALUES
  {id: 1, vector: {dense: [0.1, 0.2, 0.3, 0.4], sparse: {indices: [1, 5], values: [0.5, 0.2]}}, year: 2023},
  {id: 2, vector: {dense: [0.4, 0.3, 0.2, 0.1], sparse: {indices: [2, 5], values: [0.4, 0.1]}}, year: 2024},
  {id: 3, vector: {dense: [0.2, 0.2, 0.2, 0.9], sparse: {indices: [1, 7], values: [0.9, 0.3]}}, year: 2022};
WITH
  dense  AS (QUERY [0.1, 0.2, 0.3, 0.4] USING dense LIMIT 200),
  sparse AS (QUERY {indices: [1, 5], values: [0.5, 0.5]} USING sparse LIMIT 300)
QUERY FUSION RRF FROM docs PREFETCH (dense, sparse) LIMIT 10;
"""
_BY_HAND = """
import json, shutil, tempfile
import qdrant_edge as edge
home = tempfile.mkdtemp()
config = edge.EdgeConfig(
    vectors={"dense": edge.EdgeVectorParams(4, edge.Distance.Cosine)},
    sparse_vectors={"sparse": edge.EdgeSparseVectorParams()},
)
shard = edge.EdgeShard.create(home, config)
rows = [
    (1, [0.1, 0.2, 0.3, 0.4], [1, 5], [0.5, 0.2], 2023),
    (2, [0.4, 0.3, 0.2, 0.1], [2, 5], [0.4, 0.1], 2024),
    (3, [0.2, 0.2, 0.2, 0.9], [1, 7], [0.9, 0.3], 2022),
]
points = [
    edge.Point(n, {"dense": dense, "sparse": edge.SparseVector(at, values)}, {"year": year})
    for n, dense, at, values, year in rows
]
shard.update(edge.UpdateOperation.upsert_points(points))
words = edge.SparseVector([1, 5], [0.5, 0.5])
request = edge.QueryRequest(
    limit=10,
    query=edge.Fusion.Rrf(2),
    prefetches=[
        edge.Prefetch(limit=200, query=edge.Query.Nearest([0.1, 0.2, 0.3, 0.4], "dense")),
        edge.Prefetch(limit=300, query=edge.Query.Nearest(words, "sparse")),
    ],
    with_payload=True,
)
for hit in shard.query(request):
    print(json.dumps({"id": hit.id, "score": hit.score, **hit.payload}))
shard.close()
shutil.rmtree(home)
"""


def _beside_bare(arguments: Sequence[str]) -> Callable[[Scale], Iterator[Sequence[Side]]]:
    """A command of ours beside `python -c pass`; FILE is a file with README's first query."""

    def sides(scale: Scale) -> Iterator[Sequence[Side]]:
        file = scale.place / "hybrid.qql"
        file.write_text(named(README), encoding="utf-8")
        words = [str(file) if word == "FILE" else word for word in arguments]
        yield [Program("ours", [*_QQL, *words]), Program("python", [sys.executable, "-c", "pass"])]

    return sides


version = _beside_bare(["--version"])
check = _beside_bare(["check", "FILE"])
explain = _beside_bare(["explain", "FILE"])


def run(scale: Scale) -> Iterator[Sequence[Side]]:
    script, by_hand = scale.place / "script.qql", scale.place / "by_hand.py"
    script.write_text(_SCRIPT, encoding="utf-8")
    by_hand.write_text(_BY_HAND, encoding="utf-8")
    yield [
        Program("ours", [*_QQL, "run", str(script)]),
        Program("qdrant-edge", [sys.executable, str(by_hand)]),
    ]


def prompt(scale: Scale) -> Iterator[Sequence[Side]]:
    yield [
        Prompt("ours", _QQL, b":memory:>", {"QQL_HISTORY": ""}),
        Prompt("python -q", [sys.executable, "-q"], b">>> "),
    ]
