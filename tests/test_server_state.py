"""SHOW OPTIMIZATIONS and SHOW MEMORY: what servers say, and engines that do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from http_recorder import HttpRecorder, Reply, ok, refused

import qql
from qql.errors import QQLConnectionError, QQLUnsupportedError
from qql.session.session import Session

pytestmark = pytest.mark.usefixtures("no_proxy")

SEGMENT = "00000000-0000-0000-0000-00000000000"
OPTIMIZATIONS: dict[str, Any] = {  # as Qdrant 1.17 documents it
    "summary": {"queued_optimizations": 1, "queued_segments": 2, "queued_points": 300, "idle_segments": 2},
    "running": [
        {
            "uuid": f"{SEGMENT}1",
            "optimizer": "indexing",
            "status": "optimizing",
            "segments": [
                {"uuid": f"{SEGMENT}2", "points_count": 4000},
                {"uuid": f"{SEGMENT}3", "points_count": 1000},
            ],
            "progress": {
                "name": "Segment Optimizing",
                "started_at": "2026-01-01T00:00:00Z",
                "children": [
                    {
                        "name": "copy_data",
                        "started_at": "2026-01-01T00:00:00Z",
                        "finished_at": "2026-01-01T00:00:01Z",
                        "duration_sec": 1.0,
                    },
                    {
                        "name": "vector_index",
                        "started_at": "2026-01-01T00:00:01Z",
                        "children": [
                            {
                                "name": "dense",
                                "started_at": "2026-01-01T00:00:01Z",
                                "done": 1200,
                                "total": 5000,
                            }
                        ],
                    },
                    {"name": "sparse_vector_index"},
                ],
            },
        }
    ],
    "queued": [{"optimizer": "merge", "segments": [{"uuid": f"{SEGMENT}4", "points_count": 300}]}],
    "completed": [
        {
            "uuid": f"{SEGMENT}5",
            "optimizer": "vacuum",
            "status": "done",
            "segments": [],
            "progress": {"name": "Segment Optimizing", "duration_sec": 2.5},
        },
        {
            "uuid": f"{SEGMENT}6",
            "optimizer": "merge",
            "status": {"cancelled": "the collection was changed"},
            "segments": [],
            "progress": {"name": "Segment Optimizing", "duration_sec": 0.5},
        },
    ],
    "idle_segments": [
        {"uuid": f"{SEGMENT}7", "points_count": 10},
        {"uuid": f"{SEGMENT}8", "points_count": 20},
    ],
}


def sizes(disk: int, ram: int = 0, cached: int = 0, expected: int = 0) -> dict[str, int]:
    return {"disk_bytes": disk, "ram_bytes": ram, "cached_bytes": cached, "expected_cache_bytes": expected}


def about(version: str) -> Reply:
    return Reply({"title": "qdrant", "version": version, "commit": ""})


MEMORY: dict[str, Any] = {
    "total": sizes(100, 10, 20, 30),
    "vectors": [{"name": "dense", "storage": sizes(50), "index": sizes(10, 5), "quantized": None}],
    "sparse_vectors": [{"name": "words", "storage": sizes(7), "index": sizes(3, 0, 2)}],
    "payload": sizes(20),
    "payload_index": [{"name": "city", "usage": sizes(5, 4)}],
    "id_tracker": sizes(5, 1),
}


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder() as recorder:
        recorder.answers = {
            ("GET", "/"): about("1.18.3"),
            ("GET", "/collections/docs/optimizations"): ok(OPTIMIZATIONS),
            ("GET", "/collections/docs/memory"): ok(MEMORY),
        }
        yield recorder


@pytest.fixture
def db(server: HttpRecorder) -> Iterator[Session]:
    with qql.connect(server.url) as session:
        yield session


def test_optimizations_are_listed_with_the_step_that_they_are_at(db: Session, server: HttpRecorder) -> None:
    rows = db.execute("SHOW OPTIMIZATIONS ON docs").rows
    shown = [(row["state"], row["optimizer"], row["segments"], row["points"], row["seconds"]) for row in rows]
    assert shown == [
        ("running", "indexing", 2, 5000, None),
        ("queued", "merge", 1, 300, None),
        ("done", "vacuum", 0, 0, 2.5),
        ("cancelled", "merge", 0, 0, 0.5),
        ("idle", None, 2, 30, None),
    ]
    assert [rows[0][column] for column in ("step", "done", "total")] == ["dense", 1200, 5000]
    assert rows[3]["step"] == "the collection was changed"
    (asked,) = [one for one in server.received if one.path.endswith("/optimizations")]
    assert set(asked.query["with"].split(",")) == {"queued", "completed", "idle_segments"}


def test_what_a_server_does_not_list_has_no_row(db: Session, server: HttpRecorder) -> None:
    server.answers["GET", "/collections/docs/optimizations"] = ok({"summary": {}, "running": []})
    found = db.execute("SHOW OPTIMIZATIONS ON docs")
    assert found.rows == [] and "optimizer" in found.columns


def test_memory_is_listed_part_by_part_with_the_total_last(db: Session) -> None:
    rows = db.execute("SHOW MEMORY ON docs").rows
    assert [(row["part"], row["disk"], row["ram"]) for row in rows] == [
        ("vector dense: storage", 50, 0),
        ("vector dense: index", 10, 5),
        ("sparse vector words: storage", 7, 0),
        ("sparse vector words: index", 3, 0),
        ("payload", 20, 0),
        ("payload index city", 5, 4),
        ("id tracker", 5, 1),
        ("total", 100, 10),
    ]
    assert (rows[-1]["cached"], rows[-1]["to cache"]) == (20, 30)


def test_a_size_that_is_not_reported_is_no_zero(db: Session, server: HttpRecorder) -> None:
    server.answers["GET", "/collections/docs/memory"] = ok({"total": {"disk_bytes": 7}, "vectors": []})
    (row,) = db.execute("SHOW MEMORY ON docs").rows
    assert row["disk"] == 7 and row.get("ram") is None


@pytest.mark.parametrize(
    ("statement", "version"), [("SHOW OPTIMIZATIONS ON docs", "1.16.3"), ("SHOW MEMORY ON docs", "1.17.1")]
)
def test_older_servers_are_asked_nothing(server: HttpRecorder, statement: str, version: str) -> None:
    server.answers["GET", "/"] = about(version)
    with qql.connect(server.url) as db, pytest.raises(QQLUnsupportedError) as caught:
        db.execute(statement)
    assert version in str(caught.value) and "SHOW COLLECTION" in str(caught.value.hint)
    assert not [one for one in server.received if one.path.endswith(("/optimizations", "/memory"))]


@pytest.mark.parametrize("statement", ["SHOW OPTIMIZATIONS ON docs", "SHOW MEMORY ON docs"])
def test_the_embedded_engine_refuses_with_what_there_is_instead(statement: str) -> None:
    with qql.connect(":memory:") as db:
        db.execute("CREATE COLLECTION docs (dense VECTOR(2, DOT))")
        with pytest.raises(QQLUnsupportedError) as caught:
            db.execute(statement)
        assert caught.value.hint


def test_a_refusal_of_the_server_is_told(db: Session, server: HttpRecorder) -> None:
    server.answers["GET", "/collections/docs/memory"] = refused(403, "Global access is required")
    with pytest.raises(QQLConnectionError, match="Global access is required"):
        db.execute("SHOW MEMORY ON docs")
