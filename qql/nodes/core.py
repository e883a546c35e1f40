"""The base of all nodes, and the values that stand everywhere in a tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter

from qql.errors import Span
from qql.late import late_pattern
from qql.nodes.holes import Hole
from qql.nodes.roles import part
from qql.records import FIRST, MISSING, Rule, field, library_fields, refuse_to_delete, refuse_to_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any, ClassVar, Self, dataclass_transform

    @dataclass_transform(frozen_default=True, field_specifiers=(field, part))
    class _Frozen:
        """What is below it is a frozen dataclass."""
else:
    _Frozen = object


__all__ = [
    "NOWHERE",
    "UUID_LENGTHS",
    "Name",
    "Node",
    "NodeType",
    "Option",
    "Param",
    "Scalar",
    "Uuid",
    "is_uuid",
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
        hints = body.get("__annotations__", {})
        names = tuple(name for name, hint in hints.items() if not hint.startswith("ClassVar"))
        body["field_defaults"] = {name: body.pop(name) for name in names if name in body}
        body["__slots__"] = names
        body["__match_args__"] = tuple(name for name in names if name != "span")
        return type.__new__(type, name, bases, body)


class _Fields:
    """``__dataclass_fields__`` of a class, made when `dataclasses.fields` or `replace` first asks for it."""

    def __get__(self, _: object, owner: type[Node]) -> dict[str, Field[Any]]:
        hints = {"span": Span, **{name: owner.__annotations__[name] for name in owner.__match_args__}}
        values = {"span": Node.field_defaults["span"], **owner.field_defaults}
        given = {name: values.get(name, MISSING) for name in hints}
        rules = {name: one if isinstance(one, Rule) else Rule(default=one) for name, one in given.items()}
        owner.__dataclass_fields__ = found = library_fields(owner, hints, rules)
        return found


class Node(_Frozen, metaclass=NodeType):
    """Base of all nodes.

    A node cannot be changed, so trees, plans and caches may share it. ``span`` is where it was written;
    equality and hash leave it out, so trees can be compared whatever their spelling and layout.
    """

    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
        __match_args__: ClassVar[tuple[str, ...]]
        field_defaults: ClassVar[Mapping[str, Any]]
    else:
        __dataclass_fields__ = _Fields()

        def __init__(self, *args, **kwargs):
            # One of the first nodes of a class: then the class gets an `__init__` of its own.
            cls = type(self)
            if not _filled(self, cls, args, kwargs):
                _complete(cls)
                cls.__init__(self, *args, **kwargs)

    __setattr__ = refuse_to_set
    __delattr__ = refuse_to_delete

    def __init_subclass__(cls) -> None:
        if "__slots__" not in vars(cls):
            raise TypeError(f"{cls.__name__} is a node, and needs metaclass=NodeType for its fields")

    @classmethod
    def make(cls, *args: Any, **kwargs: Any) -> Self:
        """A node as ``cls(…)`` makes it, in half the time. (After some calls the class has its own.)"""
        made = object.__new__(cls)
        if _filled(made, cls, args, kwargs):
            return made
        _complete(cls)
        return cls.make(*args, **kwargs)

    @classmethod
    def __field_names__(cls) -> tuple[str, ...]:
        return ("span", *cls.__match_args__)

    def __replace__(self, /, **changes: Any) -> Any:
        for name in self.__field_names__():
            if name not in changes:
                changes[name] = getattr(self, name)
        return type(self)(**changes)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        values = _values_of(type(self))
        return bool(values(self) == values(other))

    def __hash__(self) -> int:
        return hash(_values_of(type(self))(self))

    def __repr__(self) -> str:
        try:
            shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        except RecursionError:  # trees may be deeper than the rest of the stack
            shown = "…"
        return f"{type(self).__qualname__}({shown})"

    def __getstate__(self) -> tuple[object, ...]:
        return (self.span, *(getattr(self, name) for name in self.__match_args__))

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for name, value in zip(("span", *self.__match_args__), state, strict=True):
            object.__setattr__(self, name, value)


_VALUES: dict[type[Node], Callable[[object], object]] = {}


def _values_of(cls: type[Node]) -> Callable[[object], object]:
    """What reads the values by which two nodes of a class are compared."""
    read = _VALUES.get(cls)
    if read is None:
        names = cls.__match_args__
        read = _VALUES[cls] = attrgetter(*names) if names else lambda _: ()
    return read


_FEW = 3
"""Fields up to this number are set through the slots' own setters, which write past `Node.__setattr__`."""


_MADE: dict[type[Node], int] = {}
"""How many nodes of a class were made before it got an `__init__` of its own."""


def _filled(made: Node, cls: type[Node], args: tuple[Any, ...], given: dict[str, Any]) -> bool:
    """Does what `_complete` makes an ``__init__`` for; False for a wrong call, and after `FIRST` nodes."""
    count = _MADE[cls] = _MADE.get(cls, 0) + 1
    names = cls.__match_args__
    values = dict(zip(names, args, strict=False))
    if count > FIRST or len(values) < len(args) or not values.keys().isdisjoint(given):
        return False
    values |= given
    fields = {"span": values.pop("span", NOWHERE)}
    for name in names:
        default = cls.field_defaults.get(name, MISSING)
        fields[name] = values.pop(name, default.default if isinstance(default, Rule) else default)
    if values or any(value is MISSING for value in fields.values()):  # a `Hole` cannot be compared
        return False
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return True


def _complete(cls: type[Node]) -> None:
    """Gives a class ``__init__(self, <fields>, *, span=NOWHERE)`` and ``make`` with the same arguments.

    They write to a node while it is of another class, which has the same slots and lets them be written: a
    slot's setter takes as long as five such fields.
    """
    written = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    scope: dict[str, Any] = {
        "NOWHERE": NOWHERE,
        "Node": cls,
        "Open": type(cls.__name__, cls.__bases__, {"__slots__": cls.__match_args__, **written}),
        "new": object.__new__,
        "set_class": object.__setattr__,
        "set_span": Node.__dict__["span"].__set__,
    }
    arguments, body, by_setters = [], [" self.span = span"], [" set_span(self, span)"]
    for name in cls.__match_args__:
        scope[f"set_{name}"] = cls.__dict__[name].__set__
        body.append(f" self.{name} = {name}")
        by_setters.append(f" set_{name}(self, {name})")
        default = cls.field_defaults.get(name, MISSING)
        if isinstance(default, Rule):
            default = default.default
        if default is MISSING:
            arguments.append(name)
        else:
            scope[f"default_{name}"] = default
            arguments.append(f"{name}=default_{name}")
    body.append(" self.__class__ = Node")
    given = ", ".join([*arguments, "*", "span=NOWHERE"])
    init = by_setters if len(arguments) <= _FEW else [" set_class(self, '__class__', Open)", *body]
    source = [f"def __init__(self, {given}):", *init]
    source += [f"def make({given}):", " self = new(Open)", *body, " return self"]
    exec("\n".join(source), scope)
    for name, made in (("__init__", scope["__init__"]), ("make", staticmethod(scope["make"]))):
        scope[name].__qualname__ = f"{cls.__qualname__}.{name}"
        setattr(cls, name, made)


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
