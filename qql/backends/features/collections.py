"""Features of collections: how they are made and altered, and their indexes."""

from __future__ import annotations

from qql.rest.request import Request
from qql.rest.types import Json, JsonObject

from .base import AS_THEY_ARE, EXACT, NOT_ITS, ONE_PIECE, Feature, feature, request, write

__all__ = ["COLLECTIONS"]

_SHARED = "it protects a server that many share"
_LOG = "it manages its write-ahead log by itself"
_PLACE = "`memory` and `on_disk` of a vector say it"
_ALL_PROCESSORS = "OPTIMIZE runs when it is asked for, on all processors"
_MODIFIER = "the modifier of stored vectors stays; the vector can be dropped and added again"
_STORED = "noted: how data is stored cannot be chosen"
_NO_SEGMENTS = "noted: there are no segments to optimize"
_NO_INDEX = "noted: payload indexes are not used"
_NO_SPARSE_INDEX = "noted: sparse vectors have no index"
_FLOAT32 = "noted: vectors are kept as float32"
_NO_LIMITS = "noted: its limits are not enforced"
_NO_LOG = "noted: there is no write-ahead log"
_IN_ONE_PIECE = "noted: there is one copy of the data, in one piece"


def _create_fresh(part: JsonObject, **vector: Json) -> Request:
    dense = {"size": 4, "distance": "Cosine", **vector}
    return request("PUT", "", {"vectors": {"dense": dense}, **part}, to="fresh")


def _alter_docs(change: JsonObject) -> Request:
    return request("PATCH", "", change)


def _index_field(schema: Json, field: str = "fresh") -> Request:
    return write("PUT", "index", {"field_name": field, "field_schema": schema})


_TEXT: JsonObject = {"type": "text"}

COLLECTIONS: tuple[Feature, ...] = (
    feature("create", "CREATE COLLECTION c (dense VECTOR(4, COSINE))", _create_fresh({})),
    feature(
        "create.unnamed",
        "CREATE COLLECTION c VECTOR(4, COSINE)",
        request("PUT", "", {"vectors": {"size": 4, "distance": "Dot"}}, to="fresh"),
    ),
    feature("create.distances", "EUCLID, MANHATTAN, DOT", _create_fresh({}, distance="Manhattan")),
    feature(
        "create.sparse",
        "words SPARSE WITH SPARSE (modifier = 'idf')",
        _create_fresh({"sparse_vectors": {"words": {"modifier": "idf"}}}),
    ),
    feature(
        "create.sparse.index",
        "WITH INDEX (on_disk = true, full_scan_threshold = 100)",
        _create_fresh(
            {"sparse_vectors": {"words": {"index": {"on_disk": True, "full_scan_threshold": 100}}}}
        ),
        local=_NO_SPARSE_INDEX,
    ),
    feature(
        "create.multivector",
        "WITH MULTIVECTOR (comparator = 'max_sim')",
        _create_fresh({}, multivector_config={"comparator": "max_sim"}),
    ),
    feature(
        "create.datatype",
        "WITH VECTOR (datatype = 'float16')",
        _create_fresh({}, datatype="float16"),
        local=_FLOAT32,
    ),
    feature(
        "create.datatype.turbo4",
        "WITH VECTOR (datatype = 'turbo4')",
        _create_fresh({}, datatype="turbo4"),
        since="1.19",
        local=_FLOAT32,
    ),
    feature(
        "create.datatype.turbo8",
        "WITH VECTOR (datatype = 'turbo8')",
        _create_fresh({}, datatype="turbo8"),
        since="1.20",
        local=_FLOAT32,
    ),
    feature(
        "create.vector.on-disk",
        "WITH VECTOR (on_disk = true)",
        _create_fresh({}, on_disk=True),
        local=_STORED,
    ),
    feature(
        "create.vector.memory",
        "WITH VECTOR (memory = 'cold')",
        _create_fresh({}, memory="cold"),
        since="1.19",
        local=_STORED,
    ),
    feature(
        "create.vector.hnsw",
        "dense VECTOR(…) WITH HNSW (m = 8)",
        _create_fresh({}, hnsw_config={"m": 8}),
        local=EXACT,
    ),
    feature(
        "create.hnsw",
        "WITH HNSW (m = 8, payload_m = 4)",
        _create_fresh({"hnsw_config": {"m": 8, "payload_m": 4}}),
        local=EXACT,
    ),
    feature(
        "create.hnsw.inline-storage",
        "WITH HNSW (inline_storage = true)",
        _create_fresh({"hnsw_config": {"inline_storage": True}}),
        since="1.16",
        local=EXACT,
    ),
    feature(
        "create.quantization.scalar",
        "WITH QUANTIZATION (type = 'scalar')",
        _create_fresh({"quantization_config": {"scalar": {"type": "int8"}}}),
        local=AS_THEY_ARE,
    ),
    feature(
        "create.quantization.product",
        "WITH QUANTIZATION (type = 'product')",
        _create_fresh({"quantization_config": {"product": {"compression": "x4"}}}),
        local=AS_THEY_ARE,
    ),
    feature(
        "create.quantization.binary",
        "WITH QUANTIZATION (type = 'binary', encoding = 'two_bits')",
        _create_fresh(
            {"quantization_config": {"binary": {"encoding": "two_bits", "query_encoding": "scalar8bits"}}}
        ),
        since="1.15",
        local=AS_THEY_ARE,
    ),
    feature(
        "create.quantization.turbo",
        "WITH QUANTIZATION (type = 'turbo', bits = 4)",
        _create_fresh({"quantization_config": {"turbo": {"bits": "bits4"}}}),
        since="1.18",
        local=AS_THEY_ARE,
    ),
    feature(
        "create.optimizers",
        "WITH OPTIMIZERS (indexing_threshold = 1000)",
        _create_fresh({"optimizers_config": {"indexing_threshold": 1000}}),
        local=_NO_SEGMENTS,
    ),
    feature(
        "create.optimizers.memmap",
        "WITH OPTIMIZERS (memmap_threshold = 1000)",
        _create_fresh({"optimizers_config": {"memmap_threshold": 1000}}),
        edge=_PLACE,
        local=_NO_SEGMENTS,
    ),
    feature(
        "create.optimizers.flush",
        "WITH OPTIMIZERS (flush_interval_sec = 5)",
        _create_fresh({"optimizers_config": {"flush_interval_sec": 5}}),
        edge=_LOG,
        local=_NO_SEGMENTS,
    ),
    feature(
        "create.optimizers.threads",
        "WITH OPTIMIZERS (max_optimization_threads = 2)",
        _create_fresh({"optimizers_config": {"max_optimization_threads": 2}}),
        edge=_ALL_PROCESSORS,
        local=_NO_SEGMENTS,
    ),
    feature(
        "create.optimizers.prevent-unoptimized",
        "WITH OPTIMIZERS (prevent_unoptimized = true)",
        _create_fresh({"optimizers_config": {"prevent_unoptimized": True}}),
        since="1.17.1",
        local=_NO_SEGMENTS,
    ),
    feature(
        "create.payload.on-disk",
        "WITH PARAMS (on_disk_payload = true)",
        _create_fresh({"on_disk_payload": True}),
        local=_STORED,
    ),
    feature(
        "create.payload.memory",
        "WITH PARAMS (payload_memory = 'cold')",
        _create_fresh({"payload": {"memory": "cold"}}),
        since="1.19",
        local=_STORED,
    ),
    feature(
        "create.id-tracker",
        "WITH PARAMS (id_tracker_memory = 'cold')",
        _create_fresh({"id_tracker": {"memory": "cold"}}),
        since="1.20",
        local=_STORED,
    ),
    feature(
        "create.wal",
        "WITH WAL (wal_capacity_mb = 32)",
        _create_fresh({"wal_config": {"wal_capacity_mb": 32}}),
        edge=_LOG,
        local=_NO_LOG,
    ),
    feature(
        "create.strict-mode",
        "WITH STRICT_MODE (enabled = true)",
        _create_fresh({"strict_mode_config": {"enabled": True}}),
        since="1.13",
        edge=_SHARED,
        local=_NO_LIMITS,
    ),
    feature(
        "create.shards",
        "WITH PARAMS (shard_number = 2)",
        _create_fresh({"shard_number": 2}),
        edge=ONE_PIECE,
        local=_IN_ONE_PIECE,
    ),
    feature(
        "create.replicas",
        "WITH PARAMS (replication_factor = 2)",
        _create_fresh({"replication_factor": 2}),
        edge=ONE_PIECE,
        local=_IN_ONE_PIECE,
    ),
    feature(
        "create.sharding",
        "WITH PARAMS (sharding_method = 'custom')",
        _create_fresh({"sharding_method": "custom"}),
        edge=ONE_PIECE,
        local=NOT_ITS,
    ),
    feature(
        "create.metadata",
        "MODEL '…' of a vector, kept in the collection's metadata",
        _create_fresh({"metadata": {"a": 1}}),
        since="1.16",
    ),
    feature(
        "alter.metadata",
        "ALTER COLLECTION docs … (models)",
        _alter_docs({"metadata": {"b": 2}}),
        since="1.16",
    ),
    feature(
        "alter.hnsw",
        "ALTER COLLECTION docs WITH HNSW (m = 8)",
        _alter_docs({"hnsw_config": {"m": 8}}),
        local=EXACT,
    ),
    feature(
        "alter.optimizers",
        "… WITH OPTIMIZERS (indexing_threshold = 1000)",
        _alter_docs({"optimizers_config": {"indexing_threshold": 1000}}),
        local=_NO_SEGMENTS,
    ),
    feature(
        "alter.quantization",
        "… WITH QUANTIZATION (type = 'scalar')",
        _alter_docs({"quantization_config": {"scalar": {"type": "int8"}}}),
        local=AS_THEY_ARE,
    ),
    feature(
        "alter.quantization.disabled",
        "… WITH QUANTIZATION (disabled = true)",
        _alter_docs({"quantization_config": "Disabled"}),
        local=AS_THEY_ARE,
    ),
    feature(
        "alter.vector",
        "… WITH VECTOR dense (HNSW (m = 8), VECTOR (on_disk = true))",
        _alter_docs({"vectors": {"dense": {"hnsw_config": {"m": 8}, "on_disk": True}}}),
        local=EXACT,
    ),
    feature(
        "alter.sparse",
        "… WITH SPARSE words (INDEX (on_disk = true))",
        _alter_docs({"sparse_vectors": {"words": {"index": {"on_disk": True}}}}),
        local=_NO_SPARSE_INDEX,
    ),
    feature(
        "alter.sparse.modifier",
        "… WITH SPARSE sparse (SPARSE (modifier = 'idf'))",
        _alter_docs({"sparse_vectors": {"sparse": {"modifier": "idf"}}}),
        edge=_MODIFIER,
    ),
    feature(
        "alter.params",
        "… WITH PARAMS (on_disk_payload = true)",
        _alter_docs({"params": {"on_disk_payload": True}}),
        local=_STORED,
    ),
    feature(
        "alter.payload.memory",
        "… WITH PARAMS (payload_memory = 'cold')",
        _alter_docs({"params": {"payload": {"memory": "cold"}}}),
        since="1.19",
        local=_STORED,
    ),
    feature(
        "alter.id-tracker",
        "… WITH PARAMS (id_tracker_memory = 'cold')",
        _alter_docs({"params": {"id_tracker": {"memory": "cold"}}}),
        since="1.20",
        local=_STORED,
    ),
    feature(
        "alter.replicas",
        "… WITH PARAMS (replication_factor = 2)",
        _alter_docs({"params": {"replication_factor": 2}}),
        edge=ONE_PIECE,
        local=_IN_ONE_PIECE,
    ),
    feature(
        "alter.fan-out",
        "… WITH PARAMS (read_fan_out_factor = 2)",
        _alter_docs({"params": {"read_fan_out_factor": 2}}),
        edge=ONE_PIECE,
        local=_IN_ONE_PIECE,
    ),
    feature(
        "alter.fan-out.delay",
        "… WITH PARAMS (read_fan_out_delay_ms = 5)",
        _alter_docs({"params": {"read_fan_out_delay_ms": 5}}),
        since="1.17",
        edge=ONE_PIECE,
        local=_IN_ONE_PIECE,
    ),
    feature(
        "alter.strict-mode",
        "… WITH STRICT_MODE (enabled = true)",
        _alter_docs({"strict_mode_config": {"enabled": True}}),
        since="1.13",
        edge=_SHARED,
        local=_NO_LIMITS,
    ),
    feature(
        "alter.add-vector",
        "ALTER COLLECTION docs ADD more VECTOR(3, DOT)",
        request("PUT", "vectors/more", {"dense": {"size": 3, "distance": "Dot"}}),
        since="1.18",
    ),
    feature(
        "alter.add-multivector",
        "ALTER COLLECTION docs ADD … WITH MULTIVECTOR (…)",
        request(
            "PUT",
            "vectors/more",
            {"dense": {"size": 3, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}},
        ),
        since="1.18",
    ),
    feature(
        "alter.add-sparse",
        "ALTER COLLECTION docs ADD more SPARSE",
        request("PUT", "vectors/more", {"sparse": {"modifier": "idf"}}),
        since="1.18",
    ),
    feature(
        "alter.drop-vector",
        "ALTER COLLECTION docs DROP VECTOR sparse",
        request("DELETE", "vectors/sparse"),
        since="1.18",
    ),
    feature(
        "index.keyword", "CREATE INDEX ON docs FOR f TYPE keyword", _index_field("keyword"), local=_NO_INDEX
    ),
    feature(
        "index.integer", "CREATE INDEX ON docs FOR f TYPE integer", _index_field("integer"), local=_NO_INDEX
    ),
    feature("index.float", "CREATE INDEX ON docs FOR f TYPE float", _index_field("float"), local=_NO_INDEX),
    feature("index.geo", "CREATE INDEX ON docs FOR f TYPE geo", _index_field("geo"), local=_NO_INDEX),
    feature("index.text", "CREATE INDEX ON docs FOR f TYPE text", _index_field("text"), local=_NO_INDEX),
    feature("index.bool", "CREATE INDEX ON docs FOR f TYPE bool", _index_field("bool"), local=_NO_INDEX),
    feature(
        "index.datetime",
        "CREATE INDEX ON docs FOR f TYPE datetime",
        _index_field("datetime"),
        local=_NO_INDEX,
    ),
    feature(
        "index.uuid",
        "CREATE INDEX ON docs FOR f TYPE uuid",
        _index_field("uuid"),
        since="1.11",
        local=_NO_INDEX,
    ),
    feature(
        "index.tenant",
        "WITH (is_tenant = true)",
        _index_field({"type": "keyword", "is_tenant": True}),
        since="1.11",
        local=_NO_INDEX,
    ),
    feature(
        "index.principal",
        "WITH (is_principal = true)",
        _index_field({"type": "integer", "is_principal": True}),
        since="1.11",
        local=_NO_INDEX,
    ),
    feature(
        "index.lookup-range",
        "WITH (lookup = true, range = false)",
        _index_field({"type": "integer", "lookup": True, "range": False}),
        local=_NO_INDEX,
    ),
    feature(
        "index.prefix",
        "WITH (prefix = true)",
        _index_field({"type": "keyword", "prefix": True}),
        since="1.19",
        local=_NO_INDEX,
    ),
    feature(
        "index.on-disk",
        "WITH (on_disk = true)",
        _index_field({"type": "keyword", "on_disk": True}),
        since="1.11",
        local=_NO_INDEX,
    ),
    feature(
        "index.memory",
        "WITH (memory = 'cold')",
        _index_field({"type": "keyword", "memory": "cold"}),
        since="1.19",
        local=_NO_INDEX,
    ),
    feature(
        "index.enable-hnsw",
        "WITH (enable_hnsw = false)",
        _index_field({"type": "keyword", "enable_hnsw": False}),
        since="1.17",
        local=_NO_INDEX,
    ),
    feature(
        "index.nested",
        "WITH (nested = 'parts')",
        _index_field({"type": "integer", "nested": "parts"}, "parts[].size"),
        since="1.20",
        local=_NO_INDEX,
    ),
    feature(
        "index.text.tokenizer",
        "WITH (tokenizer = 'word', min_token_len = 2, lowercase = true)",
        _index_field(
            _TEXT | {"tokenizer": "word", "min_token_len": 2, "max_token_len": 9, "lowercase": True}
        ),
        local=_NO_INDEX,
    ),
    feature(
        "index.text.multilingual",
        "WITH (tokenizer = 'multilingual')",
        _index_field(_TEXT | {"tokenizer": "multilingual"}),
        local=_NO_INDEX,
    ),
    feature(
        "index.text.code",
        "WITH (tokenizer = 'code')",
        _index_field(_TEXT | {"tokenizer": "code"}),
        since="1.20",
        local=_NO_INDEX,
    ),
    feature(
        "index.text.phrase",
        "WITH (phrase_matching = true)",
        _index_field(_TEXT | {"phrase_matching": True}),
        since="1.15",
        local=_NO_INDEX,
    ),
    feature(
        "index.text.stemmer",
        "WITH (stemmer = 'english')",
        _index_field(_TEXT | {"stemmer": {"type": "snowball", "language": "english"}}),
        since="1.15",
        local=_NO_INDEX,
    ),
    feature(
        "index.text.stopwords",
        "WITH (stopwords = 'english')",
        _index_field(_TEXT | {"stopwords": {"languages": ["english"], "custom": ["foo"]}}),
        since="1.15",
        local=_NO_INDEX,
    ),
    feature(
        "index.text.folding",
        "WITH (ascii_folding = true)",
        _index_field(_TEXT | {"ascii_folding": True}),
        since="1.16",
        local=_NO_INDEX,
    ),
    feature(
        "index.text.scoring", "WITH (scoring = true)", _index_field(_TEXT | {"scoring": True}), since="1.20"
    ),
    feature("index.drop", "DROP INDEX ON docs FOR f", request("DELETE", "index/word", wait="true")),
)
