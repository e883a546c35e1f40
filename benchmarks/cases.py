"""What `compare.py` measures: each case prepares itself, and gives a step that is repeated.

Only the public face of QQL is used, so that a case runs on any commit. The texts are the README's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

import qql

__all__ = ["HYBRID", "IN_PROCESS", "PROCESSES", "Step"]

Step = Callable[[], object]

# {stage}: a name of its own makes a text that nobody has read before, down to its words. {words}, {score} and
# {limit} are its literals, and stay within one shape.
HYBRID = """
WITH
  {stage} AS (QUERY {words} USING dense  LIMIT {limit}),
  sparse AS (QUERY {words} USING sparse LIMIT 300)
QUERY {words} FROM docs LIMIT 10
PREFETCH ({stage} WHERE priority = 'high' SCORE THRESHOLD {score}, sparse)
FUSION RRF WITH (rrf_k = 20, rrf_weights = [0.6, 0.4])
"""
SCRIPT = """
CREATE COLLECTION {name} (dense VECTOR(4, COSINE), sparse SPARSE);
CREATE INDEX ON {name} FOR priority TYPE keyword;
CREATE INDEX ON {name} FOR year TYPE integer;
UPSERT INTO {name} VALUES {{id: 1, vector: {{dense: [0.1, 0.2, 0.3, 0.4]}}, priority: 'high', year: 2023}};
USE {name};
DEFINE recent AS (QUERY [0.1, 0.2, 0.3, 0.4] USING dense WHERE year >= 2023 LIMIT 100);
QUERY [0.1, 0.2, 0.3, 0.4] USING dense LIMIT 10;
QUERY [0.4, 0.3, 0.2, 0.1] USING dense PREFETCH (recent) LIMIT 10;
QUERY 1 USING dense WHERE priority IN ('high', 'low') AND NOT year = 2020 LIMIT 5;
QUERY ORDER BY year DESC LIMIT 5;
QUERY SAMPLE RANDOM LIMIT 5;
QUERY RECOMMEND POSITIVE (1, 2) NEGATIVE (3) USING dense LIMIT 5;
QUERY [0.1, 0.2, 0.3, 0.4] USING dense LIMIT 5 GROUP BY priority SIZE 2;
SCROLL WHERE year BETWEEN 2020 AND 2024 LIMIT 20;
COUNT WHERE priority = 'high';
FACET priority LIMIT 5;
UPDATE {name} SET PAYLOAD = {{priority: 'low'}} WHERE year < 2021;
DELETE WHERE year IS NULL;
SHOW COLLECTION {name};
DROP COLLECTION {name};
"""


NUMBERS = count(1)
"""One for all cases: a text that another case has had would not be new."""


def hybrid(
    stage: str = "dense", words: str = "'emergency care'", score: object = 0.05, limit: object = 200
) -> str:
    return HYBRID.format(stage=stage, words=words, score=score, limit=limit)


def compile_seen() -> Step:
    text = hybrid()
    return lambda: qql.compile(text)


def compile_new_literals() -> Step:

    def step() -> object:
        n = next(NUMBERS)
        return qql.compile(hybrid(words=f"'emergency care {n}'", score=n / 1e6, limit=100 + n % 200))

    return step


def compile_new_text() -> Step:
    return lambda: qql.compile(hybrid(stage=f"stage{next(NUMBERS)}"))


def parse_new_text() -> Step:
    return lambda: qql.parse(hybrid(stage=f"stage{next(NUMBERS)}"))


def plan_and_emit() -> Step:
    """A known text with new parameters: nothing is left to parse, everything to plan and to emit."""
    text = hybrid(words=":words", score=":score", limit=":limit")

    def step() -> object:
        n = next(NUMBERS)
        return qql.compile(text, {"words": f"care {n}", "score": n / 1e6, "limit": 100 + n % 200})

    return step


def format_new_text() -> Step:
    return lambda: qql.format(hybrid(stage=f"stage{next(NUMBERS)}"))


def compile_script() -> Step:
    return lambda: qql.compile(SCRIPT.format(name=f"docs{next(NUMBERS)}"))


def compile_upsert() -> Step:
    rows = ", ".join(
        json.dumps({"id": n, "vector": [n / (d + 1) for d in range(384)], "name": f"row {n}"})
        for n in range(1000)
    )
    return lambda: qql.compile(f"UPSERT INTO docs{next(NUMBERS)} VALUES {rows}")


def run_on_edge() -> Step:
    """The query embedded and answered by the engine in this process, over 500 points."""
    db = qql.connect(":memory:")
    db.run(
        "CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-256', sparse SPARSE MODEL 'qdrant/bm25');"
        "CREATE INDEX ON docs FOR priority TYPE keyword"
    )
    rows = [
        {
            "id": n,
            "text": f"emergency care in ward {n} of hospital {n % 17}",
            "priority": ("high", "low")[n % 2],
        }
        for n in range(500)
    ]
    db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
    text = hybrid(words=":words")
    return lambda: db.execute(text, {"words": f"emergency care in ward {next(NUMBERS) % 500}"})


IN_PROCESS: dict[str, Callable[[], Step]] = {
    "compile, text seen before": compile_seen,
    "compile, new literals": compile_new_literals,
    "compile, new text": compile_new_text,
    "parse, new text": parse_new_text,
    "plan + emit, new parameters": plan_and_emit,
    "format, new text": format_new_text,
    "compile, 20 statements": compile_script,
    "compile, UPSERT 1000 x 384": compile_upsert,
    "run on edge": run_on_edge,
}
# What follows the interpreter's name; FILE is a file with the hybrid query.
PROCESSES: dict[str, list[str]] = {
    "process: import qql": ["-c", "import qql"],
    "process: qql check": ["-m", "qql", "check", "FILE"],
    "process: qql compile": ["-m", "qql", "compile", "FILE"],
}
