"""EXPLAIN: what it says of each kind of stage, as text and as data, and carried out stage by stage."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import qql
from qql.analysis import Analysis, Difference, Move, Provenance
from qql.analysis.explain import explain_compiled, plan_lines
from qql.analysis.explain_json import explain_dict
from qql.analysis.report import milliseconds as _ms
from qql.analysis.stage_requests import stage_requests
from qql.compiler.context import make_context
from qql.compiler.effective_filters import Filters
from qql.compiler.script import Compiled, compile_script
from qql.errors import Source, Span
from qql.rest.request import collection_path
from qql.schema import Schema, VectorInfo
from qql.session.session import Session

PIPELINE = """
WITH
  dense AS (QUERY 'emergency care' USING dense LIMIT 3),
  sparse AS (QUERY 'emergency care' USING sparse LIMIT 30)
QUERY 'emergency care' FROM docs LIMIT 2 PREFETCH (dense WHERE n > 0, sparse) FUSION RRF
"""


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect() as session:
        session.run("""
            CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25');
            UPSERT INTO docs VALUES
              {id: 1, text: 'Emergency care for acute chest pain', n: 1},
              {id: 2, text: 'Urgent treatment of burns', n: 2},
              {id: 3, text: 'care of wounds in an emergency', n: 3};
        """)
        yield session


def test_analyze_tells_what_each_stage_did(db: Session) -> None:
    result = db.execute(f"EXPLAIN ANALYZE {PIPELINE}")
    root, *stages = result.data["stages"]
    alone = {
        name: db.execute(f"QUERY 'emergency care' FROM docs USING {name} LIMIT 30").ids
        for name in ("dense", "sparse")
    }
    assert [hit["id"] for hit in result.data["hits"]] == db.execute(PIPELINE).ids
    assert root["fusion"]["same"] is True
    assert [stage["returned"] for stage in stages] == [len(alone["dense"]), len(alone["sparse"])]
    assert stages[1]["unused"] == 30 - len(alone["sparse"])
    assert "recomposed = engine" in result.message
    assert f"used {len(alone['sparse'])} of 30 slots" in result.message


def test_runs_are_counted_and_ablation_leaves_each_out(db: Session) -> None:
    result = db.execute(f"EXPLAIN ANALYZE RUNS 3 ABLATE {PIPELINE}")
    assert result.data["timing"]["runs"] == 3
    assert len(result.data["ablation"]) == 2
    assert "without sparse" in result.message


def test_json_is_what_the_data_says(db: Session) -> None:
    analysed = db.execute(f"EXPLAIN ANALYZE FORMAT JSON {PIPELINE}")
    assert json.loads(analysed.message) == json.loads(json.dumps(analysed.data))
    plan = db.execute(f"EXPLAIN FORMAT json {PIPELINE}")
    told = json.loads(plan.message)
    assert told == json.loads(json.dumps(plan.data))
    dense, sparse, root = told["plan"]["stages"]
    assert (dense["label"], dense["kind"], dense["model"]) == ("dense", "dense", "local/hash-64")
    assert (sparse["limit"], sparse["emitted"]) == (30, 1)
    first = {"stage": "dense", "number": 0, "where": "n > 0", "threshold": None, "lookup": None}
    assert root["inputs"][0] == first
    for shown, request in zip(told["requests"], plan.requests, strict=True):
        assert shown | request.to_dict() == shown


def test_a_statement_that_is_no_query_has_no_plan(db: Session) -> None:
    told = json.loads(db.execute("EXPLAIN FORMAT json COUNT FROM docs").message)
    assert told["plan"] is None
    assert told["requests"][0]["path"] == "/collections/docs/points/count"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("EXPLAIN ANALYZE DELETE FROM docs WHERE id = 1", "analyze-query"),
        ("EXPLAIN ANALYZE QUERY POINTS (1) FROM docs", "analyze-query"),
        ("EXPLAIN RUNS 3 COUNT FROM docs", "idle-clause"),
        ("EXPLAIN ABLATE COUNT FROM docs", "idle-clause"),
        ("EXPLAIN ANALYZE RUNS 0 QUERY [1] FROM docs", "bad-limit"),
        ("EXPLAIN FORMAT yaml COUNT FROM docs", "bad-option"),
        ("EXPLAIN ANALYZE ANALYZE QUERY [1] FROM docs", "duplicate-clause"),
    ],
)
def test_what_explain_refuses(text: str, code: str) -> None:
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.compile(text)
    assert caught.value.code == code


def test_the_keys_of_an_analysis_are_those_that_are_documented(db: Session) -> None:
    db.execute("CREATE INDEX ON docs FOR n TYPE integer")
    made: set[str] = set()
    for text in (
        f"{PIPELINE} RERANK MODEL 'local/overlap' TOP 1",
        "QUERY 'care' FROM docs USING dense PREFETCH (QUERY ORDER BY n LIMIT 3) LIMIT 2",
        # The first of the one list and the first of the other have the same score.
        "QUERY FUSION RRF FROM docs LIMIT 1"
        " PREFETCH (QUERY ORDER BY n ASC LIMIT 1, QUERY ORDER BY n DESC LIMIT 1)",
    ):
        [one] = db.compile(text)
        found = db.analyse(one, runs=1, ablate=True)
        if found.stages[0].verdict is not None:
            wrong = replace(
                found.stages[0].verdict, differences=(Difference(1, 1, 0.5, 0.25, "unexplained"),)
            )
            root = replace(found.stages[0], verdict=wrong)
            moved = replace(found.ablation[0], moved=(Move(1, 2, 1),))
            found = replace(found, stages=(root, *found.stages[1:]), ablation=(moved,))
        data = found.to_dict()
        assert json.loads(json.dumps(data)) == data
        made |= set(keys_of(data))
    assert made == set(re.findall(r'"(\w+)"', Analysis.to_dict.__doc__ or ""))
    told = db.execute(f"EXPLAIN ANALYZE {PIPELINE} WITH PROVENANCE").data
    added = told.keys() - found.to_dict().keys()
    assert added == {"provenance", "warnings", "advice", "stamp", "statement"}
    assert added <= set(re.findall(r"``(\w+)``", Analysis.to_dict.__doc__ or ""))
    assert told["provenance"][0].keys() == set(re.findall(r'"(\w+)"', Provenance.to_dict.__doc__ or "")) - {
        *told["provenance"][0]["stages"][0].keys() - {"rank", "score"}
    }


# ------------------------------------------------------------------------------------ its lines


def lines_of(db: Session, text: str) -> list[str]:
    return [line.strip(" │├└─") for line in db.execute(text).message.splitlines()]


def test_no_line_is_cut_and_no_histogram_broken(db: Session) -> None:
    long = " OR ".join(f"topic = 'a word that is rather long, number {number}'" for number in range(9))
    text = f"""WITH
      a_stage_with_a_long_name AS (QUERY 'care of wounds and of burns in an emergency' USING dense LIMIT 30),
      inner AS (QUERY FUSION RRF PREFETCH (a_stage_with_a_long_name WHERE {long} OR n > 0,
                a_stage_with_a_long_name SCORE THRESHOLD 0.01) LIMIT 20)
    QUERY FUSION DBSF FROM docs
    PREFETCH (inner, a_stage_with_a_long_name, (QUERY 'care' USING sparse LIMIT 9)) LIMIT 3"""
    shown = db.execute(f"EXPLAIN ANALYZE RUNS 50 ABLATE {text}").message
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown.replace(" … ", "")
    scores = [line for line in shown.splitlines() if " scores " in line]
    assert len(scores) == 6
    for line in scores:
        low, high, bars = re.fullmatch(r"[ │]+scores (\S+) … (\S+) (.*)", line).groups()  # type: ignore[union-attr]
        assert float(low) < float(high) and len(bars) == 10 and set(bars) <= set(" ▁▂▃▄▅▆▇█")
    assert "p50" in shown and "(50 runs)" in shown.splitlines()[0]
    flat = re.sub(r"\s+", " ", re.sub("[│├└─]", " ", shown))
    assert all(f"number {number}'" in flat for number in range(9))
    assert "each stage was run by itself, so its time contains those below it" in flat


def test_a_deep_tree_leaves_room_for_its_texts(db: Session) -> None:
    text = "QUERY 'care' USING dense LIMIT 3"
    for _ in range(30):
        text = f"QUERY 'care' USING sparse PREFETCH ({text}) LIMIT 3"
    shown = lines_of(db, f"EXPLAIN ANALYZE {text} FROM docs")
    assert sum(line.startswith("scores ") for line in shown) == 31
    assert sum(line.startswith(("returned ", "used ")) for line in shown) == 31


def test_what_only_one_stage_can_find_is_no_merit(db: Session) -> None:
    one = lines_of(
        db, "EXPLAIN ANALYZE QUERY 'care' FROM docs USING dense PREFETCH (QUERY 'care' USING sparse)"
    )
    assert "2 of 2 final hits, from ranks 1, 2" in one
    two = "QUERY FUSION RRF FROM docs PREFETCH (QUERY 'burns' USING sparse, QUERY 'wounds' USING sparse)"
    shown = lines_of(db, f"EXPLAIN ANALYZE {two}")
    assert shown.count("1 of 2 final hits, from rank 1; 1 found by no other stage") == 2
    assert "nothing in common with inline 2" in shown and "nothing in common with inline 1" in shown


def test_the_overlap_of_stages_beside_one_another(db: Session) -> None:
    text = (
        "WITH a AS (QUERY 'care' USING dense LIMIT 3), b AS (QUERY 'care' USING sparse PREFETCH (a) LIMIT 3)"
    )
    text += " QUERY FUSION RRF FROM docs PREFETCH (b, (QUERY 'care' USING dense LIMIT 2))"
    _, b, _, inline = db.execute(f"EXPLAIN ANALYZE {text}").data["stages"]
    both = {one["id"] for one in b["candidates"]} & {one["id"] for one in inline["candidates"]}
    [other] = [one for one in b["overlaps"] if one["stage"] == inline["label"]]
    assert other["count"] == len(both)
    shown = lines_of(db, f"EXPLAIN ANALYZE {text}")
    named = f"{inline['label']}: {len(both)} (Jaccard {other['jaccard']:.2f})"
    assert f"in common with {named}" in shown  # and not with `a`, which feeds it


def test_an_empty_collection(db: Session) -> None:
    db.execute(
        "CREATE COLLECTION none (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25')"
    )
    text = PIPELINE.replace("docs", "none")
    shown = lines_of(db, f"EXPLAIN ANALYZE ABLATE {text} RERANK MODEL 'local/overlap' TOP 1")
    assert shown[0].startswith("Query on none: 0 hits in ")
    assert sum(line.startswith("used 0 of ") for line in shown) == 3
    assert not any("final hit" in line or "in common" in line or line.startswith("scores") for line in shown)
    assert any(line.startswith("then reranked by local/overlap: 0 of 0 candidates") for line in shown)


def test_what_order_by_goes_by_is_shown(db: Session) -> None:
    db.execute("CREATE INDEX ON docs FOR n TYPE integer")
    shown = lines_of(db, "EXPLAIN ANALYZE QUERY ORDER BY n DESC FROM docs LIMIT 2")
    assert "values 3 … 2" in shown and not any(line.startswith("scores") for line in shown)


def test_short_times_are_no_nothing() -> None:
    assert [_ms(time) for time in (0.004, 0.25, 0.999, 1, 12.34)] == [
        *("0.00 ms", "0.25 ms", "1.00 ms", "1.0 ms", "12.3 ms")
    ]


def test_indexes_are_told_beside_what_was_measured(db: Session) -> None:
    db.execute("CREATE INDEX ON docs FOR n TYPE integer")
    shown = lines_of(db, f"EXPLAIN ANALYZE {PIPELINE}")
    assert "where: n > 0  (of the reference; n: integer index)" in shown


def test_group_by_multiplies_the_limits_below_it(db: Session) -> None:
    text = "QUERY 'care' FROM docs USING dense PREFETCH (QUERY 'care' USING sparse LIMIT 4) GROUP BY n"
    shown = lines_of(db, f"EXPLAIN ANALYZE {text} SIZE 2 LIMIT 3")
    assert "limit: 3 groups" in shown and "limit: 4, times 2 for the hits of a group" in shown
    assert any(line.startswith("used ") and " of 8 slots" in line for line in shown)
    assert "limit: 4, times 3 for the hits of a group" in lines_of(db, f"EXPLAIN {text}")


def test_nothing_is_written_by_a_refused_analyze(db: Session) -> None:
    with pytest.raises(qql.QQLPlanError):
        db.execute("EXPLAIN ANALYZE DELETE FROM docs WHERE id = 1")
    assert db.execute("COUNT FROM docs").rows == [{"count": 3}]


# ------------------------------------------------------------------------------------ each kind of stage

SCHEMA = Schema(
    {
        "dense": VectorInfo("dense", "dense", 4, "Cosine", "local/hash-4"),
        "sparse": VectorInfo("sparse", "sparse", model="qdrant/bm25"),
        "colbert": VectorInfo("colbert", "multi", 3, "Dot"),
    },
    {"n": "integer", "tag": "keyword", "parts[].size": "float", "words": "text"},
    points=100,
)
DENSE = "vector: dense (dense, 4 × Cosine, model local/hash-4)"
SPARSE = "vector: sparse (sparse, model qdrant/bm25)"
DEFAULT = "limit: 10 (Qdrant's default)"


def compiled(text: str, schema: Schema | None = SCHEMA) -> Compiled:
    context = make_context(schema={"docs": schema} if schema else None)
    [one] = compile_script(Source(text), None, context)
    return one


def shown(text: str, schema: Schema | None = SCHEMA) -> tuple[list[str], dict[str, Any]]:
    """The lines of the root in the tree, without the tree, and the root as data."""
    one = compiled(text, schema)
    assert one.plan is not None
    _, first, *lines = plan_lines(one.plan, schema)
    mine = [first]
    for line in lines:
        if re.match("[├└]|then reranked", line):
            break
        mine.append(line.removeprefix("│").strip())
    return mine, explain_dict(replace(one, schema=schema))["plan"]["stages"][-1]


VECTOR_KEYS = ("using", "kind", "size", "distance", "model")
NONE = (None, None, None, None, None)
ON_DENSE = ("dense", "dense", 4, "Cosine", "local/hash-4")
NO_TEXT = ("dense", "dense", 4, "Cosine", None)
BELOW = "PREFETCH (QUERY 'b' USING sparse)"


@pytest.mark.parametrize(
    ("query", "lines", "vector"),
    [
        pytest.param("'a' USING dense", ["root: search for 'a' on dense", DENSE], ON_DENSE, id="dense"),
        pytest.param(
            "'a' USING sparse",
            ["root: search for 'a' on sparse", SPARSE],
            ("sparse", "sparse", None, None, "qdrant/bm25"),
            id="sparse",
        ),
        pytest.param(
            "[[1, 2, 3], [4, 5, 6]] USING colbert",
            [
                "root: search for a multivector on colbert",
                "target: [[1, 2, 3], [4, 5, 6]]",
                "vector: colbert (multi, 3 × Dot)",
            ],
            ("colbert", "multi", 3, "Dot", None),
            id="multi",
        ),
        pytest.param(
            f"FUSION RRF {BELOW}", ["root: fuse by RRF", "k: 2 (Qdrant's default)"], NONE, id="fusion"
        ),
        pytest.param(f"FUSION DBSF {BELOW}", ["root: fuse by DBSF"], NONE, id="dbsf"),
        pytest.param(
            f"'a' {BELOW} FUSION RRF",
            [
                "root: fuse by RRF",
                "'a' is not searched again: the fusion is the query",
                "k: 2 (Qdrant's default)",
            ],
            NONE,
            id="fusion-with-a-text",
        ),
        pytest.param(
            f"'a' {BELOW} USING dense", ["root: rescore by 'a' on dense", DENSE], ON_DENSE, id="rescoring"
        ),
        pytest.param(
            f"FORMULA $score + n {BELOW}", ["root: rescore by FORMULA $score + n"], NONE, id="formula"
        ),
        pytest.param("ORDER BY n DESC", ["root: all points, ORDER BY n DESC"], NONE, id="order"),
        pytest.param(
            f"ORDER BY n {BELOW}", ["root: what its stages found, ORDER BY n"], NONE, id="order-of-stages"
        ),
        pytest.param(
            "SAMPLE RANDOM", ["root: points drawn by chance", "target: SAMPLE RANDOM"], NONE, id="sample"
        ),
        pytest.param(
            "POINT 1 USING dense",
            [
                "root: search for POINT 1 on dense",
                DENSE,
                "where: id NOT IN (1)  (the points that the query names)",
            ],
            NO_TEXT,
            id="point",
        ),
        pytest.param(
            "HYBRID 'a'",
            [
                "root: fuse by RRF",
                "HYBRID 'a': two searches, each for 10 times as many hits",
                "k: 2 (Qdrant's default)",
            ],
            NONE,
            id="hybrid",
        ),
        pytest.param(
            "MMR 'a' DIVERSITY 0.5 CANDIDATES 20 USING dense",
            ["root: search for MMR 'a' DIVERSITY 0.5 CANDIDATES 20 on dense", DENSE],
            ON_DENSE,
            id="mmr",
        ),
        pytest.param(
            "RECOMMEND POSITIVE (1) NEGATIVE (2) STRATEGY best_score USING dense",
            [
                "root: search for RECOMMEND POSITIVE (1) NEGATIVE (2) STRATEGY best_score on dense",
                DENSE,
                "where: id NOT IN (1, 2)  (the points that the query names)",
            ],
            NO_TEXT,
            id="recommend",
        ),
        pytest.param(
            "DISCOVER TARGET POINT 1 CONTEXT (POSITIVE POINT 2 NEGATIVE POINT 3) USING dense",
            [
                "root: search for DISCOVER TARGET POINT 1 CONTEXT (POSITIVE POINT 2 NEGATIVE … on dense",
                "target: DISCOVER TARGET POINT 1 CONTEXT (POSITIVE POINT 2 NEGATIVE POINT 3)",
                DENSE,
                "where: id NOT IN (1, 2, 3)  (the points that the query names)",
            ],
            NO_TEXT,
            id="discover",
        ),
        pytest.param(
            "CONTEXT (POSITIVE POINT 2 NEGATIVE POINT 3) USING dense",
            [
                "root: search for CONTEXT (POSITIVE POINT 2 NEGATIVE POINT 3) on dense",
                DENSE,
                "where: id NOT IN (2, 3)  (the points that the query names)",
            ],
            NO_TEXT,
            id="context",
        ),
        pytest.param(
            "RELEVANCE FEEDBACK TARGET 'a' FEEDBACK ((POINT 2, 0.9)) STRATEGY NAIVE (a = 1, b = 1, c = 1)"
            " USING dense",
            [
                "root: search for RELEVANCE FEEDBACK TARGET 'a' FEEDBACK ((2, 0.9)) STRATEGY … on dense",
                "target: RELEVANCE FEEDBACK TARGET 'a' FEEDBACK ((2, 0.9))"
                " STRATEGY NAIVE (a = 1, b = 1, c = 1)",
                DENSE,
                "where: id NOT IN (2)  (the points that the query names)",
            ],
            ON_DENSE,
            id="feedback",
        ),
        pytest.param(
            "MATCH 'a' ON words",
            ["root: search for MATCH 'a' ON words"],
            ("words", None, None, None, None),
            id="full-text",
        ),
    ],
)
def test_each_kind_of_stage(query: str, lines: list[str], vector: tuple[Any, ...]) -> None:
    told, data = shown(f"QUERY {query} FROM docs")
    assert told == [*lines, DEFAULT]
    assert tuple(data[key] for key in VECTOR_KEYS) == vector
    assert (data["limit"], data["emitted"]) == (None, 1)
    if data["target"] is not None:
        assert qql.parse(f"QUERY {data['target']} FROM docs")


@pytest.mark.parametrize(
    ("query", "line", "vector"),
    [
        ("'a' USING v", "vector: v", ("v", None, None, None, None)),
        (
            "'a' MODEL 'local/hash-8' USING v",
            "vector: v (dense, 8 dimensions, model local/hash-8)",
            ("v", "dense", 8, None, "local/hash-8"),
        ),
        (
            "'a' MODEL 'colbert-ir/colbertv2.0'",
            "vector: (multi, 128 dimensions, model colbert-ir/colbertv2.0)",
            (None, "multi", 128, None, "colbert-ir/colbertv2.0"),
        ),
        ("[1, 2, 3] USING v", "vector: v (dense, 3 dimensions)", ("v", "dense", 3, None, None)),
        ("[[1, 2]] USING v", "vector: v (multi, 2 dimensions)", ("v", "multi", 2, None, None)),
        (
            "{indices: [7], values: [1]} USING 'my v'",
            "vector: 'my v' (sparse)",
            ("my v", "sparse", None, None, None),
        ),
    ],
)
def test_without_a_schema_only_what_is_known(query: str, line: str, vector: tuple[Any, ...]) -> None:
    told, data = shown(f"QUERY {query} FROM docs", None)
    assert [one for one in told if one.startswith("vector:")] == [line]
    assert tuple(data[key] for key in VECTOR_KEYS) == vector


def test_another_model_than_the_vectors_is_named() -> None:
    told, data = shown("QUERY 'a' MODEL 'local/other' FROM docs USING dense")
    assert f"{DENSE}, embedded by local/other" in told
    assert data["model"] == "local/other"


def test_limits_thresholds_and_params() -> None:
    text = """
        WITH s AS (QUERY 'a' USING dense SCORE THRESHOLD 0.2 PARAMS (hnsw_ef = 64, exact = true) LIMIT 7)
        QUERY FUSION RRF FROM docs PREFETCH (s SCORE THRESHOLD 0.4, s)
        WITH (rrf_k = 9, rrf_weights = [0.7, 0.3], timeout = 5) SHARD 'x' LIMIT 3 OFFSET 2
    """
    one = compiled(text)
    assert one.plan is not None
    lines = [line.strip(" │├└─") for line in plan_lines(one.plan, SCHEMA)]
    assert lines == [
        "Query on docs: 1 stage, 1 deep; sent as 2 prefetches, since Qdrant shares no stages",
        "root: fuse by RRF",
        "k: 9",
        "weights: s 0.7, s 0.3",
        "limit: 3, offset: 2",
        "shard: 'x'",
        "options: timeout = 5",
        "s: search for 'a' on dense  [emitted 2 times]",
        DENSE,
        "score threshold: 0.4  (of the reference, in place of 0.2)",
        "params: hnsw_ef = 64, exact = true",
        "limit: 7",
        "s: search for 'a' on dense  [emitted 2 times]",
        DENSE,
        "score threshold: 0.2",
        "params: hnsw_ef = 64, exact = true",
        "limit: 7",
    ]
    plan = explain_dict(one)["plan"]
    stage, root = plan["stages"]
    assert (stage["threshold"], stage["limit"], stage["emitted"]) == (0.2, 7, 2)
    assert stage["params"] == {"hnsw_ef": 64, "exact": True}
    assert [given["threshold"] for given in root["inputs"]] == [0.4, None]
    assert root["rrf"] == {"k": 9, "weights": [0.7, 0.3]}
    assert (plan["expanded"], plan["depth"], plan["offset"]) == (2, 1, 2)
    assert (plan["shard"], plan["options"]) == ("SHARD 'x'", {"timeout": 5})


def test_groups_and_lookups() -> None:
    told, _ = shown("QUERY POINT 1 FROM docs USING dense LOOKUP FROM other VECTOR v GROUP BY tag SIZE 2")
    # A point of another collection is no hit of this one, so nothing is left out for it.
    assert told[2:] == [
        "where: tag IS NOT EMPTY  (of GROUP BY; tag: keyword index)",
        "vector of the point from: other VECTOR v",
        "limit: 10 groups (Qdrant's default)",
        "group by: tag SIZE 2",
    ]


# ------------------------------------------------------------------------------------ merged filters


MERGED = """
    WITH
      a AS (QUERY 'a' USING dense WHERE n > 1 OR tag = 'x'),
      b AS (QUERY 'b' USING sparse),
      f AS (QUERY FUSION RRF PREFETCH (a WHERE size = 1, b) WHERE parts[].size < 5),
      g AS (QUERY POINT 3 USING dense PREFETCH (f WHERE n != 4, f) LIMIT 20)
    QUERY FUSION RRF FROM docs PREFETCH (g, a) WHERE NESTED('parts', size > 2) AND id != 9 LIMIT 5
"""


def test_every_part_of_a_merged_filter_stands_with_its_origin() -> None:
    one = compiled(MERGED)
    assert one.plan is not None
    tree = [line.strip(" │├└─") for line in plan_lines(one.plan, SCHEMA)]
    at = tree.index("a: search for 'a' on dense  [emitted 3 times]")
    above = "NESTED(parts, size > 2) AND id != 9  (of the query above; parts[].size: float index)"
    assert tree[at + 2 : at + 8] == [
        "where: n > 1 OR tag = 'x'  (of the stage; n: integer index, tag: keyword index)",
        "and: size = 1  (of the reference; size: no index)",
        "and: parts[].size < 5  (of `f` above; parts[].size: float index)",
        "and: n != 4  (of the reference to `f` above; n: integer index)",
        "and: id NOT IN (3)  (the points that `g` above names)",
        f"and: {above}",
    ]
    last = len(tree) - 1 - tree[::-1].index(tree[at])  # `a` where the root refers to it
    assert tree[last + 2 : last + 4] == [tree[at + 2], f"and: {above}"]
    again = [line for line in tree if line.startswith("its own stages")]
    assert again == ["its own stages are shown above; here the filter of this place holds for them"]


def test_the_merged_filters_as_data() -> None:
    plan = explain_dict(replace(compiled(MERGED), schema=SCHEMA))["plan"]
    stages = {stage["label"]: stage for stage in plan["stages"]}
    numbers = {label: stage["number"] for label, stage in stages.items()}
    assert [stage["number"] for stage in plan["stages"]] == list(range(5))
    merged = {
        tuple((part["source"], part["stage"]) for part in one["parts"]): one for one in stages["a"]["filters"]
    }
    own, above = [("stage", "a"), ("reference", "a"), ("stage", "f")], [("points", "g"), ("stage", "root")]
    assert set(merged) == {
        (*own, ("reference", "f"), *above),
        (*own, *above),
        (("stage", "a"), ("stage", "root")),
    }
    assert all(one["emitted"] == 1 for one in merged.values()) and stages["a"]["emitted"] == 3
    for stage in stages.values():
        assert sum(one["emitted"] for one in stage["filters"]) == stage["emitted"]
        for part in (part for one in stage["filters"] for part in one["parts"]):
            assert part["number"] == numbers[part["stage"]]
            assert qql.parse(f"COUNT FROM docs WHERE {part['text']}")
    first = stages["a"]["filters"][0]["parts"][0]
    assert first["fields"] == [
        {"name": "n", "indexed": True, "index": "integer"},
        {"name": "tag", "indexed": True, "index": "keyword"},
    ]
    assert stages["a"]["filters"][0]["parts"][1]["fields"] == [
        {"name": "size", "indexed": False, "index": None}
    ]


def test_what_hybrid_copies_is_told_of_the_query() -> None:
    plan = explain_dict(compiled("QUERY HYBRID 'a' FROM docs WHERE n = 1"))["plan"]
    sources = [
        [(part["source"], part["stage"]) for part in one["filters"][0]["parts"]] for one in plan["stages"]
    ]
    assert sources == [[("stage", "root")]] * 3


FILTERED = [
    MERGED,
    "QUERY HYBRID 'a' FROM docs WHERE n < 5 AND tag = 'x' GROUP BY tag",
    "QUERY 'a' FROM docs USING dense WHERE n < 6 FORMULA $score + n",
    """WITH s AS (QUERY RECOMMEND POSITIVE (1, 2) USING dense WHERE MIN SHOULD 1 (n = 3, tag = 'y'))
       QUERY 'b' FROM docs USING sparse WHERE n = 1 OR n = 3 OR n > 7
       PREFETCH (s WHERE tag = 'x' OR n = 3, s)""",
]


@pytest.mark.parametrize("text", FILTERED, ids=["nested", "hybrid", "formula", "points"])
def test_the_parts_hold_for_the_points_that_the_engine_searches(db: Session, text: str) -> None:
    """The parts joined by AND count as many points as the filter of the stage when it is run alone."""
    rows = [
        f"{{id: {i}, text: 'a', n: {i % 8}, tag: '{'xy'[i % 2]}', parts: [{{size: {i % 5}}}], size: {i % 3}}}"
        for i in range(4, 60)
    ]
    db.run(f"UPSERT INTO docs VALUES {', '.join(rows)}")
    [one] = compile_script(Source(text), None, db.context)
    assert one.plan is not None
    route = collection_path("docs", "points", "count")
    told = Filters()
    counts = []
    for run in stage_requests(one.plan, one.requests[0]):
        parts = " AND ".join(f"({told.told(part.condition)[0]})" for part in told.merged(one.plan, run.chain))
        where = f"WHERE {parts}" if parts else ""
        [row] = db.execute(f"COUNT FROM docs {where} WITH (exact = true)").rows
        named = {"must_not": [{"has_id": list(run.named)}]} if run.named else {}
        body = {"filter": {"must": [run.body.get("filter", {}), named]}, "exact": True}
        counted = db.backend.call(replace(one.requests[0], path=route, body=body))
        assert row["count"] == counted["count"], (run.label, parts)
        counts.append(row["count"])
    assert 0 < min(counts) <= len(rows)


@pytest.mark.parametrize(
    "schema", [None, replace(SCHEMA, indexes={}, points=None)], ids=["none", "no-fields"]
)
def test_where_indexes_are_not_known_nothing_is_said_of_them(schema: Schema | None) -> None:
    text = "QUERY [1, 2, 3, 4] FROM docs USING dense WHERE n = 1"
    told, data = shown(text, schema)
    assert "where: n = 1  (of the query)" in told
    [part] = data["filters"][0]["parts"]
    assert part["fields"] == [{"name": "n", "indexed": None, "index": None}]
    told, _ = shown(text, replace(SCHEMA, indexes={}))  # an engine counts the points: there is no index
    assert "where: n = 1  (of the query; n: no index)" in told


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("parts.size = 1", "parts.size: no index"),  # an index counts for its own path
        ("parts[].size = 1", "parts[].size: float index"),
        ("NESTED('parts', size = 1 AND NOT o = 2)", "parts[].size: float index, parts[].o: no index"),
        ("NESTED('parts[]', size = 1)", "parts[].size: float index"),
        ("tag IS NOT NULL AND (n = 1 OR n = 2)", "tag: keyword index, n: integer index"),
        ("MIN SHOULD 1 (words MATCH 'a', o IS EMPTY)", "words: text index, o: no index"),
        ("'my field' = 1", "'my field': no index"),
    ],
)
def test_the_fields_of_a_condition(condition: str, said: str) -> None:
    one = replace(compiled(f"COUNT FROM docs WHERE {condition}"), schema=SCHEMA)
    [line, *_] = explain_compiled(one).splitlines()
    assert line.endswith(f"  ({said})")


@pytest.mark.parametrize("condition", ["id IN (1, 2)", "SLICE(4, 1)", "HAS_VECTOR dense"])
def test_what_tests_no_field(condition: str) -> None:
    one = compiled(f"COUNT FROM docs WHERE {condition}")
    assert explain_compiled(replace(one, schema=SCHEMA)).splitlines()[0] == f"where: {condition}"
    assert explain_dict(replace(one, schema=SCHEMA))["filter"][0]["fields"] == []


def test_of_many_fields_the_first_are_told() -> None:
    text = f"COUNT FROM docs WHERE {' AND '.join(f'f{number} = 1' for number in range(40))}"
    [line, *_] = explain_compiled(replace(compiled(text), schema=SCHEMA)).splitlines()
    assert line.endswith("f11: no index … and 28 more)")


def test_a_long_condition_is_said_in_full_once() -> None:
    long = " OR ".join(f"n = {number}" for number in range(100))
    text = f"QUERY FUSION RRF FROM docs WHERE {long} PREFETCH (QUERY 'a' USING dense, QUERY 'b' USING sparse)"
    one = compiled(text)
    assert one.plan is not None
    tree = [line for line in plan_lines(one.plan) if "where: " in line]
    assert [long in line for line in tree] == [True, False, False]
    assert all(f"{long[:70]}" in line and "…  (of the query above)" in line for line in tree[1:])
    texts = {
        part["text"] for stage in explain_dict(one)["plan"]["stages"] for part in stage["filters"][0]["parts"]
    }
    assert texts == {long}


@pytest.mark.parametrize(
    ("statement", "lines", "sources"),
    [
        ("SCROLL FROM docs WHERE n > 1", ["where: n > 1  (n: integer index)"], [("WHERE", None)]),
        ("COUNT FROM docs WHERE o = 1", ["where: o = 1  (o: no index)"], [("WHERE", None)]),
        ("FACET tag FROM docs WHERE n = 1", ["where: n = 1  (n: integer index)"], [("WHERE", None)]),
        (
            "DELETE FROM docs WHERE n = 1 OR o = 2",
            ["where: n = 1 OR o = 2  (n: integer index, o: no index)"],
            [("WHERE", None)],
        ),
        ("UPDATE docs SET PAYLOAD = {a: 1} WHERE id = 1", ["where: id = 1"], [("WHERE", None)]),
        (
            "UPSERT INTO docs VALUES {id: 1, vector: {dense: [1, 2, 3, 4]}} UPDATE FILTER n = 1",
            ["where: n = 1  (of UPDATE FILTER; n: integer index)"],
            [("UPDATE FILTER", None)],
        ),
        (
            "BATCH { DELETE FROM docs WHERE n = 1; DELETE PAYLOAD a FROM docs WHERE o = 2; }",
            [
                "where: n = 1  (of statement 1; n: integer index)",
                "where: o = 2  (of statement 2; o: no index)",
            ],
            [("WHERE", 1), ("WHERE", 2)],
        ),
        ("COUNT FROM docs", [], []),
    ],
)
def test_the_filter_of_other_statements(
    statement: str, lines: list[str], sources: list[tuple[str, int | None]]
) -> None:
    one = compiled(statement)
    said = explain_compiled(replace(one, schema=SCHEMA))
    assert [line for line in said.splitlines() if line.startswith("where")] == lines
    assert f"{one.requests[0].method} {one.requests[0].path}" in said
    data = explain_dict(replace(one, schema=SCHEMA))
    assert data["plan"] is None
    assert [(part["source"], part["member"]) for part in data["filter"]] == sources


# ------------------------------------------------------------------------------------ what is sent


def test_the_embedding_batch() -> None:
    one = compiled(
        """WITH a AS (QUERY 'x' USING dense), b AS (QUERY 'x' USING sparse), c AS (QUERY 'y' USING dense)
           QUERY 'x' FROM docs USING dense PREFETCH (a, b, c, a)"""
    )
    said = explain_compiled(one).splitlines()
    assert (
        "embedding: 2 texts for 4 places by local/hash-4, 1 text by qdrant/bm25;"
        " embedded before it is sent, or by the server"
    ) in said
    [request] = explain_dict(one)["requests"]
    assert request["embedding"] == [
        {"model": "local/hash-4", "form": "text", "purpose": "query", "distinct": 2, "places": 4},
        {"model": "qdrant/bm25", "form": "text", "purpose": "query", "distinct": 1, "places": 1},
    ]


def test_what_needs_no_model_has_no_batch() -> None:
    one = compiled("QUERY [1, 2, 3, 4] FROM docs USING dense")
    assert "embedding" not in explain_compiled(one)
    assert "vectors take" not in explain_compiled(one)
    assert explain_dict(one)["requests"][0]["embedding"] == []


def test_rows_are_embedded_as_documents() -> None:
    one = compiled("UPSERT INTO docs VALUES {id: 1, text: 'a'}, {id: 2, text: 'a'} USING DENSE")
    assert "embedding: 1 text for 2 places by local/hash-4;" in explain_compiled(one)
    [batch] = explain_dict(one)["requests"][0]["embedding"]
    assert (batch["purpose"], batch["distinct"], batch["places"]) == ("document", 1, 2)


def test_the_size_of_the_request_and_its_prefetches() -> None:
    one = compiled(MERGED.replace("'a'", "'ä'"))
    [request] = explain_dict(one)["requests"]
    body = json.dumps(one.requests[0].body, ensure_ascii=False)
    size = len(re.sub(r"(?<=[,:]) ", "", body).encode())  # no text of it has a space behind , or :

    def prefetches(stage: dict[str, Any]) -> int:
        return sum(1 + prefetches(inner) for inner in stage.get("prefetch", ()))

    assert (request["bytes"], request["prefetches"]) == (size, prefetches(one.requests[0].body or {}))
    assert request["prefetches"] == 8
    line = f"request: {size:,} bytes of JSON, 8 prefetches; vectors take the place of what is embedded"
    assert line in explain_compiled(one).splitlines()


def test_a_request_without_a_body_has_no_size() -> None:
    one = compiled("SHOW COLLECTIONS")
    assert explain_compiled(one) == "GET /collections"
    assert explain_dict(one)["requests"][0]["bytes"] == 0


def test_the_queries_of_a_batch_are_counted_together() -> None:
    members = "QUERY 'a' FROM docs USING dense PREFETCH (QUERY 'a' USING sparse); QUERY HYBRID 'a' FROM docs;"
    one = compiled(f"BATCH {{ {members} }}")
    [request] = explain_dict(one)["requests"]
    assert request["prefetches"] == 3
    assert [batch["places"] for batch in request["embedding"]] == [2, 2]


# ------------------------------------------------------------------------------------ the second stage


@pytest.mark.parametrize(
    ("clause", "lines", "data"),
    [
        (
            "RERANK 'b' MODEL 'local/overlap' ON body TOP 3 LIMIT 50",
            ["then reranked by local/overlap: the best 3 of 50 candidates", "    compared with: 'b'"],
            {
                "text": "b",
                "model": "local/overlap",
                "fields": ["body"],
                "candidates": 50,
                "top": 3,
                "offset": 0,
            },
        ),
        (
            "RERANK MODEL 'local/overlap' ON body TOP 3 LIMIT 50 OFFSET 2",
            [
                "then reranked by local/overlap: the best 3 of 50 candidates behind the first 2",
                "    compared with: 'a'",
            ],
            {
                "text": "a",
                "model": "local/overlap",
                "fields": ["body"],
                "candidates": 50,
                "top": 3,
                "offset": 2,
            },
        ),
        (
            "RERANK ON body LIMIT 4",
            [
                "then reranked by a model that is not known: the best 4 of 4 candidates",
                "    compared with: 'a'",
            ],
            {"text": "a", "model": None, "fields": ["body"], "candidates": 4, "top": 4, "offset": 0},
        ),
    ],
    ids=["all", "offset", "no-model"],
)
def test_rerank_is_the_second_stage(clause: str, lines: list[str], data: dict[str, Any]) -> None:
    one = compiled(f"QUERY 'a' FROM docs USING dense {clause}")
    assert one.plan is not None
    assert plan_lines(one.plan)[-3:] == [*lines, "    field: body"]
    plan = explain_dict(one)["plan"]
    assert plan["second"] == data
    assert plan["stages"][-1]["limit"] == data["candidates"]


def test_rerank_without_a_field_names_those_that_are_tried() -> None:
    one = compiled("QUERY 'a' FROM docs USING dense RERANK MODEL 'local/overlap'")
    assert one.plan is not None
    last = plan_lines(one.plan)[-1]
    fields = explain_dict(one)["plan"]["second"]["fields"]
    assert last == f"    field: {', '.join(fields)}  (the first of them that a candidate has)"
    assert fields[0] == "text" and len(fields) > 3


# ------------------------------------------------------------------------------------ advice


def test_advice_is_told_below_the_requests() -> None:
    one = compiled("WITH s AS (QUERY 'a' USING dense)\nQUERY 'a' FROM docs USING sparse")
    advice = [
        qql.Diagnostic(
            "some-rule", "this is slow", Span(10, 15), "do that", severity="advice", source=one.source
        ),
        qql.Diagnostic("no-place", "also", severity="warning"),
    ]
    said = explain_compiled(replace(one, schema=SCHEMA, advice=tuple(advice)))
    assert said.endswith(
        "\n\nadvice:\n  advice[some-rule] at 1:11: this is slow\n    help: do that\n  warning[no-place]: also"
    )
    data = explain_dict(replace(one, schema=SCHEMA, advice=tuple(advice)))
    assert data["advice"] == [found.to_dict() for found in advice]
    assert [found["code"] for found in data["warnings"]] == ["unused-stage"]
    assert "advice:" not in explain_compiled(replace(one, schema=SCHEMA))


def test_advice_stands_with_its_statement() -> None:
    text = "COUNT FROM docs;\nQUERY 'a' FROM docs USING dense WHERE o = 1;\nSCROLL FROM docs WHERE p = 1"
    schema = {"docs": replace(SCHEMA, points=100_000)}
    said = qql.explain(text, schema=schema)
    _, query, scroll = re.split("(?=Query on docs|where: p)", said)
    assert "filter-without-index] at 2:39" in query and "CREATE INDEX ON docs FOR o" in query
    assert "filter-without-index] at 3:24" in scroll and "at 2:" not in scroll
    assert "where: o = 1  (of the query; o: no index)" in query
    assert "advice:" not in qql.explain(text, collection="docs")


# ------------------------------------------------------------------------------------ the whole

EVERYTHING = [
    MERGED,
    "EXPLAIN QUERY 'a' FROM docs USING dense RERANK MODEL 'local/overlap'",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY 'a' USING dense) WITH (rrf_k = 3, timeout = 5) GROUP BY tag",
    "QUERY FUSION RRF FROM docs PREFETCH (QUERY 'a' USING dense) GROUP BY tag FUSE FIRST",
    "QUERY 'a' FROM docs USING dense ELSE WHEN HITS < 3 QUERY 'a' USING sparse",
    "DELETE FROM docs WHERE o = 1",
    "USE docs",
    "WITH s AS (QUERY 'a' USING dense) QUERY 'a' FROM docs USING sparse",
]
INSIDE = {"body", "query", "params", "rrf", "options"}
"""Keys with Qdrant's own words below them."""


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in INSIDE:
                yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_the_keys_are_those_that_are_documented() -> None:
    documented = set(re.findall(r'"(\w+)"', explain_dict.__doc__ or ""))
    made: set[str] = set()
    for text in EVERYTHING:
        one = compiled(text)
        advice = [qql.Diagnostic("code", "message", Span(0, 1), "hint", source=one.source)]
        data = explain_dict(replace(one, schema=SCHEMA, advice=tuple(advice)))
        assert json.loads(json.dumps(data)) == data
        made |= set(keys_of(data))
    assert made == documented


@pytest.mark.parametrize("text", EVERYTHING)
def test_the_same_statement_is_told_the_same(text: str) -> None:
    one, again = (replace(compiled(text), schema=SCHEMA) for _ in range(2))
    assert explain_compiled(one) == explain_compiled(again)
    assert explain_dict(one) == explain_dict(again)


@pytest.mark.parametrize(
    "target",
    [
        "{v}",
        "RECOMMEND POSITIVE ({v}, 5) STRATEGY best_score",
        "DISCOVER TARGET {v} CONTEXT (POSITIVE {v} NEGATIVE POINT 3)",
        "CONTEXT (POSITIVE {v} NEGATIVE {v})",
        "MMR {v} DIVERSITY 0.5",
        "RELEVANCE FEEDBACK TARGET {v} FEEDBACK (({v}, 1)) STRATEGY NAIVE (a = 1, b = 1, c = 1)",
        "{{indices: {i}, values: {v}}}",
        "[{v}, {v}]",
    ],
)
def test_long_vectors_are_cut(target: str) -> None:
    vector, indices = [number / 10 for number in range(1, 301)], list(range(300))
    text = f"QUERY {target.format(v=vector, i=indices)} FROM docs USING v"
    one = compiled(text, None)
    assert one.plan is not None
    tree = "\n".join(plan_lines(one.plan))
    assert "[0.1, 0.2, 0.3, 0.4, … 296 more]" in tree
    assert "0.5, 0.6" not in tree and "\0" not in tree
    assert len(explain_compiled(one)) < 2_500
    assert "29.9, 30.0" in explain_dict(one)["plan"]["stages"][0]["target"]


def test_a_text_that_looks_like_a_cut_vector_is_left_alone() -> None:
    text = "QUERY RECOMMEND POSITIVE ([1, 2, 3, 4, 5, 6], {text: :t, model: 'm'}) FROM docs USING v"
    [one] = compile_script(Source(text), {"t": ":\0005\000"}, make_context())
    assert one.plan is not None
    assert ":\\u00005\\u0000" in "\n".join(plan_lines(one.plan))


def test_names_cannot_break_the_lines() -> None:
    name = "a\n└── b\x1b[31m\u2028"
    stage = f"'{name}' AS (QUERY 'x' USING '{name}' WHERE '{name}' = 1)"
    text = f"WITH {stage} QUERY FUSION RRF FROM docs PREFETCH ('{name}')"
    one = compiled(text, None)
    assert one.plan is not None
    lines = plan_lines(one.plan)
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("└── ") for line in lines) == 1


def test_wide_and_deep_plans() -> None:
    wide = ", ".join(f"s WHERE n = {number}" for number in range(1024))
    text = f"WITH s AS (QUERY 'a' USING dense) QUERY FUSION RRF FROM docs WHERE o = 1 PREFETCH ({wide})"
    one = compiled(text)
    assert one.plan is not None
    tree = plan_lines(one.plan, SCHEMA)
    assert sum("[emitted 1024 times]" in line for line in tree) == 1024
    assert sum("and: o = 1  (of the query above; o: no index)" in line for line in tree) == 1024
    assert len(explain_dict(replace(one, schema=SCHEMA))["plan"]["stages"][0]["filters"]) == 1024
    deep = "QUERY 'a' FROM docs USING dense " + "PREFETCH (QUERY 'a' USING dense WHERE n = 1 " * 64 + ")" * 64
    one = compiled(deep)
    assert one.plan is not None
    found = [line.index("└── ") for line in plan_lines(one.plan) if "└── " in line]
    assert found == [4 * level for level in range(64)]
    assert [len(stage["filters"][0]["parts"]) for stage in explain_dict(one)["plan"]["stages"]] == [
        *range(64, -1, -1)
    ]


def test_doubling_stages_are_shown_once_each() -> None:
    ctes = ["s0 AS (QUERY 'a' USING dense)"]
    ctes += [
        f"s{n} AS (QUERY FUSION RRF PREFETCH (s{n - 1} WHERE n = 1, s{n - 1} WHERE n = 2))"
        for n in range(1, 9)
    ]
    one = compiled(f"WITH {', '.join(ctes)} QUERY FUSION RRF FROM docs PREFETCH (s8, s8)")
    assert one.plan is not None
    assert one.plan.expanded == 1022
    assert sum("── " in line for line in plan_lines(one.plan)) == 2 * 9
    leaf = explain_dict(one)["plan"]["stages"][0]
    assert (leaf["emitted"], sum(f["emitted"] for f in leaf["filters"]), len(leaf["filters"])) == (
        512,
        512,
        256,
    )


# ------------------------------------------------------------------------------------ EXPLAIN ANALYZE


def test_analyze_shows_what_explain_shows_and_measures(db: Session) -> None:
    text = """
        WITH a AS (QUERY 'care' USING dense WHERE n < 9 LIMIT 3), b AS (QUERY 'care' USING sparse LIMIT 3)
        QUERY FUSION RRF FROM docs PREFETCH (a, b) WHERE n > 0 LIMIT 2"""
    [one] = compile_script(Source(text), None, db.context)
    assert one.plan is not None
    plan = [line.strip(" │├└─") for line in plan_lines(one.plan, one.schema)[1:]]
    analysed = [line.strip(" │├└─") for line in db.execute(f"EXPLAIN ANALYZE {text}").message.splitlines()]
    rest = iter(analysed)
    assert all(line in rest for line in plan)  # all of it, in this order
    assert len(analysed) > len(plan) + 4
