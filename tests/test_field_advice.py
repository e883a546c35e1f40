"""Fields that no point has, or has with other values: what is said where they are named, and its cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_recorder import HttpRecorder, ok

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.cli import main
from qql.errors import Diagnostic, QQLExecutionError
from qql.rest.request import Request
from qql.schema import Fields

MADE = "CREATE COLLECTION c (a VECTOR(2, DOT)); CREATE INDEX ON c FOR sid TYPE integer;"
ROWS = [
    {
        "id": number,
        "vector": {"a": [1, number]},
        "payload": {
            "year": 2000 + number,
            "sid": number,
            "title": f"t{number}",
            "ok": True,
            "day": "2024-05-01",
            "author": {"name": "x"},
            "parts": [{"n": 1}],
            "price": number + number % 2 / 2,
        },
    }
    for number in range(1, 11)
]


def connect(engine: str) -> qql.Session:
    if engine == "edge":
        return qql.connect(count=True)
    from qdrant_client import QdrantClient

    return qql.connect(QdrantClient(":memory:"), count=True)


@pytest.fixture(params=["edge", "local"])
def db(request: pytest.FixtureRequest) -> Iterator[qql.Session]:
    with connect(request.param) as session:
        session.run(MADE)
        session.execute("UPSERT INTO c VALUES :rows", {"rows": ROWS})
        yield session


def said(result: qql.Result) -> list[tuple[str, str | None]]:
    return [(one.code, one.hint) for one in result.warnings]


# ------------------------------------------------------------------------------------ answers without hits


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("SCROLL FROM c WHERE yaer > 3", "did you mean `year`?"),
        ("COUNT FROM c WHERE autor.name = 'x'", "did you mean `author.name`?"),
        ("QUERY [1, 0] FROM c USING a WHERE parts.n = 1", "did you mean `parts[].n`?"),
        ("DELETE FROM c WHERE titel = 't1'", "did you mean `title`?"),
        ("UPDATE c SET PAYLOAD = {x: 1} WHERE titel = 't1'", "did you mean `title`?"),
        ("BATCH { QUERY [1, 0] FROM c USING a WHERE titel = 't1'; }", "did you mean `title`?"),
        ("QUERY [1, 0] FROM c USING a WITH PAYLOAD (titel)", "did you mean `title`?"),
        ("QUERY [1, 0] FROM c USING a GROUP BY titel", "did you mean `title`?"),
    ],
)
def test_a_field_that_no_point_has_is_said_behind_an_answer_without_hits(
    db: qql.Session, text: str, hint: str
) -> None:
    result = db.execute(text)
    (found,) = (one for one in result.warnings if one.code == "unknown-field")
    assert found.severity == "warning" and found.hint == hint
    assert found.message.startswith("`c` has no field `")
    assert found.span is not None
    assert f"`{text[found.span.start : found.span.end]}`" in found.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("SCROLL FROM c WHERE year = '2003'", "write 2003 without quotes"),
        ("SCROLL FROM c WHERE sid IN ('3', '4')", "write 3 without quotes"),
        ("COUNT FROM c WHERE ok = 'true'", "write true without quotes"),
        ("COUNT FROM c WHERE title = 3", "write '3', in quotes"),
        ("COUNT FROM c WHERE author = 'x'", "its own fields: author.name"),
        ("QUERY [1, 0] FROM c USING a GROUP BY author", "its own fields: author.name"),
        ("QUERY [1, 0] FROM c USING a GROUP BY ok", "GROUP BY a field that holds texts or integers"),
        ("COUNT FROM c WHERE day > 3", "day >= '2024-05-01'"),
        ("COUNT FROM c WHERE year > '2024-05-01'", "it may hold seconds since 1970"),
    ],
)
def test_a_value_of_another_type_is_said(db: qql.Session, text: str, hint: str) -> None:
    assert ("field-type", hint) in said(db.execute(text))


def test_the_public_report_on_an_integer_index_is_not_silent() -> None:
    script = f"{MADE} UPSERT INTO c VALUES {{id: 1, vector: {{a: [1, 0]}}, sid: 3}};"
    script += "SCROLL FROM c WHERE sid IN ('3', '4');"
    with qql.connect() as db:
        *_, last = db.run(script)
    assert said(last) == [("field-type", "write 3 without quotes")]
    assert [one.code for one in qql.lint(script)] == ["field-type"]


@pytest.mark.parametrize(
    "text",
    [
        "SCROLL FROM c WHERE year > 3000",
        "SCROLL FROM c WHERE title = 'none' AND id != 3",
        "SCROLL FROM c WHERE deleted IS NULL",
        "SCROLL FROM c AFTER 10",
        "QUERY [1, 0] FROM c USING a OFFSET 100",
        "COUNT FROM c WHERE parts[].n = 7 AND NESTED('parts', n = 9)",
        "QUERY [1, 0] FROM c USING a WITH PAYLOAD (title) LIMIT 1",
        "DELETE PAYLOAD nothing FROM c WHERE id = 1",
    ],
)
def test_nothing_is_said_where_the_fields_are_right(db: qql.Session, text: str) -> None:
    assert said(db.execute(text)) == []


def test_hits_without_the_payload_that_was_asked_for_are_said_even_where_the_field_exists() -> None:
    with qql.connect() as db:
        db.run(MADE + "UPSERT INTO c VALUES {id: 1, a: [1, 0], x: 1}, {id: 2, a: [0, 9]};")
        result = db.execute("QUERY [0, 1] FROM c USING a WITH PAYLOAD (x) LIMIT 1")
        assert result.ids == [2]
        (found,) = result.warnings
        assert (found.code, found.message) == ("payload-field-absent", "the only hit has not the field `x`")
        assert said(db.execute("QUERY [0, 1] FROM c USING a WITH PAYLOAD (x) LIMIT 2")) == []


def test_of_a_large_collection_the_points_looked_at_are_counted() -> None:
    rows = [{"id": n, "vector": {"a": [1, 0]}, "year": n} for n in range(300)]
    with qql.connect() as db:
        db.run(MADE)
        db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        (found,) = db.execute("COUNT FROM c WHERE yaer = 3").warnings
        assert found.message == "none of the 200 points looked at has a field `yaer`"


def test_no_index_is_advised_on_a_field_that_no_point_has() -> None:
    rows = [{"id": n, "vector": {"a": [1, 0]}, "year": n} for n in range(1200)]
    with qql.connect() as db:
        db.run(MADE)
        db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        db.run("CREATE INDEX ON c FOR title")  # so the session looks at the collection again
        found = db.execute("COUNT FROM c WHERE yaer = 3 AND year = -1").warnings
        assert [(one.code, one.column) for one in found] == [
            ("filter-without-index", 33),
            ("unknown-field", 20),
        ]


def test_an_index_makes_a_field_that_no_point_has_known() -> None:
    with qql.connect() as db:
        db.run(MADE + "UPSERT INTO c VALUES {id: 1, a: [1, 0], side: 1};")
        assert said(db.execute("COUNT FROM c WHERE sid = 3")) == []


def test_a_comment_silences_it(db: qql.Session) -> None:
    assert said(db.execute("-- qql: ignore unknown-field\nCOUNT FROM c WHERE yaer = 3")) == []


# ------------------------------------------------------------------------------------ what it costs


class Asked:
    """A session on the embedded engine with its requests; to be closed."""

    def __init__(self, rows: list[dict[str, Any]], answers: Any = None) -> None:
        inner = EdgeBackend(None)
        with_rows = qql.connect(inner)  # it has nothing of its own that would be closed
        with_rows.run(MADE)
        if rows:
            with_rows.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        self.backend = RecordingBackend(inner, answers)
        self.db = qql.connect(self.backend, count=True)

    def looks(self) -> list[Request]:
        """The requests by which fields are looked at since the last call."""
        found = [
            one
            for one in self.backend.requests
            if one.route[1] in ("points/scroll", "points/query")
            and (one.body or {}).get("with_vector") is False
            and (one.body or {}).keys() <= {"query", "limit", "with_payload", "with_vector"}
        ]
        self.backend.requests.clear()
        return found


@pytest.fixture
def asking() -> Iterator[Callable[..., Asked]]:
    made: list[Asked] = []

    def make(rows: list[dict[str, Any]], answers: Any = None) -> Asked:
        made.append(Asked(rows, answers))
        return made[-1]

    yield make
    for one in made:
        one.db.close()


def test_answers_with_hits_are_not_looked_behind(asking: Callable[..., Asked]) -> None:
    asked = asking(ROWS)
    for text in (
        "QUERY [1, 0] FROM c USING a WHERE year > 3 LIMIT 3",
        "QUERY [1, 0] FROM c USING a WITH PAYLOAD (title) LIMIT 3",
        "SCROLL FROM c WHERE title = 't1' LIMIT 3",
        "COUNT FROM c WHERE year = 2001",
        "QUERY [1, 0] FROM c USING a GROUP BY title LIMIT 3",
        "UPDATE c SET PAYLOAD = {x: 1} WHERE title = 't1'",
    ):
        asked.db.execute(text)
    assert asked.looks() == []


def test_an_answer_without_hits_costs_one_request_and_the_next_none(asking: Callable[..., Asked]) -> None:
    asked = asking(ROWS)
    asked.db.execute("COUNT FROM c WHERE yaer = 3")
    assert [one.body for one in asked.looks()] == [{"limit": 20, "with_payload": True, "with_vector": False}]
    asked.db.execute("COUNT FROM c WHERE titel = 'x'")
    asked.db.execute("SCROLL FROM c WHERE title = 'none'")
    assert asked.looks() == []


def test_a_statement_that_names_no_field_is_not_looked_behind(asking: Callable[..., Asked]) -> None:
    asked = asking([])
    asked.db.execute("QUERY [1, 0] FROM c USING a")
    asked.db.execute("COUNT FROM c WHERE id = 7")
    assert asked.looks() == []


def test_a_loop_of_count_and_upsert_does_not_look_each_time(asking: Callable[..., Asked]) -> None:
    """It looks at the empty collection, and at the first point; then the name is known."""
    asked = asking([])
    for number in range(10):
        assert asked.db.execute("COUNT FROM c WHERE url = :url", {"url": str(number)}).rows == [{"count": 0}]
        asked.db.execute("UPSERT INTO c VALUES :rows", {"rows": [{"id": number, "a": [1, 0], "url": "x"}]})
    assert len(asked.looks()) == 2


def test_what_a_write_adds_is_seen(asking: Callable[..., Asked]) -> None:
    """What is kept would say that there is no such field: before that is said, it is looked up."""
    asked = asking(ROWS)
    assert [code for code, _ in said(asked.db.execute("COUNT FROM c WHERE colour = 'red'"))] == [
        "unknown-field"
    ]
    asked.db.execute("UPDATE c SET PAYLOAD = {tone: 'red'} WHERE id = 1")
    asked.looks()
    assert said(asked.db.execute("COUNT FROM c WHERE tone = 'blue'")) == []
    assert len(asked.looks()) == 1


def test_without_advice_nothing_is_looked_at(asking: Callable[..., Asked]) -> None:
    asked = asking(ROWS)
    quiet = qql.connect(asked.backend, advice=False)
    assert said(quiet.execute("COUNT FROM c WHERE yaer = 3")) == []
    assert asked.looks() == []


def test_a_server_that_refuses_to_be_looked_at_breaks_nothing_and_is_not_asked_again(
    asking: Callable[..., Asked],
) -> None:
    refusal = QQLExecutionError(Diagnostic("engine-error", 'Limit exceeded 20 > 10 for "timeout"'))
    asked = asking(ROWS, {("POST", "points/scroll"): refusal})
    backend = asked.backend
    assert said(asked.db.execute("COUNT FROM c WHERE yaer = 3")) == []
    assert asked.db.execute("EXPLAIN COUNT FROM c WHERE yaer = 3").message
    assert sum(one.route == ("POST", "points/scroll") for one in backend.requests) == 1


def test_large_payloads_are_not_fetched_by_the_hundred(asking: Callable[..., Asked]) -> None:
    """20 points tell how large they are: 100 kB each here, so that 2 MB are not more than these."""
    rows = [{"id": n, "vector": {"a": [1, 0]}, "text": "x" * 100_000} for n in range(60)]
    asked = asking(rows)
    asked.db.execute("COUNT FROM c WHERE txet = 'y'")
    assert [(one.body or {})["limit"] for one in asked.looks()] == [20]
    small = asking([{**row, "text": "x"} for row in rows])
    small.db.execute("COUNT FROM c WHERE txet = 'y'")
    assert [(one.body or {})["limit"] for one in small.looks()] == [20, 200]


def test_a_server_is_asked_once() -> None:
    path = "/collections/c"
    point = {"id": 1, "payload": {"year": 2020}}
    info = {"status": "green", "points_count": 1, "config": {"params": {"vectors": {}}}, "payload_schema": {}}
    answers = {
        ("GET", path): ok(info),
        ("POST", f"{path}/points/count"): ok({"count": 0}),
        ("POST", f"{path}/points/scroll"): ok({"points": [point], "next_page_offset": None}),
    }
    with HttpRecorder(answers) as server, qql.connect(server.url) as db:
        for _ in range(3):
            result = db.execute("COUNT FROM c WHERE yaer = 3")
        assert result.rows == [{"count": 0}]
        scrolls = [one.body for one in server.received if one.path.endswith("/scroll")]
    assert scrolls == [{"limit": 20, "with_payload": True, "with_vector": False}]


# ------------------------------------------------------------------------------------ EXPLAIN, WHY and lint


WRONG = pytest.mark.parametrize(
    "text",
    [
        "SCROLL FROM c WITH PAYLOAD (yaer)",
        "QUERY [1, 0] FROM c USING a GROUP BY yaer",
        "QUERY [1, 0] FROM c USING a WHERE yaer > 1 OR id = 1",
        "QUERY [1, 0] FROM c USING a BOOST $score + CASE WHEN yaer = 1 THEN 2 ELSE 1 END",
        "DELETE PAYLOAD yaer FROM c WHERE id = 1",
        "SCROLL FROM c ORDER BY yaer",
        "FACET yaer FROM c",
        "CREATE INDEX ON c FOR yaer TYPE integer",
    ],
)


@WRONG
def test_explain_says_it_of_every_statement_that_names_fields(db: qql.Session, text: str) -> None:
    explained = db.execute(f"EXPLAIN {text}").message
    assert "unknown-field" in explained and "did you mean `year`?" in explained
    assert "index-required" not in explained and "filter-without-index" not in explained
    assert "unknown-field" in db.explain(text)


@WRONG
def test_lint_says_it_where_it_has_a_database(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with qql.connect(tmp_path / "db") as made:
        made.run(MADE)
        made.execute("UPSERT INTO c VALUES :rows", {"rows": ROWS})
    assert main(["lint", "--db", str(tmp_path / "db"), "--format", "json", "-c", text]) == 0
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    assert [one["hint"] for one in found if one["code"] == "unknown-field"] == ["did you mean `year`?"]
    main(["lint", "--format", "json", "-c", text])
    assert "unknown-field" not in capsys.readouterr().out


def test_what_a_script_has_written_before_is_not_held_against_its_queries() -> None:
    with qql.connect() as db:
        db.run(MADE + "UPSERT INTO c VALUES {id: 1, a: [1, 0], year: 1};")
        written = "UPSERT INTO c VALUES {id: 2, a: [1, 0], tone: 'red'}; SCROLL FROM c WHERE tone = 'red';"
        assert "unknown-field" not in db.explain(written)
        assert "unknown-field" in db.explain("SCROLL FROM c WHERE tone = 'red';")


def test_why_says_that_the_point_has_no_such_field(db: qql.Session) -> None:
    query = "QUERY [1, 0] FROM c USING a WHERE yaer > 3 AND year = '2001'"
    told = db.execute(f"WHY NOT 1 {query}").message
    assert "yaer > 3 (WHERE of root: the point has no field `yaer`)" in told
    assert "its `year` holds integers, and '2001' is a text" in told
    assert "unknown-field" in db.execute(f"EXPLAIN ANALYZE {query}").message
    data = db.execute(f"WHY NOT 1 FORMAT json {query}").rows[0]
    notes = [one["note"] for one in data["standings"][0]["failed"]]
    assert notes[0] == "the point has no field `yaer`"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("SCROLL FROM c ORDER BY yaer", "`c` has no field `yaer`: did you mean `year`?"),
        ("FACET yaer FROM c", "`c` has no field `yaer`: did you mean `year`?"),
        ("QUERY [1, 0] FROM c USING a BOOST $score + yaer", "`c` has no field `yaer`: did you mean `year`?"),
        ("SCROLL FROM c ORDER BY year", "CREATE INDEX ON c FOR year TYPE integer (or float, datetime)"),
    ],
)
def test_a_refusal_over_a_name_that_is_wrong_does_not_advise_an_index(text: str, hint: str) -> None:
    with connect("edge") as db:
        db.run(MADE)
        db.execute("UPSERT INTO c VALUES :rows", {"rows": ROWS})
        with pytest.raises(QQLExecutionError) as caught:
            db.execute(text)
    assert caught.value.hint == hint


# ------------------------------------------------------------------------------------ integer indexes

FAR = 2**53
NUMBERS = {1: 1, 2: 1.0, 3: 1.5, 4: FAR, 5: FAR + 1, 6: FAR + 2, 7: [1.0, 7]}
CASES = {
    "n = 1": {"none": [1], "integer": [1, 2, 7], "local": [1]},
    "n IN (1, 9)": {"none": [1], "integer": [1, 2, 7], "local": [1]},
    "n = 1.0": {"none": [1, 2, 7], "integer": [1, 2, 7], "local": [1, 2, 7]},
    "n BETWEEN 1 AND 2": {"none": [1, 2, 3, 7], "integer": [1, 2, 7], "local": [1, 2, 3, 7]},
    f"n > {FAR}": {"none": [6], "integer": [5, 6], "local": [5, 6]},
    f"n >= {FAR + 1}": {"none": [4, 5, 6], "integer": [4, 5, 6], "local": [4, 5, 6]},
    f"n = {FAR + 1}": {"none": [5], "integer": [5], "local": [5]},
}


@pytest.mark.parametrize("engine", ["none", "integer", "local"])
def test_an_integer_index_changes_answers_as_the_manual_says(engine: str) -> None:
    """The embedded engine without and with the index, and the local mode, which has none."""
    with connect("local" if engine == "local" else "edge") as db:
        db.run("CREATE COLLECTION c (a VECTOR(2, DOT));")
        if engine != "none":
            db.run("CREATE INDEX ON c FOR n TYPE integer;")
        rows = [{"id": key, "vector": {"a": [1, 0]}, "n": value} for key, value in NUMBERS.items()]
        db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        found = {text: sorted(db.execute(f"SCROLL FROM c WHERE {text}").ids) for text in CASES}
    assert found == {text: ids[engine] for text, ids in CASES.items()}


@pytest.mark.parametrize(
    ("indexed", "condition", "codes"),
    [
        (False, "n = 1", {"whole-number-match"}),
        (True, "n = 1", set()),
        (False, "n = 1.0", set()),
        (False, "n > 1", set()),
        (True, "n > 1", {"fractions-not-indexed"}),
        (False, f"n > {FAR}", {"range-beyond-2-53"}),
        (True, f"m > {FAR}", set()),
        (True, f"m > {FAR + 1}", {"range-beyond-2-53"}),
    ],
)
def test_explain_advises_where_an_integer_index_changes_the_answer(
    indexed: bool, condition: str, codes: set[str]
) -> None:
    with qql.connect() as db:
        db.run("CREATE COLLECTION c (a VECTOR(2, DOT));")
        if indexed:
            db.run("CREATE INDEX ON c FOR n TYPE integer; CREATE INDEX ON c FOR m TYPE integer;")
        db.run("UPSERT INTO c VALUES {id: 1, a: [1, 0], n: 1.5, m: 1}, {id: 2, a: [1, 0], n: 1.0};")
        told = db.execute(f"EXPLAIN SCROLL FROM c WHERE {condition}").message
    rules = ("whole-number-match", "fractions-not-indexed", "range-beyond-2-53")
    assert {code for code in rules if code in told} == codes


# ------------------------------------------------------------------------------------ fields of payloads


def test_paths_and_kinds_are_those_that_filters_reach() -> None:
    payload = {
        "a": {"b": 1},
        "l": [{"b": 1.5}, {"c": "x"}],
        "m": [1, "2024-05-01"],
        "n": [[1.0]],
        "e": [],
        "u": None,
        "p.q": True,
        "g": {"lat": 1, "lon": 2},
        "k-x": "5ae1b4f4-4f0c-4d43-a8c3-5c2d9e6f0f1b",
    }
    fields = Fields.of([payload, {"a": None}], whole=True)
    assert {path: dict(seen.kinds) for path, seen in fields.seen.items()} == {
        "a": {"object": 1, "null": 1},
        "a.b": {"integer": 1},
        "l": {"object": 2},
        "l[].b": {"float": 1},
        "l[].c": {"text": 1},
        "m": {"integer": 1, "date": 1},
        "n[]": {"whole": 1},
        "e": {"empty": 1},
        "u": {"null": 1},
        '"p.q"': {"bool": 1},
        "g": {"geo": 1},
        "g.lat": {"integer": 1},
        "g.lon": {"integer": 1},
        "k-x": {"uuid": 1},
    }
    assert (fields.points, fields.whole, fields.cut, fields.seen["a"].points) == (2, True, False, 2)
    for path in ("l[0].b", "m[]", "m[1]", "n[0][0]", '"a"."b"', '"p.q"'):
        assert fields.find(path) is not None, path
    for path in ("l.b", "a.c", "p.q", "A"):
        assert fields.find(path) is None, path


def test_the_paths_of_a_hostile_payload_are_bounded_and_nothing_is_said_by_them() -> None:
    wide = Fields.of([{f"k{number}": 1 for number in range(5000)}], whole=True)
    assert len(wide.seen) == 1000 and wide.cut and not wide.whole
    deep: Any = 1
    for _ in range(3000):
        deep = {"x": [deep]}
    assert Fields.of([{"deep": deep}]).cut
    assert Fields.of([{"k" * 500: 1}]).cut
    assert Fields.of([{"long": [{"a": 1}] * 100}]).cut
    assert not Fields.of([{"long": [1] * 100}]).cut
    many = Fields.of(
        ({"a": [1] * 20, "b": {str(n): n for n in range(500)}} for _ in range(100_000)), whole=True
    )
    assert many.points < 1000 and not many.whole


def test_of_a_collection_with_too_many_fields_no_name_is_called_wrong() -> None:
    with qql.connect() as db:
        db.run(MADE)
        rows = [{"id": 1, "vector": {"a": [1, 0]}, "payload": {f"k{number}": 1 for number in range(1500)}}]
        db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        assert said(db.execute("COUNT FROM c WHERE nosuch = 1")) == []
