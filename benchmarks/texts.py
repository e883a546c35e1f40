"""The statements that are measured. Names, words and numbers of a text are new where a row asks for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

__all__ = [
    "CHAIN",
    "PREPARED",
    "README",
    "SCRIPT",
    "THEIRS",
    "VECTOR_QUERY",
    "anew",
    "json_rows",
    "named",
    "qql_rows",
    "vector",
    "worded",
]

NUMBERS = count(1)
"""One for all rows: a text that another side has had would not be new."""

# README's first query.
README = """
WITH
  {dense}  AS (QUERY {words} USING {v}  LIMIT {limit}),
  {sparse} AS (QUERY {words} USING {w} LIMIT 300)
QUERY {words} FROM {docs} LIMIT 10
PREFETCH ({dense} WHERE {field} = 'high' SCORE THRESHOLD {score}, {sparse} WHERE {field} = 'high')
FUSION RRF WITH (rrf_k = 20, rrf_weights = [0.6, 0.4])
"""
# The same as pyqql spells it.
THEIRS = """
WITH
  {dense}  AS (QUERY {words} USING {v}  LIMIT {limit}),
  {sparse} AS (QUERY {words} USING {w} LIMIT 300)
QUERY FUSION RRF FROM {docs}
PREFETCH ({dense} WHERE {field} = 'high' SCORE THRESHOLD {score}, {sparse} WHERE {field} = 'high')
PARAMS (rrf_k = 20, rrf_weights = [0.6, 0.4])
LIMIT 10
"""
_NAMES = {
    "dense": "dense",
    "sparse": "sparse",
    "v": "dense",
    "w": "sparse",
    "field": "priority",
    "docs": "docs",
}
_LITERALS = {"words": "'emergency care'", "limit": 200, "score": 0.05}
# pyqql takes no parameter as threshold.
PREPARED = {"words": ":words", "limit": ":limit", "score": 0.05}
VECTOR_QUERY = "QUERY :v FROM docs USING dense WHERE kind = :kind LIMIT :n"

# Twenty statements that both read.
SCRIPT = """
CREATE COLLECTION {docs} ({v} VECTOR(4, COSINE), {w} SPARSE);
CREATE INDEX ON COLLECTION {docs} FOR {field} TYPE keyword;
CREATE INDEX ON COLLECTION {docs} FOR year TYPE integer;
UPSERT INTO {docs} VALUES {{id: 1, vector: {{{v}: [0.1, 0.2, 0.3, 0.4]}}, {field}: 'high', year: 2023}};
UPSERT INTO {docs} VALUES {{id: 2, vector: {{{v}: [0.4, 0.3, 0.2, 0.1]}}, {field}: 'low', year: 2024}};
QUERY [0.1, 0.2, 0.3, 0.4] FROM {docs} USING {v} LIMIT 10;
QUERY [0.1, 0.2, 0.3, 0.4] FROM {docs} USING {v} WHERE year >= 2023 LIMIT 100;
QUERY POINT 1 FROM {docs} USING {v} WHERE {field} IN ('high', 'low') AND NOT year = 2020 LIMIT 5;
QUERY [0.3, 0.1, 0.4, 0.2] FROM {docs} USING {v} WHERE {field} = 'high' LIMIT 5;
QUERY ORDER BY year DESC FROM {docs} LIMIT 5;
QUERY SAMPLE RANDOM FROM {docs} LIMIT 5;
QUERY RECOMMEND POSITIVE (1, 2) NEGATIVE (3) FROM {docs} USING {v} LIMIT 5;
WITH {dense} AS (QUERY [0.1, 0.2, 0.3, 0.4] USING {v} LIMIT 9), {sparse} AS (QUERY POINT 2 USING {w} LIMIT 9)
  QUERY FUSION RRF FROM {docs} PREFETCH ({dense}, {sparse}) LIMIT 5;
SCROLL FROM {docs} WHERE year BETWEEN 2020 AND 2024 LIMIT 20;
COUNT FROM {docs} WHERE {field} = 'high';
FACET {field} FROM {docs} LIMIT 5;
UPDATE {docs} SET PAYLOAD = {{{field}: 'low'}} WHERE year < 2021;
DELETE FROM {docs} WHERE year IS NULL;
SHOW COLLECTION {docs};
DROP COLLECTION {docs};
"""
_CHAIN = 60
CHAIN = (
    "WITH {dense}0 AS (QUERY [0.1] LIMIT 5),\n"
    + ",\n".join(
        f"{{dense}}{n} AS (QUERY [0.1] PREFETCH ({{dense}}{n - 1}, {{dense}}{n - 1}) LIMIT 5)"
        for n in range(1, _CHAIN)
    )
    + f"\nQUERY [0.1] FROM {{docs}} PREFETCH ({{dense}}{_CHAIN - 1}) LIMIT 3"
)
"""Each stage prefetches the one before it twice."""


def named(text: str, **literals: object) -> str:
    """A text with README's names, and its literals where no others are given."""
    return text.format(**_NAMES, **{**_LITERALS, **literals})


def worded(text: str) -> Callable[[int], list[str]]:
    """So many texts of one shape, each with words and numbers that none has had."""

    def texts(many: int) -> list[str]:
        out = []
        for n in (next(NUMBERS) for _ in range(many)):
            words = f"'emergency care {n}'"
            out.append(named(text, words=words, score=round(n / 1e7, 7), limit=100 + n % 200))
        return out

    return texts


def anew(text: str) -> Callable[[int], list[str]]:
    """So many texts with names that none has had: stages, vectors, fields, collection."""

    def texts(many: int) -> list[str]:
        out = []
        for n in (next(NUMBERS) for _ in range(many)):
            names = {place: f"{name}{n}" for place, name in _NAMES.items()}
            out.append(text.format(**{**names, "v": f"{names['v']}v", "w": f"{names['w']}w"}, **_LITERALS))
        return out

    return texts


def vector(size: int, chance: random.Random) -> list[float]:
    """With all the digits that a model gives."""
    return [chance.gauss(0, 0.06) for _ in range(size)]


def json_rows(many: int, size: int) -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [{"id": n, "vector": vector(size, chance), "name": f"row {n}"} for n in range(many)]


def small_rows(many: int) -> list[dict[str, Any]]:
    return [
        {
            "id": n,
            "text": f"Emergency care for acute pain, case {n}",
            "priority": ("high", "low")[n % 2],
            "year": 2000 + n % 25,
        }
        for n in range(many)
    ]


def qql_rows(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as README spells them: bare keys, single quotes."""

    def spelled(value: Any) -> str:
        return f"'{value}'" if isinstance(value, str) else json.dumps(value)

    return ",\n  ".join(
        "{" + ", ".join(f"{key}: {spelled(value)}" for key, value in row.items()) + "}" for row in rows
    )
