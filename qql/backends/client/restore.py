"""RESTORE SNAPSHOT by name on a server, which takes files and addresses only.

The snapshot is downloaded and uploaded at once, piece by piece: neither memory nor a disk on this side has to
hold it. The server compares the checksum before it changes anything.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

import httpx
from qdrant_client.http.api_client import ApiClient
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from qql.backends.base import Progress, Work
from qql.errors import (
    QQLConnectionError,
    QQLError,
    QQLExecutionError,
    QQLUnsupportedError,
    did_you_mean,
    fail,
)
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json

from .encoding import canonical_path
from .faults import Faults
from .messages import text_of

__all__ = ["is_name", "require_rest", "restore_by_name"]

_BLOCK = 1 << 18  # bytes that are read at a time
_STEP = 1 << 23  # bytes between two words of progress
_FIRST_BYTES = 60.0  # seconds within which a server begins to send a snapshot, which it may have to fetch
RECOVER = ("PUT", "snapshots/recover")
"""The route of RESTORE SNAPSHOT."""


def is_name(request: Request) -> bool:
    """Whether a request restores a snapshot by its name: neither an address nor a path."""
    if request.route != RECOVER:
        return False
    location = (request.body or {}).get("location")
    return isinstance(location, str) and not any(mark in location for mark in ("/", "\\"))


def require_rest(address: str) -> QQLError:
    """The error of a restore for which no port of REST is known."""
    return QQLUnsupportedError.make(
        "unsupported-operation",
        f"a snapshot is restored over REST, and {address} names the port of gRPC only",
        hint="connect with the address of REST, http://host:6333; `--grpc` with it keeps the rest on gRPC",
    )


def restore_by_name(
    http: ApiClient, faults: Faults, request: Request, listed: Json, progress: Progress | None
) -> Json:
    """Restore the snapshot that the request names; ``listed`` are those that the collection has.

    Raises `QQLExecutionError`: ``unknown-snapshot``, ``wrong-checksum``; and what an exchange raises.
    """
    collection, body = request.collection or "", request.body or {}
    found = _named(listed, str(body["location"]), collection)
    params = _parameters(body, found) | {
        key: value for key, value in request.query.items() if value is not None
    }
    path = collection_path(collection, "snapshots", quote(found["name"], safe=""))
    response = _open(http, faults, Request("GET", path))
    try:
        download = _Download(response, found, progress, collection)
        return _upload(http, faults, request, download, params)
    finally:
        response.close()


def _named(listed: Json, name: str, collection: str) -> Body:
    known = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    for one in known:
        if one.get("name") == name:
            return one
    names = [str(one.get("name")) for one in known]
    hint = did_you_mean(name, names) or f"SHOW SNAPSHOTS ON {collection} lists those that this server has"
    message = f"`{collection}` has no snapshot `{name}`"
    fail("unknown-snapshot", message, hint=hint, error=QQLExecutionError)


def _parameters(body: Body, found: Body) -> dict[str, str]:
    """The parameters of the upload. The checksum that the server lists goes along."""
    if "api_key" in body:
        hint = "it goes with a location such as https://host:6333/collections/c/snapshots/NAME"
        message = "`api_key` is the key of another server, and a name is that of a snapshot of this one"
        fail("idle-option", message, hint=hint, error=QQLExecutionError)
    listed, given = found.get("checksum"), body.get("checksum")
    if listed and given and str(listed).lower() != str(given).strip().lower():
        message = f"the SHA-256 of {found['name']} is {listed}, not {given!s:.80}"
        hint = "the file might be damaged, or another one"
        fail("wrong-checksum", message, hint=hint, error=QQLExecutionError)
    params = {"priority": body.get("priority"), "checksum": given or listed}
    return {key: str(value).strip() for key, value in params.items() if value}


def _open(http: ApiClient, faults: Faults, request: Request) -> httpx.Response:
    """The answer to a download, whose body is still to be read."""
    client = http._client  # the library has no public way to read an answer piece by piece
    host = http.host if http.host.endswith("/") else f"{http.host}/"
    sent = client.build_request(
        "GET",
        urljoin(host, canonical_path(request.path).lstrip("/")),
        headers={"Accept-Encoding": "identity"},
        timeout=_patient(client, _FIRST_BYTES),
    )
    failure: Exception | None = None
    try:
        response = http.middleware(sent, lambda one: client.send(one, stream=True))
        if response.status_code != 200:
            response.read()
            failure = UnexpectedResponse.for_response(response)
    except httpx.HTTPError as exc:
        failure = ResponseHandlingException(exc)
    # Outside of `except`, or the error would hold the library's own, and so the headers, as its context.
    if failure is not None:
        raise faults.error_of_exchange(failure, request)
    return response


def _patient(client: httpx.Client, read: float | None) -> httpx.Timeout:
    """The client's own time to connect, and so long to wait for an answer."""
    return httpx.Timeout(read, connect=client.timeout.connect)


def _upload(
    http: ApiClient, faults: Faults, request: Request, download: _Download, params: dict[str, str]
) -> Json:
    arguments: dict[str, Any] = {
        "params": params,
        "files": {"snapshot": (download.name, download, "application/octet-stream")},
        "timeout": _patient(http._client, None),  # the answer comes when the collection is restored
    }
    url = canonical_path(collection_path(request.collection or "", "snapshots", "upload"))
    failure: Exception | None = None
    try:
        answer = http.request(type_=Any, method="POST", url=url, **arguments)
    except Exception as exc:
        failure = exc
    if failure is not None and download.broken is not None:
        message = f"the snapshot {download.name} could not be read to its end: {text_of(download.broken)}"
        hint = f"{request.collection} is as it was"
        faults.fail(QQLConnectionError, "connection-failed", message, failure, hint)
    if failure is not None:
        raise faults.error_of_exchange(failure, request)
    if not (isinstance(answer, dict) and "result" in answer):
        faults.fail_answer(answer, request)
    return answer["result"]


class _Download(io.RawIOBase):
    """A snapshot as a file that is read once, from its beginning to its end, while it comes in.

    Its length, which the one who sends it asks for by `seek`, is that which the server announces.
    """

    def __init__(
        self, response: httpx.Response, found: Body, progress: Progress | None, collection: str
    ) -> None:
        super().__init__()
        self.name = str(found["name"])
        self.broken: Exception | None = None
        self._pieces: Iterator[bytes] = response.iter_bytes(_BLOCK)
        self._rest = b""
        self._done = self._told = 0
        announced = response.headers.get("Content-Length", "")
        plain = "Content-Encoding" not in response.headers
        self._length = int(announced) if plain and announced.isdecimal() else None
        size = found.get("size")
        self._total = self._length or (size if isinstance(size, int) and size > 0 else None)
        self._progress = progress
        self._what = Work(f"restoring {collection}", "bytes")

    def readable(self) -> bool:
        """It can be read."""
        return True

    def fileno(self) -> int:
        """It is no file of the system."""
        raise io.UnsupportedOperation("fileno")

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The length for the end; the place where it stands is the only one to go to."""
        if whence == os.SEEK_END and self._length is not None:
            return self._length
        if whence == os.SEEK_SET and offset == self._done:
            return offset
        raise io.UnsupportedOperation("seek")

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        if not self._rest:
            self._rest = self._next_piece()
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        self._done += len(taken)
        if self._progress is not None and (self._done - self._told >= _STEP or not taken):
            self._told = self._done
            self._progress(self._what, self._done, self._total)
        return taken

    def _next_piece(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except httpx.HTTPError as exc:
            self.broken = exc
            raise
