"""Qdrant through qdrant-client: a server over REST or gRPC, or the library's local mode.

Over REST a request goes out as it was compiled, through qdrant-client's own HTTP machinery (its headers,
TLS, timeout and middleware), so fields that this version of qdrant-client has never heard of pass.
gRPC and local mode take objects: there the route names the method (`routes`), the body is validated
by the method's models (`arguments`), and what they cannot carry is refused by name.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from urllib.parse import urlsplit

from qdrant_client import QdrantClient
from qdrant_client.http.api_client import ApiClient

from qql.backends.base import Progress
from qql.backends.features.gaps import Gap, assumed_version
from qql.errors import QQLConnectionError, QQLUnsupportedError, fail
from qql.rest.limits import BM25
from qql.rest.request import Request
from qql.rest.types import Json

from .address import address_of, endpoint, is_loopback, public_url, require_headers
from .faults import Faults
from .messages import Notes, Secrets, text_of
from .server_version import ServerVersion
from .transports import ClientTransport, RestTransport, Transport

__all__ = ["ClientBackend"]


class ClientBackend:
    """Answers requests through a `qdrant_client.QdrantClient`.

    ``name`` is ``"server"`` (REST or gRPC) or ``"local"`` (``QdrantClient(":memory:")`` and ``path=``).
    Nothing is sent before the first `call`. ``cloud_inference`` says that the server turns texts of every
    model into vectors; it is also taken from the client. ``assume_version`` is the server's version, where
    the server does not tell it.
    """

    def __init__(
        self, client: QdrantClient, *, cloud_inference: bool = False, assume_version: str | None = None
    ) -> None:
        """Wrap a client, which stays open when this is closed.

        Raises `QQLConnectionError` for an object that is no `QdrantClient`, such as the async one, for a
        version that is none, and for one of local mode, which has no server.
        """
        if not isinstance(client, QdrantClient):
            fail(
                "unsupported-client",
                f"a backend requires a qdrant_client.QdrantClient, not a {type(client).__name__}",
                hint="a QdrantClient for the same address does it; the async client does not",
                error=QQLConnectionError,
            )
        options = client.init_options
        self._client = client
        self._owned = self._closed = False
        http: ApiClient | None
        try:
            http = client.http.client
        except NotImplementedError:
            http = None
        local = http is None
        grpc = not local and bool(options.get("prefer_grpc"))
        secrets = Secrets.of(options)
        self.name = "local" if local else "server"
        self._notes = Notes(secrets)
        self._address = address_of(http, options, grpc)
        faults = Faults(self._address, secrets)
        self._cloud = cloud_inference or bool(client.cloud_inference)
        self._transport: Transport
        if http is None or grpc:
            self._transport = ClientTransport(client, faults, self._notes, local=local, infers=self.infers)
        else:
            self._transport = RestTransport(http, faults)
        self._server = None if local else self._server_version(grpc, assume_version)
        if local and assume_version is not None:
            message = "assume_version has no use here: local mode is no server"
            hint = "assume_version goes with the address of a server, http://host:6333"
            fail("idle-option", message, hint=hint, error=QQLConnectionError)

    def _server_version(self, grpc: bool, assumed: str | None) -> ServerVersion:
        version = None if assumed is None else assumed_version(assumed)
        return ServerVersion(self._transport.version, "grpc" if grpc else "rest", self._address, version)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        grpc: bool = False,
        cloud_inference: bool = False,
        headers: Mapping[str, str] | None = None,
        assume_version: str | None = None,
    ) -> ClientBackend:
        """A backend for the server at ``url``; the connection is made by the first call.

        ``http://`` and ``https://`` addresses speak REST (port 6333 unless given), ``grpc://`` and ``grpcs://``
        (TLS) speak gRPC (port 6334 unless given). ``grpc=True`` with an http address means gRPC on port 6334
        of that host. ``timeout`` is in seconds, rounded up; None is qdrant-client's own 5 s. The API key
        travels as the header ``api-key``; ``headers`` go along with every request. ``assume_version``
        (``"1.18"``) is believed before what the server says its version is.

        Raises `QQLConnectionError` for an address, key or timeout that cannot be used.
        """
        arguments = endpoint(url, grpc)
        if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
            message = f"a timeout requires a number of seconds above 0, not {timeout}"
            fail("invalid-timeout", message, error=QQLConnectionError)
        # As a header, the key raises no warning about http; `api_key=` does.
        sent = dict(headers or {}) | ({"api-key": api_key} if api_key else {})
        require_headers(sent)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                client = QdrantClient(
                    **arguments,
                    timeout=timeout,  # type: ignore[arg-type]  # qdrant-client rounds a float up
                    headers=sent or None,
                    check_compatibility=False,
                    cloud_inference=cloud_inference,
                )
            except Exception as exc:
                address = public_url(url)
                Faults(address, Secrets.of({"headers": sent})).fail(
                    QQLConnectionError,
                    "connection-failed",
                    f"no client could be made for {address}: {text_of(exc)}",
                    exc,
                    "`--url` takes the address, e.g. http://localhost:6333",
                )
        backend = cls(client, assume_version=assume_version)
        backend._owned = True
        for warning in said:
            backend._notes.add(text_of(warning.message))
        if api_key and urlsplit(arguments["url"]).scheme == "http" and not is_loopback(arguments["url"]):
            backend._notes.add(
                f"the API key travels unencrypted to {backend._address}: the address names no TLS"
            )
        return backend

    def __repr__(self) -> str:
        return f"ClientBackend({self.name}, {self._address})"

    def infers(self, model: str) -> bool:
        """``qdrant/bm25`` on a server that is new enough, every model under cloud inference, none in local
        mode.
        """
        if self._server is None:
            return False
        return self._cloud or (model.lower() == BM25 and self._server.embeds_bm25())

    def call(self, request: Request) -> Json:
        """Send one request; the ``result`` of the answer as JSON data.

        Raises `QQLConnectionError` (no answer, or the key is refused), `QQLExecutionError` (the engine
        refused) and `QQLUnsupportedError`: this way of talking to Qdrant cannot carry the request, or the
        server is too old for it (``server-too-old``; ``unknown-version`` where it might be).
        """
        if self._closed:
            message = f"the connection to {self._address} is closed"
            fail("connection-closed", message, error=QQLConnectionError)
        if self._server is not None:
            self._server.check(request, self._notes.add)
        return self._transport.call(request)

    def gaps(self, request: Request) -> list[Gap]:
        """What the server lacks of a request, before it is sent; nothing in local mode.

        Raises `QQLConnectionError` where the server has to be asked for its version and does not answer.
        """
        return [] if self._server is None or self._closed else self._server.gaps(request)

    @property
    def took(self) -> float | None:
        """The server's own time for the last call, in seconds; gRPC and local mode tell none."""
        return self._transport.took

    def server_version(self) -> str | None:
        """The server's version, e.g. ``"1.19.0"``, asked for once; None in local mode and where unknown."""
        return None if self._server is None or self._closed else self._server.shown

    def optimize(self, collection: str, progress: Progress | None = None) -> bool:
        """Raises `QQLUnsupportedError`: a server decides for itself when to optimize."""
        if self.name == "local":
            message = "local mode has nothing to optimize: it searches exactly, without indexes"
            hint = "an edge database (a directory) or a server builds HNSW indexes"
        else:
            message = f"a server optimizes by itself; it cannot be told to optimize `{collection}` now"
            hint = (
                f"`ALTER COLLECTION {collection} WITH OPTIMIZERS (indexing_threshold = …)` says from what "
                "size segments are indexed, and any change of the settings makes the server look again"
            )
        fail("unsupported-operation", message, hint=hint, error=QQLUnsupportedError)

    def take_notes(self) -> list[str]:
        """The sentences about what an engine took and did not act on, since the last call of this."""
        return self._notes.take()

    def needs_optimize(self, collection: str) -> bool:
        """False: servers optimize by themselves, and local mode builds no indexes."""
        return False

    def close(self) -> None:
        """End the use of the client; one that `connect` made is closed."""
        if self._closed:
            return
        self._closed = True
        if self._owned:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "unable to close": there is nothing left to do about it
                self._client.close()
