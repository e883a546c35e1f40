"""The two ways to Qdrant: over REST as data, or by the methods of `QdrantClient`, which take objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from threading import local as by_thread
from typing import Any, Protocol
from warnings import WarningMessage

import httpx
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.conversions.conversion import GrpcToRest
from qdrant_client.http.api_client import ApiClient, AsyncApiClient

from qql.backends.call_time import current_time
from qql.backends.short_floats import with_short_vectors
from qql.errors import QQLUnsupportedError, fail
from qql.flows import active
from qql.flows import answer as awaited
from qql.rest.float_vectors import with_float_vectors
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.rest.types import Body, Json, JsonObject
from qql.rest.usage import Usage

from .arguments import GRPC, LOCAL, Arguments, arguments_for
from .bodies import require_inference, require_sound
from .bulk import encoded_points
from .deadlines import Deadline, keep_deadlines, within
from .encoding import canonical_path, encode
from .exchange import BoundedClient
from .faults import Faults
from .grpc_answers import as_over_rest
from .grpc_costs import costs, sound_seconds
from .grpc_time import seconds_left
from .local import (
    ignored_settings,
    leaving_out_named_points,
    recorded_warnings,
    require_no_shard_keys,
    require_no_snapshots,
)
from .messages import Notes, text_of
from .retries import MOST_RETRIES, Course
from .routes import ROUTES
from .timeouts import Kind, Timeouts, kind_of

__all__ = ["ClientTransport", "RestTransport", "Transport"]

_WITHOUT_TIMEOUTS = 5.0  # seconds for all tries of a request through a client that has times of its own


class Transport(Protocol):
    """Sends requests to one engine."""

    @property
    def took(self) -> float | None:
        """Seconds that the last call took by the server's account; None where it is not told."""

    @property
    def usage(self) -> Usage | None:
        """What the last call has cost by the server's account; None where it is not told."""

    def call(self, request: Request) -> Json:
        """The ``result`` of the answer, as JSON data."""
        ...

    def version(self) -> Json:
        """What the server says its version is."""
        ...


class _Telling:
    """What the server said of the last call of this thread, kept in ``_told``. Over gRPC, that is of a client
    that `keep_time` was told of; the async one tells none.
    """

    _told: Any

    @property
    def took(self) -> float | None:
        """Seconds that the last call of this thread took by the server's account."""
        seconds: float | None = getattr(self._told, "took", None)
        return seconds

    @property
    def usage(self) -> Usage | None:
        """What the last call of this thread has cost by the server's account."""
        found: Usage | None = getattr(self._told, "usage", None)
        return found


class RestTransport(_Telling):
    """Requests as they were compiled, through ``http``, the client's own machinery (`QdrantClient.http`).

    Without ``timeouts`` the client's own are kept.
    """

    def __init__(
        self,
        http: ApiClient | AsyncApiClient,
        faults: Faults,
        timeouts: Timeouts | None = None,
        retries: int = MOST_RETRIES,
    ) -> None:
        self._http: ApiClient | AsyncApiClient
        if isinstance(http, AsyncApiClient):
            from .awaited import AwaitedClient

            self._http = AwaitedClient(http)
        else:
            self._http = BoundedClient(http)
            if timeouts is not None:
                keep_deadlines(http._client)
        self._faults = faults
        self._timeouts = timeouts
        self._retries = retries
        self._told = by_thread()

    def call(self, request: Request) -> Json:
        """The ``result`` of the answer; ``took`` is its ``time``, in seconds."""
        self._told.took = self._told.usage = None
        answer = self._exchange(request)
        if not (isinstance(answer, dict) and "result" in answer):
            self._faults.fail_answer(answer, request)
        self._told.took = sound_seconds(answer.get("time"))
        self._told.usage = Usage.of(answer.get("usage"))
        return answer["result"]

    def version(self) -> Json:
        """What the server says its version is."""
        answer = self._exchange(Request("GET", "/"))
        return answer.get("version") if isinstance(answer, dict) else None

    def _exchange(self, request: Request) -> Json:
        """One HTTP exchange: the whole JSON answer of a status 200 to 202."""
        arguments: JsonObject = {}
        params = [(key, value) for key, value in request.query.items() if value is not None]
        time = current_time()
        if self._timeouts is not None:
            seconds = self._timeouts.seconds_for(request)
            arguments["timeout"] = httpx.Timeout(seconds, connect=self._timeouts.connect)
            generous = self._timeouts.said is None and time is None and kind_of(request) is Kind.READ
            deadline = Deadline(seconds, generous=generous)
        elif time is not None:
            deadline = Deadline(left := time.left())
            arguments["timeout"] = httpx.Timeout(left)
        else:
            deadline = Deadline(_WITHOUT_TIMEOUTS)
        if params:  # as pairs, of which the library makes no timeout of its own
            arguments["params"] = params if "timeout" in arguments else dict(params)
        if request.body is not None:
            content = encode(with_float_vectors(request) or {})
            arguments |= {"content": content, "headers": {"Content-Type": "application/json"}}
        path = canonical_path(request.path)
        course = Course(request, self._retries, deadline)

        def send() -> Json:
            sent = self._http.request(type_=Any, method=request.method, url=path, **arguments)
            return awaited(sent, finish=not reads(request))

        try:
            with within(deadline) if "timeout" in arguments else nullcontext():
                return course.run(send)
        except Exception as exc:
            failure = exc
        # Outside of `except`, or the error would hold the library's own, and so the headers, as its context.
        raise course.told(self._faults.error_of_exchange(failure, request))


class ClientTransport(_Telling):
    """gRPC and local mode: the route names a method of the client, and the body becomes its arguments.

    ``infers`` is that of the backend. ``timeouts`` hold for a client that `keep_time` was told of.
    """

    def __init__(
        self,
        client: QdrantClient | AsyncQdrantClient,
        faults: Faults,
        notes: Notes,
        *,
        local: bool,
        infers: Callable[[str], bool],
        timeouts: Timeouts | None = None,
        retries: int = MOST_RETRIES,
    ) -> None:
        self._client = client
        self._retries = 0 if local else retries
        self._faults = faults
        self._notes = notes
        self._channel = LOCAL if local else GRPC
        self._infers = infers
        self._timeouts = timeouts
        self._turn = Lock()
        self._told = by_thread()

    def call(self, request: Request) -> Json:
        """The method's answer, as the ``result`` that REST gives."""
        pattern = request.route
        route = ROUTES.get(pattern)
        if route is None or (route.rest_only and self._channel is GRPC):
            fail(
                "unsupported-operation",
                f"{request.method} {request.path} has no counterpart {self._channel.name}",
                hint=self._channel.alternative,
                error=QQLUnsupportedError,
            )
        if (encoded := encoded_points(request)) is not None:
            return route.answer(self._upsert(encoded, request))
        body = request.body or {}
        require_sound(body)
        if self._channel is LOCAL:
            require_no_shard_keys(body)
            require_no_snapshots(pattern)
        require_inference(body, self._infers)
        encode(body)  # finite numbers and string keys, as over REST
        method = getattr(self._client, route.method)
        sent = leaving_out_named_points(request) if self._channel is LOCAL else request
        arguments = arguments_for(method, route, sent, self._channel)
        ignored = list(ignored_settings(pattern, body, request.query)) if self._channel is LOCAL else []
        result = self._invoke(method, arguments, request)
        for sentence in ignored:
            self._notes.add(sentence)
        if self._channel is LOCAL and pattern == ("PATCH", ""):
            return True  # local mode says False where it had nothing to change
        answer = route.answer(result)
        if self._channel is GRPC:
            answer = as_over_rest(answer, request)
        return with_short_vectors(answer) if _asks_for_vectors(body) else answer

    def _upsert(self, message: Any, request: Request) -> object:
        """Sends a message of points by the stub, as the client's own method takes no messages."""
        time = current_time()
        seconds = self._client.init_options.get("timeout") if time is None else time.left()

        def send() -> object:
            limit = _WITHOUT_TIMEOUTS if seconds is None else math.ceil(seconds)
            answer = awaited(self._client.grpc_points.Upsert(message, timeout=limit), finish=True)
            return GrpcToRest.convert_update_result(answer.result)

        return self._invoke(send, {}, request)

    def version(self) -> Json:
        """What the server says its version is."""
        return self._invoke(self._client.info, {}, Request("GET", "/")).version

    def _invoke(self, method: Callable[..., Any], arguments: Arguments, request: Request) -> Any:
        # A server's calls might come from many threads, and Python's warning filters belong to all of
        # them, so there nothing is touched.
        recorded: AbstractContextManager[list[WarningMessage]] = (
            recorded_warnings() if self._channel is LOCAL else nullcontext([])
        )
        # Local mode is not for several threads; a flow of an event loop is never interrupted in it.
        one_by_one = self._channel is LOCAL and not active()
        failure: Exception | None = None
        time = current_time()
        unsaid = _WITHOUT_TIMEOUTS if time is None else time.left()
        deadline = Deadline(self._timeouts.seconds_for(request) if self._timeouts else unsaid)
        course = Course(request, self._retries, deadline)

        def send() -> Any:
            before = seconds_left.set(deadline.left() if self._timeouts else None)
            self._told.took = self._told.usage = None
            try:
                with costs() as heard:
                    result = awaited(method(**arguments), finish=not reads(request))
                    self._told.took, self._told.usage = heard.took, heard.usage
                return result
            finally:
                seconds_left.reset(before)

        with self._turn if one_by_one else nullcontext(), recorded as said:
            try:
                result = course.run(send)
            except Exception as exc:
                failure = exc
        if failure is not None:  # outside of `except`, as above
            error = self._faults.error_of_call(failure, request, self._channel.alternative)
            raise error if self._channel is LOCAL else course.told(error)
        for warning in said:
            self._notes.add(text_of(warning.message))
        return result


def _asks_for_vectors(body: Body) -> bool:
    bodies = (body, *body.get("searches", ()))
    return any(key in one for one in bodies for key in ("with_vector", "with_lookup"))
