"""The numbers that stand in a FORMULA: its factors, summands, scales and targets."""

from __future__ import annotations

from qql import nodes
from qql.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.nodes.formulas import Expression

__all__ = ["formula_of", "numbers_in", "with_formula", "with_number"]

Number = int | float


def formula_of(stage: nodes.Query) -> nodes.Formula | None:
    """The formula of a stage: its target, or what stands behind one."""
    if stage.formula is not None:
        return stage.formula
    return stage.target if isinstance(stage.target, nodes.Formula) else None


def with_formula(stage: nodes.Query, formula: nodes.Formula) -> nodes.Query:
    """The stage with another formula where it has one."""
    if stage.formula is not None:
        return replace(stage, formula=formula)
    return replace(stage, target=formula)


def numbers_in(expression: Expression) -> list[Number | None]:
    """The numbers in the order of the text, but for those of conditions; None for a parameter."""
    visit = _Visit()
    visit.changed(expression)
    return visit.found


def with_number(expression: Expression, at: int, value: Number) -> Expression:
    """The expression with another number in one of the places that `numbers_in` counts."""
    return _Visit(at, value).changed(expression)


class _Visit:
    """Walks over an expression, and makes one with another number at a place."""

    def __init__(self, at: int = -1, value: Number = 0) -> None:
        self.at, self.value = at, value
        self.found: list[Number | None] = []

    def changed(self, one: Expression) -> Expression:
        match one:
            case nodes.Scalar(value=nodes.Param()):
                return self.number(one, None)
            case nodes.Scalar(value=int() | float() as value) if not isinstance(value, bool):
                return self.number(one, value)
            case nodes.Call():
                return replace(one, args=tuple(map(self.changed, one.args)))
            case nodes.Divide():
                return replace(one, left=self.changed(one.left), right=self.changed(one.right))
            case nodes.Case():
                whens = tuple(replace(when, value=self.changed(when.value)) for when in one.whens)
                return replace(one, whens=whens, otherwise=self.optional(one.otherwise))
            case nodes.Decay():
                x, target = self.changed(one.x), self.optional(one.target)
                scale, midpoint = self.optional(one.scale), self.optional(one.midpoint)
                return replace(one, x=x, target=target, scale=scale, midpoint=midpoint)
        return one

    def optional(self, one: Expression | None) -> Expression | None:
        return None if one is None else self.changed(one)

    def number(self, one: nodes.Scalar, value: Number | None) -> nodes.Scalar:
        self.found.append(value)
        return nodes.Scalar(self.value) if len(self.found) - 1 == self.at else one
