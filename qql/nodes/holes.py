"""Values that are not known yet: what stands for them while a statement is planned ahead.

A statement with holes is planned once, and the places of the request in which a hole arrives are filled
with values later. That is right only where nothing else of the request hangs on the value, so a hole can
be carried, and not looked at: who compares it, counts with it or prints it gets `NeedsValue`.
"""

from __future__ import annotations

from contextvars import ContextVar

from qql.late import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Token
    from typing import Any, NoReturn, TypeVar

    _Value = TypeVar("_Value")

__all__ = [
    "Hole",
    "Key",
    "NeedsValue",
    "Slot",
    "SlotsMade",
    "SparseSlot",
    "keys_in",
    "later",
    "listed",
    "never",
]


Key = str | int | list[str | int]


def keys_in(key: Key) -> list[str | int]:
    """The keys of a hole, of which it may have several."""
    return key if isinstance(key, list) else [key]


class NeedsValue(Exception):
    """The request hangs on the value of the hole ``key``, in a way that planning ahead does not cover."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key


def _looked_at(hole: Hole, *_: object) -> NoReturn:
    raise NeedsValue(hole.key)


class Hole:
    """A value that comes later, by the name of its parameter or the number of its literal.

    One with a list of keys is the list of their values.
    """

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key: Key = key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

    if TYPE_CHECKING:  # to which each of those below would be a method whose type it has to guess

        def __iter__(self) -> NoReturn: ...

    else:
        __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _looked_at
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __neg__ = _looked_at
        __len__ = __iter__ = __getitem__ = __contains__ = __int__ = __float__ = __index__ = _looked_at
        __hash__ = __str__ = __format__ = _looked_at

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what `copy`, `pickle` and the like ask whether it is there
            raise AttributeError(name)
        raise NeedsValue(self.key)


def listed(holes: Iterable[Any]) -> Hole:
    """The list of the values of some holes."""
    return Hole([hole.key for hole in holes])


class Slot(Hole):
    """A hole that has been checked for: ``fits`` says whether a value may be put in as it is.

    What does not fit is no error yet: it goes the long way, on which it is converted or refused.
    ``copied`` makes of a value that fits what is put in, where that is not the value itself.
    """

    __slots__ = ("copied", "fits")

    def __init__(
        self,
        hole: Hole,
        fits: Callable[[Any], bool],
        copied: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(hole.key)
        self.copied: Callable[[Any], Any] | None = copied
        self.check(fits)

    def check(self, fits: Callable[[Any], bool]) -> None:
        """From now on this is what a value has to pass."""
        self.fits: Callable[[Any], bool] = fits
        made = _made.get()
        if made is not None and fits is not never:
            made.append(self)


class SparseSlot(Slot):
    """The slot of a sparse vector."""

    __slots__ = ()


def later(hole: Hole, fits: Callable[[Any], bool], _: type[_Value]) -> _Value:
    """The slot of a checked value, which stands where the value itself is expected."""
    return cast("_Value", Slot(hole, fits))


_made: ContextVar[list[Slot] | None] = ContextVar("_made", default=None)


class SlotsMade:
    """The slots that are made inside a ``with``: each is a check that a value has to pass."""

    def __enter__(self) -> list[Slot]:
        found: list[Slot] = []
        self.token: Token[list[Slot] | None] = _made.set(found)
        return found

    def __exit__(self, *_: object) -> None:
        _made.reset(self.token)


def never(_: object) -> bool:
    """No value fits a place that nobody has looked at."""
    return False
