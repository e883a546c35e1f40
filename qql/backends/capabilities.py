"""What each engine can do, row by row: the table behind the documentation, held to the engines by a test.

``edge`` (the embedded engine) and ``local`` (qdrant-client's local mode) are `YES`; or begin with
``noted: ``, where the request is carried out and a note says what has no effect; or are the reason of a
refusal. ``server`` is the first version of Qdrant that can do it. Servers before 1.10 have no query API, so
nothing is older here.

What is asked of the engines to see whether a row is true is in `probes`.
"""

from __future__ import annotations

from dataclasses import dataclass

from qql.rest.request import Request

from .probes import PROBES

__all__ = ["FEATURES", "YES", "Feature"]

YES = "yes"

_EMBEDS = "no model runs in it; QQL turns texts into vectors on this side"
_ONE_PIECE = "it keeps a collection in one piece on one machine"
_ONE_COPY = "there is one copy of the data: what is read is consistent, what is written keeps its order"
_SHARED = "it protects a server that many share"
_RUNS_ON = "noted: a statement runs until it is done"
_AT_ONCE = "noted: changes are made at once"
_LOG = "it manages its write-ahead log by itself"
_PLACE = "`memory` and `on_disk` of a vector say it"
_ALL_PROCESSORS = "OPTIMIZE runs when it is asked for, on all processors"
_MODIFIER = "the modifier of stored vectors stays; the vector can be dropped and added again"
_NO_MATRIX = "a QUERY for each point, with the others' ids as its filter, gives the same numbers"
_NO_MMR = "MMR requires a dense vector or a multivector"
_DOWNLOAD = "a snapshot is recovered from a file"
_EACH = "each collection has snapshots of its own"
_NOT_ITS = "it has none"
_EXACT = "noted: every search is exact"
_AS_THEY_ARE = "noted: vectors are kept as they are"
_STORED = "noted: how data is stored cannot be chosen"
_NO_SEGMENTS = "noted: there are no segments to optimize"
_NO_INDEX = "noted: payload indexes are not used"
_NO_SPARSE_INDEX = "noted: sparse vectors have no index"
_FLOAT32 = "noted: vectors are kept as float32"
_NO_LIMITS = "noted: its limits are not enforced"
_NO_LOG = "noted: there is no write-ahead log"
_IN_ONE_PIECE = "noted: there is one copy of the data, in one piece"


@dataclass(frozen=True, slots=True)
class Feature:
    """One row. ``id`` begins with the kind of thing (``target.``, ``filter.``, ``alter.``, …)."""

    id: str
    title: str
    """As QQL writes it."""
    edge: str
    server: str
    """E.g. ``"1.17"``."""
    local: str

    @property
    def probe(self) -> tuple[Request, ...]:
        """Requests that are carried out in order; the last one is what the row is about."""
        return PROBES[self.id]


_ROWS: tuple[tuple[str, str, str, str, str], ...] = (
    ("target.vector", "QUERY [0.1, …]", YES, "1.10", YES),
    ("target.sparse", "QUERY {indices: […], values: […]}", YES, "1.10", YES),
    ("target.multivector", "QUERY [[0.1, …], …]", YES, "1.10", YES),
    ("target.text", "QUERY 'text' MODEL 'm', embedded by the engine", _EMBEDS, "1.15", _EMBEDS),
    ("target.image", "QUERY IMAGE '…' MODEL 'm', embedded by the engine", _EMBEDS, "1.14", _EMBEDS),
    ("target.point", "QUERY POINT 1", YES, "1.10", YES),
    ("target.points", "QUERY POINTS (1, 2)", YES, "1.10", YES),
    ("target.recommend.average-vector", "QUERY RECOMMEND … STRATEGY average_vector", YES, "1.10", YES),
    ("target.recommend.best-score", "QUERY RECOMMEND … STRATEGY best_score", YES, "1.10", YES),
    ("target.recommend.sum-scores", "QUERY RECOMMEND … STRATEGY sum_scores", YES, "1.14", YES),
    ("target.discover", "QUERY DISCOVER TARGET … CONTEXT (…)", YES, "1.10", YES),
    ("target.context", "QUERY CONTEXT (POSITIVE … NEGATIVE …)", YES, "1.10", YES),
    ("target.order-by", "QUERY ORDER BY field DESC START FROM 3", YES, "1.10", YES),
    ("target.sample", "QUERY SAMPLE RANDOM", YES, "1.11", YES),
    ("target.all", "QUERY without a target: points by id", YES, "1.10", YES),
    ("target.mmr", "QUERY MMR … DIVERSITY 0.5 CANDIDATES 10", YES, "1.15", YES),
    ("target.mmr.multivector", "QUERY MMR … USING a multivector", YES, "1.15", YES),
    ("target.mmr.sparse", "QUERY MMR … USING a sparse vector", _NO_MMR, "1.15", YES),
    ("target.relevance-feedback", "QUERY RELEVANCE FEEDBACK … STRATEGY NAIVE (…)", YES, "1.17", YES),
    ("target.full-text", "QUERY MATCH 'words' ON field (BM25 over a text index)", YES, "1.20", YES),
    ("target.full-text.parameters", "QUERY MATCH 'words' ON field (k = 1.2, b = 0.75)", YES, "1.20", YES),
    ("target.fusion.rrf", "FUSION RRF", YES, "1.10", YES),
    ("target.fusion.dbsf", "FUSION DBSF", YES, "1.11", YES),
    ("target.fusion.rrf-k", "FUSION RRF WITH (rrf_k = 20)", YES, "1.16", YES),
    ("target.fusion.weights", "FUSION RRF WITH (rrf_weights = […])", YES, "1.17", YES),
    ("target.rescore", "QUERY … PREFETCH (…): the union is scored again", YES, "1.10", YES),
    ("target.formula", "QUERY FORMULA … DEFAULTS (…)", YES, "1.14", YES),
    ("formula.arithmetic", "FORMULA with + - *", YES, "1.14", YES),
    ("formula.division", "FORMULA with /", YES, "1.14", YES),
    ("formula.functions", "FORMULA with ABS SQRT POW EXP LN LOG", YES, "1.14", YES),
    ("formula.max-min", "FORMULA with MAX MIN", YES, "1.20", YES),
    ("formula.acosh", "FORMULA with ACOSH", YES, "1.20", YES),
    ("formula.condition", "FORMULA with CASE WHEN … THEN …, MATCH(field, value)", YES, "1.14", YES),
    ("formula.filter", "FORMULA with CASE WHEN a AND b THEN …", YES, "1.14", YES),
    ("formula.geo-distance", "FORMULA with GEO_DISTANCE(lat, lon, field)", YES, "1.14", YES),
    ("formula.datetime", "FORMULA with DATETIME('…'), DATETIME_KEY('field')", YES, "1.14", YES),
    ("formula.lin-decay", "FORMULA with LIN_DECAY", YES, "1.14", YES),
    ("formula.exp-decay", "FORMULA with EXP_DECAY", YES, "1.14", YES),
    ("formula.gauss-decay", "FORMULA with GAUSS_DECAY", YES, "1.14", YES),
    ("filter.equal.string", "field = 'a'", YES, "1.10", YES),
    ("filter.equal.integer", "field = 1", YES, "1.10", YES),
    ("filter.equal.boolean", "field = true", YES, "1.10", YES),
    ("filter.not", "NOT …, !=", YES, "1.10", YES),
    ("filter.or", "… OR …", YES, "1.10", YES),
    ("filter.nesting", "(… OR …) AND …", YES, "1.10", YES),
    ("filter.min-should", "MIN SHOULD 1 (…, …)", YES, "1.10", YES),
    ("filter.range", "field >= 1 AND field < 3, BETWEEN", YES, "1.10", YES),
    ("filter.range.datetime", "field >= '2024-01-01T00:00:00Z'", YES, "1.10", YES),
    ("filter.in", "field IN ('a', 'b')", YES, "1.10", YES),
    ("filter.except", "field MATCH EXCEPT ('a', 'b'), NOT IN", YES, "1.10", YES),
    ("filter.is-null", "field IS NULL", YES, "1.10", YES),
    ("filter.is-empty", "field IS EMPTY", YES, "1.10", YES),
    ("filter.match.text", "field MATCH 'a b'", YES, "1.10", YES),
    ("filter.match.phrase", "field MATCH PHRASE 'a b'", YES, "1.15", YES),
    ("filter.match.tokens", "field MATCH TOKENS 'a b'", YES, "1.16", YES),
    ("filter.match.prefix", "field MATCH PREFIX 're'", YES, "1.19", YES),
    ("filter.match.substring", "field MATCH SUBSTRING 'ed'", YES, "1.20", YES),
    ("filter.id", "id = 1, id IN (…)", YES, "1.10", YES),
    ("filter.has-vector", "HAS_VECTOR name", YES, "1.13", YES),
    ("filter.nested", "NESTED('path', …)", YES, "1.10", YES),
    ("filter.slice", "SLICE(total, index)", YES, "1.19", YES),
    ("filter.values-count", "field VALUES_COUNT >= 2", YES, "1.10", YES),
    ("filter.geo-bbox", "field GEO_BBOX {…}", YES, "1.10", YES),
    ("filter.geo-radius", "field GEO_RADIUS {…}", YES, "1.10", YES),
    ("filter.geo-polygon", "field GEO_POLYGON {…}", YES, "1.10", YES),
    ("clause.prefetch", "PREFETCH (…) with WHERE, SCORE THRESHOLD and nested stages", YES, "1.10", YES),
    ("clause.score-threshold", "SCORE THRESHOLD 0.5", YES, "1.10", YES),
    ("clause.offset", "LIMIT 2 OFFSET 1", YES, "1.10", YES),
    ("clause.lookup-from", "LOOKUP FROM users VECTOR dense", YES, "1.10", YES),
    ("clause.with-payload", "WITH PAYLOAD (include = […])", YES, "1.10", YES),
    ("clause.with-payload.exclude", "WITH PAYLOAD (exclude = […])", YES, "1.10", YES),
    ("clause.with-vector", "WITH VECTOR (name)", YES, "1.10", YES),
    ("clause.group-by", "GROUP BY field SIZE 2", YES, "1.11", YES),
    ("clause.group-by.lookup", "GROUP BY field LOOKUP FROM users", YES, "1.11", YES),
    ("clause.shard", "SHARD 'key'", _ONE_PIECE, "1.10", _NOT_ITS),
    ("params.hnsw-ef", "PARAMS (hnsw_ef = 64)", YES, "1.10", _EXACT),
    ("params.exact", "PARAMS (exact = true)", YES, "1.10", YES),
    ("params.indexed-only", "PARAMS (indexed_only = true)", YES, "1.10", _EXACT),
    ("params.quantization", "PARAMS (quantization = {…})", YES, "1.10", _AS_THEY_ARE),
    ("params.acorn", "PARAMS (acorn = true)", YES, "1.16", _EXACT),
    ("params.idf", "PARAMS (idf = 'global')", YES, "1.19", YES),
    ("params.idf.corpus", "PARAMS (idf = WHERE …)", YES, "1.19", YES),
    ("params.timeout", "PARAMS (timeout = 10)", _RUNS_ON, "1.10", _RUNS_ON),
    ("params.consistency", "PARAMS (consistency = 'majority')", _ONE_COPY, "1.10", YES),
    ("read.scroll", "SCROLL FROM docs WHERE … LIMIT 10", YES, "1.10", YES),
    ("read.scroll.after", "SCROLL … AFTER 3", YES, "1.10", YES),
    ("read.scroll.order-by", "SCROLL … ORDER BY field", YES, "1.10", YES),
    ("read.count", "COUNT FROM docs WHERE …", YES, "1.10", YES),
    ("read.count.approximate", "COUNT … WITH (exact = false)", YES, "1.10", YES),
    ("read.facet", "FACET word FROM docs WHERE …", YES, "1.12", YES),
    ("read.facet.exact", "FACET … EXACT true", YES, "1.12", YES),
    ("read.batch", "BATCH { QUERY …; QUERY …; }", YES, "1.10", YES),
    ("read.matrix", "(no QQL) the matrix of distances", _NO_MATRIX, "1.12", _NOT_ITS),
    ("write.upsert", "UPSERT INTO docs VALUES {…}", YES, "1.10", YES),
    ("write.upsert.columns", "(no QQL) points as columns", YES, "1.10", YES),
    ("write.upsert.insert-only", "UPSERT … UPDATE MODE insert_only", YES, "1.17", YES),
    ("write.upsert.update-only", "UPSERT … UPDATE MODE update_only", YES, "1.17", YES),
    ("write.upsert.filter", "UPSERT … UPDATE FILTER …", YES, "1.16", YES),
    ("write.upsert.text", "UPSERT with a text, embedded by the engine", _EMBEDS, "1.15", _EMBEDS),
    ("write.payload", "UPDATE docs SET PAYLOAD = {…} WHERE …", YES, "1.10", YES),
    ("write.payload.key", "UPDATE docs SET PAYLOAD = {…} KEY path WHERE …", YES, "1.10", YES),
    ("write.payload.overwrite", "UPDATE docs SET PAYLOAD = {…} OVERWRITE WHERE …", YES, "1.10", YES),
    ("write.payload.delete", "DELETE PAYLOAD a FROM docs WHERE …", YES, "1.10", YES),
    ("write.payload.clear", "CLEAR PAYLOAD FROM docs WHERE …", YES, "1.10", YES),
    ("write.vectors", "UPDATE docs SET VECTOR dense = […] WHERE id = 1", YES, "1.10", YES),
    ("write.vectors.filter", "(no QQL) vectors with an update filter", YES, "1.16", YES),
    ("write.vectors.delete", "DELETE VECTOR sparse FROM docs WHERE …", YES, "1.10", YES),
    ("write.delete", "DELETE FROM docs WHERE …", YES, "1.10", YES),
    ("write.delete.ids", "DELETE FROM docs WHERE id IN (…)", YES, "1.10", YES),
    ("write.batch", "BATCH { UPSERT …; DELETE …; }, in order", YES, "1.10", YES),
    ("write.unwaited", "… WAIT false", _AT_ONCE, "1.10", _AT_ONCE),
    ("write.ordering", "(no QQL) ordering = strong", _ONE_COPY, "1.10", YES),
    ("write.timeout", "… WITH (timeout = 10)", _RUNS_ON, "1.17", _RUNS_ON),
    ("write.shard", "UPSERT … SHARD 'key'", _ONE_PIECE, "1.10", _NOT_ITS),
    ("create", "CREATE COLLECTION c (dense VECTOR(4, COSINE))", YES, "1.10", YES),
    ("create.unnamed", "CREATE COLLECTION c VECTOR(4, COSINE)", YES, "1.10", YES),
    ("create.distances", "EUCLID, MANHATTAN, DOT", YES, "1.10", YES),
    ("create.sparse", "words SPARSE WITH SPARSE (modifier = 'idf')", YES, "1.10", YES),
    (
        "create.sparse.index",
        "WITH INDEX (on_disk = true, full_scan_threshold = 100)",
        YES,
        "1.10",
        _NO_SPARSE_INDEX,
    ),
    ("create.multivector", "WITH MULTIVECTOR (comparator = 'max_sim')", YES, "1.10", YES),
    ("create.datatype", "WITH VECTOR (datatype = 'float16')", YES, "1.10", _FLOAT32),
    ("create.datatype.turbo4", "WITH VECTOR (datatype = 'turbo4')", YES, "1.19", _FLOAT32),
    ("create.datatype.turbo8", "WITH VECTOR (datatype = 'turbo8')", YES, "1.20", _FLOAT32),
    ("create.vector.on-disk", "WITH VECTOR (on_disk = true)", YES, "1.10", _STORED),
    ("create.vector.memory", "WITH VECTOR (memory = 'cold')", YES, "1.19", _STORED),
    ("create.vector.hnsw", "dense VECTOR(…) WITH HNSW (m = 8)", YES, "1.10", _EXACT),
    ("create.hnsw", "WITH HNSW (m = 8, payload_m = 4)", YES, "1.10", _EXACT),
    ("create.hnsw.inline-storage", "WITH HNSW (inline_storage = true)", YES, "1.16", _EXACT),
    ("create.quantization.scalar", "WITH QUANTIZATION (type = 'scalar')", YES, "1.10", _AS_THEY_ARE),
    ("create.quantization.product", "WITH QUANTIZATION (type = 'product')", YES, "1.10", _AS_THEY_ARE),
    (
        "create.quantization.binary",
        "WITH QUANTIZATION (type = 'binary', encoding = 'two_bits')",
        YES,
        "1.15",
        _AS_THEY_ARE,
    ),
    ("create.quantization.turbo", "WITH QUANTIZATION (type = 'turbo', bits = 4)", YES, "1.18", _AS_THEY_ARE),
    ("create.optimizers", "WITH OPTIMIZERS (indexing_threshold = 1000)", YES, "1.10", _NO_SEGMENTS),
    ("create.optimizers.memmap", "WITH OPTIMIZERS (memmap_threshold = 1000)", _PLACE, "1.10", _NO_SEGMENTS),
    ("create.optimizers.flush", "WITH OPTIMIZERS (flush_interval_sec = 5)", _LOG, "1.10", _NO_SEGMENTS),
    (
        "create.optimizers.threads",
        "WITH OPTIMIZERS (max_optimization_threads = 2)",
        _ALL_PROCESSORS,
        "1.10",
        _NO_SEGMENTS,
    ),
    ("create.payload.on-disk", "WITH PARAMS (on_disk_payload = true)", YES, "1.10", _STORED),
    ("create.payload.memory", "WITH PARAMS (payload_memory = 'cold')", YES, "1.19", _STORED),
    ("create.id-tracker", "WITH PARAMS (id_tracker_memory = 'cold')", YES, "1.20", _STORED),
    ("create.wal", "WITH WAL (wal_capacity_mb = 32)", _LOG, "1.10", _NO_LOG),
    ("create.strict-mode", "WITH STRICT_MODE (enabled = true)", _SHARED, "1.13", _NO_LIMITS),
    ("create.shards", "WITH PARAMS (shard_number = 2)", _ONE_PIECE, "1.10", _IN_ONE_PIECE),
    ("create.replicas", "WITH PARAMS (replication_factor = 2)", _ONE_PIECE, "1.10", _IN_ONE_PIECE),
    ("create.sharding", "WITH PARAMS (sharding_method = 'custom')", _ONE_PIECE, "1.10", _NOT_ITS),
    ("create.metadata", "MODEL '…' of a vector, kept in the collection's metadata", YES, "1.16", YES),
    ("alter.metadata", "ALTER COLLECTION docs … (models)", YES, "1.16", YES),
    ("alter.hnsw", "ALTER COLLECTION docs WITH HNSW (m = 8)", YES, "1.10", _EXACT),
    ("alter.optimizers", "… WITH OPTIMIZERS (indexing_threshold = 1000)", YES, "1.10", _NO_SEGMENTS),
    ("alter.quantization", "… WITH QUANTIZATION (type = 'scalar')", YES, "1.10", _AS_THEY_ARE),
    ("alter.quantization.disabled", "… WITH QUANTIZATION (disabled = true)", YES, "1.10", _AS_THEY_ARE),
    ("alter.vector", "… WITH VECTOR dense (HNSW (m = 8), VECTOR (on_disk = true))", YES, "1.10", _EXACT),
    ("alter.sparse", "… WITH SPARSE words (INDEX (on_disk = true))", YES, "1.10", _NO_SPARSE_INDEX),
    ("alter.sparse.modifier", "… WITH SPARSE sparse (SPARSE (modifier = 'idf'))", _MODIFIER, "1.10", YES),
    ("alter.params", "… WITH PARAMS (on_disk_payload = true)", YES, "1.10", _STORED),
    ("alter.replicas", "… WITH PARAMS (replication_factor = 2)", _ONE_PIECE, "1.10", _IN_ONE_PIECE),
    ("alter.fan-out", "… WITH PARAMS (read_fan_out_factor = 2)", _ONE_PIECE, "1.10", _IN_ONE_PIECE),
    ("alter.strict-mode", "… WITH STRICT_MODE (enabled = true)", _SHARED, "1.13", _NO_LIMITS),
    ("alter.add-vector", "ALTER COLLECTION docs ADD more VECTOR(3, DOT)", YES, "1.18", YES),
    ("alter.add-multivector", "ALTER COLLECTION docs ADD … WITH MULTIVECTOR (…)", YES, "1.18", YES),
    ("alter.add-sparse", "ALTER COLLECTION docs ADD more SPARSE", YES, "1.18", YES),
    ("alter.drop-vector", "ALTER COLLECTION docs DROP VECTOR sparse", YES, "1.18", YES),
    ("index.keyword", "CREATE INDEX ON docs FOR f TYPE keyword", YES, "1.10", _NO_INDEX),
    ("index.integer", "CREATE INDEX ON docs FOR f TYPE integer", YES, "1.10", _NO_INDEX),
    ("index.float", "CREATE INDEX ON docs FOR f TYPE float", YES, "1.10", _NO_INDEX),
    ("index.geo", "CREATE INDEX ON docs FOR f TYPE geo", YES, "1.10", _NO_INDEX),
    ("index.text", "CREATE INDEX ON docs FOR f TYPE text", YES, "1.10", _NO_INDEX),
    ("index.bool", "CREATE INDEX ON docs FOR f TYPE bool", YES, "1.10", _NO_INDEX),
    ("index.datetime", "CREATE INDEX ON docs FOR f TYPE datetime", YES, "1.10", _NO_INDEX),
    ("index.uuid", "CREATE INDEX ON docs FOR f TYPE uuid", YES, "1.11", _NO_INDEX),
    ("index.tenant", "WITH (is_tenant = true)", YES, "1.11", _NO_INDEX),
    ("index.principal", "WITH (is_principal = true)", YES, "1.11", _NO_INDEX),
    ("index.lookup-range", "WITH (lookup = true, range = false)", YES, "1.10", _NO_INDEX),
    ("index.prefix", "WITH (prefix = true)", YES, "1.19", _NO_INDEX),
    ("index.on-disk", "WITH (on_disk = true)", YES, "1.11", _NO_INDEX),
    ("index.memory", "WITH (memory = 'cold')", YES, "1.19", _NO_INDEX),
    ("index.enable-hnsw", "WITH (enable_hnsw = false)", YES, "1.17", _NO_INDEX),
    ("index.nested", "WITH (nested = 'parts')", YES, "1.20", _NO_INDEX),
    (
        "index.text.tokenizer",
        "WITH (tokenizer = 'word', min_token_len = 2, lowercase = true)",
        YES,
        "1.10",
        _NO_INDEX,
    ),
    ("index.text.multilingual", "WITH (tokenizer = 'multilingual')", YES, "1.10", _NO_INDEX),
    ("index.text.code", "WITH (tokenizer = 'code')", YES, "1.20", _NO_INDEX),
    ("index.text.phrase", "WITH (phrase_matching = true)", YES, "1.15", _NO_INDEX),
    ("index.text.stemmer", "WITH (stemmer = 'english')", YES, "1.15", _NO_INDEX),
    ("index.text.stopwords", "WITH (stopwords = 'english')", YES, "1.15", _NO_INDEX),
    ("index.text.folding", "WITH (ascii_folding = true)", YES, "1.16", _NO_INDEX),
    ("index.text.scoring", "WITH (scoring = true)", YES, "1.20", YES),
    ("index.drop", "DROP INDEX ON docs FOR f", YES, "1.10", YES),
    ("admin.list", "SHOW COLLECTIONS", YES, "1.10", YES),
    ("admin.show", "SHOW COLLECTION docs", YES, "1.10", YES),
    ("admin.exists", "IF EXISTS", YES, "1.10", YES),
    ("admin.drop", "DROP COLLECTION docs", YES, "1.10", YES),
    ("alias.create", "CREATE ALIAS now FOR docs", YES, "1.10", YES),
    ("alias.replace", "CREATE OR REPLACE ALIAS now FOR users", YES, "1.10", YES),
    ("alias.rename", "ALTER ALIAS now RENAME TO then", YES, "1.10", YES),
    ("alias.drop", "DROP ALIAS now", YES, "1.10", YES),
    ("alias.use", "QUERY … FROM now", YES, "1.10", YES),
    ("alias.show", "SHOW ALIASES", YES, "1.10", YES),
    ("alias.show.collection", "SHOW ALIASES ON docs", YES, "1.10", YES),
    ("snapshot.create", "CREATE SNAPSHOT ON docs", YES, "1.10", _NOT_ITS),
    ("snapshot.show", "SHOW SNAPSHOTS ON docs", YES, "1.10", _NOT_ITS),
    ("snapshot.drop", "DROP SNAPSHOT '…' ON docs", YES, "1.10", _NOT_ITS),
    ("snapshot.recover", "RESTORE SNAPSHOT '…' ON docs", YES, "1.10", _NOT_ITS),
    ("snapshot.recover.download", "RESTORE SNAPSHOT 'https://…' ON docs", _DOWNLOAD, "1.10", _NOT_ITS),
    ("snapshot.all", "(no QQL) a snapshot of all collections", _EACH, "1.10", _NOT_ITS),
    ("shard-key.create", "CREATE SHARD KEY 'eu' ON docs", _ONE_PIECE, "1.10", _NOT_ITS),
    ("shard-key.drop", "DROP SHARD KEY 'eu' ON docs", _ONE_PIECE, "1.10", _NOT_ITS),
    ("shard-key.show", "SHOW SHARD KEYS ON docs", _ONE_PIECE, "1.10", _NOT_ITS),
    ("quota.show", "SHOW QUOTAS", _SHARED, "1.19", _NOT_ITS),
    ("quota.set", "SET QUOTA (…)", _SHARED, "1.19", _NOT_ITS),
    ("cluster.show", "(no QQL) the state of a cluster", _ONE_PIECE, "1.10", _NOT_ITS),
)

FEATURES: tuple[Feature, ...] = tuple(Feature(*row) for row in _ROWS)
