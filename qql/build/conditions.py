"""Conditions that no field begins, and those that hold others."""

from __future__ import annotations

from qql import nodes
from qql.build import values
from qql.build.built import Filter, as_condition, chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.build.fields import Value

    Condition = Filter | nodes.Condition | nodes.Param

__all__ = [
    "all_of",
    "any_of",
    "bound",
    "condition",
    "has_vector",
    "min_should",
    "optional",
    "slice_of",
    "where",
]


def condition(given: object, at: str) -> nodes.Condition:
    """A condition: one that was built, that of `qql.condition`, or a parameter that is one."""
    found = as_condition(given)
    if found is None:
        hint = "field('year') >= 2020 is one, and qql.condition('year >= :y', y=2020)"
        values.wrong(at, f"takes a condition, not {values.kind_of(given)}", hint)
    return found


def _several(given: tuple[object, ...], at: str) -> list[nodes.Condition]:
    return [condition(one, f"{at}[{place}]") for place, one in enumerate(given) if one is not None]


def _chained(kind: type[nodes.And | nodes.Or], given: tuple[object, ...], at: str) -> Filter:
    found = _several(given, at)
    if not found:
        values.wrong(at, "takes at least one condition", "where(…) gives None where there is none")
    return chain(kind, found)


def all_of(*conditions: Condition | None) -> Filter:
    """``a AND b AND …``; None among them is left out. Raises `QQLPlanError` where nothing is left."""
    return _chained(nodes.And, conditions, "all_of(…)")


def any_of(*conditions: Condition | None) -> Filter:
    """``a OR b OR …``; None among them is left out. Raises `QQLPlanError` where nothing is left."""
    return _chained(nodes.Or, conditions, "any_of(…)")


def where(*conditions: Condition | None) -> Filter | None:
    """`all_of` for conditions that may all be missing: None then, which the ``where=`` of a query takes.

    >>> from qql.build import field
    >>> tags = None
    >>> str(where(field("year") >= 2020, field("tags").any_of(tags) if tags else None))
    'year >= 2020'
    """
    return all_of(*conditions) if any(one is not None for one in conditions) else None


def bound(key: str | nodes.Param) -> Filter:
    """``:key`` in the place of a condition, which the value is."""
    return Filter(nodes.BoundCondition(key if isinstance(key, nodes.Param) else values.param(key)))


def optional(given: Condition) -> Filter:
    """``OPTIONAL (year >= :y)``: as if it were not written where its parameters are None."""
    return Filter(nodes.Optional(condition(given, "optional(…)")))


def min_should(count: Value, *conditions: Condition | None) -> Filter:
    """``MIN SHOULD 2 (a, b, c)``: at least so many of them hold."""
    found = _several(conditions, "min_should(…)")
    if not found:
        values.wrong("min_should(…)", "takes at least one condition")
    return Filter(nodes.MinShould(values.scalar(count, "min_should(count)"), tuple(found)))


def has_vector(name: str | nodes.Param) -> Filter:
    """``HAS_VECTOR dense``: the point has a vector of that name."""
    return Filter(nodes.HasVector(values.name(name, "has_vector(name)")))


def slice_of(total: Value, index: Value) -> Filter:
    """``SLICE(4, 0)``: the first of four disjoint parts of all points."""
    parts = (values.scalar(total, "slice_of(total)"), values.scalar(index, "slice_of(index)"))
    return Filter(nodes.Slice(*parts))
