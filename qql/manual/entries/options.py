"""The entries of options: of searches, of collections and their vectors, of indexes."""

from __future__ import annotations

from collections.abc import Iterable

from qql.compiler.options import collection, query
from qql.compiler.options.index import INDEX_TYPES
from qql.compiler.options.table import Settings
from qql.manual.entry import Entry
from qql.manual.examples import TWO_STAGES
from qql.manual.lists import keywords

__all__ = ["OPTIONS"]


def _option_entry(
    name: str,
    text: str,
    tables: Iterable[tuple[str, Settings]],
    example: str,
    *,
    form: str,
    also: tuple[str, ...] = (),
    see: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
    refused: bool = False,
) -> Entry:
    return Entry(
        "options",
        name,
        "",
        text,
        example,
        form=form,
        tables=tuple(tables),
        also=also,
        see=see,
        words=words,
        refused=refused,
    )


def _with_block(kind: str) -> str:
    """The synopsis of a block of options."""
    return f"WITH {kind} (option = value [, …])"


OPTIONS: tuple[Entry, ...] = (
    _option_entry(
        "SEARCH OPTIONS",
        "How an approximate search is carried out, in PARAMS (…) or WITH (…) of a query or a stage. "
        "`idf` may also be a condition, `idf = WHERE f`: word frequencies are counted among the points "
        "that satisfy it. `acorn` is true or false, or an object with max_selectivity.",
        [("PARAMS", query.SEARCH_PARAMS), ("PARAMS, beside acorn = true", query.ACORN_OPTIONS)],
        "QUERY [1, 0] FROM docs USING small PARAMS (hnsw_ef = 128, quantization = {rescore: true}) LIMIT 1;",
        see=("PARAMS",),
        form="PARAMS (option = value [, …])",
    ),
    _option_entry(
        "FUSION OPTIONS",
        "Of FUSION RRF: rrf_k and rrf_weights; of FUSION LINEAR: normalizer and weights. Weights go by "
        "position, or by the names of the stages.",
        [("PARAMS of FUSION RRF", query.FUSION_OPTIONS), ("PARAMS of FUSION LINEAR", query.LINEAR_OPTIONS)],
        f"QUERY FUSION RRF FROM docs {TWO_STAGES} PARAMS (rrf_k = 20, rrf_weights = [0.7, 0.3]) LIMIT 2;",
        see=("FUSION",),
        form="PARAMS (option = value [, …])",
    ),
    _option_entry(
        "REQUEST OPTIONS",
        "Of the request as a whole, for servers: seconds until it gives up, and how many copies "
        "of the data have to agree.",
        [("PARAMS", query.REQUEST_OPTIONS)],
        "QUERY [1, 0] FROM docs USING small PARAMS (consistency = majority, timeout = 5) LIMIT 1;",
        see=("PARAMS",),
        refused=True,
        form="PARAMS (option = value [, …])",
    ),
    _option_entry(
        "HNSW",
        "The graph index of a vector. `m = 0` makes none.",
        [("WITH HNSW", collection.HNSW)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH HNSW (m = 32, ef_construct = 200));",
        see=("CREATE COLLECTION", "ALTER COLLECTION"),
        form=_with_block("HNSW"),
    ),
    _option_entry(
        "VECTOR block",
        "How vectors are stored.",
        [("WITH VECTOR", collection.VECTOR)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH VECTOR (datatype = float16, on_disk = true));",
        also=("CREATE COLLECTION c (v VECTOR(8, COSINE) WITH VECTORS (datatype = float16, on_disk = true))",),
        see=("CREATE COLLECTION",),
        words=("VECTORS", "WITH VECTORS"),
        form=_with_block("VECTOR"),
    ),
    _option_entry(
        "QUANTIZATION",
        "Smaller copies of vectors, which are searched first. `type` is required. ALTER also takes "
        "`disabled = true`.",
        [(f"type = {kind}", table) for kind, table in collection.QUANTIZATION.items()],
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH QUANTIZATION (type = scalar, quantile = 0.99, "
        "always_ram = true));",
        see=("CREATE COLLECTION", "SEARCH OPTIONS"),
        words=keywords(*collection.QUANTIZATION, "disabled"),
        form="WITH QUANTIZATION (type = kind [, option = value …])",
    ),
    _option_entry(
        "MULTIVECTOR",
        "Makes a vector one of several rows, compared row by row. It takes `comparator = max_sim`.",
        [],
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH MULTIVECTOR (comparator = max_sim));",
        see=("CREATE COLLECTION", "RERANK target"),
        words=("COMPARATOR", "MAX_SIM"),
        form=_with_block("MULTIVECTOR"),
    ),
    _option_entry(
        "SPARSE INDEX",
        "A sparse vector: how it is scored, stored and indexed. `modifier = idf` is what BM25 needs. "
        "It counts in how many points a word is: on a server, points that were replaced or deleted count "
        "until they are optimized away, so scores may differ from those of the same points written once.",
        [("WITH SPARSE, WITH INDEX", collection.SPARSE)],
        "CREATE COLLECTION c (v SPARSE WITH SPARSE (modifier = idf) WITH INDEX (on_disk = true));",
        see=("CREATE COLLECTION",),
        words=("INDEX", "WITH SPARSE", "WITH INDEX"),
        form="WITH {SPARSE | INDEX} (option = value [, …])",
    ),
    _option_entry(
        "OPTIMIZERS",
        "When and how segments are merged and indexed.",
        [("WITH OPTIMIZERS", collection.OPTIMIZERS)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH OPTIMIZERS (indexing_threshold = 20000);",
        see=("OPTIMIZE",),
        form=_with_block("OPTIMIZERS"),
    ),
    _option_entry(
        "COLLECTION PARAMS",
        "Shards, replicas and storage of a collection. ALTER takes those that can be changed. `WITH "
        "ID_TRACKER (memory = cold)` and `WITH PAYLOAD (memory = cold)` say "
        "`id_tracker_memory` and `payload_memory`.",
        [
            ("CREATE COLLECTION … WITH PARAMS", collection.PARAMS),
            ("ALTER COLLECTION … WITH PARAMS", collection.LATER_PARAMS),
        ],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH PARAMS (on_disk_payload = true);",
        see=("CREATE COLLECTION", "CREATE SHARD KEY"),
        words=("WITH PARAMS",),
        form=_with_block("PARAMS"),
    ),
    _option_entry(
        "WAL",
        "The write-ahead log of a server. It is settled when a collection is created.",
        [("WITH WAL", collection.WAL)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH WAL (wal_capacity_mb = 64);",
        see=("CREATE COLLECTION",),
        refused=True,
        form=_with_block("WAL"),
    ),
    _option_entry(
        "STRICT_MODE",
        "Limits of what a server lets statements ask of a collection.",
        [("WITH STRICT_MODE", collection.STRICT_MODE)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH STRICT_MODE (enabled = true, max_query_limit = "
        "1000);",
        see=("CREATE COLLECTION", "SET QUOTA"),
        refused=True,
        form=_with_block("STRICT_MODE"),
    ),
    _option_entry(
        "METADATA",
        "Any keys and values that a collection keeps. The key `qql` holds the models. ALTER adds and "
        "replaces keys, and null removes one.",
        [],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH METADATA (owner = 'us', version = 3);",
        see=("CREATE COLLECTION",),
        form="WITH METADATA (key = value [, …])",
    ),
    _option_entry(
        "INDEX TYPES",
        "The types of CREATE INDEX, and what each takes in WITH (…).",
        [(f"TYPE {kind}", table) for kind, table in INDEX_TYPES.items()],
        "CREATE INDEX ON shops FOR name TYPE text WITH (tokenizer = word, lowercase = true);",
        see=("CREATE INDEX",),
        words=keywords(*INDEX_TYPES),
        form="CREATE INDEX ON collection FOR field TYPE type WITH (option = value [, …])",
    ),
)
