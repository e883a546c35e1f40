"""Rows that need no engine: from text to request, beside pyqql and `json.loads`."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from measuring import Side, Steps
from scale import Scale
from texts import (
    CHAIN,
    NUMBERS,
    PREPARED,
    README,
    SCRIPT,
    THEIRS,
    VECTOR_QUERY,
    anew,
    json_rows,
    named,
    qql_rows,
    small_rows,
    vector,
    worded,
)

import qql

__all__ = [
    "chain",
    "known_shape",
    "never_seen",
    "prepared",
    "prepared_vector",
    "script",
    "seen_before",
    "upsert_readme",
    "upsert_vectors",
]


def _bound(text: str) -> Callable[[dict[str, Any]], object]:
    """A request for values: of a prepared statement, where this QQL has them."""
    prepare = getattr(qql, "prepare", None)
    if prepare is None:
        return lambda values: qql.compile(text, values)
    bind = prepare(text).bind
    return lambda values: bind(**values)


def _route(text: str) -> Callable[[dict[str, Any]], object]:
    import pyqql

    [statement] = pyqql.parse(text)
    return statement.compile_route


def prepared(scale: Scale) -> Iterator[Sequence[Side]]:
    def values(many: int) -> list[dict[str, Any]]:
        numbers = (next(NUMBERS) for _ in range(many))
        return [{"words": f"emergency care {n}", "limit": 100 + n % 200} for n in numbers]

    yield [
        Steps("ours", _bound(named(README, **PREPARED)), values),
        Steps("pyqql", _route(named(THEIRS, **PREPARED)), values),
        Steps("a dict by hand", _by_hand, values),
    ]


def _by_hand(values: dict[str, Any]) -> object:
    """What a program would write that has no language: the same body, unchecked."""
    words = {"nearest": {"text": values["words"]}}
    return {
        "prefetch": [
            {
                "query": words,
                "using": "dense",
                "filter": {"must": [{"key": "priority", "match": {"value": "high"}}]},
                "score_threshold": 0.05,
                "limit": values["limit"],
            },
            {
                "query": dict(words),
                "using": "sparse",
                "filter": {"must": [{"key": "priority", "match": {"value": "high"}}]},
                "limit": 300,
            },
        ],
        "query": {"rrf": {"k": 20, "weights": [0.6, 0.4]}},
        "limit": 10,
        "with_payload": True,
    }


def prepared_vector(scale: Scale) -> Iterator[Sequence[Side]]:
    chance = random.Random(3)
    vectors = [vector(384, chance) for _ in range(50)]

    def values(many: int) -> list[dict[str, Any]]:
        numbers = (next(NUMBERS) for _ in range(many))
        # A list of its own for each: nobody may know it by its identity.
        return [{"v": [*vectors[n % 50]], "kind": f"kind {n}", "n": 5 + n % 20} for n in numbers]

    yield [Steps("ours", _bound(VECTOR_QUERY), values), Steps("pyqql", _route(VECTOR_QUERY), values)]


def _both(ours: Callable[[int], list[str]], theirs: Callable[[int], list[str]]) -> Iterator[Sequence[Side]]:
    import pyqql

    yield [Steps("ours", qql.compile, ours), Steps("pyqql", pyqql.compile, theirs)]


def seen_before(scale: Scale) -> Iterator[Sequence[Side]]:
    ours, theirs = named(README), named(THEIRS)
    yield from _both(lambda many: [ours] * many, lambda many: [theirs] * many)


def known_shape(scale: Scale) -> Iterator[Sequence[Side]]:
    yield from _both(worded(README), worded(THEIRS))


def never_seen(scale: Scale) -> Iterator[Sequence[Side]]:
    yield from _both(anew(README), anew(THEIRS))


def script(scale: Scale) -> Iterator[Sequence[Side]]:
    import pyqql

    def routes(text: str) -> object:
        return [statement.compile_route() for statement in pyqql.parse(text)]

    yield [Steps("ours", qql.compile, anew(SCRIPT)), Steps("pyqql", routes, anew(SCRIPT))]


def upsert_vectors(scale: Scale) -> Iterator[Sequence[Side]]:
    yield from _upsert(json.dumps(json_rows(1000, 384)), scale)


def upsert_readme(scale: Scale) -> Iterator[Sequence[Side]]:
    rows = small_rows(1000)
    yield from _upsert(json.dumps(rows), scale, qql_rows(rows))


def _upsert(given: str, scale: Scale, spelled: str | None = None) -> Iterator[Sequence[Side]]:
    """``given`` is a JSON array; ``spelled`` the same rows as the statement has them, where that differs."""
    import orjson

    spelled = given[1:-1] if spelled is None else spelled

    def texts(many: int) -> list[str]:
        return [f"UPSERT INTO docs{next(NUMBERS)} VALUES {spelled}" for _ in range(many)]

    yield [
        Steps("ours", qql.compile, texts),
        Steps("json.loads", lambda _: json.loads(given)),
        Steps("orjson.loads", lambda _: orjson.loads(given)),
    ]


def chain(scale: Scale) -> Iterator[Sequence[Side]]:
    def refused(text: str) -> None:
        with contextlib.suppress(qql.QQLError):
            qql.compile(text)
            raise RuntimeError("a chain that doubles 60 times is refused")

    yield [Steps("ours", refused, anew(CHAIN))]
