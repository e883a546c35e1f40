"""How long compiling takes, beside pyqql where it is installed; `compare.py` compares two commits.

python benchmarks/compile.py
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import qql

SIMPLE = "QUERY [0.1, 0.2, 0.3, 0.4] FROM docs USING dense WHERE kind = 'a' LIMIT 10"
HYBRID = """
WITH
  dense  AS (QUERY 'emergency care' USING dense WHERE category = 'tech' LIMIT 200),
  sparse AS (QUERY 'emergency care' USING sparse LIMIT 300)
QUERY FUSION RRF FROM docs
PREFETCH (dense WHERE priority = 'high' SCORE THRESHOLD 0.6, sparse SCORE THRESHOLD 0.3)
PARAMS (rrf_k = 20, rrf_weights = [0.6, 0.4])
LIMIT 10
"""
ROWS = ", ".join(
    json.dumps({"id": n, "vector": [n / (d + 1) for d in range(256)], "name": f"row {n}"})
    for n in range(1000)
)
UPSERT = f"UPSERT INTO docs VALUES {ROWS}"
NUMBERS = count(1)


def milliseconds(function: Callable[[], Any], repeat: int) -> float:
    function()
    times = []
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(repeat):
            function()
        times.append((time.perf_counter() - started) / repeat)
    return statistics.median(times) * 1000


def anew(text: str) -> Any:
    """Compile a text that was not there before: a parsed text is kept."""
    return qql.compile(text.replace("docs", f"docs{next(NUMBERS)}", 1))


def main() -> None:
    try:
        import pyqql
    except ImportError:
        pyqql = None
    print(f"{'statement':24} {'qql ms':>9} {'again':>9} {'json.loads':>11} {'pyqql ms':>9}")
    for name, text, repeat in (
        ("search", SIMPLE, 200),
        ("hybrid, 2 stages", HYBRID, 100),
        (f"upsert, {len(UPSERT) >> 20} MB", UPSERT, 1),
    ):
        ours = milliseconds(lambda text=text: anew(text), repeat)
        again = milliseconds(lambda text=text: qql.compile(text), repeat)
        theirs = milliseconds(lambda text=text: pyqql.compile(text), repeat) if pyqql else float("nan")
        json_ms = milliseconds(lambda: json.loads(f"[{ROWS}]"), 1) if text is UPSERT else float("nan")
        print(f"{name:24} {ours:9.3f} {again:9.3f} {json_ms:11.3f} {theirs:9.3f}")


if __name__ == "__main__":
    main()
