"""The fake server: its two sides, what they were asked, and what happens to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from qql.rest.request import Request

from .engine import Engine
from .refusals import Disconnection, Refusal
from .rest import RestSide, encoded_refusal
from .rpc import RpcSide

__all__ = ["Call", "FakeServer"]

_LIMIT = 32 * 1024 * 1024  # bytes of a REST body, Qdrant's own
_TRIES = 20


@dataclass(frozen=True)
class Call:
    """One exchange: ``name`` is ``POST points/query`` or ``Points/Query``, ``request`` what it says.

    ``received`` and ``sent`` are bytes of bodies or messages; ``refusal`` is what was answered instead.
    """

    transport: str
    name: str
    request: Request
    received: int
    sent: int
    refusal: str | None = None


class FakeServer:
    """Use as a context manager. ``port`` speaks REST and the one above it gRPC.

    ``version`` is what it announces and behaves as. A ``cluster`` knows shard keys. ``api_key`` is asked of
    every request. ``body_limit`` is in bytes and holds for REST. `calls`, `engine` and `usage`, which
    every answer then has, may be looked at and changed while it runs.
    """

    def __init__(
        self,
        version: str = "1.20.0",
        *,
        cluster: bool = False,
        api_key: str | None = None,
        body_limit: int = _LIMIT,
    ) -> None:
        self.engine = Engine(version, cluster=cluster)
        self.usage: dict[str, Any] | None = None
        self.calls: list[Call] = []
        self._api_key = api_key
        self._limit = body_limit
        self._until_cut: int | None = None
        self._rest, self._rpc = self._neighbours()

    @property
    def port(self) -> int:
        return self._rest.port

    @property
    def grpc_port(self) -> int:
        return self._rpc.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc_url(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}"

    @property
    def received(self) -> int:
        """Bytes of all that was asked."""
        return sum(call.received for call in self.calls)

    @property
    def sent(self) -> int:
        """Bytes of all that was answered."""
        return sum(call.sent for call in self.calls)

    def asked(self, route: str) -> list[Call]:
        """The calls of a route of REST, whichever way they came: ``"POST points/query"``."""
        return [call for call in self.calls if " ".join(call.request.route) == route]

    # --- its life ----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.engine.close()

    def start(self) -> None:
        """Answer, on the ports that it has."""
        self._rest.begin()
        self._rpc.begin()

    def stop(self) -> None:
        """Break off all connections; the data stay."""
        self._rest.end()
        self._rpc.end()

    def restart(self) -> None:
        """Break off all connections, and answer again on the same ports."""
        ports = self.port, self.grpc_port
        self.stop()
        self._rest, self._rpc = self._sides(*ports)
        self.start()

    def cut_after(self, writes: int) -> None:
        """Answer so many more upserts, carry out one without an answer, and break off at all later ones."""
        self._until_cut = writes

    def _neighbours(self) -> tuple[RestSide, RpcSide]:
        for _ in range(_TRIES):
            rest = RestSide(0, self._serve_rest, self._limit)
            try:
                return rest, RpcSide(rest.port + 1, self._serve_rpc, lambda: self.usage)
            except RuntimeError:  # somebody has the port
                rest.server_close()
        raise RuntimeError("no two ports beside one another are free")

    def _sides(self, port: int, grpc_port: int) -> tuple[RestSide, RpcSide]:
        return RestSide(port, self._serve_rest, self._limit), RpcSide(
            grpc_port, self._serve_rpc, lambda: self.usage
        )

    # --- one exchange ------------------------------------------------------------------------------------

    def _serve_rest(self, request: Request, size: int, headers: dict[str, str]) -> tuple[int, bytes]:
        name = " ".join(request.route)

        def encoded(answer: Any) -> bytes:
            if request.route == ("GET", "/"):
                return json.dumps(answer).encode()
            usage = {} if self.usage is None else {"usage": self.usage}
            return json.dumps({"result": answer, "status": "ok", "time": 0.001} | usage).encode()

        try:
            return 200, self._serve("rest", name, request, size, headers, encoded)
        except Refusal as refusal:
            return refusal.status, encoded_refusal(refusal)

    def _serve_rpc(
        self,
        name: str,
        request: Request,
        size: int,
        metadata: dict[str, str],
        encoded: Callable[[Any], bytes],
    ) -> bytes:
        return self._serve("grpc", name, request, size, metadata, encoded)

    def _serve(
        self,
        transport: str,
        name: str,
        request: Request,
        size: int,
        headers: dict[str, str],
        encoded: Callable[[Any], bytes],
    ) -> bytes:
        try:
            self._require_key(headers)
            cut = self._is_cut(request)
            answer = encoded(self.engine.answer(request, transport))
            if cut:
                raise Disconnection
        except (Refusal, Disconnection) as error:
            said = error.text if isinstance(error, Refusal) else "disconnected"
            self.calls.append(Call(transport, name, request, size, len(said), said))
            raise
        self.calls.append(Call(transport, name, request, size, len(answer)))
        return answer

    def _require_key(self, headers: dict[str, str]) -> None:
        if self._api_key is not None and headers.get("api-key") != self._api_key:
            raise Refusal(401, "Must provide an API key or an Authorization bearer token")

    def _is_cut(self, request: Request) -> bool:
        """Whether this is the upsert that `cut_after` leaves without an answer; what comes later fails."""
        if self._until_cut is None or request.route not in (("PUT", "points"), ("POST", "points/batch")):
            return False
        self._until_cut -= 1
        if self._until_cut < -1:
            raise Disconnection
        return self._until_cut == -1
