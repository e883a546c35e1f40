"""Keys that are typed while the engine or a model is busy wait for the prompt, and Ctrl-C ends the work."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from terminals import Terminal, prompt

pytestmark = pytest.mark.slow
MAKE = "CREATE COLLECTION docs (v VECTOR(2, DOT) MODEL 'openai/slow');\r"


def types_ahead(terminal: Terminal, statement: str, behind: str) -> None:
    """Has a statement run, and types the next one meanwhile."""
    terminal.type(f"{statement}\r")
    terminal.shows(statement)
    terminal.hears_signals()
    terminal.type(behind)


@pytest.mark.parametrize(
    ("statement", "result", "said"),
    [
        ("COUNT FROM docs WHERE a = 1;", "(1 row", "cancelled: nothing was written"),
        ("COPY docs FROM 'rows.jsonl';", "copied 2 rows", "cancelled:"),
        ("OPTIMIZE docs;", "docs", "cancelled:"),
    ],
)
def test_keys_wait_while_the_engine_is_busy(tmp_path: Path, statement: str, result: str, said: str) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "v": [1, 0]}\n{"id": 2, "v": [1, 1]}\n')
    with prompt(tmp_path) as terminal:
        terminal.shows(":memory:>")
        terminal.type(MAKE)
        terminal.shows("created collection docs")
        (worker,) = terminal.workers()
        os.kill(worker, signal.SIGSTOP)  # an engine that is busy
        types_ahead(terminal, statement, "SHOW ALIASES;\r")
        if statement.startswith("COUNT"):
            terminal.shows("waiting for the engine 1 s")
        os.kill(worker, signal.SIGCONT)
        assert "SHOW" not in terminal.shows(result), "what is typed does not stand among what is shown"
        terminal.shows("SHOW ALIASES;")
        terminal.shows("(0 rows")
        os.kill(worker, signal.SIGSTOP)
        types_ahead(terminal, statement, "\x03")
        terminal.shows(said)
        os.kill(worker, signal.SIGCONT)
        terminal.type("COUNT FROM docs;\r")
        terminal.shows("(1 row")
        terminal.type("\x04")
        assert terminal.leaves() == 0


def test_a_program_that_a_command_starts_shows_what_is_typed(tmp_path: Path) -> None:
    with prompt(tmp_path) as terminal:
        terminal.shows(":memory:>")
        terminal.type("\\! echo rea''dy; read x; echo got $x\r")
        terminal.shows("ready")
        terminal.type("abc\r")
        assert terminal.shows("got abc").count("abc") == 2
        terminal.type(MAKE)
        terminal.shows("created collection docs")
        terminal.type("DROP COLLECTION docs;\r")
        terminal.shows("(y/N)")
        terminal.type("y\r")
        assert terminal.shows("dropped").startswith("y")
        terminal.type("\x04")
        assert terminal.leaves() == 0


class Slow(BaseHTTPRequestHandler):
    """A service of models that answers when it is told to."""

    asked, goes_on = threading.Event(), threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Slow.asked.set()
        Slow.goes_on.wait(60)
        body = b'{"data": [{"index": 0, "embedding": [1, 0]}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Quiet(ThreadingHTTPServer):
    """A server that says nothing of those who do not wait for its answer."""

    def handle_error(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    Slow.asked.clear()
    Slow.goes_on.clear()
    with Quiet(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        Slow.goes_on.set()
        server.shutdown()


def test_keys_wait_while_a_model_is_busy(tmp_path: Path, service: str) -> None:
    with prompt(tmp_path, "--embed-url", service) as terminal:
        terminal.shows(":memory:>")
        terminal.type(MAKE)
        terminal.shows("created collection docs")
        types_ahead(terminal, "QUERY 'a' FROM docs;", "")
        assert Slow.asked.wait(60)
        terminal.type("\x03")
        terminal.shows("cancelled: nothing was written")
        Slow.asked.clear()
        types_ahead(terminal, "UPSERT INTO docs VALUES {id: 1, text: 'b'};", "SHOW ALIASES;\r")
        assert Slow.asked.wait(60)
        Slow.goes_on.set()
        assert "SHOW" not in terminal.shows("upserted 1 point")
        terminal.shows("SHOW ALIASES;")
        terminal.shows("(0 rows")
        terminal.type("\x04")
        assert terminal.leaves() == 0
