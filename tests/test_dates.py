"""Dates: what the engine reads as one compiles, and what it does not is an error before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import qql
from qql.rest.request import Request
from qql.session.session import Session

READ = """
2024-01-01 | 2024-01-01T10:00:00Z | 2024-01-01T10:00:00 | 2024-01-01 10:00:00 | 2024-01-01T10:00
2024-01-01 10:00 | 2024-01-01T10:00:00.123456Z | 2024-01-01 10:00:00.5 | 2024-01-01T10:00:00+01:00
2024-01-01T10:00:00+0100 | 2024-01-01T10:00:00+01 | 2024-01-01 10:00:00+01:00 | 2024-01-01T10:00:00 +01:00
2024-1-1 | 2024-01-01T1:02:03 | 2024-01-01t10:00:00z | 2024-01-01T23:59:60Z | 2024-02-29 | 2000-02-29
0000-01-01 | -0001-01-01 | 9999-12-31T23:59:59Z | 2024-01-01T10:00:00.1234567890123Z
2024-01-01T10:00:00.5+0100 | 2024-01-01T10:00:00UTC | 2024-01-01T10:00:00-00:00
"""
NOT_READ = {
    "2024-02-30": "February 2024 has 29 days",
    "2023-02-29": "February 2023 has 28 days",
    "1900-02-29T00:00:00Z": "February 1900 has 28 days",
    "2024-04-31 10:00": "April 2024 has 30 days",
    "2024-01-00": "January 2024 has 31 days",
    "2024-13-01": "there is no month 13",
    "2024-00-10": "there is no month 0",
    "2024-01-01T25:00:00Z": "there is no hour 25",
    "2024-01-01T24:00:00Z": "there is no hour 24",
    "2024-01-01T23:60:00Z": "there is no minute 60",
    "2024-01-01T23:59:61Z": "there is no second 61",
    "2024-01-01T10:00:00+25:00": "there is no hour 25 in a time zone",
    "2024-01-01T10:00:00+14:60": "there is no minute 60 in a time zone",
    "2024-01-01T10:00Z": "a time with a time zone has seconds",
    "2024-01-01 10:00+0100": "a time with a time zone has seconds",
    "2024-01-01T10": "neither a number nor a date",
    "2024-01": "neither a number nor a date",
    "20240101": "neither a number nor a date",
    "2024/01/01": "neither a number nor a date",
    "10000-01-01": "neither a number nor a date",
}
DATES = [one.strip() for one in READ.replace("\n", "|").split("|") if one.strip()]


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    with qql.connect(":memory:") as session:
        session.execute("CREATE COLLECTION c (dense VECTOR(2, DOT))")
        session.execute("CREATE INDEX ON c FOR day TYPE datetime")
        yield session


def engine_reads(session: Session, date: str) -> bool:
    """Whether the engine itself takes a date, asked past the compiler."""
    body = {"filter": {"must": [{"key": "day", "range": {"gte": date}}]}}
    try:
        session.backend.call(Request("POST", "/collections/c/points/scroll", {}, body))
    except qql.QQLExecutionError:
        return False
    return True


@pytest.mark.parametrize("date", DATES)
def test_what_the_engine_reads_is_a_date(db: Session, date: str) -> None:
    assert engine_reads(db, date)
    db.execute("SCROLL FROM c WHERE day >= :date", {"date": date})
    db.execute("SCROLL FROM c ORDER BY day START FROM :date", {"date": date})


@pytest.mark.parametrize("date", NOT_READ)
def test_what_the_engine_does_not_read_is_an_error_with_a_place(db: Session, date: str) -> None:
    assert not engine_reads(db, date)
    text = f"SCROLL FROM c WHERE day >= '{date}'"
    with pytest.raises(qql.QQLPlanError, match=NOT_READ[date]) as caught:
        qql.compile(text)
    assert (caught.value.line, caught.value.column) == (1, text.index("'") + 1)
    assert "2024-05-01T12:00:00Z" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "SCROLL FROM c WHERE day BETWEEN '2024-01-01' AND {}",
        "COUNT FROM c WHERE day RANGE (gt = {})",
        "SCROLL FROM c ORDER BY day START FROM {}",
        "QUERY ORDER BY day START FROM {} FROM c",
        "DELETE FROM c WHERE NOT day < {}",
        "QUERY FORMULA DATETIME({}) FROM c PREFETCH (QUERY LIMIT 3)",
        "QUERY FORMULA $score + {} FROM c PREFETCH (QUERY LIMIT 3)",
        "QUERY FORMULA EXP_DECAY(x = DATETIME_KEY(day), target = DATETIME({})) FROM c PREFETCH (QUERY)",
        "QUERY FORMULA GAUSS_DECAY(x = day, target = {}) FROM c PREFETCH (QUERY)",
        "QUERY FORMULA CASE WHEN day > {} THEN 1 ELSE 0 END FROM c PREFETCH (QUERY)",
    ],
)
def test_wherever_a_date_may_stand_it_is_one_of_the_calendar(text: str) -> None:
    qql.compile(text.replace("{}", "'2024-02-29'").replace("(QUERY)", "((QUERY))"))
    with pytest.raises(qql.QQLPlanError, match="February 2024 has 29 days") as caught:
        qql.compile(text.replace("{}", "'2024-02-30'").replace("(QUERY)", "((QUERY))"))
    span = caught.value.diagnostic.span
    assert caught.value.code == "impossible-date" and span is not None
    assert span.start <= text.replace("(QUERY)", "((QUERY))").index("{}") < span.end


def test_texts_of_payloads_and_equality_stay_as_they_are(db: Session) -> None:
    db.execute("UPSERT INTO c VALUES {id: 1, vector: {dense: [1, 1]}, made: '2024-02-30'}")
    assert db.execute("SCROLL FROM c WHERE made = '2024-02-30'").ids == [1]


def test_nothing_of_a_script_is_sent_where_a_date_is_impossible(db: Session) -> None:
    with pytest.raises(qql.QQLError, match="impossible-date"):
        db.run("CREATE COLLECTION other VECTOR(2, DOT); SCROLL FROM c WHERE day > '2024-02-30';")
    assert "other" not in db.collections()
