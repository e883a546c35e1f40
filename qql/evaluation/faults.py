"""What is wrong with what an evaluation was given, told in the words of whoever gave it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from qql.errors import QQLExecutionError

__all__ = ["Blank", "InputError", "argument", "spelled"]

Spelling = Callable[[str, object], str]
"""An argument and its value (None: the argument alone), as they are typed."""


class InputError(QQLExecutionError):
    """What an evaluation was given is at fault: queries, judgements, a grid, an argument."""

    exit_code = 2


class Blank(str):
    """What stands for a value in a hint; it has no quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _as_python(name: str, value: object) -> str:
    return f"`{name}`" if value is None else f"{name}={value!r}"


_spelling: ContextVar[Spelling] = ContextVar("spelling", default=_as_python)


def argument(name: str, value: object = None) -> str:
    """An argument of this library, as whoever gave it would type it; with a value, where there is one."""
    return _spelling.get()(name, value)


@contextlib.contextmanager
def spelled(how: Spelling) -> Iterator[None]:
    """Has arguments spelled in another way in the errors of what is done in it, as options of a command."""
    token = _spelling.set(how)
    try:
        yield
    finally:
        _spelling.reset(token)
