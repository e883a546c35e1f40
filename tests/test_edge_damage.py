"""Damage that the engine passes over in silence is seen, said, and made no worse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import Engine, python

from qql.errors import QQLError

CONFIG: dict[str, Any] = {
    "vectors": {"dense": {"size": 8, "distance": "Dot"}},
    "optimizers_config": {"indexing_threshold": 1},
}


def rows(start: int, count: int) -> list[dict[str, Any]]:
    return [
        {"id": at, "vector": {"dense": [1.0, *[float(at)] * 7]}, "payload": {"n": at}}
        for at in range(start, start + count)
    ]


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A closed database with 301 points: most in a segment with a graph, some beside it."""
    engine = Engine(tmp_path / "db")
    engine("PUT", "", CONFIG)
    engine("PUT", "index", {"field_name": "n", "field_schema": "integer"})
    engine.upsert(*rows(0, 200))
    assert engine.backend.optimize("docs")
    engine.upsert(*rows(200, 101))
    engine.close()
    return tmp_path / "db"


def collection(home: Path) -> Path:
    return home / "collections" / "docs"


def one(home: Path, pattern: str) -> Path:
    return next(iter(sorted(collection(home).glob(f"segments/*/{pattern}"))))


def count(home: Path) -> int:
    engine = Engine(home)
    try:
        return int(engine("POST", "points/count", {})["count"])
    finally:
        engine.close()


FILES = [
    "version.info",
    "segment.json",
    "mutable_id_tracker.mappings",
    "mutable_id_tracker.versions",
    "id_tracker.mappings",
    "vector_storage-dense/vectors/status.dat",
    "vector_storage-dense/vectors/chunk_0.mmap",
    "payload_storage/tracker.dat",
]


@pytest.mark.parametrize("how", ["missing", "cut"])
def test_a_file_that_is_missing_or_cut_is_named_and_nothing_gets_lost(closed: Path, how: str) -> None:
    for name in FILES:
        place = one(closed, name)
        content = place.read_bytes()
        if how == "missing":
            place.unlink()
        else:
            place.write_bytes(
                content[: len(content) // 2] if len(content) > 8 and ".json" not in name else b""
            )
        for _ in range(2):  # the first look has not changed what the second sees
            engine = Engine(closed)
            error = engine.refused("POST", "points/count", {})
            engine.close()
            inside = place.relative_to(collection(closed)).as_posix()
            said = f"{inside} {'is missing' if how == 'missing' else 'was cut from'}"
            assert error.code == "database-corrupt"
            assert f"`docs` is incomplete: {said}" in error.message
            assert "there were 301 points" in error.message
            assert error.hint is not None and "RESTORE SNAPSHOT" in error.hint and "DROP" not in error.hint
        place.write_bytes(content)
        assert count(closed) == 301


def test_optimizing_and_altering_see_damage_first(closed: Path) -> None:
    place = one(closed, "version.info")
    content = place.read_bytes()
    place.unlink()
    engine = Engine(closed)
    with pytest.raises(QQLError) as caught:
        engine.backend.optimize("docs")
    assert caught.value.code == "database-corrupt"
    assert engine.refused("PATCH", "", {"hnsw_config": {"m": 8}}).code == "database-corrupt"
    assert engine.refused("POST", "snapshots").code == "database-corrupt"
    engine.close()
    place.write_bytes(content)
    assert count(closed) == 301


def test_a_damaged_collection_can_be_restored_and_dropped(closed: Path) -> None:
    engine = Engine(closed)
    name = engine("POST", "snapshots")["name"]
    engine.close()
    one(closed, "version.info").unlink()
    engine = Engine(closed)
    assert engine.refused("POST", "points/count", {}).code == "database-corrupt"
    engine("PUT", "snapshots/recover", {"location": name})
    assert engine("POST", "points/count", {}) == {"count": 301}
    engine.close()
    one(closed, "version.info").unlink()
    engine = Engine(closed)
    assert engine("DELETE") is True
    engine.close()


def test_a_snapshot_tells_what_is_missing_in_it(closed: Path) -> None:
    """The archive of a directory holds the list too, so what is put back is compared."""
    engine = Engine(closed)
    location = closed / "snapshots" / "docs" / engine("POST", "snapshots")["name"]
    engine("PUT", "snapshots/recover", {"location": str(location)}, to="copy")
    assert engine("POST", "points/count", {}, to="copy") == {"count": 301}
    engine.close()
    assert (closed / "collections" / "copy" / "clean.json").is_file()


def test_the_list_is_there_only_while_the_collection_is_closed(closed: Path) -> None:
    mark = collection(closed) / "clean.json"
    before = json.loads(mark.read_text())
    assert before["points"] == 301
    engine = Engine(closed)
    assert mark.is_file()  # nothing was asked of the collection yet
    engine("POST", "points/count", {})
    assert not mark.exists()
    engine.close()
    assert json.loads(mark.read_text()).keys() == before.keys()
    engine = Engine(closed)
    engine.upsert(*rows(301, 1))
    assert not list(collection(closed).glob("clean.json*"))
    engine.close()
    assert json.loads(mark.read_text())["points"] == 302
    engine = Engine(closed)
    engine.backend.optimize("docs")
    engine.close()
    assert json.loads(mark.read_text())["points"] == 302


WORK = """
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2])))
from edge_helpers import Engine
engine = Engine(sys.argv[1])
engine("POST", "points/count", {})
if sys.argv[3] == "write":
    engine("POST", "points/delete", {"points": list(range(50))})
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("what", ["read", "write"])
def test_a_kill_raises_no_alarm(closed: Path, what: str) -> None:
    child = python(WORK, str(closed), str(Path(__file__).parent), what)
    assert child.stdout is not None and child.stdout.readline() == "done\n"
    child.kill()
    child.communicate()
    assert count(closed) == (301 if what == "read" else 251)


def test_a_database_without_the_list_opens_as_before(closed: Path) -> None:
    (collection(closed) / "clean.json").unlink()
    assert count(closed) == 301
    assert (collection(closed) / "clean.json").is_file()
    (collection(closed) / "clean.json").write_text('{"points": 30')
    assert count(closed) == 301


def test_what_another_program_has_made_anew_is_no_damage(closed: Path) -> None:
    """An older QQL, or the engine by itself, changes files and leaves the list as it is."""
    engine = Engine(closed)
    engine.upsert(*rows(301, 300))
    engine.close()
    stale = (collection(closed) / "clean.json").read_text()
    engine = Engine(closed)
    assert engine.backend.optimize("docs")
    engine.close()
    fresh = (collection(closed) / "clean.json").read_text()
    (collection(closed) / "clean.json").write_text(stale)
    assert count(closed) == 601
    engine = Engine(closed)
    engine("POST", "points/delete", {"points": [0]})
    engine.close()
    (collection(closed) / "clean.json").write_text(fresh)
    assert count(closed) == 600


def test_a_copy_of_a_closed_database_opens(closed: Path, tmp_path: Path) -> None:
    shutil.copytree(closed, tmp_path / "copy")
    assert count(tmp_path / "copy") == 301
