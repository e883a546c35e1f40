"""How far long work is: who reads and checks many rows says it here, and knows of nobody who watches."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token

__all__ = ["Counter", "Told", "Watched", "counter"]

_EACH = 1000
"""Rows after which it is said again how many there are by now."""
Told = Callable[[str, int, "int | None", "float | None"], None]
"""Called with what is being done, how many rows are done, of how many (None: unknown), and else the share."""
_WATCHING: ContextVar[Told | None] = ContextVar("watching", default=None)


class Watched:
    """While it is entered, ``told`` watches."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._before: list[Token[Told | None]] = []

    def __enter__(self) -> None:
        self._before.append(_WATCHING.set(self._told))

    def __exit__(self, *_: object) -> None:
        _WATCHING.reset(self._before.pop())


class Counter:
    """Counts rows, and tells of them now and then. It is called for each, with the share that is done."""

    def __init__(self, told: Told, what: str, total: int | None) -> None:
        self._told, self._what, self._total = told, what, total
        self._count = 0

    def __call__(self, share: float | None = None) -> None:
        self._count += 1
        if self._count % _EACH == 0:
            self._told(self._what, self._count, self._total, share)


def counter(what: str, total: int | None = None) -> Counter | None:
    """What counts rows, of ``total`` (None: unknown); None where nobody watches."""
    told = _WATCHING.get()
    return None if told is None else Counter(told, what, total)
