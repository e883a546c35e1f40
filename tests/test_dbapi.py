"""Python's DB-API 2.0 (PEP 249), clause by clause, on the embedded engine."""

from __future__ import annotations

import datetime
import doctest
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import qql
from qql import dbapi

MAKE = "CREATE COLLECTION docs VECTOR(2, COSINE)"
PUT = "UPSERT INTO docs VALUES {id: :id, vector: :v, title: :title, tags: ['a', 'b'], n: :n}"
ROWS: list[dict[str, Any]] = [
    {"id": n, "v": [1.0, n / 10], "title": f"title {n}", "n": n if n % 2 else None} for n in range(1, 8)
]
ALL = "SCROLL FROM docs LIMIT 100"


@pytest.fixture
def connection() -> Iterator[dbapi.Connection]:
    made = dbapi.connect(":memory:")
    cursor = made.cursor()
    cursor.execute(MAKE)
    cursor.executemany(PUT, ROWS)
    made.commit()
    yield made
    if made._session is not None:
        made.close()


@pytest.fixture
def cursor(connection: dbapi.Connection) -> dbapi.Cursor:
    return connection.cursor()


# ------------------------------------------------------------------------------------ the module


def test_the_globals() -> None:
    assert (dbapi.apilevel, dbapi.paramstyle) == ("2.0", "named")
    assert dbapi.threadsafety in (0, 1, 2, 3)


def test_the_examples_of_the_module() -> None:
    failed, tried = doctest.testmod(dbapi)
    assert tried == 2 and not failed


def test_the_tree_of_errors() -> None:
    assert issubclass(dbapi.Warning, Exception) and issubclass(dbapi.Error, Exception)
    for name in ("InterfaceError", "DatabaseError"):
        assert issubclass(getattr(dbapi, name), dbapi.Error)
    for name in ("Data", "Operational", "Integrity", "Internal", "Programming", "NotSupported"):
        assert issubclass(getattr(dbapi, f"{name}Error"), dbapi.DatabaseError)


def test_a_connection_has_the_errors_too(connection: dbapi.Connection) -> None:
    names = [
        name for name, one in vars(dbapi).items() if inspect.isclass(one) and issubclass(one, dbapi.Error)
    ]
    assert len(names) == 9
    for name in [*names, "Warning"]:
        assert getattr(connection, name) is getattr(dbapi, name)


def test_constructors() -> None:
    assert dbapi.Date(2026, 1, 2) == datetime.date(2026, 1, 2)
    assert dbapi.Time(1, 2, 3) == datetime.time(1, 2, 3)
    assert dbapi.Timestamp(2026, 1, 2, 3, 4, 5) == datetime.datetime(2026, 1, 2, 3, 4, 5)
    ticks = datetime.datetime(2026, 1, 2, 3, 4, 5).timestamp()
    assert dbapi.DateFromTicks(ticks) == datetime.date(2026, 1, 2)
    assert dbapi.TimeFromTicks(ticks) == datetime.time(3, 4, 5)
    assert dbapi.TimestampFromTicks(ticks) == datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert dbapi.Binary(b"x") == b"x"


# ------------------------------------------------------------------------------------ connections


def test_commit_does_nothing_and_rollback_cannot_undo(connection: dbapi.Connection) -> None:
    connection.commit()
    connection.rollback()
    cursor = connection.cursor()
    cursor.execute("USE docs")
    cursor.execute("COUNT FROM docs")
    connection.rollback()
    cursor.execute("DELETE FROM docs WHERE n = 1")
    with pytest.raises(dbapi.NotSupportedError, match="no transactions"):
        connection.rollback()
    connection.rollback()
    cursor.execute("DELETE FROM docs WHERE n = 3")
    connection.commit()
    connection.rollback()


def test_nothing_is_done_with_what_is_closed(connection: dbapi.Connection) -> None:
    cursor, other = connection.cursor(), connection.cursor()
    other.execute(ALL)
    cursor.close()
    cursor.close()
    uses: list[Callable[[], object]] = [lambda: cursor.execute(ALL), cursor.fetchall]
    connection.close()
    uses += [connection.cursor, connection.commit, connection.rollback, connection.close]
    uses += [lambda: other.execute(ALL), other.fetchone, lambda: other.executemany(PUT, ROWS)]
    for use in uses:
        with pytest.raises(dbapi.InterfaceError, match="closed"):
            use()


def test_a_session_of_ones_own_stays_open() -> None:
    with qql.connect(":memory:") as db:
        with dbapi.connect(db) as connection:
            connection.cursor().execute(MAKE)
        assert len(db.execute("SHOW COLLECTIONS")) == 1
        with pytest.raises(dbapi.InterfaceError, match="count"):
            dbapi.connect(db, count=True)


# ------------------------------------------------------------------------------------ what comes back


def test_the_description_has_seven_items_for_each_column(cursor: dbapi.Cursor) -> None:
    assert cursor.description is None
    cursor.execute("QUERY [1.0, 0.1] FROM docs LIMIT 3")
    assert cursor.description is not None
    assert all(len(column) == 7 for column in cursor.description)
    kinds = {column[0]: column[1] for column in cursor.description}
    assert kinds == {
        "id": dbapi.ROWID,
        "score": dbapi.NUMBER,
        "title": dbapi.STRING,
        "tags": dbapi.OBJECT,
        "n": dbapi.NUMBER,
    }
    assert [column.null_ok for column in cursor.description] == [False, False, False, False, True]
    cursor.execute("DELETE FROM docs WHERE n = 1")
    assert cursor.description is None


def test_rows_are_those_of_the_session(connection: dbapi.Connection, cursor: dbapi.Cursor) -> None:
    cursor.execute("QUERY :v FROM docs LIMIT :k", {"v": [1.0, 0.3], "k": 4})
    hits = connection.session.execute("QUERY [1.0, 0.3] FROM docs LIMIT 4").hits
    assert cursor.fetchall() == [(hit.id, hit.score, *(hit.payload or {}).values()) for hit in hits]
    assert cursor.rowcount == 4


def test_values_by_their_places(cursor: dbapi.Cursor) -> None:
    cursor.execute("SCROLL FROM docs WHERE n = ? LIMIT ?", [3, 5])
    assert [row[0] for row in cursor] == [3]


def test_rows_are_fetched_one_by_one_some_and_all(cursor: dbapi.Cursor) -> None:
    cursor.execute(ALL)
    assert cursor.rownumber == 0
    assert cursor.fetchone()[0] == 1  # type: ignore[index]
    assert [row[0] for row in cursor.fetchmany()] == [2]
    cursor.arraysize = 2
    assert [row[0] for row in cursor.fetchmany()] == [3, 4]
    assert [row[0] for row in cursor.fetchmany(1)] == [5]
    assert cursor.rownumber == 5
    assert [row[0] for row in cursor.fetchall()] == [6, 7]
    assert (cursor.fetchone(), cursor.fetchmany(3), cursor.fetchall(), [*cursor]) == (None, [], [], [])


def test_no_rows_is_not_an_error_but_no_statement_is(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    with pytest.raises(dbapi.ProgrammingError):
        cursor.fetchone()
    cursor.execute("SCROLL FROM docs WHERE n = 99")
    assert (cursor.fetchone(), cursor.fetchall(), cursor.rowcount) == (None, [], 0)
    assert cursor.description is not None
    cursor.execute("DELETE FROM docs WHERE n = 99")
    for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall):
        with pytest.raises(dbapi.ProgrammingError):
            fetch()


def test_the_number_of_points_that_were_written(cursor: dbapi.Cursor) -> None:
    assert cursor.rowcount == -1
    cursor.executemany(PUT, ROWS)
    assert cursor.rowcount == 7
    cursor.execute("UPDATE docs SET PAYLOAD = {x: 1} WHERE n > 2")
    assert cursor.rowcount == 3
    cursor.execute("DELETE FROM docs WHERE n >= 5")
    assert cursor.rowcount == 2
    cursor.execute("COUNT FROM docs")
    assert (cursor.rowcount, cursor.fetchone()) == (1, (5,))
    cursor.execute("DROP COLLECTION docs")
    assert cursor.rowcount == -1


def test_a_text_is_a_column_of_lines(cursor: dbapi.Cursor) -> None:
    cursor.execute("EXPLAIN COUNT FROM docs")
    rows = cursor.fetchall()
    assert [column[0] for column in cursor.description or ()] == ["text"]
    assert ("POST /collections/docs/points/count",) in rows


def test_warnings_are_messages(cursor: dbapi.Cursor) -> None:
    cursor.execute("QUERY [1.0, 0.1] FROM docs WHERE titel = 'x' LIMIT 3")
    assert [kind for kind, _ in cursor.messages] and all(kind is dbapi.Warning for kind, _ in cursor.messages)
    assert any("titel" in str(said) for _, said in cursor.messages)
    cursor.execute(ALL)
    assert cursor.messages == []


def test_sizes_are_taken(cursor: dbapi.Cursor) -> None:
    cursor.setinputsizes([10])
    cursor.setoutputsize(10)
    cursor.setoutputsize(10, 1)
    assert cursor.execute(ALL).fetchone() is not None
    assert cursor.lastrowid is None


# ------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("operation", "parameters", "kind"),
    [
        ("QUERY FORM docs", None, dbapi.ProgrammingError),
        ("COUNT FROM docs; COUNT FROM docs", None, dbapi.ProgrammingError),
        ("COUNT FROM nope", None, dbapi.ProgrammingError),
        ("COUNT FROM docs WHERE n = :n", {"m": 1}, dbapi.ProgrammingError),
        ("UPSERT INTO docs VALUES {id: 1, vector: [1.0]}", None, dbapi.DatabaseError),
        (MAKE, None, dbapi.IntegrityError),
        ("SHOW QUOTAS", None, dbapi.NotSupportedError),
        ("QUERY 'text' FROM docs", None, dbapi.DatabaseError),
    ],
)
def test_errors_of_statements(
    cursor: dbapi.Cursor, operation: str, parameters: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        cursor.execute(operation, parameters)
    assert isinstance(caught.value.__cause__, qql.QQLError)
    assert caught.value.diagnostics == caught.value.__cause__.diagnostics  # type: ignore[attr-defined]
    assert str(caught.value) == str(caught.value.__cause__)
    assert cursor.description is None


def test_a_server_that_is_not_there_is_an_operational_error() -> None:
    connection = dbapi.connect("http://127.0.0.1:1", retries=0)
    with pytest.raises(dbapi.OperationalError):
        connection.cursor().execute("COUNT FROM docs")
    connection.close()


def test_many_sets_of_values_are_all_checked_first(cursor: dbapi.Cursor) -> None:
    with pytest.raises(dbapi.Error, match="row 3"):
        cursor.executemany(PUT, [{**ROWS[0], "id": 91}, {**ROWS[0], "id": 92}, {**ROWS[0], "id": -1}])
    cursor.execute("COUNT FROM docs WHERE id IN (91, 92)")
    assert cursor.fetchone() == (0,)


def test_executemany_is_for_writes(cursor: dbapi.Cursor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "qql.request")
    for given in ([{"n": 1}, {"n": 3}], []):
        with pytest.raises(dbapi.ProgrammingError, match="executemany is for writes"):
            cursor.executemany("COUNT FROM docs WHERE n = :n", given)
    assert not caplog.records, "nothing was sent"
    cursor.executemany(PUT, [])
    assert cursor.rowcount == -1
