"""Values of users in the builder, and trees where a text may stand: no value becomes syntax."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_strategies import statements

import qql
from qql import build as b
from qql import nodes
from qql.build import field, param, query
from qql.errors import QQLCompileError, QQLPlanError
from qql.syntax.formatter import same
from qql.syntax.tree_text import text_of

SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))
GOLDEN = Path(__file__).parent / "golden"


# ------------------------------------------------------------------------------------ values of users

HOSTILE = [
    *("'; DROP COLLECTION docs; --", "') OR id > 0 --", "/* */", "*/ ; --", "\\", "\\'", "''", '"', "`"),
    *(
        ":p",
        "?",
        "a\nb",
        "\r\n;\nDROP COLLECTION docs",
        "\x00",
        "\u2028",
        "\u202e",
        "r'",
        "'''",
        "NaN",
        "null",
    ),
    *("IDENTIFIER(:x)", "UUID('a')", "550e8400-e29b-41d4-a716-446655440000", "", " ", "日本", "e\u0301"),
]


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_no_text_of_a_user_becomes_syntax(text: str) -> None:
    """It arrives in the request as the value that it is, in every place that takes one."""
    name = text or "a"
    made = query(
        text or "a",
        source="docs",
        where=(field(name) == text) & field("tags").any_of([text]) & field("t").match_text(text or "a"),
        group=name,
        payload=[name],
        limit=1,
    )
    [tree] = qql.parse(qql.format(made))
    assert same(tree, made.tree)
    body = qql.compile(made)[0].body
    wanted = {
        "query": {"nearest": {"text": text or "a"}},
        "group_by": name,
        "with_payload": {"include": [name]},
    }
    assert {key: body[key] for key in wanted} == wanted
    assert body["filter"]["must"][0] == {"key": name, "match": {"value": text}}
    assert body["filter"]["must"][1]["match"] == {"any": [text]}


@pytest.mark.hypothesis
@settings(SETTINGS, max_examples=examples(200))
@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_is_a_value_and_a_name(value: str, name: str) -> None:
    made = b.upsert("docs", {"id": 1, name: value, "in": [{"it": value}]})
    [tree] = qql.parse(qql.format(made))
    assert same(tree, made.tree)
    assert tree.rows[0][name] == value


@pytest.mark.parametrize(
    ("make", "code", "place"),
    [
        (lambda: field("a") == math.nan, "number-out-of-range", "field('a') = …: "),
        (lambda: field("a") > math.inf, "number-out-of-range", "field('a') > …: "),
        (lambda: field("a") <= 2**64, "number-out-of-range", "field('a') <= …: "),
        (lambda: field("a") == [1], "wrong-argument", "field('a') = …: takes one value, not a list"),
        (lambda: field("a") == {"b": 1}, "wrong-argument", "field('a') = …: takes one value, not a dict"),
        (lambda: field("a") == None, "wrong-argument", "field('a') = …: nothing is compared"),  # noqa: E711
        (lambda: field("a") == field("b"), "wrong-argument", "field('a') = …: takes a value, not a Field"),
        (lambda: field("a") == object(), "wrong-parameter", "field('a') = …: a value of the type object"),
        (lambda: field("a") == "\ud800", "lone-surrogate", "field('a') = …: "),
        (lambda: field(7), "wrong-argument", "field(name): takes a name, not 7"),
        (lambda: b.sparse(None), "wrong-argument", "sparse(name=…): has to be given; it is None"),
        (lambda: field("a").any_of("abc"), "wrong-argument", "field('a').any_of(…): takes a list, not 'abc'"),
        (lambda: field("a").any_of([1, [2]]), "wrong-argument", "field('a').any_of(…)[1]: takes one value"),
        (lambda: field("a").any_of([1, math.nan]), "number-out-of-range", "field('a').any_of(…)[1]: "),
        (lambda: field("a").match_text(3), "wrong-argument", "field('a').match_text(…): takes a text, not 3"),
        (lambda: field("a").range(), "wrong-argument", "field('a').range(…): no bound is given"),
        (lambda: field("a").values_count(1, gt=2), "wrong-argument", "field('a').values_count(…): takes"),
        (lambda: field("a").nested("b = 1"), "wrong-argument", "field('a').nested(…): takes a condition"),
        (lambda: field("a").geo("circle", {}), "wrong-argument", "field('a').geo(…): the shapes are"),
        (lambda: field("a").geo_bbox([1, 2], (1, 2)), "wrong-argument", "field('a').geo(…): top_left takes"),
        (lambda: b.all_of(), "wrong-argument", "all_of(…): takes at least one condition"),
        (lambda: b.all_of("a = 1"), "wrong-argument", "all_of(…)[0]: takes a condition, not 'a = 1'"),
        (lambda: b.min_should(1), "wrong-argument", "min_should(…): takes at least one condition"),
        (lambda: query("x", where="a = 1"), "wrong-argument", "query(where=…): takes a condition"),
        (lambda: query("x", limit=[5]), "wrong-argument", "query(limit=…): takes one value, not a list"),
        (lambda: query(True), "wrong-argument", "query(target): takes a text, a vector or the id of a point"),
        (
            lambda: query(field("a") == 1),
            "wrong-argument",
            "query(target): takes a text, a vector or a point",
        ),
        (lambda: query([1.0, math.nan]), "number-out-of-range", "query(target)[1]: NaN"),
        (lambda: query({"a": 1}), "wrong-argument", "query(target): a sparse vector is"),
        (lambda: query("x", payload="title"), "wrong-argument", "query(payload=…): takes a list of names"),
        (lambda: query("x", params=[1]), "wrong-argument", "query(params=…): takes options by name"),
        (lambda: query("x", prefetch=3), "wrong-argument", "query(prefetch=…): takes a list, not 3"),
        (lambda: query("x", prefetch=[3]), "wrong-argument", "prefetch: takes stages"),
        (
            lambda: query("x", fusion="avg"),
            "wrong-argument",
            "query(fusion=…): takes one of 'rrf', 'dbsf', 'linear'",
        ),
        (lambda: b.rrf(), "wrong-argument", "rrf(…): takes at least one stage"),
        (lambda: b.rrf("a", weights=[math.inf]), "number-out-of-range", "rrf(weights=…)[0]: "),
        (lambda: b.recommend("abc"), "wrong-argument", "recommend(positive): takes a list of points"),
        (lambda: b.recommend([1.5]), "wrong-argument", "recommend(positive)[0]: takes a text, a vector"),
        (lambda: b.context([1]), "wrong-argument", "context(pairs)[0]: takes (positive, negative)"),
        (lambda: b.feedback("a", [3]), "wrong-argument", "feedback(scored)[0]: takes (input, score)"),
        (lambda: b.order_by("a", "up"), "wrong-argument", "order_by(direction): takes 'asc' or 'desc'"),
        (lambda: b.score() + "x", "wrong-argument", "+ …: takes a number or a field, not 'x'"),
        (lambda: b.score() + (field("a") == 1), "wrong-argument", "+ …: takes a number, not a condition"),
        (lambda: b.call("sqr", 1), "wrong-argument", "call('sqr'): there is no such function"),
        (lambda: b.call("pow", 1), "wrong-argument", "call('pow'): takes 2, not 1 arguments"),
        (lambda: b.decay("cubic", 1), "wrong-argument", "decay(kind): the kinds are lin, exp, gauss"),
        (lambda: b.case(), "wrong-argument", "case(…): takes at least one"),
        (
            lambda: b.upsert("docs", [{"id": 1}, {"v": [{"x": math.nan}]}]),
            "number-out-of-range",
            "upsert(rows)[1].v[0].x: NaN",
        ),
        (lambda: b.upsert("docs", [3]), "wrong-argument", "upsert(rows)[0]: takes an object, not 3"),
        (lambda: b.upsert("docs", [{4: 3}]), "wrong-argument", "upsert(rows)[0]: the keys of an object"),
        (lambda: b.batch("x"), "wrong-argument", "batch(…)[0]: takes a statement, not 'x'"),
        (lambda: param("a b"), "wrong-argument", "param(key): a parameter is called by"),
        (lambda: param("x; DROP"), "wrong-argument", "param(key): a parameter is called by"),
    ],
    ids=lambda one: one if isinstance(one, str) and ":" in one else "",
)
def test_a_fault_names_the_argument(make: Callable[[], Any], code: str, place: str) -> None:
    with pytest.raises(QQLPlanError) as caught:
        make()
    assert (caught.value.code, caught.value.diagnostic.message[: len(place)]) == (code, place)


def test_a_value_that_holds_itself_is_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(QQLPlanError, match="nest deeper than 200"):
        query(endless)


def test_values_of_python_are_those_that_parameters_take() -> None:
    numpy = pytest.importorskip("numpy")
    assert str(field("a") == numpy.int64(4)) == "a = 4"
    assert str(field("a").any_of(numpy.array([0.5, 1]))) == "a IN (0.5, 1.0)"
    assert str(query(numpy.array([0.5, 0.25], dtype="float32"))) == "QUERY [0.5, 0.25]"
    assert str(field("at") < datetime(2024, 5, 1, tzinfo=UTC)) == "at < '2024-05-01T00:00:00+00:00'"


_NO_CONDITION: Any = True


def test_conditions_are_neither_true_nor_false() -> None:
    """`and`, `in` and chains of comparisons would drop one of them in silence."""
    for make in (
        lambda: (field("a") == 1) and (field("b") == 2),
        lambda: not field("a").is_null(),
        lambda: 1 < field("a") < 5,
        lambda: field("b") in [field("a")],
    ):
        with pytest.raises((TypeError, QQLPlanError)):
            make()
    with pytest.raises(TypeError, match="unsupported operand"):
        (field("a") == 1) & _NO_CONDITION


# ------------------------------------------------------------------------------------ what cannot be changed


def test_what_was_built_does_not_change_with_what_it_was_built_of() -> None:
    vector: list[float] = [0.5, 1.0]
    row: dict[str, Any] = {"id": 1, "tags": ["a"]}
    searched, written = query(vector, source="docs"), b.upsert("docs", [row])
    before = str(searched), str(written)
    vector.append(2.0)
    row["tags"].append("b")
    assert (str(searched), str(written)) == before


def test_what_was_built_can_be_copied_and_pickled() -> None:
    stage = query("a", using="dense", name="near")
    whole = b.rrf(stage, stage, source="docs")
    for made in (field("a") == 1, b.score() + 1, b.count("docs"), whole):
        assert copy.deepcopy(made) == made
        again = pickle.loads(pickle.dumps(made))
        assert str(again) == str(made)
        assert hash(again) == hash(made)


# ------------------------------------------------------------------------------------ trees as statements


def _golden() -> list[str]:
    found = []
    for case in sorted(GOLDEN.rglob("*.qql")):
        text = case.read_text(encoding="utf-8")
        if case.with_suffix(".json").exists() and not re.match(r"-- \w+: ", text):
            found.append(text)
    return found


_LONG = 4000  # characters: the long ones are cases of limits, and take the time of all others


def test_trees_of_golden_texts_compile_to_what_the_texts_do() -> None:
    texts = _golden()
    assert len(texts) > 100
    for text in texts:
        if len(text) < _LONG:
            trees = qql.parse(text)
            assert qql.compile([b.built(one) if place % 2 else one for place, one in enumerate(trees)]) == (
                qql.compile(text)
            )


@pytest.mark.hypothesis
@settings(SETTINGS, max_examples=examples(100))
@given(statements())
def test_every_tree_that_text_can_give_is_compiled_as_its_text(tree: Any) -> None:
    [back] = qql.parse(text_of(tree))
    assert same(back, tree)


_A = nodes.Name("a")
_DOCS = nodes.Name("docs")


@pytest.mark.parametrize(
    ("tree", "code", "message"),
    [
        (nodes.Query(source=_DOCS, limit=5), "malformed-tree", "Query.limit takes Scalar | None, not 5"),
        (nodes.Query(target="x"), "malformed-tree", "Query.target takes Target | None, not 'x'"),
        (nodes.Count(source="docs"), "malformed-tree", "Count.source takes Name | None, not 'docs'"),
        (
            nodes.Count(where=[_A]),
            "malformed-tree",
            "Count.where takes Condition | None, not [Name(text='a')]",
        ),
        (
            nodes.Count(where=nodes.In(_A, [nodes.Scalar(1)])),
            "malformed-tree",
            "In.values takes tuple[Scalar, ...] | Param, not [Scalar(value=1)]",
        ),
        (
            nodes.Count(where=nodes.Compare(_A, "=", nodes.Scalar(math.nan))),
            "malformed-tree",
            "Scalar.value takes",
        ),
        (
            nodes.Count(params=(nodes.Option("a", object()),)),
            "malformed-tree",
            "Option.value takes a value of JSON, not <object",
        ),
        (nodes.IsNull(_A), "malformed-tree", "IsNull is no statement"),
        (field("a") == 1, "malformed-tree", "Compare is no statement"),
        (None, "malformed-tree", "None is no statement"),
        (nodes.Count(where=nodes.Compare(_A, "; DROP", nodes.Scalar(1))), "syntax", "expected a comparison"),
        (
            nodes.Count(where=nodes.And((nodes.IsNull(_A),))),
            "no-text",
            "no text gives this tree: Count.where comes back as something else",
        ),
        (nodes.Count(where=nodes.Optional(nodes.IsNull(_A))), "idle-optional", "OPTIONAL falls away"),
        (
            nodes.Count(
                where=nodes.Compare(_A, "=", nodes.Scalar(nodes.Param(1))),
                params=(nodes.Option("x", nodes.Param(0)),),
            ),
            "parameter-order",
            "the `?` of this statement",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_tree_that_has_no_text_is_an_error_that_says_why(tree: Any, code: str, message: str) -> None:
    for call in (qql.compile, qql.explain, qql.prepare):
        with pytest.raises(QQLCompileError) as caught:
            call(tree)
        assert (caught.value.code, caught.value.diagnostic.message[: len(message)]) == (code, message)
    assert qql.check(tree)[0].code == code


def test_what_the_planner_finds_has_its_place_in_the_text_of_the_tree() -> None:
    made = b.count("docs", where=field("year").between(5, 1))
    with pytest.raises(QQLPlanError) as caught:
        qql.compile(made)
    assert caught.value.code == "reversed-between"
    assert "COUNT FROM docs WHERE year BETWEEN 5 AND 1" in str(caught.value)
    assert caught.value.diagnostic.column == len("COUNT FROM docs WHERE year BETWEEN ") + 1


def test_a_tree_that_comes_again_has_the_same_requests_of_its_own() -> None:
    made = b.rrf("a", "b", weights=[1, 2], source="docs")
    stages = {"a": query("a", limit=5), "b": "QUERY 'b' LIMIT 6"}
    first = qql.compile(made, stages=stages)
    wanted = copy.deepcopy(first)
    first[0].body["query"]["rrf"]["weights"].append(3)
    assert qql.compile(made, stages=stages) == wanted
    vector = [0.5, 1.0]
    tree = nodes.Query(target=nodes.Vector(vector), source=_DOCS)
    qql.compile(tree)
    vector.append(2.0)
    assert qql.compile(tree)[0].body["query"] == {"nearest": [0.5, 1.0, 2.0]}


def test_a_condition_that_was_built_is_the_value_of_a_parameter() -> None:
    which = (field("year") >= 2020) & ~field("tags").any_of(["a"])
    for text in ("COUNT FROM docs WHERE :which", "COUNT FROM docs WHERE (:which)"):
        assert qql.compile(text, {"which": which}) == qql.compile(b.count("docs", where=which))
    prepared = qql.prepare(b.count("docs", where=b.bound("which")))
    assert prepared.bind(which=which).body == qql.compile(b.count("docs", where=which))[0].body
    assert prepared.bind(which=which.tree) == prepared.bind(which=which)
    with pytest.raises(QQLPlanError, match="parameters of its own"):
        prepared.bind(which=field("a") == param("b"))


def test_conditions_of_texts_and_of_the_builder_go_together() -> None:
    apart = qql.condition("a = :x OR b = 2", x=1)
    assert str((field("c") == 3) & apart) == "c = 3 AND (a = 1 OR b = 2)"
    assert str(apart | (field("c") == 3)) == "a = 1 OR b = 2 OR c = 3"


def test_a_session_carries_out_what_was_built() -> None:
    rows = [{"id": one, "vector": {"dense": [one / 10, 1.0]}, "kind": "ab"[one % 2]} for one in range(6)]
    search = query(param("v"), using="dense", source="docs", limit=param("k"), where=b.bound("which"))
    values = {"v": [0.5, 1.0], "k": 2, "which": field("kind") == "a"}
    with qql.connect() as db:
        db.run([b.create_collection("docs", [b.dense("dense", 2, "dot")]), b.upsert("docs", rows)])
        assert db.execute(b.count("docs", where=field("kind") == "a")).rows == [{"count": 3}]
        hits = db.execute(search, values).hits
        assert [hit.id for hit in hits] == [4, 2]
        assert [hit.id for hit in db.prepare(search).execute(**values).hits] == [4, 2]
        assert "kind = 'a'" in db.explain(search, values)
        assert db.execute(b.explain(b.count("docs"))).kind == "text"
        assert [hit.id for hit in db.execute(b.retrieve([5, 1], source="docs")).hits] == [5, 1]
        db.execute(b.delete("docs", where=field("id").any_of([0, 1])))
        assert db.execute(b.count("docs")).rows == [{"count": 4}]
        assert qql.lint(b.count("docs")) == []


def test_what_has_to_be_given_is_an_error_of_ours_where_it_is_none() -> None:
    """For every call of the builder: None, or what is of no use, in the places that have no default."""
    tried = 0
    for name in b.__all__:
        call = getattr(b, name)
        if inspect.isclass(call):
            continue
        given = inspect.signature(call).parameters.values()
        places = [one for one in given if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
        for value in (None, object(), [], 3.5, {}):
            with contextlib.suppress(QQLPlanError):
                call(*[value] * len(places))
            tried += bool(places)
    assert tried > 200
