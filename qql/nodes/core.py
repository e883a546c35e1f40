"""The base of all nodes, and the values that stand everywhere in a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from qql.errors import OpenSpan, Span
from qql.late import Protocol, late_pattern
from qql.nodes.holes import Hole
from qql.nodes.roles import part
from qql.records import EQUAL, FIRST, FROZEN, MISSING, SHARED, field, filled, rules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any, ClassVar, Self, dataclass_transform

    from qql.records import Rule

    @dataclass_transform(frozen_default=True, field_specifiers=(field, part))
    class _Frozen:
        """What is below it is a frozen dataclass."""
else:
    _Frozen = type("_Frozen", (), {"__slots__": (), **SHARED, **FROZEN, **EQUAL})


__all__ = [
    "NOWHERE",
    "UUID_LENGTHS",
    "Composed",
    "Name",
    "Node",
    "NodeType",
    "Option",
    "Param",
    "Scalar",
    "Uuid",
    "is_uuid",
    "tree_of",
    "walk",
]

NOWHERE = Span(0, 0)
"""The span of what nobody wrote."""


class NodeType(type):
    """Makes a class with annotated fields a node: a frozen dataclass with slots, by what `Node` shares.

    What `dataclasses.dataclass` generates for 130 classes at import took half of the start of a command. A
    decorator would have to make each class a second time, for its slots. The class is a plain one, whose
    type is `type`: Python is quicker with those, and so each class of nodes has to name this.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        own = rules_of(body)
        for field_name in own:
            body.pop(field_name, None)
        rules = {**getattr(bases[0], "__rules__", {}), **own}
        by_place = tuple([one for one, rule in rules.items() if not rule.kw_only])
        body |= {"__rules__": rules, "__slots__": tuple(own), "__match_args__": by_place}
        return type.__new__(type, name, bases, body)


class Node(_Frozen, metaclass=NodeType):
    """Base of all nodes.

    A node cannot be changed, so trees, plans and caches may share it. ``span`` is where it was written;
    equality and hash leave it out, so trees can be compared whatever their spelling and layout.
    """

    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
        __match_args__: ClassVar[tuple[str, ...]]
        __rules__: ClassVar[Mapping[str, Rule]]
    else:

        def __init__(self, *args, **kwargs):
            # One of the first nodes of a class: then the class gets an `__init__` of its own.
            cls = type(self)
            if not _is_first(cls) or not filled(self, cls, True, args, kwargs):
                _complete(cls)
                cls.__init__(self, *args, **kwargs)

    def __init_subclass__(cls) -> None:
        if "__slots__" not in vars(cls):
            raise TypeError(f"{cls.__name__} is a node, and needs metaclass=NodeType for its fields")

    @classmethod
    def make(cls, *args: Any, **kwargs: Any) -> Self:
        """A node as ``cls(…)`` makes it, in half the time. (After some calls the class has its own.)"""
        made = object.__new__(cls)
        if _is_first(cls) and filled(made, cls, True, args, kwargs):
            return made
        _complete(cls)
        return cls.make(*args, **kwargs)

    @classmethod
    def at(cls, start: int, end: int, *args: Any) -> Self:
        """As `make`, for a node that stands at a place of the text: its span is made with it."""
        if _is_first(cls):
            return cls.make(*args, span=Span(start, end))
        _complete_at(cls)
        return cls.at(start, end, *args)

    def __repr__(self) -> str:
        try:
            shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        except RecursionError:  # trees may be deeper than the rest of the stack
            shown = "…"
        return f"{type(self).__qualname__}({shown})"


_FEW = 3
"""Fields up to this number are set through the slots' own setters, which write past `Node.__setattr__`."""


_MADE: dict[type[Node], int] = {}
"""How many nodes of a class were made before it got an `__init__` of its own."""


def _is_first(cls: type[Node]) -> bool:
    """Whether a node is one of the first of its class, for which no code is compiled."""
    count = _MADE[cls] = _MADE.get(cls, 0) + 1
    return count <= FIRST


def _complete(cls: type[Node]) -> None:
    """Gives a class ``__init__(self, <fields>, *, span=NOWHERE)`` and ``make`` with the same arguments.

    They write to a node while it is of another class, which has the same slots and lets them be written: a
    slot's setter takes as long as five such fields.
    """
    scope, arguments, body = _parts_of(cls)
    by_setters = [" set_span(self, span)"]
    for name in cls.__match_args__:
        scope[f"set_{name}"] = cls.__dict__[name].__set__
        by_setters.append(f" set_{name}(self, {name})")
    given = ", ".join([*arguments, "*", "span=NOWHERE"])
    init = by_setters if len(arguments) <= _FEW else [" set_class(self, '__class__', Open)", *body]
    source = [f"def __init__(self, {given}):", *init]
    source += [f"def make({given}):", " self = new(Open)", *body, " return self"]
    exec("\n".join(source), scope)
    for name, made in (("__init__", scope["__init__"]), ("make", staticmethod(scope["make"]))):
        scope[name].__qualname__ = f"{cls.__qualname__}.{name}"
        setattr(cls, name, made)


def _complete_at(cls: type[Node]) -> None:
    """Gives a class its own `Node.at`. (Few classes are made so often.)"""
    scope, arguments, body = _parts_of(cls)
    span = (" span = OpenSpan()", " span.start = since", " span.end = until", " span.__class__ = Span")
    source = [f"def at({', '.join(['since', 'until', *arguments])}):", *span]
    exec("\n".join([*source, " self = new(Open)", *body, " return self"]), scope)
    scope["at"].__qualname__ = f"{cls.__qualname__}.at"
    setattr(cls, "at", staticmethod(scope["at"]))  # noqa: B010 - a type checker takes it for a method


def _parts_of(cls: type[Node]) -> tuple[dict[str, Any], list[str], list[str]]:
    """What makes a node is made of: the names that it needs, its arguments, its lines."""
    written = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    scope: dict[str, Any] = {
        "NOWHERE": NOWHERE,
        "Node": cls,
        "Open": type(cls.__name__, cls.__bases__, {"__slots__": cls.__match_args__, **written}),
        "new": object.__new__,
        "OpenSpan": OpenSpan,
        "Span": Span,
        "set_class": object.__setattr__,
        "set_span": Node.__dict__["span"].__set__,
    }
    arguments, body = [], [" self.span = span"]
    for name in cls.__match_args__:
        body.append(f" self.{name} = {name}")
        default = cls.__rules__[name].default
        if default is MISSING:
            arguments.append(name)
        else:
            scope[f"default_{name}"] = default
            arguments.append(f"{name}=default_{name}")
    body.append(" self.__class__ = Node")
    return scope, arguments, body


class Param(Node, metaclass=NodeType):
    """``:name`` or ``?``. ``key`` is the name, or the position counted from 0.

    With ``optional`` (``:name OR DEFAULT``), null means that nothing is written at its place.
    """

    key: str | int
    optional: bool = False


class Name(Node, metaclass=NodeType):
    """``docs``, ``'my docs'``, ``IDENTIFIER(:name)``: the name of a collection, vector, field or stage."""

    text: str | Param


class Uuid(Node, metaclass=NodeType):
    """``UUID('doc-1')``: a stable UUIDv5 of a text, in the URL namespace."""

    text: Scalar


class Scalar(Node, metaclass=NodeType):
    """``'text'``, ``42``, ``0.5``, ``true``, ``null``, ``:name``: one value with its place."""

    value: str | int | float | bool | Param | Uuid | Hole | None


class Option(Node, metaclass=NodeType):
    """``rrf_k = 20``. ``value`` is a scalar, a list, a dict, or a tuple of options."""

    name: str
    value: Any


_UUID = late_pattern(
    r"(?:urn:uuid:)?(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})"
    r"|\{[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}",
    re.ASCII | re.IGNORECASE,
)


UUID_LENGTHS = frozenset({32, 36, 38, 41, 45})
"""Characters of a UUID in its forms: most texts are told from one by their length."""


def is_uuid(text: str) -> bool:
    """Whether Qdrant reads the text as a UUID: hyphenated, simple, in braces, or with ``urn:uuid:``."""
    return len(text) in UUID_LENGTHS and _UUID.fullmatch(text) is not None


class Composed(Protocol):
    """Something that stands for a tree: what `qql.build` makes."""

    @property
    def tree(self) -> Node:
        """The tree that it stands for."""


def tree_of(given: object) -> Any:
    """The tree that something stands for; everything else as it is."""
    return given if isinstance(given, (Node, str)) else getattr(given, "tree", given)


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
