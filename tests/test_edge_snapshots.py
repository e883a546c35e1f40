"""Snapshots of the embedded engine: a collection as one file, and back."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import CONFIG, Engine, points, python

from qql.errors import QQLUnsupportedError
from qql.rest.request import Request

SMALL: dict[str, Any] = {"vectors": {"size": 2, "distance": "Dot"}}


@contextmanager
def opened(home: Path) -> Iterator[Engine]:
    engine = Engine(home)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path / "db") as made:
        made("PUT", "", SMALL | {"metadata": {"a": 1}})
        made("PUT", "index", {"field_name": "n", "field_schema": "integer"})
        made.upsert(*({"id": n, "vector": [n, 1], "payload": {"n": n}} for n in range(1, 4)))
        yield made


def taken(engine: Engine, to: str = "docs") -> dict[str, Any]:
    made: dict[str, Any] = engine("POST", "snapshots", {}, to=to, wait="true")
    return made


def recover(engine: Engine, location: str, to: str = "docs", **more: Any) -> Any:
    return engine("PUT", "snapshots/recover", {"location": location, **more}, to=to, wait="true")


def archive(engine: Engine, made: dict[str, Any]) -> Path:
    return engine.backend.path / "snapshots" / "docs" / str(made["name"])


def test_a_snapshot_is_one_file_with_its_checksum(engine: Engine) -> None:
    made = taken(engine)
    content = archive(engine, made).read_bytes()
    assert made.keys() == {"name", "creation_time", "size", "checksum"}
    assert made["size"] == len(content)
    assert made["checksum"] == hashlib.sha256(content).hexdigest()
    assert made["name"].startswith("docs-") and made["name"].endswith(".snapshot")
    assert len(content) < 2**20, "room that the engine has reserved is not written"
    again = taken(engine)
    assert again["name"] != made["name"]
    assert engine("GET", "snapshots") == [made, again]
    assert engine("DELETE", f"snapshots/{made['name']}") is True
    assert engine("GET", "snapshots") == [again]
    assert engine.refused("DELETE", f"snapshots/{made['name']}").code == "unknown-snapshot"
    assert engine.matching({}) == [1, 2, 3]


def test_recovery_brings_everything_back(engine: Engine, tmp_path: Path) -> None:
    made = taken(engine)
    before = engine("GET")
    engine("POST", "points/delete", {"points": [1]})
    engine.upsert({"id": 9, "vector": [9, 9]})
    engine("PUT", "vectors/more", {"dense": {"size": 3, "distance": "Dot"}})
    engine("DELETE", "index/n")
    engine("PATCH", "", {"metadata": {"a": 2}})
    assert recover(engine, made["name"], checksum=made["checksum"]) is True
    for _ in range(2):
        assert engine("GET") == before
        assert engine.matching({"must": [{"key": "n", "range": {"gte": 2}}]}) == [2, 3]
        assert engine.ids(query=[1, 0], limit=1) == [3]
        engine.close()
        engine = Engine(tmp_path / "db")
    engine.upsert({"id": 2, "vector": [50, 1]}, {"id": 4, "vector": [4, 1]})
    engine.close()
    engine = Engine(tmp_path / "db")
    assert engine.ids(query=[1, 0]) == [2, 4, 3, 1]
    assert engine("GET", "snapshots") == [made]
    engine.close()


@pytest.mark.slow
def test_every_kind_of_vector_and_an_index_come_back(tmp_path: Path) -> None:
    with opened(tmp_path) as engine:
        rows = points(120)
        engine("PUT", "", CONFIG | {"optimizers_config": {"indexing_threshold": 1}})
        engine("PUT", "vectors/a:b ü", {"dense": {"size": 2, "distance": "Dot"}})
        engine("PUT", "index", {"field_name": '"a:b*".c', "field_schema": "keyword"})
        engine.upsert(*rows[:100])
        assert engine.backend.optimize("docs")
        engine.upsert(*rows[100:])
        asked = {"ids": [row["id"] for row in rows], "with_vector": True, "with_payload": True}
        before, info = engine("POST", "points", asked), engine("GET")
        made = taken(engine)
        engine("DELETE")
        recover(engine, made["name"])
        assert engine("POST", "points", asked) == before
        assert engine("GET")["indexed_vectors_count"] == info["indexed_vectors_count"] > 0


def test_recovery_makes_a_collection_that_is_missing(engine: Engine, tmp_path: Path) -> None:
    made = taken(engine)
    engine("DELETE")
    assert engine("GET", "snapshots") == [made]
    recover(engine, made["name"])
    assert engine.matching({}) == [1, 2, 3]
    path = archive(engine, made)
    places = {"größe/x": str(path), "b": path.as_uri(), "c": path.as_uri().replace("//", "//localhost", 1)}
    for to, location in places.items():
        recover(engine, location, to=to)
        engine.upsert({"id": 7, "vector": [7, 1]}, to=to)
    engine.close()
    engine = Engine(tmp_path / "db")
    for to in places:
        assert engine.matching({}, to=to) == [1, 2, 3, 7]
    assert engine.matching({}) == [1, 2, 3]
    engine.close()


def test_a_damaged_collection_is_recovered(engine: Engine, tmp_path: Path) -> None:
    made = taken(engine)
    engine.close()
    (tmp_path / "db" / "collections" / "docs" / "qql.json").write_text("{")
    with opened(tmp_path / "db") as engine:
        assert engine.refused("POST", "snapshots").code == "database-corrupt"
        recover(engine, made["name"])
        assert engine.matching({}) == [1, 2, 3]


def test_an_alias_stands_for_its_collection(engine: Engine) -> None:
    actions = [{"create_alias": {"collection_name": "docs", "alias_name": "now"}}]
    engine.backend.call(Request("POST", "/collections/aliases", {}, {"actions": actions}))
    made = taken(engine, to="now")
    assert engine("GET", "snapshots", to="now") == engine("GET", "snapshots") == [made]
    engine("POST", "points/delete", {"points": [1]})
    recover(engine, made["name"], to="now")
    assert engine.matching({}) == engine.matching({}, to="now") == [1, 2, 3]
    engine("DELETE", f"snapshots/{made['name']}", to="now")
    assert engine("GET", "snapshots") == []


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({"location": "none.snapshot"}, "unknown-snapshot", "none.snapshot"),
        ({"location": "/nowhere/none.snapshot"}, "unknown-snapshot", "/nowhere"),
        ({"location": "file:///nowhere/none.snapshot"}, "unknown-snapshot", "/nowhere"),
        ({"location": ".."}, "invalid-name", ".."),
        ({"location": ""}, "invalid-name", "name"),
        ({"location": "../docs"}, "unknown-snapshot", "../docs"),
        ({"location": "a\0b/c"}, "unknown-snapshot", "file"),
        ({"location": "http://localhost/x.snapshot"}, "unsupported", "downloading"),
        ({"location": "file://elsewhere/x.snapshot"}, "unsupported", "another machine"),
        ({"location": "{name}", "checksum": "00"}, "wrong-checksum", "SHA-256"),
        ({"location": "{name}", "api_key": "secret"}, "unsupported", "api_key"),
        ({"location": "{name}", "priority": "replica"}, "unsupported", "priority"),
        ({"location": "{name}", "force": True}, "unknown-option", "force"),
        ({}, "missing-option", "location"),
    ],
    ids=ascii,
)
def test_what_cannot_be_recovered_changes_nothing(
    engine: Engine, body: dict[str, Any], code: str, named: str
) -> None:
    name = taken(engine)["name"]
    given = {key: value.format(name=name) if key == "location" else value for key, value in body.items()}
    error = engine.refused("PUT", "snapshots/recover", given)
    assert (error.code, named in error.message) == (code, True), error
    assert isinstance(error, QQLUnsupportedError) == (code == "unsupported")
    assert "secret" not in str(error)
    assert engine.matching({}) == [1, 2, 3]
    assert [entry.name for entry in (engine.backend.path / "collections").iterdir()] == ["docs"]


@pytest.mark.parametrize(
    "name", ["..%2Fqql.json", "..", "%2Fetc%2Fpasswd", "a%5Cb", "a%00b", "none.snapshot"]
)
def test_a_name_is_no_path(engine: Engine, name: str) -> None:
    taken(engine)
    assert engine.refused("DELETE", f"snapshots/{name}").code in ("invalid-name", "unknown-snapshot")
    assert (engine.backend.path / "qql.json").exists()


def test_unknown_collections_and_options(engine: Engine) -> None:
    assert engine.refused("POST", "snapshots", to="none").code == "unknown-collection"
    assert engine.refused("GET", "snapshots", to="none").code == "unknown-collection"
    assert engine.refused("POST", "snapshots", {"name": "x"}).code == "unknown-option"
    assert engine.refused("GET", "snapshots", wait="true").code == "unsupported"


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Any:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = len(content), kind, link
    return made, content


def described(**more: Any) -> bytes:
    config = {"vectors": {"size": 2, "distance": "Dot"}}
    found = {"format": "qql-edge", "version": 1, "name": "docs", "config": config, "metadata": {}}
    return json.dumps(found | {"altered": False} | more).encode()


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil", b"x")],
        [member("/tmp/evil-of-a-test", b"x")],
        [member("segments/../../evil", b"x")],
        [member("a\\b", b"x")],
        [member("C:evil", b"x")],
        [member("link", kind=tarfile.SYMTYPE, link="/etc"), member("link/evil", b"x")],
        [member("link", kind=tarfile.LNKTYPE, link="/etc/passwd")],
        [member("pipe", kind=tarfile.FIFOTYPE)],
        [member("device", kind=tarfile.CHRTYPE)],
        [],
        [member("qql.json", b"{")],
        [member("qql.json", described(version=99))],
        [member("qql.json", described())],
        [member("qql.json", b"[]")],
    ],
    ids=lambda members: str([one[0].name for one in members]),
)
def test_an_archive_that_is_no_snapshot_is_refused(
    engine: Engine, tmp_path: Path, members: list[Any]
) -> None:
    path = tmp_path / "made.tar"
    listed = {info.name: info.size for info, _ in members if info.isfile()}
    manifest = json.dumps({"format": "qql-edge-snapshot-1", "files": listed}).encode()
    with tarfile.open(path, "w") as made:
        for info, content in [member("snapshot.json", manifest), *members]:
            made.addfile(info, io.BytesIO(content))
    for to in ("docs", "new"):
        error = engine.refused("PUT", "snapshots/recover", {"location": str(path)}, to=to)
        assert error.code == "invalid-snapshot"
    assert engine.matching({}) == [1, 2, 3]
    assert engine("GET", "exists", to="new") == {"exists": False}
    assert [entry.name for entry in (tmp_path / "db" / "collections").iterdir()] == ["docs"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["db", "made.tar"]
    assert not Path("/tmp/evil-of-a-test").exists()


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def garbled(content: bytes) -> bytes:
    start = content.index(b"segment.json")
    return content[:start] + bytes(2000) + content[start + 2000 :]


def gone(content: bytes) -> bytes:
    return b""


def other(content: bytes) -> bytes:
    return b"no archive at all"


def flipped(content: bytes) -> bytes:
    return content[:-20_000] + bytes([content[-20_000] ^ 1]) + content[-19_999:]


@pytest.mark.parametrize(
    ("damage", "alone"),
    [(cut, True), (garbled, True), (gone, True), (other, True), (cut, False), (flipped, False)],
)
def test_a_damaged_archive_changes_nothing(
    engine: Engine, damage: Callable[[bytes], bytes], alone: bool
) -> None:
    """With the checksum that was written beside it, and without."""
    made = taken(engine)
    path = archive(engine, made)
    path.write_bytes(damage(path.read_bytes()))
    if alone:
        path.with_name(path.name + ".checksum").unlink()
    error = engine.refused("PUT", "snapshots/recover", {"location": made["name"]})
    assert error.code == "invalid-snapshot"
    assert engine.matching({}) == [1, 2, 3]


def test_a_full_disk_leaves_no_half_snapshot(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    made = taken(engine)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert engine.refused("POST", "snapshots").code == "disk-full"
        error = engine.refused("PUT", "snapshots/recover", {"location": made["name"]})
        assert error.code == "disk-full"
    assert engine("GET", "snapshots") == [made]
    kept = {path.name for path in archive(engine, made).parent.iterdir()}
    assert kept == {made["name"], made["name"] + ".checksum"}
    assert engine.matching({}) == [1, 2, 3]


DIES = """
import os, shutil, signal, sys
from pathlib import Path
from qql.backends.edge import EdgeBackend
from qql.rest.request import Request
home, steps, method, path, location = sys.argv[1:]
backend = EdgeBackend(home)
backend.call(Request("POST", "/collections/docs/points/count", {}, {}))
left = int(steps)
def dying(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
for name in ("rename", "replace", "unlink"):
    setattr(Path, name, dying(getattr(Path, name)))
shutil.rmtree = dying(shutil.rmtree)
backend.call(Request(method, path, {}, {"location": location} if location else {}))
print("lived", left, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(
    ("method", "stride"),
    [("PUT", 3), *(pytest.param(method, 1, marks=pytest.mark.slow) for method in ("POST", "PUT", "DELETE"))],
)
def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, method: str, stride: int) -> None:
    """The process is killed before its first change of a file, before its second, and so on."""
    home, seen = tmp_path / "db", set()
    with opened(home) as engine:
        engine("PUT", "", SMALL)
        engine.upsert({"id": 1, "vector": [1, 1]})
        first = taken(engine)["name"]
    for at in range(0, 100, stride):
        with opened(home) as engine:
            recover(engine, first)
            engine.upsert({"id": 2, "vector": [2, 1]})
            extra = taken(engine)["name"]
        route = {"POST": "snapshots", "PUT": "snapshots/recover", "DELETE": f"snapshots/{extra}"}[method]
        location = first if method == "PUT" else ""
        child = python(DIES, str(home), str(at), method, f"/collections/docs/{route}", location)
        out, errors = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL, errors
        with opened(home) as engine:
            found = engine.matching({})
            assert found in ([1], [1, 2])
            seen.add(len(found))
            listed = [one["name"] for one in engine("GET", "snapshots")]
            assert {first, extra} - {extra if method == "DELETE" else ""} <= set(listed)
            for name in listed[-2:]:
                recover(engine, str(home / "snapshots" / "docs" / name), to="copy")
            engine.upsert({"id": 3, "vector": [3, 1]})
            assert engine.matching({}) == [*found, 3]
        assert not [entry for entry in (home / "collections").iterdir() if entry.name.startswith(".")]
        if out.startswith("lived"):
            break
    assert at >= (3 if method == "PUT" else 1)
    assert seen == ({1, 2} if method == "PUT" else {2})
