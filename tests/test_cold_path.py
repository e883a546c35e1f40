"""A text that was never seen is worked on once, and nothing is kept that a caller could have changed."""

from __future__ import annotations

from typing import Any

import pytest

import qql
from qql.compiler.plan import Context
from qql.errors import Diagnostic, Span
from qql.syntax.driver import Parser

SCRIPT = """
UPSERT INTO {docs} VALUES {{id: 1, vector: [0.1, 0.2]}};
QUERY [0.1, 0.2] FROM {docs} WHERE kind IN ('a', 'b') LIMIT 3;
QUERY 'words' FROM {docs} USING dense
"""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where the statements begin that are parsed."""
    found: list[int] = []
    parse = Parser.parse

    def noted(self: Parser, pos: int, root: str = "start") -> Any:
        found.append(pos)
        return parse(self, pos, root)

    monkeypatch.setattr(Parser, "parse", noted)
    return found


def test_each_statement_of_a_new_script_is_parsed_once(parsed: list[int]) -> None:
    qql.compile(SCRIPT.format(docs="parsed_once"))
    assert len(parsed) == 3


def test_a_query_that_comes_again_and_again_is_parsed_once(parsed: list[int]) -> None:
    for _ in range(4):
        qql.compile("QUERY 'words' FROM parsed_again USING dense")
    assert len(parsed) == 1


def test_a_script_gives_the_same_whatever_was_done_to_what_it_gave() -> None:
    text = SCRIPT.format(docs="spoilt")
    expected = repr(qql.compile(text))
    for _ in range(4):
        given = qql.compile(text)
        assert repr(given) == expected
        upsert, by_vector, _ = (request.body or {} for request in given)
        upsert["points"][0]["vector"].append("spoilt")
        by_vector["query"]["nearest"].append("spoilt")
        by_vector["filter"]["must"].clear()


def test_a_tree_that_a_caller_changed_is_not_given_to_the_next() -> None:
    text = "QUERY [0.1, 0.2] FROM changed_tree LIMIT 3"
    (first,) = qql.parse(text)
    assert isinstance(first, qql.nodes.Query) and isinstance(first.target, qql.nodes.Vector)
    assert isinstance(first.target.value, list)
    first.target.value.append(0.3)
    for _ in range(2):
        (again,) = qql.parse(text)
        assert isinstance(again, qql.nodes.Query) and isinstance(again.target, qql.nodes.Vector)
        assert again.target.value == [0.1, 0.2]


def test_warnings_are_made_only_where_somebody_hears_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def noted(code: str, message: str, *rest: Any, **named: Any) -> Diagnostic:
        made.append(code)
        return Diagnostic(code, message, *rest, **named)

    monkeypatch.setattr("qql.compiler.plan.Diagnostic", noted)
    text = "QUERY 'words' FROM unheard USING dense"
    qql.compile(text)
    assert made == []
    heard: list[Diagnostic] = []
    qql.compile(text, warnings=heard)
    assert [one.code for one in heard] == ["no-model"]


def test_a_quiet_context_says_nothing() -> None:
    context = Context(quiet=True).copy()
    context.warn("idle", "nothing", Span(0, 1))
    assert context.warnings == []
    loud = Context().copy()
    loud.warn("idle", "nothing", Span(0, 1))
    assert [one.code for one in loud.warnings] == ["idle"]


def test_a_statement_that_nests_to_the_limit_compiles_each_time_it_comes() -> None:
    text = f"SCROLL FROM deep WHERE {'NOT (a = 1 AND ' * 99}b = 2{')' * 99}"
    expected = repr(qql.compile(text))
    for _ in range(3):
        assert repr(qql.compile(text)) == expected
