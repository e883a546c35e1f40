"""A cache of bounded size, for many threads."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar

    _Key = TypeVar("_Key", bound=Hashable)
    _Value = TypeVar("_Value")

    class _ByKey(Generic[_Key, _Value]): ...

else:

    class _ByKey:
        __class_getitem__ = classmethod(lambda cls, _: cls)

    _Key = _Value = None

__all__ = ["Kept"]


class Kept(_ByKey[_Key, _Value]):
    """Values by key, at most ``most``: where one too many comes, the older half goes.

    To look something up takes no lock: a dict is read and written as a whole.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._values: dict[_Key, _Value] = {}
        self.get = self._values.get

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: _Key, value: _Value) -> None:
        with self._lock:
            if len(self._values) >= self._most and key not in self._values:
                for old in list(islice(self._values, self._most // 2 + 1)):
                    del self._values[old]
            self._values[key] = value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
