"""The base of all nodes, and the values that stand everywhere in a tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from qql.errors import Span
from qql.nodes.roles import part

__all__ = [
    "NOWHERE",
    "Name",
    "Node",
    "Option",
    "Param",
    "Scalar",
    "Uuid",
    "is_uuid",
    "node",
    "walk",
]

NOWHERE = Span(0, 0)
"""The span of what nobody wrote."""
_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field, part))
def node(cls: type[_Class]) -> type[_Class]:
    """Makes a class with annotated fields a node.

    It is a frozen dataclass with slots whose ``__init__`` is made when the class is first used, and whose
    other methods are `Node`'s: what dataclasses generate for 130 classes took half of a command's start.
    """
    return dataclass(init=False, repr=False, eq=False, slots=True)(cls)


@node
class Node:
    """Base of all nodes.

    A node cannot be changed, so trees, plans and caches may share it. ``span`` is where it was written;
    equality and hash leave it out, so trees can be compared whatever their spelling and layout.
    """

    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)

    if TYPE_CHECKING:
        __match_args__: ClassVar[tuple[str, ...]]
    else:

        def __init__(self, *args, **kwargs):
            # The first node of a class: from now on the class has an `__init__` of its own.
            cls = type(self)
            cls.__init__ = _init_of(cls)
            cls.__init__(self, *args, **kwargs)

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        values = _values_of(type(self))
        return bool(values(self) == values(other))

    def __hash__(self) -> int:
        return hash(_values_of(type(self))(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({shown})"

    def __getstate__(self) -> tuple[object, ...]:
        return tuple(getattr(self, one.name) for one in fields(self))

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for one, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, one.name, value)


_VALUES: dict[type[Node], Callable[[object], object]] = {}


def _values_of(cls: type[Node]) -> Callable[[object], object]:
    """What reads the values by which two nodes of a class are compared."""
    read = _VALUES.get(cls)
    if read is None:
        names = cls.__match_args__
        read = _VALUES[cls] = attrgetter(*names) if names else lambda _: ()
    return read


def _init_of(cls: type[Node]) -> Callable[..., None]:
    """``__init__(self, <fields>, *, span=NOWHERE)``. The slots' own setters write past `Node.__setattr__`."""
    scope: dict[str, object] = {}
    arguments, body = ["self"], []
    for one in sorted(fields(cls), key=lambda one: one.kw_only is True):
        scope[f"set_{one.name}"] = getattr(cls, one.name).__set__
        body.append(f" set_{one.name}(self, {one.name})")
        if one.kw_only:
            arguments.append("*")
        if one.default is MISSING:
            arguments.append(one.name)
        else:
            scope[f"default_{one.name}"] = one.default
            arguments.append(f"{one.name}=default_{one.name}")
    exec("\n".join([f"def __init__({', '.join(arguments)}):", *body]), scope)
    made: Any = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made  # type: ignore[no-any-return]


@node
class Param(Node):
    """``:name`` or ``?``. ``key`` is the name, or the position counted from 0."""

    key: str | int


@node
class Name(Node):
    """``docs``, ``'my docs'``, ``IDENTIFIER(:name)``: the name of a collection, vector, field or stage."""

    text: str | Param


@node
class Uuid(Node):
    """``UUID('doc-1')``: a stable UUIDv5 of a text, in the URL namespace."""

    text: Scalar


@node
class Scalar(Node):
    """``'text'``, ``42``, ``0.5``, ``true``, ``null``, ``:name``: one value with its place."""

    value: str | int | float | bool | Param | Uuid | None


@node
class Option(Node):
    """``rrf_k = 20``. ``value`` is a scalar, a list, a dict, or a tuple of options."""

    name: str
    value: Any


_UUID = re.compile(
    r"(?:urn:uuid:)?(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})"
    r"|\{[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}",
    re.ASCII | re.IGNORECASE,
)


def is_uuid(text: str) -> bool:
    """Whether Qdrant reads the text as a UUID: hyphenated, simple, in braces, or with ``urn:uuid:``."""
    return _UUID.fullmatch(text) is not None


def walk(value: object) -> Iterator[Node]:
    """Every node below a node, tuple, list or dict, the node itself first; depth is not limited."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, Node):
            yield item
            todo.extend(getattr(item, name) for name in reversed(item.__match_args__))
        elif isinstance(item, (tuple, list)):
            todo.extend(reversed(item))
        elif isinstance(item, dict):
            todo.extend(item.values())
