"""A tie that a stage's LIMIT cut: which of the equals are in its list is the engine's chance."""

from __future__ import annotations

from qql.records import dataclass
from qql.rest.types import JsonObject

__all__ = ["CutTie"]


@dataclass(frozen=True, slots=True)
class CutTie:
    """``inside`` points at the end of a list rank as high as ``outside`` others behind its limit.

    ``more``: not all of these were looked at.
    """

    inside: int
    outside: int
    more: bool = False

    @property
    def text(self) -> str:
        """The same as a line of EXPLAIN ANALYZE."""
        many = f"{self.outside} {'or more ' if self.more else ''}behind it"
        return f"LIMIT cuts a tie: {self.inside} before and {many} are equal, any of which the engine keeps"

    def to_dict(self) -> JsonObject:
        """``{"inside", "outside", "more"}``."""
        return {"inside": self.inside, "outside": self.outside, "more": self.more}
