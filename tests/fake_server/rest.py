"""The REST side of the fake server."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from qql.rest.request import Request

from .refusals import Disconnection, Refusal, malformed

__all__ = ["RestSide"]

_POLL = 0.02  # seconds until a stop is noticed

Serve = Callable[[Request, int, dict[str, str]], tuple[int, bytes]]
"""A request, the bytes of its body, its headers → the status and the bytes of the answer."""


class RestSide(ThreadingHTTPServer):
    """Listens on ``port`` (0: any) once made; `begin` answers, `end` breaks off and lets the port go."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, port: int, serve: Serve, limit: int) -> None:
        self.serve = serve
        self.limit = limit
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of a test."""


class _Handler(BaseHTTPRequestHandler):
    server: RestSide
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def _exchange(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            request = self._read(raw)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, data = self.server.serve(request, len(raw), headers)
        except Refusal as refusal:
            status, data = refusal.status, encoded_refusal(refusal)
        except Disconnection:
            self._break_off()
            return
        with suppress(ConnectionError):
            self.send_response(status)
            if data:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

    def _read(self, raw: bytes) -> Request:
        if len(raw) > self.server.limit:
            limit = self.server.limit
            said = f"JSON payload ({len(raw)} bytes) is larger than allowed (limit: {limit} bytes)."
            raise Refusal(400, f"Payload error: {said}")
        parts = urlsplit(self.path)
        try:
            body = json.loads(raw) if raw else None
        except ValueError as exc:
            raise malformed(str(exc)) from exc
        return Request(self.command, parts.path, dict(parse_qsl(parts.query)), body)

    def _break_off(self) -> None:
        """End the connection at once, so that the other side sees a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _exchange

    def log_message(self, *_: object) -> None:
        pass


def encoded_refusal(refusal: Refusal) -> bytes:
    """The body of a refusal; an unknown route has none."""
    return json.dumps({"status": {"error": refusal.text}, "time": 0.0}).encode() if refusal.text else b""
