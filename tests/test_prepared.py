"""Prepared statements: read once, bound many times, alone and in a session."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import spoil
from test_golden import CASES, settings

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.models.embedders.hash import HashEmbedder

HYBRID = (
    "WITH dense AS (QUERY :q USING dense LIMIT 100), sparse AS (QUERY :q USING sparse LIMIT 100) "
    "QUERY FUSION RRF FROM docs WHERE year >= :since AND topic IN :topics "
    "PREFETCH (dense, sparse) LIMIT :k"
)
VALUES: dict[str, Any] = {"q": "chest pain", "since": 2020, "topics": ["skin", "heart"], "k": 5}
MODELS = {"dense": "local/hash-64", "sparse": "qdrant/bm25"}


# ---------------------------------------------------------------- without an engine


def with_parameters() -> list[Path]:
    return [case for case in CASES if "params" in settings(case.read_text(encoding="utf-8"))]


def outcome(make: Callable[[], list[qql.Request]]) -> Any:
    """The requests; of an error, all that does not speak of the names of parameters."""
    try:
        return [request.to_dict() for request in make()]
    except qql.QQLCompileError as exc:
        about_names = ("missing-parameter", "unknown-parameter", "wrong-parameters")
        return [
            (one.code, one.message, one.span, None if one.code in about_names else one.hint)
            for one in exc.diagnostics
        ]


@pytest.mark.parametrize("case", with_parameters(), ids=lambda case: case.stem)
def test_a_prepared_text_means_what_the_text_does(case: Path) -> None:
    text = case.read_text(encoding="utf-8")
    options = settings(text)
    params = options.pop("params")
    wanted = outcome(lambda: qql.compile(text, params, **options))
    statement = qql.prepare(text, **options)
    bind = statement.requests
    made = [outcome(lambda: bind(*params) if isinstance(params, list) else bind(params)) for _ in range(2)]
    assert made == [wanted, wanted]


def test_parameters_are_listed_in_the_order_of_the_text_with_what_they_take() -> None:
    text = (
        "QUERY :q FROM docs USING dense WHERE year BETWEEN :from AND :to AND topic IN :topics "
        "AND title MATCH :words AND topic = :topic SCORE THRESHOLD :least PARAMS (hnsw_ef = :ef) "
        "LIMIT :k OFFSET :k"
    )
    assert [(one.name, one.takes) for one in qql.prepare(text).parameters] == [
        ("q", "a text, a vector or the id of a point"),
        ("from", "a number or a date"),
        ("to", "a number or a date"),
        ("topics", "a list of values"),
        ("words", "a text"),
        ("topic", "a value"),
        ("least", "a number"),
        ("ef", "the value of `hnsw_ef`"),
        ("k", "a whole number"),
    ]


def test_a_parameter_in_several_places_says_what_each_of_them_takes() -> None:
    statement = qql.prepare("QUERY :x FROM docs USING dense WHERE year > :x LIMIT :x")
    (only,) = statement.parameters
    assert only.takes == "a text, a vector or the id of a point; a number or a date; a whole number"
    assert statement.text[only.span.start : only.span.end] == ":x"


def test_values_are_given_by_name_as_a_mapping_or_in_order() -> None:
    wanted = qql.compile("COUNT FROM docs WHERE a = 1 AND b = 'x'")
    named = qql.prepare("COUNT FROM docs WHERE a = :a AND b = :b")
    numbered = qql.prepare("COUNT FROM docs WHERE a = ? AND b = ?")
    assert [named.bind(a=1, b="x"), named.bind({"b": "x", "a": 1}), numbered.bind(1, "x")] == wanted * 3


def test_a_mapping_may_be_the_value_of_a_question_mark() -> None:
    statement = qql.prepare("UPDATE docs SET PAYLOAD = ? WHERE id = ?")
    assert statement.bind({"a": 1}, 7).body == {"payload": {"a": 1}, "filter": {"must": [{"has_id": [7]}]}}


def test_a_parameter_may_have_any_name() -> None:
    statement = qql.prepare("COUNT FROM docs WHERE a = :self AND b = :values AND c = :params")
    assert statement.bind(self=1, values=2, params=3) == statement.bind({"self": 1, "values": 2, "params": 3})


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"a": 1}, "missing-parameter", "no value for the parameter :b"),
        ({"a": 1, "b": 2, "c": 3}, "unknown-parameter", "a value is given for :c, which nothing uses"),
        ({}, "missing-parameter", "no value for the parameter :a"),
    ],
)
def test_wrong_names_are_errors_that_list_the_right_ones(given: dict[str, Any], code: str, said: str) -> None:
    statement = qql.prepare("COUNT FROM docs WHERE a > :a AND b = :b")
    for call in (lambda: statement.bind(**given), lambda: statement.bind(given)):
        with pytest.raises(qql.QQLPlanError) as caught:
            call()
        assert (caught.value.code, caught.value.message) == (code, said)
        assert str(caught.value.hint).endswith("the parameters are :a (a number or a date), :b (a value)")
        assert caught.value.line == 1


@pytest.mark.parametrize("values", [(1,), (1, 2, 3)])
def test_too_few_and_too_many_values_are_errors(values: tuple[Any, ...]) -> None:
    statement = qql.prepare("COUNT FROM docs WHERE a = ? AND b = ?")
    with pytest.raises(qql.QQLPlanError, match="parameters are"):
        statement.bind(*values)


def test_names_and_order_are_not_mixed() -> None:
    for text, values, named in (
        ("COUNT FROM docs WHERE a = :a", (1,), {}),
        ("COUNT FROM docs WHERE a = :a", ({"a": 1},), {"a": 1}),
        ("COUNT FROM docs WHERE a = ?", (1,), {"a": 1}),
        ("COUNT FROM docs WHERE a = ?", (), {"a": 1}),
    ):
        with pytest.raises(qql.QQLPlanError) as caught:
            qql.prepare(text).bind(*values, **named)
        assert caught.value.code == "wrong-parameters"


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        ("k", 0, "bad-limit"),
        ("k", "5", "bad-limit"),
        ("k", 2**32, "bad-limit"),
        ("k", None, "bad-limit"),
        ("k", math.nan, "number-out-of-range"),
        ("since", math.inf, "number-out-of-range"),
        ("since", "yesterday", "not-a-date"),
        ("since", [2020], "wrong-parameter"),
        ("topics", "skin", "wrong-parameter"),
        ("topics", ["skin", 1], "mixed-list"),
        ("q", 0.5, "wrong-parameter"),
        ("q", "\ud800", "lone-surrogate"),
    ],
)
def test_each_binding_is_checked(place: str, value: Any, code: str) -> None:
    statement = qql.prepare(HYBRID, models=MODELS)
    for _ in range(2):
        with pytest.raises(qql.QQLPlanError) as caught:
            statement.bind({**VALUES, place: value})
        assert caught.value.code == code
    assert [statement.bind(VALUES)] == qql.compile(HYBRID, VALUES, models=MODELS)


def test_a_vector_of_another_size_is_an_error_where_the_size_is_known() -> None:
    schema = {"docs": {"vectors": {"dense": {"size": 3, "distance": "Cosine"}}}}
    statement = qql.prepare("QUERY :v FROM docs USING dense LIMIT 1", schema=schema)
    assert statement.bind(v=[1, 2, 3]).body["query"] == {"nearest": [1, 2, 3]}  # type: ignore[index]
    for wrong in ([1, 2], [1, 2, math.nan], [1, 2, "3"]):
        with pytest.raises(qql.QQLPlanError):
            statement.bind(v=wrong)


def test_a_text_without_parameters_is_checked_when_it_is_prepared() -> None:
    with pytest.raises(qql.QQLPlanError, match="IS NULL"):
        qql.prepare("COUNT FROM docs WHERE a = NULL")
    with pytest.raises(qql.QQLSyntaxError):
        qql.prepare("COUNT docs FROM WHERE a = :a")


def test_a_script_gives_all_of_its_requests_and_bind_gives_one() -> None:
    script = qql.prepare("USE docs; COUNT WHERE a = :a; SCROLL WHERE a = :b LIMIT 1")
    assert script.requests(a=1, b=2) == qql.compile(script.text, {"a": 1, "b": 2})
    for text, made in ((script.text, "2 requests"), ("USE docs", "no request")):
        statement = qql.prepare(text)
        with pytest.raises(qql.QQLPlanError, match=made) as caught:
            statement.bind(**{one.name: 1 for one in statement.parameters})  # type: ignore[misc]
        assert caught.value.code == "one-request"


def test_check_gives_errors_and_warnings_and_raises_nothing() -> None:
    statement = qql.prepare("COUNT FROM docs WHERE a IN :a")
    assert [one.code for one in statement.check(a=[])] == ["empty-list"]
    assert [one.code for one in statement.check(a=1)] == ["wrong-parameter"]
    assert statement.check(a=[1]) == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (HYBRID, VALUES),
        ("QUERY [0.5, 0.25] FROM docs USING dense WHERE a IN :a LIMIT 1", {"a": [1]}),
        ("QUERY :v FROM docs USING dense LIMIT 1", {"v": [0.5, 0.25]}),
        ("QUERY :v FROM docs USING multi LIMIT 1", {"v": [[0.5, 0.25], [1.0, 0.0]]}),
        ("UPDATE docs SET PAYLOAD = {a: [1, {b: 2}], c: :c} WHERE id = 1", {"c": {"d": [1]}}),
        (
            "UPSERT INTO docs VALUES :rows, {id: 2, vector: {dense: [1, 0]}, tags: ['a']}",
            {"rows": [{"id": 1, "vector": {"dense": [0.0, 1.0]}, "tags": ["b"]}]},
        ),
        (
            "COUNT FROM docs WHERE place GEO_RADIUS :where",
            {"where": {"center": {"lat": 1, "lon": 2}, "radius": 3}},
        ),
    ],
)
def test_who_changes_a_request_or_what_was_bound_changes_no_other(text: str, values: Any) -> None:
    statement = qql.prepare(text, models=MODELS)
    given = json.loads(json.dumps(values))
    first = statement.bind(given)
    wanted = json.dumps(first.to_dict())
    spoil(given)
    assert json.dumps(first.to_dict()) == wanted
    spoil(first.body)
    spoil(first.query)
    assert json.dumps(statement.bind(values).to_dict()) == wanted


def test_sixteen_threads_may_bind_at_once() -> None:
    statement = qql.prepare(HYBRID, models=MODELS)

    def bind(number: int) -> bool:
        values = {**VALUES, "q": f"text {number}", "k": number + 1, "topics": [f"t{number}"]}
        made = statement.bind(values)
        if number % 7 == 0:
            with pytest.raises(qql.QQLPlanError):
                statement.bind({**values, "k": 0})
        return json.dumps(made.to_dict()) == json.dumps(
            qql.compile(HYBRID, values, models=MODELS)[0].to_dict()
        )

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(bind, range(200)))


# ---------------------------------------------------------------- in a session

CREATE = "CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25');"
UPSERT = """
UPSERT INTO docs VALUES
  {id: 1, text: 'Emergency care for acute chest pain', year: 2023},
  {id: 2, text: 'Urgent treatment of burns in children', year: 2024},
  {id: 3, text: 'How to plan an annual check-up', year: 2022};
"""
SEARCH = "QUERY :q FROM docs USING dense WHERE year >= :since LIMIT :k"


class Recorded:
    """A session on the embedded engine, and what reached the engine."""

    def __init__(self) -> None:
        self.backend = RecordingBackend(EdgeBackend(None))
        self.db = qql.connect(self.backend, advice=False)
        self.db.run(CREATE + UPSERT)
        self.backend.requests.clear()

    def sent(self) -> list[str]:
        """Method and route of each request since the last call, but for questions about the collection."""
        found = [" ".join(one.route) for one in self.backend.requests if one.route != ("GET", "")]
        self.backend.requests.clear()
        return found


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    found = Recorded()
    with found.db:
        yield found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The texts of each call of a hash model."""
    calls: list[list[str]] = []
    embed = HashEmbedder.embed

    def counted(self: HashEmbedder, texts: list[str], purpose: Any) -> Any:
        calls.append(list(texts))
        return embed(self, texts, purpose)

    monkeypatch.setattr(HashEmbedder, "embed", counted)
    return calls


def plain(results: list[qql.Result]) -> list[Any]:
    """What results have in common, however they came about."""
    return [(one.kind, one.to_dicts(), one.statement, [r.to_dict() for r in one.requests]) for one in results]


ROWS = [
    {"q": "chest pain", "since": 2020, "k": 2},
    {"q": "burns", "since": 2024, "k": 3},
    {"q": "chest pain", "since": 2030, "k": 1},
]


def test_execute_gives_what_the_session_gives(recorded: Recorded) -> None:
    statement = recorded.db.prepare(SEARCH)
    for row in ROWS:
        assert plain([statement.execute(**row)]) == plain([recorded.db.execute(SEARCH, row)])


def test_many_queries_are_one_request_and_one_call_of_the_model(
    recorded: Recorded, asked: list[list[str]]
) -> None:
    results = recorded.db.prepare(SEARCH).execute_many(ROWS)
    assert recorded.sent() == ["POST points/query/batch"]
    assert asked == [["chest pain", "burns"]]
    assert plain(results) == plain([recorded.db.execute(SEARCH, row) for row in ROWS])
    assert results[2].hits == [] and results[0].ids[0] == 1


def test_many_writes_are_one_request_and_one_call_of_the_model(
    recorded: Recorded, asked: list[list[str]]
) -> None:
    statement = recorded.db.prepare("UPSERT INTO docs VALUES {id: :id, text: :text, year: :year}")
    rows = [{"id": 10 + at, "text": f"text {at}", "year": 2000 + at} for at in range(5)]
    results = statement.execute_many(rows)
    assert recorded.sent() == ["POST points/batch"]
    assert asked == [[f"text {at}" for at in range(5)]]
    assert [one.message for one in results] == ["upserted 1 point into docs"] * 5
    found = recorded.db.execute("SCROLL FROM docs WHERE year < 2010 LIMIT 9")
    assert [hit.payload["year"] for hit in found.hits if hit.payload] == [2000, 2001, 2002, 2003, 2004]


def test_writes_are_carried_out_in_the_order_of_the_rows(recorded: Recorded) -> None:
    recorded.db.prepare("UPDATE docs SET PAYLOAD = {year: ?} WHERE id = ?").execute_many(
        [(1, 1), (2, 1), (3, 2)]
    )
    assert recorded.sent() == ["POST points/batch"]
    found = recorded.db.execute("SCROLL FROM docs WHERE id IN (1, 2) LIMIT 9 WITH PAYLOAD (year)")
    assert [hit.payload for hit in found.hits] == [{"year": 2}, {"year": 3}]


@pytest.mark.parametrize(
    ("text", "routes"),
    [
        ("COUNT FROM docs WHERE year >= :y", ["POST points/count"] * 2),
        ("SCROLL FROM docs WHERE year >= :y LIMIT 2", ["POST points/scroll"] * 2),
        (
            "QUERY 'burns' FROM docs USING dense WHERE year >= :y GROUP BY year",
            ["POST points/query/groups"] * 2,
        ),
        ("QUERY 'burns' FROM docs USING dense WHERE year >= :y RERANK MODEL 'local/overlap' TOP 1", None),
        ("QUERY 'burns' FROM docs USING dense WHERE year >= :y WITH PROVENANCE", []),
    ],
)
def test_what_cannot_go_in_a_batch_is_carried_out_one_by_one(
    recorded: Recorded, text: str, routes: list[str] | None
) -> None:
    rows = [{"y": 2023}, {"y": 2024}]
    results = recorded.db.prepare(text).execute_many(rows)
    if routes != []:
        assert recorded.sent() == (routes or ["POST points/query/batch"])
    assert plain(results) == plain([recorded.db.execute(text, row) for row in rows])


def test_one_row_and_no_row(recorded: Recorded) -> None:
    statement = recorded.db.prepare(SEARCH)
    assert statement.execute_many([]) == []
    assert plain(statement.execute_many(ROWS[:1])) == plain([statement.execute(**ROWS[0])])
    assert recorded.sent() == ["POST points/query", "POST points/query"]


def test_a_fault_in_a_row_is_told_with_its_number_and_nothing_is_sent(
    recorded: Recorded, asked: list[list[str]]
) -> None:
    rows = [dict(ROWS[0]) for _ in range(9)]
    for wrong, code in (({"k": 0}, "bad-limit"), ({"q": 1.5}, "wrong-parameter")):
        with pytest.raises(qql.QQLPlanError, match="row 7: ") as caught:
            recorded.db.prepare(SEARCH).execute_many([*rows[:6], {**rows[6], **wrong}, *rows[7:]])
        assert caught.value.code == code
    assert recorded.sent() == [] and asked == []


def test_an_engine_that_refuses_a_row_of_several_is_told_with_its_number(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = EdgeBackend.call

    def refusing(self: EdgeBackend, request: qql.Request) -> Any:
        if "2024" in json.dumps(request.body):
            raise qql.QQLExecutionError.make("refused", "no")
        return call(self, request)

    monkeypatch.setattr(EdgeBackend, "call", refusing)
    with pytest.raises(qql.QQLExecutionError, match="row 2: no"):
        recorded.db.prepare("COUNT FROM docs WHERE year = ?").execute_many([[2023], [2024], [2025]])
    assert recorded.sent() == ["POST points/count"] * 2


def test_a_collection_that_is_made_anew_is_seen(recorded: Recorded) -> None:
    db = recorded.db
    statement = db.prepare("QUERY :v FROM docs USING dense LIMIT 1")
    assert len(statement.execute(v=[0.5] * 64)) == 1
    db.run("DROP COLLECTION docs; CREATE COLLECTION docs (dense VECTOR(2, DOT));")
    db.run("UPSERT INTO docs VALUES {id: 8, vector: {dense: [1, 0]}}")
    with pytest.raises(qql.QQLPlanError, match="64"):
        statement.execute(v=[0.5] * 64)
    assert statement.execute(v=[1, 0]).ids == [8]
    db.execute("DROP COLLECTION docs")
    with pytest.raises(qql.QQLPlanError) as caught:
        statement.execute(v=[1, 0])
    assert caught.value.code == "unknown-collection"


def test_what_the_session_knows_when_it_is_carried_out_counts(recorded: Recorded) -> None:
    db = recorded.db
    db.run("CREATE COLLECTION other (dense VECTOR(2, DOT)); UPSERT INTO other VALUES {id: 7, dense: [1, 0]};")
    statement = db.prepare("QUERY FUSION RRF PREFETCH (near) LIMIT :k")
    with pytest.raises(qql.QQLPlanError):
        statement.execute(k=1)
    db.run("USE docs; DEFINE near AS (QUERY 'burns' USING dense LIMIT 9);")
    assert statement.execute(k=1).ids == [2]
    db.run("USE other; DEFINE near AS (QUERY [1, 0] USING dense LIMIT 9);")
    assert statement.execute(k=1).ids == [7]


def test_a_script_is_run_and_is_no_statement(recorded: Recorded) -> None:
    script = recorded.db.prepare("USE docs; COUNT WHERE year >= :y;")
    assert [one.kind for one in script.run(y=2023)] == ["message", "rows"]
    for call in (lambda: script.execute(y=1), lambda: script.execute_many([{"y": 1}, {"y": 2}])):
        with pytest.raises(qql.QQLPlanError) as caught:
            call()
        assert caught.value.code == "one-statement"


def test_who_changes_the_request_of_a_result_changes_no_other_execution(recorded: Recorded) -> None:
    statement = recorded.db.prepare(f"QUERY [{', '.join(['0.5'] * 64)}] FROM docs USING dense LIMIT :k")
    first = statement.execute(k=2)
    spoil(first.requests[0].body)
    assert statement.execute(k=2).hits == first.hits


def test_a_server_is_asked_once_for_many_rows(fake_server: Callable[..., Any]) -> None:
    server = fake_server("1.18.3")
    with qql.connect(server.url, advice=False) as db:
        db.run("CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64');")
        add = db.prepare("UPSERT INTO docs VALUES {id: ?, text: ?}")
        add.execute_many([(1, "chest pain"), (2, "burns"), (3, "annual check-up")])
        results = db.prepare("QUERY :q FROM docs LIMIT :k").execute_many(
            [{"q": "burns", "k": 1}, {"q": "chest pain", "k": 2}]
        )
    assert [len(one) for one in results] == [1, 2]
    assert [one.ids[0] for one in results] == [2, 1]
    assert len(server.asked("POST points/batch")) == 1
    assert len(server.asked("POST points/query/batch")) == 1
    assert not server.asked("PUT points") and not server.asked("POST points/query")
