"""The builder: what it makes is the tree that text gives, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from build_cases import CONDITIONS, EXPRESSIONS, QUERIES, STATEMENTS

import qql
from qql import build as b
from qql import nodes
from qql.build import Filter, field, query
from qql.errors import QQLPlanError, Source
from qql.syntax.formatter import same
from qql.syntax.parser import parse_condition

Make = Callable[[], Any]


def by_text(cases: list[tuple[Make, str]]) -> Any:
    return pytest.mark.parametrize(("make", "text"), cases, ids=[text for _, text in cases])


@by_text(CONDITIONS)
def test_a_condition_is_the_one_that_text_gives(make: Make, text: str) -> None:
    made = make()
    assert isinstance(made, Filter)
    assert same(made.tree, parse_condition(Source(text)).statement)
    assert same(parse_condition(Source(str(made))).statement, made.tree)


@by_text(EXPRESSIONS)
def test_an_expression_is_the_one_that_text_gives(make: Make, text: str) -> None:
    [tree] = qql.parse(f"QUERY FORMULA {text}")
    assert same(query(make()).tree, tree)
    assert same(query(b.formula(make())).tree, tree)


@by_text(QUERIES + STATEMENTS)
def test_a_statement_is_the_one_that_text_gives(make: Make, text: str) -> None:
    made = make()
    [tree] = qql.parse(text)
    assert same(made.tree, tree)
    assert made == tree
    assert tree == made
    for shown in (str(made), qql.format(made)):
        assert same(qql.parse(shown)[0], tree)


# ------------------------------------------------------------------------------------ every construct


def kinds_in(cases: list[tuple[Make, str]]) -> set[type[nodes.Node]]:
    return {type(node) for make, _ in cases for node in nodes.walk(make().tree)}


def test_every_condition_target_expression_and_statement_has_a_builder() -> None:
    """The cases above are made by calls alone, so what occurs in them can be built."""
    built = kinds_in(CONDITIONS) | kinds_in(EXPRESSIONS) | kinds_in(QUERIES) | kinds_in(STATEMENTS)
    declared = {*nodes.Condition.__args__, *nodes.Target.__args__, *nodes.Expression.__args__}
    assert not (declared | {*nodes.STATEMENTS}) - built, "has no call in qql/build, or no case here"
    others = {one for one in vars(nodes).values() if isinstance(one, type) and issubclass(one, nodes.Node)}
    assert not others - built - {nodes.Node}


def test_every_operator_of_match_is_a_method_of_fields() -> None:
    for operator in nodes.MATCH_OPERATORS.values():
        called = f"match_{(operator.word or 'text').lower()}"
        method = getattr(field("a"), called, None)
        assert method is not None, f"Field in qql/build/fields.py has no {called}"
        made = method(["b"] if operator.values else "b").tree
        assert made.kind == operator.kind


@pytest.mark.parametrize("function", [*nodes.FUNCTIONS, *nodes.SPELLINGS])
def test_every_function_of_formulas_is_called_by_its_name(function: str) -> None:
    known = nodes.FUNCTIONS[nodes.SPELLINGS.get(function, function)]
    made = b.call(function.lower(), *[field("a")] * known.least).tree
    assert isinstance(made, nodes.Call)
    assert made.function == known.name


def test_every_clause_of_a_node_can_be_given() -> None:
    """Each field of a query and of its clauses is an argument of some call."""
    filled: dict[type[nodes.Node], set[str]] = {}
    for make, _ in QUERIES + STATEMENTS:
        for node in nodes.walk(make().tree):
            for name in node.__match_args__:
                if getattr(node, name) != node.__rules__[name].default:
                    filled.setdefault(type(node), set()).add(name)
    for kind, names in filled.items():
        missing = {*kind.__match_args__} - names
        assert not missing, f"no case gives {kind.__name__} its {', '.join(sorted(missing))}"


def test_clauses_of_queries_are_the_fields_of_their_node() -> None:
    own = {"ctes", "target", "prefetch", "fusion"}  # which have arguments of their own
    assert {*b.clauses.QueryClauses.__annotations__} == {*nodes.Query.__match_args__} - own


# ------------------------------------------------------------------------------------ stages


def test_a_stage_that_is_used_twice_becomes_one_cte() -> None:
    dense = query("a", using="dense", limit=9)
    tree = query("a", using="late", source="docs", prefetch=[dense, b.rrf(dense, dense)]).tree
    assert [str(cte.name.text) for cte in tree.ctes] == ["dense"]
    assert nodes.tree_of(dense) == tree.ctes[0].stage


def test_equal_stages_that_are_two_objects_stay_two() -> None:
    made = b.rrf(query("a", limit=9), query("a", limit=9), source="docs")
    assert made.tree.ctes == ()


def test_names_that_are_made_do_not_meet_those_that_are_given() -> None:
    first, second = query("a", using="dense"), query("b", using="dense")
    named = query("c", using="x", name="Dense2")
    stages = [first, first, second, second, named, "dense"]
    tree = b.rrf(*stages, source="docs").tree
    assert [str(cte.name.text) for cte in tree.ctes] == ["dense3", "dense4", "Dense2"]
    assert [str(one.stage.text) for one in tree.prefetch if isinstance(one.stage, nodes.Name)] == [
        *("dense3", "dense3", "dense4", "dense4", "Dense2", "dense")
    ]


def test_two_stages_of_one_name_are_an_error() -> None:
    with pytest.raises(QQLPlanError, match="two stages are called `A`") as caught:
        str(b.rrf(query("x", name="a"), query("y", name="A")))
    assert caught.value.code == "duplicate-stage"


def test_stages_come_before_those_that_use_them() -> None:
    one = query("a", name="one")
    two = b.rrf(one, "other", name="two")
    tree = query("a", source="docs", prefetch=[two, one]).tree
    assert [str(cte.name.text) for cte in tree.ctes] == ["one", "two"]
    assert qql.parse(qql.format(tree)) == [tree]


def test_a_chain_of_stages_may_be_longer_than_the_stack() -> None:
    made = query("a")
    for _ in range(1200):
        made = query("a", prefetch=made)
    assert len(list(nodes.walk(made.tree))) > 1200
    found = qql.check(made, collection="docs")
    assert found[0].code == "too-deep"


def test_a_pipeline_that_was_a_text_takes_a_filter_more() -> None:
    [tree] = qql.parse(
        "WITH d AS (QUERY 'a' LIMIT 9) FUSION RRF FROM docs WHERE a = 1 AND b = 2 PREFETCH (d, e)"
    )
    narrowed = b.built(tree).where(field("tenant") == "acme", None)
    assert (
        narrowed
        == qql.parse(
            "WITH d AS (QUERY 'a' LIMIT 9) FUSION RRF FROM docs "
            "WHERE a = 1 AND b = 2 AND tenant = 'acme' PREFETCH (d, e)"
        )[0]
    )
    assert b.built(tree) == tree
    again = query("x", using="late", source="docs", prefetch=[tree, narrowed.change(source=None, limit=3)])
    assert qql.parse(qql.format(again)) == [again.tree]


_MISSPELT: Any = {"limits": 3}


def test_clauses_are_changed_in_a_new_query() -> None:
    first = query("a", source="docs", limit=5, where=field("a") == 1, name="n")
    second = first.change(limit=None, offset=2).where(field("b") == 2)
    assert str(first) == "QUERY 'a' FROM docs WHERE a = 1 LIMIT 5"
    assert str(second) == "QUERY 'a' FROM docs WHERE a = 1 AND b = 2 OFFSET 2"
    assert second.name == "n"
    with pytest.raises(AttributeError, match="cannot be changed"):
        first._name = "m"
    with pytest.raises(TypeError, match=r"change\(\) takes no 'limits'; it takes .*limit"):
        first.change(**_MISSPELT)
