"""`Session.upsert`: columns of arrays, tables and lists are the points that their rows are."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from fake_server import FakeServer
from fastembed.sparse.sparse_embedding_base import SparseEmbedding

import qql

MULTI = "VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim)"
MAKE = f"CREATE COLLECTION c (v VECTOR(3, DOT), m {MULTI}, s SPARSE)"
N = 600
MATRIX = np.random.default_rng(7).standard_normal((N, 3)).astype(np.float32)
ROWS = np.random.default_rng(8).standard_normal((N, 2, 2)).astype(np.float32)
SPARSE = [SparseEmbedding(indices=np.array([n, n + 3]), values=np.array([0.5, -1.0])) for n in range(N)]
PAYLOAD = [{"n": n, "name": f"row {n}", "tags": ["a", "b"][: n % 3]} for n in range(N)]


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.execute(MAKE)
        yield session


def stored(db: qql.Session, name: str = "c") -> list[Any]:
    hits = db.execute(f"SCROLL FROM {name} WITH VECTOR LIMIT 1000").hits
    return [(hit.id, hit.vector, hit.payload) for hit in hits]


def fault(db: qql.Session, **columns: Any) -> qql.QQLError:
    with pytest.raises(qql.QQLError) as caught:
        db.upsert("c", **columns)
    return caught.value


FORMS: dict[str, Callable[[], Any]] = {
    "array": lambda: MATRIX,
    "doubles": lambda: MATRIX.astype(np.float64),
    "a view of every second": lambda: np.repeat(MATRIX, 2, axis=0)[::2],
    "lists": lambda: MATRIX.tolist(),
    "list of arrays": lambda: list(MATRIX),
    "iterator": lambda: iter(MATRIX),
    "pandas": lambda: pd.Series(list(MATRIX)),
    "polars array": lambda: pl.Series(MATRIX),
    "polars lists": lambda: pl.Series(MATRIX.tolist()),
    "arrow": lambda: pa.FixedSizeListArray.from_arrays(pa.array(MATRIX.ravel()), 3),
    "a part of arrow": lambda: pa.FixedSizeListArray.from_arrays(
        pa.array(np.vstack([MATRIX[:5], MATRIX]).ravel()), 3
    )[5:],
    "arrow in chunks": lambda: pa.chunked_array(
        [pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), 3) for part in np.split(MATRIX, 3)]
    ),
    "arrow lists": lambda: pa.array(MATRIX.tolist()),
}


@pytest.mark.parametrize("form", FORMS)
def test_columns_are_what_their_rows_are(db: qql.Session, form: str) -> None:
    result = db.upsert(
        "c", ids=range(N), vectors={"v": FORMS[form](), "m": ROWS, "s": SPARSE}, payload=PAYLOAD
    )
    assert (result.message, result.data) == (f"upserted {N} points into c", {"upserted": N})
    assert result.warnings == ()
    found = stored(db)
    rows = [
        {"id": n, "vector": {"v": v, "m": m, "s": s}, "payload": payload}
        for n, v, m, s, payload in zip(range(N), MATRIX, ROWS, SPARSE, PAYLOAD, strict=True)
    ]
    db.run(f"DROP COLLECTION c; {MAKE}")
    db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
    assert found == stored(db)


@pytest.mark.parametrize("transport", ["rest", "grpc"])
@pytest.mark.parametrize("size", [None, 250])
def test_a_server_gets_the_same(
    fake_server: Callable[..., FakeServer], transport: str, size: int | None
) -> None:
    server = fake_server()
    columns = {"v": MATRIX, "m": ROWS, "s": SPARSE}
    with qql.connect(server.grpc_url if transport == "grpc" else server.url) as db, qql.connect() as other:
        for one, wait in ((db, False), (other, True)):
            one.execute(MAKE)
            one.upsert("c", ids=range(N), vectors=columns, payload=PAYLOAD, batch_size=size, wait=wait)
        assert stored(db) == stored(other)
    writes = [call.request for call in server.calls if call.name in ("PUT points", "Points/Upsert")]
    assert len(writes) == (1 if size is None else 3)
    assert {str(write.query.get("wait", "false")).lower() for write in writes} == {"false"}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"])
def test_a_table_is_the_payload_and_a_column_of_it_may_be_the_ids(
    db: qql.Session, frame: Callable[[Any], Any]
) -> None:
    day = dt.date(2024, 1, 2)
    table = frame({"key": [5, 6], "price": [0.5, None], "day": [day, None], "name": ["x", None]})
    db.upsert("c", ids="key", vectors={"v": MATRIX[:2]}, payload=table)
    assert [(key, payload) for key, _, payload in stored(db)] == [
        (5, {"price": 0.5, "day": "2024-01-02", "name": "x"}),
        (6, {"price": None, "day": None, "name": None}),
    ]


def test_an_index_is_an_id_where_it_is_asked_for_only(db: qql.Session) -> None:
    table = pd.DataFrame({"a": [1, 2]}, index=[70, 80])
    db.upsert("c", ids=table.index, vectors={"v": MATRIX[:2]}, payload=table)
    db.upsert("c", ids=[1, 2], vectors={"v": MATRIX[:2]}, payload=table)
    assert [(key, payload) for key, _, payload in stored(db)] == [
        (key, {"a": a}) for key, a in ((1, 1), (2, 2), (70, 1), (80, 2))
    ]
    error = fault(db, ids=None, vectors={"v": MATRIX[:2]}, payload=table)
    assert (error.code, "ids=frame.index" in str(error.hint)) == ("missing-id", True)


def test_texts_and_payloads_are_embedded_where_a_vector_has_a_model() -> None:
    texts = ["red wine", "white bread", "red bread"]
    with qql.connect() as db:
        for name in "ab":
            db.execute(f"CREATE COLLECTION {name} (v VECTOR(16, COSINE) MODEL 'local/hash-16')")
        db.upsert("a", ids=range(3), vectors={"v": texts})
        db.upsert("b", ids=range(3), payload=pd.DataFrame({"text": texts}))
        assert [vector for _, vector, _ in stored(db, "a")] == [vector for _, vector, _ in stored(db, "b")]
        assert db.execute("QUERY 'white bread' FROM a LIMIT 1").hits[0].id == 1


def test_the_one_vector_without_a_name_is_given_alone() -> None:
    with qql.connect() as db:
        db.execute("CREATE COLLECTION c VECTOR(3, DOT)")
        db.upsert("c", ids=[1, 2], vectors=MATRIX[:2])
        assert [vector for _, vector, _ in stored(db)] == [pytest.approx(row) for row in MATRIX[:2].tolist()]


NAN = MATRIX.copy()
NAN[577, 1] = np.nan


@pytest.mark.parametrize(
    ("columns", "code", "words"),
    [
        ({"ids": [1, 2]}, "unequal-columns", '`ids` has 2 values, and vectors["v"] has 600'),
        ({"payload": [{}]}, "unequal-columns", "`ids` has 600 values, and `payload` has 1"),
        ({"vectors": {"w": MATRIX}}, "unknown-vector", "`c` has no vector `w`"),
        ({"vectors": MATRIX}, "unknown-vector", "the vectors of `c` have names: v"),
        ({"vectors": {"v": MATRIX[:, :2]}}, "wrong-dimension", "row 1: the vector `v` of `c` has 3"),
        ({"vectors": {"v": [*MATRIX[:577], [1.0], *MATRIX[578:]]}}, "wrong-dimension", "row 578: the vector"),
        ({"vectors": {"v": NAN}}, "number-out-of-range", 'vectors["v"], row 578: NaN'),
        ({"vectors": {"v": NAN.tolist()}}, "number-out-of-range", 'vectors["v"], row 578[1]: NaN'),
        ({"vectors": {"v": np.full_like(MATRIX, np.inf)}}, "number-out-of-range", "NaN and infinity"),
        ({"vectors": {"v": MATRIX.astype(float) * 1e60}}, "malformed-vector", "does not fit a 32-bit"),
        ({"vectors": {"v": MATRIX > 0}}, "malformed-vector", "a vector holds numbers, not"),
        ({"vectors": {"v": MATRIX[0]}}, "malformed-vector", 'vectors["v"], an array of 3'),
        ({"vectors": {"v": pd.DataFrame(MATRIX)}}, "malformed-vector", "which is a DataFrame"),
        ({"vectors": {"v": 5}}, "malformed-vector", 'vectors["v"], which is 5'),
        ({"ids": ["a", *range(599)]}, "invalid-point-id", "row 1: 'a' is no point id"),
        ({"ids": np.arange(600) - 1}, "invalid-point-id", "row 1: -1 is no point id"),
        ({"ids": 5}, "wrong-parameter", "`ids` takes a list"),
        ({"ids": "key"}, "missing-id", "no column `key`"),
        ({"payload": [*PAYLOAD[:9], {"x": float("nan")}, *PAYLOAD[10:]]}, "number-out-of-range", "row 10 of"),
        ({"payload": [*PAYLOAD[:9], 7, *PAYLOAD[10:]]}, "wrong-parameter", "row 10 of `payload` is no"),
        ({"wait": 1}, "bad-wait", "wait is True or False, not 1"),
        ({"batch_size": 0}, "bad-limit", "batch_size is a whole number from 1 on"),
        ({"shard": "eu"}, "unsupported", "shard_key = eu"),
    ],
)
def test_a_bad_column_is_named_and_nothing_is_written(
    db: qql.Session, columns: dict[str, Any], code: str, words: str
) -> None:
    error = fault(db, **{"ids": range(N), "vectors": {"v": MATRIX}, **columns})
    assert error.code == code
    assert words in error.message
    assert stored(db) == []


def test_what_was_written_before_a_batch_is_refused_is_told(
    db: qql.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, sent = db.backend.call, []

    def full(request: Any) -> Any:
        sent.extend([request] if request.method == "PUT" else [])
        if len(sent) == 3 and request.method == "PUT":
            raise qql.QQLExecutionError.make("disk-full", "there is no room")
        return call(request)

    monkeypatch.setattr(db.backend, "call", full)
    error = fault(db, ids=range(N), vectors={"v": MATRIX}, batch_size=100)
    assert "written before: 200 points" in error.message
    assert len(stored(db)) == 200


def test_points_with_one_id_and_points_without_vectors_are_told(db: qql.Session) -> None:
    told = db.upsert("c", ids=[1, 1], vectors={"v": MATRIX[:2]}).warnings
    assert [one.code for one in told] == ["duplicate-id", "no-vector"]
    assert told[0].span is None


@pytest.mark.slow
def test_a_matrix_is_not_copied_into_pythons_numbers() -> None:
    """Its numbers as objects would take 8 times its bytes; the engine's own memory is not counted here."""
    matrix = np.ones((4_000, 256), dtype=np.float32)
    with qql.connect() as db:
        db.execute("CREATE COLLECTION c VECTOR(256, DOT)")
        db.upsert("c", ids=[0], vectors=matrix[:1])
        tracemalloc.start()
        try:
            db.upsert("c", ids=range(4_000), vectors=matrix)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 3 * matrix.nbytes
