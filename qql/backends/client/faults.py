"""What the library raises, and what a server answers in place of a result, as a `QQLError`.

Statuses of HTTP and of gRPC lead to codes (`_HTTP`, `_GRPC`); each code has its error, words and hint
(`_FAULTS`). Exchanges that brought no answer have theirs (`_UNANSWERED`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NoReturn

import grpc
import httpx
import orjson
from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from qql.backends.call_time import current_time
from qql.errors import (
    QQLConnectionError,
    QQLError,
    QQLExecutionError,
    QQLTimeoutError,
    QQLUnsupportedError,
)
from qql.late import late_pattern
from qql.rest.addresses import public_url
from qql.rest.answer_shapes import Misfit
from qql.rest.point_order import NO_ORDER_BY_ID, ORDER_OF_IDS
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.rest.strict_mode import STRICT_MODE
from qql.rest.types import Json

from .exchange import MAX_ANSWER, AnswerTooLarge
from .messages import MAX_TEXT, Secrets, excerpt, one_line, text_of
from .setbacks import TOO_LARGE_ANSWER, Fate, answer_at_fault
from .timeouts import Kind, Timeouts, kind_of

__all__ = ["SERVER", "TOO_DEEP", "Faults"]

SERVER = "a Qdrant server can do it (`--url http://…`)"
TOO_DEEP = "the request nests too deeply for qdrant-client"
_NOT_QDRANT = (
    "the address might be that of a proxy or of another program; Qdrant's own port is 6333 (gRPC 6334)"
)
_RUNNING = "is the server running there? `--url` or QDRANT_URL gives another address"
_TLS = "the server might speak plain http://, or its certificate might not be trusted (SSL_CERT_FILE)"
_PERHAPS_DONE = "a change might have been made all the same"

_UNANSWERED: dict[type[BaseException], tuple[str, str | None]] = {
    httpx.ConnectTimeout: ("{0} cannot be reached: {1}", _RUNNING),
    httpx.ConnectError: ("{0} cannot be reached: {1}", _RUNNING),
    httpx.ProxyError: (
        "{0} cannot be reached through the proxy: {1}",
        "HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment choose the proxy",
    ),
    httpx.TransportError: (
        "the connection to {0} broke off before the answer was complete: {1}",
        "a server that speaks TLS requires https://",
    ),
    httpx.DecodingError: ("the answer of {0} cannot be read: {1}", _NOT_QDRANT),
    AnswerTooLarge: (
        f"the answer of {{0}} has more than {MAX_ANSWER >> 20} MiB, and was read no further",
        "a smaller LIMIT, pages by AFTER, and fewer payload fields or vectors make it smaller",
    ),
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
    "unknown-alias": (QQLExecutionError, "{text}", "`SHOW ALIASES` lists those that there are"),
    "unknown-snapshot": (QQLExecutionError, "{text}", "`SHOW SNAPSHOTS` lists those of a collection"),
    "alias-exists": (QQLExecutionError, "{text}", "a collection requires a name that is no alias"),
    "vector-exists": (QQLExecutionError, "{text}", "drop the vector first to replace it"),
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
        QQLTimeoutError,
        "the server gave up: {text}",
        f"`timeout` in PARAMS, or in WITH of a write, gives it more seconds; {_PERHAPS_DONE}",
    ),
    "too-large": (
        QQLExecutionError,
        "the request is larger than the server takes: {text}",
        "fewer points at a time, or a higher `max_request_size_mb` in the server's configuration",
    ),
    "quota-full": (
        QQLExecutionError,
        "the server takes no more data for now: {text}",
        "deleting points or collections frees room, `SHOW QUOTAS` tells how full each node is, and "
        "`SET QUOTA (max_disk_usage_percent = …)` sets the limit",
    ),
    "no-cluster": (
        QQLUnsupportedError,
        "this server runs alone, not in cluster mode, and has no shard keys",
        "QDRANT__CLUSTER__ENABLED=true starts it as a cluster, which may be of one node",
    ),
    "server-refused": (QQLExecutionError, "the server refused the request: {text}", None),
    "server-error": (QQLExecutionError, "the server failed: {text}", "the server's log might say more"),
    "engine-error": (QQLExecutionError, "qdrant-client refused the request: {text}", None),
}
_NO_ALIAS = (
    "an alias requires a name that no collection has; SHOW COLLECTIONS lists those, SHOW ALIASES these"
)
_HTTP = {
    404: "not-found",
    408: "timed-out",
    409: "collection-exists",
    507: "quota-full",
}
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
    "DEADLINE_EXCEEDED": "timed-out",
}
_OUR_DEADLINE = late_pattern(r"$|deadline exceeded|timeout expired", re.I)
"""How gRPC's texts of a deadline that we set begin; the last is that of a server which obeyed it."""
# The library has no types for these, only words.
_MISSING = (
    (late_pattern(r"^(not found: )?snapshot\b", re.I), "unknown-snapshot"),
    (late_pattern(r"^(not found: )?alias\b", re.I), "unknown-alias"),
    (
        late_pattern(r"\bcollection\b.*(doesn't exist|does not exist|not found)", re.I | re.S),
        "unknown-collection",
    ),
    (late_pattern(r"\bpoint\b", re.I), "unknown-point"),
)
# What a server refuses by a status that means other things too, or differs between REST and gRPC.
_REFUSALS = (
    (
        ("rate-limited", "server-error"),
        late_pattern(r"\bquota\b|exceeding the configured limit of \d+%", re.I),
        "quota-full",
    ),
    (
        ("server-refused", "server-error", "not-found"),
        late_pattern(r"distributed (mode|deployment) (is )?(disabled|not enabled)", re.I),
        "no-cluster",
    ),
    (("not-authorised",), STRICT_MODE, "server-refused"),
)
_OF_CLUSTERS = {("PUT", "shards"), ("POST", "shards/delete")}
"""What gRPC answers with UNIMPLEMENTED where a server runs alone."""
_LOCAL = (
    (late_pattern(r"^Collection .* already exists$", re.S), "collection-exists"),
    (late_pattern(r"^Collection .* not found$", re.S), "unknown-collection"),
    (late_pattern(r"^Alias .* does not exist$", re.S), "unknown-alias"),
    (late_pattern(r"^Alias .* already exists$", re.S), "alias-exists"),
    (late_pattern(r"^Vector .* already exists ", re.S), "vector-exists"),
    (late_pattern(r"^Point .* is not found in the collection$", re.S), "unknown-point"),
)
# A cluster calls it a failure of its own.
_GAVE_UP = late_pattern(r"\btimeout set at\b|\btimed out after\b", re.I)
_TOO_LARGE = late_pattern(
    r"\b(payload|body|message|entity)\b.*(too large|larger than|reached size limit)|length too large"
    r'|Limit exceeded .* for "upsert',  # strict mode's, in points
    re.I | re.S,
)
_COLLECTION = late_pattern(
    r"\bcollection [`'\"]?(.+?)[`'\"]? (?:doesn't exist|does not exist|not found)", re.I
)
_SHAPES = "not aligned"  # what numpy says of vectors of two lengths


class Faults:
    """Raises the errors of one backend: they name its address, and none shows a secret.

    ``timeouts`` are those that the connection keeps; None: those of the client.
    """

    def __init__(self, address: str, secrets: Secrets, timeouts: Timeouts | None = None) -> None:
        self._address = address
        self._secrets = secrets
        self._timeouts = timeouts

    def fail(
        self,
        kind: type[QQLError],
        code: str,
        message: str,
        exc: BaseException | None,
        hint: str | None = None,
    ) -> NoReturn:
        """Raise an error in these words, caused by ``exc``."""
        raise kind.make(code, self._secrets.scrub(message), hint=hint) from self._secrets.safe_cause(exc)

    def error_of_exchange(self, exc: Exception, request: Request) -> QQLError:
        """The error for what an HTTP exchange raised."""
        return _raised_by(lambda: self._fail_exchange(exc, request))

    def error_of_call(self, exc: Exception, request: Request, alternative: str) -> QQLError:
        """The error for what a method of the client raised; ``alternative`` is the way that can do more."""
        return _raised_by(lambda: self._fail_call(exc, request, alternative))

    def _fail_exchange(self, exc: Exception, request: Request) -> NoReturn:
        match exc:
            case UnexpectedResponse():
                self._refuse_status(exc, request)
            case QdrantException():
                self._refuse_rate(exc, request)
            case ResponseHandlingException():
                self._fail_unanswered(exc.source, exc, request)
            case json.JSONDecodeError():
                self._fail_page(200, exc.doc.encode("utf-8", "replace"), exc)
            case UnicodeDecodeError():
                self._fail_page(200, exc.object, exc)
            case _:
                self.fail(QQLExecutionError, "client-error", f"qdrant-client failed: {text_of(exc)}", exc)

    def _fail_call(self, exc: Exception, request: Request, alternative: str) -> NoReturn:
        match exc:
            case grpc.RpcError():
                self._refuse_rpc(exc, request)
            case QdrantException():
                self._refuse_rate(exc, request)
            case NotImplementedError():
                self.fail(QQLUnsupportedError, "unsupported-operation", text_of(exc), exc, SERVER)
            case RecursionError():
                self.fail(QQLExecutionError, "engine-error", TOO_DEEP, exc, alternative)
            case _ if (answer := answer_at_fault(exc)) is not None:
                self._fail_strange(f"{_why(exc)}: {excerpt(answer) or 'an empty message'}", exc)
            case _:
                text = text_of(exc)
                hint = "the vector of the query might be of another length than those stored"
                self._fail_code(
                    _code_for(_LOCAL, text, "engine-error"),
                    text,
                    request,
                    exc,
                    hint if _SHAPES in text else None,
                )

    def fail_answer(self, answer: Json, request: Request) -> NoReturn:
        """Raise for JSON that is no answer of Qdrant's."""
        self._fail_strange(excerpt(json.dumps(answer)) + _fate_after(request), None)

    def fail_misfit(self, request: Request, found: Misfit) -> NoReturn:
        """Raise for an answer whose ``result`` is not what the route of the request answers."""
        what = f"to {request.method} {request.path}, {one_line(str(found), MAX_TEXT)}"
        self._fail_strange(what + _fate_after(request), None)

    def _fail_strange(self, what: str, exc: BaseException | None) -> NoReturn:
        message = f"{self._address} answered, but not as Qdrant does: {what}"
        self.fail(QQLExecutionError, "server-error", message, exc, _NOT_QDRANT)

    def _fail_code(
        self, code: str, text: str, request: Request, exc: BaseException, hint: str | None = None
    ) -> NoReturn:
        """Raise the error of a code, whichever way the refusal came; ``hint`` goes before the code's own."""
        code = next((to for codes, words, to in _REFUSALS if code in codes and words.search(text)), code)
        if code == "not-found":
            code = _code_for(_MISSING, text, code)
        elif code == "server-refused" and STRICT_MODE.search(text):
            hint = hint or f"`ALTER COLLECTION {request.collection} WITH STRICT_MODE (…)` sets what it takes"
        if code == "server-error" and _GAVE_UP.search(text):
            code = "timed-out"
        elif code in ("server-refused", "rate-limited") and _TOO_LARGE.search(text):
            code = "too-large"  # 400 over REST, RESOURCE_EXHAUSTED and OUT_OF_RANGE over gRPC
        kind, message, usual = _FAULTS[code]
        found = _COLLECTION.search(text)
        name = found[1] if found else request.collection or ""
        line = message.format(address=self._address, text=one_line(text, MAX_TEXT), name=name).rstrip(": ")
        if NO_ORDER_BY_ID in text:
            hint = ORDER_OF_IDS
        if code == "collection-exists" and request.route == ("POST", "/collections/aliases"):
            hint = _NO_ALIAS
        self.fail(kind, code, line, exc, hint or usual)

    def _refuse_rate(self, exc: QdrantException, request: Request) -> NoReturn:
        hint = None  # without a number of seconds: the server might have named a date
        if isinstance(exc, ResourceExhaustedResponse):
            hint = f"the server asks to wait {exc.retry_after_s} s before the next request"
        self._fail_code("rate-limited", text_of(exc), request, exc, hint)

    def _refuse_status(self, exc: UnexpectedResponse, request: Request) -> NoReturn:
        status = exc.status_code or 0
        text = _status_error(exc.content)
        if 300 <= status < 400:
            self._fail_redirect(exc)
        if status in (401, 403):
            words = excerpt(exc.content.decode("utf-8", "replace"))  # Qdrant's own are plain text
            self._fail_code("not-authorised", text or words or f"HTTP status {status}", request, exc)
        if status == 429:
            self._fail_code("rate-limited", text or "", request, exc)
        if status == 413:  # mostly in the words of a proxy
            self._fail_code("too-large", text or f"HTTP status {status}", request, exc)
        if text is None and status == 404 and not exc.content.strip():
            self._fail_unknown_route(request, exc)
        if text is None:
            self._fail_page(status, exc.content, exc)
        code = _HTTP.get(status) or ("server-refused" if 400 <= status < 500 else "server-error")
        self._fail_code(code, text, request, exc)

    def _refuse_rpc(self, exc: grpc.RpcError, request: Request) -> NoReturn:
        status, text = exc.code().name, exc.details() or ""
        if status == "RESOURCE_EXHAUSTED" and TOO_LARGE_ANSWER in text:
            self._fail_unanswered(AnswerTooLarge(), exc, request)
        if status == "UNAVAILABLE":
            self._fail_unanswered(httpx.ConnectError(text), exc, request)
        if status in ("DEADLINE_EXCEEDED", "CANCELLED") and _OUR_DEADLINE.match(text):
            self._fail_unanswered(httpx.ReadTimeout(text), exc, request)
        if status == "UNIMPLEMENTED" and request.route in _OF_CLUSTERS:
            self._fail_code("no-cluster", text, request, exc)
        if status == "UNIMPLEMENTED":
            self._fail_unknown_route(request, exc)
        self._fail_code(_GRPC.get(status, "server-error"), text, request, exc)

    def _fail_redirect(self, exc: UnexpectedResponse) -> NoReturn:
        target = public_url(str(exc.headers.get("location", "")))
        where = f" to {target}" if target else ""
        message = f"{self._address} answered with a redirect{where}, which is not followed"
        hint = "the address that it points to, without the path of the request, might be the one for `--url`"
        self.fail(QQLConnectionError, "redirected", message, exc, hint)

    def _fail_page(self, status: int, content: bytes, exc: BaseException) -> NoReturn:
        page = excerpt(content.decode("utf-8", "replace"))
        what = f"not JSON: {page}" if page else "an empty body"
        message = f"{self._address} answered with status {status} and {what}"
        self.fail(QQLExecutionError, "server-error", message, exc, _NOT_QDRANT)

    def _fail_unknown_route(self, request: Request, exc: BaseException) -> NoReturn:
        message = f"{self._address} does not know {request.method} {request.route[1] or request.path}"
        hint = "the server might be too old for this statement, or the address might not be Qdrant's"
        self.fail(QQLUnsupportedError, "unsupported-operation", message, exc, hint)

    def _fail_unanswered(self, source: BaseException, exc: BaseException, request: Request) -> NoReturn:
        """Raise for an exchange that brought no answer, or half of one."""
        if isinstance(source, httpx.TimeoutException) and not isinstance(source, httpx.ConnectTimeout):
            self._fail_in_time(source, exc, request)
        kind = next((k for k in _UNANSWERED if isinstance(source, k)), Exception)
        message, hint = _UNANSWERED[kind]
        said = text_of(source)
        if isinstance(source, AnswerTooLarge):
            self.fail(QQLExecutionError, "answer-too-large", message.format(self._address), exc, hint)
        if isinstance(source, httpx.ConnectTimeout) and self._timeouts:
            time = current_time()
            said = f"no connection within {self._timeouts.connect if time is None else time.seconds:g} s"
        if isinstance(source, httpx.ConnectError) and "ssl" in said.lower():
            hint = _TLS
        self.fail(QQLConnectionError, "connection-failed", message.format(self._address, said), exc, hint)

    def _fail_in_time(self, source: BaseException, exc: BaseException, request: Request) -> NoReturn:
        """Raise where it was us who stopped waiting."""
        time = current_time()
        if time is not None:
            seconds: float | None = time.seconds
        else:
            seconds = self._timeouts.seconds_for(request) if self._timeouts else None
        said = f"did not answer in time: {text_of(source)}"
        hint = "a longer timeout of the client might help"
        if seconds is not None:
            said = f"did not answer within {seconds:g} s"
            hint = "`--timeout S` (in Python `timeout=`) waits longer"
            if time is not None:
                hint = "`timeout=` of the call waits longer"
            elif request.query.get("timeout") is not None:
                hint = "the statement's `timeout` says how long the server may take, and so how long we wait"
        if kind_of(request) is not Kind.READ:
            hint += f"; {_PERHAPS_DONE}"
        self.fail(QQLTimeoutError, "no-answer-in-time", f"{self._address} {said}", exc, hint)


def _code_for(words: tuple[tuple[re.Pattern[str], str], ...], text: str, otherwise: str) -> str:
    return next((code for pattern, code in words if pattern.search(text)), otherwise)


def _raised_by(call: Callable[[], NoReturn]) -> QQLError:
    try:
        call()
    except QQLError as exc:
        return exc


def _fate_after(request: Request) -> str:
    """What is to be said of a change whose answer cannot be read."""
    return "" if reads(request) else f" ({Fate.UNKNOWN.value})"


def _why(exc: Exception) -> str:
    """What is wrong with an answer, by the library's models where they say it."""
    if not isinstance(exc, ValidationError):
        return text_of(exc)
    first = exc.errors(include_url=False)[0]
    return one_line(f"{exc.title} {'.'.join(map(str, first['loc']))}: {first['msg']}", MAX_TEXT)


def _status_error(content: bytes) -> str | None:
    """The server's own words (``status.error``), or None where the answer is not one of Qdrant's."""
    try:
        answer = orjson.loads(content)
        status = answer["status"]
        return str(status if isinstance(status, str) else status["error"])
    except (ValueError, TypeError, LookupError):
        return None
