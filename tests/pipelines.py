"""Pipelines drawn by chance, as the text of a query and as a tree that says what was written."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from edge_helpers import payload, sparse, vector

from qql.session.session import Session

__all__ = ["COLLECTIONS", "Drawn", "Piece", "create", "draw"]

CREATE = (
    "CREATE COLLECTION {} (dense VECTOR(6, COSINE), dot VECTOR(6, DOT), far VECTOR(6, EUCLID) {}, "
    "city VECTOR(6, MANHATTAN), rows VECTOR(3, COSINE) WITH MULTIVECTOR (comparator = max_sim), "
    "sparse SPARSE, words SPARSE WITH SPARSE (modifier = idf)) {}"
)
FIELDS = {"number": "integer", "price": "float"}
_BUILT = "WITH HNSW (full_scan_threshold = 1) WITH OPTIMIZERS (indexing_threshold = 1)"
_QUANTIZED = "WITH QUANTIZATION (type = scalar)"
COLLECTIONS: dict[str, tuple[int, int, bool]] = {
    "nothing": (0, 0, False),
    "single": (1, 0, False),
    "three": (3, 0, False),
    "some": (60, 0, False),
    "equals": (60, 5, False),
    "many": (500, 0, False),
    "built": (500, 40, True),
}
"""Name → number of points, of different vectors (0: all differ), and whether its indexes are built."""


def create(session: Session, names: tuple[str, ...] = tuple(COLLECTIONS), *, optimize: bool = True) -> None:
    """Makes the collections and their points: some points lack a vector, and some are equal to others."""
    for name in names:
        count, kinds, built = COLLECTIONS[name]
        built = built and optimize
        session.execute(CREATE.format(name, *((_QUANTIZED, _BUILT) if built else ("", ""))))
        for key, kind in FIELDS.items():
            session.execute(f"CREATE INDEX ON {name} FOR {key} TYPE {kind}")
        rng = random.Random(name)
        rows = list(_rows(rng, count, kinds))
        late = rows[-(count // 10) :] if built else []
        if rows:
            session.execute(f"UPSERT INTO {name} VALUES :rows", {"rows": rows[: len(rows) - len(late)]})
        if built:
            session.execute(f"OPTIMIZE {name}")
        if late:  # in a segment of their own, which has no graph
            session.execute(f"UPSERT INTO {name} VALUES :rows", {"rows": late})


def _rows(rng: random.Random, count: int, kinds: int) -> Iterator[dict[str, Any]]:
    known: list[dict[str, Any]] = []
    for at in range(1, count + 1):
        if kinds and len(known) >= kinds and (kinds < 10 or rng.random() < 0.1):
            vectors = dict(rng.choice(known))
        else:
            vectors = {name: vector(rng) for name in ("dense", "dot", "far", "city")}
            vectors["rows"] = [vector(rng, 3) for _ in range(rng.randrange(1, 4))]
            vectors |= {"sparse": sparse(rng), "words": sparse(rng)}
            known.append(dict(vectors))
        if count > 3 and at % 9 == 0:
            del vectors[rng.choice(["dense", "sparse", "rows"])]
        row = payload(rng, at)
        if kinds:
            row["price"] = round(row["price"])
        yield {"id": at, "vector": vectors} | row


# ------------------------------------------------------------------------------------ what is drawn


@dataclass(frozen=True)
class Piece:
    """A stage as it was drawn. ``kind`` is ``rrf``, ``dbsf``, ``rescore``, ``leaf``, or ``ids`` for a leaf
    that searches for nothing.
    """

    kind: str
    text: str
    inputs: tuple[Piece, ...] = ()
    k: int = 2
    weights: tuple[float, ...] | None = None
    threshold: float | None = None
    sampled: bool = False

    def walk(self, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Piece]]:
        """All stages with their places in the request, this one first."""
        yield path, self
        for number, one in enumerate(self.inputs):
            yield from one.walk((*path, number))


@dataclass(frozen=True)
class Drawn:
    """A query: its text, its root, and what the root's clauses say."""

    text: str
    collection: str
    root: Piece
    limit: int
    offset: int
    group: str | None

    @property
    def sampled(self) -> bool:
        """Whether any stage draws points by chance."""
        return any(piece.sampled for _, piece in self.root.walk())


WHERE = (
    "number > 3",
    "flag = true",
    "word = 'red' OR number < 4",
    "tags MATCH ANY ('a', 'b')",
    "price < 60",
    "NOT word = 'green'",
    "number < 8 AND (flag = false OR price > 20)",
    "MIN SHOULD 2 (flag = true, number > 4, price > 30)",
    "word IS NULL",
    "id IN (1, 2, 3, 5, 8, 13, 21, 34, 55)",
    "HAS_VECTOR sparse",
    "number > 99",
)
PARAMS = (
    "exact = true",
    "hnsw_ef = 8",
    "hnsw_ef = 200",
    "quantization = {rescore: false}",
    "quantization = {ignore: true}",
    "quantization = {rescore: true, oversampling: 2.0}",
    "indexed_only = true",
)
DENSE = ("dense", "dot", "far", "city")
USINGS = (*DENSE, "rows", "sparse", "words")


def draw(rng: random.Random, collection: str | None = None) -> Drawn:
    """A query of two to five stages, seldom more."""
    name = collection or rng.choices(list(COLLECTIONS), [1, 1, 2, 5, 5, 8, 8])[0]
    return _Drawing(rng, name).query()


@dataclass
class _Drawing:
    rng: random.Random
    collection: str
    named: dict[str, Piece] = field(default_factory=dict)

    def chance(self, of: float) -> bool:
        return self.rng.random() < of

    @property
    def count(self) -> int:
        return COLLECTIONS[self.collection][0]

    def query(self) -> Drawn:
        rng = self.rng
        below = rng.randrange(1, 5) if self.chance(0.9) else rng.randrange(5, 8)
        kind = rng.choices(["rrf", "dbsf", "rescore", "formula", "mmr"], [10, 6, 2, 1, 0.5])[0]
        piece = self.above(kind, below, f"FROM {self.collection} ")
        text, limit, offset, group = piece.text, 10, 0, None
        if self.chance(0.9):
            limit = self.limit()
            text += f" LIMIT {limit}"
        if self.chance(0.2):
            offset = rng.choice([1, 3, 12])
            text += f" OFFSET {offset}"
        if self.chance(0.08) and kind != "mmr":
            group = rng.choice(["word", "number", "tags"])
            text += f" GROUP BY {group} SIZE {rng.randrange(1, 4)}"
        ctes = ", ".join(f"{name} AS ({one.text})" for name, one in self.named.items())
        return Drawn(f"WITH {ctes} {text}" if ctes else text, self.collection, piece, limit, offset, group)

    def limit(self) -> int:
        return self.rng.choice([1, 2, 5, 10, 20, 50, 400, 1000])

    def where(self, of: float) -> str:
        return f" WHERE {self.rng.choice(WHERE)}" if self.chance(of) else ""

    # -- stages with inputs

    def above(self, kind: str, below: int, source: str = "") -> Piece:
        """A stage over ``below`` others; its LIMIT is left to who asks for it."""
        rng = self.rng
        count = rng.randrange(1, below + 1) if below > 1 and self.chance(0.5) else below
        spare = below - count
        inputs, refs = [], []
        for at in range(count):
            share = spare if at == count - 1 else rng.randrange(0, spare + 1)
            spare -= share
            piece, ref = self.ref(share)
            inputs.append(piece)
            refs.append(ref)
        prefetch = f"{source}PREFETCH ({', '.join(refs)})"
        threshold = None
        k, weights = 2, None
        if kind in ("rrf", "dbsf"):
            text = f"QUERY FUSION {kind.upper()} {prefetch}"
            options = []
            if kind == "rrf" and self.chance(0.4):
                k = rng.choice([1, 2, 3, 61])
                options.append(f"rrf_k = {k}")
            if kind == "rrf" and self.chance(0.4):
                weights = tuple(rng.choice([0, 0.3, 0.5, 1, 1.7, 3, 10]) for _ in refs)
                given: Any = list(weights)
                names = [ref.split(" ")[0] for ref in refs]
                if len(set(names)) == len(names) and all(name in self.named for name in names):
                    given = "{" + ", ".join(f"{n}: {w}" for n, w in zip(names, weights, strict=True)) + "}"
                options.append(f"rrf_weights = {given}")
            if options:
                text += f" PARAMS ({', '.join(options)})"
        elif kind == "rescore":
            using = rng.choice(USINGS)
            text = f"QUERY {self.literal(using)} USING {using} {prefetch}"
        elif kind == "mmr":
            text = f"QUERY {self.mmr()} {prefetch}"
        else:
            number = rng.randrange(len(refs))
            expression = rng.choice(["$score + price", "$score * 2 - number", f"$score[{number}] * price"])
            text = f"QUERY FORMULA {expression} DEFAULTS (number = 3) {prefetch}"
        if self.chance(0.1):
            threshold = rng.choice([0.1, 0.2, 0.3, 0.5, 0.6, 0.9])
            text += f" SCORE THRESHOLD {threshold}"
        text += self.where(0.2)
        kind = kind if kind in ("rrf", "dbsf") else "rescore"
        return Piece(kind, text, tuple(inputs), k, weights, threshold)

    def ref(self, below: int) -> tuple[Piece, str]:
        """A reference to a stage, that may be named, known, and narrowed."""
        if not below and self.named and self.chance(0.25):
            name = self.rng.choice(list(self.named))
            piece = self.named[name]
            text = name
        else:
            piece = self.stage(below)
            if self.chance(0.4):
                text = "abcdefghijkl"[len(self.named)]
                self.named[text] = piece
            else:
                text = f"({piece.text})"
        text += self.where(0.1)
        unscored = piece.kind == "ids" or piece.text.startswith("QUERY ORDER BY")
        if not unscored and self.chance(0.07):
            threshold = self.rng.choice([-0.2, 0.0, 0.2, 0.4, 1.0])
            text += f" SCORE THRESHOLD {threshold}"
            piece = replace(piece, threshold=threshold)
        return piece, text

    def stage(self, below: int) -> Piece:
        if below:
            kind = self.rng.choices(["rrf", "dbsf", "rescore", "formula", "mmr"], [5, 4, 3, 1, 0.5])[0]
            piece = self.above(kind, below)
        else:
            piece = self.leaf()
        text = piece.text + (f" LIMIT {self.limit()}" if self.chance(0.9) else "")
        return replace(piece, text=text)

    # -- leaves

    def leaf(self) -> Piece:
        rng = self.rng
        using = rng.choice(USINGS)
        kinds = ["vector", "ids", "order", "sample", "mmr", "point", "recommend", "discover", "context"]
        weights = [16, 2, 1.5, 0.7, 1, 1, 1, 1, 0.5] if self.count >= 3 else [16, 2, 1.5, 0.7, 1, 0, 0, 0, 0]
        kind = rng.choices(kinds, weights)[0]
        if kind in ("point", "recommend", "discover", "context"):
            using = rng.choice(["dot", "far", "city"])  # that no point lacks
        one, two, three = (rng.randrange(1, max(self.count, 3) + 1) for _ in range(3))
        match kind:
            case "vector":
                target = self.literal(using)
            case "ids":
                return Piece("ids", f"QUERY{self.where(0.7)}")
            case "order":
                ordered = f"QUERY ORDER BY {rng.choice(list(FIELDS))} {rng.choice(['ASC', 'DESC'])}"
                return Piece("leaf", ordered + self.where(0.2))
            case "sample":
                return Piece("leaf", f"QUERY SAMPLE{self.where(0.2)}", sampled=True)
            case "mmr":
                return Piece("leaf", f"QUERY {self.mmr()}{self.where(0.2)}")
            case "point":
                target = f"POINT {one}"
            case "recommend":
                strategy = rng.choice(["average_vector", "best_score", "sum_scores"])
                target = (
                    f"RECOMMEND POSITIVE ({one}, {self.literal(using)}) NEGATIVE ({two}) STRATEGY {strategy}"
                )
            case "discover":
                pair = f"(POSITIVE POINT {one} NEGATIVE POINT {two})"
                target = f"DISCOVER TARGET {self.literal(using)} CONTEXT {pair}"
            case _:
                target = f"CONTEXT (POSITIVE POINT {one} NEGATIVE POINT {three})"
        text = f"QUERY {target} USING {using}{self.where(0.25)}"
        threshold = None
        if self.chance(0.1):
            threshold = rng.choice([-0.5, 0.0, 0.1, 0.5, 1.5])
            text += f" SCORE THRESHOLD {threshold}"
        if self.chance(0.2):
            text += f" PARAMS ({rng.choice(PARAMS)})"
        return Piece("leaf", text, threshold=threshold)

    def mmr(self) -> str:
        using = self.rng.choice(DENSE)
        return (
            f"MMR {self.literal(using)} DIVERSITY {self.rng.choice([0.1, 0.5, 0.9])}"
            f" CANDIDATES {self.rng.choice([5, 20, 60])} USING {using}"
        )

    def literal(self, using: str) -> str:
        rng = self.rng
        if using in ("sparse", "words"):
            found = sparse(rng)
            return f"{{indices: {found['indices']}, values: {found['values']}}}"
        if using == "rows":
            return str([vector(rng, 3) for _ in range(2)])
        return str([0.0] * 6 if self.chance(0.02) else vector(rng))
