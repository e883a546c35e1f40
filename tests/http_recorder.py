"""A small HTTP server in the process: it records what it receives and answers what a test gives it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qql.rest.request import Request


@dataclass(frozen=True)
class Received:
    """One request as it came in: ``path`` is still percent-encoded, ``query`` has one value for a name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON body, or None where there was none."""
        return json.loads(self.raw) if self.raw else None


@dataclass(frozen=True)
class Reply:
    """An answer: ``body`` is bytes, or data to be sent as JSON."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    announce: int | None = None
    """The length to announce instead of the true one; a longer one makes the answer a truncated one."""

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def ok(result: Any) -> Reply:
    """An answer of Qdrant's, with this result."""
    return Reply({"result": result, "status": "ok", "time": 0.001})


def refused(status: int, error: str, **headers: str) -> Reply:
    """A refusal of Qdrant's, with this text."""
    return Reply({"status": {"error": error}, "time": 0.0}, status, headers)


UPDATED = {"operation_id": 1, "status": "completed"}
COLLECTION = {"config": {"params": {}}, "payload_schema": {}, "points_count": 0}
_EMPTY: dict[tuple[str, str], Any] = {
    ("GET", "/collections"): {"collections": []},
    ("GET", "/aliases"): {"aliases": []},
    ("GET", "/quotas"): {},
    ("GET", "optimizations"): {},
    ("GET", "memory"): {},
    ("GET", "aliases"): {"aliases": []},
    ("GET", ""): COLLECTION,
    ("GET", "exists"): {"exists": False},
    ("GET", "shards"): {"shard_keys": []},
    ("GET", "snapshots"): [],
    ("POST", "snapshots"): {"name": "docs.snapshot"},
    ("POST", "points"): [],
    ("POST", "points/scroll"): {"points": []},
    ("POST", "points/count"): {"count": 0},
    ("POST", "facet"): {"hits": []},
    ("POST", "points/query"): {"points": []},
    ("POST", "points/query/groups"): {"groups": []},
    ("POST", "points/search/matrix/pairs"): {"pairs": []},
    ("POST", "points/search/matrix/offsets"): {"offsets_row": [], "offsets_col": [], "scores": [], "ids": []},
    **{
        (method, route): UPDATED
        for method in ("PUT", "DELETE")
        for route in ("index", "index/*", "vectors/*")
    },
    **{("PUT", route): UPDATED for route in ("points", "points/payload", "points/vectors")},
    **{
        ("POST", f"points/{route}"): UPDATED
        for route in ("delete", "payload", "payload/delete", "payload/clear", "vectors/delete")
    },
}


def sound(received: Received) -> Reply:
    """What a server with nothing in it might answer: of the shape that the route has."""
    prefix, collections, path = received.path.partition("/collections")
    route = Request(received.method, collections + path if collections else prefix).route
    if route == ("POST", "points/query/batch"):
        return ok([{"points": []} for _ in received.body["searches"]])
    if route == ("POST", "points/batch"):
        return ok([UPDATED for _ in received.body["operations"]])
    return ok(_EMPTY.get(route, True))


Answer = Reply | Callable[[Received], Reply]


class HttpRecorder:
    """Use as a context manager; ``answers`` goes by (method, path), ``otherwise`` (`sound`) has the rest."""

    def __init__(
        self, answers: dict[tuple[str, str], Answer] | None = None, otherwise: Answer | None = None
    ) -> None:
        self.received: list[Received] = []
        self.answers = answers or {}
        self.otherwise: Answer = otherwise or sound
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Received:
        return self.received[-1]

    def __enter__(self) -> HttpRecorder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                received = Received(self.command, parts.path, query, headers, raw)
                recorder.received.append(received)
                answer = recorder.answers.get((self.command, parts.path), recorder.otherwise)
                self.reply(answer(received) if callable(answer) else answer)

            def reply(self, reply: Reply) -> None:
                data = reply.encoded()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(reply.announce or len(data)))
                self.end_headers()
                with suppress(ConnectionError):  # a client that gave up waiting
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                pass

        return Handler
