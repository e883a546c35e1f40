"""A request through a client of one's own: the method of qdrant-client that it stands for is called."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable
from typing import Any

import grpc
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.http.api_client import ApiClient, AsyncApiClient

from qql.errors import QQLConnectionError, QQLError, QQLUnsupportedError, fail
from qql.records import replace
from qql.rest.request import Request

from .address import address_of
from .arguments import LOCAL, Arguments, Channel, arguments_for
from .bodies import require_sound
from .encoding import encode
from .faults import SERVER, Faults
from .local import ignored_settings, leaving_out_named_points, require_no_shard_keys, require_no_snapshots
from .messages import Secrets
from .routes import ROUTES

__all__ = ["send"]

_OWN = Channel("by a method of qdrant-client", "`qql.connect(url)` sends a request as it is")


def send(request: Request, client: QdrantClient | AsyncQdrantClient, timeout: int | None = None) -> Any:
    """What the client's own method gives for a request; of an `AsyncQdrantClient`, something to await.

    See `Request.send`.
    """
    if not isinstance(client, QdrantClient | AsyncQdrantClient):
        fail(
            "unsupported-client",
            f"a request is sent by a QdrantClient or an AsyncQdrantClient, not by a {type(client).__name__}",
            error=QQLConnectionError,
        )
    local = _http_of(client) is None
    route = ROUTES.get(request.route)
    if route is None or (local and route.rest_only):
        way = LOCAL.name if local else _OWN.name
        message = f"{request.method} {request.path} has no counterpart {way}"
        hint = SERVER if local else _OWN.alternative
        fail("unsupported-operation", message, hint=hint, error=QQLUnsupportedError)
    if timeout is not None:
        request = _within(request, timeout, local)
    method = getattr(client, route.method)
    body = request.body or {}
    require_sound(body)
    encode(body)  # finite numbers and texts as keys, before anything is sent
    sent = request
    if local:
        require_no_shard_keys(body)
        require_no_snapshots(request.route)
        sent = leaving_out_named_points(request)
        for sentence in ignored_settings(request.route, body, request.query):
            warnings.warn(sentence, stacklevel=3)
    signature = getattr(QdrantClient, route.method)  # that of the other client is the same
    arguments = arguments_for(signature, route, sent, LOCAL if local else _OWN)
    if isinstance(client, AsyncQdrantClient):
        return _awaited(method(**arguments), request, client)
    return _called(method, arguments, request, client)


def _within(request: Request, timeout: int, local: bool) -> Request:
    """The request with a timeout for the client's method. Raises where there is no such thing."""
    if local:
        message = f"timeout={timeout} cannot be kept by local mode, which runs a statement until it is done"
        fail("no-timeout", message, hint="leave it out; a server keeps it", error=QQLUnsupportedError)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 1:
        message = f"a timeout of a client's method is a whole number of seconds from 1 on, not {timeout!r}"
        fail("invalid-timeout", message, error=QQLConnectionError)
    return replace(request, query={**request.query, "timeout": timeout})


def _http_of(client: QdrantClient | AsyncQdrantClient) -> ApiClient | AsyncApiClient | None:
    """The client's HTTP machinery; local mode has none."""
    try:
        return client.http.client
    except NotImplementedError:
        return None


def _called(method: Any, arguments: Arguments, request: Request, client: QdrantClient) -> Any:
    try:
        return method(**arguments)
    except Exception as exc:
        failure = exc
    raise _error_of(failure, request, client)  # outside of `except`, or it would hold the key


async def _awaited(answer: Awaitable[Any], request: Request, client: AsyncQdrantClient) -> Any:
    try:
        return await answer
    except Exception as exc:
        failure = exc
    raise _error_of(failure, request, client)


def _error_of(exc: Exception, request: Request, client: QdrantClient | AsyncQdrantClient) -> QQLError:
    """What went wrong, in the words that a session has for it."""
    http = _http_of(client)
    options = client.init_options
    over_grpc = http is not None and bool(options.get("prefer_grpc"))
    faults = Faults(address_of(http, options, over_grpc), Secrets.of(options))
    if http is None or isinstance(exc, grpc.RpcError):
        return faults.error_of_call(exc, request, _OWN.alternative)
    return faults.error_of_exchange(exc, request)
