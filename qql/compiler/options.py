"""The options of every ``( key = value, … )`` block: a table for each, and one function that reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qql import nodes
from qql.compiler.bind import resolved
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean, shown

__all__ = [
    "ACORN_OPTIONS",
    "ADDED_BLOCKS",
    "ALTER_BLOCKS",
    "BM25_OPTIONS",
    "CHANGE_BLOCKS",
    "COLLECTION_BLOCKS",
    "COUNT_OPTIONS",
    "FACET_OPTIONS",
    "FEEDBACK_OPTIONS",
    "FUSION_OPTIONS",
    "INDEX_TYPES",
    "MMR_OPTIONS",
    "QUOTA_OPTIONS",
    "REQUEST_OPTIONS",
    "SEARCH_PARAMS",
    "SHARD_KEY_OPTIONS",
    "SNAPSHOT_OPTIONS",
    "SPARSE_INDEX",
    "VECTOR_BLOCKS",
    "Table",
    "read_blocks",
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
        if isinstance(value, float) and value.is_integer():  # 16.0, as v1 takes it
            value = int(value)
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


def _stemmer(value: Any) -> Any:
    language = _one_of("none", *_STEMMED)(value)
    return {"type": "none"} if language == "none" else {"type": "snowball", "language": language}


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
            return _read(((key.lower(), item, None) for key, item in value.items()), table, "this object")
        if isinstance(value, tuple):
            return read_options(value, table, "this object")
        raise ValueError(f"an object with {_listed(table)}")

    return check


def _by_name(check: Check) -> Check:
    """An object whose keys are names of the user's, each with a value of one kind."""

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("an object {name: {…}} by the names of vectors")
        return {key: check(item) for key, item in value.items()}

    return read


_F32_MAX = 3.4028234663852886e38  # scores are 32-bit floats


def _weights(value: Any) -> Any:
    """A list in the order of the references, or an object by stage name."""
    number = _number(0, _F32_MAX)
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
MMR_OPTIONS: Table = {"mmr_diversity": _number(0, 1), "mmr_candidates": _int(1)}
"""Of the dense half of a HYBRID; elsewhere they make the target an MMR."""
REQUEST_OPTIONS: Table = {
    "timeout": _int(1),
    "consistency": _any_of(_one_of("majority", "quorum", "all"), _int(1)),
}


def _acorn(value: Any) -> Any:
    if isinstance(value, bool):
        return {"enable": value}
    inside = _object({"enable": _bool, **ACORN_OPTIONS})(value)
    return {"enable": True} | inside


def _idf(value: Any) -> Any:
    if isinstance(value, nodes.Node):  # a condition, which the planner turns into a filter
        return value
    return _one_of("global")(value)


SEARCH_PARAMS: Table = {
    "idf": _idf,
    "hnsw_ef": _int(1),
    "exact": _bool,
    "quantization": _object({"ignore": _bool, "rescore": _bool, "oversampling": _number(1)}),
    "indexed_only": _bool,
    "acorn": _acorn,
}
ACORN_OPTIONS: Table = {"max_selectivity": _number(0, 1)}
"""May stand beside ``acorn = true`` too, as the v1 dialect writes it."""
FEEDBACK_OPTIONS: Table = dict.fromkeys(("a", "b", "c"), _number(-math.inf))
"""The constants of relevance feedback's naive formula; all three are needed."""
BM25_OPTIONS: Table = {"k": _number(0), "b": _number(0, 1)}
COUNT_OPTIONS: Table = {"exact": _bool}
FACET_OPTIONS: Table = {"exact": _bool, "limit": _int(1)}


def _links(value: Any) -> Any:
    found = _int(0)(value)
    if found in (1, 2, 3):
        raise ValueError("0 (no graph) or a whole number from 4")
    return found


_HNSW: Table = {
    "m": _links,
    "ef_construct": _int(4),
    "full_scan_threshold": _int(0),
    "max_indexing_threads": _int(0),
    "on_disk": _bool,
    "memory": _MEMORY,
    "payload_m": _int(0),
    "inline_storage": _bool,
}
_VECTOR: Table = {"on_disk": _bool, "memory": _MEMORY, "datatype": _DATATYPE}
_ENCODINGS = {1: "one_bit", 1.5: "one_and_half_bits", 2: "two_bits"}
_TURBO_BITS = {1: "bits1", 1.5: "bits1_5", 2: "bits2", 4: "bits4", 8: "bits8"}


def _encoding(value: Any) -> Any:
    """Bits of a number, by name or by their number."""
    if isinstance(value, (int, float)) and value in _ENCODINGS and not isinstance(value, bool):
        return _ENCODINGS[value]
    return _one_of(*_ENCODINGS.values())(value)


def _turbo_bits(value: Any) -> Any:
    if isinstance(value, (int, float)) and value in _TURBO_BITS and not isinstance(value, bool):
        return _TURBO_BITS[value]
    if value in _TURBO_BITS.values():
        return value
    raise ValueError(_listed(map(str, _TURBO_BITS)))


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
        "encoding": _encoding,
        "query_encoding": _one_of("default", "binary", "scalar4bits", "scalar8bits"),
    },
    "turbo": {"always_ram": _bool, "memory": _MEMORY, "bits": _turbo_bits},
}
_SPARSE: Table = {
    "modifier": _one_of("none", "idf"),
    "full_scan_threshold": _int(0),
    "on_disk": _bool,
    "memory": _MEMORY,
    "datatype": _one_of("float32", "float16", "uint8", "default"),
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


def _is_key(value: Any) -> bool:
    number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64
    return number or (isinstance(value, str) and value != "")


def _shard_keys(value: Any) -> Any:
    if isinstance(value, list) and value and all(_is_key(item) for item in value):
        if len(set(value)) == len(value):
            return value
        raise ValueError("a list in which each key stands once")
    raise ValueError("a list of texts and unsigned integers")


_ALTER_PARAMS: Table = {
    "replication_factor": _int(1),
    "write_consistency_factor": _int(1),
    "read_fan_out_factor": _int(0),
    "read_fan_out_delay_ms": _int(0, 2**63 - 1),
    "on_disk_payload": _bool,
    "payload_memory": _one_of("cold", "cached"),
    "id_tracker_memory": _one_of("cached", "cold", "pinned"),
}
_PARAMS: Table = {
    "shard_number": _int(1),
    "sharding_method": _one_of("auto", "custom"),
    "shard_keys": _shard_keys,
    **_ALTER_PARAMS,
}
_STRICT_MODE: Table = {
    "enabled": _bool,
    "unindexed_filtering_retrieve": _bool,
    "unindexed_filtering_update": _bool,
    "search_allow_exact": _bool,
    "search_max_oversampling": _number(0),
    "max_resident_memory_percent": _int(1, 100),
    "multivector_config": _by_name(_object({"max_vectors": _int(1)})),
    "sparse_config": _by_name(_object({"max_length": _int(1)})),
    **dict.fromkeys(
        (
            "max_query_limit",
            "max_timeout",
            "search_max_hnsw_ef",
            "upsert_max_batchsize",
            "search_max_batchsize",
            "read_rate_limit",
            "write_rate_limit",
            "max_points_count",
            "filter_max_conditions",
            "condition_max_size",
            "max_payload_index_count",
        ),
        _int(1),
    ),
    **dict.fromkeys(
        ("max_collection_vector_size_bytes", "max_collection_payload_size_bytes"), _int(1, 2**63 - 1)
    ),
}
_WAL: Table = {"wal_capacity_mb": _int(1), "wal_segments_ahead": _int(0), "wal_retain_closed": _int(1)}


_STATES = (
    "Active",
    "Dead",
    "Partial",
    "Initializing",
    "Listener",
    "PartialSnapshot",
    "Recovery",
    "Resharding",
    "ReshardingScaleDown",
    "ActiveRead",
    "ManualRecovery",
)


def _state(value: Any) -> Any:
    found = [state for state in _STATES if isinstance(value, str) and state.lower() == value.lower()]
    if found:
        return found[0]
    raise ValueError(_listed(_STATES))


def _peers(value: Any) -> Any:
    whole = _int(0, 2**64 - 1)
    if isinstance(value, list) and value:
        return [whole(item) for item in value]
    raise ValueError("a list of the numbers of peers")


def _percent_or_null(value: Any) -> Any:
    return None if value is None else _int(1, 100)(value)


def _margin_or_null(value: Any) -> Any:
    return None if value is None else _int(0, 100)(value)


SHARD_KEY_OPTIONS: Table = {
    "shards_number": _int(1),
    "replication_factor": _int(1),
    "placement": _peers,
    "initial_state": _state,
}
SNAPSHOT_OPTIONS: Table = {
    "priority": _one_of("no_sync", "snapshot", "replica"),
    "checksum": _text,
    "api_key": _text,
}
QUOTA_OPTIONS: Table = {
    "enabled": _bool,
    "max_resident_memory_percent": _percent_or_null,
    "max_disk_usage_percent": _percent_or_null,
    "release_margin_percent": _margin_or_null,
}

_LANGUAGES = (
    *("arabic", "azerbaijani", "basque", "bengali", "catalan", "chinese", "danish", "dutch", "english"),
    *("finnish", "french", "german", "greek", "hebrew", "hinglish", "hungarian", "indonesian", "italian"),
    *("japanese", "kazakh", "nepali", "norwegian", "portuguese", "romanian", "russian", "slovene", "spanish"),
    *("swedish", "tajik", "turkish"),
)
_STEMMED = (
    *("arabic", "armenian", "danish", "dutch", "english", "finnish", "french", "german", "greek"),
    *("hungarian", "italian", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish"),
    *("tamil", "turkish"),
)


def _languages(value: Any) -> Any:
    language = _one_of(*_LANGUAGES)
    return [language(item) for item in _texts(value)]


def _stopwords(value: Any) -> Any:
    """A language, words of one's own in a list, or an object with both."""
    if isinstance(value, str):
        return {"languages": _languages([value])}
    if isinstance(value, list):
        return {"custom": _texts(value)}
    try:
        return _object({"languages": _languages, "custom": _texts})(value)
    except ValueError:
        raise ValueError("a language, a list of words, or {languages: […], custom: […]}") from None


_INDEX: Table = {"on_disk": _bool, "memory": _MEMORY, "enable_hnsw": _bool, "nested": _text}
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
        "stopwords": _stopwords,
        "stemmer": _stemmer,
        "scoring": _any_of(_bool, _object({"type": _one_of("bm25")})),
    },
}


Blocks = Mapping[str, Callable[[nodes.Block], Any]]
"""What may stand behind WITH in one place, and how it is read."""


def _block(table: Table) -> Callable[[nodes.Block], dict[str, Any]]:
    return lambda block: read_options(block.options, table, block.kind.upper())


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def read_options(
    options: Iterable[nodes.Option], table: Table, where: str, *, seen: dict[str, Span | None] | None = None
) -> dict[str, Any]:
    """The options as a dict with checked values.

    ``seen`` are the places of what other blocks gave already. Raises `QQLPlanError` for a name that the
    table lacks (``unknown-option``), a value that it refuses (``bad-option``) and an option that is given
    twice (``duplicate-option``).
    """
    return _read(((o.name, o.value, o.span) for o in options), table, where, {} if seen is None else seen)


def _read(
    items: Iterable[tuple[str, Any, Span | None]],
    table: Table,
    where: str,
    places: dict[str, Span | None] | None = None,
) -> dict[str, Any]:
    """`read_options` by name, value and place. A place that is None is that of the option around it."""
    out: dict[str, Any] = {}
    places = {} if places is None else places
    for name, given, span in items:
        if name not in table:
            hint = did_you_mean(name, table) or f"the options are {_listed(table)}"
            raise QQLPlanError(Diagnostic("unknown-option", f"{where} has no option `{name}`", span, hint))
        if name in places:
            first = places[name]
            related = ((first, "given here first"),) if first else ()
            message = f"the option `{name}` stands twice"
            raise QQLPlanError(Diagnostic("duplicate-option", message, span, related=related))
        places[name] = span
        value = resolved(given, span or Span(0, 0))
        try:
            out[name] = table[name](value)
        except ValueError as exc:
            message = f"`{name}` takes {exc}, not {shown(value)}"
            raise QQLPlanError(Diagnostic("bad-option", message, span)) from None
        except QQLPlanError as exc:
            raise exc.at(span=span) from None
    return out


def _quantization(block: nodes.Block) -> dict[str, Any]:
    """``WITH QUANTIZATION (type = scalar, …)`` as ``{"scalar": {"type": "int8", …}}``."""
    for option in block.options:
        if option.name == "disabled":
            message = "a new collection has no quantization to disable"
            hint = "leave the block out; ALTER COLLECTION … WITH QUANTIZATION (disabled = true) ends one"
            raise QQLPlanError(Diagnostic("misplaced-option", message, option.span, hint))
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
    if kind == "product":
        values = {"compression": "x4", **values}  # Qdrant requires one; this loses the least
    return {kind: values}


def _changed_quantization(block: nodes.Block) -> Any:
    """``"Disabled"`` for ``(disabled = true)``, which only ALTER takes."""
    names = [option.name for option in block.options]
    if "disabled" not in names:
        return _quantization(block)
    values = read_options(
        block.options, {"disabled": _bool} | dict.fromkeys(names, _anything), "QUANTIZATION"
    )
    if len(names) > 1 or values["disabled"] is not True:
        message = "`disabled = true` stands alone: it ends quantization"
        hint = "without it, `type` says which quantization is wanted"
        raise QQLPlanError(Diagnostic("bad-option", message, block.span, hint))
    return "Disabled"


def _anything(value: Any) -> Any:
    return value


def _metadata(block: nodes.Block) -> dict[str, Any]:
    """The user's own keys, whatever they are. Raises `QQLPlanError` for a key that is given twice."""
    anything = {option.name: _anything for option in block.options}
    return read_options(block.options, anything, "METADATA")


_DENSE: Blocks = {
    "hnsw": _block(_HNSW),
    "vector": _block(_VECTOR),
    "quantization": _quantization,
    "multivector": _block({"comparator": _one_of("max_sim")}),
}
VECTOR_BLOCKS: Mapping[str, Blocks] = {
    "dense": _DENSE,
    "sparse": {"sparse": _block(_SPARSE), "index": _block(_SPARSE)},
}
_CHANGEABLE: Table = {"on_disk": _bool, "memory": _MEMORY}
"""What of a vector's storage can be changed later."""
CHANGE_BLOCKS: Mapping[str, Blocks] = {
    "dense": {
        "hnsw": _block(_HNSW),
        "quantization": _changed_quantization,
        "vector": lambda block: read_options(_storage_only(block), _CHANGEABLE, "VECTOR"),
    },
    "sparse": VECTOR_BLOCKS["sparse"],
}
"""What ALTER … WITH VECTOR name (…) and WITH SPARSE name (…) change."""


def _storage_only(block: nodes.Block) -> tuple[nodes.Option, ...]:
    for option in block.options:
        if option.name == "datatype":
            message = "the datatype of a vector cannot be changed"
            hint = "DUMP the collection, drop it, and create it with another datatype"
            raise QQLPlanError(Diagnostic("misplaced-option", message, option.span, hint))
    return block.options


def _refused(message: str, hint: str) -> Callable[[nodes.Block], dict[str, Any]]:
    def refuse(block: nodes.Block) -> dict[str, Any]:
        raise QQLPlanError(Diagnostic("misplaced-block", message, block.span, hint))

    return refuse


_LATER = "a vector that is added takes no {} yet"
ADDED_BLOCKS: Mapping[str, Blocks] = {
    "dense": {
        "vector": lambda block: read_options(_datatype_only(block), {"datatype": _DATATYPE}, "VECTOR"),
        "multivector": _DENSE["multivector"],
        "hnsw": _refused(
            _LATER.format("HNSW"), "after it, ALTER COLLECTION … WITH VECTOR name (HNSW (…)) sets it"
        ),
        "quantization": _refused(
            _LATER.format("QUANTIZATION"),
            "after it, ALTER COLLECTION … WITH VECTOR name (QUANTIZATION (…)) sets it",
        ),
    },
    "sparse": {
        kind: lambda block: read_options(_datatype_only(block), _ADDED_SPARSE, block.kind.upper())
        for kind in ("sparse", "index")
    },
}
"""What ALTER … ADD takes: less than CREATE."""
_ADDED_SPARSE: Table = {"modifier": _SPARSE["modifier"], "datatype": _DATATYPE}


def _datatype_only(block: nodes.Block) -> tuple[nodes.Option, ...]:
    sparse = block.kind != "vector"
    for option in block.options:
        if option.name in (_SPARSE if sparse else _VECTOR) and option.name not in _ADDED_SPARSE:
            way = "SPARSE name (INDEX (…))" if sparse else "VECTOR name (VECTOR (…))"
            hint = f"after it, ALTER COLLECTION … WITH {way} sets it"
            raise QQLPlanError(
                Diagnostic("misplaced-option", _LATER.format(f"`{option.name}`"), option.span, hint)
            )
    return block.options


def _alter_params(block: nodes.Block) -> dict[str, Any]:
    for option in block.options:
        if option.name in _PARAMS and option.name not in _ALTER_PARAMS:
            hint = "CREATE SHARD KEY and DROP SHARD KEY change the shards of a collection"
            message = f"`{option.name}` is settled when a collection is created"
            raise QQLPlanError(Diagnostic("misplaced-option", message, option.span, hint))
    return read_options(block.options, _ALTER_PARAMS, "PARAMS")


COLLECTION_BLOCKS: Blocks = {
    "hnsw": _block(_HNSW),
    "vector": _block(_VECTOR),
    "quantization": _quantization,
    "optimizers": _block(_OPTIMIZERS),
    "params": _block(_PARAMS),
    "wal": _block(_WAL),
    "strict_mode": _block(_STRICT_MODE),
    "metadata": _metadata,
}

ALTER_BLOCKS: Blocks = {
    **COLLECTION_BLOCKS,
    "vector": CHANGE_BLOCKS["dense"]["vector"],
    "quantization": _changed_quantization,
    "params": _alter_params,
    "wal": _refused("the write-ahead log is settled when a collection is created", "CREATE takes WITH WAL"),
}


def read_blocks(blocks: Iterable[nodes.Block], allowed: Blocks) -> dict[str, Any]:
    """The options of ``WITH HNSW (…)`` and its like by kind. Raises `QQLPlanError`.

    A kind that is not allowed here is ``misplaced-block``, a second one of its kind ``duplicate-clause``.
    """
    found: dict[str, Any] = {}
    places: dict[str, Span] = {}
    for block in blocks:
        word = f"WITH {block.kind.upper()}"
        if block.kind not in allowed:
            hint = f"the blocks here are {_listed(f'WITH {kind.upper()}' for kind in allowed)}"
            raise QQLPlanError(Diagnostic("misplaced-block", f"{word} has no meaning here", block.span, hint))
        if block.kind in places:
            related = ((places[block.kind], "given here first"),)
            message, hint = f"{word} stands twice", "give all of its options in one block"
            raise QQLPlanError(Diagnostic("duplicate-clause", message, block.span, hint, related))
        places[block.kind] = block.span
        found[block.kind] = allowed[block.kind](block)
    return found
