"""Panics of the engine stay off standard error, and whatever else is written there does not get lost."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event, Thread

import pytest
from edge_helpers import Engine

from qql.backends.edge import panic_text
from qql.backends.edge.panic_text import quiet_panics, without_panics
from qql.cli.commands.connection import open_session
from qql.cli.commands.options import Arguments

PANIC = b"""
thread '<unnamed>' (31542) panicked at lib/blobstore/src/pages.rs:244:9:
assertion failed: byte_offset < page_size_bytes
  left: 1
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
TRACED = b"""thread 'main' panicked at src/lib.rs:1:2:
no
stack backtrace:
   0: __rustc::rust_begin_unwind
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
"""


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (PANIC, b""),
        (b"before\n" + PANIC + b"after\n", b"before\nafter\n"),
        (PANIC + PANIC, b""),
        (TRACED + b"after\n", b"after\n"),
        (PANIC + TRACED, b""),
        (b"thread 'x' panicked at a:1:2:\nhalf", b""),
        (b"a thread of ours has panicked at noon\n", b"a thread of ours has panicked at noon\n"),
    ],
)
def test_only_panics_are_left_out(written: bytes, left: bytes) -> None:
    assert without_panics(written) == left


def test_what_others_write_comes_through(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QQL_DEBUG", raising=False)
    with pytest.raises(RuntimeError), quiet_panics():
        os.write(2, b"one\n" + PANIC + b"two\n")
        raise RuntimeError
    os.write(2, b"three\n")
    assert capfd.readouterr().err.splitlines() == ["one", "two", "three"]
    monkeypatch.setenv("QQL_DEBUG", "1")
    with quiet_panics():
        os.write(2, PANIC)
    assert capfd.readouterr().err.encode() == PANIC


def test_panics_of_any_call_are_held_back_by_a_program_that_asks_for_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QQL_DEBUG", raising=False)
    monkeypatch.setattr(panic_text, "_always", False)
    engine = Engine(tmp_path / "db")
    engine("PUT", "", {"vectors": {"v": {"size": 2, "distance": "Dot"}}})
    collection = engine.backend._database.get("docs")
    with collection.engine():
        os.write(2, PANIC)
    assert "panicked" in capfd.readouterr().err, "a library leaves the standard error of others alone"
    panic_text.hold_panics()
    with collection.engine():
        os.write(2, PANIC + b"a note\n")
    with collection.changing():
        os.write(2, PANIC)
    assert capfd.readouterr().err.splitlines() == ["a note"]
    engine.close()


def test_the_command_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panic_text, "_always", False)
    open_session(Arguments(), ":memory:").close()
    assert panic_text._always


def test_standard_error_comes_back_where_two_threads_hold_it(capfd: pytest.CaptureFixture[str]) -> None:
    first_is_inside, second_is_done = Event(), Event()

    def first() -> None:
        with quiet_panics():
            first_is_inside.set()
            second_is_done.wait(10)

    thread = Thread(target=first)
    thread.start()
    first_is_inside.wait(10)
    with quiet_panics():
        os.write(2, b"inside\n")
    second_is_done.set()
    thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "inside\nafter\n"
