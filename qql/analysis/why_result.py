"""What WHY answers: where a point stood in each stage, what kept it out, and what would let it in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from qql.analysis.model import Id
from qql.rest.types import JsonObject
from qql.syntax.printer import show

__all__ = ["Change", "Explanation", "FailedCondition", "Standing"]


@dataclass(frozen=True, slots=True)
class Change:
    """A clause, or a search parameter, and the value that it would need: ``LIMIT 73``, ``exact = true``."""

    word: str
    value: int | float | str

    def __str__(self) -> str:
        between = " = " if self.word.islower() else " "
        return f"{self.word}{between}{show(self.value)}"


@dataclass(frozen=True, slots=True)
class FailedCondition:
    """A condition that the point does not satisfy, as QQL, and where it was written.

    ``stage`` is the label of the stage whose words it stands in, ``source`` its ``WHERE`` (of the stage),
    ``reference`` (of PREFETCH) or ``GROUP BY`` (which leaves out points without the field). ``note`` says
    where the point has no such field, or nothing in it that could be compared.
    """

    text: str
    stage: str
    source: str
    note: str | None = None

    def __str__(self) -> str:
        where = {"stage": f"WHERE of {self.stage}", "reference": f"WHERE of the reference to {self.stage}"}
        note = f": {self.note}" if self.note else ""
        return f"{self.text} ({where.get(self.source, self.source)}{note})"


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of the point in one stage.

    ``outcome`` is ``found``, or what kept it out:

    * ``filtered``: ``failed`` names the conditions. ``named``: a query by point leaves out the points that it
      names.
    * ``no-vector``; ``no-value``: ORDER BY a field that it lacks; ``before-start``: its value stands before
      START FROM; ``no-match``: nothing in common with what is searched for; ``no-group``: GROUP BY makes
      groups of texts and integers, and its value is neither.
    * ``below-threshold``: SCORE THRESHOLD. ``cut``: LIMIT (of MMR: CANDIDATES too). ``outranked``: the LIMIT
      of a fusion. ``tie``: it is equal to the last one, and chance decides which of the equals are taken.
    * ``approximate``: an exact search has it within LIMIT. ``diversity``: MMR preferred others to it.
    * ``not-in-inputs``: no stage below gives it.
    * ``earlier-page``: OFFSET. ``group-full`` and ``group-cut``: SIZE and LIMIT of GROUP BY. ``reranked``:
      the TOP of RERANK.
    * ``chance``: SAMPLE, or an engine that answers otherwise when it is asked again. ``shards``: a fusion
      below is computed by each shard for itself. ``unexplained``.

    ``rank`` counts from 1. Where the point was kept out, it is the place at which it would stand with more
    slots: of vectors, in an exact search; of ``diversity``, in the order of MMR; of ``group-full``, in its
    group; of ``group-cut``, that of its group. None beyond `DEEPEST`, and where there is none. ``changes``,
    where it is simple, are what would let the point into the stage, all of them together.
    """

    label: str
    depth: int
    outcome: str
    text: str
    rank: int | None = None
    score: float | None = None
    failed: tuple[FailedCondition, ...] = ()
    changes: tuple[Change, ...] = ()
    path: tuple[int, ...] = ()

    @property
    def hint(self) -> str | None:
        """The changes as a sentence: ``LIMIT 73 would let it in``."""
        if not self.changes:
            return None
        return f"{' and '.join(map(str, self.changes))} would let it in"

    @property
    def told(self) -> str:
        """The text, and the hint behind it."""
        return self.text if self.hint is None else f"{self.text} ({self.hint})"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to WHY and WHY NOT. ``rank`` and ``score`` are those of the hit, None where it is none.

    ``outcome`` is ``hit``, ``no-point``, or that of the first standing; ``reason`` says it in a sentence.
    ``standings`` has the root first, then the stages in the order of the request; where RERANK is followed
    too, it stands before the root, with the label ``RERANK``, and all others one deeper.
    """

    id: Id
    outcome: str
    reason: str
    rank: int | None = None
    score: float | None = None
    standings: tuple[Standing, ...] = field(default=())

    @property
    def is_hit(self) -> bool:
        """Whether the query answers with the point."""
        return self.outcome == "hit"

    def lines(self) -> list[str]:
        """The answer as text: the reason, then a line for each stage."""
        return [
            self.reason,
            *(f"{'  ' * (one.depth + 1)}{one.label}: {one.told}" for one in self.standings),
        ]

    def to_dict(self) -> JsonObject:
        """As JSON data: the fields; ``standings`` and their ``failed`` and ``changes`` are objects."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]
