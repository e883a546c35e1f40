"""Mappings that are made of others by one key, without a copy: what a script's statements leave behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    _Value = TypeVar("_Value")

__all__ = ["Versioned", "versioned"]

_GONE: Any = object()


class Versioned(Mapping[str, "Any"]):
    """A mapping that cannot be changed. Those that were made of one another share one record of changes.

    A thousand statements that add an index each have a thousand of these, and together they take the room
    of one. To look something up takes as long as its own key has changed often.
    """

    __slots__ = ("_changes", "_latest", "_version")

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._changes: dict[str, list[tuple[int, Any]]] = {key: [(0, value)] for key, value in items.items()}
        self._latest = [0]  # shared, as the changes are
        self._version = 0

    def changed(self, key: str, value: Any) -> Versioned:
        """The same with another value for the key."""
        if self._version != self._latest[0]:  # another was made of this one: they part
            return Versioned({**self, key: value})
        made = object.__new__(Versioned)
        made._changes, made._latest, made._version = self._changes, self._latest, self._version + 1
        self._latest[0] = made._version
        self._changes.setdefault(key, []).append((made._version, value))
        return made

    def without(self, key: str) -> Versioned:
        """The same without the key."""
        return self.changed(key, _GONE) if key in self else self

    def __getitem__(self, key: str) -> Any:
        for version, value in reversed(self._changes.get(key, ())):
            if version <= self._version:
                if value is _GONE:
                    break
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (key for key in list(self._changes) if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for _ in self)


def versioned(items: Mapping[str, _Value]) -> Versioned:
    """The mapping as one that others can be made of."""
    return items if isinstance(items, Versioned) else Versioned(items)
