"""`db.scroll`: all hits of a SCROLL one by one, whatever the size of the collection, while others write."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fake_server import FakeServer
from test_pages import MAKE, edge, local_mode, over_http

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.errors import QQLError, QQLPlanError

Row = dict[str, Any]


@contextmanager
def over_rest() -> Iterator[qql.Session]:
    with FakeServer() as server, qql.connect(server.url, advice=False) as session:
        yield session


ENGINES = {"edge": edge, "local": local_mode, "http": over_http, "fake server": over_rest}
engines = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())
ORDERS = ["", "ORDER BY n", "ORDER BY n DESC", "ORDER BY f"]


def rows_of(count: int) -> list[Row]:
    """Half of them have one value, which is more than a page; ids of every ninth are UUIDs."""
    chance = random.Random(count)
    return [
        {
            "id": f"00000000-0000-0000-0000-{number:012}" if number % 9 == 0 else number,
            "n": 5 if number % 2 else chance.randrange(-50, 50),
            "f": chance.choice([0.1, 2.5, number / 7]),
            "still": number % 5 > 0,
        }
        for number in range(count)
    ]


def load(session: qql.Session, rows: list[Row]) -> None:
    session.run(MAKE)
    put(session, rows)


def put(session: qql.Session, rows: list[Row]) -> None:
    for at in range(0, len(rows), 5000):
        points = [{"vector": {"v": [1.0]}, **row} for row in rows[at : at + 5000]]
        session.execute("UPSERT INTO c VALUES :points", {"points": points})


def write(session: qql.Session, rows: list[Row], chance: random.Random, fresh: int) -> None:
    """Changes, deletes and adds points; of those that are still none."""
    moving = [row for row in chance.sample(rows, 40) if not row["still"]]
    for row in moving[::2]:
        put(session, [row | {"n": chance.randrange(-60, 60), "f": chance.random() * 9}])
    session.execute("DELETE FROM c WHERE id IN :ids", {"ids": [row["id"] for row in moving[1::2]] or [0]})
    values = [5, chance.randrange(-60, 60)]
    put(session, [{"id": fresh + n, "n": one, "f": 0.1} for n, one in enumerate(values)])


def assert_each_comes_once(session: qql.Session, rows: list[Row], order: str, page: int) -> None:
    """Walks while another writes behind every page, and in the middle of it."""
    chance = random.Random(order)
    found: list[Any] = []
    for hit in session.scroll(f"SCROLL FROM c {order}", page=page):
        found.append(hit.id)
        if len(found) % (page // 2) == 0:
            write(session, rows, chance, 1_000_000 + 10 * len(found))
    still = {row["id"] for row in rows if row["still"]}
    assert sorted(map(str, still)) == sorted(str(one) for one in found if one in still)


@engines
@pytest.mark.parametrize("order", ORDERS)
def test_each_point_that_is_not_changed_meanwhile_comes_once(engine: Any, order: str) -> None:
    rows = rows_of(700)
    with engine() as session:
        load(session, rows)
        assert_each_comes_once(session, rows, order, page=60)


@pytest.mark.slow
@engines
@pytest.mark.parametrize("order", ["", "ORDER BY n DESC"])
def test_fifty_thousand_points_come_once_while_others_write(engine: Any, order: str) -> None:
    rows = rows_of(50_000)
    with engine() as session:
        load(session, rows)
        assert_each_comes_once(session, rows, order, page=5000)


@pytest.mark.parametrize("page", [1, 3, 64, 10_000])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_of_any_size_give_what_one_statement_gives(order: str, page: int) -> None:
    rows = rows_of(200)
    with edge() as session:
        load(session, rows)
        whole = session.execute(f"SCROLL FROM c {order} LIMIT 1000")
        walked = list(session.scroll(f"SCROLL FROM c {order}", page=page))
        assert sorted(map(repr, walked)) == sorted(map(repr, whole.hits))
        key = order.split()[2] if order else None
        if key:
            values = [hit.payload[key] for hit in walked if hit.payload]
            assert values == sorted(values, reverse=order.endswith("DESC"))
        else:
            assert [hit.id for hit in walked] == whole.ids


@pytest.mark.parametrize("order", ["", "ORDER BY n"])
def test_limit_is_the_number_of_all_hits_and_after_is_where_they_begin(order: str) -> None:
    with edge() as session:
        load(session, rows_of(300))
        first = session.execute(f"SCROLL FROM c {order} LIMIT 100")
        text = f"SCROLL FROM c {order} AFTER :next LIMIT :most"
        walked = list(session.scroll(text, {"next": first.next, "most": 50}, page=20))
        ids = {hit.id for hit in walked}
        assert len(walked) == len(ids) == 50 and not ids & set(first.ids)
        least = max(hit.payload["n"] for hit in first.hits if hit.payload)
        assert not order or all(hit.payload["n"] >= least for hit in walked if hit.payload)


def test_a_point_with_several_values_comes_once() -> None:
    rows: list[Row] = [{"id": n, "n": [n % 4, 7, 7, n % 11]} for n in range(80)]
    with edge() as session:
        load(session, rows)
        for page in (1, 5, 33):
            found = [hit.id for hit in session.scroll("SCROLL FROM c ORDER BY n", page=page)]
            assert sorted(found, key=int) == list(range(80))


@pytest.mark.parametrize("order", ["", "ORDER BY n"])
def test_a_walk_holds_one_page_however_many_points_there_are(order: str) -> None:
    rows = [{"id": n, "n": n // 3000, "text": "x" * 500} for n in range(6000)]
    with edge() as session:
        load(session, rows)
        del rows
        tracemalloc.start()
        try:
            count = sum(1 for _ in session.scroll(f"SCROLL FROM c {order}", page=100))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert count == 6000
        assert peak < 1_000_000, "all of the points would be 6 MB"


def test_the_points_of_one_value_are_left_out_by_id_for_two_pages_at_most() -> None:
    backend = RecordingBackend(EdgeBackend(None))
    with qql.connect(backend, advice=False) as session:
        load(session, [{"id": n, "n": 5} for n in range(500)])
        before = len(backend.requests)
        assert len(list(session.scroll("SCROLL FROM c ORDER BY n", page=40))) == 500
        bodies = [sent.body or {} for sent in backend.requests[before:]]
        left_out = [
            len(one["has_id"])
            for body in bodies
            for one in (body.get("filter") or {}).get("must_not", ())
            if "has_id" in one
        ]
        assert left_out and max(left_out) <= 80


def test_nothing_is_sent_before_the_first_hit_and_pages_are_fetched_one_by_one() -> None:
    backend = RecordingBackend(EdgeBackend(None))
    with qql.connect(backend, advice=False) as session:
        load(session, [{"id": n} for n in range(25)])

        def scrolls() -> int:
            return sum(sent.path.endswith("/scroll") for sent in backend.requests)

        walk = session.scroll("SCROLL FROM c", page=10)
        assert scrolls() == 0
        next(walk)
        assert scrolls() == 1
        for _ in range(10):
            next(walk)
        assert scrolls() == 2
        walk.close()
        assert list(walk) == [] and scrolls() == 2


def test_points_that_order_by_leaves_out_are_told() -> None:
    with edge() as session:
        load(session, [{"id": 1, "n": 1}, {"id": 2}, {"id": 3}])
        walk = session.scroll("SCROLL FROM c ORDER BY n")
        assert [hit.id for hit in walk] == [1]
        (said,) = walk.warnings
        assert said.code == "absent-points" and "2 points" in said.message


def test_strict_mode_makes_pages_smaller() -> None:
    with FakeServer() as server, qql.connect(server.url, advice=False) as session:
        load(session, [{"id": n, "n": n % 3} for n in range(60)])
        session.execute("ALTER COLLECTION c WITH STRICT_MODE (enabled = true, max_query_limit = 7)")
        for order in ("", "ORDER BY n"):
            assert len({hit.id for hit in session.scroll(f"SCROLL FROM c {order}")}) == 60


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("QUERY [1] FROM c", "not-a-scroll", "execute"),
        ("COUNT FROM c", "not-a-scroll", "execute"),
        ("SCROLL FROM c; SCROLL FROM c", "one-statement", "one SCROLL"),
        ("", "one-statement", "one SCROLL"),
        ("SCROLL FROM nowhere", "unknown-collection", "SHOW COLLECTIONS"),
    ],
)
def test_what_is_no_walk_is_refused_with_what_to_use(text: str, code: str, says: str) -> None:
    with edge() as session:
        load(session, [])
        with pytest.raises(QQLError) as failed:
            list(session.scroll(text))
        assert failed.value.code == code
        assert failed.value.diagnostic.source is not None and failed.value.diagnostic.span is not None
        assert says in str(failed.value)


@pytest.mark.parametrize("page", [0, -1, 2.5, True, "10"])
def test_a_page_is_a_number_of_points(page: Any) -> None:
    with edge() as session:
        load(session, [])
        with pytest.raises(QQLPlanError, match="page requires a whole number"):
            session.scroll("SCROLL FROM c", page=page)


def test_an_error_has_the_place_of_the_statement_and_ends_the_walk() -> None:
    with edge() as session:
        load(session, [{"id": n} for n in range(20)])
        walk = session.scroll("SCROLL FROM c", page=10)
        for _ in range(10):
            next(walk)
        session.execute("DROP COLLECTION c")
        with pytest.raises(QQLError) as failed:
            next(walk)
        assert failed.value.code == "unknown-collection" and failed.value.diagnostic.span is not None
        assert list(walk) == []
