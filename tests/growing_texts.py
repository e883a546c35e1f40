"""Texts of any size for every rule of the grammar that repeats something, and for what no rule repeats."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

__all__ = ["GROWING", "Make", "of_grammar"]

Make = Callable[[int], str]

_GRAMMAR = Path(__file__).parent.parent / "grammar" / "qql.lark"
_REPEATED = re.compile(r'(\((?:[^()"]|"[^"]*"|\([^()]*\))*\)|\w+)[*+](?=[\s)\]]|$)')


def of_grammar() -> list[str]:
    """Each repetition of the grammar as ``rule: what is repeated``, or ``rule: recursion``."""
    found, rule = list[str](), ""
    for line in _GRAMMAR.read_text(encoding="utf-8").splitlines():
        line = line.partition("//")[0]
        if head := re.match(r"\??(\w+): ", line):
            rule, line = head[1], line[head.end() :]
        if not rule.islower():  # a terminal
            continue
        found += [f"{rule}: {one[0]}" for one in _REPEATED.finditer(line)]
        if re.match(rf'\s*\|?\s*(?:"NOT"\s+|MINUS\s+)?{rule}\b', line):
            found.append(f"{rule}: recursion")
    return list(dict.fromkeys(found))


def _many(before: str, one: str, between: str, after: str = "") -> Make:
    """A text with so many of ``one``, in which ``#`` is the number."""
    return lambda size: before + between.join(one.replace("#", str(at)) for at in range(size)) + after


def _clauses(before: str) -> Make:
    return _many(before + " ", "LIMIT #", " ")


def _nested(opening: str, inner: str, closing: str, before: str) -> Make:
    return lambda size: before + opening * size + inner + closing * size


_STAGES = "QUERY FUSION RRF FROM c PREFETCH"
_FORMULA = "QUERY FORMULA {} FROM c PREFETCH (QUERY [1])"
_IN_FORMULA = tuple(_FORMULA.split("{}"))

GROWING: dict[str, Make] = {
    # -- repetitions of the grammar
    "query: clause*": _clauses("QUERY [1] FROM c"),
    "stage: clause*": _many(f"{_STAGES} (QUERY [1] ", "LIMIT #", " ", ")"),
    'ctes: ("," cte)*': lambda size: (
        _many("WITH ", "s# AS (QUERY [1] LIMIT 2)", ", ")(size)
        + _many(f" {_STAGES} (", "s#", ", ", ")")(size)
    ),
    'points: ("," id)*': _many("QUERY POINTS (", "#", ", ", ") FROM c"),
    "recommend: recommend_part+": _many("QUERY RECOMMEND ", "POSITIVE (#)", " ", " FROM c"),
    'recommend: ("," recommend_option)*': _many("QUERY RECOMMEND WITH (", "POSITIVE = (#)", ", ", ") FROM c"),
    'examples: ("," example)*': _many("QUERY RECOMMEND POSITIVE (", "#", ", ", ", [1, 2]) FROM c"),
    '_pairs: ("," context_pair)*': _many("QUERY CONTEXT (", "POSITIVE # NEGATIVE 1", ", ", ") FROM c"),
    '_pairs: ("," bare_pair)*': _many("QUERY DISCOVER 1 CONTEXT PAIRS ", "(#, 2)", ", ", " FROM c"),
    "fallback: else_branch+": _many("QUERY [1] FROM c ", "ELSE QUERY [#]", " "),
    'else_branch: ("OR" _weakness)*': _many(
        "QUERY [1] FROM c ELSE WHEN ", "HITS < #", " OR ", " QUERY [1] FROM c"
    ),
    'fields_text: ("," boosted_field)*': _many("QUERY MATCH 'a' ON (", "f# ^ 2", ", ", ") FROM c"),
    "mmr: mmr_part*": _many("QUERY MMR [1] ", "CANDIDATES #", " ", " FROM c"),
    'relevance_feedback: ("," feedback_item)*': _many(
        "QUERY RELEVANCE FEEDBACK TARGET 1 FEEDBACK (",
        "(#, 0.5)",
        ", ",
        ") FROM c STRATEGY naive (a = 1, b = 2, c = 3)",
    ),
    "hybrid: hybrid_part*": _many("QUERY HYBRID 'a' ", "DENSE v#", " ", " FROM c"),
    "using: (hybrid_part | fusion)*": _many("QUERY 'a' FROM c USING HYBRID ", "DENSE v#", " "),
    "using: using_part+": _many("QUERY 'a' FROM c USING DENSE ", "VECTOR v#", " "),
    "hybrid_part: using_part+": _many("QUERY HYBRID 'a' DENSE ", "MODEL 'm#'", " ", " FROM c"),
    'prefetch: ("," ref)*': _many(f"{_STAGES} (", "(QUERY [#] LIMIT 3)", ", ", ")"),
    'names: ("," name)*': _many("QUERY [1] FROM c WITH PAYLOAD (", "a#", ", ", ")"),
    "named_ref: modifier*": _many(f"WITH a AS (QUERY [1]) {_STAGES} (a ", "WHERE b = #", " ", ")"),
    "inline_ref: modifier*": _many(f"{_STAGES} ((QUERY [1]) ", "WHERE b = #", " ", ")"),
    'options: ("," option)*': _many("QUERY [1] FROM c PARAMS (", "a# = #", ", ", ")"),
    'condition: ("OR" conjunction)+': _many("COUNT FROM c WHERE ", "a# = #", " OR "),
    'conjunction: ("AND" negation)+': _many("COUNT FROM c WHERE ", "a# > #", " AND "),
    "negation: recursion": _nested("NOT ", "a = 1", "", "COUNT FROM c WHERE "),
    'min_should: ("," condition)*': _many("COUNT FROM c WHERE MIN SHOULD 2 (", "a# = #", ", ", ")"),
    'scalars: ("," operand)*': _many("COUNT FROM c WHERE a IN (", "#", ", ", ")"),
    "expression: recursion": _many(_IN_FORMULA[0], "score", " + ", _IN_FORMULA[1]),
    "product: recursion": _many(_IN_FORMULA[0], "a#", " * ", _IN_FORMULA[1]),
    "factor: recursion": _many(_IN_FORMULA[0], "-", " ", f" score{_IN_FORMULA[1]}"),
    'atom: ("," expression)*': _many(f"{_IN_FORMULA[0]}SUM(", "a#", ", ", f"){_IN_FORMULA[1]}"),
    "case: when+": _many(f"{_IN_FORMULA[0]}CASE ", "WHEN a# = # THEN #", " ", f" ELSE 0 END{_IN_FORMULA[1]}"),
    'decay: ("," decay_option)*': _many(f"{_IN_FORMULA[0]}EXP_DECAY(", "a#", ", ", f"){_IN_FORMULA[1]}"),
    "search: clause*": _clauses("SEARCH c SIMILAR TO 'a'"),
    "recommend_from: recommend_part+": _many("RECOMMEND FROM c ", "POSITIVE (#)", " "),
    "recommend_from: clause*": _clauses("RECOMMEND FROM c POSITIVE (1)"),
    "select: clause*": _clauses("SELECT * FROM c"),
    "copy_to: copy_to_option*": _many("COPY (COUNT FROM c) TO 'a.csv' ", "OVERWRITE", " "),
    "dump: overwrite*": _many("DUMP c TO 'a' ", "OVERWRITE", " "),
    "explain: explain_option*": _many("EXPLAIN ", "RUNS #", " ", " COUNT FROM c"),
    "why: why_option*": _many("WHY 1 ", "LIMIT #", " ", " QUERY [1] FROM c"),
    "create_collection: collection_part*": _many("CREATE COLLECTION c ", "WITH HNSW (m = #)", " "),
    "preset: hybrid_part*": _many("CREATE COLLECTION c HYBRID ", "DENSE v#", " "),
    "preset: using_part+": _many("CREATE COLLECTION c USING DENSE ", "MODEL 'm#'", " "),
    "quantize: quantize_part*": _many("CREATE COLLECTION c VECTOR (3, DOT) QUANTIZE scalar ", "BITS #", " "),
    'vector_defs: ("," vector_def)*': _many("CREATE COLLECTION c (", "v# VECTOR(4, DOT)", ", ", ")"),
    "vector_def: block*": _many("CREATE COLLECTION c (v VECTOR(4, DOT) ", "WITH HNSW (m = #)", " ", ")"),
    'settings: ("," option)*': _many("CREATE COLLECTION c VECTOR (3, DOT) WITH HNSW (", "m# = #", ", ", ")"),
    'entries: ("," entry)*': _many(
        "CREATE COLLECTION c VECTOR (3, DOT) WITH METADATA (", "a# = #", ", ", ")"
    ),
    "alter_collection: alteration+": _many("ALTER COLLECTION c ", "WITH VECTOR v# (HNSW (m = 4))", " "),
    'alteration: ("," sub_block)*': _many("ALTER COLLECTION c WITH VECTOR v (", "HNSW (m = #)", ", ", ")"),
    "upsert: upsert_clause*": _many("UPSERT INTO c VALUES {id: 1} ", "WAIT true", " "),
    'rows: ("," _row)*': _many("UPSERT INTO c VALUES ", "{id: #, a: 'x', vector: [0.5, 0.25]}", ", "),
    'upsert_clause: ("," embedding)*': _many(
        "UPSERT INTO c VALUES {id: 1} USING ", "DENSE VECTOR v# ON f#", ", "
    ),
    'upsert_clause: ("," embed)*': _many("UPSERT INTO c VALUES {id: 1} EMBED ", "f# INTO v#", ", "),
    "embedding: embedding_part+": _many("UPSERT INTO c VALUES {id: 1} USING DENSE ", "ON f#", " "),
    "embedding: hybrid_side*": _many("UPSERT INTO c VALUES {id: 1} USING HYBRID ", "DENSE", " "),
    "hybrid_side: embedding_part*": _many("UPSERT INTO c VALUES {id: 1} USING HYBRID DENSE ", "ON f#", " "),
    "update: clause*": _many("UPDATE c SET PAYLOAD = {a: 1} ", "WHERE a = #", " "),
    "update: write_clause+": _many("UPDATE c SET PAYLOAD ", "WHERE a = #", " ", " {a: 1}"),
    "delete_payload: clause*": _many("DELETE PAYLOAD a FROM c ", "WHERE a = #", " "),
    "delete_vector: clause*": _many("DELETE VECTOR a FROM c ", "WHERE a = #", " "),
    "clear_payload: clause*": _many("CLEAR PAYLOAD FROM c ", "WHERE a = #", " "),
    'field_list: ("," name)*': _many("DELETE PAYLOAD ", "a#", ", ", " FROM c WHERE id = 1"),
    "facet: clause*": _clauses("FACET a FROM c"),
    "analyze_text: clause*": _clauses("ANALYZE TEXT 'a' ON b FROM c"),
    'batch: (";" _statement)*': _many("BATCH {", "QUERY [#] FROM c", "; ", "}"),
    "batch: (wait | params)*": _many("BATCH {QUERY [1] FROM c} ", "WAIT true", " "),
    "delete: clause*": _many("DELETE FROM c ", "WHERE a = #", " "),
    "count: clause*": _many("COUNT FROM c ", "WHERE a = #", " "),
    "scroll: clause*": _clauses("SCROLL FROM c"),
    "matrix: clause*": _clauses("MATRIX FROM c"),
    "copy: copy_option*": _many("COPY c FROM 'a.csv' ", "BATCH #", " "),
    'copy_option: ("," column)*': _many("COPY c FROM 'a.csv' COLUMNS (id, ", "a#", ", ", ")"),
    'map: ("," mapping)*': _many("COPY c FROM 'a.csv' MAP (id = id, ", "a# = b#", ", ", ")"),
    'joined: ("||" joined_part)+': _many("COPY c FROM 'a.csv' MAP (id = id, a = ", "b#", " || ", ")"),
    'items: ("," value)*': _many("UPSERT INTO c VALUES {id: 1, vector: [", "#.5", ", ", "]}"),
    'object: ("," pair)*': _many("UPSERT INTO c VALUES {id: 1, ", "a#: 'x'", ", ", "}"),
    # -- what one rule repeats in several ways
    "texts of IN": _many("COUNT FROM c WHERE a IN (", "'text #'", ", ", ")"),
    "words of MATCH ANY": _many("COUNT FROM c WHERE a MATCH ANY (", "'text #'", ", ", ")"),
    "ids of IN": _many("DELETE FROM c WHERE id IN (", "#", ", ", ")"),
    "conditions of both kinds": _many("COUNT FROM c WHERE ", "(a# = 1 AND b# = 2)", " OR "),
    "nested parentheses": _nested("(", "a = 1", ")", "COUNT FROM c WHERE "),
    "stages by one another": lambda size: (
        "WITH s0 AS (QUERY [1]), "
        + ", ".join(f"s{at + 1} AS (QUERY [1] PREFETCH (s{at}))" for at in range(size))
        + f" QUERY [1] FROM c PREFETCH (s{size})"
    ),
    "stages twice by one another": lambda size: (
        "WITH s0 AS (QUERY [1]), "
        + ", ".join(f"s{at + 1} AS (QUERY [1] PREFETCH (s{at}, s{at}))" for at in range(size))
        + f" QUERY [1] FROM c PREFETCH (s{size})"
    ),
    "unused stages": _many("WITH ", "s# AS (QUERY [1])", ", ", " QUERY [1] FROM c"),
    "rows of JSON": _many("UPSERT INTO c VALUES ", '{"id": #, "a": "x", "vector": {"v": [0.5, 0.25]}}', ", "),
    "keys of JSON": _many('UPSERT INTO c VALUES {"id": 1, ', '"a#": [1, "x"]', ", ", "}"),
    "numbers of JSON": _many('UPSERT INTO c VALUES {"id": 1, "vector": [', "0.#", ", ", "]}"),
    "rows of a multivector": _many("UPSERT INTO c VALUES {id: 1, vector: {m: [", "[#, 0.5]", ", ", "]}}"),
    "a sparse vector": lambda size: (
        f"QUERY {{indices: {list(range(size))}, values: {[0.5] * size}}} FROM c USING s"
    ),
    "a dense vector": _many("QUERY [", "#.25", ", ", "] FROM c"),
    "defaults": _many("QUERY [1] FROM c BOOST (score + a0) DEFAULTS (", "a# = #", ", ", ")"),
    "weights": _many(f"{_STAGES} (QUERY [1], QUERY [2]) WITH (rrf_weights = [", "#", ", ", "])"),
    "values of MATCH in formulas": _many(f"{_IN_FORMULA[0]}MATCH_ANY(a, (", "#", ", ", f")){_IN_FORMULA[1]}"),
    "corners of a polygon": lambda size: (
        "COUNT FROM c WHERE a GEO_POLYGON {exterior: {points: ["
        + ", ".join(f"{{lat: {at % 90}, lon: {at % 180}}}" for at in range(size))
        + "]}}"
    ),
    "shard keys": _many("QUERY [1] FROM c SHARD (", "'k#'", ", ", ")"),
    "parameters": _many("COUNT FROM c WHERE ", "a# = :p#", " AND "),
    "parameters without a name": _many("COUNT FROM c WHERE ", "a# = ?", " AND "),
    "quoted names": _many("COUNT FROM c WHERE ", "`a #` = 1", " AND "),
    "names with dots": _many("COUNT FROM c WHERE ", "a.b.c# = 1", " AND "),
    # -- scripts
    "statements": _many("", "COUNT FROM c WHERE a = #", ";\n"),
    "statements without an end": _many("", "COUNT FROM c WHERE a = #", "\n"),
    "statements with a fault": _many("", "COUNT FORM c", ";\n"),
    "stages of a session": _many("", "DEFINE s# AS (QUERY [1]);", "\n", f"\n{_STAGES} (s0);"),
    "collections made": _many("", "CREATE COLLECTION c# (v VECTOR(4, DOT));", "\n"),
    "collections dropped": _many("", "CREATE COLLECTION c# (v VECTOR(4, DOT)); DROP COLLECTION c#;", "\n"),
    "indexes made": _many("CREATE COLLECTION c (v VECTOR(4, DOT));", "CREATE INDEX ON c FOR a#;", "\n"),
    "vectors added": _many(
        "CREATE COLLECTION c (v VECTOR(4, DOT));", "ALTER COLLECTION c ADD v# VECTOR(4, DOT);", "\n"
    ),
    "aliases made": _many("CREATE COLLECTION c (v VECTOR(4, DOT));", "CREATE ALIAS a# FOR c;", "\n"),
    "parameters of a script": _many("", "COUNT FROM c WHERE a = :p#", ";\n"),
    "comments": _many("COUNT FROM c ", "-- said #", "\n"),
    "block comments": _many("COUNT FROM c ", "/* said # */", " "),
    "ignore comments": _many("", "-- qql: ignore no-model\nQUERY 'a' FROM c;", "\n"),
    "empty lines": lambda size: "COUNT FROM c" + "\n" * size + ";",
    "spaces": lambda size: "COUNT FROM c" + " " * size + ";",
    "empty statements": lambda size: "COUNT FROM c" + ";" * size,
    "long words": lambda size: f"COUNT FROM {'w' * size}",
    "long texts": lambda size: f"COUNT FROM c WHERE a = '{'w ' * size}'",
    "quotes in a text": lambda size: "COUNT FROM c WHERE a = 'x" + "''" * size + "'",
}
