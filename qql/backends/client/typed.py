"""gRPC and local mode: the route names a method of `QdrantClient`, and the body becomes its arguments."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from warnings import WarningMessage

from qdrant_client import QdrantClient

from qql.errors import QQLUnsupportedError
from qql.rest.request import Request

from .arguments import GRPC, LOCAL, arguments_for
from .bodies import require_inference, require_sound
from .encoding import encode
from .faults import Faults
from .local import hearing, left_aside, require_no_shard_keys, require_no_snapshots
from .notes import Notes
from .routes import ROUTES
from .texts import text_of

__all__ = ["Typed"]


class Typed:
    """The methods of a client, which take and give objects; ``infers`` is that of the backend."""

    took: float | None = None  # the methods leave the server's time out

    def __init__(
        self,
        client: QdrantClient,
        faults: Faults,
        notes: Notes,
        *,
        local: bool,
        infers: Callable[[str], bool],
    ) -> None:
        self._client = client
        self._faults = faults
        self._notes = notes
        self._way = LOCAL if local else GRPC
        self._infers = infers

    def call(self, request: Request) -> Any:
        """The method's answer, as the ``result`` that REST gives."""
        pattern = request.route
        route = ROUTES.get(pattern)
        if route is None or (route.rest_only and self._way is GRPC):
            raise QQLUnsupportedError.make(
                "unsupported-operation",
                f"{request.method} {request.path} has no counterpart {self._way.where}",
                hint=self._way.elsewhere,
            )
        body = request.body or {}
        require_sound(body)
        if self._way is LOCAL:
            require_no_shard_keys(body)
            require_no_snapshots(pattern)
        require_inference(body, self._infers)
        encode(body)  # finite numbers and string keys, as over REST
        method = getattr(self._client, route.method)
        arguments = arguments_for(method, route, request, self._way)
        aside = list(left_aside(pattern, body, request.query)) if self._way is LOCAL else []
        result = self._invoke(method, arguments, request)
        for sentence in aside:
            self._notes.add(sentence)
        if self._way is LOCAL and pattern == ("PATCH", ""):
            return True  # local mode says False where it had nothing to change
        return route.answer(result)

    def version(self) -> Any:
        """What the server says its version is."""
        return self._invoke(self._client.info, {}, Request("GET", "/")).version

    def _invoke(self, method: Callable[..., Any], arguments: dict[str, Any], request: Request) -> Any:
        # A server's calls might come from many threads, and Python's warning filters belong to all of
        # them, so there nothing is touched.
        heard: AbstractContextManager[list[WarningMessage]] = (
            hearing() if self._way is LOCAL else nullcontext([])
        )
        with heard as said:
            try:
                result = method(**arguments)
            except Exception as exc:
                self._faults.fail_call(exc, request, self._way.elsewhere)
        for warning in said:
            self._notes.add(text_of(warning.message))
        return result
