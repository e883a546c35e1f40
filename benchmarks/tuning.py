"""How long tuning on a recording takes beside runs: 500 settings of a hybrid pipeline over 60 queries.

    .venv/bin/python benchmarks/tuning.py [--queries N] [--points N]

Folds, what each change does, and all other parts of the report are counted. Of the settings, some are run by
`evaluate`, which stand for all. Prints seconds of CPU, and the ratio: 0.02 is a fiftieth.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

from what_if import TEXT, dense, words

import qql
from qql.evaluation import evaluate, expand_grid, record, tune

GRID = {
    "dense.limit": [10, 20, 50, 100, 200],
    "words.limit": [10, 20, 50, 100, 200],
    "root.rrf_k": [2, 10, 60, 100],
    "root.rrf_weights": [[1, 1], [2, 1], [1, 2], [3, 1], [1, 3]],
}
RUN = 10
"""Settings that are run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--points", type=int, default=3000)
    given = parser.parse_args()
    dice = random.Random(0)
    points = range(1, given.points + 1)
    with qql.connect(advice=False) as db, tempfile.TemporaryDirectory() as folder:
        db.execute("CREATE COLLECTION docs (dense VECTOR(16, COSINE), words SPARSE)")
        rows = [{"id": at, "dense": dense(dice), "words": words(dice)} for at in points]
        for at in range(0, len(rows), 1000):
            db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows[at : at + 1000]})
        asked = [{"id": str(at), "vector": dense(dice), "words": words(dice)} for at in range(given.queries)]
        qrels = {one["id"]: {str(at): 1 for at in dice.sample(points, 20)} for one in asked}
        started = time.process_time()
        kept = record(TEXT, asked, db, Path(folder) / "run.qqlrun")
        recorded = time.process_time()
        found = tune(TEXT, asked, qrels, recording=kept, grid=GRID)
        tuned = time.process_time()
        for one in expand_grid(GRID, RUN):
            evaluate(found.space.text(one), asked, qrels, db)
        runs = (time.process_time() - tuned) / RUN * len(found.board.scored)
    told = {"settings": len(found.board.scored), "queries": given.queries, "points": given.points}
    told |= {"recording_cpu_s": recorded - started, "tune_cpu_s": tuned - recorded, "runs_cpu_s": runs}
    told |= {"ratio": (tuned - recorded) / runs, "ratio_with_recording": (tuned - started) / runs}
    print(json.dumps({name: round(value, 4) for name, value in told.items()}))


if __name__ == "__main__":
    main()
