"""What arguments of public functions may be: a wrong one is told where it is given, and not deep inside."""

from __future__ import annotations

import os
from collections.abc import Mapping

from qql.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FLAG", "FUNCTION", "PATH", "TEXT", "Kind", "mapping_of", "misfit", "require_kinds"]

_SHOWN = 40
"""Characters of a wrong argument in the message."""


class Kind(NamedTuple):
    """What an argument may be: in words, and whether a value is such."""

    words: str
    fits: Callable[[object], bool]


FLAG = Kind("True or False", lambda value: isinstance(value, bool))
TEXT = Kind("a text", lambda value: isinstance(value, str))
PATH = Kind("a path", lambda value: isinstance(value, (str, os.PathLike)))
FUNCTION = Kind("a function", callable)


def mapping_of(values: str, fits: Callable[[object], bool]) -> Kind:
    """A mapping of names to what ``values`` calls in words."""

    def all_fit(value: object) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(name, str) and fits(one) for name, one in value.items()
        )

    return Kind(f"a mapping of names to {values}", all_fit)


def misfit(given: Mapping[str, object], kinds: Mapping[str, Kind]) -> str | None:
    """The name of the first argument that is not of its kind. None is an argument that is not given, and what
    has no kind here is looked at elsewhere.
    """
    for name, value in given.items():
        kind = kinds.get(name)
        if value is not None and kind is not None and not kind.fits(value):
            return name
    return None


def require_kinds(given: Mapping[str, object], kinds: Mapping[str, Kind]) -> None:
    """Raises `TypeError` for what `misfit` names."""
    name = misfit(given, kinds)
    if name is not None:
        value = repr(given[name])
        value = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        raise TypeError(f"{name} requires {kinds[name].words}, not {value}")
