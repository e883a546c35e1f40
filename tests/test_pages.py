"""SCROLL page by page: each point that was not changed meanwhile comes exactly once."""

from __future__ import annotations

import io
import json
import random
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import examples
from http_recorder import HttpRecorder, Received, Reply, ok, refused
from hypothesis import given, settings
from hypothesis import strategies as st

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.cli.render import render
from qql.compiler.pages import Cursor
from qql.errors import QQLError, QQLExecutionError, QQLPlanError, Span
from qql.rest.request import Request
from qql.rest.types import Json
from qql.result import Hit, Result

LARGEST = 2**64 - 1
ZERO, LAST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
IDS: list[int | str] = [
    0,
    1,
    2,
    3,
    7,
    LARGEST - 1,
    LARGEST,
    ZERO,
    "0b9f7e1c-1111-4222-8333-444455556666",
    LAST,
]
MAKE = """
CREATE COLLECTION c (v VECTOR(1, DOT));
CREATE INDEX ON c FOR n TYPE integer;
CREATE INDEX ON c FOR f TYPE float;
CREATE INDEX ON c FOR d TYPE datetime;
"""
Row = dict[str, Any]
Open = Callable[[], Any]


@contextmanager
def edge() -> Iterator[qql.Session]:
    with qql.connect(":memory:", advice=False) as session:
        yield session


@contextmanager
def local_mode() -> Iterator[qql.Session]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qdrant_client import QdrantClient
    client = QdrantClient(":memory:")
    with qql.connect(client, advice=False) as session:
        yield session
    client.close()


@contextmanager
def recorded() -> Iterator[qql.Session]:
    with qql.connect(RecordingBackend(EdgeBackend(None)), advice=False) as session:
        yield session


@contextmanager
def over_http() -> Iterator[qql.Session]:
    """A server as seen from outside: what it is asked over REST, the embedded engine answers."""
    engine = EdgeBackend(None)

    def answer(received: Received) -> Reply:
        query: dict[str, Json] = {key: value for key, value in received.query.items() if key != "timeout"}
        try:
            return ok(engine.call(Request(received.method, received.path, query, received.body)))
        except QQLError:
            return refused(404, "Not found: Collection `c` doesn't exist!")

    with HttpRecorder(otherwise=answer) as server, qql.connect(server.url, advice=False) as session:
        yield session
    engine.close()


ENGINES = {"edge": edge, "local": local_mode, "recorded": recorded, "http": over_http}
engines = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())


def fill(session: qql.Session, rows: list[Row]) -> None:
    session.run(MAKE)
    points = [{"vector": {"v": [1.0]}, **row} for row in rows]
    session.execute("UPSERT INTO c VALUES :points", {"points": points})


def walk(
    session: qql.Session,
    text: str,
    limit: int,
    between: Callable[[list[int | str]], None] = lambda found: None,
    params: Mapping[str, Any] | None = None,
) -> list[int | str]:
    """The ids of all pages. Each page but the last is full, and the last holds something."""
    found: list[int | str] = []
    behind: int | str | None = None
    while True:
        statement = f"{text} AFTER :next LIMIT {limit} WITH PAYLOAD false"
        page = session.execute(statement, {"next": behind, **(params or {})})
        found += page.ids
        if page.next is None:
            assert page.ids or behind is None
            return found
        assert len(page.ids) == limit
        behind = json.loads(json.dumps(page.next))  # as it arrives behind any interface
        between(found)


def first_values(rows: list[Row], key: str, direction: str, start: Any = None) -> dict[int | str, Any]:
    """The value at which each point comes, for those that come."""
    first = {}
    for row in rows:
        values = row.get(key)
        values = values if isinstance(values, list) else [] if values is None else [values]
        up = direction == "ASC"
        values = [one for one in values if start is None or (one >= start if up else one <= start)]
        if values:
            first[row["id"]] = min(values) if up else max(values)
    return first


def assert_walked(
    session: qql.Session, rows: list[Row], key: str, direction: str, limit: int, start: Any = None
) -> None:
    begins = "" if start is None else f" START FROM {start!r}"
    found = walk(session, f"SCROLL FROM c ORDER BY {key} {direction}{begins}", limit)
    first = first_values(rows, key, direction, start)
    assert sorted(map(str, found)) == sorted(map(str, first))
    values = [first[one] for one in found]
    assert values == sorted(values, reverse=direction == "DESC")


# ------------------------------------------------------------------------------------ in the order of ids


@engines
@pytest.mark.parametrize("limit", [1, 3, 5, 100])
def test_every_id_comes_once_and_integers_come_before_uuids(engine: Open, limit: int) -> None:
    with engine() as session:
        fill(session, [{"id": one} for one in reversed(IDS)])
        assert walk(session, "SCROLL FROM c", limit) == IDS


@engines
def test_behind_the_last_of_all_ids_nothing_stands(engine: Open) -> None:
    with engine() as session:
        fill(session, [{"id": one, "n": 1} for one in IDS])
        page = session.execute(f"SCROLL FROM c WHERE n = 1 OR n = 2 AFTER '{LAST}'")
        assert page.ids == [] and page.next is None
        assert session.execute(f"SCROLL FROM c AFTER {LARGEST}").ids == IDS[-3:]


def test_the_last_page_has_no_next_even_where_it_is_full() -> None:
    with edge() as session:
        fill(session, [{"id": one, "n": one} for one in range(6)])
        for order in ("", "ORDER BY n"):
            page = session.execute(f"SCROLL FROM c {order} LIMIT 6")
            assert page.ids == [0, 1, 2, 3, 4, 5] and page.next is None
            assert session.execute(f"SCROLL FROM c {order} LIMIT 5").next is not None


def test_points_that_are_deleted_between_pages_hold_nothing_up() -> None:
    rows = [{"id": n, "n": n // 7, "vector": {"v": [1.0]}} for n in range(30)]
    with edge() as session:
        session.run(MAKE)

        def delete_the_last(found: list[int | str]) -> None:
            session.execute("DELETE FROM c WHERE id = :id", {"id": found[-1]})

        for order in ("", "ORDER BY n", "ORDER BY n DESC"):
            session.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
            found = walk(session, f"SCROLL FROM c {order}", 4, delete_the_last)
            assert sorted(found, key=int) == list(range(30))


# ------------------------------------------------------------------------------------ in the order of a field

STARTED = datetime(2024, 1, 1, tzinfo=UTC)


def moment(micros: int, hours: int = 0) -> str:
    """A date of 2024, written in a zone that is some hours ahead."""
    ahead = timedelta(hours=hours)
    text = (STARTED + timedelta(microseconds=micros) + ahead).replace(tzinfo=None).isoformat()
    return f"{text}{'Z' if not hours else f'+{hours:02}:00'}"


@engines
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_values_that_many_points_have_are_walked_by_id(engine: Open, direction: str) -> None:
    rows: list[Row] = [
        {"id": n if n % 3 else str(uuid_of(n)), "n": 5 if n < 100 else n % 4} for n in range(160)
    ]
    with engine() as session:
        fill(session, rows)
        for limit in (1, 40) if engine is edge else (40,):
            assert_walked(session, rows, "n", direction, limit)


def uuid_of(number: int) -> str:
    return str(uuid.UUID(int=number * 2**100 + number))


def test_a_cursor_stays_short_however_many_points_have_its_value() -> None:
    with edge() as session:
        fill(session, [{"id": uuid_of(n), "n": 5} for n in range(300)])
        page = session.execute("SCROLL FROM c ORDER BY n LIMIT 120")
        assert isinstance(page.next, str) and len(page.next) < 200
        following = session.execute("SCROLL FROM c ORDER BY n AFTER ?", [page.next])
        body = following.requests[0].body or {}
        assert "order_by" not in body and body["offset"] > page.ids[-1]


@engines
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_a_point_with_several_values_comes_once_at_the_first_of_them(engine: Open, direction: str) -> None:
    chance = random.Random(4)
    rows: list[Row] = [
        {"id": n, "n": [chance.randrange(12) for _ in range(chance.randrange(4))]} for n in range(60)
    ]
    rows += [
        {"id": 100, "n": list(range(40))},
        {"id": 101, "n": [3, 3, 3]},
        {"id": 102},
        {"id": 103, "n": []},
    ]
    with engine() as session:
        fill(session, rows)
        for limit in (1, 3, 7, 50) if engine is edge else (7,):
            assert_walked(session, rows, "n", direction, limit)
        assert_walked(session, rows, "n", direction, 7, start=5)


@engines
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_floats_go_on_at_the_exact_value(engine: Open, direction: str) -> None:
    values = [0.0, -0.0, 0.1, 0.1 + 0.2, 0.3, 5e-324, -5e-324, 1e300, -1e300, 2.0, 1 / 3]
    rows: list[Row] = [{"id": n, "f": values[n % len(values)]} for n in range(44)]
    rows += [{"id": 100, "f": [0.3, 0.1 + 0.2]}, {"id": 101, "f": [-1e300, 2.0]}]
    with engine() as session:
        fill(session, rows)
        assert_walked(session, rows, "f", direction, 3)


@engines
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_integers_that_no_float_can_be_are_told_apart(engine: Open, direction: str) -> None:
    large = [2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3, 2**60 + 7, 2**60 + 8, 2**63 - 1, -(2**63), -(2**53) - 1]
    rows: list[Row] = [{"id": n, "n": large[n % len(large)]} for n in range(36)]
    rows += [{"id": 100, "n": [2**53 + 1, 2**60 + 8]}, {"id": 101, "n": [2**60 + 7, 2**60 + 8, 2**63 - 1]}]
    rows += [{"id": 102 + n, "n": 2**60 + 8} for n in range(20)]
    with engine() as session:
        fill(session, rows)
        assert_walked(session, rows, "n", direction, 3)


@engines
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_dates_are_the_same_however_they_are_written(engine: Open, direction: str) -> None:
    micros = [(n % 5) * 1_000_000 + (n % 2) * 123_457 for n in range(50)]
    rows: list[Row] = [{"id": n, "d": moment(one, n % 3)} for n, one in enumerate(micros)]
    rows += [{"id": 100, "d": [moment(0), moment(2_000_000)]}, {"id": 101, "d": "no date"}]
    first = dict(enumerate(micros)) | {100: 0 if direction == "ASC" else 2_000_000}
    with engine() as session:
        fill(session, rows)
        found = walk(session, f"SCROLL FROM c ORDER BY d {direction}", 4)
        assert sorted(found, key=int) == sorted(first)
        values = [first[int(one)] for one in found]
        assert values == sorted(values, reverse=direction == "DESC")
        begins = f"START FROM '{moment(2_000_000, 1)}'"
        found = walk(session, f"SCROLL FROM c ORDER BY d {direction} {begins}", 4)
        kept = [n for n, v in first.items() if (v >= 2_000_000 if direction == "ASC" else v <= 2_000_000)]
        assert sorted(found, key=int) == sorted({*kept, 100})


VALUES = {
    "n": st.one_of(
        st.integers(0, 5), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**53 + 1, 2**60 + 7])
    ),
    "f": st.one_of(st.sampled_from([0.0, -0.0, 0.5]), st.floats(allow_nan=False, allow_infinity=False)),
}


@st.composite
def some_rows(draw: st.DrawFn, key: str) -> list[Row]:
    identity = st.one_of(st.sampled_from(IDS), st.integers(0, 200), st.uuids().map(str))
    value = st.one_of(VALUES[key], st.lists(VALUES[key], max_size=4), st.none(), st.just("a text"))
    ids = draw(st.lists(identity, unique=True, min_size=1, max_size=40))
    return [{"id": one, key: draw(value)} for one in ids]


def comparable(rows: list[Row], key: str) -> list[Row]:
    return [{**row, key: None if isinstance(row[key], str) else row[key]} for row in rows]


@pytest.mark.parametrize("key", ["n", "f"])
def test_any_points_come_once_in_pages_of_any_size(key: str) -> None:
    with edge() as session:
        session.run(MAKE)

        @given(some_rows(key), st.sampled_from(["ASC", "DESC"]), st.integers(1, 25))
        @settings(deadline=None, max_examples=examples(100))
        def check(rows: list[Row], direction: str, limit: int) -> None:
            session.execute("DELETE FROM c WHERE NOT id = 201")
            points = [{"vector": {"v": [1.0]}, **row} for row in rows]
            session.execute("UPSERT INTO c VALUES :points", {"points": points})
            assert_walked(session, comparable(rows, key), key, direction, limit)
            assert sorted(walk(session, "SCROLL FROM c", limit), key=str) == sorted(
                (row["id"] for row in rows), key=str
            )

        check()


# ------------------------------------------------------------------------------------ what goes with ORDER BY

ROWS: list[Row] = [{"id": n, "n": n // 3, "f": n / 2, "d": moment(n)} for n in range(30)]


@engines
def test_conditions_hold_on_every_page(engine: Open) -> None:
    with engine() as session:
        fill(session, ROWS)
        text = "SCROLL FROM c WHERE f < 4 OR f > :f ORDER BY n DESC"
        found = walk(session, text, 2, params={"f": 9.5})
        assert sorted(found, key=int) == [*range(8), *range(20, 30)]


@engines
def test_points_without_a_value_are_counted_on_the_first_page(engine: Open) -> None:
    odd: list[Any] = [None, [], "a text", {"a": 1}, True]
    rows = [*ROWS, *({"id": 100 + n, "f": 1.0, "n": one, "d": one} for n, one in enumerate(odd)), {"id": 200}]
    with engine() as session:
        fill(session, rows)
        for key in ("n", "d"):
            page = session.execute(f"SCROLL FROM c ORDER BY {key} LIMIT 2")
            message = f"6 points have no `{key}` to order by, so they are absent"
            assert [(one.code, one.message) for one in page.warnings] == [("absent-points", message)]
            behind = session.execute(f"SCROLL FROM c ORDER BY {key} AFTER :next", {"next": page.next})
            assert behind.warnings == ()
        (said,) = session.execute(
            "SCROLL FROM c WHERE NOT f BETWEEN 1 AND 1 ORDER BY n START FROM 5"
        ).warnings
        assert said.message == "1 point has no `n` to order by, so it is absent"
        assert session.execute("SCROLL FROM c WHERE f > 1 ORDER BY n").warnings == ()


def test_a_large_collection_is_counted_only_where_its_index_lacks_points() -> None:
    asked = {}
    for indexed in (2_000_000, 1_999_990):
        info = {
            "points_count": 2_000_000,
            "config": {"params": {"vectors": {"size": 1, "distance": "Dot"}}},
            "payload_schema": {"n": {"data_type": "integer", "points": indexed}},
        }
        answers = {
            ("GET", ""): info,
            ("POST", "points/scroll"): {"points": [], "next_page_offset": None},
            ("POST", "points/count"): {"count": 10},
        }
        backend = RecordingBackend(answers=answers)
        with qql.connect(backend, advice=False) as session:
            said = session.execute("SCROLL FROM c ORDER BY n").warnings
        counted = any(request.route == ("POST", "points/count") for request in backend.requests)
        asked[indexed] = counted, [one.message.split()[0] for one in said]
    assert asked == {2_000_000: (False, []), 1_999_990: (True, ["10"])}


def test_a_page_is_given_where_the_engine_refuses_to_count() -> None:
    answers = {("POST", "points/count"): QQLExecutionError.make("timeout", "it took too long")}
    with edge() as inner:
        fill(inner, ROWS)
        backend = RecordingBackend(inner.backend, answers)
        page = qql.connect(backend, advice=False).execute("SCROLL FROM c ORDER BY n LIMIT 2")
    assert len(page.ids) == 2 and page.next is not None
    (said,) = page.warnings
    assert said.message == "points without `n` are absent, and cannot be counted: it took too long"


def test_an_engine_that_does_not_say_its_values_gives_a_warning_and_no_next() -> None:
    points = [{"id": n, "payload": {}} for n in range(10)]
    answers = {("POST", "points/scroll"): {"points": points, "next_page_offset": None}}
    with qql.connect(RecordingBackend(answers=answers), advice=False) as session:
        page = session.execute("SCROLL FROM c ORDER BY n")
    assert page.ids == [*range(10)] and page.next is None
    assert [one.code for one in page.warnings] == ["no-cursor"]


@pytest.mark.parametrize("limit", [50, 100, 101, 1000])
def test_no_request_names_more_ids_than_a_few(limit: int) -> None:
    rows: list[Row] = [{"id": n, "n": [5, n % 40] if n % 2 else 5} for n in range(100)]
    with edge() as inner:
        fill(inner, rows)
        backend = RecordingBackend(inner.backend)
        session = qql.connect(backend, advice=False)
        assert_walked(session, rows, "n", "DESC", limit)
    bodies = [request.body or {} for request in backend.requests]
    named = [one for body in bodies for one in body.get("filter", {}).get("must_not", ()) if "has_id" in one]
    assert all(len(one["has_id"]) <= 16 for one in named)


@pytest.mark.parametrize("count", [1, 20])
def test_an_engine_that_gives_the_same_page_again_is_not_asked_for_ever(count: int) -> None:
    points = [{"id": n, "order_value": 5} for n in range(count)]
    answers = {("POST", "points/scroll"): {"points": points, "next_page_offset": None}}
    backend = RecordingBackend(answers=answers)
    with qql.connect(backend, advice=False) as session:
        assert session.execute("SCROLL FROM c ORDER BY n LIMIT 30").ids == [*range(count)]
    assert len(backend.requests) < 8


def test_what_was_not_asked_for_is_not_shown() -> None:
    with edge() as session:
        fill(session, ROWS)
        page = session.execute("SCROLL FROM c ORDER BY n LIMIT 2 WITH PAYLOAD (f)")
        assert [hit.to_dict() for hit in page.hits] == [
            {"id": one, "payload": {"f": one / 2}} for one in page.ids
        ]
        assert page.data["points"][0]["id"] == page.ids[0]


def test_other_statements_have_no_next() -> None:
    with edge() as session:
        fill(session, ROWS)
        for text in ("QUERY [1] FROM c LIMIT 2", "COUNT FROM c", "SHOW COLLECTIONS"):
            result = session.execute(text)
            assert (result.next, result.paged) == (None, False)


# ------------------------------------------------------------------------------------ cursors

CURSOR = Cursor("c", "n", "asc", None, "integer", "at", 5, (1, LAST))


def refusal(text: str, params: Any = None) -> tuple[str, str]:
    with pytest.raises(QQLPlanError) as caught:
        qql.compile(text, params)
    found = caught.value.diagnostic
    assert found.hint and found.span and text[found.span.start : found.span.end] in (":next", "5")
    return found.code, found.message


def test_a_cursor_becomes_a_request_without_an_engine() -> None:
    (request,) = qql.compile(
        "SCROLL FROM c WHERE a = 1 OR a = 2 ORDER BY n AFTER :next LIMIT 3", {"next": CURSOR.text()}
    )
    assert request.body == {
        "filter": {
            "must": [{"should": [{"key": "a", "match": {"value": 1}}, {"key": "a", "match": {"value": 2}}]}],
            "must_not": [{"key": "n", "range": {"lt": 5}}, {"has_id": [1, LAST]}],
        },
        "limit": 3,
        "order_by": {"key": "n", "direction": "asc", "start_from": 5},
        "with_vector": False,
        "with_payload": True,
    }
    assert qql.compile(qql.from_request(request)) == [request]


@pytest.mark.parametrize("mode", ["at", "walk", "past"])
@pytest.mark.parametrize("value", [-0.0, 0.1 + 0.2, 5e-324, 2**63 - 1, -(2**63), 1704067200123456])
def test_a_cursor_reads_back_as_it_was(mode: str, value: float) -> None:
    cursor = Cursor("naïve 'c'", "a.`b`[]", "desc", "2024-01-01", "", mode, value, (0, LARGEST, LAST), 7)
    text = cursor.text()
    assert text.isascii() and not set(text) & set(" '\"\\`")
    back = Cursor.read(text, Span(0, 0))
    assert back == cursor and repr(back.value) == repr(value)


@pytest.mark.parametrize("null", ["AFTER NULL", "AFTER :next"])
@pytest.mark.parametrize("order", ["", "ORDER BY n"])
def test_null_is_the_first_page(null: str, order: str) -> None:
    params = {"next": None} if ":" in null else None
    assert qql.compile(f"SCROLL FROM c {order} {null}", params) == qql.compile(f"SCROLL FROM c {order}")


@pytest.mark.parametrize(
    "statement",
    [
        "SCROLL FROM other ORDER BY n AFTER :next",
        "SCROLL FROM c ORDER BY m AFTER :next",
        "SCROLL FROM c ORDER BY n DESC AFTER :next",
        "SCROLL FROM c ORDER BY n START FROM 2 AFTER :next",
    ],
)
def test_the_cursor_of_another_order_is_refused(statement: str) -> None:
    code, message = refusal(statement, {"next": CURSOR.text()})
    assert code == "bad-after" and message.startswith(
        "this cursor goes on in another order: FROM c ORDER BY n ASC; the statement has FROM"
    )


def test_a_cursor_goes_with_order_by_and_an_id_goes_without() -> None:
    code, message = refusal("SCROLL FROM c AFTER :next", {"next": CURSOR.text()})
    assert (code, message) == (
        "after-with-order",
        "this cursor goes on in the order of `n`, and the statement has none",
    )
    assert refusal("SCROLL FROM c ORDER BY n AFTER 5") == (
        "after-with-order",
        "AFTER 5 is no place in the order of `n`",
    )


def test_a_damaged_cursor_is_refused() -> None:
    text = CURSOR.text()
    changed = text[:12] + ("A" if text[12] != "A" else "B") + text[13:]
    for damaged in (
        text[:-1],
        text + "A",
        changed,
        "qql1.",
        "qql1.é",
        text.replace("1", "2", 1),
        "qql1.AAAA",
    ):
        code, message = refusal("SCROLL FROM c ORDER BY n AFTER :next", {"next": damaged})
        assert code == "bad-after" and ("damaged" in message or "another version" in message)


def test_a_pipeline_with_a_cursor_is_checked_without_its_value() -> None:
    assert qql.lint("SCROLL FROM c ORDER BY n AFTER :next LIMIT :n") == []


# ------------------------------------------------------------------------------------ what is shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(format: str, behind: int | str | None, file: io.StringIO) -> str:
    render(Result("hits", hits=[Hit(1), Hit(2)], next=behind, paged=True), format, file=file)
    return file.getvalue()


@pytest.mark.parametrize("format", ["table", "vertical"])
def test_a_terminal_shows_how_to_go_on_and_a_file_does_not(format: str) -> None:
    assert shown(format, 1234, Terminal()).endswith("\nmore: AFTER 1234\n")
    assert shown(format, "qql1.abc", Terminal()).endswith("\nmore: AFTER 'qql1.abc'\n")
    assert "more" not in shown(format, None, Terminal())
    assert "more" not in shown(format, 1234, io.StringIO())


def test_json_has_next_beside_the_hits() -> None:
    for behind in (2, LARGEST, "qql1.abc", None):
        found = json.loads(shown("json", behind, io.StringIO()))
        assert found == {"hits": [{"id": 1}, {"id": 2}], "next": behind}


@pytest.mark.parametrize("format", ["jsonl", "csv", "markdown"])
def test_formats_of_rows_hold_rows_and_nothing_else(format: str) -> None:
    assert shown(format, 1234, Terminal()) == shown(format, None, io.StringIO())
