"""What the language has several of, where entries name them all: each list once.

Texts and search words of entries are made of these lists, so an entry never repeats one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qql.compiler import options
from qql.compiler.embed_clauses import TEXT_FIELDS
from qql.compiler.options import Table
from qql.rest.limits import BM25, RRF_K

__all__ = [
    "BLOCK_OPTIONS",
    "COMPARISONS",
    "DECAYS",
    "DECAY_ARGUMENTS",
    "DISTANCES",
    "FEEDBACK_STRATEGIES",
    "FUNCTION_TEXTS",
    "FUSIONS",
    "GEO_SHAPES",
    "MATCH_TEXT",
    "MATCH_VALUES",
    "OPTION_DEFAULTS",
    "OPTION_DEFAULTS_IN",
    "OPTION_VALUES",
    "QUANTIZATION_TYPES",
    "RECOMMEND_STRATEGIES",
    "TEXT_FIELDS",
    "UPDATE_MODES",
    "described",
    "keywords",
    "listed",
]

# --- targets and fusion -----------------------------------------------------------------------------------

RECOMMEND_STRATEGIES = ("average_vector", "best_score", "sum_scores")
FEEDBACK_STRATEGIES = ("naive",)
FUSIONS = {"RRF": "by ranks", "DBSF": "by scores"}
"""The methods of FUSION, each with what it goes by."""

# --- filters ----------------------------------------------------------------------------------------------

COMPARISONS = ("=", "!=", "<>", "<", "<=", ">", ">=")
MATCH_TEXT = {
    "": "all of them",
    "PHRASE": "in a row",
    "TOKENS": "one of them",
    "PREFIX": "the beginning of a keyword",
    "SUBSTRING": "a part of it",
}
"""What stands behind MATCH before a text, each with which of its words it looks for; "" is MATCH alone."""
MATCH_VALUES = ("ANY", "EXCEPT")
"""What stands behind MATCH before values."""
GEO_SHAPES = {
    "GEO_RADIUS": "a circle (`center`, `radius` in metres)",
    "GEO_BBOX": "a box (`top_left`, `bottom_right`)",
    "GEO_POLYGON": "a polygon (`exterior` and `interiors`, each with `points`, closed)",
}
"""The conditions on places, each with its shape and the keys of its object."""

# --- formulas ---------------------------------------------------------------------------------------------

FUNCTION_TEXTS = {
    "ABS": ("The value without its sign.", "ABS(price - 9)"),
    "SQRT": ("The square root.", "SQRT(price)"),
    "POW": ("The first value to the power of the second.", "POW(price, 2)"),
    "EXP": ("e to the power of the value.", "EXP($score)"),
    "LOG": ("The logarithm to base 10.", "LOG(price)"),
    "LN": ("The natural logarithm.", "LN(price)"),
    "ACOSH": ("The inverse hyperbolic cosine.", "ACOSH(price)"),
    "MAX": ("The greatest of the values.", "MAX(price, 3, 4)"),
    "MIN": ("The least of the values.", "MIN(price, 5)"),
    "SUM": ("The sum of the values.", "SUM(price, $score, 1)"),
    "PRODUCT": ("The product of the values.", "PRODUCT(price, 2)"),
    "NEG": ("The value with the other sign.", "NEG(price)"),
}
"""What a function of `qql.syntax.functions` gives, and an example of it."""
DECAYS = {"GAUSS": "falls like a bell", "EXP": "sharply at first", "LIN": "evenly down to 0"}
"""The kinds of ``…_DECAY``, each with how it falls."""
DECAY_ARGUMENTS = ("TARGET", "SCALE", "MIDPOINT", "DECAY")

# --- statements and collections ---------------------------------------------------------------------------

UPDATE_MODES = ("upsert", "insert_only", "update_only")
DISTANCES = ("COSINE", "DOT", "EUCLID", "MANHATTAN")
QUANTIZATION_TYPES: Mapping[str, Table] = options._QUANTIZATION
"""The options of each type of quantization."""
BLOCK_OPTIONS: Mapping[str, Table] = {
    "HNSW": options._HNSW,
    "VECTOR": options._VECTOR,
    "SPARSE": options._SPARSE,
    "OPTIMIZERS": options._OPTIMIZERS,
    "PARAMS": options._PARAMS,
    "ALTER_PARAMS": options._ALTER_PARAMS,
    "WAL": options._WAL,
    "STRICT_MODE": options._STRICT_MODE,
}
"""The options of ``WITH kind (…)`` of a collection or a vector; ``ALTER_PARAMS`` are those ALTER takes."""

# --- what options take ------------------------------------------------------------------------------------

OPTION_DEFAULTS = {
    "rrf_k": str(RRF_K),
    "mmr_diversity": "0.5",
    "mmr_candidates": "LIMIT",
    "exact": "false",
    "indexed_only": "false",
    "consistency": "1",
    "m": "16",
    "ef_construct": "100",
    "payload_m": "m",
    "max_indexing_threads": "0 (chosen by the engine)",
    "inline_storage": "false",
    "datatype": "float32",
    "always_ram": "false",
    "compression": "x4",
    "modifier": f"none; idf with MODEL '{BM25}'",
    "deleted_threshold": "0.2",
    "vacuum_min_vector_number": "1000",
    "default_segment_number": "0 (by the processors)",
    "flush_interval_sec": "5",
    "shard_number": "1",
    "sharding_method": "auto",
    "replication_factor": "1",
    "write_consistency_factor": "1",
    "on_disk_payload": "true",
    "wal_capacity_mb": "32",
    "wal_segments_ahead": "0",
    "enabled": "false",
    "is_tenant": "false",
    "is_principal": "false",
    "tokenizer": "word",
    "lowercase": "true",
    "phrase_matching": "false",
    "k": "1.2",
    "b": "0.75",
}
"""The defaults of options by name: Qdrant's own, where they are known and the same everywhere."""
OPTION_DEFAULTS_IN = {"COUNT": {"exact": "true"}, "RELEVANCE FEEDBACK": {"b": ""}}
"""The same, where an entry's options have other ones; that of COUNT is ours."""
OPTION_VALUES = {
    "m": "0 (no graph), or a whole number from 4",
    "idf": "global, or WHERE condition",
    "acorn": "true or false, or an object with enable, max_selectivity",
    **dict.fromkeys(
        ("max_resident_memory_percent of SET QUOTA", "max_disk_usage_percent"),
        "a whole number from 1 to 100, or null",
    ),
    "release_margin_percent": "a whole number from 0 to 100, or null",
}
"""What an option takes where its check does not say all of it, by name, or as ``name of ENTRY``."""


def listed(words: Iterable[str], last: str) -> str:
    """``a, b or c``, with ``last`` between the last two."""
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


def described(texts: Mapping[str, str], separator: str = ", ") -> str:
    """``RRF by ranks, DBSF by scores``: each word with what is said of it."""
    return separator.join(f"{word} {text}".strip() for word, text in texts.items())


def keywords(*words: str) -> tuple[str, ...]:
    """The words in the case of keywords, as entries are found by."""
    return tuple(word.upper() for word in words)
