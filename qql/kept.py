"""Caches of bounded size, for many threads."""

from __future__ import annotations

from _thread import allocate_lock  # `threading.Lock`; what stands around it there takes long to import
from collections.abc import Hashable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic, TypeVar

    _Key = TypeVar("_Key", bound=Hashable)
    _Value = TypeVar("_Value")

    class _ByKey(Generic[_Key, _Value]): ...

else:

    class _ByKey:
        __class_getitem__ = classmethod(lambda cls, _: cls)

    _Key = _Value = None

__all__ = ["Kept", "Noted"]


class Kept(_ByKey[_Key, _Value]):
    """Values by key, at most ``most``: where one too many comes, the oldest goes.

    To look something up takes no lock: a dict is read and written as a whole.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = allocate_lock()
        self._values: dict[_Key, _Value] = {}
        self.get: Callable[[_Key], _Value | None] = self._values.get

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: _Key, value: _Value) -> None:
        with self._lock:
            if len(self._values) >= self._most and key not in self._values:
                del self._values[next(iter(self._values))]
            self._values[key] = value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


class Noted:
    """A set of bounded size: where one too many comes, all go that were noted before."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._noted: set[Hashable] = set()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._noted

    def add(self, key: Hashable) -> None:
        if len(self._noted) >= self._most:
            self._noted.clear()
        self._noted.add(key)

    def clear(self) -> None:
        self._noted.clear()
