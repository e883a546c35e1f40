"""What the engine writes to standard error when it panics, which our own error says better."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from functools import cache

from qql.late import late_pattern

__all__ = ["hold_panics", "quiet_calls", "quiet_panics", "without_panics"]

_PANIC = late_pattern(
    rb"\n?^thread '[^\n]* panicked at [^\n]*\n.*?"
    rb"(?:^note: [^\n]*`RUST_BACKTRACE[^\n]*\n|(?=\n?^thread ')|\Z)",
    re.DOTALL | re.MULTILINE,
)


_holding = threading.Lock()
"""Held while standard error is held back: two that put it back in the wrong order would lose it."""
_always = False
_NOTHING = contextlib.nullcontext()


def hold_panics() -> None:
    """Keep panics off standard error at each call, for a program that is all ours, as the command is.

    The programs of others have their standard error held back only where a collection is opened.
    """
    global _always
    _always = True


def quiet_calls() -> contextlib.AbstractContextManager[None]:
    """`quiet_panics` where `hold_panics` was called; else nothing."""
    return quiet_panics() if _always else _NOTHING


@contextlib.contextmanager
def quiet_panics() -> Iterator[None]:
    """Keep panics of the engine off standard error; whatever else is written meanwhile is written afterwards.

    All of the process's standard error is held back as long. Who sets QQL_DEBUG wants to see panics; inside
    of another such block, in another thread too, this one does nothing.
    """
    if os.environ.get("QQL_DEBUG") or not _holding.acquire(blocking=False):
        yield
        return
    try:
        with _held_back():
            yield
    finally:
        _holding.release()


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    try:
        held = _place()
        os.dup2(held, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            if size := os.lseek(held, 0, os.SEEK_END):
                os.lseek(held, 0, os.SEEK_SET)
                written = os.read(held, size)
                os.ftruncate(held, 0)
                os.lseek(held, 0, os.SEEK_SET)
                if text := without_panics(written):
                    with contextlib.suppress(OSError):
                        os.write(2, text)
    finally:
        os.close(kept)


@cache
def _place() -> int:
    """The open file that takes what is held back. One for all calls: to make one takes as long as a query."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("standard error")
    import tempfile

    with tempfile.TemporaryFile() as made:
        return os.dup(made.fileno())


def without_panics(text: bytes) -> bytes:
    """What was written to standard error, without the messages of Rust's panics."""
    return _PANIC.sub(b"", text) if b" panicked at " in text else text
