"""Keys that are typed while a statement is carried out: kept for the prompt, not written among results."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["unechoed"]


@contextlib.contextmanager
def unechoed() -> Iterator[None]:
    """The terminal does not show what is typed meanwhile; the prompt does, when it comes back.

    Ctrl-C remains a signal. Where the input is no terminal, or has no such thing, this does nothing.
    """
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    try:
        place = sys.stdin.fileno()
        before = termios.tcgetattr(place)
        silent = [*before]
        silent[3] = before[3] & ~(termios.ECHO | termios.ECHONL)
        termios.tcsetattr(place, termios.TCSANOW, silent)
    except (OSError, ValueError, termios.error):
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(place, termios.TCSANOW, before)
