"""Stands between a client and a server of HTTP, and spoils exchanges as a test asks for."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

Fault = str | tuple[int, str] | None
"""None (the exchange passes), ``reset`` (nothing is passed on), ``cut`` (the server has it, its answer is
lost), ``half`` (of an answer), ``page`` (of a proxy), ``truncated`` (JSON), ``redirect``; or a status with
the value of Retry-After."""

_PAGE = b"<html><h1>It works!</h1></html>"


class FaultProxy:
    """Use as a context manager. Each request takes the first of ``faults``; without one it passes.

    ``seen`` has the request lines, as ``PUT /collections/docs``. ``only`` names the one that has faults.
    """

    def __init__(self, upstream: int) -> None:
        self.faults: list[Fault] = []
        self.only: str | None = None
        self.seen: list[str] = []
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plan(self, *faults: Fault, only: str | None = None) -> None:
        self.faults, self.only = list(faults), only
        self.seen.clear()

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):  # the end
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    self._handle(client)

    def _handle(self, client: socket.socket) -> None:
        head, body = _read_message(client)
        line = " ".join(head.split(b"\r\n", 1)[0].decode().split("?")[0].split(" ")[:2])
        self.seen.append(line)
        fault = self.faults.pop(0) if self.faults and self.only in (None, line) else None
        match fault:
            case None:
                client.sendall(self._passed(head, body))
            case "reset":
                _reset(client)
            case "cut":
                self._passed(head, body)
            case "half":
                answer = self._passed(head, body)
                client.sendall(answer[: len(answer) - 5])
                _reset(client)
            case "page":
                client.sendall(_answer("200 OK", _PAGE))
            case "truncated":
                client.sendall(_answer("200 OK", self._passed(head, body).partition(b"\r\n\r\n")[2][:-5]))
            case "redirect":
                client.sendall(_answer("307 Moved", b"", "Location: http://elsewhere.example/x\r\n"))
            case (int() as status, str() as after):
                extra = f"Retry-After: {after}\r\n" if after else ""
                words = b'{"status": {"error": "busy"}, "time": 0}'
                client.sendall(_answer(f"{status} Busy", words, extra))

    def _passed(self, head: bytes, body: bytes) -> bytes:
        """The server's answer, all of it."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self._upstream)) as server:
            server.sendall(head + b"\r\n\r\n" + body)
            server.shutdown(socket.SHUT_WR)
            while piece := server.recv(65536):
                answer += piece
        return answer


def _read_message(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            raise OSError
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", 0)):
        body += client.recv(65536)
    return head, body


def _answer(status: str, body: bytes, extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
