"""Qdrant through qdrant-client: a server over REST or gRPC, or the library's local mode.

Over REST a request goes out as it was compiled, through qdrant-client's own HTTP machinery (its headers,
TLS, timeout and middleware), so fields that this version of qdrant-client has never heard of pass.
gRPC and local mode take objects: there the route names the method (`routes`), the body is validated
by the method's models (`arguments`), and what they cannot carry is refused by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import httpx
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.http.api_client import ApiClient, AsyncApiClient

from qql.backends.base import Optimized, Progress
from qql.backends.bulk import PointWriter
from qql.backends.call_time import current_time
from qql.backends.features.gaps import Gap, assumed_version
from qql.errors import QQLConnectionError, QQLUnsupportedError, fail
from qql.flows import active, answer, aside
from qql.rest.answer_shapes import misfit
from qql.rest.limits import BM25
from qql.rest.request import Request, collection_path
from qql.rest.types import Json
from qql.rest.usage import Usage

from .address import address_of, endpoint, require_headers, sent_in_clear
from .bulk import GrpcPoints, RestPoints, in_parts
from .exchange import MAX_ANSWER
from .faults import Faults
from .found_port import FoundPort
from .grpc_time import keep_time
from .messages import Notes, Secrets, text_of
from .payload_order import POINTS, with_ordered_payloads
from .restore import RECOVER, is_name, require_rest, restore_by_name
from .retries import MOST_RETRIES, check_retries
from .routes import with_timeout
from .server_version import ServerVersion
from .timeouts import Timeouts
from .transports import ClientTransport, RestTransport, Transport
from .waiting import told

__all__ = ["ClientBackend"]

_RECONNECT = {
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.min_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 1000,
}
"""Between tries to connect, in which gRPC fails without a look: shorter than the pauses between ours."""
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
"""Connections are kept, to this machine too, where the client by itself makes one for each request. Servers
of Qdrant end what is idle after 5 seconds: so that none is met that just ends, ours are not used after 2.
"""
_NOT_YET_APPLIED = (
    "the server took the change and did not carry it out within its time; it will,"
    " and until then reads do not show it"
)


class ClientBackend:
    """Answers requests through a `qdrant_client.QdrantClient`.

    ``name`` is ``"server"`` (REST or gRPC) or ``"local"`` (``QdrantClient(":memory:")`` and ``path=``).
    Nothing is sent before the first `call`. ``cloud_inference`` says that the server turns texts of every
    model into vectors; it is also taken from the client. ``assume_version`` is the server's version, where
    the server does not tell it. ``progress`` is told of what takes long.
    """

    def __init__(
        self,
        client: QdrantClient | AsyncQdrantClient,
        *,
        cloud_inference: bool = False,
        assume_version: str | None = None,
        timeouts: Timeouts | None = None,
        retries: int = MOST_RETRIES,
    ) -> None:
        """Wrap a client, which stays open when this is closed. Without ``timeouts`` its own are kept.

        Raises `QQLConnectionError` for an object that is no `QdrantClient`, such as the async one, for a
        version that is none, and for one of local mode, which has no server.
        """
        if not isinstance(client, AsyncQdrantClient if active() else QdrantClient):
            wanted = "AsyncQdrantClient" if active() else "QdrantClient"
            fail(
                "unsupported-client",
                f"a backend requires a qdrant_client.{wanted} here, not a {type(client).__name__}",
                hint="connect takes a QdrantClient, connect_async an AsyncQdrantClient, for the same address",
                error=QQLConnectionError,
            )
        options = client.init_options
        self._client = client
        self._owned = self._closed = False
        self.progress: Progress | None = None
        http: ApiClient | AsyncApiClient | None
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
        self._faults = faults = Faults(self._address, secrets, timeouts)
        self._timeouts = timeouts
        self._cloud = cloud_inference or bool(client.cloud_inference)
        self._http = http  # None where the port of REST is not known, too
        self._rest = None if http is None else RestTransport(http, faults, timeouts, check_retries(retries))
        self._transport: Transport
        if self._rest is None or grpc:
            if timeouts is not None and grpc:
                keep_time(client)
            self._transport = ClientTransport(
                client,
                faults,
                self._notes,
                local=local,
                infers=self.infers,
                timeouts=timeouts,
                retries=check_retries(retries),
            )
        else:
            self._transport = self._rest
        self._server = None if local else self._server_version(grpc, assume_version)
        if local and assume_version is not None:
            message = "assume_version has no use here: local mode is no server"
            hint = "assume_version goes with the address of a server, http://host:6333"
            fail("idle-option", message, hint=hint, error=QQLConnectionError)

    def _server_version(self, grpc: bool, assumed: str | None) -> ServerVersion:
        version = None if assumed is None else assumed_version(assumed)
        return ServerVersion(self._asked_version, "grpc" if grpc else "rest", self._address, version)

    @property
    def _over_rest(self) -> bool:
        return isinstance(self._transport, RestTransport)

    def _asked_version(self) -> Json:
        return self._transport.version()

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        grpc: bool = False,
        grpc_port: int | None = None,
        cloud_inference: bool = False,
        headers: Mapping[str, str] | None = None,
        assume_version: str | None = None,
        retries: int = MOST_RETRIES,
    ) -> ClientBackend:
        """A backend for the server at ``url``; the connection is made by the first call.

        ``http://`` and ``https://`` addresses speak REST (port 6333 unless given), ``grpc://`` and
        ``grpcs://`` (TLS) speak gRPC (port 6334 unless given). An http address with ``grpc_port`` means
        gRPC on that port; with ``grpc=True`` alone, on the port after that of REST, of which the first call
        makes sure that the same server is there. ``timeout``, in seconds, is for queries (else 5) and for
        writes of points (else 60); indexes and snapshots are waited for without end, other definitions for
        5 minutes (`Kind`). ``retries`` is how often a request is sent again, within that time, where that
        may help and does no harm. The API key travels as the header ``api-key``; ``headers`` go along with
        every request. ``assume_version`` (``"1.18"``) is believed before what the server says its version
        is.

        Raises `QQLConnectionError` for an address, key or timeout that cannot be used.
        """
        where = endpoint(url, grpc, grpc_port)
        timeouts = Timeouts(timeout)
        check_retries(retries)
        # As a header, the key raises no warning about http; `api_key=` does.
        sent = dict(headers or {}) | ({"api-key": api_key} if api_key else {})
        if where.grpc:  # it takes no capitals, where HTTP makes no difference
            sent = {name.lower(): value for name, value in sent.items()}
        require_headers(sent)
        secrets = Secrets.of({"headers": sent})
        failure: Exception | None = None
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                client = (AsyncQdrantClient if active() else QdrantClient)(
                    url=where.rest,
                    prefer_grpc=where.grpc,
                    grpc_port=where.grpc_port,
                    headers=sent or None,
                    grpc_options={"grpc.max_receive_message_length": MAX_ANSWER, **_RECONNECT},
                    check_compatibility=False,
                    cloud_inference=cloud_inference,
                    limits=_LIMITS,
                )
            except Exception as exc:
                failure = exc
        if failure is not None:  # outside of `except`, or the error would hold what was raised, and the key
            Faults(where.rest, secrets).fail(
                QQLConnectionError,
                "connection-failed",
                f"no client could be made for {where.rest}: {text_of(failure)}",
                failure,
                "`--url` takes the address, e.g. http://localhost:6333",
            )
        backend = cls(client, assume_version=assume_version, timeouts=timeouts, retries=retries)
        backend._owned = True
        if url.startswith("grpc"):
            backend._http = backend._rest = None
        for warning in said:
            backend._notes.add(text_of(warning.message))
        if where.guessed:
            rest = RestTransport(client.http.client, Faults(where.rest, secrets, timeouts), timeouts, retries)
            backend._transport = FoundPort(backend._transport, rest, where, backend._notes)
        if open_words := sent_in_clear(where.rest, sent):
            backend._notes.add(
                f"{open_words} travels unencrypted to {backend._address}: the address names no TLS"
            )
        return backend

    @property
    def client(self) -> QdrantClient | AsyncQdrantClient:
        """What it talks through."""
        return self._client

    def __repr__(self) -> str:
        return f"ClientBackend({self.name}, {self._address})"

    @property
    def keeps_time(self) -> bool:
        """Whether a call can have a time of its own (`qql.backends.call_time`)."""
        return self.name == "server"

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
        if (time := current_time()) is not None:
            request = with_timeout(request, time.left())
        elif self._timeouts is not None:
            request = self._timeouts.with_time_to_agree(request, rest=self._over_rest)
        with told(self.progress, request):
            return self._checked(request, self._answer(request))

    def point_writer(self, collection: str) -> PointWriter | None:
        """Takes the points of whole files; None in local mode, which has only `call`."""
        if self._over_rest:
            return RestPoints(self.call)
        return GrpcPoints(self.call, self.infers) if self.name == "server" else None

    def _answer(self, request: Request) -> Json:
        if request.route == RECOVER and self.name == "server":
            return self._restore(request)
        writer = None
        if self.name == "server" and not self._over_rest:
            writer = GrpcPoints(self._transport.call, self.infers)
        return in_parts(self._transport.call, request, measure=self._over_rest, writer=writer)

    def _checked(self, request: Request, result: Json) -> Json:
        """The ``result`` of an answer; raises where it has not the shape that its route says."""
        if (found := misfit(request, result)) is not None:
            self._faults.fail_misfit(request, found)
        if request.route == ("GET", "shards"):
            return {"shard_keys": (result or {}).get("shard_keys") or []}  # null: it is not divided by keys
        if request.route in POINTS and self._server is not None:
            return with_ordered_payloads(result)
        if isinstance(result, dict) and result.get("status") == "wait_timeout":
            self._notes.add(_NOT_YET_APPLIED)
        return result

    def gaps(self, request: Request) -> list[Gap]:
        """What the server lacks of a request, before it is sent; nothing in local mode.

        Raises `QQLConnectionError` where the server has to be asked for its version and does not answer.
        """
        return [] if self._server is None or self._closed else self._server.gaps(request)

    def _restore(self, request: Request) -> Json:
        """Restore a snapshot: from the place that is said, or that of the name."""
        if self._http is None or self._rest is None:
            raise require_rest(self._address)
        if not is_name(request):
            with told(self.progress, request):
                return self._checked(request, self._rest.call(request))
        asked = Request("GET", collection_path(request.collection or "", "snapshots"))
        listed = self._checked(asked, self._rest.call(asked))
        if isinstance(self._http, AsyncApiClient):  # files come and go in a thread, by a client that waits
            http = QdrantClient(**self._client.init_options | {"check_compatibility": False}).http.client
            try:
                return aside(restore_by_name, http, self._faults, request, listed, self.progress)
            finally:
                http.close()
        return restore_by_name(self._http, self._faults, request, listed, self.progress)

    @property
    def took(self) -> float | None:
        """The server's own time for the last call, in seconds; local mode and the async gRPC tell none."""
        return self._transport.took

    @property
    def usage(self) -> Usage | None:
        """What the last call has cost by the server's account, where it reports usage."""
        return self._transport.usage

    def server_version(self) -> str | None:
        """The server's version, e.g. ``"1.19.0"``, asked for once; None in local mode and where unknown."""
        return None if self._server is None or self._closed else self._server.shown

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> Optimized:
        """Wait until a server's optimizers have nothing left to do; set them off where they wait.

        Raises `QQLExecutionError` (``optimize-failed``) and `QQLTimeoutError`; in local mode
        `QQLUnsupportedError`.
        """
        if self.name == "local":
            message = "local mode has nothing to optimize: it searches exactly, without indexes"
            hint = "an edge database (a directory) or a server builds HNSW indexes"
            fail("unsupported-operation", message, hint=hint, error=QQLUnsupportedError)
        from .optimize import optimize

        rest = None if self._rest is None else self._rest.call
        return optimize(self.call, collection, progress, timeout, rest)

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
                answer(self._client.close())
