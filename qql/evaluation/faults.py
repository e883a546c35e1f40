"""What is wrong with what an evaluation was given, told in the words of whoever gave it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar

from qql.errors import QQLExecutionError, shown
from qql.kinds import FLAG, FUNCTION, PATH, TEXT, Kind, mapping_of, misfit
from qql.rest.types import JsonObject

__all__ = [
    "Blank",
    "InputError",
    "argument",
    "check_kinds",
    "fixed_params",
    "number_in",
    "spelled",
    "whole_from",
]

Spelling = Callable[[str, object], str]
"""An argument and its value (None: the argument alone), as they are typed."""


class InputError(QQLExecutionError):
    """What an evaluation was given is at fault: queries, judgements, a grid, an argument."""

    exit_code = 2


class Blank(str):
    """What stands for a value in a hint; it has no quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


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


def whole_from(low: int, **given: object) -> None:
    """Raises `InputError` ``usage`` for an argument that is there and no whole number of at least ``low``."""
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            message = f"{argument(name)} takes a whole number from {low}, not {shown(value)}"
            raise InputError.make("usage", message)


_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("stages", "partial", "resume", "overwrite"), FLAG),
    **dict.fromkeys(("baseline", "ties", "doc_id", "latency", "on_error"), TEXT),
    "run_dir": PATH,
    "path": PATH,
    "grid": mapping_of("lists of values", lambda values: True),
    "another": FUNCTION,
    "progress": FUNCTION,
}
"""What the arguments of several functions may be, by their names."""


def check_kinds(given: Mapping[str, object]) -> None:
    """Raises `InputError` ``usage`` for an argument that is there and not of its kind."""
    name = misfit(given, _KINDS)
    if name is not None:
        message = f"{argument(name)} takes {_KINDS[name].words}, not {shown(given[name])}"
        raise InputError.make("usage", message)


def number_in(low: float, high: float, **given: object) -> None:
    """Raises `InputError` ``usage`` for an argument that is there and no number between these two."""
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low < value < high:
            bounds = f"above {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
            message = f"{argument(name)} takes a number {bounds}, not {shown(value)}"
            raise InputError.make("usage", message)


def fixed_params(given: object) -> JsonObject:
    """The parameters that are the same for each query. Raises `InputError` ``wrong-parameters``."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        message = f"{argument('params')} takes a mapping of names to values, not {shown(given)}"
        raise InputError.make("wrong-parameters", message)
    return {str(name): value for name, value in given.items()}
