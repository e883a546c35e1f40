"""COPY into the engine of this process, beside a loop over rows that are parsed already."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from measuring import Side, Steps
from scale import Scale

import qql

__all__ = ["copy"]

_BATCH = 256


def copy(scale: Scale) -> Iterator[Sequence[Side]]:
    """Each turn loads the next part; the parts of all rounds are ``scale.points`` rows of 384 numbers."""
    import orjson
    import qdrant_edge as edge

    ours, theirs = scale.place / "ours", scale.place / "theirs"
    with closing(qql.connect(str(ours))) as db:
        db.execute("CREATE COLLECTION docs VECTOR(384, COSINE) WITH OPTIMIZERS (indexing_threshold = 0)")
    shutil.copytree(ours, theirs)
    [home] = [one.parent for one in theirs.glob("collections/*/edge_config.json")]
    shard = edge.EdgeShard.load(str(home))
    rows = -(-scale.points // scale.rounds)
    parts = {"ours": 0, "theirs": 0}

    def next_part(side: str) -> Path:
        parts[side] += 1
        (scale.place / f"{min(parts.values()) - 1}.jsonl").unlink(missing_ok=True)
        return _written(scale.place / f"{parts[side]}.jsonl", parts[side] * rows, rows)

    def parsed(many: int) -> list[list[dict[str, Any]]]:
        texts = (next_part("theirs").read_bytes() for _ in range(many))
        return [[orjson.loads(line) for line in text.splitlines()] for text in texts]

    def load(given: list[dict[str, Any]]) -> None:
        for at in range(0, len(given), _BATCH):
            points = [edge.Point(row.pop("id"), row.pop("vector"), row) for row in given[at : at + _BATCH]]
            shard.update(edge.UpdateOperation.upsert_points(points))
        shard.flush()

    with closing(qql.connect(str(ours))) as db:
        yield [
            Steps(
                "ours",
                lambda path: db.execute(f"COPY docs FROM '{path}'"),
                lambda many: [next_part("ours") for _ in range(many)],
            ),
            Steps("qdrant-edge", load, parsed),
        ]
        [found] = db.execute("COUNT FROM docs").rows
        assert list(found.values()) == [shard.count(edge.CountRequest())], "both must have loaded all rows"
    shard.close()


def _written(path: Path, first: int, rows: int) -> Path:
    """A file of points with a vector, and a payload as texts have it."""
    import numpy
    import orjson

    if path.exists():
        return path
    vectors = numpy.random.default_rng(first).normal(0, 0.06, (rows, 384)).round(6).tolist()
    with path.open("wb") as out:
        for n, vector in enumerate(vectors, first):
            text = f"row {n}: " + "the quick brown fox jumps over the lazy dog " * 6
            row = {"id": n, "vector": vector, "title": f"title {n}", "text": text, "year": 2000 + n % 25}
            out.write(orjson.dumps({**row, "tags": ["a", f"t{n % 9}"]}) + b"\n")
    return path
