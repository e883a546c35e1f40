"""A full disk is refused in time, and what the operating system says is no damage."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import Engine

from qql.backends.edge import collection as collection_module
from qql.backends.edge import space
from qql.errors import QQLError

CONFIG: dict[str, Any] = {
    "vectors": {"size": 8, "distance": "Dot"},
    "optimizers_config": {"indexing_threshold": 1},
}
Usage = namedtuple("Usage", "total used free")


class Disk:
    """How much is free, as the system would say."""

    free = 2**40
    looks = 0

    def usage(self, path: Path) -> Usage:
        self.looks += 1
        return Usage(2**41, 2**40, self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(shutil, "disk_usage", made.usage)
    monkeypatch.setattr(space, "GIB", 2**50)  # so the disk is never so large that it is not looked at
    return made


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """On a disk: memory gives room back, and is never taken for full."""
    return disk_path


@pytest.fixture
def engine(tmp_path: Path, disk: Disk) -> Iterator[Engine]:
    made = Engine(tmp_path / "db")
    made("PUT", "", CONFIG)
    made.upsert(*({"id": at, "vector": [1.0] * 8, "payload": {"n": at}} for at in range(200)))
    yield made
    disk.free = 2**40
    made.close()


def test_each_write_is_refused_before_the_disk_is_full(engine: Engine, disk: Disk) -> None:
    snapshot = engine("POST", "snapshots")["name"]
    disk.free = 4 * 2**20
    big = {"id": 1, "vector": [1.0] * 8, "payload": {"text": "x" * 2**20}}
    every = {"payload": {"m": 1}, "filter": {}}
    for method, route, body in (
        ("PUT", "points", {"points": [big]}),
        ("PUT", "points/vectors", {"points": [{"id": 1, "vector": [1.0] * 8}]}),
        ("POST", "points/payload", every),
        ("POST", "points/payload", {"payload": {"m": 1}, "points": [1]}),
        ("PUT", "index", {"field_name": "n", "field_schema": "integer"}),
        ("POST", "snapshots", None),
        ("PUT", "snapshots/recover", {"location": snapshot}),
    ):
        error = engine.refused(method, route, body)
        assert error.code == "disk-full", (route, error)
        assert "4.0 MiB are free" in error.message
    assert engine.refused("PUT", "", CONFIG, to="other").code == "disk-full"
    with pytest.raises(QQLError) as caught:
        engine.backend.optimize("docs")
    assert caught.value.code == "disk-full"
    assert engine("POST", "points/count", {}) == {"count": 200}
    assert engine.matching({"must": [{"key": "m", "match": {"value": 1}}]}) == []


def test_a_small_write_fits_where_a_large_one_does_not(engine: Engine, disk: Disk) -> None:
    disk.free = 6 * 2**20
    engine.upsert({"id": 1000, "vector": [1.0] * 8})
    rows = [{"id": at, "vector": [1.0] * 8, "payload": {"text": "x" * 10_000}} for at in range(1001, 1100)]
    assert engine.refused("PUT", "points", {"points": rows}).code == "disk-full"
    assert engine("POST", "points/count", {}) == {"count": 201}


def test_a_large_disk_is_not_looked_at_for_each_point(
    engine: Engine, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(count: int) -> int:
        before = disk.looks
        for at in range(count):
            engine.upsert({"id": at, "vector": [1.0] * 8})
        return disk.looks - before

    assert write(100) == 100
    monkeypatch.setattr(space, "GIB", 2**30)
    monkeypatch.setattr(space.time, "monotonic", lambda: 17.0)
    assert write(100) == 1
    big = {"id": 1, "vector": [1.0] * 8, "payload": {"text": "x" * 2**20}}
    before = disk.looks
    for _ in range(20):  # 20 MiB, where 16 are taken to be there
        engine.upsert(big)
    assert disk.looks - before == 1


def test_what_makes_room_is_done_on_a_full_disk(engine: Engine, disk: Disk) -> None:
    disk.free = 2 * 2**20
    engine("POST", "points/delete", {"points": [1]})
    engine("POST", "points/delete", {"filter": {"must": [{"key": "n", "range": {"lt": 10}}]}})
    engine("POST", "points/payload/clear", {"points": [20]})
    assert engine("POST", "points/count", {}) == {"count": 190}
    assert engine("DELETE") is True


def test_a_disk_that_fills_up_ends_an_optimization_and_loses_nothing(engine: Engine, disk: Disk) -> None:
    def fills(*words: object) -> None:
        disk.free = 2**20

    with pytest.raises(QQLError) as caught:
        engine.backend.optimize("docs", fills)
    assert caught.value.code == "disk-full"
    disk.free = 2**40
    assert engine("POST", "points/count", {}) == {"count": 200}
    assert engine.backend.optimize("docs") is True


def test_memory_that_opening_would_take_is_asked_for(
    engine: Engine, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a tmpfs the holes of the files that are read at once have to fit too."""
    path = engine.backend.path
    monkeypatch.setattr(space, "_in_memory", lambda device: True)
    holes = space.room_to_load(path / "collections" / "docs")
    assert holes > 16 * 2**20  # of the file for vectors, which is 32 MiB long
    disk.free = holes
    assert engine.refused("PUT", "points", {"points": [{"id": 1, "vector": [1.0] * 8}]}).code == "disk-full"
    engine.close()
    again = Engine(path)
    assert again.refused("POST", "points/count", {}).code == "disk-full"
    disk.free = 2 * holes
    assert again("POST", "points/count", {}) == {"count": 200}
    again.close()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="st_blocks and the root user are POSIX's")
def test_holes_take_room_in_memory_when_they_are_read_and_none_on_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = tmp_path / "segments" / "one" / "vector_storage-v" / "vectors" / "chunk_0.mmap"
    chunk.parent.mkdir(parents=True)
    with chunk.open("wb") as file:
        file.truncate(2**20)
    monkeypatch.setattr(space, "_in_memory", lambda device: False)
    assert space.room_to_load(tmp_path) == 0
    monkeypatch.setattr(space, "_in_memory", lambda device: True)
    assert space.room_to_load(tmp_path) == 2**20


@pytest.mark.parametrize(
    ("number", "said", "hint"),
    [
        (errno.EACCES, "Service runtime error: IO Error: Permission denied (os error {})", "cp -r"),
        (errno.EROFS, "failed to open WAL: Os {{ code: {}, kind: ReadOnlyFilesystem }}", "cp -r"),
        (errno.ENOMEM, "Service runtime error: IO Error: Cannot allocate memory (os error {})", "memory"),
        (errno.EMFILE, "Service runtime error: Too many open files (os error {})", "ulimit -n"),
        (errno.ENOSPC, "Service runtime error: No space left on device (os error {})", "make room"),
    ],
)
def test_an_error_of_the_system_is_said_as_such(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, number: int, said: str, hint: str
) -> None:
    class Shard:
        @staticmethod
        def load(path: str) -> None:
            raise Exception(said.format(number))

    path = engine.backend.path
    engine.close()
    again = Engine(path)
    monkeypatch.setattr(collection_module.edge, "EdgeShard", Shard)
    error = again.refused("POST", "points/count", {})
    again.close()
    assert error.code == "database-unreadable"
    assert f"collection `docs` of {path} cannot be opened: {os.strerror(number)}" in error.message
    assert error.hint is not None and hint in error.hint
    assert "DROP" not in error.hint and "damaged" not in error.message


def test_a_file_that_goes_while_files_are_counted_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's threads remove files of their own accord."""
    for name in ("going", "staying"):
        (tmp_path / name).write_bytes(b"x" * 5000)
    alone = space.used_space(tmp_path) // 2
    with os.scandir(tmp_path) as found:
        entries = list(found)
    (tmp_path / "going").unlink()
    monkeypatch.setattr(os, "scandir", lambda _: nullcontext(entries))
    assert space.used_space(tmp_path) == alone > 0
