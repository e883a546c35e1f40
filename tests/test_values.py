"""Python values where the language has a value: each kind, at each door, and what is no value."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import itertools
import pathlib
import subprocess
import sys
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from fastembed.sparse.sparse_embedding_base import SparseEmbedding
from qdrant_client import models

import qql
from qql.compiler import python_values
from qql.models.embedders.base import plain_vector
from qql.models.rerankers.base import check_scores
from qql.rest.request import Request
from qql.session import session as sessions


class Colour(enum.Enum):
    RED = "red"
    FIVE = 5


class Word(enum.StrEnum):
    A = "a"


@dataclasses.dataclass
class Book:
    title: str
    day: dt.date
    price: decimal.Decimal


class Paper(pydantic.BaseModel):
    title: str
    day: dt.date
    price: decimal.Decimal


class Sparse:
    """A sparse vector of some library."""

    def __init__(self) -> None:
        self.indices = np.array([3, 7])
        self.values = np.array([0.5, 0.25], dtype=np.float32)


PLUS_TWO = dt.timezone(dt.timedelta(hours=2))
BEFORE_1900 = dt.timezone(dt.timedelta(minutes=53, seconds=28))
FIELDS = {"title": "x", "day": "2024-01-02", "price": 9.75}
SPARSE = {"indices": [3, 7], "values": [0.5, 0.25]}
DAY = dt.date(2024, 1, 2)
BOOK = Book("x", DAY, decimal.Decimal("9.75"))
PAPER = Paper(title="x", day=DAY, price=decimal.Decimal("9.75"))

KINDS: list[tuple[Any, Any]] = [
    # one value
    (decimal.Decimal("1.50"), 1.5),
    (decimal.Decimal("5"), 5),
    (decimal.Decimal("1E+2"), 100),
    (decimal.Decimal("1E+30"), 1e30),
    (Colour.RED, "red"),
    (Colour.FIVE, 5),
    (Word.A, "a"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (type("Text", (str,), {})("abc"), "abc"),
    (np.str_("abc"), "abc"),
    (np.float64(0.5), 0.5),
    (type("Count", (int,), {})(7), 7),
    (np.bool_(True), True),
    (np.int64(5), 5),
    (np.float16(0.5), 0.5),
    (pa.scalar(5), 5),
    (pa.scalar("a"), "a"),
    (pa.scalar(None), None),
    # dates
    (DAY, "2024-01-02"),
    (dt.datetime(2024, 1, 2, 3, 4), "2024-01-02T03:04:00"),
    (dt.datetime(2024, 1, 2, 3, 4, tzinfo=PLUS_TWO), "2024-01-02T03:04:00+02:00"),
    (dt.datetime(1880, 1, 1, 0, 53, 28, tzinfo=BEFORE_1900), "1880-01-01T00:00:00+00:00"),
    (dt.time(3, 4), "03:04:00"),
    (np.datetime64("2024-01-02T03:04", "ns"), "2024-01-02T03:04:00"),
    (pd.Timestamp("2024-01-02", tz="Europe/Berlin"), "2024-01-02T00:00:00+01:00"),
    (pa.scalar(1, pa.timestamp("s")), "1970-01-01T00:00:01"),
    (pd.NaT, None),
    (pd.NA, None),
    (np.datetime64("NaT", "ns"), None),
    # lists
    ((0.5, 1), [0.5, 1]),
    (type("Values", (list,), {})(["a", DAY]), ["a", "2024-01-02"]),
    (collections.namedtuple("Pair", "a b")(1, DAY), [1, "2024-01-02"]),
    (range(3), [0, 1, 2]),
    (collections.deque([1, 2]), [1, 2]),
    ({"a": 1, "b": 2}.values(), [1, 2]),
    ({"a": 1}.keys(), ["a"]),
    ({2, 1}, [1, 2]),
    (array.array("f", [0.5]), [0.5]),
    (memoryview(array.array("d", [0.5])), [0.5]),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array([True, False]), [True, False]),
    (np.array([decimal.Decimal("0.5"), None], dtype=object), [0.5, None]),
    (pd.Series([1, None], dtype="Int64"), [1, None]),
    (pd.Series(["a", "b"], dtype="category"), ["a", "b"]),
    (pd.Series(pd.to_datetime(["2024-01-02", None])), ["2024-01-02T00:00:00", None]),
    (pd.Index([1, 2]), [1, 2]),
    (pl.Series([0.5, None]), [0.5, None]),
    (pl.Series([DAY]), ["2024-01-02"]),
    (pl.Series([1_000], dtype=pl.Datetime("ns")), ["1970-01-01T00:00:00.000001"]),
    (pl.Series([1], dtype=pl.Datetime("ns")), ["1970-01-01T00:00:00.000000001"]),
    (pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float32, 2)), [[1.0, 2.0]]),
    (pa.array([0.5, None]), [0.5, None]),
    (pa.chunked_array([["a"], ["b"]]), ["a", "b"]),
    (pa.array([1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"]),
    # objects
    (BOOK, FIELDS),
    (PAPER, FIELDS),
    ({"colour": Colour.RED, "all": (Colour.FIVE,)}, {"colour": "red", "all": [5]}),
    (types.MappingProxyType({"a": DAY}), {"a": "2024-01-02"}),
    (models.SparseVector(indices=[3, 7], values=[0.5, 0.25]), SPARSE),
    (SparseEmbedding(indices=np.array([3, 7]), values=np.array([0.5, 0.25])), SPARSE),
    (Sparse(), SPARSE),
    # tables
    (pd.DataFrame({"a": [1, 2], "b": [0.5, None]}, index=[7, 8]), [{"a": 1, "b": 0.5}, {"a": 2, "b": None}]),
    (pl.DataFrame({"a": [1, 2], "b": [0.5, None]}), [{"a": 1, "b": 0.5}, {"a": 2, "b": None}]),
    (pa.table({"a": [1, 2], "b": [0.5, None]}), [{"a": 1, "b": 0.5}, {"a": 2, "b": None}]),
]


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.execute("CREATE COLLECTION c (v VECTOR(2, DOT), w SPARSE)")
        yield session


def exactly(value: Any) -> Any:
    """The value with its types: True is not 1, and no class of another library is left."""
    if isinstance(value, dict):
        return {(type(key), key): exactly(item) for key, item in value.items()}
    return [exactly(item) for item in value] if isinstance(value, list) else (type(value), value)


def by_compile(value: Any) -> Any:
    (request,) = qql.compile("UPSERT INTO c VALUES {id: 1, x: :x}", {"x": value})
    assert request.body is not None
    return request.body["points"][0]["payload"]["x"]


def by_rows(value: Any) -> Any:
    (request,) = qql.compile("UPSERT INTO c VALUES :rows", {"rows": [{"id": 1, "x": value}]})
    assert request.body is not None
    return request.body["points"][0]["payload"]["x"]


def by_number(value: Any) -> Any:
    (request,) = qql.compile("UPDATE c SET PAYLOAD = {x: ?} WHERE id = 1", [value])
    assert request.body is not None
    return request.body["payload"]["x"]


def by_prepared(value: Any) -> Any:
    body = qql.prepare("UPDATE c SET PAYLOAD = {x: :x} WHERE id = 1").bind(x=value).body
    assert body is not None
    return body["payload"]["x"]


def by_request(value: Any) -> Any:
    point = {"id": 1, "vector": {}, "payload": {"x": value}}
    text = qql.from_request({"method": "PUT", "path": "/collections/c/points", "body": {"points": [point]}})
    (request,) = qql.compile(text)
    assert request.body is not None
    return request.body["points"][0]["payload"]["x"]


DOORS = [by_compile, by_rows, by_number, by_prepared, by_request]


@pytest.mark.parametrize(("value", "arrives"), KINDS, ids=[type(one).__name__ for one, _ in KINDS])
def test_a_value_arrives_the_same_by_every_door(value: Any, arrives: Any) -> None:
    for door in DOORS:
        assert exactly(door(value)) == exactly(arrives), door.__name__


@pytest.mark.parametrize(
    ("value", "why", "hint"),
    [
        (b"abc", "bytes is no JSON: what text", "decode()"),
        (memoryview(b"abc"), "memoryview is no JSON", "base64"),
        (np.bytes_(b"abc"), "is no JSON", "decode()"),
        (decimal.Decimal("0.1234567890123456789"), "more digits than a number", "str(…)"),
        (decimal.Decimal("NaN"), "NaN", "None"),
        (decimal.Decimal("-Infinity"), "infinity", ""),
        (decimal.Decimal("1E+1000000000"), "infinity", ""),
        (dt.timedelta(1), "timedelta is no JSON", "seconds"),
        (pd.Timedelta("1s"), "Timedelta is no JSON", "seconds"),
        (pd.Period("2024-01"), "Period is no JSON", "str(…)"),
        (pl.DataFrame({"a": [1]}).lazy(), "LazyFrame has no rows yet", "collect()"),
        (pd.DataFrame([[1]]), "the name of a column is no text", "columns=str"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns `a`", ""),
        (itertools.count(), "a count gives more than 1,000,000 values", "a list"),
        (range(10**15), "a range gives more than 1,000,000 values", "a list"),
        (Colour, "EnumType is no JSON", ""),
        (open, "is no JSON", ""),
        (1j, "complex is no JSON", ""),
        (qql.condition("a = 1"), "Compare is no JSON", ""),
        (pd.Series([0.5, float("nan")]), ":x[1]: NaN", "None"),
        (pl.Series([0.5, float("nan")]), ":x[1]: NaN", "None"),
        (pa.array([0.5, float("nan")]), ":x[1]: NaN", "None"),
        ([1, {"a": Book("x", DAY, decimal.Decimal("NaN"))}], "row 2 of :x, `a.price`: NaN", "None"),
        (pl.DataFrame({"a": [0.5, float("nan")]}), "row 2 of :x, `a`: NaN", "None"),
    ],
)
def test_what_is_no_value_is_refused_with_a_reason(value: Any, why: str, hint: str) -> None:
    with pytest.raises(qql.QQLPlanError) as error:
        qql.compile("UPDATE c SET PAYLOAD = {x: :x} WHERE id = 1", {"x": value})
    found = error.value.diagnostic
    assert why in found.message
    assert hint in (found.hint or "")
    assert found.span is not None and found.span.start == len("UPDATE c SET PAYLOAD = {x: ")


# ------------------------------------------------------------------------------------ what is read once


def numbers() -> Iterator[int]:
    yield from (1, 2, 3)


def test_a_generator_is_read_once_wherever_its_values_stand() -> None:
    (twice,) = qql.compile("COUNT FROM c WHERE a IN :x OR b IN :x", {"x": numbers()})
    assert twice.body is not None
    values = [one["match"]["any"] for one in twice.body["filter"]["should"]]
    assert values == [[1, 2, 3], [1, 2, 3]]
    script = qql.compile("COUNT FROM c WHERE a IN :x; COUNT FROM d WHERE a IN :x", {"x": map(int, "12")})
    assert [one.body["filter"]["must"][0]["match"]["any"] for one in script if one.body] == [[1, 2]] * 2
    rows = ({"id": n, "tags": (tag for tag in "ab")} for n in numbers())
    (upsert,) = qql.compile("UPSERT INTO c VALUES :rows", {"rows": rows})
    assert upsert.body is not None
    assert [one["payload"]["tags"] for one in upsert.body["points"]] == [["a", "b"]] * 3
    condition = qql.condition("a IN :x OR b IN :x", x=numbers())
    assert qql.compile("COUNT FROM c WHERE :f", {"f": condition})[0].body == twice.body


def test_a_statement_that_is_compiled_again_has_the_values_of_its_generators(db: qql.Session) -> None:
    assert db.schema("c") is not None
    db.backend.call(Request("DELETE", "/collections/c"))  # what the session knows is old now
    vectors = {"late": {"size": 3, "distance": "Dot"}}
    db.backend.call(Request("PUT", "/collections/c", body={"vectors": vectors}))
    vector = (float(one) for one in "123")
    (request,) = db.execute("QUERY :v FROM c USING late", {"v": vector}).requests
    assert request.body is not None and request.body["query"] == {"nearest": [1.0, 2.0, 3.0]}


def test_what_was_not_read_to_its_end_is_refused_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_values, "MOST_READ", 4)
    more = iter(range(6))  # a second look would find no more than two, and no fault
    with pytest.raises(qql.QQLPlanError, match="gives more than 4 values"):
        qql.compile("COUNT FROM c WHERE a IN :x OR b IN :x", {"x": more})


def test_callers_keep_what_they_gave() -> None:
    rows = [{"id": 1, "tags": iter("ab")}, {"id": 2, "tags": ["c"]}]
    given = {"rows": rows, "unused": None}
    qql.compile(
        "UPSERT INTO c VALUES :rows; COUNT FROM c WHERE a = :unused OR b IS NULL", given | {"unused": 1}
    )
    assert given == {"rows": rows, "unused": None}
    assert not isinstance(rows[0]["tags"], list) and rows[1] == {"id": 2, "tags": ["c"]}


def test_an_object_is_the_values_by_its_fields() -> None:
    text = "COUNT FROM c WHERE title = :title AND day >= :day AND price < :price"
    requests = [qql.compile(text, given) for given in (BOOK, PAPER, FIELDS)]
    assert requests[0] == requests[1] == requests[2]


# ------------------------------------------------------------------------------------ rows


FRAMES: list[Callable[[dict[str, list[Any]]], Any]] = [pd.DataFrame, pl.DataFrame, pa.table]


@pytest.mark.parametrize("frame", FRAMES, ids=["pandas", "polars", "arrow"])
def test_a_table_is_its_rows(db: qql.Session, frame: Callable[[Any], Any]) -> None:
    columns = {
        "id": [1, 2],
        "v": [[0.5, 1.0], [0.25, 2.0]],
        "price": [1.5, None],
        "name": ["x", None],
        "day": [DAY, None],
        "seen": [dt.datetime(2024, 1, 2, 3), None],
        "new": [True, None],
    }
    db.execute("UPSERT INTO c VALUES :rows", {"rows": frame(columns)})
    hits = db.execute("SCROLL FROM c WITH VECTOR LIMIT 9").hits
    assert [hit.vector for hit in hits] == [{"v": [0.5, 1]}, {"v": [0.25, 2]}]
    first = {"price": 1.5, "name": "x", "day": "2024-01-02", "seen": "2024-01-02T03:00:00", "new": True}
    assert exactly(hits[0].payload) == exactly(first)
    assert hits[1].payload == dict.fromkeys(first)
    assert db.execute("COUNT FROM c WHERE seen < :t", {"t": pd.Timestamp("2024-01-03")}).data == {"count": 1}


def test_the_row_and_the_key_of_one_bad_value_in_ten_thousand_are_named() -> None:
    books = [Book("x", DAY, decimal.Decimal(n)) for n in range(10_000)]
    books[7_776].price = decimal.Decimal("NaN")
    rows = [{"id": n, "book": book} for n, book in enumerate(books)]
    table = pl.DataFrame({"id": range(10_000), "price": [0.5] * 7_776 + [float("nan")] + [0.5] * 2_223})
    for given, place in ((rows, "book.price"), (iter(rows), "book.price"), (table, "price")):
        with pytest.raises(qql.QQLPlanError) as error:
            qql.compile("UPSERT INTO c VALUES :rows", {"rows": given})
        assert error.value.message.startswith(f"row 7777 of :rows, `{place}`: NaN")


def test_true_is_no_number_to_the_engine(db: qql.Session) -> None:
    rows = [{"id": 1, "x": np.bool_(True)}, {"id": 2, "x": 1}]
    db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
    found = db.execute("SCROLL FROM c WHERE x = :x LIMIT 9", {"x": np.bool_(True)}).hits
    assert [(hit.id, hit.payload) for hit in found] == [(1, {"x": True})]


def test_a_missing_date_is_never_a_text(db: qql.Session) -> None:
    rows = [{"id": 1, "x": pd.NaT, "y": np.datetime64("NaT", "ns"), "z": pd.Series([pd.NaT])}]
    db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
    (hit,) = db.execute("SCROLL FROM c LIMIT 9").hits
    assert hit.payload == {"x": None, "y": None, "z": [None]}
    for condition in ("x = :x", "x < :x", "x IN :x"):
        with pytest.raises(qql.QQLPlanError):
            db.execute(f"COUNT FROM c WHERE {condition}", {"x": pd.NaT})


def test_places_that_hold_no_json_take_the_same_values() -> None:
    class Way(enum.Enum):
        DOWN = "desc"
        FIELD = "year"

    text = "SCROLL FROM c ORDER BY IDENTIFIER(:field) :way"
    given = {"field": Way.FIELD, "way": Way.DOWN}
    (request,) = qql.compile(text, given)
    assert request.body is not None
    assert request.body["order_by"] == {"key": "year", "direction": "desc"}
    (open_end,) = qql.compile("COUNT FROM c WHERE OPTIONAL (day > :day)", {"day": pd.NaT})
    assert open_end.body is not None and "filter" not in open_end.body
    must = models.Filter(must=[models.HasIdCondition(has_id=[1])])
    (by_model,) = qql.compile("COUNT FROM c WHERE :which", {"which": must})
    assert by_model.body is not None and by_model.body["filter"] == {"must": [{"has_id": [1]}]}


def test_sparse_vectors_of_other_libraries_search_and_are_written(db: qql.Session) -> None:
    found = [
        models.SparseVector(indices=[3, 7], values=[0.5, 0.25]),
        SparseEmbedding(indices=np.array([3, 7]), values=np.array([0.5, 0.25])),
        Sparse(),
    ]
    rows = [{"id": number, "w": one} for number, one in enumerate(found)]
    db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
    for one in found:
        hits = db.execute("QUERY :w FROM c USING w", {"w": one}).hits
        assert len(hits) == 3 and len({hit.score for hit in hits}) == 1


# ------------------------------------------------------------------------------------ what it costs


def test_an_array_as_a_query_is_planned_as_often_as_a_list_is(
    db: qql.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "QUERY :v FROM c USING v LIMIT 3"
    db.execute(text, {"v": [0.5, 1.0]})
    monkeypatch.setattr(sessions, "compile_script", None)
    for vector in (np.array([0.5, 1.0]), pl.Series([0.5, 1.0]), (float(one) for one in "12")):
        assert db.execute(text, {"v": vector}).hits == []


def test_no_library_is_imported_to_tell_its_values() -> None:
    program = (
        "import sys, qql, decimal, pathlib\n"
        "qql.compile('UPSERT INTO c VALUES :rows', {'rows': [{'id': 1, 'x': decimal.Decimal(1),"
        " 'y': pathlib.Path('a'), 'z': iter('ab')}]})\n"
        "heavy = {'numpy', 'pandas', 'polars', 'pyarrow', 'pydantic', 'qdrant_client'}\n"
        "print(sorted(heavy & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ------------------------------------------------------------------------------------ models


@pytest.mark.parametrize(
    "vector",
    [
        np.array([0.5, 1.0]),
        (0.5, np.float32(1)),
        (one for one in (0.5, 1.0)),
        pl.Series([0.5, 1.0]),
        pa.array([0.5, 1.0]),
        pd.Series([0.5, 1.0]),
        array.array("f", [0.5, 1.0]),
    ],
    ids=lambda vector: type(vector).__name__,
)
def test_a_model_may_answer_with_any_of_them(vector: Any) -> None:
    assert exactly(plain_vector(vector)) == exactly([0.5, 1.0])
    if not isinstance(vector, Iterator):
        assert check_scores(vector, count=2, model="m") == [0.5, 1.0]


@pytest.mark.parametrize("vector", ["text", None, 5, b"ab", {"indices": 1, "values": 2}, object()])
def test_a_model_may_not_answer_with_what_is_no_vector(vector: Any) -> None:
    with pytest.raises(TypeError):
        plain_vector(vector)


def test_functions_as_models_answer_with_columns_and_sparse_objects() -> None:
    sizes = {"red": [1.0, 0.0], "white": [0.0, 1.0]}
    embedders = {
        "dense": lambda texts: [pl.Series(sizes[text]) for text in texts],
        "sparse": lambda texts: (models.SparseVector(indices=[len(text)], values=[1]) for text in texts),
    }
    rerankers = {"longest": lambda _, texts: pa.array([float(len(text)) for text in texts])}
    with qql.connect(embedders=embedders, rerankers=rerankers) as db:
        db.execute("CREATE COLLECTION m (v VECTOR(2, DOT) MODEL 'dense', w SPARSE MODEL 'sparse')")
        db.execute("UPSERT INTO m VALUES {id: 1, text: 'red'}, {id: 2, text: 'white'}")
        assert db.execute("QUERY 'red' FROM m USING v LIMIT 1").hits[0].id == 1
        assert [hit.id for hit in db.execute("QUERY 'white' FROM m USING w").hits] == [2]
        text = "QUERY 'red' FROM m USING v LIMIT 2 RERANK MODEL 'longest'"
        assert [hit.id for hit in db.execute(text).hits] == [2, 1]
