"""Clauses, and a node of the Python values that a call gives for its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from qql import nodes
from qql.build import values
from qql.build.conditions import condition
from qql.late import TypedDict
from qql.records import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeVar

    from qql.build.conditions import Condition
    from qql.build.fields import Field, Operand, Value, Words

    Name = str | Field | nodes.Param
    Names = Iterable[Name]
    Selected = bool | Names | nodes.Selection | nodes.Param
    Keys = Value | Iterable[Value] | nodes.Shard
    Options = Mapping[str, Any]
    Direction = str | Field | nodes.OrderBy
    _Node = TypeVar("_Node", bound=nodes.Node)

__all__ = [
    "QueryClauses",
    "changed",
    "exclude",
    "group",
    "group_lookup",
    "include",
    "lookup",
    "made",
    "rerank",
    "shard",
    "using",
]


class QueryClauses(TypedDict, total=False):
    """The clauses of a query, by the names of the fields of `nodes.Query`. None is as if it were left out.

    ``source`` is the collection (FROM). ``using`` is the name of a vector, or `using`. ``params`` are the
    options of PARAMS. ``payload`` and ``vectors`` are True, False, names, `exclude`, or a parameter.
    ``group`` is a field, or `group`. ``formula`` is an expression, ``rerank`` is True or `rerank`.
    """

    source: Name | None
    using: Name | nodes.Using | None
    where: Condition | None
    formula: Operand | nodes.Formula | None
    rerank: nodes.Rerank | Literal[True] | None
    threshold: Value
    params: Options | None
    group: Name | nodes.Group | None
    payload: Selected | None
    vectors: Selected | None
    provenance: bool | None
    lookup: Name | nodes.Lookup | None
    shard: Keys | None
    limit: Value
    offset: Value
    ignore_missing: bool | None


# ------------------------------------------------------------------------------------ their nodes


def using(name: Name, kind: Literal["dense", "sparse", "multi"] | None = None) -> nodes.Using:
    """``USING name AS DENSE|SPARSE|MULTI``."""
    if kind not in ("dense", "sparse", "multi", None):
        values.wrong("using(kind)", f"takes 'dense', 'sparse' or 'multi', not {values.kind_of(kind)}")
    return nodes.Using(values.name(name, "using(name)"), kind)


def group(
    by: Name,
    *,
    size: Value = None,
    lookup: Name | nodes.GroupLookup | None = None,
    fuse_first: bool = False,
) -> nodes.Group:
    """``GROUP BY field [SIZE n] [FUSE FIRST] [LOOKUP FROM c]``."""
    return made(nodes.Group, {"name": by, "size": size, "lookup": lookup, "fuse_first": fuse_first})


def group_lookup(
    collection: Name, *, payload: Selected | None = None, vectors: Selected | None = None
) -> nodes.GroupLookup:
    """``LOOKUP FROM c [WITH PAYLOAD …] [WITH VECTOR …]`` of `group`: a point for each group."""
    return made(nodes.GroupLookup, locals())


def lookup(collection: Name, *, vector: Name | None = None, shard: Keys | None = None) -> nodes.Lookup:
    """``LOOKUP FROM c [VECTOR v] [SHARD key]``: where the points of a target are found."""
    return made(nodes.Lookup, locals())


def rerank(
    text: Words | None = None, *, model: Words | None = None, on: Name | None = None, top: Value = None
) -> nodes.Rerank:
    """``RERANK ['text'] [MODEL m] [ON field] [TOP n]``: the order of a cross-encoder."""
    return made(nodes.Rerank, {"text": text, "model": model, "name": on, "top": top})


def shard(keys: Value | Iterable[Value], *, fallback: Value = None) -> nodes.Shard:
    """``SHARD 'key'``, ``SHARD ('a', 'b')``, ``SHARD 'key' FALLBACK 'other'``."""
    one = isinstance(keys, (str, nodes.Param, nodes.Uuid)) or not hasattr(keys, "__iter__")
    several = values.scalars([keys] if one else keys, "shard(keys)")
    return nodes.Shard(several, None if fallback is None else values.scalar(fallback, "shard(fallback)"))


def include(*names: Name) -> nodes.Selection:
    """``INCLUDE (a, b)``; a list of names is the same."""
    return nodes.Selection("include", values.names(names, "include(…)"))


def exclude(*names: Name) -> nodes.Selection:
    """``EXCLUDE (a, b)``."""
    return nodes.Selection("exclude", values.names(names, "exclude(…)"))


def _selection(given: object, at: str) -> nodes.Selection:
    if isinstance(given, bool):
        return nodes.Selection("all" if given else "none")
    if isinstance(given, nodes.Param):
        return nodes.Selection(given)
    if isinstance(given, str):
        values.wrong(at, f"takes a list of names, or True or False, not {values.kind_of(given)}")
    return nodes.Selection("include", values.names(given, at))


def _formula(given: object, at: str) -> nodes.Formula:
    return nodes.Formula(values.expression(given, at))


def _true(kind: type[nodes.Node]) -> Callable[[object, str], nodes.Node | None]:
    """What True makes, and False leaves out."""
    return lambda given, at: kind() if values.flag(given, at) else None


# ------------------------------------------------------------------------------------ any node

_Convert = Callable[["Any", str], object]

_BY_TYPE: dict[str, _Convert] = {
    "Any": values.data,
    "Condition": condition,
    "Expression": values.expression,
    "Formula": _formula,
    "Group": lambda given, at: nodes.Group(values.name(given, at)),
    "GroupLookup": lambda given, at: nodes.GroupLookup(values.name(given, at)),
    "Lookup": lambda given, at: nodes.Lookup(values.name(given, at)),
    "Name": values.name,
    "OrderBy": lambda given, at: nodes.OrderBy(values.name(given, at)),
    "Provenance": _true(nodes.Provenance),
    "Rerank": _true(nodes.Rerank),
    "Scalar": values.scalar,
    "Selection": _selection,
    "Shard": lambda given, at: shard(given),
    "Using": lambda given, at: nodes.Using(values.name(given, at)),
    "bool": values.flag,
    "str": values.word,
    "tuple[Name, ...]": values.names,
    "tuple[Option, ...]": values.options,
    "tuple[Scalar, ...] | Param": values.listed,
}
"""What makes of a Python value what a field holds, by the annotation of the field."""


def made(kind: type[_Node], given: Mapping[str, Any], called: str | None = None) -> _Node:
    """A node of the values for its fields. None is left out; what is a node already stays as it is.

    Raises `QQLPlanError`, which calls the node ``called``, and `TypeError` for a field that does not exist.
    """
    return kind(**_fields(kind, given, called))


def changed(node: _Node, given: Mapping[str, Any], called: str | None = None) -> _Node:
    """A node with other values for some fields; None takes one away."""
    from qql.records import replace

    gone = {key: type(node).__rules__[key].default for key, one in given.items() if one is None}
    return replace(node, **gone, **_fields(type(node), given, called))


def _fields(kind: type[nodes.Node], given: Mapping[str, Any], called: str | None) -> dict[str, Any]:
    called = called or snake(kind)
    unknown = given.keys() - {*kind.__match_args__}
    if unknown:
        takes = ", ".join(kind.__match_args__)
        raise TypeError(f"{called}() takes no {min(unknown)!r}; it takes {takes}")
    for key, value in given.items():
        if value is None and kind.__rules__[key].default is MISSING:
            values.wrong(f"{called}({key}=…)", "has to be given; it is None")
    return {
        key: _converted(kind.__annotations__[key], value, f"{called}({key}=…)")
        for key, value in given.items()
        if value is not None
    }


def _converted(annotation: str, value: object, at: str) -> object:
    wanted = annotation.removesuffix(" | None")
    tree = nodes.tree_of(value)
    if type(tree).__name__ == wanted:
        return tree
    convert = _BY_TYPE.get(wanted)
    return tree if convert is None else convert(value, at)


def snake(kind: type[nodes.Node]) -> str:
    """``create_index`` for `nodes.CreateIndex`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
