"""How many points a stage can take, and where a point would stand among those that it could take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from qql import nodes
from qql.analysis.stage_requests import DEFAULT_LIMIT, StageRun
from qql.analysis.why_result import Change
from qql.compiler.plan import QueryPlan

__all__ = ["Slots", "Stood", "slots_of"]


@dataclass(frozen=True, slots=True)
class Slots:
    """How many points a stage can take, and the words that say so.

    ``word`` is the clause, ``limit`` what it says (or Qdrant takes for it), ``factor`` the SIZE that GROUP BY
    multiplies it by. ``notes`` say where the number comes from, ``made`` that it is not the user's to change.
    """

    count: int
    word: str
    limit: int
    offset: int = 0
    factor: int = 1
    notes: tuple[str, ...] = ()
    made: bool = False

    def cut(self) -> str:
        """The words, as a sentence about what they do."""
        page = f" OFFSET {self.offset}" if self.offset else ""
        notes = "".join(f", {note}" for note in self.notes) + ("," if self.notes else "")
        return f"{self.word} {self.limit}{page}{notes} cuts it off"

    def taking(self, stood: Stood) -> tuple[Change, ...] | None:
        """What makes room for the point and its equals: nothing where there is; None where no word does."""
        if stood.last > self.count:
            parted = stood.first <= self.offset
            value = -(-stood.last // self.factor) - self.offset
            return None if self.made or parted else (Change(self.word, value),)
        if stood.first > self.offset:
            return ()
        start = max(0, stood.last - self.limit)
        return (Change("OFFSET", start),) if stood.first > start else None


def slots_of(run: StageRun, plan: QueryPlan) -> Slots:
    """The slots of a stage's own list: of MMR, of the points that it chooses."""
    limit, origin = run.stage.limit, run.stage.origin
    said = DEFAULT_LIMIT if limit is None else limit
    default = ("Qdrant's default",) if limit is None else ()
    if run.depth == 0:
        candidates = ("the number of candidates",) if plan.second else ()
        return Slots(run.limit, "LIMIT", said, plan.offset or 0, notes=default + candidates)
    target, factor = run.stage.target, run.limit // said
    if isinstance(target, nodes.Mmr) and target.candidates is not None and not run.inputs:
        return Slots(run.limit, "CANDIDATES", run.limit)
    size = (f"times SIZE {factor}",) if factor > 1 else ()
    sets = (f"which {origin} sets",) if origin else ()
    return Slots(run.limit, "LIMIT", said, 0, factor, (*sets, *default, *size), bool(origin))


class Stood(NamedTuple):
    """Where the point would stand: by what, at which rank, and the ranks of those that are equal to it."""

    told: str
    score: float | None
    rank: int | None = None
    first: int = 0
    last: int = 0

    @classmethod
    def at(cls, told: str, score: float, rank: int | None, keys: Sequence[Any]) -> Stood:
        """Of a list that goes by the keys."""
        if rank is None:
            return cls(told, score)
        mine = keys[rank - 1]
        first = next((at + 1 for at in range(rank - 1, 0, -1) if keys[at - 1] != mine), 1)
        last = next((at for at in range(rank, len(keys)) if keys[at] != mine), len(keys))
        return cls(told, score, rank, first, last)

    @classmethod
    def only(cls, rank: int) -> Stood:
        """At a rank where nothing is equal to it."""
        return cls("", None, rank, rank, rank)

    def splits(self, count: int, keys: Sequence[Any]) -> bool:
        """Whether a limit keeps some of the equals and cuts others off."""
        return self.rank is not None and self.last > count and keys[count - 1] == keys[self.rank - 1]
