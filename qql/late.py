"""What is made when it is first used: names of packages, regular expressions; and types without `typing`.

`Generic`, `Protocol`, `TypedDict`, `TypeVar`, `cast` and `overload` are those of `typing` to a type checker,
and next to nothing at run time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from re import compile as late_pattern
    from typing import Any, Generic, Protocol, TypedDict, TypeVar, cast, overload

__all__ = ["Generic", "Protocol", "TypeVar", "TypedDict", "cast", "late_names", "late_pattern", "overload"]


def late_names(package: str, home: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package, by the module of it that has each name."""

    def __getattr__(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import sys

        module = f"{package}.{home[name]}"
        __import__(module)  # not that of importlib, which -X importtime does not see
        value = getattr(sys.modules[module], name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


class _LatePattern:
    """A regular expression that is compiled when it is first used; from then on as fast as any other."""

    def __init__(self, text: str | bytes, flags: int = 0) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        import re

        value = getattr(re.compile(self._text, self._flags), name)
        self.__dict__[name] = value  # where it is found before this is asked
        return value


def _cast(_: object, value: Any) -> Any:
    return value


def _overload(function: Any) -> Any:
    return function


class _Anything:
    """What a class is below that says something to type checkers alone."""

    def __init_subclass__(cls, **_: object) -> None: ...


class _OfAnything:
    """What a class is below that works with values of a type."""

    def __class_getitem__(cls, _: object) -> type:
        return cls


def _type_variable(name: str, **_: object) -> str:
    return name


if not TYPE_CHECKING:
    late_pattern, cast, Protocol, TypedDict = _LatePattern, _cast, _Anything, _Anything
    Generic, TypeVar, overload = _OfAnything, _type_variable, _overload
