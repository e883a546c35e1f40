"""The gRPC side of the fake server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from qdrant_client.grpc import (
    collections_service_pb2,
    points_service_pb2,
    qdrant_pb2,
    snapshots_service_pb2,
)

from qql.rest.request import Request

from .messages_in import READERS
from .messages_out import WRITERS
from .refusals import Disconnection, Refusal

__all__ = ["RpcSide"]

_THREADS = 8
_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_FILES = (collections_service_pb2, points_service_pb2, qdrant_pb2, snapshots_service_pb2)

Serve = Callable[[str, Request, int, dict[str, str], Callable[[Any], bytes]], bytes]
"""Method, request, bytes of the message, metadata, what makes a message of an answer → that in bytes."""


class RpcSide:
    """Listens on ``port`` (0: any) once made; `begin` answers, `end` breaks off and lets the port go."""

    def __init__(self, port: int, serve: Serve, usage: Callable[[], Any]) -> None:
        self._serve = serve
        self._usage = usage
        self._pool = ThreadPoolExecutor(_THREADS)
        self._server = grpc.server(self._pool, options=_OPTIONS)
        self._server.add_generic_rpc_handlers(tuple(self._services()))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")

    def begin(self) -> None:
        self._server.start()

    def end(self) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _services(self) -> Iterator[grpc.GenericRpcHandler]:
        for file in _FILES:
            for service in file.DESCRIPTOR.services_by_name.values():
                handlers = {
                    method.name: self._handler(
                        f"{service.name}/{method.name}", GetMessageClass(method.input_type)
                    )
                    for method in service.methods
                    if f"{service.name}/{method.name}" in READERS
                }
                yield grpc.method_handlers_generic_handler(service.full_name, handlers)

    def _handler(self, name: str, message_type: Any) -> Any:
        read, write = READERS[name], WRITERS[name]

        def encoded(answer: Any) -> bytes:
            message = write(answer)
            if "time" in message.DESCRIPTOR.fields_by_name:
                message.time = 0.001
            if "usage" in message.DESCRIPTOR.fields_by_name and (usage := self._usage()) is not None:
                ParseDict(usage, message.usage)
            return bytes(message.SerializeToString())

        def handle(raw: bytes, context: grpc.ServicerContext) -> bytes:
            metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
            try:
                return self._serve(name, read(message_type.FromString(raw)), len(raw), metadata, encoded)
            except Refusal as refusal:
                context.abort(refusal.code, refusal.text)
            except Disconnection:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

        return grpc.unary_unary_rpc_method_handler(handle)
