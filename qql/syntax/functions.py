"""The functions of formulas: what they are called here and by Qdrant, and how many values they take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FUNCTIONS", "GUARDS", "SPELLINGS", "Function"]


@dataclass(frozen=True, slots=True)
class Function:
    """``name`` is Qdrant's key of the expression; ``most`` None means any number of arguments."""

    name: str
    least: int = 1
    most: int | None = 1


FUNCTIONS = {
    "ABS": Function("abs"),
    "SQRT": Function("sqrt"),
    "POW": Function("pow", 2, 2),
    "EXP": Function("exp"),
    "LOG": Function("log10"),
    "LN": Function("ln"),
    "ACOSH": Function("acosh"),
    "MAX": Function("max", 1, None),
    "MIN": Function("min", 1, None),
    "SUM": Function("sum", 1, None),
    "PRODUCT": Function("mult", 1, None),
    "NEG": Function("neg"),
}
"""By name here; ``a + b``, ``a * b`` and ``-a`` are SUM, PRODUCT and NEG."""
SPELLINGS = {"LOG10": "LOG", "POWER": "POW", "MULT": "PRODUCT"}
"""Other names for them."""
GUARDS = {"sqrt": 0.0, "acosh": 1.0, "log10": 1e-9, "ln": 1e-9}
"""The least argument that a function with ``[DEFAULT = …]`` is given: where it is still defined."""
