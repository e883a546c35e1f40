"""What each stage costs and brings: configurations of a retrieval in stages, as pipelines of a collection.

From the exact comparison of every vector to quantized candidates that are scored anew, reranked, or compared
by a multivector. What a collection lacks for one of them is said, with what would add it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from qql import nodes
from qql.compiler.model_names import is_url
from qql.records import NamedTuple, dataclass
from qql.rest.types import JsonObject
from qql.schema import VectorInfo
from qql.syntax.printer.values import name_text, string_text

__all__ = [
    "EXACT",
    "FINAL",
    "STAGE_LIMITS",
    "Configuration",
    "Searched",
    "StageLimits",
    "Subject",
    "configurations",
    "dense_vectors",
    "limits_for",
]

FINAL = 10
"""Hits of every configuration."""
EXACT = "Direct full vectors, exact"
"""The configuration that the others are compared with."""
_ROUGH = "quantization = {rescore: false}"


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


class Searched(NamedTuple):
    """A vector, and what is searched for: ``:query``, ``POINT :id``; None where the queries have nothing."""

    vector: VectorInfo
    target: str | None

    def query(self, source: str = "") -> str:
        """The beginning of a query; ``source`` is its FROM."""
        using = f" USING {_name(self.vector.name)}" if self.vector.name else ""
        return f"QUERY {self.target}{source}{using}"


@dataclass(frozen=True, slots=True)
class Subject:
    """A collection, as far as the configurations depend on it.

    ``rough`` is the vector of the first stage, ``full`` the one that is compared in full: the same, or a
    larger one. ``quantized`` says whether the rough one is; ``indexed`` is the number of vectors in graphs.
    ``words`` is the text that a reranker reads, None where the queries have none; ``field`` the one of the
    payload that is reranked (None: the usual ones).
    """

    collection: str
    points: int
    indexed: int
    rough: Searched
    full: Searched
    quantized: bool
    multi: Searched | None = None
    words: str | None = None
    rerank_model: str | None = None
    field: str | None = None

    @property
    def in_two_vectors(self) -> bool:
        """Whether candidates come from another vector than the one that is compared in full."""
        return self.rough.vector.name != self.full.vector.name


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
        self.source = f" FROM {self.collection}"
        # What comes behind the first stages is named by what goes before it.
        self.first = "Quantized → Full" if subject.quantized else "Full"

    def rows(self) -> Iterator[Configuration]:
        full, unquantized = self.subject.full.query(self.source), self._without_quantization()
        rough = self.subject.rough.query(self.source)
        yield Configuration(EXACT, f"{full} PARAMS (exact = true) LIMIT {FINAL}")
        yield self._hnsw(full)
        for name, text in (
            ("Quantized only", f"{rough} PARAMS ({_ROUGH}) LIMIT {FINAL}"),
            ("Quantized → Full", self._candidates(FINAL, self.source)),
        ):
            yield Configuration(name, "" if unquantized else text, *unquantized)
        yield self._reranked()
        yield self._by_multivector()

    def _without_quantization(self) -> tuple[str, str] | tuple[()]:
        if self.subject.quantized:
            return ()
        rough = self.subject.rough.vector.name
        block = "QUANTIZATION (type = scalar, always_ram = true)"
        change = f"WITH VECTOR {_name(rough)} ({block})" if rough else f"WITH {block}"
        remedy = f"ALTER COLLECTION {self.collection} {change}; OPTIMIZE {self.collection}"
        return f"the vector {rough or '(unnamed)'} is not quantized", remedy

    def _hnsw(self, full: str) -> Configuration:
        name = "Direct full vectors, HNSW"
        if not self.subject.indexed:
            lacks = f"none of the {self.subject.points:,} points is in a graph yet"
            change = "WITH OPTIMIZERS (indexing_threshold = 1)"
            remedy = f"ALTER COLLECTION {self.collection} {change}; OPTIMIZE {self.collection}"
            return Configuration(name, lacks=lacks, remedy=remedy)
        quantized = self.subject.quantized and not self.subject.in_two_vectors
        params = " PARAMS (quantization = {ignore: true})" if quantized else ""
        return Configuration(name, f"{full}{params} LIMIT {FINAL}")

    def _candidates(self, kept: int, source: str = "") -> str:
        """The first stages: quantized candidates, where there are any, of which full vectors are compared."""
        full, stage1 = self.subject.full.query(source), self.limits.stage1
        if self.subject.in_two_vectors:
            rough = f"{self.subject.rough.query()} PARAMS ({_ROUGH}) LIMIT {stage1}"
            return f"{full} PREFETCH ({rough}) LIMIT {kept}"
        if self.subject.quantized:
            again = f"quantization = {{rescore: true, oversampling: {stage1 / kept:.1f}}}"
            return f"{full} PARAMS ({again}) LIMIT {kept}"
        return f"{full} LIMIT {kept}"

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
        return Configuration(name, f"{self._candidates(self.limits.stage2, self.source)} {rerank}")

    def _by_multivector(self) -> Configuration:
        name = f"{self.first} → Multivector"
        multi = self.subject.multi
        if multi is None:
            remedy = (
                f"ALTER COLLECTION {self.collection} ADD colbert VECTOR(128, COSINE)"
                " WITH MULTIVECTOR (comparator = max_sim), and vectors for it"
            )
            return Configuration(name, lacks="the collection has no multivector", remedy=remedy)
        if multi.target is None:
            lacks = f"nothing says what {multi.vector.name} is compared with"
            remedy = f"queries with a field `{multi.vector.name}`, or --model {multi.vector.name}=MODEL"
            return Configuration(name, lacks=lacks, remedy=remedy)
        stage = f"WITH candidates AS ({self._candidates(self.limits.stage2)})"
        query = f"{multi.query(self.source)} PREFETCH (candidates)"
        return Configuration(name, f"{stage}\n{query} LIMIT {FINAL}")


def _name(name: str) -> str:
    return name_text(nodes.Name(name))


def dense_vectors(
    vectors: Mapping[str, VectorInfo], quantized: Sequence[str]
) -> tuple[VectorInfo, VectorInfo] | None:
    """The vectors of the first stage and of the full comparison; None where there is no dense vector.

    The first is a quantized one, if there is one, and else the first of all. The other is the largest that is
    not quantized, where it is larger than that; and else the same.
    """
    dense = [one for one in vectors.values() if one.kind == "dense"]
    rough = next((one for one in dense if one.name in quantized), None)
    if rough is None:
        return (dense[0], dense[0]) if dense else None
    larger = [one for one in dense if one.name not in quantized and (one.size or 0) > (rough.size or 0)]
    return rough, max(larger, key=lambda one: one.size or 0, default=rough)
