"""Everything that came after the oldest server: how a request shows it, since when, what older servers do.

Made of the declarations of the language (`Support`), and of the rows of the table of features for what is
no declaration. ``tests/test_versions.py`` holds both against each other: each feature's probe has to show
just what its row says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Literal

from qql import nodes
from qql.compiler.options.collection import HNSW, LATER_PARAMS, OPTIMIZERS, QUANTIZATION, SPARSE, VECTOR
from qql.compiler.options.index import INDEX_TYPES
from qql.compiler.options.query import ACORN_OPTIONS, BM25_OPTIONS, FUSION_OPTIONS, SEARCH_PARAMS
from qql.compiler.options.table import Settings
from qql.records import NamedTuple, dataclass
from qql.rest.limits import BM25

from .administration import ADMINISTRATION
from .collections import COLLECTIONS
from .points import POINTS
from .queries import QUERIES

__all__ = ["CONSTRUCTS", "KINDS", "OLDEST", "ROUTES", "Construct", "Effect", "Kind"]

OLDEST = "1.12"
"""The oldest server that is reckoned with: what it has is asked of no server."""

Effect = Literal["refuses", "ignores", "drops", "differs"]
_MEASURED = "measured on 1.18.3 and 1.19.0"
_BY_SOURCE = "Qdrant's source"
_DOCUMENTED = "Qdrant's documentation and release notes"


class Kind(NamedTuple):
    """What a server makes of a construct of one kind that it does not know, over REST and over gRPC.

    ``guards`` says that a write does more than it should where the construct is not heeded.
    """

    rest: Effect
    grpc: Effect
    guards: bool = False


KINDS: Mapping[str, Kind] = {
    "condition": Kind("refuses", "drops", guards=True),
    "match": Kind("refuses", "refuses", guards=True),
    "guard": Kind("ignores", "ignores", guards=True),
    "query": Kind("refuses", "refuses"),
    "word": Kind("refuses", "refuses"),
    "beside": Kind("ignores", "refuses"),
    "option": Kind("ignores", "ignores"),
    "route": Kind("refuses", "refuses"),
    "meaning": Kind("differs", "differs"),
}
"""A condition; an operator of MATCH; what says which points an upsert may change; a kind of query or of
expression; a word out of a list; a key beside the one that makes it a query of an older kind; an option; a
route; what servers have long had, and understand otherwise since.
"""


@dataclass(frozen=True, slots=True)
class Construct:
    """One thing that a request may hold.

    ``words`` is its name in messages, and its first words in a text of QQL. ``key`` is Qdrant's, in an object
    that stands at one of ``parents`` (none: anywhere), or with ``in_url`` in the query string of a write of
    points; ``value`` what has to stand there (lower case), ``beside`` keys of which one, and ``unless`` a key
    that must not stand beside it; with ``of_points`` there are ids of points in it. ``since_grpc`` is None
    where gRPC has no such thing.
    """

    words: str
    kind: str
    key: str
    since: str
    since_grpc: str | None
    parents: tuple[str, ...] = ()
    value: str | None = None
    beside: frozenset[str] = frozenset()
    unless: str | None = None
    in_url: bool = False
    of_points: bool = False

    @property
    def known(self) -> str:
        """Whence ``since`` is known."""
        if self.words == "turbo16":
            return "qdrant-client 1.20 has it first"
        return _MEASURED if _later(self.since, "1.18") else _DOCUMENTED

    @property
    def effect_known(self) -> str:
        """Whence it is known what older servers do."""
        if self.kind in ("guard", "beside") or (
            self.key == "memory" and not _MEMORY_MEASURED_IN & {*self.parents}
        ):
            return _BY_SOURCE
        if not _later(self.since, "1.18"):
            return "as 1.18.3 does with what is newer, of its kind"
        return f"{_MEASURED}; over gRPC {_BY_SOURCE}" if self.kind == "match" else _MEASURED

    @property
    def way(self) -> str:
        """The way round on a server that lacks it."""
        return _WAYS.get(self.words, "a newer server has it, and so has the embedded engine (`--db DIR`)")


_MEMORY_MEASURED_IN = {"field_schema", "payload", "id_tracker"}
_LEAVE_OUT = "a statement without it is carried out, by Qdrant's default"
_WAYS = {
    "SLICE": "SCROLL … LIMIT n AFTER id goes through a collection part by part",
    "MATCH PREFIX": "a text index WITH (tokenizer = 'prefix') answers MATCH by the beginnings of words",
    "MATCH SUBSTRING": "MATCH 'word' over a text index finds whole words",
    "MATCH TOKENS": "one MATCH for each word, with OR between them, says the same",
    "MATCH PHRASE": "MATCH 'some words' finds them in any order",
    "HAS_VECTOR": "a payload field that says which vectors a point has can be asked",
    "UPDATE MODE": "QUERY POINTS (…) tells which points there are; UPSERT without it replaces them",
    "UPDATE FILTER": "UPDATE … SET PAYLOAD … WHERE changes points that meet a condition",
    "ACOSH": "LN(x + SQRT(x * x - 1)) is the same",
    "QUERY MATCH": "a sparse vector WITH SPARSE (modifier = 'idf') and MODEL 'qdrant/bm25' scores words too",
    "MMR": "a query without MMR, with a higher LIMIT, gives the candidates to choose from",
    "RELEVANCE FEEDBACK": "QUERY RECOMMEND takes positive and negative examples",
    "sum_scores": "STRATEGY best_score is near",
    "qdrant/bm25": "QQL makes the vectors itself where it knows the server's version",
    "turbo": "WITH QUANTIZATION (type = 'binary') or 'scalar' is near",
    "turbo4": "datatype = 'uint8', or WITH QUANTIZATION, is near",
    "turbo8": "datatype = 'uint8', or WITH QUANTIZATION, is near",
    "turbo16": "datatype = 'float16' is near",
    "code": "tokenizer = 'word' is near",
    "memory": "`on_disk = true` is what older servers have of it",
    "payload_memory": "`on_disk_payload = true` is what older servers have of it",
    "METADATA": "without METADATA and MODEL it is carried out; texts take MODEL then, or `--model`",
    "ALTER COLLECTION … ADD": "CREATE COLLECTION with all vectors, and DUMP of the old one, makes it anew",
    "ALTER COLLECTION … DROP VECTOR": "DELETE VECTOR … FROM removes the vectors of its points",
    "SET QUOTA": "WITH STRICT_MODE (…) limits each collection",
    "SHOW OPTIMIZATIONS": "SHOW COLLECTION shows whether a collection is green",
    "SHOW MEMORY": "SHOW COLLECTION shows how many points a collection has",
    "SHOW QUOTAS": "SHOW COLLECTION shows the limits of its STRICT_MODE",
    "prefix": _LEAVE_OUT,
    "nested": _LEAVE_OUT,
    "scoring": _LEAVE_OUT,
    "enable_hnsw": _LEAVE_OUT,
    "ascii_folding": _LEAVE_OUT,
    "phrase_matching": _LEAVE_OUT,
    "stopwords": _LEAVE_OUT,
    "stemmer": _LEAVE_OUT,
    "inline_storage": _LEAVE_OUT,
    "id_tracker_memory": _LEAVE_OUT,
    "encoding": _LEAVE_OUT,
    "query_encoding": _LEAVE_OUT,
    "rrf_k": "FUSION RRF without it has k = 2",
    "rrf_weights": "FUSION RRF without it weighs all stages alike",
    "acorn": _LEAVE_OUT,
    "idf": _LEAVE_OUT,
    "timeout": _LEAVE_OUT,
    "prevent_unoptimized": _LEAVE_OUT,
    "read_fan_out_delay_ms": _LEAVE_OUT,
    "STRICT_MODE": _LEAVE_OUT,
    "RECOMMEND": "QUERY POINTS (…) tells which of them there are",
}


_ROWS = {row.id: row for row in (*QUERIES, *POINTS, *COLLECTIONS, *ADMINISTRATION)}


def _row(
    name: str,
    words: str,
    kind: str,
    key: str,
    *parents: str,
    value: str | None = None,
    beside: Iterable[str] = (),
    in_url: bool = False,
) -> Construct:
    """A construct that is no declaration: ``since`` is that of a row of the table of features."""
    since = _ROWS[name].server
    return Construct(words, kind, key, since, since, parents, value, frozenset(beside), None, in_url)


def _of(words: str, kind: str, key: str, since: str, *parents: str, unless: str | None = None) -> Construct:
    return Construct(words, kind, key, since, since, parents, unless=unless)


def _from_queries() -> Iterator[Construct]:
    """What targets, operators, functions and options of queries say of themselves."""
    for operator in nodes.MATCH_OPERATORS.values():
        yield _of(operator.words, "match", operator.kind, operator.support.since, "match")
    formulas = nodes.TARGETS[nodes.Formula].support.since
    for function in nodes.FUNCTIONS.values():
        if function.support.since != formulas:
            yield _of(function.word, "query", function.name, function.support.since)
    for target in nodes.TARGETS.values():
        if target.rest is None:
            continue
        kind = "beside" if target.rest == "mmr" else "query"
        unless = "model" if target.rest == "text" else None  # a text to embed has one
        words = "QUERY MATCH" if target.words == "MATCH" else target.words
        yield _of(words, kind, target.rest, target.support.since, "query", unless=unless)
    yield _of("rrf_k", "query", "rrf", FUSION_OPTIONS["rrf_k"].support.since, "query")
    yield _of("rrf_weights", "option", "weights", FUSION_OPTIONS["rrf_weights"].support.since, "rrf")
    yield from _from_table(SEARCH_PARAMS, "params")
    yield from _from_table(ACORN_OPTIONS, "acorn")
    for name, setting in BM25_OPTIONS.items():
        if setting.support.since != nodes.TARGETS[nodes.FullText].support.since:
            yield _of(name, "option", name, setting.support.since, "bm25")


def _from_table(table: Settings, *parents: str, leave_out: str = "") -> Iterator[Construct]:
    for name, setting in table.items():
        if name != leave_out:
            yield _of(name, "option", name, setting.support.since, *parents)


def _from_settings() -> Iterator[Construct]:
    """What the options of collections and indexes say of themselves."""
    for table in INDEX_TYPES.values():
        yield from _from_table(table, "field_schema")
    yield from _from_table(HNSW, "hnsw_config")
    yield from _from_table(OPTIMIZERS, "optimizers_config")
    yield from _from_table(VECTOR, "vectors")
    yield from _from_table(SPARSE, "index", leave_out="modifier")
    for kind, table in QUANTIZATION.items():
        yield from _from_table(table, kind, leave_out="bits")
    yield _of("turbo", "word", "turbo", QUANTIZATION["turbo"]["bits"].support.since, "quantization_config")
    for name, setting in LATER_PARAMS.items():
        holder, _, key = name.rpartition("_")
        if key == "memory":  # `payload_memory` is sent as {"payload": {"memory": …}}
            yield _of(name, "option", key, setting.support.since, holder)
        else:
            yield _of(name, "option", name, setting.support.since, "params", "")


def _from_rows() -> Iterator[Construct]:
    """What only the table of features knows."""
    yield _row("filter.slice", "SLICE", "condition", "slice")
    yield _row("filter.has-vector", "HAS_VECTOR", "condition", "has_vector")
    yield _row("write.upsert.insert-only", "UPDATE MODE", "guard", "update_mode")
    yield _row("write.upsert.filter", "UPDATE FILTER", "guard", "update_filter")
    yield _row("write.timeout", "timeout", "option", "timeout", in_url=True)
    yield _row("target.recommend.sum-scores", "sum_scores", "word", "strategy", value="sum_scores")
    yield _row("target.text", "qdrant/bm25", "query", "model", value=BM25, beside=("text",))
    yield _row("target.image", "IMAGE", "query", "image", beside=("model",))
    yield _row("create.datatype.turbo4", "turbo4", "word", "datatype", value="turbo4")
    yield _row("create.datatype.turbo8", "turbo8", "word", "datatype", value="turbo8")
    yield _row("create.datatype.turbo8", "turbo16", "word", "datatype", value="turbo16")
    yield _row("index.text.code", "code", "word", "tokenizer", "field_schema", value="code")
    yield _row("create.strict-mode", "STRICT_MODE", "option", "strict_mode_config", "")
    yield _row("create.metadata", "METADATA", "option", "metadata", "")
    yield Construct("RECOMMEND", "meaning", "recommend", "1.19", "1.19", ("query",), of_points=True)


def _younger(found: Iterable[Construct]) -> tuple[Construct, ...]:
    """Those that came after `OLDEST`, each once, and none that came with the one around it."""
    kept = {(one.key, one.parents, one.value): one for one in found if _later(one.since, OLDEST)}
    around = {one.key: one.since for one in kept.values()}
    return tuple(
        one for one in kept.values() if not any(around.get(parent) == one.since for parent in one.parents)
    )


def _later(one: str, other: str) -> bool:
    return [*map(int, one.split("."))] > [*map(int, other.split("."))]


CONSTRUCTS = _younger(chain(_from_queries(), _from_settings(), _from_rows()))
"""What may stand in the body or the query string of a request."""


def _route(name: str, words: str) -> tuple[tuple[str, str], tuple[Construct, ...]]:
    row = _ROWS[name]
    since_grpc = None if row.only_rest else row.server
    return row.probe[-1].route, (Construct(words, "route", "", row.server, since_grpc),)


ROUTES = dict(
    (
        _route("alter.add-vector", "ALTER COLLECTION … ADD"),
        _route("alter.drop-vector", "ALTER COLLECTION … DROP VECTOR"),
        _route("optimizations.show", "SHOW OPTIMIZATIONS"),
        _route("memory.show", "SHOW MEMORY"),
        _route("quota.show", "SHOW QUOTAS"),
        _route("quota.set", "SET QUOTA"),
    )
)
"""Constructs that are a route, by `Request.route`."""
