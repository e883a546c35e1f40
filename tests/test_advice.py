"""Advice: each rule on a text that breaks it and on one that just does not, and what is never said.

``tests/golden_advice/<code>.qql`` breaks the rule of that code; the rendered advice stands beside it
(``pytest --update`` rewrites it). ``<code>.good.qql`` has what comes closest without breaking it. The
collections that they use are in ``collections.json``, as ``GET /collections/{name}`` describes them; of
others nothing is known.
"""

from __future__ import annotations

import itertools
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given as generated
from hypothesis import reject
from hypothesis import settings as how
from hypothesis import strategies as st
from test_golden import settings

import qql
from qql.advice import (
    RULES,
    CollectionFacts,
    advise,
    advise_script,
    advised,
    facts_from_info,
    to_json,
    to_sarif,
)
from qql.advice.limits import stage_limits
from qql.compiler.context import make_context
from qql.compiler.script import Compiled, compile_script
from qql.errors import Diagnostic, QQLCompileError, Source, Span
from qql.manual.entries import ENTRIES
from qql.manual.examples import PARAMS as PARAMETERS
from qql.manual.examples import SETUP
from qql.rest.fusion import dbsf_bounds, rrf_bounds
from qql.schema import Fields, Schema
from qql.syntax.parser import parse_script

GOLDEN = Path(__file__).parent / "golden_advice"
INFOS: dict[str, Any] = json.loads((GOLDEN / "collections.json").read_text(encoding="utf-8"))


def compiled(text: str, name: str = "<string>", **given: Any) -> list[Compiled]:
    schemas = {key: Schema.from_info(info) for key, info in INFOS.items()}
    context = make_context(
        given.get("collection"), given.get("stages"), given.get("models"), given.get("schema", schemas)
    )
    return compile_script(Source(text, name), given.get("params"), context)


def facts_with_fields(info: dict[str, Any]) -> CollectionFacts:
    """As the engine's answer tells them, and by a ``sample`` of payloads: all of them, or a few."""
    sample = info.get("sample")
    fields = Fields.of(sample, whole=len(sample) == info["points_count"]) if sample is not None else None
    return replace(facts_from_info(info), fields=fields)


def advice(text: str, infos: Mapping[str, Any] = INFOS, name: str = "<string>") -> list[Diagnostic]:
    schemas = {key: Schema.from_info(info) for key, info in infos.items()}
    facts = {key: facts_with_fields(info) for key, info in infos.items()}
    found = []
    for one in compiled(text, name, schema=schemas):
        found += advise(one, schemas.get, facts.get(one.collection or ""))
    return found


def codes(text: str, infos: Mapping[str, Any] = INFOS) -> set[str]:
    return {one.code for one in advice(text, infos)}


# ------------------------------------------------------------------------------------ every rule


@pytest.mark.parametrize("code", RULES)
def test_a_text_breaks_the_rule(code: str, update: bool) -> None:
    case = GOLDEN / f"{code}.qql"
    found = advice(case.read_text(encoding="utf-8"), name=case.name)
    text = "\n\n".join(one.render() for one in found) + "\n"
    expected = case.with_suffix(".txt")
    if update:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")
    broken = [one for one in found if one.code == code]
    count = len(compiled(case.read_text(encoding="utf-8")))
    assert len({one.line for one in broken}) >= count, "a statement does not break the rule"
    for one in broken:
        assert one.severity == RULES[code].severity
        assert one.span is not None
        assert one.hint is not None


@pytest.mark.parametrize("code", RULES)
def test_a_text_just_does_not_break_the_rule(code: str) -> None:
    found = advice((GOLDEN / f"{code}.good.qql").read_text(encoding="utf-8"))
    assert [one.render() for one in found if one.code == code] == []


def test_every_golden_belongs_to_a_rule() -> None:
    assert {path.name.split(".")[0] for path in GOLDEN.glob("*.*")} == {*RULES, "collections"}


@pytest.mark.parametrize("code", RULES)
def test_every_rule_is_documented(code: str) -> None:
    rule = RULES[code]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code) and rule.code == code
    assert rule.severity in ("advice", "warning")
    assert len(rule.text.splitlines()) >= 2 and rule.title and rule.reason.endswith(".")
    fields = {*CollectionFacts.__dataclass_fields__, "schema"}
    assert fields.issuperset(rule.needs)
    for words in (rule.title, rule.reason, rule.text):
        assert not re.search(r"\byou\b", words, re.I)


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.needs])
def test_a_rule_says_nothing_where_what_it_needs_is_unknown(code: str) -> None:
    """Each fact in turn is taken away; a vector's own kind stands in the plan, whatever the facts say."""
    text = (GOLDEN / f"{code}.qql").read_text(encoding="utf-8")
    schemas = {key: Schema.from_info(info) for key, info in INFOS.items()}
    for one in compiled(text):
        bare = compiled(one.text, schema={}) if RULES[code].needs == ("schema",) else [one]
        known = None if RULES[code].needs == ("schema",) else CollectionFacts()
        nothing = {key: Schema(schema.vectors) for key, schema in schemas.items()}
        for statement in bare:
            found = advise(statement, nothing.get if known else lambda _: None, known)
            assert code not in {one.code for one in found}


# ------------------------------------------------------------------------------------ no false alarms

VECTOR = [0.25, 0.5, 0.125]
PARAMS: dict[str, dict[str, Any]] = {
    "oversampling.qql": {"vector": VECTOR},
    "two-stage.qql": {"vector": VECTOR},
    "three-stage.qql": {"vector": VECTOR, "tokens": [VECTOR]},
    "hybrid.qql": {"dense": VECTOR, "sparse": {"indices": [3], "values": [1.5]}},
    "stdlib.qql": {"docs": "stdlib.jsonl"},
}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.qql")), ids=lambda path: path.name)
def test_the_examples_are_good(path: Path) -> None:
    params = {"query": "a"} if path.parent.name == "evaluation" else PARAMS.get(path.name)
    given = {"params": params, "schema": {}}
    found = advise_script(compiled(path.read_text(encoding="utf-8"), path.name, **given), lambda _: None)
    assert [one.render() for one in found] == []


@pytest.mark.parametrize("name", ["two-stage.qql", "three-stage.qql", "oversampling.qql"])
@pytest.mark.parametrize("points", [None, 100_000, 999_999])
def test_the_examples_are_good_on_the_collection_made_for_them(name: str, points: int | None) -> None:
    (made,) = qql.compile((ROOT / "examples" / "multi-vector-collection.qql").read_text(encoding="utf-8"))
    info = {**(made.body or {}), "points_count": points, "payload_schema": {}}
    long = [0.5] * 1536
    params = {"vector": long} | ({"tokens": [long[:128]]} if name == "three-stage.qql" else {})
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    schema = {"photos": Schema.from_info(info)}
    (one,) = compiled(text, params=params, schema=schema)
    assert [d.render() for d in advise(one, schema.get, facts_from_info(info))] == []


def test_the_readme_is_good() -> None:
    readme = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/tour.md"))
    text = "\n".join(re.findall(r"^```sql\n(.*?)^```", readme, re.MULTILINE | re.DOTALL))
    found = advise_script(compiled(text, schema={}), lambda _: None)
    # EXPLAIN ANALYZE is shown with one source filtered: its table says what that changes.
    assert {one.code for one in found} <= {"fusion-half-filtered"}
    assert all("EXPLAIN ANALYZE" in text[: one.span.start] for one in found if one.span)


def test_the_manual_is_good() -> None:
    """Its examples, behind the statements that make their collections of three and four points."""
    setup = "".join(SETUP.values())
    found: dict[str, set[str]] = {}
    for entry in ENTRIES:
        used = {param.key for one in parse_script(Source(entry.example))[0] for param in one.params}
        params = {name: value for name, value in PARAMETERS.items() if name in used}
        try:
            done = compiled(setup + entry.example, schema={}, collection="docs", params=params or None)
        except QQLCompileError:  # it goes on from what another example has made
            continue
        said = advised(done, lambda _: None)[len(compiled(setup, schema={})) :]
        broken = {advice.code for one in said for advice in one.advice}
        broken -= {"formula-without-default"}  # all points of its collections have the fields
        if broken:
            found[entry.name] = broken
    assert found == {
        "PARAMS": {"idle-hnsw-ef"},  # it shows both of them
        "SEARCH OPTIONS": {"idle-quantization"},  # it shows them all
        "Depth, size and number": {"limit-beyond-collection"},  # it shows the highest limit
    }


# What the compiler's own goldens break: they are about forms, and not about good pipelines. Stages without
# a LIMIT are too many to list.
BROKEN = {
    "fusion/given-stages": {"fusion-half-filtered"},
    "fusion/newlines": {"fusion-of-one", "stage-limit-short"},
    "fusion/weighted": {"fusion-half-filtered"},
    "fusion/with-shadows-define": {"fusion-of-one", "stage-limit-short"},
    "query/batch": {"fusion-of-one"},
    "query/boost": {"formula-without-default", "fusion-of-one"},
    "query/cli-dialect": {"idle-hnsw-ef"},
    "query/formula-arithmetic": {"formula-without-default"},
    "query/formula-functions": {"formula-without-default"},
    "query/groups": {"grouped-fusion"},
    "query/hybrid": {"mmr-in-stage"},
    "query/inputs": {"multivector-first"},
    "query/mmr": {"mmr-without-choice"},
    "query/multivector-literal": {"multivector-first"},
    "query/options-in-braces": {"hnsw-ef-below-limit", "idle-acorn", "idle-quantization"},
    "query/no-target": {"chance-order"},
    "query/or-default": {"mmr-without-choice"},
    "query/params": {"idle-acorn"},
    "query/search-params": {"idle-acorn", "idle-quantization"},
    "query/shards": {"fusion-of-one"},
    "query/soft-keywords": {"fusion-half-filtered", "stage-limit-short"},
    "query/spellings": {"fusion-of-one", "idle-acorn"},
}


def test_the_compilers_goldens_break_what_they_break() -> None:
    found: dict[str, set[str]] = {}
    for path in [*(ROOT / "tests/golden/query").glob("*.qql"), *(ROOT / "tests/golden/fusion").glob("*.qql")]:
        if path.with_suffix(".err").exists():
            continue
        text = path.read_text(encoding="utf-8")
        said = advise_script(compiled(text, schema={}, **settings(text)), lambda _: None)
        broken = {one.code for one in said if one.code != "stage-without-limit"}
        if broken:
            found[f"{path.parent.name}/{path.stem}"] = broken
    assert found == BROKEN


# ------------------------------------------------------------------------------------ pipelines without fault

D, DOT = "[1, 0, 0, 0] USING dense", "[1, 0, 0, 0] USING dot"
FAST, BITS = "[1, 0, 0, 0] USING fast", "[1, 0, 0, 0] USING bits"
W, T = "{{indices: [1], values: [1]}} USING words", "[[1, 0, 0, 0], [0, 1, 0, 0]] USING tokens"
FINE = "PARAMS (quantization = {{rescore: true, oversampling: 2.0}})"
# {n} hits behind {where}; {wide} candidates for each stage below, and {wider} below that.
CLEAN = {
    "search": f"QUERY {D} FROM {{c}}{{where}}{{page}};",
    "ef": f"QUERY {D} FROM {{c}}{{where}} PARAMS (hnsw_ef = {{wide}}){{page}};",
    "words": f"QUERY {W} FROM {{c}}{{where}} SCORE THRESHOLD 2.5{{page}};",
    "threshold": f"QUERY {D} FROM {{c}}{{where}} SCORE THRESHOLD 0.3{{page}};",
    "quantized": f"QUERY {FAST} FROM {{c}}{{where}} {FINE}{{page}};",
    "binary": f"QUERY {BITS} FROM {{c}}{{where}} {FINE}{{page}};",
    "mmr": "QUERY MMR [1, 0, 0, 0] DIVERSITY 0.4 CANDIDATES {wide} FROM {c} USING dense{where}{page};",
    "two": f"QUERY {D} FROM {{c}}{{where}} PREFETCH (QUERY {FAST} LIMIT {{wide}}){{page}};",
    "ignored": f"QUERY {FAST} FROM {{c}}{{where}} PREFETCH (QUERY {FAST} LIMIT {{wide}})"
    " PARAMS (quantization = {{ignore: true}}){page};",
    "colbert": f"QUERY {T} FROM {{c}}{{where}} PREFETCH (QUERY {D} LIMIT {{wide}}){{page}};",
    "three": f"WITH a AS (QUERY {FAST} LIMIT {{wider}}), b AS (QUERY {D} PREFETCH (a) LIMIT {{wide}})"
    f" QUERY {T} FROM {{c}}{{where}} PREFETCH (b){{page}};",
    "chosen": "WITH a AS (QUERY MMR [1, 0, 0, 0] DIVERSITY 0.4 USING dense"
    f" PREFETCH (QUERY {D} LIMIT {{wider}}) LIMIT {{wide}})"
    f" QUERY {DOT} FROM {{c}}{{where}} PREFETCH (a){{page}};",
    "rrf": f"WITH a AS (QUERY {D} LIMIT {{wide}}), b AS (QUERY {W} LIMIT {{wide}})"
    " QUERY FUSION RRF FROM {c}{where} PREFETCH (a, b) WITH (rrf_k = 61, rrf_weights = [2, 1]){page};",
    "dbsf": f"WITH a AS (QUERY {D} LIMIT {{wide}}), b AS (QUERY {W} LIMIT {{wide}})"
    " QUERY FUSION DBSF FROM {c}{where} PREFETCH (a SCORE THRESHOLD 0.2, b) SCORE THRESHOLD 0.4{page};",
    "fused": f"WITH a AS (QUERY {D} LIMIT {{wider}}), b AS (QUERY {W} LIMIT {{wider}}),"
    " f AS (QUERY FUSION RRF PREFETCH (a, b) LIMIT {wide})"
    f" QUERY {T} FROM {{c}}{{where}} PREFETCH (f){{page}};",
    "shared": f"WITH a AS (QUERY {D} LIMIT {{wide}}), b AS (QUERY {W} LIMIT {{wide}})"
    " QUERY FUSION RRF FROM {c}{where}"
    " PREFETCH (a WHERE year != 1990, a WHERE year != 2000, b WHERE year != 2010){page};",
    "formula": f"WITH a AS (QUERY {D} LIMIT {{wide}}), b AS (QUERY {W} LIMIT {{wide}})"
    " QUERY FORMULA $score[0] + 0.04 * $score[1] FROM {c}{where} PREFETCH (a, b){page};",
    "scaled": f"WITH a AS (QUERY FUSION DBSF PREFETCH (QUERY {D} LIMIT {{wider}}) LIMIT {{wide}}),"
    f" b AS (QUERY FUSION DBSF PREFETCH (QUERY {W} LIMIT {{wider}}) LIMIT {{wide}})"
    " QUERY FORMULA 0.6 * $score[0] + 0.4 * $score[1] FROM {c}{where} PREFETCH (a, b){page};",
    "boost": f"QUERY {D} FROM {{c}}{{where}} BOOST $score + 0.1 * year DEFAULTS (year = 0){{page}};",
    "hybrid": "QUERY HYBRID 'ridge' DENSE dense SPARSE words FROM {c}{where}{page};",
    "reranked": f"QUERY {D} FROM {{c}}{{where}} RERANK 'ridge' MODEL 'jina/reranker' TOP {{n}}"
    " LIMIT {wide};",
    "cross": f"WITH a AS (QUERY {D} LIMIT {{wide}}), b AS (QUERY {W} LIMIT {{wide}})"
    " QUERY CROSS RERANK 'ridge' MODEL 'jina/reranker' FROM {c}{where} PREFETCH (a, b) LIMIT {n};",
    "groups": f"QUERY {D} FROM {{c}}{{where}} PREFETCH (QUERY {FAST} LIMIT {{wide}}) GROUP BY lang SIZE 2"
    " LIMIT {n};",
    "scroll": "SCROLL FROM {c}{where} ORDER BY year LIMIT {n};",
    "delete": "DELETE FROM {c}{where};",
}  # fmt: skip
WHERES = {
    "docs": [
        "",
        " WHERE lang = 'de' AND NOT year < 1990",
        " WHERE (year BETWEEN 1990 AND 2010 OR lang IN ('de', 'en')) AND NESTED('parts', name = 'lid')",
        " WHERE body MATCH 'care' AND day > '2024-01-01' AND rank = 3 AND id != 7",
        " WHERE year IS NULL OR lang MATCH PREFIX 'd' OR HAS_VECTOR dense OR parts VALUES_COUNT > 2",
    ],
    "tenants": [
        " WHERE tenant = 'x' AND year > 2000",
        " WHERE tenant IN ('x', 'y') OR id = 3",
        " WHERE MIN SHOULD 2 (tenant = 'x', lang = 'de')",
    ],
    "trails": ["", " WHERE anything = 'at all' AND MIN SHOULD 1 (a > 1, b = 'x')"],
}


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_said_of_clean_pipelines(name: str) -> None:
    tried = 0
    for collection, wheres in WHERES.items():
        for where, (limit, offset) in itertools.product(
            wheres, [(10, 0), (5, 0), (5, 15), (30, 0), (30, 60)]
        ):
            wide = max(10 * (limit + offset * ("{page}" in CLEAN[name])), 100)
            page = f" LIMIT {limit}" + (f" OFFSET {offset}" if offset else "")
            values = {"c": collection, "where": where, "page": page, "n": limit}
            text = CLEAN[name].format(**values, wide=wide, wider=10 * wide)
            if not where and name == "delete":
                continue
            tried += 1
            assert [one.render() for one in advice(text)] == []
    assert tried >= 40


W1 = "QUERY {indices: [1], values: [1]} USING words LIMIT 200"
TWO = "WITH a AS (QUERY [1, 0, 0, 0] USING fast LIMIT 200)"
TWO += " QUERY [1, 0, 0, 0] FROM docs USING dense PREFETCH (a) LIMIT 10;"
UNKNOWN = TWO.replace("docs", "trails")
BOTH = f"WITH a AS (QUERY [1, 0, 0, 0] USING dense LIMIT 200), b AS ({W1}) "
RRF = f"{BOTH}QUERY FUSION RRF FROM docs PREFETCH (a, b) LIMIT 10;"
SUM = f"{BOTH}QUERY FORMULA $score[0] + 0.04 * $score[1] FROM docs PREFETCH (a, b) LIMIT 10;"
DEEP = f"{BOTH[:-1]}, f AS (QUERY FUSION RRF PREFETCH (a, b) LIMIT 100)"
DEEP += " QUERY [1, 0, 0, 0] FROM docs USING dot PREFETCH (f) LIMIT 10;"
ONE = "QUERY [1, 0, 0, 0] FROM docs USING dense WHERE lang = 'de' LIMIT 10;"
ROUGH = "QUERY [1, 0, 0, 0] FROM docs USING fast PARAMS (quantization = {rescore: true}) LIMIT 10;"
MMR = "QUERY MMR [1, 0, 0, 0] DIVERSITY 0.5 CANDIDATES 100 FROM docs USING dense LIMIT 10;"
READ = "QUERY 'ridge' FROM docs USING dense RERANK MODEL 'jina/reranker' TOP 10 LIMIT 100;"
SEEN = "QUERY [1, 0, 0, 0] FROM seen USING dense WHERE title = 'one' LIMIT 10;"
PRICE = "SCROLL FROM pair WHERE price = 1.0 LIMIT 10;"
UPSERT = "UPSERT INTO docs VALUES {id: 1, text: 'ridge'} USING DENSE MODEL 'local/hash-4';"
# For every rule a clean text, and the one change that breaks it: what stands there, and what is put there.
BREAKS: dict[str, tuple[str, str, str]] = {
    "stage-limit-short": (UNKNOWN, "LIMIT 200", "LIMIT 9"),
    "stage-without-limit": (RRF, "words LIMIT 200", "words"),
    "stage-keeps-most": (TWO, "LIMIT 10;", "LIMIT 101;"),
    "stage-keeps-little": (TWO, "LIMIT 200", "LIMIT 1001"),
    "first-stage-narrow": (TWO, "LIMIT 200", "LIMIT 99"),
    "limit-beyond-collection": (ONE, "LIMIT 10;", "LIMIT 2500001;"),
    "deep-offset": (TWO.replace("200", "1000"), "LIMIT 10;", "LIMIT 10 OFFSET 101;"),
    "rerank-keeps-most": (READ, "TOP 10 ", ""),
    "rerank-many": (READ, "LIMIT 100;", "LIMIT 1001;"),
    "stage-run-twice": (RRF, "PREFETCH (a, b)", "PREFETCH (a, b, a)"),
    "same-stage": (RRF, "QUERY {indices: [1], values: [1]} USING words", "QUERY [1, 0, 0, 0] USING dense"),
    "threshold-unreachable": (RRF, "LIMIT 10;", "SCORE THRESHOLD 1.01 LIMIT 10;"),
    "threshold-idle": (RRF, "LIMIT 10;", "SCORE THRESHOLD 0.001 LIMIT 10;"),
    "threshold-unlike-metric": (RRF, "PREFETCH (a, b)", "PREFETCH (a, b SCORE THRESHOLD 0.7)"),
    "fusion-of-one": (RRF, "PREFETCH (a, b)", "PREFETCH ((QUERY SAMPLE LIMIT 100))"),
    "idle-weight": (RRF, "LIMIT 10;", "WITH (rrf_weights = [1, 0]) LIMIT 10;"),
    "rrf-flat": (RRF, "LIMIT 10;", "WITH (rrf_k = 5000) LIMIT 10;"),
    "fusion-per-shard": (DEEP, "FROM docs", "FROM sharded"),
    "grouped-fusion": (RRF, "LIMIT 10;", "GROUP BY lang LIMIT 10;"),
    "score-index": (SUM, "$score[1]", "$score[2]"),
    "first-score-only": (SUM, "0.04 * $score[1]", "0.04 * MATCH(lang, 'de')"),
    "mixed-scores": (SUM, "0.04 * $score[1]", "$score[1]"),
    "multivector-first": (ONE, "[1, 0, 0, 0] FROM docs USING dense", "[[1, 0, 0, 0]] FROM docs USING tokens"),
    "quantized-without-rescore": (ROUGH, " PARAMS (quantization = {rescore: true})", ""),
    "exact-scan": (ROUGH, "quantization = {rescore: true}", "exact = true"),
    "hnsw-ef-below-limit": (ONE, "LIMIT 10;", "PARAMS (hnsw_ef = 9) LIMIT 10;"),
    "idle-hnsw-ef": (ONE, "LIMIT 10;", "PARAMS (exact = true, hnsw_ef = 99) LIMIT 10;"),
    "idle-acorn": (
        "QUERY [1, 0, 0, 0] FROM docs USING dense WHERE lang = 'de' PARAMS (acorn = true) LIMIT 10;",
        " WHERE lang = 'de'",
        "",
    ),
    "not-indexed-yet": (ONE, "FROM docs", "FROM fresh"),
    "rescored-alike": (UNKNOWN, "trails USING dense", "trails USING fast"),
    "mmr-in-stage": (
        TWO,
        "QUERY [1, 0, 0, 0] USING fast LIMIT 200",
        "QUERY MMR [1, 0, 0, 0] DIVERSITY 0.5 USING dot LIMIT 200",
    ),
    "mmr-without-choice": (MMR, " CANDIDATES 100", ""),
    "model-dimension": (UPSERT, "hash-4", "hash-8"),
    "other-model": (UPSERT, "local/hash-4", "some/unknown"),
    "bm25-without-idf": ("QUERY 'ridge' FROM docs USING words LIMIT 10;", "words", "plain"),
    "filter-without-index": (ONE, "lang = 'de'", "colour = 'red'"),
    "index-type": (ONE, "lang = 'de'", "rank > 5"),
    "text-without-index": (ONE, "lang = 'de'", "lang MATCH 'de'"),
    "index-required": ("FACET lang FROM docs;", "lang", "body"),
    "tenant-missing": (ONE, "FROM docs", "FROM tenants"),
    "unknown-field": (SEEN, "title = 'one'", "titel = 'one'"),
    "field-type": (SEEN, "title = 'one'", "year = '2020'"),
    "whole-number-match": (PRICE, "1.0", "1"),
    "fractions-not-indexed": (SEEN, "title = 'one'", "mass > 1"),
    "range-beyond-2-53": (SEEN, "title = 'one'", "year > 9007199254740993"),
    "where-matches-nothing": (ONE, "lang = 'de'", "lang = 'de' AND lang != 'de'"),
    "lists-only": (ONE, "lang = 'de'", "lang = 'de' AND lang = 'en'"),
    "formula-without-default": (SUM, "0.04 * $score[1]", "0.04 * $score[1] * year"),
    "fusion-half-filtered": (RRF, "PREFETCH (a, b)", "PREFETCH (a, b WHERE lang = 'de')"),
    "fusion-narrow": (RRF, "LIMIT 10;", "LIMIT 200;"),
    "chance-order": ("QUERY SAMPLE FROM docs LIMIT 10;", "LIMIT 10", "LIMIT 10 OFFSET 10"),
    "idle-quantization": (ROUGH, "USING fast", "USING dense"),
    "oversampling-without-rescore": (ROUGH, "rescore: true", "rescore: false, oversampling: 2.0"),
    "constant-where": ("DELETE FROM docs WHERE lang = 'de';", "= 'de'", "= 'de' OR lang != 'de'"),
}


@pytest.mark.parametrize("code", RULES)
def test_one_change_breaks_one_rule(code: str) -> None:
    text, old, new = BREAKS[code]
    assert text.count(old) == 1
    assert codes(text) == set()
    assert codes(text.replace(old, new)) == {code}


@pytest.mark.parametrize("points", [None, 5000, 100_000, 250_000, 5_000_000, 50_000_000])
@pytest.mark.parametrize("page", [(10, 0), (3, 0), (10, 30), (100, 0), (700, 0), (5, 995)])
@pytest.mark.parametrize("limit", [None, 1, 15, 90, 100_000])
def test_the_limit_that_is_advised_cures(
    points: int | None, page: tuple[int, int], limit: int | None
) -> None:
    info = INFOS["docs"] | {"points_count": points}
    text = "WITH a AS (QUERY [1, 0, 0, 0] USING fast{}) QUERY [1, 0, 0, 0] FROM docs USING dense"
    text += f" PREFETCH (a) LIMIT {page[0]} OFFSET {page[1]};"
    found = advice(text.format(f" LIMIT {limit}" if limit else ""), {"docs": info})
    numbers = {m[1] for one in found if (m := re.search(r"\bLIMIT ([0-9]+) (?:in|to)", one.hint or ""))}
    if not numbers:
        return
    assert len(numbers) == 1 or {one.code for one in found} >= {"first-stage-narrow"}
    cured = advice(text.format(f" LIMIT {max(map(int, numbers))}"), {"docs": info})
    assert [one.code for one in cured if one.code not in ("deep-offset", "limit-beyond-collection")] == []


@pytest.mark.parametrize(
    "code", ["filter-without-index", "index-type", "text-without-index", "index-required"]
)
def test_the_index_that_is_advised_cures(code: str) -> None:
    schemas = {key: Schema.from_info(info) for key, info in INFOS.items()}
    facts = {key: facts_from_info(info) for key, info in INFOS.items()}
    cured = 0
    for one in compiled((GOLDEN / f"{code}.qql").read_text(encoding="utf-8")):
        found = advise(one, schemas.get, facts.get(one.collection or ""))
        creates = [re.search(r"CREATE INDEX .*;", d.hint or "") for d in found if d.code == code]
        text = " ".join(match[0] for match in creates if match)
        if text:
            cured += 1
            after = advise_script(compiled(f"{text} {one.text};"), schemas.get, facts.get)
            assert code not in {d.code for d in after}
    assert cured >= 2


def test_the_engine_reads_mmr_as_the_rules_say() -> None:
    """In a stage it is a plain search for its candidates; with a PREFETCH it chooses; without more
    candidates than hits it only reorders."""
    rows = [{"id": n, "vector": {"v": [1.0, n / 10], "far": [n, 0.0]}} for n in range(1, 51)]
    with qql.connect() as db:
        db.run("CREATE COLLECTION c (v VECTOR(2, COSINE), far VECTOR(2, EUCLID));")
        db.run("UPSERT INTO c VALUES :rows", {"rows": rows})

        def ids(text: str) -> list[Any]:
            return list(db.execute(text).ids)

        mmr, plain = "MMR [1, 0.1] DIVERSITY 0.9", "QUERY [1, 0.1] USING v LIMIT"
        above = "QUERY [0, 0] FROM c USING far PREFETCH ({}) LIMIT 50"
        staged = ids(above.format(f"QUERY {mmr} CANDIDATES 40 USING v LIMIT 5"))
        assert staged == ids(above.format(f"{plain} 40")) == list(range(1, 41))
        chosen = ids(above.format(f"QUERY {mmr} USING v PREFETCH ({plain} 40) LIMIT 5"))
        assert len(chosen) == 5 and max(chosen) > 10
        assert set(ids(f"QUERY {mmr} FROM c USING v LIMIT 5")) == {1, 2, 3, 4, 5}
        assert set(ids(f"QUERY {mmr} CANDIDATES 40 FROM c USING v LIMIT 5")) == set(chosen)
        assert len(ids(f"QUERY {mmr} CANDIDATES 3 FROM c USING v LIMIT 5")) == 3
        assert ids("QUERY [7, 0] FROM c USING far SCORE THRESHOLD 0 LIMIT 5") == []
        assert ids("QUERY [7, 0] FROM c USING far SCORE THRESHOLD 0.1 LIMIT 5") == [7]


# ------------------------------------------------------------------------------------ bounds


@pytest.mark.parametrize(
    ("points", "limits"),
    [
        (0, (500, 50)),
        (99_999, (500, 50)),
        (100_000, (1000, 100)),
        (999_999, (1000, 100)),
        (1_000_000, (2000, 200)),
        (9_999_999, (2000, 200)),
        (10_000_000, (5000, 500)),
        (None, (5000, 500)),
    ],
)
def test_the_rule_of_thumb(points: int | None, limits: tuple[int, int]) -> None:
    assert stage_limits(points) == limits


HYBRID = "WITH a AS (QUERY [1] USING x LIMIT {a}), b AS (QUERY [2] USING y LIMIT {b}) QUERY FUSION {rest};"


def hybrid(rest: str, a: int = 100, b: int = 100) -> set[str]:
    return codes(HYBRID.format(a=a, b=b, rest=rest))


@pytest.mark.parametrize("k", [1, 2, 7, 60])
@pytest.mark.parametrize("weights", [None, [1, 1], [0.6, 0.4], [3, 0.5], [1, 0]])
def test_thresholds_at_the_bounds_of_rrf(k: int, weights: list[float] | None) -> None:
    given = f", rrf_weights = {weights}" if weights else ""
    high = sum(1 / (1 / w + k - 1) for w in weights or [1, 1] if w > 0)
    low = min(
        0 if w <= 0 else 1 / (limit / w + k - 1) for w, limit in zip(weights or [1, 1], (80, 50), strict=True)
    )
    query = f"RRF FROM trails PREFETCH (a, b) WITH (rrf_k = {k}{given}) LIMIT 10 SCORE THRESHOLD "
    said = {"threshold-unreachable", "threshold-idle"}
    assert not hybrid(f"{query}{high}", 80, 50) & said
    assert hybrid(f"{query}{high * 1.0001}", 80, 50) & said == {"threshold-unreachable"}
    assert not hybrid(f"{query}{low}", 80, 50) & said
    below = low * 0.9999 if low else -0.0001
    assert hybrid(f"{query}{below:.12f}", 80, 50) & said == {"threshold-idle"}


def test_thresholds_at_the_bounds_of_dbsf() -> None:
    said = {"threshold-unreachable", "threshold-idle"}
    high = 0.5 + 8 / (6 * 3) + 0.5 + 99 / 60
    low = 0.5 - 99 / 60  # the other source cannot go below 0
    query = "DBSF FROM trails PREFETCH (a, b) LIMIT 10 SCORE THRESHOLD "
    assert not hybrid(f"{query}{high:.9f}", 9) & said
    assert hybrid(f"{query}{high + 0.001}", 9) & said == {"threshold-unreachable"}
    assert not hybrid(f"{query}{low:.9f}", 9) & said
    assert hybrid(f"{query}{low - 0.001}", 9) & said == {"threshold-idle"}


def test_a_threshold_below_zero_sums_up_over_the_sources_of_dbsf() -> None:
    low, high = dbsf_bounds([100, 100])
    assert (low, high) == (pytest.approx(1 - 99 / 30), pytest.approx(1 + 99 / 30))
    assert dbsf_bounds([1]) == (0.5, 0.5)


@how(deadline=None)
@generated(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40))
def test_no_scores_lie_beyond_the_bounds_of_dbsf(scores: list[float]) -> None:
    mean, deviation = statistics.mean(scores), statistics.stdev(scores)
    if deviation < 1e-6:
        return
    low, high = dbsf_bounds([len(scores)])
    for score in scores:
        assert low - 1e-6 <= (score - (mean - 3 * deviation)) / (6 * deviation) <= high + 1e-6


def test_the_engine_reaches_the_bounds() -> None:
    """Ten points: the first is the best of both vectors by far, and only the last is found by one of them."""
    rows = [{"id": n, "vector": {"a": [100.0 if n == 1 else 1.0 - n / 1e6], "b": [100.0 if n == 1 else 1.0]}}
            for n in range(1, 11)]  # fmt: skip
    with qql.connect() as db:
        db.run("CREATE COLLECTION c (a VECTOR(1, DOT), b VECTOR(1, DOT));")
        db.run("UPSERT INTO c VALUES :rows", {"rows": rows})

        def scores(how: str, a: int = 10, b: int = 10) -> list[float]:
            text = f"WITH a AS (QUERY [1] USING a LIMIT {a}), b AS (QUERY [1] USING b LIMIT {b}) "
            text += f"QUERY {how} LIMIT 20"
            (found,) = db.run(text)
            return [hit.score or 0.0 for hit in found.hits]

        rrf = "FUSION RRF FROM c PREFETCH (a, b) WITH (rrf_k = 7, rrf_weights = [0.6, 2])"
        found = scores(rrf, 10, 1)
        bounds = rrf_bounds([10, 1], 7, [0.6, 2])
        assert found[0] == pytest.approx(bounds.high, rel=1e-5)
        assert found[-1] == pytest.approx(bounds.low, rel=1e-5)
        assert scores("FUSION RRF FROM c PREFETCH (a, b)")[0] == pytest.approx(rrf_bounds([10, 10]).high)
        dbsf = scores("FUSION DBSF FROM c PREFETCH (a, b)")
        assert dbsf[0] == pytest.approx(dbsf_bounds([10, 10]).high, rel=1e-4)


def test_our_formula_is_that_of_the_analysis() -> None:
    from qql.rest.fusion import rrf_score

    for k, weight, limit in [(2, 1.0, 10), (61, 0.3, 1000), (1, 4.0, 7)]:
        low, high = rrf_bounds([limit], k, [weight])
        assert high == pytest.approx(rrf_score(0, k, weight), rel=1e-6)
        assert low == pytest.approx(rrf_score(limit - 1, k, weight), rel=1e-6)


@pytest.mark.parametrize(("limit", "offset", "short"), [(10, 90, False), (10, 91, True), (101, 0, True)])
def test_limit_and_offset_against_the_stage_below(limit: int, offset: int, short: bool) -> None:
    text = (
        f"QUERY [1] FROM trails USING x PREFETCH (QUERY [1] USING y LIMIT 100) LIMIT {limit} OFFSET {offset};"
    )
    assert ("stage-limit-short" in codes(text)) == short


@pytest.mark.parametrize(
    ("below", "said"), [(20, False), (19, True), (1000, False), (5000, False), (5001, True)]
)
def test_the_factor_between_stages(below: int, said: bool) -> None:
    text = f"QUERY [1] FROM trails USING x PREFETCH (QUERY [1] USING y LIMIT {below}) LIMIT 10;"
    assert bool(codes(text) & {"stage-keeps-most", "stage-keeps-little"}) == said


@pytest.mark.parametrize(
    ("points", "limit", "said"),
    [
        (99_999, 500, False),
        (99_999, 501, True),
        (100_000, 1000, False),
        (100_000, 1001, True),
        (501, 501, False),
    ],
)
def test_the_widest_first_stage_by_the_size_of_the_collection(points: int, limit: int, said: bool) -> None:
    infos = {"docs": INFOS["docs"] | {"points_count": points}}
    text = f"QUERY [1, 0, 0, 0] FROM docs USING dense PREFETCH (QUERY [1, 0, 0, 0] USING fast LIMIT {limit});"
    assert ("stage-keeps-little" in codes(text, infos)) == said


@pytest.mark.parametrize(
    ("points", "limit", "said"),
    [(50_000, 50, False), (50_000, 49, True), (1000, 49, True), (999, 49, False), (30, 3, False)],
)
def test_the_narrowest_first_stage(points: int, limit: int, said: bool) -> None:
    infos = {"docs": INFOS["docs"] | {"points_count": points}}
    text = f"QUERY [1, 0, 0, 0] FROM docs USING dense PREFETCH (QUERY [1, 0, 0, 0] USING fast LIMIT {limit})"
    text += " LIMIT 3;"
    assert ("first-stage-narrow" in codes(text, infos)) == said


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "stage-keeps-most",
            "QUERY {v} FROM docs USING dense PREFETCH (QUERY {v} USING fast LIMIT 30) LIMIT 20;",
        ),
        (
            "stage-keeps-little",
            "QUERY {v} FROM docs USING dense PREFETCH (QUERY {v} USING fast LIMIT 900) LIMIT 10;",
        ),
        (
            "rerank-keeps-most",
            "QUERY {v} FROM docs USING dense RERANK 'a' MODEL 'jina/x' TOP 9 LIMIT 10;",
        ),
    ],
)
def test_rules_of_thumb_are_not_for_small_collections(code: str, text: str) -> None:
    text = text.format(v="[1, 0, 0, 0]")

    def said(points: int) -> bool:
        return code in codes(text, {"docs": INFOS["docs"] | {"points_count": points}})

    assert said(1000) and not said(999) and not said(4)


def test_ten_points_need_no_limit() -> None:
    text = "QUERY [1, 0, 0, 0] FROM docs USING dense PREFETCH (QUERY [1, 0, 0, 0] USING fast);"
    for points, said in ((10, False), (11, True)):
        infos = {"docs": INFOS["docs"] | {"points_count": points}}
        assert ("stage-without-limit" in codes(text, infos)) == said


def test_no_limit_is_advised_above_the_number_of_points() -> None:
    text = (
        "QUERY [1, 0, 0, 0] FROM docs USING dense PREFETCH (QUERY [1, 0, 0, 0] USING fast LIMIT 8) LIMIT {};"
    )
    for limit, advised_limit in ((20, 50), (70, 70)):
        found = advice(text.format(limit), {"docs": INFOS["docs"] | {"points_count": 50}})
        [hint] = [one.hint for one in found if one.code == "stage-limit-short"]
        assert hint is not None and hint.split(":")[0] == f"LIMIT {advised_limit} in `inline 1`"
        assert ("chooses among more" in hint) == (advised_limit > limit)


# ------------------------------------------------------------------------------------ statements and scripts


def test_a_stage_of_another_statement_is_placed_where_it_is_named() -> None:
    stages = {"far": "QUERY [1] USING x"}
    text = "QUERY [1] FROM trails USING y\nPREFETCH (far) LIMIT 3;"
    (one,) = compiled(text, stages=stages)
    (found,) = advise(one, lambda _: None)
    assert (found.code, found.line, found.column) == ("stage-without-limit", 2, 11)


@pytest.mark.parametrize("tail", ["", " BOOST $score * 2"])
def test_limits_below_groups_count_for_every_hit_of_a_group(tail: str) -> None:
    text = "QUERY [1] FROM trails USING x PREFETCH (QUERY [1] USING y LIMIT {}) GROUP BY g SIZE 4 LIMIT 20{};"
    assert codes(text.format(5, tail)) == set()
    assert codes(text.format(4, tail)) == {"stage-limit-short"}


def test_advice_of_one_statement_is_that_of_its_collection() -> None:
    text = (GOLDEN / "tenant-missing.qql").read_text(encoding="utf-8")
    schemas = {key: Schema.from_info(info) for key, info in INFOS.items()}
    facts = {key: facts_from_info(info) for key, info in INFOS.items()}
    found = [one for each in compiled(text) for one in advised([each], schemas.get, facts.get)[0].advice]
    assert found == advice(text) and found
    assert advised(compiled("SHOW COLLECTIONS;"), schemas.get, facts.get)[0].advice == ()
    unknown = [one.code for each in advised(compiled(text), schemas.get) for one in each.advice]
    assert "tenant-missing" not in unknown


def test_explain_is_advised_as_what_it_explains() -> None:
    text = "QUERY [1] FROM trails USING x PREFETCH (QUERY [1] USING y) LIMIT 3;"
    said = [codes(f"{word}{text}") for word in ("", "EXPLAIN ", "WHY NOT 7 ")]
    assert said == [{"stage-without-limit"}] * 3


def test_the_members_of_a_batch_are_advised() -> None:
    text = "BATCH { QUERY [1, 0, 0, 0] FROM docs USING fast; QUERY [1, 0, 0, 0] FROM docs USING dense; };"
    (found,) = advice(text)
    assert (found.code, found.column) == ("quantized-without-rescore", 9)
    assert codes("BATCH { DELETE FROM trails WHERE SLICE(1, 0); };") == {"constant-where"}


def test_what_the_compiler_warns_of_is_not_said_again() -> None:
    text = "WITH a AS (QUERY [1] LIMIT 10) QUERY [1] FROM trails LIMIT 3;"
    (one,) = compiled(text)
    assert [warning.code for warning in one.warnings] == ["unused-stage"]
    assert advise(one, lambda _: None) == []


def test_statements_without_a_collection_are_passed_over() -> None:
    for text in ("SHOW COLLECTIONS;", "DEFINE a AS (QUERY [1]);", "UNDEFINE a;"):
        (one,) = compiled(text, stages={"a": "QUERY [1]"})
        assert advise(one, lambda _: None) == []


def test_advice_stands_in_the_order_of_the_text() -> None:
    text = (GOLDEN / "filter-without-index.qql").read_text(encoding="utf-8")
    for one in compiled(text):
        info = INFOS[one.collection or ""]
        starts = [d.span.start for d in advise(one, lambda _: None, facts_from_info(info)) if d.span]
        assert starts and starts == sorted(starts)


SCRIPT = """CREATE COLLECTION c (v VECTOR(2, COSINE));
{between}
SCROLL FROM c WHERE lang = 'de';"""


@pytest.mark.parametrize(
    ("between", "said"),
    [
        ("", True),
        ("CREATE INDEX ON c FOR lang TYPE keyword;", False),
        ("CREATE INDEX ON c FOR lang TYPE keyword; DROP INDEX ON c FOR lang;", True),
        ("UPSERT INTO c VALUES {id: 1, vector: {v: [1, 2]}};", False),
        ("BATCH { UPSERT INTO c VALUES {id: 1, vector: {v: [1, 2]}}; };", False),
        ("UPSERT INTO c VALUES {id: 1, vector: {v: [1, 2]}}; COPY c FROM 'rows.jsonl';", True),
        ("DROP COLLECTION c;", False),
        ("RESTORE SNAPSHOT 's' ON c;", False),
    ],
)
def test_a_script_is_followed(between: str, said: bool) -> None:
    found = advise_script(compiled(SCRIPT.format(between=between)), lambda _: None)
    assert ("filter-without-index" in {one.code for one in found}) == said


def test_a_script_starts_with_what_is_known_before_it() -> None:
    schemas = {key: Schema.from_info(info) for key, info in INFOS.items()}
    facts = {key: facts_from_info(info) for key, info in INFOS.items()}
    read = "SCROLL FROM docs WHERE grade = 1;"
    text = f"{read} CREATE INDEX ON docs FOR grade TYPE integer; {read}"
    found = advise_script(compiled(text), schemas.get, facts.get)
    assert [(one.code, one.span) for one in found] == [("filter-without-index", Span(23, 32))]


def test_the_embedded_engines_answer_gives_facts() -> None:
    from qql.rest.request import Request

    with qql.connect() as db:
        db.run(
            "CREATE COLLECTION c (v VECTOR(2, COSINE) WITH QUANTIZATION (type = binary), s SPARSE)"
            " WITH HNSW (m = 8);"
            "CREATE INDEX ON c FOR tenant TYPE keyword WITH (is_tenant = true);"
            "UPSERT INTO c VALUES {id: 1, vector: {v: [1, 2]}, tenant: 'a'};"
        )
        facts = facts_from_info(db.backend.call(Request("GET", "/collections/c")))
    assert facts == CollectionFacts(
        points=1,
        indexed_vectors=facts.indexed_vectors,
        shards=1,
        indexes={"tenant": {"type": "keyword", "is_tenant": True, "points": 1}},
        quantization={"v": {"binary": {}}},
        modifiers={"s": "idf"},
        links={"v": 8},
    )


def test_facts_of_the_unnamed_vector_and_of_what_a_collection_has_in_common() -> None:
    info = {
        "config": {
            "params": {"vectors": {"size": 4, "distance": "Dot", "hnsw_config": {"m": 0}}, "shard_number": 2},
            "hnsw_config": {"m": 16},
            "quantization_config": {"scalar": {"type": "int8"}},
        },
        "payload_schema": {"a": {"data_type": "Keyword", "points": 3}},
    }
    facts = facts_from_info(info)
    assert facts.quantization == {"": {"scalar": {"type": "int8"}}}
    assert (facts.links, facts.shards, facts.points) == ({"": 0}, 2, None)
    assert facts.indexes == {"a": {"type": "keyword", "points": 3}}
    assert facts_from_info({"vectors": {"v": {"size": 2}}}) == CollectionFacts(
        quantization={"v": None}, modifiers={}, links={}
    )


def test_a_schema_written_by_hand_says_nothing_of_indexes() -> None:
    (one,) = compiled("SCROLL FROM c WHERE lang = 'de';")
    schema = Schema()
    assert advise(one, lambda _: schema) == []
    known = Schema(points=5000)
    assert [found.code for found in advise(one, lambda _: known)] == ["filter-without-index"]


def test_advice_imports_no_engine() -> None:
    heavy = ("qdrant_client", "qdrant_edge", "numpy", "rich", "lark", "fastembed")
    code = f"import sys, qql.advice; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_thousand_stages_are_advised() -> None:
    """Stages that differ in one number only are compared pairwise, as many as a query may have."""
    stages = ", ".join(f"(QUERY [{n}] USING x LIMIT 20)" for n in range(1000))
    found = advice(f"QUERY FUSION RRF FROM trails PREFETCH ({stages}) LIMIT 10;")
    assert found == []


TARGETS = [
    "[1, 0, 0, 0] USING dense",
    "[0, 9, 0, 0] USING dot",
    "[1, 0, 0, 0] USING fast PARAMS (hnsw_ef = 5, exact = true)",
    "[[1, 0, 0, 0]] USING tokens",
    "{indices: [1], values: [1]} USING words PARAMS (hnsw_ef = 500)",
    "TEXT 'ridge' MODEL 'local/hash-8' USING dot",
    "RECOMMEND POSITIVE (1) USING bits",
    "ORDER BY price",
    "SAMPLE",
    "MATCH 'ridge' ON title",
    "HYBRID 'ridge' DENSE dense SPARSE words",
    "MMR [1, 0, 0, 0] DIVERSITY 0.5 CANDIDATES 4 USING dense",
]
JOINS = [
    "FUSION RRF",
    "FUSION DBSF",
    "FORMULA $score + $score[1] * 2 + price",
    "FORMULA 0.5 * score + 0.5 * $score[7]",
    "[1, 0, 0, 0] USING dense",
    "HYBRID 'ridge' DENSE dense SPARSE words",
    "MMR [1, 0, 0, 0] DIVERSITY 0.5 USING dense",
]
CLAUSES = [
    "WHERE lang = 3 AND NESTED('a', b MATCH 'c')",
    "WHERE tenant = 'x' OR NOT tenant IN ('y', 'z')",
    "SCORE THRESHOLD 7",
    "SCORE THRESHOLD -9",
    "LIMIT 3",
    "LIMIT 7000",
]
ROOTS = ["OFFSET 500", "GROUP BY region", "SHARD 'x'"]


@st.composite
def pipelines(draw: st.DrawFn, depth: int = 3, most: int = 3) -> str:
    """A stage with stages below it, as text without FROM."""
    kinds = draw(st.lists(st.sampled_from(CLAUSES), max_size=most, unique_by=lambda clause: clause[:5]))
    if depth == 0 or draw(st.booleans()):
        return " ".join(["QUERY", draw(st.sampled_from(TARGETS)), *kinds])
    below = draw(st.lists(pipelines(depth - 1), min_size=1, max_size=3))
    inside = ", ".join(f"({one})" for one in below)
    boost = draw(st.sampled_from(["", "", "BOOST $score * price"]))
    join = draw(st.sampled_from(JOINS))
    return " ".join(["QUERY", join, f"PREFETCH ({inside})", *kinds, "" if "FORMULA" in join else boost])


@how(deadline=None)
@generated(pipelines(), st.sampled_from([*INFOS, "trails"]), st.lists(st.sampled_from(ROOTS), unique=True))
def test_no_pipeline_makes_a_rule_fail(pipeline: str, collection: str, roots: list[str]) -> None:
    text = f"{pipeline} FROM {collection} {' '.join(roots)};"
    try:
        found = advice(text)
    except qql.QQLPlanError as exc:
        assert exc.code == "misplaced-clause" and "ORDER BY" in exc.message  # with SCORE THRESHOLD
        reject()
    for one in found:
        assert RULES[one.code].severity == one.severity
        assert one.span is not None and 0 <= one.span.start < one.span.end <= len(text)
        assert one.render()


# ------------------------------------------------------------------------------------ for other programs


def findings() -> list[Diagnostic]:
    lines = (GOLDEN / "stage-limit-short.qql").read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(lines[:6])
    source = Source("QUERY 'é'\r\n  FROM", "my docs/ä.qql")
    return [
        *advice(text, name="short.qql"),
        *advice(text, name="short.qql")[:1],
        *advice((GOLDEN / "exact-scan.qql").read_text(encoding="utf-8"), name="exact.qql"),
        Diagnostic("syntax", "unexpected end", Span(13, 17), source=source),
        Diagnostic("unknown-parameter", "a value is given for :x", source=None),
    ]


def test_sarif_has_what_the_standard_requires() -> None:
    """SARIF 2.1.0: the required properties of each object, by hand, and the values that it allows."""
    found = findings()
    log = to_sarif(found, "1.2.3")
    assert json.loads(json.dumps(log)) == log
    assert set(log) == {"$schema", "version", "runs"} and log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "qql" and driver["version"] == "1.2.3"
    ids = [rule["id"] for rule in driver["rules"]]
    assert ids == ["stage-limit-short", "exact-scan", "syntax", "unknown-parameter"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert len(run["results"]) == len(found)
    for result, one in zip(run["results"], found, strict=True):
        assert result["message"]["text"].startswith(one.message)
        assert result["ruleId"] == one.code == ids[result["ruleIndex"]]
        assert result["level"] in ("none", "note", "warning", "error")
        for place in [*result.get("locations", []), *result.get("relatedLocations", [])]:
            physical = place["physicalLocation"]
            assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", physical["artifactLocation"]["uri"])
            region = physical["region"]
            assert region["startLine"] >= 1 and region["startColumn"] >= 1
            assert (region["endLine"], region["endColumn"]) > (region["startLine"], region["startColumn"])
    for rule in driver["rules"][:2]:
        for key in ("shortDescription", "fullDescription", "help"):
            assert rule[key]["text"]
        assert rule["defaultConfiguration"]["level"] in ("note", "warning")


def test_sarif_places_and_levels() -> None:
    results = to_sarif(findings())["runs"][0]["results"]
    assert [result["level"] for result in results] == ["warning"] * 4 + ["note", "error", "error"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "short.qql"}
    assert place["region"] == {
        "startLine": 1,
        "startColumn": 48,
        "endLine": 1,
        "endColumn": 50,
        "snippet": {"text": "99"},
    }
    assert results[0]["relatedLocations"][0]["message"] == {"text": "needs them"}
    syntax = results[5]["locations"][0]["physicalLocation"]
    assert syntax["artifactLocation"]["uri"] == "my%20docs/%C3%A4.qql"
    assert (syntax["region"]["startLine"], syntax["region"]["startColumn"]) == (2, 3)
    assert "locations" not in results[6]


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("/srv/a b.qql", "file:///srv/a%20b.qql"),
        ("C:\\q\\a.qql", "file:///C:/q/a.qql"),
        ("q\\a.qql", "q/a.qql"),
        ("<string>", "%3Cstring%3E"),
    ],
)
def test_sarif_names_files_by_uri(name: str, uri: str) -> None:
    one = Diagnostic("syntax", "x", Span(0, 1), source=Source("ab", name))
    (result,) = to_sarif([one])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_json() -> None:
    found = to_json(findings())
    assert found["count"] == {"advice": 1, "error": 2, "warning": 4}
    expected = {"code": "stage-limit-short", "severity": "warning", "line": 1, "column": 48}
    chosen = "100 would do for the page, and the query chooses among more"
    expected |= {"file": "short.qql", "hint": f"LIMIT 1000 in `a`: {chosen}"}
    assert found["diagnostics"][0].items() >= expected.items()
    assert to_json([]) == {"diagnostics": [], "count": {}}
