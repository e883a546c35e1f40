"""Parquet files, by pyarrow where it is installed; vectors in NumPy's files beside the rows of others."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest

import qql
from qql.errors import QQLExecutionError
from qql.session.row_files import BadRow, Row, read_rows


def fails(code: str, call: Callable[[], Any]) -> QQLExecutionError:
    with pytest.raises(QQLExecutionError) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


# ------------------------------------------------------------------------------------ Parquet


@pytest.fixture
def arrow() -> Any:
    return pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")


def write_parquet(path: Path, columns: dict[str, Any], **more: Any) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path, **more)
    return path


def test_every_type_becomes_what_json_has(arrow: Any, tmp_path: Path) -> None:
    one = uuid.UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 120_000)
    columns: dict[str, tuple[Any, Any, Any]] = {
        "text": (arrow.string(), "é", "é"),
        "large": (arrow.large_string(), "x", "x"),
        "category": (arrow.dictionary(arrow.int8(), arrow.string()), "x", "x"),
        "bool": (arrow.bool_(), True, True),
        "int": (arrow.int8(), -5, -5),
        "unsigned": (arrow.uint64(), 2**64 - 1, 2**64 - 1),
        "double": (arrow.float64(), 0.1, 0.1),
        "single": (arrow.float32(), 0.5, 0.5),
        "half": (arrow.float16(), numpy.float16(0.25), 0.25),
        "price": (arrow.decimal128(10, 2), Decimal("12.30"), 12.3),
        "count": (arrow.decimal128(10, 0), Decimal("12"), 12),
        "exact": (arrow.decimal128(30, 2), Decimal("12345678901234567890.10"), "12345678901234567890.10"),
        "day": (arrow.date32(), moment.date(), "2024-01-02"),
        "time": (arrow.time64("us"), moment.time(), "03:04:05.120000"),
        "local": (arrow.timestamp("ms"), moment, "2024-01-02T03:04:05.12"),
        "whole": (arrow.timestamp("s"), moment.replace(microsecond=0), "2024-01-02T03:04:05"),
        "utc": (
            arrow.timestamp("us", tz="UTC"),
            moment.replace(tzinfo=datetime.UTC),
            "2024-01-02T03:04:05.12Z",
        ),
        "nano": (arrow.timestamp("ns", tz="UTC"), 1, "1970-01-01T00:00:00.000000001Z"),
        "before": (arrow.timestamp("ns", tz="UTC"), -1, "1969-12-31T23:59:59.999999999Z"),
        "list": (arrow.list_(arrow.string()), ["a", None], ["a", None]),
        "object": (
            arrow.struct({"a": arrow.int8(), "t": arrow.date32()}),
            {"a": 1, "t": moment.date()},
            {"a": 1, "t": "2024-01-02"},
        ),
        "map": (arrow.map_(arrow.string(), arrow.int8()), [("k", 1)], {"k": 1}),
        "empty map": (arrow.map_(arrow.string(), arrow.int8()), [], {}),
        "key": (arrow.uuid(), one.bytes, str(one)),
    }
    given = {name: arrow.array([value, None], kind) for name, (kind, value, _) in columns.items()}
    path = write_parquet(tmp_path / "rows.parquet", {"id": [1, 2], **given})
    wanted = {name: value for name, (_, _, value) in columns.items()}
    rows = list(read_rows(path))
    assert rows == [Row(1, 1, wanted), Row(2, 2, {})]
    json.dumps(rows[0].payload if isinstance(rows[0], Row) else None)


def test_vectors_of_parquet(arrow: Any, tmp_path: Path) -> None:
    fixed = arrow.array([[0.5, 1.0], None, [2.0, float("nan")]], arrow.list_(arrow.float32(), 2))
    path = write_parquet(tmp_path / "rows.pq", {"id": [1, 2, 3], "vector": fixed})
    rows = list(read_rows(path))
    assert rows[:2] == [Row(1, 1, {}, [0.5, 1.0]), Row(2, 2, {}, None)]
    assert rows[2] == BadRow(3, "column `vector`: NaN and infinity are no numbers")


def test_nan_in_a_column_names_row_and_column(arrow: Any, tmp_path: Path) -> None:
    nested = arrow.array([{"x": 1.0}, {"x": float("inf")}, None], arrow.struct({"x": arrow.float64()}))
    path = write_parquet(
        tmp_path / "r.parquet", {"id": [1, 2, 3], "n": [0.5, 1.0, float("nan")], "o": nested}
    )
    rows = list(read_rows(path))
    assert isinstance(rows[0], Row)
    assert isinstance(rows[1], BadRow) and rows[1].line == 2 and "column `o`: inf" in rows[1].reason
    assert isinstance(rows[2], BadRow) and rows[2].line == 3 and "column `n`: nan" in rows[2].reason


def test_columns_of_bytes_are_refused_by_name_or_left_out(arrow: Any, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "r.parquet", {"id": [1], "title": ["x"], "image": [b"\x00"]})
    error = fails("file-format", lambda: read_rows(path))
    assert "`image`" in error.message and "MAP (payload =" in str(error.hint)
    reader = read_rows(path, fields={"payload": ("title",)})
    assert list(reader) == [Row(1, 1, {"title": "x"})]
    assert "`image`" in reader.notes[0]
    fails("file-format", lambda: read_rows(path, fields={"payload": ("image",)}))


def test_damaged_parquet_and_pipes_are_errors(arrow: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    path.write_bytes(b"PAR1 is how it begins")
    assert str(path) in fails("file-format", lambda: read_rows(path)).message
    write_parquet(path, {"id": range(10_000), "t": [f"text {n}" for n in range(10_000)]})
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + b"\xff" * 400 + whole[440:])
    fails("file-format", lambda: list(read_rows(path)))


def test_progress_and_memory_of_parquet(arrow: Any, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "r.parquet", {"id": range(5_000), "t": ["x" * 100] * 5_000})
    reader = read_rows(path)
    assert reader.unit == "row" and reader.bytes_read == 0
    seen = [reader.bytes_read for _ in reader]
    assert seen == sorted(seen) and seen[-1] == reader.total == path.stat().st_size


def test_copy_of_parquet(arrow: Any, tmp_path: Path) -> None:
    vectors = arrow.array([[1.0, 0.0], [0.0, 1.0]], arrow.list_(arrow.float32()))
    path = write_parquet(tmp_path / "r.parquet", {"id": [1, 2], "emb": vectors, "n": [5, 6]})
    with qql.connect() as db:
        db.execute("CREATE COLLECTION docs ('' VECTOR(2, DOT))")
        assert db.execute("COPY docs FROM :path MAP (vector = emb)", {"path": str(path)}).data["copied"] == 2
        found = db.execute("QUERY [0, 1] FROM docs LIMIT 1").hits[0]
        assert (found.id, found.payload) == (2, {"n": 6})


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    path.write_bytes(b"PAR1")
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from qql.errors import QQLError\nfrom qql.session.row_files import read_rows\n"
        f"try: read_rows({str(path)!r})\nexcept QQLError as exc: print(exc.code, exc.hint)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'missing-library pip install "qql-lang[arrow]"'


# ------------------------------------------------------------------------------------ vectors of NumPy


def write_npy(path: Path, array: Any) -> Path:
    numpy.save(path, numpy.asarray(array))
    return path


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "uint32", ">f4"])
def test_a_vector_for_each_row(tmp_path: Path, kind: str) -> None:
    vectors = write_npy(tmp_path / "v.npy", numpy.array([[1, 2], [3, 4]], kind))
    for name, content in (
        ("r.jsonl", '{"id": 1}\n\n{"id": 2}\n'),
        ("r.csv", "id\n1\n2\n"),
        ("r.json", '[{"id": 1}, {"id": 2}]'),
    ):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        rows = list(read_rows(path, arrays={"vector": vectors}))
        assert [(row.id, row.vector) for row in rows if isinstance(row, Row)] == [(1, [1, 2]), (2, [3, 4])]
        (first, _) = read_rows(path, arrays={"dense": str(vectors)})
        assert isinstance(first, Row) and first.payload == {"dense": [1, 2]}


def test_bad_rows_have_their_vectors_too(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"id": 1}\nnonsense\n{"id": 3}\n{"id": 4, "vector": [0, 0]}\n{"id": 5}\n', encoding="utf-8"
    )
    array = [[1, 0], [2, 0], [3, 0], [4, 0], [5, float("nan")]]
    rows = list(read_rows(path, arrays={"vector": write_npy(tmp_path / "v.npy", array)}))
    assert [row.vector if isinstance(row, Row) else None for row in rows] == [
        [1, 0],
        None,
        [3, 0],
        None,
        None,
    ]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    assert "`vector` is there twice" in reasons[1]
    assert "number 2 of vector 5" in reasons[2] and "nan" in reasons[2]


def test_multivectors(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"id": 1}\n', encoding="utf-8")
    vectors = write_npy(tmp_path / "v.npy", [[[1.0, 2.0], [3.0, 4.0]]])
    assert list(read_rows(path, arrays={"vector": vectors})) == [Row(1, 1, {}, [[1.0, 2.0], [3.0, 4.0]])]


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_vectors_is_an_error_before_the_first_row(tmp_path: Path, count: int) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"id": 1}\nbad\n', encoding="utf-8")
    vectors = write_npy(tmp_path / "v.npy", numpy.zeros((count, 2)))
    reader = read_rows(path, arrays={"vector": vectors})
    error = fails("file-format", lambda: next(reader))
    assert f"has {count} vectors" in error.message and "has 2 rows" in error.message


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (numpy.zeros(3), "the shape (3,)"),
        (numpy.array([["a"]]), "no numbers"),
        (numpy.zeros((2, 2), complex), "no numbers"),
        (numpy.array([[None]]), "cannot be read"),
    ],
)
def test_arrays_that_are_no_vectors_are_refused(tmp_path: Path, array: Any, why: str) -> None:
    path = tmp_path / "v.npy"
    numpy.save(path, array, allow_pickle=True)
    assert why in fails("file-format", lambda: read_rows(path)).message


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    for content in (b"", b"nonsense", b"\x93NUMPY\x01\x00\x76\x00{'descr': "):
        path.write_bytes(content)
        fails("file-format", lambda: read_rows(path))
    numpy.savez(tmp_path / "v.npz", a=numpy.zeros((1, 2)))
    (tmp_path / "v.npz").rename(path)
    assert "archive" in fails("file-format", lambda: read_rows(path)).message
    rows = tmp_path / "r.jsonl"
    rows.write_text("{}\n", encoding="utf-8")
    fails("file-unreadable", lambda: read_rows(rows, arrays={"vector": tmp_path / "missing.npy"}))


def test_vectors_alone_are_rows(tmp_path: Path) -> None:
    path = write_npy(tmp_path / "v.npy", [[1.0, 2.0], [float("inf"), 0.0], [3.0, 4.0]])
    reader = read_rows(path, fields={"vector": "vector"})
    rows = list(reader)
    assert [row.line for row in rows] == [1, 2, 3] and isinstance(rows[1], BadRow)
    assert isinstance(rows[2], Row) and (rows[2].vector, rows[2].payload) == ([3.0, 4.0], {})
    assert reader.bytes_read == reader.total
