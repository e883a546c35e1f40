"""WHY and WHY NOT: each answer is verified by changing the very thing that it names."""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import pytest
from edge_helpers import sparse, vector

from qql import nodes
from qql.analysis import Change, Explanation, FailedCondition, StageRun, Standing
from qql.analysis.model import EXPLAINED
from qql.analysis.stage_requests import stage_requests
from qql.analysis.why import why
from qql.compiler.plan import QueryPlan
from qql.compiler.script import Compiled
from qql.errors import QQLError, Source
from qql.models.rerank_hits import rerank
from qql.rest.request import Request
from qql.session.answers import result_of
from qql.session.connect import connect
from qql.syntax.printer import show

ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "2"))  # of the slow tests; a real soak gives more
COUNT = 80
ALL = 1000  # more than there are points
UUIDS = [f"0000000{at % 10}-aaaa-4bbb-8ccc-{at:012d}" for at in range(COUNT)]
IDS: list[int | str] = [UUIDS[at] if at % 5 == 4 else at + 1 for at in range(COUNT)]
WORDS = ("apple", "river", "stone", "cloud", "tiger", "piano", "glass", "maple")
EVERY = {"indices": list(range(30)), "values": [1.0] * 30}  # something in common with every sparse vector

CREATE = """
CREATE COLLECTION docs (dense VECTOR(6, COSINE), dot VECTOR(6, DOT), far VECTOR(6, EUCLID),
  city VECTOR(6, MANHATTAN), rows VECTOR(3, COSINE) WITH MULTIVECTOR (comparator = max_sim),
  sparse SPARSE, words SPARSE WITH SPARSE (modifier = idf));
CREATE COLLECTION graph (dense VECTOR(24, COSINE),
  dot VECTOR(24, DOT) WITH QUANTIZATION (type = scalar, quantile = 0.9))
  WITH HNSW (m = 4, ef_construct = 4, full_scan_threshold = 1) WITH OPTIMIZERS (indexing_threshold = 1);
"""
INDEXES = """
CREATE INDEX ON docs FOR number TYPE integer; CREATE INDEX ON docs FOR price TYPE float;
CREATE INDEX ON docs FOR position TYPE integer; CREATE INDEX ON graph FOR price TYPE float;
"""


def payload(rng: random.Random, at: int) -> dict[str, Any]:
    """Fields that are missing, null, empty, of several values and of several kinds."""
    out: dict[str, Any] = {
        "number": rng.choice([rng.randrange(10), rng.sample(range(10), 2)]),
        "price": round(rng.uniform(0, 100), 3),
        "word": rng.choice(["red", "green", "blue"]),
        "tags": rng.sample(["a", "b", "c", "d"], rng.randrange(4)),
        "flag": rng.random() < 0.5,
        "when": f"2024-0{rng.randrange(1, 10)}-1{rng.randrange(10)}T00:00:00Z",
        "place": {"lat": rng.uniform(40, 60), "lon": rng.uniform(0, 20)},
        "parts": [{"size": rng.randrange(5), "kind": rng.choice("xy")} for _ in range(rng.randrange(3))],
        "text": " ".join(rng.sample(WORDS, rng.randrange(1, 5))),
        "mixed": rng.choice([True, 1.5, 1, 2, "one", "two"]),
        "position": at,
    }
    for name in ("number", "price", "place", "text"):
        if rng.random() < 0.1:
            del out[name]
    if rng.random() < 0.2:
        out["word"] = rng.choice([None, []])
    return out


def rows(size: int) -> list[dict[str, Any]]:
    """Points; of those with all kinds of vectors, some lack one, and some are equal to others."""
    rng = random.Random(size)
    out: list[dict[str, Any]] = []
    for at, key in enumerate(IDS):
        vectors: dict[str, Any] = {name: vector(rng, size) for name in ("dense", "dot")}
        if size == 6:
            vectors |= {name: vector(rng) for name in ("far", "city")}
            vectors["rows"] = [vector(rng, 3) for _ in range(rng.randrange(1, 4))]
            vectors["sparse"], vectors["words"] = sparse(rng), sparse(rng)
            if at % 7 == 0:
                del vectors[rng.choice(["dense", "far", "sparse", "rows"])]
            if at % 19 == 18:
                vectors = dict(out[at - 4]["vector"])
        out.append({"id": key, "vector": vectors, **payload(rng, at)})
    return out


# ------------------------------------------------------------------------------------ the database


class Hit(NamedTuple):
    """A point of an answer."""

    id: int | str
    score: float
    value: Any = None

    @property
    def key(self) -> Any:
        """What the list is ordered by."""
        return self.score if self.value is None else self.value


class Known(NamedTuple):
    """A query, as far as it is known without asking for a point."""

    query: nodes.Query
    compiled: Compiled
    plan: QueryPlan
    request: Request
    runs: list[StageRun]


class World:
    """The points in an engine, queries of them, and how those are changed."""

    def __init__(self) -> None:
        self.session = connect(":memory:")
        self.session.run(CREATE)
        self.rows = {row["id"]: row for row in rows(6)}
        for name, size in (("docs", 6), ("graph", 24)):
            self.session.execute(f"UPSERT INTO {name} VALUES :rows", {"rows": rows(size)})
        self.session.run(INDEXES)
        self.session.execute("OPTIMIZE graph")
        body = {"field_name": "text", "field_schema": {"type": "text", "scoring": True}}
        self.call(Request("PUT", "/collections/docs/index", {}, body))
        self.known = cache(self._known)
        self.listed = cache(self._listed)

    def call(self, request: Request) -> Any:
        return self.session.backend.call(request)

    def _known(self, text: str) -> Known:
        (one,) = self.session._compile(Source(text), None)
        assert one.plan is not None and isinstance(one.statement, nodes.Query)
        request = self.session._embedded(one.requests[0])
        return Known(one.statement, one, one.plan, request, stage_requests(one.plan, request))

    def why(self, text: str, key: int | str) -> Explanation:
        one = self.known(text)
        second = (lambda plan, request: self.reranked(text)) if one.plan.second else None
        return why(one.plan, one.request, self.call, key, second=second)

    def reranked(self, text: str) -> list[tuple[Any, float, float | None]]:
        """All candidates of a RERANK, in its order."""
        one = self.known(text)
        assert one.plan.second is not None
        whole = replace(one.plan.second, top=None, offset=0)
        found = result_of(one.compiled, self.call(one.request))
        order = rerank(found, whole, one.plan.payload, self.session.rerankers).hits
        return [(hit.id, hit.first_stage_score or 0.0, hit.second_stage_score) for hit in order]

    def hits(self, text: str) -> list[Hit]:
        """What a person gets for the query."""
        found = self.session.execute(text)
        if self.known(text).plan.group is not None:
            answer = found.data["groups"][self.known(text).plan.offset or 0 :]
            return [Hit(hit["id"], hit["score"]) for group in answer for hit in group["hits"]]
        if self.known(text).plan.second is not None:
            return [Hit(hit.id, hit.score or 0.0) for hit in found.hits]
        return self.ordered(self.known(text).runs[0], found.data["points"])

    def run_at(self, text: str, path: tuple[int, ...]) -> StageRun:
        return next(run for run in self.known(text).runs if path in run.paths)

    def _listed(self, text: str, path: tuple[int, ...]) -> list[Hit]:
        """What a stage gives."""
        run = self.run_at(text, path)
        found = self.call(
            Request(
                "POST", f"/collections/{self.known(text).plan.collection}/points/query", {}, dict(run.body)
            )
        )
        return self.ordered(run, found["points"])

    def ordered(self, run: StageRun, found: Sequence[Any]) -> list[Hit]:
        """The points of a stage, with what they are ordered by."""
        by_value = "order_by" in run.body["query"] or run.body["query"].get("fusion") == "dbsf"
        return [Hit(one["id"], one["score"], one.get("order_value") if by_value else None) for one in found]

    def passes(self, text: str, path: tuple[int, ...], key: int | str) -> bool:
        """Whether the point passes the filter of a stage."""
        run = self.run_at(text, path)
        return self.matches(self.known(text).plan.collection, run.body.get("filter") or {}, key)

    def vectors(self, collection: str, key: int | str) -> dict[str, Any]:
        body = {"ids": [key], "with_vector": True, "with_payload": False}
        (found,) = self.call(Request("POST", f"/collections/{collection}/points", {}, body))
        return dict(found["vector"])

    @contextmanager
    def altered(self, key: int | str, vector: Any = None, payload: Any = None) -> Iterator[None]:
        """The point with other vectors or fields, for a while."""
        row = self.rows[key]
        other = {**row, **(payload or {}), "vector": {**row["vector"], **(vector or {})}}
        self.write(other)
        try:
            yield
        finally:
            self.write(row)

    def write(self, row: dict[str, Any]) -> None:
        self.session.execute("UPSERT INTO docs VALUES :rows", {"rows": [row]})
        self.listed.cache_clear()

    def matches(self, collection: str, found: Any, key: int | str) -> bool:
        body = {"filter": {"must": [found, {"has_id": [key]}]}, "exact": True}
        return bool(self.call(Request("POST", f"/collections/{collection}/points/count", {}, body))["count"])

    def holds(self, collection: str, condition: str, key: int | str) -> bool:
        """Whether a condition holds for a point, by a query of that condition alone."""
        (row,) = self.session.execute(
            f"COUNT FROM {collection} WHERE ({condition}) AND id = {show(key)}"
        ).rows
        return bool(row["count"])


def rank_of(found: Sequence[Hit], key: int | str) -> int | None:
    return next((rank for rank, one in enumerate(found, 1) if one.id == key), None)


def close(one: float | None, other: float | None) -> bool:
    return one == pytest.approx(other, rel=1e-5, abs=1e-6)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.session.close()


# ------------------------------------------------------------------------------------ queries drawn by chance


class Drawer:
    """Draws queries of one to five stages, with every kind of filter, target and limit."""

    def __init__(self, seed: object, collection: str = "docs") -> None:
        self.rng = random.Random(str(seed))
        self.collection = collection
        self.ctes: dict[str, str] = {}
        self.left = self.rng.choice([1, 1, 2, 3, 4, 5])

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # -- filters

    def leaf(self) -> str:
        rng, n = self.rng, self.rng.randrange(10)
        key = show(rng.choice(IDS))
        return rng.choice(
            [
                f"number = {n}",
                f"number != {n}",
                f"number > {n}",
                f"number BETWEEN {n // 2} AND {n}",
                f"number IN ({n}, {n + 1}, {n + 3})",
                f"number NOT IN ({n}, {n + 1})",
                f"number RANGE (gte = {n // 2}, lt = {n + 2})",
                f"price < {n * 10 + 5}",
                "price IS NOT EMPTY",
                "word IS NULL",
                "word IS NOT NULL",
                "word IS EMPTY",
                "word = 'red'",
                "word != 'green'",
                "tags MATCH ANY ('a', 'b')",
                "tags MATCH EXCEPT ('a', 'b')",
                "tags VALUES_COUNT >= 2",
                f"text MATCH '{rng.choice(WORDS)}'",
                f"text MATCH ANY '{rng.choice(WORDS)} {rng.choice(WORDS)}'",
                "NESTED('parts', size > 2 AND kind = 'x')",
                "place GEO_RADIUS {center: {lat: 50, lon: 10}, radius: 600000}",
                "place GEO_BBOX {top_left: {lat: 58, lon: 2}, bottom_right: {lat: 42, lon: 18}}",
                "when >= '2024-05-01'",
                "flag = true",
                f"HAS_VECTOR {self.using()}",
                f"SLICE(3, {n % 3})",
                f"id IN ({', '.join(show(one) for one in rng.sample(IDS, 60))})",
                f"id != {key}",
            ]
        )

    def condition(self, depth: int = 2) -> str:
        rng = self.rng
        if depth == 0 or self.chance(0.45):
            return self.leaf()
        parts = [self.condition(depth - 1) for _ in range(rng.choice([2, 2, 3]))]
        kind = rng.choice(["AND", "OR", "OR", "NOT", "MIN", "NOT OR", "NOT NOT"])
        match kind:
            case "NOT":
                return f"NOT ({parts[0]} AND {parts[1]})"
            case "NOT OR":
                return f"NOT ({' OR '.join(parts)})"
            case "NOT NOT":
                return f"NOT (NOT ({parts[0]}) OR {parts[1]})"
            case "MIN":
                return f"MIN SHOULD {rng.randrange(1, len(parts) + 1)} ({', '.join(parts)})"
        return f"({f' {kind} '.join(f'({part})' for part in parts)})"

    # -- targets

    def using(self) -> str:
        if self.collection == "graph":
            return self.rng.choice(["dense", "dot"])
        return self.rng.choice(["dense", "dense", "dot", "far", "city", "rows", "sparse", "words"])

    def literal(self, using: str) -> str:
        rng = self.rng
        if using in ("sparse", "words"):
            found = {"indices": rng.sample(range(30), 2), "values": [1.0, 0.5]}
            return show(nodes.Vector(found))
        if using == "rows":
            return str([vector(rng, 3) for _ in range(2)])
        return str(vector(rng, 24 if self.collection == "graph" else 6))

    def point(self) -> str:
        """A point that has all vectors, in one of the spellings of its id."""
        at = self.rng.choice([at for at in range(COUNT) if at % 7 and at % 19 != 18])
        key = IDS[at]
        if isinstance(key, str) and self.chance(0.5):
            key = self.rng.choice([key.upper(), key.replace("-", ""), f"urn:uuid:{key}"])
        return f"POINT {show(key)}"

    def search(self, over: str | None = None) -> tuple[str, str]:
        """A target with USING, and what its scores are: those of a metric, or none. ``over``: its inputs."""
        rng, using = self.rng, self.using()
        dense = using not in ("sparse", "words")
        kind = rng.choices(
            ["vector", "point", "recommend", "discover", "context", "mmr", "order", "match", "sample"],
            [40, 8, 8, 5, 3, 12, 8, 4 * (over is None), 1],
        )[0]
        if self.collection == "graph" and kind in ("match", "sample"):
            kind = "vector"
        match kind:
            case "point":
                return f"{self.point()} USING {using}", using
            case "recommend":
                strategy = rng.choice(["", " STRATEGY best_score", " STRATEGY sum_scores"]) if dense else ""
                return (
                    f"RECOMMEND POSITIVE ({self.point()}, {self.literal(using)}) NEGATIVE ({self.point()})"
                    f"{strategy} USING {using}",
                    using,
                )
            case "discover":
                pair = f"POSITIVE {self.point()} NEGATIVE {self.point()}"
                return f"DISCOVER TARGET {self.literal(using)} CONTEXT ({pair}) USING {using}", using
            case "context":
                pair = f"POSITIVE {self.point()} NEGATIVE {self.literal(using)}"
                return f"CONTEXT ({pair}) USING {using}", using
            case "mmr" if using in ("dense", "dot", "rows") and self.can_diversify(over):
                wide = f" CANDIDATES {rng.choice([5, 12, 30])}" if self.chance(0.8) else ""
                diversity = rng.choice([0, 0.3, 0.7, 1])
                return f"MMR {self.literal(using)} DIVERSITY {diversity}{wide} USING {using}", using
            case "order":
                names = ["price", "price", "position", "number"] if self.collection == "docs" else ["price"]
                start = f" START FROM {rng.choice([2, 20, 50])}" if self.chance(0.4) else ""
                return f"ORDER BY {rng.choice(names)}{rng.choice(['', ' DESC'])}{start}", "order"
            case "match":
                return f"MATCH '{' '.join(rng.sample(WORDS, 2))}' ON text", "text"
            case "sample":
                return "SAMPLE", "order"
        return f"{self.literal(using)} USING {using}", using

    def can_diversify(self, over: str | None) -> bool:
        """Whether an MMR may stand over such inputs: not where the stage alone is not what it is there.

        Below another stage it is exact, and takes all that another MMR hands on.
        """
        return over is None or (self.collection == "docs" and not re.search(r"MMR|s\d", over))

    def threshold(self, scores: str, share: float = 0.25) -> str:
        known = {"dense": (-0.3, 0.3), "dot": (-0.5, 0.5), "rows": (0.1, 0.8), "far": (1.2, 2.5)}
        known |= {"city": (3, 5), "sparse": (0.2, 0.8), "words": (0.5, 2), "fused": (0.02, 0.5)}
        known |= {"formula": (10, 80), "text": (0.3, 2)}
        if scores not in known or not self.chance(share):
            return ""
        return f" SCORE THRESHOLD {round(self.rng.uniform(*known[scores]), 3)}"

    # -- stages

    def stage(self, depth: int, is_root: bool = False) -> str:
        """The words of a stage without PREFETCH's brackets."""
        rng = self.rng
        self.left -= 1
        inputs = self.inputs(depth) if self.left > 0 and (is_root or self.chance(0.4)) and depth else []
        prefetch = f" PREFETCH ({', '.join(inputs)})" if inputs else ""
        if not inputs:
            target, scores = self.search()
        elif rng.random() < 0.6:
            method, scores = rng.choice(["RRF", "RRF", "DBSF"]), "fused"
            target = f"FUSION {method}"
            if method == "RRF" and self.chance(0.8):
                weights = [round(rng.uniform(0.2, 3), 3) for _ in inputs]
                prefetch += f" PARAMS (rrf_k = {rng.choice([1, 2, 60])}, rrf_weights = {weights})"
        elif rng.random() < 0.4:
            target, scores = "FORMULA $score + price * 0.5 + 20 DEFAULTS (price = 7)", "formula"
        else:
            target, scores = self.search(over=" ".join(self.ctes.get(one, one) for one in inputs))
        text = f"QUERY {target}{f' FROM {self.collection}' if is_root else ''}{prefetch}"
        text += self.threshold(scores)
        if self.chance(0.2):
            text += f" WHERE {self.condition()}"
        if self.collection == "graph" and "PARAMS" not in text and "USING" in text:
            text += f" PARAMS (hnsw_ef = {rng.choice([1, 4])})"
        return text + (f" LIMIT {rng.choice([3, 5, 10, 15, 30, 70])}" if self.chance(0.9) else "")

    def inputs(self, depth: int) -> list[str]:
        found = []
        for _ in range(self.rng.choice([1, 2, 2, 3])):
            if found and self.left <= 0:
                break
            if self.ctes and self.chance(0.25):
                name = self.rng.choice(list(self.ctes))
            else:
                name = f"s{len(self.ctes)}"
                inner = self.stage(depth - 1)
                if self.chance(0.5):
                    name = f"({inner})"
                else:
                    name = f"s{len(self.ctes)}"
                    self.ctes[name] = inner
            text = name
            if self.chance(0.15):
                text += f" WHERE {self.condition(1)}"
            words = self.ctes.get(name, name).lstrip("(")
            unscored = "FUSION" in words or words.startswith("QUERY ORDER BY")
            if not unscored and self.chance(0.1):
                text += f" SCORE THRESHOLD {round(self.rng.uniform(0.1, 1), 3)}"
            found.append(text)
        return found

    def query(self) -> str:
        text = self.stage(2, is_root=True)
        rng = self.rng
        kind = rng.random()
        if kind < 0.12 and self.collection == "docs":
            size = f" SIZE {rng.randrange(1, 4)}" if self.chance(0.8) else ""
            text += f" GROUP BY {rng.choice(['word', 'number', 'tags', 'mixed'])}{size}"
        elif kind < 0.24 and " LIMIT " in text:
            text += f" RERANK 'apple river stone' MODEL 'local/overlap' ON text TOP {rng.randrange(1, 6)}"
        if self.chance(0.15) and (not text.startswith("QUERY MMR") or "CANDIDATES" in text):
            text += f" OFFSET {rng.choice([1, 3, 8])}"
        given = ", ".join(f"{name} AS ({stage})" for name, stage in self.ctes.items())
        return f"WITH {given} {text}" if given else text


# ------------------------------------------------------------------------------------ changing a query

Edit = Callable[[nodes.Ref], nodes.Ref]


def edited(query: nodes.Query, path: Sequence[int], edit: Edit) -> nodes.Query:
    """A query with one stage changed; what it shares with others is written for it alone."""
    known = {str(cte.name.text).lower(): cte.stage for cte in query.ctes}

    def down(ref: nodes.Ref, rest: Sequence[int]) -> nodes.Ref:
        if isinstance(ref.stage, nodes.Name):
            ref = replace(ref, stage=known[str(ref.stage.text).lower()])
        if not rest:
            return edit(ref)
        assert isinstance(ref.stage, nodes.Query)
        refs = list(ref.stage.prefetch)
        refs[rest[0]] = down(refs[rest[0]], rest[1:])
        return replace(ref, stage=replace(ref.stage, prefetch=tuple(refs)))

    found = down(nodes.Ref(query), path).stage
    assert isinstance(found, nodes.Query)
    return found


def fields(**values: Any) -> Edit:
    """Changes fields of the stage."""
    return lambda ref: replace(ref, stage=replace(ref.stage, **values))


def of_target(**values: Any) -> Edit:
    """Changes fields of the stage's target."""
    return lambda ref: replace(ref, stage=replace(ref.stage, target=replace(ref.stage.target, **values)))


def param(name: str, value: Any) -> Edit:
    def edit(ref: nodes.Ref) -> nodes.Ref:
        others = tuple(one for one in ref.stage.params if one.name != name)
        option = nodes.Option(name, nodes.Scalar(value))
        return replace(ref, stage=replace(ref.stage, params=(*others, option)))

    return edit


def threshold(value: Any) -> Edit:
    """The threshold that counts: the reference's, where it has one."""
    scalar = None if value is None else nodes.Scalar(value)

    def edit(ref: nodes.Ref) -> nodes.Ref:
        if value is None:
            return replace(ref, threshold=None, stage=replace(ref.stage, threshold=None))
        if ref.threshold is not None:
            return replace(ref, threshold=scalar)
        return fields(threshold=scalar)(ref)

    return edit


def changed(change: Change) -> Edit:
    """What a change of the answer says, done to the stage."""
    value = nodes.Scalar(change.value)
    match change.word:
        case "LIMIT":
            return fields(limit=value)
        case "OFFSET":
            return fields(offset=value)
        case "SCORE THRESHOLD":
            return threshold(change.value)
        case "CANDIDATES":
            return of_target(candidates=value)
        case "START FROM":
            return of_target(start=value)
        case "SIZE":
            return lambda ref: fields(group=replace(ref.stage.group, size=value))(ref)
        case "TOP":
            return lambda ref: fields(rerank=replace(ref.stage.rerank, top=value))(ref)
    assert change.word in ("exact", "indexed_only"), change
    return param(change.word, change.value)


def wide_open(ref: nodes.Ref) -> nodes.Ref:
    """No threshold, no MMR, and slots for all points."""
    ref = threshold(None)(fields(limit=nodes.Scalar(ALL), offset=None)(ref))
    target = ref.stage.target
    return fields(target=target.target)(ref) if isinstance(target, nodes.Mmr) else ref


def without(condition: nodes.Condition | None, failed: set[str]) -> nodes.Condition | None:
    """A condition without those of its parts that are named; None where nothing is left."""
    match condition:
        case None:
            return None
        case nodes.And() | nodes.Not(child=nodes.Or()) if show(condition) not in failed:
            negated = isinstance(condition, nodes.Not)
            children = condition.child.children if negated else condition.children
            rest = [without(nodes.Not(one) if negated else one, failed) for one in children]
            kept = tuple(one for one in rest if one is not None)
            return nodes.And(kept) if len(kept) > 1 else kept[0] if kept else None
        case nodes.Not(child=nodes.Not() as inner):
            return without(inner.child, failed)
    return None if show(condition) in failed else condition


def unnamed_in(ref: nodes.Ref, key: int | str, instead: Any) -> nodes.Ref:
    return fields(target=without_point(ref.stage.target, key, instead))(ref)


def spelling(key: object) -> str:
    """An id in one of its spellings."""
    return str(key).lower().removeprefix("urn:uuid:").replace("-", "")


def without_point(value: Any, key: int | str, instead: Any) -> Any:
    """A target with a vector in the place of a point."""
    if isinstance(value, nodes.Point):
        return nodes.Vector(instead) if spelling(value.id.value) == spelling(key) else value
    if isinstance(value, tuple):
        return tuple(without_point(one, key, instead) for one in value)
    if isinstance(value, (nodes.Recommend, nodes.Discover, nodes.Context, nodes.ContextPair, nodes.Mmr)):
        names = [name for name in value.__dataclass_fields__ if name != "span"]
        return replace(value, **{one: without_point(getattr(value, one), key, instead) for one in names})
    return value


# ------------------------------------------------------------------------------------ verifying an answer


@dataclass
class Checker:
    """Verifies all that is said of the points by one query, and counts it."""

    world: World
    text: str
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.known = self.world.known(self.text)
        self.graph = self.known.plan.collection == "graph"
        self.group = self.known.plan.group is not None
        self.second = self.known.plan.second is not None
        self.hits = self.world.hits(self.text)
        self.uneven = {at: self.ties(run) for at, run in enumerate(self.known.runs)}

    # -- what is known of the query

    def ties(self, run: StageRun) -> bool:
        """Whether a stage has equals, or draws by chance, so that what is above it may differ each time."""
        grouped = self.group and run.depth == 0
        wider = {**run.body, "limit": ALL if grouped else run.limit + 1}
        if self.graph and "using" in run.body:
            wider["params"] = {"exact": True}
        path = f"/collections/{self.known.plan.collection}/points/query"
        found = self.world.call(Request("POST", path, {}, wider))["points"]
        by_value = isinstance(run.stage.target, nodes.OrderBy)
        keys = [one.get("order_value") if by_value else one["score"] for one in found]
        return isinstance(run.stage.target, nodes.Sample) or len(set(keys)) < len(keys)

    def steady(self, path: tuple[int, ...]) -> bool:
        """Whether a stage works on the same points in the same order each time."""
        at = self.known.runs.index(self.world.run_at(self.text, path))
        return not any(self.uneven[one] for one in self.below(at))

    def below(self, at: int) -> set[int]:
        inputs = set(self.known.runs[at].inputs)
        return inputs.union(*(self.below(one) for one in inputs))

    # -- asking changed queries

    def edited(self, path: tuple[int, ...], *edits: Edit) -> str:
        query = self.known.query
        for edit in edits:
            query = edited(query, path, edit)
        return show(query)

    def list(self, path: tuple[int, ...], *edits: Edit) -> list[Hit]:
        """What a stage gives when it is changed: of the root, what a person gets."""
        text = self.edited(path, *edits)
        if path == () and not self.second:
            return self.world.hits(text)
        return self.world.listed(text, path)

    def gives(self, path: tuple[int, ...], key: int | str, *edits: Edit) -> bool:
        return rank_of(self.list(path, *edits), key) is not None

    # -- the answer

    def check(self, key: int | str) -> None:
        found = self.world.why(self.text, key)
        assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
        assert found.id == key and len(found.lines()) == len(found.standings) + 1
        by_path = {one.path: one for one in found.standings if one.label != "RERANK"}
        self.seen["pairs"] += 1
        self.seen[f"answer {found.outcome}"] += 1
        self.check_hit(found)
        for one in found.standings:
            if one.label == "RERANK":
                self.seen[f"second {one.outcome}"] += 1
                self.check_second(one, key)
                continue
            self.seen[one.outcome] += 1
            getattr(self, one.outcome.replace("-", "_"))(one, key)
            run = self.world.run_at(self.text, one.path)
            if one.outcome == "not-in-inputs":
                for at in run.inputs:
                    assert by_path[self.known.runs[at].paths[0]].outcome != "found"

    def check_hit(self, found: Explanation) -> None:
        """An answer of yes is a hit at that rank with that score, and one of no is no hit; ties apart."""
        rank = rank_of(self.hits, found.id)
        if not self.steady(()):
            return
        if found.is_hit:
            assert found.rank is not None
            offset = 0 if self.group or self.second else self.known.plan.offset or 0
            offset = self.known.plan.second.offset if self.known.plan.second else offset
            mine = self.hits[found.rank - offset - 1]
            assert close(mine.score, found.score)
            assert mine.id == found.id or self.uneven[0]
        elif found.outcome != "tie" and not self.uneven[0]:
            assert rank is None

    def apply(self, one: Standing, key: int | str) -> list[Hit]:
        """The stage's list with all of the changes: the point is there."""
        found = self.list(one.path, *map(changed, one.changes))
        assert rank_of(found, key) is not None
        return found

    def excused(self, one: Standing) -> bool:
        """Whether it cannot be said what would let the point in."""
        at = self.at(one)
        if at == 0 and (self.group or (self.uneven[0] and self.known.plan.offset)):
            return True  # GROUP BY has its own slots, and OFFSET may stand in the middle of equals
        body = self.world.run_at(self.text, one.path).body
        if self.graph and body.get("using") == "dot" and "score_threshold" in body:
            return True  # it is quantized: by its exact score, the point may miss the threshold
        return one.rank is None or not self.steady(one.path)

    def diverse(self, one: Standing) -> bool:
        """Whether the stage's list is in the order of MMR."""
        return "mmr" in self.world.run_at(self.text, one.path).body["query"]

    def at_rank(self, one: Standing, key: int | str, found: list[Hit], offset: int = 0) -> None:
        """The point stands where it was said to stand, or among those that are equal to it."""
        assert one.rank is not None
        rank = rank_of(found, key)
        assert rank is not None
        body = self.world.run_at(self.text, one.path).body
        if self.graph and (rank + offset <= one.rank or body.get("using") == "dot"):
            return  # the approximate search misses others before it, and what is quantized has other scores
        assert found[one.rank - offset - 1].key == found[rank - 1].key

    def offset(self, one: Standing) -> int:
        """How many points the list leaves out at its start, once it is changed."""
        paged = [change.value for change in one.changes if change.word == "OFFSET"]
        if paged:
            return int(paged[0])
        return (self.known.plan.offset or 0) if one.path == () and not self.second else 0

    def tight(self, one: Standing, key: int | str) -> None:
        """One less of the clause that was named does not do, unless the point has equals."""
        if self.diverse(one) and "MMR has it" not in one.text:
            return
        for at, change in enumerate(one.changes):
            if change.word not in ("LIMIT", "CANDIDATES", "SIZE") or self.group:
                continue
            assert isinstance(change.value, int)
            if change.value == 1:
                continue
            less = [*one.changes]
            less[at] = replace(change, value=change.value - 1)
            exact = [param("exact", True)] if self.graph else []
            found = self.list(one.path, *map(changed, less), *exact)
            if rank_of(found, key) is not None:
                assert self.equals(self.list(one.path, *map(changed, one.changes)), key) or self.graph

    def equals(self, found: list[Hit], key: int | str) -> bool:
        """Whether others of a list are equal to the point."""
        keys = {hit.id: hit.key for hit in found}
        return sum(one == keys[key] for one in keys.values()) > 1

    # -- by outcome

    def found(self, one: Standing, key: int | str) -> None:
        if self.group and one.path == ():
            return
        found = self.world.listed(self.text, one.path)
        assert one.rank is not None
        if self.steady(one.path):
            assert close(self.score_at(one, found), one.score)
            assert found[one.rank - 1].id == key or self.uneven[self.at(one)]

    def score_at(self, one: Standing, found: list[Hit]) -> float:
        """The score at a rank of a stage; MMR below another one hands on those that its points come with."""
        assert one.rank is not None
        mine = found[one.rank - 1]
        run = self.world.run_at(self.text, one.path)
        if not (self.diverse(one) and run.inputs and one.path):
            return mine.score
        lists = (self.world.listed(self.text, self.known.runs[at].paths[0]) for at in run.inputs)
        return next(hit.score for below in lists for hit in below if hit.id == mine.id)

    def at(self, one: Standing) -> int:
        return self.known.runs.index(self.world.run_at(self.text, one.path))

    def filtered(self, one: Standing, key: int | str) -> None:
        assert one.failed
        run = self.world.run_at(self.text, one.path)
        collection = self.known.plan.collection
        assert not self.world.passes(self.text, one.path, key)
        texts = {text.text.split(", of which ")[0] for text in one.failed}
        for text in texts:
            assert not self.world.holds(collection, text, key), text
        query = self.known.query
        for depth, given in enumerate(run.chain):
            mine = [other for other in one.failed if other.stage == given.stage.label]
            query = edited(query, one.path[:depth], lambda ref, mine=mine: without_failed(ref, mine))
        if "and is named by" in one.text:
            query = self.unnamed(query, key)
        assert self.world.passes(show(query), one.path, key)

    def named(self, one: Standing, key: int | str) -> None:
        query = self.unnamed(self.known.query, key)
        exactly = [edited(query, one.path, param("exact", True))] if self.graph else [query]
        text = show(edited(exactly[0], one.path, wide_open))
        if rank_of(self.world.listed(text, one.path), key) is None:
            (left,) = (other for other in self.world.why(text, key).standings if other.path == one.path)
            assert left.outcome in ("no-match", "no-value", "before-start")

    def unnamed(self, query: nodes.Query, key: int | str) -> nodes.Query:
        """The query with the point's vectors in its place, in all stages that name it."""
        stored = self.world.vectors(self.known.plan.collection, key)
        spelled = spelling(key)
        for run in self.known.runs:
            if any(spelling(one) == spelled for one in run.named):
                instead = stored.get(run.stage.using)
                for path in run.paths:
                    query = edited(query, path, lambda ref, v=instead: unnamed_in(ref, key, v))
        return query

    def no_vector(self, one: Standing, key: int | str) -> None:
        run = self.world.run_at(self.text, one.path)
        using = run.body["using"]
        rng = random.Random(1)
        made = EVERY if using in ("sparse", "words") else vector(rng)
        with self.world.altered(key, vector={using: [vector(rng, 3)] if using == "rows" else made}):
            self.now_there(one, key)

    def no_match(self, one: Standing, key: int | str) -> None:
        run = self.world.run_at(self.text, one.path)
        using = run.body["using"]
        if using == "text":
            change: dict[str, Any] = {"payload": {"text": run.body["query"]["text"]}}
        else:
            change = {"vector": {using: EVERY}}
        with self.world.altered(key, **change):
            self.now_there(one, key)

    def no_value(self, one: Standing, key: int | str) -> None:
        if self.graph:
            return  # its points stay as they are, for the sake of the graph
        order = self.world.run_at(self.text, one.path).body["query"]["order_by"]
        value = order.get("start_from", 5)
        with self.world.altered(key, payload={order["key"]: value}):
            self.now_there(one, key)

    def no_group(self, one: Standing, key: int | str) -> None:
        with self.world.altered(key, payload={self.known.plan.group.name.text: 1}):
            self.now_there(one, key)

    def now_there(self, one: Standing, key: int | str) -> None:
        """With slots for all, the stage has the point, if what feeds the stage still does."""
        self.seen["given what it lacked"] += 1
        edits = [wide_open]
        if self.group and one.path == ():
            edits.append(lambda ref: fields(group=replace(ref.stage.group, size=nodes.Scalar(ALL)))(ref))
        text = self.edited(one.path, *edits)
        if not self.world.passes(text, one.path, key):
            self.seen["given, but filtered"] += 1
        elif self.group and one.path == ():
            there = rank_of(self.world.hits(text), key) is not None
            assert there or self.world.why(text, key).outcome == "no-group"
        elif rank_of(self.world.listed(text, one.path), key) is None:
            inputs = self.world.run_at(text, one.path).inputs
            paths = [self.world.known(text).runs[at].paths[0] for at in inputs]
            assert paths and not any(rank_of(self.world.listed(text, path), key) for path in paths)
            self.seen["given, but lost below"] += 1

    def before_start(self, one: Standing, key: int | str) -> None:
        if not one.changes:
            assert self.known.plan.offset or self.excused(one)
            self.seen["no change said"] += 1
            return
        (change,) = one.changes
        for edits, there in (([wide_open], False), ([wide_open, changed(change)], True)):
            found = self.world.listed(self.edited(one.path, *edits), one.path)
            assert (rank_of(found, key) is not None) == there

    def below_threshold(self, one: Standing, key: int | str) -> None:
        run = self.world.run_at(self.text, one.path)
        limit = run.body["score_threshold"]
        if self.steady(one.path):
            assert not self.gives(one.path, key, fields(limit=nodes.Scalar(ALL)))
        if not one.changes:
            assert self.excused(one)
            self.seen["no change said"] += 1
            return
        found = self.apply(one, key)
        if not self.diverse(one):
            self.at_rank(one, key, found, self.offset(one))
        assert one.score is not None
        if self.graph and run.body.get("using") == "dot":
            return  # it is quantized, and has other scores in an exact search
        between = (one.score + limit) / 2
        assert not self.gives(one.path, key, threshold(between), fields(limit=nodes.Scalar(ALL)))
        if len(one.changes) > 1 and not self.graph and not self.equals(found, key):
            assert not self.gives(one.path, key, changed(one.changes[0]))

    def cut(self, one: Standing, key: int | str) -> None:
        if not one.changes:
            assert self.excused(one)
            self.seen["no change said"] += 1
            return
        found = self.apply(one, key)
        if not self.diverse(one) or "MMR has it" in one.text:
            self.at_rank(one, key, found, self.offset(one))
        self.tight(one, key)

    outranked = diversity_cut = cut

    def approximate(self, one: Standing, key: int | str) -> None:
        assert self.graph
        if not one.changes:
            assert self.excused(one)
            self.seen["no change said"] += 1
            return
        found = self.apply(one, key)
        if not self.diverse(one):
            self.at_rank(one, key, found, self.offset(one))

    def diversity(self, one: Standing, key: int | str) -> None:
        self.cut(one, key)
        if self.steady(one.path):
            exact = [param("exact", True)] if self.graph else []
            slots = nodes.Scalar(self.world.run_at(self.text, one.path).limit)  # those of OFFSET too
            alike = [of_target(diversity=nodes.Scalar(0)), fields(limit=slots, offset=None)]
            assert self.gives(one.path, key, *alike, *exact)

    def tie(self, one: Standing, key: int | str) -> None:
        if one.changes:
            found = self.apply(one, key)
            mine = found[rank_of(found, key) - 1]
            last = self.world.listed(self.text, one.path)[-1]
            assert mine.key == last.key or self.diverse(one)
        else:
            assert self.excused(one)
            self.seen["no change said"] += 1

    def not_in_inputs(self, one: Standing, key: int | str) -> None:
        if self.steady(one.path):
            assert rank_of(self.world.listed(self.text, one.path), key) is None

    def chance(self, one: Standing, key: int | str) -> None:
        run = self.world.run_at(self.text, one.path)
        below = [self.known.runs[at] for at in (self.at(one), *self.below(self.at(one)))]
        assert any(isinstance(other.stage.target, nodes.Sample) for other in below), run.label

    def earlier_page(self, one: Standing, key: int | str) -> None:
        if not one.changes:
            assert self.excused(one)
            self.seen["no change said"] += 1
            return
        assert one.changes[0].word == "OFFSET"
        found = self.apply(one, key)
        if not self.group and not self.graph:  # with fewer slots, an approximate search has other points
            self.at_rank(one, key, found, self.offset(one))

    def group_full(self, one: Standing, key: int | str) -> None:
        if not one.changes:
            # With SIZE, GROUP BY multiplies the limits of the stages below, which then give others too.
            assert not self.steady(()) or self.known.runs[0].inputs or self.uneven[0]
            self.seen["no change said"] += 1
            return
        self.apply(one, key)
        for at, change in enumerate(one.changes):
            if isinstance(change.value, int) and change.value > 1:
                less = [*one.changes]
                less[at] = replace(change, value=change.value - 1)
                found = self.list((), *map(changed, less))
                assert rank_of(found, key) is None or self.uneven[0] or self.known.runs[0].inputs

    group_cut = group_full

    def check_second(self, one: Standing, key: int | str) -> None:
        """RERANK: the rank is that of all candidates, and TOP lets the point in."""
        if not self.steady(()) or self.uneven[0]:
            return
        order = [other for other, _, _ in self.world.reranked(self.text)]
        if one.outcome == "not-in-inputs":
            assert key not in order
            return
        assert one.rank == order.index(key) + 1
        if one.outcome == "reranked":
            (change,) = one.changes
            assert isinstance(change.value, int)
            offset = self.known.plan.second.offset
            found = self.world.hits(self.edited((), changed(change)))
            assert rank_of(found, key) == one.rank - offset
            less = self.edited((), changed(replace(change, value=change.value - 1)))
            assert rank_of(self.world.hits(less), key) is None
        elif one.outcome == "earlier-page":
            second, limit = self.known.plan.second, self.known.plan.root.limit
            if not one.changes:  # perhaps there is no TOP, and another OFFSET takes other candidates
                assert limit == second.top + second.offset
                return
            (change,) = one.changes
            found = self.world.hits(self.edited((), changed(change)))
            assert rank_of(found, key) == one.rank - change.value
        else:
            assert one.outcome == "found" and rank_of(self.hits, key) is not None


def without_failed(ref: nodes.Ref, failed: Sequence[FailedCondition]) -> nodes.Ref:
    """A stage, and its reference, without the conditions that are said to fail."""

    def texts(source: str) -> set[str]:
        return {one.text.split(", of which ")[0] for one in failed if one.source == source}

    assert isinstance(ref.stage, nodes.Query)
    stage = replace(ref.stage, where=without(ref.stage.where, texts("stage")))
    if texts("GROUP BY"):
        stage = replace(stage, group=None)
    return replace(ref, stage=stage, where=without(ref.where, texts("reference")))


def examine(world: World, collection: str, seeds: Iterable[int], points: int = COUNT) -> Counter[str]:
    """Verifies the answers about points of drawn queries; counts the outcomes."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        drawn = Drawer(seed, collection)
        text = drawn.query()
        checker = Checker(world, text, seen)
        for key in drawn.rng.sample(IDS, points):
            try:
                checker.check(key)
            except AssertionError as exc:
                lines = "\n".join(world.why(text, key).lines())
                raise AssertionError(f"{collection} {seed}, point {key}\n{text}\n{lines}\n{exc}") from exc
        seen["queries"] += 1
    return seen


# ------------------------------------------------------------------------------------ generated queries

OUTCOMES = {
    "found", "filtered", "named", "no-vector", "no-value", "before-start", "no-match", "no-group", "tie",
    "below-threshold", "cut", "outranked", "not-in-inputs", "earlier-page", "group-full", "group-cut",
    "second reranked", "second found", "second not-in-inputs", "given what it lacked",
}  # fmt: skip


# Chosen so that each outcome comes from three queries or more: which points tie is up to the engine.
CHOSEN = (
    *(311, 324, 330, 391, 400, 433, 441, 443, 457, 486, 503, 529),
    *(555, 575, 576, 605, 609, 612, 619, 633, 643, 661, 670, 692),
)


def test_answers_are_verified_by_changing_what_they_name(world: World) -> None:
    seen = examine(world, "docs", CHOSEN, 9)
    assert seen >= Counter(OUTCOMES), OUTCOMES - seen.keys()


@pytest.mark.slow
def test_answers_about_approximate_searches(world: World) -> None:
    seen = examine(world, "graph", range(24), 12)
    assert seen["approximate"] and seen["cut"] and seen["below-threshold"]


@pytest.mark.slow
@pytest.mark.parametrize(("collection", "queries"), [("docs", 60), ("graph", 20)])
def test_answers_to_many_queries(world: World, collection: str, queries: int) -> None:
    examine(world, collection, range(10_000, 10_000 + queries * ROUNDS))


# ------------------------------------------------------------------------------------ single answers

DENSE = "[0.1, 0.2, 0.3, -0.4, 0.5, 0.6]"
NEAR = f"QUERY {DENSE} FROM docs USING dot"


def ids(world: World, text: str) -> list[int | str]:
    return [hit.id for hit in world.hits(text)]


def change(found: Explanation) -> list[str]:
    return [str(one) for one in found.standings[0].changes]


def test_the_answer_as_lines(world: World) -> None:
    order = ids(world, f"{NEAR} WHERE flag = true LIMIT 80")
    text = (
        f"WITH near AS (QUERY {DENSE} USING dot WHERE flag = true LIMIT 5), "
        "red AS (QUERY ORDER BY position WHERE word = 'red' LIMIT 80) "
        "QUERY FUSION RRF FROM docs PREFETCH (near, red)"
    )
    unlike = next(key for key in order[5:] if not world.holds("docs", "word = 'red'", key))
    rank, score = order.index(unlike) + 1, world.why(f"{NEAR} LIMIT 80", unlike).score
    cut = f"with score {score:.6g} it would stand at rank {rank}, and LIMIT 5 cuts it off"
    red = "fails word = 'red' (WHERE of red)"
    assert world.why(text, unlike).lines() == [
        f"point {unlike} is no hit, for no stage gives it; near: {cut}; red: {red}",
        "  root: near and red do not give it",
        f"    near: {cut} (LIMIT {rank} would let it into this stage)",
        f"    red: {red}",
    ]
    found = world.why(f"{text} WHERE price < 0", unlike)
    assert found.reason.startswith(f"point {unlike} is no hit, for no stage gives it; near: fails price < 0")
    found = world.why(f"QUERY FUSION RRF FROM docs WHERE price < 0 PREFETCH (({NEAR}), ({NEAR} LIMIT 5))", 1)
    assert found.reason == (
        "point 1 is no hit, for inline 1 and inline 2 do not give it: fails price < 0 (WHERE of root)"
    )


def test_of_many_reasons_the_first_are_told(world: World) -> None:
    stages = ", ".join(f"({NEAR} WHERE position = {at + 100})" for at in range(9))
    found = world.why(f"QUERY FUSION RRF FROM docs PREFETCH ({stages})", 1)
    assert found.reason.endswith("; and 6 other reasons") and found.reason.count("; inline") == 3
    assert len(found.lines()) == 11


def test_a_condition_is_told_wherever_it_is_written(world: World) -> None:
    text = f"QUERY FUSION RRF FROM docs WHERE price < 0 PREFETCH (({NEAR} WHERE price < 0) WHERE price < 0)"
    failed = world.why(text, 1).standings[1].failed
    places = [("root", "stage"), ("inline 1", "stage"), ("inline 1", "reference")]
    assert [(one.stage, one.source) for one in failed] == places


def test_the_id_in_any_spelling(world: World) -> None:
    key = UUIDS[4]
    for spelled in (key, key.upper(), key.replace("-", ""), f"urn:uuid:{key}"):
        found = world.why(f"{NEAR} LIMIT 80", spelled)
        assert found.is_hit and found.id == key
        assert world.why(f"QUERY POINT '{spelled}' FROM docs USING dot LIMIT 80", key).outcome == "named"
    assert world.why(NEAR, 99_999).outcome == "no-point"
    for bad in ("no uuid", -1, 2**64, True):
        with pytest.raises(QQLError) as caught:
            world.why(NEAR, bad)
        assert caught.value.code == "invalid-point-id"


@pytest.mark.parametrize("using", ["dense", "far"])
def test_a_threshold_that_is_the_score_itself(world: World, using: str) -> None:
    """Qdrant takes what is better than the threshold, and not what is equal to it."""
    text = f"QUERY {DENSE} FROM docs USING {using} SCORE THRESHOLD {{}} LIMIT 80"
    mine = world.hits(f"QUERY {DENSE} FROM docs USING {using} LIMIT 80")[7]
    found = world.why(text.format(mine.score), mine.id)
    assert (found.outcome, found.standings[0].rank) == ("below-threshold", 8)
    (change,) = found.standings[0].changes
    assert ids(world, text.format(change.value))[7] == mine.id


@pytest.mark.parametrize("using", ["far", "city"])
def test_scores_that_go_the_other_way_than_their_thresholds(world: World, using: str) -> None:
    """By STRATEGY best_score the greatest is best, but of a distance the threshold is the most."""
    text = (
        f"QUERY RECOMMEND POSITIVE (1) NEGATIVE (2) STRATEGY best_score FROM docs USING {using} {{}} LIMIT 80"
    )
    whole = world.hits(text.format(""))
    last = whole[-1]
    found = world.why(text.format(f"SCORE THRESHOLD {(whole[0].score + last.score) / 2}"), last.id)
    assert found.outcome == "below-threshold"
    assert "it stands behind one that misses SCORE THRESHOLD" in found.reason
    (change,) = found.standings[0].changes
    assert ids(world, text.format(f"SCORE THRESHOLD {change.value}"))[-1] == last.id


def test_a_point_beyond_the_deepest_rank(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    order = ids(world, f"{NEAR} LIMIT 80")
    monkeypatch.setattr(import_module("qql.analysis.why_stage"), "DEEPEST", 20)
    far, near = world.why(f"{NEAR} LIMIT 5", order[40]), world.why(f"{NEAR} LIMIT 5", order[19])
    assert (far.outcome, far.standings[0].rank, far.standings[0].changes) == ("cut", None, ())
    assert "it would stand after the first 20, and LIMIT 5 cuts it off" in far.reason
    assert (near.standings[0].rank, change(near)) == (20, ["LIMIT 20"])


def test_limits_that_nobody_wrote(world: World) -> None:
    order = ids(world, f"{NEAR} LIMIT 80")
    plain = world.why(NEAR, order[12])
    assert "LIMIT 10, Qdrant's default, cuts it off (LIMIT 13 would" in plain.lines()[1]
    paged = world.why(f"{NEAR} LIMIT 5 OFFSET 4", order[12])
    assert "LIMIT 5 OFFSET 4 cuts it off (LIMIT 9 would" in paged.lines()[1]
    text = f"{NEAR} FORMULA $score * 2 LIMIT 2"
    inner = world.why(text, order[30]).standings[1]
    assert (inner.label, inner.changes) == ("root before FORMULA", ())
    assert "LIMIT 20, which FORMULA sets, cuts it off" in inner.text
    grouped = f"QUERY FUSION RRF FROM docs PREFETCH (({NEAR} LIMIT 4)) GROUP BY word SIZE 2"
    worded = ids(world, f"{NEAR} WHERE word IS NOT EMPTY LIMIT 80")
    inner = world.why(grouped, worded[20]).standings[1]
    assert "LIMIT 4, times SIZE 2, cuts it off (LIMIT 11 would let it into this stage)" in inner.told


def test_what_hybrid_stands_for() -> None:
    with connect(":memory:") as session:
        session.run(
            "CREATE COLLECTION notes (dense VECTOR MODEL 'local/hash-32', words SPARSE MODEL 'qdrant/bm25')"
        )
        rows = [{"id": at, "text": f"{WORDS[at % 8]} {at}", "n": at} for at in range(60)]
        session.execute("UPSERT INTO notes VALUES :rows", {"rows": rows})
        (one,) = session._compile(Source("QUERY HYBRID 'apple' FROM notes WHERE n > 3 LIMIT 2"), None)
        assert one.plan is not None
        request = session._embedded(one.requests[0])
        told = [why(one.plan, request, session.backend.call, key) for key in range(60)]
        dense, words = ([found.standings[at] for found in told] for at in (1, 2))
        assert {found.outcome for found in dense} <= {"found", "filtered", "cut", "tie"}
        assert {found.outcome for found in words} == {"found", "filtered", "no-match"}
        assert [str(failed) for failed in dense[1].failed] == ["n > 3 (WHERE of root)"]
        cut = [found for found in dense if found.outcome == "cut"]
        assert cut and not any(found.changes for found in cut)
        assert all("LIMIT 20, which HYBRID sets, cuts it off" in found.text for found in cut)


def test_a_fusion_that_each_shard_computes_for_itself(world: World) -> None:
    inner = f"(QUERY FUSION DBSF PREFETCH (({NEAR} LIMIT 30)) LIMIT 9)"
    text = f"QUERY FUSION RRF FROM docs PREFETCH ({inner}) LIMIT 20"
    gone = ids(world, text)[3]
    one = world.known(text)

    def call(request: Request) -> Any:
        """As a collection of two shards, whose root does not get what the stages give."""
        answer = world.call(request)
        if request.method == "GET":
            answer["config"]["params"]["shard_number"] = 2
        for body, found in zip((request.body or {}).get("searches", ()), answer, strict=False):
            if body.get("query") == one.runs[0].body["query"]:
                found["points"] = [point for point in found["points"] if point["id"] != gone]
        return answer

    found = why(one.plan, one.request, call, gone)
    assert found.outcome == "shards" and EXPLAINED["shards"] in found.reason


def test_what_mmr_leaves_out(world: World) -> None:
    text = f"QUERY MMR {DENSE} DIVERSITY 0.9 CANDIDATES 20 FROM docs USING dot LIMIT {{}}"
    near, chosen = ids(world, f"{NEAR} LIMIT 80"), ids(world, text.format(20))
    outcomes: Counter[str] = Counter()
    for at, key in enumerate(near[:30]):
        if key in chosen[:5]:
            continue
        found = world.why(text.format(5), key)
        outcomes[found.outcome] += 1
        assert found.outcome == ("diversity" if at < 5 else "cut")
        if at < 20:
            rank = chosen.index(key) + 1
            assert (found.standings[0].rank, change(found)) == (rank, [f"LIMIT {rank}"])
        else:
            assert (found.standings[0].rank, change(found)[0]) == (at + 1, f"CANDIDATES {at + 1}")
    assert outcomes["diversity"] and outcomes["cut"] > 10


def test_a_page_of_groups(world: World) -> None:
    text = f"{NEAR} GROUP BY word SIZE 1 LIMIT 1{{}}"
    first, second = ids(world, text.format("")), ids(world, f"{NEAR} GROUP BY word SIZE 1 LIMIT 2")
    found = world.why(text.format(" OFFSET 1"), first[0])
    assert (found.outcome, found.standings[0].rank, change(found)) == ("earlier-page", 1, ["OFFSET 0"])
    found = world.why(text.format(""), second[1])
    assert (found.outcome, found.standings[0].rank, change(found)) == ("group-cut", 2, ["LIMIT 2"])


# ------------------------------------------------------------------------------------ RERANK

RERANK = "RERANK 'apple river stone' MODEL 'local/overlap' ON text"


def test_a_candidate_that_rerank_cuts_off(world: World) -> None:
    text = f"{NEAR} LIMIT 20 {RERANK} TOP 5"
    order = world.reranked(text)
    first = ids(world, f"{NEAR} LIMIT 20")
    key, _, score = order[7]
    found = world.why(text, key)
    assert (found.outcome, change(found)) == ("reranked", ["TOP 8"])
    told = f"rank 8 of 20, with score {score:.6g}, and TOP 5 cuts it off"
    reason, line = (
        f"point {key} is no hit: RERANK has it at {told}",
        f"  RERANK: {told} (TOP 8 would let it in)",
    )
    assert found.lines()[:2] == [reason, line]
    assert found.lines()[2].startswith(f"    root: rank {first.index(key) + 1} of 20, score ")
    assert [(one.label, one.depth) for one in found.standings] == [("RERANK", 0), ("root", 1)]
    assert ids(world, text.replace("TOP 5", "TOP 8"))[-1] == key
    hit = world.why(text, order[2][0])
    assert (hit.outcome, hit.rank, hit.score) == ("hit", 3, order[2][2])
    assert hit.reason == f"point {hit.id} is hit 3 of 5, with score {order[2][2]:.6g}"


def test_a_point_that_is_no_candidate_of_rerank(world: World) -> None:
    text = f"{NEAR} LIMIT 20 {RERANK} TOP 5"
    key = ids(world, f"{NEAR} LIMIT 80")[30]
    found = world.why(text, key)
    assert [one.outcome for one in found.standings] == ["not-in-inputs", "cut"]
    assert "LIMIT 20, the number of candidates, cuts it off (LIMIT 31 would let it in)" in found.lines()[2]
    one = world.known(text)
    first = why(one.plan, one.request, world.call, ids(world, f"{NEAR} LIMIT 20")[3])
    assert (first.outcome, first.rank) == ("hit", 4)  # of the candidates, as long as no one reranks them


def test_pages_and_candidates_without_a_text(world: World) -> None:
    text = f"{NEAR} LIMIT 80 {RERANK} TOP 4 OFFSET 3"
    order = world.reranked(text)
    found = world.why(text, order[1][0])
    assert (found.outcome, found.standings[0].rank, change(found)) == ("earlier-page", 2, ["OFFSET 0"])
    assert ids(world, text.replace("OFFSET 3", "OFFSET 0"))[1] == found.id
    last = order[-1]
    found = world.why(text, last[0])
    assert last[2] is None and found.standings[0].score is None
    assert "without a text and so behind the others, and TOP 4 OFFSET 3 cuts it off" in found.reason
    assert ids(world, text.replace("TOP 4", change(found)[0]))[-1] == last[0]
    whole = world.why(f"{NEAR} LIMIT 80 {RERANK}", last[0])
    assert (whole.outcome, whole.rank, whole.score) == ("hit", len(order), last[1])
    # Without TOP, another OFFSET takes other candidates, so that nothing is promised.
    paged = f"{NEAR} LIMIT 6 {RERANK} OFFSET 3"
    found = world.why(paged, world.reranked(paged)[0][0])
    assert (found.outcome, change(found)) == ("earlier-page", [])


def test_rerank_without_a_search_of_its_own(world: World) -> None:
    stages = f"PREFETCH (({NEAR} LIMIT 10), (QUERY ORDER BY position LIMIT 10))"
    text = f"QUERY CROSS {RERANK} FROM docs {stages} LIMIT 4"
    order = world.reranked(text)
    found = world.why(text, order[9][0])
    assert (found.outcome, found.standings[0].rank, change(found)) == ("reranked", 10, ["TOP 10"])
    assert ids(world, text.replace(" ON text", " ON text TOP 10"))[9] == found.id
