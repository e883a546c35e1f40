"""Which types of payload index answer which condition, and which statements need one."""

from __future__ import annotations

from collections.abc import Mapping

from qql import nodes
from qql.advice.view import joined
from qql.compiler.dates import looks_like_date
from qql.compiler.scalars import scalar_value
from qql.records import NamedTuple

__all__ = ["FULL_TEXT", "NEEDS", "Need", "need_of"]


class Need(NamedTuple):
    """The types of index that answer a condition, the one to create first; ``use`` names the condition.

    ``integer_option`` is the option of an integer index that may be switched off and has to be on.
    """

    use: str
    types: tuple[str, ...]
    integer_option: str | None = None


NEEDS: Mapping[str, Need] = {
    # Equality, by the type of the values.
    "equal bool": Need("a match of true or false", ("bool",)),
    "equal int": Need("a match of whole numbers", ("integer",), "lookup"),
    "equal float": Need("a match of numbers", ("float", "integer")),
    "equal str": Need("a match of texts", ("keyword", "uuid")),
    "equal uuid": Need("a match of UUIDs", ("uuid", "keyword")),
    # Ranges, by the type of their bounds.
    "range int": Need("a range of numbers", ("integer", "float"), "range"),
    "range float": Need("a range of numbers", ("float", "integer"), "range"),
    "range date": Need("a range of dates", ("datetime",)),
    # Other conditions.
    "geo": Need("a geo condition", ("geo",)),
    "other": Need(
        "this condition", ("keyword", "integer", "float", "bool", "geo", "datetime", "text", "uuid")
    ),
    # What fails without an index.
    "order by": Need("ORDER BY", ("integer", "float", "datetime")),
    "facet": Need("FACET", ("keyword", "integer", "uuid", "bool")),
    "full text": Need("a search by MATCH", ("text",)),
}


FULL_TEXT = Need("full-text MATCH", ("text",))


def _need_of_match(operator: nodes.MatchOperator) -> Need:
    """What an operator of MATCH needs, by its declaration; those of one index are spoken of together."""
    if operator.indexes == FULL_TEXT.types:
        return FULL_TEXT
    alike = [one.word for one in nodes.MATCH_OPERATORS.values() if one.indexes == operator.indexes]
    return Need(f"MATCH {joined(alike)}", operator.indexes)


def need_of(condition: nodes.Condition) -> Need:
    """What a condition needs, by its operator and by the values that it compares with."""
    match condition:
        case nodes.Compare(op="=" | "!="):
            return _need_of_equality([condition.value])
        case nodes.In():
            return _need_of_equality(condition.values)
        case nodes.Match():
            operator = nodes.MATCH_OPERATORS[condition.kind]
            return _need_of_equality(condition.value) if operator.values else _need_of_match(operator)
        case nodes.Compare():
            return _need_of_range([condition.value])
        case nodes.Between():
            return _need_of_range([condition.low, condition.high])
        case nodes.Range():
            return _need_of_range([nodes.Scalar(bound.value) for bound in condition.bounds])
        case nodes.Geo():
            return NEEDS["geo"]
    return NEEDS["other"]


def _need_of_equality(scalars: object) -> Need:
    values = [scalar_value(scalar) for scalar in scalars] if isinstance(scalars, (list, tuple)) else []
    kinds = {type(value).__name__ for value in values}
    if len(kinds) != 1:
        return NEEDS["other"]
    if all(isinstance(value, str) and nodes.is_uuid(value) for value in values):
        return NEEDS["equal uuid"]
    return NEEDS.get(f"equal {kinds.pop()}", NEEDS["other"])


def _need_of_range(scalars: list[nodes.Scalar]) -> Need:
    values = [scalar_value(scalar) for scalar in scalars]
    if all(isinstance(value, str) and looks_like_date(value) for value in values):
        return NEEDS["range date"]
    return NEEDS["range int" if all(isinstance(value, int) for value in values) else "range float"]
