"""A Qdrant server (REST or gRPC), or qdrant-client's local mode.

Over REST a request goes out as it was compiled, through qdrant-client's own HTTP machinery (its headers,
TLS, timeout and middleware), so fields that this version of qdrant-client has never heard of pass. gRPC and
local mode take objects: there the route names the method (`_ROUTES`), the body is validated by the method's
models, and what they cannot carry is refused by name.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, reduce
from importlib.metadata import version
from operator import or_
from typing import Any, NoReturn
from urllib.parse import quote, unquote, urlsplit

import grpc  # type: ignore[import-untyped]
import httpx
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http import models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from qql.backends.base import Progress
from qql.errors import QQLConnectionError, QQLError, QQLExecutionError, QQLUnsupportedError
from qql.request import Request

__all__ = ["ClientBackend"]

_REST_PORT, _GRPC_PORT = 6333, 6334
_PREFETCH_DEPTH = 64  # Qdrant's own limit
_EXCERPT = 200  # characters of an unexpected answer that a message shows
_TEXT = 4000  # characters of a server's own message that are shown


class ClientBackend:
    """Answers requests through a `qdrant_client.QdrantClient`.

    ``name`` is ``"server"`` (REST or gRPC) or ``"local"`` (``QdrantClient(":memory:")`` and ``path=``).
    Nothing is sent before the first `call`. ``cloud_inference`` says that the server turns texts of every
    model into vectors; it is also taken from the client.
    """

    def __init__(self, client: QdrantClient, *, cloud_inference: bool = False) -> None:
        """Wrap a client, which stays open when this is closed.

        Raises `QQLConnectionError` for an object that is no `QdrantClient`, such as the async one.
        """
        if not isinstance(client, QdrantClient):
            raise QQLConnectionError.make(
                "unsupported-client",
                f"a backend requires a qdrant_client.QdrantClient, not a {type(client).__name__}",
                hint="a QdrantClient for the same address does it; the async client does not",
            )
        options = client.init_options
        self.notes: list[str] = []
        self._noted: set[str] = set()
        self._client = client
        self._owned = self._closed = False
        self._cloud_inference = cloud_inference or bool(client.cloud_inference)
        self._secrets = _secrets(options)
        self._version: str | None = None
        try:
            self._rest: Any = client.http.client
        except NotImplementedError:
            self._rest = None
        self.name = "server" if self._rest else "local"
        self._typed = self._rest is None or bool(options.get("prefer_grpc"))
        self._address = _address(self._rest, options, self._typed)

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
    ) -> ClientBackend:
        """A backend for the server at ``url``; the connection is made by the first call.

        ``http://`` and ``https://`` addresses speak REST (port 6333 unless given), ``grpc://`` and ``grpcs://``
        (TLS) speak gRPC (port 6334 unless given). ``grpc=True`` with an http address means gRPC on port 6334
        of that host. ``timeout`` is in seconds, rounded up; None is qdrant-client's own 5 s. The API key
        travels as the header ``api-key``; ``headers`` go along with every request.

        Raises `QQLConnectionError` for an address, key or timeout that cannot be used.
        """
        arguments = _endpoint(url, grpc)
        if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
            raise QQLConnectionError.make(
                "invalid-timeout", f"a timeout requires a number of seconds above 0, not {timeout}"
            )
        # As a header, the key raises no warning about http; `api_key=` does.
        sent = dict(headers or {}) | ({"api-key": api_key} if api_key else {})
        _require_headers(sent)
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
                secrets = _secrets({"headers": sent})
                raise QQLConnectionError.make(
                    "connection-failed",
                    _scrub(f"no client could be made for {_shown(url)}: {_text(exc)}", secrets),
                    hint="`--url` takes the address, e.g. http://localhost:6333",
                ) from _harmless(exc, secrets)
        backend = cls(client)
        backend._owned = True
        for warning in said:
            backend._note(_text(warning.message))
        if api_key and urlsplit(arguments["url"]).scheme == "http" and not _is_loopback(arguments["url"]):
            backend._note(f"the API key travels unencrypted to {backend._address}: the address names no TLS")
        return backend

    def __repr__(self) -> str:
        return f"ClientBackend({self.name}, {self._address})"

    def infers(self, model: str) -> bool:
        """``qdrant/bm25`` on a server, every model under cloud inference, none in local mode."""
        if self.name == "local":
            return False
        return self._cloud_inference or model.lower() == "qdrant/bm25"

    def call(self, request: Request) -> Any:
        """Send one request; the ``result`` of the answer as JSON data.

        Raises `QQLConnectionError` (no answer, or the key is refused), `QQLExecutionError` (the engine
        refused) and `QQLUnsupportedError` (this way of talking to Qdrant cannot carry the request).
        """
        self._require_open()
        if self._typed:
            return self._call_typed(request)
        answer = self._exchange(request)
        if isinstance(answer, dict) and "result" in answer:
            return answer["result"]
        raise QQLExecutionError.make(
            "server-error",
            self._scrub(f"{self._address} answered, but not as Qdrant does: {_excerpt(json.dumps(answer))}"),
            hint=_NOT_QDRANT,
        )

    def server_version(self) -> str | None:
        """The server's version, e.g. ``"1.19.0"``, asked for once; None in local mode and where unknown."""
        if self._version is None and self._rest is not None and not self._closed:
            try:
                self._version = self._ask_version()
            except QQLError:
                return None
        return self._version

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
        raise QQLUnsupportedError.make("unsupported-operation", message, hint=hint)

    def take_notes(self) -> list[str]:
        """The sentences about what an engine took and did not act on, since the last call of this."""
        taken, self.notes = self.notes, []
        return taken

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

    # --- REST: the request as it is ----------------------------------------------------------------

    def _exchange(self, request: Request) -> Any:
        """One HTTP exchange: the whole JSON answer of a status 200 to 202."""
        arguments: dict[str, Any] = {}
        params = {key: value for key, value in request.query.items() if value is not None}
        if params:
            arguments["params"] = params
        if request.body is not None:
            arguments |= {"content": _encode(request.body), "headers": {"Content-Type": "application/json"}}
        path = _canonical(request.path)
        try:
            return self._rest.request(type_=Any, method=request.method, url=path, **arguments)
        except UnexpectedResponse as exc:
            self._refuse_status(exc, request)
        except ResourceExhaustedResponse as exc:
            self._fail("rate-limited", str(exc), request, exc, wait=str(exc.retry_after_s))
        except QdrantException as exc:  # a Retry-After that is a date
            self._fail("rate-limited", _text(exc), request, exc)
        except ResponseHandlingException as exc:
            self._lose(exc.source, exc)
        except json.JSONDecodeError as exc:
            self._refuse_page(200, exc.doc.encode("utf-8", "replace"), exc)
        except UnicodeDecodeError as exc:
            self._refuse_page(200, exc.object, exc)
        except Exception as exc:
            raise self._error(
                QQLExecutionError, "client-error", f"qdrant-client failed: {_text(exc)}", exc
            ) from (self._harmless(exc))

    def _refuse_status(self, exc: UnexpectedResponse, request: Request) -> NoReturn:
        status = exc.status_code or 0
        text = _status_error(exc.content)
        if 300 <= status < 400:
            self._redirected(exc)
        if status in (401, 403):
            self._fail("not-authorised", text or f"HTTP status {status}", request, exc)
        if status == 429:
            self._fail("rate-limited", text or "", request, exc, wait=exc.headers.get("retry-after"))
        if text is None and status == 404 and not exc.content.strip():
            self._unknown_route(request, exc)
        if text is None:
            self._refuse_page(status, exc.content, exc)
        code = _HTTP.get(status) or ("server-refused" if 400 <= status < 500 else "server-error")
        self._fail(code, text, request, exc)

    def _redirected(self, exc: UnexpectedResponse) -> NoReturn:
        target = _shown(str(exc.headers.get("location", "")))
        where = f" to {target}" if target else ""
        message = f"{self._address} answered with a redirect{where}, which is not followed"
        hint = "the address that it points to, without the path of the request, might be the one for `--url`"
        raise self._error(QQLConnectionError, "connection-failed", message, exc, hint) from self._harmless(
            exc
        )

    def _refuse_page(self, status: int, content: bytes, exc: BaseException) -> NoReturn:
        page = _excerpt(content.decode("utf-8", "replace"))
        what = f"not JSON: {page}" if page else "an empty body"
        message = f"{self._address} answered with status {status} and {what}"
        raise self._error(QQLExecutionError, "server-error", message, exc, _NOT_QDRANT) from self._harmless(
            exc
        )

    def _unknown_route(self, request: Request, exc: BaseException) -> NoReturn:
        message = f"{self._address} does not know {request.method} {_pattern(request)[1] or request.path}"
        hint = "the server might be too old for this statement, or the address might not be Qdrant's"
        raise self._error(QQLUnsupportedError, "unsupported-operation", message, exc, hint) from (
            self._harmless(exc)
        )

    def _lose(self, source: BaseException, exc: BaseException) -> NoReturn:
        """Raise for an exchange that brought no answer, or half of one."""
        kind = next((k for k in _LOST if isinstance(source, k)), Exception)
        message, hint = _LOST[kind]
        said = _text(source)
        if isinstance(source, httpx.TimeoutException):
            said = _timeout_text(source)
        if isinstance(source, httpx.ConnectError) and "ssl" in said.lower():
            hint = _TLS
        raise self._error(
            QQLConnectionError, "connection-failed", message.format(self._address, said), exc, hint
        ) from self._harmless(exc)

    # --- gRPC and local mode: methods and models ---------------------------------------------------

    def _call_typed(self, request: Request) -> Any:
        pattern = _pattern(request)
        route = _ROUTES.get(pattern)
        where = "over gRPC" if self.name == "server" else "in local mode"
        if route is None:
            raise QQLUnsupportedError.make(
                "unsupported-operation",
                f"{request.method} {request.path} has no counterpart {where}",
                hint=_ELSEWHERE[self.name],
            )
        body = request.body or {}
        self._require_carried(body)
        arguments = _arguments(route, request, where, self.name)
        method = getattr(self._client, route.method)
        _require_parameters(method, arguments, where, self.name)
        if self.name == "server":
            return route.answer(self._invoke(method, arguments, request))
        ignored = list(_ignored_keys(pattern, body))
        result = self._invoke(method, arguments, request)
        self._note_ignored(ignored, request.query)
        if pattern == ("PATCH", ""):
            return True  # local mode says False where it had nothing to change
        return route.answer(result)

    def _require_carried(self, body: dict[str, Any]) -> None:
        """Refuse what the library would take and get wrong: bad ids, deep prefetches, texts, shard keys."""
        _require_ids(body)
        for _, part, depth in _objects(body):
            if depth > _PREFETCH_DEPTH:
                raise QQLExecutionError.make(
                    "prefetch-too-deep",
                    f"prefetches nest more than {_PREFETCH_DEPTH} deep, which is Qdrant's limit",
                )
            if self.name == "local" and part.get("shard_key") is not None:
                raise QQLUnsupportedError.make(
                    "unsupported-key",
                    "local mode has no shards, so `shard_key` selects nothing",
                    hint=_SERVER,
                )
        for model in _inference_models(body):
            if not self.infers(model):
                raise QQLUnsupportedError.make(
                    "unsupported-inference",
                    f"the engine does not turn texts into vectors of the model `{model}`",
                    hint="an embedder on this side, or a server with inference (`cloud_inference`) does",
                )
        _encode(body)  # finite numbers and string keys, as over REST

    def _invoke(self, method: Callable[..., Any], arguments: dict[str, Any], request: Request) -> Any:
        with self._hearing() as said:
            try:
                result = method(**arguments)
            except grpc.RpcError as exc:
                self._refuse_rpc(exc, request)
            except ResourceExhaustedResponse as exc:
                self._fail("rate-limited", str(exc), request, exc, wait=str(exc.retry_after_s))
            except NotImplementedError as exc:
                raise self._error(
                    QQLUnsupportedError, "unsupported-operation", _text(exc), exc, _SERVER
                ) from exc
            except RecursionError as exc:
                message = "the request nests too deeply for qdrant-client"
                raise self._error(
                    QQLExecutionError, "engine-error", message, exc, _ELSEWHERE[self.name]
                ) from exc
            except Exception as exc:
                code, message, hint = _local_fault(_text(exc), request)
                raise self._error(QQLExecutionError, code, message, exc, hint) from self._harmless(exc)
        for warning in said:
            self._note(_text(warning.message))
        return result

    @contextmanager
    def _hearing(self) -> Iterator[list[warnings.WarningMessage]]:
        """The warnings of local mode. A server's calls might come from many threads, and Python's
        warning filters belong to all of them, so there nothing is touched."""
        if self.name == "server":
            yield []
            return
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for known in _NOTED_HERE:
                warnings.filterwarnings("ignore", message=known)
            yield said

    def _refuse_rpc(self, exc: Any, request: Request) -> NoReturn:
        status, text = exc.code().name, exc.details() or ""
        if status in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            kind = httpx.ConnectError if status == "UNAVAILABLE" else httpx.TimeoutException
            self._lose(kind(text), exc)
        if status == "UNIMPLEMENTED":
            self._unknown_route(request, exc)
        self._fail(_GRPC.get(status, "server-error"), text, request, exc)

    def _note_ignored(self, keys: Sequence[str], query: Mapping[str, Any]) -> None:
        for key in keys:
            self._note(f"`{key}` has no effect in local mode: {_LOCAL_IGNORES[key]}")
        if query.get("timeout") is not None:
            self._note("`timeout` has no effect in local mode: a statement runs until it is done")
        if _flag(query.get("wait", True)) is False:
            self._note("`wait = false` has no effect in local mode: changes are made at once")

    # --- what all ways share -----------------------------------------------------------------------

    def _require_open(self) -> None:
        if self._closed:
            raise QQLConnectionError.make("connection-closed", f"the connection to {self._address} is closed")

    def _ask_version(self) -> str | None:
        if self._typed:
            said = self._invoke(self._client.info, {}, Request("GET", "/")).version
        else:
            answer = self._exchange(Request("GET", "/"))
            said = answer.get("version") if isinstance(answer, dict) else None
        return said if isinstance(said, str) and said else None

    def _fail(
        self, code: str, text: str, request: Request, exc: BaseException, wait: str | None = None
    ) -> NoReturn:
        """Raise the error for a refusal of the server's, whichever way it came."""
        if code == "not-found":
            code = next((c for words, c in _MISSING if words.search(text)), code)
        kind, message, hint = _FAULTS[code]
        if wait:
            hint = f"the server asks to wait {wait} s before the next request"
        name = _collection_in(text) or request.collection or ""
        line = message.format(address=self._address, text=_clean(text, _TEXT), name=name).rstrip(": ")
        raise self._error(kind, code, line, exc, hint) from self._harmless(exc)

    def _error(
        self, kind: type[QQLError], code: str, message: str, exc: BaseException, hint: str | None = None
    ) -> QQLError:
        return kind.make(code, self._scrub(message), hint=hint)

    def _note(self, sentence: str) -> None:
        sentence = self._scrub(sentence)
        if sentence not in self._noted:
            self._noted.add(sentence)
            self.notes.append(sentence)

    def _scrub(self, text: str) -> str:
        return _scrub(text, self._secrets)

    def _harmless(self, exc: BaseException) -> BaseException | None:
        return _harmless(exc, self._secrets)


# --- addresses and keys ----------------------------------------------------------------------------

_SCHEMES = {"http": False, "https": True, "grpc": False, "grpcs": True}  # with TLS or without
_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def _endpoint(url: str, prefer_grpc: bool) -> dict[str, Any]:
    """Arguments of `QdrantClient` for an address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _bad_url(url, "cannot be read") from exc
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise _bad_url(url, "requires http://, https://, grpc:// or grpcs:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _bad_url(url, "holds a user name or a password", "`--api-key` or QDRANT_API_KEY gives the key")
    if parts.query or parts.fragment:
        raise _bad_url(url, "holds a `?` or `#` part, which would not be sent")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    scheme = "https" if _SCHEMES[parts.scheme] else "http"
    if not parts.scheme.startswith("grpc"):
        address = f"{scheme}://{host}:{port or _REST_PORT}{parts.path.rstrip('/')}"
        return {"url": address, "prefer_grpc": prefer_grpc, "grpc_port": _GRPC_PORT}
    if parts.path.strip("/"):
        raise _bad_url(url, "holds a path, which gRPC cannot use")
    return {"url": f"{scheme}://{host}:{_REST_PORT}", "prefer_grpc": True, "grpc_port": port or _GRPC_PORT}


def _bad_url(
    url: str, why: str, hint: str = "e.g. http://localhost:6333 or grpc://localhost:6334"
) -> QQLError:
    return QQLConnectionError.make("invalid-url", f"the address {_shown(url)} {why}", hint=hint)


def _shown(url: str) -> str:
    """An address without what might be secret in it: a user part, a query, a fragment."""
    return re.split(r"[?#]", re.sub(r"//[^/?#]*@", "//***@", _clean(url, _EXCERPT)))[0]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _address(rest: Any, options: Mapping[str, Any], typed: bool) -> str:
    """What messages call the other end."""
    if rest is None:
        path = options.get("path")
        return f"local mode ({path if path is not None else ':memory:'})"
    if not typed:
        return str(rest.host).rstrip("/")
    parts = urlsplit(rest.host)
    scheme = "grpcs" if parts.scheme == "https" else "grpc"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{scheme}://{host}:{options.get('grpc_port', _GRPC_PORT)}"


def _require_headers(headers: Mapping[str, str]) -> None:
    """HTTP libraries name the value of a bad header in their error, so it must not get there."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(value):
            what = "the API key" if name == "api-key" else f"the header `{_clean(name, _EXCERPT)}`"
            raise QQLConnectionError.make(
                "invalid-header",
                f"{what} holds a character that cannot be sent, such as a line break or a space at an end",
                hint="a key that was read from a file might end with a line break",
            )


_SECRET = re.compile(r"key|token|auth|secret|cookie", re.I)
_SHORTEST_SECRET = 4  # what is shorter protects nothing, and would blot out parts of words


def _secrets(options: Mapping[str, Any]) -> tuple[str, ...]:
    """What must not be shown: the API key, and the values of headers that carry something of the kind."""
    headers = options.get("headers") or {}
    values = [options.get("api_key"), *(value for name, value in headers.items() if _SECRET.search(name))]
    words = {word for value in values if value for word in (value, *value.split())}
    # The longest first: one might hold another.
    return tuple(sorted((w for w in words if len(w) >= _SHORTEST_SECRET), key=len, reverse=True))


def _scrub(text: str, secrets: tuple[str, ...]) -> str:
    return reduce(lambda t, secret: t.replace(secret, "***"), secrets, text)


def _harmless(exc: BaseException, secrets: tuple[str, ...]) -> BaseException | None:
    """The cause to chain, or None where a traceback would show a secret."""
    seen: BaseException | None = exc
    while seen is not None:
        shown = f"{seen!s} {seen!r}"
        if any(secret in shown for secret in secrets):
            return None
        seen = seen.__cause__ or seen.__context__
    return exc


# --- words for faults ------------------------------------------------------------------------------

_SERVER = "a Qdrant server can do it (`--url http://…`)"
_ELSEWHERE = {"local": _SERVER, "server": "an http:// address sends the request as it is"}
_NOT_QDRANT = (
    "the address might be that of a proxy or of another program; Qdrant's own port is 6333 (gRPC 6334)"
)
_RUNNING = "is the server running there? `--url` or QDRANT_URL gives another address"
_TLS = "the server might speak plain http://, or its certificate might not be trusted (SSL_CERT_FILE)"
_PERHAPS_DONE = "a change might have been made all the same"

_LOST: dict[type[BaseException], tuple[str, str | None]] = {
    httpx.ConnectTimeout: ("{0} cannot be reached: {1}", _RUNNING),
    httpx.TimeoutException: (
        "{0} did not answer in time: {1}",
        f"a longer timeout might help; {_PERHAPS_DONE}",
    ),
    httpx.ConnectError: ("{0} cannot be reached: {1}", _RUNNING),
    httpx.ProxyError: (
        "{0} cannot be reached through the proxy: {1}",
        "HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment choose the proxy",
    ),
    httpx.TransportError: (
        "the connection to {0} broke off before the answer was complete: {1}",
        f"a server that speaks TLS requires https://; {_PERHAPS_DONE}",
    ),
    httpx.DecodingError: ("the answer of {0} cannot be read: {1}", _NOT_QDRANT),
    Exception: ("the exchange with {0} failed: {1}", None),
}

_FAULTS: dict[str, tuple[type[QQLError], str, str | None]] = {
    "not-authorised": (
        QQLConnectionError,
        "{address} does not allow this: {text}",
        "`--api-key` or QDRANT_API_KEY gives the key; a read-only key cannot change anything",
    ),
    "unknown-collection": (
        QQLExecutionError,
        "collection `{name}` does not exist",
        "`SHOW COLLECTIONS` lists those that do",
    ),
    "unknown-point": (QQLExecutionError, "{text}", "a point that a query names must exist in the collection"),
    "not-found": (QQLExecutionError, "the server did not find it: {text}", None),
    "collection-exists": (
        QQLExecutionError,
        "{text}",
        "`CREATE COLLECTION IF NOT EXISTS` leaves it as it is, `DROP COLLECTION` removes it",
    ),
    "rate-limited": (
        QQLExecutionError,
        "{address} takes no more requests for now: {text}",
        "the same statement might go through a little later",
    ),
    "timed-out": (
        QQLExecutionError,
        "the server gave up: {text}",
        f"`PARAMS (timeout = …)` gives it more seconds; {_PERHAPS_DONE}",
    ),
    "too-large": (
        QQLExecutionError,
        "the request is larger than the server takes: {text}",
        "fewer points at a time, or a higher `max_request_size_mb` in the server's configuration",
    ),
    "server-refused": (QQLExecutionError, "the server refused the request: {text}", None),
    "server-error": (QQLExecutionError, "the server failed: {text}", "the server's log might say more"),
}
_HTTP = {404: "not-found", 408: "timed-out", 409: "collection-exists", 413: "too-large"}
_GRPC = {
    "UNAUTHENTICATED": "not-authorised",
    "PERMISSION_DENIED": "not-authorised",
    "NOT_FOUND": "not-found",
    "ALREADY_EXISTS": "collection-exists",
    "RESOURCE_EXHAUSTED": "rate-limited",
    "INVALID_ARGUMENT": "server-refused",
    "FAILED_PRECONDITION": "server-refused",
    "OUT_OF_RANGE": "server-refused",
    "CANCELLED": "timed-out",
}
_MISSING = (
    (
        re.compile(r"\bcollection\b.*(doesn't exist|does not exist|not found)", re.I | re.S),
        "unknown-collection",
    ),
    (re.compile(r"\bpoint\b", re.I), "unknown-point"),
)
_COLLECTION = re.compile(r"\bcollection [`'\"]?(.+?)[`'\"]? (?:doesn't exist|does not exist|not found)", re.I)


def _collection_in(text: str) -> str | None:
    found = _COLLECTION.search(text)
    return found[1] if found else None


def _local_fault(text: str, request: Request) -> tuple[str, str, str | None]:
    """Code, message and hint for what local mode (or the gRPC conversion) raised."""
    if re.search(r"^Collection .* already exists$", text, re.S):
        return "collection-exists", text, _FAULTS["collection-exists"][2]
    if re.search(r"^Collection .* not found$", text, re.S):
        _, message, hint = _FAULTS["unknown-collection"]
        return "unknown-collection", message.format(name=_collection_in(text) or request.collection), hint
    if re.search(r"^Point .* is not found in the collection$", text, re.S):
        return "unknown-point", text, _FAULTS["unknown-point"][2]
    hint = "the vector of the query might be of another length than those stored" if _SHAPES in text else None
    return "engine-error", f"qdrant-client refused the request: {text}", hint


_SHAPES = "not aligned"  # what numpy says of vectors of two lengths


def _clean(text: str, width: int) -> str:
    """One line of printable characters, cut at ``width``."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * width]).split())
    return line if len(line) <= width and len(text) <= 2 * width else f"{line[:width]}…"


def _excerpt(text: str) -> str:
    return _clean(text, _EXCERPT)


def _text(exc: object) -> str:
    return _clean(str(exc), _TEXT) or type(exc).__name__


def _timeout_text(exc: httpx.TimeoutException) -> str:
    try:
        limits = exc.request.extensions.get("timeout", {})
    except RuntimeError:  # it belongs to no request: a gRPC deadline
        return _text(exc)
    phase = "connect" if isinstance(exc, httpx.ConnectTimeout) else "read"
    return f"no answer within {limits.get(phase)} s"


def _status_error(content: bytes) -> str | None:
    """The server's own words (``status.error``), or None where the answer is not one of Qdrant's."""
    try:
        answer = orjson.loads(content)
        status = answer["status"]
        return str(status if isinstance(status, str) else status["error"])
    except (ValueError, TypeError, LookupError):
        return None


# --- bodies as they are ----------------------------------------------------------------------------


def _canonical(path: str) -> str:
    """The path with each segment percent-encoded once; dots alone would climb to another resource."""
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if "." in segments or ".." in segments:
        raise QQLExecutionError.make("invalid-name", f"`.` and `..` cannot be names in a path: {path}")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def _encode(body: dict[str, Any]) -> bytes:
    """The body as JSON.

    Raises `QQLExecutionError` (``invalid-value``) for what JSON cannot say: NaN, infinity, keys that are no
    strings.
    """
    try:
        encoded = orjson.dumps(body)
    except TypeError:  # nests deeper than 254, or holds an integer beyond 64 bits
        _require_json(body)
    else:
        if b"null" in encoded:  # as orjson writes NaN, too
            _require_json(body)
        return encoded
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise QQLExecutionError.make(
            "invalid-value", f"the request cannot be sent as JSON: {_text(exc)}"
        ) from exc


def _require_json(body: Any) -> None:
    pending = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise _not_json(f"the key {key!r} is no string")
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            if not _are_finite(value):
                pending.extend(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise _not_json(f"{value} is no number that JSON has")


def _are_finite(values: Sequence[Any]) -> bool:
    """Whether all are finite numbers, in one pass that costs little: most of a large body is vectors."""
    try:
        return all(map(math.isfinite, values))
    except (TypeError, OverflowError):
        return False


def _not_json(why: str) -> QQLError:
    return QQLExecutionError.make("invalid-value", f"the request cannot be sent as JSON: {why}")


# --- bodies as models ------------------------------------------------------------------------------

_UNSEEN = frozenset({"payload", "payloads", "metadata"})  # a user's own data
_VECTORS = frozenset({"vector", "vectors"})


def _objects(body: Mapping[str, Any]) -> Iterator[tuple[bool, dict[str, Any], int]]:
    """Every object of a body outside payloads: (is it part of a vector?, the object, depth of prefetches)."""
    pending: list[tuple[bool, Any, int]] = [(False, body, 0)]
    while pending:
        in_vector, value, depth = pending.pop()
        if isinstance(value, list):
            pending.extend((in_vector, item, depth) for item in value if isinstance(item, dict | list))
        else:
            yield in_vector, value, depth
            if depth > _PREFETCH_DEPTH:
                return
            for key, item in value.items():
                if isinstance(item, dict | list) and key not in _UNSEEN:
                    pending.append((in_vector or key in _VECTORS, item, depth + (key == "prefetch")))


def _inference_models(body: Mapping[str, Any]) -> Iterator[str]:
    for _, part, _ in _objects(body):
        model = part.get("model")
        if isinstance(model, str) and not part.keys().isdisjoint(("text", "image", "object")):
            yield model


def _require_ids(body: Mapping[str, Any]) -> None:
    """qdrant-client takes any integer and any string for an id; Qdrant does not."""
    for in_vector, part, _ in _objects(body):
        if in_vector:
            continue
        for key in ("id", "ids", "points", "has_id"):
            value = part.get(key)
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, int | float | str):
                    _require_id(one)


def _require_id(value: int | float | str) -> None:
    if isinstance(value, str):
        try:
            uuid.UUID(value)
        except ValueError as exc:
            raise _bad_id(value, "UUID('…') makes a stable id of any text") from exc
    elif type(value) is not int or not 0 <= value < 2**64:
        raise _bad_id(value, None)


def _bad_id(value: object, hint: str | None) -> QQLError:
    shown = _excerpt(repr(value))
    return QQLExecutionError.make(
        "invalid-point-id",
        f"a point id requires an integer from 0 to 2^64 - 1 or a UUID, not {shown}",
        hint=hint,
    )


def _plain(result: Any) -> Any:
    """Models as JSON data, without the fields that are None; a payload keeps its nulls."""
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", exclude_none=True, warnings=False)
    if isinstance(result, list):
        return [_plain(item) for item in result]
    return str(result) if isinstance(result, uuid.UUID) else result


def _page(result: tuple[list[Any], Any]) -> dict[str, Any]:
    points, offset = result
    return {"points": _plain(points), "next_page_offset": _plain(offset)}


def _existence(result: bool) -> dict[str, bool]:
    return {"exists": result}


def _batch_of_queries(arguments: dict[str, Any]) -> dict[str, Any]:
    """REST leaves payloads and vectors out unless asked for; local mode puts payloads in."""
    for query in arguments.get("requests", ()):
        query.with_payload = False if query.with_payload is None else query.with_payload
        query.with_vector = False if query.with_vector is None else query.with_vector
    return arguments


@dataclass(frozen=True, slots=True)
class _Route:
    """How a route is called: the client's method, its models, and where the keys of the body go.

    ``rename`` takes keys of the body to arguments; ``whole`` is the argument that takes the whole body;
    ``named`` the one that takes the last part of the path. ``query`` are the parameters of the query string
    that the method takes, and ``defaults`` the arguments whose default in Python is not that of REST.
    """

    method: str
    models: tuple[Any, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    query: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    whole: str | None = None
    named: str | None = None
    answer: Callable[[Any], Any] = _plain


_READ = ("consistency", "timeout")
_WRITE = ("wait", "ordering", "timeout")
_UNWAITED = {"wait": False}
_SHARD = {"shard_key": "shard_key_selector"}
_SHOWN = _SHARD | {"with_vector": "with_vectors"}
_QUERY = _SHOWN | {"filter": "query_filter", "params": "search_params"}
_BARE = {"with_payload": False, "with_vectors": False}
_CHOSEN = _SHARD | {"points": "points", "filter": "points"}
_CONFIG = {"vectors": "vectors_config", "sparse_vectors": "sparse_vectors_config"}


def _write(
    method: str, *body: Any, rename: Mapping[str, str] | None = None, whole: str | None = None
) -> _Route:
    return _Route(method, body, rename or {}, _WRITE, _UNWAITED, whole)


_ROUTES: dict[tuple[str, str], _Route] = {
    ("GET", "/collections"): _Route("get_collections"),
    ("GET", "/aliases"): _Route("get_aliases"),
    ("POST", "/collections/aliases"): _Route(
        "update_collection_aliases",
        (models.ChangeAliasesOperation,),
        {"actions": "change_aliases_operations"},
        ("timeout",),
    ),
    ("GET", ""): _Route("get_collection"),
    ("GET", "exists"): _Route("collection_exists", answer=_existence),
    ("GET", "aliases"): _Route("get_collection_aliases"),
    ("PUT", ""): _Route("create_collection", (models.CreateCollection,), _CONFIG, ("timeout",)),
    ("PATCH", ""): _Route(
        "update_collection",
        (models.UpdateCollection,),
        _CONFIG | {"params": "collection_params"},
        ("timeout",),
    ),
    ("DELETE", ""): _Route("delete_collection", query=("timeout",)),
    ("PUT", "index"): _write("create_payload_index", models.CreateFieldIndex),
    ("DELETE", "index/*"): _Route(
        "delete_payload_index", query=_WRITE, defaults=_UNWAITED, named="field_name"
    ),
    ("POST", "points"): _Route("retrieve", (models.PointRequest,), _SHOWN, _READ),
    ("POST", "points/scroll"): _Route(
        "scroll", (models.ScrollRequest,), _SHOWN | {"filter": "scroll_filter"}, _READ, answer=_page
    ),
    ("POST", "points/count"): _Route(
        "count", (models.CountRequest,), _SHARD | {"filter": "count_filter"}, _READ
    ),
    ("POST", "facet"): _Route("facet", (models.FacetRequest,), _SHARD | {"filter": "facet_filter"}, _READ),
    ("POST", "points/query"): _Route("query_points", (models.QueryRequest,), _QUERY, _READ, _BARE),
    ("POST", "points/query/groups"): _Route(
        "query_points_groups", (models.QueryGroupsRequest,), _QUERY, _READ, _BARE
    ),
    ("POST", "points/query/batch"): _Route(
        "query_batch_points", (models.QueryRequestBatch,), {"searches": "requests"}, _READ
    ),
    ("PUT", "points"): _write(
        "upsert", models.PointsList, models.PointsBatch, rename=_SHARD | {"batch": "points"}
    ),
    ("POST", "points/delete"): _write(
        "delete", models.PointIdsList, models.FilterSelector, whole="points_selector"
    ),
    ("POST", "points/payload"): _write("set_payload", models.SetPayload, rename=_CHOSEN),
    ("PUT", "points/payload"): _write("overwrite_payload", models.SetPayload, rename=_CHOSEN),
    ("POST", "points/payload/delete"): _write("delete_payload", models.DeletePayload, rename=_CHOSEN),
    ("POST", "points/payload/clear"): _write(
        "clear_payload", models.PointIdsList, models.FilterSelector, whole="points_selector"
    ),
    ("PUT", "points/vectors"): _write("update_vectors", models.UpdateVectors, rename=_SHARD),
    ("POST", "points/vectors/delete"): _write(
        "delete_vectors", models.DeleteVectors, rename=_CHOSEN | {"vector": "vectors"}
    ),
    ("POST", "points/batch"): _write(
        "batch_update_points", models.UpdateOperations, rename={"operations": "update_operations"}
    ),
    ("GET", "shards"): _Route("list_shard_keys"),
    ("PUT", "shards"): _Route("create_shard_key", (models.CreateShardingKey,), query=("timeout",)),
    ("POST", "shards/delete"): _Route("delete_shard_key", (models.DropShardingKey,), query=("timeout",)),
    ("GET", "snapshots"): _Route("list_snapshots"),
    ("POST", "snapshots"): _Route("create_snapshot", query=("wait",)),
    ("DELETE", "snapshots/*"): _Route("delete_snapshot", query=("wait",), named="snapshot_name"),
    ("GET", "/snapshots"): _Route("list_full_snapshots"),
    ("POST", "/snapshots"): _Route("create_full_snapshot", query=("wait",)),
    ("DELETE", "/snapshots/*"): _Route("delete_full_snapshot", query=("wait",), named="snapshot_name"),
}
_NAMED = re.compile(r"^(index|snapshots|/snapshots)/[^/]+$")
_QUERY_TYPES: dict[str, Any] = {
    "wait": bool,
    "timeout": int,
    "ordering": models.WriteOrdering,
    "consistency": models.ReadConsistency,
}


def _pattern(request: Request) -> tuple[str, str]:
    """The route, with ``*`` for the name that ends it."""
    method, rest = request.route
    if request.path.strip("/") == "collections/aliases" and method == "POST":
        return method, "/collections/aliases"
    return method, _NAMED.sub(r"\1/*", rest)


@cache
def _adapter(*kinds: Any) -> TypeAdapter[Any]:
    return TypeAdapter(reduce(or_, kinds))


def _arguments(route: _Route, request: Request, where: str, engine: str) -> dict[str, Any]:
    """The keyword arguments for the client's method."""
    arguments: dict[str, Any] = dict(route.defaults)
    if request.collection is not None and _pattern(request)[1] != "/collections/aliases":
        arguments["collection_name"] = request.collection
    if route.named:
        arguments[route.named] = unquote(request.path.rstrip("/").rsplit("/", 1)[1])
    arguments |= _query_arguments(route, request, where, engine)
    if not route.models:
        if request.body:
            raise _unsupported_keys(request.body, where, engine)
        return arguments
    body = _validated(route, request.body if request.body is not None else {}, where, engine)
    if route.whole:
        return arguments | {route.whole: body}
    return _batch_of_queries(arguments | _fields(route, body))


def _fields(route: _Route, body: BaseModel) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key in body.model_fields_set:
        value = getattr(body, key)
        if value is None:
            continue
        argument = route.rename.get(key, key)
        if argument in fields:
            raise QQLUnsupportedError.make(
                "unsupported-key", "qdrant-client takes points or a filter, not both, in one request"
            )
        fields[argument] = value
    if "points" in route.rename and "points" not in fields:
        raise QQLExecutionError.make("invalid-request", "the request requires points or a filter")
    return fields


def _query_arguments(route: _Route, request: Request, where: str, engine: str) -> dict[str, Any]:
    given = {key: value for key, value in request.query.items() if value is not None}
    foreign = [key for key in given if key not in route.query]
    if foreign:
        raise _unsupported_keys(foreign, where, engine)
    out = {}
    for key, value in given.items():
        try:
            out[key] = _adapter(_QUERY_TYPES[key]).validate_python(value)
        except ValidationError:
            out[key] = _from_text(key, value)
    if out.get("wait") is False and "snapshot" in route.method:
        raise QQLUnsupportedError.make(
            "unsupported-key", f"`wait = false` is not sent for snapshots {where}", hint=_ELSEWHERE[engine]
        )
    # Local mode acts on none of them. One copy is consistent and ordered; the others are noted.
    return {} if engine == "local" else out


def _from_text(key: str, value: Any) -> Any:
    """A parameter whose type is strict, from the text that a query string would carry (``consistency=2``)."""
    try:
        return _adapter(_QUERY_TYPES[key]).validate_python(int(value))
    except (ValidationError, ValueError, TypeError) as exc:
        raise QQLExecutionError.make("invalid-request", f"`{key}` cannot be {_excerpt(repr(value))}") from exc


def _flag(value: Any) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _unsupported_keys(keys: Any, where: str, engine: str) -> QQLError:
    names = ", ".join(f"`{key}`" for key in keys)
    return QQLUnsupportedError.make(
        "unsupported-key", f"{names} cannot be sent {where}", hint=_ELSEWHERE[engine]
    )


def _require_parameters(method: Any, arguments: Mapping[str, Any], where: str, engine: str) -> None:
    missing = [name for name in arguments if name not in inspect.signature(method).parameters]
    if missing:
        raise _unsupported_keys(missing, f"{where} by qdrant-client {version('qdrant-client')}", engine)


def _validated(route: _Route, body: dict[str, Any], where: str, engine: str) -> Any:
    """The body as the first of the route's models that takes it."""
    try:
        return _adapter(*route.models).validate_python(body)
    except ValidationError as exc:
        path, kind, message = _likeliest(exc, body)
        name = path or "the request"
        if kind == "extra_forbidden":
            library = f"qdrant-client {version('qdrant-client')}"
            raise QQLUnsupportedError.make(
                "unsupported-key",
                f"{library} does not know `{name}` and cannot send it {where}",
                hint=_ELSEWHERE[engine],
            ) from exc
        raise QQLExecutionError.make(
            "invalid-request", f"qdrant-client does not take `{name}`: {message}"
        ) from exc
    except RecursionError as exc:
        raise QQLExecutionError.make(
            "invalid-request", "the request nests too deeply for qdrant-client"
        ) from exc


def _likeliest(exc: ValidationError, body: Any) -> tuple[str, str, str]:
    """Path, kind and text of the error that is meant: the deepest, and among equals the one that most
    branches of a union agree on."""
    errors = [(_path_in(e, body), e["type"], e["msg"]) for e in exc.errors(include_url=False)]
    votes = Counter(path for path, _, _ in errors)
    # A key that some branch knows is not an unknown one: its value is at fault.
    path, kind, message = max(errors, key=lambda e: (len(e[0]), votes[e[0]], e[1] != "extra_forbidden"))
    return ".".join(path), kind, message


def _path_in(error: Mapping[str, Any], body: Any) -> tuple[str, ...]:
    """The parts of an error's location that are keys and indices of the body; the others name models."""
    path: list[str] = []
    for part in error["loc"]:
        of_list = isinstance(body, list) and isinstance(part, int) and part < len(body)
        if of_list or (isinstance(body, dict) and part in body):
            body = body[part]
            path.append(str(part))
    if error["type"] == "missing":
        path.append(str(error["loc"][-1]))
    return tuple(path)


# --- what local mode takes and leaves aside --------------------------------------------------------

_NOTED_HERE = ("Local mode performs exact", "Payload indexes have no effect")
_EXACT = "every search is exact"
_STORED = "how data is stored cannot be chosen"
_ONE_COPY = "there is one copy of the data, in one piece"
_LOCAL_IGNORES = {
    "hnsw_config": _EXACT,
    "quantization_config": "vectors are kept as they are",
    "optimizers_config": "there are no segments to optimize",
    "wal_config": "there is no write-ahead log",
    "strict_mode_config": "its limits are not enforced",
    "on_disk_payload": _STORED,
    "payload": _STORED,
    "payload_memory": _STORED,
    "id_tracker": _STORED,
    "on_disk": _STORED,
    "memory": _STORED,
    "datatype": "vectors are kept as float32",
    "index": "sparse vectors have no index",
    "shard_number": _ONE_COPY,
    "replication_factor": _ONE_COPY,
    "write_consistency_factor": _ONE_COPY,
    "read_fan_out_factor": _ONE_COPY,
    "read_fan_out_delay_ms": _ONE_COPY,
    "field_schema": "payload indexes are not used, other than text indexes with `scoring`",
    "hnsw_ef": _EXACT,
    "quantization": "vectors are kept as they are",
    "indexed_only": _EXACT,
    "acorn": _EXACT,
}
_SEARCHES = frozenset({"points/query", "points/query/batch", "points/query/groups"})


def _ignored_keys(pattern: tuple[str, str], body: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a body that local mode takes without acting on them."""
    if pattern in (("PUT", ""), ("PATCH", "")):
        if body.get("sharding_method") == "custom":
            raise QQLUnsupportedError.make("unsupported-key", "local mode has no shards", hint=_SERVER)
        yield from _known(*_config_parts(body))
    elif pattern == ("PUT", "index"):
        schema = body.get("field_schema")
        if not (isinstance(schema, dict) and schema.get("scoring")):
            yield "field_schema"
    elif pattern[1] in _SEARCHES:
        for in_vector, part, _ in _objects(body):
            params = None if in_vector else part.get("params")
            if isinstance(params, dict):
                yield from _known(params)


def _config_parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield body
    yield body.get("params") or {}
    vectors = body.get("vectors") or {}
    yield from [vectors] if "size" in vectors else vectors.values()
    yield from (body.get("sparse_vectors") or {}).values()


def _known(*parts: Mapping[str, Any]) -> Iterator[str]:
    for part in parts:
        yield from (
            key for key, value in part.items() if value not in (None, False) and key in _LOCAL_IGNORES
        )
