"""Parameters that stand for a condition, a selection, a direction; and what falls away where one is null."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import qql
from qql import nodes
from qql.nodes import Compare, Name, Param, Scalar

FILTER: dict[str, Any] = {
    "must": [{"key": "year", "range": {"gte": 2020}}],
    "should": [{"key": "a", "match": {"value": 1}}, {"key": "b", "match": {"any": ["x", "y"]}}],
    "must_not": [{"has_id": [7]}],
}
WRITES = [
    "DELETE FROM docs WHERE {}",
    "DELETE PAYLOAD a FROM docs WHERE {}",
    "DELETE VECTOR dense FROM docs WHERE {}",
    "CLEAR PAYLOAD FROM docs WHERE {}",
    "UPDATE docs SET PAYLOAD = {{a: 1}} WHERE {}",
    "UPDATE docs SET VECTOR VALUES {{id: 1, vector: {{dense: [1]}}}} WHERE {}",
    "UPSERT INTO docs VALUES {{id: 1}} UPDATE FILTER {}",
    "BATCH {{ DELETE FROM docs WHERE id = 1; DELETE FROM docs WHERE {}; }}",
    "EXPLAIN DELETE FROM docs WHERE {}",
]


def body(text: str, **values: Any) -> Any:
    [request] = qql.compile(text, values)
    return request.body


def code(text: str, **values: Any) -> str:
    """The code of the error that a text is with these values; prepared, it is the same one."""
    found = []
    for make in (lambda: qql.compile(text, values), lambda: qql.prepare(text).requests(values)):
        with pytest.raises(qql.QQLCompileError) as caught:
            make()
        assert caught.value.line == 1
        found.append(caught.value.code)
    assert len({*found}) == 1
    return found[0]


# ---------------------------------------------------------------- conditions


def test_a_condition_may_be_made_apart() -> None:
    made = qql.condition("year > :since AND topic IN :topics", since=2020, topics=["a", "b"])
    assert body("COUNT FROM docs WHERE :f", f=made) == body(
        "COUNT FROM docs WHERE year > 2020 AND topic IN ('a', 'b')"
    )
    assert body("COUNT FROM docs WHERE x = 1 OR NOT :f", f=made) == body(
        "COUNT FROM docs WHERE x = 1 OR NOT (year > 2020 AND topic IN ('a', 'b'))"
    )


def test_values_of_a_condition_are_given_by_name_in_order_or_as_a_mapping() -> None:
    made = qql.condition("a = :a AND b = :b", a=1, b=2)
    assert qql.condition("a = :a AND b = :b", {"a": 1, "b": 2}) == made
    assert qql.condition("a = ? AND b = ?", 1, 2) == made


@pytest.mark.parametrize(
    ("text", "values", "wrong"),
    [
        ("a = 1) OR (b = 2", {}, "syntax"),
        ("a = 1; DROP COLLECTION docs", {}, "syntax"),
        ("", {}, "syntax"),
        ("a = word", {}, "bare-word"),
        ("a = :a", {}, "missing-parameter"),
        ("a = :a", {"a": 1, "b": 2}, "unknown-parameter"),
        ("OPTIONAL (a = :a)", {"a": None}, "nothing-left"),
        ("NOT " * 250 + "a = 1", {}, "too-deep"),
    ],
)
def test_a_condition_is_one_condition(text: str, values: dict[str, Any], wrong: str) -> None:
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.condition(text, **values)
    assert caught.value.code == wrong


def test_the_names_that_a_condition_expects_are_listed() -> None:
    with pytest.raises(qql.QQLPlanError) as caught:
        qql.condition("year > :since AND a = :a", since=1, b=2)
    assert caught.value.hint == "the parameters are :since (a number or a date), :a (a value)"


def test_a_filter_of_qdrants_is_a_condition() -> None:
    made = body("COUNT FROM docs WHERE kind = 'x' AND :f", f=FILTER)["filter"]
    assert made == {
        "must": [
            {"key": "kind", "match": {"value": "x"}},
            {"key": "year", "range": {"gte": 2020}},
            {"should": [{"key": "a", "match": {"value": 1}}, {"key": "b", "match": {"any": ["x", "y"]}}]},
        ],
        "must_not": [{"has_id": [7]}],
    }


@pytest.mark.parametrize(
    "place",
    [
        *("COUNT FROM docs WHERE {}", "SCROLL FROM docs WHERE {}", "FACET a FROM docs WHERE {}"),
        "QUERY [1] FROM docs WHERE {}",
        "QUERY [1] FROM docs PARAMS (idf = WHERE {})",
        "WITH a AS (QUERY [1] WHERE {}) QUERY FUSION RRF FROM docs PREFETCH (a)",
        "WITH a AS (QUERY [1]) QUERY FUSION RRF FROM docs PREFETCH (a WHERE {})",
        "QUERY FORMULA CASE WHEN {} THEN 1 ELSE 2 END FROM docs PREFETCH (QUERY [1])",
        "COUNT FROM docs WHERE NESTED('a', {})",
        "COUNT FROM docs WHERE MIN SHOULD 1 ({}, b = 1)",
        *WRITES[:-1],
    ],
)
def test_a_condition_may_be_bound_wherever_one_may_stand(place: str) -> None:
    written = "year >= 2020 AND (a = 1 OR b IN ('x', 'y')) AND NOT year = 3"
    given = qql.condition(written)
    assert body(place.format(":f"), f=given) == body(place.format(f"({written})"))


def test_a_place_inside_of_a_condition_is_the_place_of_its_parameter() -> None:
    made = qql.condition("                                                year < 'soon'")
    with pytest.raises(qql.QQLPlanError) as caught:
        qql.compile("COUNT FROM docs WHERE a = 1 AND :f", {"f": made})
    assert (caught.value.code, caught.value.column) == ("not-a-date", 33)


# ---------------------------------------------------------------- hostile values

SOME: Any = {"key": "a", "match": {"value": 1}}
DEEP: Any = {"must": [SOME]}
for _ in range(150):
    DEEP = {"must_not": [{"must": [DEEP, {"key": "b", "match": {"value": 2}}]}]}


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        *(
            (text, "wrong-parameter")
            for text in ("", "a = 1", "a = 1 OR 1 = 1", "') OR (1 = 1", ":g", "null")
        ),
        *(
            (value, "wrong-parameter")
            for value in (1, 1.5, True, False, [], [FILTER], {1: 2}, b"a = 1", object())
        ),
        (None, "wrong-parameter"),
        *((value, "empty-filter") for value in ({}, {"must": []}, {"must": [{}]}, {"should": None})),
        ({"must": [{"should": []}], "min_should": {"conditions": [SOME], "min_count": 0}}, "empty-filter"),
        ({"must": "a = 1"}, "cannot-convert"),
        ({"must": [{"key": "a", "match": {"value": 1}, "or": 1}]}, "cannot-convert"),
        ({"key": "a", "match": {"value": 1}, "must": []}, "cannot-convert"),
        ({"$or": [{"a": 1}]}, "cannot-convert"),
        ({"must": [{"key": "a", "match": {"value": {"text": "x"}}}]}, "cannot-convert"),
        ({"must": [{"key": "a", "match": {"value": float("nan")}}]}, "number-out-of-range"),
        ({"must": [{"has_id": ["1 OR 1 = 1"]}]}, "cannot-convert"),
        (nodes.And(()), "empty-filter"),
        (nodes.Not(nodes.Or(())), "empty-filter"),
        (Compare(Name("a"), "=", Scalar(Param("g"))), "wrong-parameter"),
        (nodes.Not(nodes.BoundCondition(Param("g"))), "wrong-parameter"),
        (nodes.Optional(Compare(Name("a"), "=", Scalar(1))), "wrong-parameter"),
        (Compare(Name(Param("g")), "=", Scalar(1)), "wrong-parameter"),
        (Compare(Name("a"), "=", Scalar(float("inf"))), "number-out-of-range"),
        (Compare(Name("a"), "=", Scalar(object())), "wrong-parameter"),  # type: ignore[arg-type]
        (nodes.Nested(Name("a"), nodes.Count()), "wrong-parameter"),  # type: ignore[arg-type]
        (DEEP, "too-deep"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
@pytest.mark.parametrize("place", ["COUNT FROM docs WHERE {}", "DELETE FROM docs WHERE a = 1 AND {}"])
def test_what_is_no_condition_is_refused(place: str, value: Any, wrong: str) -> None:
    assert code(place.format(":f"), f=value) == wrong


@pytest.mark.parametrize(
    "hostile", ["' OR 1=1 --", "x') OR (a = 'y", ":g", "\\", "\x00", "'; DELETE FROM docs; '"]
)
def test_texts_in_a_bound_condition_stay_texts(hostile: str) -> None:
    wanted = {"must": [{"key": hostile, "match": {"value": hostile}}]}
    assert body("COUNT FROM docs WHERE :f", f=wanted) == {"filter": wanted}
    made = qql.condition("a = :v", v=hostile)
    assert body("COUNT FROM docs WHERE :f", f=made)["filter"]["must"][0]["match"] == {"value": hostile}


def test_a_condition_is_no_value() -> None:
    made = qql.condition("a = 1")
    for text in ("COUNT FROM docs WHERE a = :f", "QUERY :f FROM docs", "COUNT FROM docs WHERE a IN :f"):
        assert code(text, f=made) == "wrong-parameter"


@pytest.mark.parametrize("place", WRITES)
@pytest.mark.parametrize("value", [None, {}, {"must": []}, {"should": [], "must_not": []}])
def test_a_write_never_loses_its_condition(place: str, value: Any) -> None:
    for text in (":f", "(:f)", "NOT :f", "a = 1 AND :f"):
        assert code(place.format(text), f=value) in ("wrong-parameter", "empty-filter")


@pytest.mark.parametrize("place", WRITES)
@pytest.mark.parametrize("value", [None, 1])
def test_a_write_takes_nothing_that_falls_away(place: str, value: Any) -> None:
    for text in (
        "OPTIONAL (a = :a)",
        "b = 1 AND OPTIONAL (a = :a)",
        "year RANGE (gt = 1, lt = :a OR DEFAULT)",
    ):
        assert code(place.format(text), a=value) == "optional-in-write"


def test_who_changes_a_filter_or_a_request_changes_no_other() -> None:
    given = json.loads(json.dumps(FILTER))
    circle = {"center": {"lat": 1.0, "lon": 2.0}, "radius": 3.0}
    made = qql.condition("a GEO_RADIUS :circle", circle=circle)
    statement = qql.prepare("COUNT FROM docs WHERE :f AND :g")
    first = statement.bind(f=given, g=made)
    wanted = json.dumps(first.body)
    given["must"][0]["range"]["gte"] = 0
    circle["center"]["lat"] = 0.0
    assert json.dumps(first.body) == wanted
    assert first.body is not None
    first.body["filter"]["must"].clear()
    for request in (statement.bind(f=FILTER, g=made), *qql.compile(statement.text, {"f": FILTER, "g": made})):
        assert json.dumps(request.body) == wanted
        assert request.body is not None
        request.body["filter"]["must"][-1]["geo_radius"]["center"]["lat"] = 9


# ---------------------------------------------------------------- what falls away


@pytest.mark.parametrize(
    ("text", "values", "same"),
    [
        ("OPTIONAL (a = :a)", {"a": None}, None),
        ("OPTIONAL (a = :a)", {"a": 1}, "a = 1"),
        ("b = 2 AND OPTIONAL (a = :a)", {"a": None}, "b = 2"),
        ("b = 2 AND OPTIONAL (a = :a OR c = :a)", {"a": 1}, "b = 2 AND (a = 1 OR c = 1)"),
        ("b = 2 OR OPTIONAL (a = :a)", {"a": None}, "b = 2"),
        ("c = 3 AND (OPTIONAL (a = :a) OR OPTIONAL (b = :a))", {"a": None}, "c = 3"),
        ("NOT OPTIONAL (a = :a)", {"a": None}, None),
        ("NOT (OPTIONAL (a = :a) AND b = 2)", {"a": None}, "NOT b = 2"),
        ("NESTED('p', OPTIONAL (a = :a)) AND b = 2", {"a": None}, "b = 2"),
        ("NESTED('p', OPTIONAL (a = :a) AND c = 3)", {"a": None}, "NESTED('p', c = 3)"),
        ("MIN SHOULD 1 (OPTIONAL (a = :a), b = 2)", {"a": None}, "MIN SHOULD 1 (b = 2)"),
        ("MIN SHOULD 1 (OPTIONAL (a = :a))", {"a": None}, None),
        ("OPTIONAL (a BETWEEN :a AND :b)", {"a": None, "b": None}, None),
        ("OPTIONAL (a IN :a) AND OPTIONAL (:b)", {"a": [1], "b": None}, "a IN (1)"),
        ("OPTIONAL (:a)", {"a": {"must": [{"key": "x", "match": {"value": 1}}]}}, "x = 1"),
        ("OPTIONAL (a = :a AND OPTIONAL (b = :b))", {"a": 1, "b": None}, "a = 1"),
        ("OPTIONAL (a = :a AND OPTIONAL (b = :b))", {"a": None, "b": 2}, None),
        ("a = 0 AND OPTIONAL (b = :b)", {"b": 0}, "a = 0 AND b = 0"),
        ("a = 0 AND OPTIONAL (b = :b)", {"b": ""}, "a = 0 AND b = ''"),
        ("a = 0 AND OPTIONAL (b = :b)", {"b": False}, "a = 0 AND b = false"),
        ("OPTIONAL (x RANGE (gt = :a OR DEFAULT, lt = 5))", {"a": None}, None),
    ],
)
def test_what_falls_away_leaves_what_would_have_been_written(
    text: str, values: dict[str, Any], same: str | None
) -> None:
    for statement in ("COUNT FROM docs", "SCROLL FROM docs", "FACET x FROM docs", "QUERY [1] FROM docs"):
        wanted = body(statement + (f" WHERE {same}" if same else ""))
        assert body(f"{statement} WHERE {text}", **values) == wanted


def test_nothing_falls_away_unless_the_text_says_so() -> None:
    for text in (
        *("COUNT FROM docs WHERE a = :a", "COUNT FROM docs WHERE a IN :a", "COUNT FROM docs WHERE :a"),
        *("COUNT FROM docs WHERE a > :a", "QUERY [1] FROM docs LIMIT :a", "QUERY [1] FROM docs OFFSET :a"),
        *("QUERY [1] FROM docs SCORE THRESHOLD :a", "SCROLL FROM docs WITH PAYLOAD :a"),
        *("SCROLL FROM docs WITH VECTOR :a", "SCROLL FROM docs ORDER BY b :a", "QUERY :a FROM docs"),
        *("QUERY [1] FROM docs PARAMS (hnsw_ef = :a)", "QUERY [1] FROM docs GROUP BY b SIZE :a"),
    ):
        assert code(text, a=None)


def test_a_parameter_of_what_may_fall_away_still_needs_its_name() -> None:
    for text in ("COUNT FROM docs WHERE OPTIONAL (a = :a)", "QUERY [1] FROM docs LIMIT :a OR DEFAULT"):
        assert code(text) == "missing-parameter"


def test_half_of_what_may_fall_away_is_an_error() -> None:
    for values in ({"a": 1, "b": None}, {"a": None, "b": 1}):
        assert code("COUNT FROM docs WHERE OPTIONAL (x BETWEEN :a AND :b)", **values) == "half-optional"


def test_or_default_takes_values_as_ever() -> None:
    assert body("QUERY [1] FROM docs LIMIT :k OR DEFAULT", k=3) == body("QUERY [1] FROM docs LIMIT 3")
    for value in (0, "3", -1, 1.5, True, []):
        assert code("QUERY [1] FROM docs LIMIT :k OR DEFAULT", k=value) in ("bad-limit", "wrong-parameter")
    assert qql.prepare("QUERY [1] FROM docs LIMIT ? OR DEFAULT").bind(None).body == body(
        "QUERY [1] FROM docs"
    )


def test_the_places_of_what_may_fall_away_take_null_too() -> None:
    text = (
        "SCROLL FROM docs WHERE OPTIONAL (a = :a) AND :f LIMIT :k OR DEFAULT "
        "WITH PAYLOAD :p ORDER BY a :d OR DEFAULT"
    )
    assert [(one.name, one.takes) for one in qql.prepare(text).parameters] == [
        ("a", "a value, or null"),
        ("f", "a condition"),
        ("k", "a whole number, or null"),
        ("p", "a list of names, or true or false"),
        ("d", "'asc' or 'desc', or null"),
    ]


@pytest.mark.parametrize("name", ["optional", "default", "OPTIONAL", "DEFAULT", "or"])
def test_the_new_words_are_names_as_before(name: str) -> None:
    field = name if name != "or" else f"'{name}'"
    made = body(f"COUNT FROM docs WHERE {field} = 1 AND {field} IS NULL AND NOT {field} IN (2)")
    assert made["filter"]["must"][0] == {"key": name, "match": {"value": 1}}
    assert body(f"SCROLL FROM {field} ORDER BY {field} DESC")["order_by"]["key"] == name
    assert body(f"QUERY [1] FROM docs USING {field} LIMIT 1")["using"] == name


# ---------------------------------------------------------------- selections and directions


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (["a", "b.c"], "INCLUDE (a, b.c)"),
        (("a",), "(a)"),
        ({"include": ["a"]}, "(a)"),
        ({"exclude": ["a", "x y"]}, "EXCLUDE (a, 'x y')"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_a_selection_may_be_bound(value: Any, written: str) -> None:
    for statement in ("SCROLL FROM docs WITH PAYLOAD", "QUERY [1] FROM docs WITH PAYLOAD"):
        assert body(f"{statement} :p", p=value) == body(f"{statement} {written}")
    if "EXCLUDE" not in written:
        assert body("SCROLL FROM docs WITH VECTOR :p", p=value) == body(
            f"SCROLL FROM docs WITH VECTOR {written}"
        )


@pytest.mark.parametrize(
    "value",
    ["a", "", [], [""], ["a", 1], [["a"]], {"include": "a"}, {"a": ["b"]}, {}, 1, None, {"exclude": []}],
)
def test_what_is_no_selection_is_refused(value: Any) -> None:
    assert code("SCROLL FROM docs WITH PAYLOAD :p", p=value) == "wrong-parameter"
    assert code("SCROLL FROM docs WITH VECTOR :p", p=value) == "wrong-parameter"


def test_a_direction_may_be_bound() -> None:
    for value, written in (("asc", "ASC"), ("DESC", "DESC"), ("Desc", "DESC")):
        for statement in ("SCROLL FROM docs ORDER BY a {} START FROM 3", "QUERY ORDER BY a {} FROM docs"):
            assert body(statement.format(":d"), d=value) == body(statement.format(written))
    for wrong in ("up", "", "asc, b desc", 1, None, True, ["asc"]):
        assert code("SCROLL FROM docs ORDER BY a :d", d=wrong) == "wrong-parameter"


# ---------------------------------------------------------------- on an engine


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run("CREATE COLLECTION docs (dense VECTOR(2, DOT));")
        rows = [
            {"id": at, "vector": {"dense": [1.0, at / 10]}, "year": 2018 + at, "kind": "ab"[at % 2]}
            for at in range(1, 6)
        ]
        session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        yield session


def test_an_engine_carries_them_out(db: qql.Session) -> None:
    statement = db.prepare(
        "SCROLL FROM docs WHERE OPTIONAL (year >= :since) AND OPTIONAL (:filter) "
        "WITH PAYLOAD :fields LIMIT :k OR DEFAULT"
    )

    def ids(**values: Any) -> list[Any]:
        return statement.execute({"since": None, "filter": None, "fields": False, "k": None, **values}).ids

    assert ids() == [1, 2, 3, 4, 5]
    assert ids(since=2021) == [3, 4, 5]
    assert ids(since=2021, filter={"must": [{"key": "kind", "match": {"value": "b"}}]}) == [3, 5]
    assert ids(filter=qql.condition("kind = :k", k="a"), k=1) == [2]
    found = statement.execute(since=2023, filter=None, fields=["kind"], k=None)
    assert [hit.payload for hit in found.hits] == [{"kind": "b"}]


def test_a_deletion_takes_what_its_condition_says_and_no_more(db: qql.Session) -> None:
    statement = db.prepare("DELETE FROM docs WHERE kind = 'b' AND :which")
    for nothing in (None, {}, {"must": []}, "true"):
        with pytest.raises(qql.QQLPlanError):
            statement.execute(which=nothing)
    statement.execute(which={"must": [{"key": "year", "range": {"gt": 2021}}]})
    assert db.execute("SCROLL FROM docs").ids == [1, 2, 3, 4]


def test_a_batch_of_queries_with_other_filters_each(db: qql.Session) -> None:
    statement = db.prepare("QUERY [1, 1] FROM docs USING dense WHERE OPTIONAL (:f) LIMIT :k OR DEFAULT")
    rows = [{"f": None, "k": 2}, {"f": qql.condition("year < 2020"), "k": None}, {"f": FILTER, "k": 1}]
    assert [one.ids for one in statement.execute_many(rows)] == [[5, 4], [1], []]
