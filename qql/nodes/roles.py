"""What the parts of a target hold: inputs that a model may have to embed, numbers, words."""

from __future__ import annotations

from qql.records import MISSING, NamedTuple, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["INPUT", "INPUTS", "PAIRS", "SCORED", "Choice", "Count", "Inputs", "Number", "Role", "part"]


class Inputs(NamedTuple):
    """Texts, vectors or points, in one of four shapes."""

    shape: str


class Number(NamedTuple):
    """A number from ``low`` to ``high``."""

    low: float
    high: float


class Count(NamedTuple):
    """A whole number from ``low`` to ``high``, which is Qdrant's own limit."""

    low: int
    high: int


class Choice(NamedTuple):
    """One of some words. ``plural`` is what they are called together."""

    words: tuple[str, ...]
    plural: str


Role = Inputs | Number | Count | Choice
"""What a part holds."""
INPUT = Inputs("one")
"""One text, image, object, vector or point."""
INPUTS = Inputs("list")
"""A list of inputs, in which a bare string is the id of a point."""
PAIRS = Inputs("pairs")
"""A list of `ContextPair`, a positive and a negative input each."""
SCORED = Inputs("scored")
"""A list of `FeedbackItem`, an input and its score each."""


def part(role: Role, word: str = "", *, rest: str, default: Any = MISSING) -> Any:
    """A field of a node that is a `Part` of a target. Without ``default`` it is required."""
    return field(default=default, metadata={"part": (role, word, rest)})
