"""Panics of the engine stay off standard error, and whatever else is written there does not get lost."""

from __future__ import annotations

import os

import pytest

from qql.backends.edge.panic_text import quiet_panics, without_panics

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
