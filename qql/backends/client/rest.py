"""REST: requests as they were compiled, through qdrant-client's own HTTP machinery."""

from __future__ import annotations

from typing import Any

from qql.rest.request import Request

from .encoding import canonical, encode
from .faults import Faults

__all__ = ["Rest"]


class Rest:
    """A server's REST interface; ``http`` is the client's own machinery (``QdrantClient.http.client``)."""

    def __init__(self, http: Any, faults: Faults) -> None:
        self._http = http
        self._faults = faults
        self.took: float | None = None

    def call(self, request: Request) -> Any:
        """The ``result`` of the answer; ``took`` is its ``time``, in seconds."""
        self.took = None
        answer = self._exchange(request)
        if not (isinstance(answer, dict) and "result" in answer):
            self._faults.fail_answer(answer)
        told = answer.get("time")
        self.took = told if isinstance(told, (int, float)) else None
        return answer["result"]

    def version(self) -> Any:
        """What the server says its version is."""
        answer = self._exchange(Request("GET", "/"))
        return answer.get("version") if isinstance(answer, dict) else None

    def _exchange(self, request: Request) -> Any:
        """One HTTP exchange: the whole JSON answer of a status 200 to 202."""
        arguments: dict[str, Any] = {}
        params = {key: value for key, value in request.query.items() if value is not None}
        if params:
            arguments["params"] = params
        if request.body is not None:
            arguments |= {"content": encode(request.body), "headers": {"Content-Type": "application/json"}}
        path = canonical(request.path)
        try:
            return self._http.request(type_=Any, method=request.method, url=path, **arguments)
        except Exception as exc:
            self._faults.fail_exchange(exc, request)
