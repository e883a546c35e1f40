"""Calls of the builder, each with the text whose tree it makes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from qql import build as b
from qql import nodes
from qql.build import field, param, query

__all__ = ["CONDITIONS", "EXPRESSIONS", "QUERIES", "STATEMENTS"]

Case = tuple[Callable[[], Any], str]
_SPARSE = {"indices": [1, 7], "values": [0.5, 0.25]}

CONDITIONS: list[Case] = [
    (lambda: field("year") == 2020, "year = 2020"),
    (lambda: field("kind") != "blog", "kind != 'blog'"),
    (lambda: field("year") < 2020, "year < 2020"),
    (lambda: field("year") <= 2020.5, "year <= 2020.5"),
    (lambda: field("year") > param("y"), "year > :y"),
    (lambda: field("a.b") >= -1, "a.b >= -1"),
    (lambda: field("year") >= 2020, "year >= 2020"),
    (lambda: field("draft") == True, "draft = true"),  # noqa: E712
    (lambda: field("id") == b.uuid("doc-1"), "id = UUID('doc-1')"),
    (lambda: field("at") >= date(2024, 5, 1), "at >= '2024-05-01'"),
    (
        lambda: field("at") < datetime(2024, 5, 1, 12, tzinfo=UTC),
        "at < '2024-05-01T12:00:00+00:00'",
    ),
    (lambda: field("a b's") == "it's", "'a b''s' = 'it''s'"),
    (lambda: field(param("f")) == 1, "IDENTIFIER(:f) = 1"),
    (lambda: field("year").between(2019, param("y")), "year BETWEEN 2019 AND :y"),
    (lambda: ~field("year").between(1, 2), "year NOT BETWEEN 1 AND 2"),
    (lambda: field("tags").any_of(["a", "b"]), "tags IN ('a', 'b')"),
    (lambda: field("tags").any_of(x for x in "ab"), "tags IN ('a', 'b')"),
    (lambda: field("tags").any_of({"b", "a"}), "tags IN ('a', 'b')"),
    (lambda: field("tags").any_of([]), "tags IN ()"),
    (lambda: field("tags").any_of(param("tags")), "tags IN :tags"),
    (lambda: field("id").any_of([1, uuid.UUID(int=7)]), f"id IN (1, '{uuid.UUID(int=7)}')"),
    (lambda: field("tags").none_of(["a"]), "tags NOT IN ('a')"),
    (lambda: field("n").range(gt=1, lte=5), "n RANGE (gt = 1, lte = 5)"),
    (lambda: field("tags").values_count(2), "tags VALUES_COUNT = 2"),
    (lambda: field("tags").values_count(gte=1, lt=5), "tags VALUES_COUNT (gte = 1, lt = 5)"),
    (lambda: field("tags").is_null(), "tags IS NULL"),
    (lambda: ~field("tags").is_null(), "tags IS NOT NULL"),
    (lambda: field("tags").is_empty(), "tags IS EMPTY"),
    (lambda: field("text").match_text("quick fox"), "text MATCH 'quick fox'"),
    (lambda: field("text").match_phrase(param("w")), "text MATCH PHRASE :w"),
    (lambda: field("text").match_tokens("a b"), "text MATCH TOKENS 'a b'"),
    (lambda: field("text").match_prefix("re"), "text MATCH PREFIX 're'"),
    (lambda: field("text").match_substring("ed"), "text MATCH SUBSTRING 'ed'"),
    (lambda: field("tags").match_any(["a", "b"]), "tags MATCH ANY ('a', 'b')"),
    (lambda: field("tags").match_except([1, 2]), "tags MATCH EXCEPT (1, 2)"),
    (
        lambda: field("at").geo_radius(52.5, 13.4, 1000),
        "at GEO_RADIUS {center: {lat: 52.5, lon: 13.4}, radius: 1000}",
    ),
    (
        lambda: field("at").geo_bbox((53, 13), (52, param("east"))),
        "at GEO_BBOX {top_left: {lat: 53, lon: 13}, bottom_right: {lat: 52, lon: :east}}",
    ),
    (
        lambda: field("at").geo_polygon([(0, 0), (0, 1), (1, 1), (0, 0)], [[(0.1, 0.1), (0.1, 0.2)]]),
        "at GEO_POLYGON {exterior: {points: [{lat: 0, lon: 0}, {lat: 0, lon: 1}, {lat: 1, lon: 1}, "
        "{lat: 0, lon: 0}]}, interiors: [{points: [{lat: 0.1, lon: 0.1}, {lat: 0.1, lon: 0.2}]}]}",
    ),
    (lambda: field("at").geo("radius", param("near")), "at GEO_RADIUS :near"),
    (
        lambda: field("reviews").nested((field("by") == "ann") & (field("stars") >= 4)),
        "NESTED('reviews', by = 'ann' AND stars >= 4)",
    ),
    (
        lambda: b.min_should(2, field("a") == 1, field("b") == 2, None, field("c") == 3),
        "MIN SHOULD 2 (a = 1, b = 2, c = 3)",
    ),
    (lambda: b.slice_of(4, 0), "SLICE(4, 0)"),
    (lambda: b.has_vector("dense"), "HAS_VECTOR dense"),
    (lambda: b.optional(field("year") >= param("y")), "OPTIONAL (year >= :y)"),
    (lambda: b.bound("filter"), ":filter"),
    (lambda: (field("a") == 1) & param("rest"), "a = 1 AND :rest"),
    (
        lambda: (field("a") == 1) & (field("b") == 2) & ((field("c") == 3) & (field("d") == 4)),
        "a = 1 AND b = 2 AND c = 3 AND d = 4",
    ),
    (
        lambda: (field("a") == 1) | (field("b") == 2) & ~((field("c") == 3) | (field("d") == 4)),
        "a = 1 OR b = 2 AND NOT (c = 3 OR d = 4)",
    ),
    (
        lambda: ((field("a") == 1) | (field("b") == 2)) & (field("c") == 3),
        "(a = 1 OR b = 2) AND c = 3",
    ),
    (lambda: b.all_of(field("a") == 1, None, field("b") == 2), "a = 1 AND b = 2"),
    (lambda: b.any_of(field("a") == 1, field("b") == 2), "a = 1 OR b = 2"),
    (lambda: b.where(None, field("a") == 1), "a = 1"),
]

_PRICE = field("price")
EXPRESSIONS: list[Case] = [
    (lambda: b.score() + 0.1 * field("popularity"), "$score + 0.1 * popularity"),
    (lambda: (b.score(0) - b.score(1)) * 2, "($score[0] - $score[1]) * 2"),
    (lambda: 1 - _PRICE / 2, "1 - price / 2"),
    (lambda: 1 / -_PRICE, "1 / -price"),
    (lambda: param("w") + _PRICE, ":w + price"),
    (lambda: b.divide(1, _PRICE, default=0), "1 / price [DEFAULT = 0]"),
    (lambda: b.call("abs", _PRICE - 9), "ABS(price - 9)"),
    (lambda: b.call("POW", _PRICE, 2), "POW(price, 2)"),
    (lambda: b.call("log", _PRICE, default=0), "LOG(price) [DEFAULT = 0]"),
    (lambda: b.call("max", _PRICE, 3, 4), "MAX(price, 3, 4)"),
    (
        lambda: b.case((field("kind") == "news", 2), (_PRICE > 5, _PRICE), otherwise=0),
        "CASE WHEN kind = 'news' THEN 2 WHEN price > 5 THEN price ELSE 0 END",
    ),
    (lambda: b.truth(field("kind") == "news"), "CONDITION(kind = 'news')"),
    (lambda: b.geo_distance(52.5, 13.4, "location"), "GEO_DISTANCE(52.5, 13.4, location)"),
    (lambda: b.datetime("2024-05-01T12:00:00Z") + 1, "DATETIME('2024-05-01T12:00:00Z') + 1"),
    (
        lambda: b.decay("exp", b.datetime_key("at"), target=date(2024, 5, 1), scale=86400, midpoint=0.5),
        "EXP_DECAY(DATETIME_KEY(at), TARGET = DATETIME('2024-05-01'), SCALE = 86400, MIDPOINT = 0.5)",
    ),
    (lambda: b.decay("gauss", _PRICE), "GAUSS_DECAY(price)"),
    (lambda: b.decay("lin", _PRICE, scale=2), "LIN_DECAY(price, SCALE = 2)"),
]


def _shared() -> Any:
    dense = query("care", using="dense", limit=200)
    return query(
        "care",
        source="docs",
        using="colbert",
        prefetch=[b.rrf(dense, query("care", using="sparse", limit=50), limit=60), dense],
    )


def _reference() -> Any:
    stage = query([0.1, 0.2], using="dense", limit=50, name="near")
    first = b.ref(stage, where=field("a") == 1, threshold=0.5, lookup=b.lookup("other", vector="v"))
    return b.dbsf(first, b.ref("far"), source="docs")


QUERIES: list[Case] = [
    (
        lambda: b.linear("near", "far", normalizer="sigmoid", weights={"near": 2, "far": 1}, source="docs"),
        "QUERY FUSION LINEAR FROM docs PREFETCH (near, far) "
        "PARAMS (normalizer = 'sigmoid', weights = {near: 2, far: 1})",
    ),
    (lambda: query("emergency care", source="docs"), "QUERY 'emergency care' FROM docs"),
    (lambda: query(f"{uuid.UUID(int=7)}"), f"QUERY TEXT '{uuid.UUID(int=7)}'"),
    (lambda: query(uuid.UUID(int=7)), f"QUERY POINT '{uuid.UUID(int=7)}'"),
    (lambda: query(42), "QUERY POINT 42"),
    (lambda: query(b.point(param("id"))), "QUERY POINT :id"),
    (lambda: query(b.uuid("doc-1")), "QUERY POINT UUID('doc-1')"),
    (lambda: query(param("q")), "QUERY :q"),
    (lambda: query([1, 0.5]), "QUERY [1, 0.5]"),
    (lambda: query([[1, 0.5], [0.25, 1]]), "QUERY [[1, 0.5], [0.25, 1]]"),
    (lambda: query(_SPARSE), "QUERY {indices: [1, 7], values: [0.5, 0.25]}"),
    (lambda: query(b.vector(param("v"))), "QUERY VECTOR :v"),
    (
        lambda: query(b.text("care", model="m", options={"k": 1})),
        "QUERY TEXT 'care' MODEL 'm' OPTIONS {k: 1}",
    ),
    (lambda: query(b.image("https://x/cat.png", model="m")), "QUERY IMAGE 'https://x/cat.png' MODEL 'm'"),
    (lambda: query(b.inference({"a": 1}, model="m")), "QUERY OBJECT {a: 1} MODEL 'm'"),
    (lambda: query(source="docs", where=field("a") == 1), "QUERY FROM docs WHERE a = 1"),
    (lambda: b.retrieve([1, 2], source="docs"), "QUERY POINTS (1, 2) FROM docs"),
    (lambda: query(b.points(param("ids"))), "QUERY POINTS :ids"),
    (
        lambda: query(b.recommend([1, [0.5, 1]], negative=[param("no")], strategy="best_score")),
        "QUERY RECOMMEND POSITIVE (1, [0.5, 1]) NEGATIVE (:no) STRATEGY best_score",
    ),
    (lambda: query(b.recommend(param("ids"))), "QUERY RECOMMEND POSITIVE :ids"),
    (
        lambda: query(b.discover("care", [(1, 2), (b.text("a"), [0.5])])),
        "QUERY DISCOVER TARGET 'care' CONTEXT ((1, 2), (TEXT 'a', [0.5]))",
    ),
    (lambda: query(b.context([(1, 2)])), "QUERY CONTEXT ((1, 2))"),
    (
        lambda: query(b.order_by("year", "desc", start=2020)),
        "QUERY ORDER BY year DESC START FROM 2020",
    ),
    (lambda: query(b.sample()), "QUERY SAMPLE RANDOM"),
    (
        lambda: query(b.mmr("care", diversity=0.5, candidates=100)),
        "QUERY MMR 'care' DIVERSITY 0.5 CANDIDATES 100",
    ),
    (
        lambda: query(b.feedback("care", [(1, 0.9), ([0.5], param("s"))], "naive", {"a": 1})),
        "QUERY RELEVANCE FEEDBACK 'care' FEEDBACK ((1, 0.9), ([0.5], :s)) STRATEGY naive (a = 1)",
    ),
    (
        lambda: query(b.hybrid("care", model="m", dense="d", sparse="s", dense_model="x", sparse_model="y")),
        "QUERY HYBRID 'care' MODEL 'm' DENSE VECTOR d MODEL 'x' SPARSE VECTOR s MODEL 'y'",
    ),
    (
        lambda: query(b.full_text("care", "body", {"k": 1.2})),
        "QUERY MATCH 'care' ON body (k = 1.2)",
    ),
    (
        lambda: query(b.formula(b.score() * 2, defaults={"Pop": 0}), prefetch="dense"),
        "QUERY FORMULA $score * 2 DEFAULTS (Pop = 0) PREFETCH (dense)",
    ),
    (lambda: query(b.score() * 2, prefetch="dense"), "QUERY FORMULA $score * 2 PREFETCH (dense)"),
    (
        lambda: query("care", prefetch="dense", formula=b.score() * 2),
        "QUERY 'care' PREFETCH (dense) FORMULA $score * 2",
    ),
    (
        lambda: query("care", prefetch=["dense"], fusion="rrf"),
        "QUERY 'care' PREFETCH (dense) FUSION RRF",
    ),
    (
        lambda: b.rrf("dense", "sparse", weights={"dense": 0.6, "sparse": 0.4}, k=20, params={"exact": True}),
        "QUERY FUSION RRF PREFETCH (dense, sparse) "
        "PARAMS (rrf_k = 20, rrf_weights = {dense: 0.6, sparse: 0.4}, exact = true)",
    ),
    (
        lambda: b.rrf("a", "b", weights=[3, 1]),
        "FUSION RRF PREFETCH (a, b) WITH (rrf_weights = [3, 1])",
    ),
    (
        _reference,
        "WITH near AS (QUERY [0.1, 0.2] USING dense LIMIT 50) QUERY FUSION DBSF FROM docs "
        "PREFETCH (near WHERE a = 1 SCORE THRESHOLD 0.5 LOOKUP FROM other VECTOR v, far)",
    ),
    (
        _shared,
        "WITH dense AS (QUERY 'care' USING dense LIMIT 200) QUERY 'care' FROM docs USING colbert PREFETCH "
        "((QUERY FUSION RRF PREFETCH (dense, (QUERY 'care' USING sparse LIMIT 50)) LIMIT 60), dense)",
    ),
    (
        lambda: query(
            "care",
            source="docs",
            using=b.using("dense", "multi"),
            threshold=0.5,
            params={"hnsw_ef": 128, "exact": True},
            group=b.group("doc", size=2, lookup=b.group_lookup("o", payload=["a"], vectors=False)),
            payload=b.exclude("body"),
            vectors=["dense"],
            provenance=True,
            lookup=b.lookup("other", vector="v", shard="k"),
            shard=["a", "b"],
            limit=param("k"),
            offset=b.param("o", or_default=True),
        ),
        "QUERY 'care' FROM docs USING dense AS MULTI SCORE THRESHOLD 0.5 PARAMS (hnsw_ef = 128, exact = true)"
        " WITH PAYLOAD EXCLUDE (body) WITH VECTOR INCLUDE (dense) WITH PROVENANCE SHARD ('a', 'b') "
        "LOOKUP FROM other VECTOR v SHARD 'k' "
        "GROUP BY doc SIZE 2 LOOKUP FROM o WITH PAYLOAD INCLUDE (a) WITH VECTOR false "
        "LIMIT :k OFFSET :o OR DEFAULT",
    ),
    (
        lambda: query("care", group="doc", payload=param("fields"), vectors=True, provenance=False, shard=7),
        "QUERY 'care' GROUP BY doc WITH PAYLOAD :fields WITH VECTOR SHARD 7",
    ),
    (
        lambda: query("care", payload=b.include("a"), shard=b.shard("a", fallback="b"), lookup="other"),
        "QUERY 'care' WITH PAYLOAD INCLUDE (a) SHARD 'a' FALLBACK 'b' LOOKUP FROM other",
    ),
    (
        lambda: query("care", rerank=b.rerank("q", model="m", on="body", top=5)),
        "QUERY 'care' RERANK 'q' MODEL 'm' ON body TOP 5",
    ),
    (lambda: query("care", rerank=True), "QUERY 'care' RERANK"),
    (
        lambda: query(b.full_text("care", {"title": 2, "body": None}, {"k": 1.5}), source="docs"),
        "QUERY MATCH 'care' ON (title ^ 2, body) (k = 1.5) FROM docs",
    ),
    (
        lambda: b.rrf("dense", "sparse", source="docs", group=b.group("g", size=2, fuse_first=True)),
        "QUERY FUSION RRF FROM docs PREFETCH (dense, sparse) GROUP BY g SIZE 2 FUSE FIRST",
    ),
    (
        lambda: query(b.recommend([1, 2]), source="docs", ignore_missing=True),
        "QUERY RECOMMEND POSITIVE (1, 2) FROM docs IGNORE MISSING",
    ),
    (
        lambda: query("care", params={"filter": field("a") == 1}),
        "QUERY 'care' PARAMS (filter = WHERE a = 1)",
    ),
]

_WHERE = {"where": field("id") == 1}
_ENDS: Any = {"shard": "k", "wait": True}
STATEMENTS: list[Case] = [
    (
        lambda: (
            query("care", source="docs", using="dense")
            .else_(query("care", using="sparse"), hits=3, score_below=0.5)
            .else_(query(b.sample()), score_above=param("s"))
        ),
        "QUERY 'care' FROM docs USING dense ELSE WHEN HITS < 3 OR BEST SCORE < 0.5 "
        "QUERY 'care' USING sparse ELSE WHEN BEST SCORE > :s QUERY SAMPLE RANDOM",
    ),
    (
        lambda: b.scroll(
            "docs",
            where=field("a") == 1,
            after=param("next"),
            order_by=b.order_by("year"),
            params={"consistency": "all"},
            payload=True,
            vectors=["dense"],
            shard="k",
            limit=10,
        ),
        "SCROLL FROM docs WHERE a = 1 AFTER :next ORDER BY year PARAMS (consistency = 'all') "
        "WITH PAYLOAD WITH VECTOR (dense) SHARD 'k' LIMIT 10",
    ),
    (lambda: b.scroll("docs", order_by="year"), "SCROLL FROM docs ORDER BY year"),
    (
        lambda: b.count("docs", where=field("a") == 1, params={"exact": False}),
        "COUNT FROM docs WHERE a = 1 WITH (exact = false)",
    ),
    (lambda: b.facet("kind", "docs", limit=3), "FACET kind FROM docs LIMIT 3"),
    (
        lambda: b.matrix("docs", using="dense", params={"sample": 10}, limit=3),
        "MATRIX FROM docs USING dense WITH (sample = 10) LIMIT 3",
    ),
    (
        lambda: b.upsert(
            "docs",
            [{"id": 1, "vector": {"dense": [0.5, 1]}, "t": param("t")}, {"id": b.uuid("a"), "n": None}],
            embeds=[b.embedding("dense", model="m", vector="d", on="t")],
            mode="insert_only",
            update_filter=field("a") == 1,
            wait=False,
        ),
        "UPSERT INTO docs VALUES {id: 1, vector: {dense: [0.5, 1]}, t: :t}, {id: UUID('a'), n: null} "
        "USING DENSE MODEL 'm' VECTOR d ON t UPDATE MODE insert_only UPDATE FILTER a = 1 WAIT false",
    ),
    (lambda: b.upsert("docs", param("rows")), "UPSERT INTO docs VALUES :rows"),
    (lambda: b.upsert("docs", [param("one"), {"id": 2}]), "UPSERT INTO docs VALUES :one, {id: 2}"),
    (lambda: b.insert("docs", {"t": "a"}), "INSERT INTO docs VALUES {t: 'a'}"),
    (
        lambda: b.update_payload("docs", {"a": [1, {"b": 2}]}, key="x.y", overwrite=True, **_WHERE),
        "UPDATE docs SET PAYLOAD = {a: [1, {b: 2}]} KEY x.y OVERWRITE WHERE id = 1",
    ),
    (
        lambda: b.update_vector("docs", [0.5, 1], name="dense", **_WHERE),
        "UPDATE docs SET VECTOR dense = [0.5, 1] WHERE id = 1",
    ),
    (
        lambda: b.update_vectors("docs", [{"id": 1, "vector": {"dense": [1]}}]),
        "UPDATE docs SET VECTOR VALUES {id: 1, vector: {dense: [1]}}",
    ),
    (
        lambda: b.delete("docs", shard="k", wait=True, **_WHERE),
        "DELETE FROM docs WHERE id = 1 SHARD 'k' WAIT true",
    ),
    (
        lambda: b.delete_payload(["a", "b.c"], "docs", **_WHERE),
        "DELETE PAYLOAD a, b.c FROM docs WHERE id = 1",
    ),
    (lambda: b.delete_vector("dense", "docs", **_WHERE), "DELETE VECTOR dense FROM docs WHERE id = 1"),
    (lambda: b.clear_payload("docs", **_WHERE), "CLEAR PAYLOAD FROM docs WHERE id = 1"),
    (
        lambda: b.copy(
            "docs",
            "rows.csv",
            format="csv",
            columns={"price": "FLOAT", "t": None},
            delimiter=";",
            header=False,
            map=[
                b.mapping("id", "key", as_="uuid"),
                b.mapping("n", "m", as_="int"),
                b.mapping("payload", ["a", "b"]),
                b.mapping("text", nodes.Joined((nodes.Name("a"), nodes.Scalar(" "), nodes.Name("b")))),
                b.mapping("dense", nodes.VectorFile(nodes.Scalar("v.npy"))),
            ],
            batch=100,
            on_error="skip",
        ),
        "COPY docs FROM 'rows.csv' FORMAT csv COLUMNS (price FLOAT, t) DELIMITER ';' HEADER false MAP "
        "(id = UUID(key), n = INT(m), payload = (a, b), text = a || ' ' || b, dense = NPY('v.npy')) "
        "BATCH 100 ON ERROR SKIP",
    ),
    (
        lambda: b.batch(b.delete("docs", **_WHERE), b.count("docs"), wait=True, params={"ordering": "weak"}),
        "BATCH { DELETE FROM docs WHERE id = 1; COUNT FROM docs } WAIT true PARAMS (ordering = 'weak')",
    ),
    (
        lambda: b.create_collection(
            "docs",
            [
                b.dense("dense", 384, "cosine", blocks={"hnsw": {"m": 16}}),
                b.dense("text", model="m"),
                b.sparse("sparse", model="qdrant/bm25"),
            ],
            if_not_exists=True,
            blocks={"metadata": {"Owner": "ann"}, "wal": {"wal_capacity_mb": 8}},
        ),
        "CREATE COLLECTION IF NOT EXISTS docs (dense VECTOR(384, COSINE) WITH HNSW (m = 16), "
        "text VECTOR MODEL 'm', sparse SPARSE MODEL 'qdrant/bm25') "
        "WITH METADATA (Owner = 'ann') WITH WAL (wal_capacity_mb = 8)",
    ),
    (
        lambda: b.alter_collection(
            "docs",
            blocks={"hnsw": {"m": 16}},
            changes=[b.vector_change("dense", "dense", {"hnsw": {"m": 32}})],
        ),
        "ALTER COLLECTION docs WITH HNSW (m = 16) WITH VECTOR dense (HNSW (m = 32))",
    ),
    (
        lambda: b.add_vector("docs", b.dense("d", 4, "dot")),
        "ALTER COLLECTION docs ADD d VECTOR(4, DOT)",
    ),
    (lambda: b.drop_vector("docs", "d"), "ALTER COLLECTION docs DROP VECTOR d"),
    (lambda: b.drop_collection("docs", if_exists=True), "DROP COLLECTION IF EXISTS docs"),
    (lambda: b.show_collections(), "SHOW COLLECTIONS"),
    (lambda: b.show_collection("docs"), "SHOW COLLECTION docs"),
    (lambda: b.exists_collection("docs"), "EXISTS COLLECTION docs"),
    (lambda: b.optimize("docs", {"timeout": 600}), "OPTIMIZE docs WITH (timeout = 600)"),
    (
        lambda: b.create_index(
            "docs", "t", "text", options={"lowercase": True}, wait=True, if_not_exists=True
        ),
        "CREATE INDEX IF NOT EXISTS ON docs FOR t TYPE text WITH (lowercase = true) WAIT true",
    ),
    (lambda: b.drop_index("docs", "t", if_exists=True), "DROP INDEX IF EXISTS ON docs FOR t"),
    (lambda: b.show_indexes("docs"), "SHOW INDEXES ON docs"),
    (lambda: b.analyze_text("red shoes", "t", "docs"), "ANALYZE TEXT 'red shoes' ON t FROM docs"),
    (lambda: b.create_alias("a", "docs", replace=True), "CREATE OR REPLACE ALIAS a FOR docs"),
    (lambda: b.drop_alias("a"), "DROP ALIAS a"),
    (lambda: b.rename_alias("a", "b"), "ALTER ALIAS a RENAME TO b"),
    (lambda: b.show_aliases(), "SHOW ALIASES"),
    (lambda: b.create_snapshot("docs"), "CREATE SNAPSHOT ON docs"),
    (lambda: b.drop_snapshot("s", "docs"), "DROP SNAPSHOT 's' ON docs"),
    (
        lambda: b.restore_snapshot("s", "docs", {"priority": "snapshot"}),
        "RESTORE SNAPSHOT 's' ON docs WITH (priority = 'snapshot')",
    ),
    (lambda: b.show_snapshots("docs"), "SHOW SNAPSHOTS ON docs"),
    (
        lambda: b.create_shard_key("k", "docs", {"placement": [1]}),
        "CREATE SHARD KEY 'k' ON docs WITH (placement = [1])",
    ),
    (lambda: b.drop_shard_key(7, "docs"), "DROP SHARD KEY 7 ON docs"),
    (lambda: b.show_shard_keys("docs"), "SHOW SHARD KEYS ON docs"),
    (lambda: b.set_quota({"enabled": True}, wait=True), "SET QUOTA (enabled = true) WAIT true"),
    (lambda: b.show_quotas(), "SHOW QUOTAS"),
    (lambda: b.show_optimizations("docs"), "SHOW OPTIMIZATIONS ON docs"),
    (lambda: b.show_memory("docs"), "SHOW MEMORY ON docs"),
    (
        lambda: b.explain(b.count("docs"), analyze=True, runs=3, ablate=True, format="json"),
        "EXPLAIN ANALYZE RUNS 3 ABLATE FORMAT json COUNT FROM docs",
    ),
    (
        lambda: b.why(query("care", source="docs"), 7, negated=True),
        "WHY NOT 7 QUERY 'care' FROM docs",
    ),
    (
        lambda: b.why(query("care"), where=field("a") == 1, limit=2),
        "WHY WHERE a = 1 LIMIT 2 QUERY 'care'",
    ),
    (lambda: b.use("docs"), "USE docs"),
    (lambda: b.define("dense", query("care", limit=5)), "DEFINE dense AS (QUERY 'care' LIMIT 5)"),
    (lambda: b.undefine("dense"), "UNDEFINE dense"),
    (lambda: b.show_stages(), "SHOW STAGES"),
    (lambda: b.show_models(), "SHOW MODELS"),
    (lambda: b.execute("a.qql"), "EXECUTE 'a.qql'"),
    (lambda: b.dump("docs", "a.qql", overwrite=True), "DUMP docs TO 'a.qql' OVERWRITE"),
    (
        lambda: b.copy_to(b.count("docs"), "a.txt", format="csv", overwrite=True),
        "COPY (COUNT FROM docs) TO 'a.txt' FORMAT csv OVERWRITE",
    ),
    # -- what of their fields no case above gives
    (
        lambda: query(b.image(param("i"), model="m", options={"a": 1})),
        "QUERY IMAGE :i MODEL 'm' OPTIONS {a: 1}",
    ),
    (
        lambda: query(b.inference({"a": 1}, options=param("o"))),
        "QUERY OBJECT {a: 1} OPTIONS :o",
    ),
    (
        lambda: query(b.call("ln", _PRICE, default=param("d")), prefetch="a"),
        "QUERY FORMULA LN(price) [DEFAULT = :d] PREFETCH (a)",
    ),
    (lambda: b.count("docs", shard="k"), "COUNT FROM docs SHARD 'k'"),
    (
        lambda: b.facet("kind", "docs", where=field("a") == 1, params={"exact": True}, shard="k"),
        "FACET kind FROM docs WHERE a = 1 WITH (exact = true) SHARD 'k'",
    ),
    (
        lambda: b.matrix("docs", where=field("a") == 1, shard="k"),
        "MATRIX FROM docs WHERE a = 1 SHARD 'k'",
    ),
    (lambda: b.upsert("docs", {"id": 1}, shard="k"), "UPSERT INTO docs VALUES {id: 1} SHARD 'k'"),
    (
        lambda: b.insert("docs", {"t": "a"}, embeds=[b.embedding(model="m")], shard="k", wait=True),
        "INSERT INTO docs VALUES {t: 'a'} USING MODEL 'm' SHARD 'k' WAIT true",
    ),
    (
        lambda: b.update_payload("docs", param("p"), **_WHERE, **_ENDS),
        "UPDATE docs SET PAYLOAD = :p WHERE id = 1 SHARD 'k' WAIT true",
    ),
    (
        lambda: b.update_vector("docs", param("v"), **_WHERE, **_ENDS),
        "UPDATE docs SET VECTOR = :v WHERE id = 1 SHARD 'k' WAIT true",
    ),
    (
        lambda: b.update_vectors("docs", param("rows"), **_WHERE, **_ENDS),
        "UPDATE docs SET VECTOR VALUES :rows WHERE id = 1 SHARD 'k' WAIT true",
    ),
    (
        lambda: b.delete_payload("a", "docs", **_WHERE, **_ENDS),
        "DELETE PAYLOAD a FROM docs WHERE id = 1 SHARD 'k' WAIT true",
    ),
    (
        lambda: b.delete_vector("a", "docs", **_WHERE, **_ENDS),
        "DELETE VECTOR a FROM docs WHERE id = 1 SHARD 'k' WAIT true",
    ),
    (
        lambda: b.clear_payload("docs", **_WHERE, **_ENDS),
        "CLEAR PAYLOAD FROM docs WHERE id = 1 SHARD 'k' WAIT true",
    ),
    (lambda: b.copy("docs", param("path"), shard="k"), "COPY docs FROM :path SHARD 'k'"),
    (lambda: b.drop_index("docs", "t", wait=True), "DROP INDEX ON docs FOR t WAIT true"),
    (
        lambda: b.create_alias("a", "docs", if_not_exists=True),
        "CREATE ALIAS IF NOT EXISTS a FOR docs",
    ),
    (lambda: b.drop_alias("a", if_exists=True), "DROP ALIAS IF EXISTS a"),
    (lambda: b.show_aliases("docs"), "SHOW ALIASES ON docs"),
    (
        lambda: b.drop_snapshot(param("s"), "docs", if_exists=True),
        "DROP SNAPSHOT IF EXISTS :s ON docs",
    ),
    (lambda: b.why(query("care"), b.uuid("a"), format="json"), "WHY UUID('a') FORMAT json QUERY 'care'"),
]
