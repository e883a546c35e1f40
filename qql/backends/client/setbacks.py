"""What became of a request whose exchange failed, and whether to send it again may help."""

from __future__ import annotations

import email.utils
import json
import socket
import ssl
import time
from collections.abc import Iterator
from enum import Enum

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from qql.records import dataclass

__all__ = ["TOO_LARGE_ANSWER", "Fate", "Setback", "answer_at_fault", "setback_of"]

TOO_LARGE_ANSWER = "CLIENT: Received message larger than max"  # gRPC's own words


class Fate(Enum):
    """What is known of a request."""

    UNSENT = "nothing was sent"
    REFUSED = "nothing was changed"
    UNKNOWN = "it was sent, and no answer says whether it was carried out"


@dataclass(frozen=True, slots=True)
class Setback:
    """A failed exchange.

    ``fate`` is None for a fault on our side of it. ``passing`` says that another try may succeed, and
    ``after`` how many seconds the server asks to wait before.
    """

    fate: Fate | None
    passing: bool = False
    after: float | None = None


_REFUSED = Setback(Fate.REFUSED)
_UNKNOWN = Setback(Fate.UNKNOWN)
_PASSING_STATUSES = frozenset({500, 502, 503, 504})
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_REFUSING_CODES = frozenset(
    {
        *("UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "ALREADY_EXISTS", "INVALID_ARGUMENT"),
        *("FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    }
)
_PASSING_CODES = frozenset({"UNAVAILABLE", "ABORTED", "INTERNAL"})
_NO_CONNECTION = ("failed to connect", "connections to all backends failing", "name resolution", "dns")


def setback_of(exc: BaseException) -> Setback:
    """What a failed exchange over REST or gRPC tells."""
    match exc:
        case ResourceExhaustedResponse():
            return Setback(Fate.REFUSED, True, _seconds(exc.retry_after_s))
        case QdrantException():  # its Retry-After is no whole number, and stands at the end of the words
            return Setback(Fate.REFUSED, True, _seconds(str(exc).rpartition("integer: ")[2]))
        case UnexpectedResponse():
            return _of_status(exc)
        case ResponseHandlingException():
            return _of_transport(exc.source)
        case grpc.RpcError():
            return _of_rpc(exc)
        case ValueError() if isinstance(exc, json.JSONDecodeError | UnicodeDecodeError):
            return _UNKNOWN
    return _UNKNOWN if answer_at_fault(exc) is not None else Setback(None)


def answer_at_fault(exc: BaseException) -> str | None:
    """What the library stumbled over while it read an answer of gRPC; None where it was something else."""
    at = exc.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_qualname.startswith("GrpcToRest."):
            return str(at.tb_frame.f_locals.get("model", ""))
        at = at.tb_next
    return None


def _of_status(exc: UnexpectedResponse) -> Setback:
    status = exc.status_code or 0
    if status == 429:
        return Setback(Fate.REFUSED, True)
    if status in _PASSING_STATUSES:
        return Setback(Fate.UNKNOWN, True, _seconds(exc.headers.get("retry-after")))
    return _REFUSED if 300 <= status < 500 and status != 408 else _UNKNOWN


def _of_transport(source: BaseException) -> Setback:
    if isinstance(source, _UNSENT):
        lasting = isinstance(source, httpx.ProxyError | httpx.PoolTimeout) or any(
            isinstance(one, socket.gaierror | ssl.SSLError) for one in _chain(source)
        )
        return Setback(Fate.UNSENT, not lasting)
    return Setback(Fate.UNKNOWN, isinstance(source, httpx.NetworkError | httpx.RemoteProtocolError))


def _of_rpc(exc: grpc.RpcError) -> Setback:
    code, text = exc.code().name, (exc.details() or "").lower()
    if code == "RESOURCE_EXHAUSTED":
        return _UNKNOWN if TOO_LARGE_ANSWER.lower() in text else Setback(Fate.REFUSED, True)
    if code == "UNAVAILABLE" and any(words in text for words in _NO_CONNECTION):
        return Setback(Fate.UNSENT, True)
    if code in _REFUSING_CODES:
        return _REFUSED
    return Setback(Fate.UNKNOWN, code in _PASSING_CODES and "deserializing" not in text)


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _seconds(said: object) -> float | None:
    """What Retry-After says: a number of seconds, or a date; None of anything else."""
    text = str(said or "")
    try:
        return max(float(text), 0) if float(text) < 1e9 else None
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0)
    except ValueError:
        return None
