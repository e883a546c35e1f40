"""The colours of QQL: what each part of a text is shown as, by the parser."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from pygments.token import STANDARD_TYPES, Comment, Error, Keyword, Literal, Name, Number, Operator, String
from test_prompt_text import HOSTILE

from qql.highlight import QQLLexer
from qql.syntax.parser import keywords

LEXER = QQLLexer()


def shown(text: str) -> list[tuple[object, str]]:
    return [(kind, value) for _, kind, value in LEXER.get_tokens_unprocessed(text) if value.strip()]


def kind_of(text: str, word: str) -> object:
    (kind,) = {kind for kind, value in shown(text) if value == word}
    return kind


@pytest.mark.parametrize(
    ("text", "word", "kind"),
    [
        ("QUERY 'a' FROM docs LIMIT 5", "QUERY", Keyword),
        ("query 'a' from docs limit 5", "limit", Keyword),
        ("QUERY 'a' FROM limit USING dense", "limit", Name),
        ("SCROLL FROM c WHERE type = 'x'", "type", Name),
        ("CREATE INDEX ON c FOR a TYPE keyword", "TYPE", Keyword),
        ("QUERY 'a' FROM docs", "'a'", String),
        ("QUERY r'a' FROM docs", "r'a'", String),
        ("QUERY `a` FROM docs", "`a`", String),
        ("QUERY 'a''b' FROM docs", "'a''b'", String),
        ("QUERY '''a\nb''' FROM docs", "'''a\nb'''", String),
        ("QUERY 'a' FROM docs LIMIT 5", "5", Number),
        ("QUERY 'a' FROM docs WHERE a >= -1.5e3", "-1.5e3", Number),
        ("QUERY 'a' FROM docs WHERE a >= 3", ">=", Operator),
        ("QUERY :text FROM docs", ":text", Name.Variable),
        ("QUERY ? FROM docs", "?", Name.Variable),
        ("COUNT FROM c -- all", "-- all", Comment.Single),
        ("COUNT /* all\n */ FROM c", "/* all\n */", Comment.Multiline),
        ("QUERY FORMULA exp(score) FROM c", "exp", Name.Function),
        ("QUERY FORMULA exp(score) FROM c", "score", Name),
        ("QUERY 'a' FROM docs USING dense", "dense", Name.Label),
        ("QUERY 'a' FROM docs PARAMS (hnsw_ef = 64)", "hnsw_ef", Name.Attribute),
        ("UPSERT INTO docs VALUES {title: 'a'}", "title", Name.Attribute),
        ("SCROLL FROM docs WHERE (a = 1)", "a", Name),
        ("QUERY [0.1, 0.2] FROM docs", "0.1", Number),
        ("QUERY [0.1, 0.2] FROM docs", "[", Literal),
        ("UPDATE docs SET PAYLOAD {a: true} WHERE id = 1", "true", Keyword.Constant),
        ("SEARCH c SIMILAR TO 'x'", "SIMILAR", Keyword),
        ("INSERT INTO COLLECTION c VALUES {id: 1, 'text': 'x'}", "INSERT", Keyword),
        ("QUERY FUSION RRF FROM c PREFETCH (a, b)", "RRF", Keyword),
        ("WITH a AS (QUERY 'x' USING v LIMIT 3) QUERY FROM c PREFETCH (a) FUSION RRF", "a", Name),
        ("QUERY 'unfinished", "'unfinished", String),
        ("COUNT /* unfinished", "/* unfinished", Comment.Multiline),
        ("QUERY 'a' FRM docs; COUNT FROM limit", "limit", Name),
        ("QUERY 'a' FRM docs LIMIT 5", "LIMIT", Keyword),
        ("QUERY 'a' # FROM docs", "#", Error),
        ("\\d docs", "\\d", Name.Builtin),
    ],
)
def test_what_a_part_of_a_text_is_shown_as(text: str, word: str, kind: object) -> None:
    assert kind_of(text, word) is kind


def test_statements_without_semicolons_are_told_apart() -> None:
    found = [value for kind, value in shown("COUNT FROM a\nSHOW COLLECTIONS\nUSE b") if kind is Keyword]
    assert found == ["COUNT", "FROM", "SHOW", "COLLECTIONS", "USE"]


def test_every_keyword_of_the_grammar_is_a_name_where_a_name_stands() -> None:
    for word in sorted(keywords()):
        assert kind_of(f"COUNT FROM c WHERE a.{word} = 1", f"a.{word}") is Name


@given(HOSTILE)
@settings(max_examples=100)
def test_a_text_comes_back_whole_whatever_it_is(text: str) -> None:
    found = [*LEXER.get_tokens_unprocessed(text)]
    assert "".join(value for _, _, value in found) == text
    at = 0
    for start, kind, value in found:
        assert start == at and value and kind in STANDARD_TYPES
        at += len(value)


@pytest.mark.parametrize("folder", ["golden", "golden_fmt", "golden_advice"])
def test_scripts_come_back_whole_and_those_that_parse_have_no_faults(folder: str) -> None:
    for path in (ROOT / "tests" / folder).rglob("*.qql"):
        text = path.read_bytes().decode()
        found = [*LEXER.get_tokens_unprocessed(text)]
        assert "".join(value for _, _, value in found) == text, path
        if path.with_suffix(".json").exists():
            assert not [value for _, kind, value in found if kind is Error], path


def test_statements_that_were_read_before_are_shown_as_they_would_be_anew() -> None:
    parts = [
        "QUERY 'a' FROM limit LIMIT 5;",
        "COUNT FROM docs;\n",
        " COUNT FROM b -- ;\n;",
        "COUNT FRM",
        "SHOW x;",
    ]
    lexer = QQLLexer()
    for first in parts:
        for then in parts:
            text = first + then
            found = [*lexer.get_tokens_unprocessed(text)]
            assert found == [*QQLLexer().get_tokens_unprocessed(text)]


def test_a_text_that_is_long_takes_words_for_keywords() -> None:
    text = "COUNT FROM c;\n" * 3_000
    found = shown(text)
    assert found[:4] == [*shown("COUNT FROM c;")]
    assert "".join(value for _, value in found) == text.replace(" ", "").replace("\n", "")


def test_pygments_is_told_of_the_lexer() -> None:
    import tomllib

    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pygments.lexers"]
    for name, value in told.items():
        assert EntryPoint(name, value, "pygments.lexers").load() is QQLLexer
    assert QQLLexer.aliases == ("qql",) and QQLLexer.filenames == ("*.qql",)


def test_a_page_is_coloured(tmp_path: Path) -> None:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter

    page = highlight("QUERY 'a<b' FROM docs", LEXER, HtmlFormatter())
    assert '<span class="k">QUERY</span>' in page
    assert "a&lt;b" in page
