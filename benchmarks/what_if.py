"""How long `qql.evaluation.what_if` takes: 10,000 settings of a hybrid pipeline over 225 queries.

    .venv/bin/python benchmarks/what_if.py [--settings N] [--queries N] [--deep N]

The lists are made by chance, so that no engine has a part in it. Prints seconds of CPU.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import qql
from qql.evaluation.grid import expand_grid
from qql.evaluation.recording.recorder import record
from qql.evaluation.recording.settings_at_once import what_if

TEXT = """
WITH dense AS (QUERY :vector USING dense LIMIT 100), words AS (QUERY :words USING words LIMIT 100)
QUERY FROM docs PREFETCH (dense, words) FUSION RRF LIMIT 10
"""
LIMITS = [10, 20, 30, 50, 70, 100, 150, 200, 300, 500]
GRID = {
    "dense.limit": LIMITS,
    "words.limit": LIMITS,
    "root.rrf_k": [1, 2, 5, 10, 20, 30, 40, 60, 80, 100],
    "root.rrf_weights": [[1, w / 10] for w in (1, 2, 4, 6, 8, 10, 15, 20, 30, 50)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=225)
    parser.add_argument("--deep", type=int, default=1000)
    parser.add_argument("--points", type=int, default=3000)
    given = parser.parse_args()
    rng = random.Random(0)
    with qql.connect(advice=False) as db, tempfile.TemporaryDirectory() as folder:
        db.execute("CREATE COLLECTION docs (dense VECTOR(16, COSINE), words SPARSE)")
        rows = [{"id": at, "dense": dense(rng), "words": words(rng)} for at in range(1, given.points + 1)]
        for at in range(0, len(rows), 1000):
            db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows[at : at + 1000]})
        queries = [{"id": str(at), "vector": dense(rng), "words": words(rng)} for at in range(given.queries)]
        started = time.process_time()
        kept = record(TEXT, queries, db, Path(folder) / "run.qqlrun", deep=given.deep)
        recorded = time.process_time() - started
        settings = expand_grid(GRID, sample=given.settings)
        started, verdicts, hits = time.process_time(), 0, 0
        for one in what_if(kept, TEXT, settings, top=10):
            verdicts += len(one.verdicts)
            hits += len(one.places)
        took = time.process_time() - started
    told = {"settings": len(settings), "queries": len(queries), "answers": verdicts}
    print(json.dumps(told | {"recording_cpu_s": round(recorded, 2), "what_if_cpu_s": round(took, 2)}))


def dense(rng: random.Random) -> list[float]:
    return [rng.gauss(0, 1) for _ in range(16)]


def words(rng: random.Random) -> dict[str, list[float]]:
    chosen = sorted(rng.sample(range(60), 12))
    return {"indices": chosen, "values": [rng.random() for _ in chosen]}


if __name__ == "__main__":
    main()
