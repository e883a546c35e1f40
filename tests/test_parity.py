"""What the v1 dialect's own implementation and ours both understand, they compile to the same request.

`pyqql` is the Rust implementation. Where it is wrong, the difference stands in `WRONGS` with the reason;
where it only writes the same thing in another way, `normal` takes the difference out.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import qql

pyqql = pytest.importorskip("pyqql")

Outcome = tuple[str, str, Any]


# ------------------------------------------------------------------------------------ comparing


def theirs(text: str, params: Any = None) -> Outcome:
    route = pyqql.compile(text, params) if params is not None else pyqql.compile(text)
    body = route["payload"]
    if isinstance(body, dict):
        if "prefetch" in body:
            # A reference's LOOKUP FROM is copied to the root, where nobody wrote it.
            body = {key: value for key, value in body.items() if key != "lookup_from"}
        if "sparse_vectors" in body and "modifier" not in text.lower():
            # Every sparse vector gets the modifier idf, which Qdrant does not give it by itself.
            for described in body["sparse_vectors"].values():
                described.pop("modifier", None)
    return route["method"], route["path"], normal(body)


def ours(text: str, params: Any = None) -> Outcome:
    (request,) = qql.compile(text, params)
    return request.method, unquote(request.path), normal(request.body)


def normal(value: Any) -> Any:
    """A body without differences that mean nothing."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, list):
        return [normal(item) for item in value]
    found = {key: normal(item) for key, item in value.items() if key != "filter"}
    if "filter" in value:
        found["filter"] = meaning(value["filter"])
    if found.get("model") == "":  # a placeholder for the model that an embedder puts in
        del found["model"]
    if found.get("always_ram") is False:  # Qdrant's own default
        del found["always_ram"]
    if found.get("direction") == "asc":  # the same
        del found["direction"]
    if "id" in found and found.get("vector") == {}:  # Qdrant's REST wants the key, pyqql leaves it out
        del found["vector"]
    if isinstance(found.get("vectors"), dict) and list(found["vectors"]) == [""]:
        found["vectors"] = found["vectors"][""]  # two spellings of the unnamed vector
    if isinstance(found.get("stopwords"), str):  # two spellings of one language
        found["stopwords"] = {"languages": [found["stopwords"]]}
    return found


def _number(value: float) -> float:
    """pyqql keeps vectors in 32 bits and widens them; whole numbers beyond 2**53 stay exact."""
    if isinstance(value, int) and abs(value) > 2**53:
        return value
    try:
        narrow = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        narrow = value
    return float(f"{narrow:.6g}") if math.isfinite(narrow) else value


def meaning(condition: Any) -> Any:
    """A filter as nested AND, OR and NOT: chains flat, wrappers of one taken off, order left out."""
    if not isinstance(condition, dict) or not condition.keys() <= {"must", "should", "must_not"}:
        return ("is", json.dumps(normal(condition), sort_keys=True))
    parts = [meaning(child) for child in condition.get("must", [])]
    if "should" in condition:
        parts.append(_joined("or", [meaning(child) for child in condition["should"]]))
    parts += [_not(meaning(child)) for child in condition.get("must_not", [])]
    return _joined("and", parts)


def _joined(word: str, parts: list[Any]) -> Any:
    flat: list[Any] = []
    for part in parts:
        flat += part[1] if part[0] == word else [part]
    return flat[0] if len(flat) == 1 else (word, sorted(flat, key=repr))


def _not(part: Any) -> Any:
    match part:
        case ("not", inner):
            return inner
        case ("and" | "or" as word, parts):
            return _joined("or" if word == "and" else "and", [_not(one) for one in parts])
    return ("not", part)


# ------------------------------------------------------------------------------------ by hand

UUID = "550e8400-e29b-41d4-a716-446655440000"
Q = "QUERY [0.5, 0.25] FROM docs"
F = "COUNT FROM docs WHERE"
V = "CREATE COLLECTION docs (a VECTOR(3, COSINE)"

SAME: list[str | tuple[str, Any]] = [
    # targets
    "QUERY 'x' FROM docs",
    'query "x" from docs limit 3',
    "QUERY TEXT `x` FROM docs",
    "QUERY NEAREST TEXT 'x' MODEL 'm' FROM docs",
    "QUERY TEXT 'x' MODEL 'm' FROM docs USING dense",
    "QUERY r'C:\\new' FROM docs",
    "QUERY '''two\nlines''' FROM docs",
    'QUERY """it\'s""" FROM docs',
    "QUERY 'it''s \\'here\\' \\\\ \\n \\$5' FROM docs",
    "QUERY [1] FROM docs",
    "QUERY VECTOR [0.1, -2, 3e-2] FROM docs",
    "QUERY NEAREST [1, 2] FROM docs",
    "QUERY [[1, 2], [3, 4]] FROM docs USING late",
    "QUERY {indices: [7, 3], values: [0.5, 1]} FROM docs USING words",
    'QUERY VECTOR {"values": [0.5], "indices": [4294967295]} FROM docs',
    "QUERY POINT 0 FROM docs",
    "QUERY POINT 18446744073709551615 FROM docs USING a",
    f"QUERY POINT '{UUID}' FROM docs",
    f"QUERY POINTS (1, '{UUID}') FROM docs WITH PAYLOAD false WITH VECTOR true",
    "QUERY POINTS (1) FROM docs WITH PAYLOAD INCLUDE (a) WITH VECTOR (v)",
    # clauses
    f"{Q} USING 'a b'",
    f"{Q} USING dense AS DENSE",
    "QUERY 'x' FROM docs USING words AS sparse",
    "QUERY {indices: [1], values: [1]} FROM docs USING words AS SPARSE",
    f"{Q} USING late AS MULTI LIMIT 1",
    f"{Q} USING late AS MULTIVECTOR",
    f"{Q} LIMIT 4294967295 OFFSET 0",
    f"{Q} OFFSET 3",
    f"{Q} SCORE THRESHOLD -0.5",
    f"{Q} SCORE THRESHOLD 1e-3 LIMIT 2",
    f"{Q} WITH PAYLOAD TRUE",
    f"{Q} WITH PAYLOAD INCLUDE (a, b.c, 'd e', tags[].x)",
    f"{Q} WITH PAYLOAD EXCLUDE (a)",
    f"{Q} WITH VECTOR",
    f"{Q} WITH VECTOR false",
    f"{Q} WITH VECTOR (a, 'b')",
    f"{Q} USING a WHERE b = 1 PARAMS (exact = true) SCORE THRESHOLD 0.5 WITH PAYLOAD true WITH VECTOR false"
    " LIMIT 10 OFFSET 5;",
    "QUERY [1] FROM collection LIMIT 3",
    "QUERY [1] FROM limit LIMIT 3",
    "QUERY [1] FROM 'my docs' LIMIT 3",
    "QUERY[1]FROM docs",
    "QUERY'x'FROM'docs'LIMIT 3",
    "-- before\nQUERY [1] -- inside\nFROM docs -- behind",
    "QUERY\t[1]\r\nFROM docs;",
    # params
    f"{Q} PARAMS (hnsw_ef = 64)",
    f"{Q} PARAMS (HNSW_EF = 64, Exact = FALSE)",
    f"{Q} PARAMS ('exact' = true, indexed_only = true)",
    f"{Q} PARAMS (acorn = true)",
    f"{Q} PARAMS (acorn = false)",
    f"{Q} PARAMS (acorn = true, max_selectivity = 0.4)",
    f"{Q} PARAMS (max_selectivity = 1, acorn = true)",
    f"{Q} PARAMS (quantization = {{ignore: true}})",
    f"{Q} PARAMS (quantization = {{Rescore: false, 'oversampling': 2.5}})",
    f"{Q} PARAMS (quantization = {{}})",
    f"{Q} PARAMS (timeout = 5, consistency = majority)",
    f"{Q} PARAMS (consistency = 'ALL', hnsw_ef = 3)",
    f"{Q} PARAMS (consistency = 2)",
    # filters
    f"{F} a = 'x'",
    f"{F} a=1 AND b=-1 AND c=1.5 AND d=true AND e=FALSE",
    f"{F} a = 9223372036854775807 OR a = -9223372036854775808",
    f"{F} a = 1e3 AND b = 01",
    f"{F} a != 1 AND c != 2.5 AND d != true",
    f"{F} a > 1 AND b >= 1.5 AND c < -2 AND d <= 0",
    f"{F} a > '2024-01-01' AND b <= '2024-01-01T00:00:00Z'",
    f"{F} a BETWEEN 1 AND 2 AND b = 3",
    f"{F} a between '2024-01-01' and '2024-12-31'",
    f"{F} NOT a BETWEEN -1.5 AND 2",
    f"{F} a IN (1, -2, 9223372036854775807, 1)",
    f"{F} a IN ('x', \"y\", `z`) AND b NOT IN (1)",
    f"{F} NOT a IN (1) OR NOT b NOT IN ('x')",
    f"{F} a IS NULL AND b IS NOT NULL AND c IS EMPTY AND d IS NOT EMPTY",
    f"{F} NOT a IS NULL OR NOT b IS NOT EMPTY",
    f"{F} a MATCH 'x y' AND b MATCH PHRASE 'x y' AND c MATCH PREFIX 'x' AND d MATCH TOKENS 'x y'",
    f"{F} a MATCH ANY ('x', 'y') AND b MATCH ANY (1) AND c MATCH EXCEPT ('x') AND d MATCH EXCEPT (1, 2)",
    f"{F} NOT a MATCH 'x'",
    f"{F} a = 1 OR b = 2 AND c = 3",
    f"{F} (a = 1 OR b = 2) AND (c = 3 OR NOT (d = 4 AND e != 5))",
    f"{F} NOT NOT NOT a = 1",
    f"{F} NOT (a = 1 OR b != 2)",
    f"{F} a = 1 AND (b = 2 AND (c = 3 OR (d = 4 OR e = 5)))",
    f"{F} ((a = 1))",
    f"{F} id = 1",
    f"{F} id IN (1, '{UUID}') AND a = 2",
    f"{F} id != 1 OR id NOT IN (2, 3)",
    f"{F} id = '{{{UUID}}}' OR id = 'urn:uuid:{UUID}' OR id = '{UUID.replace('-', '').upper()}'",
    f"{F} a.b = 1 AND a[].b = 2 AND 'd e' = 3 AND \"f\" = 4 AND `g.h` = 5 AND $i = 6",
    f"{F} limit = 1 AND type = 'x' AND score > 2 AND text = 'y' AND vector IS NULL",
    # fusion, prefetch, with
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1])",
    "query fusion dbsf from docs prefetch (query [1] limit 5, query 'x' using s limit 4) limit 3",
    "QUERY FUSION 'RRF' FROM docs PREFETCH (QUERY [1])",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1] USING a WHERE b = 1 SCORE THRESHOLD 0.5 LIMIT 3)",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1], QUERY [2]) PARAMS (rrf_k = 3, rrf_weights = [1, 0.5])",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1]) PARAMS (rrf_weights = [0.25])",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1]) PARAMS (rrf_k = 3, hnsw_ef = 5)",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1]) WHERE a = 1 SCORE THRESHOLD 0.1 LIMIT 3 OFFSET 1",
    "QUERY [1] FROM docs USING a PREFETCH (QUERY [2] USING b LIMIT 100) WHERE d = 1 LIMIT 5",
    "QUERY [1] FROM docs PREFETCH (QUERY [2] PREFETCH (QUERY [3] LIMIT 1000) LIMIT 100) LIMIT 10",
    "QUERY POINT 1 FROM docs PREFETCH (QUERY FUSION DBSF PREFETCH (QUERY [1], QUERY [2]), QUERY [3])",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1] LIMIT 5 LOOKUP FROM other VECTOR v)",
    "WITH a AS (QUERY [1] LIMIT 3) QUERY FUSION RRF FROM docs PREFETCH (a)",
    "with A as (query [1]), b as (query 'x' using s) query fusion dbsf from docs prefetch (a, B) limit 4",
    "WITH 'a b' AS (QUERY [1]) QUERY FUSION RRF FROM docs PREFETCH ('a b', QUERY [2] LIMIT 3)",
    "WITH a AS (QUERY [1] WHERE x = 1) QUERY FUSION RRF FROM docs PREFETCH (a WHERE y = 2)",
    "WITH a AS (QUERY [1] WHERE x = 1 OR z = 1) QUERY FUSION RRF FROM docs PREFETCH (a WHERE y = 2 OR w = 3)",
    "WITH a AS (QUERY [1] WHERE NOT x = 1) QUERY FUSION RRF FROM docs PREFETCH (a WHERE NOT y = 2, a)",
    "WITH a AS (QUERY [1] SCORE THRESHOLD 0.5) QUERY FUSION RRF FROM docs PREFETCH (a SCORE THRESHOLD 0)",
    "WITH a AS (QUERY [1]) QUERY FUSION RRF FROM docs"
    " PREFETCH (a WHERE y = 2 SCORE THRESHOLD 0.1 LOOKUP FROM other VECTOR 'v')",
    "WITH a AS (QUERY [1] LIMIT 100), b AS (QUERY [2] PREFETCH (a) LIMIT 10)"
    " QUERY [3] FROM docs PREFETCH (b) LIMIT 5",
    "WITH limit AS (QUERY [1]), query AS (QUERY [2]) QUERY FUSION RRF FROM docs PREFETCH (limit)",
    "WITH a AS (QUERY [1] FROM docs) QUERY FUSION RRF FROM docs PREFETCH (a)",
    "WITH a AS (QUERY TEXT 'x' MODEL 'm' USING v AS DENSE WHERE b = 1 PARAMS (hnsw_ef = 3)"
    " SCORE THRESHOLD 0.5 LIMIT 3) QUERY [1] FROM docs USING w PREFETCH (a) WHERE d = 1"
    " PARAMS (exact = true) SCORE THRESHOLD 0.1 WITH PAYLOAD INCLUDE (x) WITH VECTOR (y) LIMIT 5 OFFSET 2",
    # collections
    f"{V})",
    "create collection docs (a vector(3, dot), 'b c' VECTOR(4, EUCLID), d VECTOR(5, manhattan))",
    "CREATE COLLECTION docs ('' VECTOR(3, COSINE))",
    "CREATE COLLECTION docs",
    "CREATE COLLECTION docs ()",
    f"{V},)",
    "CREATE COLLECTION docs (s SPARSE)",
    "CREATE COLLECTION docs (s SPARSE WITH SPARSE (modifier = 'IDF', on_disk = true))",
    "CREATE COLLECTION docs (s SPARSE WITH SPARSE (modifier = none) WITH INDEX (full_scan_threshold = 100,"
    " datatype = 'float16', memory = pinned))",
    f"{V} WITH HNSW (m = 16, ef_construct = 100, full_scan_threshold = 10, max_indexing_threads = 2,"
    " on_disk = true, payload_m = 8, inline_storage = true, memory = 'cached'))",
    f"{V} WITH VECTOR (on_disk = true, datatype = Float16, memory = cold))",
    f"{V} WITH VECTOR (datatype = 'turbo4'))",
    f"{V} WITH MULTIVECTOR (comparator = 'MAX_SIM'))",
    f"{V} WITH QUANTIZATION (type = SCALAR, quantile = 0.99, always_ram = true))",
    f"{V} WITH QUANTIZATION (always_ram = false, type = 'scalar', memory = pinned))",
    f"{V} WITH QUANTIZATION (type = 'binary', encoding = 'two_bits', query_encoding = 'scalar8bits'))",
    f"{V} WITH QUANTIZATION (type = 'product', compression = X16))",
    f"{V} WITH QUANTIZATION (type = product))",
    f"{V} WITH QUANTIZATION (type = turbo, bits = 1.5, always_ram = true))",
    f"{V} WITH QUANTIZATION (type = turbo))",
    f"{V} WITH HNSW (m = 4) WITH VECTOR (on_disk = true) WITH QUANTIZATION (type = 'scalar')"
    " WITH MULTIVECTOR (comparator = max_sim))",
    f"{V}) WITH HNSW (m = 0)",
    f"{V}) WITH HNSW ()",
    f"{V}) WITH OPTIMIZERS (deleted_threshold = 0.2, vacuum_min_vector_number = 1000,"
    " default_segment_number = 2, max_segment_size = 200000, memmap_threshold = 50000,"
    " indexing_threshold = 20000, flush_interval_sec = 5, max_optimization_threads = 4)",
    f"{V}) WITH OPTIMIZERS (max_optimization_threads = 'AUTO', prevent_unoptimized = true)",
    f"{V}) WITH PARAMS (replication_factor = 2, write_consistency_factor = 1, on_disk_payload = true,"
    " shard_number = 3, sharding_method = custom)",
    f"{V}) WITH PARAMS (payload_memory = 'cold')",
    f"{V}) WITH WAL (wal_capacity_mb = 32, wal_segments_ahead = 0, wal_retain_closed = 1)",
    f"{V}, b VECTOR(4, DOT) WITH VECTOR (on_disk = false)) WITH VECTOR (on_disk = true, memory = cold)",
    f"{V}) WITH QUANTIZATION (type = 'scalar') WITH WAL (wal_capacity_mb = 5) WITH HNSW (m = 4)",
    f"{V}) WITH STRICT_MODE (enabled = true, max_query_limit = 100, max_timeout = 10,"
    " unindexed_filtering_retrieve = false, unindexed_filtering_update = false, search_max_hnsw_ef = 100,"
    " search_allow_exact = false, search_max_oversampling = 2.5, upsert_max_batchsize = 100,"
    " search_max_batchsize = 5, max_collection_vector_size_bytes = 5000000000, read_rate_limit = 5,"
    " write_rate_limit = 5, max_collection_payload_size_bytes = 5, filter_max_conditions = 5,"
    " condition_max_size = 5, max_points_count = 100, max_payload_index_count = 3,"
    " max_resident_memory_percent = 50, multivector_config = {a: {max_vectors: 3}},"
    " sparse_config = {s: {max_length: 3}})",
    f"{V}) WITH METADATA (Owner = 'me', 'a b' = {{c: [1, 'x']}}, d = word)",
    "DROP COLLECTION docs",
    "drop collection 'my docs';",
    "SHOW COLLECTIONS",
    "show collection docs;",
    # indexes
    "CREATE INDEX ON COLLECTION docs FOR f",
    "CREATE INDEX ON COLLECTION docs FOR a.b[].c TYPE KEYWORD WITH (is_tenant = true, on_disk = true,"
    " enable_hnsw = false, memory = 'cold', prefix = true)",
    "CREATE INDEX ON COLLECTION docs FOR 'a b' TYPE integer WITH (lookup = true, range = false) WAIT false",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE Float WITH (is_principal = true)",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE datetime WITH (is_principal = true, on_disk = true)",
    "CREATE INDEX ON COLLECTION docs FOR type TYPE uuid WITH (is_tenant = true)",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE geo WITH (on_disk = true)",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE bool WAIT true",
    "CREATE INDEX ON COLLECTION docs FOR f WITH (on_disk = true)",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE text WITH ()",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE text WITH (tokenizer = WORD, min_token_len = 2,"
    " max_token_len = 20, Lowercase = true, ascii_folding = true, phrase_matching = true)",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE text WITH (stopwords = 'English', stemmer = 'English')",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE text WITH (stopwords = ['a', 'b'], stemmer = none)",
    "CREATE INDEX ON COLLECTION docs FOR f TYPE text WITH"
    " (stopwords = {languages: ['english', 'german'], custom: ['foo']})",
    "DROP INDEX ON COLLECTION docs FOR a[].b",
    "DROP INDEX ON COLLECTION docs FOR 'a b'",
    # points
    "UPSERT INTO docs VALUES {id: 1}",
    "UPSERT INTO docs VALUES {'id': 1, \"a\": 'x', `b`: NULL, c: [1, 'x', null, true, [1], {d: -0.5}]}",
    f"UPSERT INTO docs VALUES {{id: '{UUID}', vector: [1, 2]}}, {{id: 2, vector: [[1, 2], [3, 4]]}};",
    "UPSERT INTO docs VALUES {id: 1, vector: {a: [1, 2], b: {indices: [1], values: [0.5]}, c: [[1, 2]]}}",
    "UPSERT INTO docs VALUES {id: 1, vector: {indices: [1], values: [0.5]}} WAIT false",
    "UPSERT INTO docs VALUES {id: 1, limit: 1, from: 2, null: 4, true: 5, 6: 7, 1.5: 8, -1: 9}",
    "UPSERT INTO docs VALUES {id: 18446744073709551615, a: -9223372036854775808, b: 1e3, c: ''}",
    'UPSERT INTO docs VALUES {"id": 1, "a": "é😀\\n", "b": {"c": []}}',
    "UPSERT INTO docs VALUES {id: 1, payload: {a: 1}}",
    "DELETE FROM docs WHERE id = 1",
    f"DELETE FROM docs WHERE id IN (1, '{UUID}') WAIT true",
    "DELETE FROM docs WHERE ((id IN (1, 1)))",
    "DELETE FROM docs WHERE id = 1 OR id = 2",
    "DELETE FROM docs WHERE NOT id = 1",
    "DELETE FROM docs WHERE a IN ('x') AND b > 1",
    "COUNT FROM docs",
    "COUNT FROM 'my docs' WHERE a = 1 WITH (exact = FALSE);",
    "SCROLL FROM docs LIMIT 3",
    "SCROLL FROM docs WHERE a = 1 AFTER 5 LIMIT 3",
    f"SCROLL FROM docs AFTER '{UUID}' LIMIT 3",
    "SCROLL FROM docs ORDER BY a LIMIT 3",
    "SCROLL FROM docs WHERE a = 1 ORDER BY 'a b' DESC LIMIT 3",
    "SCROLL FROM docs ORDER BY a ASC START FROM 1.5 LIMIT 3",
    "SCROLL FROM docs ORDER BY a START FROM '2024-01-01' LIMIT 3",
    "SCROLL FROM docs WITH PAYLOAD EXCLUDE (a) WITH VECTOR true LIMIT 3",
    # parameters
    ("QUERY :q FROM docs LIMIT :n OFFSET :o", {"q": "x", "n": 3, "o": 2}),
    ("QUERY :q FROM docs", {"q": [1.0, 2.0]}),
    ("QUERY :q FROM docs", {"q": {"indices": [1], "values": [0.5]}}),
    ("QUERY :q FROM docs", {"q": [[1.0], [2.0]]}),
    ("QUERY :q FROM docs", {"q": 5}),
    ("QUERY ? FROM docs WHERE a = ? AND b > ? LIMIT ?", ["x", True, 1.5, 3]),
    ("QUERY POINT :i FROM docs", {"i": 7}),
    ("QUERY POINTS (:i, 8) FROM docs", {"i": 7}),
    (f"{F} a IN (:t, 'z') AND a = :t", {"t": "x"}),
    (f"{F} a BETWEEN :x AND :y AND id IN (:i, 8)", {"x": 1, "y": 2, "i": 7}),
    (f"{F} a = :m OR b IN (:m)", {"m": "it's -- ';"}),
    ("UPSERT INTO docs VALUES :rows", {"rows": [{"id": 1, "a": 2}]}),
    ("UPSERT INTO docs VALUES {id: :i, a: :a, vector: :v}", {"i": 1, "a": {"b": "x"}, "v": [1, 2]}),
    ("SCROLL FROM docs AFTER :a LIMIT :n", {"a": 5, "n": 2}),
    ("DELETE FROM docs WHERE id IN (:a, :b)", {"a": 1, "b": 2}),
]


@pytest.mark.parametrize("case", SAME, ids=lambda case: case if isinstance(case, str) else case[0])
def test_same_request(case: str | tuple[str, Any]) -> None:
    text, params = (case, None) if isinstance(case, str) else case
    assert ours(text, params) == theirs(text, params)


WRONGS: dict[str, list[str | tuple[str, Any]]] = {
    "null is equal to nothing; Qdrant refuses match.value null": [f"{F} a = null", f"{F} a != null"],
    "texts have no order in Qdrant, only numbers and dates": [f"{F} a > 'abc'", f"{F} a BETWEEN 'a' AND 'b'"],
    "a range that is reversed, or of a number and a date, holds nothing": [
        f"{F} a BETWEEN 2 AND 1",
        f"{F} a BETWEEN 1 AND '2024-01-01'",
    ],
    "a bare word is taken for a text, which hides a missing quote and looks like another field": [
        f"{F} a = b",
        f"{F} a = LIMIT AND b = 2",
        f"{F} a IN (b, c)",
        "UPSERT INTO docs VALUES {id: 1, a: NaN}",
    ],
    "names are case-sensitive: a payload may have a field ID": [
        f"{F} ID = 1",
        "UPSERT INTO docs VALUES {ID: 1}",
        "UPSERT INTO docs VALUES {id: 1, VECTOR: [1]}",
        "QUERY {INDICES: [1], Values: [0.5]} FROM docs",
    ],
    "the guide dialect: the text of a UUID behind QUERY is a point; TEXT makes it a text": [
        f"QUERY '{UUID}' FROM docs",
        ("QUERY :q FROM docs", {"q": UUID}),
    ],
    "an empty text has no meaning to search for": ["QUERY '' FROM docs"],
    "vectors that Qdrant refuses, or in which a part would be ignored": [
        "QUERY [[1, 2], [3]] FROM docs",
        "QUERY {indices: [1, 1], values: [1, 2]} FROM docs",
        "QUERY {indices: [1], values: [1], x: 1} FROM docs",
    ],
    "LIMIT and OFFSET are 32-bit numbers": [f"{Q} LIMIT 4294967296", f"{Q} OFFSET 4294967296"],
    "values that Qdrant's own schema refuses": [
        f"{Q} PARAMS (quantization = {{oversampling: 0.5}})",
        f"{Q} PARAMS (consistency = 0)",
        f"{Q} PARAMS (hnsw_ef = 4294967296)",
        f"{V} WITH QUANTIZATION (type = 'scalar', quantile = 0.4))",
        f"{V}) WITH HNSW (ef_construct = 3)",
        f"{V}) WITH OPTIMIZERS (vacuum_min_vector_number = 10)",
        f"{V}) WITH WAL (wal_retain_closed = 0)",
        "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1]) PARAMS (rrf_weights = [-1])",
        "CREATE INDEX ON COLLECTION docs FOR f TYPE keyword WITH (lookup = true)",
        "CREATE INDEX ON COLLECTION docs FOR f TYPE bool WITH (is_tenant = true)",
        "SCROLL FROM docs AFTER 5 ORDER BY a LIMIT 3",
    ],
    "a stage's clause or collection that cannot be carried out is dropped in silence": [
        "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1] OFFSET 2)",
        "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1] WITH PAYLOAD true)",
        "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1] FROM other)",
        "WITH a AS (QUERY [1] FROM other) QUERY FUSION RRF FROM docs PREFETCH (a)",
    ],
    "of two that exclude one another the last wins in silence": [
        f"{V}, a VECTOR(4, DOT))",
        f"{V} WITH HNSW (m = 4) WITH HNSW (m = 5))",
    ],
    "`disabled` belongs to ALTER; here it is dropped in silence": [
        f"{V} WITH QUANTIZATION (disabled = true))"
    ],
    "a number that runs into a word is a slip": [f"{Q} LIMIT 3OFFSET 2"],
    "Qdrant allows no such name, and a slash would name another route": [
        "SHOW COLLECTION 'a/b'",
        "SHOW COLLECTION 'a?b'",
        "SHOW COLLECTION ''",
    ],
}


@pytest.mark.parametrize(
    ("reason", "case"),
    [(reason, case) for reason, cases in WRONGS.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_pyqql_gets_wrong_we_do_not(reason: str, case: str | tuple[str, Any]) -> None:
    text, params = (case, None) if isinstance(case, str) else case
    expected = theirs(text, params)  # it accepts the text: else the entry is out of date
    try:
        found = ours(text, params)
    except qql.QQLCompileError as exc:
        assert exc.hint or exc.message
    else:
        assert found != expected, reason


# ------------------------------------------------------------------------------------ by the hundred

Texts = st.SearchStrategy[str]


def said(template: str, *parts: Texts) -> Texts:
    """The template with what is drawn for each of its places."""
    return st.tuples(*parts).map(lambda drawn: template.format(*drawn))


def one_of(*words: str) -> Texts:
    return st.sampled_from(words)


def maybe(part: Texts) -> Texts:
    return st.one_of(st.just(""), part)


def row_of(*parts: Texts) -> Texts:
    """The parts in this order, the strict order of the v1 dialect; what is empty is left out."""
    return st.tuples(*parts).map(lambda drawn: " ".join(filter(None, drawn)))


def listed(part: Texts, least: int = 1, most: int = 3, by: str = ", ") -> Texts:
    return st.lists(part, min_size=least, max_size=most).map(by.join)


def whole(least: int, most: int) -> Texts:
    return st.integers(least, most).map(str)


def _quoted(text: str, kind: str) -> str:
    verbatim = {"`": "`{}`", "r": "r'{}'", "'''": "'''{}'''"}
    if kind in verbatim and not set(text) & {"`", "'"}:
        return verbatim[kind].format(text)
    if kind == '"':
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'\\{escaped[1:]}'" if escaped.startswith("'") else f"'{escaped}'"


def strings(texts: Texts) -> Texts:
    return st.builds(_quoted, texts, one_of("'", "'", '"', "`", "r", "'''"))


DECIMAL = st.integers(-(10**6), 10**6).map(lambda n: repr(n / 1000))
WHOLE = whole(-(2**63), 2**63 - 1) | whole(-5, 5)
NUMBER = WHOLE | DECIMAL
STRING = strings(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8).filter(
        lambda text: not re.fullmatch(r"[0-9a-fA-F-]{32,}", text)
    )
)
NAME = st.one_of(
    one_of("a", "b", "tags_2", "$x", "_y", "a.b", "tags[].name", "limit", "type", "score", "text", "order"),
    strings(one_of("a b", "it's", "é", "日本", "a-b", "1a", 'say "x"', "a.b c")),
)
U32 = whole(1, 2**32 - 1)
IDS = whole(0, 2**64 - 1) | st.just(f"'{UUID}'")

LEAF = st.one_of(
    said("{} {} {}", NAME, one_of("=", "!="), STRING | NUMBER | one_of("true", "FALSE")),
    said(
        "{} {} {}",
        NAME,
        one_of("<", "<=", ">", ">="),
        NUMBER | one_of("'2024-01-01'", "'2024-06-01T10:00:00Z'"),
    ),
    said("{} BETWEEN {} AND {}", NAME, whole(-9, 0), whole(1, 9)),
    said(
        "{} {} ({})",
        NAME,
        one_of("IN", "NOT IN", "MATCH ANY", "MATCH EXCEPT"),
        listed(STRING) | listed(WHOLE),
    ),
    said("{} IS {}", NAME, one_of("NULL", "NOT NULL", "EMPTY", "NOT EMPTY")),
    said("{} MATCH {} {}", NAME, one_of("", "PHRASE", "PREFIX", "TOKENS"), STRING),
    said("id {} {}", one_of("=", "!="), IDS),
    said("id {} ({})", one_of("IN", "NOT IN"), listed(IDS)),
)
CONDITION = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        said("({})", listed(inner, 2, 3, " AND ")),
        said("({})", listed(inner, 2, 3, " OR ")),
        said("({} OR {} AND {})", inner, inner, inner),
        said("NOT {}", inner),
    ),
    max_leaves=5,
)
DENSE = said("[{}, {}]", NUMBER.filter(lambda n: abs(float(n)) < 1e9), DECIMAL)
SPARSE = st.dictionaries(st.integers(0, 2**32 - 1), DECIMAL, min_size=1, max_size=3).map(
    lambda entries: f"{{indices: {list(entries)}, values: [{', '.join(entries.values())}]}}"
)
VECTOR = st.one_of(DENSE, said("[{}]", listed(DENSE)), SPARSE)
TARGET = st.one_of(
    STRING,
    said("TEXT {} MODEL 'm'", STRING),
    VECTOR,
    said("{} {}", one_of("VECTOR", "NEAREST", "NEAREST VECTOR"), VECTOR),
    said("POINT {}", IDS),
)
PARAM = st.one_of(
    said("hnsw_ef = {}", U32),
    said("{} = {}", one_of("exact", "indexed_only", "acorn"), one_of("true", "FALSE")),
    said("acorn = true, max_selectivity = {}", one_of("0.5", "1")),
    said("quantization = {{rescore: true, oversampling: {}.5}}", whole(1, 9)),
)
PARAMS = st.lists(PARAM, min_size=1, max_size=3, unique_by=lambda one: one.split()[0]).map(", ".join)
THRESHOLD = maybe(said("SCORE THRESHOLD {}", DECIMAL))
WHERE = maybe(said("WHERE {}", CONDITION))


def stage(known: tuple[str, ...], depth: int) -> Texts:
    return row_of(
        said("QUERY {}", TARGET),
        maybe(said("USING {}", NAME)),
        maybe(prefetch(known, depth + 1)) if depth < 2 else st.just(""),
        WHERE,
        maybe(said("PARAMS ({})", PARAMS)),
        THRESHOLD,
        maybe(said("LIMIT {}", U32)),
    )


def prefetch(known: tuple[str, ...], depth: int = 0) -> Texts:
    reference = stage(known, depth)
    if known:
        name = one_of(*known, *(word.swapcase() for word in known))
        reference |= row_of(name, WHERE, THRESHOLD, maybe(said("LOOKUP FROM other VECTOR {}", NAME)))
    return said("PREFETCH ({})", listed(reference))


def query(known: tuple[str, ...]) -> Texts:
    ctes = [said(f"{name} AS ({{}})", stage(known[:number], 1)) for number, name in enumerate(known)]
    rrf = st.one_of(said("rrf_k = {}", whole(1, 99)), said("rrf_k = 3, {}", PARAMS))
    head = st.one_of(
        row_of(
            st.just("QUERY FUSION DBSF FROM docs"), prefetch(known), WHERE, maybe(said("PARAMS ({})", PARAMS))
        ),
        row_of(
            st.just("QUERY FUSION RRF FROM docs"), prefetch(known), WHERE, maybe(said("PARAMS ({})", rrf))
        ),
        row_of(
            said("QUERY {} FROM docs", TARGET), maybe(said("USING {}", NAME)), maybe(prefetch(known)), WHERE
        ),
    )
    return row_of(
        st.tuples(*ctes).map(lambda drawn: f"WITH {', '.join(drawn)}" if drawn else ""),
        head,
        THRESHOLD,
        maybe(said("WITH PAYLOAD {}", one_of("true", "false", "INCLUDE (a, b.c)", "EXCLUDE (a)"))),
        maybe(said("WITH VECTOR {}", one_of("", "true", "(a, b)"))),
        maybe(said("LIMIT {}", U32)),
        maybe(said("OFFSET {}", U32)),
    )


QUERY = one_of("", "s1", "dense sparse", "s1 limit S3").flatmap(lambda names: query(tuple(names.split())))

VALUE = st.recursive(
    STRING | NUMBER | one_of("true", "FALSE", "Null"),
    lambda inner: st.one_of(
        said("[{}]", listed(inner, 0)),
        st.dictionaries(one_of("a", "limit", "null", "'a b'", '"x"', "`y`", "7"), inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {item}" for key, item in items.items()) + "}"
        ),
    ),
    max_leaves=5,
)
ROW = said(
    "id: {}, {}f: {}",
    IDS,
    one_of("") | said("vector: {}, ", VECTOR) | said("vector: {{v: {}}}, ", VECTOR),
    VALUE,
).map(lambda inside: "{" + inside + "}")
BOOL = one_of("true", "FALSE")
ON_DISK = maybe(said("WITH VECTOR (on_disk = {}, datatype = {})", BOOL, one_of("float16", "'UINT8'")))
HNSW = maybe(said("WITH HNSW (m = {}, ef_construct = {}, on_disk = {})", whole(4, 64), whole(4, 999), BOOL))
QUANTIZATION = maybe(
    said(
        "WITH QUANTIZATION ({}, always_ram = {})",
        one_of("type = scalar, quantile = 0.9", "type = 'BINARY'", "type = product, compression = 'x8'")
        | one_of("type = turbo, bits = 2", "type = binary, encoding = two_bits"),
        BOOL,
    )
)
DENSE_DEF = row_of(
    said("{} VECTOR({}, {})", NAME, whole(1, 65536), one_of("COSINE", "Dot", "EUCLID", "manhattan")),
    HNSW,
    ON_DISK,
    QUANTIZATION,
    maybe(st.just("WITH MULTIVECTOR (comparator = 'max_sim')")),
)
SPARSE_DEF = row_of(
    said("{} SPARSE WITH SPARSE (modifier = {})", NAME, one_of("idf", "'NONE'")),
    maybe(said("WITH INDEX (on_disk = {}, full_scan_threshold = {})", BOOL, whole(0, 99))),
)
OTHER = st.one_of(
    said("COUNT FROM docs WHERE {} WITH (exact = {})", CONDITION, BOOL),
    said("DELETE FROM docs WHERE {} WAIT {}", CONDITION, BOOL),
    said("SCROLL FROM docs {} AFTER {} LIMIT {}", WHERE, whole(0, 2**64 - 2), U32),
    said(
        "SCROLL FROM docs {} ORDER BY {} {} WITH PAYLOAD false LIMIT {}", WHERE, NAME, one_of("", "DESC"), U32
    ),
    said("UPSERT INTO docs VALUES {}", listed(ROW)),
    said("CREATE COLLECTION docs ({}) {} {}", listed(DENSE_DEF | SPARSE_DEF), HNSW, QUANTIZATION),
    said(
        "CREATE INDEX ON COLLECTION docs FOR {} TYPE {} WITH (on_disk = {})",
        NAME,
        one_of("keyword", "INTEGER", "float", "geo", "text", "bool", "datetime", "uuid"),
        BOOL,
    ),
)

_STRINGS = re.compile(r"""('''[^']*'''|r'[^']*'|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`[^`]*`)""", re.S)


def _recased(text: str, change: Callable[[str], str]) -> str:
    """The text with its keywords, which stand in capitals, in another case."""
    parts = _STRINGS.split(text)  # every second part is a string
    parts[::2] = [re.sub(r"\b[A-Z][A-Z]+\b", lambda word: change(word.group()), part) for part in parts[::2]]
    return "".join(parts)


def laid_out(texts: Texts) -> Texts:
    """The text with its keywords in one case or another, and something before and behind it."""
    changes: list[Callable[[str], str]] = [str.upper, str.lower, str.title]
    around = one_of("{}", "-- it's\n{} ;", "\n\t {}\r\n;\n-- end", "{} --")
    recased = st.builds(_recased, texts, st.sampled_from(changes))
    return st.builds(lambda text, frame: frame.replace("{}", text), recased, around)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(laid_out(QUERY))
def test_generated_queries(text: str) -> None:
    _compare(text)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(laid_out(OTHER))
def test_generated_statements(text: str) -> None:
    _compare(text)


def _compare(text: str) -> None:
    try:
        expected = theirs(text)
    except pyqql.QqlError:
        reject()
    try:
        found = ours(text)
    except qql.QQLPlanError as exc:
        assert exc.code == "duplicate-vector"  # names are drawn, and may be drawn twice
        reject()
    assert found == expected
