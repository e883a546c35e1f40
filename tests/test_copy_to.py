"""COPY ( statement ) TO: the hits and rows of a statement in a file, whole or not at all."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from refusals import failure

import qql
from qql.backends.recording import RecordingBackend
from qql.errors import QQLExecutionError, QQLPlanError
from qql.frames.columns import columns_of
from qql.rest.request import Request

MAKE = """
CREATE COLLECTION c (v VECTOR(2, DOT));
CREATE INDEX ON c FOR a TYPE keyword;
UPSERT INTO c VALUES
  {id: 1, v: [1, 2], a: 'x', text: 'a "quoted", text'}, {id: 2, v: [1, 3], a: 'y', l: [1, {b: 2}]};
"""
STATEMENTS = [
    "SCROLL FROM c WITH VECTORS",
    "QUERY [1, 1] FROM c USING v",
    "QUERY [1, 1] FROM c USING v GROUP BY a",
    "FACET a FROM c",
    "COUNT FROM c",
    "SHOW COLLECTIONS",
    "SHOW INDEXES ON c",
    "SHOW STAGES",
    "SCROLL FROM c WHERE a = 'none'",
]


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run(MAKE)
        yield session


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_is_written_is_what_the_statement_gives(db: qql.Session, tmp_path: Path, statement: str) -> None:
    plain = db.execute(statement)
    wanted = [hit.to_dict() for hit in plain.hits] if plain.kind == "hits" else plain.rows
    for name in ("o.jsonl", "o.jsonl.gz"):
        result = db.execute(f"COPY ({statement}) TO '{tmp_path / name}'")
        assert result.data == {"rows": len(plain), "file": str(tmp_path / name)}
        content = (tmp_path / name).read_bytes()
        text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
        assert [json.loads(line) for line in text.splitlines()] == wanted


@pytest.mark.parametrize("statement", STATEMENTS[:7])
def test_tables_have_the_columns_of_frames(db: qql.Session, tmp_path: Path, statement: str) -> None:
    table = db.execute(statement).to_arrow()
    db.execute(f"COPY ({statement}) TO '{tmp_path / 'o.parquet'}'")
    assert pq.read_table(tmp_path / "o.parquet").equals(table)
    db.execute(f"COPY ({statement}) TO '{tmp_path / 'o.txt'}' FORMAT csv")
    with (tmp_path / "o.txt").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == table.column_names

    columns = columns_of(db.execute(statement))
    for cells, values in zip(zip(*rows, strict=True), columns.values(), strict=True):
        for cell, value in zip(cells, values, strict=True):
            assert (cell if isinstance(value, str) else json.loads(cell or "null")) == value


def test_a_file_that_was_copied_out_can_be_copied_in(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    db.execute(f"COPY (SCROLL FROM c WITH VECTORS) TO '{path}'")
    before = [hit.to_dict() for hit in db.scroll("SCROLL FROM c WITH VECTORS")]
    db.execute("DELETE FROM c WHERE a IN ('x', 'y')")
    db.execute(f"COPY c FROM '{path}' MAP (payload = payload)")
    assert [hit.to_dict() for hit in db.scroll("SCROLL FROM c WITH VECTORS")] == before


def test_a_scroll_without_limit_gives_all_points_and_with_one_so_many(
    db: qql.Session, tmp_path: Path
) -> None:
    db.execute("UPSERT INTO c VALUES :rows", {"rows": [{"id": n, "v": [1, n]} for n in range(3000)]})
    for limit, count in (("", 3000), ("LIMIT 2500", 2500)):
        for name in ("all.jsonl", "all.csv"):
            result = db.execute(f"COPY (SCROLL FROM c {limit}) TO '{tmp_path / name}' OVERWRITE")
            assert result.data["rows"] == count
            lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
            assert len(lines) == count + (name == "all.csv")


def test_nothing_is_written_where_the_statement_fails(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text("kept", encoding="utf-8")

    def answer(request: Request) -> Any:
        if request.route == ("POST", "points/scroll") and (request.body or {}).get("offset"):
            return QQLExecutionError.make("server-error", "it broke")
        return backend.inner.call(request)

    with qql.connect() as inner:
        inner.run(MAKE)
        inner.execute("UPSERT INTO c VALUES :rows", {"rows": [{"id": n, "v": [1, n]} for n in range(1500)]})
        backend: Any = RecordingBackend(inner.backend, answer)
        copy = f"COPY (SCROLL FROM c) TO '{path}' OVERWRITE"
        failure(QQLExecutionError, "server-error", lambda: qql.connect(backend).execute(copy))
        failure(QQLExecutionError, "file-exists", lambda: inner.execute(f"COPY (COUNT FROM c) TO '{path}'"))
        missing = f"COPY (COUNT FROM c) TO '{tmp_path / 'none' / 'o.csv'}'"
        failure(QQLExecutionError, "file-unwritable", lambda: inner.execute(missing))
    assert [one.name for one in tmp_path.iterdir()] == ["o.jsonl"]
    assert path.read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("COPY (DROP COLLECTION c) TO 'a.csv'", "copy-reads"),
        ("COPY (UPSERT INTO c VALUES {id: 1}) TO 'a.csv'", "copy-reads"),
        ("COPY (EXPLAIN COUNT FROM c) TO 'a.csv'", "copy-reads"),
        ("COPY (COPY (COUNT FROM c) TO 'a.csv') TO 'b.csv'", "copy-reads"),
        ("COPY (COUNT FROM c) TO 'a.xml'", "file-format"),
        ("COPY (COUNT FROM c) TO 'a.csv' FORMAT cvs", "bad-option"),
        ("COPY (COUNT FROM c) TO ''", "bad-text"),
        ("COPY (COUNT FROM c) TO 'a.csv' OVERWRITE OVERWRITE", "duplicate-clause"),
    ],
)
def test_what_cannot_be_copied_is_refused_before_anything_is_sent(text: str, code: str) -> None:
    with pytest.raises(qql.QQLError) as caught:
        qql.compile(text)
    assert caught.value.code == code and caught.value.line == 1


def test_a_prepared_copy_is_told_its_file_when_it_is_carried_out(db: qql.Session, tmp_path: Path) -> None:
    statement = db.prepare("COPY (SCROLL FROM c WHERE a = :a) TO :file")
    for value in ("x", "y"):
        statement.execute(a=value, file=str(tmp_path / f"{value}.jsonl"))
        (row,) = map(json.loads, (tmp_path / f"{value}.jsonl").read_text(encoding="utf-8").splitlines())
        assert row["payload"]["a"] == value
    failure(QQLPlanError, "file-format", lambda: statement.execute(a="x", file="x.xml"))


def test_what_order_by_leaves_out_is_said(db: qql.Session, tmp_path: Path) -> None:
    db.execute("CREATE INDEX ON c FOR n TYPE integer")
    db.execute("UPSERT INTO c VALUES {id: 3, v: [1, 1], n: 7}")
    walk = db.scroll("SCROLL FROM c ORDER BY n")
    assert [hit.id for hit in walk] == [3] and walk.warnings
    result = db.execute(f"COPY (SCROLL FROM c ORDER BY n) TO '{tmp_path / 'o.jsonl'}'")
    assert result.data["rows"] == 1
    assert [one.message for one in result.warnings] == [one.message for one in walk.warnings]
