"""A query over REST: the CPU time of the client, ours beside qdrant-client as one writes it by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from engine import HYBRID, executed
from measuring import Side, Steps
from scale import Scale
from stub import stub
from texts import NUMBERS, vector

import qql

__all__ = ["hybrid"]


def hybrid(scale: Scale) -> Iterator[Sequence[Side]]:
    from qdrant_client import QdrantClient

    chance = random.Random(5)
    words = {"indices": list(range(1, 2001, 100)), "values": [0.5] * 20}
    vectors = [vector(384, chance) for _ in range(50)]

    def values(many: int) -> list[dict[str, Any]]:
        return [{"dense": [*vectors[next(NUMBERS) % 50]], "sparse": words} for _ in range(many)]

    with (
        stub(0) as (rest, _),
        closing(qql.connect(f"http://127.0.0.1:{rest}")) as db,
        closing(QdrantClient(host="127.0.0.1", port=rest, check_compatibility=False)) as client,
    ):
        ours = executed(db, HYBRID)
        assert len(ours(values(1)[0]).hits) == len(_asked(client, values(1)[0])) == 10
        yield [
            Steps("ours", ours, values),
            Steps("qdrant-client", lambda given: _asked(client, given), values),
        ]


def _asked(client: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    from qdrant_client import models

    high = models.Filter(must=[models.FieldCondition(key="priority", match=models.MatchValue(value="high"))])
    answer = client.query_points(
        "docs",
        prefetch=[
            models.Prefetch(
                query=given["dense"], using="dense", filter=high, score_threshold=0.05, limit=200
            ),
            models.Prefetch(
                query=models.SparseVector(**given["sparse"]), using="sparse", filter=high, limit=300
            ),
        ],
        query=models.RrfQuery(rrf=models.Rrf(k=20, weights=[0.6, 0.4])),
        limit=10,
        with_payload=True,
    )
    return [{"id": hit.id, "score": hit.score, "payload": hit.payload} for hit in answer.points]
