"""The options of every ``( key = value, … )`` block: a table for each, and one function that reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qql import nodes
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean, shown

__all__ = [
    "COLLECTION_BLOCKS",
    "COUNT_OPTIONS",
    "FUSION_OPTIONS",
    "INDEX_TYPES",
    "REQUEST_OPTIONS",
    "SEARCH_PARAMS",
    "SPARSE_INDEX",
    "VECTOR_BLOCKS",
    "Table",
    "quantization",
    "read_options",
]

Check = Callable[[Any], Any]
"""Gives the value as it goes into the request; raises ValueError with what it takes instead."""
Table = Mapping[str, Check]


def _bool(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _int(low: int, high: int = 2**32 - 1) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"a whole number from {low} to {high}")

    return check


def _number(low: float, high: float = math.inf) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(
            f"a number of at least {low}" if high == math.inf else f"a number from {low} to {high}"
        )

    return check


def _one_of(*words: str) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, str) and value.lower() in words:
            return value.lower()
        raise ValueError(" or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0])

    return check


def _text(value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    raise ValueError("a text")


def _texts(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value
    raise ValueError("a list of texts")


def _any_of(*checks: Check) -> Check:
    def check(value: Any) -> Any:
        takes = []
        for one in checks:
            try:
                return one(value)
            except ValueError as exc:
                takes.append(str(exc))
        raise ValueError(", or ".join(takes))

    return check


def _object(table: Table) -> Check:
    """A block inside a value: ``{k: v}`` or ``(k = v)``, by a table of its own."""

    def check(value: Any) -> Any:
        if isinstance(value, dict):
            value = tuple(nodes.Option(key, item) for key, item in value.items())
        if not isinstance(value, tuple):
            raise ValueError(f"an object with {_listed(table)}")
        return read_options(value, table, "this object")

    return check


def _weights(value: Any) -> Any:
    """A list in the order of the references, or an object by stage name."""
    number = _number(0)
    if isinstance(value, tuple):
        value = {option.name: option.value for option in value}
    if isinstance(value, dict) and value:
        return {key: number(item) for key, item in value.items()}
    if isinstance(value, list) and value:
        return [number(item) for item in value]
    raise ValueError("a list of numbers, or an object of numbers by stage name")


_MEMORY = _one_of("cold", "cached", "pinned")
_DATATYPE = _one_of("float32", "float16", "uint8", "turbo4", "turbo8", "turbo16")

FUSION_OPTIONS: Table = {"rrf_k": _int(1), "rrf_weights": _weights}
REQUEST_OPTIONS: Table = {
    "timeout": _int(1),
    "consistency": _any_of(_one_of("majority", "quorum", "all"), _int(1)),
}


def _acorn(value: Any) -> Any:
    if isinstance(value, bool):
        return {"enable": value}
    inside = _object({"enable": _bool, "max_selectivity": _number(0, 1)})(value)
    return {"enable": True} | inside


SEARCH_PARAMS: Table = {
    "hnsw_ef": _int(1),
    "exact": _bool,
    "quantization": _object({"ignore": _bool, "rescore": _bool, "oversampling": _number(1)}),
    "indexed_only": _bool,
    "acorn": _acorn,
}
COUNT_OPTIONS: Table = {"exact": _bool}

_HNSW: Table = {
    "m": _int(0),
    "ef_construct": _int(4),
    "full_scan_threshold": _int(0),
    "max_indexing_threads": _int(0),
    "on_disk": _bool,
    "memory": _MEMORY,
    "payload_m": _int(0),
    "inline_storage": _bool,
}
_VECTOR: Table = {"on_disk": _bool, "memory": _MEMORY, "datatype": _DATATYPE}
_QUANTIZATION: Mapping[str, Table] = {
    "scalar": {"quantile": _number(0.5, 1), "always_ram": _bool, "memory": _MEMORY},
    "product": {
        "compression": _one_of("x4", "x8", "x16", "x32", "x64"),
        "always_ram": _bool,
        "memory": _MEMORY,
    },
    "binary": {
        "always_ram": _bool,
        "memory": _MEMORY,
        "encoding": _one_of("one_bit", "two_bits", "one_and_half_bits"),
        "query_encoding": _one_of("default", "binary", "scalar4bits", "scalar8bits"),
    },
    "turbo": {"always_ram": _bool, "memory": _MEMORY, "bits": _number(1, 8)},
}
_TURBO_BITS = {1: "bits1", 1.5: "bits1_5", 2: "bits2", 4: "bits4", 8: "bits8"}
_SPARSE: Table = {
    "modifier": _one_of("none", "idf"),
    "full_scan_threshold": _int(0),
    "on_disk": _bool,
    "memory": _MEMORY,
    "datatype": _one_of("float32", "float16", "uint8"),
}
SPARSE_INDEX = ("full_scan_threshold", "on_disk", "memory", "datatype")
"""The options of a sparse vector that belong to its index."""
_OPTIMIZERS: Table = {
    "deleted_threshold": _number(0, 1),
    "vacuum_min_vector_number": _int(100),
    "default_segment_number": _int(0),
    "max_segment_size": _int(1),
    "memmap_threshold": _int(0),
    "indexing_threshold": _int(0),
    "flush_interval_sec": _int(0),
    "max_optimization_threads": _any_of(_int(0), _one_of("auto")),
    "prevent_unoptimized": _bool,
}
_PARAMS: Table = {
    "shard_number": _int(1),
    "sharding_method": _one_of("auto", "custom"),
    "replication_factor": _int(1),
    "write_consistency_factor": _int(1),
    "on_disk_payload": _bool,
}
_WAL: Table = {"wal_capacity_mb": _int(1), "wal_segments_ahead": _int(0), "wal_retain_closed": _int(1)}

VECTOR_BLOCKS: Mapping[str, Mapping[str, Table]] = {
    "dense": {
        "hnsw": _HNSW,
        "vector": _VECTOR,
        "vectors": _VECTOR,
        "multivector": {"comparator": _one_of("max_sim")},
    },
    "sparse": {"sparse": _SPARSE, "index": _SPARSE},
}
COLLECTION_BLOCKS: Mapping[str, Table] = {
    "hnsw": _HNSW,
    "optimizers": _OPTIMIZERS,
    "params": _PARAMS,
    "wal": _WAL,
}

_INDEX: Table = {"on_disk": _bool, "memory": _MEMORY, "enable_hnsw": _bool, "nested": _text}
_STOPWORDS = _any_of(_text, _texts, _object({"languages": _texts, "custom": _texts}))
INDEX_TYPES: Mapping[str, Table] = {
    "keyword": {**_INDEX, "is_tenant": _bool, "prefix": _bool},
    "integer": {**_INDEX, "lookup": _bool, "range": _bool, "is_principal": _bool},
    "float": {**_INDEX, "is_principal": _bool},
    "geo": _INDEX,
    "bool": _INDEX,
    "datetime": {**_INDEX, "is_principal": _bool},
    "uuid": {**_INDEX, "is_tenant": _bool},
    "text": {
        **_INDEX,
        "tokenizer": _one_of("word", "whitespace", "prefix", "multilingual", "code"),
        "min_token_len": _int(0),
        "max_token_len": _int(1),
        "lowercase": _bool,
        "ascii_folding": _bool,
        "phrase_matching": _bool,
        "stopwords": _STOPWORDS,
        "stemmer": _text,
        "scoring": _any_of(_bool, _object({"type": _one_of("bm25")})),
    },
}


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def read_options(
    options: Iterable[nodes.Option], table: Table, where: str, *, seen: dict[str, Span] | None = None
) -> dict[str, Any]:
    """The options as a dict with checked values.

    Raises `QQLPlanError` for a name that the table lacks (``unknown-option``), a value that it refuses
    (``bad-option``) and an option that is given twice (``duplicate-option``).
    """
    out: dict[str, Any] = {}
    places: dict[str, Span] = {} if seen is None else seen
    for option in options:
        name, span = option.name, option.span
        if name not in table:
            hint = did_you_mean(name, table) or f"the options are {_listed(table)}"
            raise QQLPlanError(Diagnostic("unknown-option", f"{where} has no option `{name}`", span, hint))
        if name in places:
            related = ((places[name], "given here first"),)
            message = f"the option `{name}` stands twice"
            raise QQLPlanError(Diagnostic("duplicate-option", message, span, related=related))
        places[name] = span
        try:
            out[name] = table[name](option.value)
        except ValueError as exc:
            message = f"`{name}` takes {exc}, not {shown(option.value)}"
            raise QQLPlanError(Diagnostic("bad-option", message, span)) from None
    return out


def quantization(block: nodes.Block) -> dict[str, Any]:
    """``WITH QUANTIZATION (type = scalar, …)`` as Qdrant's ``{"scalar": {"type": "int8", …}}``."""
    kinds = [option for option in block.options if option.name == "type"]
    rest = [option for option in block.options if option.name != "type"]
    if len(kinds) != 1:
        message = "a QUANTIZATION block needs one `type`: scalar, product, binary or turbo"
        raise QQLPlanError(Diagnostic("bad-option", message, block.span))
    kind = str(kinds[0].value).lower()
    if kind not in _QUANTIZATION:
        hint = did_you_mean(kind, _QUANTIZATION) or f"the types are {_listed(_QUANTIZATION)}"
        message = f"there is no quantization of the type `{kind}`"
        raise QQLPlanError(Diagnostic("bad-option", message, kinds[0].span, hint))
    values = read_options(rest, _QUANTIZATION[kind], f"{kind} quantization")
    if kind == "scalar":
        values = {"type": "int8", **values}
    if "bits" in values:
        if values["bits"] not in _TURBO_BITS:
            message = f"`bits` takes {_listed(map(str, _TURBO_BITS))}, not {values['bits']}"
            raise QQLPlanError(Diagnostic("bad-option", message, block.span))
        values["bits"] = _TURBO_BITS[values["bits"]]
    if kind == "product" and "compression" not in values:
        message = "product quantization needs a `compression`: x4, x8, x16, x32 or x64"
        raise QQLPlanError(Diagnostic("bad-option", message, block.span))
    return {kind: values}
