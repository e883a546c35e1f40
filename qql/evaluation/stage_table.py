"""What each stage costs and brings: configurations of a retrieval in stages, as pipelines of a collection.

From the exact comparison of every vector to quantized candidates that are scored anew, reranked, or compared
by a multivector. What a collection lacks for one of them is said, with what would add it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qql import nodes
from qql.compiler.model_names import is_url
from qql.rest.types import Body, JsonObject
from qql.schema import VectorInfo
from qql.syntax.printer.values import name_text, string_text

__all__ = [
    "EXACT",
    "FINAL",
    "STAGE_LIMITS",
    "Configuration",
    "StageLimits",
    "Subject",
    "configurations",
    "dense_vector",
    "limits_for",
]

FINAL = 10
"""Hits of every configuration."""
EXACT = "Direct full vectors, exact"
"""The configuration that the others are compared with."""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """How many candidates each stage keeps, for collections of fewer points than ``below`` (None: any)."""

    size: str
    below: int | None
    stage1: int
    stage2: int

    def row(self) -> JsonObject:
        """The row of the table."""
        return {
            "collection size": self.size,
            "stage 1 limit": self.stage1,
            "stage 2 limit": self.stage2,
            "final": FINAL,
        }


STAGE_LIMITS = (
    StageLimits("<100K", 100_000, 500, 50),
    StageLimits("100K-1M", 1_000_000, 1000, 100),
    StageLimits("1M-10M", 10_000_000, 2000, 200),
    StageLimits("10M+", None, 5000, 500),
)
"""Each stage keeps a tenth of what the one before it kept."""


def limits_for(points: int) -> StageLimits:
    """The limits that suit a collection of so many points."""
    return next(one for one in STAGE_LIMITS if one.below is None or points < one.below)


@dataclass(frozen=True, slots=True)
class Subject:
    """A collection, as far as the configurations depend on it.

    ``target`` is what is searched for with the dense vector (``:query``, ``POINT :id``), ``multi_target``
    with the multivector, and ``words`` the text that a reranker reads; None where the queries have none.
    ``quantization`` is that of the dense vector, ``indexed`` the number of vectors in graphs, ``field`` that
    of the payload that is reranked (None: the usual ones).
    """

    collection: str
    points: int
    indexed: int
    dense: VectorInfo
    quantization: Body | None
    target: str
    multi: VectorInfo | None = None
    multi_target: str | None = None
    words: str | None = None
    rerank_model: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """A pipeline (``text``), or why it is not here (``lacks``) and what would change that (``remedy``)."""

    name: str
    text: str = ""
    lacks: str = ""
    remedy: str = ""


def configurations(subject: Subject, limits: StageLimits) -> list[Configuration]:
    """Every configuration, in the order of the table."""
    return [*_Table(subject, limits).rows()]


class _Table:
    """The pipelines of one collection."""

    def __init__(self, subject: Subject, limits: StageLimits) -> None:
        self.subject = subject
        self.limits = limits
        self.collection = _name(subject.collection)
        self.quantized = subject.quantization is not None
        using = f" USING {_name(subject.dense.name)}" if subject.dense.name else ""
        self.search = f"QUERY {subject.target}{{source}}{using}"
        # What comes behind the first stage is named by what goes before it.
        self.first = "Quantized → Full" if self.quantized else "Full"

    def rows(self) -> Iterator[Configuration]:
        unquantized = self._without_quantization()
        yield Configuration(EXACT, self._direct("exact = true"))
        yield self._hnsw()
        for name, params in (
            ("Quantized only", "quantization = {rescore: false}"),
            ("Quantized → Full", _rescored(self.limits.stage1 / FINAL)),
        ):
            text = "" if unquantized else self._direct(params)
            yield Configuration(name, text, *unquantized)
        yield self._reranked()
        yield self._by_multivector()

    def _direct(self, params: str) -> str:
        given = f" PARAMS ({params})" if params else ""
        return f"{self.search.format(source=f' FROM {self.collection}')}{given} LIMIT {FINAL}"

    def _without_quantization(self) -> tuple[str, str] | tuple[()]:
        if self.quantized:
            return ()
        dense = self.subject.dense.name
        block = "QUANTIZATION (type = scalar, always_ram = true)"
        change = f"WITH VECTOR {_name(dense)} ({block})" if dense else f"WITH {block}"
        remedy = f"ALTER COLLECTION {self.collection} {change}; OPTIMIZE {self.collection}"
        return f"the vector {dense or '(unnamed)'} is not quantized", remedy

    def _hnsw(self) -> Configuration:
        name = "Direct full vectors, HNSW"
        if not self.subject.indexed:
            lacks = (
                f"none of the {self.subject.points:,} points is in a graph yet: a search compares them all"
            )
            remedy = (
                f"ALTER COLLECTION {self.collection} WITH OPTIMIZERS (indexing_threshold = 1);"
                f" OPTIMIZE {self.collection}"
            )
            return Configuration(name, lacks=lacks, remedy=remedy)
        return Configuration(name, self._direct("quantization = {ignore: true}" if self.quantized else ""))

    def _candidates(self, source: str = "") -> str:
        """The first stages as one search: quantized candidates, scored anew where they are."""
        kept = self.limits.stage2 if self.quantized else self.limits.stage1
        params = f" PARAMS ({_rescored(self.limits.stage1 / kept)})" if self.quantized else ""
        return f"{self.search.format(source=source)}{params} LIMIT {kept}"

    def _reranked(self) -> Configuration:
        name = f"{self.first} → Rerank"
        if self.subject.words is None:
            return Configuration(name, lacks="a reranker reads a text", remedy="--queries FILE has texts")
        if self.subject.rerank_model is None:
            remedy = "--rerank-model MODEL names one (local/overlap needs no files)"
            return Configuration(name, lacks="no reranker is named", remedy=remedy)
        where = f" ON {_name(self.subject.field)}" if self.subject.field else ""
        # An address may hold what is secret: the session knows it without being told.
        named = self.subject.rerank_model
        model = "" if is_url(named) else f" MODEL {string_text(named)}"
        rerank = f"RERANK {self.subject.words}{model}{where} TOP {FINAL}"
        return Configuration(name, f"{self._candidates(f' FROM {self.collection}')} {rerank}")

    def _by_multivector(self) -> Configuration:
        name = f"{self.first} → Multivector"
        multi = self.subject.multi
        if multi is None:
            remedy = (
                f"ALTER COLLECTION {self.collection} ADD colbert VECTOR(128, COSINE)"
                " WITH MULTIVECTOR (comparator = max_sim), and vectors for it"
            )
            return Configuration(name, lacks="the collection has no multivector", remedy=remedy)
        if self.subject.multi_target is None:
            lacks = f"nothing says what {multi.name} is compared with"
            remedy = f"queries with a field `{multi.name}`, or --model {multi.name}=MODEL"
            return Configuration(name, lacks=lacks, remedy=remedy)
        using = f" USING {_name(multi.name)}" if multi.name else ""
        stage = f"WITH candidates AS ({self._candidates()})"
        query = f"QUERY {self.subject.multi_target} FROM {self.collection}{using} PREFETCH (candidates)"
        return Configuration(name, f"{stage}\n{query} LIMIT {FINAL}")


def _rescored(oversampling: float) -> str:
    return f"quantization = {{rescore: true, oversampling: {oversampling:.1f}}}"


def _name(name: str) -> str:
    return name_text(nodes.Name(name))


def dense_vector(vectors: Mapping[str, VectorInfo], quantized: Sequence[str]) -> VectorInfo | None:
    """The vector that is searched where nobody names one: a quantized one before others."""
    dense = [one for one in vectors.values() if one.kind == "dense"]
    return next((one for one in dense if one.name in quantized), dense[0] if dense else None)
