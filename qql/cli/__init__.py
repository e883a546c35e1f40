"""The command line: arguments, screens and the prompt."""

from __future__ import annotations

import sys

import qql

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

_INTERRUPTED = 130
_MANY = 50_000
"""New objects after which Python looks for garbage: a short command is done by then, and nothing that it has
loaded is garbage. (Python's own 700 made it look some fifty times, a twentieth of the time of the command.)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (``sys.argv``) and give the exit code. Nothing is raised."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["--version"], ["-V"]):  # before anything is imported
        try:
            sys.stdout.write(f"qql {qql.__version__}\n")
            sys.stdout.flush()
            return 0
        except (OSError, ValueError):
            pass  # what follows knows what to do with such an output
    if argv is None:  # the process is ours alone
        import gc

        gc.set_threshold(_MANY)
    return _load()(argv)


def _load() -> Callable[[Sequence[str] | None], int]:
    """Imports the command line. Ctrl-C meanwhile ends the process, as it does later, without a traceback."""
    import os
    import signal

    try:
        before = signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    except ValueError:  # it is not the main thread that imports this
        before = None
    try:
        from qql.cli.process import run
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    return run
