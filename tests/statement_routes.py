"""A statement for each request that is sent to a server, and the answers that the others of it need."""

from __future__ import annotations

from pathlib import Path

from grpc_recorder import collection_config
from http_recorder import COLLECTION, ok, refused
from qdrant_client import grpc as pb

DOCS = {
    **COLLECTION,
    "config": {"params": {"vectors": {"size": 2, "distance": "Cosine"}}},
    "payload_schema": {
        "n": {"data_type": "integer", "points": 1},
        "t": {"data_type": "text", "points": 1, "params": {"type": "text", "tokenizer": "word"}},
    },
}

OTHER = {
    **DOCS,
    "config": {
        "params": {"vectors": {"v": {"size": 2, "distance": "Dot"}, "w": {"size": 2, "distance": "Dot"}}}
    },
}
AROUND = {
    ("GET", "/collections"): ok({"collections": [{"name": "docs"}, {"name": "other"}]}),
    ("GET", "/collections/docs"): ok(DOCS),
    ("GET", "/collections/other"): ok(OTHER),
    ("GET", "/collections/b"): refused(404, "Not found: Collection `b` doesn't exist!"),
}

STATEMENTS: list[tuple[str, str, str]] = [
    ("SHOW COLLECTIONS", "GET", "/collections"),
    ("SHOW COLLECTION docs", "GET", "/collections/docs"),
    ("SHOW INDEXES ON docs", "GET", "/collections/docs"),
    ("ANALYZE TEXT 'red shoes' ON t FROM docs", "GET", "/collections/docs"),
    ("EXISTS COLLECTION docs", "GET", "/collections/docs/exists"),
    ("SHOW ALIASES", "GET", "/aliases"),
    ("SHOW ALIASES ON docs", "GET", "/collections/docs/aliases"),
    ("CREATE ALIAS a FOR docs", "GET", "/aliases"),
    ("CREATE ALIAS a FOR docs", "POST", "/collections/aliases"),
    ("SHOW SHARD KEYS ON docs", "GET", "/collections/docs/shards"),
    ("CREATE SHARD KEY 'eu' ON docs", "PUT", "/collections/docs/shards"),
    ("DROP SHARD KEY 'eu' ON docs", "POST", "/collections/docs/shards/delete"),
    ("SHOW SNAPSHOTS ON docs", "GET", "/collections/docs/snapshots"),
    ("CREATE SNAPSHOT ON docs", "POST", "/collections/docs/snapshots"),
    ("DROP SNAPSHOT 's' ON docs", "DELETE", "/collections/docs/snapshots/s"),
    ("SHOW QUOTAS", "GET", "/quotas"),
    ("SHOW OPTIMIZATIONS ON docs", "GET", "/collections/docs/optimizations"),
    ("SHOW MEMORY ON docs", "GET", "/collections/docs/memory"),
    ("CREATE COLLECTION b VECTOR(2, COSINE)", "PUT", "/collections/b"),
    ("ALTER COLLECTION docs WITH HNSW (m = 8)", "PATCH", "/collections/docs"),
    ("DROP COLLECTION docs", "DELETE", "/collections/docs"),
    ("ALTER COLLECTION docs ADD v VECTOR(2, COSINE)", "PUT", "/collections/docs/vectors/v"),
    ("ALTER COLLECTION other DROP VECTOR v", "DELETE", "/collections/other/vectors/v"),
    ("CREATE INDEX ON docs FOR f TYPE keyword", "PUT", "/collections/docs/index"),
    ("DROP INDEX ON docs FOR n", "DELETE", "/collections/docs/index/n"),
    ("COUNT FROM docs", "POST", "/collections/docs/points/count"),
    ("FACET n FROM docs", "POST", "/collections/docs/facet"),
    ("MATRIX FROM docs", "POST", "/collections/docs/points/search/matrix/pairs"),
    ("SCROLL FROM docs", "POST", "/collections/docs/points/scroll"),
    ("SCROLL FROM docs ORDER BY n", "POST", "/collections/docs/points/scroll"),
    ("QUERY [1, 0] FROM docs", "POST", "/collections/docs/points/query"),
    ("QUERY [1, 0] FROM docs GROUP BY n", "POST", "/collections/docs/points/query/groups"),
    ("EXPLAIN ANALYZE QUERY [1, 0] FROM docs", "POST", "/collections/docs/points/query/batch"),
    ("WHY 1 QUERY [1, 0] FROM docs", "POST", "/collections/docs/points"),
    ("DELETE FROM docs WHERE id = 1", "POST", "/collections/docs/points/delete"),
    ("DELETE PAYLOAD n FROM docs WHERE id = 1", "POST", "/collections/docs/points/payload/delete"),
    ("CLEAR PAYLOAD FROM docs WHERE id = 1", "POST", "/collections/docs/points/payload/clear"),
    ("UPDATE docs SET PAYLOAD = {n: 1} WHERE id = 1", "POST", "/collections/docs/points/payload"),
    ("UPDATE docs SET VECTOR = [1, 0] WHERE id = 1", "PUT", "/collections/docs/points/vectors"),
    ("UPSERT INTO docs VALUES {id: 1, vector: [1, 0]}", "PUT", "/collections/docs/points"),
    ("COPY docs FROM :rows", "PUT", "/collections/docs/points"),
    ("DUMP docs TO :dump", "GET", "/collections/docs"),
    ("DUMP docs TO :dump", "POST", "/collections/docs/points/scroll"),
    (
        "BATCH { DELETE FROM docs WHERE id = 1; DELETE FROM docs WHERE id = 2; }",
        "POST",
        "/collections/docs/points/batch",
    ),
    (
        "BATCH { QUERY [1, 0] FROM docs; QUERY [0, 1] FROM docs; }",
        "POST",
        "/collections/docs/points/query/batch",
    ),
]
"""Statement, and the method and path of one of its requests."""


def params_of(statement: str, folder: Path) -> dict[str, str]:
    """The parameters of one of these: a file of rows, and the place of a dump."""
    rows = folder / "rows.jsonl"
    rows.write_text('{"id": 1, "vector": [1, 0]}\n')
    given = {"rows": str(rows), "dump": str(folder / "dump.qql")}
    return {name: value for name, value in given.items() if f":{name}" in statement}


def _known() -> bytes:
    config = collection_config(2, "Cosine")
    status = {"status": pb.CollectionStatus.Green, "optimizer_status": pb.OptimizerStatus(ok=True)}
    info = pb.CollectionInfo(**status, points_count=7, segments_count=1, config=config)
    return bytes(pb.GetCollectionInfoResponse(result=info).SerializeToString())


KNOWN = _known()
