"""The manual: its examples run, the pages are up to date, entries and grammar agree; `qql help` shows it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT
from test_repl import shell, typed  # noqa: F401

import qql
from qql import nodes
from qql.cli import main
from qql.cli.prompt.typed import submits
from qql.cli.shell import Shell
from qql.compiler.options import collection, index, query
from qql.errors import QQLError, Source
from qql.manual import synopsis as synopses
from qql.manual.entries import ENTRIES
from qql.manual.entry import GROUPS, Entry, option_lines, syntax
from qql.manual.grammar_rules import alternatives, rules
from qql.manual.lookup import entry_text, find
from qql.manual.synopsis import synopsis
from qql.nodes import FUNCTIONS, SPELLINGS
from qql.syntax.lalr import grammar_text
from qql.syntax.parser import parse_script

DOCS = ROOT / "docs"
IDS = [f"{entry.group}-{entry.name}" for entry in ENTRIES]
Typed = Callable[[str], str]


def load_manual() -> ModuleType:
    spec = importlib.util.spec_from_file_location("manual", DOCS / "manual.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


manual: Any = load_manual()


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Entry], str]]:
    """What the example of an entry gives; each runs once."""
    known: dict[str, str] = {}
    with manual.examples() as runs:

        def once(entry: Entry) -> str:
            if entry.name not in known:
                known[entry.name] = runs.run(entry)
            return known[entry.name]

        yield once


# ------------------------------------------------------------------------------------------------- the manual


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_example_runs_and_gives_what_the_page_shows(entry: Entry, run: Callable[[Entry], str]) -> None:
    page = (DOCS / manual.REFERENCE).read_text(encoding="utf-8")
    assert manual.section(entry, run(entry)) in page, "python docs/manual.py writes the page anew"


def test_the_pages_are_up_to_date(run: Callable[[Entry], str]) -> None:
    again = "python docs/manual.py writes the page anew"
    assert (DOCS / manual.REFERENCE).read_text(encoding="utf-8") == manual.reference(run), again
    assert (DOCS / manual.CAPABILITIES).read_text(encoding="utf-8") == manual.capabilities(), again


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.refused], ids=lambda e: e.name)
def test_what_takes_a_server_is_compiled(entry: Entry, run: Callable[[Entry], str]) -> None:
    assert run(entry).startswith("error[")
    if "RERANK" in entry.name:  # no request of Qdrant says it
        with pytest.raises(QQLError, match="no part of a Qdrant request"):
            manual.requests_of(entry.example)
    else:
        assert manual.requests_of(entry.example)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.also], ids=lambda e: e.name)
def test_other_spellings_mean_the_same(entry: Entry) -> None:
    (*_, last) = parse_script(Source(entry.example))[0]
    requests = manual.requests_of(entry.example)
    for text in entry.also:
        if requests:
            assert manual.requests_of(text)[-1] == requests[-1], text
        else:
            assert parse_script(Source(text))[0][0].statement == last.statement, text


def test_links_lead_somewhere() -> None:
    for page in DOCS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        plain = re.sub(r"(?ms)^```.*?^```", "", text)
        anchors = [manual.anchor(title) for title in re.findall(r"(?m)^#+ (.*)$", plain)]
        assert len(set(anchors)) == len(anchors)
        for target in re.findall(r"\]\(#([^)]*)\)", plain):
            assert target in anchors, f"{page.name} links to {target}"
        for file in re.findall(r"\]\(([\w./-]+)\)", plain):
            assert (DOCS / file).exists()


# ------------------------------------------------------------------------------------ entries and the grammar


def named(group: str) -> set[str]:
    """The rules that the entries of a group are about."""
    return {rule for entry in ENTRIES if entry.group == group for rule in entry.rules.split()}


def test_each_statement_target_clause_and_filter_has_its_entry() -> None:
    targets = {*alternatives("target"), *alternatives("input"), "cross_rerank"} - {"input", "any_input"}
    assert named("statements") == set(alternatives("_statement"))
    assert named("targets") == targets
    assert named("clauses") == set(alternatives("clause"))
    assert named("filters") == {*alternatives("predicate"), "and", "or", "not"}
    atoms = set(alternatives("atom")) - {"number", "param", "name", "uuid", "call"}
    assert named("formulas") == atoms | {"arithmetic", "divide", "negate"}


PLUMBING = """
start _statement _head _opening _stage clause _pairs condition conjunction negation predicate expression
product factor atom operand list
scalars bare_word call target words id any_input bound_examples bound_name listed_examples ref
names options option_block option option_name option_value object_options filter_option word name
quoted_name object_entries entries entry settings block_name value plain_word items pair scalar true false
null number string rows _row mapping _map_source uuid_mapping list_mapping assigned embedding_part
with_field model alteration quantize_part quantile bits compression always_ram hybrid_preset rerank_preset
dense_preset named_preset distance_only sparse_def shard_key show_stages field_list
"""
"""Rules that are pieces of what entries are about."""


def test_each_rule_is_in_an_entry_and_each_entry_about_rules() -> None:
    aliases = set(re.findall(r"-> (\w+)", re.sub(r"//.*", "", grammar_text())))
    known = set(rules()) | aliases
    said = {rule for e in ENTRIES for rule in f"{e.rules} {e.where} {e.covers}".split()}
    assert said <= known
    assert known - said <= set(PLUMBING.split()), "an entry of qql/manual has to cover these"


def test_each_node_of_a_statement_target_and_filter_is_covered() -> None:
    said = {rule for e in ENTRIES for rule in f"{e.rules} {e.where} {e.covers}".split()}
    elsewhere = {
        "update_payload": "update",
        "update_vector": "update",
        "update_vectors": "update",
        "order_by": "order_by",
        "call": "arithmetic",
        "scalar": "number",
        "any_input": "param",
    }
    for union in (nodes.Statement, nodes.Target, nodes.Condition, nodes.Expression):
        for node in union.__args__:
            rule = re.sub(r"(?<!^)(?=[A-Z])", "_", node.__name__).lower()
            assert elsewhere.get(rule, rule) in said, node.__name__


def test_each_block_and_each_table_of_options_has_its_entry() -> None:
    said = " ".join(f"{e.form} {' '.join(title for title, _ in e.tables)}" for e in ENTRIES)
    kinds = {row.parts[0].text for row in rules()["block_name"].parts} | {"METADATA"}
    for kind in kinds - {"VECTORS"}:
        assert re.search(rf"WITH (\{{SPARSE \| )?{kind}\b", said), kind
        assert find(kind), kind
    shown = {id(table) for entry in ENTRIES for _, table in entry.tables}
    pieces = {"_INDEX", "_CHANGEABLE", "_ADDED_SPARSE", "QUERY_OPTIONS"}
    for name, value in (vars(collection) | vars(index) | vars(query)).items():
        if not re.fullmatch("_?[A-Z][A-Z_0-9]+", name) or not isinstance(value, dict) or name in pieces:
            continue
        tables = [one for one in value.values() if isinstance(one, dict)] or [value]
        if name.endswith("_BLOCKS") or name == "_DENSE" or not callable(next(iter(tables[0].values()))):
            continue
        assert {id(table) for table in tables} <= shown, f"no entry shows {name}"


def test_each_function_has_its_entry() -> None:
    functions = {e.name for e in ENTRIES if e.group == "formulas" and not e.rules}
    assert functions == set(FUNCTIONS)
    for spelling, name in SPELLINGS.items():
        assert [entry.name for entry in find(spelling)] == [name]


def test_each_option_says_what_it_takes() -> None:
    for entry in ENTRIES:
        for _, table in entry.tables:
            for line in option_lines(table):
                assert line.takes and line.takes != "anything", f"{entry.name}: {line.name}"


def test_entries_are_complete_and_lead_to_one_another() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len({manual.anchor(name) for name in names}) == len(names)
    for entry in ENTRIES:
        assert entry.group in GROUPS
        assert entry.text.endswith(".")
        assert entry.name not in entry.see
        assert set(entry.see) <= set(names), entry.name
        assert syntax(entry) or entry.group == "limits"


# --------------------------------------------------------------------------------------------------- synopses


def test_clauses_stand_in_the_canonical_order() -> None:
    lines = synopsis("query")
    order = ["FROM", "USING", "WHERE", "PREFETCH", "FUSION", "FORMULA", "RERANK", "SCORE THRESHOLD", "PARAMS"]
    order += ["GROUP BY", "WITH PAYLOAD", "WITH VECTOR", "WITH PROVENANCE"]
    order += ["LOOKUP FROM", "SHARD", "LIMIT", "OFFSET", "IGNORE MISSING"]
    assert lines[:2] == ["[WITH name AS (stage) [, …]]", "QUERY target"]
    assert [re.match(r" {4}\[?([A-Z]+( [A-Z]+)?)\b", line)[1] for line in lines[2:]] == order  # type: ignore[index]
    assert not any("OFFSET" in line or "FROM coll" in line[:20] for line in synopsis("stage"))


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("drop_index", ["DROP INDEX [IF EXISTS] ON collection FOR field [WAIT {true | false}]"]),
        ("create_alias", ["CREATE [OR REPLACE] ALIAS [IF NOT EXISTS] alias FOR collection"]),
        ("compare", ["field {= | != | < | <= | > | >=} value"]),
        ("slice", ["SLICE(total, index)"]),
        ("points", ["POINTS (id [, …])"]),
        ("arithmetic", ["expression + expression", "expression - expression", "expression * expression"]),
        ("ctes", ["name AS (stage) [, …]"]),
        (
            "delete",
            [
                "DELETE FROM collection",
                "    WHERE condition",
                "    [SHARD {key | (key [, …])} [FALLBACK key]]",
                "    [WAIT {true | false}]",
            ],
        ),
    ],
)
def test_a_synopsis_is_made_of_the_grammar(rule: str, lines: list[str]) -> None:
    assert synopsis(rule) == lines


def test_the_tables_of_synopses_name_what_the_grammar_has() -> None:
    text = re.sub(r"//.*", "", grammar_text())
    known = set(rules()) | set(re.findall(r"-> (\w+)", text)) | set(re.findall(r"(?m)^([A-Z_]+):", text))
    named_there = {*synopses._PLACEHOLDERS, *synopses._LEFT_OUT, *synopses._FIRST_OF, *synopses._AS_QUERY}
    named_there |= {name for pair in synopses._LEFT_OUT_OF for name in pair}
    named_there |= {*synopses._FIELDS, *synopses._READS, *synopses._NODE_NAMES}
    named_there |= {rule for rule, _ in synopses._OVERRIDES}
    assert named_there <= known


def test_no_synopsis_shows_the_inside_of_the_grammar() -> None:
    for entry in ENTRIES:
        inner = re.findall(r"\b(?:\w+_part|bare_\w+|\w+_ref|_\w+)\b", syntax(entry))
        assert not inner, entry.name
        for left, right in ("()", "[]", "{}"):
            assert syntax(entry).count(left) == syntax(entry).count(right), entry.name


# ------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("mmr", ["MMR"]),
        ("rrf_k", ["FUSION OPTIONS"]),
        ("hnsw_ef", ["SEARCH OPTIONS"]),
        ("geo_radius", ["GEO"]),
        ("exp_decay", ["GAUSS_DECAY"]),
        ("Create  Collection;", ["CREATE COLLECTION"]),
        ("order by", ["ORDER BY target", "ORDER BY"]),
        ("rrf", ["FUSION"]),
        ("match on", ["MATCH … ON"]),
        ("!=", ["Comparison"]),
        ("insert", ["UPSERT"]),
        ("drop coll", []),
        ("", []),
    ],
)
def test_words_are_found(words: str, names: list[str]) -> None:
    assert [entry.name for entry in find(words)] == names


def test_help_shows_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "create", "shard", "key"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("CREATE SHARD KEY\n\nMakes a shard of its own")
    assert "    CREATE SHARD KEY key ON collection [WITH (option = value [, …])]\n" in out
    assert "    shards_number       a whole number from 1\n" in out
    assert "Example\n    CREATE SHARD KEY 'eu' ON docs WITH (shards_number = 2);" in out
    assert "refuses this by name" in out
    assert "See also: SHARD, SHOW SHARD KEYS" in out


def test_help_lists_entries_by_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    out = capsys.readouterr().out
    for title in GROUPS.values():
        assert f"{title}\n  " in out
    listed = " ".join(out.split())
    assert all(entry.name in listed for entry in ENTRIES)


def test_a_beginning_lists_what_begins_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "CREATE"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "CREATE INDEX       Makes an index of a payload field." in lines
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("word", "hint"), [("lmit", "did you mean `LIMIT`?"), ("xyzzy", "`help` alone lists the entries")]
)
def test_help_for_an_unknown_word(capsys: pytest.CaptureFixture[str], word: str, hint: str) -> None:
    assert main(["help", word]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error[unknown-word]: the manual has no entry for {word}" in err
    assert hint in err


def test_help_shows_each_entry_in_plain_text() -> None:
    for entry in ENTRIES:
        text = entry_text(entry)
        assert text.startswith(f"{entry.name}\n")
        assert entry.example.splitlines()[0] in text
        assert re.search("[\x00-\x09\x0b-\x1f]", text) is None


def test_help_needs_neither_lark_nor_an_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "qql", "help", "query"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    heavy = {"lark", "qdrant_client", "qdrant_edge", "numpy", "rich", "prompt_toolkit", "httpx", "fastembed"}
    assert not heavy & loaded
    assert done.stdout.startswith("QUERY\n")


def test_the_prompt_shows_entries(typed: Typed) -> None:  # noqa: F811
    assert "Statements\n  QUERY, " in typed("\\h\r")
    assert "LIMIT\n\nHow many hits" in typed("\\h limit\r")
    assert "OFFSET\n\nHow many hits are skipped." in typed("HELP offset;\r")
    assert "did you mean `FUSION`?" in typed("help fuson\r")


def test_help_is_no_statement(shell: Shell) -> None:  # noqa: F811
    assert submits("help group by")
    assert submits("\\h group by")
    assert not submits("QUERY 'help'")
    assert shell.feed("help\nSHOW;")
    assert [statement for statement, _, _ in shell.session.asked] == ["SHOW"]  # type: ignore[attr-defined]


def test_examples_take_their_parameters() -> None:
    (count,) = qql.compile(
        "COUNT FROM docs WHERE topic = :topic", manual.params_of("COUNT WHERE topic = :topic")
    )
    assert "skin" in str(count.body)
