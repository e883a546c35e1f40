"""RESTORE SNAPSHOT 'name' on a server: the snapshot is downloaded and uploaded, piece by piece."""

from __future__ import annotations

import hashlib
import re
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from http_recorder import HttpRecorder, Received, Reply, ok, refused

import qql
from qql.backends.client import ClientBackend
from qql.errors import QQLError
from qql.rest.request import Request, collection_path

pytestmark = pytest.mark.usefixtures("no_proxy")

CONTENT = b"\r\n--not a boundary\0" * 50_000
SHA = hashlib.sha256(CONTENT).hexdigest()
NAME = "docs-1-2026.snapshot"
LISTED = {"name": NAME, "size": len(CONTENT), "checksum": SHA, "creation_time": None}
LIST = ("GET", "/collections/docs/snapshots")
DOWNLOAD = ("GET", f"/collections/docs/snapshots/{NAME}")
UPLOAD = ("POST", "/collections/docs/snapshots/upload")


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    missing = refused(404, "Not found: Collection `docs` doesn't exist!")
    answers: dict[Any, Any] = {LIST: ok([LISTED]), DOWNLOAD: Reply(CONTENT), UPLOAD: ok(True)}
    answers["GET", "/collections/docs"] = missing
    with HttpRecorder(answers) as recorder:
        yield recorder


def restore(server: HttpRecorder, name: str = NAME, **body: Any) -> Any:
    backend = ClientBackend.connect(server.url, api_key="s3cret-key")
    path = collection_path("docs", "snapshots", "recover")
    try:
        return backend.call(Request("PUT", path, {"wait": "true"}, {"location": name, **body}))
    finally:
        backend.close()


def failed(server: HttpRecorder, name: str = NAME, **body: Any) -> QQLError:
    with pytest.raises(QQLError) as caught:
        restore(server, name, **body)
    return caught.value


def uploaded(received: Received) -> tuple[str, bytes]:
    """The name and the content of the file in a multipart body."""
    boundary = received.headers["content-type"].partition("boundary=")[2].encode()
    head, _, rest = received.raw.removeprefix(b"--" + boundary + b"\r\n").partition(b"\r\n\r\n")
    content, end, _ = rest.rpartition(b"\r\n--" + boundary + b"--\r\n")
    assert end
    named = re.search(rb'name="snapshot"; filename="([^"]*)"', head)
    assert named
    return named[1].decode(), content


def test_the_snapshot_comes_back_whole_with_its_checksum(server: HttpRecorder) -> None:
    assert restore(server) is True
    listed, download, upload = server.received
    assert [(one.method, one.path) for one in (listed, download, upload)] == [LIST, DOWNLOAD, UPLOAD]
    assert uploaded(upload) == (NAME, CONTENT)
    assert upload.query == {"wait": "true", "checksum": SHA}
    assert {one.headers["api-key"] for one in server.received} == {"s3cret-key"}
    assert download.headers["accept-encoding"] == "identity"


def test_the_statement_says_what_it_restored(server: HttpRecorder) -> None:
    with qql.connect(server.url) as db:
        done = db.execute(f"RESTORE SNAPSHOT '{NAME}' ON docs WITH (priority = snapshot)")
    assert done.message == f"restored docs from {NAME}"
    assert server.last.query["priority"] == "snapshot"


def test_memory_does_not_grow_with_the_snapshot() -> None:
    size = 48 << 20
    with HttpRecorder({LIST: ok([{"name": NAME, "size": size}]), UPLOAD: ok(True)}) as server:
        content = bytes(size)
        server.answers[DOWNLOAD] = Reply(content)
        received: list[int] = []
        server.received = _Lengths(received)
        tracemalloc.start()
        try:
            restore(server)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert received[-1] > size
    # The recorder reads the upload as one piece; the client must not hold a second one.
    assert peak < received[-1] + (16 << 20)


class _Lengths(list[Any]):
    """Keeps how long the bodies were, in place of the bodies."""

    def __init__(self, lengths: list[int]) -> None:
        self._lengths = lengths

    def append(self, received: Received) -> None:
        self._lengths.append(len(received.raw))


def test_progress_counts_bytes(server: HttpRecorder) -> None:
    told: list[tuple[str, int, int | None]] = []
    with qql.connect(server.url, on_progress=lambda *words: told.append(words)) as db:
        db.execute(f"RESTORE SNAPSHOT '{NAME}' ON docs")
    assert told[-1] == ("restoring docs", len(CONTENT), len(CONTENT))


def test_a_name_that_the_server_has_not_is_an_error_with_a_likely_one(server: HttpRecorder) -> None:
    error = failed(server, NAME.replace("docs-1", "docs-2"))
    assert error.code == "unknown-snapshot"
    assert NAME in (error.hint or "")
    assert server.last.path == LIST[1]


def test_a_checksum_that_is_not_the_listed_one_stops_it_before_anything_is_read(
    server: HttpRecorder,
) -> None:
    error = failed(server, checksum="00" * 32)
    assert error.code == "wrong-checksum"
    assert SHA in error.message
    assert server.last.path == LIST[1]


def test_a_checksum_goes_along_where_the_server_lists_none(server: HttpRecorder) -> None:
    server.answers[LIST] = ok([{"name": NAME, "size": 1}])
    restore(server, checksum=f" {SHA.upper()} ")
    assert server.last.query["checksum"] == SHA.upper()


def test_a_key_for_another_server_has_no_use_for_a_name(server: HttpRecorder) -> None:
    assert failed(server, api_key="k").code == "idle-option"


def test_a_download_that_breaks_off_leaves_the_collection_as_it_was(server: HttpRecorder) -> None:
    server.answers[DOWNLOAD] = Reply(CONTENT[:1000], announce=len(CONTENT))
    error = failed(server)
    assert error.code == "connection-failed"
    assert f"{NAME} could not be read to its end" in error.message
    assert error.hint == "docs is as it was"


@pytest.mark.parametrize(
    ("route", "reply", "code"),
    [
        (DOWNLOAD, refused(404, f"Not found: Snapshot {NAME}"), "unknown-snapshot"),
        (DOWNLOAD, refused(403, "Forbidden"), "not-authorised"),
        (UPLOAD, refused(400, "Wrong input: Snapshot checksum mismatch"), "server-refused"),
        (UPLOAD, Reply(b"<html>"), "server-error"),
        (UPLOAD, Reply({"hello": 1}), "server-error"),
        (LIST, ok(None), "server-error"),
    ],
)
def test_each_refusal_on_the_way_has_its_error(
    server: HttpRecorder, route: tuple[str, str], reply: Reply, code: str
) -> None:
    server.answers[route] = reply
    assert failed(server).code == code


def test_an_address_is_left_to_the_server(server: HttpRecorder) -> None:
    server.answers["PUT", "/collections/docs/snapshots/recover"] = ok(True)
    restore(server, "file:///qdrant/a.snapshot")
    assert server.last.body == {"location": "file:///qdrant/a.snapshot"}
    assert len(server.received) == 1


def test_over_grpc_the_port_of_rest_is_asked_for_where_it_is_not_known() -> None:
    backend = ClientBackend.connect("grpc://127.0.0.1:9")
    path = collection_path("docs", "snapshots", "recover")
    with pytest.raises(QQLError) as caught:
        backend.call(Request("PUT", path, {}, {"location": NAME}))
    assert caught.value.code == "unsupported-operation"
    assert "restored over REST" in caught.value.message
    assert "http://host:6333" in (caught.value.hint or "")


def test_with_the_address_of_rest_it_is_restored_beside_grpc(server: HttpRecorder) -> None:
    backend = ClientBackend.connect(server.url, grpc=True)
    path = collection_path("docs", "snapshots", "recover")
    assert backend.call(Request("PUT", path, {"wait": "true"}, {"location": NAME})) is True
    assert uploaded(server.last)[1] == CONTENT
