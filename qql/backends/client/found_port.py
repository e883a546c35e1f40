"""A port of gRPC that nobody gave: the one after REST's, if the same server is there."""

from __future__ import annotations

from typing import NoReturn

from qql.errors import QQLConnectionError, QQLError
from qql.rest.request import Request
from qql.rest.types import Json
from qql.rest.usage import Usage

from .address import PORT_HINT, Endpoint
from .messages import Notes, excerpt
from .transports import Transport

__all__ = ["FoundPort"]

_LIST = Request("GET", "/collections")
_LOOKS = 2  # for the collections: one may be made or dropped between two answers


class FoundPort:
    """The transport over gRPC, once its server has turned out to be the one that REST reaches.

    That is looked at by the first call: both have to say the same version and the same collections.
    """

    def __init__(self, over_grpc: Transport, over_rest: Transport, where: Endpoint, notes: Notes) -> None:
        self._grpc, self._rest = over_grpc, over_rest
        self._where, self._notes = where, notes
        self._found = False

    @property
    def took(self) -> float | None:
        """The server's time for the last call over gRPC."""
        return self._grpc.took

    @property
    def usage(self) -> Usage | None:
        """What it has cost."""
        return self._grpc.usage

    def call(self, request: Request) -> Json:
        """The answer over gRPC. Raises `QQLConnectionError` ``grpc-port-unknown`` beside what it raises."""
        self._find()
        return self._grpc.call(request)

    def version(self) -> Json:
        """The version over gRPC; raises as `call` does."""
        self._find()
        return self._grpc.version()

    def _find(self) -> None:
        if self._found:
            return
        rest, port = self._where.rest, self._where.grpc_port
        here = self._ask(self._rest, f"{rest} does not say which server it is")
        there = self._ask(self._grpc, f"it is not {port}, the one after that of REST")
        if here != there:
            self._fail_other(f"it has version {_quoted(there)}, and {rest} has {_quoted(here)}")
        for _ in range(_LOOKS):
            names, others = _collections(self._rest), _collections(self._grpc)
            if names == others:
                break
        else:
            self._fail_other(_difference(names, others, rest))
        if not names:
            self._notes.add(
                f"gRPC is taken to be at port {port}, where a server of the same version is; neither has "
                "collections to tell them apart by, and --grpc-port names the port"
            )
        self._found = True

    def _fail_other(self, why: str) -> NoReturn:
        self._fail(f"at {self._where.grpc_port}, the one after that of REST, is another server: {why}")

    def _ask(self, transport: Transport, failed: str) -> Json:
        try:
            return transport.version()
        except QQLConnectionError as exc:
            if exc.code == "not-authorised":
                raise
            said = exc.message
        except QQLError as exc:
            said = exc.message
        self._fail(f"{failed}: {said}")

    def _fail(self, why: str) -> NoReturn:
        raise QQLConnectionError.make(
            "grpc-port-unknown", f"the port of gRPC is not known: {why}", hint=PORT_HINT
        )


def _collections(transport: Transport) -> set[str]:
    return {str(one["name"]) for one in transport.call(_LIST)["collections"]}


def _difference(names: set[str], others: set[str], rest: str) -> str:
    """The first collection that one of the servers has and the other has not."""
    missing = sorted(names - others)
    if missing:
        return f"it lacks the collection {_quoted(missing[0])} of {rest}"
    return f"it has the collection {_quoted(min(others - names))}, which {rest} lacks"


def _quoted(value: Json) -> str:
    return f"`{excerpt(str(value))}`"
