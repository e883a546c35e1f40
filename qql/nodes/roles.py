"""What the parts of a target hold: inputs that a model may have to embed, numbers, words."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any

__all__ = ["INPUT", "INPUTS", "PAIRS", "SCORED", "Choice", "Count", "Number", "Role", "part"]


@dataclass(frozen=True, slots=True)
class Role:
    """What a part of a target holds. ``inputs`` says that there are texts, vectors or points in it."""

    name: str
    inputs: bool = False


INPUT = Role("input", inputs=True)
"""One text, image, object, vector or point."""
INPUTS = Role("inputs", inputs=True)
"""A list of inputs, in which a bare string is the id of a point."""
PAIRS = Role("pairs", inputs=True)
"""A list of `ContextPair`, a positive and a negative input each."""
SCORED = Role("scored", inputs=True)
"""A list of `FeedbackItem`, an input and its score each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Role):
    """A number from ``low`` to ``high``."""

    name: str = "number"
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Role):
    """A whole number from ``low`` to ``high``, which is Qdrant's own limit."""

    name: str = "count"
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Role):
    """One of some words. ``plural`` is what they are called together."""

    name: str = "choice"
    words: tuple[str, ...]
    plural: str


def part(role: Role, word: str = "", *, rest: str, default: Any = MISSING) -> Any:
    """A field of a node that is a `Part` of a target. Without ``default`` it is required."""
    return field(default=default, metadata={"part": (role, word, rest)})
