"""What the engine writes to standard error when it panics, which our own error says better."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

__all__ = ["quiet_panics", "without_panics"]

_PANIC = re.compile(
    rb"\n?^thread '[^\n]* panicked at [^\n]*\n.*?"
    rb"(?:^note: [^\n]*`RUST_BACKTRACE[^\n]*\n|(?=\n?^thread ')|\Z)",
    re.DOTALL | re.MULTILINE,
)


@contextlib.contextmanager
def quiet_panics() -> Iterator[None]:
    """Keep panics of the engine off standard error; whatever else is written meanwhile is written afterwards.

    For calls that are rare, as all of the process's standard error is held back as long. Who sets QQL_DEBUG
    wants to see them.
    """
    if os.environ.get("QQL_DEBUG"):
        yield
        return
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(kept, 2)
                held.seek(0)
                if text := without_panics(held.read()):
                    with contextlib.suppress(OSError):
                        os.write(2, text)
    finally:
        os.close(kept)


def without_panics(text: bytes) -> bytes:
    """What was written to standard error, without the messages of Rust's panics."""
    return _PANIC.sub(b"", text) if b" panicked at " in text else text
