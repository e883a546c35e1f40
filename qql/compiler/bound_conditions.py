"""A condition that is the value of a parameter: what may be given, and how it becomes part of the tree.

It is a tree already, or a filter in Qdrant's own words. A text is never read here: what a user typed could
say anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.errors import QQLPlanError, QQLSyntaxError, Span, fail, shown
from qql.records import fields, replace
from qql.rest.types import Json
from qql.syntax.clauses import check_depth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["inserted"]

Plain = Callable[[Json, Span], Json]

_HOW = "qql.condition('year > :y', y=2020) makes a condition; {'must': […]} is a filter of Qdrant's"


def inserted(given: object, name: str, span: Span, plain: Plain, without: str) -> nodes.Condition:
    """A condition that was given as a tree, or as a filter of Qdrant's, at the place of its parameter.

    All of it stands where the parameter does: of its own text nothing is known here. ``plain`` gives a value
    as JSON data, ``without`` is the hint for None and for what holds for every point. Raises `QQLPlanError`
    for what is no condition, and for one with parameters of its own.
    """
    given = nodes.tree_of(given)
    if isinstance(given, Mapping):
        given = _condition_of(plain(given, span), name, span, without)
    if not isinstance(given, nodes.Condition):
        what = "a text" if isinstance(given, str) else shown(given) if given is None else _type_of(given)
        how = without if given is None else _HOW
        fail("wrong-parameter", f"{name} takes a condition, not {what}", span, how)
    try:
        check_depth(given, "filters")
    except QQLSyntaxError as exc:
        raise QQLPlanError(replace(exc.diagnostic, span=span)) from None
    placed: nodes.Condition = _Placed(name, span, plain).of(given)
    return placed


def _condition_of(found: Json, name: str, span: Span, without: str) -> nodes.Condition:
    """The condition that says a filter of Qdrant's REST interface, given as JSON data.

    Raises `QQLPlanError`: ``cannot-convert`` with the place inside of it, ``empty-filter`` for one that holds
    for every point.
    """
    from qql.compiler.rest_filters import filter_of, normal_filter

    try:
        condition = filter_of(normal_filter(found, name))
    except QQLPlanError as exc:
        raise exc.at(span=span) from None
    except RecursionError:
        fail("too-deep", f"{name} nests too deep", span)
    if condition is None:
        message = f"{name} is a filter that holds for every point"
        fail("empty-filter", message, span, without)
    return condition


def _type_of(given: object) -> str:
    return f"a value of the type {type(given).__name__}"


_KEPT = (*nodes.Condition.__args__, nodes.Name, nodes.Scalar, nodes.Option, nodes.Uuid)
"""What a condition is made of."""


class _Placed:
    """Copies a condition to the place of a parameter. Nothing of the copy can be changed from outside."""

    def __init__(self, name: str, span: Span, plain: Plain) -> None:
        self.name = name
        self.span = span
        self.plain = plain

    def of(self, item: Any) -> Any:
        match item:
            case nodes.Param() | nodes.Optional() | nodes.BoundCondition():
                message = f"{self.name} is a condition with parameters of its own"
                hint = "qql.condition('year > :y', y=2020) gives them their values"
                fail("wrong-parameter", message, self.span, hint)
            case nodes.And(children=()) | nodes.Or(children=()) | nodes.MinShould(conditions=()):
                fail("empty-filter", f"{self.name} has an AND or OR of nothing", self.span, _HOW)
            case nodes.Node() if isinstance(item, _KEPT):
                parts = {f.name: self.of(getattr(item, f.name)) for f in fields(item) if f.name != "span"}
                return replace(item, span=self.span, **parts)
            case tuple():
                return tuple(map(self.of, item))
            case list():
                return [self.of(one) for one in item]
            case dict():
                return {key: self.of(one) for key, one in item.items()}
            case None | bool() | int() | float() | str():
                return self.plain(item, self.span)
        self.foreign(item)

    def foreign(self, item: object) -> NoReturn:
        fail("wrong-parameter", f"{self.name} holds {_type_of(item)}", self.span, _HOW)
