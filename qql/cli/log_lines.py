"""`--log-level`: what sessions tell `logging`, as lines on standard error."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.render import Renderer

__all__ = ["log_lines"]


class _Lines(logging.Handler):
    """Writes each record as a remark, with the name of its logger in front."""

    def __init__(self, console: Renderer) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.remark(f"{record.name}: {record.getMessage()}", "log")


@contextlib.contextmanager
def log_lines(console: Renderer, level: str) -> Iterator[None]:
    """Within it, what is told at a level (``info``, ``debug``) or above it is written; quiet or not."""
    logger, handler = logging.getLogger("qql"), _Lines(console)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
