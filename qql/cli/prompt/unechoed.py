"""Whether the terminal shows the keys that are typed between two prompts.

While a statement is carried out they are kept for the prompt, and not written among its results. A question
shows them, and so does a program that a command starts.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["echoed", "unechoed"]


@contextlib.contextmanager
def _echo(shown: bool) -> Iterator[None]:
    """Ctrl-C remains a signal. Where the input is no terminal, or has no such thing, this does nothing."""
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    signs = termios.ECHO | termios.ECHONL
    try:
        place = sys.stdin.fileno()
        before = termios.tcgetattr(place)
        changed = [*before]
        changed[3] = before[3] | termios.ECHO if shown else before[3] & ~signs
        termios.tcsetattr(place, termios.TCSANOW, changed)
    except (OSError, ValueError, termios.error):
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(place, termios.TCSANOW, before)


def unechoed() -> contextlib.AbstractContextManager[None]:
    """While it is entered, what is typed is not shown; the prompt shows it when it comes back."""
    return _echo(False)


def echoed() -> contextlib.AbstractContextManager[None]:
    """While it is entered, what is typed is shown."""
    return _echo(True)
