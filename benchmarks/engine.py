"""Rows with the engine in this process: ours beside calls of qdrant-edge as one writes them by hand.

Both have a collection of their own with the same files: QQL makes it, and its directory is copied.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from measuring import Side, Steps
from scale import Scale
from texts import NUMBERS

import qql

__all__ = ["count", "facet", "facet_all", "hybrid", "scroll", "why"]

SMALL = 20_000, 32
"""Points and dimensions where the engine's own work should be little."""
HYBRID = """
WITH
  dense  AS (QUERY :dense USING dense LIMIT 200),
  sparse AS (QUERY :sparse USING sparse LIMIT 300)
QUERY FUSION RRF FROM docs
PREFETCH (dense WHERE priority = 'high' SCORE THRESHOLD 0.05, sparse WHERE priority = 'high')
WITH (rrf_k = 20, rrf_weights = [0.6, 0.4])
LIMIT 10
"""


# ------------------------------------------------------------------------------------------ the collection


def _made(points: int, size: int, kept: Path) -> Path:
    """A database with the collection ``docs``, from an earlier run or made now (100,000 points: minutes)."""
    from importlib.metadata import version

    home = kept / f"edge-{version('qdrant-edge-py')}-{points}x{size}"
    if home.exists():
        return home
    new = home.with_name(f"{home.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    with closing(qql.connect(str(new))) as db:
        db.run(
            f"CREATE COLLECTION docs (dense VECTOR({size}, COSINE), sparse SPARSE)"
            " WITH OPTIMIZERS (indexing_threshold = 0);"
            "CREATE INDEX ON docs FOR priority TYPE keyword; CREATE INDEX ON docs FOR year TYPE integer"
        )
        chance = random.Random(11)
        for start in range(0, points, 1000):
            rows = [_row(n, size, chance) for n in range(start, min(start + 1000, points))]
            db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        # All at once: graphs for the growing collection would be thrown away.
        db.run("ALTER COLLECTION docs WITH OPTIMIZERS (indexing_threshold = 10000); OPTIMIZE docs")
    new.rename(home)
    return home


def _row(n: int, size: int, chance: random.Random) -> dict[str, Any]:
    return {
        "id": n,
        "vector": {"dense": [chance.gauss(0, 0.06) for _ in range(size)], "sparse": _sparse(chance)},
        "text": f"row {n}: the quick brown fox jumps over the lazy dog",
        "priority": ("high", "low", "none")[n % 3],
        "year": 2000 + n % 25,
    }


def _sparse(chance: random.Random) -> dict[str, list[Any]]:
    indices = sorted(chance.sample(range(5000), 20))
    return {"indices": indices, "values": [round(chance.random(), 4) for _ in indices]}


def _opened(scale: Scale, points: int, size: int) -> tuple[Any, edge.EdgeShard]:
    """A session, and the shard of a copy."""
    made = _made(points, size, scale.kept)
    ours, theirs = scale.place / "ours", scale.place / "theirs"
    for copy in (ours, theirs):
        shutil.copytree(made, copy)
    [shard] = [one.parent for one in theirs.glob("collections/*/edge_config.json")]
    return qql.connect(str(ours)), edge.EdgeShard.load(str(shard))


# -------------------------------------------------------------------------------------------- the rows


def hybrid(scale: Scale) -> Iterator[Sequence[Side]]:
    db, shard = _opened(scale, scale.points, 384)
    chance = random.Random(5)
    asked = [
        {"dense": [chance.gauss(0, 0.06) for _ in range(384)], "sparse": _sparse(chance)} for _ in range(64)
    ]

    def values(many: int) -> list[dict[str, Any]]:
        return [asked[next(NUMBERS) % len(asked)] for _ in range(many)]

    one = asked[0]
    ours = executed(db, HYBRID)
    # By their scores: of points that are equal, any may be among them.
    found = [hit.score for hit in ours(one).hits]
    assert found == [hit["score"] for hit in _fused(shard, one)], "both must ask the same"
    yield [
        Steps("ours", ours, values),
        Steps("qdrant-edge", lambda given: _fused(shard, given), values),
    ]
    db.close()
    shard.close()


def executed(db: Any, text: str) -> Callable[[dict[str, Any]], Any]:
    """A query for values: prepared, where this QQL can."""
    if not hasattr(db, "prepare"):
        return lambda values: db.execute(text, values)
    execute = db.prepare(text).execute
    return lambda values: execute(**values)


def _is_high() -> edge.Filter:
    return edge.Filter(must=[edge.FieldCondition("priority", match=edge.MatchValue("high"))])


def _fused(shard: edge.EdgeShard, given: dict[str, Any]) -> list[dict[str, Any]]:
    sparse = edge.SparseVector(given["sparse"]["indices"], given["sparse"]["values"])
    request = edge.QueryRequest(
        limit=10,
        query=edge.Fusion.Rrf(20, [0.6, 0.4]),
        prefetches=[
            edge.Prefetch(
                limit=200,
                query=edge.Query.Nearest(given["dense"], "dense"),
                filter=_is_high(),
                score_threshold=0.05,
            ),
            edge.Prefetch(limit=300, query=edge.Query.Nearest(sparse, "sparse"), filter=_is_high()),
        ],
        with_payload=True,
    )
    return [{"id": hit.id, "score": hit.score, "payload": hit.payload} for hit in shard.query(request)]


def _beside(
    text: str, by_hand: Callable[[edge.EdgeShard], object]
) -> Callable[[Scale], Iterator[Sequence[Side]]]:
    def sides(scale: Scale) -> Iterator[Sequence[Side]]:
        db, shard = _opened(scale, *SMALL)
        yield [
            Steps("ours", lambda _: db.execute(text).hits),  # which are made when they are looked at
            Steps("qdrant-edge", lambda _: by_hand(shard)),
        ]
        db.close()
        shard.close()

    return sides


def _scrolled(shard: edge.EdgeShard) -> object:
    records, after = shard.scroll(edge.ScrollRequest(limit=1000, filter=_is_high(), with_payload=True))
    return [{"id": one.id, "payload": one.payload} for one in records], after


def _faceted(shard: edge.EdgeShard, chosen: edge.Filter | None = None) -> object:
    answer = shard.facet(edge.FacetRequest("priority", filter=chosen))
    return [{"value": hit.value, "count": hit.count} for hit in answer.hits]


def _counted(shard: edge.EdgeShard) -> object:
    return shard.count(edge.CountRequest(filter=_is_high()))


_HIGH = "FROM docs WHERE priority = 'high'"
scroll = _beside(f"SCROLL {_HIGH} LIMIT 1000", _scrolled)
facet = _beside(f"FACET priority {_HIGH}", lambda shard: _faceted(shard, _is_high()))
facet_all = _beside("FACET priority FROM docs", _faceted)
count = _beside(f"COUNT {_HIGH}", _counted)


def why(scale: Scale) -> Iterator[Sequence[Side]]:
    """Why is a point no hit? README's statement, on more points."""
    with closing(qql.connect(":memory:")) as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-256')")
        rows = [
            {"id": n, "text": f"emergency care in ward {n} of hospital {n % 17}", "year": 2000 + n % 25}
            for n in range(500)
        ]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        query = "QUERY 'emergency care' FROM docs USING dense WHERE year > 2022 LIMIT 2"
        yield [
            Steps("ours", lambda _: db.execute(f"WHY NOT 101 {query}")),
            Steps("the query", lambda _: db.execute(query)),
        ]
