"""Completion: what is suggested at a place of a text, by the grammar and what is known of collections."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from qql import nodes
from qql.cli.prompt.completion import legal, places, up_to_cursor
from qql.cli.prompt.completion.core import complete, suggestions
from qql.cli.prompt.completion.matching import Names, rank
from qql.cli.prompt.completion.schema import KnownCollection, KnownSchema
from qql.cli.prompt.completion.suggestion import Suggestion
from qql.cli.shell import COMMANDS
from qql.errors import Source
from qql.manual.entries import ENTRIES
from qql.schema import Fields, Schema, SeenField, VectorInfo
from qql.syntax.driver import plain_tables
from qql.syntax.lexer import cut_here, skip_space
from qql.syntax.parser import Parsed, keywords, parse_script

TRAILS = KnownCollection(
    Schema(
        {
            "dense": VectorInfo("dense", "dense", 384, "Cosine", "BAAI/bge-small-en-v1.5"),
            "words": VectorInfo("words", "sparse", model="qdrant/bm25"),
        },
        {"kind": "keyword", "year": "integer", "open": "bool"},
        1234,
    ),
    Fields.of(
        [
            {
                "kind": "ridge",
                "year": 1990,
                "open": True,
                "title": "x",
                "my place": {"lat": 1},
                "parts": [{"km": 1.5}],
            }
        ]
        * 3
        + [{"kind": "lake"}]
    ),
    {"kind": (("ridge", 3), ("walker's", 1)), "year": ((1990, 3),)},
)
PEAKS = KnownCollection(Schema({"height": VectorInfo("height", "dense", 4, "Dot")}))
KNOWN = KnownSchema(
    collections=("trails", "my-peaks"),
    described={"trails": TRAILS, "my-peaks": PEAKS},
    aliases={"live": "trails"},
    stages=("recent",),
    params=("limit",),
)


def at_mark(marked: str, known: KnownSchema = KNOWN) -> list[Suggestion]:
    """What is suggested at the `|` of a text."""
    cursor = marked.index("|")
    return suggestions(marked[:cursor] + marked[cursor + 1 :], cursor, known)


def texts(marked: str, known: KnownSchema = KNOWN) -> list[str]:
    return [one.text for one in at_mark(marked, known)]


# ------------------------------------------------------------------------------------ what is suggested

Q = "QUERY 'x' FROM trails "
CASES: list[tuple[str, str, str]] = [
    # text with the cursor, what must be suggested, what must not be
    ("|", "QUERY UPSERT COUNT WITH", "FROM WHERE trails"),
    ("QUERY |", "TEXT POINT RECOMMEND FUSION FROM WHERE", "TO VALUES QUERY"),
    ("QUERY 'x' FROM |", "trails `my-peaks`", "WHERE LIMIT dense"),
    ("QUERY 'x' FROM collection |", "trails", "VALUES"),
    # clauses: each once, and only those that the statement takes
    (Q + "|", "WHERE USING LIMIT OFFSET PREFETCH", "FROM AFTER OVERWRITE WAIT VALUES"),
    (Q + "WHERE kind = 'a' |", "AND OR LIMIT", "WHERE NOT"),
    (Q + "LIMIT 5 |", "OFFSET WHERE", "LIMIT TRUE"),
    (Q + "LIMIT |", "", "TRUE FALSE NULL UUID WHERE trails"),
    (Q + "GROUP BY kind |", "SIZE GROUP_SIZE LIMIT", ""),
    (Q + "WITH |", "PAYLOAD VECTOR MODEL", "HNSW LOOKUP"),
    (Q + "GROUP BY kind WITH |", "LOOKUP PAYLOAD", "HNSW"),
    (Q + "WITH PAYLOAD true WITH |", "VECTOR", "PAYLOAD"),
    ("QUERY RECOMMEND POSITIVE (1) FROM trails |", "STRATEGY LIMIT", "FROM BOOSTED"),
    ("QUERY POINT 3 FROM trails |", "LIMIT", "STRATEGY"),
    ("QUERY FUSION RRF FROM trails |", "PREFETCH LIMIT", "FUSION"),
    ("COUNT FROM trails |", "WHERE EXACT SHARD", "LIMIT OFFSET USING PREFETCH FROM"),
    ("SCROLL FROM trails |", "AFTER WHERE LIMIT", "OFFSET USING PREFETCH FUSION"),
    ("DELETE FROM trails |", "WHERE WAIT SHARD", "LIMIT USING"),
    ("FACET kind FROM trails |", "WHERE LIMIT EXACT", "USING OFFSET"),
    ("MATRIX FROM trails |", "USING WHERE LIMIT", "PREFETCH"),
    ("UPDATE trails SET PAYLOAD = {a: 1} |", "WHERE OVERWRITE KEY", "LIMIT"),
    ("UPDATE trails SET VECTOR dense = [1] |", "WHERE WAIT", "OVERWRITE KEY LIMIT"),
    ("CLEAR PAYLOAD FROM trails |", "WHERE", "LIMIT"),
    ("DELETE PAYLOAD kind FROM trails |", "WHERE", "LIMIT"),
    ("UPSERT INTO trails VALUES {id: 1} |", "USING EMBED WAIT", "WHERE LIMIT"),
    ("UPSERT INTO trails VALUES {id: 1} WAIT true |", "USING", "WAIT"),
    ("UPSERT INTO trails VALUES {id: 1} USING MODEL 'm' |", "EMBED WAIT", "USING"),
    ("COPY trails FROM 'a.csv' FORMAT csv |", "MAP COLUMNS", "FORMAT"),
    # stages
    ("WITH a AS (QUERY 'x' |", "USING WHERE LIMIT", "OFFSET SHARD"),
    ("WITH a AS (QUERY 'x' WITH |", "MODEL", "PAYLOAD VECTOR PROVENANCE"),
    ("WITH a AS (QUERY 'x') QUERY FUSION RRF FROM trails PREFETCH (|", "a recent QUERY", "trails dense"),
    ("WITH a AS (QUERY 'x'), b AS (QUERY 'y')\nQUERY 'z' FROM trails PREFETCH (b, |)", "a b recent", ""),
    ("DEFINE old AS (QUERY 'x');\nQUERY FUSION RRF FROM trails PREFETCH (|", "old recent", ""),
    ("UNDEFINE |", "recent", "trails"),
    ("COUNT FROM li|", "live", "trails"),
    ("DROP ALIAS |", "live", "trails"),
    # the collection, wherever it stands
    ("QUERY 'x' USING |", "DENSE VECTOR MODEL HYBRID", "dense words"),
    ("QUERY 'x' USING VECTOR 'a' |", "MODEL LIMIT", "VECTOR"),
    ("QUERY POINT 3 USING |", "VECTOR", "HYBRID"),
    ("QUERY 'x' USING | FROM trails", "dense words", "height"),
    ("QUERY 'x' USING |\nFROM trails\nLIMIT 3; COUNT FROM `my-peaks`", "dense words", "height"),
    ("QUERY 'x' USING | FROM `my-peaks`", "height", "dense"),
    ("USE trails;\nQUERY 'x' USING |", "dense words", ""),
    ("WITH a AS (QUERY 'x' USING |)\nQUERY FUSION RRF FROM trails PREFETCH (a)", "dense", ""),
    ("COUNT FROM trails;\nQUERY 'x' USING |", "", "dense"),
    ("QUERY POINT 3 FROM trails LOOKUP FROM `my-peaks` VECTOR |", "height", "dense"),
    ("HAS_VECTOR |", "", "dense"),
    (Q + "WHERE HAS_VECTOR |", "dense words", "kind"),
    # fields
    (Q + "WHERE |", 'kind year title parts[].km `"my place"` NOT NESTED', "trails LIMIT"),
    (Q + "WHERE NOT |", "kind", "AND"),
    (Q + "WHERE ki|", "kind", "year"),
    (Q + "WHERE parts[].|", "parts[].km", "kind"),
    (Q + "WHERE kind |", "IN BETWEEN IS MATCH NOT", "AND OR LIMIT"),
    (Q + "WHERE kind IS NOT |", "NULL EMPTY", "TRUE"),
    (Q + "WHERE kind MATCH |", "PHRASE TOKENS ANY EXCEPT", "TRUE"),
    (Q + "GROUP BY |", "kind", "dense"),
    ("SCROLL FROM trails ORDER BY |", "year kind", "dense"),
    ("FACET | FROM trails", "kind", "dense"),
    (Q + "WITH PAYLOAD (|", "kind include exclude", "dense"),
    (Q + "WITH PAYLOAD INCLUDE (kind, |", "year", "dense"),
    (Q + "WITH VECTOR (|", "dense words", "kind"),
    ("DELETE PAYLOAD | FROM trails", "kind", "dense"),
    ("DELETE VECTOR | FROM trails", "dense", "kind"),
    ("CREATE INDEX ON trails FOR |", "title kind", "dense"),
    ("DROP INDEX ON trails FOR |", "kind year", "title"),
    ("CREATE INDEX ON trails FOR title TYPE |", "keyword text integer", "title"),
    ("UPSERT INTO trails VALUES {id: 1, |", "dense words kind title 'my place'", "id parts[].km"),
    ("UPDATE trails SET PAYLOAD = {|", "kind title", "id dense"),
    ("COPY trails FROM 'a.csv' MAP (|", "id dense kind", ""),
    # values
    (Q + "WHERE kind = |", "'ridge' 'walker''s'", "NULL TRUE AND"),
    (Q + "WHERE kind = '|", "ridge' walker''s'", "TRUE"),
    (Q + 'WHERE kind = "|', 'ridge"', "'ridge'"),
    (Q + "WHERE kind = 'ri|' AND year = 3", "ridge'", "walker''s'"),
    (Q + "WHERE kind IN ('ridge', |", "'walker''s'", "1990"),
    (Q + "WHERE kind MATCH ANY (|", "'ridge'", ""),
    (Q + "WHERE year = |", "1990", "TRUE 'ridge'"),
    (Q + "WHERE open = |", "TRUE FALSE", "'ridge'"),
    (Q + "WHERE title = |", "", "'ridge'"),
    (Q + "LIMIT :|", ":limit", ""),
    # options and their values
    (Q + "PARAMS (|", "hnsw_ef exact timeout", "m sample"),
    (Q + "PARAMS (exact = |", "TRUE FALSE", "NULL WHERE"),
    (Q + "PARAMS (exact = true, |", "hnsw_ef", "exact"),
    (Q + "PARAMS (hnsw_ef = |", "", "TRUE NULL"),
    (Q + "WITH (consistency = |", "majority quorum all", "TRUE"),
    (Q + "PARAMS (idf = |", "WHERE", "TRUE"),
    (Q + "PARAMS (quantization = {|", "rescore oversampling", "hnsw_ef"),
    ("WITH a AS (QUERY 'x' PARAMS (|", "hnsw_ef", "timeout"),
    ("COUNT FROM trails WITH (|", "exact", "hnsw_ef"),
    ("MATRIX FROM trails WITH (form = |", "pairs offsets", ""),
    ("CREATE COLLECTION c (v VECTOR(3)) WITH |", "HNSW WAL OPTIMIZERS METADATA", "MULTIVECTOR SPARSE INDEX"),
    ("CREATE COLLECTION c (v VECTOR(3)) WITH HNSW (m = 4) WITH |", "WAL", "HNSW"),
    ("CREATE COLLECTION c (v VECTOR(3) WITH |", "HNSW MULTIVECTOR", "WAL OPTIMIZERS"),
    ("CREATE COLLECTION c (v SPARSE WITH |", "SPARSE INDEX", "HNSW"),
    ("CREATE COLLECTION c (v VECTOR(3)) WITH HNSW (|", "m ef_construct", "hnsw_ef"),
    ("CREATE COLLECTION c (v VECTOR(3)) WITH HNSW { m: 16, |", "ef_construct", "m"),
    ("CREATE COLLECTION c (v VECTOR(3)) WITH QUANTIZATION (type = |", "scalar binary", "TRUE"),
    ("CREATE COLLECTION c (v VECTOR(3, |", "COSINE DOT", "TRUE"),
    ("ALTER COLLECTION trails WITH |", "HNSW PARAMS", "WAL"),
    ("ALTER COLLECTION trails WITH PARAMS (|", "replication_factor", "shard_number"),
    ("CREATE INDEX ON trails FOR title TYPE text WITH (|", "tokenizer lowercase", "lookup is_tenant"),
    ("CREATE INDEX ON trails FOR title TYPE text WITH (tokenizer = |", "word whitespace", "TRUE"),
    ("SET QUOTA (|", "enabled", "exact"),
    ("OPTIMIZE trails WITH (|", "timeout", "exact"),
    (Q + "WHERE year RANGE (|", "gte lt", "exact"),
    (Q + "WHERE kind GEO_RADIUS {|", "center radius", "exact"),
    # models, functions, other words
    ("QUERY 'x' MODEL |", "'BAAI/bge-small-en-v1.5' 'qdrant/bm25'", "'local/overlap'"),
    ("QUERY 'x' MODEL '|", "qdrant/bm25'", ""),
    (Q + "RERANK MODEL |", "'local/overlap'", "'qdrant/bm25'"),
    ("QUERY FORMULA | FROM trails", "ABS( $score CASE kind", "AND"),
    ("QUERY FORMULA MAX(| FROM trails", "$score year", "LIMIT"),
    ("QUERY RECOMMEND POSITIVE (1) STRATEGY | FROM trails", "best_score", "kind"),
    ("UPSERT INTO trails VALUES {id: 1} UPDATE MODE |", "insert_only", "kind"),
    ("EXPLAIN FORMAT |", "json html", "csv"),
    ("WHY 3 FORMAT |", "json", "html"),
    ("COPY trails FROM 'x' FORMAT |", "csv jsonl tsv", "html"),
    ("COPY (COUNT FROM trails) TO 'x' FORMAT |", "csv jsonl parquet", "tsv npy"),
    # older dialects
    ("SEARCH |", "trails", "dense"),
    ("SEARCH trails |", "SIMILAR", "WHERE LIMIT"),
    ("SEARCH trails SIMILAR TO 'x' |", "LIMIT WHERE USING", "FROM"),
    ("RECOMMEND FROM trails POSITIVE IDS (1) |", "NEGATIVE STRATEGY LIMIT", "FROM"),
    ("SELECT * FROM trails WHERE |", "kind", "LIMIT"),
    ("INSERT INTO COLLECTION |", "trails", "WHERE"),
    ("INSERT BULK INTO COLLECTION trails VALUES [{id: 1, |", "kind dense", ""),
    ("FUSION RRF LIMIT 10 PREFETCH (|", "recent", ""),
    ("UPDATE trails SET PAYLOAD |", "WHERE", "LIMIT"),
    # several statements
    ("COUNT FROM trails;\n|", "QUERY COUNT", "WHERE"),
    ("COUNT FROM trails\n|", "WHERE QUERY SHOW", ""),
    ("COUNT FROM trails |", "WHERE", "QUERY SHOW"),
    ("EXPLAIN\nQUERY 'x' FROM trails\n|", "LIMIT COUNT", ""),
    ("EXPLAIN |", "QUERY ANALYZE COUNT", "FROM"),
    ("BATCH { QUERY 'x' FROM trails; |", "QUERY UPSERT", "COUNT WHERE"),
    ("BATCH { DROP |", "ALIAS", "COLLECTION INDEX"),
    # where nothing can be completed
    ("QUERY 'x|", "", "QUERY FROM"),
    ("COUNT FROM trails -- wh|", "", "WHERE"),
    ("COUNT FROM trails /* wh|", "", "WHERE"),
    ("QUERY 'x' FROM trails LIMIT 1|", "", "OFFSET"),
    ("FROM trails |", "", "WHERE"),
]


@pytest.mark.parametrize(("marked", "must", "must_not"), CASES, ids=[case[0] for case in CASES])
def test_what_may_come_next_is_suggested_and_nothing_else(marked: str, must: str, must_not: str) -> None:
    found = [part for text in texts(marked) for part in (text, text.split()[0])]
    assert {*_words(must)} <= {*found}
    assert not {*_words(must_not)} & {*found}


def _words(text: str) -> Iterator[str]:
    """Words at blanks, but for blanks in quotes."""
    quote, word = "", ""
    for char in text:
        if char == " " and not quote:
            yield from [word] if word else []
            word = ""
            continue
        if char in "`\"'" and (not word or quote or word[-1] == char) and quote in ("", char):
            quote = "" if quote else char
        word += char
    if word:
        yield word


def test_the_only_collection_is_meant_where_none_is_named() -> None:
    alone = KnownSchema(("trails",), {"trails": TRAILS})
    assert {"dense", "words"} <= {*texts("QUERY 'x' USING |", alone)}
    assert "kind" in texts("QUERY 'x' FORM trails WHERE |", alone)
    assert "dense" not in texts("QUERY 'x' USING | FROM other", alone)
    assert "dense" not in texts("QUERY 'x' USING |")


# ------------------------------------------------------------------------------------ the grammar


def statements(*, planned: bool = False) -> Iterator[str]:
    """The statements of the golden files and of the manual's examples, one by one; those alone that can be
    planned, too.
    """
    files = sorted((ROOT / "tests" / "golden").rglob("*.qql"))
    files = [path for path in files if not planned or path.with_suffix(".json").exists()]
    scripts = [*(path.read_text(encoding="utf-8") for path in files), *(entry.example for entry in ENTRIES)]
    scripts += ["EXPLAIN ANALYZE RUNS 3 ABLATE QUERY 'x' FROM trails", "COPY a FROM 'b' ON ERROR STOP"]
    scripts += ["COUNT FROM a WHERE b MATCH SUBSTRING 'c'"]
    for text in scripts:
        done, errors = parse_script(Source(text))
        if not errors:
            yield from (text[one.span.start : one.span.end] for one in done)


def cuts(text: str) -> list[int]:
    """Where the terminals of a statement begin."""
    found, at = list[int](), 0
    while (token := cut_here(text, at := skip_space(text, at))) is not None and token.type != "$END":
        found.append(token.start)
        at = token.end
    return found


def test_every_keyword_of_the_grammar_is_suggested_where_it_is_written() -> None:
    missing = set(keywords())
    for text in statements():
        for at in cuts(text):
            token = cut_here(text, at)
            if token is None or token.text.upper() not in missing:
                continue
            found = suggestions(text[:at], at, KnownSchema())
            missing -= {one.text.split()[0].upper() for one in found if one.kind == "keyword"}
    assert not missing


def test_every_keyword_that_stands_in_a_text_is_suggested_there() -> None:
    missing = []
    for text in random.Random(7).sample([*statements(planned=True)], 50):
        for at in cuts(text):
            token = cut_here(text, at)
            assert token is not None
            word = token.text.upper()
            after = up_to_cursor.read(text[: token.end] + " ", 0, token.end + 1)
            if word in keywords() and any(way.symbol == word for way in after.ways):
                found = suggestions(text[:at], at, KnownSchema())
                if word not in {one.text.split()[0].upper() for one in found if one.kind == "keyword"}:
                    missing.append((text[:at], word))
    assert not missing


def test_a_suggested_keyword_leaves_a_text_that_the_parser_goes_on_with() -> None:
    chance = random.Random(15)
    tried = Counter[str]()
    for text in chance.sample([*statements()], 80):
        places_in = cuts(text)
        for at in chance.sample(places_in, min(2, len(places_in))):
            before = text[:at]
            for one in suggestions(before, at, KnownSchema()):
                if one.kind == "keyword":
                    tried[one.text] += 1
                    assert _goes_on(before + one.text), (before, one.text)
    assert len(tried) > 100


def _goes_on(text: str) -> bool:
    """Whether the parser reads a text to its end: what is wrong is what is missing there."""
    _, errors = parse_script(Source(text))
    if not errors:
        return True
    fault = errors[0].diagnostics[0]
    incomplete = fault.code == "rerank-without-prefetch"  # PREFETCH may still come
    return len(errors) == 1 and (incomplete or (fault.span is not None and fault.span.end >= len(text)))


def test_every_name_that_the_grammar_takes_has_a_role() -> None:
    tables = plain_tables()
    numbers = range(len(tables._rows))
    behind = {tables.state(number).symbols.get("name", -1) for number in numbers} - {-1}
    rules = {rule for state in behind if state >= 0 for rule in places.rules_taking(state)}
    lists = {rule for rule in rules if any(rule.startswith(f"__{known}_") for known in places.LIST_RULES)}
    assert not rules - lists - {*places.ROLES} - {*places.LIST_RULES}
    assert len(rules) > 50


# ------------------------------------------------------------------------------------ how it is written


@pytest.mark.parametrize(
    ("marked", "text"),
    [
        ("QUERY 'x' FROM trails wh|", "where"),
        ("query 'x' from trails |", "where"),
        ("QUERY 'x' FROM trails WH|", "WHERE"),
        ("QUERY 'x' FROM trails Wh|", "WHERE"),
        ("QUERY 'x' FROM trails gro|", "group by"),
    ],
)
def test_a_keyword_has_the_case_of_what_is_typed(marked: str, text: str) -> None:
    assert text in texts(marked)


def test_a_suggestion_replaces_what_was_typed_of_the_word() -> None:
    text = "COUNT FROM trails WHERE ki"
    found = suggestions(text, len(text), KNOWN)[0]
    assert text[: found.start] + found.text == "COUNT FROM trails WHERE kind"


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_a_name_in_quotes_is_completed_with_the_quote_that_ends_it(quote: str) -> None:
    text = f"COUNT FROM {quote}my"
    (found,) = suggestions(text, len(text), KNOWN)
    completed = text[: found.start] + found.text
    assert completed == f"COUNT FROM {quote}my-peaks{quote}"


@pytest.mark.parametrize("value", ["it's", 'a "b"', "back\\slash", "tab\there", "line\nend", "`"])
def test_a_value_is_written_so_that_it_is_read_as_itself(value: str) -> None:
    there = KnownCollection(Schema(indexes={"kind": "keyword"}), values={"kind": ((value, 1),)})
    known = KnownSchema(("docs",), {"docs": there})
    for text in (
        "COUNT FROM docs WHERE kind = ",
        "COUNT FROM docs WHERE kind = '",
        'COUNT FROM docs WHERE kind = "',
    ):
        one = next(one for one in suggestions(text, len(text), known) if one.kind == "value")
        done, errors = parse_script(Source(text[: one.start] + one.text))
        assert not errors
        assert _condition(done[0]).value.value == value


@pytest.mark.parametrize("path", ["my place", "a.b c", "ü", "limit", "from", "1st"])
def test_a_field_is_written_so_that_it_is_read_as_a_name(path: str) -> None:
    there = KnownCollection(Schema(indexes={path: "keyword"}))
    text = "COUNT FROM docs WHERE "
    one = suggestions(text, len(text), KnownSchema(("docs",), {"docs": there}))[0]
    done, errors = parse_script(Source(f"{text}{one.text} = 1"))
    assert not errors
    assert _condition(done[0]).name.text == path


def _condition(parsed: Parsed) -> nodes.Compare:
    statement = parsed.statement
    assert isinstance(statement, nodes.Count)
    assert isinstance(statement.where, nodes.Compare)
    return statement.where


def test_each_kind_says_something_of_itself() -> None:
    said = {one.text: one.about for one in at_mark("QUERY 'x' USING | FROM trails")}
    assert said["dense"] == "dense 384 × Cosine, BAAI/bge-small-en-v1.5"
    said = {one.text: one.about for one in at_mark(Q + "WHERE |")}
    assert said["kind"] == "keyword index, 100%"
    assert said["title"] == "text, no index, 75%"
    assert said["parts[].km"] == "float, no index, 75%"
    said = {one.text: one.about for one in at_mark(Q + "WHERE kind = |")}
    assert said["'ridge'"] == "3 points"
    said = {one.text: one.about for one in at_mark("QUERY 'x' FROM |")}
    assert said["trails"] == "1,234 points"
    said = {one.text: one.about for one in at_mark("CREATE COLLECTION c (v VECTOR(3)) WITH HNSW (|")}
    assert said["ef_construct"] == "a whole number from 4 (default: 100)"
    said = {one.text: one.about for one in at_mark("QUERY FORMULA | FROM trails")}
    assert said["POW("].startswith("POW(price, 2): ")
    said = {one.text: one.about for one in at_mark("|")}
    assert said["QUERY"] and said["UPSERT"]


# ------------------------------------------------------------------------------------ which fit


def test_beginnings_come_before_words_and_those_before_letters() -> None:
    found = ["group_by", "by_group", "grip_of_rock", "other"]
    assert [rank("gr", name) for name in found] == [0, 1, 0, None]
    assert [rank("gb", name) for name in found] == [1, None, None, None]
    assert [rank("gck", name) for name in found] == [None, None, 2, None]
    assert Names(found).fitting("gr") == ["group_by", "grip_of_rock", "by_group"]
    assert Names(found).fitting("grp") == ["group_by", "by_group", "grip_of_rock"]


def test_names_that_fit_equally_keep_their_order() -> None:
    names = [f"field_{index}" for index in range(30)]
    random.Random(3).shuffle(names)
    assert Names(names).fitting("field") == names
    assert Names(names).fitting("f_") == names


def test_case_does_not_matter_and_the_name_keeps_its_own() -> None:
    assert Names(["Title", "subTitle"]).fitting("TI") == ["Title", "subTitle"]


def test_what_is_whole_already_is_not_suggested_alone() -> None:
    assert texts("COUNT FROM trails WHERE kind|") == []


# ------------------------------------------------------------------------------------ files and commands


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows one.csv").touch()
    (tmp_path / "data" / "it's.jsonl").touch()
    (tmp_path / "script.qql").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("marked", "found"),
    [
        ("COPY trails FROM '|", ["data/", "script.qql'"]),
        ("COPY trails FROM 'data/|", ["data/it''s.jsonl'", "data/rows one.csv'"]),
        ("COPY trails FROM 'data/ro|", ["data/rows one.csv'"]),
        ("EXECUTE 's|", ["script.qql'"]),
        ('DUMP trails TO "s|', ['script.qql"']),
        ("EXECUTE '.h|", [".hidden'"]),
        ("EXECUTE 'absent/|", []),
        ("QUERY 'd|", []),
        (r"\i |", ["data/", "script.qql"]),
        (r"\i scr|", ["script.qql"]),
        (r"\i data/ro|", ["data/rows one.csv"]),
        (r"\i 'data/rows o|", ["data/rows one.csv"]),
    ],
)
def test_files_are_completed_where_a_path_stands(folder: Path, marked: str, found: list[str]) -> None:
    assert texts(marked)[: len(found) + 1] == found


def test_the_home_directory_is_read_and_not_written_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert texts(r"\i ~/scr|") == ["~/script.qql"]


@pytest.mark.parametrize(
    ("marked", "must", "must_not"),
    [
        ("\\|", r"\d \i \?", "QUERY"),
        (r"\d |", "trails my-peaks", "dense"),
        (r"\d tra|", "trails", "my-peaks"),
        (r"\h UPS|", "UPSERT", ""),
        (r"\h SCORE T|", "THRESHOLD", ""),
        (r"\timing |", "on off", "trails"),
        (r"\unset |", "limit", "trails"),
        (r"\c |", ":memory:", "trails"),
        (r"\nothing |", "", "trails"),
        (r"\q |", "", "trails"),
        (r"\d trails |", "", "trails"),
        ("COUNT FROM trails\n\\d |", "trails", "WHERE"),
        ("QUERY 'a\n\\d |", "", "trails"),
    ],
)
def test_commands_complete_their_names_and_their_arguments(marked: str, must: str, must_not: str) -> None:
    found = [word for text in texts(marked) for word in (text, *text.split())]
    assert {*must.split()} <= {*found}
    assert not {*must_not.split()} & {*found}


def test_every_command_is_suggested_with_what_it_does() -> None:
    said = {one.text.strip(): one.about for one in at_mark("\\|")}
    assert {*said} == {name for name in COMMANDS if name.startswith("\\")}
    assert all(said.values())


# ------------------------------------------------------------------------------------ how much is done

_LINES = "QUERY 'ridge walk' FROM trails USING dense\nWHERE kind = 'a' AND year >= 2000\nLIMIT 10"


def test_no_other_statement_is_parsed() -> None:
    text = "COUNT FROM trails WHERE ki"
    alone = complete(text, len(text), KNOWN)
    among = complete(f"{_LINES};\n" * 66 + text, 66 * (len(_LINES) + 2) + len(text), KNOWN)
    assert [one.text for one in among.suggestions] == [one.text for one in alone.suggestions]
    assert among.tokens == alone.tokens == 4


def test_without_semicolons_no_more_than_the_statement_before_is_parsed() -> None:
    text = "COUNT FROM trails WHERE ki"
    work = {}
    for many in (2, 66):
        before = f"{_LINES}\n" * many
        work[many] = complete(before + text, len(before + text), KNOWN).tokens
    assert work[2] == work[66] < 40


def test_what_stands_behind_the_cursor_is_not_parsed() -> None:
    text = "COUNT FROM trails WHERE "
    behind = " AND ".join(f"a{index} = {index}" for index in range(200))
    assert complete(text + behind, len(text), KNOWN).tokens == 4


def test_a_long_statement_is_not_read_anew_with_each_key() -> None:
    text = "COUNT FROM trails WHERE " + "".join(f"a{index} = {index} AND\n" for index in range(200))
    first = complete(text, len(text), KNOWN)
    then = complete(text + "k", len(text) + 1, KNOWN)
    assert first.tokens > 700
    assert then.tokens < 100
    assert "kind" in [one.text for one in then.suggestions]


def test_rules_that_hand_on_their_only_part_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first key behind a paste reads all of it: each symbol that is put on the stack counts."""
    made = 0

    class Counted(legal.Frame):
        def __init__(self, *given: Any) -> None:
            nonlocal made
            made += 1
            super().__init__(*given)

    monkeypatch.setattr(legal, "Frame", Counted)
    text = "COUNT FROM trails WHERE " + "(a = 1 OR b > 2) AND\n" * 200
    found = complete(text, len(text), KNOWN)
    assert found.tokens > 2000
    assert made < 2.6 * found.tokens


def test_what_was_read_before_changes_no_suggestion() -> None:
    chance = random.Random(4)
    parts = [f"f{index} = {index} AND" for index in range(60)]
    for _ in range(30):
        place = chance.randrange(len(parts))
        parts[place] = chance.choice(
            ["kind IN ('a', 'b') AND", "NOT (year > 3 OR open = true) AND", "AND AND"]
        )
        text = "COUNT FROM trails WHERE " + "\n".join(parts) + "\n"
        gone_on = complete(text, len(text), KNOWN).suggestions
        up_to_cursor.forget()
        assert complete(text, len(text), KNOWN).suggestions == gone_on
        parts[place] = "kind = 'a' AND"


def test_ten_thousand_fields_are_not_all_described(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {f"field_{index}": SeenField({"text": 1}, 1) for index in range(10_000)}
    there = KnownCollection(Schema(), Fields(fields, 1))
    described = Counter[str]()
    plain = KnownCollection.describe_field

    def counted(self: KnownCollection, path: str) -> str:
        described[path] += 1
        return plain(self, path)

    monkeypatch.setattr(KnownCollection, "describe_field", counted)
    text = "COUNT FROM docs WHERE f"
    found = suggestions(text, len(text), KnownSchema(("docs",), {"docs": there}))
    assert 100 <= len(found) <= 200
    assert described.total() <= 200


@pytest.mark.parametrize(
    "text", ["QUERY 'x' FROM trails WHERE (kind = 'a' AND year > 3) OR NOT open = true LIMIT 3;"]
)
def test_every_place_of_a_text_has_an_answer(text: str) -> None:
    for cursor in range(len(text) + 1):
        for one in suggestions(text, cursor, KNOWN):
            assert 0 <= one.start <= cursor
            assert one.text
