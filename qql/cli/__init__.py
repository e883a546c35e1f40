"""The command line: arguments, screens and the prompt."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

_INTERRUPTED = 130


def _load() -> Callable[[], int]:
    """Imports the command line. Ctrl-C meanwhile ends the process, as it does later, without a traceback."""
    try:
        before = signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    except ValueError:  # it is not the main thread that imports this
        before = None
    try:
        from qql.cli.main import main
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    return main


main = _load()
