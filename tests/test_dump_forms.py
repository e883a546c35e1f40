"""DUMP in its forms, compressed or not: the collection comes back as it was, bit for bit."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from refusals import failure

import qql
from qql.cli import main
from qql.errors import QQLExecutionError, QQLPlanError

FORMS = [
    "docs.qql",
    "docs.qql.gz",
    "docs.qql.xz",
    "docs.qql.bz2",
    "docs.jsonl",
    "docs.ndjson.gz",
    "docs.parquet",
]
OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
MAKE = """
CREATE COLLECTION docs (
  dense VECTOR(3, COSINE),
  multi VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim),
  words SPARSE,
  learned VECTOR(2, EUCLID) MODEL 'local/hash-2'
) WITH METADATA {"team": "search"};
CREATE INDEX ON docs FOR year TYPE integer;
CREATE ALIAS current FOR docs;
UPSERT INTO docs VALUES :rows;
"""
UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
THIRD = struct.unpack("f", struct.pack("f", 1 / 3))[0]
ROWS: list[dict[str, Any]] = [
    {"id": 1, "vector": {"dense": [THIRD, 0.1, -2e-9]}, "payload": {"year": 2020, "words": [1, 2]}},
    {
        "id": UUID,
        "vector": {
            "multi": [[0.1, -0.0], [THIRD, 1e20]],
            "words": {"indices": [7, 2**32 - 1], "values": [0.1, -0.0]},
        },
        "payload": {
            "payload": {"x": 1.0},
            "vector": 3,
            "text": "é\u2028'\"\\\n",
            "big": 2**53 + 1,
            "none": None,
        },
    },
    {"id": 2**64 - 1, "vector": {"learned": [0.3, -0.0]}, "payload": {}},
]


@pytest.fixture
def docs() -> Iterator[qql.Session]:
    with qql.connect() as db:
        db.run(MAKE, {"rows": ROWS})
        yield db


def everything(db: qql.Session) -> dict[str, Any]:
    """All that a database says of ``docs``; as texts, in which -0.0 is not 0.0."""
    told = db.execute("SHOW COLLECTION docs").data
    points = sorted(
        json.dumps(hit.to_dict(), sort_keys=True) for hit in db.scroll("SCROLL FROM docs WITH VECTORS")
    )
    return {
        "points": points,
        "config": told["config"],
        "schema": told["payload_schema"],
        "aliases": db.execute("SHOW ALIASES").rows,
    }


@pytest.mark.parametrize("name", FORMS)
def test_a_collection_comes_back_as_it_was(docs: qql.Session, tmp_path: Path, name: str) -> None:
    first, second = tmp_path / name, tmp_path / f"again-{name}"
    docs.execute(f"DUMP docs TO '{first}'")
    with qql.connect() as other:
        results = other.run(f"EXECUTE '{first}'")
        assert [one.warnings for one in results] == [()] * len(results)
        assert everything(other) == everything(docs)
        other.execute(f"DUMP docs TO '{second}'")
    if name.endswith(".qql") or name[-1] in "z2t":
        assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("name", FORMS)
def test_it_is_compressed_as_its_name_says(docs: qql.Session, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    docs.execute(f"DUMP docs TO '{path}'")
    opener = OPENERS.get(path.suffix, open)
    with opener(path, "rb") as file:
        start = file.read(20)
    marks = {
        "docs.q": b"CREATE COLLECTION",
        "docs.j": b'{"qql-dump"',
        "docs.n": b'{"qql-dump"',
        "docs.p": b"PAR1",
    }
    assert start.startswith(marks[name[:6]])


@pytest.mark.parametrize("name", ["docs.jsonl.xz", "docs.parquet"])
def test_copy_loads_the_points_of_a_dump_alone(docs: qql.Session, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    docs.execute(f"DUMP docs TO '{path}'")
    before = everything(docs)
    docs.execute("DELETE FROM docs WHERE id = 1")
    result = docs.execute(f"COPY docs FROM '{path}' MAP (payload = payload)")
    assert (result.data["copied"], result.warnings) == (3, ())
    assert everything(docs) == before


def test_a_vector_without_a_name_comes_back_and_a_point_without_one(tmp_path: Path) -> None:
    for kind, vector in (("one", [0.25, 0.5]), ("none", None)):
        for ending in ("jsonl", "parquet", "qql"):
            path = tmp_path / f"{kind}.{ending}"
            with qql.connect() as db:
                db.run("CREATE COLLECTION c VECTOR(2, DOT)")
                row = {"id": 1, "a": 1} | ({"vector": vector} if vector else {})
                db.execute("UPSERT INTO c VALUES :row", {"row": row})
                db.execute(f"DUMP c TO '{path}'")
            with qql.connect() as db:
                db.run(f"EXECUTE '{path}'")
                (hit,) = db.execute("SCROLL FROM c WITH VECTORS").hits
                assert (hit.id, hit.payload, hit.vector or None) == (1, {"a": 1}, vector)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("d.qql.zst", ".zst is not written"),
        ("d.jsonl.zip", ".zip is not written"),
        ("d.parquet.gz", "in itself"),
    ],
)
def test_a_name_that_promises_what_there_is_not_is_refused(
    docs: qql.Session, tmp_path: Path, name: str, said: str
) -> None:
    dump = f"DUMP docs TO '{tmp_path / name}'"
    assert said in failure(QQLExecutionError, "file-unwritable", lambda: docs.execute(dump)).message
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
@pytest.mark.parametrize(
    "content", ['{"id": 1}\n', "", "[1]", "nonsense", '{"qql-dump": 1}', '{"qql-dump": {"version": 1}}']
)
def test_rows_are_not_taken_for_a_dump(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    raw = content.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    with qql.connect() as db:
        error = failure(QQLPlanError, "file-unreadable", lambda: db.run(f"EXECUTE '{path}'"))
    assert "COPY" in error.message and error.line == 1


def test_a_dump_of_a_later_form_is_not_half_understood(tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text(json.dumps({"qql-dump": {"version": 2}}), encoding="utf-8")
    with qql.connect() as db:
        error = failure(QQLPlanError, "file-unreadable", lambda: db.run(f"EXECUTE '{path}'"))
    assert "newer release" in error.message


@pytest.mark.parametrize("name", ["docs.qql.gz", "docs.qql.xz", "docs.qql.bz2", "docs.jsonl.gz"])
def test_a_dump_that_was_cut_off_is_an_error_of_the_file(
    docs: qql.Session, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    docs.execute(f"DUMP docs TO '{path}'")
    path.write_bytes(path.read_bytes()[:-20])
    with qql.connect() as db:
        with pytest.raises(qql.QQLError) as caught:
            db.run(f"EXECUTE '{path}'")
        assert caught.value.code == "file-unreadable"


def test_the_commands_dump_and_restore(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    first, second, third, file = (str(tmp_path / one) for one in ("a", "b", "c", "docs.jsonl.gz"))
    with qql.connect(first) as db:
        db.run(MAKE, {"rows": ROWS})
        want = everything(db)
    assert main(["dump", "current", file, "--db", first]) == 0
    assert main(["dump", "docs", file, "--db", first]) == 1  # it is there already
    assert main(["dump", "docs", file, "--db", first, "--overwrite"]) == 0
    assert main(["restore", file, "--db", second]) == 0
    capsysbinary.readouterr()
    assert main(["dump", "docs", "-", "--db", first]) == 0
    script = capsysbinary.readouterr().out.decode()
    with qql.connect(third) as db:
        db.run(script)
    for target in (second, third):
        with qql.connect(target) as db:
            assert everything(db) == want


@pytest.mark.parametrize(
    "argv", [["dump"], ["dump", "docs"], ["dump", "a", "b", "c"], ["restore"], ["restore", "a", "b"]]
)
def test_what_is_dumped_and_where_to_has_to_be_said(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert f"{argv[0]} requires" in capsys.readouterr().err
