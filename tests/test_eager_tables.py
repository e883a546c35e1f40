"""Values of names and literals are made where they are read; what is wrong is told as if they were not."""

from __future__ import annotations

from typing import Any

import pytest

from qql import nodes
from qql.errors import Diagnostic, Source, Span
from qql.syntax import driver, parser
from qql.syntax.lexer import Token

TEXTS = (
    "QUERY 'words' FROM docs USING dense WHERE year >= 2020 AND kind IN ('a', \"b\", c) LIMIT :n",
    "WITH a AS (QUERY [0.1, 2] USING `my vector` LIMIT 9) QUERY FUSION RRF FROM d PREFETCH (a WHERE x = -1)",
    "QUERY FORMULA $score + 2 * popularity -1 FROM docs PREFETCH (QUERY 'a' USING dense)",
    "UPSERT INTO docs VALUES {id: 1, key:name, 'b': 'it''s', -- a comment\n c: r'\\d', d: '''x'''}",
    "CREATE INDEX ON COLLECTION docs FOR year TYPE integer\nCREATE INDEX ON docs FOR collection",
    "query 'words' from docs limit 5 /* small letters */ ; Count From docs",
    "SELECT * FROM docs WHERE id = 'a'",
    "QUERY 'a' FROM docs LIMIT 99999999999999999999999 §",
    "QUERY 'a' FROM docs LIMIT 99999999999999999999999 5",
    "QUERY 'a' FROM docs WHERE a = 'x\\q' #",
    "QUERY 'a' FROM docs WHERE year 5",
    "QUERY 'a' FROM docs USING dense dense",
    "QUERY 'a' FROM docs WHERE a = ? AND b = :c",
    "QUERY 'a' FROM docs WHERE a = 'no end",
    f"SCROLL FROM docs WHERE {'NOT ' * 300}a = 1 5",
    f"SCROLL FROM docs WHERE {'(' * 300}a = 1",
)


def described(text: str) -> list[object]:
    """All that parsing a text gives: trees with their places, warnings, faults."""
    done, errors = parser._parse_script(Source(text))
    trees = [[(repr(node), node.span) for node in nodes.walk(one.statement)] for one in done]
    return [trees, done, [one.warnings for one in done], [error.diagnostics for error in errors]]


@pytest.mark.parametrize("text", TEXTS)
def test_tables_that_look_ahead_first_give_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    eager = described(text)
    plain = driver.plain_tables()
    monkeypatch.setattr(driver, "tables", lambda: plain)
    assert described(text) == eager


def test_what_is_wrong_first_is_told_where_two_things_are_wrong() -> None:
    # The terminal behind the number is looked at before the number is made.
    (_, _, _, (found,)) = described("QUERY 'a' FROM docs LIMIT 99999999999999999999999 §")
    assert isinstance(found, tuple)
    (diagnostic,) = found
    assert isinstance(diagnostic, Diagnostic)
    assert diagnostic.code == "unexpected-character"


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """What a function of the driver is called with."""
    calls: list[object] = []
    real: Any = getattr(driver, name)

    def noted(*args: Any) -> Any:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(driver, name, noted)
    return calls


def test_names_and_literals_need_no_terminal_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch, "Token")
    _, errors = parser._parse_script(Source("SCROLL FROM docs WHERE year >= 2020 AND kind = 'a' LIMIT 5"))
    assert not errors
    assert [Token(*one).text for one in made if isinstance(one, tuple)] == [">=", "="]


def test_a_keyword_that_no_name_can_replace_is_decided_by_one_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = counted(monkeypatch, "cut")
    _, errors = parser._parse_script(Source("SHOW INDEXES ON COLLECTION docs"))
    assert not errors
    assert len({str(one) for one in looked}) == 1


def test_common_terminals_are_cut_by_the_short_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("SCROLL FROM docs WHERE (year = 2020 AND kind = 'a') LIMIT 5")
    for _ in range(10):  # the first statements of a program are read without it
        parser._parse_script(source)
    whole = counted(monkeypatch, "match_next")
    _, errors = parser._parse_script(source)
    assert not errors
    assert len(whole) == 1  # the end of the text


def test_a_node_with_its_place_is_the_node_that_its_class_makes() -> None:
    for value in range(9):  # the first ones are made without code of the class
        made = nodes.Scalar.at(3, 7, value)
        assert made == nodes.Scalar(value)
        assert made.span == Span(3, 7)
        assert type(made) is nodes.Scalar
