"""Python values as what nodes hold. An error says which argument of which call is at fault."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qql import nodes
from qql.build.built import Built
from qql.compiler.bind import Binder
from qql.errors import Diagnostic, QQLPlanError, shown
from qql.late import late_pattern
from qql.records import replace
from qql.syntax.lexer import MAX_NESTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = [
    "data",
    "expression",
    "flag",
    "listed",
    "name",
    "names",
    "options",
    "param",
    "scalar",
    "scalars",
    "several",
    "uuid",
    "word",
    "wrong",
]


def wrong(at: str, message: str, hint: str | None = None) -> NoReturn:
    """Raises `QQLPlanError` (``wrong-argument``); ``at`` names the argument: ``scroll(limit=…)``."""
    raise QQLPlanError(Diagnostic("wrong-argument", f"{at}: {message}", hint=hint))


def kind_of(given: object) -> str:
    """What something is, for messages."""
    if given is None or isinstance(given, (bool, int, float, str)):
        return shown(given)
    name = type(given).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


# ------------------------------------------------------------------------------------ parameters, ids


_KEY = late_pattern(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)


def param(key: str, *, or_default: bool = False) -> nodes.Param:
    """``:key``, a place for a value that comes later; with ``or_default``, None there is as if nothing were
    written (``LIMIT :k OR DEFAULT``). Raises `QQLPlanError`.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        wrong("param(key)", f"a parameter is called by letters, digits, _ and dots, not {kind_of(key)}")
    return nodes.Param(key, or_default)


def uuid(text: str | nodes.Param) -> nodes.Uuid:
    """``UUID('doc-1')``: the id that is made of a text, the same every time. Raises `QQLPlanError`."""
    if not isinstance(text, (str, nodes.Param)):
        wrong("uuid(text)", f"takes a text, not {kind_of(text)}")
    return nodes.Uuid(scalar(text, "uuid(text)"))


# ------------------------------------------------------------------------------------ values

_PLACES = (nodes.Param, nodes.Uuid)  # what may stand for a value in a tree


def _plain(value: object, at: str) -> Any:
    """A value as JSON data, as that of a parameter is. Raises `QQLPlanError`."""
    try:
        return Binder({"_": value}).value(nodes.Param("_"))
    except QQLPlanError as exc:
        found = exc.diagnostic
        message = re.sub(r"^:_(\S*?): ", r"\1: ", found.message)
        joint = "" if message.startswith(("[", ".")) else ": "
        message = f"{at}{joint}{message.removeprefix(': ')}"
        raise QQLPlanError(replace(found, message=message, span=None)) from None


_NUMBERS = frozenset({int, float})
_PLACE = 60  # characters of where the fault is, that are shown of a value without an end


def data(value: object, at: str, level: int = 0) -> Any:
    """JSON data, a copy, in which parameters and UUID(…) may stand. Raises `QQLPlanError`."""
    if isinstance(value, _PLACES):
        return value
    if isinstance(value, nodes.Scalar):
        return value.value
    if isinstance(value, (Built, nodes.Node)):
        wrong(at, f"takes a value, not {kind_of(value)}", "a field stands on the left: field('a') == 1")
    if level > MAX_NESTING:
        message = f"{at[:_PLACE]}…: values nest deeper than {MAX_NESTING} levels"
        raise QQLPlanError(Diagnostic("too-deep", message))
    if isinstance(value, Mapping):
        return {_plain_key(key, at): data(item, f"{at}.{key}", level + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not {*map(type, value)} <= _NUMBERS:
        return [data(item, f"{at}[{place}]", level + 1) for place, item in enumerate(value)]
    return _plain(value, at)


def _plain_key(key: object, at: str) -> str:
    if not isinstance(key, str):
        wrong(at, f"the keys of an object are texts, not {kind_of(key)}")
    return str(_plain(key, at))


def scalar(value: object, at: str) -> nodes.Scalar:
    """One value: a text, a number, a date, true or false, None, a parameter. Raises `QQLPlanError`."""
    if isinstance(value, nodes.Scalar):
        return value
    found = data(value, at)
    if isinstance(found, (list, dict)):
        hint = "a list of values to choose from is any_of([…])" if isinstance(found, list) else None
        wrong(at, f"takes one value, not {kind_of(value)}", hint)
    return nodes.Scalar(found)


def several(values: object, at: str) -> list[Any]:
    """The items of a list, or of anything else that is walked through, except for a text or an object."""
    if isinstance(values, (str, bytes, Mapping, Built, nodes.Node)) or not hasattr(values, "__iter__"):
        wrong(at, f"takes a list, not {kind_of(values)}")
    found = _plain(values, at) if hasattr(values, "tolist") else sorted_set(values)
    return list(found)


def sorted_set(values: Any) -> Any:
    """A set in an order that is the same every time; everything else as it is."""
    if not isinstance(values, (set, frozenset)):
        return values
    return sorted(values, key=lambda item: (type(item).__name__, repr(item)))


def scalars(values: object, at: str) -> tuple[nodes.Scalar, ...]:
    """A list of single values. Raises `QQLPlanError`."""
    return tuple(scalar(one, f"{at}[{place}]") for place, one in enumerate(several(values, at)))


def listed(values: object, at: str) -> tuple[nodes.Scalar, ...] | nodes.Param:
    """A list of single values, or the parameter that is one."""
    return values if isinstance(values, nodes.Param) else scalars(values, at)


def flag(value: object, at: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        wrong(at, f"takes True or False, not {kind_of(value)}")
    return value


def word(value: object, at: str) -> str | nodes.Param:
    """A word of the language, or the parameter that says it."""
    if not isinstance(value, (str, nodes.Param)):
        wrong(at, f"takes a word, not {kind_of(value)}")
    return value


# ------------------------------------------------------------------------------------ names and options


def name(given: object, at: str) -> nodes.Name:
    """The name of a collection, vector, field or stage; with a parameter, ``IDENTIFIER(:key)``."""
    given = nodes.tree_of(given)
    if isinstance(given, nodes.Name):
        return given
    if isinstance(given, nodes.Param):
        return nodes.Name(given)
    if not isinstance(given, str):
        wrong(at, f"takes a name, not {kind_of(given)}")
    return nodes.Name(str(_plain(given, at)))


def names(given: object, at: str) -> tuple[nodes.Name, ...]:
    """Several names; a single one may stand alone."""
    if isinstance(given, (str, Built, nodes.Node)):
        return (name(given, at),)
    return tuple(name(one, f"{at}[{place}]") for place, one in enumerate(several(given, at)))


def options(given: object, at: str) -> tuple[nodes.Option, ...]:
    """Options by name, ``{"hnsw_ef": 128}``; a value may be a condition, or a tuple of options."""
    if isinstance(given, tuple) and all(isinstance(one, nodes.Option) for one in given):
        return given
    if not isinstance(given, Mapping):
        wrong(at, f"takes options by name, {{'name': value}}, not {kind_of(given)}")
    return tuple(
        nodes.Option(_plain_key(key, at), _option_value(value, f"{at}[{key!r}]"))
        for key, value in given.items()
    )


def _option_value(value: object, at: str) -> Any:
    tree = nodes.tree_of(value)
    if isinstance(tree, nodes.Condition):
        return tree
    if isinstance(value, tuple) and value and all(isinstance(one, nodes.Option) for one in value):
        return value
    return data(value, at)


# ------------------------------------------------------------------------------------ expressions


def expression(given: object, at: str) -> nodes.Expression:
    """A part of a formula: a field, a number, a date, what the functions of formulas give."""
    tree = nodes.tree_of(given)
    if isinstance(tree, nodes.Expression):
        return tree
    if isinstance(tree, _PLACES):
        return nodes.Scalar(tree)
    if isinstance(tree, nodes.Condition):
        wrong(at, "takes a number, not a condition", "truth(condition) is 1 where it holds, and 0 elsewhere")
    found = data(tree, at)
    if isinstance(found, str) and not isinstance(given, str):  # a date of Python's
        return nodes.Datetime(nodes.Scalar(found))
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        hint = "field('price') is the value of a field, score() that of the stage before"
        wrong(at, f"takes a number or a field, not {kind_of(given)}", hint)
    return nodes.Scalar(found)
