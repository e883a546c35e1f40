"""The embedded engine's database: collections, schema, indexes, locks, crashes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import Engine, python

from qql.backends.edge.files import collection_name, directory_name
from qql.errors import QQLConnectionError, QQLError, QQLUnsupportedError
from qql.rest.request import Request

SMALL = {"vectors": {"size": 2, "distance": "Dot"}}


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def opening(path: Path, **options: Any) -> QQLConnectionError:
    with pytest.raises(QQLConnectionError) as caught:
        Engine(path, **options)
    return caught.value


# --- the catalogue --------------------------------------------------------------------------------


def test_create_list_exists_drop(engine: Engine) -> None:
    assert engine("GET", to="docs", route="exists") == {"exists": False}
    assert engine("PUT", "", SMALL, to="docs") is True
    engine("PUT", "", SMALL, to="a")
    from qql.rest.request import Request

    assert engine.backend.call(Request("GET", "/collections")) == {
        "collections": [{"name": "a"}, {"name": "docs"}]
    }
    assert engine("GET", "exists") == {"exists": True}
    error = engine.refused("PUT", "", SMALL)
    assert (error.code, "`docs`" in error.message) == ("collection-exists", True)
    assert engine("DELETE") is True
    assert engine("GET", "exists") == {"exists": False}
    assert engine.refused("DELETE").code == "unknown-collection"


def test_an_unknown_collection_is_answered_with_the_nearest(engine: Engine) -> None:
    engine("PUT", "", SMALL, to="documents")
    for method, route in (("GET", ""), ("POST", "points/query"), ("PUT", "points"), ("PUT", "index")):
        error = engine.refused(method, route, {}, to="dokuments")
        assert error.code == "unknown-collection"
        assert error.hint == "did you mean `documents`?"
    assert engine.refused("GET", to="zzz").hint == "there are `documents`"


NAMES = [
    "a",
    "A",
    "ä",
    "a/b",
    "..",
    "con",
    "CON",
    "nul",
    "x" * 300,
    "X" * 300,
    "x" * 299 + "y",
    " ",
    "\n",
    "a.b",
    "🦀",
    "%41",
]


def test_any_name_is_a_collection(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    for at, name in enumerate(NAMES):
        engine("PUT", "", SMALL, to=name)
        engine.upsert({"id": at, "vector": [1, at]}, to=name)
    engine.close()
    files = [entry.name for entry in (tmp_path / "collections").iterdir()]
    assert len({name.lower() for name in files}) == len(NAMES)
    assert all(len(name) <= 255 for name in files)
    engine = Engine(tmp_path)
    for at, name in enumerate(NAMES):
        assert engine.matching({}, to=name) == [at]
    engine.close()


def test_directory_names_tell_the_collection() -> None:
    for name in NAMES:
        if len(name) < 100:
            assert collection_name(directory_name(name)) == name
    assert collection_name(directory_name("x" * 300)).endswith("…")


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    config = {
        "vectors": {"dense": {"size": 2, "distance": "Cosine"}},
        "sparse_vectors": {"words": {"modifier": "idf"}},
        "hnsw_config": {"m": 8},
        "metadata": {"qql": {"models": {"dense": "some/model"}}},
    }
    engine = Engine(tmp_path)
    engine("PUT", "", config)
    engine.upsert({"id": 1, "vector": {"dense": [1, 0]}, "payload": {"a": 1}})
    engine("PUT", "index", {"field_name": "a", "field_schema": "integer"})
    before = engine("GET")
    engine.close()
    engine.close()
    engine = Engine(tmp_path, create=False)
    assert engine("GET") == before
    assert before["config"]["metadata"] == config["metadata"]
    assert engine("POST", "points", {"ids": [1], "with_vector": True}) == [
        {"id": 1, "payload": {"a": 1}, "vector": {"dense": [1.0, 0.0]}}
    ]
    engine.close()


def test_a_temporary_database_leaves_nothing(engine: Engine) -> None:
    path = engine.backend.path
    assert path.is_dir()
    engine.close()
    assert not path.exists()
    assert engine.refused("GET").code == "database-closed"


IN_MEMORY = """
from qql.backends.edge import EdgeBackend
backend = EdgeBackend(None)
print(backend.path, flush=True)
sys.stdin.read()
"""


def test_a_temporary_database_removes_those_that_nobody_has_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made(tmp_path / "qql-mine")  # a database of somebody's that is closed
    (tmp_path / "qql-other").mkdir()
    killed, living = python(IN_MEMORY), python(IN_MEMORY)
    assert killed.stdout is not None and living.stdout is not None
    left, used = killed.stdout.readline().strip(), living.stdout.readline().strip()
    Engine().close()
    assert Path(left).is_dir() and Path(used).is_dir()
    killed.kill()
    killed.communicate()
    engine = Engine()
    assert not Path(left).exists()
    assert {Path(used), engine.backend.path, tmp_path / "qql-mine", tmp_path / "qql-other"} == set(
        tmp_path.iterdir()
    )
    engine.close()
    living.communicate()
    assert not Path(used).exists()  # its end removed it


def test_opening_removes_snapshots_that_were_not_finished(tmp_path: Path) -> None:
    engine = Engine(made(tmp_path))
    name = engine("POST", "snapshots")["name"]
    engine.close()
    folder = tmp_path / "snapshots" / "docs"
    for left in ("docs-1.snapshot.partial", "docs-1.snapshot.checksum"):
        (folder / left).write_text("x")
    Engine(tmp_path).close()
    assert sorted(entry.name for entry in folder.iterdir()) == [name, f"{name}.checksum"]


# --- opening --------------------------------------------------------------------------------------


def test_missing_and_foreign(tmp_path: Path) -> None:
    assert opening(tmp_path / "no", create=False).code == "database-missing"
    assert not (tmp_path / "no").exists()
    assert opening(tmp_path, create=False).code == "database-missing"
    file = tmp_path / "file"
    file.write_text("x")
    assert opening(file).code == "not-a-database"
    foreign = opening(tmp_path)
    assert foreign.code == "not-a-database"
    assert str(tmp_path) in foreign.message
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]  # nothing was put into it
    file.unlink()
    (tmp_path / "qql.json").write_text("{}")
    assert opening(tmp_path).code == "not-a-database"


def files_of(path: Path) -> list[str]:
    return sorted(entry.relative_to(path).as_posix() for entry in path.rglob("*"))


@pytest.mark.parametrize("folder", [False, True])
def test_opening_makes_nothing_and_the_first_collection_does(tmp_path: Path, folder: bool) -> None:
    place = tmp_path / "some" / "where"
    if folder:
        place.mkdir(parents=True)
    before = files_of(tmp_path)
    engine = Engine(place)
    assert engine.backend.call(Request("GET", "/collections")) == {"collections": []}
    assert engine.backend.call(Request("GET", "/aliases")) == {"aliases": []}
    error = engine.refused("POST", "points/count", {})
    assert error.code == "unknown-collection"
    assert error.hint == f"there is no database at {place} yet"
    assert engine.refused("DELETE").code == "unknown-collection"
    action = {"create_alias": {"collection_name": "docs", "alias_name": "a"}}
    with pytest.raises(QQLError) as caught:
        engine.backend.call(Request("POST", "/collections/aliases", {}, {"actions": [action]}))
    assert caught.value.code == "unknown-collection"
    engine.backend.flush()
    assert files_of(tmp_path) == before
    engine("PUT", "", SMALL)
    assert {"qql.json", "lock", "collections/docs"} <= set(files_of(place))
    assert engine.backend.absence is None
    assert opening(place).code == "database-locked"
    engine.close()


@pytest.mark.parametrize(
    ("route", "body", "code"),
    [
        ("", {"vectors": {"size": 0, "distance": "Dot"}}, "invalid-request"),
        ("snapshots/recover", {"location": "none.snapshot"}, "unknown-snapshot"),
        ("snapshots/recover", {"location": __file__}, "invalid-snapshot"),
    ],
    ids=["bad-size", "no-snapshot", "bad-snapshot"],
)
def test_a_first_collection_that_fails_leaves_no_folder(
    tmp_path: Path, route: str, body: dict[str, Any], code: str
) -> None:
    engine = Engine(tmp_path / "some" / "where")
    assert engine.refused("PUT", route, body).code == code
    assert files_of(tmp_path) == []
    engine("PUT", "", SMALL)
    engine.close()


def test_folders_that_cannot_be_made_are_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    engine = Engine(tmp_path / "file" / "db")
    error = engine.refused("PUT", "", SMALL)
    assert (error.code, str(tmp_path / "file" / "db") in error.message) == ("database-unreadable", True)
    assert "Not a directory" in error.message


def test_two_sessions_wait_for_one_database(tmp_path: Path) -> None:
    """A session that found none finds what another has made, once that has left it."""
    first, second = Engine(tmp_path), Engine(tmp_path)
    first("PUT", "", SMALL)
    first.upsert({"id": 1, "vector": [1, 0]})
    assert second.refused("POST", "points/count", {}).code == "database-locked"
    first.close()
    assert second("POST", "points/count", {}) == {"count": 1}
    second.close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "qql.json").write_text('{"format": "qql-edge", "version": 2}')
    assert opening(tmp_path).code == "database-too-new"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="requires permissions that bind")
def test_an_unreadable_place(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o500)
    assert Engine(place / "db").refused("PUT", "", SMALL).code == "database-unreadable"


HOLD = """
from qql.backends.edge import EdgeBackend
backend = EdgeBackend(sys.argv[1], create=False)
print("open", flush=True)
sys.stdin.read()
"""


def made(path: Path) -> Path:
    """A closed database of one empty collection."""
    engine = Engine(path)
    engine("PUT", "", SMALL)
    engine.close()
    return path


def test_a_second_process_is_told_who_has_it(tmp_path: Path) -> None:
    holder = python(HOLD, str(made(tmp_path)))
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        error = opening(tmp_path)
        assert error.code == "database-locked"
        assert str(tmp_path) in error.message and str(holder.pid) in error.message
    finally:
        holder.kill()
        holder.communicate()
    Engine(tmp_path).close()  # the lock died with its process


def test_the_same_process_cannot_open_it_twice(tmp_path: Path) -> None:
    engine = Engine(made(tmp_path))
    error = opening(tmp_path)
    assert error.code == "database-locked"
    assert "another session of this process" in error.message
    engine.close()
    Engine(tmp_path).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")
def test_a_forked_child_is_refused(engine: Engine) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        code = 1
        try:
            engine("GET")
        except QQLError as exc:
            code = 7 if exc.code == "forked-process" else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


FORKS = """
import os
from qql.backends.edge import EdgeBackend
from qql.errors import QQLError
from qql.rest.request import Request
count = Request("POST", "/collections/docs/points/count", {}, {})
backend = EdgeBackend(sys.argv[1])
print(backend.call(count), flush=True)
ready, leave = os.pipe(), os.pipe()
if os.fork() == 0:
    try:
        EdgeBackend(sys.argv[1])
    except QQLError as exc:
        print(exc.message.partition("in use by ")[2], flush=True)
    try:
        backend.call(count)
    except QQLError as exc:
        print(exc.code, flush=True)
    backend.close()
    os.write(ready[1], b"1")
    os.read(leave[0], 1)
    sys.exit()  # with all that an interpreter does at its end
os.read(ready[0], 1)
print(backend.call(count), flush=True)
backend.close()
again = EdgeBackend(sys.argv[1])
print(again.call(count), flush=True)
again.close()
os.write(leave[1], b"1")
print(os.waitstatus_to_exitcode(os.wait()[1]), os.getpid(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")
def test_a_forked_child_holds_nothing_and_is_told_who_does(tmp_path: Path) -> None:
    out, errors = python(FORKS, str(made(tmp_path))).communicate(timeout=60)
    *lines, last = out.splitlines()
    code, pid = last.split()
    assert (code, errors) == ("0", "")
    assert lines == [
        "{'count': 0}",
        f"the process that started this one (its parent, pid {pid})",
        "forked-process",
        "{'count': 0}",
        "{'count': 0}",  # opened again, while the child still lives
    ]


# --- damage ---------------------------------------------------------------------------------------


def two_collections(path: Path) -> Path:
    """A closed database with ``good`` and ``bad``; gives the directory of ``bad``."""
    engine = Engine(path)
    for name in ("good", "bad"):
        engine("PUT", "", SMALL, to=name)
        engine.upsert({"id": 1, "vector": [1, 2]}, to=name)
    engine.close()
    return path / "collections" / "bad"


def break_description(bad: Path) -> None:
    (bad / "qql.json").write_text('{"format": "qql-')


def break_status(bad: Path) -> None:
    (status,) = bad.glob("segments/*/vector_storage/vectors/status.dat")
    status.write_bytes(b"\x01")


@pytest.mark.parametrize("damage", [break_description, break_status])
def test_a_damaged_collection_leaves_the_others_alone(tmp_path: Path, damage: Any) -> None:
    damage(two_collections(tmp_path))
    engine = Engine(tmp_path)
    error = engine.refused("POST", "points/count", {}, to="bad")
    assert (type(error), error.code) == (QQLConnectionError, "database-corrupt")
    assert "`bad`" in error.message
    assert engine.matching({}, to="good") == [1]
    assert engine.refused("PUT", "", SMALL, to="bad").code == "collection-exists"
    engine("DELETE", to="bad")
    engine("PUT", "", SMALL, to="bad")
    engine.close()


def test_a_copied_collection_is_not_taken_for_another(tmp_path: Path) -> None:
    bad = two_collections(tmp_path)
    shutil.copytree(bad, bad.with_name("copy"))
    engine = Engine(tmp_path)
    error = engine.refused("POST", "points/count", {}, to="copy")
    assert error.code == "database-corrupt" and "a copy of collection `bad`" in error.message
    assert engine.matching({}, to="bad") == [1]
    engine.close()


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, value: Any) -> None:
        raise OSError(28, "No space left on device")

    engine = Engine(tmp_path)
    engine("PUT", "", SMALL)
    monkeypatch.setattr("qql.backends.edge.collection.write_json", full)
    for method, to, body in (("PUT", "more", SMALL), ("PATCH", "docs", {"metadata": {"a": 1}})):
        error = engine.refused(method, "", body, to=to)
        assert (error.code, "No space left" in error.message) == ("disk-full", True)
    assert engine("GET", "exists", to="more") == {"exists": False}
    assert [entry.name for entry in (tmp_path / "collections").iterdir()] == ["docs"]
    engine.close()


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    bad = two_collections(tmp_path)
    half_made, half_dropped = bad.parent / ".new-1", bad.parent / ".drop-1"
    shutil.copytree(bad, half_made)
    bad.rename(half_dropped)
    (bad.parent / "good" / "temp_segments" / "x").mkdir(parents=True)
    engine = Engine(tmp_path)
    assert not half_made.exists() and not half_dropped.exists()
    assert engine.matching({}, to="good") == [1]
    assert not (bad.parent / "good" / "temp_segments").exists()
    assert engine("GET", "exists", to="bad") == {"exists": False}
    engine.close()


CREATE_FOREVER = """
from qql.backends.edge import EdgeBackend
from qql.rest.request import Request
backend = EdgeBackend(sys.argv[1])
body = {"vectors": {"size": 2, "distance": "Dot"}}
for at in range(10_000):
    backend.call(Request("PUT", f"/collections/c{at}", {}, body))
    if at % 2:
        backend.call(Request("DELETE", f"/collections/c{at}"))
    print(at, flush=True)
"""


def test_a_kill_among_creates_and_drops_leaves_whole_collections(tmp_path: Path) -> None:
    child = python(CREATE_FOREVER, str(tmp_path))
    assert child.stdout is not None
    seen = [int(child.stdout.readline()) for _ in range(5)][-1]
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    last = int(rest.split()[-1]) if rest.split() else seen
    engine = Engine(tmp_path)
    for at in range(last + 1):
        assert engine("GET", "exists", to=f"c{at}") == {"exists": at % 2 == 0}
    for entry in (tmp_path / "collections").iterdir():
        engine("POST", "points/count", {}, to=collection_name(entry.name))
    engine.close()


# --- configuration --------------------------------------------------------------------------------

FULL: dict[str, Any] = {
    "vectors": {
        "dense": {
            "size": 8,
            "distance": "Cosine",
            "on_disk": True,
            "datatype": "float16",
            "hnsw_config": {"m": 4, "payload_m": 2},
            "quantization_config": {"scalar": {"type": "int8", "quantile": 0.9, "always_ram": True}},
        },
        "rows": {
            "size": 8,
            "distance": "Dot",
            "memory": "cached",
            "multivector_config": {"comparator": "max_sim"},
            "quantization_config": {"binary": {"encoding": "two_bits", "query_encoding": "scalar8bits"}},
        },
        "product": {
            "size": 8,
            "distance": "Euclid",
            "quantization_config": {"product": {"compression": "x16"}},
        },
        "turbo": {"size": 8, "distance": "Manhattan", "quantization_config": {"turbo": {"bits": "bits1_5"}}},
        "bytes": {"size": 8, "distance": "Dot", "datatype": "uint8"},
    },
    "sparse_vectors": {
        "words": {"modifier": "idf", "index": {"full_scan_threshold": 100, "on_disk": False}},
        "plain": {"modifier": "none", "index": {"datatype": "float16", "memory": "cold"}},
        "empty": {},
    },
    "hnsw_config": {"m": 8, "on_disk": False, "max_indexing_threads": 2},
    "quantization_config": {"scalar": {"type": "int8"}},
    "optimizers_config": {"indexing_threshold": 100, "default_segment_number": 2, "deleted_threshold": 0.3},
    "on_disk_payload": False,
    "payload": {"memory": "cold"},
    "id_tracker": {"memory": "cached"},
    "shard_number": 1,
    "replication_factor": 1,
    "write_consistency_factor": 1,
    "sharding_method": "auto",
    "wal_config": None,
    "metadata": {"a": [1, {"b": None}]},
}


def test_the_whole_configuration_reaches_the_engine(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine("PUT", "", FULL)
    engine.close()
    kept = json.loads((tmp_path / "collections" / "docs" / "edge_config.json").read_text())
    dense, turbo = kept["vectors"]["dense"], kept["vectors"]["turbo"]
    # What the vector does not say comes from the collection, and what that does not say from Qdrant.
    assert dense["hnsw_config"] == {
        "m": 4, "ef_construct": 100, "full_scan_threshold": 10_000,
        "max_indexing_threads": 2, "on_disk": False, "payload_m": 2,
    }  # fmt: skip
    assert dense["datatype"] == "float16"
    assert dense["quantization_config"] == {
        "scalar": {"type": "int8", "quantile": pytest.approx(0.9), "always_ram": True}
    }
    assert kept["vectors"]["rows"]["quantization_config"]["binary"] == {
        "encoding": "two_bits", "query_encoding": "scalar8bits",
    }  # fmt: skip
    assert kept["vectors"]["product"]["quantization_config"]["product"]["compression"] == "x16"
    assert turbo["quantization_config"]["turbo"]["bits"] == "bits1_5"
    assert kept["sparse_vectors"]["words"]["modifier"] == "idf"
    assert kept["sparse_vectors"]["words"]["full_scan_threshold"] == 100
    assert kept["hnsw_config"]["m"] == 8
    assert kept["quantization_config"] == {"scalar": {"type": "int8"}}
    assert kept["optimizers"]["indexing_threshold"] == 100
    assert kept["payload_memory"] == "cold"


def test_info_has_the_shape_of_a_server(engine: Engine) -> None:
    engine("PUT", "", FULL)
    engine("PUT", "index", {"field_name": "a", "field_schema": "keyword"})
    info = engine("GET")
    assert info["config"]["params"]["vectors"] == FULL["vectors"]
    assert info["config"]["hnsw_config"]["m"] == 8
    assert info["config"]["hnsw_config"]["ef_construct"] == 100
    assert info["config"]["optimizer_config"]["indexing_threshold"] == 100
    assert info["config"]["metadata"] == FULL["metadata"]
    assert (info["status"], info["points_count"], info["segments_count"]) == ("green", 0, 1)
    assert info["payload_schema"] == {"a": {"data_type": "keyword", "points": 0}}
    from qdrant_client import models

    assert models.CollectionInfo.model_validate(info).points_count == 0


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"shard_number": 3}, "unsupported", "shard_number"),
    ({"replication_factor": 2}, "unsupported", "replication_factor"),
    ({"write_consistency_factor": 2}, "unsupported", "write_consistency_factor"),
    ({"sharding_method": "custom"}, "unsupported", "sharding_method"),
    ({"strict_mode_config": {"enabled": True}}, "unsupported", "strict_mode_config"),
    ({"wal_config": {"wal_capacity_mb": 1}}, "unsupported", "wal_config"),
    ({"optimizers_config": {"flush_interval_sec": 1}}, "unsupported", "flush_interval_sec"),
    ({"optimizers_config": {"memmap_threshold": 1}}, "unsupported", "memmap_threshold"),
    ({"optimizers_config": {"indexing_treshold": 1}}, "unknown-option", "indexing_treshold"),
    ({"hnsw_config": {"M": 1}}, "unknown-option", "M"),
    ({"hnsw_config": {"m": -1}}, "invalid-request", "hnsw_config.m"),
    ({"hnsw_config": {"m": True}}, "invalid-request", "hnsw_config.m"),
    ({"nonsense": 1}, "unknown-option", "nonsense"),
    ({"vectors": {}}, "no-vectors", "vector"),
    ({"vectors": {"size": 0, "distance": "Dot"}}, "invalid-request", "vectors.size"),
    ({"vectors": {"d": {"size": 3}}}, "missing-option", "distance"),
    ({"vectors": {"d": {"size": 3, "distance": "Cosinus"}}}, "invalid-request", "Cosinus"),
    ({"vectors": {"a/b": {"size": 3, "distance": "Dot"}}}, "invalid-vector-name", "a/b"),
    ({"vectors": {"v" * 300: {"size": 3, "distance": "Dot"}}}, "invalid-vector-name", "vvv"),
    ({"sparse_vectors": {"..": {}, "s\x00": {}}}, "invalid-vector-name", "s"),
    (
        {"vectors": {"d": {"size": 3, "distance": "Dot"}}, "sparse_vectors": {"d": {}}},
        "duplicate-vector",
        "d",
    ),
    ({"sparse_vectors": {"s": {"modifier": "tfidf"}}}, "invalid-request", "modifier"),
    ({"quantization_config": {"scalar": {"type": "int4"}}}, "invalid-request", "int4"),
    ({"quantization_config": {"scalar": {}}}, "missing-option", "type"),
    ({"quantization_config": {"skalar": {}}}, "unknown-option", "skalar"),
    ({"quantization_config": {"scalar": {"type": "int8", "quantile": 3}}}, "invalid-request", "quantile"),
    ({"metadata": {"a": float("nan")}}, "invalid-payload", "metadata"),
]


@pytest.mark.parametrize(("part", "code", "named"), REFUSED, ids=lambda part: str(part)[:40])
def test_what_a_collection_cannot_be_is_refused_by_name(
    engine: Engine, part: dict[str, Any], code: str, named: str
) -> None:
    error = engine.refused("PUT", "", SMALL | part)
    assert error.code == code
    assert named in error.message
    assert engine("GET", "exists") == {"exists": False}
    if code == "unsupported":
        assert isinstance(error, QQLUnsupportedError)
        assert error.hint


# --- PATCH ----------------------------------------------------------------------------------------


def test_metadata_is_merged(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine("PUT", "", SMALL | {"metadata": {"a": 1, "b": 2}})
    engine("PATCH", "", {"metadata": {"b": 3}})
    engine.close()
    engine = Engine(tmp_path)
    assert engine("GET")["config"]["metadata"] == {"a": 1, "b": 3}
    engine("PATCH", "", {"metadata": {}})
    assert "metadata" not in engine("GET")["config"]
    engine.close()


def test_the_configuration_can_be_altered(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine("PUT", "", SMALL | {"hnsw_config": {"m": 8}})
    engine.upsert({"id": 1, "vector": [1, 2]})
    changes = {
        "hnsw_config": {"ef_construct": 50},
        "optimizers_config": {"indexing_threshold": 77},
        "quantization_config": {"binary": {}},
        "vectors": {"": {"on_disk": True, "hnsw_config": {"m": 5}}},
        "params": {"on_disk_payload": False},
    }
    assert engine("PATCH", "", changes) is True
    assert engine.matching({}) == [1]
    assert engine("GET")["status"] == "grey"
    engine.close()
    engine = Engine(tmp_path)
    config = engine("GET")["config"]
    assert (config["hnsw_config"]["m"], config["hnsw_config"]["ef_construct"]) == (8, 50)
    assert config["params"]["vectors"]["hnsw_config"] == {"m": 5}
    kept = json.loads((tmp_path / "collections" / "docs" / "edge_config.json").read_text())
    assert kept["hnsw_config"]["ef_construct"] == 50
    assert kept["quantization_config"] == {"binary": {}}
    engine.backend.optimize("docs")
    assert engine("GET")["status"] == "green"
    engine.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"strict_mode_config": {"enabled": True}}, "unsupported"),
        ({"sparse_vectors": {"s": {}}}, "unknown-vector"),
        ({"quantization_config": "Off"}, "invalid-request"),
        ({"params": {"replication_factor": 2}}, "unsupported"),
        ({"vectors": {"x": {}}}, "unknown-vector"),
        ({"hnsw_config": {"mm": 3}}, "unknown-option"),
    ],
    ids=str,
)
def test_what_cannot_be_altered_changes_nothing(engine: Engine, changes: dict[str, Any], code: str) -> None:
    engine("PUT", "", SMALL)
    before = engine("GET")
    assert engine.refused("PATCH", "", {"metadata": {"a": 1}} | changes).code == code
    assert engine("GET") == before


# --- indexes --------------------------------------------------------------------------------------

INDEXES: list[Any] = [
    "keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid",
    {"type": "keyword", "is_tenant": True, "prefix": True, "on_disk": True},
    {"type": "integer", "lookup": True, "range": False, "is_principal": True},
    {"type": "float", "is_principal": True, "enable_hnsw": False},
    {"type": "datetime", "is_principal": True},
    {"type": "uuid", "is_tenant": True, "memory": "cold"},
    {"type": "bool", "on_disk": True},
    {
        "type": "text", "tokenizer": "word", "min_token_len": 2, "max_token_len": 9, "lowercase": True,
        "ascii_folding": True, "phrase_matching": True,
        "stopwords": {"languages": ["english"], "custom": ["foo"]},
        "stemmer": {"type": "snowball", "language": "english"},
    },
]  # fmt: skip


@pytest.mark.parametrize("schema", INDEXES, ids=str)
def test_an_index_is_shown_as_it_was_made(engine: Engine, schema: Any) -> None:
    engine("PUT", "", SMALL)
    engine("PUT", "index", {"field_name": "a.b", "field_schema": schema}, wait=True)
    shown = engine("GET")["payload_schema"]["a.b"]
    if isinstance(schema, str):
        assert shown == {"data_type": schema, "points": 0}
    else:
        assert shown["data_type"] == schema["type"]
        assert shown["params"].items() >= schema.items()
    engine("DELETE", "index/a.b")
    assert engine("GET")["payload_schema"] == {}


def test_other_spellings_of_text_options(engine: Engine) -> None:
    engine("PUT", "", SMALL)
    schema = {"type": "text", "stopwords": "german", "stemmer": {"type": "none"}, "scoring": {"type": "bm25"}}
    engine("PUT", "index", {"field_name": "t", "field_schema": schema})
    params = engine("GET")["payload_schema"]["t"]["params"]
    assert params["stopwords"] == {"languages": ["german"], "custom": []}
    assert params["stemmer"] == {"type": "none"}
    assert params["scoring"] == {"type": "bm25"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"field_name": "a"}, "index-type-required"),
        ({"field_name": "a", "field_schema": "keywords"}, "unknown-index-type"),
        ({"field_name": "a", "field_schema": {"type": "keyword", "range": True}}, "unknown-option"),
        ({"field_name": "a[", "field_schema": "keyword"}, "invalid-field"),
        ({"field_schema": "keyword"}, "missing-option"),
        ({"field_name": "a", "field_schema": {"type": "text", "tokenizer": "words"}}, "invalid-request"),
    ],
    ids=str,
)
def test_an_index_that_cannot_be(engine: Engine, body: dict[str, Any], code: str) -> None:
    engine("PUT", "", SMALL)
    assert engine.refused("PUT", "index", body).code == code
    assert engine.refused("DELETE", "index/none").code == "unknown-index"


# --- requests that are a server's -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("GET", "/collections/docs/shards", "sharding"),
        ("PUT", "/collections/docs/shards", "sharding"),
        ("POST", "/collections/docs/shards/delete", "sharding"),
        ("POST", "/collections/docs/shards/0/snapshots", "a snapshot of one shard"),
        ("GET", "/collections/docs/cluster", "a cluster"),
        ("POST", "/collections/docs/cluster", "a cluster"),
        ("GET", "/cluster", "a cluster"),
        ("GET", "/quotas", "a quota"),
        ("PUT", "/quotas", "a quota"),
        ("POST", "/collections/docs/points/search", "the old route"),
        ("POST", "/collections/docs/points/recommend/groups", "the old route"),
        ("GET", "/collections/docs/points/1", "points/1"),
        ("GET", "/snapshots", "a snapshot of the whole database"),
        ("POST", "/snapshots", "a snapshot of the whole database"),
        ("POST", "/collections/docs/snapshots/upload", "uploading a snapshot"),
        ("GET", "/collections/docs/snapshots/a.snapshot", "downloading a snapshot"),
        ("GET", "/collections/docs/optimizations", "optimizations"),
        ("GET", "/collections/docs/memory", "memory"),
        ("GET", "/telemetry", "/telemetry"),
        ("GET", "/collections/docs/nothing", "/collections/docs/nothing"),
        ("DELETE", "/collections/docs/index/", "index"),
    ],
)
def test_what_only_a_server_has_is_refused_by_name(
    engine: Engine, method: str, path: str, named: str
) -> None:
    engine("PUT", "", SMALL)
    with pytest.raises(QQLUnsupportedError) as caught:
        engine.backend.call(Request(method, path, {}, {} if method != "GET" else None))
    assert named in caught.value.message and caught.value.hint


def test_parameters_of_the_url(engine: Engine) -> None:
    engine("PUT", "", SMALL)
    engine("PUT", "points", {"points": []}, wait="true", ordering="weak")
    engine("POST", "points/count", {}, consistency=None)
    assert engine.backend.take_notes() == []
    for method, route, body, options in (
        ("PUT", "points", {"points": []}, {"ordering": "strong"}),
        ("POST", "points/count", {}, {"consistency": "majority"}),
        ("POST", "points/count", {}, {"consistency": 2}),
        ("POST", "points/count", {}, {"wait": True}),
        ("PUT", "points", {"points": []}, {"shard_key": "x"}),
        ("PUT", "points", {"points": []}, {"wait": "perhaps"}),
    ):
        error = engine.refused(method, route, body, **options)
        assert isinstance(error, QQLUnsupportedError) and error.hint
        assert next(iter(options)) in error.message


def test_parameters_that_have_no_effect_are_noted_once(engine: Engine) -> None:
    engine("PUT", "", SMALL, timeout=5)
    engine("POST", "points/count", {}, timeout=3)
    engine("PUT", "points", {"points": []}, wait="false")
    notes = engine.backend.take_notes()
    assert [note.split("`")[1] for note in notes] == ["timeout", "wait = false"]
    engine("PUT", "points", {"points": []}, wait="false", timeout=1)
    assert engine.backend.take_notes() == []


def test_no_model_runs_in_the_engine(engine: Engine) -> None:
    assert engine.backend.infers("qdrant/bm25") is False
    assert engine.backend.name == "edge"
