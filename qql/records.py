"""Data classes and named tuples that cost next to nothing until one is made.

`dataclasses` and `typing.NamedTuple` write and compile methods for each class at import, and import much for
that: it was half of the start of a command. Here classes share methods, and a class gets its ``__init__`` or
``__new__`` behind its first objects. A type checker takes them for those of the library, and in all that is
used here they are (but that `fields` gives names alone): `dataclasses.asdict` and the like take them too.
"""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from operator import attrgetter, itemgetter
from reprlib import recursive_repr

TYPE_CHECKING = False  # as that of `typing`, whose import is spared
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from dataclasses import Field, dataclass, field, fields, replace
    from typing import Any, ClassVar, NamedTuple

    _AnyTuple = tuple[Any, ...]
else:
    _AnyTuple = tuple

__all__ = [
    "EQUAL",
    "FIRST",
    "FROZEN",
    "MISSING",
    "SHARED",
    "NamedTuple",
    "Rule",
    "dataclass",
    "field",
    "fields",
    "filled",
    "replace",
    "rules_of",
]

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "MISSING"})()
"""The default of a field that has none."""


class Rule:
    """What `field` says of a field."""

    __slots__ = ("compare", "default", "default_factory", "hash", "init", "kw_only", "metadata", "repr")

    def __init__(
        self,
        *,
        default: Any = MISSING,
        default_factory: Any = MISSING,
        init: bool = True,
        repr: bool = True,
        hash: bool | None = None,
        compare: bool = True,
        kw_only: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.default: Any = default
        self.default_factory: Any = default_factory
        self.metadata: Mapping[str, Any] = metadata or {}
        self.init: bool = init
        self.repr: bool = repr
        self.compare: bool = compare
        self.kw_only: bool = kw_only
        self.hash: bool = compare if hash is None else hash


def _dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True, repr: bool = True) -> Any:
    def made(cls: type) -> Any:
        body = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__")}
        own = rules_of(body)
        rules: dict[str, Rule] = {**getattr(cls, "__rules__", {}), **own}
        for name, rule in own.items():
            body.pop(name, None)
            if rule.default is not MISSING and not slots:
                body[name] = rule.default
        by_place = tuple(name for name, rule in rules.items() if rule.init and not rule.kw_only)
        shared = {**SHARED, "__rules__": rules, "__match_args__": by_place}
        shared |= FROZEN if frozen else {}
        shared |= {"__slots__": tuple(own)} if slots else {}
        shared |= {"__repr__": _repr} if repr else {}
        if eq:
            shared |= EQUAL if frozen else {**EQUAL, "__hash__": None}
            if body.get("__hash__", MISSING) is None:  # put there by Python, because of an `__eq__`
                del body["__hash__"]
        made: Any = type(cls)(cls.__name__, cls.__bases__, {**shared, **body})
        made.__qualname__ = cls.__qualname__
        if "__init__" not in body:
            made.__init__ = _late_init(made, rules, frozen)
        return made

    return made


def rules_of(body: Mapping[str, Any]) -> dict[str, Rule]:
    """The fields that the body of a class annotates."""
    found = {}
    for name, hint in body.get("__annotations__", {}).items():
        if not hint.startswith("ClassVar"):
            given = body.get(name, MISSING)
            found[name] = given if type(given) is Rule else Rule(default=given)
    return found


FIRST = 30
"""Objects of a class that are made without code of its own: compiling it takes as long as thirty of them."""


def _late_init(cls: Any, rules: Mapping[str, Rule], frozen: bool) -> Callable[..., None]:
    """An ``__init__`` that puts one as fast as can be in its place, when some objects have been made."""
    turns = iter(range(FIRST))

    def __init__(self: object, *args: Any, **given: Any) -> None:
        if next(turns, None) is None or not filled(self, cls, frozen, args, given):
            own = cls.__init__ = _init_of(cls, rules, frozen)
            own(self, *args, **given)

    return __init__


def filled(made: Any, cls: Any, frozen: bool, args: tuple[Any, ...], given: dict[str, Any]) -> bool:
    """Does what `_init_of` makes an ``__init__`` for; False for a wrong call, of which that knows more."""
    values = dict(zip(cls.__match_args__, args, strict=False))
    if len(values) < len(args) or not values.keys().isdisjoint(given):
        return False
    values |= given
    fields = {}
    for name, rule in cls.__rules__.items():
        if rule.init and name in values:
            fields[name] = values.pop(name)
        elif rule.default is not MISSING:
            fields[name] = rule.default
        elif rule.default_factory is not MISSING:
            fields[name] = rule.default_factory()
        else:
            return False
    if values:
        return False
    put = object.__setattr__ if frozen else setattr
    for name, value in fields.items():
        put(made, name, value)
    if hasattr(cls, "__post_init__"):
        made.__post_init__()
    return True


_FEW = 3
"""Fields up to this number are set by the slots' own setters, which write past `_refuse_to_set`."""


def _init_of(cls: Any, rules: Mapping[str, Rule], frozen: bool) -> Callable[..., None]:
    """``__init__(self, <fields>)``.

    Many fields are set while the object is of another class, which has the same slots and lets them be
    written: a slot's setter takes as long as several such fields.
    """
    scope: dict[str, Any] = {"MISSING": MISSING, "put": object.__setattr__}
    by_place, by_name, body = ["self"], list[str](), list[str]()
    twin = frozen and cls.__bases__ == (object,) and len(getattr(cls, "__slots__", ())) > _FEW
    if twin:
        scope["Made"] = cls
        scope["Open"] = type(cls.__name__, (), {"__slots__": cls.__slots__})
        body.append(" put(self, '__class__', Open)")
    for name, rule in rules.items():
        value = name
        if rule.default is not MISSING:
            scope[value := f"default_{name}"] = rule.default
        elif rule.default_factory is not MISSING:
            scope[f"make_{name}"] = rule.default_factory
            value = f"make_{name}()" + (f" if {name} is MISSING else {name}" if rule.init else "")
        if rule.init:
            has_factory = rule.default_factory is not MISSING
            default = "=MISSING" if has_factory else f"={value}" if value != name else ""
            (by_name if rule.kw_only else by_place).append(name + default)
            value = value if has_factory else name
        if not frozen or twin:
            body.append(f" self.{name} = {value}")
        elif name in getattr(cls, "__slots__", ()):
            scope[f"set_{name}"] = vars(cls)[name].__set__
            body.append(f" set_{name}(self, {value})")
        else:
            body.append(f" put(self, {name!r}, {value})")
    body += [" self.__class__ = Made"] if twin else []
    body += [" self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    exec(
        f"def __init__({', '.join(by_place + ['*', *by_name] * bool(by_name))}):\n"
        + "\n".join(body or [" pass"]),
        scope,
    )
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


class _LibraryFields:
    """``__dataclass_fields__`` of a class, made when the library first asks for them."""

    def __get__(self, _: object, owner: Any) -> dict[str, Field[Any]]:
        hints: dict[str, str] = {}
        for base in reversed(owner.__mro__):
            hints |= vars(base).get("__annotations__", {})
        owner.__dataclass_fields__ = found = _library_fields(owner, hints, owner.__rules__)
        return found


def _library_fields(
    cls: type, hints: Mapping[str, object], rules: Mapping[str, Rule]
) -> dict[str, Field[Any]]:
    """The fields of a class as `dataclasses` knows them."""
    import dataclasses

    body: dict[str, Any] = {
        "__annotations__": {name: hints[name] for name in rules},
        "__module__": cls.__module__,
    }
    for name, rule in rules.items():
        said = {flag: getattr(rule, flag) for flag in Rule.__slots__}
        given: dict[str, Any] = {flag: value for flag, value in said.items() if value is not MISSING}
        body[name] = dataclasses.field(**given)
    plain: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(type(cls.__name__, (), body))
    found: dict[str, Field[Any]] = plain.__dataclass_fields__
    return found


_READERS: dict[tuple[type, str], Callable[[object], object]] = {}


def _values_of(made: Any, flag: str) -> object:
    """The values of the fields that ``compare``, or that ``hash``."""
    cls = type(made)
    read = _READERS.get((cls, flag))
    if read is None:
        names = [name for name, rule in cls.__rules__.items() if getattr(rule, flag)]
        one = attrgetter(*names) if names else None
        read = one if one and len(names) > 1 else lambda of: (one(of),) if one else ()
        _READERS[cls, flag] = read
    return read(made)


def _eq(self: object, other: object) -> object:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values_of(self, "compare") == _values_of(other, "compare")


def _hash(self: object) -> int:
    return hash(_values_of(self, "hash"))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, rule in self.__rules__.items() if rule.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: object, name: str, value: object) -> None:
    """The ``__setattr__`` of what cannot be changed."""
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> None:
    """The ``__delattr__`` of what cannot be changed."""
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _changed(self: Any, /, **changes: Any) -> Any:
    for name, rule in self.__rules__.items():
        if rule.init and name not in changes:
            changes[name] = getattr(self, name)
    return type(self)(**changes)


def _state(self: Any) -> list[object]:
    return [getattr(self, name) for name in self.__rules__]


def _set_state(self: Any, state: Iterable[object]) -> None:
    for name, value in zip(self.__rules__, state, strict=True):
        object.__setattr__(self, name, value)


class _Named:
    """What `fields` says of a field: its name, and no more."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


@cache
def _named_fields(cls: Any) -> tuple[_Named, ...]:
    return tuple(map(_Named, cls.__field_names__()))


def _fields(made: Any) -> tuple[_Named, ...]:
    return _named_fields(made if isinstance(made, type) else type(made))


def _field_names(cls: Any) -> Iterable[str]:
    return (*cls.__rules__,)


def _replace(made: Any, /, **changes: Any) -> Any:
    return made.__replace__(**changes)


SHARED: dict[str, Any] = {
    "__field_names__": classmethod(_field_names),
    "__dataclass_fields__": _LibraryFields(),
    "__replace__": _changed,
    "__getstate__": _state,
    "__setstate__": _set_state,
}
"""What all data classes have of one another."""
FROZEN: dict[str, Any] = {
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
}
"""What those have beside it that cannot be changed."""
EQUAL: dict[str, Any] = {"__eq__": _eq, "__hash__": _hash}
"""What those have that are compared by their fields."""


_Places = namedtuple("_Places", "a b c d e f g h i j k l")
_GETTERS = tuple(vars(_Places)[name] for name in _Places._fields)
"""What reads the first places of any tuple, twice as fast as a property does."""


class _NamedTuples(type):
    """Makes a class with annotated fields a named tuple."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        names = tuple(body.get("__annotations__", ()))
        defaults = {field: body.pop(field) for field in names if field in body}
        getters = [*_GETTERS, *(property(itemgetter(place)) for place in range(len(_GETTERS), len(names)))]
        body |= {"__slots__": (), "__match_args__": names, "_fields": names, "_field_defaults": defaults}
        made: Any = super().__new__(cls, name, bases, {**body, **dict(zip(names, getters, strict=False))})
        if names:
            made.__new__ = _late_new(made)
        return made


def _late_new(made: Any) -> Callable[..., Any]:
    """A ``__new__`` that puts one as fast as can be in its place, when some tuples have been made."""
    turns = iter(range(FIRST))
    names = made._fields

    def __new__(cls: type, *args: Any, **given: Any) -> Any:
        others = names[len(args) :]
        values = made._field_defaults | given
        fits = len(args) <= len(names) and given.keys() <= {*others} <= values.keys()
        if fits and next(turns, None) is not None:
            return tuple.__new__(cls, (*args, *map(values.get, others)))
        own = made.__new__ = _new_of(made)
        return own(cls, *args, **given)

    return __new__


def _new_of(made: Any) -> Callable[..., Any]:
    defaults = made._field_defaults
    scope: dict[str, Any] = {
        "new": tuple.__new__,
        **{f"default_{name}": value for name, value in defaults.items()},
    }
    arguments = [f"{name}=default_{name}" if name in defaults else name for name in made._fields]
    exec(f"def __new__(cls, {', '.join(arguments)}): return new(cls, ({', '.join(made._fields)},))", scope)
    made_new: Callable[..., Any] = scope["__new__"]
    return made_new


class _NamedTuple(_AnyTuple, metaclass=_NamedTuples):
    """A named tuple, as `typing.NamedTuple` makes it."""

    if TYPE_CHECKING:
        _fields: ClassVar[tuple[str, ...]]

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, /, **changes: Any) -> Any:
        return type(self)(**{**self._asdict(), **changes})

    __replace__ = _replace

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({shown})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


if not TYPE_CHECKING:
    dataclass, field, fields, replace = _dataclass, Rule, _fields, _replace
    NamedTuple = _NamedTuple
